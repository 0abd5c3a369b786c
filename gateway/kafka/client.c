/* client: the checked configuration of librdkafka; see kafka.h
 *
 * Order: house defaults, the user's properties, the files. Each is first tried on a scratch configuration, so that what is wrong
 * with it is reported at its own place; then librdkafka judges the whole by making an instance that knows no broker. No text
 * that is reported may hold the value of a secret: librdkafka's own words are used only where they do not.
 */
#include "kafka/internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/option.h"

#define SERVERS "bootstrap.servers"
#define TRANSACTION_TIMEOUT "transaction.timeout.ms"
/* Of a gateway, whose transactions are short: readers of committed records wait so long when it is killed and stays away. */
#define TRANSACTION_TIMEOUT_ONCE "60000"

/* What a message needs beyond key, value and headers at most, as librdkafka counts it against message.max.bytes
 * (rd_kafka_msg_max_wire_size: 36 and two lengths of up to 5 bytes per header), and the head of a batch of one. */
#define MESSAGE_OVERHEAD 36
#define HEADER_OVERHEAD 10
#define BATCH_OVERHEAD 61

/* SCRAM's client-final message is wrong before it; only Kafka 4 minds. */
#define SCRAM_REPAIRED 0x020601ff

static const struct config_pair house_defaults[] = {
    {"client.id", "penstock"},
    {"enable.idempotence", "true"},
    {"enable.gapless.guarantee", "true"},
    {"acks", "all"},
    {"message.timeout.ms", "0"},
    {TRANSACTION_TIMEOUT,
        "900000"}, /* of an import: the most that brokers allow unless they are told otherwise */
    {"partitioner", PARTITION_HOUSE}, /* as far as there is a key: partition.c */
    {"sticky.partitioning.linger.ms", "0"}, /* it would choose for messages without a key instead */
    {"compression.type", "lz4"},
    {"linger.ms", "20"},
    {"queue.buffering.max.messages", "50000"},
    {"queue.buffering.max.kbytes", "16384"},
    {"statistics.interval.ms", "5000"},
    {"log.queue", "true"},
    {"reconnect.backoff.max.ms", "2000"}, /* a broker that is back is noticed soon */
    /* A topic that is missing is held and looked at again: there is no need to wait the usual 30 s before. */
    {"topic.metadata.propagation.max.ms", "5000"},
};

static void build_free(struct property_build *build)
{
    if (build->conf)
        rd_kafka_conf_destroy(build->conf);
    free(build->properties.text);
}

#define cleanup_build __attribute__((cleanup(build_free)))

/* ---- reading back ------------------------------------------------------------------------------------------ */

static bool is_set_to(const rd_kafka_conf_t *conf, const char *name, const char *wanted)
{
    char value[64] = "";
    size_t size = sizeof value;

    return rd_kafka_conf_get(conf, name, value, &size) == RD_KAFKA_CONF_OK && strcmp(value, wanted) == 0;
}

uint64_t client_number(const rd_kafka_conf_t *conf, const char *name)
{
    char value[32] = "0";
    size_t size = sizeof value;

    rd_kafka_conf_get(conf, name, value, &size);
    return strtoull(value, NULL, 10);
}

static char *get_text(const rd_kafka_conf_t *conf, const char *name)
{
    size_t size = 0;

    if (rd_kafka_conf_get(conf, name, NULL, &size) != RD_KAFKA_CONF_OK || size == 0)
        return strdup("");

    char *text = malloc(size);
    if (text)
        rd_kafka_conf_get(conf, name, text, &size);
    return text;
}

/* ---- the whole --------------------------------------------------------------------------------------------- */

/* The user's pair that librdkafka's complaint names (the longest name counts: ssl.key.location, not ssl); NULL for none. */
static const struct config_pair *find_blamed(const struct config *config, const char *reason)
{
    const struct config_map *maps[] = {&config->kafka.properties, &config->kafka.files};
    const struct config_pair *blamed = NULL;

    for (size_t m = 0; m < 2; m++) {
        for (size_t i = 0; i < maps[m]->count; i++) {
            const struct config_pair *pair = &maps[m]->items[i];
            if (strstr(reason, pair->name) && (!blamed || strlen(pair->name) > strlen(blamed->name)))
                blamed = pair;
        }
    }
    return blamed;
}

static bool holds_secret(const rd_kafka_conf_t *conf, const struct properties *properties, const char *reason)
{
    for (size_t i = 0; i < properties->count; i++) {
        char name[128], value[1024];
        size_t size = sizeof value;
        snprintf(name, sizeof name, "%.*s", (int)properties->names[i].length, properties->names[i].data);
        if (option_is_secret(properties->names[i]) &&
            rd_kafka_conf_get(conf, name, value, &size) == RD_KAFKA_CONF_OK && value[0] != '\0' &&
            strstr(reason, value))
            return true;
    }
    return false;
}

/* Only an instance finds what does not fit together, a certificate that is not there or a key that the password does not open.
 * It gets no broker's address, so that nothing is resolved or contacted. */
static void try_instance(struct property_build *build)
{
    char reason[KAFKA_REASON_SIZE];
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(build->conf);

    rd_kafka_conf_set(conf, SERVERS, NULL, reason, sizeof reason);
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_LOG);
    rd_kafka_t *handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    if (handle) {
        rd_kafka_destroy(handle);
        return;
    }
    rd_kafka_conf_destroy(conf);

    const struct config_pair *blamed = find_blamed(build->config, reason);
    if (holds_secret(build->conf, &build->properties, reason))
        snprintf(reason, sizeof reason, "librdkafka does not take these properties together");
    config_report(build->config,
        blamed ? (const void *)&blamed->value : (const void *)&build->config->kafka.properties, "%s", reason);
}

/* HOST, HOST:PORT or [IPv6]:PORT, with or without "PROTOCOL://". librdkafka would take "host:http" for port 0 without a word. */
static bool is_server(struct slice entry)
{
    const char *scheme = memmem(entry.data, entry.length, "://", 3);
    const char *host = scheme ? scheme + 3 : entry.data;
    const char *end = entry.data + entry.length;
    const char *colon = memrchr(host, ':', (size_t)(end - host));
    char port[6] = "9092";

    if (colon && memchr(colon, ']', (size_t)(end - colon)))
        colon = NULL; /* one of an IPv6 address without a port */
    if (colon) {
        if (end - colon < 2 || end - colon > 6)
            return false;
        memcpy(port, colon + 1, (size_t)(end - colon - 1));
        port[end - colon - 1] = '\0';
        end = colon;
    }
    return end > host && !memchr(host, ' ', (size_t)(end - host)) &&
           strspn(port, "0123456789") == strlen(port) && strtoul(port, NULL, 10) - 1 < 65535;
}

static struct slice trim(struct slice text)
{
    while (text.length > 0 && text.data[0] == ' ')
        text = (struct slice){text.data + 1, text.length - 1};
    while (text.length > 0 && text.data[text.length - 1] == ' ')
        text.length--;
    return text;
}

/* The place of a property that has two names, or of all properties when nobody gave it. */
static const void *find_pair(const struct config *config, const char *name, const char *alias)
{
    const struct config_map *maps[] = {&config->kafka.properties, &config->kafka.files};

    for (size_t m = 0; m < 2; m++) {
        for (size_t i = 0; i < maps[m]->count; i++) {
            const struct config_pair *pair = &maps[m]->items[i];
            if (strcmp(pair->name, name) == 0 || strcmp(pair->name, alias) == 0)
                return &pair->value;
        }
    }
    return &config->kafka.properties;
}

static void check_servers(struct property_build *build, const char *servers)
{
    const void *place = find_pair(build->config, SERVERS, "metadata.broker.list");

    if (place == &build->config->kafka.properties) {
        config_report(build->config, place, SERVERS " is missing: HOST:PORT of brokers, separated by commas");
        return;
    }
    for (const char *start = servers, *end; start; start = *end ? end + 1 : NULL) {
        end = strchrnul(start, ',');
        struct slice entry = trim((struct slice){start, (size_t)(end - start)});
        if (!is_server(entry))
            config_report(build->config, place, "\"%.*s\" is no broker's address; allowed: HOST:PORT",
                (int)(entry.length < 80 ? entry.length : 80), entry.data);
    }
}

static const char *find_warning(const rd_kafka_conf_t *conf)
{
    char mechanism[64] = "", protocol[32] = "";
    size_t mechanism_size = sizeof mechanism, protocol_size = sizeof protocol;

    rd_kafka_conf_get(conf, "sasl.mechanisms", mechanism, &mechanism_size);
    rd_kafka_conf_get(conf, "security.protocol", protocol, &protocol_size);
    if (strncmp(protocol, "sasl", 4) == 0 && strncmp(mechanism, "SCRAM", 5) == 0 &&
        rd_kafka_version() < SCRAM_REPAIRED)
        return "Kafka 4 refuses the SCRAM logins of this librdkafka: it has to be 2.6.1 or newer there";
    return "";
}

static int build_conf(struct property_build *build, struct error *error)
{
    const struct config *config = build->config;
    char reason[KAFKA_REASON_SIZE];

    if (property_list(&build->properties, error) != 0)
        return -1;
    for (size_t i = 0; i < sizeof house_defaults / sizeof *house_defaults; i++) {
        const struct config_pair *pair = &house_defaults[i];
        const bool once = strcmp(pair->name, TRANSACTION_TIMEOUT) == 0 &&
                          strcmp(build->config->kafka.delivery, "exactly-once") == 0;
        if (rd_kafka_conf_set(build->conf, pair->name, once ? TRANSACTION_TIMEOUT_ONCE : pair->value, reason,
                sizeof reason) != RD_KAFKA_CONF_OK)
            return error_set(error, ERROR_FATAL, "kafka: this librdkafka does not fit: %s", reason);
    }
    /* Who asks for a topic's partitions would otherwise make the broker create it, its way, before we do. */
    if (config->kafka.create_topics.partitions > 0)
        rd_kafka_conf_set(build->conf, "allow.auto.create.topics", "false", reason, sizeof reason);
    for (size_t i = 0; i < config->kafka.properties.count; i++) {
        const struct config_pair *pair = &config->kafka.properties.items[i];
        property_set(build, pair->name, pair->value, &pair->value);
    }
    for (size_t i = 0; i < config->kafka.files.count; i++)
        property_set_from_file(build, &config->kafka.files.items[i]);
    return 0;
}

/* OAUTHBEARER works with librdkafka's own ways to a token only; without one it would wait for ever, and say nothing. */
static void check_token(struct property_build *build)
{
    if (is_set_to(build->conf, "sasl.mechanisms", "OAUTHBEARER") &&
        !is_set_to(build->conf, "sasl.oauthbearer.method", "oidc") &&
        !is_set_to(build->conf, "enable.sasl.oauthbearer.unsecure.jwt", "true"))
        config_report(build->config, find_pair(build->config, "sasl.mechanisms", "sasl.mechanism"),
            "OAUTHBEARER needs sasl.oauthbearer.method: oidc");
}

static int find_partitioner(
    const rd_kafka_conf_t *conf, const struct partitioner **ret_partitioner, struct error *error)
{
    char name[64] = "";
    size_t size = sizeof name;

    rd_kafka_conf_get(conf, "partitioner", name, &size);
    *ret_partitioner = partitioner_find(name);
    return *ret_partitioner ? 0
                            : error_set(error, ERROR_FATAL,
                                  "kafka: this librdkafka does not fit: partitioner %s is not known", name);
}

/* What is right on its own, but not together. */
static int check_whole(struct property_build *build, struct error *error)
{
    char *servers = get_text(build->conf, SERVERS);

    if (!servers)
        return error_set(error, ERROR_RETRY, "kafka: out of memory");
    check_servers(build, servers);
    free(servers);
    check_token(build);
    return 0;
}

int kafka_client_new(struct kafka_client **ret_client, struct config *config, struct error *error)
{
    cleanup_build struct property_build build = {.config = config, .conf = rd_kafka_conf_new()};
    const struct partitioner *partitioner;
    struct kafka_client *client = NULL;
    size_t errors = config_errors(config);

    if (build_conf(&build, error) != 0 || find_partitioner(build.conf, &partitioner, error) != 0 ||
        check_whole(&build, error) != 0)
        return -1;
    if (config_errors(config) == errors)
        try_instance(&build);
    if (config_errors(config) != errors)
        return error_set(error, ERROR_FATAL, "kafka: the properties are not right");

    client = calloc(1, sizeof *client);
    if (!client || !(client->servers = get_text(build.conf, SERVERS))) {
        free(client);
        return error_set(error, ERROR_RETRY, "kafka: out of memory");
    }
    client->max_message = client_number(build.conf, "message.max.bytes") - MESSAGE_OVERHEAD - BATCH_OVERHEAD -
                          HEADER_OVERHEAD * KAFKA_HEADERS_MAX;
    client->warning = find_warning(build.conf);
    client->partitioner = partitioner;
    client->conf = build.conf;
    build.conf = NULL;
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

bool kafka_is_configured(const struct config *config)
{
    return config->kafka.properties.count > 0 || config->kafka.files.count > 0;
}

const char *kafka_client_servers(const struct kafka_client *client)
{
    return client->servers;
}

uint64_t kafka_client_max_message(const struct kafka_client *client)
{
    return client->max_message;
}

int64_t kafka_client_transaction_timeout(const struct kafka_client *client)
{
    return (int64_t)client_number(client->conf, "transaction.timeout.ms") * MILLISECOND;
}

const char *kafka_client_warning(const struct kafka_client *client)
{
    return client->warning;
}

/* ---- names of topics -------------------------------------------------------------------------------------- */

static bool is_topic_name(const char *name)
{
    size_t length = strlen(name);

    if (length == 0 || length > KAFKA_TOPIC_NAME_MAX || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return false;
    return strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == length;
}

int kafka_topic_check(const char *name, struct error *error)
{
    if (is_topic_name(name))
        return 0;
    return error_set(error, ERROR_REJECT,
        "kafka: not a topic's name; allowed: 1 to %d of the characters A-Z a-z 0-9 . _ -, not . or ..",
        KAFKA_TOPIC_NAME_MAX);
}
