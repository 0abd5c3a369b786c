/* parquet_thrift: see parquet_thrift.h. */
#include "lake/format/parquet_thrift.h"

#include <assert.h>

enum { THRIFT_TRUE = 1, THRIFT_FALSE = 2, THRIFT_I16 = 4, THRIFT_LIST = 9 };

void parquet_thrift_begin(struct parquet_thrift *thrift, struct bytes *out, struct error *error)
{
    *thrift = (struct parquet_thrift){.out = out, .error = error};
}

int parquet_thrift_finish(const struct parquet_thrift *thrift)
{
    return thrift->failed ? -1 : 0;
}

void parquet_thrift_add_raw(struct parquet_thrift *thrift, const void *data, size_t length)
{
    if (!thrift->failed && bytes_add(thrift->out, data, length, thrift->error))
        thrift->failed = true;
}

static void thrift_byte(struct parquet_thrift *thrift, unsigned value)
{
    const char byte = (char)value;

    parquet_thrift_add_raw(thrift, &byte, 1);
}

static void thrift_varint(struct parquet_thrift *thrift, uint64_t value)
{
    char text[10];
    size_t length = 0;

    for (; value > 0x7f; value >>= 7)
        text[length++] = (char)(value | 0x80);
    text[length++] = (char)value;
    parquet_thrift_add_raw(thrift, text, length);
}

static void thrift_field(struct parquet_thrift *thrift, int id, unsigned type)
{
    const int difference = id - thrift->last[thrift->depth];

    assert(difference > 0 && difference <= 15);
    thrift_byte(thrift, (unsigned)difference << 4 | type);
    thrift->last[thrift->depth] = id;
}

void parquet_thrift_add_integer(struct parquet_thrift *thrift, int64_t value)
{
    thrift_varint(thrift, (uint64_t)value << 1 ^ (uint64_t)(value >> 63));
}

void parquet_thrift_i16(struct parquet_thrift *thrift, int id, int16_t value)
{
    thrift_field(thrift, id, THRIFT_I16);
    parquet_thrift_add_integer(thrift, value);
}

void parquet_thrift_i32(struct parquet_thrift *thrift, int id, int32_t value)
{
    thrift_field(thrift, id, PARQUET_THRIFT_I32);
    parquet_thrift_add_integer(thrift, value);
}

void parquet_thrift_i64(struct parquet_thrift *thrift, int id, int64_t value)
{
    thrift_field(thrift, id, PARQUET_THRIFT_I64);
    parquet_thrift_add_integer(thrift, value);
}

void parquet_thrift_bool(struct parquet_thrift *thrift, int id, bool value)
{
    thrift_field(thrift, id, value ? THRIFT_TRUE : THRIFT_FALSE);
}

void parquet_thrift_binary(struct parquet_thrift *thrift, int id, const void *data, size_t length)
{
    thrift_field(thrift, id, PARQUET_THRIFT_BINARY);
    parquet_thrift_add_binary(thrift, data, length);
}

void parquet_thrift_struct(struct parquet_thrift *thrift, int id)
{
    thrift_field(thrift, id, PARQUET_THRIFT_STRUCT);
    parquet_thrift_add_struct(thrift);
}

void parquet_thrift_end(struct parquet_thrift *thrift)
{
    thrift_byte(thrift, 0);
    if (thrift->depth)
        thrift->depth--;
}

void parquet_thrift_list(struct parquet_thrift *thrift, int id, enum parquet_thrift_type type, size_t count)
{
    thrift_field(thrift, id, THRIFT_LIST);
    if (count < 15) {
        thrift_byte(thrift, (unsigned)count << 4 | type);
        return;
    }
    thrift_byte(thrift, 0xf0 | type);
    thrift_varint(thrift, count);
}

void parquet_thrift_add_bool(struct parquet_thrift *thrift, bool value)
{
    thrift_byte(thrift, value ? THRIFT_TRUE : THRIFT_FALSE);
}

void parquet_thrift_add_binary(struct parquet_thrift *thrift, const void *data, size_t length)
{
    thrift_varint(thrift, length);
    parquet_thrift_add_raw(thrift, data, length);
}

void parquet_thrift_add_struct(struct parquet_thrift *thrift)
{
    assert(thrift->depth + 1 < PARQUET_THRIFT_DEPTH_MAX);
    thrift->last[++thrift->depth] = 0;
}
