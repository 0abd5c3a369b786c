/* column: see column.h. */
#include "lake/column.h"

#include <stdlib.h>

static const struct {
    const char *name;
    size_t width;
} column_types[] = {
    [COLUMN_BOOL] = {"boolean", sizeof(uint8_t)},
    [COLUMN_INT32] = {"32-bit integer", sizeof(int32_t)},
    [COLUMN_INT64] = {"64-bit integer", sizeof(int64_t)},
    [COLUMN_FLOAT32] = {"32-bit float", sizeof(float)},
    [COLUMN_FLOAT64] = {"64-bit float", sizeof(double)},
    [COLUMN_DECIMAL] = {"decimal", 16},
    [COLUMN_DATE] = {"date", sizeof(int32_t)},
    [COLUMN_TIME] = {"time", sizeof(int64_t)},
    [COLUMN_TIMESTAMP] = {"timestamp without time zone", sizeof(int64_t)},
    [COLUMN_TIMESTAMP_UTC] = {"timestamp with time zone", sizeof(int64_t)},
    [COLUMN_UUID] = {"uuid", 16},
    [COLUMN_NUMBER] = {"number of any size", 0},
    [COLUMN_STRING] = {"string", 0},
    [COLUMN_JSON] = {"json", 0},
    [COLUMN_BYTES] = {"bytes", 0},
    [COLUMN_LIST] = {"list", 0},
};

size_t column_width(enum column_type type)
{
    return column_types[type].width;
}

const char *column_type_name(enum column_type type)
{
    return column_types[type].name;
}

static size_t column_fixed_of(const struct column_field *field)
{
    size_t width = column_width(field->type);
    return 1 + (width ? width : sizeof(uint32_t));
}

static int column_open(struct column *column, const struct column_field *field, size_t rows_max,
    size_t values_max, struct error *error)
{
    const size_t width = column_width(field->type);

    column->field = field;
    column->rows_max = rows_max;
    bytes_init(&column->values, values_max);
    column->valid = malloc(rows_max);
    if (width)
        column->fixed = malloc(rows_max * width);
    else
        column->ends = malloc(rows_max * sizeof(*column->ends));
    if (!column->valid || (!column->fixed && !column->ends))
        return error_set(error, ERROR_RETRY, "column %s: out of memory", field->name);
    return 0;
}

/* The element is a column with a field of its own behind it. */
struct column_element {
    struct column column;
    struct column_field field;
};

static int column_open_element(struct column *column, size_t rows_max, size_t values_max, struct error *error)
{
    const struct column_field *field = column->field;

    assert(field->element != COLUMN_LIST);
    struct column_element *element = calloc(1, sizeof(*element));
    if (!element)
        return error_set(error, ERROR_RETRY, "column %s: out of memory", field->name);
    element->field = (struct column_field){
        .name = field->name, .type = field->element, .precision = field->precision, .scale = field->scale};
    column->element = &element->column;
    return column_open(column->element, &element->field, rows_max, values_max, error);
}

static void column_close(struct column *column)
{
    if (column->element) {
        column_close(column->element);
        free(column->element);
    }
    free(column->valid);
    free(column->fixed);
    free(column->ends);
    bytes_free(&column->values);
}

int column_batch_new(struct column_batch **ret_batch, const struct column_field *fields, size_t fields_count,
    size_t values_max, struct error *error)
{
    __attribute__((cleanup(column_batch_free))) struct column_batch *batch = calloc(1, sizeof(*batch));
    struct column *columns = calloc(fields_count + 1, sizeof(*columns));
    size_t row = 1;

    assert(values_max <= UINT32_MAX);
    if (!batch || !columns) {
        free(columns);
        return error_set(error, ERROR_RETRY, "batch of %zu columns: out of memory", fields_count);
    }
    for (size_t i = 0; i < fields_count; i++)
        row += column_fixed_of(&fields[i]);
    *batch = (struct column_batch){.fields = fields, .fields_count = fields_count, .columns = columns};
    batch->rows_max = COLUMN_FIXED_MAX / row;
    if (batch->rows_max > COLUMN_ROWS_MAX)
        batch->rows_max = COLUMN_ROWS_MAX;
    if (batch->rows_max < COLUMN_ROWS_LEAST)
        batch->rows_max = COLUMN_ROWS_LEAST;
    for (size_t i = 0; i < fields_count; i++) {
        if (column_open(&columns[i], &fields[i], batch->rows_max, values_max, error) ||
            (fields[i].type == COLUMN_LIST &&
                column_open_element(&columns[i], batch->rows_max, values_max, error)))
            return -1;
    }
    *ret_batch = batch;
    batch = NULL;
    return 0;
}

void column_batch_free(struct column_batch **batch)
{
    if (!*batch)
        return;
    for (size_t i = 0; i < (*batch)->fields_count; i++)
        column_close(&(*batch)->columns[i]);
    free((*batch)->columns);
    free(*batch);
    *batch = NULL;
}

static void column_clear(struct column *column)
{
    column->rows = column->nulls = 0;
    bytes_clear(&column->values);
    if (column->values.capacity > COLUMN_VALUES_KEPT)
        bytes_free(&column->values);
    if (column->element)
        column_clear(column->element);
}

void column_batch_clear(struct column_batch *batch)
{
    batch->rows = 0;
    for (size_t i = 0; i < batch->fields_count; i++)
        column_clear(&batch->columns[i]);
}

void column_batch_end_row(struct column_batch *batch)
{
    batch->rows++;
    assert(batch->rows <= batch->rows_max);
    for (size_t i = 0; i < batch->fields_count; i++)
        assert(batch->columns[i].rows == batch->rows);
}

static size_t column_bytes(const struct column *column)
{
    const size_t width = column_width(column->field->type);

    return column->rows * (1 + (width ? width : sizeof(*column->ends))) + column->values.length +
           (column->element ? column_bytes(column->element) : 0);
}

size_t column_batch_bytes(const struct column_batch *batch)
{
    size_t sum = 0;

    for (size_t i = 0; i < batch->fields_count; i++)
        sum += column_bytes(&batch->columns[i]);
    return sum;
}

static void column_cut(struct column *column, size_t rows)
{
    while (column->rows > rows)
        column->nulls -= !column->valid[--column->rows];
    if (column->element)
        column_cut(column->element, column_begin(column, rows));
    else if (column->ends)
        column->values.length = column_begin(column, rows);
}

void column_batch_drop_row(struct column_batch *batch)
{
    for (size_t i = 0; i < batch->fields_count; i++)
        column_cut(&batch->columns[i], batch->rows);
}

/* Of a column that is no list, count rows move to the front. What is behind `to` may be lost, but for rows behind those. */
static void column_move(struct column *column, size_t from, size_t count, size_t to)
{
    const size_t width = column_width(column->field->type);

    memmove(column->valid + to, column->valid + from, count);
    if (width) {
        memmove(column->fixed + to * width, column->fixed + from * width, count * width);
        return;
    }
    for (; count; count--, from++, to++) {
        const struct slice value = column_slice(column, from);
        const uint32_t begin = column_begin(column, to);
        if (value.length)
            memmove(column->values.data + begin, value.data, value.length);
        column->ends[to] = begin + (uint32_t)value.length;
    }
}

static void column_move_list(struct column *column, size_t from, size_t to)
{
    const uint32_t first = column_begin(column, from), count = column->ends[from] - first;
    const uint32_t begin = column_begin(column, to);

    column_move(column->element, first, count, begin);
    column->ends[to] = begin + count;
    column->valid[to] = column->valid[from];
}

static void column_end_at(struct column *column, size_t rows)
{
    column->rows = rows;
    column->nulls = 0;
    for (size_t row = 0; row < rows; row++)
        column->nulls += !column->valid[row];
    if (column->element)
        column_end_at(column->element, column_begin(column, rows));
    else if (column->ends)
        column->values.length = column_begin(column, rows);
}

void column_batch_keep(struct column_batch *batch, const uint8_t *keep)
{
    size_t to = 0;

    for (size_t i = 0; i < batch->fields_count; i++) {
        struct column *column = &batch->columns[i];
        to = 0;
        for (size_t row = 0; row < batch->rows; row++) {
            if (!keep[row])
                continue;
            if (column->element)
                column_move_list(column, row, to++);
            else
                column_move(column, row, 1, to++);
        }
        column_end_at(column, to);
    }
    batch->rows = to;
}

void column_add_null(struct column *column)
{
    const size_t row = column->rows++, width = column_width(column->field->type);

    assert(row < column->rows_max);
    column->valid[row] = 0;
    column->nulls++;
    if (width)
        memset(column->fixed + row * width, 0, width);
    else
        column->ends[row] = column_begin(column, row);
}

int column_add_bytes(struct column *column, const void *value, size_t length, struct error *error)
{
    assert(column->rows < column->rows_max && column->ends && !column->element);
    struct bytes *values = &column->values;
    if (values->capacity - values->length < length && bytes_reserve(values, length, error))
        return error_wrap(error, "column %s", column->field->name);
    if (length)
        memcpy(values->data + values->length, value, length);
    values->length += length;
    column->ends[column->rows] = (uint32_t)column->values.length;
    column->valid[column->rows++] = 1;
    return 0;
}

int column_grow(struct column *element, size_t more, struct error *error)
{
    const size_t width = column_width(element->field->type);
    size_t rows_max = element->rows_max;

    if (more <= rows_max - element->rows)
        return 0;
    while (rows_max - element->rows < more)
        rows_max *= 2;
    if (rows_max > UINT32_MAX / 16)
        return error_set(
            error, ERROR_REJECT, "column %s: a list of %zu values is too long", element->field->name, more);

    uint8_t *valid = realloc(element->valid, rows_max);
    element->valid = valid ? valid : element->valid;
    void *values = width ? realloc(element->fixed, rows_max * width)
                         : realloc(element->ends, rows_max * sizeof(*element->ends));
    if (values && width)
        element->fixed = values;
    else if (values)
        element->ends = values;
    if (!valid || !values)
        return error_set(error, ERROR_RETRY, "column %s: out of memory", element->field->name);
    element->rows_max = rows_max;
    return 0;
}

void column_end_list(struct column *column)
{
    assert(column->rows < column->rows_max && column->element);
    column->ends[column->rows] = (uint32_t)column->element->rows;
    column->valid[column->rows++] = 1;
}
