/* Event times: numbers and RFC 3339, exact to the microsecond. The expected values come from GNU date. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "decode/decode.h"

#define SECOND INT64_C(1000000)
#define FIRST (INT64_C(-62135596800) * SECOND) /* 0001-01-01T00:00:00Z */
#define LAST (INT64_C(253402300799) * SECOND) /* 9999-12-31T23:59:59Z */

static struct error error;

static struct json_value value_of(enum json_type type, const char *text)
{
    return (struct json_value){type, strchr(text, '\\') != NULL, slice_of(text)};
}

static void is(enum json_type type, const char *text, int64_t expected)
{
    struct json_value value = value_of(type, text);
    int64_t time = -1;

    cr_expect(decode_time(&value, &time, &error) == 0, "%s: %s", text, error.text);
    cr_expect(time == expected, "%s: %lld, not %lld", text, (long long)time, (long long)expected);
}

static void refuses(enum json_type type, const char *text, const char *why)
{
    struct json_value value = value_of(type, text);
    int64_t time = -1;

    error = (struct error){0};
    cr_expect(decode_time(&value, &time, &error) == -1, "%s is taken as %lld", text, (long long)time);
    cr_expect(error.kind == ERROR_REJECT && time == -1);
    cr_expect_str_eq(error.text, why, "%s: %s", text, error.text);
}

#define RANGE "time: not between the years 0001 and 9999"
#define DATE "time: expected a date as in 2026-01-31T12:00:00Z"
#define CLOCK "time: expected 'T' and a time of day behind the date, as in 2026-01-31T12:00:00Z"
#define OFFSET "time: expected Z or an offset such as +01:00, and nothing more, behind the time of day"
#define KIND "time: expected a number of seconds or milliseconds, or a text as in 2026-01-31T12:00:00Z"

Test(time, seconds)
{
    is(JSON_NUMBER, "0", 0);
    is(JSON_NUMBER, "-0", 0);
    is(JSON_NUMBER, "0.0e7", 0);
    is(JSON_NUMBER, "1", SECOND);
    is(JSON_NUMBER, "-1", -SECOND);
    is(JSON_NUMBER, "1700000000", 1700000000 * SECOND);
    is(JSON_NUMBER, "99999999999", INT64_C(99999999999) * SECOND);
    is(JSON_NUMBER, "-62135596800", FIRST);
    refuses(JSON_NUMBER, "-62135596801", RANGE);
    refuses(JSON_NUMBER, "-62135596800.000001", RANGE);
}

Test(time, fractions_are_kept_to_the_microsecond_and_cut)
{
    is(JSON_NUMBER, "1700000000.123456", 1700000000 * SECOND + 123456);
    is(JSON_NUMBER, "1700000000.1234569", 1700000000 * SECOND + 123456);
    is(JSON_NUMBER, "1700000000.12345699999999999999999999", 1700000000 * SECOND + 123456);
    is(JSON_NUMBER, "0.000001", 1);
    is(JSON_NUMBER, "0.0000019", 1);
    is(JSON_NUMBER, "-0.0000019", -1);
    is(JSON_NUMBER, "0.0000009", 0);
    is(JSON_NUMBER, "0.3", 300000);
    is(JSON_NUMBER, "1.10", 1100000);
    is(JSON_NUMBER, "99999999999.9999999", INT64_C(99999999999) * SECOND + 999999);
}

Test(time, milliseconds_from_1e11_on)
{
    is(JSON_NUMBER, "100000000000", 100000000 * SECOND);
    is(JSON_NUMBER, "-100000000000", -100000000 * SECOND);
    is(JSON_NUMBER, "1700000000123", 1700000000 * SECOND + 123000);
    is(JSON_NUMBER, "1700000000123.4567", 1700000000 * SECOND + 123456);
    is(JSON_NUMBER, "253402300799999.999", LAST + 999999);
    is(JSON_NUMBER, "-62135596800000", FIRST);
    refuses(JSON_NUMBER, "253402300800000", RANGE);
    refuses(JSON_NUMBER, "-62135596800000.001", RANGE);
    refuses(JSON_NUMBER, "999999999999999", RANGE);
    refuses(JSON_NUMBER, "1000000000000000", RANGE);
    refuses(JSON_NUMBER, "-1000000000000000", RANGE);
}

Test(time, exponents)
{
    is(JSON_NUMBER, "1.7e9", 1700000000 * SECOND);
    is(JSON_NUMBER, "1.7E+12", 1700000000 * SECOND);
    is(JSON_NUMBER, "17000000001234e-4", 1700000000 * SECOND + 123400);
    is(JSON_NUMBER, "1e11", 100000000 * SECOND);
    is(JSON_NUMBER, "0.00000000017e19", 1700000000 * SECOND);
    is(JSON_NUMBER, "1e-400", 0);
    is(JSON_NUMBER, "1e-99999999999999999999999999", 0);
    is(JSON_NUMBER, "0e99999999999999999999999999", 0);
    refuses(JSON_NUMBER, "1e400", RANGE);
    refuses(JSON_NUMBER, "1e99999999999999999999999999", RANGE);
    refuses(JSON_NUMBER, "18446744073709551616", RANGE);
}

Test(time, a_million_digits_are_still_exact)
{
    static char text[1000100];

    memset(text, '0', sizeof text);
    text[1] = '.';
    memcpy(text + 1000000, "17e1000008", 11); /* 0.000...017 with 1000000 digits behind the point */
    is(JSON_NUMBER, text, 1700000000 * SECOND);
    text[0] = '1';
    memset(text + 1, '0', 1000009);
    memcpy(text + 1000010, "e-1000000", 10); /* 1 with 1000009 zeros */
    is(JSON_NUMBER, text, 1000000000 * SECOND);
}

Test(time, rfc3339)
{
    is(JSON_STRING, "1970-01-01T00:00:00Z", 0);
    is(JSON_STRING, "2026-01-31T12:00:00Z", 1769860800 * SECOND);
    is(JSON_STRING, "2026-01-31t12:00:00z", 1769860800 * SECOND);
    is(JSON_STRING, "2026-01-31 12:00:00Z", 1769860800 * SECOND);
    is(JSON_STRING, "2026-01-31T12:00:00.5Z", 1769860800 * SECOND + 500000);
    is(JSON_STRING, "2026-01-31T12:00:00.123456789Z", 1769860800 * SECOND + 123456);
    is(JSON_STRING, "1969-12-31T23:59:59.999999Z", -1);
    is(JSON_STRING, "2024-02-29T00:00:00Z", 1709164800 * SECOND);
    is(JSON_STRING, "2000-02-29T23:59:59Z", 951868799 * SECOND);
    is(JSON_STRING, "1900-03-01T00:00:00Z", INT64_C(-2203891200) * SECOND);
    is(JSON_STRING, "0001-01-01T00:00:00Z", FIRST);
    is(JSON_STRING, "9999-12-31T23:59:59.999999Z", LAST + 999999);
}

Test(time, offsets)
{
    is(JSON_STRING, "2026-01-31T13:00:00+01:00", 1769860800 * SECOND);
    is(JSON_STRING, "2026-01-31T06:30:00-05:30", 1769860800 * SECOND);
    is(JSON_STRING, "2026-01-31T12:00:00-00:00", 1769860800 * SECOND);
    is(JSON_STRING, "2026-02-01T11:59:00+23:59", 1769860800 * SECOND);
    is(JSON_STRING, "0001-01-01T01:00:00+01:00", FIRST);
    refuses(JSON_STRING, "0001-01-01T00:59:59+01:00", RANGE);
    refuses(JSON_STRING, "9999-12-31T23:59:59-00:01", RANGE);
}

Test(time, leap_second_is_the_end_of_its_day)
{
    is(JSON_STRING, "2016-12-31T23:59:60Z", 1483228800 * SECOND - 1);
    is(JSON_STRING, "2016-12-31T23:59:60.75Z", 1483228800 * SECOND - 1);
    is(JSON_STRING, "1990-12-31T15:59:60-08:00", 662688000 * SECOND - 1);
    is(JSON_STRING, "1969-12-31T23:59:60Z", -1);
    is(JSON_STRING, "1960-12-31T23:59:60Z", -283996800 * SECOND - 1);
    refuses(JSON_STRING, "2016-12-31T23:58:60Z", "time: second 60 exists only at 23:59 UTC");
    refuses(JSON_STRING, "2016-12-31T23:59:60+01:00", "time: second 60 exists only at 23:59 UTC");
    refuses(JSON_STRING, "2016-12-31T23:59:61Z", CLOCK);
}

Test(time, refuses_other_texts)
{
    static const char *const dates[] = {"", "x", "2026", "2026-1-31T12:00:00Z", "0000-01-01T00:00:00Z",
        "2026/01/31T12:00:00Z", "2026-00-01T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-00T00:00:00Z",
        "2026-01-32T00:00:00Z", "2025-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2026-04-31T00:00:00Z",
        "+2026-01-31T12:00:00Z", "1700000000", " 2026-01-31T12:00:00Z"};
    static const char *const clocks[] = {"2026-01-31", "2026-01-31_12:00:00Z", "2026-01-31T24:00:00Z",
        "2026-01-31T12:60:00Z", "2026-01-31T12:00Z", "2026-01-31T12-00-00Z", "2026-01-31T12:00:00.Z",
        "2026-01-31T1:00:00Z"};
    static const char *const offsets[] = {"2026-01-31T12:00:00", "2026-01-31T12:00:00+0100",
        "2026-01-31T12:00:00+24:00", "2026-01-31T12:00:00+01:60", "2026-01-31T12:00:00+1:00",
        "2026-01-31T12:00:00Z ", "2026-01-31T12:00:00,5Z", "2026-01-31T12:00:00.5x7Z",
        "2026-01-31T12:00:00 UTC"};

    for (size_t i = 0; i < sizeof dates / sizeof *dates; i++)
        refuses(JSON_STRING, dates[i], DATE);
    for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++)
        refuses(JSON_STRING, clocks[i], CLOCK);
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++)
        refuses(JSON_STRING, offsets[i], OFFSET);
    int64_t time;
    cr_expect(decode_rfc3339((struct slice){"2026\0-01-31T12:00:00Z", 21}, &time, &error) == -1);
}

Test(time, refuses_other_kinds)
{
    refuses(JSON_NULL, "null", KIND);
    refuses(JSON_TRUE, "true", KIND);
    refuses(JSON_OBJECT, "{}", KIND);
    refuses(JSON_ABSENT, "", KIND);
}

Test(time, escaped_texts)
{
    char text[300] = "2026-01-31T12:00:00.";

    is(JSON_STRING, "2026-01-31T12:00:00\\u005a", 1769860800 * SECOND);
    memset(text + 20, '0', 256 - 20 - 6);
    strncpy(text + 250, "\\u005a", 7);
    is(JSON_STRING, text, 1769860800 * SECOND);
    memset(text + 250, '0', 1);
    strncpy(text + 251, "\\u005a", 7);
    refuses(JSON_STRING, text, KIND);
}

/* Every day of the years 1600 to 2500 against the C library. */
Test(time, every_day_agrees_with_timegm)
{
    struct tm day = {.tm_year = 1600 - 1900, .tm_mon = 0, .tm_mday = 1};
    time_t expected = timegm(&day);

    for (int i = 0; i < 900 * 365; i++, expected += 24 * 60 * 60) {
        char text[64];
        int64_t time;
        gmtime_r(&expected, &day);
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &day);
        cr_assert(decode_rfc3339(slice_of(text), &time, &error) == 0, "%s: %s", text, error.text);
        cr_assert(time == expected * SECOND, "%s", text);
    }
}
