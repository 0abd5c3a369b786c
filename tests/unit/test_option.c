/* option: names, values, and what is printed from the table */
#include <criterion/criterion.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/option.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct option *row(const char *name)
{
    const struct option *option = option_find(slice_of(name));

    cr_assert_not_null(option, "%s", name);
    return option;
}

static void assert_text(const struct bytes *text, const char *expected)
{
    cr_assert(slice_is(bytes_slice(text), expected), "%.*s\ninstead of\n%s", (int)text->length, text->data,
        expected);
}

/* ---- names ------------------------------------------------------------------------------------------------- */

Test(option, names_are_found_whole)
{
    cr_assert_str_eq(row("lake.roll.size")->name, "lake.roll.size");
    cr_assert_str_eq(row("streams.any.key")->name, "streams.*.key");
    cr_assert_null(option_find(slice_of("lake.roll")));
    cr_assert_null(option_find(slice_of("lake.roll.size.more")));
    cr_assert_null(option_find(slice_of("lake.rol")));
    cr_assert_null(option_find(slice_of("")));
}

Test(option, sections_have_names_below_them)
{
    cr_assert(option_is_section(slice_of("")));
    cr_assert(option_is_section(slice_of("lake.roll")));
    cr_assert(option_is_section(slice_of("streams.any")));
    cr_assert(!option_is_section(slice_of("lake.roll.size")));
    cr_assert(!option_is_section(slice_of("lak")));
}

Test(option, children_come_once_in_the_order_of_the_table)
{
    static const char *const expected[] = {"url", "max_open_files", "roll"};
    struct slice names[OPTION_CHILDREN_MAX];
    size_t count = option_children(slice_of("lake"), names);

    cr_assert_eq(count, COUNT(expected));
    for (size_t i = 0; i < count; i++)
        cr_assert(slice_is(names[i], expected[i]));
    cr_assert_eq(option_children(slice_of("nothing"), names), 0);
}

/* The printers and option_children() count on it. */
Test(option, rows_of_a_section_stand_together)
{
    struct slice names[OPTION_CHILDREN_MAX];
    size_t count = option_children(slice_of(""), names);

    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            cr_assert(!slice_equal(names[i], names[j]));
}

Test(option, stream_names)
{
    char longest[OPTION_STREAM_NAME_MAX + 2];

    memset(longest, 'a', sizeof longest);
    cr_assert(option_is_stream_name((struct slice){longest, OPTION_STREAM_NAME_MAX}));
    cr_assert(!option_is_stream_name((struct slice){longest, OPTION_STREAM_NAME_MAX + 1}));
    cr_assert(option_is_stream_name(slice_of("Grid_7-a")));
    cr_assert(!option_is_stream_name(slice_of("")));
    cr_assert(!option_is_stream_name(slice_of("a/b")));
    cr_assert(!option_is_stream_name(slice_of("\xc3\xa4")));
}

Test(option, nearest_name)
{
    static const struct {
        const char *text;
        const char *nearest;
    } cases[] = {
        {"lisen", "listen"},
        {"LISTEN", "listen"},
        {"lsiten", "listen"},
        {"max_bdy", "max_body"},
        {"anonymus", "anonymous"},
        {"zzz", ""},
        {"", ""},
        {"a_name_that_is_longer_than_the_sixty_four_bytes_that_are_looked_at_", ""},
    };
    struct slice names[OPTION_CHILDREN_MAX];
    size_t count = option_children(slice_of("http"), names);

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct slice nearest = option_nearest(slice_of(cases[i].text), names, count);
        cr_assert(slice_is(nearest, cases[i].nearest), "%s: %.*s", cases[i].text, (int)nearest.length,
            nearest.data);
    }
}

Test(option, nearest_name_elsewhere)
{
    cr_assert_str_eq(option_nearest_elsewhere(slice_of("segment_size")), "journal.segment_size");
    cr_assert_str_eq(option_nearest_elsewhere(slice_of("max_bdy")), "http.max_body");
    cr_assert_null(option_nearest_elsewhere(slice_of("zzzz")));
    cr_assert_null(option_nearest_elsewhere(slice_of("i")));
}

/* ---- numbers ----------------------------------------------------------------------------------------------- */

Test(option, numbers_with_their_units)
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

Test(option, numbers_that_are_refused)
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

Test(option, numbers_are_printed_with_the_unit_that_leaves_the_smallest)
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

Test(option, booleans)
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

#define ADDRESS "ADDRESS:PORT (127.0.0.1:8080, [::1]:8080, localhost:8080)"

Test(option, texts)
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
        {"admin.listen", "localhost", "found \"localhost\"; allowed: " ADDRESS},
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

Test(option, texts_that_are_too_long)
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
    char expected[200];
    snprintf(expected, sizeof expected, "found \"%.60s...\"; allowed: " ADDRESS, text);
    cr_assert_str_eq(error.text, expected);
}

Test(option, a_nul_byte_is_no_text)
{
    struct error error;

    cr_assert_eq(option_check_text(row("gateway.data"), (struct slice){"a\0b", 3}, &error), -1);
    cr_assert_str_eq(error.text, "found \"a\\x00b\"; allowed: a directory");
}

Test(option, quoting_escapes_what_a_terminal_would_act_on)
{
    struct error error;
    cleanup_bytes struct bytes text;

    bytes_init(&text, 100);
    cr_assert_eq(option_print_quoted(slice_of("a\"\\\t\n\x1b["), 100, &text, &error), 0);
    assert_text(&text, "\"a\\\"\\\\\\t\\n\\x1b[\"");
    for (size_t limit = 0; limit < text.length; limit++) {
        cleanup_bytes struct bytes less;
        bytes_init(&less, limit);
        cr_assert_eq(option_print_quoted(slice_of("a\"\\\t\n\x1b["), 100, &less, &error), -1);
    }
}

/* ---- the environment --------------------------------------------------------------------------------------- */

static int expand(const char *text, struct bytes *out, struct bytes *variables, struct error *error)
{
    bytes_clear(out);
    bytes_clear(variables);
    return option_expand(slice_of(text), out, variables, error);
}

Test(option, variables_are_replaced)
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

Test(option, variables_that_are_refused)
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

/* ---- the table --------------------------------------------------------------------------------------------- */

Test(option, every_default_is_allowed)
{
    for (size_t i = 0; i < option_count; i++) {
        const struct option *option = &option_table[i];
        struct slice initial = slice_of(option->initial);
        struct error error = {0};
        uint64_t number;
        bool yes;
        int result = 0;
        if (option->type == OPTION_BOOL)
            result = option_parse_bool(initial, &yes, &error);
        else if (option->unit)
            result = option_parse_number(option, initial, &number, &error);
        else if (option->type != OPTION_LABELS)
            result = option_check_text(option, initial, &error);
        cr_assert_eq(result, 0, "%s: %s", option->name, error.text);
    }
    for (size_t i = 0; i < option_stream_defaults_count; i++)
        row(option_stream_defaults[i].name);
}

Test(option, every_bound_names_an_option_of_its_type)
{
    for (size_t i = 0; i < option_count; i++)
        if (option_table[i].bound.relation != OPTION_FREE)
            cr_assert_eq(row(option_table[i].bound.other)->type, option_table[i].type);
}

Test(option, markdown_table)
{
    static const char head[] =
        "| option | default | allowed | meaning |\n|---|---|---|---|\n| `gateway.id` | empty | up to 64 "
        "of the characters A-Z a-z 0-9 . _ -, no dot in front | ";
    struct error error;
    size_t lines = 0;
    cleanup_bytes struct bytes text;

    bytes_init(&text, 65536);
    cr_assert_eq(option_print_table(&text, &error), 0);
    cr_assert_eq(strncmp(text.data, head, sizeof head - 1), 0);
    for (size_t i = 0; i < text.length; i++)
        lines += text.data[i] == '\n';
    cr_assert_eq(lines, option_count + 2);
    bytes_add(&text, "", 1, &error);
    cr_assert(strstr(text.data, "| `journal.max_size` | `8GiB` | a size from 5MiB to 16TiB, at least 5 x "
                                "journal.segment_size | "));
    cr_assert(strstr(text.data,
        "| `http.max_body` | `16MiB` | a size from 1KiB to 256MiB, at most journal.segment_size / "
        "4 | "));
    cr_assert(strstr(text.data, "| `streams.*.key` | empty (readings: `/sensor_id`) | "));
}

Test(option, help_fits_into_its_columns)
{
    struct error error;
    cleanup_bytes struct bytes text;

    bytes_init(&text, 65536);
    cr_assert_eq(option_print_help(&text, &error), 0);
    size_t width = 0;
    for (size_t i = 0; i < text.length; i++) {
        width = text.data[i] == '\n' ? 0 : width + 1;
        cr_assert_leq(width, 110);
    }
    bytes_add(&text, "", 1, &error);
    cr_assert(strstr(text.data, "\n  log.level             Least important events that are logged.\n"
                                "                        Default info; debug, info, warn, error.\n"));
}

/* Every printer fails cleanly at every length that its text cannot have. */
Test(option, printing_ends_at_the_ceiling_of_the_text)
{
    static int (*const print[])(struct bytes *, struct error *) = {
        option_print_table, option_print_help, option_print_schema};

    for (size_t i = 0; i < COUNT(print); i++) {
        struct error error;
        cleanup_bytes struct bytes whole;
        bytes_init(&whole, 65536);
        cr_assert_eq(print[i](&whole, &error), 0);
        for (size_t limit = 0; limit < whole.length; limit++) {
            cleanup_bytes struct bytes text;
            bytes_init(&text, limit);
            cr_assert_eq(print[i](&text, &error), -1);
        }
    }
}
