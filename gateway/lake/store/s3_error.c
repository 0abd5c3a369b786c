/* s3_error: see s3_error.h */
#include "lake/store/s3_error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "lake/store/s3_xml.h"

static bool failure_is(const struct s3_failure *failure, const char *const *codes)
{
    for (; *codes; codes++)
        if (strcmp(failure->code, *codes) == 0)
            return true;
    return false;
}

static void failure_copy(struct slice text, char *out, size_t size)
{
    size_t length = 0;

    for (; length < text.length && length + 1 < size; length++)
        out[length] = (unsigned char)text.data[length] < 0x20 || (unsigned char)text.data[length] >= 0x7f
                          ? '?'
                          : text.data[length];
    out[length] = '\0';
}

static int failure_each(void *context, const char *path, struct slice text, struct error *error)
{
    struct s3_failure *failure = context;

    if (strncmp(path, "Error", 5) != 0)
        return error_set(error, ERROR_RETRY, "no <Error>");
    if (strcmp(path, "Error/Code") == 0)
        failure_copy(text, failure->code, sizeof failure->code);
    else if (strcmp(path, "Error/Message") == 0)
        failure_copy(text, failure->message, sizeof failure->message);
    else if (strcmp(path, "Error/Region") == 0 && !failure->region[0])
        failure_copy(text, failure->region, sizeof failure->region);
    return 0;
}

bool s3_failure_read(struct slice body, struct s3_failure *failure)
{
    struct error ignored; /* a body of somebody between us and the store */

    return s3_xml_read(body, failure_each, failure, &ignored) == 0;
}

bool s3_failure_passes(const struct s3_failure *failure, bool once, int64_t skew)
{
    static const char *const busy[] = {"SlowDown", "ServiceUnavailable", "Throttling", "ThrottlingException",
        "RequestLimitExceeded", "TooManyRequests", NULL};
    static const char *const others[] = {"InternalError", "RequestTimeout", "OperationAborted", NULL};

    if (failure_is(failure, busy) || failure->status == 503 || failure->status == 429)
        return true;
    /* Its signature was made too long before it was sent; one that is made anew will do. */
    if (strcmp(failure->code, "RequestTimeTooSkewed") == 0)
        return llabs(skew) < S3_SKEW_MOST;
    return !once && (failure_is(failure, others) || failure->status == 0 || failure->status == 500 ||
                        failure->status == 502 || failure->status == 504);
}

int64_t s3_skew(const char *date, int64_t wall)
{
    struct tm parts = {0};

    if (!strptime(date, "%a, %d %b %Y %H:%M:%S", &parts))
        return 0;
    return wall - (int64_t)timegm(&parts) * CLOCK_SECOND;
}

static int failure_tell_region(const struct s3_failure *failure, const char *bucket, struct error *error)
{
    if (failure->region[0])
        return error_set(
            error, ERROR_RETRY, "bucket %s lies in region %s: set lake.s3.region", bucket, failure->region);
    return error_set(error, ERROR_RETRY,
        "the store sends us elsewhere (%ld %s): mend lake.s3.endpoint or lake.s3.region", failure->status,
        failure->code);
}

static int failure_tell_skew(int64_t skew, struct error *error)
{
    const long long minutes = llabs(skew) / (60 * CLOCK_SECOND);

    return error_set(error, ERROR_RETRY,
        "the clock of this machine is %lld minutes %s the store's, which takes no request then "
        "(RequestTimeTooSkewed): set it",
        minutes, skew < 0 ? "behind" : "ahead of");
}

int s3_failure_tell(const struct s3_failure *failure, const char *bucket, int64_t skew, struct error *error)
{
    static const struct {
        const char *code, *text;
    } known[] = {
        {"SignatureDoesNotMatch",
            "the secret key is not that of the key id: mend what lake.s3.credentials names"},
        {"InvalidAccessKeyId", "the store does not know the key id: mend what lake.s3.credentials names"},
        {"ExpiredToken", "the session's token has expired: renew what lake.s3.credentials names"},
        {"InvalidToken", "the session's token is not valid: renew what lake.s3.credentials names"},
        {"AccessDenied", "not allowed: the key needs s3:PutObject, s3:GetObject, s3:ListBucket, "
                         "s3:AbortMultipartUpload and s3:ListBucketMultipartUploads"},
        {"NoSuchBucket", "there is no such bucket: make it, or mend lake.url"},
        {"NoSuchUpload", "the upload was ended by somebody else: another gateway with this gateway.id, or a "
                         "lifecycle rule of the bucket"},
        {"EntityTooSmall", "its parts are too small for this store: raise lake.s3.part_size"},
        {"EntityTooLarge", "its parts are too large for this store: lower lake.s3.part_size"},
    };

    if (failure->status == 301 || failure->status == 307 || failure->status == 308 ||
        strcmp(failure->code, "AuthorizationHeaderMalformed") == 0)
        return failure_tell_region(failure, bucket, error);
    if (strcmp(failure->code, "RequestTimeTooSkewed") == 0)
        return failure_tell_skew(skew, error);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(failure->code, known[i].code) == 0)
            return error_set(error, ERROR_RETRY, "%s (%s)", known[i].text, failure->code);
    return error_set(error, ERROR_RETRY, "the store answered %ld%s%s%s%s", failure->status,
        failure->code[0] ? " " : "", failure->code, failure->message[0] ? ": " : "", failure->message);
}
