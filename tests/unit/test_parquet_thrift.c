/* Thrift's compact protocol, byte by byte as its specification has it. */
#include <criterion/criterion.h>

#include "lake/format/parquet_thrift.h"
#include "parquet_harness.h"

static struct error error;
static struct bytes out;
static struct parquet_thrift thrift;

static void begin(void)
{
    bytes_init(&out, 4096);
    parquet_thrift_begin(&thrift, &out, &error);
}

static void is(const char *expected, size_t length)
{
    parquet_thrift_end(&thrift);
    cr_assert(parquet_thrift_finish(&thrift) == 0);
    cr_assert_eq(out.length, length);
    cr_assert_arr_eq(out.data, expected, length);
    bytes_free(&out);
}
#define IS(text) is(text, sizeof(text) - 1)

Test(parquet_thrift, integers)
{
    begin();
    parquet_thrift_i16(&thrift, 1, -1);
    parquet_thrift_i32(&thrift, 2, 63);
    parquet_thrift_i32(&thrift, 5, -65);
    parquet_thrift_i64(&thrift, 20, INT64_MIN);
    parquet_thrift_i64(&thrift, 21, INT64_MAX);
    IS("\x14\x01"
       "\x15\x7e"
       "\x35\x81\x01"
       "\xf6\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
       "\x16\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01"
       "\0");
}

Test(parquet_thrift, booleans_and_text)
{
    begin();
    parquet_thrift_bool(&thrift, 3, true);
    parquet_thrift_bool(&thrift, 4, false);
    parquet_thrift_binary(&thrift, 5, "ab\0c", 4);
    parquet_thrift_binary(&thrift, 6, NULL, 0);
    IS("\x31\x12\x18\x04"
       "ab\0c"
       "\x18\0\0");
}

Test(parquet_thrift, structures_count_their_own_fields)
{
    begin();
    parquet_thrift_struct(&thrift, 7);
    parquet_thrift_struct(&thrift, 1);
    parquet_thrift_end(&thrift);
    parquet_thrift_i32(&thrift, 2, 1);
    parquet_thrift_end(&thrift);
    parquet_thrift_i32(&thrift, 8, 0);
    IS("\x7c\x1c\0\x15\x02\0\x15\0\0");
}

Test(parquet_thrift, lists)
{
    begin();
    parquet_thrift_list(&thrift, 1, PARQUET_THRIFT_BOOL, 2);
    parquet_thrift_add_bool(&thrift, true);
    parquet_thrift_add_bool(&thrift, false);
    parquet_thrift_list(&thrift, 2, PARQUET_THRIFT_BINARY, 1);
    parquet_thrift_add_binary(&thrift, "x", 1);
    parquet_thrift_list(&thrift, 3, PARQUET_THRIFT_STRUCT, 2);
    parquet_thrift_add_struct(&thrift);
    parquet_thrift_i32(&thrift, 1, 3);
    parquet_thrift_end(&thrift);
    parquet_thrift_add_struct(&thrift);
    parquet_thrift_add_raw(&thrift, "\x15\x08", 2);
    parquet_thrift_end(&thrift);
    parquet_thrift_list(&thrift, 4, PARQUET_THRIFT_I32, 15);
    for (int i = 0; i < 15; i++)
        parquet_thrift_add_integer(&thrift, i);
    IS("\x19\x21\x01\x02"
       "\x19\x18\x01x"
       "\x19\x2c\x15\x06\0\x15\x08\0"
       "\x19\xf5\x0f\x00\x02\x04\x06\x08\x0a\x0c\x0e\x10\x12\x14\x16\x18\x1a\x1c"
       "\0");
}

Test(parquet_thrift, a_failure_is_kept)
{
    bytes_init(&out, 3);
    parquet_thrift_begin(&thrift, &out, &error);
    parquet_thrift_i32(&thrift, 1, 1);
    parquet_thrift_binary(&thrift, 2, "long", 4);
    parquet_thrift_i32(&thrift, 3, 1);
    parquet_thrift_end(&thrift);
    cr_assert(parquet_thrift_finish(&thrift) == -1);
    cr_assert(error.kind == ERROR_REJECT);
    bytes_free(&out);
}

/* The reader that the tests of files rely on reads what is written here. */
Test(parquet_thrift, is_read_back)
{
    begin();
    parquet_thrift_i64(&thrift, 1, -5);
    parquet_thrift_list(&thrift, 2, PARQUET_THRIFT_STRUCT, 2);
    for (int i = 0; i < 2; i++) {
        parquet_thrift_add_struct(&thrift);
        parquet_thrift_binary(&thrift, 3, i ? "two" : "one", 3);
        parquet_thrift_bool(&thrift, 4, i);
        parquet_thrift_end(&thrift);
    }
    parquet_thrift_end(&thrift);
    const struct slice text = bytes_slice(&out);
    cr_assert_eq(thrift_integer(text, PATH(1)), -5);
    cr_assert_eq(thrift_integer(text, PATH(2)), 2);
    cr_assert(slice_is(thrift_bytes(text, PATH(2, 1, 3)), "two"));
    cr_assert_eq(thrift_integer(text, PATH(2, 0, 4)), 0);
    cr_assert_eq(thrift_integer(text, PATH(2, 1, 4)), 1);
    cr_assert(!thrift_find(text, PATH(3)).there);
    bytes_free(&out);
}
