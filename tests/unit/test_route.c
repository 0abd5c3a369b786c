/* route: selectors and streams, compiled from a configuration */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>

#include "route/route.h"
#include "route/selector.h"

#define COUNT(array) (sizeof array / sizeof *array)

/* ---- selectors --------------------------------------------------------------------------------------------- */

static const struct {
    const char *text;
    enum selector_source source;
    const char *name;
} selectors[] = {
    {"/sensor_id", SELECTOR_POINTER, "/sensor_id"},
    {"/", SELECTOR_POINTER, "/"},
    {"/a~1b/0", SELECTOR_POINTER, "/a~1b/0"},
    {"header:Host", SELECTOR_HEADER, "Host"},
    {"header:X!#$%&'*+-.^_`|~9", SELECTOR_HEADER, "X!#$%&'*+-.^_`|~9"},
    {"query:site", SELECTOR_QUERY, "site"},
    {"query:gr\xc3\xbc\xc3\x9f e", SELECTOR_QUERY, "gr\xc3\xbc\xc3\x9f e"},
    {"path:key", SELECTOR_PATH, "key"},
    {"topic:sensor_id", SELECTOR_TOPIC, "sensor_id"},
    {"topic:_9", SELECTOR_TOPIC, "_9"},
    {"topic:key", SELECTOR_TOPIC, "key"},
    {"mqtt:client_id", SELECTOR_MQTT, "client_id"},
    {"file:sensor_id", SELECTOR_FILE, "sensor_id"},
    {"line:sensor_id", SELECTOR_LINE, "sensor_id"},
    {"mqtt:payload_format", SELECTOR_MQTT, "payload_format"},
};

Test(selector, says_where_a_value_comes_from)
{
    for (size_t i = 0; i < COUNT(selectors); i++) {
        struct selector selector;
        struct error error;

        cr_assert_eq(selector_compile(&selector, selectors[i].text, &error), 0, "%s", error.text);
        cr_assert_eq(selector.source, selectors[i].source);
        cr_assert_str_eq(selector.name, selectors[i].name);
        selector_free(&selector);
        cr_assert_eq(selector.source, SELECTOR_NONE);
        cr_assert_null(selector.name);
    }
}

Test(selector, empty_is_none)
{
    struct selector selector;
    struct error error;

    cr_assert_eq(selector_compile(&selector, "", &error), 0);
    cr_assert_eq(selector.source, SELECTOR_NONE);
    selector_free(&selector);
}

#define ALLOWED \
    "allowed: /JSON/POINTER, header:NAME, query:NAME, path:key, topic:NAME, mqtt:NAME, file:NAME, line:NAME"
#define LEVEL \
    "a topic pattern calls no level so; allowed: 1 to 64 of the characters a-z 0-9 _, no digit in front"
#define LEVEL_65 "a2345678901234567890123456789012345678901234567890123456789012345"

static const struct {
    const char *text;
    const char *error; /* part of it */
} wrong_selectors[] = {
    {"sensor_id", "'sensor_id' does not say where the value comes from; " ALLOWED},
    {"topic", "'topic' does not say where the value comes from; " ALLOWED},
    {"cookie:name", ALLOWED},
    {"Header:Host", ALLOWED},
    {"header:", "'header:': a name of 1 to 256 bytes must follow 'header:'"},
    {"query:", "'query:': a name of 1 to 256 bytes must follow 'query:'"},
    {"header:Two Words", "'header:Two Words': byte 3 cannot stand in a header's name"},
    {"header:H\xc3\xb6st", "byte 1 cannot stand in a header's name"},
    {"query:a\x01", "the parameter's name: control character at byte 1"},
    {"path:stream", "'path:stream': the only part of the URL is path:key"},
    {"topic:", "'topic:': a name of 1 to 256 bytes must follow 'topic:'"},
    {"topic:Site", "'topic:Site': " LEVEL},
    {"topic:1st", "'topic:1st': " LEVEL},
    {"topic:{site}", "'topic:{site}': " LEVEL},
    {"topic:a/b", "'topic:a/b': " LEVEL},
    {"topic:" LEVEL_65, "'topic:" LEVEL_65 "': " LEVEL},
    {"file:a/b", "'file:a/b': a watch calls no part of a path so; allowed: "},
    {"line:A", "'line:A': no group of a pattern is called so; allowed: "},
    {"mqtt:clientid",
        "'mqtt:clientid': nothing of this name is known of a message; allowed: mqtt:client_id, mqtt:user, "
        "mqtt:topic, mqtt:qos, mqtt:retain, mqtt:dup, mqtt:will, mqtt:content_type, mqtt:response_topic, "
        "mqtt:correlation_data, mqtt:expiry, mqtt:payload_format"},
    {"mqtt:QOS", "'mqtt:QOS': nothing of this name"},
    {"/a~2", "JSON pointer '/a~2'"},
};

Test(selector, wrong_ones_say_what_is_allowed)
{
    for (size_t i = 0; i < COUNT(wrong_selectors); i++) {
        struct selector selector;
        struct error error;

        cr_assert_eq(selector_compile(&selector, wrong_selectors[i].text, &error), -1);
        cr_assert_eq(error.kind, ERROR_REJECT);
        cr_assert_not_null(strstr(error.text, wrong_selectors[i].error), "%s", error.text);
    }
}

Test(selector, names_have_a_longest_length)
{
    char text[7 + SELECTOR_NAME_MAX + 2] = "header:";
    struct selector selector;
    struct error error;

    memset(text + 7, 'x', SELECTOR_NAME_MAX + 1);
    text[7 + SELECTOR_NAME_MAX + 1] = '\0';
    cr_assert_eq(selector_compile(&selector, text, &error), -1);
    text[7 + SELECTOR_NAME_MAX] = '\0';
    cr_assert_eq(selector_compile(&selector, text, &error), 0);
    selector_free(&selector);
}

/* ---- streams ----------------------------------------------------------------------------------------------- */

static struct config *load(const char *const *sets, size_t count)
{
    struct config *config;
    struct error error;
    cleanup_bytes struct bytes text;

    bytes_init(&text, 64 * 1024);
    config_load(&config, NULL, sets, count);
    cr_assert_eq(config_print_errors(config, &text, &error), 0);
    cr_assert_eq(config_errors(config), 0, "%.*s", (int)text.length, text.data);
    return config;
}

static struct streams *compile(struct config *config)
{
    struct streams *streams;
    struct error error;

    cr_assert_eq(streams_compile(&streams, config, &error), 0, "%s", error.text);
    return streams;
}

Test(streams, default_ones_compile)
{
    struct config *config = load(NULL, 0);
    struct streams *streams = compile(config);
    const struct stream *readings = streams_find(streams, slice_of("readings"));
    const struct stream *unorganized = streams_find(streams, slice_of("unorganized"));

    cr_assert_eq(streams->count, 2);
    cr_assert_eq(readings->format, RECORD_FORMAT_JSON);
    cr_assert_eq(readings->key.source, SELECTOR_POINTER);
    cr_assert_str_eq(readings->key.name, "/sensor_id");
    cr_assert_eq(readings->time.source, SELECTOR_NONE);
    cr_assert_eq(readings->pointers_count, 1);
    cr_assert_eq(unorganized->format, RECORD_FORMAT_TEXT);
    cr_assert_eq(unorganized->key.source, SELECTOR_NONE);
    cr_assert_eq(unorganized->pointers_count, 0);
    cr_assert_null(streams_find(streams, slice_of("reading")));
    cr_assert_null(streams_find(streams, (struct slice){NULL, 0}));
    streams_free(&streams);
    cr_assert_null(streams);
    streams_free(&streams);
    config_free(&config);
}

static const char *const full[] = {
    "streams.game.key=/user",
    "streams.game.labels.event_type=/event_type",
    "streams.game.labels.host=header:Host",
    "streams.game.labels.who=/user",
    "streams.game.time.field=/created_at",
    "streams.game.time.past=2d",
    "streams.game.time.future=30s",
    "streams.game.lake.path=game/{host}/{event_type}/{who}/dt={time:%Y-%m-%d}",
};

Test(streams, each_pointer_is_kept_once)
{
    struct config *config = load(full, COUNT(full));
    struct streams *streams = compile(config);
    const struct stream *game = streams_find(streams, slice_of("game"));

    cr_assert_eq(game->pointers_count, 3);
    cr_assert_str_eq(game->pointers[game->key.index], "/user");
    cr_assert_str_eq(game->pointers[game->time.index], "/created_at");
    cr_assert_eq(game->labels_count, 3);
    cr_assert_str_eq(game->label_names[0], "event_type");
    cr_assert_str_eq(game->pointers[game->labels[0].index], "/event_type");
    cr_assert_eq(game->labels[1].source, SELECTOR_HEADER);
    cr_assert_eq(game->labels[2].index, game->key.index);
    cr_assert_eq(game->time_past, 2 * INT64_C(86400) * 1000000);
    cr_assert_eq(game->time_future, 30 * 1000000);
    streams_free(&streams);
    config_free(&config);
}

Test(streams, one_is_taken_away_and_the_others_stay)
{
    struct config *config = load(full, COUNT(full));
    struct streams *streams = compile(config);

    cr_assert_eq(streams->count, 3);
    streams_drop(streams, 0); /* readings: the others move up */
    cr_assert_eq(streams->count, 2);
    cr_assert_null(streams_find(streams, slice_of("readings")));
    cr_assert_eq(streams_find(streams, slice_of("unorganized"))->format, RECORD_FORMAT_TEXT);
    cr_assert_str_eq(streams_find(streams, slice_of("game"))->label_names[2], "who");
    streams_drop(streams, 1); /* the last one */
    cr_assert_eq(streams->count, 1);
    cr_assert_null(streams_find(streams, slice_of("game")));
    streams_drop(streams, 0); /* the only one */
    cr_assert_eq(streams->count, 0);
    cr_assert_null(streams_find(streams, slice_of("unorganized")));
    streams_free(&streams);
    config_free(&config);
}

Test(streams, every_format_of_the_configuration_is_known)
{
    static const char *const sets[] = {
        "streams.a.format=json", "streams.b.format=text", "streams.c.format=bytes"};
    struct config *config = load(sets, COUNT(sets));
    struct streams *streams = compile(config);

    cr_assert_eq(streams_find(streams, slice_of("a"))->format, RECORD_FORMAT_JSON);
    cr_assert_eq(streams_find(streams, slice_of("b"))->format, RECORD_FORMAT_TEXT);
    cr_assert_eq(streams_find(streams, slice_of("c"))->format, RECORD_FORMAT_BYTES);
    streams_free(&streams);
    config_free(&config);
}

Test(streams, rendering_is_what_will_be_stored)
{
    struct config *config = load(full, COUNT(full));
    struct streams *streams = compile(config);
    struct rendering *rendering;
    struct error error;

    cr_assert_eq(stream_rendering(streams_find(streams, slice_of("game")), &rendering, &error), 0);
    streams_free(&streams);
    config_free(&config);
    cr_assert_eq(rendering->id, 0);
    cr_assert_str_eq(rendering->stream, "game");
    cr_assert_eq(rendering->format, RECORD_FORMAT_JSON);
    cr_assert_eq(rendering->labels_count, 3);
    cr_assert_str_eq(rendering->labels[2], "who");
    cr_assert_str_eq(rendering->lake_path, "game/{host}/{event_type}/{who}/dt={time:%Y-%m-%d}");
    rendering_free(&rendering);
}

/* ---- topics, value, headers -------------------------------------------------------------------------------- */

static const char *const to_kafka[] = {
    "streams.game.labels.event_type=/event_type",
    "streams.game.labels.host=header:Host",
    "streams.game.topics=[INGESTION, \"SENSOR_ID_{key}\", INGESTION, \"{stream}.all\", \"SENSOR_ID_{key}\", \"{host}\"]",
    "streams.game.value=envelope",
    "streams.game.headers.Host=host",
    "streams.game.headers.type=event_type",
    "streams.game.headers.type2=event_type",
    "streams.lines.format=text",
    "streams.lines.value=envelope",
    "streams.lines.topics=LINES",
};

Test(streams, topics_that_vary_have_templates)
{
    struct config *config = load(to_kafka, COUNT(to_kafka));
    struct streams *streams = compile(config);
    const struct stream *game = streams_find(streams, slice_of("game"));
    const struct stream *lines = streams_find(streams, slice_of("lines"));
    const struct stream *readings = streams_find(streams, slice_of("readings"));
    static const char *const topics[] = {"INGESTION", "SENSOR_ID_{key}", "{stream}.all", "{host}"};
    static const bool varies[] = {false, true, false, true};

    cr_assert_eq(game->topics_count, COUNT(topics));
    for (size_t i = 0; i < COUNT(topics); i++) {
        cr_assert_str_eq(game->topics[i], topics[i]);
        cr_assert_eq(game->topic_templates[i] != NULL, varies[i], "%s", topics[i]);
    }
    cr_assert_eq(lines->topics_count, 1);
    cr_assert_null(lines->topic_templates[0]);
    cr_assert_eq(readings->topics_count, 0);
    streams_free(&streams);
    config_free(&config);
}

Test(streams, templates_of_topics_know_the_streams_labels)
{
    struct config *config = load(to_kafka, COUNT(to_kafka));
    struct streams *streams = compile(config);
    const struct stream *game = streams_find(streams, slice_of("game"));
    struct record record = {
        .labels = {slice_of("buy"), slice_of("user1.comcast.com")}, .labels_count = 2, .key = slice_of("k")};
    struct error error;
    cleanup_bytes struct bytes topic;

    bytes_init(&topic, TEMPLATE_TOPIC_MAX);
    cr_assert_eq(template_render_topic(game->topic_templates[3], "game", &record, &topic, &error), 0);
    cr_assert(slice_is(bytes_slice(&topic), "user1.comcast.com"));
    streams_free(&streams);
    config_free(&config);
}

Test(streams, sources_are_refused_for_letters_and_for_a_share)
{
    static const char *const sets[] = {"streams.readings.journal_share=30"};
    struct config *config = load(sets, COUNT(sets));
    struct streams *streams = compile(config);
    struct stream *readings = streams_find(streams, slice_of("readings"));
    struct routes routes = {.places = 0};
    _Atomic bool over = false;

    cr_assert_eq(readings->journal_share, 30);
    cr_assert_eq(streams_find(streams, slice_of("unorganized"))->journal_share, 0);
    cr_assert_not(streams_suspended(&routes, readings), "it has no share yet");
    readings->over_share = &over;
    cr_assert_not(streams_suspended(&routes, readings));
    over = true;
    cr_assert(streams_suspended(&routes, readings));
    cr_assert(stream_is_over_share(readings));
    cr_assert_not(streams_suspended(&routes, NULL));
    over = false;
    readings->suspended = true;
    cr_assert(streams_suspended(&routes, readings));
    cr_assert_not(stream_is_over_share(readings));
    routes.unmapped_suspended = true;
    cr_assert(streams_suspended(&routes, NULL));
    streams_free(&streams);
    config_free(&config);
}

Test(streams, value_and_headers_are_compiled)
{
    struct config *config = load(to_kafka, COUNT(to_kafka));
    struct streams *streams = compile(config);
    const struct stream *game = streams_find(streams, slice_of("game"));
    const struct stream *readings = streams_find(streams, slice_of("readings"));

    cr_assert_eq(game->value, RECORD_VALUE_ENVELOPE);
    cr_assert_eq(streams_find(streams, slice_of("lines"))->value, RECORD_VALUE_ENVELOPE);
    cr_assert_eq(readings->value, RECORD_VALUE_PAYLOAD);
    cr_assert_eq(readings->headers_count, 0);
    cr_assert_eq(readings->max_message, 0);
    cr_assert_not(readings->suspended);
    cr_assert_eq(game->headers_count, 3);
    cr_assert_str_eq(game->headers[0].name, "Host");
    cr_assert_eq(game->headers[0].label, 1);
    cr_assert_str_eq(game->headers[1].name, "type");
    cr_assert_eq(game->headers[1].label, 0);
    cr_assert_eq(game->headers[2].label, 0);
    streams_free(&streams);
    config_free(&config);
}

Test(streams, rendering_holds_what_kafka_needs)
{
    struct config *config = load(to_kafka, COUNT(to_kafka));
    struct streams *streams = compile(config);
    struct rendering *rendering;
    struct error error;

    cr_assert_eq(stream_rendering(streams_find(streams, slice_of("game")), &rendering, &error), 0);
    streams_free(&streams);
    config_free(&config);
    cr_assert_eq(rendering->topics_count, 4);
    cr_assert_str_eq(rendering->topics[0], "INGESTION");
    cr_assert_str_eq(rendering->topics[3], "{host}");
    cr_assert_eq(rendering->value, RECORD_VALUE_ENVELOPE);
    cr_assert_eq(rendering->headers_count, 3);
    cr_assert_str_eq(rendering->headers[0].name, "Host");
    cr_assert_eq(rendering->headers[0].label, 1);
    rendering_free(&rendering);
}

Test(streams, rendering_without_topics_is_what_older_versions_wrote)
{
    struct config *config = load(NULL, 0);
    struct streams *streams = compile(config);
    struct rendering *rendering;
    struct error error;
    cleanup_bytes struct bytes body;

    bytes_init(&body, 4096);
    cr_assert_eq(stream_rendering(streams_find(streams, slice_of("readings")), &rendering, &error), 0);
    rendering->id = 1;
    cr_assert_eq(rendering_encode(rendering, &body, &error), 0);
    cr_assert(
        slice_is(bytes_slice(&body), "{\"id\":1,\"stream\":\"readings\",\"format\":\"json\",\"labels\":[],"
                                     "\"lake_path\":\"{stream}\"}"),
        "%.*s", (int)body.length, body.data);
    rendering_free(&rendering);
    streams_free(&streams);
    config_free(&config);
}

/* ---- errors ------------------------------------------------------------------------------------------------ */

/* All in one configuration: none hides another. */
static const char *const wrong[] = {
    "streams.bad.key=sensor_id",
    "streams.bad.labels.site=topic:Site",
    "streams.bad.labels.client=mqtt:client",
    "streams.bad.time.field=header:Date",
    "streams.bad.time.format=%d",
    "streams.bad.time.zone=CET",
    "streams.bad.lake.path=a//{nope}",
    "streams.worse.time.field=/~",
    "streams.worse.time.zone=+01:00",
    "streams.worse.lake.path={site}",
    "streams.worse.headers.Host=host",
    "streams.keyless.dedupe.sequence=/seq",
    "streams.numbers.key=/id",
    "streams.numbers.dedupe.sequence=seq",
    "streams.timeless.time.format=%d.%m. %H:%M",
    "streams.topics.topics=[good, \"a b\", \"{stream}{stream}{stream}{stream}{stream}"
    "{stream}{stream}{stream}{stream}{stream}{stream}{stream}{stream}{stream}{stream}{stream}{stream}"
    "{stream}{stream}{stream}{stream}{stream}{stream}{stream}{stream}{stream}{stream}{stream}{stream}"
    "{stream}{stream}{stream}{stream}{stream}{stream}{stream}{stream}{stream}{stream}{stream}{stream}{stream}\", \"{site}\"]",
    "streams.topics.labels.host=header:Host",
    "streams.topics.labels.type=/type",
    "streams.topics.headers.Host=hots",
    "streams.topics.headers.penstock-id=host",
    "streams.topics.headers.penstock-origin=host",
    "streams.topics.headers.penstock-schema=host",
    "streams.lines.format=text",
    "streams.lines.schema=reading.v1",
};

static const char *const reports[] = {
    "--set streams.bad.key: 'sensor_id' does not say where the value comes from",
    "--set streams.bad.labels.site: 'topic:Site': a topic pattern calls no level so; allowed: 1 to 64",
    "--set streams.bad.labels.client: 'mqtt:client': nothing of this name is known of a message; allowed: mqtt:client_id",
    "--set streams.bad.time.field: 'header:Date' is no JSON pointer, as in /created_at, and no line:NAME",
    "--set streams.bad.time.format: '%d': month, day, hour and minute have to be in it",
    "--set streams.bad.time.zone: 'CET' is no zone: UTC, local, or an offset such as +01:00",
    "--set streams.bad.lake.path: path template 'a//{nope}': {nope} is not known",
    "--set streams.worse.time.zone: needs a format; RFC 3339 says the zone itself",
    "--set streams.worse.time.field: JSON pointer '/~'",
    "--set streams.worse.lake.path: path template '{site}': {site} is not known",
    "--set streams.worse.headers.Host: 'host' is no label, the stream has none; add it below streams.worse.labels",
    "--set streams.keyless.dedupe.sequence: needs a key: the sequence numbers are counted for each; add streams.keyless.key",
    "--set streams.numbers.dedupe.sequence: 'seq' does not say where the value comes from",
    "--set streams.timeless.time.format: needs a field, where such times are found",
    "streams.topics.topics: topic template 'a b': ' ' cannot stand in a topic: allowed are A-Z a-z 0-9 . _ -",
    "...\" of 252 bytes: Kafka takes at most 249",
    "streams.topics.topics: topic template '{site}': {site} is not known; allowed are",
    "--set streams.topics.headers.Host: 'hots' is no label of the stream; its labels are host, type",
    "--set streams.topics.headers.penstock-id: every record gets penstock-id from the gateway itself; choose another",
    "--set streams.topics.headers.penstock-origin: every record gets penstock-origin from the gateway itself",
    "--set streams.topics.headers.penstock-schema: every record gets penstock-schema from the gateway itself",
    "--set streams.lines.schema: needs records of JSON, but the stream's format is text; take one of them away",
};

Test(streams, everything_wrong_is_reported_at_its_place)
{
    struct config *config = load(wrong, COUNT(wrong));
    struct streams *streams = NULL;
    struct error error;
    cleanup_bytes struct bytes text;

    cr_assert_eq(streams_compile(&streams, config, &error), -1);
    cr_assert_null(streams);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert_str_eq(error.text, "streams: 22 errors in the configuration");
    cr_assert_eq(config_errors(config), COUNT(reports));
    bytes_init(&text, 64 * 1024);
    cr_assert_eq(config_print_errors(config, &text, &error), 0);
    cr_assert_eq(bytes_add(&text, "", 1, &error), 0);
    for (size_t i = 0; i < COUNT(reports); i++)
        cr_assert_not_null(strstr(text.data, reports[i]), "not found: %s\nin: %s", reports[i], text.data);
    config_free(&config);
}
