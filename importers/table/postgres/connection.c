/* connection: see connection.h */
#include "table/postgres/connection.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include "base/file.h"

/* Values look the same whatever the server's or the role's settings are, nothing ends a transaction that waits for its turn, and nothing can be
 * written by accident. A short query is not worth compiling, and an order that depends on who else scans is none. */
static const struct {
    const char *name, *value;
    int since, before; /* PostgreSQL's versions; 0: all */
} session_settings[] = {
    {"TimeZone", "UTC", 0, 0},
    {"DateStyle", "ISO, YMD", 0, 0},
    {"IntervalStyle", "iso_8601", 0, 0},
    {"extra_float_digits", "3", 0, 120000},
    {"extra_float_digits", "1", 120000, 0},
    {"bytea_output", "hex", 0, 0},
    {"standard_conforming_strings", "on", 0, 0},
    {"statement_timeout", "0", 0, 0},
    {"lock_timeout", "0", 0, 0},
    {"idle_in_transaction_session_timeout", "0", 0, 0},
    {"idle_session_timeout", "0", 140000, 0},
    {"transaction_timeout", "0", 170000, 0},
    {"default_transaction_read_only", "on", 0, 0},
    {"default_transaction_deferrable", "off", 0, 0},
    {"synchronize_seqscans", "off", 0, 0},
    {"jit", "off", 110000, 0},
    {"search_path", "", 0, 0},
};

#define STOP_LOOK 250 /* milliseconds: the flag of a signal handler wakes nobody */
#define CANCEL_PATIENCE 2 /* seconds */
#define SESSION_SETTINGS (sizeof session_settings / sizeof *session_settings)
#define SESSION_TEXT 4096

static bool is_stopped(const struct pg_connection *connection)
{
    return atomic_load(&connection->stopped) || (connection->stop && atomic_load(connection->stop));
}

/* ---- errors ---------------------------------------------------------------------------------------------------- */

int pg_fail_stopped(struct pg_connection *connection, const char *what, struct error *error)
{
    connection->database.trouble = DATABASE_STOPPED;
    return error_set(error, ERROR_RETRY, "%s: %s: stopped", connection->database.where, what);
}

void pg_trim(char *text)
{
    for (char *at = text; *at; at++)
        if (*at == '\n' || *at == '\t')
            *at = ' ';
    for (size_t length = strlen(text); length > 0 && text[length - 1] == ' '; length--)
        text[length - 1] = '\0';
}

int pg_fail(struct pg_connection *connection, const char *what, const PGresult *result, struct error *error)
{
    const char *state = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
    const char *primary = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    const char *detail = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL) : NULL;
    char text[ERROR_TEXT_SIZE];
    enum error_kind kind;

    if (is_stopped(connection))
        return pg_fail_stopped(connection, what, error);
    snprintf(connection->state, sizeof connection->state, "%s", state ? state : "");
    pg_state_judge(connection->state, &kind, &connection->database.trouble);
    if (!state && PQstatus(connection->libpq) == CONNECTION_BAD) {
        kind = ERROR_RETRY;
        connection->database.trouble = DATABASE_LOST;
    }
    if (primary)
        snprintf(text, sizeof text, "%s%s%s", primary, detail ? "; " : "", detail ? detail : "");
    else
        snprintf(text, sizeof text, "%s", PQerrorMessage(connection->libpq));
    pg_trim(text);
    return error_set(error, kind, "%s: %s: %s%s%s%s", connection->database.where, what,
        *text ? text : "the connection is gone", state ? " (SQLSTATE " : "", state ? state : "",
        state ? ")" : "");
}

/* ---- waiting --------------------------------------------------------------------------------------------------- */

int pg_wait(struct pg_connection *connection, int fd, short events, int timeout)
{
    struct pollfd ends[2] = {{.fd = fd, .events = events}, {.fd = connection->wake, .events = POLLIN}};

    for (;;) {
        if (is_stopped(connection))
            return -1;
        const int step = timeout < 0 || timeout > STOP_LOOK ? STOP_LOOK : timeout;
        const int ready = poll(ends, 2, step);
        if (ready == 0 && timeout == step)
            return 0;
        if (ready == 0 && timeout > 0)
            timeout -= step;
        if (ready > 0 && ends[0].revents)
            return 1;
        if (ready < 0 && errno != EINTR)
            return 1; /* the call that follows says what is wrong */
    }
}

int pg_wait_socket(struct pg_connection *connection, short events, int timeout)
{
    return pg_wait(connection, PQsocket(connection->libpq), events, timeout);
}

int pg_wait_readable(struct pg_connection *connection, const char *what, struct error *error)
{
    const int ready =
        pg_wait_socket(connection, POLLIN, connection->patience > 0 ? (int)connection->patience : -1);

    if (ready < 0) {
        pg_cancel(connection);
        return pg_fail_stopped(connection, what, error);
    }
    if (ready == 0) {
        connection->database.trouble = DATABASE_LOST;
        return error_set(error, ERROR_RETRY,
            "database %s: %s: no answer within %lld s; is it a PostgreSQL that listens there, or a pooler without a free connection?",
            connection->database.where, what, (long long)(connection->patience / 1000));
    }
    return PQconsumeInput(connection->libpq) ? 0 : pg_fail(connection, what, NULL, error);
}

int pg_await(struct pg_connection *connection, const char *what, PGresult **ret_result, struct error *error)
{
    int unsent;

    while ((unsent = PQflush(connection->libpq)) > 0) {
        if (pg_wait_socket(connection, POLLIN | POLLOUT, -1) < 0)
            return pg_fail_stopped(connection, what, error);
        if (!PQconsumeInput(connection->libpq))
            return pg_fail(connection, what, NULL, error);
    }
    if (unsent < 0)
        return pg_fail(connection, what, NULL, error);
    while (PQisBusy(connection->libpq))
        if (pg_wait_readable(connection, what, error))
            return -1;
    *ret_result = PQgetResult(connection->libpq);
    return 0;
}

int pg_await_all(
    struct pg_connection *connection, const char *what, PGresult **ret_result, struct error *error)
{
    cleanup_result PGresult *last = NULL;

    for (;;) {
        PGresult *result = NULL;
        if (pg_await(connection, what, &result, error))
            return -1;
        if (!result)
            break;
        const ExecStatusType status = PQresultStatus(result);
        const bool failed =
            last && PQresultStatus(last) != PGRES_COMMAND_OK && PQresultStatus(last) != PGRES_TUPLES_OK;
        if (failed)
            PQclear(result);
        else {
            PQclear(last);
            last = result;
        }
        if (status == PGRES_COPY_OUT || status == PGRES_COPY_IN || status == PGRES_COPY_BOTH)
            return error_set(error, ERROR_FATAL, "%s: %s: an answer that was not expected",
                connection->database.where, what);
    }
    const ExecStatusType status = last ? PQresultStatus(last) : PGRES_FATAL_ERROR;
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        return pg_fail(connection, what, last, error);
    *ret_result = last;
    last = NULL;
    return 0;
}

int pg_run(struct pg_connection *connection, const char *what, const char *sql, struct error *error)
{
    cleanup_result PGresult *result = NULL;

    if (!PQsendQuery(connection->libpq, sql))
        return pg_fail(connection, what, NULL, error);
    return pg_await_all(connection, what, &result, error);
}

/* The caller takes values out of it without looking whether they are there. */
static int query_check(struct pg_connection *connection, const char *what, const PGresult *result,
    struct pg_shape shape, struct error *error)
{
    const int rows = PQntuples(result), fields = PQnfields(result);

    if (fields == shape.fields && (shape.rows == rows || shape.rows == PG_ANY))
        return 0;
    connection->database.trouble = DATABASE_REFUSED;
    return error_set(error, ERROR_FATAL,
        "%s: %s: an answer of %d rows and %d columns, which no PostgreSQL would give; what is it that listens there?",
        connection->database.where, what, rows, fields);
}

int pg_query(struct pg_connection *connection, const char *what, const char *sql, int count,
    const char *const *values, struct pg_shape shape, PGresult **ret_result, struct error *error)
{
    cleanup_result PGresult *result = NULL;

    if (!PQsendQueryParams(connection->libpq, sql, count, NULL, values, NULL, NULL, 0))
        return pg_fail(connection, what, NULL, error);
    if (pg_await_all(connection, what, &result, error) || query_check(connection, what, result, shape, error))
        return -1;
    *ret_result = result;
    result = NULL;
    return 0;
}

static void *cancel_send(void *cancel)
{
    char ignored[256];

    PQcancel(cancel, ignored, sizeof ignored);
    PQfreeCancel(cancel);
    return NULL;
}

/* It connects, and waits for the server to end that connection: for ever, where nothing comes through. So nobody waits for it for long. */
void pg_cancel(struct pg_connection *connection)
{
    PGcancel *cancel = PQgetCancel(connection->libpq);
    struct timespec until;
    pthread_t thread;

    if (!cancel)
        return;
    if (pthread_create(&thread, NULL, cancel_send, cancel) != 0) {
        PQfreeCancel(cancel);
        return;
    }
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += CANCEL_PATIENCE;
    if (pthread_timedjoin_np(thread, NULL, &until) != 0)
        pthread_detach(thread);
}

void pg_connection_stop(struct database_connection *connection)
{
    struct pg_connection *own = pg_connection_of(connection);

    atomic_store(&own->stopped, true);
    ssize_t written = write(own->wake, &(uint64_t){1}, sizeof(uint64_t));
    (void)written; /* it is readable already, then */
}

/* ---- a connection, not made yet -------------------------------------------------------------------------------- */

static int connection_new(
    const struct database *database, struct database_connection **ret_connection, struct error *error)
{
    struct pg_connection *connection = calloc(1, sizeof *connection);
    __attribute__((cleanup(pg_connection_close))) struct database_connection *made =
        connection ? &connection->database : NULL;

    if (!connection)
        return error_set(error, ERROR_RETRY, "database: out of memory");
    connection->database.kind = &database_postgres;
    connection->stop = database->stop;
    connection->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (connection->wake < 0)
        return error_set_errno(error, ERROR_RETRY, "database: eventfd");
    *ret_connection = made;
    made = NULL;
    return 0;
}

/* ---- the session ----------------------------------------------------------------------------------------------- */

static int session_ask(struct pg_connection *connection, struct error *error)
{
    static const char facts[] =
        "SELECT pg_catalog.current_setting('search_path'), pg_catalog.current_schemas(false)::pg_catalog.text, "
        "pg_catalog.pg_is_in_recovery(), pg_catalog.pg_backend_pid(), "
        "pg_catalog.current_setting('server_encoding'), "
        "pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')";
    cleanup_result PGresult *result = NULL, *control = NULL;

    if (pg_query(connection, "asking about the session", facts, 0, NULL, PG_ROW(6), &result, error))
        return -1;
    connection->search_path = strdup(PQgetvalue(result, 0, 0));
    connection->schemas = strdup(PQgetvalue(result, 0, 1));
    connection->database.standby = *PQgetvalue(result, 0, 2) == 't';
    connection->server = (int)strtol(PQgetvalue(result, 0, 3), NULL, 10);
    connection->pooled = connection->server != PQbackendPID(connection->libpq);
    connection->sql_ascii = strcmp(PQgetvalue(result, 0, 4), "SQL_ASCII") == 0;
    if (!connection->search_path || !connection->schemas)
        return error_set(error, ERROR_RETRY, "%s: out of memory", connection->database.where);
    if (*PQgetvalue(result, 0, 5) != 't')
        return 0;
    if (pg_query(connection, "asking who the server is",
            "SELECT system_identifier::pg_catalog.text FROM pg_catalog.pg_control_system()", 0, NULL,
            PG_ROW(1), &control, error))
        return -1;
    connection->database.system = strtoull(PQgetvalue(control, 0, 0), NULL, 10);
    return 0;
}

static int session_refuse_pool(struct pg_connection *connection, struct error *error)
{
    connection->database.trouble = DATABASE_REFUSED;
    return error_set(error, ERROR_FATAL,
        "database %s: a connection pooler is before the server, and gives the server's connections to others between transactions; "
        "an import needs its own, for settings and snapshot: give host and port of the server itself, or a pool of whole sessions "
        "(pgbouncer: pool_mode=session)",
        connection->database.where);
}

static int session_ask_server(struct pg_connection *connection, int *ret_server, struct error *error)
{
    cleanup_result PGresult *found = NULL;

    if (pg_query(connection, "asking who the server is", "SELECT pg_catalog.pg_backend_pid()", 0, NULL,
            PG_ROW(1), &found, error))
        return -1;
    *ret_server = (int)strtol(PQgetvalue(found, 0, 0), NULL, 10);
    return 0;
}

int pg_session_check(struct pg_connection *connection, struct error *error)
{
    int server;

    if (!connection->pooled)
        return 0;
    if (session_ask_server(connection, &server, error))
        return -1;
    return server == connection->server ? 0 : session_refuse_pool(connection, error);
}

/* Before anything is set in a session that others would go on with. A pooler that gives a second connection of ours the same process of the server has taken it from
 * the first one. One that does so only later is found out by pg_session_check(). */
static int session_look_at_pool(
    struct pg_connection *connection, struct database *database, struct error *error)
{
    if (!connection->pooled || atomic_exchange(&database->pool_known, true))
        return 0;
    __attribute__((cleanup(pg_connection_close))) struct database_connection *other = NULL;
    struct error ignored; /* a pool that has no second one has not taken the first one away */
    int server;

    if (connection_new(database, &other, error))
        return -1;
    struct pg_connection *second = pg_connection_of(other);
    if (pg_connect(second, database->address, &ignored) || session_ask_server(second, &server, &ignored))
        return is_stopped(connection) ? pg_fail_stopped(connection, "connecting", error) : 0;
    return server == connection->server ? session_refuse_pool(connection, error) : 0;
}

static int session_set(struct pg_connection *connection, struct error *error)
{
    cleanup_bytes struct bytes sql;
    const char *between = "SELECT ";

    bytes_init(&sql, SESSION_TEXT);
    for (size_t i = 0; i < SESSION_SETTINGS; i++) {
        const int version = (int)connection->database.version;
        if (version < session_settings[i].since ||
            (session_settings[i].before && version >= session_settings[i].before))
            continue;
        if (bytes_print(&sql, error, "%spg_catalog.set_config('%s', '%s', false)", between,
                session_settings[i].name, session_settings[i].value))
            return -1;
        between = ", ";
    }
    return bytes_add(&sql, "", 1, error) || pg_run(connection, "setting up the session", sql.data, error) ? -1
                                                                                                          : 0;
}

static int session_begin(struct pg_connection *connection, struct database *database, struct error *error)
{
    const int version = PQserverVersion(connection->libpq);

    PQsetErrorVerbosity(connection->libpq, PQERRORS_DEFAULT);
    connection->database.version = (uint32_t)version;
    if (version < PG_VERSION_LEAST) {
        connection->database.trouble = DATABASE_REFUSED;
        return error_set(error, ERROR_FATAL,
            "database %s: its version is %d.%d; PostgreSQL 10 or later is needed, which can import from older ones with "
            "pg_dump",
            connection->database.where, version / 10000, version / 100 % 100);
    }
    if (PQsetnonblocking(connection->libpq, 1))
        return pg_fail(connection, "setting up the connection", NULL, error);
    return session_ask(connection, error) || session_look_at_pool(connection, database, error) ||
                   session_set(connection, error)
               ? -1
               : 0;
}

int pg_connection_open(
    struct database *database, struct database_connection **ret_connection, struct error *error)
{
    __attribute__((cleanup(pg_connection_close))) struct database_connection *made = NULL;

    if (connection_new(database, &made, error) ||
        pg_connect(pg_connection_of(made), database->address, error) ||
        session_begin(pg_connection_of(made), database, error))
        return -1;
    pg_connection_of(made)->patience = 0;
    *ret_connection = made;
    made = NULL;
    return 0;
}
