/* http_loop: the I/O thread; see http_internal.h
 *
 * The outer epoll is level-triggered: the library's epoll descriptor stays readable while one of its sockets has something. What the
 * library has already read shows on no descriptor, so after each run its time-out is asked: 0 means run again at once.
 */
#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/health.h"
#include "base/log.h"
#include "source/http_internal.h"

/* After the deadline, for the last answers to leave. */
#define HTTP_LAST_ANSWERS CLOCK_SECOND

static void http_loop_wake(struct source *http)
{
    ssize_t written = write(http->wake, &(uint64_t){1}, sizeof(uint64_t));
    (void)written; /* fails only when the counter is full: it is readable then */
}

void http_loop_complete(struct handover *handover, enum handover_result result)
{
    struct http_request *request = handover->context;
    struct source *http = request->source;
    struct handover *first = atomic_load_explicit(&http->done, memory_order_relaxed);

    request->result = result;
    do
        handover->next = first;
    while (!atomic_compare_exchange_weak_explicit(
        &http->done, &first, handover, memory_order_release, memory_order_relaxed));
    /* The loop takes the whole list at once, so whoever made it non-empty is the one to wake it. From the push on the
     * request may be gone; the source stays until the journal is closed. */
    if (!first)
        http_loop_wake(http);
}

void http_loop_arrived(struct journal_arrival *arrival)
{
    struct source *http = ((struct http_request *)arrival->context)->source;
    struct journal_arrival *first = atomic_load_explicit(&http->arrived, memory_order_relaxed);

    do
        arrival->next = first;
    while (!atomic_compare_exchange_weak_explicit(
        &http->arrived, &first, arrival, memory_order_release, memory_order_relaxed));
    if (!first)
        http_loop_wake(http);
}

void http_loop_take_done(struct source *http)
{
    /* Taken before the completions, which come first: so each is behind its own. */
    struct journal_arrival *arrived = atomic_exchange_explicit(&http->arrived, NULL, memory_order_acquire);
    struct handover *newest = atomic_exchange_explicit(&http->done, NULL, memory_order_acquire);
    struct handover *oldest = NULL;

    while (newest) { /* back into the order of the commits */
        struct handover *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        struct handover *next = oldest->next;
        http_request_committed(oldest->context);
        oldest = next;
    }
    while (arrived) {
        struct journal_arrival *next = arrived->next;
        http_request_arrived(arrived->context);
        arrived = next;
    }
}

static bool http_loop_due(const struct source *http)
{
    for (size_t i = 0; i < http->listeners_count; i++) {
        if (http->listeners[i].due)
            return true;
    }
    return false;
}

static int http_loop_wait(struct source *http, struct error *error)
{
    struct epoll_event events[HTTP_LISTENERS_MAX + 1];
    int64_t left = http->next_sweep - clock_monotonic(http->context.clock);
    int timeout = http_loop_due(http) || left <= 0 ? 0 : (int)(left / 1000 + 1);
    int count = epoll_wait(http->epoll, events, HTTP_LISTENERS_MAX + 1, timeout);

    if (count < 0 && errno != EINTR)
        return error_set_errno(error, ERROR_FATAL, "HTTP: epoll_wait");
    http->now = clock_monotonic(http->context.clock);
    for (int i = 0; i < count; i++) {
        struct http_listener *listener = events[i].data.ptr;
        if (listener) {
            listener->due = true;
            continue;
        }
        uint64_t value;
        ssize_t got = read(http->wake, &value, sizeof value);
        (void)got; /* nothing to read means somebody else's wake-up was taken with an earlier one */
    }
    return 0;
}

static int http_loop_run_due(struct source *http, struct error *error)
{
    for (size_t i = 0; i < http->listeners_count; i++) {
        struct http_listener *listener = &http->listeners[i];
        MHD_UNSIGNED_LONG_LONG timeout;

        if (!listener->due)
            continue;
        listener->due = false;
        if (MHD_run(listener->daemon) != MHD_YES)
            return error_set(error, ERROR_FATAL, "HTTP: libmicrohttpd cannot go on");
        if (MHD_get_timeout(listener->daemon, &timeout) == MHD_YES && timeout == 0)
            listener->due = true;
    }
    return 0;
}

int http_loop_step(struct source *http, struct error *error)
{
    if (http_loop_wait(http, error))
        return -1;
    http_loop_take_done(http);
    http_connection_feed(http);
    if (http_loop_run_due(http, error))
        return -1;
    if (http->now >= http->next_sweep) {
        http_connection_sweep(http);
        http_key_tell(http);
        http->next_sweep = http->now + HTTP_SWEEP_PERIOD;
    }
    metric_set(http->connections_gauge, (double)http->connections_count);
    metric_set(http->in_flight_gauge, (double)http->in_flight);
    return 0;
}

static void http_loop_quiesce(struct source *http)
{
    http->draining = true;
    for (size_t i = 0; i < http->listeners_count; i++) {
        MHD_quiesce_daemon(http->listeners[i].daemon);
        close(http->listeners[i].fd);
        http->listeners[i].fd = -1;
        http->listeners[i].due = true;
    }
}

static bool http_loop_answering(const struct source *http)
{
    for (const struct http_connection *connection = http->connections; connection;
         connection = connection->next) {
        if (connection->state == HTTP_ANSWER)
            return true;
    }
    return http->suspended > 0;
}

/* Nothing new; what the journal holds is completed and answered, or the deadline passes. */
static int http_loop_drain(struct source *http, struct error *error)
{
    http_loop_quiesce(http);
    http_connection_give_up_deliveries(http);
    while ((http->in_journal || http_loop_answering(http)) && http->now < http->stop_deadline) {
        http->next_sweep = http->next_sweep < http->stop_deadline ? http->next_sweep : http->stop_deadline;
        if (http_loop_step(http, error))
            return -1;
    }
    http_connection_give_up(http);
    int64_t last = http->now + HTTP_LAST_ANSWERS;
    do {
        if (http_loop_step(http, error))
            return -1;
    } while ((http_loop_due(http) || http_loop_answering(http)) && http->now < last);
    return 0;
}

void *http_loop_run(void *source)
{
    struct source *http = source;
    struct error error;
    int result = 0;

    while (!result && !atomic_load_explicit(&http->stopping, memory_order_acquire))
        result = http_loop_step(http, &error);
    if (!result)
        result = http_loop_drain(http, &error);
    if (result) {
        log_event(LOG_ERROR, "http.stopped", log_text("error", error.text));
        health_set("http", HEALTH_REFUSING, error.text);
    }
    return NULL;
}
