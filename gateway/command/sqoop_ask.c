/* sqoop_ask: see sqoop_ask.h. */
#include "command/sqoop_ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/import_login.h"
#include "command/import_progress.h"

#define ASK_ROW_MAX ((size_t)2 << 30) /* PostgreSQL's own limit, where every byte is shown as it is */

/* ---- names ----------------------------------------------------------------------------------------------------------- */

static int ask_print_name(void *context, const char *name, struct error *error)
{
    (void)context;
    (void)error;
    import_say(stdout, name);
    putchar('\n');
    return 0;
}

/* ---- answers --------------------------------------------------------------------------------------------------------- */

struct ask_frame {
    size_t *widths; /* of the answer that is being printed */
    size_t count;
    struct bytes text;
};

static int ask_print(struct bytes *text)
{
    fwrite(text->data, 1, text->length, stdout);
    bytes_clear(text);
    return 0;
}

static int ask_row(void *context, const char *const *values, size_t count, struct error *error)
{
    struct ask_frame *frame = context;

    return sqoop_frame_row(values, frame->widths, count, &frame->text, error) ? -1 : ask_print(&frame->text);
}

static int ask_rule(void *context, struct error *error)
{
    struct ask_frame *frame = context;

    return sqoop_frame_rule(frame->widths, frame->count, &frame->text, error) ? -1 : ask_print(&frame->text);
}

static int ask_begin(void *context, const struct database_column *columns, size_t count, struct error *error)
{
    struct ask_frame *frame = context;
    size_t *widths = realloc(frame->widths, (count + 1) * sizeof *widths);
    const char **names = calloc(count + 1, sizeof *names);
    int result = -1;

    frame->widths = widths ? widths : frame->widths;
    frame->count = count;
    if (!widths || !names)
        error_set(error, ERROR_RETRY, "out of memory");
    else {
        for (size_t i = 0; i < count; i++) {
            widths[i] = sqoop_frame_width(columns[i].type, columns[i].modifier);
            names[i] = columns[i].name;
        }
        result = ask_rule(frame, error) || ask_row(frame, names, count, error) || ask_rule(frame, error);
    }
    free(names);
    return result ? -1 : 0;
}

static int ask_changed(void *context, const char *rows, struct error *error)
{
    (void)context;
    (void)error;
    fprintf(stderr, "penstock sqoop: %s row(s) updated.\n", rows);
    return 0;
}

static int ask_evaluate(struct database_connection *connection, const char *statement, struct error *error)
{
    struct ask_frame frame = {.widths = NULL};
    const struct database_answer_taker taker = {ask_begin, ask_row, ask_rule, ask_changed, &frame};

    bytes_init(&frame.text, ASK_ROW_MAX);
    const int result = connection->kind->evaluate(connection, statement, &taker, error);
    bytes_free(&frame.text);
    free(frame.widths);
    return result;
}

/* ---- the database ---------------------------------------------------------------------------------------------------- */

static int ask_connection(
    const struct sqoop_order *order, struct database_connection *connection, struct error *error)
{
    const struct database_name_taker names = {ask_print_name, NULL};
    const enum database_names which = order->tool == SQOOP_LIST_TABLES ? DATABASE_TABLES : DATABASE_DATABASES;

    if (order->tool == SQOOP_EVAL)
        return ask_evaluate(connection, order->statement, error);
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
