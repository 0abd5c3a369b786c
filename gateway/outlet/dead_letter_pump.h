/* dead_letter_pump: the dead-letter outlet's role: what sources marked undecodable becomes letters, and what people gave back becomes
 * records again; without a thread.
 *
 * Reads in order; all but the undecodable records are for other outlets, and pass unread where the journal knows that there is
 * no undecodable one. The cursor moves once the letters are durable. When anything fails, what was read before it is settled; then
 * it waits (100 ms, doubling, at most 5 s) and goes on behind the cursor. Giving back is dead_letter_replay.h. Room-internal. @thread the outlet's
 */
#ifndef PENSTOCK_OUTLET_DEAD_LETTER_PUMP_H
#define PENSTOCK_OUTLET_DEAD_LETTER_PUMP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "dead_letter/dead_letter.h"
#include "journal/journal.h"
#include "record/record.h"
#include "route/route.h"

#define DEAD_LETTER_PUMP_NAME "dead-letters" /* of the cursor, too */
#define DEAD_LETTER_PUMP_SOURCE "source" /* the outlet that letters name which came undecodable */
#define DEAD_LETTER_PUMP_BATCH 16384 /* records per step */
#define DEAD_LETTER_PUMP_LETTERS 256 /* letters per step */

struct dead_letter_pump_options {
    const char *gateway_id;
    struct journal *journal;
    struct rendering_table *renderings;
    const struct routes *routes;
    struct dead_letters *dead_letters;
    const struct clock *clock;
};

struct dead_letter_pump;

/* Reads the stored cursor: once in the life of an open journal. */
int dead_letter_pump_open(
    struct dead_letter_pump **ret_pump, const struct dead_letter_pump_options *options, struct error *error);
void dead_letter_pump_close(struct dead_letter_pump **pump);

/* 1: there may be more; 0: nothing more to do until dead_letter_pump_wait() says; -1: failed, it backs off now. */
int dead_letter_pump_step(struct dead_letter_pump *pump, struct error *error);

/* Reads what is durable until the deadline (monotonic); gives up at the first failure. */
int dead_letter_pump_drain(struct dead_letter_pump *pump, int64_t deadline, struct error *error);

/* What to wait for: a record beyond *ret_after, or the moment *ret_until (monotonic). */
void dead_letter_pump_wait(const struct dead_letter_pump *pump, uint64_t *ret_after, int64_t *ret_until);

struct dead_letter_pump_status {
    struct journal_cursor cursor;
    uint64_t failures; /* in a row; 0: it works */
    int64_t lag_since; /* wall clock: when the oldest record not looked at was received, nearly; 0: none */
};

void dead_letter_pump_status(const struct dead_letter_pump *pump, struct dead_letter_pump_status *ret_status);

#endif
