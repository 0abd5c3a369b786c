/* schemas: see schemas.h */
#include "pipeline/schemas.h"

#include "base/file.h"
#include "base/fnv.h"
#include "pipeline/forms.h"

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

static int schema_load(const char *name, struct schema **ret_schema, uint64_t *ret_hash, struct error *error)
{
    cleanup_bytes struct bytes file;
    struct slice text;

    bytes_init(&file, FILE_VALUE_BUFFER);
    if (schema_find(name, &file, &text, error))
        return -1;
    *ret_hash = fnv_add(FNV_EMPTY, text.data, text.length);
    return schema_compile(ret_schema, text, error) ? error_wrap(error, "%s", name) : 0;
}

/* What follows from the schema, or needs none. */
static size_t schema_form(struct config *config, const struct config_stream *from,
    const struct schema *schema, struct stream *stream)
{
    struct form form = {0};
    const void *field;
    struct error why;
    const int result = form_compile(from, schema, &form, &field, &why);

    if (result)
        config_report(config, field, "%s", why.text);
    else if (stream) {
        stream->form = form;
        return 0;
    }
    form_clear(&form);
    return result != 0;
}

static size_t schema_compile_one(
    struct config *config, const struct config_stream *from, struct stream *stream)
{
    __attribute__((cleanup(schema_free))) struct schema *schema = NULL;
    struct error why;
    uint64_t hash = 0;

    if (from->schema[0] && schema_load(from->schema, &schema, &hash, &why)) {
        config_report(config, &from->schema, "%s", why.text);
        return 1;
    }
    const size_t wrong = schema_form(config, from, schema, stream);
    if (stream && schema) {
        stream->schema = schema;
        stream->schema_hash = hash;
        schema = NULL;
    }
    return wrong;
}

int schemas_compile(struct config *config, struct streams *streams, struct error *error)
{
    size_t wrong = 0;

    for (size_t i = 0; i < config->streams_count; i++)
        wrong += schema_compile_one(config, &config->streams[i], streams ? streams->items[i] : NULL);
    return wrong ? error_set(error, ERROR_REJECT, "schemas: %zu errors in the configuration", wrong) : 0;
}
