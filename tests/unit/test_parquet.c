/* Whole Parquet files, in memory: what their parts say, and levels and indexes decoded. Values are read back by foreign readers in
 * tests/formats/test_parquet.py. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "base/little.h"
#include "parquet_harness.h"

enum { PLAIN = 0, RLE_DICTIONARY = 8 };

static struct error error;
static struct image image;
static struct column_batch *batch;
static void *writer;
static struct table_file_options options;

static void begin(const struct column_field *fields, size_t count)
{
    const struct table_sink sink = {image_write, &image};

    image = (struct image){0};
    bytes_init(&image.data, 64u << 20);
    cr_assert(column_batch_new(&batch, fields, count, 64u << 20, &error) == 0);
    cr_assert(parquet_writer.open(&writer, fields, count, &options, &sink, &error) == 0, "%s", error.text);
}

static void flush(void)
{
    cr_assert(parquet_writer.add(writer, batch, &error) == 0, "%s", error.text);
    column_batch_clear(batch);
}

static void end_row(void)
{
    column_batch_end_row(batch);
    if (batch->rows == batch->rows_max)
        flush();
}

static struct slice finish(void)
{
    flush();
    cr_assert(parquet_writer.finish(writer, &error) == 0, "%s", error.text);
    return image_footer(&image);
}

static void end(void)
{
    parquet_writer.close(writer);
    column_batch_free(&batch);
    bytes_free(&image.data);
    options = (struct table_file_options){0};
}

static void add_text(size_t index, const char *text)
{
    cr_assert(column_add_bytes(&batch->columns[index], text, strlen(text), &error) == 0);
}

static void add_int(size_t index, int32_t value)
{
    column_add_fixed(&batch->columns[index], &value, sizeof(value));
}

/* The body of the page at an offset, not compressed; its header's fields are where ret_header begins. */
static struct slice page_at(int64_t offset, struct slice *ret_header)
{
    const struct slice text = image_from(&image, offset);
    const size_t head = thrift_length(text);
    const struct slice body = {text.data + head, (size_t)thrift_integer(text, PATH(3))};

    cr_assert_eq(thrift_integer(text, PATH(2)), thrift_integer(text, PATH(3)));
    cr_assert_eq((uint32_t)thrift_integer(text, PATH(4)), crc32_z(0, (const Bytef *)body.data, body.length));
    *ret_header = (struct slice){text.data, head};
    return body;
}

static const struct column_field flat[] = {{"id", COLUMN_INT32, 0, 0, 0}, {"name", COLUMN_STRING, 0, 0, 0}};

Test(parquet, a_file_of_one_row_byte_by_byte)
{
    const struct column_field field = {"id", COLUMN_INT32, 0, 0, 0};
    static const char before[] = "PAR1"
                                 "\x15\x00\x15\x14\x15\x14\x15",
                      body[] = "\x02\0\0\0\x02\x01\x07\0\0\0";

    options.name = "t";
    begin(&field, 1);
    add_int(0, 7);
    end_row();
    const struct slice footer = finish();
    cr_assert_arr_eq(image.data.data, before, sizeof(before) - 1);
    struct slice header;
    const struct slice page = page_at(4, &header);
    cr_assert_eq(page.length, sizeof(body) - 1);
    cr_assert_arr_eq(page.data, body, page.length);
    cr_assert_eq(thrift_integer(footer, PATH(1)), 1);
    cr_assert(slice_is(thrift_bytes(footer, PATH(2, 0, 4)), "t"));
    cr_assert(slice_is(thrift_bytes(footer, PATH(2, 1, 4)), "id"));
    cr_assert_eq(thrift_integer(footer, PATH(2, 1, 1)), 1);
    cr_assert_eq(thrift_integer(footer, PATH(2, 1, 3)), 1);
    cr_assert_eq(thrift_integer(footer, PATH(3)), 1);
    cr_assert_eq(thrift_integer(footer, PATH(4, 0, 3)), 1);
    cr_assert_eq(thrift_integer(footer, PATH(4, 0, 1, 0, 3, 9)), 4);
    cr_assert_eq(thrift_integer(footer, PATH(4, 0, 1, 0, 3, 7)), (int64_t)(header.length + page.length));
    cr_assert(slice_equal(thrift_bytes(footer, PATH(4, 0, 1, 0, 3, 12, 6)), (struct slice){"\7\0\0\0", 4}));
    cr_assert(slice_is(thrift_bytes(footer, PATH(6)), "penstock version " PENSTOCK_VERSION));
    cr_assert(thrift_find(footer, PATH(7, 0, 1)).there);
    cr_assert(!thrift_find(footer, PATH(5)).there);
    end();
}

Test(parquet, nothing)
{
    begin(flat, 2);
    struct slice footer = finish();
    cr_assert_eq(thrift_integer(footer, PATH(3)), 0);
    cr_assert_eq(thrift_integer(footer, PATH(4)), 0);
    cr_assert(slice_is(thrift_bytes(footer, PATH(2, 0, 4)), "schema"));
    end();
    begin(flat, 0);
    end_row();
    end_row();
    footer = finish();
    cr_assert_eq(thrift_integer(footer, PATH(3)), 2);
    cr_assert_eq(thrift_integer(footer, PATH(4, 0, 1)), 0);
    cr_assert_eq(thrift_integer(footer, PATH(4, 0, 3)), 2);
    end();
}

Test(parquet, metadata)
{
    const struct table_metadata pairs[] = {{"penstock.table", "public.t"}, {"empty", ""}};

    options = (struct table_file_options){.metadata = pairs, .metadata_count = 2};
    begin(flat, 2);
    const struct slice footer = finish();
    cr_assert(slice_is(thrift_bytes(footer, PATH(5, 0, 1)), "penstock.table"));
    cr_assert(slice_is(thrift_bytes(footer, PATH(5, 0, 2)), "public.t"));
    cr_assert(slice_is(thrift_bytes(footer, PATH(5, 1, 2)), ""));
    end();
}

/* [1, NULL], NULL, [], [2] as levels of repetition and definition. */
Test(parquet, levels_of_a_list)
{
    const struct column_field field = {"l", COLUMN_LIST, 0, 0, COLUMN_INT32};
    uint32_t levels[5];

    begin(&field, 1);
    struct column *list = &batch->columns[0], *element = list->element;
    column_add_fixed(element, &(int32_t){1}, 4);
    column_add_null(element);
    column_end_list(list);
    end_row();
    column_add_null(list);
    end_row();
    column_end_list(list);
    end_row();
    column_add_fixed(element, &(int32_t){2}, 4);
    column_end_list(list);
    end_row();
    const struct slice footer = finish();
    cr_assert_eq(thrift_integer(footer, PATH(2)), 4);
    cr_assert(slice_is(thrift_bytes(footer, PATH(2, 2, 4)), "list"));
    cr_assert(slice_is(thrift_bytes(footer, PATH(2, 3, 4)), "element"));
    cr_assert_eq(thrift_integer(footer, PATH(4, 0, 1, 0, 3, 3)), 3);
    cr_assert_eq(thrift_integer(footer, PATH(4, 0, 1, 0, 3, 5)), 5);
    cr_assert_eq(thrift_integer(footer, PATH(4, 0, 1, 0, 3, 12, 3)), 3);

    struct slice header, page = page_at(thrift_integer(footer, PATH(4, 0, 1, 0, 3, 9)), &header);
    cr_assert_eq(thrift_integer(header, PATH(5, 1)), 5);
    const uint32_t repetitions = get_u32(page.data);
    cr_assert_eq(hybrid_decode((struct slice){page.data + 4, repetitions}, 1, 5, levels), repetitions);
    cr_assert_arr_eq(levels, ((uint32_t[]){0, 1, 0, 0, 0}), sizeof(levels));
    page.data += 4 + repetitions;
    const uint32_t definitions = get_u32(page.data);
    cr_assert_eq(hybrid_decode((struct slice){page.data + 4, definitions}, 2, 5, levels), definitions);
    cr_assert_arr_eq(levels, ((uint32_t[]){3, 2, 0, 1, 3}), sizeof(levels));
    cr_assert_arr_eq(page.data + 4 + definitions, "\1\0\0\0\2\0\0\0", 8);
    end();
}

/* The encodings of a chunk's pages of data. */
static size_t encodings(struct slice footer, int group, int column, int64_t *list)
{
    const struct slice index = image_from(&image, thrift_integer(footer, PATH(4, group, 1, column, 4)));
    const int64_t count = thrift_integer(index, PATH(1));

    for (int i = 0; i < count; i++) {
        struct slice header;
        page_at(thrift_integer(index, PATH(1, i, 1)), &header);
        list[i] = thrift_integer(header, PATH(5, 2));
    }
    return (size_t)count;
}

Test(parquet, indexes_of_a_dictionary)
{
    enum { ROWS = 50000 };
    static uint32_t indexes[ROWS];
    int64_t list[64];
    struct slice header;

    begin(flat, 2);
    for (int32_t i = 0; i < ROWS; i++) {
        char text[16];
        add_int(0, i % 3);
        snprintf(text, sizeof(text), "%d", i % 1000);
        add_text(1, text);
        end_row();
    }
    const struct slice footer = finish();
    cr_assert_eq(encodings(footer, 0, 0, list), 3);
    cr_assert(list[0] == RLE_DICTIONARY && list[2] == RLE_DICTIONARY);
    const struct slice dictionary = page_at(thrift_integer(footer, PATH(4, 0, 1, 0, 3, 11)), &header);
    cr_assert_eq(thrift_integer(header, PATH(7, 1)), 3);
    cr_assert_eq(dictionary.length, 12);
    cr_assert_arr_eq(dictionary.data, "\0\0\0\0\1\0\0\0\2\0\0\0", 12);
    struct slice page = page_at(thrift_integer(footer, PATH(4, 0, 1, 0, 3, 9)), &header);
    const size_t levels = 4 + get_u32(page.data), count = (size_t)thrift_integer(header, PATH(5, 1));
    cr_assert_eq(page.data[levels], 2);
    page = (struct slice){page.data + levels + 1, page.length - levels - 1};
    cr_assert_eq(hybrid_decode(page, 2, count, indexes), page.length);
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(indexes[i], i % 3);
    end();
}

/* Rows of one column of numbers that a function makes; NULL where it says so. */
static size_t numbers(size_t rows, bool (*make)(size_t row, int64_t *value), int64_t *list)
{
    const struct column_field field = {"n", COLUMN_INT64, 0, 0, 0};

    options.group_size = 32u << 20;
    begin(&field, 1);
    for (size_t i = 0; i < rows; i++) {
        int64_t value;
        if (make(i, &value))
            column_add_fixed(&batch->columns[0], &value, sizeof(value));
        else
            column_add_null(&batch->columns[0]);
        end_row();
    }
    const struct slice footer = finish();
    cr_assert_eq(thrift_integer(footer, PATH(4)), 1);
    return encodings(footer, 0, 0, list);
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

Test(parquet, dictionary_or_not, .timeout = 120)
{
    int64_t list[64];
    size_t count = numbers(200000, distinct, list);

    cr_assert(count >= 10 && list[0] == PLAIN && list[count - 1] == PLAIN);
    end();
    count = numbers(200000, late, list);
    cr_assert(list[0] == RLE_DICTIONARY && list[count - 1] == RLE_DICTIONARY);
    end();
    count = numbers(400000, filling, list);
    cr_assert(list[0] == RLE_DICTIONARY && list[count - 1] == PLAIN);
    end();
    count = numbers(400000, sparse, list);
    cr_assert(count == 20 && list[0] == PLAIN && list[19] == PLAIN);
    end();
    count = numbers(100000, never, list);
    cr_assert(count == 5 && list[0] == PLAIN);
    end();
    count = numbers(100000, distinct_with_nulls, list);
    cr_assert(count == 5 && list[0] == PLAIN && list[4] == PLAIN);
    end();
}

/* The indexes of all pages; a chunk whose page holds NaNs alone has no column index. */
Test(parquet, page_index)
{
    const struct column_field fields[] = {{"up", COLUMN_INT32, 0, 0, 0}, {"down", COLUMN_INT32, 0, 0, 0},
        {"mixed", COLUMN_INT32, 0, 0, 0}, {"nan", COLUMN_FLOAT64, 0, 0, 0}, {"null", COLUMN_BOOL, 0, 0, 0},
        {"float", COLUMN_FLOAT32, 0, 0, 0}};

    begin(fields, 6);
    for (int32_t i = 0; i < 70000; i++) {
        add_int(0, i);
        add_int(1, -i);
        add_int(2, i / 20000 == 1 ? -1 : i);
        column_add_fixed(&batch->columns[3], &(double){i < 20000 ? (double)NAN : (double)i}, 8);
        if (i < 20000)
            column_add_null(&batch->columns[4]);
        else
            column_add_fixed(&batch->columns[4], &(uint8_t){i % 2 != 0}, 1);
        column_add_fixed(&batch->columns[5], &(float){i % 2 ? NAN : (float)i}, 4);
        end_row();
    }
    const struct slice footer = finish();
    for (int column = 0; column < 6; column++) {
        const struct slice offsets = image_from(&image, thrift_integer(footer, PATH(4, 0, 1, column, 4)));
        cr_assert_eq(thrift_integer(offsets, PATH(1)), 4);
        cr_assert_eq(thrift_integer(offsets, PATH(1, 2, 3)), 40000);
        cr_assert_eq(thrift_length(offsets), (size_t)thrift_integer(footer, PATH(4, 0, 1, column, 5)));
        if (column == 3) {
            cr_assert(!thrift_find(footer, PATH(4, 0, 1, column, 6)).there);
            cr_assert_eq(thrift_integer(footer, PATH(4, 0, 1, column, 3, 12, 9)), 20000);
            continue;
        }
        const struct slice index = image_from(&image, thrift_integer(footer, PATH(4, 0, 1, column, 6)));
        cr_assert_eq(thrift_length(index), (size_t)thrift_integer(footer, PATH(4, 0, 1, column, 7)));
        cr_assert_eq(thrift_integer(index, PATH(1, 0)), column == 4);
        cr_assert_eq(thrift_integer(index, PATH(1, 1)), 0);
        cr_assert_eq(thrift_integer(index, PATH(4)), column == 1 ? 2 : column == 2 ? 0 : 1);
        cr_assert_eq(thrift_integer(index, PATH(5, 0)), column == 4 ? 20000 : 0);
    }
    const struct slice up = image_from(&image, thrift_integer(footer, PATH(4, 0, 1, 0, 6)));
    cr_assert_eq(get_u32(thrift_bytes(up, PATH(2, 3)).data), 60000);
    cr_assert_eq(get_u32(thrift_bytes(up, PATH(3, 3)).data), 69999);
    const struct slice floats = image_from(&image, thrift_integer(footer, PATH(4, 0, 1, 5, 6)));
    cr_assert_eq(thrift_integer(floats, PATH(8, 1)), 10000);
    end();
}

/* Groups end at their size and at their number of rows; behind the index's ceiling they have none. */
Test(parquet, row_groups, .timeout = 120)
{
    enum { ROWS = 3000 };
    const struct column_field field = {"b", COLUMN_BOOL, 0, 0, 0};
    char text[200];

    memset(text, 'x', sizeof(text));
    options.group_size = 1000;
    begin(flat, 2);
    for (int32_t i = 0; i < ROWS; i++) {
        add_int(0, i);
        snprintf(text, sizeof(text), "%d", i * 1000003);
        text[strlen(text)] = 'x';
        cr_assert(column_add_bytes(&batch->columns[1], text, sizeof(text), &error) == 0);
        end_row();
        if (i % 5 == 0)
            flush();
    }
    struct slice footer = finish();
    const int64_t groups = thrift_integer(footer, PATH(4));
    int64_t rows = 0;
    cr_assert(groups > ROWS / 12 && groups <= ROWS / 5 + 1, "%lld", (long long)groups);
    for (int i = 0; i < groups; i++)
        rows += thrift_integer(footer, PATH(4, i, 3));
    cr_assert_eq(rows, ROWS);
    end();

    begin(&field, 1);
    for (size_t i = 0; i < (1u << 20) + 100; i++) {
        column_add_fixed(&batch->columns[0], &(uint8_t){1}, 1);
        end_row();
    }
    footer = finish();
    cr_assert_eq(thrift_integer(footer, PATH(4)), 2);
    cr_assert_eq(thrift_integer(footer, PATH(4, 0, 3)), 1 << 20);
    cr_assert_eq(thrift_integer(footer, PATH(4, 1, 3)), 100);
    end();
}

Test(parquet, the_page_index_has_a_ceiling, .timeout = 120)
{
    enum { COLUMNS = 400 };
    static struct column_field fields[COLUMNS];
    char text[64];

    for (size_t i = 0; i < COLUMNS; i++)
        fields[i] = (struct column_field){"c", COLUMN_STRING, 0, 0, 0};
    options.group_size = 1;
    begin(fields, COLUMNS);
    for (int group = 0; group < 100; group++) {
        memset(text, 'a' + group % 20, sizeof(text));
        for (size_t i = 0; i < COLUMNS; i++)
            cr_assert(column_add_bytes(&batch->columns[i], text, sizeof(text), &error) == 0);
        end_row();
        flush();
    }
    const struct slice footer = finish();
    cr_assert_eq(thrift_integer(footer, PATH(4)), 100);
    cr_assert(thrift_find(footer, PATH(4, 0, 1, 0, 4)).there);
    cr_assert(!thrift_find(footer, PATH(4, 99, 1, 0, 4)).there);
    cr_assert(!thrift_find(footer, PATH(4, 99, 1, 0, 6)).there);
    end();
}

/* A long value has a page of its own; neither the group nor a batch of many such values grows beyond what is asked. */
Test(parquet, long_values)
{
    char *text = calloc(1, 6u << 20);

    begin(flat, 2);
    for (int32_t i = 0; i < 5; i++) {
        add_int(0, i);
        cr_assert(column_add_bytes(
                      &batch->columns[1], text, i % 2 ? 5 : (6u << 20) + (unsigned)i - 5, &error) == 0);
        end_row();
    }
    const struct slice footer = finish();
    cr_assert_eq(thrift_integer(footer, PATH(4)), 1);
    const struct slice index = image_from(&image, thrift_integer(footer, PATH(4, 0, 1, 1, 4)));
    cr_assert(thrift_integer(index, PATH(1)) >= 3);
    end();
    options.codec = TABLE_CODEC_ZSTD;
    begin(flat, 2);
    add_int(0, 1);
    for (size_t i = 0; i < 6u << 20; i++)
        text[i] = (char)(i * i >> 7);
    cr_assert(column_add_bytes(&batch->columns[1], text, 6u << 20, &error) == 0);
    end_row();
    finish();
    end();
    free(text);
}

Test(parquet, refused)
{
    const struct column_field fields[] = {{"n", COLUMN_INT32, 0, 0, 0}, {"when", COLUMN_DATE, 0, 0, 0},
        {"all", COLUMN_LIST, 0, 0, COLUMN_DATE}};
    const struct column_field decimal = {"d", COLUMN_DECIMAL, 40, 0, 0};
    const struct table_sink sink = {image_write, &image};

    begin(fields, 3);
    for (int32_t i = 0; i < 3; i++) {
        add_int(0, i);
        add_int(1, i == 2 ? INT32_MAX : i);
        column_end_list(&batch->columns[2]);
        end_row();
        if (i == 0)
            flush();
    }
    cr_assert(parquet_writer.add(writer, batch, &error) == -1 && error.kind == ERROR_REJECT);
    cr_assert(
        strstr(error.text, "column when, row 3: Parquet cannot hold infinity in a date"), "%s", error.text);
    end();

    begin(fields, 3);
    for (int32_t i = 0; i < 3; i++) {
        struct column *element = batch->columns[2].element;
        add_int(0, i);
        add_int(1, i);
        column_add_fixed(element, &(int32_t){i}, 4);
        column_add_fixed(element, &(int32_t){i == 1 ? INT32_MIN : 1}, 4);
        column_end_list(&batch->columns[2]);
        end_row();
    }
    cr_assert(parquet_writer.add(writer, batch, &error) == -1 && error.kind == ERROR_REJECT);
    cr_assert(strstr(error.text, "column all, row 2: "), "%s", error.text);
    end();

    cr_assert(parquet_writer.open(&writer, &decimal, 1, &options, &sink, &error) == -1);
    cr_assert(error.kind == ERROR_REJECT && strstr(error.text, "column d"));
    options.codec = TABLE_CODEC_DEFLATE;
    cr_assert(parquet_writer.open(&writer, fields, 1, &options, &sink, &error) == -1);
    cr_assert(error.kind == ERROR_REJECT && strstr(error.text, "gzip"));
    options = (struct table_file_options){0};
}
