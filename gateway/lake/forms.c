/* forms: see forms.h */
#include "lake/forms.h"

#include "lake/lake.h"

static const char *const form_files[] = {
    [FORM_SOURCE] = "source", [FORM_PARQUET] = "parquet", [FORM_AVRO] = "avro", [FORM_CSV] = "csv"};
static const char *const form_codecs[] = {
    [FORM_PLAIN] = "none", [FORM_GZIP] = "gzip", [FORM_SNAPPY] = "snappy", [FORM_ZSTD] = "zstd"};

/* The configuration takes no other words but one that means what is said last. */
static size_t form_word(const char *word, const char *const *words, size_t count, size_t otherwise)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(word, words[i]) == 0)
            return i;
    }
    return otherwise;
}

#define FORM_WORD(word, words, otherwise) form_word(word, words, sizeof words / sizeof *words, otherwise)

static const enum form_type form_types[] = {
    [SCHEMA_KIND_ANY] = FORM_JSON,
    [SCHEMA_KIND_INTEGER] = FORM_INTEGER,
    [SCHEMA_KIND_NUMBER] = FORM_NUMBER,
    [SCHEMA_KIND_BOOLEAN] = FORM_BOOLEAN,
    [SCHEMA_KIND_STRING] = FORM_STRING,
    [SCHEMA_KIND_TIME] = FORM_TIME,
    [SCHEMA_KIND_SCALAR] = FORM_SCALAR,
};

static int form_check_name(struct slice name, struct error *error)
{
    static const char *const own[] = {"_rest", "_key", "_time", "_received", "_id"};

    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        if (slice_is(name, own[i]))
            return error_set(error, ERROR_REJECT,
                "the schema has a property %s, but each table has a column of its own that is called so",
                own[i]);
    }
    for (size_t i = 0; i < name.length; i++) {
        if ((unsigned char)name.data[i] < ' ' || name.data[i] == 0x7f)
            return error_set(error, ERROR_REJECT,
                "the schema has a property with control characters in its name: no column can be called so");
    }
    return name.length ? 0
                       : error_set(error, ERROR_REJECT,
                             "the schema has a property without a name: no column can be called so");
}

static int form_columns(const struct schema *schema, struct form *form, struct error *error)
{
    const size_t count = schema_properties_count(schema);
    enum schema_kind kind;

    if (count > FORM_COLUMNS_MAX)
        return error_set(error, ERROR_REJECT,
            "the schema has %zu properties: a table of a stream has at most %d of them", count,
            FORM_COLUMNS_MAX);
    for (size_t i = 0; i < count; i++) {
        const struct slice name = schema_property_at(schema, i, &kind);
        if (form_check_name(name, error))
            return -1;
        if (form_add_column(form, name, form_types[kind]))
            return error_set(error, ERROR_RETRY, "out of memory"); /* GCOVR_EXCL_LINE */
    }
    if (form_size(form) > FORM_SIZE_MAX)
        return error_set(error, ERROR_REJECT,
            "the names of the schema's properties take %zu bytes in the journal: at most %d", form_size(form),
            FORM_SIZE_MAX);
    return 0;
}

int form_compile(const struct config_files *files, const char *name, enum record_format format,
    const struct schema *schema, struct form *form, const void **ret_field, struct error *error)
{
    const bool json = format == RECORD_FORMAT_JSON;

    form->file = (enum form_file)FORM_WORD(files->format, form_files, FORM_SOURCE);
    *ret_field = &files->compression;
    if (form->file == FORM_SOURCE)
        return strcmp(files->compression, "default") == 0 || strcmp(files->compression, "none") == 0
                   ? 0
                   : error_set(error, ERROR_REJECT,
                         "lines as the source had them are not compressed; choose lake.format parquet, avro or csv");
    form->codec = (enum form_codec)FORM_WORD(
        files->compression, form_codecs, form->file == FORM_CSV ? FORM_PLAIN : FORM_ZSTD);
    form->misfits_rest = json && strcmp(files->misfit, "rest") == 0;
    *ret_field = &files->format;
    if (json && !schema)
        return error_set(error, ERROR_REJECT,
            "'%s' needs a schema, whose properties are the columns; say which beside it, as in schema: reading.v1",
            files->format);
    if (json && form_columns(schema, form, error))
        return -1;
    if (form->file == FORM_AVRO && form->codec == FORM_GZIP) {
        *ret_field = &files->compression;
        return error_set(error, ERROR_REJECT, "avro has no gzip; choose snappy or zstd");
    }
    if (strcmp(files->compression, "default") != 0)
        *ret_field = &files->compression;
    return lake_check_form(name, format, form, error);
}
