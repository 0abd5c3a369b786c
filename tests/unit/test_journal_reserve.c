/* journal: segments that are freed come again, as many as a share of its size allows */
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
