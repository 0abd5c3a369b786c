/* secret: see secret.h */
#include "access/secret.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/base64.h"

#define SECRET_RANDOM 32

int secret_make(char ret_secret[SECRET_LENGTH + 1], struct error *error)
{
    unsigned char random[SECRET_RANDOM];
    struct bytes cleanup_bytes text;

    bytes_init(&text, SECRET_LENGTH + 1); /* and the padding */
    if (getrandom(random, sizeof random, 0) != sizeof random)
        /* GCOVR_EXCL_START the kernel always has some */
        return error_set_errno(error, ERROR_FATAL, "no random bytes for a secret");
    /* GCOVR_EXCL_STOP */
    if (bytes_add_text(&text, SECRET_PREFIX, error) ||
        base64_encode((struct slice){(char *)random, sizeof random}, &text, error))
        return -1; /* GCOVR_EXCL_LINE it has room: only malloc can fail */
    for (size_t i = 0; i < SECRET_LENGTH; i++)
        ret_secret[i] = text.data[i] == '+' ? '-' : text.data[i] == '/' ? '_' : text.data[i];
    ret_secret[SECRET_LENGTH] = '\0';
    explicit_bzero(random, sizeof random);
    explicit_bzero(text.data, text.length);
    return 0;
}

int secret_digest(struct slice secret, unsigned char ret_digest[SECRET_DIGEST])
{
    return gnutls_hash_fast(GNUTLS_DIG_SHA256, secret.data, secret.length, ret_digest) ? -1 : 0;
}

void secret_print(const unsigned char digest[SECRET_DIGEST], char ret_text[SECRET_HEX + 1])
{
    const size_t prefix = sizeof SECRET_HEX_PREFIX - 1;

    memcpy(ret_text, SECRET_HEX_PREFIX, prefix);
    for (size_t i = 0; i < SECRET_DIGEST; i++)
        snprintf(ret_text + prefix + 2 * i, 3, "%02x", digest[i]);
}

static int secret_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int secret_parse(struct slice text, unsigned char ret_digest[SECRET_DIGEST])
{
    const size_t prefix = sizeof SECRET_HEX_PREFIX - 1;

    if (text.length != SECRET_HEX || memcmp(text.data, SECRET_HEX_PREFIX, prefix) != 0)
        return -1;
    for (size_t i = 0; i < SECRET_DIGEST; i++) {
        const int high = secret_digit(text.data[prefix + 2 * i]);
        const int low = secret_digit(text.data[prefix + 2 * i + 1]);
        if (high < 0 || low < 0)
            return -1;
        ret_digest[i] = (unsigned char)(high << 4 | low);
    }
    return 0;
}

bool secret_equal(const unsigned char one[SECRET_DIGEST], const unsigned char other[SECRET_DIGEST])
{
    return gnutls_memcmp(one, other, SECRET_DIGEST) == 0;
}
