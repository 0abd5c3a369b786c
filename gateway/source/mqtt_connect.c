/* mqtt_connect: CONNECT and its answer; see mqtt_internal.h */
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "source/mqtt_internal.h"

#define CONNECT_ASSIGNED_MAX 32

/* The CONNACK says no, and that is the end. */
static enum mqtt_taken connect_refuse(
    struct mqtt_connection *connection, enum mqtt_reason reason, const char *text)
{
    const struct mqtt_connack connack = {.reason = reason, .text = mqtt_connection_text(connection, text)};
    struct error error;

    if (connection->version != MQTT_NONE)
        mqtt_write_connack(&connection->output, connection->version, &connack, &error);
    mqtt_connection_end(connection, reason, text);
    return MQTT_GONE;
}

uint32_t mqtt_connect_expiry(const struct source *mqtt, uint32_t wanted)
{
    const uint32_t most =
        (uint32_t)(routes_now(mqtt->context.routes)->limits.mqtt.max_session_expiry / CLOCK_SECOND);

    return wanted < most ? wanted : most;
}

/* Of a client that names none: one that belongs to this thread, so that the connection can stay. */
static struct slice connect_assign(struct mqtt_connection *connection, char text[static MQTT_SESSION_ID_MAX])
{
    const struct mqtt_thread *thread = connection->thread;
    char client_id[CONNECT_ASSIGNED_MAX];
    struct slice session_id;
    uint64_t number;

    do {
        if (getrandom(&number, sizeof number, 0) != sizeof number)
            number = (uint64_t)thread->now;
        const int length =
            snprintf(client_id, sizeof client_id, "penstock-%016llx", (unsigned long long)number);
        session_id = mqtt_access_session(connection, (struct slice){client_id, (size_t)length}, text);
    } while (mqtt_session_owner(session_id, thread->source->threads_count) != thread->index);
    return session_id;
}

static struct slice connect_session(struct mqtt_connection *connection, const struct mqtt_connect *connect,
    char text[static MQTT_SESSION_ID_MAX])
{
    return connect->client_id.length ? mqtt_access_session(connection, connect->client_id, text)
                                     : connect_assign(connection, text);
}

/* What the packet asks for that cannot be had. */
static enum mqtt_reason connect_check(
    struct mqtt_thread *thread, const struct mqtt_connect *connect, size_t length, const char **ret_text)
{
    *ret_text = "";
    if (connect->has_authentication) {
        *ret_text = "enhanced authentication is not known here";
        return MQTT_REASON_AUTHENTICATION_METHOD;
    }
    if (connect->client_id.length > MQTT_CLIENT_ID_MAX) {
        *ret_text = "a client id has at most 256 bytes";
        return MQTT_REASON_CLIENT_ID;
    }
    if (connect->has_will && thread->wills_held + mqtt_will_size(length) > thread->source->held_max) {
        *ret_text = "there is no room for more wills";
        return MQTT_REASON_QUOTA;
    }
    if (connect->has_will && thread->source->refuse_unmapped &&
        !topic_map_match(
            routes_now(thread->source->context.routes)->topics, connect->will.topic, &thread->match)) {
        *ret_text = "no pattern of mqtt.topics matches the will's topic";
        return MQTT_REASON_TOPIC_NAME;
    }
    return MQTT_REASON_SUCCESS;
}

/* What is kept of the packet as long as the connection stands. */
static int connect_keep(struct mqtt_connection *connection, const struct mqtt_connect *connect,
    struct slice body, struct error *error)
{
    const size_t user = connect->user.length < MQTT_USER_MAX ? connect->user.length : MQTT_USER_MAX;

    if (connect->has_will && mqtt_will_keep(connection, body, error))
        return -1;
    if (user == 0)
        return 0;
    connection->user = malloc(user);
    if (!connection->user)
        return error_set(error, ERROR_RETRY, "out of memory");
    memcpy(connection->user, connect->user.data, user);
    connection->user_length = user;
    return 0;
}

static uint16_t connect_keep_alive(const struct source *mqtt, const struct mqtt_connect *connect)
{
    const uint64_t most =
        (uint64_t)(routes_now(mqtt->context.routes)->limits.mqtt.max_keep_alive / CLOCK_SECOND);

    /* Before MQTT 5 a client cannot be told another one. */
    if (connect->version != MQTT_5 || (connect->keep_alive && connect->keep_alive <= most))
        return connect->keep_alive;
    return (uint16_t)most;
}

static int connect_greet(struct mqtt_connection *connection, const struct mqtt_connect *connect,
    struct slice session_id, bool present, struct error *error)
{
    const struct source *mqtt = connection->thread->source;
    const struct config *config = mqtt->context.config;
    const struct mqtt_connack connack = {
        .session_present = present,
        .reason = MQTT_REASON_SUCCESS,
        .receive_maximum = (uint16_t)config->mqtt.max_in_flight,
        .packet_maximum = (uint32_t)config->mqtt.max_packet,
        .alias_maximum = (uint16_t)config->mqtt.max_topic_aliases,
        .has_expiry = connection->session->expiry != connect->session_expiry,
        .session_expiry = connection->session->expiry,
        .has_keep_alive = connection->keep_alive != connect->keep_alive,
        .keep_alive = connection->keep_alive,
        .client_id = connect->client_id.length ? (struct slice){NULL, 0}
                                               : (struct slice){session_id.data + connection->scope,
                                                     session_id.length - connection->scope},
    };

    if (mqtt_write_connack(&connection->greeting, connection->version, &connack, error))
        return -1;
    if (connection->greeting.length > connection->packet_maximum)
        return error_set(error, ERROR_REJECT, "the client takes no packet as large as a CONNACK");
    return 0;
}

void mqtt_connect_answer(struct mqtt_connection *connection)
{
    struct error error;

    if (bytes_add(&connection->output, connection->greeting.data, connection->greeting.length, &error)) {
        mqtt_connection_end(connection, MQTT_REASON_QUOTA, error.text);
        return;
    }
    bytes_free(&connection->greeting);
    mqtt_connection_flush_later(connection);
}

/* A client may publish, say good-bye and be back before any of that is read: it must not cost it its messages, nor leave its will. But it
 * does not wait for long, as when the journal is full. */
static bool connect_waits(struct mqtt_connection *connection, struct mqtt_connection *before)
{
    const int64_t now = connection->thread->now;

    if (!connection->until)
        connection->until = now + MQTT_TAKE_OVER_PATIENCE;
    if (before->phase != MQTT_PHASE_UP || before->heard_out || now >= connection->until)
        return false;
    mqtt_input_call(before);
    return true;
}

/* The answer to a new session waits for a commit when one of the same client may not be durably gone: should that be undone by a crash, its
 * packet ids would come back, and a new message that uses one again would be taken for the old one. */
static bool connect_drops(const struct mqtt_thread *thread, const struct mqtt_session *before)
{
    return (before && before->durable) || mqtt_sessions_dirty(thread->sessions) ||
           (thread->sent_state != MQTT_BATCH_IDLE && thread->sent->handover.has_state);
}

static enum mqtt_taken connect_open(
    struct mqtt_connection *connection, struct slice body, struct slice session_id)
{
    struct mqtt_thread *thread = connection->thread;
    const struct mqtt_connect *connect = &thread->connect;
    struct mqtt_session *before = mqtt_session_find(thread->sessions, session_id);
    struct error error;

    if (before && before->connection && connect_waits(connection, before->connection)) {
        connection->version = MQTT_NONE; /* the packet comes again */
        return MQTT_LATER;
    }
    if (before && before->connection)
        mqtt_connection_end(before->connection, MQTT_REASON_TAKEN_OVER, "the client connected again");
    mqtt_will_return(thread, session_id, connect->clean);
    before = mqtt_session_find(thread->sessions, session_id);
    bool drops = connect_drops(thread, before);
    switch (mqtt_session_open(thread->sessions, session_id, connect->clean,
        mqtt_connect_expiry(thread->source, connect->session_expiry), connection, &connection->session)) {
    case MQTT_SESSION_NEW:
        before = NULL;
        break;
    case MQTT_SESSION_PRESENT:
        drops = false;
        break;
    case MQTT_SESSION_NO_ROOM:
        return connect_refuse(
            connection, MQTT_REASON_QUOTA, "mqtt.max_sessions, or what the journal keeps of them");
    case MQTT_SESSION_FAILED:
        return connect_refuse(connection, MQTT_REASON_UNAVAILABLE, "out of memory");
    }
    mqtt_connection_welcome(connection);
    if (connect_keep(connection, connect, body, &error) ||
        connect_greet(connection, connect, session_id, before != NULL, &error) ||
        (drops && !mqtt_batch_answer(connection, MQTT_CONNACK, 0, MQTT_REASON_SUCCESS))) {
        mqtt_will_drop(connection); /* it was never here */
        bytes_free(&connection->greeting);
        connection->phase = MQTT_PHASE_NEW; /* nothing follows a CONNACK that refuses */
        return connect_refuse(connection, MQTT_REASON_UNAVAILABLE, "out of memory");
    }
    if (!drops)
        mqtt_connect_answer(connection);
    return MQTT_TAKEN;
}

enum mqtt_taken mqtt_connect_take(struct mqtt_connection *connection, struct slice body)
{
    struct mqtt_thread *thread = connection->thread;
    struct mqtt_connect *connect = &thread->connect;
    char session_text[MQTT_SESSION_ID_MAX];
    enum mqtt_reason reason;
    struct error error;
    const char *text;

    if (mqtt_packet_connect(body, connect, &reason, &error)) {
        connection->version = mqtt_packet_version(body);
        return connect_refuse(connection, reason, error.text);
    }
    connection->problem_information = connect->problem_information;
    connection->packet_maximum = connect->packet_maximum;
    connection->version = connect->version;
    reason = mqtt_access_check(connection, connect, &text);
    if (connection->verification) {
        connection->version = MQTT_NONE; /* the packet comes again */
        return MQTT_LATER;
    }
    if (reason == MQTT_REASON_SUCCESS && connect->has_will && mqtt_rate_wait(connection)) {
        text = "no will is taken of who is ahead of its rate";
        reason = MQTT_REASON_QUOTA;
    }
    if (reason == MQTT_REASON_SUCCESS)
        reason = connect_check(thread, connect, body.length, &text);
    if (reason != MQTT_REASON_SUCCESS)
        return connect_refuse(connection, reason, text);
    const struct slice session_id = connect_session(connection, connect, session_text);
    connection->version = MQTT_NONE; /* the packet may come again */
    thread->elsewhere = mqtt_session_owner(session_id, thread->source->threads_count);
    if (thread->elsewhere != thread->index)
        return MQTT_ELSEWHERE; /* at once: nothing of it may wait here */
    if (thread->filling->answers_count >= MQTT_ANSWERS_MAX)
        return MQTT_LATER;
    connection->version = connect->version;
    connection->keep_alive = connect_keep_alive(thread->source, connect);
    return connect_open(connection, body, session_id);
}
