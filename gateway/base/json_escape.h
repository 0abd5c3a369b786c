/* json_escape: a byte that may not stand in a string of JSON as it is (RFC 8259 section 7). Pure. @thread any */
#ifndef PENSTOCK_BASE_JSON_ESCAPE_H
#define PENSTOCK_BASE_JSON_ESCAPE_H

#include "base/bytes.h"

#define JSON_ESCAPE_MAX 6 /* bytes that one becomes at most: \u001f */

static inline bool json_escape_is_needed(char byte)
{
    return (unsigned char)byte < 0x20 || byte == '"' || byte == '\\';
}

/* Writes what stands for a byte that needs it; returns where it ends. */
static inline char *json_escape(char *to, char byte)
{
    static const char letters[] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r', ['"'] = '"', ['\\'] = '\\'};
    static const char hex[] = "0123456789abcdef";
    const char letter = letters[(unsigned char)byte];

    *to++ = '\\';
    if (letter) {
        *to++ = letter;
        return to;
    }
    memcpy(to, "u00", 3);
    to[3] = hex[byte >> 4];
    to[4] = hex[byte & 15];
    return to + 5;
}

static inline int json_escape_add(struct bytes *out, char byte, struct error *error)
{
    char text[JSON_ESCAPE_MAX];

    return bytes_add(out, text, (size_t)(json_escape(text, byte) - text), error);
}

#endif
