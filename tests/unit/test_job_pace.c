/* job_pace: what is asked of the standbys and of the snapshot's age, and when, by a clock of the test's own */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "table/job_internal.h"

#define START (1000 * CLOCK_SECOND)

/* ---- a clock, and a database that says what it is told to -------------------------------------------------------- */

static _Atomic int64_t now;
static struct database_lag lag;
static const char *refuses = ""; /* which of its functions fails */
static unsigned connects, disconnects, asked;
static struct database_connection only;
static char note[2 * ERROR_TEXT_SIZE];
static unsigned notes;
static atomic_bool stop;

static int64_t tell_now(const struct clock *clock)
{
    (void)clock;
    return atomic_load(&now);
}

static const struct clock fake = {.monotonic = tell_now, .wall = tell_now};

static int connect_to(
    struct database *database, struct database_connection **ret_connection, struct error *error)
{
    (void)database;
    if (strcmp(refuses, "connect") == 0)
        return error_set(error, ERROR_RETRY, "no way to it");
    connects++;
    *ret_connection = &only;
    return 0;
}

static void disconnect_from(struct database_connection **connection)
{
    disconnects++;
    *connection = NULL;
}

static int ask_lag(struct database_connection *connection, struct database_lag *ret_lag, struct error *error)
{
    cr_assert_eq(connection, &only);
    asked++;
    if (strcmp(refuses, "lag") == 0)
        return error_set(error, ERROR_RETRY, "it does not say");
    *ret_lag = lag;
    return 0;
}

static const struct database_kind kind = {
    .name = "fake", .connect = connect_to, .disconnect = disconnect_from, .lag = ask_lag};

static void take_note(void *context, const char *text)
{
    (void)context;
    notes++;
    snprintf(note, sizeof note, "%s", text);
}

/* ---- the job ------------------------------------------------------------------------------------------------------ */

static struct job_options options = {.kind = &kind, .clock = &fake, .stop = &stop, .note = take_note};
static struct job job;

static void begin(void)
{
    atomic_store(&now, START);
    job.options = &options;
    pthread_mutex_init(&job.lock, NULL);
    pthread_cond_init(&job.changed, NULL);
}

static void end(void)
{
    job_pace_close(&job);
    pthread_cond_destroy(&job.changed);
    pthread_mutex_destroy(&job.lock);
}

TestSuite(job_pace, .init = begin, .fini = end);

static void look_after(int64_t time)
{
    atomic_fetch_add(&now, time);
    job_pace_look(&job);
}

static void expect_note(unsigned count, const char *words)
{
    cr_assert_eq(notes, count, "%u notes, the last is \"%s\"", notes, note);
    cr_assert_not_null(strstr(note, words), "\"%s\" is not in \"%s\"", words, note);
}

Test(job_pace, nothing_is_asked_that_nobody_wants_to_know)
{
    job_pace_open(&job);
    for (int i = 0; i < 100; i++)
        look_after(60 * CLOCK_SECOND);
    cr_assert_eq(connects + asked + notes, 0);
}

Test(job_pace, standbys_of_a_primary)
{
    options.max_lag = 10;
    job_pace_open(&job);
    lag.behind = 10 * CLOCK_SECOND;
    look_after(0);
    cr_assert(asked == 1 && !atomic_load(&job.pace.paused));
    look_after(CLOCK_SECOND / 2);
    cr_assert_eq(asked, 1, "not more often than once a second");
    lag.behind++;
    look_after(CLOCK_SECOND);
    cr_assert(atomic_load(&job.pace.paused));
    expect_note(1, "a standby is 10.0 s behind: no rows are read until it is less than 10 s");
    /* However long that takes. */
    for (int i = 0; i < 1000; i++)
        look_after(CLOCK_SECOND);
    cr_assert(atomic_load(&job.pace.paused) && notes == 1 && connects == 1);
    lag.behind = 0;
    look_after(CLOCK_SECOND);
    cr_assert(!atomic_load(&job.pace.paused));
    expect_note(2, "rows are read again");
}

Test(job_pace, a_standby_is_not_waited_for_without_an_end)
{
    options.max_lag = 10;
    job.server.standby = true;
    job_pace_open(&job);
    lag.behind = 60 * CLOCK_SECOND;
    look_after(0);
    expect_note(1, "this standby is 60.0 s behind");
    look_after(59 * CLOCK_SECOND);
    cr_assert(atomic_load(&job.pace.paused));
    look_after(CLOCK_SECOND);
    cr_assert(!atomic_load(&job.pace.paused));
    expect_note(2, "the import's own snapshot may be what holds up the standby");
    look_after(59 * CLOCK_SECOND);
    cr_assert(!atomic_load(&job.pace.paused));
    look_after(CLOCK_SECOND);
    cr_assert(atomic_load(&job.pace.paused));
    expect_note(3, "this standby is 60.0 s behind");
}

Test(job_pace, standbys_that_are_not_to_be_seen)
{
    options.max_lag = 10;
    lag = (struct database_lag){.behind = 0, .hidden = true};
    job_pace_open(&job);
    look_after(0);
    expect_note(1, "GRANT pg_monitor");
    look_after(CLOCK_SECOND);
    cr_assert_eq(notes, 1, "it is said once");
    lag.hidden = false;
    look_after(CLOCK_SECOND);
    lag.hidden = true;
    look_after(CLOCK_SECOND);
    expect_note(2, "GRANT pg_monitor");
}

/* A server that does not say holds up nobody, and is not asked at every turn. */
Test(job_pace, a_server_that_does_not_say)
{
    options.max_lag = 10;
    job_pace_open(&job);
    lag.behind = 20 * CLOCK_SECOND;
    look_after(0);
    cr_assert(atomic_load(&job.pace.paused));
    refuses = "lag";
    look_after(CLOCK_SECOND);
    cr_assert(!atomic_load(&job.pace.paused));
    cr_assert_eq(disconnects, 1);
    expect_note(3, "rows are read again");
    refuses = "connect";
    look_after(29 * CLOCK_SECOND);
    cr_assert_eq(asked, 2, "half a minute has not gone by");
    look_after(CLOCK_SECOND);
    cr_assert(asked == 2 && connects == 1 && notes == 3);
    refuses = "";
    look_after(30 * CLOCK_SECOND);
    cr_assert(asked == 3 && connects == 2 && atomic_load(&job.pace.paused));
}

Test(job_pace, an_old_snapshot_is_told_of)
{
    snprintf(job.snapshot.id, sizeof job.snapshot.id, "1-1");
    job.snapshot.taken = START - 60 * CLOCK_SECOND;
    job_pace_open(&job);
    look_after(599 * CLOCK_SECOND);
    cr_assert_eq(notes, 0);
    look_after(CLOCK_SECOND);
    expect_note(1, "the snapshot is 11 minutes old");
    look_after(599 * CLOCK_SECOND);
    cr_assert_eq(notes, 1);
    look_after(CLOCK_SECOND);
    expect_note(2, "the snapshot is 21 minutes old");
    cr_assert(!job_is_over(&job));
}

Test(job_pace, a_snapshot_that_is_too_old_ends_it)
{
    options.max_snapshot_age = 60;
    snprintf(job.snapshot.id, sizeof job.snapshot.id, "1-1");
    job.snapshot.taken = START;
    job_pace_open(&job);
    look_after(60 * CLOCK_SECOND);
    cr_assert(!job_is_over(&job));
    look_after(CLOCK_SECOND);
    cr_assert(job_is_over(&job) && job.error.kind == ERROR_RETRY);
    cr_assert(strstr(job.error.text, "the snapshot is 61 s old, --max-snapshot-age is 60"));
    /* The first error stays, and nothing more is asked. */
    options.max_lag = 1;
    look_after(CLOCK_SECOND);
    cr_assert(strstr(job.error.text, "61 s old") && asked == 0);
}

/* ---- workers ------------------------------------------------------------------------------------------------------ */

Test(job_pace, batches_are_smaller_at_a_low_rate)
{
    job_pace_open(&job);
    cr_assert_eq(job_pace_read(&job).batch_bytes, READ_BATCH_BYTES);
    options.max_rate = 1 << 20;
    cr_assert_eq(job_pace_read(&job).batch_bytes, 1 << 17);
    options.read.batch_bytes = 1000;
    cr_assert_eq(job_pace_read(&job).batch_bytes, 1000);
}

static bool has_taken(void)
{
    pthread_mutex_lock(&job.pace.pace.lock);
    const bool taken = job.pace.pace.even > START;
    pthread_mutex_unlock(&job.pace.pace.lock);
    return taken;
}

static void *take(void *done)
{
    job_pace_take(&job, 5 << 20);
    atomic_store((atomic_bool *)done, true);
    return NULL;
}

/* The clock stands still, so it waits; what ends the wait is the test's, in three ways. */
Test(job_pace, a_worker_waits, .timeout = 60)
{
    for (int way = 0; way < 3; way++) {
        atomic_bool done = false;
        pthread_t thread;
        options.max_rate = way == 0 ? 1 << 20 : 0;
        job_pace_open(&job);
        atomic_store(&job.pace.paused, way > 0);
        cr_assert_eq(pthread_create(&thread, NULL, take, &done), 0);
        while (way == 0 && !has_taken())
            sched_yield();
        cr_assert(!atomic_load(&done));
        if (way == 0)
            atomic_fetch_add(&now, 10 * CLOCK_SECOND);
        else if (way == 1)
            atomic_store(&job.pace.paused, false);
        else
            atomic_store(&stop, true);
        cr_assert_eq(pthread_join(thread, NULL), 0);
        cr_assert(atomic_load(&done));
        if (way < 2)
            job_pace_close(&job);
    }
}
