/* The numbers that keys have used: their windows, their ceilings, their form in the journal, and what is taken back. */
#include "sequence_harness.h"

#include <stdio.h>

#include "base/little.h"

TestSuite(sequence_state, .init = sequence_start, .fini = sequence_end, .timeout = 120);

/* ---- one window ---------------------------------------------------------------------------------------------------- */

static const struct {
    uint64_t first, second;
    enum once_verdict verdict;
} pairs[] = {
    {0, 0, ONCE_DUPLICATE},
    {0, 1, ONCE_NEW},
    {0, UINT64_MAX, ONCE_NEW},
    {63, 0, ONCE_NEW},
    {64, 0, ONCE_OLD},
    {64, 1, ONCE_NEW},
    {65, 0, ONCE_OLD},
    {65, 1, ONCE_OLD},
    {65, 2, ONCE_NEW},
    {1000, 1000, ONCE_DUPLICATE},
    {1000, 937, ONCE_NEW},
    {1000, 936, ONCE_OLD},
    {UINT64_MAX, UINT64_MAX, ONCE_DUPLICATE},
    {UINT64_MAX, UINT64_MAX - 63, ONCE_NEW},
    {UINT64_MAX, UINT64_MAX - 64, ONCE_OLD},
    {UINT64_MAX, 0, ONCE_OLD},
    {UINT64_MAX - 1, UINT64_MAX, ONCE_NEW},
};

Test(sequence_state, two_numbers_of_a_key)
{
    for (unsigned i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        cr_assert_eq(ask(i, pairs[i].first), ONCE_NEW);
        cr_assert_eq(ask(i, pairs[i].second), pairs[i].verdict, "case %u", i);
        cr_assert_eq(ask(i, pairs[i].first) == ONCE_NEW, false);
    }
}

/* Against a list of what was used. */
Test(sequence_state, many_numbers_of_a_key)
{
    static bool used[4096];
    uint64_t highest = 0;
    unsigned seed = 7;

    for (unsigned i = 0; i < 20000; i++) {
        seed = seed * 1103515245 + 12345;
        const uint64_t number = i / 8 + (seed >> 16) % (i % 3 ? 70 : 140);
        const bool old = i > 0 && highest >= 64 && number <= highest - 64;
        const enum once_verdict expected = i == 0         ? ONCE_NEW
                                           : old          ? ONCE_OLD
                                           : used[number] ? ONCE_DUPLICATE
                                                          : ONCE_NEW;
        cr_assert_eq(ask(1, number), expected, "%u: %llu of %llu", i, (unsigned long long)number,
            (unsigned long long)highest);
        used[number] = used[number] || expected == ONCE_NEW;
        highest = number > highest ? number : highest;
    }
}

Test(sequence_state, keys_do_not_know_each_other)
{
    for (unsigned key = 0; key < 100; key++)
        cr_assert_eq(ask(key, 5), ONCE_NEW);
    for (unsigned key = 0; key < 100; key++)
        cr_assert_eq(ask(key, 5), ONCE_DUPLICATE);
    cr_assert_eq(usage().keys, 100);
}

/* Nothing else becomes of it: it moves no window, and is told only when it is durable. */
Test(sequence_state, below_the_window_it_may_be_stored_as_often_as_it_comes)
{
    const uint64_t told = metric_read(stream.undecided), old = metric_read(stream.old);

    stream.stores_old = true;
    ask(1, 1000);
    settle(true);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(ask(1, 936), ONCE_UNDECIDED);
    settle(false);
    cr_assert_eq(metric_read(stream.undecided), told);
    cr_assert_eq(ask(1, 0), ONCE_UNDECIDED);
    cr_assert_eq(ask(1, 937), ONCE_NEW);
    cr_assert_eq(ask(1, 1000), ONCE_DUPLICATE);
    settle(true);
    cr_assert_eq(metric_read(stream.undecided), told + 1);
    cr_assert_eq(metric_read(stream.old), old);
}

/* ---- what is taken back --------------------------------------------------------------------------------------------- */

Test(sequence_state, what_was_not_written_was_never_asked)
{
    ask(1, 100);
    ask(1, 90);
    settle(true);
    const uint64_t told = metric_read(stream.duplicates);
    cr_assert_eq(ask(1, 100), ONCE_DUPLICATE);
    cr_assert_eq(ask(1, 95), ONCE_NEW);
    cr_assert_eq(ask(1, 200), ONCE_NEW);
    cr_assert_eq(ask(1, 95), ONCE_OLD);
    cr_assert_eq(ask(2, 7), ONCE_NEW);
    cr_assert_eq(ask(2, 8), ONCE_NEW);
    settle(false);
    settle(true);
    cr_assert_eq(metric_read(stream.duplicates), told);
    cr_assert_eq(usage().keys, 1);
    cr_assert_eq(ask(1, 100), ONCE_DUPLICATE);
    cr_assert_eq(ask(1, 90), ONCE_DUPLICATE);
    cr_assert_eq(ask(1, 95), ONCE_NEW);
    cr_assert_eq(ask(2, 7), ONCE_NEW);
    cr_assert_eq(ask(2, 8), ONCE_NEW);
    settle(true);
    cr_assert_eq(metric_read(stream.duplicates), told + 2);
}

/* The place of a key that was given up meanwhile belongs to another one. */
Test(sequence_state, what_was_evicted_meanwhile_stays_so)
{
    const unsigned most = (unsigned)usage().most;

    for (unsigned key = 0; key < most; key++)
        ask(key, 1);
    settle(true);
    ask(0, 2);
    for (unsigned key = 0; key < most + 5; key++)
        ask(1000000 + key, 1); /* more than there is room for: 0 goes, and some of these, too */
    ask(0, 3);
    settle(false);
    cr_assert_eq(usage().keys, 0);
    cr_assert_eq(ask(0, 2), ONCE_NEW);
    for (unsigned key = 0; key < most + 5; key++)
        cr_assert_eq(ask(2000000 + key, 1), ONCE_NEW);
    settle(true);
    cr_assert_eq(usage().keys, most);
}

/* ---- ceilings ------------------------------------------------------------------------------------------------------- */

Test(sequence_state, the_one_without_a_new_record_for_longest_goes)
{
    const unsigned most = (unsigned)usage().most;
    const struct sequence_usage before = usage();

    cr_assert_eq(most, (SEGMENT / JOURNAL_SEQUENCES_SHARE - ONCE_HEAD - STATE_FRAME_OVERHEAD) / 32);
    for (unsigned key = 0; key < most; key++)
        ask(key, 1);
    cr_assert_eq(ask(0, 2), ONCE_NEW);
    cr_assert_eq(ask(1, 1), ONCE_DUPLICATE); /* nothing new */
    cr_assert_eq(usage().evicted, before.evicted);
    ask(most, 1);
    settle(true);
    cr_assert_eq(usage().evicted, before.evicted + 1);
    cr_assert_eq(usage().keys, most);
    cr_assert_eq(ask(0, 2), ONCE_DUPLICATE);
    cr_assert_eq(ask(2, 1), ONCE_DUPLICATE);
    cr_assert_eq(ask(most, 1), ONCE_DUPLICATE);
    cr_assert_eq(ask(1, 1), ONCE_NEW, "it went");
}

Test(sequence_state, room_for_one)
{
    sequence_make(1);
    cr_assert_eq(usage().most, 1);
    cr_assert_eq(ask(1, 1), ONCE_NEW);
    cr_assert_eq(ask(2, 1), ONCE_NEW);
    cr_assert_eq(ask(2, 1), ONCE_DUPLICATE);
    cr_assert_eq(ask(1, 1), ONCE_NEW);
}

Test(sequence_state, as_many_as_the_largest_segment_has_room_for)
{
    sequence_make(UINT64_C(64) << 20);
    cr_assert_eq(usage().most, 130792);
    for (unsigned key = 0; key < 131000; key++)
        ask(key, key);
    settle(true);
    cr_assert_eq(usage().keys, 130792);
    for (unsigned key = 131000 - 130792; key < 131000; key++)
        cr_assert_eq(ask(key, key), ONCE_DUPLICATE, "%u", key);
    settle(true);
}

Test(sequence_state, without_memory_for_the_log_records_are_kept)
{
    sequence_make(UINT64_C(64) << 20);
    const size_t most = (UINT64_C(256) << 20) / 40;

    for (size_t i = 0; i < most; i++)
        ask(1, i);
    cr_assert_eq(ask(1, most), ONCE_NEW);
    cr_assert_eq(ask(1, most), ONCE_NEW, "nobody knows it");
    cr_assert_eq(ask(2, 1), ONCE_NEW);
    settle(true);
    cr_assert_eq(usage().keys, 1);
    cr_assert_eq(ask(1, most - 1), ONCE_DUPLICATE);
}

/* ---- the form in the journal ------------------------------------------------------------------------------------------ */

struct copy {
    struct state_kind to;
    size_t left; /* emits before one fails */
    uint64_t bytes, records;
};

static int copy_emit(void *context, const void *data, size_t length, struct error *reported)
{
    struct copy *copy = context;

    if (copy->left-- == 0)
        return error_set(reported, ERROR_RETRY, "no more");
    copy->bytes += length + STATE_FRAME_OVERHEAD;
    copy->records++;
    return copy->to.apply(copy->to.state, data, length, 12345, reported);
}

Test(sequence_state, a_snapshot_has_all_of_it_in_its_order)
{
    const uint64_t size = 1 << 20;
    struct copy copy = {.left = SIZE_MAX};

    sequence_make(size);
    const unsigned most = (unsigned)usage().most;
    cr_assert_gt(most, 2000);
    for (unsigned key = 0; key < most; key++) {
        ask(key, 1000 + key);
        ask(key, 990 + key);
    }
    ask(3, 5000);
    settle(true);
    struct sequence_state *original = sequences;
    const struct state_kind from = kind;
    sequences = NULL;
    sequence_make(size);
    copy.to = kind;
    cr_assert_eq(from.dump(from.state, 0, copy_emit, &copy, &error), 0);
    cr_assert_leq(copy.bytes, size / JOURNAL_SEQUENCES_SHARE);
    cr_assert_eq(copy.records, (most + 511) / 512);
    cr_assert_eq(usage().keys, most);
    ask(1000000, 1);
    cr_assert_eq(ask(3, 5000), ONCE_DUPLICATE);
    cr_assert_eq(ask(3, 5000 - 64), ONCE_OLD);
    cr_assert_eq(ask(3, 4999), ONCE_NEW);
    cr_assert_eq(ask(1, 1001), ONCE_DUPLICATE);
    cr_assert_eq(ask(1, 991), ONCE_DUPLICATE);
    cr_assert_eq(ask(1, 992), ONCE_NEW);
    cr_assert_eq(ask(0, 1000), ONCE_NEW, "it was the oldest");
    settle(true);
    sequence_make(SEGMENT);
    copy.to = kind;
    cr_assert_eq(from.dump(from.state, 0, copy_emit, &copy, &error), 0);
    cr_assert_eq(usage().keys, usage().most, "fewer fit");
    cr_assert_eq(ask(3, 5000), ONCE_DUPLICATE);
    copy.left = 0;
    cr_assert_eq(from.dump(from.state, 0, copy_emit, &copy, &error), -1);
    settle(true);
    sequence_state_free(&original);
}

Test(sequence_state, an_empty_snapshot)
{
    struct copy copy = {.left = 0};

    cr_assert_eq(kind.dump(kind.state, 0, copy_emit, &copy, &error), 0);
}

Test(sequence_state, a_newer_window_replaces_an_older_one)
{
    char body[ONCE_HEAD + 32] = {1, 1};

    put_u64(body + ONCE_HEAD + ONCE_TAG, 70);
    put_u64(body + ONCE_HEAD + ONCE_TAG + 8, 1);
    cr_assert_eq(kind.apply(kind.state, body, sizeof body, 1, &error), 0);
    put_u64(body + ONCE_HEAD + ONCE_TAG, 50);
    cr_assert_eq(kind.apply(kind.state, body, sizeof body, 1, &error), 0);
    const struct once once = {.sequence = 50, .stream = &stream};
    cr_assert_eq(kind.once->admit(kind.state, &once), ONCE_DUPLICATE);
    cr_assert_eq(usage().keys, 1);
}

Test(sequence_state, what_is_none_is_left_out)
{
    char body[ONCE_HEAD + 96] = {1, 0};

    for (size_t length = 0; length <= sizeof body; length++) {
        body[1] = 0;
        const bool numbers = length > ONCE_HEAD && (length - ONCE_HEAD) % 24 == 0;
        cr_assert_eq(kind.apply(kind.state, body, length, 1, &error), numbers ? 0 : -1, "%zu", length);
        body[1] = 1;
        const bool windows = length > ONCE_HEAD && (length - ONCE_HEAD) % 32 == 0;
        cr_assert_eq(kind.apply(kind.state, body, length, 1, &error), windows ? 0 : -1, "%zu", length);
    }
    body[1] = 2;
    cr_assert_eq(kind.apply(kind.state, body, ONCE_HEAD + 96, 1, &error), -1);
    body[0] = 2;
    body[1] = 1;
    cr_assert_eq(kind.apply(kind.state, body, ONCE_HEAD + 96, 1, &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert(strstr(error.text, "no sequence numbers of version 1"));
    cr_assert_eq(usage().keys, 1);
}

/* ---- tags ------------------------------------------------------------------------------------------------------------- */

/* printf 'readings\0S1' | sha256sum */
Test(sequence_state, a_tag_is_the_first_half_of_a_hash)
{
    static const unsigned char expected[ONCE_TAG] = {
        0xf4, 0xe0, 0xc8, 0x12, 0x27, 0x60, 0x8c, 0x82, 0x77, 0x01, 0xab, 0x33, 0x98, 0xfd, 0xda, 0xc4};
    unsigned char tag[ONCE_TAG], other[ONCE_TAG];

    sequence_tag(slice_of("readings"), slice_of("S1"), tag);
    cr_assert_eq(memcmp(tag, expected, ONCE_TAG), 0);
    sequence_tag(slice_of("reading"), slice_of("sS1"), other);
    cr_assert_neq(memcmp(tag, other, ONCE_TAG), 0);
    sequence_tag(slice_of("readings"), (struct slice){NULL, 0}, other);
    cr_assert_neq(memcmp(tag, other, ONCE_TAG), 0);
}
