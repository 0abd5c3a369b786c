/* role: what a producer has otherwise than the client's configuration says; see kafka.h */
#include "kafka/internal.h"

#include <stdio.h>

static int role_set(rd_kafka_conf_t *conf, const char *name, const char *value, struct error *error)
{
    char reason[256];

    if (rd_kafka_conf_set(conf, name, value, reason, sizeof reason) == RD_KAFKA_CONF_OK)
        return 0;
    return error_set(error, ERROR_FATAL, "kafka: %s=%s: %s", name, value, reason);
}

/* A probe has one message under way and says soon what became of it. */
static int configure_probe(rd_kafka_conf_t *conf, int64_t patience, struct error *error)
{
    char timeout[32];

    snprintf(timeout, sizeof timeout, "%lld", (long long)(patience / MILLISECOND));
    return role_set(conf, "enable.gapless.guarantee", "false", error) == 0 &&
                   role_set(conf, "message.timeout.ms", timeout, error) == 0 &&
                   role_set(conf, "linger.ms", "0", error) == 0 &&
                   role_set(conf, "batch.num.messages", "1", error) == 0 &&
                   role_set(conf, "max.in.flight", "1", error) == 0 &&
                   role_set(conf, "topic.metadata.propagation.max.ms", "1000", error) == 0 &&
                   role_set(conf, "queue.buffering.max.messages", "1000", error) == 0 &&
                   role_set(conf, "statistics.interval.ms", "0", error) == 0
               ? 0
               : -1;
}

static int configure_careful(rd_kafka_conf_t *conf, struct error *error)
{
    return role_set(conf, "linger.ms", "20", error) == 0 ? role_set(conf, "max.in.flight", "1", error) : -1;
}

/* Unless it is set librdkafka waits for an answer as long as a transaction may last; it takes no more than that. */
static int configure_answers(rd_kafka_conf_t *conf, struct error *error)
{
    const uint64_t transaction = client_number(conf, "transaction.timeout.ms");
    const uint64_t answer = client_number(conf, "socket.timeout.ms");
    char text[32];

    snprintf(text, sizeof text, "%llu", (unsigned long long)(answer < transaction ? answer : transaction));
    return role_set(conf, "socket.timeout.ms", text, error);
}

static int configure_transactions(rd_kafka_conf_t *conf, const char *id, struct error *error)
{
    return role_set(conf, "transactional.id", id, error) == 0 &&
                   role_set(conf, "enable.gapless.guarantee", "false", error) == 0
               ? configure_answers(conf, error)
               : -1;
}

int role_configure(
    rd_kafka_conf_t *conf, enum kafka_role role, int64_t patience, const char *id, struct error *error)
{
    switch (role) {
    case KAFKA_ROLE_PROBE:
        return configure_probe(conf, patience, error);
    case KAFKA_ROLE_CAREFUL:
        return configure_careful(conf, error);
    case KAFKA_ROLE_TRANSACTIONS:
        return configure_transactions(conf, id, error);
    case KAFKA_ROLE_MAIN:
        break;
    }
    return 0;
}
