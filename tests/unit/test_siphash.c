/* SipHash-2-4 against the values of its authors: key 00..0f, input 00, 01, ... (vectors_sip64 of the reference implementation). */
#include <criterion/criterion.h>

#include "base/siphash.h"

static const struct siphash_key key = {{UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)}};

Test(siphash, published_values)
{
    static const char behind[] = {8, 9, 10, 11, 12, 13, 14};

    cr_assert_eq(siphash(&key, UINT64_C(0x0706050403020100), behind, 0), UINT64_C(0x93f5f5799a932462));
    cr_assert_eq(siphash(&key, UINT64_C(0x0706050403020100), behind, 7), UINT64_C(0xa129ca6149be45e5));
}

Test(siphash, every_byte_counts_and_the_length)
{
    static const char zeros[40];
    uint64_t seen[41];

    for (size_t length = 0; length <= 40; length++) {
        char bytes[40] = {0};
        seen[length] = siphash(&key, 1, zeros, length);
        for (size_t other = 0; other < length; other++)
            cr_assert_neq(seen[length], seen[other]);
        for (size_t i = 0; i < length; i++) {
            bytes[i] = 1;
            cr_assert_neq(siphash(&key, 1, bytes, length), seen[length]);
            bytes[i] = 0;
        }
    }
    cr_assert_neq(siphash(&key, 2, zeros, 3), siphash(&key, 1, zeros, 3));
}
