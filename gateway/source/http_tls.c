/* http_tls: handshakes; see http_internal.h
 *
 * The library shakes hands itself, but badly: a connection whose handshake waits for the client keeps it running without a pause, and it goes on with all
 * that are ready at once, half a millisecond of work each. So a handshake that waits for its client is held: the connection is suspended,
 * and its socket stands in an epoll of its own. In each round at most HTTP_HANDSHAKES_STEP of those that have sent something go on, in turn; however many
 * there are, those who are served wait no longer than for these. What is held takes memory: with more than http.tls.max_handshakes, the one that has
 * waited longest is ended.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/log.h"
#include "source/http_internal.h"

#define HTTP_HANDSHAKES_STEP 8
#define HTTP_HANDSHAKES_LOOK 16 /* for one that waits for its client, of the oldest ones */

int http_tls_open(struct http_thread *thread, struct error *error)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &thread->greeting};

    if (!thread->source->context.http_tls)
        return 0;
    thread->greeting = epoll_create1(EPOLL_CLOEXEC);
    if (thread->greeting < 0 || epoll_ctl(thread->epoll, EPOLL_CTL_ADD, thread->greeting, &event))
        return error_set_errno(error, ERROR_FATAL, "HTTP: epoll of handshakes");
    return 0;
}

static struct http_connection *tls_connection_of(struct tls_session *tls)
{
    return (struct http_connection *)((char *)tls - offsetof(struct http_connection, tls));
}

/* The next run of the library goes on with it. */
static void tls_resume(struct http_connection *connection)
{
    struct http_thread *thread = connection->listener->thread;

    epoll_ctl(thread->greeting, EPOLL_CTL_DEL, connection->fd, NULL);
    connection->held = false;
    thread->suspended--;
    connection->listener->due = true;
    connection->greeted_next = thread->greeted;
    thread->greeted = connection;
    MHD_resume_connection(connection->mhd);
}

void http_tls_drop(struct http_connection *connection)
{
    tls_session_leave(&connection->tls);
    shutdown(connection->fd, SHUT_RDWR);
    if (connection->held)
        tls_resume(connection);
}

/* Not one that has done its part and waits for its turn. */
static void tls_make_room(struct http_thread *thread)
{
    struct tls_session *tls = thread->handshakes.oldest;

    for (int i = 0; tls && i < HTTP_HANDSHAKES_LOOK; i++, tls = tls->newer) {
        struct http_connection *connection = tls_connection_of(tls);
        struct pollfd look = {.fd = connection->fd, .events = POLLIN};
        if (connection->held && poll(&look, 1, 0) == 0) {
            http_tls_drop(connection);
            return;
        }
    }
}

int http_tls_begin(struct http_connection *connection)
{
    struct http_thread *thread = connection->listener->thread;
    const struct source *http = thread->source;
    gnutls_session_t session =
        MHD_get_connection_info(connection->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION)->tls_session;

    if (tls_session_attach(&connection->tls, http->context.http_tls, session, &thread->handshakes))
        return -1;
    http_connection_enter(connection, HTTP_HANDSHAKE);
    connection->greeted_next = thread->greeted;
    thread->greeted = connection;
    return 0;
}

void http_tls_end(struct http_connection *connection)
{
    struct http_thread *thread = connection->listener->thread;

    for (struct http_connection **link = &thread->greeted; *link; link = &(*link)->greeted_next) {
        if (*link == connection) {
            *link = connection->greeted_next;
            break;
        }
    }
    if (connection->tls.refused)
        log_event(LOG_INFO, "http.handshake", log_text("refused", connection->tls.refused));
    tls_session_detach(&connection->tls);
}

void http_tls_go_on(struct http_thread *thread)
{
    struct epoll_event events[HTTP_HANDSHAKES_STEP];
    int count = epoll_wait(thread->greeting, events, HTTP_HANDSHAKES_STEP, 0);

    for (int i = 0; i < count; i++)
        tls_resume(events[i].data.ptr);
}

static void tls_hold(struct http_connection *connection)
{
    struct http_thread *thread = connection->listener->thread;
    const bool writes = gnutls_record_get_direction(connection->tls.session);
    struct epoll_event event = {.events = writes ? EPOLLOUT : EPOLLIN, .data.ptr = connection};

    if (epoll_ctl(thread->greeting, EPOLL_CTL_ADD, connection->fd, &event)) {
        shutdown(connection->fd, SHUT_RDWR); /* the library notices */
        return;
    }
    MHD_suspend_connection(connection->mhd);
    connection->held = true;
    thread->suspended++;
    if (thread->handshakes.count > thread->source->context.config->http.tls.max_handshakes)
        tls_make_room(thread);
}

void http_tls_hold(struct http_thread *thread)
{
    struct http_connection *next = thread->greeted;

    thread->greeted = NULL; /* who is dropped meanwhile goes on in the next round */
    while (next) {
        struct http_connection *connection = next;
        next = connection->greeted_next;
        connection->greeted_next = NULL;
        if (!connection->tls.up)
            tls_hold(connection);
        else if (connection->state == HTTP_HANDSHAKE)
            http_connection_enter(connection, HTTP_FIRST_HEAD);
    }
}

void http_tls_give_up(struct http_thread *thread)
{
    while (thread->handshakes.oldest)
        http_tls_drop(tls_connection_of(thread->handshakes.oldest));
}
