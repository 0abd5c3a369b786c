/* sqoop_ask: see sqoop_ask.h. */
#include "command/sqoop_ask.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "command/import_login.h"
#include "command/import_progress.h"

static int ask_print_name(void *context, const char *name, struct error *error)
{
    (void)context;
    (void)error;
    import_say(stdout, name);
    putchar('\n');
    return 0;
}

static int ask_connection(
    const struct sqoop_order *order, struct database_connection *connection, struct error *error)
{
    const struct database_name_taker names = {ask_print_name, NULL};
    const enum database_names which = order->tool == SQOOP_LIST_TABLES ? DATABASE_TABLES : DATABASE_DATABASES;

    return connection->kind->list_names(connection, which, order->schema, &names, error);
}

static int ask_database(
    const struct sqoop_order *order, const struct database_login *login, struct error *error)
{
    const struct database_kind *kind = &database_postgres;
    struct database_connection *connection = NULL;
    struct database *database = NULL;
    int result = kind->open(login, &database, error) || kind->connect(database, &connection, error) ||
                 ask_connection(order, connection, error);

    kind->disconnect(&connection);
    kind->close(&database);
    if (!result && (fflush(stdout) != 0 || ferror(stdout)))
        return error_set(error, ERROR_FATAL, "standard output: %s", strerror(errno));
    return result ? -1 : 0;
}

int sqoop_ask(const struct sqoop_order *order, struct error *error)
{
    __attribute__((cleanup(import_options_free))) struct import_options options;
    char password[IMPORT_PASSWORD_MAX];

    if (import_options_parse_login(&options, (int)order->import.count, order->import.words, error) ||
        import_login_take(&options, password, error))
        return -1;
    import_login_catch_signals();
    const int result = ask_database(order, &options.login, error);
    explicit_bzero(password, sizeof password);
    return result;
}
