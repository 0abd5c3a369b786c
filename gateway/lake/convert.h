/* convert: the rows of an open file become a file of a table.
 *
 * An open file of a table holds frames (format_frame.c), in its buffer and in what the store keeps for it, so that thousands may be open at once; when it is
 * published they go once through one batch of columns and one writer, into another file of the store. Room-internal. @thread the lake's
 */
#ifndef PENSTOCK_LAKE_CONVERT_H
#define PENSTOCK_LAKE_CONVERT_H

#include "lake/row.h"
#include "lake/store.h"

struct convert {
    const struct store_kind *kind;
    struct store *store;
    struct row_shape *shape;
    const char *gateway_id;
    uint32_t epoch;
    const struct store_file *frames; /* NULL: all of them stand in the rest */
    struct slice rest; /* behind those */
};

/* Every failure is ERROR_RETRY. */
int convert_frames(const struct convert *convert, struct store_file **ret_file, struct error *error);

#endif
