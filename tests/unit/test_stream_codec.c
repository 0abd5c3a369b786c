/* stream_codec: what it writes is read back by zlib and zstd themselves, in pieces of any size; and what it refuses */
#include "text_harness.h"

#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "lake/format/stream_codec.h"

#define SIZE ((size_t)3 << 20)

static struct error error;

/* Lines that compress, and bytes that do not. */
static char *make_text(void)
{
    char *text = malloc(SIZE);

    srand(7);
    for (size_t i = 0; i < SIZE; i++)
        text[i] = (char)(i < SIZE / 2 ? "0123456789,\n"[i % 12 * (size_t)(rand() % 3) % 12] : rand());
    return text;
}

static void unpack(enum table_codec kind, struct slice packed, struct bytes *out)
{
    cr_assert_eq(bytes_reserve(out, SIZE + 1, &error), 0);
    if (kind == TABLE_CODEC_NONE) {
        cr_assert_eq(bytes_add(out, packed.data, packed.length, &error), 0);
        return;
    }
    if (kind == TABLE_CODEC_ZSTD) { /* checks the checksum; fails when there is more than one frame's worth */
        const size_t length = ZSTD_decompress(out->data, SIZE + 1, packed.data, packed.length);
        cr_assert(!ZSTD_isError(length), "%s", ZSTD_getErrorName(length));
        out->length = length;
        return;
    }
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)packed.data,
        .avail_in = (uInt)packed.length,
        .next_out = (Bytef *)out->data,
        .avail_out = (uInt)SIZE + 1};
    cr_assert_eq(inflateInit2(&stream, 16 + MAX_WBITS), Z_OK);
    cr_assert_eq(inflate(&stream, Z_FINISH), Z_STREAM_END);
    cr_assert_eq(stream.avail_in, 0); /* one member, nothing behind it */
    out->length = stream.total_out;
    inflateEnd(&stream);
}

/* Packs length bytes in pieces; -1 when the sink (of limit bytes) is full. */
static int pack(enum table_codec kind, int level, struct slice text, size_t piece, struct bytes *out)
{
    __attribute__((cleanup(stream_codec_close))) struct stream_codec *codec = NULL;
    const struct table_sink sink = {text_take, out};

    cr_assert_eq(stream_codec_open(&codec, kind, level, &sink, &error), 0, "%s", error.text);
    const struct table_sink in = stream_codec_sink(codec);
    for (size_t at = 0; at < text.length; at += piece) {
        const size_t part = text.length - at < piece ? text.length - at : piece;
        if (in.write(in.context, text.data + at, part, &error) || in.write(in.context, text.data, 0, &error))
            return -1;
    }
    return stream_codec_finish(codec, &error);
}

static const enum table_codec kinds[] = {TABLE_CODEC_NONE, TABLE_CODEC_GZIP, TABLE_CODEC_ZSTD};

Test(stream_codec, is_read_back)
{
    static const size_t lengths[] = {0, 1, 65535, 65536, SIZE}, pieces[] = {1021, 128 * 1024, SIZE};
    char *text = make_text();

    for (size_t kind = 0; kind < 3; kind++)
        for (size_t length = 0; length < sizeof lengths / sizeof *lengths; length++)
            for (size_t piece = 0; piece < sizeof pieces / sizeof *pieces; piece++) {
                const struct slice plain = {text, lengths[length]};
                cleanup_bytes struct bytes packed, unpacked;
                bytes_init(&packed, 2 * SIZE);
                bytes_init(&unpacked, 2 * SIZE);
                cr_assert_eq(pack(kinds[kind], 0, plain, pieces[piece], &packed), 0);
                unpack(kinds[kind], bytes_slice(&packed), &unpacked);
                cr_assert(slice_equal(bytes_slice(&unpacked), plain));
                if (kinds[kind] != TABLE_CODEC_NONE && lengths[length] == SIZE)
                    cr_assert_lt(packed.length, SIZE * 3 / 4); /* it does compress */
            }
    free(text);
}

Test(stream_codec, levels)
{
    char *text = make_text();
    const struct slice plain = {text, SIZE / 2};

    for (size_t kind = 1; kind < 3; kind++) {
        size_t lengths[2];
        for (size_t i = 0; i < 2; i++) {
            cleanup_bytes struct bytes packed, unpacked;
            bytes_init(&packed, 2 * SIZE);
            bytes_init(&unpacked, 2 * SIZE);
            cr_assert_eq(pack(kinds[kind], i ? 9 : 1, plain, SIZE, &packed), 0);
            unpack(kinds[kind], bytes_slice(&packed), &unpacked);
            cr_assert(slice_equal(bytes_slice(&unpacked), plain));
            lengths[i] = packed.length;
        }
        cr_assert_lt(lengths[1], lengths[0]);
    }
    free(text);
}

Test(stream_codec, a_sink_that_is_full)
{
    char *text = make_text();

    for (size_t kind = 0; kind < 3; kind++)
        for (size_t limit = 0; limit < SIZE / 2; limit = 3 * limit + 10) {
            cleanup_bytes struct bytes packed;
            bytes_init(&packed, limit);
            cr_assert_eq(pack(kinds[kind], 0, (struct slice){text, SIZE}, 100000, &packed), -1);
            cr_assert_eq(error.kind, ERROR_REJECT);
            cr_assert_leq(packed.length, limit);
        }
    free(text);
}

/* The end of a stream does not fit. */
Test(stream_codec, a_sink_that_is_full_at_the_end)
{
    for (size_t kind = 1; kind < 3; kind++) {
        cleanup_bytes struct bytes packed;
        bytes_init(&packed, 3);
        cr_assert_eq(pack(kinds[kind], 0, slice_of("a few bytes"), 100, &packed), -1);
    }
}

static void refuses(enum table_codec kind, int level, const char *text)
{
    const struct table_sink sink = {text_take, NULL};
    struct stream_codec *codec = NULL;

    cr_assert_eq(stream_codec_open(&codec, kind, level, &sink, &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert_null(codec);
    cr_assert_str_eq(error.text, text);
}

Test(stream_codec, refuses_what_is_no_codec_of_text)
{
    refuses(TABLE_CODEC_SNAPPY, 0, "text is not compressed with snappy: choose gzip or zstd");
    refuses(TABLE_CODEC_DEFLATE, 0, "text is not compressed with deflate: choose gzip or zstd");
    refuses(TABLE_CODEC_GZIP, 10, "gzip has no level 10, only 1 to 9");
    refuses(TABLE_CODEC_ZSTD, -1, "zstd has no level -1, only 1 to 22");
}

Test(stream_codec, closing_nothing)
{
    struct stream_codec *codec = NULL;

    stream_codec_close(&codec);
    cr_assert_null(codec);
}
