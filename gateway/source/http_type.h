/* http_type: what Content-Type and Content-Encoding mean for a stream (RFC 9110 sections 8.3 and 8.4). Pure. @thread any */
#ifndef PENSTOCK_SOURCE_HTTP_TYPE_H
#define PENSTOCK_SOURCE_HTTP_TYPE_H

#include "base/bytes.h"
#include "decode/decode.h"
#include "record/record.h"

enum http_coding { HTTP_IDENTITY, HTTP_GZIP, HTTP_ZSTD };

/* An empty type means the stream's own form; in a stream of bytes every type does. -1: the type does not fit the format. Parameters
 * are not looked at. */
int http_type_form(struct slice content_type, enum record_format format, enum decode_form *ret_form);

/* The types that fit, for the answer that says so; not of bytes, which take all. */
const char *http_type_names(enum record_format format);

/* -1: none that is understood. */
int http_type_coding(struct slice content_encoding, enum http_coding *ret_coding);

#endif
