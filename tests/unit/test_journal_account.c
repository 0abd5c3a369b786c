/* Whose the bytes of the kept records are: counted while outlets have not passed them, over groups, segments, starts and crashes, and held against limits. */
#include "journal_harness.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/little.h"

#define SIZE 100
#define TAKES UINT64_C(120) /* bytes of a record of SIZE in a segment */
#define A 7
#define B 9
#define C (7 + 4096) /* stands where A does */

static struct fixture fx;
static struct found found;
static struct journal_quota a, b;
static uint64_t next_id;

static void know(void)
{
    a = b = (struct journal_quota){0};
    journal_quota_set(fx.journal, &a, 0);
    journal_quota_set(fx.journal, &b, 0);
    cr_assert_eq(journal_quota_add(fx.journal, &a, A, &fx.error), 0, "%s", fx.error.text);
    cr_assert_eq(journal_quota_add(fx.journal, &b, B, &fx.error), 0, "%s", fx.error.text);
}

static void reopen(void)
{
    fixture_reopen(&fx);
    know();
}

static void start(void)
{
    fixture_start(&fx);
    fx.options.max_size = 64 * SEGMENT; /* room for what no outlet takes */
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
    next_id = 0;
    know();
}

static void end(void)
{
    disk_arm(&fx.disk, 0, 0, false, 0);
    fixture_end(&fx);
}

TestSuite(account, .init = start, .fini = end, .timeout = 120);

/* Records of SIZE bytes of the account, in one hand-over: it is the upper half of their ids. */
static void put(uint32_t account, uint64_t count)
{
    cr_assert_eq(fixture_put(&fx, ((uint64_t)account << 32) + next_id, count, SIZE), 0, "%s", fx.error.text);
    next_id += count;
}

static void expect(const char *when, uint64_t of_a, uint64_t of_b)
{
    cr_assert_eq(a.bytes, of_a * TAKES, "%s: %g records", when, (double)a.bytes / TAKES);
    cr_assert_eq(b.bytes, of_b * TAKES, "%s: %g records", when, (double)b.bytes / TAKES);
}

static uint64_t durable(void)
{
    return journal_durable(fx.journal);
}

/* ---- counted -------------------------------------------------------------------------------------------------- */

Test(account, a_record_counts_until_all_outlets_have_passed_it)
{
    put(A, 10);
    put(B, 3);
    expect("written", 10, 3);
    fixture_move(&fx, durable());
    expect("passed", 0, 0);
    put(B, 1);
    expect("written again", 0, 1);
}

Test(account, what_stands_beside_a_record_keeps_it)
{
    put(A, 10);
    put(B, 1);
    fixture_move(&fx, 10);
    expect("one is left", 10, 1);
    put(B, 1);
    fixture_move(&fx, 12);
    expect("none is", 0, 0);
}

/* Two of one slot, and a hand-over of several. */
Test(account, accounts_are_told_apart)
{
    struct journal_quota c = {0};
    struct handover handover;
    char head[8] = {0};

    cr_assert_eq(journal_quota_add(fx.journal, &c, C, &fx.error), 0);
    handover_init(&handover, 1 << 20, NULL, NULL);
    for (uint32_t i = 0; i < 30; i++) {
        put_u32(head + 4, (const uint32_t[]){A, C, B}[i % 3]);
        cr_assert_eq(
            handover_add(&handover, JOURNAL_KIND_DATA, (struct slice){head, sizeof head}, 0, 0, &fx.error),
            0);
    }
    cr_assert_eq(journal_hand_over_and_wait(fx.journal, &handover, &fx.error), 0);
    handover_free(&handover);
    cr_assert_eq(a.bytes, 10 * 32);
    cr_assert_eq(b.bytes, 10 * 32);
    cr_assert_eq(c.bytes, 10 * 32);
}

Test(account, what_is_no_record_of_anybody_counts_for_nobody)
{
    struct journal_quota none = {0};
    struct handover handover;

    cr_assert_eq(journal_quota_add(fx.journal, &none, 0, &fx.error), 0);
    handover_init(&handover, 1 << 20, NULL, NULL);
    cr_assert_eq(handover_add(&handover, JOURNAL_KIND_DATA, slice_of("1234567"), 0, 0, &fx.error), 0);
    cr_assert_eq(journal_hand_over_and_wait(fx.journal, &handover, &fx.error), 0);
    handover_free(&handover);
    cr_assert_eq(none.bytes, 32);
    expect("of others", 0, 0);
}

Test(account, several_accounts_of_one_owner)
{
    uint32_t numbers[8] = {0};

    put(A, 10);
    put(C, 5);
    cr_assert_eq(journal_quota_add(fx.journal, &a, C, &fx.error), 0);
    cr_assert_eq(journal_quota_add(fx.journal, &a, C, &fx.error), 0, "said twice");
    expect("both", 15, 0);
    fixture_move(&fx, durable());
    expect("none", 0, 0);
    cr_assert_eq(journal_accounts(fx.journal, numbers, 2), 3);
    cr_assert(numbers[0] == A && numbers[1] == B && numbers[2] == 0);
    cr_assert_eq(journal_accounts(fx.journal, numbers, 8), 3);
    cr_assert_eq(numbers[2], C);
}

/* ---- limits --------------------------------------------------------------------------------------------------- */

Test(account, over_the_limit_and_back_with_some_way_between)
{
    journal_quota_set(fx.journal, &a, 80 * TAKES);
    for (int i = 0; i < 80; i++)
        put(A, 1);
    cr_assert_not(a.over, "just what it may");
    put(A, 1);
    cr_assert(a.over);
    cr_assert_eq(a.times, 1);
    fixture_move(&fx, 10);
    cr_assert_gt(a.bytes, 70 * TAKES);
    cr_assert(a.over, "not below seven eighths");
    fixture_move(&fx, 20);
    cr_assert_leq(a.bytes, 70 * TAKES);
    cr_assert_not(a.over);
    put(A, 20);
    cr_assert(a.over);
    cr_assert_eq(a.times, 2);
    journal_quota_set(fx.journal, &a, 100 * TAKES);
    cr_assert_not(a.over, "it may have more now");
    journal_quota_set(fx.journal, &a, 1);
    cr_assert(a.over);
    journal_quota_set(fx.journal, &a, 0);
    cr_assert_not(a.over, "it has no limit any more");
}

Test(account, what_is_larger_than_the_limit_passes_where_nothing_is_kept)
{
    journal_quota_set(fx.journal, &a, 5 * TAKES);
    for (int i = 0; i < 3; i++) {
        cr_assert_not(a.over);
        put(A, 50);
        cr_assert(a.over);
        fixture_move(&fx, durable());
    }
    cr_assert_not(a.over);
    cr_assert_eq(a.times, 3);
}

/* Others go on, and outlets are never quite done: whoever is over comes back all the same. */
Test(account, others_do_not_keep_an_owner_over_its_limit)
{
    journal_quota_set(fx.journal, &a, 20 * TAKES);
    put(A, 15);
    put(B, 100);
    put(A, 15); /* over */
    put(A, 3); /* was under way */
    cr_assert(a.over);
    for (int i = 0; i < 40; i++) {
        const uint64_t before = durable();
        put(B, 1);
        fixture_move(&fx, before);
    }
    cr_assert_not(a.over);
    expect("the last stretch is short", 0, b.bytes / TAKES);
    cr_assert_lt(b.bytes, 10 * TAKES);
}

/* Far more stretches than are kept apart: sums stay right, and what was passed long ago is given back. */
Test(account, many_stretches_become_few)
{
    journal_quota_set(fx.journal, &a, 16 * TAKES); /* each record ends a stretch */
    for (int i = 0; i < 1000; i++)
        put(i % 2 ? A : B, 1);
    expect("all", 500, 500);
    for (uint64_t at = 100; at < 1000; at += 100) {
        fixture_move(&fx, at);
        cr_assert_geq(a.bytes, (1000 - at) / 2 * TAKES);
        cr_assert_leq(a.bytes, (1100 - at) / 2 * TAKES, "%g after %g", (double)a.bytes / TAKES, (double)at);
    }
    fixture_move(&fx, 1000);
    expect("none", 0, 0);
}

/* ---- starts --------------------------------------------------------------------------------------------------- */

Test(account, a_start_knows_it_again)
{
    put(A, 10);
    put(B, 3);
    reopen();
    expect("from the log", 10, 3);
    put(A, 1);
    reopen();
    expect("from a snapshot, and the log", 11, 3);
    for (int i = 0; i < 50; i++)
        put(i % 2 ? A : B, 100);
    expect("over segments", 2511, 2503);
    reopen();
    reopen();
    expect("over segments and starts", 2511, 2503);
    fixture_move(&fx, durable() - 1);
    cr_assert_gt(b.bytes, 0);
    cr_assert_lt(a.bytes + b.bytes, 1000 * TAKES);
    fixture_move(&fx, durable());
    reopen();
    expect("passed", 0, 0);
}

/* As after a kill: the files as they are while it runs. */
Test(account, a_crash_loses_nothing_of_it)
{
    char copy[64];
    struct journal *crashed = NULL;

    for (int i = 0; i < 20; i++)
        put(i % 2 ? A : B, 60);
    fixture_move(&fx, 600);
    const uint64_t of_a = a.bytes / TAKES, of_b = b.bytes / TAKES;
    cr_assert_geq(of_a, 300);
    fixture_settle(&fx);
    temporary_directory(copy);
    cr_assert(directory_copy_open(fx.directory, copy));
    crashed = fx.journal;
    fx.options.directory = copy;
    fx.journal = NULL;
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
    know();
    expect("after the crash", of_a, of_b);
    journal_close(&crashed);
    fixture_close(&fx);
    directory_delete(copy);
    fx.options.directory = fx.directory;
}

/* The second try stands in another segment, and the first one's records are void. */
Test(account, a_group_that_is_written_twice_counts_once)
{
    put(A, 5);
    disk_arm(&fx.disk, 1u << DISK_SYNC, 1, false, EIO);
    put(A, 10);
    disk_arm(&fx.disk, 0, 0, false, 0);
    expect("written again", 15, 0);
    reopen();
    expect("after a start", 15, 0);
}

/* It tells of more than what stands before it: that is in the copy behind it, too. */
Test(account, the_copy_of_a_tail_counts_once)
{
    put(A, 5);
    fixture_hold_time(true);
    put(A, 10);
    fixture_close(&fx);
    fixture_hold_time(false);
    disk_arm(&fx.disk, 1u << DISK_SYNC, 1, false, EIO);
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
    disk_arm(&fx.disk, 0, 0, false, 0);
    cr_assert(strstr(fx.report.notes.data, "copied to a new segment"));
    know();
    expect("copied", 15, 0);
    reopen();
    expect("after a start", 15, 0);
    fixture_read(&fx, 0, &found);
    cr_assert_eq(found.count, 15);
}

/* Every snapshot tells of what the ones before it told, and of what the log has between them. */
Test(account, a_damaged_snapshot_is_made_up_for_by_all_segments)
{
    char path[256];

    for (int i = 0; i < 20; i++)
        put(i % 2 ? A : B, 100);
    fixture_close(&fx);
    directory_name(fx.directory, ".segment", -1, path);
    file_flip(path, 4096 + 30, 1);
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
    cr_assert(strstr(fx.report.notes.data, "state is read from all segments"));
    know();
    expect("from all", 1000, 1000);
}

Test(account, what_is_no_sum_is_passed_over)
{
    static const char *const bodies[] = {"x", "\1.......12345678.", "\2.......12345678"};
    struct handover handover;

    put(A, 5);
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        handover_init(&handover, 1 << 10, NULL, NULL);
        cr_assert_eq(handover_add(&handover, STATE_ACCOUNTS, slice_of(bodies[i]), 0, 0, &fx.error), 0);
        cr_assert_eq(journal_hand_over_and_wait(fx.journal, &handover, &fx.error), 0);
        handover_free(&handover);
    }
    reopen();
    cr_assert(strstr(fx.report.notes.data, "accounts of 1 bytes: none of version 1"));
    cr_assert(strstr(fx.report.notes.data, "accounts of 17 bytes"));
    cr_assert(strstr(fx.report.notes.data, "accounts of 16 bytes"));
    expect("what was counted", 5, 0);
}

/* ---- the golden journal: what this version wrote must stay readable ---- */

/* Its last segment has a snapshot of two stretches, one with both accounts, and behind it records of both. */
Test(account, the_golden_journal_with_accounts_is_read)
{
    fixture_close(&fx);
    directory_delete(fx.directory);
    directory_copy(PENSTOCK_GOLDEN "/journal-v1-accounts", fx.directory);
    fx.options.gateway_id = "golden";
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
    cr_assert_eq(fx.report.notes.length, 0, "%.*s", (int)fx.report.notes.length, fx.report.notes.data);
    cr_assert_eq(fx.report.last_sequence, 97);
    know();
    expect("from the snapshot and the log", 91, 6);
    fixture_move(&fx, 69);
    expect("the first stretch is passed", 22, 6);
    fixture_move(&fx, 93);
    expect("the second, too", 1, 3);
    fixture_move(&fx, 97);
    expect("none is left", 0, 0);
}

/* ---- more than there is room for -------------------------------------------------------------------------------- */

/* Of a segment of 64 KiB: (512 - 43) / 12. */
#define FIT 39

Test(account, more_accounts_than_a_snapshot_holds)
{
    struct journal_quota more = {0};

    for (uint32_t i = 0; i < FIT - 2; i++)
        put(100 + i, 1);
    put(A, 5);
    put(1000, 1);
    cr_assert_eq(journal_accounts(fx.journal, NULL, 0), FIT);
    cr_assert_eq(journal_quota_add(fx.journal, &more, 1000, &fx.error), -1);
    cr_assert_eq(fx.error.kind, ERROR_REJECT);
    cr_assert_str_eq(fx.error.text, "the journal counts for 39 accounts (journal.segment_size): raise it");
    expect("one that has its place", 5, 0);
    fixture_reopen(&fx);
    a = (struct journal_quota){0};
    cr_assert_eq(journal_quota_add(fx.journal, &a, A, &fx.error), 0, "%s", fx.error.text);
    expect("after a start", 5, 0);
    fixture_move(&fx, durable());
    put(1001, 1);
    cr_assert_eq(journal_quota_add(fx.journal, &more, 1001, &fx.error), 0, "others have given up theirs");
    cr_assert_eq(more.bytes, TAKES);
    cr_assert_eq(journal_accounts(fx.journal, NULL, 0), 2);
}

Test(account, more_accounts_in_a_group_than_are_told_apart)
{
    enum { MANY = 2100 };
    struct handover handover;
    char head[8] = {0};
    uint64_t last = 0;

    fixture_close(&fx);
    directory_delete(fx.directory);
    fx.options.segment_size = 1 << 20;
    fx.options.max_size = 16 << 20;
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
    know();
    handover_init(&handover, 1 << 20, NULL, NULL);
    for (uint32_t i = 0; i < MANY; i++) {
        put_u32(head + 4, 100 + i);
        cr_assert_eq(
            handover_add(&handover, JOURNAL_KIND_DATA, (struct slice){head, sizeof head}, 0, 0, &fx.error),
            0);
    }
    put_u32(head + 4, A);
    cr_assert_eq(journal_hand_over_and_wait(fx.journal, &handover, &fx.error), 0, "%s", fx.error.text);
    last = handover.last;
    handover_free(&handover);
    cr_assert_eq(last, MANY);
    put(A, 3);
    expect("the next group", 3, 0);
    cr_assert_eq(journal_accounts(fx.journal, NULL, 0), (8192 - 43) / 12);
}
