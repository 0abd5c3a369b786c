/* write_table FILE: writes the table that a JSON document on stdin describes with the product's writers, for foreign readers to read back.
 *
 *   {"format": "avro", "codec": "snappy", "level": 0, "name": "t", "metadata": {"k": "v"}, "group_size": 0, "batch_rows": 100,
 *    "delimited": {"field": ",", "line": "\n", "quoting": "needed", "enclosure": "\"", "escape": "", "null_string": "", "null_other": "",
 *                  "header": true, "drop_delimiters": false, "delimiters_replacement": "", "style": "iso"},
 *    "fields": [{"name": "a", "type": "decimal", "precision": 10, "scale": 2}, {"name": "b", "type": "list", "element": "int32"}],
 *    "rows": [["1.50", [1, null]], [null, []]]}
 *
 * Only format, fields and rows must be there. Values: null; bool; integers; floats as numbers or as "NaN", "Infinity", "-Infinity"; decimal and
 * number as text; date, time and timestamps as integers of their unit; uuid as 32 hex digits; bytes as base64; strings; lists as arrays.
 * What the writers refuse is printed ("reject: ...") and ends it with status 1; a document that makes no sense ends it with 2.
 */
#include <err.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "lake/format/table_file.h"

#define VALUES_MAX (1u << 30)
#define BAD 2

static struct error error;

static const char *const formats[] = {[TABLE_JSON_LINES] = "json_lines",
    [TABLE_DELIMITED] = "delimited",
    [TABLE_AVRO] = "avro",
    [TABLE_PARQUET] = "parquet"};
static const char *const codecs[] = {[TABLE_CODEC_NONE] = "none",
    [TABLE_CODEC_DEFLATE] = "deflate",
    [TABLE_CODEC_GZIP] = "gzip",
    [TABLE_CODEC_SNAPPY] = "snappy",
    [TABLE_CODEC_ZSTD] = "zstd"};
static const char *const quotings[] = {
    [DELIMITED_QUOTE_NONE] = "none", [DELIMITED_QUOTE_NEEDED] = "needed", [DELIMITED_QUOTE_ALL] = "all"};
static const char *const styles[] = {[DELIMITED_ISO] = "iso", [DELIMITED_JAVA] = "java"};
static const char *const types[] = {[COLUMN_BOOL] = "bool",
    [COLUMN_INT32] = "int32",
    [COLUMN_INT64] = "int64",
    [COLUMN_FLOAT32] = "float32",
    [COLUMN_FLOAT64] = "float64",
    [COLUMN_DECIMAL] = "decimal",
    [COLUMN_DATE] = "date",
    [COLUMN_TIME] = "time",
    [COLUMN_TIMESTAMP] = "timestamp",
    [COLUMN_TIMESTAMP_UTC] = "timestamp_utc",
    [COLUMN_UUID] = "uuid",
    [COLUMN_NUMBER] = "number",
    [COLUMN_STRING] = "string",
    [COLUMN_JSON] = "json",
    [COLUMN_BYTES] = "bytes",
    [COLUMN_LIST] = "list"};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The place of the member's text among the names; that of the first one when there is no such member. */
static unsigned choice(const json_t *object, const char *member, const char *const *names, size_t count)
{
    const json_t *value = json_object_get(object, member);

    if (!value)
        return 0;
    for (unsigned i = 0; i < count; i++) {
        if (json_is_string(value) && strcmp(names[i], json_string_value(value)) == 0)
            return i;
    }
    errx(BAD, "%s: unknown", member);
}

static struct slice text_of(const json_t *value, const char *what)
{
    if (!json_is_string(value))
        errx(BAD, "%s: no text", what);
    return (struct slice){json_string_value(value), json_string_length(value)};
}

static size_t size_of(const json_t *object, const char *member)
{
    return (size_t)json_integer_value(json_object_get(object, member));
}

/* ---- options ---- */

/* One byte, 0 where there is none. */
static char letter(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));

    return text ? *text : 0;
}

static struct slice optional_text(const json_t *object, const char *member)
{
    const json_t *value = json_object_get(object, member);

    return value ? text_of(value, member) : (struct slice){NULL, 0};
}

static struct delimited_options read_delimited(const json_t *object)
{
    return (struct delimited_options){
        .field = letter(object, "field"),
        .line = letter(object, "line"),
        .quoting = (enum delimited_quoting)choice(object, "quoting", quotings, COUNT(quotings)),
        .enclosure = letter(object, "enclosure"),
        .escape = letter(object, "escape"),
        .null_string = optional_text(object, "null_string"),
        .null_other = optional_text(object, "null_other"),
        .header = json_is_true(json_object_get(object, "header")),
        .drop_delimiters = json_is_true(json_object_get(object, "drop_delimiters")),
        .delimiters_replacement = optional_text(object, "delimiters_replacement"),
        .style = (enum delimited_style)choice(object, "style", styles, COUNT(styles)),
    };
}

static struct table_file_options read_options(json_t *table, const struct delimited_options *delimited)
{
    json_t *metadata = json_object_get(table, "metadata"), *value;
    const char *name = json_string_value(json_object_get(table, "name")), *key;
    struct table_metadata *pairs = calloc(json_object_size(metadata) + 1, sizeof(*pairs));
    size_t count = 0;

    json_object_foreach(metadata, key, value) pairs[count++] =
        (struct table_metadata){key, text_of(value, "metadata").data};
    return (struct table_file_options){
        .format = (enum table_format)choice(table, "format", formats, COUNT(formats)),
        .codec = (enum table_codec)choice(table, "codec", codecs, COUNT(codecs)),
        .level = (int)json_integer_value(json_object_get(table, "level")),
        .delimited = json_object_get(table, "delimited") ? delimited : NULL,
        .name = name ? name : "table",
        .metadata = pairs,
        .metadata_count = count,
        .group_size = size_of(table, "group_size"),
    };
}

static struct column_field *read_fields(const json_t *list)
{
    struct column_field *fields = calloc(json_array_size(list) + 1, sizeof(*fields));

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        fields[i] = (struct column_field){
            .name = text_of(json_object_get(one, "name"), "name").data,
            .type = (enum column_type)choice(one, "type", types, COUNT(types)),
            .precision = (uint8_t)size_of(one, "precision"),
            .scale = (uint8_t)size_of(one, "scale"),
            .element = (enum column_type)choice(one, "element", types, COUNT(types)),
        };
    }
    return fields;
}

/* ---- values ---- */

static double float_of(const json_t *value)
{
    if (json_is_string(value))
        return strtod(json_string_value(value), NULL);
    if (!json_is_number(value))
        errx(BAD, "no float");
    return json_number_value(value);
}

static long long integer_of(const json_t *value)
{
    if (!json_is_integer(value))
        errx(BAD, "no integer");
    return json_integer_value(value);
}

/* "-12.5" with the scale 2: -1250, 16 bytes, big-endian. */
static void decimal_of(const json_t *value, unsigned scale, unsigned char *out)
{
    const char *text = text_of(value, "decimal").data;
    const bool negative = *text == '-';
    unsigned __int128 unscaled = 0;
    unsigned digits = 0;
    bool point = false;

    for (text += negative; *text; text++) {
        if (*text == '.' && !point) {
            point = true;
            continue;
        }
        if (*text < '0' || *text > '9')
            errx(BAD, "decimal: %s", text);
        unscaled = unscaled * 10 + (unsigned)(*text - '0');
        digits += point;
    }
    if (digits > scale)
        errx(BAD, "decimal: more digits than its scale");
    for (; digits < scale; digits++)
        unscaled *= 10;
    if (negative)
        unscaled = -unscaled;
    for (int i = 15; i >= 0; i--, unscaled >>= 8)
        out[i] = (unsigned char)unscaled;
}

static void uuid_of(const json_t *value, unsigned char *out)
{
    struct slice text = text_of(value, "uuid");

    for (size_t i = 0; i < 16; i++) {
        unsigned octet;
        if (text.length != 32 || sscanf(text.data + 2 * i, "%2x", &octet) != 1)
            errx(BAD, "uuid: 32 hex digits");
        out[i] = (unsigned char)octet;
    }
}

static void check(int result)
{
    static const char *const kinds[] = {"none", "retry", "reject", "fatal"};

    if (result == 0)
        return;
    printf("%s: %s\n", kinds[error.kind], error.text);
    exit(1);
}

static void add_bytes(struct column *column, const json_t *value)
{
    struct slice text = text_of(value, column->field->name);
    char *out = malloc(text.length + 1);
    size_t length;

    if (base64_decode(text, out, &length, &error))
        errx(BAD, "%s", error.text);
    check(column_add_bytes(column, out, length, &error));
    free(out);
}

static void add_fixed(struct column *column, const json_t *value)
{
    const enum column_type type = column->field->type;
    union {
        uint8_t boolean;
        int32_t int32;
        int64_t int64;
        float float32;
        double float64;
        unsigned char bytes[16];
    } fixed;

    switch (type) {
    case COLUMN_BOOL:
        if (!json_is_boolean(value))
            errx(BAD, "%s: no boolean", column->field->name);
        fixed.boolean = json_is_true(value);
        break;
    case COLUMN_INT32:
    case COLUMN_DATE:
        fixed.int32 = (int32_t)integer_of(value);
        break;
    case COLUMN_FLOAT32:
        fixed.float32 = (float)float_of(value);
        break;
    case COLUMN_FLOAT64:
        fixed.float64 = float_of(value);
        break;
    case COLUMN_DECIMAL:
        decimal_of(value, column->field->scale, fixed.bytes);
        break;
    case COLUMN_UUID:
        uuid_of(value, fixed.bytes);
        break;
    default:
        fixed.int64 = integer_of(value);
    }
    column_add_fixed(column, &fixed, column_width(type));
}

/* Of any type but a list. */
static void add_value(struct column *column, const json_t *value)
{
    if (json_is_null(value)) {
        column_add_null(column);
    } else if (column->field->type == COLUMN_BYTES) {
        add_bytes(column, value);
    } else if (column_width(column->field->type) == 0) {
        struct slice text = text_of(value, column->field->name);
        check(column_add_bytes(column, text.data, text.length, &error));
    } else {
        add_fixed(column, value);
    }
}

static void add_list(struct column *column, const json_t *values)
{
    if (!json_is_array(values))
        errx(BAD, "%s: no array", column->field->name);
    check(column_grow(column->element, json_array_size(values), &error));
    for (size_t i = 0; i < json_array_size(values); i++)
        add_value(column->element, json_array_get(values, i));
    column_end_list(column);
}

static void add_row(struct column_batch *batch, const json_t *row)
{
    if (json_array_size(row) != batch->fields_count)
        errx(BAD, "a row of %zu values", json_array_size(row));
    for (size_t i = 0; i < batch->fields_count; i++) {
        struct column *column = &batch->columns[i];
        const json_t *value = json_array_get(row, i);
        if (column->element && !json_is_null(value))
            add_list(column, value);
        else
            add_value(column, value);
    }
    column_batch_end_row(batch);
}

/* ---- the file ---- */

static int write_out(void *context, const void *data, size_t length, struct error *ret_error)
{
    if (fwrite(data, 1, length, context) != length)
        return error_set_errno(ret_error, ERROR_FATAL, "write");
    return 0;
}

static void write_rows(
    struct table_file *file, struct column_batch *batch, const json_t *rows, size_t batch_rows)
{
    if (batch_rows == 0 || batch_rows > batch->rows_max)
        batch_rows = batch->rows_max;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        add_row(batch, json_array_get(rows, i));
        if (batch->rows == batch_rows) {
            check(table_file_add(file, batch, &error));
            column_batch_clear(batch);
        }
    }
    check(table_file_add(file, batch, &error));
}

int main(int argc, char **argv)
{
    json_error_t trouble;
    json_t *table = json_loadf(stdin, JSON_ALLOW_NUL, &trouble);
    FILE *out = argc == 2 ? fopen(argv[1], "wb") : NULL;

    if (!out)
        errx(BAD, "usage: write_table FILE <TABLE.json");
    if (!table)
        errx(BAD, "line %d: %s", trouble.line, trouble.text);

    const json_t *list = json_object_get(table, "fields");
    struct delimited_options delimited = read_delimited(json_object_get(table, "delimited"));
    struct table_file_options options = read_options(table, &delimited);
    struct column_field *fields = read_fields(list);
    struct table_sink sink = {write_out, out};
    struct column_batch *batch;
    struct table_file *file;

    check(column_batch_new(&batch, fields, json_array_size(list), VALUES_MAX, &error));
    check(table_file_open(&file, fields, json_array_size(list), &options, &sink, &error));
    write_rows(file, batch, json_object_get(table, "rows"), size_of(table, "batch_rows"));
    check(table_file_finish(file, &error));
    table_file_close(&file);
    column_batch_free(&batch);
    free((void *)(uintptr_t)options.metadata);
    free(fields);
    json_decref(table);
    return fclose(out) ? BAD : 0;
}
