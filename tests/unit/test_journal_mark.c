/* Marks beside cursors: they survive restarts and rolls, keep the records behind them, and have their limits. */
#include "journal_harness.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/little.h"
#include "journal/frame.h"

static struct fixture fx;
static struct found found;
static struct marks_found marks;

static void start(void)
{
    fixture_start(&fx);
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
}

static void end(void)
{
    disk_arm(&fx.disk, 0, 0, false, 0);
    fixture_end(&fx);
}

TestSuite(mark, .init = start, .fini = end, .timeout = 900);

static void start_with_segments(uint64_t size, uint64_t count)
{
    fixture_close(&fx);
    directory_delete(fx.directory);
    fx.options.segment_size = size;
    fx.options.max_size = count * size;
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
}

static bool noted(const char *text)
{
    bytes_add(&fx.report.notes, "", 1, &fx.error);
    return strstr(fx.report.notes.data, text) != NULL;
}

/* Until the journal refuses; returns the last id that was taken. */
static uint64_t fill(uint64_t first, size_t size)
{
    while (fixture_put(&fx, first, 10, size) == 0)
        first += 10;
    return first - 1;
}

Test(mark, they_survive_with_their_cursor)
{
    const struct journal_mark two[] = {mark_of("READINGS", 3), mark_of("EVENTS", JOURNAL_MARK_FREE)};
    struct journal_cursor cursor;

    fixture_put(&fx, 1, 20, 100);
    fixture_marks(&fx, "one", &marks);
    cr_assert_eq(marks.count, 0);
    fixture_mark(&fx, "one", 9, 4, two, 2);
    fixture_marks(&fx, "one", &marks);
    cr_assert_eq(marks.count, 2);
    for (int i = 0; i < 3; i++) { /* from the log, then from snapshots */
        fixture_reopen(&fx);
        cr_assert_eq(fx.report.notes.length, 0);
        fixture_marks(&fx, "one", &marks);
        cr_assert_eq(marks.count, 2);
        cr_assert_eq(marks_position(&marks, "READINGS"), 3);
        cr_assert_eq(marks_position(&marks, "EVENTS"), JOURNAL_MARK_FREE);
        cr_assert_eq(journal_cursor(fx.journal, "one", &cursor, &fx.error), 0);
        cr_assert_eq(cursor.position, 9);
        cr_assert_eq(cursor.held, 4);
        cr_assert_eq(cursor.delivered, 5);
    }
}

/* The outlet's store says how far it is: nothing is kept for it, whatever is behind. */
Test(mark, one_that_is_elsewhere_holds_nothing_back)
{
    struct journal_mark one[] = {mark_of("T", JOURNAL_MARK_ELSEWHERE)};

    const uint64_t log = journal_log(fx.journal);
    cr_assert_neq(log, 0);
    fixture_put(&fx, 1, 30, 100);
    fixture_mark(&fx, "one", 10, 0, one, 1);
    fixture_reopen(&fx);
    cr_assert_eq(journal_log(fx.journal), log);
    fixture_marks(&fx, "one", &marks);
    cr_assert_eq(marks_position(&marks, "T"), JOURNAL_MARK_ELSEWHERE);
    cr_assert_eq(journal_outlets_passed(fx.journal), 10);
    one[0].position = JOURNAL_MARK_FREE;
    fixture_mark(&fx, "one", 20, 0, one, 1);
    fixture_reopen(&fx);
    fixture_marks(&fx, "one", &marks);
    cr_assert_eq(marks_position(&marks, "T"), JOURNAL_MARK_FREE);
    cr_assert_eq(journal_outlets_passed(fx.journal), 20);
}

Test(mark, the_newest_position_of_a_name_counts_also_backwards_from_free)
{
    struct journal_mark one[] = {mark_of("T", 5)};

    fixture_put(&fx, 1, 30, 100);
    fixture_mark(&fx, "one", 10, 1, one, 1);
    one[0].position = JOURNAL_MARK_FREE;
    fixture_mark(&fx, "one", 20, 0, one, 1);
    one[0].position = 20;
    fixture_mark(&fx, "one", 25, 2, one, 1);
    fixture_reopen(&fx);
    fixture_marks(&fx, "one", &marks);
    cr_assert_eq(marks.count, 1);
    cr_assert_eq(marks_position(&marks, "T"), 20);
}

Test(mark, closing_writes_what_waits)
{
    struct journal_mark one[] = {mark_of("T", 5), mark_of("T", 6)};

    fixture_put(&fx, 1, 30, 100);
    cr_assert_eq(fixture_move_marked(&fx, "one", 7, 1, one, 2), 0);
    one[0].position = 8;
    cr_assert_eq(fixture_move_marked(&fx, "one", 9, 1, one, 1), 0, "it replaces the waiting one");
    fixture_reopen(&fx);
    fixture_marks(&fx, "one", &marks);
    cr_assert_eq(marks_position(&marks, "T"), 8);
    fixture_await(&fx, "one", 9, 1);
}

Test(mark, what_is_behind_one_is_kept_until_it_is_free)
{
    struct journal_mark two[] = {mark_of("A", 50), mark_of("B", 300)};
    struct journal_status status;

    for (uint64_t i = 0; i < 40; i++)
        fixture_put(&fx, i * 10 + 1, 10, 300);
    fixture_mark(&fx, "one", 390, 7, two, 2);
    for (int i = 0; i < 3; i++)
        fixture_reopen(&fx);
    fixture_read(&fx, 50, &found);
    cr_assert_eq(found.count, 350);
    cr_assert_eq(found.damaged, 0);
    cr_assert_eq(found.id[0], 51);
    cr_assert_eq(journal_outlets_passed(fx.journal), 50, "what is held is not passed");
    two[0].position = 200;
    fixture_mark(&fx, "one", 390, 6, two, 1);
    cr_assert_eq(journal_outlets_passed(fx.journal), 200);
    fixture_reopen(&fx);
    journal_status(fx.journal, &status);
    cr_assert_gt(status.oldest, 51);
    fixture_read(&fx, 200, &found);
    cr_assert_eq(found.count, 200);
    two[0].position = two[1].position = JOURNAL_MARK_FREE;
    fixture_mark(&fx, "one", 390, 0, two, 2);
    cr_assert_eq(journal_outlets_passed(fx.journal), 390);
    fixture_reopen(&fx);
    journal_status(fx.journal, &status);
    cr_assert_gt(status.oldest, 300);
}

Test(mark, rolls_carry_them_on_and_free_segments_in_use)
{
    struct journal_mark one[] = {mark_of("HELD", 0), mark_of("FREE", JOURNAL_MARK_FREE)};
    struct journal_status status;

    for (uint64_t i = 0; i < 400; i++) {
        cr_assert_eq(fixture_put(&fx, i * 10 + 1, 10, 300), 0, "%s", fx.error.text);
        one[0].position = i * 10 + 5;
        fixture_mark(&fx, "one", i * 10 + 8, 2, one, i % 2 + 1);
    }
    journal_status(fx.journal, &status);
    cr_assert_gt(status.oldest, 3000);
    fixture_reopen(&fx);
    fixture_marks(&fx, "one", &marks);
    cr_assert_eq(marks.count, 2);
    cr_assert_eq(marks_position(&marks, "HELD"), 3995);
    fixture_read(&fx, 3995, &found);
    cr_assert_eq(found.count, 5);
    cr_assert_eq(found.damaged, 0);
}

Test(mark, only_what_is_stored_frees)
{
    struct journal_mark one[] = {mark_of("T", 20)};

    for (uint64_t i = 0; i < 40; i++)
        fixture_put(&fx, i * 10 + 1, 10, 300);
    fixture_mark(&fx, "one", 390, 3, one, 1);
    fixture_settle(&fx);
    disk_arm(&fx.disk, 1u << DISK_WRITE, 1, true, EIO);
    one[0].position = 380;
    cr_assert_eq(fixture_move_marked(&fx, "one", 391, 3, one, 1), 0);
    for (int tries = 0; tries < 60000 && fx.disk.calls < 2; tries++)
        usleep(1000);
    fixture_read(&fx, 20, &found);
    cr_assert_eq(found.count, 380, "the failed group frees nothing");
    fixture_marks(&fx, "one", &marks);
    cr_assert_eq(marks_position(&marks, "T"), 20);
    disk_arm(&fx.disk, 0, 0, false, 0);
    fixture_await(&fx, "one", 391, 3);
    fixture_marks(&fx, "one", &marks);
    cr_assert_eq(marks_position(&marks, "T"), 380, "it was tried again");
}

/* ---- what a snapshot keeps for records ---- */

static uint64_t kept_from;

static int kept_apply(void *state, const void *body, size_t length, uint64_t sequence, struct error *error)
{
    (void)state, (void)body, (void)length, (void)sequence, (void)error;
    return 0;
}

static int kept_dump(void *state, uint64_t keep_from, state_emit_fn *emit, void *context, struct error *error)
{
    (void)state;
    kept_from = keep_from;
    return emit(context, "state", 5, error);
}

Test(mark, state_is_dumped_from_the_least_mark_on)
{
    const struct state_kind kind = {
        .kind = STATE_RENDERING, .name = "kept", .apply = kept_apply, .dump = kept_dump, .state = NULL};
    struct journal_mark one[] = {mark_of("T", 33)};

    fx.options.kinds = &kind;
    fx.options.kinds_count = 1;
    fixture_put(&fx, 1, 100, 100);
    fixture_reopen(&fx);
    cr_assert_eq(kept_from, 1);
    fixture_mark(&fx, "one", 80, 1, one, 1);
    fixture_reopen(&fx);
    cr_assert_eq(kept_from, 34);
    one[0].position = JOURNAL_MARK_FREE;
    fixture_mark(&fx, "one", 80, 0, one, 1);
    fixture_reopen(&fx);
    cr_assert_eq(kept_from, 81);
}

/* ---- limits ---- */

Test(mark, so_many_fit_and_all_of_them_come_back)
{
    struct journal_mark batch[JOURNAL_MARKS_UNWRITTEN];
    uint64_t position = 1;

    start_with_segments(8 << 20, 8);
    const size_t most = journal_marks_max(fx.options.segment_size);
    cr_assert_eq(most, (8 << 20) / 8 * 3 / 8 / 312);
    fixture_put(&fx, 1, 100, 100);
    for (unsigned made = 0; made < most;) {
        unsigned count = 0;
        for (; count < JOURNAL_MARKS_UNWRITTEN && made < most; made++)
            batch[count++] = mark_long(made, made % 100 ? JOURNAL_MARK_FREE : 2);
        fixture_mark(&fx, "one", ++position, 1, batch, count);
    }
    batch[0] = mark_of("one more", 1);
    cr_assert_eq(fixture_move_marked(&fx, "one", 50, 1, batch, 1), -1);
    cr_assert_eq(fx.error.kind, ERROR_REJECT);
    cr_assert(strstr(fx.error.text, "journal.segment_size"), "%s", fx.error.text);
    batch[0] = mark_long(17, 5);
    fixture_mark(&fx, "one", 60, 3, batch, 1);
    fixture_reopen(&fx);
    fixture_reopen(&fx);
    fixture_await(&fx, "one", 60, 3);
    fixture_marks(&fx, "one", &marks);
    cr_assert_eq(marks.count, most);
    for (unsigned i = 0; i < most; i++) {
        uint64_t expected = i == 17 ? 5 : i % 100 ? JOURNAL_MARK_FREE : 2;
        cr_assert_eq(marks_position(&marks, mark_long(i, 0).name), expected, "mark %u", i);
    }
    fixture_close(&fx);
    fx.options.segment_size = 1 << 20;
    cr_assert_eq(fixture_open(&fx), -1, "a segment that cannot hold them is refused");
    cr_assert(strstr(fx.error.text, "raise journal.segment_size"), "%s", fx.error.text);
}

Test(mark, above_the_unwritten_ones_it_asks_to_wait_and_changes_nothing)
{
    struct journal_mark all[JOURNAL_MARKS_UNWRITTEN];
    struct journal_mark other[] = {mark_of("other", 4)};

    start_with_segments(1 << 20, 8);
    cr_assert_eq(journal_marks_max(fx.options.segment_size), 157);
    fixture_put(&fx, 1, 100, 100);
    fixture_settle(&fx);
    disk_arm(&fx.disk, 1u << DISK_WRITE, 1, true, EIO);
    for (unsigned i = 0; i < JOURNAL_MARKS_UNWRITTEN; i++)
        all[i] = mark_long(i, 3);
    cr_assert_eq(fixture_move_marked(&fx, "one", 10, 5, all, JOURNAL_MARKS_UNWRITTEN), 0);
    for (int tries = 0; tries < 60000 && fx.disk.calls < 2; tries++)
        usleep(1000);
    cr_assert_eq(fixture_move_marked(&fx, "one", 20, 6, other, 1), -1);
    cr_assert_eq(fx.error.kind, ERROR_RETRY);
    disk_arm(&fx.disk, 0, 0, false, 0);
    fixture_await(&fx, "one", 10, 5);
    fixture_marks(&fx, "one", &marks);
    cr_assert_eq(marks.count, JOURNAL_MARKS_UNWRITTEN);
    fixture_mark(&fx, "one", 20, 6, other, 1);
    fixture_reopen(&fx);
    fixture_marks(&fx, "one", &marks);
    cr_assert_eq(marks.count, JOURNAL_MARKS_UNWRITTEN + 1);
}

Test(mark, a_full_journal_takes_them_in_the_smallest_segments)
{
    struct journal_mark all[JOURNAL_MARKS_UNWRITTEN];

    start_with_segments(1 << 20, 5);
    const uint64_t last = fill(1, 4000);
    cr_assert_gt(last, 400);
    for (uint64_t move = 1; move <= 120; move++) { /* 2.4 MB of marks */
        for (unsigned i = 0; i < JOURNAL_MARKS_UNWRITTEN; i++)
            all[i] = mark_long(i, move);
        fixture_mark(&fx, "one", move + 5, 2, all, JOURNAL_MARKS_UNWRITTEN);
        cr_assert_leq(directory_bytes(fx.directory), fx.options.max_size);
    }
    fixture_reopen(&fx);
    fixture_marks(&fx, "one", &marks);
    cr_assert_eq(marks.count, JOURNAL_MARKS_UNWRITTEN);
    for (unsigned i = 0; i < JOURNAL_MARKS_UNWRITTEN; i++)
        cr_assert_eq(marks_position(&marks, all[i].name), 120);
    fixture_read(&fx, 120, &found);
    cr_assert_eq(found.count, last - 120);
    cr_assert_eq(found.damaged, 0);
}

/* ---- what recovery meets ---- */

static void put_state(enum journal_kind kind, const char *body, size_t length)
{
    struct handover handover;

    handover_init(&handover, 4096, NULL, NULL);
    handover_add(&handover, kind, (struct slice){body, length}, 0, 0, &fx.error);
    cr_assert_eq(journal_hand_over_and_wait(fx.journal, &handover, &fx.error), 0);
    handover_free(&handover);
}

/* A mark's body as FORMAT.md has it. */
static size_t mark_body(char out[512], const char *outlet, const char *name, uint64_t position)
{
    const size_t length = strlen(outlet);

    out[0] = 1;
    out[1] = (char)length;
    memcpy(out + 2, outlet, length);
    put_u64(out + 2 + length, position);
    memcpy(out + 10 + length, name, strlen(name));
    return 10 + length + strlen(name);
}

Test(mark, bodies_that_are_none_are_noted_and_stop_nothing)
{
    char body[512];
    const size_t good = mark_body(body, "one", "T", 1);

    put_state(STATE_MARK, body, 1);
    put_state(STATE_MARK, body, good - 1); /* no name */
    body[good - 1] = '\0';
    put_state(STATE_MARK, body, good);
    memset(body + good, 'x', sizeof body - good);
    put_state(STATE_MARK, body, 10 + 3 + JOURNAL_MARK_NAME_MAX + 1);
    body[0] = 2;
    put_state(STATE_MARK, body, good);
    body[0] = 1;
    body[1] = 0;
    put_state(STATE_MARK, body, good);
    body[1] = JOURNAL_OUTLET_NAME_MAX + 1;
    put_state(STATE_MARK, body, 100);
    fixture_reopen(&fx);
    cr_assert(noted("mark of 1 bytes: not a mark of version 1"), "%s", fx.report.notes.data);
    cr_assert(noted("mark of 13 bytes"));
    cr_assert(noted("mark of 14 bytes"));
    cr_assert(noted("mark of 263 bytes"));
    cr_assert(noted("mark of 100 bytes"));
    fixture_marks(&fx, "one", &marks);
    cr_assert_eq(marks.count, 0);
    cr_assert_eq(fixture_put(&fx, 1, 1, 100), 0);
}

Test(mark, one_whose_cursor_is_lost_leaves_the_outlet_new)
{
    char body[512];
    struct journal_cursor cursor;
    static const char *const both[] = {"one", "two"};

    fixture_put(&fx, 1, 10, 100);
    put_state(STATE_MARK, body, mark_body(body, "two", "T", 4));
    fixture_close(&fx);
    cr_assert_eq(fixture_open(&fx), -1);
    cr_assert(strstr(fx.error.text, "penstock journal forget two"), "%s", fx.error.text);
    fx.options.outlets = both;
    fx.options.outlets_count = 2;
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
    cr_assert_eq(journal_cursor(fx.journal, "two", &cursor, &fx.error), 0);
    cr_assert_eq(cursor.position, 0);
    fixture_marks(&fx, "two", &marks);
    cr_assert_eq(marks_position(&marks, "T"), 4);
}

Test(mark, those_of_too_many_outlets_are_refused_as_state)
{
    char body[512];

    for (char i = '0'; i < '9'; i++) {
        const char outlet[] = {'x', i, '\0'};
        put_state(STATE_MARK, body, mark_body(body, outlet, "T", 4));
    }
    fixture_close(&fx);
    cr_assert_eq(fixture_open(&fx), -1);
    cr_assert(noted("mark of x8: more than 8 outlets"), "%s", fx.report.notes.data);
}

Test(mark, a_damaged_snapshot_falls_back_to_older_segments)
{
    struct journal_mark one[] = {mark_of("T", 5)};
    char path[256];

    for (uint64_t i = 0; i < 30; i++)
        fixture_put(&fx, i * 10 + 1, 10, 300);
    fixture_mark(&fx, "one", 7, 1, one, 1);
    one[0].position = 6;
    fixture_mark(&fx, "one", 8, 1, one, 1);
    fixture_reopen(&fx);
    fixture_close(&fx);
    directory_name(fx.directory, ".segment", -1, path);
    file_flip(path, SEGMENT_HEADER_SIZE + 25, 0x10);
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
    cr_assert(noted("snapshot of the live state is damaged"));
    fixture_marks(&fx, "one", &marks);
    cr_assert_eq(marks_position(&marks, "T"), 6);
    fixture_await(&fx, "one", 8, 1);
}

Test(mark, one_behind_what_is_kept_is_harmless)
{
    struct journal_mark one[] = {mark_of("T", 5)};
    char path[256];

    for (uint64_t i = 0; i < 60; i++)
        fixture_put(&fx, i * 10 + 1, 10, 300);
    fixture_mark(&fx, "one", 500, 1, one, 1);
    fixture_close(&fx);
    directory_name(fx.directory, ".segment", 0, path);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
    fixture_marks(&fx, "one", &marks);
    cr_assert_eq(marks_position(&marks, "T"), 5);
    fixture_read(&fx, 5, &found);
    cr_assert_eq(found.sequence[0], 6);
    cr_assert_gt(found.damaged, 100);
    one[0].position = JOURNAL_MARK_FREE;
    fixture_mark(&fx, "one", 500, 0, one, 1);
    fixture_reopen(&fx);
    fixture_read(&fx, 500, &found);
    cr_assert_eq(found.count, 100);
}
