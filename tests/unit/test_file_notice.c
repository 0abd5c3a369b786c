/* What the kernel tells of directories, and what it does not. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "failing_malloc.h"
#include "files/notice.h"
#include "folder.h"

TestSuite(file_notice, .init = folder_begin, .fini = folder_end, .timeout = 120);

static int init_fails, watch_fails, ioctl_fails, read_fails;
static size_t removed;

int __real_inotify_init1(int flags);
int __wrap_inotify_init1(int flags);
int __real_inotify_add_watch(int fd, const char *path, uint32_t mask);
int __wrap_inotify_add_watch(int fd, const char *path, uint32_t mask);
int __real_inotify_rm_watch(int fd, int descriptor);
int __wrap_inotify_rm_watch(int fd, int descriptor);
int __real_ioctl(int fd, unsigned long request, void *argument);
int __wrap_ioctl(int fd, unsigned long request, void *argument);
ssize_t __real_read(int fd, void *data, size_t length);
ssize_t __wrap_read(int fd, void *data, size_t length);

int __wrap_inotify_init1(int flags)
{
    errno = init_fails;
    return init_fails ? -1 : __real_inotify_init1(flags);
}

int __wrap_inotify_add_watch(int fd, const char *path, uint32_t mask)
{
    errno = watch_fails;
    return watch_fails ? -1 : __real_inotify_add_watch(fd, path, mask);
}

int __wrap_inotify_rm_watch(int fd, int descriptor)
{
    removed++;
    return __real_inotify_rm_watch(fd, descriptor);
}

int __wrap_ioctl(int fd, unsigned long request, void *argument)
{
    errno = ioctl_fails;
    return ioctl_fails ? -1 : __real_ioctl(fd, request, argument);
}

ssize_t __wrap_read(int fd, void *data, size_t length)
{
    errno = read_fails;
    return read_fails ? -1 : __real_read(fd, data, length);
}

static struct file_notices *begin(void)
{
    struct file_notices *notices = NULL;
    struct error error;

    cr_assert_eq(file_notices_new(&notices, &error), 0, "%s", error.text);
    return notices;
}

/* Of a directory in the folder; "" is the folder. */
static int watch(struct file_notices *notices, size_t walk, const char *name, const char *path)
{
    struct error error = {0};
    const int directory = open(*name ? in_folder(name) : folder, O_RDONLY | O_DIRECTORY);

    cr_assert_geq(directory, 0, "%s", name);
    const int result = file_notices_watch(notices, walk, directory, slice_of(path), &error);
    close(directory);
    cr_assert_geq(result, 0, "%s", error.text);
    return result;
}

/* "file 0 a/b\n"; the same line in a row once. */
static char told[4096];
static size_t told_length, files, everything;
static enum notice_kind last_kind;

static void tell(void *context, enum notice_kind kind, size_t walk, struct slice path)
{
    static const char *const kinds[] = {"file", "closed", "moved", "name", "directory", "all"};
    static char last[512];
    char line[512];

    (void)context;
    last_kind = kind;
    files += kind == NOTICE_FILE;
    everything += kind == NOTICE_ALL;
    snprintf(line, sizeof line, "%s %zu %.*s\n", kinds[kind], walk, (int)path.length, path.data);
    if ((told_length > 0 && strcmp(line, last) == 0) || told_length + strlen(line) >= sizeof told)
        return;
    snprintf(last, sizeof last, "%s", line);
    told_length += (size_t)snprintf(told + told_length, sizeof told - told_length, "%s", line);
}

static const char *read_all(struct file_notices *notices)
{
    struct error error;

    told[0] = '\0';
    told_length = files = everything = 0;
    cr_assert_eq(file_notices_read(notices, tell, NULL, &error), 0, "%s", error.text);
    return told;
}

static void make_directory(const char *name)
{
    cr_assert_eq(mkdir(in_folder(name), 0755), 0, "%s: %m", name);
}

static void append(const char *name)
{
    const int fd = open(in_folder(name), O_WRONLY | O_APPEND);

    cr_assert_eq(write(fd, "x", 1), 1);
    close(fd);
}

/* One event. */
static void grow(const char *name)
{
    static off_t size;

    cr_assert_eq(truncate(in_folder(name), ++size), 0);
}

Test(file_notice, files_that_come_grow_move_and_go)
{
    struct file_notices *notices = begin();
    struct pollfd ready = {file_notices_descriptor(notices), POLLIN, 0};

    make_directory("a");
    cr_expect_eq(watch(notices, 0, "", ""), 1);
    cr_expect_eq(watch(notices, 0, "a", "a"), 1);
    cr_expect_eq(watch(notices, 0, "a", "a"), 0);
    cr_expect_str_eq(read_all(notices), "");
    cr_expect_eq(poll(&ready, 1, 0), 0);
    write_file("f", "");
    cr_expect_eq(poll(&ready, 1, 0), 1);
    cr_expect_str_eq(read_all(notices), "name 0 f\nclosed 0 f\n");
    cr_expect_str_eq(read_all(notices), "");
    append("f");
    cr_expect_str_eq(read_all(notices), "file 0 f\nclosed 0 f\n");
    cr_assert_eq(rename(in_folder("f"), in_folder("a/g")), 0);
    cr_expect_str_eq(read_all(notices), "name 0 f\nmoved 0 a/g\n");
    append("a/g");
    cr_expect_str_eq(read_all(notices), "file 0 a/g\nclosed 0 a/g\n");
    cr_assert_eq(truncate(in_folder("a/g"), 0), 0);
    cr_expect_str_eq(read_all(notices), "file 0 a/g\n");
    cr_assert_eq(unlink(in_folder("a/g")), 0);
    cr_expect_str_eq(read_all(notices), "name 0 a/g\n");
    write_file("a/x\ny\xff", "");
    cr_expect_str_eq(read_all(notices), "name 0 a/x\ny\xff\nclosed 0 a/x\ny\xff\n");
    file_notices_free(&notices);
    file_notices_free(&notices);
}

Test(file_notice, directories_that_come_and_go)
{
    cleanup_file_notices struct file_notices *notices = begin();

    watch(notices, 3, "", "");
    make_directory("a");
    cr_expect_str_eq(read_all(notices), "directory 3 \n");
    cr_expect_eq(watch(notices, 3, "a", "a"), 1);
    cr_assert_eq(rmdir(in_folder("a")), 0);
    cr_expect_str_eq(read_all(notices), "directory 3 a\ndirectory 3 \n");
    file_notices_sweep(notices, 3);
    watch(notices, 3, "", "");
    file_notices_sweep(notices, 3);
    cr_expect_eq(removed, 0, "it was dropped as the kernel dropped it");
    make_directory("a");
    write_file("a/f", "");
    cr_expect_str_eq(read_all(notices), "directory 3 \n", "the new one is not watched");
    cr_expect_eq(watch(notices, 3, "a", "a"), 1, "it is another one, and has to be watched again");
    append("a/f");
    cr_expect_str_eq(read_all(notices), "file 3 a/f\nclosed 3 a/f\n");
}

Test(file_notice, a_directory_that_moves_gets_its_path_from_the_next_scan)
{
    cleanup_file_notices struct file_notices *notices = begin();

    make_directory("a");
    make_directory("a/b");
    write_file("a/b/f", "");
    watch(notices, 0, "", "");
    watch(notices, 0, "a", "a");
    watch(notices, 0, "a/b", "a/b");
    cr_assert_eq(rename(in_folder("a"), in_folder("c")), 0);
    cr_expect_str_eq(read_all(notices), "directory 0 \ndirectory 0 a\n");
    cr_expect_eq(watch(notices, 0, "c", "c"), 0);
    cr_expect_eq(watch(notices, 0, "c/b", "c/b"), 0);
    append("c/b/f");
    cr_expect_str_eq(read_all(notices), "file 0 c/b/f\nclosed 0 c/b/f\n");
}

Test(file_notice, what_no_scan_finds_is_forgotten)
{
    cleanup_file_notices struct file_notices *notices = begin();

    make_directory("a");
    make_directory("b");
    write_file("a/f", "");
    write_file("b/f", "");
    watch(notices, 0, "a", "a");
    watch(notices, 0, "b", "b");
    watch(notices, 1, "a", "x");
    watch(notices, 2, "a", "y");
    file_notices_sweep(notices, 0);
    grow("a/f");
    grow("b/f");
    cr_expect_str_eq(read_all(notices), "file 0 a/f\nfile 1 x/f\nfile 2 y/f\nfile 0 b/f\n", "told to each");
    watch(notices, 0, "b", "b");
    removed = 0;
    file_notices_sweep(notices, 0);
    cr_expect_eq(removed, 0, "another walk has it");
    grow("a/f");
    grow("b/f");
    cr_expect_str_eq(read_all(notices), "file 1 x/f\nfile 2 y/f\nfile 0 b/f\n");
    file_notices_sweep(notices, 2);
    file_notices_sweep(notices, 2);
    cr_expect_eq(removed, 0);
    file_notices_sweep(notices, 1);
    file_notices_sweep(notices, 1);
    cr_expect_eq(removed, 1);
    grow("a/f");
    cr_expect_str_eq(read_all(notices), "", "nobody watches it, and that it is dropped is no news");
    cr_expect_eq(watch(notices, 1, "a", "x"), 1);
}

Test(file_notice, many_directories_and_walks)
{
    enum { DIRECTORIES = 300, WALKS = 3 };
    cleanup_file_notices struct file_notices *notices = begin();
    char name[40];

    for (int i = 0; i < DIRECTORIES; i++) {
        snprintf(name, sizeof name, "d%d", i);
        make_directory(name);
    }
    /* Backwards for some, so that the table is not in order as it is filled. */
    for (size_t walk = WALKS; walk-- > 0;)
        for (int i = 0; i < DIRECTORIES; i++) {
            snprintf(name, sizeof name, "d%d", walk % 2 ? DIRECTORIES - 1 - i : i);
            cr_assert_eq(watch(notices, walk, name, name), 1);
        }
    for (int i = 0; i < DIRECTORIES; i++) {
        char wanted[200];
        snprintf(name, sizeof name, "d%d/f", i);
        write_file(name, "");
        snprintf(wanted, sizeof wanted, "name 0 %s\nname 1 %s\nname 2 %s\n", name, name, name);
        const char *now = read_all(notices);
        cr_assert_eq(strncmp(now, wanted, strlen(wanted)), 0, "%s", now);
    }
    for (int i = 0; i < DIRECTORIES; i += 2) {
        snprintf(name, sizeof name, "d%d/f", i);
        cr_assert_eq(unlink(in_folder(name)), 0);
        *strchr(name, '/') = '\0';
        cr_assert_eq(rmdir(in_folder(name)), 0);
    }
    read_all(notices);
    cr_expect_str_eq(read_all(notices), "");
    for (int i = 0; i < DIRECTORIES; i += 2) {
        snprintf(name, sizeof name, "d%d", i);
        make_directory(name);
        cr_assert_eq(watch(notices, 1, name, name), 1);
        snprintf(name, sizeof name, "d%d", i + 1);
        cr_assert_eq(watch(notices, 1, name, name), 0);
    }
}

static long queue_length(void)
{
    long length = 0;
    FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "r");

    cr_assert(file && fscanf(file, "%ld", &length) == 1);
    fclose(file);
    return length;
}

Test(file_notice, lost_events_are_told)
{
    cleanup_file_notices struct file_notices *notices = begin();
    const long length = queue_length();

    if (length > 1000000)
        cr_skip_test("the queue takes %ld events", length);
    write_file("a", "");
    write_file("b", "");
    watch(notices, 0, "", "");
    const int a = open(in_folder("a"), O_WRONLY), b = open(in_folder("b"), O_WRONLY);
    /* In turn, so that they do not merge. */
    for (long i = 0; i < length; i += 2)
        cr_assert(write(a, "x", 1) == 1 && write(b, "x", 1) == 1);
    read_all(notices);
    cr_expect_eq(everything, 0);
    for (long i = 0; i <= length; i += 2)
        cr_assert(write(a, "x", 1) == 1 && write(b, "x", 1) == 1);
    read_all(notices);
    cr_expect_eq(everything, 1);
    cr_expect_eq(files, (size_t)length);
    cr_expect_eq(last_kind, NOTICE_ALL);
    read_all(notices);
    cr_expect_eq(files + everything, 0);
    cr_assert_eq(write(a, "x", 1), 1);
    cr_expect_str_eq(read_all(notices), "file 0 a\n", "it goes on");
    close(a);
    close(b);
}

Test(file_notice, no_instances_or_watches_or_memory)
{
    struct file_notices *notices = NULL;
    struct error error;
    static char longest[PATH_MAX + 2];

    init_fails = EMFILE;
    cr_expect_eq(file_notices_new(&notices, &error), -1);
    cr_expect_eq(error.kind, ERROR_RETRY);
    cr_expect_str_eq(
        error.text, "inotify, of which fs.inotify.max_user_instances may be had: Too many open files");
    init_fails = 0;
    allocations = 0;
    fail_at = 1;
    cr_expect_eq(file_notices_new(&notices, &error), -1);
    cr_expect_eq(error.kind, ERROR_RETRY);
    fail_at = 0;
    cr_expect_null(notices);
    notices = begin();
    const int directory = open(folder, O_RDONLY | O_DIRECTORY);
    watch_fails = ENOSPC;
    cr_expect_eq(file_notices_watch(notices, 0, directory, slice_of(""), &error), -1);
    cr_expect_eq(error.kind, ERROR_RETRY);
    cr_expect_not_null(strstr(error.text, "no watches are left of fs.inotify.max_user_watches"));
    watch_fails = EACCES;
    cr_expect_eq(file_notices_watch(notices, 0, directory, slice_of(""), &error), -1);
    cr_expect_not_null(strstr(error.text, "Permission denied"));
    watch_fails = 0;
    memset(longest, 'a', PATH_MAX + 1);
    cr_expect_eq(file_notices_watch(notices, 0, directory, slice_of(longest), &error), -1);
    cr_expect_eq(error.kind, ERROR_RETRY);
    for (fail_at = 1; fail_at < 3; fail_at++) {
        allocations = 0;
        cr_expect_eq(file_notices_watch(notices, 0, directory, slice_of("a"), &error), -1);
        cr_expect_str_eq(error.text, "inotify: out of memory");
    }
    fail_at = 0;
    cr_expect_eq(file_notices_watch(notices, 0, directory, slice_of(""), &error), 1);
    close(directory);
    write_file("f", "");
    read_fails = EIO;
    cr_expect_eq(file_notices_read(notices, tell, NULL, &error), -1);
    cr_expect_eq(error.kind, ERROR_FATAL);
    read_fails = 0;
    ioctl_fails = EBADF;
    cr_expect_eq(file_notices_read(notices, tell, NULL, &error), -1);
    ioctl_fails = 0;
    cr_expect_str_eq(read_all(notices), "name 0 f\nclosed 0 f\n");
    file_notices_free(&notices);
}
