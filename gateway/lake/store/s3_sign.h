/* s3_sign: Amazon's Signature Version 4, of a request whose parts are at hand. Pure.
 *
 * "Signature Version 4 signing process" (docs.aws.amazon.com): what is signed is the request in one canonical form, with names and values of the query
 * encoded by percent_encode() and ordered, headers in small letters and ordered. Room-internal. @thread any
 */
#ifndef PENSTOCK_LAKE_S3_SIGN_H
#define PENSTOCK_LAKE_S3_SIGN_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "lake/store/s3_credentials.h"

#define S3_HASH 32 /* bytes of SHA-256 */
#define S3_HEX (2 * S3_HASH + 1)
#define S3_UNSIGNED "UNSIGNED-PAYLOAD"
#define S3_EMPTY_PAYLOAD "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define S3_HEADERS_MOST 16

void s3_hex(const unsigned char *bytes, size_t count, char *out); /* 2 * count + 1 */
void s3_sha256(struct slice data, char ret_hex[S3_HEX]);

struct s3_header {
    const char *name; /* in small letters */
    const char *value; /* without blanks around it, none twice within */
};

struct s3_request {
    const char *method;
    const char *path; /* encoded, from the first slash on */
    const char *query; /* encoded and ordered by name, each with its `=`; "" */
    const struct s3_header
        *headers; /* all that are signed, ordered by name: host and x-amz-date must be among them */
    size_t headers_count;
    const char *payload; /* its SHA-256 in hex, or S3_UNSIGNED */
    const char *region;
    const char *service; /* "s3" */
    const char *time; /* 20130524T000000Z */
};

#define S3_TIME 17 /* with its end */
void s3_time(int64_t wall, char ret_text[S3_TIME]);

/* Appends the value of the header Authorization. */
int s3_authorize(const struct s3_request *request, const struct s3_credentials *credentials,
    struct bytes *out, struct error *error);

#endif
