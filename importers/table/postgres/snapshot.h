/* snapshot: one moment of all tables, seen by every connection; room-internal.
 *
 * The keeper holds ACCESS SHARE locks on everything that is read, and a snapshot that it has exported. Without the locks a TRUNCATE before a worker's
 * first read makes the worker read nothing, and no error; VACUUM FULL and ALTER TABLE move rows to other places. Locks are taken before the snapshot, and while
 * it waits for one of them the keeper holds none: so it is never part of a deadlock, and nobody waits for it but behind what it waits for itself. Workers
 * take their locks at the start, and hold one transaction for all their splits: behind DDL that waits for the keeper no further lock is granted, and the server
 * sees no deadlock in that.
 */
#ifndef PENSTOCK_TABLE_POSTGRES_SNAPSHOT_H
#define PENSTOCK_TABLE_POSTGRES_SNAPSHOT_H

#include "table/postgres/describe.h"

#define PG_SNAPSHOT_TRIES 8 /* to have all locks at once */

int pg_snapshot_hold(struct database_connection *connection, const struct table_list *list,
    const struct snapshot_options *options, struct snapshot *ret_snapshot, struct error *error);
int pg_snapshot_check(struct database_connection *connection, struct error *error);
int pg_snapshot_adopt(struct database_connection *connection, const struct table_list *list,
    const struct snapshot *snapshot, const struct snapshot_options *options, struct error *error);

/* Is `now` still what was described? ERROR_RETRY with DATABASE_CHANGED in trouble: what changed, and what to do. Pure. */
int pg_snapshot_compare(const struct table *then, const struct table *now, enum database_trouble *ret_trouble,
    struct error *error);

#endif
