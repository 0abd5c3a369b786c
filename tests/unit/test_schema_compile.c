/* What is no schema, and where that is. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>

#include "decode/decode.h"
#include "decode/schema_internal.h"

#define COUNT(array) (sizeof array / sizeof *array)
#define UNKNOWN "a keyword that is not known here, so nobody would look at it; take it away."
#define TWICE "comes twice; take one of them away"

static const struct {
    const char *schema, *why;
} wrong[] = {
    {"{", "not JSON: byte 1: expected a name in quotes, found the end"},
    {"1", "the schema: must be an object, true or false"},
    {"[]", "the schema: must be an object, true or false"},
    {"{\"properties\":{\"a\":1}}", "/properties/a: must be an object, true or false"},
    {"{\"items\":[{}]}", "/items: must be an object, true or false"},
    {"{\"additionalProperties\":null}", "/additionalProperties: must be an object, true or false"},

    {"{\"$ref\":\"#/x\"}", "/$ref: " UNKNOWN},
    {"{\"allOf\":[]}", "/allOf: " UNKNOWN},
    {"{\"properties\":{\"a\":{\"items\":{\"multipleOf\":2}}}}", "/properties/a/items/multipleOf: " UNKNOWN},
    {"{\"minlength\":2}", "/minlength: " UNKNOWN},
    {"{\"\\u0074ype\":\"integer\",\"type\":\"null\"}", "/type: " TWICE},
    {"{\"properties\":{\"a\":{},\"b\":{},\"\\u0061\":{}}}", "/properties/a: " TWICE},

    {"{\"type\":1}", "/type: must be the name of a type, or a list of such"},
    {"{\"type\":\"float\"}", "/type: no type: known are "},
    {"{\"type\":[\"null\",1]}", "/type/1: no type: known are "},
    {"{\"type\":[]}", "/type: an empty list: at least one type is needed"},
    {"{\"type\":[\"integer\",\"integer\"]}", "/type/1: " TWICE},
    {"{\"enum\":1}", "/enum: must be a list of values"},
    {"{\"enum\":[1,{\"a\":1,\"a\":2}]}", "/enum/1/a: " TWICE},
    {"{\"const\":[0,1e1000000000000001]}", "/const/1: a number whose exponent has more than 15 digits"},
    {"{\"required\":\"a\"}", "/required: must be a list of names"},
    {"{\"required\":[\"a\",1]}", "/required/1: no name: it must be a string"},
    {"{\"required\":[\"a\",\"\\u0061\"]}", "/required/1: " TWICE},
    {"{\"properties\":[]}", "/properties: must be an object of schemas"},
    {"{\"minItems\":-1}", "/minItems: must be an integer of at least 0"},
    {"{\"maxItems\":1.5}", "/maxItems: must be an integer of at least 0"},
    {"{\"minLength\":\"1\"}", "/minLength: must be an integer of at least 0"},
    {"{\"maxLength\":null}", "/maxLength: must be an integer of at least 0"},
    {"{\"minimum\":\"1\"}", "/minimum: must be a number"},
    {"{\"maximum\":1e-9999999999999999999}", "/maximum: a number whose exponent has more than 15 digits"},
    {"{\"exclusiveMinimum\":true}", "/exclusiveMinimum: must be a number"},
    {"{\"exclusiveMaximum\":[]}", "/exclusiveMaximum: must be a number"},
    {"{\"pattern\":1}", "/pattern: must be a string"},
    {"{\"pattern\":\"(\"}", "/pattern: no pattern of ECMA-262: byte 0: a group that has no end"},
    {"{\"pattern\":\"\\\\C\"}", "/pattern: no pattern of ECMA-262: byte 0: \\C has no meaning there"},
    {"{\"format\":\"email\"}",
        "/format: the only format that is checked is \"date-time\"; take this one away"},
    {"{\"$schema\":\"http://json-schema.org/draft-07/schema#\"}",
        "/$schema: only \"https://json-schema.org/draft/2020-12/schema\""},
    {"{\"items\":{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\"}}", "/items/$schema: only "},
    {"{\"title\":1}", "/title: must be a string"},
    {"{\"examples\":1}", "/examples: must be a list of values"},
    {"{\"deprecated\":1}", "/deprecated: must be true or false"},
};

Test(schema_compile, says_where_it_is_wrong)
{
    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct schema *schema = NULL;
        struct error error = {.text = ""};

        cr_assert_eq(schema_compile(&schema, slice_of(wrong[i].schema), &error), -1, "%s", wrong[i].schema);
        cr_assert_null(schema);
        cr_assert_eq(error.kind, ERROR_REJECT);
        cr_assert_eq(strncmp(error.text, wrong[i].why, strlen(wrong[i].why)), 0, "%s: %s", wrong[i].schema,
            error.text);
    }
}

static const char *const right[] = {
    " { \"$schema\" : \"https://json-schema.org/draft/2020-12/schema\", \"$id\":\"x\",\"title\":\"\",\"description\":\"\"} ",
    "{\"$comment\":\"\",\"examples\":[1],\"default\":{\"a\":1,\"a\":2},\"deprecated\":true } ",
    "{\"minLength\":3,\"maxLength\":2,\"minItems\":1.0,\"maxItems\":10e-1}",
    "{\"maxLength\":99999999999999999999,\"minLength\":0.0,\"maxItems\":0e5}",
    "{\"maxItems\":20e0,\"minimum\":1e999999999999999}",
    "{\"properties\":{},\"required\":[],\"enum\":[]}",
};

Test(schema_compile, takes_what_is_one)
{
    for (size_t i = 0; i < COUNT(right); i++) {
        struct schema *schema = NULL;
        struct error error = {.text = ""};

        cr_assert_eq(schema_compile(&schema, slice_of(right[i]), &error), 0, "%s: %s", right[i], error.text);
        schema_free(&schema);
        cr_assert_null(schema);
    }
}

/* The text of a schema with this between head and tail, so many times; "%zu" in it is the number. */
static char text[2 << 20];

static int compile_many(
    const char *head, const char *piece, size_t times, const char *tail, struct error *error)
{
    struct schema *schema = NULL;
    size_t length = (size_t)snprintf(text, sizeof text, "%s", head);

    for (size_t i = 0; i < times; i++)
        length +=
            (size_t)snprintf(text + length, sizeof text - length, "%s\"%s%zu\"", i ? "," : "", piece, i);
    length += (size_t)snprintf(text + length, sizeof text - length, "%s", tail);
    const int made = schema_compile(&schema, (struct slice){text, length}, error);
    schema_free(&schema);
    return made;
}

Test(schema_compile, names_are_bounded)
{
    char name[SCHEMA_NAME_MAX + 3];
    struct error error = {.text = ""};

    cr_assert_eq(compile_many("{\"required\":[", "", SCHEMA_NAMES_MAX, "]}", &error), 0, "%s", error.text);
    cr_assert_eq(compile_many("{\"required\":[", "", SCHEMA_NAMES_MAX + 1, "]}", &error), -1);
    cr_assert_str_eq(error.text, "/required/10000: one name too many; at most 10000 are allowed");

    memset(name, 'n', sizeof name - 1);
    name[SCHEMA_NAME_MAX - 1] = '\0'; /* a digit follows */
    cr_assert_eq(compile_many("{\"required\":[", name, 1, "]}", &error), 0, "%s", error.text);
    name[SCHEMA_NAME_MAX - 1] = 'n';
    name[SCHEMA_NAME_MAX] = '\0';
    cr_assert_eq(compile_many("{\"required\":[", name, 1, "]}", &error), -1);
    cr_assert_str_eq(error.text, "/required/0: a name of 1025 bytes; at most 1024 are allowed");
}

/* Numbered names differ in their last bytes alone, and stand apart all the same. */
Test(schema_compile, names_that_differ_at_their_end_share_no_bucket)
{
    char name[32];
    bool used[256] = {false};
    size_t buckets = 0;

    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "sensor_%02d", i);
        bool *bucket = &used[schema_hash((struct slice){name, strlen(name)}) & 255];
        buckets += !*bucket;
        *bucket = true;
    }
    cr_assert_gt(buckets, 60, "%zu", buckets);
}
