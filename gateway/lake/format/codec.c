/* codec: see codec.h. */
#include "lake/format/codec.h"

#include <stdlib.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

/* What Parquet's pages can say, and what Avro's readers in Java take. */
#define CODEC_BLOCK_MAX INT32_MAX
#define DEFLATE_MEMORY 8 /* zlib.h, deflateInit2(): its default */

struct codec {
    const struct codec_kind *kind;
    int level;
    z_stream deflate; /* deflate, gzip */
    ZSTD_CCtx *zstd;
};

/* `bound` is the most that so many bytes can become; `compress` has that much room and says how much it took, 0 for a failure that the
 * library does not foresee. */
struct codec_kind {
    const char *name;
    int level_max; /* 0: has no levels */
    bool (*open)(struct codec *codec);
    size_t (*bound)(struct codec *codec, size_t length);
    size_t (*compress)(struct codec *codec, struct slice data, char *out, size_t room);
};

static bool open_window(struct codec *codec, int window)
{
    return deflateInit2(
               &codec->deflate, codec->level, Z_DEFLATED, window, DEFLATE_MEMORY, Z_DEFAULT_STRATEGY) == Z_OK;
}

/* zlib.h, deflateInit2(): a negative window is raw deflate, one with 16 added is gzip. */
static bool open_deflate(struct codec *codec)
{
    return open_window(codec, -MAX_WBITS);
}

static bool open_gzip(struct codec *codec)
{
    return open_window(codec, MAX_WBITS + 16);
}

static size_t bound_deflate(struct codec *codec, size_t length)
{
    deflateReset(
        &codec->deflate); /* behind the end of a block zlib has forgotten that it writes gzip's frame */
    return deflateBound(&codec->deflate, length);
}

static size_t compress_deflate(struct codec *codec, struct slice data, char *out, size_t room)
{
    z_stream *stream = &codec->deflate;

    stream->next_in = (Bytef *)(uintptr_t)data.data;
    stream->avail_in = (uInt)data.length;
    stream->next_out = (Bytef *)out;
    stream->avail_out = (uInt)room;
    return deflate(stream, Z_FINISH) == Z_STREAM_END ? room - stream->avail_out : 0;
}

static size_t bound_snappy(struct codec *codec, size_t length)
{
    (void)codec;
    return snappy_max_compressed_length(length);
}

static size_t compress_snappy(struct codec *codec, struct slice data, char *out, size_t room)
{
    (void)codec;
    /* An empty slice may have no address; the library copies from it all the same. */
    return snappy_compress(data.length ? data.data : "", data.length, out, &room) == SNAPPY_OK ? room : 0;
}

static bool open_zstd(struct codec *codec)
{
    codec->zstd = ZSTD_createCCtx();
    return codec->zstd &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(codec->zstd, ZSTD_c_compressionLevel, codec->level));
}

static size_t bound_zstd(struct codec *codec, size_t length)
{
    (void)codec;
    return ZSTD_compressBound(length);
}

static size_t compress_zstd(struct codec *codec, struct slice data, char *out, size_t room)
{
    const size_t length = ZSTD_compress2(codec->zstd, out, room, data.data, data.length);

    return ZSTD_isError(length) ? 0 : length;
}

static const struct codec_kind codec_kinds[] = {
    [TABLE_CODEC_NONE] = {"none", 0, NULL, NULL, NULL},
    [TABLE_CODEC_DEFLATE] = {"deflate", 9, open_deflate, bound_deflate, compress_deflate},
    [TABLE_CODEC_GZIP] = {"gzip", 9, open_gzip, bound_deflate, compress_deflate},
    [TABLE_CODEC_SNAPPY] = {"snappy", 0, NULL, bound_snappy, compress_snappy},
    [TABLE_CODEC_ZSTD] = {"zstd", 22, open_zstd, bound_zstd, compress_zstd},
};

int codec_open(struct codec **ret_codec, enum table_codec kind, int level, struct error *error)
{
    const struct codec_kind *known = &codec_kinds[kind];
    __attribute__((cleanup(codec_close))) struct codec *codec = NULL;

    if (level != 0 && known->level_max == 0)
        return error_set(error, ERROR_REJECT, "codec %s has no levels", known->name);
    if (level < 0 || level > known->level_max)
        return error_set(error, ERROR_REJECT, "codec %s: level %d is not one of 1 to %d", known->name, level,
            known->level_max);
    codec = calloc(1, sizeof(*codec));
    if (codec) {
        codec->kind = known;
        codec->level = level ? level : 1;
    }
    if (!codec || (known->open && !known->open(codec)))
        return error_set(error, ERROR_RETRY, "codec %s: out of memory", known->name); /* GCOVR_EXCL_LINE */
    *ret_codec = codec;
    codec = NULL;
    return 0;
}

void codec_close(struct codec **codec)
{
    if (!*codec)
        return;
    deflateEnd(&(*codec)->deflate);
    ZSTD_freeCCtx((*codec)->zstd);
    free(*codec);
    *codec = NULL;
}

int codec_compress(struct codec *codec, struct slice data, struct bytes *out, struct error *error)
{
    const struct codec_kind *kind = codec->kind;

    if (data.length > CODEC_BLOCK_MAX)
        return error_set(error, ERROR_REJECT, "codec %s: a block of %zu bytes is more than %d", kind->name,
            data.length, CODEC_BLOCK_MAX);
    if (!kind->compress)
        return bytes_add(out, data.data, data.length, error);

    const size_t room = kind->bound(codec, data.length);
    if (bytes_reserve(out, room, error))
        return -1;
    const size_t length = kind->compress(codec, data, out->data + out->length, room);
    if (length == 0) /* there is room, so it is zstd's memory, which it takes at the first block */
        return error_set(error, ERROR_RETRY, "codec %s: out of memory", kind->name); /* GCOVR_EXCL_LINE */
    out->length += length;
    return 0;
}
