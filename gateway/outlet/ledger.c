/* ledger: see ledger.h */
#include "outlet/ledger.h"

#include <assert.h>
#include <string.h>

void ledger_start(struct ledger *ledger, const struct journal_cursor *cursor)
{
    ledger->cursor = *cursor;
    ledger->count = 0;
    ledger->letters_count = 0;
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

void ledger_letters_durable(struct ledger *ledger)
{
    for (size_t i = 0; i < ledger->count; i++) {
        const struct ledger_range *range = &ledger->ranges[i];
        struct ledger_range *newest =
            ledger->letters_count ? &ledger->letters[ledger->letters_count - 1] : NULL;
        if (range->kind != LEDGER_DEAD_LETTERED || (newest && range->last <= newest->last))
            continue;
        if (newest && range->first <= newest->last + 1)
            newest->last = range->last;
        else if (ledger->letters_count < LEDGER_RANGES) /* what is not remembered is written twice at worst */
            ledger->letters[ledger->letters_count++] = *range;
    }
}

bool ledger_has_letter(const struct ledger *ledger, uint64_t position)
{
    for (size_t i = 0; i < ledger->letters_count; i++) {
        if (position >= ledger->letters[i].first && position <= ledger->letters[i].last)
            return true;
    }
    return false;
}

static void ledger_forget_letters(struct ledger *ledger, uint64_t position)
{
    size_t passed = 0;

    while (passed < ledger->letters_count && ledger->letters[passed].last <= position)
        passed++;
    ledger->letters_count -= passed;
    memmove(ledger->letters, ledger->letters + passed, ledger->letters_count * sizeof *ledger->letters);
}

static uint64_t *ledger_total(struct journal_cursor *cursor, enum ledger_kind kind)
{
    return kind == LEDGER_DAMAGED          ? &cursor->damaged
           : kind == LEDGER_NOT_FOR_OUTLET ? &cursor->not_for_outlet
                                           : &cursor->dead_lettered;
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

        *ledger_total(cursor, range->kind) += records;
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
    ledger_forget_letters(ledger, position);
    return true;
}
