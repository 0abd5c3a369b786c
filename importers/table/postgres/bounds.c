/* bounds: where a table is cut by a key; see split.h */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table/postgres/split.h"

#define BOUNDS_TEXT ((size_t)20 << 20)
#define BOUNDS_WHAT "looking for bounds"

static const struct pg_key_type bounds_types[] = {
    {20, "pg_catalog.int8", PG_WHOLE},
    {21, "pg_catalog.int2", PG_WHOLE},
    {23, "pg_catalog.int4", PG_WHOLE},
    {26, "pg_catalog.oid", PG_WHOLE},
    {1082, "pg_catalog.date", PG_DATE},
    {1114, "pg_catalog.timestamp", PG_TIMESTAMP},
    {1184, "pg_catalog.timestamptz", PG_TIMESTAMP_UTC},
    {1700, "pg_catalog.numeric", PG_NO_DISTANCE},
    {700, "pg_catalog.float4", PG_NO_DISTANCE},
    {701, "pg_catalog.float8", PG_NO_DISTANCE},
    {25, "pg_catalog.text", PG_NO_DISTANCE},
    {1043, "pg_catalog.text", PG_NO_DISTANCE},
    {1042, "pg_catalog.bpchar", PG_NO_DISTANCE},
    {2950, "pg_catalog.uuid", PG_NO_DISTANCE},
    {1083, "pg_catalog.time", PG_NO_DISTANCE},
};

/* How a key becomes a whole number, which rows can, and the way back. Infinities are beyond the bounds, which are open there. */
static const struct {
    const char *number, *condition, *text;
} bounds_distances[] = {
    [PG_WHOLE] = {"::pg_catalog.int8", "", "g"},
    [PG_DATE] = {" - '2000-01-01'::pg_catalog.date", "WHERE pg_catalog.isfinite(%s)",
        "'2000-01-01'::pg_catalog.date + g::pg_catalog.int4"},
    [PG_TIMESTAMP] = {" - '2000-01-01'::pg_catalog.timestamp", "WHERE pg_catalog.isfinite(%s)",
        "'2000-01-01'::pg_catalog.timestamp + g * '1 second'::pg_catalog.interval"},
    [PG_TIMESTAMP_UTC] = {" - '2000-01-01'::pg_catalog.timestamptz", "WHERE pg_catalog.isfinite(%s)",
        "'2000-01-01'::pg_catalog.timestamptz + g * '1 second'::pg_catalog.interval"},
};

const struct pg_key_type *pg_key_type(uint32_t oid)
{
    for (size_t i = 0; i < sizeof bounds_types / sizeof *bounds_types; i++)
        if (bounds_types[i].oid == oid)
            return &bounds_types[i];
    return NULL;
}

/* ---- the key ----------------------------------------------------------------------------------------------------- */

void pg_key_free(struct pg_key *key)
{
    free(key->name);
    PQfreemem(key->quoted);
    free(key->collation);
    *key = (struct pg_key){0};
}

static int key_set(struct pg_connection *connection, const char *name, const char *collation,
    struct pg_key *ret_key, struct error *error)
{
    ret_key->name = strdup(name);
    ret_key->quoted = PQescapeIdentifier(connection->libpq, name, strlen(name));
    ret_key->collation = strdup(collation);
    if (!ret_key->name || !ret_key->quoted || !ret_key->collation) {
        pg_key_free(ret_key);
        return error_set(error, ERROR_RETRY, BOUNDS_WHAT ": out of memory");
    }
    return 0;
}

/* A query's columns are not in the catalogue, but all of them are in the table. */
static int key_find_in_query(struct pg_connection *connection, const struct table *table, const char *name,
    struct pg_key *ret_key, bool *ret_found, struct error *error)
{
    for (size_t i = 0; i < table->columns_count; i++) {
        if (strcmp(table->columns[i].name, name) != 0)
            continue;
        *ret_found = true;
        ret_key->type = pg_key_type(pg_type_base(table->detail->mappings[i].own)->oid);
        ret_key->nulls = true;
        return key_set(connection, name, "", ret_key, error);
    }
    *ret_found = false;
    return 0;
}

static const char key_facts[] =
    "WITH RECURSIVE base(name, type, nulls, coll) AS ("
    "SELECT a.attname, a.atttypid, NOT a.attnotnull, a.attcollation FROM pg_catalog.pg_attribute a "
    "WHERE a.attrelid = $1::pg_catalog.oid AND a.attnum > 0 AND NOT a.attisdropped AND "
    "a.attname::pg_catalog.text IN ($2, pg_catalog.lower($2)) "
    "UNION ALL SELECT b.name, t.typbasetype, b.nulls, b.coll FROM base b "
    "JOIN pg_catalog.pg_type t ON t.oid = b.type AND t.typtype = 'd') "
    "SELECT b.name, b.type, b.nulls, "
    "coalesce(' COLLATE ' || pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.collname), '') "
    "FROM base b JOIN pg_catalog.pg_type t ON t.oid = b.type AND t.typtype <> 'd' "
    "LEFT JOIN pg_catalog.pg_collation c ON c.oid = b.coll "
    "LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace ORDER BY b.name::pg_catalog.text = $2 DESC LIMIT 1";

int pg_key_find(struct pg_connection *connection, const struct table *table, uint32_t part, const char *name,
    struct pg_key *ret_key, bool *ret_found, struct error *error)
{
    cleanup_result PGresult *found = NULL;
    char oid[24];

    if (table->kind == TABLE_QUERY)
        return key_find_in_query(connection, table, name, ret_key, ret_found, error);
    snprintf(oid, sizeof oid, "%" PRIu64, table->parts[part].id);
    if (pg_query(connection, BOUNDS_WHAT, key_facts, 2, (const char *const[]){oid, name}, PG_ROWS(4), &found,
            error))
        return -1;
    *ret_found = PQntuples(found) > 0;
    if (!*ret_found)
        return 0;
    ret_key->type = pg_key_type(pg_oid(PQgetvalue(found, 0, 1)));
    ret_key->nulls = *PQgetvalue(found, 0, 2) == 't';
    return key_set(connection, PQgetvalue(found, 0, 0), PQgetvalue(found, 0, 3), ret_key, error);
}

/* ---- bounds ------------------------------------------------------------------------------------------------------ */

static int bounds_query(struct pg_connection *connection, struct bytes *sql, int count,
    const char *const *values, struct pg_shape shape, PGresult **ret_result, struct error *error)
{
    return bytes_add(sql, "", 1, error) ||
                   pg_query(connection, BOUNDS_WHAT, sql->data, count, values, shape, ret_result, error)
               ? -1
               : 0;
}

/* Sorted once more by the column itself: statistics of servers before 12 are by the database's collation, not by the column's. */
int pg_bounds_histogram(struct pg_connection *connection, const struct table_part *part,
    const struct pg_key *key, PGresult **ret_bounds, struct error *error)
{
    const char *values[] = {part->schema, part->name, key->name};
    cleanup_bytes struct bytes sql;

    bytes_init(&sql, BOUNDS_TEXT);
    if (bytes_print(&sql, error,
            "SELECT bounds.b::pg_catalog.text AS bound FROM (SELECT pg_catalog.unnest(s.histogram_bounds::pg_catalog.text::%s[]) AS b FROM pg_catalog.pg_stats s "
            "WHERE s.schemaname = $1 AND s.tablename = $2 AND s.attname = $3 AND NOT s.inherited) AS bounds ORDER BY bounds.b%s",
            key->type->name, key->collation))
        return -1;
    return bounds_query(connection, &sql, 3, values, PG_ROWS(1), ret_bounds, error);
}

static int bounds_print_numbers(
    int64_t least, int64_t most, size_t count, struct bytes *text, struct error *error)
{
    int64_t numbers[PLAN_BOUNDS_MAX];
    const size_t made =
        plan_even_bounds(least, most, numbers, count < PLAN_BOUNDS_MAX ? count : PLAN_BOUNDS_MAX);

    if (bytes_add_text(text, "{", error))
        return -1;
    for (size_t i = 0; i < made; i++)
        if (bytes_print(text, error, "%s%" PRId64, i ? "," : "", numbers[i]))
            return -1;
    return bytes_add(text, "}", 2, error);
}

static int bounds_find_ends(struct pg_connection *connection, const struct table *table, uint32_t part,
    const struct pg_key *key, PGresult **ret_ends, struct error *error)
{
    const enum pg_distance distance = key->type->distance;
    const bool seconds = distance == PG_TIMESTAMP || distance == PG_TIMESTAMP_UTC;
    cleanup_bytes struct bytes sql;

    bytes_init(&sql, BOUNDS_TEXT);
    for (int end = 0; end < 2; end++)
        if (bytes_print(&sql, error, "%s%s(%s(%s)%s)%s", end ? ", " : "SELECT ",
                seconds ? "pg_catalog.floor(extract(epoch FROM " : "",
                end ? "pg_catalog.max" : "pg_catalog.min", key->quoted, bounds_distances[distance].number,
                seconds ? "))::pg_catalog.int8" : ""))
            return -1;
    if (bytes_print(&sql, error, " FROM %s ", table->detail->parts[part]) ||
        (*bounds_distances[distance].condition &&
            bytes_print(&sql, error, "WHERE pg_catalog.isfinite(%s)", key->quoted)))
        return -1;
    return bounds_query(connection, &sql, 0, NULL, PG_ROW(2), ret_ends, error);
}

static int bounds_even(struct pg_connection *connection, const struct table *table, uint32_t part,
    const struct pg_key *key, size_t count, PGresult **ret_bounds, struct error *error)
{
    cleanup_result PGresult *ends = NULL;
    cleanup_bytes struct bytes numbers, sql;

    bytes_init(&numbers, BOUNDS_TEXT);
    bytes_init(&sql, BOUNDS_TEXT);
    if (bounds_find_ends(connection, table, part, key, &ends, error))
        return -1;
    /* No rows: as if there were one. */
    const char *least = PQgetisnull(ends, 0, 0) ? "0" : PQgetvalue(ends, 0, 0);
    const char *most = PQgetisnull(ends, 0, 1) ? "0" : PQgetvalue(ends, 0, 1);
    if (bounds_print_numbers(strtoll(least, NULL, 10), strtoll(most, NULL, 10), count, &numbers, error) ||
        bytes_print(&sql, error,
            "SELECT (%s)::pg_catalog.text AS bound FROM pg_catalog.unnest($1::pg_catalog.int8[]) AS s(g) ORDER BY s.g",
            bounds_distances[key->type->distance].text))
        return -1;
    return bounds_query(
        connection, &sql, 1, (const char *const[]){numbers.data}, PG_ROWS(1), ret_bounds, error);
}

static int bounds_quantiles(struct pg_connection *connection, const struct table *table, uint32_t part,
    const struct pg_key *key, size_t count, PGresult **ret_bounds, struct error *error)
{
    cleanup_bytes struct bytes shares, sql;

    bytes_init(&shares, BOUNDS_TEXT);
    bytes_init(&sql, BOUNDS_TEXT);
    for (size_t i = 1; i <= count; i++)
        if (bytes_print(&shares, error, "%s%.6f", i == 1 ? "{" : ",", (double)i / (double)(count + 1)))
            return -1;
    if (bytes_add(&shares, count ? "}" : "{}", count ? 2 : 3, error) ||
        bytes_print(&sql, error,
            "SELECT bounds.b::pg_catalog.text AS bound FROM (SELECT pg_catalog.unnest(pg_catalog.percentile_disc($1::pg_catalog.float8[]) "
            "WITHIN GROUP (ORDER BY %s)) AS b FROM %s) AS bounds WHERE bounds.b IS NOT NULL ORDER BY bounds.b",
            key->quoted, table->detail->parts[part]))
        return -1;
    return bounds_query(
        connection, &sql, 1, (const char *const[]){shares.data}, PG_ROWS(1), ret_bounds, error);
}

int pg_bounds_measure(struct pg_connection *connection, const struct table *table, uint32_t part,
    const struct pg_key *key, size_t count, PGresult **ret_bounds, struct error *error)
{
    return key->type->distance == PG_NO_DISTANCE
               ? bounds_quantiles(connection, table, part, key, count, ret_bounds, error)
               : bounds_even(connection, table, part, key, count, ret_bounds, error);
}
