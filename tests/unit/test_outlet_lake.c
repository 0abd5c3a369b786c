/* outlet_lake: the lake outlet on a real journal: exactly once, a ledger that adds up, and nothing that stops it */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "outlet_lake_harness.h"
#include "outlet/worker.h"

TestSuite(outlet_lake, .init = set_up, .fini = tear_down, .timeout = 900);

/* ---- delivering ------------------------------------------------------------------------------------------- */

Test(outlet_lake, delivers_in_order_once_each)
{
    put_some(50);
    open_pump();
    pump_all();
    cr_assert_eq(cursor().position, 0); /* all files are open still */
    drain();
    cr_assert_eq(cursor().position, 50);
    cr_assert_eq(cursor().delivered, 50);
    read_lake();
    assert_rows(1, 50);
    cr_assert_eq(files_seen, 4);
    cr_assert(harness_has(root, "notes/north"));
    cr_assert(harness_has(root, "readings/b"));
}

Test(outlet_lake, rows_of_bytes_say_key_and_time)
{
    char path[512], line[256];

    add_rendering(5, "blobs", RECORD_FORMAT_BYTES, "blobs");
    put(5, "k", 0, 0); /* received at 5 s, its own time 0 */
    put(5, "", 0, RECORD_EVENT_TIME);
    put(5, "k", 0, RECORD_TIME_OUTSIDE);
    open_pump();
    pump_all();
    drain();
    snprintf(path, sizeof path, "%s/blobs/blobs+test-1.%08x+0000000001+0000000003.jsonl", root,
        journal_epoch(fixture.journal));
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file, "%s", path);
    cr_assert_not_null(fgets(line, sizeof line, file));
    cr_assert_str_eq(
        line, "{\"key\":\"k\",\"time\":\"1970-01-01T00:00:05.000000Z\",\"payload\":\"eyJuIjoxfQ==\"}\n");
    cr_assert_not_null(fgets(line, sizeof line, file));
    cr_assert_str_eq(
        line, "{\"key\":null,\"time\":\"1970-01-01T00:00:00.000000Z\",\"payload\":\"eyJuIjoyfQ==\"}\n");
    cr_assert_not_null(fgets(line, sizeof line, file));
    cr_assert_str_eq(
        line, "{\"key\":\"k\",\"time\":\"1970-01-01T00:00:05.000000Z\",\"payload\":\"eyJuIjozfQ==\"}\n");
    cr_assert_null(fgets(line, sizeof line, file));
    fclose(file);
}

Test(outlet_lake, the_cursor_stays_below_the_oldest_open_file)
{
    struct lake_pump_status status;
    uint64_t after;
    int64_t until;

    options.lake.roll_every = 100;
    put(1, "old", 0, 0);
    open_pump();
    pump_all();
    now.now += 50;
    put(1, "new", 0, 0);
    put(1, "new", 0, 0);
    pump_all();
    lake_pump_wait(pump, &after, &until);
    cr_assert_eq(after, 3);
    cr_assert_eq(until, 10 * CLOCK_SECOND + 100);
    lake_pump_status(pump, &status);
    cr_assert_eq(status.lag_since, 5 * CLOCK_SECOND);
    cr_assert_eq(status.open_files, 2);
    now.now += 50;
    cr_assert_eq(lake_pump_step(pump, &error), 0);
    cr_assert_eq(cursor().position, 1);
    now.now += 50;
    cr_assert_eq(lake_pump_step(pump, &error), 0);
    cr_assert_eq(cursor().position, 3);
    lake_pump_status(pump, &status);
    cr_assert_eq(status.lag_since, 0);
    cr_assert_eq(status.files, 2);
}

/* Start after start, each with another epoch and files of every age that were never published. */
Test(outlet_lake, exactly_once_over_restarts)
{
    options.lake.roll_records = 3;
    open_pump();
    for (uint64_t start = 0; start < 40; start++) {
        pump_all();
        put_some(1 + start % 4);
        if (start % 3)
            pump_all();
        restart();
    }
    drain();
    cr_assert_eq(cursor().position, put_rows);
    cr_assert_eq(cursor().delivered, put_rows);
    read_lake();
    assert_rows(1, put_rows);
}

Test(outlet_lake, damage_in_the_journal_is_counted)
{
    char path[256];

    for (int i = 0; i < 20; i++)
        put(1, "a", 1000, 0);
    fixture_close(&fixture);
    directory_name(fixture.directory, ".segment", 0, path);
    file_flip(path, 4096 + 10 * 1100, 0x40);
    open_journal();
    put(1, "a", 0, 0);
    open_pump();
    drain();
    cr_assert_eq(cursor().position, 21);
    cr_assert_eq(cursor().damaged, 1);
    cr_assert_eq(cursor().delivered, 20);
}

/* ---- failures --------------------------------------------------------------------------------------------- */

static void block_root(void)
{
    int fd = open(root, O_WRONLY | O_CREAT, 0600);

    cr_assert_geq(fd, 0);
    close(fd);
}

Test(outlet_lake, backs_off_while_the_store_is_away)
{
    static const int64_t pauses[] = {100, 200, 400, 800, 1600, 3200, 5000, 5000}; /* ms */
    struct lake_pump_status status;
    uint64_t after;
    int64_t until;

    block_root();
    put_some(10);
    open_pump();
    for (size_t i = 0; i < sizeof pauses / sizeof *pauses; i++) {
        cr_assert_eq(lake_pump_step(pump, &error), -1);
        lake_pump_wait(pump, &after, &until);
        cr_assert_eq(after, UINT64_MAX);
        cr_assert_eq(until - now.now, pauses[i] * 1000);
        now.now = until - 1;
        cr_assert_eq(lake_pump_step(pump, &error), 0); /* not yet */
        now.now = until;
    }
    lake_pump_status(pump, &status);
    cr_assert_eq(status.failures, 8);
    cr_assert_eq(status.lag_since, 10 * CLOCK_SECOND);

    harness_remove(root);
    cr_assert_eq(lake_pump_step(pump, &error), 0);
    lake_pump_status(pump, &status);
    cr_assert_eq(status.failures, 0);
    cr_assert_eq(cursor().position, 10); /* the store has shown that it works */
    read_lake();
    assert_rows(1, 10);
}

/* A directory cannot be made: the files of other paths are published before and after, rows come once. */
Test(outlet_lake, recovers_from_a_publish_that_fails)
{
    char path[128];

    options.lake.roll_records = 4;
    put_some(60);
    open_pump();
    mkdir(root, 0700);
    snprintf(path, sizeof path, "%s/notes", root);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    close(fd);
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(lake_pump_step(pump, &error), -1);
        cr_assert(strstr(error.text, "notes"), "%s", error.text);
        now.now += OUTLET_BACKOFF_MOST;
        cursor();
    }
    unlink(path);
    pump_all();
    put_some(10);
    pump_all();
    drain();
    cr_assert_eq(cursor().position, 70);
    read_lake();
    assert_rows(1, 70);
}

Test(outlet_lake, a_full_journal_makes_it_publish)
{
    options.lake.roll_records = 0; /* no roll at all is asked for */
    fixture_close(&fixture);
    fixture.options.max_size = 8 * SEGMENT;
    open_journal();
    open_pump();
    for (int i = 0; i < 2000; i++) {
        put(1, i == 0 ? "rare" : "often", 1000, 0);
        cr_assert_geq(lake_pump_step(pump, &error), 0);
    }
    cr_assert_gt(cursor().position, 1000);
    drain();
    read_lake();
    assert_rows(1, 2000);
    cr_assert_lt(files_seen, 200);
}

Test(outlet_lake, a_drain_ends_at_its_deadline)
{
    put_some(20);
    open_pump();
    cr_assert_eq(lake_pump_drain(pump, now.now, &error), 0);
    cr_assert_eq(cursor().position, 0);
    block_root();
    cr_assert_eq(lake_pump_drain(pump, INT64_MAX, &error), -1);
    cr_assert_eq(lake_pump_drain(pump, INT64_MAX, &error), 0); /* backing off: nothing to wait for */
    cr_assert_eq(cursor().position, 0);
}
