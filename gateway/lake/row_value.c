/* row_value: a value of JSON in a column; see row.h */
#include "lake/row.h"

#include <assert.h>

#include "base/little.h"

#define VALUE_SHOWN 100 /* bytes of a name or value in a message */
#define VALUE_TIME_MAX 256 /* of a text that may be a time */

static const char *const value_wanted[] = {
    [FORM_INTEGER] = "an integer of 64 bits",
    [FORM_NUMBER] = "a number that a double can hold",
    [FORM_BOOLEAN] = "true or false",
    [FORM_STRING] = "a string",
    [FORM_TIME] = "a time as in 2026-01-31T12:00:00Z",
    [FORM_SCALAR] = "a string, a number, true or false",
};

/* No longer than is shown, no half characters, and no line breaks as there may be in arrays. */
static void value_show(char shown[VALUE_SHOWN + 4], struct slice text)
{
    size_t length = text.length;

    if (length > VALUE_SHOWN)
        for (length = VALUE_SHOWN; ((unsigned char)text.data[length] & 0xc0) == 0x80;)
            length--;
    for (size_t i = 0; i < length; i++)
        shown[i] = (unsigned char)text.data[i] < ' ' ? ' ' : text.data[i];
    memcpy(shown + length, "...", 4);
    if (length == text.length)
        shown[length] = '\0';
}

int row_value_refuse(const struct form_column *column, const struct json_member *member, struct error *error)
{
    char name[VALUE_SHOWN + 4], value[VALUE_SHOWN + 4];

    value_show(name, slice_of(column->name));
    value_show(value, member->text);
    return error_set(error, ERROR_REJECT, "column %s: %s is not %s", name, value, value_wanted[column->type]);
}

static bool value_time(const struct json_value *value, int64_t *ret_time)
{
    char plain[VALUE_TIME_MAX];
    struct error ignored; /* who refuses says what is wanted */
    struct slice text = value->text;

    if (text.length > sizeof plain)
        return false;
    if (value->escaped)
        text = (struct slice){plain, json_unescape(value, plain)};
    return decode_rfc3339(text, ret_time, &ignored) == 0;
}

/* A text behind its length; there is room. */
static void value_put_length(struct bytes *cells, size_t at)
{
    put_u32(cells->data + at, (uint32_t)(cells->length - at - sizeof(uint32_t)));
}

/* Of what is no string: as it was written. */
static void value_put_string(struct bytes *cells, const struct json_value *value)
{
    const size_t at = cells->length;
    char *to = cells->data + at + sizeof(uint32_t);

    cells->length += sizeof(uint32_t);
    if (value->escaped)
        cells->length += json_unescape(value, to);
    else if (value->text.length) {
        memcpy(to, value->text.data, value->text.length);
        cells->length += value->text.length;
    }
    value_put_length(cells, at);
}

static void value_put_json(struct bytes *cells, struct slice text)
{
    const size_t at = cells->length;
    struct error error; /* there is room */

    cells->length += sizeof(uint32_t);
    const int result = json_add_compact(cells, text, &error);
    assert(result == 0);
    value_put_length(cells, at);
}

static bool value_put_fixed(struct bytes *cells, const void *value, size_t width)
{
    memcpy(cells->data + cells->length, value, width);
    cells->length += width;
    return true;
}

bool row_value_put(struct bytes *cells, enum form_type type, const struct json_member *member)
{
    const struct json_value *value = &member->value;
    int64_t integer;
    double number;

    switch (type) {
    case FORM_INTEGER:
        return value->type == JSON_NUMBER && json_int64(value->text, &integer) &&
               value_put_fixed(cells, &integer, sizeof integer);
    case FORM_NUMBER:
        return value->type == JSON_NUMBER && json_float64(value->text, &number) &&
               value_put_fixed(cells, &number, sizeof number);
    case FORM_TIME:
        return value->type == JSON_STRING && value_time(value, &integer) &&
               value_put_fixed(cells, &integer, sizeof integer);
    case FORM_BOOLEAN:
        return (value->type == JSON_TRUE || value->type == JSON_FALSE) &&
               value_put_fixed(cells, &(uint8_t){value->type == JSON_TRUE}, 1);
    case FORM_STRING:
        if (value->type == JSON_STRING)
            value_put_string(cells, value);
        return value->type == JSON_STRING;
    case FORM_SCALAR:
        if (value->type == JSON_OBJECT || value->type == JSON_ARRAY)
            return false;
        value_put_string(cells, value);
        return true;
    case FORM_JSON:
        break;
    }
    value_put_json(cells, member->text);
    return true;
}

int row_value_take(struct slice *cells, struct column *column, struct error *error)
{
    const size_t width = column_width(column->field->type);
    const size_t head = width ? width : sizeof(uint32_t);
    const char *const from = cells->data;

    if (cells->length < head)
        return row_value_damaged(error);
    *cells = (struct slice){from + head, cells->length - head};
    if (width) {
        column_add_fixed(column, from, width);
        return 0;
    }
    const uint32_t length = get_u32(from);
    if (cells->length < length)
        return row_value_damaged(error);
    *cells = (struct slice){cells->data + length, cells->length - length};
    return column_add_bytes(column, from + head, length, error);
}

int row_value_damaged(struct error *error)
{
    return error_set(error, ERROR_RETRY, "lake: a row of a temporary file is not what was written");
}
