/* mqtt_packet: CONNECT of three versions, what it says and what is refused. */
#include "mqtt_packet_harness.h"

static union mqtt_decoded decoded;
static struct slice packet;
static struct mqtt_connect *const connect = &decoded.connect;

static void forget(void)
{
    mqtt_bytes_free(packet);
}

static bool bytes_are(struct slice slice, const char *bytes, size_t length)
{
    return slice_equal(slice, (struct slice){bytes, length});
}

/* ---- what it says ------------------------------------------------------------------------------------------ */

Test(mqtt_packet_connect, mqtt_31)
{
    take_golden("connect_31", &decoded, &packet);
    cr_assert_eq(connect->version, MQTT_31);
    cr_assert(connect->clean);
    cr_assert_eq(connect->keep_alive, 60);
    cr_assert_eq(connect->session_expiry, 0);
    cr_assert_eq(connect->receive_maximum, UINT16_MAX);
    cr_assert_eq(connect->packet_maximum, UINT32_MAX);
    cr_assert_not(connect->problem_information);
    cr_assert_not(connect->has_authentication);
    cr_assert(slice_is(connect->client_id, "meter"));
    cr_assert_not(connect->has_user);
    cr_assert_null(connect->user.data);
    cr_assert_not(connect->has_password);
    cr_assert_null(connect->password.data);
    cr_assert_not(connect->has_will);
    forget();
}

/* Real clients of 3.1: longer identifiers than 23 bytes, and flags that mean nothing. */
Test(mqtt_packet_connect, mqtt_31_is_read_leniently)
{
    take_golden("connect_31_lenient", &decoded, &packet);
    cr_assert_not(connect->clean);
    cr_assert_eq(connect->session_expiry, UINT32_MAX);
    cr_assert_eq(connect->keep_alive, 0);
    cr_assert(slice_is(connect->client_id, "sensor-0123456789-0123456789"));
    cr_assert_not(connect->has_will);
    forget();
}

/* 3.1 allows that they are announced and missing ("the Remaining length field takes precedence"). */
Test(mqtt_packet_connect, mqtt_31_user_and_password_may_be_missing)
{
    take_golden("connect_31_user", &decoded, &packet);
    cr_assert(connect->has_user && slice_is(connect->user, "ann"));
    cr_assert(connect->has_password && slice_is(connect->password, "pw"));
    forget();
    take(MQTT_NONE, "10 18  0006 'MQIsdp' 03 c2 003c  0005 'meter' 0003 'ann'", &decoded, &packet);
    cr_assert(connect->has_user && slice_is(connect->user, "ann"));
    cr_assert_not(connect->has_password);
    cr_assert_null(connect->password.data);
    forget();
    take(MQTT_NONE, "10 13  0006 'MQIsdp' 03 c2 003c  0005 'meter'", &decoded, &packet);
    cr_assert_not(connect->has_user);
    cr_assert_not(connect->has_password);
    forget();
}

Test(mqtt_packet_connect, mqtt_311)
{
    take_golden("connect_311", &decoded, &packet);
    cr_assert_eq(connect->version, MQTT_311);
    cr_assert(connect->clean);
    cr_assert_eq(connect->session_expiry, 0);
    cr_assert_not(connect->has_will);
    forget();
    take_golden("connect_311_empty", &decoded, &packet);
    cr_assert_eq(connect->client_id.length, 0);
    forget();
    take_golden("connect_311_all", &decoded, &packet);
    cr_assert_not(connect->clean);
    cr_assert_eq(connect->session_expiry, UINT32_MAX);
    cr_assert_eq(connect->keep_alive, 10);
    cr_assert_not(connect->problem_information);
    cr_assert(slice_is(connect->client_id, "meter"));
    cr_assert(connect->has_user && slice_is(connect->user, "ann"));
    cr_assert(connect->has_password && slice_is(connect->password, "pw"));
    cr_assert(connect->has_will);
    cr_assert_eq(connect->will.qos, 2);
    cr_assert(connect->will.retain);
    cr_assert_not(connect->will.dup);
    cr_assert_eq(connect->will.id, 0);
    cr_assert(slice_is(connect->will.topic, "gone/m"));
    cr_assert(bytes_are(connect->will.payload, "\x00\xff\x01", 3));
    cr_assert_not(connect->will.properties.utf8);
    cr_assert_not(connect->will.properties.has_expiry);
    cr_assert_null(connect->will.properties.content_type.data);
    cr_assert_eq(connect->will.properties.delay, 0);
    cr_assert_eq(connect->will.properties.pairs_count, 0);
    forget();
}

Test(mqtt_packet_connect, mqtt_5_defaults)
{
    take_golden("connect_5", &decoded, &packet);
    cr_assert_eq(connect->version, MQTT_5);
    cr_assert(connect->clean);
    cr_assert_eq(connect->session_expiry, 0);
    cr_assert_eq(connect->receive_maximum, UINT16_MAX);
    cr_assert_eq(connect->packet_maximum, UINT32_MAX);
    cr_assert(connect->problem_information);
    cr_assert_not(connect->has_authentication);
    forget();
    take_golden("connect_5_empty", &decoded, &packet);
    cr_assert_not(connect->clean);
    cr_assert_eq(connect->session_expiry, 0);
    cr_assert_eq(connect->client_id.length, 0);
    forget();
    take_golden("connect_5_password", &decoded, &packet);
    cr_assert_not(connect->has_user);
    cr_assert(connect->has_password && slice_is(connect->password, "pw"));
    forget();
}

Test(mqtt_packet_connect, mqtt_5_with_everything)
{
    take_golden("connect_5_all", &decoded, &packet);
    cr_assert_eq(connect->keep_alive, 10);
    cr_assert_eq(connect->session_expiry, 3600);
    cr_assert_eq(connect->receive_maximum, 10);
    cr_assert_eq(connect->packet_maximum, 65536);
    cr_assert_not(connect->problem_information);
    cr_assert(connect->has_authentication);
    cr_assert(slice_is(connect->client_id, "meter"));
    cr_assert(slice_is(connect->user, "ann"));
    cr_assert(slice_is(connect->password, "pw"));

    const struct mqtt_publish *will = &connect->will;
    cr_assert(connect->has_will);
    cr_assert_eq(will->qos, 1);
    cr_assert(will->retain);
    cr_assert_eq(will->id, 0);
    cr_assert(slice_is(will->topic, "gone/m"));
    cr_assert(slice_is(will->payload, "bye"));
    cr_assert_eq(will->properties.delay, 60);
    cr_assert(will->properties.utf8);
    cr_assert(will->properties.has_expiry);
    cr_assert_eq(will->properties.expiry, 120);
    cr_assert(slice_is(will->properties.content_type, "text/plain"));
    cr_assert(slice_is(will->properties.response_topic, "r/m"));
    cr_assert(bytes_are(will->properties.correlation, "\0\0", 2));
    cr_assert_eq(will->properties.alias, 0);
    cr_assert_eq(will->properties.pairs_count, 1);
    cr_assert(slice_is(will->properties.pairs[0].name, "a"));
    cr_assert(slice_is(will->properties.pairs[0].value, ""));
    cr_assert_not_null(will->properties.pairs[0].value.data);
    forget();
}

/* What is not asked for is not paid for. */
Test(mqtt_packet_connect, what_is_not_there_is_not_written)
{
    static const char untouched[sizeof(struct mqtt_publish)] = {
        [0 ... sizeof(struct mqtt_publish) - 1] = '\xa5'};

    take_golden("connect_311", &decoded, &packet);
    cr_assert_eq(memcmp(&connect->will, untouched, sizeof connect->will), 0);
    forget();
    take_golden("connect_5_all", &decoded, &packet);
    cr_assert_eq(memcmp(&connect->will.properties.pairs[1], untouched,
                     sizeof connect->will.properties.pairs - sizeof connect->will.properties.pairs[0]),
        0);
    forget();
}

/* ---- versions ---------------------------------------------------------------------------------------------- */

Test(mqtt_packet_connect, the_version_that_a_refusal_is_written_in)
{
    static const struct {
        const char *body;
        enum mqtt_version version;
    } rows[] = {
        {"0006 'MQIsdp' 03", MQTT_31},
        {"0006 'MQIsdp' 04", MQTT_31},
        {"0004 'MQTT' 03", MQTT_311},
        {"0004 'MQTT' 04", MQTT_311},
        {"0004 'MQTT' 05", MQTT_5},
        {"0004 'MQTT' 06", MQTT_5},
        {"0004 'MQTT' 84", MQTT_311}, /* a bridge: it tries again without its bit */
        {"0004 'MQTT' 00", MQTT_311},
        {"0004 'MQTT'", MQTT_NONE},
        {"0004 'mqtt' 04", MQTT_NONE},
        {"0004 'MQT'", MQTT_NONE},
        {"0006 'MQIsdq' 03", MQTT_NONE},
        {"0000 04", MQTT_NONE},
        {"00", MQTT_NONE},
        {"", MQTT_NONE},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct slice body = mqtt_bytes_of(rows[i].body);
        cr_expect_eq(mqtt_packet_version(body), rows[i].version, "%s", rows[i].body);
        mqtt_bytes_free(body);
    }
    cr_assert_eq(mqtt_packet_version((struct slice){NULL, 0}), MQTT_NONE);
}

Test(mqtt_packet_connect, versions_that_are_refused)
{
    static const struct mqtt_bad rows[] = {
        {MQTT_NONE, 0x10, "0004 'MQTT' 03 02 0000 0001 'm'", MQTT_REASON_VERSION, "level 3"},
        {MQTT_NONE, 0x10, "0004 'MQTT' 06 02 0000 00 0001 'm'", MQTT_REASON_VERSION, "level 6"},
        {MQTT_NONE, 0x10, "0004 'MQTT' 84 02 0000 0001 'm'", MQTT_REASON_VERSION, "level 132"},
        {MQTT_NONE, 0x10, "0006 'MQIsdp' 04 02 0000 0001 'm'", MQTT_REASON_VERSION, "level 4"},
        {MQTT_NONE, 0x10, "0006 'MQIsdp' 83 02 0000 0001 'm'", MQTT_REASON_VERSION, "level 131"},
        {MQTT_NONE, 0x10, "0006 'MQIsdq' 03 02 0000 0001 'm'", MQTT_REASON_VERSION, "neither MQTT 3.1"},
        {MQTT_NONE, 0x10, "0004 'mqtt' 04 02 0000 0001 'm'", MQTT_REASON_VERSION, "neither MQTT 3.1"},
        {MQTT_NONE, 0x10, "0000 04 02 0000 0000 0000 0000", MQTT_REASON_VERSION, "neither MQTT 3.1"},
        {MQTT_NONE, 0x10, "1000 'MQTT' 04 02 0000 0001 'm'", MQTT_REASON_MALFORMED,
            "CONNECT: protocol name goes beyond the end of the packet"},
    };
    cr_all_refused(rows);
}

/* ---- refusals ---------------------------------------------------------------------------------------------- */

Test(mqtt_packet_connect, flags_that_are_refused)
{
    static const struct mqtt_bad rows[] = {
        {MQTT_NONE, 0x10, "0004 'MQTT' 04 03 0000 0001 'm'", MQTT_REASON_MALFORMED, "reserved flag"},
        {MQTT_NONE, 0x10, "0004 'MQTT' 05 03 0000 00 0001 'm'", MQTT_REASON_MALFORMED, "reserved flag"},
        {MQTT_NONE, 0x10, "0004 'MQTT' 04 0a 0000 0001 'm'", MQTT_REASON_MALFORMED, "and no will"},
        {MQTT_NONE, 0x10, "0004 'MQTT' 04 12 0000 0001 'm'", MQTT_REASON_MALFORMED, "and no will"},
        {MQTT_NONE, 0x10, "0004 'MQTT' 04 22 0000 0001 'm'", MQTT_REASON_MALFORMED, "and no will"},
        {MQTT_NONE, 0x10, "0004 'MQTT' 05 0a 0000 00 0001 'm'", MQTT_REASON_MALFORMED, "and no will"},
        {MQTT_NONE, 0x10, "0004 'MQTT' 05 22 0000 00 0001 'm'", MQTT_REASON_MALFORMED, "and no will"},
        {MQTT_NONE, 0x10, "0006 'MQIsdp' 03 1e 0000 0001 'm' 0001 't' 0000", MQTT_REASON_MALFORMED, "QoS 3"},
        {MQTT_NONE, 0x10, "0004 'MQTT' 04 1e 0000 0001 'm' 0001 't' 0000", MQTT_REASON_MALFORMED, "QoS 3"},
        {MQTT_NONE, 0x10, "0004 'MQTT' 05 1e 0000 00 0001 'm' 00 0001 't' 0000", MQTT_REASON_MALFORMED,
            "QoS 3"},
        {MQTT_NONE, 0x10, "0004 'MQTT' 04 42 0000 0001 'm' 0001 'p'", MQTT_REASON_MALFORMED, "no user name"},
        {MQTT_NONE, 0x10, "0006 'MQIsdp' 03 42 0000 0001 'm' 0001 'p'", MQTT_REASON_MALFORMED,
            "no user name"},
    };
    cr_all_refused(rows);
}

Test(mqtt_packet_connect, client_identifiers_that_are_refused)
{
    static const struct mqtt_bad rows[] = {
        {MQTT_NONE, 0x10, "0004 'MQTT' 04 00 0000 0000", MQTT_REASON_CLIENT_ID, "identifier is empty"},
        {MQTT_NONE, 0x10, "0006 'MQIsdp' 03 02 0000 0000", MQTT_REASON_CLIENT_ID, "identifier is empty"},
        {MQTT_NONE, 0x10, "0006 'MQIsdp' 03 00 0000 0000", MQTT_REASON_CLIENT_ID, "identifier is empty"},
        {MQTT_NONE, 0x10, "0004 'MQTT' 04 02 0000 0003 'ab' ff", MQTT_REASON_MALFORMED,
            "client identifier is not UTF-8 at byte 2"},
        {MQTT_NONE, 0x10, "0004 'MQTT' 04 02 0000 0003 'a' 00 'b'", MQTT_REASON_MALFORMED,
            "client identifier holds U+0000 at byte 1"},
        {MQTT_NONE, 0x10, "0004 'MQTT' 04 02 0000 0002 c080", MQTT_REASON_MALFORMED,
            "is not UTF-8 at byte 0"},
        {MQTT_NONE, 0x10, "0004 'MQTT' 05 02 0000 00 0003 eda080", MQTT_REASON_MALFORMED,
            "is not UTF-8 at byte 0"},
        {MQTT_NONE, 0x10, "0004 'MQTT' 05 02 0000 00 0001 c3", MQTT_REASON_MALFORMED,
            "is not UTF-8 at byte 0"},
    };
    cr_all_refused(rows);
}

Test(mqtt_packet_connect, what_follows_and_is_refused)
{
    static const struct mqtt_bad rows[] = {
        {MQTT_NONE, 0x10, "0004 'MQTT' 04 06 0000 0001 'm' 0000 0000", MQTT_REASON_TOPIC_NAME,
            "topic is empty"},
        {MQTT_NONE, 0x10, "0004 'MQTT' 05 06 0000 00 0001 'm' 00 0000 0000", MQTT_REASON_TOPIC_NAME,
            "will topic is empty"},
        {MQTT_NONE, 0x10, "0004 'MQTT' 04 06 0000 0001 'm' 0003 'a/+' 0000", MQTT_REASON_TOPIC_NAME,
            "will topic holds a wildcard at byte 2"},
        {MQTT_NONE, 0x10, "0006 'MQIsdp' 03 06 0000 0001 'm' 0001 '#' 0000", MQTT_REASON_TOPIC_NAME,
            "will topic holds a wildcard at byte 0"},
        {MQTT_NONE, 0x10, "0004 'MQTT' 04 06 0000 0001 'm' 0001 00 0000", MQTT_REASON_MALFORMED,
            "will topic holds U+0000"},
        {MQTT_NONE, 0x10, "0004 'MQTT' 04 06 0000 0001 'm' 0001 fe 0000", MQTT_REASON_MALFORMED,
            "will topic is not UTF-8"},
        {MQTT_NONE, 0x10, "0004 'MQTT' 04 06 0000 0001 'm' 0001 't' 0001", MQTT_REASON_MALFORMED,
            "will payload goes beyond the end of the packet"},
        {MQTT_NONE, 0x10, "0004 'MQTT' 04 82 0000 0001 'm' 0001 80", MQTT_REASON_MALFORMED,
            "user name is not UTF-8"},
        {MQTT_NONE, 0x10, "0004 'MQTT' 05 82 0000 00 0001 'm' 0001 00", MQTT_REASON_MALFORMED,
            "user name holds U+0000"},
        {MQTT_NONE, 0x10, "0004 'MQTT' 04 c2 0000 0001 'm' 0001 'u' 0002 'p'", MQTT_REASON_MALFORMED,
            "password goes beyond the end of the packet"},
        {MQTT_NONE, 0x10, "0006 'MQIsdp' 03 c2 0000 0001 'm' 0001 'u' 00", MQTT_REASON_MALFORMED,
            "password goes beyond the end of the packet"},
        {MQTT_NONE, 0x10, "0004 'MQTT' 04 02 0000 0001 'm' 0001 'u'", MQTT_REASON_MALFORMED,
            "3 bytes too many"},
        {MQTT_NONE, 0x10, "0006 'MQIsdp' 03 02 0000 0001 'm' 00", MQTT_REASON_MALFORMED, "1 bytes too many"},
    };
    cr_all_refused(rows);
}

#define CONNECT_5 "0004 'MQTT' 05 02 0000 "
#define CONNECT_5_WILL "0004 'MQTT' 05 06 0000 00 0001 'm' "

Test(mqtt_packet_connect, properties_that_are_refused)
{
    static const struct mqtt_bad rows[] = {
        {MQTT_NONE, 0x10, CONNECT_5 "03 21 0000 0001 'm'", MQTT_REASON_PROTOCOL_ERROR,
            "receive maximum is 0"},
        {MQTT_NONE, 0x10, CONNECT_5 "05 27 00000000 0001 'm'", MQTT_REASON_PROTOCOL_ERROR,
            "maximum packet size is 0"},
        {MQTT_NONE, 0x10, CONNECT_5 "02 17 02 0001 'm'", MQTT_REASON_PROTOCOL_ERROR,
            "request problem information is neither 0 nor 1"},
        {MQTT_NONE, 0x10, CONNECT_5 "02 19 ff 0001 'm'", MQTT_REASON_PROTOCOL_ERROR,
            "request response information is neither 0 nor 1"},
        {MQTT_NONE, 0x10, CONNECT_5 "04 16 0001 00 0001 'm'", MQTT_REASON_PROTOCOL_ERROR,
            "authentication data, and no method"},
        {MQTT_NONE, 0x10, CONNECT_5 "04 15 0001 ff 0001 'm'", MQTT_REASON_MALFORMED,
            "authentication method is not UTF-8"},
        {MQTT_NONE, 0x10, CONNECT_5 "05 18 00000001 0001 'm'", MQTT_REASON_MALFORMED,
            "a will delay interval does not belong here"},
        {MQTT_NONE, 0x10, CONNECT_5 "03 23 0001 0001 'm'", MQTT_REASON_MALFORMED,
            "a topic alias does not belong here"},
        {MQTT_NONE, 0x10, CONNECT_5 "03 13 0001 0001 'm'", MQTT_REASON_MALFORMED,
            "a server keep alive does not belong here"},
        {MQTT_NONE, 0x10, CONNECT_5 "02 00 01 0001 'm'", MQTT_REASON_MALFORMED, "there is no property 0x00"},
        {MQTT_NONE, 0x10, CONNECT_5 "05 11 000000 0001 'm'", MQTT_REASON_MALFORMED,
            "client identifier goes beyond the end of the packet"}, /* the interval has taken a byte of its length */
        {MQTT_NONE, 0x10, CONNECT_5 "04 11 000000 0001 'm'", MQTT_REASON_MALFORMED,
            "session expiry interval goes beyond the end of the properties"},
        {MQTT_NONE, 0x10, CONNECT_5 "02 21 0a00 0001 'm'", MQTT_REASON_MALFORMED,
            "receive maximum goes beyond the end of the properties"},
        {MQTT_NONE, 0x10, CONNECT_5 "09 0001 'm'", MQTT_REASON_MALFORMED, "block of properties goes beyond"},
        {MQTT_NONE, 0x10, CONNECT_5 "8000 0001 'm'", MQTT_REASON_MALFORMED, "is longer than it needs to be"},
        {MQTT_NONE, 0x10, CONNECT_5 "8080808001 0001 'm'", MQTT_REASON_MALFORMED, "has more than 4 bytes"},
        {MQTT_NONE, 0x10, CONNECT_5_WILL "03 23 0001 0001 't' 0000", MQTT_REASON_MALFORMED,
            "a topic alias does not belong here"},
        {MQTT_NONE, 0x10, CONNECT_5_WILL "05 11 00000001 0001 't' 0000", MQTT_REASON_MALFORMED,
            "a session expiry interval does not belong here"},
        {MQTT_NONE, 0x10, CONNECT_5_WILL "02 01 02 0001 't' 0000", MQTT_REASON_PROTOCOL_ERROR,
            "payload format indicator is neither 0 nor 1"},
        {MQTT_NONE, 0x10, CONNECT_5_WILL "0a 18 00000001 18 00000001 0001 't' 0000",
            MQTT_REASON_PROTOCOL_ERROR, "more than one will delay interval"},
        {MQTT_NONE, 0x10, CONNECT_5_WILL "04 08 0001 '+' 0001 't' 0000", MQTT_REASON_TOPIC_NAME,
            "response topic holds a wildcard"},
    };
    cr_all_refused(rows);
}
