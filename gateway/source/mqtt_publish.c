/* mqtt_publish: messages and their acknowledgements; see mqtt_internal.h */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "source/mqtt_internal.h"

/* ---- topic aliases (3.3.2.3.4) --------------------------------------------------------------------------------- */

void mqtt_publish_free_aliases(struct mqtt_connection *connection)
{
    const uint64_t most = connection->thread->source->context.config->mqtt.max_topic_aliases;

    for (size_t i = 0; connection->aliases && i < most; i++) {
        connection->thread->aliases_held -= connection->aliases[i].length;
        free(connection->aliases[i].topic);
    }
    free(connection->aliases);
    connection->aliases = NULL;
}

static enum mqtt_reason alias_set(
    struct mqtt_connection *connection, struct mqtt_alias *alias, struct slice topic)
{
    struct mqtt_thread *thread = connection->thread;

    if (alias->length == topic.length && memcmp(alias->topic, topic.data, topic.length) == 0)
        return MQTT_REASON_SUCCESS;
    if (topic.length > MQTT_ALIAS_TOPIC_MAX || thread->aliases_held + topic.length > thread->source->held_max)
        return MQTT_REASON_QUOTA;
    char *copy = malloc(topic.length);
    if (!copy)
        return MQTT_REASON_QUOTA;
    memcpy(copy, topic.data, topic.length);
    thread->aliases_held += topic.length - alias->length;
    free(alias->topic);
    *alias = (struct mqtt_alias){copy, topic.length};
    return MQTT_REASON_SUCCESS;
}

/* The topic that is meant: the packet's own, or the one that its alias stands for. */
static enum mqtt_reason alias_resolve(
    struct mqtt_connection *connection, const struct mqtt_publish *publish, struct slice *ret_topic)
{
    const uint64_t most = connection->thread->source->context.config->mqtt.max_topic_aliases;
    const uint16_t number = publish->properties.alias;

    *ret_topic = publish->topic;
    if (number == 0)
        return MQTT_REASON_SUCCESS;
    if (number > most)
        return MQTT_REASON_TOPIC_ALIAS;
    if (!connection->aliases)
        connection->aliases = calloc(most, sizeof *connection->aliases);
    if (!connection->aliases)
        return MQTT_REASON_QUOTA;
    struct mqtt_alias *alias = &connection->aliases[number - 1];
    if (publish->topic.length)
        return alias_set(connection, alias, publish->topic);
    if (!alias->topic)
        return MQTT_REASON_TOPIC_ALIAS;
    *ret_topic = (struct slice){alias->topic, alias->length};
    return MQTT_REASON_SUCCESS;
}

/* ---- a message ---------------------------------------------------------------------------------------------------- */

static enum mqtt_type publish_answer_type(const struct mqtt_publish *publish)
{
    return publish->qos == 1 ? MQTT_PUBACK : MQTT_PUBREC;
}

static enum mqtt_taken publish_end(
    struct mqtt_connection *connection, enum mqtt_reason reason, const char *text)
{
    mqtt_connection_end(connection, reason, text);
    return MQTT_GONE;
}

enum mqtt_taken mqtt_publish_refuse(
    struct mqtt_connection *connection, const struct mqtt_publish *publish, enum mqtt_reason reason)
{
    metric_add(connection->thread->source->refused[reason], 1);
    if (publish->qos == 0)
        return MQTT_TAKEN;
    if (connection->version != MQTT_5) {
        mqtt_connection_condemn(connection, reason);
        return MQTT_GONE;
    }
    if (!mqtt_batch_answer(connection, publish_answer_type(publish), publish->id, reason))
        return MQTT_LATER;
    connection->quota++;
    return MQTT_TAKEN;
}

static enum mqtt_taken publish_store(
    struct mqtt_connection *connection, const struct mqtt_publish *publish, bool *ret_stored)
{
    enum mqtt_reason reason = MQTT_REASON_SUCCESS;
    const char *text = "out of memory";

    *ret_stored = false;
    switch (mqtt_store(connection->thread, &reason)) {
    case MQTT_STORED:
        *ret_stored = true;
        mqtt_rate_charge(connection->thread, &connection->grant, connection->address);
        return MQTT_TAKEN;
    case MQTT_NO_ROOM:
        return MQTT_LATER;
    case MQTT_AHEAD:
        connection->rate_until = connection->thread->now + connection->thread->taken.wait;
        if (connection->thread->taken.wait > MQTT_RATE_PATIENCE)
            mqtt_rate_charge(connection->thread, &connection->grant, connection->address);
        return mqtt_rate_later(connection, publish, connection->thread->taken.wait);
    case MQTT_SUSPENDED:
        if (!mqtt_input_delays_others(connection))
            return MQTT_LATER;
        text = "its stream takes nothing at the moment, and others wait for memory";
        break;
    case MQTT_REFUSED:
        mqtt_rate_charge(connection->thread, &connection->grant, connection->address);
        return mqtt_publish_refuse(connection, publish, reason);
    case MQTT_FAILED:
        break;
    }
    if (publish->qos ==
        2) /* while its session is there: the id must not outlive a message that is not stored */
        mqtt_session_release(connection->thread->sessions, connection->session, publish->id);
    return publish_end(connection, MQTT_REASON_QUOTA, text);
}

/* QoS 2: its id is taken with its record, in one hand-over; while it is, the same id is the same message (4.3.3). */
static enum mqtt_taken publish_store_once(
    struct mqtt_connection *connection, const struct mqtt_publish *publish, bool *ret_stored)
{
    struct mqtt_sessions *sessions = connection->thread->sessions;

    *ret_stored = true;
    switch (mqtt_session_take(sessions, connection->session, publish->id)) {
    case MQTT_PACKET_KNOWN:
        return MQTT_TAKEN;
    case MQTT_PACKET_NO_ROOM:
        *ret_stored = false;
        return mqtt_publish_refuse(connection, publish, MQTT_REASON_QUOTA);
    case MQTT_PACKET_NEW:
        break;
    }
    enum mqtt_taken taken = publish_store(connection, publish, ret_stored);
    if (!*ret_stored && connection->session)
        mqtt_session_release(sessions, connection->session, publish->id);
    return taken;
}

/* MQTT 5 clients keep to their Receive Maximum by themselves, or are told off. */
static bool publish_has_room(const struct mqtt_connection *connection)
{
    const struct mqtt_thread *thread = connection->thread;

    return !thread->full && thread->filling->answers_count < MQTT_ANSWERS_MAX &&
           (connection->version == MQTT_5 ||
               connection->answers < thread->source->context.config->mqtt.max_in_flight);
}

static void publish_describe(struct mqtt_connection *connection, struct slice topic)
{
    struct mqtt_facts *facts = &connection->thread->facts;

    facts->publish = &connection->thread->publish;
    facts->topic = topic;
    facts->client_id = (struct slice){connection->session->client_id + connection->scope,
        connection->session->client_id_length - connection->scope};
    facts->user = (struct slice){connection->user, connection->user_length};
    facts->will = false;
    facts->grant = &connection->grant;
}

enum mqtt_taken mqtt_publish_take(struct mqtt_connection *connection, uint8_t flags, struct slice body)
{
    struct mqtt_publish *publish = &connection->thread->publish;
    enum mqtt_reason reason;
    struct slice topic;
    struct error error;
    bool stored;

    if (!publish_has_room(connection))
        return MQTT_LATER;
    if (mqtt_packet_publish(connection->version, flags, body, publish, &reason, &error))
        return publish_end(connection, reason, error.text);
    if (connection->version == MQTT_5 && publish->qos &&
        connection->quota >= connection->thread->source->context.config->mqtt.max_in_flight)
        return publish_end(
            connection, MQTT_REASON_RECEIVE_MAXIMUM, "more messages at once than CONNACK allowed");
    reason = alias_resolve(connection, publish, &topic);
    if (reason != MQTT_REASON_SUCCESS)
        return publish_end(connection, reason, "topic alias");
    const int64_t wait = mqtt_rate_wait(connection);
    if (wait)
        return mqtt_rate_later(connection, publish, wait);
    publish_describe(connection, topic);
    enum mqtt_taken taken = publish->qos == 2 ? publish_store_once(connection, publish, &stored)
                                              : publish_store(connection, publish, &stored);
    if (!stored || publish->qos == 0)
        return taken;
    connection->quota++;
    if (mqtt_batch_answer(connection, publish_answer_type(publish), publish->id, MQTT_REASON_SUCCESS))
        return MQTT_TAKEN;
    return publish_end(connection, MQTT_REASON_QUOTA, "out of memory"); /* stored, and not acknowledged */
}

/* A PUBREL needs no room but for its answer; each connection has its share of those. */
static bool publish_may_release(const struct mqtt_connection *connection)
{
    const struct mqtt_thread *thread = connection->thread;

    return thread->filling->answers_count < MQTT_ANSWERS_MAX &&
           connection->answers < 2 * thread->source->context.config->mqtt.max_in_flight;
}

enum mqtt_taken mqtt_publish_release(struct mqtt_connection *connection, struct slice body)
{
    enum mqtt_reason reason;
    struct error error;
    uint16_t id;

    if (!publish_may_release(connection))
        return MQTT_LATER;
    if (mqtt_packet_identifier(connection->version, body, &id, &reason, &error))
        return publish_end(connection, reason, error.text);
    /* One that is not known was released before, and its PUBCOMP was lost: nothing is wrong (3.7.2.1), and libraries that hear "not found" tell
     * their callers that the message was not sent. */
    mqtt_session_release(connection->thread->sessions, connection->session, id);
    if (mqtt_batch_answer(connection, MQTT_PUBCOMP, id, MQTT_REASON_SUCCESS))
        return MQTT_TAKEN;
    return publish_end(connection, MQTT_REASON_QUOTA, "out of memory");
}
