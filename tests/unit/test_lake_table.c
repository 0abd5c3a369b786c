/* Files of tables in a lake: frames until they are published, then one file of one shape; and stores that fail meanwhile. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>

#include "lake/convert.h"
#include "lake/format.h"
#include "lake_harness.h"

#define LARGE 300000 /* bytes of a payload that no buffer holds */

static struct error error;
static char root[64];
static struct harness_clock now;
static struct lake *lake;
static struct store_kind kind; /* the local one, whose calls fail from a count on */
static int calls_left;

static int count_down(struct error *failure)
{
    return calls_left-- > 0 ? 0 : error_set(failure, ERROR_RETRY, "made to fail");
}

static int create(struct store *store, struct store_file **ret_file, struct error *failure)
{
    return count_down(failure) ? -1 : store_local.create(store, ret_file, failure);
}

static int write_some(struct store_file *file, const void *data, size_t length, struct error *failure)
{
    return count_down(failure) ? -1 : store_local.write(file, data, length, failure);
}

static int read_some(const struct store_file *file, uint64_t from, void *data, size_t length,
    size_t *ret_read, struct error *failure)
{
    return count_down(failure) ? -1 : store_local.read(file, from, data, length, ret_read, failure);
}

static struct rendering rendering_of(uint32_t id, enum form_file file)
{
    struct rendering rendering = {
        .id = id, .stream = "readings", .format = RECORD_FORMAT_JSON, .form.file = file};

    cr_assert_eq(form_add_column(&rendering.form, slice_of("n"), FORM_INTEGER), 0);
    return rendering;
}

static void begin(void)
{
    harness_make_directory(root);
    now = harness_clock_at(1000000);
    const struct lake_options options = harness_options(root, &now);
    kind = store_local;
    kind.create = create;
    kind.write = write_some;
    kind.read = read_some;
    calls_left = 1 << 30;
    cr_assert_eq(lake_open_store(&lake, &options, &kind, &error), 0, "%s", error.text);
}

static void end(void)
{
    lake_close(&lake);
    harness_remove(root);
}

static int append(const struct rendering *rendering, uint64_t sequence, size_t size)
{
    static char text[LARGE + 100];
    const int length = snprintf(
        text, sizeof text, "{\"n\":%llu,\"pad\":\"%*s\"}", (unsigned long long)sequence, (int)size, "");
    const struct lake_row row = {.path = slice_of("p"),
        .stream = "readings",
        .format = RECORD_FORMAT_JSON,
        .rendering = rendering,
        .epoch = 7,
        .sequence = sequence,
        .received = 2,
        .time = 3,
        .key = slice_of("k"),
        .payload = {text, (size_t)length}};
    bool there;

    return lake_append(lake, &row, 0, &there, &error);
}

/* The text of a file of the lake. */
static char *text_of(const char *name)
{
    static char text[1 << 20];
    char path[256];

    snprintf(path, sizeof path, "%s/p/%s", root, name);
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file, "%s", path);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

Test(lake_table, is_published_as_one_file_of_its_rows)
{
    struct rendering csv = rendering_of(1, FORM_CSV);

    begin();
    cr_assert_eq(append(&csv, 1, 1), 0, "%s", error.text);
    cr_assert_eq(append(&csv, 3, 1), 0);
    cr_assert_eq(lake_roll(lake, true, &error), 0, "%s", error.text);
    cr_assert_str_eq(text_of("readings+gw-1.00000007+0000000001+0000000003.csv"),
        "n,_rest,_key,_time,_received,_id\n"
        "1,\"{\"\"pad\"\":\"\" \"\"}\",k,1970-01-01T00:00:00.000003Z,1970-01-01T00:00:00.000002Z,gw-1/00000007/1\n"
        "3,\"{\"\"pad\"\":\"\" \"\"}\",k,1970-01-01T00:00:00.000003Z,1970-01-01T00:00:00.000002Z,gw-1/00000007/3\n");
    end();
    form_clear(&csv.form);
}

/* Of a partition of Kafka: the last digits of its ids, and keys longer than any of ours. */
Test(lake_table, rows_of_a_topic_are_called_by_their_offsets)
{
    static char key[70000];
    struct rendering csv = rendering_of(1, FORM_CSV);
    struct lake_row row = {.path = slice_of("p"),
        .stream = "songs",
        .format = RECORD_FORMAT_JSON,
        .rendering = &csv,
        .key = {memset(key, 'k', sizeof key), sizeof key},
        .payload = slice_of("{\"n\":7}")};
    char expected[80000];
    bool there;

    harness_make_directory(root);
    now = harness_clock_at(1000000);
    struct lake_options options = harness_options(root, &now);
    options.gateway_id = "songs+12";
    cr_assert_eq(lake_open(&lake, &options, &error), 0, "%s", error.text);
    row.sequence = 1;
    cr_assert_eq(lake_append(lake, &row, 0, &there, &error), 0, "%s", error.text);
    row.sequence = UINT64_C(12345678901234567891);
    row.key.length = 0;
    cr_assert_eq(lake_append(lake, &row, 0, &there, &error), 0, "%s", error.text);
    cr_assert_eq(lake_roll(lake, true, &error), 0, "%s", error.text);
    snprintf(expected, sizeof expected,
        "n,_rest,_key,_time,_received,_id\n7,,%.70000s,1970-01-01T00:00:00Z,1970-01-01T00:00:00Z,songs+12+0\n"
        "7,,,1970-01-01T00:00:00Z,1970-01-01T00:00:00Z,songs+12+12345678901234567890\n",
        key);
    cr_assert_str_eq(text_of("songs+12+0000000000+12345678901234567890.csv"), expected);
    end();
    form_clear(&csv.form);
}

/* Frames that went to the store, some of them torn by its buffers, some larger than those, and many batches. */
Test(lake_table, holds_rows_of_all_sizes_in_their_order)
{
    struct rendering csv = rendering_of(1, FORM_CSV);
    uint64_t sequence = 0;

    begin();
    for (int i = 0; i < 9000; i++)
        cr_assert_eq(append(&csv, ++sequence, i % 3000 == 7 ? LARGE : (size_t)(i % 50) + 1), 0);
    cr_assert_eq(lake_roll_oldest(lake, false, &error), 0, "%s", error.text);
    cr_assert_eq(lake_published(lake), 1);
    char path[256], line[LARGE + 1000];
    snprintf(path, sizeof path, "%s/p/readings+gw-1.00000007+0000000001+0000009000.csv", root);
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file);
    cr_assert_not_null(fgets(line, sizeof line, file));
    for (uint64_t i = 1; i <= sequence; i++) {
        cr_assert_not_null(fgets(line, sizeof line, file));
        cr_assert_eq(strtoull(line, NULL, 10), i);
    }
    cr_assert_null(fgets(line, sizeof line, file));
    fclose(file);
    end();
    form_clear(&csv.form);
}

Test(lake_table, ends_where_the_rendering_changes)
{
    struct rendering csv = rendering_of(1, FORM_CSV), other = rendering_of(65, FORM_CSV),
                     avro = rendering_of(2, FORM_AVRO);

    begin();
    cr_assert_eq(append(&csv, 1, 1), 0);
    cr_assert_eq(append(&csv, 2, 1), 0);
    cr_assert_eq(append(&other, 3, 1), 0);
    cr_assert_eq(append(NULL, 4, 1), 0);
    cr_assert_eq(append(&avro, 5, 1), 0);
    cr_assert_eq(append(&csv, 6, 1), 0);
    cr_assert_eq(lake_roll(lake, true, &error), 0);
    cr_assert(harness_has(root, "p/readings+gw-1.00000007+0000000001+0000000002.csv"));
    cr_assert(harness_has(root, "p/readings+gw-1.00000007+0000000003+0000000003.csv"));
    cr_assert(harness_has(root, "p/readings+gw-1.00000007+0000000004+0000000004.jsonl"));
    cr_assert(harness_has(root, "p/readings+gw-1.00000007+0000000005+0000000005.avro"));
    cr_assert(harness_has(root, "p/readings+gw-1.00000007+0000000006+0000000006.csv"));
    cr_assert_eq(lake_published(lake), 5);
    end();
    form_clear(&csv.form);
    form_clear(&other.form);
    form_clear(&avro.form);
}

Test(lake_table, refuses_a_row_that_does_not_fit_and_goes_on)
{
    struct rendering csv = rendering_of(1, FORM_CSV);
    struct lake_row row = {.path = slice_of("p"),
        .stream = "readings",
        .format = RECORD_FORMAT_JSON,
        .rendering = &csv,
        .epoch = 7,
        .sequence = 1,
        .payload = slice_of("{\"n\":0.5}")};
    bool there;

    begin();
    cr_assert_eq(lake_append(lake, &row, 0, &there, &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert_str_eq(error.text, "column n: 0.5 is not an integer of 64 bits");
    cr_assert_eq(lake_open_files(lake), 0);
    cr_assert_eq(append(&csv, 2, 1), 0);
    end();
    form_clear(&csv.form);
}

/* Whatever call of the store fails: nothing appears, and the lake is to be opened again. */
static bool fails_after(const struct rendering *rendering, int calls)
{
    begin();
    for (uint64_t sequence = 1; sequence <= 5; sequence++)
        cr_assert_eq(append(rendering, sequence, LARGE), 0);
    calls_left = calls;
    const bool failed = lake_roll(lake, true, &error) != 0;
    if (failed) {
        cr_assert_eq(error.kind, ERROR_RETRY, "%s", error.text);
        cr_assert_eq(lake_published(lake), 0);
        cr_assert_eq(append(rendering, 6, 1), -1);
        cr_assert(!harness_has(root, "p"));
    }
    end();
    return failed;
}

Test(lake_table, is_not_published_where_the_store_fails)
{
    for (int file = FORM_PARQUET; file <= FORM_CSV; file++) {
        struct rendering rendering = rendering_of(1, (enum form_file)file);
        int calls = 0;
        while (fails_after(&rendering, calls))
            calls++;
        cr_assert_gt(calls, 3);
        form_clear(&rendering.form);
    }
}

Test(lake_table, is_given_up_where_its_frames_cannot_be_kept)
{
    struct rendering csv = rendering_of(1, FORM_CSV);
    uint64_t sequence = 1;

    begin();
    calls_left = 1; /* the file is made, */
    while (append(&csv, sequence, 1000) == 0) /* but not written */
        cr_assert_lt(sequence++, 1000);
    cr_assert_eq(error.kind, ERROR_RETRY, "%s", error.text);
    end();
    form_clear(&csv.form);
}

/* What the disk has made of it is no row any more. */
Test(lake_table, is_not_published_without_all_of_its_frames)
{
    struct rendering csv = rendering_of(1, FORM_CSV);
    struct row_shape *shape;
    struct store *store;
    struct store_file *frames, *made;
    const struct lake_options options = harness_options(root, &now);
    cleanup_bytes struct bytes text;
    struct format_row row = {.sequence = 1};

    harness_make_directory(root);
    bytes_init(&text, 1000);
    cr_assert_eq(row_shape_new(&shape, "readings", RECORD_FORMAT_JSON, &csv.form, &error), 0);
    cr_assert_eq(row_check(shape, slice_of("{}"), &row.payload, &error), 0);
    cr_assert_eq(format_frame_row(&row, &text, &error), 0);
    cr_assert_eq(store_local.open(&store, &options, &error), 0);
    struct convert convert = {&store_local, store, shape, "gw-1", 1, NULL, {text.data, text.length - 1}};
    cr_assert_eq(convert_frames(&convert, &made, &error), -1);
    cr_assert_eq(error.kind, ERROR_RETRY);
    cr_assert_str_eq(error.text, "lake: 32 bytes of a temporary file are no row");
    cr_assert_eq(store_local.create(store, &frames, &error), 0);
    cr_assert_eq(store_local.write(frames, text.data, 10, &error), 0);
    convert.frames = frames;
    convert.rest = (struct slice){text.data + 10, text.length - 11};
    cr_assert_eq(convert_frames(&convert, &made, &error), -1);
    cr_assert_str_eq(error.text, "lake: 32 bytes of a temporary file are no row");
    convert.rest.length++;
    cr_assert_eq(convert_frames(&convert, &made, &error), 0, "%s", error.text);
    store_local.abort(&made);
    /* As long as it was, but more values than there are bytes. */
    memset(text.data + text.length - row.payload.length, 0xff, row.payload.length);
    convert.frames = NULL;
    convert.rest = bytes_slice(&text);
    cr_assert_eq(convert_frames(&convert, &made, &error), -1);
    cr_assert_eq(error.kind, ERROR_RETRY);
    cr_assert_str_eq(error.text, "lake: a row of a temporary file is not what was written");
    store_local.abort(&frames);
    store_local.close(&store);
    row_shape_free(&shape);
    form_clear(&csv.form);
    harness_remove(root);
}

Test(lake_table, has_forms_that_can_be_and_others)
{
    struct rendering rendering = rendering_of(1, FORM_CSV);

    cr_assert_eq(lake_check_form("s", RECORD_FORMAT_JSON, &rendering.form, &error), 0);
    rendering.form.codec = FORM_SNAPPY;
    cr_assert_eq(lake_check_form("s", RECORD_FORMAT_JSON, &rendering.form, &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    form_clear(&rendering.form);
}

Test(lake_table, frame_has_no_room)
{
    const struct format_row row = {.key = slice_of("k"), .payload = slice_of("{}")};
    cleanup_bytes struct bytes out;

    bytes_init(&out, 20);
    cr_assert_eq(format_frame_row(&row, &out, &error), -1);
    cr_assert_eq(out.length, 0);
}
