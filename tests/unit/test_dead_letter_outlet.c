/* dead_letter_outlet: what sources mark undecodable becomes letters, once, and the cursor waits for them */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/health.h"
#include "base/metric.h"
#include "dead_letter_outlet_harness.h"
#include "letters_fsync.h"
#include "outlet/worker.h"

TestSuite(dead_letter_outlet, .init = set_up, .fini = tear_down, .timeout = 900);

/* ---- from the journal -------------------------------------------------------------------------------------- */

Test(dead_letter_outlet, keeps_what_is_not_decodable_and_nothing_else)
{
    static struct letters_found found;

    put(1, 1, 20, 0);
    put(1, 21, 22, RECORD_UNDECODABLE);
    put_junk();
    put(1, 23, 30, 0);
    put(1, 23, 23, RECORD_UNDECODABLE);
    put(99, 24, 24, RECORD_UNDECODABLE);
    open_pump();
    pump_all();
    cr_assert_eq(cursor().position, 33);
    cr_assert_eq(cursor().dead_lettered, 4);
    cr_assert_eq(cursor().not_for_outlet, 28);
    cr_assert_eq(cursor().damaged, 1);
    letters_assert(directory, "readings", 21, 23);
    letters_assert(directory, "lost-rendering-99", 24, 24);
    letters_read(directory, NULL, &found);
    cr_assert_str_eq(found.reason, "byte 0: expected a value");
}

Test(dead_letter_outlet, what_belongs_to_no_stream_has_a_name_of_its_own)
{
    static struct letters_found found;

    put(RECORD_NO_RENDERING, 1, 2, RECORD_UNDECODABLE);
    put(1, 3, 3, RECORD_UNDECODABLE);
    open_pump();
    pump_all();
    cr_assert_eq(cursor().dead_lettered, 3);
    letters_assert(directory, RECORD_NO_STREAM, 1, 2);
    letters_assert(directory, "readings", 3, 3);
    letters_read(directory, RECORD_NO_STREAM, &found);
    cr_assert_str_eq(found.reason, "byte 0: expected a value");
    cr_assert_not(dead_letters_is_full(options.dead_letters, RECORD_NO_STREAM));
}

Test(dead_letter_outlet, goes_on_where_it_was)
{
    put(1, 1, 400, RECORD_UNDECODABLE);
    put(1, 401, 800, RECORD_UNDECODABLE);
    put(1, 801, 1000, RECORD_UNDECODABLE);
    open_pump();
    pump_all();
    dead_letter_pump_close(&pump);
    fixture_close(&fixture);
    open_journal();
    put(1, 1001, 1010, RECORD_UNDECODABLE);
    open_pump();
    cr_assert_eq(cursor().position, 1000);
    cr_assert_eq(dead_letter_pump_drain(pump, INT64_MAX, &error), 0);
    cr_assert_eq(cursor().dead_lettered, 1010);
    letters_assert(directory, "readings", 1, 1010);
}

Test(dead_letter_outlet, damage_in_the_journal_is_counted)
{
    char path[256];

    put(1, 1, 300, RECORD_UNDECODABLE);
    fixture_close(&fixture);
    directory_name(fixture.directory, ".segment", 0, path);
    file_flip(path, 4096 + 8000, 0x40);
    open_journal();
    put(1, 301, 301, RECORD_UNDECODABLE);
    open_pump();
    pump_all();
    cr_assert_eq(cursor().position, 301);
    cr_assert_eq(cursor().damaged, 1);
    cr_assert_eq(cursor().dead_lettered, 300);
}

static void block_directory(void)
{
    letters_end(directory);
    close(open(directory, O_WRONLY | O_CREAT, 0600));
}

Test(dead_letter_outlet, waits_while_letters_cannot_be_written)
{
    static const int64_t pauses[] = {100, 200, 400, 800, 1600, 3200, 5000, 5000}; /* ms */
    struct dead_letter_pump_status status;
    uint64_t after;
    int64_t until;

    put(1, 1, 5, 0);
    put(1, 6, 7, RECORD_UNDECODABLE);
    open_pump();
    block_directory();
    for (size_t i = 0; i < sizeof pauses / sizeof *pauses; i++) {
        cr_assert_eq(dead_letter_pump_step(pump, &error), -1);
        cr_assert_eq(cursor().position, 5, "what went well before is settled");
        dead_letter_pump_wait(pump, &after, &until);
        cr_assert_eq(after, UINT64_MAX);
        cr_assert_eq(until - now.now, pauses[i] * 1000);
        now.now = until - 1;
        cr_assert_eq(dead_letter_pump_step(pump, &error), 0); /* not yet */
        now.now = until;
    }
    dead_letter_pump_status(pump, &status);
    cr_assert_eq(status.failures, 8);
    cr_assert_neq(status.lag_since, 0);
    unlink(directory);
    pump_all();
    dead_letter_pump_status(pump, &status);
    cr_assert_eq(status.failures, 0);
    cr_assert_eq(status.lag_since, 0);
    cr_assert_eq(cursor().dead_lettered, 2);
    letters_assert(directory, "readings", 6, 7);
}

/* Only where there is a letter anything is read: the records before and behind it are damaged, and nobody looks. */
Test(dead_letter_outlet, passes_what_holds_no_letter)
{
    struct dead_letter_pump_status status;
    char path[256];

    put(1, 1, 100, 0);
    open_pump();
    directory_name(fixture.directory, ".segment", 0, path);
    file_flip(path, 4096 + 5000, 0x40);
    pump_all();
    cr_assert_eq(cursor().position, 100);
    cr_assert_eq(cursor().not_for_outlet, 100);
    put(1, 101, 110, 0);
    put(1, 111, 111, RECORD_UNDECODABLE);
    put(1, 112, 120, 0);
    pump_all();
    put(1, 121, 130, 0);
    pump_all();
    cr_assert_eq(cursor().position, 130);
    cr_assert_eq(cursor().not_for_outlet, 129);
    cr_assert_eq(cursor().dead_lettered, 1);
    letters_assert(directory, "readings", 111, 111);
    dead_letter_pump_status(pump, &status);
    cr_assert_eq(status.lag_since, 0);
}

/* What a failed fsync may have lost is read and written again before the cursor passes it. */
Test(dead_letter_outlet, the_cursor_waits_for_letters_to_be_durable)
{
    static struct letters_found found;

    put(1, 1, 3, 0);
    put(1, 4, 5, RECORD_UNDECODABLE);
    put(1, 6, 6, 0);
    open_pump();
    letters_fsync_failures = 2;
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(dead_letter_pump_step(pump, &error), -1);
        cr_assert_not_null(strstr(error.text, "fsync"), "%s", error.text);
        cr_assert_eq(cursor().position, 0);
        cr_assert_eq(cursor().dead_lettered, 0);
        now.now += OUTLET_BACKOFF_MOST;
    }
    pump_all();
    cr_assert_eq(cursor().position, 6);
    cr_assert_eq(cursor().dead_lettered, 2);
    cr_assert_eq(cursor().not_for_outlet, 4);
    letters_read(directory, "readings", &found);
    cr_assert_eq(found.count, 6, "three files of two letters each");
    cr_assert_eq(letters_files(directory, "*.jsonl"), 3);
}

/* Many letters in one stretch: they are made durable in portions. */
Test(dead_letter_outlet, letters_are_settled_in_portions)
{
    put(1, 1, DEAD_LETTER_PUMP_LETTERS, RECORD_UNDECODABLE);
    put(1, DEAD_LETTER_PUMP_LETTERS + 1, DEAD_LETTER_PUMP_LETTERS + 10, RECORD_UNDECODABLE);
    open_pump();
    cr_assert_eq(dead_letter_pump_step(pump, &error), 1);
    cr_assert_eq(cursor().position, DEAD_LETTER_PUMP_LETTERS);
    cr_assert_eq(dead_letter_pump_step(pump, &error), 0);
    cr_assert_eq(cursor().position, DEAD_LETTER_PUMP_LETTERS + 10);
}

/* ---- the outlet -------------------------------------------------------------------------------------------- */

static uint64_t dead_lettered(void)
{
    return metric_read(metric_series(METRIC_OUTLET_DEAD_LETTERED, "dead-letters", NULL, NULL));
}

static void wait_for_count(uint64_t (*count)(void), uint64_t wanted, const char *what)
{
    const struct timespec pause = {0, 2000000};

    for (int i = 0; i < 30000 && count() != wanted; i++)
        nanosleep(&pause, NULL);
    cr_assert_eq(count(), wanted, "waited a minute for: %s", what);
}

static uint64_t durable(void)
{
    return journal_durable(fixture.journal);
}

Test(dead_letter_outlet, its_thread_keeps_and_gives_back)
{
    struct outlet *outlet;
    const struct outlet_context context = {.config = config,
        .gateway_id = "test-1",
        .journal = fixture.journal,
        .renderings = renderings,
        .routes = routes,
        .dead_letters = options.dead_letters,
        .clock = &clock_system};

    cr_assert(outlet_dead_letter.wanted(config));
    cr_assert_str_eq(outlet_dead_letter.name, "dead-letters");
    cr_assert_eq(outlet_dead_letter.open(&outlet, &context, &error), 0, "%s", error.text);
    cr_assert_eq(outlet_dead_letter.run(outlet, &error), 0, "%s", error.text);
    put(1, 1, 3, RECORD_UNDECODABLE);
    wait_for_count(dead_lettered, 3, "three letters");
    letters_assert(directory, "readings", 1, 3);
    cr_assert_eq(letters_put(options.dead_letters, "notes", 4, 0, &error), 0);
    struct dead_letters_taken taken;
    cr_assert_eq(dead_letters_sync(options.dead_letters, &error), 0);
    cr_assert_eq(dead_letters_put_aside(directory, NULL, &taken, &error), 0);
    wait_for_count(durable, 4, "a letter given back");
    outlet_dead_letter.stop(outlet, INT64_MAX);
    put(1, 9, 9, RECORD_UNDECODABLE);
    cr_assert_eq(dead_lettered(), 3, "it is stopped");
    outlet_dead_letter.close(&outlet);
    cr_assert_null(outlet);
}

static uint64_t degraded(void)
{
    struct health_condition list[HEALTH_CONDITIONS_MAX];
    enum health_level worst;

    return health_list(list, HEALTH_CONDITIONS_MAX, &worst) == 1 &&
           strcmp(list[0].name, "dead-letters.outlet") == 0 && worst == HEALTH_DEGRADED;
}

Test(dead_letter_outlet, its_thread_says_when_letters_cannot_be_written)
{
    struct outlet *outlet;
    const struct outlet_context context = {.config = config,
        .gateway_id = "test-1",
        .journal = fixture.journal,
        .renderings = renderings,
        .routes = routes,
        .dead_letters = options.dead_letters,
        .clock = &clock_system};
    cleanup_bytes struct bytes text;

    cr_assert_eq(outlet_dead_letter.open(&outlet, &context, &error), 0, "%s", error.text);
    bytes_init(&text, 100);
    cr_assert_eq(outlet_dead_letter.describe(outlet, &text, &error), 0);
    cr_assert_eq(text.length, 0);
    block_directory();
    cr_assert_eq(outlet_dead_letter.run(outlet, &error), 0, "%s", error.text);
    put(1, 1, 2, RECORD_UNDECODABLE);
    wait_for_count(degraded, 1, "the outlet to say that it fails");
    cr_assert_eq(dead_lettered(), 0);
    unlink(directory);
    wait_for_count(dead_lettered, 2, "two letters");
    wait_for_count(degraded, 0, "the outlet to say that it works again");
    outlet_dead_letter.close(&outlet);
    letters_assert(directory, "readings", 1, 2);
}

Test(dead_letter_outlet, without_its_cursor_it_does_not_run)
{
    static const char *const others[] = {"other"};
    struct outlet *outlet;

    fixture_end(&fixture);
    fixture_start(&fixture);
    fixture.options.outlets = others;
    cr_assert_eq(fixture_open(&fixture), 0, "%s", fixture.error.text);
    const struct outlet_context context = {.journal = fixture.journal, .clock = &clock_system};
    cr_assert_eq(outlet_dead_letter.open(&outlet, &context, &error), 0);
    cr_assert_eq(outlet_dead_letter.run(outlet, &error), -1);
    cr_assert_eq(error.kind, ERROR_FATAL);
    outlet_dead_letter.close(&outlet);
}
