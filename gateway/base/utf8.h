/* utf8: is this well-formed UTF-8 (RFC 3629 section 4: no overlong forms, no surrogates, nothing above U+10FFFF)?
 * @thread any
 */
#ifndef PENSTOCK_BASE_UTF8_H
#define PENSTOCK_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the well-formed sequence that data starts with (1 to 4); 0 when there is none. */
static inline size_t utf8_sequence(const char *data, size_t length)
{
    const unsigned char *next = (const unsigned char *)data;

    if (length == 0)
        return 0;
    if (next[0] < 0x80)
        return 1;

    size_t need = next[0] >= 0xf0 ? 4 : next[0] >= 0xe0 ? 3 : 2;
    unsigned char low = next[0] == 0xe0 ? 0xa0 : next[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = next[0] == 0xed ? 0x9f : next[0] == 0xf4 ? 0x8f : 0xbf;

    if (next[0] < 0xc2 || next[0] > 0xf4 || length < need || next[1] < low || next[1] > high)
        return 0;
    for (size_t i = 2; i < need; i++) {
        if ((next[i] & 0xc0) != 0x80)
            return 0;
    }
    return need;
}

/* Bytes of a text that are left without the beginning of a sequence whose end was cut off. */
static inline size_t utf8_whole(const char *text, size_t length)
{
    size_t lead = length;

    while (lead > 0 && length - lead < 3 && ((unsigned char)text[lead - 1] & 0xc0) == 0x80)
        lead--;
    if (lead == 0)
        return length;
    const unsigned char first = (unsigned char)text[lead - 1];
    const size_t need = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
    return need > length - lead + 1 ? lead - 1 : length;
}

/* Is the well-formed sequence at data a control character (C0, DEL, C1)? */
static inline bool utf8_is_control(const char *data)
{
    const unsigned char *next = (const unsigned char *)data;

    return next[0] < 0x20 || next[0] == 0x7f || (next[0] == 0xc2 && next[1] < 0xa0);
}

#endif
