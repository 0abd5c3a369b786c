/* charset: see charset.h */
#include "files/charset.h"

#include <stdint.h>
#include <string.h>

#include "base/utf8.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */
#define PLANES 0x10000

size_t charset_unit(enum charset charset)
{
    return charset == CHARSET_UTF8 || charset == CHARSET_LATIN1 ? 1 : 2;
}

size_t charset_mark(enum charset *charset, const char *text, size_t length)
{
    if (*charset == CHARSET_UTF8)
        return length >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    if (*charset == CHARSET_LATIN1 || length < 2)
        return 0;
    if (memcmp(text, "\xff\xfe", 2) == 0)
        *charset = CHARSET_UTF16LE;
    else if (memcmp(text, "\xfe\xff", 2) == 0)
        *charset = CHARSET_UTF16BE;
    else
        return 0;
    return 2;
}

static unsigned charset_unit_at(enum charset charset, const char *text)
{
    const unsigned char first = (unsigned char)text[0], second = (unsigned char)text[1];

    return charset == CHARSET_UTF16BE ? first * 256U + second : second * 256U + first;
}

static bool charset_leads(unsigned unit)
{
    return unit >= 0xd800 && unit < 0xdc00;
}

static bool charset_trails(unsigned unit)
{
    return unit >= 0xdc00 && unit < 0xe000;
}

bool charset_ends(enum charset charset, const char *text, size_t length, char last)
{
    if (length < charset_unit(charset))
        return false;
    return charset_unit(charset) == 1 ? text[length - 1] == last
                                      : charset_unit_at(charset, text + length - 2) == (unsigned char)last;
}

size_t charset_whole(enum charset charset, const char *text, size_t length)
{
    if (charset == CHARSET_LATIN1)
        return length;
    if (charset == CHARSET_UTF8)
        return utf8_whole(text, length);
    length -= length % 2;
    return length && charset_leads(charset_unit_at(charset, text + length - 2)) ? length - 2 : length;
}

static size_t charset_ascii(const char *text, size_t length)
{
    size_t at = 0;

    for (uint64_t eight; length - at >= sizeof eight; at += sizeof eight) {
        memcpy(&eight, text + at, sizeof eight);
        if (eight & UINT64_C(0x8080808080808080))
            break;
    }
    while (at < length && (unsigned char)text[at] < 0x80)
        at++;
    return at;
}

size_t charset_same(enum charset charset, const char *text, size_t length)
{
    if (charset_unit(charset) == 2)
        return 0;
    size_t at = charset_ascii(text, length);
    while (charset == CHARSET_UTF8 && at < length) {
        const size_t sequence = utf8_sequence(text + at, length - at);
        if (sequence == 0)
            break;
        at += sequence;
        at += charset_ascii(text + at, length - at);
    }
    return at;
}

/* ---- converting ---------------------------------------------------------------------------------------------------- */

/* Also of a surrogate, as WTF-8 has it. */
static size_t charset_encode(unsigned point, char *out)
{
    const size_t length = point < 0x80 ? 1 : point < 0x800 ? 2 : point < PLANES ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

    for (size_t i = length; i > 1; i--, point >>= 6)
        out[i - 1] = (char)(0x80 | (point & 0x3f));
    out[0] = (char)(lead[length] | point);
    return length;
}

static size_t charset_replace(char *out)
{
    memcpy(out, REPLACEMENT, strlen(REPLACEMENT));
    return strlen(REPLACEMENT);
}

static bool charset_convert_utf8(bool pass, const char *text, size_t length, char *out, size_t *ret_length)
{
    size_t at = 0, to = 0;
    bool good = true;

    for (;;) {
        const size_t same = charset_same(CHARSET_UTF8, text + at, length - at);
        memcpy(out + to, text + at, same);
        at += same;
        to += same;
        if (at == length)
            break;
        const size_t part = utf8_subpart(text + at, length - at);
        if (pass)
            memcpy(out + to, text + at, part);
        to += pass ? part : charset_replace(out + to);
        at += part;
        good = false;
    }
    *ret_length = to;
    return good;
}

static bool charset_convert_utf16(
    enum charset charset, bool pass, const char *text, size_t length, char *out, size_t *ret_length)
{
    size_t to = 0;
    bool good = length % 2 == 0;

    for (size_t at = 0; at + 2 <= length; at += 2) {
        const unsigned unit = charset_unit_at(charset, text + at);
        const unsigned next = at + 4 <= length ? charset_unit_at(charset, text + at + 2) : 0;
        if (charset_leads(unit) && charset_trails(next)) {
            to += charset_encode(PLANES + ((unit - 0xd800) << 10) + (next - 0xdc00), out + to);
            at += 2;
        } else if (!charset_leads(unit) && !charset_trails(unit)) {
            to += charset_encode(unit, out + to);
        } else {
            good = false;
            to += pass ? charset_encode(unit, out + to) : charset_replace(out + to);
        }
    }
    if (length % 2 && pass)
        out[to++] = text[length - 1];
    else if (length % 2)
        to += charset_replace(out + to);
    *ret_length = to;
    return good;
}

bool charset_convert(
    enum charset charset, bool pass, const char *text, size_t length, char *out, size_t *ret_length)
{
    size_t to = 0;

    if (charset == CHARSET_UTF8)
        return charset_convert_utf8(pass, text, length, out, ret_length);
    if (charset != CHARSET_LATIN1)
        return charset_convert_utf16(charset, pass, text, length, out, ret_length);
    for (size_t i = 0; i < length; i++)
        to += charset_encode((unsigned char)text[i], out + to);
    *ret_length = to;
    return true;
}
