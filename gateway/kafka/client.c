/* client: the checked configuration of librdkafka; see kafka.h */
#include "kafka/internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/option.h"

static const struct config_pair house_defaults[] = {
    {"client.id", "penstock"},
    {"enable.idempotence", "true"},
    {"enable.gapless.guarantee", "true"},
    {"acks", "all"},
    {"message.timeout.ms", "0"},
    {"partitioner", "murmur2_random"},
    {"compression.type", "lz4"},
    {"linger.ms", "20"},
    {"queue.buffering.max.messages", "50000"},
    {"queue.buffering.max.kbytes", "16384"},
    {"statistics.interval.ms", "5000"},
    {"log.queue", "true"},
};

bool kafka_is_configured(const struct config *config)
{
    return config->kafka.properties.count > 0 || config->kafka.files.count > 0;
}

int kafka_client_new(struct kafka_client **ret_client, struct config *config, struct error *error)
{
    struct kafka_client *client = calloc(1, sizeof *client);
    char reason[256];

    if (!client)
        return error_set(error, ERROR_RETRY, "kafka: out of memory");
    client->conf = rd_kafka_conf_new();
    client->warning = "";
    for (size_t i = 0; i < sizeof house_defaults / sizeof *house_defaults; i++)
        rd_kafka_conf_set(
            client->conf, house_defaults[i].name, house_defaults[i].value, reason, sizeof reason);
    for (size_t i = 0; i < config->kafka.properties.count; i++) {
        const struct config_pair *pair = &config->kafka.properties.items[i];
        if (rd_kafka_conf_set(client->conf, pair->name, pair->value, reason, sizeof reason) !=
            RD_KAFKA_CONF_OK) {
            config_report(config, &pair->value, "%s", reason);
            kafka_client_free(&client);
            return error_set(error, ERROR_FATAL, "kafka: a property is wrong");
        }
        if (strcmp(pair->name, "bootstrap.servers") == 0)
            client->servers = strdup(pair->value);
    }
    client->max_message = 1000000 - 400;
    *ret_client = client;
    return 0;
}

void kafka_client_free(struct kafka_client **client)
{
    struct kafka_client *freed = *client;

    if (!freed)
        return;
    *client = NULL;
    rd_kafka_conf_destroy(freed->conf);
    free(freed->servers);
    free(freed);
}

void kafka_client_set_log(struct kafka_client *client, kafka_log_fn *log, void *context)
{
    client->log = log;
    client->log_context = context;
}

const char *kafka_client_servers(const struct kafka_client *client)
{
    return client->servers;
}

uint64_t kafka_client_max_message(const struct kafka_client *client)
{
    return client->max_message;
}

const char *kafka_client_warning(const struct kafka_client *client)
{
    return client->warning;
}
