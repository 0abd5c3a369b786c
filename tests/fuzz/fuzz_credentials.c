/* Fuzzes the file of credentials (libFuzzer). What is taken finds itself again, is written so that it is read as the same, and is gone without its lines; what
 * patterns match ends. */
#include <assert.h>

#include "access/credentials.h"

#define TEXT_MAX ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_principal(const struct credentials *credentials, const struct principal *principal)
{
    const struct slice name = {principal->name, strlen(principal->name)};

    assert(principal_is_name(name));
    assert(credentials_named(credentials, name) == principal);
    assert(principal->has_secret || principal->certificate || principal->password);
    assert(!principal->has_secret || credentials_find(credentials, principal->digest) == principal);
    assert(!principal->certificate ||
           credentials_certified(credentials, slice_of(principal->certificate)) == principal);
    assert(principal->streams_count || principal->role);
    assert(principal->streams_count <= PRINCIPAL_PATTERNS_MAX);
    assert(principal->keys_count <= PRINCIPAL_PATTERNS_MAX && principal->rate <= PRINCIPAL_RATE_MAX);
    for (size_t i = 0; i < principal->keys_count; i++) {
        /* A pattern without a star matches itself; one with stars matches itself as well, each star for a star. */
        assert(principal_matches(principal->keys[i], slice_of(principal->keys[i])));
        principal_may_key(principal, name);
    }
}

static void check_same(const struct principal *one, const struct principal *other)
{
    assert(strcmp(one->name, other->name) == 0 && one->rate == other->rate);
    assert(one->role == other->role);
    assert(one->has_secret == other->has_secret && !one->certificate == !other->certificate);
    assert(!one->password == !other->password);
    assert(!one->password || password_same(one->password, other->password));
    assert(!one->has_secret || secret_equal(one->digest, other->digest));
    assert(!one->certificate || strcmp(one->certificate, other->certificate) == 0);
    assert(one->streams_count == other->streams_count && one->keys_count == other->keys_count);
    for (size_t i = 0; i < one->streams_count; i++)
        assert(strcmp(one->streams[i], other->streams[i]) == 0);
    for (size_t i = 0; i < one->keys_count; i++)
        assert(strcmp(one->keys[i], other->keys[i]) == 0);
}

static void check_written(const struct credentials *credentials)
{
    struct credentials *again = NULL;
    struct bytes cleanup_bytes text;
    struct error error;

    bytes_init(&text, TEXT_MAX);
    assert(bytes_reserve(&text, 1, &error) == 0);
    for (size_t i = 0; i < credentials_count(credentials); i++)
        assert(credentials_print(credentials_at(credentials, i), &text, &error) == 0);
    assert(credentials_parse(&again, bytes_slice(&text), "again", &error) == 0);
    assert(credentials_count(again) == credentials_count(credentials));
    for (size_t i = 0; i < credentials_count(credentials); i++)
        check_same(credentials_at(credentials, i), credentials_at(again, i));
    credentials_release(&again);
}

static void check_without(struct slice text, const struct credentials *credentials)
{
    const char *name = credentials_at(credentials, 0)->name;
    struct credentials *rest = NULL;
    struct bytes cleanup_bytes left;
    struct error error;

    bytes_init(&left, TEXT_MAX);
    assert(bytes_reserve(&left, 1, &error) == 0);
    assert(credentials_without(text, name, &left, &error) == 0);
    assert(credentials_parse(&rest, bytes_slice(&left), "rest", &error) == 0);
    assert(credentials_count(rest) == credentials_count(credentials) - 1);
    assert(!credentials_named(rest, slice_of(name)));
    credentials_release(&rest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice text = {(const char *)data, size};
    struct credentials *credentials = NULL;
    struct error error;

    if (size == 0 || credentials_parse(&credentials, text, "file", &error))
        return 0;
    for (size_t i = 0; i < credentials_count(credentials); i++)
        check_principal(credentials, credentials_at(credentials, i));
    check_written(credentials);
    if (credentials_count(credentials))
        check_without(text, credentials);
    credentials_release(&credentials);
    return 0;
}
