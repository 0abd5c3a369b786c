/* copy: what COPY ... TO STDOUT (FORMAT binary) sends, row by row into a batch. One message of the protocol (CopyData, PQgetCopyData()) is one
 * row; the first has the header in front of its row or of the end. Anything else is refused. No I/O. @thread one at a time
 *
 * Format: PostgreSQL's documentation of COPY, "Binary Format".
 */
#ifndef PENSTOCK_TABLE_POSTGRES_COPY_H
#define PENSTOCK_TABLE_POSTGRES_COPY_H

#include "table/postgres/decode.h"

struct pg_copy;

struct pg_copy_options {
    const struct pg_mapping *mappings; /* one per column, with names; must outlive the reader */
    size_t columns;
    const struct pg_type_options *types;
    size_t row_max; /* bytes of a row as it is sent */
    size_t key; /* the column whose least and greatest value are wanted, or PG_COPY_NO_KEY */
};

#define PG_COPY_NO_KEY SIZE_MAX

/* Of a column of whole numbers, dates or timestamps (as column.h has them, infinities and NULL left out); others have none. */
struct pg_copy_key {
    bool known;
    int64_t least, greatest;
};

struct pg_copy_column {
    uint64_t nulls; /* in the table; those that pg_counts knows come in addition */
    struct pg_counts counts;
};

int pg_copy_new(struct pg_copy **ret_copy, const struct pg_copy_options *options, struct error *error);
void pg_copy_free(struct pg_copy **copy);

/* For the next COPY with the same columns: expects a header again; rows and counts start at 0. */
void pg_copy_start(struct pg_copy *copy);

enum pg_copy_result {
    PG_COPY_ROW, /* the batch has one row more */
    PG_COPY_NOTHING, /* a header without a row */
    PG_COPY_END, /* the trailer: nothing may follow */
    PG_COPY_FULL, /* nothing was taken: write the batch, clear it, and give the same message again */
};

/* ERROR_REJECT: broken, or a value that cannot be held, with column and row (from 1) in the text; the batch is as before. batch's fields are
 * those of the mappings, in their order. */
int pg_copy_add(struct pg_copy *copy, struct slice message, struct column_batch *batch,
    enum pg_copy_result *ret_result, struct error *error);
/* When the server says that the COPY is over: ERROR_RETRY when the trailer was not seen. */
int pg_copy_finish(const struct pg_copy *copy, struct error *error);

uint64_t pg_copy_rows(const struct pg_copy *copy);
/* Of the rows so far: table/checksum.h. */
uint64_t pg_copy_checksum(const struct pg_copy *copy);
/* One per column of the options. */
const struct pg_copy_column *pg_copy_columns(const struct pg_copy *copy);
struct pg_copy_key pg_copy_key(const struct pg_copy *copy);

#endif
