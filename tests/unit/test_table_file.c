/* Files of tables, whatever their format: a whole life of each, what they are called, and one that is not even opened. */
#include <criterion/criterion.h>

#include "lake/format/table_file.h"

static struct error error;

static int count_bytes(void *context, const void *data, size_t length, struct error *ret_error)
{
    (void)data;
    (void)ret_error;
    *(size_t *)context += length;
    return 0;
}

Test(table_file, every_format)
{
    static const struct delimited_options delimited = {.field = ',', .line = '\n'};
    static const struct column_field field = {.name = "a", .type = COLUMN_INT32};
    struct column_batch *batch = NULL;
    struct table_file *file = NULL;

    cr_assert(column_batch_new(&batch, &field, 1, 0, &error) == 0);
    column_add_fixed(batch->columns, &(int32_t){7}, sizeof(int32_t));
    column_batch_end_row(batch);
    for (enum table_format format = TABLE_JSON_LINES; format <= TABLE_PARQUET; format++) {
        const struct table_file_options options = {.format = format, .delimited = &delimited, .name = "t"};
        size_t length = 0;
        const struct table_sink sink = {count_bytes, &length};
        cr_assert(table_file_open(&file, &field, 1, &options, &sink, &error) == 0, "%s", error.text);
        cr_assert(table_file_add(file, batch, &error) == 0, "%s", error.text);
        cr_assert(table_file_finish(file, &error) == 0, "%s", error.text);
        cr_assert_geq(length, 2, "format %d", format);
        table_file_close(&file);
        cr_assert_null(file);
        table_file_close(&file);
    }
    column_batch_free(&batch);
}

Test(table_file, a_codec_that_the_format_has_not)
{
    static const enum table_codec codecs[] = {
        TABLE_CODEC_SNAPPY, TABLE_CODEC_DEFLATE, TABLE_CODEC_GZIP, TABLE_CODEC_DEFLATE};
    static const struct delimited_options delimited = {.field = ',', .line = '\n'};
    size_t length = 0;
    const struct table_sink sink = {count_bytes, &length};

    for (enum table_format format = TABLE_JSON_LINES; format <= TABLE_PARQUET; format++) {
        struct table_file *file = NULL;
        const struct table_file_options options = {
            .format = format, .codec = codecs[format], .delimited = &delimited, .name = "t"};
        cr_assert(table_file_open(&file, NULL, 0, &options, &sink, &error) == -1, "format %d", format);
        cr_assert_eq(error.kind, ERROR_REJECT);
        cr_assert_null(file);
    }
    cr_assert_eq(length, 0);
}

Test(table_file, extensions)
{
    static const struct {
        enum table_format format;
        enum table_codec codec;
        const char *extension;
        bool plain;
    } rows[] = {
        {TABLE_JSON_LINES, TABLE_CODEC_NONE, ".jsonl", false},
        {TABLE_JSON_LINES, TABLE_CODEC_GZIP, ".jsonl.gz", false},
        {TABLE_JSON_LINES, TABLE_CODEC_ZSTD, ".jsonl.zst", false},
        {TABLE_DELIMITED, TABLE_CODEC_NONE, ".csv", false},
        {TABLE_DELIMITED, TABLE_CODEC_GZIP, ".csv.gz", false},
        {TABLE_DELIMITED, TABLE_CODEC_ZSTD, ".csv.zst", false},
        {TABLE_DELIMITED, TABLE_CODEC_NONE, ".txt", true},
        {TABLE_DELIMITED, TABLE_CODEC_GZIP, ".txt.gz", true},
        {TABLE_DELIMITED, TABLE_CODEC_ZSTD, ".txt.zst", true},
        {TABLE_AVRO, TABLE_CODEC_DEFLATE, ".avro", false},
        {TABLE_PARQUET, TABLE_CODEC_SNAPPY, ".parquet", false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct delimited_options delimited = {.plain = rows[i].plain};
        const struct table_file_options options = {
            .format = rows[i].format, .codec = rows[i].codec, .delimited = &delimited};
        cr_assert_str_eq(table_file_extension(&options), rows[i].extension);
    }
}
