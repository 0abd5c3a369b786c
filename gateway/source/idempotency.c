/* idempotency: see idempotency.h */
#include "source/idempotency.h"

#include <gnutls/crypto.h>
#include <string.h>

#include "base/little.h"

#define SHA256_LENGTH 32

static int key_refuse(struct error *error)
{
    return error_set(error, ERROR_REJECT,
        "the header Idempotency-Key is a key of 1 to %d visible ASCII characters, such as a UUID; with others than letters, digits and -._~:/+=@!$&'()* it is "
        "a quoted string (RFC 9651)",
        IDEMPOTENCY_KEY_MAX);
}

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~:/+=@!$&'()*", c));
}

/* Behind the opening quote; a quote and a backslash are escaped there, nothing else may be. */
static int key_read_quoted(struct slice value, char *ret_key, size_t *ret_length, struct error *error)
{
    size_t length = 0, at = 1;

    for (; at < value.length && value.data[at] != '"'; at++) {
        if (value.data[at] == '\\' &&
            (++at == value.length || (value.data[at] != '"' && value.data[at] != '\\')))
            return key_refuse(error);
        if (value.data[at] < ' ' || value.data[at] > '~' || length == IDEMPOTENCY_KEY_MAX)
            return key_refuse(error);
        ret_key[length++] = value.data[at];
    }
    if (at + 1 != value.length || length == 0)
        return key_refuse(error);
    *ret_length = length;
    return 0;
}

int idempotency_key_read(
    struct slice value, char ret_key[IDEMPOTENCY_KEY_MAX], size_t *ret_length, struct error *error)
{
    if (value.length && *value.data == '"')
        return key_read_quoted(value, ret_key, ret_length, error);
    if (value.length == 0 || value.length > IDEMPOTENCY_KEY_MAX)
        return key_refuse(error);
    for (size_t i = 0; i < value.length; i++) {
        if (!is_plain(value.data[i]))
            return key_refuse(error);
    }
    memcpy(ret_key, value.data, value.length);
    *ret_length = value.length;
    return 0;
}

int idempotency_hash(
    const struct slice *parts, size_t count, struct idempotency_hash *ret_hash, struct error *error)
{
    unsigned char full[SHA256_LENGTH];
    gnutls_hash_hd_t hash;

    if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256))
        return error_set(error, ERROR_RETRY,
            "SHA-256: out of memory"); /* GCOVR_EXCL_LINE: malloc does not fail in tests */
    for (size_t i = 0; i < count; i++) {
        char length[8];
        put_u64(length, parts[i].data ? parts[i].length : UINT64_MAX);
        gnutls_hash(hash, length, sizeof length);
        if (parts[i].length)
            gnutls_hash(hash, parts[i].data, parts[i].length);
    }
    gnutls_hash_deinit(hash, full);
    memcpy(ret_hash->bytes, full, sizeof ret_hash->bytes);
    return 0;
}
