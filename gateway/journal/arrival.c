/* arrival: those who wait until outlets are done with their records; see journal.h.
 *
 * A list in the order of the records (those of two are the same, or have none in common), changed by the committer (begins, ends) and by who waits (begins, cancels). It holds as many as
 * sources let wait, and is looked through when a cursor was stored, and when an outlet has given up or put aside a record.
 */
#include "journal/internal.h"

#include <stdio.h>

unsigned journal_outlet_bit(const struct journal *journal, const char *outlet)
{
    for (size_t i = 0; i < journal->cursors_count; i++)
        if (strcmp(journal->cursors[i].outlet, outlet) == 0)
            return 1U << i;
    return 0;
}

/* @holds lock */
static void arrival_unlink(struct journal *journal, struct journal_arrival *arrival)
{
    if (arrival->previous)
        arrival->previous->next = arrival->next;
    else
        journal->arrivals = arrival->next;
    if (arrival->next)
        arrival->next->previous = arrival->previous;
    else
        journal->arrivals_last = arrival->previous;
    arrival->next = arrival->previous = NULL;
    arrival->waits = false;
}

/* In its place, which is the last one for new records. @holds lock */
static void arrival_link(struct journal *journal, struct journal_arrival *arrival)
{
    struct journal_arrival *before = journal->arrivals_last;

    while (before && before->last > arrival->last)
        before = before->previous;
    arrival->waits = true;
    arrival->previous = before;
    arrival->next = before ? before->next : journal->arrivals;
    *(arrival->next ? &arrival->next->previous : &journal->arrivals_last) = arrival;
    *(before ? &before->next : &journal->arrivals) = arrival;
}

bool arrival_begin(struct journal *journal, struct handover *handover)
{
    handover->arrival->first = handover->first;
    handover->arrival->last = handover->last;
    arrival_link(journal, handover->arrival);
    return handover->records == 0;
}

static bool arrival_is_passed(const struct journal *journal, const struct journal_arrival *arrival)
{
    for (size_t i = 0; i < journal->cursors_count; i++)
        if ((arrival->outlets >> i & 1) && journal->cursors[i].stored.position < arrival->last)
            return false;
    return true;
}

struct journal_arrival *arrival_take_passed(struct journal *journal)
{
    struct journal_arrival *passed = NULL, **end = &passed;
    uint64_t newest = 0; /* behind it no outlet is done with anything */

    for (size_t i = 0; i < journal->cursors_count; i++)
        if (journal->cursors[i].stored.position > newest)
            newest = journal->cursors[i].stored.position;
    for (struct journal_arrival *arrival = journal->arrivals, *next; arrival && arrival->last <= newest;
         arrival = next) {
        next = arrival->next;
        if (!arrival_is_passed(journal, arrival))
            continue;
        arrival_unlink(journal, arrival);
        arrival->passed = true;
        *end = arrival;
        end = &arrival->next;
    }
    return passed;
}

void arrival_call(struct journal_arrival *list)
{
    while (list) {
        struct journal_arrival *next = list->next;
        list->arrived(list);
        list = next;
    }
}

void arrival_end(struct journal *journal)
{
    while (journal->arrivals) {
        struct journal_arrival *arrival = journal->arrivals;
        arrival_unlink(journal, arrival);
        arrival->arrived(arrival);
    }
}

bool journal_arrival_cancel(struct journal *journal, struct journal_arrival *arrival)
{
    lock_take(journal);
    const bool waits = arrival->waits;
    if (waits)
        arrival_unlink(journal, arrival);
    lock_release(journal);
    return waits;
}

bool journal_arrival_begin(struct journal *journal, struct journal_arrival *arrival)
{
    lock_take(journal);
    const bool waits = !arrival_is_passed(journal, arrival);
    if (waits)
        arrival_link(journal, arrival);
    lock_release(journal);
    return waits;
}

/* @holds lock */
static uint64_t arrival_missed(const struct journal *journal, unsigned outlets)
{
    uint64_t missed = 0;

    for (size_t i = 0; i < journal->cursors_count; i++) {
        const struct journal_cursor *stored = &journal->cursors[i].stored;
        missed += outlets >> i & 1 ? stored->dead_lettered + stored->damaged : 0;
    }
    return missed;
}

uint64_t journal_missed(struct journal *journal, unsigned outlets)
{
    lock_take(journal);
    const uint64_t missed = arrival_missed(journal, outlets);
    lock_release(journal);
    return missed;
}

bool journal_delivered(
    struct journal *journal, unsigned outlets, uint64_t first, uint64_t last, uint64_t missed)
{
    lock_take(journal);
    bool delivered = arrival_missed(journal, outlets) == missed;
    for (size_t i = 0; i < journal->cursors_count; i++) {
        const struct journal_cursor *stored = &journal->cursors[i].stored;
        if (outlets >> i & 1)
            delivered &= stored->base < first && stored->position >= last && stored->held == 0;
    }
    lock_release(journal);
    return delivered;
}

/* A record that is read again is given up again. */
static bool arrival_lists(
    const struct journal_arrival *arrival, const struct cursor *cursor, uint64_t sequence)
{
    for (size_t i = 0; i < arrival->letters && i < JOURNAL_ARRIVAL_LETTERS; i++)
        if (arrival->list[i].sequence == sequence && arrival->list[i].outlet == cursor->outlet)
            return true;
    return false;
}

static void arrival_list(
    struct journal_arrival *arrival, const struct cursor *cursor, uint64_t sequence, const char *reason)
{
    if (arrival_lists(arrival, cursor, sequence))
        return;
    if (arrival->letters < JOURNAL_ARRIVAL_LETTERS) {
        arrival->list[arrival->letters].sequence = sequence;
        arrival->list[arrival->letters].outlet = cursor->outlet;
        snprintf(arrival->list[arrival->letters].reason, JOURNAL_ARRIVAL_REASON, "%s", reason);
    }
    arrival->letters++;
}

/* Those whose first record is not behind this one, and among them those that have none: first = last + 1. */
static bool arrival_may_have(const struct journal_arrival *arrival, uint64_t sequence)
{
    return arrival && (arrival->first <= sequence || arrival->first > arrival->last);
}

void journal_tell_letter(struct journal *journal, const char *outlet, uint64_t sequence, const char *reason)
{
    lock_take(journal);
    const struct cursor *cursor = journal->arrivals ? cursor_find(journal, outlet) : NULL;
    for (struct journal_arrival *arrival = cursor ? journal->arrivals : NULL;
         arrival_may_have(arrival, sequence); arrival = arrival->next)
        if (sequence >= arrival->first && sequence <= arrival->last &&
            (arrival->outlets >> (cursor - journal->cursors) & 1))
            arrival_list(arrival, cursor, sequence, reason);
    lock_release(journal);
}

void journal_tell_missed(struct journal *journal, const char *outlet, uint64_t first, uint64_t last)
{
    lock_take(journal);
    const struct cursor *cursor = journal->arrivals ? cursor_find(journal, outlet) : NULL;
    for (struct journal_arrival *arrival = cursor ? journal->arrivals : NULL; arrival_may_have(arrival, last);
         arrival = arrival->next)
        if (arrival->last >= arrival->first && arrival->last >= first &&
            (arrival->outlets >> (cursor - journal->cursors) & 1))
            arrival->missed++;
    lock_release(journal);
}
