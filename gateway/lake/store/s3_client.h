/* s3_client: requests to an S3 store: signed, made side by side, and made again while they fail for a reason that passes.
 *
 * Each try is signed anew. Room-internal. @thread the lake's
 */
#ifndef PENSTOCK_LAKE_S3_CLIENT_H
#define PENSTOCK_LAKE_S3_CLIENT_H

#include "base/http_client.h"
#include "lake/store/s3_address.h"
#include "lake/store/s3_credentials.h"
#include "lake/store/s3_error.h"
#include "lake/store/s3_sign.h"

#define S3_CALLS_MOST 64 /* of one run */
#define S3_ETAG_SIZE 256

struct s3_client {
    const struct config_lake *config; /* outlives it */
    struct s3_address address;
    struct s3_credentials credentials;
    struct http_client *http;
    const struct lake_options *options; /* outlive it */
};

struct s3_call {
    const char *method;
    const char *key; /* encoded, terminated; "": the bucket itself */
    const char *query; /* as struct s3_request wants it */
    struct slice body;
    bool from_file; /* then so many bytes of fd, from offset on, with these hashes: */
    int fd;
    uint64_t offset, length;
    char md5[32]; /* in base64; "": not said */
    char sha256[S3_HEX]; /* over TLS it is not needed */
    bool encrypted; /* says how the object is to be kept */
    uint64_t from, most; /* of a GET: only so many bytes, from there on; most 0: all */
    bool if_none; /* If-None-Match: * */
    bool once; /* tried again only when the store says that it did nothing */
    size_t answer_most;

    struct bytes answer; /* the caller's to free, by s3_calls_free() */
    char etag[S3_ETAG_SIZE];
    char encryption[32]; /* that the store says it used */
    struct s3_failure failure; /* of a status that is no 2xx, or a body that is an <Error> */
    int64_t skew;
    bool failed;

    bool done; /* of the run */
};

int s3_client_open(struct s3_client *client, const struct lake_options *options, struct error *error);
void s3_client_close(struct s3_client *client);

/* Until each has an answer that counts: the caller looks at `failed`. -1: some had none within the time, or we end. */
int s3_client_run(struct s3_client *client, struct s3_call *calls, size_t count, struct error *error);

/* What the failure of a call means: -1, ERROR_RETRY. */
int s3_client_tell(const struct s3_client *client, const struct s3_call *call, struct error *error);

/* s3_client_run(), and each must succeed. */
int s3_client_ask(struct s3_client *client, struct s3_call *calls, size_t count, struct error *error);

void s3_calls_free(struct s3_call *calls, size_t count);

#endif
