/* value_shortest: see value_shortest.h. Names of variables are the paper's. */
#include "lake/format/value_shortest.h"

#include <stdbool.h>
#include <string.h>

#define DOUBLE_FRACTION 52
#define DOUBLE_BIAS 1075 /* of the significand as an integer */
#define FLOAT_FRACTION 23
#define FLOAT_BIAS 150

/* floor(log2(10^e)), right for -1233 <= e <= 1233. */
static int value_log2_of_power10(int e)
{
    return (e * 1741647) >> 19;
}

/* floor(log10(2^e)), or of 3/4 of that; right for -1500 <= e <= 1500. */
static int value_log10_of_power2(int e, bool three_quarters)
{
    return (e * 1262611 - (three_quarters ? 524031 : 0)) >> 22;
}

/* floor(g * cp / 2^128), its last bit set when anything is behind it ("round to odd"). */
static uint64_t value_multiply(const uint64_t *g, uint64_t cp)
{
    unsigned __int128 low = (unsigned __int128)g[1] * cp;
    unsigned __int128 high = (unsigned __int128)g[0] * cp + (uint64_t)(low >> 64);

    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

static struct value_decimal value_trim(uint64_t digits, int exponent)
{
    while (digits % 100 == 0 && digits) {
        digits /= 100;
        exponent += 2;
    }
    if (digits % 10 == 0 && digits) {
        digits /= 10;
        exponent++;
    }
    return (struct value_decimal){digits, exponent};
}

/* c * 2^q, c > 0; regular: the next number below is as far away as the next one above. */
static struct value_decimal value_shortest(uint64_t c, int q, bool regular)
{
    const int k = value_log10_of_power2(q, !regular);
    const int h = q + value_log2_of_power10(-k) + 1;
    const uint64_t *g = &value_powers[2 * (-k - VALUE_POWER_LEAST)];
    const uint64_t out = c & 1; /* the bounds themselves are read back as c when c is even */
    const uint64_t vbl = value_multiply(g, (4 * c - 2 + !regular) << h);
    const uint64_t vb = value_multiply(g, (4 * c) << h);
    const uint64_t vbr = value_multiply(g, (4 * c + 2) << h);
    const uint64_t s = vb / 4;

    if (s >= 10) {
        const uint64_t sp = s / 10;
        bool below = vbl + out <= 40 * sp;
        bool above = 40 * sp + 40 + out <= vbr;
        if (below != above)
            return value_trim(sp + above, k + 1);
    }

    bool below = vbl + out <= 4 * s;
    bool above = 4 * s + 4 + out <= vbr;
    if (below == above)
        above = vb > 4 * s + 2 || (vb == 4 * s + 2 && (s & 1));
    return value_trim(s + above, k);
}

/* Most numbers of people and sensors are small integers: their digits are their own. */
static bool value_is_integer(uint64_t c, int q)
{
    return q <= 0 && q > -64 && (c & ((UINT64_C(1) << -q) - 1)) == 0;
}

struct value_decimal value_shortest64(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    const uint64_t fraction = bits & ((UINT64_C(1) << DOUBLE_FRACTION) - 1);
    const int biased = (int)(bits >> DOUBLE_FRACTION & 0x7ff);
    if (!biased)
        return fraction ? value_shortest(fraction, 1 - DOUBLE_BIAS, true) : (struct value_decimal){0, 0};

    const uint64_t c = fraction | UINT64_C(1) << DOUBLE_FRACTION;
    const int q = biased - DOUBLE_BIAS;
    if (value_is_integer(c, q))
        return value_trim(c >> -q, 0);
    return value_shortest(c, q, fraction || biased == 1);
}

struct value_decimal value_shortest32(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    const uint32_t fraction = bits & ((UINT32_C(1) << FLOAT_FRACTION) - 1);
    const int biased = (int)(bits >> FLOAT_FRACTION & 0xff);
    if (!biased)
        return fraction ? value_shortest(fraction, 1 - FLOAT_BIAS, true) : (struct value_decimal){0, 0};

    const uint32_t c = fraction | UINT32_C(1) << FLOAT_FRACTION;
    const int q = biased - FLOAT_BIAS;
    if (value_is_integer(c, q))
        return value_trim(c >> -q, 0);
    return value_shortest(c, q, fraction || biased == 1);
}
