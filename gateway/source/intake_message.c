/* intake_message: what Kafka would refuse later is refused here; see intake_internal.h */
#include "source/intake_internal.h"

#define INTAKE_HEADER_OVERHEAD 32 /* of a message's header besides its name and value, at most */
#define INTAKE_ESCAPE_MAX 6 /* bytes that one byte of a payload can become in the envelope */

void intake_message_know(struct intake_stream *known, const struct stream *stream)
{
    known->topics_vary = false;
    for (size_t i = 0; i < stream->topics_count; i++)
        known->topics_vary |= stream->topic_templates[i] != NULL;
    known->around = strlen("penstock-id") + RECORD_ID_MAX + INTAKE_HEADER_OVERHEAD +
                    strlen("penstock-origin") + INTAKE_HEADER_OVERHEAD;
    if (stream->schema_pass)
        known->around += strlen("penstock-schema") + strlen("invalid") + INTAKE_HEADER_OVERHEAD;
    for (size_t i = 0; i < stream->headers_count; i++)
        known->around += strlen(stream->headers[i].name) + INTAKE_HEADER_OVERHEAD;
}

static int intake_message_topics(struct intake_run *run, uint64_t index, const struct record *record)
{
    const struct stream *stream = run->stream;
    struct bytes *topic = &run->intake->topic;
    struct error *error = &run->intake->scratch;

    for (size_t i = 0; i < stream->topics_count; i++) {
        if (!stream->topic_templates[i])
            continue;
        bytes_clear(topic);
        if (template_render_topic(stream->topic_templates[i], stream->name, record, topic, error))
            return intake_reject(run, index, INTAKE_TOPIC, "%s", error->text);
    }
    return 0;
}

/* Key and headers. */
static uint64_t intake_message_around(const struct intake_run *run, const struct record *record)
{
    const struct stream *stream = run->stream;
    uint64_t bytes = run->known->around + record->key.length + record->origin.length;

    for (size_t i = 0; i < stream->headers_count; i++)
        bytes += record->labels[stream->headers[i].label].length;
    return bytes;
}

/* The value's length, as a rule only guessed from above: escapes are counted when that could be too much, and when nobody
 * has looked yet whether the payload is UTF-8. */
static int intake_message_value(
    struct intake_run *run, const struct record *record, uint64_t room, uint64_t *ret_length)
{
    uint64_t length = record->payload.length;

    if (run->stream->value != RECORD_VALUE_ENVELOPE || record->flags & RECORD_ENVELOPED) {
        *ret_length = length;
        return 0;
    }
    *ret_length = INTAKE_ESCAPE_MAX * length + RECORD_ENVELOPE_OVERHEAD;
    if (!intake_is_opaque(run) && *ret_length <= room)
        return 0;
    if (record_envelope_length(record->payload, &length, &run->intake->scratch))
        return -1; /* the caller says it in fewer words */
    *ret_length = length + RECORD_ENVELOPE_OVERHEAD;
    return 0;
}

static int intake_message_size(struct intake_run *run, uint64_t index, const struct record *record)
{
    uint64_t limit = run->stream->max_message ? run->stream->max_message : UINT64_MAX;
    uint64_t around = intake_message_around(run, record);
    uint64_t length;

    if (intake_message_value(run, record, limit > around ? limit - around : 0, &length))
        return intake_reject(run, index, INTAKE_SYNTAX, "not UTF-8: cannot be put into an envelope");
    if (around + length > limit)
        return intake_reject(run, index, INTAKE_TOO_LARGE,
            "its message for Kafka would have %llu bytes: at most %llu are allowed (message.max.bytes)",
            (unsigned long long)(around + length), (unsigned long long)limit);
    return 0;
}

int intake_message_check(struct intake_run *run, uint64_t index, const struct record *record)
{
    if (run->known->topics_vary && intake_message_topics(run, index, record))
        return -1;
    if (run->stream->max_message || (run->stream->value == RECORD_VALUE_ENVELOPE && intake_is_opaque(run)))
        return intake_message_size(run, index, record);
    return 0;
}
