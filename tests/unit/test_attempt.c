/* attempt: a directory that appears whole or not at all, whatever fails on the way */
#include "attempt_harness.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PUBLISHED_FSYNC 12 /* of an import(): the one behind the new names, counted from 0 */
#define LARGE ((size_t)1 << 20) /* more than is written at once */

static struct error error;

TestSuite(attempt, .init = begin, .fini = end);

/* ---- all of an import -------------------------------------------------------------------------------------------- */

static const struct column_field field = {.name = "t", .type = COLUMN_STRING};
static const struct table_file_options jsonl = {.format = TABLE_JSON_LINES};

static int write_rows(struct attempt *attempt, const char *directory, const char *name, size_t length)
{
    struct attempt_file *file = NULL;
    struct column_batch *batch = NULL;
    char *text = malloc(length + 1);
    uint64_t bytes = 0;
    uint32_t crc = 0;

    memset(text, 'x', length);
    cr_assert_eq(column_batch_new(&batch, &field, 1, UINT32_MAX, &error), 0);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(column_add_bytes(&batch->columns[0], text, length, &error), 0);
        column_batch_end_row(batch);
    }
    int result = attempt_file_open(&file, attempt, directory, name, &field, 1, &jsonl, &error) ||
                 attempt_file_add(file, batch, &error) || attempt_file_finish(file, &bytes, &crc, &error);
    if (!result) {
        cr_assert_eq(bytes, 3 * (length + sizeof "{\"t\":\"\"}"));
        cr_assert(attempt_has(attempt, directory, name, bytes));
        cr_assert_not(attempt_has(attempt, directory, name, bytes + 1));
    }
    attempt_file_close(&file);
    attempt_file_close(&file);
    column_batch_free(&batch);
    free(text);
    return result ? -1 : 0;
}

static enum attempt_how how; /* with what is there */

static int import(bool keep)
{
    struct attempt *attempt = NULL;
    struct bytes log;

    bytes_init(&log, 1 << 20);
    int result = attempt_open(&attempt, "made", how, &error);
    if (!result)
        attempt_keep(attempt, keep);
    result = result || attempt_log_open(attempt, &log, &error) ||
             attempt_make_directory(attempt, "t", &error) || write_rows(attempt, "t", "part", LARGE) ||
             attempt_sync(attempt, "t", &error) || attempt_log_add(attempt, slice_of("done\n"), &error) ||
             write_rows(attempt, "", "small", 5) || attempt_sync(attempt, "", &error) ||
             attempt_write(attempt, "t", "_SUCCESS", (struct slice){NULL, 0}, &error) ||
             attempt_write(attempt, "", "manifest.json", slice_of("{}"), &error) || publish(attempt, &error);
    bytes_free(&log);
    attempt_close(&attempt);
    attempt_close(&attempt);
    return result ? -1 : 0;
}

static void expect_whole(void)
{
    cr_assert_eq(entries("made", ""), 3);
    cr_assert_eq(entries("made/t", ""), 2);
    expect("made/manifest.json", "{}");
    expect("made/t/_SUCCESS", "");
    expect("made/small", "{\"t\":\"xxxxx\"}\n{\"t\":\"xxxxx\"}\n{\"t\":\"xxxxx\"}\n");
}

Test(attempt, appears_whole)
{
    const size_t files = open_files();

    cr_assert_eq(import(false), 0, "%s", error.text);
    expect_whole();
    cr_assert_eq(entries(".", ""), 1);
    cr_assert_eq(open_files(), files);
    /* Once more: it is taken. */
    cr_assert_eq(import(false), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert_not_null(strstr(error.text, "it is not empty"), "%s", error.text);
}

static const char *const calls[] = {"fsync", "fdatasync", "mkdirat", "renameat", "pwrite", "getrandom",
    "fdopendir", "open", "openat", "flock", "fstat", "pread"};

/* Whichever call fails: it is told, nothing is seen before all of it is there, and nothing is left that the next one does not take away. */
Test(attempt, every_call_may_fail)
{
    const size_t files = open_files();

    for (size_t i = 0; i < COUNT(calls); i++) {
        for (unsigned at = 0;; at++) {
            fail_at(calls[i], at, EIO);
            const int result = import(false);
            const bool met = fault.met;
            fault.call = NULL;
            cr_assert(!met || result == -1 || !strcmp(calls[i], "flock") || !strcmp(calls[i], "openat") ||
                          !strcmp(calls[i], "fstat"),
                "%s %u: %s", calls[i], at, error.text);
            cr_assert_eq(open_files(), files, "%s %u", calls[i], at);
            if (is_there("made"))
                expect_whole();
            else
                cr_assert_eq(result, -1);
            remove_all("made");
            remove_all(".made");
            if (!met)
                break;
        }
    }
}

/* The same, of one that is to be gone on with: what it has finished is found again. */
Test(attempt, every_call_may_fail_and_it_is_found_again)
{
    for (size_t i = 0; i < COUNT(calls); i++) {
        for (unsigned at = 0;; at++) {
            struct attempt *found = NULL;
            bool busy;
            fail_at(calls[i], at, EIO);
            const int result = import(true);
            const bool met = fault.met;
            fault.call = NULL;
            cr_assert_eq(attempt_find(&found, "made", &busy, &error), 0);
            cr_assert_not(busy);
            /* It has a hidden directory, or its target's name, or was never there. */
            if (found && is_there("made"))
                cr_assert_fail("%s %u: both", calls[i], at);
            if (found) {
                attempt_keep(found, false);
                attempt_close(&found);
            }
            cr_assert(is_there("made") || result == -1);
            if (is_there("made"))
                expect_whole();
            cr_assert_eq(entries(".", ".made"), 0, "%s %u", calls[i], at);
            remove_all("made");
            if (!met)
                break;
        }
    }
}

/* ---- what is replaced ------------------------------------------------------------------------------------------- */

static void put_old(void)
{
    cr_assert_eq(mkdir("made", 0777), 0);
    cr_assert_eq(mkdir("made/deep", 0777), 0);
    for (char path[] = "made/deep/0/1/2/3", *at = path + 9; at; at = strchr(at + 1, '/')) {
        char *end = strchr(at + 1, '/');
        if (end)
            *end = '\0';
        cr_assert_eq(mkdir(path, 0777), 0, "%s", path);
        if (end)
            *end = '/';
    }
    put("made/deep/0/1/2/3/part", "old");
    put("made/old", "old");
}

Test(attempt, takes_the_place_of_what_is_there)
{
    how = ATTEMPT_REPLACE;
    put_old();
    cr_assert_eq(import(false), 0, "%s", error.text);
    expect_whole();
    cr_assert_eq(entries(".", ""), 1);
    cr_assert_eq(import(false), 0, "%s", error.text);
    expect_whole();
    remove_all("made");
    cr_assert_eq(import(false), 0, "there was nothing");
    expect_whole();
    remove_all("made");
    put("made", "a file");
    cr_assert_eq(import(false), -1);
    expect("made", "a file");
    remove_all("made");
    cr_assert_eq(symlink("elsewhere", "made"), 0);
    cr_assert_eq(import(false), -1);
    cr_assert_not_null(strstr(error.text, "symbolic link"), "%s", error.text);
}

static void hive_forgets(void)
{
    cr_assert_eq(unlink("made/_hive_loaded"), 0);
}

/* What Hive has may go; what it does not have stays, also when that is found out at the end. */
Test(attempt, takes_the_place_of_what_hive_has)
{
    how = ATTEMPT_RENEW;
    cr_assert_eq(import(false), 0, "there was nothing: %s", error.text);
    cr_assert_eq(import(false), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert_not_null(strstr(error.text, "nothing in it says that Hive has its files"), "%s", error.text);
    expect_whole();
    put("made/_hive_loaded", "");
    cr_assert_eq(import(false), 0, "%s", error.text);
    expect_whole();
    cr_assert_not(is_there("made/_hive_loaded"));
    put("made/_hive_loaded", "");
    put("made/mine", "mine");
    do_at("flock", 1, hive_forgets);
    cr_assert_eq(import(false), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    expect("made/mine", "mine");
}

/* Whichever call fails: there is the old one or the new one, whole, and what is left over is never taken for something to go on with. */
Test(attempt, every_call_may_fail_while_it_replaces)
{
    static const char *const others[] = {"renameat2", "mkdirat", "renameat", "fsync", "openat", "fstat"};

    how = ATTEMPT_REPLACE;
    for (size_t i = 0; i < COUNT(others); i++) {
        for (unsigned at = 0;; at++) {
            struct attempt *found = NULL;
            struct bytes log;
            bool busy;
            put_old();
            fail_at(others[i], at, EIO);
            const int result = import(true);
            const bool met = fault.met;
            fault.call = NULL;
            if (is_there("made/old"))
                cr_assert_eq(result, -1);
            else
                expect_whole();
            cr_assert_eq(attempt_find(&found, "made", &busy, &error), 0);
            bytes_init(&log, 1 << 20);
            if (found && is_there("made/small"))
                cr_assert(
                    attempt_log_open(found, &log, &error) == 0 && log.length == 0, "%s %u", others[i], at);
            bytes_free(&log);
            while (found) {
                attempt_keep(found, false);
                attempt_close(&found);
                cr_assert_eq(attempt_find(&found, "made", &busy, &error), 0);
            }
            cr_assert_eq(entries(".", ".made"), 0, "%s %u", others[i], at);
            remove_all("made");
            if (!met)
                break;
        }
    }
}

/* Where the names cannot be changed, or not durably, all that was read is there all the same, under one name or the other. */
Test(attempt, names_that_do_not_change_leave_what_was_read)
{
    static const struct {
        enum attempt_how how;
        const char *call;
        unsigned at; /* behind those before the names change */
        bool there;
        const char *said;
    } cases[] = {{ATTEMPT_NEW, "renameat", 1, false, "made: it cannot be given its name: Input/output error"},
        {ATTEMPT_REPLACE, "renameat2", 1, false, "made: it cannot be replaced: Input/output error"},
        {ATTEMPT_NEW, "fsync", PUBLISHED_FSYNC, true,
            "the import is there, but may not outlive a power failure"},
        {ATTEMPT_REPLACE, "fsync", PUBLISHED_FSYNC, true,
            "the import is there, but may not outlive a power failure"}};

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct attempt *found = NULL;
        struct bytes log;
        bool busy;
        how = cases[i].how;
        if (how == ATTEMPT_REPLACE)
            put_old();
        fail_at(cases[i].call, cases[i].at, EIO);
        cr_assert_eq(import(true), -1);
        cr_assert(fault.met);
        cr_assert_not_null(strstr(error.text, cases[i].said), "%s", error.text);
        bytes_init(&log, 1 << 20);
        if (cases[i].there) {
            expect_whole();
            cr_assert_eq(
                entries(".", ".made"), 1 + (how == ATTEMPT_REPLACE), "its log, and what was replaced");
        } else {
            cr_assert_eq(attempt_find(&found, "made", &busy, &error), 0);
            cr_assert_not_null(found, "%zu", i);
            cr_assert_eq(attempt_log_open(found, &log, &error), 0);
            cr_assert(slice_is(bytes_slice(&log), "done\n"), "%zu", i);
            cr_assert_eq(attempt_check(found, how, &error), 0);
            cr_assert_eq(publish(found, &error), 0, "%s", error.text);
            attempt_close(&found);
            expect_whole();
        }
        bytes_free(&log);
        remove_all("made");
        remove_all(".made");
    }
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

Test(attempt, a_file_without_its_end_is_not_left)
{
    struct attempt *attempt = NULL;
    struct attempt_file *file = NULL;
    const struct table_file_options impossible = {.format = TABLE_JSON_LINES, .codec = TABLE_CODEC_SNAPPY};
    uint64_t bytes;
    uint32_t crc;

    cr_assert_eq(attempt_open(&attempt, "made", false, &error), 0);
    cr_assert_eq(attempt_file_open(&file, attempt, "", "a", &field, 1, &jsonl, &error), 0);
    attempt_file_close(&file);
    cr_assert_not(attempt_has(attempt, "", "a", 0));
    cr_assert_eq(attempt_file_open(&file, attempt, "", "a", &field, 1, &jsonl, &error), 0);
    cr_assert_eq(attempt_file_finish(file, &bytes, &crc, &error), 0);
    cr_assert(attempt_has(attempt, "", "a", 0));
    attempt_file_drop(&file);
    cr_assert_not(attempt_has(attempt, "", "a", 0));
    cr_assert_eq(attempt_file_open(&file, attempt, "", "b", &field, 1, &impossible, &error), -1);
    cr_assert_not(attempt_has(attempt, "", "b", 0));
    cr_assert_eq(attempt_file_open(&file, attempt, "nosuch", "b", &field, 1, &jsonl, &error), -1);
    cr_assert_eq(error.kind, ERROR_FATAL);
    cr_assert_eq(attempt_sync(attempt, "nosuch", &error), -1);
    /* One that is there already is replaced, and a directory that is there is good. */
    cr_assert_eq(write_rows(attempt, "", "c", 7), 0);
    cr_assert_eq(write_rows(attempt, "", "c", 5), 0);
    cr_assert_eq(attempt_make_directory(attempt, "d", &error), 0);
    cr_assert_eq(attempt_make_directory(attempt, "d", &error), 0);
    attempt_close(&attempt);
    cr_assert_eq(entries(".", ""), 0);
}

/* What a format hands over in one piece is written in one, behind what was before it. */
Test(attempt, large_values)
{
    static const struct table_file_options plain = {
        .format = TABLE_PARQUET, .codec = TABLE_CODEC_NONE, .name = "t"};
    struct attempt *attempt = NULL;
    struct attempt_file *file = NULL;
    struct column_batch *batch = NULL;
    char *text = calloc(1, 3 * LARGE);
    uint64_t bytes;
    uint32_t crc;

    memset(text, 'x', 3 * LARGE);
    cr_assert_eq(column_batch_new(&batch, &field, 1, UINT32_MAX, &error), 0);
    cr_assert_eq(column_add_bytes(&batch->columns[0], text, 3 * LARGE, &error), 0);
    column_batch_end_row(batch);
    for (unsigned at = 0; at < 4; at++) {
        cr_assert_eq(attempt_open(&attempt, "made", false, &error), 0);
        cr_assert_eq(attempt_file_open(&file, attempt, "", "a", &field, 1, &plain, &error), 0);
        if (at < 3)
            fail_at("pwrite", at, ENOSPC);
        const bool good = attempt_file_add(file, batch, &error) == 0 &&
                          attempt_file_finish(file, &bytes, &crc, &error) == 0;
        cr_assert_eq(good, at == 3 || !fault.met);
        if (good)
            cr_assert(bytes > 3 * LARGE && attempt_has(attempt, "", "a", bytes));
        attempt_file_close(&file);
        attempt_close(&attempt);
    }
    column_batch_free(&batch);
    free(text);
}

/* ---- merging ----------------------------------------------------------------------------------------------------- */

static const struct delimited_options lines = {.field = ',', .line = '\n'};
static const struct table_file_options text = {.format = TABLE_DELIMITED, .delimited = &lines};

static void expect_read(struct attempt *attempt, bool old, const char *name, const char *contents)
{
    char found[16] = "";
    int fd = -1;

    cr_assert_eq(attempt_read(attempt, old, name, &fd, &error), 0, "%s", error.text);
    cr_assert_eq(read(fd, found, sizeof found - 1), (ssize_t)strlen(contents));
    cr_assert_str_eq(found, contents);
    close(fd);
}

/* Rows that are there are copied, and what takes their place may be read by those who could read them. */
Test(attempt, reads_what_it_replaces)
{
    struct attempt *attempt = NULL;
    struct attempt_file *file = NULL;
    struct stat status;
    uint64_t bytes;
    uint32_t crc;
    bool busy;
    int fd = -1;

    cr_assert_eq(attempt_open(&attempt, "made", ATTEMPT_REPLACE, &error), 0);
    cr_assert_eq(attempt_lock(attempt, &busy, &error), 0);
    cr_assert_eq(attempt_take_mode(attempt, &error), 0, "there is nothing to take it from");
    cr_assert_eq(mkdir("made", 0700), 0);
    put("made/old", "1\n2\n");
    cr_assert_eq(mkdir("made/directory", 0700), 0);
    cr_assert_eq(attempt_lock(attempt, &busy, &error), 0);
    expect_read(attempt, true, "old", "1\n2\n");
    cr_assert_eq(attempt_read(attempt, true, "new", &fd, &error), -1);
    cr_assert_eq(attempt_read(attempt, true, "directory", &fd, &error), -1);
    cr_assert_str_eq(error.text, "made/directory: it is no file");
    cr_assert_eq(attempt_file_open(&file, attempt, "", "new", &field, 1, &text, &error), 0);
    cr_assert_eq(attempt_file_copy(file, slice_of("2\n"), &error), 0);
    cr_assert_eq(attempt_file_finish(file, &bytes, &crc, &error), 0);
    attempt_file_close(&file);
    expect_read(attempt, false, "new", "2\n");
    cr_assert_eq(attempt_take_mode(attempt, &error), 0);
    cr_assert_eq(attempt_publish(attempt, &error), 0);
    attempt_close(&attempt);
    expect("made/new", "2\n");
    cr_assert(!is_there("made/old") && stat("made", &status) == 0 && (status.st_mode & 0777) == 0700);
}
