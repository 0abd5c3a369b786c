/* s3_sign: see s3_sign.h */
#include "lake/store/s3_sign.h"

#include <assert.h>
#include <gnutls/crypto.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

#define SIGN_CANONICAL_MOST ((size_t)64 << 10)
#define SIGN_DATE 8 /* of the time */

void s3_hex(const unsigned char *bytes, size_t count, char *out)
{
    for (size_t i = 0; i < count; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static void sign_sha256(struct slice data, unsigned char ret_hash[S3_HASH])
{
    const int failed = gnutls_hash_fast(GNUTLS_DIG_SHA256, data.data, data.length, ret_hash);

    assert(!failed); /* an algorithm that every GnuTLS has, and nothing is allocated */
}

void s3_sha256(struct slice data, char ret_hex[S3_HEX])
{
    unsigned char hash[S3_HASH];

    sign_sha256(data, hash);
    s3_hex(hash, sizeof hash, ret_hex);
}

static void sign_hmac(struct slice key, struct slice data, unsigned char ret_hash[S3_HASH])
{
    const int failed =
        gnutls_hmac_fast(GNUTLS_MAC_SHA256, key.data, key.length, data.data, data.length, ret_hash);

    assert(!failed);
}

void s3_time(int64_t wall, char ret_text[S3_TIME])
{
    const time_t seconds = (time_t)(wall / CLOCK_SECOND);
    struct tm parts;

    if (!gmtime_r(&seconds, &parts) || strftime(ret_text, S3_TIME, "%Y%m%dT%H%M%SZ", &parts) == 0)
        memcpy(ret_text, "19700101T000000Z", S3_TIME); /* years that have no four digits */
}

static int sign_names(const struct s3_request *request, struct bytes *out, struct error *error)
{
    for (size_t i = 0; i < request->headers_count; i++)
        if (bytes_print(out, error, "%s%s", i ? ";" : "", request->headers[i].name))
            return -1;
    return 0;
}

static int sign_canonical(const struct s3_request *request, struct bytes *out, struct error *error)
{
    if (bytes_print(out, error, "%s\n%s\n%s\n", request->method, request->path, request->query))
        return -1;
    for (size_t i = 0; i < request->headers_count; i++)
        if (bytes_print(out, error, "%s:%s\n", request->headers[i].name, request->headers[i].value))
            return -1;
    if (bytes_add_text(out, "\n", error) || sign_names(request, out, error))
        return -1;
    return bytes_print(out, error, "\n%s", request->payload);
}

/* The key for this day, region and service. */
static int sign_key(const struct s3_request *request, const struct s3_credentials *credentials,
    unsigned char ret_key[S3_HASH], struct error *error)
{
    char first[4 + S3_SECRET_MAX + 1];
    const struct slice steps[] = {{request->time, SIGN_DATE}, slice_of(request->region),
        slice_of(request->service), slice_of("aws4_request")};
    const int length = snprintf(first, sizeof first, "AWS4%s", credentials->secret);
    unsigned char key[S3_HASH];
    struct slice last = {first, (size_t)length};

    if (length < 0 || (size_t)length >= sizeof first)
        return error_set(error, ERROR_RETRY, "the secret key is too long");
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        sign_hmac(last, steps[i], key);
        memcpy(ret_key, key, S3_HASH);
        last = (struct slice){(const char *)ret_key, S3_HASH};
    }
    explicit_bzero(first, sizeof first);
    explicit_bzero(key, sizeof key);
    return 0;
}

static int sign_text(const struct s3_request *request, struct slice canonical,
    unsigned char ret_hash[S3_HASH], const struct s3_credentials *credentials, struct error *error)
{
    char hash[S3_HEX];
    char text[256];
    unsigned char key[S3_HASH];

    s3_sha256(canonical, hash);
    const int length = snprintf(text, sizeof text, "AWS4-HMAC-SHA256\n%s\n%.8s/%s/%s/aws4_request\n%s",
        request->time, request->time, request->region, request->service, hash);
    if (length < 0 || (size_t)length >= sizeof text)
        return error_set(error, ERROR_RETRY, "the region's name is too long");
    if (sign_key(request, credentials, key, error))
        return -1;
    sign_hmac((struct slice){(const char *)key, sizeof key}, (struct slice){text, (size_t)length}, ret_hash);
    explicit_bzero(key, sizeof key);
    return 0;
}

int s3_authorize(const struct s3_request *request, const struct s3_credentials *credentials,
    struct bytes *out, struct error *error)
{
    cleanup_bytes struct bytes canonical;
    unsigned char signature[S3_HASH];
    char hex[S3_HEX];

    bytes_init(&canonical, SIGN_CANONICAL_MOST);
    if (sign_canonical(request, &canonical, error) ||
        sign_text(request, bytes_slice(&canonical), signature, credentials, error))
        return -1;
    s3_hex(signature, sizeof signature, hex);
    if (bytes_print(out, error, "AWS4-HMAC-SHA256 Credential=%s/%.8s/%s/%s/aws4_request,SignedHeaders=",
            credentials->id, request->time, request->region, request->service) ||
        sign_names(request, out, error))
        return -1;
    return bytes_print(out, error, ",Signature=%s", hex);
}
