/* split: the statement that reads a split; see split.h */
#include "table/postgres/split.h"

#include <inttypes.h>
#include <string.h>

#define SPLIT_TEXT ((size_t)20 << 20)

/* ---- text -------------------------------------------------------------------------------------------------------- */

static int split_print_columns(const struct table *table, struct bytes *sql, struct error *error)
{
    for (size_t i = 0; i < table->columns_count; i++) {
        const struct pg_mapping *mapping = &table->detail->mappings[i];
        if (bytes_print(sql, error, "%s%s%s%s", i ? ", " : "", mapping->before, table->detail->columns[i],
                mapping->after))
            return -1;
    }
    return 0;
}

static int split_print_condition(const struct split *split, const char *column, const char *low,
    const char *high, struct bytes *sql, struct error *error)
{
    switch (split->method) {
    case SPLIT_WHOLE:
        return 0;
    case SPLIT_PAGES:
        if (bytes_print(sql, error, "ctid >= '(%" PRIu64 ",0)'::pg_catalog.tid", split->first))
            return -1;
        return split->end == UINT64_MAX
                   ? 0
                   : bytes_print(sql, error, " AND ctid < '(%" PRIu64 ",0)'::pg_catalog.tid", split->end);
    case SPLIT_NULLS:
        return bytes_print(sql, error, "%s IS NULL", column);
    case SPLIT_RANGE:
        break;
    }
    /* The operators by their schema: those of the user's search_path may be anybody's. */
    if (low && bytes_print(sql, error, "%s OPERATOR(pg_catalog.>=) %s", column, low))
        return -1;
    if (high && bytes_print(sql, error, "%s%s OPERATOR(pg_catalog.<) %s", low ? " AND " : "", column, high))
        return -1;
    return low || high ? 0 : bytes_print(sql, error, "%s IS NOT NULL", column);
}

int pg_split_print(const struct table *table, const struct split *split, const char *column, const char *low,
    const char *high, struct bytes *sql, struct error *error)
{
    if (bytes_add_text(sql, "COPY (SELECT ", error) || split_print_columns(table, sql, error) ||
        bytes_print(
            sql, error, "%sFROM %s", table->columns_count ? " " : "", table->detail->parts[split->part]))
        return -1;
    if (table->where && bytes_print(sql, error, " WHERE (\n%s\n)", table->where))
        return -1;
    if (split->method != SPLIT_WHOLE && (bytes_add_text(sql, table->where ? " AND " : " WHERE ", error) ||
                                            split_print_condition(split, column, low, high, sql, error)))
        return -1;
    return bytes_add(sql, ") TO STDOUT (FORMAT binary)", sizeof ") TO STDOUT (FORMAT binary)", error);
}

/* ---- what the split says, quoted ----------------------------------------------------------------------------------- */

static int split_quote(struct pg_connection *connection, const char *value, const char *type,
    struct bytes *text, struct error *error)
{
    cleanup_pg_text char *quoted = PQescapeLiteral(connection->libpq, value, strlen(value));

    if (!quoted)
        return error_set(error, ERROR_REJECT, "%s: a bound that is not UTF-8", connection->database.where);
    return bytes_print(text, error, "%s::%s", quoted, type) || bytes_add(text, "", 1, error) ? -1 : 0;
}

int pg_split_sql(struct pg_connection *connection, const struct table *table, const struct split *split,
    struct bytes *sql, struct error *error)
{
    cleanup_pg_text char *column =
        split->column ? PQescapeIdentifier(connection->libpq, split->column, strlen(split->column)) : NULL;
    cleanup_bytes struct bytes low, high;

    bytes_init(&low, SPLIT_TEXT);
    bytes_init(&high, SPLIT_TEXT);
    if (split->column && !column)
        return error_set(
            error, ERROR_REJECT, "%s: a column's name that is not UTF-8", connection->database.where);
    if ((split->low && split_quote(connection, split->low, split->type, &low, error)) ||
        (split->high && split_quote(connection, split->high, split->type, &high, error)))
        return -1;
    return pg_split_print(table, split, column, low.data, high.data, sql, error);
}

int pg_explain(struct database_connection *connection, const struct table *table, const struct split *split,
    struct bytes *text, struct error *error)
{
    if (pg_split_sql(pg_connection_of(connection), table, split, text, error))
        return -1;
    text->length--; /* the zero */
    return 0;
}
