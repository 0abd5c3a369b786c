/* position: the topic of positions: that it is there and fit, and what stands in it; see kafka.h
 *
 * It is read from its end backwards, in steps that grow: what is sought is among the newest. A consumer without a group is enough, so that nobody needs
 * rights for one. Readers of committed records see no further than the first record of the oldest open transaction, whoever's that is (the last
 * stable offset, KIP-98): a position that was committed behind it would not be seen yet. So all that stood there at the beginning is waited for.
 */
#include "kafka/internal.h"

#include <stdio.h>

#define PARTITION 0
#define TICK_MS 1000
#define PAUSE (CLOCK_SECOND / 2) /* between two tries */

struct look {
    rd_kafka_t *handle;
    rd_kafka_topic_t *topic;
    const struct kafka_patience *patience;
    const char *key;
    char trouble[ERROR_TEXT_SIZE]; /* librdkafka's last words about brokers; "" */
    int64_t until; /* offset up to which all has to be read; -1: not known yet */
    bool found; /* a record of the key, with a value or without */
    struct bytes value; /* of the newest; empty: none */
};

/* ---- a consumer ------------------------------------------------------------------------------------------------ */

static void look_error(rd_kafka_t *handle, int code, const char *text, void *opaque)
{
    struct look *look = opaque;

    (void)handle;
    (void)code;
    snprintf(look->trouble, sizeof look->trouble, "%s", text);
}

static const struct config_pair look_properties[] = {
    {"isolation.level", "read_committed"},
    {"enable.partition.eof", "true"},
    {"auto.offset.reset", "earliest"},
    {"statistics.interval.ms", "0"},
    {"client.rack", ""}, /* followers know less than the leader: only he knows the end */
    {"fetch.wait.max.ms", "100"},
};

static int look_open(struct look *look, const struct kafka_client *client, struct error *error)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(client->conf);
    char reason[256];

    for (size_t i = 0; i < sizeof look_properties / sizeof *look_properties; i++)
        rd_kafka_conf_set(conf, look_properties[i].name, look_properties[i].value, reason, sizeof reason);
    rd_kafka_conf_set_opaque(conf, look);
    rd_kafka_conf_set_error_cb(conf, look_error);
    /* What it says of the producer's properties is not worth a line; what keeps it from the brokers is in `trouble`. */
    rd_kafka_conf_set_log_cb(conf, NULL);
    look->handle = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
    if (!look->handle) {
        rd_kafka_conf_destroy(conf);
        return error_set(error, ERROR_RETRY, "kafka: %s", reason);
    }
    look->topic = rd_kafka_topic_new(look->handle, KAFKA_POSITIONS, NULL);
    return 0;
}

/* Nothing of `look` is used any more: only rd_kafka_poll() calls look_error(). */
static void *look_end(void *handle)
{
    rd_kafka_destroy_flags(handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    return NULL;
}

static void look_close(struct look *look)
{
    if (look->topic)
        rd_kafka_topic_destroy(look->topic);
    if (look->handle)
        end_soon(look_end, look->handle);
    bytes_free(&look->value);
}

static int look_fail(const struct look *look, rd_kafka_resp_err_t code, const char *text, struct error *error)
{
    const bool refused = code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;

    if (report_is_silence(code) && *look->trouble)
        text = look->trouble;
    return error_set(error, refused ? ERROR_REJECT : ERROR_RETRY, "kafka: topic %s: %s%s", KAFKA_POSITIONS,
        text, refused ? ": kafka.delivery: exactly-once needs the rights Read, Write and Describe" : "");
}

/* Between two tries; false: there is no other one. */
static bool look_again(struct look *look, const struct error *error)
{
    if (error->kind != ERROR_RETRY)
        return false;
    rd_kafka_poll(look->handle, (int)(PAUSE / MILLISECOND));
    return look->patience->wait(look->patience->context, error->text);
}

/* ---- the topic itself ------------------------------------------------------------------------------------------ */

/* The answer to one question about the topic. Owned by the caller; NULL: none came. */
static rd_kafka_event_t *look_answer(struct look *look, rd_kafka_queue_t *queue)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 6 * TICK_MS);

    rd_kafka_poll(look->handle, 0);
    return event;
}

static rd_kafka_AdminOptions_t *look_options(struct look *look, rd_kafka_admin_op_t operation)
{
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(look->handle, operation);
    char reason[256];

    rd_kafka_AdminOptions_set_request_timeout(options, 5 * TICK_MS, reason, sizeof reason);
    return options;
}

static int create_take(const struct look *look, rd_kafka_event_t *event, struct error *error)
{
    rd_kafka_resp_err_t code = event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT;
    const char *text = event ? rd_kafka_event_error_string(event) : rd_kafka_err2str(code);
    size_t count;

    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        const rd_kafka_topic_result_t *result =
            rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count)[0];
        code = rd_kafka_topic_result_error(result);
        text = rd_kafka_topic_result_error_string(result);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
            return 0;
        if (!report_is_silence(code))
            return error_set(error, ERROR_REJECT,
                "kafka: topic %s cannot be made: %s: make it with one partition and cleanup.policy=compact",
                KAFKA_POSITIONS, text ? text : rd_kafka_err2str(code));
    }
    return look_fail(look, code, text ? text : rd_kafka_err2str(code), error);
}

static int topic_create(struct look *look, struct error *error)
{
    char reason[256];
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(KAFKA_POSITIONS, 1, -1, reason, sizeof reason);
    rd_kafka_AdminOptions_t *options = look_options(look, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(look->handle);

    rd_kafka_NewTopic_set_config(topic, "cleanup.policy", "compact");
    rd_kafka_NewTopic_set_config(
        topic, "segment.bytes", "16777216"); /* what is read at a start stays short */
    rd_kafka_CreateTopics(look->handle, &topic, 1, options, queue);
    rd_kafka_event_t *event = look_answer(look, queue);
    const int result = create_take(look, event, error);
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewTopic_destroy(topic);
    return result;
}

/* 1: it is there, with one partition; 0: it is not there. */
static int topic_find(struct look *look, struct error *error)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t code = rd_kafka_metadata(look->handle, 0, look->topic, &metadata, 5 * TICK_MS);

    rd_kafka_poll(look->handle, 0);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return look_fail(look, code, rd_kafka_err2str(code), error);
    code = metadata->topics[0].err;
    const int partitions = metadata->topics[0].partition_cnt;
    rd_kafka_metadata_destroy(metadata);
    if (code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART)
        return 0;
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return look_fail(look, code, rd_kafka_err2str(code), error);
    if (partitions == 1)
        return 1;
    return error_set(error, ERROR_REJECT,
        "kafka: topic %s has %d partitions: delete it, and make it with one and cleanup.policy=compact",
        KAFKA_POSITIONS, partitions);
}

static int policy_take(const struct look *look, rd_kafka_event_t *event, struct error *error)
{
    rd_kafka_resp_err_t code = event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT;
    const char *policy = NULL;
    size_t count;

    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        const rd_kafka_ConfigResource_t *resource = rd_kafka_DescribeConfigs_result_resources(
            rd_kafka_event_DescribeConfigs_result(event), &count)[0];
        code = rd_kafka_ConfigResource_error(resource);
        const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &count);
        for (size_t i = 0; i < count; i++) {
            if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), "cleanup.policy") == 0)
                policy = rd_kafka_ConfigEntry_value(entries[i]);
        }
    }
    /* Who may not ask, or asks a broker that does not answer this, has to know it. */
    if (code == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED ||
        code == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED ||
        code == RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE)
        return 0;
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return look_fail(look, code, rd_kafka_err2str(code), error);
    if (policy && strcmp(policy, "compact") == 0)
        return 0;
    return error_set(error, ERROR_REJECT,
        "kafka: topic %s has cleanup.policy=%s, which deletes positions in time: set it to compact",
        KAFKA_POSITIONS, policy ? policy : "");
}

static int topic_check_policy(struct look *look, struct error *error)
{
    rd_kafka_ConfigResource_t *resource =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, KAFKA_POSITIONS);
    rd_kafka_AdminOptions_t *options = look_options(look, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(look->handle);

    rd_kafka_DescribeConfigs(look->handle, &resource, 1, options, queue);
    rd_kafka_event_t *event = look_answer(look, queue);
    const int result = policy_take(look, event, error);
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ConfigResource_destroy(resource);
    return result;
}

static int topic_prepare(struct look *look, struct error *error)
{
    for (;;) {
        int found = topic_find(look, error);
        if (found == 0)
            found = topic_create(look, error) == 0
                        ? error_set(error, ERROR_RETRY, "kafka: topic %s is being made", KAFKA_POSITIONS)
                        : -1;
        if (found > 0 && topic_check_policy(look, error) == 0)
            return 0;
        if (!look_again(look, error))
            return -1;
    }
}

/* ---- what stands in it ----------------------------------------------------------------------------------------- */

static int look_take(struct look *look, const rd_kafka_message_t *message, struct error *error)
{
    if (!slice_is((struct slice){message->key, message->key_len}, look->key))
        return 0;
    look->found = true;
    bytes_clear(&look->value);
    return bytes_add(&look->value, message->payload, message->len, error);
}

/* Whether all is read up to this offset. */
static bool look_is_at_end(struct look *look, int64_t offset, enum kafka_position_wait wait)
{
    int64_t low, high;

    if (wait == KAFKA_POSITION_DECIDED)
        return true;
    /* As the last answer said: the end of all there is, while the end that was come to is that of what is decided. */
    if (look->until < 0 && rd_kafka_get_watermark_offsets(look->handle, KAFKA_POSITIONS, PARTITION, &low,
                               &high) == RD_KAFKA_RESP_ERR_NO_ERROR)
        look->until = high;
    return look->until >= 0 && offset >= look->until;
}

/* 1: all is read, 0: there is more, or one has to wait; -1: failed. */
static int look_step(struct look *look, enum kafka_position_wait wait, struct error *error)
{
    rd_kafka_message_t *message = rd_kafka_consume(look->topic, PARTITION, TICK_MS);
    int result = 0;

    rd_kafka_poll(look->handle, 0);
    if (!message || message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        const bool end = message && look_is_at_end(look, message->offset, wait);
        if (message)
            rd_kafka_message_destroy(message);
        if (end)
            return 1;
        error_set(error, ERROR_RETRY, "%s",
            *look->trouble ? look->trouble : "a transaction is open in topic " KAFKA_POSITIONS);
        return look->patience->wait(look->patience->context, error->text) ? 0 : -1;
    }
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR)
        result = look_fail(look, message->err, rd_kafka_message_errstr(message), error);
    else
        result = look_take(look, message, error);
    rd_kafka_message_destroy(message);
    return result;
}

static int look_from(struct look *look, int64_t start, enum kafka_position_wait wait, struct error *error)
{
    int result;

    if (rd_kafka_consume_start(look->topic, PARTITION, start) != 0)
        return look_fail(look, rd_kafka_last_error(), rd_kafka_err2str(rd_kafka_last_error()), error);
    do {
        result = look_step(look, wait, error);
    } while (result == 0);
    rd_kafka_consume_stop(look->topic, PARTITION);
    return result < 0 ? -1 : 0;
}

int kafka_position_read(const struct kafka_client *client, const char *key, enum kafka_position_wait wait,
    struct bytes *ret_value, enum kafka_position_state *ret_state, const struct kafka_patience *patience,
    struct error *error)
{
    static const int64_t starts[] = {
        RD_KAFKA_OFFSET_TAIL(1000), RD_KAFKA_OFFSET_TAIL(100000), RD_KAFKA_OFFSET_BEGINNING};
    __attribute__((cleanup(look_close))) struct look look = {.patience = patience, .key = key, .until = -1};

    bytes_init(&look.value, KAFKA_POSITION_MAX);
    if (look_open(&look, client, error) || topic_prepare(&look, error))
        return -1;
    for (size_t i = 0; !look.found && i < sizeof starts / sizeof *starts; i++) {
        if (look_from(&look, starts[i], wait, error))
            return -1;
    }
    if (bytes_add(ret_value, look.value.data, look.value.length, error))
        return -1;
    *ret_state = look.value.length ? KAFKA_POSITION_KNOWN
                 : look.found      ? KAFKA_POSITION_DELETED
                                   : KAFKA_POSITION_NONE;
    return 0;
}
