/* Parquet files while memory or the store ends: every allocation and every write fails once. A call that fails says so and leaves nothing behind
 * (AddressSanitizer looks); a file that is finished all the same is whole. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "failing_malloc.h"
#include "parquet_harness.h"

static const struct column_field fields[] = {{"flag", COLUMN_BOOL, 0, 0, 0}, {"few", COLUMN_STRING, 0, 0, 0},
    {"many", COLUMN_INT64, 0, 0, 0}, {"list", COLUMN_LIST, 5, 0, COLUMN_DECIMAL},
    {"fills", COLUMN_BYTES, 0, 0, 0}, {"late", COLUMN_FLOAT64, 0, 0, 0}, {"rare", COLUMN_DATE, 0, 0, 0}};
enum { FIELDS = 7, ROWS = 3500 };
static struct error error;

/* Columns that take each way through a chunk. */
static void fill(struct column_batch *batch)
{
    static char text[1000];

    for (int64_t i = 0; i < ROWS; i++) {
        struct column *columns = batch->columns;
        column_add_fixed(&columns[0], &(uint8_t){i % 2 != 0}, 1);
        column_add_bytes(&columns[1], i % 2 ? "one" : "two", 3, &error);
        column_add_fixed(&columns[2], &(int64_t){i * 12345}, 8);
        for (int64_t k = 0; k < i % 3; k++) {
            if (k)
                column_add_null(columns[3].element);
            else
                column_add_fixed(columns[3].element, text, 16);
        }
        column_end_list(&columns[3]);
        memcpy(text + 16, &i, sizeof(i));
        column_add_bytes(&columns[4], text + 16, i < 1000 ? 0 : 900, &error);
        column_add_fixed(
            &columns[5 + (i == ROWS - 1)], &(double){1}, column_width(fields[5 + (i == ROWS - 1)].type));
        column_add_null(&columns[6 - (i == ROWS - 1)]);
        column_batch_end_row(batch);
    }
}

static int write_file(
    const struct column_batch *batch, struct image *image, enum table_codec codec, size_t columns)
{
    const struct table_metadata pair = {"k", "v"};
    const struct table_file_options options = {.codec = codec,
        .metadata = &pair,
        .metadata_count = 1,
        .group_size = codec == TABLE_CODEC_ZSTD     ? 4u << 10
                      : codec == TABLE_CODEC_SNAPPY ? 16u << 10
                                                    : 0};
    const struct table_sink sink = {image_write, image};
    void *writer;

    if (parquet_writer.open(&writer, fields, columns, &options, &sink, &error))
        return -1;
    const int failed = parquet_writer.add(writer, batch, &error) ||
                       parquet_writer.add(writer, batch, &error) || parquet_writer.finish(writer, &error);
    parquet_writer.close(writer);
    return failed ? -1 : 0;
}

static void check_file(const struct image *image)
{
    const struct slice footer = image_footer(image);

    cr_assert_eq(thrift_integer(footer, PATH(3)), 2 * ROWS);
    cr_assert(thrift_integer(footer, PATH(4)) >= 1);
}

static struct column_batch *new_batch(struct image *image)
{
    struct column_batch *batch;

    cr_assert(column_batch_new(&batch, fields, FIELDS, 16u << 20, &error) == 0);
    cr_assert(batch->rows_max >= ROWS);
    fill(batch);
    *image = (struct image){0};
    bytes_init(&image->data, 64u << 20);
    cr_assert(bytes_reserve(&image->data, 32u << 20, &error) == 0);
    return batch;
}

Test(parquet_faults, every_allocation, .timeout = 900)
{
    static const enum table_codec codecs[] = {TABLE_CODEC_NONE, TABLE_CODEC_SNAPPY, TABLE_CODEC_NONE};
    struct image image;
    struct column_batch *batch = new_batch(&image);

    for (size_t codec = 0; codec < 3; codec++) {
        size_t failures = 0;
        for (fail_at = 1;; fail_at++) {
            allocations = 0;
            bytes_clear(&image.data);
            const int failed = write_file(batch, &image, codecs[codec], codec < 2 ? FIELDS : 1);
            const bool reached = allocations >= fail_at;
            const size_t at = fail_at;
            fail_at = 0;
            if (failed)
                cr_assert(error.kind == ERROR_RETRY, "%zu: %s", at, error.text);
            else
                check_file(&image);
            failures += failed != 0;
            fail_at = at;
            if (!reached)
                break;
        }
        fail_at = 0;
        cr_assert(failures > (codec < 2 ? 50 : 5), "%zu", failures);
    }
    column_batch_free(&batch);
    bytes_free(&image.data);
}

Test(parquet_faults, every_write, .timeout = 900)
{
    struct image image;
    struct column_batch *batch = new_batch(&image);

    for (size_t at = 1;; at++) {
        bytes_clear(&image.data);
        image.writes = 0;
        image.fail_at = at;
        const int failed = write_file(batch, &image, TABLE_CODEC_ZSTD, FIELDS);
        if (image.writes < at) {
            cr_assert(!failed);
            check_file(&image);
            break;
        }
        cr_assert(failed && error.kind == ERROR_FATAL, "%zu", at);
        cr_assert_eq(image.writes, at, "nothing is written behind a failure");
    }
    column_batch_free(&batch);
    bytes_free(&image.data);
}
