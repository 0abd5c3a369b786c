/* mqtt_packet_filters: SUBSCRIBE (3.8) and UNSUBSCRIBE (3.10). There is nothing to subscribe to; but the client is told so filter by
 * filter, and goes on, so that the packet must be right all the same. */
#include "source/mqtt_packet_internal.h"

#define MQTT_SHARE "$share/" /* 4.8.2 */

#define MQTT_OPTION_QOS 0x03
#define MQTT_OPTION_NO_LOCAL 0x04
#define MQTT_OPTION_RETAIN_HANDLING 0x30
#define MQTT_OPTION_RESERVED 0xC0
#define MQTT_OPTION_RESERVED_BEFORE_5 0xFC

struct mqtt_filter {
    bool shared;
    bool wildcard;
};

/* Wildcards stand alone in their level, # in the last one (4.7.1). */
static int mqtt_filter_levels(const struct mqtt_reader *reader, struct slice filter, bool *ret_wildcard)
{
    for (size_t i = 0; i < filter.length; i++) {
        if (filter.data[i] != '+' && filter.data[i] != '#')
            continue;
        bool last = i + 1 == filter.length;
        if ((i > 0 && filter.data[i - 1] != '/') ||
            (!last && (filter.data[i] == '#' || filter.data[i + 1] != '/')))
            return mqtt_refuse(
                reader, MQTT_REASON_TOPIC_FILTER, "wildcard within a level, or # before the last");
        *ret_wildcard = true;
    }
    return 0;
}

/* Takes "$share/NAME/" off a filter. */
static int mqtt_filter_share(const struct mqtt_reader *reader, struct slice *filter)
{
    const char *name = filter->data + strlen(MQTT_SHARE);
    const char *end = filter->data + filter->length;
    const char *slash = memchr(name, '/', (size_t)(end - name));

    if (!slash || slash == name || slash + 1 == end || memchr(name, '+', (size_t)(slash - name)) ||
        memchr(name, '#', (size_t)(slash - name)))
        return mqtt_refuse(reader, MQTT_REASON_TOPIC_FILTER, "a shared subscription is $share/NAME/FILTER");
    *filter = (struct slice){slash + 1, (size_t)(end - slash - 1)};
    return 0;
}

static int mqtt_filter_read(
    struct mqtt_reader *reader, enum mqtt_version version, struct mqtt_filter *ret_filter)
{
    struct slice filter;

    *ret_filter = (struct mqtt_filter){0};
    if (mqtt_read_text(reader, "topic filter", MQTT_TEXT_STRING, &filter))
        return -1;
    if (filter.length == 0)
        return mqtt_refuse(reader, MQTT_REASON_TOPIC_FILTER, "topic filter is empty");
    if (version == MQTT_5 && filter.length >= strlen(MQTT_SHARE) &&
        memcmp(filter.data, MQTT_SHARE, strlen(MQTT_SHARE)) == 0) {
        ret_filter->shared = true;
        if (mqtt_filter_share(reader, &filter))
            return -1;
    }
    return mqtt_filter_levels(reader, filter, &ret_filter->wildcard);
}

/* What follows each filter of a SUBSCRIBE (3.8.3.1). */
static int mqtt_filter_options(
    struct mqtt_reader *reader, enum mqtt_version version, const struct mqtt_filter *filter)
{
    uint8_t reserved = version == MQTT_5 ? MQTT_OPTION_RESERVED : MQTT_OPTION_RESERVED_BEFORE_5;
    uint8_t options;

    if (mqtt_read_u8(reader, "subscription options", &options))
        return -1;
    if (options & reserved && version != MQTT_31)
        return mqtt_refuse(reader, MQTT_REASON_MALFORMED, "a reserved bit of the options is set");
    if ((options & MQTT_OPTION_QOS) == MQTT_OPTION_QOS)
        return mqtt_refuse(reader, MQTT_REASON_PROTOCOL_ERROR, "QoS 3");
    if (version != MQTT_5)
        return 0;
    if ((options & MQTT_OPTION_RETAIN_HANDLING) == MQTT_OPTION_RETAIN_HANDLING)
        return mqtt_refuse(reader, MQTT_REASON_PROTOCOL_ERROR, "retain handling 3");
    if (options & MQTT_OPTION_NO_LOCAL && filter->shared)
        return mqtt_refuse(reader, MQTT_REASON_PROTOCOL_ERROR, "no local in a shared subscription");
    return 0;
}

/* SUBACK (3.9.3): refused, and why; before 5 there is just one code for it. */
static uint8_t mqtt_filter_code(enum mqtt_version version, const struct mqtt_filter *filter)
{
    if (version != MQTT_5)
        return MQTT_REASON_UNSPECIFIED;
    if (filter->shared)
        return MQTT_REASON_SHARED_SUBSCRIPTIONS;
    return filter->wildcard ? MQTT_REASON_WILDCARD_SUBSCRIPTIONS : MQTT_REASON_NOT_AUTHORIZED;
}

static int mqtt_filters_read(struct mqtt_reader *reader, enum mqtt_version version, enum mqtt_place place,
    struct mqtt_filters *ret_filters)
{
    struct mqtt_filters filters MQTT_UNWRITTEN;

    filters.count = filters.id = 0;
    if (mqtt_read_id(reader, &filters.id) || (version == MQTT_5 && mqtt_property_skip(reader, place)))
        return -1;
    if (mqtt_left(reader) == 0)
        return mqtt_refuse(reader, MQTT_REASON_PROTOCOL_ERROR, "no topic filter");
    while (mqtt_left(reader)) {
        struct mqtt_filter filter;

        if (filters.count == MQTT_FILTERS_MAX)
            return mqtt_refuse(
                reader, MQTT_REASON_PROTOCOL_ERROR, "more than %d topic filters", MQTT_FILTERS_MAX);
        if (mqtt_filter_read(reader, version, &filter))
            return -1;
        if (place == MQTT_IN_SUBSCRIBE && mqtt_filter_options(reader, version, &filter))
            return -1;
        filters.codes[filters.count++] =
            place == MQTT_IN_SUBSCRIBE ? mqtt_filter_code(version, &filter) : MQTT_REASON_NO_SUBSCRIPTION;
    }
    memcpy(ret_filters, &filters, offsetof(struct mqtt_filters, codes) + filters.count);
    return 0;
}

int mqtt_packet_subscribe(enum mqtt_version version, struct slice body, struct mqtt_filters *ret_filters,
    enum mqtt_reason *ret_reason, struct error *error)
{
    struct mqtt_reader reader = mqtt_reader_of(body, "SUBSCRIBE", ret_reason, error);

    return mqtt_filters_read(&reader, version, MQTT_IN_SUBSCRIBE, ret_filters);
}

int mqtt_packet_unsubscribe(enum mqtt_version version, struct slice body, struct mqtt_filters *ret_filters,
    enum mqtt_reason *ret_reason, struct error *error)
{
    struct mqtt_reader reader = mqtt_reader_of(body, "UNSUBSCRIBE", ret_reason, error);

    return mqtt_filters_read(&reader, version, MQTT_IN_UNSUBSCRIBE, ret_filters);
}
