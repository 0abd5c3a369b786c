/* principal: somebody who may write: which streams, which keys, how fast; and what it may do on the admin listener.
 *
 * Pure, but for the debt, which all threads count together, and the mark of its password (password.h). Owned by its credentials (credentials.h) and constant otherwise. @thread any
 */
#ifndef PENSTOCK_ACCESS_PRINCIPAL_H
#define PENSTOCK_ACCESS_PRINCIPAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access/access.h"
#include "access/meter.h"
#include "access/password.h"
#include "access/secret.h"
#include "base/bytes.h"

#define PRINCIPAL_NAME_MAX 128
#define PRINCIPAL_NAME_ALLOWED "1 to 128 of the characters A-Z a-z 0-9 . _ - @ +"
#define PRINCIPAL_PATTERN_MAX 256 /* bytes */
#define PRINCIPAL_PATTERNS_MAX 64 /* of streams, and of keys */
#define PRINCIPAL_CERTIFICATE_MAX 512 /* bytes */
#define PRINCIPAL_RATE_MAX METER_RATE_MAX
#define PRINCIPAL_OWN_KEY \
    "{name}" /* a pattern that is no more than this: the principal's own name is its key */

struct principal {
    char *name; /* PRINCIPAL_NAME_ALLOWED; behind it in the same memory: */
    char **streams, **keys; /* patterns; of keys none: any */
    size_t streams_count, keys_count;
    uint64_t rate; /* records per second; 0: as many as come */
    enum access_role role;
    bool has_secret;
    unsigned char digest[SECRET_DIGEST]; /* of its secret */
    struct password *password; /* NULL: it has none; in the same memory */
    char *
        certificate; /* a name in its client certificate, as struct tls_names has it; NULL: none; in the same memory */
    _Atomic int64_t due; /* see meter.h */
};

bool principal_is_name(struct slice name);

#define PRINCIPAL_ROLES_ALLOWED "read, or reload, which includes it"

/* A role as people write it; "": none. And back, of those that there are. -1: it is none. */
const char *principal_role_word(enum access_role role);
int principal_role_parse(struct slice word, enum access_role *ret_role);

/* A star stands for any bytes, also none; all else for itself. Steps: at most pattern x text. */
bool principal_matches(const char *pattern, struct slice text);

bool principal_may_stream(const struct principal *principal, const char *stream);
bool principal_may_key(const struct principal *principal, struct slice key);

/* How long it has to wait until it may write again (microseconds): 0 as long as it is less than a second ahead of its rate (meter.h). now: monotonic. */
int64_t principal_wait(const struct principal *principal, int64_t now);
/* It has written so many records. When they are paid (meter.h); 0: it has no rate. */
int64_t principal_charge(struct principal *principal, uint64_t records, int64_t now);
/* They were not taken after all: what is not paid of them by now is forgiven, and nothing else. */
void principal_refund(struct principal *principal, uint64_t records, int64_t paid, int64_t now);

#endif
