/* mqtt_tls: TLS in front of a connection's bytes; see mqtt_internal.h
 *
 * Sockets whose handshake is under way stand in an epoll of their own, of which each round takes MQTT_HANDSHAKES_STEP at most: a handshake is half a millisecond
 * of work, and who is connected waits no longer than for these, however many there are. With more than mqtt.tls.max_handshakes, the one that has
 * kept us waiting longest is ended.
 *
 * What GnuTLS has taken from the socket shows on no descriptor: a connection that may have such bytes is read again in the next round (`unread`).
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>

#include "base/log.h"
#include "source/mqtt_internal.h"

#define MQTT_HANDSHAKES_STEP 8
#define MQTT_HANDSHAKES_LOOK 16 /* for one that waits for its client, of the oldest ones */

struct mqtt_tls {
    struct tls_session session; /* first: it is found by it */
    struct mqtt_connection *connection;
    bool ended; /* nothing more can come; its reader is to learn it */
};

int mqtt_tls_open(struct mqtt_thread *thread, struct error *error)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &thread->greeting};

    if (!thread->source->context.mqtt_tls)
        return 0;
    thread->greeting = epoll_create1(EPOLL_CLOEXEC);
    if (thread->greeting < 0 || epoll_ctl(thread->epoll, EPOLL_CTL_ADD, thread->greeting, &event))
        return error_set_errno(error, ERROR_FATAL, "MQTT: epoll of handshakes");
    return 0;
}

/* Not one that has done its part and waits for its turn. */
static void tls_make_room(struct mqtt_thread *thread)
{
    struct tls_session *session = thread->handshakes.oldest;

    for (int i = 0; session && i < MQTT_HANDSHAKES_LOOK; i++, session = session->newer) {
        struct mqtt_connection *connection = ((struct mqtt_tls *)session)->connection;
        struct pollfd look = {.fd = connection->fd, .events = POLLIN};
        if (poll(&look, 1, 0) == 0) {
            mqtt_connection_end(connection, MQTT_REASON_SUCCESS, NULL);
            return;
        }
    }
}

int mqtt_tls_begin(struct mqtt_thread *thread, struct mqtt_connection *connection)
{
    const struct source_context *context = &thread->source->context;
    struct error error;

    if (!context->mqtt_tls)
        return 0;
    if (thread->handshakes.count >= context->config->mqtt.tls.max_handshakes)
        tls_make_room(thread);
    struct mqtt_tls *tls = calloc(1, sizeof *tls);
    if (!tls ||
        tls_session_open(&tls->session, context->mqtt_tls, connection->fd, &thread->handshakes, &error)) {
        free(tls);
        return -1;
    }
    tls->connection = connection;
    connection->tls = tls;
    return 0;
}

static bool tls_unlink(struct mqtt_connection **link, const struct mqtt_connection *connection)
{
    while (*link && *link != connection)
        link = &(*link)->unread_next;
    if (!*link)
        return false;
    *link = connection->unread_next;
    return true;
}

void mqtt_tls_forget_unread(struct mqtt_connection *connection)
{
    struct mqtt_thread *thread = connection->thread;

    if (!connection->unread)
        return;
    connection->unread = false;
    if (!tls_unlink(&thread->unread, connection))
        tls_unlink(&thread->reading, connection);
}

void mqtt_tls_end(struct mqtt_connection *connection)
{
    struct mqtt_tls *tls = connection->tls;

    if (!tls)
        return;
    mqtt_tls_forget_unread(connection);
    if (tls->session.refused)
        log_event(LOG_INFO, "mqtt.handshake", log_text("refused", tls->session.refused));
    tls_session_close(&tls->session);
    free(tls);
    connection->tls = NULL;
}

bool mqtt_tls_is_shaking(const struct mqtt_connection *connection)
{
    return connection->tls && !connection->tls->session.up;
}

/* From now on it is watched like any other. */
static int tls_welcome(struct mqtt_connection *connection)
{
    struct mqtt_thread *thread = connection->thread;
    struct epoll_event event = {.events = 0, .data.ptr = connection};

    epoll_ctl(thread->greeting, EPOLL_CTL_DEL, connection->fd, NULL);
    if (epoll_ctl(thread->epoll, EPOLL_CTL_ADD, connection->fd, &event))
        return -1;
    connection->watched = 0;
    mqtt_connection_watch(connection);
    return 0;
}

static void tls_shake(struct mqtt_connection *connection)
{
    struct mqtt_thread *thread = connection->thread;
    const enum tls_step step = tls_session_shake(&connection->tls->session);
    const uint32_t wanted = step == TLS_WRITES ? (uint32_t)EPOLLOUT : (uint32_t)EPOLLIN;
    struct epoll_event event = {.events = wanted, .data.ptr = connection};

    if (thread->handshakes.count > thread->source->context.config->mqtt.tls.max_handshakes)
        tls_make_room(thread);
    if (!connection->tls)
        return;
    if (step == TLS_FAILED || (step == TLS_UP && tls_welcome(connection)))
        mqtt_connection_end(connection, MQTT_REASON_SUCCESS, NULL);
    else if (step != TLS_UP && connection->watched != wanted &&
             epoll_ctl(thread->greeting, EPOLL_CTL_MOD, connection->fd, &event) == 0)
        connection->watched = wanted;
}

void mqtt_tls_go_on(struct mqtt_thread *thread)
{
    struct epoll_event events[MQTT_HANDSHAKES_STEP];
    int count = epoll_wait(thread->greeting, events, MQTT_HANDSHAKES_STEP, 0);

    for (int i = 0; i < count; i++) {
        struct mqtt_connection *connection = events[i].data.ptr;
        if (connection->tls) /* another one's need of room has not ended it */
            tls_shake(connection);
    }
}

void mqtt_tls_names(const struct mqtt_connection *connection, struct tls_names *ret_names)
{
    ret_names->used = ret_names->count = 0;
    ret_names->shown = false;
    if (connection->tls)
        tls_session_names(&connection->tls->session, ret_names);
}

bool mqtt_tls_has_ended(const struct mqtt_connection *connection)
{
    return connection->tls && tls_session_has_ended(&connection->tls->session);
}

bool mqtt_tls_has_more(const struct mqtt_connection *connection)
{
    const struct mqtt_tls *tls = connection->tls;

    return tls && tls->session.up && (tls->ended || tls_session_has_more(&tls->session));
}

void mqtt_tls_read_later(struct mqtt_connection *connection)
{
    if (connection->unread)
        return;
    connection->unread = true;
    connection->unread_next = connection->thread->unread;
    connection->thread->unread = connection;
}

void mqtt_tls_take_unread(struct mqtt_thread *thread)
{
    thread->reading = thread->unread;
    thread->unread = NULL;
    while (thread->reading) {
        struct mqtt_connection *connection = thread->reading;
        thread->reading = connection->unread_next;
        connection->unread = false;
        if (connection->watched & (uint32_t)EPOLLIN)
            mqtt_input_read(connection);
    }
}

/* Record after record, as long as there is room: each is small. */
ssize_t mqtt_tls_receive(struct mqtt_connection *connection, void *data, size_t size)
{
    struct mqtt_tls *tls = connection->tls;
    size_t got = 0;
    ssize_t more = 1;

    while (got < size && more > 0) {
        more = tls_session_receive(&tls->session, (char *)data + got, size - got);
        got += more > 0 ? (size_t)more : 0;
    }
    if (got == 0)
        return more;
    tls->ended = more == 0 || (more < 0 && errno != EAGAIN);
    if (mqtt_tls_has_more(connection))
        mqtt_tls_read_later(connection);
    return (ssize_t)got;
}

ssize_t mqtt_tls_send(struct mqtt_connection *connection, const void *data, size_t length)
{
    return tls_session_send(&connection->tls->session, data, length);
}

void mqtt_tls_bye(struct mqtt_connection *connection)
{
    if (connection->tls)
        tls_session_bye(&connection->tls->session);
}
