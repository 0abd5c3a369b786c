/* arrival: those who wait until outlets are done with their records; see journal.h.
 *
 * A list in the order of the records, changed by the committer (begins, ends) and by who waits (cancels). It holds as many as
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

void arrival_begin(struct journal *journal, struct handover *handover)
{
    struct journal_arrival *arrival = handover->arrival;

    arrival->first = handover->first;
    arrival->last = handover->last;
    arrival->waits = true;
    arrival->previous = journal->arrivals_last;
    if (arrival->previous)
        arrival->previous->next = arrival;
    else
        journal->arrivals = arrival;
    journal->arrivals_last = arrival;
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

/* The one that waits for this outlet to be done with this record; NULL: nobody does. @holds lock */
static struct journal_arrival *arrival_find(
    struct journal *journal, const struct cursor *cursor, uint64_t sequence)
{
    const size_t outlet = (size_t)(cursor - journal->cursors);

    for (struct journal_arrival *arrival = journal->arrivals; arrival && arrival->first <= sequence;
         arrival = arrival->next)
        if (sequence <= arrival->last)
            return arrival->outlets >> outlet & 1 ? arrival : NULL;
    return NULL;
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

void journal_tell_letter(struct journal *journal, const char *outlet, uint64_t sequence, const char *reason)
{
    lock_take(journal);
    const struct cursor *cursor = journal->arrivals ? cursor_find(journal, outlet) : NULL;
    struct journal_arrival *arrival = cursor ? arrival_find(journal, cursor, sequence) : NULL;
    if (arrival && !arrival_lists(arrival, cursor, sequence)) {
        if (arrival->letters < JOURNAL_ARRIVAL_LETTERS) {
            arrival->list[arrival->letters].sequence = sequence;
            arrival->list[arrival->letters].outlet = cursor->outlet;
            snprintf(arrival->list[arrival->letters].reason, JOURNAL_ARRIVAL_REASON, "%s", reason);
        }
        arrival->letters++;
    }
    lock_release(journal);
}

void journal_tell_missed(struct journal *journal, const char *outlet, uint64_t first, uint64_t last)
{
    lock_take(journal);
    const struct cursor *cursor = journal->arrivals ? cursor_find(journal, outlet) : NULL;
    for (struct journal_arrival *arrival = cursor ? journal->arrivals : NULL;
         arrival && arrival->first <= last; arrival = arrival->next)
        if (arrival->last >= first && (arrival->outlets >> (cursor - journal->cursors) & 1))
            arrival->missed++;
    lock_release(journal);
}
