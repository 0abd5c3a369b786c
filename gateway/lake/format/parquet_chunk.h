/* parquet_chunk: the half of parquet_column that makes pages: levels, the decision between both encodings, bodies. For
 * parquet_column.c alone. @thread the writer's
 */
#ifndef PENSTOCK_LAKE_FORMAT_PARQUET_CHUNK_H
#define PENSTOCK_LAKE_FORMAT_PARQUET_CHUNK_H

#include "lake/format/parquet_column.h"

/* In front of a page's values, for levels that are short: the body needs no copy then. */
#define PARQUET_LEVELS_GAP 16

/* There is an empty page to be filled. */
int parquet_chunk_begin_page(struct parquet_column *column, struct error *error);
/* The last page is whole; none is open behind it. */
int parquet_chunk_end_page(struct parquet_column *column, struct error *error);
/* Decides what is undecided; then the last page, which is open, and those to come are PLAIN. */
int parquet_chunk_leave_dictionary(struct parquet_column *column, struct error *error);
/* Bytes that so many values take as indexes, with the dictionary. */
size_t parquet_chunk_indexed_size(const struct parquet_column *column, size_t values);
int parquet_chunk_finish(struct parquet_column *column, struct error *error);

#endif
