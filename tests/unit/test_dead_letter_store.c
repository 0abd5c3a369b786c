/* dead_letter_store: what is added is there, whoever takes files away meanwhile, and whatever was cut off */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dead_letter_harness.h"

#define QUOTA 100000

static char base[64], directory[128];
static struct dead_letters *letters;
static struct error error;

static void open_store(void)
{
    cr_assert_eq(dead_letters_open(&letters, directory, QUOTA, &error), 0, "%s", error.text);
}

static void set_up(void)
{
    letters_start(base);
    snprintf(directory, sizeof directory, "%s/data/dead-letters", base);
    open_store();
}

static void tear_down(void)
{
    dead_letters_close(&letters);
    letters_end(base);
}

TestSuite(dead_letter_store, .init = set_up, .fini = tear_down, .timeout = 900);

static void put(const char *stream, unsigned first, unsigned last)
{
    for (unsigned number = first; number <= last; number++)
        cr_assert_eq(letters_put(letters, stream, number, 0, &error), 0, "%s", error.text);
}

static void sync_all(void)
{
    cr_assert_eq(dead_letters_sync(letters, &error), 0, "%s", error.text);
}

static void append_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_APPEND);

    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

/* ---- files ------------------------------------------------------------------------------------------------- */

Test(dead_letter_store, keeps_each_stream_in_order)
{
    put("readings", 1, 10);
    put("notes", 1, 5);
    sync_all();
    put("readings", 11, 20);
    letters_assert(directory, "readings", 1, 20);
    letters_assert(directory, "notes", 1, 5);
    cr_assert_eq(letters_files(directory, "readings+0000000001.jsonl"), 1);
    cr_assert_eq(letters_files(directory, "notes+0000000002.jsonl"), 1);
    cr_assert_eq(letters_files(directory, "*"), 2);
}

Test(dead_letter_store, goes_on_after_a_restart)
{
    for (unsigned start = 0; start < 5; start++) {
        put("readings", 10 * start + 1, 10 * start + 10);
        if (start % 2)
            sync_all();
        dead_letters_close(&letters);
        open_store();
    }
    letters_assert(directory, "readings", 1, 50);
    cr_assert_eq(letters_files(directory, "*"), 1);
}

Test(dead_letter_store, no_file_grows_beyond_its_size)
{
    for (unsigned number = 1; number <= 40; number++)
        cr_assert_eq(letters_put(letters, "readings", number, 500000, &error), 0, "%s", error.text);
    sync_all();
    cr_assert_eq(letters_files(directory, "*"), 3);
    for (size_t i = 0; i < 3; i++)
        cr_assert_leq(letters_size(letters_path(directory, "*", i)), DEAD_LETTER_FILE_MAX);
    letters_assert(directory, "readings", 1, 40);
}

Test(dead_letter_store, a_letter_above_the_size_has_a_file_of_its_own)
{
    put("readings", 1, 1);
    cr_assert_eq(letters_put(letters, "readings", 2, DEAD_LETTER_FILE_MAX + 1, &error), 0, "%s", error.text);
    put("readings", 3, 3);
    sync_all();
    put("readings", 4, 4);
    letters_assert(directory, "readings", 1, 4);
    cr_assert_eq(letters_files(directory, "*"), 3);
}

Test(dead_letter_store, more_streams_than_open_files)
{
    char name[32];

    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 100; i++) {
            snprintf(name, sizeof name, "stream%u", i);
            put(name, round + 1, round + 1);
        }
    }
    sync_all();
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "stream%u", i);
        letters_assert(directory, name, 1, 2);
    }
    cr_assert_eq(letters_files(directory, "*"), 100);
}

/* The name of a stream comes out of a journal, and from people's own files. */
Test(dead_letter_store, no_name_leaves_the_directory)
{
    static const char *const names[] = {"../../up", "", ".", "..", ".lock", "a/b", "a+1", "\xc3\xa9"};

    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        put(names[i], 1, 1);
        sync_all();
        letters_assert(directory, names[i], 1, 1);
        cr_assert_eq(dead_letters_is_full(letters, names[i]), false);
        struct dead_letters_taken taken;
        cr_assert_eq(dead_letters_drop(directory, names[i], &taken, &error), 0, "%s", error.text);
        cr_assert_eq(taken.letters, 1, "%s", names[i]);
    }
    cr_assert_eq(letters_files(directory, "*"), 0);
}

Test(dead_letter_store, names_of_others_are_left_alone)
{
    static const char *const names[] = {"readings.jsonl", "readings+1.jsonl", "readings+0000000001.txt",
        "note", "+0000000001.jsonl", "readings+00000000000000000001.jsonl", "readings+000000000x.jsonl"};
    char path[256];
    struct dead_letters_taken taken;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        close(open(path, O_WRONLY | O_CREAT, 0600));
    }
    snprintf(path, sizeof path, "%s/readings+0000000005.jsonl", directory);
    cr_assert_eq(mkdir(path, 0700), 0);
    put("readings", 1, 3);
    sync_all();
    letters_assert(directory, NULL, 1, 3);
    cr_assert_eq(dead_letters_drop(directory, NULL, &taken, &error), 0, "%s", error.text);
    cr_assert_eq(taken.files, 1);
    cr_assert_eq(letters_files(directory, "*"), sizeof names / sizeof *names + 1);
}

/* ---- what was cut off -------------------------------------------------------------------------------------- */

/* Any end of the file: whole lines stay, half of one goes, and what is added next is readable. */
Test(dead_letter_store, a_torn_line_is_cut_away)
{
    put("readings", 1, 3);
    sync_all();
    char path[256];
    snprintf(path, sizeof path, "%s", letters_path(directory, "readings+*", 0));
    uint64_t whole = letters_size(path), line = whole / 3;

    for (uint64_t cut = 1; cut <= line; cut += cut < 5 || cut > line - 5 ? 1 : 17) {
        cr_assert_eq(truncate(path, (off_t)(whole - cut)), 0);
        put("readings", 3, 3);
        sync_all();
        letters_assert(directory, "readings", 1, 3);
        cr_assert_eq(letters_files(directory, "*"), 1);
    }
}

Test(dead_letter_store, a_torn_line_longer_than_a_block_is_cut_away)
{
    put("readings", 1, 2);
    cr_assert_eq(letters_put(letters, "readings", 3, 300000, &error), 0);
    sync_all();
    const char *path = letters_path(directory, "readings+*", 0);
    cr_assert_eq(truncate(path, (off_t)letters_size(path) - 1), 0);
    put("readings", 3, 4);
    letters_assert(directory, "readings", 1, 4);
    /* Nothing but a torn line. */
    put("notes", 1, 1);
    sync_all();
    path = letters_path(directory, "notes+*", 0);
    cr_assert_eq(truncate(path, 10), 0);
    put("notes", 2, 2);
    letters_assert(directory, "notes", 2, 2);
}

static void limit_file_size(uint64_t bytes)
{
    struct rlimit limit;

    signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* A write that fails half way: the half is gone, what was added before stays, and it goes on when there is room. */
Test(dead_letter_store, a_full_disk_leaves_no_half_letter)
{
    put("readings", 1, 5);
    uint64_t before = letters_size(letters_path(directory, "readings+*", 0));

    limit_file_size(before + 100);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(letters_put(letters, "readings", 6, 0, &error), -1);
        cr_assert_eq(error.kind, ERROR_RETRY);
        cr_assert_not_null(strstr(error.text, directory), "%s", error.text);
        cr_assert_eq(letters_size(letters_path(directory, "readings+*", 0)), before);
    }
    sync_all();
    letters_assert(directory, "readings", 1, 5);
    limit_file_size(RLIM_INFINITY);
    put("readings", 6, 8);
    sync_all();
    letters_assert(directory, "readings", 1, 8);
    cr_assert_eq(letters_files(directory, "*"), 1);
}

Test(dead_letter_store, lines_that_are_no_letters_are_given_as_they_are)
{
    static struct letters_found found;

    put("readings", 1, 2);
    sync_all();
    append_text(letters_path(directory, "readings+*", 0), "\nwhat?\n{}\n{\"half\":");
    letters_read(directory, "readings", &found);
    cr_assert_eq(found.count, 2);
    cr_assert_eq(found.unreadable, 3, "the last one is being written");
}

/* ---- the quota --------------------------------------------------------------------------------------------- */

Test(dead_letter_store, the_quota_is_of_a_stream_and_of_what_is_not_put_aside)
{
    struct dead_letters_status status;
    struct dead_letters_taken taken;

    cr_assert_eq(letters_put(letters, "readings", 1, QUOTA / 2, &error), 0);
    cr_assert_not(dead_letters_is_full(letters, "readings"));
    cr_assert_eq(letters_put(letters, "readings", 2, QUOTA / 2, &error), 0);
    cr_assert_eq(letters_put(letters, "notes", 3, 10, &error), 0);
    cr_assert(dead_letters_is_full(letters, "readings"));
    cr_assert_not(dead_letters_is_full(letters, "notes"));
    cr_assert_not(dead_letters_is_full(letters, "nothing"));
    dead_letters_status(letters, &status);
    cr_assert_eq(status.streams_full, 1);
    cr_assert_eq(status.letters_bytes, letters_size(letters_path(directory, "readings+*", 0)) +
                                           letters_size(letters_path(directory, "notes+*", 0)));
    cr_assert_eq(letters_put(letters, "readings", 4, 10, &error), 0, "it closes sources, it refuses nothing");

    dead_letters_close(&letters);
    open_store();
    cr_assert(dead_letters_is_full(letters, "readings"), "known from the start");
    cr_assert_eq(dead_letters_put_aside(directory, "readings", &taken, &error), 0, "%s", error.text);
    dead_letters_refresh(letters);
    cr_assert_not(dead_letters_is_full(letters, "readings"));
    dead_letters_status(letters, &status);
    cr_assert_eq(status.letters_bytes, letters_size(letters_path(directory, "notes+*", 0)));
}
