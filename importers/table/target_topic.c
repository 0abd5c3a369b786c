/* target_topic: rows as records of a topic; see target.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "table/target.h"
#include "table/topic_value.h"
#include "table/transaction.h"

#define TOPIC_TICK (CLOCK_SECOND / 10) /* between two looks whether the import was stopped */
#define TOPIC_SILENCE (5 * CLOCK_SECOND) /* without a confirmation, then people are told */
#define TOPIC_HEADER "penstock-import"
#define TOPIC_ABORT \
    (3 * CLOCK_SECOND) /* that an abort may take; what is not aborted then the brokers abort later */

struct topic {
    struct job *job;
    const struct job_topic *options;
    unsigned number; /* the worker's */
    struct kafka_producer *producer; /* NULL: the next split opens one */
    struct kafka_topic *handle; /* the producer's */
    struct topic_value *value; /* of the split */
    size_t key[TARGET_KEY_MAX];
    const struct job_table *table;
    const struct split *split;
    bool open; /* a transaction */
    int64_t begun; /* monotonic: the split */
    uint64_t sent, confirmed, bytes; /* of the split */
    struct job_range *ranges; /* of the split, sorted by partition */
    size_t ranges_count;
    struct error failure; /* what a report has said; ERROR_NONE: nothing */
    int64_t heard; /* monotonic: the last confirmation, or the beginning of what waits for one */
    bool told; /* that nothing is confirmed */
    bool waited; /* ... for this split */
};

/* ---- which columns are the key ----------------------------------------------------------------------------------- */

static bool key_find(const struct table *table, const char *name, size_t *ret_column)
{
    for (size_t i = 0; i < table->columns_count; i++) {
        if (strcmp(table->columns[i].name, name) == 0) {
            *ret_column = i;
            return true;
        }
    }
    return false;
}

static size_t key_primary(const struct table *table, size_t key[static TARGET_KEY_MAX])
{
    size_t count = 0;
    unsigned last = 0;

    for (size_t i = 0; i < table->columns_count; i++) {
        const unsigned place = table->columns[i].key;
        if (place > TARGET_KEY_MAX)
            return 0;
        if (place) {
            key[place - 1] = i;
            count++;
        }
        last = place > last ? place : last;
    }
    return count == last ? count : 0;
}

size_t target_topic_key(
    const struct job_topic *topic, const struct table *table, size_t key[static TARGET_KEY_MAX])
{
    if (topic->key_count == 0)
        return key_primary(table, key);
    for (size_t i = 0; i < topic->key_count; i++) {
        if (!key_find(table, topic->key[i], &key[i]))
            return 0;
    }
    return topic->key_count;
}

static int topic_check(const struct job *job, struct error *error)
{
    const struct job_topic *topic = job->options->topic;
    const struct table *table = job->list->tables[0];
    size_t key[TARGET_KEY_MAX];

    if (job->list->count != 1)
        return error_set(error, ERROR_REJECT,
            "topic %s: one table at a time, and %zu are selected: records would not say which one they are of",
            topic->name, job->list->count);
    if (kafka_topic_check(topic->name, error))
        return -1;
    if (topic->key_count > TARGET_KEY_MAX)
        return error_set(error, ERROR_REJECT, "--key: more than %d columns", TARGET_KEY_MAX);
    for (size_t i = 0; i < topic->key_count; i++) {
        if (!key_find(table, topic->key[i], &key[0]))
            return error_set(error, ERROR_REJECT,
                "--key: there is no column \"%s\" among those that are read of %s", topic->key[i],
                table->title);
    }
    return 0;
}

static int topic_settle(struct job *job, struct error *error)
{
    return job->options->topic->transactional ? transaction_settle(job, error) : 0;
}

/* ---- reports --------------------------------------------------------------------------------------------------------- */

/* The place of the partition; a new one of no records if there is none. NULL: no memory. */
static struct job_range *topic_range(struct topic *topic, int32_t partition)
{
    size_t at = 0;

    while (at < topic->ranges_count && topic->ranges[at].partition < partition)
        at++;
    if (at < topic->ranges_count && topic->ranges[at].partition == partition)
        return &topic->ranges[at];
    struct job_range *grown = realloc(topic->ranges, (topic->ranges_count + 1) * sizeof(*grown));
    if (!grown)
        return NULL;
    topic->ranges = grown;
    memmove(&grown[at + 1], &grown[at], (topic->ranges_count++ - at) * sizeof(*grown));
    grown[at] = (struct job_range){.partition = partition, .first = INT64_MAX, .last = -1};
    return &grown[at];
}

static void topic_delivered(struct topic *topic, const struct kafka_report *report)
{
    struct job_range *range = topic_range(topic, report->partition);

    topic->confirmed++;
    if (!range) {
        error_set(&topic->failure, ERROR_RETRY, "topic %s: out of memory", topic->options->name);
        return;
    }
    range->records++;
    /* One unknown place makes the range unknown. */
    if (report->offset < 0)
        range->first = -1;
    else if (range->first > report->offset)
        range->first = report->offset;
    if (range->last < report->offset)
        range->last = report->offset;
}

/* The row that a tag is of, from 1: topic_tag() */
static uint64_t topic_row(const struct topic *topic, uint64_t tag)
{
    return tag - ((uint64_t)topic->split->number << KAFKA_TAG_STRETCH) + 1;
}

static void topic_failed(struct topic *topic, const struct kafka_report *report)
{
    struct error *failure = &topic->failure;

    if (report->outcome == KAFKA_TOPIC_REFUSED)
        error_set(failure, ERROR_REJECT,
            "topic %s takes no records: %s; what was sent before stays there; when that is put right, --resume goes on",
            topic->options->name, report->reason);
    else if (report->outcome == KAFKA_RECORD_REFUSED)
        error_set(failure, ERROR_REJECT,
            "topic %s: the broker refuses row %" PRIu64
            " of split %u or one of those that were sent together with it: %s. Is it too large? A topic's limit is its max.message.bytes, "
            "and --kafka-property batch.size=BYTES keeps what is sent together below it",
            topic->options->name, topic_row(topic, report->tag), topic->split->number, report->reason);
    else
        error_set(failure, ERROR_RETRY, "topic %s: %s", topic->options->name, report->reason);
}

/* What is refused for good says more than what came back because of it. */
static void topic_reported(void *context, const struct kafka_report *report)
{
    struct topic *topic = context;

    if (report->outcome == KAFKA_DELIVERED)
        topic_delivered(topic, report);
    else if (topic->failure.kind == ERROR_NONE ||
             (topic->failure.kind == ERROR_RETRY && report->outcome != KAFKA_RETURNED))
        topic_failed(topic, report);
}

/* People learn that nothing is confirmed, why, and that it goes on. */
static void topic_tell(struct topic *topic, bool confirmed)
{
    const int64_t now = clock_monotonic(topic->job->options->clock);
    const char *trouble = kafka_producer_trouble(topic->producer);

    if (confirmed) {
        if (topic->told)
            job_note(topic->job, "topic %s: records are confirmed again", topic->options->name);
        topic->told = false;
        topic->heard = now;
    } else if (!topic->told && now - topic->heard > TOPIC_SILENCE) {
        job_note(topic->job, "topic %s: no record is confirmed, so the import waits: %s",
            topic->options->name, trouble ? trouble : "the brokers do not say why");
        topic->told = topic->waited = true;
    }
}

/* Brokers end a transaction that lasts too long, and the next thing that is asked of it fails in one way or other. It would again, unless it was the brokers who were away. */
static int topic_late(const struct topic *topic, struct error *error)
{
    const int64_t most = kafka_client_transaction_timeout(topic->options->client);

    if (!topic->open || clock_monotonic(topic->job->options->clock) - topic->begun < most)
        return -1;
    return error_set(error, topic->waited ? ERROR_RETRY : ERROR_REJECT,
        "topic %s: split %u takes longer than a transaction may last, %" PRId64
        " s: make splits smaller (--split-size, --split-rows, --split-by), or give it more time: --kafka-property transaction.timeout.ms=MS, up to the brokers' "
        "transaction.max.timeout.ms",
        topic->options->name, topic->split->number, most / CLOCK_SECOND);
}

/* Takes what the brokers have said, waiting for the first of it. */
static int topic_poll(struct topic *topic, int64_t timeout, struct error *error)
{
    const uint64_t before = topic->confirmed;

    kafka_producer_poll(topic->producer, timeout, topic_reported, topic);
    topic_tell(topic, topic->confirmed > before || topic->confirmed == topic->sent);
    const char *broken = kafka_producer_broken(topic->producer);
    if (broken && topic->failure.kind == ERROR_NONE)
        error_set(&topic->failure, ERROR_RETRY, "topic %s: %s", topic->options->name, broken);
    if (topic->failure.kind != ERROR_NONE) {
        *error = topic->failure;
        return topic_late(topic, error);
    }
    return job_is_over(topic->job) ? error_set(error, ERROR_RETRY, "stopped") : 0;
}

/* ---- records ----------------------------------------------------------------------------------------------------------- */

static int topic_too_large(const struct topic *topic, struct error *error)
{
    return error_set(error, ERROR_REJECT,
        "topic %s: row %" PRIu64 " of split %u is larger than a record may be, %" PRIu64
        " bytes: --kafka-property message.max.bytes=BYTES is the limit here, max.message.bytes the topic's; or leave columns out with --columns",
        topic->options->name, topic->sent + 1, topic->split->number,
        kafka_client_max_message(topic->options->client));
}

/* Without a key the partition follows from the tag: stretches of rows share one, and splits begin with different ones. */
static uint64_t topic_tag(const struct topic *topic)
{
    return topic->sent + ((uint64_t)topic->split->number << KAFKA_TAG_STRETCH);
}

/* A report may say more about it than the producer does, which takes nothing more. */
static int topic_give_up(struct topic *topic, enum error_kind kind, struct error *error)
{
    struct error ignored;

    topic_poll(topic, 0, &ignored);
    if (topic->failure.kind == ERROR_NONE)
        error_set(&topic->failure, kind, "%s", error->text);
    *error = topic->failure;
    return topic_late(topic, error);
}

/* Waits while there is no room. */
static int topic_send(struct topic *topic, const struct kafka_message *message, struct error *error)
{
    for (;;) {
        switch (kafka_producer_send(topic->producer, topic->handle, message, error)) {
        case KAFKA_SENT:
            topic->sent++;
            topic->bytes += message->key.length + message->value.length;
            return 0;
        case KAFKA_TOO_LARGE:
            return topic_too_large(topic, error);
        case KAFKA_FULL:
            if (topic_poll(topic, TOPIC_TICK, error))
                return -1;
            break;
        case KAFKA_NO_TOPIC:
            return topic_give_up(topic, ERROR_REJECT, error);
        case KAFKA_BROKEN:
            return topic_give_up(topic, ERROR_RETRY, error);
        }
    }
}

static int topic_add(void *state, const struct column_batch *batch, struct error *error)
{
    struct topic *topic = state;
    char id[JOB_ID_MAX + 48];
    struct kafka_header header = {.name = slice_of(TOPIC_HEADER), .value.data = id};
    struct kafka_message message = {
        .time = clock_wall(topic->job->options->clock), .headers = &header, .headers_count = 1};

    if (topic_value_begin(topic->value, batch, error))
        return -1;
    for (size_t row = 0; row < batch->rows; row++) {
        if (topic_value_take(topic->value, batch, row, topic->sent + 1, &message, error))
            return error->kind == ERROR_REJECT ? topic_too_large(topic, error) : -1;
        header.value.length = (size_t)snprintf(
            id, sizeof id, "%s/%u/%" PRIu64, topic->job->id, topic->split->number, topic->sent + 1);
        message.tag = topic_tag(topic);
        if (topic_send(topic, &message, error))
            return -1;
    }
    return topic_poll(topic, 0, error);
}

/* ---- splits ------------------------------------------------------------------------------------------------------------ */

static int topic_open(void **ret_state, struct job *job, unsigned number, struct error *error)
{
    struct topic *topic = calloc(1, sizeof(*topic));

    if (!topic)
        return error_set(error, ERROR_RETRY, "topic: out of memory");
    topic->job = job;
    topic->options = job->options->topic;
    topic->number = number;
    *ret_state = topic;
    return 0;
}

static int topic_connect(struct topic *topic, struct error *error)
{
    if (!topic->producer &&
        (topic->options->transactional
                ? transaction_open(topic->job, topic->number, &topic->producer, error)
                : kafka_producer_open(&topic->producer, topic->options->client, KAFKA_ROLE_MAIN, 0, error)))
        return -1;
    if (kafka_producer_topic(topic->producer, topic->options->name, &topic->handle, error) ||
        (topic->options->transactional && kafka_transaction_begin(topic->producer, error))) {
        kafka_producer_close(&topic->producer);
        return -1;
    }
    return 0;
}

static int topic_begin(void *state, struct job_table *table, const struct split *split, struct error *error)
{
    struct topic *topic = state;
    const size_t keys = target_topic_key(topic->options, table->table, topic->key);

    if (topic_value_open(&topic->value, topic->job, table->table, split, topic->key, keys, error))
        return -1;
    if (topic_connect(topic, error)) {
        topic_value_close(&topic->value);
        return -1;
    }
    topic->open = topic->options->transactional;
    topic->waited = false;
    topic->table = table;
    topic->split = split;
    topic->sent = topic->confirmed = topic->bytes = 0;
    topic->failure.kind = ERROR_NONE;
    topic->begun = topic->heard = clock_monotonic(topic->job->options->clock);
    return 0;
}

static int topic_finish(void *state, struct job_result *result, struct error *error)
{
    struct topic *topic = state;

    while (topic->confirmed < topic->sent) {
        if (topic_poll(topic, TOPIC_TICK, error))
            return -1;
    }
    free(result->ranges);
    result->ranges = topic->ranges;
    result->ranges_count = topic->ranges_count;
    result->file_bytes = topic->bytes;
    topic->ranges = NULL;
    topic->ranges_count = 0;
    if (topic->open &&
        transaction_commit(topic->job, topic->table, topic->split, topic->number, &topic->producer, error))
        return result->prepared ? -1 : topic_late(topic, error);
    topic->open = false;
    return 0;
}

/* What is under way of a split that was given up would be taken for the next one's. */
static void topic_end(void *state)
{
    struct topic *topic = state;

    if (topic->open && topic->producer)
        kafka_transaction_abort(topic->producer, TOPIC_ABORT);
    if (topic->open || topic->confirmed < topic->sent || topic->failure.kind != ERROR_NONE)
        kafka_producer_close(&topic->producer);
    topic->open = false;
    topic_value_close(&topic->value);
    free(topic->ranges);
    topic->ranges = NULL;
    topic->ranges_count = 0;
}

static void topic_close(void *state)
{
    struct topic *topic = state;

    kafka_producer_close(&topic->producer);
    free(topic);
}

const struct target target_topic = {topic_check, topic_settle, transaction_drop, topic_open, topic_begin,
    topic_add, topic_finish, topic_end, topic_close};
