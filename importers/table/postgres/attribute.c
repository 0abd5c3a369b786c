/* attribute: the columns of tables; see describe.h */
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "table/postgres/copy.h"
#include "table/postgres/describe.h"

#define ATTRIBUTE_QUERY                                                                                             \
    "SELECT a.attrelid, a.attname, a.atttypid, a.atttypmod, a.attnotnull, %s, "                                     \
    "coalesce(pg_catalog.array_position(i.indkey::pg_catalog.int2[], a.attnum) + 1, 0) "                            \
    "FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_index i ON i.indrelid = a.attrelid AND i.indisprimary " \
    "WHERE a.attrelid = ANY ($1::pg_catalog.oid[]) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum"

enum attribute_field { TABLE, NAME, TYPE, TYPMOD, NOT_NULL, GENERATED, KEY };

int pg_table_columns(struct pg_list *list, struct table *table, size_t count, struct error *error)
{
    struct table_detail *detail = table->detail;
    const size_t room = count ? count : 1;

    table->columns = arena_take(&list->arena, room, sizeof *table->columns, error);
    table->fields = table->columns ? arena_take(&list->arena, room, sizeof *table->fields, error) : NULL;
    detail->mappings = table->fields ? arena_take(&list->arena, room, sizeof *detail->mappings, error) : NULL;
    detail->columns =
        detail->mappings ? arena_take(&list->arena, room, sizeof *detail->columns, error) : NULL;
    detail->key = PG_COPY_NO_KEY;
    table->columns_count = count;
    return detail->columns ? 0 : -1;
}

static bool attribute_is_utf8(const char *name)
{
    for (size_t left = strlen(name), step; left > 0; left -= step, name += step) {
        step = utf8_sequence(name, left);
        if (step == 0)
            return false;
    }
    return true;
}

int pg_table_set_column(struct pg_connection *connection, struct pg_list *list, struct table *table,
    size_t index, const char *name, uint32_t type, int32_t typmod, struct error *error)
{
    struct table_column *column = &table->columns[index];

    if (!attribute_is_utf8(name))
        return error_set(error, ERROR_REJECT,
            "table %s: the name of column %zu is not UTF-8; the database's encoding is SQL_ASCII: rename it, or select it by a view",
            table->title, index + 1);
    column->name = arena_text(&list->arena, name, error);
    table->detail->columns[index] = column->name ? pg_quote(connection, list, NULL, name, error) : NULL;
    return table->detail->columns[index]
               ? pg_note_type(list, type, typmod, &table->detail->mappings[index].type, error)
               : -1;
}

/* Row of the column that the user means by a name: exactly so, or in small letters. */
static int attribute_row(const PGresult *found, int first, int end, const char *name)
{
    for (int row = first; row < end; row++)
        if (strcmp(PQgetvalue(found, row, NAME), name) == 0)
            return row;
    for (int row = first; row < end; row++) {
        const char *here = PQgetvalue(found, row, NAME);
        size_t i = 0;
        while (here[i] && name[i] &&
               (name[i] == here[i] || (name[i] >= 'A' && name[i] <= 'Z' && name[i] + 32 == here[i])))
            i++;
        if (!here[i] && !name[i])
            return row;
    }
    return -1;
}

static int attribute_set(struct pg_connection *connection, struct pg_list *list, struct table *table,
    size_t index, const PGresult *found, int row, struct error *error)
{
    struct table_column *column = &table->columns[index];

    for (size_t i = 0; i < index; i++)
        if (strcmp(table->columns[i].name, PQgetvalue(found, row, NAME)) == 0)
            return error_set(error, ERROR_REJECT, "table %s: column %s is named twice", table->title,
                table->columns[i].name);
    column->not_null = *PQgetvalue(found, row, NOT_NULL) == 't';
    column->generated = *PQgetvalue(found, row, GENERATED) != '\0';
    column->key = (unsigned)strtoul(PQgetvalue(found, row, KEY), NULL, 10);
    if (column->key == 1)
        table->detail->key = index;
    return pg_table_set_column(connection, list, table, index, PQgetvalue(found, row, NAME),
        pg_oid(PQgetvalue(found, row, TYPE)), (int32_t)strtol(PQgetvalue(found, row, TYPMOD), NULL, 10),
        error);
}

static int attribute_set_table(struct pg_connection *connection, struct pg_list *list, struct table *table,
    const PGresult *found, struct error *error)
{
    const struct table_selection *selection = list->selection;
    int first = 0, end;

    while (first < PQntuples(found) && pg_oid(PQgetvalue(found, first, TABLE)) != table->detail->oid)
        first++;
    for (end = first; end < PQntuples(found) && pg_oid(PQgetvalue(found, end, TABLE)) == table->detail->oid;)
        end++;
    const size_t count = selection->columns_count ? selection->columns_count : (size_t)(end - first);
    if (pg_table_columns(list, table, count, error))
        return -1;
    for (size_t i = 0; i < count; i++) {
        const int row = selection->columns_count ? attribute_row(found, first, end, selection->columns[i])
                                                 : first + (int)i;
        if (row < 0)
            return error_set(
                error, ERROR_REJECT, "table %s: it has no column %s", table->title, selection->columns[i]);
        if (attribute_set(connection, list, table, i, found, row, error))
            return -1;
    }
    return 0;
}

int pg_find_columns(struct pg_connection *connection, struct pg_list *list, struct error *error)
{
    cleanup_bytes struct bytes oids, sql;
    cleanup_result PGresult *found = NULL;

    bytes_init(&oids, PG_LIST_TEXT);
    bytes_init(&sql, 2048);
    if (pg_oids(list, false, &oids, error) ||
        bytes_print(
            &sql, error, ATTRIBUTE_QUERY, connection->database.version >= 120000 ? "a.attgenerated" : "''") ||
        bytes_add(&sql, "", 1, error))
        return -1;
    const char *values[] = {oids.data};
    if (pg_query(connection, "looking for columns", sql.data, 1, values, PG_ROWS(KEY + 1), &found, error))
        return -1;
    for (size_t i = 0; i < list->list.count; i++)
        if (attribute_set_table(connection, list, list->list.tables[i], found, error))
            return -1;
    return 0;
}
