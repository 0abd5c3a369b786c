/* password: see password.h */
#include "access/password.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdint.h>
#include <sys/random.h>

#include "base/base64.h"

#define PASSWORD_MOSQUITTO "7" /* PBKDF2 with SHA-512 */
#define PASSWORD_PARTS 4
#define PASSWORD_DIGITS 7 /* of a count of iterations */
#define PASSWORD_BASE64_MAX 88 /* characters of 64 bytes */

static const struct {
    const char *name;
    gnutls_mac_algorithm_t mac;
    size_t length;
} password_kinds[PASSWORD_KINDS] = {
    {"pbkdf2-sha256", GNUTLS_MAC_SHA256, 32},
    {"pbkdf2-sha512", GNUTLS_MAC_SHA512, 64},
};

static gnutls_datum_t password_datum(const void *data, size_t length)
{
    return (gnutls_datum_t){(unsigned char *)(uintptr_t)data, (unsigned)length};
}

static int password_hash(
    const struct password *password, struct slice text, unsigned char ret_hash[PASSWORD_HASH_MAX])
{
    const gnutls_datum_t key = password_datum(text.data, text.length);
    const gnutls_datum_t salt = password_datum(password->salt, password->salt_length);

    return gnutls_pbkdf2(password_kinds[password->kind].mac, &key, &salt, password->iterations, ret_hash,
               password_kinds[password->kind].length)
               ? -1
               : 0;
}

int password_make(struct password *ret_password, struct slice text, unsigned iterations, struct error *error)
{
    *ret_password =
        (struct password){.kind = PASSWORD_SHA256, .iterations = iterations, .salt_length = PASSWORD_SALT};
    if (text.length == 0 || text.length > PASSWORD_MAX)
        return error_set(error, ERROR_REJECT, "a password has 1 to %d bytes", PASSWORD_MAX);
    if (getrandom(ret_password->salt, PASSWORD_SALT, 0) != PASSWORD_SALT)
        /* GCOVR_EXCL_START the kernel always has some */
        return error_set_errno(error, ERROR_FATAL, "no random bytes for a salt");
    /* GCOVR_EXCL_STOP */
    if (password_hash(ret_password, text, ret_password->hash))
        /* GCOVR_EXCL_START only a FIPS mode that is broken */
        return error_set(error, ERROR_FATAL, "GnuTLS has no PBKDF2");
    /* GCOVR_EXCL_STOP */
    return 0;
}

bool password_is(const struct password *password, struct slice text)
{
    unsigned char hash[PASSWORD_HASH_MAX];
    const bool is = !password_hash(password, text, hash) &&
                    gnutls_memcmp(hash, password->hash, password_kinds[password->kind].length) == 0;

    explicit_bzero(hash, sizeof hash);
    return is;
}

bool password_same(const struct password *one, const struct password *other)
{
    return one->kind == other->kind && one->iterations == other->iterations &&
           one->salt_length == other->salt_length && memcmp(one->salt, other->salt, one->salt_length) == 0 &&
           memcmp(one->hash, other->hash, password_kinds[one->kind].length) == 0;
}

/* ---- as text --------------------------------------------------------------------------------------------------- */

int password_print(const struct password *password, struct bytes *text, struct error *error)
{
    const struct slice salt = {(const char *)password->salt, password->salt_length};
    const struct slice hash = {(const char *)password->hash, password_kinds[password->kind].length};

    return bytes_print(text, error, "%s:%u:", password_kinds[password->kind].name, password->iterations) ||
                   base64_encode(salt, text, error) || bytes_add(text, ":", 1, error) ||
                   base64_encode(hash, text, error)
               ? -1
               : 0;
}

/* -1: there are not as many. */
static int password_split(struct slice text, char separator, struct slice parts[PASSWORD_PARTS])
{
    for (int i = 0; i < PASSWORD_PARTS; i++) {
        const char *end = text.length ? memchr(text.data, separator, text.length) : NULL;
        if ((end == NULL) != (i == PASSWORD_PARTS - 1))
            return -1;
        const size_t length = end ? (size_t)(end - text.data) : text.length;
        parts[i] = (struct slice){text.data, length};
        text = (struct slice){text.data + length + 1, end ? text.length - length - 1 : 0};
    }
    return 0;
}

static int password_take_iterations(struct slice text, unsigned *ret_iterations)
{
    unsigned number = 0;

    if (text.length == 0 || text.length > PASSWORD_DIGITS)
        return -1;
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return -1;
        number = 10 * number + (unsigned)(text.data[i] - '0');
    }
    *ret_iterations = number;
    return number < 1 || number > PASSWORD_ITERATIONS_MAX ? -1 : 0;
}

static int password_take_base64(struct slice text, unsigned char out[PASSWORD_HASH_MAX], size_t *ret_length)
{
    char bytes[PASSWORD_BASE64_MAX];
    struct error ignored;

    if (text.length > sizeof bytes || base64_decode(text, bytes, ret_length, &ignored) ||
        *ret_length > PASSWORD_HASH_MAX)
        return -1;
    memcpy(out, bytes, *ret_length);
    return 0;
}

static int password_take(
    enum password_kind kind, const struct slice parts[PASSWORD_PARTS], struct password *ret_password)
{
    size_t length;

    *ret_password = (struct password){.kind = kind};
    return password_take_iterations(parts[1], &ret_password->iterations) ||
                   password_take_base64(parts[2], ret_password->salt, &ret_password->salt_length) ||
                   ret_password->salt_length < PASSWORD_SALT_LEAST ||
                   password_take_base64(parts[3], ret_password->hash, &length) ||
                   length != password_kinds[kind].length
               ? -1
               : 0;
}

int password_parse(struct slice text, struct password *ret_password)
{
    struct slice parts[PASSWORD_PARTS];

    if (password_split(text, ':', parts))
        return -1;
    for (size_t i = 0; i < PASSWORD_KINDS; i++) {
        if (slice_is(parts[0], password_kinds[i].name))
            return password_take((enum password_kind)i, parts, ret_password);
    }
    return -1;
}

int password_parse_mosquitto(struct slice text, struct password *ret_password)
{
    struct slice parts[PASSWORD_PARTS];

    /* In front of the first $ stands nothing. */
    if (text.length < 1 || text.data[0] != '$' ||
        password_split((struct slice){text.data + 1, text.length - 1}, '$', parts) ||
        !slice_is(parts[0], PASSWORD_MOSQUITTO))
        return -1;
    return password_take(PASSWORD_SHA512, parts, ret_password);
}

/* ---- its mark ---------------------------------------------------------------------------------------------------- */

void password_keep_mark(struct password *password, const unsigned char mark[PASSWORD_MARK])
{
    if (atomic_load_explicit(&password->marked, memory_order_relaxed))
        return;
    memcpy(password->mark, mark, PASSWORD_MARK);
    atomic_store_explicit(&password->marked, true, memory_order_release);
}

bool password_has_mark(const struct password *password, const unsigned char mark[PASSWORD_MARK])
{
    return atomic_load_explicit(&password->marked, memory_order_acquire) &&
           gnutls_memcmp(mark, password->mark, PASSWORD_MARK) == 0;
}
