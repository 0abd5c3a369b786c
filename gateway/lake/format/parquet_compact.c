/* parquet_compact: see parquet_compact.h. */
#include "lake/format/parquet_compact.h"

enum {
    COMPACT_TRUE = 1,
    COMPACT_FALSE = 2,
    COMPACT_BYTE = 3,
    COMPACT_I16 = 4,
    COMPACT_I32 = 5,
    COMPACT_I64 = 6,
    COMPACT_DOUBLE = 7,
    COMPACT_BINARY = 8,
    COMPACT_LIST = 9,
    COMPACT_STRUCT = 12
};

#define COMPACT_DEPTH_MAX 8
#define COMPACT_LONG_LIST 15

static void compact_drop(struct parquet_compact *compact, uint64_t length)
{
    if (length > compact->left.length) {
        compact->broken = true;
        compact->left.length = 0;
        return;
    }
    compact->left.data += length;
    compact->left.length -= (size_t)length;
}

static unsigned compact_byte(struct parquet_compact *compact)
{
    const unsigned byte = compact->left.length ? (unsigned char)*compact->left.data : 0;

    compact_drop(compact, 1);
    return byte;
}

static uint64_t compact_varint(struct parquet_compact *compact)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64; shift += 7) {
        const unsigned byte = compact_byte(compact);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return value;
    }
    compact->broken = true;
    return 0;
}

int64_t parquet_compact_integer(struct parquet_compact *compact)
{
    const uint64_t value = compact_varint(compact);

    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

bool parquet_compact_field(struct parquet_compact *compact, int *id, unsigned *ret_type)
{
    const unsigned head = compact_byte(compact);

    *ret_type = head & 15;
    if (!*ret_type || compact->broken)
        return false;
    *id = head >> 4 ? *id + (int)(head >> 4) : (int)parquet_compact_integer(compact);
    return true;
}

uint64_t parquet_compact_list(struct parquet_compact *compact, unsigned *ret_type)
{
    const unsigned head = compact_byte(compact);

    *ret_type = head & 15;
    const uint64_t count = head >> 4 < COMPACT_LONG_LIST ? head >> 4 : compact_varint(compact);
    return compact->broken ? 0 : count;
}

/* A structure that has been begun, or a list and what is left of it. */
struct compact_level {
    bool list;
    unsigned type;
    uint64_t count;
};

/* Of a list's elements, booleans take a byte; those of a structure are in their field's head. */
static void compact_enter(
    struct parquet_compact *compact, unsigned type, bool element, struct compact_level *levels, size_t *depth)
{
    if (type == COMPACT_STRUCT || type == COMPACT_LIST) {
        struct compact_level level = {.list = type == COMPACT_LIST};
        if (level.list)
            level.count = parquet_compact_list(compact, &level.type);
        if (*depth == COMPACT_DEPTH_MAX)
            compact->broken = true;
        else
            levels[(*depth)++] = level;
    } else if (type == COMPACT_BINARY) {
        compact_drop(compact, compact_varint(compact));
    } else if (type == COMPACT_I16 || type == COMPACT_I32 || type == COMPACT_I64) {
        compact_varint(compact);
    } else if (type == COMPACT_TRUE || type == COMPACT_FALSE) {
        compact_drop(compact, element);
    } else {
        compact_drop(compact, type == COMPACT_DOUBLE ? 8 : 1);
        compact->broken = compact->broken || (type != COMPACT_DOUBLE && type != COMPACT_BYTE);
    }
}

void parquet_compact_skip(struct parquet_compact *compact, unsigned type)
{
    struct compact_level levels[COMPACT_DEPTH_MAX];
    size_t depth = 0;

    compact_enter(compact, type, false, levels, &depth);
    while (depth && !compact->broken) {
        struct compact_level *level = &levels[depth - 1];
        int id = 0;
        if (level->list ? !level->count-- : !parquet_compact_field(compact, &id, &level->type))
            depth--;
        else
            compact_enter(compact, level->type, level->list, levels, &depth);
    }
}
