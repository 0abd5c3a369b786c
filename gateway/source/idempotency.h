/* idempotency: the header Idempotency-Key (draft-ietf-httpapi-idempotency-key-header-07), and hashes that tell requests apart.
 *
 * The draft's key is a string of RFC 9651 (section 3.3.3): "8e03978e-40d5-43dd-bc93-6894a57f9324". Most clients send it without the quotes; that
 * is the same key. Who may choose keys and bodies must not be able to choose hashes, so they are halves of SHA-256. Pure. @thread any
 */
#ifndef PENSTOCK_SOURCE_IDEMPOTENCY_H
#define PENSTOCK_SOURCE_IDEMPOTENCY_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/error.h"

#define IDEMPOTENCY_KEY_MAX 255 /* characters */
#define IDEMPOTENCY_HASH 16

struct idempotency_hash {
    unsigned char bytes[IDEMPOTENCY_HASH];
};

/* The key that the header's value means: visible ASCII and, within quotes, blanks. ERROR_REJECT: answer 400. */
int idempotency_key_read(
    struct slice value, char ret_key[IDEMPOTENCY_KEY_MAX], size_t *ret_length, struct error *error);

/* Of the parts and where each ends; one with data NULL is another one than an empty one. */
int idempotency_hash(
    const struct slice *parts, size_t count, struct idempotency_hash *ret_hash, struct error *error);

#endif
