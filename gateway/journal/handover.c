/* handover: what a source gives to the journal at once (journal.h). Its parts stand in one buffer, each as a struct
 * handover_part followed by the head's bytes, padded to the part's alignment. */
#include "journal/handover.h"

#include <assert.h>

#include "journal/frame.h"
#include "journal/once.h"
#include "record/record.h"

void handover_init(
    struct handover *handover, size_t parts_limit, handover_complete_fn *complete, void *context)
{
    *handover = (struct handover){.complete = complete, .context = context};
    bytes_init(&handover->parts, parts_limit);
}

void handover_clear(struct handover *handover)
{
    bytes_clear(&handover->parts);
    handover->payloads = NULL;
    handover->records = handover->size = handover->first = handover->last = 0;
    handover->once = handover->duplicates = handover->old = 0;
    handover->has_state = handover->has_letter = false;
    handover->arrival = NULL;
}

void handover_rewind(struct handover *handover, const struct handover_mark *mark)
{
    assert(mark->parts_length <= handover->parts.length);
    handover->parts.length = mark->parts_length;
    handover->records = mark->records;
    handover->once = mark->once;
    handover->size = mark->size;
    handover->has_state = mark->has_state;
    handover->has_letter = mark->has_letter;
}

void handover_free(struct handover *handover)
{
    bytes_free(&handover->parts);
}

static size_t part_size(const struct handover_part *part)
{
    const size_t align = _Alignof(struct handover_part);
    const size_t size = sizeof *part + part->head_length + (part->once ? sizeof(struct once) : 0);

    return (size + align - 1) / align * align;
}

static int part_add(struct handover *handover, const struct handover_part *part, struct slice head,
    const struct once *once, struct error *error)
{
    const size_t size = part_size(part);

    if (bytes_reserve(&handover->parts, size, error))
        return error_wrap(error, "record descriptions of one request");
    char *at = handover->parts.data + handover->parts.length;
    memcpy(at, part, sizeof *part);
    at += sizeof *part;
    if (head.length)
        memcpy(at, head.data, head.length);
    if (once)
        memcpy(at + head.length, once, sizeof *once);
    handover->parts.length += size;
    handover->size += frame_size((uint64_t)part->head_length + part->payload_length);
    return 0;
}

static int handover_put(struct handover *handover, enum journal_kind kind, const struct once *once,
    struct slice head, size_t payload_offset, size_t payload_length, struct error *error)
{
    assert(head.length + payload_length > 0);
    if (head.length > FRAME_BODY_MAX || payload_length > FRAME_BODY_MAX - head.length ||
        payload_offset > UINT32_MAX)
        return error_set(error, ERROR_REJECT, "record of %zu bytes: more than the journal can hold",
            head.length + payload_length);

    const struct handover_part part = {.head_length = (uint32_t)head.length,
        .payload_offset = (uint32_t)payload_offset,
        .payload_length = (uint32_t)payload_length,
        .kind = (uint16_t)kind,
        .once = once != NULL};
    return part_add(handover, &part, head, once, error);
}

int handover_add(struct handover *handover, enum journal_kind kind, struct slice head, size_t payload_offset,
    size_t payload_length, struct error *error)
{
    if (handover_put(handover, kind, NULL, head, payload_offset, payload_length, error))
        return -1;
    if (kind != JOURNAL_KIND_DATA) {
        handover->has_state = true;
        return 0;
    }
    handover->records++;
    handover->has_letter |= record_head_is_undecodable(head);
    return 0;
}

int handover_add_once(struct handover *handover, const struct once *once, struct slice head,
    size_t payload_offset, size_t payload_length, struct error *error)
{
    assert(!record_head_is_undecodable(head)); /* has_letter says that one was written */
    if (handover_put(handover, JOURNAL_KIND_DATA, once, head, payload_offset, payload_length, error))
        return -1;
    handover->size += once_size(handover->once + 1) - once_size(handover->once);
    handover->records++;
    handover->once++;
    return 0;
}

struct handover_part *handover_part_next(struct handover *handover, size_t *position)
{
    if (*position == handover->parts.length)
        return NULL;
    struct handover_part *part = (struct handover_part *)(void *)(handover->parts.data + *position);
    *position += part_size(part);
    return part;
}

static const struct handover_part *part_at(const struct handover *handover, size_t position)
{
    return (const struct handover_part *)(const void *)(handover->parts.data + position);
}

bool handover_head(
    const struct handover *handover, size_t *position, struct slice *ret_head, bool *ret_dropped)
{
    while (*position < handover->parts.length) {
        const struct handover_part *part = part_at(handover, *position);
        *position += part_size(part);
        if (part->kind != JOURNAL_KIND_DATA)
            continue;
        *ret_head = (struct slice){(const char *)(part + 1), part->head_length};
        *ret_dropped = part->dropped;
        return true;
    }
    return false;
}

/* To the next that is not dropped, or behind all. */
static void part_skip(const struct handover *handover, size_t *position)
{
    while (*position < handover->parts.length && part_at(handover, *position)->dropped)
        *position += part_size(part_at(handover, *position));
}

bool handover_next(const struct handover *handover, size_t *position, struct handover_piece *ret_piece)
{
    part_skip(handover, position);
    if (*position == handover->parts.length)
        return false;
    const struct handover_part *part = part_at(handover, *position);

    ret_piece->kind = part->kind;
    ret_piece->head = (struct slice){(const char *)(part + 1), part->head_length};
    ret_piece->payload = (struct slice){
        part->payload_length ? handover->payloads + part->payload_offset : NULL, part->payload_length};
    *position += part_size(part);
    part_skip(handover, position);
    ret_piece->last = *position == handover->parts.length;
    return true;
}
