/* ask: see ask.h */
#include "table/postgres/ask.h"

#include <stdlib.h>

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

/* ---- statements ------------------------------------------------------------------------------------------------------ */

#define EVALUATING "running the statement"

/* What the JDBC driver sets, where the role and the database do not. */
static const char evaluate_settings[] =
    "RESET ALL; SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET extra_float_digits = 3";

static int evaluate_begin(
    const PGresult *result, const struct database_answer_taker *taker, struct error *error)
{
    const int count = PQnfields(result);
    struct database_column *columns = calloc((size_t)count + 1, sizeof *columns);

    if (!columns)
        return error_set(error, ERROR_RETRY, EVALUATING ": out of memory");
    for (int i = 0; i < count; i++)
        columns[i] = (struct database_column){PQfname(result, i), PQftype(result, i), PQfmod(result, i)};
    const int status = taker->begin(taker->context, columns, (size_t)count, error);
    free(columns);
    return status;
}

static int evaluate_row(
    const PGresult *result, const struct database_answer_taker *taker, struct error *error)
{
    const int count = PQnfields(result);
    const char **values = calloc((size_t)count + 1, sizeof *values);

    if (!values)
        return error_set(error, ERROR_RETRY, EVALUATING ": out of memory");
    for (int i = 0; i < count; i++)
        values[i] = pg_value(result, 0, i);
    const int status = taker->row(taker->context, values, (size_t)count, error);
    free(values);
    return status;
}

/* begun: rows of this answer came before. */
static int evaluate_take(struct pg_connection *connection, PGresult *result, bool *begun,
    const struct database_answer_taker *taker, struct error *error)
{
    const char *changed;

    switch (PQresultStatus(result)) {
    case PGRES_SINGLE_TUPLE:
    case PGRES_TUPLES_OK:
        if (!*begun && evaluate_begin(result, taker, error))
            return -1;
        *begun = PQresultStatus(result) == PGRES_SINGLE_TUPLE;
        return *begun ? evaluate_row(result, taker, error) : taker->end(taker->context, error);
    case PGRES_COMMAND_OK:
        changed = PQcmdTuples(result);
        return taker->changed(taker->context, *changed ? changed : "0", error);
    case PGRES_EMPTY_QUERY:
        return 0;
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
    case PGRES_COPY_BOTH:
        return error_set(error, ERROR_REJECT,
            "%s: " EVALUATING ": COPY from or to the client is not for this", connection->database.where);
    default:
        return pg_fail(connection, EVALUATING, result, error);
    }
}

static int evaluate_answers(
    struct pg_connection *connection, const struct database_answer_taker *taker, struct error *error)
{
    bool begun = false;

    for (;;) {
        cleanup_result PGresult *result = NULL;
        if (pg_await(connection, EVALUATING, &result, error))
            return -1;
        if (!result)
            return 0;
        if (evaluate_take(connection, result, &begun, taker, error))
            return -1;
    }
}

/* The transaction is a spoken one: without it the server commits what the statements did before their answers are looked at. */
int pg_evaluate(struct database_connection *connection, const char *sql,
    const struct database_answer_taker *taker, struct error *error)
{
    struct pg_connection *own = pg_connection_of(connection);

    connection->trouble = DATABASE_FINE;
    if (pg_run(own, EVALUATING, evaluate_settings, error) || pg_run(own, EVALUATING, "BEGIN", error))
        return -1;
    if (!PQsendQuery(own->libpq, sql) || !PQsetSingleRowMode(own->libpq))
        return pg_fail(own, EVALUATING, NULL, error);
    return evaluate_answers(own, taker, error) || pg_run(own, EVALUATING, "COMMIT", error) ? -1 : 0;
}
