/* job: see job.h. */
#include "table/job.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/utf8.h"
#include "table/job_merge.h"
#include "table/job_state.h"
#include "table/manifest.h"

#define JOB_TICK (CLOCK_SECOND / 4)
#define JOB_KEEP_PUBLISHING 2 /* seconds */

void job_note(struct job *job, const char *format, ...)
{
    va_list arguments;

    pthread_mutex_lock(&job->lock);
    va_start(arguments, format);
    const int length = vsnprintf(job->note, sizeof job->note, format, arguments);
    va_end(arguments);
    if (length >= (int)sizeof job->note)
        job->note[utf8_whole(job->note, sizeof job->note - 1)] = '\0';
    job->options->note(job->options->context, job->note);
    pthread_mutex_unlock(&job->lock);
}

bool job_stopped(const struct job *job)
{
    return atomic_load_explicit(job->options->stop, memory_order_relaxed);
}

void job_wait_change(struct job *job)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += JOB_TICK * 1000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_clockwait(&job->changed, &job->lock, CLOCK_MONOTONIC, &until);
}

bool job_is_over(struct job *job)
{
    pthread_mutex_lock(&job->lock);
    const bool over = job->failed || job_stopped(job);
    pthread_mutex_unlock(&job->lock);
    return over;
}

void job_fail(struct job *job, const struct error *error)
{
    pthread_mutex_lock(&job->lock);
    if (!job->failed)
        job->error = *error;
    job->failed = true;
    pthread_cond_broadcast(&job->changed);
    pthread_mutex_unlock(&job->lock);
}

void job_file_name(
    const struct job_table *table, const struct split *split, char name[static JOB_FILE_NAME_MAX])
{
    const char *extension = table_file_extension(&table->file);
    char number[SPLIT_NAME_MAX];

    split_name(&(const struct split){.number = table->first + split->number}, number);
    if (table->names == JOB_NAMES_PLAIN) {
        snprintf(name, JOB_FILE_NAME_MAX, "part-%s%s", number, extension);
        return;
    }
    /* Of text only what it is compressed with. */
    if (table->file.format == TABLE_DELIMITED)
        extension = strchr(extension + 1, '.');
    snprintf(name, JOB_FILE_NAME_MAX, "part-m-%s%s", number, extension ? extension : "");
}

/* ---- while the workers read --------------------------------------------------------------------------------------------- */

static void job_tell(struct job *job)
{
    for (size_t i = 0; i < job->list->count; i++) {
        struct job_table *table = &job->tables[i];
        struct job_progress *progress = &job->progress[i];
        *progress = (struct job_progress){.title = table->table->title,
            .rows = atomic_load(&table->rows),
            .bytes = atomic_load(&table->bytes),
            .again = atomic_load(&table->again),
            .rows_kept = table->rows_kept,
            .splits = table->plan->count,
            .splits_begun = atomic_load(&table->begun),
            .splits_done = atomic_load(&table->done)};
        for (size_t k = 0; k < table->table->parts_count; k++) {
            double rows = table->table->parts[k].rows;
            progress->rows_estimated =
                rows < 0 || progress->rows_estimated < 0 ? -1 : progress->rows_estimated + rows;
        }
    }
    job->options->tell(job->options->context, job->progress, job->list->count,
        clock_monotonic(job->options->clock) - job->began);
}

/* Waits a moment for all workers to end. */
static bool job_is_read(struct job *job)
{
    bool read = true;

    pthread_mutex_lock(&job->lock);
    for (size_t i = 0; i < job->workers_count; i++)
        read &= !job->workers[i].running || job->workers[i].ended;
    if (!read)
        job_wait_change(job);
    pthread_mutex_unlock(&job->lock);
    return read;
}

/* Ends what the workers do at the moment. */
static void job_stop_workers(struct job *job)
{
    pthread_mutex_lock(&job->lock);
    pthread_cond_broadcast(&job->changed);
    for (size_t i = 0; i < job->workers_count; i++) {
        if (job->workers[i].connection)
            job->options->kind->stop(job->workers[i].connection);
    }
    pthread_mutex_unlock(&job->lock);
}

/* Without the keeper those that read may go on, but nobody can take over from one that is lost. */
static void job_check_keeper(struct job *job)
{
    struct error error;

    if (!job->keeper || keeper_check(job->keeper, &error) == 0)
        return;
    job_note(job,
        "%s: the snapshot is kept by those who read it; should one of them be lost, the import ends",
        error.text);
    keeper_end(&job->keeper);
}

static void job_wait(struct job *job)
{
    while (!job_is_read(job)) {
        if (job_is_over(job))
            job_stop_workers(job);
        job_tell(job);
        job_check_keeper(job);
        job_pace_look(job);
    }
}

/* Not more than there are splits to read. */
static size_t job_workers_wanted(const struct job *job)
{
    size_t splits = 0;

    for (size_t i = 0; i < job->list->count; i++)
        splits += job->tables[i].plan->count - atomic_load(&job->tables[i].done);
    return splits < job->options->plan.workers ? splits : job->options->plan.workers;
}

static int job_fail_stopped(const struct job *job, struct error *error)
{
    return error_set(error, ERROR_RETRY, "stopped%s", job_is_kept(job) ? "" : "; nothing was left behind");
}

static int job_read(struct job *job, struct error *error)
{
    const size_t wanted = job_workers_wanted(job);

    job->workers = calloc(wanted + 1, sizeof(*job->workers));
    if (!job->workers)
        return error_set(error, ERROR_RETRY, "import: out of memory");
    job->to_adopt = job->workers_count = wanted;
    for (size_t i = 0; i < wanted; i++) {
        struct job_worker *worker = &job->workers[i];
        worker->job = job;
        worker->running = pthread_create(&worker->thread, NULL, job_worker_run, worker) == 0;
        if (worker->running)
            continue;
        pthread_mutex_lock(&job->lock);
        job->to_adopt--;
        if (i == 0) {
            job->failed = true;
            error_set(&job->error, ERROR_RETRY, "import: no thread could be started");
        }
        pthread_mutex_unlock(&job->lock);
    }
    job_wait(job);
    for (size_t i = 0; i < wanted; i++) {
        if (job->workers[i].running)
            pthread_join(job->workers[i].thread, NULL);
    }
    if (job_stopped(job))
        return job_fail_stopped(job, error);
    if (job->failed)
        *error = job->error;
    return job->failed ? -1 : 0;
}

/* ---- the files -------------------------------------------------------------------------------------------------------------- */

static int job_begin(struct job *job, struct error *error)
{
    struct shipment *shipment = job->options->shipment;

    if (!job->resumed && shipment && shipment_begin(shipment, error))
        return -1;
    if (!job->resumed && attempt_open(&job->attempt, job->options->target, job->options->how, error))
        return -1;
    if (!job->resumed && job->options->how == ATTEMPT_APPEND)
        job->tables[0].first = shipment ? shipment_first(shipment) : attempt_first(job->attempt);
    if (job->options->how == ATTEMPT_APPEND && !shipment)
        attempt_append_drop(job->attempt, job->tables[0].first);
    job_drop_others(job);
    for (size_t i = 0; i < job->list->count; i++) {
        if (*job->tables[i].directory &&
            attempt_make_directory(job->attempt, job->tables[i].directory, error))
            return -1;
    }
    if (job->resumed ? job_state_go_on(job, error) : job_state_begin(job, error))
        return -1;
    return job->keeper ? keeper_stay(job->keeper, job->options->keep_snapshot, error) : 0;
}

/* For so many seconds, but not longer than was asked for. A keeper that is gone keeps nothing. */
static void job_keep_snapshot(struct job *job, unsigned seconds)
{
    const unsigned most = job->options->keep_snapshot;
    struct error ignored;

    if (job->keeper)
        keeper_stay(job->keeper, seconds < most ? seconds : most, &ignored);
}

/* What adds to files that are there has a manifest of its own, with the number of its first file. */
static void job_manifest_name(const struct job *job, char name[static JOB_FILE_NAME_MAX])
{
    const bool sqoop = job->options->names != JOB_NAMES_PLAIN;
    char number[SPLIT_NAME_MAX];

    snprintf(name, JOB_FILE_NAME_MAX, "%s", sqoop ? MANIFEST_NAME_SQOOP : MANIFEST_NAME);
    if (job->options->how != ATTEMPT_APPEND || !job->tables[0].first)
        return;
    split_name(&(const struct split){.number = job->tables[0].first}, number);
    snprintf(name, JOB_FILE_NAME_MAX, MANIFEST_NAME_APPENDED, sqoop ? "_" : "", number);
}

/* Others publish one after the other: each in a moment, but for what it has replaced and deletes. */
static int job_lock_target(struct job *job, struct error *error)
{
    bool busy;

    for (bool told = false;; told = true) {
        if (attempt_lock(job->attempt, &busy, error))
            return -1;
        if (!busy)
            return 0;
        if (!told)
            job_note(job, "another import is being published into %s: this one waits for it",
                job->options->target);
        if (job_stopped(job))
            return job_fail_stopped(job, error);
        pthread_mutex_lock(&job->lock);
        job_wait_change(job);
        pthread_mutex_unlock(&job->lock);
    }
}

/* What stands beside the rows. */
static int job_write_marks(struct job *job, const char *name, struct error *error)
{
    cleanup_bytes struct bytes manifest;

    bytes_init(&manifest, MANIFEST_SIZE_MAX);
    if (job_manifest(job, &manifest, error))
        return -1;
    for (size_t i = 0; i < job->list->count; i++) {
        if (attempt_write(job->attempt, job->tables[i].directory, "_SUCCESS", (struct slice){NULL, 0}, error))
            return -1;
    }
    return job_hive_write(job, error) || attempt_write(job->attempt, "", name, bytes_slice(&manifest), error)
               ? -1
               : 0;
}

/* What another import has begun to put there stays as it is: its manifest says so, too. */
static int job_publish_elsewhere(struct job *job, const char *name, struct error *error)
{
    job->ended = clock_monotonic(job->options->clock);
    if (!job_is_ready(job) && job_write_marks(job, name, error))
        return -1;
    if (job_check_repeated(job, error)) {
        attempt_give_up(job->attempt);
        return -1;
    }
    job_keep_snapshot(job, JOB_KEEP_PUBLISHING);
    return job_ship(job, name, error);
}

static int job_publish(struct job *job, struct error *error)
{
    char name[JOB_FILE_NAME_MAX];

    job_manifest_name(job, name);
    if (job->options->shipment)
        return job_publish_elsewhere(job, name, error);
    /* Nobody else publishes there between the look at what is there and the exchange. */
    if (job->merge && (job_lock_target(job, error) || job_merge_run(job, error)))
        return -1;
    job->ended = clock_monotonic(job->options->clock);
    if (job_write_marks(job, name, error) || (!job->merge && job_lock_target(job, error)))
        return -1;
    /* Somebody else may have read the same since this one looked. */
    if (job_check_repeated(job, error)) {
        attempt_give_up(job->attempt);
        return -1;
    }
    /* All is read. Should this process be killed behind the rename, nobody looks for the keeper any more. */
    job_keep_snapshot(job, JOB_KEEP_PUBLISHING);
    if (attempt_publish(job->attempt, error)) {
        job_keep_snapshot(job, UINT_MAX);
        return -1;
    }
    return 0;
}

int job_run(struct job *job, struct error *error)
{
    if (job_begin(job, error) || job_read(job, error))
        return -1;
    job_tell(job);
    return job_publish(job, error);
}

struct job_summary job_summary(const struct job *job)
{
    struct job_summary sum = {.tables = job->list->count,
        .elapsed = job->ended - job->began,
        .topic = job->options->topic ? job->options->topic->name : NULL,
        .increment = job->options->increment.mode ? &job->increment : NULL,
        .merged = job->merge != NULL,
        .merged_rows = job->merge ? job->merge->kept : 0,
        .files = job->merge ? job->merge->files_count : 0};

    for (size_t i = 0; i < job->list->count; i++) {
        const struct job_table *table = &job->tables[i];
        for (size_t k = 0; k < table->plan->count; k++) {
            const struct job_result *result = &table->results[k];
            sum.files += result->file;
            sum.rows += result->rows;
            sum.rows_kept += result->kept ? result->rows : 0;
            sum.splits_kept += result->kept;
            sum.bytes_read += result->bytes;
            sum.bytes_written += result->file_bytes;
            for (size_t c = 0; c < table->table->columns_count; c++) {
                sum.nulled += result->columns[c].nulled;
                sum.rounded += result->columns[c].rounded;
                sum.bounds += result->columns[c].bounds;
            }
        }
    }
    return sum;
}
