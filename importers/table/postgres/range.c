/* range: rows whose key is between two values that a query says; see describe.h
 *
 * The query becomes part of the condition. So it asks the snapshot itself, whoever reads, and an import that goes on reads the same rows.
 */
#include <stdio.h>

#include "table/postgres/describe.h"
#include "table/postgres/split.h"

#define RANGE_WHAT "the query of bounds"
#define RANGE_TEXT ((size_t)20 << 20)

static const char range_primary[] =
    "SELECT a.attname FROM pg_catalog.pg_index i "
    "JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] "
    "WHERE i.indrelid = $1::pg_catalog.oid AND i.indisprimary";

/* The column that is named, or the first one of the primary key. */
static int range_find_key(struct pg_connection *connection, const struct table *table, const char *name,
    struct pg_key *key, struct error *error)
{
    cleanup_result PGresult *primary = NULL;
    char oid[16];
    bool found = false;

    snprintf(oid, sizeof oid, "%u", table->detail->oid);
    if (!name && pg_query(connection, RANGE_WHAT, range_primary, 1, (const char *const[]){oid}, PG_ROWS(1),
                     &primary, error))
        return -1;
    if (!name && PQntuples(primary) == 0)
        return error_set(error, ERROR_REJECT,
            "table %s: it has no primary key; say with --split-by which column the bounds are of",
            table->title);
    name = name ? name : PQgetvalue(primary, 0, 0);
    if (pg_key_find(connection, table, 0, name, key, &found, error))
        return -1;
    if (!found || !key->type)
        return error_set(error, ERROR_REJECT,
            "table %s: column %s %s; allowed: numbers, dates, timestamps, time, text, uuid", table->title,
            name, found ? "cannot have bounds, as of its type" : "is not there");
    return 0;
}

/* Two columns, and nothing that would leave the parentheses. */
static int range_check(struct pg_connection *connection, const char *query, struct error *error)
{
    cleanup_result PGresult *facts = NULL;

    if (pg_prepare(connection, RANGE_WHAT, query, &facts, error))
        return -1;
    return PQnfields(facts) == 2
               ? 0
               : error_set(error, ERROR_REJECT,
                     RANGE_WHAT ": it has to select two values, the least and the greatest, and selects %d",
                     PQnfields(facts));
}

/* A bound of whole numbers need not fit into the column's type. */
static int range_print(const struct table *table, const struct pg_key *key, const char *query,
    struct bytes *text, struct error *error)
{
    static const char *const sides[][2] = {{">=", "least"}, {"<=", "greatest"}};
    const char *type = key->type->distance == PG_WHOLE ? "pg_catalog.int8" : key->type->name;

    if (table->where && bytes_print(text, error, "(\n%s\n) AND ", table->where))
        return -1;
    for (int side = 0; side < 2; side++)
        if (bytes_print(text, error,
                "%s%s OPERATOR(pg_catalog.%s) (SELECT b.%s::%s FROM (\n%s\n) AS b(least, greatest))",
                side ? " AND " : "", key->quoted, sides[side][0], sides[side][1], type, query))
            return -1;
    return bytes_add(text, "", 1, error);
}

int pg_find_range(struct pg_connection *connection, struct pg_list *list, struct error *error)
{
    const struct table_selection *selection = list->selection;
    struct table *table = list->list.count ? list->list.tables[0] : NULL;
    cleanup_bytes struct bytes text;
    struct pg_key key = {0};

    if (!selection->bounds || !table || table->parts_count == 0)
        return 0;
    if (list->list.count > 1)
        return error_set(
            error, ERROR_REJECT, RANGE_WHAT ": one table at a time, and %zu are selected", list->list.count);
    const char *query = pg_query_text(list, selection->bounds, error);
    bytes_init(&text, RANGE_TEXT);
    int result = !query || range_check(connection, query, error) ||
                 range_find_key(connection, table, selection->bounds_column, &key, error) ||
                 range_print(table, &key, query, &text, error);
    pg_key_free(&key);
    if (result)
        return -1;
    table->where = arena_text(&list->arena, text.data, error);
    return table->where ? pg_check_where(connection, list, error) : -1;
}
