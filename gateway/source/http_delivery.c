/* http_delivery: the places of those who wait for their delivery, of all together and of each address; see http_internal.h
 *
 * Both are counted without a lock, by all threads together. Who is refused for want of one has those looked at who hold such places and may
 * have gone: the library looks at no socket that is suspended.
 */
#include "source/http_internal.h"

int http_delivery_refuse(struct http_request *request, struct places *full)
{
    struct http_thread *thread = request->thread;
    const struct config *config = &request->plan->limits;
    const bool all = full == &thread->source->deliveries;

    atomic_store_explicit(&full->refused, thread->now, memory_order_relaxed);
    if (thread->next_sweep > thread->now + HTTP_SWEEP_SOON)
        thread->next_sweep = thread->now + HTTP_SWEEP_SOON;
    return http_refuse(&request->refusal, HTTP_STATUS_503,
        "%zu requests%s wait for their delivery (%s); try again later, or ask for less with Penstock-Ack: fsync",
        (size_t)(all ? config->http.max_deliveries : config->http.max_deliveries_per_address),
        all ? "" : " from this address", all ? "http.max_deliveries" : "http.max_deliveries_per_address");
}

/* Of its address; NULL: as many as there are. */
static struct places *http_delivery_own(struct http_request *request)
{
    struct peer *peer = request->connection->peer;

    return peer && request->plan->limits.http.max_deliveries_per_address ? &peer->deliveries : NULL;
}

int http_delivery_look(struct http_request *request)
{
    struct source *http = request->thread->source;
    const struct config *config = &request->plan->limits;
    struct places *own = http_delivery_own(request);

    if (own && atomic_load(&own->taken) >= config->http.max_deliveries_per_address)
        return http_delivery_refuse(request, own);
    if (atomic_load(&http->deliveries.taken) >= config->http.max_deliveries)
        return http_delivery_refuse(request, &http->deliveries);
    return 0;
}

struct places *http_delivery_await(struct http_request *request)
{
    struct source *http = request->thread->source;
    const struct config *config = &request->plan->limits;
    struct places *own = http_delivery_own(request);

    if (own && !http_count_up(&own->taken, config->http.max_deliveries_per_address))
        return own;
    request->awaited_by = own ? request->connection->peer : NULL;
    if (!http_count_up(&http->deliveries.taken, config->http.max_deliveries)) {
        http_delivery_let_go(request);
        return &http->deliveries;
    }
    request->awaited = true;
    return NULL;
}

void http_delivery_let_go(struct http_request *request)
{
    if (request->awaited_by)
        atomic_fetch_sub(&request->awaited_by->deliveries.taken, 1);
    request->awaited_by = NULL;
}

void http_delivery_await_no_more(struct http_request *request)
{
    http_delivery_let_go(request);
    if (request->awaited)
        atomic_fetch_sub(&request->thread->source->deliveries.taken, 1);
    request->awaited = false;
}

void http_delivery_give_up(struct http_request *request)
{
    struct http_thread *thread = request->thread;
    struct source *http = thread->source;

    /* Without a journal its last word is here already. */
    if (!request->awaited || !thread->running ||
        !journal_arrival_cancel(http->context.journal, request->arrival))
        return;
    http_delivery_await_no_more(request);
    if (request->connection && request->connection->state == HTTP_DELIVERY)
        http_connection_resume(request->connection, HTTP_ANSWER);
}

static bool http_delivery_was_refused(const struct http_thread *thread, const struct places *places)
{
    const int64_t refused = atomic_load_explicit(&places->refused, memory_order_relaxed);

    return refused && thread->now - refused <= 2 * HTTP_SWEEP_PERIOD;
}

bool http_delivery_is_in_demand(const struct http_request *request)
{
    const struct http_thread *thread = request->thread;

    return http_delivery_was_refused(thread, &thread->source->deliveries) ||
           (request->awaited_by && http_delivery_was_refused(thread, &request->awaited_by->deliveries));
}
