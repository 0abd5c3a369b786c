/* table_file: see table_file.h. */
#include "lake/format/table_file.h"

#include <assert.h>
#include <stdlib.h>

struct table_file {
    const struct table_writer *writer;
    void *state;
};

static const struct table_writer *const table_writers[] = {
    [TABLE_JSON_LINES] = &json_lines_writer,
    [TABLE_DELIMITED] = &delimited_writer,
    [TABLE_AVRO] = &avro_writer,
    [TABLE_PARQUET] = &parquet_writer,
};

int table_file_open(struct table_file **ret_file, const struct column_field *fields, size_t fields_count,
    const struct table_file_options *options, const struct table_sink *sink, struct error *error)
{
    __attribute__((cleanup(table_file_close))) struct table_file *file = calloc(1, sizeof(*file));

    if (!file)
        return error_set(error, ERROR_RETRY, "file of a table: out of memory");
    file->writer = table_writers[options->format];
    if (file->writer->open(&file->state, fields, fields_count, options, sink, error))
        return -1;
    *ret_file = file;
    file = NULL;
    return 0;
}

int table_file_add(struct table_file *file, const struct column_batch *batch, struct error *error)
{
    return file->writer->add(file->state, batch, error);
}

int table_file_copy(struct table_file *file, struct slice row, struct error *error)
{
    assert(file->writer->copy);
    return file->writer->copy(file->state, row, error);
}

int table_file_finish(struct table_file *file, struct error *error)
{
    return file->writer->finish(file->state, error);
}

void table_file_close(struct table_file **file)
{
    if (!*file)
        return;
    if ((*file)->state)
        (*file)->writer->close((*file)->state);
    free(*file);
    *file = NULL;
}

const char *table_file_extension(const struct table_file_options *options)
{
    static const char *const json[] = {".jsonl", ".jsonl.gz", ".jsonl.zst"},
                             *const csv[] = {".csv", ".csv.gz", ".csv.zst"},
                             *const plain[] = {".txt", ".txt.gz", ".txt.zst"};
    const int packed = options->codec == TABLE_CODEC_GZIP ? 1 : options->codec == TABLE_CODEC_ZSTD ? 2 : 0;

    switch (options->format) {
    case TABLE_AVRO:
        return ".avro";
    case TABLE_PARQUET:
        return ".parquet";
    case TABLE_DELIMITED:
        return options->delimited->plain ? plain[packed] : csv[packed];
    case TABLE_JSON_LINES:
        break;
    }
    return json[packed];
}
