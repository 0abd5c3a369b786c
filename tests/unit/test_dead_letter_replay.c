/* dead_letter_replay: what people give back becomes records again, and nothing is lost on the way */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "dead_letter_outlet_harness.h"

TestSuite(dead_letter_replay, .init = set_up, .fini = tear_down, .timeout = 900);

/* ---- records --------------------------------------------------------------------------------- */

static void put_aside(void)
{
    struct dead_letters_taken taken;

    cr_assert_eq(dead_letters_sync(options.dead_letters, &error), 0);
    cr_assert_eq(dead_letters_put_aside(directory, NULL, &taken, &error), 0, "%s", error.text);
}

static void replay_all(void)
{
    int worked;

    if (!replay)
        cr_assert_eq(dead_letter_replay_open(&replay, &options, &error), 0);
    do
        worked = dead_letter_replay_step(replay, &error);
    while (worked > 0);
    cr_assert_eq(worked, 0, "%s", error.text);
    cr_assert_eq(letters_files(directory, "*.replay"), 0);
}

static void add(const struct dead_letter *letter)
{
    cr_assert_eq(dead_letters_add(options.dead_letters, letter, &error), 0, "%s", error.text);
}

Test(dead_letter_replay, gives_back_what_a_record_was)
{
    const struct record record = {.flags = RECORD_EVENT_TIME | RECORD_ENVELOPED,
        .received = 11,
        .event = 12,
        .key = slice_of("SENSOR_1"),
        .labels = {slice_of("west"), slice_of("north")},
        .labels_count = 2,
        .origin = slice_of("http"),
        .payload = slice_of("{\"a\":\"\xc3\xa9\"}")};
    static const char *const labels[] = {"gone", "site"};
    const struct dead_letter letter = {.id = {"test-1", 0x1f, 42},
        .outlet = "lake",
        .stream = "readings",
        .topic = "T",
        .reason = "r",
        .time = 1,
        .record = &record,
        .labels = labels};

    add(&letter);
    put_aside();
    replay_all();
    read_journal(0);
    cr_assert_eq(seen_count, 1);
    cr_assert_str_eq(seen[0].payload, "{\"a\":\"\xc3\xa9\"}");
    cr_assert_str_eq(seen[0].origin, "lake test-1/0000001f/42 T");
    cr_assert_str_eq(seen[0].key, "SENSOR_1");
    cr_assert_str_eq(seen[0].site, "north", "labels are found by name");
    cr_assert_str_eq(seen[0].zone, "");
    cr_assert_eq(seen[0].rendering, 1);
    cr_assert_eq(seen[0].flags, RECORD_EVENT_TIME | RECORD_ENVELOPED | RECORD_REPLAYED);
    cr_assert_eq(seen[0].received, 11);
    cr_assert_eq(seen[0].event, 12);
}

/* Small segments: the journal refuses what is handed over at once, and gets it one by one. */
static void give_back_many(uint64_t segment_size)
{
    fixture_close(&fixture);
    fixture.options.segment_size = segment_size;
    fixture.options.max_size = 64 * segment_size;
    open_journal();
    for (unsigned number = 1; number <= 1500; number++)
        cr_assert_eq(letters_put(options.dead_letters, number % 2 ? "readings" : "notes", number,
                         number % 100 == 0 ? 40000 : 0, &error),
            0);
    put_aside();
    replay_all();
    read_journal(0);
    cr_assert_eq(seen_count, 1500);
    for (unsigned i = 0; i < 1500; i++) {
        unsigned expected = i < 750 ? 2 * i + 1 : 2 * (i - 750) + 2, number;
        cr_assert_eq(sscanf(seen[i].payload, "letter %u", &number), 1);
        cr_assert_eq(number, expected);
        cr_assert_eq(seen[i].rendering, number % 2 ? 1 : 2);
    }
    letters_assert(directory, NULL, 1, 0);
    cr_assert_eq(dead_letter_replay_step(replay, &error), 0);
}

Test(dead_letter_replay, gives_back_many_in_order_once_each)
{
    give_back_many(1 << 20);
}

Test(dead_letter_replay, gives_back_one_by_one_where_segments_are_small)
{
    give_back_many(SEGMENT);
}

/* One letter, put into a file of `stream`, that has to come back with this in its reason. */
static void assert_returned(struct dead_letter *letter, const char *why)
{
    static struct letters_found found;

    add(letter);
    put_aside();
    uint64_t durable = journal_durable(fixture.journal);
    replay_all();
    cr_assert_eq(journal_durable(fixture.journal), durable, "%s", why);
    letters_read(directory, letter->stream, &found);
    cr_assert_eq(found.count, 1, "%s", why);
    cr_assert_not_null(strstr(found.reason, why), "%s: %s", why, found.reason);
    cr_assert_eq(strncmp(found.reason, "not given back: ", 16), 0);
    cr_assert_not_null(strstr(found.reason, "; before: first"), "%s", found.reason);
    /* And again: the reason does not grow. */
    size_t length = strlen(found.reason);
    put_aside();
    replay_all();
    letters_read(directory, letter->stream, &found);
    cr_assert_eq(found.count, 1);
    cr_assert_eq(strlen(found.reason), length, "%s", found.reason);
    struct dead_letters_taken taken;
    cr_assert_eq(dead_letters_drop(directory, NULL, &taken, &error), 0);
    cr_assert_eq(taken.letters, 1);
}

static struct dead_letter plain_letter(const struct record *record)
{
    static const char *const labels[] = {"site"};

    return (struct dead_letter){.id = {"test-1", 1, 2},
        .outlet = "lake",
        .stream = "readings",
        .topic = "",
        .reason = "first",
        .record = record,
        .labels = labels};
}

Test(dead_letter_replay, what_cannot_be_given_back_stays_a_letter)
{
    struct record record = {.payload = slice_of("letter 1 ")};
    struct dead_letter letter = plain_letter(&record);

    letter.stream = "gone";
    assert_returned(&letter, "there is no stream \"gone\"");
    letter = plain_letter(&record);
    letter.outlet = "kafka";
    assert_returned(&letter, "there is no outlet \"kafka\"");
    letter.outlet = "dead-letters";
    assert_returned(&letter, "there is no outlet \"dead-letters\"");
    letter = plain_letter(&record);
    record.flags = RECORD_UNDECODABLE;
    assert_returned(&letter, "it is not decodable");
    record.flags = 0;
    record.key = slice_of("a\nb");
    assert_returned(&letter, "key: control character");
    record.key = slice_of("k");
    record.labels_count = 1;
    record.labels[0] = slice_of("\xff");
    assert_returned(&letter, "site: byte 0 is not UTF-8");
}

/* Larger than any hand-over may be. */
Test(dead_letter_replay, what_the_journal_cannot_hold_stays_a_letter)
{
    static char large[2 * SEGMENT];
    struct record record = {.payload = {large, sizeof large}};

    memset(large, ' ', sizeof large);
    memcpy(large, "letter 1", 8);
    struct dead_letter letter = plain_letter(&record);
    assert_returned(&letter, "segment size");
}

static void append_aside(const char *text)
{
    int fd = open(letters_path(directory, "*.replay", 0), O_WRONLY | O_APPEND);

    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

Test(dead_letter_replay, a_file_that_people_spoiled_loses_nothing)
{
    static struct letters_found found;

    for (unsigned number = 1; number <= 3; number++)
        cr_assert_eq(letters_put(options.dead_letters, "readings", number, 0, &error), 0);
    put_aside();
    append_aside("\n\nletter 4 in my own words\n\n{\"half\":");
    replay_all();
    read_journal(0);
    cr_assert_eq(seen_count, 3);
    letters_read(directory, "readings", &found);
    cr_assert_eq(found.count, 1, "the line in own words; half a line was never durable");
    cr_assert_eq(found.number[0], 4);
    cr_assert_not_null(strstr(found.reason, "not given back: dead letter: byte"), "%s", found.reason);
    /* It does not become a letter within a letter. */
    put_aside();
    replay_all();
    letters_read(directory, "readings", &found);
    cr_assert_eq(found.count, 1);
    cr_assert_eq(found.number[0], 4);
    cr_assert_not_null(strstr(found.reason, "not decodable"), "%s", found.reason);
}

/* A whole letter whose LF is missing is one. */
Test(dead_letter_replay, a_last_line_without_its_end_is_a_letter_when_it_is_whole)
{
    cr_assert_eq(letters_put(options.dead_letters, "readings", 1, 0, &error), 0);
    put_aside();
    const char *path = letters_path(directory, "*.replay", 0);
    cr_assert_eq(truncate(path, (off_t)letters_size(path) - 1), 0);
    replay_all();
    read_journal(0);
    cr_assert_eq(seen_count, 1);
}

Test(dead_letter_replay, waits_until_the_rendering_is_stored)
{
    rendering_table_free(&renderings);
    cr_assert_eq(rendering_table_new(&renderings, &error), 0);
    options.renderings = renderings;
    cr_assert_eq(letters_put(options.dead_letters, "gone", 1, 0, &error), 0);
    cr_assert_eq(letters_put(options.dead_letters, "readings", 2, 0, &error), 0);
    put_aside();
    cr_assert_eq(dead_letter_replay_open(&replay, &options, &error), 0);
    int worked;
    while ((worked = dead_letter_replay_step(replay, &error)) > 0)
        ;
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(dead_letter_replay_step(replay, &error), -1);
        cr_assert_eq(error.kind, ERROR_RETRY);
    }
    cr_assert_eq(letters_files(directory, "*.replay"), 1);
    store_rendering("readings", 1);
    replay_all();
    read_journal(0);
    cr_assert_eq(seen_count, 1);
    letters_assert(directory, "gone", 1, 1);
}

/* A full journal takes part of a file; when it has room again, the rest, and nothing twice. */
Test(dead_letter_replay, a_full_journal_gets_each_letter_once)
{
    static unsigned times[2001];
    unsigned refused = 0;

    for (unsigned number = 1; number <= 2000; number++)
        cr_assert_eq(
            letters_put(options.dead_letters, number % 400 ? "readings" : "gone", number, 700, &error), 0);
    put_aside();
    cr_assert_eq(dead_letter_replay_open(&replay, &options, &error), 0);
    for (uint64_t after = 0, rounds = 0; refused < 1000 && rounds < 5000; rounds++) {
        int worked = dead_letter_replay_step(replay, &error);
        if (worked == 0)
            break;
        if (worked > 0)
            continue;
        cr_assert_eq(error.kind, ERROR_RETRY);
        refused++;
        /* Read, count, and let go. */
        read_journal(after);
        for (size_t i = 0; i < seen_count; i++) {
            unsigned number;
            cr_assert_eq(sscanf(seen[i].payload, "letter %u", &number), 1);
            times[number]++;
        }
        after += seen_count;
        static const char *const names[] = {"dead-letters", "lake"};
        for (size_t i = 0; i < 2; i++) {
            struct journal_cursor moved;
            cr_assert_eq(journal_cursor(fixture.journal, names[i], &moved, &error), 0);
            moved.delivered += after - moved.position;
            moved.position = after;
            journal_cursor_move(fixture.journal, names[i], &moved);
        }
        usleep(20000); /* the journal frees behind the cursors in its own time; else it refuses once more */
    }
    cr_assert_gt(refused, 0, "the journal was never full");
    struct journal_cursor last;
    cr_assert_eq(journal_cursor(fixture.journal, "lake", &last, &error), 0);
    read_journal(last.position);
    for (size_t i = 0; i < seen_count; i++) {
        unsigned number;
        cr_assert_eq(sscanf(seen[i].payload, "letter %u", &number), 1);
        times[number]++;
    }
    for (unsigned number = 1; number <= 2000; number++)
        cr_assert_eq(times[number], number % 400 ? 1 : 0, "letter %u %u times", number, times[number]);
    static struct letters_found found;
    letters_read(directory, NULL, &found);
    cr_assert_eq(found.count, 5);
}
