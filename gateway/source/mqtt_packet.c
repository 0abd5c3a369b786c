/* mqtt_packet: the header of every packet (2.1), and those that hold little more than an identifier. */
#include "source/mqtt_packet_internal.h"

const char *mqtt_reason_name(enum mqtt_reason reason)
{
    switch (reason) {
#define MQTT_REASON_NAME(id, code, name) \
    case MQTT_REASON_##id:               \
        return name;
        MQTT_REASON_TABLE(MQTT_REASON_NAME)
#undef MQTT_REASON_NAME
    }
    return "unknown";
}

struct mqtt_shape {
    const char *name;
    bool from_client;
    uint8_t flags;
    uint32_t least, most; /* length of what follows the header */
    uint32_t most_before_5;
};

static const struct mqtt_shape mqtt_shapes[16] = {
    [MQTT_CONNECT] = {"CONNECT", true, 0, 12, MQTT_LENGTH_MAX, MQTT_LENGTH_MAX},
    [MQTT_CONNACK] = {"CONNACK", false, 0, 0, 0, 0},
    [MQTT_PUBLISH] = {"PUBLISH", true, 0, 2, MQTT_LENGTH_MAX, MQTT_LENGTH_MAX},
    [MQTT_PUBACK] = {"PUBACK", true, 0, 2, MQTT_LENGTH_MAX, 2},
    [MQTT_PUBREC] = {"PUBREC", true, 0, 2, MQTT_LENGTH_MAX, 2},
    [MQTT_PUBREL] = {"PUBREL", true, 2, 2, MQTT_LENGTH_MAX, 2},
    [MQTT_PUBCOMP] = {"PUBCOMP", true, 0, 2, MQTT_LENGTH_MAX, 2},
    [MQTT_SUBSCRIBE] = {"SUBSCRIBE", true, 2, 2, MQTT_LENGTH_MAX, MQTT_LENGTH_MAX},
    [MQTT_SUBACK] = {"SUBACK", false, 0, 0, 0, 0},
    [MQTT_UNSUBSCRIBE] = {"UNSUBSCRIBE", true, 2, 2, MQTT_LENGTH_MAX, MQTT_LENGTH_MAX},
    [MQTT_UNSUBACK] = {"UNSUBACK", false, 0, 0, 0, 0},
    [MQTT_PINGREQ] = {"PINGREQ", true, 0, 0, 0, 0},
    [MQTT_PINGRESP] = {"PINGRESP", false, 0, 0, 0, 0},
    [MQTT_DISCONNECT] = {"DISCONNECT", true, 0, 0, MQTT_LENGTH_MAX, 0},
    [MQTT_AUTH] = {"AUTH", true, 0, 0, MQTT_LENGTH_MAX, 0},
};

/* DUP, which MQTT 3.1 sets in these three, too, when they are sent again. */
#define MQTT_FLAG_DUP 0x08
#define MQTT_FLAG_QOS 0x06

static int mqtt_header_flags(
    const struct mqtt_reader *reader, enum mqtt_version version, enum mqtt_type type, uint8_t flags)
{
    if (type == MQTT_PUBLISH) {
        if ((flags & MQTT_FLAG_QOS) == MQTT_FLAG_QOS)
            return mqtt_refuse(reader, MQTT_REASON_MALFORMED, "QoS 3");
        if (flags & MQTT_FLAG_DUP && !(flags & MQTT_FLAG_QOS))
            return mqtt_refuse(reader, MQTT_REASON_PROTOCOL_ERROR, "DUP with QoS 0");
        return 0;
    }
    if (version == MQTT_31 && mqtt_shapes[type].flags)
        flags &= (uint8_t)~MQTT_FLAG_DUP;
    if (flags != mqtt_shapes[type].flags)
        return mqtt_refuse(
            reader, MQTT_REASON_MALFORMED, "flags 0x%x instead of 0x%x", flags, mqtt_shapes[type].flags);
    return 0;
}

/* May this type come now? */
static int mqtt_header_type(const struct mqtt_reader *reader, enum mqtt_version version, enum mqtt_type type)
{
    if (type == 0 || (type == MQTT_AUTH && version != MQTT_5))
        return mqtt_refuse(reader, MQTT_REASON_MALFORMED, "there is no packet of type %d", type);
    if (!mqtt_shapes[type].from_client)
        return mqtt_refuse(reader, MQTT_REASON_PROTOCOL_ERROR, "only servers send it");
    if (version == MQTT_NONE && type != MQTT_CONNECT)
        return mqtt_refuse(reader, MQTT_REASON_PROTOCOL_ERROR, "the first packet has to be a CONNECT");
    if (version != MQTT_NONE && type == MQTT_CONNECT)
        return mqtt_refuse(reader, MQTT_REASON_PROTOCOL_ERROR, "a second one");
    return 0;
}

static int mqtt_header_length(const struct mqtt_reader *reader, enum mqtt_version version,
    const struct mqtt_shape *shape, uint32_t length)
{
    uint32_t most = version == MQTT_5 ? shape->most : shape->most_before_5;

    if (length < shape->least || length > most)
        return mqtt_refuse(reader, MQTT_REASON_MALFORMED, "remaining length %u", length);
    return 0;
}

int mqtt_packet_header(enum mqtt_version version, const char *data, size_t length,
    struct mqtt_header *ret_header, enum mqtt_reason *ret_reason, struct error *error)
{
    if (length == 0)
        return 0;

    enum mqtt_type type = (uint8_t)data[0] >> 4;
    uint8_t flags = data[0] & 0x0f;
    const char *name = mqtt_shapes[type].name;
    struct mqtt_reader reader =
        mqtt_reader_of((struct slice){data, length}, name ? name : "header", ret_reason, error);
    if (mqtt_header_type(&reader, version, type) || mqtt_header_flags(&reader, version, type, flags))
        return -1;

    uint32_t remaining;
    int size = mqtt_variable(data + 1, length - 1, &remaining);
    if (size == 0)
        return 0;
    if (size < 0)
        return mqtt_refuse(&reader, MQTT_REASON_MALFORMED, "remaining length of more than four bytes");
    /* Before 5 nothing forbids it, and clients that fill in the length afterwards do it. */
    if (size > 1 && data[size] == 0 && version == MQTT_5)
        return mqtt_refuse(&reader, MQTT_REASON_MALFORMED, "remaining length is longer than it needs to be");
    if (mqtt_header_length(&reader, version, &mqtt_shapes[type], remaining))
        return -1;
    *ret_header = (struct mqtt_header){type, flags, (uint8_t)(size + 1), remaining};
    return 1;
}

/* Reason codes of PUBACK and PUBREC (3.4.2.1, 3.5.2.1), PUBREL and PUBCOMP (3.6.2.1, 3.7.2.1). */
static bool mqtt_acknowledgement_knows(uint8_t reason)
{
    static const char known[] = "\x00\x10\x80\x83\x87\x90\x91\x92\x97\x99";

    return memchr(known, reason, sizeof known - 1);
}

int mqtt_packet_identifier(enum mqtt_version version, struct slice body, uint16_t *ret_id,
    enum mqtt_reason *ret_reason, struct error *error)
{
    struct mqtt_reader reader = mqtt_reader_of(body, "acknowledgement", ret_reason, error);
    uint16_t id;

    if (mqtt_read_id(&reader, &id))
        return -1;
    if (version == MQTT_5 && mqtt_left(&reader)) {
        uint8_t reason = (uint8_t)*reader.next++;
        if (!mqtt_acknowledgement_knows(reason))
            return mqtt_refuse(&reader, MQTT_REASON_PROTOCOL_ERROR, "reason code 0x%02x", reason);
        if (mqtt_left(&reader) && mqtt_property_skip(&reader, MQTT_IN_ACKNOWLEDGEMENT))
            return -1;
    }
    if (mqtt_read_end(&reader))
        return -1;
    *ret_id = id;
    return 0;
}

/* Those that a client may send (3.14.2.1). */
static bool mqtt_disconnect_knows(uint8_t reason)
{
    static const char known[] = "\x00\x04\x80\x81\x82\x83\x90\x93\x94\x95\x96\x97\x98\x99";

    return memchr(known, reason, sizeof known - 1);
}

static int mqtt_disconnect_properties(struct mqtt_reader *reader, struct mqtt_disconnect *disconnect)
{
    struct mqtt_property_reader properties;
    struct mqtt_property property;
    int got;

    if (mqtt_property_open(reader, MQTT_IN_DISCONNECT, &properties))
        return -1;
    while ((got = mqtt_property_next(&properties, &property)) > 0) {
        if (property.id != MQTT_PROPERTY_SESSION_EXPIRY)
            continue;
        disconnect->has_expiry = true;
        disconnect->session_expiry = property.number;
    }
    return got;
}

int mqtt_packet_disconnect(enum mqtt_version version, struct slice body,
    struct mqtt_disconnect *ret_disconnect, enum mqtt_reason *ret_reason, struct error *error)
{
    struct mqtt_reader reader = mqtt_reader_of(body, "DISCONNECT", ret_reason, error);
    struct mqtt_disconnect disconnect = {.reason = MQTT_REASON_SUCCESS};

    if (version == MQTT_5 && mqtt_left(&reader)) {
        uint8_t reason = (uint8_t)*reader.next++;
        if (!mqtt_disconnect_knows(reason))
            return mqtt_refuse(&reader, MQTT_REASON_PROTOCOL_ERROR, "reason code 0x%02x", reason);
        disconnect.reason = reason;
        if (mqtt_left(&reader) && mqtt_disconnect_properties(&reader, &disconnect))
            return -1;
    }
    if (mqtt_read_end(&reader))
        return -1;
    *ret_disconnect = disconnect;
    return 0;
}
