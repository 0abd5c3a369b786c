/* utf8: is this well-formed UTF-8 (RFC 3629 section 4: no overlong forms, no surrogates, nothing above U+10FFFF)?
 * @thread any
 */
#ifndef PENSTOCK_BASE_UTF8_H
#define PENSTOCK_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the sequence that this one leads. */
static inline size_t utf8_need(unsigned char lead)
{
    return lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
}

/* Bytes of the well-formed sequence that data (1 byte or more) starts with, or, when there is none, of the beginning of one, at least 1: the maximal subpart
 * that one replacement character stands for (Unicode 16, chapter 3.9, table 3-8). */
static inline size_t utf8_subpart(const char *data, size_t length)
{
    const unsigned char *next = (const unsigned char *)data;
    const size_t need = utf8_need(next[0]), most = length < need ? length : need;
    const unsigned char low = next[0] == 0xe0 ? 0xa0 : next[0] == 0xf0 ? 0x90 : 0x80;
    const unsigned char high = next[0] == 0xed ? 0x9f : next[0] == 0xf4 ? 0x8f : 0xbf;
    size_t part = 1;

    if (next[0] < 0xc2 || next[0] > 0xf4 || length == 1 || next[1] < low || next[1] > high)
        return 1;
    do
        part++;
    while (part < most && (next[part] & 0xc0) == 0x80);
    return part;
}

/* Bytes of the well-formed sequence that data starts with (1 to 4); 0 when there is none. */
static inline size_t utf8_sequence(const char *data, size_t length)
{
    if (length == 0)
        return 0;
    if ((unsigned char)data[0] < 0x80)
        return 1;
    const size_t need = utf8_need((unsigned char)data[0]);
    return need > 1 && utf8_subpart(data, length) == need ? need : 0;
}

/* Is all of it well-formed? */
static inline bool utf8_is_text(const char *data, size_t length)
{
    for (size_t at = 0, step; at < length; at += step)
        if ((step = utf8_sequence(data + at, length - at)) == 0)
            return false;
    return true;
}

/* Bytes of a text that are left without the beginning of a sequence whose end was cut off. */
static inline size_t utf8_whole(const char *text, size_t length)
{
    size_t lead = length;

    while (lead > 0 && length - lead < 3 && ((unsigned char)text[lead - 1] & 0xc0) == 0x80)
        lead--;
    if (lead == 0)
        return length;
    return utf8_need((unsigned char)text[lead - 1]) > length - lead + 1 ? lead - 1 : length;
}

/* Is the well-formed sequence at data a control character (C0, DEL, C1)? */
static inline bool utf8_is_control(const char *data)
{
    const unsigned char *next = (const unsigned char *)data;

    return next[0] < 0x20 || next[0] == 0x7f || (next[0] == 0xc2 && next[1] < 0xa0);
}

#endif
