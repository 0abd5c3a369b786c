/* mqtt_packet_internal: what the files of mqtt_packet share: a reader of the wire's types (1.5), and the properties (2.2.2).
 *
 * Every read says what it reads, for the error's text; -1: refused, *ret_reason and the error are set. Pure. @thread any
 */
#ifndef PENSTOCK_SOURCE_MQTT_PACKET_INTERNAL_H
#define PENSTOCK_SOURCE_MQTT_PACKET_INTERNAL_H

#include "source/mqtt_packet.h"

#define MQTT_VARIABLE_MAX 4 /* bytes of a variable byte integer */

struct mqtt_reader {
    const char *next;
    const char *end;
    const char *packet; /* its name, for errors */
    const char *part; /* what ends at end */
    enum mqtt_reason *ret_reason;
    struct error *error;
};

static inline struct mqtt_reader mqtt_reader_of(
    struct slice body, const char *packet, enum mqtt_reason *ret_reason, struct error *error)
{
    const char *data = body.data ? body.data : ""; /* NULL + 0 is undefined */

    return (struct mqtt_reader){data, data + body.length, packet, "packet", ret_reason, error};
}

static inline size_t mqtt_left(const struct mqtt_reader *reader)
{
    return (size_t)(reader->end - reader->next);
}

/* Returns -1. */
int mqtt_refuse(const struct mqtt_reader *reader, enum mqtt_reason reason, const char *format, ...)
    __attribute__((format(printf, 3, 4), cold));
int mqtt_refuse_end(const struct mqtt_reader *reader, const char *what) __attribute__((cold));

/* Bytes behind what the packet says: refused. */
int mqtt_read_end(const struct mqtt_reader *reader);

static inline uint16_t mqtt_get_u16(const char *at)
{
    return (uint16_t)((uint8_t)at[0] << 8 | (uint8_t)at[1]);
}

static inline int mqtt_read_u8(struct mqtt_reader *reader, const char *what, uint8_t *ret_value)
{
    if (mqtt_left(reader) < 1)
        return mqtt_refuse_end(reader, what);
    *ret_value = (uint8_t)*reader->next++;
    return 0;
}

static inline int mqtt_read_u16(struct mqtt_reader *reader, const char *what, uint16_t *ret_value)
{
    if (mqtt_left(reader) < 2)
        return mqtt_refuse_end(reader, what);
    *ret_value = mqtt_get_u16(reader->next);
    reader->next += 2;
    return 0;
}

/* A packet identifier (2.2.1). */
static inline int mqtt_read_id(struct mqtt_reader *reader, uint16_t *ret_id)
{
    if (mqtt_read_u16(reader, "packet identifier", ret_id))
        return -1;
    return *ret_id ? 0 : mqtt_refuse(reader, MQTT_REASON_PROTOCOL_ERROR, "packet identifier is 0");
}

static inline int mqtt_read_binary(struct mqtt_reader *reader, const char *what, struct slice *ret_value)
{
    if (mqtt_left(reader) < 2)
        return mqtt_refuse_end(reader, what);

    size_t length = mqtt_get_u16(reader->next);
    if (mqtt_left(reader) - 2 < length)
        return mqtt_refuse_end(reader, what);
    *ret_value = (struct slice){reader->next + 2, length};
    reader->next += 2 + length;
    return 0;
}

/* A variable byte integer (1.5.5) at data: its bytes; 0: it goes on behind length; -1: it has more than four. */
int mqtt_variable(const char *data, size_t length, uint32_t *ret_value);

/* The same from a reader; longer than it needs to be is refused. */
int mqtt_read_variable(struct mqtt_reader *reader, const char *what, uint32_t *ret_value);

enum mqtt_text { MQTT_TEXT_STRING, MQTT_TEXT_TOPIC };

/* Says what is wrong with a text that is not plain, or 0: it is well-formed UTF-8 all the same. */
int mqtt_text_check(
    const struct mqtt_reader *reader, const char *what, struct slice text, enum mqtt_text kind);

/* Is some byte of the word not ASCII, 0, or (in a topic) a wildcard? Nearly every text is plain, and so is judged 8 bytes at a time:
 * where no byte has its high bit, subtracting 1 from each sets one just where a byte is 0. */
static inline bool mqtt_word_is_odd(uint64_t word, enum mqtt_text kind)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t odd = word | (word - ones);

    if (kind == MQTT_TEXT_TOPIC)
        odd |= ((word ^ ones * '+') - ones) | ((word ^ ones * '#') - ones);
    return odd & ones << 7;
}

static inline uint64_t mqtt_word_at(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

/* 1 to 7 bytes as a word, some of them twice, none from elsewhere. */
static inline uint64_t mqtt_word_of(const char *data, size_t length)
{
    if (length >= 4) {
        uint32_t first, last;
        memcpy(&first, data, sizeof first);
        memcpy(&last, data + length - sizeof last, sizeof last);
        return (uint64_t)last << 32 | first;
    }
    return UINT64_C(0x6161616161000000) | (uint64_t)(uint8_t)data[length - 1] << 16 |
           (uint64_t)(uint8_t)data[length / 2] << 8 | (uint8_t)data[0];
}

static inline bool mqtt_text_is_plain(struct slice text, enum mqtt_text kind)
{
    size_t at = 0;

    if (text.length < 8)
        return text.length == 0 || !mqtt_word_is_odd(mqtt_word_of(text.data, text.length), kind);
    for (; at + 8 < text.length; at += 8) {
        if (mqtt_word_is_odd(mqtt_word_at(text.data + at), kind))
            return false;
    }
    return !mqtt_word_is_odd(mqtt_word_at(text.data + text.length - 8), kind);
}

/* A UTF-8 string (1.5.4), or a topic name (4.7), which may still be empty. */
static inline int mqtt_read_text(
    struct mqtt_reader *reader, const char *what, enum mqtt_text kind, struct slice *ret_text)
{
    if (mqtt_read_binary(reader, what, ret_text))
        return -1;
    return mqtt_text_is_plain(*ret_text, kind) ? 0 : mqtt_text_check(reader, what, *ret_text, kind);
}

/* ---- properties -------------------------------------------------------------------------------------------- */

/* Where clients send properties. */
enum mqtt_place {
    MQTT_IN_CONNECT = 1,
    MQTT_IN_WILL = 2,
    MQTT_IN_PUBLISH = 4,
    MQTT_IN_ACKNOWLEDGEMENT = 8, /* PUBACK, PUBREC, PUBREL, PUBCOMP */
    MQTT_IN_SUBSCRIBE = 16,
    MQTT_IN_UNSUBSCRIBE = 32,
    MQTT_IN_DISCONNECT = 64,
    MQTT_IN_AUTH = 128,
};

/* All of them (2.2.2.2): identifier, type, what 0 is refused with (SUCCESS: it is not), where a client may send it, name. Those with
 * place 0 only servers send. */
#define MQTT_IN_ALL 255
#define MQTT_PROPERTY_TABLE(X)                                                                              \
    X(PAYLOAD_FORMAT, 0x01, BOOLEAN, SUCCESS, MQTT_IN_PUBLISH | MQTT_IN_WILL, "payload format indicator")   \
    X(MESSAGE_EXPIRY, 0x02, LONG, SUCCESS, MQTT_IN_PUBLISH | MQTT_IN_WILL, "message expiry interval")       \
    X(CONTENT_TYPE, 0x03, STRING, SUCCESS, MQTT_IN_PUBLISH | MQTT_IN_WILL, "content type")                  \
    X(RESPONSE_TOPIC, 0x08, TOPIC, SUCCESS, MQTT_IN_PUBLISH | MQTT_IN_WILL, "response topic")               \
    X(CORRELATION, 0x09, BINARY, SUCCESS, MQTT_IN_PUBLISH | MQTT_IN_WILL, "correlation data")               \
    X(SUBSCRIPTION, 0x0B, VARIABLE, PROTOCOL_ERROR, MQTT_IN_SUBSCRIBE, "subscription identifier")           \
    X(SESSION_EXPIRY, 0x11, LONG, SUCCESS, MQTT_IN_CONNECT | MQTT_IN_DISCONNECT, "session expiry interval") \
    X(ASSIGNED_CLIENT_ID, 0x12, STRING, SUCCESS, 0, "assigned client identifier")                           \
    X(SERVER_KEEP_ALIVE, 0x13, SHORT, SUCCESS, 0, "server keep alive")                                      \
    X(METHOD, 0x15, STRING, SUCCESS, MQTT_IN_CONNECT | MQTT_IN_AUTH, "authentication method")               \
    X(DATA, 0x16, BINARY, SUCCESS, MQTT_IN_CONNECT | MQTT_IN_AUTH, "authentication data")                   \
    X(PROBLEMS, 0x17, BOOLEAN, SUCCESS, MQTT_IN_CONNECT, "request problem information")                     \
    X(WILL_DELAY, 0x18, LONG, SUCCESS, MQTT_IN_WILL, "will delay interval")                                 \
    X(RESPONSES, 0x19, BOOLEAN, SUCCESS, MQTT_IN_CONNECT, "request response information")                   \
    X(RESPONSE_INFORMATION, 0x1A, STRING, SUCCESS, 0, "response information")                               \
    X(SERVER_REFERENCE, 0x1C, STRING, SUCCESS, 0, "server reference")                                       \
    X(REASON, 0x1F, STRING, SUCCESS, MQTT_IN_ACKNOWLEDGEMENT | MQTT_IN_DISCONNECT | MQTT_IN_AUTH,           \
        "reason string")                                                                                    \
    X(RECEIVE_MAXIMUM, 0x21, SHORT, PROTOCOL_ERROR, MQTT_IN_CONNECT, "receive maximum")                     \
    X(ALIAS_MAXIMUM, 0x22, SHORT, SUCCESS, MQTT_IN_CONNECT, "topic alias maximum")                          \
    X(ALIAS, 0x23, SHORT, TOPIC_ALIAS, MQTT_IN_PUBLISH, "topic alias")                                      \
    X(MAXIMUM_QOS, 0x24, BOOLEAN, SUCCESS, 0, "maximum QoS")                                                \
    X(RETAIN, 0x25, BOOLEAN, SUCCESS, 0, "retain available")                                                \
    X(USER, 0x26, PAIR, SUCCESS, MQTT_IN_ALL, "user property")                                              \
    X(PACKET_MAXIMUM, 0x27, LONG, PROTOCOL_ERROR, MQTT_IN_CONNECT, "maximum packet size")                   \
    X(WILDCARDS, 0x28, BOOLEAN, SUCCESS, 0, "wildcard subscription available")                              \
    X(SUBSCRIPTIONS, 0x29, BOOLEAN, SUCCESS, 0, "subscription identifiers available")                       \
    X(SHARED, 0x2A, BOOLEAN, SUCCESS, 0, "shared subscription available")

enum mqtt_property_id {
#define MQTT_PROPERTY_ENUM(id, code, type, zero, places, name) MQTT_PROPERTY_##id = code,
    MQTT_PROPERTY_TABLE(MQTT_PROPERTY_ENUM)
#undef MQTT_PROPERTY_ENUM
};

struct mqtt_property {
    enum mqtt_property_id id;
    uint32_t number; /* booleans and integers */
    struct slice text; /* strings and binary data */
    struct mqtt_pair pair; /* user properties */
};

struct mqtt_property_reader {
    struct mqtt_reader reader;
    enum mqtt_place place;
    uint64_t seen; /* bits: identifiers */
};

/* Reads how long they are, and moves behind them. */
int mqtt_property_open(
    struct mqtt_reader *reader, enum mqtt_place place, struct mqtt_property_reader *ret_properties);

/* 1: one is there, 0: none is left, -1: refused. Of ret_property the id and the member of its type are written. */
int mqtt_property_next(struct mqtt_property_reader *properties, struct mqtt_property *ret_property);

/* Checks them and passes them over. */
int mqtt_property_skip(struct mqtt_reader *reader, enum mqtt_place place);

/* ---- messages ---------------------------------------------------------------------------------------------- */

/* Those of a PUBLISH or a will; ret_properties is written to also when they are refused. */
int mqtt_message_properties(
    struct mqtt_reader *reader, enum mqtt_place place, struct mqtt_properties *ret_properties);

/* Copies what is written of a message, not the pairs that are not. */
static inline void mqtt_message_copy(struct mqtt_publish *to, const struct mqtt_publish *from)
{
    memcpy(to, from,
        offsetof(struct mqtt_publish, properties.pairs) +
            from->properties.pairs_count * sizeof *from->properties.pairs);
}

/* Everything but the pairs. */
static inline void mqtt_message_clear(struct mqtt_properties *properties)
{
    memset(properties, 0, offsetof(struct mqtt_properties, pairs));
}

/* Large results are put together here, and handed over only when all is well. Without this the compiler would zero them first. */
#define MQTT_UNWRITTEN __attribute__((uninitialized))

#endif
