/* Patterns in text: what is found, what is refused, and that no pattern takes for ever. */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/regex.h"
#include "counted_malloc.h"

static struct regex *compiled(const char *pattern)
{
    struct regex *regex = NULL;
    struct error error;

    cr_assert_eq(regex_compile(&regex, pattern, &error), 0, "%s", error.text);
    return regex;
}

static enum regex_result match(const char *pattern, struct slice text)
{
    struct regex *regex = compiled(pattern);
    const enum regex_result result = regex_match(regex, text);

    regex_free(&regex);
    cr_assert_null(regex);
    return result;
}

static void refused(const char *pattern, const char *why)
{
    struct regex *regex = NULL;
    struct error error;

    cr_assert_eq(regex_compile(&regex, pattern, &error), -1, "%s", pattern);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert(strstr(error.text, why), "%s", error.text);
    cr_assert_null(regex);
}

static bool is(struct slice value, const char *text)
{
    return value.data && slice_equal(value, slice_of(text));
}

Test(regex, what_is_found)
{
    cr_assert_eq(match("b+", slice_of("aabbcc")), REGEX_YES);
    cr_assert_eq(match("^b", slice_of("abc")), REGEX_NO);
    cr_assert_eq(match("^$", slice_of("")), REGEX_YES);
    cr_assert_eq(match("^$", (struct slice){NULL, 0}), REGEX_YES);
    cr_assert_eq(match("a$", slice_of("a\n")), REGEX_NO);
    cr_assert_eq(match("^a.c$", slice_of("a\u00e9c")), REGEX_YES);
    cr_assert_eq(match("a\\x{0}b", (struct slice){"a\0b", 3}), REGEX_YES);
}

Test(regex, bytes_that_are_no_utf_8_match_nothing)
{
    cr_assert_eq(match("^\\d+", slice_of("12\xff\xfe")), REGEX_YES);
    cr_assert_eq(match("end$", slice_of("\xff end")), REGEX_YES);
    cr_assert_eq(match("^a.b$", slice_of("a\xff"
                                         "b")),
        REGEX_NO);
}

Test(regex, what_is_no_pattern)
{
    char *longest = malloc(REGEX_PATTERN_MAX + 2);

    refused("a(b", "'a(b' is no pattern: byte 3: missing closing parenthesis");
    refused("[z-a]", "byte 3: range out of order");
    refused("a\\Cb", "byte 3: using \\C is disabled");
    refused("\xff", "byte 0: UTF-8 error");
    memset(longest, 'a', REGEX_PATTERN_MAX + 1);
    longest[REGEX_PATTERN_MAX + 1] = '\0';
    refused(longest, "a pattern of 4097 bytes; allowed: 4096");
    free(longest);
}

Test(regex, groups_have_names)
{
    struct regex *regex = compiled("^(?<key>\\w+)(?: site=(?<site>\\w+))?(?: (\\d+))?(?<rest>x)?");

    cr_assert_eq(regex_group(regex, "key"), 1);
    cr_assert_eq(regex_group(regex, "site"), 2);
    cr_assert_eq(regex_group(regex, "nobody"), 0);
    cr_assert_null(regex_value(regex, 1).data); /* nothing was matched yet */
    cr_assert_eq(regex_match(regex, slice_of("S_1 site=north 42")), REGEX_YES);
    cr_assert(is(regex_value(regex, 0), "S_1 site=north 42"));
    cr_assert(is(regex_value(regex, 1), "S_1"));
    cr_assert(is(regex_value(regex, 2), "north"));
    cr_assert(is(regex_value(regex, 3), "42"));
    cr_assert_null(regex_value(regex, 4).data);
    cr_assert_null(regex_value(regex, 5).data); /* there is no such group */
    cr_assert_eq(regex_match(regex, slice_of("S_2")), REGEX_YES);
    cr_assert(is(regex_value(regex, 1), "S_2"));
    cr_assert_null(regex_value(regex, 2).data); /* and of the match before nothing is left */
    cr_assert_eq(regex_match(regex, slice_of("-")), REGEX_NO);
    cr_assert_null(regex_value(regex, 1).data);
    regex_free(&regex);
    regex_free(&regex);
}

Test(regex, a_name_that_two_groups_have_is_none)
{
    struct regex *regex = compiled("(?J)(?<a>x)|(?<a>y)");

    cr_assert_eq(regex_group(regex, "a"), 0);
    regex_free(&regex);
}

Test(regex, only_the_beginning_is_looked_at)
{
    char text[REGEX_TEXT_MAX + 2];

    memset(text, 'a', sizeof text);
    text[REGEX_TEXT_MAX] = 'b';
    cr_assert_eq(match("b", (struct slice){text, REGEX_TEXT_MAX + 1}), REGEX_NO);
    cr_assert_eq(match("a$", (struct slice){text, REGEX_TEXT_MAX + 1}), REGEX_NO); /* that is no end */
    cr_assert_eq(match("a$", (struct slice){text, REGEX_TEXT_MAX}), REGEX_YES);
    memcpy(text + REGEX_TEXT_MAX - 1, "\xc3\xa9", 2); /* cut within a character */
    cr_assert_eq(match("^a+", (struct slice){text, REGEX_TEXT_MAX + 1}), REGEX_YES);
}

Test(regex, the_limits_leave_room_for_long_lines)
{
    static const char *const patterns[] = {
        "^(?:[a-c]|d)*$", "^(?<first>a+?) *(?<rest>.*)$", "(*NO_JIT)^(?:[a-c]|d)*$"};
    char text[REGEX_TEXT_MAX];

    memset(text, 'a', sizeof text);
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        cr_assert_eq(match(patterns[i], (struct slice){text, sizeof text}), REGEX_YES, "%s", patterns[i]);
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Each would take for ever, or hours; with or without code that is made for it. */
Test(regex, no_pattern_takes_for_ever)
{
    static const char *const patterns[] = {"(a+)+$", "^(a|a)*[bd]", "(a|aa)+$", "^(.*?a){30}[bd]",
        "(?:a?){40}a{40}[bd]", "^((a*)*)*[bd]", "(.*)*(.*)*[bd]", "a*a*a*a*a*[bd]", "a+[bd]",
        "a{0,300}a{0,300}[bd]", "(*NO_JIT)(a+)+$", "(*NO_JIT)^(a|a)*[bd]", "(*NO_JIT)a{0,300}a{0,300}[bd]",
        "(*NO_JIT)(?R)?a*a*[bd]", "(*LIMIT_MATCH=4000000000)(a+)+$", "^(?:(?:a*)*[bd]|(a(?R)?)*[bd])"};
    char text[REGEX_TEXT_MAX];

    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = 'c';
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        const double before = seconds();
        const enum regex_result result = match(patterns[i], (struct slice){text, sizeof text});
        const double took = seconds() - before;
        cr_log_info("%s: %d, %.3f s", patterns[i], (int)result, took);
        cr_assert_neq(result, REGEX_YES, "%s", patterns[i]);
        cr_assert_lt(took, 3, "%s: %.3f s", patterns[i], took);
    }
    cr_assert_eq(match("(a+)+$", slice_of("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab")), REGEX_GIVEN_UP);
    cr_assert_eq(match("(*NO_JIT)(a+)+$", slice_of("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab")), REGEX_GIVEN_UP);
}

/* A thread that has once met a hard text does not keep what that has taken. What was found is told all the same. */
Test(regex, a_large_match_leaves_no_memory_behind)
{
    struct regex *regex = compiled("(*NO_JIT)^(?<first>(?:[a-c]|d)*)(?<last>e)");
    char text[REGEX_TEXT_MAX];

    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = 'e';
    cr_assert_eq(regex_match(regex, slice_of("abe")), REGEX_YES);
    const size_t before = held;
    highest = held;
    cr_assert_eq(regex_match(regex, (struct slice){text, sizeof text}), REGEX_YES);
    cr_assert_gt(highest, before + 300000, "%zu bytes: not a large one", highest - before);
    cr_assert_leq(held, before);
    cr_assert_eq(regex_value(regex, regex_group(regex, "first")).length, sizeof text - 1);
    cr_assert(is(regex_value(regex, regex_group(regex, "last")), "e"));
    regex_free(&regex);
}
