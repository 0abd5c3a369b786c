/* What the journal holds of files: its form, its image, its ceiling. */
#include <criterion/criterion.h>

#include "files/state.h"

#define SEGMENT (UINT64_C(1) << 20)

static struct {
    struct file_state *state;
    struct state_kind kind;
    struct bytes body;
    struct error error;
} fx;

static void start(void)
{
    cr_assert_eq(file_state_new(&fx.state, SEGMENT, &fx.error), 0);
    fx.kind = file_state_kind(fx.state);
    bytes_init(&fx.body, 1 << 20);
}

static void end(void)
{
    bytes_free(&fx.body);
    file_state_free(&fx.state);
    cr_assert_null(fx.state);
    file_state_free(&fx.state);
}

TestSuite(file_state, .init = start, .fini = end, .timeout = 900);

static int apply(void)
{
    return fx.kind.apply(fx.kind.state, fx.body.data, fx.body.length, 7, &fx.error);
}

static void put(const struct file_record *record)
{
    bytes_clear(&fx.body);
    cr_assert_eq(file_state_encode(&fx.body, record, &fx.error), 0);
    cr_assert_eq(apply(), 0, "%s", fx.error.text);
}

static struct file_record sample(uint64_t number)
{
    return (struct file_record){.number = number,
        .inside = number % 2,
        .within = (uint8_t)(200 + number % 8),
        .renamed = number % 2,
        .done = number % 2,
        .identity = {0x801, 1000 + number, -5},
        .position = UINT64_C(1) << 40,
        .head = {FILE_HEAD_MAX, 11},
        .marker = {FILE_MARKER_MAX, 12},
        .path = slice_of("/srv/drop/a\nb.log")};
}

/* ---- what is visited ------------------------------------------------------------------------------------------- */

static struct {
    size_t count;
    struct file_record last;
    char path[64];
} seen;

static int see(void *context, const struct file_record *record, struct error *error)
{
    (void)error;
    cr_assert_eq(context, &seen);
    seen.count++;
    seen.last = *record;
    cr_assert_lt(record->path.length, sizeof seen.path);
    memcpy(seen.path, record->path.data, record->path.length);
    seen.path[record->path.length] = '\0';
    return 0;
}

static size_t visit(void)
{
    seen.count = 0;
    cr_assert_eq(file_state_visit(fx.state, see, &seen, &fx.error), 0);
    return seen.count;
}

static int refuse(void *context, const struct file_record *record, struct error *error)
{
    (void)context;
    (void)record;
    return error_set(error, ERROR_RETRY, "no more");
}

Test(file_state, everything_comes_back)
{
    const struct file_record record = sample(3);

    put(&record);
    cr_assert_eq(fx.body.length, FILE_STATE_HEAD + record.path.length);
    cr_assert_eq(visit(), 1);
    cr_assert_eq(seen.last.number, 3);
    cr_assert(seen.last.inside && seen.last.renamed && seen.last.done && !seen.last.gone && !seen.last.watch);
    cr_assert_eq(seen.last.within, 203);
    cr_assert_eq(seen.last.identity.device, 0x801);
    cr_assert_eq(seen.last.identity.inode, 1003);
    cr_assert_eq(seen.last.identity.born, -5);
    cr_assert_eq(seen.last.position, UINT64_C(1) << 40);
    cr_assert(seen.last.head.length == FILE_HEAD_MAX && seen.last.head.value == 11);
    cr_assert(seen.last.marker.length == FILE_MARKER_MAX && seen.last.marker.value == 12);
    cr_assert_str_eq(seen.path, "/srv/drop/a\nb.log");
    cr_assert_eq(file_state_visit(fx.state, refuse, NULL, &fx.error), -1);
    cr_assert_str_eq(fx.error.text, "no more");
}

Test(file_state, the_last_word_on_a_number_counts)
{
    struct file_record record = sample(3);

    put(&record);
    record.position = 5;
    record.path = slice_of("/srv/other");
    put(&record);
    cr_assert_eq(visit(), 1);
    cr_assert_eq(seen.last.position, 5);
    cr_assert_str_eq(seen.path, "/srv/other");
    record.gone = true;
    put(&record);
    cr_assert_eq(fx.body.length, FILE_STATE_HEAD);
    cr_assert_eq(visit(), 0);
    put(&record); /* of one that is not there: nothing */
    cr_assert_eq(visit(), 0);
}

/* They have no number: what tells one from another is the pattern. */
Test(file_state, watches_are_known_by_their_pattern)
{
    struct file_record record = {.watch = true, .path = slice_of("/srv/*.log")};

    put(&record);
    put(&record);
    record.path = slice_of("/srv/*.txt");
    put(&record);
    cr_assert_eq(visit(), 2);
    cr_assert(seen.last.watch && seen.last.number == 0);
    record.gone = true;
    put(&record);
    cr_assert_eq(visit(), 1);
    cr_assert_str_eq(seen.path, "/srv/*.log");
}

Test(file_state, what_is_no_file_is_refused)
{
    const struct file_record record = sample(4);
    const struct {
        size_t at;
        char byte;
        const char *why;
    } cases[] = {
        {0, 2, "not a known form"}, {2, 1, "its lengths do not fit"}, /* of the path */
        {5, 5, "its lengths do not fit"}, /* of the head: 1280 and more */
        {6, 65, "its lengths do not fit"}, /* of the marker */
        {8, 0, "its lengths do not fit"}, /* number 0 is a watch's */
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bytes_clear(&fx.body);
        cr_assert_eq(file_state_encode(&fx.body, &record, &fx.error), 0);
        fx.body.data[cases[i].at] = cases[i].byte;
        cr_assert_eq(apply(), -1, "case %zu", i);
        cr_assert(strstr(fx.error.text, cases[i].why), "case %zu: %s", i, fx.error.text);
    }
    fx.body.length = FILE_STATE_HEAD - 1;
    cr_assert_eq(apply(), -1);
    cr_assert_eq(visit(), 0);
    bytes_free(&fx.body);
    bytes_init(&fx.body, 1);
    cr_assert_eq(file_state_encode(&fx.body, &record, &fx.error), -1);
}

/* ---- snapshots ---------------------------------------------------------------------------------------------------- */

static struct file_state *copy;

static int emit(void *context, const void *body, size_t length, struct error *error)
{
    size_t *left = context;
    const struct state_kind kind = file_state_kind(copy);

    if ((*left)-- == 0)
        return error_set(error, ERROR_RETRY, "the segment is full");
    return kind.apply(kind.state, body, length, 0, error);
}

Test(file_state, a_snapshot_holds_all_of_many)
{
    size_t left = SIZE_MAX;
    struct file_record watch = {.watch = true, .path = slice_of("/srv/*.log")};

    put(&watch);
    for (uint64_t number = 1; number <= 1000; number++) {
        const struct file_record record = sample(number);
        put(&record);
    }
    for (uint64_t number = 1; number <= 1000; number += 2) {
        const struct file_record record = {.number = number, .gone = true};
        put(&record);
    }
    cr_assert_eq(visit(), 501);
    cr_assert_eq(file_state_count(fx.state), 500);
    cr_assert_eq(file_state_new(&copy, SEGMENT, &fx.error), 0);
    cr_assert_eq(fx.kind.dump(fx.kind.state, 1, emit, &left, &fx.error), 0);
    struct file_state *first = fx.state;
    fx.state = copy;
    cr_assert_eq(visit(), 501);
    fx.state = first;
    left = 10;
    cr_assert_eq(fx.kind.dump(fx.kind.state, 1, emit, &left, &fx.error), -1);
    cr_assert_str_eq(fx.error.text, "the segment is full");
    file_state_free(&copy);
}

/* 1 MiB of a segment, an eighth of it for state, a quarter of that for files. */
Test(file_state, more_than_segments_hold_is_said_with_what_would)
{
    const uint64_t each = file_state_size(sample(1).path.length);

    cr_assert_eq(file_state_limit(fx.state), SEGMENT / 8 / 4);
    for (uint64_t number = 1; number <= file_state_limit(fx.state) / each; number++) {
        const struct file_record record = sample(number);
        put(&record);
    }
    cr_assert_eq(file_state_check(fx.state, &fx.error), 0);
    const struct file_record one_more = sample(100000);
    put(&one_more);
    cr_assert_eq(file_state_check(fx.state, &fx.error), -1);
    cr_assert_eq(fx.error.kind, ERROR_FATAL);
    cr_assert_str_eq(fx.error.text,
        "304 files are known, more than segments of this size can hold: set journal.segment_size to at least 2MiB");
}
