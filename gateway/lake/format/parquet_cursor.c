/* parquet_cursor: see parquet_cursor.h. */
#include "lake/format/parquet_cursor.h"

#include <zlib.h>

#include "base/little.h"
#include "lake/format/codec.h"
#include "lake/format/parquet_compact.h"
#include "lake/format/parquet_levels.h"
#include "lake/format/parquet_page.h"

#define CURSOR_HEADER_MAX 128 /* of a page, as the writer has it */
#define LIST_EMPTY 1
#define LIST_ELEMENT 3

int parquet_cursor_complain(struct error *error)
{
    return error_set(error, ERROR_REJECT, "it is damaged, or no file of Parquet as it is written here");
}

int parquet_cursor_open(struct parquet_cursor *cursor, const struct column_field *field,
    const struct table_source *source, struct bytes *packed, struct error *error)
{
    *cursor = (struct parquet_cursor){.field = field, .source = source, .packed = packed};
    bytes_init(&cursor->dictionary, PARQUET_PAGE_MAX);
    bytes_init(&cursor->begins, PARQUET_PAGE_MAX);
    bytes_init(&cursor->page, PARQUET_PAGE_MAX);
    bytes_init(&cursor->definitions, PARQUET_PAGE_MAX);
    bytes_init(&cursor->repetitions, PARQUET_PAGE_MAX);
    bytes_init(&cursor->indexes, PARQUET_PAGE_MAX);
    return parquet_type_of(&cursor->type, field, error);
}

void parquet_cursor_close(struct parquet_cursor *cursor)
{
    bytes_free(&cursor->dictionary);
    bytes_free(&cursor->begins);
    bytes_free(&cursor->page);
    bytes_free(&cursor->definitions);
    bytes_free(&cursor->repetitions);
    bytes_free(&cursor->indexes);
}

void parquet_cursor_begin(struct parquet_cursor *cursor, const struct parquet_extent *extent)
{
    cursor->at = extent->offset;
    cursor->end = extent->offset + extent->length;
    cursor->codec = extent->codec;
    cursor->dictionary_count = 0;
    cursor->levels = cursor->level = 0;
}

/* ---- a page ------------------------------------------------------------------------------------------------------------- */

struct page_head {
    int64_t type, plain, packed, crc, count, encoding;
    size_t length;
};

static void head_data(struct parquet_compact *compact, struct page_head *head)
{
    unsigned type;

    for (int id = 0; parquet_compact_field(compact, &id, &type);) {
        const int64_t value = parquet_compact_integer(compact);
        if (id == 1)
            head->count = value;
        else if (id == 2)
            head->encoding = value;
    }
}

/* Of the fields that the writer writes, all but the data's are numbers. */
static int cursor_head(struct parquet_cursor *cursor, struct page_head *ret_head, struct error *error)
{
    struct page_head head = {.type = -1, .count = -1};
    int64_t *const numbers[] = {NULL, &head.type, &head.plain, &head.packed, &head.crc};
    const uint64_t left = cursor->end - cursor->at;
    char data[CURSOR_HEADER_MAX];
    const size_t length = left < sizeof data ? (size_t)left : sizeof data;
    struct parquet_compact compact = {.left = {data, length}};
    unsigned type;

    if (cursor->source->read(cursor->source->context, data, length, cursor->at, error))
        return -1;
    for (int id = 0; parquet_compact_field(&compact, &id, &type);) {
        if (id == 5 || id == 7)
            head_data(&compact, &head);
        else if (id >= 1 && id <= 4)
            *numbers[id] = parquet_compact_integer(&compact);
        else
            compact.broken = true;
    }
    head.length = length - compact.left.length;
    if (compact.broken || head.count < 0 || head.count > INT32_MAX || head.plain < 0 || head.packed < 0 ||
        (uint64_t)head.packed > left - head.length)
        return parquet_cursor_complain(error);
    *ret_head = head;
    return 0;
}

static int cursor_body(
    struct parquet_cursor *cursor, const struct page_head *head, struct bytes *to, struct error *error)
{
    const size_t length = (size_t)head->packed;
    struct bytes *packed = cursor->codec == TABLE_CODEC_NONE ? to : cursor->packed;

    bytes_clear(to);
    bytes_clear(packed);
    if (bytes_reserve(packed, length + 1, error) ||
        cursor->source->read(cursor->source->context, packed->data, length, cursor->at + head->length, error))
        return -1;
    packed->length = length;
    cursor->at += head->length + length;
    if ((int32_t)crc32_z(0, (const Bytef *)packed->data, length) != head->crc)
        return parquet_cursor_complain(error);
    if (packed != to && codec_unpack(cursor->codec, bytes_slice(packed), to, error))
        return -1;
    return to->length == (size_t)head->plain ? 0 : parquet_cursor_complain(error);
}

/* ---- a dictionary ---------------------------------------------------------------------------------------------------------- */

/* Where each text begins; of types of a fixed width nobody need look. */
static int cursor_index(struct parquet_cursor *cursor, struct error *error)
{
    const struct slice data = bytes_slice(&cursor->dictionary);
    uint32_t at = 0;

    bytes_clear(&cursor->begins);
    if (cursor->type.width)
        return data.length == (size_t)cursor->dictionary_count * cursor->type.width
                   ? 0
                   : parquet_cursor_complain(error);
    for (uint32_t i = 0; i < cursor->dictionary_count; i++) {
        if (data.length - at < sizeof at || data.length - at - sizeof at < get_u32(data.data + at))
            return parquet_cursor_complain(error);
        if (bytes_add(&cursor->begins, &at, sizeof at, error))
            return -1;
        at += (uint32_t)sizeof at + get_u32(data.data + at);
    }
    return 0;
}

static int cursor_dictionary(struct parquet_cursor *cursor, const struct page_head *head, struct error *error)
{
    if (cursor->type.physical == PARQUET_BOOLEAN)
        return parquet_cursor_complain(error);
    cursor->dictionary_count = (uint32_t)head->count;
    return cursor_body(cursor, head, &cursor->dictionary, error) || cursor_index(cursor, error) ? -1 : 0;
}

/* ---- a page of data -------------------------------------------------------------------------------------------------------- */

/* Levels with their length before them. */
static int cursor_levels(
    struct parquet_cursor *cursor, size_t *at, struct bytes *levels, unsigned width, struct error *error)
{
    const struct slice page = bytes_slice(&cursor->page);
    const size_t left = page.length - *at;
    uint32_t length;

    if (left < sizeof length || (length = get_u32(page.data + *at)) > left - sizeof length)
        return parquet_cursor_complain(error);
    const struct slice runs = {page.data + *at + sizeof length, length};
    *at += sizeof length + length;
    bytes_clear(levels);
    if (bytes_reserve(levels, cursor->levels + 1, error))
        return -1;
    if (!parquet_levels_take(runs, width, (uint8_t *)levels->data, cursor->levels))
        return parquet_cursor_complain(error);
    levels->length = cursor->levels;
    return 0;
}

static int cursor_indexes(struct parquet_cursor *cursor, size_t at, struct error *error)
{
    struct bytes *indexes = &cursor->indexes;
    struct slice runs = {cursor->page.data + at, cursor->page.length - at};

    bytes_clear(indexes);
    if (!runs.length)
        return parquet_cursor_complain(error);
    const unsigned width = (unsigned char)*runs.data;
    runs.data++;
    runs.length--;
    if (width > 31)
        return parquet_cursor_complain(error);
    if (bytes_reserve(indexes, (cursor->values + 1) * sizeof(uint32_t), error))
        return -1;
    uint32_t *all = (uint32_t *)(void *)indexes->data;
    if (!parquet_levels_take_indexes(runs, width, all, cursor->values))
        return parquet_cursor_complain(error);
    for (size_t i = 0; i < cursor->values; i++)
        if (all[i] >= cursor->dictionary_count)
            return parquet_cursor_complain(error);
    return 0;
}

static int cursor_data(struct parquet_cursor *cursor, const struct page_head *head, struct error *error)
{
    const bool list = cursor->field->type == COLUMN_LIST;
    size_t at = 0;

    cursor->level = cursor->value = cursor->values = 0;
    cursor->levels = (size_t)head->count;
    cursor->indexed = head->encoding == PARQUET_RLE_DICTIONARY;
    if (cursor_body(cursor, head, &cursor->page, error) ||
        (list && cursor_levels(cursor, &at, &cursor->repetitions, 1, error)) ||
        cursor_levels(cursor, &at, &cursor->definitions, list ? 2 : 1, error))
        return -1;
    for (size_t i = 0; i < cursor->levels; i++)
        cursor->values += cursor->definitions.data[i] == (list ? LIST_ELEMENT : 1);
    cursor->plain = at;
    return cursor->indexed ? cursor_indexes(cursor, at, error) : 0;
}

/* The next page of data. A dictionary comes before the first one. */
static int cursor_page(struct parquet_cursor *cursor, struct error *error)
{
    struct page_head head;

    do {
        if (cursor_head(cursor, &head, error))
            return -1;
        if (head.type == PARQUET_DATA_PAGE
                ? head.encoding != PARQUET_PLAIN && head.encoding != PARQUET_RLE_DICTIONARY
                : head.type != PARQUET_DICTIONARY_PAGE || head.encoding != PARQUET_PLAIN)
            return parquet_cursor_complain(error);
        if (head.type == PARQUET_DICTIONARY_PAGE ? cursor_dictionary(cursor, &head, error)
                                                 : cursor_data(cursor, &head, error))
            return -1;
    } while (head.type == PARQUET_DICTIONARY_PAGE);
    return 0;
}

/* ---- values ------------------------------------------------------------------------------------------------------------------ */

static bool cursor_text(struct slice all, size_t at, struct slice *ret_text)
{
    uint32_t length;

    if (all.length - at < sizeof length ||
        (length = get_u32(all.data + at)) > all.length - at - sizeof length)
        return false;
    *ret_text = (struct slice){all.data + at + sizeof length, length};
    return true;
}

static bool cursor_value(struct parquet_cursor *cursor, struct slice *ret_value)
{
    const size_t width = cursor->type.width, value = cursor->value++;
    const struct slice page = bytes_slice(&cursor->page);

    if (cursor->indexed) {
        const uint32_t index = ((const uint32_t *)(const void *)cursor->indexes.data)[value];
        *ret_value = (struct slice){cursor->dictionary.data + index * width, width};
        return width || cursor_text(bytes_slice(&cursor->dictionary),
                            ((const uint32_t *)(const void *)cursor->begins.data)[index], ret_value);
    }
    if (cursor->type.physical == PARQUET_BOOLEAN) {
        static const char bits[] = {0, 1};
        const size_t at = cursor->plain + value / 8;
        if (at >= page.length)
            return false;
        *ret_value = (struct slice){&bits[(unsigned char)page.data[at] >> value % 8 & 1], 1};
        return true;
    }
    if (!width) {
        if (!cursor_text(page, cursor->plain, ret_value))
            return false;
        cursor->plain += sizeof(uint32_t) + ret_value->length;
        return true;
    }
    *ret_value = (struct slice){page.data + cursor->plain, width};
    cursor->plain += width;
    return cursor->plain <= page.length;
}

/* Decimals of few digits are narrower in the file. */
static void cursor_widen(struct slice value, char wide[static 16])
{
    const int64_t number = value.length == 4 ? (int32_t)get_u32(value.data) : (int64_t)get_u64(value.data);
    const uint64_t low = htobe64((uint64_t)number);

    memset(wide, number < 0 ? -1 : 0, 8);
    memcpy(wide + 8, &low, 8);
}

static int cursor_add(struct parquet_cursor *cursor, struct column *column, struct error *error)
{
    const size_t width = column_width(column->field->type);
    struct slice value;
    char wide[16];

    if (!cursor_value(cursor, &value))
        return parquet_cursor_complain(error);
    if (!width)
        return column_add_bytes(column, value.data, value.length, error);
    if (value.length != width) {
        cursor_widen(value, wide);
        value.data = wide;
    }
    column_add_fixed(column, value.data, width);
    return 0;
}

static int cursor_add_element(
    struct parquet_cursor *cursor, struct column *element, bool null, struct error *error)
{
    if (column_grow(element, 1, error))
        return -1;
    if (!null)
        return cursor_add(cursor, element, error);
    column_add_null(element);
    return 0;
}

/* A list goes on with the levels behind it that repeat. */
static int cursor_take_list(struct parquet_cursor *cursor, struct column *column, struct error *error)
{
    const char *repetitions = cursor->repetitions.data, *definitions = cursor->definitions.data;

    if (repetitions[cursor->level])
        return parquet_cursor_complain(error);
    do {
        const int level = definitions[cursor->level++];
        if (!level) {
            column_add_null(column);
            return 0;
        }
        if (level > LIST_EMPTY && cursor_add_element(cursor, column->element, level != LIST_ELEMENT, error))
            return -1;
    } while (cursor->level < cursor->levels && repetitions[cursor->level]);
    column_end_list(column);
    return 0;
}

int parquet_cursor_take(struct parquet_cursor *cursor, struct column *column, struct error *error)
{
    while (cursor->level == cursor->levels)
        if (cursor_page(cursor, error))
            return -1;
    if (column->element)
        return cursor_take_list(cursor, column, error);
    if (cursor->definitions.data[cursor->level++])
        return cursor_add(cursor, column, error);
    column_add_null(column);
    return 0;
}
