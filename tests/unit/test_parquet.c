/* Whole Parquet files, in memory: what their parts say, and levels and indexes decoded. Values are read back by foreign readers in
 * tests/formats/test_parquet.py. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/little.h"
#include "parquet_harness.h"

enum { RLE_DICTIONARY = 8 };

static struct error error;

static const struct column_field flat[] = {{"id", COLUMN_INT32, 0, 0, 0}, {"name", COLUMN_STRING, 0, 0, 0}};

Test(parquet, a_file_of_one_row_byte_by_byte)
{
    const struct column_field field = {"id", COLUMN_INT32, 0, 0, 0};
    static const char before[] = "PAR1"
                                 "\x15\x00\x15\x14\x15\x14\x15",
                      body[] = "\x02\0\0\0\x02\x01\x07\0\0\0";

    file_options.name = "t";
    file_begin(&field, 1);
    file_int(0, 7);
    file_end_row();
    const struct slice footer = file_finish();
    cr_assert_arr_eq(file_image.data.data, before, sizeof(before) - 1);
    struct slice header;
    const struct slice page = file_page(4, &header);
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
    file_end();
}

Test(parquet, nothing)
{
    file_begin(flat, 2);
    struct slice footer = file_finish();
    cr_assert_eq(thrift_integer(footer, PATH(3)), 0);
    cr_assert_eq(thrift_integer(footer, PATH(4)), 0);
    cr_assert(slice_is(thrift_bytes(footer, PATH(2, 0, 4)), "schema"));
    file_end();
    file_begin(flat, 0);
    file_end_row();
    file_end_row();
    footer = file_finish();
    cr_assert_eq(thrift_integer(footer, PATH(3)), 2);
    cr_assert_eq(thrift_integer(footer, PATH(4, 0, 1)), 0);
    cr_assert_eq(thrift_integer(footer, PATH(4, 0, 3)), 2);
    file_end();
}

/* What each type is called, in LogicalType and for readers that only know ConvertedType. */
Test(parquet, schema)
{
    static const struct {
        struct column_field field;
        int physical, converted, logical;
    } types[] = {{{"a", COLUMN_BOOL, 0, 0, 0}, 0, -1, 0}, {{"a", COLUMN_INT64, 0, 0, 0}, 2, -1, 0},
        {{"a", COLUMN_FLOAT32, 0, 0, 0}, 4, -1, 0}, {{"a", COLUMN_FLOAT64, 0, 0, 0}, 5, -1, 0},
        {{"a", COLUMN_DECIMAL, 20, 3, 0}, 7, 5, 5}, {{"a", COLUMN_DATE, 0, 0, 0}, 1, 6, 6},
        {{"a", COLUMN_TIME, 0, 0, 0}, 2, 8, 7}, {{"a", COLUMN_TIMESTAMP, 0, 0, 0}, 2, 10, 8},
        {{"a", COLUMN_TIMESTAMP_UTC, 0, 0, 0}, 2, 10, 8}, {{"a", COLUMN_UUID, 0, 0, 0}, 7, -1, 14},
        {{"a", COLUMN_NUMBER, 0, 0, 0}, 6, 0, 1}, {{"a", COLUMN_JSON, 0, 0, 0}, 6, 0, 1},
        {{"a", COLUMN_BYTES, 0, 0, 0}, 6, -1, 0}};
    enum { COUNT = sizeof(types) / sizeof(types[0]) };
    struct column_field fields[COUNT];

    for (size_t i = 0; i < COUNT; i++)
        fields[i] = types[i].field;
    file_begin(fields, COUNT);
    const struct slice footer = file_finish();
    for (int i = 0; i < COUNT; i++) {
        const struct found converted = thrift_find(footer, PATH(2, i + 1, 6));
        cr_assert_eq(thrift_integer(footer, PATH(2, i + 1, 1)), types[i].physical);
        cr_assert(converted.there == (types[i].converted >= 0) &&
                  (!converted.there || converted.integer == types[i].converted));
        cr_assert_eq(thrift_find(footer, PATH(2, i + 1, 10)).there, types[i].logical > 0);
        cr_assert(!types[i].logical || thrift_find(footer, PATH(2, i + 1, 10, types[i].logical)).there);
        cr_assert_eq(thrift_find(footer, PATH(2, i + 1, 2)).there, types[i].physical == 7);
    }
    cr_assert_eq(thrift_integer(footer, PATH(2, 5, 7)), 3);
    cr_assert_eq(thrift_integer(footer, PATH(2, 5, 8)), 20);
    cr_assert_eq(thrift_integer(footer, PATH(2, 5, 10, 5, 1)), 3);
    cr_assert_eq(thrift_integer(footer, PATH(2, 5, 10, 5, 2)), 20);
    cr_assert_eq(thrift_integer(footer, PATH(2, 7, 10, 7, 1)), 0);
    cr_assert_eq(thrift_integer(footer, PATH(2, 8, 10, 8, 1)), 0);
    cr_assert_eq(thrift_integer(footer, PATH(2, 9, 10, 8, 1)), 1);
    cr_assert(thrift_find(footer, PATH(2, 9, 10, 8, 2, 2)).there);
    file_end();
}

Test(parquet, metadata)
{
    const struct table_metadata pairs[] = {{"penstock.table", "public.t"}, {"empty", ""}};

    file_options = (struct table_file_options){.metadata = pairs, .metadata_count = 2};
    file_begin(flat, 2);
    const struct slice footer = file_finish();
    cr_assert(slice_is(thrift_bytes(footer, PATH(5, 0, 1)), "penstock.table"));
    cr_assert(slice_is(thrift_bytes(footer, PATH(5, 0, 2)), "public.t"));
    cr_assert(slice_is(thrift_bytes(footer, PATH(5, 1, 2)), ""));
    file_end();
}

/* [1, NULL], NULL, [], [2] as levels of repetition and definition. */
Test(parquet, levels_of_a_list)
{
    const struct column_field field = {"l", COLUMN_LIST, 0, 0, COLUMN_INT32};
    uint32_t levels[5];

    file_begin(&field, 1);
    struct column *list = &file_batch->columns[0], *element = list->element;
    column_add_fixed(element, &(int32_t){1}, 4);
    column_add_null(element);
    column_end_list(list);
    file_end_row();
    column_add_null(list);
    file_end_row();
    column_end_list(list);
    file_end_row();
    column_add_fixed(element, &(int32_t){2}, 4);
    column_end_list(list);
    file_end_row();
    const struct slice footer = file_finish();
    cr_assert_eq(thrift_integer(footer, PATH(2)), 4);
    cr_assert(slice_is(thrift_bytes(footer, PATH(2, 2, 4)), "list"));
    cr_assert(slice_is(thrift_bytes(footer, PATH(2, 3, 4)), "element"));
    cr_assert_eq(thrift_integer(footer, PATH(4, 0, 1, 0, 3, 3)), 3);
    cr_assert_eq(thrift_integer(footer, PATH(4, 0, 1, 0, 3, 5)), 5);
    cr_assert_eq(thrift_integer(footer, PATH(4, 0, 1, 0, 3, 12, 3)), 3);

    struct slice header, page = file_page(thrift_integer(footer, PATH(4, 0, 1, 0, 3, 9)), &header);
    cr_assert_eq(thrift_integer(header, PATH(5, 1)), 5);
    const uint32_t repetitions = get_u32(page.data);
    cr_assert_eq(hybrid_decode((struct slice){page.data + 4, repetitions}, 1, 5, levels), repetitions);
    cr_assert_arr_eq(levels, ((uint32_t[]){0, 1, 0, 0, 0}), sizeof(levels));
    page.data += 4 + repetitions;
    const uint32_t definitions = get_u32(page.data);
    cr_assert_eq(hybrid_decode((struct slice){page.data + 4, definitions}, 2, 5, levels), definitions);
    cr_assert_arr_eq(levels, ((uint32_t[]){3, 2, 0, 1, 3}), sizeof(levels));
    cr_assert_arr_eq(page.data + 4 + definitions, "\1\0\0\0\2\0\0\0", 8);
    file_end();
}

Test(parquet, indexes_of_a_dictionary)
{
    enum { ROWS = 50000 };
    static uint32_t indexes[ROWS];
    int64_t list[64];
    struct slice header;

    file_begin(flat, 2);
    for (int32_t i = 0; i < ROWS; i++) {
        char text[16];
        file_int(0, i % 3);
        snprintf(text, sizeof(text), "%d", i % 1000);
        file_text(1, text);
        file_end_row();
    }
    const struct slice footer = file_finish();
    cr_assert_eq(file_encodings(footer, 0, 0, list), 3);
    cr_assert(list[0] == RLE_DICTIONARY && list[2] == RLE_DICTIONARY);
    const struct slice dictionary = file_page(thrift_integer(footer, PATH(4, 0, 1, 0, 3, 11)), &header);
    cr_assert_eq(thrift_integer(header, PATH(7, 1)), 3);
    cr_assert_eq(dictionary.length, 12);
    cr_assert_arr_eq(dictionary.data, "\0\0\0\0\1\0\0\0\2\0\0\0", 12);
    struct slice page = file_page(thrift_integer(footer, PATH(4, 0, 1, 0, 3, 9)), &header);
    const size_t levels = 4 + get_u32(page.data), count = (size_t)thrift_integer(header, PATH(5, 1));
    cr_assert_eq(page.data[levels], 2);
    page = (struct slice){page.data + levels + 1, page.length - levels - 1};
    cr_assert_eq(hybrid_decode(page, 2, count, indexes), page.length);
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(indexes[i], i % 3);
    file_end();
}

/* The first NULL of a page may come long after its first row. */
Test(parquet, a_late_null)
{
    static uint32_t levels[300];

    file_begin(flat, 1);
    for (int32_t i = 0; i < 300; i++) {
        if (i == 250)
            column_add_null(&file_batch->columns[0]);
        else
            file_int(0, i);
        file_end_row();
        if (i % 100 == 99)
            file_flush();
    }
    const struct slice footer = file_finish();
    struct slice header;
    const struct slice page = file_page(thrift_integer(footer, PATH(4, 0, 1, 0, 3, 9)), &header);
    cr_assert_eq(
        hybrid_decode((struct slice){page.data + 4, get_u32(page.data)}, 1, 300, levels), get_u32(page.data));
    for (size_t i = 0; i < 300; i++)
        cr_assert_eq(levels[i], i != 250);
    file_end();
}

Test(parquet, refused)
{
    const struct column_field fields[] = {{"n", COLUMN_INT32, 0, 0, 0}, {"when", COLUMN_DATE, 0, 0, 0},
        {"all", COLUMN_LIST, 0, 0, COLUMN_DATE}};
    const struct column_field decimal = {"d", COLUMN_DECIMAL, 40, 0, 0};
    const struct table_sink sink = {image_write, &file_image};

    file_begin(fields, 3);
    for (int32_t i = 0; i < 3; i++) {
        file_int(0, i);
        file_int(1, i == 2 ? INT32_MAX : i);
        column_end_list(&file_batch->columns[2]);
        file_end_row();
        if (i == 0)
            file_flush();
    }
    cr_assert(parquet_writer.add(file_writer, file_batch, &error) == -1 && error.kind == ERROR_REJECT);
    cr_assert(
        strstr(error.text, "column when, row 3: Parquet cannot hold infinity in a date"), "%s", error.text);
    file_end();

    file_begin(fields, 3);
    for (int32_t i = 0; i < 3; i++) {
        struct column *element = file_batch->columns[2].element;
        file_int(0, i);
        file_int(1, i);
        column_add_fixed(element, &(int32_t){i}, 4);
        column_add_fixed(element, &(int32_t){i == 1 ? INT32_MIN : 1}, 4);
        column_end_list(&file_batch->columns[2]);
        file_end_row();
    }
    cr_assert(parquet_writer.add(file_writer, file_batch, &error) == -1 && error.kind == ERROR_REJECT);
    cr_assert(strstr(error.text, "column all, row 2: "), "%s", error.text);
    file_end();

    cr_assert(parquet_writer.open(&file_writer, &decimal, 1, &file_options, &sink, &error) == -1);
    cr_assert(error.kind == ERROR_REJECT && strstr(error.text, "column d"));
    file_options.codec = TABLE_CODEC_DEFLATE;
    cr_assert(parquet_writer.open(&file_writer, fields, 1, &file_options, &sink, &error) == -1);
    cr_assert(error.kind == ERROR_REJECT && strstr(error.text, "gzip"));
    file_options = (struct table_file_options){0};
}
