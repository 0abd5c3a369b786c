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

void http_loop_wake(struct http_thread *thread)
{
    ssize_t written = write(thread->wake, &(uint64_t){1}, sizeof(uint64_t));
    (void)written; /* fails only when the counter is full: it is readable then */
}

void http_loop_complete(struct handover *handover, enum handover_result result)
{
    struct http_request *request = handover->context;
    struct http_thread *thread = request->thread;
    struct handover *first = atomic_load_explicit(&thread->done, memory_order_relaxed);

    request->result = result;
    do
        handover->next = first;
    while (!atomic_compare_exchange_weak_explicit(
        &thread->done, &first, handover, memory_order_release, memory_order_relaxed));
    /* The loop takes the whole list at once, so whoever made it non-empty is the one to wake it. From the push on the
     * request may be gone; the source stays until the journal is closed. */
    if (!first)
        http_loop_wake(thread);
}

void http_loop_arrived(struct journal_arrival *arrival)
{
    struct http_thread *thread = ((struct http_request *)arrival->context)->thread;
    struct journal_arrival *first = atomic_load_explicit(&thread->arrived, memory_order_relaxed);

    do
        arrival->next = first;
    while (!atomic_compare_exchange_weak_explicit(
        &thread->arrived, &first, arrival, memory_order_release, memory_order_relaxed));
    if (!first)
        http_loop_wake(thread);
}

void http_loop_take_done(struct http_thread *thread)
{
    /* Taken before the completions, which come first: so each is behind its own. */
    struct journal_arrival *arrived = atomic_exchange_explicit(&thread->arrived, NULL, memory_order_acquire);
    struct handover *newest = atomic_exchange_explicit(&thread->done, NULL, memory_order_acquire);
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

static bool http_loop_due(const struct http_thread *thread)
{
    for (size_t i = 0; i < thread->listeners_count; i++) {
        if (thread->listeners[i].due)
            return true;
    }
    return false;
}

static int http_loop_wait(struct http_thread *thread, struct error *error)
{
    struct epoll_event events[HTTP_LISTENERS_MAX + 1];
    int64_t left = thread->next_sweep - clock_monotonic(thread->source->context.clock);
    int timeout = http_loop_due(thread) || thread->sweep || left <= 0 ? 0 : (int)(left / 1000 + 1);
    int count = epoll_wait(thread->epoll, events, HTTP_LISTENERS_MAX + 1, timeout);

    if (count < 0 && errno != EINTR)
        return error_set_errno(error, ERROR_FATAL, "HTTP: epoll_wait");
    thread->now = clock_monotonic(thread->source->context.clock);
    for (int i = 0; i < count; i++) {
        struct http_listener *listener = events[i].data.ptr;
        if (listener) {
            listener->due = true;
            continue;
        }
        uint64_t value;
        ssize_t got = read(thread->wake, &value, sizeof value);
        (void)got; /* nothing to read means somebody else's wake-up was taken with an earlier one */
    }
    return 0;
}

static int http_loop_run_due(struct http_thread *thread, struct error *error)
{
    for (size_t i = 0; i < thread->listeners_count; i++) {
        struct http_listener *listener = &thread->listeners[i];
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

int http_loop_step(struct http_thread *thread, struct error *error)
{
    struct source *http = thread->source;

    if (http_loop_wait(thread, error))
        return -1;
    http_loop_take_done(thread);
    http_connection_feed(thread);
    if (http_loop_run_due(thread, error))
        return -1;
    if (thread->now >= thread->next_sweep) {
        http_connection_begin_sweep(thread);
        http_key_tell(http);
        thread->next_sweep = thread->now + HTTP_SWEEP_PERIOD;
    }
    http_connection_sweep(thread);
    metric_set(http->connections_gauge, (double)http->connections_count);
    metric_set(http->in_flight_gauge, (double)http->in_flight);
    return 0;
}

static void http_loop_quiesce(struct http_thread *thread)
{
    thread->draining = true;
    for (size_t i = 0; i < thread->listeners_count; i++) {
        MHD_quiesce_daemon(thread->listeners[i].daemon);
        close(thread->listeners[i].fd);
        thread->listeners[i].fd = -1;
        thread->listeners[i].due = true;
    }
}

static bool http_loop_answering(const struct http_thread *thread)
{
    for (const struct http_connection *connection = thread->connections; connection;
         connection = connection->next) {
        if (connection->state == HTTP_ANSWER)
            return true;
    }
    return thread->suspended > 0;
}

/* Nothing new; what the journal holds is completed and answered, or the deadline passes. */
static int http_loop_drain(struct http_thread *thread, struct error *error)
{
    const int64_t deadline = thread->source->stop_deadline;

    http_loop_quiesce(thread);
    http_connection_give_up_deliveries(thread);
    while ((thread->in_journal || http_loop_answering(thread)) && thread->now < deadline) {
        thread->next_sweep = thread->next_sweep < deadline ? thread->next_sweep : deadline;
        if (http_loop_step(thread, error))
            return -1;
    }
    http_connection_give_up(thread);
    int64_t last = thread->now + HTTP_LAST_ANSWERS;
    do {
        if (http_loop_step(thread, error))
            return -1;
    } while ((http_loop_due(thread) || http_loop_answering(thread)) && thread->now < last);
    return 0;
}

void *http_loop_run(void *context)
{
    struct http_thread *thread = context;
    struct error error;
    int result = 0;

    while (!result && !atomic_load_explicit(&thread->source->stopping, memory_order_acquire))
        result = http_loop_step(thread, &error);
    if (!result)
        result = http_loop_drain(thread, &error);
    if (result) {
        log_event(LOG_ERROR, "http.stopped", log_text("error", error.text));
        health_set("http", HEALTH_REFUSING, error.text);
    }
    return NULL;
}
