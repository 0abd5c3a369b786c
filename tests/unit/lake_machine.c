/* lake_machine: see lake_machine.h */
#include "lake_machine.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lake_harness.h"

struct machine *machine;
bool machine_watches, machine_no_rename;
static enum fault fault;
static unsigned long calls, chosen;

void machine_start(void)
{
    if (!machine)
        machine = mmap(NULL, sizeof *machine, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(machine, MAP_FAILED);
    memset(machine, 0, sizeof *machine);
}

void machine_arm(enum fault with, unsigned long at)
{
    fault = with;
    chosen = at;
    calls = 0;
}

unsigned long machine_calls(void)
{
    return calls;
}

/* ---- what is owed ------------------------------------------------------------------------------------------ */

static void path_of(int at, const char *name, char ret_path[256])
{
    char link[64], base[200] = "";

    snprintf(link, sizeof link, "/proc/self/fd/%d", at);
    ssize_t length = readlink(link, base, sizeof base - 1);
    base[length > 0 ? length : 0] = '\0';
    if (name && name[0] != '/')
        snprintf(ret_path, 256, "%s/%s", base, name);
    else
        snprintf(ret_path, 256, "%s", name ? name : base);
}

static void owe(const char *path, bool contents)
{
    for (size_t i = 0; i < MACHINE_OWED; i++) {
        if (machine->owed[i].path[0] == '\0') {
            snprintf(machine->owed[i].path, sizeof machine->owed[i].path, "%s", path);
            machine->owed[i].contents = contents;
            return;
        }
    }
    abort();
}

/* What was written under the temporary name is owed under the new one. */
static void rename_owed(const char *from, const char *to)
{
    for (size_t i = 0; i < MACHINE_OWED; i++) {
        if (machine->owed[i].contents && strcmp(machine->owed[i].path, from) == 0)
            snprintf(machine->owed[i].path, sizeof machine->owed[i].path, "%s", to);
    }
    owe(to, false);
}

static void pay(int fd)
{
    char path[256];

    path_of(fd, NULL, path);
    size_t length = strlen(path);
    for (size_t i = 0; i < MACHINE_OWED; i++) {
        struct machine_debt *entry = &machine->owed[i];
        const char *slash = strrchr(entry->path, '/');
        if (slash && (entry->contents ? strcmp(entry->path, path) == 0
                                      : (size_t)(slash - entry->path) == length &&
                                            strncmp(entry->path, path, length) == 0))
            entry->path[0] = '\0';
    }
}

void machine_cut_power(void)
{
    for (size_t i = 0; i < MACHINE_OWED; i++) {
        struct machine_debt *entry = &machine->owed[i];
        if (entry->path[0] == '\0')
            continue;
        if (entry->contents)
            cr_assert(truncate(entry->path, 0) == 0 || errno == ENOENT);
        else
            harness_remove(entry->path);
        entry->path[0] = '\0';
    }
}

/* ---- system calls ----------------------------------------------------------------------------------------- */

static bool is_now(void)
{
    return machine_watches && ++calls == chosen;
}

/* Whether the call shall not happen. */
static bool fails_before(bool now)
{
    if (now && fault == FAULT_KILL_BEFORE)
        _exit(MACHINE_KILLED);
    errno = EIO;
    return now && fault == FAULT_BEFORE;
}

static int fails_after(bool now, int result)
{
    if (now && fault == FAULT_KILL_AFTER)
        _exit(MACHINE_KILLED);
    if (now && fault == FAULT_AFTER) {
        errno = EIO;
        return -1;
    }
    return result;
}

int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    bool now = is_now();

    if (fails_before(now))
        return -1;
    if (machine_watches) {
        pay(fd);
        machine->syncs++;
    }
    return fails_after(now, 0);
}

int __real_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode)
{
    bool now = is_now();

    if (fails_before(now))
        return -1;
    int result = __real_mkdir(path, mode);
    if (machine_watches && result == 0)
        owe(path, false);
    return fails_after(now, result);
}

int __real_mkdirat(int at, const char *path, mode_t mode);
int __wrap_mkdirat(int at, const char *path, mode_t mode);
int __wrap_mkdirat(int at, const char *path, mode_t mode)
{
    bool now = is_now();
    char full[256];

    if (fails_before(now))
        return -1;
    int result = __real_mkdirat(at, path, mode);
    path_of(at, path, full);
    if (machine_watches && result == 0)
        owe(full, false);
    return fails_after(now, result);
}

int __real_renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags);
int __wrap_renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags);
int __wrap_renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags)
{
    bool now = is_now();
    char old[256], new[256];

    cr_assert_eq(flags, RENAME_NOREPLACE);
    if (fails_before(now))
        return -1;
    errno = EINVAL;
    int result = machine_no_rename ? -1 : __real_renameat2(from_at, from, to_at, to, flags);
    path_of(from_at, from, old);
    path_of(to_at, to, new);
    if (machine_watches && result == 0)
        rename_owed(old, new);
    return fails_after(now, result);
}

int __real_linkat(int from_at, const char *from, int to_at, const char *to, int flags);
int __wrap_linkat(int from_at, const char *from, int to_at, const char *to, int flags);
int __wrap_linkat(int from_at, const char *from, int to_at, const char *to, int flags)
{
    bool now = is_now();
    char old[256], new[256];

    if (fails_before(now))
        return -1;
    int result = __real_linkat(from_at, from, to_at, to, flags);
    path_of(from_at, from, old);
    path_of(to_at, to, new);
    if (machine_watches && result == 0)
        rename_owed(old, new);
    return fails_after(now, result);
}

int __real_unlinkat(int at, const char *path, int flags);
int __wrap_unlinkat(int at, const char *path, int flags);
int __wrap_unlinkat(int at, const char *path, int flags)
{
    bool now = is_now();

    return fails_before(now) ? -1 : fails_after(now, __real_unlinkat(at, path, flags));
}

int __real_openat(int at, const char *path, int flags, ...);
int __wrap_openat(int at, const char *path, int flags, ...);
int __wrap_openat(int at, const char *path, int flags, ...)
{
    bool now = is_now();
    va_list arguments;

    va_start(arguments, flags);
    mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    if (fails_before(now))
        return -1;
    int fd = __real_openat(at, path, flags, mode);
    int result = fails_after(now, fd);
    if (result < 0 && fd >= 0)
        close(fd);
    return result;
}

ssize_t __real_pwrite(int fd, const void *data, size_t length, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *data, size_t length, off_t offset);
ssize_t __wrap_pwrite(int fd, const void *data, size_t length, off_t offset)
{
    bool now = is_now();
    char path[256];

    if (fails_before(now))
        return -1;
    path_of(fd, NULL, path);
    if (machine_watches)
        owe(path, true);
    return fails_after(now, 0) ? -1 : __real_pwrite(fd, data, length, offset);
}

struct dirent *__real_readdir(DIR *directory);
struct dirent *__wrap_readdir(DIR *directory);
struct dirent *__wrap_readdir(DIR *directory)
{
    bool now = is_now();

    if (fails_before(now) || fails_after(now, 0))
        return NULL;
    errno = 0;
    return __real_readdir(directory);
}
