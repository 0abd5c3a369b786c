/* The image of the answers in the journal: its form, its ceilings, its snapshots. */
#include "answer_harness.h"

#include "base/little.h"

#define PLAIN (ANSWER_STATE_HEAD + STATE_FRAME_OVERHEAD)

TestSuite(answer_state, .init = start, .fini = end, .timeout = 120);

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
    cr_assert(strstr(error.text, "not an answer of version 1 or 2"), "%s", error.text);
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

/* Of records that are stored once the committer says what became of them. */
Test(answer_state, of_records_that_are_stored_once)
{
    const struct once_counts counts = {0, 7, 5};
    struct answer answer = answer_of(3), found;

    answer.once = true;
    answer.text = slice_of("text");
    cr_assert_eq(answer_state_encode(&body, &answer, &error), 0);
    cr_assert_eq(body.length, ANSWER_STATE_HEAD_ONCE + 4);
    kind.amend(body.data, body.length, &(struct once_counts){1, 2, 3});
    kind.amend(body.data, body.length, &counts);
    cr_assert_eq(kind.apply(kind.state, body.data, body.length, 9, &error), 0, "%s", error.text);
    cr_assert_eq(find(3, answer.taken, &found), 1);
    cr_assert(found.once);
    cr_assert_eq(found.accepted, 0);
    cr_assert_eq(found.duplicates, 7);
    cr_assert_eq(found.old, 5);
    cr_assert_eq(found.last, 9);
    cr_assert(slice_is(found.text, "text"));
    for (size_t length = 0; length < body.length; length++)
        cr_assert_eq(kind.apply(kind.state, body.data, length, 1, &error), -1);
    body.data[0] = 3;
    cr_assert_eq(kind.apply(kind.state, body.data, body.length, 1, &error), -1);
    bytes_clear(&body);
    answer = answer_of(4);
    cr_assert_eq(answer_state_encode(&body, &answer, &error), 0);
    kind.amend(body.data, body.length, &counts);
    cr_assert_eq(kind.apply(kind.state, body.data, body.length, 9, &error), 0);
    cr_assert_eq(find(4, answer.taken, &found), 1);
    cr_assert(!found.once);
    cr_assert_eq(found.accepted, 5, "of version 1");
    cr_assert_eq(found.duplicates + found.old, 0);
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
}

/* A clock that steps forward for one request, and back. */
Test(answer_state, one_wrong_time_frees_no_key)
{
    make(1 << 20, 4, MINUTE);
    put(1);
    put(2);
    put(1000000);
    put(3);
    cr_assert(known(1) && known(2) && known(3));
    put(4);
    cr_assert(!known(1) && known(2), "there are too many");
    cr_assert_eq(usage().evicted, 1);
    put(2000000);
    cr_assert(!known(2) && known(3));
    cr_assert_eq(usage().evicted, 1, "it was too old by then");
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
