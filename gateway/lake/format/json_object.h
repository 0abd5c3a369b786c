/* json_object: a row of a batch as a JSON object (RFC 8259), names in the order of the columns, NULL as null; json_text.h says how values look. Room-internal.
 * @thread one at a time */
#ifndef PENSTOCK_LAKE_FORMAT_JSON_OBJECT_H
#define PENSTOCK_LAKE_FORMAT_JSON_OBJECT_H

#include "lake/format/json_text.h"

struct json_object {
    size_t columns;
    struct slice *before; /* what stands before each value: {"name": or ,"name": */
    struct bytes names;
};

/* ERROR_REJECT: two columns have one name. json_object_close() takes what was zeroed, or is half open. */
int json_object_open(
    struct json_object *object, const struct column_field *fields, size_t fields_count, struct error *error);
void json_object_close(struct json_object *object);
int json_object_add(const struct json_object *object, struct text_out *out, const struct column_batch *batch,
    size_t row, struct error *error);

#endif
