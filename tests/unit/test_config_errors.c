/* config: every way to get it wrong, in the words that the user reads */
#include <criterion/criterion.h>

#include "config_harness.h"

TestSuite(config_errors, .init = config_harness_enter, .fini = config_harness_leave);

struct wrong {
    const char *text; /* of the file, or one --set */
    const char *errors;
};

#define HTTP_NAMES                                                                                                                                                                                \
    "listen, anonymous, tls, threads, max_body, max_record, max_records, max_connections, max_connections_per_address, trusted_proxies, max_in_flight, max_in_flight_per_address, head_timeout, " \
    "idle_timeout, body_timeout, min_rate, commit_timeout, delivery_timeout, max_deliveries, max_deliveries_per_address, idempotency"
#define TOP_NAMES \
    "gateway, journal, access, admin, http, mqtt, files, kafka, lake, land, dead_letters, log, streams"
#define STREAM_NAMES \
    "format, key, labels, dedupe, time, key_rate, schema, schema_invalid, topics, value, headers, ack, journal_share, lake"
#define LABEL                                                                                                       \
    "found a label of this name; allowed: 1 to 64 of the characters a-z 0-9 _, no digit in front, and not stream, " \
    "key, time, time_source, schema_result\n"
#define LABELS \
    "up to 16 of NAME: a JSON pointer, header:NAME, query:NAME, path:key, topic:NAME, mqtt:NAME, file:NAME or line:NAME"
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

#define BEYOND_ADMIN                                                                        \
    "8081 or unix:/run/penstock/admin.sock, or any address with admin.tls.certificate and " \
    "access.credentials, or with admin.tls.client_ca, and clients: required\n"

static const struct wrong wrong_together[] = {
    {"http: {listen: [127.0.0.1:1, 0.0.0.0:8080]}\n",
        "p.yaml:1:30: http.listen: found 0.0.0.0:8080" BEYOND
        "8080, or any address with access.credentials, which says who may write, or with http.anonymous: true, which lets everybody who reaches it write\n"},
    {"http: {anonymous: true}\nadmin: {listen: \"*:8081\"}\n",
        "p.yaml:2:17: admin.listen: found *:8081" BEYOND BEYOND_ADMIN},
    {"admin: {listen: \"*:8081\", tls: {certificate: a, key: b, client_ca: c, clients: optional}}\n",
        "p.yaml:1:17: admin.listen: found *:8081" BEYOND BEYOND_ADMIN},
    {"admin: {listen: [\"unix:/a\", \"*:8081\"]}\naccess: {credentials: a}\n",
        "p.yaml:1:29: admin.listen: found *:8081" BEYOND BEYOND_ADMIN},
    {"admin: {anonymous: false}\n",
        "p.yaml:1:20: admin.anonymous: found false; allowed: true; false with access.credentials, which says who may use the admin listener\n"},
    {"http: {tls: {certificate: a.crt}}\nmqtt: {tls: {key: a.key, clients: optional}}\n",
        "p.yaml:1:27: http.tls.certificate: found \"a.crt\"; allowed: a file, with http.tls.key\n"
        "p.yaml:2:19: mqtt.tls.key: found \"a.key\"; allowed: a file, with mqtt.tls.certificate\n"
        "p.yaml:2:35: mqtt.tls.clients: found \"optional\"; allowed: required; optional with mqtt.tls.client_ca\n"},
    {"http: {tls: {client_ca: a.crt}}\n",
        "p.yaml:1:25: http.tls.client_ca: found \"a.crt\"; allowed: a file, with http.tls.certificate\n"},
    {"http: {max_body: 20MiB}\n",
        "p.yaml:1:18: http.max_body: found 20MiB; allowed: at most 16MiB, because journal.segment_size is 64MiB\n"},
    {"journal: {segment_size: 4MiB}\n",
        "p.yaml:1:25: journal.segment_size: found 4MiB; allowed with it: http.max_body of at "
        "most 1MiB, but its default is 16MiB\n"},
    {"journal: {max_size: 256MiB}\n",
        "p.yaml:1:21: journal.max_size: found 256MiB; allowed: at least 320MiB, because journal.segment_size is 64MiB\n"},
    {"http: {max_in_flight: 20MiB}\n",
        "p.yaml:1:23: http.max_in_flight: found 20MiB; allowed: at least 22369621, because http.max_body is 16MiB\n"},
    {"http: {max_body: 64KiB, max_record: 65KiB}\n",
        "p.yaml:1:37: http.max_record: found 65KiB; allowed: at most 64KiB, because http.max_body is 64KiB\n"},
    {"files: {one: {max_line: 64KiB}, other: {max_line: 9MiB}}\n",
        "p.yaml:1:51: files.other.max_line: found 9MiB; allowed: at most 8MiB, because journal.segment_size is 64MiB\n"},
    {"http: {max_body: 64KiX}\nmqtt: {max_packet: 256KiB}\njournal: {segment_size: 1MiB}\n",
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
    {"htt\x1b[31mp\n\xff=1",
        "--set htt\\x1B[31mp\\x0A\\xFF: unknown option \"htt\\x1b[31mp\\n\\xFF\"; allowed: " TOP_NAMES "\n"},
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
        "8080, or any address with access.credentials, which says who may write, or with http.anonymous: true, which lets everybody who reaches it write\n"},
    {"log.level=loud", "--set log.level: found \"loud\"; allowed: debug, info, warn, error\n"},
};

static void assert_wrong_files(const struct wrong *wrong, size_t count)
{
    for (size_t i = 0; i < count; i++)
        config_harness_expect_errors(config_harness_load(wrong[i].text), wrong[i].errors);
}

Test(config_errors, wrong_names)
{
    assert_wrong_files(wrong_names, COUNT(wrong_names));
}

Test(config_errors, wrong_values)
{
    assert_wrong_files(wrong_values, COUNT(wrong_values));
}

Test(config_errors, values_that_do_not_go_together)
{
    assert_wrong_files(wrong_together, COUNT(wrong_together));
}

Test(config_errors, wrong_syntax)
{
    assert_wrong_files(wrong_syntax, COUNT(wrong_syntax));
}

Test(config_errors, wrong_sets)
{
    for (size_t i = 0; i < COUNT(wrong_sets); i++)
        config_harness_expect_errors(config_harness_load_set(wrong_sets[i].text), wrong_sets[i].errors);
}

Test(config_errors, all_errors_at_once_in_the_order_of_the_file_then_the_sets)
{
    static const char *const sets[] = {"log.level=loud", "log.levl=info"};
    static const char text[] = "http: {listen: 0.0.0.0:1}\nlog: {format: xml}\n";
    struct config *config;

    config_harness_write(text, sizeof text - 1);
    cr_assert_eq(config_load(&config, FILE_NAME, sets, COUNT(sets)), 0);
    config_harness_expect_errors(config,
        "p.yaml:1:16: http.listen: found 0.0.0.0:1" BEYOND
        "8080, or any address with access.credentials, which says who may write, or with http.anonymous: true, which lets everybody who reaches it write\n"
        "p.yaml:2:15: log.format: found \"xml\"; allowed: text, json\n"
        "--set log.level: found \"loud\"; allowed: debug, info, warn, error\n"
        "--set log.levl: unknown option \"levl\"; allowed in log: level, format; did you mean \"log.level\"?\n");
}

Test(config_errors, later_stages_report_at_the_place)
{
    static const char *const sets[] = {"streams.events.labels.kind=/k"};
    static const char text[] = "streams:\n  events:\n    key: /id\n    labels: {host: \"header:Host\"}\n";
    struct config *config;

    config_harness_write(text, sizeof text - 1);
    cr_assert_eq(config_load(&config, FILE_NAME, sets, COUNT(sets)), 0);
    config_harness_expect_none(config);
    struct config_stream *events = &config->streams[2];
    config_report(config, &config->http.max_body, "a");
    config_report(config, &events->labels.items[1].value, "b");
    config_report(config, &events->labels.items[0].value, "c %d", 1);
    config_report(config, &events->labels, "d");
    config_report(config, &events->key, "e");
    config_report(config, &events->lake.path, "f");
    config_report(config, &config->http.listen.items[0], "g");
    config_report(config, text, "h");
    config_report(config, events, "i");
    config_report(config, &config->streams[1], "j");
    config_harness_expect_errors(config, "p.yaml:3:5: streams.events: i\n"
                                         "p.yaml:3:10: streams.events.key: e\n"
                                         "p.yaml:4:13: streams.events.labels: d\n"
                                         "p.yaml:4:20: streams.events.labels.host: c 1\n"
                                         "--set streams.events.labels.kind: b\n"
                                         "default of http.max_body: a\n"
                                         "default of streams.events.lake.path: f\n"
                                         "default of http.listen: g\n"
                                         "default of : h\n"
                                         "default of streams.unorganized: j\n");
}
