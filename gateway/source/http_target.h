/* http_target: the request target as it was sent -> stream, key and query parameters.
 *
 * RFC 9112 section 3.2 (origin-form, and absolute-form, whose scheme and authority are skipped), RFC 3986 sections 2.1 and
 * 3.3: the path is split at its slashes first, then each part is percent-decoded, so that a key may hold "%2F". In the
 * query '+' is a blank. What comes out is UTF-8 without control characters. Pure. @thread any
 */
#ifndef PENSTOCK_SOURCE_HTTP_TARGET_H
#define PENSTOCK_SOURCE_HTTP_TARGET_H

#include <stdbool.h>

#include "base/bytes.h"
#include "base/error.h"

struct http_target {
    struct slice stream;
    struct slice key; /* data NULL when the path has one segment */
    struct slice query; /* private, see http_target_query() */
    bool deeper; /* more than two segments: there is no such resource */
};

/* Decodes in place: the slices point into text. ERROR_REJECT: answer 400. */
int http_target_parse(char *text, size_t length, struct http_target *ret_target, struct error *error);

/* The first parameter of that name; data NULL when there is none. */
struct slice http_target_query(const struct http_target *target, const char *name);

#endif
