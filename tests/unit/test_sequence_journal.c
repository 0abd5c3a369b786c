/* Records that are stored once, in a journal: within a group, over groups, starts and segments. */
#include "sequence_given.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/little.h"
#include "journal_gate.h"

TestSuite(sequence_journal, .init = given_start, .fini = given_end, .timeout = 120);

/* ---- what is stored ------------------------------------------------------------------------------------------------- */

Test(sequence_journal, what_comes_again_is_not_written)
{
    put(1, 10, 1, true);
    put(1, 10, 2, false);
    put(2, 10, 3, true);
    put(1, 9, 4, true);
    put(1, 9, 5, false);
    expect_ids("134");
}

Test(sequence_journal, in_one_hand_over)
{
    struct given *one = &given[1];

    begin(one);
    add_once(one, 1, 1, 1);
    add_plain(one, 2);
    add_once(one, 1, 1, 3);
    add_once(one, 1, 100, 4);
    add_once(one, 1, 1, 5);
    add_plain(one, 6);
    add_once(one, 1, 100, 7);
    hand_over(one);
    cr_assert_eq(wait_for(one), HANDOVER_DURABLE);
    expect(one, 4, 2, 1);
    cr_assert_eq(one->handover.first, 1);
    cr_assert_eq(one->handover.last, 4);
    expect_ids("1246");
    reopen();
    expect_ids("1246");
    put(1, 100, 8, false);
    put(1, 101, 8, true);
    expect_ids("12468");
}

/* Behind it the committer is the only one that comes to the gate, and with what is handed over next. */
static void gate_close(void)
{
    fixture_hold_time(true); /* the group of silence would be another one */
    fixture_settle(&fx);
    gate_set(true);
}

static void gate_open(void)
{
    gate_set(false);
    fixture_hold_time(false);
}

/* The second of the group's hand-overs has what the first has, too; the third has nothing else. */
Test(sequence_journal, in_one_group)
{
    gate_close();
    begin(&given[0]);
    add_plain(&given[0], 9);
    hand_over(&given[0]);
    gate_await_committer();
    for (int i = 1; i <= 4; i++)
        begin(&given[i]);
    add_once(&given[1], 1, 1, 1);
    add_once(&given[2], 1, 1, 2);
    add_once(&given[2], 1, 2, 3);
    add_once(&given[3], 1, 2, 4);
    add_once(&given[3], 1, 1, 5);
    add_once(&given[4], 1, 3, 6);
    for (int i = 1; i <= 4; i++)
        hand_over(&given[i]);
    gate_open();
    for (int i = 0; i <= 4; i++)
        cr_assert_eq(wait_for(&given[i]), HANDOVER_DURABLE);
    expect(&given[1], 1, 0, 0);
    expect(&given[2], 1, 1, 0);
    expect(&given[3], 0, 2, 0);
    expect(&given[4], 1, 0, 0);
    cr_assert_eq(given[2].handover.first, 3);
    cr_assert_eq(given[2].handover.last, 3);
    cr_assert_eq(given[3].handover.first, 4, "none was written: behind all before it");
    cr_assert_eq(given[3].handover.last, 3);
    expect_ids("9136");
    reopen();
    expect_ids("9136");
    cr_assert_eq(fx.report.notes.length, 0);
}

Test(sequence_journal, a_duplicate_waits_for_its_original)
{
    gate_close();
    begin(&given[0]);
    add_once(&given[0], 1, 1, 1);
    hand_over(&given[0]);
    gate_await_committer();
    begin(&given[1]);
    add_once(&given[1], 1, 1, 2);
    hand_over(&given[1]);
    usleep(50000);
    cr_assert_eq(atomic_load(&given[1].result), -1);
    gate_open();
    cr_assert_eq(wait_for(&given[1]), HANDOVER_DURABLE);
    cr_assert_eq(atomic_load(&given[0].result), HANDOVER_DURABLE);
    expect(&given[1], 0, 1, 0);
}

Test(sequence_journal, more_notes_than_one_frame_holds)
{
    struct given *one = &given[1];
    const unsigned many = 515;

    begin(one);
    for (unsigned i = 0; i < many; i++)
        add_once(one, 1, i, 1);
    for (unsigned i = many - 100; i < many; i++)
        add_once(one, 1, i, 1);
    hand_over(one);
    cr_assert_eq(wait_for(one), HANDOVER_DURABLE);
    expect(one, many, 64, 36);
    cr_assert_eq(one->handover.last, many);
    reopen();
    cr_assert_eq(fx.report.last_sequence, many);
    put(1, many - 1, 1, false);
    put(1, many - 64, 1, false);
    put(1, many, 1, true);
}

/* ---- state about such records ---------------------------------------------------------------------------------------- */

/* What it was last told: three numbers. */
static uint64_t tally[3];

static int tally_apply(
    void *state, const void *body, size_t length, uint64_t sequence, struct error *reported)
{
    (void)state, (void)sequence, (void)reported;
    cr_assert_eq(length, sizeof tally);
    memcpy(tally, body, sizeof tally);
    return 0;
}

static int tally_dump(
    void *state, uint64_t keep_from, state_emit_fn *emit, void *context, struct error *reported)
{
    (void)state, (void)keep_from, (void)emit, (void)context, (void)reported;
    return 0;
}

static void tally_amend(char *body, size_t length, const struct once_counts *counts)
{
    cr_assert_eq(length, sizeof tally);
    memcpy(body, (uint64_t[]){counts->stored, counts->duplicates, counts->old}, sizeof tally);
}

/* Over a failure, too: it is decided, and said, anew. */
Test(sequence_journal, state_says_what_became_of_the_records)
{
    struct given *one = &given[1];
    struct state_kind kinds[2] = {{.kind = STATE_ANSWER,
                                      .name = "tally",
                                      .apply = tally_apply,
                                      .dump = tally_dump,
                                      .amend = tally_amend},
        kind};

    fixture_close(&fx);
    sequence_make(SEGMENT);
    kinds[1] = kind;
    fx.options.kinds = kinds;
    fx.options.kinds_count = 2;
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
    put(1, 100, 1, true);
    begin(one);
    add_once(one, 1, 100, 2);
    add_once(one, 1, 30, 3);
    add_once(one, 1, 101, 4);
    add_plain(one, 5);
    const uint64_t nothing[3] = {0};
    cr_assert_eq(handover_add(&one->handover, STATE_ANSWER,
                     (struct slice){(const char *)nothing, sizeof nothing}, 0, 0, &error),
        0);
    add_once(one, 1, 101, 6);
    fixture_settle(&fx);
    disk_arm(&fx.disk, 1 << DISK_SYNC, 1, false, EIO);
    hand_over(one);
    cr_assert_eq(wait_for(one), HANDOVER_DURABLE);
    expect(one, 2, 2, 1);
    cr_assert_eq(tally[0], 2);
    cr_assert_eq(tally[1], 2);
    cr_assert_eq(tally[2], 1);
    expect_ids("145");
    fixture_close(&fx);
    memset(tally, 0, sizeof tally);
    sequence_make(SEGMENT);
    kinds[1] = kind;
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
    cr_assert_eq(tally[0], 2, "from the log");
    put(1, 101, 7, false);
    fixture_close(&fx);
}

/* ---- starts and segments ------------------------------------------------------------------------------------------------ */

Test(sequence_journal, lives_in_the_journal)
{
    put(1, 1000, 1, true);
    put(2, 7, 2, true);
    reopen();
    put(1, 1000, 3, false);
    for (unsigned i = 0; i < 20; i++) {
        cr_assert_eq(fixture_put(&fx, 10 * i + 1, 10, 2000), 0, "%s", fx.error.text);
        fixture_move(&fx, journal_durable(fx.journal));
        fixture_settle(&fx);
    }
    put(1, 1000, 3, false);
    put(1, 1001, 3, true);
    reopen();
    put(1, 1001, 3, false);
    put(1, 937, 3, false); /* too old by now */
    put(1, 938, 3, true);
    put(2, 7, 3, false);
}

/* Between a new one and a duplicate, in front and at the end: no note is written for it. */
Test(sequence_journal, stores_what_is_below_the_window_where_the_stream_says_so)
{
    struct given *one = &given[0];

    stream.stores_old = true;
    put(1, 1000, 1, true);
    put(1, 900, 2, true);
    begin(one);
    add_once(one, 1, 900, 3);
    add_once(one, 1, 1001, 4);
    add_once(one, 1, 1000, 9);
    add_once(one, 1, 901, 5);
    hand_over(one);
    cr_assert_eq(wait_for(one), HANDOVER_DURABLE);
    expect(one, 3, 1, 0);
    reopen();
    put(1, 1001, 9, false);
    put(1, 902, 6, true);
    stream.stores_old = false;
    put(1, 903, 9, false);
    expect_ids("123456");
}

/* A tail that lacks the end of its hand-over lacks what it says was used. */
Test(sequence_journal, an_unfinished_hand_over_leaves_no_number)
{
    char copy[] = "/tmp/penstock-once.XXXXXX", path[256];
    struct given *one = &given[0];
    const uint64_t last_number = 600;

    cr_assert(mkdtemp(copy));
    put(1, 1, 1, true);
    gate_close();
    begin(one);
    for (uint64_t number = 2; number <= last_number; number++)
        add_once(one, 1, number, 2);
    hand_over(one);
    gate_await_committer();
    directory_copy_open(fx.directory, copy);
    gate_open();
    wait_for(one);
    fixture_close(&fx);
    /* All of it was written, and not synced: the notes are its last two frames, and the second one gets a bad spot. */
    directory_name(copy, ".segment", -1, path);
    unsigned char data[SEGMENT];
    FILE *file = fopen(path, "r");
    const size_t size = fread(data, 1, sizeof data, file);
    fclose(file);
    char last[ONCE_TAG + 8];
    memcpy(last, once_of(1, last_number).tag, ONCE_TAG);
    put_u64(last + ONCE_TAG, last_number);
    size_t at = size - sizeof last;
    while (at > 0 && memcmp(data + at, last, sizeof last) != 0)
        at--;
    cr_assert_gt(at, 0);
    file_flip(path, at, 1);
    directory_delete(fx.directory);
    cr_assert_eq(rename(copy, fx.directory), 0);
    open_journal();
    expect_ids("1");
    put(1, 1, 4, false);
    put(1, 2, 2, true);
    put(1, last_number, 3, true);
    expect_ids("123");
}

/* ---- those who wait for outlets --------------------------------------------------------------------------------------------- */

static void arrived(struct journal_arrival *arrival)
{
    struct given *one = arrival->context;

    cr_assert(atomic_load(&one->result) >= 0);
    cr_assert(!atomic_exchange(&one->arrived, true), "it is called once");
}

static void never(struct journal_arrival *arrival)
{
    (void)arrival;
    cr_assert_fail("it was cancelled");
}

static void wait_arrived(struct given *one)
{
    for (int tries = 0; tries < 60000 && !atomic_load(&one->arrived); tries++)
        usleep(1000);
    cr_assert(atomic_load(&one->arrived));
}

static void repeat_and_wait(struct given *one)
{
    begin(one);
    atomic_store(&one->arrived, false);
    one->arrival = (struct journal_arrival){
        .arrived = arrived, .context = one, .outlets = journal_outlet_bit(fx.journal, "one")};
    one->handover.arrival = &one->arrival;
    add_once(one, 1, 1, 1);
    hand_over(one);
    wait_for(one);
}

Test(sequence_journal, a_duplicate_arrives_with_what_is_before_it)
{
    struct journal_arrival first = {
        .arrived = never, .outlets = journal_outlet_bit(fx.journal, "one"), .first = 1, .last = 1};

    put(1, 1, 1, true);
    repeat_and_wait(&given[1]);
    expect(&given[1], 0, 1, 0);
    cr_assert(journal_arrival_begin(fx.journal, &first)); /* behind one that has no record */
    journal_tell_letter(fx.journal, "one", 1, "too large");
    journal_tell_missed(fx.journal, "one", 1, 1);
    cr_assert_eq(first.letters, 1);
    cr_assert_eq(first.missed, 1);
    cr_assert(journal_arrival_cancel(fx.journal, &first));
    put(1, 2, 2, true);
    repeat_and_wait(&given[2]);
    begin(&given[3]);
    add_plain(&given[3], 3);
    given[3].arrival = (struct journal_arrival){
        .arrived = arrived, .context = &given[3], .outlets = journal_outlet_bit(fx.journal, "one")};
    given[3].handover.arrival = &given[3].arrival;
    hand_over(&given[3]);
    wait_for(&given[3]);
    cr_assert(!atomic_load(&given[1].arrived) && !atomic_load(&given[2].arrived));
    journal_tell_letter(fx.journal, "one", 3, "too large");
    journal_tell_letter(fx.journal, "one", 2, "too large");
    journal_tell_missed(fx.journal, "one", 1, 3);
    cr_assert_eq(given[1].arrival.letters + given[2].arrival.letters, 0, "of others' records");
    cr_assert_eq(given[1].arrival.missed + given[2].arrival.missed, 0);
    cr_assert_eq(given[3].arrival.letters, 1);
    cr_assert_eq(given[3].arrival.missed, 1);
    fixture_move(&fx, 1);
    wait_arrived(&given[1]);
    cr_assert(!atomic_load(&given[2].arrived));
    fixture_move(&fx, 3);
    wait_arrived(&given[2]);
    wait_arrived(&given[3]);
    repeat_and_wait(&given[1]);
    wait_arrived(&given[1]);
    cr_assert(given[1].arrival.passed, "no cursor moves any more");
}

/* ---- the golden journal: what this version wrote must stay readable ---- */

/* Its last segment has a snapshot with two keys, and behind it records of two. */
Test(sequence_journal, the_golden_journal_with_sequence_numbers_is_read)
{
    fixture_close(&fx);
    directory_delete(fx.directory);
    directory_copy(PENSTOCK_GOLDEN "/journal-v1-sequences", fx.directory);
    fx.options.gateway_id = "golden";
    open_journal();
    cr_assert_eq(fx.report.notes.length, 0, "%.*s", (int)fx.report.notes.length, fx.report.notes.data);
    cr_assert_eq(fx.report.last_sequence, 5);
    cr_assert_eq(usage().keys, 3);
    static const uint64_t used[][2] = {{1, 1000}, {1, 990}, {1, 1001}, {2, 7}, {3, 5}};
    for (size_t i = 0; i < sizeof used / sizeof *used; i++)
        put((unsigned)used[i][0], used[i][1], 1, false);
    put(1, 991, 1, true);
    put(2, 8, 1, true);
    put(3, 4, 1, true);
}
