/* target: where the rows of a split go, as a worker sees it; room-internal. One row of functions per kind.
 *
 * A worker has one for itself and gives it one split at a time: begin(), add() for each batch, finish() when all rows are there, and end() whatever became of them.
 * A split that was not finished may begin again. @thread the worker's
 */
#ifndef PENSTOCK_TABLE_TARGET_H
#define PENSTOCK_TABLE_TARGET_H

#include "table/job_internal.h"

struct target {
    /* May the job's tables go there? They are described, nothing is taken yet. ERROR_REJECT. @thread main */
    int (*check)(const struct job *job, struct error *error);
    /* What an interrupted import has left undecided (its log is read, its options are checked) is decided, and the log says so. NULL: nothing ever is.
     * No thread is left behind. @thread main */
    int (*settle)(struct job *job, struct error *error);
    /* What another import, whose log this is and whose rows nobody wants, has left open there is ended, if that can be done soon. NULL: nothing is. @thread main */
    void (*drop)(struct job *job, const struct job_state *state);
    /* number: the worker's. ERROR_RETRY: no memory. */
    int (*open)(void **ret_state, struct job *job, unsigned number, struct error *error);
    /* After a failure nothing is begun. */
    int (*begin)(void *state, struct job_table *table, const struct split *split, struct error *error);
    /* ERROR_RETRY, as in finish(): the split may be read and added again. */
    int (*add)(void *state, const struct column_batch *batch, struct error *error);
    /* The rows are to stay: when it returns, nothing takes them away any more. result has the rows already; it gets what there is to say of where they went. */
    int (*finish)(void *state, struct job_result *result, struct error *error);
    /* What was not finished is given up. */
    void (*end)(void *state);
    void (*close)(void *state); /* behind end() */
};

/* A file of the attempt for each split. One without rows has none, unless it is the first of its table, which says what the columns are, and there are none yet. */
extern const struct target target_files;

/* Records of the topic that the options name, sent by a producer of the worker's own: what it holds is bounded by queue.buffering.max.kbytes; while that is full, or the
 * brokers are away, nothing more is read. Finished means confirmed by the brokers. What was sent of a split that was not finished stays in the topic, but with
 * `transactional` nobody who reads committed records sees it: transaction.h. */
extern const struct target target_topic;

#define TARGET_KEY_MAX 32 /* of PostgreSQL's: INDEX_MAX_KEYS */
/* Which columns of the table make the key, and how many. A primary key of which not all columns are read is none. */
size_t target_topic_key(
    const struct job_topic *topic, const struct table *table, size_t key[static TARGET_KEY_MAX]);

#endif
