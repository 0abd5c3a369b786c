/* Documents held against schemas: what is taken, what is refused, and what is said then. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>

#include "decode/decode.h"

#define COUNT(array) (sizeof array / sizeof *array)

static struct error error;

/* NULL: valid; otherwise what is said, until the next call. */
static const char *verdict(const char *text, struct slice document)
{
    __attribute__((cleanup(schema_free))) struct schema *schema = NULL;
    __attribute__((cleanup(schema_scratch_free))) struct schema_scratch *scratch = NULL;

    error.text[0] = '\0';
    cr_assert_eq(schema_compile(&schema, slice_of(text), &error), 0, "%s: %s", text, error.text);
    cr_assert_eq(json_scan_document(document, NULL, NULL, &error), 0, "%s", error.text);
    cr_assert_eq(schema_scratch_new(&scratch, &error), 0);
    cr_assert_eq(schema_scratch_fit(scratch, schema, &error), 0);
    /* Of exactly its size, so that a byte too far is found. */
    char *copy = malloc(document.length);
    memcpy(copy, document.data, document.length);
    const int checked = schema_check(schema, scratch, (struct slice){copy, document.length}, &error);
    free(copy);
    cr_assert(checked == 0 || error.kind == ERROR_REJECT);
    return checked ? error.text : NULL;
}

static const struct {
    const char *schema, *document;
    const char *why; /* NULL: valid */
} cases[] = {
    {"true", "{\"a\":[1,\"]\",{}]}", NULL},
    {"false", "1", "the record: is not allowed"},
    {"false", " [1, 2] ", "the record: is not allowed"},
    {"{}", " \"x\" ", NULL},

    {"{\"type\":\"null\"}", "null", NULL},
    {"{\"type\":\"null\"}", "false", "the record: is false; allowed: null"},
    {"{\"type\":\"boolean\"}", "true", NULL},
    {"{\"type\":\"boolean\"}", "false", NULL},
    {"{\"type\":\"boolean\"}", "null", "the record: is null; allowed: boolean"},
    {"{\"type\":[\"array\",\"object\"]}", "true", "the record: is true; allowed: array, object"},
    {"{\"type\":\"string\"}", "1", "the record: is a number; allowed: string"},
    {"{\"type\":\"string\"}", "{}", "the record: is an object; allowed: string"},
    {"{\"type\":\"string\"}", "[]", "the record: is an array; allowed: string"},
    {"{\"type\":[\"integer\",\"null\"]}", "\"1\"", "the record: is a string; allowed: null, integer"},
    {"{\"type\":\"integer\"}", "1.0", NULL},
    {"{\"type\":\"integer\"}", "1e2", NULL},
    {"{\"type\":\"integer\"}", "-0.0", NULL},
    {"{\"type\":\"integer\"}", "120.5e1", NULL},
    {"{\"type\":\"integer\"}", "1e99999999999999999999999", NULL},
    {"{\"type\":\"integer\"}", "1e-99999999999999999999999",
        "the record: is a number that is no integer; allowed: integer"},
    {"{\"type\":\"integer\"}", "1e9300000000000000000", NULL},
    {"{\"type\":\"integer\"}", "1e-9300000000000000000",
        "the record: is a number that is no integer; allowed: integer"},
    {"{\"type\":\"integer\"}", "1e-9223372036854775808",
        "the record: is a number that is no integer; allowed: integer"},
    {"{\"const\":1}", "1e92233720368547758080", "the record: is not the value that is wanted (const)"},
    {"{\"type\":\"integer\"}", "1.5", "the record: is a number that is no integer; allowed: integer"},
    {"{\"type\":[\"integer\",\"number\"]}", "1.5", NULL},
    {"{\"type\":[\"number\",\"string\"]}", "null", "the record: is null; allowed: number, string"},

    {"{\"const\":1}", "1.0", NULL},
    {"{\"const\":1}", "true", "the record: is not the value that is wanted (const)"},
    {"{\"const\":null}", "null", NULL},
    {"{\"const\":false}", "false", NULL},
    {"{\"const\":false}", "true", "the record: is not the value that is wanted (const)"},
    {"{\"const\":\"\\u0061b\"}", "\"a\\u0062\"", NULL},
    {"{\"const\":\"ab\"}", "\"ac\"", "the record: is not the value that is wanted (const)"},
    {"{\"const\":\"ab\"}", "\"abc\"", "the record: is not the value that is wanted (const)"},
    {"{\"const\":[1,[2],{}]}", "[ 1.0 , [ 2 ] , { } ]", NULL},
    {"{\"const\":[1,[2],{}]}", "[1,[2]]", "the record: is not the value that is wanted (const)"},
    {"{\"const\":[1,2]}", "[1,2,3]", "the record: is not the value that is wanted (const)"},
    {"{\"const\":[1,2]}", "[2,1]", "the record: is not the value that is wanted (const)"},
    {"{\"const\":{\"a\":1,\"b\":[true]}}", "{ \"b\" : [true], \"\\u0061\" : 10e-1 }", NULL},
    {"{\"const\":{\"a\":1}}", "{\"a\":2}", "the record: is not the value that is wanted (const)"},
    {"{\"const\":{\"a\":1}}", "{\"a\":1,\"b\":1}", "the record: is not the value that is wanted (const)"},
    {"{\"const\":{\"a\":1,\"b\":1}}", "{\"a\":1}", "the record: is not the value that is wanted (const)"},
    {"{\"const\":{\"a\":1}}", "{\"a\":{\"x\":[2]},\"a\":1}", NULL},
    {"{\"const\":{\"a\":1}}", "{\"a\":1,\"a\":2}", "the record: is not the value that is wanted (const)"},
    {"{\"enum\":[1,\"a\",null,[]]}", "\"a\"", NULL},
    {"{\"enum\":[1,\"a\",null,[]]}", "[]", NULL},
    {"{\"enum\":[1,\"a\",null,[]]}", "{}", "the record: is none of the values that are allowed (enum)"},
    {"{\"enum\":[]}", "1", "the record: is none of the values that are allowed (enum)"},
    {"{\"enum\":[true]}", "false", "the record: is none of the values that are allowed (enum)"},
    {"{\"enum\":[\"x\"]}", "\"y\"", "the record: is none of the values that are allowed (enum)"},
    {"{\"enum\":[1,2],\"const\":2}", "2", NULL},
    {"{\"enum\":[1,2],\"const\":3}", "3", "the record: is none of the values that are allowed (enum)"},

    {"{\"minimum\":0}", "-0.0", NULL},
    {"{\"minimum\":1000}", "999.9", "the record: 999.9 is below the minimum 1000"},
    {"{\"minimum\":-2}", "-3", "the record: -3 is below the minimum -2"},
    {"{\"maximum\":1000}", "5000", "the record: 5000 is above the maximum 1000"},
    {"{\"maximum\":12345678901234567890}", "12345678901234567890.0", NULL},
    {"{\"maximum\":12345678901234567890}", "12345678901234567890.1",
        "the record: 12345678901234567890.1 is above the maximum 12345678901234567890"},
    {"{\"maximum\":1e400}", "1e401", "the record: 1e401 is above the maximum 1e400"},
    {"{\"maximum\":0}", "0.0001", "the record: 0.0001 is above the maximum 0"},
    {"{\"exclusiveMinimum\":1}", "1.01", NULL},
    {"{\"exclusiveMinimum\":1}", "100e-2", "the record: 100e-2 is not above the exclusive minimum 1"},
    {"{\"exclusiveMaximum\":1}", "0.99", NULL},
    {"{\"exclusiveMaximum\":1}", "1.000", "the record: 1.000 is not below the exclusive maximum 1"},
    {"{\"maximum\":1}", "123456789012345678901234567890123456789012345",
        "the record: 1234567890123456789012345678901234567890 is above the maximum 1"},
    {"{\"minimum\":5}", "\"1\"", NULL},

    {"{\"minLength\":2}", "\"\\ud83d\\ude00\"",
        "the record: has 1 characters; at least 2 are needed (minLength)"},
    {"{\"minLength\":2}", "\"\xc3\xa9\\n\"", NULL},
    {"{\"maxLength\":2}", "\"\xf0\x9f\x98\x80\\uD83D\\uDE00\"", NULL},
    {"{\"maxLength\":3}", "\"\\ud7ff\\ue000\\u0041x\"",
        "the record: has 4 characters; at most 3 are allowed (maxLength)"},
    {"{\"maxLength\":1}", "[1,2]", NULL},

    {"{\"pattern\":\"b\"}", "\"abc\"", NULL},
    {"{\"pattern\":\"^b\"}", "\"abc\"", "the record: does not match the pattern ^b"},
    {"{\"pattern\":\"^\\\\u00e9.$\"}", "\"\xc3\xa9\\ud83d\\ude00\"", NULL},
    {"{\"pattern\":\"^a\\u0000b$\"}", "\"a\\u0000b\"", NULL},
    {"{\"pattern\":\"a$\"}", "\"a\\n\"", "the record: does not match the pattern a$"},
    {"{\"pattern\":\"^(a+)+$\"}", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"",
        "the record: takes more steps than are allowed to be held against the pattern ^(a+)+$"},
    {"{\"pattern\":\"(a+)+$\"}", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"",
        "the record: takes more steps than are allowed to be held against the pattern (a+)+$"},
    {"{\"pattern\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\xc3\xa9\"}", "\"\"",
        "the record: does not match the pattern xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},

    {"{\"format\":\"date-time\"}", "\"2026-01-31T12:00:00Z\"", NULL},
    {"{\"format\":\"date-time\"}", "\"2026-01-31t12:00:00.123456789+01:00\"", NULL},
    {"{\"format\":\"date-time\"}", "\"1998-12-31T23:59:60Z\"", NULL},
    {"{\"format\":\"date-time\"}", "\"2026-01-31\\u005412:00:00Z\"", NULL},
    {"{\"format\":\"date-time\"}", "\"2026-01-31 12:00:00Z\"",
        "the record: is no time as in 2026-01-31T12:00:00Z (date-time)"},
    {"{\"format\":\"date-time\"}", "\"2026-02-29T12:00:00Z\"",
        "the record: is no time as in 2026-01-31T12:00:00Z (date-time)"},
    {"{\"format\":\"date-time\"}", "1", NULL},

    {"{\"items\":{\"type\":\"integer\"}}", "[ 1 , 2 ]", NULL},
    {"{\"items\":{\"type\":\"integer\"}}", "[ ]", NULL},
    {"{\"items\":{\"type\":\"integer\"}}", "[1,[2]]", "/1: is an array; allowed: integer"},
    {"{\"items\":false}", "[]", NULL},
    {"{\"items\":false}", "[1]", "/0: is not allowed"},
    {"{\"minItems\":2}", "[1]", "the record: has 1 elements; at least 2 are needed (minItems)"},
    {"{\"minItems\":1}", "[]", "the record: has 0 elements; at least 1 are needed (minItems)"},
    {"{\"maxItems\":1}", "[1,\",\"]", "the record: has 2 elements; at most 1 are allowed (maxItems)"},
    {"{\"items\":{\"maxItems\":0}}", "[[],[],[1]]", "/2: has 1 elements; at most 0 are allowed (maxItems)"},
    {"{\"maxItems\":0}", "{\"a\":1}", NULL},

    {"{\"required\":[\"a\",\"\"]}", "{\"\\u0061\":1, \"\" : 2}", NULL},
    {"{\"required\":[\"a\",\"b\"]}", "{\"b\":1,\"b\":2}", "the record: 'a' is missing (required)"},
    {"{\"required\":[\"a\"]}", "{}", "the record: 'a' is missing (required)"},
    {"{\"required\":[\"a\"]}", "[]", NULL},
    {"{\"properties\":{\"x\":true,\"a\":{\"required\":[\"b\"]}}}", "{\"a\":{}}",
        "/a: 'b' is missing (required)"},
    {"{\"properties\":{\"a\":{\"type\":\"string\"}},\"required\":[\"a\",\"b\"]}", "{\"b\":1,\"a\":2}",
        "/a: is a number; allowed: string"},
    {"{\"properties\":{\"a\":{\"properties\":{\"b~/\":{\"items\":{\"maximum\":1}}}}}}",
        "{\"x\":{\"a\":9},\"a\":{\"b~/\":[0,1,2]}}", "/a/b~0~1/2: 2 is above the maximum 1"},
    {"{\"additionalProperties\":false,\"properties\":{\"a\":true}}", "{\"a\":1}", NULL},
    {"{\"additionalProperties\":false,\"properties\":{\"a\":true}}", "{\"a\":1,\"\\u0007\xc3\xa9\":1}",
        "/?\xc3\xa9: is not allowed"},
    {"{\"additionalProperties\":{\"type\":\"null\"},\"required\":[\"r\"]}", "{\"r\":1}",
        "/r: is a number; allowed: null"},
    {"{\"additionalProperties\":false,\"properties\":{\"long names, of which\":true,\"long names, of whose\":true,"
     "\"four\":true,\"a\":true,\"b\":true,\"ab\":true,\"\":true}}",
        "{\"long names, of whose\":1,\"long names, of which\":1,\"four\":1,\"b\":2,\"ab\":3,\"\":4}", NULL},

    /* A name that comes twice: the last one counts. */
    {"{\"properties\":{\"a\":{\"type\":\"string\"}}}", "{\"a\":1,\"b\":[{}],\"a\":\"\"}", NULL},
    {"{\"properties\":{\"a\":{\"type\":\"string\"}}}", "{\"a\":1,\"b\":2,\"\\u0061\":\"\"}", NULL},
    {"{\"properties\":{\"a\":{\"type\":\"string\"}}}", "{\"\\u0061\":1,\"b\":2,\"a\":\"\"}", NULL},
    {"{\"properties\":{\"a\":{\"type\":\"string\"}}}", "{\"a\":\"\",\"a\":1}",
        "/a: is a number; allowed: string"},
    {"{\"properties\":{\"a\":{\"items\":{\"required\":[\"b\"]}}}}",
        "{\"a\":[{\"b\":1},{},3],\"c\":1,\"a\":[]}", NULL},
    {"{\"properties\":{\"a\":{\"items\":{\"required\":[\"b\"]}}}}", "{\"a\":[{\"b\":1},{},3],\"c\":1}",
        "/a/1: 'b' is missing (required)"},
    {"{\"required\":[\"b\"],\"properties\":{\"a\":{\"const\":1}}}", "{\"a\":2,\"a\":1}",
        "the record: 'b' is missing (required)"},
};

Test(schema, documents_are_what_it_says)
{
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *why = verdict(cases[i].schema, slice_of(cases[i].document));
        cr_assert(
            !why == !cases[i].why, "%s of %s: %s", cases[i].document, cases[i].schema, why ? why : "valid");
        if (why)
            cr_assert_str_eq(why, cases[i].why, "%s of %s", cases[i].document, cases[i].schema);
    }
}

/* ---- what is large ------------------------------------------------------------------------------------------- */

static char large[1 << 20];

static struct slice repeated(const char *head, const char *piece, size_t times, const char *tail)
{
    size_t length = (size_t)snprintf(large, sizeof large, "%s", head);

    for (size_t i = 0; i < times; i++)
        length += (size_t)snprintf(large + length, sizeof large - length, "%s", piece);
    length += (size_t)snprintf(large + length, sizeof large - length, "%s", tail);
    cr_assert_lt(length, sizeof large);
    return (struct slice){large, length};
}

/* As deep as a document can be. */
Test(schema, reaches_the_deepest_value)
{
    char schema[4096] = "";
    size_t length = 0;

    for (int i = 0; i < 63; i++)
        length += (size_t)snprintf(schema + length, sizeof schema - length, "{\"items\":");
    snprintf(schema + length, sizeof schema - length, "{\"const\":1}%.63s",
        "}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}}");
    cr_assert_null(verdict(
        schema, repeated("", "[", 63, "1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]")));
    cr_assert_not_null(verdict(
        schema, repeated("", "[", 63, "2]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]")));
    cr_assert_eq(strncmp(error.text, "/0/0/0/0/", 9), 0, "%s", error.text);
}

Test(schema, a_long_place_is_cut)
{
    const char *schema = "{\"additionalProperties\":{\"additionalProperties\":false}}";

    const char *why = verdict(schema, repeated("{\"", "\xc3\xa9~", 50, "\":{\"and more\":1}}"));
    cr_assert_not_null(why);
    cr_assert(strstr(why, "\xc3\xa9...: is not allowed") || strstr(why, "~0...: is not allowed"), "%s", why);
    cr_assert_lt(strlen(why), 200);
    cr_assert_str_eq(
        verdict(schema, repeated("{\"", "ab", 100, "\":{\"and more\":1}}")), "/...: is not allowed");
}

Test(schema, long_strings_are_checked_or_refused)
{
    const char *pattern = "{\"pattern\":\"^a*$\"}";

    cr_assert_null(verdict(pattern, repeated("\"", "a", 60000, "\"")));
    cr_assert_str_eq(verdict(pattern, repeated("\"", "a", 65537, "\"")),
        "the record: has 65537 bytes; no more than 65536 are held against a pattern");
    cr_assert_not_null(verdict("{\"format\":\"date-time\"}", repeated("\"", "1", 70000, "\"")));
    cr_assert_null(verdict("{\"maxLength\":70000}", repeated("\"", "\\u0041", 70000, "\"")));
    /* A name that is longer than any in a schema. */
    cr_assert_null(verdict("{\"properties\":{\"a\":false}}", repeated("{\"", "\\u0061", 7000, "\":1}")));
}

/* Nobody may make the gateway look ahead again and again. */
Test(schema, names_that_come_twice_are_bounded)
{
    const char *schema = "{\"additionalProperties\":{\"type\":\"null\"}}";

    cr_assert_null(verdict(schema, repeated("{", "\"a\":1,", SCHEMA_OVERRULED_MAX, "\"a\":null}")));
    cr_assert_str_eq(verdict(schema, repeated("{", "\"a\":1,", SCHEMA_OVERRULED_MAX + 1, "\"a\":null}")),
        "/a: is not valid, as 16 before it of names that come twice");
}

Test(schema, one_scratch_serves_many_schemas)
{
    static const char *const texts[] = {
        "{\"required\":[\"a\"]}", "{\"required\":[\"a\",\"b\",\"c\"]}", "true"};
    __attribute__((cleanup(schema_scratch_free))) struct schema_scratch *scratch = NULL;
    struct schema *schemas[COUNT(texts)];

    cr_assert_eq(schema_scratch_new(&scratch, &error), 0);
    for (size_t i = 0; i < COUNT(texts); i++) {
        cr_assert_eq(schema_compile(&schemas[i], slice_of(texts[i]), &error), 0);
        cr_assert_eq(schema_scratch_fit(scratch, schemas[i], &error), 0);
    }
    for (int round = 0; round < 3; round++) {
        cr_assert_eq(schema_check(schemas[0], scratch, slice_of("{\"a\":1}"), &error), 0);
        cr_assert_eq(schema_check(schemas[1], scratch, slice_of("{\"a\":1}"), &error), -1);
        cr_assert_eq(schema_check(schemas[1], scratch, slice_of("{\"a\":1,\"c\":2,\"b\":3}"), &error), 0);
        cr_assert_eq(schema_check(schemas[2], scratch, slice_of("{}"), &error), 0);
        cr_assert_eq(schema_check(schemas[0], scratch, slice_of("{}"), &error), -1);
    }
    for (size_t i = 0; i < COUNT(texts); i++)
        schema_free(&schemas[i]);
    schema_free(&schemas[0]);
    schema_scratch_free(&scratch);
}

/* Counted over documents that come together: who has few steps to take is taken all the same. */
Test(schema, patterns_have_so_many_steps_together)
{
    const struct slice weak = slice_of("\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"");
    struct schema *schema = NULL;
    struct schema_scratch *scratch = NULL;

    cr_assert_eq(schema_compile(&schema, slice_of("{\"pattern\":\"^(a+)+$\"}"), &error), 0);
    cr_assert_eq(schema_scratch_new(&scratch, &error), 0);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 2 * SCHEMA_STEPS_BODY / SCHEMA_PATTERN_STEPS; i++) {
            cr_assert_eq(schema_check(schema, scratch, weak, &error), -1);
            cr_assert_str_eq(error.text,
                i < SCHEMA_STEPS_BODY / SCHEMA_PATTERN_STEPS - 1
                    ? "the record: takes more steps than are allowed to be held against the pattern ^(a+)+$"
                    : "the record: is not held against the pattern ^(a+)+$: it and what came with it take more steps "
                      "than patterns may take together",
                "%d", i);
        }
        cr_assert_eq(schema_check(schema, scratch, slice_of("\"aaa\""), &error), 0);
        cr_assert_eq(schema_check(schema, scratch, slice_of("\"aab\""), &error), -1);
        cr_assert_str_eq(error.text, "the record: does not match the pattern ^(a+)+$");
        schema_scratch_renew(scratch, SCHEMA_STEPS_BODY);
    }
    schema_scratch_free(&scratch);
    schema_free(&schema);
}

/* Whatever is looked at so often as the text is long costs as many steps. */
Test(schema, long_texts_have_no_more_steps)
{
    static const char *const patterns[] = {"{\"pattern\":\"\\\\s+$\"}", "{\"pattern\":\"^ *.*[bc]$\"}",
        "{\"pattern\":\" *.*[bc]\"}", "{\"pattern\":\"(?= *x)[cd]\"}", "{\"pattern\":\"[ b]{30000}[cd]\"}"};

    for (size_t i = 0; i < COUNT(patterns); i++) {
        const char *why = verdict(patterns[i], repeated("\"", " ", 60000, "x\""));
        cr_assert_not_null(why);
        cr_assert(strstr(why, "takes more steps than are allowed"), "%s: %s", patterns[i], why);
    }
    cr_assert_null(verdict("{\"pattern\":\"x$\"}", repeated("\"", " ", 60000, "x\"")));
    cr_assert_not_null(verdict("{\"pattern\":\"[yz]$\"}", repeated("\"", " ", 60000, "x\"")));
}

static char many[1 << 20];

/* {"enum":[...]} with so many of each kind. */
static const char *large_enum(int count)
{
    size_t length = (size_t)snprintf(many, sizeof many, "{\"enum\":[true,[1],{\"a\":1},\"\",0");

    for (int i = 0; i < count; i++)
        length += (size_t)snprintf(many + length, sizeof many - length,
            ",\"name \\u00e9-%d\",[%d,2],%d50e-1,{\"b\":%d}", i, i, i + !i, i);
    snprintf(many + length, sizeof many - length, "]}");
    return many;
}

Test(schema, large_enums_take_what_small_ones_take)
{
    static const char *const taken[] = {"true", "[1]", "[ 1.0 ]", "{\"a\":1}", "\"\"", "0", "-0.0", "0e7",
        "\"name \xc3\xa9-7\"", "\"n\\u0061me \\u00e9-7\"", "75", "75.0", "7.5e1", "7500e-2", "0.75E+2",
        "[7,2]", "{\"b\":7e0}"};
    static const char *const refused[] = {"false", "null", "[2]", "{\"a\":2}", "{}", "[]", "\"true\"", "1",
        "-75", "750", "7.5", "75.01", "\"name \"", "\"name \xc3\xa9-9999\"", "\"75\""};

    for (int count = 1; count < 4000; count = 20 * count + 8) {
        for (size_t i = 0; i < COUNT(taken); i++)
            if (count > 7 || !strpbrk(taken[i], "57"))
                cr_assert_null(verdict(large_enum(count), slice_of(taken[i])), "%d: %s", count, taken[i]);
        for (size_t i = 0; i < COUNT(refused); i++)
            cr_assert_str_eq(verdict(large_enum(count), slice_of(refused[i])),
                "the record: is none of the values that are allowed (enum)", "%d: %s", count, refused[i]);
    }
    /* Escaped, and longer than what is written without its escapes. */
    cr_assert_not_null(verdict(large_enum(100), repeated("\"", "\\u0041", 20000, "\"")));
}

Test(schema, says_what_its_properties_are_in_their_order)
{
    static const struct {
        const char *name;
        enum schema_kind kind;
    } wanted[] = {{"z", SCHEMA_KIND_INTEGER}, {"a", SCHEMA_KIND_NUMBER}, {"m", SCHEMA_KIND_NUMBER},
        {"b", SCHEMA_KIND_BOOLEAN}, {"s", SCHEMA_KIND_STRING}, {"t", SCHEMA_KIND_TIME},
        {"o", SCHEMA_KIND_ANY}, {"l", SCHEMA_KIND_ANY}, {"x", SCHEMA_KIND_ANY}, {"y", SCHEMA_KIND_ANY},
        {"n", SCHEMA_KIND_ANY}, {"two", SCHEMA_KIND_SCALAR}, {"d", SCHEMA_KIND_TIME},
        {"three", SCHEMA_KIND_SCALAR}, {"more", SCHEMA_KIND_ANY}, {"none", SCHEMA_KIND_ANY}};
    static const char text[] =
        "{\"required\":[\"only\",\"s\",\"z\"],\"properties\":{\"z\":{\"type\":\"integer\"},\"a\":{\"type\":[\"number\",\"null\"]},"
        "\"m\":{\"type\":[\"integer\",\"number\"]},\"b\":{\"type\":\"boolean\"},\"s\":{\"type\":\"string\"},"
        "\"t\":{\"type\":\"string\",\"format\":\"date-time\"},\"o\":{\"type\":\"object\"},\"l\":{\"type\":\"array\"},\"x\":true,\"y\":false,"
        "\"n\":{},\"two\":{\"type\":[\"string\",\"boolean\"]},\"d\":{\"format\":\"date-time\",\"type\":[\"null\",\"string\"]},"
        "\"three\":{\"type\":[\"null\",\"integer\",\"string\"]},\"more\":{\"type\":[\"string\",\"array\"]},\"none\":{\"type\":\"null\"}}}";
    __attribute__((cleanup(schema_free))) struct schema *schema = NULL;
    enum schema_kind kind;

    cr_assert_eq(schema_compile(&schema, slice_of(text), &error), 0, "%s", error.text);
    cr_assert_eq(schema_properties_count(schema), COUNT(wanted));
    for (size_t i = 0; i < COUNT(wanted); i++) {
        const struct slice name = schema_property_at(schema, i, &kind);
        cr_assert(slice_is(name, wanted[i].name), "%zu: %.*s", i, (int)name.length, name.data);
        cr_assert_eq(kind, wanted[i].kind, "%s", wanted[i].name);
    }
    schema_free(&schema);
    cr_assert_eq(schema_compile(&schema, slice_of("true"), &error), 0);
    cr_assert_eq(schema_properties_count(schema), 0);
}
