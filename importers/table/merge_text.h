/* merge_text: the rows of a file of delimited text that an import has written, one after the other; see job_merge.c. gzip and zstd are unpacked, as the file's name says.
 * @thread one at a time
 */
#ifndef PENSTOCK_TABLE_MERGE_TEXT_H
#define PENSTOCK_TABLE_MERGE_TEXT_H

#include "lake/format/delimited_rows.h"
#include "table/manifest.h"

#define MERGE_ROW_MAX ((size_t)2 << 30) /* bytes of a row, as text */

struct merge_text {
    int fd; /* the caller's */
    const char *path; /* for people */
    struct manifest_file file; /* what it is to be */
    bool header; /* its first row is none */
};

/* fields: those that are wanted. */
typedef int merge_row_fn(void *context, const struct delimited_row *row, struct error *error);
/* Called now and then; true ends it. */
typedef bool merge_stop_fn(void *context);

struct merge_visit {
    merge_row_fn *row;
    merge_stop_fn *stop;
    void *context;
};

/* rows are begun anew. ERROR_REJECT: it is not what the manifest says, or its rows cannot be told apart: not so many are found as there are; what was visited means nothing then.
 * ERROR_RETRY: stopped, or no memory; ERROR_FATAL: it cannot be read. Errors of visit are passed on. */
int merge_text_read(const struct merge_text *text, struct delimited_rows rows,
    const struct merge_visit *visit, struct error *error);

#endif
