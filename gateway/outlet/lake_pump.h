/* lake_pump: the lake outlet's role: from the journal into lake files, without a thread.
 *
 * Reads in order, appends to the lake, moves the cursor to just below the oldest row that is not published. When anything fails
 * it closes the lake, waits (100 ms, doubling, at most 5 s), opens it again and reads again from the cursor; rows up to
 * the highest position ever read may already be in published files then, and the lake looks. A record that can never be
 * stored becomes a dead letter, durable before the cursor passes it; it stops nothing. What the journal lost, and bodies that
 * are no record, are counted as damaged. Room-internal. @thread the outlet's
 */
#ifndef PENSTOCK_OUTLET_LAKE_PUMP_H
#define PENSTOCK_OUTLET_LAKE_PUMP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "dead_letter/dead_letter.h"
#include "journal/journal.h"
#include "lake/lake.h"
#include "record/record.h"

#define LAKE_PUMP_NAME "lake" /* of the cursor, too */
#define LAKE_PUMP_BATCH 1024 /* records per step */

struct lake_pump_options {
    struct journal *journal;
    struct rendering_table *renderings;
    struct dead_letters *dead_letters;
    const struct clock *clock;
    struct lake_options lake; /* strings outlive the pump */
};

struct lake_pump;

/* Reads the stored cursor: once in the life of an open journal, for what is stored may lag behind what was moved, and the
 * journal frees up to the latter. */
int lake_pump_open(struct lake_pump **ret_pump, const struct lake_pump_options *options, struct error *error);
/* What is open is dropped, not published. */
void lake_pump_close(struct lake_pump **pump);

/* 1: there may be more; 0: nothing more to do until lake_pump_wait() says; -1: failed, it backs off now. */
int lake_pump_step(struct lake_pump *pump, struct error *error);

/* Reads what is durable and publishes everything, until the deadline (monotonic); gives up at the first failure. */
int lake_pump_drain(struct lake_pump *pump, int64_t deadline, struct error *error);

/* What to wait for: a record beyond *ret_after, or the moment *ret_until (monotonic). */
void lake_pump_wait(const struct lake_pump *pump, uint64_t *ret_after, int64_t *ret_until);

struct lake_pump_status {
    struct journal_cursor cursor;
    uint64_t files; /* published by this pump */
    uint64_t open_files;
    uint64_t failures; /* in a row; 0: it works */
    int64_t lag_since; /* wall clock: when the oldest record not delivered was received, nearly; 0: none */
};

void lake_pump_status(const struct lake_pump *pump, struct lake_pump_status *ret_status);

#endif
