/* Values as text: floats against strtod and printf, decimals and times at their borders, both styles. */
#include <criterion/criterion.h>
#include <endian.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lake/format/value_shortest.h"
#include "lake/format/value_text.h"

#define RANDOM_ROUNDS 60000

static char text[VALUE_TEXT_MAX + 1];

static const char *ended(const char *end)
{
    cr_assert(end >= text && end <= text + VALUE_TEXT_MAX);
    text[end - text] = '\0';
    return text;
}

/* xorshift64: the same numbers in every run. */
static uint64_t next_random(void)
{
    static uint64_t state = UINT64_C(88172645463325252);

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* ---- floats ---------------------------------------------------------------------------------------------- */

/* As PostgreSQL 15 prints float8, and as Double.toString() of JDK 19 does. */
static const struct {
    double value;
    const char *iso, *java;
} doubles[] = {
    {0, "0", "0.0"},
    {-0.0, "-0.0", "-0.0"},
    {1, "1", "1.0"},
    {-1, "-1", "-1.0"},
    {0.1, "0.1", "0.1"},
    {0.001, "0.001", "0.001"},
    {0.0001, "0.0001", "1.0E-4"},
    {0.00012, "0.00012", "1.2E-4"},
    {0.00001, "1e-05", "1.0E-5"},
    {-1.25e-7, "-1.25e-07", "-1.25E-7"},
    {100, "100", "100.0"},
    {123.456, "123.456", "123.456"},
    {9999999, "9999999", "9999999.0"},
    {12345678, "12345678", "1.2345678E7"},
    {1e10, "10000000000", "1.0E10"},
    {123456789012345, "123456789012345", "1.23456789012345E14"},
    {1e14, "100000000000000", "1.0E14"},
    {1e15, "1e+15", "1.0E15"},
    {1234567890123456, "1.234567890123456e+15", "1.234567890123456E15"},
    {1e22, "1e+22", "1.0E22"},
    {1e23, "1e+23", "1.0E23"},
    {2e23, "2e+23", "2.0E23"},
    {9007199254740991, "9.007199254740991e+15", "9.007199254740991E15"},
    {9007199254740992, "9.007199254740992e+15", "9.007199254740992E15"},
    {M_PI, "3.141592653589793", "3.141592653589793"},
    {1.7976931348623157e308, "1.7976931348623157e+308", "1.7976931348623157E308"},
    {2.2250738585072014e-308, "2.2250738585072014e-308", "2.2250738585072014E-308"},
    {2.225073858507201e-308, "2.225073858507201e-308", "2.225073858507201E-308"},
    {4.9406564584124654e-324, "5e-324", "4.9E-324"},
    {9.881312916824931e-324, "1e-323", "9.9E-324"},
    {1.9762625833649862e-323, "2e-323", "2.0E-323"},
    {9.881312916824931e-323, "1e-322", "9.9E-323"},
    {1.2e-321, "1.2e-321", "1.2E-321"},
    {NAN, "NaN", "NaN"},
    {INFINITY, "Infinity", "Infinity"},
    {-INFINITY, "-Infinity", "-Infinity"},
};

Test(value_text, doubles)
{
    for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++) {
        cr_assert_str_eq(ended(value_text_float64(text, doubles[i].value, DELIMITED_ISO)), doubles[i].iso);
        if (doubles[i].value != 0)
            cr_assert_str_eq(
                ended(value_text_float64(text, doubles[i].value, DELIMITED_POSTGRES)), doubles[i].iso);
        cr_assert_str_eq(ended(value_text_float64(text, doubles[i].value, DELIMITED_JAVA)), doubles[i].java);
    }
}

static const struct {
    float value;
    const char *iso, *java;
} floats[] = {
    {0, "0", "0.0"},
    {-0.0f, "-0.0", "-0.0"},
    {1, "1", "1.0"},
    {0.1f, "0.1", "0.1"},
    {-3.4f, "-3.4", "-3.4"},
    {123456, "123456", "123456.0"},
    {1e5f, "100000", "100000.0"},
    {1e6f, "1e+06", "1000000.0"},
    {1234567, "1.234567e+06", "1234567.0"},
    {1e7f, "1e+07", "1.0E7"},
    {16777216, "1.6777216e+07", "1.6777216E7"},
    {3.4028235e38f, "3.4028235e+38", "3.4028235E38"},
    {1.17549435e-38f, "1.1754944e-38", "1.1754944E-38"},
    {1.4e-45f, "1e-45", "1.4E-45"},
    {2.8e-45f, "3e-45", "2.8E-45"},
    {9.8e-45f, "1e-44", "9.8E-45"},
    {NAN, "NaN", "NaN"},
    {-INFINITY, "-Infinity", "-Infinity"},
};

Test(value_text, floats)
{
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++) {
        cr_assert_str_eq(ended(value_text_float32(text, floats[i].value, DELIMITED_ISO)), floats[i].iso);
        if (floats[i].value != 0)
            cr_assert_str_eq(
                ended(value_text_float32(text, floats[i].value, DELIMITED_POSTGRES)), floats[i].iso);
        cr_assert_str_eq(ended(value_text_float32(text, floats[i].value, DELIMITED_JAVA)), floats[i].java);
    }
}

/* The shortest by trial: printf rounds right, so that the first precision that is read back is the shortest, and its digits are
 * the closest. At powers of two it may miss one by a digit: more numbers above them are read back than below. */
static int shortest_digits(double value, bool is_float, char digits[32])
{
    char tried[64];

    for (int precision = 0; precision < 17; precision++) {
        snprintf(tried, sizeof tried, "%.*e", precision, value);
        if (is_float ? strtof(tried, NULL) == (float)value : strtod(tried, NULL) == value)
            break;
    }
    int count = 0;
    for (const char *at = tried; *at != 'e'; at++)
        if (*at != '.')
            digits[count++] = *at;
    digits[count] = '\0';
    return count;
}

static bool is_power_of_two(double value)
{
    int exponent;

    return frexp(fabs(value), &exponent) == 0.5;
}

static void check_double(double value)
{
    char digits[32], found[32];

    if (!isfinite(value) || value == 0)
        return;
    cr_assert_eq(
        strtod(ended(value_text_float64(text, value, DELIMITED_ISO)), NULL), value, "%a %s", value, text);
    cr_assert_eq(
        strtod(ended(value_text_float64(text, value, DELIMITED_JAVA)), NULL), value, "%a %s", value, text);
    const int count = shortest_digits(fabs(value), false, digits);
    const int length =
        snprintf(found, sizeof found, "%llu", (unsigned long long)value_shortest64(value).digits);
    if (is_power_of_two(value))
        cr_assert_leq(length, count, "%a", value);
    else
        cr_assert_str_eq(found, digits, "%a", value);
}

static double double_of(uint64_t bits)
{
    double value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

Test(value_text, doubles_are_read_back_and_shortest)
{
    for (int i = 0; i < RANDOM_ROUNDS; i++) {
        check_double(double_of(next_random()));
        check_double((double)(int64_t)(next_random() % 2000001 - 1000000) / 1000);
        check_double(double_of(next_random() & 0xfffff)); /* subnormal, few bits */
    }
    for (uint64_t exponent = 0; exponent < 2047; exponent++)
        for (uint64_t fraction = 0; fraction < 3;
             fraction++) { /* where the distance to the next number changes */
            check_double(double_of(exponent << 52 | fraction));
            check_double(double_of((exponent << 52 | fraction) - (exponent ? 2 : 0)));
        }
    for (int shift = 0; shift < 64; shift++)
        check_double((double)(UINT64_C(1) << shift));
}

static void check_float(uint32_t bits)
{
    char digits[32], found[32];
    float value;

    memcpy(&value, &bits, sizeof value);
    if (!isfinite(value) || value == 0)
        return;
    cr_assert_eq(
        strtof(ended(value_text_float32(text, value, DELIMITED_ISO)), NULL), value, "%a %s", value, text);
    cr_assert_eq(
        strtof(ended(value_text_float32(text, value, DELIMITED_JAVA)), NULL), value, "%a %s", value, text);
    const int count = shortest_digits(fabs((double)value), true, digits);
    const int length =
        snprintf(found, sizeof found, "%llu", (unsigned long long)value_shortest32(value).digits);
    if (is_power_of_two((double)value))
        cr_assert_leq(length, count, "%a", (double)value);
    else
        cr_assert_eq(length, count, "%a", (double)value);
}

Test(value_text, floats_are_read_back_and_shortest)
{
    for (int i = 0; i < RANDOM_ROUNDS; i++) {
        check_float((uint32_t)next_random());
        check_float((uint32_t)next_random() & 0xfff);
    }
    for (uint32_t exponent = 0; exponent < 255; exponent++)
        for (uint32_t fraction = 0; fraction < 3; fraction++) {
            check_float(exponent << 23 | fraction);
            check_float((exponent << 23 | fraction) - (exponent ? 2 : 0));
        }
}

/* ---- the powers of ten: each against exact arithmetic --------------------------------------------------------- */

#define BIG_WORDS 36 /* 32 bits each: 10^324 has 1077 bits, and 128 more are shifted in */

struct big {
    uint32_t words[BIG_WORDS]; /* the lowest first */
};

static void big_multiply(struct big *big, uint32_t factor)
{
    uint64_t carry = 0;

    for (int i = 0; i < BIG_WORDS; i++) {
        carry += (uint64_t)big->words[i] * factor;
        big->words[i] = (uint32_t)carry;
        carry >>= 32;
    }
    cr_assert_eq(carry, 0);
}

static int big_bits(const struct big *big)
{
    for (int i = BIG_WORDS; i-- > 0;)
        if (big->words[i])
            return 32 * i + 32 - __builtin_clz(big->words[i]);
    return 0;
}

static int big_compare(const struct big *a, const struct big *b)
{
    for (int i = BIG_WORDS; i-- > 0;)
        if (a->words[i] != b->words[i])
            return a->words[i] < b->words[i] ? -1 : 1;
    return 0;
}

static struct big big_shifted(const struct big *big, int left)
{
    struct big shifted = {{0}};

    for (int bit = 0; bit < big_bits(big); bit++)
        if (big->words[bit / 32] >> bit % 32 & 1)
            shifted.words[(bit + left) / 32] |= UINT32_C(1) << (bit + left) % 32;
    return shifted;
}

static struct big big_times(const struct big *power, unsigned __int128 g)
{
    struct big product = {{0}};

    for (int i = 0; i < 4; i++) {
        struct big part = *power;
        big_multiply(&part, (uint32_t)(g >> 32 * i));
        part = big_shifted(&part, 32 * i);
        uint64_t carry = 0;
        for (int j = 0; j < BIG_WORDS; j++) {
            carry += (uint64_t)product.words[j] + part.words[j];
            product.words[j] = (uint32_t)carry;
            carry >>= 32;
        }
    }
    return product;
}

static const struct big one = {{1}};

/* g is the least integer with g * 2^e >= 10^k, where e makes it 128 bits long. */
static void check_power(int k, const struct big *power)
{
    const uint64_t *entry = &value_powers[2 * (k - VALUE_POWER_LEAST)];
    const unsigned __int128 g = (unsigned __int128)entry[0] << 64 | entry[1];

    cr_assert(g >> 127);
    if (k >= 0) {
        const int e = big_bits(power) - 128;
        struct big scaled = big_shifted(power, e < 0 ? -e : 0);
        struct big top = big_times(&one, g), below = big_times(&one, g - 1);
        top = big_shifted(&top, e > 0 ? e : 0);
        below = big_shifted(&below, e > 0 ? e : 0);
        cr_assert_geq(big_compare(&top, &scaled), 0, "10^%d", k);
        cr_assert_lt(big_compare(&below, &scaled), 0, "10^%d", k);
        return;
    }
    /* 10^k is 1 / power: g * power >= 2^-e, (g - 1) * power < 2^-e. */
    const struct big whole = big_shifted(&one, big_bits(power) + 127);
    const struct big top = big_times(power, g), below = big_times(power, g - 1);
    cr_assert_geq(big_compare(&top, &whole), 0, "10^%d", k);
    cr_assert_lt(big_compare(&below, &whole), 0, "10^%d", k);
}

Test(value_text, powers_of_ten_are_exact)
{
    struct big power = one;

    for (int k = 0; k < VALUE_POWER_COUNT + VALUE_POWER_LEAST; k++) {
        check_power(k, &power);
        if (k && -k >= VALUE_POWER_LEAST)
            check_power(-k, &power);
        if (k + 1 < VALUE_POWER_COUNT + VALUE_POWER_LEAST)
            big_multiply(&power, 10);
    }
}

/* ---- integers, decimals, the rest ------------------------------------------------------------------------------- */

Test(value_text, integers)
{
    static const int64_t some[] = {
        0, 1, 9, 10, 99, 100, 101, 12345, INT32_MAX, INT64_MAX, -1, -10, -100, INT32_MIN, INT64_MIN};
    char expected[32];

    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        snprintf(expected, sizeof expected, "%lld", (long long)some[i]);
        cr_assert_str_eq(ended(value_text_int(text, some[i])), expected);
    }
    for (int i = 0; i < RANDOM_ROUNDS; i++) {
        int64_t value = (int64_t)next_random() >> next_random() % 64;
        snprintf(expected, sizeof expected, "%lld", (long long)value);
        cr_assert_str_eq(ended(value_text_int(text, value)), expected);
    }
}

static const char *decimal(__int128 value, unsigned scale)
{
    uint64_t stored[2] = {htobe64((uint64_t)((unsigned __int128)value >> 64)), htobe64((uint64_t)value)};

    return ended(value_text_decimal(text, stored, scale));
}

Test(value_text, decimals)
{
    const __int128 ten19 = (__int128)INT64_C(1000000000000000000) * 10, most = ten19 * ten19 - 1;

    cr_assert_str_eq(decimal(0, 0), "0");
    cr_assert_str_eq(decimal(0, 2), "0.00");
    cr_assert_str_eq(decimal(5, 2), "0.05");
    cr_assert_str_eq(decimal(-5, 2), "-0.05");
    cr_assert_str_eq(decimal(100, 2), "1.00");
    cr_assert_str_eq(decimal(-12345, 3), "-12.345");
    cr_assert_str_eq(decimal(ten19, 0), "10000000000000000000");
    cr_assert_str_eq(decimal(ten19 + 7, 19), "1.0000000000000000007");
    cr_assert_str_eq(decimal(most, 0), "99999999999999999999999999999999999999");
    cr_assert_str_eq(decimal(-most, 38), "-0.99999999999999999999999999999999999999");
    cr_assert_str_eq(decimal(1, 38), "0.00000000000000000000000000000000000001");
    cr_assert_str_eq(decimal(most, 10), "9999999999999999999999999999.9999999999");
}

static const char *date(int32_t days)
{
    return ended(value_text_date(text, days, DELIMITED_ISO));
}

Test(value_text, dates)
{
    cr_assert_str_eq(date(0), "1970-01-01");
    cr_assert_str_eq(date(-1), "1969-12-31");
    cr_assert_str_eq(date(19782), "2024-02-29");
    cr_assert_str_eq(date(2932896), "9999-12-31");
    cr_assert_str_eq(date(2932897), "+10000-01-01");
    cr_assert_str_eq(ended(value_text_date(text, 2932897, DELIMITED_JAVA)), "10000-01-01");
    cr_assert_str_eq(date(-719528), "0000-01-01"); /* 1 BC */
    cr_assert_str_eq(date(-719529), "-0001-12-31");
    cr_assert_str_eq(
        date(-2440588 + 366 - 366), "-4713-11-24"); /* the first day that PostgreSQL has: 4714-11-24 BC */
    cr_assert_str_eq(date(INT32_MAX - 1), "+5881580-07-10");
    cr_assert_str_eq(date(INT32_MIN + 1), "-5877641-06-24");
    cr_assert_str_eq(date(INT32_MAX), "infinity");
    cr_assert_str_eq(date(INT32_MIN), "-infinity");
}

/* Every day of 800 years, and random moments, against the C library. */
Test(value_text, dates_are_those_of_the_c_library)
{
    char expected[64];
    struct tm tm;

    for (int32_t day = -160000; day < 160000; day++) {
        const time_t seconds = (time_t)day * 86400;
        strftime(expected, sizeof expected, "%Y-%m-%d", gmtime_r(&seconds, &tm));
        cr_assert_str_eq(date(day), expected);
    }
    for (int i = 0; i < RANDOM_ROUNDS; i++) {
        const time_t seconds = (time_t)(next_random() % UINT64_C(300000000000)) - INT64_C(62000000000);
        strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &tm));
        if (tm.tm_year + 1900 >= 1000 && tm.tm_year + 1900 <= 9999)
            cr_assert_str_eq(
                ended(value_text_timestamp(text, seconds * 1000000, true, DELIMITED_ISO)), expected);
    }
}

Test(value_text, times)
{
    cr_assert_str_eq(ended(value_text_time(text, 0)), "00:00:00");
    cr_assert_str_eq(ended(value_text_time(text, 1)), "00:00:00.000001");
    cr_assert_str_eq(ended(value_text_time(text, INT64_C(11045500000))), "03:04:05.5");
    cr_assert_str_eq(ended(value_text_time(text, INT64_C(86400000000))), "24:00:00");
}

static const struct {
    int64_t value;
    const char *iso, *utc, *java;
} timestamps[] = {
    {0, "1970-01-01T00:00:00", "1970-01-01T00:00:00Z", "1970-01-01 00:00:00.0"},
    {-1, "1969-12-31T23:59:59.999999", "1969-12-31T23:59:59.999999Z", "1969-12-31 23:59:59.999999"},
    {INT64_C(1704164645000000), "2024-01-02T03:04:05", "2024-01-02T03:04:05Z", "2024-01-02 03:04:05.0"},
    {INT64_C(1704164645123000), "2024-01-02T03:04:05.123", "2024-01-02T03:04:05.123Z",
        "2024-01-02 03:04:05.123"},
    {INT64_C(253402300800000000), "+10000-01-01T00:00:00", "+10000-01-01T00:00:00Z",
        "10000-01-01 00:00:00.0"},
    {INT64_C(-62167219200000001), "-0001-12-31T23:59:59.999999", "-0001-12-31T23:59:59.999999Z",
        "-0001-12-31 23:59:59.999999"},
    {INT64_MAX, "infinity", "infinity", "infinity"},
    {INT64_MIN, "-infinity", "-infinity", "-infinity"},
    {INT64_MIN + 1, "-290308-12-21T19:59:05.224193", "-290308-12-21T19:59:05.224193Z",
        "-290308-12-21 19:59:05.224193"},
};

Test(value_text, timestamps)
{
    for (size_t i = 0; i < sizeof timestamps / sizeof *timestamps; i++) {
        const int64_t value = timestamps[i].value;
        cr_assert_str_eq(ended(value_text_timestamp(text, value, false, DELIMITED_ISO)), timestamps[i].iso);
        cr_assert_str_eq(ended(value_text_timestamp(text, value, true, DELIMITED_ISO)), timestamps[i].utc);
        cr_assert_str_eq(ended(value_text_timestamp(text, value, true, DELIMITED_JAVA)), timestamps[i].java);
    }
}

/* ---- of a column -------------------------------------------------------------------------------------------------- */

#define FIXED_TYPES ((size_t)COLUMN_UUID + 1)

static void add_fixed(struct column *column, const void *value)
{
    column_add_fixed(column, value, column_width(column->field->type));
}

Test(value_text, every_type_of_a_fixed_size)
{
    static const char *const expected[FIXED_TYPES] = {"true", "-7", "8", "0.5", "0.25", "-0.42", "1970-01-02",
        "00:00:01", "1970-01-01T00:00:02", "1970-01-01T00:00:03Z", "00112233-4455-6677-8899-aabbccddeeff"};
    static const unsigned char uuid[16] = {
        0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
    __attribute__((cleanup(column_batch_free))) struct column_batch *batch = NULL;
    struct column_field fields[FIXED_TYPES];
    unsigned char minus_42[16];
    struct error error;

    for (size_t i = 0; i < FIXED_TYPES; i++)
        fields[i] =
            (struct column_field){.name = "x", .type = (enum column_type)i, .precision = 4, .scale = 2};
    memset(minus_42, 0xff, sizeof minus_42);
    minus_42[15] = (unsigned char)-42;
    cr_assert_eq(column_batch_new(&batch, fields, FIXED_TYPES, 100, &error), 0);
    add_fixed(&batch->columns[COLUMN_BOOL], &(uint8_t){1});
    add_fixed(&batch->columns[COLUMN_INT32], &(int32_t){-7});
    add_fixed(&batch->columns[COLUMN_INT64], &(int64_t){8});
    add_fixed(&batch->columns[COLUMN_FLOAT32], &(float){0.5f});
    add_fixed(&batch->columns[COLUMN_FLOAT64], &(double){0.25});
    add_fixed(&batch->columns[COLUMN_DECIMAL], minus_42);
    add_fixed(&batch->columns[COLUMN_DATE], &(int32_t){1});
    add_fixed(&batch->columns[COLUMN_TIME], &(int64_t){1000000});
    add_fixed(&batch->columns[COLUMN_TIMESTAMP], &(int64_t){2000000});
    add_fixed(&batch->columns[COLUMN_TIMESTAMP_UTC], &(int64_t){3000000});
    add_fixed(&batch->columns[COLUMN_UUID], uuid);
    column_batch_end_row(batch);
    add_fixed(&batch->columns[COLUMN_BOOL], &(uint8_t){0});
    for (size_t i = 0; i < FIXED_TYPES; i++)
        cr_assert_str_eq(ended(value_text(text, &batch->columns[i], 0, DELIMITED_ISO)), expected[i]);
    cr_assert_str_eq(ended(value_text(text, &batch->columns[COLUMN_BOOL], 1, DELIMITED_JAVA)), "false");
    cr_assert_str_eq(ended(value_text(text, &batch->columns[COLUMN_BOOL], 0, DELIMITED_POSTGRES)), "t");
    cr_assert_str_eq(ended(value_text(text, &batch->columns[COLUMN_BOOL], 1, DELIMITED_POSTGRES)), "f");
}
