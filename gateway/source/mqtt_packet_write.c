/* mqtt_packet_write: the packets of a server. Each reserves what it can need at most, and then only fills in. */
#include <assert.h>

#include "source/mqtt_packet_internal.h"

static char *mqtt_put_u8(char *at, unsigned value)
{
    *at = (char)value;
    return at + 1;
}

static char *mqtt_put_u16(char *at, unsigned value)
{
    return mqtt_put_u8(mqtt_put_u8(at, value >> 8), value & 0xff);
}

static char *mqtt_put_u32(char *at, uint32_t value)
{
    return mqtt_put_u16(mqtt_put_u16(at, value >> 16), value & 0xffff);
}

static char *mqtt_put_variable(char *at, size_t value)
{
    for (; value >= 0x80; value >>= 7)
        at = mqtt_put_u8(at, (value & 0x7f) | 0x80);
    return mqtt_put_u8(at, (unsigned)value);
}

static char *mqtt_put_text(char *at, struct slice text)
{
    at = mqtt_put_u16(at, (unsigned)text.length);
    if (text.length)
        memcpy(at, text.data, text.length);
    return at + text.length;
}

static char *mqtt_put_text_property(char *at, enum mqtt_property_id id, struct slice text)
{
    return mqtt_put_text(mqtt_put_u8(at, id), text);
}

/* Type and flags, which are 0 in all that we write, and the remaining length. */
static char *mqtt_put_header(char *at, enum mqtt_type type, size_t length)
{
    return mqtt_put_variable(mqtt_put_u8(at, (unsigned)type << 4), length);
}

static char *mqtt_write_begin(struct bytes *out, size_t most, struct error *error)
{
    return bytes_reserve(out, most, error) ? NULL : out->data + out->length;
}

static int mqtt_write_finish(struct bytes *out, const char *end)
{
    out->length = (size_t)(end - out->data);
    return 0;
}

/* As much of a reason string as is sent; never half a character. */
static struct slice mqtt_write_text(const char *text)
{
    if (!text)
        return (struct slice){NULL, 0};

    size_t length = strnlen(text, MQTT_TEXT_MAX + 1);
    if (length > MQTT_TEXT_MAX) {
        do
            length--;
        while (length > 0 && (text[length] & 0xC0) == 0x80);
    }
    return (struct slice){text, length};
}

/* The return codes of 3.1 and 3.1.1. */
static unsigned mqtt_connack_code(enum mqtt_reason reason)
{
    switch (reason) {
    case MQTT_REASON_SUCCESS:
        return 0;
    case MQTT_REASON_VERSION:
        return 1;
    case MQTT_REASON_CLIENT_ID:
        return 2;
    case MQTT_REASON_CREDENTIALS:
        return 4;
    case MQTT_REASON_NOT_AUTHORIZED:
    case MQTT_REASON_AUTHENTICATION_METHOD:
        return 5;
    default:
        return 3; /* server unavailable */
    }
}

static char *mqtt_put_connack_properties(char *at, const struct mqtt_connack *connack, struct slice text)
{
    if (text.length)
        at = mqtt_put_text_property(at, MQTT_PROPERTY_REASON, text);
    if (connack->reason != MQTT_REASON_SUCCESS)
        return at;
    if (connack->has_expiry)
        at = mqtt_put_u32(mqtt_put_u8(at, MQTT_PROPERTY_SESSION_EXPIRY), connack->session_expiry);
    if (connack->receive_maximum)
        at = mqtt_put_u16(mqtt_put_u8(at, MQTT_PROPERTY_RECEIVE_MAXIMUM), connack->receive_maximum);
    if (connack->packet_maximum)
        at = mqtt_put_u32(mqtt_put_u8(at, MQTT_PROPERTY_PACKET_MAXIMUM), connack->packet_maximum);
    if (connack->client_id.length)
        at = mqtt_put_text_property(at, MQTT_PROPERTY_ASSIGNED_CLIENT_ID, connack->client_id);
    if (connack->alias_maximum)
        at = mqtt_put_u16(mqtt_put_u8(at, MQTT_PROPERTY_ALIAS_MAXIMUM), connack->alias_maximum);
    at = mqtt_put_u8(mqtt_put_u8(at, MQTT_PROPERTY_WILDCARDS), 0);
    at = mqtt_put_u8(mqtt_put_u8(at, MQTT_PROPERTY_SUBSCRIPTIONS), 0);
    at = mqtt_put_u8(mqtt_put_u8(at, MQTT_PROPERTY_SHARED), 0);
    if (connack->has_keep_alive)
        at = mqtt_put_u16(mqtt_put_u8(at, MQTT_PROPERTY_SERVER_KEEP_ALIVE), connack->keep_alive);
    return at;
}

/* Header, flags and code, length of the properties, the numbers above; without the two texts. */
#define MQTT_CONNACK_MAX (MQTT_HEADER_MAX + 2 + MQTT_VARIABLE_MAX + 32 + 3 + 3)

int mqtt_write_connack(
    struct bytes *out, enum mqtt_version version, const struct mqtt_connack *connack, struct error *error)
{
    struct slice text = mqtt_write_text(connack->text);

    if (connack->client_id.length > UINT16_MAX)
        return error_set(
            error, ERROR_REJECT, "CONNACK: client identifier of %zu bytes", connack->client_id.length);

    char *at = mqtt_write_begin(out, MQTT_CONNACK_MAX + text.length + connack->client_id.length, error);
    if (!at)
        return -1;

    /* 3.1 has no session present; with a refusal it is 0 (3.2.2.1.1). */
    bool accepted = connack->reason == MQTT_REASON_SUCCESS;
    bool present = connack->session_present && accepted && version != MQTT_31;
    if (version != MQTT_5) {
        at = mqtt_put_u8(mqtt_put_header(at, MQTT_CONNACK, 2), present);
        return mqtt_write_finish(out, mqtt_put_u8(at, mqtt_connack_code(connack->reason)));
    }

    /* The properties are written where they can stand at the latest, and moved to behind their length. */
    char lengths[MQTT_VARIABLE_MAX];
    char *properties = at + MQTT_HEADER_MAX + 2 + MQTT_VARIABLE_MAX;
    size_t length = (size_t)(mqtt_put_connack_properties(properties, connack, text) - properties);
    size_t size = (size_t)(mqtt_put_variable(lengths, length) - lengths);
    at = mqtt_put_header(at, MQTT_CONNACK, 2 + size + length);
    at = mqtt_put_u8(mqtt_put_u8(at, present), connack->reason);
    at = mqtt_put_variable(at, length);
    memmove(at, properties, length);
    return mqtt_write_finish(out, at + length);
}

int mqtt_write_acknowledgement(struct bytes *out, enum mqtt_version version, enum mqtt_type type, uint16_t id,
    enum mqtt_reason reason, struct error *error)
{
    bool has_reason = reason != MQTT_REASON_SUCCESS; /* it may be left out (3.4.2.1) */
    char *at = mqtt_write_begin(out, 5, error);

    assert(type == MQTT_PUBACK || type == MQTT_PUBREC || type == MQTT_PUBCOMP);
    assert(version == MQTT_5 || !has_reason);
    if (!at)
        return -1;
    at = mqtt_put_u16(mqtt_put_header(at, type, has_reason ? 3 : 2), id);
    if (has_reason)
        at = mqtt_put_u8(at, reason);
    return mqtt_write_finish(out, at);
}

int mqtt_write_filters(struct bytes *out, enum mqtt_version version, enum mqtt_type type,
    const struct mqtt_filters *filters, struct error *error)
{
    size_t properties = version == MQTT_5 ? 1 : 0; /* their length, 0 */
    size_t codes = version == MQTT_5 || type == MQTT_SUBACK ? filters->count : 0;
    char *at = mqtt_write_begin(out, MQTT_HEADER_MAX + 2 + properties + codes, error);

    assert(type == MQTT_SUBACK || type == MQTT_UNSUBACK);
    if (!at)
        return -1;
    at = mqtt_put_u16(mqtt_put_header(at, type, 2 + properties + codes), filters->id);
    if (properties)
        at = mqtt_put_u8(at, 0);
    memcpy(at, filters->codes, codes);
    return mqtt_write_finish(out, at + codes);
}

int mqtt_write_pingresp(struct bytes *out, struct error *error)
{
    char *at = mqtt_write_begin(out, 2, error);

    return at ? mqtt_write_finish(out, mqtt_put_header(at, MQTT_PINGRESP, 0)) : -1;
}

int mqtt_write_disconnect(struct bytes *out, enum mqtt_reason reason, const char *text, struct error *error)
{
    struct slice string = mqtt_write_text(text);
    size_t property = string.length ? 3 + string.length : 0;
    size_t size = property < 0x80 ? 1 : 2; /* of its length */
    char *at = mqtt_write_begin(out, MQTT_HEADER_MAX + 1 + size + property, error);

    if (!at)
        return -1;
    if (!property) /* the length of the properties may be left out (3.14.2.2.1) */
        return mqtt_write_finish(out, mqtt_put_u8(mqtt_put_header(at, MQTT_DISCONNECT, 1), reason));
    at = mqtt_put_u8(mqtt_put_header(at, MQTT_DISCONNECT, 1 + size + property), reason);
    at = mqtt_put_text_property(mqtt_put_variable(at, property), MQTT_PROPERTY_REASON, string);
    return mqtt_write_finish(out, at);
}
