/* job: one import, from the log-in to the directory that appears.
 *
 * A process of its own holds the snapshot (keeper.h). The caller's thread waits and tells how far it is; plan.workers threads read splits over connections of their
 * own, each split into one file. A split whose connection is lost is read again from its beginning, in the same snapshot: its file is replaced. Nothing is seen of the
 * files before all of them are durable (attempt.h); then the directory appears with manifest.json, and `_SUCCESS` per table.
 *
 * What is done is in the attempt's log (job_state.h). An import that failed, was stopped or was killed after it had finished a split is left there, and so is its
 * keeper for a time: another one with the same options and `resume` goes on with it. @thread main
 */
#ifndef PENSTOCK_TABLE_JOB_H
#define PENSTOCK_TABLE_JOB_H

#include <stdatomic.h>

#include "base/clock.h"
#include "kafka/kafka.h"
#include "lake/format/table_file.h"
#include "table/attempt.h"
#include "table/database.h"
#include "table/shipment.h"

#define JOB_WORKERS_MAX 64
#define JOB_SPLIT_TRIES 5 /* a split is begun so often before the import gives up */
#define JOB_KEEP_SNAPSHOT 900 /* seconds */

enum job_resume {
    RESUME_NOT, /* what another import left is deleted */
    RESUME_SAME, /* in the same snapshot; without it: an error */
    RESUME_RESTART, /* without it: from the beginning */
    RESUME_MIXED, /* without it: what is finished is kept, the rest is read in a new snapshot */
};

/* What the files are called. */
enum job_names {
    JOB_NAMES_PLAIN, /* part-00000.csv.gz, manifest.json */
    JOB_NAMES_SQOOP, /* part-m-00000.gz, where text has no extension of its own; _manifest.json, which Hive and Spark do not take for data */
    JOB_NAMES_WAREHOUSE, /* the same, and every table, if it is the only one, too, has a directory that is called as it is */
};

/* How far a table is. */
struct job_progress {
    const char *title;
    double rows_estimated; /* negative: unknown */
    uint64_t rows, bytes; /* as they came from the database */
    uint64_t again; /* splits that were begun again */
    uint64_t rows_kept; /* of `rows`, those that an earlier import had read */
    size_t splits, splits_begun, splits_done;
};

/* What the value of a topic's record is. */
enum job_value {
    JOB_VALUE_JSON, /* the row as a JSON object */
    JOB_VALUE_ENVELOPE, /* that in the envelope (record/record.h); created_at: when it was sent */
    JOB_VALUE_AVRO, /* the row as a datum of Avro, with nothing around it: the manifest has the schema */
};

/* A topic that gets a record for each row, instead of a file for each split: a value, a key, and the header `penstock-import`: IMPORT/SPLIT/ROW, the import's
 * id, the split's number and the row's number in it, from 1. A split that is read again is sent again as a whole. */
struct job_topic {
    const struct kafka_client *client;
    const char *name;
    const char *const *key; /* columns that make the key */
    size_t key_count; /* 0: the primary key's; without one records have no key */
    enum job_value value;
    bool transactional; /* each split is a transaction */
};

/* What Hive is told about the tables: the statements that create them and take their files over lie beside the files (table/hive.h, lake/ddl.h). */
struct job_hive {
    const char *database; /* NULL: the one that is in use */
    const char *table; /* NULL: each is called as it is */
    const char *partition_key, *partition_value; /* NULL: none */
    const char *location; /* of an external table; NULL: Hive's own */
    const char *const *types; /* Hive's words for columns: "COLUMN=TYPE" */
    size_t types_count;
    bool overwrite, must_be_new;
    const char *directory; /* the target, from the root on: as Hive finds it; NULL: nothing is loaded */
};

struct job_options {
    const struct database_kind *kind;
    struct database_login login;
    struct table_selection selection;
    struct snapshot_options snapshot;
    struct increment_options increment; /* of the only table */
    const char *const *
        merge_key; /* columns: rows of this key in the target are replaced (job_merge.h); not of JSON lines; with ATTEMPT_REPLACE */
    size_t merge_key_count; /* 0: none are */
    struct plan_options plan; /* workers: 1 to JOB_WORKERS_MAX */
    struct read_options read;
    struct table_file_options file; /* its name and metadata are the job's */
    uint64_t max_rate; /* bytes a second from the database, over all workers; 0: as they come */
    unsigned
        max_lag; /* seconds that a standby may be behind: nobody reads while it is more; 0: not looked at */
    unsigned max_snapshot_age; /* seconds: the import ends when its snapshot gets older; 0: never */
    const struct job_topic *
        topic; /* of one table; NULL: rows go into files. file: TABLE_JSON_LINES, or with JOB_VALUE_AVRO TABLE_AVRO */
    const struct job_hive *hive; /* NULL: Hive is not told */
    struct shipment *
        shipment; /* the files go to a store elsewhere (shipment.h): target is its place; NULL: they stay here */
    const char *target; /* a topic's import has its manifest there */
    enum attempt_how how; /* with a directory that is there, once all is read; ATTEMPT_APPEND: of one table */
    enum job_names names;
    enum job_resume resume;
    unsigned keep_snapshot; /* seconds that it is held for an import that may go on; 0: not at all */
    char *title; /* the memory of this process's command line, for the keeper to write over; size 0: none */
    size_t title_size;
    const char *tool; /* for the manifest: the command line, without secrets */
    const struct clock *clock;
    const atomic_bool *stop; /* set by a signal handler: ends soon, and nothing appears */
    /* Called four times a second while rows come, and at the end. */
    void (*tell)(void *context, const struct job_progress *tables, size_t count, int64_t elapsed);
    /* A sentence for people: a choice that was made for them, a worker that was lost. @thread any, one at a time */
    void (*note)(void *context, const char *text);
    void *context;
};

struct job;

/* Logs in, finds the tables, cuts them into splits, and, unless only a plan is wanted, takes the snapshot; or takes all of that from an import that was interrupted.
 * Unless only a plan is wanted it forks: before the caller's first thread. Options must outlive the job. Errors are the database's; ERROR_REJECT, too: what is
 * there to go on with is another import's. */
int job_open(struct job **ret_job, const struct job_options *options, bool only_plan, struct error *error);
void job_close(struct job **job);

/* What would be done, for people: tables, columns and what they become, splits, statements. */
int job_explain(struct job *job, struct bytes *text, struct error *error);

/* The CREATE TABLE of each table; of a job with `hive`. */
int job_hive_print(struct job *job, struct bytes *text, struct error *error);

/* Reads, writes, publishes. ERROR_RETRY: stopped, or the database is not there; it may be tried again. */
int job_run(struct job *job, struct error *error);

/* What job_close() leaves of one that has failed. */
struct job_left {
    bool kept; /* it can go on; else nothing is left */
    size_t splits, splits_done;
    bool held; /* its snapshot is, for so long: */
    unsigned seconds;
};
struct job_left job_left(struct job *job);

/* Of a job that has run. */
struct job_summary {
    uint64_t tables, files, rows, bytes_read, bytes_written;
    uint64_t rows_kept, splits_kept; /* of them, what an earlier import had done */
    uint64_t nulled, rounded, bounds; /* values that an option changed */
    int64_t elapsed;
    const char *topic; /* NULL: there are files */
    const struct increment *increment; /* the job's; NULL: all was read */
    bool merged; /* with so many rows of the target, which stay, in so many of the files: */
    uint64_t merged_rows;
};
struct job_summary job_summary(const struct job *job);

#endif
