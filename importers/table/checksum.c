/* checksum: see checksum.h. The hash multiplies 64 by 64 bits and folds the product, as wyhash does (Wang Yi, public domain). */
#include "table/checksum.h"

#include <endian.h>
#include <string.h>

#define STEP 16 /* bytes that are taken in at once */

/* Odd, and with as many ones as zeros. */
#define FIRST UINT64_C(0xa0761d6478bd642f)
#define SECOND UINT64_C(0xe7037ed1a0b428db)
#define LAST UINT64_C(0x8ebc6af09c88c6e3)

static inline uint64_t checksum_fold(uint64_t one, uint64_t other)
{
    const unsigned __int128 product = (unsigned __int128)one * other;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t checksum_take(uint64_t hash, const char *at)
{
    uint64_t low, high;

    memcpy(&low, at, sizeof low);
    memcpy(&high, at + sizeof low, sizeof high);
    return checksum_fold(le64toh(low) ^ FIRST, le64toh(high) ^ hash);
}

uint64_t checksum_row(const void *row, size_t length)
{
    const char *at = row;
    uint64_t hash = SECOND;

    if (length < STEP) {
        char filled[STEP] = {0};
        if (length)
            memcpy(filled, at, length);
        hash = checksum_take(hash, filled);
    } else {
        for (size_t left = length; left > STEP; left -= STEP, at += STEP)
            hash = checksum_take(hash, at);
        /* The last ones, with some of those before again: every byte is in. */
        hash = checksum_take(hash, (const char *)row + length - STEP);
    }
    return checksum_fold(hash ^ LAST, (uint64_t)length ^ FIRST);
}
