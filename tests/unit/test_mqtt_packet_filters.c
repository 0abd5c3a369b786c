/* mqtt_packet: SUBSCRIBE and UNSUBSCRIBE: how many filters, what each is answered with, what is refused. */
#include "mqtt_packet_harness.h"

static union mqtt_decoded decoded;
static struct slice packet;
static struct mqtt_filters *const filters = &decoded.filters;
static struct error error;
static enum mqtt_reason reason;

static void forget(void)
{
    mqtt_bytes_free(packet);
}

static void cr_codes(uint16_t id, const char *codes)
{
    struct slice expected = mqtt_bytes_of(codes);

    cr_assert_eq(filters->id, id);
    cr_assert_eq(filters->count, expected.length);
    cr_assert_eq(memcmp(filters->codes, expected.data, expected.length), 0);
    cr_assert_eq(filters->codes[expected.length], 0xa5, "what is not there is not written");
    mqtt_bytes_free(expected);
    forget();
}

Test(mqtt_packet_filters, each_has_its_answer)
{
    take_golden("subscribe_31", &decoded, &packet);
    cr_codes(10, "80");
    take_golden("subscribe", &decoded, &packet);
    cr_codes(10, "80 80");
    take_golden("subscribe_5", &decoded, &packet);
    cr_codes(10, "87 a2 9e a2 87");
    take_golden("unsubscribe_31", &decoded, &packet);
    cr_codes(11, "11");
    take_golden("unsubscribe", &decoded, &packet);
    cr_codes(11, "11 11");
    take_golden("unsubscribe_5", &decoded, &packet);
    cr_codes(11, "11");
}

/* One filter, in a SUBSCRIBE of this version: the code that it is answered with, or 0 and the reason of the refusal. */
static unsigned answer_to(enum mqtt_version version, struct slice filter, uint8_t options)
{
    char body[128];
    size_t at = 0;

    memcpy(body, "\0\1", 2);
    at += 2;
    if (version == MQTT_5)
        body[at++] = 0;
    body[at++] = 0;
    body[at++] = (char)filter.length;
    memcpy(body + at, filter.data, filter.length);
    at += filter.length;
    body[at++] = (char)options;

    struct slice exact = packet_of(version == MQTT_31 ? 0x8a : 0x82, (struct slice){body, at});
    int got = judge(version, exact, &decoded, &reason, &error);
    mqtt_bytes_free(exact);
    return got == 1 ? filters->codes[0] : 0;
}

/* Where wildcards may stand (4.7.1), and what a shared subscription looks like (4.8.2), which only MQTT 5 knows. */
Test(mqtt_packet_filters, their_form)
{
    static const struct {
        const char *filter;
        unsigned code, code_before_5; /* 0: refused */
    } rows[] = {
        {"a", 0x87, 0x80},
        {"/", 0x87, 0x80},
        {"a//b", 0x87, 0x80},
        {"$SYS/x", 0x87, 0x80},
        {"#", 0xa2, 0x80},
        {"+", 0xa2, 0x80},
        {"/#", 0xa2, 0x80},
        {"a/#", 0xa2, 0x80},
        {"+/+", 0xa2, 0x80},
        {"/+", 0xa2, 0x80},
        {"+/", 0xa2, 0x80},
        {"a/+/b/#", 0xa2, 0x80},
        {"a#", 0, 0},
        {"a/b#", 0, 0},
        {"#/a", 0, 0},
        {"#/", 0, 0},
        {"##", 0, 0},
        {"a+", 0, 0},
        {"+a", 0, 0},
        {"++", 0, 0},
        {"a/+b/c", 0, 0},
        {"+#", 0, 0},
        {"$share/g/a", 0x9e, 0x80},
        {"$share/g//", 0x9e, 0x80},
        {"$share/g/#", 0x9e, 0x80},
        {"$share/g/a/+", 0x9e, 0x80},
        {"$share", 0x87, 0x80},
        {"$share/", 0, 0x80},
        {"$share/g", 0, 0x80},
        {"$share/g/", 0, 0x80},
        {"$share//a", 0, 0x80},
        {"$share/+/a", 0, 0x80},
        {"$share/#/a", 0, 0},
        {"$share/g+/a", 0, 0},
        {"$share/g/a#", 0, 0},
        {"$shared/g/a", 0x87, 0x80},
        {"$SHARE/g/a", 0x87, 0x80},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        static const enum mqtt_version versions[] = {MQTT_31, MQTT_311, MQTT_5};
        for (size_t k = 0; k < COUNT(versions); k++) {
            unsigned expected = versions[k] == MQTT_5 ? rows[i].code : rows[i].code_before_5;
            reason = MQTT_REASON_SUCCESS;
            cr_expect_eq(answer_to(versions[k], slice_of(rows[i].filter), 0), expected, "%s in version %u",
                rows[i].filter, versions[k]);
            cr_expect_eq(
                reason, expected ? MQTT_REASON_SUCCESS : MQTT_REASON_TOPIC_FILTER, "%s", rows[i].filter);
        }
    }
}

/* Bits of the options that mean something (3.8.3.1), and those that do not. */
Test(mqtt_packet_filters, options)
{
    for (unsigned options = 0; options < 256; options++) {
        unsigned qos = options & 3, handling = options >> 4 & 3;
        bool is_5 = qos < 3 && handling < 3 && options < 0x40;

        cr_assert_eq(
            answer_to(MQTT_31, slice_of("a"), (uint8_t)options), qos < 3 ? 0x80 : 0, "%02x", options);
        cr_assert_eq(
            answer_to(MQTT_311, slice_of("a"), (uint8_t)options), options < 3 ? 0x80 : 0, "%02x", options);
        cr_assert_eq(answer_to(MQTT_5, slice_of("a"), (uint8_t)options), is_5 ? 0x87 : 0, "%02x", options);
        cr_assert_eq(answer_to(MQTT_5, slice_of("$share/g/a"), (uint8_t)options),
            is_5 && !(options & 4) ? 0x9e : 0, "%02x", options);
    }
}

Test(mqtt_packet_filters, subscribes_that_are_refused)
{
    static const struct mqtt_bad rows[] = {
        {MQTT_31, 0x82, "0000 0001 'a' 00", MQTT_REASON_PROTOCOL_ERROR, "packet identifier is 0"},
        {MQTT_5, 0x82, "0000 00 0001 'a' 00", MQTT_REASON_PROTOCOL_ERROR, "packet identifier is 0"},
        {MQTT_311, 0x82, "0001", MQTT_REASON_PROTOCOL_ERROR, "SUBSCRIBE: no topic filter"},
        {MQTT_5, 0x82, "0001 00", MQTT_REASON_PROTOCOL_ERROR, "SUBSCRIBE: no topic filter"},
        {MQTT_311, 0x82, "0001 0000 00", MQTT_REASON_TOPIC_FILTER, "topic filter is empty"},
        {MQTT_5, 0x82, "0001 00 0001 'a' 00 0000 00", MQTT_REASON_TOPIC_FILTER, "topic filter is empty"},
        {MQTT_311, 0x82, "0001 0001 00 00", MQTT_REASON_MALFORMED, "topic filter holds U+0000"},
        {MQTT_311, 0x82, "0001 0001 ff 00", MQTT_REASON_MALFORMED, "topic filter is not UTF-8"},
        {MQTT_311, 0x82, "0001 0002 'a#' 00", MQTT_REASON_TOPIC_FILTER, "wildcard within a level"},
        {MQTT_5, 0x82, "0001 00 0008 '$share/g' 00", MQTT_REASON_TOPIC_FILTER, "is $share/NAME/FILTER"},
        {MQTT_311, 0x82, "0001 0001 'a' 04", MQTT_REASON_MALFORMED, "reserved bit of the options"},
        {MQTT_311, 0x82, "0001 0001 'a' 80", MQTT_REASON_MALFORMED, "reserved bit of the options"},
        {MQTT_5, 0x82, "0001 00 0001 'a' 40", MQTT_REASON_MALFORMED, "reserved bit of the options"},
        {MQTT_5, 0x82, "0001 00 0001 'a' 80", MQTT_REASON_MALFORMED, "reserved bit of the options"},
        {MQTT_311, 0x82, "0001 0001 'a' 03", MQTT_REASON_PROTOCOL_ERROR, "QoS 3"},
        {MQTT_31, 0x8a, "0001 0001 'a' ff", MQTT_REASON_PROTOCOL_ERROR, "QoS 3"},
        {MQTT_5, 0x82, "0001 00 0001 'a' 03", MQTT_REASON_PROTOCOL_ERROR, "QoS 3"},
        {MQTT_5, 0x82, "0001 00 0001 'a' 30", MQTT_REASON_PROTOCOL_ERROR, "retain handling 3"},
        {MQTT_5, 0x82, "0001 00 000a '$share/g/a' 04", MQTT_REASON_PROTOCOL_ERROR, "no local in a shared"},
        {MQTT_5, 0x82, "0001 02 0b 00 0001 'a' 00", MQTT_REASON_PROTOCOL_ERROR,
            "subscription identifier is 0"},
        {MQTT_5, 0x82, "0001 04 0b 01 0b 02 0001 'a' 00", MQTT_REASON_PROTOCOL_ERROR,
            "more than one subscription identifier"},
        {MQTT_5, 0x82, "0001 04 1f 0001 'x' 0001 'a' 00", MQTT_REASON_MALFORMED,
            "a reason string does not belong here"},
        {MQTT_5, 0x82, "0001 05 11 00000001 0001 'a' 00", MQTT_REASON_MALFORMED,
            "a session expiry interval does not belong here"},
    };
    cr_all_refused(rows);
}

Test(mqtt_packet_filters, unsubscribes_that_are_refused)
{
    static const struct mqtt_bad rows[] = {
        {MQTT_311, 0xa2, "0000 0001 'a'", MQTT_REASON_PROTOCOL_ERROR, "packet identifier is 0"},
        {MQTT_311, 0xa2, "0001", MQTT_REASON_PROTOCOL_ERROR, "UNSUBSCRIBE: no topic filter"},
        {MQTT_5, 0xa2, "0001 00", MQTT_REASON_PROTOCOL_ERROR, "UNSUBSCRIBE: no topic filter"},
        {MQTT_31, 0xaa, "0001 0000", MQTT_REASON_TOPIC_FILTER, "topic filter is empty"},
        {MQTT_311, 0xa2, "0001 0003 '#/a'", MQTT_REASON_TOPIC_FILTER, "wildcard within a level"},
        {MQTT_311, 0xa2, "0001 0001 00", MQTT_REASON_MALFORMED, "topic filter holds U+0000"},
        {MQTT_5, 0xa2, "0001 00 0002 c328", MQTT_REASON_MALFORMED, "topic filter is not UTF-8"},
        {MQTT_5, 0xa2, "0001 00 0008 '$share/g'", MQTT_REASON_TOPIC_FILTER, "is $share/NAME/FILTER"},
        {MQTT_5, 0xa2, "0001 02 0b 01 0001 'a'", MQTT_REASON_MALFORMED,
            "a subscription identifier does not belong here"},
    };
    cr_all_refused(rows);
}

/* As many filters as are taken, and one more. */
static int many_filters(size_t count)
{
    static char body[2 + (MQTT_FILTERS_MAX + 1) * 4];
    size_t at = 2;

    body[1] = 1;
    for (size_t i = 0; i < count; i++) {
        memcpy(body + at, "\0\1a\0", 4);
        at += 4;
    }
    return mqtt_packet_subscribe(MQTT_311, (struct slice){body, at}, filters, &reason, &error);
}

Test(mqtt_packet_filters, how_many)
{
    cr_assert_eq(many_filters(MQTT_FILTERS_MAX), 0);
    cr_assert_eq(filters->count, MQTT_FILTERS_MAX);
    cr_assert_eq(filters->codes[MQTT_FILTERS_MAX - 1], 0x80);
    cr_assert_eq(many_filters(MQTT_FILTERS_MAX + 1), -1);
    cr_assert_eq(reason, MQTT_REASON_PROTOCOL_ERROR);
    cr_assert_str_eq(error.text, "SUBSCRIBE: more than 1024 topic filters");
}
