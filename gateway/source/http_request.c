/* http_request: one request, from its request line to its answer; see http_internal.h
 *
 * The library calls the handler once when the head is in (and again, when it has been suspended then), once per piece of the body, and once at the end; there the request is handed
 * over and suspended, and when the loop resumes it, the handler is called again and queues the answer.
 */
#include "source/http_internal.h"

void *http_request_start(void *cls, const char *target, struct MHD_Connection *mhd)
{
    struct http_thread *thread = ((struct http_listener *)cls)->thread;
    struct http_connection *connection =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    struct http_request *request = connection ? http_pool_take(thread) : NULL;
    struct error error;

    if (!request)
        return NULL;
    /* A target that does not fit was longer than the library's own memory. Left empty, it is refused as cut. */
    if (target && bytes_add_text(&request->raw_target, target, &error) && error.kind == ERROR_RETRY) {
        http_pool_release(request);
        return NULL; /* memory is gone: no answer is better than that the sender is to blame */
    }
    request->connection = connection;
    request->target_place = target;
    connection->request = request;
    http_connection_enter(connection, HTTP_HEAD);
    return request;
}

static enum MHD_Result http_request_begin(
    struct http_request *request, struct MHD_Connection *mhd, const char *method, const char *version)
{
    http_connection_enter(request->connection, HTTP_BODY);
    const int result = request->refusal.given ? -1 : http_head_check(request, mhd, method, version);
    if (result > 0)
        return MHD_YES;
    request->begun = true;
    if (result == 0)
        return MHD_YES;
    request->refused_by_head = true;
    return http_respond_problem(request, mhd);
}

/* The library takes an answer only before the body or behind it. The rest of a refused body is read and forgotten; who
 * sends much more than that gets the answer past the library. */
static enum MHD_Result http_request_swallow(struct http_request *request, size_t *size)
{
    if (request->body.capacity) {
        bytes_free(&request->body);
        inflate_free(&request->inflate);
        http_room_forget_promise(request);
        http_room_charge(request, 0);
    }
    request->swallowed += *size;
    *size = 0;
    if (request->swallowed <= HTTP_SWALLOW_MAX)
        return MHD_YES;
    http_connection_abort(request->connection, request->refusal.status, request->refusal.detail);
    return MHD_NO;
}

static enum MHD_Result http_request_body(struct http_request *request, const char *data, size_t *size)
{
    const size_t offered = *size;
    enum MHD_Result result = MHD_YES;

    if (request->refusal.given || http_body_take(request, data, size))
        result = http_request_swallow(request, size);
    metric_add(request->thread->source->request_bytes, offered - *size);
    return result;
}

static enum MHD_Result http_request_conclude(struct http_request *request, struct MHD_Connection *mhd)
{
    if (request->ack == HTTP_ACK_MEMORY)
        return http_respond_accepted(request, mhd);
    if (request->in_journal)
        http_refuse(&request->refusal, HTTP_STATUS_504,
            "outcome unknown: the journal did not answer within http.commit_timeout; the records may be stored");
    else if (request->result == HANDOVER_UNKNOWN)
        http_refuse(&request->refusal, HTTP_STATUS_504,
            "outcome unknown: the journal could not write; the records may be stored");
    else if (request->result == HANDOVER_REFUSED)
        http_refuse(&request->refusal, HTTP_STATUS_503, "the journal has no room");
    else
        return http_respond_accepted(request, mhd);
    return http_respond_problem(request, mhd);
}

static enum MHD_Result http_request_finish(struct http_request *request, struct MHD_Connection *mhd)
{
    enum http_claim claim = HTTP_KEY_FREE;

    if (request->handed_over)
        return http_request_conclude(request, mhd);
    if (request->refusal.given || http_body_end(request))
        return http_respond_problem(request, mhd);
    if (request->key)
        claim = http_key_claim(request, mhd);
    if (claim == HTTP_KEY_WAITS)
        return MHD_YES;
    if (claim == HTTP_KEY_REPEATED)
        return http_respond_accepted(request, mhd);
    if (claim == HTTP_KEY_REFUSED || http_body_hand_over(request, mhd)) {
        http_key_settle(request);
        return http_respond_problem(request, mhd);
    }
    if (request->ack == HTTP_ACK_MEMORY)
        return http_respond_accepted(request, mhd);
    http_connection_suspend(request->connection, HTTP_COMMIT);
    return MHD_YES;
}

enum MHD_Result http_request_handle(void *cls, struct MHD_Connection *mhd, const char *url,
    const char *method, const char *version, const char *data, size_t *size, void **context)
{
    struct http_request *request = *context;

    (void)cls;
    (void)url;
    if (!request)
        return MHD_NO;
    if (!request->begun)
        return http_request_begin(request, mhd, method, version);
    return *size ? http_request_body(request, data, size) : http_request_finish(request, mhd);
}

void http_request_completed(
    void *cls, struct MHD_Connection *mhd, void **context, enum MHD_RequestTerminationCode code)
{
    struct http_request *request = *context;

    (void)cls;
    (void)mhd;
    (void)code;
    if (!request)
        return;
    *context = NULL;
    http_delivery_let_go(request);
    if (request->verification) /* its client has left without waiting for the answer */
        access_forget(request->thread->source->context.access, &request->verification);
    request->connection->request = NULL;
    http_connection_enter(request->connection, HTTP_IDLE);
    request->connection = NULL;
    http_pool_release(request);
}

void http_request_committed(struct http_request *request)
{
    const bool waiting = request->connection && request->connection->state == HTTP_COMMIT;

    request->in_journal = false;
    request->thread->in_journal--;
    http_rate_settle(request);
    grant_end(&request->grant);
    http_key_settle(request);
    if (request->result != HANDOVER_DURABLE)
        http_delivery_await_no_more(request);
    if (!waiting || request->thread->draining)
        http_delivery_give_up(request);
    if (waiting && request->awaited) {
        http_connection_enter(request->connection, HTTP_DELIVERY);
        http_pool_unload(request);
    } else if (waiting)
        http_connection_resume(request->connection, HTTP_ANSWER);
    http_pool_release(request);
}

void http_request_arrived(struct http_request *request)
{
    http_delivery_await_no_more(request);
    if (request->connection && request->connection->state == HTTP_DELIVERY)
        http_connection_resume(request->connection, HTTP_ANSWER);
    http_pool_release(request);
}
