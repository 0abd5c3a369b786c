/* The journal in ordinary life: groups, rolls, cursors, full and free again, state, restarts. */
#include "journal_harness.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/file.h"

static struct fixture fx;
static struct found found;

static void start(void)
{
    fixture_start(&fx);
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
}

static void end(void)
{
    fixture_end(&fx);
}

TestSuite(journal, .init = start, .fini = end, .timeout = 900);

Test(journal, gives_back_what_was_handed_over_in_order)
{
    fixture_put(&fx, 1, 10, 100);
    fixture_put(&fx, 11, 1, 3000);
    fixture_read(&fx, 0, &found);
    cr_assert_eq(found.count, 11);
    for (uint64_t i = 0; i < 11; i++) {
        cr_assert_eq(found.id[i], i + 1);
        cr_assert_eq(found.sequence[i], i + 1);
        cr_assert_eq(found.epoch[i], journal_epoch(fx.journal));
    }
    fixture_read(&fx, 4, &found);
    cr_assert_eq(found.count, 7);
    cr_assert_eq(found.id[0], 5);
    cr_assert_eq(journal_durable(fx.journal), 11);
}

Test(journal, goes_on_behind_a_restart_under_a_new_epoch)
{
    uint32_t epoch = journal_epoch(fx.journal);

    fixture_put(&fx, 1, 5, 100);
    fixture_reopen(&fx);
    cr_assert_neq(journal_epoch(fx.journal), epoch);
    cr_assert_eq(fx.report.last_sequence, 5);
    cr_assert_eq(fx.report.segments, 1);
    cr_assert_eq(fx.report.records_damaged, 0);
    cr_assert_eq(fx.report.tail_first, 0);
    cr_assert_eq(fx.report.notes.length, 0);
    fixture_put(&fx, 6, 5, 100);
    fixture_read(&fx, 0, &found);
    cr_assert_eq(found.count, 10);
    cr_assert_eq(found.epoch[4], epoch);
    cr_assert_eq(found.epoch[5], journal_epoch(fx.journal));
    cr_assert_eq(found.sequence[9], 10);
}

Test(journal, rolls_frees_and_recycles_segments)
{
    for (uint64_t i = 0; i < 400; i++) {
        cr_assert_eq(fixture_put(&fx, i * 10 + 1, 10, 300), 0, "%s", fx.error.text);
        if (i % 10 == 9)
            fixture_move(&fx, i * 10);
    }
    cr_assert_leq(directory_bytes(fx.directory), fx.options.max_size);
    fixture_read(&fx, 3990, &found);
    cr_assert_eq(found.count, 10);
    struct journal_status status;
    journal_status(fx.journal, &status);
    cr_assert_gt(status.oldest, 3000);
    cr_assert(status.accepting);
    cr_assert_leq(directory_files(fx.directory, ""), 10);
}

/* Until the journal refuses; returns the last id that was taken. */
static uint64_t fill(uint64_t first)
{
    while (fixture_put(&fx, first, 10, 300) == 0)
        first += 10;
    return first - 1;
}

Test(journal, refuses_when_full_and_takes_again_when_an_outlet_delivered)
{
    struct journal_status status;
    uint64_t last = fill(1);

    cr_assert_eq(fx.error.kind, ERROR_RETRY);
    cr_assert(strstr(fx.error.text, "full"), "%s", fx.error.text);
    cr_assert_gt(last, 1500, "only %lu records in 16 segments", (unsigned long)last);
    cr_assert_leq(directory_bytes(fx.directory), fx.options.max_size);
    journal_status(fx.journal, &status);
    cr_assert_not(status.accepting);
    cr_assert_neq(status.reason[0], '\0');
    cr_assert_eq(status.durable, last, "what was refused was not written");

    fixture_move(&fx, last);
    for (int tries = 0; tries < 60000 && fixture_put(&fx, last + 1, 10, 300); tries++)
        usleep(1000);
    fixture_read(&fx, last, &found);
    cr_assert_eq(found.count, 10);
    journal_status(fx.journal, &status);
    cr_assert(status.accepting);
    cr_assert_gt(status.free_bytes, 0);
}

Test(journal, full_and_restarted_still_has_everything_and_room_for_cursors)
{
    uint64_t last = fill(1);

    for (int i = 0; i < 20; i++)
        fixture_reopen(&fx);
    cr_assert_leq(directory_bytes(fx.directory), fx.options.max_size + SEGMENT);
    fixture_read(&fx, 0, &found);
    cr_assert_eq(found.count, last);
    fixture_move(&fx, last - 1);
    for (int tries = 0; tries < 60000 && fixture_put(&fx, last + 1, 10, 300); tries++)
        usleep(1000);
    fixture_read(&fx, last - 1, &found);
    cr_assert_eq(found.count, 11);
}

Test(journal, full_takes_many_cursor_moves)
{
    uint64_t last = fill(1);

    for (uint64_t i = 1; i < 1000; i++)
        fixture_move(&fx, i % 2 ? i / 2 : i / 2);
    fixture_read(&fx, 499, &found);
    cr_assert_eq(found.count, last - 499);
    cr_assert_leq(directory_bytes(fx.directory), fx.options.max_size);
}

Test(journal, two_hundred_restarts_leave_no_more_than_one)
{
    fixture_reopen(&fx);
    size_t files = directory_files(fx.directory, ".segment");

    for (int i = 0; i < 200; i++)
        fixture_reopen(&fx);
    cr_assert_leq(directory_files(fx.directory, ".segment"), files + 1);
    cr_assert_leq(directory_bytes(fx.directory), 6 * SEGMENT);
}

Test(journal, restarts_with_undelivered_records_keep_them_and_little_else)
{
    for (uint64_t i = 0; i < 50; i++) {
        fixture_put(&fx, i + 1, 1, 100);
        fixture_reopen(&fx);
    }
    fixture_read(&fx, 0, &found);
    cr_assert_eq(found.count, 50);
    cr_assert_leq(directory_bytes(fx.directory), 50 * 5000 + 6 * SEGMENT);
    fixture_move(&fx, 50);
    for (int tries = 0; tries < 60000 && directory_files(fx.directory, ".segment") > 2; tries++)
        usleep(1000);
    cr_assert_leq(directory_files(fx.directory, ".segment"), 2);
}

Test(journal, cursors_survive_with_their_ledger)
{
    struct journal_cursor cursor = {
        .position = 9, .delivered = 4, .dead_lettered = 2, .not_for_outlet = 2, .damaged = 1};
    struct journal_cursor stored = {0};

    fixture_put(&fx, 1, 20, 100);
    journal_cursor_move(fx.journal, "one", &cursor);
    fixture_reopen(&fx);
    cr_assert_eq(journal_cursor(fx.journal, "one", &stored, &fx.error), 0);
    cr_assert_eq(memcmp(&stored, &cursor, sizeof cursor), 0, "closing writes the cursors");
    fixture_reopen(&fx);
    journal_cursor(fx.journal, "one", &stored, &fx.error);
    cr_assert_eq(memcmp(&stored, &cursor, sizeof cursor), 0, "from the snapshot too");
    cr_assert_eq(journal_cursor(fx.journal, "two", &stored, &fx.error), -1);
    cr_assert_eq(fx.error.kind, ERROR_FATAL);
}

Test(journal, a_new_outlet_starts_at_the_oldest_and_a_missing_one_stops_the_start)
{
    static const char *const both[] = {"one", "two"};
    struct journal_cursor cursor;

    for (uint64_t i = 0; i < 40; i++)
        fixture_put(&fx, i * 10 + 1, 10, 300);
    fixture_move(&fx, 350);
    fx.options.outlets = both;
    fx.options.outlets_count = 2;
    fixture_reopen(&fx);
    cr_assert_eq(journal_cursor(fx.journal, "two", &cursor, &fx.error), 0);
    cr_assert_eq(cursor.position, cursor.base);
    cr_assert_lt(cursor.position, 350);
    fixture_close(&fx);
    fx.options.outlets_count = 1;
    cr_assert_eq(fixture_open(&fx), -1);
    cr_assert_eq(fx.error.kind, ERROR_FATAL);
    cr_assert(strstr(fx.error.text, "outlet two"), "%s", fx.error.text);
}

Test(journal, bad_hand_overs_stay_the_callers)
{
    struct handover handover;
    char large[SEGMENT];

    handover_init(&handover, 1 << 20, NULL, NULL);
    cr_assert_eq(journal_hand_over(fx.journal, &handover, &fx.error), -1);
    cr_assert_eq(fx.error.kind, ERROR_REJECT);
    memset(large, 'x', sizeof large);
    handover.payloads = large;
    handover_add(&handover, JOURNAL_KIND_DATA, (struct slice){NULL, 0}, 0, sizeof large, &fx.error);
    cr_assert_eq(journal_hand_over(fx.journal, &handover, &fx.error), -1);
    cr_assert_eq(fx.error.kind, ERROR_REJECT);
    cr_assert(strstr(fx.error.text, "smaller batches"), "%s", fx.error.text);

    handover_clear(&handover);
    cr_assert_eq(handover.size, 0);
    cr_assert_eq(
        handover_add(&handover, JOURNAL_KIND_DATA, (struct slice){NULL, 0}, 0, (size_t)1 << 31, &fx.error),
        -1);
    handover.parts.limit = 10;
    handover_free(&handover);
    cr_assert_eq(handover_add(&handover, JOURNAL_KIND_DATA, slice_of("abc"), 0, 0, &fx.error), -1);
    cr_assert(strstr(fx.error.text, "record descriptions"), "%s", fx.error.text);
}

Test(journal, the_largest_hand_over_fits_and_rolls)
{
    uint64_t size = SEGMENT - 4096 - JOURNAL_STATE_ROOM(SEGMENT) - 4 * 2048 - 64;

    for (uint64_t i = 0; i < 5; i++)
        cr_assert_eq(fixture_put(&fx, i * 12 + 1, 12, size / 12), 0, "%s", fx.error.text);
    fixture_read(&fx, 0, &found);
    cr_assert_eq(found.count, 60);
}

Test(journal, a_second_process_is_refused_and_leaves_the_first_alone)
{
    struct journal *second;
    struct error error;

    cr_assert_eq(journal_open(&second, &fx.options, NULL, &error), -1);
    cr_assert_eq(error.kind, ERROR_FATAL);
    cr_assert(strstr(error.text, "another penstock is running"), "%s", error.text);
    cr_assert_eq(fixture_put(&fx, 1, 1, 100), 0);
}

Test(journal, another_gateway_id_is_refused_and_touches_nothing)
{
    fixture_put(&fx, 1, 3, 100);
    fixture_close(&fx);
    uint64_t bytes = directory_bytes(fx.directory);
    fx.options.gateway_id = "other";
    cr_assert_eq(fixture_open(&fx), -1);
    cr_assert(strstr(fx.error.text, "belongs to gateway.id test-1, not other"), "%s", fx.error.text);
    cr_assert_eq(directory_bytes(fx.directory), bytes);
    fx.options.gateway_id = "test-1";
    cr_assert_eq(fixture_open(&fx), 0);
    fixture_read(&fx, 0, &found);
    cr_assert_eq(found.count, 3);
}

Test(journal, a_directory_that_cannot_be_is_a_clear_error)
{
    struct journal *second;
    struct error error;

    fx.options.directory = "/proc/nowhere/journal";
    cr_assert_eq(journal_open(&second, &fx.options, NULL, &error), -1);
    cr_assert(strstr(error.text, "/proc/nowhere"), "%s", error.text);
    fx.options.directory = "/dev/null";
    cr_assert_eq(journal_open(&second, &fx.options, NULL, &error), -1);
    cr_assert(strstr(error.text, "/dev/null: not a directory"), "%s", error.text);
}

/* ---- many at once ---- */

#define THREADS 8
#define EACH 200

static void *hand_over_many(void *number)
{
    struct fixture mine = fx;
    uint64_t first = (uint64_t)(uintptr_t)number * 100000;

    for (uint64_t i = 0; i < EACH; i++)
        cr_assert_eq(fixture_put(&mine, first + i, 1 + i % 3, 60), 0, "%s", mine.error.text);
    return NULL;
}

Test(journal, threads_share_groups_and_each_hand_over_stays_together)
{
    pthread_t threads[THREADS];

    fx.options.max_size = 100 * SEGMENT;
    fixture_reopen(&fx);
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, hand_over_many, (void *)(i + 1));
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    fixture_read(&fx, 0, &found);
    cr_assert_eq(found.count, THREADS * (EACH / 3 * 6 + 1 + 2));
    for (uint64_t i = 0; i < found.count; i++)
        cr_assert_eq(found.sequence[i], i + 1);
}

static _Thread_local bool waits;
static atomic_int
    asked; /* how often the waiting thread asked for the time: the second time it holds the journal's lock */

static int64_t waiter_monotonic(const struct clock *clock)
{
    (void)clock;
    if (waits)
        atomic_fetch_add(&asked, 1);
    return clock_monotonic(&clock_system);
}

static void *wait_for_five(void *context)
{
    unsigned seen = 0;

    (void)context;
    waits = true;
    journal_wait(fx.journal, 4, 20 * CLOCK_SECOND, &seen);
    return (void *)(uintptr_t)journal_durable(fx.journal);
}

Test(journal, waiting_ends_with_a_record_a_wake_or_time)
{
    static struct clock clock;
    pthread_t thread;
    void *durable;
    unsigned seen = 0;

    clock = (struct clock){clock_system.wall, waiter_monotonic};
    fx.options.clock = &clock;
    fixture_reopen(&fx);
    fixture_put(&fx, 1, 4, 100);
    pthread_create(&thread, NULL, wait_for_five, NULL);
    while (atomic_load(&asked) < 2)
        sched_yield();
    fixture_put(&fx, 5, 1, 100);
    pthread_join(thread, &durable);
    cr_assert_eq((uintptr_t)durable, 5);
    journal_wait(fx.journal, 5, 1000, &seen);
    journal_wake(fx.journal);
    journal_wait(fx.journal, 5, INT64_MAX, &seen);
    cr_assert_eq(seen, 1);
}

/* ---- state ---- */

struct note {
    char text[64];
    uint64_t sequence;
    int applied;
    int fails; /* so often there is no memory */
    size_t dump_size;
};

static int note_apply(void *state, const void *body, size_t length, uint64_t sequence, struct error *error)
{
    struct note *note = state;

    if (length >= sizeof note->text)
        return error_set(error, ERROR_REJECT, "too long");
    if (note->fails && note->fails--)
        return error_set(error, ERROR_RETRY, "out of memory");
    memcpy(note->text, body, length);
    note->text[length] = '\0';
    note->sequence = sequence;
    note->applied++;
    return 0;
}

static int note_dump(void *state, uint64_t keep_from, state_emit_fn *emit, void *context, struct error *error)
{
    struct note *note = state;
    char large[SEGMENT] = {0};

    (void)keep_from;
    memcpy(large, note->text, strlen(note->text));
    return note->text[0] ? emit(context, large, note->dump_size ? note->dump_size : strlen(note->text), error)
                         : 0;
}

static void keep(struct note *note)
{
    static struct state_kind kind = {
        .kind = STATE_RENDERING, .name = "note", .apply = note_apply, .dump = note_dump};

    kind.state = note;
    fx.options.kinds = &kind;
    fx.options.kinds_count = 1;
    fixture_reopen(&fx);
}

static int put_note(const char *text, enum journal_kind kind)
{
    struct handover handover;

    handover_init(&handover, 4096, NULL, NULL);
    handover_add(&handover, kind, slice_of(text), 0, 0, &fx.error);
    int result = journal_hand_over_and_wait(fx.journal, &handover, &fx.error);
    handover_free(&handover);
    return result;
}

Test(journal, state_travels_in_hand_overs_and_outlives_its_segment)
{
    struct note note = {0};

    keep(&note);
    fixture_put(&fx, 1, 3, 100);
    cr_assert_eq(put_note("remember", STATE_RENDERING), 0);
    cr_assert_str_eq(note.text, "remember");
    cr_assert_eq(note.sequence, 3);
    fixture_close(&fx);
    note = (struct note){0};
    cr_assert_eq(fixture_open(&fx), 0);
    cr_assert_str_eq(note.text, "remember", "from the log");
    for (uint64_t i = 0; i < 100; i++) {
        fixture_put(&fx, i * 10 + 4, 10, 300);
        fixture_move(&fx, i * 10 + 13);
    }
    fixture_close(&fx);
    note = (struct note){0};
    cr_assert_eq(fixture_open(&fx), 0);
    cr_assert_str_eq(note.text, "remember", "from a snapshot");
    note.dump_size = JOURNAL_STATE_ROOM(SEGMENT);
    fixture_close(&fx);
    cr_assert_eq(fixture_open(&fx), -1);
    cr_assert(strstr(fx.error.text, "live state above 14848 bytes"), "%s", fx.error.text);
    note.dump_size = 0;
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
}

Test(journal, state_that_there_is_no_memory_for_is_not_given_up)
{
    struct note note = {.fails = 3};

    keep(&note);
    cr_assert(put_note("remember", STATE_RENDERING) == 0 && !strcmp(note.text, "remember"));
    fixture_close(&fx);
    note = (struct note){.fails = 1};
    cr_assert(fixture_open(&fx) && strstr(fx.error.text, "state note: out of memory"), "%s", fx.error.text);
    cr_assert(fixture_open(&fx) == 0 && !strcmp(note.text, "remember"), "%s", fx.error.text);
}

Test(journal, state_that_its_owner_refuses_is_noted_and_stops_nothing)
{
    struct note note = {0};
    char longer[80] = {0};

    memset(longer, 'x', sizeof longer - 1);
    keep(&note);
    cr_assert_eq(put_note(longer, STATE_RENDERING), 0);
    cr_assert_eq(put_note("?", (enum journal_kind)99), 0);
    cr_assert_eq(put_note("\x07?", STATE_CURSOR), 0);
    fixture_reopen(&fx);
    bytes_add(&fx.report.notes, "", 1, &fx.error);
    cr_assert(strstr(fx.report.notes.data, "state note: too long"), "%s", fx.report.notes.data);
    cr_assert(strstr(fx.report.notes.data, "state of unknown kind 99"));
    cr_assert(strstr(fx.report.notes.data, "not a cursor of version 1"));
    cr_assert_eq(fixture_put(&fx, 1, 1, 100), 0);
}

Test(journal, more_outlets_than_fit_are_refused_as_state)
{
    char body[64] = {1, 3, 'x', 'x', '0'};

    for (char i = '0'; i < '9'; i++) {
        struct handover handover;
        body[4] = i;
        handover_init(&handover, 4096, NULL, NULL);
        handover_add(&handover, STATE_CURSOR, (struct slice){body, 5 + 48}, 0, 0, &fx.error);
        cr_assert_eq(journal_hand_over_and_wait(fx.journal, &handover, &fx.error), 0);
        handover_free(&handover);
    }
    fixture_close(&fx);
    cr_assert_eq(fixture_open(&fx), -1);
    cr_assert(strstr(fx.error.text, "is not configured any more"), "%s", fx.error.text);
}

Test(journal, another_segment_size_is_taken_up_and_old_segments_stay_readable)
{
    fixture_put(&fx, 1, 100, 300);
    fixture_close(&fx);
    fx.options.segment_size = 2 * SEGMENT;
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
    fixture_put(&fx, 101, 280, 300);
    fixture_read(&fx, 0, &found);
    cr_assert_eq(found.count, 380);
}
