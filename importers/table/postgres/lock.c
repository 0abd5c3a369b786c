/* lock: see lock.h */
#include "table/postgres/lock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define LOCK_TEXT ((size_t)20 << 20) /* a query may be long */

/* Everything that is read is locked from then on; if not, an endless wait behind DDL that waits for us would be one that the server cannot see. */
#define LOCK_DEFAULT "10000"

/* What there is to lock: a table's own name (its partitions follow), and its parts, which may be more than those that follow. */
struct lock_walk {
    const struct table_list *list;
    size_t table, item;
};

/* The next thing to lock, and whether LOCK TABLE takes it; NULL: no more. */
static const char *lock_next(struct lock_walk *walk, bool *ret_lockable, const struct table **ret_table)
{
    while (walk->table < walk->list->count) {
        const struct table *table = walk->list->tables[walk->table];
        const size_t item = walk->item++;
        *ret_table = table;
        if (item == 0 && table->detail->relation) {
            *ret_lockable = table->detail->relation_lockable;
            return table->detail->relation;
        }
        /* The only part of others is the table itself. */
        if (item > 0 && item <= table->parts_count &&
            (table->kind == TABLE_PARTITIONED || table->kind == TABLE_QUERY)) {
            *ret_lockable = table->detail->lockable[item - 1];
            return table->detail->parts[item - 1];
        }
        if (item > 0) {
            walk->table++;
            walk->item = 0;
        }
    }
    return NULL;
}

static int lock_print_wait(struct bytes *sql, unsigned wait, struct error *error)
{
    /* A look at a table knows no NOWAIT: the least time is what comes nearest. */
    return bytes_print(sql, error, "SET LOCAL lock_timeout = %u; ", wait ? wait : 1);
}

/* "LOCK TABLE a, b IN ACCESS SHARE MODE NOWAIT" of the next ones that it takes. Returns how many, or -1. */
static int lock_print_batch(struct lock_walk *walk, unsigned wait, struct bytes *sql, struct error *error)
{
    const struct table *table;
    const char *name;
    bool lockable;
    int count = 0;

    bytes_clear(sql);
    if (lock_print_wait(sql, wait, error))
        return -1;
    while (count < PG_LOCK_BATCH && (name = lock_next(walk, &lockable, &table)))
        if (lockable && bytes_print(sql, error, "%s%s", count++ ? ", " : "LOCK TABLE ", name))
            return -1;
    if (count && bytes_print(sql, error, " IN ACCESS SHARE MODE%s", wait ? "" : " NOWAIT"))
        return -1;
    return bytes_add(sql, "", 1, error) ? -1 : count;
}

static int lock_tables(
    struct pg_connection *connection, const struct table_list *list, unsigned wait, struct error *error)
{
    struct lock_walk walk = {.list = list};
    cleanup_bytes struct bytes sql;
    int count;

    bytes_init(&sql, LOCK_TEXT);
    while ((count = lock_print_batch(&walk, wait, &sql, error)) > 0)
        if (pg_run(connection, "locking the tables (ACCESS SHARE)", sql.data, error))
            return -1;
    return count;
}

/* A query is looked at as it is written, in the user's own search_path. */
static int lock_set_path(struct pg_connection *connection, struct error *error)
{
    cleanup_result PGresult *ignored = NULL;
    const char *values[] = {connection->search_path};

    return pg_query(connection, "locking the tables", "SELECT pg_catalog.set_config('search_path', $1, true)",
        1, values, PG_ROW(1), &ignored, error);
}

static int lock_look(struct pg_connection *connection, const struct table *table, const char *name,
    unsigned wait, struct error *error)
{
    cleanup_bytes struct bytes sql;

    bytes_init(&sql, LOCK_TEXT);
    if ((table->kind == TABLE_QUERY && lock_set_path(connection, error)) ||
        lock_print_wait(&sql, wait, error) || bytes_print(&sql, error, "SELECT FROM %s WHERE false", name) ||
        bytes_add(&sql, "", 1, error))
        return -1;
    return pg_run(connection, "locking the tables (ACCESS SHARE)", sql.data, error);
}

int pg_lock_all(
    struct pg_connection *connection, const struct table_list *list, unsigned wait, struct error *error)
{
    struct lock_walk walk = {.list = list};
    const struct table *table;
    const char *name;
    bool lockable;

    if (lock_tables(connection, list, wait, error))
        return -1;
    while ((name = lock_next(&walk, &lockable, &table)))
        if (!lockable && lock_look(connection, table, name, wait, error))
            return error_wrap(error, "table %s", table->title);
    return pg_run(connection, "locking the tables", "SET LOCAL lock_timeout = " LOCK_DEFAULT, error);
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

void pg_lock_holder(struct pg_connection *connection, uint32_t oid, char *text, size_t size)
{
    static const char who[] =
        "SELECT l.pid, pg_catalog.left(a.query, 80), coalesce(a.usename, '') FROM pg_catalog.pg_locks l "
        "LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid "
        "WHERE l.locktype = 'relation' AND l.relation = $1::pg_catalog.oid AND l.mode = 'AccessExclusiveLock' "
        "ORDER BY l.granted DESC LIMIT 1";
    cleanup_result PGresult *found = NULL;
    struct error ignored;
    char number[16];

    snprintf(number, sizeof number, "%u", oid);
    *text = '\0';
    if (pg_query(connection, "who holds the lock", who, 1, (const char *const[]){number}, PG_ROWS(3), &found,
            &ignored) == 0 &&
        PQntuples(found) > 0)
        snprintf(text, size, " by pid %s (%s: %s)", PQgetvalue(found, 0, 0), PQgetvalue(found, 0, 2),
            PQgetvalue(found, 0, 1));
}

static int64_t lock_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static int lock_await_one(struct pg_connection *connection, const struct table *table, const char *name,
    bool lockable, unsigned wait, struct error *error)
{
    cleanup_bytes struct bytes sql;
    struct error ignored;
    char holder[200];

    bytes_init(&sql, LOCK_TEXT);
    if (lock_print_wait(&sql, wait, error) ||
        bytes_print(&sql, error, "LOCK TABLE %s IN ACCESS SHARE MODE", name) ||
        bytes_add(&sql, "", 1, error) || pg_run(connection, "waiting for a lock", "BEGIN READ ONLY", error))
        return -1;
    const int result = lockable ? pg_run(connection, "waiting for a lock", sql.data, error)
                                : lock_look(connection, table, name, wait, error);
    if (pg_run(connection, "waiting for a lock", "ROLLBACK", result ? &ignored : error))
        return -1;
    if (result == 0 || connection->database.trouble != DATABASE_BUSY)
        return result;
    pg_lock_holder(connection, table->detail->oid, holder, sizeof holder);
    connection->database.trouble = DATABASE_BUSY;
    return error_set(error, ERROR_RETRY,
        "%s: table %s is locked%s, and was not free within %u ms: wait for that to end, or allow a longer wait",
        connection->database.where, table->title, holder, wait);
}

int pg_lock_await(
    struct pg_connection *connection, const struct table_list *list, unsigned wait, struct error *error)
{
    const int64_t deadline = lock_now() + wait;
    struct lock_walk walk = {.list = list};
    const struct table *table;
    const char *name;
    bool lockable;

    while ((name = lock_next(&walk, &lockable, &table))) {
        const int64_t left = deadline - lock_now();
        if (lock_await_one(connection, table, name, lockable, left > 0 ? (unsigned)left : 1, error))
            return -1;
    }
    return 0;
}
