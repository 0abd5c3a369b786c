/* shapes: what rows look like as rows of a table, once for each rendering. There are few renderings, so a shape stays as long as the
 * lake is open. Room-internal. @thread the lake's
 */
#ifndef PENSTOCK_LAKE_SHAPES_H
#define PENSTOCK_LAKE_SHAPES_H

#include "lake/row.h"

#define SHAPES_BUCKETS 64

struct shapes {
    struct shape *buckets[SHAPES_BUCKETS]; /* by the rendering's id */
};

/* The rendering must outlive them. ERROR_RETRY: no memory. */
int shapes_get(struct shapes *shapes, const struct rendering *rendering, struct row_shape **ret_shape,
    struct error *error);
void shapes_free(struct shapes *shapes);

#endif
