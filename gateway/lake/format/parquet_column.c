/* parquet_column: see parquet_column.h. */
#include "lake/format/parquet_column.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/little.h"
#include "lake/format/parquet_chunk.h"

/* Distinct values that are enough to see that nearly none comes again. */
#define COLUMN_SAMPLE 2000

int parquet_column_open(struct parquet_column *column, const struct column_field *field,
    struct parquet_encoder *encoder, struct error *error)
{
    *column = (struct parquet_column){.field = field, .encoder = encoder};
    if (parquet_type_of(&column->type, field, error))
        return -1;
    parquet_dictionary_init(&column->dictionary, column->type.width, &encoder->dictionaries);
    bytes_init(&column->levels, PARQUET_PAGE_MAX);
    bytes_init(&column->indexes, PARQUET_PAGE_MAX);
    bytes_init(&column->plain, PARQUET_PAGE_MAX);
    bytes_init(&column->definitions, PARQUET_PAGE_MAX);
    bytes_init(&column->repetitions, PARQUET_PAGE_MAX);
    parquet_column_clear(column);
    return 0;
}

static void column_free_pages(struct parquet_column *column)
{
    for (size_t i = 0; i < column->pages_count; i++)
        parquet_page_free(&column->pages[i]);
    parquet_page_free(&column->dictionary_page);
    column->pages_count = 0;
}

void parquet_column_close(struct parquet_column *column)
{
    column_free_pages(column);
    free(column->pages);
    free(column->pending);
    parquet_dictionary_free(&column->dictionary);
    bytes_free(&column->levels);
    bytes_free(&column->indexes);
    bytes_free(&column->plain);
    bytes_free(&column->definitions);
    bytes_free(&column->repetitions);
}

void parquet_column_clear(struct parquet_column *column)
{
    column_free_pages(column);
    parquet_dictionary_free(&column->dictionary);
    column->mode = column->type.physical == PARQUET_BOOLEAN ? PARQUET_DIRECT : PARQUET_UNDECIDED;
    column->pending_count = 0;
    column->open = false;
    bytes_clear(&column->levels);
    bytes_clear(&column->indexes);
    column->length = column->uncompressed = 0;
    column->levels_count = column->values_count = 0;
    column->statistics = (struct parquet_statistics){0};
}

size_t parquet_column_open_size(const struct parquet_column *column)
{
    size_t plain = 0, values = 0;

    for (size_t i = 0; i < column->pending_count; i++) {
        plain += column->pending[i].plain;
        values += column->pending[i].counts.values;
    }
    const size_t indexed = parquet_chunk_indexed_size(column, values);
    if (column->mode == PARQUET_INDEXED)
        return indexed;
    return column->mode == PARQUET_UNDECIDED && indexed < plain ? indexed : plain;
}

/* ---- values ----------------------------------------------------------------------------------------------------------------- */

/* Lengths and bytes in turn. Short values are copied 16 bytes at a time where both sides have them: what is too much is written over by
 * the next one. */
static void column_put_values(char *at, const char *end, const struct parquet_values *values)
{
    const char *from = values->data + values->begin;
    const char *last = values->data + values->ends[values->count - 1];

    for (size_t i = 0; i < values->count; i++) {
        const size_t length = parquet_values_at(values, i).length;
        put_u32(at, (uint32_t)length);
        at += sizeof(uint32_t);
        if (length <= 16 && last - from >= 16 && end - at >= 16)
            memcpy(at, from, 16);
        else if (length)
            memcpy(at, from, length);
        at += length;
        from += length;
    }
}

static int column_add_direct(
    struct parquet_column *column, const struct parquet_values *values, struct error *error)
{
    struct bytes *plain = &column->plain;
    const size_t size = parquet_values_size(values, column->type.width);

    if (!plain->length) {
        if (bytes_reserve(plain, PARQUET_LEVELS_GAP + size, error))
            return -1;
        plain->length = PARQUET_LEVELS_GAP;
    }
    if (column->type.width)
        return bytes_add(plain, values->fixed, size, error);
    if (bytes_reserve(plain, size, error))
        return -1;
    if (values->count)
        column_put_values(plain->data + plain->length, plain->data + plain->length + size, values);
    plain->length += size;
    return 0;
}

static struct parquet_pending *column_last(struct parquet_column *column)
{
    return &column->pending[column->pending_count - 1];
}

static void column_count(struct parquet_column *column, const struct parquet_values *values)
{
    struct parquet_pending *last = column_last(column);

    last->counts.values += (uint32_t)values->count;
    last->plain += parquet_values_size(values, column->type.width);
}

/* Where the last chunk had no use of a dictionary, a few thousand values tell that this one has none either. */
static bool column_is_hopeless(const struct parquet_column *column)
{
    const size_t count = column->dictionary.count;

    return column->hopeless && column->pending_count == 1 && count >= COLUMN_SAMPLE &&
           count > column->pending[0].counts.values / 8 * 7;
}

static int column_add_values(
    struct parquet_column *column, const struct parquet_values *values, struct error *error)
{
    struct bytes *indexes = &column->indexes;

    parquet_statistics_add(&column_last(column)->statistics, &column->type, values);
    if (column->mode == PARQUET_DIRECT) {
        if (column_add_direct(column, values, error))
            return -1;
        column_count(column, values);
        return 0;
    }
    if (bytes_reserve(indexes, values->count * sizeof(uint32_t), error))
        return -1;
    const size_t done = parquet_dictionary_index(
        &column->dictionary, values, (uint32_t *)(void *)(indexes->data + indexes->length));
    struct parquet_values found = *values;
    found.count = done;
    indexes->length += done * sizeof(uint32_t);
    column_count(column, &found);
    if (done == values->count && !column_is_hopeless(column))
        return 0;
    const struct parquet_values rest = parquet_values_from(*values, column->type.width, done);
    if (parquet_chunk_leave_dictionary(column, error) || column_add_direct(column, &rest, error))
        return -1;
    column_count(column, &rest);
    return 0;
}

/* ---- levels ----------------------------------------------------------------------------------------------------------------- */

static int column_fill(struct bytes *levels, uint8_t level, size_t count, struct error *error)
{
    if (bytes_reserve(levels, count, error))
        return -1;
    if (count)
        memset(levels->data + levels->length, level, count);
    levels->length += count;
    return 0;
}

/* A page's definition levels come into being with its first NULL; validity is what they are. */
static int column_add_levels(struct parquet_column *column, const struct column *source, size_t from,
    size_t to, size_t values, struct error *error)
{
    struct parquet_page_counts *counts = &column_last(column)->counts;
    const size_t rows = to - from;

    if (values < rows && !column->definitions.length &&
        column_fill(&column->definitions, 1, counts->levels, error))
        return -1;
    if ((values < rows || column->definitions.length) &&
        bytes_add(&column->definitions, source->valid + from, rows, error))
        return -1;
    counts->rows += (uint32_t)rows;
    counts->levels += (uint32_t)rows;
    return 0;
}

enum { LIST_NULL = 0, LIST_EMPTY = 1, LIST_NULL_ELEMENT = 2, LIST_ELEMENT = 3 };

static int column_add_list_levels(
    struct parquet_column *column, const struct column *source, size_t from, size_t to, struct error *error)
{
    struct bytes *definitions = &column->definitions, *repetitions = &column->repetitions;
    const size_t most = to - from + source->ends[to - 1] - column_begin(source, from);
    const size_t before = definitions->length;

    if (bytes_reserve(definitions, most, error) || bytes_reserve(repetitions, most, error))
        return -1;
    for (size_t row = from; row < to; row++) {
        const uint32_t begin = column_begin(source, row), end = source->ends[row];
        repetitions->data[repetitions->length++] = 0;
        if (begin == end)
            definitions->data[definitions->length++] = source->valid[row] ? LIST_EMPTY : LIST_NULL;
        for (uint32_t i = begin; i < end; i++)
            definitions->data[definitions->length++] = (char)(LIST_NULL_ELEMENT + source->element->valid[i]);
        for (uint32_t i = begin + 1; i < end; i++)
            repetitions->data[repetitions->length++] = 1;
    }
    struct parquet_page_counts *counts = &column_last(column)->counts;
    counts->rows += (uint32_t)(to - from);
    counts->levels += (uint32_t)(definitions->length - before);
    return 0;
}

/* ---- rows ------------------------------------------------------------------------------------------------------------------- */

/* Bytes that rows [from, to) take in a page, at most. */
static size_t column_cost(const struct column *source, uint8_t width, size_t from, size_t to)
{
    const size_t rows = to - from;

    if (!rows)
        return 0;
    if (source->element) {
        const uint32_t begin = column_begin(source, from), end = source->ends[to - 1];
        return rows + (end - begin) + column_cost(source->element, width, begin, end);
    }
    if (width)
        return rows * width;
    return rows * sizeof(uint32_t) + source->ends[to - 1] - column_begin(source, from);
}

/* How many rows from `from` the last page takes: all that fit, one at least when it is empty. */
static size_t column_fit(struct parquet_column *column, const struct column *source, size_t from, size_t to)
{
    const struct parquet_encoder *encoder = column->encoder;
    const struct parquet_pending *last = column_last(column);
    const size_t used = last->plain + (source->element ? last->counts.levels : 0);
    const size_t room = used < encoder->page_bytes ? encoder->page_bytes - used : 0;
    size_t least = 0, most = encoder->page_rows - last->counts.rows;

    if (most > to - from)
        most = to - from;
    while (least < most) {
        const size_t middle = most - (most - least) / 2;
        if (column_cost(source, column->type.width, from, from + middle) <= room)
            least = middle;
        else
            most = middle - 1;
    }
    return least || last->counts.rows ? least : 1;
}

static int column_add_rows(struct parquet_column *column, const struct column *source, size_t from, size_t to,
    size_t *ret_bad, struct error *error)
{
    const bool list = source->element != NULL;
    const struct column *leaf = list ? source->element : source;
    const size_t begin = list ? column_begin(source, from) : from, end = list ? source->ends[to - 1] : to;
    struct parquet_values values;

    if (parquet_values_take(
            &values, ret_bad, &column->type, leaf, begin, end, column->encoder->scratch, error) ||
        column_add_values(column, &values, error))
        return -1;
    return list ? column_add_list_levels(column, source, from, to, error)
                : column_add_levels(column, source, from, to, values.count, error);
}

/* The row of an element. */
static size_t column_row_of(const struct column *source, size_t bad)
{
    size_t row = 0;

    if (!source->element)
        return bad;
    while (source->ends[row] <= bad)
        row++;
    return row;
}

int parquet_column_add(struct parquet_column *column, const struct column *source, size_t from, size_t to,
    uint64_t row, struct error *error)
{
    const struct parquet_encoder *encoder = column->encoder;

    while (from < to) {
        if (!column->open && parquet_chunk_begin_page(column, error))
            return -1;
        const size_t rows = column_fit(column, source, from, to);
        size_t bad = SIZE_MAX;
        if (rows && column_add_rows(column, source, from, from + rows, &bad, error)) {
            bad = bad == SIZE_MAX ? from : column_row_of(source, bad);
            return error_wrap(error, "column %s, row %" PRIu64, column->field->name, row + bad);
        }
        from += rows;
        const struct parquet_pending *last = column_last(column);
        const bool full = last->counts.rows == encoder->page_rows || last->plain >= encoder->page_bytes;
        if ((full || from < to) && parquet_chunk_end_page(column, error))
            return error_wrap(error, "column %s", column->field->name);
    }
    return 0;
}

int parquet_column_finish(struct parquet_column *column, struct error *error)
{
    return parquet_chunk_finish(column, error) ? error_wrap(error, "column %s", column->field->name) : 0;
}
