/* parquet: a table as one Parquet file (parquet-format 2.x), in sequential writes: magic, row groups, page index, footer.
 *
 * A row group is kept until it is whole, compressed, since its columns lie one behind the other; it ends when it comes to
 * options.group_size, or at PARQUET_GROUP_ROWS_MAX rows. Memory, with the default group size: 16 MiB of pages, 4 MiB of values whose
 * pages are under way, 4 MiB of dictionaries, 4 MiB of indexes (parquet_footer.h), and what one page takes while it is made (parquet_page.h);
 * a value that is longer than a page takes as much again twice while its page is made.
 *
 * Source of the format: README.md, Encodings.md, LogicalTypes.md, PageIndex.md and src/main/thrift/parquet.thrift of Apache's
 * parquet-format.
 */
#include <stdlib.h>

#include "lake/format/parquet_footer.h"

#define PARQUET_GROUP_SIZE ((size_t)16 << 20)
#define PARQUET_GROUP_ROWS_MAX ((uint64_t)1 << 20)
/* Of a batch that holds more than this only so many rows are taken at a time, so that the group ends in time. */
#define PARQUET_SLICE_SIZE ((size_t)2 << 20)

struct parquet {
    const struct table_file_options *options;
    struct table_sink sink;
    size_t group_size;
    int codec; /* CompressionCodec of parquet.thrift */
    struct parquet_encoder encoder;
    struct parquet_footer footer;
    struct parquet_column *columns;
    size_t columns_count;
    uint64_t offset; /* bytes written */
    uint64_t rows, group_rows;
};

static int parquet_write(struct parquet *parquet, struct slice data, struct error *error)
{
    parquet->offset += data.length;
    return parquet->sink.write(parquet->sink.context, data.data, data.length, error);
}

static void parquet_close(void *state)
{
    struct parquet *parquet = state;

    for (size_t i = 0; parquet->columns && i < parquet->columns_count; i++)
        parquet_column_close(&parquet->columns[i]);
    free(parquet->columns);
    parquet_footer_close(&parquet->footer);
    parquet_encoder_close(&parquet->encoder);
    free(parquet);
}

static void parquet_cleanup(struct parquet **parquet)
{
    if (*parquet)
        parquet_close(*parquet);
}

static int parquet_codec(int *ret_codec, enum table_codec codec, struct error *error)
{
    static const int codecs[] = {
        [TABLE_CODEC_NONE] = 0, [TABLE_CODEC_SNAPPY] = 1, [TABLE_CODEC_GZIP] = 2, [TABLE_CODEC_ZSTD] = 6};

    if (codec == TABLE_CODEC_DEFLATE)
        return error_set(error, ERROR_REJECT,
            "Parquet has no codec deflate: choose gzip, which is the same with a frame, snappy or zstd");
    *ret_codec = codecs[codec];
    return 0;
}

static int parquet_open(void **ret_state, const struct column_field *fields, size_t fields_count,
    const struct table_file_options *options, const struct table_sink *sink, struct error *error)
{
    __attribute__((cleanup(parquet_cleanup))) struct parquet *parquet = calloc(1, sizeof(*parquet));

    if (!parquet)
        return error_set(error, ERROR_RETRY, "Parquet file: out of memory");
    parquet->options = options;
    parquet->sink = *sink;
    parquet->group_size = options->group_size ? options->group_size : PARQUET_GROUP_SIZE;
    parquet_footer_open(&parquet->footer, fields_count);
    if (parquet_codec(&parquet->codec, options->codec, error) ||
        parquet_encoder_open(&parquet->encoder, options->codec, options->level, fields_count, error))
        return -1;
    parquet->columns = calloc(fields_count + 1, sizeof(*parquet->columns));
    if (!parquet->columns)
        return error_set(error, ERROR_RETRY, "Parquet file of %zu columns: out of memory", fields_count);
    for (; parquet->columns_count < fields_count; parquet->columns_count++) {
        const size_t i = parquet->columns_count;
        if (parquet_column_open(&parquet->columns[i], &fields[i], &parquet->encoder, error))
            return -1;
        parquet->columns[i].hopeless =
            options->plain && atomic_load_explicit(&options->plain[i], memory_order_relaxed);
    }
    if (parquet_write(parquet, slice_of("PAR1"), error))
        return -1;
    *ret_state = parquet;
    parquet = NULL;
    return 0;
}

/* ---- row groups --------------------------------------------------------------------------------------------------------------- */

/* A chunk of few values says nothing of the others. */
static void parquet_tell_plain(const struct parquet *parquet, size_t index)
{
    const struct parquet_column *column = &parquet->columns[index];

    if (parquet->options->plain && column->values_count >= parquet->encoder.undecided_values)
        atomic_store_explicit(&parquet->options->plain[index], column->hopeless, memory_order_relaxed);
}

static int parquet_write_chunk(struct parquet *parquet, size_t index, struct error *error)
{
    struct parquet_column *column = &parquet->columns[index];

    if (parquet_column_finish(column, error) ||
        parquet_footer_add_chunk(&parquet->footer, index, column, parquet->codec, parquet->offset, error))
        return -1;
    if (column->dictionary_page.memory &&
        parquet_write(parquet, parquet_page_bytes(&column->dictionary_page), error))
        return -1;
    for (size_t i = 0; i < column->pages_count; i++) {
        if (parquet_write(parquet, parquet_page_bytes(&column->pages[i]), error))
            return -1;
    }
    parquet_tell_plain(parquet, index);
    parquet_column_clear(column);
    return 0;
}

static int parquet_end_group(struct parquet *parquet, struct error *error)
{
    if (!parquet->group_rows)
        return 0;
    if (parquet_footer_begin_group(&parquet->footer, parquet->group_rows, parquet->offset, error))
        return -1;
    for (size_t i = 0; i < parquet->columns_count; i++) {
        if (parquet_write_chunk(parquet, i, error))
            return -1;
    }
    parquet->group_rows = 0;
    return 0;
}

/* What the group would come to if it ended now: what is in no page yet is taken to compress like what is. */
static size_t parquet_group_size(const struct parquet *parquet)
{
    size_t made = 0, uncompressed = 0, open = 0;

    for (size_t i = 0; i < parquet->columns_count; i++) {
        const struct parquet_column *column = &parquet->columns[i];
        made += column->length;
        uncompressed += column->uncompressed;
        open += parquet_column_open_size(column);
    }
    if (uncompressed > made)
        open = (size_t)((double)open * (double)made / (double)uncompressed);
    return made + open;
}

static int parquet_add(void *state, const struct column_batch *batch, struct error *error)
{
    struct parquet *parquet = state;
    const size_t size = column_batch_bytes(batch);
    size_t step = batch->rows;

    if (size > PARQUET_SLICE_SIZE)
        step = (size_t)((double)step * (double)PARQUET_SLICE_SIZE / (double)size) + 1;
    for (size_t from = 0; from < batch->rows;) {
        const size_t room = (size_t)(PARQUET_GROUP_ROWS_MAX - parquet->group_rows);
        size_t rows = batch->rows - from < step ? batch->rows - from : step;
        rows = rows < room ? rows : room;
        for (size_t i = 0; i < parquet->columns_count; i++) {
            if (parquet_column_add(
                    &parquet->columns[i], &batch->columns[i], from, from + rows, parquet->rows + 1, error))
                return -1;
        }
        parquet->group_rows += rows;
        from += rows;
        if ((parquet->group_rows == PARQUET_GROUP_ROWS_MAX ||
                parquet_group_size(parquet) >= parquet->group_size) &&
            parquet_end_group(parquet, error))
            return -1;
    }
    parquet->rows += batch->rows;
    return 0;
}

static int parquet_finish(void *state, struct error *error)
{
    struct parquet *parquet = state;

    if (parquet_end_group(parquet, error))
        return -1;
    return parquet_footer_write(
        &parquet->footer, parquet->columns, parquet->options, parquet->offset, &parquet->sink, error);
}

const struct table_writer parquet_writer = {
    .open = parquet_open, .add = parquet_add, .finish = parquet_finish, .close = parquet_close, NULL};
