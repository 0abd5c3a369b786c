/* http_head: what a request's head says, checked in one order; see http_internal.h */
#include <stdarg.h>
#include <stdio.h>

#include "source/http_internal.h"

#define HTTP_NAMES_MAX 300

struct http_head_check {
    struct http_request *request;
    struct MHD_Connection *mhd;
    const char *method;
    const char *version;
};

/* 0; -1: refused; 1: it waits, and is looked at again. */
typedef int http_head_check_fn(const struct http_head_check *check, struct http_refusal *refusal);

int http_refuse(struct http_refusal *refusal, enum http_status status, const char *format, ...)
{
    va_list arguments;

    refusal->given = true;
    refusal->status = status;
    va_start(arguments, format);
    vsnprintf(refusal->detail, sizeof refusal->detail, format, arguments);
    va_end(arguments);
    return -1;
}

struct http_field_walk {
    struct http_head *head;
    struct error *error;
    int result;
};

static enum MHD_Result http_head_field(void *cls, enum MHD_ValueKind kind, const char *name,
    size_t name_length, const char *value, size_t value_length)
{
    struct http_field_walk *walk = cls;

    (void)kind;
    walk->result = http_guard_field(
        walk->head, (struct slice){name, name_length}, (struct slice){value, value_length}, walk->error);
    return walk->result ? MHD_NO : MHD_YES;
}

static int http_head_guard(const struct http_head_check *check, struct http_refusal *refusal)
{
    struct error error;
    struct http_field_walk walk = {&check->request->head, &error, 0};

    MHD_get_connection_values_n(check->mhd, MHD_HEADER_KIND, http_head_field, &walk);
    if (walk.result || http_guard_finish(&check->request->head, check->version, &error))
        return http_refuse(refusal, HTTP_STATUS_400, "%s", error.text);
    return 0;
}

static int http_head_drain(const struct http_head_check *check, struct http_refusal *refusal)
{
    if (check->request->thread->draining)
        return http_refuse(refusal, HTTP_STATUS_503, "the gateway is stopping");
    return 0;
}

static int http_head_target(const struct http_head_check *check, struct http_refusal *refusal)
{
    struct bytes *raw = &check->request->raw_target;
    struct error error;

    /* The library cuts the target at a NUL. The version stands behind the blank behind the target in its buffer, so a
     * target that was cut is shorter than its place. */
    if (raw->length == 0 || check->version != check->request->target_place + raw->length + 1)
        return http_refuse(refusal, HTTP_STATUS_400, "the URL holds a control character");
    if (http_target_parse(raw->data, raw->length, &check->request->target, &error))
        return http_refuse(refusal, HTTP_STATUS_400, "%s", error.text);
    return 0;
}

static int http_head_access(const struct http_head_check *check, struct http_refusal *refusal)
{
    return http_access_check(check->request, refusal);
}

static int http_head_allowed(const struct http_head_check *check, struct http_refusal *refusal)
{
    return http_access_check_stream(check->request, refusal);
}

/* Those that the sender may write: the others are none of its business. */
static void http_head_names(const struct http_request *request, char *names, size_t size)
{
    const struct streams *streams = request->plan->streams;
    size_t used = 0;

    names[0] = '\0';
    for (size_t i = 0; i < streams->count; i++) {
        if (!grant_allows_stream(&request->grant, streams->items[i]->name))
            continue;
        int length = snprintf(names + used, size - used, "%s%s", used ? ", " : "", streams->items[i]->name);
        if (length < 0 || (size_t)length >= size - used) {
            snprintf(names + used, size - used, "%s", used ? ", ..." : "...");
            return;
        }
        used += (size_t)length;
    }
}

static int http_head_stream(const struct http_head_check *check, struct http_refusal *refusal)
{
    struct http_request *request = check->request;
    const struct streams *streams = request->plan->streams;
    char names[HTTP_NAMES_MAX];

    request->stream = request->target.deeper ? NULL : streams_find(streams, request->target.stream);
    if (request->stream)
        return 0;
    http_head_names(request, names, sizeof names);
    return http_refuse(refusal, HTTP_STATUS_404,
        "there is no such stream; POST /{stream} or /{stream}/{key} with one of these: %s", names);
}

static int http_head_method(const struct http_head_check *check, struct http_refusal *refusal)
{
    if (strcmp(check->method, MHD_HTTP_METHOD_POST) != 0)
        return http_refuse(refusal, HTTP_STATUS_405, "a stream takes POST only");
    return 0;
}

static int http_head_ack(const struct http_head_check *check, struct http_refusal *refusal)
{
    struct http_request *request = check->request;
    enum http_ack ack = HTTP_ACK_FSYNC;

    if (http_ack_find(request->head.present[HTTP_PENSTOCK_ACK] ? request->head.values[HTTP_PENSTOCK_ACK]
                                                               : slice_of(request->stream->ack),
            &ack))
        return http_refuse(
            refusal, HTTP_STATUS_400, "the header Penstock-Ack is \"memory\", \"fsync\" or \"delivered\"");
    request->ack = ack;
    /* One with a key may have been delivered before: it is asked when that is known. */
    return ack != HTTP_ACK_DELIVERED || request->head.present[HTTP_IDEMPOTENCY_KEY]
               ? 0
               : http_delivery_look(request);
}

static int http_head_key(const struct http_head_check *check, struct http_refusal *refusal)
{
    const struct http_head *head = &check->request->head;

    (void)refusal; /* it is the request's own */
    return head->present[HTTP_IDEMPOTENCY_KEY]
               ? http_key_read(check->request, head->values[HTTP_IDEMPOTENCY_KEY])
               : 0;
}

static int http_head_type(const struct http_head_check *check, struct http_refusal *refusal)
{
    struct http_request *request = check->request;

    if (http_type_form(request->head.values[HTTP_CONTENT_TYPE], request->stream->format, &request->form))
        return http_refuse(refusal, HTTP_STATUS_415, "Content-Type: stream %s takes %s",
            request->stream->name, http_type_names(request->stream->format));
    if (http_type_coding(request->head.values[HTTP_CONTENT_ENCODING], &request->coding))
        return http_refuse(
            refusal, HTTP_STATUS_415, "Content-Encoding: gzip, zstd and identity are understood");
    return 0;
}

static int http_head_length(const struct http_head_check *check, struct http_refusal *refusal)
{
    const struct http_head *head = &check->request->head;
    uint64_t limit = check->request->plan->limits.http.max_body;

    if (!head->present[HTTP_CONTENT_LENGTH] && !head->present[HTTP_TRANSFER_ENCODING])
        return http_refuse(
            refusal, HTTP_STATUS_411, "a body needs a Content-Length, or Transfer-Encoding: chunked");
    if (head->content_length > limit)
        return http_refuse(refusal, HTTP_STATUS_413, "a body may have %llu bytes (http.max_body)",
            (unsigned long long)limit);
    return 0;
}

int http_head_check(
    struct http_request *request, struct MHD_Connection *mhd, const char *method, const char *version)
{
    static http_head_check_fn *const checks[] = {http_head_guard, http_head_drain, http_head_target,
        http_head_access, http_head_stream, http_head_allowed, http_head_method, http_head_type,
        http_head_length, http_head_ack, http_head_key};
    const struct http_head_check check = {request, mhd, method, version};

    for (; request->checked < sizeof checks / sizeof *checks; request->checked++) {
        const int result = checks[request->checked](&check, &request->refusal);
        if (result)
            return result;
    }
    http_rate_find_address(request, mhd);
    /* One with a key may have been stored before. The refusal is given behind the body. */
    if (!request->key)
        (void)http_rate_check(request);
    return 0;
}
