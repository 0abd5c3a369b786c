/* mqtt_packet: each property of MQTT 5 in each packet, once, twice, and cut short. */
#include "mqtt_packet_harness.h"

/* Packets of clients that may have properties, in the order of the columns below; AUTH has no decoder. */
enum { CONNECT, WILL, PUBLISH, ACKNOWLEDGEMENT, SUBSCRIBE, UNSUBSCRIBE, DISCONNECT, PLACES };

static const struct {
    uint8_t first;
    const char *before, *behind;
} places[PLACES] = {
    [CONNECT] = {0x10, "0004 'MQTT' 05 02 0000", "0001 'm'"},
    [WILL] = {0x10, "0004 'MQTT' 05 06 0000 00 0001 'm'", "0001 't' 0000"},
    [PUBLISH] = {0x30, "0001 't'", "'x'"},
    [ACKNOWLEDGEMENT] = {0x62, "0001 00", ""},
    [SUBSCRIBE] = {0x82, "0001", "0001 't' 00"},
    [UNSUBSCRIBE] = {0xa2, "0001", "0001 't'"},
    [DISCONNECT] = {0xe0, "00", ""},
};

/* Table 2-4 of 2.2.2.2, of what clients send. */
static const struct row {
    uint8_t id;
    const char *value; /* a good one */
    char places[PLACES + 1]; /* C, W, P, A, S, U, D where it may stand */
} rows[] = {
    {0x01, "01", "-WP----"}, /* payload format indicator */
    {0x02, "0000003c", "-WP----"}, /* message expiry interval */
    {0x03, "0004 'text'", "-WP----"}, /* content type */
    {0x08, "0003 'r/t'", "-WP----"}, /* response topic */
    {0x09, "0002 00ff", "-WP----"}, /* correlation data */
    {0x0b, "ffffff7f", "----S--"}, /* subscription identifier */
    {0x11, "00000e10", "C-----D"}, /* session expiry interval */
    {0x12, "0001 'm'", "-------"}, /* assigned client identifier */
    {0x13, "003c", "-------"}, /* server keep alive */
    {0x15, "0005 'SCRAM'", "C------"}, /* authentication method */
    {0x16, "0002 00ff", "C------"}, /* authentication data */
    {0x17, "01", "C------"}, /* request problem information */
    {0x18, "0000003c", "-W-----"}, /* will delay interval */
    {0x19, "01", "C------"}, /* request response information */
    {0x1a, "0001 'r'", "-------"}, /* response information */
    {0x1c, "0001 's'", "-------"}, /* server reference */
    {0x1f, "0003 'why'", "---A--D"}, /* reason string */
    {0x21, "000a", "C------"}, /* receive maximum */
    {0x22, "000a", "C------"}, /* topic alias maximum */
    {0x23, "000a", "--P----"}, /* topic alias */
    {0x24, "01", "-------"}, /* maximum QoS */
    {0x25, "01", "-------"}, /* retain available */
    {0x26, "0001 'k' 0001 'v'", "CWPASUD"}, /* user property */
    {0x27, "00010000", "C------"}, /* maximum packet size */
    {0x28, "01", "-------"}, /* wildcard subscription available */
    {0x29, "01", "-------"}, /* subscription identifiers available */
    {0x2a, "01", "-------"}, /* shared subscription available */
};

static const struct row *row_of(unsigned id)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (rows[i].id == id)
            return &rows[i];
    }
    return NULL;
}

static enum mqtt_reason reason;
static struct error error;

static size_t append(char *to, const char *notation)
{
    struct slice bytes = mqtt_bytes_of(notation);

    memcpy(to, bytes.data, bytes.length);
    mqtt_bytes_free(bytes);
    return bytes.length;
}

/* 1 or -1: a packet with these properties. */
static int judge_properties(unsigned place, const char *properties, size_t length)
{
    enum mqtt_version version = places[place].first == 0x10 ? MQTT_NONE : MQTT_5;
    union mqtt_decoded decoded;
    char body[256];
    size_t at = append(body, places[place].before);

    body[at++] = (char)length;
    memcpy(body + at, properties, length);
    at += length;
    at += append(body + at, places[place].behind);

    struct slice packet = packet_of(places[place].first, (struct slice){body, at});
    reason = MQTT_REASON_SUCCESS;
    int got = judge(version, packet, &decoded, &reason, &error);
    mqtt_bytes_free(packet);
    return got;
}

/* The property `times` times; authentication data has a method before it. */
static size_t write_property(char *to, unsigned id, const char *value, size_t times)
{
    size_t at = id == 0x16 ? append(to, "15 0001 'x'") : 0;

    for (size_t i = 0; i < times; i++) {
        to[at++] = (char)id;
        at += append(to + at, value);
    }
    return at;
}

Test(mqtt_packet_property, each_in_each_packet)
{
    for (unsigned place = 0; place < PLACES; place++) {
        for (unsigned id = 0; id < 256; id++) {
            const struct row *row = row_of(id);
            bool fits = row && row->places[place] != '-';
            char properties[128];
            size_t length = write_property(properties, id, row ? row->value : "00", 1);

            cr_assert_eq(judge_properties(place, properties, length), fits ? 1 : -1, "%02x in %u: %s", id,
                place, error.text);
            if (!fits)
                cr_assert_eq(reason, MQTT_REASON_MALFORMED, "2.2.2.2: %02x in %u", id, place);
        }
    }
}

Test(mqtt_packet_property, twice_is_a_protocol_error)
{
    for (unsigned place = 0; place < PLACES; place++) {
        for (size_t i = 0; i < COUNT(rows); i++) {
            if (rows[i].places[place] == '-')
                continue;
            char properties[128];
            size_t length = write_property(properties, rows[i].id, rows[i].value, 2);
            int got = judge_properties(place, properties, length);
            cr_assert_eq(got, rows[i].id == 0x26 ? 1 : -1, "%02x twice in %u", rows[i].id, place);
            if (got < 0)
                cr_assert_eq(reason, MQTT_REASON_PROTOCOL_ERROR, "%02x twice in %u", rows[i].id, place);
        }
    }
}

/* The end of the properties is an end, though the packet goes on. */
Test(mqtt_packet_property, cut_short)
{
    for (unsigned place = 0; place < PLACES; place++) {
        for (size_t i = 0; i < COUNT(rows); i++) {
            if (rows[i].places[place] == '-')
                continue;
            char properties[128];
            size_t length = write_property(properties, rows[i].id, rows[i].value, 1);
            size_t from = write_property(properties, rows[i].id, "", 1);
            write_property(properties, rows[i].id, rows[i].value, 1);
            for (; from < length; from++) {
                cr_assert_eq(judge_properties(place, properties, from), -1, "%02x to %zu", rows[i].id, from);
                cr_assert_eq(reason, MQTT_REASON_MALFORMED);
                cr_assert_not_null(
                    strstr(error.text, "goes beyond the end of the properties"), "%s", error.text);
            }
        }
    }
}

/* Those that are 0 or 1. */
Test(mqtt_packet_property, booleans)
{
    static const struct {
        unsigned place;
        char id;
    } booleans[] = {{PUBLISH, 0x01}, {WILL, 0x01}, {CONNECT, 0x17}, {CONNECT, 0x19}};

    for (size_t i = 0; i < COUNT(booleans); i++) {
        for (unsigned value = 0; value < 256; value++) {
            const char property[] = {booleans[i].id, (char)value};
            int got = judge_properties(booleans[i].place, property, sizeof property);
            cr_assert_eq(got, value < 2 ? 1 : -1, "%02x: %u", booleans[i].id, value);
            if (got < 0)
                cr_assert_eq(reason, MQTT_REASON_PROTOCOL_ERROR);
        }
    }
}

/* Numbers at their ends. 0 is one only where the specification says nothing else. */
Test(mqtt_packet_property, numbers)
{
    static const struct {
        unsigned place;
        const char *property;
        enum mqtt_reason reason; /* SUCCESS: it is taken */
    } numbers[] = {
        {CONNECT, "11 00000000", MQTT_REASON_SUCCESS},
        {CONNECT, "11 ffffffff", MQTT_REASON_SUCCESS},
        {CONNECT, "21 0000", MQTT_REASON_PROTOCOL_ERROR},
        {CONNECT, "21 ffff", MQTT_REASON_SUCCESS},
        {CONNECT, "22 0000", MQTT_REASON_SUCCESS},
        {CONNECT, "27 00000000", MQTT_REASON_PROTOCOL_ERROR},
        {CONNECT, "27 00000001", MQTT_REASON_SUCCESS},
        {WILL, "18 00000000", MQTT_REASON_SUCCESS},
        {PUBLISH, "02 00000000", MQTT_REASON_SUCCESS},
        {PUBLISH, "23 0000", MQTT_REASON_TOPIC_ALIAS},
        {PUBLISH, "23 0001", MQTT_REASON_SUCCESS},
        {SUBSCRIBE, "0b 00", MQTT_REASON_PROTOCOL_ERROR},
        {SUBSCRIBE, "0b 01", MQTT_REASON_SUCCESS},
        {SUBSCRIBE, "0b 8100", MQTT_REASON_MALFORMED},
        {SUBSCRIBE, "0b 80808001", MQTT_REASON_SUCCESS},
        {SUBSCRIBE, "0b 8080808001", MQTT_REASON_MALFORMED},
        {DISCONNECT, "11 00000000", MQTT_REASON_SUCCESS},
    };

    for (size_t i = 0; i < COUNT(numbers); i++) {
        struct slice property = mqtt_bytes_of(numbers[i].property);
        int got = judge_properties(numbers[i].place, property.data, property.length);
        cr_assert_eq(got, numbers[i].reason == MQTT_REASON_SUCCESS ? 1 : -1, "%s", numbers[i].property);
        if (got < 0)
            cr_assert_eq(reason, numbers[i].reason, "%s: %s", numbers[i].property, mqtt_reason_name(reason));
        mqtt_bytes_free(property);
    }
}
