/* schema_file: see schema_file.h */
#include "lake/schema_file.h"

#include <string.h>

#include "base/file.h"
#include "base/fnv.h"

static bool schema_is_file(const char *name)
{
    static const char end[] = ".json";
    const size_t length = strlen(name);

    return length >= sizeof end && strcmp(name + length - strlen(end), end) == 0;
}

/* The text stays as long as `file` holds it. */
static int schema_find(const char *name, struct bytes *file, struct slice *ret_text, struct error *error)
{
    for (size_t i = 0; i < own_schemas_count; i++) {
        if (strcmp(name, own_schemas[i].name) == 0) {
            *ret_text = own_schemas[i].text;
            return 0;
        }
    }
    if (!schema_is_file(name))
        return error_set(error, ERROR_REJECT,
            "'%s' is no schema that comes with penstock (reading.v1 does), and no file that ends in .json",
            name);
    if (file_read_value(name, false, file, error))
        return -1;
    *ret_text = bytes_slice(file);
    return 0;
}

int schema_load(const char *name, struct schema **ret_schema, uint64_t *ret_hash, struct error *error)
{
    cleanup_bytes struct bytes file;
    struct slice text;

    bytes_init(&file, FILE_VALUE_BUFFER);
    if (schema_find(name, &file, &text, error))
        return -1;
    *ret_hash = fnv_add(FNV_EMPTY, text.data, text.length);
    return schema_compile(ret_schema, text, error) ? error_wrap(error, "%s", name) : 0;
}
