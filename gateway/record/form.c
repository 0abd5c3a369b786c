/* form: what the files of a lake are, and how a rendering says it; see record.h and rendering_json.h */
#include <stdlib.h>
#include <string.h>

#include "record/rendering_json.h"

#define FORM_WORDS 7 /* the longest list of them */
#define FORM_WORD_MAX 7 /* "integer", "boolean" */

static const char *const form_files[FORM_WORDS] = {
    [FORM_PARQUET] = "parquet", [FORM_AVRO] = "avro", [FORM_CSV] = "csv"};
static const char *const form_codecs[FORM_WORDS] = {
    [FORM_PLAIN] = "none", [FORM_GZIP] = "gzip", [FORM_SNAPPY] = "snappy", [FORM_ZSTD] = "zstd"};
static const char *const form_misfits[FORM_WORDS] = {[false] = "dead-letter", [true] = "rest"};
static const char *const form_types[FORM_WORDS] = {
    [FORM_INTEGER] = "integer",
    [FORM_NUMBER] = "number",
    [FORM_BOOLEAN] = "boolean",
    [FORM_STRING] = "string",
    [FORM_TIME] = "time",
    [FORM_SCALAR] = "scalar",
    [FORM_JSON] = "json",
};

void form_clear(struct form *form)
{
    for (size_t i = 0; i < form->columns_count; i++)
        free(form->columns[i].name);
    free(form->columns);
    *form = (struct form){0};
}

int form_add_column(struct form *form, struct slice name, enum form_type type)
{
    struct form_column *columns = reallocarray(form->columns, form->columns_count + 1, sizeof *form->columns);

    if (!columns)
        return -1; /* GCOVR_EXCL_LINE out of memory */
    form->columns = columns;
    char *copy = strndup(name.data, name.length);
    if (!copy)
        return -1; /* GCOVR_EXCL_LINE out of memory */
    columns[form->columns_count++] = (struct form_column){copy, type};
    return 0;
}

int form_copy(const struct form *from, struct form *ret_form)
{
    struct form form = {from->file, from->codec, from->misfits_rest, NULL, 0};

    for (size_t i = 0; i < from->columns_count; i++) {
        const struct form_column *column = &from->columns[i];
        if (form_add_column(&form, slice_of(column->name), column->type)) {
            form_clear(&form); /* GCOVR_EXCL_LINE out of memory */
            return -1; /* GCOVR_EXCL_LINE out of memory */
        }
    }
    *ret_form = form;
    return 0;
}

bool form_equal(const struct form *a, const struct form *b)
{
    if (a->file != b->file || a->codec != b->codec || a->misfits_rest != b->misfits_rest ||
        a->columns_count != b->columns_count)
        return false;
    for (size_t i = 0; i < a->columns_count; i++) {
        if (a->columns[i].type != b->columns[i].type || strcmp(a->columns[i].name, b->columns[i].name) != 0)
            return false;
    }
    return true;
}

/* A quote or backslash takes two bytes, and a name and its type have quotes and commas. */
size_t form_size(const struct form *form)
{
    size_t size = 0;

    for (size_t i = 0; i < form->columns_count; i++)
        size += 2 * strlen(form->columns[i].name) + FORM_WORD_MAX + sizeof "\"\",\"\"," - 1;
    return size;
}

/* ---- JSON ------------------------------------------------------------------------------------------------- */

static json_t *form_columns_to_json(const struct form *form)
{
    json_t *json = json_array();

    for (size_t i = 0; i < form->columns_count; i++) {
        if (json_array_append_new(json, json_string(form->columns[i].name)) ||
            json_array_append_new(json, json_string(form_types[form->columns[i].type]))) {
            json_decref(json);
            return NULL;
        }
    }
    return json;
}

json_t *form_to_json(const struct form *form)
{
    return json_pack("{s:s, s:s, s:s, s:o}", "format", form_files[form->file], "compression",
        form_codecs[form->codec], "misfit", form_misfits[form->misfits_rest], "columns",
        form_columns_to_json(form));
}

static int form_read_word(const char *what, const json_t *json, const char *const words[FORM_WORDS],
    size_t *ret, struct error *error)
{
    const char *word = json_string_value(json);

    for (size_t i = 0; word && i < FORM_WORDS; i++) {
        if (words[i] && strcmp(words[i], word) == 0) {
            *ret = i;
            return 0;
        }
    }
    return error_set(
        error, ERROR_REJECT, "rendering: lake: %s %.40s is unknown", what, word ? word : "that is no string");
}

static int form_read_columns(const json_t *array, struct form *form, struct error *error)
{
    size_t type;

    if (!json_is_array(array) || json_array_size(array) % 2 || json_array_size(array) > 2 * FORM_COLUMNS_MAX)
        return error_set(error, ERROR_REJECT,
            "rendering: lake: columns are no list of at most %d names and types", FORM_COLUMNS_MAX);
    for (size_t i = 0; i < json_array_size(array); i += 2) {
        const char *name = json_string_value(json_array_get(array, i));
        if (!name)
            return error_set(error, ERROR_REJECT, "rendering: lake: column %zu has no name", i / 2);
        if (form_read_word("a column's type", json_array_get(array, i + 1), form_types, &type, error))
            return -1;
        if (form_add_column(form, slice_of(name), (enum form_type)type))
            return error_set(error, ERROR_RETRY, "rendering: out of memory"); /* GCOVR_EXCL_LINE */
    }
    return 0;
}

int form_read(const json_t *json, struct form *form, struct error *error)
{
    size_t file, codec, misfit;

    if (form_read_word("format", json_object_get(json, "format"), form_files, &file, error) ||
        form_read_word("compression", json_object_get(json, "compression"), form_codecs, &codec, error) ||
        form_read_word("misfit", json_object_get(json, "misfit"), form_misfits, &misfit, error))
        return -1;
    form->file = (enum form_file)file;
    form->codec = (enum form_codec)codec;
    form->misfits_rest = misfit;
    return form_read_columns(json_object_get(json, "columns"), form, error);
}
