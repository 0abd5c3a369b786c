/* query: a SELECT as a table, and conditions, both in the operator's own SQL; see describe.h
 *
 * Both are put into parentheses later. So each is parsed by the server alone and within them: what closes a parenthesis that it has not opened, or
 * is more than one statement, fails one of the two. Nothing is executed, and transactions are read only.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "table/postgres/describe.h"

#define QUERY_TEXT ((size_t)16 << 20)

const char *pg_query_text(struct pg_list *list, const char *query, struct error *error)
{
    size_t length = strlen(query);

    while (length > 0 && (isspace((unsigned char)query[length - 1]) || query[length - 1] == ';'))
        length--;
    char *text = arena_take(&list->arena, length + 1, 1, error);
    return text ? memcpy(text, query, length) : NULL;
}

static int query_parse(struct pg_connection *connection, const char *what, const char *sql,
    PGresult **ret_result, struct error *error)
{
    const char *values[] = {connection->search_path};
    cleanup_result PGresult *ignored = NULL, *prepared = NULL;

    if (pg_query(connection, what, "SELECT pg_catalog.set_config('search_path', $1, true)", 1, values,
            PG_ROW(1), &ignored, error))
        return -1;
    if (!PQsendPrepare(connection->libpq, "", sql, 0, NULL))
        return pg_fail(connection, what, NULL, error);
    if (pg_await_all(connection, what, &prepared, error))
        return -1;
    if (!PQsendDescribePrepared(connection->libpq, ""))
        return pg_fail(connection, what, NULL, error);
    return pg_await_all(connection, what, ret_result, error);
}

int pg_prepare(struct pg_connection *connection, const char *what, const char *sql, PGresult **ret_result,
    struct error *error)
{
    struct error later;

    if (pg_run(connection, what, "BEGIN READ ONLY", error))
        return -1;
    const int result = query_parse(connection, what, sql, ret_result, error);
    if (result && error->kind == ERROR_FATAL)
        error->kind = ERROR_REJECT;
    return pg_run(connection, what, "ROLLBACK", result ? &later : error) ? -1 : result;
}

static int query_set_columns(struct pg_connection *connection, struct pg_list *list, struct table *table,
    const PGresult *facts, struct error *error)
{
    const int count = PQnfields(facts);

    if (pg_table_columns(list, table, (size_t)count, error))
        return -1;
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < i; j++)
            if (strcmp(PQfname(facts, i), PQfname(facts, j)) == 0)
                return error_set(error, ERROR_REJECT, "the query: two columns are called %s; name them by AS",
                    PQfname(facts, i));
        if (pg_table_set_column(connection, list, table, (size_t)i, PQfname(facts, i), PQftype(facts, i),
                PQfmod(facts, i), error))
            return -1;
    }
    return 0;
}

static struct table *query_table(struct pg_list *list, const char *query, struct error *error)
{
    struct table *table = arena_take(&list->arena, 1, sizeof *table, error);
    struct table_detail *detail = table ? arena_take(&list->arena, 1, sizeof *detail, error) : NULL;

    list->list.tables = detail ? arena_take(&list->arena, 1, sizeof *list->list.tables, error) : NULL;
    if (!list->list.tables)
        return NULL;
    *table = (struct table){.schema = "",
        .name = "",
        .title = "the query",
        .kind = TABLE_QUERY,
        .detail = detail,
        .where = list->selection->where};
    table->parts = arena_take(&list->arena, 1, sizeof *table->parts, error);
    detail->parts = table->parts ? arena_take(&list->arena, 1, sizeof *detail->parts, error) : NULL;
    detail->lockable = detail->parts ? arena_take(&list->arena, 1, sizeof *detail->lockable, error) : NULL;
    if (!detail->lockable)
        return NULL;
    table->parts[0] = (struct table_part){.schema = "", .name = "", .rows = -1};
    table->parts_count = 1;
    detail->query = query;
    detail->types = list->selection->types;
    list->list.tables[0] = table;
    list->list.count = 1;
    return table;
}

int pg_find_query(struct pg_connection *connection, struct pg_list *list, struct error *error)
{
    cleanup_bytes struct bytes wrapped;
    cleanup_result PGresult *alone = NULL, *facts = NULL;
    const char *query = pg_query_text(list, list->selection->query, error);
    struct table *table = query ? query_table(list, query, error) : NULL;

    if (!table)
        return -1;
    if (list->selection->columns_count)
        return error_set(error, ERROR_REJECT, "the query: columns are named by the query itself");
    bytes_init(&wrapped, QUERY_TEXT);
    if (bytes_print(&wrapped, error, "SELECT * FROM (\n%s\n) AS penstock", query) ||
        bytes_add(&wrapped, "", 1, error))
        return error_wrap(error, "the query");
    if (pg_prepare(connection, "the query", query, &alone, error) ||
        pg_prepare(connection, "the query", wrapped.data, &facts, error))
        return -1;
    const size_t size = wrapped.length + 2;
    char *from = arena_take(&list->arena, size, 1, error);
    if (!from)
        return -1;
    snprintf(from, size, "(\n%s\n) AS penstock", query);
    table->detail->parts[0] = from;
    return query_set_columns(connection, list, table, facts, error);
}

static int where_check(struct pg_connection *connection, const struct table *table, struct error *error)
{
    for (int wrapped = 0; wrapped < 2; wrapped++) {
        cleanup_bytes struct bytes sql;
        cleanup_result PGresult *ignored = NULL;
        bytes_init(&sql, QUERY_TEXT);
        if (bytes_print(&sql, error, "SELECT FROM %s WHERE %s\n%s\n%s", table->detail->parts[0],
                wrapped ? "(" : "", table->where, wrapped ? ")" : "") ||
            bytes_add(&sql, "", 1, error))
            return error_wrap(error, "the condition");
        if (pg_prepare(connection, "the condition", sql.data, &ignored, error))
            return -1;
    }
    return 0;
}

int pg_check_where(struct pg_connection *connection, struct pg_list *list, struct error *error)
{
    for (size_t i = 0; i < list->list.count; i++) {
        const struct table *table = list->list.tables[i];
        if (table->where && table->parts_count && where_check(connection, table, error))
            return error_wrap(error, "table %s", table->title);
    }
    return 0;
}
