/* merge_parquet: see merge_file.h. Its keys are what they are in Avro: one form for each value of every type. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "base/file.h"
#include "lake/format/avro_row.h"
#include "lake/format/parquet_read.h"
#include "table/merge_file.h"

#define READ_STEP ((size_t)256 * 1024)
#define BATCH_BYTES ((size_t)4 << 20)
#define KEY_MAX ((size_t)1 << 30)

struct reading {
    const struct merge_file *file;
    const struct merge_visit *visit;
    struct parquet_read *read;
    struct column_batch *batch;
    struct avro_row *keys[TABLE_ROW_WANTED_MAX];
    uint8_t *keep; /* a byte a row of the batch */
    uint64_t rows;
};

static void parquet_close(struct reading *reading)
{
    parquet_read_close(&reading->read);
    column_batch_free(&reading->batch);
    for (size_t i = 0; i < TABLE_ROW_WANTED_MAX; i++)
        avro_row_close(&reading->keys[i]);
    free(reading->keep);
}

static int parquet_stopped(const struct reading *reading, struct error *error)
{
    return reading->visit->stop(reading->visit->context) ? error_set(error, ERROR_RETRY, "stopped") : 0;
}

static int parquet_source(void *context, void *data, size_t length, uint64_t offset, struct error *error)
{
    const struct merge_file *file = context;
    const ssize_t got = file_read_at(file->fd, data, length, offset);

    if (got < 0)
        return error_set_errno(error, ERROR_FATAL, "%s", file->path);
    return (size_t)got == length ? 0 : merge_bytes_complain(file, error);
}

/* Before any of it is believed: it begins at its end. */
static int parquet_check(const struct reading *reading, struct error *error)
{
    const struct merge_file *file = reading->file;
    cleanup_bytes struct bytes step;
    uint64_t at = 0;
    uint32_t crc = 0;
    ssize_t got = 1;

    bytes_init(&step, READ_STEP);
    if (bytes_reserve(&step, READ_STEP, error))
        return -1; /* GCOVR_EXCL_LINE out of memory */
    for (; got > 0; at += (uint64_t)got) {
        if (parquet_stopped(reading, error))
            return -1;
        got = file_read_at(file->fd, step.data, READ_STEP, at);
        if (got < 0)
            return error_set_errno(error, ERROR_FATAL, "%s", file->path);
        crc = crc32c(crc, step.data, (size_t)got);
    }
    return at == file->file.bytes && crc == file->file.crc32c ? 0 : merge_bytes_complain(file, error);
}

static int parquet_open(struct reading *reading, const struct table_source *source, struct error *error)
{
    const struct merge_rows *rows = reading->file->rows;

    if (parquet_read_open(
            &reading->read, rows->options->name, rows->fields, rows->fields_count, source, error))
        return error_wrap(error, "%s", reading->file->path);
    if (column_batch_new(&reading->batch, rows->fields, rows->fields_count, UINT32_MAX, error))
        return -1; /* GCOVR_EXCL_LINE out of memory */
    reading->keep = malloc(reading->batch->rows_max);
    if (!reading->keep)
        return error_set(error, ERROR_RETRY, "import: out of memory"); /* GCOVR_EXCL_LINE out of memory */
    for (size_t i = 0; i < rows->key_count; i++)
        if (avro_row_open(&reading->keys[i], &rows->fields[rows->key[i]], 1, KEY_MAX, error))
            return -1; /* GCOVR_EXCL_LINE out of memory */
    return 0;
}

/* A column as a batch of its own. */
static struct column_batch parquet_column(const struct reading *reading, size_t column)
{
    struct column_batch *batch = reading->batch;

    return (struct column_batch){.fields = &batch->fields[column],
        .fields_count = 1,
        .columns = &batch->columns[column],
        .rows = batch->rows,
        .rows_max = batch->rows_max};
}

static int parquet_begin_keys(struct reading *reading, struct error *error)
{
    const struct merge_rows *rows = reading->file->rows;

    for (size_t i = 0; i < rows->key_count; i++) {
        const struct column_batch column = parquet_column(reading, rows->key[i]);
        if (avro_row_begin(reading->keys[i], &column, error))
            return -1; /* GCOVR_EXCL_LINE what Avro has not, Parquet has not, too */
    }
    return 0;
}

static int parquet_visit_row(struct reading *reading, size_t at, struct error *error)
{
    const struct merge_rows *rows = reading->file->rows;
    const struct merge_visit *visit = reading->visit;
    struct table_row row;
    bool keep;

    row.text = (struct slice){0};
    for (size_t i = 0; i < rows->key_count; i++) {
        const struct column_batch column = parquet_column(reading, rows->key[i]);
        if (avro_row_take(reading->keys[i], &column, at, &row.fields[i], error))
            return -1; /* GCOVR_EXCL_LINE a key of 1 GiB */
    }
    reading->rows++;
    if (visit->row(visit->context, &row, &keep, error))
        return -1;
    reading->keep[at] = keep;
    return 0;
}

static int parquet_rows(struct reading *reading, struct error *error)
{
    const struct merge_visit *visit = reading->visit;
    struct column_batch *batch = reading->batch;

    column_batch_clear(batch);
    if (parquet_read_rows(reading->read, batch, BATCH_BYTES, error))
        return error_wrap(error, "%s", reading->file->path);
    if (parquet_begin_keys(reading, error))
        return -1; /* GCOVR_EXCL_LINE see there */
    for (size_t row = 0; row < batch->rows; row++)
        if (parquet_visit_row(reading, row, error))
            return -1;
    const bool ended = !batch->rows;
    column_batch_keep(batch, reading->keep);
    if (batch->rows && visit->copy(visit->context, &(struct merge_piece){.batch = batch}, error))
        return -1;
    return ended;
}

int merge_parquet_read(const struct merge_file *file, const struct merge_visit *visit, struct error *error)
{
    __attribute__((cleanup(parquet_close))) struct reading reading = {.file = file, .visit = visit};
    const struct table_source source = {parquet_source, (void *)(uintptr_t)file, file->file.bytes};
    int ended = 0;

    if (parquet_check(&reading, error) || parquet_open(&reading, &source, error))
        return -1;
    while (!ended) {
        if (parquet_stopped(&reading, error))
            return -1;
        ended = parquet_rows(&reading, error);
    }
    if (ended < 0)
        return -1;
    return reading.rows == file->file.rows ? 0 : merge_rows_complain(file, reading.rows, "", error);
}
