/* sqoop_job: see sqoop_job.h. */
#include "command/sqoop_job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "command/import_hive.h"
#include "command/import_options.h"
#include "command/import_place.h"
#include "command/import_progress.h"
#include "command/sqoop_store.h"
#include "table/published.h"

struct sqoop_execution {
    const char *name;
    struct sqoop_store store;
    int lock; /* of the job's file; -1: it is only looked at */
    struct sqoop_job job;
    struct sqoop_order order; /* that the job stands for */
};

/* ---- its file -------------------------------------------------------------------------------------------------------- */

static int execution_save(struct sqoop_execution *execution, struct error *error)
{
    cleanup_bytes struct bytes text;

    bytes_init(&text, SQOOP_JOB_MAX);
    if (sqoop_job_write(&execution->job, &text, error) ||
        sqoop_store_replace(&execution->store, execution->name, bytes_slice(&text), &execution->lock, error))
        return error_wrap(error, "job %s", execution->name);
    return 0;
}

static int execution_load(struct sqoop_execution *execution, bool locked, struct error *error)
{
    cleanup_bytes struct bytes text;

    bytes_init(&text, SQOOP_JOB_MAX);
    if (sqoop_store_read(&execution->store, execution->name, &text, locked ? &execution->lock : NULL, error))
        return -1;
    if (sqoop_job_read(&execution->job, bytes_slice(&text), error))
        return error_wrap(error, "job %s", execution->name);
    return 0;
}

/* ---- its last value -------------------------------------------------------------------------------------------------- */

static bool execution_is(const char *text, const char *other)
{
    return strcmp(text ? text : "", other ? other : "") == 0;
}

/* Where the last value is: behind the newest increment in the directory that the job was to fill, unless the job has seen it already; of a job that was never executed in the one that it is to
 * fill now. Then what it is to fill now, and what is there. */
static int execution_look_at(
    struct sqoop_execution *execution, const char *target, bool *ret_changed, struct error *error)
{
    const struct published_job own = {execution->name, execution->order.table, execution->order.check_column};
    struct sqoop_job *job = &execution->job;
    struct published before, now;

    if (published_find(&now, target, &own, error) ||
        published_find(&before, job->target ? job->target : target, &own, error))
        return error_wrap(error, "job %s", execution->name);
    const bool newer = *before.mark && !execution_is(job->mark, before.mark);
    *ret_changed = newer || !execution_is(job->target, target) || !execution_is(job->mark, now.mark);
    return (newer && sqoop_job_set(&job->last, before.last, error)) ||
                   sqoop_job_set(&job->target, target, error) || sqoop_job_set(&job->mark, now.mark, error)
               ? -1
               : 0;
}

/* What was published counts only when Hive has it, too. */
static int execution_settle(const struct sqoop_execution *execution, const char *target, struct error *error)
{
    const struct sqoop_order *order = &execution->order;
    const char *before = execution->job.target ? execution->job.target : target;

    if (!order->hive || order->dry_run || execution->lock < 0)
        return 0;
    return import_hive_settle(before, order->hive_client, error)
               ? error_wrap(error, "job %s", execution->name)
               : 0;
}

/* The order, with the last value in it. */
static int execution_translate(struct sqoop_execution *execution, const struct sqoop_words *more,
    const struct sqoop_reader *reader, bool *ret_changed, struct error *error)
{
    *ret_changed = false;
    if (sqoop_translate_job(&execution->order, execution->name, &execution->job, more, reader, error))
        return error_wrap(error, "job %s", execution->name);
    if (!execution->order.check_column)
        return 0;
    if (import_place_demand_local(
            execution->order.config, execution->order.target, "a saved job with --incremental", error))
        return error_wrap(error, "job %s", execution->name);
    char *target = file_absolute(execution->order.target, error); /* wherever the next one is executed */
    const int result = !target || execution_settle(execution, target, error) ||
                       execution_look_at(execution, target, ret_changed, error);
    free(target);
    if (result || !*ret_changed)
        return result ? -1 : 0;
    sqoop_order_free(&execution->order);
    return sqoop_translate_job(&execution->order, execution->name, &execution->job, more, reader, error);
}

/* ---- executing ------------------------------------------------------------------------------------------------------- */

int sqoop_job_open(struct sqoop_execution **ret_execution, const struct sqoop_order *order,
    const struct sqoop_reader *reader, struct error *error)
{
    __attribute__((cleanup(sqoop_job_close))) struct sqoop_execution *execution =
        calloc(1, sizeof *execution);
    const bool locked = order->job.verb == SQOOP_JOB_EXEC && !order->dry_run;
    bool changed = false;

    if (!execution)
        return error_set(error, ERROR_RETRY, "out of memory");
    execution->store.directory = execution->lock = -1;
    execution->name = order->job.name;
    if (sqoop_store_open(&execution->store, order->job.place, false, error) ||
        execution_load(execution, locked, error) ||
        execution_translate(execution, &order->job.words, reader, &changed, error))
        return -1;
    /* Where the files will appear stands in the job's file before they can. */
    if (changed && locked && !execution->order.dry_run && execution_save(execution, error))
        return -1;
    *ret_execution = execution;
    execution = NULL;
    return 0;
}

struct sqoop_order *sqoop_job_order(struct sqoop_execution *execution)
{
    return &execution->order;
}

int sqoop_job_note(struct sqoop_execution *execution, struct error *error)
{
    bool changed = false;

    if (!execution->order.check_column ||
        (execution->order.hive && import_hive_look(execution->job.target) != IMPORT_HIVE_LOADED))
        return 0;
    char *target = strdup(execution->job.target);
    int result = target ? execution_look_at(execution, target, &changed, error)
                        : error_set(error, ERROR_RETRY, "out of memory");
    free(target);
    return result || (changed && execution_save(execution, error)) ? -1 : 0;
}

void sqoop_job_close(struct sqoop_execution **execution)
{
    if (!*execution)
        return;
    sqoop_order_free(&(*execution)->order);
    sqoop_job_free(&(*execution)->job);
    fd_close(&(*execution)->lock);
    sqoop_store_close(&(*execution)->store);
    free(*execution);
    *execution = NULL;
}

/* ---- keeping --------------------------------------------------------------------------------------------------------- */

static int keep_print(struct bytes *text, struct error *error)
{
    fwrite(text->data, 1, text->length, stdout);
    if (fflush(stdout) != 0 || ferror(stdout))
        return error_set(error, ERROR_FATAL, "standard output: %s", strerror(errno));
    return 0;
}

static int keep_print_job(const char *name, const struct sqoop_job *job, struct error *error)
{
    cleanup_bytes struct bytes text;

    bytes_init(&text, 2 * SQOOP_JOB_MAX);
    return sqoop_print_job(name, job, &text, error) || keep_print(&text, error) ? -1 : 0;
}

/* What an import would refuse is refused now. */
static int keep_check(const struct sqoop_order *order, struct error *error)
{
    __attribute__((cleanup(import_options_free))) struct import_options options;

    if (strncmp(order->job.words.words[0], "import", 6) != 0)
        return 0;
    return import_options_parse(&options, (int)order->import.count, order->import.words, error);
}

static int keep_create(const struct sqoop_order *order, struct error *error)
{
    const struct sqoop_job job = {.words = order->job.words};
    cleanup_bytes struct bytes text;
    struct sqoop_store store;

    if (order->job.password)
        explicit_bzero((void *)(uintptr_t)order->job.password, strlen(order->job.password));
    bytes_init(&text, SQOOP_JOB_MAX);
    if (order->dry_run)
        return keep_print_job(order->job.name, &job, error);
    if (sqoop_job_write(&job, &text, error) || sqoop_store_open(&store, order->job.place, true, error))
        return -1;
    const int result = sqoop_store_create(&store, order->job.name, bytes_slice(&text), error);
    sqoop_store_close(&store);
    return result;
}

static int keep_show(const struct sqoop_order *order, const struct sqoop_reader *reader, struct error *error)
{
    __attribute__((cleanup(sqoop_job_close))) struct sqoop_execution *execution = NULL;

    return sqoop_job_open(&execution, order, reader, error) ||
                   keep_print_job(order->job.name, &execution->job, error)
               ? -1
               : 0;
}

static int keep_delete(const struct sqoop_order *order, struct error *error)
{
    struct sqoop_store store;

    if (sqoop_store_open(&store, order->job.place, false, error))
        return -1;
    const int result = sqoop_store_delete(&store, order->job.name, error);
    sqoop_store_close(&store);
    return result;
}

static int keep_list(const struct sqoop_order *order, struct error *error)
{
    cleanup_bytes struct bytes text;
    struct sqoop_store store;

    bytes_init(&text, SQOOP_JOB_MAX);
    if (bytes_add_text(&text, "Available jobs:\n", error) ||
        sqoop_store_open(&store, order->job.place, false, error))
        return -1;
    const int result = sqoop_store_list(&store, &text, error);
    sqoop_store_close(&store);
    return result ? -1 : keep_print(&text, error);
}

int sqoop_job_keep(struct sqoop_order *order, const struct sqoop_reader *reader, struct error *error)
{
    switch (order->job.verb) {
    case SQOOP_JOB_LIST:
        return keep_list(order, error);
    case SQOOP_JOB_CREATE:
        return keep_check(order, error) || keep_create(order, error) ? -1 : 0;
    case SQOOP_JOB_DELETE:
        return order->dry_run ? keep_show(order, reader, error) : keep_delete(order, error);
    case SQOOP_JOB_SHOW:
    case SQOOP_JOB_EXEC:
        break;
    }
    return keep_show(order, reader, error);
}
