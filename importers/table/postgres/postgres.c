/* postgres: the row of functions by which an import knows PostgreSQL; see table/database.h */
#include <stdlib.h>

#include "base/file.h"
#include "table/postgres/ask.h"
#include "table/postgres/increment.h"
#include "table/postgres/lag.h"
#include "table/postgres/read.h"
#include "table/postgres/snapshot.h"
#include "table/postgres/split.h"

static void postgres_close(struct database **database)
{
    if (!*database)
        return;
    pg_address_close(&(*database)->address);
    free(*database);
    *database = NULL;
}

static int postgres_open(
    const struct database_login *login, struct database **ret_database, struct error *error)
{
    __attribute__((cleanup(postgres_close))) struct database *database = calloc(1, sizeof *database);

    if (!database)
        return error_set(error, ERROR_RETRY, "database: out of memory");
    if (pg_address_open(login, &database->address, error))
        return -1;
    database->stop = login->stop;
    *ret_database = database;
    database = NULL;
    return 0;
}

static const char *postgres_notice(const struct database *database)
{
    return database->address->notice;
}

void pg_connection_close(struct database_connection **connection)
{
    struct pg_connection *own = (struct pg_connection *)*connection;

    if (!own)
        return;
    pg_read_state_free(&own->reading);
    PQfinish(own->libpq);
    fd_close(&own->wake);
    free(own->search_path);
    free(own->schemas);
    free(own);
    *connection = NULL;
}

const struct database_kind database_postgres = {
    .name = "postgresql",
    .open = postgres_open,
    .notice = postgres_notice,
    .close = postgres_close,
    .hide = pg_address_hide,
    .connect = pg_connection_open,
    .disconnect = pg_connection_close,
    .stop = pg_connection_stop,
    .describe = pg_describe,
    .list_free = pg_list_free,
    .bound = pg_increment_bound,
    .narrow = pg_increment_narrow,
    .plan = pg_plan,
    .explain = pg_explain,
    .hold = pg_snapshot_hold,
    .check = pg_snapshot_check,
    .lag = pg_lag,
    .adopt = pg_snapshot_adopt,
    .read = pg_read,
    .list_names = pg_list_names,
    .evaluate = pg_evaluate,
};
