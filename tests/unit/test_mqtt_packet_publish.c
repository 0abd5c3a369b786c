/* mqtt_packet: PUBLISH, its topics byte by byte, its properties. */
#include "mqtt_packet_harness.h"

#include "base/utf8.h"

static union mqtt_decoded decoded;
static struct slice packet;
static struct mqtt_publish *const publish = &decoded.publish;
static struct error error;
static enum mqtt_reason reason;

static void forget(void)
{
    mqtt_bytes_free(packet);
}

/* ---- what it says ------------------------------------------------------------------------------------------ */

Test(mqtt_packet_publish, qos_retain_dup_and_identifier)
{
    static const struct {
        const char *name, *topic, *payload;
        uint8_t qos;
        bool retain, dup;
        uint16_t id;
    } rows[] = {
        {"publish_0", "a/b", "21.5", 0, false, false, 0},
        {"publish_1", "a/b", "21.5", 1, false, false, 7},
        {"publish_2", "a/b", "21.5", 2, true, true, 65535},
        {"publish_empty", "a/b", "", 0, true, false, 0},
        {"publish_utf8", "m\xc3\xa5tt/\xc2\xb0", "1", 0, false, false, 0},
        {"publish_5", "a/b", "21.5", 1, false, false, 7},
        {"publish_5_alias", "", "x", 0, false, false, 0},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        take_golden(rows[i].name, &decoded, &packet);
        cr_expect(slice_is(publish->topic, rows[i].topic), "%s", rows[i].name);
        cr_expect(slice_is(publish->payload, rows[i].payload), "%s", rows[i].name);
        cr_expect_not_null(publish->payload.data);
        cr_expect_eq(publish->qos, rows[i].qos, "%s", rows[i].name);
        cr_expect_eq(publish->retain, rows[i].retain, "%s", rows[i].name);
        cr_expect_eq(publish->dup, rows[i].dup, "%s", rows[i].name);
        cr_expect_eq(publish->id, rows[i].id, "%s", rows[i].name);
        forget();
    }
}

static void has_no_properties(const char *name)
{
    static const struct mqtt_properties none;

    take_golden(name, &decoded, &packet);
    cr_assert_eq(memcmp(&publish->properties, &none, offsetof(struct mqtt_properties, pairs)), 0, "%s", name);
    forget();
}

Test(mqtt_packet_publish, no_properties)
{
    has_no_properties("publish_0");
    has_no_properties("publish_2");
    has_no_properties("publish_5");
}

Test(mqtt_packet_publish, every_property)
{
    const struct mqtt_properties *properties = &publish->properties;

    take_golden("publish_5_all", &decoded, &packet);
    cr_assert_eq(publish->qos, 2);
    cr_assert_eq(publish->id, 7);
    cr_assert(slice_is(publish->payload, "{}"));
    cr_assert(properties->utf8);
    cr_assert(properties->has_expiry);
    cr_assert_eq(properties->expiry, 60);
    cr_assert(slice_is(properties->content_type, "application/json"));
    cr_assert(slice_is(properties->response_topic, "r/b"));
    cr_assert(slice_equal(properties->correlation, (struct slice){"\x00\xff", 2}));
    cr_assert_eq(properties->alias, 3);
    cr_assert_eq(properties->delay, 0);
    cr_assert_eq(properties->pairs_count, 2);
    cr_assert(slice_is(properties->pairs[0].name, "unit"));
    cr_assert(slice_is(properties->pairs[0].value, "W"));
    cr_assert(slice_is(properties->pairs[1].name, "unit"));
    cr_assert(slice_is(properties->pairs[1].value, "kW"));
    cr_assert_eq(*(const unsigned char *)&properties->pairs[2], 0xa5, "what is not there is not written");
    forget();

    take_golden("publish_5_alias", &decoded, &packet);
    cr_assert_eq(properties->alias, 1);
    cr_assert_not(properties->has_expiry);
    cr_assert_null(properties->content_type.data);
    cr_assert_eq(properties->pairs_count, 0);
    forget();
}

/* A property that is there and empty or 0 is not one that is missing. */
Test(mqtt_packet_publish, empty_properties)
{
    take(MQTT_5, "30 14  0001 'a' 10 02 00000000 03 0000 09 0000 26 0000 0000", &decoded, &packet);
    cr_assert(publish->properties.has_expiry);
    cr_assert_eq(publish->properties.expiry, 0);
    cr_assert_not_null(publish->properties.content_type.data);
    cr_assert_eq(publish->properties.content_type.length, 0);
    cr_assert_not_null(publish->properties.correlation.data);
    cr_assert_eq(publish->properties.pairs_count, 1);
    cr_assert_not(publish->properties.utf8);
    forget();
    take(MQTT_5, "30 06  0001 'a' 02 01 00", &decoded, &packet);
    cr_assert_not(publish->properties.utf8);
    forget();
}

/* Topic "a", then user properties n=v; the last one with this byte for its value. */
static int publish_with_pairs(size_t count, char last)
{
    static char body[4096];
    size_t length = count * 7, at = 0;

    body[at++] = 0;
    body[at++] = 1;
    body[at++] = 'a';
    body[at++] = (char)((length & 0x7f) | 0x80);
    body[at++] = (char)(length >> 7);
    for (size_t i = 0; i < count; i++) {
        memcpy(body + at, "\x26\0\1n\0\1v", 7);
        at += 7;
    }
    body[at - 1] = last;
    return mqtt_packet_publish(MQTT_5, 0, (struct slice){body, at}, publish, &reason, &error);
}

Test(mqtt_packet_publish, more_user_properties_than_are_kept)
{
    cr_assert_eq(publish_with_pairs(MQTT_USER_PROPERTIES_MAX, 'z'), 0);
    cr_assert_eq(publish->properties.pairs_count, MQTT_USER_PROPERTIES_MAX);
    cr_assert(slice_is(publish->properties.pairs[MQTT_USER_PROPERTIES_MAX - 1].value, "z"));
    cr_assert_eq(publish_with_pairs(500, 'z'), 0);
    cr_assert_eq(publish->properties.pairs_count, MQTT_USER_PROPERTIES_MAX);
    cr_assert(slice_is(publish->properties.pairs[MQTT_USER_PROPERTIES_MAX - 1].value, "v"));
    cr_assert_eq(publish_with_pairs(500, '\xff'), -1, "also those that are passed over are checked");
    cr_assert_eq(reason, MQTT_REASON_MALFORMED);
}

/* ---- refusals ---------------------------------------------------------------------------------------------- */

Test(mqtt_packet_publish, packets_that_are_refused)
{
    static const struct mqtt_bad rows[] = {
        {MQTT_31, 0x30, "0000 'x'", MQTT_REASON_PROTOCOL_ERROR, "PUBLISH: topic name is empty"},
        {MQTT_311, 0x32, "0000 0001 'x'", MQTT_REASON_PROTOCOL_ERROR, "PUBLISH: topic name is empty"},
        {MQTT_5, 0x30, "0000 00 'x'", MQTT_REASON_PROTOCOL_ERROR, "PUBLISH: topic name is empty"},
        {MQTT_5, 0x30, "0000 02 01 01 'x'", MQTT_REASON_PROTOCOL_ERROR, "is empty, and there is no alias"},
        {MQTT_311, 0x30, "0003 'a/+' 'x'", MQTT_REASON_TOPIC_NAME, "topic name holds a wildcard at byte 2"},
        {MQTT_5, 0x30, "0001 '#' 00 'x'", MQTT_REASON_TOPIC_NAME, "topic name holds a wildcard at byte 0"},
        {MQTT_5, 0x30, "0003 c3a5 '#' 00", MQTT_REASON_TOPIC_NAME, "topic name holds a wildcard at byte 2"},
        {MQTT_31, 0x30, "0002 'a' 00 'x'", MQTT_REASON_MALFORMED, "topic name holds U+0000 at byte 1"},
        {MQTT_5, 0x30, "0002 'a' ff 00 'x'", MQTT_REASON_MALFORMED, "topic name is not UTF-8 at byte 1"},
        {MQTT_311, 0x30, "0004 f4908080", MQTT_REASON_MALFORMED, "topic name is not UTF-8 at byte 0"},
        {MQTT_311, 0x30, "0004 'abc'", MQTT_REASON_MALFORMED, "topic name goes beyond the end of the packet"},
        {MQTT_311, 0x32, "0001 'a' 0000 'x'", MQTT_REASON_PROTOCOL_ERROR, "packet identifier is 0"},
        {MQTT_5, 0x34, "0001 'a' 0000 00 'x'", MQTT_REASON_PROTOCOL_ERROR, "packet identifier is 0"},
        {MQTT_31, 0x32, "0001 'a' 01", MQTT_REASON_MALFORMED, "packet identifier goes beyond"},
        {MQTT_5, 0x32, "0001 'a' 0001", MQTT_REASON_MALFORMED, "length of the properties goes beyond"},
    };
    cr_all_refused(rows);
}

Test(mqtt_packet_publish, properties_that_are_refused)
{
    static const struct mqtt_bad rows[] = {
        {MQTT_5, 0x30, "0001 'a' 02 01 02", MQTT_REASON_PROTOCOL_ERROR, "indicator is neither 0 nor 1"},
        {MQTT_5, 0x30, "0001 'a' 03 23 0000", MQTT_REASON_TOPIC_ALIAS, "topic alias is 0"},
        {MQTT_5, 0x30, "0000 03 23 0000", MQTT_REASON_TOPIC_ALIAS, "topic alias is 0"},
        {MQTT_5, 0x30, "0001 'a' 06 23 0001 23 0001", MQTT_REASON_PROTOCOL_ERROR,
            "more than one topic alias"},
        {MQTT_5, 0x30, "0001 'a' 02 0b 01", MQTT_REASON_MALFORMED, "subscription identifier does not belong"},
        {MQTT_5, 0x30, "0001 'a' 05 18 00000001", MQTT_REASON_MALFORMED,
            "will delay interval does not belong"},
        {MQTT_5, 0x30, "0001 'a' 04 1f 0001 'x'", MQTT_REASON_MALFORMED, "reason string does not belong"},
        {MQTT_5, 0x30, "0001 'a' 03 08 0000", MQTT_REASON_TOPIC_NAME, "response topic is empty"},
        {MQTT_5, 0x30, "0001 'a' 04 08 0001 '+'", MQTT_REASON_TOPIC_NAME, "response topic holds a wildcard"},
        {MQTT_5, 0x30, "0001 'a' 04 08 0001 ff", MQTT_REASON_MALFORMED, "response topic is not UTF-8"},
        {MQTT_5, 0x30, "0001 'a' 04 03 0001 00", MQTT_REASON_MALFORMED, "content type holds U+0000"},
        {MQTT_5, 0x30, "0001 'a' 07 26 0001 ff 0001 'v'", MQTT_REASON_MALFORMED,
            "user property is not UTF-8"},
        {MQTT_5, 0x30, "0001 'a' 07 26 0001 'k' 0001 ff", MQTT_REASON_MALFORMED,
            "user property is not UTF-8"},
        {MQTT_5, 0x30, "0001 'a' 04 26 0001 'k'", MQTT_REASON_MALFORMED,
            "user property goes beyond the end of the properties"},
        {MQTT_5, 0x30, "0001 'a' 04 26 0001 'k' 0001 'v'", MQTT_REASON_MALFORMED,
            "user property goes beyond the end of the properties"},
        {MQTT_5, 0x30, "0001 'a' 03 09 0001 'x'", MQTT_REASON_MALFORMED,
            "correlation data goes beyond the end of the properties"},
        {MQTT_5, 0x30, "0001 'a' 7f 01 01", MQTT_REASON_MALFORMED,
            "block of properties goes beyond the end of the packet"},
        {MQTT_5, 0x30, "0001 'a' 8100 01", MQTT_REASON_MALFORMED, "longer than it needs to be"},
        {MQTT_5, 0x30, "0001 'a' 03 8101 01", MQTT_REASON_MALFORMED, "there is no property 0x81"},
    };
    cr_all_refused(rows);
}

/* ---- texts byte by byte ------------------------------------------------------------------------------------ */

/* What mqtt_packet.h promises, said the slow way. */
static bool is_topic_name(const char *data, size_t length)
{
    size_t size;

    for (size_t at = 0; at < length; at += size) {
        size = utf8_sequence(data + at, length - at);
        if (size == 0 || data[at] == '\0' || data[at] == '+' || data[at] == '#')
            return false;
    }
    return length > 0;
}

static int publish_topic(const char *topic, size_t length)
{
    char body[64] = {0, (char)length};

    memcpy(body + 2, topic, length);
    struct slice exact = mqtt_bytes_exactly(body, length + 2);
    int result = mqtt_packet_publish(MQTT_311, 0, exact, publish, &reason, &error);
    mqtt_bytes_free(exact);
    return result;
}

/* Every byte at every place of topics of every length around the eight bytes that are judged at a time. */
Test(mqtt_packet_publish, every_byte_everywhere)
{
    for (size_t length = 1; length <= 26; length++) {
        for (size_t place = 0; place < length; place++) {
            for (unsigned byte = 0; byte < 256; byte++) {
                char topic[26];
                memset(topic, 'a' + (int)(length % 20), length);
                topic[place] = (char)byte;
                cr_assert_eq(publish_topic(topic, length), is_topic_name(topic, length) ? 0 : -1,
                    "%02x at %zu of %zu", byte, place, length);
            }
        }
    }
}

/* Pairs of neighbours: what one byte borrows from the next must not hide or invent anything. */
Test(mqtt_packet_publish, every_pair_of_bytes)
{
    static const size_t places[] = {0, 6, 7, 14};

    for (unsigned pair = 0; pair < 65536; pair++) {
        for (size_t i = 0; i < COUNT(places); i++) {
            char topic[16];
            memset(topic, 'x', sizeof topic);
            topic[places[i]] = (char)(pair >> 8);
            topic[places[i] + 1] = (char)pair;
            int expected = is_topic_name(topic, sizeof topic) ? 0 : -1;
            if (publish_topic(topic, sizeof topic) != expected)
                cr_assert_fail("%04x at %zu", pair, places[i]);
        }
    }
}

/* A user name may hold wildcards, and all else but U+0000. */
Test(mqtt_packet_publish, strings_may_hold_wildcards)
{
    take(MQTT_5, "30 0e  0001 'a' 09 26 0001 '+' 0003 '#' c3a5 78", &decoded, &packet);
    cr_assert(slice_is(publish->properties.pairs[0].name, "+"));
    cr_assert(slice_is(publish->properties.pairs[0].value, "#\xc3\xa5"));
    cr_assert(slice_is(publish->payload, "x"));
    forget();
}

Test(mqtt_packet_publish, the_longest_topic)
{
    static char body[2 + UINT16_MAX];

    memset(body, 'a', sizeof body);
    body[0] = body[1] = '\xff';
    cr_assert_eq(
        mqtt_packet_publish(MQTT_311, 0, (struct slice){body, sizeof body}, publish, &reason, &error), 0);
    cr_assert_eq(publish->topic.length, UINT16_MAX);
    cr_assert_eq(publish->payload.length, 0);
    cr_assert_eq(
        mqtt_packet_publish(MQTT_311, 0, (struct slice){body, sizeof body - 1}, publish, &reason, &error),
        -1);
    cr_assert_eq(mqtt_packet_publish(MQTT_311, 0, (struct slice){NULL, 0}, publish, &reason, &error), -1);
}
