/* split: how tables are cut, and the statement that reads a split; room-internal.
 *
 * Pages (ctid) where the server has TID range scans and the table is a heap of its own: no key, statistics or index are needed, and how values are
 * distributed does not matter. Else ranges of a key that leads an index, by the bounds that ANALYZE has found. Else, where the user names a column, ranges of it.
 * Else one split. bounds.c asks the server for bounds.
 */
#ifndef PENSTOCK_TABLE_POSTGRES_SPLIT_H
#define PENSTOCK_TABLE_POSTGRES_SPLIT_H

#include "table/postgres/describe.h"

int pg_plan(struct database_connection *connection, const struct table *table,
    const struct plan_options *options, struct plan **ret_plan, struct error *error);

/* What values of a key can be divided by. */
enum pg_distance { PG_WHOLE, PG_DATE, PG_TIMESTAMP, PG_TIMESTAMP_UTC, PG_NO_DISTANCE };

/* A built-in type that tables may be cut by. */
struct pg_key_type {
    uint32_t oid;
    const char
        *name; /* as SQL casts to it: format_type() would write bpchar as character, which is character(1) */
    enum pg_distance distance;
};
/* NULL: tables cannot be cut by it. */
const struct pg_key_type *pg_key_type(uint32_t oid);

struct pg_key {
    char *name; /* the column's own; libpq's memory, as is the rest */
    char *quoted;
    char *collation; /* " COLLATE ..." for texts, else "" */
    const struct pg_key_type *type; /* NULL: not by this one */
    bool nulls; /* it may be NULL */
};
void pg_key_free(struct pg_key *key);

/* The column of a part by its name: exactly so, or in small letters; found: whether there is one. */
int pg_key_find(struct pg_connection *connection, const struct table *table, uint32_t part, const char *name,
    struct pg_key *ret_key, bool *ret_found, struct error *error);

/* The bounds that ANALYZE has found, ascending in the key's order, as texts of the result's only column; none: it has not. */
int pg_bounds_histogram(struct pg_connection *connection, const struct table_part *part,
    const struct pg_key *key, PGresult **ret_bounds, struct error *error);
/* By a look at the rows, in the same form: equal distances between least and greatest, or quantiles of what has no distance. */
int pg_bounds_measure(struct pg_connection *connection, const struct table *table, uint32_t part,
    const struct pg_key *key, size_t count, PGresult **ret_bounds, struct error *error);

/* COPY (SELECT ...) TO STDOUT (FORMAT binary). low, high, and column are quoted already; NULL where the split has none. Pure. */
int pg_split_print(const struct table *table, const struct split *split, const char *column, const char *low,
    const char *high, struct bytes *sql, struct error *error);
/* The same with what the split says, quoted by libpq. */
int pg_split_sql(struct pg_connection *connection, const struct table *table, const struct split *split,
    struct bytes *sql, struct error *error);
int pg_explain(struct database_connection *connection, const struct table *table, const struct split *split,
    struct bytes *text, struct error *error);

#endif
