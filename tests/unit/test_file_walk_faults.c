/* A walk where the kernel or memory fails, or filesystems that do not tell types. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "folder.h"
#include "walk_harness.h"

TestSuite(file_walk_faults, .init = folder_begin, .fini = folder_end, .timeout = 60);

/* The errno of each call from the nth on; 0: none fails. */
static int openat2_fails, fdopendir_fails, readdir_fails, calloc_fails;
static size_t openat2_passes;
static bool types_unknown;
static uid_t owner, we; /* of files; of the process. 0: as it is */

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
int __real_fstat(int fd, struct stat *status);
int __wrap_fstat(int fd, struct stat *status);
uid_t __real_geteuid(void);
uid_t __wrap_geteuid(void);
DIR *__real_fdopendir(int fd);
DIR *__wrap_fdopendir(int fd);
struct dirent *__real_readdir(DIR *directory);
struct dirent *__wrap_readdir(DIR *directory);
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

void *__wrap_calloc(size_t count, size_t size)
{
    return calloc_fails ? NULL : __real_calloc(count, size);
}

int __wrap_fstat(int fd, struct stat *status)
{
    const int result = __real_fstat(fd, status);

    if (owner && S_ISREG(status->st_mode))
        status->st_uid = owner;
    return result;
}

uid_t __wrap_geteuid(void)
{
    return we ? we : __real_geteuid();
}

DIR *__wrap_fdopendir(int fd)
{
    errno = fdopendir_fails;
    return fdopendir_fails ? NULL : __real_fdopendir(fd);
}

struct dirent *__wrap_readdir(DIR *directory)
{
    struct dirent *entry = NULL;

    errno = readdir_fails;
    if (!readdir_fails && (entry = __real_readdir(directory)) && types_unknown)
        entry->d_type = DT_UNKNOWN;
    return entry;
}

/* Of openat2() only. */
long __wrap_syscall(long number, ...)
{
    va_list arguments;

    va_start(arguments, number);
    const int directory = va_arg(arguments, int);
    const char *path = va_arg(arguments, const char *);
    void *how = va_arg(arguments, void *);
    const size_t size = va_arg(arguments, size_t);
    va_end(arguments);
    cr_assert_eq(number, SYS_openat2);
    if (openat2_fails && (openat2_passes == 0 || openat2_passes-- == 0)) {
        errno = openat2_fails;
        return -1;
    }
    return __real_syscall(number, directory, path, how, size);
}

static void see_nothing(void *context, const struct walk_entry *entry)
{
    (void)context;
    (void)entry;
}

static void see_no_directory(void *context, int directory, struct slice path)
{
    (void)context;
    (void)directory;
    (void)path;
}

static enum error_kind new_fails(const char *text)
{
    const struct file_walk_options options = {.root = "."};
    struct file_walk *walk = NULL;
    struct error error = {0};

    cr_assert_eq(file_walk_new(&walk, &options, &error), -1);
    cr_expect_null(walk);
    cr_expect_str_eq(error.text, text);
    return error.kind;
}

Test(file_walk_faults, kernels_without_openat2)
{
    static const int numbers[] = {ENOSYS, EPERM};

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char wanted[200];
        openat2_fails = numbers[i];
        snprintf(wanted, sizeof wanted, "files are watched by openat2(), which Linux has from 5.6 on: %s",
            strerror(numbers[i]));
        cr_expect_eq(new_fails(wanted), ERROR_FATAL);
    }
}

Test(file_walk_faults, no_memory)
{
    struct file_pattern *pattern = NULL;
    struct error error;

    calloc_fails = true;
    cr_expect_eq(new_fails("watch of files: out of memory"), ERROR_RETRY);
    cr_expect_eq(file_pattern_compile(&pattern, "/a", &error), -1);
    calloc_fails = false;
    cr_expect_eq(error.kind, ERROR_RETRY);
    cr_expect_null(pattern);
}

Test(file_walk_faults, types_that_readdir_does_not_tell)
{
    struct watch watch;

    make_directory("a");
    write_file("a/f", "f");
    write_file("g.log", "g");
    make_link("g.log", "link");
    cr_assert_eq(mkfifo(in_folder("fifo.log"), 0644), 0);
    types_unknown = true;
    watch_begin(&watch, "*.log */*.log", "", false, false);
    cr_expect_str_eq(watch_scan(&watch), "+fifo.log\n+g.log\n/\na/\na/f\n");
    watch_end(&watch);
    watch_begin(&watch, "*.log */*.log", "", true, false);
    cr_expect_str_eq(watch_scan(&watch), "+fifo.log\n+g.log\n/\na/\na/f\nlink\n");
    watch_end(&watch);
}

Test(file_walk_faults, what_is_gone_when_it_is_looked_at)
{
    struct watch watch;

    write_file("g.log", "g");
    types_unknown = true;
    watch_begin(&watch, "*.log", "", false, false);
    openat2_fails = ENOENT;
    cr_expect_str_eq(watch_scan(&watch), "/\n");
    openat2_fails = EACCES;
    cr_expect_str_eq(watch_scan(&watch), "/\n");
    openat2_fails = 0;
    watch_end(&watch);
}

/* Listed, but gone or replaced before it is opened; and when it may not be opened. */
Test(file_walk_faults, directories_that_vanish_while_they_are_looked_at)
{
    struct watch watch;

    make_directory("a");
    watch_begin(&watch, "*/*.log", "", false, false);
    openat2_fails = ENOENT;
    cr_expect_str_eq(watch_scan(&watch), "/\n");
    openat2_fails = ENOTDIR;
    cr_expect_str_eq(watch_scan(&watch), "/\n");
    cr_expect_eq(file_walk_trouble(watch.walk)->count, 0);
    openat2_fails = EIO;
    cr_expect_str_eq(watch_scan(&watch), "/\n");
    cr_expect_eq(file_walk_trouble(watch.walk)->count, 1);
    cr_expect_eq(file_walk_trouble(watch.walk)->number, EIO);
    cr_expect_str_eq(file_walk_trouble(watch.walk)->path, in_folder("a"));
    openat2_fails = 0;
    watch_end(&watch);
}

Test(file_walk_faults, what_cannot_be_listed_is_counted)
{
    struct watch watch;

    watch_begin(&watch, "*.log", "", false, false);
    readdir_fails = EIO;
    cr_expect_str_eq(watch_scan(&watch), "/\n");
    readdir_fails = 0;
    cr_expect_eq(file_walk_trouble(watch.walk)->number, EIO);
    cr_expect_str_eq(file_walk_trouble(watch.walk)->path, folder);
    fdopendir_fails = EIO;
    cr_expect_str_eq(watch_scan(&watch), "");
    cr_expect_eq(file_walk_trouble(watch.walk)->count, 1);
    fdopendir_fails = 0;
    watch_end(&watch);
}

static void scan_fails(struct watch *watch)
{
    struct error error = {0};

    cr_expect_eq(file_walk_scan(watch->walk, see_nothing, see_no_directory, NULL, &error), -1);
    cr_expect_eq(error.kind, ERROR_RETRY);
    cr_expect_not_null(strstr(error.text, "directories of files: open: "), "%s", error.text);
    cr_expect_eq(file_walk_trouble(watch->walk)->count, 0, "it is not the directory's");
}

Test(file_walk_faults, a_scan_without_descriptors_or_memory_fails)
{
    struct watch watch;
    struct rlimit limit;

    make_directory("a");
    make_directory("a/b");
    write_file("a/f", "f");
    watch_begin(&watch, "**", "", false, false);
    fdopendir_fails = ENOMEM;
    scan_fails(&watch);
    fdopendir_fails = 0;
    openat2_fails = ENFILE;
    openat2_passes = 1;
    scan_fails(&watch);
    openat2_fails = 0;
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    /* So many that the walk's root, and it alone, gets one. */
    const int least = dup(0);
    close(least);
    const rlim_t before = limit.rlim_cur;
    for (rlim_t more = 0; more < 3; more++) {
        limit.rlim_cur = (rlim_t)least + more;
        cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
        scan_fails(&watch);
    }
    cr_expect_eq(watch_open(&watch, "a/f"), ERROR_NONE, "a scan that fails leaves none open but the root");
    limit.rlim_cur = (rlim_t)least;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    cr_expect_eq(watch_open(&watch, "a/f"), ERROR_RETRY);
    limit.rlim_cur = before;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    cr_expect_str_eq(watch_scan(&watch), "+a/f\n/\na/\na/b/\n");
    watch_end(&watch);
}

/* As test_file_walk_hostile.c shows where it is root. */
Test(file_walk_faults, refusals_without_root)
{
    struct watch watch;

    write_file("f", "f");
    watch_begin(&watch, "*", "", false, true);
    openat2_fails = EXDEV;
    cr_expect_eq(watch_open(&watch, "f"), ERROR_REJECT);
    openat2_fails = ENODEV;
    cr_expect_eq(watch_open(&watch, "f"), ERROR_REJECT);
    openat2_fails = EAGAIN;
    cr_expect_eq(watch_open(&watch, "f"), ERROR_RETRY, "somebody moves it while it is looked for");
    openat2_fails = 0;
    cr_assert_eq(link(in_folder("f"), in_folder("g")), 0);
    we = 4321;
    cr_expect_eq(watch_open(&watch, "f"), ERROR_NONE, "it is the directory's owner's");
    owner = 1234;
    cr_expect_eq(watch_open(&watch, "f"), ERROR_REJECT);
    owner = 4321;
    cr_expect_eq(watch_open(&watch, "f"), ERROR_NONE, "it is ours");
    watch_end(&watch);
}
