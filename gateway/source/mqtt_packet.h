/* mqtt_packet: the packets that a publisher sends and that it is answered with, MQTT 3.1, 3.1.1 and 5.0.
 *
 * Section numbers are those of MQTT 5.0 (OASIS, 2019). A packet is decoded as a whole, once all of it is there; slices point into it. What
 * comes out has been checked: UTF-8 strings are UTF-8 without U+0000 (1.5.4), topic names hold no wildcard and are not empty (but
 * for an alias), packet identifiers are not 0, reserved bits and flags are as they must be, properties are known, stand where
 * they may stand, each once but for user properties. Pure. @thread any
 */
#ifndef PENSTOCK_SOURCE_MQTT_PACKET_H
#define PENSTOCK_SOURCE_MQTT_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

#define MQTT_HEADER_MAX 5 /* type, flags, remaining length */
#define MQTT_LENGTH_MAX 268435455 /* remaining length, four bytes of 7 bits */

enum mqtt_version {
    MQTT_NONE = 0, /* no CONNECT has come yet */
    MQTT_31 = 3,
    MQTT_311 = 4,
    MQTT_5 = 5,
};

enum mqtt_type {
    MQTT_CONNECT = 1,
    MQTT_CONNACK,
    MQTT_PUBLISH,
    MQTT_PUBACK,
    MQTT_PUBREC,
    MQTT_PUBREL,
    MQTT_PUBCOMP,
    MQTT_SUBSCRIBE,
    MQTT_SUBACK,
    MQTT_UNSUBSCRIBE,
    MQTT_UNSUBACK,
    MQTT_PINGREQ,
    MQTT_PINGRESP,
    MQTT_DISCONNECT,
    MQTT_AUTH,
};

/* Reason codes (2.4) that we send or understand. Name: in logs and as a metric's label. */
#define MQTT_REASON_TABLE(X)                                            \
    X(SUCCESS, 0x00, "success")                                         \
    X(WITH_WILL, 0x04, "disconnect_with_will")                          \
    X(NO_SUBSCRIPTION, 0x11, "no_subscription_existed")                 \
    X(UNSPECIFIED, 0x80, "unspecified")                                 \
    X(MALFORMED, 0x81, "malformed_packet")                              \
    X(PROTOCOL_ERROR, 0x82, "protocol_error")                           \
    X(IMPLEMENTATION, 0x83, "implementation_specific")                  \
    X(VERSION, 0x84, "unsupported_version")                             \
    X(CLIENT_ID, 0x85, "client_id_not_valid")                           \
    X(CREDENTIALS, 0x86, "bad_user_or_password")                        \
    X(NOT_AUTHORIZED, 0x87, "not_authorized")                           \
    X(UNAVAILABLE, 0x88, "server_unavailable")                          \
    X(SHUTTING_DOWN, 0x8B, "server_shutting_down")                      \
    X(AUTHENTICATION_METHOD, 0x8C, "bad_authentication_method")         \
    X(KEEP_ALIVE, 0x8D, "keep_alive_timeout")                           \
    X(TAKEN_OVER, 0x8E, "session_taken_over")                           \
    X(TOPIC_FILTER, 0x8F, "topic_filter_invalid")                       \
    X(TOPIC_NAME, 0x90, "topic_name_invalid")                           \
    X(IDENTIFIER_UNKNOWN, 0x92, "packet_identifier_not_found")          \
    X(RECEIVE_MAXIMUM, 0x93, "receive_maximum_exceeded")                \
    X(TOPIC_ALIAS, 0x94, "topic_alias_invalid")                         \
    X(PACKET_TOO_LARGE, 0x95, "packet_too_large")                       \
    X(MESSAGE_RATE, 0x96, "message_rate_too_high")                      \
    X(QUOTA, 0x97, "quota_exceeded")                                    \
    X(ADMINISTRATIVE, 0x98, "administrative_action")                    \
    X(PAYLOAD_FORMAT, 0x99, "payload_format_invalid")                   \
    X(SHARED_SUBSCRIPTIONS, 0x9E, "shared_subscriptions_not_supported") \
    X(WILDCARD_SUBSCRIPTIONS, 0xA2, "wildcard_subscriptions_not_supported")

enum mqtt_reason {
#define MQTT_REASON_ENUM(id, code, name) MQTT_REASON_##id = code,
    MQTT_REASON_TABLE(MQTT_REASON_ENUM)
#undef MQTT_REASON_ENUM
};

/* "quota_exceeded"; "unknown" for a code that is not in the table. */
const char *mqtt_reason_name(enum mqtt_reason reason);

/* ---- reading ---------------------------------------------------------------------------------------------- */

struct mqtt_header {
    enum mqtt_type type;
    uint8_t flags; /* the low four bits */
    uint8_t size; /* bytes of the header itself */
    uint32_t length; /* of what follows */
};

/* 1: there, 0: more bytes are needed, -1: malformed (remaining length of five bytes, type 0 or one that only servers send,
 * flags that the type does not have, a length that the type cannot have); ret_reason says which. The version is the connection's: with
 * MQTT_NONE the packet has to be a CONNECT, with another it cannot be one (3.1.0-1, 3.1.0-2). MQTT 3.1 sends PUBREL, SUBSCRIBE and
 * UNSUBSCRIBE again with DUP, others never. */
int mqtt_packet_header(enum mqtt_version version, const char *data, size_t length,
    struct mqtt_header *ret_header, enum mqtt_reason *ret_reason, struct error *error);

#define MQTT_USER_PROPERTIES_MAX \
    32 /* of one packet that can be found again; further ones are checked and passed over */

struct mqtt_pair {
    struct slice name, value;
};

/* What a PUBLISH, or a will, says besides its payload; data NULL for what is not there. It is large: pairs beyond pairs_count are
 * never written, so that nobody pays for them. */
struct mqtt_properties {
    bool utf8; /* payload format indicator 1 */
    bool has_expiry;
    uint32_t expiry; /* message expiry interval, seconds */
    struct slice content_type;
    struct slice response_topic;
    struct slice correlation; /* any bytes */
    uint16_t alias; /* topic alias; 0: none (PUBLISH only) */
    uint32_t delay; /* will delay interval, seconds (will only) */
    size_t pairs_count;
    struct mqtt_pair pairs[MQTT_USER_PROPERTIES_MAX];
};

struct mqtt_publish {
    uint8_t qos;
    bool retain;
    bool dup;
    uint16_t id; /* QoS 1 and 2 */
    struct slice topic; /* empty only in MQTT 5 with an alias */
    struct slice payload;
    struct mqtt_properties properties;
};

struct mqtt_connect {
    enum mqtt_version version;
    bool clean; /* clean session, clean start */
    uint16_t keep_alive; /* seconds; 0: off */
    uint32_t session_expiry; /* seconds, UINT32_MAX: never. 3.1, 3.1.1: 0 when clean, else UINT32_MAX */
    uint16_t receive_maximum;
    uint32_t packet_maximum; /* largest packet that the client takes */
    bool problem_information; /* reason strings are wanted */
    bool has_authentication; /* an authentication method is named */
    struct slice client_id; /* may be empty */
    bool has_user, has_password;
    struct slice user, password;
    bool has_will;
    struct mqtt_publish will; /* written with has_will only; id 0; topic checked as that of a PUBLISH */
};

struct mqtt_disconnect {
    enum mqtt_reason reason;
    bool has_expiry;
    uint32_t session_expiry;
};

/* A SUBSCRIBE or UNSUBSCRIBE: how many filters, and what each is answered with, for we have nothing to subscribe to. */
#define MQTT_FILTERS_MAX 1024 /* in one packet; more are a protocol error */
struct mqtt_filters {
    uint16_t id;
    size_t count;
    /* As many as count: 0x80; MQTT 5: 0x9E shared, 0xA2 wildcard, else 0x87. UNSUBSCRIBE: 0x11. */
    uint8_t codes[MQTT_FILTERS_MAX];
};

/* Each takes the body, what stands behind the header, whose type and flags fit. -1: *ret_reason is what the connection ends with,
 * the error's text says what is wrong and where. Results are set on success only. */

/* The version in whose form the CONNACK to this CONNECT is written when it is refused; MQTT_NONE: the client speaks something else, and
 * is not answered. */
enum mqtt_version mqtt_packet_version(struct slice body);

/* Knows the versions by protocol name and level: MQIsdp 3, MQTT 4, MQTT 5. Others: MQTT_REASON_VERSION. What the client does not say
 * is as the specification has it: receive_maximum UINT16_MAX, packet_maximum UINT32_MAX. */
int mqtt_packet_connect(
    struct slice body, struct mqtt_connect *ret_connect, enum mqtt_reason *ret_reason, struct error *error);
int mqtt_packet_publish(enum mqtt_version version, uint8_t flags, struct slice body,
    struct mqtt_publish *ret_publish, enum mqtt_reason *ret_reason, struct error *error);
/* PUBREL, and PUBACK, PUBREC, PUBCOMP, which a publisher never sends us: their id. Their reason may be one of any of the four. */
int mqtt_packet_identifier(enum mqtt_version version, struct slice body, uint16_t *ret_id,
    enum mqtt_reason *ret_reason, struct error *error);
int mqtt_packet_disconnect(enum mqtt_version version, struct slice body,
    struct mqtt_disconnect *ret_disconnect, enum mqtt_reason *ret_reason, struct error *error);
int mqtt_packet_subscribe(enum mqtt_version version, struct slice body, struct mqtt_filters *ret_filters,
    enum mqtt_reason *ret_reason, struct error *error);
int mqtt_packet_unsubscribe(enum mqtt_version version, struct slice body, struct mqtt_filters *ret_filters,
    enum mqtt_reason *ret_reason, struct error *error);

/* ---- writing ---------------------------------------------------------------------------------------------- */

/* What a MQTT 5 CONNACK announces besides: no wildcard, shared or identified subscriptions. Of a refusal only reason and text are
 * looked at. Maxima of 0 are not announced: the specification's defaults hold. */
struct mqtt_connack {
    bool session_present;
    enum mqtt_reason reason; /* 3.1, 3.1.1: turned into the return code that comes nearest (3.1.1: 3.2.2.3) */
    uint16_t receive_maximum;
    uint32_t packet_maximum;
    uint16_t alias_maximum;
    bool has_expiry; /* the session ends earlier than was asked for */
    uint32_t session_expiry;
    bool has_keep_alive; /* the client is to use this one */
    uint16_t keep_alive;
    struct slice client_id; /* assigned; empty: the client's own */
    const char *text; /* reason string; NULL: none */
};

#define MQTT_TEXT_MAX 512 /* bytes of a reason string; a longer one is cut */

/* Each appends one packet, or nothing. Properties and reason strings are left out in 3.1 and 3.1.1. Texts are UTF-8 without U+0000. */
int mqtt_write_connack(
    struct bytes *out, enum mqtt_version version, const struct mqtt_connack *connack, struct error *error);
/* PUBACK, PUBREC, PUBCOMP. 3.1 and 3.1.1 know no reasons: the caller writes none there. */
int mqtt_write_acknowledgement(struct bytes *out, enum mqtt_version version, enum mqtt_type type, uint16_t id,
    enum mqtt_reason reason, struct error *error);
/* SUBACK, UNSUBACK (3.1, 3.1.1: no codes). */
int mqtt_write_filters(struct bytes *out, enum mqtt_version version, enum mqtt_type type,
    const struct mqtt_filters *filters, struct error *error);
int mqtt_write_pingresp(struct bytes *out, struct error *error);
/* MQTT 5 only; text may be NULL. */
int mqtt_write_disconnect(struct bytes *out, enum mqtt_reason reason, const char *text, struct error *error);

#endif
