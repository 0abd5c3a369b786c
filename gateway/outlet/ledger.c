/* ledger: see ledger.h */
#include "outlet/ledger.h"

#include <assert.h>
#include <string.h>

void ledger_start(struct ledger *ledger, const struct journal_cursor *cursor)
{
    ledger->cursor = *cursor;
    ledger->count = 0;
}

void ledger_rewind(struct ledger *ledger)
{
    ledger->count = 0;
}

bool ledger_is_full(const struct ledger *ledger)
{
    return ledger->count == LEDGER_RANGES;
}

void ledger_except(struct ledger *ledger, enum ledger_kind kind, uint64_t first, uint64_t last)
{
    struct ledger_range *newest = ledger->count ? &ledger->ranges[ledger->count - 1] : NULL;

    assert(!ledger_is_full(ledger) && first <= last);
    assert(first > (newest ? newest->last : ledger->cursor.position));
    if (newest && newest->kind == kind && newest->last + 1 == first)
        newest->last = last;
    else
        ledger->ranges[ledger->count++] = (struct ledger_range){kind, first, last};
}

bool ledger_move(struct ledger *ledger, uint64_t position)
{
    struct journal_cursor *cursor = &ledger->cursor;
    uint64_t excepted = 0;
    size_t passed = 0;

    assert(position >= cursor->position);
    if (position == cursor->position)
        return false;
    while (passed < ledger->count && ledger->ranges[passed].first <= position) {
        struct ledger_range *range = &ledger->ranges[passed];
        uint64_t until = range->last < position ? range->last : position;
        uint64_t records = until - range->first + 1;

        *(range->kind == LEDGER_DAMAGED ? &cursor->damaged : &cursor->not_for_outlet) += records;
        excepted += records;
        range->first = until + 1;
        if (range->first <= range->last)
            break;
        passed++;
    }
    ledger->count -= passed;
    memmove(ledger->ranges, ledger->ranges + passed, ledger->count * sizeof *ledger->ranges);
    cursor->delivered += position - cursor->position - excepted;
    cursor->position = position;
    return true;
}
