/* column: rows in typed columns, between what reads a table or a stream and what writes a file of typed values.
 *
 * A batch has room for rows_max rows. Whoever fills it adds one value or NULL to every column and then ends the row; a file writer
 * (lake/format/table_file.h) takes the batch as a whole, and it is cleared and filled anew. Memory: the fixed parts are taken once,
 * the bytes of values of any length grow up to values_max per column. @thread one at a time
 */
#ifndef PENSTOCK_LAKE_COLUMN_H
#define PENSTOCK_LAKE_COLUMN_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"

enum column_type {
    COLUMN_BOOL, /* uint8_t, 0 or 1 */
    COLUMN_INT32,
    COLUMN_INT64,
    COLUMN_FLOAT32,
    COLUMN_FLOAT64,
    COLUMN_DECIMAL, /* unscaled, 16 bytes, two's complement, big-endian; precision 1 to 38, scale 0 to precision */
    COLUMN_DATE, /* int32_t, days since 1970-01-01, proleptic Gregorian; INT32_MIN and _MAX: -infinity, infinity */
    COLUMN_TIME, /* int64_t, microseconds since midnight, 24:00 included */
    COLUMN_TIMESTAMP, /* int64_t, microseconds since 1970-01-01 00:00 of no zone; INT64_MIN and _MAX as above */
    COLUMN_TIMESTAMP_UTC, /* the same, of UTC */
    COLUMN_UUID, /* 16 bytes */
    COLUMN_NUMBER, /* text: a number by JSON's grammar (RFC 8259, 6), or NaN, Infinity, -Infinity */
    COLUMN_STRING, /* UTF-8 */
    COLUMN_JSON, /* UTF-8, one JSON value without raw line breaks */
    COLUMN_BYTES,
    COLUMN_LIST, /* of values of one type that is no list; they may be NULL */
};

#define COLUMN_DECIMAL_PRECISION_MAX 38
/* Rows of a batch, and what the fixed parts of all its columns take at most (a table may have 1,600 columns). */
#define COLUMN_ROWS_MAX 4096
#define COLUMN_ROWS_LEAST 16
#define COLUMN_FIXED_MAX (4u << 20)
/* Of a column's values of any length, the memory that outlives a batch. */
#define COLUMN_VALUES_KEPT (16u << 20)

struct column_field {
    const char *name; /* UTF-8, of any characters */
    enum column_type type;
    uint8_t precision, scale; /* COLUMN_DECIMAL, or the element's */
    enum column_type element; /* COLUMN_LIST */
};

struct column {
    const struct column_field *field;
    size_t rows; /* added so far */
    size_t nulls;
    uint8_t *valid; /* per row: 1, or 0 for NULL */
    char *
        fixed; /* types of a fixed size: column_width() bytes per row, zeros for NULL; aligned for its type */
    uint32_t *
        ends; /* others: where row i ends in `values`, or in the element; it begins where the row before it ends */
    struct bytes values; /* others but lists */
    struct column *element; /* COLUMN_LIST: its rows are the elements of all rows; else NULL */
    size_t rows_max; /* room; that of an element grows */
};

struct column_batch {
    const struct column_field *fields; /* the caller's, must outlive it */
    size_t fields_count; /* may be 0: rows without columns */
    struct column *columns;
    size_t rows; /* ended */
    size_t rows_max;
};

/* Bytes of one value; 0 for types of any length, and for lists. */
size_t column_width(enum column_type type);
/* "timestamp with time zone" and the like, for messages. */
const char *column_type_name(enum column_type type);

/* values_max: of one column's values of any length, in one batch. ERROR_RETRY: no memory. */
int column_batch_new(struct column_batch **ret_batch, const struct column_field *fields, size_t fields_count,
    size_t values_max, struct error *error);
void column_batch_free(struct column_batch **batch);
void column_batch_clear(struct column_batch *batch);

/* Asserts that every column has got its value. The batch is full when rows == rows_max; a filler ends it earlier when the
 * values of any length in it are many (column_batch_bytes()). */
void column_batch_end_row(struct column_batch *batch);
/* Bytes that all values take. */
size_t column_batch_bytes(const struct column_batch *batch);
/* Takes back what was added of a row that has not ended. */
void column_batch_drop_row(struct column_batch *batch);

/* Takes out of a batch of whole rows those whose byte is 0. */
void column_batch_keep(struct column_batch *batch, const uint8_t *keep);

void column_add_null(struct column *column);

/* Of a fixed size; for COLUMN_BOOL to COLUMN_UUID. */
static inline void column_add_fixed(struct column *column, const void *value, size_t width)
{
    assert(column->rows < column->rows_max);
    memcpy(column->fixed + column->rows * width, value, width);
    column->valid[column->rows++] = 1;
}

/* COLUMN_NUMBER to COLUMN_BYTES. ERROR_REJECT: more than values_max; ERROR_RETRY: no memory. */
int column_add_bytes(struct column *column, const void *value, size_t length, struct error *error);

/* A list: its elements are added to column->element first (column_grow() makes room for them), then the list is ended. */
int column_grow(struct column *element, size_t more, struct error *error);
void column_end_list(struct column *column);

static inline uint32_t column_begin(const struct column *column, size_t row)
{
    return row ? column->ends[row - 1] : 0;
}

/* The value of a row that is not NULL, of a type of any length but lists. */
static inline struct slice column_slice(const struct column *column, size_t row)
{
    uint32_t begin = column_begin(column, row);
    return (struct slice){column->values.data + begin, column->ends[row] - begin};
}

#endif
