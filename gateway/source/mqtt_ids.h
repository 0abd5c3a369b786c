/* mqtt_ids: a set of packet identifiers, 1 to 65,535.
 *
 * Open addressing, at most half full; what is removed leaves no trace, its followers move up. Grows from MQTT_IDS_FIRST slots on and never
 * shrinks. A set of zeros is empty. @thread any (the owner's)
 */
#ifndef PENSTOCK_SOURCE_MQTT_IDS_H
#define PENSTOCK_SOURCE_MQTT_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MQTT_IDS_FIRST 16 /* slots; a power of two */

struct mqtt_ids {
    uint16_t *slots; /* 0: free */
    size_t count;
    size_t capacity; /* slots; a power of two, or 0 */
};

void mqtt_ids_free(struct mqtt_ids *ids); /* leaves an empty set */

/* Makes room for so many ids in all; false: memory is gone, nothing is changed. */
bool mqtt_ids_reserve(struct mqtt_ids *ids, size_t count);

bool mqtt_ids_has(const struct mqtt_ids *ids, uint16_t id);

/* False: it is there already. There is room for it. */
bool mqtt_ids_add(struct mqtt_ids *ids, uint16_t id);

/* False: it is not there. */
bool mqtt_ids_remove(struct mqtt_ids *ids, uint16_t id);

/* Walks them in no order: *position starts at 0; returns 0 behind the last. */
uint16_t mqtt_ids_next(const struct mqtt_ids *ids, size_t *position);

#endif
