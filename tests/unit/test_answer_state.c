/* The image of the answers in the journal: its form, its ceilings, its snapshots. */
#include "journal_harness.h"

#include <stdio.h>
#include <unistd.h>

#include "base/little.h"
#include "source/answer_state.h"

#define MINUTE (INT64_C(60) * CLOCK_SECOND)
#define PLAIN (ANSWER_STATE_HEAD + STATE_FRAME_OVERHEAD)

static struct answer_state *state;
static struct state_kind kind;
static struct bytes body, text;
static struct error error;

static void make(uint64_t segment_size, uint64_t max_keys, int64_t keep)
{
    answer_state_free(&state);
    cr_assert_eq(answer_state_new(&state, segment_size, max_keys, keep, &error), 0);
    kind = answer_state_kind(state);
}

static void start(void)
{
    bytes_init(&body, ANSWER_STATE_BODY_MAX);
    bytes_init(&text, 1 << 20);
    make(SEGMENT, 1000, MINUTE);
}

static void end(void)
{
    bytes_free(&body);
    bytes_free(&text);
    answer_state_free(&state);
    answer_state_free(&state);
}

TestSuite(answer_state, .init = start, .fini = end, .timeout = 120);

static struct answer answer_of(unsigned number)
{
    struct answer answer = {
        .taken = (int64_t)number * CLOCK_SECOND, .accepted = number + 1, .missed = 2 * number};

    memset(answer.request.bytes, 7, sizeof answer.request.bytes);
    snprintf((char *)answer.id.bytes, sizeof answer.id.bytes, "%u", number);
    return answer;
}

static int apply(const struct answer *answer, uint64_t sequence)
{
    bytes_clear(&body);
    cr_assert_eq(answer_state_encode(&body, answer, &error), 0, "%s", error.text);
    return kind.apply(kind.state, body.data, body.length, sequence, &error);
}

static void put(unsigned number)
{
    const struct answer answer = answer_of(number);

    cr_assert_eq(apply(&answer, 100 * number), 0, "%s", error.text);
}

static int find(unsigned number, int64_t now, struct answer *ret_answer)
{
    const struct answer wanted = answer_of(number);

    bytes_clear(&text);
    return answer_state_find(state, &wanted.id, now, ret_answer, &text, &error);
}

static bool known(unsigned number)
{
    struct answer answer;

    return find(number, (int64_t)number * CLOCK_SECOND, &answer) == 1;
}

static struct answer_usage usage(void)
{
    struct answer_usage found;

    answer_state_usage(state, &found);
    return found;
}

Test(answer_state, gives_back_what_it_took)
{
    struct answer put_in = answer_of(3), found;

    cr_assert_eq(find(3, 0, &found), 0);
    put_in.text = slice_of("{\"accepted\":4,\"rejected\":[],\"rejected_total\":1}\n");
    cr_assert_eq(apply(&put_in, 55), 0);
    bytes_add(&text, "before", 6, &error);
    cr_assert_eq(answer_state_find(state, &put_in.id, put_in.taken, &found, &text, &error), 1);
    cr_assert_eq(memcmp(&found.id, &put_in.id, sizeof found.id), 0);
    cr_assert_eq(memcmp(&found.request, &put_in.request, sizeof found.request), 0);
    cr_assert_eq(found.taken, put_in.taken);
    cr_assert_eq(found.accepted, 4);
    cr_assert_eq(found.missed, 6);
    cr_assert_eq(found.last, 55, "of the last record before it");
    cr_assert(slice_equal(found.text, put_in.text));
    cr_assert_eq(text.length, 6 + put_in.text.length);
    put_in.last = 54;
    cr_assert_eq(apply(&put_in, 99), 0);
    cr_assert_eq(find(3, put_in.taken, &found), 1);
    cr_assert_eq(found.last, 54, "as a snapshot says");
    bytes_free(&text);
    bytes_init(&text, 3);
    cr_assert_eq(find(3, put_in.taken, &found), -1);
}

Test(answer_state, the_newest_of_a_key_counts)
{
    struct answer answer = answer_of(1), found;

    put(1);
    put(2);
    answer.accepted = 77;
    cr_assert_eq(apply(&answer, 9), 0);
    cr_assert_eq(find(1, answer.taken, &found), 1);
    cr_assert_eq(found.accepted, 77);
    cr_assert_eq(usage().keys, 2);
    answer = answer_of(1);
    cr_assert_eq(apply(&answer, 9), 0);
    cr_assert(known(1) && known(2));
    cr_assert_eq(usage().evicted, 0);
}

Test(answer_state, what_is_no_answer_is_left_out)
{
    struct answer answer = answer_of(1);

    answer.text = slice_of("text");
    cr_assert_eq(apply(&answer, 1), 0);
    for (size_t length = 0; length < body.length; length++)
        cr_assert_eq(kind.apply(kind.state, body.data, length, 1, &error), -1);
    cr_assert_eq(bytes_add(&body, "x", 1, &error), 0);
    cr_assert_eq(kind.apply(kind.state, body.data, body.length, 1, &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert(strstr(error.text, "not an answer of version 1"), "%s", error.text);
    body.length--;
    static const size_t places[] = {0, 1, 2};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        body.data[places[i]] ^= 2;
        cr_assert_eq(kind.apply(kind.state, body.data, body.length, 1, &error), -1);
        body.data[places[i]] ^= 2;
    }
    put_u32(body.data + 4, 0);
    cr_assert_eq(kind.apply(kind.state, body.data, body.length, 1, &error), -1, "it accepted nothing");
    static char long_body[ANSWER_STATE_BODY_MAX + 1] = {1, 0, 1, 4, 1};
    cr_assert_eq(
        kind.apply(kind.state, long_body, sizeof long_body, 1, &error), -1, "a text that is too long");
    cr_assert_eq(usage().keys, 1);
    bytes_free(&body);
    bytes_init(&body, 10);
    cr_assert_eq(answer_state_encode(&body, &answer, &error), -1);
}

/* ---- ceilings ---------------------------------------------------------------------------------------------------- */

Test(answer_state, as_many_as_are_allowed)
{
    make(1 << 20, 3, MINUTE);
    for (unsigned i = 1; i <= 5; i++)
        put(i);
    cr_assert(!known(1) && !known(2) && known(3) && known(4) && known(5));
    cr_assert_eq(usage().keys, 3);
    cr_assert_eq(usage().evicted, 2);
    put(3); /* it is the newest now */
    put(6);
    cr_assert(known(3) && !known(4) && known(5) && known(6));
}

Test(answer_state, as_many_bytes_as_their_share)
{
    const unsigned most = SEGMENT / JOURNAL_ANSWERS_SHARE / PLAIN;

    for (unsigned i = 1; i <= most; i++)
        put(i);
    cr_assert_eq(usage().evicted, 0);
    cr_assert(known(1));
    put(most + 1);
    cr_assert_eq(usage().keys, most);
    cr_assert(!known(1) && known(2));
    char filler[ANSWER_TEXT_MAX];
    memset(filler, 'x', sizeof filler);
    struct answer large = answer_of(most + 2);
    large.text = (struct slice){filler, sizeof filler};
    cr_assert_eq(apply(&large, 1), 0);
    cr_assert_eq(usage().keys, (SEGMENT / JOURNAL_ANSWERS_SHARE - PLAIN - sizeof filler) / PLAIN + 1);
    cr_assert(known(most + 2));
    cr_assert_eq(usage().evicted, most + 2 - usage().keys);
}

Test(answer_state, the_newest_stays_however_large)
{
    make(JOURNAL_ANSWERS_SHARE, 1, MINUTE);
    put(1);
    cr_assert(known(1));
    put(2);
    cr_assert(!known(1) && known(2));
}

Test(answer_state, too_old)
{
    struct answer found;

    put(1);
    cr_assert_eq(find(1, CLOCK_SECOND + MINUTE, &found), 1);
    cr_assert_eq(find(1, CLOCK_SECOND + MINUTE + 1, &found), 0);
    cr_assert_eq(find(1, 0, &found), 1, "the clock was set back");
    cr_assert_eq(find(1, INT64_MIN, &found), 1);
    put(2);
    put(61);
    cr_assert_eq(usage().keys, 3);
    put(62);
    cr_assert_eq(usage().keys, 3);
    cr_assert(!known(1) && known(2), "the next one takes away what is too old");
    cr_assert_eq(usage().evicted, 0);
}

Test(answer_state, many)
{
    make(64 << 20, 1000000, INT64_MAX);
    for (unsigned i = 0; i < 20000; i++)
        put(i);
    for (unsigned i = 0; i < 20000; i++)
        cr_assert(known(i), "%u", i);
    cr_assert(!known(20000));
}

/* ---- snapshots --------------------------------------------------------------------------------------------------- */

struct copy {
    struct state_kind to;
    size_t left; /* emits before one fails */
    uint64_t bytes;
};

static int copy_emit(void *context, const void *data, size_t length, struct error *reported)
{
    struct copy *copy = context;

    if (copy->left-- == 0)
        return error_set(reported, ERROR_RETRY, "no more");
    copy->bytes += length + STATE_FRAME_OVERHEAD;
    return copy->to.apply(copy->to.state, data, length, 12345, reported);
}

Test(answer_state, a_snapshot_has_all_of_it_in_its_order)
{
    struct answer_state *original = state;
    struct copy copy = {.left = SIZE_MAX};
    struct answer found;

    for (unsigned i = 1; i <= 20; i++)
        put(i);
    put(5);
    state = NULL;
    make(SEGMENT, 1000, MINUTE);
    copy.to = kind;
    cr_assert_eq(answer_state_kind(original).dump(original, 0, copy_emit, &copy, &error), 0);
    cr_assert_eq(usage().keys, 20);
    cr_assert_eq(copy.bytes, 20 * PLAIN);
    cr_assert_eq(find(7, 0, &found), 1);
    cr_assert_eq(found.last, 700);
    answer_state_free(&state);
    make(SEGMENT, 2, MINUTE);
    copy.to = kind;
    cr_assert_eq(answer_state_kind(original).dump(original, 0, copy_emit, &copy, &error), 0);
    cr_assert(known(20) && known(5) && !known(19));
    copy.left = 3;
    cr_assert_eq(answer_state_kind(original).dump(original, 0, copy_emit, &copy, &error), -1);
    answer_state_free(&original);
}

/* ---- in a journal ------------------------------------------------------------------------------------------------ */

static struct fixture fx;

static void hand_over(unsigned number, unsigned records)
{
    struct handover handover;
    struct answer answer = answer_of(number);

    answer.accepted = records;
    handover_init(&handover, SEGMENT, NULL, NULL);
    bytes_clear(&body);
    cr_assert_eq(answer_state_encode(&body, &answer, &error), 0);
    for (unsigned i = 0; i < records; i++)
        cr_assert_eq(handover_add(&handover, JOURNAL_KIND_DATA, slice_of("12345678"), 0, 0, &error), 0);
    cr_assert_eq(handover_add(&handover, STATE_ANSWER, bytes_slice(&body), 0, 0, &error), 0);
    cr_assert_eq(journal_hand_over_and_wait(fx.journal, &handover, &error), 0, "%s", error.text);
    handover_free(&handover);
}

static void expect_last(unsigned number, uint64_t last)
{
    struct answer found;

    cr_assert_eq(find(number, 0, &found), 1, "%u", number);
    cr_assert_eq(found.last, last, "%u: %llu", number, (unsigned long long)found.last);
}

static void reopen(uint64_t max_keys)
{
    fixture_close(&fx);
    make(SEGMENT, max_keys, MINUTE);
    fx.options.kinds = &kind;
    fx.options.kinds_count = 1;
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
}

/* What a key's records were is known when they are durable, from a log, and from a snapshot; and it stays when they are gone. */
Test(answer_state, lives_in_the_journal)
{
    fixture_start(&fx);
    reopen(10);
    hand_over(1, 5);
    expect_last(1, 5);
    hand_over(2, 1);
    reopen(10);
    expect_last(1, 5);
    expect_last(2, 6);
    hand_over(3, 2);
    for (unsigned i = 0; i < 20; i++) {
        cr_assert_eq(fixture_put(&fx, 10 * i + 1, 10, 2000), 0, "%s", fx.error.text);
        fixture_move(&fx, journal_durable(fx.journal));
        fixture_settle(&fx);
    }
    expect_last(1, 5);
    expect_last(3, 8);
    reopen(10);
    expect_last(1, 5);
    expect_last(2, 6);
    expect_last(3, 8);
    reopen(2);
    cr_assert(!known(1));
    expect_last(2, 6);
    fixture_end(&fx);
}

/* ---- damage ------------------------------------------------------------------------------------------------------- */

Test(answer_state, what_is_about_records_that_are_gone_is_forgotten)
{
    for (unsigned i = 1; i <= 4; i++)
        put(i); /* 99..100, 198..200, 297..300, 396..400 */
    cr_assert(!kind.damaged(kind.state, 1, 98));
    cr_assert(!kind.damaged(kind.state, 101, 197));
    cr_assert_eq(usage().keys, 4);
    cr_assert(kind.damaged(kind.state, 1, 99));
    cr_assert(!known(1) && known(2) && known(3) && known(4));
    cr_assert(!kind.damaged(kind.state, 1, 99));
    cr_assert(kind.damaged(kind.state, 200, 296));
    cr_assert(!known(2) && known(3));
    cr_assert(kind.damaged(kind.state, 299, 398));
    cr_assert_eq(usage().keys, 0);
    cr_assert_eq(usage().evicted, 0);
    put(1);
    cr_assert(known(1));
}

/* Two requests, of 5 records and of 2, each whole in the log; the first segment is the only one with records. */
static void two_requests(char path[256])
{
    fixture_start(&fx);
    reopen(10);
    hand_over(1, 5);
    hand_over(2, 2);
    directory_name(fx.directory, ".segment", -1, path);
}

/* The nth record of these requests, from 0. */
static void damage_record(const char *path, unsigned nth)
{
    char data[SEGMENT + 8] = {0};
    FILE *file = fopen(path, "r");
    const size_t size = fread(data, 1, SEGMENT, file);
    size_t at = 0;

    fclose(file);
    for (unsigned found = 0; at < size; at++) {
        if (memcmp(data + at, "12345678", 8) == 0 && found++ == nth)
            break;
    }
    cr_assert_lt(at, size);
    file_flip(path, at, 0xff);
}

Test(answer_state, damage_in_the_last_segment)
{
    char path[256];

    two_requests(path);
    fixture_close(&fx);
    damage_record(path, 2);
    reopen(10);
    cr_assert_eq(fx.report.records_damaged, 1);
    cr_assert(!known(1), "its third record is gone");
    expect_last(2, 7);
    reopen(10);
    cr_assert(!known(1));
    expect_last(2, 7);
    hand_over(1, 5);
    expect_last(1, 12);
    fixture_end(&fx);
}

Test(answer_state, damage_to_what_all_outlets_have_passed)
{
    char path[256];

    two_requests(path);
    fixture_move(&fx, 5);
    fixture_close(&fx);
    damage_record(path, 2);
    damage_record(path, 5);
    reopen(10);
    cr_assert_eq(fx.report.records_damaged, 2);
    expect_last(1, 5);
    cr_assert(!known(2));
    fixture_end(&fx);
}

Test(answer_state, damage_that_a_reader_meets)
{
    static struct found found;
    char path[256];

    two_requests(path);
    reopen(10);
    damage_record(path, 6);
    expect_last(2, 7);
    fixture_read(&fx, 0, &found);
    cr_assert_eq(found.damaged, 1);
    expect_last(1, 5);
    cr_assert(!known(2));
    fixture_move(&fx, 7); /* no reader comes by again */
    reopen(10);
    expect_last(1, 5);
    cr_assert(!known(2));
    fixture_end(&fx);
}

Test(answer_state, an_old_segment_that_is_cut_short)
{
    char path[256];

    two_requests(path);
    reopen(10);
    cr_assert_eq(fixture_put(&fx, 1, 1, 100), 0);
    fixture_close(&fx);
    cr_assert_eq(truncate(path, 4096 + 100), 0);
    reopen(10);
    cr_assert_eq(usage().keys, 0);
    fixture_end(&fx);
}

Test(answer_state, segments_that_are_lost)
{
    char path[256];

    two_requests(path);
    reopen(10);
    hand_over(3, 1);
    directory_name(fx.directory, ".segment", -1, path);
    reopen(10);
    hand_over(4, 1);
    fixture_close(&fx);
    cr_assert_eq(unlink(path), 0);
    reopen(10);
    expect_last(1, 5);
    expect_last(2, 7);
    cr_assert(!known(3));
    expect_last(4, 9);
    fixture_move(&fx, 1);
    fixture_close(&fx);
    directory_name(fx.directory, ".segment", 0, path);
    cr_assert_eq(unlink(path), 0);
    reopen(10);
    cr_assert(!known(1) && !known(2));
    expect_last(4, 9);
    fixture_end(&fx);
}

/* The state is read from all segments then: each snapshot would bring back what an older one's damage has taken. */
Test(answer_state, damage_and_a_damaged_snapshot)
{
    char path[256];

    two_requests(path);
    reopen(10);
    hand_over(3, 1);
    fixture_close(&fx);
    damage_record(path, 2);
    directory_name(fx.directory, ".segment", -1, path);
    file_flip(path, 4096 + 40, 0xff);
    reopen(10);
    cr_assert(strstr(fx.report.notes.data, "state is read from all segments"));
    cr_assert(!known(1));
    expect_last(2, 7);
    expect_last(3, 8);
    fixture_end(&fx);
}

/* ---- the golden journal: what this version wrote must stay readable ---- */

/* Its last segment has a snapshot with one answer, and behind it the records of two more, one of which lists what was rejected. */
Test(answer_state, the_golden_journal_with_answers_is_read)
{
    struct answer found;

    fixture_start(&fx);
    directory_delete(fx.directory);
    directory_copy(PENSTOCK_GOLDEN "/journal-v1-answers", fx.directory);
    fx.options.gateway_id = "golden";
    reopen(10);
    cr_assert_eq(fx.report.notes.length, 0);
    cr_assert_eq(usage().keys, 3);
    expect_last(1, 5);
    expect_last(2, 7);
    cr_assert_eq(find(3, 0, &found), 1);
    cr_assert_eq(found.last, 8);
    cr_assert_eq(found.accepted, 4);
    cr_assert_eq(found.missed, 6);
    cr_assert_eq(found.taken, 3 * CLOCK_SECOND);
    cr_assert_eq(found.request.bytes[0], 7);
    cr_assert(slice_is(found.text, "{\"accepted\":4,\"rejected\":[],\"rejected_total\":1}\n"));
    fixture_end(&fx);
}
