/* attempt_harness: see attempt_harness.h */
#include "attempt_harness.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/attempt-XXXXXX";

/* ---- calls that fail --------------------------------------------------------------------------------------------- */

struct attempt_fault fault;

static bool fails(const char *call)
{
    if (!fault.call || strcmp(fault.call, call) != 0 || fault.at-- > 0)
        return false;
    if (fault.once)
        fault.call = NULL;
    else
        fault.at = 0;
    fault.met = true;
    if (fault.meanwhile) {
        void (*meanwhile)(void) = fault.meanwhile;
        fault.meanwhile = NULL;
        meanwhile();
        return false;
    }
    errno = fault.number;
    return true;
}

void fail_at(const char *call, unsigned at, int number)
{
    fault.call = call;
    fault.at = at;
    fault.number = number;
    fault.once = true;
    fault.met = false;
    fault.meanwhile = NULL;
}

void do_at(const char *call, unsigned at, void (*meanwhile)(void))
{
    fail_at(call, at, 0);
    fault.meanwhile = meanwhile;
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
WRAPPED(renameat2, -1, (int from, const char *name, int to, const char *other, unsigned how), from, name, to,
    other, how)
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

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

void remove_all(const char *start)
{
    DIR *list = opendir(".");

    cr_assert_not_null(list);
    for (struct dirent *entry; (entry = readdir(list));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            strncmp(entry->d_name, start, strlen(start)) == 0)
            cr_assert_eq(nftw(entry->d_name, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
    closedir(list);
}

void begin(void)
{
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(chdir(folder), 0);
}

void end(void)
{
    fault.call = NULL;
    remove_all("");
    cr_assert_eq(chdir("/"), 0);
    cr_assert_eq(rmdir(folder), 0);
}

int publish(struct attempt *attempt, struct error *error)
{
    bool busy;

    return attempt_lock(attempt, &busy, error) || busy || attempt_publish(attempt, error) ? -1 : 0;
}

bool is_there(const char *path)
{
    struct stat status;

    return lstat(path, &status) == 0;
}

size_t entries(const char *path, const char *start)
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

size_t open_files(void)
{
    return entries("/proc/self/fd", "");
}

void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    cr_assert_not_null(file);
    cr_assert_geq(fputs(text, file), 0);
    cr_assert_eq(fclose(file), 0);
}

void expect(const char *path, const char *text)
{
    char found[256] = "";
    FILE *file = fopen(path, "re");

    cr_assert_not_null(file, "%s", path);
    const size_t length = fread(found, 1, sizeof found - 1, file);
    fclose(file);
    found[length] = '\0';
    cr_assert_str_eq(found, text, "%s", path);
}
