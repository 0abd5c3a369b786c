/* journal: what holds no undecodable record is passed unread, and nothing else is */
#include <stdio.h>
#include <unistd.h>

#include "base/little.h"
#include "journal_harness.h"
#include "record/record.h"

/* The harness's records begin with their id: its second byte stands where a record has its flags. */
#define LETTER ((uint64_t)RECORD_UNDECODABLE << 8)

static struct fixture fixture;
static struct journal_reader *reader;

static void set_up(void)
{
    fixture_start(&fixture);
    fixture_reopen(&fixture);
    cr_assert_eq(journal_reader_open(&reader, fixture.journal, 0, &fixture.error), 0);
}

static void tear_down(void)
{
    journal_reader_close(&reader);
    fixture_end(&fixture);
}

TestSuite(journal_pass, .init = set_up, .fini = tear_down, .timeout = 120);

static void put(uint64_t first, uint64_t count)
{
    cr_assert_eq(fixture_put(&fixture, first, count, 100), 0, "%s", fixture.error.text);
}

/* 0: it has to be read. */
static uint64_t pass(void)
{
    uint64_t last = 0;

    int passed = journal_reader_pass(reader, &last, &fixture.error);
    cr_assert_geq(passed, 0, "%s", fixture.error.text);
    cr_assert_eq(passed, last != 0);
    return last;
}

/* Records with these sequences and ids in a row are read next, and behind them nothing. */
static void expect_read(uint64_t sequence, uint64_t id, uint64_t count)
{
    struct journal_entry entry;

    for (uint64_t i = 0; i < count; i++) {
        cr_assert_eq(journal_read(reader, &entry, &fixture.error), 1, "%s", fixture.error.text);
        cr_assert_eq(entry.type, JOURNAL_ENTRY_RECORD);
        cr_assert_eq(entry.sequence, sequence + i);
        cr_assert_eq(get_u64(entry.body.data), id + i);
    }
    cr_assert_eq(journal_read(reader, &entry, &fixture.error), 0);
}

Test(journal_pass, goes_behind_what_is_durable)
{
    cr_assert_eq(pass(), 0, "nothing is there");
    put(1, 100);
    cr_assert_eq(pass(), 100);
    cr_assert_eq(pass(), 0);
    expect_read(101, 101, 0);
    put(101, 20);
    expect_read(101, 101, 20);
    put(121, 10);
    cr_assert_eq(pass(), 130);
    put(131, 1);
    expect_read(131, 131, 1);
}

Test(journal_pass, stops_at_a_letter)
{
    put(1, 10);
    put(LETTER, 1);
    put(11, 10);
    cr_assert_eq(pass(), 0);
    struct journal_entry entry;
    for (uint64_t sequence = 1; sequence <= 11; sequence++) {
        cr_assert_eq(pass(), 0);
        cr_assert_eq(journal_read(reader, &entry, &fixture.error), 1);
        cr_assert_eq(entry.sequence, sequence);
    }
    cr_assert_eq(get_u64(entry.body.data), LETTER);
    cr_assert_eq(pass(), 21);
    put(LETTER + 1, 3);
    cr_assert_eq(pass(), 0);
    expect_read(22, LETTER + 1, 3);
}

/* Of a hand-over with one letter all is read. */
Test(journal_pass, knows_hand_overs_not_records)
{
    put(LETTER - 5, 10);
    cr_assert_eq(pass(), 0);
    expect_read(1, LETTER - 5, 10);
    put(1, 5);
    cr_assert_eq(pass(), 15);
}

Test(journal_pass, what_an_earlier_start_accepted_is_read)
{
    put(1, 50);
    journal_reader_close(&reader);
    fixture_reopen(&fixture);
    cr_assert_eq(journal_reader_open(&reader, fixture.journal, 20, &fixture.error), 0);
    put(51, 10);
    cr_assert_eq(pass(), 0);
    struct journal_entry entry;
    for (uint64_t sequence = 21; sequence <= 50; sequence++) {
        cr_assert_eq(pass(), 0);
        cr_assert_eq(journal_read(reader, &entry, &fixture.error), 1);
        cr_assert_eq(entry.sequence, sequence);
    }
    cr_assert_eq(pass(), 60);
}

/* What was passed can be freed, and reading goes on in whatever segment the next record is in. */
Test(journal_pass, goes_over_segments)
{
    const uint64_t round = 300; /* about half a segment */
    uint64_t last = 0;

    for (int i = 0; i < 200; i++) {
        put(1, round);
        last += round;
        if (i % 3 == 0) {
            expect_read(last - round + 1, 1, round);
        } else {
            cr_assert_eq(pass(), last);
        }
        fixture_move(&fixture, last);
    }
    fixture_settle(&fixture);
    cr_assert_leq(directory_files(fixture.directory, ".segment"), 4);
}

Test(journal_pass, a_segment_that_cannot_be_opened_is_tried_again)
{
    char path[256], aside[300];
    uint64_t last;

    put(1, 10);
    directory_name(fixture.directory, ".segment", -1, path);
    snprintf(aside, sizeof aside, "%s.elsewhere", path);
    cr_assert_eq(rename(path, aside), 0);
    cr_assert_eq(journal_reader_pass(reader, &last, &fixture.error), -1);
    cr_assert_eq(fixture.error.kind, ERROR_RETRY);
    cr_assert_eq(rename(aside, path), 0);
    put(11, 10);
    cr_assert_eq(pass(), 20);
    put(21, 1);
    expect_read(21, 21, 1);
}

/* A damage entry was given, the frame behind it is at hand: it is passed as well. */
Test(journal_pass, forgets_the_frame_at_hand)
{
    struct journal_entry entry;
    char path[256];

    put(1, 10);
    directory_name(fixture.directory, ".segment", -1, path);
    file_flip(path, 4096 + 500, 1);
    do
        cr_assert_eq(journal_read(reader, &entry, &fixture.error), 1);
    while (entry.type == JOURNAL_ENTRY_RECORD);
    cr_assert_lt(entry.last, 10);
    cr_assert_eq(pass(), 10);
    put(11, 2);
    expect_read(11, 11, 2);
}
