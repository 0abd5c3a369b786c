/* s3_error: what an S3 store's answer means, and what there is to do about it. Pure. Room-internal. @thread any */
#ifndef PENSTOCK_LAKE_S3_ERROR_H
#define PENSTOCK_LAKE_S3_ERROR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

#define S3_CODE_SIZE 64
#define S3_REGION_SIZE 64
#define S3_MESSAGE_SIZE 160

/* Of an answer that is none of success. */
struct s3_failure {
    long status; /* 0: there was no answer */
    char code[S3_CODE_SIZE]; /* "" where its body says none */
    char message[S3_MESSAGE_SIZE]; /* printable */
    char region[S3_REGION_SIZE]; /* where the bucket is, if it says so */
};

/* Reads the body; true: it is an <Error>. What it does not say stays "". */
bool s3_failure_read(struct slice body, struct s3_failure *failure);

/* Whether the same request may do better in a moment. `once`: only where it has certainly not been done.
 * skew: what s3_skew() says. */
bool s3_failure_passes(const struct s3_failure *failure, bool once, int64_t skew);

/* Microseconds by which our clock (wall) is ahead of the header Date of an answer; 0 when it says none. */
int64_t s3_skew(const char *date, int64_t wall);
#define S3_SKEW_MOST (INT64_C(15) * 60 * 1000000) /* what servers bear */

/* ERROR_RETRY: what, and what to do. */
int s3_failure_tell(const struct s3_failure *failure, const char *bucket, int64_t skew, struct error *error);

#endif
