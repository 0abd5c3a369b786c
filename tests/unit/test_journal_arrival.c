/* journal: who waits for outlets is told when all of them are done, and what they gave up or put aside */
#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

#include "journal_harness.h"

#define WAITS 3
#define RECORDS 4 /* of each hand-over */

struct wait {
    struct handover handover;
    struct journal_arrival arrival;
    atomic_bool complete, arrived;
};

static struct fixture fx;
static struct wait waits[WAITS];
static unsigned one, two;

static void completed(struct handover *handover, enum handover_result result)
{
    struct wait *wait = handover->context;

    cr_assert_eq(result, HANDOVER_DURABLE);
    cr_assert(!atomic_load(&wait->arrived));
    atomic_store(&wait->complete, true);
}

static void arrived(struct journal_arrival *arrival)
{
    struct wait *wait = arrival->context;

    cr_assert(atomic_load(&wait->complete));
    cr_assert(!atomic_exchange(&wait->arrived, true), "it is called once");
}

static void await(atomic_bool *what)
{
    for (int i = 0; i < 10000 && !atomic_load(what); i++)
        usleep(1000);
    cr_assert(atomic_load(what));
}

static void hand_over(struct wait *wait, unsigned outlets)
{
    handover_init(&wait->handover, SEGMENT, completed, wait);
    wait->arrival = (struct journal_arrival){.arrived = arrived, .context = wait, .outlets = outlets};
    for (int i = 0; i < RECORDS; i++)
        cr_assert_eq(
            handover_add(&wait->handover, JOURNAL_KIND_DATA, slice_of("12345678"), 0, 0, &fx.error), 0);
    wait->handover.arrival = &wait->arrival;
    cr_assert_eq(journal_hand_over(fx.journal, &wait->handover, &fx.error), 0, "%s", fx.error.text);
    await(&wait->complete);
}

static void start(void)
{
    static const char *const outlets[] = {"one", "two"};

    fixture_start(&fx);
    fx.options.outlets = outlets;
    fx.options.outlets_count = 2;
    fixture_reopen(&fx);
    one = journal_outlet_bit(fx.journal, "one");
    two = journal_outlet_bit(fx.journal, "two");
    cr_assert(one && two && one != two);
    cr_assert_eq(journal_outlet_bit(fx.journal, "three"), 0);
}

static void end(void)
{
    for (int i = 0; i < WAITS; i++)
        handover_free(&waits[i].handover);
    fixture_end(&fx);
}

TestSuite(arrival, .init = start, .fini = end, .timeout = 120);

Test(arrival, when_the_last_outlet_has_passed_the_last_record)
{
    hand_over(&waits[0], one | two);
    hand_over(&waits[1], two);
    cr_assert_eq(waits[1].arrival.first, RECORDS + 1);
    cr_assert_eq(waits[1].arrival.last, 2 * RECORDS);
    fixture_move(&fx, 2 * RECORDS); /* outlet one */
    cr_assert(!waits[0].arrived && !waits[1].arrived);
    fixture_mark(&fx, "two", RECORDS, 0, NULL, 0);
    await(&waits[0].arrived);
    cr_assert(waits[0].arrival.passed && !waits[1].arrived);
    fixture_mark(&fx, "two", 2 * RECORDS - 1, 0, NULL, 0);
    cr_assert(!waits[1].arrived);
    fixture_mark(&fx, "two", 2 * RECORDS, 0, NULL, 0);
    await(&waits[1].arrived);
    cr_assert(waits[1].arrival.passed && waits[1].arrival.letters == 0 && waits[1].arrival.missed == 0);
}

Test(arrival, what_outlets_give_up_and_put_aside)
{
    hand_over(&waits[0], one);
    hand_over(&waits[1], one | two);
    journal_tell_letter(fx.journal, "one", RECORDS + 2, "too large");
    journal_tell_letter(fx.journal, "one", RECORDS + 2, "too large"); /* it was read again */
    journal_tell_letter(fx.journal, "two", RECORDS + 2, "no path");
    journal_tell_letter(fx.journal, "two", 1, "it is not asked for by the first");
    journal_tell_letter(fx.journal, "one", 2 * RECORDS + 1, "nobody's");
    journal_tell_letter(fx.journal, "three", 1, "no outlet");
    journal_tell_missed(fx.journal, "one", 2 * RECORDS, 2 * RECORDS + 1);
    journal_tell_missed(fx.journal, "two", 3, 4);
    journal_tell_missed(fx.journal, "three", 1, 100);
    cr_assert_eq(waits[0].arrival.letters + waits[0].arrival.missed, 0);
    cr_assert_eq(waits[1].arrival.letters, 2);
    cr_assert_eq(waits[1].arrival.missed, 1);
    cr_assert_eq(waits[1].arrival.list[0].sequence, RECORDS + 2);
    cr_assert_str_eq(waits[1].arrival.list[0].outlet, "one");
    cr_assert_str_eq(waits[1].arrival.list[0].reason, "too large");
    cr_assert_str_eq(waits[1].arrival.list[1].outlet, "two");
    for (uint64_t i = 0; i < 2 * (uint64_t)RECORDS; i++) /* more than are named */
        journal_tell_letter(fx.journal, i % 2 ? "one" : "two", RECORDS + 1 + i / 2, "more");
    cr_assert_eq(waits[1].arrival.letters, 2 * RECORDS);
}

Test(arrival, who_waits_no_longer)
{
    for (int i = 0; i < WAITS; i++)
        hand_over(&waits[i], one);
    cr_assert(journal_arrival_cancel(fx.journal, &waits[1].arrival), "out of the middle");
    cr_assert(journal_arrival_cancel(fx.journal, &waits[2].arrival), "the last");
    cr_assert(!journal_arrival_cancel(fx.journal, &waits[2].arrival));
    fixture_move(&fx, WAITS * RECORDS);
    await(&waits[0].arrived);
    cr_assert(!journal_arrival_cancel(fx.journal, &waits[0].arrival), "it was told");
    cr_assert(!waits[1].arrived && !waits[2].arrived);
}

Test(arrival, the_end_of_the_journal_tells_the_rest)
{
    for (int i = 0; i < WAITS; i++)
        hand_over(&waits[i], one);
    fixture_close(&fx);
    for (int i = 0; i < WAITS; i++)
        cr_assert(waits[i].arrived && !waits[i].arrival.passed);
}

Test(arrival, a_segment_that_is_given_up_changes_nothing)
{
    hand_over(&waits[0], one);
    disk_arm(&fx.disk, 1U << DISK_SYNC, 1, false, EIO);
    hand_over(&waits[1], one);
    fixture_move(&fx, 2 * RECORDS);
    await(&waits[0].arrived);
    await(&waits[1].arrived);
    cr_assert(waits[1].arrival.passed);
}

/* ---- of records that are durable already ---- */

static bool begin(struct wait *wait, unsigned outlets, uint64_t first, uint64_t last)
{
    wait->arrival = (struct journal_arrival){
        .arrived = arrived, .context = wait, .outlets = outlets, .first = first, .last = last};
    atomic_store(&wait->complete, true);
    return journal_arrival_begin(fx.journal, &wait->arrival);
}

Test(arrival, of_what_was_handed_over_before)
{
    hand_over(&waits[0], one);
    hand_over(&waits[1], one);
    cr_assert(begin(&waits[2], one, 1, RECORDS), "it comes before the last one, behind the first");
    journal_tell_letter(fx.journal, "one", RECORDS, "both are told");
    journal_tell_letter(fx.journal, "one", RECORDS + 1, "the last one is told");
    cr_assert_eq(waits[0].arrival.letters, 1);
    cr_assert_eq(waits[1].arrival.letters, 1);
    cr_assert_eq(waits[2].arrival.letters, 1);
    fixture_move(&fx, RECORDS);
    await(&waits[0].arrived);
    await(&waits[2].arrived);
    cr_assert(waits[2].arrival.passed && !waits[1].arrived);
    atomic_store(&waits[2].arrived, false);
    cr_assert_not(begin(&waits[2], one, 1, RECORDS), "it is passed");
    cr_assert_not(waits[2].arrival.waits);
    cr_assert(begin(&waits[2], two, 1, RECORDS), "not by the other");
    cr_assert(journal_arrival_cancel(fx.journal, &waits[2].arrival));
    fixture_move(&fx, 2 * RECORDS);
    await(&waits[1].arrived);
    cr_assert_not(waits[2].arrived);
}

static void move(uint64_t delivered, uint64_t dead_lettered, uint64_t damaged, uint64_t held)
{
    struct journal_cursor cursor;

    cr_assert_eq(journal_cursor(fx.journal, "one", &cursor, &fx.error), 0);
    cursor.delivered = delivered;
    cursor.dead_lettered = dead_lettered;
    cursor.damaged = damaged;
    cursor.held = held;
    cursor.position = cursor.base + delivered + dead_lettered + damaged + held;
    journal_cursor_move(fx.journal, "one", &cursor);
    for (int i = 0; i < 10000; i++) {
        struct journal_cursor stored;
        cr_assert_eq(journal_cursor(fx.journal, "one", &stored, &fx.error), 0);
        if (memcmp(&stored, &cursor, sizeof stored) == 0)
            return;
        usleep(1000);
    }
    cr_assert_fail("the cursor was not stored");
}

/* 1..4 delivered, 5..8 one given up, 9..12 held for a while. */
Test(arrival, whether_all_of_it_was_delivered)
{
    for (int i = 0; i < WAITS; i++)
        hand_over(&waits[i], 0);
    cr_assert_eq(journal_missed(fx.journal, one | two), 0);
    cr_assert_not(journal_delivered(fx.journal, one, 1, 4, 0), "nobody has been there");
    move(3, 0, 0, 0);
    cr_assert_not(journal_delivered(fx.journal, one, 1, 4, 0));
    move(4, 0, 0, 0);
    cr_assert(journal_delivered(fx.journal, one, 1, 4, 0));
    cr_assert_not(journal_delivered(fx.journal, one | two, 1, 4, 0));
    move(7, 1, 0, 0);
    cr_assert_eq(journal_missed(fx.journal, one), 1);
    cr_assert_eq(journal_missed(fx.journal, two), 0);
    cr_assert_not(
        journal_delivered(fx.journal, one, 5, 8, 0), "one of them may be the one that was given up");
    cr_assert_not(journal_delivered(fx.journal, one, 1, 4, 0), "so may one of these, as far as this tells");
    move(9, 1, 0, 2);
    cr_assert_not(journal_delivered(fx.journal, one, 9, 12, 1), "some are held");
    move(11, 1, 0, 0);
    cr_assert(journal_delivered(fx.journal, one, 9, 12, 1));
    cr_assert_not(journal_delivered(fx.journal, one, 0, 12, 1), "the outlet came later");
}
