/* handover: what a source gives to the journal at once (journal.h). Its parts stand in one buffer, each as a struct
 * handover_part followed by the head's bytes, padded to the part's alignment. */
#include "journal/handover.h"

#include <assert.h>

#include "journal/frame.h"
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
    handover->has_state = handover->has_letter = false;
    handover->arrival = NULL;
}

void handover_rewind(struct handover *handover, const struct handover_mark *mark)
{
    assert(mark->parts_length <= handover->parts.length);
    handover->parts.length = mark->parts_length;
    handover->records = mark->records;
    handover->size = mark->size;
    handover->has_state = mark->has_state;
    handover->has_letter = mark->has_letter;
}

void handover_free(struct handover *handover)
{
    bytes_free(&handover->parts);
}

static size_t part_size(size_t head_length)
{
    size_t align = _Alignof(struct handover_part);

    return (sizeof(struct handover_part) + head_length + align - 1) / align * align;
}

int handover_add(struct handover *handover, enum journal_kind kind, struct slice head, size_t payload_offset,
    size_t payload_length, struct error *error)
{
    assert(head.length + payload_length > 0);
    if (head.length > FRAME_BODY_MAX || payload_length > FRAME_BODY_MAX - head.length ||
        payload_offset > UINT32_MAX)
        return error_set(error, ERROR_REJECT, "record of %zu bytes: more than the journal can hold",
            head.length + payload_length);

    size_t size = part_size(head.length);
    if (bytes_reserve(&handover->parts, size, error))
        return error_wrap(error, "record descriptions of one request");
    char *at = handover->parts.data + handover->parts.length;
    struct handover_part *part = (struct handover_part *)(void *)at;
    *part = (struct handover_part){
        (uint32_t)head.length, (uint32_t)payload_offset, (uint32_t)payload_length, (uint32_t)kind};
    if (head.length)
        memcpy(at + sizeof *part, head.data, head.length);
    handover->parts.length += size;
    handover->size += frame_size(head.length + payload_length);
    if (kind != JOURNAL_KIND_DATA) {
        handover->has_state = true;
        return 0;
    }
    handover->records++;
    handover->has_letter |= record_head_is_undecodable(head);
    return 0;
}

bool handover_next(const struct handover *handover, size_t *position, struct handover_piece *ret_piece)
{
    if (*position == handover->parts.length)
        return false;
    const char *at = handover->parts.data + *position;
    const struct handover_part *part = (const struct handover_part *)(const void *)at;

    ret_piece->kind = (uint16_t)part->kind;
    ret_piece->head = (struct slice){at + sizeof *part, part->head_length};
    ret_piece->payload = (struct slice){
        part->payload_length ? handover->payloads + part->payload_offset : NULL, part->payload_length};
    *position += part_size(part->head_length);
    ret_piece->last = *position == handover->parts.length;
    return true;
}
