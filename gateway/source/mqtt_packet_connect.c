/* mqtt_packet_connect: CONNECT (3.1) of the three versions.
 *
 * MQTT 3.1 (2010) asks for less, and its clients were written to that: flags that have no meaning may be set, a user name or password
 * that is announced may be missing at the end of the packet, and nobody kept to 23 bytes of client identifier.
 */
#include "source/mqtt_packet_internal.h"

#define MQTT_CONNECT_RESERVED 0x01
#define MQTT_CONNECT_CLEAN 0x02
#define MQTT_CONNECT_WILL 0x04
#define MQTT_CONNECT_WILL_QOS 0x18
#define MQTT_CONNECT_WILL_RETAIN 0x20
#define MQTT_CONNECT_PASSWORD 0x40
#define MQTT_CONNECT_USER 0x80
#define MQTT_LEVEL_BRIDGE 0x80 /* brokers that bridge topics try this bit first (mosquitto's try_private) */

static int mqtt_connect_protocol(struct mqtt_reader *reader, struct slice *ret_name, uint8_t *ret_level)
{
    if (mqtt_read_binary(reader, "protocol name", ret_name))
        return -1;
    return mqtt_read_u8(reader, "protocol level", ret_level);
}

enum mqtt_version mqtt_packet_version(struct slice body)
{
    struct error error;
    enum mqtt_reason reason;
    struct mqtt_reader reader = mqtt_reader_of(body, "CONNECT", &reason, &error);
    struct slice name = {NULL, 0};
    uint8_t level;

    if (mqtt_connect_protocol(&reader, &name, &level))
        return MQTT_NONE;
    if (slice_is(name, "MQIsdp"))
        return MQTT_31;
    if (!slice_is(name, "MQTT"))
        return MQTT_NONE;
    return level < MQTT_5 || level & MQTT_LEVEL_BRIDGE ? MQTT_311 : MQTT_5;
}

static int mqtt_connect_version(struct mqtt_reader *reader, enum mqtt_version *ret_version)
{
    struct slice name = {NULL, 0};
    uint8_t level;

    if (mqtt_connect_protocol(reader, &name, &level))
        return -1;
    if (!(slice_is(name, "MQTT") && (level == MQTT_311 || level == MQTT_5)) &&
        !(slice_is(name, "MQIsdp") && level == MQTT_31))
        return mqtt_refuse(reader, MQTT_REASON_VERSION, "neither MQTT 3.1, 3.1.1 nor 5: level %u", level);
    *ret_version = level;
    return 0;
}

static int mqtt_connect_flags(struct mqtt_reader *reader, enum mqtt_version version, uint8_t *ret_flags)
{
    uint8_t flags;

    if (mqtt_read_u8(reader, "flags", &flags))
        return -1;
    if (flags & MQTT_CONNECT_RESERVED && version != MQTT_31)
        return mqtt_refuse(reader, MQTT_REASON_MALFORMED, "the reserved flag is set");
    if (!(flags & MQTT_CONNECT_WILL) && flags & (MQTT_CONNECT_WILL_QOS | MQTT_CONNECT_WILL_RETAIN) &&
        version != MQTT_31)
        return mqtt_refuse(reader, MQTT_REASON_MALFORMED, "QoS or retain of a will, and no will");
    if (flags & MQTT_CONNECT_WILL && (flags & MQTT_CONNECT_WILL_QOS) == MQTT_CONNECT_WILL_QOS)
        return mqtt_refuse(reader, MQTT_REASON_MALFORMED, "will with QoS 3");
    if (flags & MQTT_CONNECT_PASSWORD && !(flags & MQTT_CONNECT_USER) && version != MQTT_5)
        return mqtt_refuse(reader, MQTT_REASON_MALFORMED, "a password, and no user name");
    *ret_flags = flags;
    return 0;
}

static void mqtt_connect_defaults(struct mqtt_connect *connect, uint8_t flags)
{
    connect->clean = flags & MQTT_CONNECT_CLEAN;
    connect->session_expiry = connect->version == MQTT_5 || connect->clean ? 0 : UINT32_MAX;
    connect->receive_maximum = UINT16_MAX;
    connect->packet_maximum = UINT32_MAX;
    connect->problem_information = connect->version == MQTT_5;
    connect->has_authentication = false;
    connect->has_will = flags & MQTT_CONNECT_WILL;
    connect->has_user = flags & MQTT_CONNECT_USER;
    connect->has_password = flags & MQTT_CONNECT_PASSWORD;
    connect->user = connect->password = (struct slice){NULL, 0};
}

static void mqtt_connect_set(struct mqtt_connect *connect, const struct mqtt_property *property)
{
    switch (property->id) {
    case MQTT_PROPERTY_SESSION_EXPIRY:
        connect->session_expiry = property->number;
        break;
    case MQTT_PROPERTY_RECEIVE_MAXIMUM:
        connect->receive_maximum = (uint16_t)property->number;
        break;
    case MQTT_PROPERTY_PACKET_MAXIMUM:
        connect->packet_maximum = property->number;
        break;
    case MQTT_PROPERTY_PROBLEMS:
        connect->problem_information = property->number;
        break;
    case MQTT_PROPERTY_METHOD:
        connect->has_authentication = true;
        break;
    default: /* what the client says of messages to it, and user properties: nobody asks for them */
        break;
    }
}

static int mqtt_connect_properties(struct mqtt_reader *reader, struct mqtt_connect *connect)
{
    struct mqtt_property_reader properties;
    struct mqtt_property property;
    int got;

    if (mqtt_property_open(reader, MQTT_IN_CONNECT, &properties))
        return -1;
    while ((got = mqtt_property_next(&properties, &property)) > 0)
        mqtt_connect_set(connect, &property);
    if (got == 0 && properties.seen >> MQTT_PROPERTY_DATA & 1 && !connect->has_authentication)
        return mqtt_refuse(reader, MQTT_REASON_PROTOCOL_ERROR, "authentication data, and no method");
    return got;
}

static int mqtt_connect_client_id(struct mqtt_reader *reader, struct mqtt_connect *connect)
{
    if (mqtt_read_text(reader, "client identifier", MQTT_TEXT_STRING, &connect->client_id))
        return -1;
    if (connect->client_id.length == 0 &&
        (connect->version == MQTT_31 || (connect->version == MQTT_311 && !connect->clean)))
        return mqtt_refuse(reader, MQTT_REASON_CLIENT_ID, "the client identifier is empty");
    return 0;
}

static int mqtt_connect_will(struct mqtt_reader *reader, struct mqtt_connect *connect, uint8_t flags)
{
    struct mqtt_publish *will = &connect->will;

    will->qos = flags >> 3 & 3;
    will->retain = flags & MQTT_CONNECT_WILL_RETAIN;
    will->dup = false;
    will->id = 0;
    if (connect->version != MQTT_5)
        mqtt_message_clear(&will->properties);
    else if (mqtt_message_properties(reader, MQTT_IN_WILL, &will->properties))
        return -1;
    if (mqtt_read_text(reader, "will topic", MQTT_TEXT_TOPIC, &will->topic))
        return -1;
    if (will->topic.length == 0)
        return mqtt_refuse(reader, MQTT_REASON_TOPIC_NAME, "will topic is empty");
    return mqtt_read_binary(reader, "will payload", &will->payload);
}

static int mqtt_connect_credentials(struct mqtt_reader *reader, struct mqtt_connect *connect)
{
    if (connect->version == MQTT_31 && mqtt_left(reader) == 0)
        connect->has_user = connect->has_password = false;
    if (connect->has_user && mqtt_read_text(reader, "user name", MQTT_TEXT_STRING, &connect->user))
        return -1;
    if (connect->version == MQTT_31 && mqtt_left(reader) == 0)
        connect->has_password = false;
    return connect->has_password ? mqtt_read_binary(reader, "password", &connect->password) : 0;
}

int mqtt_packet_connect(
    struct slice body, struct mqtt_connect *ret_connect, enum mqtt_reason *ret_reason, struct error *error)
{
    struct mqtt_reader reader = mqtt_reader_of(body, "CONNECT", ret_reason, error);
    struct mqtt_connect connect MQTT_UNWRITTEN;
    uint8_t flags;

    if (mqtt_connect_version(&reader, &connect.version) ||
        mqtt_connect_flags(&reader, connect.version, &flags) ||
        mqtt_read_u16(&reader, "keep alive", &connect.keep_alive))
        return -1;
    mqtt_connect_defaults(&connect, flags);
    if ((connect.version == MQTT_5 && mqtt_connect_properties(&reader, &connect)) ||
        mqtt_connect_client_id(&reader, &connect) ||
        (connect.has_will && mqtt_connect_will(&reader, &connect, flags)) ||
        mqtt_connect_credentials(&reader, &connect) || mqtt_read_end(&reader))
        return -1;
    memcpy(ret_connect, &connect, offsetof(struct mqtt_connect, will));
    if (connect.has_will)
        mqtt_message_copy(&ret_connect->will, &connect.will);
    return 0;
}
