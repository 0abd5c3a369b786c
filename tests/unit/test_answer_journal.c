/* Answers in a journal: over starts and segments, and when records that they are about are damaged. */
#include "answer_harness.h"

#include <stdio.h>
#include <unistd.h>

TestSuite(answer_journal, .init = start, .fini = end, .timeout = 120);

static struct fixture fx;

static void hand_over(unsigned number, unsigned records)
{
    struct handover handover;
    struct answer answer = answer_of(number);

    answer.accepted = records;
    handover_init(&handover, SEGMENT, NULL, NULL);
    bytes_clear(&body);
    cr_assert_eq(answer_state_encode(&body, &answer, &error), 0);
    for (unsigned i = 0; i < records; i++)
        cr_assert_eq(handover_add(&handover, JOURNAL_KIND_DATA, slice_of("12345678"), 0, 0, &error), 0);
    cr_assert_eq(handover_add(&handover, STATE_ANSWER, bytes_slice(&body), 0, 0, &error), 0);
    cr_assert_eq(journal_hand_over_and_wait(fx.journal, &handover, &error), 0, "%s", error.text);
    handover_free(&handover);
}

static void expect_last(unsigned number, uint64_t last)
{
    struct answer found;

    cr_assert_eq(find(number, 0, &found), 1, "%u", number);
    cr_assert_eq(found.last, last, "%u: %llu", number, (unsigned long long)found.last);
}

static void reopen(uint64_t max_keys)
{
    fixture_close(&fx);
    make(SEGMENT, max_keys, MINUTE);
    fx.options.kinds = &kind;
    fx.options.kinds_count = 1;
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
}

/* What a key's records were is known when they are durable, from a log, and from a snapshot; and it stays when they are gone. */
Test(answer_journal, lives_in_the_journal)
{
    fixture_start(&fx);
    reopen(10);
    hand_over(1, 5);
    expect_last(1, 5);
    hand_over(2, 1);
    reopen(10);
    expect_last(1, 5);
    expect_last(2, 6);
    hand_over(3, 2);
    for (unsigned i = 0; i < 20; i++) {
        cr_assert_eq(fixture_put(&fx, 10 * i + 1, 10, 2000), 0, "%s", fx.error.text);
        fixture_move(&fx, journal_durable(fx.journal));
        fixture_settle(&fx);
    }
    expect_last(1, 5);
    expect_last(3, 8);
    reopen(10);
    expect_last(1, 5);
    expect_last(2, 6);
    expect_last(3, 8);
    reopen(2);
    cr_assert(!known(1));
    expect_last(2, 6);
    fixture_end(&fx);
}

/* ---- damage ------------------------------------------------------------------------------------------------------- */

/* Two requests, of 5 records and of 2, each whole in the log; the first segment is the only one with records. */
static void two_requests(char path[256])
{
    fixture_start(&fx);
    reopen(10);
    hand_over(1, 5);
    hand_over(2, 2);
    directory_name(fx.directory, ".segment", -1, path);
}

/* The nth record of these requests, from 0. */
static void damage_record(const char *path, unsigned nth)
{
    char data[SEGMENT + 8] = {0};
    FILE *file = fopen(path, "r");
    const size_t size = fread(data, 1, SEGMENT, file);
    size_t at = 0;

    fclose(file);
    for (unsigned found = 0; at < size; at++) {
        if (memcmp(data + at, "12345678", 8) == 0 && found++ == nth)
            break;
    }
    cr_assert_lt(at, size);
    file_flip(path, at, 0xff);
}

Test(answer_journal, damage_in_the_last_segment)
{
    char path[256];

    two_requests(path);
    fixture_close(&fx);
    damage_record(path, 2);
    reopen(10);
    cr_assert_eq(fx.report.records_damaged, 1);
    cr_assert(!known(1), "its third record is gone");
    expect_last(2, 7);
    reopen(10);
    cr_assert(!known(1));
    expect_last(2, 7);
    hand_over(1, 5);
    expect_last(1, 12);
    fixture_end(&fx);
}

Test(answer_journal, damage_to_what_all_outlets_have_passed)
{
    char path[256];

    two_requests(path);
    fixture_move(&fx, 5);
    fixture_close(&fx);
    damage_record(path, 2);
    damage_record(path, 5);
    reopen(10);
    cr_assert_eq(fx.report.records_damaged, 2);
    expect_last(1, 5);
    cr_assert(!known(2));
    fixture_end(&fx);
}

Test(answer_journal, damage_that_a_reader_meets)
{
    static struct found found;
    char path[256];

    two_requests(path);
    reopen(10);
    damage_record(path, 6);
    expect_last(2, 7);
    fixture_read(&fx, 0, &found);
    cr_assert_eq(found.damaged, 1);
    expect_last(1, 5);
    cr_assert(!known(2));
    fixture_move(&fx, 7); /* no reader comes by again */
    reopen(10);
    expect_last(1, 5);
    cr_assert(!known(2));
    fixture_end(&fx);
}

Test(answer_journal, an_old_segment_that_is_cut_short)
{
    char path[256];

    two_requests(path);
    reopen(10);
    cr_assert_eq(fixture_put(&fx, 1, 1, 100), 0);
    fixture_close(&fx);
    cr_assert_eq(truncate(path, 4096 + 100), 0);
    reopen(10);
    cr_assert_eq(usage().keys, 0);
    fixture_end(&fx);
}

Test(answer_journal, segments_that_are_lost)
{
    char path[256];

    two_requests(path);
    reopen(10);
    hand_over(3, 1);
    directory_name(fx.directory, ".segment", -1, path);
    reopen(10);
    hand_over(4, 1);
    fixture_close(&fx);
    cr_assert_eq(unlink(path), 0);
    reopen(10);
    expect_last(1, 5);
    expect_last(2, 7);
    cr_assert(!known(3));
    expect_last(4, 9);
    fixture_move(&fx, 1);
    fixture_close(&fx);
    directory_name(fx.directory, ".segment", 0, path);
    cr_assert_eq(unlink(path), 0);
    reopen(10);
    cr_assert(!known(1) && !known(2));
    expect_last(4, 9);
    fixture_end(&fx);
}

/* The state is read from all segments then: each snapshot would bring back what an older one's damage has taken. */
Test(answer_journal, damage_and_a_damaged_snapshot)
{
    char path[256];

    two_requests(path);
    reopen(10);
    hand_over(3, 1);
    fixture_close(&fx);
    damage_record(path, 2);
    directory_name(fx.directory, ".segment", -1, path);
    file_flip(path, 4096 + 40, 0xff);
    reopen(10);
    cr_assert(strstr(fx.report.notes.data, "state is read from all segments"));
    cr_assert(!known(1));
    expect_last(2, 7);
    expect_last(3, 8);
    fixture_end(&fx);
}

/* ---- the golden journal: what this version wrote must stay readable ---- */

/* Its last segment has a snapshot with one answer, and behind it the records of two more, one of which lists what was rejected. */
Test(answer_journal, the_golden_journal_with_answers_is_read)
{
    struct answer found;

    fixture_start(&fx);
    directory_delete(fx.directory);
    directory_copy(PENSTOCK_GOLDEN "/journal-v1-answers", fx.directory);
    fx.options.gateway_id = "golden";
    reopen(10);
    cr_assert_eq(fx.report.notes.length, 0);
    cr_assert_eq(usage().keys, 3);
    expect_last(1, 5);
    expect_last(2, 7);
    cr_assert_eq(find(3, 0, &found), 1);
    cr_assert_eq(found.last, 8);
    cr_assert_eq(found.accepted, 4);
    cr_assert_eq(found.missed, 6);
    cr_assert_eq(found.taken, 3 * CLOCK_SECOND);
    cr_assert_eq(found.request.bytes[0], 7);
    cr_assert(slice_is(found.text, "{\"accepted\":4,\"rejected\":[],\"rejected_total\":1}\n"));
    fixture_end(&fx);
}
