/* decode_scalar: booleans, whole numbers, floats, uuid. */
#include "lake/format/value_text.h"
#include "table/postgres/decode_internal.h"

static inline int add_number(struct bytes *out, int64_t number, struct error *error)
{
    char text[VALUE_TEXT_MAX];

    return bytes_add(out, text, (size_t)(value_text_int(text, number) - text), error);
}

int pg_bool_text(struct pg_decoder *decoder, struct bytes *out, struct slice value, struct error *error)
{
    if (value.length != 1)
        return pg_decode_length(decoder, value, error);
    return bytes_add_text(out, *value.data ? "true" : "false", error);
}

int pg_bool_decode(struct pg_decoder *decoder, struct column *column, struct slice value, struct error *error)
{
    if (value.length != 1)
        return pg_decode_length(decoder, value, error);
    const uint8_t truth = *value.data != 0;
    column_add_fixed(column, &truth, sizeof truth);
    return 0;
}

int pg_int2_text(struct pg_decoder *decoder, struct bytes *out, struct slice value, struct error *error)
{
    if (value.length != 2)
        return pg_decode_length(decoder, value, error);
    return add_number(out, (int16_t)pg_uint16(value.data), error);
}

int pg_int2_decode(struct pg_decoder *decoder, struct column *column, struct slice value, struct error *error)
{
    if (value.length != 2)
        return pg_decode_length(decoder, value, error);
    const int32_t number = (int16_t)pg_uint16(value.data);
    column_add_fixed(column, &number, sizeof number);
    return 0;
}

int pg_int4_text(struct pg_decoder *decoder, struct bytes *out, struct slice value, struct error *error)
{
    if (value.length != 4)
        return pg_decode_length(decoder, value, error);
    return add_number(out, (int32_t)pg_uint32(value.data), error);
}

int pg_int4_decode(struct pg_decoder *decoder, struct column *column, struct slice value, struct error *error)
{
    if (value.length != 4)
        return pg_decode_length(decoder, value, error);
    const uint32_t number = pg_uint32(value.data);
    column_add_fixed(column, &number, sizeof number);
    return 0;
}

int pg_int8_text(struct pg_decoder *decoder, struct bytes *out, struct slice value, struct error *error)
{
    if (value.length != 8)
        return pg_decode_length(decoder, value, error);
    return add_number(out, (int64_t)pg_uint64(value.data), error);
}

int pg_int8_decode(struct pg_decoder *decoder, struct column *column, struct slice value, struct error *error)
{
    if (value.length != 8)
        return pg_decode_length(decoder, value, error);
    const uint64_t number = pg_uint64(value.data);
    column_add_fixed(column, &number, sizeof number);
    return 0;
}

int pg_uint4_text(struct pg_decoder *decoder, struct bytes *out, struct slice value, struct error *error)
{
    if (value.length != 4)
        return pg_decode_length(decoder, value, error);
    return add_number(out, pg_uint32(value.data), error);
}

int pg_uint4_decode(
    struct pg_decoder *decoder, struct column *column, struct slice value, struct error *error)
{
    if (value.length != 4)
        return pg_decode_length(decoder, value, error);
    const int64_t number = pg_uint32(value.data);
    column_add_fixed(column, &number, sizeof number);
    return 0;
}

int pg_uint8_text(struct pg_decoder *decoder, struct bytes *out, struct slice value, struct error *error)
{
    if (value.length != 8)
        return pg_decode_length(decoder, value, error);
    return bytes_print(out, error, "%llu", (unsigned long long)pg_uint64(value.data));
}

static inline float float4_of(const char *data)
{
    const uint32_t bits = pg_uint32(data);
    float number;

    memcpy(&number, &bits, sizeof number);
    return number;
}

static inline double float8_of(const char *data)
{
    const uint64_t bits = pg_uint64(data);
    double number;

    memcpy(&number, &bits, sizeof number);
    return number;
}

int pg_float4_text(struct pg_decoder *decoder, struct bytes *out, struct slice value, struct error *error)
{
    char text[VALUE_TEXT_MAX];

    if (value.length != 4)
        return pg_decode_length(decoder, value, error);
    char *end = value_text_float32(text, float4_of(value.data), DELIMITED_ISO);
    return bytes_add(out, text, (size_t)(end - text), error);
}

int pg_float4_decode(
    struct pg_decoder *decoder, struct column *column, struct slice value, struct error *error)
{
    if (value.length != 4)
        return pg_decode_length(decoder, value, error);
    const float number = float4_of(value.data);
    column_add_fixed(column, &number, sizeof number);
    return 0;
}

int pg_float8_text(struct pg_decoder *decoder, struct bytes *out, struct slice value, struct error *error)
{
    char text[VALUE_TEXT_MAX];

    if (value.length != 8)
        return pg_decode_length(decoder, value, error);
    char *end = value_text_float64(text, float8_of(value.data), DELIMITED_ISO);
    return bytes_add(out, text, (size_t)(end - text), error);
}

int pg_float8_decode(
    struct pg_decoder *decoder, struct column *column, struct slice value, struct error *error)
{
    if (value.length != 8)
        return pg_decode_length(decoder, value, error);
    const double number = float8_of(value.data);
    column_add_fixed(column, &number, sizeof number);
    return 0;
}

int pg_uuid_text(struct pg_decoder *decoder, struct bytes *out, struct slice value, struct error *error)
{
    char text[VALUE_TEXT_MAX];

    if (value.length != 16)
        return pg_decode_length(decoder, value, error);
    return bytes_add(out, text, (size_t)(value_text_uuid(text, value.data) - text), error);
}

int pg_uuid_decode(struct pg_decoder *decoder, struct column *column, struct slice value, struct error *error)
{
    if (value.length != 16)
        return pg_decode_length(decoder, value, error);
    column_add_fixed(column, value.data, 16);
    return 0;
}
