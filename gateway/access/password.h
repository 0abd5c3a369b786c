/* password: what somebody else has chosen, so that it may be guessed: a slow hash of it is kept, with a salt, and never it itself.
 *
 * PBKDF2 (RFC 8018, 5.2) with HMAC-SHA-256 for those that are made here, with HMAC-SHA-512 for those that mosquitto_passwd has made. As text:
 * "pbkdf2-sha256:600000:SALT:HASH", both base64. How often it is repeated follows OWASP's Password Storage Cheat Sheet (2023); a file may say less, and
 * up to PASSWORD_ITERATIONS_MAX, so that it cannot make a look at one password take long.
 *
 * Once the right one has been shown, a mark of it is kept in memory (access.c makes it, with a key that nobody knows), so that the hash is made once. It is written by the verifier alone. @thread any
 */
#ifndef PENSTOCK_ACCESS_PASSWORD_H
#define PENSTOCK_ACCESS_PASSWORD_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/bytes.h"
#include "base/error.h"

#define PASSWORD_MAX 256 /* bytes; what is longer is none */
#define PASSWORD_ITERATIONS 600000 /* of new ones: 0.1 to 0.3 s */
#define PASSWORD_ITERATIONS_MAX 2000000
#define PASSWORD_SALT 16 /* bytes, of new ones */
#define PASSWORD_SALT_LEAST 8
#define PASSWORD_SALT_MAX 64
#define PASSWORD_HASH_MAX 64
#define PASSWORD_MARK 32
#define PASSWORD_TEXT_MAX 256 /* length of one as it is written */
#define PASSWORD_ALLOWED \
    "pbkdf2-sha256 or pbkdf2-sha512, 1 to 2000000 iterations, salt and hash in base64, as `penstock credentials add --password-file` writes them; never the password itself"

enum password_kind { PASSWORD_SHA256, PASSWORD_SHA512, PASSWORD_KINDS };

struct password {
    enum password_kind kind; /* says how long the hash is */
    unsigned iterations;
    size_t salt_length;
    unsigned char salt[PASSWORD_SALT_MAX], hash[PASSWORD_HASH_MAX];
    unsigned char mark[PASSWORD_MARK]; /* of the right one, */
    atomic_bool marked; /* which has been shown */
};

/* With a salt of its own. ERROR_REJECT: it is empty, or too long. */
int password_make(struct password *ret_password, struct slice text, unsigned iterations, struct error *error);
/* Takes as long as its iterations say. */
bool password_is(const struct password *password, struct slice text);
/* Whether both hold the same hash, of whatever password that is. */
bool password_same(const struct password *one, const struct password *other);

/* Appends its text; and back. -1: it is none. */
int password_print(const struct password *password, struct bytes *text, struct error *error);
int password_parse(struct slice text, struct password *ret_password);
/* Of a line of mosquitto's: "$7$101$SALT$HASH". */
int password_parse_mosquitto(struct slice text, struct password *ret_password);

/* Keeps the mark of the right one. @thread verifier, or before others see it */
void password_keep_mark(struct password *password, const unsigned char mark[PASSWORD_MARK]);
/* Whether it was kept. */
bool password_has_mark(const struct password *password, const unsigned char mark[PASSWORD_MARK]);

#endif
