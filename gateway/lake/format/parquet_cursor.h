/* parquet_cursor: one column of a row group, read: pages in, values out, one row after the other. For parquet_read.c alone. */
#ifndef PENSTOCK_LAKE_FORMAT_PARQUET_CURSOR_H
#define PENSTOCK_LAKE_FORMAT_PARQUET_CURSOR_H

#include "lake/format/parquet_read.h"
#include "lake/format/parquet_values.h"
#include "lake/format/table_file.h"

/* Where a column's pages are in the file. */
struct parquet_extent {
    uint64_t offset, length;
    enum table_codec codec;
};

struct parquet_cursor {
    const struct column_field *field;
    struct parquet_type type;
    const struct table_source *source;
    struct bytes *packed; /* shared by all columns: of the page that is being read */
    uint64_t at, end; /* in the file */
    enum table_codec codec;

    struct bytes dictionary; /* in the encoding PLAIN */
    struct bytes begins; /* uint32_t: of BYTE_ARRAY, where in it each value begins */
    uint32_t dictionary_count;

    /* The page. */
    struct bytes page, definitions, repetitions; /* a byte a level */
    struct bytes indexes; /* uint32_t */
    bool indexed;
    size_t levels, level; /* how many, and the next one */
    size_t values, value; /* the same of those that are not NULL */
    size_t plain; /* where in the page the next value is */
};

int parquet_cursor_open(struct parquet_cursor *cursor, const struct column_field *field,
    const struct table_source *source, struct bytes *packed, struct error *error);
void parquet_cursor_close(struct parquet_cursor *cursor);
/* The column of the next row group. */
void parquet_cursor_begin(struct parquet_cursor *cursor, const struct parquet_extent *extent);
/* Adds the next row's value. */
int parquet_cursor_take(struct parquet_cursor *cursor, struct column *column, struct error *error);
/* ERROR_REJECT, about a file that is not as its writer makes it. */
int parquet_cursor_complain(struct error *error);

#endif
