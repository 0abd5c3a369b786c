/* subscriber_message: one message into the batch; see subscriber_internal.h
 *
 * There is nobody to refuse a message to: what cannot be a record is a dead letter in the same hand-over.
 */
#include <mqtt_protocol.h>
#include <stdlib.h>
#include <string.h>

#include "source/mqtt_body.h"
#include "source/subscriber_internal.h"

/* ---- the library's message as ours ------------------------------------------------------------------------------- */

/* What the library copies out of its properties. */
struct message_copies {
    void *items[2 * MQTT_USER_PROPERTIES_MAX + 3];
    size_t count;
};

static void message_free_copies(struct message_copies *copies)
{
    while (copies->count)
        free(copies->items[--copies->count]);
}

/* The first of its kind counts; MQTT allows one. */
static void message_take_string(
    struct message_copies *copies, const mosquitto_property *property, struct slice *ret_value)
{
    char *value = NULL;

    if (ret_value->data ||
        !mosquitto_property_read_string(property, mosquitto_property_identifier(property), &value, false))
        return;
    copies->items[copies->count++] = value;
    *ret_value = slice_of(value);
}

static void message_take_binary(
    struct message_copies *copies, const mosquitto_property *property, struct slice *ret_value)
{
    void *value = NULL;
    uint16_t length = 0;

    if (ret_value->data || !mosquitto_property_read_binary(
                               property, mosquitto_property_identifier(property), &value, &length, false))
        return;
    copies->items[copies->count++] = value;
    *ret_value = (struct slice){value, length};
}

static void message_take_pair(
    struct message_copies *copies, const mosquitto_property *property, struct mqtt_properties *properties)
{
    char *name = NULL;
    char *value = NULL;

    if (properties->pairs_count == MQTT_USER_PROPERTIES_MAX ||
        !mosquitto_property_read_string_pair(property, MQTT_PROP_USER_PROPERTY, &name, &value, false))
        return;
    copies->items[copies->count++] = name;
    copies->items[copies->count++] = value;
    properties->pairs[properties->pairs_count++] = (struct mqtt_pair){slice_of(name), slice_of(value)};
}

static void message_take_property(
    struct message_copies *copies, const mosquitto_property *property, struct mqtt_properties *properties)
{
    uint8_t format = 0;

    switch (mosquitto_property_identifier(property)) {
    case MQTT_PROP_PAYLOAD_FORMAT_INDICATOR:
        mosquitto_property_read_byte(property, MQTT_PROP_PAYLOAD_FORMAT_INDICATOR, &format, false);
        properties->utf8 = format == 1;
        break;
    case MQTT_PROP_MESSAGE_EXPIRY_INTERVAL:
        properties->has_expiry = mosquitto_property_read_int32(
            property, MQTT_PROP_MESSAGE_EXPIRY_INTERVAL, &properties->expiry, false);
        break;
    case MQTT_PROP_CONTENT_TYPE:
        message_take_string(copies, property, &properties->content_type);
        break;
    case MQTT_PROP_RESPONSE_TOPIC:
        message_take_string(copies, property, &properties->response_topic);
        break;
    case MQTT_PROP_CORRELATION_DATA:
        message_take_binary(copies, property, &properties->correlation);
        break;
    case MQTT_PROP_USER_PROPERTY:
        message_take_pair(copies, property, properties);
        break;
    default:
        break;
    }
}

static void message_describe(struct subscriber *subscriber, const struct mosquitto_message *message,
    const mosquitto_property *properties, struct message_copies *copies)
{
    struct mqtt_publish *publish = &subscriber->publish;
    struct mqtt_facts *facts = &subscriber->facts;

    publish->qos = (uint8_t)message->qos;
    publish->retain = message->retain;
    publish->dup = false; /* the library does not say */
    publish->id = (uint16_t)message->mid;
    publish->topic = slice_of(message->topic);
    publish->payload = (struct slice){message->payload, (size_t)message->payloadlen};
    memset(&publish->properties, 0, offsetof(struct mqtt_properties, pairs));
    for (; properties; properties = mosquitto_property_next(properties))
        message_take_property(copies, properties, &publish->properties);
    facts->publish = publish;
    facts->topic = publish->topic;
    facts->client_id = slice_of(subscriber->settings.client_id);
    facts->user = (struct slice){NULL, 0};
    facts->will = false;
}

/* ---- into the batch --------------------------------------------------------------------------------------------- */

static int message_add(struct subscriber *subscriber, const struct stream *stream, struct slice body,
    const struct intake_facts *facts, struct error *error)
{
    struct handover *handover = &subscriber->batch.handover;
    const struct mqtt_publish *publish = &subscriber->publish;
    enum decode_form form;

    memset(&subscriber->taken, 0, offsetof(struct intake_result, list));
    if (!stream)
        return intake_bury(subscriber->intake, NULL, body, facts,
            "no pattern of mqtt.topics matches its topic", handover, error);
    if (publish->properties.utf8 && !mqtt_body_is_utf8(body))
        return intake_bury(subscriber->intake, stream, body, facts,
            "the payload is not UTF-8, but its payload format says so", handover, error);
    if (!mqtt_body_form(subscriber->intake, stream, publish, body, &form))
        return intake_bury(subscriber->intake, stream, body, facts,
            "its content type does not fit the stream's format", handover, error);
    return intake_add(subscriber->intake, stream, form, body, facts, handover, &subscriber->taken, error);
}

static void message_count(struct subscriber *subscriber, const struct stream *stream)
{
    struct subscriber_count *count = &subscriber->batch.counts[stream_place(stream)];
    const struct intake_result *taken = &subscriber->taken;

    count->touched = true;
    count->accepted += taken->accepted;
    count->schema_invalid += taken->schema_invalid;
    for (size_t i = 0; i < INTAKE_REASONS; i++)
        count->rejected[i] += taken->by_reason[i];
    if (!stream)
        count->rejected[INTAKE_TOPIC]++;
    else if (taken->accepted + taken->rejected == 0)
        count->rejected[INTAKE_SYNTAX]++;
}

enum message_stored { MESSAGE_STORED, MESSAGE_NO_ROOM, MESSAGE_FAILED };

/* What does not fit alone is not decodable: it holds too many records. */
static enum message_stored message_add_body(
    struct subscriber *subscriber, const struct stream *stream, struct slice body, struct error *error)
{
    struct handover *handover = &subscriber->batch.handover;
    const struct handover_mark mark = handover_mark(handover);
    const struct intake_facts facts = {
        .find = mqtt_facts_find,
        .context = &subscriber->facts,
        .key = stream ? subscriber->match.key : (struct slice){NULL, 0},
        .received = clock_wall(subscriber->source->context.clock),
        .bury = mqtt_facts_origin,
    };

    const int added = message_add(subscriber, stream, body, &facts, error);
    if (added == 0 && handover->size <= subscriber->source->handover_max)
        return MESSAGE_STORED;
    handover_rewind(handover, &mark);
    if (added && error->kind == ERROR_RETRY)
        return MESSAGE_FAILED;
    if (mark.parts_length)
        return MESSAGE_NO_ROOM;
    memset(&subscriber->taken, 0, offsetof(struct intake_result, list));
    if (intake_bury(subscriber->intake, stream, body, &facts, "more records than the journal takes at once",
            handover, error))
        return MESSAGE_FAILED;
    return MESSAGE_STORED;
}

static enum message_stored message_store(struct subscriber *subscriber, struct error *error)
{
    struct subscriber_batch *batch = &subscriber->batch;
    const struct slice payload = subscriber->publish.payload;
    const struct slice body = {batch->payloads + batch->used, payload.length};
    const bool mapped = topic_map_match(
        routes_now(subscriber->source->context.routes)->topics, subscriber->facts.topic, &subscriber->match);
    const struct stream *stream = mapped ? subscriber->match.stream : NULL;

    if (payload.length > subscriber->source->batch_capacity - batch->used)
        return MESSAGE_NO_ROOM;
    if (payload.length)
        memcpy(batch->payloads + batch->used, payload.data, payload.length);
    subscriber->facts.match = mapped ? &subscriber->match : NULL;
    const enum message_stored stored = message_add_body(subscriber, stream, body, error);
    if (stored != MESSAGE_STORED)
        return stored;
    batch->used += payload.length;
    batch->messages++;
    batch->unguarded |= subscriber->publish.qos == 0;
    message_count(subscriber, stream);
    return stored;
}

/* A batch that is full goes first; an empty one takes any message. */
static void message_store_sooner_or_later(struct subscriber *subscriber)
{
    struct error error;
    enum message_stored stored = message_store(subscriber, &error);

    if (stored == MESSAGE_NO_ROOM) {
        if (!subscriber_batch_commit(subscriber)) {
            subscriber_link_end(subscriber, SUBSCRIBER_HELD, "the journal takes nothing");
            return;
        }
        stored = message_store(subscriber, &error);
    }
    if (stored != MESSAGE_STORED)
        subscriber_link_end(subscriber, SUBSCRIBER_PROTOCOL, "a message cannot be stored: %.180s",
            stored == MESSAGE_FAILED ? error.text : "it is larger than a batch");
}

void subscriber_message_take(struct subscriber *subscriber, const struct mosquitto_message *message,
    const mosquitto_property *properties)
{
    const uint64_t most = subscriber->source->context.config->mqtt.max_packet;
    struct message_copies copies = {.count = 0};

    if ((uint64_t)message->payloadlen > most) {
        subscriber_link_end(subscriber, SUBSCRIBER_TOO_LARGE,
            "the broker sends a message of %d bytes, more than mqtt.max_packet (%llu)", message->payloadlen,
            (unsigned long long)most);
        return;
    }
    message_describe(subscriber, message, properties, &copies);
    message_store_sooner_or_later(subscriber);
    message_free_copies(&copies);
}
