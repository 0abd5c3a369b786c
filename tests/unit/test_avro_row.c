/* avro_row: data of single rows, byte by byte, as a file of Avro has them, and rows that cannot be */
#include <criterion/criterion.h>

#include "lake/format/avro_row.h"

static const struct column_field fields[] = {{.name = "id", .type = COLUMN_INT64},
    {.name = "name", .type = COLUMN_STRING}, {.name = "day", .type = COLUMN_DATE}};
#define FIELDS (sizeof fields / sizeof *fields)
#define LONG ((size_t)1 << 20)

static struct column_batch *batch;
static struct avro_row *avro;
static struct error error;

static void begin(void)
{
    cr_assert_eq(column_batch_new(&batch, fields, FIELDS, 16 * LONG, &error), 0);
}

static void end(void)
{
    avro_row_close(&avro);
    avro_row_close(&avro);
    column_batch_free(&batch);
}

TestSuite(avro_row, .init = begin, .fini = end);

static void add_row(int64_t id, const char *name, size_t length, int32_t day)
{
    column_add_fixed(&batch->columns[0], &id, sizeof id);
    cr_assert_eq(column_add_bytes(&batch->columns[1], name, length, &error), 0);
    column_add_fixed(&batch->columns[2], &day, sizeof day);
    column_batch_end_row(batch);
}

static void open_row(size_t length_max)
{
    cr_assert_eq(avro_row_open(&avro, fields, FIELDS, length_max, &error), 0);
}

static void datum_is(size_t row, const char *expected, size_t length)
{
    struct slice datum;

    cr_assert_eq(avro_row_take(avro, batch, row, &datum, &error), 0, "%s", error.text);
    cr_assert_eq(datum.length, length);
    cr_assert_arr_eq(datum.data, expected, length);
}

Test(avro_row, one_by_one_over_batches)
{
    open_row(LONG);
    for (int batches = 0; batches < 2; batches++) {
        column_batch_clear(batch);
        add_row(-1, "ab", 2, 1);
        for (size_t i = 0; i < FIELDS; i++)
            column_add_null(&batch->columns[i]);
        column_batch_end_row(batch);
        for (int i = 2; i < 200; i++)
            add_row(i, "", 0, 0);
        cr_assert_eq(avro_row_begin(avro, batch, &error), 0);
        datum_is(0, "\2\1\2\4ab\2\2", 8);
        datum_is(1, "\0\0\0", 3);
        for (int i = 2; i < 64; i++)
            datum_is((size_t)i, (const char[]){2, (char)(2 * i), 2, 0, 2, 0}, 6);
        for (int i = 64; i < 200; i++)
            datum_is((size_t)i, (const char[]){2, (char)(2 * i | 0x80), (char)(2 * i >> 7), 2, 0, 2, 0}, 7);
    }
}

Test(avro_row, as_long_as_it_may_be_and_longer)
{
    struct slice datum;
    char *name = calloc(1, 2 * LONG);

    open_row(7);
    add_row(0, "a", 1, 0);
    add_row(0, "ab", 2, 0);
    add_row(0, name, 2 * LONG, 0);
    cr_assert_eq(avro_row_begin(avro, batch, &error), 0);
    datum_is(0, "\2\0\2\2a\2\0", 7);
    for (size_t row = 1; row < 3; row++) {
        cr_assert_eq(avro_row_take(avro, batch, row, &datum, &error), -1);
        cr_assert_eq(error.kind, ERROR_REJECT);
    }
    free(name);
}

Test(avro_row, what_avro_has_not_is_named_with_its_row)
{
    open_row(LONG);
    add_row(0, "a", 1, 0);
    cr_assert_eq(avro_row_begin(avro, batch, &error), 0);
    column_batch_clear(batch);
    add_row(0, "a", 1, INT32_MAX);
    cr_assert_eq(avro_row_begin(avro, batch, &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert_str_eq(error.text, "column day, row 2: Avro has no infinite date");
}

Test(avro_row, its_schema_is_a_files)
{
    cleanup_bytes struct bytes text;

    bytes_init(&text, LONG);
    cr_assert_eq(avro_row_schema(&text, "t", fields, 1, &error), 0);
    cr_assert_eq(bytes_add(&text, "", 1, &error), 0);
    cr_assert(strstr(text.data, "\"name\":\"id\",\"type\":[\"null\",\"long\"]"), "%s", text.data);
}
