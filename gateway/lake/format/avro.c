/* avro: a table as one object container file of Avro (specification 1.11, "Object Container Files"): a header with the schema, then
 * blocks of rows, each compressed by itself and followed by the file's sync marker.
 *
 * Memory: one block before and one after compression. A block ends behind the row that makes it as large as options.group_size; a row is
 * never split, so a block is as long as its last row needs, and the memory of such a block is given back.
 */
#include <endian.h>
#include <stdlib.h>
#include <sys/random.h>
#include <zlib.h>

#include "lake/format/avro_container.h"
#include "lake/format/avro_schema.h"
#include "lake/format/avro_value.h"
#include "lake/format/codec.h"

#define AVRO_BLOCK_SIZE ((size_t)256 << 10)
/* Readers in Java take no block above it. */
#define AVRO_BLOCK_MAX ((size_t)INT32_MAX)
/* A block that codecs cannot make smaller. */
#define AVRO_PACKED_MAX ((size_t)3 << 30)
/* Rows without columns take no bytes: their blocks end by their number. */
#define AVRO_BLOCK_ROWS_MAX ((uint64_t)1 << 20)
/* Before a block's bytes: the number of its rows and its length, put there when they are known. */
#define AVRO_PREFIX ((size_t)2 * AVRO_LONG_MAX)

struct avro {
    const struct table_file_options *options;
    struct table_sink sink;
    struct codec *codec;
    size_t block_size;
    size_t row_room;
    uint64_t rows, block_rows; /* in all, and in the block */
    struct bytes block, packed; /* each begins with AVRO_PREFIX */
    char sync[AVRO_SYNC];
};

static void avro_close(void *state)
{
    struct avro *avro = state;

    codec_close(&avro->codec);
    bytes_free(&avro->block);
    bytes_free(&avro->packed);
    free(avro);
}

static void avro_cleanup(struct avro **avro)
{
    if (*avro)
        avro_close(*avro);
}

/* ---- the header ------------------------------------------------------------------------------------------------------------- */

const char *const avro_codecs[] = {
    [TABLE_CODEC_NONE] = "null",
    [TABLE_CODEC_DEFLATE] = "deflate",
    [TABLE_CODEC_SNAPPY] = "snappy",
    [TABLE_CODEC_ZSTD] = "zstandard",
};

static int add_long(struct bytes *out, int64_t value, struct error *error)
{
    char text[AVRO_LONG_MAX];

    return bytes_add(out, text, (size_t)(avro_put_long(text, value) - text), error);
}

static int add_text(struct bytes *out, struct slice text, struct error *error)
{
    return add_long(out, (int64_t)text.length, error) || bytes_add(out, text.data, text.length, error) ? -1
                                                                                                       : 0;
}

/* A map of one block, without the block that ends it. */
static int add_metadata(
    struct bytes *out, struct slice schema, const struct table_file_options *options, struct error *error)
{
    if (add_long(out, (int64_t)options->metadata_count + 2, error) ||
        add_text(out, slice_of(AVRO_KEY_SCHEMA), error) || add_text(out, schema, error) ||
        add_text(out, slice_of(AVRO_KEY_CODEC), error) ||
        add_text(out, slice_of(avro_codecs[options->codec]), error))
        return -1;
    for (size_t i = 0; i < options->metadata_count; i++) {
        const struct table_metadata *pair = &options->metadata[i];
        if (strncmp(pair->key, "avro.", 5) == 0)
            return error_set(
                error, ERROR_REJECT, "metadata %s: keys that begin with avro. are Avro's own", pair->key);
        if (add_text(out, slice_of(pair->key), error) || add_text(out, slice_of(pair->value), error))
            return -1;
    }
    return 0;
}

static int avro_write_header(
    struct avro *avro, const struct column_field *fields, size_t fields_count, struct error *error)
{
    cleanup_bytes struct bytes schema;
    cleanup_bytes struct bytes header;

    bytes_init(&schema, AVRO_SCHEMA_MAX);
    bytes_init(&header, AVRO_HEADER_MAX);
    if (avro_schema(&schema, avro->options->name, fields, fields_count, error))
        return -1;
    if (bytes_add(&header, AVRO_MAGIC, strlen(AVRO_MAGIC), error) ||
        add_metadata(&header, bytes_slice(&schema), avro->options, error) || add_long(&header, 0, error) ||
        bytes_add(&header, avro->sync, AVRO_SYNC, error))
        return error_wrap(error, "header of the Avro file");
    return avro->sink.write(avro->sink.context, header.data, header.length, error);
}

/* ---- blocks ----------------------------------------------------------------------------------------------------------------- */

/* Forgets the contents but for the prefix's room, and the memory that a row much longer than a block took. */
static int avro_start(struct avro *avro, struct bytes *bytes, struct error *error)
{
    if (bytes->capacity > 8 * (avro->block_size + avro->row_room))
        bytes_free(bytes);
    bytes_clear(bytes);
    if (bytes_reserve(bytes, AVRO_PREFIX, error))
        return -1;
    bytes->length = AVRO_PREFIX;
    return 0;
}

/* The block's bytes stand behind the room of the prefix. */
static int avro_emit(struct avro *avro, struct bytes *bytes, struct error *error)
{
    char prefix[AVRO_PREFIX];
    char *end = avro_put_long(prefix, (int64_t)avro->block_rows);
    end = avro_put_long(end, (int64_t)(bytes->length - AVRO_PREFIX));
    const size_t length = (size_t)(end - prefix), begin = AVRO_PREFIX - length;

    memcpy(bytes->data + begin, prefix, length);
    if (bytes_add(bytes, avro->sync, AVRO_SYNC, error))
        return -1;
    return avro->sink.write(avro->sink.context, bytes->data + begin, bytes->length - begin, error);
}

static int avro_pack(struct avro *avro, struct slice data, struct error *error)
{
    if (avro_start(avro, &avro->packed, error) || codec_compress(avro->codec, data, &avro->packed, error))
        return -1;
    if (avro->options->codec != TABLE_CODEC_SNAPPY)
        return 0;
    const uint32_t sum = htobe32((uint32_t)crc32_z(0, (const Bytef *)data.data, data.length));
    return bytes_add(&avro->packed, &sum, sizeof(sum), error);
}

static int avro_flush(struct avro *avro, struct error *error)
{
    struct slice data = {avro->block.data + AVRO_PREFIX, avro->block.length - AVRO_PREFIX};
    struct bytes *out = &avro->block;

    if (avro->block_rows == 0)
        return 0;
    if (avro->options->codec != TABLE_CODEC_NONE) {
        out = &avro->packed;
        if (avro_pack(avro, data, error))
            return -1;
    }
    if (avro_emit(avro, out, error))
        return -1;
    avro->block_rows = 0;
    return avro_start(avro, &avro->block, error);
}

/* ---- the file ------------------------------------------------------------------------------------------------------------------ */

static int avro_open(void **ret_state, const struct column_field *fields, size_t fields_count,
    const struct table_file_options *options, const struct table_sink *sink, struct error *error)
{
    __attribute__((cleanup(avro_cleanup))) struct avro *avro = calloc(1, sizeof(*avro));

    if (!avro)
        return error_set(error, ERROR_RETRY, "Avro file: out of memory");
    if (options->codec == TABLE_CODEC_GZIP)
        return error_set(error, ERROR_REJECT,
            "Avro has no codec gzip: choose deflate, which is the same without its frame, snappy or zstd");
    avro->options = options;
    avro->sink = *sink;
    avro->block_size = options->group_size ? options->group_size : AVRO_BLOCK_SIZE;
    avro->row_room = avro_row_room(fields, fields_count);
    bytes_init(&avro->block, AVRO_BLOCK_MAX);
    bytes_init(&avro->packed, AVRO_PACKED_MAX);
    if (getrandom(avro->sync, AVRO_SYNC, 0) != AVRO_SYNC)
        return error_set_errno(error, ERROR_RETRY, "getrandom"); /* GCOVR_EXCL_LINE: no kernel does that */
    if (codec_open(&avro->codec, options->codec, options->level, error) ||
        avro_write_header(avro, fields, fields_count, error) || avro_start(avro, &avro->block, error))
        return -1;
    *ret_state = avro;
    avro = NULL;
    return 0;
}

static bool avro_is_full(const struct avro *avro)
{
    return avro->block.length - AVRO_PREFIX >= avro->block_size || avro->block_rows == AVRO_BLOCK_ROWS_MAX;
}

static int avro_add(void *state, const struct column_batch *batch, struct error *error)
{
    struct avro *avro = state;

    if (avro_check(batch, avro->rows, error))
        return -1;
    for (size_t row = 0, end; row < batch->rows;) {
        if (avro_make_room(&avro->block, batch, row, avro->row_room, &end, error))
            return error_wrap(error, "row %llu", (unsigned long long)avro->rows + 1);
        for (bool full = false; row < end && !full; row++) {
            avro_put_row(&avro->block, batch, row);
            avro->rows++;
            avro->block_rows++;
            full = avro_is_full(avro);
        }
        if (avro_is_full(avro) && avro_flush(avro, error))
            return -1;
    }
    return 0;
}

static int avro_copy(void *state, struct slice row, struct error *error)
{
    struct avro *avro = state;

    if (bytes_add(&avro->block, row.data, row.length, error))
        return error_wrap(error, "row %llu", (unsigned long long)avro->rows + 1);
    avro->rows++;
    avro->block_rows++;
    return avro_is_full(avro) ? avro_flush(avro, error) : 0;
}

static int avro_finish(void *state, struct error *error)
{
    return avro_flush(state, error);
}

const struct table_writer avro_writer = {avro_open, avro_add, avro_finish, avro_close, avro_copy};
