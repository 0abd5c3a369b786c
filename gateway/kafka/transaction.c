/* transaction: what a producer with an id sends is seen as a whole, or never; see kafka.h
 *
 * librdkafka's calls wait for brokers by themselves. Here they wait for a tick at a time, so that whoever asked learns why it takes
 * long, and can give up. What librdkafka 2.0.2 says of a commit that failed does not tell whether it did: the answer may have been lost, or
 * the transaction may have failed here when the coordinator had committed it. The number tells.
 */
#include "kafka/internal.h"

#define TICK_MS 1000
#define PAUSE (CLOCK_SECOND / 10) /* some failures come at once */
#define ASK_MS 5000

/* ---- calls that wait ------------------------------------------------------------------------------------------- */

static void ignore_report(void *context, const struct kafka_report *report)
{
    (void)context;
    (void)report;
}

/* librdkafka's words for it are about the call. */
static const char *transaction_text(rd_kafka_resp_err_t code, const char *text)
{
    return code == RD_KAFKA_RESP_ERR__TIMED_OUT
               ? "their coordinator does not answer: is there one, and are there as many brokers as transaction.state.log.replication.factor wants?"
               : text;
}

/* What will not go away by itself, in words that say what to do. NULL: it may. */
static const char *transaction_refusal(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED:
        return "the right Write on this transactional id is missing";
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
        return "the right Read on the consumer group of this name, which keeps what was committed last, is missing";
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        return "the right Read on the topic, which committing an offset of it needs, or Write is missing";
    case RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT:
        return "transaction.timeout.ms is above the brokers' transaction.max.timeout.ms";
    default:
        return NULL;
    }
}

static int transaction_fail(
    const struct kafka_producer *producer, rd_kafka_resp_err_t code, const char *text, struct error *error)
{
    const char *refusal = transaction_refusal(code);

    return error_set(error, refusal ? ERROR_REJECT : ERROR_RETRY, "kafka: transactions %s: %s%s%s",
        producer->transactions, transaction_text(code, text), refusal ? ": " : "", refusal ? refusal : "");
}

/* Between two tries; false: there is no other one. Reports go where they went before. */
static bool transaction_again(
    struct kafka_producer *producer, const struct kafka_patience *patience, const struct error *error)
{
    const char *trouble;

    if (error->kind != ERROR_RETRY)
        return false;
    kafka_producer_poll(
        producer, PAUSE, producer->report ? producer->report : ignore_report, producer->report_context);
    trouble = kafka_producer_trouble(producer);
    return patience->wait(patience->context, trouble ? trouble : error->text);
}

struct call {
    struct kafka_producer *producer;
    rd_kafka_topic_partition_list_t *offsets;
    rd_kafka_consumer_group_metadata_t *group;
};

typedef rd_kafka_error_t *call_fn(const struct call *call);

static rd_kafka_error_t *call_init(const struct call *call)
{
    return rd_kafka_init_transactions(call->producer->handle, TICK_MS);
}

/* This one does not go on where it was: it is given the time. */
static rd_kafka_error_t *call_offsets(const struct call *call)
{
    return rd_kafka_send_offsets_to_transaction(call->producer->handle, call->offsets, call->group, ASK_MS);
}

static rd_kafka_error_t *call_commit(const struct call *call)
{
    return rd_kafka_commit_transaction(call->producer->handle, TICK_MS);
}

static int transaction_call(
    const struct call *call, call_fn *function, const struct kafka_patience *patience, struct error *error)
{
    for (;;) {
        rd_kafka_error_t *failure = function(call);
        if (!failure)
            return 0;
        const bool again = rd_kafka_error_is_retriable(failure);
        if (rd_kafka_error_txn_requires_abort(failure))
            call->producer->ending = false;
        transaction_fail(call->producer, rd_kafka_error_code(failure), rd_kafka_error_string(failure), error);
        rd_kafka_error_destroy(failure);
        if (!again || !transaction_again(call->producer, patience, error))
            return -1;
    }
}

/* ---- transactions ---------------------------------------------------------------------------------------------- */

int kafka_transactions_open(struct kafka_producer **ret_producer, const struct kafka_client *client,
    const char *id, const struct kafka_patience *patience, struct error *error)
{
    struct call call = {.producer = NULL};

    if (producer_open(&call.producer, client, KAFKA_ROLE_TRANSACTIONS, 0, id, error) != 0)
        return -1;
    if (transaction_call(&call, call_init, patience, error) != 0) {
        kafka_producer_close(&call.producer);
        return -1;
    }
    *ret_producer = call.producer;
    return 0;
}

int kafka_transaction_begin(struct kafka_producer *producer, struct error *error)
{
    rd_kafka_error_t *failure = rd_kafka_begin_transaction(producer->handle);

    if (!failure)
        return 0;
    transaction_fail(producer, rd_kafka_error_code(failure), rd_kafka_error_string(failure), error);
    rd_kafka_error_destroy(failure);
    return -1;
}

int kafka_transaction_note(struct kafka_producer *producer, const char *topic, uint64_t number,
    const struct kafka_patience *patience, struct error *error)
{
    struct call call = {.producer = producer,
        .offsets = rd_kafka_topic_partition_list_new(1),
        .group = rd_kafka_consumer_group_metadata_new(producer->transactions)};

    rd_kafka_topic_partition_list_add(call.offsets, topic, 0)->offset = (int64_t)number;
    const int result = transaction_call(&call, call_offsets, patience, error);
    rd_kafka_consumer_group_metadata_destroy(call.group);
    rd_kafka_topic_partition_list_destroy(call.offsets);
    return result;
}

int kafka_transaction_commit(
    struct kafka_producer *producer, const struct kafka_patience *patience, struct error *error)
{
    const struct call call = {.producer = producer};

    producer->ending = true;
    if (transaction_call(&call, call_commit, patience, error) != 0)
        return -1;
    producer->ending = false;
    return 0;
}

const char *kafka_transaction_failure(const struct kafka_producer *producer)
{
    return producer->failure;
}

bool kafka_transaction_is_undecided(const struct kafka_producer *producer)
{
    return producer->ending;
}

bool kafka_transactions_fenced(const struct kafka_producer *producer)
{
    return rd_kafka_fatal_error(producer->handle, NULL, 0) == RD_KAFKA_RESP_ERR__FENCED;
}

void kafka_transaction_abort(struct kafka_producer *producer, int64_t timeout)
{
    if (producer->ending)
        return; /* who opens the next one settles it */
    producer->report = ignore_report; /* librdkafka polls by itself */
    rd_kafka_error_t *failure = rd_kafka_abort_transaction(producer->handle, (int)(timeout / MILLISECOND));
    if (failure)
        rd_kafka_error_destroy(failure);
}

/* ---- the last one ---------------------------------------------------------------------------------------------- */

static int last_take(
    const struct kafka_producer *producer, rd_kafka_event_t *event, int64_t *ret_offset, struct error *error)
{
    rd_kafka_resp_err_t code = event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT;
    size_t count;

    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return transaction_fail(
            producer, code, event ? rd_kafka_event_error_string(event) : rd_kafka_err2str(code), error);
    const rd_kafka_group_result_t *group = rd_kafka_ListConsumerGroupOffsets_result_groups(
        rd_kafka_event_ListConsumerGroupOffsets_result(event), &count)[0];
    const rd_kafka_error_t *failure = rd_kafka_group_result_error(group);
    if (failure)
        return transaction_fail(
            producer, rd_kafka_error_code(failure), rd_kafka_error_string(failure), error);
    const rd_kafka_topic_partition_t *found = &rd_kafka_group_result_partitions(group)->elems[0];
    if (found->err != RD_KAFKA_RESP_ERR_NO_ERROR) /* not stable yet, for one */
        return transaction_fail(producer, found->err, rd_kafka_err2str(found->err), error);
    *ret_offset = found->offset;
    return 0;
}

static int last_ask(
    struct kafka_producer *producer, const char *topic, int64_t *ret_offset, struct error *error)
{
    rd_kafka_topic_partition_list_t *partitions = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(partitions, topic, 0);
    rd_kafka_ListConsumerGroupOffsets_t *request =
        rd_kafka_ListConsumerGroupOffsets_new(producer->transactions, partitions);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(producer->handle, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(producer->handle);
    char reason[256];

    rd_kafka_AdminOptions_set_request_timeout(options, ASK_MS, reason, sizeof reason);
    rd_kafka_error_t *failure = rd_kafka_AdminOptions_set_require_stable_offsets(options, 1);
    if (failure)
        rd_kafka_error_destroy(failure);
    rd_kafka_ListConsumerGroupOffsets(producer->handle, &request, 1, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, ASK_MS + TICK_MS);
    const int result = last_take(producer, event, ret_offset, error);
    if (event)
        rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ListConsumerGroupOffsets_destroy(request);
    rd_kafka_topic_partition_list_destroy(partitions);
    return result;
}

int kafka_transactions_last(struct kafka_producer *producer, const char *topic, uint64_t *ret_number,
    bool *ret_known, const struct kafka_patience *patience, struct error *error)
{
    int64_t offset;

    while (last_ask(producer, topic, &offset, error) != 0) {
        if (!transaction_again(producer, patience, error))
            return -1;
    }
    *ret_known = offset >= 0;
    *ret_number = offset >= 0 ? (uint64_t)offset : 0;
    return 0;
}
