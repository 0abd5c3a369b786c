/* target: where the rows of a split go, as a worker sees it; room-internal. One row of functions per kind.
 *
 * A worker has one for itself and gives it one split at a time: begin(), add() for each batch, finish() when all rows are there, and end() whatever became of them.
 * A split that was not finished may begin again. @thread the worker's
 */
#ifndef PENSTOCK_TABLE_TARGET_H
#define PENSTOCK_TABLE_TARGET_H

#include "table/job_internal.h"

struct target {
    int (*open)(void **ret_state, struct job *job, struct error *error);
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

#endif
