/* test_kafka_producer: a producer against librdkafka's mock cluster: reports, refusals, what breaks it, how it ends */
#include "kafka/kafka.h"

#include <criterion/criterion.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <stdio.h>

#include "base/clock.h"

#define PRODUCE 0 /* the request's number in Kafka's protocol */
#define PATIENCE \
    (INT64_C(30) * 1000 * 1000) /* of the tests: microseconds until what they wait for must be there */
#define REPORTS_MAX 1024

/* ---- a cluster, a producer, and what it reported ------------------------------------------------------------- */

static rd_kafka_t *cluster_handle;
static rd_kafka_mock_cluster_t *cluster;
static struct config *config;
static struct kafka_client *client;
static struct kafka_producer *producer;

static struct {
    struct kafka_report items[REPORTS_MAX];
    size_t count;
    size_t outcomes[KAFKA_TOPIC_NOT_CREATED + 1];
    char reason[256]; /* of the last one that was not delivered */
} reports;

static void note_report(void *context, const struct kafka_report *report)
{
    cr_assert_eq(context, &reports);
    cr_assert_lt(reports.count, REPORTS_MAX);
    reports.items[reports.count++] = *report;
    reports.outcomes[report->outcome]++;
    if (report->outcome != KAFKA_DELIVERED)
        snprintf(reports.reason, sizeof reports.reason, "%s", report->reason);
}

/* The mock's addresses and a quick retry; `more` on top. */
static void open_client(const struct config_pair *more, size_t count)
{
    static char servers[512];
    static struct config_pair pairs[8];
    struct error error;

    snprintf(servers, sizeof servers, "%s", rd_kafka_mock_cluster_bootstraps(cluster));
    pairs[0] = (struct config_pair){"bootstrap.servers", servers};
    pairs[1] = (struct config_pair){"retry.backoff.ms", "50"};
    for (size_t i = 0; i < count; i++)
        pairs[2 + i] = more[i];
    cr_assert_eq(config_load(&config, NULL, NULL, 0), 0);
    config->kafka.properties = (struct config_map){pairs, 2 + count};
    cr_assert_eq(kafka_client_new(&client, config, &error), 0, "%s", error.text);
}

static void open_producer(enum kafka_role role, int64_t patience)
{
    struct error error;

    cr_assert_eq(kafka_producer_open(&producer, client, role, patience, &error), 0, "%s", error.text);
}

static void enter(void)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char reason[256];

    rd_kafka_conf_set(conf, "log_level", "0", reason, sizeof reason);
    cluster_handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    cr_assert(cluster_handle, "%s", reason);
    cluster = rd_kafka_mock_cluster_new(cluster_handle, 3);
    cr_assert(cluster);
    cr_assert_eq(rd_kafka_mock_topic_create(cluster, "t", 1, 3), 0);
    open_client(NULL, 0);
    open_producer(KAFKA_ROLE_MAIN, 0);
    memset(&reports, 0, sizeof reports);
}

static void leave(void)
{
    kafka_producer_close(&producer);
    cr_assert_null(producer);
    kafka_client_free(&client);
    cr_assert_null(client);
    config_free(&config);
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(cluster_handle);
}

TestSuite(kafka_producer, .init = enter, .fini = leave);

static struct kafka_topic *topic_of(const char *name)
{
    struct kafka_topic *topic;
    struct error error;

    cr_assert_eq(kafka_producer_topic(producer, name, &topic, &error), 0, "%s", error.text);
    return topic;
}

static enum kafka_sent send_to(const char *name, uint64_t tag, struct error *error)
{
    struct kafka_header header = {slice_of("penstock-id"), slice_of("g.1.1")};
    struct kafka_message message = {
        .key = slice_of("k"),
        .value = slice_of("value"),
        .time = INT64_C(1700000000000000),
        .headers = &header,
        .headers_count = 1,
        .tag = tag,
    };

    return kafka_producer_send(producer, topic_of(name), &message, error);
}

static void send_all(const char *name, size_t count)
{
    struct error error;

    for (size_t i = 0; i < count; i++)
        cr_assert_eq(send_to(name, i, &error), KAFKA_SENT, "%s", error.text);
}

static void poll_until(size_t count)
{
    int64_t end = clock_monotonic(&clock_system) + PATIENCE;

    while (reports.count < count) {
        cr_assert_lt(clock_monotonic(&clock_system), end, "%zu of %zu reports came", reports.count, count);
        kafka_producer_poll(producer, 100000, 100, note_report, &reports);
    }
}

Test(kafka_producer, delivers_and_reports_each_message_once_in_order)
{
    send_all("t", 200);
    poll_until(200);
    cr_assert_eq(reports.outcomes[KAFKA_DELIVERED], 200);
    for (size_t i = 0; i < 200; i++) {
        cr_assert_eq(reports.items[i].tag, i);
        cr_assert_str_empty(reports.items[i].reason);
    }
    cr_assert_null(kafka_producer_broken(producer));
    cr_assert_null(kafka_producer_trouble(producer));
}
