/* mqtt_packet_publish: PUBLISH (3.3), and what a will has in common with it. The way of nearly all packets: one look at each byte of the
 * topic, none at the payload's, and nothing written that is not asked for. */
#include "source/mqtt_packet_internal.h"

static void mqtt_message_set(struct mqtt_properties *message, const struct mqtt_property *property)
{
    switch (property->id) {
    case MQTT_PROPERTY_PAYLOAD_FORMAT:
        message->utf8 = property->number;
        break;
    case MQTT_PROPERTY_MESSAGE_EXPIRY:
        message->has_expiry = true;
        message->expiry = property->number;
        break;
    case MQTT_PROPERTY_CONTENT_TYPE:
        message->content_type = property->text;
        break;
    case MQTT_PROPERTY_RESPONSE_TOPIC:
        message->response_topic = property->text;
        break;
    case MQTT_PROPERTY_CORRELATION:
        message->correlation = property->text;
        break;
    case MQTT_PROPERTY_ALIAS:
        message->alias = (uint16_t)property->number;
        break;
    case MQTT_PROPERTY_WILL_DELAY:
        message->delay = property->number;
        break;
    default: /* a user property: no other may stand here */
        if (message->pairs_count < MQTT_USER_PROPERTIES_MAX)
            message->pairs[message->pairs_count++] = property->pair;
    }
}

int mqtt_message_properties(
    struct mqtt_reader *reader, enum mqtt_place place, struct mqtt_properties *ret_properties)
{
    struct mqtt_property_reader properties;
    struct mqtt_property property MQTT_UNWRITTEN;
    int got;

    mqtt_message_clear(ret_properties);
    if (mqtt_property_open(reader, place, &properties))
        return -1;
    while ((got = mqtt_property_next(&properties, &property)) > 0)
        mqtt_message_set(ret_properties, &property);
    return got;
}

/* A PUBLISH of MQTT 5 that has properties. `message`: what stands before them. */
static __attribute__((noinline)) int mqtt_publish_rich(
    struct mqtt_reader *reader, const struct mqtt_publish *message, struct mqtt_publish *ret_publish)
{
    struct mqtt_publish publish MQTT_UNWRITTEN;

    memcpy(&publish, message, offsetof(struct mqtt_publish, properties));
    if (mqtt_message_properties(reader, MQTT_IN_PUBLISH, &publish.properties))
        return -1;
    if (publish.topic.length == 0 && !publish.properties.alias)
        return mqtt_refuse(reader, MQTT_REASON_PROTOCOL_ERROR, "topic name is empty, and there is no alias");
    publish.payload = (struct slice){reader->next, mqtt_left(reader)};
    mqtt_message_copy(ret_publish, &publish);
    return 0;
}

int mqtt_packet_publish(enum mqtt_version version, uint8_t flags, struct slice body,
    struct mqtt_publish *ret_publish, enum mqtt_reason *ret_reason, struct error *error)
{
    struct mqtt_reader reader = mqtt_reader_of(body, "PUBLISH", ret_reason, error);
    struct mqtt_publish publish MQTT_UNWRITTEN;

    publish.qos = flags >> 1 & 3;
    publish.retain = flags & 1;
    publish.dup = flags >> 3 & 1;
    publish.id = 0;
    if (mqtt_read_text(&reader, "topic name", MQTT_TEXT_TOPIC, &publish.topic) ||
        (publish.qos && mqtt_read_id(&reader, &publish.id)))
        return -1;
    if (version == MQTT_5) {
        if (mqtt_left(&reader) == 0 || *reader.next != 0)
            return mqtt_publish_rich(&reader, &publish, ret_publish);
        reader.next++;
    }
    if (publish.topic.length == 0)
        return mqtt_refuse(&reader, MQTT_REASON_PROTOCOL_ERROR, "topic name is empty");
    publish.payload = (struct slice){reader.next, mqtt_left(&reader)};
    memcpy(ret_publish, &publish, offsetof(struct mqtt_publish, properties));
    mqtt_message_clear(&ret_publish->properties);
    return 0;
}
