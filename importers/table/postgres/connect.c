/* connect: a connection to one of the addresses that a server may have; see connection.h
 *
 * libpq gives each address its time only when it waits itself, and then nobody can stop it; nor can anybody while it looks up a name. So names are looked up here
 * (lookup.h), and every address is tried in a connection of its own, one after the other, as libpq would, with the names still beside them: certificates and password
 * files go by those.
 */
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "table/postgres/connection.h"
#include "table/postgres/lookup.h"

#define CONNECT_PLACES_MAX 64
#define CONNECT_OVERRIDES 4 /* of what the address says */
#define CONNECT_PORT "5432" /* libpq's own, where a list of ports has nothing */
#define CONNECT_TIMEOUT_LEAST 2 /* seconds; libpq's own */
#define CONNECT_TIMEOUT_MOST (INT_MAX / 1000) /* seconds: poll() counts milliseconds in an int */

/* One address. All owned; NULL: as the connection string has it. */
struct connect_place {
    char *host, *hostaddr, *port;
    const char *why; /* not owned; NULL, or why the host has no address */
};

struct connecting {
    struct pg_connection *connection;
    const struct pg_address *address;
    int64_t patience; /* milliseconds, for one address; 0: without a limit */
    bool prefers_standby;
    struct connect_place places[CONNECT_PLACES_MAX];
    size_t count;
};

/* ---- what is wrong --------------------------------------------------------------------------------------------- */

static const char *connect_advice(const struct pg_connection *connection, const char *text)
{
    if (PQconnectionNeedsPassword(connection->libpq))
        return "; it wants a password: give a password file, ~/.pgpass, a service file or PGPASSWORD";
    if (strncmp(connection->state, "28", 2) == 0)
        return PQconnectionUsedPassword(connection->libpq)
                   ? "; look at user and password, and at the server's pg_hba.conf"
                   : "; look at the user, and at the server's pg_hba.conf";
    if (strstr(text, "server does not support SSL"))
        return "; in a network that you trust say sslmode=disable";
    if (strstr(text, "certificate verify failed") || strstr(text, "root certificate file"))
        return "; give the CA of the server's certificate";
    return "";
}

/* Verbose messages have the code behind the severity, "FATAL:  28P01: ...", and lines for PostgreSQL's developers behind it. */
static int connect_fail(struct pg_connection *connection, struct error *error)
{
    char text[ERROR_TEXT_SIZE];
    enum error_kind kind = ERROR_RETRY;

    snprintf(text, sizeof text, "%s", PQerrorMessage(connection->libpq));
    char *location = strstr(text, "\nLOCATION:");
    if (location)
        *location = '\0';
    char *code = strstr(text, ":  ");
    connection->database.trouble = DATABASE_LOST;
    if (code && strcspn(code + 3, ": ") == PG_STATE_LENGTH && code[3 + PG_STATE_LENGTH] == ':') {
        snprintf(connection->state, sizeof connection->state, "%.*s", PG_STATE_LENGTH, code + 3);
        pg_state_judge(connection->state, &kind, &connection->database.trouble);
    } else if (PQconnectionNeedsPassword(connection->libpq) || strstr(text, "server does not support SSL") ||
               strstr(text, "certificate") || strstr(text, "invalid ") ||
               (code && !strstr(text, "system is"))) {
        kind = ERROR_FATAL;
        connection->database.trouble = DATABASE_REFUSED;
    }
    pg_trim(text);
    return error_set(
        error, kind, "database %s: %s%s", connection->database.where, text, connect_advice(connection, text));
}

static void connect_say_where(struct pg_connection *connection)
{
    const PGconn *libpq = connection->libpq;
    const char *host = PQhost(libpq), *port = PQport(libpq), *name = PQdb(libpq);

    snprintf(connection->database.where, sizeof connection->database.where, "%s%s%s/%s",
        host && *host ? host : "local", port && *port ? ":" : "", port && *port ? port : "",
        name ? name : "");
}

/* ---- one address ----------------------------------------------------------------------------------------------- */

/* libpq would print them. */
static void connect_ignore(void *context, const PGresult *notice)
{
    (void)context;
    (void)notice;
}

static int64_t connect_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static int connect_poll(const struct connecting *at, struct error *error)
{
    struct pg_connection *connection = at->connection;
    const int64_t deadline = connect_now() + at->patience;
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;

    while (status != PGRES_POLLING_OK) {
        if (status == PGRES_POLLING_FAILED || PQstatus(connection->libpq) == CONNECTION_BAD)
            return connect_fail(connection, error);
        const int64_t left = deadline - connect_now();
        const int ready = pg_wait_socket(connection, status == PGRES_POLLING_READING ? POLLIN : POLLOUT,
            at->patience <= 0 ? -1
            : left > 0        ? (int)left
                              : 0);
        if (ready < 0)
            return pg_fail_stopped(connection, "connecting", error);
        if (ready == 0) {
            connection->database.trouble = DATABASE_LOST;
            return error_set(error, ERROR_RETRY,
                "database %s: no connection within %lld s; is the address right?", connection->database.where,
                (long long)(at->patience / 1000));
        }
        status = PQconnectPoll(connection->libpq);
    }
    return 0;
}

typedef const char *connect_override[2]; /* keyword, value; NULL: as the address says */

/* A connection that is begun, or none, which its status says. */
static int connect_start(
    const struct connecting *at, const connect_override overrides[CONNECT_OVERRIDES], struct error *error)
{
    struct pg_connection *connection = at->connection;
    const char *keywords[PG_ADDRESS_MAX + CONNECT_OVERRIDES + 1] = {NULL};
    const char *values[PG_ADDRESS_MAX + CONNECT_OVERRIDES + 1] = {NULL};
    size_t count = 0;

    for (; count < at->address->count; count++) {
        keywords[count] = at->address->keywords[count];
        values[count] = at->address->values[count];
    }
    for (size_t i = 0; i < CONNECT_OVERRIDES; i++) {
        if (!overrides[i][1])
            continue;
        keywords[count] = overrides[i][0]; /* the last one counts */
        values[count++] = overrides[i][1];
    }
    PQfinish(connection->libpq);
    connection->libpq = PQconnectStartParams(keywords, values, 1);
    if (!connection->libpq)
        return error_set(error, ERROR_RETRY, "database %s: out of memory", connection->database.where);
    connect_say_where(connection);
    return 0;
}

/* place: NULL: whatever the address says. */
static int connect_to(
    const struct connecting *at, const struct connect_place *place, const char *session, struct error *error)
{
    struct pg_connection *connection = at->connection;
    const struct connect_place none = {.host = NULL};

    place = place ? place : &none;
    const connect_override overrides[CONNECT_OVERRIDES] = {{"host", place->host},
        {"hostaddr", place->hostaddr}, {"port", place->port}, {"target_session_attrs", session}};
    if (place->why) {
        connection->database.trouble = DATABASE_LOST;
        return error_set(error, ERROR_RETRY,
            "database %s: could not translate host name \"%.64s\" to address: %s", connection->database.where,
            place->host, place->why);
    }
    if (connect_start(at, overrides, error))
        return -1;
    PQsetNoticeReceiver(connection->libpq, connect_ignore, NULL);
    PQsetErrorVerbosity(connection->libpq, PQERRORS_VERBOSE);
    return connect_poll(at, error);
}

/* ---- all addresses --------------------------------------------------------------------------------------------- */

static void connect_forget(struct connecting *at)
{
    for (size_t i = 0; i < at->count; i++) {
        free(at->places[i].host);
        free(at->places[i].hostaddr);
        free(at->places[i].port);
    }
    at->count = 0;
}

static size_t list_count(const char *list)
{
    size_t count = list && *list;

    for (; list && *list; list++)
        count += *list == ',';
    return count;
}

/* A copy of one item; NULL: it is empty, or there is no list. */
static char *list_item(const char *list, size_t number)
{
    for (; number > 0; number--)
        list += strcspn(list, ",") + 1;
    const size_t length = list ? strcspn(list, ",") : 0;
    return length ? strndup(list, length) : NULL;
}

static void connect_add(
    struct connecting *at, const char *host, const char *hostaddr, const char *port, const char *why)
{
    if (at->count == CONNECT_PLACES_MAX)
        return;
    at->places[at->count++] = (struct connect_place){.host = host ? strdup(host) : NULL,
        .hostaddr = hostaddr ? strdup(hostaddr) : NULL,
        .port = strdup(port ? port : CONNECT_PORT),
        .why = why};
}

static bool connect_is_name(const char *host)
{
    return host && *host != '/' && *host != '@';
}

/* All addresses of a name. */
static int connect_resolve(struct connecting *at, const char *host, const char *port, struct error *error)
{
    __attribute__((cleanup(lookup_leave))) struct lookup *lookup = NULL;
    const size_t before = at->count;
    char text[NI_MAXHOST];
    const char *why;

    if (lookup_start(&lookup, host, error))
        return -1;
    if (pg_wait(at->connection, lookup_descriptor(lookup), POLLIN, -1) < 0)
        return pg_fail_stopped(at->connection, "looking up its host", error);
    for (const struct addrinfo *one = lookup_found(lookup, &why); one; one = one->ai_next)
        if (getnameinfo(one->ai_addr, one->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0)
            connect_add(at, host, text, port, NULL);
    if (at->count == before)
        connect_add(at, host, NULL, port, why);
    return 0;
}

static int connect_list(
    struct connecting *at, const char *hosts, const char *hostaddrs, const char *ports, struct error *error)
{
    const size_t names = list_count(hosts), addresses = list_count(hostaddrs);
    const size_t count = addresses ? addresses : names, all_ports = list_count(ports);
    int result = 0;

    /* What does not match libpq refuses in its own words. */
    if ((addresses && names && addresses != names) || (all_ports > 1 && all_ports != count))
        return 0;
    for (size_t i = 0; i < count && !result; i++) {
        char *host = names ? list_item(hosts, i) : NULL,
             *hostaddr = addresses ? list_item(hostaddrs, i) : NULL;
        char *port = all_ports ? list_item(ports, all_ports > 1 ? i : 0) : NULL;
        if (!hostaddr && connect_is_name(host))
            result = connect_resolve(at, host, port, error);
        else
            connect_add(at, host, hostaddr, port, NULL);
        free(host);
        free(hostaddr);
        free(port);
    }
    return result;
}

/* As libpq takes it, when it waits itself. */
static int connect_take_timeout(struct connecting *at, const char *said, struct error *error)
{
    char *end;

    errno = 0;
    const long seconds = strtol(said, &end, 10);
    if (errno || *end || seconds > INT_MAX || seconds < INT_MIN) {
        at->connection->database.trouble = DATABASE_REFUSED;
        return error_set(error, ERROR_REJECT,
            "database %s: connect_timeout: \"%.32s\" is not a number of seconds",
            at->connection->database.where, said);
    }
    at->patience = (seconds < CONNECT_TIMEOUT_MOST ? seconds : CONNECT_TIMEOUT_MOST) * INT64_C(1000);
    if (at->patience > 0 && at->patience < CONNECT_TIMEOUT_LEAST * 1000)
        at->patience = CONNECT_TIMEOUT_LEAST * INT64_C(1000);
    return 0;
}

/* What the address, a service file, the environment and libpq's own defaults come to. */
static int connect_ask(struct connecting *at, struct error *error)
{
    /* libpq refuses this before it looks up anything, and without looking for a password; what it was told can be asked for all the same. */
    static const connect_override only_asked[CONNECT_OVERRIDES] = {
        {"sslmode", "only-asked"}, {"password", "none"}};
    const char *hosts = NULL, *hostaddrs = NULL, *ports = NULL;
    int result = 0;

    if (connect_start(at, only_asked, error))
        return -1;
    PQconninfoOption *options = PQconninfo(at->connection->libpq);
    if (!options)
        return error_set(error, ERROR_RETRY, "database %s: out of memory", at->connection->database.where);
    for (const PQconninfoOption *one = options; one->keyword; one++) {
        if (strcmp(one->keyword, "host") == 0)
            hosts = one->val;
        else if (strcmp(one->keyword, "hostaddr") == 0)
            hostaddrs = one->val;
        else if (strcmp(one->keyword, "port") == 0)
            ports = one->val;
        else if (strcmp(one->keyword, "target_session_attrs") == 0)
            at->prefers_standby = one->val && strcmp(one->val, "prefer-standby") == 0;
        else if (strcmp(one->keyword, "connect_timeout") == 0 && one->val)
            result = connect_take_timeout(at, one->val, error);
    }
    at->connection->patience = at->patience;
    if (!result)
        result = connect_list(at, hosts, hostaddrs, ports, error);
    for (const PQconninfoOption *one = options; one->keyword; one++)
        if (one->val && *one->dispchar == '*')
            explicit_bzero(one->val, strlen(one->val));
    PQconninfoFree(options);
    return result;
}

/* The first one that takes the connection. One that refuses it, rather than not to answer, is the last one. */
static int connect_each(const struct connecting *at, const char *session, struct error *error)
{
    for (size_t i = 0; i < at->count; i++) {
        if (connect_to(at, &at->places[i], session, error) == 0)
            return 0;
        if (error->kind != ERROR_RETRY || at->connection->database.trouble == DATABASE_STOPPED)
            return -1;
    }
    return error_wrap(error, "none of %zu addresses takes the connection; the last one", at->count);
}

int pg_connect(struct pg_connection *connection, const struct pg_address *address, struct error *error)
{
    __attribute__((cleanup(connect_forget))) struct connecting at = {
        .connection = connection, .address = address};

    if (connect_ask(&at, error))
        return -1;
    if (at.count < 2)
        return connect_to(&at, at.count ? &at.places[0] : NULL, NULL, error);
    /* With one address libpq would take whatever it is. */
    if (!at.prefers_standby)
        return connect_each(&at, NULL, error);
    if (connect_each(&at, "standby", error) == 0)
        return 0;
    return connection->database.trouble == DATABASE_STOPPED ? -1 : connect_each(&at, "any", error);
}
