/* mqtt_dispatch: one packet of a publisher; see mqtt_internal.h */
#include "source/mqtt_internal.h"

#define DISPATCH_FILTERS_AROUND 8 /* bytes of a SUBACK besides its codes */

static enum mqtt_taken dispatch_end(
    struct mqtt_connection *connection, enum mqtt_reason reason, const char *text)
{
    mqtt_connection_end(connection, reason, text);
    return MQTT_GONE;
}

static enum mqtt_taken dispatch_written(struct mqtt_connection *connection, int result)
{
    if (result)
        return dispatch_end(connection, MQTT_REASON_QUOTA, "answers are not read");
    mqtt_connection_flush_later(connection);
    return MQTT_TAKEN;
}

/* There is nothing to subscribe to: every filter is refused, and the connection stays. */
static enum mqtt_taken dispatch_filters(
    struct mqtt_connection *connection, enum mqtt_type type, struct slice body)
{
    struct mqtt_filters *filters = &connection->thread->filters;
    enum mqtt_reason reason;
    struct error error;

    int result = type == MQTT_SUBSCRIBE
                     ? mqtt_packet_subscribe(connection->version, body, filters, &reason, &error)
                     : mqtt_packet_unsubscribe(connection->version, body, filters, &reason, &error);
    if (result)
        return dispatch_end(connection, reason, error.text);
    if (filters->count + DISPATCH_FILTERS_AROUND > connection->packet_maximum)
        return dispatch_end(connection, MQTT_REASON_PACKET_TOO_LARGE,
            "more filters than the client's own maximum can answer");
    return dispatch_written(
        connection, mqtt_write_filters(&connection->output, connection->version,
                        type == MQTT_SUBSCRIBE ? MQTT_SUBACK : MQTT_UNSUBACK, filters, &error));
}

/* A good-bye without a reason takes the will back (3.14.4). */
static enum mqtt_taken dispatch_disconnect(struct mqtt_connection *connection, struct slice body)
{
    struct mqtt_thread *thread = connection->thread;
    struct mqtt_disconnect disconnect;
    enum mqtt_reason reason;
    struct error error;

    if (mqtt_packet_disconnect(connection->version, body, &disconnect, &reason, &error))
        return dispatch_end(connection, reason, error.text);
    if (disconnect.has_expiry && disconnect.session_expiry && !connection->session->expiry)
        return dispatch_end(
            connection, MQTT_REASON_PROTOCOL_ERROR, "a session that ends now cannot be kept any more");
    if (disconnect.has_expiry)
        mqtt_session_set_expiry(thread->sessions, connection->session,
            mqtt_connect_expiry(thread->source, disconnect.session_expiry));
    if (disconnect.reason == MQTT_REASON_SUCCESS)
        mqtt_will_drop(connection);
    return dispatch_end(connection, MQTT_REASON_SUCCESS, NULL);
}

enum mqtt_taken mqtt_dispatch(
    struct mqtt_connection *connection, const struct mqtt_header *header, struct slice body)
{
    struct error error;

    switch (header->type) {
    case MQTT_PUBLISH:
        return mqtt_publish_take(connection, header->flags, body);
    case MQTT_PUBREL:
        return mqtt_publish_release(connection, body);
    case MQTT_PINGREQ:
        return dispatch_written(connection, mqtt_write_pingresp(&connection->output, &error));
    case MQTT_CONNECT:
        return mqtt_connect_take(connection, body);
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE:
        return dispatch_filters(connection, header->type, body);
    case MQTT_DISCONNECT:
        return dispatch_disconnect(connection, body);
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBCOMP:
    case MQTT_CONNACK:
    case MQTT_SUBACK:
    case MQTT_UNSUBACK:
    case MQTT_PINGRESP:
    case MQTT_AUTH:
        break;
    }
    return dispatch_end(connection, MQTT_REASON_PROTOCOL_ERROR, "a packet that no publisher sends");
}
