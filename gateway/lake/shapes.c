/* shapes: see shapes.h */
#include "lake/shapes.h"

#include <stdlib.h>

struct shape {
    struct shape *next;
    const struct rendering *rendering;
    struct row_shape *shape;
};

int shapes_get(struct shapes *shapes, const struct rendering *rendering, struct row_shape **ret_shape,
    struct error *error)
{
    struct shape **bucket = &shapes->buckets[rendering->id % SHAPES_BUCKETS];
    struct shape *shape = *bucket;

    while (shape && shape->rendering != rendering)
        shape = shape->next;
    if (shape) {
        *ret_shape = shape->shape;
        return 0;
    }
    shape = calloc(1, sizeof *shape);
    if (!shape ||
        row_shape_new(&shape->shape, rendering->stream, rendering->format, &rendering->form, error)) {
        free(shape); /* GCOVR_EXCL_LINE out of memory */
        return error_set(error, ERROR_RETRY, "lake: out of memory"); /* GCOVR_EXCL_LINE */
    }
    shape->rendering = rendering;
    shape->next = *bucket;
    *bucket = shape;
    *ret_shape = shape->shape;
    return 0;
}

void shapes_free(struct shapes *shapes)
{
    for (size_t i = 0; i < SHAPES_BUCKETS; i++) {
        for (struct shape *shape = shapes->buckets[i], *next; shape; shape = next) {
            next = shape->next;
            row_shape_free(&shape->shape);
            free(shape);
        }
        shapes->buckets[i] = NULL;
    }
}
