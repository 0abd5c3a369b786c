/* parquet_footer: see parquet_footer.h. */
#include "lake/format/parquet_footer.h"

#include <stdlib.h>

#include "base/little.h"
#include "lake/format/parquet_schema.h"
#include "lake/format/parquet_thrift.h"

#define FOOTER_METADATA_MAX ((size_t)1 << 30)
/* Pieces that the footer is written in. */
#define FOOTER_PIECE ((size_t)64 << 10)

enum boundary_order { BOUNDARY_UNORDERED = 0, BOUNDARY_ASCENDING = 1, BOUNDARY_DESCENDING = 2 };

void parquet_footer_open(struct parquet_footer *footer, size_t columns)
{
    *footer = (struct parquet_footer){.columns = columns};
    bytes_init(&footer->metadata, FOOTER_METADATA_MAX);
    bytes_init(&footer->column_indexes, FOOTER_METADATA_MAX);
    bytes_init(&footer->offset_indexes, FOOTER_METADATA_MAX);
}

void parquet_footer_close(struct parquet_footer *footer)
{
    free(footer->chunks);
    free(footer->groups);
    bytes_free(&footer->metadata);
    bytes_free(&footer->column_indexes);
    bytes_free(&footer->offset_indexes);
}

int parquet_footer_begin_group(
    struct parquet_footer *footer, uint64_t rows, uint64_t offset, struct error *error)
{
    if (footer->groups_count == footer->groups_room) {
        const size_t room = footer->groups_room ? footer->groups_room * 2 : 1;
        struct parquet_group_record *groups = realloc(footer->groups, room * sizeof(*groups));
        struct parquet_chunk_record *chunks =
            realloc(footer->chunks, (room * footer->columns + 1) * sizeof(*chunks));
        footer->groups = groups ? groups : footer->groups;
        footer->chunks = chunks ? chunks : footer->chunks;
        if (!groups || !chunks)
            return error_set(error, ERROR_RETRY, "metadata of row groups: out of memory");
        footer->groups_room = room;
    }
    footer->groups[footer->groups_count++] = (struct parquet_group_record){.rows = rows, .offset = offset};
    return 0;
}

/* ---- a chunk ---------------------------------------------------------------------------------------------------------------- */

static void footer_put_statistics(struct parquet_thrift *thrift, int id, const struct parquet_column *column)
{
    const enum parquet_physical physical = column->type.physical;
    struct parquet_bound min, max;

    parquet_thrift_struct(thrift, id);
    parquet_thrift_i64(thrift, 3, (int64_t)(column->levels_count - column->values_count));
    if (parquet_statistics_bounds(&min, &max, &column->statistics, &column->type)) {
        parquet_thrift_binary(thrift, 5, max.data, max.length);
        parquet_thrift_binary(thrift, 6, min.data, min.length);
        parquet_thrift_bool(thrift, 7, max.exact);
        parquet_thrift_bool(thrift, 8, min.exact);
    }
    if (physical == PARQUET_FLOAT || physical == PARQUET_DOUBLE)
        parquet_thrift_i64(thrift, 9, (int64_t)column->statistics.nans);
    parquet_thrift_end(thrift);
}

static void footer_put_encoding(
    struct parquet_thrift *thrift, enum parquet_page_type type, enum parquet_encoding encoding, size_t count)
{
    if (!count)
        return;
    parquet_thrift_add_struct(thrift);
    parquet_thrift_i32(thrift, 1, (int32_t)type);
    parquet_thrift_i32(thrift, 2, (int32_t)encoding);
    parquet_thrift_i32(thrift, 3, (int32_t)count);
    parquet_thrift_end(thrift);
}

static void footer_put_encodings(struct parquet_thrift *thrift, const struct parquet_column *column)
{
    const size_t dictionary = column->dictionary_page.memory ? 1 : 0;
    size_t indexed = 0;

    for (size_t i = 0; i < column->pages_count; i++)
        indexed += column->pages[i].indexed;
    const size_t plain = column->pages_count - indexed;
    parquet_thrift_list(thrift, 13, PARQUET_THRIFT_STRUCT, dictionary + (indexed > 0) + (plain > 0));
    footer_put_encoding(thrift, PARQUET_DICTIONARY_PAGE, PARQUET_PLAIN, dictionary);
    footer_put_encoding(thrift, PARQUET_DATA_PAGE, PARQUET_RLE_DICTIONARY, indexed);
    footer_put_encoding(thrift, PARQUET_DATA_PAGE, PARQUET_PLAIN, plain);
}

static void footer_put_path(struct parquet_thrift *thrift, const struct parquet_column *column)
{
    const bool list = parquet_column_is_list(column);

    parquet_thrift_list(thrift, 3, PARQUET_THRIFT_BINARY, list ? 3 : 1);
    parquet_thrift_add_binary(thrift, column->field->name, strlen(column->field->name));
    if (list) {
        parquet_thrift_add_binary(thrift, "list", 4);
        parquet_thrift_add_binary(thrift, "element", 7);
    }
}

static int footer_put_metadata(
    struct bytes *out, const struct parquet_column *column, int codec, uint64_t offset, struct error *error)
{
    const bool dictionary = column->dictionary_page.memory != NULL;
    struct parquet_thrift thrift;

    parquet_thrift_begin(&thrift, out, error);
    parquet_thrift_i32(&thrift, 1, (int32_t)column->type.physical);
    /* A dictionary's page is PLAIN; where there is none, the data is. */
    parquet_thrift_list(&thrift, 2, PARQUET_THRIFT_I32, dictionary ? 3 : 2);
    parquet_thrift_add_integer(&thrift, PARQUET_PLAIN);
    parquet_thrift_add_integer(&thrift, PARQUET_RLE);
    if (dictionary)
        parquet_thrift_add_integer(&thrift, PARQUET_RLE_DICTIONARY);
    footer_put_path(&thrift, column);
    parquet_thrift_i32(&thrift, 4, codec);
    parquet_thrift_i64(&thrift, 5, (int64_t)column->levels_count);
    parquet_thrift_i64(&thrift, 6, (int64_t)column->uncompressed);
    parquet_thrift_i64(&thrift, 7, (int64_t)column->length);
    parquet_thrift_i64(&thrift, 9, (int64_t)(offset + column->dictionary_page.length));
    if (dictionary)
        parquet_thrift_i64(&thrift, 11, (int64_t)offset);
    footer_put_statistics(&thrift, 12, column);
    footer_put_encodings(&thrift, column);
    parquet_thrift_end(&thrift);
    return parquet_thrift_finish(&thrift);
}

static int footer_put_offset_index(
    struct bytes *out, const struct parquet_column *column, uint64_t offset, struct error *error)
{
    struct parquet_thrift thrift;
    int64_t row = 0;

    offset += column->dictionary_page.length;
    parquet_thrift_begin(&thrift, out, error);
    parquet_thrift_list(&thrift, 1, PARQUET_THRIFT_STRUCT, column->pages_count);
    for (size_t i = 0; i < column->pages_count; i++) {
        const struct parquet_page *page = &column->pages[i];
        parquet_thrift_add_struct(&thrift);
        parquet_thrift_i64(&thrift, 1, (int64_t)offset);
        parquet_thrift_i32(&thrift, 2, (int32_t)page->length);
        parquet_thrift_i64(&thrift, 3, row);
        parquet_thrift_end(&thrift);
        offset += page->length;
        row += page->counts.rows;
    }
    parquet_thrift_end(&thrift);
    return parquet_thrift_finish(&thrift);
}

/* Both bounds never fall, or never rise, from a page to the next one that has any. */
static enum boundary_order footer_order(const struct parquet_column *column)
{
    const struct parquet_page *before = NULL;
    bool ascending = true, descending = true;

    for (size_t i = 0; i < column->pages_count; i++) {
        const struct parquet_page *page = &column->pages[i];
        if (!page->bounded)
            continue;
        if (before) {
            const int min =
                parquet_statistics_compare(&column->type, parquet_page_min(before), parquet_page_min(page));
            const int max =
                parquet_statistics_compare(&column->type, parquet_page_max(before), parquet_page_max(page));
            ascending = ascending && min <= 0 && max <= 0;
            descending = descending && min >= 0 && max >= 0;
        }
        before = page;
    }
    return ascending ? BOUNDARY_ASCENDING : descending ? BOUNDARY_DESCENDING : BOUNDARY_UNORDERED;
}

/* A page that has values and no bounds (NaNs alone) cannot be told in a column index. */
static bool footer_has_bounds(const struct parquet_column *column)
{
    for (size_t i = 0; i < column->pages_count; i++) {
        if (column->pages[i].counts.values && !column->pages[i].bounded)
            return false;
    }
    return true;
}

static int footer_put_column_index(
    struct bytes *out, const struct parquet_column *column, struct error *error)
{
    const enum parquet_physical physical = column->type.physical;
    const struct parquet_page *pages = column->pages;
    const size_t count = column->pages_count;
    struct parquet_thrift thrift;

    parquet_thrift_begin(&thrift, out, error);
    parquet_thrift_list(&thrift, 1, PARQUET_THRIFT_BOOL, count);
    for (size_t i = 0; i < count; i++)
        parquet_thrift_add_bool(&thrift, !pages[i].counts.values);
    parquet_thrift_list(&thrift, 2, PARQUET_THRIFT_BINARY, count);
    for (size_t i = 0; i < count; i++)
        parquet_thrift_add_binary(&thrift, pages[i].memory, pages[i].min_length);
    parquet_thrift_list(&thrift, 3, PARQUET_THRIFT_BINARY, count);
    for (size_t i = 0; i < count; i++)
        parquet_thrift_add_binary(&thrift, parquet_page_max(&pages[i]).data, pages[i].max_length);
    parquet_thrift_i32(&thrift, 4, (int32_t)footer_order(column));
    parquet_thrift_list(&thrift, 5, PARQUET_THRIFT_I64, count);
    for (size_t i = 0; i < count; i++)
        parquet_thrift_add_integer(&thrift, pages[i].counts.levels - pages[i].counts.values);
    if (physical == PARQUET_FLOAT || physical == PARQUET_DOUBLE) {
        parquet_thrift_list(&thrift, 8, PARQUET_THRIFT_I64, count);
        for (size_t i = 0; i < count; i++)
            parquet_thrift_add_integer(&thrift, pages[i].nans);
    }
    parquet_thrift_end(&thrift);
    return parquet_thrift_finish(&thrift);
}

int parquet_footer_add_chunk(struct parquet_footer *footer, size_t index, const struct parquet_column *column,
    int codec, uint64_t offset, struct error *error)
{
    struct parquet_group_record *group = &footer->groups[footer->groups_count - 1];
    struct parquet_chunk_record chunk = {0};
    const size_t metadata = footer->metadata.length;
    const size_t columns = footer->column_indexes.length, offsets = footer->offset_indexes.length;

    if (footer_put_metadata(&footer->metadata, column, codec, offset, error))
        return -1;
    chunk.metadata_length = (uint32_t)(footer->metadata.length - metadata);
    if (columns + offsets < PARQUET_INDEX_MAX) {
        if (footer_put_offset_index(&footer->offset_indexes, column, offset, error) ||
            (footer_has_bounds(column) && footer_put_column_index(&footer->column_indexes, column, error)))
            return -1;
        chunk.column_index_length = (uint32_t)(footer->column_indexes.length - columns);
        chunk.offset_index_length = (uint32_t)(footer->offset_indexes.length - offsets);
    }
    footer->chunks[(footer->groups_count - 1) * footer->columns + index] = chunk;
    group->length += column->length;
    group->uncompressed += column->uncompressed;
    return 0;
}

/* ---- the end of the file ------------------------------------------------------------------------------------------------------ */

/* Where the next chunk's parts are. */
struct footer_cursor {
    const struct parquet_chunk_record *chunk;
    const char *metadata;
    uint64_t column_index, offset_index;
};

struct footer_out {
    struct bytes piece;
    uint64_t length;
    const struct table_sink *sink;
};

static void footer_close(struct footer_out *out)
{
    bytes_free(&out->piece);
}

static int footer_flush(struct footer_out *out, size_t above, struct error *error)
{
    if (out->piece.length <= above)
        return 0;
    out->length += out->piece.length;
    if (out->sink->write(out->sink->context, out->piece.data, out->piece.length, error))
        return -1;
    bytes_clear(&out->piece);
    return 0;
}

static void footer_put_chunk(struct parquet_thrift *thrift, struct footer_cursor *cursor)
{
    const struct parquet_chunk_record *chunk = cursor->chunk++;

    parquet_thrift_add_struct(thrift);
    parquet_thrift_i64(thrift, 2, 0);
    parquet_thrift_struct(thrift, 3);
    parquet_thrift_add_raw(thrift, cursor->metadata, chunk->metadata_length - 1);
    parquet_thrift_end(thrift);
    if (chunk->offset_index_length) {
        parquet_thrift_i64(thrift, 4, (int64_t)cursor->offset_index);
        parquet_thrift_i32(thrift, 5, (int32_t)chunk->offset_index_length);
    }
    if (chunk->column_index_length) {
        parquet_thrift_i64(thrift, 6, (int64_t)cursor->column_index);
        parquet_thrift_i32(thrift, 7, (int32_t)chunk->column_index_length);
    }
    parquet_thrift_end(thrift);
    cursor->metadata += chunk->metadata_length;
    cursor->column_index += chunk->column_index_length;
    cursor->offset_index += chunk->offset_index_length;
}

static int footer_put_group(struct parquet_thrift *thrift, const struct parquet_footer *footer, size_t index,
    struct footer_cursor *cursor, struct footer_out *out, struct error *error)
{
    const struct parquet_group_record *group = &footer->groups[index];

    parquet_thrift_add_struct(thrift);
    parquet_thrift_list(thrift, 1, PARQUET_THRIFT_STRUCT, footer->columns);
    for (size_t i = 0; i < footer->columns; i++) {
        footer_put_chunk(thrift, cursor);
        if (footer_flush(out, FOOTER_PIECE, error))
            return -1;
    }
    parquet_thrift_i64(thrift, 2, (int64_t)group->uncompressed);
    parquet_thrift_i64(thrift, 3, (int64_t)group->rows);
    parquet_thrift_i64(thrift, 5, (int64_t)group->offset);
    parquet_thrift_i64(thrift, 6, (int64_t)group->length);
    if (index <= INT16_MAX)
        parquet_thrift_i16(thrift, 7, (int16_t)index);
    parquet_thrift_end(thrift);
    return 0;
}

static void footer_put_pairs(struct parquet_thrift *thrift, const struct table_file_options *options)
{
    if (!options->metadata_count)
        return;
    parquet_thrift_list(thrift, 5, PARQUET_THRIFT_STRUCT, options->metadata_count);
    for (size_t i = 0; i < options->metadata_count; i++) {
        const struct table_metadata *pair = &options->metadata[i];
        parquet_thrift_add_struct(thrift);
        parquet_thrift_binary(thrift, 1, pair->key, strlen(pair->key));
        parquet_thrift_binary(thrift, 2, pair->value, strlen(pair->value));
        parquet_thrift_end(thrift);
    }
}

static int footer_put_all(const struct parquet_footer *footer, const struct parquet_column *columns,
    const struct table_file_options *options, struct footer_cursor *cursor, struct footer_out *out,
    struct error *error)
{
    static const char created_by[] = "penstock version " PENSTOCK_VERSION;
    struct parquet_thrift thrift;
    uint64_t rows = 0;

    for (size_t i = 0; i < footer->groups_count; i++)
        rows += footer->groups[i].rows;
    parquet_thrift_begin(&thrift, &out->piece, error);
    parquet_thrift_i32(&thrift, 1, 1);
    parquet_schema_put(&thrift, 2, options->name, columns, footer->columns);
    parquet_thrift_i64(&thrift, 3, (int64_t)rows);
    parquet_thrift_list(&thrift, 4, PARQUET_THRIFT_STRUCT, footer->groups_count);
    for (size_t i = 0; i < footer->groups_count; i++) {
        if (footer_put_group(&thrift, footer, i, cursor, out, error))
            return -1;
    }
    footer_put_pairs(&thrift, options);
    parquet_thrift_binary(&thrift, 6, created_by, sizeof(created_by) - 1);
    parquet_schema_put_orders(&thrift, 7, footer->columns);
    parquet_thrift_end(&thrift);
    return parquet_thrift_finish(&thrift);
}

int parquet_footer_write(const struct parquet_footer *footer, const struct parquet_column *columns,
    const struct table_file_options *options, uint64_t offset, const struct table_sink *sink,
    struct error *error)
{
    const struct bytes *indexes[] = {&footer->column_indexes, &footer->offset_indexes};
    struct footer_cursor cursor = {.chunk = footer->chunks, .metadata = footer->metadata.data};
    __attribute__((cleanup(footer_close))) struct footer_out out = {.sink = sink};
    char tail[8];

    for (size_t i = 0; i < 2; i++) {
        if (indexes[i]->length && sink->write(sink->context, indexes[i]->data, indexes[i]->length, error))
            return -1;
    }
    cursor.column_index = offset;
    cursor.offset_index = offset + footer->column_indexes.length;
    bytes_init(&out.piece, FOOTER_METADATA_MAX);
    if (footer_put_all(footer, columns, options, &cursor, &out, error) || footer_flush(&out, 0, error))
        return -1;
    if (out.length > INT32_MAX)
        return error_set(error, ERROR_REJECT, /* GCOVR_EXCL_LINE: takes two GiB of metadata */
            "Parquet's metadata is larger than 2 GiB");
    put_u32(tail, (uint32_t)out.length);
    memcpy(tail + 4, "PAR1", 4);
    return sink->write(sink->context, tail, sizeof(tail), error);
}
