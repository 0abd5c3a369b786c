/* config: what a file and --set say, every way to get it wrong, and the printed configuration */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/config.h"
#include "base/config_store.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define FILE_NAME "p.yaml"

/* A ceiling on memory that cannot be had must give NULL here too. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

static char directory[] = "/tmp/penstock-config-XXXXXX";

static void enter(void)
{
    cr_assert(mkdtemp(directory));
    cr_assert_eq(chdir(directory), 0);
}

static void leave(void)
{
    unlink(FILE_NAME);
    cr_assert_eq(chdir("/"), 0);
    cr_assert_eq(rmdir(directory), 0);
}

TestSuite(config, .init = enter, .fini = leave);

static void write_file(const char *text, size_t length)
{
    FILE *file = fopen(FILE_NAME, "we");

    cr_assert(file);
    cr_assert_eq(fwrite(text, 1, length, file), length);
    cr_assert_eq(fclose(file), 0);
}

static struct config *load(const char *text)
{
    struct config *config;

    write_file(text, strlen(text));
    config_load(&config, FILE_NAME, NULL, 0);
    return config;
}

static struct config *load_set(const char *set)
{
    struct config *config;

    config_load(&config, NULL, &set, 1);
    return config;
}

/* All errors as one string; also that none is reported twice or lost. */
static void assert_errors(struct config *config, const char *expected)
{
    struct error error;
    cleanup_bytes struct bytes text;
    size_t lines = 0;

    bytes_init(&text, 1 << 20);
    cr_assert_eq(config_print_errors(config, &text, &error), 0);
    for (size_t i = 0; i < text.length; i++)
        lines += text.data[i] == '\n';
    cr_assert(slice_is(bytes_slice(&text), expected), "%.*s\ninstead of\n%s", (int)text.length, text.data,
        expected);
    cr_assert_eq(config_errors(config), lines);
    config_free(&config);
    cr_assert_null(config);
}

static void assert_right(struct config *config)
{
    struct error error;
    cleanup_bytes struct bytes text;

    bytes_init(&text, 1 << 20);
    cr_assert_eq(config_print_errors(config, &text, &error), 0);
    cr_assert_eq(config_errors(config), 0, "%.*s", (int)text.length, text.data);
}

/* ---- what is right ----------------------------------------------------------------------------------------- */

Test(config, defaults)
{
    struct config *config;

    cr_assert_eq(config_load(&config, NULL, NULL, 0), 0);
    assert_right(config);
    cr_assert_str_eq(config->gateway.id, "");
    cr_assert_str_eq(config->gateway.data, "./penstock-data");
    cr_assert_eq(config->gateway.grace, 10000000);
    cr_assert_eq(config->journal.max_size, UINT64_C(8) << 30);
    cr_assert_eq(config->journal.segment_size, UINT64_C(64) << 20);
    cr_assert_str_eq(config->admin.listen, "127.0.0.1:8081");
    cr_assert_eq(config->http.listen.count, 1);
    cr_assert_str_eq(config->http.listen.items[0], "127.0.0.1:8080");
    cr_assert(!config->http.anonymous);
    cr_assert_eq(config->http.max_record, 921600);
    cr_assert_eq(config->lake.roll.every, 10000000);
    cr_assert_eq(config->lake.roll.idle, 0);
    cr_assert_str_eq(config->log.level, "info");
    cr_assert_eq(config->streams_count, 2);
    cr_assert_str_eq(config->streams[0].name, "readings");
    cr_assert_str_eq(config->streams[0].format, "json");
    cr_assert_str_eq(config->streams[0].key, "/sensor_id");
    cr_assert_eq(config->streams[0].time.past, INT64_C(2592000000000));
    cr_assert_str_eq(config->streams[0].lake.path, "{stream}");
    cr_assert_str_eq(config->streams[1].name, "unorganized");
    cr_assert_str_eq(config->streams[1].format, "text");
    cr_assert_str_eq(config->streams[1].key, "");
    config_free(&config);
    config_free(&config);
}

Test(config, a_file_overrides_single_values)
{
    struct config *config = load("gateway: {id: site-7}\n"
                                 "http:\n"
                                 "  listen: [127.0.0.1:0, \"[::1]:8090\"]\n"
                                 "  max_connections: 7\n"
                                 "log: # nothing below it\n"
                                 "streams:\n"
                                 "  events: {labels: {kind: /kind, host: \"header:Host\"}}\n"
                                 "  readings: {format: text}\n"
                                 "  empty:\n");

    assert_right(config);
    cr_assert_str_eq(config->gateway.id, "site-7");
    cr_assert_eq(config->http.listen.count, 2);
    cr_assert_str_eq(config->http.listen.items[1], "[::1]:8090");
    cr_assert_eq(config->http.max_connections, 7);
    cr_assert_eq(config->streams_count, 4);
    cr_assert_str_eq(config->streams[0].format, "text");
    cr_assert_str_eq(config->streams[0].key, "/sensor_id");
    cr_assert_str_eq(config->streams[2].name, "events");
    cr_assert_eq(config->streams[2].labels.count, 2);
    cr_assert_str_eq(config->streams[2].labels.items[1].name, "host");
    cr_assert_str_eq(config->streams[2].labels.items[1].value, "header:Host");
    cr_assert_str_eq(config->streams[3].name, "empty");
    config_free(&config);
}

Test(config, nothing_in_a_file_is_right)
{
    static const char *const files[] = {
        "", "# only a comment\n", "---\n...\n", "{}\n", "~\n", "streams: {events: {labels: }}\n"};

    for (size_t i = 0; i < COUNT(files); i++) {
        struct config *config = load(files[i]);
        assert_right(config);
        config_free(&config);
    }
}

Test(config, one_address_may_stand_alone)
{
    struct config *config = load("http: {listen: localhost:81}\n");

    assert_right(config);
    cr_assert_eq(config->http.listen.count, 1);
    cr_assert_str_eq(config->http.listen.items[0], "localhost:81");
    config_free(&config);
}

Test(config, anonymous_opens_all_addresses)
{
    struct config *config = load("http: {listen: [0.0.0.0:8080, \"*:81\"], anonymous: true}\n");

    assert_right(config);
    config_free(&config);
}

Test(config, set_overrides_the_file_and_the_last_one_counts)
{
    static const char *const sets[] = {"log.level=error", "log.level=warn",
        "http.listen=[127.0.0.1:1,127.0.0.1:2]", "admin.listen=", "streams.readings.key=/id",
        "streams.events.labels.host=header:Host", "streams.events.labels.kind=/kind",
        "streams.events.labels.host=query:host", "streams.other.labels={a: /a}",
        "streams.readings.lake.path={stream}/x", "gateway.data=a=b"};
    struct config *config;

    write_file("log: {level: debug}\n", 20);
    cr_assert_eq(config_load(&config, FILE_NAME, sets, COUNT(sets)), 0);
    assert_right(config);
    cr_assert_str_eq(config->log.level, "warn");
    cr_assert_eq(config->http.listen.count, 2);
    cr_assert_str_eq(config->http.listen.items[1], "127.0.0.1:2");
    cr_assert_str_eq(config->admin.listen, "");
    cr_assert_str_eq(config->streams[0].key, "/id");
    cr_assert_str_eq(config->streams[0].lake.path, "{stream}/x");
    cr_assert_eq(config->streams[2].labels.count, 2);
    cr_assert_str_eq(config->streams[2].labels.items[0].value, "query:host");
    cr_assert_str_eq(config->streams[3].labels.items[0].name, "a");
    cr_assert_str_eq(config->gateway.data, "a=b");
    config_free(&config);
}

Test(config, set_takes_one_address_in_brackets)
{
    struct config *config = load_set("http.listen=[::1]:8080");

    assert_right(config);
    cr_assert_eq(config->http.listen.count, 1);
    cr_assert_str_eq(config->http.listen.items[0], "[::1]:8080");
    config_free(&config);
}

Test(config, the_environment_reaches_every_value)
{
    setenv("TEST_PORT", "8099", 1);
    setenv("TEST_SIZE", "5MiB", 1);
    struct config *config =
        load("gateway: {data: \"/srv/$$/${TEST_PORT}\"}\n"
             "http: {listen: [\"127.0.0.1:${TEST_PORT}\"], max_body: \"${TEST_SIZE}\"}\n");

    assert_right(config);
    cr_assert_str_eq(config->gateway.data, "/srv/$/8099");
    cr_assert_str_eq(config->http.listen.items[0], "127.0.0.1:8099");
    cr_assert_eq(config->http.max_body, 5 << 20);
    config_free(&config);
}

/* ---- what is wrong ----------------------------------------------------------------------------------------- */

struct wrong {
    const char *text; /* of the file, or one --set */
    const char *errors;
};

#define HTTP_NAMES                                                                                         \
    "listen, anonymous, max_body, max_record, max_records, max_connections, max_in_flight, head_timeout, " \
    "idle_timeout, body_timeout, min_rate, commit_timeout"
#define TOP_NAMES "gateway, journal, admin, http, lake, log, streams"
#define STREAM_NAMES "format, key, labels, time, lake"
#define LABEL                                                                                                       \
    "found a label of this name; allowed: 1 to 64 of the characters a-z 0-9 _, no digit in front, and not stream, " \
    "key, time, time_source\n"
#define LABELS "up to 16 of NAME: a JSON pointer, header:NAME, query:NAME or path:key"
#define LIST "ADDRESS:PORT (127.0.0.1:8080, [::1]:8080, localhost:8080, *:8080), or a list of 1 to 16"
#define STREAM "found a stream of this name; allowed: 1 to 64 of the characters A-Z a-z 0-9 _ -\n"

static const struct wrong wrong_names[] = {
    {"http:\n  lisen: 127.0.0.1:1\n", "p.yaml:2:3: unknown option \"lisen\"; allowed in http: " HTTP_NAMES
                                      "; did you mean \"http.listen\"?\n"},
    {"jurnal: {}\n",
        "p.yaml:1:1: unknown option \"jurnal\"; allowed: " TOP_NAMES "; did you mean \"journal\"?\n"},
    {"segment_size: 1MiB\n", "p.yaml:1:1: unknown option \"segment_size\"; allowed: " TOP_NAMES
                             "; did you mean \"journal.segment_size\"?\n"},
    {"\"\": 1\n", "p.yaml:1:1: unknown option \"\"; allowed: " TOP_NAMES "\n"},
    {"[a]: 1\n", "p.yaml:1:1: unknown option \"\"; allowed: " TOP_NAMES "\n"},
    {"xyzzy: {a: {b: c}}\nlog: {level: 1}\n",
        "p.yaml:1:1: unknown option \"xyzzy\"; allowed: " TOP_NAMES "\n"
        "p.yaml:2:14: log.level: found \"1\"; allowed: debug, info, warn, error\n"},
    {"lake: {roll.size: 1MiB}\n",
        "p.yaml:1:8: found a dot in the name \"roll.size\"; allowed: one name below the other, as in http: {max_body: "
        "16MiB}\n"},
    {"log: {level: info}\nlog: {level: warn}\n",
        "p.yaml:2:1: log: found twice, first at line 1, column 1; allowed: once\n"},
    {"log:\n  level: info\n  format: text\n  level: warn\n",
        "p.yaml:4:3: log.level: found twice, first at line 2, column 3; allowed: once\n"},
    {"log: []\n", "p.yaml:1:6: log: found a list; allowed: a mapping with level, format\n"},
    {"log: info\n", "p.yaml:1:6: log: found a value; allowed: a mapping with level, format\n"},
    {"log: !!map {}\n", "p.yaml:1:6: log: found a tag; allowed: a mapping with level, format\n"},
    {"admin: &a {}\nlog: *a\n", "p.yaml:2:6: log: found an alias; allowed: a mapping with level, format\n"},
    {"streams: [a]\n", "p.yaml:1:10: streams: found a list; allowed: a mapping from names of streams\n"},
    {"[a, b]\n", "p.yaml:1:1: found a list; allowed: a mapping with " TOP_NAMES "\n"},
    {"some text\n", "p.yaml:1:1: found a value; allowed: a mapping with " TOP_NAMES "\n"},
    {"streams:\n  \"a/b\": {}\n", "p.yaml:2:3: streams.a/b: " STREAM},
    {"streams:\n  a.b: {key: /x}\n", "p.yaml:2:3: streams.a.b: " STREAM},
    {"streams:\n  a: {kex: /x}\n", "p.yaml:2:7: unknown option \"kex\"; allowed in streams.a: " STREAM_NAMES
                                   "; did you mean \"streams.a.key\"?\n"},
    {"streams: {a: 1}\n",
        "p.yaml:1:14: streams.a: found a value; allowed: a mapping with " STREAM_NAMES "\n"},
    {"streams: {a: {labels: {Host: /h, key: /k, 1a: /a, \"\": /e}}}\n",
        "p.yaml:1:24: streams.a.labels.Host: " LABEL "p.yaml:1:34: streams.a.labels.key: " LABEL
        "p.yaml:1:43: streams.a.labels.1a: " LABEL "p.yaml:1:51: streams.a.labels.: " LABEL},
    {"streams: {a: {labels: {b: /h, b: /k}}}\n",
        "p.yaml:1:31: streams.a.labels.b: found twice, first at line 1, column 24; allowed: once\n"},
    {"streams: {a: {labels: {a: /, b: /, c: /, d: /, e: /, f: /, g: /, h: /, i: /, j: /, k: /, l: /, m: /, n: /, o: /, "
     "p: /, q: /}}}\n",
        "p.yaml:1:120: streams.a.labels.q: found one label more; allowed: 16\n"},
};

static const struct wrong wrong_values[] = {
    {"gateway:\n  data: {a: b}\n", "p.yaml:2:9: gateway.data: found a mapping; allowed: a directory\n"},
    {"gateway:\n  data: [a]\n", "p.yaml:2:9: gateway.data: found a list; allowed: a directory\n"},
    {"gateway:\n  data:\n", "p.yaml:2:8: gateway.data: found nothing; allowed: a directory\n"},
    {"gateway: {data: null}\n", "p.yaml:1:17: gateway.data: found nothing; allowed: a directory\n"},
    {"gateway: {data: !x y}\n", "p.yaml:1:17: gateway.data: found a tag; allowed: a directory\n"},
    {"gateway: {id: &a x, data: *a}\n", "p.yaml:1:27: gateway.data: found an alias; allowed: a directory\n"},
    {"gateway: {data: \"a\\0b\"}\n", "p.yaml:1:17: gateway.data: found \"a\\x00b\"; allowed: a directory\n"},
    {"gateway: {data: \"$x\"}\n",
        "p.yaml:1:17: gateway.data: found a $ alone; allowed: ${NAME} for an environment variable, $$ for a $\n"},
    {"gateway: {data: \"${TEST_NO_SUCH}\"}\n",
        "p.yaml:1:17: gateway.data: found ${TEST_NO_SUCH}, but there is no environment variable TEST_NO_SUCH\n"},
    {"gateway: {grace: 2h}\n", "p.yaml:1:18: gateway.grace: found \"2h\"; allowed: a time from 0 to 1h\n"},
    {"gateway: {grace: 10}\n",
        "p.yaml:1:18: gateway.grace: found \"10\", a number without unit; allowed: us, ms, s, min, h, d\n"},
    {"log: {format: jsn}\n",
        "p.yaml:1:15: log.format: found \"jsn\"; allowed: text, json; did you mean \"json\"?\n"},
    {"http: {anonymous: maybe, listen: 0.0.0.0:1}\n",
        "p.yaml:1:19: http.anonymous: found \"maybe\"; allowed: true, false\n"},
    {"http: {listen: []}\n", "p.yaml:1:16: http.listen: found a list of 0; allowed: 1 to 16 addresses\n"},
    {"http:\n  listen: [127.0.0.1:1, nowhere, 127.0.0.1:99999, [x]]\n",
        "p.yaml:2:25: http.listen: found \"nowhere\"; allowed: " LIST "\n"
        "p.yaml:2:34: http.listen: found \"127.0.0.1:99999\"; allowed: " LIST "\n"
        "p.yaml:2:51: http.listen: found a list; allowed: " LIST "\n"},
    {"http: {listen: {a: b}}\n", "p.yaml:1:16: http.listen: found a mapping; allowed: " LIST "\n"},
    {"http: {listen: ['*:1','*:1','*:1','*:1','*:1','*:1','*:1','*:1','*:1','*:1','*:1','*:1','*:1','*:1','*:1','*:1','*:1']}\n",
        "p.yaml:1:16: http.listen: found a list of 17; allowed: 1 to 16 addresses\n"},
    {"streams: {a: {labels: [b]}}\n", "p.yaml:1:23: streams.a.labels: found a list; allowed: " LABELS "\n"},
    {"streams: {a: {labels: {b: [c]}}}\n",
        "p.yaml:1:27: streams.a.labels.b: found a list; allowed: " LABELS "\n"},
    {"streams: {a: {labels: {b: ''}}}\n",
        "p.yaml:1:27: streams.a.labels.b: found \"\"; allowed: " LABELS "\n"},
};

#define BEYOND ", which other machines can reach; allowed: an address like 127.0.0.1:"

static const struct wrong wrong_together[] = {
    {"http: {listen: [127.0.0.1:1, 0.0.0.0:8080]}\n",
        "p.yaml:1:30: http.listen: found 0.0.0.0:8080" BEYOND
        "8080, or any address with http.anonymous: true, which lets everybody who reaches it write\n"},
    {"http: {anonymous: true}\nadmin: {listen: \"*:8081\"}\n",
        "p.yaml:2:17: admin.listen: found *:8081" BEYOND
        "8081, because the admin pages know no credentials\n"},
    {"http: {max_body: 20MiB}\n",
        "p.yaml:1:18: http.max_body: found 20MiB; allowed: at most 16MiB, because journal.segment_size is 64MiB\n"},
    {"journal: {segment_size: 4MiB}\n",
        "p.yaml:1:25: journal.segment_size: found 4MiB; allowed with it: http.max_body of at "
        "most 1MiB, but its default is 16MiB\n"},
    {"journal: {max_size: 256MiB}\n",
        "p.yaml:1:21: journal.max_size: found 256MiB; allowed: at least 320MiB, because journal.segment_size is 64MiB\n"},
    {"http: {max_body: 64KiB, max_record: 65KiB}\n",
        "p.yaml:1:37: http.max_record: found 65KiB; allowed: at most 64KiB, because http.max_body is 64KiB\n"},
    {"http: {max_body: 64KiX}\njournal: {segment_size: 1MiB}\n",
        "p.yaml:1:18: http.max_body: found \"64KiX\", an unknown unit; allowed: KB, MB, GB, TB, KiB, MiB, GiB, TiB, "
        "none for bytes; did you mean \"KiB\"?\n"},
};

static const struct wrong wrong_syntax[] = {
    {"log:\n  level: debug\n format: text\n",
        "p.yaml:3:2: not YAML: did not find expected key (while parsing a block mapping that began at line 1, column 1)\n"},
    {"log:\n\tlevel: debug\n",
        "p.yaml:2:1: not YAML: found character that cannot start any token (while scanning for the next token that "
        "began at line 2, column 1); indent with blanks, not tabs, and put quotes around a value that begins with @ ` or %\n"},
    {"gateway: {id: x}\nlog: a: b\n",
        "p.yaml:2:7: not YAML: mapping values are not allowed in this context; put quotes around a value with \": \" in it, "
        "and check the indentation\n"},
    {"log: {level: debug\xff}\n", "p.yaml:1:19: not YAML: invalid leading UTF-8 octet\n"},
    {"log:\n  level: x\xff\n", "p.yaml:2:11: not YAML: invalid leading UTF-8 octet\n"},
    {"log: {}\n---\nlog: {}\n", "p.yaml:2:1: found a second document; allowed: one\n"},
    /* What stands before is judged, what may be cut is not, nor is the whole. */
    {"htp: {}\nhttp: {listen: 0.0.0.0:1}\nlog: {level: [debug,\n",
        "p.yaml:1:1: unknown option \"htp\"; allowed: " TOP_NAMES "; did you mean \"http\"?\n"
        "p.yaml:3:14: log.level: found a list; allowed: debug, info, warn, error\n"
        "p.yaml:4:1: not YAML: did not find expected node content (while parsing a flow node that began at line 4, "
        "column 1)\n"},
    {"streams: {a: {labels: {b: /b, c: [\n",
        "p.yaml:2:1: not YAML: did not find expected node content (while parsing a flow node that began at line 2, "
        "column 1)\n"},
    {"[",
        "p.yaml:2:1: not YAML: did not find expected node content (while parsing a flow node that began at line 2, "
        "column 1)\n"},
};

static const struct wrong wrong_sets[] = {
    {"http.max_body", "--set http.max_body: found no value; allowed: --set NAME=VALUE\n"},
    {"http.max_bdy=1KiB", "--set http.max_bdy: unknown option \"max_bdy\"; allowed in http: " HTTP_NAMES
                          "; did you mean \"http.max_body\"?\n"},
    {"htp.max_body=1KiB",
        "--set htp.max_body: unknown option \"htp\"; allowed: " TOP_NAMES "; did you mean \"http\"?\n"},
    {"=1", "--set : unknown option \"\"; allowed: " TOP_NAMES "\n"},
    {"lake.roll.sise.x=1",
        "--set lake.roll.sise.x: unknown option \"sise\"; allowed in lake.roll: size, every, records, "
        "idle; did you mean \"lake.roll.size\"?\n"},
    {"lake.roll=1MiB",
        "--set lake.roll: found one value; allowed: a mapping with size, every, records, idle\n"},
    {"streams=x", "--set streams: found one value; allowed: a mapping from names of streams\n"},
    {"streams.a=x", "--set streams.a: found one value; allowed: a mapping with " STREAM_NAMES "\n"},
    {"streams.a b.key=/x", "--set streams.a b.key: " STREAM},
    {"streams.a.kez=/x", "--set streams.a.kez: unknown option \"kez\"; allowed in streams.a: " STREAM_NAMES
                         "; did you mean \"streams.a.key\"?\n"},
    {"streams.a.labels.Host=/x", "--set streams.a.labels.Host: " LABEL},
    {"streams.a.labels={a: [}", "--set streams.a.labels: not YAML: did not find expected node content\n"},
    {"streams.a.labels=x", "--set streams.a.labels: found a text; allowed: " LABELS "\n"},
    {"http.listen=[127.0.0.1:1,x]", "--set http.listen: found \"x\"; allowed: " LIST "\n"},
    {"http.listen=0.0.0.0:1",
        "--set http.listen: found 0.0.0.0:1" BEYOND
        "8080, or any address with http.anonymous: true, which lets everybody who reaches it write\n"},
    {"log.level=loud", "--set log.level: found \"loud\"; allowed: debug, info, warn, error\n"},
};

static void assert_wrong_files(const struct wrong *wrong, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_errors(load(wrong[i].text), wrong[i].errors);
}

Test(config, wrong_names)
{
    assert_wrong_files(wrong_names, COUNT(wrong_names));
}

Test(config, wrong_values)
{
    assert_wrong_files(wrong_values, COUNT(wrong_values));
}

Test(config, values_that_do_not_go_together)
{
    assert_wrong_files(wrong_together, COUNT(wrong_together));
}

Test(config, wrong_syntax)
{
    assert_wrong_files(wrong_syntax, COUNT(wrong_syntax));
}

Test(config, wrong_sets)
{
    for (size_t i = 0; i < COUNT(wrong_sets); i++)
        assert_errors(load_set(wrong_sets[i].text), wrong_sets[i].errors);
}

Test(config, all_errors_at_once_in_the_order_of_the_file_then_the_sets)
{
    static const char *const sets[] = {"log.level=loud", "log.levl=info"};
    static const char text[] = "http: {listen: 0.0.0.0:1}\nlog: {format: xml}\n";
    struct config *config;

    write_file(text, sizeof text - 1);
    cr_assert_eq(config_load(&config, FILE_NAME, sets, COUNT(sets)), 0);
    assert_errors(config,
        "p.yaml:1:16: http.listen: found 0.0.0.0:1" BEYOND
        "8080, or any address with http.anonymous: true, which lets everybody who reaches it write\n"
        "p.yaml:2:15: log.format: found \"xml\"; allowed: text, json\n"
        "--set log.level: found \"loud\"; allowed: debug, info, warn, error\n"
        "--set log.levl: unknown option \"levl\"; allowed in log: level, format; did you mean \"log.level\"?\n");
}

Test(config, later_stages_report_at_the_place)
{
    static const char *const sets[] = {"streams.events.labels.kind=/k"};
    static const char text[] = "streams:\n  events:\n    key: /id\n    labels: {host: \"header:Host\"}\n";
    struct config *config;

    write_file(text, sizeof text - 1);
    cr_assert_eq(config_load(&config, FILE_NAME, sets, COUNT(sets)), 0);
    assert_right(config);
    struct config_stream *events = &config->streams[2];
    config_report(config, &config->http.max_body, "a");
    config_report(config, &events->labels.items[1].value, "b");
    config_report(config, &events->labels.items[0].value, "c %d", 1);
    config_report(config, &events->labels, "d");
    config_report(config, &events->key, "e");
    config_report(config, &events->lake.path, "f");
    config_report(config, &config->http.listen.items[0], "g");
    config_report(config, text, "h");
    assert_errors(config, "p.yaml:3:10: streams.events.key: e\n"
                          "p.yaml:4:13: streams.events.labels: d\n"
                          "p.yaml:4:20: streams.events.labels.host: c 1\n"
                          "--set streams.events.labels.kind: b\n"
                          "default of http.max_body: a\n"
                          "default of streams.events.lake.path: f\n"
                          "default of http.listen: g\n"
                          "default of : h\n");
}

/* ---- files and ceilings ------------------------------------------------------------------------------------ */

Test(config, files_that_cannot_be_read)
{
    struct config *config;

    cr_assert_eq(config_load(&config, "absent.yaml", NULL, 0), -1);
    assert_errors(config, "absent.yaml: cannot be opened: No such file or directory\n");
    cr_assert_eq(config_load(&config, "/", NULL, 0), -1);
    assert_errors(config, "/: cannot be read: Is a directory\n");
}

Test(config, a_file_is_at_most_1_mib)
{
    char *text = malloc(CONFIG_FILE_MAX + 1);
    struct config *config;

    cr_assert(text);
    memset(text, '#', CONFIG_FILE_MAX + 1);
    write_file(text, CONFIG_FILE_MAX);
    cr_assert_eq(config_load(&config, FILE_NAME, NULL, 0), 0);
    assert_right(config);
    config_free(&config);
    write_file(text, CONFIG_FILE_MAX + 1);
    cr_assert_eq(config_load(&config, FILE_NAME, NULL, 0), -1);
    assert_errors(config, "p.yaml: found more than 1 MiB; allowed: at most that\n");
    free(text);
}

/* Every kind of node may be the one too many. */
Test(config, a_file_has_at_most_so_many_values)
{
    static const char *const items[] = {"a", "[]", "*a"};

    for (size_t kind = 0; kind < COUNT(items); kind++) {
        struct error error;
        struct config *config;
        cleanup_bytes struct bytes text;
        bytes_init(&text, CONFIG_FILE_MAX);
        cr_assert_eq(bytes_add_text(&text, "x: [", &error), 0);
        for (size_t i = 0; i < CONFIG_NODES_MAX - 2; i++)
            cr_assert_eq(bytes_print(&text, &error, "%s,", items[kind]), 0);
        write_file(text.data, text.length);
        cr_assert_eq(config_load(&config, FILE_NAME, NULL, 0), -1);
        cr_assert_eq(config_errors(config), 2);
        bytes_clear(&text);
        cr_assert_eq(config_print_errors(config, &text, &error), 0);
        bytes_add(&text, "", 1, &error);
        cr_assert(strstr(text.data, ": more than 32768 values\n"), "%s", text.data);
        config_free(&config);
    }
}

Test(config, so_many_streams)
{
    struct error error;
    cleanup_bytes struct bytes text;

    bytes_init(&text, CONFIG_FILE_MAX);
    cr_assert_eq(bytes_add_text(&text, "streams:\n", &error), 0);
    for (int i = 0; i < CONFIG_STREAMS_MAX - 2; i++)
        cr_assert_eq(bytes_print(&text, &error, "  s%d: {}\n", i), 0);
    write_file(text.data, text.length);

    static const char *const one_more[] = {"streams.more.key=/x", "streams.more.labels.a=/x"};
    struct config *config;
    cr_assert_eq(config_load(&config, FILE_NAME, one_more, 0), 0);
    assert_right(config);
    config_free(&config);
    cr_assert_eq(config_load(&config, FILE_NAME, one_more, 2), 0);
    assert_errors(config, "--set streams.more: found one stream more; allowed: 1000\n"
                          "--set streams.more: found one stream more; allowed: 1000\n");
}

static const char everything[] = "gateway: {id: \"${TEST_ID}\", data: \"a$$b\\\"c\\\\d\"}\n"
                                 "http: {listen: [127.0.0.1:1, \"[::1]:2\"]}\n"
                                 "log: {level: loud}\n"
                                 "nonsense: 1\n"
                                 "streams:\n"
                                 "  events: {labels: {kind: /kind, host: \"header:Host\"}}\n"
                                 "  more: 1\n";
static const char *const every_set[] = {"http.listen=[127.0.0.1:3]", "streams.events.labels.more=/more",
    "streams.x.labels={a: /a}", "nothing", "lake.roll.what=1", "lake.rol=1", "streams.y.key=/y"};

/* As little memory as it takes, and every amount below: it ends in order, and says why. */
Test(config, memory_ends_anywhere)
{
    const size_t step = 16;
    struct config *config;
    size_t enough = 0;

    setenv("TEST_ID", "site", 1);
    write_file(everything, sizeof everything - 1);
    /* The two large blocks come first; what follows is small. */
    for (size_t memory = 0; memory < CONFIG_FILE_MAX + 262144 && !enough; memory += step) {
        if (memory > 4096 && memory < CONFIG_STREAMS_MAX * sizeof(struct config_stream))
            memory = CONFIG_STREAMS_MAX * sizeof(struct config_stream);
        if (memory > CONFIG_STREAMS_MAX * sizeof(struct config_stream) + 8192 && memory < CONFIG_FILE_MAX)
            memory = CONFIG_FILE_MAX;
        if (config_load_within(&config, FILE_NAME, every_set, COUNT(every_set), memory) == 0)
            enough = memory;
        else {
            struct error error;
            cleanup_bytes struct bytes text;
            bytes_init(&text, 65536);
            cr_assert_geq(config_errors(config), 1);
            cr_assert_eq(config_print_errors(config, &text, &error), 0);
            bytes_add(&text, "", 1, &error);
            cr_assert(
                strstr(text.data, "the configuration needs more than 16 MiB of memory, or there is none\n"));
        }
        if (!enough)
            config_free(&config);
    }
    cr_assert(enough);
    cr_assert_eq(config_errors(config), 6);
    config_free(&config);
}

Test(config, no_memory_at_all)
{
    struct config *config;

    cr_assert_eq(config_load_within(&config, NULL, NULL, 0, SIZE_MAX / 4), -1);
    cr_assert_null(config);
    assert_errors(config, "the configuration needs more than 16 MiB of memory, or there is none\n");
}

/* ---- printing ---------------------------------------------------------------------------------------------- */

static const char printed_file[] =
    "gateway: {id: \"${TEST_ID}\", data: \"a$$b\\\"c\\\\d\"}\n"
    "http: {listen: [127.0.0.1:1, \"[::1]:2\"], anonymous: true}\n"
    "streams:\n"
    "  events: {labels: {kind: /kind, a_name_that_is_long: \"header:Host\"}}\n";
static const char *const printed_sets[] = {"lake.roll.every=3s", "log.format=${TEST_FORMAT}"};

static const char printed[] = "gateway:\n"
                              "  id: \"site\"                            # p.yaml:1, environment TEST_ID\n"
                              "  data: \"a$$b\\\"c\\\\d\"                    # p.yaml:1\n"
                              "  grace: 10s                            # default\n"
                              "journal:\n"
                              "  max_size: 8GiB                        # default\n"
                              "  segment_size: 64MiB                   # default\n"
                              "admin:\n"
                              "  listen: \"127.0.0.1:8081\"              # default\n"
                              "http:\n"
                              "  listen: [\"127.0.0.1:1\", \"[::1]:2\"]    # p.yaml:2\n"
                              "  anonymous: true                       # p.yaml:2\n";
static const char printed_end[] = "  events:\n"
                                  "    format: json                        # default\n"
                                  "    key: \"\"                             # default\n"
                                  "    labels:\n"
                                  "      kind: \"/kind\"                     # p.yaml:4\n"
                                  "      a_name_that_is_long: \"header:Host\" # p.yaml:4\n"
                                  "    time:\n"
                                  "      field: \"\"                         # default\n"
                                  "      past: 30d                         # default\n"
                                  "      future: 1h                        # default\n"
                                  "    lake:\n"
                                  "      path: \"{stream}\"                  # default\n";

static struct config *load_printed(void)
{
    struct config *config;

    setenv("TEST_ID", "site", 1);
    setenv("TEST_FORMAT", "json", 1);
    write_file(printed_file, sizeof printed_file - 1);
    cr_assert_eq(config_load(&config, FILE_NAME, printed_sets, COUNT(printed_sets)), 0);
    assert_right(config);
    return config;
}

Test(config, printed_with_its_sources)
{
    struct config *config = load_printed();
    struct error error;
    cleanup_bytes struct bytes text;

    bytes_init(&text, 65536);
    cr_assert_eq(config_print(config, &text, &error), 0);
    bytes_add(&text, "", 1, &error);
    cr_assert_eq(strncmp(text.data, printed, sizeof printed - 1), 0, "%s", text.data);
    cr_assert_str_eq(text.data + text.length - sizeof printed_end, printed_end);
    cr_assert(strstr(text.data, "\n    every: 3s                           # --set\n"));
    cr_assert(
        strstr(text.data, "\n  format: json                          # --set, environment TEST_FORMAT\n"));
    config_free(&config);
}

/* The comments differ, nothing else may. */
static void strip_comments(struct bytes *text)
{
    size_t kept = 0;
    bool comment = false;

    for (size_t i = 0; i < text->length; i++) {
        comment = text->data[i] != '\n' && (comment || text->data[i] == '#');
        if (!comment)
            text->data[kept++] = text->data[i];
    }
    text->length = kept;
}

Test(config, what_is_printed_can_be_read_again)
{
    struct config *config = load_printed();
    struct config *again;
    struct error error;
    cleanup_bytes struct bytes first;
    cleanup_bytes struct bytes second;

    bytes_init(&first, 65536);
    bytes_init(&second, 65536);
    cr_assert_eq(config_print(config, &first, &error), 0);
    write_file(first.data, first.length);
    cr_assert_eq(config_load(&again, FILE_NAME, NULL, 0), 0);
    assert_right(again);
    cr_assert_eq(config_print(again, &second, &error), 0);
    strip_comments(&first);
    strip_comments(&second);
    cr_assert(slice_equal(bytes_slice(&first), bytes_slice(&second)));
    config_free(&config);
    config_free(&again);
}

Test(config, printing_ends_at_the_ceiling_of_the_text)
{
    struct config *config = load_printed();
    struct error error;
    cleanup_bytes struct bytes whole;

    bytes_init(&whole, 65536);
    cr_assert_eq(config_print(config, &whole, &error), 0);
    for (size_t limit = 0; limit < whole.length; limit++) {
        cleanup_bytes struct bytes text;
        bytes_init(&text, limit);
        cr_assert_eq(config_print(config, &text, &error), -1);
    }
    config_free(&config);
    config = load("a: 1\n");
    cleanup_bytes struct bytes none;
    bytes_init(&none, 10);
    cr_assert_eq(config_print_errors(config, &none, &error), -1);
    config_free(&config);
}
