/* inflate: gzip (RFC 1952, any number of members) and zstd (RFC 8878, any number of frames), piece by piece and
 * with caps; see decode.h */
#include "decode/decode.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define OUT_STEP ((size_t)16 * 1024) /* the ratio is looked at so often */
#define RATIO_FREE (1024 * 1024) /* so much may come out whatever went in */
#define ZSTD_WINDOW_LOG 23
#define GZIP_ONLY (16 + MAX_WBITS) /* zlib.h, inflateInit2() */

/* What a decoder takes: zconf.h; zstd 1.5, of whose two buffers one is for a packed block, and the other for the window and two blocks, none larger than that. */
#define GZIP_MEMORY ((uint64_t)48 * 1024)
#define ZSTD_MEMORY ((uint64_t)128 * 1024)
#define ZSTD_WINDOW_LEAST UINT64_C(1024)
#define ZSTD_BLOCK ((uint64_t)128 * 1024)

struct inflate {
    enum inflate_coding coding;
    z_stream gzip;
    ZSTD_DStream *zstd;
    uint64_t in;
    uint64_t out;
    bool complete; /* at the end of a member or frame, and nothing has come since */
};

/* ---- memory -------------------------------------------------------------------------------------------------- */

/* What a frame announces (RFC 8878, section 3.1.1.1); without any, or where it does not hold it: the largest one that is taken. */
static uint64_t zstd_window(struct slice begin)
{
    static const unsigned char magic[] = {0x28, 0xb5, 0x2f, 0xfd};
    static const size_t sizes[] = {1, 2, 4, 8}, dictionaries[] = {0, 1, 2, 4};
    const unsigned char *in = (const unsigned char *)begin.data;
    const uint64_t most = UINT64_C(1) << ZSTD_WINDOW_LOG;
    uint64_t window = 0;

    if (begin.length < 6 || memcmp(in, magic, sizeof magic) != 0)
        return most;
    const bool whole = in[4] & 0x20; /* a single segment: all of it is the window */
    const size_t size = whole ? sizes[in[4] >> 6] : 1, at = whole ? 5 + dictionaries[in[4] & 3] : 5;
    if (begin.length < at + size)
        return most;
    if (!whole)
        window = ((uint64_t)(8 + (in[5] & 7)) << (10 + (in[5] >> 3))) / 8;
    for (size_t i = 0; whole && i < size; i++)
        window |= (uint64_t)in[at + i] << 8 * i;
    window += whole && size == 2 ? 256 : 0;
    window = window > ZSTD_WINDOW_LEAST ? window : ZSTD_WINDOW_LEAST;
    return window < most ? window : most;
}

uint64_t inflate_need(enum inflate_coding coding, struct slice begin)
{
    if (coding == INFLATE_GZIP)
        return GZIP_MEMORY;
    const uint64_t window = zstd_window(begin);
    return ZSTD_MEMORY + ZSTD_BLOCK + window + 2 * (window < ZSTD_BLOCK ? window : ZSTD_BLOCK);
}

uint64_t inflate_memory(const struct inflate *stream)
{
    return stream->coding == INFLATE_GZIP ? GZIP_MEMORY : ZSTD_sizeof_DStream(stream->zstd);
}

/* ---- a stream ------------------------------------------------------------------------------------------------ */

void inflate_free(struct inflate **stream)
{
    if (!*stream)
        return;
    inflateEnd(&(*stream)->gzip);
    ZSTD_freeDStream((*stream)->zstd);
    free(*stream);
    *stream = NULL;
}

static bool start(struct inflate *stream)
{
    if (stream->coding == INFLATE_GZIP)
        return inflateInit2(&stream->gzip, GZIP_ONLY) == Z_OK;
    stream->zstd = ZSTD_createDStream();
    return stream->zstd &&
           !ZSTD_isError(ZSTD_DCtx_setParameter(stream->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG));
}

int inflate_new(struct inflate **ret_inflate, enum inflate_coding coding, struct error *error)
{
    __attribute__((cleanup(inflate_free))) struct inflate *stream = calloc(1, sizeof *stream);

    if (stream)
        stream->coding = coding;
    if (!stream || !start(stream)) /* no unit test makes malloc fail */
        return error_set(error, ERROR_RETRY, "decompressor: out of memory"); /* GCOVR_EXCL_LINE */
    *ret_inflate = stream;
    stream = NULL;
    return 0;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static int step_gzip(struct inflate *stream, struct slice *in, char *out, size_t room, size_t *ret_written,
    struct error *error)
{
    z_stream *gzip = &stream->gzip;

    if (stream->complete)
        inflateReset(gzip);
    gzip->next_in = (Bytef *)(uintptr_t)in->data;
    gzip->avail_in = (unsigned)smaller(in->length, UINT_MAX);
    gzip->next_out = (Bytef *)out;
    gzip->avail_out = (unsigned)room;
    int result = inflate(gzip, Z_NO_FLUSH);
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
        return error_set(error, result == Z_MEM_ERROR ? ERROR_RETRY : ERROR_REJECT, "gzip: %s",
            gzip->msg ? gzip->msg : zError(result));
    stream->complete = result == Z_STREAM_END;
    *ret_written = (size_t)((char *)gzip->next_out - out);
    size_t taken = (size_t)((const char *)gzip->next_in - in->data);
    *in = (struct slice){in->data + taken, in->length - taken};
    return 0;
}

static int step_zstd(struct inflate *stream, struct slice *in, char *out, size_t room, size_t *ret_written,
    struct error *error)
{
    ZSTD_inBuffer from = {in->data, in->length, 0};
    ZSTD_outBuffer to = {out, room, 0};
    size_t result = ZSTD_decompressStream(stream->zstd, &to, &from);

    ZSTD_ErrorCode code = ZSTD_getErrorCode(result);

    if (code == ZSTD_error_frameParameter_windowTooLarge)
        return error_set(
            error, ERROR_REJECT, "zstd: its window is larger than %d bytes", 1 << ZSTD_WINDOW_LOG);
    if (code)
        return error_set(error, code == ZSTD_error_memory_allocation ? ERROR_RETRY : ERROR_REJECT, "zstd: %s",
            ZSTD_getErrorName(result));
    stream->complete = result == 0;
    *ret_written = to.pos;
    *in = (struct slice){in->data + from.pos, in->length - from.pos};
    return 0;
}

int inflate_step(struct inflate *stream, struct slice *in, char *out, size_t room, size_t *ret_written,
    struct error *error)
{
    return stream->coding == INFLATE_GZIP ? step_gzip(stream, in, out, room, ret_written, error)
                                          : step_zstd(stream, in, out, room, ret_written, error);
}

/* The buffer is full to its limit, so nothing more may come; whether it does shows only by trying. */
static int step_at_limit(
    struct inflate *stream, struct slice *in, size_t limit, size_t *ret_written, struct error *error)
{
    char more;

    if (inflate_step(stream, in, &more, 1, ret_written, error))
        return -1;
    if (*ret_written)
        return error_set(error, ERROR_REJECT, "unpacks to more than %zu bytes", limit);
    return 0;
}

/* Steps into the free end of out. *ret_full: there may be more to come even without further input. */
static int step_into(
    struct inflate *stream, struct slice *in, struct bytes *out, bool *ret_full, struct error *error)
{
    size_t written;

    if (out->length == out->limit) {
        *ret_full = false;
        return step_at_limit(stream, in, out->limit, &written, error);
    }
    if (out->length == out->capacity &&
        bytes_reserve(out, smaller(out->limit - out->length, OUT_STEP), error))
        return -1; /* GCOVR_EXCL_LINE: realloc failed */
    size_t room = smaller(out->capacity - out->length, OUT_STEP);
    if (inflate_step(stream, in, out->data + out->length, room, &written, error))
        return -1;
    out->length += written;
    stream->out += written;
    *ret_full = written == room;
    return 0;
}

int inflate_feed(struct inflate *stream, struct slice in, struct bytes *out, struct error *error)
{
    bool full = false;

    stream->in += in.length;
    /* At the end of a member, a step without input would begin the next one. */
    while (in.length || (full && !stream->complete)) {
        if (step_into(stream, &in, out, &full, error))
            return -1;
        if (stream->out > RATIO_FREE && stream->out / INFLATE_RATIO_MAX > stream->in)
            return error_set(
                error, ERROR_REJECT, "unpacks to more than %d times its size", INFLATE_RATIO_MAX);
    }
    return 0;
}

bool inflate_is_complete(const struct inflate *stream)
{
    return stream->complete;
}

int inflate_finish(struct inflate *stream, struct error *error)
{
    if (!stream->complete)
        return error_set(error, ERROR_REJECT, "the compressed data ends early");
    return 0;
}
