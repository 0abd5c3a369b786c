/* parquet_statistics: the least and the greatest value of a page or a column chunk, as readers that skip data want them.
 *
 * The order is Parquet's TYPE_ORDER: numbers and decimals are compared signed, strings, bytes and uuids by unsigned bytes. NaNs are counted and
 * left out; a least zero is written as -0.0 and a greatest one as +0.0. Of a value of any length the first
 * PARQUET_BOUND_MAX bytes are kept; a bound that was cut is not exact, the greatest one is made greater then, and a string's
 * stays valid UTF-8. Source: parquet.thrift of Apache's parquet-format, ColumnOrder and Statistics. @thread the writer's
 */
#ifndef PENSTOCK_LAKE_FORMAT_PARQUET_STATISTICS_H
#define PENSTOCK_LAKE_FORMAT_PARQUET_STATISTICS_H

#include "lake/format/parquet_values.h"

#define PARQUET_BOUND_MAX 64
#define PARQUET_BOUND_ROOM (PARQUET_BOUND_MAX + 4) /* a cut bound's last character may become longer */

/* Zeroed: of no values. */
struct parquet_statistics {
    bool any; /* there are bounds */
    bool min_cut, max_cut; /* the value is longer than what is kept */
    uint8_t min_length, max_length;
    uint64_t nans;
    char min[PARQUET_BOUND_MAX], max[PARQUET_BOUND_MAX]; /* as in the encoding PLAIN, without a length */
};

/* A bound as it is written. */
struct parquet_bound {
    uint8_t length;
    bool exact;
    char data[PARQUET_BOUND_ROOM];
};

void parquet_statistics_add(struct parquet_statistics *statistics, const struct parquet_type *type,
    const struct parquet_values *values);
/* Adds all that other knows. */
void parquet_statistics_merge(struct parquet_statistics *statistics, const struct parquet_type *type,
    const struct parquet_statistics *other);

/* false: there are no bounds, or no string is greater than all that begin so. */
bool parquet_statistics_bounds(struct parquet_bound *ret_min, struct parquet_bound *ret_max,
    const struct parquet_statistics *statistics, const struct parquet_type *type);

/* Less than, equal to or greater than 0, as a and b are in the type's order. */
int parquet_statistics_compare(const struct parquet_type *type, struct slice a, struct slice b);

#endif
