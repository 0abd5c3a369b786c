/* dead_letter_fault: a disk that fails: whoever is told that its letters are durable has them on disk */
#include <criterion/criterion.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dead_letter_harness.h"

static char base[64], directory[128];
static struct dead_letters *letters;
static struct error error;

/* ---- system calls that fail when they are told to (--wrap, tests.cmake) -------------------------------------- */

enum call { CALL_FSYNC, CALL_OPENAT, CALL_PWRITE, CALL_FTRUNCATE, CALL_UNLINKAT, CALL_RENAMEAT };

static bool watching;
static unsigned mask; /* of calls that count */
static long calls, fails_at; /* counted from 1 */
static bool fails_twice; /* the next one, too */
static bool directory_only; /* of fsync */

static void arm(unsigned which, long at)
{
    mask = which;
    calls = 0;
    fails_at = at;
    watching = true;
}

static bool fails(enum call call)
{
    if (!watching || !(mask & 1u << call))
        return false;
    calls++;
    if (calls != fails_at && !(fails_twice && calls == fails_at + 1))
        return false;
    errno = ENOSPC;
    return true;
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    struct stat status;

    if (directory_only && (fstat(fd, &status) || !S_ISDIR(status.st_mode)))
        return __real_fsync(fd);
    return fails(CALL_FSYNC) ? -1 : __real_fsync(fd);
}

int __real_openat(int at, const char *path, int flags, ...);
int __wrap_openat(int at, const char *path, int flags, mode_t mode);
int __wrap_openat(int at, const char *path, int flags, mode_t mode)
{
    return fails(CALL_OPENAT) ? -1 : __real_openat(at, path, flags, mode);
}

/* Half of it is written before it fails. */
ssize_t __real_pwrite(int fd, const void *data, size_t length, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *data, size_t length, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *data, size_t length, off_t offset)
{
    if (!fails(CALL_PWRITE))
        return __real_pwrite(fd, data, length, offset);
    cr_assert_geq(__real_pwrite(fd, data, length / 2, offset), 0);
    errno = ENOSPC;
    return -1;
}

int __real_ftruncate(int fd, off_t length);
int __wrap_ftruncate(int fd, off_t length);
int __wrap_ftruncate(int fd, off_t length)
{
    return fails(CALL_FTRUNCATE) ? -1 : __real_ftruncate(fd, length);
}

int __real_unlinkat(int at, const char *path, int flags);
int __wrap_unlinkat(int at, const char *path, int flags);
int __wrap_unlinkat(int at, const char *path, int flags)
{
    return fails(CALL_UNLINKAT) ? -1 : __real_unlinkat(at, path, flags);
}

int __real_renameat(int from_at, const char *from, int to_at, const char *to);
int __wrap_renameat(int from_at, const char *from, int to_at, const char *to);
int __wrap_renameat(int from_at, const char *from, int to_at, const char *to)
{
    return fails(CALL_RENAMEAT) ? -1 : __real_renameat(from_at, from, to_at, to);
}

/* ---- set-up ------------------------------------------------------------------------------------------------ */

static void set_up(void)
{
    letters_start(base);
    snprintf(directory, sizeof directory, "%s/letters", base);
    cr_assert_eq(dead_letters_open(&letters, directory, 1 << 20, &error), 0, "%s", error.text);
}

static void tear_down(void)
{
    watching = false;
    dead_letters_close(&letters);
    letters_end(base);
}

TestSuite(dead_letter_fault, .init = set_up, .fini = tear_down, .timeout = 900);

static void put(unsigned number)
{
    cr_assert_eq(letters_put(letters, "readings", number, 0, &error), 0, "%s", error.text);
}

static void *put_and_sync(void *number)
{
    struct error failed;

    cr_assert_eq(letters_put(letters, "readings", *(unsigned *)number, 0, &failed), 0);
    return dead_letters_sync(letters, &failed) ? NULL : number;
}

/* ---- fsync ------------------------------------------------------------------------------------------------- */

Test(dead_letter_fault, after_a_failed_fsync_another_file_is_begun)
{
    static struct letters_found found;

    put(1);
    put(2);
    arm(1u << CALL_FSYNC, 1);
    cr_assert_eq(dead_letters_sync(letters, &error), -1);
    cr_assert_eq(error.kind, ERROR_RETRY);
    cr_assert_not_null(strstr(error.text, "fsync of readings: No space left"), "%s", error.text);
    cr_assert_eq(dead_letters_sync(letters, &error), 0, "told once: it is given up");
    put(1);
    put(2);
    cr_assert_eq(dead_letters_sync(letters, &error), 0);
    put(3);
    cr_assert_eq(dead_letters_sync(letters, &error), 0);
    cr_assert_eq(letters_files(directory, "*"), 2);
    letters_read(directory, NULL, &found);
    cr_assert_eq(found.count, 5);
    cr_assert_eq(found.number[4], 3);
}

Test(dead_letter_fault, a_directory_that_is_not_durable_counts_as_well)
{
    put(1);
    directory_only = true;
    arm(1u << CALL_FSYNC, 1);
    cr_assert_eq(dead_letters_sync(letters, &error), -1);
    cr_assert_not_null(strstr(error.text, "the directory"), "%s", error.text);
    put(1);
    cr_assert_eq(dead_letters_sync(letters, &error), 0);
    cr_assert_eq(letters_files(directory, "*"), 2);
}

/* One thread's sync meets the failure; the letters of another were in the same file: it must hear of it, too. */
Test(dead_letter_fault, everybody_whose_letters_are_lost_is_told)
{
    pthread_t other;
    unsigned number = 2;
    void *result;

    put(1);
    arm(1u << CALL_FSYNC, 1);
    cr_assert_eq(pthread_create(&other, NULL, put_and_sync, &number), 0);
    pthread_join(other, &result);
    cr_assert_null(result);
    cr_assert_eq(dead_letters_sync(letters, &error), -1);
    cr_assert_eq(pthread_create(&other, NULL, put_and_sync, &number), 0);
    pthread_join(other, &result);
    cr_assert_not_null(result, "what came later is durable");
    cr_assert_eq(dead_letters_sync(letters, &error), 0);
}

/* A file that is full is made durable while the next letter is added: its failure is told by the sync. */
Test(dead_letter_fault, a_failure_between_syncs_is_told_by_the_next)
{
    cr_assert_eq(letters_put(letters, "readings", 1, DEAD_LETTER_FILE_MAX, &error), 0);
    arm(1u << CALL_FSYNC, 1);
    put(2);
    cr_assert_eq(dead_letters_sync(letters, &error), -1);
    put(1);
    put(2);
    cr_assert_eq(dead_letters_sync(letters, &error), 0);
}

/* ---- every call -------------------------------------------------------------------------------------------- */

/* Adds until it works, as an outlet does; letters that no sync has confirmed are added again. */
static unsigned put_until_durable(unsigned first, unsigned last)
{
    unsigned failures = 0;

    for (bool durable = false; !durable; failures += !durable) {
        durable = true;
        for (unsigned number = first; durable && number <= last; number++)
            durable = letters_put(letters, number % 2 ? "readings" : "notes", number, 0, &error) == 0;
        if (!durable)
            cr_assert_eq(error.kind, ERROR_RETRY);
        durable = dead_letters_sync(letters, &error) == 0 && durable;
        cr_assert_lt(failures, 10);
    }
    return failures;
}

/* Each call in turn fails once: nothing is lost, no line is broken. */
Test(dead_letter_fault, whatever_fails_once_costs_nothing)
{
    static struct letters_found found;
    static unsigned seen[1000];
    unsigned met = 0;

    for (long at = 1;; at++) {
        arm(1u << CALL_FSYNC | 1u << CALL_OPENAT | 1u << CALL_PWRITE, at);
        unsigned failures = put_until_durable(1, 6) + put_until_durable(7, 8);
        watching = false;
        cr_assert_eq(failures, calls >= at ? 1 : 0, "call %ld: %u failures", at, failures);
        met += failures;
        memset(seen, 0, sizeof seen);
        letters_read(directory, NULL, &found);
        cr_assert_eq(found.unreadable, 0, "call %ld", at);
        for (size_t i = 0; i < found.count; i++)
            seen[found.number[i]]++;
        for (unsigned number = 1; number <= 8; number++)
            cr_assert_geq(seen[number], 1, "call %ld: letter %u is lost", at, number);
        struct dead_letters_taken taken;
        cr_assert_eq(dead_letters_drop(directory, NULL, &taken, &error), 0);
        if (calls < at)
            break;
    }
    cr_assert_gt(met, 10);
}

/* Half a line that cannot be cut away ends its file. */
Test(dead_letter_fault, half_a_line_that_stays_is_in_nobodys_way)
{
    put(1);
    arm(1u << CALL_PWRITE | 1u << CALL_FTRUNCATE, 1);
    fails_twice = true;
    cr_assert_eq(letters_put(letters, "readings", 2, 0, &error), -1);
    cr_assert_eq(calls, 2);
    watching = false;
    cr_assert_eq(letters_files(directory, "*"), 1);
    put(2);
    cr_assert_eq(dead_letters_sync(letters, &error), 0);
    cr_assert_eq(letters_files(directory, "*"), 2);
    letters_assert(directory, "readings", 1, 2);
}

Test(dead_letter_fault, the_command_says_what_failed)
{
    struct dead_letters_taken taken;

    put(1);
    cr_assert_eq(dead_letters_sync(letters, &error), 0);
    arm(1u << CALL_RENAMEAT, 1);
    cr_assert_eq(dead_letters_put_aside(directory, NULL, &taken, &error), -1);
    cr_assert_not_null(strstr(error.text, "readings+0000000001.jsonl"), "%s", error.text);
    arm(1u << CALL_UNLINKAT, 1);
    cr_assert_eq(dead_letters_drop(directory, NULL, &taken, &error), -1);
    arm(1u << CALL_FSYNC, 1);
    cr_assert_eq(dead_letters_put_aside(directory, NULL, &taken, &error), -1);
    cr_assert_not_null(strstr(error.text, "fsync"), "%s", error.text);
    watching = false;
    cr_assert_eq(letters_files(directory, "*.replay"), 1, "it is aside all the same");
}

Test(dead_letter_fault, a_file_is_given_back_until_it_is_gone)
{
    struct dead_letters_taken taken;
    cleanup_bytes struct bytes name, content;

    bytes_init(&name, 1000);
    bytes_init(&content, 100000);
    put(1);
    cr_assert_eq(dead_letters_sync(letters, &error), 0);
    cr_assert_eq(dead_letters_put_aside(directory, NULL, &taken, &error), 0);
    for (long at = 1; at <= 2; at++) {
        arm(1u << CALL_OPENAT, at);
        cr_assert_eq(dead_letters_replay_next(letters, &name, &content, &error), -1, "%ld", at);
    }
    watching = false;
    cr_assert_eq(dead_letters_replay_next(letters, &name, &content, &error), 1);
    cr_assert_eq(bytes_add(&name, "", 1, &error), 0);
    arm(1u << CALL_UNLINKAT, 1);
    cr_assert_eq(dead_letters_replayed(letters, name.data, &error), -1);
    arm(1u << CALL_FSYNC, 1);
    cr_assert_eq(dead_letters_replayed(letters, name.data, &error), -1);
    watching = false;
    cr_assert_eq(dead_letters_replayed(letters, name.data, &error), 0);
    cr_assert_eq(dead_letters_replay_next(letters, &name, &content, &error), 0);
}
