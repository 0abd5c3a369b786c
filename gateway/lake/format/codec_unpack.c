/* codec_unpack: see codec.h. */
#include <snappy-c.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "lake/format/codec.h"

#define UNPACK_STEP_LEAST ((size_t)64 << 10)
#define UNPACK_STEP_MOST ((size_t)64 << 20)

static int unpack_complain(struct error *error)
{
    return error_set(error, ERROR_REJECT, "a compressed block is damaged");
}

static int unpack_steps(z_stream *stream, size_t step, struct bytes *out, struct error *error)
{
    for (int result = Z_OK; result != Z_STREAM_END;) {
        if (bytes_reserve(out, step, error))
            return -1;
        stream->next_out = (Bytef *)out->data + out->length;
        stream->avail_out = (uInt)step;
        result = inflate(stream, Z_NO_FLUSH);
        out->length += step - stream->avail_out;
        if (result != Z_STREAM_END && (result != Z_OK || (stream->avail_out && !stream->avail_in)))
            return unpack_complain(error);
    }
    return stream->avail_in ? unpack_complain(error) : 0;
}

/* zlib.h, inflateInit2(): a negative window is raw deflate, one with 16 added is gzip. How long it was is not said. */
static int unpack_stream(int window, struct slice data, struct bytes *out, struct error *error)
{
    const size_t likely = 4 * data.length;
    const size_t step = likely < UNPACK_STEP_LEAST  ? UNPACK_STEP_LEAST
                        : likely > UNPACK_STEP_MOST ? UNPACK_STEP_MOST
                                                    : likely;
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)data.data, .avail_in = (uInt)data.length};

    if (inflateInit2(&stream, window) != Z_OK)
        return error_set(error, ERROR_RETRY, "a compressed block: out of memory"); /* GCOVR_EXCL_LINE */
    const int result = unpack_steps(&stream, step, out, error);
    inflateEnd(&stream);
    return result;
}

static int unpack_snappy(struct slice data, struct bytes *out, struct error *error)
{
    size_t length;

    if (snappy_uncompressed_length(data.data, data.length, &length) != SNAPPY_OK)
        return unpack_complain(error);
    /* Of nothing the library wants an address, too. */
    if (bytes_reserve(out, length + 1, error))
        return -1;
    if (snappy_uncompress(data.data, data.length, out->data + out->length, &length) != SNAPPY_OK)
        return unpack_complain(error);
    out->length += length;
    return 0;
}

static int unpack_zstd(struct slice data, struct bytes *out, struct error *error)
{
    const unsigned long long length = ZSTD_getFrameContentSize(data.data, data.length);

    if (length == ZSTD_CONTENTSIZE_UNKNOWN || length == ZSTD_CONTENTSIZE_ERROR)
        return unpack_complain(error);
    if (bytes_reserve(out, length + 1, error))
        return -1;
    if (ZSTD_decompress(out->data + out->length, length, data.data, data.length) != length)
        return unpack_complain(error);
    out->length += length;
    return 0;
}

int codec_unpack(enum table_codec kind, struct slice data, struct bytes *out, struct error *error)
{
    switch (kind) {
    case TABLE_CODEC_DEFLATE:
        return unpack_stream(-MAX_WBITS, data, out, error);
    case TABLE_CODEC_GZIP:
        return unpack_stream(MAX_WBITS + 16, data, out, error);
    case TABLE_CODEC_SNAPPY:
        return unpack_snappy(data, out, error);
    case TABLE_CODEC_ZSTD:
        return unpack_zstd(data, out, error);
    case TABLE_CODEC_NONE:
        break;
    }
    return bytes_add(out, data.data, data.length, error);
}
