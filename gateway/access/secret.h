/* secret: what a principal proves itself by: 256 bits of the system's randomness as text, of which only a digest is kept.
 *
 * A text that is drawn from so many cannot be guessed and needs no slow hash and no salt (NIST SP 800-63B, 5.1.2: look-up secrets of 112 bits or
 * more). Digests are compared in constant time; the table that they are looked up in tells only about digests. @thread any
 */
#ifndef PENSTOCK_ACCESS_SECRET_H
#define PENSTOCK_ACCESS_SECRET_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/error.h"

#define SECRET_DIGEST 32 /* bytes of SHA-256 (FIPS 180-4) */
#define SECRET_PREFIX "pst_" /* so that scanners of source code know one */
#define SECRET_LENGTH (sizeof SECRET_PREFIX - 1 + 43) /* base64url without padding (RFC 4648, section 5) */
#define SECRET_LEAST 20 /* characters: shorter ones are none, whatever the file says */
#define SECRET_HEX_PREFIX "sha256:"
#define SECRET_HEX \
    (sizeof SECRET_HEX_PREFIX - 1 + 2 * SECRET_DIGEST) /* length of a digest as it is written */

/* A new one, terminated. ERROR_FATAL: there is no randomness to be had. */
int secret_make(char ret_secret[SECRET_LENGTH + 1], struct error *error);

/* -1: the library has no SHA-256 (FIPS modes that are broken). */
int secret_digest(struct slice secret, unsigned char ret_digest[SECRET_DIGEST]);

/* "sha256:" and 64 hexadecimal digits, terminated; and back. -1: it is none. */
void secret_print(const unsigned char digest[SECRET_DIGEST], char ret_text[SECRET_HEX + 1]);
int secret_parse(struct slice text, unsigned char ret_digest[SECRET_DIGEST]);

bool secret_equal(const unsigned char one[SECRET_DIGEST], const unsigned char other[SECRET_DIGEST]);

#endif
