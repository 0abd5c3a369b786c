/* mqtt_connection: sockets, their bytes and deadlines; see mqtt_internal.h */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/log.h"
#include "source/mqtt_internal.h"

#define CONNECTION_TEXT_AROUND 64 /* bytes of a packet besides its reason string, at most */
#define CONNECTION_OUTPUT_KEPT 4096 /* capacity that an idle one keeps */

static int connection_epoll(const struct mqtt_connection *connection)
{
    const struct mqtt_thread *thread = connection->thread;

    return mqtt_tls_is_shaking(connection) ? thread->greeting : thread->epoll;
}

void mqtt_connection_watch(struct mqtt_connection *connection)
{
    const bool reads = connection->phase != MQTT_PHASE_CONDEMNED && !connection->paused &&
                       (connection->phase == MQTT_PHASE_LINGERING || !connection->thread->draining);
    const uint32_t wanted = (reads ? (uint32_t)EPOLLIN : 0) |
                            (connection->output_since ? (uint32_t)EPOLLOUT : 0) |
                            /* Who has gone needs no look at its password. */
                            (connection->verification ? (uint32_t)EPOLLRDHUP : 0);
    struct epoll_event event = {.events = wanted, .data.ptr = connection};

    if (reads && mqtt_tls_has_more(connection))
        mqtt_tls_read_later(connection);
    if (connection->watched == wanted)
        return;
    if (epoll_ctl(connection_epoll(connection), EPOLL_CTL_MOD, connection->fd, &event) == 0)
        connection->watched = wanted;
}

/* ---- coming and going ------------------------------------------------------------------------------------------- */

static void connection_link(struct mqtt_thread *thread, struct mqtt_connection *connection)
{
    connection->thread = thread;
    connection->previous = NULL;
    connection->next = thread->connections;
    if (thread->connections)
        thread->connections->previous = connection;
    thread->connections = connection;
    thread->connections_count++;
}

static void connection_unlink(struct mqtt_connection *connection)
{
    struct mqtt_thread *thread = connection->thread;

    if (connection->next)
        connection->next->previous = connection->previous;
    if (connection->previous)
        connection->previous->next = connection->next;
    else
        thread->connections = connection->next;
    thread->connections_count--;
}

static int connection_add(struct mqtt_thread *thread, struct mqtt_connection *connection)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};

    connection->thread = thread;
    if (epoll_ctl(connection_epoll(connection), EPOLL_CTL_ADD, connection->fd, &event))
        return -1;
    connection->watched = EPOLLIN;
    connection_link(thread, connection);
    return 0;
}

static void connection_leave_new(struct mqtt_connection *connection)
{
    peers_leave(connection->thread->source->peers, connection->peer);
    connection->peer = NULL;
}

void mqtt_connection_welcome(struct mqtt_connection *connection)
{
    connection->phase = MQTT_PHASE_UP;
    connection->heard = connection->thread->now;
    connection_leave_new(connection);
}

static void connection_free(struct mqtt_connection *connection)
{
    connection_leave_new(connection);
    mqtt_tls_end(connection);
    bytes_free(&connection->rest);
    bytes_free(&connection->output);
    bytes_free(&connection->greeting);
    bytes_free(&connection->will);
    grant_end(&connection->grant);
    free(connection->user);
    free(connection);
}

/* NULL: its address has as many as it may, or memory is gone. */
static struct mqtt_connection *connection_new(struct mqtt_thread *thread, const struct sockaddr *address)
{
    struct source *mqtt = thread->source;
    struct peer *peer;

    if (!peers_enter(mqtt->peers, address, &peer)) {
        metric_add(mqtt->refused[MQTT_REASON_QUOTA], 1);
        log_event(LOG_WARN, "mqtt.full",
            log_text("text", "an address has mqtt.max_new_per_address connections without a CONNECT"));
        return NULL;
    }
    struct mqtt_connection *connection = calloc(1, sizeof *connection);
    if (!connection) {
        peers_leave(mqtt->peers, peer);
        return NULL;
    }
    connection->thread = thread;
    connection->peer = peer;
    return connection;
}

void mqtt_connection_open(struct mqtt_thread *thread, int fd, const struct sockaddr *address)
{
    const struct config *config = thread->source->context.config;
    struct mqtt_connection *connection = connection_new(thread, address);

    if (!connection) {
        close(fd);
        return;
    }
    connection->fd = fd;
    connection->heard = thread->now;
    connection->address = rate_peer(access_rates(thread->source->context.access), fd);
    connection->packet_maximum = UINT32_MAX;
    bytes_init(&connection->rest, config->mqtt.max_packet + MQTT_HEADER_MAX + MQTT_INPUT);
    bytes_init(&connection->output, MQTT_OUTPUT_MAX);
    bytes_init(&connection->greeting, MQTT_OUTPUT_MAX);
    bytes_init(&connection->will, MQTT_CONNECT_MAX);
    atomic_fetch_add(&thread->source->connections, 1);
    if (mqtt_tls_begin(thread, connection) == 0 && connection_add(thread, connection) == 0)
        return;
    atomic_fetch_sub(&thread->source->connections, 1);
    close(fd);
    connection_free(connection);
}

static void connection_die(struct mqtt_connection *connection)
{
    connection->dead = true;
    connection->dead_next = connection->thread->dead;
    connection->thread->dead = connection;
}

void mqtt_connection_close(struct mqtt_connection *connection)
{
    connection_leave_new(connection);
    mqtt_input_unpause(connection);
    mqtt_input_drop(connection);
    mqtt_tls_end(connection);
    fd_close(&connection->fd);
    connection_unlink(connection);
    atomic_fetch_sub(&connection->thread->source->connections, 1);
    connection->phase = MQTT_PHASE_CLOSED;
    if (connection->answers == 0)
        connection_die(connection);
}

void mqtt_connection_answered(struct mqtt_connection *connection)
{
    assert(connection->answers);
    connection->answers--;
    if (connection->answers == 0 && connection->phase == MQTT_PHASE_CLOSED)
        connection_die(connection);
}

void mqtt_connection_bury_dead(struct mqtt_thread *thread)
{
    assert(!thread->flush);
    for (struct mqtt_connection **link = &thread->calls; *link;) {
        if ((*link)->dead)
            *link = (*link)->call_next;
        else
            link = &(*link)->call_next;
    }
    while (thread->dead) {
        struct mqtt_connection *connection = thread->dead;
        thread->dead = connection->dead_next;
        connection_free(connection);
    }
}

/* The session lives on, or ends; the will is left. */
static void connection_detach(struct mqtt_connection *connection)
{
    struct mqtt_thread *thread = connection->thread;
    struct mqtt_session *session = connection->session;

    if (connection->will.length && !thread->draining)
        mqtt_will_leave(connection);
    mqtt_will_drop(connection);
    mqtt_access_forget(connection);
    mqtt_publish_free_aliases(connection);
    connection->session = NULL;
    if (session)
        mqtt_session_end(thread->sessions, session);
}

/* The client may not want it, or take no packet that is so large (3.1.2.11.4, 3.1.2.11.7). */
const char *mqtt_connection_text(const struct mqtt_connection *connection, const char *text)
{
    return connection->problem_information && text &&
                   strlen(text) + CONNECTION_TEXT_AROUND <= connection->packet_maximum
               ? text
               : NULL;
}

/* Says it, if there is somebody to be told; false: it could not be said. */
static bool connection_say_why(struct mqtt_connection *connection, enum mqtt_reason reason, const char *text)
{
    struct error error;

    if (reason == MQTT_REASON_SUCCESS)
        return false;
    if (connection->phase == MQTT_PHASE_UP && connection->version == MQTT_5 &&
        connection->greeting.length == 0 &&
        mqtt_write_disconnect(&connection->output, reason, mqtt_connection_text(connection, text), &error))
        return false;
    mqtt_connection_flush(connection);
    return connection->phase != MQTT_PHASE_CLOSED && connection->output.length == 0;
}

void mqtt_connection_end(struct mqtt_connection *connection, enum mqtt_reason reason, const char *text)
{
    struct mqtt_thread *thread = connection->thread;
    const struct mqtt_session *session = connection->session;

    if (connection->phase >= MQTT_PHASE_LINGERING)
        return;
    if (reason != MQTT_REASON_SUCCESS && !thread->draining) {
        metric_add(thread->source->refused[reason], 1);
        log_event(LOG_INFO, "mqtt.end",
            log_bytes("client", session ? session->client_id : "", session ? session->client_id_length : 0),
            log_text("reason", mqtt_reason_name(reason)), log_text("text", text));
    }
    const bool said = !mqtt_tls_is_shaking(connection) && connection_say_why(connection, reason, text);
    if (connection->phase == MQTT_PHASE_CLOSED)
        return;
    connection_detach(connection);
    mqtt_tls_bye(connection);
    if (!said || shutdown(connection->fd, SHUT_WR)) {
        mqtt_connection_close(connection);
        return;
    }
    mqtt_input_unpause(connection);
    mqtt_input_drop(connection);
    connection->phase = MQTT_PHASE_LINGERING;
    connection->until = thread->now + MQTT_LINGER;
    mqtt_connection_watch(connection);
}

void mqtt_connection_condemn(struct mqtt_connection *connection, enum mqtt_reason reason)
{
    log_event(LOG_INFO, "mqtt.refuse",
        log_bytes("client", connection->session->client_id, connection->session->client_id_length),
        log_text("reason", mqtt_reason_name(reason)));
    mqtt_input_unpause(connection);
    mqtt_input_drop(connection);
    connection->phase = MQTT_PHASE_CONDEMNED;
    connection->until = connection->thread->now + MQTT_REFUSAL_PAUSE;
    mqtt_connection_watch(connection);
}

void mqtt_connection_end_all(struct mqtt_thread *thread)
{
    struct mqtt_connection *next;

    for (struct mqtt_connection *connection = thread->connections; connection; connection = next) {
        next = connection->next;
        mqtt_connection_end(connection, MQTT_REASON_SHUTTING_DOWN, "the gateway stops");
    }
}

void mqtt_connection_quiesce(struct mqtt_thread *thread)
{
    for (struct mqtt_connection *connection = thread->connections; connection; connection = connection->next)
        mqtt_connection_watch(connection);
}

void mqtt_connection_free_all(struct mqtt_thread *thread)
{
    struct mqtt_connection *next;

    mqtt_connection_take_arrivals(thread);
    mqtt_batch_forget_answers(thread);
    for (struct mqtt_connection *connection = thread->connections; connection; connection = next) {
        next = connection->next;
        if (connection->phase < MQTT_PHASE_LINGERING)
            connection_detach(connection);
        mqtt_connection_close(connection);
    }
    thread->flush = thread->calls = NULL;
    mqtt_connection_bury_dead(thread);
}

/* ---- to another thread ---------------------------------------------------------------------------------------- */

void mqtt_connection_move(struct mqtt_connection *connection, struct mqtt_thread *to)
{
    struct mqtt_thread *from = connection->thread;

    assert(!connection->session && !connection->answers && !connection->paused && !connection->verification);
    epoll_ctl(from->epoll, EPOLL_CTL_DEL, connection->fd, NULL);
    mqtt_tls_forget_unread(connection);
    from->held -= connection->rest.capacity;
    if (from->favoured == connection)
        from->favoured = NULL;
    connection_unlink(connection);
    pthread_mutex_lock(&to->arrivals_lock);
    connection->next = to->arrivals;
    to->arrivals = connection;
    pthread_mutex_unlock(&to->arrivals_lock);
    mqtt_loop_wake(to);
}

void mqtt_connection_take_arrivals(struct mqtt_thread *thread)
{
    if (thread->source->threads_count == 1)
        return;
    pthread_mutex_lock(&thread->arrivals_lock);
    struct mqtt_connection *arrived = thread->arrivals;
    thread->arrivals = NULL;
    pthread_mutex_unlock(&thread->arrivals_lock);
    while (arrived) {
        struct mqtt_connection *connection = arrived;
        arrived = arrived->next;
        connection->thread = thread;
        if (connection_add(thread, connection)) {
            atomic_fetch_sub(&thread->source->connections, 1);
            close(connection->fd);
            connection_free(connection);
            continue;
        }
        thread->held += connection->rest.capacity;
        mqtt_input_pause(connection); /* its CONNECT stands in its rest */
        thread->freed = true;
    }
}

/* ---- writing ---------------------------------------------------------------------------------------------------- */

void mqtt_connection_flush(struct mqtt_connection *connection)
{
    struct bytes *output = &connection->output;

    if (connection->phase == MQTT_PHASE_CLOSED || output->length == 0)
        return;
    ssize_t sent = connection->tls
                       ? mqtt_tls_send(connection, output->data, output->length)
                       : send(connection->fd, output->data, output->length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        bytes_clear(output);
        mqtt_connection_end(connection, MQTT_REASON_SUCCESS, NULL);
        return;
    }
    if (sent > 0) {
        output->length -= (size_t)sent;
        memmove(output->data, output->data + sent, output->length);
        connection->output_since = 0;
    }
    if (output->length && !connection->output_since)
        connection->output_since = connection->thread->now;
    if (output->length == 0 && connection->paused)
        connection->thread->freed = true;
    if (output->length == 0 && output->capacity > CONNECTION_OUTPUT_KEPT)
        bytes_free(output);
    mqtt_connection_watch(connection);
}

void mqtt_connection_flush_later(struct mqtt_connection *connection)
{
    if (connection->to_flush)
        return;
    connection->to_flush = true;
    connection->flush_next = connection->thread->flush;
    connection->thread->flush = connection;
}

/* ---- deadlines ------------------------------------------------------------------------------------------------------ */

static bool connection_delays_others(const struct mqtt_connection *connection)
{
    const struct mqtt_thread *thread = connection->thread;
    const int64_t most = MQTT_FAVOUR_PATIENCE + connection->wanted * CLOCK_SECOND / MQTT_FAVOUR_RATE;

    return thread->favoured == connection && !connection->paused &&
           thread->now - thread->favoured_since > most;
}

static void connection_look_at(struct mqtt_connection *connection)
{
    const struct config *config = &routes_now(connection->thread->source->context.routes)->limits;
    const int64_t now = connection->thread->now;
    const int64_t silent = now - connection->heard;

    /* While the journal takes nothing it is not their fault that nobody reads the rest of their packets. */
    if (connection->paused && connection->packet_since &&
        connection->thread->sent_state == MQTT_BATCH_WAITING)
        connection->packet_since = now;
    if (connection->phase >= MQTT_PHASE_CONDEMNED) {
        if (now >= connection->until && connection->phase == MQTT_PHASE_CONDEMNED)
            connection_detach(connection);
        if (now >= connection->until)
            mqtt_connection_close(connection);
    } else if (!mqtt_access_stands(connection) || mqtt_tls_has_ended(connection)) {
        mqtt_will_drop(connection);
        mqtt_connection_end(connection, MQTT_REASON_NOT_AUTHORIZED,
            mqtt_tls_has_ended(connection) ? "its certificate has expired"
                                           : "its credentials are not in force any more");
    } else if (connection->output_since && now - connection->output_since > config->mqtt.packet_timeout) {
        mqtt_connection_end(connection, MQTT_REASON_SUCCESS, NULL);
    } else if (connection->packet_since && now - connection->packet_since > config->mqtt.packet_timeout) {
        mqtt_connection_end(
            connection, MQTT_REASON_UNSPECIFIED, "a packet was not whole within mqtt.packet_timeout");
    } else if (connection_delays_others(connection)) {
        mqtt_connection_end(
            connection, MQTT_REASON_QUOTA, "memory is short, and others wait until its packet is whole");
    } else if (connection->phase == MQTT_PHASE_NEW && !connection->verification &&
               silent > config->mqtt.connect_timeout) {
        mqtt_connection_end(connection, MQTT_REASON_SUCCESS, NULL);
    } else if (connection->phase == MQTT_PHASE_UP && connection->keep_alive && !connection->paused &&
               silent > connection->keep_alive * CLOCK_SECOND * 3 / 2) {
        mqtt_connection_end(connection, MQTT_REASON_KEEP_ALIVE, "nothing came for 1.5 times the keep alive");
    }
}

void mqtt_connection_sweep(struct mqtt_thread *thread)
{
    struct mqtt_connection *next;

    if (thread->held <= thread->source->held_max)
        thread->favoured = NULL;
    for (struct mqtt_connection *connection = thread->connections; connection; connection = next) {
        next = connection->next;
        connection_look_at(connection);
    }
}
