/* http_connection: sockets, their states and deadlines; see http_internal.h */
#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/listener.h"
#include "source/http_internal.h"

/* What the socket does not take at once is lost: its sender has not been reading either. With TLS nothing can be said before hands are
 * shaken. */
static void http_connection_say(struct tls_session *tls, int fd, const struct bytes *text)
{
    ssize_t sent;

    if (!tls)
        sent = send(fd, text->data, text->length, MSG_DONTWAIT | MSG_NOSIGNAL);
    else if (tls->up) {
        sent = tls_session_send(tls, text->data, text->length);
        tls_session_bye(tls);
    }
    (void)sent;
}

static void http_connection_end(
    struct http_thread *thread, struct tls_session *tls, int fd, enum http_status status, const char *detail)
{
    struct error error;

    bytes_clear(&thread->text);
    if (!http_answer_raw(&thread->text, status, detail, &error)) {
        http_connection_say(tls, fd, &thread->text);
        metric_add(thread->source->refused[status], 1);
    }
    shutdown(fd, SHUT_RDWR);
}

bool http_count_up(atomic_size_t *count, uint64_t limit)
{
    size_t before = atomic_load(count);

    do {
        if (before >= limit)
            return false;
    } while (!atomic_compare_exchange_weak(count, &before, before + 1));
    return true;
}

/* Counts it among all, and among those of its address. NULL: it may be. */
static const char *http_connection_admit(
    struct source *http, int fd, const struct sockaddr *address, struct peer **ret_peer)
{
    if (!listener_leaves_descriptors(fd))
        return "the descriptors that are left are for the journal and the outlets (ulimit -n)";
    /* With one listener the library itself stops accepting at the limit. */
    if (!http_count_up(&http->connections, http->context.config->http.max_connections))
        return "there are as many connections as there may be (http.max_connections)";
    if (peers_enter(http->peers, address, ret_peer))
        return NULL;
    atomic_fetch_sub(&http->connections, 1);
    return "this address has as many connections as it may (http.max_connections_per_address; http.trusted_proxies are not counted)";
}

static void http_connection_discount(struct source *http, struct peer *peer)
{
    peers_leave(http->peers, peer);
    atomic_fetch_sub(&http->connections, 1);
}

/* NULL: memory is gone, or there are as many as there may be, and the socket is at its end. */
static struct http_connection *http_connection_new(struct http_thread *thread, struct MHD_Connection *mhd)
{
    const int fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    struct peer *peer;
    const char *refused = http_connection_admit(thread->source, fd,
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr, &peer);

    if (refused) {
        struct tls_session silent = {0};
        http_connection_end(
            thread, thread->source->context.http_tls ? &silent : NULL, fd, HTTP_STATUS_503, refused);
        return NULL;
    }
    struct http_connection *connection = calloc(1, sizeof *connection);
    if (!connection) {
        http_connection_discount(thread->source, peer);
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
    http_connection_enter(connection, HTTP_FIRST_HEAD);
    *context = connection;
    if (thread->source->context.http_tls && http_tls_begin(connection))
        shutdown(connection->fd, SHUT_RDWR);
}

static void http_connection_close(struct http_thread *thread, struct http_connection *connection)
{
    assert(connection->state != HTTP_PASSWORD && connection->state != HTTP_STARVED &&
           connection->state != HTTP_COMMIT && connection->state != HTTP_DELIVERY &&
           connection->state != HTTP_REPEAT && !connection->held);
    http_tls_end(connection);
    grant_end(&connection->certified.grant);
    if (connection->next)
        connection->next->previous = connection->previous;
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        thread->connections = connection->next;
    if (thread->sweep == connection)
        thread->sweep = connection->next;
    http_connection_discount(thread->source, connection->peer);
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

void http_connection_enter(struct http_connection *connection, enum http_state state)
{
    const struct http_thread *thread = connection->listener->thread;

    connection->state = state;
    connection->since = thread->now;
}

void http_connection_suspend(struct http_connection *connection, enum http_state state)
{
    struct http_thread *thread = connection->listener->thread;
    int64_t since = connection->since;

    MHD_suspend_connection(connection->mhd);
    thread->suspended++;
    http_connection_enter(connection, state);
    if (state == HTTP_STARVED)
        connection->since = since;
}

void http_connection_resume(struct http_connection *connection, enum http_state state)
{
    struct http_thread *thread = connection->listener->thread;

    http_connection_enter(connection, state);
    thread->suspended--;
    connection->listener->due = true;
    MHD_resume_connection(connection->mhd);
}

void http_connection_go_on(struct http_connection *connection)
{
    const struct http_thread *thread = connection->listener->thread;
    int64_t since = connection->since + (thread->now - connection->starved_since);
    const bool starved = connection->state == HTTP_STARVED;

    http_connection_resume(
        connection, starved || connection->state == HTTP_PASSWORD ? HTTP_BODY : HTTP_ANSWER);
    if (starved)
        connection->since = since;
}

void http_connection_abort(struct http_connection *connection, enum http_status status, const char *detail)
{
    struct tls_session *tls = connection->tls.server ? &connection->tls : NULL;

    http_connection_end(connection->listener->thread, tls, connection->fd, status, detail);
    http_connection_enter(connection, HTTP_ANSWER);
}

/* Those that check say whether they did something for which others have to wait: an answer, the end of a connection. */

static bool http_connection_check_body(struct http_thread *thread, struct http_connection *connection)
{
    const struct config *config = &routes_now(thread->source->context.routes)->limits;
    int64_t elapsed = thread->now - connection->since;
    uint64_t seconds = (uint64_t)(elapsed / CLOCK_SECOND);

    if (elapsed > HTTP_PROMISE_TIMEOUT)
        http_room_forget_promise(connection->request);
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
    case HTTP_HANDSHAKE:
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
    case HTTP_PASSWORD: /* the verifier keeps it (VERIFIER_PATIENCE) */
    case HTTP_BODY: /* has a pace to keep */
    case HTTP_STARVED: /* has a queue of its own */
        break;
    }
    return INT64_MAX;
}

/* One that is closed on their side may still be read: that counts only while others need the place. */
static bool http_connection_has_left(const struct http_connection *connection)
{
    struct pollfd look = {.fd = connection->fd, .events = POLLRDHUP};

    return http_delivery_is_in_demand(connection->request) && poll(&look, 1, 0) > 0;
}

static bool http_connection_check(struct http_thread *thread, struct http_connection *connection)
{
    const struct config *config = &routes_now(thread->source->context.routes)->limits;

    if (connection->state == HTTP_BODY)
        return http_connection_check_body(thread, connection);
    if (thread->now - connection->since <= http_connection_timeout(config, connection->state) &&
        (connection->state != HTTP_DELIVERY || !http_connection_has_left(connection)))
        return false;
    if (connection->state == HTTP_HANDSHAKE)
        http_tls_drop(connection);
    else if (connection->state == HTTP_FIRST_HEAD || connection->state == HTTP_HEAD)
        http_connection_abort(
            connection, HTTP_STATUS_408, "the head of the request took longer than http.head_timeout");
    else if (connection->state == HTTP_COMMIT)
        http_connection_resume(connection, HTTP_ANSWER);
    else if (connection->state == HTTP_DELIVERY)
        http_delivery_give_up(connection->request);
    else if (connection->state == HTTP_REPEAT)
        http_key_give_up(connection->request);
    else
        shutdown(connection->fd, SHUT_RDWR);
    return true;
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

    while (ends && http_room_expire(thread))
        ends--;
    while (thread->sweep && looks-- && ends) {
        struct http_connection *connection = thread->sweep;
        thread->sweep = connection->next;
        ends -= http_connection_check(thread, connection);
    }
}

void http_connection_give_up_waiting(struct http_thread *thread)
{
    for (struct http_connection *connection = thread->connections; connection;
         connection = connection->next) {
        if (connection->state == HTTP_DELIVERY)
            http_delivery_give_up(connection->request);
        else if (connection->state == HTTP_PASSWORD)
            http_access_give_up(connection->request);
    }
}

void http_connection_give_up(struct http_thread *thread)
{
    http_room_leave(thread);
    http_loop_take_done(thread);
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
