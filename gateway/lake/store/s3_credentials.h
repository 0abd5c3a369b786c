/* s3_credentials: who we are to an S3 store: the shared file of credentials that AWS's tools read, or the environment.
 *
 * The file: sections [NAME], lines `name = value`, comments after # or ; at a line's beginning. Room-internal. @thread any
 */
#ifndef PENSTOCK_LAKE_S3_CREDENTIALS_H
#define PENSTOCK_LAKE_S3_CREDENTIALS_H

#include "base/bytes.h"
#include "base/error.h"

#define S3_ID_MAX 256
#define S3_SECRET_MAX 256
#define S3_TOKEN_MAX 8192

struct s3_credentials {
    char id[S3_ID_MAX + 1];
    char secret[S3_SECRET_MAX + 1];
    char token[S3_TOKEN_MAX + 1]; /* of a session; "": none */
};

/* Of the text of a file. ERROR_RETRY names the profile or the line, never a value. Pure. */
int s3_credentials_parse(
    struct slice text, const char *profile, struct s3_credentials *ret_credentials, struct error *error);

/* Of the file; "" for AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN of the environment. Read anew whenever a store is opened. */
int s3_credentials_load(
    const char *file, const char *profile, struct s3_credentials *ret_credentials, struct error *error);

void s3_credentials_forget(struct s3_credentials *credentials);

#endif
