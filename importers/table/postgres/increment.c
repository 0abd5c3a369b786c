/* increment: see increment.h */
#include "table/postgres/increment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "table/postgres/lock.h"
#include "table/postgres/split.h"

#define INCREMENT_WHAT "looking for the bound of the increment"
#define INCREMENT_TEXT ((size_t)20 << 20)
#define INCREMENT_POLL_FIRST 5 /* milliseconds between looks at those who write ... */
#define INCREMENT_POLL_MOST 250
/* A transaction takes its time of beginning shortly before others can see it: milliseconds between the clock and the look at who has begun. */
#define INCREMENT_SETTLE 100
#define INCREMENT_NOTICE 10 /* seconds that the bound may be behind without a word */

struct bounding {
    struct pg_connection *connection;
    const struct table *table;
    const struct increment_options *options;
    struct pg_key key;
    struct increment *made;
    char clock[64]; /* the server's, when the bound was begun */
    const char *from; /* what stands behind FROM: all rows */
};

static int64_t bounding_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* ---- the column -------------------------------------------------------------------------------------------------- */

static int bounding_check(struct bounding *at, struct error *error)
{
    const struct table *table = at->table;
    const enum increment_mode mode = at->options->mode;
    const struct pg_key_type *type = at->key.type;
    const bool number = type && (type->distance == PG_WHOLE || strcmp(type->name, "pg_catalog.numeric") == 0);

    at->made->timed = type && type->distance != PG_NO_DISTANCE && !number;
    if (!number && !at->made->timed)
        return error_set(error, ERROR_REJECT,
            "table %s: column %s tells nobody which rows are new, as of its type; allowed: whole numbers, numeric, dates, timestamps",
            table->title, at->key.name);
    if (mode == INCREMENT_LASTMODIFIED && number)
        return error_set(error, ERROR_REJECT,
            "table %s: lastmodified needs a column of dates or timestamps, and %s has numbers: use append",
            table->title, at->key.name);
    snprintf(at->made->column, sizeof at->made->column, "%s", at->key.name);
    snprintf(at->made->type, sizeof at->made->type, "%s", type->name);
    return 0;
}

static int bounding_find(struct bounding *at, struct error *error)
{
    bool found = false;

    if (at->table->parts_count == 0)
        return error_set(error, ERROR_REJECT, "table %s: it has no partitions, so there is nothing to read",
            at->table->title);
    if (pg_key_find(at->connection, at->table, 0, at->options->column, &at->key, &found, error))
        return -1;
    return found ? bounding_check(at, error)
                 : error_set(error, ERROR_REJECT, "table %s: it has no column %s to be checked",
                       at->table->title, at->options->column);
}

/* Ids that connections take in advance come late, whoever is waited for. */
static int bounding_check_sequence(struct bounding *at, struct error *error)
{
    static const char sql[] = "SELECT q.seqcache FROM pg_catalog.pg_sequence q WHERE q.seqcache > 1 AND "
                              "q.seqrelid = pg_catalog.pg_get_serial_sequence($1, $2)::pg_catalog.regclass";
    const char *values[] = {at->table->detail->relation, at->key.name};
    cleanup_result PGresult *found = NULL;

    if (at->made->timed || at->options->lag || !at->table->detail->relation)
        return 0;
    if (pg_query(at->connection, INCREMENT_WHAT, sql, 2, values, PG_ROWS(1), &found, error))
        return -1;
    return PQntuples(found) == 0
               ? 0
               : error_set(error, ERROR_REJECT,
                     "table %s: each connection takes %s values of %s from its sequence in advance, so rows come long after later ones: "
                     "say with --incremental-lag how many values that may be",
                     at->table->title, PQgetvalue(found, 0, 0), at->key.name);
}

/* ---- the values -------------------------------------------------------------------------------------------------- */

static int bounding_query(struct bounding *at, struct bytes *sql, int count, const char *const *values,
    int fields, PGresult **ret_found, struct error *error)
{
    return bytes_add(sql, "", 1, error) || pg_query(at->connection, INCREMENT_WHAT, sql->data, count, values,
                                               PG_ROW(fields), ret_found, error)
               ? -1
               : 0;
}

static int bounding_take(
    struct bounding *at, const char *value, char text[static INCREMENT_VALUE_MAX], struct error *error)
{
    if (value && strlen(value) >= INCREMENT_VALUE_MAX)
        return error_set(error, ERROR_REJECT, "table %s: a value of column %s has more than %d digits",
            at->table->title, at->key.name, INCREMENT_VALUE_MAX - 1);
    snprintf(text, INCREMENT_VALUE_MAX, "%s", value ? value : "");
    return 0;
}

/* The last value as the type has it, the greatest one or the clock, and the rows that have none. */
static int bounding_look(struct bounding *at, struct error *error)
{
    cleanup_bytes struct bytes sql;
    cleanup_result PGresult *found = NULL;
    const char *type = at->key.type->name;
    char nulls[24];

    bytes_init(&sql, INCREMENT_TEXT);
    if (bytes_print(&sql, error,
            "SELECT $1::%s::pg_catalog.text, pg_catalog.clock_timestamp()::pg_catalog.text, ", type) ||
        (at->made->timed
                ? bytes_add_text(&sql, "NULL", error)
                : bytes_print(&sql, error,
                      "(greatest($1::%s, (SELECT pg_catalog.max(%s) FROM %s) OPERATOR(pg_catalog.-) '%u'::pg_catalog.numeric))::pg_catalog.text",
                      type, at->key.quoted, at->from, at->options->lag)) ||
        (at->key.nulls ? bytes_print(&sql, error, ", (SELECT pg_catalog.count(*) FROM %s WHERE %s IS NULL)",
                             at->from, at->key.quoted)
                       : bytes_add_text(&sql, ", 0", error)) ||
        bounding_query(at, &sql, 1, &at->options->last, 4, &found, error))
        return -1;
    snprintf(at->clock, sizeof at->clock, "%s", PQgetvalue(found, 0, 1));
    snprintf(nulls, sizeof nulls, "%s", PQgetvalue(found, 0, 3));
    at->made->nulls = strtoull(nulls, NULL, 10);
    if (bounding_take(at, pg_value(found, 0, 0), at->made->low, error) ||
        bounding_take(at, pg_value(found, 0, 2), at->made->high, error))
        return -1;
    /* Nothing comes behind them: no row would be read any more. */
    if (strcmp(at->made->high, "NaN") == 0 || strcmp(at->made->high, "Infinity") == 0)
        return error_set(error, ERROR_REJECT,
            "table %s: column %s has %s in it, behind which no number comes", at->table->title, at->key.name,
            at->made->high);
    return 0;
}

/* ---- those who write --------------------------------------------------------------------------------------------- */

/* What this transaction has locked is what will be read. */
#define WRITES_TO                                                                                                    \
    "l.locktype = 'relation' AND l.granted AND l.mode IN "                                                           \
    "('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock') AND "                     \
    "l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()) AND " \
    "l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()"

/* Those who write now; of times also those whose beginning this user may not see, so that they are waited for instead. */
static const char writers_sql[] =
    "WITH read AS (SELECT m.relation FROM pg_catalog.pg_locks m WHERE m.pid = pg_catalog.pg_backend_pid() AND "
    "m.locktype = 'relation' AND m.relation >= 16384) "
    "SELECT (SELECT pg_catalog.array_agg(DISTINCT w.virtualtransaction) FROM ("
    "SELECT l.virtualtransaction FROM pg_catalog.pg_locks l WHERE " WRITES_TO
    " AND l.relation IN (SELECT relation FROM read) "
    "UNION ALL SELECT v.virtualtransaction FROM pg_catalog.pg_locks v JOIN pg_catalog.pg_stat_activity a ON a.pid = v.pid "
    "WHERE $1 AND v.locktype = 'virtualxid' AND v.granted AND a.xact_start IS NULL AND a.usesysid IS NOT NULL AND "
    "a.datname = pg_catalog.current_database() AND a.pid <> pg_catalog.pg_backend_pid()) w), "
    "(SELECT pg_catalog.array_agg(relation) FROM read), "
    "EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relkind = 'f' AND c.oid IN (SELECT relation FROM read))";

/* A transaction that is prepared for two-phase commit goes on under another name: so prepared ones are waited for, too. */
static const char remain_sql[] =
    "SELECT l.pid, coalesce(a.usename, ''), coalesce(pg_catalog.left(a.query, 80), '') FROM pg_catalog.pg_locks l "
    "LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid "
    "WHERE l.virtualtransaction = ANY ($1::pg_catalog.text[]) OR "
    "(l.pid IS NULL AND l.relation = ANY ($2::pg_catalog.oid[]) AND " WRITES_TO ") ORDER BY l.pid LIMIT 1";

static int writers_timeout(struct bounding *at, const PGresult *found, unsigned wait, struct error *error)
{
    const char *pid = pg_value(found, 0, 0);

    at->connection->database.trouble = DATABASE_BUSY;
    if (!pid)
        return error_set(error, ERROR_RETRY,
            "table %s: a prepared transaction that writes to it was not over within %u ms: end it (pg_prepared_xacts), or allow a longer --lock-wait",
            at->table->title, wait);
    return error_set(error, ERROR_RETRY,
        "table %s: a transaction that writes to it was not over within %u ms (pid %s, %s: %s): wait for that to end, or allow a longer --lock-wait",
        at->table->title, wait, pid, PQgetvalue(found, 0, 1), PQgetvalue(found, 0, 2));
}

static int writers_await(struct bounding *at, const PGresult *writers, unsigned wait, struct error *error)
{
    const char *none = pg_value(writers, 0, 0);
    const char *values[] = {none ? none : "{}", pg_value(writers, 0, 1)};
    const int64_t began = bounding_now();
    int pause = INCREMENT_POLL_FIRST;

    for (;;) {
        cleanup_result PGresult *found = NULL;
        if (pg_query(at->connection, "waiting for those who write", remain_sql, 2, values, PG_ROWS(3), &found,
                error))
            return -1;
        const int64_t waited = bounding_now() - began;
        if (PQntuples(found) == 0 && (!at->made->timed || waited >= INCREMENT_SETTLE))
            return 0;
        if (PQntuples(found) > 0 && waited >= wait)
            return writers_timeout(at, found, wait, error);
        if (pg_wait_socket(at->connection, 0, pause) < 0)
            return pg_fail_stopped(at->connection, "waiting for those who write", error);
        pause = 2 * pause < INCREMENT_POLL_MOST ? 2 * pause : INCREMENT_POLL_MOST;
    }
}

/* The clock in the zone of the server: that is what columns without a zone have, as far as one can know. And a query's names as it finds them. */
static int bounding_set_session(struct bounding *at, struct error *error)
{
    static const char sql[] =
        "SELECT pg_catalog.set_config('TimeZone', s.reset_val, true), pg_catalog.set_config('search_path', $1, true) "
        "FROM pg_catalog.pg_settings s WHERE s.name = 'TimeZone'";
    const char *path[] = {at->table->kind == TABLE_QUERY ? at->connection->search_path : ""};
    cleanup_result PGresult *ignored = NULL;

    return pg_query(at->connection, INCREMENT_WHAT, sql, 1, path, PG_ROW(2), &ignored, error);
}

/* In one transaction: what is read is locked, the bound is taken, and then those are looked for who write. None of the locks is held while they are waited for. */
static int bounding_begin(struct bounding *at, unsigned wait, PGresult **ret_writers, struct error *error)
{
    const struct table *tables[] = {at->table};
    const struct table_list list = {.tables = (struct table **)(uintptr_t)tables, .count = 1};
    const char *timed[] = {at->made->timed ? "true" : "false"};

    if (pg_run(at->connection, INCREMENT_WHAT, "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY", error) ||
        pg_session_check(at->connection, error) || pg_lock_all(at->connection, &list, wait, error) ||
        bounding_set_session(at, error) || bounding_look(at, error) ||
        pg_query(at->connection, INCREMENT_WHAT, writers_sql, 1, timed, PG_ROW(3), ret_writers, error))
        return -1;
    if (*PQgetvalue(*ret_writers, 0, 2) == 't' && !at->options->lag)
        return error_set(error, ERROR_REJECT,
            "table %s: it has rows of another server, whose transactions nobody sees here: give --incremental-lag",
            at->table->title);
    return 0;
}

/* Times: whoever is still open may yet write the time of its own beginning. */
static int bounding_set_clock(struct bounding *at, struct error *error)
{
    const char *type = at->key.type->name;
    cleanup_bytes struct bytes sql;
    cleanup_result PGresult *found = NULL;
    const char *values[] = {at->clock, *at->made->low ? at->made->low : NULL};

    bytes_init(&sql, INCREMENT_TEXT);
    if (bytes_print(&sql, error,
            "WITH open AS (SELECT least($1::pg_catalog.timestamptz, pg_catalog.min(a.xact_start)) AS since "
            "FROM pg_catalog.pg_stat_activity a WHERE a.datname = pg_catalog.current_database() AND a.usesysid IS NOT NULL AND "
            "a.pid <> pg_catalog.pg_backend_pid()) "
            "SELECT (greatest($2::%s, (since - pg_catalog.make_interval(secs => %u))::%s))::pg_catalog.text, "
            "$1::pg_catalog.timestamptz - since > pg_catalog.make_interval(secs => %d), since::pg_catalog.text FROM open",
            type, at->options->lag, type, INCREMENT_NOTICE) ||
        bounding_query(at, &sql, 2, values, 3, &found, error))
        return -1;
    if (*PQgetvalue(found, 0, 1) == 't')
        snprintf(at->made->note, sizeof at->made->note,
            "a transaction has been open since %.64s: what is newer is left to the next import",
            PQgetvalue(found, 0, 2));
    return bounding_take(at, PQgetvalue(found, 0, 0), at->made->high, error);
}

static int bounding_end(struct bounding *at, const char *how, struct error *error)
{
    return pg_run(at->connection, INCREMENT_WHAT, how, error);
}

static int bounding_finish(struct bounding *at, struct error *error)
{
    if (!at->made->timed)
        return 0;
    if (bounding_end(at, "BEGIN READ ONLY", error) || pg_session_check(at->connection, error) ||
        bounding_set_session(at, error) || bounding_set_clock(at, error))
        return -1;
    return bounding_end(at, "COMMIT", error);
}

static int bounding_work(struct bounding *at, unsigned wait, struct error *error)
{
    cleanup_result PGresult *writers = NULL;

    if (at->connection->database.standby && !at->options->lag)
        return error_set(error, ERROR_REJECT,
            "%s: on a standby nobody sees who writes at the moment: import from the primary, or give --incremental-lag",
            at->connection->database.where);
    if (bounding_find(at, error) || bounding_check_sequence(at, error) ||
        bounding_begin(at, wait, &writers, error) || bounding_end(at, "COMMIT", error) ||
        writers_await(at, writers, wait, error) || bounding_finish(at, error))
        return -1;
    if (at->made->nulls && !*at->made->note)
        snprintf(at->made->note, sizeof at->made->note,
            "%llu rows have no value in the column and are not read", (unsigned long long)at->made->nulls);
    return 0;
}

int pg_increment_bound(struct database_connection *connection, const struct table *table,
    const struct increment_options *options, unsigned wait, struct increment *ret_increment,
    struct error *error)
{
    struct increment made = {.timed = false};
    struct bounding at = {.connection = pg_connection_of(connection),
        .table = table,
        .options = options,
        .made = &made,
        .from = table->detail->relation};
    struct error ignored;

    connection->trouble = DATABASE_FINE;
    if (!at.from && table->parts_count)
        at.from = table->detail->parts[0];
    const int result = bounding_work(&at, wait, error);
    if (result) {
        const enum database_trouble trouble = connection->trouble;
        if (PQtransactionStatus(at.connection->libpq) == PQTRANS_INTRANS ||
            PQtransactionStatus(at.connection->libpq) == PQTRANS_INERROR)
            pg_run(at.connection, INCREMENT_WHAT, "ROLLBACK", &ignored);
        connection->trouble = trouble;
    }
    pg_key_free(&at.key);
    if (result)
        return -1;
    *ret_increment = made;
    return 0;
}

/* ---- the condition ----------------------------------------------------------------------------------------------- */

static int narrow_print(struct pg_connection *connection, const struct table *table,
    const struct increment *increment, struct bytes *text, struct error *error)
{
    cleanup_pg_text char *column =
        PQescapeIdentifier(connection->libpq, increment->column, strlen(increment->column));
    cleanup_pg_text char *low = PQescapeLiteral(connection->libpq, increment->low, strlen(increment->low));
    cleanup_pg_text char *high = PQescapeLiteral(connection->libpq, increment->high, strlen(increment->high));

    if (!column || !low || !high)
        return error_set(
            error, ERROR_REJECT, "table %s: a check column or value that is not UTF-8", table->title);
    if (table->where && bytes_print(text, error, "(\n%s\n) AND ", table->where))
        return -1;
    if (!*increment->high)
        return bytes_add(text, "false", sizeof "false", error);
    if (*increment->low && bytes_print(text, error, "%s OPERATOR(pg_catalog.%s) %s::%s AND ", column,
                               increment->timed ? ">=" : ">", low, increment->type))
        return -1;
    return bytes_print(text, error, "%s OPERATOR(pg_catalog.%s) %s::%s", column,
               increment->timed ? "<" : "<=", high, increment->type) ||
                   bytes_add(text, "", 1, error)
               ? -1
               : 0;
}

int pg_increment_narrow(struct database_connection *connection, struct table_list *list,
    const struct increment *increment, struct error *error)
{
    struct table *table = list->tables[0];
    cleanup_bytes struct bytes text;

    bytes_init(&text, INCREMENT_TEXT);
    if (narrow_print(pg_connection_of(connection), table, increment, &text, error))
        return -1;
    table->where = arena_text(&((struct pg_list *)list)->arena, text.data, error);
    table->narrowed = true;
    return table->where ? 0 : -1;
}
