/* lock: ACCESS SHARE on everything that is read, all at once or not at all; room-internal. See snapshot.h for why.
 */
#ifndef PENSTOCK_TABLE_POSTGRES_LOCK_H
#define PENSTOCK_TABLE_POSTGRES_LOCK_H

#include "table/postgres/describe.h"

#define PG_LOCK_BATCH 200 /* tables in a statement */

/* Within a transaction. `wait` milliseconds per statement; 0: not at all. What LOCK TABLE does not take (views,
 * materialized views, foreign tables, a query's tables) is locked by a look at it that reads nothing. DATABASE_BUSY: a lock was not to be had. */
int pg_lock_all(
    struct pg_connection *connection, const struct table_list *list, unsigned wait, struct error *error);

/* Outside of a transaction: waits until each of them could be locked, one after the other, holding none meanwhile. The error says who is in the way. */
int pg_lock_await(
    struct pg_connection *connection, const struct table_list *list, unsigned wait, struct error *error);

/* Whoever is in the way of ACCESS SHARE on a table: " by pid 123 (user: ALTER TABLE ...)"; "" when nobody is. */
void pg_lock_holder(struct pg_connection *connection, uint32_t oid, char *text, size_t size);

#endif
