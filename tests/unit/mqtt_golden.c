/* mqtt_golden: see mqtt_golden.h */
#include "mqtt_golden.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>

#define NOTATION_MAX 4096

/* Cuts are noted as lengths; stored + 1, so that 0 bytes can be one of them. */
#define CUT(length) ((length) + 1)

const struct mqtt_golden mqtt_goldens[] = {
    /* MQIsdp 3, clean, keep alive 60 s, client "meter" */
    {"connect_31", MQTT_NONE, "10 13  0006 'MQIsdp' 03 02 003c  0005 'meter'", 0, {0}},
    /* the same with user "ann" and password "pw", both of which may be missing */
    {"connect_31_user", MQTT_NONE, "10 1c  0006 'MQIsdp' 03 c2 003c  0005 'meter' 0003 'ann' 0002 'pw'", 0,
        {CUT(19), CUT(24)}},
    /* a client identifier of 28 bytes; flags set that mean nothing: the reserved one, QoS 3 and retain of no will */
    {"connect_31_lenient", MQTT_NONE, "10 2a  0006 'MQIsdp' 03 39 0000  001c 'sensor-0123456789-0123456789'",
        0, {0}},
    /* MQTT 4, clean, keep alive 60 s */
    {"connect_311", MQTT_NONE, "10 11  0004 'MQTT' 04 02 003c  0005 'meter'", 0, {0}},
    /* not clean, keep alive 10 s, will of QoS 2 with retain on gone/m, user, password */
    {"connect_311_all", MQTT_NONE,
        "10 27  0004 'MQTT' 04 f4 000a  0005 'meter' 0006 'gone/m' 0003 00ff01 0003 'ann' 0002 'pw'", 0, {0}},
    /* clean: the client identifier may be empty */
    {"connect_311_empty", MQTT_NONE, "10 0c  0004 'MQTT' 04 02 0000  0000", 0, {0}},
    /* MQTT 5, clean, no properties */
    {"connect_5", MQTT_NONE, "10 12  0004 'MQTT' 05 02 003c 00  0005 'meter'", 0, {0}},
    /* not clean, and an empty client identifier all the same */
    {"connect_5_empty", MQTT_NONE, "10 0d  0004 'MQTT' 05 00 0000 00  0000", 0, {0}},
    /* a password without a user name */
    {"connect_5_password", MQTT_NONE, "10 12  0004 'MQTT' 05 42 0000 00  0001 'm' 0002 'pw'", 0, {0}},
    /* 47 bytes of properties: session expiry 3600, receive maximum 10, maximum packet size 65536, topic alias maximum 5, response
     * information asked for, problem information not, a user property twice, authentication method SCRAM with data. A will of QoS 1 with
     * retain; 42 bytes of properties: delay 60, format UTF-8, expiry 120, content type, response topic, correlation data, user property
     * with an empty value */
    {"connect_5_all", MQTT_NONE,
        "10 8201  0004 'MQTT' 05 ee 000a"
        "  2f 11 00000e10 21 000a 27 00010000 22 0005 19 01 17 00 26 0001 'k' 0001 'v' 26 0001 'k' 0001 'v'"
        "     15 0005 'SCRAM' 16 0002 00ff"
        "  0005 'meter'"
        "  2a 18 0000003c 01 01 02 00000078 03 000a 'text/plain' 08 0003 'r/m' 09 0002 0000 26 0001 'a' 0000"
        "  0006 'gone/m' 0003 'bye' 0003 'ann' 0002 'pw'",
        0, {0}},

    /* QoS 0, a/b, "21.5" */
    {"publish_0", MQTT_311, "30 09  0003 'a/b' '21.5'", 5, {0}},
    /* QoS 1, identifier 7 */
    {"publish_1", MQTT_311, "32 0b  0003 'a/b' 0007 '21.5'", 7, {0}},
    /* QoS 2, DUP, retain, identifier 65535 */
    {"publish_2", MQTT_31, "3d 0b  0003 'a/b' ffff '21.5'", 7, {0}},
    /* retain, no payload */
    {"publish_empty", MQTT_311, "31 05  0003 'a/b'", 5, {0}},
    /* a topic with a ring above its a, and a degree sign */
    {"publish_utf8", MQTT_311, "30 0b  0008 'm' c3a5 'tt/' c2b0 '1'", 10, {0}},
    /* MQTT 5, QoS 1, no properties */
    {"publish_5", MQTT_5, "32 0c  0003 'a/b' 0007 00 '21.5'", 8, {0}},
    /* QoS 2, 61 bytes of properties: format UTF-8, expiry 60, alias 3, response topic, correlation data 00 ff, user property "unit" twice,
     * content type */
    {"publish_5_all", MQTT_5,
        "34 47  0003 'a/b' 0007"
        "  3d 01 01 02 0000003c 23 0003 08 0003 'r/b' 09 0002 00ff 26 0004 'unit' 0001 'W'"
        "     26 0004 'unit' 0002 'kW' 03 0010 'application/json'"
        "  '{}'",
        69, {0}},
    /* QoS 0, alias 1 in the topic's place */
    {"publish_5_alias", MQTT_5, "30 07  0000 03 23 0001 'x'", 6, {0}},

    {"puback", MQTT_311, "40 02  0001", 0, {0}},
    /* reason "no matching subscribers", no properties */
    {"pubrec_5", MQTT_5, "50 04  0001 10 00", 0, {CUT(2), CUT(3)}},
    {"pubrel", MQTT_311, "62 02  0007", 0, {0}},
    /* sent again: DUP */
    {"pubrel_31", MQTT_31, "6a 02  0007", 0, {0}},
    {"pubrel_5", MQTT_5, "62 02  0007", 0, {0}},
    /* reason "packet identifier not found" */
    {"pubrel_5_reason", MQTT_5, "62 03  0007 92", 0, {CUT(2)}},
    /* reason string, user property */
    {"pubrel_5_all", MQTT_5, "62 12  0007 00 0e 1f 0004 'done' 26 0001 'k' 0001 'v'", 0, {CUT(2), CUT(3)}},
    {"pubcomp", MQTT_31, "70 02  0001", 0, {0}},

    /* a/b with QoS 1, # with QoS 2 */
    {"subscribe", MQTT_311, "82 0c  000a 0003 'a/b' 01 0001 '#' 02", 0, {CUT(8)}},
    /* sent again: DUP */
    {"subscribe_31", MQTT_31, "8a 08  000a 0003 'a/b' 00", 0, {0}},
    /* subscription identifier 128 and a user property; the second filter with no local, retain as published, retain handling 2; a shared
     * one; all topics; a topic that only begins like a shared one */
    {"subscribe_5", MQTT_5,
        "82 35  000a 0a 0b 8001 26 0001 'k' 0001 'v'"
        "  0003 'a/b' 01 0003 '+/b' 2e 000c '$share/g/a/b' 00 0001 '#' 00 0006 '$share' 00",
        0, {CUT(19), CUT(25), CUT(40), CUT(44)}},
    {"unsubscribe", MQTT_311, "a2 0a  000b 0003 'a/b' 0001 '+'", 0, {CUT(7)}},
    {"unsubscribe_31", MQTT_31, "aa 07  000b 0003 'a/b'", 0, {0}},
    {"unsubscribe_5", MQTT_5, "a2 0f  000b 07 26 0001 'k' 0001 'v' 0003 'a/b'", 0, {0}},

    {"pingreq_31", MQTT_31, "c0 00", 0, {0}},
    {"pingreq", MQTT_311, "c0 00", 0, {0}},
    {"pingreq_5", MQTT_5, "c0 00", 0, {0}},
    {"disconnect_31", MQTT_31, "e0 00", 0, {0}},
    {"disconnect", MQTT_311, "e0 00", 0, {0}},
    {"disconnect_5", MQTT_5, "e0 00", 0, {0}},
    /* with the will, please */
    {"disconnect_5_will", MQTT_5, "e0 01  04", 0, {CUT(0)}},
    /* session expiry 120, reason string, user property */
    {"disconnect_5_all", MQTT_5, "e0 14  04 12 11 00000078 1f 0003 'bye' 26 0001 'k' 0001 'v'", 0,
        {CUT(0), CUT(1)}},
    {"auth_5", MQTT_5, "f0 00", 0, {0}},
};

const size_t mqtt_goldens_count = sizeof mqtt_goldens / sizeof *mqtt_goldens;

struct slice mqtt_bytes_exactly(const void *data, size_t length)
{
    char *copy = malloc(length ? length : 1);

    if (!copy)
        abort();
    if (length)
        memcpy(copy, data, length);
    return (struct slice){copy, length};
}

void mqtt_bytes_free(struct slice bytes)
{
    free((char *)(uintptr_t)bytes.data);
}

static unsigned digit_of(char digit)
{
    assert(isxdigit((unsigned char)digit));
    return (unsigned)(digit <= '9' ? digit - '0' : tolower(digit) - 'a' + 10);
}

struct slice mqtt_bytes_of(const char *notation)
{
    char bytes[NOTATION_MAX];
    size_t length = 0;

    for (const char *at = notation; *at; at++) {
        assert(length < sizeof bytes);
        if (*at == ' ')
            continue;
        if (*at == '\'') {
            for (at++; *at != '\''; at++) {
                assert(*at && length < sizeof bytes);
                bytes[length++] = *at;
            }
            continue;
        }
        bytes[length++] = (char)(digit_of(at[0]) << 4 | digit_of(at[1]));
        at++;
    }
    return mqtt_bytes_exactly(bytes, length);
}

int mqtt_decode_body(enum mqtt_version version, const struct mqtt_header *header, struct slice body,
    union mqtt_decoded *ret_decoded, enum mqtt_reason *ret_reason, struct error *error)
{
    switch (header->type) {
    case MQTT_CONNECT:
        return mqtt_packet_connect(body, &ret_decoded->connect, ret_reason, error);
    case MQTT_PUBLISH:
        return mqtt_packet_publish(version, header->flags, body, &ret_decoded->publish, ret_reason, error);
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBREL:
    case MQTT_PUBCOMP:
        return mqtt_packet_identifier(version, body, &ret_decoded->id, ret_reason, error);
    case MQTT_SUBSCRIBE:
        return mqtt_packet_subscribe(version, body, &ret_decoded->filters, ret_reason, error);
    case MQTT_UNSUBSCRIBE:
        return mqtt_packet_unsubscribe(version, body, &ret_decoded->filters, ret_reason, error);
    case MQTT_DISCONNECT:
        return mqtt_packet_disconnect(version, body, &ret_decoded->disconnect, ret_reason, error);
    default:
        assert(header->type == MQTT_PINGREQ || header->type == MQTT_AUTH);
        return 0;
    }
}
