/* http_client: requests to the servers of others, several at once, by libcurl.
 *
 * http_client_run() makes a number of calls and returns when the last one has ended; connections are kept for the next. Nothing is followed
 * (a redirect is an answer), nothing is tried again, and no URL is changed on its way (RFC 3986: what is encoded, and dots, go out as they are).
 * What an error says names host and path, never the query: that may hold a token.
 * @thread one at a time; http_client_open() any
 */
#ifndef PENSTOCK_BASE_HTTP_CLIENT_H
#define PENSTOCK_BASE_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

struct http_client;

/* Strings outlive the client. */
struct http_client_options {
    const char *ca; /* file of authorities, PEM; "": the system's */
    const char *ca_option; /* what it is called where people set it */
    unsigned connections; /* calls under way at once, at least 1 */
    int64_t connect_timeout; /* microseconds, name and TLS included */
    int64_t stall_timeout; /* microseconds: a call of which so long no byte came or went is given up */
    bool (*give_up)(
        void *context); /* asked several times a second; true: what is under way ends. NULL: never */
    void *context;
};

/* ERROR_FATAL: libcurl cannot be used. */
int http_client_open(
    struct http_client **ret_client, const struct http_client_options *options, struct error *error);
void http_client_close(struct http_client **client);

/* A header of the answer that the caller wants; "" where there is none, or where it does not fit. */
struct http_wanted {
    const char *name;
    char *value;
    size_t size;
};

/* Whether that address, which a name stands for, may be connected to; if not, the call's error is ERROR_REJECT. A connection that is
 * kept is not asked about again. */
struct sockaddr;
typedef bool http_peer_fn(const struct sockaddr *address);

struct http_call {
    const char *method; /* GET, HEAD, PUT, POST, DELETE */
    const char *url; /* http or https */
    const char *const *fields; /* "Name: value" */
    size_t fields_count;
    struct slice body; /* of PUT and POST; or, when `from_file`, */
    bool from_file; /* `length` bytes of `fd`, from `offset` on; they do not change meanwhile */
    int fd;
    uint64_t offset, length;
    http_peer_fn *peer; /* NULL: any */
    struct http_wanted *wanted;
    size_t wanted_count;

    /* What came of it. status 0: no answer, and the error (ERROR_RETRY) says why; whether the server has done what was asked is not known then. */
    long status;
    int64_t retry_after; /* microseconds, of Retry-After in seconds (RFC 9110, 10.2.3); 0: not said */
    struct bytes
        answer; /* initialised by the caller, with its limit: a longer one is an error; its to free */
    struct error error;
};

/* Fails only when nothing could be asked at all (ERROR_RETRY); otherwise each call says what came of it. */
int http_client_run(struct http_client *client, struct http_call *calls, size_t count, struct error *error);

#endif
