/* cast: columns whose values the user wants in another type: the server casts them; see describe.h */
#include <string.h>
#include <strings.h>

#include "table/postgres/describe.h"

#define CAST_WHAT "the types of columns"
#define CAST_TEXT ((size_t)16 << 20)

static const struct {
    const char *name, *after; /* behind the column in a select list */
    uint32_t oid;
} cast_types[] = {
    {"bool", "::pg_catalog.bool", 16},
    {"int2", "::pg_catalog.int2", 21},
    {"int4", "::pg_catalog.int4", 23},
    {"int8", "::pg_catalog.int8", 20},
    {"numeric", "::pg_catalog.numeric", 1700},
    {"float4", "::pg_catalog.float4", 700},
    {"float8", "::pg_catalog.float8", 701},
    {"text", "::pg_catalog.text", 25},
    {"date", "::pg_catalog.date", 1082},
    {"time", "::pg_catalog.time", 1083},
    {"timestamp", "::pg_catalog.timestamp", 1114},
    {"timestamptz", "::pg_catalog.timestamptz", 1184},
};

/* Exactly so, or in other letters. */
static struct pg_mapping *cast_find(const struct table *table, const char *name, size_t length)
{
    for (size_t i = 0; i < table->columns_count; i++)
        if (strlen(table->columns[i].name) == length && memcmp(table->columns[i].name, name, length) == 0)
            return &table->detail->mappings[i];
    for (size_t i = 0; i < table->columns_count; i++)
        if (strlen(table->columns[i].name) == length &&
            strncasecmp(table->columns[i].name, name, length) == 0)
            return &table->detail->mappings[i];
    return NULL;
}

/* "COLUMN=TYPE": types have no = in their names. */
static int cast_take(struct pg_list *list, const char *cast, struct error *error)
{
    const size_t count = sizeof cast_types / sizeof *cast_types;
    const char *equal = strrchr(cast, '=');
    size_t type = 0, found = 0;

    while (equal && type < count && strcmp(cast_types[type].name, equal + 1) != 0)
        type++;
    if (!equal || equal == cast || type == count)
        return error_set(error, ERROR_REJECT,
            "the type of a column: \"%.200s\" is not COLUMN=TYPE; types: bool, int2, int4, int8, numeric, float4, float8, text, date, time, timestamp, timestamptz",
            cast);
    for (size_t i = 0; i < list->list.count; i++) {
        struct pg_mapping *mapping = cast_find(list->list.tables[i], cast, (size_t)(equal - cast));
        if (!mapping)
            continue;
        found++;
        mapping->after = cast_types[type].after;
        if (pg_note_type(list, cast_types[type].oid, -1, &mapping->wanted, error))
            return -1;
    }
    if (found)
        return 0;
    return error_set(error, ERROR_REJECT, "the type of a column: %s no column %.*s",
        list->list.count == 1 ? "there is" : "no table has a", (int)(equal - cast), cast);
}

/* Before any row is read the server says whether there is such a cast. */
static int cast_check(struct pg_connection *connection, const struct table *table, struct error *error)
{
    cleanup_bytes struct bytes sql;
    cleanup_result PGresult *ignored = NULL;
    const char *between = "SELECT ";

    bytes_init(&sql, CAST_TEXT);
    for (size_t i = 0; i < table->columns_count; i++) {
        if (!table->detail->mappings[i].wanted)
            continue;
        if (bytes_print(
                &sql, error, "%s%s%s", between, table->detail->columns[i], table->detail->mappings[i].after))
            return -1;
        between = ", ";
    }
    if (table->parts_count == 0 || sql.length == 0)
        return 0;
    if (bytes_print(&sql, error, " FROM %s", table->detail->parts[0]) || bytes_add(&sql, "", 1, error) ||
        pg_prepare(connection, CAST_WHAT, sql.data, &ignored, error))
        return error_wrap(error, "table %s", table->title);
    return 0;
}

int pg_find_casts(struct pg_connection *connection, struct pg_list *list, struct error *error)
{
    for (size_t i = 0; i < list->selection->casts_count; i++)
        if (cast_take(list, list->selection->casts[i], error))
            return -1;
    for (size_t i = 0; i < list->list.count && list->selection->casts_count; i++)
        if (cast_check(connection, list->list.tables[i], error))
            return -1;
    return 0;
}
