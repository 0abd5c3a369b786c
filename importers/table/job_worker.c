/* job_worker: a thread that reads splits; see job.h. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "table/job_state.h"
#include "table/target.h"

#define WORKER_PAUSE CLOCK_SECOND /* before it connects again; grows */
#define WORKER_PAUSE_MOST (15 * CLOCK_SECOND)
#define WORKER_CONNECTS 8 /* tries in a row */

/* ---- connecting -------------------------------------------------------------------------------------------------- */

static void worker_disconnect(struct job_worker *worker)
{
    struct job *job = worker->job;

    pthread_mutex_lock(&job->lock);
    struct database_connection *connection = worker->connection;
    worker->connection = NULL;
    pthread_mutex_unlock(&job->lock);
    if (connection)
        job->options->kind->disconnect(&connection);
}

static int worker_connect(struct job_worker *worker, enum database_trouble *ret_trouble, struct error *error)
{
    struct job *job = worker->job;
    const struct job_options *options = job->options;
    struct database_connection *connection = NULL;

    *ret_trouble = DATABASE_LOST;
    if (options->kind->connect(job->database, &connection, error))
        return -1;
    pthread_mutex_lock(&job->lock);
    worker->connection = connection;
    pthread_mutex_unlock(&job->lock);
    if (options->kind->adopt(connection, job->list, &job->snapshot, &options->snapshot, error)) {
        *ret_trouble = connection->trouble;
        worker_disconnect(worker);
        return -1;
    }
    return 0;
}

static void worker_sleep(struct job *job, int64_t pause)
{
    for (; pause > 0 && !job_is_over(job); pause -= CLOCK_SECOND / 10)
        nanosleep(&(struct timespec){0, 100 * 1000 * 1000}, NULL);
}

/* What goes away by itself is waited for. ERROR_FATAL: it does not. */
static int worker_connect_again(struct job_worker *worker, struct error *error)
{
    enum database_trouble trouble;
    int64_t pause = WORKER_PAUSE;

    for (int tries = 0; tries < WORKER_CONNECTS; tries++) {
        if (job_is_over(worker->job))
            return error_set(error, ERROR_RETRY, "stopped");
        if (worker_connect(worker, &trouble, error) == 0)
            return 0;
        if (trouble == DATABASE_GONE || trouble == DATABASE_CHANGED || error->kind != ERROR_RETRY)
            break;
        worker_sleep(worker->job, pause);
        pause = 2 * pause < WORKER_PAUSE_MOST ? 2 * pause : WORKER_PAUSE_MOST;
    }
    return error_wrap(error, "a connection was lost, and no other one sees the same snapshot");
}

/* Nobody reads before all have their locks. *ret_alone: not one of them has. */
static int worker_begin(struct job_worker *worker, bool *ret_alone, struct error *error)
{
    struct job *job = worker->job;
    enum database_trouble trouble;
    const int result = worker_connect(worker, &trouble, error);

    pthread_mutex_lock(&job->lock);
    job->to_adopt--;
    job->readers += result == 0;
    pthread_cond_broadcast(&job->changed);
    while (job->to_adopt && !job->failed && !job_stopped(job)) {
        job_wait_change(job);
    }
    *ret_alone = job->readers == 0;
    pthread_mutex_unlock(&job->lock);
    return result;
}

/* ---- a split -------------------------------------------------------------------------------------------------------- */

struct worker_split {
    const struct job_worker *worker;
    struct job_table *table;
    uint64_t rows, bytes; /* of this try */
};

static int worker_take(void *context, struct column_batch *batch, struct error *error)
{
    struct worker_split *at = context;
    struct job *job = at->worker->job;
    const uint64_t bytes = column_batch_bytes(batch);

    at->rows += batch->rows;
    at->bytes += bytes;
    atomic_fetch_add_explicit(&at->table->rows, batch->rows, memory_order_relaxed);
    atomic_fetch_add_explicit(&at->table->bytes, bytes, memory_order_relaxed);
    if (job->target->add(at->worker->target, batch, error))
        return -1;
    /* A row comes with its number of fields, a value with its length, of which the batch keeps a byte. */
    job_pace_take(job, bytes + batch->rows * (2 + 3 * batch->fields_count));
    return 0;
}

static int worker_keep(struct job_table *table, const struct split *split, const struct read_result *read,
    struct job_result *result, struct error *error)
{
    const size_t size = table->table->columns_count * sizeof(*result->columns);

    free(result->columns);
    result->columns = malloc(size + 1);
    if (!result->columns)
        return error_set(error, ERROR_RETRY, "split %u: out of memory", split->number);
    if (size)
        memcpy(result->columns, read->columns, size);
    result->rows = read->rows;
    result->bytes = read->bytes;
    result->checksum = read->checksum;
    result->key_known = read->key_known;
    result->key_least = read->key_least;
    result->key_greatest = read->key_greatest;
    return 0;
}

/* One try. */
static int worker_read(
    struct job_worker *worker, struct job_table *table, const struct split *split, struct error *error)
{
    struct job *job = worker->job;
    struct job_result *result = &table->results[split->number];
    struct worker_split at = {.worker = worker, .table = table};
    const struct read_options how = job_pace_read(job);
    const struct table_sink_batch sink = {worker_take, &at};
    struct read_result read;

    if (job->target->begin(worker->target, table, split, error))
        return -1;
    int status = job->options->kind->read(worker->connection, table->table, split, &how, &sink, &read, error);
    if (!status)
        status = worker_keep(table, split, &read, result, error);
    if (!status)
        status = job->target->finish(worker->target, result, error);
    job->target->end(worker->target);
    if (status) {
        atomic_fetch_sub_explicit(&table->rows, at.rows, memory_order_relaxed);
        atomic_fetch_sub_explicit(&table->bytes, at.bytes, memory_order_relaxed);
    }
    return status;
}

/* With as many tries as it takes. */
static int worker_split(
    struct job_worker *worker, struct job_table *table, const struct split *split, struct error *error)
{
    struct job_result *result = &table->results[split->number];

    atomic_fetch_add(&table->begun, 1);
    for (;;) {
        result->tries++;
        if (worker_read(worker, table, split, error) == 0)
            break;
        if (error->kind != ERROR_RETRY || job_is_over(worker->job) || result->tries == JOB_SPLIT_TRIES)
            return -1;
        atomic_fetch_add(&table->again, 1);
        job_note(worker->job, "%s: it is read again", error->text);
        worker_disconnect(worker);
        if (worker_connect_again(worker, error))
            return -1;
    }
    result->snapshot = (unsigned)worker->job->snapshots_count - 1;
    if (job_state_add(worker->job, table, split, error))
        return -1;
    result->done = true;
    atomic_fetch_add(&table->done, 1);
    return 0;
}

/* Moves on to the next split that is neither taken nor done; false: there is none. */
static bool worker_find(struct job *job)
{
    for (; job->next_table < job->list->count; job->next_table++, job->next_split = 0) {
        const struct job_table *table = &job->tables[job->next_table];
        while (job->next_split < table->plan->count && table->results[job->next_split].kept)
            job->next_split++;
        if (job->next_split < table->plan->count)
            return true;
    }
    return false;
}

static bool worker_next(struct job *job, struct job_table **ret_table, const struct split **ret_split)
{
    bool found = false;

    pthread_mutex_lock(&job->lock);
    if (!job->failed && !job_stopped(job) && worker_find(job)) {
        *ret_table = &job->tables[job->next_table];
        *ret_split = &(*ret_table)->plan->splits[job->next_split++];
        found = true;
    }
    pthread_mutex_unlock(&job->lock);
    return found;
}

static void worker_run(struct job_worker *worker)
{
    struct job *job = worker->job;
    struct job_table *table;
    const struct split *split;
    struct error error;

    if (job->target->open(&worker->target, job, (unsigned)(worker - job->workers), &error)) {
        job_fail(job, &error);
        return;
    }
    while (worker_next(job, &table, &split)) {
        if (worker_split(worker, table, split, &error)) {
            job_fail(job, &error);
            break;
        }
    }
    job->target->close(worker->target);
}

void *job_worker_run(void *context)
{
    struct job_worker *worker = context;
    struct job *job = worker->job;
    struct error error;
    bool alone;

    if (worker_begin(worker, &alone, &error) == 0)
        worker_run(worker);
    else if (alone)
        job_fail(job, &error);
    else
        job_note(job, "%s: one connection less reads", error.text);
    worker_disconnect(worker);
    pthread_mutex_lock(&job->lock);
    worker->ended = true;
    pthread_cond_broadcast(&job->changed);
    pthread_mutex_unlock(&job->lock);
    return NULL;
}
