/* s3_address: where an S3 store is, from the options. Pure. Room-internal. @thread any */
#ifndef PENSTOCK_LAKE_S3_ADDRESS_H
#define PENSTOCK_LAKE_S3_ADDRESS_H

#include <stdbool.h>

#include "base/error.h"
#include "lake/store.h"

#define S3_BUCKET_MAX 63
#define S3_PREFIX_MAX 128
#define S3_HOST_MAX 320

struct s3_address {
    char bucket[S3_BUCKET_MAX + 1];
    char prefix[S3_PREFIX_MAX + 2]; /* with a slash at its end; "" for none */
    char host[S3_HOST_MAX + 1]; /* and port */
    bool tls;
    bool path_style; /* the bucket stands in the path, not in front of the host */
};

/* -1, ERROR_FATAL: ret_option is the field of config->s3, or config->url, that is to blame. */
int s3_address_parse(const struct config_lake *config, struct s3_address *ret_address,
    const void **ret_option, struct error *error);

#endif
