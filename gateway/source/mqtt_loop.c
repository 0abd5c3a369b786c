/* mqtt_loop: the I/O thread; see mqtt_internal.h */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/health.h"
#include "base/listener.h"
#include "base/log.h"
#include "source/mqtt_internal.h"

/* A peer that has vanished is noticed after these, whatever its keep alive is. */
#define LOOP_TCP_IDLE 60 /* seconds */
#define LOOP_TCP_INTERVAL 15
#define LOOP_TCP_PROBES 4

void mqtt_loop_wake(struct mqtt_thread *thread)
{
    ssize_t written = write(thread->wake, &(uint64_t){1}, sizeof(uint64_t));

    (void)written; /* fails only when the counter is full: it is readable then */
}

/* ---- accepting -------------------------------------------------------------------------------------------------- */

static void loop_set_up(int fd)
{
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &(int){1}, sizeof(int));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &(int){LOOP_TCP_IDLE}, sizeof(int));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &(int){LOOP_TCP_INTERVAL}, sizeof(int));
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &(int){LOOP_TCP_PROBES}, sizeof(int));
}

/* The threads share the listeners: one of those that wait gets a connection. */
static void loop_listen(struct mqtt_thread *thread, bool listen)
{
    const struct source *mqtt = thread->source;

    if (thread->accepting == listen)
        return;
    thread->accepting = listen;
    for (size_t i = 0; i < mqtt->listeners_count; i++) {
        struct epoll_event event = {
            .events = EPOLLIN | EPOLLEXCLUSIVE, .data.ptr = (void *)&mqtt->listeners[i]};
        if (epoll_ctl(thread->epoll, listen ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, mqtt->listeners[i], &event))
            log_event(LOG_ERROR, "mqtt.listen", log_text("error", strerror(errno)));
    }
}

static bool loop_is_transient(int code)
{
    return code == EINTR || code == ECONNABORTED || code == EPROTO || code == EPERM || code == ENETDOWN ||
           code == EHOSTUNREACH || code == ENETUNREACH;
}

static void loop_accept(struct mqtt_thread *thread, int listener)
{
    struct source *mqtt = thread->source;

    for (int accepted = 0; accepted < MQTT_ACCEPTS; accepted++) {
        struct sockaddr_storage address;
        socklen_t length = sizeof address;
        int fd = accept4(listener, (struct sockaddr *)&address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && loop_is_transient(errno))
            continue;
        if (fd < 0 && errno != EAGAIN) { /* no descriptors, no memory: there may be some at the next sweep */
            log_event(LOG_ERROR, "mqtt.accept", log_text("error", strerror(errno)));
            loop_listen(thread, false);
        }
        if (fd < 0)
            return;
        const size_t connections = atomic_load(&mqtt->connections);
        if (connections >= mqtt->context.config->mqtt.max_connections || !listener_leaves_descriptors(fd)) {
            metric_add(mqtt->refused[MQTT_REASON_UNAVAILABLE], 1);
            log_event(LOG_WARN, "mqtt.full", log_number("connections", (int64_t)connections),
                log_number("descriptor", fd));
            close(fd);
            continue;
        }
        loop_set_up(fd);
        mqtt_connection_open(thread, fd, (const struct sockaddr *)&address);
    }
}

/* ---- one round -------------------------------------------------------------------------------------------------- */

static void loop_connection(struct mqtt_connection *connection, uint32_t events)
{
    const bool hangs_up = events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP);

    if (connection->phase == MQTT_PHASE_CLOSED)
        return;
    if (events & EPOLLOUT)
        mqtt_connection_flush(connection);
    if (connection->phase == MQTT_PHASE_CLOSED)
        return;
    /* What has come before the end is taken yet, unless nothing is taken of it at the moment. */
    if (hangs_up && !(connection->watched & (uint32_t)EPOLLIN))
        mqtt_connection_end(connection, MQTT_REASON_SUCCESS, NULL);
    else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        mqtt_input_read(connection);
}

static void loop_event(struct mqtt_thread *thread, const struct epoll_event *event)
{
    const struct source *mqtt = thread->source;
    const int *listener = event->data.ptr;

    if (!listener) {
        uint64_t value;
        ssize_t got = read(thread->wake, &value, sizeof value);
        (void)got; /* nothing to read means somebody else's wake-up was taken with an earlier one */
        return;
    }
    if (listener == &thread->greeting)
        mqtt_tls_go_on(thread);
    else if (listener >= mqtt->listeners && listener < mqtt->listeners + MQTT_LISTENERS_MAX)
        loop_accept(thread, *listener);
    else
        loop_connection(event->data.ptr, event->events);
}

static int loop_timeout(const struct mqtt_thread *thread)
{
    int64_t until = thread->next_sweep;

    if (thread->sent_state == MQTT_BATCH_WAITING && thread->retry_at < until)
        until = thread->retry_at;
    if (thread->unread)
        return 0;
    int64_t left = until - clock_monotonic(thread->source->context.clock);
    return left <= 0 ? 0 : (int)(left / 1000 + 1);
}

static void loop_flush(struct mqtt_thread *thread)
{
    while (thread->flush) {
        struct mqtt_connection *connection = thread->flush;
        thread->flush = connection->flush_next;
        connection->to_flush = false;
        mqtt_connection_flush(connection);
    }
}

static void loop_sweep(struct mqtt_thread *thread)
{
    if (thread->now < thread->next_sweep)
        return;
    thread->next_sweep = thread->now + MQTT_SWEEP_PERIOD;
    mqtt_connection_sweep(thread);
    thread->wills_due = thread->now; /* also those that had no room */
    mqtt_sessions_expire(thread->sessions);
    mqtt_input_resume(thread);
    loop_listen(thread, !thread->draining);
}

static void loop_tell(struct mqtt_thread *thread)
{
    const struct source *mqtt = thread->source;
    size_t in_flight = 0;

    atomic_store_explicit(&thread->in_flight,
        thread->batches[0].used + thread->batches[1].used + thread->held, memory_order_relaxed);
    if (thread->index)
        return;
    for (size_t i = 0; i < mqtt->threads_count; i++)
        in_flight += atomic_load_explicit(&mqtt->threads[i].in_flight, memory_order_relaxed);
    metric_set(mqtt->connections_gauge, (double)atomic_load(&mqtt->connections));
    metric_set(mqtt->in_flight_gauge, (double)in_flight);
}

static int loop_step(struct mqtt_thread *thread, struct error *error)
{
    struct epoll_event events[MQTT_EVENTS];
    const struct clock *clock = thread->source->context.clock;
    int count = epoll_wait(thread->epoll, events, MQTT_EVENTS, loop_timeout(thread));

    if (count < 0 && errno != EINTR)
        return error_set_errno(error, ERROR_FATAL, "MQTT: epoll_wait");
    thread->now = clock_monotonic(clock);
    thread->wall = clock_wall(clock);
    mqtt_batch_take_back(thread);
    mqtt_batch_submit(thread); /* what has waited goes first */
    mqtt_connection_take_arrivals(thread);
    for (int i = 0; i < count; i++)
        loop_event(thread, &events[i]);
    /* Not before: one of these may go to another thread, and its event be still to come. */
    if (atomic_exchange_explicit(&thread->verified, false, memory_order_acquire) || thread->freed) {
        thread->freed = false;
        mqtt_input_resume(thread);
    }
    mqtt_tls_take_unread(thread);
    mqtt_input_take_calls(thread);
    loop_sweep(thread);
    if (thread->wills_count && thread->now >= thread->wills_due)
        mqtt_will_store_due(thread);
    mqtt_batch_submit(thread);
    loop_flush(thread);
    mqtt_connection_bury_dead(thread);
    if (thread->freed && thread->paused_first)
        mqtt_loop_wake(thread);
    loop_tell(thread);
    return 0;
}

/* ---- the end -------------------------------------------------------------------------------------------------- */

/* Nothing more is read; what was taken is committed and answered, or the deadline passes; everybody is told. */
static int loop_drain(struct mqtt_thread *thread, struct error *error)
{
    const int64_t deadline = thread->source->stop_deadline;

    thread->draining = true;
    loop_listen(thread, false);
    mqtt_connection_quiesce(thread);
    while (!mqtt_batch_is_empty(thread) && thread->now < deadline) {
        thread->next_sweep = thread->next_sweep < deadline ? thread->next_sweep : deadline;
        if (loop_step(thread, error))
            return -1;
    }
    mqtt_connection_end_all(thread);
    const int64_t last = thread->now + MQTT_LINGER;
    while (thread->connections && thread->now < last) {
        thread->next_sweep = thread->next_sweep < last ? thread->next_sweep : last;
        if (loop_step(thread, error))
            return -1;
    }
    return 0;
}

void *mqtt_loop_run(void *context)
{
    struct mqtt_thread *thread = context;
    struct error error;
    int result = 0;

    thread->now = clock_monotonic(thread->source->context.clock);
    loop_listen(thread, true);
    while (!result && !atomic_load_explicit(&thread->source->stopping, memory_order_acquire))
        result = loop_step(thread, &error);
    if (!result)
        result = loop_drain(thread, &error);
    if (result) {
        log_event(LOG_ERROR, "mqtt.stopped", log_text("error", error.text));
        health_set("mqtt", HEALTH_REFUSING, error.text);
    }
    return NULL;
}
