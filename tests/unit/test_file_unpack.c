/* Compressed files as plain ones: all of it, in any steps, with holes behind the reader; broken, cut and unreadable ones. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/file.h"
#include "files/unpack.h"

#define PLAIN ((size_t)5 << 20)

static char *plain;
static struct error error;

/* Lines that do not compress too well. */
static void begin(void)
{
    unsigned seed = 1;

    plain = malloc(PLAIN + 32);
    cr_assert_not_null(plain);
    for (size_t at = 0; at < PLAIN;)
        at += (size_t)snprintf(plain + at, 32, "line %d\n", rand_r(&seed));
}

static void end(void)
{
    free(plain);
}

TestSuite(file_unpack, .init = begin, .fini = end, .timeout = 60);

/* `cut` bytes of it are missing at the end. */
static int packed(bool gzip, size_t length, size_t cut)
{
    const int file = memfd_create("packed", MFD_CLOEXEC);
    size_t size = gzip ? compressBound(length) + 64 : ZSTD_compressBound(length);
    char *out = malloc(size);

    cr_assert(file >= 0 && out);
    if (gzip) {
        z_stream stream = {.next_in = (Bytef *)plain,
            .avail_in = (uInt)length,
            .next_out = (Bytef *)out,
            .avail_out = (uInt)size};
        cr_assert_eq(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
        cr_assert_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
        size = stream.total_out;
        deflateEnd(&stream);
    } else {
        size = ZSTD_compress(out, size, plain, length, 3);
        cr_assert(!ZSTD_isError(size));
    }
    cr_assert_eq(file_write_at(file, out, size - cut, 0), 0);
    free(out);
    return file;
}

static void expect(int file, uint64_t from, uint64_t to)
{
    static char got[PLAIN];

    cr_assert_eq(file_read_at(file, got, to - from, from), (ssize_t)(to - from));
    cr_assert_eq(memcmp(got, plain + from, to - from), 0, "%zu to %zu", (size_t)from, (size_t)to);
}

static void take(bool gzip, uint64_t step)
{
    struct file_unpack *unpack;
    struct stat stat;
    uint64_t at = 0;
    int file = packed(gzip, PLAIN, 0);

    cr_assert(file_is_compressed(file));
    cr_assert_eq(file_unpack_open(&unpack, &file, &error), 0, "%s", error.text);
    cr_assert_neq(file_unpack_packed(unpack), file);
    cr_assert_eq(fstat(file_unpack_packed(unpack), &stat), 0);
    cr_expect_eq(file_unpack_left(unpack, 0), (uint64_t)stat.st_size);
    while (at < PLAIN) {
        const uint64_t next = at + step < PLAIN ? at + step : PLAIN;
        cr_assert_eq(file_unpack_to(unpack, file, next, &error), 0, "%s", error.text);
        expect(file, at, next);
        at = next;
        file_unpack_forget(unpack, file, at > 64 ? at - 64 : 0);
    }
    cr_assert_eq(file_unpack_to(unpack, file, PLAIN + 1, &error), 0, "%s", error.text);
    cr_expect(file_unpack_ended(unpack));
    cr_expect_eq(file_unpack_left(unpack, PLAIN - 10), 10);
    cr_expect_eq(file_unpack_left(unpack, PLAIN), 0);
    cr_expect(file_unpack_is_unchanged(unpack));
    cr_assert_eq(fstat(file, &stat), 0);
    cr_expect_eq((size_t)stat.st_size, PLAIN);
    cr_expect_lt(stat.st_blocks * 512, 2 << 20, "what was read takes no memory");
    expect(file, 0, FILE_UNPACK_KEPT);
    cr_assert_eq(file_write_at(file_unpack_packed(unpack), "more", 4, PLAIN), 0);
    cr_expect(!file_unpack_is_unchanged(unpack));
    file_unpack_close(&unpack);
    file_unpack_close(&unpack);
    close(file);
}

Test(file_unpack, all_of_it_in_any_steps)
{
    for (int gzip = 0; gzip < 2; gzip++) {
        take(gzip, 1000);
        take(gzip, 1 << 20);
        take(gzip, (1 << 20) + 12345);
        take(gzip, PLAIN);
    }
}

Test(file_unpack, zeros_behind_a_member_of_gzip_are_none_of_it)
{
    static const char zeros[100000];
    struct file_unpack *unpack;
    int file = packed(true, PLAIN, 0);
    struct stat stat;

    cr_assert_eq(fstat(file, &stat), 0);
    cr_assert_eq(file_write_at(file, zeros, sizeof zeros, (uint64_t)stat.st_size), 0);
    cr_assert_eq(file_unpack_open(&unpack, &file, &error), 0);
    cr_expect_eq(file_unpack_to(unpack, file, PLAIN + 1, &error), 0, "%s", error.text);
    cr_expect(file_unpack_ended(unpack));
    cr_expect(file_unpack_is_unchanged(unpack));
    expect(file, PLAIN - 1000, PLAIN);
    file_unpack_close(&unpack);
    close(file);
}

Test(file_unpack, nothing_comes_out_of_what_holds_nothing)
{
    for (int gzip = 0; gzip < 2; gzip++) {
        struct file_unpack *unpack;
        int file = packed(gzip, 0, 0);

        cr_assert_eq(file_unpack_open(&unpack, &file, &error), 0);
        cr_expect_eq(file_unpack_to(unpack, file, 1, &error), 0);
        cr_expect(file_unpack_ended(unpack));
        file_unpack_close(&unpack);
        close(file);
    }
}

Test(file_unpack, what_is_not_compressed)
{
    struct file_unpack *unpack;
    int file = memfd_create("plain", MFD_CLOEXEC);
    const int same = file;

    cr_expect(!file_is_compressed(file), "it is empty");
    cr_assert_eq(file_write_at(file, "\x1f", 1, 0), 0);
    cr_expect(!file_is_compressed(file));
    cr_expect_eq(file_unpack_open(&unpack, &file, &error), -1);
    cr_expect_eq(error.kind, ERROR_RETRY);
    cr_expect_eq(file, same);
    close(file);
    cr_expect(!file_is_compressed(-1));
}

Test(file_unpack, cut_and_broken_ones)
{
    for (int gzip = 0; gzip < 2; gzip++) {
        struct file_unpack *unpack;
        int file = packed(gzip, PLAIN, 100);

        cr_assert_eq(file_unpack_open(&unpack, &file, &error), 0);
        cr_expect_eq(file_unpack_to(unpack, file, PLAIN / 2, &error), 0);
        expect(file, 0, PLAIN / 2);
        cr_expect_eq(file_unpack_to(unpack, file, PLAIN, &error), -1);
        cr_expect_eq(error.kind, ERROR_REJECT);
        cr_expect_str_eq(error.text, "the compressed data ends early");
        file_unpack_close(&unpack);
        close(file);

        file = packed(gzip, PLAIN, 0);
        cr_assert_eq(file_write_at(file, plain, 4096, 200000), 0);
        cr_assert_eq(file_unpack_open(&unpack, &file, &error), 0);
        cr_expect_eq(file_unpack_to(unpack, file, PLAIN, &error), -1);
        cr_expect_eq(error.kind, ERROR_REJECT);
        file_unpack_close(&unpack);
        close(file);
    }
}

Test(file_unpack, what_cannot_be_read_or_kept_may_pass)
{
    struct file_unpack *unpack;
    int file = packed(true, PLAIN, 0);

    cr_assert_eq(file_unpack_open(&unpack, &file, &error), 0);
    const int full = open("/dev/full", O_WRONLY);
    cr_expect_eq(file_unpack_to(unpack, full, 1, &error), -1);
    cr_expect_eq(error.kind, ERROR_RETRY);
    close(full);
    file_unpack_close(&unpack);
    close(file);

    char name[] = "/tmp/penstock-test.XXXXXX";
    const int made = mkstemp(name);
    unlink(name);
    cr_assert_eq(file_write_at(made, "\x1f\x8b\x08", 3, 0), 0);
    file = fcntl(made, F_DUPFD_CLOEXEC, 0);
    cr_assert_eq(file_unpack_open(&unpack, &file, &error), 0);
    const int directory = open("/", O_RDONLY | O_DIRECTORY);
    cr_assert_geq(dup2(directory, file_unpack_packed(unpack)), 0);
    cr_expect_eq(file_unpack_to(unpack, file, 1, &error), -1, "EISDIR");
    cr_expect_eq(error.kind, ERROR_RETRY);
    file_unpack_close(&unpack);
    close(directory);
    close(file);
    close(made);
}

Test(file_unpack, without_descriptors)
{
    struct file_unpack *unpack;
    struct rlimit limit;
    int file = packed(true, 100, 0);

    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    const rlim_t before = limit.rlim_cur;
    limit.rlim_cur = (rlim_t)file + 1;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    cr_expect_eq(file_unpack_open(&unpack, &file, &error), -1);
    cr_expect_eq(error.kind, ERROR_RETRY);
    limit.rlim_cur = before;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    cr_expect(file_is_compressed(file), "it is what it was");
    close(file);
}
