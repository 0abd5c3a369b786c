/* ledger: what became of every position */
#include <criterion/criterion.h>

#include "outlet/ledger.h"

static struct ledger ledger;

static void start(uint64_t position)
{
    const struct journal_cursor cursor = {.position = position, .base = position};

    ledger_start(&ledger, &cursor);
}

static void assert_cursor(uint64_t delivered, uint64_t damaged, uint64_t not_for_outlet)
{
    const struct journal_cursor *cursor = &ledger.cursor;

    cr_assert_eq(cursor->delivered, delivered);
    cr_assert_eq(cursor->damaged, damaged);
    cr_assert_eq(cursor->not_for_outlet, not_for_outlet);
    cr_assert_eq(cursor->position,
        cursor->base + delivered + cursor->dead_lettered + damaged + not_for_outlet + cursor->held);
}

Test(ledger, counts_what_the_cursor_passes)
{
    start(100);
    cr_assert_not(ledger_move(&ledger, 100));
    cr_assert(ledger_move(&ledger, 110));
    assert_cursor(10, 0, 0);
    ledger_except(&ledger, LEDGER_DAMAGED, 112, 114);
    ledger_except(&ledger, LEDGER_NOT_FOR_OUTLET, 115, 115);
    ledger_except(&ledger, LEDGER_DAMAGED, 120, 120);
    cr_assert(ledger_move(&ledger, 111));
    assert_cursor(11, 0, 0);
    cr_assert(ledger_move(&ledger, 119));
    assert_cursor(15, 3, 1);
    cr_assert(ledger_move(&ledger, 121));
    assert_cursor(16, 4, 1);
    cr_assert_eq(ledger.count, 0);
}

Test(ledger, a_range_may_be_passed_in_parts)
{
    start(0);
    ledger_except(&ledger, LEDGER_DAMAGED, 1, 10);
    for (uint64_t position = 1; position <= 12; position++) {
        cr_assert(ledger_move(&ledger, position));
        assert_cursor(position > 10 ? position - 10 : 0, position > 10 ? 10 : position, 0);
    }
}

Test(ledger, neighbours_of_a_kind_are_one_range)
{
    start(0);
    for (uint64_t position = 1; position <= 10 * LEDGER_RANGES; position++)
        ledger_except(&ledger, LEDGER_DAMAGED, position, position);
    cr_assert_eq(ledger.count, 1);
    ledger_except(&ledger, LEDGER_NOT_FOR_OUTLET, 10 * LEDGER_RANGES + 1, 10 * LEDGER_RANGES + 1);
    cr_assert_eq(ledger.count, 2);
}

Test(ledger, is_bounded)
{
    start(0);
    for (uint64_t i = 0; i < LEDGER_RANGES; i++) {
        cr_assert_not(ledger_is_full(&ledger));
        ledger_except(&ledger, LEDGER_DAMAGED, 2 * i + 1, 2 * i + 1);
    }
    cr_assert(ledger_is_full(&ledger));
    cr_assert(ledger_move(&ledger, 4));
    assert_cursor(2, 2, 0);
    cr_assert_not(ledger_is_full(&ledger));
}

Test(ledger, a_replay_counts_nothing_twice)
{
    start(0);
    ledger_except(&ledger, LEDGER_DAMAGED, 5, 6);
    cr_assert(ledger_move(&ledger, 3));
    ledger_rewind(&ledger);
    ledger_except(&ledger, LEDGER_DAMAGED, 5, 6);
    cr_assert(ledger_move(&ledger, 10));
    assert_cursor(8, 2, 0);
}

/* ---- dead letters ------------------------------------------------------------------------------------------ */

Test(ledger, counts_dead_letters)
{
    start(0);
    ledger_except(&ledger, LEDGER_DEAD_LETTERED, 2, 3);
    ledger_except(&ledger, LEDGER_NOT_FOR_OUTLET, 4, 4);
    ledger_except(&ledger, LEDGER_DEAD_LETTERED, 5, 5);
    cr_assert(ledger_move(&ledger, 2));
    cr_assert_eq(ledger.cursor.dead_lettered, 1);
    assert_cursor(1, 0, 0);
    cr_assert(ledger_move(&ledger, 6));
    cr_assert_eq(ledger.cursor.dead_lettered, 3);
    assert_cursor(2, 0, 1);
}

Test(ledger, remembers_durable_letters_over_a_replay)
{
    start(0);
    ledger_except(&ledger, LEDGER_DEAD_LETTERED, 5, 6);
    ledger_except(&ledger, LEDGER_NOT_FOR_OUTLET, 7, 7);
    cr_assert_not(ledger_has_letter(&ledger, 5), "not durable yet");
    ledger_letters_durable(&ledger);
    ledger_except(&ledger, LEDGER_DEAD_LETTERED, 8, 8);
    ledger_rewind(&ledger);
    for (uint64_t position = 4; position <= 9; position++)
        cr_assert_eq(
            ledger_has_letter(&ledger, position), position == 5 || position == 6, "%d", (int)position);
    /* A replay that does not come as far forgets nothing; one that comes further adds. */
    ledger_except(&ledger, LEDGER_DEAD_LETTERED, 5, 5);
    ledger_letters_durable(&ledger);
    ledger_rewind(&ledger);
    cr_assert(ledger_has_letter(&ledger, 6));
    ledger_except(&ledger, LEDGER_DEAD_LETTERED, 5, 8);
    ledger_letters_durable(&ledger);
    ledger_letters_durable(&ledger);
    for (uint64_t position = 5; position <= 8; position++)
        cr_assert(ledger_has_letter(&ledger, position));
    cr_assert_eq(ledger.letters_count, 1);
    cr_assert(ledger_move(&ledger, 7));
    cr_assert(ledger_has_letter(&ledger, 8));
    cr_assert(ledger_move(&ledger, 8));
    cr_assert_eq(ledger.letters_count, 0, "what the cursor has passed is not read again");
    cr_assert_eq(ledger.cursor.dead_lettered, 4);
}

Test(ledger, remembers_a_bounded_number_of_letters)
{
    start(0);
    for (uint64_t round = 0; round < 3; round++) {
        for (uint64_t i = 0; i < LEDGER_RANGES; i++)
            ledger_except(&ledger, LEDGER_DEAD_LETTERED, 1000 * round + 2 * i + 1, 1000 * round + 2 * i + 1);
        ledger_letters_durable(&ledger);
        ledger_rewind(&ledger);
    }
    cr_assert_eq(ledger.letters_count, LEDGER_RANGES);
    cr_assert(ledger_has_letter(&ledger, 1));
    cr_assert_not(ledger_has_letter(&ledger, 1001));
}

Test(ledger, leaves_held_alone)
{
    const struct journal_cursor cursor = {.position = 10, .base = 4, .held = 6};

    ledger_start(&ledger, &cursor);
    cr_assert(ledger_move(&ledger, 12));
    cr_assert_eq(ledger.cursor.held, 6);
    assert_cursor(2, 0, 0);
}
