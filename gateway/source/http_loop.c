/* http_loop: the I/O thread; see http_internal.h
 *
 * The outer epoll is level-triggered: the library's epoll descriptor stays readable while one of its sockets has something. What the
 * library has already read shows on no descriptor, so after each run its time-out is asked: 0 means run again at once.
 */
#include <assert.h>
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
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

void http_loop_call(struct http_connection *connection)
{
    struct http_thread *thread = connection->listener->thread;
    struct http_connection *first = atomic_load_explicit(&thread->called, memory_order_relaxed);

    do
        connection->called_next = first;
    while (!atomic_compare_exchange_weak_explicit(
        &thread->called, &first, connection, memory_order_release, memory_order_relaxed));
    if (!first)
        http_loop_wake(thread);
}

static void http_loop_take_called(struct http_thread *thread)
{
    struct http_connection *newest = atomic_exchange_explicit(&thread->called, NULL, memory_order_acquire);
    struct http_connection *oldest = NULL;

    while (newest) { /* back into the order of the calls */
        struct http_connection *next = newest->called_next;
        newest->called_next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        struct http_connection *next = oldest->called_next;
        http_connection_go_on(oldest);
        oldest = next;
    }
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
    http_loop_take_called(thread);
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
    struct epoll_event events[HTTP_LISTENERS_MAX + 2];
    int64_t left = thread->next_sweep - clock_monotonic(thread->source->context.clock);
    int timeout = http_loop_due(thread) || thread->sweep || left <= 0 ? 0 : (int)(left / 1000 + 1);
    int count = epoll_wait(thread->epoll, events, HTTP_LISTENERS_MAX + 2, timeout);

    if (count < 0 && errno != EINTR)
        return error_set_errno(error, ERROR_FATAL, "HTTP: epoll_wait");
    thread->now = clock_monotonic(thread->source->context.clock);
    for (int i = 0; i < count; i++) {
        struct http_listener *listener = events[i].data.ptr;
        if (events[i].data.ptr == &thread->greeting) {
            http_tls_go_on(thread);
            continue;
        }
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

static void http_loop_tell(const struct source *http)
{
    uint64_t in_flight = 0;

    for (size_t i = 0; i < http->threads_count; i++)
        in_flight += atomic_load_explicit(&http->threads[i].charged, memory_order_relaxed);
    metric_set(
        http->connections_gauge, (double)atomic_load_explicit(&http->connections, memory_order_relaxed));
    metric_set(http->in_flight_gauge, (double)in_flight);
}

int http_loop_step(struct http_thread *thread, struct error *error)
{
    struct source *http = thread->source;

    if (http_loop_wait(thread, error))
        return -1;
    http_loop_take_done(thread);
    if (http_loop_run_due(thread, error))
        return -1;
    http_tls_hold(thread);
    if (thread->now >= thread->next_sweep) {
        http_connection_begin_sweep(thread);
        if (thread->index == 0)
            http_key_tell(http);
        thread->next_sweep = thread->now + HTTP_SWEEP_PERIOD;
    }
    http_connection_sweep(thread);
    http_room_feed(thread);
    http_loop_tell(http);
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
    http_tls_give_up(thread);
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

void http_loop_finish(struct http_thread *thread)
{
    struct source *http = thread->source;

    if (thread->finished)
        return;
    thread->finished = true;
    if (atomic_fetch_sub(&http->unfinished, 1) > 1)
        return;
    for (size_t i = 0; i < http->threads_count; i++)
        http_loop_wake(&http->threads[i]);
}

/* Nothing new; what the journal holds is completed and answered, by the other threads as well, or the deadline passes. Who
 * asks for something meanwhile is refused, whatever thread he is with. */
static int http_loop_drain(struct http_thread *thread, struct error *error)
{
    struct source *http = thread->source;
    const int64_t deadline = http->stop_deadline;

    http_loop_quiesce(thread);
    http_connection_give_up_waiting(thread);
    while (thread->now < deadline) {
        if (thread->in_journal == 0 && !http_loop_answering(thread))
            http_loop_finish(thread);
        if (atomic_load(&http->unfinished) == 0)
            break;
        thread->next_sweep = thread->next_sweep < deadline ? thread->next_sweep : deadline;
        if (http_loop_step(thread, error))
            return -1;
    }
    http_connection_give_up(thread);
    thread->next_sweep = thread->now; /* nothing else may come that wakes it */
    int64_t last = thread->now + HTTP_LAST_ANSWERS;
    do {
        if (http_loop_step(thread, error))
            return -1;
    } while ((http_loop_due(thread) || http_loop_answering(thread)) && thread->now < last);
    return 0;
}

/* It has ended alone: what the kernel would still give to its sockets goes to the other threads, and who is connected here is told so instead of
 * waiting for ever. */
static void http_loop_abandon(struct http_thread *thread)
{
    if (!thread->draining)
        http_loop_quiesce(thread);
    http_room_leave(thread);
    for (const struct http_connection *connection = thread->connections; connection;
         connection = connection->next)
        shutdown(connection->fd, SHUT_RDWR);
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
        http_loop_abandon(thread);
    }
    http_loop_finish(thread);
    return NULL;
}
