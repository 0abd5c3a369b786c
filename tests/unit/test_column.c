/* Batches of typed columns: what is added is there, NULL or not; rows that are dropped leave nothing; memory and its ends. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>

#include "failing_malloc.h"
#include "lake/column.h"

#define VALUES_MAX (1u << 20)
#define TYPES (COLUMN_LIST + 1)
#define cleanup_batch __attribute__((cleanup(column_batch_free)))

static struct error error;

/* ---- batches --------------------------------------------------------------------------------------------------------------- */

static struct column_batch *batch_new(const struct column_field *fields, size_t count, size_t values_max)
{
    struct column_batch *batch = NULL;

    cr_assert(column_batch_new(&batch, fields, count, values_max, &error) == 0, "%s", error.text);
    return batch;
}

/* A column of every type, and a list of every type but lists. */
static size_t all_fields(struct column_field *fields)
{
    size_t count = 0;

    for (enum column_type type = COLUMN_BOOL; type < COLUMN_LIST; type++) {
        fields[count++] = (struct column_field){"plain", type, 38, 0, COLUMN_BOOL};
        fields[count++] = (struct column_field){"list", COLUMN_LIST, 38, 0, type};
    }
    return count;
}

/* A value that is another for every number. */
static void add_value(struct column *column, uint64_t number)
{
    const size_t width = column_width(column->field->type);
    char value[16] = {0};

    memcpy(value, &number, sizeof(number));
    if (width)
        column_add_fixed(column, value, width);
    else
        cr_assert(column_add_bytes(column, value, number % sizeof(value), &error) == 0, "%s", error.text);
}

static void check_value(const struct column *column, size_t row, uint64_t number)
{
    const size_t width = column_width(column->field->type);
    char value[16] = {0};

    memcpy(value, &number, sizeof(number));
    cr_assert_eq(column->valid[row], 1);
    if (width)
        cr_assert(memcmp(column->fixed + row * width, value, width) == 0);
    else
        cr_assert(slice_equal(column_slice(column, row), (struct slice){value, number % sizeof(value)}));
}

/* In row n: a list of n % 5 elements, the third NULL; every seventh row is NULL. */
static bool is_null(size_t row)
{
    return row % 7 == 6;
}

static void add_row(struct column_batch *batch, size_t number)
{
    for (size_t i = 0; i < batch->fields_count; i++) {
        struct column *column = &batch->columns[i];
        if (is_null(number)) {
            column_add_null(column);
        } else if (!column->element) {
            add_value(column, number);
        } else {
            cr_assert(column_grow(column->element, number % 5, &error) == 0);
            for (size_t k = 0; k < number % 5; k++) {
                if (k == 2)
                    column_add_null(column->element);
                else
                    add_value(column->element, number + k);
            }
            column_end_list(column);
        }
    }
}

static void check_list(const struct column *column, size_t row)
{
    const uint32_t begin = column_begin(column, row);

    cr_assert_eq(column->valid[row], 1);
    cr_assert_eq(column->ends[row] - begin, row % 5);
    for (size_t k = 0; k < row % 5; k++) {
        if (k == 2)
            cr_assert_eq(column->element->valid[begin + k], 0);
        else
            check_value(column->element, begin + k, row + k);
    }
}

static void check_rows(const struct column_batch *batch, size_t rows)
{
    cr_assert_eq(batch->rows, rows);
    for (size_t i = 0; i < batch->fields_count; i++) {
        const struct column *column = &batch->columns[i];
        cr_assert_eq(column->rows, rows);
        cr_assert_eq(column->nulls, rows / 7);
        for (size_t row = 0; row < rows; row++) {
            if (is_null(row))
                cr_assert_eq(column->valid[row], 0);
            else if (column->element)
                check_list(column, row);
            else
                check_value(column, row, row);
        }
    }
}

Test(column, types)
{
    static const size_t widths[TYPES] = {1, 4, 8, 4, 8, 16, 4, 8, 8, 8, 16, 0, 0, 0, 0, 0};

    for (enum column_type type = COLUMN_BOOL; type < TYPES; type++) {
        cr_assert_eq(column_width(type), widths[type], "%s", column_type_name(type));
        for (enum column_type other = COLUMN_BOOL; other < type; other++)
            cr_assert_str_neq(column_type_name(type), column_type_name(other));
    }
    cr_assert_str_eq(column_type_name(COLUMN_TIMESTAMP_UTC), "timestamp with time zone");
}

/* Filled to its last row, cleared, and filled again. */
Test(column, what_is_added_is_there)
{
    struct column_field fields[2 * TYPES];
    const size_t count = all_fields(fields);
    cleanup_batch struct column_batch *batch = batch_new(fields, count, VALUES_MAX);

    cr_assert_geq(batch->rows_max, 1000);
    for (int turn = 0; turn < 2; turn++) {
        for (size_t row = 0; row < batch->rows_max; row++) {
            add_row(batch, row);
            column_batch_end_row(batch);
        }
        check_rows(batch, batch->rows_max);
        column_batch_clear(batch);
        check_rows(batch, 0);
        cr_assert_eq(column_batch_bytes(batch), 0);
    }
}

/* NULL of a fixed size is zeros, so that nobody reads what stood there before. */
Test(column, null_is_zeros)
{
    const struct column_field field = {.name = "a", .type = COLUMN_INT64};
    cleanup_batch struct column_batch *batch = batch_new(&field, 1, 0);

    column_add_fixed(batch->columns, &(int64_t){-1}, sizeof(int64_t));
    column_batch_end_row(batch);
    column_batch_clear(batch);
    column_add_null(batch->columns);
    cr_assert_eq(*(const int64_t *)(const void *)batch->columns->fixed, 0);
}

/* Rows that are given up at each of their columns, between others. */
Test(column, dropped_rows_leave_nothing)
{
    struct column_field fields[2 * TYPES];
    const size_t count = all_fields(fields);
    cleanup_batch struct column_batch *batch = batch_new(fields, count, VALUES_MAX);

    column_batch_drop_row(batch);
    for (size_t row = 0; row < 400; row++) {
        const size_t bytes = column_batch_bytes(batch), whole = batch->fields_count;
        batch->fields_count = row % (whole + 1); /* so many columns of it */
        add_row(batch, row * 31 % 400);
        batch->fields_count = whole;
        column_batch_drop_row(batch);
        cr_assert_eq(column_batch_bytes(batch), bytes);
        add_row(batch, row);
        column_batch_end_row(batch);
    }
    check_rows(batch, 400);
}

/* What is kept is as if nothing else had been there. */
Test(column, kept_rows_close_up)
{
    struct column_field fields[2 * TYPES];
    const size_t count = all_fields(fields);

    for (size_t every = 1; every <= 7; every++) {
        cleanup_batch struct column_batch *batch = batch_new(fields, count, VALUES_MAX);
        cleanup_batch struct column_batch *alone = batch_new(fields, count, VALUES_MAX);
        uint8_t keep[400];
        size_t kept = 0;
        for (size_t row = 0; row < 400; row++) {
            keep[row] = row % every != 0 && row / 50 % 2 == 0;
            add_row(batch, keep[row] ? kept : row * 31 % 400);
            column_batch_end_row(batch);
            if (keep[row]) {
                add_row(alone, kept++);
                column_batch_end_row(alone);
            }
        }
        column_batch_keep(batch, keep);
        check_rows(batch, kept);
        cr_assert_eq(column_batch_bytes(batch), column_batch_bytes(alone));
        for (size_t i = 0; i < count; i++) {
            const struct column *one = &batch->columns[i], *other = &alone->columns[i];
            cr_assert(one->nulls == other->nulls && one->rows == other->rows);
            cr_assert(!one->element || (one->element->nulls == other->element->nulls &&
                                           one->element->rows == other->element->rows));
        }
    }
}

/* A list that is given up before its end. */
Test(column, dropped_elements_leave_nothing)
{
    const struct column_field field = {.name = "a", .type = COLUMN_LIST, .element = COLUMN_STRING};
    cleanup_batch struct column_batch *batch = batch_new(&field, 1, VALUES_MAX);
    struct column *element = batch->columns->element;

    for (size_t row = 0; row < 2; row++) {
        add_value(element, 7);
        column_add_null(element);
        column_end_list(batch->columns);
        column_batch_end_row(batch);
        const size_t bytes = column_batch_bytes(batch);
        add_value(element, 9);
        column_add_null(element);
        column_batch_drop_row(batch);
        cr_assert_eq(column_batch_bytes(batch), bytes);
        cr_assert_eq(element->rows, 2 * (row + 1));
        cr_assert_eq(element->nulls, row + 1);
    }
    cr_assert_eq(element->values.length, 14);
}

/* Validity, ends or values, the bytes themselves, and the elements'. */
Test(column, bytes)
{
    const struct column_field fields[] = {{.name = "a", .type = COLUMN_INT32},
        {.name = "b", .type = COLUMN_STRING}, {.name = "c", .type = COLUMN_LIST, .element = COLUMN_INT64}};
    cleanup_batch struct column_batch *batch = batch_new(fields, 3, VALUES_MAX);

    column_add_null(&batch->columns[0]);
    cr_assert(column_add_bytes(&batch->columns[1], "twelve bytes", 12, &error) == 0);
    column_add_null(batch->columns[2].element);
    column_end_list(&batch->columns[2]);
    column_batch_end_row(batch);
    cr_assert_eq(column_batch_bytes(batch), (1 + 4) + (1 + 4 + 12) + (1 + 4 + 1 + 8));
}

static size_t rows_max_of(size_t columns, enum column_type type)
{
    struct column_field *fields = calloc(columns + 1, sizeof(*fields));

    for (size_t i = 0; i < columns; i++)
        fields[i] = (struct column_field){.name = "a", .type = type};
    struct column_batch *batch = batch_new(fields, columns, VALUES_MAX);
    const size_t rows_max = batch->rows_max;
    column_batch_free(&batch);
    cr_assert_null(batch);
    free(fields);
    return rows_max;
}

/* The wider the table, the fewer rows, so that the fixed parts stay within COLUMN_FIXED_MAX. */
Test(column, rows_of_a_batch)
{
    cr_assert_eq(rows_max_of(0, COLUMN_BOOL), COLUMN_ROWS_MAX);
    cr_assert_eq(rows_max_of(1, COLUMN_DECIMAL), COLUMN_ROWS_MAX);
    const size_t rows = rows_max_of(1600, COLUMN_DECIMAL);
    cr_assert_leq(rows * 1600 * 17, COLUMN_FIXED_MAX);
    cr_assert_gt((rows + 1) * (1600 * 17 + 1), COLUMN_FIXED_MAX);
    cr_assert_eq(rows_max_of(50000, COLUMN_DECIMAL), COLUMN_ROWS_LEAST);
}

Test(column, values_that_are_too_many)
{
    const struct column_field field = {.name = "note", .type = COLUMN_STRING};
    cleanup_batch struct column_batch *batch = batch_new(&field, 1, 10);

    cr_assert(column_add_bytes(batch->columns, "0123456", 7, &error) == 0);
    column_batch_end_row(batch);
    cr_assert(column_add_bytes(batch->columns, "0123", 4, &error) == -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert_str_eq(error.text, "column note: more than 10 bytes");
    column_batch_drop_row(batch);
    cr_assert_eq(batch->columns->rows, 1);
    cr_assert(column_add_bytes(batch->columns, "012", 3, &error) == 0);
}

/* Elements grow by doubling, and what is there stays there. */
Test(column, lists_grow)
{
    const struct column_field fields[] = {{.name = "a", .type = COLUMN_LIST, .element = COLUMN_INT64},
        {.name = "b", .type = COLUMN_LIST, .element = COLUMN_STRING}};
    cleanup_batch struct column_batch *batch = batch_new(fields, 2, VALUES_MAX);
    const size_t many = 5 * COLUMN_ROWS_MAX;

    for (size_t i = 0; i < 2; i++) {
        struct column *element = batch->columns[i].element;
        cr_assert(column_grow(element, COLUMN_ROWS_MAX, &error) == 0);
        cr_assert_eq(element->rows_max, COLUMN_ROWS_MAX);
        for (size_t k = 0; k < many; k++) {
            cr_assert(column_grow(element, k ? 1 : many, &error) == 0);
            add_value(element, k);
        }
        cr_assert_eq(element->rows_max, 8 * COLUMN_ROWS_MAX);
        column_end_list(&batch->columns[i]);
        for (size_t k = 0; k < many; k++)
            check_value(element, k, k);
        cr_assert(column_grow(element, UINT32_MAX / 16, &error) == -1);
        cr_assert_eq(error.kind, ERROR_REJECT);
        cr_assert(strstr(error.text, i ? "column b: a list of" : "column a: a list of"), "%s", error.text);
    }
}

/* ---- memory ------------------------------------------------------------------------------------------------------------------- */

/* Every allocation fails once; nothing is left behind (AddressSanitizer looks). */
Test(column, memory_that_ends)
{
    struct column_field fields[2 * TYPES];
    const size_t count = all_fields(fields);
    cleanup_batch struct column_batch *batch = NULL;
    int result = -1;

    column_batch_free(&batch);
    for (size_t at = 1; result; at++) {
        allocations = 0;
        fail_at = at;
        result = column_batch_new(&batch, fields, count, VALUES_MAX, &error);
        fail_at = 0;
        cr_assert(
            result == 0 || (error.kind == ERROR_RETRY && strstr(error.text, "out of memory") && !batch));
        cr_assert(result || at > 2 * count);
    }
    add_row(batch, 1);
}

Test(column, long_values_give_their_memory_back)
{
    const struct column_field field = {.name = "a", .type = COLUMN_BYTES};
    cleanup_batch struct column_batch *batch = batch_new(&field, 1, 2 * COLUMN_VALUES_KEPT);
    const struct column *column = batch->columns;
    const size_t lengths[] = {1000, COLUMN_VALUES_KEPT + 1};
    char *value = calloc(1, lengths[1]);

    for (size_t i = 0; i < 2; i++) {
        cr_assert_eq(column_add_bytes(batch->columns, value, lengths[i], &error), 0);
        column_batch_end_row(batch);
        cr_assert(column->values.capacity >= lengths[i]);
        column_batch_clear(batch);
        cr_assert_eq(column->values.capacity > 0, i == 0);
    }
    free(value);
}

Test(column, lists_that_cannot_grow)
{
    const struct column_field fields[] = {{.name = "a", .type = COLUMN_LIST, .element = COLUMN_INT64},
        {.name = "b", .type = COLUMN_LIST, .element = COLUMN_STRING}};

    for (size_t i = 0; i < 2; i++) {
        for (size_t at = 1; at <= 2; at++) {
            cleanup_batch struct column_batch *batch = batch_new(fields, 2, VALUES_MAX);
            struct column *element = batch->columns[i].element;
            add_value(element, 5);
            allocations = 0;
            fail_at = at;
            cr_assert(column_grow(element, COLUMN_ROWS_MAX, &error) == -1);
            fail_at = 0;
            cr_assert_eq(error.kind, ERROR_RETRY);
            cr_assert_eq(element->rows_max, COLUMN_ROWS_MAX);
            check_value(element, 0, 5);
            cr_assert(column_grow(element, COLUMN_ROWS_MAX, &error) == 0, "it can be tried again");
            check_value(element, 0, 5);
        }
    }
}

/* ---- what only a fault of the program can do ------------------------------------------------------------------------------------- */

Test(column, a_row_without_all_its_values, .signal = SIGABRT)
{
    const struct column_field fields[] = {
        {.name = "a", .type = COLUMN_INT32}, {.name = "b", .type = COLUMN_INT32}};
    struct column_batch *batch = batch_new(fields, 2, VALUES_MAX);

    column_add_null(&batch->columns[0]);
    column_batch_end_row(batch);
}

Test(column, a_row_more_than_there_is_room_for, .signal = SIGABRT)
{
    const struct column_field field = {.name = "a", .type = COLUMN_INT32};
    struct column_batch *batch = batch_new(&field, 1, VALUES_MAX);

    for (size_t row = 0; row <= batch->rows_max; row++) {
        column_add_null(batch->columns);
        column_batch_end_row(batch);
    }
}

Test(column, lists_of_lists, .signal = SIGABRT)
{
    const struct column_field field = {.name = "a", .type = COLUMN_LIST, .element = COLUMN_LIST};

    batch_new(&field, 1, VALUES_MAX);
}
