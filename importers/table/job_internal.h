/* job_internal: what the files of a job share. */
#ifndef PENSTOCK_TABLE_JOB_INTERNAL_H
#define PENSTOCK_TABLE_JOB_INTERNAL_H

#include <pthread.h>

#include "table/attempt.h"
#include "table/job.h"

#define JOB_FILE_NAME_MAX 64

/* A split that is done. */
struct job_result {
    uint64_t rows, bytes; /* bytes: as they came */
    uint64_t checksum; /* checksum.h: of the rows as they came */
    bool file; /* false: none, because there are no rows */
    uint64_t file_bytes;
    uint32_t file_crc32c;
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
    char directory[ATTEMPT_NAME_MAX + 1]; /* in the attempt; "" when there is one table only */
    atomic_size_t begun, done;
    atomic_uint_fast64_t rows, bytes, again;
};

struct job_worker {
    struct job *job;
    pthread_t thread;
    bool running;
    bool ended; /* @holds job.lock */
    struct database_connection *connection; /* @holds job.lock to set it: stop() looks at it */
};

struct job {
    const struct job_options *options;
    struct database *database;
    struct database_connection *keeper;
    struct table_list *list;
    struct snapshot snapshot;
    struct job_table *tables;
    struct job_progress *progress;
    struct attempt *attempt;
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

/* ---- job_worker.c ------------------------------------------------------------------------------------------------- */

void *job_worker_run(void *worker);

/* ---- job.c ---------------------------------------------------------------------------------------------------------- */

/* @thread any */
void job_note(struct job *job, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool job_stopped(const struct job *job);
/* For a quarter of a second at most; signals do not wake it. @holds job.lock */
void job_wait_change(struct job *job);
/* "part-00042.parquet" */
void job_file_name(
    const struct job_table *table, const struct split *split, char name[static JOB_FILE_NAME_MAX]);

/* ---- manifest.c ------------------------------------------------------------------------------------------------------- */

/* manifest.json; of a job whose splits are all done. */
int job_manifest(const struct job *job, struct bytes *text, struct error *error);

#endif
