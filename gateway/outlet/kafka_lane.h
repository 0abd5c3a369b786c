/* kafka_lane: one way through the journal: a reader, the window of what is out, and the entry in hand.
 *
 * The outlet has two: the main lane, and one that drains what was held. Room-internal. @thread the outlet's
 */
#ifndef PENSTOCK_OUTLET_KAFKA_LANE_H
#define PENSTOCK_OUTLET_KAFKA_LANE_H

#include "journal/journal.h"
#include "outlet/kafka_window.h"

struct lane {
    struct journal *journal;
    struct journal_reader *reader; /* NULL: to be opened at the watermark */
    struct window window;
    bool in_hand;
    struct journal_entry entry;
    struct record record; /* decoded from it; large, so it stands here */
};

int lane_open(struct lane *lane, struct journal *journal, struct error *error);
void lane_close(struct lane *lane);

/* Everything up to position is done. */
void lane_start(struct lane *lane, uint64_t position);
/* Everything behind the watermark is read again. */
void lane_rewind(struct lane *lane);
void lane_revoke(struct lane *lane); /* and nothing of it counts as delivered */

/* 1: *ret_entry is the next record, or one that is not done with (its position is window.read then), or NULL: the next
 * position is damaged; 0: nothing is left up to `until`; -1: I/O. */
int lane_next(struct lane *lane, uint64_t until, const struct journal_entry **ret_entry, struct error *error);

/* The entry in hand needs no further look. */
void lane_pass(struct lane *lane);

#endif
