/* JSON pointers: how they are written, and what a scan finds at their places. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "decode/decode.h"

static struct error error;

static struct json_value find(const char *document, const char *pointer)
{
    struct json_pointers *pointers = NULL;
    struct json_value value = {.type = JSON_NULL};

    cr_assert(json_pointers_compile(&pointers, &pointer, 1, &error) == 0, "%s", error.text);
    cr_assert(json_scan_document(slice_of(document), pointers, &value, &error) == 0, "%s", error.text);
    json_pointers_free(&pointers);
    cr_assert_null(pointers);
    json_pointers_free(&pointers);
    return value;
}

static void finds(const char *document, const char *pointer, const char *text)
{
    struct json_value value = find(document, pointer);

    cr_expect(value.type != JSON_ABSENT && slice_is(value.text, text), "%s in %s: type %d, %.*s", pointer,
        document, (int)value.type, (int)value.text.length, value.text.data);
}

static void misses(const char *document, const char *pointer)
{
    cr_expect(find(document, pointer).type == JSON_ABSENT, "%s in %s", pointer, document);
}

static void refuses(const char *pointer, const char *why)
{
    struct json_pointers *pointers = NULL;

    cr_expect(json_pointers_compile(&pointers, &pointer, 1, &error) == -1, "%s is taken", pointer);
    cr_expect(error.kind == ERROR_REJECT);
    cr_expect_str_eq(error.text, why);
    cr_expect_null(pointers);
}

Test(json_pointer, says_what_is_wrong_with_one)
{
    refuses("a", "JSON pointer 'a': must start with '/', as in '/a'");
    refuses("/a~", "JSON pointer '/a~': '~' must be followed by 0 or 1 (~0 means '~', ~1 means '/')");
    refuses("/~2/b", "JSON pointer '/~2/b': '~' must be followed by 0 or 1 (~0 means '~', ~1 means '/')");
    refuses("/1/2/3/4/5/6/7/8/9/a/b/c/d/e/f/g/h",
        "JSON pointer '/1/2/3/4/5/6/7/8/9/a/b/c/d/e/f/g/h': more than 16 parts");
}

/* The examples of RFC 6901 section 5. */
Test(json_pointer, examples_of_the_rfc)
{
    const char *document =
        "{\"foo\": [\"bar\", \"baz\"], \"\": 0, \"a/b\": 1, \"c%d\": 2, \"e^f\": 3, \"g|h\": 4, "
        "\"i\\\\j\": 5, \"k\\\"l\": 6, \" \": 7, \"m~n\": 8}";

    finds(document, "", document);
    finds(document, "/foo", "[\"bar\", \"baz\"]");
    finds(document, "/foo/0", "bar");
    finds(document, "/", "0");
    finds(document, "/a~1b", "1");
    finds(document, "/c%d", "2");
    finds(document, "/e^f", "3");
    finds(document, "/g|h", "4");
    finds(document, "/i\\j", "5");
    finds(document, "/k\"l", "6");
    finds(document, "/ ", "7");
    finds(document, "/m~0n", "8");
}

Test(json_pointer, types_and_text)
{
    cr_expect(find("{\"a\":null}", "/a").type == JSON_NULL);
    cr_expect(find("{\"a\":true}", "/a").type == JSON_TRUE);
    cr_expect(find("{\"a\":false}", "/a").type == JSON_FALSE);
    cr_expect(find("{\"a\":1.50}", "/a").type == JSON_NUMBER);
    cr_expect(find("{\"a\":\"x\"}", "/a").type == JSON_STRING);
    cr_expect(find("{\"a\":[]}", "/a").type == JSON_ARRAY);
    cr_expect(find("{\"a\":{}}", "/a").type == JSON_OBJECT);
    finds("{\"a\": 1.50 }", "/a", "1.50");
    finds("{\"a\": [ 1 , {} ] , \"b\":2}", "/a", "[ 1 , {} ]");
    finds(" {\"a\": {\"b\" : [] } } ", "/a", "{\"b\" : [] }");
    finds(" {\"a\": {\"b\" : [] } } ", "", "{\"a\": {\"b\" : [] } }");
    struct json_value escaped = find("{\"a\":\"x\\ny\"}", "/a");
    cr_expect(escaped.escaped && slice_is(escaped.text, "x\\ny"));
}

Test(json_pointer, names)
{
    misses("{\"ab\":1}", "/a");
    misses("{\"a\":1}", "/ab");
    misses("{\"b\":1}", "/a");
    misses("{\"A\":1}", "/a");
    misses("{\"b\":{\"a\":1}}", "/a");
    misses("{\"a\":1}", "/a/b");
    misses("{\"a\":\"b\"}", "/a/b");
    misses("[1]", "/a");
    misses("7", "/a");
    finds("{\"b\":{\"a\":1},\"a\":2,\"c\":{\"a\":3}}", "/a", "2");
    finds("{\"a\":{\"a\":{\"a\":3}}}", "/a/a/a", "3");
}

Test(json_pointer, names_match_after_unescaping)
{
    finds("{\"\\u0061b\":1}", "/ab", "1");
    finds("{\"a\\/b\":1}", "/a~1b", "1");
    finds("{\"\\ud83d\\ude00\":1}", "/\xf0\x9f\x98\x80", "1");
    finds("{\"sensor\\u005fid\":\"S\"}", "/sensor_id", "S");
    misses("{\"\\u0061b\":1}", "/a");
    misses("{\"\\u0061\":1}", "/ab");
    misses("{\"\\u0062\":1}", "/a");
    misses("{\"\\u0061\":1}", "/\\u0061");
    misses("{\"a\\u0000\":1}", "/a");
}

Test(json_pointer, array_indices)
{
    finds("[10,11,12]", "/0", "10");
    finds("[10,11,12]", "/2", "12");
    finds("[[1,2],[3,[4,5]]]", "/1/1/0", "4");
    finds("{\"a\":[{\"b\":1},{\"b\":2}]}", "/a/1/b", "2");
    finds("[0,1,2,3,4,5,6,7,8,9,10,11]", "/11", "11");
    finds("{\"0\":1}", "/0", "1"); /* section 4: a name in an object */
    finds("{\"01\":1}", "/01", "1");
    misses("[10,11]", "/2");
    misses("[10,11]", "/01");
    misses("[10,11]", "/-");
    misses("[10,11]", "/");
    misses("[10,11]", "/1x");
    misses("[10]", "/18446744073709551616");
    misses("[10]", "/18446744073709551615");
    misses("[10]", "/99999999999999999999999999");
}

Test(json_pointer, the_last_of_duplicates_counts)
{
    finds("{\"a\":1,\"b\":0,\"a\":2}", "/a", "2");
    finds("{\"a\":1,\"\\u0061\":2}", "/a", "2");
    finds("{\"a\":{\"b\":1},\"a\":{\"b\":2}}", "/a/b", "2");
    misses("{\"a\":{\"b\":1},\"a\":{\"c\":2}}", "/a/b");
    misses("{\"a\":{\"b\":1},\"a\":2}", "/a/b");
    misses("{\"a\":[1],\"a\":[]}", "/a/0");
    finds("{\"a\":{\"b\":1,\"b\":{}}}", "/a/b", "{}");
    finds("[{\"a\":1},{\"a\":2}]", "/0/a", "1");
}

Test(json_pointer, many_at_once)
{
    const char *const wanted[] = {"/a", "/a/b", "", "/a/b/0", "/a", "/x", "/c", "/a/d"};
    const char *const found[] = {"{\"b\":[1,2],\"d\":\"e\"}", "[1,2]",
        "{\"a\":{\"b\":[1,2],\"d\":\"e\"},\"c\":3}", "1", "{\"b\":[1,2],\"d\":\"e\"}", NULL, "3", "e"};
    struct json_pointers *pointers = NULL;
    struct json_value values[8];

    cr_assert(json_pointers_compile(&pointers, wanted, 8, &error) == 0);
    cr_assert(json_scan_document(slice_of(found[2]), pointers, values, &error) == 0);
    for (size_t i = 0; i < 8; i++)
        cr_expect(
            found[i] ? slice_is(values[i].text, found[i]) : values[i].type == JSON_ABSENT, "%s", wanted[i]);
    /* Values of an earlier scan are forgotten. */
    cr_assert(json_scan_document(slice_of("[]"), pointers, values, &error) == 0);
    for (size_t i = 0; i < 8; i++)
        cr_expect((values[i].type == JSON_ABSENT) == (i != 2), "%s", wanted[i]);
    json_pointers_free(&pointers);
}

Test(json_pointer, at_most_32_and_16_deep)
{
    char texts[JSON_POINTERS_MAX + 1][8];
    const char *wanted[JSON_POINTERS_MAX + 1];
    char document[1024] = "{";
    struct json_pointers *pointers = NULL;
    struct json_value values[JSON_POINTERS_MAX];

    for (int i = 0; i <= JSON_POINTERS_MAX; i++) {
        snprintf(texts[i], sizeof texts[i], "/n%d", i);
        wanted[i] = texts[i];
        size_t length = strlen(document);
        snprintf(document + length, sizeof document - length, "\"n%d\":%d,", i, i);
    }
    document[strlen(document) - 1] = '}';
    cr_expect(json_pointers_compile(&pointers, wanted, JSON_POINTERS_MAX + 1, &error) == -1);
    cr_expect_str_eq(error.text, "33 JSON pointers: at most 32 are allowed");
    cr_assert(json_pointers_compile(&pointers, wanted, JSON_POINTERS_MAX, &error) == 0);
    cr_assert(json_scan_document(slice_of(document), pointers, values, &error) == 0, "%s", error.text);
    for (int i = 0; i < JSON_POINTERS_MAX; i++)
        cr_expect(slice_is(values[i].text, texts[i] + 2), "%s", wanted[i]);
    json_pointers_free(&pointers);

    finds("[[[[[[[[[[[[[[[[[7]]]]]]]]]]]]]]]]]", "/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0", "[7]");
    finds("[[[[[[[[[[[[[[[[[[[7]]],1]]]]]]]]]]]]]]],2]", "/1", "2");
    misses("[[[[[[[[[[[[[[[[[[[7]]]]]]]]]]]]]]]]]]]", "/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/1");
}

Test(json_pointer, no_pointers_at_all)
{
    struct json_pointers *pointers = NULL;

    cr_assert(json_pointers_compile(&pointers, NULL, 0, &error) == 0);
    cr_expect(json_scan_document(slice_of("{\"a\":[1]}"), pointers, NULL, &error) == 0);
    json_pointers_free(&pointers);
}
