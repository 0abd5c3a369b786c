/* kafka_harness: see kafka_harness.h */
#include "kafka_harness.h"

#include <criterion/criterion.h>

#include <stdio.h>

#define BROKERS 3

rd_kafka_mock_cluster_t *cluster;
struct kafka_client *client;
struct kafka_producer *producer;
struct reports reports;

static rd_kafka_t *cluster_handle;
static struct config *config;

void kafka_harness_enter(void)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char reason[256];

    rd_kafka_conf_set(conf, "log_level", "0", reason, sizeof reason);
    cluster_handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    cr_assert(cluster_handle, "%s", reason);
    cluster = rd_kafka_mock_cluster_new(cluster_handle, BROKERS);
    cr_assert(cluster);
    cr_assert_eq(rd_kafka_mock_topic_create(cluster, "t", 1, BROKERS), 0);
    memset(&reports, 0, sizeof reports);
}

void kafka_harness_close(void)
{
    kafka_producer_close(&producer);
    cr_assert_null(producer);
    kafka_client_free(&client);
    cr_assert_null(client);
    config_free(&config);
    reports = (struct reports){0};
}

void kafka_harness_leave(void)
{
    kafka_harness_close();
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(cluster_handle);
}

void open_client(const struct config_pair *more, size_t count)
{
    static char servers[512];
    static struct config_pair pairs[8];
    struct error error;

    snprintf(servers, sizeof servers, "%s", rd_kafka_mock_cluster_bootstraps(cluster));
    pairs[0] = (struct config_pair){"bootstrap.servers", servers};
    pairs[1] = (struct config_pair){"retry.backoff.ms", "50"};
    pairs[2] = (struct config_pair){"reconnect.backoff.max.ms", "200"};
    for (size_t i = 0; i < count; i++)
        pairs[3 + i] = more[i];
    cr_assert_eq(config_load(&config, NULL, NULL, 0), 0);
    config->kafka.properties = (struct config_map){pairs, 3 + count};
    cr_assert_eq(kafka_client_new(&client, config, &error), 0, "%s", error.text);
}

void open_producer(enum kafka_role role, int64_t patience)
{
    struct error error;

    cr_assert_eq(kafka_producer_open(&producer, client, role, patience, &error), 0, "%s", error.text);
}

void open_main(const struct config_pair *more, size_t count)
{
    open_client(more, count);
    open_producer(KAFKA_ROLE_MAIN, 0);
}

struct kafka_topic *topic_of(const char *name)
{
    struct kafka_topic *topic;
    struct error error;

    cr_assert_eq(kafka_producer_topic(producer, name, &topic, &error), 0, "%s", error.text);
    return topic;
}

enum kafka_sent send_to(const char *name, uint64_t tag, struct error *error)
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

void send_all(const char *name, size_t count)
{
    struct error error;

    for (size_t i = 0; i < count; i++) {
        enum kafka_sent sent = send_to(name, i, &error);
        wait_for(sent != KAFKA_FULL || (sent = send_to(name, i, &error)) != KAFKA_FULL);
        cr_assert_eq(sent, KAFKA_SENT, "%s", error.text);
    }
}

void note_report(void *context, const struct kafka_report *report)
{
    cr_assert_eq(context, &reports);
    cr_assert_lt(reports.count, REPORTS_MAX);
    reports.items[reports.count++] = *report;
    reports.outcomes[report->outcome]++;
    snprintf(reports.topic, sizeof reports.topic, "%s", report->topic);
    if (report->outcome == KAFKA_DELIVERED || report->outcome == KAFKA_TOPIC_CREATED)
        cr_assert_str_empty(report->reason);
    else
        cr_assert_str_not_empty(report->reason);
    if (reports.reason[0] == '\0')
        snprintf(reports.reason, sizeof reports.reason, "%s", report->reason);
}

void poll_some(void)
{
    kafka_producer_poll(producer, CLOCK_SECOND / 10, note_report, &reports);
}

void poll_until(size_t count)
{
    wait_for(reports.count >= count);
    cr_assert_eq(reports.count, count);
}

void set_brokers(bool up)
{
    for (int32_t broker = 1; broker <= BROKERS; broker++) {
        if (up)
            rd_kafka_mock_broker_set_up(cluster, broker);
        else
            rd_kafka_mock_broker_set_down(cluster, broker);
    }
}
