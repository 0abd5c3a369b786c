/* mqtt_facts: see mqtt_facts.h */
#include "source/mqtt_facts.h"

#include <stdio.h>
#include <strings.h>

#include "base/base64.h"

static struct slice facts_none(void)
{
    return (struct slice){NULL, 0};
}

static struct slice facts_flag(bool set)
{
    return slice_of(set ? "true" : "false");
}

/* ---- mqtt:NAME, a function for each ----------------------------------------------------------------------------- */

static struct slice facts_client_id(struct mqtt_facts *facts)
{
    return facts->client_id;
}

static struct slice facts_user(struct mqtt_facts *facts)
{
    return facts->user;
}

static struct slice facts_topic(struct mqtt_facts *facts)
{
    return facts->topic;
}

static struct slice facts_qos(struct mqtt_facts *facts)
{
    static const char *const names[] = {"0", "1", "2"};

    return slice_of(names[facts->publish->qos]);
}

static struct slice facts_retain(struct mqtt_facts *facts)
{
    return facts_flag(facts->publish->retain);
}

static struct slice facts_dup(struct mqtt_facts *facts)
{
    return facts_flag(facts->publish->dup);
}

static struct slice facts_will(struct mqtt_facts *facts)
{
    return facts_flag(facts->will);
}

static struct slice facts_content_type(struct mqtt_facts *facts)
{
    return facts->publish->properties.content_type;
}

static struct slice facts_response_topic(struct mqtt_facts *facts)
{
    return facts->publish->properties.response_topic;
}

static struct slice facts_correlation_data(struct mqtt_facts *facts)
{
    const struct slice data = facts->publish->properties.correlation;
    struct bytes text = {facts->correlation, 0, sizeof facts->correlation, sizeof facts->correlation};
    struct error error;

    if (data.length > RECORD_KEY_MAX || record_check_name(data, "", &error) == 0)
        return data; /* too long for a label either way */
    return base64_encode(data, &text, &error) ? data : bytes_slice(&text);
}

static struct slice facts_expiry(struct mqtt_facts *facts)
{
    const struct mqtt_properties *properties = &facts->publish->properties;

    if (!properties->has_expiry)
        return facts_none();
    int length = snprintf(facts->number, sizeof facts->number, "%u", properties->expiry);
    return (struct slice){facts->number, (size_t)length};
}

static struct slice facts_payload_format(struct mqtt_facts *facts)
{
    return slice_of(facts->publish->properties.utf8 ? "utf-8" : "bytes");
}

static struct slice facts_find_mqtt(struct mqtt_facts *facts, const char *name)
{
    static const struct {
        const char *name;
        struct slice (*get)(struct mqtt_facts *facts);
    } all[] = {
#define FACTS_ROW(name) {#name, facts_##name},
        SELECTOR_MQTT_TABLE(FACTS_ROW)
#undef FACTS_ROW
    };

    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (strcmp(all[i].name, name) == 0)
            return all[i].get(facts);
    }
    return facts_none();
}

/* ---- the others ------------------------------------------------------------------------------------------------- */

static struct slice facts_find_level(const struct mqtt_facts *facts, const char *name)
{
    for (size_t i = 0; facts->match && i < facts->match->captures_count; i++) {
        if (strcmp(facts->match->captures[i].name, name) == 0)
            return facts->match->captures[i].value;
    }
    return facts_none();
}

static struct slice facts_find_property(const struct mqtt_facts *facts, const char *name)
{
    const struct mqtt_properties *properties = &facts->publish->properties;

    if (strcasecmp(name, "Content-Type") == 0)
        return properties->content_type;
    for (size_t i = 0; i < properties->pairs_count; i++) {
        if (slice_is(properties->pairs[i].name, name))
            return properties->pairs[i].value;
    }
    return facts_none();
}

struct slice mqtt_facts_find(void *context, enum selector_source source, const char *name)
{
    struct mqtt_facts *facts = context;

    switch (source) {
    case SELECTOR_TOPIC:
        return facts_find_level(facts, name);
    case SELECTOR_HEADER:
        return facts_find_property(facts, name);
    case SELECTOR_MQTT:
        return facts_find_mqtt(facts, name);
    case SELECTOR_NONE:
    case SELECTOR_POINTER:
    case SELECTOR_QUERY:
    case SELECTOR_PATH:
        break;
    }
    return facts_none();
}

struct slice mqtt_facts_origin(void *context)
{
    struct mqtt_facts *facts = context;
    const size_t client = facts->client_id.length < RECORD_KEY_MAX ? facts->client_id.length : RECORD_KEY_MAX;
    const size_t most = sizeof facts->origin - client - sizeof "mqtt  ";
    const size_t topic = facts->topic.length < most ? facts->topic.length : most;
    int length = snprintf(facts->origin, sizeof facts->origin, "mqtt %.*s %.*s", (int)client,
        facts->client_id.length ? facts->client_id.data : "", (int)topic,
        facts->topic.length ? facts->topic.data : "");

    return (struct slice){facts->origin, (size_t)length};
}
