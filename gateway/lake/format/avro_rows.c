/* avro_rows: see avro_rows.h. */
#include "lake/format/avro_rows.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "lake/format/avro_container.h"
#include "lake/format/avro_schema.h"
#include "lake/format/avro_value.h"
#include "lake/format/codec.h"

#define ROWS_BLOCK_MAX ((size_t)INT32_MAX) /* unpacked, as the writer has it */
#define ROWS_PREFIX ((size_t)2 * AVRO_LONG_MAX)

struct avro_rows {
    const struct column_field *fields;
    size_t fields_count;
    size_t wanted[TABLE_ROW_WANTED_MAX], wanted_count;
    struct bytes schema; /* that the file has to have */
    bool begun;
    enum table_codec codec;
    char sync[AVRO_SYNC];
    struct bytes unpacked;
    struct slice left; /* of the block, there or in the caller's text */
    int64_t count; /* rows in it */
};

int avro_rows_open(struct avro_rows **ret_rows, const char *name, const struct column_field *fields,
    size_t fields_count, const size_t *wanted, size_t wanted_count, struct error *error)
{
    __attribute__((cleanup(avro_rows_close))) struct avro_rows *rows = calloc(1, sizeof *rows);

    assert(wanted_count <= TABLE_ROW_WANTED_MAX);
    if (!rows)
        return error_set(error, ERROR_RETRY, "Avro file: out of memory"); /* GCOVR_EXCL_LINE out of memory */
    rows->fields = fields;
    rows->fields_count = fields_count;
    rows->wanted_count = wanted_count;
    memcpy(rows->wanted, wanted, wanted_count * sizeof *wanted);
    bytes_init(&rows->schema, AVRO_SCHEMA_MAX);
    bytes_init(&rows->unpacked, ROWS_BLOCK_MAX);
    if (avro_schema(&rows->schema, name, fields, fields_count, error))
        return -1;
    *ret_rows = rows;
    rows = NULL;
    return 0;
}

void avro_rows_close(struct avro_rows **rows)
{
    if (!*rows)
        return;
    bytes_free(&(*rows)->schema);
    bytes_free(&(*rows)->unpacked);
    free(*rows);
    *rows = NULL;
}

bool avro_rows_begun(const struct avro_rows *rows)
{
    return rows->begun;
}

/* ---- pieces: false when they are not there as a whole, or are none ------------------------------------------------------- */

static bool take_data(struct slice *at, int64_t length, struct slice *ret_data)
{
    if (length < 0 || (uint64_t)length > at->length)
        return false;
    *ret_data = (struct slice){at->data, (size_t)length};
    at->data += length;
    at->length -= (size_t)length;
    return true;
}

static bool take_long(struct slice *at, int64_t *ret_value)
{
    uint64_t value = 0;

    for (size_t i = 0; i < at->length && i < AVRO_LONG_MAX; i++) {
        const unsigned char byte = (unsigned char)at->data[i];
        value |= (uint64_t)(byte & 0x7f) << 7 * i;
        if (byte & 0x80)
            continue;
        *ret_value = (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
        at->data += i + 1;
        at->length -= i + 1;
        return true;
    }
    return false;
}

static bool take_text(struct slice *at, struct slice *ret_text)
{
    int64_t length;

    return take_long(at, &length) && take_data(at, length, ret_text);
}

/* ---- the header ------------------------------------------------------------------------------------------------------------ */

struct header {
    struct slice schema, codec, sync;
};

/* A map may come in several blocks, whose lengths stand before them when their numbers are negative. */
static bool take_header(struct slice *at, struct header *ret_header)
{
    struct slice magic, key, value;
    int64_t count, length;

    if (!take_data(at, (int64_t)strlen(AVRO_MAGIC), &magic))
        return false;
    for (;;) {
        if (!take_long(at, &count) || (count < 0 && !take_long(at, &length)))
            return false;
        if (!count)
            return take_data(at, AVRO_SYNC, &ret_header->sync);
        for (uint64_t i = count < 0 ? 0 - (uint64_t)count : (uint64_t)count; i; i--) {
            if (!take_text(at, &key) || !take_text(at, &value))
                return false;
            if (slice_is(key, AVRO_KEY_SCHEMA))
                ret_header->schema = value;
            else if (slice_is(key, AVRO_KEY_CODEC))
                ret_header->codec = value;
        }
    }
}

static int rows_use(struct avro_rows *rows, const struct header *header, struct error *error)
{
    static const struct slice null = {"null", 4};
    const struct slice codec = header->codec.length ? header->codec : null;
    size_t kind = 0;

    while (kind <= TABLE_CODEC_ZSTD && (!avro_codecs[kind] || !slice_is(codec, avro_codecs[kind])))
        kind++;
    if (kind > TABLE_CODEC_ZSTD)
        return error_set(error, ERROR_REJECT, "its codec %.*s is none of null, deflate, snappy, zstandard",
            (int)(codec.length < 40 ? codec.length : 40), codec.data);
    if (!slice_equal(header->schema, bytes_slice(&rows->schema)))
        return error_set(error, ERROR_REJECT, TABLE_FILE_OTHER_SCHEMA);
    rows->codec = (enum table_codec)kind;
    memcpy(rows->sync, header->sync.data, AVRO_SYNC);
    rows->begun = true;
    return 0;
}

static int rows_take_header(struct avro_rows *rows, struct slice *at, struct error *error)
{
    const struct slice text = *at;
    const size_t magic = text.length < strlen(AVRO_MAGIC) ? text.length : strlen(AVRO_MAGIC);
    struct header header = {.schema = {0}};

    if (memcmp(text.data, AVRO_MAGIC, magic) != 0 ||
        (!take_header(at, &header) && text.length > AVRO_HEADER_MAX))
        return error_set(error, ERROR_REJECT, "it is no file of Avro");
    if (!header.sync.data) {
        *at = text;
        return 0;
    }
    return rows_use(rows, &header, error);
}

/* ---- blocks ----------------------------------------------------------------------------------------------------------------- */

static int rows_complain(struct error *error)
{
    return error_set(error, ERROR_REJECT, "it is damaged: its bytes are no rows of its schema");
}

static int rows_unpack(struct avro_rows *rows, struct slice data, struct error *error)
{
    uint32_t sum;

    rows->left = data;
    if (rows->codec == TABLE_CODEC_NONE)
        return 0;
    if (rows->codec == TABLE_CODEC_SNAPPY) {
        if (data.length < sizeof sum)
            return rows_complain(error);
        data.length -= sizeof sum;
        memcpy(&sum, data.data + data.length, sizeof sum);
    }
    bytes_clear(&rows->unpacked);
    if (codec_unpack(rows->codec, data, &rows->unpacked, error))
        return -1;
    rows->left = bytes_slice(&rows->unpacked);
    return rows->codec == TABLE_CODEC_SNAPPY &&
                   be32toh(sum) != crc32_z(0, (const Bytef *)rows->left.data, rows->left.length)
               ? rows_complain(error)
               : 0;
}

static int rows_take_block(struct avro_rows *rows, struct slice *at, struct error *error)
{
    const struct slice text = *at;
    struct slice data, sync;
    int64_t count, length;

    if (!take_long(at, &count) || !take_long(at, &length)) {
        *at = text;
        return text.length < ROWS_PREFIX ? 0 : rows_complain(error);
    }
    if (count <= 0 || length < 0)
        return rows_complain(error);
    if (!take_data(at, length, &data) || !take_data(at, AVRO_SYNC, &sync)) {
        *at = text;
        return 0;
    }
    if (memcmp(sync.data, rows->sync, AVRO_SYNC) != 0)
        return rows_complain(error);
    rows->count = count;
    return rows_unpack(rows, data, error);
}

int avro_rows_take(struct avro_rows *rows, struct slice text, size_t *ret_taken, struct error *error)
{
    struct slice at = text;

    if (text.length && (rows->begun ? rows_take_block : rows_take_header)(rows, &at, error))
        return -1;
    *ret_taken = text.length - at.length;
    return 0;
}

/* ---- rows ------------------------------------------------------------------------------------------------------------------- */

/* Of a type that is no list, behind the branch. */
static bool skip_value(struct slice *at, enum column_type type)
{
    struct slice data;
    int64_t number;

    switch (type) {
    case COLUMN_BOOL:
        return take_data(at, 1, &data);
    case COLUMN_FLOAT32:
        return take_data(at, sizeof(float), &data);
    case COLUMN_FLOAT64:
        return take_data(at, sizeof(double), &data);
    case COLUMN_INT32:
    case COLUMN_INT64:
    case COLUMN_DATE:
    case COLUMN_TIME:
    case COLUMN_TIMESTAMP:
    case COLUMN_TIMESTAMP_UTC:
        return take_long(at, &number);
    default:
        return take_text(at, &data);
    }
}

/* *ret_null: there is no value behind it. */
static bool take_branch(struct slice *at, bool *ret_null)
{
    struct slice branch;

    if (!take_data(at, 1, &branch))
        return false;
    *ret_null = *branch.data == AVRO_BRANCH_NULL;
    return *ret_null || *branch.data == AVRO_BRANCH_VALUE;
}

static bool skip_list(struct slice *at, enum column_type element)
{
    int64_t count;
    bool null;

    while (take_long(at, &count) && count >= 0) {
        if (!count)
            return true;
        for (; count; count--)
            if (!take_branch(at, &null) || (!null && !skip_value(at, element)))
                return false;
    }
    return false;
}

static bool skip_field(struct slice *at, const struct column_field *field)
{
    bool null;

    if (!take_branch(at, &null))
        return false;
    return null || (field->type == COLUMN_LIST ? skip_list(at, field->element) : skip_value(at, field->type));
}

int avro_rows_next(struct avro_rows *rows, struct table_row *ret_row, bool *ret_found, struct error *error)
{
    const char *begin = rows->left.data;

    *ret_found = rows->count > 0;
    if (!*ret_found)
        return rows->left.length ? rows_complain(error) : 0;
    for (size_t i = 0; i < rows->fields_count; i++) {
        const char *field = rows->left.data;
        if (!skip_field(&rows->left, &rows->fields[i]))
            return rows_complain(error);
        for (size_t k = 0; k < rows->wanted_count; k++)
            if (rows->wanted[k] == i)
                ret_row->fields[k] = (struct slice){field, (size_t)(rows->left.data - field)};
    }
    ret_row->text = (struct slice){begin, (size_t)(rows->left.data - begin)};
    rows->count--;
    return 0;
}

struct slice avro_rows_show(
    const struct column_field *field, struct slice value, char number[static AVRO_ROWS_SHOWN])
{
    struct slice text = {0};
    int64_t whole = 0;
    bool null;

    if (!take_branch(&value, &null) || null)
        return text;
    switch (field->type) {
    case COLUMN_INT32:
    case COLUMN_INT64:
        take_long(&value, &whole);
        snprintf(number, AVRO_ROWS_SHOWN, "%" PRId64, whole);
        return slice_of(number);
    case COLUMN_UUID:
    case COLUMN_NUMBER:
    case COLUMN_STRING:
    case COLUMN_JSON:
        take_text(&value, &text);
        return text;
    default:
        return text;
    }
}
