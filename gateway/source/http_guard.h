/* http_guard: is this request's head one that every HTTP implementation reads the same way?
 *
 * Two implementations that disagree about where a request ends let somebody smuggle a second one past the first
 * (CWE-444). libmicrohttpd 0.9.75 lets such heads pass; the guard refuses them: RFC 9112 sections 2.3, 3.2, 5.1, 6.1, 6.3,
 * RFC 9110 sections 5.3, 5.5, 5.6.2. On the way it picks the few fields that a request is judged by.
 * What it cannot see, because the library has already eaten it: bare LF line ends, folded lines, NUL in a value and what
 * follows it, a line with an empty name. Pure; slices point into the library's memory. @thread any
 */
#ifndef PENSTOCK_SOURCE_HTTP_GUARD_H
#define PENSTOCK_SOURCE_HTTP_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

/* Fields of which a request has at most one. */
enum http_field {
    HTTP_CONTENT_LENGTH,
    HTTP_TRANSFER_ENCODING,
    HTTP_HOST,
    HTTP_CONTENT_TYPE,
    HTTP_CONTENT_ENCODING,
    HTTP_PENSTOCK_ACK,
    HTTP_IDEMPOTENCY_KEY,
    HTTP_AUTHORIZATION,
    HTTP_FIELDS,
};

struct http_head {
    bool present[HTTP_FIELDS];
    struct slice values[HTTP_FIELDS];
    uint64_t content_length; /* when that field is present */
};

/* Takes one field of the head; start with a zeroed head. ERROR_REJECT: answer 400 and close. */
int http_guard_field(struct http_head *head, struct slice name, struct slice value, struct error *error);

/* Behind the last field. version is the request line's ("HTTP/1.1"). */
int http_guard_finish(const struct http_head *head, const char *version, struct error *error);

#endif
