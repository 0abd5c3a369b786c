/* ask: see ask.h */
#include "table/postgres/ask.h"

static const char ask_databases[] =
    "SELECT datname FROM pg_catalog.pg_database ORDER BY datname::pg_catalog.text COLLATE \"C\"";
static const char ask_tables[] =
    "SELECT tablename FROM pg_catalog.pg_tables "
    "WHERE schemaname::pg_catalog.text = coalesce($1, ($2::pg_catalog.name[])[1]::pg_catalog.text) "
    "ORDER BY tablename::pg_catalog.text COLLATE \"C\"";

int pg_list_names(struct database_connection *connection, enum database_names which, const char *schema,
    const struct database_name_taker *taker, struct error *error)
{
    struct pg_connection *own = pg_connection_of(connection);
    const char *values[] = {schema, own->schemas};
    const bool tables = which == DATABASE_TABLES;
    cleanup_result PGresult *found = NULL;

    connection->trouble = DATABASE_FINE;
    if (pg_query(own, tables ? "listing tables" : "listing databases", tables ? ask_tables : ask_databases,
            tables ? 2 : 0, values, PG_ROWS(1), &found, error))
        return -1;
    for (int row = 0; row < PQntuples(found); row++)
        if (taker->take(taker->context, PQgetvalue(found, row, 0), error))
            return -1;
    return 0;
}
