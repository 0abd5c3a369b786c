/* journal: segments that are freed come again, as many as a share of its size allows */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal_harness.h"

#define FREED 12 /* at once, as when a file of the lake is published */

static struct fixture fx;
static uint64_t last; /* id and sequence of the newest record */

static void start(void)
{
    fixture_start(&fx);
    last = 0;
}

static void end(void)
{
    fixture_end(&fx);
}

TestSuite(journal_reserve, .init = start, .fini = end, .timeout = 300);

static void fill(size_t segments)
{
    while (directory_files(fx.directory, ".segment") < segments) {
        cr_assert_eq(fixture_put(&fx, last + 1, 10, 300), 0, "%s", fx.error.text);
        last += 10;
    }
    fixture_settle(&fx);
}

/* Waits until only the current segment is left. */
static size_t reserves(void)
{
    for (int tries = 0; tries < 60000 && directory_files(fx.directory, ".segment") > 1; tries++)
        usleep(1000);
    cr_assert_eq(directory_files(fx.directory, ".segment"), 1);
    fixture_settle(&fx);
    return directory_files(fx.directory, "") - 1;
}

static void free_at_once(uint64_t max_size)
{
    fx.options.max_size = max_size;
    fixture_reopen(&fx);
    fill(FREED + 1);
    fixture_move(&fx, last);
}

Test(journal_reserve, what_is_freed_at_once_is_written_again)
{
    free_at_once(128 * SEGMENT);
    cr_assert_eq(reserves(), 8);
    disk_arm(&fx.disk, 1u << DISK_CREATE, 0, false, 0);
    fill(6);
    cr_assert_eq(fx.disk.calls, 0, "no file is made while there are some");
    fill(8);
    cr_assert_gt(fx.disk.calls, 0, "the next roll need not wait for one");
}

Test(journal_reserve, of_a_small_journal_most_is_for_records)
{
    free_at_once(96 * SEGMENT);
    cr_assert_eq(reserves(), 6);
    fixture_end(&fx);
    start();
    free_at_once(24 * SEGMENT);
    cr_assert_eq(reserves(), 4);
}

Test(journal_reserve, outlasts_a_restart_as_far_as_the_new_size_allows)
{
    free_at_once(128 * SEGMENT);
    cr_assert_eq(reserves(), 8);
    fixture_reopen(&fx);
    cr_assert_eq(reserves(), 7, "one was begun, and the old one is cut short at its end");
    fx.options.max_size = 24 * SEGMENT;
    fixture_reopen(&fx);
    cr_assert_eq(reserves(), 4);
}

/* Sets name to that of the file with this inode. */
static bool find(ino_t inode, char name[256])
{
    DIR *directory = opendir(fx.directory);
    const struct dirent *entry;

    cr_assert(directory);
    while ((entry = readdir(directory)) && entry->d_ino != inode)
        continue;
    snprintf(name, 256, "%s", entry ? entry->d_name : "");
    closedir(directory);
    return entry != NULL;
}

/* Confirmations that a hand-over takes. */
static long confirmed(void)
{
    disk_arm(&fx.disk, 1u << DISK_CONFIRM, 0, false, 0);
    cr_assert_eq(fixture_put(&fx, ++last, 1, 300), 0, "%s", fx.error.text);
    return fx.disk.calls;
}

Test(journal_reserve, what_was_begun_in_haste_is_whole_when_it_comes_again)
{
    struct stat first;
    char path[512];
    char name[256];

    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
    snprintf(path, sizeof path, "%s/%020d.segment", fx.directory, 1);
    cr_assert_eq(stat(path, &first), 0);
    cr_assert_eq(confirmed(), 1, "its blocks are allocated, and no more");
    fill(2);
    fixture_move(&fx, last);
    cr_assert_geq(reserves(), 1);
    cr_assert(find(first.st_ino, name));
    cr_assert_eq(strncmp(name, "reserve.", 8), 0, "%s", name);
    cr_assert_null(strstr(name, ".part"), "%s", name);
    while (find(first.st_ino, name) && !strstr(name, ".segment")) {
        fill(2);
        fixture_move(&fx, last);
        reserves();
    }
    cr_assert_eq(confirmed(), 0, "all its blocks were written before");
}

Test(journal_reserve, what_was_begun_in_haste_and_hardly_written_goes)
{
    struct stat first;
    char path[512];

    fx.options.segment_size = 8u << 20;
    fx.options.max_size = 16 * fx.options.segment_size;
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
    snprintf(path, sizeof path, "%s/%020d.segment", fx.directory, 1);
    const int fd = open(path, O_RDONLY);
    cr_assert_geq(fd, 0);
    fixture_reopen(&fx);
    reserves();
    cr_assert_eq(fstat(fd, &first), 0);
    cr_assert_eq(first.st_nlink, 0);
    close(fd);
}
