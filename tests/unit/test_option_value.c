/* option: values from their texts, and the environment */
#include "option_harness.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- numbers ----------------------------------------------------------------------------------------------- */

Test(option_value, numbers_with_their_units)
{
    static const struct {
        const char *name;
        const char *text;
        uint64_t value;
    } cases[] = {
        {"journal.max_size", "5MiB", 5242880},
        {"journal.max_size", "5242880", 5242880},
        {"journal.max_size", "16TiB", UINT64_C(17592186044416)},
        {"http.max_record", "1", 1},
        {"http.max_record", "900KiB", 921600},
        {"http.max_record", "900KB", 900000},
        {"http.max_record", "1MB", 1000000},
        {"journal.max_size", "1GB", 1000000000},
        {"journal.max_size", "1TB", UINT64_C(1000000000000)},
        {"lake.roll.size", "0", 0},
        {"gateway.grace", "0", 0},
        {"gateway.grace", "0s", 0},
        {"gateway.grace", "7us", 7},
        {"gateway.grace", "500ms", 500000},
        {"gateway.grace", "10s", 10000000},
        {"gateway.grace", "10min", 600000000},
        {"gateway.grace", "1h", UINT64_C(3600000000)},
        {"streams.x.time.past", "30d", UINT64_C(2592000000000)},
        {"http.max_records", "0100", 100},
    };
    struct error error;
    uint64_t value;

    for (size_t i = 0; i < COUNT(cases); i++) {
        cr_assert_eq(option_parse_number(row(cases[i].name), slice_of(cases[i].text), &value, &error), 0,
            "%s: %s", cases[i].text, error.text);
        cr_assert_eq(value, cases[i].value, "%s: %" PRIu64, cases[i].text, value);
    }
}

#define UNITS "KB, MB, GB, TB, KiB, MiB, GiB, TiB, none for bytes"
#define SEGMENT "a size from 1MiB to 1GiB"
#define GRACE "a time from 0 to 1h"

Test(option_value, numbers_that_are_refused)
{
    static const struct {
        const char *name;
        const char *text;
        const char *message;
    } cases[] = {
        {"journal.segment_size", "", "found \"\"; allowed: " SEGMENT},
        {"journal.segment_size", "big", "found \"big\"; allowed: " SEGMENT},
        {"journal.segment_size", "-1", "found \"-1\"; allowed: " SEGMENT},
        {"journal.segment_size", "1048575", "found \"1048575\"; allowed: " SEGMENT},
        {"journal.segment_size", "2GiB", "found \"2GiB\"; allowed: " SEGMENT},
        {"journal.segment_size", "0", "found \"0\"; allowed: " SEGMENT},
        {"journal.segment_size", "18446744073709551616", "found \"18446744073709551616\"; allowed: " SEGMENT},
        {"journal.segment_size", "99999999999999999999999",
            "found \"99999999999999999999999\"; allowed: " SEGMENT},
        {"journal.segment_size", "99999999999TiB", "found \"99999999999TiB\"; allowed: " SEGMENT},
        {"journal.segment_size", "1.5GiB",
            "found \"1.5GiB\", an unknown unit; allowed: " UNITS "; did you mean \"GiB\"?"},
        {"journal.segment_size", "16Mb",
            "found \"16Mb\", an unknown unit; allowed: " UNITS "; did you mean \"MB\"?"},
        {"journal.segment_size", "16 MiB",
            "found \"16 MiB\", an unknown unit; allowed: " UNITS "; did you mean \"MiB\"?"},
        {"journal.segment_size", "16parsec", "found \"16parsec\", an unknown unit; allowed: " UNITS},
        {"gateway.grace", "10", "found \"10\", a number without unit; allowed: us, ms, s, min, h, d"},
        {"gateway.grace", "10m", "found \"10m\", an unknown unit; allowed: us, ms, s, min, h, d"},
        {"gateway.grace", "0m", "found \"0m\", an unknown unit; allowed: us, ms, s, min, h, d"},
        {"gateway.grace", "61min", "found \"61min\"; allowed: " GRACE},
        {"http.max_records", "1k", "found \"1k\", an unknown unit; allowed: none"},
        {"http.max_records", "0", "found \"0\"; allowed: a number of records from 1 to 10000000"},
        {"lake.roll.every", "1us", "found \"1us\"; allowed: a time from 1ms to 30d, or 0: never"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error error = {0};
        uint64_t value = 42;
        cr_assert_eq(option_parse_number(row(cases[i].name), slice_of(cases[i].text), &value, &error), -1);
        cr_assert_str_eq(error.text, cases[i].message);
        cr_assert_eq(error.kind, ERROR_REJECT);
        cr_assert_eq(value, 42);
    }
}

Test(option_value, numbers_are_printed_with_the_unit_that_leaves_the_smallest)
{
    static const struct {
        enum option_type type;
        uint64_t value;
        const char *text;
    } cases[] = {
        {OPTION_SIZE, 0, "0"},
        {OPTION_SIZE, 1000, "1KB"},
        {OPTION_SIZE, 1001, "1001"},
        {OPTION_SIZE, 921600, "900KiB"},
        {OPTION_SIZE, UINT64_C(8) << 30, "8GiB"},
        {OPTION_DURATION, 0, "0"},
        {OPTION_DURATION, 1, "1us"},
        {OPTION_DURATION, 500000, "500ms"},
        {OPTION_DURATION, 90000000, "90s"},
        {OPTION_DURATION, UINT64_C(2592000000000), "30d"},
        {OPTION_COUNT, 1000000, "1000000"},
    };
    struct error error;

    for (size_t i = 0; i < COUNT(cases); i++) {
        cleanup_bytes struct bytes text;
        bytes_init(&text, 100);
        cr_assert_eq(option_print_number(cases[i].type, cases[i].value, &text, &error), 0);
        assert_text(&text, cases[i].text);
    }
}

/* ---- words and texts --------------------------------------------------------------------------------------- */

Test(option_value, booleans)
{
    struct error error;
    bool value = false;

    cr_assert_eq(option_parse_bool(slice_of("true"), &value, &error), 0);
    cr_assert(value);
    cr_assert_eq(option_parse_bool(slice_of("false"), &value, &error), 0);
    cr_assert(!value);
    cr_assert_eq(option_parse_bool(slice_of("yes"), &value, &error), -1);
    cr_assert_str_eq(error.text, "found \"yes\"; allowed: true, false");
}

#define ADDRESS "ADDRESS:PORT (127.0.0.1:8080, [::1]:8080, localhost:8080, *:8080),"
#define PATHS ADDRESS " unix:/PATH (of at most 107 bytes), or a list of 1 to 16; empty: nowhere"

Test(option_value, texts)
{
    static const struct {
        const char *name;
        const char *text;
        const char *message; /* NULL: it is right */
    } cases[] = {
        {"gateway.data", "/srv/d\xc3\xa4ten", NULL},
        {"gateway.data", "", "found \"\"; allowed: a directory"},
        {"gateway.data", "a\nb", "found \"a\\nb\"; allowed: a directory"},
        {"gateway.data",
            "a\x7f"
            "b",
            "found \"a\\x7fb\"; allowed: a directory"},
        {"gateway.data",
            "a\xc2\x85"
            "b",
            "found \"a\xc2\x85"
            "b\"; allowed: a directory"},
        {"gateway.data", "a\xff", "found \"a\xff\"; allowed: a directory"},
        {"gateway.id", "", NULL},
        {"gateway.id", "site-7.example_A", NULL},
        {"gateway.id", "..",
            "found \"..\"; allowed: up to 64 of the characters A-Z a-z 0-9 . _ -, no dot in front"},
        {"gateway.id", "a+b",
            "found \"a+b\"; allowed: up to 64 of the characters A-Z a-z 0-9 . _ -, no dot in front"},
        {"log.level", "warn", NULL},
        {"log.level", "error", NULL},
        {"log.level", "wran", "found \"wran\"; allowed: debug, info, warn, error; did you mean \"warn\"?"},
        {"log.level", "loudest", "found \"loudest\"; allowed: debug, info, warn, error"},
        {"log.level", "", "found \"\"; allowed: debug, info, warn, error"},
        {"admin.listen", "", NULL},
        {"admin.listen", "[::1]:0", NULL},
        {"admin.listen", "localhost", "found \"localhost\"; allowed: " PATHS},
        {"admin.listen", "unix:/run/penstock/admin.sock", NULL},
        {"admin.listen", "unix:admin.sock", "found \"unix:admin.sock\"; allowed: " PATHS},
        {"admin.listen", "unix:/run/", "found \"unix:/run/\"; allowed: " PATHS},
        {"admin.listen", "unix:", "found \"unix:\"; allowed: " PATHS},
        {"mqtt.listen", "unix:/run/mqtt",
            "found \"unix:/run/mqtt\"; allowed: " ADDRESS " or a list of 1 to 16; empty: nowhere"},
        {"http.listen", "*:8080", NULL},
        {"http.listen", "",
            "found \"\"; allowed: ADDRESS:PORT (127.0.0.1:8080, [::1]:8080, localhost:8080, *:8080), or "
            "a list of 1 to 16"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct error error = {0};
        int result = option_check_text(row(cases[i].name), slice_of(cases[i].text), &error);
        cr_assert_eq(result, cases[i].message ? -1 : 0, "%s", cases[i].text);
        cr_assert_str_eq(error.text, cases[i].message ? cases[i].message : "");
    }
}

Test(option_value, texts_that_are_too_long)
{
    static char text[OPTION_TEXT_MAX + 1];
    struct error error;

    memset(text, 'a', sizeof text);
    cr_assert_eq(option_check_text(row("gateway.data"), (struct slice){text, OPTION_TEXT_MAX}, &error), 0);
    cr_assert_eq(
        option_check_text(row("gateway.data"), (struct slice){text, OPTION_TEXT_MAX + 1}, &error), -1);
    cr_assert_eq(option_check_text(row("gateway.id"), (struct slice){text, 64}, &error), 0);
    cr_assert_eq(option_check_text(row("gateway.id"), (struct slice){text, 65}, &error), -1);
    cr_assert_eq(option_check_text(row("admin.listen"), (struct slice){text, 200}, &error), -1);
    char expected[300];
    snprintf(expected, sizeof expected, "found \"%.60s...\"; allowed: " PATHS, text);
    cr_assert_str_eq(error.text, expected);
}

Test(option_value, properties_may_have_lines)
{
    static char text[OPTION_LINES_MAX + 1];
    struct error error;

    memset(text, '\n', sizeof text);
    cr_assert_eq(
        option_check_text(row("kafka.properties"), (struct slice){text, OPTION_LINES_MAX}, &error), 0);
    cr_assert_eq(
        option_check_text(row("kafka.properties"), (struct slice){text, OPTION_LINES_MAX + 1}, &error), -1);
    cr_assert_eq(option_check_text(row("kafka.properties"), slice_of("a\r\n"), &error), -1);
    cr_assert_str_eq(error.text, "found \"a\\x0d\\n\"; allowed: up to 64 of PROPERTY: its value");
    cr_assert_eq(option_check_text(row("kafka.files"), slice_of("a\n"), &error), -1);
    cr_assert_eq(option_check_text(row("streams.x.labels"), slice_of("a\n"), &error), -1);
}

Test(option_value, a_nul_byte_is_no_text)
{
    struct error error;

    cr_assert_eq(option_check_text(row("gateway.data"), (struct slice){"a\0b", 3}, &error), -1);
    cr_assert_str_eq(error.text, "found \"a\\x00b\"; allowed: a directory");
}

/* ---- the environment --------------------------------------------------------------------------------------- */

static int expand(const char *text, struct bytes *out, struct bytes *variables, struct error *error)
{
    bytes_clear(out);
    bytes_clear(variables);
    return option_expand(slice_of(text), false, out, variables, error);
}

Test(option_value, variables_are_replaced)
{
    static const struct {
        const char *text;
        const char *expanded;
        const char *variables;
    } cases[] = {
        {"", "", ""},
        {"plain", "plain", ""},
        {"${TEST_SITE}", "north", "TEST_SITE"},
        {"a-${TEST_SITE}-${TEST_PORT}", "a-north-80", "TEST_SITE, TEST_PORT"},
        {"$$", "$", ""},
        {"$${TEST_SITE}", "${TEST_SITE}", ""},
        {"${TEST_DOLLAR}", "$$", "TEST_DOLLAR"}, /* what comes from the environment is not looked at again */
        {"${TEST_EMPTY}", "", "TEST_EMPTY"},
    };
    struct error error;
    cleanup_bytes struct bytes out;
    cleanup_bytes struct bytes variables;

    bytes_init(&out, 100);
    bytes_init(&variables, 100);
    setenv("TEST_SITE", "north", 1);
    setenv("TEST_PORT", "80", 1);
    setenv("TEST_DOLLAR", "$$", 1);
    setenv("TEST_EMPTY", "", 1);
    for (size_t i = 0; i < COUNT(cases); i++) {
        cr_assert_eq(expand(cases[i].text, &out, &variables, &error), 0);
        assert_text(&out, cases[i].expanded);
        assert_text(&variables, cases[i].variables);
    }
}

#define VARIABLE "; allowed: ${NAME} for an environment variable, $$ for a $"

Test(option_value, variables_that_are_refused)
{
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"$", "found a $ alone" VARIABLE},
        {"a$b", "found a $ alone" VARIABLE},
        {"${", "found \"${\" that no variable's name and \"}\" follow" VARIABLE},
        {"${A", "found \"${\" that no variable's name and \"}\" follow" VARIABLE},
        {"${}", "found \"${\" that no variable's name and \"}\" follow" VARIABLE},
        {"${1A}", "found \"${\" that no variable's name and \"}\" follow" VARIABLE},
        {"${a b}", "found \"${\" that no variable's name and \"}\" follow" VARIABLE},
        {"${TEST_NO_SUCH}", "found ${TEST_NO_SUCH}, but there is no environment variable TEST_NO_SUCH"},
        {"${TEST_LONG}", "more than 8 bytes"},
        {"123456789", "more than 8 bytes"},
        {"12345678$$", "more than 8 bytes"},
    };
    struct error error;
    cleanup_bytes struct bytes out;
    cleanup_bytes struct bytes variables;

    bytes_init(&out, 8);
    bytes_init(&variables, 100);
    unsetenv("TEST_NO_SUCH");
    setenv("TEST_LONG", "123456789", 1);
    for (size_t i = 0; i < COUNT(cases); i++) {
        cr_assert_eq(expand(cases[i].text, &out, &variables, &error), -1);
        cr_assert_str_eq(error.text, cases[i].message);
    }
}

Test(option_value, a_missing_variable_of_a_secret_is_named_only_when_it_is_all)
{
    static const struct {
        const char *text;
        bool named;
    } cases[] = {
        {"${TEST_NO_SUCH}", true},
        {"a${TEST_NO_SUCH}", false},
        {"${TEST_NO_SUCH}a", false},
        {"$$${TEST_NO_SUCH}", false},
        {"${TEST_NO_SUCH}${TEST_NO_SUCH}", false},
    };
    struct error error;
    cleanup_bytes struct bytes out;
    cleanup_bytes struct bytes variables;

    bytes_init(&out, 100);
    bytes_init(&variables, 100);
    unsetenv("TEST_NO_SUCH");
    for (size_t i = 0; i < COUNT(cases); i++) {
        cr_assert_eq(option_expand(slice_of(cases[i].text), true, &out, &variables, &error), -1);
        cr_assert_eq(strstr(error.text, "TEST_NO_SUCH") != NULL, cases[i].named, "%s", cases[i].text);
        cr_assert_eq(option_expand(slice_of(cases[i].text), false, &out, &variables, &error), -1);
        cr_assert(strstr(error.text, "TEST_NO_SUCH"), "%s", cases[i].text);
    }
}
