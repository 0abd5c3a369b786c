/* parquet_levels: the hybrid of run lengths and bit packing that levels and dictionary indexes are written in, and the bits of
 * booleans. Source: Encodings.md of Apache's parquet-format, "Run Length Encoding / Bit-Packing Hybrid (RLE = 3)" and "Plain".
 * @thread the writer's
 */
#ifndef PENSTOCK_LAKE_FORMAT_PARQUET_LEVELS_H
#define PENSTOCK_LAKE_FORMAT_PARQUET_LEVELS_H

#include "base/bytes.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

/* Bits that a number of at most `most` takes; 0 for 0. */
unsigned parquet_levels_width(uint32_t most);

/* Appends count values of width bits each (1 to 8, or 0 to 31), without the length in front. */
int parquet_levels_add(
    struct bytes *out, const uint8_t *values, size_t count, unsigned width, struct error *error);
int parquet_levels_add_indexes(
    struct bytes *out, const uint32_t *values, size_t count, unsigned width, struct error *error);
/* The same for count times one level. */
int parquet_levels_repeat(struct bytes *out, uint8_t value, size_t count, struct error *error);

/* Booleans, a byte of 0 or 1 each, as a bit each. */
int parquet_levels_add_bits(struct bytes *out, const uint8_t *values, size_t count, struct error *error);

/* The other way: count values of the runs, the data of which may go on behind them. False: there are fewer. */
bool parquet_levels_take(struct slice runs, unsigned width, uint8_t *ret_values, size_t count);
bool parquet_levels_take_indexes(struct slice runs, unsigned width, uint32_t *ret_values, size_t count);

#endif
