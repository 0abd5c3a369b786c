/* The scanner against jansson, on generated documents and on mutations of them: both take and refuse the
 * same, and find the same values, but for the policy of decode.h. Where the two disagree the document must
 * show one of the policy's features; each feature has a predicate here that looks for it without the scanner.
 * SEED=n repeats a run, ROUNDS=n makes it longer. */
#include <criterion/criterion.h>
#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

/* jansson has enumerators of the same names. */
#define JSON_NULL SCAN_NULL
#define JSON_TRUE SCAN_TRUE
#define JSON_FALSE SCAN_FALSE
#define JSON_STRING SCAN_STRING
#define JSON_ARRAY SCAN_ARRAY
#define JSON_OBJECT SCAN_OBJECT
#include "decode/decode.h"
#undef JSON_NULL
#undef JSON_TRUE
#undef JSON_FALSE
#undef JSON_STRING
#undef JSON_ARRAY
#undef JSON_OBJECT

#define TEXT_MAX 8192

static uint64_t state;

static uint32_t below(uint32_t bound)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % bound;
}

static unsigned long from_environment(const char *name, unsigned long otherwise)
{
    const char *text = getenv(name);

    return text ? strtoul(text, NULL, 0) : otherwise;
}

/* ---- documents ---------------------------------------------------------------------------------------- */

struct text {
    char data[TEXT_MAX];
    size_t length;
};

static void put(struct text *text, const char *piece)
{
    size_t length = strlen(piece);

    if (text->length + length < TEXT_MAX) {
        memcpy(text->data + text->length, piece, length);
        text->length += length;
    }
}

#define PICK(list) (list)[below(sizeof(list) / sizeof *(list))]

static void put_blanks(struct text *text)
{
    static const char *const blanks[] = {" ", "\n", "\t", "\r\n", "  "};

    while (below(8) == 0)
        put(text, PICK(blanks));
}

static void put_string(struct text *text)
{
    static const char *const pieces[] = {"a", "Z", "0", " ", "word", "longer than eight", "/", "~", "\\\"",
        "\\\\", "\\/", "\\b", "\\f", "\\n", "\\r", "\\t", "\\u0041", "\\u00e9", "\\u20AC", "\\ud83d\\ude00",
        "\\uFFFF", "\\u0000", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xed\x9f\xbf", "\xef\xbf\xbf",
        "\xf4\x8f\xbf\xbf", "\x7f"};

    put(text, "\"");
    for (uint32_t i = below(6); i > 0; i--)
        put(text, PICK(pieces));
    put(text, "\"");
}

static void put_name(struct text *text)
{
    static const char *const names[] = {"\"a\"", "\"b\"", "\"c\"", "\"\\u0061\"", "\"0\"", "\"1\"", "\"\"",
        "\"a/b\"", "\"m~n\"", "\"\\u00e9\"", "\"\xc3\xa9\""};

    if (below(8) == 0)
        put_string(text);
    else
        put(text, PICK(names));
}

static void put_scalar(struct text *text)
{
    static const char *const scalars[] = {"null", "true", "false", "0", "-0", "1", "-1", "12.5", "0.1", "1e5",
        "1E+5", "2.5e-3", "-0.0", "9223372036854775807", "-9223372036854775808", "9223372036854775808",
        "-9223372036854775809", "99999999999999999999", "1e400", "-1e400", "1e-400", "123456789012345678",
        "1.7976931348623157e308", "1.8e308"};

    if (below(3) == 0)
        put_string(text);
    else
        put(text, PICK(scalars));
}

/* One document. The open containers are a stack of closing brackets. */
static void generate(struct text *text)
{
    char open[80];
    size_t depth = 0;
    uint32_t values = 1 + below(30);

    if (below(40) == 0) /* around the limit */
        for (size_t i = JSON_DEPTH_MAX - 6 + below(8); depth < i; depth++) {
            bool object = below(2);
            put(text, object ? "{\"a\":" : "[");
            open[depth] = object ? '}' : ']';
        }
    do {
        put_blanks(text);
        if (below(3) == 0 && depth < sizeof open) {
            bool object = below(2);
            open[depth++] = object ? '}' : ']';
            put(text, object ? "{" : "[");
            put_blanks(text);
            if (below(5) != 0) {
                if (object) {
                    put_name(text);
                    put(text, ":");
                }
                continue;
            }
        } else
            put_scalar(text);
        put_blanks(text);
        while (depth > 0 && (values < 2 || below(3) == 0 || text->data[text->length - 1] == '[' ||
                                text->data[text->length - 1] == '{')) {
            put(text, (char[]){open[--depth], '\0'});
            put_blanks(text);
        }
        if (depth == 0)
            return;
        put(text, ",");
        put_blanks(text);
        if (open[depth - 1] == '}') {
            put_name(text);
            put_blanks(text);
            put(text, ":");
        }
    } while (values-- > 0);
    put_scalar(text);
    while (depth > 0)
        put(text, (char[]){open[--depth], '\0'});
}

/* ---- mutations ---------------------------------------------------------------------------------------- */

static void insert(struct text *text, size_t at, char c)
{
    if (text->length + 1 == TEXT_MAX)
        return;
    memmove(text->data + at + 1, text->data + at, text->length - at);
    text->data[at] = c;
    text->length++;
}

static void mutate(struct text *text)
{
    static const char syntax[] =
        "{}[]:,\"\\/ \n\t0123456789.-+eEutrfn\x00\x01\x1f\x7f\x80\xbf\xc0\xc3\xe0\xed\xf0\xf4\xff";

    for (uint32_t i = 1 + below(3); i > 0 && text->length > 0; i--) {
        size_t at = below((uint32_t)text->length);
        switch (below(5)) {
        case 0:
            text->data[at] = (char)(text->data[at] ^ (1 << below(8)));
            break;
        case 1:
            memmove(text->data + at, text->data + at + 1, text->length - at - 1);
            text->length--;
            break;
        case 2:
            insert(text, at, syntax[below(sizeof syntax - 1)]);
            break;
        case 3:
            text->data[at] = syntax[below(sizeof syntax - 1)];
            break;
        default:
            text->length = at;
        }
    }
}

/* ---- policy ------------------------------------------------------------------------------------------- */

struct features {
    size_t deepest;
    bool nul_in_name;
    bool number_out_of_range;
};

static bool out_of_range(const char *from, const char *to)
{
    char number[TEXT_MAX];
    size_t length = (size_t)(to - from);

    memcpy(number, from, length);
    number[length] = '\0';
    errno = 0;
    if (strpbrk(number, ".eE")) {
        double value = strtod(number, NULL);
        return value > 1.7976931348623157e308 || value < -1.7976931348623157e308;
    }
    (void)strtoll(number, NULL, 10);
    return errno == ERANGE;
}

static struct features look(const struct text *text)
{
    struct features features = {0};
    const char *end = text->data + text->length;
    size_t depth = 0;

    for (const char *p = text->data; p < end; p++) {
        if (*p == '"') {
            const char *from = p++;
            while (p < end && *p != '"')
                p += *p == '\\' ? 2 : 1;
            const char *behind = p + 1;
            while (behind < end && strchr(" \t\r\n", *behind))
                behind++;
            bool name = behind < end && *behind == ':';
            features.nul_in_name |= name && memmem(from, (size_t)(p - from), "\\u0000", 6);
        } else if (*p == '-' || (*p >= '0' && *p <= '9')) {
            const char *from = p;
            while (p < end && strchr("0123456789+-.eE", *p) && *p)
                p++;
            features.number_out_of_range |= out_of_range(from, p);
            p--;
        } else if (*p == '{' || *p == '[') {
            depth++;
            features.deepest = depth > features.deepest ? depth : features.deepest;
        } else if (*p == '}' || *p == ']')
            depth--;
    }
    return features;
}

/* ---- values ------------------------------------------------------------------------------------------- */

struct wanted {
    const char *pointer;
    const char *const *path; /* the same, ready for jansson */
};

static const struct wanted wanted[] = {
    {"", (const char *const[]){NULL}},
    {"/a", (const char *const[]){"a", NULL}},
    {"/b", (const char *const[]){"b", NULL}},
    {"/a/a", (const char *const[]){"a", "a", NULL}},
    {"/a/b/c", (const char *const[]){"a", "b", "c", NULL}},
    {"/0", (const char *const[]){"0", NULL}},
    {"/1", (const char *const[]){"1", NULL}},
    {"/a/0", (const char *const[]){"a", "0", NULL}},
    {"/0/1", (const char *const[]){"0", "1", NULL}},
    {"/1/a/0", (const char *const[]){"1", "a", "0", NULL}},
    {"/", (const char *const[]){"", NULL}},
    {"/a~1b", (const char *const[]){"a/b", NULL}},
    {"/b/m~0n", (const char *const[]){"b", "m~n", NULL}},
    {"/\xc3\xa9", (const char *const[]){"\xc3\xa9", NULL}},
};
#define WANTED_COUNT (sizeof wanted / sizeof *wanted)

static const json_t *jansson_find(const json_t *value, const char *const *path)
{
    for (; *path && value; path++)
        if (json_is_array(value))
            value =
                strlen(*path) == 1 && **path >= '0' ? json_array_get(value, (size_t)(**path - '0')) : NULL;
        else
            value = json_object_get(value, *path);
    return value;
}

static bool same_text(const struct json_value *value, const json_t *expected)
{
    char out[TEXT_MAX];
    size_t length = json_unescape(value, out);

    return length == json_string_length(expected) && memcmp(out, json_string_value(expected), length) == 0;
}

static bool same(const struct json_value *value, const json_t *expected)
{
    if (!expected)
        return value->type == JSON_ABSENT;
    if (value->type == SCAN_STRING)
        return json_is_string(expected) && same_text(value, expected);
    if (value->type == JSON_ABSENT)
        return false;
    json_t *parsed = json_loadb(value->text.data, value->text.length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    bool equal = parsed && json_equal(parsed, expected) && value->text.length > 0 &&
                 value->text.data[0] != ' ' && value->text.data[value->text.length - 1] != ' ';
    json_decref(parsed);
    return equal;
}

/* ---- the comparison ----------------------------------------------------------------------------------- */

/* Not policy, but a fault of jansson 2.14: a NUL byte that ends a number or a word is put back into its
 * buffer, taken there for the buffer's end, and lost. */
static bool nul_behind_token(const struct text *text)
{
    for (size_t i = 1; i < text->length; i++)
        if (text->data[i] == '\0' && isalnum((unsigned char)text->data[i - 1]))
            return true;
    return false;
}

struct tally {
    unsigned taken, refused, by_depth, by_number, by_name, by_lost_nul;
};

static void check_policy(const struct text *text, bool taken, struct tally *tally)
{
    struct features features = look(text);

    if (!taken) {
        bool deep = features.deepest > JSON_DEPTH_MAX;
        tally->by_depth += deep;
        tally->by_lost_nul += !deep;
        cr_assert(deep || nul_behind_token(text), "only jansson takes: %.*s", (int)text->length, text->data);
        return;
    }
    tally->by_number += features.number_out_of_range;
    tally->by_name += features.nul_in_name;
    cr_assert(features.number_out_of_range || features.nul_in_name, "only the scanner takes: %.*s",
        (int)text->length, text->data);
}

static void compare(const struct text *text, const struct json_pointers *pointers, struct tally *tally)
{
    struct json_value values[WANTED_COUNT];
    struct error error;
    char *copy = malloc(text->length + 1); /* from malloc, so that the sanitizers watch its ends */
    struct slice slice = {memcpy(copy + 1, text->data, text->length), text->length};
    bool taken = json_scan_document(slice, pointers, values, &error) == 0;
    json_t *parsed = json_loadb(text->data, text->length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

    tally->taken += taken;
    tally->refused += !taken;
    if (taken != (parsed != NULL))
        check_policy(text, taken, tally);
    else if (taken) {
        struct features features = look(text);
        cr_assert(
            features.deepest <= JSON_DEPTH_MAX && !features.number_out_of_range && !features.nul_in_name,
            "against the policy: %.*s", (int)text->length, text->data);
        for (size_t i = 0; i < WANTED_COUNT; i++)
            cr_assert(same(&values[i], jansson_find(parsed, wanted[i].path)), "%s in %.*s", wanted[i].pointer,
                (int)text->length, text->data);
    }
    json_decref(parsed);
    free(copy);
}

Test(json_oracle, agrees_with_jansson)
{
    unsigned long seed = from_environment("SEED", 20240229);
    unsigned long rounds = from_environment("ROUNDS", 20000);
    struct json_pointers *pointers = NULL;
    const char *texts[WANTED_COUNT];
    struct tally tally = {0};
    struct error error;

    for (size_t i = 0; i < WANTED_COUNT; i++)
        texts[i] = wanted[i].pointer;
    cr_assert(json_pointers_compile(&pointers, texts, WANTED_COUNT, &error) == 0);
    state = seed * 2 + 1;
    printf("json_oracle: SEED=%lu ROUNDS=%lu\n", seed, rounds);
    fflush(stdout);
    for (unsigned long round = 0; round < rounds; round++) {
        struct text text = {.length = 0};
        generate(&text);
        compare(&text, pointers, &tally);
        for (int i = 0; i < 4; i++) {
            struct text mutant = text;
            mutate(&mutant);
            compare(&mutant, pointers, &tally);
        }
    }
    json_pointers_free(&pointers);
    printf("json_oracle: %u taken, %u refused; by policy: %u depth, %u numbers, %u names with NUL\n"
           "json_oracle: %u documents with a NUL that jansson loses\n",
        tally.taken, tally.refused, tally.by_depth, tally.by_number, tally.by_name, tally.by_lost_nul);
    /* The generator reaches what it is there for. */
    cr_expect(tally.taken > rounds && tally.refused > rounds);
    cr_expect(tally.by_depth && tally.by_number && tally.by_name);
}
