/* Files of Avro: header, blocks, names, and what is refused. Their values are test_avro_value.c's. */
#include <criterion/criterion.h>
#include <limits.h>
#include <snappy-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "lake/format/avro_schema.h"
#include "lake/format/avro_value.h"
#include "failing_malloc.h"
#include "lake/format/table_file.h"

#define SYNC 16
#define OUT_MAX (64u << 20)
#define VALUES_MAX (48u << 20)

static struct error error;

/* ---- a file in memory -------------------------------------------------------------------------------------------------- */

struct sink {
    struct bytes bytes;
    int writes, writes_max; /* what is above fails */
};

static int sink_write(void *context, const void *data, size_t length, struct error *ret_error)
{
    struct sink *sink = context;

    if (sink->writes++ == sink->writes_max)
        return error_set(ret_error, ERROR_RETRY, "the sink is full");
    return bytes_add(&sink->bytes, data, length, ret_error);
}

static void sink_free(struct sink *sink)
{
    bytes_free(&sink->bytes);
}

#define cleanup_sink __attribute__((cleanup(sink_free)))
#define cleanup_file __attribute__((cleanup(table_file_close)))
#define cleanup_batch __attribute__((cleanup(column_batch_free)))

static struct sink sink_new(int writes_max)
{
    struct sink sink = {.writes_max = writes_max};

    bytes_init(&sink.bytes, OUT_MAX);
    return sink;
}

static int open_file(struct table_file **ret_file, struct sink *sink, const struct column_field *fields,
    size_t count, struct table_file_options *options)
{
    const struct table_sink to = {sink_write, sink};

    options->format = TABLE_AVRO;
    options->name = "t";
    return table_file_open(ret_file, fields, count, options, &to, &error);
}

static struct column_batch *batch_new(const struct column_field *fields, size_t count)
{
    struct column_batch *batch = NULL;

    cr_assert(column_batch_new(&batch, fields, count, VALUES_MAX, &error) == 0, "%s", error.text);
    return batch;
}

/* The whole file of a batch. */
static struct sink file_of(const struct column_batch *batch, enum table_codec codec)
{
    struct sink sink = sink_new(INT_MAX);
    struct table_file_options options = {.codec = codec};
    cleanup_file struct table_file *file = NULL;

    cr_assert(open_file(&file, &sink, batch->fields, batch->fields_count, &options) == 0, "%s", error.text);
    cr_assert(table_file_add(file, batch, &error) == 0, "%s", error.text);
    cr_assert(table_file_finish(file, &error) == 0, "%s", error.text);
    return sink;
}

/* What stands between the header's sync marker and the last one. */
static struct slice block_of(const struct sink *sink)
{
    const struct bytes *all = &sink->bytes;
    const char *sync = all->data + all->length - SYNC;
    const char *first = memmem(all->data, all->length, sync, SYNC);

    cr_assert_neq(first, sync);
    return (struct slice){first + SYNC, (size_t)(sync - first) - SYNC};
}

static bool slice_has(struct slice slice, const char *bytes, size_t length)
{
    return slice_equal(slice, (struct slice){bytes, length});
}

/* ---- the file ------------------------------------------------------------------------------------------------------------------ */

Test(avro, file)
{
    struct column_field fields[] = {
        {.name = "a", .type = COLUMN_INT64}, {.name = "b", .type = COLUMN_STRING}};
    cleanup_batch struct column_batch *batch = batch_new(fields, 2);
    static const char schema[] =
        "{\"type\":\"record\",\"name\":\"t\",\"tableName\":\"t\",\"fields\":["
        "{\"name\":\"a\",\"type\":[\"null\",\"long\"],\"default\":null,\"columnName\":\"a\"},"
        "{\"name\":\"b\",\"type\":[\"null\",\"string\"],\"default\":null,\"columnName\":\"b\"}]}";
    cleanup_bytes struct bytes wanted;

    column_add_fixed(&batch->columns[0], &(int64_t){27}, sizeof(int64_t));
    cr_assert(column_add_bytes(&batch->columns[1], "foo", 3, &error) == 0);
    column_batch_end_row(batch);
    cleanup_sink struct sink sink = file_of(batch, TABLE_CODEC_NONE);

    bytes_init(&wanted, 4096);
    char length[AVRO_LONG_MAX];
    cr_assert(bytes_add(&wanted,
                  "Obj\x01\x04\x16"
                  "avro.schema",
                  17, &error) == 0);
    cr_assert(bytes_add(&wanted, length, (size_t)(avro_put_long(length, sizeof(schema) - 1) - length),
                  &error) == 0);
    cr_assert(bytes_add_text(&wanted, schema, &error) == 0);
    cr_assert(bytes_add(&wanted,
                  "\x14"
                  "avro.codec\x08null\x00",
                  17, &error) == 0);
    cr_assert(sink.bytes.length == wanted.length + SYNC + 9 + SYNC);
    cr_assert(memcmp(sink.bytes.data, wanted.data, wanted.length) == 0);
    /* One row of seven bytes: the specification's record, with the unions' branches. */
    cr_assert(slice_has(block_of(&sink), "\x02\x0e\x02\x36\x02\x06\x66\x6f\x6f", 9));
}

Test(avro, snappy_is_followed_by_the_checksum_of_what_it_was)
{
    struct column_field field = {.name = "a", .type = COLUMN_STRING};
    cleanup_batch struct column_batch *batch = batch_new(&field, 1);

    cr_assert(column_add_bytes(batch->columns, "123456789", 9, &error) == 0);
    column_batch_end_row(batch);
    cleanup_sink struct sink sink = file_of(batch, TABLE_CODEC_SNAPPY);
    struct slice block = block_of(&sink);
    char plain[64];
    size_t length = sizeof(plain);

    cr_assert_eq(block.data[0], 2, "one row");
    cr_assert_eq((size_t)block.data[1], 2 * (block.length - 2));
    cr_assert(snappy_uncompress(block.data + 2, block.length - 6, plain, &length) == SNAPPY_OK);
    cr_assert(slice_has((struct slice){plain, length},
        "\x02\x12"
        "123456789",
        11));
    const uLong sum = crc32(0, (const Bytef *)plain, 11);
    const unsigned char *tail = (const unsigned char *)block.data + block.length - 4;
    cr_assert_eq((uLong)tail[0] << 24 | (uLong)tail[1] << 16 | (uLong)tail[2] << 8 | tail[3], sum);
}

/* How many blocks there are behind the header, by their sync markers. */
static size_t count_blocks(const struct sink *sink)
{
    const struct bytes *all = &sink->bytes;
    const char *sync = all->data + all->length - SYNC, *at = all->data;
    size_t count = 0;

    for (; (at = memmem(at, (size_t)(all->data + all->length - at), sync, SYNC)); at += SYNC)
        count++;
    return count - 1;
}

/* Rows that take no bytes end a block by their number; one of them is a file's smallest. */
Test(avro, rows_without_columns)
{
    struct sink sinks[] = {sink_new(INT_MAX), sink_new(INT_MAX), sink_new(INT_MAX)};
    static const size_t rows[] = {0, 1, (1 << 20) + 1};
    static const size_t blocks[] = {0, 1, 2};
    cleanup_batch struct column_batch *batch = batch_new(NULL, 0);

    for (size_t i = 0; i < 3; i++) {
        cleanup_file struct table_file *file = NULL;
        struct table_file_options options = {0};
        cr_assert(open_file(&file, &sinks[i], NULL, 0, &options) == 0);
        for (size_t row = 0; row < rows[i]; row++) {
            column_batch_end_row(batch);
            if (batch->rows == batch->rows_max || row == rows[i] - 1) {
                cr_assert(table_file_add(file, batch, &error) == 0);
                column_batch_clear(batch);
            }
        }
        cr_assert(table_file_finish(file, &error) == 0);
        cr_assert_eq(count_blocks(&sinks[i]), blocks[i]);
        sink_free(&sinks[i]);
    }
}

/* Many rows at a time where they are short, one where they are long, whatever the block's size. */
Test(avro, blocks)
{
    static const size_t sizes[] = {0, 1, 1000, 8u << 20};
    struct column_field fields[] = {
        {.name = "a", .type = COLUMN_BYTES}, {.name = "b", .type = COLUMN_LIST, .element = COLUMN_STRING}};
    static char value[40u << 20];
    cleanup_batch struct column_batch *batch = batch_new(fields, 2);
    size_t lengths[4];

    for (size_t row = 0; row < 300; row++) {
        cr_assert(
            column_add_bytes(&batch->columns[0], value, row == 150 ? sizeof(value) : row * 3, &error) == 0);
        cr_assert(column_add_bytes(batch->columns[1].element, value, row % 70 ? row : 100000, &error) == 0);
        column_end_list(&batch->columns[1]);
        column_batch_end_row(batch);
    }
    for (size_t i = 0; i < 4; i++) {
        cleanup_sink struct sink sink = sink_new(INT_MAX);
        cleanup_file struct table_file *file = NULL;
        struct table_file_options options = {.codec = TABLE_CODEC_ZSTD, .group_size = sizes[i]};
        cr_assert(open_file(&file, &sink, fields, 2, &options) == 0);
        cr_assert(table_file_add(file, batch, &error) == 0, "%s", error.text);
        cr_assert(table_file_finish(file, &error) == 0);
        lengths[i] = count_blocks(&sink);
    }
    cr_assert_eq(lengths[0], 4, "%zu", lengths[0]);
    cr_assert_eq(lengths[1], 300);
    cr_assert_gt(lengths[2], 100);
    cr_assert_eq(lengths[3], 2);
}

/* ---- what is refused -------------------------------------------------------------------------------------------------------------- */

static void check_refused(struct column_field field, size_t batches, const char *text)
{
    struct sink sink = sink_new(INT_MAX);
    struct table_file_options options = {0};
    cleanup_file struct table_file *file = NULL;

    for (int end = 0; end < 2; end++) {
        const bool date = field.type == COLUMN_DATE || field.element == COLUMN_DATE;
        cleanup_batch struct column_batch *batch = batch_new(&field, 1);
        struct column *column = batch->columns->element ? batch->columns->element : batch->columns;
        for (int row = 0; row < 3; row++) {
            const int32_t day = row < 2 ? row : end ? INT32_MAX : INT32_MIN;
            const int64_t moment = row < 2 ? row : end ? INT64_MAX : INT64_MIN;
            column_add_fixed(
                column, date ? (const void *)&day : &moment, date ? sizeof(day) : sizeof(moment));
            if (batch->columns->element)
                column_end_list(batch->columns);
            column_batch_end_row(batch);
        }
        cr_assert(open_file(&file, &sink, &field, 1, &options) == 0);
        for (size_t i = 0; i < batches; i++) {
            struct column_batch *good = batch_new(&field, 1);
            column_add_null(good->columns);
            column_batch_end_row(good);
            cr_assert(table_file_add(file, good, &error) == 0);
            column_batch_free(&good);
        }
        cr_assert(table_file_add(file, batch, &error) == -1);
        cr_assert_eq(error.kind, ERROR_REJECT);
        cr_assert_str_eq(error.text, text);
        table_file_close(&file);
    }
    sink_free(&sink);
}

Test(avro, infinity)
{
    check_refused((struct column_field){.name = "d", .type = COLUMN_DATE}, 0,
        "column d, row 3: Avro has no infinite date");
    check_refused((struct column_field){.name = "t", .type = COLUMN_TIMESTAMP}, 5,
        "column t, row 8: Avro has no infinite timestamp without time zone");
    check_refused((struct column_field){.name = "z", .type = COLUMN_TIMESTAMP_UTC}, 1,
        "column z, row 4: Avro has no infinite timestamp with time zone");
    check_refused((struct column_field){.name = "l", .type = COLUMN_LIST, .element = COLUMN_DATE}, 1,
        "column l, row 4: Avro has no infinite date");
}

static void check_open(const struct column_field *field, struct table_file_options options, const char *text)
{
    cleanup_sink struct sink sink = sink_new(INT_MAX);
    struct table_file *file = NULL;

    cr_assert(open_file(&file, &sink, field, 1, &options) == -1);
    cr_assert_null(file);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert(strstr(error.text, text), "%s", error.text);
    cr_assert_eq(sink.bytes.length, 0);
}

Test(avro, files_that_are_refused)
{
    const struct column_field plain = {.name = "a", .type = COLUMN_INT32};
    const struct table_metadata own = {"avro.codec", "null"};
    struct table_file_options options = {.metadata = &own, .metadata_count = 1};

    check_open(&plain, (struct table_file_options){.codec = TABLE_CODEC_GZIP},
        "Avro has no codec gzip: choose deflate");
    check_open(&plain, (struct table_file_options){.codec = TABLE_CODEC_DEFLATE, .level = 10}, "level 10");
    check_open(&plain, options, "metadata avro.codec: keys that begin with avro. are Avro's own");

    static const uint8_t decimals[][2] = {{0, 0}, {39, 1}, {5, 6}};
    for (size_t i = 0; i < 3; i++) {
        struct column_field field = {"n", COLUMN_DECIMAL, decimals[i][0], decimals[i][1], COLUMN_BOOL};
        check_open(&field, (struct table_file_options){0}, "column n: no decimal of precision");
        field.type = COLUMN_LIST;
        field.element = COLUMN_DECIMAL;
        check_open(&field, (struct table_file_options){0}, "column n: no decimal of precision");
    }
}

Test(avro, headers_that_are_too_large)
{
    char *text = malloc((33u << 20) + 1);
    memset(text, 'x', 33u << 20);
    text[33u << 20] = '\0';
    const struct column_field plain = {.name = "a", .type = COLUMN_INT32},
                              large = {.name = text, .type = COLUMN_INT32};
    const struct table_metadata metadata = {"k", text};

    check_open(&large, (struct table_file_options){0}, "more than 16777216 bytes");
    memset(text, '-', 33u << 20); /* "_" in Avro: it is only the name beside it that is too long */
    check_open(&large, (struct table_file_options){0}, "more than 16777216 bytes");
    check_open(&plain, (struct table_file_options){.metadata = &metadata, .metadata_count = 1},
        "header of the Avro file: more than 33554432 bytes");
    free(text);
}

/* A schema that comes above the ceiling at any of its bytes. */
Test(avro, schemas_that_are_too_large)
{
    const struct column_field fields[] = {{.name = "a b", .type = COLUMN_LIST, .element = COLUMN_DATE},
        {.name = "n", .type = COLUMN_DECIMAL, .precision = 9}};
    cleanup_bytes struct bytes whole;

    bytes_init(&whole, 4096);
    cr_assert(avro_schema(&whole, "t", fields, 2, &error) == 0);
    for (size_t limit = 0; limit < whole.length; limit++) {
        cleanup_bytes struct bytes out;
        bytes_init(&out, limit);
        cr_assert(avro_schema(&out, "t", fields, 2, &error) == -1);
        cr_assert_eq(error.kind, ERROR_REJECT);
    }
}

Test(avro, rows_that_are_too_long)
{
    struct column_field field = {.name = "a", .type = COLUMN_STRING};
    cleanup_sink struct sink sink = sink_new(INT_MAX);
    cleanup_file struct table_file *file = NULL;
    struct table_file_options options = {0};
    cleanup_batch struct column_batch *batch = batch_new(&field, 1);

    cr_assert(open_file(&file, &sink, &field, 1, &options) == 0);
    cr_assert(column_add_bytes(batch->columns, "", 0, &error) == 0);
    column_batch_end_row(batch);
    cr_assert(table_file_add(file, batch, &error) == 0);
    batch->columns->ends[0] = UINT32_C(1)
                              << 31; /* it is refused by its length, before a byte of it is read */
    cr_assert(table_file_add(file, batch, &error) == -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert_str_eq(error.text, "row 2: more than 2147483647 bytes");
}

/* The sink fails at each of its calls: header, block, block at the end. */
Test(avro, sinks_that_fail)
{
    struct column_field field = {.name = "a", .type = COLUMN_STRING};
    cleanup_batch struct column_batch *batch = batch_new(&field, 1);
    static const enum table_codec codecs[] = {TABLE_CODEC_NONE, TABLE_CODEC_ZSTD};

    for (int row = 0; row < 3; row++) {
        cr_assert(column_add_bytes(batch->columns, "0123456789", 10, &error) == 0);
        column_batch_end_row(batch);
    }
    for (size_t i = 0; i < 2; i++) {
        for (int writes = 0; writes < 3; writes++) {
            cleanup_sink struct sink sink = sink_new(writes);
            cleanup_file struct table_file *file = NULL;
            struct table_file_options options = {.codec = codecs[i], .group_size = 20};
            int result = open_file(&file, &sink, &field, 1, &options);
            cr_assert_eq(result, writes > 0 ? 0 : -1);
            result = result ? result : table_file_add(file, batch, &error);
            cr_assert_eq(result, writes > 1 ? 0 : -1);
            result = result ? result : table_file_finish(file, &error);
            cr_assert_eq(result, -1);
            cr_assert_eq(error.kind, ERROR_RETRY);
            cr_assert_str_eq(error.text, "the sink is full");
        }
    }
}

/* Every allocation fails once, in every call: it says so and leaves nothing behind (AddressSanitizer looks). */
Test(avro, memory_that_ends)
{
    struct column_field fields[] = {
        {.name = "a b", .type = COLUMN_STRING}, {.name = "n", .type = COLUMN_DECIMAL, .precision = 9}};
    cleanup_batch struct column_batch *batch = batch_new(fields, 2);
    static const enum table_codec codecs[] = {TABLE_CODEC_NONE, TABLE_CODEC_DEFLATE, TABLE_CODEC_SNAPPY};
    static char value[20u << 20];

    for (size_t row = 0; row < 4; row++) {
        cr_assert(column_add_bytes(&batch->columns[0], value, row == 1 ? sizeof(value) : 500, &error) == 0);
        column_add_null(&batch->columns[1]);
        column_batch_end_row(batch);
    }
    for (size_t i = 0; i < 3; i++) {
        int result = -1;
        for (size_t at = 1; result; at++) {
            cleanup_sink struct sink sink = sink_new(INT_MAX);
            cleanup_file struct table_file *file = NULL;
            struct table_file_options options = {.codec = codecs[i], .group_size = 700};
            cr_assert(bytes_reserve(&sink.bytes, 32u << 20, &error) == 0); /* not the sink's memory */
            error.kind = ERROR_NONE;
            allocations = 0;
            fail_at = at;
            result = open_file(&file, &sink, fields, 2, &options);
            result = result ? result : table_file_add(file, batch, &error);
            result = result ? result : table_file_finish(file, &error);
            fail_at = 0;
            cr_assert_eq(error.kind, result ? ERROR_RETRY : ERROR_NONE, "%s", error.text);
            cr_assert(result || at > 10, "only %zu allocations", at - 1);
        }
    }
}

/* Whatever the columns are called: legal, each another, and the same again. */
Test(avro, names)
{
    static const char *const names[] = {"_", "1", "1", "-1", "", "é", "_1", "x", "x", "x_9"};
    static const char *const legal[] = {"_", "_1_2", "_1_3", "_1_4", "__5", "__6", "_1", "x", "x_19", "x_9"};
    enum { COUNT = sizeof(names) / sizeof(names[0]) };
    struct column_field fields[COUNT];
    cleanup_bytes struct bytes out;

    for (size_t i = 0; i < COUNT; i++)
        fields[i] = (struct column_field){.name = names[i], .type = COLUMN_BOOL};
    bytes_init(&out, 1u << 20);
    cr_assert(avro_schema(&out, "a\"b", fields, COUNT, &error) == 0);
    cr_assert(bytes_add(&out, "", 1, &error) == 0);
    cr_assert(strstr(out.data, "\"name\":\"a_b\",\"tableName\":\"a\\\"b\""));
    const char *at = strstr(out.data, "\"fields\"");
    for (size_t i = 0; i < COUNT; i++) {
        char text[64];
        const int length = snprintf(text, sizeof(text), "{\"name\":\"%s\",", legal[i]);
        at = strchr(at, '{');
        cr_assert(strncmp(at, text, (size_t)length) == 0, "%.40s instead of %s", at, text);
        at++;
    }
}
