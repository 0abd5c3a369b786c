/* attempt: targets, names, and what others have left */
#include "attempt_harness.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static struct error error;

TestSuite(attempt_others, .init = begin, .fini = end);

/* ---- targets ----------------------------------------------------------------------------------------------------- */

static int open_target(const char *target)
{
    struct attempt *attempt = NULL;
    const int result = attempt_open(&attempt, target, false, &error);

    attempt_close(&attempt);
    return result;
}

static void refused(const char *target, enum error_kind kind, const char *why)
{
    cr_assert_eq(open_target(target), -1, "%.64s", target);
    cr_assert_eq(error.kind, kind, "%s", error.text);
    cr_assert_not_null(strstr(error.text, why), "%s", error.text);
}

Test(attempt_others, targets)
{
    char path[ATTEMPT_PATH_MAX + 8], name[256];

    refused("", ERROR_REJECT, "it is empty");
    refused("/", ERROR_REJECT, "has to be a name");
    refused("..", ERROR_REJECT, "has to be a name");
    refused("a/.", ERROR_REJECT, "has to be a name");
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    refused(path, ERROR_REJECT, "its path is too long");
    memset(name, 'x', 255);
    name[255] = '\0';
    refused(name, ERROR_REJECT, "its name is too long");
    cr_assert_eq(mkdir("full", 0777), 0);
    put("full/x", "mine");
    refused("full", ERROR_REJECT, "it is not empty");
    refused("full/x", ERROR_REJECT, "Not a directory");
    cr_assert_eq(open_target("full/x/y"), -1);
    cr_assert_eq(symlink("full", "link"), 0);
    refused("link", ERROR_REJECT, "it is a symbolic link");
    cr_assert_eq(symlink("nowhere", "dangling"), 0);
    refused("dangling", ERROR_REJECT, "it is a symbolic link");
    expect("full/x", "mine");
    cr_assert_eq(mkdir("empty", 0777), 0);
    cr_assert_eq(open_target("empty//"), 0, "%s", error.text);
    cr_assert_eq(open_target("made/by/it"), 0, "%s", error.text);
    cr_assert_eq(open_target("/tmp/../tmp/attempt-that-is-not-there"), 0, "%s", error.text);
    cr_assert_eq(entries("made/by", ""), 0);
    cr_assert_eq(entries(".", ".empty"), 0);
    refused(
        "/proc", ERROR_REJECT, "something is mounted there; name a directory in it, such as /proc/import");
}

Test(attempt_others, a_target_in_the_root_is_beside_it)
{
    struct attempt *attempt = NULL;
    bool busy;

    cr_assert_eq(attempt_find(&attempt, "/attempt-that-is-not-there", &busy, &error), 0);
    cr_assert_null(attempt);
    cr_assert_eq(attempt_find(&attempt, "no/folder/made", &busy, &error), 0);
    cr_assert_null(attempt);
    cr_assert_eq(attempt_find(&attempt, "", &busy, &error), -1);
    put("file", "");
    cr_assert_eq(attempt_find(&attempt, "file/made", &busy, &error), -1);
    cr_assert_eq(error.kind, ERROR_FATAL);
}

/* The name is taken while rows are read: by a file, or by a directory that has something in it. */
Test(attempt_others, a_target_that_is_taken_meanwhile)
{
    for (int i = 0; i < 2; i++) {
        struct attempt *attempt = NULL;
        struct bytes log;
        bytes_init(&log, 100);
        cr_assert_eq(attempt_open(&attempt, "made", false, &error), 0);
        cr_assert_eq(attempt_log_open(attempt, &log, &error), 0);
        if (i == 1)
            cr_assert_eq(mkdir("made", 0777), 0);
        put(i == 1 ? "made/mine" : "made", "mine");
        cr_assert_eq(publish(attempt, &error), -1);
        cr_assert_eq(error.kind, ERROR_REJECT);
        cr_assert_not_null(
            strstr(error.text, "somebody else made it meanwhile; move it away"), "%s", error.text);
        /* The log is where it was, should it be gone on with under another name. */
        cr_assert_eq(entries(attempt_where(attempt), ".log"), 1);
        attempt_close(&attempt);
        bytes_free(&log);
        cr_assert_eq(entries(".", ".made"), 0);
        remove_all("made");
    }
}

static void others_exchange_it(void)
{
    cr_assert_eq(rename("made", "old"), 0);
    cr_assert_eq(mkdir("made", 0777), 0);
}

/* What is locked is what has the name then. */
Test(attempt_others, a_target_that_is_exchanged_before_it_is_locked)
{
    struct attempt *attempt = NULL;
    bool busy;

    cr_assert_eq(mkdir("made", 0777), 0);
    cr_assert_eq(attempt_open(&attempt, "made", ATTEMPT_REPLACE, &error), 0);
    do_at("flock", 0, others_exchange_it);
    cr_assert_eq(attempt_lock(attempt, &busy, &error), 0);
    cr_assert(fault.met && !busy);
    for (int i = 0; i < 2; i++) {
        const int other = open(i ? "made" : "old", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        cr_assert_eq(flock(other, LOCK_EX | LOCK_NB), -i);
        close(other);
    }
    attempt_close(&attempt);
}

/* One publishes after the other. */
Test(attempt_others, a_target_that_somebody_else_publishes_into)
{
    struct attempt *attempt = NULL;
    bool busy;

    cr_assert_eq(mkdir("made", 0777), 0);
    cr_assert_eq(attempt_open(&attempt, "made", ATTEMPT_REPLACE, &error), 0);
    const int theirs = open("made", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cr_assert_eq(flock(theirs, LOCK_EX), 0);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(attempt_lock(attempt, &busy, &error), 0);
        cr_assert(busy);
    }
    close(theirs);
    fail_at("flock", 0, ENOLCK);
    cr_assert_eq(attempt_lock(attempt, &busy, &error), -1);
    cr_assert_not(busy);
    cr_assert_eq(attempt_lock(attempt, &busy, &error), 0);
    cr_assert_not(busy);
    cr_assert(attempt_can_go_on(attempt));
    cr_assert_eq(attempt_publish(attempt, &error), 0);
    cr_assert_not(attempt_can_go_on(attempt));
    attempt_close(&attempt);
}

/* ---- those of others --------------------------------------------------------------------------------------------- */

Test(attempt_others, leftovers_are_found_one_by_one)
{
    static const char *const directories[] = {".made.import-0000000a", ".made.import-0000000a/t",
        ".made.import-0000000a/t/deep", ".made.import-0000000b", ".made.import-000000",
        ".made.import-0000000g", ".made.import-000000000", ".madeup.import-0000000a"};
    static const char *const found_files[] = {".made.import-0000000a/t/part", ".made.import-0000000c",
        ".made.import-0000000d-1f.log", ".made.import-0000000b-1.log", ".made.import-0000000b-.logs",
        ".made.import-0000000b-1f"};
    struct attempt *mine = NULL, *found = NULL;
    bool busy;

    for (size_t i = 0; i < COUNT(directories); i++)
        cr_assert_eq(mkdir(directories[i], 0777), 0);
    for (size_t i = 0; i < COUNT(found_files); i++)
        put(found_files[i], "");
    cr_assert_eq(symlink(".", ".made.import-0000000e"), 0);
    cr_assert_eq(attempt_open(&mine, "made", false, &error), 0);
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(attempt_find(&found, "made", &busy, &error), 0);
        cr_assert_not_null(found);
        cr_assert_not_null(strstr(attempt_where(found), "./.made.import-0000000"));
        attempt_keep(found, false);
        attempt_close(&found);
    }
    cr_assert_eq(attempt_find(&found, "made", &busy, &error), 0);
    cr_assert_null(found);
    cr_assert(busy, "one is at work: this one");
    cr_assert_not(is_there(".made.import-0000000a"));
    cr_assert_not(is_there(".made.import-0000000b"));
    cr_assert_not(is_there(".made.import-0000000d-1f.log"), "the log of one that was published");
    cr_assert_not(is_there(".made.import-0000000b-1.log"), "the log of one whose name is another's now");
    /* What only looks like one stays. */
    cr_assert(is_there(".made.import-000000") && is_there(".made.import-0000000g") &&
              is_there(".made.import-000000000") && is_there(".madeup.import-0000000a") &&
              is_there(".made.import-0000000c") && is_there(".made.import-0000000e") &&
              is_there(".made.import-0000000b-.logs") && is_there(".made.import-0000000b-1f"));
    attempt_close(&mine);
}

/* A name that is there belongs to somebody else, with all that is in it. */
Test(attempt_others, directories_of_others_are_not_adopted)
{
    struct attempt *attempt = NULL;

    fail_at("mkdirat", 0, EEXIST);
    cr_assert_eq(attempt_open(&attempt, "made", false, &error), 0, "another name is tried");
    attempt_close(&attempt);
    fail_at("mkdirat", 0, EEXIST);
    fault.once = false;
    cr_assert_eq(attempt_open(&attempt, "made", false, &error), -1);
    cr_assert_eq(error.kind, ERROR_FATAL);
    fail_at("flock", 0, EWOULDBLOCK);
    cr_assert_eq(attempt_open(&attempt, "made", false, &error), 0, "somebody took it for a leftover");
    attempt_close(&attempt);
}

/* Until the names of what was published are durable, its log is what can be gone on with after a power failure. */
Test(attempt_others, a_log_stays_while_the_names_cannot_be_made_durable)
{
    struct attempt *found = NULL;
    bool busy;

    put(".made.import-0000000d-1f.log", "one\n");
    for (int i = 0; i < 2; i++) {
        if (i == 0)
            fail_at("fsync", 0, EIO);
        cr_assert_eq(attempt_find(&found, "made", &busy, &error), 0);
        cr_assert_null(found);
        cr_assert_eq(is_there(".made.import-0000000d-1f.log"), i == 0);
    }
}

/* What is found and kept stays, and its log with it, wherever it was. */
Test(attempt_others, a_log_that_was_outside_comes_back)
{
    struct attempt *attempt = NULL;
    struct bytes log;
    struct stat status;
    char outside[64];
    bool busy;

    cr_assert_eq(mkdir(".made.import-0000000a", 0777), 0);
    cr_assert_eq(stat(".made.import-0000000a", &status), 0);
    snprintf(outside, sizeof outside, ".made.import-0000000a-%llx.log", (unsigned long long)status.st_ino);
    put(outside, "one\ntwo\n");
    for (int i = 0; i < 2; i++) {
        bytes_init(&log, 100);
        cr_assert_eq(attempt_find(&attempt, "made", &busy, &error), 0);
        cr_assert_eq(attempt_check(attempt, false, &error), 0);
        cr_assert_eq(attempt_log_open(attempt, &log, &error), 0);
        cr_assert(slice_is(bytes_slice(&log), i ? "one\nthree\n" : "one\ntwo\n"));
        if (i == 0) {
            cr_assert_eq(attempt_log_cut(attempt, 8, &error), 0, "nothing to forget");
            cr_assert_eq(attempt_log_cut(attempt, 4, &error), 0);
            cr_assert_eq(attempt_log_add(attempt, slice_of("three\n"), &error), 0);
        } else {
            fail_at("ftruncate", 0, EIO);
            cr_assert_eq(attempt_log_cut(attempt, 0, &error), -1);
        }
        attempt_close(&attempt);
        bytes_free(&log);
    }
    bytes_init(&log, 5);
    cr_assert_eq(attempt_find(&attempt, "made", &busy, &error), 0);
    cr_assert_eq(attempt_log_open(attempt, &log, &error), -1, "more than its ceiling");
    bytes_free(&log);
    bytes_init(&log, 100);
    fail_at("pread", 0, EIO);
    cr_assert_eq(attempt_log_open(attempt, &log, &error), -1);
    cr_assert_eq(attempt_log_open(attempt, &log, &error), 0);
    attempt_close(&attempt);
    bytes_free(&log);
}

/* After a failed write nobody knows what is on the disk. */
Test(attempt_others, a_log_that_failed_takes_nothing_more)
{
    static const char *const failing[] = {"pwrite", "fdatasync"};

    for (size_t i = 0; i < COUNT(failing); i++) {
        struct attempt *attempt = NULL;
        struct bytes log;
        bytes_init(&log, 100);
        cr_assert_eq(attempt_open(&attempt, "made", false, &error), 0);
        cr_assert_eq(attempt_log_open(attempt, &log, &error), 0);
        fail_at(failing[i], 0, ENOSPC);
        cr_assert_eq(attempt_log_add(attempt, slice_of("one\n"), &error), -1);
        cr_assert_eq(error.kind, ERROR_FATAL);
        cr_assert_eq(attempt_log_add(attempt, slice_of("two\n"), &error), -1);
        attempt_close(&attempt);
        bytes_free(&log);
    }
}

/* What cannot be deleted now is left to the next one. */
Test(attempt_others, a_directory_that_cannot_be_read)
{
    struct attempt *attempt = NULL;
    bool busy;

    cr_assert_eq(attempt_open(&attempt, "made", false, &error), 0);
    cr_assert_eq(attempt_write(attempt, "", "x", slice_of("x"), &error), 0);
    fail_at("fdopendir", 0, ENOMEM);
    attempt_close(&attempt);
    cr_assert_eq(entries(".", ".made"), 1);
    cr_assert_eq(attempt_find(&attempt, "made", &busy, &error), 0);
    cr_assert_not_null(attempt);
    attempt_keep(attempt, false);
    attempt_close(&attempt);
    cr_assert_eq(entries(".", ".made"), 0);
    cr_assert_eq(mkdir("made", 0777), 0);
    fail_at("fdopendir", 0, ENOMEM);
    refused("made", ERROR_REJECT, "Cannot allocate memory");
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

Test(attempt_others, names)
{
    static const struct {
        const char *text, *name;
    } cases[] = {{"public.Table-1", "public.Table-1"}, {"a b", "a%20b"}, {"../x", "%2E.%2Fx"},
        {"_a_b", "%5Fa_b"}, {".x", "%2Ex"}, {"", ""}, {"\xc3\xa4\x01%", "%C3%A4%01%25"}};
    char name[ATTEMPT_NAME_MAX + 1], text[400];

    for (size_t i = 0; i < COUNT(cases); i++) {
        cr_assert(attempt_name(cases[i].text, name));
        cr_assert_str_eq(name, cases[i].name);
    }
    memset(text, 'a', sizeof text);
    text[253] = '\0';
    cr_assert(attempt_name(text, name));
    cr_assert_eq(strlen(name), 253);
    text[253] = 'a';
    text[254] = text[255] = '\0';
    cr_assert_not(attempt_name(text, name));
    memset(text, ' ', 84);
    text[84] = '\0';
    cr_assert(attempt_name(text, name));
    cr_assert_eq(strlen(name), 252);
}
