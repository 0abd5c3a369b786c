/* lake: publishing, rolling, leftovers, and what it refuses */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lake/format.h"
#include "lake/store.h"
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

TestSuite(lake, .init = set_up, .fini = tear_down);

static void append(uint64_t sequence)
{
    bool there = true;

    cr_assert_eq(harness_append(lake, sequence, 0, &there, &error), 0, "%s", error.text);
    cr_assert_not(there);
}

/* A row of stream "readings" of a path and text of the test's. */
static int append_row(uint64_t sequence, const char *path, const char *payload)
{
    bool there;
    const struct lake_row row = {.path = slice_of(path),
        .stream = "readings",
        .format = RECORD_FORMAT_JSON,
        .epoch = 1,
        .sequence = sequence,
        .payload = slice_of(payload)};

    return lake_append(lake, &row, 0, &there, &error);
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

/* ---- publishing ------------------------------------------------------------------------------------------- */

Test(lake, nothing_appears_before_it_is_published)
{
    open_lake();
    append(1);
    cr_assert_eq(lake_open_files(lake), 1);
    cr_assert_not(harness_has(root, "grid"));
    cr_assert_eq(lake_roll(lake, true, &error), 0);
    cr_assert(harness_has(root, "grid/dt=1/readings+gw-1.3f9a1c22+0000000001+0000000001.jsonl"));
    cr_assert_eq(lake_published(lake), 1);
    cr_assert_eq(lake_open_files(lake), 0);
    cr_assert_eq(harness_verify(root, 1), 1);
}

Test(lake, closing_drops_what_is_open)
{
    static char large[200000];

    memset(large, 'x', sizeof large - 1);
    open_lake();
    cr_assert_eq(append_row(1, "grid", large), 0);
    cr_assert(harness_has(root, ".penstock/gw-1/1.tmp"));
    lake_close(&lake);
    cr_assert_null(lake);
    cr_assert_not(harness_has(root, ".penstock/gw-1/1.tmp"));
    cr_assert_not(harness_has(root, "grid"));
}

Test(lake, one_file_per_path_and_stream)
{
    open_lake();
    for (uint64_t sequence = 1; sequence < HARNESS_NEW_EPOCH; sequence++)
        append(sequence);
    cr_assert_eq(lake_open_files(lake), 4);
    cr_assert_eq(lake_oldest(lake), 1);
    cr_assert_eq(lake_oldest_received(lake), 1000);
    cr_assert_eq(lake_roll_oldest(lake, false, &error), 0);
    cr_assert_eq(lake_oldest(lake), 2);
    cr_assert_eq(lake_oldest_received(lake), 2000);
    cr_assert_eq(lake_roll(lake, true, &error), 0);
    cr_assert_eq(lake_oldest(lake), 0);
    cr_assert_eq(lake_oldest_received(lake), 0);
    cr_assert_eq(lake_roll_oldest(lake, false, &error), 0);
    cr_assert_eq(harness_verify(root, HARNESS_NEW_EPOCH - 1), 4);
}

Test(lake, a_file_never_mixes_epochs)
{
    open_lake();
    for (uint64_t sequence = 1; sequence <= 29; sequence++)
        append(sequence);
    cr_assert_eq(lake_roll(lake, true, &error), 0);
    cr_assert_eq(harness_verify(root, 29), 8);
}

Test(lake, a_file_never_mixes_formats)
{
    struct lake_row row;
    bool there;

    open_lake();
    append(1);
    harness_row(3, &row); /* the same place */
    row.format = RECORD_FORMAT_TEXT;
    cr_assert_eq(lake_append(lake, &row, 0, &there, &error), 0);
    cr_assert_eq(lake_roll(lake, true, &error), 0);
    cr_assert(harness_has(root, "grid/dt=1/readings+gw-1.3f9a1c22+0000000001+0000000001.jsonl"));
    cr_assert(harness_has(root, "grid/dt=1/readings+gw-1.3f9a1c22+0000000003+0000000003.txt"));
}

#define STORED_SIZE 2000001

static void fill(char *payload, size_t at, size_t size)
{
    memset(payload, 'a' + (int)(at % 26), size);
    payload[size] = '\0';
}

/* More rows and larger ones than a buffer holds, around the edges of blocks, of the largest buffer, and of the least: that is
 * what is left when many files are open already. */
static void store_sizes(size_t open_files)
{
    static const size_t sizes[] = {0, 1, 2046, 2047, 2048, 4094, 4095, 4096, 131070, 131071, 131072, 3,
        2000000, 5, 100000, 40000, 60000, 4000, 90000, 30};
    const size_t count = sizeof sizes / sizeof *sizes;
    static char payload[STORED_SIZE];
    char path[512];

    options.max_open_files = 1000;
    open_lake();
    for (size_t i = 0; i < open_files; i++) {
        snprintf(path, sizeof path, "other/%zu", i);
        cr_assert_eq(append_row(i + 1, path, "{}"), 0, "%s", error.text);
    }
    for (size_t i = 0; i < count; i++) {
        fill(payload, i, sizes[i]);
        cr_assert_eq(append_row(open_files + i + 1, "", payload), 0, "%s", error.text);
    }
    cr_assert_eq(lake_roll(lake, true, &error), 0);
    snprintf(path, sizeof path, "%s/readings+gw-1.00000001+%010zu+%010zu.jsonl", root, open_files + 1,
        open_files + count);
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file, "%s", path);
    for (size_t i = 0; i < count; i++) {
        for (size_t at = 0; at < sizes[i]; at++)
            cr_assert_eq(getc(file), 'a' + (int)i);
        cr_assert_eq(getc(file), '\n', "row %zu", i);
    }
    cr_assert_eq(getc(file), EOF);
    fclose(file);
    lake_close(&lake);
}

Test(lake, rows_of_any_size_come_out_whole)
{
    store_sizes(0);
    harness_remove(root);
    store_sizes(400);
}

/* The buffer holds rows of base64 until it is full, and larger ones go past it. */
Test(lake, rows_of_bytes_of_any_size_come_out_whole)
{
    static const size_t sizes[] = {0, 1, 24000, 98000, 98200, 98300, 3, 30000, 2000000, 5};
    static char payload[2000001];
    cleanup_bytes struct bytes expected;
    char path[512];
    bool there;

    open_lake();
    bytes_init(&expected, 4000000);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        memset(payload, (int)(0xf0 + i), sizes[i]);
        const struct lake_row row = {.path = slice_of(""),
            .stream = "blobs",
            .format = RECORD_FORMAT_BYTES,
            .epoch = 1,
            .sequence = i + 1,
            .key = slice_of("k"),
            .time = (int64_t)i,
            .payload = {payload, sizes[i]}};
        const struct format_row parts = {.key = row.key, .time = row.time, .payload = row.payload};
        cr_assert_eq(lake_append(lake, &row, 0, &there, &error), 0, "%s", error.text);
        cr_assert_eq(format_of(RECORD_FORMAT_BYTES)->row(&parts, &expected, &error), 0);
    }
    cr_assert_eq(lake_roll(lake, true, &error), 0);
    snprintf(path, sizeof path, "%s/blobs+gw-1.00000001+0000000001+0000000010.jsonl", root);
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file);
    for (size_t at = 0; at < expected.length; at++)
        cr_assert_eq(getc(file), (unsigned char)expected.data[at], "byte %zu", at);
    cr_assert_eq(getc(file), EOF);
    fclose(file);
}

/* ---- rolling ---------------------------------------------------------------------------------------------- */

Test(lake, rolls_by_records)
{
    options.roll_records = 2;
    open_lake();
    append(1);
    cr_assert_eq(lake_published(lake), 0);
    append(3);
    cr_assert_eq(lake_published(lake), 1);
    cr_assert(harness_has(root, "grid/dt=1/readings+gw-1.3f9a1c22+0000000001+0000000003.jsonl"));
}

Test(lake, rolls_by_size)
{
    options.roll_size = 17; /* two rows of 8 bytes with their line's end, and one byte */
    open_lake();
    append(1);
    append(3);
    cr_assert_eq(lake_published(lake), 0);
    append(8);
    cr_assert_eq(lake_published(lake), 1);
}

Test(lake, rolls_by_age)
{
    options.roll_every = 100;
    open_lake();
    cr_assert_eq(lake_due(lake), INT64_MAX);
    append(1);
    now.now += 50;
    append(2);
    cr_assert_eq(lake_due(lake), 1100);
    now.now = 1099;
    cr_assert_eq(lake_roll(lake, false, &error), 0);
    cr_assert_eq(lake_published(lake), 0);
    now.now = 1100;
    cr_assert_eq(lake_roll(lake, false, &error), 0);
    cr_assert_eq(lake_published(lake), 1);
    cr_assert_eq(lake_oldest(lake), 2);
    cr_assert_eq(lake_due(lake), 1150);
    now.now = 1150;
    cr_assert_eq(lake_roll(lake, false, &error), 0);
    cr_assert_eq(lake_due(lake), INT64_MAX);
    cr_assert_eq(harness_verify(root, 2), 2);
}

Test(lake, rolls_by_silence)
{
    options.roll_idle = 100;
    open_lake();
    append(1);
    now.now = 1060;
    append(2);
    append(3); /* the place of row 1: its silence starts again */
    now.now = 1100;
    cr_assert_eq(lake_roll(lake, false, &error), 0);
    cr_assert_eq(lake_published(lake), 0);
    cr_assert_eq(lake_due(lake), 1160);
    now.now = 1160;
    cr_assert_eq(lake_roll(lake, false, &error), 0);
    cr_assert_eq(lake_published(lake), 2);
}

Test(lake, never_rolls_by_itself_when_it_is_not_asked_to)
{
    options.roll_every = options.roll_idle = INT64_MAX;
    open_lake();
    for (uint64_t sequence = 1; sequence < HARNESS_NEW_EPOCH; sequence++)
        append(sequence);
    now.now = INT64_MAX - 1;
    cr_assert_eq(lake_roll(lake, false, &error), 0);
    cr_assert_eq(lake_published(lake), 0);
}

Test(lake, keeps_no_more_files_open_than_allowed)
{
    options.max_open_files = 2;
    open_lake();
    append(1);
    append(2);
    append(4);
    cr_assert_eq(lake_open_files(lake), 2);
    cr_assert_eq(lake_oldest(lake), 2);
    lake_close(&lake);
    options.max_open_files = 0; /* one is the least that works */
    open_lake();
    append(5);
    append(6);
    cr_assert_eq(lake_open_files(lake), 1);
}

/* More places than are remembered: each keeps its own file, order and rows. */
Test(lake, has_room_for_many_paths)
{
    char path[32];

    options.max_open_files = 3;
    open_lake();
    for (uint64_t i = 1; i <= 9000; i++) {
        snprintf(path, sizeof path, "p%llu", (unsigned long long)(i % 5000));
        cr_assert_eq(append_row(i, path, "{}"), 0, "%s", error.text);
    }
    cr_assert_eq(lake_open_files(lake), 3);
}

/* ---- what it refuses -------------------------------------------------------------------------------------- */

Test(lake, refuses_paths_that_cannot_be_directories)
{
    static const char *const bad[] = {"..", ".", "a//b", "/a", "a/", "a/../b", ".penstock", ".penstock/x",
        "a\nb", "a\x7f", "a/readings+gw-1.3f9a1c22+0000000001+0000000001.jsonl"};
    static char longest[3100];

    open_lake();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert_eq(append_row(1, bad[i], "{}"), -1, "%s", bad[i]);
        cr_assert_eq(error.kind, ERROR_REJECT);
    }
    memset(longest, 'x', sizeof longest - 1);
    cr_assert_eq(append_row(1, longest, "{}"), -1);
    longest[256] = '\0';
    cr_assert_eq(append_row(1, longest, "{}"), -1);
    longest[255] = '\0';
    cr_assert_eq(append_row(1, longest, "{}"), 0, "%s", error.text);
    cr_assert_eq(append_row(2, "a/.penstock", "{}"), 0, "%s", error.text);
    cr_assert_eq(lake_roll(lake, true, &error), 0);
    cr_assert(harness_has(root, "a/.penstock"));
}

Test(lake, refuses_streams_that_cannot_be_in_a_name)
{
    bool there;
    struct lake_row row;

    open_lake();
    harness_row(1, &row);
    row.stream = "a/b";
    cr_assert_eq(lake_append(lake, &row, 0, &there, &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    row.stream = "readings";
    row.payload.length = 384 * 1024 * 1024;
    cr_assert_eq(lake_append(lake, &row, 0, &there, &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    append(1);
}

Test(lake, refuses_a_gateway_id_that_cannot_be_in_a_name)
{
    options.gateway_id = "..";
    cr_assert_eq(lake_open(&lake, &options, &error), -1);
    cr_assert_eq(error.kind, ERROR_FATAL);
    cr_assert_not_null(strstr(error.text, "gateway.id"));
}

Test(lake, deletes_its_own_leftovers_alone)
{
    make_directory(".penstock");
    make_directory(".penstock/gw-1");
    make_directory(".penstock/gw-2");
    touch(".penstock/gw-1/1.tmp");
    touch(".penstock/gw-1/977.tmp");
    touch(".penstock/gw-1/notes.tmp");
    touch(".penstock/gw-1/1.tmp.keep");
    touch(".penstock/gw-2/1.tmp");
    touch("1.tmp");
    open_lake();
    cr_assert_not(harness_has(root, ".penstock/gw-1/1.tmp"));
    cr_assert_not(harness_has(root, ".penstock/gw-1/977.tmp"));
    cr_assert(harness_has(root, ".penstock/gw-1/notes.tmp"));
    cr_assert(harness_has(root, ".penstock/gw-1/1.tmp.keep"));
    cr_assert(harness_has(root, ".penstock/gw-2/1.tmp"));
    cr_assert(harness_has(root, "1.tmp"));
}

Test(lake, one_gateway_id_has_one_writer)
{
    struct lake *second = NULL;

    open_lake();
    append(1);
    cr_assert_eq(lake_open(&second, &options, &error), -1);
    cr_assert_eq(error.kind, ERROR_RETRY);
    cr_assert_not_null(strstr(error.text, "gateway.id"), "%s", error.text);
    options.gateway_id = "gw-2";
    cr_assert_eq(lake_open(&second, &options, &error), 0, "%s", error.text);
    lake_close(&second);
    cr_assert_eq(lake_roll(lake, true, &error), 0);
}

/* By the rules it cannot happen; when it does nothing is replaced and the lake must be opened again. */
Test(lake, never_replaces_a_file)
{
    open_lake();
    append(1);
    make_directory("grid");
    make_directory("grid/dt=1");
    touch("grid/dt=1/readings+gw-1.3f9a1c22+0000000001+0000000001.jsonl");
    cr_assert_eq(lake_roll(lake, true, &error), -1);
    cr_assert_eq(error.kind, ERROR_RETRY);
    cr_assert_not_null(strstr(error.text, "already there"), "%s", error.text);
    cr_assert_eq(lake_oldest(lake), 1); /* still not published, for the cursor */
    cr_assert_eq(harness_append(lake, 2, 0, &(bool){false}, &error), -1);
    cr_assert_eq(lake_roll(lake, false, &error), -1);
    cr_assert_eq(lake_roll_oldest(lake, false, &error), -1);
    cr_assert_not_null(strstr(error.text, "opened again"), "%s", error.text);
}

Test(lake, a_root_that_is_no_directory_is_said)
{
    char path[128];

    touch("file");
    snprintf(path, sizeof path, "%s/file/lake", root);
    options.root = path;
    cr_assert_eq(lake_open(&lake, &options, &error), -1);
    cr_assert_not_null(strstr(error.text, path), "%s", error.text);
    snprintf(path, sizeof path, "%s/file", root);
    cr_assert_eq(lake_open(&lake, &options, &error), -1);
    options.root = "";
    cr_assert_eq(lake_open(&lake, &options, &error), -1);
}
