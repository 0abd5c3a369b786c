/* fnv: FNV-1a, 64 bits (Fowler, Noll, Vo; draft-eastlake-fnv), for tables in memory and for telling things apart. Who may choose the bytes can
 * choose their hash. Pure. @thread any
 */
#ifndef PENSTOCK_BASE_FNV_H
#define PENSTOCK_BASE_FNV_H

#include <stddef.h>
#include <stdint.h>

#define FNV_EMPTY UINT64_C(0xcbf29ce484222325) /* the hash of no bytes */

/* The hash of what it was of, and these bytes behind it. */
static inline uint64_t fnv_add(uint64_t hash, const void *data, size_t length)
{
    const unsigned char *byte = data;

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ byte[i]) * UINT64_C(0x100000001b3);
    return hash;
}

#endif
