/* read: one split, as COPY sends it, into batches of typed columns; room-internal. */
#ifndef PENSTOCK_TABLE_POSTGRES_READ_H
#define PENSTOCK_TABLE_POSTGRES_READ_H

#include "table/postgres/connection.h"

int pg_read(struct database_connection *connection, const struct table *table, const struct split *split,
    const struct read_options *options, const struct table_sink_batch *sink, struct read_result *ret_result,
    struct error *error);

void pg_read_state_free(struct pg_read_state **state);

#endif
