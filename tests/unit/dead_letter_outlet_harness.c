/* dead_letter_outlet_harness: see dead_letter_outlet_harness.h */
#include "dead_letter_outlet_harness.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"

struct fixture fixture;
char directory[64];
struct harness_clock now;
struct config *config;
struct routes *routes;
struct rendering_table *renderings;
struct dead_letter_pump_options options;
struct dead_letter_pump *pump;
struct dead_letter_replay *replay;
struct error error;

/* ---- set-up ------------------------------------------------------------------------------------------------ */

static const char configuration[] = "streams:\n"
                                    "  readings: {key: /sensor_id, labels: {site: /site, zone: /zone}}\n"
                                    "  notes: {format: text}\n";

static void load_streams(void)
{
    struct streams *streams;
    struct topic_map *topics;
    char path[128];

    snprintf(path, sizeof path, "%s/config.yaml", directory);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs(configuration, file);
    fclose(file);
    cr_assert_eq(config_load(&config, path, NULL, 0), 0);
    cr_assert_eq(streams_compile(&streams, config, &error), 0, "%s", error.text);
    cr_assert_eq(topic_map_compile(&topics, config, streams, &error), 0, "%s", error.text);
    cr_assert_eq(routes_new(&routes, config, &streams, &topics, &error), 0, "%s", error.text);
    unlink(path);
}

/* As the pipeline does: each stream's rendering has an id of its own. */
void store_rendering(const char *name, uint32_t id)
{
    struct rendering *rendering;
    cleanup_bytes struct bytes body;

    cr_assert_eq(
        stream_rendering(streams_find(routes_now(routes)->streams, slice_of(name)), &rendering, &error), 0);
    rendering->id = id;
    bytes_init(&body, 100000);
    cr_assert_eq(rendering_encode(rendering, &body, &error), 0);
    cr_assert_eq(rendering_apply(renderings, body.data, body.length, 0, &error), 0);
    rendering_free(&rendering);
}

void open_journal(void)
{
    static const char *const outlets[] = {"dead-letters", "lake"};

    fixture.options.outlets = outlets;
    fixture.options.outlets_count = 2;
    cr_assert_eq(fixture_open(&fixture), 0, "%s", fixture.error.text);
    options.journal = fixture.journal;
}

void set_up(void)
{
    log_configure(LOG_ERROR, LOG_FORMAT_TEXT, open("/dev/null", O_WRONLY | O_CLOEXEC), &clock_system);
    now = harness_clock_at(100 * CLOCK_SECOND);
    fixture_start(&fixture);
    letters_start(directory);
    load_streams();
    cr_assert_eq(rendering_table_new(&renderings, &error), 0);
    store_rendering("readings", 1);
    store_rendering("notes", 2);
    options = (struct dead_letter_pump_options){
        .gateway_id = "test-1", .renderings = renderings, .routes = routes, .clock = &now.clock};
    cr_assert_eq(dead_letters_open(&options.dead_letters, directory, 1 << 30, &error), 0, "%s", error.text);
    open_journal();
}

void tear_down(void)
{
    dead_letter_pump_close(&pump);
    dead_letter_replay_close(&replay);
    fixture_end(&fixture);
    rendering_table_free(&renderings);
    routes_free(&routes);
    config_free(&config);
    dead_letters_close(&options.dead_letters);
    letters_end(directory);
}

void open_pump(void)
{
    cr_assert_eq(dead_letter_pump_open(&pump, &options, &error), 0, "%s", error.text);
}

/* ---- records ----------------------------------------------------------------------------------------------- */

/* Hands over records "letter FIRST " ..., as letters_put() has them. */
void put(uint32_t rendering, unsigned first, unsigned last, uint8_t flags)
{
    struct handover handover;
    cleanup_bytes struct bytes head, payloads;

    handover_init(&handover, 1 << 24, NULL, NULL);
    bytes_init(&head, RECORD_HEAD_MAX);
    bytes_init(&payloads, 1 << 24);
    const struct record record = {.rendering = rendering,
        .flags = flags,
        .received = 5 * CLOCK_SECOND,
        .key = slice_of("k"),
        .labels = {slice_of("north"), slice_of("z")},
        .labels_count = 2,
        .reason = slice_of(flags & RECORD_UNDECODABLE ? "byte 0: expected a value" : "")};
    cr_assert_eq(record_encode_head(&record, &head, &error), 0);
    for (unsigned number = first; number <= last; number++) {
        size_t offset = payloads.length;
        cr_assert_eq(bytes_print(&payloads, &error, "letter %u ", number), 0);
        cr_assert_eq(handover_add(&handover, JOURNAL_KIND_DATA, bytes_slice(&head), offset,
                         payloads.length - offset, &error),
            0);
    }
    handover.payloads = payloads.data;
    cr_assert_eq(journal_hand_over_and_wait(fixture.journal, &handover, &error), 0, "%s", error.text);
    handover_free(&handover);
}

void put_junk(void)
{
    struct handover handover;

    handover_init(&handover, 1000, NULL, NULL);
    cr_assert_eq(handover_add(&handover, JOURNAL_KIND_DATA, slice_of("junk"), 0, 0, &error), 0);
    cr_assert_eq(journal_hand_over_and_wait(fixture.journal, &handover, &error), 0, "%s", error.text);
    handover_free(&handover);
}

struct seen_record seen[FOUND_RECORDS];
size_t seen_count;

static void copy_text(char to[SEEN_TEXT], struct slice from)
{
    snprintf(to, SEEN_TEXT, "%.*s", (int)from.length, from.data);
}

/* All records of the journal behind `after`. */
void read_journal(uint64_t after)
{
    struct journal_reader *reader;
    struct journal_entry entry;
    struct record record;

    seen_count = 0;
    cr_assert_eq(journal_reader_open(&reader, fixture.journal, after, &error), 0);
    while (journal_read(reader, &entry, &error) == 1) {
        if (record_decode(entry.body.data, entry.body.length, &record, &error))
            continue;
        cr_assert_lt(seen_count, FOUND_RECORDS);
        struct seen_record *at = &seen[seen_count++];
        *at = (struct seen_record){.rendering = record.rendering,
            .flags = record.flags,
            .received = record.received,
            .event = record.event};
        copy_text(at->payload, record.payload);
        copy_text(at->origin, record.origin);
        copy_text(at->key, record.key);
        copy_text(at->site, record.labels_count > 0 ? record.labels[0] : slice_of(""));
        copy_text(at->zone, record.labels_count > 1 ? record.labels[1] : slice_of(""));
    }
    journal_reader_close(&reader);
}

struct journal_cursor cursor(void)
{
    struct dead_letter_pump_status status;

    dead_letter_pump_status(pump, &status);
    const struct journal_cursor *at = &status.cursor;
    cr_assert_eq(at->position,
        at->base + at->delivered + at->dead_lettered + at->not_for_outlet + at->damaged + at->held);
    return *at;
}

void pump_all(void)
{
    int worked;

    do
        worked = dead_letter_pump_step(pump, &error);
    while (worked > 0);
    cr_assert_eq(worked, 0, "%s", error.text);
}
