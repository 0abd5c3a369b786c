/* Forgetting an outlet: its cursor and marks are gone durably or not at all, and nothing else is. */
#include "journal_harness.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/little.h"

static struct fixture fx;
static struct found found;
static struct marks_found marks;
static const char *const both[] = {"one", "two"};

static void start(void)
{
    fixture_start(&fx);
    fx.options.outlets = both;
    fx.options.outlets_count = 2;
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
}

static void end(void)
{
    disk_arm(&fx.disk, 0, 0, false, 0);
    fixture_end(&fx);
}

TestSuite(forget, .init = start, .fini = end, .timeout = 900);

static int open_to_forget(const char *outlet)
{
    fixture_close(&fx);
    fx.options.outlets_count = 0;
    fx.options.forget = outlet;
    int result = fixture_open(&fx);
    fx.options.forget = NULL;
    return result;
}

static int open_with(size_t outlets)
{
    fixture_close(&fx);
    fx.options.outlets = both;
    fx.options.outlets_count = outlets;
    return fixture_open(&fx);
}

/* 400 records; one stands at 390, two at 200 with a mark at 100. */
static void fill(void)
{
    const struct journal_mark two[] = {mark_of("T", 100), mark_of("free", JOURNAL_MARK_FREE)};
    const struct journal_mark one[] = {mark_of("mine", 380)};

    for (uint64_t i = 0; i < 40; i++)
        cr_assert_eq(fixture_put(&fx, i * 10 + 1, 10, 300), 0, "%s", fx.error.text);
    fixture_mark(&fx, "one", 390, 2, one, 1);
    fixture_mark(&fx, "two", 200, 7, two, 2);
}

Test(forget, an_outlet_that_is_gone_stops_the_start_until_it_is_forgotten)
{
    struct journal_status status;

    fill();
    cr_assert_eq(open_with(1), -1);
    cr_assert_eq(fx.error.kind, ERROR_FATAL);
    cr_assert(strstr(fx.error.text, "outlet two, which is not configured any more"), "%s", fx.error.text);
    cr_assert(strstr(fx.error.text, "penstock journal forget two"), "%s", fx.error.text);
    cr_assert_eq(open_to_forget("two"), 0, "%s", fx.error.text);
    cr_assert_eq(fx.report.last_sequence, 400);
    cr_assert_eq(fx.report.forgotten.position, 200);
    cr_assert_eq(fx.report.forgotten.held, 7);
    cr_assert_eq(fx.report.forgotten_marks, 2);
    cr_assert_eq(open_with(1), 0, "%s", fx.error.text);
    cr_assert_eq(fx.report.forgotten.position, 0);
    journal_status(fx.journal, &status);
    cr_assert_gt(status.oldest, 200, "what only two needed is free");
    fixture_await(&fx, "one", 390, 2);
    fixture_marks(&fx, "one", &marks);
    cr_assert_eq(marks.count, 1);
    cr_assert_eq(marks_position(&marks, "mine"), 380);
    fixture_read(&fx, 380, &found);
    cr_assert_eq(found.count, 20);
    cr_assert_eq(found.damaged, 0);
}

Test(forget, one_that_comes_again_is_new)
{
    struct journal_cursor cursor;

    fill();
    cr_assert_eq(open_to_forget("two"), 0, "%s", fx.error.text);
    cr_assert_eq(open_with(2), 0, "%s", fx.error.text);
    cr_assert_eq(journal_cursor(fx.journal, "two", &cursor, &fx.error), 0);
    cr_assert_eq(cursor.position, cursor.base);
    cr_assert_leq(cursor.position, 380);
    cr_assert_eq(cursor.held, 0);
    fixture_marks(&fx, "two", &marks);
    cr_assert_eq(marks.count, 0);
}

Test(forget, unknown_ones_are_refused_with_the_known)
{
    fill();
    cr_assert_eq(open_to_forget("three"), -1);
    cr_assert_eq(fx.error.kind, ERROR_REJECT);
    cr_assert(strstr(fx.error.text, "nothing for outlet three; it keeps records for one, two"), "%s",
        fx.error.text);
    cr_assert_eq(open_with(2), 0, "%s", fx.error.text);
    fixture_await(&fx, "two", 200, 7);
}

Test(forget, no_directory_is_made_and_an_empty_one_has_no_outlet)
{
    static char nowhere[128];
    const char *directory = fx.options.directory;

    fixture_close(&fx);
    snprintf(nowhere, sizeof nowhere, "%s/not/there", directory);
    fx.options.directory = nowhere;
    cr_assert_eq(open_to_forget("two"), -1);
    cr_assert_eq(fx.error.kind, ERROR_FATAL);
    cr_assert(strstr(fx.error.text, "not/there: open: No such file"), "%s", fx.error.text);
    cr_assert_neq(access(nowhere, F_OK), 0);
    fx.options.directory = directory;
    while (directory_files(directory, "")) {
        char path[256];
        directory_name(directory, "", 0, path);
        unlink(path);
    }
    cr_assert_eq(open_to_forget("two"), -1);
    cr_assert(strstr(fx.error.text, "keeps records for none"), "%s", fx.error.text);
    cr_assert_eq(directory_files(directory, ""), 0);
}

Test(forget, of_the_last_one_the_records_wait_for_the_next)
{
    static const char *const other[] = {"other"};
    struct journal_cursor cursor;
    int count = 0;

    fill();
    cr_assert_eq(open_to_forget("one"), 0, "%s", fx.error.text);
    cr_assert_eq(open_to_forget("two"), 0, "%s", fx.error.text);
    for (; count < 3 && open_to_forget("two") == -1; count++)
        continue;
    cr_assert_eq(count, 3);
    fx.options.outlets = other;
    fx.options.outlets_count = 1;
    cr_assert_eq(fixture_open(&fx), 0, "%s", fx.error.text);
    cr_assert_eq(journal_cursor(fx.journal, "other", &cursor, &fx.error), 0);
    cr_assert_leq(cursor.position, 100);
    fixture_read(&fx, cursor.position, &found);
    cr_assert_eq(found.count, 400 - cursor.position);
    cr_assert_eq(found.damaged, 0);
}

Test(forget, another_gateway_or_one_that_runs_is_refused)
{
    struct journal_options options = fx.options;
    struct journal *second;

    fill();
    options.outlets_count = 0;
    options.forget = "two";
    cr_assert_eq(journal_open(&second, &options, NULL, &fx.error), -1);
    cr_assert(strstr(fx.error.text, "another penstock is running"), "%s", fx.error.text);
    fx.options.gateway_id = "other";
    cr_assert_eq(open_to_forget("two"), -1);
    cr_assert(strstr(fx.error.text, "belongs to gateway.id test-1"), "%s", fx.error.text);
}

/* ---- state of other kinds ---- */

static char remembered[16];

static int note_apply(void *state, const void *body, size_t length, uint64_t sequence, struct error *error)
{
    (void)state, (void)sequence, (void)error;
    snprintf(remembered, sizeof remembered, "%.*s", (int)length, (const char *)body);
    return 0;
}

static int note_dump(void *state, uint64_t keep_from, state_emit_fn *emit, void *context, struct error *error)
{
    (void)state, (void)keep_from;
    return remembered[0] ? emit(context, remembered, strlen(remembered), error) : 0;
}

Test(forget, no_other_state_is_lost)
{
    const struct state_kind kind = {
        .kind = STATE_RENDERING, .name = "note", .apply = note_apply, .dump = note_dump, .state = NULL};
    struct handover handover;

    fill();
    fx.options.kinds = &kind;
    fx.options.kinds_count = 1;
    cr_assert_eq(open_with(2), 0, "%s", fx.error.text);
    handover_init(&handover, 4096, NULL, NULL);
    handover_add(&handover, STATE_RENDERING, slice_of("remember"), 0, 0, &fx.error);
    cr_assert_eq(journal_hand_over_and_wait(fx.journal, &handover, &fx.error), 0);
    handover_free(&handover);
    fx.options.kinds_count = 0;
    cr_assert_eq(open_to_forget("two"), -1);
    cr_assert_eq(fx.error.kind, ERROR_FATAL);
    cr_assert(strstr(fx.error.text, "holds state of kind 17"), "%s", fx.error.text);
    fx.options.kinds_count = 1;
    remembered[0] = '\0';
    cr_assert_eq(open_to_forget("two"), 0, "%s", fx.error.text);
    remembered[0] = '\0';
    cr_assert_eq(open_with(1), 0, "%s", fx.error.text);
    cr_assert_str_eq(remembered, "remember");
}

/* Only a mark of "lost" is there: its cursor was damaged. */
Test(forget, an_outlet_of_which_only_a_mark_is_left)
{
    char body[] = {1, 4, 'l', 'o', 's', 't', 0, 0, 0, 0, 0, 0, 0, 0, 'T'};
    struct handover handover;

    fill();
    put_u64(body + 6, 50);
    handover_init(&handover, 4096, NULL, NULL);
    handover_add(&handover, STATE_MARK, (struct slice){body, sizeof body}, 0, 0, &fx.error);
    cr_assert_eq(journal_hand_over_and_wait(fx.journal, &handover, &fx.error), 0);
    handover_free(&handover);
    cr_assert_eq(open_with(2), -1);
    cr_assert_eq(open_to_forget("one"), 0, "%s", fx.error.text);
    cr_assert_eq(open_to_forget("lost"), 0, "%s", fx.error.text);
    cr_assert_eq(fx.report.forgotten.position, 0);
    cr_assert_eq(fx.report.forgotten_marks, 1);
    cr_assert_eq(open_with(2), 0, "%s", fx.error.text);
    fixture_await(&fx, "two", 200, 7);
    fixture_read(&fx, 100, &found);
    cr_assert_eq(found.count, 300);
}

/* ---- crashes ---- */

Test(forget, at_every_call_that_fails_it_is_done_or_not)
{
    char saved[64];
    int done = 0, undone = 0;

    temporary_directory(saved);
    fill();
    fixture_settle(&fx);
    fixture_close(&fx);
    directory_copy(fx.directory, saved);
    for (int dead = 0; dead < 2; dead++) {
        for (long n = 1; n < 25; n++) {
            fixture_close(&fx);
            directory_delete(fx.directory);
            directory_copy(saved, fx.directory);
            disk_arm(&fx.disk, (1u << DISK_CALLS) - 1, n, dead, EIO);
            const int told = open_to_forget("two");
            fixture_close(&fx);
            disk_arm(&fx.disk, 0, 0, false, 0);
            const bool forgotten = open_with(1) == 0;
            cr_assert(forgotten || told, "call %ld: it was told and is not done", n);
            done += forgotten;
            undone += !forgotten;
            cr_assert_eq(open_with(forgotten ? 1 : 2), 0, "call %ld: %s", n, fx.error.text);
            fixture_await(&fx, "one", 390, 2);
            if (!forgotten) {
                fixture_await(&fx, "two", 200, 7);
                fixture_marks(&fx, "two", &marks);
                cr_assert_eq(marks_position(&marks, "T"), 100);
            }
            fixture_read(&fx, forgotten ? 380 : 100, &found);
            cr_assert_eq(found.count, forgotten ? 20 : 300, "call %ld", n);
            cr_assert_eq(found.damaged, 0, "call %ld", n);
        }
    }
    cr_assert_gt(done, 2);
    cr_assert_gt(undone, 2);
    directory_delete(saved);
}

/* ---- whose journal it is ---- */

Test(forget, a_gateway_is_named_by_its_configuration_or_its_host)
{
    char id[JOURNAL_GATEWAY_ID_MAX + 1];

    journal_gateway_id(id, "site-7");
    cr_assert_str_eq(id, "site-7");
    journal_gateway_id(id, "");
    cr_assert_neq(id[0], '\0');
    for (const char *at = id; *at; at++)
        cr_assert(isalnum((unsigned char)*at) || strchr("._-", *at), "%s", id);
}
