/* rendering: its JSON form, and the table that keeps what stored records still need */
#include <criterion/criterion.h>

#include <stdio.h>

#include "failing_malloc.h"
#include "record/record.h"

/* ---- one rendering ---------------------------------------------------------------------------------------- */

static struct rendering sample(uint32_t id, const char *stream, char *path)
{
    static char type[] = "event_type", host[] = "host";
    struct rendering rendering = {
        .id = id, .format = RECORD_FORMAT_JSON, .labels = {type, host}, .labels_count = 2, .lake_path = path};

    snprintf(rendering.stream, sizeof rendering.stream, "%s", stream);
    return rendering;
}

static char path_a[] = "a/{key}", path_b[] = "b/{key}";

Test(rendering, is_stored_as_compact_json)
{
    struct rendering rendering = sample(7, "readings", path_a);
    struct error error;
    cleanup_bytes struct bytes body;

    bytes_init(&body, 4096);
    cr_assert_eq(rendering_encode(&rendering, &body, &error), 0);
    cr_assert(
        slice_is(bytes_slice(&body),
            "{\"id\":7,\"stream\":\"readings\",\"format\":\"json\",\"labels\":[\"event_type\",\"host\"],"
            "\"lake_path\":\"a/{key}\"}"),
        "%.*s", (int)body.length, body.data);
}

Test(rendering, decode_gives_back_what_was_encoded)
{
    struct rendering rendering = sample(UINT32_MAX, "unorganized", path_b);
    struct rendering *again;
    struct error error;
    cleanup_bytes struct bytes body;

    rendering.format = RECORD_FORMAT_TEXT;
    bytes_init(&body, 4096);
    cr_assert_eq(rendering_encode(&rendering, &body, &error), 0);
    cr_assert_eq(rendering_decode(body.data, body.length, &again, &error), 0);
    cr_assert_eq(again->id, UINT32_MAX);
    cr_assert_str_eq(again->stream, "unorganized");
    cr_assert_eq(again->format, RECORD_FORMAT_TEXT);
    cr_assert_eq(again->labels_count, 2);
    cr_assert_str_eq(again->labels[1], "host");
    cr_assert_str_eq(again->lake_path, "b/{key}");
    rendering_free(&again);
    cr_assert_null(again);
    rendering_free(&again);
}

Test(rendering, every_format_has_a_word_of_its_own)
{
    static const char *const stored[] = {
        "\"format\":\"json\"", "\"format\":\"text\"", "\"format\":\"bytes\""};

    for (int format = RECORD_FORMAT_JSON; format <= RECORD_FORMAT_BYTES; format++) {
        struct rendering rendering = sample(1, "s", path_a);
        struct rendering *again;
        struct error error;
        cleanup_bytes struct bytes body;

        rendering.format = (enum record_format)format;
        bytes_init(&body, 4096);
        cr_assert_eq(rendering_encode(&rendering, &body, &error), 0);
        cr_assert_not_null(memmem(body.data, body.length, stored[format], strlen(stored[format])));
        cr_assert_eq(rendering_decode(body.data, body.length, &again, &error), 0);
        cr_assert_eq((int)again->format, format);
        rendering_free(&again);
    }
}

Test(rendering, encode_leaves_the_buffer_alone_when_there_is_no_room)
{
    struct rendering rendering = sample(7, "readings", path_a);
    struct error error;
    cleanup_bytes struct bytes body;

    bytes_init(&body, 50);
    cr_assert_eq(bytes_add_text(&body, "before", &error), 0);
    cr_assert_eq(rendering_encode(&rendering, &body, &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert_str_eq(error.text, "rendering of stream readings: more than 50 bytes");
    cr_assert(slice_is(bytes_slice(&body), "before"));
    bytes_free(&body);
    fail_at = 1;
    cr_assert_eq(rendering_encode(&rendering, &body, &error), -1);
    cr_assert_eq(error.kind, ERROR_RETRY);
    cr_assert_str_eq(error.text, "rendering of stream readings: out of memory");
}

Test(rendering, encode_refuses_what_json_cannot_hold)
{
    static char broken[] = "\xff";
    struct rendering rendering = sample(7, "readings", broken);
    struct error error;
    cleanup_bytes struct bytes body;

    bytes_init(&body, 4096);
    cr_assert_eq(rendering_encode(&rendering, &body, &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    rendering = sample(7, "readings", path_a);
    rendering.labels[1] = broken;
    cr_assert_eq(rendering_encode(&rendering, &body, &error), -1);
    rendering = sample(7, "readings", path_a);
    rendering.topics[0] = broken;
    rendering.topics_count = 1;
    cr_assert_eq(rendering_encode(&rendering, &body, &error), -1);
    rendering.topics_count = 0;
    rendering.headers[0].name = broken;
    rendering.headers_count = 1;
    cr_assert_eq(rendering_encode(&rendering, &body, &error), -1);
    cr_assert_eq(body.length, 0);
}

#define LABELS_17 \
    "\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\""
#define NAME_65 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

#define WITH(member) \
    "{\"id\":1,\"stream\":\"s\",\"format\":\"json\",\"labels\":[\"a\"],\"lake_path\":\"p\"," member "}"

static const struct {
    const char *body;
    const char *error; /* how the text begins */
} wrong[] = {
    {"", "rendering: "},
    {"{", "rendering: "},
    {"[]", "rendering: member \"id\" is missing"},
    {"{\"id\":1,\"id\":2}", "rendering: duplicate object key"},
    {"{\"id\":\"1\"}", "rendering: member \"id\" has a wrong type"},
    {"{\"id\":0,\"stream\":\"s\",\"format\":\"json\",\"labels\":[],\"lake_path\":\"p\"}",
        "rendering: id 0 is out of range"},
    {"{\"id\":4294967296,\"stream\":\"s\",\"format\":\"json\",\"labels\":[],\"lake_path\":\"p\"}",
        "rendering: id 4294967296 is out of range"},
    {"{\"id\":1}", "rendering: member \"stream\" is missing"},
    {"{\"id\":1,\"stream\":\"" NAME_65 "\",\"format\":\"json\"}",
        "rendering: stream name of 65 bytes, at most 64"},
    {"{\"id\":1,\"stream\":\"s\",\"format\":\"xml\"}", "rendering: format \"xml\" is not known"},
    {"{\"id\":1,\"stream\":\"s\",\"format\":\"json\",\"labels\":[1],\"lake_path\":\"p\"}",
        "rendering: label 0 is no string"},
    {"{\"id\":1,\"stream\":\"s\",\"format\":\"json\",\"labels\":[" LABELS_17 "],\"lake_path\":\"p\"}",
        "rendering: 17 labels, at most 16"},
    {"{\"id\":1,\"stream\":\"s\",\"format\":\"json\",\"labels\":[\"a\"],\"lake_path\":2}",
        "rendering: member \"lake_path\" has a wrong type"},
    {WITH("\"topics\":\"T\""), "rendering: member \"topics\" has a wrong type"},
    {WITH("\"topics\":[\"T\",null]"), "rendering: topic 1 is no string"},
    {WITH("\"topics\":[" LABELS_17 "]"), "rendering: 17 topics, at most 16"},
    {WITH("\"value\":1"), "rendering: member \"value\" has a wrong type"},
    {WITH("\"value\":\"avro\""), "rendering: value \"avro\" is not known"},
    {WITH("\"headers\":{}"), "rendering: member \"headers\" has a wrong type"},
    {WITH("\"headers\":[" LABELS_17 "]"), "rendering: 17 headers, at most 16"},
    {WITH("\"headers\":[1]"), "rendering: header 0 has no name or no label"},
    {WITH("\"headers\":[{\"name\":\"h\",\"label\":0},{\"name\":\"h\"}]"),
        "rendering: header 1 has no name or no label"},
    {WITH("\"headers\":[{\"name\":1,\"label\":0}]"), "rendering: header 0 has no name or no label"},
    {WITH("\"headers\":[{\"name\":\"h\",\"label\":\"a\"}]"), "rendering: header 0 has no name or no label"},
    {WITH("\"headers\":[{\"name\":\"h\",\"label\":1}]"), "rendering: header 0: label 1 of 1"},
    {WITH("\"headers\":[{\"name\":\"h\",\"label\":-1}]"), "rendering: header 0: label -1 of 1"},
    {"{\"id\":1,\"stream\":\"s\",\"format\":\"json\",\"labels\":[\"a\"],\"lake_path\":\"p\",\"superseded_at\":true}",
        "rendering: member \"superseded_at\" has a wrong type"},
};

Test(rendering, decode_says_what_is_wrong)
{
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct rendering *rendering = NULL;
        struct error error;

        cr_assert_eq(
            rendering_decode(wrong[i].body, strlen(wrong[i].body), &rendering, &error), -1, "case %zu", i);
        cr_assert_null(rendering);
        cr_assert_eq(error.kind, ERROR_REJECT);
        cr_assert_eq(strncmp(error.text, wrong[i].error, strlen(wrong[i].error)), 0, "%s", error.text);
    }
}

Test(rendering, decode_ignores_members_of_later_versions)
{
    static const char body[] =
        "{\"id\":1,\"stream\":\"s\",\"format\":\"json\",\"labels\":[],\"lake_path\":\"p\","
        "\"partitions\":[\"P\"]}";
    struct rendering *rendering;
    struct error error;

    cr_assert_eq(rendering_decode(body, sizeof body - 1, &rendering, &error), 0);
    cr_assert_eq(rendering->labels_count, 0);
    rendering_free(&rendering);
}

Test(rendering, one_of_an_older_version_has_no_topics)
{
    static const char body[] =
        "{\"id\":1,\"stream\":\"s\",\"format\":\"json\",\"labels\":[\"a\"],\"lake_path\":\"p\"}";
    struct rendering *rendering;
    struct error error;

    cr_assert_eq(rendering_decode(body, sizeof body - 1, &rendering, &error), 0);
    cr_assert_eq(rendering->topics_count, 0);
    cr_assert_eq(rendering->value, RECORD_VALUE_PAYLOAD);
    cr_assert_eq(rendering->headers_count, 0);
    rendering_free(&rendering);
}

static char topic_a[] = "INGESTION", topic_b[] = "SENSOR_ID_{key}", name_a[] = "Host", name_b[] = "type";

/* sample() with all that Kafka needs. */
static struct rendering sample_topics(uint32_t id)
{
    struct rendering rendering = sample(id, "readings", path_a);

    rendering.topics[0] = topic_a;
    rendering.topics[1] = topic_b;
    rendering.topics_count = 2;
    rendering.value = RECORD_VALUE_ENVELOPE;
    rendering.headers[0] = (struct rendering_header){name_a, 1};
    rendering.headers[1] = (struct rendering_header){name_b, 0};
    rendering.headers_count = 2;
    return rendering;
}

#define TOPICS_JSON                                                                                    \
    "{\"id\":7,\"stream\":\"readings\",\"format\":\"json\",\"labels\":[\"event_type\",\"host\"],"      \
    "\"lake_path\":\"a/{key}\",\"topics\":[\"INGESTION\",\"SENSOR_ID_{key}\"],\"value\":\"envelope\"," \
    "\"headers\":[{\"name\":\"Host\",\"label\":1},{\"name\":\"type\",\"label\":0}]}"

Test(rendering, topics_value_and_headers_are_stored)
{
    struct rendering rendering = sample_topics(7);
    struct error error;
    cleanup_bytes struct bytes body;

    bytes_init(&body, 4096);
    cr_assert_eq(rendering_encode(&rendering, &body, &error), 0);
    cr_assert(slice_is(bytes_slice(&body), TOPICS_JSON), "%.*s", (int)body.length, body.data);
}

Test(rendering, topics_value_and_headers_are_read_back)
{
    struct rendering *again;
    struct error error;

    cr_assert_eq(rendering_decode(TOPICS_JSON, strlen(TOPICS_JSON), &again, &error), 0);
    cr_assert_eq(again->topics_count, 2);
    cr_assert_str_eq(again->topics[0], "INGESTION");
    cr_assert_str_eq(again->topics[1], "SENSOR_ID_{key}");
    cr_assert_eq(again->value, RECORD_VALUE_ENVELOPE);
    cr_assert_eq(again->headers_count, 2);
    cr_assert_str_eq(again->headers[0].name, "Host");
    cr_assert_eq(again->headers[0].label, 1);
    cr_assert_str_eq(again->headers[1].name, "type");
    cr_assert_eq(again->headers[1].label, 0);
    rendering_free(&again);
}

/* ---- the table -------------------------------------------------------------------------------------------- */

static struct rendering_table *new_table(void)
{
    struct rendering_table *table;
    struct error error;

    cr_assert_eq(rendering_table_new(&table, &error), 0);
    return table;
}

static void apply_rendering(
    struct rendering_table *table, const struct rendering *rendering, uint64_t sequence)
{
    struct error error;
    cleanup_bytes struct bytes body;

    bytes_init(&body, 4096);
    cr_assert_eq(rendering_encode(rendering, &body, &error), 0);
    cr_assert_eq(rendering_apply(table, body.data, body.length, sequence, &error), 0, "%s", error.text);
}

static void apply(
    struct rendering_table *table, uint32_t id, const char *stream, char *path, uint64_t sequence)
{
    struct rendering rendering = sample(id, stream, path);

    apply_rendering(table, &rendering, sequence);
}

/* What rendering_dump() emitted. */
struct dumped {
    char bodies[8][512];
    size_t count;
    size_t fails_at;
};

static int dumped_take(void *context, const void *body, size_t length, struct error *error)
{
    struct dumped *dumped = context;

    if (dumped->count == dumped->fails_at)
        return error_set(error, ERROR_RETRY, "full");
    snprintf(
        dumped->bodies[dumped->count++], sizeof *dumped->bodies, "%.*s", (int)length, (const char *)body);
    return 0;
}

static struct dumped dump(struct rendering_table *table, uint64_t keep_from)
{
    struct dumped dumped = {.fails_at = SIZE_MAX};
    struct error error;

    cr_assert_eq(rendering_dump(table, keep_from, dumped_take, &dumped, &error), 0);
    return dumped;
}

Test(rendering_table, finds_by_id_whatever_the_order)
{
    struct rendering_table *table = new_table();

    apply(table, 5, "readings", path_a, 0);
    apply(table, 2, "events", path_a, 0);
    apply(table, 9, "unorganized", path_b, 0);
    cr_assert_str_eq(rendering_find(table, 2)->stream, "events");
    cr_assert_str_eq(rendering_find(table, 5)->stream, "readings");
    cr_assert_str_eq(rendering_find(table, 9)->stream, "unorganized");
    cr_assert_null(rendering_find(table, 0));
    cr_assert_null(rendering_find(table, 3));
    cr_assert_null(rendering_find(table, 10));
    rendering_table_free(&table);
    cr_assert_null(table);
    rendering_table_free(&table);
}

Test(rendering_table, same_id_again_replaces_nothing)
{
    struct rendering_table *table = new_table();

    apply(table, 1, "readings", path_a, 0);
    const struct rendering *first = rendering_find(table, 1);
    apply(table, 1, "readings", path_b, 10);
    cr_assert_eq(rendering_find(table, 1), first);
    cr_assert_str_eq(first->lake_path, "a/{key}");
    cr_assert_eq(dump(table, 100).count, 1);
    rendering_table_free(&table);
}

Test(rendering_table, addresses_stay_when_it_grows)
{
    struct rendering_table *table = new_table();

    apply(table, 1000, "readings", path_a, 0);
    const struct rendering *first = rendering_find(table, 1000);
    for (uint32_t id = 1; id < 200; id++)
        apply(table, id, "events", path_a, id);
    cr_assert_eq(rendering_find(table, 1000), first);
    rendering_table_free(&table);
}

Test(rendering_table, broken_body_changes_nothing)
{
    struct rendering_table *table = new_table();
    struct error error;

    cr_assert_eq(rendering_apply(table, "{}", 2, 0, &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert_eq(rendering_next_id(table), 1);
    rendering_table_free(&table);
}

Test(rendering_table, ids_go_on_behind_the_highest)
{
    struct rendering_table *table = new_table();

    cr_assert_eq(rendering_next_id(table), 1);
    apply(table, 7, "readings", path_a, 0);
    apply(table, 3, "events", path_a, 0);
    cr_assert_eq(rendering_next_id(table), 8);
    rendering_table_free(&table);
}

Test(rendering_table, equal_means_all_but_the_id_of_the_newest)
{
    struct rendering_table *table = new_table();
    struct rendering like = sample(0, "readings", path_a);

    cr_assert_eq(rendering_find_equal(table, &like), 0);
    apply(table, 3, "events", path_a, 0);
    cr_assert_eq(rendering_find_equal(table, &like), 0);
    apply(table, 4, "readings", path_a, 0);
    cr_assert_eq(rendering_find_equal(table, &like), 4);

    static char other[] = "other";
    struct rendering unlike = like;
    unlike.lake_path = path_b;
    cr_assert_eq(rendering_find_equal(table, &unlike), 0);
    unlike = like;
    unlike.format = RECORD_FORMAT_TEXT;
    cr_assert_eq(rendering_find_equal(table, &unlike), 0);
    unlike = like;
    unlike.labels_count = 1;
    cr_assert_eq(rendering_find_equal(table, &unlike), 0);
    unlike = like;
    unlike.labels[1] = other;
    cr_assert_eq(rendering_find_equal(table, &unlike), 0);

    /* a, b, a: the first a may be dropped from the next snapshot, so the third is a new one. */
    apply(table, 5, "readings", path_b, 20);
    cr_assert_eq(rendering_find_equal(table, &like), 0);
    rendering_table_free(&table);
}

Test(rendering_table, equal_means_topics_value_and_headers_too)
{
    struct rendering_table *table = new_table();
    struct rendering like = sample_topics(4);
    struct rendering unlike;

    apply_rendering(table, &like, 0);
    cr_assert_eq(rendering_find_equal(table, &like), 4);
    unlike = like;
    unlike.topics_count = 1;
    cr_assert_eq(rendering_find_equal(table, &unlike), 0);
    unlike = like;
    unlike.topics[1] = topic_a;
    cr_assert_eq(rendering_find_equal(table, &unlike), 0);
    unlike = like;
    unlike.value = RECORD_VALUE_PAYLOAD;
    cr_assert_eq(rendering_find_equal(table, &unlike), 0);
    unlike = like;
    unlike.headers_count = 1;
    cr_assert_eq(rendering_find_equal(table, &unlike), 0);
    unlike = like;
    unlike.headers[1].label = 1;
    cr_assert_eq(rendering_find_equal(table, &unlike), 0);
    unlike = like;
    unlike.headers[1].name = name_a;
    cr_assert_eq(rendering_find_equal(table, &unlike), 0);
    rendering_table_free(&table);
}

Test(rendering_table, dump_keeps_an_older_one_while_a_record_may_need_it)
{
    struct rendering_table *table = new_table();

    apply(table, 1, "readings", path_a, 0);
    apply(table, 2, "events", path_a, 10);
    apply(table, 3, "readings", path_b, 20); /* record 20 may still be of 1 */
    cr_assert_eq(dump(table, 0).count, 3);
    cr_assert_eq(dump(table, 20).count, 3);
    struct dumped dumped = dump(table, 21);
    cr_assert_eq(dumped.count, 2);
    cr_assert_not_null(strstr(dumped.bodies[0], "\"id\":2,"));
    cr_assert_not_null(strstr(dumped.bodies[1], "\"id\":3,"));
    rendering_table_free(&table);
}

Test(rendering_table, snapshot_carries_what_the_next_one_needs)
{
    struct rendering_table *table = new_table();
    struct rendering_table *again = new_table();
    struct error error;

    apply(table, 1, "readings", path_a, 0);
    apply(table, 2, "readings", path_b, 20);
    struct dumped dumped = dump(table, 5);
    cr_assert_eq(dumped.count, 2);
    cr_assert_not_null(strstr(dumped.bodies[0], "\"superseded_at\":20"));
    cr_assert_null(strstr(dumped.bodies[1], "superseded_at"));
    for (size_t i = 0; i < dumped.count; i++)
        cr_assert_eq(rendering_apply(again, dumped.bodies[i], strlen(dumped.bodies[i]), 500, &error), 0);
    cr_assert_eq(dump(again, 20).count, 2);
    cr_assert_eq(dump(again, 21).count, 1);
    struct rendering like = sample(0, "readings", path_a);
    cr_assert_eq(rendering_find_equal(again, &like), 0);
    like.lake_path = path_b;
    cr_assert_eq(rendering_find_equal(again, &like), 2);
    rendering_table_free(&table);
    rendering_table_free(&again);
}

Test(rendering_table, dump_stops_at_the_first_failure)
{
    struct rendering_table *table = new_table();
    struct dumped dumped = {.fails_at = 1};
    struct error error;

    apply(table, 1, "readings", path_a, 0);
    apply(table, 2, "events", path_a, 0);
    cr_assert_eq(rendering_dump(table, 0, dumped_take, &dumped, &error), -1);
    cr_assert_eq(error.kind, ERROR_RETRY);
    cr_assert_eq(dumped.count, 1);
    rendering_table_free(&table);
}
