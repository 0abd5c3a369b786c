/* mqtt_facts: see mqtt_facts.h */
#include "source/mqtt_facts.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#include "base/base64.h"
#include "base/utf8.h"

static const struct slice nothing = {NULL, 0};

/* ---- mqtt:NAME ----------------------------------------------------------------------------------------------- */

typedef struct slice mqtt_fact_fn(struct mqtt_facts *facts);

static struct slice mqtt_fact_bool(bool yes)
{
    return slice_of(yes ? "true" : "false");
}

static struct slice mqtt_fact_client_id(struct mqtt_facts *facts)
{
    return facts->client_id;
}

static struct slice mqtt_fact_user(struct mqtt_facts *facts)
{
    return facts->user;
}

static struct slice mqtt_fact_topic(struct mqtt_facts *facts)
{
    return facts->topic;
}

static struct slice mqtt_fact_qos(struct mqtt_facts *facts)
{
    return (struct slice){&"012"[facts->publish->qos], 1};
}

static struct slice mqtt_fact_retain(struct mqtt_facts *facts)
{
    return mqtt_fact_bool(facts->publish->retain);
}

static struct slice mqtt_fact_dup(struct mqtt_facts *facts)
{
    return mqtt_fact_bool(facts->publish->dup);
}

static struct slice mqtt_fact_will(struct mqtt_facts *facts)
{
    return mqtt_fact_bool(facts->will);
}

static struct slice mqtt_fact_content_type(struct mqtt_facts *facts)
{
    return facts->publish->properties.content_type;
}

static struct slice mqtt_fact_response_topic(struct mqtt_facts *facts)
{
    return facts->publish->properties.response_topic;
}

/* What is too long for the scratch is too long for a label in any form, and is refused as one. */
static struct slice mqtt_fact_correlation_data(struct mqtt_facts *facts)
{
    const struct slice data = facts->publish->properties.correlation;
    struct bytes coded = {facts->correlation, 0, sizeof facts->correlation, sizeof facts->correlation};
    struct error error;

    if (record_check_name(data, "correlation data", &error) == 0 || base64_encode(data, &coded, &error))
        return data;
    return bytes_slice(&coded);
}

static struct slice mqtt_fact_expiry(struct mqtt_facts *facts)
{
    const struct mqtt_properties *properties = &facts->publish->properties;

    if (!properties->has_expiry)
        return nothing;
    int length = snprintf(facts->number, sizeof facts->number, "%" PRIu32, properties->expiry);
    return (struct slice){facts->number, (size_t)length};
}

static struct slice mqtt_fact_payload_format(struct mqtt_facts *facts)
{
    return slice_of(facts->publish->properties.utf8 ? "utf-8" : "bytes");
}

static struct slice mqtt_facts_known(struct mqtt_facts *facts, const char *name)
{
#define MQTT_FACT_ROW(fact) {#fact, mqtt_fact_##fact},
    static const struct {
        const char *name;
        mqtt_fact_fn *find;
    } table[] = {SELECTOR_MQTT_TABLE(MQTT_FACT_ROW)};
#undef MQTT_FACT_ROW

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(name, table[i].name) == 0)
            return table[i].find(facts);
    }
    return nothing;
}

/* ---- the others ---------------------------------------------------------------------------------------------- */

static struct slice mqtt_facts_level(const struct topic_match *match, const char *name)
{
    for (size_t i = 0; match && i < match->captures_count; i++) {
        if (strcmp(name, match->captures[i].name) == 0)
            return match->captures[i].value;
    }
    return nothing;
}

static struct slice mqtt_facts_header(const struct mqtt_properties *properties, const char *name)
{
    if (properties->content_type.data && strcasecmp(name, "Content-Type") == 0)
        return properties->content_type;
    for (size_t i = 0; i < properties->pairs_count; i++) {
        if (slice_is(properties->pairs[i].name, name))
            return properties->pairs[i].value;
    }
    return nothing;
}

struct slice mqtt_facts_find(void *context, enum selector_source source, const char *name)
{
    struct mqtt_facts *facts = context;

    switch (source) {
    case SELECTOR_TOPIC:
        return mqtt_facts_level(facts->match, name);
    case SELECTOR_HEADER:
        return mqtt_facts_header(&facts->publish->properties, name);
    case SELECTOR_MQTT:
        return mqtt_facts_known(facts, name);
    case SELECTOR_NONE:
    case SELECTOR_POINTER:
    case SELECTOR_QUERY:
    case SELECTOR_PATH:
    case SELECTOR_FILE:
    case SELECTOR_LINE:
        break;
    }
    return nothing;
}

/* As much of the text as fits into room, whole characters of it. */
static size_t mqtt_facts_cut(struct slice text, size_t room)
{
    size_t length = 0;

    if (text.length <= room)
        return text.length;
    for (size_t next; (next = utf8_sequence(text.data + length, text.length - length)) > 0;) {
        if (length + next > room)
            break;
        length += next;
    }
    return length;
}

struct slice mqtt_facts_origin(void *context, struct slice payload)
{
    struct mqtt_facts *facts = context;
    const struct slice parts[] = {
        slice_of("mqtt "),
        facts->client_id,
        slice_of(" "),
        facts->topic,
    };
    size_t used = 0;

    (void)payload; /* a message is one origin */
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        size_t length = mqtt_facts_cut(parts[i], sizeof facts->origin - used);
        if (length)
            memcpy(facts->origin + used, parts[i].data, length);
        used += length;
    }
    return (struct slice){facts->origin, used};
}
