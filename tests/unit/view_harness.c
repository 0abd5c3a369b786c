/* view_harness: see view_harness.h */
#include "view_harness.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/file.h"

struct fixture fx;
static struct found found;
static char saved[64];

void view_start(void)
{
    fixture_start(&fx);
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
    temporary_directory(saved);
}

void view_end(void)
{
    fixture_end(&fx);
    directory_delete(saved);
}

/* ---- what a walk tells ---------------------------------------------------------------------------------------- */

struct told told;

struct journal_view *view;

int take(void *context, const struct journal_view_item *item, struct error *error)
{
    const uint64_t count = item->last - item->first + 1; /* of a hole that costs none: 0 */

    (void)error;
    cr_assert_eq(context, &told);
    if (item->type == JOURNAL_VIEW_RECORD) {
        cr_assert_eq(item->first, item->last);
        told.records++;
    } else if (item->type == JOURNAL_VIEW_STATE) {
        cr_assert_geq(item->kind, STATE_CURSOR);
        told.states++;
    } else if (item->type == JOURNAL_VIEW_FREED) {
        told.freed += count;
    } else if (item->type == JOURNAL_VIEW_FAULT) {
        snprintf(told.fault, sizeof told.fault, "%s", item->text);
        told.faults++;
    } else if (count) {
        cr_assert_lt(told.count, RANGES_MAX);
        told.ranges[told.count].first = item->first;
        told.ranges[told.count].last = item->last;
        told.ranges[told.count].segment = item->segment;
        journal_view_ids(view, item, told.ranges[told.count++].ids);
        told.lost += count;
    } else {
        told.holes++;
    }
    return 0;
}

/* The checksum of every file's name and bytes. */
static uint32_t directory_sum(void)
{
    uint32_t sum = 0;
    char path[256];

    for (int i = 0; i < (int)directory_files(fx.directory, ""); i++) {
        char block[8192];
        ssize_t got;
        directory_name(fx.directory, "", i, path);
        cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
        sum = crc32c(sum, path, strlen(path));
        while ((got = read(fd, block, sizeof block)) > 0)
            sum = crc32c(sum, block, (size_t)got);
    }
    return sum;
}

int look(void)
{
    memset(&told, 0, sizeof told);
    if (journal_view_open(&view, fx.directory, &fx.error))
        return -1;
    int result = journal_view_recover(view, NULL, 0, &fx.error);
    if (!result)
        result = journal_view_walk(view, 0, take, &told, &fx.error);
    return result;
}

void look_closed(void)
{
    const uint32_t sum = directory_sum();

    cr_assert_eq(look(), 0, "%s", fx.error.text);
    cr_assert_eq(directory_sum(), sum, "something was changed");
}

void away(void)
{
    journal_view_close(&view);
    cr_assert_null(view);
}

void fill(uint64_t hundreds)
{
    for (uint64_t i = 0; i < hundreds * 10; i++)
        cr_assert_eq(fixture_put(&fx, i * 10 + 1, 10, 300), 0, "%s", fx.error.text);
}

void save(void)
{
    directory_copy(fx.directory, saved);
}

void restore(void)
{
    fixture_close(&fx);
    directory_delete(fx.directory);
    directory_copy(saved, fx.directory);
}

/* Recovery and a reader behind `after` find the same as the view. */
void compare(uint64_t after, const char *what, uint64_t at)
{
    const uint64_t last = view->last, tail = view->tail_first, tail_last = view->tail_last;
    size_t ranges = 0;

    away();
    cr_assert_eq(fixture_open(&fx), 0, "%s %lu: %s", what, (unsigned long)at, fx.error.text);
    cr_assert_eq(fx.report.last_sequence, last, "%s %lu", what, (unsigned long)at);
    cr_assert_eq(fx.report.tail_first, tail, "%s %lu", what, (unsigned long)at);
    cr_assert_eq(fx.report.tail_last, tail_last, "%s %lu", what, (unsigned long)at);
    fixture_read(&fx, after, &found);
    for (uint64_t i = 0; i < found.count; i++) {
        if (found.id[i])
            continue;
        cr_assert_lt(ranges, told.count, "%s %lu: %lu is not named", what, (unsigned long)at,
            (unsigned long)found.sequence[i]);
        cr_assert_eq(found.sequence[i], told.ranges[ranges++].first, "%s %lu", what, (unsigned long)at);
    }
    cr_assert_eq(ranges, told.count, "%s %lu: named, and not lost", what, (unsigned long)at);
    cr_assert_eq(found.damaged, told.lost, "%s %lu", what, (unsigned long)at);
    if (after == 0)
        cr_assert_eq(found.count - ranges, told.records, "%s %lu", what, (unsigned long)at);
}
