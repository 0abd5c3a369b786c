/* handover: the inside of a hand-over, for the committer; its public face is in journal.h. */
#ifndef PENSTOCK_JOURNAL_HANDOVER_H
#define PENSTOCK_JOURNAL_HANDOVER_H

#include "journal/journal.h"

/* As it stands in handover->parts, the head's bytes behind it. */
struct handover_part {
    uint32_t head_length;
    uint32_t payload_offset;
    uint32_t payload_length;
    uint32_t kind;
};

struct handover_piece {
    uint16_t kind;
    bool last;
    struct slice head;
    struct slice payload;
};

/* Walks the parts: *position starts at 0; false behind the last. */
bool handover_next(const struct handover *handover, size_t *position, struct handover_piece *ret_piece);

#endif
