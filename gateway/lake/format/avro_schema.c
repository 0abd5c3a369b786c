/* avro_schema: see avro_schema.h. */
#include "lake/format/avro_schema.h"

#include <stdio.h>
#include <stdlib.h>

#include "lake/format/json_text.h"

#define NUMBER_TEXT 24 /* "_", a size_t, the end */

static const char *const avro_types[] = {
    [COLUMN_BOOL] = "\"boolean\"",
    [COLUMN_INT32] = "\"int\"",
    [COLUMN_INT64] = "\"long\"",
    [COLUMN_FLOAT32] = "\"float\"",
    [COLUMN_FLOAT64] = "\"double\"",
    [COLUMN_DATE] = "{\"type\":\"int\",\"logicalType\":\"date\"}",
    [COLUMN_TIME] = "{\"type\":\"long\",\"logicalType\":\"time-micros\"}",
    [COLUMN_TIMESTAMP] = "{\"type\":\"long\",\"logicalType\":\"local-timestamp-micros\"}",
    [COLUMN_TIMESTAMP_UTC] = "{\"type\":\"long\",\"logicalType\":\"timestamp-micros\"}",
    [COLUMN_UUID] = "{\"type\":\"string\",\"logicalType\":\"uuid\"}",
    [COLUMN_NUMBER] = "\"string\"",
    [COLUMN_STRING] = "\"string\"",
    [COLUMN_JSON] = "\"string\"",
    [COLUMN_BYTES] = "\"bytes\"",
};

/* ---- names ------------------------------------------------------------------------------------------------------------------ */

static bool is_letter(char character)
{
    return (character >= 'A' && character <= 'Z') || (character >= 'a' && character <= 'z') ||
           character == '_';
}

static bool is_digit(char character)
{
    return character >= '0' && character <= '9';
}

/* The name made legal, with room for a number behind it; the caller frees it. */
static char *legal_name(const char *name)
{
    char *legal = malloc(1 + strlen(name) + 1 + NUMBER_TEXT), *to = legal;
    bool replaced = false;

    if (!legal)
        return NULL;
    if (is_digit(*name) || !*name)
        *to++ = '_';
    for (; *name; name++) {
        const bool keep = is_letter(*name) || is_digit(*name);
        if (keep || !replaced)
            *to++ = keep ? *name : '_';
        replaced = !keep;
    }
    *to = '\0';
    return legal;
}

struct avro_names {
    char **names; /* per field */
    bool *settled; /* the name is nobody else's */
    size_t count;
};

static void names_free(struct avro_names *names)
{
    for (size_t i = 0; names->names && i < names->count; i++)
        free(names->names[i]);
    free(names->names);
    free(names->settled);
}

static bool is_taken(const struct avro_names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (names->settled[i] && strcmp(names->names[i], name) == 0)
            return true;
    }
    return false;
}

/* Legal names go first: they stay as they are, whatever their neighbours are called. */
static void names_settle(struct avro_names *names, const struct column_field *fields)
{
    for (size_t i = 0; i < names->count; i++)
        names->settled[i] = strcmp(names->names[i], fields[i].name) == 0 && !is_taken(names, names->names[i]);
    for (size_t i = 0; i < names->count; i++) {
        char *end = names->names[i] + strlen(names->names[i]);
        for (size_t number = i + 1; !names->settled[i]; number += names->count) {
            names->settled[i] = !is_taken(names, names->names[i]);
            if (!names->settled[i])
                snprintf(end, NUMBER_TEXT, "_%zu", number);
        }
    }
}

static int names_make(
    struct avro_names *names, const struct column_field *fields, size_t count, struct error *error)
{
    *names = (struct avro_names){.names = calloc(count + 1, sizeof(*names->names)),
        .settled = calloc(count + 1, sizeof(*names->settled)),
        .count = count};
    bool whole = names->names && names->settled;
    for (size_t i = 0; whole && i < count; i++) {
        names->names[i] = legal_name(fields[i].name);
        whole = names->names[i];
    }
    if (!whole)
        return error_set(error, ERROR_RETRY, "schema of %zu columns: out of memory", count);
    names_settle(names, fields);
    return 0;
}

/* ---- types ------------------------------------------------------------------------------------------------------------------ */

static int write_bytes(void *context, const void *data, size_t length, struct error *error)
{
    return bytes_add(context, data, length, error);
}

static int put(struct text_out *out, const char *text, struct error *error)
{
    return text_out_add(out, slice_of(text), error);
}

static int put_type(
    struct text_out *out, const struct column_field *field, enum column_type type, struct error *error)
{
    char text[96];

    if (type != COLUMN_DECIMAL)
        return put(out, avro_types[type], error);
    if (field->precision < 1 || field->precision > COLUMN_DECIMAL_PRECISION_MAX ||
        field->scale > field->precision)
        return error_set(error, ERROR_REJECT,
            "column %s: no decimal of precision %u and scale %u, choose it as a string", field->name,
            field->precision, field->scale);
    snprintf(text, sizeof(text),
        "{\"type\":\"bytes\",\"logicalType\":\"decimal\",\"precision\":%u,\"scale\":%u}", field->precision,
        field->scale);
    return put(out, text, error);
}

static int put_field(
    struct text_out *out, const char *name, const struct column_field *field, struct error *error)
{
    const bool list = field->type == COLUMN_LIST;

    if (put(out, "{\"name\":\"", error) || put(out, name, error) || put(out, "\",\"type\":[\"null\",", error))
        return -1;
    if (list ? put(out, "{\"type\":\"array\",\"items\":[\"null\",", error) ||
                   put_type(out, field, field->element, error) || put(out, "]}", error)
             : put_type(out, field, field->type, error))
        return -1;
    if (put(out, "],\"default\":null,\"columnName\":", error) ||
        json_text_string(out, slice_of(field->name), error) || put(out, "}", error))
        return -1;
    return 0;
}

static int put_record(struct text_out *out, const char *name, const struct avro_names *names,
    const struct column_field *fields, struct error *error)
{
    char *legal = legal_name(name);
    int result = -1;

    if (!legal)
        return error_set(error, ERROR_RETRY, "schema: out of memory");
    if (!put(out, "{\"type\":\"record\",\"name\":\"", error) && !put(out, legal, error) &&
        !put(out, "\",\"tableName\":", error) && !json_text_string(out, slice_of(name), error))
        result = put(out, ",\"fields\":[", error);
    free(legal);
    for (size_t i = 0; i < names->count && !result; i++) {
        if (i)
            result = put(out, ",", error);
        if (!result)
            result = put_field(out, names->names[i], &fields[i], error);
    }
    return result ? result : put(out, "]}", error);
}

int avro_schema(struct bytes *out, const char *name, const struct column_field *fields, size_t fields_count,
    struct error *error)
{
    __attribute__((cleanup(names_free))) struct avro_names names = {0};
    __attribute__((cleanup(text_out_close))) struct text_out text = {0};
    struct table_sink sink = {write_bytes, out};

    if (names_make(&names, fields, fields_count, error) || text_out_open(&text, &sink, error) ||
        put_record(&text, name, &names, fields, error))
        return -1;
    return text_out_flush(&text, error);
}
