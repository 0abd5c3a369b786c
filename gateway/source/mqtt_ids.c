/* mqtt_ids: see mqtt_ids.h */
#include "source/mqtt_ids.h"

#include <stdlib.h>

void mqtt_ids_free(struct mqtt_ids *ids)
{
    free(ids->slots);
    *ids = (struct mqtt_ids){0};
}

/* Where an id belongs; clients count upwards, so neighbours have to be spread. */
static size_t ids_home(const struct mqtt_ids *ids, uint16_t id)
{
    return (size_t)(id * UINT64_C(0x9e3779b97f4a7c15) >> 40) & (ids->capacity - 1);
}

/* The slot that holds the id, or the free one where it would stand. */
static size_t ids_slot(const struct mqtt_ids *ids, uint16_t id)
{
    size_t at = ids_home(ids, id);

    while (ids->slots[at] && ids->slots[at] != id)
        at = (at + 1) & (ids->capacity - 1);
    return at;
}

bool mqtt_ids_reserve(struct mqtt_ids *ids, size_t count)
{
    struct mqtt_ids grown = {.capacity = ids->capacity ? ids->capacity : MQTT_IDS_FIRST};
    size_t position = 0;
    uint16_t id;

    while (grown.capacity < 2 * count)
        grown.capacity *= 2;
    if (grown.capacity == ids->capacity)
        return true;
    grown.slots = calloc(grown.capacity, sizeof *grown.slots);
    if (!grown.slots)
        return false; /* GCOVR_EXCL_LINE: out of memory */
    while ((id = mqtt_ids_next(ids, &position)))
        mqtt_ids_add(&grown, id);
    free(ids->slots);
    *ids = grown;
    return true;
}

bool mqtt_ids_has(const struct mqtt_ids *ids, uint16_t id)
{
    return ids->count && ids->slots[ids_slot(ids, id)] == id;
}

bool mqtt_ids_add(struct mqtt_ids *ids, uint16_t id)
{
    const size_t at = ids_slot(ids, id);

    if (ids->slots[at])
        return false;
    ids->slots[at] = id;
    ids->count++;
    return true;
}

/* Whoever stands behind the hole and may stand in it, seen from its own home, moves there and leaves the next hole. */
bool mqtt_ids_remove(struct mqtt_ids *ids, uint16_t id)
{
    const size_t mask = ids->capacity - 1;

    if (!mqtt_ids_has(ids, id))
        return false;
    size_t hole = ids_slot(ids, id);
    for (size_t at = (hole + 1) & mask; ids->slots[at]; at = (at + 1) & mask) {
        const size_t home = ids_home(ids, ids->slots[at]);
        if (((at - home) & mask) < ((at - hole) & mask))
            continue;
        ids->slots[hole] = ids->slots[at];
        hole = at;
    }
    ids->slots[hole] = 0;
    ids->count--;
    return true;
}

uint16_t mqtt_ids_next(const struct mqtt_ids *ids, size_t *position)
{
    while (*position < ids->capacity) {
        const uint16_t id = ids->slots[(*position)++];
        if (id)
            return id;
    }
    return 0;
}
