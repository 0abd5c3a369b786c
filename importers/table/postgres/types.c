/* types: what the catalogue says of types, as the trees of type.h; see describe.h
 *
 * Types are noted with their modifiers and looked up in rounds: the first asks about those of columns, the second about what these are made of, and so on.
 */
#include <stdlib.h>
#include <string.h>

#include "table/postgres/describe.h"

struct pg_node {
    struct pg_type *type;
    bool known;
};

enum type_field { OID, SCHEMA, NAME, KIND, CATEGORY, SEND, BASE, BASE_TYPMOD, ELEMENT };

static const char type_facts[] =
    "SELECT t.oid, n.nspname, t.typname, t.typtype, t.typcategory, t.typsend <> 0, t.typbasetype, t.typtypmod, "
    "CASE WHEN t.typlen = -1 AND t.typcategory = 'A' THEN t.typelem ELSE 0 END "
    "FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace "
    "WHERE t.oid = ANY ($1::pg_catalog.oid[])";

static const char type_attributes[] =
    "SELECT t.oid, a.attname, a.atttypid, a.atttypmod, a.attisdropped "
    "FROM pg_catalog.pg_type t JOIN pg_catalog.pg_attribute a ON a.attrelid = t.typrelid "
    "WHERE t.typtype = 'c' AND t.oid = ANY ($1::pg_catalog.oid[]) AND a.attnum > 0 ORDER BY t.oid, a.attnum";

static const char type_texts[] =
    "SELECT pg_catalog.format_type(o, m) FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.oid[]), "
    "pg_catalog.unnest($2::pg_catalog.int4[])) WITH ORDINALITY AS u(o, m, i) ORDER BY u.i";

static int32_t type_int(const char *text)
{
    return (int32_t)strtol(text, NULL, 10);
}

int pg_note_type(
    struct pg_list *list, uint32_t oid, int32_t typmod, const struct pg_type **ret_type, struct error *error)
{
    for (size_t i = 0; i < list->nodes_count; i++) {
        if (list->nodes[i].type->oid == oid && list->nodes[i].type->typmod == typmod) {
            *ret_type = list->nodes[i].type;
            return 0;
        }
    }
    if (list->nodes_count == list->nodes_capacity) {
        const size_t capacity = list->nodes_capacity ? list->nodes_capacity * 2 : 64;
        struct pg_node *more = realloc(list->nodes, capacity * sizeof *more);
        if (!more)
            return error_set(error, ERROR_RETRY, "description of the tables: out of memory");
        list->nodes = more;
        list->nodes_capacity = capacity;
    }
    struct pg_type *type = arena_take(&list->arena, 1, sizeof *type, error);
    if (!type)
        return -1;
    /* What cannot be looked up is the server's to render. */
    *type = (struct pg_type){
        .oid = oid, .typmod = typmod, .kind = 'p', .category = 'X', .schema = "", .name = "", .text = ""};
    list->nodes[list->nodes_count++] = (struct pg_node){.type = type};
    *ret_type = type;
    return 0;
}

/* "{1,2}" of those not known yet, or of all; the modifiers likewise. */
static int type_list(
    const struct pg_list *list, bool all, bool typmods, struct bytes *text, struct error *error)
{
    const char *between = "{";

    for (size_t i = 0; i < list->nodes_count; i++) {
        const struct pg_type *type = list->nodes[i].type;
        if (list->nodes[i].known && !all)
            continue;
        if (typmods ? bytes_print(text, error, "%s%d", between, type->typmod)
                    : bytes_print(text, error, "%s%u", between, type->oid))
            return -1;
        between = ",";
    }
    return bytes_add(text, *between == '{' ? "{}" : "}", *between == '{' ? 3 : 2, error);
}

static int type_set_attributes(
    struct pg_list *list, struct pg_type *type, const PGresult *found, struct error *error)
{
    int first = 0, end;

    while (first < PQntuples(found) && pg_oid(PQgetvalue(found, first, 0)) != type->oid)
        first++;
    for (end = first; end < PQntuples(found) && pg_oid(PQgetvalue(found, end, 0)) == type->oid;)
        end++;
    if (first == end)
        return 0;
    struct pg_attribute *attributes =
        arena_take(&list->arena, (size_t)(end - first), sizeof *attributes, error);
    if (!attributes)
        return -1;
    for (int row = first; row < end; row++) {
        struct pg_attribute *attribute = &attributes[row - first];
        attribute->dropped = *PQgetvalue(found, row, 4) == 't';
        attribute->name = arena_text(&list->arena, PQgetvalue(found, row, 1), error);
        if (!attribute->name ||
            (!attribute->dropped && pg_note_type(list, pg_oid(PQgetvalue(found, row, 2)),
                                        type_int(PQgetvalue(found, row, 3)), &attribute->type, error)))
            return -1;
    }
    type->attributes = attributes;
    type->attributes_count = (size_t)(end - first);
    return 0;
}

static int type_set(struct pg_list *list, struct pg_type *type, const PGresult *found,
    const PGresult *attributes, struct error *error)
{
    int row = 0;

    while (row < PQntuples(found) && pg_oid(PQgetvalue(found, row, OID)) != type->oid)
        row++;
    if (row == PQntuples(found))
        return 0;
    const uint32_t base = pg_oid(PQgetvalue(found, row, BASE)),
                   element = pg_oid(PQgetvalue(found, row, ELEMENT));
    type->kind = *PQgetvalue(found, row, KIND);
    type->category = *PQgetvalue(found, row, CATEGORY);
    type->has_send = *PQgetvalue(found, row, SEND) == 't';
    type->schema = arena_text(&list->arena, PQgetvalue(found, row, SCHEMA), error);
    type->name = type->schema ? arena_text(&list->arena, PQgetvalue(found, row, NAME), error) : NULL;
    if (!type->name)
        return -1;
    if (base && pg_note_type(list, base, type_int(PQgetvalue(found, row, BASE_TYPMOD)), &type->base, error))
        return -1;
    if (element && pg_note_type(list, element, type->typmod, &type->element, error))
        return -1;
    return type->kind == 'c' ? type_set_attributes(list, type, attributes, error) : 0;
}

static int type_round(struct pg_connection *connection, struct pg_list *list, struct error *error)
{
    cleanup_bytes struct bytes oids;
    cleanup_result PGresult *found = NULL, *attributes = NULL;
    const size_t count = list->nodes_count;

    bytes_init(&oids, PG_LIST_TEXT);
    if (type_list(list, false, false, &oids, error))
        return -1;
    const char *values[] = {oids.data};
    if (pg_query(
            connection, "looking for types", type_facts, 1, values, PG_ROWS(ELEMENT + 1), &found, error) ||
        pg_query(connection, "looking for types' attributes", type_attributes, 1, values, PG_ROWS(5),
            &attributes, error))
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (list->nodes[i].known)
            continue;
        list->nodes[i].known = true;
        if (type_set(list, list->nodes[i].type, found, attributes, error))
            return -1;
    }
    return 0;
}

static int type_set_texts(struct pg_connection *connection, struct pg_list *list, struct error *error)
{
    cleanup_bytes struct bytes oids, typmods;
    cleanup_result PGresult *found = NULL;

    bytes_init(&oids, PG_LIST_TEXT);
    bytes_init(&typmods, PG_LIST_TEXT);
    if (type_list(list, true, false, &oids, error) || type_list(list, true, true, &typmods, error))
        return -1;
    const char *values[] = {oids.data, typmods.data};
    if (pg_query(connection, "naming types", type_texts, 2, values,
            (struct pg_shape){(int)list->nodes_count, 1}, &found, error))
        return -1;
    for (int row = 0; row < PQntuples(found); row++) {
        list->nodes[row].type->text = arena_text(&list->arena, PQgetvalue(found, row, 0), error);
        if (!list->nodes[row].type->text)
            return -1;
    }
    return 0;
}

int pg_find_types(struct pg_connection *connection, struct pg_list *list, struct error *error)
{
    size_t known = 0;

    for (int round = 0; round <= PG_TYPE_DEPTH_MAX && known < list->nodes_count; round++) {
        known = list->nodes_count;
        if (type_round(connection, list, error))
            return -1;
    }
    return type_set_texts(connection, list, error);
}
