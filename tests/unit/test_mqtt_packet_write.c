/* mqtt_packet: what a server sends, byte by byte, and below every ceiling. */
#include "mqtt_packet_harness.h"

#include <stdio.h>

#define LIMIT (128 * 1024)

static struct bytes out = {.limit = LIMIT};
static struct error error;

/* What was written is this, and stands behind what was there; out is empty again. */
static void cr_written(int result, const char *notation)
{
    struct slice expected = mqtt_bytes_of(notation);

    cr_assert_eq(result, 0, "%s", error.text);
    if (!slice_equal(bytes_slice(&out), expected)) {
        for (size_t i = 0; i < out.length; i++)
            fprintf(stderr, "%02x ", (unsigned char)out.data[i]);
        cr_assert_fail("instead of %s", notation);
    }
    bytes_clear(&out);
    mqtt_bytes_free(expected);
}

static int connack(enum mqtt_version version, struct mqtt_connack connack)
{
    return mqtt_write_connack(&out, version, &connack, &error);
}

/* ---- CONNACK ----------------------------------------------------------------------------------------------- */

/* 3.1.1: 3.2.2.2, 3.2.2.3. 3.1 knows no session present. */
Test(mqtt_packet_write, connack_before_5)
{
    cr_written(connack(MQTT_311, (struct mqtt_connack){.receive_maximum = 5}), "20 02 00 00");
    cr_written(connack(MQTT_311, (struct mqtt_connack){.session_present = true}), "20 02 01 00");
    cr_written(connack(MQTT_31, (struct mqtt_connack){.session_present = true}), "20 02 00 00");
    cr_written(connack(MQTT_311, (struct mqtt_connack){.session_present = true, .reason = MQTT_REASON_QUOTA}),
        "20 02 00 03");
    cr_written(connack(MQTT_NONE, (struct mqtt_connack){.reason = MQTT_REASON_VERSION}), "20 02 00 01");
}

Test(mqtt_packet_write, return_codes)
{
    static const struct {
        enum mqtt_reason reason;
        char code;
    } rows[] = {
        {MQTT_REASON_SUCCESS, 0},
        {MQTT_REASON_VERSION, 1},
        {MQTT_REASON_CLIENT_ID, 2},
        {MQTT_REASON_UNAVAILABLE, 3},
        {MQTT_REASON_SHUTTING_DOWN, 3},
        {MQTT_REASON_QUOTA, 3},
        {MQTT_REASON_UNSPECIFIED, 3},
        {MQTT_REASON_CREDENTIALS, 4},
        {MQTT_REASON_NOT_AUTHORIZED, 5},
        {MQTT_REASON_AUTHENTICATION_METHOD, 5},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        for (enum mqtt_version version = MQTT_31; version <= MQTT_311; version++) {
            cr_assert_eq(connack(version, (struct mqtt_connack){.reason = rows[i].reason, .text = "why"}), 0);
            const char expected[] = {0x20, 2, 0, rows[i].code};
            cr_assert(slice_equal(bytes_slice(&out), (struct slice){expected, sizeof expected}), "%s",
                mqtt_reason_name(rows[i].reason));
            bytes_clear(&out);
        }
    }
}

Test(mqtt_packet_write, connack_5)
{
    /* only that there is nothing to subscribe to: no wildcards, identifiers, shared subscriptions */
    cr_written(connack(MQTT_5, (struct mqtt_connack){0}), "20 09  00 00 06 28 00 29 00 2a 00");
    cr_written(
        connack(MQTT_5, (struct mqtt_connack){.session_present = true}), "20 09  01 00 06 28 00 29 00 2a 00");
    /* everything: reason string, expiry 3600, receive maximum 1024, packets of 1 MiB, an identifier, 16 aliases, keep alive 60 */
    cr_written(connack(MQTT_5, (struct mqtt_connack){.receive_maximum = 1024,
                                   .packet_maximum = 1 << 20,
                                   .alias_maximum = 16,
                                   .has_expiry = true,
                                   .session_expiry = 3600,
                                   .has_keep_alive = true,
                                   .keep_alive = 60,
                                   .client_id = slice_of("auto-1"),
                                   .text = "hi"}),
        "20 2a  00 00 27 1f 0002 'hi' 11 00000e10 21 0400 27 00100000 12 0006 'auto-1' 22 0010"
        "  28 00 29 00 2a 00 13 003c");
    /* 0 is an expiry and a keep alive, too */
    cr_written(connack(MQTT_5, (struct mqtt_connack){.has_expiry = true, .has_keep_alive = true}),
        "20 11  00 00 0e 11 00000000 28 00 29 00 2a 00 13 0000");
    /* a refusal: nothing but why */
    cr_written(connack(MQTT_5, (struct mqtt_connack){.reason = MQTT_REASON_CLIENT_ID,
                                   .session_present = true,
                                   .receive_maximum = 1024,
                                   .text = "too long"}),
        "20 0e  00 85 0b 1f 0008 'too long'");
    cr_written(connack(MQTT_5, (struct mqtt_connack){.reason = MQTT_REASON_VERSION}), "20 03  00 84 00");
}

/* Properties of more than 127 bytes: their length has two bytes, and so has the packet's. */
Test(mqtt_packet_write, connack_with_a_long_client_id)
{
    static char id[UINT16_MAX + 1];

    memset(id, 'i', sizeof id);
    cr_assert_eq(connack(MQTT_5, (struct mqtt_connack){.client_id = {id, 200}}), 0);
    struct slice front = mqtt_bytes_of("20 d501  00 00 d101 12 00c8");
    cr_assert_eq(out.length, front.length + 200 + 6);
    cr_assert_eq(memcmp(out.data, front.data, front.length), 0);
    cr_assert_eq(memcmp(out.data + front.length, id, 200), 0);
    cr_assert_eq(memcmp(out.data + front.length + 200, "\x28\0\x29\0\x2a\0", 6), 0);
    mqtt_bytes_free(front);
    bytes_clear(&out);

    cr_assert_eq(connack(MQTT_5, (struct mqtt_connack){.client_id = {id, UINT16_MAX}}), 0);
    bytes_clear(&out);
    cr_assert_eq(connack(MQTT_5, (struct mqtt_connack){.client_id = {id, sizeof id}}), -1);
    cr_assert_str_eq(error.text, "CONNACK: client identifier of 65536 bytes");
    cr_assert_eq(out.length, 0);
}

/* ---- the others -------------------------------------------------------------------------------------------- */

static int acknowledgement(enum mqtt_version version, enum mqtt_type type, enum mqtt_reason reason)
{
    return mqtt_write_acknowledgement(&out, version, type, 0x0102, reason, &error);
}

Test(mqtt_packet_write, acknowledgements)
{
    cr_written(acknowledgement(MQTT_31, MQTT_PUBACK, MQTT_REASON_SUCCESS), "40 02 0102");
    cr_written(acknowledgement(MQTT_311, MQTT_PUBREC, MQTT_REASON_SUCCESS), "50 02 0102");
    cr_written(acknowledgement(MQTT_5, MQTT_PUBCOMP, MQTT_REASON_SUCCESS), "70 02 0102");
    cr_written(acknowledgement(MQTT_5, MQTT_PUBACK, MQTT_REASON_QUOTA), "40 03 0102 97");
    cr_written(acknowledgement(MQTT_5, MQTT_PUBREC, MQTT_REASON_TOPIC_NAME), "50 03 0102 90");
    cr_written(acknowledgement(MQTT_5, MQTT_PUBCOMP, MQTT_REASON_IDENTIFIER_UNKNOWN), "70 03 0102 92");
}

Test(mqtt_packet_write, packets_follow_each_other)
{
    cr_assert_eq(mqtt_write_pingresp(&out, &error), 0);
    cr_assert_eq(acknowledgement(MQTT_311, MQTT_PUBACK, MQTT_REASON_SUCCESS), 0);
    cr_assert_eq(connack(MQTT_311, (struct mqtt_connack){0}), 0);
    cr_written(mqtt_write_disconnect(&out, MQTT_REASON_TAKEN_OVER, NULL, &error),
        "d0 00  40 02 0102  20 02 00 00  e0 01 8e");
}

Test(mqtt_packet_write, filters)
{
    static struct mqtt_filters filters = {.id = 10, .count = 3, .codes = {0x87, 0xa2, 0x9e}};

    cr_written(mqtt_write_filters(&out, MQTT_5, MQTT_SUBACK, &filters, &error), "90 06  000a 00 87 a2 9e");
    cr_written(mqtt_write_filters(&out, MQTT_5, MQTT_UNSUBACK, &filters, &error), "b0 06  000a 00 87 a2 9e");
    cr_written(mqtt_write_filters(&out, MQTT_311, MQTT_SUBACK, &filters, &error), "90 05  000a 87 a2 9e");
    cr_written(mqtt_write_filters(&out, MQTT_31, MQTT_UNSUBACK, &filters, &error), "b0 02  000a");

    filters.count = MQTT_FILTERS_MAX;
    cr_assert_eq(mqtt_write_filters(&out, MQTT_5, MQTT_SUBACK, &filters, &error), 0);
    cr_assert_eq(out.length, 1 + 2 + 3 + MQTT_FILTERS_MAX);
    cr_assert_eq(memcmp(out.data, "\x90\x83\x08\0\x0a\0\x87", 7), 0);
    bytes_clear(&out);
}

/* A SUBSCRIBE that came is answered as it was read. */
Test(mqtt_packet_write, a_subscribe_and_its_answer)
{
    union mqtt_decoded decoded;
    struct slice packet;

    take_golden("subscribe_5", &decoded, &packet);
    cr_written(mqtt_write_filters(&out, MQTT_5, MQTT_SUBACK, &decoded.filters, &error),
        "90 08  000a 00 87 a2 9e a2 87");
    mqtt_bytes_free(packet);
    take_golden("unsubscribe_5", &decoded, &packet);
    cr_written(
        mqtt_write_filters(&out, MQTT_5, MQTT_UNSUBACK, &decoded.filters, &error), "b0 04  000b 00 11");
    mqtt_bytes_free(packet);
}

Test(mqtt_packet_write, pingresp_and_disconnect)
{
    cr_written(mqtt_write_pingresp(&out, &error), "d0 00");
    cr_written(mqtt_write_disconnect(&out, MQTT_REASON_SHUTTING_DOWN, NULL, &error), "e0 01 8b");
    cr_written(mqtt_write_disconnect(&out, MQTT_REASON_MALFORMED, "", &error), "e0 01 81");
    cr_written(
        mqtt_write_disconnect(&out, MQTT_REASON_MALFORMED, "QoS 3", &error), "e0 0a 81 08 1f 0005 'QoS 3'");
}

/* 124 bytes of text are the last whose property has a length of one byte. */
static void disconnect_says(size_t length, size_t expected, const char *front)
{
    static char text[MQTT_TEXT_MAX * 2];
    struct slice bytes = mqtt_bytes_of(front);

    memset(text, 't', length);
    text[length] = '\0';
    cr_assert_eq(mqtt_write_disconnect(&out, MQTT_REASON_QUOTA, text, &error), 0);
    cr_assert_eq(out.length, bytes.length + expected, "%zu", out.length);
    cr_assert_eq(memcmp(out.data, bytes.data, bytes.length), 0, "%zu", length);
    cr_assert_eq(memcmp(out.data + bytes.length, text, expected), 0);
    bytes_clear(&out);
    mqtt_bytes_free(bytes);
}

Test(mqtt_packet_write, long_reason_strings)
{
    disconnect_says(124, 124, "e0 8101 97 7f 1f 007c");
    disconnect_says(125, 125, "e0 8301 97 8001 1f 007d");
    disconnect_says(MQTT_TEXT_MAX, MQTT_TEXT_MAX, "e0 8604 97 8304 1f 0200");
    disconnect_says(MQTT_TEXT_MAX + 1, MQTT_TEXT_MAX, "e0 8604 97 8304 1f 0200");
    disconnect_says(MQTT_TEXT_MAX + 300, MQTT_TEXT_MAX, "e0 8604 97 8304 1f 0200");
}

/* Cut before a character that does not fit, not within it. */
Test(mqtt_packet_write, reason_strings_are_cut_between_characters)
{
    for (size_t before = MQTT_TEXT_MAX - 4; before <= MQTT_TEXT_MAX; before++) {
        char text[MQTT_TEXT_MAX + 16];
        memset(text, 't', before);
        memcpy(text + before, "\xf0\x9f\x8c\xa1", 5); /* a thermometer */
        cr_assert_eq(mqtt_write_disconnect(&out, MQTT_REASON_QUOTA, text, &error), 0);
        size_t expected = before + 4 <= MQTT_TEXT_MAX ? before + 4 : before;
        cr_assert_eq(out.length, 3 + 1 + 2 + 3 + expected, "%zu of %zu", out.length, before);
        bytes_clear(&out);
    }
}

/* Nothing is left of a text without the beginning of a character. */
Test(mqtt_packet_write, reason_strings_that_are_no_texts)
{
    char text[MQTT_TEXT_MAX + 16];

    memset(text, 0x80, sizeof text);
    text[sizeof text - 1] = '\0';
    cr_written(mqtt_write_disconnect(&out, MQTT_REASON_QUOTA, text, &error), "e0 01 97");
}

/* ---- ceilings ---------------------------------------------------------------------------------------------- */

/* Below what it may need nothing is written, not even half a packet. */
#define cr_every_ceiling(call)                                                      \
    do {                                                                            \
        cr_assert_eq(call, 0);                                                      \
        for (size_t limit_ = 0, length_ = out.length; limit_ < length_; limit_++) { \
            bytes_free(&out);                                                       \
            bytes_init(&out, limit_);                                               \
            cr_assert_eq(call, -1, "%zu of %zu", limit_, length_);                  \
            cr_assert_eq(out.length, 0);                                            \
            cr_assert_eq(error.kind, ERROR_REJECT);                                 \
        }                                                                           \
        bytes_free(&out);                                                           \
        bytes_init(&out, LIMIT);                                                    \
    } while (0)

Test(mqtt_packet_write, every_ceiling)
{
    static const struct mqtt_filters filters = {.id = 1, .count = 2, .codes = {0x80, 0x80}};

    cr_every_ceiling(connack(MQTT_5, (struct mqtt_connack){.text = "hi", .client_id = slice_of("auto-1")}));
    cr_every_ceiling(acknowledgement(MQTT_311, MQTT_PUBACK, MQTT_REASON_SUCCESS));
    cr_every_ceiling(acknowledgement(MQTT_5, MQTT_PUBACK, MQTT_REASON_QUOTA));
    cr_every_ceiling(mqtt_write_filters(&out, MQTT_5, MQTT_SUBACK, &filters, &error));
    cr_every_ceiling(mqtt_write_pingresp(&out, &error));
    cr_every_ceiling(mqtt_write_disconnect(&out, MQTT_REASON_QUOTA, "full", &error));
}
