/* schema_ecma: a pattern of ECMA-262 in the words of PCRE2; see schema_internal.h
 *
 * JSON Schema's patterns are those of ECMA-262 with the flag u (Core 6.4; ECMA-262, 22.2.1). PCRE2 reads the same text as one of Perl's: much of it means
 * something else there, and what ECMA-262 does not know at all has a meaning, too. So every item is read here by the one grammar and written so
 * that it means the same by the other; what has no counterpart is refused. As browsers do without the flag, a backslash before what is neither letter nor digit is allowed,
 * and braces that begin or end nothing stand for themselves. Back references are refused, because groups within repeated ones forget what they
 * found in ECMA-262 alone. Groups then need no numbers and no names.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "decode/schema_internal.h"

#define ECMA_DEPTH_MAX 200 /* PCRE2 takes 250 */
#define ECMA_OUT_MAX ((size_t)8 << 20)

enum ecma_last { ECMA_NOTHING, ECMA_ATOM, ECMA_ASSERTION, ECMA_REPEATED };

struct ecma {
    struct schema_compiler *compiler;
    const char *begin, *p, *end;
    struct bytes out;
    struct error ignored; /* of `out`, looked at once */
    bool failed; /* it has overflowed */
    enum ecma_last last;
    size_t depth;
    struct {
        bool assertion;
        const char *begin;
    } groups[ECMA_DEPTH_MAX];
};

/* at: where in the pattern. Returns -1. */
__attribute__((format(printf, 3, 4))) static int ecma_wrong(
    struct ecma *e, const char *at, const char *format, ...)
{
    char text[ERROR_TEXT_SIZE];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return schema_wrong(e->compiler, "no pattern of ECMA-262: byte %zu: %s", (size_t)(at - e->begin), text);
}

static void ecma_put(struct ecma *e, const char *text)
{
    e->failed |= bytes_add_text(&e->out, text, &e->ignored) != 0;
}

static void ecma_put_char(struct ecma *e, uint32_t code)
{
    e->failed |= bytes_print(&e->out, &e->ignored, "\\x{%x}", code) != 0;
}

static char ecma_peek(const struct ecma *e, size_t ahead)
{
    return (size_t)(e->end - e->p) > ahead ? e->p[ahead] : '\0';
}

static bool ecma_skip(struct ecma *e, const char *text)
{
    const size_t length = strlen(text);

    if ((size_t)(e->end - e->p) < length || memcmp(e->p, text, length) != 0)
        return false;
    e->p += length;
    return true;
}

static bool ecma_is_letter(char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool ecma_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* ---- characters ----------------------------------------------------------------------------------------------- */

/* The pattern is valid UTF-8. */
static uint32_t ecma_literal(struct ecma *e)
{
    const unsigned char first = (unsigned char)*e->p++;
    uint32_t code = first < 0x80   ? first
                    : first < 0xe0 ? first & 0x1f
                    : first < 0xf0 ? first & 0x0f
                                   : first & 7;

    while (e->p < e->end && ((unsigned char)*e->p & 0xc0) == 0x80)
        code = code << 6 | ((unsigned char)*e->p++ & 0x3f);
    return code;
}

/* So many digits, or as many as there are (0). False: there are not, or it is too much. */
static bool ecma_hex(struct ecma *e, size_t digits, uint32_t *ret_code)
{
    static const char known[] = "0123456789abcdef";
    uint32_t code = 0;
    size_t count = 0;

    for (; e->p < e->end && (digits == 0 || count < digits); count++) {
        const char *digit = memchr(known, *e->p >= 'A' ? *e->p | 0x20 : *e->p, sizeof known - 1);
        if (!digit)
            break;
        code = code << 4 | (uint32_t)(digit - known);
        if (code > 0x10ffff)
            return false;
        e->p++;
    }
    *ret_code = code;
    return digits ? count == digits : count > 0;
}

/* Behind \u: HHHH, two of them for a pair of surrogates, or {H...}. */
static int ecma_unicode(struct ecma *e, uint32_t *ret_code)
{
    const char *const at = e->p - 2;
    uint32_t code, low;
    bool good;

    if (ecma_skip(e, "{"))
        good = ecma_hex(e, 0, &code) && ecma_skip(e, "}");
    else
        good = ecma_hex(e, 4, &code);
    if (good && code >> 10 == 0xd800 >> 10 && ecma_skip(e, "\\u") && ecma_hex(e, 4, &low) &&
        low >> 10 == 0xdc00 >> 10)
        code = 0x10000 + ((code & 0x3ff) << 10 | (low & 0x3ff));
    if (!good || code >> 11 == 0xd800 >> 11)
        return ecma_wrong(e, at, "\\u is no character; write it as \\u00e9 or \\u{1f600}");
    *ret_code = code;
    return 0;
}

static const char *ecma_hint(char letter)
{
    static const struct {
        char letter;
        const char *text;
    } hints[] = {{'A', "; write ^"}, {'Z', "; write $"}, {'z', "; write $"}, {'h', "; write [ \\t]"},
        {'R', "; write (?:\\r\\n|\\n|\\r)"}, {'a', "; write \\u0007"}, {'e', "; write \\u001b"}};

    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++)
        if (hints[i].letter == letter)
            return hints[i].text;
    return "";
}

static int ecma_unknown(struct ecma *e, const char *at)
{
    const char c = e->p[-1];

    if (c == 'k' || (c >= '1' && c <= '9'))
        return ecma_wrong(e, at, "back references (\\%c) are not known here", c);
    return ecma_wrong(e, at, "\\%c has no meaning there%s", c, ecma_hint(c));
}

/* Behind a backslash: one character. */
static int ecma_escaped(struct ecma *e, uint32_t *ret_code)
{
    static const char letters[] = "fnrtv", codes[] = "\f\n\r\t\v";
    const char *const at = e->p - 1, *known;
    const char c = ecma_peek(e, 0);

    if (e->p == e->end)
        return ecma_wrong(e, at, "a backslash stands before nothing");
    if (!ecma_is_letter(c) && !ecma_is_digit(c)) {
        *ret_code = ecma_literal(e);
        return 0;
    }
    e->p++;
    if ((known = memchr(letters, c, sizeof letters - 1)))
        *ret_code = (uint32_t)codes[known - letters];
    else if (c == '0' && !ecma_is_digit(ecma_peek(e, 0)))
        *ret_code = 0;
    else if (c == 'c' && ecma_is_letter(ecma_peek(e, 0)))
        *ret_code = (uint32_t)*e->p++ & 0x1f;
    else if (c == 'u')
        return ecma_unicode(e, ret_code);
    else if (c != 'x')
        return ecma_unknown(e, at);
    else if (!ecma_hex(e, 2, ret_code))
        return ecma_wrong(
            e, at, "\\x wants two hexadecimal digits; for other characters write \\u00e9 or \\u{1f600}");
    return 0;
}

/* ---- sets of characters ----------------------------------------------------------------------------------------- */

/* White space and ends of lines (12.2, 12.3), and all others. */
#define ECMA_SPACE "\\x{9}-\\x{d}\\p{Zs}\\x{2028}\\x{2029}\\x{feff}"
#define ECMA_NO_SPACE                                                                                   \
    "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}" \
    "\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{fefe}\\x{ff00}-\\x{10ffff}"
#define ECMA_ALL "\\x{0}-\\x{10ffff}"
#define ECMA_DOT "[^\\x{a}\\x{d}\\x{2028}\\x{2029}]"

/* Behind \p and \P. */
static int ecma_property(struct ecma *e)
{
    const char *const at = e->p - 2;
    struct slice name = {e->p + 1, 0};

    if (ecma_skip(e, "{")) {
        while (ecma_is_letter(ecma_peek(e, 0)) || ecma_peek(e, 0) == '_' || ecma_peek(e, 0) == '=')
            e->p++;
        name.length = (size_t)(e->p - name.data);
    }
    if (!schema_property(name, &name) || !ecma_skip(e, "}"))
        return ecma_wrong(e, at,
            "of properties there are the general categories, as \\p{L} and \\p{Uppercase_Letter}, and \\p{Script=Greek}");
    e->failed |= bytes_print(&e->out, &e->ignored, "%.3s%.*s}", at, (int)name.length, name.data) != 0;
    return 0;
}

/* A backslash, and a letter that stands for a set of characters: 1, and it is written. 0: none does. */
static int ecma_set(struct ecma *e, bool in_class)
{
    const char letter = ecma_peek(e, 1);
    char plain[3] = {'\\', letter};

    if (ecma_peek(e, 0) != '\\' || letter == '\0' || !strchr("dDwWsSpP", letter))
        return 0;
    e->p += 2;
    if ((letter | 0x20) == 'p')
        return ecma_property(e) ? -1 : 1;
    if ((letter | 0x20) != 's')
        ecma_put(e, plain);
    else if (in_class)
        ecma_put(e, letter == 's' ? ECMA_SPACE : ECMA_NO_SPACE);
    else
        ecma_put(e, letter == 's' ? "[" ECMA_SPACE "]" : "[^" ECMA_SPACE "]");
    return 1;
}

/* [:alpha:] and the like, which has a meaning elsewhere. */
static bool ecma_is_named_class(const struct ecma *e)
{
    const char kind = ecma_peek(e, 1), *const end = memchr(e->p, ']', (size_t)(e->end - e->p));

    return *e->p == '[' && (kind == ':' || kind == '.' || kind == '=') && end && end > e->p + 2 &&
           end[-1] == kind;
}

/* One character of a class. */
static int ecma_class_char(struct ecma *e, uint32_t *ret_code)
{
    if (ecma_skip(e, "\\b")) {
        *ret_code = '\b';
        return 0;
    }
    if (ecma_skip(e, "\\"))
        return ecma_escaped(e, ret_code);
    if (ecma_is_named_class(e))
        return ecma_wrong(e, e->p,
            "[%c is no bracket and what follows it; write the characters, as in [A-Za-z], or \\[",
            ecma_peek(e, 1));
    *ret_code = ecma_literal(e);
    return 0;
}

/* A hyphen that begins a range, or would. */
static bool ecma_is_range(const struct ecma *e)
{
    return e->end - e->p > 1 && e->p[0] == '-' && e->p[1] != ']';
}

static int ecma_class_item(struct ecma *e)
{
    const char *const at = e->p;
    uint32_t first, last;
    const int set = ecma_set(e, true);

    if (set < 0 || (!set && ecma_class_char(e, &first)))
        return -1;
    if (!set)
        ecma_put_char(e, first);
    if (!ecma_is_range(e))
        return 0;
    e->p++;
    if (set || (ecma_peek(e, 0) == '\\' && ecma_peek(e, 1) && strchr("dDwWsSpP", ecma_peek(e, 1))))
        return ecma_wrong(e, at, "a range goes from a character to a character; write \\- for a hyphen");
    if (ecma_class_char(e, &last))
        return -1;
    if (last < first)
        return ecma_wrong(e, at, "a range that ends before it begins");
    ecma_put(e, "-");
    ecma_put_char(e, last);
    return 0;
}

static int ecma_class(struct ecma *e)
{
    const char *const at = e->p++;
    const bool negated = ecma_skip(e, "^");

    if (ecma_peek(e, 0) == ']') /* PCRE2 would not repeat an empty one */
        ecma_put(e, negated ? "[" ECMA_ALL : "[^" ECMA_ALL);
    else
        ecma_put(e, negated ? "[^" : "[");
    while (e->p < e->end && *e->p != ']')
        if (ecma_class_item(e))
            return -1;
    if (!ecma_skip(e, "]"))
        return ecma_wrong(e, at, "a class that has no end");
    ecma_put(e, "]");
    e->last = ECMA_ATOM;
    return 0;
}

/* ---- groups ------------------------------------------------------------------------------------------------------- */

/* Behind (?<: a name and >. */
static bool ecma_skip_name(struct ecma *e)
{
    const char *const name = e->p;

    while (ecma_is_letter(ecma_peek(e, 0)) || ecma_peek(e, 0) == '_' || ecma_peek(e, 0) == '$' ||
           (unsigned char)ecma_peek(e, 0) >= 0x80 || (e->p > name && ecma_is_digit(ecma_peek(e, 0))))
        e->p++;
    return e->p > name && ecma_skip(e, ">");
}

static int ecma_open(struct ecma *e)
{
    static const char *const assertions[] = {"(?=", "(?!", "(?<=", "(?<!"};
    const char *const at = e->p;
    const char *written = "(?:";

    if (e->depth == ECMA_DEPTH_MAX)
        return ecma_wrong(e, at, "more than %d groups within each other", ECMA_DEPTH_MAX);
    e->groups[e->depth].assertion = false;
    for (size_t i = 0; i < sizeof assertions / sizeof *assertions && e->p == at; i++) {
        if (ecma_skip(e, assertions[i])) {
            written = assertions[i];
            e->groups[e->depth].assertion = true;
        }
    }
    if (e->p == at && !ecma_skip(e, "(?:")) {
        if (ecma_skip(e, "(?") && !(ecma_skip(e, "<") && ecma_skip_name(e)))
            return ecma_wrong(e, at, "behind (? stands :, =, !, <=, <! or <NAME>");
        e->p += e->p == at;
    }
    ecma_put(e, written);
    e->groups[e->depth++].begin = at;
    e->last = ECMA_NOTHING;
    return 0;
}

static int ecma_close(struct ecma *e)
{
    if (e->depth == 0)
        return ecma_wrong(e, e->p, "a closing parenthesis without an opening one");
    e->p++;
    ecma_put(e, ")");
    e->last = e->groups[--e->depth].assertion ? ECMA_ASSERTION : ECMA_ATOM;
    return 0;
}

/* ---- what is repeated --------------------------------------------------------------------------------------------- */

/* The length of {2}, {2,} or {2,3}; 0: it is none. */
static size_t ecma_braces(const struct ecma *e)
{
    size_t length = 1;

    while (ecma_is_digit(ecma_peek(e, length)))
        length++;
    if (length == 1)
        return 0;
    if (ecma_peek(e, length) == ',')
        for (length++; ecma_is_digit(ecma_peek(e, length));)
            length++;
    return ecma_peek(e, length) == '}' ? length + 1 : 0;
}

static int ecma_repeat(struct ecma *e, size_t length)
{
    static const char *const wrong[] = {
        [ECMA_NOTHING] = "nothing stands before it that could be repeated",
        [ECMA_ASSERTION] = "what consumes nothing is not repeated",
        [ECMA_REPEATED] = "it is repeated already; there are no possessive quantifiers",
    };

    if (e->last != ECMA_ATOM)
        return ecma_wrong(e, e->p, "%s", wrong[e->last]);
    if (ecma_peek(e, length) == '?')
        length++; /* lazy */
    e->failed |= bytes_add(&e->out, e->p, length, &e->ignored) != 0;
    e->p += length;
    e->last = ECMA_REPEATED;
    return 0;
}

/* ---- the whole ---------------------------------------------------------------------------------------------------- */

/* A character, or an escape for one or several. */
static int ecma_one_char(struct ecma *e)
{
    const int set = ecma_set(e, false);
    uint32_t code;

    if (set < 0)
        return -1;
    e->last = ECMA_ATOM;
    if (set)
        return 0;
    if (!ecma_skip(e, "\\"))
        code = ecma_literal(e);
    else if (ecma_escaped(e, &code))
        return -1;
    ecma_put_char(e, code);
    return 0;
}

/* ^, $, |, \b and \B mean the same. False: it is none of them. */
static bool ecma_same(struct ecma *e)
{
    const char c = *e->p, next = ecma_peek(e, 1);
    const bool boundary = c == '\\' && (next == 'b' || next == 'B');

    if (!boundary && c != '^' && c != '$' && c != '|')
        return false;
    e->failed |= bytes_add(&e->out, e->p, boundary ? 2 : 1, &e->ignored) != 0;
    e->p += boundary ? 2 : 1;
    e->last = c == '|' ? ECMA_NOTHING : ECMA_ASSERTION;
    return true;
}

static int ecma_item(struct ecma *e)
{
    size_t braces;

    if (ecma_same(e))
        return 0;
    switch (*e->p) {
    case '(':
        return ecma_open(e);
    case ')':
        return ecma_close(e);
    case '[':
        return ecma_class(e);
    case ']': /* behind [] and [^] others take it for one of their characters */
        return ecma_wrong(
            e, e->p, "a closing bracket that closes nothing; write \\], and for any other character [^\\]]");
    case '*':
    case '+':
    case '?':
        return ecma_repeat(e, 1);
    case '{':
        braces = ecma_braces(e);
        if (braces)
            return ecma_repeat(e, braces);
        if (ecma_peek(e, 1) == ',')
            return ecma_wrong(e, e->p, "no number stands before the comma; write {0,5}");
        return ecma_one_char(e);
    case '.':
        e->p++;
        ecma_put(e, ECMA_DOT);
        e->last = ECMA_ATOM;
        return 0;
    default:
        return ecma_one_char(e);
    }
}

int schema_translate_pattern(struct schema_compiler *compiler, struct slice text, struct bytes *ret_text)
{
    struct ecma e = {
        .compiler = compiler, .begin = text.data, .p = text.data, .end = text.data + text.length};

    bytes_init(&e.out, ECMA_OUT_MAX);
    int result = 0;
    while (!result && e.p < e.end)
        result = ecma_item(&e);
    if (!result && e.depth)
        result = ecma_wrong(&e, e.groups[e.depth - 1].begin, "a group that has no end");
    if (!result && e.failed)
        result = schema_wrong(compiler, "a pattern that is too long");
    if (result)
        bytes_free(&e.out);
    else
        *ret_text = e.out;
    return result;
}
