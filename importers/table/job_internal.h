/* job_internal: what the files of a job share. */
#ifndef PENSTOCK_TABLE_JOB_INTERNAL_H
#define PENSTOCK_TABLE_JOB_INTERNAL_H

#include <pthread.h>
#include <stdlib.h>

#include "table/attempt.h"
#include "table/job.h"
#include "table/keeper.h"
#include "table/pace.h"

#define JOB_FILE_NAME_MAX 64

#define JOB_SNAPSHOTS_MAX 16 /* of an import that has gone on in new ones */

#define JOB_ID_MAX 24

/* Where the records of a split lie in a partition, those of others between them. */
struct job_range {
    int32_t partition;
    int64_t first, last; /* offsets; negative: not known */
    uint64_t records;
};

/* A split that is done. */
struct job_result {
    bool done; /* its rows are where they belong (target.h), and its line is in the log */
    bool kept; /* by an earlier import */
    bool prepared; /* its line is in the log, and its transaction may be committed (transaction.h) */
    unsigned snapshot; /* of job->snapshots */
    uint64_t rows, bytes; /* bytes: as they came */
    uint64_t checksum; /* checksum.h: of the rows as they came */
    bool file; /* false: none, because there are no rows */
    uint64_t file_bytes; /* of a topic's records: keys and values */
    uint32_t file_crc32c;
    struct job_range *ranges; /* owned; of a topic, sorted by partition */
    size_t ranges_count;
    bool key_known;
    int64_t key_least, key_greatest;
    struct read_column *columns; /* owned */
    unsigned tries;
};

struct job_table {
    const struct table *table;
    struct plan *plan; /* owned */
    struct job_result *results; /* owned, one per split */
    struct table_file_options file;
    atomic_bool *plain; /* owned; file.plain */
    enum job_names names;
    unsigned first; /* the number of its first file: behind those that the target has */
    char directory[ATTEMPT_NAME_MAX + 1]; /* in the attempt; "" when there is one table only */
    atomic_size_t begun, done;
    atomic_uint_fast64_t rows, bytes, again;
    uint64_t rows_kept;
};

struct job_worker {
    struct job *job;
    pthread_t thread;
    bool running;
    bool ended; /* @holds job.lock */
    void *target; /* job->target's, of this worker */
    struct database_connection *connection; /* @holds job.lock to set it: stop() looks at it */
};

/* How kind it is to the database. */
struct job_pace {
    struct pace pace;
    atomic_bool paused; /* a standby is too far behind: no worker goes on */
    struct database_connection *connection; /* that looks at standbys; NULL: not now */
    int64_t next_look, next_ask, next_age; /* monotonic */
    int64_t paused_at, resumed_at; /* monotonic */
    bool complained; /* about not seeing the standbys */
};

struct target;

struct job {
    const struct job_options *options;
    const struct target *target; /* where rows go: target.h */
    struct database *database;
    struct database_connection *connection; /* describes and plans; NULL afterwards */
    struct database_connection server; /* what it said of the server: version, system, where, standby */
    struct table_list *list;
    struct keeper *keeper; /* NULL: none is wanted, or it is lost */
    struct snapshot snapshot; /* the one that is read */
    struct snapshot snapshots
        [JOB_SNAPSHOTS_MAX]; /* all of the import, the one that is read as the last; more than one: it is not consistent */
    size_t snapshots_count;
    bool resumed; /* the attempt is another import's */
    bool mixed; /* ... which goes on in a new snapshot */
    char id[JOB_ID_MAX]; /* the import's own, whoever goes on with it */
    struct increment increment; /* of an incremental import: what is read */
    struct job_merge *merge; /* job_merge.h; NULL: rows are only added */
    struct job_state *state; /* job_state.c */
    struct job_table *tables;
    size_t tables_count; /* the list's, once there are any */
    struct job_progress *progress;
    struct attempt *attempt;
    struct job_pace pace;
    int64_t began, ended, began_wall;

    struct job_worker *workers;
    size_t workers_count;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed; /* somebody has adopted the snapshot, failed, or ended */
    size_t to_adopt; /* workers that have not tried to adopt the snapshot yet */
    size_t readers; /* workers that have */
    size_t next_table, next_split; /* the first split that nobody has taken */
    bool failed;
    struct error error; /* the first one */
    char note[2 * ERROR_TEXT_SIZE];
};

static inline void job_result_free(struct job_result *result)
{
    free(result->columns);
    free(result->ranges);
}

/* ---- job_worker.c ------------------------------------------------------------------------------------------------- */

void *job_worker_run(void *worker);

/* ---- job.c ---------------------------------------------------------------------------------------------------------- */

/* @thread any */
void job_note(struct job *job, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool job_stopped(const struct job *job);
/* Stopped, or somebody has failed. @thread any, without job.lock */
bool job_is_over(struct job *job);
/* Keeps the first error, and ends the others. @thread any, without job.lock */
void job_fail(struct job *job, const struct error *error);
/* For a quarter of a second at most; signals do not wake it. @holds job.lock */
void job_wait_change(struct job *job);
/* "part-00042.parquet" */
void job_file_name(
    const struct job_table *table, const struct split *split, char name[static JOB_FILE_NAME_MAX]);

/* ---- job_pace.c ---------------------------------------------------------------------------------------------------- */

void job_pace_open(struct job *job);
void job_pace_close(struct job *job);
/* What a reader of rows is told: smaller batches at a low rate. */
struct read_options job_pace_read(const struct job *job);
/* So many bytes have come: waits as long as no more may. @thread a worker's */
void job_pace_take(struct job *job, uint64_t bytes);
/* Looks at the standbys and at the snapshot's age; several times a second. @thread main */
void job_pace_look(struct job *job);

/* ---- job_open.c ---------------------------------------------------------------------------------------------------- */

/* Room for so many tables of the list. */
int job_make_tables(struct job *job, size_t count, struct error *error);
/* What the files of a table are. */
struct table_file_options job_table_file(const struct job *job, const struct table *table);
/* What it is called: its directory, and what the files say. */
int job_name_table(const struct job *job, struct job_table *table, struct error *error);
/* ERROR_REJECT: an increment that the target has already began with the same value. */
int job_check_repeated(const struct job *job, struct error *error);

/* ---- job_resume.c --------------------------------------------------------------------------------------------------- */

/* Finds what an earlier import has left, and its keeper; with neither, the import begins. ERROR_REJECT: it cannot go on. */
int job_resume(struct job *job, struct error *error);
/* Whether job_close() leaves what is done. */
bool job_is_kept(const struct job *job);
/* Deletes what others have left that are not there any more. */
void job_drop_others(struct job *job);

/* ---- job_ship.c ------------------------------------------------------------------------------------------------------ */

/* Whether all files are written and stay as they are: an earlier import may have begun to put them. */
bool job_is_ready(const struct job *job);
/* Puts them; then the attempt is of no use any more. */
int job_ship(struct job *job, const char *manifest, struct error *error);

/* ---- job_hive.c ------------------------------------------------------------------------------------------------------ */

/* ERROR_REJECT: Hive cannot have these tables, or not so. Without `hive` all is well. */
int job_hive_check(const struct job *job, struct error *error);
int job_hive_explain(
    const struct job *job, const struct job_table *table, struct bytes *text, struct error *error);
/* The scripts, into the attempt; of a job whose splits are all done. */
int job_hive_write(struct job *job, struct error *error);

/* ---- manifest.c ------------------------------------------------------------------------------------------------------- */

/* manifest.json; of a job whose splits are all done. */
int job_manifest(const struct job *job, struct bytes *text, struct error *error);
/* What a column is in the files, as members of the manifest's; NULL: no memory. */
struct json_t *job_manifest_type(const struct column_field *field);
/* What its files of delimited text look like; NULL: they are none, or no memory. */
struct json_t *job_manifest_text(const struct job *job);

#endif
