/* transaction: a split as one transaction of Kafka's, so that readers of committed records see each row once, also when the import is killed and another one goes on;
 * room-internal.
 *
 * Each connection has a producer with transactions of its own, under an id that the import has for it ("penstock-import-IMPORT-CONNECTION"). A split is done in three steps:
 *
 *   1. its line goes into the log, prepared (job_state.h), when all its records are confirmed;
 *   2. the transaction is committed, and with it, in the brokers' hands, the split's number under the connection's id;
 *   3. a second line says so.
 *
 * The connection begins no other split before that. So what an import that was killed between 1 and 3 has left is decided by one question: once nothing is open under the
 * id any more, is the number that was committed last the split's? If it is, the second line is written; if not, nobody will ever see those records, and the split is
 * read again. A split is never sent again before that is known.
 */
#ifndef PENSTOCK_TABLE_TRANSACTION_H
#define PENSTOCK_TABLE_TRANSACTION_H

#include "table/job_internal.h"

/* A producer under the connection's id, behind whatever was under way there. ERROR_REJECT, as in commit(): brokers do not allow it. */
int transaction_open(
    struct job *job, unsigned connection, struct kafka_producer **ret_producer, struct error *error);

/* Steps 1 and 2; step 3 is job_state_add()'s. When it is not clear whether step 2 came through, *producer is another one afterwards, or, after a failure, may be NULL.
 * After a failure the split's result says with `prepared` whether it is undecided still. */
int transaction_commit(struct job *job, const struct job_table *table, const struct split *split,
    unsigned connection, struct kafka_producer **producer, struct error *error);

/* struct target's. */
int transaction_settle(struct job *job, struct error *error);
void transaction_drop(struct job *job, const struct job_state *state);

#endif
