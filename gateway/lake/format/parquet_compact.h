/* parquet_compact: Thrift's compact protocol, read: the other way of parquet_thrift.h. A failure is kept: what is taken behind it is nothing, and `broken` says so at the end. Pure. @thread any
 */
#ifndef PENSTOCK_LAKE_FORMAT_PARQUET_COMPACT_H
#define PENSTOCK_LAKE_FORMAT_PARQUET_COMPACT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct parquet_compact {
    struct slice left; /* what is not taken yet */
    bool broken; /* it ends too early, or is none */
};

/* The next field of a structure: *id is the one before it (0: none) and becomes its own. False: the structure ends. */
bool parquet_compact_field(struct parquet_compact *compact, int *id, unsigned *ret_type);
int64_t parquet_compact_integer(struct parquet_compact *compact);
/* A list's head: its elements follow. */
uint64_t parquet_compact_list(struct parquet_compact *compact, unsigned *ret_type);
/* A value of this type, whatever is in it. */
void parquet_compact_skip(struct parquet_compact *compact, unsigned type);

#endif
