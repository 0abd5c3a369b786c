/* lake_internal: the lake and its open files: lake.c (which file, and when it is published), lake_file.c (what becomes of one). Nobody else
 * includes it.
 */
#ifndef PENSTOCK_LAKE_LAKE_INTERNAL_H
#define PENSTOCK_LAKE_LAKE_INTERNAL_H

#include "lake/file_name.h"
#include "lake/format.h"
#include "lake/lake.h"
#include "lake/listing.h"
#include "lake/places.h"
#include "lake/shapes.h"
#include "lake/store.h"

#define LAKE_LARGE_ROW_MAX (384 * 1024 * 1024) /* beyond any record that a journal takes, also in base64 */

/* How rows stand in a file. */
struct lake_form {
    const struct format *format;
    struct row_shape *shape; /* of a table, whose rows are frames until it is published; NULL: lines */
};

struct lake_file {
    struct lake_file *older, *newer;
    struct place *place;
    struct store_file *store; /* NULL until the buffer was full once: quiet paths need no descriptor */
    struct lake_form form;
    uint32_t epoch;
    uint64_t first, last; /* positions */
    uint64_t records, bytes;
    int64_t received; /* of the first record */
    int64_t opened, touched; /* monotonic */
    struct bytes buffer; /* not written yet */
};

struct lake {
    struct lake_options options;
    const struct store_kind *kind;
    struct store *store;
    struct places places;
    struct shapes shapes;
    struct lake_form form; /* of the present row, */
    struct slice kept; /* and what of it stands in the file until that is published */
    struct lake_file *oldest, *newest; /* by first position, which is by age too */
    uint64_t open_files, published;
    uint64_t sequence; /* of the last row */
    int64_t due; /* nothing is due earlier; may be too early */
    bool listings; /* some place may have one */
    bool failed; /* to be closed */
    size_t buffers; /* ceilings of all open files' */
    struct bytes large_row; /* rows that no buffer holds */
};

int lake_file_open(struct lake *lake, struct place *place, const struct lake_row *row, struct error *error);
/* Drops it, published or not. */
void lake_file_free(struct lake *lake, struct lake_file *file);
/* When it is due by its age or its silence. */
int64_t lake_file_due(const struct lake *lake, const struct lake_file *file);
struct format_row lake_parts(const struct lake *lake, const struct lake_row *row);
int lake_file_write(
    struct lake *lake, struct lake_file *file, const struct lake_row *row, struct error *error);
/* What the store is to be told. */
int lake_file_present(
    struct lake *lake, struct lake_file *file, struct store_publication *publication, struct error *error);

#endif
