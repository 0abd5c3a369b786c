/* avro_value: see avro_value.h. */
#include "lake/format/avro_value.h"

#include "lake/format/value_text.h"

#define DECIMAL_BYTES 16
#define UUID_TEXT 36
/* Short values are copied by this length, which needs no call; there is room for it, and they have so many bytes behind them. */
#define COPY_SHORT ((size_t)16)
/* Room is made for so many rows at a time, when they come to less than that. */
#define ROWS_AT_ONCE ((size_t)64)
#define ROWS_SHORT ((size_t)64 << 10)
/* A row of this size or more makes the buffer no larger than it needs, so that one long value does not double it. */
#define ROW_LONG ((size_t)1 << 20)

/* ---- what a row needs --------------------------------------------------------------------------------------------------- */

static size_t value_room(enum column_type type)
{
    switch (type) {
    case COLUMN_BOOL:
        return 1 + 1;
    case COLUMN_FLOAT32:
        return 1 + sizeof(float);
    case COLUMN_FLOAT64:
        return 1 + sizeof(double);
    case COLUMN_DECIMAL:
        return 1 + 1 + DECIMAL_BYTES;
    case COLUMN_UUID:
        return 1 + 1 + UUID_TEXT;
    default: /* a number, or a length or count; a list ends with another byte */
        return 1 + AVRO_LONG_MAX + 1;
    }
}

size_t avro_row_room(const struct column_field *fields, size_t fields_count)
{
    size_t sum = 0;

    for (size_t i = 0; i < fields_count; i++)
        sum += value_room(fields[i].type);
    return sum + COPY_SHORT;
}

/* What the values of any length take in rows from row to end, which is behind the last. */
static size_t rows_length(const struct column_batch *batch, size_t row, size_t end)
{
    size_t sum = 0;

    for (size_t i = 0; i < batch->fields_count; i++) {
        const struct column *column = &batch->columns[i], *element = column->element;
        if (!column->ends)
            continue;
        const uint32_t first = column_begin(column, row), behind = column_begin(column, end);
        sum += element ? (behind - first) * value_room(element->field->type) : behind - first;
        if (element && element->ends)
            sum += column_begin(element, behind) - column_begin(element, first);
    }
    return sum;
}

int avro_make_room(struct bytes *out, const struct column_batch *batch, size_t row, size_t room,
    size_t *ret_end, struct error *error)
{
    size_t count = batch->rows - row < ROWS_AT_ONCE ? batch->rows - row : ROWS_AT_ONCE;
    size_t need = count * room + rows_length(batch, row, row + count);

    if (need > ROWS_SHORT) {
        count = 1;
        need = room + rows_length(batch, row, row + 1);
    }
    if (need > out->capacity - out->length &&
        (need < ROW_LONG ? bytes_reserve(out, need, error) : bytes_reserve_exact(out, need, error)))
        return -1;
    *ret_end = row + count;
    return 0;
}

/* ---- values ----------------------------------------------------------------------------------------------------------------- */

static char *put_bytes(char *to, struct slice value)
{
    to = avro_put_long(to, (int64_t)value.length);
    if (value.length)
        memcpy(to, value.data, value.length);
    return to + value.length;
}

/* As few bytes as hold it with its sign, as Java's BigInteger.toByteArray() has it. */
static char *put_decimal(char *to, const char *value)
{
    const char sign = *value < 0 ? -1 : 0;
    size_t skip = 0;

    while (skip < DECIMAL_BYTES - 1 && value[skip] == sign && (value[skip + 1] ^ sign) >= 0)
        skip++;
    return put_bytes(to, (struct slice){value + skip, DECIMAL_BYTES - skip});
}

static char *put_int32(char *to, const char *value)
{
    int32_t number;

    memcpy(&number, value, sizeof(number));
    return avro_put_long(to, number);
}

static char *put_int64(char *to, const char *value)
{
    int64_t number;

    memcpy(&number, value, sizeof(number));
    return avro_put_long(to, number);
}

static char *put_float32(char *to, const char *value)
{
    uint32_t bits;

    memcpy(&bits, value, sizeof(bits));
    bits = htole32(bits);
    memcpy(to, &bits, sizeof(bits));
    return to + sizeof(bits);
}

static char *put_float64(char *to, const char *value)
{
    uint64_t bits;

    memcpy(&bits, value, sizeof(bits));
    bits = htole64(bits);
    memcpy(to, &bits, sizeof(bits));
    return to + sizeof(bits);
}

static inline char *put_slice(char *to, const struct column *column, size_t row)
{
    const uint32_t begin = column_begin(column, row);
    const struct slice value = {column->values.data + begin, column->ends[row] - begin};

    if (value.length > COPY_SHORT || column->values.length - begin < COPY_SHORT)
        return put_bytes(to, value);
    to = avro_put_long(to, (int64_t)value.length);
    memcpy(to, value.data, COPY_SHORT);
    return to + value.length;
}

/* Of any type but a list; there is room. */
static inline char *put_value(char *to, const struct column *column, size_t row)
{
    if (!column->valid[row]) {
        *to++ = AVRO_BRANCH_NULL;
        return to;
    }
    *to++ = AVRO_BRANCH_VALUE;
    switch (column->field->type) {
    case COLUMN_BOOL:
        *to++ = column->fixed[row];
        return to;
    case COLUMN_INT32:
    case COLUMN_DATE:
        return put_int32(to, column->fixed + row * sizeof(int32_t));
    case COLUMN_INT64:
    case COLUMN_TIME:
    case COLUMN_TIMESTAMP:
    case COLUMN_TIMESTAMP_UTC:
        return put_int64(to, column->fixed + row * sizeof(int64_t));
    case COLUMN_FLOAT32:
        return put_float32(to, column->fixed + row * sizeof(float));
    case COLUMN_FLOAT64:
        return put_float64(to, column->fixed + row * sizeof(double));
    case COLUMN_DECIMAL:
        return put_decimal(to, column->fixed + row * DECIMAL_BYTES);
    case COLUMN_UUID:
        return value_text_uuid(avro_put_long(to, UUID_TEXT), column->fixed + row * 16);
    default:
        return put_slice(to, column, row);
    }
}

/* One block of all elements, and the empty block that ends an array; there is room. */
static char *put_list(char *to, const struct column *column, size_t row)
{
    const uint32_t begin = column_begin(column, row), end = column->ends[row];

    if (!column->valid[row]) {
        *to++ = AVRO_BRANCH_NULL;
        return to;
    }
    *to++ = AVRO_BRANCH_VALUE;
    if (begin < end)
        to = avro_put_long(to, end - begin);
    for (uint32_t i = begin; i < end; i++)
        to = put_value(to, column->element, i);
    *to++ = 0;
    return to;
}

void avro_put_row(struct bytes *out, const struct column_batch *batch, size_t row)
{
    char *to = out->data + out->length;

    for (size_t i = 0; i < batch->fields_count; i++) {
        const struct column *column = &batch->columns[i];
        to = column->element ? put_list(to, column, row) : put_value(to, column, row);
    }
    out->length = (size_t)(to - out->data);
    assert(out->length <= out->capacity);
}

/* ---- what Avro has not ---------------------------------------------------------------------------------------------------------- */

/* The first infinite value; column->rows when there is none. NULL is 0. */
static size_t find_infinite(const struct column *column)
{
    const enum column_type type = column->field->type;
    const int32_t *dates = (const int32_t *)(const void *)column->fixed;
    const int64_t *times = (const int64_t *)(const void *)column->fixed;
    size_t row = 0;

    if (type == COLUMN_DATE) {
        while (row < column->rows && dates[row] != INT32_MIN && dates[row] != INT32_MAX)
            row++;
        return row;
    }
    if (type == COLUMN_TIMESTAMP || type == COLUMN_TIMESTAMP_UTC) {
        while (row < column->rows && times[row] != INT64_MIN && times[row] != INT64_MAX)
            row++;
        return row;
    }
    return column->rows;
}

int avro_check(const struct column_batch *batch, uint64_t rows, struct error *error)
{
    for (size_t i = 0; i < batch->fields_count; i++) {
        const struct column *column = &batch->columns[i];
        const struct column *values = column->element ? column->element : column;
        size_t row = find_infinite(values);
        if (row == values->rows)
            continue;
        if (column->element) {
            const size_t element = row;
            for (row = 0; column->ends[row] <= element;)
                row++;
        }
        return error_set(error, ERROR_REJECT, "column %s, row %llu: Avro has no infinite %s",
            column->field->name, (unsigned long long)rows + row + 1, column_type_name(values->field->type));
    }
    return 0;
}
