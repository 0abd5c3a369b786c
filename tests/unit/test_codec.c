/* Codecs of blocks: what each makes is read back by the decoder of its own library, whatever the size and whatever came before. */
#include <criterion/criterion.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "lake/format/codec.h"

#define OUT_LIMIT (8u << 20)
#define PATTERN_MAX (3u << 20)

static struct error error;

static const enum table_codec codecs[] = {
    TABLE_CODEC_NONE, TABLE_CODEC_DEFLATE, TABLE_CODEC_GZIP, TABLE_CODEC_SNAPPY, TABLE_CODEC_ZSTD};
#define CODECS (sizeof(codecs) / sizeof(codecs[0]))

static size_t inflate_all(int window, struct slice packed, char *out, size_t room)
{
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)packed.data,
        .avail_in = (uInt)packed.length,
        .next_out = (Bytef *)out,
        .avail_out = (uInt)room};

    cr_assert(inflateInit2(&stream, window) == Z_OK);
    cr_assert(inflate(&stream, Z_FINISH) == Z_STREAM_END);
    cr_assert(stream.avail_in == 0, "something is behind the end");
    inflateEnd(&stream);
    return stream.total_out;
}

static size_t unpack(enum table_codec kind, struct slice packed, char *out, size_t room)
{
    size_t length = room;

    switch (kind) {
    case TABLE_CODEC_NONE:
        memcpy(out, packed.data, packed.length);
        return packed.length;
    case TABLE_CODEC_DEFLATE:
        return inflate_all(-MAX_WBITS, packed, out, room);
    case TABLE_CODEC_GZIP:
        return inflate_all(16 + MAX_WBITS, packed, out, room);
    case TABLE_CODEC_SNAPPY:
        cr_assert(snappy_uncompress(packed.data, packed.length, out, &length) == SNAPPY_OK);
        return length;
    default:
        length = ZSTD_decompress(out, room, packed.data, packed.length);
        cr_assert(!ZSTD_isError(length));
        return length;
    }
}

/* Half of it repeats itself, half does not. */
static char *pattern(void)
{
    char *data = malloc(PATTERN_MAX);
    uint32_t state = 12345;

    for (size_t i = 0; i < PATTERN_MAX; i++) {
        state = state * 1664525 + 1013904223;
        data[i] = (char)(i / 4096 % 2 ? state >> 24 : 'a' + i % 7);
    }
    return data;
}

static void check(enum table_codec kind, struct codec *codec, struct slice data)
{
    cleanup_bytes struct bytes out;
    char *back = malloc(PATTERN_MAX + 1);

    bytes_init(&out, OUT_LIMIT);
    cr_assert(bytes_add_text(&out, "before", &error) == 0);
    cr_assert(codec_compress(codec, data, &out, &error) == 0, "codec %d: %s", kind, error.text);
    cr_assert(memcmp(out.data, "before", 6) == 0);
    size_t length = unpack(kind, (struct slice){out.data + 6, out.length - 6}, back, PATTERN_MAX + 1);
    cr_assert(slice_equal((struct slice){back, length}, data), "codec %d, %zu bytes", kind, data.length);
    if (kind != TABLE_CODEC_NONE && data.length > 10000)
        cr_assert(out.length < data.length * 3 / 4);
    free(back);

    cleanup_bytes struct bytes ours;
    bytes_init(&ours, OUT_LIMIT);
    cr_assert(bytes_add_text(&ours, "before", &error) == 0);
    cr_assert(codec_unpack(kind, (struct slice){out.data + 6, out.length - 6}, &ours, &error) == 0,
        "codec %d: %s", kind, error.text);
    cr_assert(memcmp(ours.data, "before", 6) == 0);
    cr_assert(slice_equal((struct slice){ours.data + 6, ours.length - 6}, data), "codec %d, %zu bytes", kind,
        data.length);
}

Test(codec, is_read_back_by_its_library)
{
    static const size_t lengths[] = {PATTERN_MAX, 0, 1, 100, 65535, 65536, 65537, 262144};
    char *data = pattern();

    for (size_t i = 0; i < CODECS; i++) {
        struct codec *codec = NULL;
        cr_assert(codec_open(&codec, codecs[i], 0, &error) == 0);
        for (size_t j = 0; j < sizeof(lengths) / sizeof(lengths[0]); j++)
            check(codecs[i], codec, (struct slice){data, lengths[j]});
        check(codecs[i], codec, (struct slice){NULL, 0});
        codec_close(&codec);
        cr_assert_null(codec);
        codec_close(&codec);
    }
    free(data);
}

/* The frames that readers look for. */
Test(codec, frames)
{
    struct {
        enum table_codec kind;
        const char *begin;
        size_t length;
    } const rows[] = {
        {TABLE_CODEC_DEFLATE, "\x4b\x4c\x4a\x06\x00", 5}, /* RFC 1951: "abc" by fixed codes, no header */
        {TABLE_CODEC_GZIP, "\x1f\x8b\x08\x00", 4},
        {TABLE_CODEC_SNAPPY,
            "\x03\x08"
            "abc",
            5}, /* its length, a literal of 3 bytes */
        {TABLE_CODEC_ZSTD, "\x28\xb5\x2f\xfd", 4},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct codec *codec = NULL;
        cleanup_bytes struct bytes out;
        bytes_init(&out, 4096);
        cr_assert(codec_open(&codec, rows[i].kind, 0, &error) == 0);
        cr_assert(codec_compress(codec, slice_of("abc"), &out, &error) == 0);
        cr_assert(out.length >= rows[i].length && memcmp(out.data, rows[i].begin, rows[i].length) == 0,
            "codec %d", rows[i].kind);
        codec_close(&codec);
    }
}

static size_t packed_size(enum table_codec kind, int level, struct slice data)
{
    struct codec *codec = NULL;
    cleanup_bytes struct bytes out;

    bytes_init(&out, OUT_LIMIT);
    cr_assert(codec_open(&codec, kind, level, &error) == 0, "%s", error.text);
    cr_assert(codec_compress(codec, data, &out, &error) == 0);
    codec_close(&codec);
    return out.length;
}

Test(codec, levels)
{
    static const struct {
        enum table_codec kind;
        int most;
    } rows[] = {{TABLE_CODEC_DEFLATE, 9}, {TABLE_CODEC_GZIP, 9}, {TABLE_CODEC_ZSTD, 22}};
    static const char *const words[] = {"meter", "wattage", "volt", "on", "off", "site", "sensor", "day"};
    cleanup_bytes struct bytes text;

    bytes_init(&text, OUT_LIMIT);
    for (uint32_t i = 0, state = 1; i < 20000; i++, state = state * 1664525 + 1013904223)
        cr_assert(bytes_print(&text, &error, "%s %u, ", words[state >> 29], state >> 22) == 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const size_t first = packed_size(rows[i].kind, 1, bytes_slice(&text));
        cr_assert_eq(packed_size(rows[i].kind, 0, bytes_slice(&text)), first, "0 is 1");
        cr_assert_lt(
            packed_size(rows[i].kind, rows[i].most, bytes_slice(&text)), first, "codec %d", rows[i].kind);
    }
}

Test(codec, refused_levels)
{
    static const struct {
        enum table_codec kind;
        int level;
        const char *text;
    } rows[] = {
        {TABLE_CODEC_NONE, 1, "codec none has no levels"},
        {TABLE_CODEC_SNAPPY, 3, "codec snappy has no levels"},
        {TABLE_CODEC_DEFLATE, 10, "codec deflate: level 10 is not one of 1 to 9"},
        {TABLE_CODEC_GZIP, -1, "codec gzip: level -1 is not one of 1 to 9"},
        {TABLE_CODEC_ZSTD, 23, "codec zstd: level 23 is not one of 1 to 22"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct codec *codec = NULL;
        cr_assert(codec_open(&codec, rows[i].kind, rows[i].level, &error) == -1);
        cr_assert_eq(error.kind, ERROR_REJECT);
        cr_assert_str_eq(error.text, rows[i].text);
        cr_assert_null(codec);
    }
}

/* Unpacked, a block becomes what it was, nothing above the limit, and never more or less than it says. */
static void unpack_fails(enum table_codec kind, struct slice packed, size_t limit, const char *why)
{
    cleanup_bytes struct bytes out;

    bytes_init(&out, limit);
    cr_assert(codec_unpack(kind, packed, &out, &error) == -1, "codec %d", kind);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert(strstr(error.text, why), "codec %d: %s", kind, error.text);
}

Test(codec, blocks_that_cannot_be_unpacked)
{
    static const char damaged[] = "a compressed block is damaged";
    char data[4000];

    memset(data, 'a', sizeof data);
    for (size_t i = 1; i < CODECS; i++) {
        struct codec *codec = NULL;
        cleanup_bytes struct bytes out;
        bytes_init(&out, OUT_LIMIT);
        cr_assert(codec_open(&codec, codecs[i], 0, &error) == 0);
        cr_assert(codec_compress(codec, (struct slice){data, sizeof data}, &out, &error) == 0);
        codec_close(&codec);
        unpack_fails(codecs[i], bytes_slice(&out), 3000, "more than 3000 bytes");
        for (size_t length = 0; length < out.length; length++)
            unpack_fails(codecs[i], (struct slice){out.data, length}, OUT_LIMIT, damaged);
        cr_assert(bytes_add_text(&out, "x", &error) == 0);
        unpack_fails(codecs[i], bytes_slice(&out), OUT_LIMIT, damaged);
        for (size_t at = 0; at < out.length; at++) {
            cleanup_bytes struct bytes ignored;
            bytes_init(&ignored, OUT_LIMIT);
            out.data[at] = (char)~out.data[at];
            codec_unpack(codecs[i], bytes_slice(&out), &ignored, &error);
            out.data[at] = (char)~out.data[at];
        }
    }
    unpack_fails(TABLE_CODEC_NONE, (struct slice){data, sizeof data}, 3000, "more than 3000 bytes");
}

Test(codec, blocks_that_are_too_large)
{
    for (size_t i = 0; i < CODECS; i++) {
        struct codec *codec = NULL;
        cleanup_bytes struct bytes out;
        bytes_init(&out, 50);
        cr_assert(codec_open(&codec, codecs[i], 0, &error) == 0);
        char data[60] = "";
        cr_assert(codec_compress(codec, (struct slice){data, sizeof(data)}, &out, &error) == -1);
        cr_assert_eq(error.kind, ERROR_REJECT);
        cr_assert_str_eq(error.text, "more than 50 bytes");
        cr_assert_eq(out.length, 0);
        /* Refused by its length alone: nothing is read. */
        cr_assert(codec_compress(codec, (struct slice){data, (size_t)1 << 31}, &out, &error) == -1);
        cr_assert_eq(error.kind, ERROR_REJECT);
        cr_assert(strstr(error.text, "a block of 2147483648 bytes is more than 2147483647"));
        codec_close(&codec);
    }
}
