/* value_shortest: the shortest decimal number that is read back as the same float, and of those the closest to it.
 *
 * The algorithm is Schubfach: Raffaello Giulietti, "The Schubfach way to render doubles" (2020), sections 8 and 9, with powers of 128
 * bits. Pure; nothing is allocated. @thread any
 */
#ifndef PENSTOCK_LAKE_FORMAT_VALUE_SHORTEST_H
#define PENSTOCK_LAKE_FORMAT_VALUE_SHORTEST_H

#include <stdint.h>

#define VALUE_POWER_LEAST (-292)
#define VALUE_POWER_COUNT 617

extern const uint64_t value_powers[2 * VALUE_POWER_COUNT];

/* digits * 10^exponent; digits does not end with a zero, but for 0 itself. */
struct value_decimal {
    uint64_t digits;
    int exponent;
};

/* Of the magnitude of a finite number; its sign is the caller's. */
struct value_decimal value_shortest64(double value);
struct value_decimal value_shortest32(float value);

#endif
