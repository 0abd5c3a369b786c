/* once: see once.h */
#include "journal/once.h"

#include <assert.h>

#include "base/little.h"
#include "journal/handover.h"
#include "journal/internal.h"

#define ONCE_NOTE (ONCE_TAG + 8)
#define ONCE_NOTES_MAX 512 /* in one frame */

const struct state_kind *once_kind(const struct state_kind *kinds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (kinds[i].once)
            return &kinds[i];
    return NULL;
}

uint64_t once_size(uint64_t records)
{
    const uint64_t rest = records % ONCE_NOTES_MAX;

    return records / ONCE_NOTES_MAX * frame_size(ONCE_HEAD + ONCE_NOTES_MAX * ONCE_NOTE) +
           (rest ? frame_size(ONCE_HEAD + rest * ONCE_NOTE) : 0);
}

static struct once once_of(struct handover_part *part)
{
    struct once once;

    memcpy(&once, handover_part_head(part) + part->head_length, sizeof once);
    return once;
}

/* What the state of the hand-over says about its records. */
static void once_amend(const struct journal *journal, struct handover *handover)
{
    const struct once_counts counts = {handover->records, handover->duplicates, handover->old};
    struct handover_part *part;
    size_t position = 0;

    while ((part = handover_part_next(handover, &position))) {
        for (size_t i = 0; i < journal->options.kinds_count; i++) {
            const struct state_kind *kind = &journal->options.kinds[i];
            if (kind->kind == part->kind && kind->amend)
                kind->amend(handover_part_head(part), part->head_length, &counts);
        }
    }
}

uint64_t once_decide(struct journal *journal, struct handover *handover)
{
    const struct state_kind *kind = journal->once;
    struct handover_part *part;
    uint64_t notes = 0;
    size_t position = 0;

    assert(kind);
    handover->records += handover->duplicates + handover->old; /* of an earlier try */
    handover->duplicates = handover->old = 0;
    while ((part = handover_part_next(handover, &position))) {
        if (!part->once)
            continue;
        const struct once once = once_of(part);
        const enum once_verdict verdict = kind->once->admit(kind->state, &once);
        part->dropped = verdict == ONCE_DUPLICATE || verdict == ONCE_OLD;
        part->noted = verdict == ONCE_NEW;
        notes += part->noted;
        handover->duplicates += verdict == ONCE_DUPLICATE;
        handover->old += verdict == ONCE_OLD;
    }
    handover->records -= handover->duplicates + handover->old;
    if (handover->has_state)
        once_amend(journal, handover);
    return notes;
}

int once_write(struct journal *journal, struct handover *handover, uint64_t notes)
{
    const struct state_kind *kind = journal->once;
    char body[ONCE_HEAD + ONCE_NOTES_MAX * ONCE_NOTE];
    size_t length = ONCE_HEAD, position = 0;
    struct handover_part *part;

    memcpy(body, kind->once->head, ONCE_HEAD);
    while (notes && (part = handover_part_next(handover, &position))) {
        if (!part->noted)
            continue;
        const struct once once = once_of(part);
        memcpy(body + length, once.tag, ONCE_TAG);
        put_u64(body + length + ONCE_TAG, once.sequence);
        length += ONCE_NOTE;
        if (--notes && length < sizeof body)
            continue;
        const struct frame frame = {(uint32_t)length, kind->kind, notes ? 0 : FRAME_END, journal->sequence};
        if (writer_frame(&journal->writer, &frame, (struct slice){body, length}, (struct slice){NULL, 0}))
            return -1;
        length = ONCE_HEAD;
    }
    return 0;
}

void once_settle(struct journal *journal, bool durable)
{
    const struct state_kind *kind = journal->once;

    if (kind)
        kind->once->settle(kind->state, durable);
}
