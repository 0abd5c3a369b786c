/* part: the things with rows of their own that a table is made of; see describe.h
 *
 * A table, a materialized view or a foreign table is its own only part. A parent's parts are its partitions, or it and the tables that inherit from it, each read
 * with ONLY. Where one of them may not be read, or not as a whole, by somebody who may read the parent, the parent is read as one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table/postgres/describe.h"

#define PART_TREE                                                    \
    "WITH RECURSIVE tree(root, part) AS ("                           \
    "SELECT r, r FROM pg_catalog.unnest($1::pg_catalog.oid[]) AS r " \
    "UNION SELECT t.root, i.inhrelid FROM tree t JOIN pg_catalog.pg_inherits i ON i.inhparent = t.part%s) "

#define PART_COLUMNS                                                                                                                              \
    "SELECT t.root, c.oid, n.nspname, c.relname, c.relkind, c.relfilenode, c.relpages, c.reltuples, "                                             \
    "CASE WHEN c.relkind IN ('r', 'm') THEN pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::pg_catalog.int8 END, " \
    "CASE WHEN c.relkind IN ('r', 'm') THEN pg_catalog.pg_table_size(c.oid) END, "                                                                \
    "%s, pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT') AND "                                \
    "NOT pg_catalog.row_security_active(c.oid) "                                                                                                  \
    "FROM tree t JOIN pg_catalog.pg_class c ON c.oid = t.part JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace %s"                        \
    "WHERE c.relkind <> 'p' "                                                                                                                     \
    "ORDER BY t.root, n.nspname::pg_catalog.text COLLATE \"C\", c.relname::pg_catalog.text COLLATE \"C\""

enum part_field {
    ROOT,
    OID,
    SCHEMA,
    NAME,
    KIND,
    STORAGE,
    STATED_PAGES,
    ROWS,
    PAGES,
    BYTES,
    METHOD,
    READABLE
};

static int part_ask(
    struct pg_connection *connection, const char *oids, PGresult **ret_found, struct error *error)
{
    const uint32_t version = connection->database.version;
    cleanup_bytes struct bytes sql;

    bytes_init(&sql, 8192);
    if (bytes_print(&sql, error, PART_TREE PART_COLUMNS,
            version >= 140000 ? " AND NOT i.inhdetachpending" : "",
            version >= 120000 ? "coalesce(a.amname, '')" : "'heap'::pg_catalog.name",
            version >= 120000 ? "LEFT JOIN pg_catalog.pg_am a ON a.oid = c.relam " : "") ||
        bytes_add(&sql, "", 1, error))
        return -1;
    return pg_query(
        connection, "looking for partitions", sql.data, 1, &oids, PG_ROWS(READABLE + 1), ret_found, error);
}

static uint64_t part_number(const PGresult *found, int row, int field)
{
    const char *value = pg_value(found, row, field);

    return value ? strtoull(value, NULL, 10) : 0;
}

/* Rows grow with the pages since the statistics were made, as the planner takes it. */
static double part_rows(const PGresult *found, int row, const struct table_part *part)
{
    const double rows = strtod(PQgetvalue(found, row, ROWS), NULL);
    const uint64_t stated = part_number(found, row, STATED_PAGES);

    if (rows < 0 || (stated == 0 && rows == 0 && part->pages > 0))
        return -1;
    return stated ? rows * (double)part->pages / (double)stated : rows;
}

static int part_set(struct pg_connection *connection, struct pg_list *list, struct table *table,
    const PGresult *found, int row, bool only, struct error *error)
{
    struct table_part *part = &table->parts[table->parts_count];
    const char kind = *PQgetvalue(found, row, KIND);
    const bool heap = strcmp(PQgetvalue(found, row, METHOD), "heap") == 0;

    part->schema = arena_text(&list->arena, PQgetvalue(found, row, SCHEMA), error);
    part->name = part->schema ? arena_text(&list->arena, PQgetvalue(found, row, NAME), error) : NULL;
    const char *quoted = part->name ? pg_quote(connection, list, part->schema, part->name, error) : NULL;
    const size_t size = quoted ? strlen(quoted) + sizeof "ONLY " : 0;
    char *from = quoted ? arena_take(&list->arena, size, 1, error) : NULL;
    if (!from)
        return -1;
    snprintf(from, size, "%s%s", only ? "ONLY " : "", quoted);
    part->id = part_number(found, row, OID);
    part->storage = part_number(found, row, STORAGE);
    part->pages = part_number(found, row, PAGES);
    part->bytes = part_number(found, row, BYTES);
    part->rows = kind == 'v' || kind == 'f' ? -1 : part_rows(found, row, part);
    /* TID range scans came with 14; before, each range would read the whole table. */
    part->paged = only && heap && (kind == 'r' || kind == 'm') && connection->database.version >= 140000;
    table->detail->parts[table->parts_count] = from;
    table->detail->lockable[table->parts_count] = kind == 'r';
    table->parts_count++;
    return 0;
}

/* A parent that is read as one: its sizes are those of all. */
static void part_set_whole(struct table *table, const PGresult *found, int first, int end)
{
    struct table_part *part = &table->parts[0];

    *part = (struct table_part){
        .schema = table->schema, .name = table->name, .id = table->detail->oid, .rows = 0};
    for (int row = first; row < end; row++) {
        part->pages += part_number(found, row, PAGES);
        part->bytes += part_number(found, row, BYTES);
        part->rows = -1;
    }
    table->detail->parts[0] = table->detail->relation;
    table->detail->lockable[0] = table->detail->relation_lockable;
    table->parts_count = 1;
}

static int part_set_all(struct pg_connection *connection, struct pg_list *list, struct table *table,
    const PGresult *found, int first, int end, struct error *error)
{
    const size_t count = end > first ? (size_t)(end - first) : 1;
    bool readable = true;

    table->parts = arena_take(&list->arena, count, sizeof *table->parts, error);
    table->detail->parts = table->parts ? arena_take(&list->arena, count, sizeof(char *), error) : NULL;
    table->detail->lockable =
        table->detail->parts ? arena_take(&list->arena, count, sizeof(bool), error) : NULL;
    if (!table->detail->lockable)
        return -1;
    for (int row = first; row < end; row++)
        readable &= *PQgetvalue(found, row, READABLE) == 't';
    if (table->kind == TABLE_PARTITIONED && (!readable || table->filtered)) {
        part_set_whole(table, found, first, end);
        return 0;
    }
    for (int row = first; row < end; row++)
        if (part_set(connection, list, table, found, row,
                table->kind != TABLE_VIEW && table->kind != TABLE_FOREIGN, error))
            return -1;
    return 0;
}

/* What leads an index without a condition: of the primary key best, of a unique one, of any. */
static const char part_indexes[] =
    "SELECT DISTINCT ON (i.indrelid) i.indrelid, a.attname FROM pg_catalog.pg_index i "
    "JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid "
    "JOIN pg_catalog.pg_am m ON m.oid = x.relam AND m.amname = 'btree' "
    "JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] "
    "WHERE i.indrelid = ANY ($1::pg_catalog.oid[]) AND i.indisvalid AND i.indpred IS NULL "
    "ORDER BY i.indrelid, i.indisprimary DESC, i.indisunique DESC, x.oid";

static int part_find_keys(struct pg_connection *connection, struct pg_list *list, struct error *error)
{
    cleanup_bytes struct bytes oids;
    cleanup_result PGresult *found = NULL;

    bytes_init(&oids, PG_LIST_TEXT);
    if (pg_oids(list, true, &oids, error) || pg_query(connection, "looking for keys", part_indexes, 1,
                                                 (const char *const *)&oids.data, PG_ROWS(2), &found, error))
        return -1;
    for (size_t i = 0; i < list->list.count; i++) {
        struct table *table = list->list.tables[i];
        for (size_t j = 0; j < table->parts_count; j++) {
            int row = 0;
            while (row < PQntuples(found) && pg_oid(PQgetvalue(found, row, 0)) != table->parts[j].id)
                row++;
            if (row == PQntuples(found))
                continue;
            table->parts[j].key = arena_text(&list->arena, PQgetvalue(found, row, 1), error);
            table->parts[j].indexed = true;
            if (!table->parts[j].key)
                return -1;
        }
    }
    return 0;
}

int pg_find_parts(struct pg_connection *connection, struct pg_list *list, struct error *error)
{
    cleanup_bytes struct bytes oids;
    cleanup_result PGresult *found = NULL;

    bytes_init(&oids, PG_LIST_TEXT);
    if (pg_oids(list, false, &oids, error) || part_ask(connection, oids.data, &found, error))
        return -1;
    for (size_t i = 0; i < list->list.count; i++) {
        struct table *table = list->list.tables[i];
        int first = 0;
        while (first < PQntuples(found) && pg_oid(PQgetvalue(found, first, ROOT)) != table->detail->oid)
            first++;
        int end = first;
        while (end < PQntuples(found) && pg_oid(PQgetvalue(found, end, ROOT)) == table->detail->oid)
            end++;
        if (part_set_all(connection, list, table, found, first, end, error))
            return -1;
    }
    return part_find_keys(connection, list, error);
}
