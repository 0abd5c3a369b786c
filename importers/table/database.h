/* database: what an import wants of the database that its tables are in, one row of functions per kind of database.
 *
 * An import opens the database once (struct database: where it is and who asks), describes the tables over a connection of its own, lets a
 * keeper connection hold one snapshot of all of them, and reads splits over one connection per worker, each of which sees the keeper's
 * snapshot. Failures are a struct error, as everywhere; connection->trouble says what of the database's own stands behind the last one.
 * @thread a database: any, a connection: one at a time, but stop() any
 */
#ifndef PENSTOCK_TABLE_DATABASE_H
#define PENSTOCK_TABLE_DATABASE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "lake/column.h"
#include "table/increment.h"
#include "table/plan.h"

/* What types become in the files: table/postgres/type.h; the choices are the same for every database. */
struct pg_type_options;

/* Where the database is, and who asks. All members may be NULL or 0; texts are the caller's and only looked at by open(). A part overrides
 * what the address says of it. */
struct database_login {
    const char *address; /* a URL, or what else the database takes as an address */
    const char *host, *port, *name, *user;
    const char *password; /* from a prompt; beats the file */
    const char *password_file; /* of this one password */
    const char *tls_mode, *tls_ca, *tls_certificate, *tls_key;
    unsigned connect_timeout; /* seconds, for one address; 0: 30 */
    const atomic_bool *
        stop; /* a signal handler may set it, and all connections are stopped, also those that are being made */
};

/* What stands behind the last error of a connection. */
enum database_trouble {
    DATABASE_FINE,
    DATABASE_LOST, /* the connection is gone, or the server went down: connect again */
    DATABASE_CANCELLED, /* the server ended the statement; the connection may still be there */
    DATABASE_STOPPED, /* stop() was called */
    DATABASE_BUSY, /* somebody else holds a lock, or all connections */
    DATABASE_GONE, /* the snapshot is not there any more */
    DATABASE_CHANGED, /* a table is no more what was described */
    DATABASE_REFUSED, /* privileges, log-in, SQL: it would fail again */
};

#define DATABASE_WHERE_MAX 320
#define DATABASE_LOCK_WAIT 10000

struct database; /* opened: read only from then on */

struct database_connection {
    const struct database_kind *kind;
    enum database_trouble trouble;
    bool standby;
    uint32_t version; /* 150018 */
    uint64_t system; /* identifies the database's files, whatever its address; 0: not to be had */
    char where[DATABASE_WHERE_MAX]; /* "db.example:5432/telemetry", never a secret */
};

/* ---- what is to be read ---------------------------------------------------------------------------------------- */

struct table_selection {
    const char *const
        *names; /* as the user writes them: t, s.t, "s"."T", s.* (all of a schema), * (all schemas) */
    size_t names_count;
    const char *const *excluded; /* in the same way; only wildcards are thinned out */
    size_t excluded_count;
    const char *query; /* instead of names: one SELECT; NULL: none */
    const char *const *columns; /* exact names, in this order; NULL: all */
    size_t columns_count;
    const char *const *casts; /* "COLUMN=TYPE": the server casts it, in those tables that have it */
    size_t casts_count;
    const char *where; /* the operator's own SQL condition; NULL: none */
    const char *
        bounds; /* one SELECT of two values: of the only table those rows whose bounds_column is between them; NULL: all */
    const char *bounds_column; /* exact, or in small letters; NULL: the first one of the primary key */
    bool views; /* wildcards take views, too */
    unsigned
        lock_wait; /* milliseconds that somebody's exclusive lock may be waited for; 0: DATABASE_LOCK_WAIT */
    const struct pg_type_options *types; /* must outlive the list */
};

enum table_kind {
    TABLE_PLAIN,
    TABLE_PARTITIONED, /* the rows are in its parts; so are those of a parent with inheriting tables */
    TABLE_VIEW,
    TABLE_MATERIALIZED,
    TABLE_FOREIGN,
    TABLE_QUERY,
};

struct table_column {
    const char *name; /* UTF-8, of any characters */
    const char *type; /* as the database writes it: "numeric(10,2)" */
    bool not_null;
    bool generated;
    unsigned key; /* place in the primary key, from 1; 0: not in it */
};

/* One thing with rows of its own: the table, or one of its partitions. */
struct table_part {
    const char *schema, *name;
    uint64_t id; /* the database's own: oid */
    uint64_t storage; /* changes when the rows move as a whole: relfilenode; 0: none */
    uint64_t pages, bytes;
    double rows; /* estimate; negative: unknown */
    bool paged; /* can be cut by pages */
    bool indexed; /* `key` leads an index */
    const char *key; /* a column that it can be cut by; NULL: none */
};

struct table_detail;

struct table {
    const char *schema, *name; /* "" of a query */
    const char *title; /* for people: schema.name, or "the query" */
    enum table_kind kind;
    struct table_column *columns;
    struct column_field *fields; /* what a reader of the table fills, as many; names are the columns' */
    size_t columns_count;
    struct table_part *parts;
    size_t parts_count;
    uint64_t
        fingerprint; /* of names, types and order of the columns, and of the parts' ids; not of the storage */
    bool filtered; /* the database shows this user some rows only (row security) */
    const char *where; /* NULL: none */
    bool narrowed; /* `where` is an increment's, too: it may leave few rows */
    struct table_detail *detail; /* the database's own */
};

struct table_list {
    struct table **tables; /* sorted by schema and name, each once */
    size_t count;
};

/* ---- one snapshot of all tables -------------------------------------------------------------------------------------- */

#define SNAPSHOT_ID_MAX 64

struct snapshot {
    char id[SNAPSHOT_ID_MAX]; /* empty: none, each statement sees the moment it begins */
    char position[SNAPSHOT_ID_MAX]; /* in the database's log, when it was taken */
    int64_t taken; /* wall clock of the server, microseconds since 1970 */
};

struct snapshot_options {
    unsigned lock_wait; /* milliseconds that locks may be waited for; 0: not at all */
    bool not_consistent; /* asked for by name: no snapshot, no locks */
};

/* How far standbys are behind, in microseconds: a standby itself, or the slowest that this server feeds. */
struct database_lag {
    int64_t behind;
    bool hidden; /* there are standbys, and this user may not see how far they are */
};

/* ---- reading --------------------------------------------------------------------------------------------------- */

/* Takes the rows of a batch; it is cleared afterwards. Returns -1 with its own error. */
struct table_sink_batch {
    int (*take)(void *context, struct column_batch *batch, struct error *error);
    void *context;
};

struct read_options {
    size_t row_max; /* bytes of one row as the database sends it; 0: READ_ROW_MAX */
    size_t batch_bytes; /* a batch is handed on when it holds so many; 0: READ_BATCH_BYTES */
};

#define READ_ROW_MAX ((size_t)1 << 30)
#define READ_BATCH_BYTES ((size_t)4 << 20)

/* What was read of one column. */
struct read_column {
    uint64_t nulls; /* of the table's */
    uint64_t nulled, rounded, bounds; /* what an option changed: table/postgres/decode.h */
};

struct read_result {
    uint64_t rows;
    uint64_t bytes; /* as they came */
    uint64_t checksum; /* table/checksum.h: of the rows as they came */
    bool key_known; /* the first column of the primary key is of whole numbers, dates or timestamps: */
    int64_t key_least, key_greatest; /* as lake/column.h has them */
    const struct read_column
        *columns; /* one per column of the table; the connection's, until its next call */
};

/* ---- what people ask apart from an import ---------------------------------------------------------------------- */

enum database_names {
    DATABASE_DATABASES, /* of the server */
    DATABASE_TABLES, /* of a schema: no views; partitions, too */
};

/* Takes a name, which is the database's own: UTF-8 of any characters. Returns -1 with its own error. */
struct database_name_taker {
    int (*take)(void *context, const char *name, struct error *error);
    void *context;
};

/* A column of an answer; type and modifier are the database's own numbers. */
struct database_column {
    const char *name;
    uint32_t type;
    int32_t modifier; /* -1: none */
};

/* Takes what statements answer, row by row, texts as the database writes them. Each returns -1 with its own error. */
struct database_answer_taker {
    int (*begin)(void *context, const struct database_column *columns, size_t count, struct error *error);
    int (*row)(void *context, const char *const *values, size_t count, struct error *error); /* NULL: NULL */
    int (*end)(void *context, struct error *error);
    int (*changed)(void *context, const char *rows,
        struct error *error); /* of a statement without an answer: how many */
    void *context;
};

/* ---- the row of functions ------------------------------------------------------------------------------------------ */

struct database_kind {
    const char *name; /* "postgresql" */

    /* ERROR_REJECT: what the user said cannot be. No connection is made. */
    int (*open)(const struct database_login *login, struct database **ret_database, struct error *error);
    /* What was chosen for the user, for people: "sslmode=require: ..."; "" when nothing. */
    const char *(*notice)(const struct database *database);
    void (*close)(struct database **database);

    /* Writes over the secrets in an address, which other users see where it stands on a command line: false when there are none. */
    bool (*hide)(char *address);

    /* ERROR_RETRY: not now; ERROR_FATAL: not this way. */
    int (*connect)(
        struct database *database, struct database_connection **ret_connection, struct error *error);
    void (*disconnect)(struct database_connection **connection);
    /* Whatever the connection does ends soon with ERROR_RETRY and DATABASE_STOPPED; so does all that is asked of it later. @thread any; safe in a
     * signal handler */
    void (*stop)(struct database_connection *connection);

    /* ERROR_REJECT: a name that is not there, or that cannot be read, or columns that no format could hold. */
    int (*describe)(struct database_connection *connection, const struct table_selection *selection,
        struct table_list **ret_list, struct error *error);
    void (*list_free)(struct table_list **list);

    /* Of an incremental import: the bound up to which this table can be read, and the wait for those who write to it, `wait` milliseconds at most (ERROR_RETRY). The
     * snapshot is taken afterwards. ERROR_REJECT: the column or the last value is no good. */
    int (*bound)(struct database_connection *connection, const struct table *table,
        const struct increment_options *options, unsigned wait, struct increment *ret_increment,
        struct error *error);
    /* Makes it part of the condition of the list's first table. */
    int (*narrow)(struct database_connection *connection, struct table_list *list,
        const struct increment *increment, struct error *error);

    /* Cuts a table into splits; see plan.h. */
    int (*plan)(struct database_connection *connection, const struct table *table,
        const struct plan_options *options, struct plan **ret_plan, struct error *error);
    /* The statement that reads the split, for people. */
    int (*explain)(struct database_connection *connection, const struct table *table,
        const struct split *split, struct bytes *text, struct error *error);

    /* The keeper: waits for the locks of all tables, looks whether they are still what was described (DATABASE_CHANGED), and holds a
     * snapshot until the connection ends. */
    int (*hold)(struct database_connection *connection, const struct table_list *list,
        const struct snapshot_options *options, struct snapshot *ret_snapshot, struct error *error);
    /* Is the keeper's transaction still there? */
    int (*check)(struct database_connection *connection, struct error *error);
    int (*lag)(struct database_connection *connection, struct database_lag *ret_lag, struct error *error);
    /* A worker: sees the snapshot and holds the locks until its connection ends. All workers do so before the first of them reads.
     * DATABASE_GONE: there is no such snapshot; DATABASE_BUSY: a lock was not to be had in time, go on with fewer workers. */
    int (*adopt)(struct database_connection *connection, const struct table_list *list,
        const struct snapshot *snapshot, const struct snapshot_options *options, struct error *error);

    /* Reads one split. After a failure the connection is good for disconnect() only. ERROR_RETRY: again on a new connection; ERROR_REJECT: a
     * value or row that cannot be taken; ERROR_FATAL. */
    int (*read)(struct database_connection *connection, const struct table *table, const struct split *split,
        const struct read_options *options, const struct table_sink_batch *sink,
        struct read_result *ret_result, struct error *error);

    /* Names, in the order of their bytes. schema: its exact name, for tables only; NULL: the one that comes first in the user's search path. */
    int (*list_names)(struct database_connection *connection, enum database_names which, const char *schema,
        const struct database_name_taker *taker, struct error *error);

    /* Runs the operator's own statements, which may write, in one transaction, and commits it. The session has the user's own settings from then on, but times are
     * in UTC. After a failure nothing has been done, and the connection is good for disconnect() only. */
    int (*evaluate)(struct database_connection *connection, const char *sql,
        const struct database_answer_taker *taker, struct error *error);
};

extern const struct database_kind database_postgres;

#endif
