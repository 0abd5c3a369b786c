/* connection: one connection to a PostgreSQL server, through libpq; room-internal.
 *
 * Every call waits for the server and for pg_connection_stop() at the same time, so that nothing hangs on a server that does not answer. The session
 * says what every import relies on (connection.c: session_settings); its search_path is empty, so that nobody's functions are called by accident.
 * @thread one at a time, pg_connection_stop(): any
 */
#ifndef PENSTOCK_TABLE_POSTGRES_CONNECTION_H
#define PENSTOCK_TABLE_POSTGRES_CONNECTION_H

#include <libpq-fe.h>
#include <stdatomic.h>

#include "table/database.h"
#include "table/postgres/address.h"

#define PG_VERSION_LEAST 100000
#define PG_STATE_LENGTH 5

struct database {
    struct pg_address *address;
    const atomic_bool *stop; /* NULL: none */
    atomic_bool pool_known; /* a pooler is before the server, and it has been looked at */
};

struct pg_read_state; /* read.c: what is kept from split to split */

struct pg_connection {
    struct database_connection database; /* first: the one is the other */
    PGconn *libpq;
    int wake; /* eventfd: stop() */
    atomic_bool stopped;
    const atomic_bool *stop; /* as the database has it */
    int64_t patience; /* milliseconds of silence while the session is set up; 0: any */
    char state[PG_STATE_LENGTH + 1]; /* SQLSTATE of the last error, or "" */
    char *search_path; /* as the user has it */
    char *schemas; /* what of it is there, as the text of an array */
    bool sql_ascii;
    int server; /* pid of the server's process */
    bool pooled; /* somebody stands between us and it: another one may answer next time */
    struct pg_read_state *reading;
};

static inline struct pg_connection *pg_connection_of(struct database_connection *connection)
{
    return (struct pg_connection *)connection;
}

int pg_connection_open(
    struct database *database, struct database_connection **ret_connection, struct error *error);
void pg_connection_close(struct database_connection **connection);
void pg_connection_stop(struct database_connection *connection);

/* connect.c: to the first address that takes the connection; connect_timeout for each. Sets libpq, where, trouble and
 * patience: what was there to take the connection has to answer, too, before it counts as a server. */
int pg_connect(struct pg_connection *connection, const struct pg_address *address, struct error *error);

static inline void pg_result_free(PGresult **result)
{
    PQclear(*result);
    *result = NULL;
}
#define cleanup_result __attribute__((cleanup(pg_result_free)))

static inline void pg_text_free(char **text)
{
    PQfreemem(*text);
    *text = NULL;
}
#define cleanup_pg_text __attribute__((cleanup(pg_text_free)))

/* One or several commands without results. `what` says for errors what was being done: "locking table x". */
int pg_run(struct pg_connection *connection, const char *what, const char *sql, struct error *error);

/* How many rows and columns a result has. */
struct pg_shape {
    int rows, fields;
};
#define PG_ANY (-1)
#define PG_ROW(fields) ((struct pg_shape){1, (fields)})
#define PG_ROWS(fields) ((struct pg_shape){PG_ANY, (fields)})

/* One statement with text parameters (NULL: NULL) and a result in text. A result of another shape is an error. */
int pg_query(struct pg_connection *connection, const char *what, const char *sql, int count,
    const char *const *values, struct pg_shape shape, PGresult **ret_result, struct error *error);

/* Waits for the first result of what was sent, whatever it is; NULL: there is none left. */
int pg_await(struct pg_connection *connection, const char *what, PGresult **ret_result, struct error *error);
/* Waits for all results of what was sent: the last one, or the first error. */
int pg_await_all(
    struct pg_connection *connection, const char *what, PGresult **ret_result, struct error *error);
/* Waits until there is something to read, or -1: stopped, or silent for longer than patience. */
int pg_wait_readable(struct pg_connection *connection, const char *what, struct error *error);

/* The error of a result, or of the connection where result is NULL; sets trouble and state. Always -1. */
int pg_fail(struct pg_connection *connection, const char *what, const PGresult *result, struct error *error);

int pg_fail_stopped(struct pg_connection *connection, const char *what, struct error *error);
/* Messages of libpq come with a line break at their end, and some in several lines. */
void pg_trim(char *text);

/* Until a descriptor is ready for events, or until the deadline (milliseconds from now; -1: none). 1: ready, 0: too late, -1: stopped. */
int pg_wait(struct pg_connection *connection, int fd, short events, int timeout);
/* The same, of the connection's socket. */
int pg_wait_socket(struct pg_connection *connection, short events, int timeout);

/* Is it still the process that the session was set up with? Asked in a transaction, which stays with one. */
int pg_session_check(struct pg_connection *connection, struct error *error);

/* Asks the server to end what it is doing. */
void pg_cancel(struct pg_connection *connection);

/* Of a result's field; NULL stays NULL. */
static inline const char *pg_value(const PGresult *result, int row, int field)
{
    return PQgetisnull(result, row, field) ? NULL : PQgetvalue(result, row, field);
}

/* What a SQLSTATE means. Pure. */
void pg_state_judge(const char *state, enum error_kind *ret_kind, enum database_trouble *ret_trouble);

#endif
