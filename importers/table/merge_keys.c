/* merge_keys: see merge_keys.h. Keys lie one behind the other, each as its length and its bytes; a slot has a key's place, counted from 1, and 24 bits of its hash. */
#include "table/merge_keys.h"

#include <stdint.h>
#include <stdlib.h>

#include "table/checksum.h"

#define KEYS_SLOTS 1024 /* at first; a power of two */
#define KEYS_PLACE_BITS 40
#define KEYS_PLACE ((UINT64_C(1) << KEYS_PLACE_BITS) - 1)

struct merge_keys {
    size_t limit;
    struct bytes keys, looked; /* looked: the key that is looked for, its fields with their lengths */
    uint64_t *slots;
    size_t slots_count, used;
};

int merge_keys_open(struct merge_keys **ret_keys, size_t limit, struct error *error)
{
    struct merge_keys *keys = calloc(1, sizeof *keys);
    uint64_t *slots = calloc(KEYS_SLOTS, sizeof *slots);

    if (!keys || !slots) {
        free(keys); /* GCOVR_EXCL_LINE out of memory */
        free(slots); /* GCOVR_EXCL_LINE out of memory */
        return error_set(error, ERROR_RETRY, "keys of changed rows: out of memory"); /* GCOVR_EXCL_LINE */
    }
    bytes_init(&keys->keys, limit);
    bytes_init(&keys->looked, limit);
    keys->limit = limit;
    keys->slots = slots;
    keys->slots_count = KEYS_SLOTS;
    *ret_keys = keys;
    return 0;
}

void merge_keys_close(struct merge_keys **keys)
{
    if (!*keys)
        return;
    bytes_free(&(*keys)->keys);
    bytes_free(&(*keys)->looked);
    free((*keys)->slots);
    free(*keys);
    *keys = NULL;
}

static struct slice keys_at(const struct merge_keys *keys, uint64_t slot)
{
    const char *place = keys->keys.data + (slot & KEYS_PLACE) - 1;
    uint32_t length;

    memcpy(&length, place, sizeof length);
    return (struct slice){place + sizeof length, length};
}

/* The slot that has the key, or would have it. */
static uint64_t *keys_slot(const struct merge_keys *keys, uint64_t hash, struct slice key)
{
    for (size_t at = hash & (keys->slots_count - 1);; at = (at + 1) & (keys->slots_count - 1)) {
        uint64_t *slot = &keys->slots[at];
        if (!*slot ||
            (*slot >> KEYS_PLACE_BITS == hash >> KEYS_PLACE_BITS && slice_equal(keys_at(keys, *slot), key)))
            return slot;
    }
}

static int keys_look(struct merge_keys *keys, const struct slice *fields, size_t count, uint64_t *ret_hash,
    struct error *error)
{
    bytes_clear(&keys->looked);
    for (size_t i = 0; i < count; i++) {
        const uint32_t length = (uint32_t)fields[i].length;
        if (bytes_add(&keys->looked, &length, sizeof length, error) ||
            bytes_add(&keys->looked, fields[i].data, fields[i].length, error))
            return error_wrap(error, "key of a row");
    }
    *ret_hash = checksum_row(keys->looked.data, keys->looked.length);
    return 0;
}

static int keys_grow(struct merge_keys *keys, struct error *error)
{
    const size_t count = 2 * keys->slots_count;
    uint64_t *old = keys->slots, *slots = calloc(count, sizeof *slots);

    if (!slots)
        return error_set(error, ERROR_RETRY, "keys of changed rows: out of memory"); /* GCOVR_EXCL_LINE */
    keys->slots = slots;
    for (size_t i = 0; i < keys->slots_count; i++) {
        if (!old[i])
            continue;
        const struct slice key = keys_at(keys, old[i]);
        size_t at = checksum_row(key.data, key.length) & (count - 1);
        while (slots[at])
            at = (at + 1) & (count - 1);
        slots[at] = old[i];
    }
    keys->slots_count = count;
    free(old);
    return 0;
}

/* While the slots grow, old and new ones are there. */
static bool keys_have_room(const struct merge_keys *keys, bool grows)
{
    const size_t slots = (grows ? 3 : 1) * keys->slots_count * sizeof *keys->slots;
    const size_t bytes = keys->keys.length + keys->looked.length + sizeof(uint32_t);

    return slots + bytes <= keys->limit;
}

int merge_keys_add(
    struct merge_keys *keys, const struct slice *fields, size_t count, bool *ret_new, struct error *error)
{
    const bool grows = 4 * (keys->used + 1) > 3 * keys->slots_count;
    uint64_t hash;

    if (keys_look(keys, fields, count, &hash, error))
        return -1;
    const struct slice key = bytes_slice(&keys->looked);
    *ret_new = !*keys_slot(keys, hash, key);
    if (!*ret_new)
        return 0;
    if (!keys_have_room(keys, grows))
        return error_set(error, ERROR_REJECT,
            "the keys of the rows that have changed need more than %zu MiB of memory", keys->limit >> 20);
    const uint32_t length = (uint32_t)key.length;
    const uint64_t place = keys->keys.length + 1;
    if ((grows && keys_grow(keys, error)) || bytes_add(&keys->keys, &length, sizeof length, error) ||
        bytes_add(&keys->keys, key.data, key.length, error))
        return -1; /* GCOVR_EXCL_LINE out of memory */
    *keys_slot(keys, hash, key) = place | hash >> KEYS_PLACE_BITS << KEYS_PLACE_BITS;
    keys->used++;
    return 0;
}

int merge_keys_find(
    struct merge_keys *keys, const struct slice *fields, size_t count, bool *ret_there, struct error *error)
{
    uint64_t hash;

    if (keys_look(keys, fields, count, &hash, error))
        return -1;
    *ret_there = *keys_slot(keys, hash, bytes_slice(&keys->looked)) != 0;
    return 0;
}
