/* config: lists of texts, and maps whose names the user chooses: topics, headers, Kafka's properties and their files */
#include <criterion/criterion.h>

#include <stdlib.h>

#include "base/option.h"
#include "config_harness.h"

TestSuite(config_maps, .init = config_harness_enter, .fini = config_harness_leave);

static const struct config_stream *stream_of(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->streams_count; i++)
        if (!strcmp(config->streams[i].name, name))
            return &config->streams[i];
    cr_assert_fail("no stream %s", name);
    return NULL;
}

static void assert_pair(const struct config_map *map, size_t index, const char *name, const char *value)
{
    cr_assert_lt(index, map->count, "%s", name);
    cr_assert_str_eq(map->items[index].name, name);
    cr_assert_str_eq(map->items[index].value, value);
}

/* ---- what is right ----------------------------------------------------------------------------------------- */

Test(config_maps, defaults)
{
    struct config *config;

    cr_assert_eq(config_load(&config, NULL, NULL, 0), 0);
    config_harness_expect_none(config);
    cr_assert_eq(config->kafka.properties.count, 0);
    cr_assert_eq(config->kafka.files.count, 0);
    cr_assert_str_eq(config->kafka.delivery, "at-least-once");
    cr_assert_eq(config->kafka.transaction_every, 250000);
    cr_assert_eq(config->kafka.max_topics, 1000);
    cr_assert_str_eq(config->kafka.unwritable_topic, "hold");
    cr_assert_eq(config->kafka.hold_retry, 10000000);
    cr_assert_eq(config->kafka.create_topics.partitions, 0);
    cr_assert_eq(config->kafka.create_topics.replication, 0);
    cr_assert_eq(config->dead_letters.quota, UINT64_C(64) << 20);
    cr_assert(config->lake.enabled);
    for (size_t i = 0; i < config->streams_count; i++) {
        cr_assert_eq(config->streams[i].topics.count, 0);
        cr_assert_str_eq(config->streams[i].value, "payload");
        cr_assert_eq(config->streams[i].headers.count, 0);
    }
    config_free(&config);
}

Test(config_maps, a_file_fills_them)
{
    struct config *config =
        config_harness_load("kafka:\n"
                            "  properties: {bootstrap.servers: \"a:9092,b:9092\", linger.ms: 5, a_b-c: }\n"
                            "  files: {sasl.password: /etc/password}\n"
                            "  create_topics: {partitions: 12, replication: 3}\n"
                            "lake: {enabled: false}\n"
                            "streams:\n"
                            "  events:\n"
                            "    topics: [INGESTION, \"SENSOR_ID_{key}\"]\n"
                            "    value: envelope\n"
                            "    headers: {User-Agent: agent, \"x:y\": kind}\n");

    config_harness_expect_errors(config,
        "p.yaml:2:73: kafka.properties.a_b-c: found nothing; allowed: up to 64 of PROPERTY: its value\n");
    config =
        config_harness_load("kafka:\n"
                            "  properties: {bootstrap.servers: \"a:9092,b:9092\", linger.ms: 5, a_b-c: ''}\n"
                            "  files: {sasl.password: /etc/password}\n"
                            "  create_topics: {partitions: 12, replication: 3}\n"
                            "lake: {enabled: false}\n"
                            "streams:\n"
                            "  events:\n"
                            "    topics: [INGESTION, \"SENSOR_ID_{key}\"]\n"
                            "    value: envelope\n"
                            "    headers: {User-Agent: agent, \"x:y\": kind}\n");
    config_harness_expect_none(config);
    cr_assert_eq(config->kafka.properties.count, 3);
    assert_pair(&config->kafka.properties, 0, "bootstrap.servers", "a:9092,b:9092");
    assert_pair(&config->kafka.properties, 1, "linger.ms", "5");
    assert_pair(&config->kafka.properties, 2, "a_b-c", "");
    cr_assert_eq(config->kafka.files.count, 1);
    assert_pair(&config->kafka.files, 0, "sasl.password", "/etc/password");
    cr_assert_eq(config->kafka.create_topics.partitions, 12);
    cr_assert_eq(config->kafka.create_topics.replication, 3);
    cr_assert(!config->lake.enabled);
    const struct config_stream *events = stream_of(config, "events");
    cr_assert_eq(events->topics.count, 2);
    cr_assert_str_eq(events->topics.items[0], "INGESTION");
    cr_assert_str_eq(events->topics.items[1], "SENSOR_ID_{key}");
    cr_assert_str_eq(events->value, "envelope");
    cr_assert_eq(events->headers.count, 2);
    assert_pair(&events->headers, 0, "User-Agent", "agent");
    assert_pair(&events->headers, 1, "x:y", "kind");
    config_free(&config);
}

Test(config_maps, topics_may_be_none_or_one)
{
    setenv("TEST_NONE", "", 1);
    struct config *config = config_harness_load("streams:\n"
                                                "  a: {topics: []}\n"
                                                "  b: {topics: \"\"}\n"
                                                "  c: {topics: \"${TEST_NONE}\"}\n"
                                                "  d: {topics: \"{stream}\"}\n");

    config_harness_expect_none(config);
    cr_assert_eq(stream_of(config, "a")->topics.count, 0);
    cr_assert_eq(stream_of(config, "b")->topics.count, 0);
    cr_assert_eq(stream_of(config, "c")->topics.count, 0);
    cr_assert_eq(stream_of(config, "d")->topics.count, 1);
    cr_assert_str_eq(stream_of(config, "d")->topics.items[0], "{stream}");
    config_free(&config);
}

Test(config_maps, set_goes_before_the_file_entry_by_entry)
{
    static const char *const sets[] = {"kafka.properties.bootstrap.servers=b:1,c:2",
        "kafka.properties.ssl.ca.location=/a=b", "kafka.properties.linger.ms=7",
        "kafka.properties.linger.ms=8", "kafka.files.ssl.key.pem=/k", "streams.events.topics=[A,\"B_{key}\"]",
        "streams.events.headers.a.b=kind", "streams.readings.topics={stream}",
        "streams.none.topics=", "streams.other.headers={x.y: z}"};
    static const char text[] = "kafka: {properties: {bootstrap.servers: a:1, client.id: x}}\n"
                               "streams: {events: {topics: C, headers: {h: label}}, none: {topics: N}}\n";
    struct config *config;

    config_harness_write(text, sizeof text - 1);
    cr_assert_eq(config_load(&config, FILE_NAME, sets, COUNT(sets)), 0);
    config_harness_expect_none(config);
    cr_assert_eq(config->kafka.properties.count, 4);
    assert_pair(&config->kafka.properties, 0, "bootstrap.servers", "b:1,c:2");
    assert_pair(&config->kafka.properties, 1, "client.id", "x");
    assert_pair(&config->kafka.properties, 2, "ssl.ca.location", "/a=b");
    assert_pair(&config->kafka.properties, 3, "linger.ms", "8");
    assert_pair(&config->kafka.files, 0, "ssl.key.pem", "/k");
    const struct config_stream *events = stream_of(config, "events");
    cr_assert_eq(events->topics.count, 2);
    cr_assert_str_eq(events->topics.items[1], "B_{key}");
    assert_pair(&events->headers, 0, "h", "label");
    assert_pair(&events->headers, 1, "a.b", "kind");
    cr_assert_str_eq(stream_of(config, "readings")->topics.items[0], "{stream}");
    cr_assert_eq(stream_of(config, "none")->topics.count, 0);
    assert_pair(&stream_of(config, "other")->headers, 0, "x.y", "z");
    config_free(&config);
}

Test(config_maps, set_replaces_a_whole_map)
{
    static const char *const sets[] = {"kafka.properties={linger.ms: 1}", "kafka.files={}"};
    static const char text[] = "kafka: {properties: {a.b: c}, files: {d: e}}\n";
    struct config *config;

    config_harness_write(text, sizeof text - 1);
    cr_assert_eq(config_load(&config, FILE_NAME, sets, COUNT(sets)), 0);
    config_harness_expect_none(config);
    cr_assert_eq(config->kafka.properties.count, 1);
    assert_pair(&config->kafka.properties, 0, "linger.ms", "1");
    cr_assert_eq(config->kafka.files.count, 0);
    config_free(&config);
}

Test(config_maps, a_property_may_have_lines)
{
    struct config *config = config_harness_load("kafka:\n"
                                                "  properties:\n"
                                                "    ssl.ca.pem: |\n"
                                                "      -----BEGIN CERTIFICATE-----\n"
                                                "      MIIB\n"
                                                "      -----END CERTIFICATE-----\n");

    config_harness_expect_none(config);
    assert_pair(&config->kafka.properties, 0, "ssl.ca.pem",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    config_free(&config);
}

/* ---- what is wrong ----------------------------------------------------------------------------------------- */

struct wrong {
    const char *text; /* of the file, or one --set */
    const char *errors;
};

#define KAFKA_NAMES \
    "properties, files, delivery, transaction_every, max_topics, unwritable_topic, hold_retry, create_topics"
#define STREAM_NAMES \
    "format, key, labels, dedupe, time, key_rate, schema, schema_invalid, topics, value, headers, ack, journal_share, lake"
#define PROPERTY "found a property of this name; allowed: 1 to 128 of the characters a-z 0-9 . _ -\n"
#define HEADER "found a header of this name; allowed: 1 to 128 of the printable ASCII characters, no blanks\n"
#define TOPICS "allowed: up to 16 topics with {stream}, {key}, {time:FORMAT} or {LABEL} in them\n"
#define NAME_128                                                       \
    "a234567890123456789012345678901234567890123456789012345678901234" \
    "a234567890123456789012345678901234567890123456789012345678901234"

static const struct wrong wrong_files[] = {
    {"kafka: {propertys: {}}\n", "p.yaml:1:9: unknown option \"propertys\"; allowed in kafka: " KAFKA_NAMES
                                 "; did you mean \"kafka.properties\"?\n"},
    {"kafka: {max_topic: 1}\n", "p.yaml:1:9: unknown option \"max_topic\"; allowed in kafka: " KAFKA_NAMES
                                "; did you mean \"kafka.max_topics\"?\n"},
    {"kafka: {properties: {Linger.ms: 1, \"\": 2, \"a b\": 3}}\n",
        "p.yaml:1:22: kafka.properties.Linger.ms: " PROPERTY "p.yaml:1:36: kafka.properties.: " PROPERTY
        "p.yaml:1:43: kafka.properties.a b: " PROPERTY},
    {"kafka: {properties: {" NAME_128 ": 1}}\n", ""},
    {"kafka: {properties: {" NAME_128 "5: 1}}\n", "p.yaml:1:22: kafka.properties." NAME_128 "5: " PROPERTY},
    {"kafka: {properties: {a.b: 1, c: 2, a.b: 3}}\n",
        "p.yaml:1:36: kafka.properties.a.b: found twice, first at line 1, column 22; allowed: once\n"},
    {"kafka: {properties: [a]}\n",
        "p.yaml:1:21: kafka.properties: found a list; allowed: up to 64 of PROPERTY: its value\n"},
    {"kafka: {properties: {sasl: {username: x}}}\n",
        "p.yaml:1:28: kafka.properties.sasl: found a mapping; allowed: up to 64 of PROPERTY: its value\n"},
    {"kafka: {properties: {client.id: \"a\\tb\"}}\n",
        "p.yaml:1:33: kafka.properties.client.id: found \"a\\tb\"; allowed: up to 64 of PROPERTY: its value\n"},
    {"kafka: {files: {client.id: \"\", a: \"b\\nc\"}}\n",
        "p.yaml:1:28: kafka.files.client.id: found \"\"; allowed: up to 64 of PROPERTY: a file\n"
        "p.yaml:1:35: kafka.files.a: found \"b\\nc\"; allowed: up to 64 of PROPERTY: a file\n"},
    {"kafka: {unwritable_topic: dead_letter, hold_retry: 99ms, max_topics: 0}\n",
        "p.yaml:1:27: kafka.unwritable_topic: found \"dead_letter\"; allowed: hold, dead-letter; did you mean "
        "\"dead-letter\"?\n"
        "p.yaml:1:52: kafka.hold_retry: found \"99ms\"; allowed: a time from 100ms to 1h\n"
        "p.yaml:1:70: kafka.max_topics: found \"0\"; allowed: a number of topics from 1 to 100000\n"},
    {"kafka: {create_topics: {partitions: 100001, replication: 101}}\n",
        "p.yaml:1:37: kafka.create_topics.partitions: found \"100001\"; allowed: a number of partitions from 1 to "
        "100000, or 0: never\n"
        "p.yaml:1:58: kafka.create_topics.replication: found \"101\"; allowed: a number of replicas from 1 to 100, or "
        "0: the broker's default\n"},
    {"dead_letters: {quota: 64KB}\nlake: {enabled: 1}\n",
        "p.yaml:1:23: dead_letters.quota: found \"64KB\"; allowed: a size from 64KiB to 1TiB\n"
        "p.yaml:2:17: lake.enabled: found \"1\"; allowed: true, false\n"},
    {"streams: {a: {headers: {\"a b\": c, \"\xc3\xa4\": d, \"\": e}}}\n",
        "p.yaml:1:25: streams.a.headers.a b: " HEADER "p.yaml:1:35: streams.a.headers.\xc3\xa4: " HEADER
        "p.yaml:1:43: streams.a.headers.: " HEADER},
    {"streams: {a: {headers: {" NAME_128 ": a}}}\n", ""},
    {"streams: {a: {headers: {h: \"\"}}}\n",
        "p.yaml:1:28: streams.a.headers.h: found \"\"; allowed: up to 16 of HEADER: the name of a label\n"},
    {"streams: {a: {headers: {a: l, b: l, c: l, d: l, e: l, f: l, g: l, h: l, i: l, j: l, k: l, l: l, m: l, n: l, o: l, "
     "p: l, Q: l}}}\n",
        "p.yaml:1:121: streams.a.headers.Q: found one header more; allowed: 16\n"},
    {"streams: {a: {topics: [a, \"\", [b]]}}\n", "p.yaml:1:27: streams.a.topics: found \"\"; " TOPICS
                                                 "p.yaml:1:31: streams.a.topics: found a list; " TOPICS},
    {"streams: {a: {topics: }}\n", "p.yaml:1:23: streams.a.topics: found nothing; " TOPICS},
    {"streams: {a: {topics: {stream}}}\n", "p.yaml:1:23: streams.a.topics: found a mapping; " TOPICS},
    {"streams: {a: {topics: [a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p]}}\n", ""},
    {"streams: {a: {topics: [a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q]}}\n",
        "p.yaml:1:23: streams.a.topics: found a list of 17; allowed: 0 to 16 texts\n"},
    {"streams: {a: {value: envelop}}\n", "p.yaml:1:22: streams.a.value: found \"envelop\"; allowed: payload, "
                                         "envelope; did you mean \"envelope\"?\n"},
    {"streams:\n  a:\n    topics: [A, B_{key}]\n",
        "p.yaml:3:19: not YAML: did not find expected ',' or ']' (while parsing a flow sequence that began at line 3, "
        "column 13); put quotes around a value with { } [ ] or , in it\n"},
};

Test(config_maps, wrong_files)
{
    for (size_t i = 0; i < COUNT(wrong_files); i++)
        config_harness_expect_errors(config_harness_load(wrong_files[i].text), wrong_files[i].errors);
}

static const struct wrong wrong_sets[] = {
    {"kafka.property.linger.ms=5",
        "--set kafka.property.linger.ms: unknown option \"property\"; allowed in kafka: " KAFKA_NAMES
        "; did you mean \"kafka.properties\"?\n"},
    {"kafka=a:9092", "--set kafka: found one value; allowed: a mapping with " KAFKA_NAMES "\n"},
    {"kafka.properties=a:9092",
        "--set kafka.properties: found a text; allowed: up to 64 of PROPERTY: its value\n"},
    {"kafka.properties.linger.ms",
        "--set kafka.properties.linger.ms: found no value; allowed: --set NAME=VALUE\n"},
    {"kafka.properties.LINGER.ms=5", "--set kafka.properties.LINGER.ms: " PROPERTY},
    {"streams.a.headers.a b=c", "--set streams.a.headers.a b: " HEADER},
    {"streams.a.labels.b.c=/d",
        "--set streams.a.labels.b.c: found a label of this name; allowed: 1 to 64 of the characters a-z 0-9 _, no "
        "digit in front, and not stream, key, time, time_source, schema_result\n"},
    {"streams.a.header.b=c",
        "--set streams.a.header.b: unknown option \"header\"; allowed in streams.a: " STREAM_NAMES
        "; did you mean \"streams.a.headers\"?\n"},
    {"streams.a.topics=[A,B_{key}]",
        "--set streams.a.topics: not YAML: did not find expected ',' or ']'; put quotes around a value with { } [ ] or "
        ", in it\n"},
};

Test(config_maps, wrong_sets)
{
    for (size_t i = 0; i < COUNT(wrong_sets); i++)
        config_harness_expect_errors(config_harness_load_set(wrong_sets[i].text), wrong_sets[i].errors);
}

Test(config_maps, so_many_properties)
{
    struct error error;
    struct config *config;
    cleanup_bytes struct bytes text;

    bytes_init(&text, 65536);
    cr_assert_eq(bytes_add_text(&text, "kafka:\n  properties:\n", &error), 0);
    for (int i = 0; i < OPTION_PROPERTIES_MAX; i++)
        cr_assert_eq(bytes_print(&text, &error, "    p.%d: x\n", i), 0);
    config_harness_write(text.data, text.length);
    cr_assert_eq(config_load(&config, FILE_NAME, NULL, 0), 0);
    config_harness_expect_none(config);
    cr_assert_eq(config->kafka.properties.count, OPTION_PROPERTIES_MAX);
    config_free(&config);

    static const char *const sets[] = {"kafka.properties.p.0=y", "kafka.properties.one.more=y"};
    cr_assert_eq(config_load(&config, FILE_NAME, sets, COUNT(sets)), 0);
    config_harness_expect_errors(
        config, "--set kafka.properties.one.more: found one property more; allowed: 64\n");
}

Test(config_maps, later_stages_report_at_the_item)
{
    static const char *const sets[] = {"kafka.properties.linger.ms=x", "streams.set.topics=[A,B]"};
    static const char text[] = "kafka:\n"
                               "  properties:\n"
                               "    acks: 0\n"
                               "  files: {sasl.password: /none}\n"
                               "streams:\n"
                               "  events:\n"
                               "    topics: [A, \"B{no}\"]\n"
                               "    headers: {Host: hots}\n"
                               "  one: {topics: \"{no}\"}\n";
    struct config *config;

    config_harness_write(text, sizeof text - 1);
    cr_assert_eq(config_load(&config, FILE_NAME, sets, COUNT(sets)), 0);
    config_harness_expect_none(config);
    config_report(config, &config->kafka.properties.items[0].value, "a");
    config_report(config, &config->kafka.properties.items[1].value, "b");
    config_report(config, &config->kafka.files.items[0].value, "c");
    config_report(config, &config->kafka.properties, "d");
    config_report(config, &stream_of(config, "events")->topics.items[1], "e");
    config_report(config, &stream_of(config, "events")->headers.items[0].value, "f");
    config_report(config, &stream_of(config, "one")->topics.items[0], "g");
    config_report(config, &stream_of(config, "set")->topics.items[1], "h");
    config_report(config, &stream_of(config, "readings")->topics, "i");
    config_harness_expect_errors(config, "p.yaml:3:5: kafka.properties: d\n"
                                         "p.yaml:3:11: kafka.properties.acks: a\n"
                                         "p.yaml:4:26: kafka.files.sasl.password: c\n"
                                         "p.yaml:7:17: streams.events.topics: e\n"
                                         "p.yaml:8:21: streams.events.headers.Host: f\n"
                                         "p.yaml:9:17: streams.one.topics: g\n"
                                         "--set kafka.properties.linger.ms: b\n"
                                         "--set streams.set.topics: h\n"
                                         "default of streams.readings.topics: i\n");
}

Test(config_maps, what_was_refused_is_not_reported_again)
{
    struct config *config =
        config_harness_load("kafka: {properties: {a: \"b\\tc\", d: e}}\nlog: {level: loud}\n");

    cr_assert_eq(config_errors(config), 2);
    config_report(config, &config->kafka.properties.items[0].value, "again");
    config_report(config, &config->log.level, "again");
    cr_assert_eq(config_errors(config), 2);
    config_report(config, &config->kafka.properties.items[1].value, "for the first time");
    cr_assert_eq(config_errors(config), 3);
    config_free(&config);
}

/* ---- printing ---------------------------------------------------------------------------------------------- */

static const char printed_file[] =
    "kafka:\n"
    "  properties: {bootstrap.servers: \"a:9092\", ssl.ca.pem: \"a\\nb$$\\n\"}\n"
    "  create_topics: {partitions: 3}\n"
    "streams:\n"
    "  events:\n"
    "    topics: [A, \"B_{key}\"]\n"
    "    headers: {Host: host, User-Agent: agent, '\"#$\\': x}\n";

static const char printed_kafka[] = "kafka:\n"
                                    "  properties:\n"
                                    "    bootstrap.servers: \"a:9092\"         # p.yaml:2\n"
                                    "    ssl.ca.pem: \"a\\nb$$\\n\"              # p.yaml:2\n"
                                    "  files: {}                             # default\n"
                                    "  delivery: at-least-once               # default\n"
                                    "  transaction_every: 250ms              # default\n"
                                    "  max_topics: 1000                      # default\n"
                                    "  unwritable_topic: hold                # default\n"
                                    "  hold_retry: 10s                       # default\n"
                                    "  create_topics:\n"
                                    "    partitions: 3                       # p.yaml:3\n"
                                    "    replication: 0                      # default\n"
                                    "lake:\n"
                                    "  enabled: true                         # default\n";
static const char printed_end[] = "    topics: [\"A\", \"B_{key}\"]            # p.yaml:6\n"
                                  "    value: payload                      # default\n"
                                  "    headers:\n"
                                  "      Host: \"host\"                      # p.yaml:7\n"
                                  "      User-Agent: \"agent\"               # p.yaml:7\n"
                                  "      \"\\\"#$\\\\\": \"x\"                     # p.yaml:7\n"
                                  "    ack:\n"
                                  "      level: fsync                      # default\n"
                                  "      outlets: []                       # default\n"
                                  "    journal_share: 0                    # default\n"
                                  "    lake:\n"
                                  "      path: \"{stream}\"                  # default\n"
                                  "      format: source                    # default\n"
                                  "      compression: default              # default\n"
                                  "      misfit: dead-letter               # default\n";

static void print(const struct config *config, struct bytes *text)
{
    struct error error;

    cr_assert_eq(config_print(config, text, &error), 0);
    cr_assert_eq(bytes_add(text, "", 1, &error), 0);
}

Test(config_maps, printed_with_their_sources)
{
    struct config *config = config_harness_load(printed_file);
    cleanup_bytes struct bytes text;

    bytes_init(&text, 65536);
    config_harness_expect_none(config);
    print(config, &text);
    cr_assert(strstr(text.data, printed_kafka), "%s", text.data);
    cr_assert_str_eq(text.data + text.length - sizeof printed_end, printed_end);
    config_free(&config);
}

Test(config_maps, what_is_printed_can_be_read_again)
{
    static const char *const files[] = {"", printed_file, "kafka: {properties: {}, files: {a.b: c}}\n"};

    for (size_t i = 0; i < COUNT(files); i++) {
        struct config *config = config_harness_load(files[i]);
        struct config *again;
        cleanup_bytes struct bytes text;
        bytes_init(&text, 65536);
        config_harness_expect_none(config);
        print(config, &text);
        again = config_harness_load(text.data);
        config_harness_expect_none(again);
        cr_assert_eq(again->kafka.properties.count, config->kafka.properties.count);
        for (size_t j = 0; j < config->kafka.properties.count; j++)
            assert_pair(&again->kafka.properties, j, config->kafka.properties.items[j].name,
                config->kafka.properties.items[j].value);
        cr_assert_eq(again->kafka.files.count, config->kafka.files.count);
        for (size_t j = 0; j < config->kafka.files.count; j++)
            assert_pair(&again->kafka.files, j, config->kafka.files.items[j].name,
                config->kafka.files.items[j].value);
        cr_assert_eq(again->streams_count, config->streams_count);
        for (size_t j = 0; j < config->streams_count; j++) {
            const struct config_stream *old = &config->streams[j];
            const struct config_stream *new = &again->streams[j];
            cr_assert_eq(new->topics.count, old->topics.count);
            for (size_t k = 0; k < old->topics.count; k++)
                cr_assert_str_eq(new->topics.items[k], old->topics.items[k]);
            cr_assert_eq(new->headers.count, old->headers.count);
            for (size_t k = 0; k < old->headers.count; k++)
                assert_pair(&new->headers, k, old->headers.items[k].name, old->headers.items[k].value);
        }
        config_free(&config);
        config_free(&again);
    }
}

Test(config_maps, printing_ends_at_the_ceiling_of_the_text)
{
    struct config *config = config_harness_load(printed_file);
    struct error error;
    cleanup_bytes struct bytes whole;

    bytes_init(&whole, 65536);
    config_harness_expect_none(config);
    cr_assert_eq(config_print(config, &whole, &error), 0);
    for (size_t limit = 0; limit < whole.length; limit++) {
        cleanup_bytes struct bytes text;
        bytes_init(&text, limit);
        cr_assert_eq(config_print(config, &text, &error), -1);
    }
    config_free(&config);
}
