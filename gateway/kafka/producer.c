/* producer: one instance of librdkafka's producer; see kafka.h
 *
 * Everything that librdkafka has to say is said in poll: reports, errors and statistics by callbacks, log lines and answers about
 * topics as events of a queue. So all of it happens on the outlet's thread, and nothing needs a lock. Reports come by callback
 * because librdkafka then frees each message when it was told of; a batch of ten thousand that is freed as a whole has left the
 * caches meanwhile, and is fetched from memory once more.
 */
#include "kafka/internal.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TROUBLE_LASTS (120 * CLOCK_SECOND) /* librdkafka repeats what lasts within a minute */
#define CREATE_TIMEOUT_MS 10000
#define CREATE_LOOK_MS 10 /* while a topic is being made; its answer does not end a wait for reports */
#define CLOSE_PATIENCE_MS 500

_Static_assert(sizeof(void *) >= sizeof(uint64_t), "a tag travels in a message's opaque pointer");

/* ---- what librdkafka says -------------------------------------------------------------------------------------- */

static void note_broken(struct kafka_producer *producer)
{
    char reason[384];
    rd_kafka_resp_err_t code;

    if (producer->is_broken)
        return;
    code = rd_kafka_fatal_error(producer->handle, reason, sizeof reason);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    producer->is_broken = true;
    snprintf(producer->broken, sizeof producer->broken, "%s: %s", rd_kafka_err2name(code), reason);
}

static void note_contact(struct kafka_producer *producer)
{
    producer->trouble_rank = TROUBLE_NONE;
    producer->trouble[0] = '\0';
}

static void note_trouble(struct kafka_producer *producer, rd_kafka_resp_err_t code, const char *text)
{
    enum trouble_rank rank = report_trouble(code, text);
    int64_t now = clock_monotonic(&clock_system);

    if (rank == TROUBLE_NONE)
        return;
    if (rank < producer->trouble_rank && now - producer->trouble_time < TROUBLE_LASTS)
        return;
    producer->trouble_rank = rank;
    producer->trouble_time = now;
    /* "(after 0ms in state CONNECT, 16 identical error(s) suppressed)" changes each time and says nothing. */
    const char *tail = strstr(text, " (after ");
    snprintf(producer->trouble, sizeof producer->trouble, "%.*s",
        (int)(tail ? (size_t)(tail - text) : strlen(text)), text);
}

static void on_report(rd_kafka_t *handle, const rd_kafka_message_t *message, void *opaque)
{
    struct kafka_producer *producer = opaque;
    struct kafka_report told = {
        .outcome = report_outcome(message->err),
        .tag = (uint64_t)(uintptr_t)message->_private,
        .topic = rd_kafka_topic_name(message->rkt),
        .partition = message->partition,
        .offset = message->offset,
        .reason = "",
    };

    (void)handle;
    partition_reported(
        rd_kafka_topic_opaque(message->rkt), message->partition, told.tag, told.outcome == KAFKA_DELIVERED);
    if (told.outcome == KAFKA_DELIVERED) {
        note_contact(producer);
    } else {
        told.reason = report_reason(message->err);
        /* The reports of a fatal error may come before the error. */
        note_broken(producer);
    }
    producer->taken++;
    producer->report(producer->report_context, &told);
}

static void on_error(rd_kafka_t *handle, int code, const char *text, void *opaque)
{
    struct kafka_producer *producer = opaque;

    (void)handle;
    if (code == RD_KAFKA_RESP_ERR__FATAL)
        note_broken(producer);
    else
        note_trouble(producer, code, text);
    producer->taken++;
}

static int on_statistics(rd_kafka_t *handle, char *json, size_t length, void *opaque)
{
    struct kafka_producer *producer = opaque;

    (void)handle;
    statistics_take(&producer->statistics, &producer->pointers, (struct slice){json, length});
    producer->taken++;
    return 0; /* it stays librdkafka's */
}

/* ---- open and close ---------------------------------------------------------------------------------------- */

static int start(struct kafka_producer *producer, enum kafka_role role, int64_t patience, struct error *error)
{
    char reason[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(producer->client->conf);

    rd_kafka_conf_set_opaque(conf, producer);
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_stats_cb(conf, on_statistics);
    if (role_configure(conf, role, patience, producer->transactions, error) != 0) {
        rd_kafka_conf_destroy(conf);
        return -1;
    }
    producer->handle = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    if (!producer->handle) {
        rd_kafka_conf_destroy(conf);
        return error_set(error, ERROR_RETRY, "kafka: %s", reason);
    }
    producer->events = rd_kafka_queue_new(producer->handle);
    rd_kafka_set_log_queue(producer->handle, producer->events);
    return 0;
}

int producer_open(struct kafka_producer **ret_producer, const struct kafka_client *client,
    enum kafka_role role, int64_t patience, const char *transactions, struct error *error)
{
    struct kafka_producer *producer = calloc(1, sizeof *producer);

    if (!producer || (transactions && !(producer->transactions = strdup(transactions)))) {
        free(producer);
        return error_set(error, ERROR_RETRY, "kafka: out of memory");
    }
    producer->client = client;
    producer->gated = role == KAFKA_ROLE_MAIN || role == KAFKA_ROLE_CAREFUL;
    if (statistics_compile(&producer->pointers, error) != 0 || start(producer, role, patience, error) != 0) {
        kafka_producer_close(&producer);
        return -1;
    }
    *ret_producer = producer;
    return 0;
}

int kafka_producer_open(struct kafka_producer **ret_producer, const struct kafka_client *client,
    enum kafka_role role, int64_t patience, struct error *error)
{
    assert(role != KAFKA_ROLE_TRANSACTIONS);
    return producer_open(ret_producer, client, role, patience, NULL, error);
}

static void forget_creation(struct kafka_producer *producer, struct creation *creation)
{
    struct creation **link = &producer->creations;

    while (*link != creation)
        link = &(*link)->next;
    *link = creation->next;
    free(creation);
}

/* The topics last as long as librdkafka's threads, which choose partitions by them. */
static void *destroy(void *argument)
{
    struct kafka_producer *producer = argument;

    if (producer->handle)
        rd_kafka_destroy_flags(producer->handle, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    while (producer->topics) {
        struct kafka_topic *topic = producer->topics;
        producer->topics = topic->next;
        free(topic->states);
        free(topic);
    }
    while (producer->creations)
        forget_creation(producer, producer->creations);
    statistics_free(&producer->pointers);
    free(producer->transactions);
    free(producer);
    return NULL;
}

void end_soon(end_fn *end, void *argument)
{
    struct timespec until;
    pthread_t thread;

    if (pthread_create(&thread, NULL, end, argument) != 0) {
        end(argument);
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += CLOSE_PATIENCE_MS * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    if (pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until) != 0)
        pthread_detach(thread);
}

/* Nothing of it is asked for any more. */
static struct kafka_producer *let_go(struct kafka_producer **producer)
{
    struct kafka_producer *closed = *producer;

    if (!closed)
        return NULL;
    *producer = NULL;
    if (closed->handle)
        rd_kafka_purge(closed->handle,
            RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
    for (struct kafka_topic *topic = closed->topics; topic; topic = topic->next)
        rd_kafka_topic_destroy(topic->handle);
    if (closed->events)
        rd_kafka_queue_destroy(closed->events);
    return closed;
}

void kafka_producer_close(struct kafka_producer **producer)
{
    struct kafka_producer *closed = let_go(producer);

    if (closed)
        end_soon(destroy, closed);
}

void kafka_producer_end(struct kafka_producer **producer)
{
    struct kafka_producer *closed = let_go(producer);

    if (closed)
        destroy(closed);
}

/* ---- topics ------------------------------------------------------------------------------------------------ */

int kafka_producer_topic(
    struct kafka_producer *producer, const char *name, struct kafka_topic **ret_topic, struct error *error)
{
    if (kafka_topic_check(name, error) != 0)
        return -1;
    for (struct kafka_topic *topic = producer->topics; topic; topic = topic->next) {
        if (strcmp(topic->name, name) == 0) {
            *ret_topic = topic;
            return 0;
        }
    }

    struct kafka_topic *topic = calloc(1, sizeof *topic);
    if (!topic)
        return error_set(error, ERROR_RETRY, "kafka: topic %s: out of memory", name);
    memcpy(topic->name, name, strlen(name) + 1);
    topic->partitioner = producer->client->partitioner;
    topic->gated = producer->gated;
    /* This asks for the topic's partitions at once: a first message that finds them unknown may wait a second. */
    topic->handle = rd_kafka_topic_new(producer->handle, name, partition_topic_conf(producer->handle, topic));
    if (!topic->handle) {
        error_set(error, ERROR_RETRY, "kafka: topic %s: %s", name, rd_kafka_err2str(rd_kafka_last_error()));
        free(topic);
        return -1;
    }
    topic->next = producer->topics;
    producer->topics = topic;
    *ret_topic = topic;
    return 0;
}

int kafka_producer_create_topic(struct kafka_producer *producer, const char *name, uint64_t partitions,
    uint64_t replication, struct error *error)
{
    char reason[256];

    if (kafka_topic_check(name, error) != 0)
        return -1;
    assert(partitions >= 1 && partitions <= INT32_MAX && replication <= INT16_MAX);
    /* One request per topic: a request that fails as a whole does not say for which topics. */
    struct creation *creation = calloc(1, sizeof *creation);
    if (!creation)
        return error_set(error, ERROR_RETRY, "kafka: create topic %s: out of memory", name);
    memcpy(creation->name, name, strlen(name) + 1);
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(
        name, (int)partitions, replication == 0 ? -1 : (int)replication, reason, sizeof reason);
    if (!topic) {
        free(creation);
        return error_set(error, ERROR_REJECT, "kafka: create topic %s: %s", name, reason);
    }
    creation->next = producer->creations;
    producer->creations = creation;

    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(producer->handle, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_AdminOptions_set_request_timeout(options, CREATE_TIMEOUT_MS, reason, sizeof reason);
    rd_kafka_AdminOptions_set_opaque(options, creation);
    rd_kafka_CreateTopics(producer->handle, &topic, 1, options, producer->events);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewTopic_destroy(topic);
    return 0;
}

/* ---- send -------------------------------------------------------------------------------------------------- */

static rd_kafka_headers_t *make_headers(const struct kafka_message *message)
{
    if (message->headers_count == 0)
        return NULL;

    rd_kafka_headers_t *headers = rd_kafka_headers_new(message->headers_count);
    for (size_t i = 0; i < message->headers_count; i++) {
        const struct kafka_header *header = &message->headers[i];
        rd_kafka_header_add(headers, header->name.data, (ssize_t)header->name.length,
            header->value.length > 0 ? header->value.data : "", (ssize_t)header->value.length);
    }
    return headers;
}

static rd_kafka_resp_err_t produce(
    struct kafka_producer *producer, struct kafka_topic *topic, const struct kafka_message *message)
{
    rd_kafka_headers_t *headers = make_headers(message);
    /* An empty value is not the same as none: that would be a tombstone. 0 would be the time of sending. */
    const void *key = message->key.length > 0 ? message->key.data : NULL;
    const void *value = message->value.length > 0 ? message->value.data : "";
    int64_t time = message->time >= MILLISECOND ? message->time / MILLISECOND : 1;
    rd_kafka_resp_err_t code = rd_kafka_producev(producer->handle, RD_KAFKA_V_RKT(topic->handle),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(key, message->key.length),
        RD_KAFKA_V_VALUE((void *)value, message->value.length), RD_KAFKA_V_TIMESTAMP(time),
        RD_KAFKA_V_OPAQUE((void *)(uintptr_t)message->tag), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);

    if (code != RD_KAFKA_RESP_ERR_NO_ERROR && headers)
        rd_kafka_headers_destroy(headers);
    return code;
}

enum kafka_sent kafka_producer_send(struct kafka_producer *producer, struct kafka_topic *topic,
    const struct kafka_message *message, struct error *error)
{
    assert(message->headers_count <= KAFKA_HEADERS_MAX);

    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    bool taken = partition_begin(topic);
    if (taken) {
        code = produce(producer, topic, message);
        taken = partition_end(topic, message->tag, code);
    }
    if (!taken) {
        error_set(error, ERROR_RETRY, "kafka: topic %s: the first message is not confirmed yet", topic->name);
        return KAFKA_FULL;
    }
    enum kafka_sent sent = report_sent(code);

    if (sent == KAFKA_SENT)
        return sent;
    error_set(error, sent == KAFKA_TOO_LARGE ? ERROR_REJECT : ERROR_RETRY, "kafka: topic %s: %s", topic->name,
        report_reason(code));
    if (sent == KAFKA_BROKEN) {
        note_broken(producer);
        if (!producer->is_broken) {
            producer->is_broken = true;
            snprintf(producer->broken, sizeof producer->broken, "%s", error->text);
        }
    }
    return sent;
}

/* ---- poll -------------------------------------------------------------------------------------------------- */

/* Nothing else says what a transaction failed of where that is no message; the first line, which names the topic if there is one. */
static void note_failure(struct kafka_producer *producer, const char *facility, const char *text)
{
    const char *words = strstr(text, "]: "); /* behind the thread's name */

    if (producer->failure[0] == '\0' &&
        (strcmp(facility, "ADDPARTS") == 0 || strcmp(facility, "TXNERR") == 0))
        snprintf(producer->failure, sizeof producer->failure, "%s", words ? words + 3 : text);
}

static void take_log(struct kafka_producer *producer, rd_kafka_event_t *event)
{
    const char *facility, *text;
    int level;

    if (rd_kafka_event_log(event, &facility, &text, &level) != 0)
        return;
    note_failure(producer, facility, text);
    if (!producer->client->log)
        return;
    /* Said for each instance; it is our choice, not the user's. */
    if (strcmp(facility, "CONFWARN") != 0 || !strstr(text, "enable.gapless.guarantee is experimental"))
        producer->client->log(producer->client->log_context, level, facility, text);
}

static void take_topic(struct kafka_producer *producer, rd_kafka_event_t *event)
{
    struct creation *creation = rd_kafka_event_opaque(event);
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    const char *reason = rd_kafka_event_error_string(event);
    struct kafka_report told = {
        .outcome = KAFKA_TOPIC_NOT_CREATED, .topic = creation->name, .reason = reason};

    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        size_t count;
        const rd_kafka_topic_result_t **results =
            rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
        assert(count == 1);
        code = rd_kafka_topic_result_error(results[0]);
        told.reason = rd_kafka_topic_result_error_string(results[0]);
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR || code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
            told.outcome = KAFKA_TOPIC_CREATED;
            told.reason = "";
            note_contact(producer);
        }
    }
    if (report_is_silence(code))
        told.outcome = KAFKA_TOPIC_UNANSWERED;
    if (!told.reason)
        told.reason = rd_kafka_err2str(code);
    producer->report(producer->report_context, &told);
    forget_creation(producer, creation);
}

static void take_events(struct kafka_producer *producer)
{
    rd_kafka_event_t *event;

    while ((event = rd_kafka_queue_poll(producer->events, 0))) {
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_LOG)
            take_log(producer, event);
        else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_CREATETOPICS_RESULT)
            take_topic(producer, event);
        rd_kafka_event_destroy(event);
        producer->taken++;
    }
}

size_t kafka_producer_poll(
    struct kafka_producer *producer, int64_t timeout, kafka_report_fn *report, void *context)
{
    int wait = (int)((timeout + MILLISECOND - 1) / MILLISECOND);

    producer->report = report;
    producer->report_context = context;
    producer->taken = 0;
    take_events(producer);
    if (producer->taken > 0)
        wait = 0;
    else if (producer->creations && wait > CREATE_LOOK_MS)
        wait = CREATE_LOOK_MS;
    rd_kafka_poll(producer->handle, wait);
    return producer->taken;
}

/* ---- state ------------------------------------------------------------------------------------------------- */

const char *kafka_producer_broken(const struct kafka_producer *producer)
{
    return producer->is_broken ? producer->broken : NULL;
}

const char *kafka_producer_trouble(const struct kafka_producer *producer)
{
    /* Without traffic no confirmation clears it. */
    if (producer->trouble_rank == TROUBLE_NONE ||
        clock_monotonic(&clock_system) - producer->trouble_time >= TROUBLE_LASTS)
        return NULL;
    return producer->trouble;
}

const struct kafka_statistics *kafka_producer_statistics(const struct kafka_producer *producer)
{
    return &producer->statistics;
}
