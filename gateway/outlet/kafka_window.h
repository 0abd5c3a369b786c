/* kafka_window: the positions between an outlet's cursor and where it reads, and what is still out for each.
 *
 * A record goes to several topics; its bits say which of them are not done, and which of these are under way. The watermark
 * passes a position when none is left. Behind a rewind the same positions are taken again, and what was done stays done, so
 * that only what was never confirmed is sent once more; what was held is looked at anew, for its topic may be open by then. When what was
 * confirmed is taken back, too (a transaction that was aborted), only what became a dead letter stays done.
 * Room-internal, pure. @thread the outlet's
 */
#ifndef PENSTOCK_OUTLET_KAFKA_WINDOW_H
#define PENSTOCK_OUTLET_KAFKA_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "record/record.h"

#define WINDOW_POSITIONS (UINT64_C(1) << 17)

/* What became of a position; of several the last in this list counts. WINDOW_HELD: as long as a topic of it is held. */
enum window_outcome {
    WINDOW_DELIVERED,
    WINDOW_NOT_FOR_OUTLET,
    WINDOW_DAMAGED,
    WINDOW_DEAD_LETTERED,
    WINDOW_HELD,
    WINDOW_OUTCOMES,
};

struct window_slot {
    uint16_t pending; /* topics, by index, that are not done */
    uint16_t sent; /* of these, under way */
    uint16_t held; /* topics that it waits for behind a mark */
    uint16_t buried; /* topics for which it is a dead letter */
    uint8_t outcome;
};

_Static_assert(RECORD_TOPICS_MAX <= 16, "a bit per topic");

struct window {
    struct window_slot *slots; /* WINDOW_POSITIONS, by position */
    uint64_t done; /* the watermark: nothing up to it is out */
    uint64_t read; /* newest position taken */
    uint64_t known; /* newest position ever taken; its slots above `read` keep what was done, */
    uint64_t revoked; /* those up to this one only what was buried */
    uint64_t in_flight; /* messages under way */
};

int window_open(struct window *window, struct error *error);
void window_close(struct window *window);

/* Forgets everything: all up to position is done. */
void window_start(struct window *window, uint64_t position);

/* Everything behind the watermark is to be taken again; nothing is under way. */
void window_rewind(struct window *window);

/* The same, and nothing behind the watermark is delivered. */
void window_revoke(struct window *window);

/* How many positions may be taken. */
uint64_t window_room(const struct window *window);

/* Takes the next position (read + 1, assert), with one bit for each topic. Taken again, it keeps what was done, unless it is
 * damaged now: then nothing of it is out any more. */
void window_take(struct window *window, uint16_t topics, enum window_outcome outcome);

/* The topics of a taken position that have to be sent. */
uint16_t window_unsent(const struct window *window, uint64_t position);

void window_sent(struct window *window, uint64_t position, unsigned topic);

/* A report for what was sent. */
void window_reported(struct window *window, uint64_t position, unsigned topic, bool delivered);

/* This topic of the position is done without being delivered now. Not while it is under way (assert). */
void window_finish(struct window *window, uint64_t position, unsigned topic, enum window_outcome outcome);

/* The watermark passes it without this topic, which waits behind a mark. Not while it is under way (assert). */
void window_hold(struct window *window, uint64_t position, unsigned topic);

/* It waits behind no mark any more. */
void window_unhold(struct window *window, uint64_t position);

/* Moves the watermark as far as it goes and adds what became of the positions to counts. A copy of the window may be moved ahead: slots stay as they are. */
void window_advance(struct window *window, uint64_t counts[WINDOW_OUTCOMES]);

#endif
