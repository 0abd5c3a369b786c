/* outlet_lake: the lake outlet on a real journal: exactly once, a ledger that adds up, and nothing that stops it */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "journal_harness.h"
#include "lake_harness.h"
#include "outlet/lake_pump.h"

#define ROWS_MAX 20000
#define UNKNOWN_RENDERING 99

static struct fixture fixture;
static char root[80];
static struct harness_clock now;
static struct rendering_table *renderings;
static struct lake_pump_options options;
static struct lake_pump *pump;
static struct error error;
static uint64_t put_rows; /* rows given to the journal */

/* ---- records ---------------------------------------------------------------------------------------------- */

static void add_rendering(uint32_t id, const char *stream, enum record_format format, char *path)
{
    struct rendering rendering = {
        .id = id, .format = format, .labels = {"site"}, .labels_count = 1, .lake_path = path};
    cleanup_bytes struct bytes body;

    bytes_init(&body, 10000);
    snprintf(rendering.stream, sizeof rendering.stream, "%s", stream);
    cr_assert_eq(rendering_encode(&rendering, &body, &error), 0);
    cr_assert_eq(rendering_apply(renderings, body.data, body.length, 0, &error), 0);
}

static void put_body(struct slice head, struct slice payload)
{
    struct handover handover;

    handover_init(&handover, 100000, NULL, NULL);
    handover.payloads = payload.data;
    cr_assert_eq(handover_add(&handover, JOURNAL_KIND_DATA, head, 0, payload.length, &error), 0);
    cr_assert_eq(journal_hand_over_and_wait(fixture.journal, &handover, &error), 0, "%s", error.text);
    handover_free(&handover);
}

/* The next row, of `size` bytes at least, of a rendering; key picks the directory. */
static void put(uint32_t rendering, const char *key, size_t size, uint8_t flags)
{
    static char text[70000];
    cleanup_bytes struct bytes head;
    int length = snprintf(text, sizeof text, "{\"n\":%llu}", (unsigned long long)++put_rows);

    if (size > (size_t)length)
        memset(text + length, ' ', size - (size_t)length);
    const struct record record = {
        .rendering = rendering,
        .flags = flags,
        .received = 5 * CLOCK_SECOND,
        .key = slice_of(key),
        .labels = {slice_of("north")},
        .labels_count = 1,
        .payload = {text, size > (size_t)length ? size : (size_t)length},
    };
    bytes_init(&head, RECORD_HEAD_MAX);
    cr_assert_eq(record_encode_head(&record, &head, &error), 0);
    put_body(bytes_slice(&head), record.payload);
}

static void put_some(uint64_t count)
{
    static const char *const keys[] = {"a", "b", "a", "c", "b", "a", "a"};

    for (uint64_t i = 0; i < count; i++)
        put(1 + (uint32_t)(put_rows % 3 == 0), keys[put_rows % 7], 0, 0);
}

/* ---- the lake's contents ---------------------------------------------------------------------------------- */

static unsigned seen[ROWS_MAX];
static unsigned files_seen;

static int read_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    if (type != FTW_F || strstr(path, "/.penstock/"))
        return 0;
    cr_assert(strstr(path + place->base, "+test-1."), "%s", path);
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t size = 0;
    unsigned long long row, before = 0;
    cr_assert_not_null(file);
    while (getline(&line, &size, file) > 0) {
        cr_assert_eq(sscanf(line, "{\"n\":%llu}", &row), 1, "%s: %s", path, line);
        cr_assert(row > before && row < ROWS_MAX, "%s: row %llu behind %llu", path, row, before);
        seen[row]++;
        before = row;
    }
    free(line);
    fclose(file);
    files_seen++;
    return 0;
}

static void read_lake(void)
{
    memset(seen, 0, sizeof seen);
    files_seen = 0;
    nftw(root, read_one, 16, FTW_PHYS);
}

/* Rows first..last are there, each once. */
static void assert_rows(uint64_t first, uint64_t last)
{
    for (uint64_t row = first; row <= last; row++)
        cr_assert_eq(seen[row], 1, "row %llu is there %u times", (unsigned long long)row, seen[row]);
}

static struct journal_cursor cursor(void)
{
    struct lake_pump_status status;

    lake_pump_status(pump, &status);
    const struct journal_cursor *at = &status.cursor;
    cr_assert_eq(
        at->position, at->base + at->delivered + at->dead_lettered + at->not_for_outlet + at->damaged);
    return *at;
}

/* ---- set-up ----------------------------------------------------------------------------------------------- */

static void open_journal(void)
{
    static const char *const outlets[] = {"lake"};

    fixture.options.outlets = outlets;
    cr_assert_eq(fixture_open(&fixture), 0, "%s", fixture.error.text);
    options.journal = fixture.journal;
}

static void set_up(void)
{
    log_configure(LOG_ERROR, LOG_FORMAT_TEXT, open("/dev/null", O_WRONLY | O_CLOEXEC), &clock_system);
    now = harness_clock_at(10 * CLOCK_SECOND);
    fixture_start(&fixture);
    snprintf(root, sizeof root, "%s.lake", fixture.directory);
    cr_assert_eq(rendering_table_new(&renderings, &error), 0);
    add_rendering(1, "readings", RECORD_FORMAT_JSON, "readings/{key}");
    add_rendering(2, "notes", RECORD_FORMAT_TEXT, "notes/{site}");
    options = (struct lake_pump_options){
        .renderings = renderings, .clock = &now.clock, .lake = harness_options(root, &now)};
    options.lake.gateway_id = "test-1";
    open_journal();
}

static void tear_down(void)
{
    lake_pump_close(&pump);
    fixture_end(&fixture);
    rendering_table_free(&renderings);
    harness_remove(root);
}

TestSuite(outlet_lake, .init = set_up, .fini = tear_down, .timeout = 120);

static void open_pump(void)
{
    cr_assert_eq(lake_pump_open(&pump, &options, &error), 0, "%s", error.text);
}

/* Steps until nothing is left. */
static void pump_all(void)
{
    int worked;

    do
        worked = lake_pump_step(pump, &error);
    while (worked > 0);
    cr_assert_eq(worked, 0, "%s", error.text);
}

static void drain(void)
{
    cr_assert_eq(lake_pump_drain(pump, INT64_MAX, &error), 0, "%s", error.text);
}

/* As a crash does: what was open is dropped; the journal keeps only the cursor that it has stored. */
static void restart(void)
{
    lake_pump_close(&pump);
    fixture_close(&fixture);
    open_journal();
    open_pump();
}

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

/* ---- records that cannot be stored ------------------------------------------------------------------------ */

static void put_damage_of_each_kind(void)
{
    const char junk[] = "junk";

    put(1, "a", 0, 0);
    put_body(slice_of(""), (struct slice){junk, 4}); /* no record of a known version */
    put(UNKNOWN_RENDERING, "a", 0, 0);
    put(1, "a", 0, RECORD_UNDECODABLE);
    put(3, "a", 0, 0); /* its template does not compile */
    put(4, "a", 0, 0); /* its path cannot be a directory */
    put(1, "a", 0, 0);
}

Test(outlet_lake, what_cannot_be_stored_is_counted_and_stops_nothing)
{
    char lost[128];

    add_rendering(3, "broken", RECORD_FORMAT_JSON, "a/{nothing}");
    add_rendering(4, "st/ream", RECORD_FORMAT_JSON, "a");
    put_damage_of_each_kind();
    open_pump();
    pump_all();
    cr_assert_eq(cursor().position, 0);
    drain();
    cr_assert_eq(cursor().position, 7);
    cr_assert_eq(cursor().delivered, 3, "without its rendering a record is kept all the same");
    cr_assert_eq(cursor().not_for_outlet, 1);
    cr_assert_eq(cursor().damaged, 3);
    restart();
    put_damage_of_each_kind();
    drain();
    cr_assert_eq(cursor().position, 14);
    cr_assert_eq(cursor().delivered, 6);
    cr_assert_eq(cursor().not_for_outlet, 2);
    cr_assert_eq(cursor().damaged, 6);
    snprintf(lost, sizeof lost, "%s/lost-rendering-%d", root, UNKNOWN_RENDERING);
    cr_assert_eq(directory_files(lost, ".txt"), 2);
}

/* More of them than the ledger holds ahead of the cursor: what is open is published, and it goes on. */
Test(outlet_lake, any_number_of_exceptions_adds_up)
{
    add_rendering(4, "st/ream", RECORD_FORMAT_JSON, "a");
    for (int i = 0; i < 700; i++)
        put(i % 2 ? 1 : 4, "a", 0, 0);
    open_pump();
    pump_all();
    cr_assert_gt(cursor().position, 300);
    drain();
    cr_assert_eq(cursor().delivered, 350);
    cr_assert_eq(cursor().damaged, 350);
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
        now.now += LAKE_PUMP_BACKOFF_MOST;
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
