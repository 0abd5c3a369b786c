/* stream_codec: see stream_codec.h. */
#include "lake/format/stream_codec.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#define STREAM_OUT ((size_t)64 * 1024) /* of compressed bytes, before the sink gets them */
#define GZIP_FRAME (16 + MAX_WBITS) /* zlib.h, deflateInit2() */
#define GZIP_MEMORY 8

struct stream_codec {
    enum table_codec kind;
    struct table_sink sink;
    z_stream gzip;
    ZSTD_CCtx *zstd;
    char out[STREAM_OUT];
};

void stream_codec_close(struct stream_codec **codec)
{
    if (!*codec)
        return;
    deflateEnd(&(*codec)->gzip);
    ZSTD_freeCCtx((*codec)->zstd);
    free(*codec);
    *codec = NULL;
}

static bool stream_open_gzip(struct stream_codec *codec, int level)
{
    return deflateInit2(&codec->gzip, level, Z_DEFLATED, GZIP_FRAME, GZIP_MEMORY, Z_DEFAULT_STRATEGY) == Z_OK;
}

static bool stream_open_zstd(struct stream_codec *codec, int level)
{
    codec->zstd = ZSTD_createCCtx();
    return codec->zstd &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(codec->zstd, ZSTD_c_compressionLevel, level)) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(codec->zstd, ZSTD_c_checksumFlag, 1));
}

static int stream_check(enum table_codec kind, int level, struct error *error)
{
    const int most = kind == TABLE_CODEC_ZSTD ? ZSTD_maxCLevel() : Z_BEST_COMPRESSION;

    if (kind == TABLE_CODEC_SNAPPY || kind == TABLE_CODEC_DEFLATE)
        return error_set(error, ERROR_REJECT, "text is not compressed with %s: choose gzip or zstd",
            kind == TABLE_CODEC_SNAPPY ? "snappy" : "deflate");
    if (kind != TABLE_CODEC_NONE && (level < 1 || level > most))
        return error_set(error, ERROR_REJECT, "%s has no level %d, only 1 to %d",
            kind == TABLE_CODEC_ZSTD ? "zstd" : "gzip", level, most);
    return 0;
}

int stream_codec_open(struct stream_codec **ret_codec, enum table_codec kind, int level,
    const struct table_sink *sink, struct error *error)
{
    level = level ? level : 1;
    if (stream_check(kind, level, error))
        return -1;
    __attribute__((cleanup(stream_codec_close))) struct stream_codec *codec = calloc(1, sizeof(*codec));
    if (codec) {
        codec->kind = kind;
        codec->sink = *sink;
    }
    if (!codec || (kind == TABLE_CODEC_GZIP && !stream_open_gzip(codec, level)) ||
        (kind == TABLE_CODEC_ZSTD && !stream_open_zstd(codec, level)))
        return error_set(error, ERROR_RETRY, "compressor of text: out of memory"); /* GCOVR_EXCL_LINE */
    *ret_codec = codec;
    codec = NULL;
    return 0;
}

static int stream_out(struct stream_codec *codec, size_t length, struct error *error)
{
    return length ? codec->sink.write(codec->sink.context, codec->out, length, error) : 0;
}

/* Takes all of in; with Z_FINISH ends the stream, too. */
static int stream_gzip(struct stream_codec *codec, struct slice in, int flush, struct error *error)
{
    z_stream *gzip = &codec->gzip;
    int result = Z_OK;

    do {
        const size_t piece = in.length < UINT_MAX ? in.length : UINT_MAX;
        gzip->next_in = (Bytef *)(uintptr_t)in.data;
        gzip->avail_in = (uInt)piece;
        gzip->next_out = (Bytef *)codec->out;
        gzip->avail_out = (uInt)sizeof(codec->out);
        result = deflate(gzip, flush);
        assert(result == Z_OK || result == Z_STREAM_END); /* there is input or an end to write, and room */
        in.data += piece - gzip->avail_in;
        in.length -= piece - gzip->avail_in;
        if (stream_out(codec, sizeof(codec->out) - gzip->avail_out, error))
            return -1;
    } while (flush == Z_FINISH ? result != Z_STREAM_END : in.length > 0);
    return 0;
}

static int stream_zstd(
    struct stream_codec *codec, struct slice in, ZSTD_EndDirective end, struct error *error)
{
    ZSTD_inBuffer from = {in.data, in.length, 0};
    size_t left = 0;

    do {
        ZSTD_outBuffer to = {codec->out, sizeof(codec->out), 0};
        left = ZSTD_compressStream2(codec->zstd, &to, &from, end);
        if (ZSTD_isError(left)) /* its buffers are made with the first bytes */
            return error_set(error, ERROR_RETRY, "compressor of text: out of memory"); /* GCOVR_EXCL_LINE */
        if (stream_out(codec, to.pos, error))
            return -1;
    } while (end == ZSTD_e_end ? left : from.pos < from.size);
    return 0;
}

static int stream_write(void *context, const void *data, size_t length, struct error *error)
{
    struct stream_codec *codec = context;
    const struct slice in = {data, length};

    if (!length)
        return 0;
    if (codec->kind == TABLE_CODEC_GZIP)
        return stream_gzip(codec, in, Z_NO_FLUSH, error);
    if (codec->kind == TABLE_CODEC_ZSTD)
        return stream_zstd(codec, in, ZSTD_e_continue, error);
    return codec->sink.write(codec->sink.context, data, length, error);
}

struct table_sink stream_codec_sink(struct stream_codec *codec)
{
    return (struct table_sink){stream_write, codec};
}

int stream_codec_finish(struct stream_codec *codec, struct error *error)
{
    if (codec->kind == TABLE_CODEC_GZIP)
        return stream_gzip(codec, (struct slice){"", 0}, Z_FINISH, error);
    if (codec->kind == TABLE_CODEC_ZSTD)
        return stream_zstd(codec, (struct slice){"", 0}, ZSTD_e_end, error);
    return 0;
}
