/* The directories of a watch, which come, go, and may not be read. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "folder.h"
#include "walk_harness.h"

TestSuite(file_walk, .init = folder_begin, .fini = folder_end, .timeout = 60);

Test(file_walk, files_and_directories_that_a_pattern_enters)
{
    struct watch watch;

    make_directory("a");
    make_directory("a/b");
    make_directory("b");
    write_file("x.log", "x");
    write_file("x.log.1", "x");
    write_file("x.tmp", "x");
    write_file("a/y.log", "y");
    write_file("a/b/z.log", "z");
    write_file("b/z.log", "z");
    watch_begin(&watch, "*.log [a]/*.log", "", false, false);
    cr_expect_str_eq(watch_scan(&watch), "+a/y.log\n+x.log\n/\na/\nx.log.1\nx.tmp\n");
    watch_end(&watch);
    watch_begin(&watch, "**", "", false, false);
    cr_expect_str_eq(
        watch_scan(&watch), "+a/b/z.log\n+a/y.log\n+b/z.log\n+x.log\n+x.log.1\n/\na/\na/b/\nb/\nx.tmp\n");
    cr_expect_str_eq(
        watch_scan(&watch), "+a/b/z.log\n+a/y.log\n+b/z.log\n+x.log\n+x.log.1\n/\na/\na/b/\nb/\nx.tmp\n");
    expect_trouble(&watch, 0, 0, "");
    cr_expect_eq(watch_open(&watch, "a/b/z.log"), ERROR_NONE);
    cr_expect_str_eq(watch_said, "z");
    watch_end(&watch);
}

Test(file_walk, patterns_leave_files_out)
{
    struct watch watch;
    char leave[400];

    make_directory("a");
    write_file("x.log", "x");
    write_file("y.log", "x");
    write_file("a/x.log", "x");
    write_file("a/y.log", "x");
    watch_begin(&watch, "**", "y.log a/x.*", false, false);
    cr_expect_str_eq(watch_scan(&watch), "+a/y.log\n+x.log\n/\na/\na/x.log\ny.log\n");
    watch_end(&watch);
    watch_begin(&watch, "**", "**/y.log", false, false);
    cr_expect(file_walk_takes(watch.walk, slice_of("a/x.log")));
    cr_expect_not(file_walk_takes(watch.walk, slice_of("a/y.log")));
    cr_expect_not(file_walk_takes(watch.walk, slice_of("a/x.tmp")));
    char long_path[2 * PATH_MAX];
    memset(long_path, 'x', sizeof long_path);
    cr_expect_not(file_walk_takes(watch.walk, (struct slice){long_path, sizeof long_path}));
    cr_expect_str_eq(watch_scan(&watch), "+a/x.log\n+x.log\n/\na/\na/y.log\ny.log\n");
    watch_end(&watch);
    snprintf(leave, sizeof leave, "%s/a/* %s/y*", folder, folder);
    watch_begin(&watch, "**", leave, false, false);
    cr_expect_str_eq(watch_scan(&watch), "+x.log\n/\na/\na/x.log\na/y.log\ny.log\n");
    watch_end(&watch);
}

Test(file_walk, names_are_bytes_and_errors_escape_them)
{
    struct watch watch;

    write_file("a\nb\x1b[31m\xff.log", "x");
    watch_begin(&watch, "*", "", false, false);
    cr_expect_str_eq(watch_scan(&watch), "+a\nb\x1b[31m\xff.log\n/\n");
    cr_expect_eq(watch_open(&watch, "a\nb\x1b[31m\xff.log"), ERROR_NONE);
    cr_expect_eq(watch_open(&watch, "a\nb\x1b[31m\xff.lo"), ERROR_RETRY);
    cr_expect_str_eq(watch_said, "file \"a\\x0Ab\\x1B[31m\\xFF.lo\": open: No such file or directory");
    watch_end(&watch);
}

Test(file_walk, what_may_not_be_read_is_counted)
{
    struct watch watch;

    make_directory("a");
    make_directory("b");
    make_directory("c");
    write_file("a/f", "f");
    write_file("b/f", "f");
    write_file("c/f", "f");
    cr_assert_eq(chmod(in_folder("a"), 0), 0);
    cr_assert_eq(chmod(in_folder("b/f"), 0), 0);
    become_nobody();
    watch_begin(&watch, "**", "", false, false);
    cr_expect_str_eq(watch_scan(&watch), "+b/f\n+c/f\n/\nb/\nc/\n");
    expect_trouble(&watch, 1, EACCES, "a");
    cr_expect_eq(watch_open(&watch, "a/f"), ERROR_RETRY);
    cr_expect_eq(watch_open(&watch, "b/f"), ERROR_RETRY);
    cr_expect_str_eq(watch_said, "file \"b/f\": open: Permission denied");
    cr_assert_eq(seteuid(0), 0);
    cr_assert_eq(chmod(in_folder("a"), 0755), 0);
    become_nobody();
    cr_expect_str_eq(watch_scan(&watch), "+a/f\n+b/f\n+c/f\n/\na/\nb/\nc/\n");
    expect_trouble(&watch, 0, 0, "");
    cr_assert_eq(seteuid(0), 0);
    watch_end(&watch);
}

Test(file_walk, a_root_may_be_passed_without_being_listed)
{
    struct watch watch;

    make_directory("watched");
    write_file("watched/f", "f");
    cr_assert_eq(chmod(in_folder("watched"), 0711), 0);
    become_nobody();
    watch_begin(&watch, "watched/*", "", false, false);
    cr_expect_str_eq(watch_scan(&watch), "");
    expect_trouble(&watch, 1, EACCES, "watched");
    cr_expect_eq(watch_open(&watch, "f"), ERROR_NONE);
    cr_assert_eq(seteuid(0), 0);
    watch_end(&watch);
}

Test(file_walk, a_root_that_vanishes_and_returns)
{
    struct watch watch;
    struct stat stat;

    watch_begin(&watch, "watched/a/*", "", false, false);
    cr_expect_str_eq(watch_scan(&watch), "");
    expect_trouble(&watch, 1, ENOENT, "watched/a");
    cr_expect_eq(watch_open(&watch, "f"), ERROR_RETRY);
    cr_expect_str_eq(watch_said, "file \"f\": the watched directory: No such file or directory");
    cr_expect_eq(file_walk_look(watch.walk, slice_of("f"), &stat), -1);
    cr_expect_eq(errno, ENOENT);
    make_directory("watched");
    make_directory("watched/a");
    write_file("watched/a/f", "first");
    cr_expect_str_eq(watch_scan(&watch), "+f\n/\n");
    expect_trouble(&watch, 0, 0, "");
    cr_assert_eq(rename(in_folder("watched"), in_folder("old")), 0);
    cr_expect_eq(watch_open(&watch, "f"), ERROR_NONE, "as the last scan found it");
    make_directory("watched");
    write_file("watched/a", "a file");
    watch_scan(&watch);
    expect_trouble(&watch, 1, ENOTDIR, "watched/a");
    cr_assert_eq(unlink(in_folder("watched/a")), 0);
    make_directory("watched/a");
    write_file("watched/a/f", "second");
    watch_scan(&watch);
    cr_expect_eq(watch_open(&watch, "f"), ERROR_NONE);
    cr_expect_str_eq(watch_said, "second");
    watch_end(&watch);
}

Test(file_walk, the_root_of_the_machine_is_one)
{
    struct watch watch = {.take_count = 1};
    struct error error;

    cr_assert_eq(file_pattern_compile(&watch.take[0], "/*.penstock", &error), 0);
    const struct file_walk_options options = {
        .root = "/", .take = (const struct file_pattern *const *)watch.take, .take_count = 1};
    cr_assert_eq(file_walk_new(&watch.walk, &options, &error), 0);
    watch_count(&watch);
    cr_expect_eq(file_walk_trouble(watch.walk)->count, 0);
    file_walk_free(&watch.walk);
    watch_end(&watch);
}

#define DEEP_MAX 40

/* Directories one in the other, with a file in each; or takes them away again. Their paths are longer than PATH_MAX where the name is long. */
static void make_deep(size_t depth, const char *name, bool away)
{
    int directories[DEEP_MAX + 1] = {open(folder, O_RDONLY | O_DIRECTORY)};

    for (size_t i = 0; i < depth; i++) {
        cr_assert(away || mkdirat(directories[i], name, 0755) == 0);
        directories[i + 1] = openat(directories[i], name, O_RDONLY | O_DIRECTORY);
        cr_assert_geq(directories[i + 1], 0);
        close(openat(directories[i + 1], "f", O_WRONLY | O_CREAT, 0644));
    }
    for (size_t i = depth; i > 0; i--) {
        cr_assert(!away || unlinkat(directories[i], "f", 0) == 0);
        cr_assert(!away || unlinkat(directories[i - 1], name, AT_REMOVEDIR) == 0);
        close(directories[i]);
    }
    close(directories[0]);
}

Test(file_walk, deep_and_long_ones_have_ceilings)
{
    struct watch watch;
    char name[250];

    make_deep(FILE_WALK_DEPTH_MAX + 2, "d", false);
    watch_begin(&watch, "**", "", false, false);
    cr_expect_eq(watch_count(&watch), FILE_WALK_DEPTH_MAX);
    cr_expect_eq(file_walk_trouble(watch.walk)->count, 1);
    cr_expect_eq(file_walk_trouble(watch.walk)->number, ENAMETOOLONG);
    cr_expect_eq(strlen(file_walk_trouble(watch.walk)->path), strlen(folder) + 2 * (FILE_WALK_DEPTH_MAX + 1));
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    make_deep(20, name, false);
    cr_expect_eq(watch_count(&watch), FILE_WALK_DEPTH_MAX + (PATH_MAX - 2) / sizeof name);
    cr_expect_eq(
        file_walk_trouble(watch.walk)->count, 2, "the first one lies too deep, the second one is too long");
    make_deep(20, name, true);
    watch_end(&watch);
}

Test(file_walk, ten_thousand_entries)
{
    struct watch watch;
    char name[20];

    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof name, "f%d", i);
        write_file(name, "");
    }
    watch_begin(&watch, "*", "", false, false);
    const char *all = watch_scan(&watch);
    size_t taken = 0;
    for (const char *next = all; (next = strchr(next, '+')); next++)
        taken++;
    cr_expect_eq(taken, 10000);
    expect_trouble(&watch, 0, 0, "");
    watch_end(&watch);
}
