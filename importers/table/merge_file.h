/* merge_file: the rows of a file that an import has written, one after the other, for whoever wants to know their keys and to copy some of them; see job_merge.c. Delimited text, whose gzip and zstd are
 * unpacked, as the file's name says, and Avro are read once, and no more of their values than the key is looked at; Parquet (merge_parquet.c) is read twice, and its values become columns again. @thread one at a time
 */
#ifndef PENSTOCK_TABLE_MERGE_FILE_H
#define PENSTOCK_TABLE_MERGE_FILE_H

#include "lake/format/table_file.h"
#include "table/manifest.h"

#define MERGE_ROW_MAX ((size_t)2 << 30) /* bytes of a row of text, and of a block of Avro */

/* What rows look like, and what of them is the key. */
struct merge_rows {
    const struct table_file_options
        *options; /* of the file that they are copied to; the codec may be another one */
    const struct column_field *fields;
    size_t fields_count;
    size_t key[TABLE_ROW_WANTED_MAX], key_count; /* fields */
};

struct merge_file {
    int fd; /* the caller's */
    const char *path; /* for people */
    struct manifest_file file; /* what it is to be */
    const struct merge_rows *rows;
};

/* One row as it stands in the file, or a batch of whole rows. */
struct merge_piece {
    struct slice text; /* of text and Avro */
    const struct column_batch *batch; /* of Parquet; else NULL */
};

/* fields: those of the key; text: of text and Avro only. */
typedef int merge_row_fn(void *context, const struct table_row *row, bool *ret_keep, struct error *error);
/* Those that are kept, in their order. */
typedef int merge_copy_fn(void *context, const struct merge_piece *piece, struct error *error);
/* Called now and then; true ends it. */
typedef bool merge_stop_fn(void *context);

struct merge_visit {
    merge_row_fn *row;
    merge_copy_fn *copy;
    merge_stop_fn *stop;
    void *context;
};

/* ERROR_REJECT: rows of this form cannot be found again. */
int merge_rows_check(const struct merge_rows *rows, struct error *error);
#define MERGE_SHOWN 24
/* A field of the key for people, as it is or in `number`; nothing of types that are not text and no whole numbers. */
struct slice merge_rows_show(
    const struct merge_rows *rows, size_t key, struct slice value, char number[static MERGE_SHOWN]);

/* ERROR_REJECT: it is not what the manifest says, or its rows cannot be told apart: not so many are found as there are; what was visited means nothing then.
 * ERROR_RETRY: stopped, or no memory; ERROR_FATAL: it cannot be read. Errors of visit are passed on. */
int merge_file_read(const struct merge_file *file, const struct merge_visit *visit, struct error *error);

/* Of Parquet, for merge_file.c alone. */
int merge_parquet_read(const struct merge_file *file, const struct merge_visit *visit, struct error *error);
int merge_bytes_complain(const struct merge_file *file, struct error *error);
int merge_rows_complain(const struct merge_file *file, uint64_t rows, const char *why, struct error *error);

#endif
