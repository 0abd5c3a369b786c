/* job_state: what of an import is done, in the log of its attempt (attempt.h), so that another one can go on with it; room-internal.
 *
 * Lines of JSON. The first says what is imported: version, options, server, per table its fingerprint, the storage of its parts, and all splits, so that whoever goes on
 * uses the same ones with the same names. Then one per snapshot, with its keeper, and one per split that is done, in the snapshot of the last such line before it.
 * A split's line is written when its file and the file's name are durable; that of a transaction before it is committed, with the number of its connection, and does not
 * count until another one says that it was. What does not parse is the end: a line that was torn by a crash, whose split is read again.
 * Numbers of 64 bits without a sign are hexadecimal text.
 */
#ifndef PENSTOCK_TABLE_JOB_STATE_H
#define PENSTOCK_TABLE_JOB_STATE_H

#include <jansson.h>

#include "table/job_internal.h"

#define STATE_VERSION 1

struct job_state {
    struct attempt *attempt;
    json_t *begun; /* the first line; NULL: there is none */
    json_t *splits; /* lines of splits, each with its snapshot's number added */
    json_t *prepared; /* by split: lines of those that may be committed */
    struct snapshot snapshots[JOB_SNAPSHOTS_MAX];
    size_t snapshots_count;
    char keeper[KEEPER_NAME_MAX]; /* of the last snapshot; "": none */
    size_t length; /* of the log, without what does not parse */
    pthread_mutex_t lock; /* the log: one writes at a time */
};

/* Reads the log of an attempt, which may be empty and must outlive it. */
int job_state_open(struct job_state **ret_state, struct attempt *attempt, struct error *error);
void job_state_close(struct job_state **state);
/* A line that was prepared counts. False: there is none, or no memory. */
bool job_state_commit(struct job_state *state, unsigned split);
/* Can an import go on with it? */
static inline bool job_state_is_whole(const struct job_state *state)
{
    return state->begun && state->snapshots_count > 0;
}
/* ERROR_REJECT: it is of another import. */
int job_state_check(const struct job_state *state, const struct job_options *options, struct error *error);
/* The same for the server, once it is known. */
int job_state_check_server(const struct job_state *state, const struct job *job, struct error *error);

/* What it reads of its table. ERROR_REJECT: the log does not say. */
int job_state_increment(const struct job_state *state, struct increment *ret_increment, struct error *error);

/* What was in the target of a merge: job_merge.h. */
uint64_t job_state_base(const struct job_state *state);

/* The tables, splits and results of a job whose tables are described. ERROR_REJECT: tables are not what they were. */
int job_state_restore(struct job *job, struct error *error);

/* The first lines of an import that begins. */
int job_state_begin(struct job *job, struct error *error);
/* An import that goes on: forgets a torn line; a line for its snapshot when it is a new one. */
int job_state_go_on(struct job *job, struct error *error);
/* A split is done. @thread any */
int job_state_add(
    struct job *job, const struct job_table *table, const struct split *split, struct error *error);
/* It will be, when the transaction of the connection of this number is committed; then job_state_add() says that it was. @thread any */
int job_state_prepare(struct job *job, const struct job_table *table, const struct split *split,
    unsigned connection, struct error *error);
/* Is its line one that was prepared on this connection, and no more? */
bool job_state_is_prepared(const struct job_state *state, unsigned split, unsigned connection);
/* It was committed. */
int job_state_settle(struct job_state *state, unsigned split, struct error *error);

/* The options that make an import this one. NULL: no memory, or a text that is not UTF-8. */
json_t *job_state_options(const struct job_options *options);
/* Text of the database's, which may be of no known encoding. NULL is null. */
json_t *job_state_text(const char *text);

#endif
