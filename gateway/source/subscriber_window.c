/* subscriber_window: see subscriber_window.h */
#include "source/subscriber_window.h"

#include <stdarg.h>
#include <stdio.h>

#include "source/mqtt_packet.h"

/* A packet whose header is there. */
struct window_packet {
    uint8_t type, flags;
    size_t header; /* bytes of the header */
    size_t length; /* of what stands behind it */
    struct slice body; /* that, when all of it is there */
    bool whole;
};

struct window_judge {
    const struct subscriber_window_rules *rules;
    bool connected;
    enum subscriber_window_wrong *wrong;
    struct error *error;
};

enum window_taken { WINDOW_REFUSED = -1, WINDOW_RIGHT, WINDOW_MORE };

__attribute__((format(printf, 2, 3), cold)) static enum window_taken window_refuse(
    const struct window_judge *judge, const char *format, ...)
{
    char text[200];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    error_set(judge->error, ERROR_REJECT, "%s", text);
    return WINDOW_REFUSED;
}

/* ---- properties (2.2.2.2) ----------------------------------------------------------------------------------------- */

enum window_form { FORM_NONE, FORM_BYTE, FORM_U16, FORM_U32, FORM_VARINT, FORM_STRING, FORM_PAIR };

static const uint8_t window_forms[] = {
    [0x01] = FORM_BYTE,
    [0x02] = FORM_U32,
    [0x03] = FORM_STRING,
    [0x08] = FORM_STRING,
    [0x09] = FORM_STRING,
    [0x0B] = FORM_VARINT,
    [0x11] = FORM_U32,
    [0x12] = FORM_STRING,
    [0x13] = FORM_U16,
    [0x15] = FORM_STRING,
    [0x16] = FORM_STRING,
    [0x1A] = FORM_STRING,
    [0x1C] = FORM_STRING,
    [0x1F] = FORM_STRING,
    [0x21] = FORM_U16,
    [0x22] = FORM_U16,
    [0x23] = FORM_U16,
    [0x24] = FORM_BYTE,
    [0x25] = FORM_BYTE,
    [0x26] = FORM_PAIR,
    [0x27] = FORM_U32,
    [0x28] = FORM_BYTE,
    [0x29] = FORM_BYTE,
    [0x2A] = FORM_BYTE,
};

/* Bytes of a variable byte integer (1.5.5) at the front; 0: it is not whole, SIZE_MAX: more than four. */
static size_t window_varint(struct slice bytes, uint32_t *ret_value)
{
    uint32_t value = 0;

    for (size_t i = 0; i < 4; i++) {
        if (i == bytes.length)
            return 0;
        value |= (uint32_t)(bytes.data[i] & 0x7f) << (7 * i);
        if (!(bytes.data[i] & 0x80)) {
            *ret_value = value;
            return i + 1;
        }
    }
    return SIZE_MAX;
}

/* Bytes of a string or of binary data at the front; more than there are when it is not whole. */
static size_t window_string(struct slice bytes)
{
    if (bytes.length < 2)
        return 2;
    return 2 + (size_t)((unsigned char)bytes.data[0] << 8 | (unsigned char)bytes.data[1]);
}

/* Bytes of a value; more than there are when it is not whole. */
static size_t window_value(enum window_form form, struct slice bytes)
{
    uint32_t ignored;
    size_t length;

    switch (form) {
    case FORM_BYTE:
        return 1;
    case FORM_U16:
        return 2;
    case FORM_U32:
        return 4;
    case FORM_VARINT:
        length = window_varint(bytes, &ignored);
        return length ? length : SIZE_MAX;
    case FORM_STRING:
        return window_string(bytes);
    default:
        length = window_string(bytes);
        if (length >= bytes.length)
            return SIZE_MAX;
        return length + window_string((struct slice){bytes.data + length, bytes.length - length});
    }
}

/* Known ones, each whole, up to the end. */
static enum window_taken window_judge_properties(const struct window_judge *judge, struct slice properties)
{
    while (properties.length) {
        const uint8_t identifier = (uint8_t)properties.data[0];
        const enum window_form form = identifier < sizeof window_forms ? window_forms[identifier] : FORM_NONE;
        if (form == FORM_NONE)
            return window_refuse(judge, "a property 0x%02x, which MQTT does not have", identifier);
        const struct slice rest = {properties.data + 1, properties.length - 1};
        const size_t length = window_value(form, rest);
        if (length > rest.length)
            return window_refuse(judge, "a property that is longer than its packet says");
        properties = (struct slice){rest.data + length, rest.length - length};
    }
    return WINDOW_RIGHT;
}

/* The properties at `offset` of a whole packet's body. */
static enum window_taken window_judge_block(
    const struct window_judge *judge, const struct window_packet *packet, size_t offset)
{
    uint32_t length;

    if (offset > packet->length)
        return window_refuse(judge, "a packet of type %u that ends before its properties", packet->type);
    const struct slice rest = {packet->body.data + offset, packet->length - offset};
    const size_t used = window_varint(rest, &length);
    if (used == 0 || used == SIZE_MAX || length > rest.length - used)
        return window_refuse(judge, "a packet of type %u whose properties cannot be so long", packet->type);
    return window_judge_properties(judge, (struct slice){rest.data + used, length});
}

/* ---- packets ------------------------------------------------------------------------------------------------------- */

static enum window_taken window_judge_publish(
    const struct window_judge *judge, const struct window_packet *packet)
{
    const unsigned qos = packet->flags >> 1 & 3;
    const size_t size = packet->header + packet->length;

    if (qos > 1)
        return window_refuse(judge, "a message of QoS %u, but 1 was subscribed to", qos);
    if (size > judge->rules->max_packet) {
        *judge->wrong = SUBSCRIBER_WINDOW_TOO_LARGE;
        return window_refuse(judge, "a message of %zu bytes, more than mqtt.max_packet (%llu)", size,
            (unsigned long long)judge->rules->max_packet);
    }
    if (!packet->whole)
        return WINDOW_MORE;
    const size_t topic = window_string(packet->body);
    const size_t behind = topic + (qos ? 2 : 0); /* and a packet identifier */
    if (topic == 2 || behind > packet->length)
        return window_refuse(judge, "a message without a topic, or one that ends within it");
    return judge->rules->v5 ? window_judge_block(judge, packet, behind) : WINDOW_RIGHT;
}

/* What is not a PUBLISH: how long its body is at least, and where its properties stand. */
struct window_shape {
    uint8_t type;
    uint8_t least, least_v5;
    bool fixed; /* before MQTT 5 it is exactly that long */
    uint8_t properties;
    uint8_t only_above; /* properties stand there only when the body is longer */
};

static const struct window_shape window_shapes[] = {
    {MQTT_CONNACK, 2, 2, true, 2, 2}, /* before MQTT 5 a broker refuses version 5 without properties */
    {MQTT_SUBACK, 3, 4, false, 2, 0},
    {MQTT_PINGRESP, 0, 0, true, 0, UINT8_MAX},
    {MQTT_DISCONNECT, 0, 0, false, 1, 1},
};

static const struct window_shape *window_shape_of(const struct window_judge *judge, uint8_t type)
{
    if (judge->connected == (type == MQTT_CONNACK) || (type == MQTT_DISCONNECT && !judge->rules->v5))
        return NULL;
    for (size_t i = 0; i < sizeof window_shapes / sizeof *window_shapes; i++)
        if (window_shapes[i].type == type)
            return &window_shapes[i];
    return NULL;
}

static bool window_has_shape(
    const struct window_judge *judge, const struct window_packet *packet, const struct window_shape *shape)
{
    if (packet->header + packet->length > SUBSCRIBER_WINDOW)
        return false;
    if (packet->type == MQTT_PINGRESP || (shape->fixed && !judge->rules->v5))
        return packet->length == shape->least;
    return packet->length >= (judge->rules->v5 ? shape->least_v5 : shape->least);
}

static enum window_taken window_judge_other(
    const struct window_judge *judge, const struct window_packet *packet)
{
    const struct window_shape *shape = window_shape_of(judge, packet->type);

    if (!shape)
        return window_refuse(judge, "a packet of type %u, which has no place there", packet->type);
    if (packet->flags)
        return window_refuse(judge, "a packet of type %u with flags %u", packet->type, packet->flags);
    if (!window_has_shape(judge, packet, shape))
        return window_refuse(judge, "a packet of type %u with %zu bytes", packet->type, packet->length);
    if (!packet->whole)
        return WINDOW_MORE;
    if (!judge->rules->v5 || packet->length <= shape->only_above)
        return WINDOW_RIGHT;
    return window_judge_block(judge, packet, shape->properties);
}

/* The header at the front. WINDOW_MORE: it is not whole. */
static enum window_taken window_take_header(
    const struct window_judge *judge, struct slice bytes, struct window_packet *ret_packet)
{
    uint32_t length;

    if (bytes.length < 2)
        return WINDOW_MORE;
    const size_t used = window_varint((struct slice){bytes.data + 1, bytes.length - 1}, &length);
    if (used == SIZE_MAX)
        return window_refuse(judge, "a packet whose length has more than four bytes");
    if (used == 0)
        return WINDOW_MORE;
    *ret_packet = (struct window_packet){
        .type = (uint8_t)bytes.data[0] >> 4,
        .flags = (uint8_t)bytes.data[0] & 15,
        .header = 1 + used,
        .length = length,
        .body = {bytes.data + 1 + used, length},
        .whole = bytes.length - 1 - used >= length,
    };
    return WINDOW_RIGHT;
}

int subscriber_window_judge(struct slice bytes, const struct subscriber_window_rules *rules,
    struct subscriber_window *ret_window, enum subscriber_window_wrong *ret_wrong, struct error *error)
{
    struct window_judge judge = {rules, rules->connected, ret_wrong, error};
    struct window_packet packet;

    *ret_window = (struct subscriber_window){0};
    *ret_wrong = SUBSCRIBER_WINDOW_MALFORMED;
    while (bytes.length) {
        ret_window->wanted = bytes.length + 1;
        enum window_taken taken = window_take_header(&judge, bytes, &packet);
        if (taken != WINDOW_RIGHT)
            return taken == WINDOW_MORE ? 0 : -1;
        const size_t size = ret_window->wanted = packet.header + packet.length;
        taken = packet.type == MQTT_PUBLISH && judge.connected ? window_judge_publish(&judge, &packet)
                                                               : window_judge_other(&judge, &packet);
        if (taken != WINDOW_RIGHT)
            return taken == WINDOW_MORE ? 0 : -1;
        ret_window->wanted = 0;
        ret_window->packets++;
        ret_window->bytes += size;
        judge.connected = true; /* nothing else comes first */
        bytes = (struct slice){bytes.data + size, bytes.length - size};
    }
    return 0;
}
