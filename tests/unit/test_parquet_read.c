/* parquet_read: rows are in columns again as they were before they were written, over pages, dictionaries and row groups, whatever the codec; and what is no such file is never read as one */
#include "lake/format/parquet_read.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "base/little.h"
#include "lake/format/avro_row.h"
#include "lake/format/table_file.h"

#define FILE_MAX ((size_t)64 << 20)
#define ROW_MAX ((size_t)1 << 20)

static struct error error;

static const struct column_field all[] = {{.name = "flag", .type = COLUMN_BOOL},
    {.name = "id", .type = COLUMN_INT32}, {.name = "long", .type = COLUMN_INT64},
    {.name = "f", .type = COLUMN_FLOAT32}, {.name = "d", .type = COLUMN_FLOAT64},
    {.name = "n9", .type = COLUMN_DECIMAL, .precision = 9, .scale = 2},
    {.name = "n18", .type = COLUMN_DECIMAL, .precision = 18, .scale = 2},
    {.name = "n38", .type = COLUMN_DECIMAL, .precision = 38, .scale = 2},
    {.name = "day", .type = COLUMN_DATE}, {.name = "at", .type = COLUMN_TIMESTAMP_UTC},
    {.name = "u", .type = COLUMN_UUID}, {.name = "s", .type = COLUMN_STRING},
    {.name = "few", .type = COLUMN_STRING}, {.name = "b", .type = COLUMN_BYTES},
    {.name = "nothing", .type = COLUMN_STRING}, {.name = "l", .type = COLUMN_LIST, .element = COLUMN_STRING},
    {.name = "m", .type = COLUMN_LIST, .element = COLUMN_BOOL},
    {.name = "n", .type = COLUMN_LIST, .element = COLUMN_DECIMAL, .precision = 9}};
#define ALL (sizeof all / sizeof *all)

/* ---- rows that only their number makes ----------------------------------------------------------------------------------- */

static void add_decimal(struct column *column, int row)
{
    const int64_t number = (row % 2 ? -1 : 1) * (int64_t)row * (column->field->precision > 9 ? 1000003 : 1);
    const uint64_t low = htobe64((uint64_t)number);
    char value[16];

    memset(value, number < 0 ? -1 : 0, 8);
    memcpy(value + 8, &low, 8);
    column_add_fixed(column, value, sizeof value);
}

static void add_scalar(struct column *column, int row)
{
    const size_t width = column_width(column->field->type);
    char text[64] = {0};

    if (column->field->type == COLUMN_DECIMAL)
        return add_decimal(column, row);
    if (!width) {
        const bool few = *column->field->name == 'f';
        const int length =
            snprintf(text, sizeof text, few ? "of few %d" : "%d and more", few ? row % 5 : row);
        cr_assert_eq(column_add_bytes(column, text, row % 13 ? (size_t)length : 0, &error), 0);
        return;
    }
    const uint64_t number =
        column->field->type == COLUMN_BOOL ? (uint64_t)(row % 3 == 0) : (uint64_t)row * 7919;
    memcpy(text, &number, sizeof number);
    column_add_fixed(column, text, width);
}

static void add_list(struct column *column, int row)
{
    cr_assert_eq(column_grow(column->element, (size_t)row % 4, &error), 0);
    for (int i = 0; i < row % 4; i++) {
        if ((row + i) % 5 == 0)
            column_add_null(column->element);
        else
            add_scalar(column->element, row + i);
    }
    column_end_list(column);
}

static void fill(struct column_batch *batch, int from, int to)
{
    column_batch_clear(batch);
    for (int row = from; row < to; row++) {
        for (size_t i = 0; i < batch->fields_count; i++) {
            struct column *column = &batch->columns[i];
            if ((row + (int)i) % 11 == 0 || strcmp(column->field->name, "nothing") == 0)
                column_add_null(column);
            else
                (column->element ? add_list : add_scalar)(column, row);
        }
        column_batch_end_row(batch);
    }
}

/* ---- a file, and its rows as data of Avro, which hold every value ----------------------------------------------------------- */

static struct bytes file, data;

static int take(void *context, const void *bytes, size_t length, struct error *take_error)
{
    return bytes_add(context, bytes, length, take_error);
}

static void add_data(struct bytes *to, const struct column_batch *batch, struct avro_row *avro)
{
    struct slice datum;

    cr_assert_eq(avro_row_begin(avro, batch, &error), 0);
    for (size_t row = 0; row < batch->rows; row++) {
        cr_assert_eq(avro_row_take(avro, batch, row, &datum, &error), 0);
        cr_assert_eq(bytes_add(to, datum.data, datum.length, &error), 0);
    }
}

static void write_rows(
    const struct column_field *fields, size_t count, int rows, enum table_codec codec, size_t group)
{
    const struct table_metadata metadata = {"made.by", "a test"};
    const struct table_file_options options = {.format = TABLE_PARQUET,
        .codec = codec,
        .name = "t",
        .group_size = group,
        .metadata = &metadata,
        .metadata_count = 1};
    const struct table_sink sink = {take, &file};
    struct table_file *writer = NULL;
    struct column_batch *batch = NULL;
    struct avro_row *avro = NULL;

    bytes_init(&file, FILE_MAX);
    bytes_init(&data, FILE_MAX);
    cr_assert_eq(table_file_open(&writer, fields, count, &options, &sink, &error), 0, "%s", error.text);
    cr_assert_eq(column_batch_new(&batch, fields, count, ROW_MAX, &error), 0);
    cr_assert_eq(avro_row_open(&avro, fields, count, ROW_MAX, &error), 0);
    for (int row = 0; row < rows;) {
        const int behind = rows - row < 1000 ? rows : row + 1000;
        fill(batch, row, behind);
        cr_assert_eq(table_file_add(writer, batch, &error), 0, "%s", error.text);
        add_data(&data, batch, avro);
        row = behind;
    }
    cr_assert_eq(table_file_finish(writer, &error), 0);
    table_file_close(&writer);
    column_batch_free(&batch);
    avro_row_close(&avro);
}

static int read_at(void *context, void *to, size_t length, uint64_t offset, struct error *read_error)
{
    const struct slice *from = context;

    if (offset + length > from->length)
        return error_set(read_error, ERROR_FATAL, "behind the end");
    memcpy(to, from->data + offset, length);
    return 0;
}

static int read_rows(const struct column_field *fields, size_t count, struct slice from, size_t bytes_max,
    struct bytes *ret_data)
{
    __attribute__((cleanup(parquet_read_close))) struct parquet_read *read = NULL;
    __attribute__((cleanup(column_batch_free))) struct column_batch *batch = NULL;
    __attribute__((cleanup(avro_row_close))) struct avro_row *avro = NULL;
    const struct table_source source = {read_at, &from, from.length};

    bytes_init(ret_data, FILE_MAX);
    cr_assert_eq(column_batch_new(&batch, fields, count, ROW_MAX, &error), 0);
    cr_assert_eq(avro_row_open(&avro, fields, count, ROW_MAX, &error), 0);
    if (parquet_read_open(&read, "t", fields, count, &source, &error))
        return -1;
    do {
        column_batch_clear(batch);
        if (parquet_read_rows(read, batch, bytes_max, &error))
            return -1;
        add_data(ret_data, batch, avro);
    } while (batch->rows);
    return 0;
}

static void expect_same(const struct column_field *fields, size_t count, size_t bytes_max)
{
    struct bytes found;

    cr_assert_eq(read_rows(fields, count, bytes_slice(&file), bytes_max, &found), 0, "%s", error.text);
    cr_assert(slice_equal(bytes_slice(&found), bytes_slice(&data)));
    bytes_free(&found);
}

static void forget(void)
{
    bytes_free(&file);
    bytes_free(&data);
}

static const enum table_codec codecs[] = {
    TABLE_CODEC_NONE, TABLE_CODEC_SNAPPY, TABLE_CODEC_GZIP, TABLE_CODEC_ZSTD};

Test(parquet_read, all_types_and_codecs_in_many_groups)
{
    for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++) {
        for (int rows = 0; rows <= 5000; rows = rows ? rows * 5000 : 1) {
            write_rows(all, ALL, rows, codecs[i], 20000);
            expect_same(all, ALL, SIZE_MAX);
            expect_same(all, ALL, 1000);
            forget();
        }
    }
}

/* A column each, so that a page has 20,000 rows: several of them, and texts that become too many for a dictionary. */
Test(parquet_read, many_pages)
{
    for (size_t i = 0; i < ALL; i++) {
        write_rows(&all[i], 1, 150000, TABLE_CODEC_SNAPPY, 0);
        expect_same(&all[i], 1, SIZE_MAX);
        forget();
    }
}

/* ---- what is no file of these rows -------------------------------------------------------------------------------------- */

#define DAMAGED "it is damaged, or no file of Parquet as it is written here"

static void refused(const struct column_field *fields, size_t count, struct slice from, const char *why)
{
    struct bytes found;

    error = (struct error){0};
    cr_assert_eq(read_rows(fields, count, from, SIZE_MAX, &found), -1);
    cr_assert(error.kind == ERROR_REJECT && strstr(error.text, why), "%s", error.text);
    bytes_free(&found);
}

Test(parquet_read, other_schemas)
{
    struct column_field other = all[5];

    write_rows(&all[5], 1, 100, TABLE_CODEC_NONE, 0);
    other.scale++;
    refused(&other, 1, bytes_slice(&file), "its schema is not the one that files of these rows get here now");
    refused(all, ALL, bytes_slice(&file), "its schema is not");
    refused(all + 1, 1, bytes_slice(&file), "its schema is not");
    other.precision = 39;
    refused(&other, 1, bytes_slice(&file), "no decimal of precision 39");
    forget();
}

Test(parquet_read, no_parquet_at_all)
{
    refused(all, ALL, slice_of(""), DAMAGED);
    refused(all, ALL, slice_of("Obj\1 and something behind"), DAMAGED);
    refused(all, ALL, slice_of("PAR1\xff\xff\xff\xffPAR1"), DAMAGED);
    refused(all, ALL, (struct slice){"PAR1\0\0\0\0PAR1", 12}, "its schema is not");
}

/* Nothing is read that is not there: the sanitizers look. */
Test(parquet_read, cut_and_changed_anywhere)
{
    for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++) {
        write_rows(all, ALL, 60, codecs[i], 0);
        const struct slice whole = bytes_slice(&file);
        for (size_t length = 0; length < whole.length; length += 101) {
            char *part = malloc(length + 1);
            memcpy(part, whole.data, length);
            refused(all, ALL, (struct slice){part, length}, DAMAGED);
            free(part);
        }
        for (size_t at = 0; at < whole.length; at += 3) {
            struct bytes found;
            file.data[at] = (char)~file.data[at];
            read_rows(all, ALL, whole, SIZE_MAX, &found);
            file.data[at] = (char)~file.data[at];
            bytes_free(&found);
        }
        forget();
    }
}
