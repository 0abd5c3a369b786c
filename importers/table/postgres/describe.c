/* describe: see describe.h */
#include "table/postgres/describe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fnv.h"
#include "table/postgres/lock.h"

void pg_list_free(struct table_list **list)
{
    struct pg_list *own = (struct pg_list *)*list;

    if (!own)
        return;
    arena_free(&own->arena);
    free(own->nodes);
    free(own);
    *list = NULL;
}

/* ---- fingerprint ------------------------------------------------------------------------------------------------- */

/* With the zero at its end, so that "ab" "c" is not "a" "bc". */
static uint64_t print_add_text(uint64_t print, const char *text)
{
    return fnv_add(print, text, strlen(text) + 1);
}

uint64_t pg_fingerprint(const struct table *table)
{
    uint64_t print = FNV_EMPTY;

    for (size_t i = 0; i < table->columns_count; i++) {
        print = print_add_text(print, table->columns[i].name);
        print = print_add_text(print, table->columns[i].type);
    }
    for (size_t i = 0; i < table->parts_count; i++) {
        print = print_add_text(print, table->parts[i].schema);
        print = print_add_text(print, table->parts[i].name);
        print = fnv_add(print, &table->parts[i].id, sizeof table->parts[i].id);
    }
    return print;
}

/* ---- all of it -------------------------------------------------------------------------------------------------- */

/* What the user wants stands in the place of what it is. */
static void describe_column(struct pg_mapping *mapping, const struct pg_type_options *types)
{
    const struct pg_mapping said = *mapping;

    pg_type_map(said.wanted ? said.wanted : said.type, types, mapping);
    mapping->own = said.type;
    mapping->wanted = said.wanted;
    if (said.wanted)
        mapping->after = said.after;
}

/* Types are complete: what the columns become. */
static void describe_finish(struct table *table)
{
    for (size_t i = 0; i < table->columns_count; i++) {
        struct pg_mapping *mapping = &table->detail->mappings[i];
        table->columns[i].type = mapping->type->text;
        describe_column(mapping, table->detail->types);
        mapping->field.name = table->columns[i].name;
        table->fields[i] = mapping->field;
    }
    table->fingerprint = pg_fingerprint(table);
}

static int describe_all(struct pg_connection *connection, struct pg_list *list, struct error *error)
{
    if (list->selection->query) {
        if (pg_find_query(connection, list, error))
            return -1;
    } else if (pg_find_relations(connection, list, error) || pg_find_parts(connection, list, error) ||
               pg_find_columns(connection, list, error))
        return -1;
    if (pg_check_where(connection, list, error) || pg_find_casts(connection, list, error) ||
        pg_find_types(connection, list, error))
        return -1;
    for (size_t i = 0; i < list->list.count; i++)
        describe_finish(list->list.tables[i]);
    return pg_find_range(connection, list, error);
}

/* Sizes are to be had under a lock only: somebody's exclusive one is waited for, but not without an end. */
static int describe_set_wait(
    struct pg_connection *connection, const struct table_selection *selection, struct error *error)
{
    char sql[64];

    snprintf(sql, sizeof sql, "SET lock_timeout = %u",
        selection->lock_wait ? selection->lock_wait : DATABASE_LOCK_WAIT);
    return pg_run(connection, "setting up the session", sql, error);
}

/* Which table it was, and who is in the way. */
static int describe_fail(struct pg_connection *connection, const struct pg_list *list, struct error *error)
{
    char holder[200];

    if (connection->database.trouble != DATABASE_BUSY ||
        PQtransactionStatus(connection->libpq) != PQTRANS_IDLE)
        return -1;
    for (size_t i = 0; i < list->list.count; i++) {
        pg_lock_holder(connection, list->list.tables[i]->detail->oid, holder, sizeof holder);
        connection->database.trouble = DATABASE_BUSY;
        if (*holder)
            return error_set(error, ERROR_RETRY,
                "%s: table %s is locked%s: wait for that to end, or allow a longer wait",
                connection->database.where, list->list.tables[i]->title, holder);
    }
    return error_wrap(error, "somebody has locked a table or a partition");
}

int pg_describe(struct database_connection *connection, const struct table_selection *selection,
    struct table_list **ret_list, struct error *error)
{
    __attribute__((cleanup(pg_list_free))) struct table_list *made = NULL;
    struct pg_list *list = calloc(1, sizeof *list);

    connection->trouble = DATABASE_FINE;
    if (!list)
        return error_set(error, ERROR_RETRY, "description of the tables: out of memory");
    made = &list->list;
    list->selection = selection;
    if (describe_set_wait(pg_connection_of(connection), selection, error))
        return -1;
    if (describe_all(pg_connection_of(connection), list, error))
        return describe_fail(pg_connection_of(connection), list, error);
    list->selection = NULL;
    *ret_list = made;
    made = NULL;
    return 0;
}
