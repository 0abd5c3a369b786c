/* mqtt_packet: headers, what is cut short, and the packets that hold little more than an identifier. */
#include "mqtt_packet_harness.h"

static struct error error;
static enum mqtt_reason reason;

static const enum mqtt_version versions[] = {MQTT_NONE, MQTT_31, MQTT_311, MQTT_5};

/* ---- golden packets ---------------------------------------------------------------------------------------- */

Test(mqtt_packet, every_golden_packet_is_taken)
{
    for (size_t i = 0; i < mqtt_goldens_count; i++) {
        union mqtt_decoded decoded;
        struct slice packet = mqtt_bytes_of(mqtt_goldens[i].notation);

        cr_expect_eq(judge(mqtt_goldens[i].version, packet, &decoded, &reason, &error), 1, "%s: %s",
            mqtt_goldens[i].name, error.text);
        mqtt_bytes_free(packet);
    }
}

static bool may_end(const struct mqtt_golden *golden, size_t length)
{
    if (golden->open && length >= golden->open)
        return true;
    for (size_t i = 0; i < MQTT_GOLDEN_CUTS; i++) {
        if (golden->cuts[i] == length + 1)
            return true;
    }
    return false;
}

/* Each proper prefix of a packet needs more bytes; each proper prefix of a body is refused, but for those that are bodies themselves. All of
 * them lie in memory of just their length. */
static void cut_everywhere(const struct mqtt_golden *golden)
{
    struct slice packet = mqtt_bytes_of(golden->notation);
    struct mqtt_header header;
    union mqtt_decoded decoded;

    cr_assert_eq(
        mqtt_packet_header(golden->version, packet.data, packet.length, &header, &reason, &error), 1);
    cr_assert_eq(packet.length, header.size + header.length, "%s", golden->name);
    for (size_t length = 0; length < packet.length; length++) {
        struct slice part = mqtt_bytes_exactly(packet.data, length);
        cr_assert_eq(judge(golden->version, part, &decoded, &reason, &error), 0, "%s cut to %zu",
            golden->name, length);
        mqtt_bytes_free(part);
    }
    for (size_t length = 0; length < header.length; length++) {
        struct slice body = mqtt_bytes_exactly(packet.data + header.size, length);
        reason = MQTT_REASON_SUCCESS;
        int result = mqtt_decode_body(golden->version, &header, body, &decoded, &reason, &error);
        cr_assert_eq(result, may_end(golden, length) ? 0 : -1, "%s: body of %zu", golden->name, length);
        if (result)
            cr_assert_neq(reason, MQTT_REASON_SUCCESS);
        mqtt_bytes_free(body);
    }
    mqtt_bytes_free(packet);
}

Test(mqtt_packet, every_truncation)
{
    for (size_t i = 0; i < mqtt_goldens_count; i++)
        cut_everywhere(&mqtt_goldens[i]);
}

/* A byte more is refused, where it is not one of a payload's. */
Test(mqtt_packet, every_elongation)
{
    for (size_t i = 0; i < mqtt_goldens_count; i++) {
        struct slice packet = mqtt_bytes_of(mqtt_goldens[i].notation);
        struct mqtt_header header;
        union mqtt_decoded decoded;
        char body[256];

        cr_assert_eq(
            mqtt_packet_header(mqtt_goldens[i].version, packet.data, packet.length, &header, &reason, &error),
            1);
        if (header.type == MQTT_PUBLISH || header.type == MQTT_PINGREQ || header.type == MQTT_AUTH) {
            mqtt_bytes_free(packet);
            continue;
        }
        memcpy(body, packet.data + header.size, header.length);
        body[header.length] = '\xff';
        struct slice longer = mqtt_bytes_exactly(body, header.length + 1);
        cr_expect_eq(mqtt_decode_body(mqtt_goldens[i].version, &header, longer, &decoded, &reason, &error),
            -1, "%s", mqtt_goldens[i].name);
        mqtt_bytes_free(longer);
        mqtt_bytes_free(packet);
    }
}

/* ---- headers ----------------------------------------------------------------------------------------------- */

/* 1 with these flags, -1 with others; the packet has a length that fits. */
static int header_of(enum mqtt_version version, unsigned type, unsigned flags)
{
    static const uint8_t lengths[16] = {0, 12, 2, 5, 2, 2, 2, 2, 6, 3, 5, 2, 0, 0, 0, 0};
    const char data[] = {(char)(type << 4 | flags), (char)lengths[type]};
    struct slice exact = mqtt_bytes_exactly(data, sizeof data);
    struct mqtt_header header;

    int got = mqtt_packet_header(version, exact.data, exact.length, &header, &reason, &error);
    if (got == 1) {
        cr_assert_eq(header.type, type);
        cr_assert_eq(header.flags, flags);
        cr_assert_eq(header.size, 2);
        cr_assert_eq(header.length, lengths[type]);
    }
    mqtt_bytes_free(exact);
    return got;
}

static bool flags_fit(enum mqtt_version version, unsigned type, unsigned flags)
{
    switch (type) {
    case MQTT_PUBLISH:
        return flags != 8 && flags != 9 && (flags & 6) != 6;
    case MQTT_PUBREL:
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE:
        return flags == 2 || (version == MQTT_31 && flags == 10);
    default:
        return flags == 0;
    }
}

/* Who may send which type (2.1.2), and when (3.1.0-1, 3.1.0-2). */
static bool type_fits(enum mqtt_version version, unsigned type)
{
    if (version == MQTT_NONE)
        return type == MQTT_CONNECT;
    if (type == MQTT_AUTH)
        return version == MQTT_5;
    return type != 0 && type != MQTT_CONNECT && type != MQTT_CONNACK && type != MQTT_SUBACK &&
           type != MQTT_UNSUBACK && type != MQTT_PINGRESP;
}

Test(mqtt_packet, every_first_byte)
{
    for (size_t i = 0; i < COUNT(versions); i++) {
        for (unsigned first = 0; first < 256; first++) {
            unsigned type = first >> 4, flags = first & 15;
            bool fits = type_fits(versions[i], type) && flags_fit(versions[i], type, flags);
            cr_assert_eq(
                header_of(versions[i], type, flags), fits ? 1 : -1, "version %u, %02x", versions[i], first);
        }
    }
}

static void header_refused(
    enum mqtt_version version, const char *notation, enum mqtt_reason expected, const char *said)
{
    struct slice data = mqtt_bytes_of(notation);
    struct mqtt_header header;

    cr_expect_eq(
        mqtt_packet_header(version, data.data, data.length, &header, &reason, &error), -1, "%s", notation);
    cr_expect_eq(reason, expected, "%s: %s", notation, mqtt_reason_name(reason));
    cr_expect_not_null(strstr(error.text, said), "%s: %s", notation, error.text);
    cr_expect_eq(error.kind, ERROR_REJECT);
    mqtt_bytes_free(data);
}

Test(mqtt_packet, headers_that_are_refused)
{
    header_refused(MQTT_311, "00 00", MQTT_REASON_MALFORMED, "no packet of type 0");
    header_refused(MQTT_NONE, "00", MQTT_REASON_MALFORMED, "no packet of type 0");
    header_refused(MQTT_311, "f0 00", MQTT_REASON_MALFORMED, "no packet of type 15");
    header_refused(MQTT_31, "f0 00", MQTT_REASON_MALFORMED, "no packet of type 15");
    header_refused(MQTT_5, "20 02", MQTT_REASON_PROTOCOL_ERROR, "CONNACK: only servers send it");
    header_refused(MQTT_5, "90 03", MQTT_REASON_PROTOCOL_ERROR, "SUBACK: only servers send it");
    header_refused(MQTT_311, "b0 02", MQTT_REASON_PROTOCOL_ERROR, "UNSUBACK: only servers send it");
    header_refused(MQTT_311, "d0 00", MQTT_REASON_PROTOCOL_ERROR, "PINGRESP: only servers send it");
    header_refused(MQTT_NONE, "30 05", MQTT_REASON_PROTOCOL_ERROR, "first packet has to be a CONNECT");
    header_refused(MQTT_5, "10 0c", MQTT_REASON_PROTOCOL_ERROR, "CONNECT: a second one");
    header_refused(MQTT_5, "36 05", MQTT_REASON_MALFORMED, "PUBLISH: QoS 3");
    header_refused(MQTT_311, "3e 05", MQTT_REASON_MALFORMED, "PUBLISH: QoS 3");
    header_refused(MQTT_5, "38 05", MQTT_REASON_PROTOCOL_ERROR, "PUBLISH: DUP with QoS 0");
    header_refused(MQTT_311, "39 05", MQTT_REASON_PROTOCOL_ERROR, "PUBLISH: DUP with QoS 0");
    header_refused(MQTT_NONE, "11 0c", MQTT_REASON_MALFORMED, "CONNECT: flags 0x1 instead of 0x0");
    header_refused(MQTT_311, "6a 02", MQTT_REASON_MALFORMED, "PUBREL: flags 0xa instead of 0x2");
    header_refused(MQTT_31, "60 02", MQTT_REASON_MALFORMED, "PUBREL: flags 0x0 instead of 0x2");
    header_refused(MQTT_31, "48 02", MQTT_REASON_MALFORMED, "PUBACK: flags 0x8 instead of 0x0");
    header_refused(MQTT_5, "c1 00", MQTT_REASON_MALFORMED, "PINGREQ: flags 0x1");
}

Test(mqtt_packet, lengths_that_a_type_cannot_have)
{
    header_refused(MQTT_NONE, "10 0b", MQTT_REASON_MALFORMED, "CONNECT: remaining length 11");
    header_refused(MQTT_311, "30 01", MQTT_REASON_MALFORMED, "PUBLISH: remaining length 1");
    header_refused(MQTT_311, "40 03", MQTT_REASON_MALFORMED, "PUBACK: remaining length 3");
    header_refused(MQTT_311, "50 01", MQTT_REASON_MALFORMED, "PUBREC: remaining length 1");
    header_refused(MQTT_311, "62 03", MQTT_REASON_MALFORMED, "PUBREL: remaining length 3");
    header_refused(MQTT_5, "62 01", MQTT_REASON_MALFORMED, "PUBREL: remaining length 1");
    header_refused(MQTT_31, "70 04", MQTT_REASON_MALFORMED, "PUBCOMP: remaining length 4");
    header_refused(MQTT_311, "82 01", MQTT_REASON_MALFORMED, "SUBSCRIBE: remaining length 1");
    header_refused(MQTT_311, "a2 00", MQTT_REASON_MALFORMED, "UNSUBSCRIBE: remaining length 0");
    header_refused(MQTT_5, "c0 01", MQTT_REASON_MALFORMED, "PINGREQ: remaining length 1");
    header_refused(MQTT_311, "e0 01", MQTT_REASON_MALFORMED, "DISCONNECT: remaining length 1");
    header_refused(MQTT_31, "e0 02", MQTT_REASON_MALFORMED, "DISCONNECT: remaining length 2");
}

static void length_is(enum mqtt_version version, const char *notation, uint32_t length, uint8_t size)
{
    struct slice data = mqtt_bytes_of(notation);
    struct mqtt_header header;

    cr_assert_eq(
        mqtt_packet_header(version, data.data, data.length, &header, &reason, &error), 1, "%s", notation);
    cr_assert_eq(header.length, length, "%s: %u", notation, header.length);
    cr_assert_eq(header.size, size);
    mqtt_bytes_free(data);
}

/* Table 1-1 of 1.5.5. */
Test(mqtt_packet, remaining_lengths)
{
    length_is(MQTT_5, "30 7f", 127, 2);
    length_is(MQTT_5, "30 8001", 128, 3);
    length_is(MQTT_5, "30 ff7f", 16383, 3);
    length_is(MQTT_5, "30 808001", 16384, 4);
    length_is(MQTT_5, "30 ffff7f", 2097151, 4);
    length_is(MQTT_5, "30 80808001", 2097152, 5);
    length_is(MQTT_5, "30 ffffff7f", MQTT_LENGTH_MAX, 5);
    header_refused(MQTT_5, "30 ffffffff", MQTT_REASON_MALFORMED, "more than four bytes");
    header_refused(MQTT_311, "30 80808080", MQTT_REASON_MALFORMED, "more than four bytes");
    header_refused(MQTT_NONE, "10 8080808001", MQTT_REASON_MALFORMED, "more than four bytes");

    /* 1.5.5-1 came with MQTT 5. */
    header_refused(MQTT_5, "30 8500", MQTT_REASON_MALFORMED, "longer than it needs to be");
    header_refused(MQTT_5, "30 85808000", MQTT_REASON_MALFORMED, "longer than it needs to be");
    length_is(MQTT_311, "30 8500", 5, 3);
    length_is(MQTT_31, "30 85808000", 5, 5);
    length_is(MQTT_NONE, "10 8c00", 12, 3);
}

Test(mqtt_packet, a_header_in_pieces)
{
    struct mqtt_header header;

    cr_assert_eq(mqtt_packet_header(MQTT_5, NULL, 0, &header, &reason, &error), 0);
    cr_assert_eq(mqtt_packet_header(MQTT_5, "\x30", 1, &header, &reason, &error), 0);
    cr_assert_eq(mqtt_packet_header(MQTT_5, "\x30\xff\xff\xff", 4, &header, &reason, &error), 0);
    cr_assert_eq(mqtt_packet_header(MQTT_5, "\x36", 1, &header, &reason, &error), -1, "at the first byte");
}

/* ---- names ------------------------------------------------------------------------------------------------- */

Test(mqtt_packet, reasons_have_names)
{
    cr_assert_str_eq(mqtt_reason_name(MQTT_REASON_SUCCESS), "success");
    cr_assert_str_eq(mqtt_reason_name(MQTT_REASON_QUOTA), "quota_exceeded");
    cr_assert_str_eq(mqtt_reason_name(0x87), "not_authorized");
    cr_assert_str_eq(mqtt_reason_name(0xa2), "wildcard_subscriptions_not_supported");
    cr_assert_str_eq(mqtt_reason_name(0x7f), "unknown");
}

/* ---- acknowledgements -------------------------------------------------------------------------------------- */

Test(mqtt_packet, acknowledgements_have_an_identifier)
{
    static const struct {
        const char *name;
        uint16_t id;
    } rows[] = {{"puback", 1}, {"pubrec_5", 1}, {"pubrel", 7}, {"pubrel_31", 7}, {"pubrel_5", 7},
        {"pubrel_5_reason", 7}, {"pubrel_5_all", 7}, {"pubcomp", 1}};
    union mqtt_decoded decoded;
    struct slice packet;

    for (size_t i = 0; i < COUNT(rows); i++) {
        take_golden(rows[i].name, &decoded, &packet);
        cr_expect_eq(decoded.id, rows[i].id, "%s: %u", rows[i].name, decoded.id);
        mqtt_bytes_free(packet);
    }
}

Test(mqtt_packet, acknowledgements_that_are_refused)
{
    static const struct mqtt_bad rows[] = {
        {MQTT_31, 0x62, "0000", MQTT_REASON_PROTOCOL_ERROR, "packet identifier is 0"},
        {MQTT_311, 0x40, "0000", MQTT_REASON_PROTOCOL_ERROR, "packet identifier is 0"},
        {MQTT_5, 0x62, "0000 00", MQTT_REASON_PROTOCOL_ERROR, "packet identifier is 0"},
        {MQTT_5, 0x62, "0001 01", MQTT_REASON_PROTOCOL_ERROR, "reason code 0x01"},
        {MQTT_5, 0x62, "0001 00 00 00", MQTT_REASON_MALFORMED, "1 bytes too many"},
        {MQTT_5, 0x62, "0001 00 01", MQTT_REASON_MALFORMED, "block of properties goes beyond"},
        {MQTT_5, 0x62, "0001 00 03 1f 0001", MQTT_REASON_MALFORMED,
            "reason string goes beyond the end of the properties"},
        {MQTT_5, 0x62, "0001 00 08 1f 0001 'a' 1f 0001 'a'", MQTT_REASON_PROTOCOL_ERROR,
            "more than one reason string"},
        {MQTT_5, 0x62, "0001 00 05 11 00000001", MQTT_REASON_MALFORMED,
            "a session expiry interval does not belong here"},
        {MQTT_5, 0x50, "0001 00 04 1f 0001 ff", MQTT_REASON_MALFORMED,
            "reason string is not UTF-8 at byte 0"},
        {MQTT_5, 0x70, "0001 00 04 1f 0001 00", MQTT_REASON_MALFORMED, "reason string holds U+0000"},
    };
    cr_all_refused(rows);
}

/* The codes of any of the four packets (3.4.2.1, 3.5.2.1, 3.6.2.1, 3.7.2.1), and no others. */
Test(mqtt_packet, acknowledgements_have_a_known_reason)
{
    static const uint8_t known[] = {0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x92, 0x97, 0x99};

    for (unsigned code = 0; code < 256; code++) {
        const char body[] = {0, 1, (char)code};
        uint16_t id;
        int result = mqtt_packet_identifier(MQTT_5, (struct slice){body, sizeof body}, &id, &reason, &error);
        cr_assert_eq(result, memchr(known, (int)code, sizeof known) ? 0 : -1, "%02x", code);
    }
    uint16_t id;
    cr_assert_eq(mqtt_packet_identifier(MQTT_5, (struct slice){NULL, 0}, &id, &reason, &error), -1);
    cr_assert_str_eq(error.text, "acknowledgement: packet identifier goes beyond the end of the packet");
}

/* ---- DISCONNECT -------------------------------------------------------------------------------------------- */

Test(mqtt_packet, disconnect_says_why)
{
    union mqtt_decoded decoded;
    struct slice packet;

    take_golden("disconnect", &decoded, &packet);
    cr_assert_eq(decoded.disconnect.reason, MQTT_REASON_SUCCESS);
    cr_assert_not(decoded.disconnect.has_expiry);
    mqtt_bytes_free(packet);
    take_golden("disconnect_5", &decoded, &packet);
    cr_assert_eq(decoded.disconnect.reason, MQTT_REASON_SUCCESS);
    mqtt_bytes_free(packet);
    take_golden("disconnect_5_will", &decoded, &packet);
    cr_assert_eq(decoded.disconnect.reason, MQTT_REASON_WITH_WILL);
    cr_assert_not(decoded.disconnect.has_expiry);
    mqtt_bytes_free(packet);
    take_golden("disconnect_5_all", &decoded, &packet);
    cr_assert_eq(decoded.disconnect.reason, MQTT_REASON_WITH_WILL);
    cr_assert(decoded.disconnect.has_expiry);
    cr_assert_eq(decoded.disconnect.session_expiry, 120);
    mqtt_bytes_free(packet);
}

/* Those of the table in 3.14.2.1 that a client may send. */
Test(mqtt_packet, disconnect_has_a_known_reason)
{
    static const uint8_t known[] = {
        0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99};

    for (unsigned code = 0; code < 256; code++) {
        const char body = (char)code;
        struct mqtt_disconnect disconnect;
        int result = mqtt_packet_disconnect(MQTT_5, (struct slice){&body, 1}, &disconnect, &reason, &error);
        cr_assert_eq(result, memchr(known, (int)code, sizeof known) ? 0 : -1, "%02x", code);
        if (result == 0)
            cr_assert_str_neq(mqtt_reason_name(disconnect.reason), "unknown", "%02x", code);
    }
}

Test(mqtt_packet, disconnects_that_are_refused)
{
    static const struct mqtt_bad rows[] = {
        {MQTT_5, 0xe0, "8b", MQTT_REASON_PROTOCOL_ERROR, "DISCONNECT: reason code 0x8b"},
        {MQTT_5, 0xe0, "00 00 00", MQTT_REASON_MALFORMED, "1 bytes too many"},
        {MQTT_5, 0xe0, "00 01", MQTT_REASON_MALFORMED, "block of properties goes beyond"},
        {MQTT_5, 0xe0, "00 80", MQTT_REASON_MALFORMED, "length of the properties goes beyond"},
        {MQTT_5, 0xe0, "00 8000", MQTT_REASON_MALFORMED, "length of the properties is longer than it needs"},
        {MQTT_5, 0xe0, "00 04 11 000000", MQTT_REASON_MALFORMED, "session expiry interval goes beyond"},
        {MQTT_5, 0xe0, "00 0a 11 00000001 11 00000001", MQTT_REASON_PROTOCOL_ERROR,
            "more than one session expiry interval"},
        {MQTT_5, 0xe0, "00 04 1c 0001 'x'", MQTT_REASON_MALFORMED, "a server reference does not belong here"},
        {MQTT_5, 0xe0, "00 02 01 01", MQTT_REASON_MALFORMED,
            "a payload format indicator does not belong here"},
    };
    struct mqtt_disconnect disconnect;

    cr_all_refused(rows);
    cr_assert_eq(mqtt_packet_disconnect(MQTT_311, slice_of("\x04"), &disconnect, &reason, &error), -1,
        "3.14: no body");
}
