/* attempt: a directory that appears whole or not at all, whatever fails on the way */
#include "table/attempt.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define LARGE ((size_t)1 << 20) /* more than is written at once */

static char folder[] = "/tmp/attempt-XXXXXX";
static struct error error;

/* ---- calls that fail --------------------------------------------------------------------------------------------- */

static struct {
    const char *call; /* NULL: none */
    unsigned at; /* how many of them succeed first */
    int number; /* errno */
    bool once;
    bool met;
} fault;

static bool fails(const char *call)
{
    if (!fault.call || strcmp(fault.call, call) != 0 || fault.at-- > 0)
        return false;
    if (fault.once)
        fault.call = NULL;
    else
        fault.at = 0;
    fault.met = true;
    errno = fault.number;
    return true;
}

static void fail_at(const char *call, unsigned at, int number)
{
    fault.call = call;
    fault.at = at;
    fault.number = number;
    fault.once = true;
    fault.met = false;
}

#define WRAPPED(name, failed, parameters, ...)                       \
    int __real_##name parameters;                                    \
    int __wrap_##name parameters;                                    \
    int __wrap_##name parameters                                     \
    {                                                                \
        return fails(#name) ? (failed) : __real_##name(__VA_ARGS__); \
    }

WRAPPED(fsync, -1, (int fd), fd)
WRAPPED(fdatasync, -1, (int fd), fd)
WRAPPED(ftruncate, -1, (int fd, off_t length), fd, length)
WRAPPED(flock, -1, (int fd, int how), fd, how)
WRAPPED(mkdirat, -1, (int at, const char *name, mode_t mode), at, name, mode)
WRAPPED(renameat, -1, (int from, const char *name, int to, const char *other), from, name, to, other)
WRAPPED(fstat, -1, (int fd, struct stat *status), fd, status)

ssize_t __real_pwrite(int fd, const void *data, size_t length, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *data, size_t length, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *data, size_t length, off_t offset)
{
    return fails("pwrite") ? -1 : __real_pwrite(fd, data, length, offset);
}

ssize_t __real_pread(int fd, void *data, size_t length, off_t offset);
ssize_t __wrap_pread(int fd, void *data, size_t length, off_t offset);
ssize_t __wrap_pread(int fd, void *data, size_t length, off_t offset)
{
    return fails("pread") ? -1 : __real_pread(fd, data, length, offset);
}

ssize_t __real_getrandom(void *data, size_t length, unsigned flags);
ssize_t __wrap_getrandom(void *data, size_t length, unsigned flags);
ssize_t __wrap_getrandom(void *data, size_t length, unsigned flags)
{
    return fails("getrandom") ? -1 : __real_getrandom(data, length, flags);
}

DIR *__real_fdopendir(int fd);
DIR *__wrap_fdopendir(int fd);
DIR *__wrap_fdopendir(int fd)
{
    return fails("fdopendir") ? NULL : __real_fdopendir(fd);
}

int __real_openat(int at, const char *name, int flags, ...);
int __wrap_openat(int at, const char *name, int flags, ...);
int __wrap_openat(int at, const char *name, int flags, ...)
{
    va_list more;

    va_start(more, flags);
    const mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
    va_end(more);
    return fails("openat") ? -1 : __real_openat(at, name, flags, mode);
}

int __real_open(const char *name, int flags, ...);
int __wrap_open(const char *name, int flags, ...);
int __wrap_open(const char *name, int flags, ...)
{
    va_list more;

    va_start(more, flags);
    const mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
    va_end(more);
    return fails("open") ? -1 : __real_open(name, flags, mode);
}

/* ---- a folder for each test -------------------------------------------------------------------------------------- */

static void begin(void)
{
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
}

static void end(void)
{
    char command[64];

    fault.call = NULL;
    cr_assert_eq(chdir("/"), 0);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(attempt, .init = begin, .fini = end);

static bool is_there(const char *path)
{
    struct stat status;

    return lstat(path, &status) == 0;
}

/* How many names the folder has that start so. */
static size_t entries(const char *path, const char *start)
{
    DIR *list = opendir(path);
    size_t count = 0;

    cr_assert_not_null(list);
    for (struct dirent *entry; (entry = readdir(list));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
                 strncmp(entry->d_name, start, strlen(start)) == 0;
    closedir(list);
    return count;
}

static size_t open_files(void)
{
    return entries("/proc/self/fd", "");
}

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    cr_assert_not_null(file);
    cr_assert_geq(fputs(text, file), 0);
    cr_assert_eq(fclose(file), 0);
}

static void expect(const char *path, const char *text)
{
    char found[256] = "";
    FILE *file = fopen(path, "re");

    cr_assert_not_null(file, "%s", path);
    const size_t length = fread(found, 1, sizeof found - 1, file);
    fclose(file);
    found[length] = '\0';
    cr_assert_str_eq(found, text, "%s", path);
}

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

static int import(bool keep)
{
    struct attempt *attempt = NULL;
    struct bytes log;

    bytes_init(&log, 1 << 20);
    int result = attempt_open(&attempt, "made", &error);
    if (!result)
        attempt_keep(attempt, keep);
    result = result || attempt_log_open(attempt, &log, &error) ||
             attempt_make_directory(attempt, "t", &error) || write_rows(attempt, "t", "part", LARGE) ||
             attempt_sync(attempt, "t", &error) || attempt_log_add(attempt, slice_of("done\n"), &error) ||
             write_rows(attempt, "", "small", 5) || attempt_sync(attempt, "", &error) ||
             attempt_write(attempt, "t", "_SUCCESS", (struct slice){NULL, 0}, &error) ||
             attempt_write(attempt, "", "manifest.json", slice_of("{}"), &error) ||
             attempt_publish(attempt, &error);
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
            cr_assert_eq(system("rm -rf made .made*"), 0);
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
            cr_assert_eq(system("rm -rf made"), 0);
            if (!met)
                break;
        }
    }
}

/* ---- targets ----------------------------------------------------------------------------------------------------- */

static int open_target(const char *target)
{
    struct attempt *attempt = NULL;
    const int result = attempt_open(&attempt, target, &error);

    attempt_close(&attempt);
    return result;
}

static void refused(const char *target, enum error_kind kind, const char *why)
{
    cr_assert_eq(open_target(target), -1, "%.64s", target);
    cr_assert_eq(error.kind, kind, "%s", error.text);
    cr_assert_not_null(strstr(error.text, why), "%s", error.text);
}

Test(attempt, targets)
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

Test(attempt, a_target_in_the_root_is_beside_it)
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
Test(attempt, a_target_that_is_taken_meanwhile)
{
    for (int i = 0; i < 2; i++) {
        struct attempt *attempt = NULL;
        struct bytes log;
        bytes_init(&log, 100);
        cr_assert_eq(attempt_open(&attempt, "made", &error), 0);
        cr_assert_eq(attempt_log_open(attempt, &log, &error), 0);
        if (i == 0)
            put("made", "mine");
        else
            cr_assert_eq(system("mkdir made && touch made/mine"), 0);
        cr_assert_eq(attempt_publish(attempt, &error), -1);
        cr_assert_eq(error.kind, ERROR_REJECT);
        cr_assert_not_null(strstr(error.text, "somebody else made it meanwhile"), "%s", error.text);
        /* The log is where it was, should it be gone on with under another name. */
        cr_assert_eq(entries(attempt_where(attempt), ".log"), 1);
        attempt_close(&attempt);
        bytes_free(&log);
        cr_assert_eq(entries(".", ".made"), 0);
        cr_assert_eq(system("rm -r made"), 0);
    }
}

/* ---- those of others --------------------------------------------------------------------------------------------- */

Test(attempt, leftovers_are_found_one_by_one)
{
    struct attempt *mine = NULL, *found = NULL;
    bool busy;

    cr_assert_eq(system("mkdir -p .made.import-0000000a/t/deep .made.import-0000000b .made.import-000000 "
                        ".made.import-0000000g .made.import-000000000 .madeup.import-0000000a && "
                        "touch .made.import-0000000a/t/part .made.import-0000000c .made.import-0000000d.log "
                        ".made.import-0000000b.log && ln -s . .made.import-0000000e"),
        0);
    cr_assert_eq(attempt_open(&mine, "made", &error), 0);
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
    cr_assert_not(is_there(".made.import-0000000d.log"), "the log of one that was published");
    /* What only looks like one stays. */
    cr_assert(is_there(".made.import-000000") && is_there(".made.import-0000000g") &&
              is_there(".made.import-000000000") && is_there(".madeup.import-0000000a") &&
              is_there(".made.import-0000000c") && is_there(".made.import-0000000e"));
    attempt_close(&mine);
}

/* A name that is there belongs to somebody else, with all that is in it. */
Test(attempt, directories_of_others_are_not_adopted)
{
    struct attempt *attempt = NULL;

    fail_at("mkdirat", 0, EEXIST);
    cr_assert_eq(attempt_open(&attempt, "made", &error), 0, "another name is tried");
    attempt_close(&attempt);
    fail_at("mkdirat", 0, EEXIST);
    fault.once = false;
    cr_assert_eq(attempt_open(&attempt, "made", &error), -1);
    cr_assert_eq(error.kind, ERROR_FATAL);
    fail_at("flock", 0, EWOULDBLOCK);
    cr_assert_eq(attempt_open(&attempt, "made", &error), 0, "somebody took it for a leftover");
    attempt_close(&attempt);
}

/* What is found and kept stays, and its log with it, wherever it was. */
Test(attempt, a_log_that_was_outside_comes_back)
{
    struct attempt *attempt = NULL;
    struct bytes log;
    bool busy;

    cr_assert_eq(
        system("mkdir .made.import-0000000a && printf 'one\\ntwo\\n' > .made.import-0000000a.log"), 0);
    for (int i = 0; i < 2; i++) {
        bytes_init(&log, 100);
        cr_assert_eq(attempt_find(&attempt, "made", &busy, &error), 0);
        cr_assert_eq(attempt_check(attempt, &error), 0);
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
Test(attempt, a_log_that_failed_takes_nothing_more)
{
    static const char *const failing[] = {"pwrite", "fdatasync"};

    for (size_t i = 0; i < COUNT(failing); i++) {
        struct attempt *attempt = NULL;
        struct bytes log;
        bytes_init(&log, 100);
        cr_assert_eq(attempt_open(&attempt, "made", &error), 0);
        cr_assert_eq(attempt_log_open(attempt, &log, &error), 0);
        fail_at(failing[i], 0, ENOSPC);
        cr_assert_eq(attempt_log_add(attempt, slice_of("one\n"), &error), -1);
        cr_assert_eq(error.kind, ERROR_FATAL);
        cr_assert_eq(attempt_log_add(attempt, slice_of("two\n"), &error), -1);
        attempt_close(&attempt);
        bytes_free(&log);
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

    cr_assert_eq(attempt_open(&attempt, "made", &error), 0);
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
        cr_assert_eq(attempt_open(&attempt, "made", &error), 0);
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

/* What cannot be deleted now is left to the next one. */
Test(attempt, a_directory_that_cannot_be_read)
{
    struct attempt *attempt = NULL;
    bool busy;

    cr_assert_eq(attempt_open(&attempt, "made", &error), 0);
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

Test(attempt, names)
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
