/* schemas: see schemas.h */
#include "pipeline/schemas.h"

#include "lake/forms.h"
#include "lake/schema_file.h"

/* What follows from the schema, or needs none. */
static size_t schema_form(struct config *config, const struct config_stream *from,
    const struct schema *schema, struct stream *stream)
{
    struct form form = {0};
    const void *field;
    struct error why;
    const int result = form_compile(
        &from->lake.files, from->name, record_format_of(from->format), schema, &form, &field, &why);

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
