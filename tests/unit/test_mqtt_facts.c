/* mqtt facts: what selectors find in a message besides its payload, and its origin as a dead letter */
#include <criterion/criterion.h>

#include <stdint.h>
#include <stdlib.h>

#include "base/base64.h"
#include "source/mqtt_facts.h"

#define COUNT(array) (sizeof array / sizeof *array)
#define SLICE(text)            \
    {                          \
        text, sizeof(text) - 1 \
    }

static struct mqtt_publish publish;
static struct topic_match match;
static struct mqtt_facts facts;

static void set_up(void)
{
    publish = (struct mqtt_publish){.qos = 1,
        .topic = SLICE(""),
        .properties = {
            .pairs_count = 4,
            .pairs = {{SLICE("host"), SLICE("one")}, {SLICE("host"), SLICE("two")},
                {SLICE("Host"), SLICE("three")}, {SLICE("content-type"), SLICE("of a user")}},
        }};
    match = (struct topic_match){
        .captures_count = 2, .captures = {{"site", SLICE("north")}, {"sensor_id", SLICE("S1")}}};
    facts = (struct mqtt_facts){.publish = &publish,
        .match = &match,
        .topic = SLICE("grid/north/S1"),
        .client_id = SLICE("meter-7"),
        .user = SLICE("anna")};
}

TestSuite(mqtt_facts, .init = set_up);

static void expect(enum selector_source source, const char *name, const char *value)
{
    struct slice found = mqtt_facts_find(&facts, source, name);

    cr_assert(
        slice_is(found, value), "%s: '%.*s' instead of '%s'", name, (int)found.length, found.data, value);
}

static void expect_nothing(enum selector_source source, const char *name)
{
    struct slice found = mqtt_facts_find(&facts, source, name);

    cr_assert_null(found.data, "%s: '%.*s'", name, (int)found.length, found.data);
    cr_assert_eq(found.length, 0);
}

Test(mqtt_facts, levels_of_the_topic)
{
    expect(SELECTOR_TOPIC, "site", "north");
    expect(SELECTOR_TOPIC, "sensor_id", "S1");
    expect_nothing(SELECTOR_TOPIC, "sensor");
    match.captures_count = 1; /* what stands behind is of an earlier message */
    expect_nothing(SELECTOR_TOPIC, "sensor_id");
    facts.match = NULL;
    expect_nothing(SELECTOR_TOPIC, "site");
}

Test(mqtt_facts, user_properties_are_headers)
{
    expect(SELECTOR_HEADER, "host", "one");
    expect(SELECTOR_HEADER, "Host", "three");
    expect_nothing(SELECTOR_HEADER, "HOST");
    expect_nothing(SELECTOR_HEADER, "hos");
    publish.properties.pairs[0].value = (struct slice){"", 0}; /* empty, but there */
    cr_assert_not_null(mqtt_facts_find(&facts, SELECTOR_HEADER, "host").data);
    publish.properties.pairs_count = 0;
    expect_nothing(SELECTOR_HEADER, "host");
}

Test(mqtt_facts, content_type_is_a_header_in_any_case)
{
    expect(SELECTOR_HEADER, "content-type", "of a user");
    expect_nothing(SELECTOR_HEADER, "Content-Type");
    publish.properties.content_type = (struct slice)SLICE("text/plain");
    expect(SELECTOR_HEADER, "Content-Type", "text/plain");
    expect(SELECTOR_HEADER, "content-type", "text/plain");
    expect(SELECTOR_HEADER, "CONTENT-TYPE", "text/plain");
    expect(SELECTOR_HEADER, "host", "one");
}

Test(mqtt_facts, who_and_where)
{
    expect(SELECTOR_MQTT, "client_id", "meter-7");
    expect(SELECTOR_MQTT, "user", "anna");
    expect(SELECTOR_MQTT, "topic", "grid/north/S1");
    facts.user = (struct slice){NULL, 0};
    expect_nothing(SELECTOR_MQTT, "user");
}

Test(mqtt_facts, flags)
{
    static const char *const levels[] = {"0", "1", "2"};

    for (uint8_t qos = 0; qos <= 2; qos++) {
        publish.qos = qos;
        expect(SELECTOR_MQTT, "qos", levels[qos]);
    }
    expect(SELECTOR_MQTT, "retain", "false");
    expect(SELECTOR_MQTT, "dup", "false");
    expect(SELECTOR_MQTT, "will", "false");
    expect(SELECTOR_MQTT, "payload_format", "bytes");
    publish.retain = true;
    expect(SELECTOR_MQTT, "retain", "true");
    expect(SELECTOR_MQTT, "dup", "false");
    publish.dup = true;
    expect(SELECTOR_MQTT, "dup", "true");
    facts.will = true;
    expect(SELECTOR_MQTT, "will", "true");
    publish.properties.utf8 = true;
    expect(SELECTOR_MQTT, "payload_format", "utf-8");
}

Test(mqtt_facts, properties)
{
    expect_nothing(SELECTOR_MQTT, "content_type");
    expect_nothing(SELECTOR_MQTT, "response_topic");
    expect_nothing(SELECTOR_MQTT, "correlation_data");
    expect_nothing(SELECTOR_MQTT, "expiry");
    publish.properties.content_type = (struct slice)SLICE("application/json");
    publish.properties.response_topic = (struct slice)SLICE("answers/7");
    publish.properties.correlation = (struct slice)SLICE("gr\xc3\xbc\xc3\x9f"
                                                         "e 7");
    publish.properties.has_expiry = true;
    expect(SELECTOR_MQTT, "content_type", "application/json");
    expect(SELECTOR_MQTT, "response_topic", "answers/7");
    expect(SELECTOR_MQTT, "correlation_data",
        "gr\xc3\xbc\xc3\x9f"
        "e 7");
    expect(SELECTOR_MQTT, "expiry", "0");
    publish.properties.expiry = UINT32_MAX;
    expect(SELECTOR_MQTT, "expiry", "4294967295");
}

/* As it is when it can be a label; in base64 when that can tell what it was; and what no label can hold is left to be refused. */
Test(mqtt_facts, correlation_data_may_be_any_bytes)
{
    static char longest[MQTT_FACTS_SCRATCH];
    struct slice *data = &publish.properties.correlation;
    char back[MQTT_FACTS_SCRATCH];
    struct error error;
    struct slice found;
    size_t length;

    *data = (struct slice){"\x00\xff\x10", 3};
    expect(SELECTOR_MQTT, "correlation_data", "AP8Q");
    *data = (struct slice)SLICE("line\nbreak");
    expect(SELECTOR_MQTT, "correlation_data", "bGluZQpicmVhaw==");
    memset(longest, 'x', sizeof longest);
    *data = (struct slice){longest, RECORD_KEY_MAX};
    cr_assert_eq(mqtt_facts_find(&facts, SELECTOR_MQTT, "correlation_data").data, longest);
    *data = (struct slice){longest, MQTT_FACTS_SCRATCH / 4 * 3};
    found = mqtt_facts_find(&facts, SELECTOR_MQTT, "correlation_data");
    cr_assert_eq(found.length, MQTT_FACTS_SCRATCH);
    cr_assert_eq(base64_decode(found, back, &length, &error), 0);
    cr_assert(slice_equal((struct slice){back, length}, *data));
    *data = (struct slice){longest, MQTT_FACTS_SCRATCH / 4 * 3 + 1};
    found = mqtt_facts_find(&facts, SELECTOR_MQTT, "correlation_data");
    cr_assert_eq(found.data, longest);
    cr_assert_eq(record_check_name(found, "label", &error), -1);
}

Test(mqtt_facts, a_message_has_no_url)
{
    expect_nothing(SELECTOR_QUERY, "site");
    expect_nothing(SELECTOR_PATH, "key");
    expect_nothing(SELECTOR_POINTER, "/site");
    expect_nothing(SELECTOR_NONE, "");
    expect_nothing(SELECTOR_MQTT, "site");
}

/* ---- the origin ---------------------------------------------------------------------------------------------- */

Test(mqtt_facts, origin_names_client_and_topic)
{
    cr_assert(slice_is(mqtt_facts_origin(&facts, (struct slice){NULL, 0}), "mqtt meter-7 grid/north/S1"));
    facts.client_id = (struct slice){NULL, 0};
    cr_assert(slice_is(mqtt_facts_origin(&facts, (struct slice){NULL, 0}), "mqtt  grid/north/S1"));
}

Test(mqtt_facts, origin_is_cut_behind_a_whole_character)
{
    static const char head[] = "mqtt meter-7 ";
    static const char *const characters[] = {"x", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    static char topic[TOPIC_LENGTH_MAX];

    for (size_t i = 0; i < COUNT(characters); i++) {
        size_t size = strlen(characters[i]);
        size_t room = RECORD_ORIGIN_MAX - strlen(head);
        for (size_t first = 0; first < size; first++) { /* where the characters begin */
            memset(topic, 'y', first);
            size_t length = first;
            for (; length + size <= sizeof topic; length += size)
                memcpy(topic + length, characters[i], size);
            facts.topic = (struct slice){topic, length};
            struct slice origin = mqtt_facts_origin(&facts, (struct slice){NULL, 0});
            size_t kept = first + (room - first) / size * size;
            cr_assert_eq(origin.length, strlen(head) + kept);
            cr_assert_eq(memcmp(origin.data, head, strlen(head)), 0);
            cr_assert_eq(memcmp(origin.data + strlen(head), topic, kept), 0);
        }
    }
    facts.topic = (struct slice){topic, RECORD_ORIGIN_MAX - strlen(head)};
    cr_assert_eq(mqtt_facts_origin(&facts, (struct slice){NULL, 0}).length,
        RECORD_ORIGIN_MAX); /* fits, and is not looked at */
}
