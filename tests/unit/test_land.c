/* land: the pure parts: notes of commits, rows, dead letters, and the names of topics */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "config_harness.h"
#include "land/internal.h"

static struct kafka_record record_of(const char *key, const char *value)
{
    return (struct kafka_record){.topic = "t",
        .partition = 3,
        .offset = 41,
        .time = 1700000000123000,
        .key = key ? slice_of(key) : (struct slice){NULL, 0},
        .value = value ? slice_of(value) : (struct slice){NULL, 0}};
}

/* ---- witnesses ---- */

Test(land_witness, comes_back_from_its_note)
{
    const struct kafka_record record = record_of("k", "v");
    struct land_witness taken, parsed;
    char note[KAFKA_NOTE_MAX];

    land_witness_take(&taken, &record);
    land_witness_print(&taken, note);
    land_witness_parse(note, &parsed);
    cr_assert(land_witness_equal(&taken, &parsed), "%s", note);
    cr_assert_eq(parsed.offset, 41);
}

Test(land_witness, tells_records_apart)
{
    struct kafka_record record = record_of("k", "v");
    struct land_witness one, other;

    land_witness_take(&one, &record);
    record.value = slice_of("w");
    land_witness_take(&other, &record);
    cr_assert_not(land_witness_equal(&one, &other), "value");
    record = record_of("l", "v");
    land_witness_take(&other, &record);
    cr_assert_not(land_witness_equal(&one, &other), "key");
    record = record_of("k", "v");
    record.time++;
    land_witness_take(&other, &record);
    cr_assert_not(land_witness_equal(&one, &other), "time");
    record = record_of("k", "v");
    record.offset++;
    land_witness_take(&other, &record);
    cr_assert_not(land_witness_equal(&one, &other), "offset");
}

Test(land_witness, of_a_foreign_note_is_none)
{
    static const char *const notes[] = {
        "", "x", "penstock", "penstock 2 1 2 3", "penstock 1 -4 2 3", "penstock 1 4", LAND_NOTE_STOPPED};
    struct land_witness parsed;
    char note[KAFKA_NOTE_MAX];

    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++) {
        land_witness_parse(notes[i], &parsed);
        cr_assert_eq(parsed.offset, -1, "%s", notes[i]);
    }
    land_witness_print(&parsed, note);
    cr_assert_str_eq(note, "");
}

/* ---- rows ---- */

static const char entries[] =
    "land:\n  topics:\n    - topic: [plain, \"^SENSOR_[0-9]+$$\"]\n      path: \"x/{key:02}/{topic}/p={partition}/{time:%Y}\"\n"
    "      key: /id\n      time: /at\n"
    "    - {topic: words, path: \"w/{key}\", format: text}\n    - {topic: \"^w\", format: bytes}\n";

static struct config *config;
static struct land_topics topics;
static struct land_memory memory;
static const struct land_place place = {"t", {"3", 1}, NULL};

static void setup(void)
{
    struct error error;

    config_harness_enter();
    config = config_harness_load(entries);
    cr_assert_eq(config_errors(config), 0);
    cr_assert_eq(land_topics_compile(&topics, config, &error), 0, "%s", error.text);
    land_memory_init(&memory);
}

static void teardown(void)
{
    land_memory_free(&memory);
    land_topics_free(&topics);
    config_free(&config);
    config_harness_leave();
}

TestSuite(land_row, .init = setup, .fini = teardown);

Test(land_row, topics_are_found_by_name_and_pattern)
{
    cr_assert_eq(land_topics_find(&topics, "plain"), &topics.items[0]);
    cr_assert_eq(land_topics_find(&topics, "SENSOR_17"), &topics.items[0]);
    cr_assert_eq(land_topics_find(&topics, "SENSOR_17x"), NULL);
    cr_assert_eq(land_topics_find(&topics, "words"), &topics.items[1], "the first one counts");
    cr_assert_eq(land_topics_find(&topics, "wood"), &topics.items[2]);
    cr_assert_eq(topics.names_count, 4);
}

Test(land_row, has_its_path_from_the_value)
{
    const struct kafka_record record =
        record_of("other", "{\"id\":\"\\u0037\",\"at\":\"2001-02-03T04:05:06Z\"}");
    struct lake_row row;
    struct error error;

    cr_assert_eq(
        land_row_make(&topics.items[0], &place, &record, &memory, &row, &error), 0, "%s", error.text);
    cr_assert(slice_is(row.path, "x/07/t/p=3/2001"), "%.*s", (int)row.path.length, row.path.data);
    cr_assert_eq(row.sequence, 42, "a position is the offset plus one");
    cr_assert_eq(row.payload.data, record.value.data);
}

Test(land_row, has_kafkas_time_where_the_value_has_none)
{
    const struct kafka_record record = record_of(NULL, "{\"id\":7,\"at\":\"noon\"}");
    struct lake_row row;
    struct error error;

    cr_assert_eq(
        land_row_make(&topics.items[0], &place, &record, &memory, &row, &error), 0, "%s", error.text);
    cr_assert(slice_is(row.path, "x/07/t/p=3/2023"), "%.*s", (int)row.path.length, row.path.data);
}

Test(land_row, says_why_there_is_none)
{
    static const struct {
        size_t entry;
        const char *key, *value, *why;
    } cases[] = {
        {0, "k", NULL, "tombstone"},
        {0, "k", "{", "byte"},
        {0, "k", "{\"id\":[1]}", "array"},
        {0, "k", "{\"id\":\"\\u0001\"}", "key"},
        {1, "a\nb", "v", "key"},
        {1, "k", "two\nlines", "line break"},
    };
    struct lake_row row;
    struct error error;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct kafka_record record = record_of(cases[i].key, cases[i].value);
        cr_assert_eq(land_row_make(&topics.items[cases[i].entry], &place, &record, &memory, &row, &error), -1,
            "%zu", i);
        cr_assert_eq(error.kind, ERROR_REJECT, "%zu", i);
        cr_assert(strstr(error.text, cases[i].why), "%zu: %s", i, error.text);
    }
}

Test(land_row, of_a_dead_letter_has_all_of_it)
{
    struct kafka_record record = record_of("k\"", "\xff");
    struct lake_row row;
    struct error error;

    cr_assert_eq(land_row_bury(topics.dead_letters, &place, &record, "wh\ny", &memory, &row, &error), 0);
    cr_assert(slice_is(row.path, "dead-letters/t"));
    cr_assert_eq(row.sequence, 42);
    cr_assert(
        slice_is(row.payload,
            "{\"reason\":\"wh\\ny\",\"topic\":\"t\",\"partition\":3,\"offset\":41,\"time\":1700000000123,"
            "\"key\":\"k\\\"\",\"payload_base64\":\"/w==\"}"),
        "%.*s", (int)row.payload.length, row.payload.data);
}
