/* Times in formats of their own. The expected values come from GNU date. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <time.h>

#include "decode/decode.h"

#define SECOND INT64_C(1000000)
#define RECEIVED (INT64_C(1767323045) * SECOND) /* 2026-01-02T03:04:05Z */

static struct error error;

static int read_as(
    const char *format, const char *zone, const char *text, int64_t received, int64_t *ret_time)
{
    struct time_format compiled;

    cr_assert_eq(time_format_compile(&compiled, format, &error), 0, "%s: %s", format, error.text);
    cr_assert_eq(time_format_set_zone(&compiled, zone, &error), 0);
    return decode_time_as(&compiled, slice_of(text), received, ret_time, &error);
}

static void is(const char *format, const char *zone, const char *text, int64_t expected)
{
    int64_t time = -1;

    cr_expect_eq(read_as(format, zone, text, RECEIVED, &time), 0, "%s: %s", text, error.text);
    cr_expect_eq(time, expected, "%s: %lld, not %lld", text, (long long)time, (long long)expected);
}

static void refuses(const char *format, const char *text)
{
    int64_t time = -1;

    error = (struct error){0};
    cr_expect_eq(
        read_as(format, "UTC", text, RECEIVED, &time), -1, "%s is taken as %lld", text, (long long)time);
    cr_expect(error.kind == ERROR_REJECT && time == -1);
}

Test(time_format, what_logs_have)
{
    is("%Y-%m-%d %H:%M:%S,%f", "UTC", "2026-01-02 03:04:05,678", RECEIVED + 678000); /* log4j */
    is("%d/%b/%Y:%H:%M:%S %z", "UTC", "02/Jan/2026:04:04:05 +0100", RECEIVED); /* Apache, nginx */
    is("%b %e %H:%M:%S", "UTC", "Jan  2 03:04:05", RECEIVED); /* syslog */
    is("%b %e %H:%M:%S", "UTC", "jan 12 03:04:05", RECEIVED + 10 * 86400 * SECOND);
}

Test(time_format, every_directive)
{
    is("%y%m%d%H%M%S", "UTC", "260102030405", RECEIVED);
    is("%y-%m-%d %H:%M", "UTC", "69-01-02 00:00", -INT64_C(31449600) * SECOND);
    is("%d.%m.%Y %H.%M.%S", "UTC", "02.01.2026 03.04.05", RECEIVED);
    is("%b %d, %Y %I:%M:%S %p", "UTC", "January 02, 2026 03:04:05 AM", RECEIVED);
    is("%b %d, %Y %I:%M:%S %p", "UTC", "Jan 02, 2026 03:04:05 pm", RECEIVED + 12 * 3600 * SECOND);
    is("%m/%d/%Y %I:%M %p", "UTC", "01/02/2026 12:00 AM", RECEIVED - (3 * 3600 + 245) * SECOND);
    is("%m/%d/%Y %I:%M %p", "UTC", "01/02/2026 12:00 PM", RECEIVED + (9 * 3600 - 245) * SECOND);
    is("%Y-%m-%dT%H:%M:%S%z", "+01:00", "2026-01-02T03:04:05Z", RECEIVED); /* its own zone counts */
    is("%Y-%m-%dT%H:%M:%S%z", "UTC", "2026-01-01T21:34:05-05:30", RECEIVED);
    is("100%% %Y %m %e %H:%M:%S", "UTC", "100% 2026 \t01  2 03:04:05", RECEIVED);
    is("%Y %m %e %H:%M:%S", "UTC", "2026 01 2 03:04:05", RECEIVED);
    is(" %b  %d %H:%M:%S ", "UTC", "Jan  2 03:04:05", RECEIVED); /* blanks are any number of blanks */
    is("%b %d %H:%M:%S", "UTC", "Jan 02 03:04:05", RECEIVED);
    is("%m/%d/%Y %I:%M:%S %p", "UTC", "1/2/2026 3:4:5 AM", RECEIVED);
    is("%d %b %Y %H:%M:%S %z", "UTC", "02 Jan 2026 04:04:05 +01", RECEIVED);
    is("%d %b %Y %H:%M:%S %z", "+03:00", "02 Jan 2026 03:04:05 UTC", RECEIVED);
    is("%d %b %Y %H:%M:%S%z.", "+03:00", "02 Jan 2026 03:04:05GMT.", RECEIVED);
    is("%d %b %Y %H:%M", "UTC", "22 Sept 2026 09:00", INT64_C(1790067600) * SECOND);
    is("%d %b %Y %H:%M", "UTC", "22 Sep 2026 09:00", INT64_C(1790067600) * SECOND);
    is("%d %b %Y %H:%M", "UTC", "22 september 2026 09:00", INT64_C(1790067600) * SECOND);
    is("%Y-%m-%d %H:%M:%S", "UTC", "2016-12-31 23:59:60", INT64_C(1483228800) * SECOND - 1);
}

Test(time_format, zones)
{
    is("%Y-%m-%d %H:%M:%S", "+01:00", "2026-01-02 04:04:05", RECEIVED);
    is("%Y-%m-%d %H:%M:%S", "-0330", "2026-01-01 23:34:05", RECEIVED);
    setenv("TZ", "Europe/Berlin", 1);
    tzset();
    is("%Y-%m-%d %H:%M:%S,%f", "local", "2026-01-02 04:04:05,5", RECEIVED + SECOND / 2);
    is("%Y-%m-%d %H:%M", "local", "2026-07-02 05:00", INT64_C(1782961200) * SECOND);
    is("%Y-%m-%d %H:%M:%S%z", "local", "2026-01-02 03:04:05Z", RECEIVED);
}

/* What mktime() guesses depends on what it was asked before. */
Test(time_format, clocks_that_are_set)
{
    static const char *const before[] = {"2026-01-05 12:00", "2026-07-05 12:00"};
    const int64_t summer = INT64_C(1792888200) * SECOND,
                  winter = summer + 3600 * SECOND; /* 2026-10-25 02:30 */

    setenv("TZ", "Europe/Berlin", 1);
    tzset();
    for (size_t i = 0; i < 2; i++) {
        int64_t time;
        cr_assert_eq(read_as("%Y-%m-%d %H:%M", "local", before[i], RECEIVED, &time), 0);
        cr_assert_eq(read_as("%Y-%m-%d %H:%M", "local", "2026-10-25 02:30", summer + SECOND, &time), 0);
        cr_expect_eq(time, summer);
        cr_assert_eq(read_as("%Y-%m-%d %H:%M", "local", "2026-10-25 02:30", winter + SECOND, &time), 0);
        cr_expect_eq(time, winter);
        is("%Y-%m-%d %H:%M", "local", "2026-03-29 02:30",
            INT64_C(1774747800) * SECOND); /* there is none: 03:30 */
    }
    setenv("TZ", "Africa/Monrovia", 1);
    tzset();
    is("%Y-%m-%d %H:%M:%S", "local", "1971-06-01 12:00:00",
        INT64_C(44628270) * SECOND); /* 44:30 behind Greenwich */
    setenv("TZ", "UTC", 1);
    tzset();
    is("%Y-%m-%d %H:%M:%S", "local", "2016-12-31 23:59:60", INT64_C(1483228800) * SECOND - 1);
}

Test(time_format, without_a_year_it_is_the_nearest)
{
    is("%b %e %H:%M:%S", "UTC", "Dec 31 23:59:59", RECEIVED - 97446 * SECOND);
    is("%b %e %H:%M:%S", "UTC", "Jun 30 00:00:00", INT64_C(1782777600) * SECOND);
    is("%b %e %H:%M:%S", "UTC", "Jul 10 00:00:00", INT64_C(1752105600) * SECOND); /* of 2025 */
    refuses("%b %e %H:%M:%S", "Feb 29 00:00:00"); /* neither 2025, 2026 nor 2027 has one */
}

Test(time_format, what_does_not_fit)
{
    refuses("%Y-%m-%d %H:%M:%S", "2026-01-02 03:04");
    refuses("%Y-%m-%d %H:%M:%S", "2026-01-02 03:04:05Z");
    refuses("%Y-%m-%d %H:%M:%S", "2026-01-02T03:04:05");
    refuses("%Y-%m-%d %H:%M", "2026-02-30 00:00");
    refuses("%Y-%m-%d %H:%M", "2026-13-01 00:00");
    refuses("%Y-%m-%d %H:%M:%S", "2026-01-02 03:04:60");
    refuses("%d/%b/%Y %H:%M", "02/Ja/2026 00:00");
    refuses("%d/%b/%Y %H:%M", "02/Foo/2026 00:00");
    refuses("%Y %m %e %H:%M", "2026 01  x 00:00");
    refuses("%y %m %d %H:%M", "x6 01 02 00:00");
    refuses("%Y-%m-%d %H:%M%z", "2026-01-02 00:00+1");
    refuses("%m/%d/%Y %H:%M", "13/2/2026 00:00");
    refuses("%Y-%m-%d %H:%M%z", "2026-01-02 00:00+01:6");
    refuses("%Y-%m-%d %I:%M %p", "2026-01-02 01:00 XM");
    refuses("%Y-%m-%d %I:%M %p", "2026-01-02 13:00 PM");
    refuses("%Y-%m-%d %H:%M:%S%f", "2026-01-02 03:04:05");
    refuses("%Y-%m-%d %H:%M %%", "2026-01-02 03:04 x");
}

static void is_no_format(const char *format, const char *why)
{
    struct time_format compiled;

    cr_expect_eq(time_format_compile(&compiled, format, &error), -1, "%s", format);
    cr_expect(error.kind == ERROR_REJECT && strstr(error.text, why), "%s", error.text);
}

Test(time_format, what_is_no_format)
{
    is_no_format("%Y-%m-%d", "month, day, hour and minute");
    is_no_format("%Y-%m-%d %H:%M %Q", "%Q is not known");
    is_no_format("%Y-%m-%d %H:%M %", "is not known");
    is_no_format("%Y-%m-%d %H:%M %d", "%d says again");
    is_no_format("%Y-%m-%d %H:%M:%S %S", "%S says again");
    is_no_format("%Y-%m-%d %H:%M:%S,%f%f", "behind %f");
    is_no_format("%H:%M:%S,%f%m%d", "behind %f");
    is_no_format("%Y-%m-%d %H:%M %\xc3\xa9", "%? is not known");
    is_no_format("%Y-%m-%d %I:%M", "%I needs %p");
    is_no_format("%Y-%m-%d %p %I:%M", "%p belongs behind");
    is_no_format("%Y-%m-%d %H:%M %p", "%p belongs behind");
    is_no_format("%Y-%m-%d %H:%M 0123456789012345678901234567890123456789012345678901234567890123456789",
        "at most 63 bytes");
}

Test(time_format, what_is_no_zone)
{
    static const char *const zones[] = {"Europe/Berlin", "+01:00x", "+25:00", "+1", "+01:", "utc", ""};

    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++) {
        struct time_format format = {.offset = 7};
        error = (struct error){0};
        cr_expect_eq(time_format_set_zone(&format, zones[i], &error), -1, "%s", zones[i]);
        cr_expect(error.kind == ERROR_REJECT && strstr(error.text, "is no zone") && format.offset == 7);
    }
}
