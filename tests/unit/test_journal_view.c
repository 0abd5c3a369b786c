/* Looking at a journal that is damaged: what is named is what recovery and readers name, and no byte is changed. */
#include "view_harness.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "journal/frame.h"

TestSuite(view, .init = view_start, .fini = view_end, .timeout = 900);

/* ---- damage --------------------------------------------------------------------------------------------------- */

Test(view, names_what_recovery_names_at_a_flip_of_any_byte)
{
    char path[256];

    for (uint64_t i = 0; i < 6; i++)
        fixture_put(&fx, i * 3 + 1, 3, 40);
    fixture_move(&fx, 2);
    fixture_close(&fx);
    save();
    directory_name(fx.directory, ".segment", -1, path);
    for (uint64_t at = 0; at < 4096 + 18 * 72 + 800; at += at >= 256 && at < 4096 ? 61 : 1) {
        restore();
        file_flip(path, at, (unsigned char)(1 << at % 8));
        look_closed();
        cr_assert_eq(told.faults, 0, "byte %lu: %s", (unsigned long)at, told.fault);
        compare(0, "byte", at);
    }
}

Test(view, names_what_recovery_names_at_every_length)
{
    char path[256];

    for (uint64_t i = 0; i < 8; i++)
        fixture_put(&fx, i * 3 + 1, 3, 40);
    fixture_close(&fx);
    save();
    directory_name(fx.directory, ".segment", -1, path);
    for (uint64_t size = 0; size < 4096 + 24 * 80 + 600; size += size < 4096 - 256 && size > 300 ? 97 : 1) {
        restore();
        cr_assert_eq(truncate(path, (off_t)size), 0);
        look_closed();
        if (view->segments_count)
            cr_assert(view->segments[0].cut);
        else
            cr_assert_gt(view->files_count, 0);
        compare(0, "length", size);
    }
}

Test(view, names_what_readers_name_in_old_segments)
{
    char path[256], ids[100];

    fill(6);
    fixture_close(&fx);
    directory_name(fx.directory, ".segment", 0, path);
    file_flip(path, 20000, 0xff);
    file_flip(path, 30000, 0xff);
    file_flip(path, SEGMENT_HEADER_SIZE + 30, 0xff);
    directory_name(fx.directory, ".segment", 1, path);
    cr_assert_eq(truncate(path, 50000), 0);
    look_closed();
    cr_assert_geq(told.count, 3);
    cr_assert_geq(told.lost, 12);
    cr_assert_geq(told.holes, 1, "the snapshot");
    cr_assert_eq(told.faults, 0, "%s", told.fault);
    cr_assert_not(view->segments[0].cut);
    cr_assert(view->segments[1].cut && view->segments[1].end_known);
    snprintf(
        ids, sizeof ids, "test-1/%08x/%lu", view->segments[0].epoch, (unsigned long)told.ranges[0].first);
    cr_assert_str_eq(told.ranges[0].ids, ids);
    snprintf(ids, sizeof ids, "test-1/%08x/%lu..%lu", view->segments[1].epoch,
        (unsigned long)told.ranges[2].first, (unsigned long)told.ranges[2].last);
    cr_assert_str_eq(told.ranges[2].ids, ids);
    cr_assert_eq(told.records + told.lost, 600);
    compare(0, "old", 0);
}

Test(view, names_what_a_missing_segment_held)
{
    char path[256], ids[100];

    fill(6);
    fixture_reopen(&fx);
    fixture_put(&fx, 601, 10, 300);
    fixture_close(&fx);
    directory_name(fx.directory, ".segment", 1, path);
    cr_assert_eq(unlink(path), 0);
    directory_name(fx.directory, ".segment", -2, path);
    cr_assert_eq(unlink(path), 0);
    look_closed();
    cr_assert_eq(told.count, 2);
    cr_assert_not(view->segments[0].end_known);
    snprintf(ids, sizeof ids, "test-1/%08x/%lu..%lu", view->segments[0].epoch,
        (unsigned long)told.ranges[0].first, (unsigned long)told.ranges[0].last);
    cr_assert_str_eq(told.ranges[0].ids, ids, "both neighbours are of one start");
    snprintf(ids, sizeof ids, "test-1/*/%lu..%lu", (unsigned long)told.ranges[1].first,
        (unsigned long)told.ranges[1].last);
    cr_assert_str_eq(told.ranges[1].ids, ids, "nobody knows in which of two starts");
    compare(0, "missing", 0);
}

Test(view, names_what_an_outlet_still_needs_of_before)
{
    char path[256];

    fill(6);
    fixture_move(&fx, 5);
    fixture_close(&fx);
    directory_name(fx.directory, ".segment", 0, path);
    cr_assert_eq(unlink(path), 0);
    look_closed();
    cr_assert_eq(told.count, 1);
    cr_assert_eq(told.ranges[0].first, 6);
    cr_assert_not(told.ranges[0].segment);
    cr_assert_eq(told.records + told.lost, 595);
    compare(5, "first", 0);
}

Test(view, takes_an_outlet_of_which_only_marks_are_left_for_a_new_one)
{
    const struct journal_mark mark = mark_of("topic", JOURNAL_MARK_FREE);
    char path[256];

    fill(6);
    fixture_mark(&fx, "one", 5, 0, &mark, 1);
    fixture_reopen(&fx);
    fixture_close(&fx);
    while (directory_files(fx.directory, ".segment") > 1) {
        directory_name(fx.directory, ".segment", 0, path);
        cr_assert_eq(unlink(path), 0);
    }
    directory_name(fx.directory, ".segment", 0, path);
    file_flip(path, SEGMENT_HEADER_SIZE + FRAME_HEADER_SIZE + 4, 1); /* the cursor in its snapshot */
    look_closed();
    cr_assert_eq(view->outlets_count, 1);
    cr_assert_eq(view->outlets[0].marks_count, 1);
    cr_assert_eq(view->outlets[0].cursor.position, 600);
    cr_assert_eq(told.lost, 0);
    compare(0, "marks alone", 0);
}

Test(view, reads_segments_under_wrong_names)
{
    char first[256], second[256], away_name[300];

    fill(6);
    fixture_close(&fx);
    directory_name(fx.directory, ".segment", 0, first);
    directory_name(fx.directory, ".segment", -1, second);
    snprintf(away_name, sizeof away_name, "%s.away", first);
    rename(first, away_name);
    rename(second, first);
    rename(away_name, second);
    look_closed();
    cr_assert(view->segments[0].misnamed);
    cr_assert(view->segments[view->segments_count - 1].misnamed);
    cr_assert_not(view->segments[1].misnamed);
    cr_assert_eq(told.records, 600);
    cr_assert_eq(told.lost + told.holes, 0);
    compare(0, "swapped", 0);
}

Test(view, one_copy_of_a_header_is_enough_and_that_is_said)
{
    static const uint64_t places[] = {16, SEGMENT_HEADER_COPY + 16};
    char path[256];

    fill(6);
    fixture_close(&fx);
    save();
    for (size_t i = 0; i < 2; i++) {
        restore();
        directory_name(fx.directory, ".segment", 1, path);
        file_flip(path, places[i], 1);
        look_closed();
        cr_assert_eq(told.records, 600);
        for (size_t k = 0; k < view->segments_count; k++)
            cr_assert_eq(view->segments[k].half, k == 1);
        compare(0, "half a header", i);
    }
}

static void file_write(const char *name, const char *text)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s", fx.directory, name);
    cleanup_fd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* A look does not wait for one that was made meanwhile when it is none. */
Test(view, garbage_in_the_next_ones_place_is_no_newer_segment)
{
    char path[256], name[64];

    fill(2);
    fixture_close(&fx);
    directory_name(fx.directory, ".segment", -1, path);
    snprintf(name, sizeof name, "%020llu.segment", strtoull(strrchr(path, '/') + 1, NULL, 10) + 1);
    file_write(name, "garbage");
    look_closed();
    cr_assert_eq(told.records, 200);
    away();
}

static const struct journal_view_file *file_seen(const char *name)
{
    for (size_t i = 0; i < view->files_count; i++)
        if (strcmp(view->files[i].name, name) == 0)
            return &view->files[i];
    cr_assert_fail("%s is not listed", name);
    return NULL;
}

Test(view, lists_what_is_no_segment)
{
    char path[256], copy[300];

    fill(2);
    fixture_close(&fx);
    file_write("00000000000000000099.segment", "garbage");
    file_write("notes.txt", "not ours");
    file_write("reserve.5000.new", "half made");
    file_write("reserve.5001", "12345");
    file_write("00000000000000000000.damaged", "x");
    file_write("x.aside", "");
    directory_name(fx.directory, ".segment", 0, path);
    snprintf(copy, sizeof copy, "%s/00000000000000000900.segment", fx.directory);
    cr_assert_eq(link(path, copy), 0);
    look_closed();
    cr_assert_eq(told.lost + told.holes + told.faults, 0);
    cr_assert_eq(told.records, 200);
    cr_assert_str_eq(file_seen("notes.txt")->what, "not the journal's");
    cr_assert_not(file_seen("notes.txt")->fault);
    cr_assert_eq(file_seen("reserve.5001")->size, 5);
    cr_assert(strstr(file_seen("reserve.5001")->what, "reserve"));
    cr_assert(strstr(file_seen("reserve.5000.new")->what, "being made"));
    cr_assert(strstr(file_seen("00000000000000000000.damaged")->what, "damaged"));
    cr_assert(strstr(file_seen("x.aside")->what, "set aside"));
    cr_assert(file_seen("00000000000000000099.segment")->fault);
    cr_assert_str_eq(file_seen("00000000000000000099.segment")->what, "no valid segment header");
    cr_assert(file_seen("00000000000000000900.segment")->fault);
    cr_assert_str_eq(file_seen("00000000000000000900.segment")->what, "a second copy of a segment");
    for (size_t i = 1; i < view->files_count; i++)
        cr_assert_lt(strcmp(view->files[i - 1].name, view->files[i].name), 0);
    away();
}

/* ---- the golden journals, and none ------------------------------------------------------------------------------ */

/* before: records that are not kept, though their outlet has not passed them */
static void golden(const char *name, uint64_t before, uint64_t records)
{
    fixture_close(&fx);
    directory_delete(fx.directory);
    directory_copy(name, fx.directory);
    look_closed();
    cr_assert_eq(told.records, records, "%s: %lu", name, (unsigned long)told.records);
    cr_assert_eq(told.lost, before, "%s", name);
    cr_assert_eq(told.holes + told.faults, 0, "%s: %s", name, told.fault);
    cr_assert_str_eq(view->gateway_id, "golden");
    for (size_t i = 0; i < view->outlets_count; i++) {
        const struct journal_view_outlet *outlet = &view->outlets[i];
        struct journal_ledger ledger;
        cr_assert_eq(
            journal_view_prove(outlet, view->last, view->last - outlet->cursor.position, &ledger, &fx.error),
            0, "%s: %s", name, fx.error.text);
        cr_assert_eq(ledger.accepted, view->last - outlet->cursor.base);
    }
    if (strstr(name, "marks")) {
        cr_assert_eq(view->outlets[0].marks_count, 2);
        cr_assert_eq(view->outlets[0].least, 12);
        cr_assert_eq(view->outlets[0].cursor.held, 3);
        cr_assert_str_eq(view->outlets[0].marks[0].name, "INGESTION");
        cr_assert_eq(view->outlets[0].marks[0].position, 12);
        cr_assert_eq(view->outlets[0].marks[1].position, JOURNAL_MARK_FREE);
    }
    away();
}

Test(view, golden_journals_are_sound)
{
    golden(PENSTOCK_GOLDEN "/journal-v1", 0, 40);
    golden(PENSTOCK_GOLDEN "/journal-v1-marks", 0, 40);
    golden(PENSTOCK_GOLDEN "/journal-v1-sessions", 0, 0);
    golden(PENSTOCK_GOLDEN "/journal-v1-answers", 5, 3);
    golden(PENSTOCK_GOLDEN "/journal-v1-sequences", 0, 2);
    golden(PENSTOCK_GOLDEN "/journal-v1-accounts", 0, 97);
}

Test(view, there_is_no_journal)
{
    fixture_close(&fx);
    directory_delete(fx.directory);
    cr_assert_eq(look(), -1);
    cr_assert_eq(fx.error.kind, ERROR_FATAL);
    cr_assert(strstr(fx.error.text, ": open: No such file"), "%s", fx.error.text);
    cr_assert_eq(mkdir(fx.directory, 0700), 0);
    cr_assert_eq(look(), 0, "%s", fx.error.text);
    cr_assert_eq(view->segments_count + view->files_count + view->outlets_count, 0);
    cr_assert_str_empty(view->gateway_id);
    away();
}

/* ---- the ledger ------------------------------------------------------------------------------------------------- */

static int prove(struct journal_cursor cursor, uint64_t least, uint64_t last, uint64_t unread)
{
    const struct journal_view_outlet outlet = {.name = "one", .cursor = cursor, .least = least};
    struct journal_ledger ledger;

    return journal_view_prove(&outlet, last, unread, &ledger, &fx.error);
}

static void refuted(int result, const char *text)
{
    cr_assert_eq(result, -1, "%s", text);
    cr_assert_eq(fx.error.kind, ERROR_REJECT);
    cr_assert(strstr(fx.error.text, text), "%s", fx.error.text);
}

Test(view, a_ledger_adds_up_or_is_refuted)
{
    const uint64_t free = JOURNAL_MARK_FREE;
    const struct journal_cursor right = {20, 5, 8, 1, 2, 1, 3};

    cr_assert_eq(prove(right, 17, 30, 10), 0, "%s", fx.error.text);
    refuted(prove((struct journal_cursor){20, 5, 9, 1, 2, 1, 3}, 17, 30, 10),
        "position 20 is not base 5 + delivered 9");
    refuted(prove((struct journal_cursor){20, 21, UINT64_MAX, 0, 0, 0, 0}, free, 30, 10),
        "position 20 is not base 21");
    refuted(prove(right, 17, 19, 0), "position 20 is behind the newest record, 19");
    refuted(prove(right, 18, 30, 10), "3 records are held, and only 2 stand");
    refuted(prove(right, free, 30, 10), "3 records are held, and only 0 stand");
    refuted(prove(right, 17, 30, 9), "25 records were accepted, and it accounts for 24");
}

Test(view, what_is_queued_never_wraps)
{
    struct journal_view_outlet outlet = {.cursor = {.position = 20, .base = 5, .held = 3}};

    cr_assert_eq(journal_view_queued(&outlet, 30), 13);
    cr_assert_eq(journal_view_queued(&outlet, 20), 3);
    cr_assert_eq(journal_view_queued(&outlet, 19), 3);
    cr_assert_eq(journal_view_queued(&outlet, 0), 3);
}
