/* Pages and row groups of Parquet files: which encoding is taken, where they end, what the indexes say of them. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/little.h"
#include "parquet_harness.h"

enum { PLAIN = 0, RLE_DICTIONARY = 8 };

static struct error error;

static const struct column_field flat[] = {{"id", COLUMN_INT32, 0, 0, 0}, {"name", COLUMN_STRING, 0, 0, 0}};

/* Rows of one column of numbers that a function makes; NULL where it says so. Returns the footer. */
static struct slice numbers_file(size_t rows, bool (*make)(size_t row, int64_t *value))
{
    const struct column_field field = {"n", COLUMN_INT64, 0, 0, 0};

    file_options.group_size = 32u << 20;
    file_begin(&field, 1);
    for (size_t i = 0; i < rows; i++) {
        int64_t value;
        if (make(i, &value))
            column_add_fixed(&file_batch->columns[0], &value, sizeof(value));
        else
            column_add_null(&file_batch->columns[0]);
        file_end_row();
    }
    const struct slice footer = file_finish();
    cr_assert_eq(thrift_integer(footer, PATH(4)), 1);
    return footer;
}

static size_t numbers(size_t rows, bool (*make)(size_t row, int64_t *value), int64_t *list)
{
    return file_encodings(numbers_file(rows, make), 0, 0, list);
}

static bool distinct(size_t row, int64_t *value)
{
    *value = (int64_t)row * 77777;
    return true;
}

static bool late(size_t row, int64_t *value)
{
    *value = (int64_t)row % 50000 * 77777;
    return true;
}

static bool halves(size_t row, int64_t *value)
{
    *value = row % 2 ? (int64_t)row * 77777 : 1;
    return true;
}

static bool few(size_t row, int64_t *value)
{
    *value = (int64_t)row % 1000;
    return true;
}

static bool filling(size_t row, int64_t *value)
{
    *value = row < 100000 ? (int64_t)row % 10 : (int64_t)row;
    return true;
}

static bool sparse(size_t row, int64_t *value)
{
    *value = (int64_t)row;
    return row % 20000 == 5;
}

static bool never(size_t row, int64_t *value)
{
    *value = (int64_t)row;
    return false;
}

static bool distinct_with_nulls(size_t row, int64_t *value)
{
    *value = (int64_t)row * 77777;
    return row % 5 != 0;
}

Test(parquet_groups, dictionary_or_not, .timeout = 900)
{
    int64_t list[64];
    size_t count = numbers(200000, distinct, list);

    cr_assert(count >= 10 && list[0] == PLAIN && list[count - 1] == PLAIN);
    file_end();
    count = numbers(200000, late, list);
    cr_assert(list[0] == RLE_DICTIONARY && list[count - 1] == RLE_DICTIONARY);
    file_end();
    count = numbers(400000, filling, list);
    cr_assert(list[0] == RLE_DICTIONARY && list[count - 1] == PLAIN);
    file_end();
    count = numbers(400000, sparse, list);
    cr_assert(count == 20 && list[0] == PLAIN && list[19] == PLAIN);
    file_end();
    count = numbers(100000, never, list);
    cr_assert(count == 5 && list[0] == PLAIN);
    file_end();
    count = numbers(100000, distinct_with_nulls, list);
    cr_assert(count == 5 && list[0] == PLAIN && list[4] == PLAIN);
    file_end();
}

/* Every other value is new, and so on to the end: indexes are smaller than the values, but not than what zstd makes of them. */
Test(parquet_groups, a_codec_does_without_a_dictionary_that_goes_on_growing, .timeout = 900)
{
    const struct {
        enum table_codec codec;
        bool (*make)(size_t row, int64_t *value);
        bool dictionary;
    } cases[] = {{TABLE_CODEC_NONE, halves, true}, {TABLE_CODEC_ZSTD, halves, false},
        {TABLE_CODEC_ZSTD, late, true}, {TABLE_CODEC_ZSTD, few, true}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        file_options.codec = cases[i].codec;
        const struct slice footer = numbers_file(120000, cases[i].make);
        cr_assert_eq(thrift_find(footer, PATH(4, 0, 1, 0, 3, 11)).there, cases[i].dictionary, "case %zu", i);
        file_end();
    }
}

/* A few thousand values are enough in a file of a table whose files before it had no use of a dictionary; otherwise it waits for many more. */
Test(parquet_groups, dictionary_or_not_is_told_from_file_to_file, .timeout = 900)
{
    atomic_bool plain[1] = {false};
    int64_t list[64];

    file_options.plain = plain;
    numbers(1000, distinct, list);
    cr_assert(!plain[0], "too few values to tell");
    file_end();
    file_options.plain = plain;
    cr_assert(numbers(200000, distinct, list) > 2 && list[0] == PLAIN && plain[0]);
    file_end();
    file_options.plain = plain;
    cr_assert(numbers(200000, late, list) > 2 && list[0] == PLAIN && plain[0]);
    file_end();
    file_options.plain = plain;
    cr_assert(numbers(200000, few, list) > 2 && list[0] == RLE_DICTIONARY && !plain[0]);
    file_end();
    file_options.plain = plain;
    cr_assert(numbers(200000, late, list) > 2 && list[0] == RLE_DICTIONARY && !plain[0]);
    file_end();
}

/* The indexes of all pages; a chunk whose page holds NaNs alone has no column index. */
Test(parquet_groups, page_index)
{
    const struct column_field fields[] = {{"up", COLUMN_INT32, 0, 0, 0}, {"down", COLUMN_INT32, 0, 0, 0},
        {"mixed", COLUMN_INT32, 0, 0, 0}, {"nan", COLUMN_FLOAT64, 0, 0, 0}, {"null", COLUMN_BOOL, 0, 0, 0},
        {"float", COLUMN_FLOAT32, 0, 0, 0}};

    file_begin(fields, 6);
    for (int32_t i = 0; i < 70000; i++) {
        file_int(0, i);
        file_int(1, -i);
        file_int(2, i / 20000 == 1 ? -1 : i);
        column_add_fixed(&file_batch->columns[3], &(double){i < 20000 ? (double)NAN : (double)i}, 8);
        if (i < 20000)
            column_add_null(&file_batch->columns[4]);
        else
            column_add_fixed(&file_batch->columns[4], &(uint8_t){i % 2 != 0}, 1);
        column_add_fixed(&file_batch->columns[5], &(float){i % 2 ? NAN : (float)i}, 4);
        file_end_row();
    }
    const struct slice footer = file_finish();
    for (int column = 0; column < 6; column++) {
        const struct slice offsets =
            image_from(&file_image, thrift_integer(footer, PATH(4, 0, 1, column, 4)));
        cr_assert_eq(thrift_integer(offsets, PATH(1)), 4);
        cr_assert_eq(thrift_integer(offsets, PATH(1, 2, 3)), 40000);
        cr_assert_eq(thrift_length(offsets), (size_t)thrift_integer(footer, PATH(4, 0, 1, column, 5)));
        if (column == 3) {
            cr_assert(!thrift_find(footer, PATH(4, 0, 1, column, 6)).there);
            cr_assert_eq(thrift_integer(footer, PATH(4, 0, 1, column, 3, 12, 9)), 20000);
            continue;
        }
        const struct slice index = image_from(&file_image, thrift_integer(footer, PATH(4, 0, 1, column, 6)));
        cr_assert_eq(thrift_length(index), (size_t)thrift_integer(footer, PATH(4, 0, 1, column, 7)));
        cr_assert_eq(thrift_integer(index, PATH(1, 0)), column == 4);
        cr_assert_eq(thrift_integer(index, PATH(1, 1)), 0);
        cr_assert_eq(thrift_integer(index, PATH(4)), column == 1 ? 2 : column == 2 ? 0 : 1);
        cr_assert_eq(thrift_integer(index, PATH(5, 0)), column == 4 ? 20000 : 0);
    }
    const struct slice up = image_from(&file_image, thrift_integer(footer, PATH(4, 0, 1, 0, 6)));
    cr_assert_eq(get_u32(thrift_bytes(up, PATH(2, 3)).data), 60000);
    cr_assert_eq(get_u32(thrift_bytes(up, PATH(3, 3)).data), 69999);
    const struct slice floats = image_from(&file_image, thrift_integer(footer, PATH(4, 0, 1, 5, 6)));
    cr_assert_eq(thrift_integer(floats, PATH(8, 1)), 10000);
    file_end();
}

/* Groups end at their size and at their number of rows; behind the index's ceiling they have none. */
Test(parquet_groups, row_groups, .timeout = 900)
{
    enum { ROWS = 3000 };
    const struct column_field field = {"b", COLUMN_BOOL, 0, 0, 0};
    char text[200];

    memset(text, 'x', sizeof(text));
    file_options.group_size = 1000;
    file_begin(flat, 2);
    for (int32_t i = 0; i < ROWS; i++) {
        file_int(0, i);
        snprintf(text, sizeof(text), "%d", i * 1000003);
        text[strlen(text)] = 'x';
        cr_assert(column_add_bytes(&file_batch->columns[1], text, sizeof(text), &error) == 0);
        file_end_row();
        if (i % 5 == 0)
            file_flush();
    }
    struct slice footer = file_finish();
    const int64_t groups = thrift_integer(footer, PATH(4));
    int64_t rows = 0;
    cr_assert(groups > ROWS / 12 && groups <= ROWS / 5 + 1, "%lld", (long long)groups);
    for (int i = 0; i < groups; i++)
        rows += thrift_integer(footer, PATH(4, i, 3));
    cr_assert_eq(rows, ROWS);
    file_end();

    file_begin(&field, 1);
    for (size_t i = 0; i < (1u << 20) + 100; i++) {
        column_add_fixed(&file_batch->columns[0], &(uint8_t){1}, 1);
        file_end_row();
    }
    footer = file_finish();
    cr_assert_eq(thrift_integer(footer, PATH(4)), 2);
    cr_assert_eq(thrift_integer(footer, PATH(4, 0, 3)), 1 << 20);
    cr_assert_eq(thrift_integer(footer, PATH(4, 1, 3)), 100);
    file_end();
}

/* A hundred groups of many columns; file_image.fail_at is set by the caller. */
static int many_chunks(size_t fails)
{
    enum { COLUMNS = 400 };
    static struct column_field fields[COLUMNS];
    char text[64];

    for (size_t i = 0; i < COLUMNS; i++)
        fields[i] = (struct column_field){"c", COLUMN_STRING, 0, 0, 0};
    file_options.group_size = 1;
    file_begin(fields, COLUMNS);
    file_image.fail_at = fails;
    for (int group = 0; group < 100; group++) {
        memset(text, 'a' + group % 20, sizeof(text));
        for (size_t i = 0; i < COLUMNS; i++)
            cr_assert(column_add_bytes(&file_batch->columns[i], text, sizeof(text), &error) == 0);
        file_end_row();
        file_flush();
    }
    return parquet_writer.finish(file_writer, &error);
}

Test(parquet_groups, the_page_index_has_a_ceiling, .timeout = 900)
{
    cr_assert(many_chunks(0) == 0);
    const struct slice footer = image_footer(&file_image);
    cr_assert_eq(thrift_integer(footer, PATH(4)), 100);
    cr_assert(thrift_find(footer, PATH(4, 0, 1, 0, 4)).there);
    cr_assert(!thrift_find(footer, PATH(4, 99, 1, 0, 4)).there);
    cr_assert(!thrift_find(footer, PATH(4, 99, 1, 0, 6)).there);
    const size_t writes = file_image.writes;
    file_end();
    /* A long footer is written in pieces, the last of which is its length. */
    cr_assert(many_chunks(writes - 5) == -1 && error.kind == ERROR_FATAL);
    cr_assert_eq(file_image.writes, writes - 5);
    file_end();
}

/* A long value has a page of its own; neither the group nor a batch of many such values grows beyond what is asked. */
Test(parquet_groups, long_values)
{
    char *text = calloc(1, 6u << 20);

    file_begin(flat, 2);
    for (int32_t i = 0; i < 5; i++) {
        file_int(0, i);
        cr_assert(column_add_bytes(
                      &file_batch->columns[1], text, i % 2 ? 5 : (6u << 20) + (unsigned)i - 5, &error) == 0);
        file_end_row();
    }
    const struct slice footer = file_finish();
    cr_assert_eq(thrift_integer(footer, PATH(4)), 1);
    const struct slice index = image_from(&file_image, thrift_integer(footer, PATH(4, 0, 1, 1, 4)));
    cr_assert(thrift_integer(index, PATH(1)) >= 3);
    file_end();
    file_options.codec = TABLE_CODEC_ZSTD;
    file_begin(flat, 2);
    file_int(0, 1);
    for (size_t i = 0; i < 6u << 20; i++)
        text[i] = (char)(i * i >> 7);
    cr_assert(column_add_bytes(&file_batch->columns[1], text, 6u << 20, &error) == 0);
    file_end_row();
    file_finish();
    file_end();
    free(text);
}
