/* Values as Parquet has them: NULLs left out, decimals in their width, and what it cannot hold refused with its place. */
#include <criterion/criterion.h>

#include "lake/format/parquet_values.h"

static struct error error;
static struct column_batch *batch;
static struct column *column;
static struct column_field field;
static struct parquet_type type;
static struct bytes scratch[2];
static struct parquet_values values;
static size_t bad;

static void begin(enum column_type kind, uint8_t precision, uint8_t scale)
{
    field = (struct column_field){.name = "a", .type = kind, .precision = precision, .scale = scale};
    cr_assert(column_batch_new(&batch, &field, 1, 4096, &error) == 0);
    column = &batch->columns[0];
    cr_assert(parquet_type_of(&type, &field, &error) == 0);
    bytes_init(&scratch[0], 1u << 20);
    bytes_init(&scratch[1], 1u << 20);
}

static void end(void)
{
    column_batch_free(&batch);
    bytes_free(&scratch[0]);
    bytes_free(&scratch[1]);
}

static int take(size_t from, size_t to)
{
    return parquet_values_take(&values, &bad, &type, column, from, to, scratch, &error);
}

static void add_decimal(long long value)
{
    unsigned char bytes[16];

    for (int i = 15; i >= 0; i--, value >>= 8)
        bytes[i] = (unsigned char)value;
    column_add_fixed(column, bytes, 16);
}

Test(parquet_values, without_nulls_nothing_is_copied)
{
    begin(COLUMN_INT64, 0, 0);
    for (int64_t i = 0; i < 10; i++)
        column_add_fixed(column, &i, 8);
    cr_assert(take(3, 7) == 0);
    cr_assert(values.count == 4 && values.fixed == column->fixed + 24);
    cr_assert_eq(parquet_values_size(&values, type.width), 32);
    values = parquet_values_from(values, type.width, 3);
    cr_assert(values.count == 1 && ((const int64_t *)values.fixed)[0] == 6);
    end();
}

Test(parquet_values, nulls_are_left_out)
{
    static const enum column_type kinds[] = {COLUMN_BOOL, COLUMN_INT32, COLUMN_FLOAT64, COLUMN_UUID};

    for (size_t kind = 0; kind < 4; kind++) {
        begin(kinds[kind], 0, 0);
        for (unsigned i = 0; i < 12; i++) {
            char value[16] = {(char)i};
            if (i % 3 == 1)
                column_add_null(column);
            else
                column_add_fixed(column, value, type.width);
        }
        cr_assert(take(1, 12) == 0);
        cr_assert_eq(values.count, 7);
        for (size_t i = 0; i < 7; i++)
            cr_assert_eq(values.fixed[i * type.width], "\2\3\5\6\10\11\13"[i]);
        cr_assert(take(1, 2) == 0 && values.count == 0);
        end();
    }
}

Test(parquet_values, text)
{
    static const char *const texts[] = {"one", NULL, "", NULL, "four", "x"};

    begin(COLUMN_STRING, 0, 0);
    cr_assert(take(0, 0) == 0 && values.count == 0 && values.data);
    cr_assert_eq(parquet_values_size(&values, 0), 0);
    for (size_t i = 0; i < 6; i++) {
        if (texts[i])
            cr_assert(column_add_bytes(column, texts[i], strlen(texts[i]), &error) == 0);
        else
            column_add_null(column);
    }
    cr_assert(take(1, 6) == 0);
    cr_assert_eq(values.count, 3);
    cr_assert(slice_is(parquet_values_at(&values, 0), "") && slice_is(parquet_values_at(&values, 1), "four"));
    cr_assert_eq(parquet_values_size(&values, 0), 3 * 4 + 5);
    const struct parquet_values rest = parquet_values_from(values, 0, 2);
    cr_assert(rest.count == 1 && slice_is(parquet_values_at(&rest, 0), "x"));
    const struct parquet_values all = parquet_values_from(values, 0, 0);
    cr_assert(all.count == 3 && all.ends == values.ends);
    end();
}

Test(parquet_values, decimals_are_as_wide_as_they_must)
{
    begin(COLUMN_DECIMAL, 9, 2);
    cr_assert(type.physical == PARQUET_INT32 && type.scale == 2 && type.precision == 9);
    add_decimal(-999999999);
    column_add_null(column);
    add_decimal(999999999);
    cr_assert(take(0, 3) == 0 && values.count == 2);
    cr_assert_eq(((const int32_t *)(const void *)values.fixed)[0], -999999999);
    cr_assert_eq(((const int32_t *)(const void *)values.fixed)[1], 999999999);
    end();
    begin(COLUMN_DECIMAL, 10, 0);
    cr_assert(type.physical == PARQUET_INT64);
    add_decimal(-1);
    cr_assert(take(0, 1) == 0 && ((const int64_t *)(const void *)values.fixed)[0] == -1);
    end();
    begin(COLUMN_DECIMAL, 19, 0);
    cr_assert(type.physical == PARQUET_FIXED && type.width == 16);
    add_decimal(-1);
    cr_assert(take(0, 1) == 0 && values.fixed == column->fixed);
    end();
}

static void refuses(enum column_type kind, uint8_t precision, long long value, const char *what)
{
    begin(kind, precision, 0);
    column_add_null(column);
    for (unsigned i = 0; i < 2; i++) {
        if (kind == COLUMN_DECIMAL)
            add_decimal(i ? value : 0);
        else
            column_add_fixed(column, i ? &value : &(long long){0}, column_width(kind));
    }
    cr_assert(take(0, 2) == 0);
    cr_assert(take(0, 3) == -1 && error.kind == ERROR_REJECT && bad == 2);
    cr_assert(strstr(error.text, what), "%s", error.text);
    end();
}

Test(parquet_values, what_parquet_cannot_hold)
{
    refuses(COLUMN_DATE, 0, INT32_MAX, "infinity in a date");
    refuses(COLUMN_DATE, 0, INT32_MIN, "infinity in a date");
    refuses(COLUMN_TIMESTAMP, 0, INT64_MAX, "infinity in a timestamp without");
    refuses(COLUMN_TIMESTAMP_UTC, 0, INT64_MIN, "infinity in a timestamp with");
    refuses(COLUMN_TIME, 0, 86400000000, "24:00 in a time");
    refuses(COLUMN_DECIMAL, 4, 10000, "more digits");
    refuses(COLUMN_DECIMAL, 4, -10000, "more digits");
    refuses(COLUMN_DECIMAL, 15, 1000000000000000, "more digits");
}

Test(parquet_values, types)
{
    const struct column_field none = {"d", COLUMN_DECIMAL, 0, 0, 0}, many = {"d", COLUMN_DECIMAL, 39, 0, 0},
                              scale = {"d", COLUMN_DECIMAL, 3, 4, 0},
                              list = {"l", COLUMN_LIST, 5, 1, COLUMN_DECIMAL};

    cr_assert(parquet_type_of(&type, &none, &error) == -1 && error.kind == ERROR_REJECT);
    cr_assert(parquet_type_of(&type, &many, &error) == -1);
    cr_assert(parquet_type_of(&type, &scale, &error) == -1);
    cr_assert(
        parquet_type_of(&type, &list, &error) == 0 && type.physical == PARQUET_INT32 && type.scale == 1);
}

Test(parquet_values, no_room)
{
    begin(COLUMN_DECIMAL, 9, 0);
    column_add_null(column);
    add_decimal(1);
    bytes_init(&scratch[0], 8);
    cr_assert(take(0, 2) == -1);
    bytes_init(&scratch[0], 1000);
    bytes_init(&scratch[1], 3);
    cr_assert(take(0, 2) == -1);
    end();
    begin(COLUMN_STRING, 0, 0);
    column_add_null(column);
    bytes_init(&scratch[0], 4);
    cr_assert(take(0, 1) == -1);
    end();
}
