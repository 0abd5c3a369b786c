/* parquet_values: see parquet_values.h. */
#include "lake/format/parquet_values.h"

#include <assert.h>
#include <endian.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "values go into the file as they are in memory, which Parquet wants little endian"
#endif

#define VALUES_DAY INT64_C(86400000000)

typedef __int128 values_integer;

static const struct parquet_type values_types[] = {
    [COLUMN_BOOL] = {PARQUET_BOOLEAN, PARQUET_NO_LOGICAL, PARQUET_CONVERTED_NONE, 1, false, 0, 0},
    [COLUMN_INT32] = {PARQUET_INT32, PARQUET_NO_LOGICAL, PARQUET_CONVERTED_NONE, 4, false, 0, 0},
    [COLUMN_INT64] = {PARQUET_INT64, PARQUET_NO_LOGICAL, PARQUET_CONVERTED_NONE, 8, false, 0, 0},
    [COLUMN_FLOAT32] = {PARQUET_FLOAT, PARQUET_NO_LOGICAL, PARQUET_CONVERTED_NONE, 4, false, 0, 0},
    [COLUMN_FLOAT64] = {PARQUET_DOUBLE, PARQUET_NO_LOGICAL, PARQUET_CONVERTED_NONE, 8, false, 0, 0},
    [COLUMN_DECIMAL] = {PARQUET_FIXED, PARQUET_DECIMAL, PARQUET_CONVERTED_DECIMAL, 16, false, 0, 0},
    [COLUMN_DATE] = {PARQUET_INT32, PARQUET_DATE, PARQUET_CONVERTED_DATE, 4, false, 0, 0},
    [COLUMN_TIME] = {PARQUET_INT64, PARQUET_TIME, PARQUET_CONVERTED_TIME_MICROS, 8, false, 0, 0},
    [COLUMN_TIMESTAMP] = {PARQUET_INT64, PARQUET_TIMESTAMP, PARQUET_CONVERTED_TIMESTAMP_MICROS, 8, false, 0,
        0},
    [COLUMN_TIMESTAMP_UTC] = {PARQUET_INT64, PARQUET_TIMESTAMP, PARQUET_CONVERTED_TIMESTAMP_MICROS, 8, true,
        0, 0},
    [COLUMN_UUID] = {PARQUET_FIXED, PARQUET_UUID, PARQUET_CONVERTED_NONE, 16, false, 0, 0},
    [COLUMN_NUMBER] = {PARQUET_BYTE_ARRAY, PARQUET_STRING, PARQUET_CONVERTED_UTF8, 0, false, 0, 0},
    [COLUMN_STRING] = {PARQUET_BYTE_ARRAY, PARQUET_STRING, PARQUET_CONVERTED_UTF8, 0, false, 0, 0},
    [COLUMN_JSON] = {PARQUET_BYTE_ARRAY, PARQUET_STRING, PARQUET_CONVERTED_UTF8, 0, false, 0, 0},
    [COLUMN_BYTES] = {PARQUET_BYTE_ARRAY, PARQUET_NO_LOGICAL, PARQUET_CONVERTED_NONE, 0, false, 0, 0},
};

int parquet_type_of(struct parquet_type *ret_type, const struct column_field *field, struct error *error)
{
    const enum column_type leaf = field->type == COLUMN_LIST ? field->element : field->type;

    assert(leaf != COLUMN_LIST);
    struct parquet_type type = values_types[leaf];
    if (leaf == COLUMN_DECIMAL) {
        if (!field->precision || field->precision > COLUMN_DECIMAL_PRECISION_MAX ||
            field->scale > field->precision)
            return error_set(error, ERROR_REJECT,
                "column %s: no decimal of precision %u and scale %u, choose it as a string", field->name,
                field->precision, field->scale);
        type.precision = field->precision;
        type.scale = field->scale;
        if (type.precision <= 9) {
            type.physical = PARQUET_INT32;
            type.width = 4;
        } else if (type.precision <= 18) {
            type.physical = PARQUET_INT64;
            type.width = 8;
        }
    }
    *ret_type = type;
    return 0;
}

/* ---- what Parquet cannot hold --------------------------------------------------------------------------------------------- */

static values_integer values_decimal(const char *at)
{
    uint64_t high, low;

    memcpy(&high, at, sizeof(high));
    memcpy(&low, at + sizeof(high), sizeof(low));
    return (values_integer)((unsigned __int128)be64toh(high) << 64 | be64toh(low));
}

/* The first row that does not fit, or `to`. NULLs are zeros, which do. */
static size_t values_check_decimals(
    const struct parquet_type *type, const char *fixed, size_t from, size_t to)
{
    values_integer limit = 1;

    for (unsigned digit = 0; digit < type->precision; digit++)
        limit *= 10;
    for (size_t row = from; row < to; row++) {
        values_integer value = values_decimal(fixed + row * 16);
        if (value >= limit || value <= -limit)
            return row;
    }
    return to;
}

static size_t values_check_dates(const char *fixed, size_t from, size_t to)
{
    const int32_t *days = (const int32_t *)fixed;

    for (size_t row = from; row < to; row++) {
        if (days[row] == INT32_MIN || days[row] == INT32_MAX)
            return row;
    }
    return to;
}

static size_t values_check_timestamps(const char *fixed, size_t from, size_t to)
{
    const int64_t *moments = (const int64_t *)fixed;

    for (size_t row = from; row < to; row++) {
        if (moments[row] == INT64_MIN || moments[row] == INT64_MAX)
            return row;
    }
    return to;
}

static size_t values_check_times(const char *fixed, size_t from, size_t to)
{
    const uint64_t *times = (const uint64_t *)fixed;

    for (size_t row = from; row < to; row++) {
        if (times[row] >= VALUES_DAY)
            return row;
    }
    return to;
}

static int values_check(size_t *ret_bad, const struct parquet_type *type, const struct column *column,
    size_t from, size_t to, struct error *error)
{
    const char *what = "infinity";
    size_t bad = to;

    if (type->logical == PARQUET_DECIMAL) {
        bad = values_check_decimals(type, column->fixed, from, to);
        what = "more digits than its precision";
    } else if (type->logical == PARQUET_DATE)
        bad = values_check_dates(column->fixed, from, to);
    else if (type->logical == PARQUET_TIMESTAMP)
        bad = values_check_timestamps(column->fixed, from, to);
    else if (type->logical == PARQUET_TIME) {
        bad = values_check_times(column->fixed, from, to);
        what = "24:00";
    }
    if (bad == to)
        return 0;
    *ret_bad = bad;
    return error_set(
        error, ERROR_REJECT, "Parquet cannot hold %s in a %s", what, column_type_name(column->field->type));
}

/* ---- values without NULLs ------------------------------------------------------------------------------------------------- */

/* Each value is copied, and kept when it is valid: there is no branch to guess. `to` has room for all of them. */
#define VALUES_KEEP(type)                             \
    do {                                              \
        const type *all = (const type *)fixed + from; \
        type *kept = (type *)to;                      \
        for (size_t i = 0; i < count; i++) {          \
            *kept = all[i];                           \
            kept += valid[i];                         \
        }                                             \
        return (size_t)(kept - (type *)to);           \
    } while (0)

static size_t values_keep(
    char *to, const char *fixed, const uint8_t *valid, size_t from, size_t count, size_t width)
{
    if (width == 1)
        VALUES_KEEP(uint8_t);
    if (width == 4)
        VALUES_KEEP(uint32_t);
    if (width == 8)
        VALUES_KEEP(uint64_t);
    VALUES_KEEP(values_integer);
}

/* A NULL takes no bytes: where the value before it ends is where the next one begins. */
static int values_keep_ends(struct parquet_values *values, const struct column *column, size_t from,
    size_t count, struct bytes *scratch, struct error *error)
{
    if (bytes_reserve(scratch, (count + 1) * sizeof(uint32_t), error))
        return -1;
    values->count = values_keep(
        scratch->data, (const char *)column->ends, column->valid + from, from, count, sizeof(uint32_t));
    values->ends = (const uint32_t *)scratch->data;
    return 0;
}

static int values_narrow(
    struct parquet_values *values, uint8_t width, struct bytes *scratch, struct error *error)
{
    if (bytes_reserve(scratch, values->count * width, error))
        return -1;
    for (size_t i = 0; i < values->count; i++) {
        const int64_t value = (int64_t)values_decimal(values->fixed + i * 16);
        /* Little endian: the first bytes are the lower ones. */
        memcpy(scratch->data + i * width, &value, width);
    }
    values->fixed = scratch->data;
    return 0;
}

int parquet_values_take(struct parquet_values *ret_values, size_t *ret_bad, const struct parquet_type *type,
    const struct column *column, size_t from, size_t to, struct bytes scratch[2], struct error *error)
{
    const size_t width = column_width(column->field->type), count = to - from;
    struct parquet_values values = {.count = count};

    bytes_clear(&scratch[0]);
    bytes_clear(&scratch[1]);
    if (!width) {
        values.data = column->values.data ? column->values.data : "";
        values.begin = column_begin(column, from);
        values.ends = column->ends + from;
        if (column->nulls && values_keep_ends(&values, column, from, count, &scratch[0], error))
            return -1;
        *ret_values = values;
        return 0;
    }
    if (values_check(ret_bad, type, column, from, to, error))
        return -1;
    values.fixed = column->fixed + from * width;
    if (column->nulls) {
        if (bytes_reserve(&scratch[0], (count + 1) * width, error))
            return -1;
        values.count = values_keep(scratch[0].data, column->fixed, column->valid + from, from, count, width);
        values.fixed = scratch[0].data;
    }
    if (type->width != width && values_narrow(&values, type->width, &scratch[1], error))
        return -1;
    *ret_values = values;
    return 0;
}

struct parquet_values parquet_values_from(struct parquet_values values, uint8_t width, size_t from)
{
    if (width)
        values.fixed += from * width;
    else if (from) {
        values.begin = values.ends[from - 1];
        values.ends += from;
    }
    values.count -= from;
    return values;
}

size_t parquet_values_size(const struct parquet_values *values, uint8_t width)
{
    if (width)
        return values->count * width;
    return values->count ? values->ends[values->count - 1] - values->begin + values->count * sizeof(uint32_t)
                         : 0;
}
