/* Content encodings: whole and piece by piece, several members, broken and cut data, and every cap. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "decode/decode.h"

#define MIB (1024 * 1024)
#define PLAIN_LIMIT (64 * MIB)

static struct error error;

static const enum inflate_coding codings[] = {INFLATE_GZIP, INFLATE_ZSTD};

static void pack_gzip(struct slice plain, struct bytes *out)
{
    z_stream stream = {0};

    cr_assert(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    cr_assert(bytes_reserve(out, deflateBound(&stream, plain.length), &error) == 0);
    stream.next_in = (Bytef *)(uintptr_t)plain.data;
    stream.avail_in = (uInt)plain.length;
    stream.next_out = (Bytef *)out->data + out->length;
    stream.avail_out = (uInt)(out->capacity - out->length);
    cr_assert(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    out->length += stream.total_out;
    deflateEnd(&stream);
}

static void pack_zstd(struct slice plain, int window_log, int checksum, struct bytes *out)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();

    cr_assert(bytes_reserve(out, ZSTD_compressBound(plain.length), &error) == 0);
    ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, checksum);
    ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
    ZSTD_inBuffer in = {plain.data, plain.length, 0};
    ZSTD_outBuffer to = {out->data + out->length, out->capacity - out->length, 0};
    cr_assert(ZSTD_compressStream2(context, &to, &in, ZSTD_e_end) == 0);
    out->length += to.pos;
    ZSTD_freeCCtx(context);
}

static void pack(enum inflate_coding coding, struct slice plain, struct bytes *out)
{
    if (coding == INFLATE_GZIP)
        pack_gzip(plain, out);
    else
        pack_zstd(plain, 0, 1, out);
}

/* Unpacks in pieces of so many bytes. Returns 0, -1 when a piece was refused, -2 when the end was. */
static int unpack(enum inflate_coding coding, struct slice packed, size_t piece, struct bytes *out)
{
    __attribute__((cleanup(inflate_free))) struct inflate *stream = NULL;

    cr_assert(inflate_new(&stream, coding, &error) == 0);
    for (size_t at = 0; at < packed.length; at += piece) {
        size_t left = packed.length - at;
        size_t length = piece < left ? piece : left;
        char *copy = malloc(length); /* exactly as long, for the sanitizers */
        memcpy(copy, packed.data + at, length);
        int result = inflate_feed(stream, (struct slice){copy, length}, out, &error);
        free(copy);
        if (result)
            return -1;
    }
    return inflate_finish(stream, &error) ? -2 : 0;
}

/* Readings, which pack about ten to one. */
static void fill_readings(struct bytes *plain, int count)
{
    for (int i = 0; i < count; i++)
        cr_assert(bytes_print(plain, &error, "{\"sensor_id\":\"SENSOR_%d\",\"wattage\":%d.%d}\n",
                      i * 7919 % 1000, i * 104729 % 5000, i % 10) == 0);
}

static void fill_noise(struct bytes *plain, size_t length)
{
    uint64_t state = 88172645463325252u;

    cr_assert(bytes_reserve(plain, length, &error) == 0);
    while (plain->length < length) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        plain->data[plain->length++] = (char)(state >> 32);
    }
}

static void fill_zeros(struct bytes *plain, size_t length)
{
    cr_assert(bytes_reserve_exact(plain, length, &error) == 0);
    memset(plain->data, 0, length);
    plain->length = length;
}

static void comes_back(struct slice plain, size_t piece)
{
    for (size_t i = 0; i < 2; i++) {
        cleanup_bytes struct bytes packed = {.limit = PLAIN_LIMIT};
        cleanup_bytes struct bytes out = {.limit = PLAIN_LIMIT};
        pack(codings[i], plain, &packed);
        cr_expect(unpack(codings[i], bytes_slice(&packed), piece, &out) == 0, "coding %zu, pieces of %zu: %s",
            i, piece, error.text);
        cr_expect(slice_equal(bytes_slice(&out), plain), "coding %zu, pieces of %zu: %zu bytes", i, piece,
            out.length);
    }
}

Test(inflate, everything_comes_back_in_any_pieces)
{
    static const size_t pieces[] = {1, 7, 8192, PLAIN_LIMIT};
    cleanup_bytes struct bytes readings = {.limit = PLAIN_LIMIT};
    cleanup_bytes struct bytes noise = {.limit = PLAIN_LIMIT};

    fill_readings(&readings, 5000);
    fill_noise(&noise, 100000);
    for (size_t i = 0; i < 4; i++) {
        comes_back(bytes_slice(&readings), pieces[i]);
        comes_back(bytes_slice(&noise), pieces[i]);
        comes_back(slice_of("a"), pieces[i]);
        comes_back(slice_of(""), pieces[i]);
    }
}

/* No checksum follows the last block, so nothing but the block itself may bring its output out. */
Test(inflate, what_waits_inside_comes_out_without_further_input)
{
    cleanup_bytes struct bytes readings = {.limit = PLAIN_LIMIT};
    cleanup_bytes struct bytes packed = {.limit = PLAIN_LIMIT};
    cleanup_bytes struct bytes out = {.limit = PLAIN_LIMIT};

    fill_readings(&readings, 2000);
    pack_zstd(bytes_slice(&readings), 0, 0, &packed);
    cr_expect(unpack(INFLATE_ZSTD, bytes_slice(&packed), packed.length, &out) == 0, "%s", error.text);
    cr_expect(slice_equal(bytes_slice(&out), bytes_slice(&readings)), "%zu bytes", out.length);
}

Test(inflate, members_and_frames_follow_each_other)
{
    for (size_t i = 0; i < 2; i++)
        for (size_t piece = 1; piece < 200; piece += 3) {
            cleanup_bytes struct bytes packed = {.limit = PLAIN_LIMIT};
            cleanup_bytes struct bytes out = {.limit = PLAIN_LIMIT};
            pack(codings[i], slice_of("one\n"), &packed);
            pack(codings[i], slice_of(""), &packed);
            pack(codings[i], slice_of("two\n"), &packed);
            cr_expect(unpack(codings[i], bytes_slice(&packed), piece, &out) == 0, "%s", error.text);
            cr_expect(slice_is(bytes_slice(&out), "one\ntwo\n"));
        }
}

Test(inflate, cut_at_any_byte_it_ends_early)
{
    for (size_t i = 0; i < 2; i++) {
        cleanup_bytes struct bytes packed = {.limit = PLAIN_LIMIT};
        pack(codings[i], slice_of("a reading and another reading"), &packed);
        for (size_t length = 0; length < packed.length; length++) {
            cleanup_bytes struct bytes out = {.limit = PLAIN_LIMIT};
            cr_expect(
                unpack(codings[i], (struct slice){packed.data, length}, 5, &out) == -2, "%zu bytes", length);
            cr_expect(error.kind == ERROR_REJECT);
            cr_expect_str_eq(error.text, "the compressed data ends early");
        }
    }
}

Test(inflate, broken_data_is_refused)
{
    cleanup_bytes struct bytes out = {.limit = PLAIN_LIMIT};

    cr_expect(unpack(INFLATE_GZIP, slice_of("{\"a\":1}"), 99, &out) == -1);
    cr_expect(error.kind == ERROR_REJECT);
    cr_expect_str_eq(error.text, "gzip: incorrect header check");
    cr_expect(unpack(INFLATE_ZSTD, slice_of("{\"a\":1}"), 99, &out) == -1);
    cr_expect(error.kind == ERROR_REJECT);
    cr_expect_str_eq(error.text, "zstd: Unknown frame descriptor");
    cr_expect(unpack(INFLATE_GZIP, slice_of("\x78\x9c"), 99, &out) == -1, "the zlib format is not gzip");
    cr_expect(out.length == 0);
    for (size_t i = 0; i < 2; i++) {
        cleanup_bytes struct bytes packed = {.limit = PLAIN_LIMIT};
        pack(codings[i], slice_of("a reading and another reading"), &packed);
        packed.data[packed.length - 6] ^=
            1; /* gzip: inside the checksum; zstd: the last bytes of the block */
        cr_expect(unpack(codings[i], bytes_slice(&packed), 99, &out) == -1);
    }
}

Test(inflate, garbage_behind_the_end_is_refused)
{
    for (size_t i = 0; i < 2; i++) {
        cleanup_bytes struct bytes packed = {.limit = PLAIN_LIMIT};
        cleanup_bytes struct bytes out = {.limit = PLAIN_LIMIT};
        pack(codings[i], slice_of("a"), &packed);
        cr_assert(bytes_add_text(&packed, "garbage", &error) == 0);
        cr_expect(unpack(codings[i], bytes_slice(&packed), 99, &out) == -1);
    }
}

Test(inflate, the_limit_of_the_buffer_holds_to_the_byte)
{
    static const size_t sizes[] = {1, 100, 16 * 1024, 16 * 1024 + 1, 50000};
    cleanup_bytes struct bytes noise = {.limit = PLAIN_LIMIT};

    fill_noise(&noise, 50000);
    for (size_t i = 0; i < 10; i++) {
        struct slice plain = {noise.data, sizes[i / 2]};
        cleanup_bytes struct bytes packed = {.limit = PLAIN_LIMIT};
        cleanup_bytes struct bytes fits = {.limit = plain.length};
        cleanup_bytes struct bytes lacks = {.limit = plain.length - 1};
        char expected[64];

        pack(codings[i % 2], plain, &packed);
        for (size_t piece = 1; piece < 100000; piece = piece * 12 + 1) {
            bytes_clear(&fits);
            bytes_clear(&lacks);
            cr_expect(unpack(codings[i % 2], bytes_slice(&packed), piece, &fits) == 0, "%s", error.text);
            cr_expect(slice_equal(bytes_slice(&fits), plain));
            cr_expect(unpack(codings[i % 2], bytes_slice(&packed), piece, &lacks) == -1);
            snprintf(expected, sizeof expected, "unpacks to more than %zu bytes", plain.length - 1);
            cr_expect(error.kind == ERROR_REJECT);
            cr_expect_str_eq(error.text, expected);
            cr_expect(lacks.length == plain.length - 1 && lacks.capacity == plain.length - 1);
        }
    }
}

Test(inflate, broken_data_at_the_limit)
{
    cleanup_bytes struct bytes packed = {.limit = PLAIN_LIMIT};
    cleanup_bytes struct bytes out = {.limit = 5};

    pack_gzip(slice_of("12345"), &packed);
    packed.data[packed.length - 6] ^= 1;
    cr_expect(unpack(INFLATE_GZIP, bytes_slice(&packed), 1, &out) == -1);
    cr_expect_str_eq(error.text, "gzip: incorrect data check");
}

Test(inflate, the_ratio_is_capped_beyond_one_mebibyte)
{
    for (size_t i = 0; i < 2; i++) {
        cleanup_bytes struct bytes plain = {.limit = PLAIN_LIMIT};
        cleanup_bytes struct bytes packed = {.limit = PLAIN_LIMIT};
        cleanup_bytes struct bytes out = {.limit = PLAIN_LIMIT};
        fill_zeros(&plain, 32 * MIB);
        pack(codings[i], bytes_slice(&plain), &packed);
        cr_expect(unpack(codings[i], bytes_slice(&packed), 4096, &out) == -1);
        cr_expect(error.kind == ERROR_REJECT);
        cr_expect_str_eq(error.text, "unpacks to more than 200 times its size");
        cr_expect(out.length < 2 * MIB, "%zu bytes came out", out.length);
        comes_back((struct slice){plain.data, MIB}, 4096);
    }
}

Test(inflate, a_zstd_window_above_8_mib_is_refused)
{
    cleanup_bytes struct bytes plain = {.limit = PLAIN_LIMIT};
    cleanup_bytes struct bytes packed = {.limit = PLAIN_LIMIT};
    cleanup_bytes struct bytes out = {.limit = PLAIN_LIMIT};

    fill_noise(&plain, 17 * MIB);
    pack_zstd(bytes_slice(&plain), 24, 1, &packed);
    cr_expect(unpack(INFLATE_ZSTD, bytes_slice(&packed), 8192, &out) == -1);
    cr_expect(error.kind == ERROR_REJECT);
    cr_expect_str_eq(error.text, "zstd: its window is larger than 8388608 bytes");
    bytes_clear(&packed);
    pack_zstd(bytes_slice(&plain), 23, 1, &packed);
    cr_expect(unpack(INFLATE_ZSTD, bytes_slice(&packed), 8192, &out) == 0, "%s", error.text);
    cr_expect(slice_equal(bytes_slice(&out), bytes_slice(&plain)));
}

/* Whatever a frame announces, what it takes was known before: of the first one, and as it is announced in each of its forms. */
Test(inflate, what_unpacks_takes_no_more_than_was_said)
{
    cleanup_bytes struct bytes plain = {.limit = PLAIN_LIMIT};

    fill_noise(&plain, 9 * MIB);
    for (int log = 10; log <= 23; log++) {
        for (size_t size = 1; size < plain.length; size = size * 9 + 4) {
            for (int told = 0; told < 2; told++) {
                __attribute__((cleanup(inflate_free))) struct inflate *stream = NULL;
                cleanup_bytes struct bytes packed = {.limit = PLAIN_LIMIT};
                cleanup_bytes struct bytes out = {.limit = PLAIN_LIMIT};
                ZSTD_CCtx *context = ZSTD_createCCtx();
                ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, log);
                ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, told);
                cr_assert(bytes_reserve(&packed, ZSTD_compressBound(size), &error) == 0);
                ZSTD_inBuffer in = {plain.data, size, 0};
                ZSTD_outBuffer to = {packed.data, packed.capacity, 0};
                cr_assert_eq(ZSTD_CCtx_setPledgedSrcSize(context, size), 0);
                cr_assert_eq(ZSTD_compressStream2(context, &to, &in, ZSTD_e_end), 0);
                ZSTD_freeCCtx(context);
                packed.length = to.pos;

                const uint64_t need = inflate_need(INFLATE_ZSTD, bytes_slice(&packed));
                cr_assert(inflate_new(&stream, INFLATE_ZSTD, &error) == 0);
                for (size_t at = 0; at < packed.length; at += 7) {
                    const size_t left = packed.length - at, piece = left < 7 ? left : 7;
                    cr_assert(
                        inflate_feed(stream, (struct slice){packed.data + at, piece}, &out, &error) == 0);
                    cr_assert_leq(inflate_memory(stream), need, "window 2^%d, %zu bytes: %lu, not %lu", log,
                        size, (unsigned long)inflate_memory(stream), (unsigned long)need);
                    if (at > 4096)
                        break; /* by now all of it is there */
                }
                cr_assert_lt(need, inflate_memory(stream) + 9 * MIB);
            }
        }
    }
}

Test(inflate, what_announces_nothing_may_take_the_most)
{
    static const char small[] = "\x28\xb5\x2f\xfd\x20\x05\x29\0\0hello"; /* a single segment of 5 bytes */
    static const char *const others[] = {"", "\x28\xb5\x2f\xfd", "\x50\x2a\x4d\x18\x01\x01\x01\x01",
        "garbage", "\x28\xb5\x2f\xfd\xa0\x01\x01"};
    const uint64_t least = inflate_need(INFLATE_ZSTD, (struct slice){small, sizeof small - 1});
    const uint64_t most = inflate_need(INFLATE_ZSTD, (struct slice){NULL, 0});

    cr_expect_lt(least, 300 * 1024);
    cr_expect_geq(most, 8 * MIB);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        cr_expect_eq(inflate_need(INFLATE_ZSTD, slice_of(others[i])), most, "%zu", i);
    for (size_t length = 0; length < 6; length++)
        cr_expect_eq(inflate_need(INFLATE_ZSTD, (struct slice){small, length}), most, "%zu", length);
    cr_expect_eq(inflate_need(INFLATE_ZSTD, slice_of("\x28\xb5\x2f\xfd\x01\xf8")), most, "2^41 bytes");
    cr_expect_lt(inflate_need(INFLATE_GZIP, slice_of("")), 64 * 1024);
}

Test(inflate, free_takes_what_is_not_there)
{
    struct inflate *stream = NULL;

    inflate_free(&stream);
    cr_assert(inflate_new(&stream, INFLATE_ZSTD, &error) == 0);
    inflate_free(&stream);
    cr_expect_null(stream);
}
