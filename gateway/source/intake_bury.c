/* intake_bury: what cannot be accepted, and whose sender gets no answer that could say so: a record for the dead letters, with the reason
 * and without key and labels, which may be what is wrong with it; see intake.h */
#include "source/intake_internal.h"

int intake_store(
    struct intake *intake, const struct once *once, struct handover *handover, struct error *error)
{
    const struct slice payload = intake->record.payload;
    const size_t offset = payload.length ? (size_t)(payload.data - handover->payloads) : 0;

    bytes_clear(&intake->head);
    if (record_encode_head(&intake->record, &intake->head, error))
        return -1; /* GCOVR_EXCL_LINE the buffer takes the largest head, so only malloc can fail */
    if (once)
        return handover_add_once(handover, once, bytes_slice(&intake->head), offset, payload.length, error);
    return handover_add(
        handover, JOURNAL_KIND_DATA, bytes_slice(&intake->head), offset, payload.length, error);
}

/* Cut between characters. */
static struct slice intake_bury_reason(const char *reason)
{
    size_t length = strnlen(reason, RECORD_REASON_MAX + 1);

    if (length > RECORD_REASON_MAX) {
        for (length = RECORD_REASON_MAX; length && ((unsigned char)reason[length] & 0xc0) == 0x80;)
            length--;
    }
    return (struct slice){reason, length};
}

int intake_bury(struct intake *intake, const struct stream *stream, struct slice payload,
    const struct intake_facts *facts, const char *reason, struct handover *handover, struct error *error)
{
    struct record *record = &intake->record;

    record->rendering = stream ? stream->rendering : RECORD_NO_RENDERING;
    record->flags = RECORD_UNDECODABLE;
    record->received = facts->received;
    record->event = 0;
    record->key = (struct slice){NULL, 0};
    record->labels_count = 0;
    record->origin = facts->bury ? facts->bury(facts->context, payload) : facts->origin;
    record->reason = intake_bury_reason(reason);
    record->payload = payload;
    return intake_store(intake, NULL, handover, error);
}
