/* Least and greatest values in Parquet's order, and what becomes of NaN, zeros and long values. */
#include <criterion/criterion.h>
#include <math.h>

#include "lake/format/parquet_statistics.h"

static struct error error;
static struct parquet_statistics statistics;
static struct parquet_bound least, greatest;
static struct parquet_type type;

static void of(enum column_type kind, uint8_t precision)
{
    const struct column_field field = {.name = "a", .type = kind, .precision = precision};

    cr_assert(parquet_type_of(&type, &field, &error) == 0);
    statistics = (struct parquet_statistics){0};
}

static void add(const void *data, size_t count)
{
    const struct parquet_values values = {.count = count, .fixed = data};

    parquet_statistics_add(&statistics, &type, &values);
}

static void add_text(const char *data, size_t length)
{
    const uint32_t end = (uint32_t)length;
    const struct parquet_values values = {.count = 1, .data = data, .ends = &end};

    parquet_statistics_add(&statistics, &type, &values);
}

static bool bounds(void)
{
    return parquet_statistics_bounds(&least, &greatest, &statistics, &type);
}

#define IS(bound, value) \
    cr_assert((bound).length == sizeof(value) && !memcmp((bound).data, &(value), sizeof(value)))

Test(parquet_statistics, numbers)
{
    const int32_t small[] = {3, -7, 0, 5}, low = -7, high = 5;
    const int64_t wide[] = {INT64_MAX, INT64_MIN, 0}, lowest = INT64_MIN, highest = INT64_MAX;
    const uint8_t flags[] = {1, 1, 0, 1}, no = 0, yes = 1;

    of(COLUMN_INT32, 0);
    cr_assert(!bounds());
    add(small, 0);
    cr_assert(!bounds());
    add(small, 2);
    add(small + 2, 2);
    cr_assert(bounds() && least.exact && greatest.exact);
    IS(least, low);
    IS(greatest, high);
    of(COLUMN_TIMESTAMP, 0);
    add(wide, 3);
    cr_assert(bounds());
    IS(least, lowest);
    IS(greatest, highest);
    of(COLUMN_BOOL, 0);
    add(flags, 4);
    cr_assert(bounds());
    IS(least, no);
    IS(greatest, yes);
}

Test(parquet_statistics, floats)
{
    const float narrow[] = {NAN, 2.5f, -0.0f, NAN}, zero = -0.0f, most = 2.5f;
    const double nothing[] = {NAN, NAN}, one[] = {-INFINITY, NAN, 0.0}, low = -INFINITY,
                 zeros[] = {0.0, -0.0}, plus = 0.0, minus = -0.0;

    of(COLUMN_FLOAT32, 0);
    add(narrow, 4);
    cr_assert(bounds() && statistics.nans == 2);
    IS(least, zero);
    IS(greatest, most);
    of(COLUMN_FLOAT64, 0);
    add(nothing, 2);
    cr_assert(!bounds() && statistics.nans == 2);
    add(one, 3);
    cr_assert(bounds() && statistics.nans == 3);
    IS(least, low);
    IS(greatest, plus);
    for (size_t first = 0; first < 2; first++) {
        of(COLUMN_FLOAT64, 0);
        add(zeros + first, 1);
        cr_assert(bounds());
        IS(least, minus);
        IS(greatest, plus);
    }
}

Test(parquet_statistics, decimals_have_a_sign_and_uuids_none)
{
    static const char values[3][16] = {{0}, {(char)0xff, 1}, {0x7f}};

    of(COLUMN_DECIMAL, 38);
    add(values, 3);
    cr_assert(bounds());
    IS(least, values[1]);
    IS(greatest, values[2]);
    of(COLUMN_UUID, 0);
    add(values, 3);
    cr_assert(bounds());
    IS(least, values[0]);
    IS(greatest, values[1]);
}

static bool bound_is(const struct parquet_bound *bound, const char *text, size_t length)
{
    return bound->length == length && memcmp(bound->data, text, length) == 0;
}
#define TEXT_IS(bound, text) cr_assert(bound_is(&(bound), text, sizeof(text) - 1))

/* All lengths around those that are loaded at once. */
Test(parquet_statistics, text_is_ordered_by_unsigned_bytes)
{
    static const char *const ordered[] = {"", "a", "aa", "ab", "abc", "abcd", "abcda", "abcdb", "abcdefg",
        "abcdefgh", "abcdefgh0", "abcdefgi", "abcdefgi01234567", "abcdefgi012345670", "abcdefgi01234568", "b",
        "\x7f", "\xc3\xa9", "\xf0\x9f\x98\x80"};
    const size_t count = sizeof(ordered) / sizeof(ordered[0]);

    for (size_t i = 0; i < count; i++) {
        for (size_t k = i; k < count; k++) {
            of(COLUMN_STRING, 0);
            for (size_t other = i; other <= k; other++)
                add_text(ordered[other], strlen(ordered[other]));
            for (size_t other = k + 1; other > i; other--)
                add_text(ordered[other - 1], strlen(ordered[other - 1]));
            cr_assert(bounds() && least.exact && greatest.exact);
            cr_assert(bound_is(&least, ordered[i], strlen(ordered[i])));
            cr_assert(bound_is(&greatest, ordered[k], strlen(ordered[k])), "%zu %zu", i, k);
        }
    }
}

#define TEN "0123456789"
#define SIXTY TEN TEN TEN TEN TEN TEN

static void add_string(const char *text)
{
    add_text(text, strlen(text));
}

Test(parquet_statistics, long_text_is_cut_and_stays_text)
{
    of(COLUMN_STRING, 0);
    add_string(SIXTY "abcd");
    cr_assert(bounds() && least.exact && greatest.exact);
    add_string(SIXTY "abcde");
    cr_assert(bounds() && least.exact && !greatest.exact);
    TEXT_IS(least, SIXTY "abcd");
    TEXT_IS(greatest, SIXTY "abce");
    of(COLUMN_STRING, 0);
    add_string(SIXTY "abcde");
    add_string(SIXTY "abcdf");
    cr_assert(bounds() && !least.exact && !greatest.exact);
    add_string(SIXTY "abcd");
    cr_assert(bounds() && least.exact && !greatest.exact);

    /* Half a character goes; the last one becomes the next, of two to four bytes. */
    of(COLUMN_STRING, 0);
    add_string(SIXTY "ab\xc2\x80\xe2\x82\xac");
    cr_assert(bounds());
    TEXT_IS(least, SIXTY "ab\xc2\x80");
    TEXT_IS(greatest, SIXTY "ab\xc2\x81");
    of(COLUMN_STRING, 0);
    add_string(SIXTY "abc\xe2\x82\xac");
    cr_assert(bounds());
    TEXT_IS(least, SIXTY "abc");
    TEXT_IS(greatest, SIXTY "abd");
    static const char *const last[][2] = {{"abc\x7f", "abc\xc2\x80"}, {"ab\xdf\xbf", "ab\xe0\xa0\x80"},
        {"a\xed\x9f\xbf", "a\xee\x80\x80"}, {"a\xef\xbf\xbf", "a\xf0\x90\x80\x80"},
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x81"}, {"\xf4\x8f\xbf\xbf", ""}};
    for (size_t i = 0; i < sizeof(last) / sizeof(last[0]); i++) {
        char value[80], expected[80];
        memcpy(value, SIXTY, 60);
        memcpy(value + 60, last[i][0], strlen(last[i][0]));
        const size_t length = 60 + strlen(last[i][0]);
        value[length] = 'z';
        memcpy(expected, SIXTY, 60);
        memcpy(expected + 60, last[i][1], strlen(last[i][1]));
        if (!*last[i][1])
            expected[59] = ':';
        of(COLUMN_STRING, 0);
        add_text(value, length + 1);
        cr_assert(bounds() && !least.exact && !greatest.exact);
        cr_assert(bound_is(&greatest, expected, 60 + strlen(last[i][1])), "%zu", i);
        cr_assert(bound_is(&least, value, length));
    }
}

Test(parquet_statistics, no_text_is_greater)
{
    char value[100], bytes[100];

    for (size_t i = 0; i < sizeof(value); i += 4)
        memcpy(value + i, "\xf4\x8f\xbf\xbf", 4);
    of(COLUMN_STRING, 0);
    add_text(value, sizeof(value));
    cr_assert(!bounds());
    memset(bytes, 0xff, sizeof(bytes));
    of(COLUMN_BYTES, 0);
    add_text(bytes, sizeof(bytes));
    cr_assert(!bounds());
    bytes[10] = 5;
    of(COLUMN_BYTES, 0);
    add_text(bytes, sizeof(bytes));
    cr_assert(bounds() && !greatest.exact && greatest.length == 11 && greatest.data[10] == 6);
    cr_assert(least.length == PARQUET_BOUND_MAX && !memcmp(least.data, bytes, PARQUET_BOUND_MAX));
    /* Continuations alone are no character; what is cut of them is nothing worse than short. */
    memset(value, 0x80, sizeof(value));
    of(COLUMN_STRING, 0);
    add_text(value, sizeof(value));
    bounds();
}

static struct parquet_statistics taken(const char *text)
{
    of(COLUMN_STRING, 0);
    if (text)
        add_string(text);
    return statistics;
}

Test(parquet_statistics, merged)
{
    static const char *const texts[] = {NULL, "a", "b", SIXTY "abcd", SIXTY "abcde", SIXTY "abcdf"};
    const size_t count = sizeof(texts) / sizeof(texts[0]);

    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < count; k++) {
            struct parquet_statistics one = taken(texts[i]), both = one;
            const struct parquet_statistics other = taken(texts[k]);
            parquet_statistics_merge(&one, &type, &other);
            if (texts[k]) {
                statistics = both;
                add_string(texts[k]);
                both = statistics;
            }
            cr_assert_eq(one.any, both.any);
            cr_assert(one.min_cut == both.min_cut && one.max_cut == both.max_cut, "%zu %zu", i, k);
            cr_assert(one.min_length == both.min_length && !memcmp(one.min, both.min, one.min_length));
            cr_assert(one.max_length == both.max_length && !memcmp(one.max, both.max, one.max_length));
        }
    }
    struct parquet_statistics nans = {.nans = 2};
    const struct parquet_statistics more = {.nans = 3}, some = {.any = true, .nans = 4};
    parquet_statistics_merge(&nans, &type, &more);
    parquet_statistics_merge(&nans, &type, &some);
    cr_assert(nans.nans == 9 && nans.any);
}
