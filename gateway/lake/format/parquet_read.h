/* parquet_read: the rows of a Parquet file that parquet.c has written, in typed columns again, from the first to the last.
 *
 * The file has to have the schema that its writer gives to these fields, so that nobody need parse it; any codec of the writer's is read. Of the format is read what the writer
 * writes: data pages of version 1, PLAIN and RLE_DICTIONARY. Memory: the footer, and of each column one page and the dictionary, whose sizes the writer bounds over all columns. No I/O of its own:
 * bytes come through the caller's source. @thread one at a time
 */
#ifndef PENSTOCK_LAKE_FORMAT_PARQUET_READ_H
#define PENSTOCK_LAKE_FORMAT_PARQUET_READ_H

#include "lake/column.h"

/* So many bytes of the file from offset on; returns -1 with its own error when it cannot. */
struct table_source {
    int (*read)(void *context, void *data, size_t length, uint64_t offset, struct error *error);
    void *context;
    uint64_t length; /* of the file */
};

struct parquet_read;

/* name: of the root. fields: the caller's, must outlive it, as what the source points to. ERROR_REJECT: it is no such file, has another schema, or is damaged; ERROR_RETRY: no memory. */
int parquet_read_open(struct parquet_read **ret_read, const char *name, const struct column_field *fields,
    size_t fields_count, const struct table_source *source, struct error *error);
void parquet_read_close(struct parquet_read **read);
/* Fills the batch, which is empty and of these fields, with the rows that come next, as many as it takes and some bytes_max bytes of them at most; one at least. None: there are no more.
 * ERROR_REJECT: damaged. */
int parquet_read_rows(
    struct parquet_read *read, struct column_batch *batch, size_t bytes_max, struct error *error);

#endif
