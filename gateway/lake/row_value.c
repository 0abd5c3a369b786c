/* row_value: a value of JSON in a column; see row.h */
#include "lake/row.h"

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

union value_fixed {
    int64_t integer;
    double number;
    uint8_t truth;
};

/* Whether it fits; of types of a fixed size with what it is. */
static bool value_read(enum form_type type, const struct json_value *value, union value_fixed *ret_fixed)
{
    switch (type) {
    case FORM_INTEGER:
        return value->type == JSON_NUMBER && json_int64(value->text, &ret_fixed->integer);
    case FORM_NUMBER:
        return value->type == JSON_NUMBER && json_float64(value->text, &ret_fixed->number);
    case FORM_BOOLEAN:
        ret_fixed->truth = value->type == JSON_TRUE;
        return value->type == JSON_TRUE || value->type == JSON_FALSE;
    case FORM_STRING:
        return value->type == JSON_STRING;
    case FORM_TIME:
        return value->type == JSON_STRING && value_time(value, &ret_fixed->integer);
    case FORM_SCALAR:
        return value->type != JSON_OBJECT && value->type != JSON_ARRAY;
    case FORM_JSON:
        break;
    }
    return true;
}

/* Of what is no string: as it was written. */
static int value_add_string(
    struct column *column, const struct json_value *value, struct bytes *scratch, struct error *error)
{
    if (!value->escaped)
        return column_add_bytes(column, value->text.data, value->text.length, error);
    bytes_clear(scratch);
    if (bytes_reserve(scratch, value->text.length, error))
        return -1; /* GCOVR_EXCL_LINE out of memory */
    return column_add_bytes(column, scratch->data, json_unescape(value, scratch->data), error);
}

static int value_add_json(
    struct column *column, struct slice text, struct bytes *scratch, struct error *error)
{
    bytes_clear(scratch);
    if (json_add_compact(scratch, text, error))
        return -1; /* GCOVR_EXCL_LINE out of memory */
    return column_add_bytes(column, scratch->data, scratch->length, error);
}

int row_value_add(struct column *column, enum form_type type, const struct json_member *member,
    struct bytes *scratch, struct error *error)
{
    const struct json_value *value = &member->value;
    union value_fixed fixed;

    if (value->type != JSON_NULL && !value_read(type, value, &fixed))
        return 1;
    if (!column)
        return 0;
    if (value->type == JSON_NULL) {
        column_add_null(column);
        return 0;
    }
    if (type == FORM_STRING || type == FORM_SCALAR)
        return value_add_string(column, value, scratch, error);
    if (type == FORM_JSON)
        return value_add_json(column, member->text, scratch, error);
    column_add_fixed(column, &fixed, column_width(column->field->type));
    return 0;
}
