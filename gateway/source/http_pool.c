/* http_pool: requests and their buffers are used again, so that a request costs no malloc; see http_internal.h */
#include <assert.h>
#include <stdlib.h>

#include "source/http_internal.h"

static size_t http_pool_bytes(const struct http_request *request)
{
    return request->body.capacity + request->handover.parts.capacity;
}

static void http_pool_limit(struct bytes *buffer, size_t limit)
{
    if (buffer->capacity > limit)
        bytes_free(buffer);
    buffer->limit = limit;
}

static struct http_request *http_pool_new(struct http_thread *thread)
{
    struct http_request *request = calloc(1, sizeof *request);

    if (!request)
        return NULL;
    request->thread = thread;
    bytes_init(&request->raw_target, HTTP_TARGET_MAX);
    bytes_init(&request->body, 0);
    bytes_init(&request->listing, HTTP_ANSWER_MAX);
    handover_init(&request->handover, 0, http_loop_complete, request);
    return request;
}

struct http_request *http_pool_take(struct http_thread *thread)
{
    const struct plan *plan = routes_now(thread->source->context.routes);
    struct http_request *request = thread->pool;

    if (request) {
        thread->pool = request->next;
        thread->pool_bytes -= http_pool_bytes(request);
    } else
        request = http_pool_new(thread);
    if (!request)
        return NULL;
    request->plan = plan;
    http_pool_limit(&request->body, plan->limits.http.max_body);
    http_pool_limit(&request->handover.parts, plan->limits.http.max_in_flight);
    return request;
}

static void http_pool_keep_small(struct bytes *buffer)
{
    if (buffer->capacity > HTTP_POOL_BUFFER_MAX)
        bytes_free(buffer);
    else
        bytes_clear(buffer);
}

static void http_pool_destroy(struct http_request *request)
{
    bytes_free(&request->raw_target);
    bytes_free(&request->body);
    bytes_free(&request->listing);
    handover_free(&request->handover);
    free(request);
}

void http_pool_unload(struct http_request *request)
{
    bytes_free(&request->body);
    handover_free(&request->handover);
    http_room_charge(request, 0);
}

void http_pool_release(struct http_request *request)
{
    struct http_thread *thread = request->thread;

    if (request->connection || request->in_journal || request->awaited)
        return;
    assert(!request->verification && (!request->key || !request->key->taken));
    http_room_forget_promise(request);
    http_room_charge(request, 0);
    inflate_free(&request->inflate);
    grant_end(&request->grant);
    free(request->arrival);
    free(request->key);
    handover_clear(&request->handover);
    http_pool_keep_small(&request->body);
    http_pool_keep_small(&request->handover.parts);
    bytes_clear(&request->raw_target);
    bytes_free(&request->listing);
    if (thread->pool_bytes + http_pool_bytes(request) > HTTP_POOL_BYTES_MAX / thread->source->threads_count) {
        http_pool_destroy(request);
        return;
    }

    struct http_request clean = {.thread = thread,
        .next = thread->pool,
        .raw_target = request->raw_target,
        .body = request->body,
        .listing = request->listing,
        .handover = request->handover};
    *request = clean;
    thread->pool = request;
    thread->pool_bytes += http_pool_bytes(request);
}

void http_pool_free(struct http_thread *thread)
{
    while (thread->pool) {
        struct http_request *request = thread->pool;
        thread->pool = request->next;
        http_pool_destroy(request);
    }
    thread->pool_bytes = 0;
}
