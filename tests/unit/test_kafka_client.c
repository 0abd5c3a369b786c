/* test_kafka_client: the properties: house defaults, what is refused and where, files, secrets */
#include "config_harness.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "kafka/internal.h"

#define SECRET "hunter2-secret"

TestSuite(kafka_client, .init = config_harness_enter, .fini = config_harness_leave);

/* ---- what is right ------------------------------------------------------------------------------------------ */

static struct kafka_client *make(struct config *config)
{
    struct kafka_client *client = NULL;
    struct error error;

    cr_assert_eq(kafka_client_new(&client, config, &error), 0, "%s", error.text);
    config_harness_expect_none(config);
    return client;
}

static void expect_value(const struct kafka_client *client, const char *name, const char *expected)
{
    char value[256] = "";
    size_t size = sizeof value;

    cr_assert_eq(rd_kafka_conf_get(client->conf, name, value, &size), RD_KAFKA_CONF_OK, "%s", name);
    cr_assert_str_eq(value, expected, "%s is %s", name, value);
}

Test(kafka_client, is_configured_by_any_property_or_file)
{
    struct config *config = config_harness_load("");

    cr_assert_not(kafka_is_configured(config));
    config_free(&config);
    config = config_harness_load_set("kafka.properties={bootstrap.servers: localhost:1}");
    cr_assert(kafka_is_configured(config));
    config_free(&config);
    config = config_harness_load_set("kafka.files={bootstrap.servers: x}");
    cr_assert(kafka_is_configured(config));
    config_free(&config);
}

Test(kafka_client, house_defaults_hold_and_the_users_properties_win)
{
    static const struct config_pair expected[] = {{"client.id", "penstock"}, {"enable.idempotence", "true"},
        {"enable.gapless.guarantee", "true"}, {"acks", "-1"}, {"message.timeout.ms", "0"},
        {"partitioner", "murmur2_random"}, {"queue.buffering.max.messages", "50000"},
        {"queue.buffering.max.kbytes", "16384"}, {"statistics.interval.ms", "5000"}, {"linger.ms", "5"},
        {"compression.type", "zstd"}};
    struct config *config = config_harness_load("kafka:\n"
                                                "  properties:\n"
                                                "    bootstrap.servers: a:1, ssl://b, [::1]:9093\n"
                                                "    linger.ms: 5\n"
                                                "    compression.type: zstd\n"
                                                "    acks: all\n"
                                                "    enable.idempotence: true\n"
                                                "    max.in.flight: 1\n"
                                                "    message.max.bytes: 2000000\n");
    struct kafka_client *client = make(config);

    for (size_t i = 0; i < COUNT(expected); i++)
        expect_value(client, expected[i].name, expected[i].value);
    cr_assert_str_eq(kafka_client_servers(client), "a:1, ssl://b, [::1]:9093");
    cr_assert_eq(kafka_client_max_message(client), 2000000 - 297);
    cr_assert_str_empty(kafka_client_warning(client));
    kafka_client_free(&client);
    cr_assert_null(client);
    kafka_client_free(&client);
    config_free(&config);
}

/* Else the broker would make a topic its own way as soon as somebody asks for its partitions. */
Test(kafka_client, brokers_create_no_topics_where_the_gateway_does)
{
    struct config *config =
        config_harness_load("kafka: {properties: {bootstrap.servers: a}, create_topics: {partitions: 3}}\n");
    struct kafka_client *client = make(config);

    expect_value(client, "allow.auto.create.topics", "false");
    kafka_client_free(&client);
    config_free(&config);
}

Test(kafka_client, scram_gets_a_warning_from_a_librdkafka_that_kafka_4_refuses)
{
    struct config *config =
        config_harness_load("kafka: {properties: {bootstrap.servers: a, security.protocol: sasl_plaintext,\n"
                            "  sasl.mechanisms: SCRAM-SHA-512, sasl.username: u, sasl.password: p}}\n");
    struct kafka_client *client = make(config);

    cr_assert_eq(kafka_client_warning(client)[0] != '\0', rd_kafka_version() < 0x020601ff);
    kafka_client_free(&client);
    config_free(&config);
}

Test(kafka_client, a_check_takes_no_time_and_resolves_nothing)
{
    struct config *config = config_harness_load(
        "kafka: {properties: {bootstrap.servers: no-such-host.invalid, security.protocol: ssl}}\n");
    int64_t start = clock_monotonic(&clock_system);
    struct kafka_client *client = make(config);

    cr_assert_lt(clock_monotonic(&clock_system) - start, CLOCK_SECOND);
    kafka_client_free(&client);
    config_free(&config);
}

/* ---- what is wrong ------------------------------------------------------------------------------------------ */

static void expect_refused(struct config *config, const char *errors)
{
    struct kafka_client *client = NULL;
    struct error error;

    cr_assert_eq(config_errors(config), 0);
    cr_assert_eq(kafka_client_new(&client, config, &error), -1);
    cr_assert_eq(error.kind, ERROR_FATAL);
    cr_assert_null(client);
    config_harness_expect_errors(config, errors);
}

Test(kafka_client, all_that_breaks_the_promise_is_refused_with_the_reason)
{
    expect_refused(config_harness_load("kafka:\n"
                                       "  properties:\n"
                                       "    bootstrap.servers: a\n"
                                       "    acks: 1\n"
                                       "    request.required.acks: 0\n"
                                       "    enable.idempotence: false\n"
                                       "    enable.gapless.guarantee: false\n"
                                       "    message.timeout.ms: 300000\n"
                                       "    delivery.timeout.ms: 1\n"
                                       "    max.in.flight: 6\n"
                                       "    max.in.flight.requests.per.connection: 100\n"
                                       "    delivery.report.only.error: true\n"
                                       "    queuing.strategy: lifo\n"
                                       "    transactional.id: me\n"
                                       "    log.queue: false\n"
                                       "    enabled_events: 1\n"
                                       "    sticky.partitioning.linger.ms: 10\n"),
        "p.yaml:4:11: kafka.properties.acks: can only be all: or records that are confirmed could be lost\n"
        "p.yaml:5:28: kafka.properties.request.required.acks: can only be all: or records that are confirmed could be lost\n"
        "p.yaml:6:25: kafka.properties.enable.idempotence: can only be true: or records could be stored twice or change places\n"
        "p.yaml:7:31: kafka.properties.enable.gapless.guarantee: can only be true: or records of a key could change places\n"
        "p.yaml:8:25: kafka.properties.message.timeout.ms: can only be 0: the journal keeps what Kafka cannot take, so that a message never times out\n"
        "p.yaml:9:26: kafka.properties.delivery.timeout.ms: can only be 0: the journal keeps what Kafka cannot take, so that a message never times out\n"
        "p.yaml:10:20: kafka.properties.max.in.flight: can be 5 at most: or records of a key could change places\n"
        "p.yaml:11:44: kafka.properties.max.in.flight.requests.per.connection: can be 5 at most: or records of a key could change places\n"
        "p.yaml:12:33: kafka.properties.delivery.report.only.error: can only be false: or nothing would ever count as delivered\n"
        "p.yaml:13:23: kafka.properties.queuing.strategy: can only be fifo: or records of a key could change places\n"
        "p.yaml:14:23: kafka.properties.transactional.id: cannot be set: only penstock import --transactional has transactions, under ids of its own\n"
        "p.yaml:15:16: kafka.properties.log.queue: can only be true: it is the gateway's own\n"
        "p.yaml:16:21: kafka.properties.enabled_events: cannot be set: it is the gateway's own\n"
        "p.yaml:17:36: kafka.properties.sticky.partitioning.linger.ms: can only be 0: or records of a key could change places\n");
}

Test(kafka_client, unknown_properties_get_a_suggestion_and_a_consumers_are_told_so)
{
    char expected[1024];

    snprintf(expected, sizeof expected,
        "p.yaml:4:17: kafka.properties.linger.msx: librdkafka %s has no such property; did you mean linger.ms?\n"
        "p.yaml:5:22: kafka.properties.nothing.like.it: librdkafka %s has no such property\n"
        "p.yaml:6:15: kafka.properties.group.id: is a consumer's property, the gateway only produces\n"
        "p.yaml:7:12: kafka.properties.dr_cb: Property \"dr_cb\" must be set through dedicated .._set_..() function\n"
        "p.yaml:8:16: kafka.properties.linger.ms: Configuration property \"queue.buffering.max.ms\" value -4 is outside allowed range 0..900000\n",
        rd_kafka_version_str(), rd_kafka_version_str());
    expect_refused(config_harness_load("kafka:\n"
                                       "  properties:\n"
                                       "    bootstrap.servers: a\n"
                                       "    linger.msx: 5\n"
                                       "    nothing.like.it: zzzz\n"
                                       "    group.id: g\n"
                                       "    dr_cb: x\n"
                                       "    linger.ms: -4\n"),
        expected);
}

Test(kafka_client, servers_have_to_be_addresses)
{
    expect_refused(config_harness_load("kafka: {properties: {linger.ms: 5}}\n"),
        "p.yaml:1:21: kafka.properties: bootstrap.servers is missing: HOST:PORT of brokers, separated by commas\n");
    expect_refused(
        config_harness_load("kafka: {properties: {bootstrap.servers: 'a:x, :9, ,b:65536,c:0,d e,f:'}}\n"),
        "p.yaml:1:41: kafka.properties.bootstrap.servers: \"a:x\" is no broker's address; allowed: HOST:PORT\n"
        "p.yaml:1:41: kafka.properties.bootstrap.servers: \":9\" is no broker's address; allowed: HOST:PORT\n"
        "p.yaml:1:41: kafka.properties.bootstrap.servers: \"\" is no broker's address; allowed: HOST:PORT\n"
        "p.yaml:1:41: kafka.properties.bootstrap.servers: \"b:65536\" is no broker's address; allowed: HOST:PORT\n"
        "p.yaml:1:41: kafka.properties.bootstrap.servers: \"c:0\" is no broker's address; allowed: HOST:PORT\n"
        "p.yaml:1:41: kafka.properties.bootstrap.servers: \"d e\" is no broker's address; allowed: HOST:PORT\n"
        "p.yaml:1:41: kafka.properties.bootstrap.servers: \"f:\" is no broker's address; allowed: HOST:PORT\n");
}

Test(kafka_client, what_only_an_instance_finds_is_reported_at_the_property_that_it_names)
{
    expect_refused(config_harness_load("kafka: {properties: {bootstrap.servers: a, retries: 0}}\n"),
        "p.yaml:1:53: kafka.properties.retries: `retries` must be set >= 1 when `enable.idempotence` is true\n");
    expect_refused(
        config_harness_load(
            "kafka: {properties: {bootstrap.servers: a, security.protocol: sasl_plaintext, sasl.mechanism: PLAIN}}\n"),
        "p.yaml:1:21: kafka.properties: sasl.username and sasl.password must be set\n");
    expect_refused(
        config_harness_load(
            "kafka: {properties: {bootstrap.servers: a, security.protocol: sasl_ssl, sasl.mechanism: OAUTHBEARER}}\n"),
        "p.yaml:1:89: kafka.properties.sasl.mechanism: OAUTHBEARER needs sasl.oauthbearer.method: oidc\n");
}

/* ---- files and secrets -------------------------------------------------------------------------------------- */

static void write_file(const char *name, const char *text, size_t length, mode_t mode)
{
    FILE *file = fopen(name, "we");

    cr_assert(file);
    cr_assert_eq(fwrite(text, 1, length, file), length);
    cr_assert_eq(fclose(file), 0);
    cr_assert_eq(chmod(name, mode), 0);
}

Test(kafka_client, a_file_gives_the_value_without_its_last_newline)
{
    struct config *config;
    struct kafka_client *client;

    write_file("password", SECRET "\n\n", strlen(SECRET) + 2, 0640);
    write_file("servers", "a:1", 3, 0644);
    config = config_harness_load("kafka: {files: {sasl.password: password, bootstrap.servers: servers}}\n");
    client = make(config);
    expect_value(client, "sasl.password", SECRET "\n");
    cr_assert_str_eq(kafka_client_servers(client), "a:1");
    kafka_client_free(&client);
    config_free(&config);
    unlink("password");
    unlink("servers");
}

Test(kafka_client, files_that_are_not_right_are_reported_at_their_place)
{
    static char large[(64 << 10) + 1];

    memset(large, 'x', sizeof large);
    write_file("open", SECRET, strlen(SECRET), 0644);
    write_file("empty", "\n", 1, 0600);
    write_file("zero", "a\0b", 3, 0600);
    write_file("large", large, sizeof large, 0600);
    expect_refused(config_harness_load("kafka:\n"
                                       "  properties: {bootstrap.servers: a, client.id: me}\n"
                                       "  files:\n"
                                       "    sasl.password: open\n"
                                       "    sasl.username: empty\n"
                                       "    client.rack: zero\n"
                                       "    ssl.ca.pem: large\n"
                                       "    ssl.key.password: missing\n"
                                       "    ssl.key.location: /dev/null\n"
                                       "    client.id: open\n"
                                       "    sasl.pasword: open\n"),
        "p.yaml:4:20: kafka.files.sasl.password: open holds a secret, but its mode is 0644: chmod 600 it\n"
        "p.yaml:5:20: kafka.files.sasl.username: empty: empty\n"
        "p.yaml:6:18: kafka.files.client.rack: zero: holds a zero byte\n"
        "p.yaml:7:17: kafka.files.ssl.ca.pem: large: more than 64 KiB\n"
        "p.yaml:8:23: kafka.files.ssl.key.password: missing: No such file or directory\n"
        "p.yaml:9:23: kafka.files.ssl.key.location: /dev/null: not a regular file\n"
        "p.yaml:10:16: kafka.files.client.id: is in kafka.properties, too\n"
        "p.yaml:11:19: kafka.files.sasl.pasword: librdkafka 2.0.2 has no such property; did you mean sasl.password?\n");
    unlink("open");
    unlink("empty");
    unlink("zero");
    unlink("large");
}

/* Whatever is wrong with a secret, no message repeats it. */
Test(kafka_client, no_message_holds_a_secret)
{
    static const char *const configs[] = {
        "security.protocol: ssl, ssl.key.pem: " SECRET,
        "security.protocol: ssl, ssl.key.pem: " SECRET ", ssl.key.password: " SECRET,
        "security.protocol: ssl, ssl.keystore.location: /dev/null, ssl.keystore.password: " SECRET,
        "security.protocol: sasl_ssl, sasl.mechanism: PLAIN, sasl.password: " SECRET,
        "security.protocol: ssl, ssl.ca.location: /none, ssl.key.password: " SECRET,
        "sasl.pasword: " SECRET,
        "sasl.password: " SECRET ", retries: 0",
        "sasl.password: retries, retries: 0",
    };

    for (size_t i = 0; i < COUNT(configs); i++) {
        struct kafka_client *client = NULL;
        struct config *config;
        struct error error;
        cleanup_bytes struct bytes text;
        char yaml[512];
        snprintf(yaml, sizeof yaml, "kafka: {properties: {bootstrap.servers: a, %s}}\n", configs[i]);
        config = config_harness_load(yaml);
        bytes_init(&text, 1 << 20);
        cr_assert_eq(kafka_client_new(&client, config, &error), -1, "%s", configs[i]);
        cr_assert_eq(config_print_errors(config, &text, &error), 0);
        cr_assert_gt(text.length, 0);
        cr_assert_null(
            memmem(text.data, text.length, SECRET, strlen(SECRET)), "%.*s", (int)text.length, text.data);
        cr_assert_null(strstr(error.text, SECRET));
        if (i == COUNT(configs) - 1)
            cr_assert_null(
                memmem(text.data, text.length, "`retries`", 9), "%.*s", (int)text.length, text.data);
        config_free(&config);
    }
}
