/* Patterns of schemas mean what ECMA-262 says (22.2, with the flag u), not what PCRE2 would say of the same text; what it does not know is refused. */
#include <criterion/criterion.h>

#include <stdio.h>

#include "decode/decode.h"
#include "decode/schema_internal.h"

#define COUNT(array) (sizeof array / sizeof *array)
#define FACE "\xf0\x9f\x98\x80" /* U+1F600 */
#define NBSP "\xc2\xa0"
#define NEL "\xc2\x85"

static struct error error;

static void add_quoted(struct bytes *out, struct slice text)
{
    cr_assert_eq(bytes_add_text(out, "\"", &error), 0);
    for (size_t i = 0; i < text.length; i++) {
        const unsigned char c = (unsigned char)text.data[i];
        if (c < ' ' || c == '"' || c == '\\')
            cr_assert_eq(bytes_print(out, &error, "\\u%04x", c), 0);
        else
            cr_assert_eq(bytes_add(out, text.data + i, 1, &error), 0);
    }
    cr_assert_eq(bytes_add_text(out, "\"", &error), 0);
}

/* NULL: `error` says why. */
static struct schema *compiled(struct slice pattern)
{
    struct bytes cleanup_bytes text;
    struct schema *schema = NULL;

    bytes_init(&text, 8 << 20);
    cr_assert_eq(bytes_add_text(&text, "{\"pattern\":", &error), 0);
    add_quoted(&text, pattern);
    cr_assert_eq(bytes_add_text(&text, "}", &error), 0);
    return schema_compile(&schema, bytes_slice(&text), &error) ? NULL : schema;
}

static bool takes(const struct schema *schema, struct schema_scratch *scratch, struct slice text)
{
    struct bytes cleanup_bytes document;

    bytes_init(&document, 1 << 20);
    add_quoted(&document, text);
    schema_scratch_renew(scratch, SCHEMA_STEPS_BODY);
    return schema_check(schema, scratch, bytes_slice(&document), &error) == 0;
}

#define TEXT(literal) ((struct slice){literal, sizeof literal - 1})

static const struct {
    const char *pattern;
    struct slice text;
    bool found;
} cases[] = {
    {"^.$", TEXT("\n"), false},
    {"^.$", TEXT("\r"), false},
    {"^.$", TEXT("\xe2\x80\xa8"), false},
    {"^.$", TEXT(NEL), true},
    {"^.$", TEXT(FACE), true},
    {"a$", TEXT("a\n"), false},
    {"^a", TEXT("\na"), false},
    {"^\\s$", TEXT(NBSP), true},
    {"^\\s$", TEXT("\xef\xbb\xbf"), true},
    {"^\\s$", TEXT(NEL), false},
    {"^[\\s]$", TEXT("\xe3\x80\x80"), true},
    {"^\\S$", TEXT("\xe3\x80\x80"), false},
    {"^[\\Sx]$", TEXT(NBSP), false},
    {"^[\\S]$", TEXT(NEL), true},
    {"^[^\\s]$", TEXT(NBSP), false},
    {"^\\d$", TEXT("\xd9\xa3"), false},
    {"^\\D$", TEXT("\xd9\xa3"), true},
    {"^[\\w]$", TEXT("\xc3\xa9"), false},
    {"^\\W$", TEXT("\xc3\xa9"), true},
    {"a\\b\xc3\xa9", TEXT("a\xc3\xa9"), true},
    {"a\\B\xc3\xa9", TEXT("a\xc3\xa9"), false},
    {"^\\f\\n\\r\\t\\v$", TEXT("\f\n\r\t\v"), true},
    {"^\\v$", TEXT("\n"), false},
    {"^[\\v]$", TEXT("\r"), false},
    {"^[\\b]$", TEXT("\b"), true},
    {"^\\0$", TEXT("\0"), true},
    {"^\\cj\\cJ$", TEXT("\n\n"), true},
    {"^\\x41\\u0042\\u{43}\\u{00000044}$", TEXT("ABCD"), true},
    {"^\\xe9\\u00E9$", TEXT("\xc3\xa9\xc3\xa9"), true},
    {"^\\u{1f600}$", TEXT(FACE), true},
    {"^\\ud83d\\uDE00$", TEXT(FACE), true},
    {"^[\\ud83d\\ude00x]$", TEXT(FACE), true},
    {"^" FACE "{2}$", TEXT(FACE FACE), true},
    {"^[\xc3\xa0-\xc3\xaf]$", TEXT("\xc3\xa9"), true},
    {"[]", TEXT("]"), false},
    {"^[^]$", TEXT("\n"), true},
    {"^[]*?b$", TEXT("b"), true},
    {"^[[]$", TEXT("["), true},
    {"^[\\]]$", TEXT("]"), true},
    {"^[a^]$", TEXT("^"), true},
    {"^[-a]$", TEXT("-"), true},
    {"^[a-]$", TEXT("-"), true},
    {"^[a\\-z]$", TEXT("k"), false},
    {"^[\\d-]$", TEXT("-"), true},
    {"^[+--]$", TEXT(","), true},
    {"^[\\x41-\\u{43}]$", TEXT("B"), true},
    {"^}{$", TEXT("}{"), true},
    {"^[[.]$", TEXT("."), true},
    {"^[[=<>]$", TEXT("["), true},
    {"^[[:]$", TEXT(":"), true},
    {"^[\\w[.:-]+$", TEXT("a[.:-"), true},
    {"^[[:\\]a]$", TEXT("]"), true},
    {"^a{1$", TEXT("a{1"), true},
    {"^a{1,x}$", TEXT("a{1,x}"), true},
    {"^a{2}b{2,}c{1,2}$", TEXT("aabbbc"), true},
    {"^a+?b*?c??d{1,2}?$", TEXT("aabbcdd"), true},
    {"^a #b$", TEXT("a #b"), true},
    {"^\\/\\-\\_\\\xc3\xa9\\.$", TEXT("/-_\xc3\xa9."), true},
    {"^(?<year>[0-9]{4})-(?<a\xc3\xa9$_1>x)$", TEXT("2026-x"), true},
    {"^(?:a|b)(c|)$", TEXT("b"), true},
    {"^(?=ab)a", TEXT("ab"), true},
    {"(?=a)b?a", TEXT("a"), true},
    {"^(?!ab)a", TEXT("ab"), false},
    {"(?<=a)b", TEXT("ab"), true},
    {"(?<!a)b", TEXT("ab"), false},
    {"^\\p{Lu}\\P{Lu}$", TEXT("\xc3\x89\xc3\xa9"), true},
    {"^[\\p{L}\\P{Any}\\d]+$", TEXT("1\xc3\xa9"), true},
    {"^\\p{Letter}\\P{Uppercase_Letter}[\\p{punct}]$", TEXT("\xc3\x89\xc3\xa9."), true},
    {"^\\p{LC}\\P{Cased_Letter}$",
        TEXT("\xc3\xa9"
             "1"),
        true},
    {"^\\p{Script=Greek}\\p{sc=Greek}\\p{scx=Greek}\\p{Script_Extensions=Greek}$",
        TEXT("\xce\xb1\xce\xb1\xce\xb1\xce\xb1"), true},
    {"", TEXT("anything"), true},
};

Test(schema_ecma, means_what_it_means_there)
{
    struct schema_scratch *scratch = NULL;

    cr_assert_eq(schema_scratch_new(&scratch, &error), 0);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct schema *schema = compiled(slice_of(cases[i].pattern));
        cr_assert(schema, "%s: %s", cases[i].pattern, error.text);
        cr_expect_eq(takes(schema, scratch, cases[i].text), cases[i].found, "%s (%zu)", cases[i].pattern, i);
        schema_free(&schema);
    }
    schema_scratch_free(&scratch);
}

/* 12.2 WhiteSpace, 12.3 LineTerminator; White_Space of Unicode 15 that is Zs. */
static bool is_space(uint32_t c)
{
    return (c >= 9 && c <= 13) || c == 0x20 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
           c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000 || c == 0xfeff;
}

static bool is_line_end(uint32_t c)
{
    return c == '\n' || c == '\r' || c == 0x2028 || c == 0x2029;
}

static bool is_word(uint32_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= 'a' && c <= 'z');
}

static size_t encode(uint32_t c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    const size_t length = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char first[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = length; i-- > 1; c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(first[length] | c);
    return length;
}

/* By the matcher itself: a million texts of one character. */
Test(schema_ecma, sets_hold_the_characters_that_they_hold_there)
{
    static const char *const patterns[] = {"^\\s$", "^\\S$", "^[\\s]$", "^[\\S]$", "^.$", "^\\w$", "^\\W$"};
    struct schema *schemas[COUNT(patterns)];
    struct schema_matcher *matcher = NULL;
    char text[4];

    cr_assert_eq(schema_matcher_new(&matcher, &error), 0);
    for (size_t i = 0; i < COUNT(patterns); i++)
        cr_assert((schemas[i] = compiled(slice_of(patterns[i]))), "%s", error.text);
    for (uint32_t c = 0; c <= 0x10ffff; c++) {
        if (c >> 11 == 0xd800 >> 11)
            continue;
        const struct slice one = {text, encode(c, text)};
        const bool expected[] = {
            is_space(c), !is_space(c), is_space(c), !is_space(c), !is_line_end(c), is_word(c), !is_word(c)};
        for (size_t i = 0; i < COUNT(patterns); i++)
            cr_assert_eq(schema_pattern_match(schemas[i]->root->pattern, matcher, one),
                expected[i] ? SCHEMA_MATCH : SCHEMA_NO_MATCH, "%s: U+%04X", patterns[i], c);
    }
    for (size_t i = 0; i < COUNT(patterns); i++)
        schema_free(&schemas[i]);
    schema_matcher_free(&matcher);
}

#define REPEATED "it is repeated already; there are no possessive quantifiers"
#define NOTHING "nothing stands before it that could be repeated"
#define CONSUMES "what consumes nothing is not repeated"
#define GROUP "behind (? stands :, =, !, <=, <! or <NAME>"
#define UNICODE "\\u is no character; write it as \\u00e9 or \\u{1f600}"
#define HEX "\\x wants two hexadecimal digits; for other characters write \\u00e9 or \\u{1f600}"
#define PROPERTY \
    "of properties there are the general categories, as \\p{L} and \\p{Uppercase_Letter}, and \\p{Script=Greek}"
#define BRACKET "a closing bracket that closes nothing; write \\], and for any other character [^\\]]"
#define RANGE "a range goes from a character to a character; write \\- for a hyphen"

static const struct {
    const char *pattern, *why;
} wrong[] = {
    {"ab\\x{e9}", "byte 2: " HEX},
    {"\\xq", "byte 0: " HEX},
    {"\\xe", "byte 0: " HEX},
    {"\\u12", "byte 0: " UNICODE},
    {"\\u{}", "byte 0: " UNICODE},
    {"\\u{12", "byte 0: " UNICODE},
    {"\\u{110000}", "byte 0: " UNICODE},
    {"a\\ud83d", "byte 1: " UNICODE},
    {"\\ud83d\\u0041", "byte 0: " UNICODE},
    {"\\ude00", "byte 0: " UNICODE},
    {"\\A", "byte 0: \\A has no meaning there; write ^"},
    {"a\\Z", "byte 1: \\Z has no meaning there; write $"},
    {"a\\z", "byte 1: \\z has no meaning there; write $"},
    {"\\h", "byte 0: \\h has no meaning there; write [ \\t]"},
    {"\\R", "byte 0: \\R has no meaning there; write (?:\\r\\n|\\n|\\r)"},
    {"\\a", "byte 0: \\a has no meaning there; write \\u0007"},
    {"\\e", "byte 0: \\e has no meaning there; write \\u001b"},
    {"\\Qa\\E", "byte 0: \\Q has no meaning there"},
    {"\\G", "byte 0: \\G has no meaning there"},
    {"\\K", "byte 0: \\K has no meaning there"},
    {"\\N", "byte 0: \\N has no meaning there"},
    {"\\X", "byte 0: \\X has no meaning there"},
    {"\\C", "byte 0: \\C has no meaning there"},
    {"\\o{7}", "byte 0: \\o has no meaning there"},
    {"\\g1", "byte 0: \\g has no meaning there"},
    {"\\c1", "byte 0: \\c has no meaning there"},
    {"\\01", "byte 0: \\0 has no meaning there"},
    {"[\\B]", "byte 1: \\B has no meaning there"},
    {"(a)\\1", "byte 3: back references (\\1) are not known here"},
    {"(?<a>a)\\k<a>", "byte 7: back references (\\k) are not known here"},
    {"\\", "byte 0: a backslash stands before nothing"},
    {"\\p", "byte 0: " PROPERTY},
    {"\\pL", "byte 0: " PROPERTY},
    {"\\p{}", "byte 0: " PROPERTY},
    {"\\p{l}", "byte 0: " PROPERTY},
    {"\\p{L&}", "byte 0: " PROPERTY},
    {"\\p{Lu", "byte 0: " PROPERTY},
    {"\\p{Xan}", "byte 0: " PROPERTY},
    {"\\p{Greek}", "byte 0: " PROPERTY},
    {"\\P{^Lu}", "byte 0: " PROPERTY},
    {"[\\p{letter}]", "byte 1: " PROPERTY},
    {"\\p{Letters}", "byte 0: " PROPERTY},
    {"\\p{L }", "byte 0: " PROPERTY},
    {"\\p{Script=}", "byte 0: " PROPERTY},
    {"a++", "byte 2: " REPEATED},
    {"a?+", "byte 2: " REPEATED},
    {"a{2}+", "byte 4: " REPEATED},
    {"a**", "byte 2: " REPEATED},
    {"+a", "byte 0: " NOTHING},
    {"(|*a)", "byte 2: " NOTHING},
    {"(*ACCEPT)", "byte 1: " NOTHING},
    {"{2}", "byte 0: " NOTHING},
    {"^*", "byte 1: " CONSUMES},
    {"\\b+", "byte 2: " CONSUMES},
    {"(?=a)?", "byte 5: " CONSUMES},
    {"a{,5}", "byte 1: no number stands before the comma; write {0,5}"},
    {"(?>a)", "byte 0: " GROUP},
    {"a(?i)b", "byte 1: " GROUP},
    {"(?i:a)", "byte 0: " GROUP},
    {"(?#x)", "byte 0: " GROUP},
    {"(?R)", "byte 0: " GROUP},
    {"(?1)", "byte 0: " GROUP},
    {"(?&a)", "byte 0: " GROUP},
    {"(?P<a>b)", "byte 0: " GROUP},
    {"(?'a'b)", "byte 0: " GROUP},
    {"(?|a)", "byte 0: " GROUP},
    {"(?(?=a)b)", "byte 0: " GROUP},
    {"(?C)", "byte 0: " GROUP},
    {"(?<>a)", "byte 0: " GROUP},
    {"(?<1>a)", "byte 0: " GROUP},
    {"(?<a", "byte 0: " GROUP},
    {"[[:alpha:]]",
        "byte 1: [: is no bracket and what follows it; write the characters, as in [A-Za-z], or \\["},
    {"[a[.b.]]",
        "byte 2: [. is no bracket and what follows it; write the characters, as in [A-Za-z], or \\["},
    {"[[=a=]]", "byte 1: [= is no bracket and what follows it; write the characters, as in [A-Za-z], or \\["},
    {"[[:", "byte 0: a class that has no end"},
    {"^[^]]+$", "byte 4: " BRACKET},
    {"[]a]", "byte 3: " BRACKET},
    {"a]", "byte 1: " BRACKET},
    {"a[b", "byte 1: a class that has no end"},
    {"[", "byte 0: a class that has no end"},
    {"[a-", "byte 0: a class that has no end"},
    {"[z-a]", "byte 1: a range that ends before it begins"},
    {"[\\d-z]", "byte 1: " RANGE},
    {"[a-\\d]", "byte 1: " RANGE},
    {"[\\A-z]", "byte 1: \\A has no meaning there; write ^"},
    {"[a-\\A]", "byte 3: \\A has no meaning there; write ^"},
    {"a(b", "byte 1: a group that has no end"},
    {"a)", "byte 1: a closing parenthesis without an opening one"},
};

Test(schema_ecma, what_it_does_not_know_is_refused)
{
    char expected[400];

    for (size_t i = 0; i < COUNT(wrong); i++) {
        cr_assert_null(compiled(slice_of(wrong[i].pattern)), "%s", wrong[i].pattern);
        snprintf(expected, sizeof expected, "/pattern: no pattern of ECMA-262: %s", wrong[i].why);
        cr_expect_str_eq(error.text, expected);
    }
}

/* As \u0000 of JSON. */
Test(schema_ecma, a_zero_byte_is_a_character)
{
    struct schema_scratch *scratch = NULL;
    struct schema *schema = compiled(TEXT("^[\0-\0]$"));

    cr_assert(schema, "%s", error.text);
    cr_assert_eq(schema_scratch_new(&scratch, &error), 0);
    cr_expect(takes(schema, scratch, TEXT("\0")));
    cr_expect_not(takes(schema, scratch, TEXT("-")));
    cr_assert_null(compiled(TEXT("[!-\0]")));
    cr_assert_str_eq(
        error.text, "/pattern: no pattern of ECMA-262: byte 1: a range that ends before it begins");
    schema_scratch_free(&scratch);
    schema_free(&schema);
}

Test(schema_ecma, what_pcre2_does_not_take_is_refused)
{
    static const char *const patterns[] = {"(?<=a+)b", "a{3,2}", "a{70000}", "\\p{sc=Nobody}"};

    for (size_t i = 0; i < COUNT(patterns); i++) {
        cr_assert_null(compiled(slice_of(patterns[i])), "%s", patterns[i]);
        cr_expect_eq(
            strncmp(error.text, "/pattern: a pattern that PCRE2 does not take: ", 46), 0, "%s", error.text);
    }
}

static char *repeated(const char *part, size_t times)
{
    char *text = calloc(times, strlen(part) + 1);

    for (size_t i = 0; i < times; i++)
        memcpy(text + i * strlen(part), part, strlen(part));
    return text;
}

Test(schema_ecma, large_ones_are_refused)
{
    char *groups = repeated("(", 201), *dots = repeated(".", 400000);

    cr_assert_null(compiled(slice_of(groups)));
    cr_assert_str_eq(
        error.text, "/pattern: no pattern of ECMA-262: byte 200: more than 200 groups within each other");
    cr_assert_null(compiled(slice_of(dots)));
    cr_assert_str_eq(error.text, "/pattern: a pattern that is too long");
    free(groups);
    free(dots);
}
