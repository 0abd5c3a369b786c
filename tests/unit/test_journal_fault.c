/* The journal on a disk whose nth call fails, or behind whose nth call the world ends: nothing acknowledged is lost, every
 * hand-over is whole or absent, and it goes on by itself. */
#include "journal_harness.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static struct fixture fx;
static struct found found;

static void start(void)
{
    fixture_start(&fx);
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
}

static void end(void)
{
    disk_arm(&fx.disk, 0, 0, false, 0);
    fixture_end(&fx);
}

TestSuite(fault, .init = start, .fini = end, .timeout = 900);

#define ALL_CALLS ((1u << DISK_CALLS) - 1)
#define STEPS 90
#define EACH 5

/* Which hand-overs were acknowledged; ids are EACH per step, never reused. */
static bool acknowledged[STEPS];

/* Rolls, moves the cursor, frees. */
static void scenario(void)
{
    memset(acknowledged, 0, sizeof acknowledged);
    for (uint64_t step = 0; step < STEPS; step++) {
        struct journal_cursor cursor;
        acknowledged[step] = fixture_put(&fx, step * EACH + 1, EACH, 600) == 0;
        if (step % 20 != 19)
            continue;
        journal_cursor(fx.journal, "one", &cursor, &fx.error);
        uint64_t position = journal_durable(fx.journal) * 2 / 3;
        cursor.delivered += position - cursor.position;
        cursor.position = position;
        journal_cursor_move(fx.journal, "one", &cursor);
    }
}

static void start_over(void)
{
    disk_arm(&fx.disk, 0, 0, false, 0);
    fixture_close(&fx);
    directory_delete(fx.directory);
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
}

/* After a restart: ids ascend, steps are whole or absent, and everything acknowledged behind the cursor is there. */
static void check(const char *what, long n)
{
    struct journal_cursor cursor;
    static uint64_t seen[STEPS];
    uint64_t before = 0;

    disk_arm(&fx.disk, 0, 0, false, 0);
    fixture_close(&fx);
    cr_assert_eq(fixture_open(&fx), 0, "%s %ld: %s", what, n, fx.error.text);
    cr_assert_eq(fx.report.records_damaged, 0, "%s %ld", what, n);
    cr_assert_eq(journal_cursor(fx.journal, "one", &cursor, &fx.error), 0);
    fixture_read(&fx, cursor.position, &found);
    cr_assert_eq(found.damaged, 0, "%s %ld", what, n);
    memset(seen, 0, sizeof seen);
    for (uint64_t i = 0; i < found.count; i++) {
        cr_assert_gt(
            found.id[i], before, "%s %ld: id %lu again or out of order", what, n, (unsigned long)found.id[i]);
        before = found.id[i];
        seen[(found.id[i] - 1) / EACH]++;
    }
    uint64_t first = found.count ? (found.id[0] - 1) / EACH : STEPS;
    for (uint64_t step = 0; step < STEPS; step++) {
        if (step > first && seen[step])
            cr_assert_eq(seen[step], EACH, "%s %ld: step %lu is torn", what, n, (unsigned long)step);
        if (acknowledged[step] && step > first)
            cr_assert_eq(
                seen[step], EACH, "%s %ld: acknowledged step %lu is lost", what, n, (unsigned long)step);
    }
    cr_assert_eq(fixture_put(&fx, STEPS * EACH + 1, 1, 600), 0, "%s %ld: %s", what, n, fx.error.text);
    cr_assert_leq(directory_bytes(fx.directory), fx.options.max_size + SEGMENT);
}

static long count_calls(unsigned mask)
{
    start_over();
    disk_arm(&fx.disk, mask, 0, false, 0);
    scenario();
    return fx.disk.calls;
}

static void sweep(const char *what, unsigned mask, bool dead, int error)
{
    long calls = count_calls(mask);

    cr_assert_gt(calls, 1, "%s: the scenario makes no such call", what);
    for (long n = 1; n <= calls; n += 1 + calls / 120) {
        start_over();
        disk_arm(&fx.disk, mask, n, dead, error);
        scenario();
        check(what, n);
    }
}

Test(fault, every_nth_write_fails_once)
{
    sweep("write", 1u << DISK_WRITE, false, EIO);
}

Test(fault, every_nth_sync_fails_once)
{
    sweep("sync", 1u << DISK_SYNC, false, EIO);
}

Test(fault, every_nth_sync_lies_once)
{
    sweep("confirmation", 1u << DISK_CONFIRM, false, EROFS);
}

Test(fault, every_nth_rename_fails_once)
{
    sweep("rename", 1u << DISK_RENAME, false, EIO);
}

Test(fault, every_nth_directory_sync_fails_once)
{
    sweep("directory sync", 1u << DISK_SYNC_DIRECTORY, false, EIO);
}

Test(fault, every_nth_creation_fails_once)
{
    sweep("create or allocate", 1u << DISK_CREATE | 1u << DISK_ALLOCATE, false, ENOSPC);
}

Test(fault, the_world_ends_at_every_nth_call)
{
    sweep("call", ALL_CALLS, true, EIO);
}

static void fail_one(enum disk_call call, int error)
{
    struct journal_status before;
    struct journal_status after;

    fixture_hold_time(true); /* the group of silence would meet the failure */
    fixture_put(&fx, 1, 5, 100);
    fixture_settle(&fx);
    journal_status(fx.journal, &before);
    disk_arm(&fx.disk, 1u << call, 1, false, error);
    cr_assert_eq(fixture_put(&fx, 6, 5, 100), 0, "%s", fx.error.text);
    journal_status(fx.journal, &after);
    cr_assert_eq(after.segments, before.segments + 1);
    fixture_read(&fx, 0, &found);
    cr_assert_eq(found.count, 10);
    cr_assert_eq(found.sequence[9], 10);
    fixture_reopen(&fx);
    fixture_read(&fx, 0, &found);
    cr_assert_eq(found.count, 10, "what lies beyond the retired end is void");
}

Test(fault, one_failed_sync_is_not_seen_by_the_sender_and_retires_the_segment)
{
    fail_one(DISK_SYNC, EIO);
}

/* The first segment is made in haste: its blocks count with a transaction of the filesystem, which may be lost though the sync has said that it is there. */
Test(fault, a_sync_of_blocks_that_are_only_allocated_counts_where_the_filesystem_still_takes_changes)
{
    fail_one(DISK_CONFIRM, EROFS);
}

static enum handover_result last_result;
static _Atomic int completions;

static void note_result(struct handover *handover, enum handover_result result)
{
    (void)handover;
    last_result = result;
    completions++;
}

static void hand_over_and_note(uint64_t id)
{
    static struct handover handover;
    static char payload[100];
    struct error error;
    int before = completions;

    handover_init(&handover, 4096, note_result, NULL);
    handover.payloads = payload;
    memcpy(payload, &id, sizeof id);
    handover_add(&handover, JOURNAL_KIND_DATA, (struct slice){NULL, 0}, 0, sizeof payload, &error);
    if (journal_hand_over(fx.journal, &handover, &error) == 0)
        for (int tries = 0; tries < 60000 && completions == before; tries++)
            usleep(1000);
    handover_free(&handover);
}

Test(fault, a_disk_that_stays_broken_is_unknown_once_then_refused_and_heals)
{
    struct journal_status status;

    fixture_hold_time(true); /* the group of silence would meet the failure */
    fixture_put(&fx, 1, 1, 100);
    fixture_settle(&fx);
    disk_arm(&fx.disk, 1u << DISK_SYNC, 1, true, EIO);
    hand_over_and_note(2);
    cr_assert_eq(completions, 1);
    cr_assert_eq(last_result, HANDOVER_UNKNOWN);
    /* The preparer may have finished a reserve at this very moment: then the next hand-over finds the disk broken. */
    do
        journal_status(fx.journal, &status);
    while (status.accepting && fixture_put(&fx, 3, 1, 100) == -1);
    cr_assert_not(status.accepting);
    cr_assert_eq(fixture_put(&fx, 3, 1, 100), -1);
    cr_assert_eq(fx.error.kind, ERROR_RETRY);
    disk_arm(&fx.disk, 0, 0, false, 0);
    fixture_hold_time(false);
    for (int tries = 0; tries < 60000 && fixture_put(&fx, 4, 1, 100); tries++)
        usleep(1000);
    fixture_read(&fx, 1, &found);
    cr_assert_eq(found.count, 1);
    cr_assert_eq(found.id[0], 4);
}

Test(fault, a_cursor_that_could_not_be_written_is_written_later)
{
    struct journal_cursor cursor;

    fixture_put(&fx, 1, 10, 100);
    fixture_settle(&fx);
    disk_arm(&fx.disk, 1u << DISK_WRITE, 1, true, ENOSPC);
    cr_assert_eq(journal_cursor(fx.journal, "one", &cursor, &fx.error), 0);
    cursor.position = cursor.delivered = 7;
    journal_cursor_move(fx.journal, "one", &cursor);
    for (int tries = 0; tries < 60000 && fx.disk.calls < 2; tries++)
        usleep(1000);
    cr_assert_geq(fx.disk.calls, 2);
    disk_arm(&fx.disk, 0, 0, false, 0);
    for (int tries = 0; tries < 60000 && cursor.position == 7; tries++) {
        journal_cursor(fx.journal, "one", &cursor, &fx.error);
        if (cursor.position == 7 && cursor.delivered == 7)
            break;
        cursor.position = 7;
        usleep(1000);
    }
    cr_assert_eq(cursor.delivered, 7);
}

Test(fault, no_space_for_a_reserve_refuses_before_a_byte_is_taken)
{
    uint64_t id = 1;

    disk_arm(&fx.disk, 1u << DISK_CREATE | 1u << DISK_ALLOCATE, 1, true, ENOSPC);
    while (fixture_put(&fx, id, 10, 300) == 0)
        id += 10;
    cr_assert_eq(fx.error.kind, ERROR_RETRY);
    cr_assert_lt(id, 3000);
    cr_assert_eq(journal_durable(fx.journal), id - 1);
    disk_arm(&fx.disk, 0, 0, false, 0);
    int tries = 0;
    while (fixture_put(&fx, id, 10, 300) && tries++ < 20000)
        usleep(1000);
    fixture_read(&fx, id - 1, &found);
    cr_assert_eq(found.count, 10, "it resumes by itself");
}

/* ---- recovery on a bad disk ---- */

Test(fault, a_tail_that_cannot_be_synced_is_copied_under_its_own_epoch)
{
    uint32_t epoch = journal_epoch(fx.journal);

    fixture_put(&fx, 1, 5, 100);
    fixture_put(&fx, 6, 30, 100);
    fixture_close(&fx);
    disk_arm(&fx.disk, 1u << DISK_SYNC, 1, false, EIO);
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
    bytes_add(&fx.report.notes, "", 1, &fx.error);
    cr_assert(strstr(fx.report.notes.data, "copied to a new segment"), "%s", fx.report.notes.data);
    fixture_put(&fx, 36, 1, 100);
    fixture_read(&fx, 0, &found);
    cr_assert_eq(found.count, 36);
    cr_assert_eq(found.epoch[34], epoch);
    cr_assert_neq(found.epoch[35], epoch);
    fixture_reopen(&fx);
    fixture_read(&fx, 0, &found);
    cr_assert_eq(found.count, 36);
}

Test(fault, a_start_that_fails_at_any_call_leaves_everything_for_the_next)
{
    for (uint64_t i = 0; i < 40; i++)
        fixture_put(&fx, i * 10 + 1, 10, 300);
    for (int dead = 0; dead < 2; dead++)
        for (long n = 1; n < 25; n++) {
            fixture_close(&fx);
            disk_arm(&fx.disk, ALL_CALLS, n, dead, EIO);
            if (fixture_open(&fx))
                cr_assert_neq(fx.error.text[0], '\0');
            disk_arm(&fx.disk, 0, 0, false, 0);
            fixture_close(&fx);
            cr_assert_eq(fixture_open(&fx), 0, "call %ld: %s", n, fx.error.text);
            fixture_read(&fx, 0, &found);
            cr_assert_eq(found.count, 400, "call %ld: %lu", n, (unsigned long)found.count);
        }
}

Test(fault, a_reader_whose_segment_cannot_be_opened_says_so_and_can_go_on)
{
    struct journal_reader *reader;
    struct journal_entry entry;
    char path[256];
    char away[300];

    fixture_put(&fx, 1, 5, 100);
    directory_name(fx.directory, ".segment", -1, path);
    snprintf(away, sizeof away, "%s.away", path);
    rename(path, away);
    cr_assert_eq(journal_reader_open(&reader, fx.journal, 0, &fx.error), 0);
    cr_assert_eq(journal_read(reader, &entry, &fx.error), -1);
    cr_assert_eq(fx.error.kind, ERROR_RETRY);
    rename(away, path);
    cr_assert_eq(journal_read(reader, &entry, &fx.error), 1);
    cr_assert_eq(entry.sequence, 1);
    journal_reader_close(&reader);
    journal_reader_close(&reader);
}

Test(fault, a_large_group_that_fails_half_way_is_written_again)
{
    fixture_close(&fx);
    directory_delete(fx.directory);
    fx.options.segment_size = 64 * SEGMENT;
    fx.options.max_size = 16 * fx.options.segment_size;
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
    fixture_settle(&fx);
    disk_arm(&fx.disk, 1u << DISK_WRITE, 1, false, EIO);
    cr_assert_eq(fixture_put(&fx, 1, 600, 4000), 0, "%s", fx.error.text);
    fixture_read(&fx, 0, &found);
    cr_assert_eq(found.count, 600);
    cr_assert_eq(found.sequence[599], 600);
}

Test(fault, cursors_wait_for_a_new_segment_that_cannot_be_begun)
{
    struct journal_cursor cursor;

    cr_assert_eq(fixture_put(&fx, 1, 814, 25), 0, "%s", fx.error.text);
    while (fx.disk.calls ==
           0) { /* until the current segment is full of cursors and the next one cannot be named */
        fixture_settle(&fx);
        cr_assert_eq(journal_cursor(fx.journal, "one", &cursor, &fx.error), 0);
        disk_arm(&fx.disk, 1u << DISK_RENAME, 1, true, EIO);
        cursor.position = ++cursor.delivered;
        journal_cursor_move(fx.journal, "one", &cursor);
        for (int tries = 0; tries < 300 && fx.disk.calls == 0; tries++) {
            struct journal_cursor stored;
            journal_cursor(fx.journal, "one", &stored, &fx.error);
            if (stored.position == cursor.position)
                break;
            usleep(1000);
        }
    }
    struct journal_status status;
    for (int tries = 0; tries < 60000; tries++) {
        journal_status(fx.journal, &status);
        if (!status.accepting)
            break;
        usleep(1000);
    }
    cr_assert_not(status.accepting);
    disk_arm(&fx.disk, 0, 0, false, 0);
    fixture_move(&fx, cursor.position);
    fixture_reopen(&fx);
    fixture_read(&fx, cursor.position, &found);
    cr_assert_eq(found.count, 814 - cursor.position);
}

Test(fault, strange_files_that_cannot_be_moved_stop_the_start_and_nothing_is_lost)
{
    char path[256];
    char copy[300];

    for (uint64_t i = 0; i < 40; i++)
        fixture_put(&fx, i * 10 + 1, 10, 300);
    fixture_close(&fx);
    directory_name(fx.directory, ".segment", 0, path);
    snprintf(copy, sizeof copy, "%s/%020d.segment", fx.directory, 999);
    rename(path, copy);
    for (long n = 1; n <= 2; n++) {
        disk_arm(&fx.disk, 1u << DISK_RENAME, n, true, EIO);
        cr_assert_eq(fixture_open(&fx), -1);
        disk_arm(&fx.disk, 0, 0, false, 0);
    }
    disk_arm(&fx.disk, 0, 0, false, 0);
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
    fixture_read(&fx, 0, &found);
    cr_assert_eq(found.count, 400);
}

Test(fault, without_room_for_a_segment_the_start_says_so)
{
    char path[256];

    fixture_put(&fx, 1, 5, 100);
    fixture_close(&fx);
    while (directory_files(fx.directory, "") > directory_files(fx.directory, ".segment")) {
        directory_name(fx.directory, "", -1, path); /* a reserve sorts behind the digits */
        cr_assert_eq(unlink(path), 0);
    }
    disk_arm(&fx.disk, 1u << DISK_ALLOCATE, 1, true, ENOSPC);
    cr_assert_eq(fixture_open(&fx), -1);
    cr_assert(strstr(fx.error.text, "no room for a new segment"), "%s", fx.error.text);
    disk_arm(&fx.disk, 0, 0, false, 0);
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
    fixture_read(&fx, 0, &found);
    cr_assert_eq(found.count, 5);
}

/* As a kill leaves it: no mark tells yet that the last group is durable. */
Test(fault, a_copied_tail_survives_a_start_that_fails_behind_the_copy)
{
    char saved[64];

    temporary_directory(saved);
    fixture_settle(&fx);
    fixture_hold_time(true);
    fixture_put(&fx, 1, 16, 100);
    fixture_put(&fx, 17, 4, 100);
    directory_copy(fx.directory, saved);
    fixture_hold_time(false);
    for (long n = 1; n < 14; n++) {
        fixture_close(&fx);
        directory_delete(fx.directory);
        directory_copy(saved, fx.directory);
        disk_arm(&fx.disk, 1u << DISK_SYNC, 1, false, EIO); /* the tail's */
        fx.disk.second_at = n;
        if (fixture_open(&fx) == 0)
            fixture_close(&fx);
        disk_arm(&fx.disk, 0, 0, false, 0);
        cr_assert_eq(fixture_open(&fx), 0, "call %ld: %s", n, fx.error.text);
        cr_assert_eq(fx.report.last_sequence, 20, "call %ld: %lu", n, (unsigned long)fx.report.last_sequence);
        fixture_read(&fx, 0, &found);
        cr_assert_eq(found.count, 20, "call %ld", n);
        cr_assert_eq(found.damaged, 0, "call %ld", n);
    }
    directory_delete(saved);
}

Test(fault, the_kept_reserve_is_not_spent_on_records_by_starts_on_a_full_disk)
{
    fixture_settle(&fx);
    for (uint64_t i = 0; i < 12; i++) {
        fixture_close(&fx);
        disk_arm(&fx.disk, 1u << DISK_ALLOCATE, 1, true, ENOSPC);
        cr_assert_eq(fixture_open(&fx), 0, "start %lu: %s", (unsigned long)i, fx.error.text);
        fixture_put(&fx, i + 1, 1, 100);
    }
    cr_assert_eq(fx.error.kind, ERROR_RETRY, "the last ones are refused");
}
