/* ledger: what became of every position, so that at each stored cursor
 *     position = base + delivered + dead_lettered + not_for_outlet + damaged + held.
 *
 * Positions below the cursor are delivered unless an exception was noted for them; held is the outlet's own, and left alone.
 * Exceptions ahead of the cursor are kept as ranges, at most LEDGER_RANGES; a replay notes them again. Dead letters that are
 * durable are remembered over a replay, so that an outlet that starts over does not write them again. Room-internal, pure.
 * @thread the outlet's
 */
#ifndef PENSTOCK_OUTLET_LEDGER_H
#define PENSTOCK_OUTLET_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/journal.h"

#define LEDGER_RANGES 256

enum ledger_kind { LEDGER_DAMAGED, LEDGER_NOT_FOR_OUTLET, LEDGER_DEAD_LETTERED };

struct ledger_range {
    enum ledger_kind kind;
    uint64_t first, last;
};

struct ledger {
    struct journal_cursor cursor;
    struct ledger_range ranges[LEDGER_RANGES]; /* ahead of the cursor, ordered, disjoint */
    size_t count;
    struct ledger_range
        letters[LEDGER_RANGES]; /* ahead of the cursor, durable dead letters, ordered, disjoint */
    size_t letters_count;
};

void ledger_start(struct ledger *ledger, const struct journal_cursor *cursor);

/* Forgets what is ahead of the cursor: it is going to be read again. */
void ledger_rewind(struct ledger *ledger);

/* No further range fits: move the cursor first. */
bool ledger_is_full(const struct ledger *ledger);

/* Notes first..last, ahead of everything noted before. Not when full (assert). */
void ledger_except(struct ledger *ledger, enum ledger_kind kind, uint64_t first, uint64_t last);

/* The dead letters noted so far are durable. */
void ledger_letters_durable(struct ledger *ledger);

/* Whether the position ahead of the cursor is a durable dead letter already. */
bool ledger_has_letter(const struct ledger *ledger, uint64_t position);

/* Moves the cursor forward; true when it moved. Never backward (assert). */
bool ledger_move(struct ledger *ledger, uint64_t position);

#endif
