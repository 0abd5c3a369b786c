/* transaction: see transaction.h. */
#include "table/transaction.h"

#include <inttypes.h>
#include <stdio.h>

#include "table/job_state.h"

#define TRANSACTION_ID_MAX 64
#define DROP_WAITS 5 /* seconds, about: in all */
#define TRANSACTION_SILENCE (5 * CLOCK_SECOND) /* then people are told */
/* Brokers keep what was committed for a week, unless offsets.retention.minutes says otherwise. */
#define TRANSACTION_KEPT_SURELY (24 * 3600 * CLOCK_SECOND)

struct transaction_wait {
    struct job *job;
    int64_t since; /* monotonic */
    bool told; /* that the import waits */
};

static bool transaction_waits(void *context, const char *why)
{
    struct transaction_wait *wait = context;
    const struct job_options *options = wait->job->options;

    if (!wait->told && clock_monotonic(options->clock) - wait->since > TRANSACTION_SILENCE) {
        job_note(wait->job, "topic %s: the brokers begin or end no transaction, so the import waits: %s",
            options->topic->name, why);
        wait->told = true;
    }
    return !job_is_over(wait->job);
}

/* For one call. */
static struct kafka_patience transaction_patience(struct transaction_wait *wait, struct job *job)
{
    *wait = (struct transaction_wait){.job = job, .since = clock_monotonic(job->options->clock)};
    return (struct kafka_patience){transaction_waits, wait};
}

static int transaction_open_as(struct job *job, const char *import, unsigned connection,
    const struct kafka_patience *patience, struct kafka_producer **ret_producer, struct error *error)
{
    char id[TRANSACTION_ID_MAX];

    snprintf(id, sizeof id, "penstock-import-%s-%u", import, connection);
    return kafka_transactions_open(ret_producer, job->options->topic->client, id, patience, error);
}

int transaction_open(
    struct job *job, unsigned connection, struct kafka_producer **ret_producer, struct error *error)
{
    struct transaction_wait wait;
    const struct kafka_patience patience = transaction_patience(&wait, job);

    return transaction_open_as(job, job->id, connection, &patience, ret_producer, error);
}

static int transaction_last(struct job *job, struct kafka_producer *producer, uint64_t *ret_split,
    bool *ret_known, struct error *error)
{
    struct transaction_wait wait;
    const struct kafka_patience patience = transaction_patience(&wait, job);

    return kafka_transactions_last(
        producer, job->options->topic->name, ret_split, ret_known, &patience, error);
}

/* ---- committing ---------------------------------------------------------------------------------------------------- */

/* Did it come through? A producer that is opened behind it is behind its end, too. */
static int transaction_look(struct job *job, const struct split *split, unsigned connection,
    struct kafka_producer **producer, bool *ret_committed, struct error *error)
{
    uint64_t last;
    bool known;

    kafka_producer_close(producer);
    if (transaction_open(job, connection, producer, error) ||
        transaction_last(job, *producer, &last, &known, error))
        return -1;
    *ret_committed = known && last == split->number;
    return 0;
}

int transaction_commit(struct job *job, const struct job_table *table, const struct split *split,
    unsigned connection, struct kafka_producer **producer, struct error *error)
{
    struct job_result *result = &table->results[split->number];
    struct transaction_wait wait;
    const struct kafka_patience patience = transaction_patience(&wait, job);

    if (job_state_prepare(job, table, split, connection, error))
        return -1;
    result->prepared = true;
    if (kafka_transaction_note(*producer, job->options->topic->name, split->number, &patience, error) == 0 &&
        kafka_transaction_commit(*producer, &patience, error) == 0)
        return 0;
    /* What was refused in so many words was not committed; should it be otherwise all the same, --resume finds out. */
    if (error->kind != ERROR_RETRY)
        return -1;
    bool committed = false;
    const struct error why = *error;
    if (job_is_over(job) || transaction_look(job, split, connection, producer, &committed, error))
        return error_set(error, ERROR_REJECT,
            "%.200s; whether split %u is committed is not known: --resume finds out", why.text,
            split->number);
    *error = why;
    result->prepared = committed;
    return committed ? 0 : -1;
}

/* ---- going on ------------------------------------------------------------------------------------------------------ */

/* Brokers that know of no transaction never had one, or have forgotten it. */
static int settle_forgotten(struct job *job, unsigned connection, struct error *error)
{
    const int64_t now = clock_wall(job->options->clock);
    const char *key;
    json_t *line;

    json_object_foreach(job->state->prepared, key, line)
    {
        if (json_integer_value(json_object_get(line, "connection")) == connection &&
            now - json_integer_value(json_object_get(line, "prepared")) > TRANSACTION_KEPT_SURELY)
            return error_set(error, ERROR_REJECT,
                "topic %s: whether split %s is committed the brokers may have forgotten since the import was interrupted (offsets.retention.minutes): begin anew without --resume, into an empty topic",
                job->options->topic->name, key);
    }
    return 0;
}

/* Of the lines of a connection that are prepared one at most is committed, and then as the last one of all. */
static int settle_connection(
    struct job *job, unsigned connection, struct kafka_producer *producer, struct error *error)
{
    uint64_t last;
    bool known;

    if (transaction_last(job, producer, &last, &known, error))
        return -1;
    if (!known)
        return settle_forgotten(job, connection, error);
    if (last > UINT32_MAX || !job_state_is_prepared(job->state, (unsigned)last, connection))
        return 0;
    job_note(job, "topic %s: split %" PRIu64 " was committed when the import was interrupted",
        job->options->topic->name, last);
    return job_state_settle(job->state, (unsigned)last, error);
}

/* All connections, as each may have left a transaction open, which keeps readers of committed records from all that lies behind it. */
int transaction_settle(struct job *job, struct error *error)
{
    const char *import = json_string_value(json_object_get(job->state->begun, "id"));

    for (unsigned i = 0; i < job->options->plan.workers; i++) {
        __attribute__((cleanup(kafka_producer_end))) struct kafka_producer *producer = NULL;
        struct transaction_wait wait;
        const struct kafka_patience patience = transaction_patience(&wait, job);
        if (transaction_open_as(job, import ? import : "", i, &patience, &producer, error) ||
            settle_connection(job, i, producer, error))
            return -1;
    }
    return 0;
}

/* ---- beginning anew ------------------------------------------------------------------------------------------------ */

static bool drop_waits(void *context, const char *why)
{
    unsigned *waits = context;

    (void)why;
    return ++*waits < DROP_WAITS;
}

/* Of the same brokers. What is still open would keep readers of committed records from this import's, until the brokers abort it. */
void transaction_drop(struct job *job, const struct job_state *state)
{
    const json_t *options = json_object_get(state->begun, "options");
    const char *import = json_string_value(json_object_get(state->begun, "id"));
    const char *servers = json_string_value(json_array_get(json_object_get(options, "topic"), 1));
    const json_int_t connections = json_integer_value(json_object_get(options, "connections"));
    struct error ignored;

    if (!import || !servers || strcmp(servers, kafka_client_servers(job->options->topic->client)) != 0)
        return;
    for (unsigned i = 0, waits = 0; i < connections && i < JOB_WORKERS_MAX && waits < DROP_WAITS; i++) {
        __attribute__((cleanup(kafka_producer_close))) struct kafka_producer *producer = NULL;
        const struct kafka_patience patience = {drop_waits, &waits};
        transaction_open_as(job, import, i, &patience, &producer, &ignored);
    }
}
