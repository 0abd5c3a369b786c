/* job_open: from the log-in to the snapshot; see job.h. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "table/job_merge.h"
#include "table/job_state.h"
#include "table/manifest.h"
#include "table/published.h"
#include "table/target.h"

#define JOB_DESCRIBE_TRIES 3 /* while tables change under the eyes of it */

static int job_login(struct job *job, struct error *error)
{
    const struct job_options *options = job->options;

    if (options->kind->open(&options->login, &job->database, error))
        return -1;
    const char *notice = options->kind->notice(job->database);
    if (notice && *notice)
        job_note(job, "%s", notice);
    if (options->kind->connect(job->database, &job->connection, error))
        return -1;
    job->server = *job->connection;
    return job->resumed ? job_state_check_server(job->state, job, error) : 0;
}

/* ---- the tables ------------------------------------------------------------------------------------------------------ */

int job_make_tables(struct job *job, size_t count, struct error *error)
{
    job->tables = calloc(count, sizeof(*job->tables));
    job->progress = calloc(count, sizeof(*job->progress));
    job->tables_count = job->tables ? count : 0;
    return job->tables && job->progress ? 0 : error_set(error, ERROR_RETRY, "plan: out of memory");
}

static void job_free_tables(struct job *job)
{
    for (size_t i = 0; i < job->tables_count; i++) {
        struct job_table *table = &job->tables[i];
        for (size_t k = 0; table->results && k < table->plan->count; k++)
            job_result_free(&table->results[k]);
        free(table->results);
        free(table->plain);
        plan_free(&table->plan);
    }
    free(job->tables);
    free(job->progress);
    job->tables = NULL;
    job->progress = NULL;
    job->tables_count = 0;
    if (job->list)
        job->options->kind->list_free(&job->list);
}

struct table_file_options job_table_file(const struct job *job, const struct table *table)
{
    struct table_file_options file = job->options->file;

    file.name = *table->name ? table->name : "query";
    return file;
}

int job_name_table(const struct job *job, struct job_table *table, struct error *error)
{
    char title[2 * ATTEMPT_NAME_MAX];

    table->file = job_table_file(job, table->table);
    table->names = job->options->names;
    table->plain = calloc(table->table->columns_count + 1, sizeof *table->plain);
    if (!table->plain)
        return error_set(error, ERROR_RETRY, "plan: out of memory");
    table->file.plain = table->plain;
    const bool warehouse = table->names == JOB_NAMES_WAREHOUSE && *table->table->name;
    if (warehouse && strcmp(table->table->schema, job->list->tables[0]->schema) != 0)
        return error_set(error, ERROR_REJECT,
            "--names warehouse is for tables of one schema: %s is not of %s, and might be called as a table there",
            table->table->title, job->list->tables[0]->schema);
    if (job->list->count == 1 && !warehouse)
        return 0;
    int length = snprintf(title, sizeof title, "%s%s%s", warehouse ? "" : table->table->schema,
        warehouse ? "" : ".", table->table->name);
    if (length < 0 || (size_t)length >= sizeof title || !attempt_name(title, table->directory))
        return error_set(error, ERROR_REJECT,
            "table %s: its name is too long for a directory; import it alone", table->table->title);
    return 0;
}

static int job_plan(struct job *job, struct error *error)
{
    const struct job_options *options = job->options;

    if (job_make_tables(job, job->list->count, error))
        return -1;
    for (size_t i = 0; i < job->list->count; i++) {
        struct job_table *table = &job->tables[i];
        table->table = job->list->tables[i];
        if (job_name_table(job, table, error) ||
            options->kind->plan(job->connection, table->table, &options->plan, &table->plan, error))
            return -1;
        table->results = calloc(table->plan->count + 1, sizeof(*table->results));
        if (!table->results)
            return error_set(error, ERROR_RETRY, "plan: out of memory");
    }
    return 0;
}

/* ---- the snapshot ------------------------------------------------------------------------------------------------------ */

static int job_hold(struct job *job, uint64_t digest, enum database_trouble *ret_trouble, struct error *error)
{
    *ret_trouble = DATABASE_FINE;
    if (job->resumed && !job->mixed)
        return 0;
    if (job->keeper && keeper_hold(job->keeper, digest, &job->snapshot, ret_trouble, error))
        return -1;
    job->snapshots[job->snapshots_count++] = job->snapshot;
    return 0;
}

static bool job_is_text(const char *one, const char *other)
{
    return one && other ? strcmp(one, other) == 0 : !one && !other;
}

/* Does it select the rows of this import, but for their range? */
static bool job_is_same(const struct job *job, const struct manifest *manifest)
{
    const struct table_selection *selection = &job->options->selection;
    const struct table *table = job->list->tables[0];
    const char *own = job->options->increment.job;
    const bool others = own && manifest->job && strcmp(own, manifest->job) != 0;

    return !others && manifest->tables_count == 1 && strcmp(manifest->tables->schema, table->schema) == 0 &&
           strcmp(manifest->tables->name, table->name) == 0 &&
           strcmp(manifest->check_column, job->increment.column) == 0 &&
           job_is_text(manifest->query, selection->query) &&
           job_is_text(manifest->own_where, selection->where);
}

struct job_repeated {
    const struct job *job;
    char last[INCREMENT_VALUE_MAX]; /* of the newest one of these rows */
    char path[ATTEMPT_PATH_MAX]; /* of one that began as this one does; "": none did */
};

static void job_look_for_repeated(void *context, const struct manifest *manifest)
{
    struct job_repeated *repeated = context;
    const char *low = repeated->job->increment.low;

    if (!manifest->last_value || !job_is_same(repeated->job, manifest))
        return;
    if (!*repeated->last)
        snprintf(repeated->last, sizeof repeated->last, "%s", manifest->last_value);
    if (strcmp(manifest->begun_value, low) == 0 && strcmp(manifest->last_value, low) != 0)
        snprintf(repeated->path, sizeof repeated->path, "%s", manifest->path);
}

/* Whoever was killed between the publication and writing down the next last value begins with the old one again: rows would be there twice. So they would be for a command
 * that is repeated later, when others have added to the directory. */
int job_check_repeated(const struct job *job, struct error *error)
{
    struct job_repeated repeated = {.job = job};

    if (!job->options->increment.mode || job->options->how == ATTEMPT_NEW ||
        job->options->how == ATTEMPT_REPLACE || !job->options->target)
        return 0;
    published_each(job->options->shipment ? shipment_seen(job->options->shipment) : job->options->target,
        job_look_for_repeated, &repeated);
    return *repeated.path
               ? error_set(error, ERROR_REJECT,
                     "target directory %s: %s has read what begins there already, and the newest import of these rows went up to %s: go on with --last-value '%s'",
                     job->options->target, repeated.path, repeated.last, repeated.last)
               : 0;
}

/* One that goes on reads what was begun: the log says what. */
static int job_narrow(struct job *job, struct error *error)
{
    const struct job_options *options = job->options;

    if (job->list->count != 1 && (options->increment.mode || options->how == ATTEMPT_APPEND))
        return error_set(error, ERROR_REJECT, "%s: one table at a time, and %zu are selected",
            options->increment.mode ? "--incremental" : "--append", job->list->count);
    if (job->target->check(job, error))
        return -1;
    if (!options->increment.mode)
        return 0;
    if (job_merge_open(job, error))
        return -1;
    if (job->resumed) {
        if (job_state_increment(job->state, &job->increment, error))
            return -1;
        if (job->merge)
            job->merge->base = job_state_base(job->state);
    } else if (options->kind->bound(job->connection, job->list->tables[0], &options->increment,
                   options->snapshot.lock_wait, &job->increment, error) ||
               job_check_repeated(job, error)) {
        return -1;
    }
    job->increment.mode = options->increment.mode;
    if (*job->increment.note)
        job_note(job, "%s", job->increment.note);
    return options->kind->narrow(job->connection, job->list, &job->increment, error);
}

/* Describes and plans before the keeper has any lock: so it waits for nobody who waits for the keeper. What is described may change before it is locked: then it is
 * described again. */
static int job_prepare(struct job *job, bool only_plan, struct error *error)
{
    const struct job_options *options = job->options;
    enum database_trouble trouble;

    for (int tries = 1;; tries++) {
        if (options->kind->describe(job->connection, &options->selection, &job->list, error))
            return -1;
        if (job->list->count == 0)
            return error_set(error, ERROR_REJECT, "%s: no table is selected", job->server.where);
        const uint64_t digest = keeper_digest(job->list);
        if (job_narrow(job, error))
            return -1;
        if ((job->resumed ? job_state_restore(job, error) : job_plan(job, error)) ||
            job_hive_check(job, error))
            return -1;
        if (only_plan || job_hold(job, digest, &trouble, error) == 0)
            return 0;
        if (trouble != DATABASE_CHANGED || tries == JOB_DESCRIBE_TRIES || job_stopped(job))
            return -1;
        job_note(job, "%s: looking again", error->text);
        job_free_tables(job);
        options->kind->disconnect(&job->connection);
        if (options->kind->connect(job->database, &job->connection, error))
            return -1;
    }
}

/* The keeper is forked before there is any connection. */
static int job_find_keeper(struct job *job, struct error *error)
{
    if (job->options->resume != RESUME_NOT && job_resume(job, error))
        return -1;
    if (job->keeper || job->options->snapshot.not_consistent)
        return 0;
    return keeper_start(&job->keeper, job->options, error);
}

/* One that goes on with an import has its id from the log. */
static int job_make_id(struct job *job, struct error *error)
{
    uint64_t number;

    if (getrandom(&number, sizeof number, 0) != sizeof number)
        return error_set_errno(error, ERROR_FATAL, "random number");
    snprintf(job->id, sizeof job->id, "%016llx", (unsigned long long)number);
    return 0;
}

int job_open(struct job **ret_job, const struct job_options *options, bool only_plan, struct error *error)
{
    __attribute__((cleanup(job_close))) struct job *job = calloc(1, sizeof(*job));

    if (!job)
        return error_set(error, ERROR_RETRY, "import: out of memory");
    assert(options->plan.workers >= 1 && options->plan.workers <= JOB_WORKERS_MAX);
    job->options = options;
    job->target = options->topic ? &target_topic : &target_files;
    pthread_mutex_init(&job->lock, NULL);
    pthread_cond_init(&job->changed, NULL);
    job_pace_open(job);
    job->began = clock_monotonic(options->clock);
    job->began_wall = clock_wall(options->clock);
    if (job_make_id(job, error) || (!only_plan && job_find_keeper(job, error)) || job_login(job, error) ||
        job_prepare(job, only_plan, error))
        return -1;
    if (!only_plan)
        options->kind->disconnect(&job->connection);
    *ret_job = job;
    job = NULL;
    return 0;
}

void job_close(struct job **job)
{
    if (!*job)
        return;
    const struct database_kind *kind = (*job)->options->kind;
    const bool kept = job_is_kept(*job);
    if ((*job)->attempt)
        attempt_keep((*job)->attempt, kept);
    attempt_close(&(*job)->attempt);
    if (kept)
        keeper_leave(&(*job)->keeper);
    else
        keeper_end(&(*job)->keeper);
    job_state_close(&(*job)->state);
    job_merge_close(&(*job)->merge);
    job_free_tables(*job);
    free((*job)->workers);
    if ((*job)->connection)
        kind->disconnect(&(*job)->connection);
    job_pace_close(*job);
    if ((*job)->database)
        kind->close(&(*job)->database);
    pthread_cond_destroy(&(*job)->changed);
    pthread_mutex_destroy(&(*job)->lock);
    free(*job);
    *job = NULL;
}
