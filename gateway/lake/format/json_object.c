/* json_object: see json_object.h. */
#include "lake/format/json_object.h"

#include <stdlib.h>

#define JSON_NAMES_MAX ((size_t)16 << 20) /* of all columns' names, escaped */

void json_object_close(struct json_object *object)
{
    bytes_free(&object->names);
    free(object->before);
    object->before = NULL;
}

static int object_keep(void *context, const void *data, size_t length, struct error *error)
{
    struct json_object *object = context;

    return bytes_add(&object->names, data, length, error);
}

/* A reader would keep one of the two values. */
static int object_check(const struct column_field *fields, size_t count, struct error *error)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            if (!strcmp(fields[i].name, fields[j].name))
                return error_set(error, ERROR_REJECT,
                    "columns %zu and %zu are both named %s: an object of JSON has one value for each name, "
                    "rename one",
                    j + 1, i + 1, fields[i].name);
    return 0;
}

/* Escapes the names once. */
static int object_name(
    struct json_object *object, struct text_out *out, const struct column_field *fields, struct error *error)
{
    size_t *ends = calloc(object->columns + 1, sizeof(*ends));
    int result =
        ends ? 0 : error_set(error, ERROR_RETRY, "names of columns: out of memory"); /* GCOVR_EXCL_LINE */

    for (size_t i = 0; i < object->columns && !result; i++) {
        if (text_out_add(out, slice_of(i ? "," : "{"), error) ||
            json_text_string(out, slice_of(fields[i].name), error) ||
            text_out_add(out, slice_of(":"), error) || text_out_flush(out, error))
            result = error_wrap(error, "names of columns");
        else
            ends[i + 1] = object->names.length;
    }
    for (size_t i = 0; i < object->columns && !result; i++)
        object->before[i] = (struct slice){object->names.data + ends[i], ends[i + 1] - ends[i]};
    free(ends);
    return result;
}

int json_object_open(
    struct json_object *object, const struct column_field *fields, size_t fields_count, struct error *error)
{
    __attribute__((cleanup(text_out_close))) struct text_out out = {.data = NULL};
    const struct table_sink names = {object_keep, object};

    *object = (struct json_object){.columns = fields_count};
    bytes_init(&object->names, JSON_NAMES_MAX);
    if (object_check(fields, fields_count, error))
        return -1;
    object->before = calloc(fields_count + 1, sizeof(*object->before));
    if (!object->before)
        return error_set(error, ERROR_RETRY, "names of columns: out of memory"); /* GCOVR_EXCL_LINE */
    return text_out_open(&out, &names, error) || object_name(object, &out, fields, error) ? -1 : 0;
}

int json_object_add(const struct json_object *object, struct text_out *out, const struct column_batch *batch,
    size_t row, struct error *error)
{
    for (size_t i = 0; i < object->columns; i++)
        if (text_out_add(out, object->before[i], error) ||
            json_text_value(out, &batch->columns[i], row, error))
            return -1;
    return text_out_add(out, slice_of(object->columns ? "}" : "{}"), error);
}
