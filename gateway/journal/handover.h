/* handover: the inside of a hand-over, for the committer; its public face is in journal.h. */
#ifndef PENSTOCK_JOURNAL_HANDOVER_H
#define PENSTOCK_JOURNAL_HANDOVER_H

#include "journal/journal.h"

/* As it stands in handover->parts, the head's bytes behind it, and with `once` a struct once behind those. */
struct handover_part {
    uint32_t head_length;
    uint32_t payload_offset;
    uint32_t payload_length;
    uint16_t kind;
    bool once;
    bool dropped, noted; /* by once_decide() */
};

struct handover_piece {
    uint16_t kind;
    bool last;
    struct slice head;
    struct slice payload;
};

/* Walks the parts, but for those that are dropped: *position starts at 0; false behind the last. */
bool handover_next(const struct handover *handover, size_t *position, struct handover_piece *ret_piece);

/* All parts, as they stand there; NULL behind the last. */
struct handover_part *handover_part_next(struct handover *handover, size_t *position);
static inline char *handover_part_head(struct handover_part *part)
{
    return (char *)(part + 1);
}

#endif
