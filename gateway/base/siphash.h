/* siphash: SipHash-2-4 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012): a hash that nobody can choose who does not know its key. Pure. @thread any
 */
#ifndef PENSTOCK_BASE_SIPHASH_H
#define PENSTOCK_BASE_SIPHASH_H

#include <stddef.h>

#include "base/little.h"

struct siphash_key {
    uint64_t words[2];
};

/* Called ten times and more for each hash: by themselves compilers make functions of these, and keep the state in memory. */
#define SIPHASH_INLINE static inline __attribute__((always_inline))

struct siphash_state {
    uint64_t a, b, c, d; /* v0 to v3 */
};

SIPHASH_INLINE uint64_t siphash_rotate(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

SIPHASH_INLINE void siphash_round(struct siphash_state *v)
{
    v->a += v->b;
    v->c += v->d;
    v->b = siphash_rotate(v->b, 13) ^ v->a;
    v->d = siphash_rotate(v->d, 16) ^ v->c;
    v->a = siphash_rotate(v->a, 32);
    v->c += v->b;
    v->a += v->d;
    v->b = siphash_rotate(v->b, 17) ^ v->c;
    v->d = siphash_rotate(v->d, 21) ^ v->a;
    v->c = siphash_rotate(v->c, 32);
}

SIPHASH_INLINE void siphash_take(struct siphash_state *v, uint64_t word)
{
    v->d ^= word;
    siphash_round(v);
    siphash_round(v);
    v->a ^= word;
}

/* Of the word, its lowest byte first, and the bytes behind it. */
static inline uint64_t siphash(const struct siphash_key *key, uint64_t word, const void *data, size_t length)
{
    struct siphash_state v = {key->words[0] ^ UINT64_C(0x736f6d6570736575),
        key->words[1] ^ UINT64_C(0x646f72616e646f6d), key->words[0] ^ UINT64_C(0x6c7967656e657261),
        key->words[1] ^ UINT64_C(0x7465646279746573)};
    const char *bytes = data;
    uint64_t last = (uint64_t)(length + 8) << 56; /* of all of it, modulo 256 */
    size_t left = length;

    siphash_take(&v, word);
    for (; left >= 8; bytes += 8, left -= 8)
        siphash_take(&v, get_u64(bytes));
    for (size_t i = 0; i < left; i++)
        last |= (uint64_t)(unsigned char)bytes[i] << 8 * i;
    siphash_take(&v, last);
    v.c ^= 0xff;
    siphash_round(&v);
    siphash_round(&v);
    siphash_round(&v);
    siphash_round(&v);
    return v.a ^ v.b ^ v.c ^ v.d;
}

#endif
