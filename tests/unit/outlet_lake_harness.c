/* outlet_lake_harness: see outlet_lake_harness.h */
#include "outlet_lake_harness.h"

#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/log.h"

struct fixture fixture;
char root[80], letters_directory[64];
struct harness_clock now;
struct rendering_table *renderings;
struct lake_pump_options options;
struct lake_pump *pump;
struct error error;
uint64_t put_rows; /* rows given to the journal */

/* ---- records ---------------------------------------------------------------------------------------------- */

void add_rendering(uint32_t id, const char *stream, enum record_format format, char *path)
{
    struct rendering rendering = {
        .id = id, .format = format, .labels = {"site"}, .labels_count = 1, .lake_path = path};
    cleanup_bytes struct bytes body;

    bytes_init(&body, 10000);
    snprintf(rendering.stream, sizeof rendering.stream, "%s", stream);
    cr_assert_eq(rendering_encode(&rendering, &body, &error), 0);
    cr_assert_eq(rendering_apply(renderings, body.data, body.length, 0, &error), 0);
}

void put_body(struct slice head, struct slice payload)
{
    struct handover handover;

    handover_init(&handover, 100000, NULL, NULL);
    handover.payloads = payload.data;
    cr_assert_eq(handover_add(&handover, JOURNAL_KIND_DATA, head, 0, payload.length, &error), 0);
    cr_assert_eq(journal_hand_over_and_wait(fixture.journal, &handover, &error), 0, "%s", error.text);
    handover_free(&handover);
}

/* The next row, of `size` bytes at least, of a rendering; key picks the directory. */
void put(uint32_t rendering, const char *key, size_t size, uint8_t flags)
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

void put_some(uint64_t count)
{
    static const char *const keys[] = {"a", "b", "a", "c", "b", "a", "a"};

    for (uint64_t i = 0; i < count; i++)
        put(1 + (uint32_t)(put_rows % 3 == 0), keys[put_rows % 7], 0, 0);
}

/* ---- the lake's contents ---------------------------------------------------------------------------------- */

unsigned seen[ROWS_MAX];
unsigned files_seen;

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

void read_lake(void)
{
    memset(seen, 0, sizeof seen);
    files_seen = 0;
    nftw(root, read_one, 16, FTW_PHYS);
}

/* Rows first..last are there, each once. */
void assert_rows(uint64_t first, uint64_t last)
{
    for (uint64_t row = first; row <= last; row++)
        cr_assert_eq(seen[row], 1, "row %llu is there %u times", (unsigned long long)row, seen[row]);
}

struct journal_cursor cursor(void)
{
    struct lake_pump_status status;

    lake_pump_status(pump, &status);
    const struct journal_cursor *at = &status.cursor;
    cr_assert_eq(at->position,
        at->base + at->delivered + at->dead_lettered + at->not_for_outlet + at->damaged + at->held);
    return *at;
}

/* ---- set-up ----------------------------------------------------------------------------------------------- */

void open_journal(void)
{
    static const char *const outlets[] = {"lake"};

    fixture.options.outlets = outlets;
    cr_assert_eq(fixture_open(&fixture), 0, "%s", fixture.error.text);
    options.journal = fixture.journal;
}

void set_up(void)
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
    letters_start(letters_directory);
    cr_assert_eq(dead_letters_open(&options.dead_letters, letters_directory, 1 << 30, &error), 0);
    options.lake.gateway_id = "test-1";
    open_journal();
}

void tear_down(void)
{
    lake_pump_close(&pump);
    fixture_end(&fixture);
    rendering_table_free(&renderings);
    harness_remove(root);
    dead_letters_close(&options.dead_letters);
    letters_end(letters_directory);
}

void open_pump(void)
{
    cr_assert_eq(lake_pump_open(&pump, &options, &error), 0, "%s", error.text);
}

/* Steps until nothing is left. */
void pump_all(void)
{
    int worked;

    do
        worked = lake_pump_step(pump, &error);
    while (worked > 0);
    cr_assert_eq(worked, 0, "%s", error.text);
}

void drain(void)
{
    cr_assert_eq(lake_pump_drain(pump, INT64_MAX, &error), 0, "%s", error.text);
}

/* As a crash does: what was open is dropped; the journal keeps only the cursor that it has stored. */
void restart(void)
{
    lake_pump_close(&pump);
    fixture_close(&fixture);
    open_journal();
    open_pump();
}
