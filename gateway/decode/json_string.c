/* json_string: UTF-8, escapes and what they mean (RFC 8259 section 7, RFC 3629 section 4). */
#include "decode/json_internal.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits of a \u escape, or -1. */
static int32_t hex4(const char *p, const char *end)
{
    int32_t unit = 0;

    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

static bool is_high_surrogate(int32_t unit)
{
    return unit >= 0xd800 && unit <= 0xdbff;
}

static bool is_low_surrogate(int32_t unit)
{
    return unit >= 0xdc00 && unit <= 0xdfff;
}

/* p: the u of \uXXXX. */
static const char *skip_unicode_escape(const char *p, const char *end, struct json_fault *fault)
{
    int32_t unit = hex4(p + 1, end);

    if (unit < 0)
        return json_fail(fault, p, "four hexadecimal digits behind \\u");
    if (is_low_surrogate(unit))
        return json_fail(fault, p, "a high surrogate in front of a low one");
    p += 5;
    if (!is_high_surrogate(unit))
        return p;
    if (end - p < 6 || p[0] != '\\' || p[1] != 'u' || !is_low_surrogate(hex4(p + 2, end)))
        return json_fail(fault, p, "a low surrogate behind a high one");
    return p + 6;
}

/* p: the backslash. */
static const char *skip_escape(const char *p, const char *end, struct json_fault *fault)
{
    p++;
    if (p == end || *p == '\0' || !strchr("\"\\/bfnrtu", *p))
        return json_fail(fault, p, "one of \"\\/bfnrtu behind a backslash");
    return *p == 'u' ? skip_unicode_escape(p, end, fault) : p + 1;
}

/* p: a byte from 0x80 on. Only the second byte has narrower limits than 80..BF, against overlong forms,
 * surrogates and what lies beyond U+10FFFF. */
static const char *skip_character(const char *p, const char *end, struct json_fault *fault)
{
    unsigned char first = (unsigned char)*p;
    ptrdiff_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;

    if (first < 0xc2 || first > 0xf4 || end - p < length || (unsigned char)p[1] < low ||
        (unsigned char)p[1] > high)
        return json_fail(fault, p, "valid UTF-8");
    for (ptrdiff_t i = 2; i < length; i++)
        if (((unsigned char)p[i] & 0xc0) != 0x80)
            return json_fail(fault, p, "valid UTF-8");
    return p + length;
}

const char *json_string_end_slow(const char *p, const char *end, bool *escaped, struct json_fault *fault)
{
    while (p) {
        if (p < end && (unsigned char)*p >= 0x80) {
            p = skip_character(p, end, fault);
            continue;
        }
        p = json_string_plain(p, end);
        if (p == end)
            return json_fail(fault, p, "'\"' at the end of a string");
        if (*p == '"')
            return p;
        if ((unsigned char)*p < 0x20)
            return json_fail(fault, p, "control characters in a string to be escaped");
        if (*p == '\\') {
            *escaped = true;
            p = skip_escape(p, end, fault);
        }
    }
    return NULL;
}

static size_t put_utf8(uint32_t code, char *out)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)((0xf00u >> length & 0xf0) | code);
    return length;
}

/* Takes one byte or one escape of a validated string, writes what it means and returns its length. */
static size_t take_meaning(const char **text, const char *end, char out[4])
{
    static const char escapes[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    const char *p = *text;

    if (*p != '\\') {
        *text = p + 1;
        out[0] = *p;
        return 1;
    }
    if (p[1] != 'u') {
        *text = p + 2;
        out[0] = meanings[strchr(escapes, p[1]) - escapes];
        return 1;
    }
    uint32_t code = (uint32_t)hex4(p + 2, end);
    *text = p + 6;
    if (is_high_surrogate((int32_t)code)) {
        code = 0x10000 + ((code - 0xd800) << 10) + ((uint32_t)hex4(p + 8, end) - 0xdc00);
        *text = p + 12;
    }
    return put_utf8(code, out);
}

size_t json_unescape(const struct json_value *value, char *out)
{
    const char *p = value->text.data;
    const char *end = p + value->text.length;
    size_t length = 0;

    /* No escape is shorter than what it means. */
    while (p < end) {
        char meaning[4];
        size_t added = take_meaning(&p, end, meaning);
        memcpy(out + length, meaning, added);
        length += added;
    }
    return length;
}

bool json_string_means(struct slice raw, struct slice plain)
{
    const char *p = raw.data;
    const char *end = p + raw.length;
    size_t matched = 0;

    while (p < end) {
        char meaning[4];
        size_t added = take_meaning(&p, end, meaning);
        if (added > plain.length - matched || memcmp(plain.data + matched, meaning, added) != 0)
            return false;
        matched += added;
    }
    return matched == plain.length;
}

struct meaning {
    const char *p, *end;
    char bytes[4];
    size_t at, count;
};

/* The next byte of what it means; -1 at the end. */
static int next_byte(struct meaning *meaning)
{
    if (meaning->at == meaning->count) {
        if (meaning->p == meaning->end)
            return -1;
        meaning->count = take_meaning(&meaning->p, meaning->end, meaning->bytes);
        meaning->at = 0;
    }
    return (unsigned char)meaning->bytes[meaning->at++];
}

bool json_strings_equal(struct slice a, struct slice b)
{
    struct meaning left = {.p = a.data, .end = a.data + a.length};
    struct meaning right = {.p = b.data, .end = b.data + b.length};
    int byte;

    do {
        byte = next_byte(&left);
        if (byte != next_byte(&right))
            return false;
    } while (byte >= 0);
    return true;
}
