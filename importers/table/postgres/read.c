/* read: see read.h
 *
 * One message is one row, in libpq's memory until it is taken apart. Memory: a batch, and the row under way, up to row_max of it
 * twice: libpq keeps what it has received.
 */
#include "table/postgres/read.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "table/postgres/copy.h"
#include "table/postgres/split.h"

#define READ_STATEMENT ((size_t)20 << 20)

/* The reader and the batch of the table that was read last: its next split needs the same. */
struct pg_read_state {
    const struct table *table;
    size_t row_max;
    struct pg_copy *copy;
    struct column_batch *batch;
    struct read_column *columns;
};

struct reading {
    struct pg_connection *connection;
    struct pg_read_state *state;
    const struct table_sink_batch *sink;
    size_t batch_bytes;
    uint64_t bytes;
    size_t looked; /* rows of the batch when its size was looked at last */
};

void pg_read_state_free(struct pg_read_state **state)
{
    if (!*state)
        return;
    pg_copy_free(&(*state)->copy);
    column_batch_free(&(*state)->batch);
    free((*state)->columns);
    free(*state);
    *state = NULL;
}

/* The texts of types that are not read in binary. The session has the settings that these are decoded for otherwise. */
static int read_set_look(struct pg_connection *connection, const struct table *table, struct error *error)
{
    return table->detail->types->copied
               ? pg_run(connection, "setting up the session", "SET IntervalStyle TO postgres", error)
               : 0;
}

static int read_prepare(
    struct pg_connection *connection, const struct table *table, size_t row_max, struct error *error)
{
    __attribute__((cleanup(pg_read_state_free))) struct pg_read_state *state = NULL;

    if (connection->reading && connection->reading->table == table &&
        connection->reading->row_max == row_max) {
        pg_copy_start(connection->reading->copy);
        column_batch_clear(connection->reading->batch);
        return 0;
    }
    pg_read_state_free(&connection->reading);
    state = calloc(1, sizeof *state);
    if (!state)
        return error_set(error, ERROR_RETRY, "reading: out of memory");
    *state = (struct pg_read_state){.table = table, .row_max = row_max};
    state->columns = calloc(table->columns_count + 1, sizeof *state->columns);
    const struct pg_copy_options options = {
        .mappings = table->detail->mappings,
        .columns = table->columns_count,
        .types = table->detail->types,
        .row_max = row_max,
        .key = table->detail->key,
    };
    if (!state->columns)
        return error_set(error, ERROR_RETRY, "reading: out of memory");
    if (read_set_look(connection, table, error) || pg_copy_new(&state->copy, &options, error) ||
        column_batch_new(&state->batch, table->fields, table->columns_count, UINT32_MAX, error))
        return -1;
    connection->reading = state;
    state = NULL;
    return 0;
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static int read_hand_on(struct reading *reading, struct error *error)
{
    struct column_batch *batch = reading->state->batch;

    if (batch->rows == 0)
        return 0;
    if (reading->sink->take(reading->sink->context, batch, error))
        return -1;
    column_batch_clear(batch);
    reading->looked = 0;
    return 0;
}

/* Counting a batch's bytes goes over all columns: not at every row, but at a row that alone is large. */
static bool read_is_full(struct reading *reading, size_t length)
{
    const struct column_batch *batch = reading->state->batch;

    if (batch->rows == batch->rows_max)
        return true;
    if (length < reading->batch_bytes / 16 && batch->rows - reading->looked < 64)
        return false;
    reading->looked = batch->rows;
    return column_batch_bytes(batch) >= reading->batch_bytes;
}

static int read_row(struct reading *reading, struct slice message, struct error *error)
{
    enum pg_copy_result result;

    reading->bytes += message.length;
    if (pg_copy_add(reading->state->copy, message, reading->state->batch, &result, error))
        return -1;
    if (result == PG_COPY_FULL &&
        (read_hand_on(reading, error) ||
            pg_copy_add(reading->state->copy, message, reading->state->batch, &result, error)))
        return -1;
    return 0;
}

static int read_rows(struct reading *reading, struct error *error)
{
    PGconn *libpq = reading->connection->libpq;

    for (;;) {
        cleanup_pg_text char *message = NULL;
        const int length = PQgetCopyData(libpq, &message, 1);
        if (length == 0) {
            if (pg_wait_readable(reading->connection, "reading rows", error))
                return -1;
        } else if (length == -1)
            return 0;
        else if (length < 0)
            return pg_fail(reading->connection, "reading rows", NULL, error);
        else if (atomic_load_explicit(&reading->connection->stopped, memory_order_relaxed)) {
            pg_cancel(reading->connection);
            return pg_fail(reading->connection, "reading rows", NULL, error);
        } else if (read_row(reading, (struct slice){message, (size_t)length}, error))
            return -1;
        else {
            /* A long row is in the batch now; writing it takes memory enough. */
            PQfreemem(message);
            message = NULL;
            if (read_is_full(reading, (size_t)length) && read_hand_on(reading, error))
                return -1;
        }
    }
}

/* ---- the statement --------------------------------------------------------------------------------------------- */

static int read_begin(struct pg_connection *connection, const struct table *table, const struct split *split,
    struct error *error)
{
    cleanup_bytes struct bytes sql;
    cleanup_result PGresult *begun = NULL;

    bytes_init(&sql, READ_STATEMENT);
    if (pg_split_sql(connection, table, split, &sql, error))
        return -1;
    /* The extended protocol takes one statement, whatever is in it. */
    if (!PQsendQueryParams(connection->libpq, sql.data, 0, NULL, NULL, NULL, NULL, 0))
        return pg_fail(connection, "reading rows", NULL, error);
    if (pg_await(connection, "reading rows", &begun, error))
        return -1;
    return PQresultStatus(begun) == PGRES_COPY_OUT ? 0 : pg_fail(connection, "reading rows", begun, error);
}

/* "COPY 42" */
static int read_end(struct reading *reading, struct error *error)
{
    cleanup_result PGresult *ended = NULL;
    const uint64_t rows = pg_copy_rows(reading->state->copy);

    if (pg_await_all(reading->connection, "reading rows", &ended, error) ||
        pg_copy_finish(reading->state->copy, error))
        return -1;
    const char *tag = PQcmdTuples(ended);
    if (*tag == '\0' || strtoull(tag, NULL, 10) != rows)
        return error_set(error, ERROR_RETRY,
            "%s: the server says that it sent %s rows, %" PRIu64 " have come",
            reading->connection->database.where, *tag ? tag : "no", rows);
    return read_hand_on(reading, error);
}

static void read_tell(
    const struct reading *reading, const struct table *table, struct read_result *ret_result)
{
    const struct pg_copy_column *found = pg_copy_columns(reading->state->copy);
    const struct pg_copy_key key = pg_copy_key(reading->state->copy);

    for (size_t i = 0; i < table->columns_count; i++)
        reading->state->columns[i] = (struct read_column){.nulls = found[i].nulls,
            .nulled = found[i].counts.nulled,
            .rounded = found[i].counts.rounded,
            .bounds = found[i].counts.bounds};
    *ret_result = (struct read_result){.rows = pg_copy_rows(reading->state->copy),
        .bytes = reading->bytes,
        .checksum = pg_copy_checksum(reading->state->copy),
        .key_known = key.known,
        .key_least = key.least,
        .key_greatest = key.greatest,
        .columns = reading->state->columns};
}

int pg_read(struct database_connection *connection, const struct table *table, const struct split *split,
    const struct read_options *options, const struct table_sink_batch *sink, struct read_result *ret_result,
    struct error *error)
{
    struct pg_connection *own = pg_connection_of(connection);

    connection->trouble = DATABASE_FINE;
    if (read_prepare(own, table, options->row_max ? options->row_max : READ_ROW_MAX, error))
        return -1;
    struct reading reading = {
        .connection = own,
        .state = own->reading,
        .sink = sink,
        .batch_bytes = options->batch_bytes ? options->batch_bytes : READ_BATCH_BYTES,
    };
    if (read_begin(own, table, split, error) || read_rows(&reading, error) || read_end(&reading, error))
        return error_wrap(error, "table %s, split %u", table->title, split->number);
    read_tell(&reading, table, ret_result);
    return 0;
}
