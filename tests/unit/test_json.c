/* The JSON scanner: what it takes, what it refuses and with which words, and its policy rule by rule. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "decode/decode.h"

static struct error error;

/* A copy without a byte to spare, so that the sanitizers see each read beyond the end. */
static struct slice exactly(const char *data, size_t length)
{
    char *copy = malloc(length ? length : 1);

    memcpy(copy, data, length);
    return (struct slice){copy, length};
}

static int scan_bytes(const char *data, size_t length)
{
    struct slice text = exactly(data, length);
    int result = json_scan_document(text, NULL, NULL, &error);

    free((char *)(uintptr_t)text.data);
    return result;
}

static void takes(const char *text)
{
    cr_expect(scan_bytes(text, strlen(text)) == 0, "%s: %s", text, error.text);
}

static void refuses(const char *text, const char *why)
{
    error = (struct error){0};
    cr_expect(scan_bytes(text, strlen(text)) == -1, "%s is taken", text);
    cr_expect(error.kind == ERROR_REJECT);
    cr_expect_str_eq(error.text, why, "%s: %s", text, error.text);
}

/* The value of the whole document. */
static struct json_value whole(struct slice text)
{
    const char *const everything[] = {""};
    struct json_pointers *pointers = NULL;
    struct json_value value;

    cr_assert(json_pointers_compile(&pointers, everything, 1, &error) == 0);
    cr_assert(json_scan_document(text, pointers, &value, &error) == 0, "%s", error.text);
    json_pointers_free(&pointers);
    return value;
}

static void means(const char *document, const char *meaning, size_t length)
{
    char out[64];
    struct json_value value = whole(slice_of(document));

    cr_assert(value.type == JSON_STRING);
    cr_expect(value.escaped == (strchr(document, '\\') != NULL));
    cr_assert(value.text.length <= sizeof out);
    size_t got = json_unescape(&value, out);
    cr_expect(got == length && memcmp(out, meaning, length) == 0, "%s", document);
}

Test(json, takes_every_kind_of_value)
{
    static const struct {
        const char *text;
        enum json_type type;
    } values[] = {{"null", JSON_NULL}, {"true", JSON_TRUE}, {"false", JSON_FALSE}, {"0", JSON_NUMBER},
        {"-12.5e+3", JSON_NUMBER}, {"[]", JSON_ARRAY}, {"[1,[2],{}]", JSON_ARRAY}, {"{}", JSON_OBJECT},
        {"{\"a\":{\"b\":[]},\"c\":\"d\"}", JSON_OBJECT}};

    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char blanks[64];
        snprintf(blanks, sizeof blanks, " \t\r\n%s\n ", values[i].text);
        struct json_value value = whole(slice_of(blanks));
        cr_expect(value.type == values[i].type, "%s", values[i].text);
        cr_expect(slice_is(value.text, values[i].text), "%.*s", (int)value.text.length, value.text.data);
        takes(values[i].text);
    }
    struct json_value text = whole(slice_of("\"plain\""));
    cr_expect(text.type == JSON_STRING && slice_is(text.text, "plain") && !text.escaped);
}

Test(json, takes_blanks_between_all_tokens)
{
    takes(" { \"a\" : [ 1 , 2 , { } , [ ] ] ,\n\"b\"\t:\r\nnull } ");
}

Test(json, refuses_what_is_no_value)
{
    refuses("", "byte 0: expected a value, found the end");
    refuses("  ", "byte 2: expected a value, found the end");
    refuses("tru", "byte 0: expected a value, found 't'");
    refuses("True", "byte 0: expected a value, found 'T'");
    refuses("NaN", "byte 0: expected a value, found 'N'");
    refuses("'a'", "byte 0: expected a value, found '''");
    refuses("\x01", "byte 0: expected a value, found byte 0x01");
    refuses("/**/1", "byte 0: expected a value, found '/'");
    refuses("]", "byte 0: expected a value, found ']'");
    refuses("nulll", "byte 4: expected nothing more behind the value, found 'l'");
    refuses("1 2", "byte 2: expected nothing more behind the value, found '2'");
    refuses("{} {}", "byte 3: expected nothing more behind the value, found '{'");
}

Test(json, refuses_broken_containers)
{
    refuses("[", "byte 1: expected a value, found the end");
    refuses("[1", "byte 2: expected ',' or ']', found the end");
    refuses("[1 2]", "byte 3: expected ',' or ']', found '2'");
    refuses("[1,]", "byte 3: expected a value, found ']'");
    refuses("[,1]", "byte 1: expected a value, found ','");
    refuses("[1}", "byte 2: expected ',' or ']', found '}'");
    refuses("[}", "byte 1: expected a value, found '}'");
    refuses("{", "byte 1: expected a name in quotes, found the end");
    refuses("{]", "byte 1: expected a name in quotes, found ']'");
    refuses("{a:1}", "byte 1: expected a name in quotes, found 'a'");
    refuses("{\"a", "byte 3: expected '\"' at the end of a string, found the end");
    refuses("{\"a\"", "byte 4: expected ':' behind a name, found the end");
    refuses("{\"a\"}", "byte 4: expected ':' behind a name, found '}'");
    refuses("{\"a\":}", "byte 5: expected a value, found '}'");
    refuses("{\"a\":1", "byte 6: expected ',' or '}', found the end");
    refuses("{\"a\":1]", "byte 6: expected ',' or '}', found ']'");
    refuses("{\"a\":1,}", "byte 7: expected a name in quotes, found '}'");
}

Test(json, numbers_follow_the_grammar)
{
    static const char *const good[] = {
        "0", "-0", "7", "-10", "0.5", "1.25", "1e5", "1E5", "1e+5", "1e-5", "0e0", "12.50E-07"};

    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        takes(good[i]);
    refuses("-", "byte 1: expected a digit, found the end");
    refuses("-a", "byte 1: expected a digit, found 'a'");
    refuses("+1", "byte 0: expected a value, found '+'");
    refuses(".5", "byte 0: expected a value, found '.'");
    refuses("1.", "byte 2: expected a digit, found the end");
    refuses("1.e5", "byte 2: expected a digit, found 'e'");
    refuses("1e", "byte 2: expected a digit, found the end");
    refuses("1e+", "byte 3: expected a digit, found the end");
    refuses("1e-x", "byte 3: expected a digit, found 'x'");
    refuses("01", "byte 1: expected nothing more behind the value, found '1'");
    refuses("-01", "byte 2: expected nothing more behind the value, found '1'");
    refuses("0x10", "byte 1: expected nothing more behind the value, found 'x'");
    refuses("[-Infinity]", "byte 2: expected a digit, found 'I'");
}

Test(json, strings_and_what_they_mean)
{
    means("\"\"", "", 0);
    means("\"exactly8\"", "exactly8", 8);
    means("\"more than eight bytes\"", "more than eight bytes", 21);
    means("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t", 8);
    means("\"\\u0041\\u00e9\\u20AC\\ud83d\\uDE00\"", "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 10);
    means("\"\xc3\xa9t\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"",
        "\xc3\xa9t\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", 14);
    means("\"\x7f\"", "\x7f", 1);
}

Test(json, refuses_broken_strings)
{
    refuses("\"", "byte 1: expected '\"' at the end of a string, found the end");
    refuses(
        "\"long enough for the word loop", "byte 30: expected '\"' at the end of a string, found the end");
    refuses("\"a\nb\"", "byte 2: expected control characters in a string to be escaped, found byte 0x0a");
    refuses("\"0123456789\x1f\"",
        "byte 11: expected control characters in a string to be escaped, found byte 0x1f");
    refuses("\"\\", "byte 2: expected one of \"\\/bfnrtu behind a backslash, found the end");
    refuses("\"\\x\"", "byte 2: expected one of \"\\/bfnrtu behind a backslash, found 'x'");
    refuses("\"\\u12\"", "byte 2: expected four hexadecimal digits behind \\u, found 'u'");
    refuses("\"\\u12g4\"", "byte 2: expected four hexadecimal digits behind \\u, found 'u'");
    refuses("\"\\u", "byte 2: expected four hexadecimal digits behind \\u, found 'u'");
    cr_expect(scan_bytes("\"a\0b\"", 5) == -1);
    cr_expect(scan_bytes("\"\\\0\"", 4) == -1);
}

Test(json, every_control_character_and_every_place_in_a_word)
{
    for (char c = 0; c < 0x20; c++)
        for (size_t at = 1; at < 20; at++) {
            char text[] = "\"ABCDEFGHIJKLMNOPQRS\"";
            text[at] = c;
            cr_expect(scan_bytes(text, sizeof text - 1) == -1, "byte %d at %zu is taken", c, at);
        }
}

Test(json, pairs_of_surrogates)
{
    refuses("\"\\udc00\"", "byte 2: expected a high surrogate in front of a low one, found 'u'");
    refuses("\"\\ud800\"", "byte 7: expected a low surrogate behind a high one, found '\"'");
    refuses("\"\\ud800\\n12345\"", "byte 7: expected a low surrogate behind a high one, found '\\'");
    refuses("\"\\ud800\\ud800\"", "byte 7: expected a low surrogate behind a high one, found '\\'");
    refuses("\"\\ud800abcdef\"", "byte 7: expected a low surrogate behind a high one, found 'a'");
    means("\"\\ud800\\udc00\"", "\xf0\x90\x80\x80", 4);
    means("\"\\udbff\\udfff\"", "\xf4\x8f\xbf\xbf", 4);
}

/* All one to four byte sequences that decide, against the table of RFC 3629 section 4. */
static bool is_utf8(const unsigned char *p, size_t length)
{
    uint32_t code = p[0];

    if (length == 1)
        return code < 0x80;
    for (size_t i = 1; i < length; i++)
        if (p[i] < 0x80 || p[i] > 0xbf)
            return false;
    if (length == 2)
        return (p[0] & 0xe0) == 0xc0 && ((p[0] & 0x1fu) << 6) >= 0x80;
    code = length == 3 ? (p[0] & 0xfu) << 12 | (p[1] & 0x3fu) << 6 : (p[0] & 7u) << 18 | (p[1] & 0x3fu) << 12;
    if (length == 3)
        return (p[0] & 0xf0) == 0xe0 && code >= 0x800 && (code < 0xd800 || code > 0xdfff);
    return (p[0] & 0xf8) == 0xf0 && code >= 0x10000 && code <= 0x10ffff;
}

Test(json, utf8_is_checked)
{
    static const unsigned char thirds[] = {'a', 0x7f, 0x80, 0xbf, 0xc0};
    struct json_value value;

    for (unsigned first = 0x80; first < 0x100; first++)
        for (unsigned second = 0x20; second < 0x100; second++) {
            if (second == '"' || second == '\\')
                continue;
            for (size_t length = 1; length <= 4; length++)
                for (size_t third = 0; third < sizeof thirds; third++) {
                    const unsigned char bytes[] = {
                        '"', (unsigned char)first, (unsigned char)second, thirds[third], 0x80, '"'};
                    unsigned char text[6];
                    memcpy(text, bytes, 1 + length);
                    text[1 + length] = '"';
                    bool valid = is_utf8(bytes + 1, length);
                    /* Not one character; it may still be valid as several, when the first is. */
                    if (!valid && length > 2 && is_utf8(bytes + 1, 2) && thirds[third] < 0x80)
                        continue;
                    if (!valid && length == 4 && is_utf8(bytes + 1, 3))
                        continue;
                    int result =
                        json_scan_document((struct slice){(char *)text, length + 2}, NULL, &value, &error);
                    cr_expect((result == 0) == valid, "%02x %02x %02x, %zu bytes", first, second,
                        thirds[third], length);
                }
        }
    refuses("\"\xc3", "byte 1: expected valid UTF-8, found byte 0xc3");
    refuses("\"\xf0\x9f\x98", "byte 1: expected valid UTF-8, found byte 0xf0");
    refuses("{\"\xff\":1}", "byte 2: expected valid UTF-8, found byte 0xff");
}

/* ---- policy ------------------------------------------------------------------------------------------------ */

static int scan_nested(size_t depth, const char *inner, bool objects)
{
    char text[1024];
    size_t length = 0;

    for (size_t i = 0; i < depth; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, objects ? "{\"a\":" : "[");
    length += (size_t)snprintf(text + length, sizeof text - length, "%s", inner);
    for (size_t i = 0; i < depth; i++)
        text[length++] = objects ? '}' : ']';
    return scan_bytes(text, length);
}

Test(json, policy_depth)
{
    cr_expect(scan_nested(JSON_DEPTH_MAX, "1", false) == 0);
    cr_expect(scan_nested(JSON_DEPTH_MAX, "1", true) == 0);
    cr_expect(scan_nested(JSON_DEPTH_MAX - 1, "[]", true) == 0);
    cr_expect(scan_nested(JSON_DEPTH_MAX, "[]", true) == -1);
    cr_expect(scan_nested(JSON_DEPTH_MAX + 1, "1", false) == -1);
    cr_expect_str_eq(error.text, "byte 64: expected at most 64 nested arrays and objects, found '['");
    /* The stack of kinds is right at its far end, too. */
    char mixed[2 * JSON_DEPTH_MAX + 1];
    memset(mixed, '[', JSON_DEPTH_MAX);
    memset(mixed + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    mixed[2 * JSON_DEPTH_MAX - 1] = '}';
    cr_expect(scan_bytes(mixed, 2 * JSON_DEPTH_MAX) == -1);
}

Test(json, policy_numbers_are_text_of_any_size)
{
    static const char *const numbers[] = {"9223372036854775808", "18446744073709551616", "1e400", "-1e-400",
        "123456789012345678901234567890.123456789012345678901234567890"};

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct json_value value = whole(slice_of(numbers[i]));
        cr_expect(value.type == JSON_NUMBER && slice_is(value.text, numbers[i]), "%s", numbers[i]);
    }
}

Test(json, policy_nul_escape)
{
    means("\"a\\u0000b\"", "a\0b", 3);
    takes("{\"\\u0000\":1}");
}

Test(json, policy_byte_order_mark)
{
    refuses("\xef\xbb\xbf{}", "byte 0: expected a value without a byte order mark in front, found byte 0xef");
    refuses("\xef\xbb", "byte 0: expected a value, found byte 0xef");
}

Test(json, policy_duplicate_names)
{
    takes("{\"a\":1,\"a\":2}"); /* which one counts: test_json_pointer.c */
}

/* ---- json_scan --------------------------------------------------------------------------------------------- */

Test(json, scan_stops_behind_one_value_and_its_blanks)
{
    struct slice text = slice_of(" {\"a\":1} \n [2] \"x\"7");
    const size_t ends[] = {11, 15, 18, 19};
    size_t position = 0;

    for (size_t i = 0; i < 4; i++) {
        size_t end = 99;
        struct slice rest = {text.data + position, text.length - position};
        cr_assert(json_scan(rest, NULL, NULL, &end, &error) == 0, "%s", error.text);
        position += end;
        cr_expect(position == ends[i], "%zu", position);
    }
}

Test(json, an_empty_slice_may_be_null)
{
    size_t end = 99;

    cr_expect(json_scan((struct slice){NULL, 0}, NULL, NULL, &end, &error) == -1);
    cr_expect_str_eq(error.text, "byte 0: expected a value, found the end");
    cr_expect(end == 99);
}

Test(json, no_prefix_of_a_document_is_one)
{
    const char *text =
        "{\"a\":[1.5e3,\"\\u00e9\\ud83d\\ude00\xe2\x82\xac\",true,false,null,{}],\"b\":{\"c\":-0}}";

    for (size_t length = 0; length < strlen(text); length++)
        cr_expect(scan_bytes(text, length) == -1, "the first %zu bytes are taken", length);
    takes(text);
}
