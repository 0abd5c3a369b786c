/* decode_numeric: numeric_send() of numeric.c: how many digits of base 10,000, the weight of the first (10,000 to the power of it), sign, digits
 * that are shown behind the point, and the digits. */
#include <stdlib.h>

#include "table/postgres/decode_internal.h"

#define HEAD 8
#define BASE 10000
#define BASE_DIGITS 4
#define SIGN_NEGATIVE 0x4000
#define SIGN_NAN 0xc000
#define SIGN_INFINITE 0xd000
#define SIGN_INFINITE_NEGATIVE 0xf000
#define SCALE_MAX 0x3fff
#define DOUBLE_DIGITS 15 /* that every double keeps (DBL_DIG) */

struct numeric {
    const char *digits; /* big-endian, 16 bits each */
    int count, weight, scale;
    uint16_t sign;
};

static int numeric_fail(struct error *error)
{
    return error_set(error, ERROR_REJECT, "a broken value of numeric");
}

static inline unsigned digit_at(const struct numeric *numeric, int index)
{
    return index >= 0 && index < numeric->count ? pg_uint16(numeric->digits + 2 * index) : 0;
}

/* Zeros at both ends are taken off: the first and the last digit are none. */
static void strip(struct numeric *numeric)
{
    while (numeric->count && !digit_at(numeric, 0)) {
        numeric->digits += 2;
        numeric->count--;
        numeric->weight--;
    }
    while (numeric->count && !digit_at(numeric, numeric->count - 1))
        numeric->count--;
}

static int numeric_open(struct numeric *ret_numeric, struct slice value, struct error *error)
{
    if (value.length < HEAD)
        return numeric_fail(error);
    struct numeric numeric = {
        .digits = value.data + HEAD,
        .count = pg_uint16(value.data),
        .weight = (int16_t)pg_uint16(value.data + 2),
        .sign = pg_uint16(value.data + 4),
        .scale = pg_uint16(value.data + 6),
    };
    if (value.length != HEAD + 2 * (size_t)numeric.count || numeric.scale > SCALE_MAX)
        return numeric_fail(error);
    if (numeric.sign && numeric.sign != SIGN_NEGATIVE && numeric.sign != SIGN_NAN &&
        numeric.sign != SIGN_INFINITE && numeric.sign != SIGN_INFINITE_NEGATIVE)
        return numeric_fail(error);
    for (int i = 0; i < numeric.count; i++) {
        if (digit_at(&numeric, i) >= BASE)
            return numeric_fail(error);
    }
    strip(&numeric);
    *ret_numeric = numeric;
    return 0;
}

bool pg_numeric_is_special(struct slice value)
{
    uint16_t sign = value.length >= HEAD ? pg_uint16(value.data + 4) : 0;

    return sign == SIGN_NAN || sign == SIGN_INFINITE || sign == SIGN_INFINITE_NEGATIVE;
}

static const char *special_name(const struct numeric *numeric)
{
    if (numeric->sign == SIGN_NAN)
        return "NaN";
    if (numeric->sign == SIGN_INFINITE)
        return "Infinity";
    return numeric->sign == SIGN_INFINITE_NEGATIVE ? "-Infinity" : NULL;
}

static inline char *put_four(char *to, unsigned digit)
{
    to[0] = (char)('0' + digit / 1000);
    to[1] = (char)('0' + digit / 100 % 10);
    to[2] = (char)('0' + digit / 10 % 10);
    to[3] = (char)('0' + digit % 10);
    return to + BASE_DIGITS;
}

/* The first digit of base 10,000, without the zeros in front. */
static inline char *put_first(char *to, unsigned digit)
{
    char four[BASE_DIGITS];
    int skip = digit >= 1000 ? 0 : digit >= 100 ? 1 : digit >= 10 ? 2 : 3;

    put_four(four, digit);
    memcpy(to, four + skip, (size_t)(BASE_DIGITS - skip));
    return to + BASE_DIGITS - skip;
}

static char *put_numeric(char *to, const struct numeric *numeric)
{
    if (numeric->sign == SIGN_NEGATIVE && numeric->count)
        *to++ = '-';
    if (numeric->weight < 0 || !numeric->count)
        *to++ = '0';
    else
        to = put_first(to, digit_at(numeric, 0));
    for (int i = 1; numeric->count && i <= numeric->weight; i++)
        to = put_four(to, digit_at(numeric, i));
    if (!numeric->scale)
        return to;
    *to++ = '.';
    char *end = to + numeric->scale;
    for (int i = numeric->count ? numeric->weight + 1 : 0; to < end; i++)
        to = put_four(to, digit_at(numeric, i));
    return end;
}

int pg_numeric_text(struct pg_decoder *decoder, struct bytes *out, struct slice value, struct error *error)
{
    struct numeric numeric;

    (void)decoder;
    if (numeric_open(&numeric, value, error))
        return -1;
    if (special_name(&numeric))
        return bytes_add_text(out, special_name(&numeric), error);
    /* Sign, a zero or the digits in front of the point, the point, and a last digit that is shown in part. */
    size_t room = 3 + BASE_DIGITS * (size_t)(numeric.weight < 0 ? 0 : numeric.weight + 1) +
                  (size_t)numeric.scale + BASE_DIGITS;
    if (bytes_reserve(out, room, error))
        return -1;
    out->length = (size_t)(put_numeric(out->data + out->length, &numeric) - out->data);
    return 0;
}

static int count_decimals(unsigned digit)
{
    return digit >= 1000 ? 4 : digit >= 100 ? 3 : digit >= 10 ? 2 : 1;
}

static int too_long(const struct pg_decoder *decoder, struct error *error)
{
    return error_set(error, ERROR_REJECT,
        "a numeric has more digits than decimal(%u,%u) has: --numeric=string keeps them", decoder->precision,
        decoder->scale);
}

/* The unscaled value. That no step overflows is known before: it has at most 38 decimal digits. */
static int unscale(const struct pg_decoder *decoder, const struct numeric *numeric,
    unsigned __int128 *ret_value, struct error *error)
{
    static const unsigned powers[BASE_DIGITS] = {1, 10, 100, 1000};
    unsigned __int128 value = 0;
    int last = numeric->count - 1;
    /* Decimal digits that stand behind the last digit's units, or, below 0, that it has too many. */
    int shift = BASE_DIGITS * (numeric->weight - last) + decoder->scale;

    if (last < 0) {
        *ret_value = 0;
        return 0;
    }
    if (shift <= -BASE_DIGITS ||
        count_decimals(digit_at(numeric, 0)) + BASE_DIGITS * last + shift > decoder->precision)
        return too_long(decoder, error);
    for (int i = 0; i < last; i++)
        value = value * BASE + digit_at(numeric, i);
    if (shift < 0) {
        if (digit_at(numeric, last) % powers[-shift])
            return too_long(decoder, error);
        *ret_value = value * powers[BASE_DIGITS + shift] + digit_at(numeric, last) / powers[-shift];
        return 0;
    }
    value = value * BASE + digit_at(numeric, last);
    for (; shift >= BASE_DIGITS; shift -= BASE_DIGITS)
        value *= BASE;
    *ret_value = value * powers[shift];
    return 0;
}

int pg_numeric_decimal(
    struct pg_decoder *decoder, struct column *column, struct slice value, struct error *error)
{
    struct numeric numeric;
    unsigned __int128 unscaled = 0;

    if (numeric_open(&numeric, value, error))
        return -1;
    if (special_name(&numeric)) {
        if (pg_decode_unbounded(decoder, error) < 0)
            return -1;
        column_add_null(column);
        return 0;
    }
    if (unscale(decoder, &numeric, &unscaled, error))
        return -1;
    if (numeric.sign == SIGN_NEGATIVE)
        unscaled = -unscaled;
    const uint64_t halves[2] = {htobe64((uint64_t)(unscaled >> 64)), htobe64((uint64_t)unscaled)};
    column_add_fixed(column, halves, sizeof halves);
    return 0;
}

/* Significant decimal digits. */
static int significant(const struct numeric *numeric)
{
    int last = numeric->count - 1;

    if (last < 0)
        return 0;
    int count = BASE_DIGITS * last + count_decimals(digit_at(numeric, 0));
    for (unsigned digit = digit_at(numeric, last); digit % 10 == 0; digit /= 10)
        count--;
    return count;
}

int pg_numeric_double(
    struct pg_decoder *decoder, struct column *column, struct slice value, struct error *error)
{
    struct numeric numeric;
    int infinite = pg_decode_infinite(decoder, value, error);

    if (infinite < 0)
        return -1;
    if (infinite) {
        column_add_null(column);
        return 0;
    }
    bytes_clear(&decoder->scratch);
    if (numeric_open(&numeric, value, error) || pg_numeric_text(decoder, &decoder->scratch, value, error) ||
        bytes_add(&decoder->scratch, "", 1, error))
        return -1;
    if (significant(&numeric) > DOUBLE_DIGITS) {
        decoder->root->counts.rounded++;
        decoder->root->counted = true;
    }
    const double number = strtod(decoder->scratch.data, NULL);
    column_add_fixed(column, &number, sizeof number);
    return 0;
}
