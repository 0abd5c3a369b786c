/* relation: which tables are meant; see describe.h */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table/postgres/describe.h"
#include "table/postgres/name.h"

/* What all of them select, and from where. */
#define RELATION_FROM                                                                                       \
    "SELECT c.oid, n.nspname, c.relname, c.relkind, c.relhassubclass, "                                     \
    "pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT'), " \
    "c.relpersistence, pg_catalog.row_security_active(c.oid) "                                              \
    "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "

enum relation_field { OID, SCHEMA, NAME, KIND, CHILDREN, ALLOWED, PERSISTENCE, FILTERED };

/* Comparing as text: a parameter of the type name would be cut off at 63 bytes, and find another table. */
static const char relation_exact[] = RELATION_FROM
    "WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relname::pg_catalog.text = $2 AND "
    "CASE WHEN $1::pg_catalog.text IS NULL THEN n.nspname = ANY ($3::pg_catalog.name[]) ELSE n.nspname::pg_catalog.text = $1 END "
    "ORDER BY pg_catalog.array_position($3::pg_catalog.name[], n.nspname) LIMIT 1";

/* Partitions come with their parents; temporary tables are other sessions' own. */
static const char relation_wild[] = RELATION_FROM
    "WHERE (c.relkind IN ('r', 'p') OR ($3::pg_catalog.bool AND c.relkind IN ('v', 'm', 'f'))) AND NOT c.relispartition "
    "AND c.relpersistence <> 't' AND c.relname::pg_catalog.text LIKE $2 "
    "AND CASE WHEN $1::pg_catalog.text IS NULL THEN true WHEN $1 = '' THEN n.nspname = ($4::pg_catalog.name[])[1] "
    "ELSE n.nspname::pg_catalog.text LIKE $1 END "
    "AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' "
    "ORDER BY n.nspname::pg_catalog.text COLLATE \"C\", c.relname::pg_catalog.text COLLATE \"C\"";

uint32_t pg_oid(const char *text)
{
    return (uint32_t)strtoul(text, NULL, 10);
}

const char *pg_quote(struct pg_connection *connection, struct pg_list *list, const char *schema,
    const char *name, struct error *error)
{
    cleanup_pg_text char *first =
        schema ? PQescapeIdentifier(connection->libpq, schema, strlen(schema)) : NULL;
    cleanup_pg_text char *second = PQescapeIdentifier(connection->libpq, name, strlen(name));

    if (!second || (schema && !first)) {
        error_set(error, ERROR_REJECT, "%s: a name that is not UTF-8", connection->database.where);
        return NULL;
    }
    const size_t size = (first ? strlen(first) + 1 : 0) + strlen(second) + 1;
    char *text = arena_take(&list->arena, size, 1, error);
    if (text)
        snprintf(text, size, "%s%s%s", first ? first : "", first ? "." : "", second);
    return text;
}

struct table *pg_table_of(const struct pg_list *list, uint32_t oid)
{
    for (size_t i = 0; i < list->list.count; i++)
        if (list->list.tables[i]->detail->oid == oid)
            return list->list.tables[i];
    return NULL;
}

int pg_oids(const struct pg_list *list, bool parts, struct bytes *text, struct error *error)
{
    const char *between = "{";

    for (size_t i = 0; i < list->list.count; i++) {
        const struct table *table = list->list.tables[i];
        const size_t count = parts ? table->parts_count : 1;
        for (size_t j = 0; j < count; j++) {
            const uint64_t oid = parts ? table->parts[j].id : table->detail->oid;
            if (bytes_print(text, error, "%s%llu", between, (unsigned long long)oid))
                return -1;
            between = ",";
        }
    }
    return bytes_add(text, *between == '{' ? "{}" : "}", *between == '{' ? 3 : 2, error);
}

static enum table_kind relation_kind(const PGresult *found, int row)
{
    switch (*PQgetvalue(found, row, KIND)) {
    case 'p':
        return TABLE_PARTITIONED;
    case 'v':
        return TABLE_VIEW;
    case 'm':
        return TABLE_MATERIALIZED;
    case 'f':
        return TABLE_FOREIGN;
    default:
        return *PQgetvalue(found, row, CHILDREN) == 't' ? TABLE_PARTITIONED : TABLE_PLAIN;
    }
}

static const char *relation_title(
    struct pg_list *list, const char *schema, const char *name, struct error *error)
{
    const size_t size = strlen(schema) + strlen(name) + 2;
    char *title = arena_take(&list->arena, size, 1, error);

    if (title)
        snprintf(title, size, "%s.%s", schema, name);
    return title;
}

static int relation_add(struct pg_connection *connection, struct pg_list *list, const PGresult *found,
    int row, struct error *error)
{
    const char *schema = PQgetvalue(found, row, SCHEMA), *name = PQgetvalue(found, row, NAME);
    const char kind = *PQgetvalue(found, row, KIND);

    if (pg_table_of(list, pg_oid(PQgetvalue(found, row, OID))))
        return 0;
    if (*PQgetvalue(found, row, ALLOWED) != 't')
        return error_set(error, ERROR_REJECT,
            "table %s.%s: user %s may not read it; GRANT SELECT on it (and USAGE on its schema), or leave it out",
            schema, name, PQuser(connection->libpq));
    if (list->list.count == PG_TABLES_MAX)
        return error_set(error, ERROR_REJECT, "more than %d tables; import fewer at a time", PG_TABLES_MAX);
    struct table *table = arena_take(&list->arena, 1, sizeof *table, error);
    struct table_detail *detail = table ? arena_take(&list->arena, 1, sizeof *detail, error) : NULL;
    if (!detail)
        return -1;
    table->detail = detail;
    table->kind = relation_kind(found, row);
    table->filtered = *PQgetvalue(found, row, FILTERED) == 't';
    table->where = list->selection->where;
    detail->oid = pg_oid(PQgetvalue(found, row, OID));
    detail->types = list->selection->types;
    detail->relation_lockable = kind == 'r' || kind == 'p';
    table->schema = arena_text(&list->arena, schema, error);
    table->name = table->schema ? arena_text(&list->arena, name, error) : NULL;
    table->title = table->name ? relation_title(list, schema, name, error) : NULL;
    detail->relation = table->title ? pg_quote(connection, list, schema, name, error) : NULL;
    if (!detail->relation)
        return -1;
    list->list.tables[list->list.count++] = table;
    return 0;
}

/* As it is written at first, then in small letters. */
static int relation_ask(struct pg_connection *connection, const struct pg_name *name, bool views,
    PGresult **ret_found, struct error *error)
{
    cleanup_result PGresult *found = NULL;

    for (int folded = 0; folded <= (name->folds ? 1 : 0); folded++) {
        pg_result_free(&found);
        const char *schema = folded ? name->schema_folded : name->schema;
        const char *values[] = {name->has_schema ? schema : NULL, folded ? name->name_folded : name->name,
            name->wild ? (views ? "true" : "false") : connection->schemas, connection->schemas};
        if (pg_query(connection, "looking for tables", name->wild ? relation_wild : relation_exact,
                name->wild ? 4 : 3, values, PG_ROWS(FILTERED + 1), &found, error))
            return -1;
        if (PQntuples(found) > 0)
            break;
    }
    *ret_found = found;
    found = NULL;
    return 0;
}

/* The OIDs of all that is excluded. */
static int relation_find_excluded(
    struct pg_connection *connection, const struct pg_list *list, struct bytes *oids, struct error *error)
{
    for (size_t i = 0; i < list->selection->excluded_count; i++) {
        cleanup_result PGresult *found = NULL;
        struct pg_name name;
        if (pg_name_parse(list->selection->excluded[i], &name, error) ||
            relation_ask(connection, &name, true, &found, error))
            return error_wrap(error, "excluded");
        if (PQntuples(found) == 0)
            return error_set(error, ERROR_REJECT, "excluded table %s: there is none of that name",
                list->selection->excluded[i]);
        for (int row = 0; row < PQntuples(found); row++) {
            const uint32_t oid = pg_oid(PQgetvalue(found, row, OID));
            if (bytes_add(oids, &oid, sizeof oid, error))
                return -1;
        }
    }
    return 0;
}

static bool relation_is_excluded(const struct bytes *oids, uint32_t oid)
{
    for (size_t at = 0; at < oids->length; at += sizeof oid)
        if (memcmp(oids->data + at, &oid, sizeof oid) == 0)
            return true;
    return false;
}

static int relation_select(struct pg_connection *connection, struct pg_list *list, const char *text,
    const struct bytes *excluded, struct error *error)
{
    cleanup_result PGresult *found = NULL;
    struct pg_name name;
    size_t taken = 0;

    if (pg_name_parse(text, &name, error) ||
        relation_ask(connection, &name, list->selection->views, &found, error))
        return -1;
    if (list->list.count + (size_t)PQntuples(found) > PG_TABLES_MAX)
        return error_set(error, ERROR_REJECT, "more than %d tables; import fewer at a time", PG_TABLES_MAX);
    for (int row = 0; row < PQntuples(found); row++) {
        if (name.wild && relation_is_excluded(excluded, pg_oid(PQgetvalue(found, row, OID))))
            continue;
        if (relation_add(connection, list, found, row, error))
            return -1;
        taken++;
    }
    if (taken == 0)
        return error_set(error, ERROR_REJECT, "table %s: %s in %s (search_path: %s)", text,
            name.wild ? "no table is left of what it stands for" : "there is none of that name",
            connection->database.where, connection->search_path);
    return 0;
}

static int relation_compare(const void *left, const void *right)
{
    const struct table *a = *(struct table *const *)left, *b = *(struct table *const *)right;
    const int schema = strcmp(a->schema, b->schema);

    return schema ? schema : strcmp(a->name, b->name);
}

int pg_find_relations(struct pg_connection *connection, struct pg_list *list, struct error *error)
{
    cleanup_bytes struct bytes excluded;

    bytes_init(&excluded, (size_t)16 << 20);
    list->list.tables = arena_take(&list->arena, PG_TABLES_MAX, sizeof *list->list.tables, error);
    if (!list->list.tables || relation_find_excluded(connection, list, &excluded, error))
        return -1;
    for (size_t i = 0; i < list->selection->names_count; i++)
        if (relation_select(connection, list, list->selection->names[i], &excluded, error))
            return -1;
    qsort(list->list.tables, list->list.count, sizeof *list->list.tables, relation_compare);
    return 0;
}
