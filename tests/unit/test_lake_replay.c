/* lake_replay: what is in a published file already is not written again, and nothing else is left out */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lake_harness.h"

static char root[64];
static struct harness_clock now;
static struct lake_options options;
static struct lake *lake;
static struct error error;

static void open_lake(void)
{
    cr_assert_eq(lake_open(&lake, &options, &error), 0, "%s", error.text);
}

static void set_up(void)
{
    harness_make_directory(root);
    now = harness_clock_at(1000);
    options = harness_options(root, &now);
}

static void tear_down(void)
{
    lake_close(&lake);
    harness_remove(root);
}

TestSuite(lake_replay, .init = set_up, .fini = tear_down);

static void append(uint64_t sequence)
{
    bool there = true;

    cr_assert_eq(harness_append(lake, sequence, 0, &there, &error), 0, "%s", error.text);
    cr_assert_not(there);
}

static void touch(const char *path)
{
    char full[512];

    snprintf(full, sizeof full, "%s/%s", root, path);
    int fd = open(full, O_WRONLY | O_CREAT, 0600);
    cr_assert_geq(fd, 0, "%s", full);
    close(fd);
}

static void make_directory(const char *path)
{
    char full[512];

    snprintf(full, sizeof full, "%s/%s", root, path);
    cr_assert_eq(mkdir(full, 0700), 0, "%s", full);
}

/* ---- replay ----------------------------------------------------------------------------------------------- */

/* Rows first..last again, as after a restart; returns how many were there. */
static uint64_t replay(uint64_t first, uint64_t last)
{
    uint64_t found = 0;

    for (uint64_t sequence = first; sequence <= last; sequence++) {
        bool there = false;
        cr_assert_eq(harness_append(lake, sequence, last, &there, &error), 0, "%s", error.text);
        found += there;
    }
    return found;
}

/* Crash after every row and after every further publish: what is there is skipped, the rest is written. */
Test(lake_replay, replay_after_a_crash_anywhere)
{
    for (uint64_t crash = 1; crash <= 29; crash++) {
        for (uint64_t rolled = 0; rolled <= 4; rolled++) {
            options.roll_records = 3;
            open_lake();
            for (uint64_t sequence = 1; sequence <= crash; sequence++)
                append(sequence);
            for (uint64_t i = 0; i < rolled; i++)
                cr_assert_eq(lake_roll_oldest(lake, false, &error), 0);
            uint64_t cursor = lake_oldest(lake) ? lake_oldest(lake) - 1 : crash;
            lake_close(&lake);

            options.roll_records = 4; /* the edges of files need not be the same again */
            open_lake();
            replay(cursor + 1, 29);
            cr_assert_eq(lake_roll(lake, true, &error), 0);
            lake_close(&lake);
            harness_verify(root, 29);
            harness_remove(root);
        }
    }
}

Test(lake_replay, replay_from_the_start_finds_everything)
{
    options.roll_records = 1;
    open_lake();
    for (uint64_t sequence = 1; sequence <= 29; sequence++)
        append(sequence);
    lake_close(&lake);
    open_lake();
    cr_assert_eq(replay(1, 29), 29);
    cr_assert_eq(lake_published(lake), 0);
    cr_assert_eq(harness_verify(root, 29), 29);
}

/* Behind the replay nothing is looked up any more. */
Test(lake_replay, rows_behind_the_replay_are_new)
{
    bool there;

    open_lake();
    append(1);
    cr_assert_eq(lake_roll(lake, true, &error), 0);
    lake_close(&lake);
    open_lake();
    cr_assert_eq(replay(1, 2), 1);
    append(3);
    cr_assert_eq(lake_oldest(lake), 2);
    cr_assert_eq(lake_roll(lake, true, &error), 0);
    cr_assert_eq(harness_verify(root, 3), 3);
    cr_assert_eq(harness_append(lake, 4, 4, &there, &error), 0);
    cr_assert_not(there);
}

/* A file with row 3 alone lies between rows 1 and 8 of its place (rows lost, or a cursor put back by hand). */
Test(lake_replay, no_new_file_spans_a_listed_one)
{
    open_lake();
    append(3);
    cr_assert_eq(lake_roll(lake, true, &error), 0);
    lake_close(&lake);

    open_lake();
    bool there = true;
    cr_assert_eq(harness_append(lake, 1, 29, &there, &error), 0);
    cr_assert_not(there);
    cr_assert_eq(harness_append(lake, 8, 29, &there, &error), 0); /* row 3 never came by */
    cr_assert_not(there);
    cr_assert_eq(lake_roll(lake, true, &error), 0);
    cr_assert(harness_has(root, "grid/dt=1/readings+gw-1.3f9a1c22+0000000001+0000000001.jsonl"));
    cr_assert(harness_has(root, "grid/dt=1/readings+gw-1.3f9a1c22+0000000008+0000000008.jsonl"));
}

/* A restored data directory counts positions again, under another epoch; another gateway has positions of its own. Only
 * regular files count. */
Test(lake_replay, names_of_others_hide_nothing)
{
    make_directory("grid");
    make_directory("grid/dt=1");
    touch("grid/dt=1/readings+gw-1.deadbeef+0000000001+0000000029.jsonl");
    touch("grid/dt=1/readings+gw-2.3f9a1c22+0000000001+0000000029.jsonl");
    touch("grid/dt=1/notes+gw-1.3f9a1c22+0000000001+0000000029.jsonl");
    touch("grid/dt=1/readings+gw-1.3f9a1c22+0000000001.jsonl");
    make_directory("grid/dt=1/readings+gw-1.3f9a1c22+0000000002+0000000029.jsonl");
    open_lake();
    cr_assert_eq(replay(1, 12), 0);
}
