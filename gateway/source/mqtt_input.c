/* mqtt_input: what comes from a connection, packet by packet, and those that have to wait; see mqtt_internal.h */
#include <errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "source/mqtt_internal.h"

#define INPUT_LAST_READS 64 /* of one that is taken over */
#define INPUT_COPY_MAX (16 << 10) /* a packet that is larger is read to where it stays */
#define INPUT_BELIEVED 4 /* the length that a packet claims is believed once so much of it, 1/n, has come */

void mqtt_input_unpause(struct mqtt_connection *connection)
{
    struct mqtt_thread *thread = connection->thread;
    struct mqtt_connection **link = &thread->paused_first;
    struct mqtt_connection *before = NULL;

    if (!connection->paused)
        return;
    while (*link != connection) {
        before = *link;
        link = &before->paused_next;
    }
    *link = connection->paused_next;
    if (thread->paused_last == connection)
        thread->paused_last = before;
    thread->paused_count--;
    connection->paused = false;
}

/* It is the next one's turn. */
static void input_unfavour(struct mqtt_connection *connection)
{
    struct mqtt_thread *thread = connection->thread;

    if (thread->favoured != connection)
        return;
    thread->favoured = NULL;
    thread->freed = true;
}

/* Of one that is not known yet: there may be a password in it. */
static void input_wipe(bool new, const char *data, size_t length)
{
    if (new &&length)
        explicit_bzero((void *)(uintptr_t)data, length);
}

void mqtt_input_drop(struct mqtt_connection *connection)
{
    input_wipe(connection->phase == MQTT_PHASE_NEW, connection->rest.data, connection->rest.length);
    connection->thread->held -= connection->rest.capacity;
    bytes_free(&connection->rest);
    connection->wanted = 0;
    input_unfavour(connection);
}

void mqtt_input_pause(struct mqtt_connection *connection)
{
    struct mqtt_thread *thread = connection->thread;

    if (connection->paused)
        return;
    connection->paused = true;
    connection->paused_next = NULL;
    if (thread->paused_last)
        thread->paused_last->paused_next = connection;
    else
        thread->paused_first = connection;
    thread->paused_last = connection;
    thread->paused_count++;
    mqtt_connection_watch(connection);
}

static bool input_is_crowded(const struct mqtt_connection *connection)
{
    const struct mqtt_thread *thread = connection->thread;

    return thread->held > thread->source->held_max && thread->favoured != connection;
}

bool mqtt_input_is_short(const struct mqtt_thread *thread)
{
    return thread->held > thread->source->held_max / 2;
}

bool mqtt_input_delays_others(const struct mqtt_connection *connection)
{
    const struct mqtt_thread *thread = connection->thread;
    const struct mqtt_connection *other = thread->paused_first;

    if (thread->favoured != connection || thread->held <= thread->source->held_max)
        return false;
    while (other && other->wanted <= MQTT_INPUT_CROWDED)
        other = other->paused_next;
    return other;
}

/* Nothing more of its packet is read: it is larger than what may be held when memory is short. */
static bool input_has_to_wait(const struct mqtt_connection *connection)
{
    return connection->wanted > MQTT_INPUT_CROWDED && input_is_crowded(connection);
}

/* The head of a packet at data: false: it cannot be taken now. */
static bool input_head(
    struct mqtt_connection *connection, struct slice data, struct mqtt_header *header, enum mqtt_taken *taken)
{
    const uint64_t max_packet = connection->thread->source->context.config->mqtt.max_packet;
    const bool first = connection->phase == MQTT_PHASE_NEW;
    const uint64_t most = first && max_packet > MQTT_CONNECT_MAX ? MQTT_CONNECT_MAX : max_packet;
    enum mqtt_reason reason;
    struct error error;

    *taken = MQTT_GONE;
    int found = mqtt_packet_header(connection->version, data.data, data.length, header, &reason, &error);
    if (found < 0) {
        mqtt_connection_end(connection, reason, error.text);
        return false;
    }
    if (found && header->length + header->size > most) {
        mqtt_connection_end(
            connection, MQTT_REASON_PACKET_TOO_LARGE, first ? "CONNECT" : "larger than mqtt.max_packet");
        return false;
    }
    if (found && data.length - header->size >= header->length)
        return true;
    *taken = MQTT_TAKEN;
    connection->wanted = found ? header->size + header->length : MQTT_HEADER_MAX;
    if (!connection->packet_since)
        connection->packet_since = connection->thread->now;
    return false;
}

/* Takes packets from the front; *consumed is how much of data they were. */
static enum mqtt_taken input_process(struct mqtt_connection *connection, struct slice data, size_t *consumed)
{
    enum mqtt_taken taken = MQTT_TAKEN;
    struct mqtt_header header;

    *consumed = 0;
    connection->wanted = 0;
    while (taken == MQTT_TAKEN && data.length) {
        if (connection->greeting.length || connection->output.length > MQTT_OUTPUT_PAUSE)
            return MQTT_LATER;
        if (!input_head(connection, data, &header, &taken))
            return taken;
        const struct slice body = {data.data + header.size, header.length};
        taken = mqtt_dispatch(connection, &header, body);
        if (taken != MQTT_TAKEN)
            return taken;
        connection->packet_since = 0;
        *consumed += header.size + header.length;
        data.data = body.data + body.length;
        data.length -= header.size + header.length;
    }
    return taken;
}

/* Keeps what was not taken. left may stand in rest already. */
static void input_keep(struct mqtt_connection *connection, struct slice left)
{
    struct mqtt_thread *thread = connection->thread;
    struct bytes *rest = &connection->rest;
    struct error error;

    if (left.length == 0) {
        mqtt_input_drop(connection);
        return;
    }
    if (rest->length && left.data >= rest->data && left.data < rest->data + rest->length) {
        memmove(rest->data, left.data, left.length);
        rest->length = left.length;
        return;
    }
    thread->held -= rest->capacity;
    bytes_clear(rest);
    int result = bytes_reserve_exact(rest, left.length, &error);
    thread->held += rest->capacity;
    if (result) {
        mqtt_connection_end(connection, MQTT_REASON_QUOTA, error.text);
        return;
    }
    memcpy(rest->data, left.data, left.length);
    rest->length = left.length;
}

/* false: it is no longer this thread's. */
static bool input_take(struct mqtt_connection *connection, struct slice data)
{
    struct mqtt_thread *thread = connection->thread;
    const bool new = connection->phase == MQTT_PHASE_NEW, copied = data.data == thread->input;
    size_t consumed;

    /* It stands in `data` as well, and by the end of this nobody knows any more that it was new. */
    if (copied)
        input_wipe(new, connection->rest.data, connection->rest.length);
    enum mqtt_taken taken = input_process(connection, data, &consumed);
    if (taken != MQTT_GONE) {
        if (consumed)
            input_unfavour(connection);
        input_keep(connection, (struct slice){data.data + consumed, data.length - consumed});
    }
    if (copied)
        input_wipe(new, data.data, data.length);
    if (taken == MQTT_GONE)
        return true;
    if (connection->phase >= MQTT_PHASE_LINGERING)
        return true;
    if (taken == MQTT_LATER) {
        connection->packet_since = 0;
        mqtt_input_pause(connection);
    }
    if (taken == MQTT_ELSEWHERE)
        mqtt_connection_move(connection, &thread->source->threads[thread->elsewhere]);
    return taken != MQTT_ELSEWHERE;
}

static ssize_t input_recv(struct mqtt_connection *connection, void *data, size_t size)
{
    return connection->tls ? mqtt_tls_receive(connection, data, size)
                           : recv(connection->fd, data, size, MSG_DONTWAIT);
}

/* A large packet, behind what has come of it. A few bytes that announce it must not take the room of all of it from others. */
static ssize_t input_receive_large(struct mqtt_connection *connection)
{
    struct mqtt_thread *thread = connection->thread;
    struct bytes *rest = &connection->rest;
    size_t room = connection->wanted - rest->length;
    struct error error;

    if (rest->length < connection->wanted / INPUT_BELIEVED) {
        const size_t step = rest->length > MQTT_INPUT ? rest->length : MQTT_INPUT;
        room = room < step ? room : step;
    }
    thread->held -= rest->capacity;
    int result = bytes_reserve_exact(rest, room, &error);
    thread->held += rest->capacity;
    if (result)
        return 0;
    ssize_t got = input_recv(connection, rest->data + rest->length, room);
    rest->length += got > 0 ? (size_t)got : 0;
    return got;
}

/* Returns what recv() does; what was read and what stood in rest is *ret_data. */
static ssize_t input_receive(struct mqtt_connection *connection, struct slice *ret_data)
{
    struct mqtt_thread *thread = connection->thread;
    struct bytes *rest = &connection->rest;
    ssize_t got;

    if (connection->wanted > INPUT_COPY_MAX && connection->wanted > rest->length) {
        got = input_receive_large(connection);
        *ret_data = bytes_slice(rest);
        return got;
    }
    /* A packet that it may hold although memory is short is smaller than that. */
    const size_t room = input_is_crowded(connection) ? MQTT_INPUT_CROWDED - rest->length : MQTT_INPUT;
    if (rest->length)
        memcpy(thread->input, rest->data, rest->length);
    got = input_recv(connection, thread->input + rest->length, room);
    *ret_data = (struct slice){thread->input, rest->length + (got > 0 ? (size_t)got : 0)};
    return got;
}

/* It is not listened to any more, but a reset would destroy what it has not read yet. */
static void input_linger(struct mqtt_connection *connection)
{
    ssize_t got = recv(connection->fd, connection->thread->input, MQTT_INPUT, MSG_DONTWAIT);

    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        mqtt_connection_close(connection);
}

void mqtt_input_read(struct mqtt_connection *connection)
{
    struct slice data;

    connection->heard_out = false;
    if (connection->phase == MQTT_PHASE_LINGERING) {
        input_linger(connection);
        return;
    }
    if (connection->rest.length && input_has_to_wait(connection)) {
        mqtt_input_pause(connection);
        if (!connection->thread->favoured)
            connection->thread->freed = true; /* its turn may be now */
        return;
    }
    ssize_t got = input_receive(connection, &data);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        mqtt_connection_end(connection, MQTT_REASON_SUCCESS, NULL);
        return;
    }
    if (connection->phase != MQTT_PHASE_NEW)
        connection->heard = connection->thread->now;
    input_take(connection, data);
}

/* ---- those that wait ---------------------------------------------------------------------------------------------- */

/* false: it is no longer this thread's. */
static bool input_retry(struct mqtt_connection *connection)
{
    struct mqtt_thread *thread = connection->thread;

    if (connection->phase != MQTT_PHASE_NEW)
        connection->heard = thread->now; /* what it said meanwhile was not looked at */
    if (input_has_to_wait(connection) && !thread->favoured) {
        thread->favoured = connection;
        thread->favoured_since = thread->now;
    }
    if (input_has_to_wait(connection))
        mqtt_input_pause(connection);
    else if (connection->rest.length && connection->wanted == 0)
        return input_take(connection, bytes_slice(&connection->rest));
    return true;
}

void mqtt_input_resume(struct mqtt_thread *thread)
{
    for (size_t left = thread->paused_count; left && thread->paused_first && !thread->full; left--) {
        struct mqtt_connection *connection = thread->paused_first;
        mqtt_input_unpause(connection);
        if (input_retry(connection) && connection->phase != MQTT_PHASE_CLOSED && !connection->paused)
            mqtt_connection_watch(connection);
    }
}

/* ---- those that are taken over -------------------------------------------------------------------------------------- */

void mqtt_input_call(struct mqtt_connection *connection)
{
    if (connection->called)
        return;
    connection->called = true;
    connection->call_next = connection->thread->calls;
    connection->thread->calls = connection;
}

static void input_hear_out(struct mqtt_connection *connection)
{
    int waiting = 0;

    connection->called = false;
    for (int i = 0; i < INPUT_LAST_READS && connection->phase == MQTT_PHASE_UP && !connection->paused; i++) {
        if ((ioctl(connection->fd, FIONREAD, &waiting) || waiting == 0) && !mqtt_tls_has_more(connection))
            break;
        mqtt_input_read(connection);
    }
    connection->heard_out = !connection->paused;
}

void mqtt_input_take_calls(struct mqtt_thread *thread)
{
    struct mqtt_connection *called = thread->calls;

    if (!called)
        return;
    thread->calls = NULL;
    while (called) {
        struct mqtt_connection *connection = called;
        called = connection->call_next;
        input_hear_out(connection);
    }
    mqtt_input_resume(thread);
}
