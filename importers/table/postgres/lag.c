/* lag: see lag.h
 *
 * A standby that has replayed all it has received is not behind, however long ago the last transaction was; one that receives nothing does not know; one
 * that has replayed no transaction since it was started is behind since then. On a primary the
 * view's columns are NULL for those who may not see them, and the lag is NULL where nothing was written lately.
 */
#include "table/postgres/lag.h"

#include <stdlib.h>

static const char lag_sql[] =
    "SELECT (1000000 * CASE "
    "WHEN NOT pg_catalog.pg_is_in_recovery() THEN "
    "(SELECT pg_catalog.max(extract(epoch FROM replay_lag)) FROM pg_catalog.pg_stat_replication) "
    "WHEN pg_catalog.pg_last_wal_receive_lsn() > pg_catalog.pg_last_wal_replay_lsn() THEN "
    "extract(epoch FROM pg_catalog.clock_timestamp() - "
    "coalesce(pg_catalog.pg_last_xact_replay_timestamp(), pg_catalog.pg_postmaster_start_time())) "
    "END)::pg_catalog.int8, "
    "NOT pg_catalog.pg_is_in_recovery() AND EXISTS (SELECT FROM pg_catalog.pg_stat_replication WHERE state IS NULL)";

int pg_lag(struct database_connection *connection, struct database_lag *ret_lag, struct error *error)
{
    cleanup_result PGresult *found = NULL;

    connection->trouble = DATABASE_FINE;
    if (pg_query(pg_connection_of(connection), "looking how far standbys are behind", lag_sql, 0, NULL,
            PG_ROW(2), &found, error))
        return -1;
    const char *behind = pg_value(found, 0, 0);
    *ret_lag = (struct database_lag){
        .behind = behind ? strtoll(behind, NULL, 10) : 0, .hidden = *PQgetvalue(found, 0, 1) == 't'};
    return 0;
}
