/* siphash: SipHash-2-4 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012): a hash that nobody can choose who does not know its key. Pure. @thread any
 */
#ifndef PENSTOCK_BASE_SIPHASH_H
#define PENSTOCK_BASE_SIPHASH_H

#include <stddef.h>

#include "base/little.h"

struct siphash_key {
    uint64_t words[2];
};

static inline uint64_t siphash_rotate(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static inline void siphash_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = siphash_rotate(v[1], 13) ^ v[0];
    v[3] = siphash_rotate(v[3], 16) ^ v[2];
    v[0] = siphash_rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = siphash_rotate(v[1], 17) ^ v[2];
    v[3] = siphash_rotate(v[3], 21) ^ v[0];
    v[2] = siphash_rotate(v[2], 32);
}

static inline void siphash_take(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    siphash_round(v);
    siphash_round(v);
    v[0] ^= word;
}

/* Of the word, its lowest byte first, and the bytes behind it. */
static inline uint64_t siphash(const struct siphash_key *key, uint64_t word, const void *data, size_t length)
{
    uint64_t v[4] = {key->words[0] ^ UINT64_C(0x736f6d6570736575),
        key->words[1] ^ UINT64_C(0x646f72616e646f6d), key->words[0] ^ UINT64_C(0x6c7967656e657261),
        key->words[1] ^ UINT64_C(0x7465646279746573)};
    const char *bytes = data;
    char last[8] = {0};
    size_t left = length;

    siphash_take(v, word);
    for (; left >= 8; bytes += 8, left -= 8)
        siphash_take(v, get_u64(bytes));
    for (size_t i = 0; i < left; i++)
        last[i] = bytes[i];
    last[7] = (char)(length + 8); /* of all of it, modulo 256 */
    siphash_take(v, get_u64(last));
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        siphash_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

#endif
