/* The journal and what a disk can do to it: truncation at every length, a flip of every byte, torn sectors over the stale
 * content of a recycled file, files that are missing, doubled, swapped, foreign or garbage. */
#include "journal_harness.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/file.h"
#include "base/little.h"
#include "journal/frame.h"

static struct fixture fx;
static struct found found;
static char saved[64];

static void start(void)
{
    fixture_start(&fx);
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
    temporary_directory(saved);
}

static void end(void)
{
    fixture_end(&fx);
    directory_delete(saved);
}

TestSuite(damage, .init = start, .fini = end, .timeout = 900);

/* Puts the directory back to what was saved. */
static void restore(void)
{
    fixture_close(&fx);
    directory_delete(fx.directory);
    directory_copy(saved, fx.directory);
}

static void open_again(const char *what, uint64_t at)
{
    cr_assert_eq(fixture_open(&fx), 0, "%s %lu: %s", what, (unsigned long)at, fx.error.text);
}

/* The records in order, each at most once, the damaged ranges exactly between them: nothing is lost without a name. */
static uint64_t check_complete(uint64_t last, const char *what, uint64_t at)
{
    uint64_t next = 1;
    uint64_t kept = 0;

    fixture_read(&fx, 0, &found);
    for (uint64_t i = 0; i < found.count; i++) {
        cr_assert_eq(found.sequence[i], next, "%s %lu: %lu instead of %lu", what, (unsigned long)at,
            (unsigned long)found.sequence[i], (unsigned long)next);
        if (found.id[i])
            cr_assert_eq(found.id[i], found.sequence[i]);
        kept += found.id[i] != 0;
        uint64_t following = i + 1 < found.count ? found.sequence[i + 1] : next + 1;
        next = found.id[i] ? next + 1 : following;
    }
    cr_assert_leq(kept, last);
    return kept;
}

static void newest_segment(char path[256])
{
    directory_name(fx.directory, ".segment", -1, path);
}

Test(damage, truncated_at_every_length_it_starts_and_keeps_the_prefix)
{
    char path[256];

    for (uint64_t i = 0; i < 8; i++)
        fixture_put(&fx, i * 3 + 1, 3, 40);
    fixture_close(&fx);
    directory_copy(fx.directory, saved);
    newest_segment(path);
    uint64_t kept_before = 0;
    for (uint64_t size = 0; size < 4096 + 24 * 80 + 600; size += size < 4096 - 256 && size > 300 ? 97 : 1) {
        restore();
        cr_assert_eq(truncate(path, (off_t)size), 0);
        open_again("length", size);
        uint64_t kept = check_complete(24, "length", size);
        cr_assert_geq(kept, kept_before, "length %lu", (unsigned long)size);
        cr_assert_eq(fx.report.last_sequence, kept);
        kept_before = kept;
        cr_assert_eq(fixture_put(&fx, kept + 1, 1, 40), 0);
    }
    cr_assert_eq(kept_before, 24);
}

Test(damage, a_flip_of_any_byte_costs_no_other_record_and_names_the_lost)
{
    char path[256];

    for (uint64_t i = 0; i < 6; i++)
        fixture_put(&fx, i * 3 + 1, 3, 40);
    fixture_move(&fx, 2);
    fixture_close(&fx);
    directory_copy(fx.directory, saved);
    newest_segment(path);
    for (uint64_t at = 0; at < 4096 + 18 * 72 + 800; at += at >= 256 && at < 4096 ? 61 : 1) {
        restore();
        file_flip(path, at, (unsigned char)(1 << at % 8));
        open_again("byte", at);
        uint64_t kept = check_complete(18, "byte", at);
        cr_assert_geq(kept + found.damaged, 17, "byte %lu: %lu kept, %lu named", (unsigned long)at,
            (unsigned long)kept, (unsigned long)found.damaged);
        cr_assert_geq(kept, 17, "byte %lu", (unsigned long)at);
        bool named = kept == 18 || found.damaged || fx.report.tail_first;
        cr_assert(named, "byte %lu: a record is gone and nobody says so", (unsigned long)at);
        cr_assert_eq(fixture_put(&fx, fx.report.last_sequence + 1, 1, 40), 0);
    }
}

Test(damage, in_an_old_segment_it_is_found_by_the_reader_and_a_copy_is_kept)
{
    char path[256];

    for (uint64_t i = 0; i < 40; i++)
        fixture_put(&fx, i * 10 + 1, 10, 300);
    directory_name(fx.directory, ".segment", 0, path);
    file_flip(path, 20000, 0xff);
    file_flip(path, 30000, 0xff);
    uint64_t kept = check_complete(400, "old", 0);
    cr_assert_eq(kept + found.damaged, 400);
    cr_assert_eq(found.damaged, 2);
    for (uint64_t i = 0; i < 20; i++) {
        fixture_move(&fx, 380);
        cr_assert_eq(fixture_put(&fx, 401 + i * 10, 10, 300), 0);
    }
    for (int tries = 0; tries < 60000 && directory_files(fx.directory, ".damaged") == 0; tries++)
        usleep(1000);
    cr_assert_eq(directory_files(fx.directory, ".damaged"), 1);
    fixture_reopen(&fx);
    cr_assert_eq(directory_files(fx.directory, ".damaged"), 1);
}

Test(damage, the_end_of_an_old_segment_is_named_too)
{
    char path[256];

    for (uint64_t i = 0; i < 40; i++)
        fixture_put(&fx, i * 10 + 1, 10, 300);
    directory_name(fx.directory, ".segment", 0, path);
    cr_assert_eq(truncate(path, 50000), 0);
    uint64_t kept = check_complete(400, "old", 0);
    cr_assert_eq(kept + found.damaged, 400);
    cr_assert_gt(found.damaged, 10);
}

Test(damage, a_missing_segment_is_a_named_gap)
{
    char path[256];

    for (uint64_t i = 0; i < 60; i++)
        fixture_put(&fx, i * 10 + 1, 10, 300);
    fixture_close(&fx);
    directory_name(fx.directory, ".segment", 1, path);
    cr_assert_eq(unlink(path), 0);
    open_again("missing", 1);
    uint64_t kept = check_complete(600, "missing", 1);
    cr_assert_eq(kept + found.damaged, 600);
    cr_assert_gt(found.damaged, 100);
}

Test(damage, a_missing_first_segment_is_a_named_gap_for_who_needs_it)
{
    char path[256];

    for (uint64_t i = 0; i < 60; i++)
        fixture_put(&fx, i * 10 + 1, 10, 300);
    fixture_move(&fx, 5);
    fixture_close(&fx);
    directory_name(fx.directory, ".segment", 0, path);
    cr_assert_eq(unlink(path), 0);
    open_again("missing", 0);
    fixture_read(&fx, 5, &found);
    cr_assert_eq(found.sequence[0], 6);
    cr_assert_eq(found.id[0], 0);
    cr_assert_eq(found.damaged + found.count - 1, 595);
}

/* ---- strange files ---- */

static void file_write(const char *name, const char *text)
{
    char path[256];

    snprintf(path, sizeof path, "%s/%s", fx.directory, name);
    cleanup_fd int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static bool noted(const char *text)
{
    bytes_add(&fx.report.notes, "", 1, &fx.error);
    return strstr(fx.report.notes.data, text) != NULL;
}

Test(damage, garbage_is_set_aside_by_name)
{
    fixture_put(&fx, 1, 5, 100);
    fixture_close(&fx);
    file_write("00000000000000000099.segment", "garbage");
    file_write("00000000000000000000.segment", "");
    file_write("99999999999999999999999.segment", "?");
    file_write("notes.txt", "not ours");
    file_write("reserve.5.new", "half made");
    file_write("reserve.77", "of another size");
    open_again("garbage", 0);
    cr_assert(noted("00000000000000000099.segment: no valid segment header: set aside"));
    cr_assert_eq(directory_files(fx.directory, ".aside"), 2);
    cr_assert_eq(directory_files(fx.directory, ".txt"), 1);
    fixture_settle(&fx);
    cr_assert_eq(check_complete(5, "garbage", 0), 5);
}

Test(damage, swapped_names_are_put_right)
{
    char first[256];
    char second[256];
    char away[300];

    for (uint64_t i = 0; i < 60; i++)
        fixture_put(&fx, i * 10 + 1, 10, 300);
    fixture_close(&fx);
    directory_name(fx.directory, ".segment", 0, first);
    directory_name(fx.directory, ".segment", 1, second);
    snprintf(away, sizeof away, "%s.away", first);
    rename(first, away);
    rename(second, first);
    rename(away, second);
    open_again("swapped", 0);
    cr_assert(noted(": renamed"));
    cr_assert_eq(check_complete(600, "swapped", 0), 600);
}

Test(damage, a_doubled_segment_is_delivered_once)
{
    char path[256];

    for (uint64_t i = 0; i < 60; i++)
        fixture_put(&fx, i * 10 + 1, 10, 300);
    fixture_close(&fx);
    directory_copy(fx.directory, saved);
    for (int nth = 0; nth < 2; nth++) {
        char copy[300];
        directory_name(saved, ".segment", nth, path);
        snprintf(copy, sizeof copy, "%s/%020d.segment", fx.directory, nth ? 900 : 0);
        rename(path, copy);
    }
    open_again("doubled", 0);
    cr_assert(noted("a second copy of a segment"));
    cr_assert_eq(directory_files(fx.directory, ".aside"), 2);
    cr_assert_eq(check_complete(600, "doubled", 0), 600);
}

Test(damage, a_foreign_segment_is_never_delivered)
{
    struct fixture other;
    char path[256];
    char to[300];

    for (uint64_t i = 0; i < 60; i++)
        fixture_put(&fx, i * 10 + 1, 10, 300);
    fixture_close(&fx);
    fixture_start(&other);
    fixture_open(&other);
    fixture_put(&other, 5000, 10, 300);
    fixture_close(&other);
    directory_name(other.directory, ".segment", -1, path);
    snprintf(to, sizeof to, "%s/%020d.segment", fx.directory, 800);
    rename(path, to);
    open_again("foreign", 0);
    cr_assert(noted("a segment of another journal"));
    cr_assert_eq(check_complete(600, "foreign", 0), 600);
    fixture_end(&other);
}

Test(damage, a_newer_version_refuses_to_start_and_touches_nothing)
{
    char path[256];
    char header[SEGMENT_HEADER_SIZE];

    fixture_put(&fx, 1, 5, 100);
    fixture_close(&fx);
    newest_segment(path);
    cleanup_fd int fd = open(path, O_RDWR);
    cr_assert_eq(pread(fd, header, sizeof header, 0), (ssize_t)sizeof header);
    put_u32(header + 8, 2);
    put_u32(header + 12, 0);
    put_u32(header + 12, crc32c(0, header, SEGMENT_HEADER_USED));
    cr_assert_eq(pwrite(fd, header, sizeof header, 0), (ssize_t)sizeof header);
    file_write("00000000000000000099.segment", "garbage");
    size_t files = directory_files(fx.directory, "");
    uint64_t bytes = directory_bytes(fx.directory);
    cr_assert_eq(fixture_open(&fx), -1);
    cr_assert_eq(fx.error.kind, ERROR_FATAL);
    cr_assert(strstr(fx.error.text, "format version 2"), "%s", fx.error.text);
    cr_assert_eq(directory_files(fx.directory, ""), files);
    cr_assert_eq(directory_bytes(fx.directory), bytes);
}

Test(damage, a_damaged_snapshot_falls_back_to_older_segments)
{
    struct journal_cursor cursor;
    char path[256];

    for (uint64_t i = 0; i < 30; i++)
        fixture_put(&fx, i * 10 + 1, 10, 300);
    fixture_move(&fx, 7);
    fixture_reopen(&fx);
    fixture_close(&fx);
    newest_segment(path);
    file_flip(path, SEGMENT_HEADER_SIZE + 25, 0x10);
    open_again("snapshot", 0);
    cr_assert(noted("snapshot of the live state is damaged"));
    cr_assert_eq(journal_cursor(fx.journal, "one", &cursor, &fx.error), 0);
    cr_assert_eq(cursor.position, 7);
    cr_assert_eq(check_complete(300, "snapshot", 0), 300);
}

/* ---- torn sectors ---- */

static uint64_t random_state = 88172645463325252u;

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static char *file_load(const char *path, size_t *ret_size)
{
    *ret_size = file_size(path);
    char *data = malloc(*ret_size);
    cleanup_fd int fd = open(path, O_RDONLY);
    cr_assert_eq(read(fd, data, *ret_size), (ssize_t)*ret_size);
    return data;
}

/* Everything but the current segment is a reserve, or gone, and no file moves any more. */
static void await_recycled(void)
{
    for (int tries = 0; tries < 60000 && directory_files(fx.directory, ".segment") > 1; tries++)
        usleep(1000);
    cr_assert_eq(directory_files(fx.directory, ".segment"), 1);
    fixture_settle(&fx);
}

/* Any subset of the sectors of the last group may have reached the disk, over the stale records of the file's earlier life:
 * what was synced before is there, the last hand-over is there whole or not at all. */
Test(damage, torn_sectors_lose_nothing_synced_and_invent_nothing)
{
    char path[256];
    char later[256];
    size_t size;

    fixture_hold_time(
        true); /* a group of silence would say what is durable, and may reach the disk in its own sector only */
    for (uint64_t i = 0; i < 120; i++) { /* several lives of every file */
        fixture_put(&fx, i * 10 + 1, 10, 300);
        fixture_move(&fx, i * 10 + 10);
    }
    fixture_put(&fx, 1201, 3, 50);
    await_recycled();
    directory_copy(fx.directory, saved);
    newest_segment(path);
    char *before = file_load(path, &size);
    fixture_put(&fx, 1204, 40, 90);
    newest_segment(later);
    char *after = file_load(path, &size);
    fixture_close(&fx);
    for (int trial = 0; trial < 1500; trial++) {
        directory_delete(fx.directory);
        directory_copy(saved, fx.directory);
        cleanup_fd int fd = open(path, O_WRONLY);
        uint64_t chance = random_next() % 101;
        for (size_t at = 0; at < size; at += 512)
            cr_assert_eq(
                pwrite(fd, (random_next() % 100 < chance ? after : before) + at, 512, (off_t)at), 512);
        open_again("trial", (uint64_t)trial);
        cr_assert(fx.report.last_sequence == 1203 || fx.report.last_sequence == 1243, "trial %d: last %lu",
            trial, (unsigned long)fx.report.last_sequence);
        cr_assert_eq(fx.report.records_damaged, 0, "trial %d", trial);
        fixture_put(&fx, 9000, 1, 90);
        fixture_read(&fx, 1200, &found);
        cr_assert_eq(found.count, fx.report.last_sequence - 1200 + 1);
        cr_assert_eq(found.damaged, 0);
        cr_assert_eq(found.id[found.count - 1], 9000, "no zombie behind the new record");
        fixture_close(&fx);
    }
    free(before);
    free(after);
}

/* ---- the golden journal: what version 1 wrote must stay readable ---- */

Test(damage, the_golden_journal_of_version_1_is_read)
{
    struct journal_cursor cursor;

    fixture_close(&fx);
    directory_delete(fx.directory);
    directory_copy(PENSTOCK_GOLDEN "/journal-v1", fx.directory);
    fx.options.gateway_id = "golden";
    open_again("golden", 1);
    cr_assert_eq(journal_cursor(fx.journal, "one", &cursor, &fx.error), 0);
    cr_assert_eq(cursor.position, 17);
    cr_assert_eq(cursor.held, 0, "a cursor of version 1 holds nothing");
    fixture_read(&fx, 17, &found);
    cr_assert_eq(found.count, 23);
    cr_assert_eq(found.damaged, 0);
    for (uint64_t i = 0; i < found.count; i++)
        cr_assert_eq(found.id[i], 18 + i);
    cr_assert_eq(found.epoch[0], 0xd6a892f7, "epoch %08x", found.epoch[0]);
}

/* Cursors of version 2, and marks. */
Test(damage, the_golden_journal_with_marks_is_read)
{
    struct journal_cursor cursor;
    static struct marks_found marks;

    fixture_close(&fx);
    directory_delete(fx.directory);
    directory_copy(PENSTOCK_GOLDEN "/journal-v1-marks", fx.directory);
    fx.options.gateway_id = "golden";
    open_again("golden with marks", 1);
    cr_assert_eq(fx.report.notes.length, 0);
    cr_assert_eq(journal_cursor(fx.journal, "one", &cursor, &fx.error), 0);
    cr_assert_eq(cursor.position, 17);
    cr_assert_eq(cursor.delivered, 9);
    cr_assert_eq(cursor.dead_lettered, 2);
    cr_assert_eq(cursor.not_for_outlet, 2);
    cr_assert_eq(cursor.damaged, 1);
    cr_assert_eq(cursor.held, 3);
    fixture_marks(&fx, "one", &marks);
    cr_assert_eq(marks.count, 2);
    cr_assert_eq(marks_position(&marks, "INGESTION"), 12);
    cr_assert_eq(marks_position(&marks, "SENSOR_ID_1"), JOURNAL_MARK_FREE);
    fixture_read(&fx, 12, &found);
    cr_assert_eq(found.count, 28);
    for (uint64_t i = 0; i < found.count; i++)
        cr_assert_eq(found.id[i], 13 + i);
}
