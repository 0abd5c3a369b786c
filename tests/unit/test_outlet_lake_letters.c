/* outlet_lake_letters: records that the lake can never store become dead letters, once each, and stop nothing */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "letters_fsync.h"
#include "outlet_lake_harness.h"
#include "outlet/worker.h"

#define UNKNOWN_RENDERING 99

TestSuite(outlet_lake_letters, .init = set_up, .fini = tear_down, .timeout = 900);

/* ---- records that cannot be stored ------------------------------------------------------------------------ */

struct letters_of_lake {
    const char *stream; /* NULL: any */
    size_t count;
};

static int check_letter(
    void *context, struct slice line, const struct dead_letter_parsed *parsed, struct error *ret_error)
{
    struct letters_of_lake *expected = context;

    (void)ret_error;
    cr_assert_not_null(parsed, "%.*s", (int)line.length, line.data);
    const struct dead_letter *letter = dead_letter_parsed_letter(parsed);
    cr_assert_str_eq(letter->outlet, "lake");
    cr_assert_str_eq(letter->id.gateway, "test-1");
    cr_assert_str_eq(letter->topic, "");
    cr_assert_neq(letter->reason[0], '\0');
    cr_assert(letter->time <= now.now && letter->time >= 10 * CLOCK_SECOND);
    if (expected->stream)
        cr_assert_str_eq(letter->stream, expected->stream);
    cr_assert_eq(dead_letter_parsed_labels(parsed), 1);
    cr_assert_str_eq(letter->labels[0], "site");
    cr_assert(slice_is(letter->record->labels[0], "north"));
    cr_assert(slice_is(letter->record->key, "a"));
    cr_assert_eq(memcmp(letter->record->payload.data, "{\"n\":", 5), 0);
    expected->count++;
    return 0;
}

/* So many dead letters of the stream (NULL: of all) are there, with all that the records held. */
static void assert_letters(const char *stream, size_t count)
{
    struct letters_of_lake found = {stream, 0};

    cr_assert_eq(
        dead_letters_visit(letters_directory, stream, check_letter, &found, &error), 0, "%s", error.text);
    cr_assert_eq(found.count, count, "%zu letters instead of %zu", found.count, count);
}

static void put_damage_of_each_kind(void)
{
    const char junk[] = "junk";

    put(1, "a", 0, 0);
    put_body(slice_of(""), (struct slice){junk, 4}); /* no record of a known version */
    put(UNKNOWN_RENDERING, "a", 0, 0);
    put(1, "a", 0, RECORD_UNDECODABLE);
    put(3, "a", 0, 0); /* its template does not compile */
    put(4, "a", 0, 0); /* its path cannot be a directory */
    put(1, "a", 0, 0);
}

/* Not even those that belong to no stream. */
Test(outlet_lake_letters, what_is_not_decodable_is_for_others)
{
    put(1, "a", 0, RECORD_UNDECODABLE);
    put(RECORD_NO_RENDERING, "", 0, RECORD_UNDECODABLE);
    put(1, "a", 0, 0);
    open_pump();
    pump_all();
    drain();
    cr_assert_eq(cursor().position, 3);
    cr_assert_eq(cursor().not_for_outlet, 2);
    cr_assert_eq(cursor().delivered, 1);
    read_lake();
    cr_assert_eq(files_seen, 1);
    assert_letters(NULL, 0);
}

Test(outlet_lake_letters, what_cannot_be_stored_is_a_dead_letter_and_stops_nothing)
{
    char lost[128];

    add_rendering(3, "broken", RECORD_FORMAT_JSON, "a/{nothing}");
    add_rendering(4, "st/ream", RECORD_FORMAT_JSON, "a");
    put_damage_of_each_kind();
    open_pump();
    pump_all();
    cr_assert_eq(cursor().position, 0);
    drain();
    cr_assert_eq(cursor().position, 7);
    cr_assert_eq(cursor().delivered, 3, "without its rendering a record is kept all the same");
    cr_assert_eq(cursor().not_for_outlet, 1);
    cr_assert_eq(cursor().damaged, 1);
    cr_assert_eq(cursor().dead_lettered, 2);
    restart();
    put_damage_of_each_kind();
    drain();
    cr_assert_eq(cursor().position, 14);
    cr_assert_eq(cursor().delivered, 6);
    cr_assert_eq(cursor().not_for_outlet, 2);
    cr_assert_eq(cursor().damaged, 2);
    cr_assert_eq(cursor().dead_lettered, 4);
    assert_letters(NULL, 4);
    snprintf(lost, sizeof lost, "%s/lost-rendering-%d", root, UNKNOWN_RENDERING);
    cr_assert_eq(directory_files(lost, ".txt"), 2);
}

/* More of them than the ledger holds ahead of the cursor: what is open is published, and it goes on. */
Test(outlet_lake_letters, any_number_of_exceptions_adds_up)
{
    add_rendering(4, "st/ream", RECORD_FORMAT_JSON, "a");
    for (int i = 0; i < 700; i++)
        put(i % 2 ? 1 : 4, "a", 0, 0);
    open_pump();
    pump_all();
    cr_assert_gt(cursor().position, 300);
    drain();
    cr_assert_eq(cursor().delivered, 350);
    cr_assert_eq(cursor().dead_lettered, 350);
    assert_letters("st/ream", 350);
}

/* A dead letter given back is for the outlet that its origin names. */
Test(outlet_lake_letters, takes_what_is_given_back_to_it_alone)
{
    static const char *const origins[] = {
        "lake test-1/00000001/7", "kafka test-1/00000001/7", "lake", "", "lake2 x"};
    const struct slice payload = slice_of("{\"n\":1}");

    for (size_t i = 0; i < sizeof origins / sizeof *origins; i++) {
        const struct record record = {.rendering = 1,
            .flags = RECORD_REPLAYED,
            .received = 1,
            .key = slice_of("a"),
            .origin = slice_of(origins[i])};
        cleanup_bytes struct bytes head;
        bytes_init(&head, RECORD_HEAD_MAX);
        cr_assert_eq(record_encode_head(&record, &head, &error), 0);
        put_body(bytes_slice(&head), payload);
    }
    open_pump();
    drain();
    cr_assert_eq(cursor().delivered, 1);
    cr_assert_eq(cursor().not_for_outlet, 4);
    read_lake();
    assert_rows(1, 1);
}

/* The cursor waits for an open file below the letter, and the lake fails again and again: the letter is written once. */
Test(outlet_lake_letters, a_lake_that_starts_over_writes_no_letter_twice)
{
    add_rendering(4, "st/ream", RECORD_FORMAT_JSON, "a");
    options.lake.roll_every = 100;
    put(1, "a", 0, 0);
    put(4, "a", 0, 0);
    open_pump();
    pump_all();
    assert_letters("st/ream", 1);
    cr_assert_eq(cursor().position, 0);
    harness_remove(root);
    int fd = open(root, O_WRONLY | O_CREAT, 0600); /* where the lake should be */
    close(fd);
    for (int i = 0; i < 5; i++) {
        put(4, "a", 0, 0);
        now.now += OUTLET_BACKOFF_MOST;
        cr_assert_eq(lake_pump_step(pump, &error), -1);
    }
    harness_remove(root);
    now.now += OUTLET_BACKOFF_MOST;
    pump_all();
    drain();
    cr_assert_eq(cursor().position, 7);
    cr_assert_eq(cursor().delivered, 1);
    cr_assert_eq(cursor().dead_lettered, 6);
    assert_letters("st/ream", 6);
}

/* No room for letters: the cursor stays below their records, and goes on when there is some. */
Test(outlet_lake_letters, letters_that_cannot_be_written_hold_the_cursor)
{
    add_rendering(4, "st/ream", RECORD_FORMAT_JSON, "a");
    put(1, "a", 0, 0);
    put(4, "a", 0, 0);
    put(1, "a", 0, 0);
    letters_end(letters_directory);
    int fd = open(letters_directory, O_WRONLY | O_CREAT, 0600); /* where the directory was */
    close(fd);
    open_pump();
    cr_assert_eq(lake_pump_step(pump, &error), -1);
    cr_assert_not_null(strstr(error.text, "dead letters"), "%s", error.text);
    now.now += OUTLET_BACKOFF_MOST;
    cr_assert_eq(lake_pump_step(pump, &error), -1);
    cr_assert_eq(cursor().position, 0);
    cr_assert_eq(unlink(letters_directory), 0);
    now.now += OUTLET_BACKOFF_MOST;
    pump_all();
    drain();
    cr_assert_eq(cursor().delivered, 2);
    cr_assert_eq(cursor().dead_lettered, 1);
    assert_letters("st/ream", 1);
    read_lake();
    assert_rows(1, 1);
    assert_rows(3, 3);
}

/* What a failed fsync may have lost is written again before the cursor passes it. */
Test(outlet_lake_letters, the_cursor_waits_for_letters_to_be_durable)
{
    add_rendering(4, "st/ream", RECORD_FORMAT_JSON, "a");
    put(4, "a", 0, 0);
    put(1, "a", 0, 0);
    open_pump();
    letters_fsync_failures = 2;
    for (int i = 0; i < 2; i++) {
        cr_assert_eq(lake_pump_step(pump, &error), -1);
        cr_assert_not_null(strstr(error.text, "fsync"), "%s", error.text);
        cr_assert_eq(cursor().position, 0);
        now.now += OUTLET_BACKOFF_MOST;
    }
    pump_all();
    drain();
    cr_assert_eq(cursor().dead_lettered, 1);
    cr_assert_eq(cursor().delivered, 1);
    assert_letters("st/ream", 3); /* a file each: nobody knows what the first two kept */
    cr_assert_eq(letters_files(letters_directory, "*.jsonl"), 3);
}
