/* parquet_statistics: see parquet_statistics.h. */
#include "lake/format/parquet_statistics.h"

#include <endian.h>
#include <math.h>

/* ---- order ---------------------------------------------------------------------------------------------------------------- */

#define STATISTICS_COMPARE(kind)                \
    do {                                        \
        kind left, right;                       \
        memcpy(&left, a.data, sizeof(left));    \
        memcpy(&right, b.data, sizeof(right));  \
        return (left > right) - (left < right); \
    } while (0)

int parquet_statistics_compare(const struct parquet_type *type, struct slice a, struct slice b)
{
    if (type->physical == PARQUET_INT32)
        STATISTICS_COMPARE(int32_t);
    if (type->physical == PARQUET_INT64)
        STATISTICS_COMPARE(int64_t);
    if (type->physical == PARQUET_FLOAT)
        STATISTICS_COMPARE(float);
    if (type->physical == PARQUET_DOUBLE)
        STATISTICS_COMPARE(double);
    if (type->logical == PARQUET_DECIMAL && (a.data[0] ^ b.data[0]) & 0x80)
        return a.data[0] & 0x80 ? -1 : 1;
    const size_t common = a.length < b.length ? a.length : b.length;
    const int order = common ? memcmp(a.data, b.data, common) : 0;
    return order ? order : (a.length > b.length) - (a.length < b.length);
}

/* ---- taking values in ------------------------------------------------------------------------------------------------------ */

static void statistics_set_min(struct parquet_statistics *statistics, struct slice value)
{
    statistics->min_cut = value.length > PARQUET_BOUND_MAX;
    statistics->min_length = (uint8_t)(statistics->min_cut ? PARQUET_BOUND_MAX : value.length);
    if (value.length)
        memcpy(statistics->min, value.data, statistics->min_length);
}

static void statistics_set_max(struct parquet_statistics *statistics, struct slice value)
{
    statistics->max_cut = value.length > PARQUET_BOUND_MAX;
    statistics->max_length = (uint8_t)(statistics->max_cut ? PARQUET_BOUND_MAX : value.length);
    if (value.length)
        memcpy(statistics->max, value.data, statistics->max_length);
}

static struct slice statistics_kept(struct slice value)
{
    return (struct slice){value.data, value.length > PARQUET_BOUND_MAX ? PARQUET_BOUND_MAX : value.length};
}

/* Of values that begin alike the shortest is the least one, and any that was cut is greater than those that were not. */
static void statistics_take(
    struct parquet_statistics *statistics, const struct parquet_type *type, struct slice value)
{
    const struct slice kept = statistics_kept(value);

    if (!statistics->any) {
        statistics->any = true;
        statistics_set_min(statistics, value);
        statistics_set_max(statistics, value);
        return;
    }
    int order =
        parquet_statistics_compare(type, kept, (struct slice){statistics->min, statistics->min_length});
    if (order < 0 || (order == 0 && statistics->min_cut))
        statistics_set_min(statistics, value);
    order = parquet_statistics_compare(type, kept, (struct slice){statistics->max, statistics->max_length});
    if (order > 0 || (order == 0 && !statistics->max_cut))
        statistics_set_max(statistics, value);
}

/* The least and the greatest of values that the machine can compare, then one look at the bounds. */
#define STATISTICS_SCAN(kind)                                                                         \
    do {                                                                                              \
        const kind *all = (const kind *)values->fixed;                                                \
        kind least = all[0], greatest = all[0];                                                       \
        for (size_t i = 1; i < values->count; i++) {                                                  \
            least = all[i] < least ? all[i] : least;                                                  \
            greatest = all[i] > greatest ? all[i] : greatest;                                         \
        }                                                                                             \
        statistics_take(statistics, type, (struct slice){(const char *)&least, sizeof(least)});       \
        statistics_take(statistics, type, (struct slice){(const char *)&greatest, sizeof(greatest)}); \
    } while (0)

/* A comparison with NaN is false: NaNs never win. Least is greater than greatest while there were only NaNs. */
#define STATISTICS_SCAN_FLOATS(kind, infinity)                                                        \
    do {                                                                                              \
        const kind *all = (const kind *)values->fixed;                                                \
        kind least = infinity, greatest = -infinity;                                                  \
        size_t nans = 0;                                                                              \
        for (size_t i = 0; i < values->count; i++) {                                                  \
            least = all[i] < least ? all[i] : least;                                                  \
            greatest = all[i] > greatest ? all[i] : greatest;                                         \
            nans += all[i] != all[i];                                                                 \
        }                                                                                             \
        statistics->nans += nans;                                                                     \
        if (nans == values->count)                                                                    \
            return;                                                                                   \
        statistics_take(statistics, type, (struct slice){(const char *)&least, sizeof(least)});       \
        statistics_take(statistics, type, (struct slice){(const char *)&greatest, sizeof(greatest)}); \
    } while (0)

static void statistics_add_floats(struct parquet_statistics *statistics, const struct parquet_type *type,
    const struct parquet_values *values)
{
    if (type->physical == PARQUET_FLOAT)
        STATISTICS_SCAN_FLOATS(float, HUGE_VALF);
    else
        STATISTICS_SCAN_FLOATS(double, HUGE_VAL);
}

typedef unsigned __int128 statistics_prefix;

static uint64_t statistics_load(const char *data)
{
    uint64_t word;

    memcpy(&word, data, sizeof(word));
    return be64toh(word);
}

/* The first 16 bytes as a number that is in their order; a shorter value is filled up with zeros. Loads overlap where there are less than
 * what is loaded twice. */
static inline statistics_prefix statistics_prefix_of(const char *data, size_t length)
{
    uint32_t head, tail;

    if (length >= 16)
        return (statistics_prefix)statistics_load(data) << 64 | statistics_load(data + 8);
    if (length >= 8)
        return (statistics_prefix)statistics_load(data) << 64 |
               (statistics_prefix)statistics_load(data + length - 8) << (128 - 8 * length);
    if (length >= 4) {
        memcpy(&head, data, sizeof(head));
        memcpy(&tail, data + length - 4, sizeof(tail));
        return (statistics_prefix)((uint64_t)be32toh(head) << 32 | (uint64_t)be32toh(tail)
                                                                       << (64 - 8 * length))
               << 64;
    }
    uint64_t prefix = 0;
    for (size_t i = 0; i < length; i++)
        prefix |= (uint64_t)(unsigned char)data[i] << (56 - 8 * i);
    return (statistics_prefix)prefix << 64;
}

/* Most values are told to be within the bounds by their first bytes. */
static void statistics_add_bytes(struct parquet_statistics *statistics, const struct parquet_type *type,
    const struct parquet_values *values)
{
    statistics_prefix least = ~(statistics_prefix)0, greatest = 0;
    uint32_t begin = values->begin;

    if (statistics->any) {
        least = statistics_prefix_of(statistics->min, statistics->min_length);
        greatest = statistics_prefix_of(statistics->max, statistics->max_length);
    }
    for (size_t i = 0; i < values->count; begin = values->ends[i++]) {
        const struct slice value = {values->data + begin, values->ends[i] - begin};
        const statistics_prefix prefix = statistics_prefix_of(value.data, value.length);
        if (prefix > least && prefix < greatest)
            continue;
        statistics_take(statistics, type, value);
        least = statistics_prefix_of(statistics->min, statistics->min_length);
        greatest = statistics_prefix_of(statistics->max, statistics->max_length);
    }
}

/* A decimal's sign is the first bit, and turned round it orders as all others do. */
static void statistics_add_wide(struct parquet_statistics *statistics, const struct parquet_type *type,
    const struct parquet_values *values)
{
    const statistics_prefix sign = type->logical == PARQUET_DECIMAL ? (statistics_prefix)1 << 127 : 0;
    statistics_prefix least = ~(statistics_prefix)0, greatest = 0;
    size_t first = 0, last = 0;

    for (size_t i = 0; i < values->count; i++) {
        const statistics_prefix value = statistics_prefix_of(values->fixed + i * 16, 16) ^ sign;
        if (value <= least) {
            least = value;
            first = i;
        }
        if (value >= greatest) {
            greatest = value;
            last = i;
        }
    }
    statistics_take(statistics, type, (struct slice){values->fixed + first * 16, 16});
    statistics_take(statistics, type, (struct slice){values->fixed + last * 16, 16});
}

void parquet_statistics_add(struct parquet_statistics *statistics, const struct parquet_type *type,
    const struct parquet_values *values)
{
    if (!values->count)
        return;
    switch (type->physical) {
    case PARQUET_BOOLEAN:
        STATISTICS_SCAN(uint8_t);
        break;
    case PARQUET_INT32:
        STATISTICS_SCAN(int32_t);
        break;
    case PARQUET_INT64:
        STATISTICS_SCAN(int64_t);
        break;
    case PARQUET_FLOAT:
    case PARQUET_DOUBLE:
        statistics_add_floats(statistics, type, values);
        break;
    case PARQUET_BYTE_ARRAY:
        statistics_add_bytes(statistics, type, values);
        break;
    case PARQUET_FIXED:
        statistics_add_wide(statistics, type, values);
        break;
    }
}

void parquet_statistics_merge(struct parquet_statistics *statistics, const struct parquet_type *type,
    const struct parquet_statistics *other)
{
    if (other->any && !statistics->any) {
        const uint64_t nans = statistics->nans + other->nans;
        *statistics = *other;
        statistics->nans = nans;
        return;
    }
    statistics->nans += other->nans;
    if (!other->any)
        return;
    const struct slice min = {other->min, other->min_length}, max = {other->max, other->max_length};
    int order =
        parquet_statistics_compare(type, min, (struct slice){statistics->min, statistics->min_length});
    if (order < 0 || (order == 0 && !other->min_cut)) {
        statistics_set_min(statistics, min);
        statistics->min_cut = other->min_cut;
    }
    order = parquet_statistics_compare(type, max, (struct slice){statistics->max, statistics->max_length});
    if (order > 0 || (order == 0 && other->max_cut)) {
        statistics_set_max(statistics, max);
        statistics->max_cut = other->max_cut;
    }
}

/* ---- bounds as they are written ---------------------------------------------------------------------------------------------- */

/* Where the last character of text begins, and what it is. */
static size_t statistics_last_character(const char *data, size_t length, uint32_t *ret_character)
{
    size_t begin = length - 1;

    while (begin && length - begin < 4 && ((unsigned char)data[begin] & 0xc0) == 0x80)
        begin--;
    const unsigned char lead = (unsigned char)data[begin];
    uint32_t character = lead < 0x80   ? lead
                         : lead < 0xe0 ? lead & 0x1fu
                         : lead < 0xf0 ? lead & 0x0fu
                                       : lead & 0x07u;
    for (size_t i = begin + 1; i < length; i++)
        character = character << 6 | ((unsigned char)data[i] & 0x3fu);
    *ret_character = character;
    return begin;
}

static size_t statistics_character_length(unsigned char lead)
{
    return lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

/* Half of a character at the end goes. */
static void statistics_whole_characters(struct parquet_bound *bound)
{
    uint32_t character;
    const size_t begin = statistics_last_character(bound->data, bound->length, &character);
    if (begin + statistics_character_length((unsigned char)bound->data[begin]) > bound->length)
        bound->length = (uint8_t)begin;
}

static size_t statistics_put_character(char *at, uint32_t character)
{
    if (character < 0x80) {
        at[0] = (char)character;
        return 1;
    }
    if (character < 0x800) {
        at[0] = (char)(0xc0 | character >> 6);
        at[1] = (char)(0x80 | (character & 0x3f));
        return 2;
    }
    if (character < 0x10000) {
        at[0] = (char)(0xe0 | character >> 12);
        at[1] = (char)(0x80 | (character >> 6 & 0x3f));
        at[2] = (char)(0x80 | (character & 0x3f));
        return 3;
    }
    at[0] = (char)(0xf0 | character >> 18);
    at[1] = (char)(0x80 | (character >> 12 & 0x3f));
    at[2] = (char)(0x80 | (character >> 6 & 0x3f));
    at[3] = (char)(0x80 | (character & 0x3f));
    return 4;
}

/* The least text that is greater than all that begin with the bound: its last character becomes the next one. */
static bool statistics_raise_text(struct parquet_bound *bound)
{
    while (bound->length) {
        uint32_t character;
        const size_t begin = statistics_last_character(bound->data, bound->length, &character);
        if (character < 0x10ffff) {
            character = character == 0xd7ff ? 0xe000 : character + 1;
            bound->length = (uint8_t)(begin + statistics_put_character(bound->data + begin, character));
            return true;
        }
        bound->length = (uint8_t)begin;
    }
    return false;
}

static bool statistics_raise_bytes(struct parquet_bound *bound)
{
    while (bound->length) {
        if ((unsigned char)bound->data[bound->length - 1] < 0xff) {
            bound->data[bound->length - 1]++;
            return true;
        }
        bound->length--;
    }
    return false;
}

/* Zeros of both signs are equal, and readers that tell them apart must find both within the bounds. */
static void statistics_zero(struct parquet_bound *bound, const struct parquet_type *type, bool negative)
{
    static const char zeros[sizeof(double)];

    if (type->physical != PARQUET_FLOAT && type->physical != PARQUET_DOUBLE)
        return;
    const struct slice zero = {zeros, bound->length};
    if (parquet_statistics_compare(type, (struct slice){bound->data, bound->length}, zero))
        return;
    memset(bound->data, 0, bound->length);
    if (negative)
        bound->data[bound->length - 1] = (char)0x80;
}

bool parquet_statistics_bounds(struct parquet_bound *ret_min, struct parquet_bound *ret_max,
    const struct parquet_statistics *statistics, const struct parquet_type *type)
{
    struct parquet_bound min = {.length = statistics->min_length, .exact = !statistics->min_cut};
    struct parquet_bound max = {.length = statistics->max_length, .exact = !statistics->max_cut};
    const bool text = type->logical == PARQUET_STRING;

    if (!statistics->any)
        return false;
    memcpy(min.data, statistics->min, min.length);
    memcpy(max.data, statistics->max, max.length);
    statistics_zero(&min, type, true);
    statistics_zero(&max, type, false);
    if (statistics->min_cut && text)
        statistics_whole_characters(&min);
    if (statistics->max_cut) {
        if (text)
            statistics_whole_characters(&max);
        if (!(text ? statistics_raise_text(&max) : statistics_raise_bytes(&max)))
            return false;
    }
    *ret_min = min;
    *ret_max = max;
    return true;
}
