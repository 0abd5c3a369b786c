/* mqtt_store: one message into the batch that is being filled; see mqtt_internal.h */
#include <string.h>

#include "base/log.h"
#include "source/mqtt_body.h"
#include "source/mqtt_internal.h"

static int store_add(struct mqtt_thread *thread, const struct stream *stream, struct slice body,
    const struct intake_facts *facts, struct error *error)
{
    struct handover *handover = &thread->filling->handover;
    enum decode_form form;

    thread->taken.accepted = thread->taken.schema_invalid = thread->taken.rejected = 0;
    thread->taken.refused = INTAKE_SYNTAX;
    if (!stream)
        return intake_bury(thread->intake, NULL, body, facts, "no pattern of mqtt.topics matches its topic",
            handover, error);
    if (!mqtt_body_form(thread->intake, stream, thread->facts.publish, body, &form))
        return intake_bury(thread->intake, stream, body, facts,
            "its content type does not fit the stream's format", handover, error);
    return intake_add(thread->intake, stream, form, body, facts, handover, &thread->taken, error);
}

static void store_count(struct mqtt_thread *thread, const struct stream *stream)
{
    const struct source *mqtt = thread->source;
    const struct intake_result *taken = &thread->taken;

    thread->filling->counts[stream_place(stream)].accepted += taken->accepted;
    thread->filling->counts[stream_place(stream)].schema_invalid += taken->schema_invalid;
    if (!stream)
        intake_count_rejected(mqtt->counts, NULL, INTAKE_TOPIC, 1);
    else if (taken->rejected)
        intake_count_all_rejected(mqtt->counts, stream, taken->by_reason);
}

/* The body is in the batch. What does not fit besides others waits for the next batch; what does not fit alone is not
 * decodable: too many records. */
static enum mqtt_stored store_body(struct mqtt_thread *thread, const struct stream *stream, struct slice body)
{
    struct handover *handover = &thread->filling->handover;
    const struct handover_mark mark = handover_mark(handover);
    const struct intake_facts facts = {
        .find = mqtt_facts_find,
        .context = &thread->facts,
        .key = stream ? thread->match.key : (struct slice){NULL, 0},
        .received = thread->wall,
        .grant = thread->facts.grant,
        .rates = access_rates(thread->source->context.access),
        .now = thread->now,
        .bury = mqtt_facts_origin,
    };
    struct error error;

    int added = store_add(thread, stream, body, &facts, &error);
    if (added == 0 && handover->parts.length <= thread->source->parts_max &&
        handover->size <= thread->source->handover_max) {
        store_count(thread, stream);
        if (stream && stream->key_rate)
            intake_charge(thread->source->context.routes->kept, thread->source->context.routes->places,
                handover, &mark, facts.rates, thread->now);
        return MQTT_STORED;
    }
    handover_rewind(handover, &mark);
    if (added && error.kind == ERROR_RETRY)
        return MQTT_FAILED;
    if (added && thread->taken.refused == INTAKE_FORBIDDEN)
        return MQTT_REFUSED;
    if (added && thread->taken.refused == INTAKE_RATE)
        return MQTT_AHEAD;
    if (mark.parts_length) {
        thread->full = true;
        return MQTT_NO_ROOM;
    }
    if (intake_bury(thread->intake, stream, body, &facts,
            added ? error.text : "more records than the journal takes at once", handover, &error))
        return MQTT_FAILED;
    return MQTT_STORED;
}

enum mqtt_stored mqtt_store(struct mqtt_thread *thread, enum mqtt_reason *ret_reason)
{
    const struct source *mqtt = thread->source;
    const struct mqtt_publish *publish = thread->facts.publish;
    struct mqtt_batch *batch = thread->filling;
    const struct slice body = {batch->payloads + batch->used, publish->payload.length};
    const bool mapped =
        topic_map_match(routes_now(mqtt->context.routes)->topics, thread->facts.topic, &thread->match);
    const struct stream *stream = mapped ? thread->match.stream : NULL;

    thread->facts.match = mapped ? &thread->match : NULL;
    thread->taken.accepted = thread->taken.schema_invalid = thread->taken.rejected =
        0; /* what is refused is paid for by nobody else's */
    if (!mapped && mqtt->refuse_unmapped) {
        *ret_reason = MQTT_REASON_TOPIC_NAME;
        return MQTT_REFUSED;
    }
    if (!grant_allows_stream(thread->facts.grant, stream ? stream->name : RECORD_NO_STREAM)) {
        *ret_reason = MQTT_REASON_NOT_AUTHORIZED;
        return MQTT_REFUSED;
    }
    if (publish->properties.utf8 && !mqtt_body_is_utf8(publish->payload)) {
        *ret_reason = MQTT_REASON_PAYLOAD_FORMAT;
        return MQTT_REFUSED;
    }
    if (streams_suspended(mqtt->context.routes, stream))
        return MQTT_SUSPENDED;
    if (body.length > mqtt->batch_capacity - batch->used) {
        thread->full = true;
        return MQTT_NO_ROOM;
    }
    if (body.length)
        memcpy(batch->payloads + batch->used, publish->payload.data, body.length);
    enum mqtt_stored stored = store_body(thread, stream, body);
    if (stored == MQTT_STORED) {
        batch->used += body.length;
        metric_add(mqtt->payload_bytes, body.length);
    }
    *ret_reason = MQTT_REASON_NOT_AUTHORIZED; /* there is no other reason to refuse a body here */
    return stored;
}
