/* Looking at a journal that a gateway writes, and at one whose frames have their checksums and cannot be right. */
#include "view_harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/little.h"
#include "journal/frame.h"

static const char *hidden; /* a name that the directory does not show */

struct dirent *__real_readdir(DIR *directory);
struct dirent *__wrap_readdir(DIR *directory);

struct dirent *__wrap_readdir(DIR *directory)
{
    struct dirent *entry = __real_readdir(directory);

    return entry && hidden && strcmp(entry->d_name, hidden) == 0 ? __real_readdir(directory) : entry;
}

static const char *vanished; /* a name that leads nowhere any more */

int __real_faccessat(int directory, const char *name, int mode, int flags);
int __wrap_faccessat(int directory, const char *name, int mode, int flags);

int __wrap_faccessat(int directory, const char *name, int mode, int flags)
{
    return vanished && strcmp(name, vanished) == 0 ? -1 : __real_faccessat(directory, name, mode, flags);
}

static uint64_t summed; /* bytes that checksums were made of */

uint32_t __real_crc32c(uint32_t crc, const void *data, size_t length);
uint32_t __wrap_crc32c(uint32_t crc, const void *data, size_t length);

uint32_t __wrap_crc32c(uint32_t crc, const void *data, size_t length)
{
    summed += length;
    return __real_crc32c(crc, data, length);
}

TestSuite(view_use, .init = view_start, .fini = view_end, .timeout = 900);

/* ---- what has its checksum and is wrong ------------------------------------------------------------------------- */

#define EACH (-1)

/* The nth frame (from 0; or each) of a kind in the oldest segment is written again, changed: it has its checksum. */
static void reframe(enum journal_kind kind, int nth, void (*change)(struct frame *frame, char *body))
{
    char path[256], header[SEGMENT_HEADER_SIZE], *frame_bytes = malloc(65536);
    struct segment_header segment;
    struct frame frame;
    uint64_t at = SEGMENT_HEADER_SIZE;
    int seen = 0;

    directory_name(fx.directory, ".segment", 0, path);
    cleanup_fd int fd = open(path, O_RDWR | O_CLOEXEC);
    cr_assert_eq(file_read_at(fd, header, sizeof header, 0), (ssize_t)sizeof header);
    cr_assert_eq(segment_header_decode(header, &segment, &fx.error), 0);
    for (;; at += frame_size(frame.length)) {
        const ssize_t got = file_read_at(fd, frame_bytes, 65536, at);
        const bool there = got > 0 && frame_decode(frame_bytes, (uint64_t)got, &frame) &&
                           frame_valid(frame_bytes, &frame, segment.seed, at);
        cr_assert(there || nth == EACH);
        if (!there)
            break;
        if (frame.kind != kind || (nth != EACH && seen++ < nth))
            continue;
        change(&frame, frame_bytes + FRAME_HEADER_SIZE);
        const struct slice body = {frame_bytes + FRAME_HEADER_SIZE, frame.length};
        frame_encode(frame_bytes, &frame, segment.seed, at, body, (struct slice){NULL, 0});
        cr_assert_eq(file_write_at(fd, frame_bytes, FRAME_HEADER_SIZE + frame.length, at), 0);
        if (nth != EACH)
            break;
    }
    free(frame_bytes);
}

static void without_end(struct frame *frame, char *body)
{
    (void)body;
    cr_assert(frame->flags & FRAME_END);
    frame->flags = 0;
}

static void tells_too_much(struct frame *frame, char *body)
{
    cr_assert_eq(frame->length, 16);
    body[12] = 1;
}

static void tells_of_later_records(struct frame *frame, char *body)
{
    cr_assert_eq(frame->length, 16);
    body[4] = 1;
}

static void one_more(struct frame *frame, char *body)
{
    cr_assert_eq(frame->length, 4);
    body[0]++;
}

static void ends_snapshot(struct frame *frame, char *body)
{
    (void)body;
    frame->kind = JOURNAL_KIND_SNAPSHOT;
}

static void no_state(struct frame *frame, char *body)
{
    (void)body;
    frame->kind = JOURNAL_KIND_GROUP;
}

static void one_delivered_more(struct frame *frame, char *body)
{
    (void)frame;
    body[2 + body[1] + 16]++;
}

static void no_cursor(struct frame *frame, char *body)
{
    (void)frame;
    body[0] = 99;
}

static void expect_fault(
    enum journal_kind kind, int nth, void (*change)(struct frame *frame, char *body), const char *text)
{
    restore();
    reframe(kind, nth, change);
    look_closed();
    cr_assert_eq(told.faults, 1, "%s: %zu", text, told.faults);
    cr_assert_str_eq(told.fault, text);
    cr_assert_eq(told.lost + told.holes, 0);
    cr_assert_eq(told.records, 400);
    away();
}

static void beyond_the_log(struct frame *frame, char *body)
{
    const size_t values = 2 + (size_t)body[1];

    put_u64(body + values, frame->sequence + 1);
    put_u64(body + values + 16, frame->sequence + 1 - get_u64(body + values + 8)); /* it adds up */
}

Test(view_use, says_what_cannot_be_right)
{
    fixture_put(&fx, 1, 3, 300);
    fixture_move(&fx, 2);
    for (uint64_t i = 0; i < 40; i++)
        fixture_put(&fx, i * 10 + 4, i == 39 ? 7 : 10, 300);
    fixture_close(&fx);
    save();
    expect_fault(JOURNAL_KIND_DATA, 2, without_end, "the hand-over before it has no end");
    look_closed();
    const int records = (int)view->segments[0].last;
    away();
    expect_fault(JOURNAL_KIND_DATA, records - 1, without_end, "the hand-over before it has no end");
    expect_fault(JOURNAL_KIND_GROUP, 1, tells_too_much, "a group's mark that tells of what is not before it");
    expect_fault(
        JOURNAL_KIND_GROUP, 1, tells_of_later_records, "a group's mark that tells of what is not before it");
    expect_fault(JOURNAL_KIND_SNAPSHOT, 0, one_more, "the snapshot's end does not tell of what is in it");
    expect_fault(JOURNAL_KIND_GROUP, 0, ends_snapshot, "the end of a snapshot behind it");
    expect_fault(STATE_CURSOR, 1, one_delivered_more, "a cursor whose totals do not add up");
    expect_fault(STATE_CURSOR, 1, no_cursor, "a cursor whose totals do not add up");
    expect_fault(STATE_CURSOR, 1, beyond_the_log, "a cursor beyond the records before it");
    expect_fault(STATE_CURSOR, 0, no_state, "not what a snapshot of the state holds there");
}

static void tells_of_both(struct frame *frame, char *body)
{
    tells_too_much(frame, body);
    tells_of_later_records(frame, body);
}

static void tells_of_none(struct frame *frame, char *body)
{
    (void)frame;
    put_u64(body, 0);
}

/* Nothing accepted from here on may be passed unread, or have a number that was given before. */
static void expect_disbelief(enum journal_kind kind, int nth, void (*change)(struct frame *frame, char *body))
{
    struct journal_cursor cursor;
    struct found *found = malloc(sizeof *found);

    restore();
    reframe(kind, nth, change);
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
    cr_assert_eq(fx.report.last_sequence, 3);
    cr_assert_eq(fx.report.records_damaged, 0);
    cr_assert_eq(journal_cursor(fx.journal, "one", &cursor, &fx.error), 0);
    cr_assert_leq(cursor.position, 2);
    cr_assert_eq(fixture_put(&fx, 4, 1, 300), 0);
    fixture_read(&fx, cursor.position, found);
    cr_assert_eq(found->count, 4 - cursor.position);
    cr_assert_eq(found->id[found->count - 1], 4);
    free(found);
}

Test(view_use, a_start_believes_nothing_that_cannot_be_right)
{
    fixture_put(&fx, 1, 3, 300);
    fixture_move(&fx, 2);
    fixture_close(&fx);
    save();
    expect_disbelief(JOURNAL_KIND_GROUP, 1, tells_of_both);
    expect_disbelief(JOURNAL_KIND_GROUP, EACH, tells_of_none);
    expect_disbelief(STATE_CURSOR, 1, beyond_the_log);
}

/* ---- beside a gateway ------------------------------------------------------------------------------------------- */

Test(view_use, sees_a_journal_in_use_whole)
{
    uint64_t last = 0;

    for (uint64_t i = 0; i < 60; i++) {
        fixture_put(&fx, i * 10 + 1, 10, 300);
        if (i % 3 == 2)
            fixture_move(&fx, i * 10 - 5);
        int tries = 0;
        while (look()) {
            cr_assert_eq(fx.error.kind, ERROR_RETRY, "%s", fx.error.text);
            cr_assert_lt(++tries, 1000, "%s", fx.error.text);
            away();
        }
        cr_assert_eq(told.lost + told.holes + told.faults, 0, "%s", told.fault);
        cr_assert_eq(view->tail_first, 0);
        cr_assert_geq(view->last, i * 10 + 10);
        cr_assert_geq(view->last, last);
        last = view->last;
        away();
    }
}

Test(view_use, what_is_freed_meanwhile_is_not_damaged)
{
    struct journal_cursor cursor;

    fill(3);
    cr_assert_eq(journal_view_open(&view, fx.directory, &fx.error), 0);
    cr_assert_eq(journal_view_recover(view, NULL, 0, &fx.error), 0);
    const uint64_t records = view->last;
    cr_assert_eq(journal_cursor(fx.journal, "one", &cursor, &fx.error), 0);
    for (uint64_t i = 30; i < 90; i++) {
        fixture_put(&fx, i * 10 + 1, 10, 300);
        fixture_move(&fx, i * 10 + 10);
    }
    for (int tries = 0; tries < 60000 && directory_files(fx.directory, ".segment") > 1; tries++)
        usleep(1000);
    memset(&told, 0, sizeof told);
    cr_assert_eq(journal_view_walk(view, 0, take, &told, &fx.error), 0, "%s", fx.error.text);
    cr_assert_eq(told.freed, records);
    cr_assert_eq(told.lost + told.holes + told.faults + told.records, 0);
    away();
}

/* A hole in a file that has lost its name since it was opened, as a recycled one has. */
static int take_and_unlink(void *context, const struct journal_view_item *item, struct error *error)
{
    char path[256];

    if (item->type == JOURNAL_VIEW_RECORD && item->first == 3) {
        snprintf(path, sizeof path, "%s/%s", fx.directory, item->segment->file);
        cr_assert_eq(unlink(path), 0);
    }
    return take(context, item, error);
}

Test(view_use, a_hole_in_what_was_recycled_is_none)
{
    char path[256];

    fill(3);
    fixture_close(&fx);
    directory_name(fx.directory, ".segment", 0, path);
    file_flip(path, 40000, 0xff);
    memset(&told, 0, sizeof told);
    cr_assert_eq(journal_view_open(&view, fx.directory, &fx.error), 0);
    cr_assert_eq(journal_view_recover(view, NULL, 0, &fx.error), 0);
    cr_assert_eq(journal_view_walk(view, 0, take_and_unlink, &told, &fx.error), 0, "%s", fx.error.text);
    cr_assert_gt(told.freed, 0);
    cr_assert_eq(told.freed + told.records, 300);
    cr_assert_eq(told.lost + told.holes, 0);
    away();
}

/* Records behind the first segment's last ones, of which no outlet needs any. */
static void fill_passed(struct journal_reader **ret_reader)
{
    struct journal_entry entry;

    cr_assert_eq(journal_reader_open(ret_reader, fx.journal, 0, &fx.error), 0);
    fixture_put(&fx, 1, 10, 300);
    cr_assert_eq(journal_read(*ret_reader, &entry, &fx.error), 1); /* and it stands there */
    for (uint64_t i = 1; i < 60; i++)
        fixture_put(&fx, i * 10 + 1, 10, 300);
    fixture_move(&fx, 590);
}

Test(view_use, what_every_outlet_has_passed_is_freed_in_its_order)
{
    struct journal_reader *reader;

    fill_passed(&reader);
    fixture_settle(&fx);
    const size_t count = directory_files(fx.directory, ".segment");
    cr_assert_gt(count, 2);
    cr_assert_eq(look(), 0, "%s", fx.error.text);
    cr_assert_eq(told.records, 600);
    cr_assert_eq(told.lost + told.holes + told.faults + told.freed, 0);
    away();
    journal_reader_close(&reader);
    for (int tries = 0; tries < 60000 && directory_files(fx.directory, ".segment") > 2; tries++)
        usleep(1000);
    cr_assert_leq(directory_files(fx.directory, ".segment"), 2);
}

/* No segment goes before the one in front of it: so this one was lost, or the last records of that one. */
Test(view_use, what_is_missing_behind_a_segment_was_not_freed)
{
    struct journal_reader *reader;
    char path[256];

    fill_passed(&reader);
    fixture_settle(&fx);
    cr_assert_eq(look(), 0, "%s", fx.error.text);
    const uint64_t first = view->segments[1].first, last = view->segments[1].last;
    const uint64_t end = view->segments[0].end;
    away();
    directory_name(fx.directory, ".segment", 1, path);
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(look(), 0, "%s", fx.error.text);
    cr_assert_eq(told.freed, 0);
    cr_assert_eq(told.count, 1);
    cr_assert_eq(told.ranges[0].first, first);
    cr_assert_eq(told.ranges[0].last, last);
    away();
    directory_name(fx.directory, ".segment", 0, path);
    file_flip(path, end - 100, 0xff);
    cr_assert_eq(look(), 0, "%s", fx.error.text);
    cr_assert_eq(told.freed, 0);
    cr_assert_eq(told.count, 1);
    cr_assert_eq(told.ranges[0].first, first - 1, "the last record in front of it as well");
    cr_assert_eq(told.ranges[0].last, last);
    away();
    journal_reader_close(&reader);
}

Test(view_use, a_segment_that_was_made_while_the_directory_was_read)
{
    char path[256];

    fill(6);
    fixture_close(&fx);
    directory_name(fx.directory, ".segment", 1, path);
    hidden = strrchr(path, '/') + 1;
    cr_assert_eq(journal_view_open(&view, fx.directory, &fx.error), -1);
    cr_assert_eq(fx.error.kind, ERROR_RETRY);
    cr_assert(strstr(fx.error.text, "was made meanwhile"), "%s", fx.error.text);
    hidden = NULL;
    look_closed();
    cr_assert_eq(told.records, 600);
    away();
}

/* A start that makes one cuts the one before it to its end. */
Test(view_use, the_newest_segment_was_made_while_the_directory_was_read)
{
    char path[256];

    fill(6);
    fixture_reopen(&fx);
    fixture_close(&fx);
    directory_name(fx.directory, ".segment", -1, path);
    hidden = strrchr(path, '/') + 1;
    cr_assert_eq(journal_view_open(&view, fx.directory, &fx.error), -1);
    cr_assert_eq(fx.error.kind, ERROR_RETRY);
    cr_assert(strstr(fx.error.text, "was made meanwhile"), "%s", fx.error.text);
    hidden = NULL;
    look_closed();
    cr_assert_eq(told.records, 600);
    for (size_t i = 0; i < view->segments_count; i++)
        cr_assert_not(view->segments[i].cut);
    away();
}

Test(view_use, a_segment_that_was_freed_while_its_header_was_read)
{
    char path[256];

    fill(6);
    fixture_close(&fx);
    directory_name(fx.directory, ".segment", 0, path);
    file_flip(path, 3, 0xff);
    file_flip(path, SEGMENT_HEADER_COPY + 3, 0xff);
    vanished = strrchr(path, '/') + 1;
    cr_assert_eq(journal_view_open(&view, fx.directory, &fx.error), -1);
    cr_assert_eq(fx.error.kind, ERROR_RETRY);
    cr_assert(strstr(fx.error.text, "was freed meanwhile"), "%s", fx.error.text);
    vanished = NULL;
    look_closed();
    cr_assert_gt(told.lost, 0);
    away();
}

/* Read from 8 bytes behind its beginning, each stale frame of these records looks like one whose length is its sequence: a start behind a kill took minutes to make
 * the checksums of all of them. */
Test(view_use, stale_frames_are_not_summed_up)
{
    const uint64_t first =
        UINT64_C(1) << 32; /* the upper half of an id stands where a kind is looked for: that of records */
    char newest[256] = "", path[256] = "";
    uint64_t put = 0;

    while (put < 30000 || strcmp(path, newest) == 0) {
        memcpy(newest, path, sizeof newest);
        cr_assert_eq(fixture_put(&fx, first + put, 500, 16), 0, "%s", fx.error.text);
        put += 500;
        fixture_move(&fx, put);
        directory_name(fx.directory, ".segment", -1, path);
        if (!*newest)
            memcpy(newest, path, sizeof newest);
    }
    fixture_close(&fx);
    summed = 0;
    cr_assert_eq(journal_view_open(&view, fx.directory, &fx.error), 0, "%s", fx.error.text);
    cr_assert_eq(journal_view_recover(view, NULL, 0, &fx.error), 0, "%s", fx.error.text);
    cr_assert_eq(view->last, put);
    cr_assert_lt(summed, 20 * SEGMENT, "%lu bytes", (unsigned long)summed);
    away();
    summed = 0;
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
    cr_assert_lt(summed, 20 * SEGMENT, "%lu bytes", (unsigned long)summed);
    cr_assert_eq(fx.report.last_sequence, put);
}

Test(view_use, walks_what_is_asked_for)
{
    fill(6);
    cr_assert_eq(look(), 0);
    const uint64_t all = told.records;
    memset(&told, 0, sizeof told);
    cr_assert_eq(journal_view_walk(view, 599, take, &told, &fx.error), 0);
    cr_assert_eq(all, 600);
    cr_assert_gt(told.records, 0);
    cr_assert_lt(told.records, 250, "the last segment is enough");
    memset(&told, 0, sizeof told);
    cr_assert_eq(journal_view_walk(view, 600, take, &told, &fx.error), 0);
    cr_assert_eq(told.records + told.states, 0);
    away();
}

static int refuse(void *context, const struct journal_view_item *item, struct error *error)
{
    return *(enum journal_view_type *)context == item->type ? error_set(error, ERROR_REJECT, "no") : 0;
}

Test(view_use, ends_where_the_visitor_wants)
{
    enum journal_view_type types[] = {JOURNAL_VIEW_RECORD, JOURNAL_VIEW_STATE, JOURNAL_VIEW_DAMAGE};
    char path[256];

    fill(3);
    fixture_move(&fx, 5);
    fixture_close(&fx);
    directory_name(fx.directory, ".segment", 1, path);
    file_flip(path, 40000, 0xff);
    directory_name(fx.directory, ".segment", 0, path);
    for (int gone = 0; gone < 2; gone++) {
        cr_assert_eq(look(), 0);
        for (size_t i = 0; i < sizeof types / sizeof *types; i++)
            cr_assert_eq(journal_view_walk(view, 0, refuse, &types[i], &fx.error), -1, "%zu", i);
        away();
        unlink(path);
    }
}
