/* Records that are stored once, in a journal that cannot write: what is not there is not known. */
#include "sequence_given.h"

#include <errno.h>
#include <unistd.h>

TestSuite(sequence_fault, .init = given_start, .fini = given_end, .timeout = 120);

/* The group with the original cannot be written the first time, and is, in a new segment. */
Test(sequence_fault, a_group_is_decided_anew)
{
    begin(&given[0]);
    add_once(&given[0], 1, 1, 1);
    add_once(&given[0], 1, 1, 2);
    fixture_settle(&fx);
    disk_arm(&fx.disk, 1 << DISK_SYNC, 1, false, EIO);
    hand_over(&given[0]);
    cr_assert_eq(wait_for(&given[0]), HANDOVER_DURABLE);
    expect(&given[0], 1, 1, 0);
    put(1, 1, 3, false);
    expect_ids("1");
    reopen();
    put(1, 1, 3, false);
    expect_ids("1");
}

/* Neither try works: what is sent again, in the same hand-over even, is no duplicate of what is not there. */
Test(sequence_fault, what_could_not_be_written_is_not_known)
{
    struct given *one = &given[0];

    put(1, 5, 1, true);
    begin(one);
    add_once(one, 1, 5, 2);
    add_once(one, 1, 6, 3);
    add_once(one, 1, 6, 4);
    disk_arm(&fx.disk, 1 << DISK_SYNC, 1, true, EIO);
    hand_over(one);
    cr_assert_eq(wait_for(one), HANDOVER_UNKNOWN);
    disk_arm(&fx.disk, 0, 0, false, 0);
    for (int tries = 0; tries < 1000 && atomic_load(&one->result) != HANDOVER_DURABLE; tries++) {
        usleep(10000);
        atomic_store(&one->result, -1);
        if (journal_hand_over(fx.journal, &one->handover, &error) == 0)
            wait_for(one);
    }
    cr_assert_eq(atomic_load(&one->result), HANDOVER_DURABLE);
    expect(one, 1, 2, 0);
    put(1, 6, 5, false);
    expect_ids("13");
    reopen();
    expect_ids("13");
    put(1, 6, 5, false);
}

/* The first write comes when the writer's buffer is full: among the notes. */
Test(sequence_fault, notes_that_fail_half_way_are_written_again)
{
    struct given *one = &given[1];
    const unsigned many = 25000;

    fixture_close(&fx);
    directory_delete(fx.directory);
    fx.options.segment_size = 64 * SEGMENT;
    fx.options.max_size = 16 * fx.options.segment_size;
    open_journal();
    begin(one);
    for (unsigned i = 0; i < many; i++)
        add_once(one, 1, i, 1);
    fixture_settle(&fx);
    disk_arm(&fx.disk, 1 << DISK_WRITE, 1, false, EIO);
    hand_over(one);
    cr_assert_eq(wait_for(one), HANDOVER_DURABLE);
    expect(one, many, 0, 0);
    reopen();
    cr_assert_eq(fx.report.last_sequence, many);
    put(1, many - 1, 1, false);
}

/* Of duplicates alone, while the disk fails: it is not complete, and nothing changes. */
Test(sequence_fault, duplicates_alone_over_a_failure)
{
    struct given *one = &given[1];

    put(1, 5, 1, true);
    begin(one);
    add_once(one, 1, 5, 2);
    fixture_settle(&fx);
    disk_arm(&fx.disk, 1 << DISK_SYNC, 1, false, EIO);
    hand_over(one);
    cr_assert_eq(wait_for(one), HANDOVER_DURABLE);
    expect(one, 0, 1, 0);
    atomic_store(&one->result, -1);
    hand_over(one);
    cr_assert_eq(wait_for(one), HANDOVER_DURABLE);
    expect(one, 0, 1, 0);
    cr_assert_eq(one->handover.last, 1);
    expect_ids("1");
}
