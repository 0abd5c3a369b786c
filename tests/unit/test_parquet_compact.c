/* parquet_compact: what parquet_thrift writes is read again, and what is no such thing ends as broken */
#include "lake/format/parquet_compact.h"

#include <criterion/criterion.h>

#include "lake/format/parquet_thrift.h"

static struct error error;
static struct bytes made;

static void begin(void)
{
    bytes_init(&made, 1 << 20);
}

static void end(void)
{
    bytes_free(&made);
}

TestSuite(parquet_compact, .init = begin, .fini = end);

static void put_inner(struct parquet_thrift *thrift)
{
    parquet_thrift_bool(thrift, 1, true);
    parquet_thrift_bool(thrift, 2, false);
    parquet_thrift_list(thrift, 3, PARQUET_THRIFT_BOOL, 2);
    parquet_thrift_add_bool(thrift, true);
    parquet_thrift_add_bool(thrift, false);
    parquet_thrift_list(thrift, 4, PARQUET_THRIFT_BINARY, 20);
    for (int i = 0; i < 20; i++)
        parquet_thrift_add_binary(thrift, "twenty times", (size_t)i % 12);
    parquet_thrift_list(thrift, 5, PARQUET_THRIFT_STRUCT, 2);
    for (int i = 0; i < 2; i++) {
        parquet_thrift_add_struct(thrift);
        parquet_thrift_i64(thrift, 9, INT64_MIN);
        parquet_thrift_i16(thrift, 10, -3);
        parquet_thrift_end(thrift);
    }
    parquet_thrift_end(thrift);
}

static void put_all(void)
{
    struct parquet_thrift thrift;

    parquet_thrift_begin(&thrift, &made, &error);
    parquet_thrift_i32(&thrift, 2, -70000);
    parquet_thrift_struct(&thrift, 3);
    put_inner(&thrift);
    parquet_thrift_list(&thrift, 12, PARQUET_THRIFT_I64, 16);
    for (int64_t i = 0; i < 16; i++)
        parquet_thrift_add_integer(&thrift, i * -1000000007);
    parquet_thrift_i64(&thrift, 13, INT64_MAX);
    parquet_thrift_end(&thrift);
    cr_assert_eq(parquet_thrift_finish(&thrift), 0);
}

Test(parquet_compact, what_is_wanted_is_found_and_the_rest_is_skipped)
{
    unsigned type;
    int seen = 0;

    put_all();
    struct parquet_compact compact = {.left = bytes_slice(&made)};
    for (int id = 0; parquet_compact_field(&compact, &id, &type); seen++) {
        if (id == 2) {
            cr_assert_eq(parquet_compact_integer(&compact), -70000);
        } else if (id == 12) {
            cr_assert_eq(parquet_compact_list(&compact, &type), 16);
            cr_assert_eq(type, PARQUET_THRIFT_I64);
            for (int64_t i = 0; i < 16; i++)
                cr_assert_eq(parquet_compact_integer(&compact), i * -1000000007);
        } else if (id == 13) {
            cr_assert_eq(parquet_compact_integer(&compact), INT64_MAX);
        } else {
            cr_assert_eq(id, 3);
            parquet_compact_skip(&compact, type);
        }
    }
    cr_assert(seen == 4 && !compact.broken && !compact.left.length);
}

/* Its fields, whatever they are. */
static bool is_broken(struct slice data)
{
    struct parquet_compact compact = {.left = data};
    unsigned type;

    for (int id = 0; parquet_compact_field(&compact, &id, &type);)
        parquet_compact_skip(&compact, type);
    return compact.broken;
}

Test(parquet_compact, cut_anywhere)
{
    put_all();
    cr_assert(!is_broken(bytes_slice(&made)));
    for (size_t length = 0; length < made.length; length++) {
        char *part = malloc(length + 1);
        memcpy(part, made.data, length);
        cr_assert(is_broken((struct slice){part, length}), "%zu", length);
        free(part);
    }
}

#define BROKEN(bytes) cr_assert(is_broken((struct slice){bytes, sizeof bytes - 1}))
#define WHOLE(bytes) cr_assert(!is_broken((struct slice){bytes, sizeof bytes - 1}))

Test(parquet_compact, by_hand)
{
    struct parquet_compact nothing = {.left = {"", 0}};
    unsigned type;

    WHOLE("\x05\x20\x02\x00"); /* the number of a field where a difference would be 0 */
    WHOLE("\x17"
          "12345678"
          "\x13"
          "1"
          "\x00"); /* a double, a byte */
    WHOLE("\x19\x19\x09\x00"); /* a list of a list of nothing */
    BROKEN("\x1b\x00\x00"); /* a map, which nobody here writes */
    BROKEN("\x1e\x00\x00");
    BROKEN("\x16\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00"); /* more than 64 bits */
    BROKEN("\x18\x7f"
           "abc\x00");
    BROKEN("\x1c\x1c\x1c\x1c\x1c\x1c\x1c\x1c\x1c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"); /* too deep */
    BROKEN("\x19\x1c");
    cr_assert_eq(parquet_compact_list(&nothing, &type), 0);
    cr_assert(nothing.broken);
}
