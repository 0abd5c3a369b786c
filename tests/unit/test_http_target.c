/* http_target: what a URL names. */
#include <criterion/criterion.h>

#include "source/http_target.h"

static char text[4096];

static int parse(const char *target, struct http_target *ret_target, struct error *error)
{
    size_t length = strlen(target);

    cr_assert_lt(length, sizeof text);
    memcpy(text, target, length);
    return http_target_parse(text, length, ret_target, error);
}

Test(http_target, stream_and_key)
{
    static const struct {
        const char *target, *stream, *key; /* key NULL: there is none */
        bool deeper;
    } rows[] = {
        {"/readings", "readings", NULL, false},
        {"/readings/SENSOR_1", "readings", "SENSOR_1", false},
        {"/readings/", "readings", "", false},
        {"/", "", NULL, false},
        {"", "", NULL, false},
        {"*", "*", NULL, false},
        {"/a/b/c", "a", "b/c", true},
        {"//a", "", "a", false},
        {"/a/b%2Fc", "a", "b/c", false},
        {"/a%2fb", "a/b", NULL, false},
        {"/a/%2e%2E", "a", "..", false},
        {"/a/%C3%BC+%25", "a", "\xc3\xbc+%", false},
        {"/a/%f0%9f%92%a7", "a", "\xf0\x9f\x92\xa7", false},
        {"/a?b/c", "a", NULL, false},
        {"/a/?b", "a", "", false},
        {"http://host:80/a/b", "a", "b", false},
        {"https://host/a", "a", NULL, false},
        {"http://host", "", NULL, false},
        {"http://host?x=/a", "", NULL, false},
        {"http:/a/b", "http:", "a/b", true},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct http_target target;
        struct error error;
        cr_assert_eq(parse(rows[i].target, &target, &error), 0, "%s", rows[i].target);
        cr_assert(slice_is(target.stream, rows[i].stream), "%s", rows[i].target);
        cr_assert_eq(target.deeper, rows[i].deeper, "%s", rows[i].target);
        if (rows[i].key)
            cr_assert(target.key.data && slice_is(target.key, rows[i].key), "%s", rows[i].target);
        else
            cr_assert_null(target.key.data, "%s", rows[i].target);
    }
}

Test(http_target, refused)
{
    static const char *const bad[] = {"/%", "/a%2", "/a%2g", "/a%g2", "/a/%", "/a/%a", "/a?x=%", "/a?%zz=1",
        "/a?x=1&y=%4", "/%00", "/a/%0a", "/a/%7f", "/a/\x01", "/a/%c2%80", "/a?x=%1f", "/a?x=%1e", "/a?\x7f",
        "/a/%ff", "/a/%c0%af", "/a/%ed%a0%80", "/a/%f4%90%80%80", "/a/%c3", "/a/\xc3(", "/a?x=%fe"};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct http_target target;
        struct error error;
        cr_assert_eq(parse(bad[i], &target, &error), -1, "%s", bad[i]);
        cr_assert_eq(error.kind, ERROR_REJECT);
    }
}

Test(http_target, length_counts_not_the_terminator)
{
    struct http_target target;
    struct error error;
    char raw[] = "/a/b%41";

    cr_assert_eq(http_target_parse(raw, 5, &target, &error), -1, "the escape ends behind the target");
    cr_assert_eq(http_target_parse((char[]){'/', 'a', 0}, 3, &target, &error), -1);
}

static void expect_query(const char *query, const char *name, const char *value)
{
    struct http_target target;
    struct error error;

    cr_assert_eq(parse(query, &target, &error), 0, "%s", query);
    struct slice found = http_target_query(&target, name);
    if (value)
        cr_assert(
            found.data && slice_is(found, value), "%s %s: %.*s", query, name, (int)found.length, found.data);
    else
        cr_assert_null(found.data, "%s %s", query, name);
}

Test(http_target, query)
{
    expect_query("/a", "x", NULL);
    expect_query("/a?", "x", NULL);
    expect_query("/a?x", "x", "");
    expect_query("/a?x=", "x", "");
    expect_query("/a?x=1", "x", "1");
    expect_query("/a?x=1&y=2&x=3", "x", "1");
    expect_query("/a?x=1&y=2", "y", "2");
    expect_query("/a?xx=1&x=2", "x", "2");
    expect_query("/a?x&y=2", "y", "2");
    expect_query("/a?&&y=2&", "y", "2");
    expect_query("/a?x=1=2", "x", "1=2");
    expect_query("/a?x=%3D%26+%2b", "x", "=& +");
    expect_query("/a?%78=1", "x", "1");
    expect_query("/a?a=%41%41%41&longer=%c3%bc&c=3", "longer", "\xc3\xbc");
    expect_query("/a?a=%41%41%41&longer=%c3%bc&c=3", "c", "3");
    expect_query("/a?x=1/2?3", "x", "1/2?3");
    expect_query("/a/b?=1", "", "1");
}
