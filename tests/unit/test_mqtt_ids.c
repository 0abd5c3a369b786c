/* Sets of packet identifiers, held against a plain array. */
#include <criterion/criterion.h>

#include "source/mqtt_ids.h"

static struct mqtt_ids ids;

static void end(void)
{
    mqtt_ids_free(&ids);
}

TestSuite(mqtt_ids, .fini = end, .timeout = 900);

static bool add(uint16_t id)
{
    cr_assert(mqtt_ids_reserve(&ids, ids.count + 1));
    return mqtt_ids_add(&ids, id);
}

Test(mqtt_ids, an_empty_set_has_nothing)
{
    size_t position = 0;

    cr_assert_not(mqtt_ids_has(&ids, 1));
    cr_assert_not(mqtt_ids_remove(&ids, 1));
    cr_assert_eq(mqtt_ids_next(&ids, &position), 0);
    mqtt_ids_free(&ids);
    mqtt_ids_free(&ids);
}

Test(mqtt_ids, each_is_there_once)
{
    size_t position = 0;

    cr_assert(add(7));
    cr_assert_not(add(7));
    cr_assert_eq(ids.count, 1);
    cr_assert_eq(ids.capacity, MQTT_IDS_FIRST);
    cr_assert(mqtt_ids_has(&ids, 7));
    cr_assert_eq(mqtt_ids_next(&ids, &position), 7);
    cr_assert_eq(mqtt_ids_next(&ids, &position), 0);
    cr_assert(mqtt_ids_remove(&ids, 7));
    cr_assert_not(mqtt_ids_remove(&ids, 7));
    cr_assert_eq(ids.count, 0);
}

Test(mqtt_ids, holds_all_there_are)
{
    for (unsigned id = 1; id <= UINT16_MAX; id++)
        cr_assert(add((uint16_t)id));
    cr_assert_eq(ids.count, UINT16_MAX);
    for (unsigned id = UINT16_MAX; id >= 1; id--) {
        cr_assert(mqtt_ids_has(&ids, (uint16_t)id));
        cr_assert(mqtt_ids_remove(&ids, (uint16_t)id));
    }
    cr_assert_eq(ids.count, 0);
}

Test(mqtt_ids, room_is_made_before_it_is_needed)
{
    cr_assert(mqtt_ids_reserve(&ids, 1000));
    const uint16_t *slots = ids.slots;
    cr_assert_geq(ids.capacity, 2000);
    for (uint16_t id = 1; id <= 1000; id++)
        cr_assert(add(id));
    cr_assert_eq(ids.slots, slots);
}

static bool there[UINT16_MAX + 1];

static void check_all(unsigned range)
{
    static bool seen[UINT16_MAX + 1];
    size_t position = 0, count = 0;
    uint16_t id;

    memset(seen, 0, sizeof seen);
    while ((id = mqtt_ids_next(&ids, &position))) {
        cr_assert_not(seen[id]);
        seen[id] = true;
        count++;
    }
    cr_assert_eq(count, ids.count);
    for (unsigned i = 1; i <= range; i++) {
        cr_assert_eq(seen[i], there[i]);
        cr_assert_eq(mqtt_ids_has(&ids, (uint16_t)i), there[i]);
    }
}

/* Full sets of every size, so that runs of neighbours wrap around and are torn up at every place. */
Test(mqtt_ids, does_what_an_array_does)
{
    static const unsigned ranges[] = {10, 100, 3000, UINT16_MAX};
    uint64_t random = 1;

    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        mqtt_ids_free(&ids);
        memset(there, 0, sizeof there);
        for (int step = 0; step < 200000; step++) {
            random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            const uint16_t id = (uint16_t)(1 + (random >> 33) % ranges[i]);
            if (random >> 62)
                cr_assert_eq(add(id), !there[id]);
            else
                cr_assert_eq(mqtt_ids_remove(&ids, id), there[id]);
            there[id] = random >> 62 != 0;
            if (step % 20000 == 0)
                check_all(ranges[i]);
        }
        check_all(ranges[i]);
    }
}
