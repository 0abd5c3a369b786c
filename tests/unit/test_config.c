/* config: what a file and --set say, ceilings, and the printed configuration; errors are in test_config_errors.c */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/config_store.h"
#include "config_harness.h"

/* A ceiling on memory that cannot be had must give NULL here too. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

TestSuite(config, .init = config_harness_enter, .fini = config_harness_leave);

/* ---- what is right ----------------------------------------------------------------------------------------- */

Test(config, defaults)
{
    struct config *config;

    cr_assert_eq(config_load(&config, NULL, NULL, 0), 0);
    config_harness_expect_none(config);
    cr_assert_str_eq(config->gateway.id, "");
    cr_assert_str_eq(config->gateway.data, "./penstock-data");
    cr_assert_eq(config->gateway.grace, 10000000);
    cr_assert_eq(config->journal.max_size, UINT64_C(8) << 30);
    cr_assert_eq(config->journal.segment_size, UINT64_C(64) << 20);
    cr_assert_eq(config->admin.listen.count, 1);
    cr_assert_str_eq(config->admin.listen.items[0], "127.0.0.1:8081");
    cr_assert(config->admin.anonymous);
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
    struct config *config = config_harness_load("gateway: {id: site-7}\n"
                                                "http:\n"
                                                "  listen: [127.0.0.1:0, \"[::1]:8090\"]\n"
                                                "  max_connections: 7\n"
                                                "log: # nothing below it\n"
                                                "streams:\n"
                                                "  events: {labels: {kind: /kind, host: \"header:Host\"}}\n"
                                                "  readings: {format: text}\n"
                                                "  empty:\n");

    config_harness_expect_none(config);
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
        struct config *config = config_harness_load(files[i]);
        config_harness_expect_none(config);
        config_free(&config);
    }
}

Test(config, one_address_may_stand_alone)
{
    struct config *config = config_harness_load("http: {listen: localhost:81}\n");

    config_harness_expect_none(config);
    cr_assert_eq(config->http.listen.count, 1);
    cr_assert_str_eq(config->http.listen.items[0], "localhost:81");
    config_free(&config);
}

Test(config, anonymous_opens_all_addresses)
{
    struct config *config =
        config_harness_load("http: {listen: [0.0.0.0:8080, \"*:81\"], anonymous: true}\n");

    config_harness_expect_none(config);
    config_free(&config);
}

Test(config, listener_of_mqtt_may_be_nowhere_and_that_of_http_not)
{
    static const char *const nowhere[] = {"mqtt.listen=", "mqtt.listen=[]", "http.listen="};
    struct config *config;

    for (size_t i = 0; i < COUNT(nowhere); i++) {
        cr_assert_eq(config_load(&config, NULL, &nowhere[i], 1), 0);
        cr_assert_eq(config_errors(config), i == 2);
        cr_assert_eq(config->mqtt.listen.count, i == 2);
        config_free(&config);
    }
}

Test(config, set_overrides_the_file_and_the_last_one_counts)
{
    static const char *const sets[] = {"log.level=error", "log.level=warn",
        "http.listen=[127.0.0.1:1,127.0.0.1:2]", "admin.listen=", "streams.readings.key=/id",
        "streams.events.labels.host=header:Host", "streams.events.labels.kind=/kind",
        "streams.events.labels.host=query:host", "streams.other.labels={a: /a}",
        "streams.readings.lake.path={stream}/x", "gateway.data=a=b"};
    struct config *config;

    config_harness_write("log: {level: debug}\n", 20);
    cr_assert_eq(config_load(&config, FILE_NAME, sets, COUNT(sets)), 0);
    config_harness_expect_none(config);
    cr_assert_str_eq(config->log.level, "warn");
    cr_assert_eq(config->http.listen.count, 2);
    cr_assert_str_eq(config->http.listen.items[1], "127.0.0.1:2");
    cr_assert_eq(config->admin.listen.count, 0);
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
    struct config *config = config_harness_load_set("http.listen=[::1]:8080");

    config_harness_expect_none(config);
    cr_assert_eq(config->http.listen.count, 1);
    cr_assert_str_eq(config->http.listen.items[0], "[::1]:8080");
    config_free(&config);
}

Test(config, the_environment_reaches_every_value)
{
    setenv("TEST_PORT", "8099", 1);
    setenv("TEST_SIZE", "5MiB", 1);
    struct config *config =
        config_harness_load("gateway: {data: \"/srv/$$/${TEST_PORT}\"}\n"
                            "http: {listen: [\"127.0.0.1:${TEST_PORT}\"], max_body: \"${TEST_SIZE}\"}\n");

    config_harness_expect_none(config);
    cr_assert_str_eq(config->gateway.data, "/srv/$/8099");
    cr_assert_str_eq(config->http.listen.items[0], "127.0.0.1:8099");
    cr_assert_eq(config->http.max_body, 5 << 20);
    config_free(&config);
}

/* ---- files and ceilings ------------------------------------------------------------------------------------ */

Test(config, files_that_cannot_be_read)
{
    struct config *config;

    cr_assert_eq(config_load(&config, "absent.yaml", NULL, 0), -1);
    config_harness_expect_errors(config, "absent.yaml: cannot be opened: No such file or directory\n");
    cr_assert_eq(config_load(&config, "/", NULL, 0), -1);
    config_harness_expect_errors(config, "/: cannot be read: Is a directory\n");
}

Test(config, a_file_is_at_most_1_mib)
{
    char *text = malloc(CONFIG_FILE_MAX + 1);
    struct config *config;

    cr_assert(text);
    memset(text, '#', CONFIG_FILE_MAX + 1);
    config_harness_write(text, CONFIG_FILE_MAX);
    cr_assert_eq(config_load(&config, FILE_NAME, NULL, 0), 0);
    config_harness_expect_none(config);
    config_free(&config);
    config_harness_write(text, CONFIG_FILE_MAX + 1);
    cr_assert_eq(config_load(&config, FILE_NAME, NULL, 0), -1);
    config_harness_expect_errors(config, "p.yaml: found more than 1 MiB; allowed: at most that\n");
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
        config_harness_write(text.data, text.length);
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
    for (int i = 0; i < OPTION_STREAMS_MAX - 2; i++)
        cr_assert_eq(bytes_print(&text, &error, "  s%d: {}\n", i), 0);
    config_harness_write(text.data, text.length);

    static const char *const one_more[] = {"streams.more.key=/x", "streams.more.labels.a=/x"};
    struct config *config;
    cr_assert_eq(config_load(&config, FILE_NAME, one_more, 0), 0);
    config_harness_expect_none(config);
    config_free(&config);
    cr_assert_eq(config_load(&config, FILE_NAME, one_more, 2), 0);
    config_harness_expect_errors(config, "--set streams.more: found one stream more; allowed: 1000\n"
                                         "--set streams.more: found one stream more; allowed: 1000\n");
}

static const char everything[] = "gateway: {id: \"${TEST_ID}\", data: \"a$$b\\\"c\\\\d\"}\n"
                                 "http: {listen: [127.0.0.1:1, \"[::1]:2\"]}\n"
                                 "kafka: {properties: {a.b: c, d: e}, files: {f: g}}\n"
                                 "log: {level: loud}\n"
                                 "nonsense: 1\n"
                                 "streams:\n"
                                 "  events: {labels: {kind: /kind, host: \"header:Host\"}, topics: [A, B]}\n"
                                 "  more: 1\n";
static const char *const every_set[] = {"http.listen=[127.0.0.1:3]", "streams.events.labels.more=/more",
    "streams.x.labels={a: /a}", "streams.x.headers.H=a", "kafka.properties.h.i=j", "streams.x.topics=[C]",
    "nothing", "lake.roll.what=1", "lake.rol=1", "streams.y.key=/y"};

/* As little memory as it takes, and every amount below: it ends in order, and says why. */
Test(config, memory_ends_anywhere)
{
    const size_t step = 16;
    struct config *config;
    size_t enough = 0;

    setenv("TEST_ID", "site", 1);
    config_harness_write(everything, sizeof everything - 1);
    /* The two large blocks come first; what follows is small. */
    for (size_t memory = 0; memory < CONFIG_FILE_MAX + 524288 && !enough; memory += step) {
        if (memory > 4096 && memory < OPTION_STREAMS_MAX * sizeof(struct config_stream))
            memory = OPTION_STREAMS_MAX * sizeof(struct config_stream);
        if (memory > OPTION_STREAMS_MAX * sizeof(struct config_stream) + 8192 && memory < CONFIG_FILE_MAX)
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
    config_harness_expect_errors(
        config, "the configuration needs more than 16 MiB of memory, or there is none\n");
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
                              "  user: \"\"                              # default\n"
                              "journal:\n"
                              "  max_size: 8GiB                        # default\n"
                              "  segment_size: 64MiB                   # default\n"
                              "access:\n"
                              "  credentials: \"\"                       # default\n"
                              "  address_rate: 0                       # default\n"
                              "admin:\n"
                              "  listen: [\"127.0.0.1:8081\"]            # default\n"
                              "  anonymous: true                       # default\n"
                              "  socket:\n"
                              "    mode: 660                           # default\n"
                              "    group: \"\"                           # default\n"
                              "  tls:\n"
                              "    certificate: \"\"                     # default\n"
                              "    key: \"\"                             # default\n"
                              "    client_ca: \"\"                       # default\n"
                              "    clients: required                   # default\n"
                              "http:\n"
                              "  listen: [\"127.0.0.1:1\", \"[::1]:2\"]    # p.yaml:2\n"
                              "  anonymous: true                       # p.yaml:2\n";
static const char printed_end[] = "  events:\n"
                                  "    format: json                        # default\n"
                                  "    key: \"\"                             # default\n"
                                  "    labels:\n"
                                  "      kind: \"/kind\"                     # p.yaml:4\n"
                                  "      a_name_that_is_long: \"header:Host\" # p.yaml:4\n"
                                  "    dedupe:\n"
                                  "      sequence: \"\"                      # default\n"
                                  "      old: store                        # default\n"
                                  "    time:\n"
                                  "      field: \"\"                         # default\n"
                                  "      format: \"\"                        # default\n"
                                  "      zone: \"UTC\"                       # default\n"
                                  "      past: 30d                         # default\n"
                                  "      future: 1h                        # default\n"
                                  "    key_rate: 0                         # default\n"
                                  "    schema: \"\"                          # default\n"
                                  "    schema_invalid: refuse              # default\n"
                                  "    topics: []                          # default\n"
                                  "    value: payload                      # default\n"
                                  "    headers: {}                         # default\n"
                                  "    ack:\n"
                                  "      level: fsync                      # default\n"
                                  "      outlets: []                       # default\n"
                                  "    journal_share: 0                    # default\n"
                                  "    lake:\n"
                                  "      path: \"{stream}\"                  # default\n"
                                  "      format: source                    # default\n"
                                  "      compression: default              # default\n"
                                  "      misfit: dead-letter               # default\n";

static struct config *load_printed(void)
{
    struct config *config;

    setenv("TEST_ID", "site", 1);
    setenv("TEST_FORMAT", "json", 1);
    config_harness_write(printed_file, sizeof printed_file - 1);
    cr_assert_eq(config_load(&config, FILE_NAME, printed_sets, COUNT(printed_sets)), 0);
    config_harness_expect_none(config);
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

/* A file of a store elsewhere is dear; what is set holds, of a file and of the command line. */
Test(config, files_of_a_store_elsewhere_are_rolled_more_rarely)
{
    static const struct {
        const char *sets[2];
        int64_t every;
    } samples[] = {
        {{"lake.url=s3://bucket/lake"}, INT64_C(600000000)},
        {{"lake.url=s3://bucket/lake", "lake.roll.every=10s"}, 10000000},
        {{"lake.url=s3://bucket/lake", "lake.roll.every=0"}, 0},
        {{"lake.url=file:///lake"}, 10000000},
        {{"lake.url=lake"}, 10000000},
    };

    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        struct config *config;
        cr_assert_eq(config_load(&config, NULL, samples[i].sets, samples[i].sets[1] ? 2 : 1), 0);
        config_harness_expect_none(config);
        cr_assert_eq(config->lake.roll.every, samples[i].every, "%s", samples[i].sets[0]);
        config_free(&config);
    }
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
    config_harness_write(first.data, first.length);
    cr_assert_eq(config_load(&again, FILE_NAME, NULL, 0), 0);
    config_harness_expect_none(again);
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
    config = config_harness_load("a: 1\n");
    cleanup_bytes struct bytes none;
    bytes_init(&none, 10);
    cr_assert_eq(config_print_errors(config, &none, &error), -1);
    config_free(&config);
}
