/* attempt: files that come beside those that are there, all at once or not at all, whatever fails on the way */
#include "attempt_harness.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct error error;

TestSuite(attempt_append, .init = begin, .fini = end);

/* One import that adds what follows: a file, the mark, a manifest. */
static int add(const char *file, const char *text)
{
    struct attempt *attempt = NULL;
    struct bytes log;

    bytes_init(&log, 1 << 20);
    const int result =
        attempt_open(&attempt, "made", ATTEMPT_APPEND, &error) || attempt_log_open(attempt, &log, &error) ||
        attempt_write(attempt, "", file, slice_of(text), &error) ||
        attempt_write(attempt, "", "_SUCCESS", slice_of(""), &error) ||
        attempt_write(attempt, "", "manifest-00001.json", slice_of(text), &error) || publish(attempt, &error);
    bytes_free(&log);
    attempt_close(&attempt);
    return result ? -1 : 0;
}

static void put_old(void)
{
    cr_assert_eq(mkdir("made", 0750), 0);
    put("made/part-00000.csv", "old");
    put("made/_SUCCESS", "");
    put("made/manifest.json", "{}");
}

static void expect_both(void)
{
    struct stat status;

    cr_assert_eq(entries("made", ""), 5);
    expect("made/part-00000.csv", "old");
    expect("made/part-00001.csv", "new");
    expect("made/manifest.json", "{}");
    expect("made/manifest-00001.json", "new");
    cr_assert_eq(stat("made", &status), 0);
    cr_assert_eq(status.st_mode & 0777, 0750);
}

Test(attempt_append, comes_beside_what_is_there)
{
    const size_t files = open_files();

    put_old();
    cr_assert_eq(add("part-00001.csv", "new"), 0, "%s", error.text);
    expect_both();
    cr_assert_eq(entries(".", ""), 1);
    cr_assert_eq(open_files(), files);
    remove_all("made");
    cr_assert_eq(add("part-00000.csv", "first"), 0, "%s", error.text);
    expect("made/part-00000.csv", "first");
}

/* An earlier import without files has the same number: its manifest is the newer one's. */
Test(attempt_append, a_manifest_takes_the_place_of_another_and_no_file_does)
{
    put_old();
    put("made/manifest-00001.json", "earlier");
    cr_assert_eq(add("part-00001.csv", "new"), 0, "%s", error.text);
    expect_both();
    cr_assert_eq(add("part-00001.csv", "newer"), -1);
    cr_assert_not_null(strstr(error.text, "part-00001.csv has come meanwhile"), "%s", error.text);
    expect_both();
}

/* What was linked at the beginning may be gone at the end. */
Test(attempt_append, a_file_that_is_deleted_meanwhile)
{
    struct attempt *attempt = NULL;
    struct bytes log;

    put_old();
    put("made/.hidden", "old");
    cr_assert_eq(attempt_open(&attempt, "made", ATTEMPT_APPEND, &error), 0);
    bytes_init(&log, 100);
    cr_assert_eq(attempt_log_open(attempt, &log, &error), 0);
    cr_assert_eq(attempt_log_add(attempt, slice_of("one"), &error), 0);
    cr_assert_eq(attempt_write(attempt, "", "part-00001.csv", slice_of("new"), &error), 0);
    fail_at("fdopendir", 0, ENOMEM);
    attempt_append_drop(attempt, 1);
    cr_assert_eq(entries(attempt_where(attempt), ""), 6);
    attempt_append_drop(attempt, 1);
    cr_assert_eq(entries(attempt_where(attempt), ""), 2, "its file and its log");
    cr_assert_eq(unlink("made/part-00000.csv"), 0);
    cr_assert_eq(publish(attempt, &error), 0, "%s", error.text);
    attempt_close(&attempt);
    bytes_free(&log);
    cr_assert_not(is_there("made/part-00000.csv"));
    expect("made/part-00001.csv", "new");
    expect("made/.hidden", "old");
    cr_assert_eq(entries("made", ""), 4);
}

static unsigned first(void)
{
    struct attempt *attempt = NULL;

    cr_assert_eq(attempt_open(&attempt, "made", ATTEMPT_APPEND, &error), 0, "%s", error.text);
    const unsigned number = attempt_first(attempt);
    attempt_close(&attempt);
    return number;
}

/* It was told of other files. */
Test(attempt_append, what_hive_was_told_is_not_kept)
{
    put_old();
    put("made/_hive.sql", "LOAD");
    put("made/_hive_loaded", "");
    cr_assert_eq(add("part-00001.csv", "new"), 0, "%s", error.text);
    expect_both();
    put("made/_hive.sql", "LOAD");
    cr_assert_eq(add("part-00002.csv", "new"), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert_not_null(strstr(error.text, "it is not known that Hive has its files"), "%s", error.text);
    expect("made/_hive.sql", "LOAD");
}

Test(attempt_append, numbers_go_on)
{
    cr_assert_eq(first(), 0, "there is no directory");
    put_old();
    cr_assert_eq(first(), 1);
    put("made/part-m-00007", "");
    put("made/part-x", "");
    put("made/part-00009x", "");
    put("made/part-999999999", "");
    put("made/.part-00033.crc", "");
    cr_assert_eq(first(), 8);
    put("made/part-100000.avro", "");
    cr_assert_eq(first(), 100001);
}

Test(attempt_append, what_is_not_plain_is_refused)
{
    put_old();
    cr_assert_eq(mkdir("made/day=1", 0777), 0);
    cr_assert_eq(add("part-00001.csv", "new"), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert_not_null(strstr(error.text, "day=1 in it is a directory"), "%s", error.text);
    cr_assert_eq(entries(".", ""), 1);
    remove_all("made");
    put("made", "a file");
    cr_assert_eq(add("part-00001.csv", "new"), -1);
    expect("made", "a file");
}

/* Somebody else adds files meanwhile: those of other names are kept, and one of the same name ends it. */
Test(attempt_append, what_comes_meanwhile)
{
    struct attempt *attempt = NULL;
    const struct slice text = slice_of("new");

    for (int same = 0; same < 2; same++) {
        put_old();
        cr_assert_eq(attempt_open(&attempt, "made", ATTEMPT_APPEND, &error), 0);
        cr_assert_eq(attempt_write(attempt, "", "part-00001.csv", text, &error), 0);
        put(same ? "made/part-00001.csv" : "made/part-00002.csv", "other");
        cr_assert(attempt_can_go_on(attempt));
        cr_assert_eq(publish(attempt, &error), same ? -1 : 0, "%s", error.text);
        cr_assert_not(attempt_can_go_on(attempt), "it is there, or never will be");
        attempt_close(&attempt);
        expect(same ? "made/part-00001.csv" : "made/part-00002.csv", "other");
        expect("made/part-00000.csv", "old");
        if (same) {
            cr_assert_eq(error.kind, ERROR_REJECT);
            cr_assert_not_null(strstr(error.text, "part-00001.csv has come meanwhile"), "%s", error.text);
        } else {
            expect("made/part-00001.csv", "new");
        }
        cr_assert_eq(entries(".", ""), 1);
        remove_all("made");
    }
}

/* What was left by one that was killed cannot be added any more either, and says so before it goes on. */
Test(attempt_append, what_came_before_it_went_on)
{
    struct attempt *attempt = NULL;
    bool busy;

    put_old();
    cr_assert_eq(attempt_open(&attempt, "made", ATTEMPT_APPEND, &error), 0);
    cr_assert_eq(attempt_write(attempt, "", "part-00001.csv", slice_of("new"), &error), 0);
    for (int i = 0; i < 2; i++) {
        attempt_keep(attempt, true);
        attempt_close(&attempt);
        put(i == 0 ? "made/part-00002.csv" : "made/part-00001.csv", "other");
        cr_assert_eq(attempt_find(&attempt, "made", &busy, &error), 0);
        cr_assert_eq(attempt_check(attempt, ATTEMPT_APPEND, &error), -i);
        cr_assert_eq(attempt_can_go_on(attempt), i == 0);
    }
    cr_assert_not_null(strstr(error.text, "part-00001.csv has come meanwhile"), "%s", error.text);
    attempt_keep(attempt, false);
    attempt_close(&attempt);
    expect("made/part-00001.csv", "other");
    cr_assert_eq(entries(".", ""), 1);
    /* What it has may be there under other names. */
    cr_assert_eq(attempt_open(&attempt, "made", ATTEMPT_APPEND, &error), 0);
    cr_assert(attempt_can_go_on(attempt));
    attempt_give_up(attempt);
    cr_assert_not(attempt_can_go_on(attempt));
    attempt_close(&attempt);
}

static bool is_theirs;

static void others_make_it(void)
{
    cr_assert_eq(mkdir("theirs", 0777), 0);
    put("theirs/part-00000.csv", "old");
    is_theirs = rename("theirs", "made") == 0;
}

static void others_make_the_same(void)
{
    others_make_it();
    put("made/part-00001.csv", "other");
}

/* In the last moment, with files of its names, and without. */
Test(attempt_append, a_directory_that_comes_last_of_all)
{
    do_at("renameat", 1, others_make_it);
    cr_assert_eq(add("part-00001.csv", "new"), -1);
    cr_assert_str_eq(error.text, "target directory made: somebody else made it meanwhile");
    remove_all("made");
    do_at("renameat", 1, others_make_the_same);
    cr_assert_eq(add("part-00001.csv", "new"), -1);
    cr_assert_not_null(strstr(error.text, "part-00001.csv has come meanwhile"), "%s", error.text);
}

/* There was no directory, and somebody else makes it: whenever that is, their file is kept. */
Test(attempt_append, a_directory_that_comes_meanwhile)
{
    static const char *const steps[] = {"fsync", "renameat", "flock", "openat", "fstat"};

    for (size_t i = 0; i < COUNT(steps); i++) {
        for (unsigned at = 0;; at++) {
            is_theirs = false;
            do_at(steps[i], at, others_make_it);
            const int result = add("part-00001.csv", "new");
            const bool met = fault.met;
            fault.call = NULL;
            cr_assert_eq(is_there("made/part-00000.csv"), is_theirs, "%s %u", steps[i], at);
            cr_assert_eq(is_there("made/part-00001.csv"), result == 0, "%s %u", steps[i], at);
            remove_all("made");
            remove_all("theirs");
            if (!met)
                break;
        }
    }
}

static const char *const calls[] = {"fsync", "fdatasync", "mkdirat", "renameat", "renameat2", "pwrite",
    "getrandom", "fdopendir", "open", "openat", "flock", "fstat"};

/* Whichever call fails: there are the old files alone, or old and new ones; and the next one adds. */
Test(attempt_append, every_call_may_fail)
{
    const size_t files = open_files();

    for (size_t i = 0; i < COUNT(calls); i++) {
        for (unsigned at = 0;; at++) {
            put_old();
            fail_at(calls[i], at, EIO);
            const int result = add("part-00001.csv", "new");
            const bool met = fault.met;
            fault.call = NULL;
            cr_assert_eq(open_files(), files, "%s %u", calls[i], at);
            expect("made/part-00000.csv", "old");
            if (is_there("made/part-00001.csv"))
                expect_both();
            else
                cr_assert(result == -1 && entries("made", "") == 3, "%s %u: %d %s", calls[i], at, result,
                    error.text);
            remove_all("made");
            remove_all(".made");
            if (!met)
                break;
        }
    }
}
