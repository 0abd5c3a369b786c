/* snapshot: see snapshot.h */
#include "table/postgres/snapshot.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table/postgres/lock.h"

#define SNAPSHOT_WHAT "taking the snapshot"

/* ---- comparing ------------------------------------------------------------------------------------------------- */

static int compare_refuse(
    const struct table *then, const char *what, enum database_trouble *ret_trouble, struct error *error)
{
    *ret_trouble = DATABASE_CHANGED;
    return error_set(error, ERROR_RETRY, "table %s: %s while the import was being prepared; begin again",
        then->title, what);
}

int pg_snapshot_compare(const struct table *then, const struct table *now, enum database_trouble *ret_trouble,
    struct error *error)
{
    if (then->fingerprint != now->fingerprint)
        return compare_refuse(then, "its columns or partitions were changed", ret_trouble, error);
    for (size_t i = 0; i < then->parts_count; i++)
        if (then->parts[i].storage != now->parts[i].storage)
            return compare_refuse(then,
                "it was truncated or rewritten (TRUNCATE, VACUUM FULL, CLUSTER, ALTER TABLE, REFRESH)",
                ret_trouble, error);
    return 0;
}

static int quote_name(const char *name, struct bytes *text, struct error *error)
{
    if (bytes_add(text, "\"", 1, error))
        return -1;
    for (; *name; name++)
        if (bytes_add(text, *name == '"' ? "\"\"" : name, *name == '"' ? 2 : 1, error))
            return -1;
    return bytes_add(text, "\"", 1, error);
}

/* The table again, as the catalogue has it now. */
static int describe_again(struct pg_connection *connection, const struct table *table,
    struct table_list **ret_list, struct error *error)
{
    cleanup_bytes struct bytes name;
    const char **columns = calloc(table->columns_count + 1, sizeof *columns);

    bytes_init(&name, 4096);
    if (!columns)
        return error_set(error, ERROR_RETRY, SNAPSHOT_WHAT ": out of memory");
    for (size_t i = 0; i < table->columns_count; i++)
        columns[i] = table->columns[i].name;
    int result = quote_name(table->schema, &name, error) || bytes_add(&name, ".", 1, error) ||
                 quote_name(table->name, &name, error) || bytes_add(&name, "", 1, error);
    if (result == 0) {
        const struct table_selection selection = {.names = (const char *const *)&name.data,
            .names_count = 1,
            .types = table->detail->types,
            .columns = columns,
            .columns_count = table->columns_count};
        result = pg_describe(&connection->database, &selection, ret_list, error);
    }
    free(columns);
    return result ? -1 : 0;
}

static int compare_all(struct pg_connection *connection, const struct table_list *list, struct error *error)
{
    for (size_t i = 0; i < list->count; i++) {
        __attribute__((cleanup(pg_list_free))) struct table_list *now = NULL;
        const struct table *table = list->tables[i];
        if (table->kind == TABLE_QUERY)
            continue;
        if (describe_again(connection, table, &now, error)) {
            if (error->kind != ERROR_REJECT)
                return -1;
            connection->database.trouble = DATABASE_CHANGED;
            error->kind = ERROR_RETRY;
            return error_wrap(error, "changed while the import was being prepared");
        }
        if (pg_snapshot_compare(table, now->tables[0], &connection->database.trouble, error))
            return -1;
    }
    return 0;
}

/* ---- the keeper -------------------------------------------------------------------------------------------------- */

/* READ COMMITTED: each statement sees what is there now, so the look under the locks sees the truth, and the snapshot that is exported at the end is
 * younger than every lock. It lives until the transaction ends all the same. */
static int hold_begin(struct pg_connection *connection, const struct table_list *list, struct error *error)
{
    if (pg_run(connection, SNAPSHOT_WHAT, "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY", error))
        return -1;
    return pg_session_check(connection, error) || pg_lock_all(connection, list, 0, error) ? -1 : 0;
}

/* A table, or its schema, that was there when it was described, and is not any more. */
static bool hold_misses(const struct pg_connection *connection)
{
    return strcmp(connection->state, "42P01") == 0 || strcmp(connection->state, "3F000") == 0;
}

/* All locks at once, or none: while one is waited for, none is held. */
static int hold_lock(
    struct pg_connection *connection, const struct table_list *list, unsigned wait, struct error *error)
{
    struct error ignored;

    for (int try = 0;; try++) {
        if (hold_begin(connection, list, error) == 0)
            return 0;
        const bool misses = hold_misses(connection);
        const enum database_trouble trouble = misses ? DATABASE_CHANGED : connection->database.trouble;
        if (misses) {
            error->kind = ERROR_RETRY;
            error_wrap(error, "dropped or renamed while the import was being prepared; begin again");
        }
        if (trouble == DATABASE_LOST || trouble == DATABASE_STOPPED ||
            pg_run(connection, SNAPSHOT_WHAT, "ROLLBACK", &ignored))
            return -1;
        connection->database.trouble = trouble;
        if (trouble != DATABASE_BUSY || try == PG_SNAPSHOT_TRIES)
            return -1;
        if (pg_lock_await(connection, list, wait, error))
            return -1;
    }
}

/* A standby has no position of its own making: what it has replayed counts. */
static int hold_export(struct pg_connection *connection, struct snapshot *ret_snapshot, struct error *error)
{
    static const char export[] =
        "SELECT pg_catalog.pg_export_snapshot(), "
        "CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() ELSE pg_catalog.pg_current_wal_lsn() END, "
        "(extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::pg_catalog.int8";
    cleanup_result PGresult *found = NULL;

    if (pg_query(connection, SNAPSHOT_WHAT, export, 0, NULL, PG_ROW(3), &found, error))
        return -1;
    snprintf(ret_snapshot->id, sizeof ret_snapshot->id, "%s", PQgetvalue(found, 0, 0));
    snprintf(ret_snapshot->position, sizeof ret_snapshot->position, "%s", PQgetvalue(found, 0, 1));
    ret_snapshot->taken = strtoll(PQgetvalue(found, 0, 2), NULL, 10);
    return 0;
}

int pg_snapshot_hold(struct database_connection *connection, const struct table_list *list,
    const struct snapshot_options *options, struct snapshot *ret_snapshot, struct error *error)
{
    struct pg_connection *own = pg_connection_of(connection);
    struct snapshot snapshot = {.id = ""};
    struct error ignored;

    connection->trouble = DATABASE_FINE;
    if (options->not_consistent) {
        *ret_snapshot = snapshot;
        return 0;
    }
    if (hold_lock(own, list, options->lock_wait, error))
        return -1;
    if (compare_all(own, list, error) || hold_export(own, &snapshot, error)) {
        const enum database_trouble trouble = connection->trouble;
        if (trouble != DATABASE_LOST && trouble != DATABASE_STOPPED)
            pg_run(own, SNAPSHOT_WHAT, "ROLLBACK", &ignored);
        connection->trouble = trouble;
        return -1;
    }
    *ret_snapshot = snapshot;
    return 0;
}

int pg_snapshot_check(struct database_connection *connection, struct error *error)
{
    struct pg_connection *own = pg_connection_of(connection);

    connection->trouble = DATABASE_FINE;
    if (pg_run(own, "looking after the snapshot", "SELECT", error))
        return -1;
    if (PQtransactionStatus(own->libpq) == PQTRANS_INTRANS)
        return 0;
    connection->trouble = DATABASE_GONE;
    return error_set(error, ERROR_RETRY, "%s: the snapshot's transaction has ended", connection->where);
}

/* ---- the workers ------------------------------------------------------------------------------------------------- */

static bool snapshot_is_id(const char *id)
{
    for (const char *at = id; *at; at++)
        if (!isxdigit((unsigned char)*at) && *at != '-')
            return false;
    return *id != '\0';
}

static int adopt_snapshot(
    struct pg_connection *connection, const struct snapshot *snapshot, struct error *error)
{
    char sql[SNAPSHOT_ID_MAX + 64];

    if (!snapshot_is_id(snapshot->id))
        return error_set(error, ERROR_REJECT, "a snapshot's name that is none");
    snprintf(sql, sizeof sql, "SET TRANSACTION SNAPSHOT '%s'", snapshot->id);
    if (pg_run(connection, "adopting the snapshot", sql, error) == 0)
        return 0;
    /* Whatever is wrong with it: nobody can adopt it any more. */
    if (connection->database.trouble == DATABASE_REFUSED) {
        connection->database.trouble = DATABASE_GONE;
        error->kind = ERROR_FATAL;
        return error_wrap(error, "the snapshot is gone: its keeper has ended, or this is another server");
    }
    return -1;
}

int pg_snapshot_adopt(struct database_connection *connection, const struct table_list *list,
    const struct snapshot *snapshot, const struct snapshot_options *options, struct error *error)
{
    struct pg_connection *own = pg_connection_of(connection);
    const bool alone = options->not_consistent && *snapshot->id == '\0';
    const char *values[] = {own->search_path};
    cleanup_result PGresult *ignored = NULL;

    connection->trouble = DATABASE_FINE;
    if (alone)
        return pg_query(own, "setting up the session",
            "SELECT pg_catalog.set_config('search_path', $1, false)", 1, values, PG_ROW(1), &ignored, error);
    if (pg_run(own, "adopting the snapshot", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", error) ||
        adopt_snapshot(own, snapshot, error) || pg_session_check(own, error))
        return -1;
    if (pg_lock_all(own, list, options->lock_wait, error)) {
        if (connection->trouble == DATABASE_BUSY)
            return error_wrap(
                error, "a worker got no lock in time: somebody's DDL waits for this import to end");
        return -1;
    }
    return pg_query(own, "setting up the session", "SELECT pg_catalog.set_config('search_path', $1, true)", 1,
        values, PG_ROW(1), &ignored, error);
}
