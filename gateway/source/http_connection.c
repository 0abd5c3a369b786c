/* http_connection: sockets, their states and deadlines; see http_internal.h */
#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "source/http_internal.h"

/* What the socket does not take at once is lost: its sender has not been reading either. */
static void http_connection_end(
    struct http_thread *thread, int fd, enum http_status status, const char *detail)
{
    struct error error;

    bytes_clear(&thread->text);
    if (!http_answer_raw(&thread->text, status, detail, &error)) {
        ssize_t sent = send(fd, thread->text.data, thread->text.length, MSG_DONTWAIT | MSG_NOSIGNAL);
        (void)sent;
        metric_add(thread->source->refused[status], 1);
    }
    shutdown(fd, SHUT_RDWR);
}

/* NULL: memory is gone, or its address has as many as it may, and the socket is at its end. */
static struct http_connection *http_connection_new(struct http_thread *thread, struct MHD_Connection *mhd)
{
    const int fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    struct peer *peer;

    if (!peers_enter(thread->source->peers,
            MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr, &peer)) {
        http_connection_end(thread, fd, HTTP_STATUS_503,
            "this address has as many connections as it may (http.max_connections_per_address; http.trusted_proxies are not counted)");
        return NULL;
    }
    struct http_connection *connection = calloc(1, sizeof *connection);
    if (!connection) {
        peers_leave(thread->source->peers, peer);
        return NULL;
    }
    connection->fd = fd;
    connection->peer = peer;
    return connection;
}

static void http_connection_open(struct http_listener *listener, struct MHD_Connection *mhd, void **context)
{
    struct http_thread *thread = listener->thread;
    struct http_connection *connection = http_connection_new(thread, mhd);

    /* Without it the request line's callback finds no connection, and the handler closes. */
    if (!connection)
        return;
    connection->listener = listener;
    connection->mhd = mhd;
    connection->next = thread->connections;
    if (thread->connections)
        thread->connections->previous = connection;
    thread->connections = connection;
    thread->source->connections_count++;
    http_connection_enter(connection, HTTP_FIRST_HEAD);
    *context = connection;
}

static void http_connection_close(struct http_thread *thread, struct http_connection *connection)
{
    assert(connection->state != HTTP_STARVED && connection->state != HTTP_COMMIT &&
           connection->state != HTTP_DELIVERY && connection->state != HTTP_REPEAT);
    if (connection->next)
        connection->next->previous = connection->previous;
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        thread->connections = connection->next;
    if (thread->sweep == connection)
        thread->sweep = connection->next;
    thread->source->connections_count--;
    peers_leave(thread->source->peers, connection->peer);
    free(connection);
}

void http_connection_notify(
    void *cls, struct MHD_Connection *mhd, void **context, enum MHD_ConnectionNotificationCode code)
{
    struct http_listener *listener = cls;

    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        http_connection_open(listener, mhd, context);
    else {
        if (*context)
            http_connection_close(listener->thread, *context);
        *context = NULL;
        /* At its limit the library accepts again only in its next run. */
        listener->due = true;
    }
}

/* With one listener the library itself stops accepting at the limit; several share it here. */
enum MHD_Result http_connection_admit(void *cls, const struct sockaddr *address, socklen_t length)
{
    const struct http_listener *listener = cls;
    const struct source *http = listener->thread->source;

    (void)address;
    (void)length;
    return http->connections_count < http->context.config->http.max_connections ? MHD_YES : MHD_NO;
}

void http_connection_enter(struct http_connection *connection, enum http_state state)
{
    const struct http_thread *thread = connection->listener->thread;
    const size_t more = (state == HTTP_BODY) - (size_t)(connection->state == HTTP_BODY);

    thread->source->bodies += more;
    if (connection->peer)
        connection->peer->busy += more;
    connection->state = state;
    connection->since = thread->now;
}

void http_connection_suspend(struct http_connection *connection, enum http_state state)
{
    struct http_thread *thread = connection->listener->thread;
    struct source *http = thread->source;
    int64_t since = connection->since;

    MHD_suspend_connection(connection->mhd);
    thread->suspended++;
    http_connection_enter(connection, state);
    if (state != HTTP_STARVED)
        return;
    connection->since = since;
    connection->starved_since = thread->now;
    connection->starved_next = NULL;
    http->starved_by_all |= connection->request->room == HTTP_ROOM_NONE;
    if (http->starved_last)
        http->starved_last->starved_next = connection;
    else
        http->starved_first = connection;
    http->starved_last = connection;
}

void http_connection_resume(struct http_connection *connection, enum http_state state)
{
    struct http_thread *thread = connection->listener->thread;

    http_connection_enter(connection, state);
    thread->suspended--;
    connection->listener->due = true;
    MHD_resume_connection(connection->mhd);
}

/* The one behind `previous`, or the one that has waited longest (NULL), goes on; its body's clock stood still meanwhile. */
static void http_connection_resume_starved(struct http_thread *thread, struct http_connection *previous)
{
    struct source *http = thread->source;
    struct http_connection **place = previous ? &previous->starved_next : &http->starved_first;
    struct http_connection *connection = *place;
    int64_t since = connection->since + (thread->now - connection->starved_since);

    *place = connection->starved_next;
    if (!*place)
        http->starved_last = previous;
    http_connection_resume(connection, HTTP_BODY);
    connection->since = since;
}

void http_connection_feed(struct http_thread *thread)
{
    struct source *http = thread->source;
    struct http_connection *previous = NULL, *connection = http->starved_first;

    if (!http->released)
        return;
    http->released = http->starved_by_all = false;
    while (connection && !http->starved_by_all) {
        struct http_connection *next = connection->starved_next;
        connection->request->room = http_body_promise(connection->request);
        http->starved_by_all = connection->request->room == HTTP_ROOM_NONE;
        if (connection->request->room == HTTP_ROOM)
            http_connection_resume_starved(thread, previous);
        else
            previous = connection;
        connection = next;
    }
}

void http_connection_abort(struct http_connection *connection, enum http_status status, const char *detail)
{
    http_connection_end(connection->listener->thread, connection->fd, status, detail);
    http_connection_enter(connection, HTTP_ANSWER);
}

/* Those that check say whether they did something for which others have to wait: an answer, the end of a connection. */

static bool http_connection_check_body(struct http_thread *thread, struct http_connection *connection)
{
    const struct config *config = thread->source->context.config;
    int64_t elapsed = thread->now - connection->since;
    uint64_t seconds = (uint64_t)(elapsed / CLOCK_SECOND);

    if (elapsed > HTTP_PROMISE_TIMEOUT)
        http_body_forget_promise(connection->request);
    if (elapsed <= config->http.body_timeout ||
        connection->request->received + connection->request->swallowed >= seconds * config->http.min_rate)
        return false;
    http_connection_abort(connection, HTTP_STATUS_408,
        "the body came slower than http.min_rate for longer than http.body_timeout");
    return true;
}

static int64_t http_connection_timeout(const struct config *config, enum http_state state)
{
    switch (state) {
    case HTTP_FIRST_HEAD:
    case HTTP_HEAD:
        return config->http.head_timeout;
    case HTTP_IDLE:
    case HTTP_ANSWER: /* its reader has stopped reading */
        return config->http.idle_timeout;
    case HTTP_COMMIT:
    case HTTP_REPEAT:
        return config->http.commit_timeout;
    case HTTP_DELIVERY:
        return config->http.delivery_timeout;
    case HTTP_BODY: /* has a pace to keep */
    case HTTP_STARVED: /* has a queue of its own */
        break;
    }
    return INT64_MAX;
}

/* The library looks at no socket that is suspended. One that is closed on their side may still be read: that counts only while others need
 * the place. */
static bool http_connection_has_left(
    const struct http_thread *thread, const struct http_connection *connection)
{
    const struct source *http = thread->source;
    struct pollfd look = {.fd = connection->fd, .events = POLLRDHUP};

    return thread->now - atomic_load_explicit(&http->deliveries_refused, memory_order_relaxed) <=
               2 * HTTP_SWEEP_PERIOD &&
           poll(&look, 1, 0) > 0;
}

static bool http_connection_check(struct http_thread *thread, struct http_connection *connection)
{
    const struct config *config = thread->source->context.config;

    if (connection->state == HTTP_BODY)
        return http_connection_check_body(thread, connection);
    if (thread->now - connection->since <= http_connection_timeout(config, connection->state) &&
        (connection->state != HTTP_DELIVERY || !http_connection_has_left(thread, connection)))
        return false;
    if (connection->state == HTTP_FIRST_HEAD || connection->state == HTTP_HEAD)
        http_connection_abort(
            connection, HTTP_STATUS_408, "the head of the request took longer than http.head_timeout");
    else if (connection->state == HTTP_COMMIT)
        http_connection_resume(connection, HTTP_ANSWER);
    else if (connection->state == HTTP_DELIVERY)
        http_request_give_up_delivery(connection->request);
    else if (connection->state == HTTP_REPEAT)
        http_key_give_up(connection->request);
    else
        shutdown(connection->fd, SHUT_RDWR);
    return true;
}

/* False: it has waited long enough, and is refused. */
static bool http_connection_may_starve(struct http_thread *thread)
{
    struct source *http = thread->source;
    struct http_connection *connection = http->starved_first;

    if (!connection || thread->now - connection->starved_since <= HTTP_STARVE_TIMEOUT)
        return true;
    http_refuse(&connection->request->refusal, HTTP_STATUS_503, "%s",
        connection->request->room == HTTP_ROOM_HELD
            ? "there was no room for another body from this address (http.max_in_flight_per_address)"
            : "there was no room for the body (http.max_in_flight)");
    http_connection_resume_starved(thread, NULL);
    http->released = true; /* it may be the one that all the others have waited for */
    return false;
}

void http_connection_begin_sweep(struct http_thread *thread)
{
    if (!thread->sweep)
        thread->sweep = thread->connections;
}

/* Ten thousand that came together have the same deadline, and ending one costs as much as answering a request: in a few rounds, those
 * who are served wait a little each time. */
void http_connection_sweep(struct http_thread *thread)
{
    size_t looks = HTTP_SWEEP_LOOK, ends = HTTP_SWEEP_END;

    while (ends && !http_connection_may_starve(thread))
        ends--;
    while (thread->sweep && looks-- && ends) {
        struct http_connection *connection = thread->sweep;
        thread->sweep = connection->next;
        ends -= http_connection_check(thread, connection);
    }
}

void http_connection_give_up_deliveries(struct http_thread *thread)
{
    for (struct http_connection *connection = thread->connections; connection;
         connection = connection->next) {
        if (connection->state == HTTP_DELIVERY)
            http_request_give_up_delivery(connection->request);
    }
}

void http_connection_give_up(struct http_thread *thread)
{
    while (thread->source->starved_first)
        http_connection_resume_starved(thread, NULL);
    for (struct http_connection *connection = thread->connections; connection;
         connection = connection->next) {
        if (connection->state == HTTP_COMMIT)
            http_connection_resume(connection, HTTP_ANSWER);
        else if (connection->state == HTTP_REPEAT)
            http_key_give_up(connection->request);
        else if (connection->state == HTTP_HEAD || connection->state == HTTP_BODY)
            http_connection_abort(connection, HTTP_STATUS_503, "the gateway is stopping");
    }
}
