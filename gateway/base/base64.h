/* base64: bytes as printable text (RFC 4648 section 4), for what is no text. Pure. @thread any */
#ifndef PENSTOCK_BASE_BASE64_H
#define PENSTOCK_BASE_BASE64_H

#include <stddef.h>

#include "base/bytes.h"

/* Appends the text, padded, without line breaks. */
int base64_encode(struct slice data, struct bytes *out, struct error *error);

/* Writes what the text means to out, which has room for text.length bytes; returns its length. Strict (RFC 4648 section
 * 3.5): nothing but the alphabet, whole groups of four, unused bits zero; ERROR_REJECT otherwise. */
int base64_decode(struct slice text, char *out, size_t *ret_length, struct error *error);

#endif
