/* describe: what the catalogue says of tables; room-internal.
 *
 * All tables are asked about together, in a handful of queries however many they are: relation.c finds them and their parts, attribute.c their
 * columns, types.c the types of those, query.c does the same for a SELECT. Only catalogue queries with parameters; identifiers come into SQL only through
 * PQescapeIdentifier(), and only those that the catalogue named.
 */
#ifndef PENSTOCK_TABLE_POSTGRES_DESCRIBE_H
#define PENSTOCK_TABLE_POSTGRES_DESCRIBE_H

#include "table/postgres/arena.h"
#include "table/postgres/connection.h"
#include "table/postgres/type.h"

#define PG_TABLES_MAX 100000
#define PG_COLUMNS_MAX 1664 /* of a query; tables have 1,600 */
#define PG_LIST_TEXT ((size_t)64 << 20) /* parameters: lists of OIDs */

struct table_detail {
    struct pg_mapping *mappings; /* one per column */
    const struct pg_type_options *types;
    const char **columns; /* quoted */
    const char **parts; /* "s"."t" or "s"."t"'s ONLY form, quoted: what stands behind FROM */
    bool *lockable; /* per part: by LOCK TABLE; else by a look at it */
    const char *query; /* NULL: a table */
    const char *relation; /* quoted "s"."t"; NULL: a query */
    bool relation_lockable;
    size_t key; /* the first column of the primary key, or PG_COPY_NO_KEY */
    uint32_t oid;
};

/* The list that database.h shows, and what it stands on. */
struct pg_list {
    struct table_list list; /* first: the one is the other */
    struct arena arena;
    const struct table_selection *selection; /* while it is made */
    struct pg_node *nodes; /* of types */
    size_t nodes_count, nodes_capacity;
};

int pg_describe(struct database_connection *connection, const struct table_selection *selection,
    struct table_list **ret_list, struct error *error);
void pg_list_free(struct table_list **list);

/* What of a table must be the same under the locks. Pure. */
uint64_t pg_fingerprint(const struct table *table);

/* ---- the steps --------------------------------------------------------------------------------------------------- */

/* Finds the tables that are selected: oid, names, kind. */
int pg_find_relations(struct pg_connection *connection, struct pg_list *list, struct error *error);
/* Their parts, sizes, indexes. */
int pg_find_parts(struct pg_connection *connection, struct pg_list *list, struct error *error);
int pg_find_columns(struct pg_connection *connection, struct pg_list *list, struct error *error);
/* A SELECT as the only table. */
int pg_find_query(struct pg_connection *connection, struct pg_list *list, struct error *error);
/* The operator's query without what may stand at its end, and would not within parentheses. */
const char *pg_query_text(struct pg_list *list, const char *query, struct error *error);
/* What the server says of a statement of the operator's, in the user's own search_path. ERROR_REJECT: it is none. */
int pg_prepare(struct pg_connection *connection, const char *what, const char *sql, PGresult **ret_result,
    struct error *error);
/* Which columns are cast, and to what; before types are looked up. ERROR_REJECT: no such column, type or cast. */
int pg_find_casts(struct pg_connection *connection, struct pg_list *list, struct error *error);
/* The bounds that a query says become part of the condition; when all else is known. ERROR_REJECT: it is no such query, or there is no column for it. */
int pg_find_range(struct pg_connection *connection, struct pg_list *list, struct error *error);
/* Is the operator's condition one, for each of the tables? */
int pg_check_where(struct pg_connection *connection, struct pg_list *list, struct error *error);

/* Types are noted while columns are found, as often as one likes, and looked up all at once; then nodes are complete. */
int pg_note_type(
    struct pg_list *list, uint32_t oid, int32_t typmod, const struct pg_type **ret_type, struct error *error);
int pg_find_types(struct pg_connection *connection, struct pg_list *list, struct error *error);

/* Room for the columns of a table, and one of them (index from 0). */
int pg_table_columns(struct pg_list *list, struct table *table, size_t count, struct error *error);
int pg_table_set_column(struct pg_connection *connection, struct pg_list *list, struct table *table,
    size_t index, const char *name, uint32_t type, int32_t typmod, struct error *error);

/* "a" as SQL has it; "s"."t" with a schema. */
const char *pg_quote(struct pg_connection *connection, struct pg_list *list, const char *schema,
    const char *name, struct error *error);
/* "{1,2}": the OIDs of all tables, or of all parts. */
int pg_oids(const struct pg_list *list, bool parts, struct bytes *text, struct error *error);
/* Where in the list the table with the OID is, or NULL. */
struct table *pg_table_of(const struct pg_list *list, uint32_t oid);
uint32_t pg_oid(const char *text);

#endif
