/* s3_part: a part of a spooled file: where it begins, and its hashes. Room-internal. @thread any */
#ifndef PENSTOCK_LAKE_S3_PART_H
#define PENSTOCK_LAKE_S3_PART_H

#include <stdint.h>

#include "lake/store/s3_client.h"

#define S3_PARTS_MOST 10000 /* of an upload */

/* Bytes of each part but the last of a file of so many: what is wanted, or more where the parts would be too many. */
uint64_t s3_part_size(uint64_t length, uint64_t wanted);

/* Sets md5 and, without TLS, sha256 of a call that is from_file. Reads the file once, through a small buffer. */
int s3_part_hash(struct s3_call *call, bool tls, struct error *error);

/* Whether the ETag that came back says that the store holds what was sent; where it is no MD5, the server has compared Content-MD5 alone. */
bool s3_part_is_kept(const struct s3_call *call);

#endif
