/* consumer: a member of a consumer group; see kafka.h
 *
 * An assigned partition is paused and set to offset 0, so that nobody is asked for offsets: whoever uses it says where it starts. A start is a seek: librdkafka
 * drops what was fetched before one, but not the answer to a question for an offset (of the end, of what was committed), which would move the partition
 * behind our back.
 */
#include "kafka/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/option.h"

#define ASK_MS 5000 /* most that one question may take */
#define FETCH_BYTES ((uint64_t)1 << 20) /* of one answer */
#define NUDGE_RECORDS 5000 /* between two nudges, */
#define NUDGE_BYTES ((size_t)1 << 20) /* or so much of them */
#define NUDGE_TEXT_MAX 4096

struct kafka_consumer {
    rd_kafka_t *handle;
    struct kafka_consumer_options options;
    rd_kafka_message_t *message; /* of the last poll */
    bool joined; /* the group has said once what is ours */
    bool nudges; /* librdkafka's threads have to be told that there is room */
    size_t records, bytes; /* taken since they were told */
    char trouble[ERROR_TEXT_SIZE];
};

/* Not to be set otherwise: */
static const struct config_pair own_properties[] = {
    {"enable.auto.commit", "false"},
    {"enable.auto.offset.store", "false"},
    {"isolation.level", "read_committed"},
    {"partition.assignment.strategy", "cooperative-sticky"},
    {"auto.offset.reset", "error"},
    {"enable.partition.eof", "true"},
    {"allow.auto.create.topics", "false"},
    {"log.queue", "false"},
    {"group.id", NULL}, /* land.group */
    {"enabled_events", NULL},
    {"plugin.library.paths", NULL},
};

static const struct config_pair house_properties[] = {
    {"queued.max.messages.kbytes", "16384"},
    {"queued.min.messages", "50000"},
    {"topic.metadata.refresh.interval.ms", "10000"}, /* of patterns: new topics are found within it */
    {"check.crcs", "true"},
    {"statistics.interval.ms", "0"},
};

#define COUNT_OF(table) (sizeof(table) / sizeof *(table))

/* ---- properties -------------------------------------------------------------------------------------------- */

static bool consumer_owns(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(own_properties); i++)
        if (strcmp(own_properties[i].name, name) == 0)
            return true;
    return false;
}

void kafka_consumer_check(struct config *config, const struct config_map *properties)
{
    for (size_t i = 0; i < properties->count; i++) {
        const struct config_pair *pair = &properties->items[i];
        char reason[KAFKA_REASON_SIZE];
        rd_kafka_conf_t *scratch = rd_kafka_conf_new();
        const rd_kafka_conf_res_t result =
            rd_kafka_conf_set(scratch, pair->name, pair->value, reason, sizeof reason);

        if (consumer_owns(pair->name))
            config_report(config, &pair->value, "cannot be set: penstock land depends on its own value");
        else if (result == RD_KAFKA_CONF_UNKNOWN)
            config_report(config, &pair->value, "librdkafka %s has no such property", rd_kafka_version_str());
        else if (result != RD_KAFKA_CONF_OK && option_is_secret(slice_of(pair->name)))
            config_report(config, &pair->value, "librdkafka does not take this value");
        else if (result != RD_KAFKA_CONF_OK)
            config_report(config, &pair->value, "%.*s", (int)strcspn(reason, "\n"), reason);
        rd_kafka_conf_destroy(scratch);
    }
}

static int consumer_set(
    rd_kafka_conf_t *conf, const struct config_pair *pairs, size_t count, struct error *error)
{
    char reason[KAFKA_REASON_SIZE];

    for (size_t i = 0; i < count; i++)
        if (pairs[i].value &&
            rd_kafka_conf_set(conf, pairs[i].name, pairs[i].value, reason, sizeof reason) != RD_KAFKA_CONF_OK)
            return error_set(error, ERROR_FATAL, "kafka: %s: %s", pairs[i].name, reason);
    return 0;
}

/* ---- what librdkafka tells --------------------------------------------------------------------------------- */

static void consumer_on_rebalance(
    rd_kafka_t *handle, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list, void *opaque)
{
    const struct kafka_consumer_options *options = &((struct kafka_consumer *)opaque)->options;
    const bool assigned = code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    const bool lost = !assigned && rd_kafka_assignment_lost(handle);
    rd_kafka_error_t *failure;

    for (int i = 0; i < list->cnt; i++) {
        list->elems[i].offset = 0;
        if (!assigned)
            options->revoked(options->context, list->elems[i].topic, list->elems[i].partition, lost);
    }
    failure =
        assigned ? rd_kafka_incremental_assign(handle, list) : rd_kafka_incremental_unassign(handle, list);
    if (failure)
        rd_kafka_error_destroy(failure); /* the group is being left, or fatal: nothing comes any more */
    if (!assigned)
        return;
    ((struct kafka_consumer *)opaque)->joined = true;
    rd_kafka_pause_partitions(handle, list);
    for (int i = 0; i < list->cnt; i++)
        options->assigned(options->context, list->elems[i].topic, list->elems[i].partition);
}

static void consumer_on_error(rd_kafka_t *handle, int code, const char *text, void *opaque)
{
    struct kafka_consumer *consumer = opaque;

    (void)handle;
    (void)code;
    snprintf(consumer->trouble, sizeof consumer->trouble, "%s", text);
}

static void consumer_on_commit(
    rd_kafka_t *handle, rd_kafka_resp_err_t code, rd_kafka_topic_partition_list_t *list, void *opaque)
{
    const struct kafka_consumer_options *options = &((struct kafka_consumer *)opaque)->options;

    (void)handle;
    for (int i = 0; list && !code && i < list->cnt; i++)
        code = list->elems[i].err;
    if (code && code != RD_KAFKA_RESP_ERR__NO_OFFSET)
        options->refused(options->context, rd_kafka_err2str(code));
}

/* ---- opening and closing ----------------------------------------------------------------------------------- */

/* All records of an answer are unpacked at once, so that its size says how much memory is taken. librdkafka wants it to be that of a record at least, which
 * kafka.properties may say. */
static int consumer_set_fetch(rd_kafka_conf_t *conf, struct error *error)
{
    const uint64_t record = client_number(conf, "message.max.bytes");
    char text[24];
    const struct config_pair fetch = {"fetch.max.bytes", text};

    snprintf(text, sizeof text, "%" PRIu64, record > FETCH_BYTES ? record : FETCH_BYTES);
    return consumer_set(conf, &fetch, 1, error);
}

static int consumer_configure(struct kafka_consumer *consumer, rd_kafka_conf_t *conf, struct error *error)
{
    const struct kafka_consumer_options *options = &consumer->options;
    const struct config_pair group = {"group.id", (char *)options->group};

    rd_kafka_conf_set_opaque(conf, consumer);
    rd_kafka_conf_set_rebalance_cb(conf, consumer_on_rebalance);
    rd_kafka_conf_set_offset_commit_cb(conf, consumer_on_commit);
    rd_kafka_conf_set_error_cb(conf, consumer_on_error);
    rd_kafka_conf_set_log_cb(conf, NULL); /* what counts comes as an error */
    consumer->nudges =
        rd_kafka_conf_set(conf, "fetch.queue.backoff.ms", "10", NULL, 0) == RD_KAFKA_CONF_UNKNOWN;
    return consumer_set(conf, house_properties, COUNT_OF(house_properties), error) ||
                   consumer_set_fetch(conf, error) ||
                   consumer_set(conf, options->properties->items, options->properties->count, error) ||
                   consumer_set(conf, own_properties, COUNT_OF(own_properties), error) ||
                   consumer_set(conf, &group, 1, error)
               ? -1
               : 0;
}

static int consumer_subscribe(struct kafka_consumer *consumer, struct error *error)
{
    const struct kafka_consumer_options *options = &consumer->options;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)options->topics_count);

    for (size_t i = 0; i < options->topics_count; i++)
        rd_kafka_topic_partition_list_add(list, options->topics[i], RD_KAFKA_PARTITION_UA);
    const rd_kafka_resp_err_t code = rd_kafka_subscribe(consumer->handle, list);
    rd_kafka_topic_partition_list_destroy(list);
    return code ? error_set(error, ERROR_FATAL, "kafka: subscribe: %s", rd_kafka_err2str(code)) : 0;
}

int kafka_consumer_open(struct kafka_consumer **ret_consumer, const struct kafka_client *client,
    const struct kafka_consumer_options *options, struct error *error)
{
    __attribute__((cleanup(kafka_consumer_close))) struct kafka_consumer *consumer =
        calloc(1, sizeof *consumer);
    char reason[KAFKA_REASON_SIZE];

    if (!consumer)
        return error_set(error, ERROR_RETRY, "kafka: out of memory");
    consumer->options = *options;
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(client->conf);
    if (consumer_configure(consumer, conf, error)) {
        rd_kafka_conf_destroy(conf);
        return -1;
    }
    consumer->handle = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
    if (!consumer->handle) {
        rd_kafka_conf_destroy(conf);
        return error_set(error, ERROR_FATAL, "kafka: %s", reason);
    }
    rd_kafka_poll_set_consumer(consumer->handle);
    if (consumer_subscribe(consumer, error))
        return -1;
    *ret_consumer = consumer;
    consumer = NULL;
    return 0;
}

static void consumer_forget(struct kafka_consumer *consumer)
{
    if (consumer->message)
        rd_kafka_message_destroy(consumer->message);
    consumer->message = NULL;
}

static void *consumer_end(void *handle)
{
    rd_kafka_destroy_flags(handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    return NULL;
}

void kafka_consumer_close(struct kafka_consumer **consumer)
{
    struct kafka_consumer *old = *consumer;

    if (!old)
        return;
    consumer_forget(old);
    if (old->handle) {
        rd_kafka_consumer_close(old->handle); /* leaves the group */
        /* librdkafka 2.0.2 aborts when one is destroyed that has begun to join and was never told what is its own (rkcg_assignor_state is NULL in
         * rd_kafka_sticky_assignor_state_destroy()): such a one is left alone. */
        if (old->joined)
            end_soon(consumer_end, old->handle);
    }
    free(old);
    *consumer = NULL; /* until now it was there for what is committed in `revoked` */
}

/* ---- records ----------------------------------------------------------------------------------------------- */

static void consumer_take(const rd_kafka_message_t *message, struct kafka_record *ret_record)
{
    rd_kafka_timestamp_type_t type;
    rd_kafka_headers_t *headers = NULL;
    const int64_t time = rd_kafka_message_timestamp(message, &type);

    *ret_record = (struct kafka_record){.topic = message->rkt ? rd_kafka_topic_name(message->rkt) : "",
        .partition = message->partition,
        .offset = message->offset,
        .time = type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE || time < 0 ? 0 : time * MILLISECOND};
    if (message->err)
        return;
    ret_record->key = (struct slice){message->key, message->key_len};
    ret_record->value = (struct slice){message->payload, message->len};
    if (!rd_kafka_message_headers(message, &headers))
        ret_record->headers = headers;
}

/* A thread of librdkafka that finds enough records waiting looks again after a second, or when something wakes it (before 2.3, which has a property for it): so
 * most of the time nothing would be fetched. Nothing else that it offers wakes all of them and changes nothing: they get the credentials that they have. */
static void consumer_nudge(struct kafka_consumer *consumer)
{
    const rd_kafka_conf_t *conf = rd_kafka_conf(consumer->handle);
    char user[NUDGE_TEXT_MAX] = "", secret[NUDGE_TEXT_MAX] = "";
    size_t user_size = sizeof user, secret_size = sizeof secret;

    consumer->records = consumer->bytes = 0;
    rd_kafka_conf_get(conf, "sasl.username", user, &user_size);
    rd_kafka_conf_get(conf, "sasl.password", secret, &secret_size);
    if (user_size > sizeof user || secret_size > sizeof secret)
        return; /* cut off: slow, and not wrong */
    rd_kafka_error_t *failure = rd_kafka_sasl_set_credentials(consumer->handle, user, secret);
    if (failure)
        rd_kafka_error_destroy(failure);
}

enum kafka_arrival kafka_consumer_poll(
    struct kafka_consumer *consumer, int64_t timeout, struct kafka_record *ret_record)
{
    consumer_forget(consumer);
    rd_kafka_message_t *message = consumer->message =
        rd_kafka_consumer_poll(consumer->handle, (int)(timeout / MILLISECOND));
    if (consumer->nudges && consumer->records &&
        (!message || consumer->records >= NUDGE_RECORDS || consumer->bytes >= NUDGE_BYTES))
        consumer_nudge(consumer);
    if (!message)
        return KAFKA_NOTHING;
    consumer->records++;
    consumer->bytes += message->len;
    consumer_take(message, ret_record);
    switch (message->err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        consumer->trouble[0] = '\0';
        return KAFKA_RECORD;
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        consumer->trouble[0] = '\0';
        return KAFKA_END;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
        return KAFKA_OUTSIDE;
    default:
        snprintf(consumer->trouble, sizeof consumer->trouble, "%s%s%s", ret_record->topic,
            ret_record->topic[0] ? ": " : "", rd_kafka_message_errstr(message));
        return KAFKA_NOTHING;
    }
}

struct slice kafka_record_header(const struct kafka_record *record, const char *name)
{
    const void *value;
    size_t length;

    if (!record->headers || rd_kafka_header_get_last(record->headers, name, &value, &length))
        return (struct slice){NULL, 0};
    return (struct slice){value, value ? length : 0};
}

const char *kafka_consumer_trouble(const struct kafka_consumer *consumer)
{
    return consumer->trouble;
}

/* ---- one partition ----------------------------------------------------------------------------------------- */

static rd_kafka_topic_partition_list_t *consumer_list(const char *topic, int32_t partition, int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

    rd_kafka_topic_partition_list_add(list, topic, partition)->offset = offset;
    return list;
}

static int consumer_fail(
    const char *topic, int32_t partition, const char *what, rd_kafka_resp_err_t code, struct error *error)
{
    return error_set(error, ERROR_RETRY, "kafka: topic %s, partition %d: %s: %s", topic, partition, what,
        rd_kafka_err2str(code));
}

void kafka_consumer_pause(struct kafka_consumer *consumer, const char *topic, int32_t partition)
{
    rd_kafka_topic_partition_list_t *list = consumer_list(topic, partition, RD_KAFKA_OFFSET_INVALID);

    rd_kafka_pause_partitions(consumer->handle, list);
    rd_kafka_topic_partition_list_destroy(list);
}

int kafka_consumer_start(struct kafka_consumer *consumer, const char *topic, int32_t partition,
    int64_t offset, struct error *error)
{
    rd_kafka_topic_partition_list_t *list = consumer_list(topic, partition, offset);

    /* The seek has the last word: what a resumed partition begins with is what it was paused at. */
    rd_kafka_resp_err_t code = rd_kafka_resume_partitions(consumer->handle, list);
    list->elems[0].offset = offset;
    rd_kafka_error_t *failure = code ? NULL : rd_kafka_seek_partitions(consumer->handle, list, ASK_MS);
    if (!code)
        code = failure ? rd_kafka_error_code(failure) : list->elems[0].err;
    if (failure)
        rd_kafka_error_destroy(failure);
    rd_kafka_topic_partition_list_destroy(list);
    return code ? consumer_fail(topic, partition, "seek", code, error) : 0;
}

int kafka_consumer_committed(struct kafka_consumer *consumer, const char *topic, int32_t partition,
    int64_t *ret_offset, char ret_note[KAFKA_NOTE_MAX], struct error *error)
{
    rd_kafka_topic_partition_list_t *list = consumer_list(topic, partition, RD_KAFKA_OFFSET_INVALID);
    rd_kafka_resp_err_t code = rd_kafka_committed(consumer->handle, list, ASK_MS);
    const rd_kafka_topic_partition_t *found = &list->elems[0];

    if (!code)
        code = found->err;
    if (!code) {
        *ret_offset = found->offset < 0 ? -1 : found->offset;
        snprintf(ret_note, KAFKA_NOTE_MAX, "%.*s", (int)found->metadata_size,
            found->metadata ? (const char *)found->metadata : "");
    }
    rd_kafka_topic_partition_list_destroy(list);
    return code ? consumer_fail(topic, partition, "committed offset", code, error) : 0;
}

int kafka_consumer_ends(struct kafka_consumer *consumer, const char *topic, int32_t partition,
    int64_t *ret_first, int64_t *ret_end, struct error *error)
{
    const rd_kafka_resp_err_t code =
        rd_kafka_query_watermark_offsets(consumer->handle, topic, partition, ret_first, ret_end, ASK_MS);

    return code ? consumer_fail(topic, partition, "ends of the log", code, error) : 0;
}

int kafka_consumer_find_time(struct kafka_consumer *consumer, const char *topic, int32_t partition,
    int64_t time, int64_t *ret_offset, struct error *error)
{
    rd_kafka_topic_partition_list_t *list = consumer_list(topic, partition, time / MILLISECOND);
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(consumer->handle, list, ASK_MS);

    if (!code)
        code = list->elems[0].err;
    if (!code)
        *ret_offset = list->elems[0].offset < 0 ? -1 : list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    return code ? consumer_fail(topic, partition, "offset of a time", code, error) : 0;
}

int64_t kafka_consumer_known_end(struct kafka_consumer *consumer, const char *topic, int32_t partition)
{
    int64_t low, high;

    return rd_kafka_get_watermark_offsets(consumer->handle, topic, partition, &low, &high) || high < 0 ? -1
                                                                                                       : high;
}

/* ---- commits ----------------------------------------------------------------------------------------------- */

static rd_kafka_resp_err_t consumer_commit_and_wait(
    struct kafka_consumer *consumer, const rd_kafka_topic_partition_list_t *list, int64_t timeout)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(consumer->handle);
    rd_kafka_resp_err_t code = rd_kafka_commit_queue(consumer->handle, list, queue, NULL, NULL);
    rd_kafka_event_t *event = code ? NULL : rd_kafka_queue_poll(queue, (int)(timeout / MILLISECOND));

    if (!code)
        code = event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT;
    /* While the group rebalances each partition is refused, and the whole is not. */
    const rd_kafka_topic_partition_list_t *each = event ? rd_kafka_event_topic_partition_list(event) : NULL;
    for (int i = 0; each && !code && i < each->cnt; i++)
        code = each->elems[i].err;
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    return code;
}

int kafka_consumer_commit(struct kafka_consumer *consumer, const struct kafka_commit *commits, size_t count,
    int64_t timeout, struct error *error)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);

    for (size_t i = 0; i < count; i++) {
        rd_kafka_topic_partition_t *one =
            rd_kafka_topic_partition_list_add(list, commits[i].topic, commits[i].partition);
        one->offset = commits[i].offset;
        one->metadata = strdup(commits[i].note); /* librdkafka frees it */
        one->metadata_size = one->metadata ? strlen(commits[i].note) : 0;
    }
    const rd_kafka_resp_err_t code = timeout ? consumer_commit_and_wait(consumer, list, timeout)
                                             : rd_kafka_commit(consumer->handle, list, 1);
    rd_kafka_topic_partition_list_destroy(list);
    if (!code)
        return 0;
    const bool stranger = code == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID ||
                          code == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION ||
                          code == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID;
    return error_set(
        error, stranger ? ERROR_REJECT : ERROR_RETRY, "kafka: commit of offsets: %s", rd_kafka_err2str(code));
}
