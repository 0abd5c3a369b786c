/* charset: the text of a file as UTF-8. Pure. @thread any
 *
 * UTF-8 (RFC 3629), UTF-16 (RFC 2781) and ISO 8859-1, in which every byte is the code point of its number. Undecodable is in UTF-8 what is
 * no well-formed sequence, in UTF-16 a surrogate without its other half, and a last byte without its second one.
 */
#ifndef PENSTOCK_FILES_CHARSET_H
#define PENSTOCK_FILES_CHARSET_H

#include <stdbool.h>
#include <stddef.h>

/* In the order of the option's words. */
enum charset {
    CHARSET_UTF8,
    CHARSET_UTF16, /* its order is not known yet: a byte order mark says it */
    CHARSET_UTF16LE,
    CHARSET_UTF16BE,
    CHARSET_LATIN1,
};

#define CHARSET_MARK_MAX 3
#define CHARSET_GROWTH 3 /* bytes of UTF-8 for one byte, at most: U+FFFD */

/* Bytes of a code unit: 1 or 2. */
size_t charset_unit(enum charset charset);

/* Bytes of the byte order mark that a file begins with, 0: there is none. That of UTF-16 says the order, whatever was thought of it. */
size_t charset_mark(enum charset *charset, const char *text, size_t length);

/* Whether its last code unit is this ASCII character; the order is known, here and below. */
bool charset_ends(enum charset charset, const char *text, size_t length, char last);

/* Bytes of a text that are left without the beginning of a character whose end was cut off. */
size_t charset_whole(enum charset charset, const char *text, size_t length);

/* Bytes from its beginning that are what they would be converted to. */
size_t charset_same(enum charset charset, const char *text, size_t length);

/* out: room for CHARSET_GROWTH times the length. False: something is undecodable, and U+FFFD stands for it (one for each maximal
 * subpart of a sequence, Unicode 16, chapter 3.9, table 3-8); with `pass` its own bytes, a surrogate as WTF-8 writes it. */
bool charset_convert(
    enum charset charset, bool pass, const char *text, size_t length, char *out, size_t *ret_length);

#endif
