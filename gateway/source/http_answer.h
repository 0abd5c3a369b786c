/* http_answer: the text of every answer, and the statuses there are.
 *
 * Errors are problem details (RFC 9457): type about:blank, title, status, detail. Pure. @thread any
 */
#ifndef PENSTOCK_SOURCE_HTTP_ANSWER_H
#define PENSTOCK_SOURCE_HTTP_ANSWER_H

#include <stdint.h>

#include "base/bytes.h"
#include "source/intake.h"

#define HTTP_STATUS_TABLE(X)         \
    X(400, "Bad Request")            \
    X(401, "Unauthorized")           \
    X(403, "Forbidden")              \
    X(404, "Not Found")              \
    X(405, "Method Not Allowed")     \
    X(408, "Request Timeout")        \
    X(411, "Length Required")        \
    X(413, "Content Too Large")      \
    X(415, "Unsupported Media Type") \
    X(422, "Unprocessable Content")  \
    X(429, "Too Many Requests")      \
    X(503, "Service Unavailable")    \
    X(504, "Gateway Timeout")

enum http_status {
#define HTTP_STATUS_ENUM(code, title) HTTP_STATUS_##code,
    HTTP_STATUS_TABLE(HTTP_STATUS_ENUM)
#undef HTTP_STATUS_ENUM
        HTTP_STATUSES
};

unsigned http_status_code(enum http_status status);
const char *http_status_title(enum http_status status);

/* {"accepted":n} */
int http_answer_accepted(struct bytes *out, uint64_t accepted, struct error *error);

/* What became of records that are to be stored once: {"accepted":n,"duplicates":d,"old":o}, d with those that are old, what is 0 left out but n. In place of the beginning of an
 * answer that said how many were taken, or, where there is none yet, all of it. */
int http_answer_stored(struct bytes *out, const struct once_counts *counts, struct error *error);

/* {"accepted":n,"rejected":[{"index":i,"reason":"..."}],"rejected_total":m} */
int http_answer_partial(struct bytes *out, const struct intake_result *result, struct error *error);

/* The same in so many bytes at most (ANSWER_TEXT_MAX will do): as many of the rejected as fit are listed, the total is that of all. */
int http_answer_partial_within(
    struct bytes *out, const struct intake_result *result, size_t limit, struct error *error);

/* Adds to one of the two ,"dead_lettered":[{"id":"site-7/3f9a1c22/42","accepted_index":0,"outlet":"kafka","reason":"..."}],"dead_lettered_total":k. The id is of this
 * start, each with its own sequence. */
int http_answer_letters(struct bytes *out, const struct journal_arrival *arrival, const struct record_id *id,
    struct error *error);

int http_answer_problem(struct bytes *out, enum http_status status, const char *detail, struct error *error);

/* None was accepted: a problem that lists the rejected records as http_answer_partial() does. */
int http_answer_refused(struct bytes *out, const struct intake_result *result, struct error *error);

/* What a request without one accepted record is answered with: 400 when all were unparsable or nothing that a topic can
 * carry, 413 when all are too large, 403 when its sender may write none of them, 429 when some came too fast, else 422. */
enum http_status http_answer_status(const struct intake_result *result);

/* The same as a whole response, for a connection whose request the library will not answer any more. */
int http_answer_raw(struct bytes *out, enum http_status status, const char *detail, struct error *error);

#endif
