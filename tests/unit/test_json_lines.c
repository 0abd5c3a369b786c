/* json_lines: what values, names and lists become, escapes at every place of a word, and values longer than any buffer */
#include "text_harness.h"

#include <stdio.h>
#include <stdlib.h>

#include "lake/format/json_text.h"

#define LONG ((size_t)1 << 20)

static const struct column_field one_string[] = {{.name = "s", .type = COLUMN_STRING}};

Test(json_lines, rows_and_nulls)
{
    static const struct column_field fields[] = {{.name = "id", .type = COLUMN_INT32},
        {.name = "name", .type = COLUMN_STRING}, {.name = "ok", .type = COLUMN_BOOL},
        {.name = "meta", .type = COLUMN_JSON}};
    cleanup_text struct text_table table;

    text_begin(&table, &json_lines_writer, fields, 4);
    text_add_fixed(&table, 0, &(int32_t){7});
    text_add(&table, 1, "seven");
    text_add_fixed(&table, 2, &(uint8_t){1});
    text_add(&table, 3, "{\"a\": [1, null]}");
    column_batch_end_row(table.batch);
    for (size_t i = 0; i < 4; i++)
        column_add_null(&table.batch->columns[i]);
    column_batch_end_row(table.batch);
    text_is(&table, "{\"id\":7,\"name\":\"seven\",\"ok\":true,\"meta\":{\"a\": [1, null]}}\n"
                    "{\"id\":null,\"name\":null,\"ok\":null,\"meta\":null}\n");
}

Test(json_lines, types_that_need_quotes_and_those_that_do_not)
{
    static const struct column_field fields[] = {{.name = "f", .type = COLUMN_FLOAT64},
        {.name = "d", .type = COLUMN_DECIMAL, .precision = 3, .scale = 1},
        {.name = "t", .type = COLUMN_TIMESTAMP_UTC}, {.name = "n", .type = COLUMN_NUMBER},
        {.name = "b", .type = COLUMN_BYTES}, {.name = "i", .type = COLUMN_INT64},
        {.name = "g", .type = COLUMN_FLOAT32}, {.name = "u", .type = COLUMN_UUID}};
    static const double doubles[] = {1.5, __builtin_nan(""), -__builtin_inf()};
    static const char *const numbers[] = {"-12.50", "NaN", "-Infinity"}, *const bytes[] = {
                                                                             "\xde\xad", "", "abc"};
    unsigned char fixed[16] = {0};
    cleanup_text struct text_table table;

    text_begin(&table, &json_lines_writer, fields, 8);
    for (size_t row = 0; row < 3; row++) {
        text_add_fixed(&table, 0, &doubles[row]);
        fixed[15] = (unsigned char)row;
        text_add_fixed(&table, 1, fixed);
        text_add_fixed(&table, 2, &(int64_t){(int64_t)row});
        text_add(&table, 3, numbers[row]);
        text_add(&table, 4, bytes[row]);
        text_add_fixed(&table, 5, &(int64_t){INT64_MIN});
        text_add_fixed(&table, 6, &(float){(float)doubles[row]});
        text_add_fixed(&table, 7, fixed);
        column_batch_end_row(table.batch);
    }
    text_is(&table,
        "{\"f\":1.5,\"d\":0.0,\"t\":\"1970-01-01T00:00:00Z\",\"n\":-12.50,\"b\":\"3q0=\",\"i\":-9223372036854775808,"
        "\"g\":1.5,\"u\":\"00000000-0000-0000-0000-000000000000\"}\n"
        "{\"f\":\"NaN\",\"d\":0.1,\"t\":\"1970-01-01T00:00:00.000001Z\",\"n\":\"NaN\",\"b\":\"\",\"i\":-9223372036854775808,"
        "\"g\":\"NaN\",\"u\":\"00000000-0000-0000-0000-000000000001\"}\n"
        "{\"f\":\"-Infinity\",\"d\":0.2,\"t\":\"1970-01-01T00:00:00.000002Z\",\"n\":\"-Infinity\",\"b\":\"YWJj\","
        "\"i\":-9223372036854775808,\"g\":\"-Infinity\",\"u\":\"00000000-0000-0000-0000-000000000002\"}\n");
}

Test(json_lines, lists)
{
    static const struct column_field fields[] = {
        {.name = "numbers", .type = COLUMN_LIST, .element = COLUMN_INT32},
        {.name = "texts", .type = COLUMN_LIST, .element = COLUMN_STRING}};
    cleanup_text struct text_table table;

    text_begin(&table, &json_lines_writer, fields, 2);
    struct column *numbers = &table.batch->columns[0], *texts = &table.batch->columns[1];
    for (int32_t i = 1; i < 3; i++)
        column_add_fixed(numbers->element, &i, sizeof i);
    column_add_null(numbers->element);
    column_end_list(numbers);
    column_end_list(texts);
    column_batch_end_row(table.batch);
    column_add_null(numbers);
    cr_assert_eq(column_add_bytes(texts->element, "a\"b", 3, &table.error), 0);
    column_end_list(texts);
    column_batch_end_row(table.batch);
    text_is(&table, "{\"numbers\":[1,2,null],\"texts\":[]}\n{\"numbers\":null,\"texts\":[\"a\\\"b\"]}\n");
}

Test(json_lines, no_columns)
{
    cleanup_text struct text_table table;

    text_begin(&table, &json_lines_writer, NULL, 0);
    column_batch_end_row(table.batch);
    column_batch_end_row(table.batch);
    text_is(&table, "{}\n{}\n");
}

Test(json_lines, no_rows)
{
    cleanup_text struct text_table table;

    text_begin(&table, &json_lines_writer, one_string, 1);
    text_is(&table, "");
}

Test(json_lines, names_are_escaped)
{
    static const struct column_field fields[] = {
        {.name = "a\"b\\c\n", .type = COLUMN_BOOL}, {.name = "", .type = COLUMN_BOOL}};
    cleanup_text struct text_table table;

    text_begin(&table, &json_lines_writer, fields, 2);
    column_add_null(&table.batch->columns[0]);
    column_add_null(&table.batch->columns[1]);
    column_batch_end_row(table.batch);
    text_is(&table, "{\"a\\\"b\\\\c\\n\":null,\"\":null}\n");
}

Test(json_lines, one_name_twice)
{
    static const struct column_field fields[] = {{.name = "a", .type = COLUMN_BOOL},
        {.name = "b", .type = COLUMN_BOOL}, {.name = "a", .type = COLUMN_BOOL}};
    cleanup_text struct text_table table;

    text_begin(&table, &json_lines_writer, fields, 3);
    cr_assert_eq(text_write(&table, 1), -1);
    cr_assert_eq(table.error.kind, ERROR_REJECT);
    cr_assert_not_null(strstr(table.error.text, "columns 1 and 3 are both named a"));
}

Test(json_lines, names_have_a_ceiling)
{
    char *name = malloc(17u << 20);
    cleanup_text struct text_table table;

    memset(name, 'x', 17u << 20);
    name[(17u << 20) - 1] = '\0';
    const struct column_field fields[] = {{.name = name, .type = COLUMN_BOOL}};
    text_begin(&table, &json_lines_writer, fields, 1);
    cr_assert_eq(text_write(&table, 1), -1);
    cr_assert_eq(table.error.kind, ERROR_REJECT);
    cr_assert_eq(strncmp(table.error.text, "names of columns: ", 18), 0);
    free(name);
}

/* ---- strings ---------------------------------------------------------------------------------------------- */

/* Byte by byte, as RFC 8259 section 7 says. */
static void escape_slowly(struct slice text, struct bytes *out)
{
    struct error error;

    bytes_add(out, "\"", 1, &error);
    for (size_t i = 0; i < text.length; i++) {
        static const char from[] = "\b\t\n\f\r\"\\", to[] = "btnfr\"\\";
        const char c = text.data[i], *at = c ? strchr(from, c) : NULL;
        if (at)
            cr_assert_eq(bytes_print(out, &error, "\\%c", to[at - from]), 0);
        else if ((unsigned char)c < 0x20)
            cr_assert_eq(bytes_print(out, &error, "\\u%04x", (unsigned)c), 0);
        else
            cr_assert_eq(bytes_add(out, &c, 1, &error), 0);
    }
    bytes_add(out, "\"", 1, &error);
}

static void check_string(struct slice text)
{
    cleanup_bytes struct bytes expected, found;
    struct text_out out;
    struct error error;
    const struct table_sink sink = {text_take, &found};
    char *copy = malloc(text.length + !text.length); /* of its own: a byte read behind it is seen */

    memcpy(copy, text.data, text.length);
    bytes_init(&expected, 8 * LONG);
    bytes_init(&found, 8 * LONG);
    escape_slowly(text, &expected);
    cr_assert_eq(text_out_open(&out, &sink, &error), 0);
    cr_assert_eq(json_text_string(&out, (struct slice){copy, text.length}, &error), 0);
    cr_assert_eq(text_out_flush(&out, &error), 0);
    cr_assert(
        slice_equal(bytes_slice(&found), bytes_slice(&expected)), "%.*s", (int)found.length, found.data);
    text_out_close(&out);
    free(copy);
}

Test(json_lines, every_byte_at_every_place)
{
    char text[20];

    for (size_t length = 0; length <= sizeof text; length++)
        for (size_t at = 0; at < length; at++)
            for (int c = 0; c < 256; c++) {
                memset(text, 'x', sizeof text);
                text[at] = (char)c;
                check_string((struct slice){text, length});
            }
    check_string((struct slice){"", 0});
}

Test(json_lines, escapes_side_by_side)
{
    static const char alphabet[] = "a\"\\\n\x1f!\x7f\x80\xff";
    char text[40];

    srand(1);
    for (int round = 0; round < 20000; round++) {
        const size_t length = (size_t)rand() % sizeof text;
        for (size_t i = 0; i < length; i++)
            text[i] = alphabet[(size_t)rand() % (sizeof alphabet - 1)];
        check_string((struct slice){text, length});
    }
}

Test(json_lines, strings_longer_than_the_buffer)
{
    char *text = malloc(LONG);

    for (size_t i = 0; i < LONG; i++)
        text[i] = (char)(i % 3000 ? 97 + i % 26 : i % 32);
    check_string((struct slice){text, LONG});
    memset(text, 1, LONG);
    check_string((struct slice){text, LONG});
    check_string((struct slice){text, TEXT_OUT_PIECE});
    check_string((struct slice){text, TEXT_OUT_PIECE + 1});
    free(text);
}

/* ---- values longer than the buffer, and sinks that fail -------------------------------------------------------- */

static const struct column_field long_fields[] = {{.name = "s", .type = COLUMN_STRING},
    {.name = "j", .type = COLUMN_JSON}, {.name = "b", .type = COLUMN_BYTES},
    {.name = "l", .type = COLUMN_LIST, .element = COLUMN_BYTES}, {.name = "i", .type = COLUMN_INT32}};

static void long_row(struct text_table *table)
{
    char *text = malloc(LONG + 1);

    memset(text, '1', LONG);
    text[LONG] = '\0';
    text_add(table, 0, text);
    text_add(table, 1, text);
    text_add(table, 2, text);
    struct column *list = &table->batch->columns[3];
    for (int i = 0; i < 3; i++)
        cr_assert_eq(column_add_bytes(list->element, text, LONG / 4, &table->error), 0);
    column_end_list(list);
    text_add_fixed(table, 4, &(int32_t){5});
    column_batch_end_row(table->batch);
    free(text);
}

Test(json_lines, long_values)
{
    const size_t base64 = (LONG + 2) / 3 * 4, part = (LONG / 4 + 2) / 3 * 4;
    cleanup_text struct text_table table;

    text_begin(&table, &json_lines_writer, long_fields, 5);
    long_row(&table);
    cr_assert_eq(text_write(&table, 1), 0);
    const char *frame = "{\"s\":\"\",\"j\":,\"b\":\"\",\"l\":[\"\",\"\",\"\"],\"i\":5}\n";
    cr_assert_eq(table.text.length, 2 * LONG + base64 + 3 * part + strlen(frame));
    cr_assert_eq(strncmp(table.text.data + table.text.length - 10, "\"],\"i\":5}\n", 10), 0);
    const char *bytes = table.text.data + 2 * LONG + strlen("{\"s\":\"\",\"j\":,\"b\":\"");
    for (size_t i = 0; i + 4 < base64; i += 4) /* "111" */
        cr_assert_eq(memcmp(bytes + i, "MTEx", 4), 0);
}

Test(json_lines, a_sink_that_is_full_at_any_byte)
{
    cleanup_text struct text_table table;

    text_begin(&table, &json_lines_writer, long_fields, 5);
    long_row(&table);
    cr_assert_eq(text_write(&table, 1), 0);
    const size_t whole = table.text.length;
    for (size_t limit = 0; limit < whole; limit += 10007) {
        table.text.limit = limit;
        cr_assert_eq(text_write(&table, 1), -1);
        cr_assert_eq(table.error.kind, ERROR_REJECT); /* the sink's own */
        cr_assert_leq(table.text.length, limit);
    }
    table.text.limit = whole - 1;
    cr_assert_eq(text_write(&table, 1), -1);
}

/* Values of no length between many others reach each call that may flush. */
Test(json_lines, a_sink_that_fails_between_values)
{
    static const struct column_field fields[] = {{.name = "l", .type = COLUMN_LIST, .element = COLUMN_INT32}};
    cleanup_text struct text_table table;

    text_begin(&table, &json_lines_writer, fields, 1);
    for (size_t row = 0; row < 200; row++) {
        struct column *list = &table.batch->columns[0];
        cr_assert_eq(column_grow(list->element, 1 + row % 7, &table.error), 0);
        for (size_t i = 0; i < row % 7; i++)
            column_add_fixed(list->element, &(int32_t){(int32_t)(row * 1000)}, sizeof(int32_t));
        column_end_list(list);
        column_batch_end_row(table.batch);
    }
    cr_assert_eq(text_write(&table, 100), 0);
    const size_t whole = table.text.length;
    for (size_t limit = 0; limit < whole; limit += TEXT_OUT_SIZE / 2) {
        table.text.limit = limit;
        cr_assert_eq(text_write(&table, 100), -1);
    }
}

Test(json_lines, compressed)
{
    cleanup_text struct text_table table;

    text_begin(&table, &json_lines_writer, one_string, 1);
    text_add(&table, 0, "a");
    column_batch_end_row(table.batch);
    table.options.codec = TABLE_CODEC_GZIP;
    cr_assert_eq(text_write(&table, 1), 0);
    cr_assert_eq(memcmp(table.text.data, "\x1f\x8b\x08", 3), 0);
    table.options.codec = TABLE_CODEC_ZSTD;
    cr_assert_eq(text_write(&table, 1), 0);
    cr_assert_eq(memcmp(table.text.data, "\x28\xb5\x2f\xfd", 4), 0);
    table.options.codec = TABLE_CODEC_SNAPPY;
    cr_assert_eq(text_write(&table, 1), -1);
    cr_assert_eq(table.error.kind, ERROR_REJECT);
}
