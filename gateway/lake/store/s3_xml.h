/* s3_xml: the answers of an S3 store, read strictly. Pure.
 *
 * Elements with text, and nothing else that a document could bring: attributes are passed over, names lose their prefix, comments are left out; what
 * declares types or entities is refused, and so is everything that is not well-formed. Room-internal. @thread any
 */
#ifndef PENSTOCK_LAKE_S3_XML_H
#define PENSTOCK_LAKE_S3_XML_H

#include "base/bytes.h"
#include "base/error.h"

#define S3_XML_PATH 256 /* names of an element and all around it, with slashes between */
#define S3_XML_TEXT ((size_t)64 << 10) /* of one element */

/* At each element's end: "ListBucketResult/Contents/Key", and the text directly in it, terminated behind its length. The name ends the reading with -1. */
typedef int s3_xml_each_fn(void *context, const char *path, struct slice text, struct error *error);

/* ERROR_RETRY: no such document, or each() does not want it. */
int s3_xml_read(struct slice document, s3_xml_each_fn *each, void *context, struct error *error);

/* Appends the text as an element's content. */
int s3_xml_escape(struct slice text, struct bytes *out, struct error *error);

#endif
