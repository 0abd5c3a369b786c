/* Marks and crashes: the cursor and the marks of one move are there all or none, wherever the world ends, and the hand-overs
 * of their group stay whole. */
#include "journal_gate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "journal/frame.h"

static struct fixture fx;
static struct found found;
static struct marks_found marks;

static void start(void)
{
    fixture_start(&fx);
    gate_install(&fx);
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
}

static void end(void)
{
    disk_arm(&fx.disk, 0, 0, false, 0);
    fixture_end(&fx);
}

TestSuite(mark_fault, .init = start, .fini = end, .timeout = 900);

static void hand_over_done(struct handover *handover, enum handover_result result)
{
    cr_assert_eq(result, HANDOVER_DURABLE);
    handover->context = NULL;
}

/* Hands over one record of `size` bytes and does not wait. */
static void hand_over(struct handover *handover, const char *payload, size_t records, size_t size)
{
    handover_init(handover, 1 << 20, hand_over_done, handover);
    handover->payloads = payload;
    for (size_t i = 0; i < records; i++)
        handover_add(handover, JOURNAL_KIND_DATA, (struct slice){NULL, 0}, 0, size, &fx.error);
    cr_assert_eq(journal_hand_over(fx.journal, handover, &fx.error), 0, "%s", fx.error.text);
}

#define MARKS 5

static void marks_at(struct journal_mark all[MARKS], uint64_t position)
{
    static const char *const names[MARKS] = {"A", "topic.b", "a-longer-name-of-a-topic", "D", "e"};

    for (int i = 0; i < MARKS; i++)
        all[i] = mark_of(names[i], position);
}

/* Where marks and cursor agree on one move: its number, which is the position of all marks and what the cursor holds. */
static uint64_t agreed(const char *what, long n)
{
    struct journal_mark all[MARKS];
    struct journal_cursor cursor;

    cr_assert_eq(journal_cursor(fx.journal, "one", &cursor, &fx.error), 0);
    fixture_marks(&fx, "one", &marks);
    cr_assert_eq(marks.count, cursor.held ? MARKS : 0, "%s %ld: %zu marks, held %lu", what, n, marks.count,
        (unsigned long)cursor.held);
    marks_at(all, 0);
    for (int i = 0; cursor.held && i < MARKS; i++)
        cr_assert_eq(marks_position(&marks, all[i].name), cursor.held,
            "%s %ld: mark %d and its cursor differ", what, n, i);
    return cursor.held;
}

/* ---- one group, cut everywhere ---- */

#define FRAMES_MAX 64

struct frames {
    size_t count;
    uint64_t offset[FRAMES_MAX];
    struct frame frame[FRAMES_MAX];
    uint64_t end;
};

/* The frames of the newest segment from the last group mark on that stands before a record. */
static void last_group(const char *path, struct frames *ret_frames)
{
    static char data[SEGMENT];
    struct segment_header header;
    struct frame frame;
    cleanup_fd int fd = open(path, O_RDONLY);
    uint64_t group = 0;

    cr_assert_eq(read(fd, data, sizeof data), (ssize_t)sizeof data);
    cr_assert_eq(segment_header_decode(data, &header, &fx.error), 0);
    *ret_frames = (struct frames){0};
    for (uint64_t at = SEGMENT_HEADER_SIZE;
         frame_decode(data + at, SEGMENT - at, &frame) && frame_valid(data + at, &frame, header.seed, at);
         at += frame_size(frame.length)) {
        if (frame.kind == JOURNAL_KIND_GROUP)
            group = at;
        if (frame.kind == JOURNAL_KIND_DATA && group) { /* a new group with records starts the list anew */
            ret_frames->count = 0;
            ret_frames->offset[ret_frames->count++] = group;
            group = 0;
        }
        cr_assert_lt(ret_frames->count, FRAMES_MAX);
        if (frame.kind != JOURNAL_KIND_GROUP) {
            ret_frames->frame[ret_frames->count] = frame;
            ret_frames->offset[ret_frames->count++] = at;
            ret_frames->end = at + frame_size(frame.length);
        }
    }
}

/* A journal with move 1 (5 records before), and behind it one group of a hand-over of 3 records and move 2, as a kill leaves
 * it: no later mark tells that this group is durable. */
static void make_group(char saved[64], struct frames *ret_frames)
{
    static struct handover first, second;
    static const char payload[] = "12345678901234567890"; /* no zeros: whatever is cut off shows */
    struct journal_mark all[MARKS];
    char path[256];

    fixture_hold_time(true); /* the group of silence would be another that waits at the gate */
    fixture_put(&fx, 1, 5, 40);
    marks_at(all, 1);
    fixture_mark(&fx, "one", 3, 1, all, MARKS);
    fixture_settle(&fx); /* the committer is then the only one that syncs */
    gate_set(true);
    hand_over(&first, payload, 1, 20);
    gate_await_committer();
    hand_over(&second, payload, 3, 20);
    marks_at(all, 2);
    cr_assert_eq(fixture_move_marked(&fx, "one", 4, 2, all, MARKS), 0);
    gate_set(false);
    fixture_await(&fx, "one", 4, 2);
    fixture_close(&fx);
    fixture_hold_time(false);
    handover_free(&first);
    handover_free(&second);
    directory_copy(fx.directory, saved);
    directory_name(fx.directory, ".segment", -1, path);
    last_group(path, ret_frames);
}

/* With everything from offset on gone or zero. */
static void open_cut(const char *saved, uint64_t offset, bool zero)
{
    char path[256];
    static const char zeros[SEGMENT];

    fixture_close(&fx);
    directory_delete(fx.directory);
    directory_copy(saved, fx.directory);
    directory_name(fx.directory, ".segment", -1, path);
    cleanup_fd int fd = open(path, O_RDWR);
    if (zero)
        cr_assert_eq(pwrite(fd, zeros, SEGMENT - offset, (off_t)offset), (ssize_t)(SEGMENT - offset));
    else
        cr_assert_eq(ftruncate(fd, (off_t)offset), 0);
    cr_assert_eq(fixture_open(&fx), 0, "%lu: %s", (unsigned long)offset, fx.error.text);
}

Test(mark_fault, a_group_cut_anywhere_has_its_move_whole_or_not_at_all)
{
    char saved[64];
    struct frames frames;

    temporary_directory(saved);
    make_group(saved, &frames);
    cr_assert_eq(frames.count, 1 + 3 + 1 + MARKS);
    for (size_t i = 1; i < frames.count; i++)
        cr_assert_eq(frames.frame[i].flags, i == 3 || i == frames.count - 1 ? FRAME_END : 0, "frame %zu", i);
    const uint64_t records_end = frames.offset[4];
    for (int zero = 0; zero < 2; zero++) {
        for (uint64_t at = frames.offset[0]; at <= frames.end; at += 4) {
            open_cut(saved, at, zero);
            /* What is cut may end in padding that is zero anyway. */
            const bool whole = at + FRAME_ALIGN > frames.end;
            const uint64_t move = agreed(zero ? "zeros from" : "cut at", (long)at);
            if (at == frames.end || !whole)
                cr_assert_eq(move, whole ? 2 : 1, "offset %lu", (unsigned long)at);
            if (at >= records_end)
                cr_assert_eq(fx.report.last_sequence, 9);
            else
                cr_assert_eq(fx.report.last_sequence, 6, "offset %lu", (unsigned long)at);
            cr_assert_eq(fx.report.records_damaged, 0);
        }
    }
    directory_delete(saved);
}

Test(mark_fault, a_frame_of_a_move_that_is_torn_takes_the_move_and_no_record)
{
    char saved[64], path[256];
    struct frames frames;

    temporary_directory(saved);
    make_group(saved, &frames);
    for (size_t i = 4; i < frames.count; i++) {
        open_cut(saved, frames.end, true); /* away with the mark that a clean end wrote behind */
        fixture_close(&fx);
        directory_delete(fx.directory);
        directory_copy(saved, fx.directory);
        directory_name(fx.directory, ".segment", -1, path);
        cr_assert_eq(truncate(path, (off_t)frames.end), 0);
        file_flip(path, frames.offset[i] + FRAME_HEADER_SIZE + 1, 0x20);
        cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
        cr_assert_eq(agreed("frame", (long)i), 1);
        cr_assert_eq(fx.report.last_sequence, 9);
        fixture_reopen(&fx);
        cr_assert_eq(agreed("frame, once more", (long)i), 1);
    }
    directory_delete(saved);
}

/* As a tail whose sync fails: it is copied to a new segment. */
Test(mark_fault, a_copied_tail_brings_its_move_along)
{
    char saved[64];
    struct frames frames;

    temporary_directory(saved);
    make_group(saved, &frames);
    open_cut(saved, frames.end, false);
    fixture_close(&fx);
    directory_delete(fx.directory);
    directory_copy(saved, fx.directory);
    char path[256];
    directory_name(fx.directory, ".segment", -1, path);
    cr_assert_eq(truncate(path, (off_t)frames.end), 0);
    disk_arm(&fx.disk, 1u << DISK_SYNC, 1, false, EIO);
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
    bytes_add(&fx.report.notes, "", 1, &fx.error);
    cr_assert(strstr(fx.report.notes.data, "copied to a new segment"), "%s", fx.report.notes.data);
    cr_assert_eq(agreed("copied", 0), 2);
    fixture_reopen(&fx);
    cr_assert_eq(agreed("copied and opened again", 0), 2);
    cr_assert_eq(fx.report.last_sequence, 9);
    directory_delete(saved);
}

/* ---- a large hand-over and many marks at once ---- */

static int state_apply_none(
    void *state, const void *body, size_t length, uint64_t sequence, struct error *error)
{
    (void)state, (void)body, (void)length, (void)sequence, (void)error;
    return 0;
}

/* All that the state of other kinds may take. */
static int state_dump_rest(
    void *state, uint64_t keep_from, state_emit_fn *emit, void *context, struct error *error)
{
    static const char
        body[(1 << 20) / JOURNAL_STATE_SHARE * 5 / 8 + (1 << 20) / JOURNAL_ANSWERS_SHARE + 2560] = {1};

    (void)state, (void)keep_from;
    return emit(context, body, sizeof body, error);
}

static void mark_many(struct journal_mark all[JOURNAL_MARKS_UNWRITTEN], unsigned first, uint64_t position)
{
    for (unsigned i = 0; i < JOURNAL_MARKS_UNWRITTEN; i++)
        all[i] = mark_long(first + i, position);
}

/* The snapshot is as large as it may be, the hand-over too, and the group holds as many marks as it may. */
Test(mark_fault, marks_that_fit_no_segment_beside_a_hand_over_go_first)
{
    const struct state_kind kind = {.kind = STATE_RENDERING,
        .name = "rest",
        .apply = state_apply_none,
        .dump = state_dump_rest,
        .state = NULL};
    static struct handover first, large;
    static char payload[1 << 20];
    struct journal_mark all[JOURNAL_MARKS_UNWRITTEN];

    fixture_close(&fx);
    directory_delete(fx.directory);
    fx.options.segment_size = 1 << 20;
    fx.options.max_size = 8 << 20;
    fx.options.kinds = &kind;
    fx.options.kinds_count = 1;
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
    const size_t most = (1 << 20) - 4096 - JOURNAL_STATE_ROOM(1 << 20) - 2 * 2048 - 24;
    fixture_put(&fx, 1, 10, 40);
    for (unsigned batch = 0; batch < 2; batch++) {
        mark_many(all, batch * JOURNAL_MARKS_UNWRITTEN, 1);
        fixture_mark(&fx, "one", batch + 3, 1, all, JOURNAL_MARKS_UNWRITTEN);
    }
    fixture_reopen(&fx);
    fixture_settle(&fx);
    gate_set(true);
    hand_over(&first, payload, 1, 20);
    gate_await_committer();
    hand_over(&large, payload, 1, most);
    mark_many(all, 0, 3);
    cr_assert_eq(fixture_move_marked(&fx, "one", 7, 2, all, JOURNAL_MARKS_UNWRITTEN), 0);
    gate_set(false);
    fixture_await(&fx, "one", 7, 2);
    for (int tries = 0; tries < 60000 && journal_durable(fx.journal) < 12; tries++)
        usleep(1000);
    fixture_settle(&fx);
    for (int i = 0; i < (int)directory_files(fx.directory, ".segment"); i++) {
        char path[256];
        directory_name(fx.directory, ".segment", i, path);
        cr_assert_leq(file_size(path), fx.options.segment_size, "%s grew", path);
    }
    fixture_reopen(&fx);
    cr_assert_eq(fx.report.last_sequence, 12);
    cr_assert_null(large.context, "it was completed");
    fixture_marks(&fx, "one", &marks);
    cr_assert_eq(marks.count, 2 * JOURNAL_MARKS_UNWRITTEN);
    cr_assert_eq(marks_position(&marks, mark_long(5, 0).name), 3);
    handover_free(&first);
    handover_free(&large);
}

Test(mark_fault, a_mark_changed_while_its_group_fails_keeps_the_newer_position)
{
    static struct handover first;
    static const char payload[] = "12345678901234567890"; /* no zeros: whatever is cut off shows */
    struct journal_mark all[MARKS];

    fixture_hold_time(true);
    fixture_put(&fx, 1, 5, 40);
    fixture_settle(&fx);
    marks_at(all, 1);
    gate_set(true);
    hand_over(&first, payload, 1, 20);
    gate_await_committer();
    cr_assert_eq(fixture_move_marked(&fx, "one", 3, 1, all, MARKS), 0);
    disk_arm(&fx.disk, 1u << DISK_WRITE, 1, true, EIO);
    gate_set(false);
    for (int tries = 0; tries < 60000 && fx.disk.calls < 2; tries++)
        usleep(1000);
    marks_at(all, 2);
    cr_assert_eq(fixture_move_marked(&fx, "one", 4, 2, all, MARKS), 0);
    disk_arm(&fx.disk, 0, 0, false, 0);
    fixture_hold_time(false);
    fixture_await(&fx, "one", 4, 2);
    cr_assert_eq(agreed("failed", 0), 2);
    fixture_reopen(&fx);
    cr_assert_eq(agreed("reopened", 0), 2);
    handover_free(&first);
}

/* ---- the world ends at every call ---- */

#define ALL_CALLS ((1u << DISK_CALLS) - 1)
#define MOVES 40

static uint64_t stored; /* the newest move that was seen stored */

/* Records, rolls, moves with marks; ends early when the disk is gone. */
static void scenario(void)
{
    stored = 0;
    for (uint64_t move = 1; move <= MOVES; move++) {
        struct journal_cursor cursor;
        struct journal_mark all[MARKS];
        if (fixture_put(&fx, move * 10, 10, 600))
            return;
        marks_at(all, move);
        if (fixture_move_marked(&fx, "one", move * 8, move, all, MARKS))
            cr_assert_eq(fx.error.kind, ERROR_RETRY);
        cr_assert_eq(journal_cursor(fx.journal, "one", &cursor, &fx.error), 0);
        stored = cursor.held;
    }
}

static void start_over(void)
{
    disk_arm(&fx.disk, 0, 0, false, 0);
    fixture_close(&fx);
    directory_delete(fx.directory);
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
}

static void sweep(const char *what, unsigned mask, bool dead)
{
    start_over();
    disk_arm(&fx.disk, mask, 0, false, 0);
    scenario();
    const long calls = fx.disk.calls;
    cr_assert_gt(calls, MOVES / 4);
    for (long n = 1; n <= calls; n += 1 + calls / 100) {
        start_over();
        disk_arm(&fx.disk, mask, n, dead, EIO);
        scenario();
        fixture_close(&fx);
        disk_arm(&fx.disk, 0, 0, false, 0);
        cr_assert_eq(fixture_open(&fx), 0, "%s %ld: %s", what, n, fx.error.text);
        const uint64_t move = agreed(what, n);
        cr_assert_geq(move, stored, "%s %ld: move %lu was stored", what, n, (unsigned long)stored);
        cr_assert_eq(fx.report.records_damaged, 0, "%s %ld", what, n);
        fixture_read(&fx, move, &found); /* what the marks keep is there */
        cr_assert_eq(found.damaged, 0, "%s %ld", what, n);
        cr_assert_eq(found.count, fx.report.last_sequence - move, "%s %ld", what, n);
    }
}

Test(mark_fault, every_nth_write_fails_once)
{
    sweep("write", 1u << DISK_WRITE, false);
}

Test(mark_fault, every_nth_sync_fails_once)
{
    sweep("sync", 1u << DISK_SYNC, false);
}

Test(mark_fault, the_world_ends_at_every_nth_call)
{
    sweep("call", ALL_CALLS, true);
}

/* ---- state among the records of a group ---- */

struct places {
    uint64_t list[4];
    size_t count;
};

static int place_apply(void *state, const void *body, size_t length, uint64_t sequence, struct error *error)
{
    struct places *places = state;

    (void)body, (void)length, (void)error;
    cr_assert_lt(places->count, 4);
    places->list[places->count++] = sequence;
    return 0;
}

static int place_dump(
    void *state, uint64_t keep_from, state_emit_fn *emit, void *context, struct error *error)
{
    (void)state, (void)keep_from, (void)emit, (void)context, (void)error;
    return 0;
}

/* Each is told the record before it, not the group's last, when it is committed as when it is recovered. */
Test(mark_fault, state_knows_the_record_before_it)
{
    static struct handover
        handovers[4]; /* of 1, 2, 3 and 4 records, the second and the fourth with state behind them */
    struct places places = {.count = 0};
    const struct state_kind kind = {
        .kind = STATE_RENDERING, .name = "place", .apply = place_apply, .dump = place_dump, .state = &places};

    fixture_close(&fx);
    fx.options.kinds = &kind;
    fx.options.kinds_count = 1;
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
    gate_set(true);
    hand_over(&handovers[0], "12345678", 1, 8);
    gate_await_committer();
    for (size_t i = 1; i < 4; i++) {
        handover_init(&handovers[i], 1 << 20, hand_over_done, &handovers[i]);
        for (size_t record = 0; record <= i; record++)
            handover_add(&handovers[i], JOURNAL_KIND_DATA, slice_of("12345678"), 0, 0, &fx.error);
        if (i % 2)
            handover_add(&handovers[i], STATE_RENDERING, slice_of("state"), 0, 0, &fx.error);
        cr_assert_eq(journal_hand_over(fx.journal, &handovers[i], &fx.error), 0, "%s", fx.error.text);
    }
    gate_set(false);
    fixture_close(&fx);
    cr_assert_eq(places.count, 2);
    cr_assert_eq(places.list[0], 3);
    cr_assert_eq(places.list[1], 10);
    places.count = 0;
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
    cr_assert_eq(places.count, 2);
    cr_assert_eq(places.list[0], 3);
    cr_assert_eq(places.list[1], 10);
    for (size_t i = 0; i < 4; i++)
        handover_free(&handovers[i]);
}
