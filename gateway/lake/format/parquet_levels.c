/* parquet_levels: see parquet_levels.h. */
#include "lake/format/parquet_levels.h"

#include <assert.h>

#include "base/little.h"

#define LEVELS_GROUP 8 /* values that are packed together */
/* Of one bit-packed run; its head stays within two bytes. */
#define LEVELS_PACKED_GROUPS_MAX 8191
#define LEVELS_HEAD_MAX 10

#define levels_inline static inline __attribute__((always_inline))

unsigned parquet_levels_width(uint32_t most)
{
    return most ? 32 - (unsigned)__builtin_clz(most) : 0;
}

static char *levels_put_varint(char *at, uint64_t value)
{
    for (; value > 0x7f; value >>= 7)
        *at++ = (char)(value | 0x80);
    *at++ = (char)value;
    return at;
}

/* Values are bytes or numbers of 32 bits; which is known where this is inlined. */
levels_inline uint32_t levels_at(const void *values, size_t size, size_t i)
{
    return size == 1 ? ((const uint8_t *)values)[i] : ((const uint32_t *)values)[i];
}

levels_inline size_t levels_run(const void *values, size_t size, size_t from, size_t count)
{
    const uint32_t value = levels_at(values, size, from);
    size_t i = from + 1;

    while (i < count && levels_at(values, size, i) == value)
        i++;
    return i - from;
}

/* Eight values become width bytes; what lies behind count is packed as zeros. May write 8 bytes more than that. */
levels_inline char *levels_pack(
    char *at, const void *values, size_t size, size_t from, size_t count, unsigned width)
{
    uint64_t bits = 0;
    unsigned held = 0;

    for (size_t i = from; i < from + LEVELS_GROUP; i++) {
        bits |= (uint64_t)(i < count ? levels_at(values, size, i) : 0) << held;
        held += width;
        if (held >= 32) {
            put_u32(at, (uint32_t)bits);
            at += 4;
            bits >>= 32;
            held -= 32;
        }
    }
    put_u32(at, (uint32_t)bits);
    return at + held / 8;
}

static char *levels_put_run(char *at, uint32_t value, size_t count, unsigned width)
{
    at = levels_put_varint(at, (uint64_t)count << 1);
    for (unsigned bits = 0; bits < width; bits += 8)
        *at++ = (char)(value >> bits);
    return at;
}

/* How many equal values are worth the two heads that a run of them costs. */
static size_t levels_run_least(unsigned width)
{
    return LEVELS_GROUP * ((width + 3) / (width ? width : 1));
}

levels_inline int levels_encode(
    struct bytes *out, const void *values, size_t size, size_t count, unsigned width, struct error *error)
{
    const size_t least = levels_run_least(width), groups = count / LEVELS_GROUP + 1;

    assert(count <= INT32_MAX && width < 32);
    /* No run takes more than its values packed, but for its head; a head comes with at least one group. */
    if (bytes_reserve(out, groups * (width + 4) + LEVELS_HEAD_MAX + sizeof(uint64_t), error))
        return -1;
    char *at = out->data + out->length;
    for (size_t i = 0; i < count;) {
        size_t run = levels_run(values, size, i, count);
        if (run >= least || i + run == count) {
            at = levels_put_run(at, levels_at(values, size, i), run, width);
            i += run;
            continue;
        }
        const size_t from = i;
        while (i < count && i - from < LEVELS_PACKED_GROUPS_MAX * LEVELS_GROUP &&
               (i == from || levels_run(values, size, i, i + least < count ? i + least : count) < least))
            i += LEVELS_GROUP;
        const size_t packed = (i - from) / LEVELS_GROUP;
        at = levels_put_varint(at, (uint64_t)packed << 1 | 1);
        for (size_t group = 0; group < packed; group++)
            at = levels_pack(at, values, size, from + group * LEVELS_GROUP, count, width);
    }
    out->length = (size_t)(at - out->data);
    return 0;
}

int parquet_levels_add(
    struct bytes *out, const uint8_t *values, size_t count, unsigned width, struct error *error)
{
    return levels_encode(out, values, 1, count, width, error);
}

int parquet_levels_add_indexes(
    struct bytes *out, const uint32_t *values, size_t count, unsigned width, struct error *error)
{
    return levels_encode(out, values, sizeof(*values), count, width, error);
}

int parquet_levels_repeat(struct bytes *out, uint8_t value, size_t count, struct error *error)
{
    if (bytes_reserve(out, LEVELS_HEAD_MAX + 1, error))
        return -1;
    out->length = (size_t)(levels_put_run(out->data + out->length, value, count, 8) - out->data);
    return 0;
}

int parquet_levels_add_bits(struct bytes *out, const uint8_t *values, size_t count, struct error *error)
{
    const size_t length = (count + 7) / 8;

    if (bytes_reserve(out, length + sizeof(uint64_t), error))
        return -1;
    char *at = out->data + out->length;
    for (size_t i = 0; i < count; i += LEVELS_GROUP)
        at = levels_pack(at, values, 1, i, count, 1);
    out->length += length;
    return 0;
}

/* ---- read ------------------------------------------------------------------------------------------------------------------- */

static bool levels_take_head(struct slice *runs, uint64_t *ret_head)
{
    uint64_t head = 0;

    for (unsigned i = 0; runs->length && i < LEVELS_HEAD_MAX; i++) {
        const unsigned char byte = (unsigned char)*runs->data++;
        runs->length--;
        head |= (uint64_t)(byte & 0x7f) << 7 * i;
        if (!(byte & 0x80)) {
            *ret_head = head;
            return true;
        }
    }
    return false;
}

static uint32_t levels_take_packed(const char *data, size_t index, unsigned width)
{
    uint64_t value = 0;
    const size_t bit = index * width;

    for (size_t at = bit / 8, have = 0; have < width + bit % 8; at++, have += 8)
        value |= (uint64_t)(unsigned char)data[at] << have;
    return (uint32_t)(value >> bit % 8 & ((UINT64_C(1) << width) - 1));
}

levels_inline void levels_set(void *values, size_t size, size_t i, uint32_t value)
{
    if (size == 1)
        ((uint8_t *)values)[i] = (uint8_t)value;
    else
        ((uint32_t *)values)[i] = value;
}

levels_inline bool levels_decode(struct slice runs, unsigned width, void *values, size_t size, size_t count)
{
    for (size_t i = 0; i < count;) {
        uint64_t head;
        if (!levels_take_head(&runs, &head) || !(head >> 1) || head >> 33)
            return false;
        const bool packed = head & 1;
        const uint64_t have = packed ? (head >> 1) * LEVELS_GROUP : head >> 1;
        const uint64_t bytes = packed ? (head >> 1) * width : (width + 7) / 8;
        if (bytes > runs.length)
            return false;
        const size_t take = have < count - i ? (size_t)have : count - i;
        const uint32_t value = packed ? 0 : levels_take_packed(runs.data, 0, width);
        for (size_t k = 0; k < take; k++)
            levels_set(values, size, i + k, packed ? levels_take_packed(runs.data, k, width) : value);
        i += take;
        runs.data += bytes;
        runs.length -= (size_t)bytes;
    }
    return true;
}

bool parquet_levels_take(struct slice runs, unsigned width, uint8_t *ret_values, size_t count)
{
    return levels_decode(runs, width, ret_values, sizeof *ret_values, count);
}

bool parquet_levels_take_indexes(struct slice runs, unsigned width, uint32_t *ret_values, size_t count)
{
    return levels_decode(runs, width, ret_values, sizeof *ret_values, count);
}
