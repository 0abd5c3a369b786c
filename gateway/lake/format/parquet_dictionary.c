/* parquet_dictionary: see parquet_dictionary.h. */
#include "lake/format/parquet_dictionary.h"

#include <stdlib.h>

#include "base/little.h"

#define DICTIONARY_FIRST_LIMIT 64
#define DICTIONARY_PROBES_MAX 64
#define DICTIONARY_BLOCK 32 /* values whose places are asked for together */

#define DICTIONARY_KEY_A UINT64_C(0x9e3779b97f4a7c15)
#define DICTIONARY_KEY_B UINT64_C(0xd6e8feb86659fd93)

#define dictionary_inline static inline __attribute__((always_inline))

void parquet_dictionary_init(
    struct parquet_dictionary *dictionary, uint8_t width, struct parquet_budget *budget)
{
    *dictionary = (struct parquet_dictionary){.budget = budget, .width = width};
    bytes_init(&dictionary->data, PARQUET_DICTIONARY_MAX);
}

void parquet_dictionary_free(struct parquet_dictionary *dictionary)
{
    struct parquet_budget *budget = dictionary->budget;

    if (!budget)
        return;
    budget->used -= dictionary->memory;
    free(dictionary->slots);
    free(dictionary->begins);
    bytes_free(&dictionary->data);
    parquet_dictionary_init(dictionary, dictionary->width, budget);
}

/* ---- hashes ----------------------------------------------------------------------------------------------------------------- */

/* Both halves of a product of 128 bits, folded. */
dictionary_inline uint64_t dictionary_fold(uint64_t a, uint64_t b)
{
    const unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

dictionary_inline uint64_t dictionary_hash(const char *data, size_t length)
{
    uint64_t hash = length * DICTIONARY_KEY_A;

    for (; length > 16; data += 16, length -= 16)
        hash = dictionary_fold(hash ^ get_u64(data) ^ DICTIONARY_KEY_A, get_u64(data + 8) ^ DICTIONARY_KEY_B);
    uint64_t first = 0, last = 0;
    if (length >= 8) {
        first = get_u64(data);
        last = get_u64(data + length - 8);
    } else if (length >= 4) {
        first = get_u32(data);
        last = get_u32(data + length - 4);
    } else if (length) {
        first = (uint64_t)(unsigned char)data[0] << 16 | (uint64_t)(unsigned char)data[length / 2] << 8 |
                (unsigned char)data[length - 1];
    }
    hash = dictionary_fold(hash ^ first ^ DICTIONARY_KEY_A, last ^ DICTIONARY_KEY_B);
    return dictionary_fold(hash, DICTIONARY_KEY_A);
}

uint64_t parquet_dictionary_hash(struct slice value)
{
    return dictionary_hash(value.data, value.length);
}

/* ---- growth ----------------------------------------------------------------------------------------------------------------- */

static bool dictionary_charge(struct parquet_dictionary *dictionary, size_t more)
{
    struct parquet_budget *budget = dictionary->budget;

    if (budget->used + more > budget->max && dictionary->memory + more > budget->share)
        return false;
    budget->used += more;
    dictionary->memory += more;
    return true;
}

static uint64_t dictionary_hash_of(const struct parquet_dictionary *dictionary, uint32_t index)
{
    const char *data = dictionary->data.data;

    if (dictionary->width)
        return dictionary_hash(data + (size_t)index * dictionary->width, dictionary->width);
    data += dictionary->begins[index];
    return dictionary_hash(data + sizeof(uint32_t), get_u32(data));
}

static void dictionary_fill(struct parquet_dictionary *dictionary, uint64_t *slots, uint64_t mask)
{
    for (uint32_t i = 0; i < dictionary->count; i++) {
        const uint64_t hash = dictionary_hash_of(dictionary, i);
        uint64_t at = hash & mask;
        while (slots[at])
            at = (at + 1) & mask;
        slots[at] = (hash >> 32) << 32 | (i + 1);
    }
}

/* false: there is no room. A dictionary that gets no memory is one that is full. */
static bool dictionary_grow(struct parquet_dictionary *dictionary)
{
    const uint32_t limit = dictionary->limit ? dictionary->limit * 2 : DICTIONARY_FIRST_LIMIT;
    const size_t each = 2 * sizeof(uint64_t) + (dictionary->width ? 0 : sizeof(uint32_t));

    if (limit > PARQUET_DICTIONARY_VALUES_MAX ||
        !dictionary_charge(dictionary, (limit - dictionary->limit) * each))
        return false;
    uint32_t *begins =
        dictionary->width ? NULL : realloc(dictionary->begins, limit * sizeof(*dictionary->begins));
    if (begins)
        dictionary->begins = begins;
    /* Not calloc(): a fresh page of zeros that is read first faults again when it is written, which interrupts the other threads. */
    uint64_t *slots = realloc(dictionary->slots, (size_t)limit * 2 * sizeof(*slots));
    if (slots)
        dictionary->slots = slots;
    if (!slots || (!dictionary->width && !begins))
        return false;
    memset(slots, 0, (size_t)limit * 2 * sizeof(*slots));
    dictionary_fill(dictionary, slots, (uint64_t)limit * 2 - 1);
    dictionary->limit = limit;
    return true;
}

/* Room for that many bytes more. */
static bool dictionary_reserve(struct parquet_dictionary *dictionary, size_t length)
{
    struct bytes *data = &dictionary->data;
    const size_t before = data->capacity;

    if (before - data->length >= length)
        return true;
    /* The buffer doubles; what it really came to is known behind it. */
    const size_t asked = before > length ? before : length;
    if (!dictionary_charge(dictionary, asked))
        return false;
    struct error error;
    const bool done = !bytes_reserve(data, length, &error);
    dictionary->budget->used += data->capacity - before - asked;
    dictionary->memory += data->capacity - before - asked;
    return done;
}

/* ---- finding ---------------------------------------------------------------------------------------------------------------- */

dictionary_inline bool dictionary_is(
    const struct parquet_dictionary *dictionary, uint32_t index, const char *value, size_t length, bool fixed)
{
    const char *data = dictionary->data.data;

    if (fixed)
        return memcmp(data + (size_t)index * length, value, length) == 0;
    data += dictionary->begins[index];
    return get_u32(data) == length && (!length || memcmp(data + sizeof(uint32_t), value, length) == 0);
}

static bool dictionary_add(
    struct parquet_dictionary *dictionary, const char *value, size_t length, bool fixed)
{
    struct bytes *data = &dictionary->data;

    if (dictionary->count == dictionary->limit ||
        !dictionary_reserve(dictionary, length + (fixed ? 0 : sizeof(uint32_t))))
        return false;
    if (!fixed) {
        dictionary->begins[dictionary->count] = (uint32_t)data->length;
        put_u32(data->data + data->length, (uint32_t)length);
        data->length += sizeof(uint32_t);
    }
    if (length)
        memcpy(data->data + data->length, value, length);
    data->length += length;
    dictionary->count++;
    return true;
}

/* The index of a value that may be new; UINT32_MAX: it is, and there is no room for it. */
dictionary_inline uint32_t dictionary_find(
    struct parquet_dictionary *dictionary, struct slice value, uint64_t hash, bool fixed)
{
    const uint64_t tag = hash >> 32, mask = (uint64_t)dictionary->limit * 2 - 1;
    uint64_t at = hash & mask;

    for (unsigned probes = 0; probes < DICTIONARY_PROBES_MAX; probes++, at = (at + 1) & mask) {
        const uint64_t slot = dictionary->slots[at];
        if (!slot) {
            if (!dictionary_add(dictionary, value.data, value.length, fixed))
                return UINT32_MAX;
            dictionary->slots[at] = tag << 32 | dictionary->count;
            return dictionary->count - 1;
        }
        if (slot >> 32 == tag &&
            dictionary_is(dictionary, (uint32_t)slot - 1, value.data, value.length, fixed))
            return (uint32_t)slot - 1;
    }
    return UINT32_MAX;
}

/* A table that is full may become a larger one. */
static uint32_t dictionary_find_grown(
    struct parquet_dictionary *dictionary, struct slice value, uint64_t hash, bool fixed)
{
    if (dictionary->count < dictionary->limit || !dictionary_grow(dictionary))
        return UINT32_MAX;
    return dictionary_find(dictionary, value, hash, fixed);
}

dictionary_inline struct slice dictionary_value(const struct parquet_values *values, size_t width, size_t i)
{
    return width ? (struct slice){values->fixed + i * width, width} : parquet_values_at(values, i);
}

/* Asks for what the slots of a block's values point to, should the first place be right. */
dictionary_inline void dictionary_ask(
    const struct parquet_dictionary *dictionary, const uint64_t *hashes, size_t count, size_t width)
{
    const uint64_t mask = (uint64_t)dictionary->limit * 2 - 1;

    for (size_t i = 0; i < count; i++) {
        const uint32_t found = (uint32_t)dictionary->slots[hashes[i] & mask];
        if (found)
            __builtin_prefetch(dictionary->data.data +
                               (width ? (size_t)(found - 1) * width : dictionary->begins[found - 1]));
    }
}

/* width is known where this is inlined. The places of several values are asked for before the first is looked at: a table of many
 * values is not in the nearest memory. */
dictionary_inline size_t dictionary_index(struct parquet_dictionary *dictionary,
    const struct parquet_values *values, size_t width, uint32_t *indexes)
{
    uint64_t hashes[DICTIONARY_BLOCK];

    for (size_t from = 0; from < values->count; from += DICTIONARY_BLOCK) {
        const size_t left = values->count - from, count = left < DICTIONARY_BLOCK ? left : DICTIONARY_BLOCK;
        const uint64_t mask = (uint64_t)dictionary->limit * 2 - 1;
        for (size_t i = 0; i < count; i++) {
            const struct slice value = dictionary_value(values, width, from + i);
            hashes[i] = dictionary_hash(value.data, value.length);
            __builtin_prefetch(&dictionary->slots[hashes[i] & mask]);
        }
        dictionary_ask(dictionary, hashes, count, width);
        for (size_t i = 0; i < count; i++) {
            const struct slice value = dictionary_value(values, width, from + i);
            uint32_t index = dictionary_find(dictionary, value, hashes[i], width > 0);
            if (index == UINT32_MAX)
                index = dictionary_find_grown(dictionary, value, hashes[i], width > 0);
            if (index == UINT32_MAX)
                return from + i;
            indexes[from + i] = index;
        }
    }
    return values->count;
}

size_t parquet_dictionary_index(
    struct parquet_dictionary *dictionary, const struct parquet_values *values, uint32_t *indexes)
{
    if (!dictionary->limit && !dictionary_grow(dictionary))
        return 0;
    if (dictionary->width == 4)
        return dictionary_index(dictionary, values, 4, indexes);
    if (dictionary->width == 8)
        return dictionary_index(dictionary, values, 8, indexes);
    if (dictionary->width == 16)
        return dictionary_index(dictionary, values, 16, indexes);
    return dictionary_index(dictionary, values, 0, indexes);
}

int parquet_dictionary_copy(const struct parquet_dictionary *dictionary, const uint32_t *indexes,
    size_t count, size_t length, struct bytes *out, struct error *error)
{
    const char *data = dictionary->data.data;

    if (bytes_reserve(out, length, error))
        return -1;
    char *at = out->data + out->length;
    for (size_t i = 0; i < count; i++) {
        const char *value = data + (dictionary->width ? (size_t)indexes[i] * dictionary->width
                                                      : dictionary->begins[indexes[i]]);
        const size_t size = dictionary->width ? dictionary->width : sizeof(uint32_t) + get_u32(value);
        memcpy(at, value, size);
        at += size;
    }
    out->length += length;
    return 0;
}
