/* parquet_chunk: see parquet_chunk.h. */
#include "lake/format/parquet_chunk.h"

#include <assert.h>
#include <stdlib.h>

#include "base/little.h"
#include "lake/format/parquet_levels.h"

/* Pages that are undecided at a time, should they have few values each. */
#define CHUNK_PENDING_MAX 16

int parquet_chunk_begin_page(struct parquet_column *column, struct error *error)
{
    if (column->pending_count == column->pending_room) {
        const size_t room = column->pending_room ? column->pending_room * 2 : 1;
        struct parquet_pending *pending = realloc(column->pending, room * sizeof(*pending));
        if (!pending)
            return error_set(error, ERROR_RETRY, "pages of a column: out of memory");
        column->pending = pending;
        column->pending_room = room;
    }
    column->pending[column->pending_count++] =
        (struct parquet_pending){.dictionary = column->dictionary.data.length};
    column->open = true;
    bytes_clear(&column->plain);
    bytes_clear(&column->definitions);
    bytes_clear(&column->repetitions);
    return 0;
}

/* ---- levels ----------------------------------------------------------------------------------------------------------------- */

static int chunk_put_levels(
    struct bytes *out, const struct bytes *levels, size_t count, unsigned width, struct error *error)
{
    const size_t at = out->length;

    if (bytes_add(out, "\0\0\0\0", sizeof(uint32_t), error))
        return -1;
    if (levels ? parquet_levels_add(out, (const uint8_t *)levels->data, count, width, error)
               : parquet_levels_repeat(out, 1, count, error))
        return -1;
    put_u32(out->data + at, (uint32_t)(out->length - at - sizeof(uint32_t)));
    return 0;
}

static int chunk_end_levels(struct parquet_column *column, struct parquet_pending *page, struct error *error)
{
    const size_t before = column->levels.length, count = page->counts.levels;
    const bool list = parquet_column_is_list(column);

    if (list && chunk_put_levels(&column->levels, &column->repetitions, count, 1, error))
        return -1;
    if (chunk_put_levels(&column->levels, column->definitions.length ? &column->definitions : NULL, count,
            list ? 2 : 1, error))
        return -1;
    page->levels = column->levels.length - before;
    return 0;
}

/* ---- pages ------------------------------------------------------------------------------------------------------------------ */

static struct parquet_page *chunk_new_page(struct parquet_column *column, struct error *error)
{
    if (column->pages_count == column->pages_room) {
        const size_t room = column->pages_room ? column->pages_room * 2 : 4;
        struct parquet_page *pages = realloc(column->pages, room * sizeof(*pages));
        if (!pages) {
            error_set(error, ERROR_RETRY, "pages of a column: out of memory");
            return NULL;
        }
        column->pages = pages;
        column->pages_room = room;
    }
    return &column->pages[column->pages_count];
}

static int chunk_make(struct parquet_column *column, const struct parquet_pending *pending,
    enum parquet_encoding encoding, struct slice body, struct error *error)
{
    struct parquet_page *page = chunk_new_page(column, error);

    if (!page || parquet_page_make(page, column->encoder, &pending->counts, encoding, &column->type,
                     &pending->statistics, body, error))
        return -1;
    column->pages_count++;
    column->length += page->length;
    column->uncompressed += page->uncompressed;
    column->levels_count += pending->counts.levels;
    column->values_count += pending->counts.values;
    parquet_statistics_merge(&column->statistics, &column->type, &pending->statistics);
    return 0;
}

static unsigned chunk_index_width(const struct parquet_column *column)
{
    const uint32_t count = column->dictionary.count;

    /* One value would do with no bits, which not every reader expects. */
    return count > 2 ? parquet_levels_width(count - 1) : 1;
}

size_t parquet_chunk_indexed_size(const struct parquet_column *column, size_t values)
{
    return column->dictionary.data.length + values * chunk_index_width(column) / 8;
}

/* A page of indexes, as they are or as the values that they stand for. */
static int chunk_make_indexed(struct parquet_column *column, const struct parquet_pending *page,
    const uint32_t *indexes, const char *levels, struct error *error)
{
    struct bytes *body = &column->encoder->body;
    const bool indexed = column->mode == PARQUET_INDEXED && page->counts.values;

    bytes_clear(body);
    if (bytes_add(body, levels, page->levels, error))
        return -1;
    if (indexed) {
        const char width = (char)chunk_index_width(column);
        if (bytes_add(body, &width, 1, error) ||
            parquet_levels_add_indexes(body, indexes, page->counts.values, (unsigned)width, error))
            return -1;
    } else if (parquet_dictionary_copy(
                   &column->dictionary, indexes, page->counts.values, page->plain, body, error))
        return -1;
    return chunk_make(
        column, page, indexed ? PARQUET_RLE_DICTIONARY : PARQUET_PLAIN, bytes_slice(body), error);
}

static void chunk_drop_front(struct bytes *bytes, size_t length)
{
    if (length && length < bytes->length)
        memmove(bytes->data, bytes->data + length, bytes->length - length);
    bytes->length -= length;
}

/* Makes the first count pages, which are whole, by the mode. */
static int chunk_make_pending(struct parquet_column *column, size_t count, struct error *error)
{
    const char *levels = column->levels.data;
    const uint32_t *indexes = (const uint32_t *)(const void *)column->indexes.data;

    for (size_t i = 0; i < count; i++) {
        const struct parquet_pending *page = &column->pending[i];
        if (chunk_make_indexed(column, page, indexes, levels, error))
            return -1;
        levels += page->levels;
        indexes += page->counts.values;
    }
    if (!count)
        return 0;
    chunk_drop_front(&column->levels, (size_t)(levels - column->levels.data));
    chunk_drop_front(&column->indexes, (size_t)((const char *)indexes - column->indexes.data));
    column->pending_count -= count;
    memmove(column->pending, column->pending + count, column->pending_count * sizeof(*column->pending));
    return 0;
}

/* ---- values as they are ------------------------------------------------------------------------------------------------------- */

static int chunk_make_booleans(
    struct parquet_column *column, const struct parquet_pending *page, struct error *error)
{
    struct bytes *body = &column->encoder->body;
    const uint8_t *values = (const uint8_t *)column->plain.data + PARQUET_LEVELS_GAP;

    bytes_clear(body);
    if (bytes_add(body, column->levels.data, column->levels.length, error) ||
        parquet_levels_add_bits(body, values, page->counts.values, error))
        return -1;
    return chunk_make(column, page, PARQUET_PLAIN, bytes_slice(body), error);
}

static int chunk_make_direct(struct parquet_column *column, struct error *error)
{
    const struct parquet_pending *page = &column->pending[0];
    struct bytes *body = &column->encoder->body, *plain = &column->plain, *levels = &column->levels;
    int failed;

    assert(column->pending_count == 1);
    if (column->type.physical == PARQUET_BOOLEAN)
        failed = chunk_make_booleans(column, page, error);
    else if (plain->length && levels->length <= PARQUET_LEVELS_GAP) {
        char *begin = plain->data + PARQUET_LEVELS_GAP - levels->length;
        memcpy(begin, levels->data, levels->length);
        const struct slice all = {begin, (size_t)(plain->data + plain->length - begin)};
        failed = chunk_make(column, page, PARQUET_PLAIN, all, error);
    } else {
        bytes_clear(body);
        failed = bytes_add(body, levels->data, levels->length, error) ||
                 (plain->length && bytes_add(body, plain->data + PARQUET_LEVELS_GAP,
                                       plain->length - PARQUET_LEVELS_GAP, error)) ||
                 chunk_make(column, page, PARQUET_PLAIN, bytes_slice(body), error);
    }
    if (failed)
        return -1;
    column->pending_count = 0;
    bytes_clear(levels);
    if (plain->capacity > PARQUET_BUFFER_KEPT)
        bytes_free(plain);
    return 0;
}

/* ---- the decision ------------------------------------------------------------------------------------------------------------- */

/* New values that came with the last page will come with those behind it, too; what a dictionary still saves beside them is less than what a codec finds in
 * values as they are. */
static bool chunk_is_growing(const struct parquet_column *column)
{
    const struct parquet_pending *last = &column->pending[column->pending_count - 1];
    const size_t grown = column->dictionary.data.length - last->dictionary;

    return column->encoder->kind != TABLE_CODEC_NONE &&
           grown + (size_t)last->counts.values * chunk_index_width(column) / 8 > last->plain / 2;
}

static void chunk_decide(struct parquet_column *column, bool now)
{
    const struct parquet_encoder *encoder = column->encoder;
    size_t plain = 0, values = 0;

    if (column->mode != PARQUET_UNDECIDED)
        return;
    for (size_t i = 0; i < column->pending_count; i++) {
        plain += column->pending[i].plain;
        values += column->pending[i].counts.values;
    }
    const size_t indexed = parquet_chunk_indexed_size(column, values);
    if (values && plain / 2 >= indexed)
        column->mode = PARQUET_INDEXED;
    else if (now || column->hopeless || values >= encoder->undecided_values ||
             column->pending_count >= CHUNK_PENDING_MAX)
        column->mode = indexed < plain && !chunk_is_growing(column) ? PARQUET_INDEXED : PARQUET_DIRECT;
}

int parquet_chunk_end_page(struct parquet_column *column, struct error *error)
{
    if (chunk_end_levels(column, &column->pending[column->pending_count - 1], error))
        return -1;
    column->open = false;
    if (column->mode == PARQUET_DIRECT)
        return chunk_make_direct(column, error);
    /* Without any value there is nothing to decide. */
    if (!column->dictionary.count)
        return chunk_make_pending(column, column->pending_count, error);
    chunk_decide(column, false);
    if (column->mode == PARQUET_UNDECIDED)
        return 0;
    if (chunk_make_pending(column, column->pending_count, error))
        return -1;
    if (column->mode == PARQUET_DIRECT)
        parquet_dictionary_free(&column->dictionary);
    return 0;
}

/* The dictionary's page is made as soon as no value can come to it, since it takes less than the table. */
static int chunk_end_dictionary(struct parquet_column *column, struct error *error)
{
    bool used = false;

    for (size_t i = 0; i < column->pages_count; i++)
        used = used || column->pages[i].indexed;
    if (used) {
        struct parquet_page *page = &column->dictionary_page;
        if (parquet_page_make_dictionary(page, column->encoder, &column->dictionary, error))
            return -1;
        column->length += page->length;
        column->uncompressed += page->uncompressed;
    }
    parquet_dictionary_free(&column->dictionary);
    return 0;
}

int parquet_chunk_leave_dictionary(struct parquet_column *column, struct error *error)
{
    static const char gap[PARQUET_LEVELS_GAP];
    struct bytes *plain = &column->plain, *indexes = &column->indexes;

    chunk_decide(column, true);
    if (chunk_make_pending(column, column->pending_count - 1, error))
        return -1;
    const struct parquet_pending *open = &column->pending[0];
    if (bytes_add(plain, gap, sizeof(gap), error) ||
        parquet_dictionary_copy(&column->dictionary, (const uint32_t *)(const void *)indexes->data,
            open->counts.values, open->plain, plain, error))
        return -1;
    /* A column without use of a dictionary may have none for long. */
    bytes_free(indexes);
    column->mode = PARQUET_DIRECT;
    return chunk_end_dictionary(column, error);
}

int parquet_chunk_finish(struct parquet_column *column, struct error *error)
{
    if (column->open && parquet_chunk_end_page(column, error))
        return -1;
    if (column->mode != PARQUET_DIRECT) {
        chunk_decide(column, true);
        if (chunk_make_pending(column, column->pending_count, error) || chunk_end_dictionary(column, error))
            return -1;
    }
    column->hopeless = column->values_count && !column->dictionary_page.memory;
    return 0;
}
