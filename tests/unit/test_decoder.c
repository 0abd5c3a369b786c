/* The decoder: which bytes of a body become records. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "decode/decode.h"

static struct error error;

/* records ends with NULL. The body is copied into a block without a byte to spare. */
static void gives(enum decode_form form, const char *body, const char *const *records)
{
    size_t length = strlen(body);
    char *copy = malloc(length);
    struct decoder decoder;
    struct slice payload;

    memcpy(copy, body, length);
    cr_assert(
        decoder_start(&decoder, form, (struct slice){copy, length}, &error) == 0, "%s: %s", body, error.text);
    for (; *records; records++) {
        cr_assert(decoder_next(&decoder, &payload, &error) == 1, "%s: no %s", body, *records);
        cr_expect(slice_is(payload, *records), "%s: '%.*s' for '%s'", body, (int)payload.length, payload.data,
            *records);
    }
    for (int again = 0; again < 2; again++)
        cr_expect(decoder_next(&decoder, &payload, &error) == 0, "%s: another '%.*s'", body,
            (int)payload.length, payload.data);
    free(copy);
}

#define RECORDS(...) ((const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void refuses(enum decode_form form, const char *body, const char *why)
{
    struct decoder decoder;
    struct slice payload;
    int next;

    error = (struct error){0};
    next = decoder_start(&decoder, form, slice_of(body), &error) ? -1 : 1;
    while (next > 0)
        next = decoder_next(&decoder, &payload, &error);
    cr_expect_eq(next, -1, "%s is taken", body);
    cr_expect(error.kind == ERROR_REJECT);
    cr_expect_str_eq(error.text, why);
}

Test(decoder, a_json_body_that_is_no_array_is_one_record)
{
    gives(DECODE_JSON, "{\"a\":1}", RECORDS("{\"a\":1}"));
    gives(DECODE_JSON, " \r\n{\"a\": [1, 2]}\t\n", RECORDS("{\"a\": [1, 2]}"));
    gives(DECODE_JSON, "7", RECORDS("7"));
    gives(DECODE_JSON, "{broken", RECORDS("{broken")); /* whoever wants its values scans it */
}

Test(decoder, array_elements_come_out_byte_for_byte)
{
    gives(DECODE_JSON, "[{\"a\":1}]", RECORDS("{\"a\":1}"));
    gives(DECODE_JSON, " [ {\"a\" : 1.50} ,\n{\"b\":[1,{\"c\":[]}]}\t] ",
        RECORDS("{\"a\" : 1.50}", "{\"b\":[1,{\"c\":[]}]}"));
    gives(DECODE_JSON, "[1,\"two\",null,[3,[4]],{},[]]",
        RECORDS("1", "\"two\"", "null", "[3,[4]]", "{}", "[]"));
}

Test(decoder, brackets_and_quotes_inside_strings_do_not_count)
{
    gives(DECODE_JSON, "[\"a,b]\",{\"}\":\"\\\"]\"},\"\\\\\",\"\\\\\\\"\",\"\\u005d,\"]",
        RECORDS("\"a,b]\"", "{\"}\":\"\\\"]\"}", "\"\\\\\"", "\"\\\\\\\"\"", "\"\\u005d,\""));
    gives(DECODE_JSON, "[\"\xc3\xa9\xc3\xa9,\xe2\x82\xac]\",\"\"]",
        RECORDS("\"\xc3\xa9\xc3\xa9,\xe2\x82\xac]\"", "\"\""));
}

Test(decoder, an_empty_array_holds_no_record)
{
    gives(DECODE_JSON, "[]", RECORDS());
    gives(DECODE_JSON, " [ \n ] ", RECORDS());
}

Test(decoder, a_broken_array_is_refused_whole)
{
    refuses(DECODE_JSON, "[{\"a\":1},{\"a\":2]", "byte 15: expected ',' or '}', found ']'");
    refuses(DECODE_JSON, "  [1,2", "byte 6: expected ',' or ']', found the end");
    refuses(DECODE_JSON, "[1] [2]", "byte 4: expected nothing more behind the value, found '['");
    refuses(DECODE_JSON, "[1] ]", "byte 4: expected nothing more behind the value, found ']'");
    refuses(DECODE_JSON, " [] ]", "byte 4: expected nothing more behind the value, found ']'");
    refuses(DECODE_JSON, "[1 2]", "byte 3: expected ',' or ']', found '2'");
    refuses(DECODE_JSON, "[\xef\xbb\xbf 1]", "byte 1: expected a value, found byte 0xef");
    refuses(DECODE_JSON, "[1,]", "byte 3: expected a value, found ']'");
    refuses(DECODE_JSON, "[", "byte 1: expected a value, found the end");
    refuses(DECODE_JSON, "[\"\xff\"]", "byte 2: expected valid UTF-8, found byte 0xff");
}

Test(decoder, values_of_elements_are_found_on_the_way)
{
    static const char *const wanted[] = {"/id", "/list/1"};
    static const char body[] =
        " [ {\"id\": \"a\", \"list\": [1, 2]} , 7, {\"list\": [3, \"x\"], \"id\": null}]";
    struct json_pointers *pointers;
    struct json_value values[2];
    struct decoder decoder;
    struct slice payload;

    cr_assert_eq(json_pointers_compile(&pointers, wanted, 2, &error), 0);
    cr_assert_eq(decoder_start(&decoder, DECODE_JSON, slice_of(body), &error), 0);
    decoder.pointers = pointers;
    decoder.values = values;
    cr_assert_eq(decoder_next(&decoder, &payload, &error), 1);
    cr_assert(decoder.scanned && slice_is(values[0].text, "a") && slice_is(values[1].text, "2"));
    cr_assert_eq(decoder_next(&decoder, &payload, &error), 1);
    cr_assert(values[0].type == JSON_ABSENT && values[1].type == JSON_ABSENT);
    cr_assert_eq(decoder_next(&decoder, &payload, &error), 1);
    cr_assert(values[0].type == JSON_NULL && slice_is(values[1].text, "x"));
    cr_assert_eq(decoder_next(&decoder, &payload, &error), 0);
    cr_assert_eq(decoder_start(&decoder, DECODE_JSON, slice_of("{}"), &error), 0);
    cr_assert(decoder_next(&decoder, &payload, &error) == 1 && !decoder.scanned);
    json_pointers_free(&pointers);
}

Test(decoder, one_json_document_per_line)
{
    gives(DECODE_NDJSON, "{\"a\":1}\n{\"a\":2}\n", RECORDS("{\"a\":1}", "{\"a\":2}"));
    gives(DECODE_NDJSON, "{\"a\":1}\r\n{\"a\":2}", RECORDS("{\"a\":1}", "{\"a\":2}"));
    gives(DECODE_NDJSON, "\n \t\n{\"a\":1}\n\r\n\n {\"a\":2} \n  ", RECORDS("{\"a\":1}", " {\"a\":2} "));
    gives(DECODE_NDJSON, "{broken\n[1]\n", RECORDS("{broken", "[1]"));
}

Test(decoder, one_text_record_per_line)
{
    gives(DECODE_TEXT, "one\ntwo\r\n\n\r\nthree", RECORDS("one", "two", "three"));
    gives(DECODE_TEXT, "  \n a \n", RECORDS("  ", " a "));
    gives(DECODE_TEXT, "a\rb\r\r\nc\r", RECORDS("a\rb\r", "c\r"));
}

Test(decoder, empty_lines_of_files_count)
{
    gives(DECODE_LINES, "one\n\n\r\n three", RECORDS("one", "", "", " three"));
    gives(DECODE_LINES, "\n", RECORDS(""));
    refuses(DECODE_LINES, "", "the body is empty");
}

Test(decoder, a_block_is_one_record_without_its_last_line_break)
{
    gives(DECODE_BLOCK, "one\r\n\n two\r\n", RECORDS("one\r\n\n two"));
    gives(DECODE_BLOCK, "one\n\n", RECORDS("one\n"));
    gives(DECODE_BLOCK, "one\r", RECORDS("one\r"));
    gives(DECODE_BLOCK, "\n", RECORDS(""));
    gives(DECODE_BLOCK, "\r\n", RECORDS(""));
    refuses(DECODE_BLOCK, "", "the body is empty");
}

Test(decoder, text_may_hold_any_byte)
{
    struct decoder decoder;
    struct slice payload;

    cr_assert(decoder_start(&decoder, DECODE_TEXT, (struct slice){"\0\xff\n\x01", 4}, &error) == 0);
    cr_assert(decoder_next(&decoder, &payload, &error) == 1);
    cr_expect(slice_equal(payload, (struct slice){"\0\xff", 2}));
    cr_assert(decoder_next(&decoder, &payload, &error) == 1);
    cr_expect(slice_is(payload, "\x01"));
    cr_expect(decoder_next(&decoder, &payload, &error) == 0);
}

Test(decoder, bytes_are_one_record_as_they_are)
{
    const struct slice bytes = {"\n[\0\xff \r\n", 7};
    struct decoder decoder;
    struct slice payload;

    gives(DECODE_BYTES, " {\"a\":1}\n\n", RECORDS(" {\"a\":1}\n\n"));
    gives(DECODE_BYTES, "\n", RECORDS("\n"));
    cr_assert(decoder_start(&decoder, DECODE_BYTES, bytes, &error) == 0);
    cr_assert(decoder_next(&decoder, &payload, &error) == 1);
    cr_expect(slice_equal(payload, bytes));
    cr_expect(decoder_next(&decoder, &payload, &error) == 0);
    refuses(DECODE_BYTES, "", "the body is empty");
}

Test(decoder, a_body_without_a_record_is_refused)
{
    static const enum decode_form forms[] = {DECODE_JSON, DECODE_NDJSON, DECODE_TEXT};
    struct decoder decoder;

    for (size_t i = 0; i < 3; i++) {
        refuses(forms[i], "", "the body is empty");
        refuses(forms[i], "\n\r\n\n", "the body is empty");
        cr_expect(decoder_start(&decoder, forms[i], (struct slice){NULL, 0}, &error) == -1);
    }
    refuses(DECODE_JSON, " \t", "the body is empty");
    refuses(DECODE_NDJSON, " \t\n ", "the body is empty");
}
