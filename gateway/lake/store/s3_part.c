/* s3_part: see s3_part.h */
#include "lake/store/s3_part.h"

#include <gnutls/crypto.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/file.h"

#define PART_BUFFER ((size_t)64 << 10)
#define PART_MD5 16

uint64_t s3_part_size(uint64_t length, uint64_t wanted)
{
    const uint64_t least = (length + S3_PARTS_MOST - 1) / S3_PARTS_MOST;

    return least > wanted ? least : wanted;
}

static int part_read(const struct s3_call *call, gnutls_hash_hd_t md5, gnutls_hash_hd_t sha256, char *buffer,
    struct error *error)
{
    for (uint64_t at = 0; at < call->length;) {
        const uint64_t left = call->length - at;
        const size_t length = left < PART_BUFFER ? (size_t)left : PART_BUFFER;
        const ssize_t got = file_read_at(call->fd, buffer, length, call->offset + at);
        if (got < 0)
            return error_set_errno(error, ERROR_RETRY, "lake's spool: read");
        if ((size_t)got != length)
            return error_set(error, ERROR_RETRY, "lake's spool: a file lost its end");
        if (gnutls_hash(md5, buffer, length) || (sha256 && gnutls_hash(sha256, buffer, length)))
            return error_set(error, ERROR_RETRY, "lake: a checksum cannot be made");
        at += length;
    }
    return 0;
}

static int part_say(struct s3_call *call, const unsigned char *md5, struct error *error)
{
    cleanup_bytes struct bytes text;

    bytes_init(&text, sizeof call->md5);
    if (base64_encode((struct slice){(const char *)md5, PART_MD5}, &text, error) ||
        bytes_add(&text, "", 1, error))
        return -1;
    memcpy(call->md5, text.data, text.length);
    return 0;
}

int s3_part_hash(struct s3_call *call, bool tls, struct error *error)
{
    unsigned char hash[S3_HASH] = {0};
    unsigned char sum[PART_MD5] = {0};
    gnutls_hash_hd_t md5 = NULL;
    gnutls_hash_hd_t sha256 = NULL;
    char *buffer = malloc(PART_BUFFER);

    int result = !buffer || gnutls_hash_init(&md5, GNUTLS_DIG_MD5) ||
                         (!tls && gnutls_hash_init(&sha256, GNUTLS_DIG_SHA256))
                     ? error_set(error, ERROR_RETRY, "lake: a checksum cannot be made")
                     : part_read(call, md5, sha256, buffer, error);
    if (md5)
        gnutls_hash_deinit(md5, sum);
    if (sha256)
        gnutls_hash_deinit(sha256, hash);
    free(buffer);
    if (result)
        return -1;
    s3_hex(hash, sizeof hash, call->sha256);
    return part_say(call, sum, error);
}

/* Amazon's rule: the ETag of a part is its MD5, but for keys that are the customer's or KMS's. */
bool s3_part_is_kept(const struct s3_call *call)
{
    char sum[sizeof call->md5];
    char hex[2 * PART_MD5 + 1];
    const struct slice etag = slice_trim(slice_of(call->etag), "\"");
    size_t length;
    struct error ignored;

    if (etag.length != 2 * PART_MD5 || strncmp(call->encryption, "aws:kms", 7) == 0 ||
        strspn(etag.data, "0123456789abcdef") != etag.length)
        return true;
    if (base64_decode(slice_of(call->md5), sum, &length, &ignored) || length != PART_MD5)
        return false;
    s3_hex((const unsigned char *)sum, PART_MD5, hex);
    return slice_is(etag, hex);
}
