/* dead_letter_desk: the command beside a gateway: what is put aside, deleted and given back, and nothing is lost between them */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/wait.h>
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

TestSuite(dead_letter_desk, .init = set_up, .fini = tear_down, .timeout = 900);

static void put(const char *stream, unsigned first, unsigned last)
{
    for (unsigned number = first; number <= last; number++)
        cr_assert_eq(letters_put(letters, stream, number, 0, &error), 0, "%s", error.text);
}

static void sync_all(void)
{
    cr_assert_eq(dead_letters_sync(letters, &error), 0, "%s", error.text);
}

/* ---- beside the command ------------------------------------------------------------------------------------ */

Test(dead_letter_desk, what_is_taken_away_meanwhile_does_not_come_back)
{
    struct dead_letters_taken taken;

    put("readings", 1, 3);
    cr_assert_eq(dead_letters_drop(directory, "readings", &taken, &error), 0, "%s", error.text);
    cr_assert_eq(taken.letters, 3);
    cr_assert_eq(taken.files, 1);
    put("readings", 4, 6);
    sync_all();
    letters_assert(directory, "readings", 4, 6);
    put("readings", 7, 7);
    cr_assert_eq(dead_letters_put_aside(directory, "readings", &taken, &error), 0, "%s", error.text);
    cr_assert_eq(taken.letters, 4);
    put("readings", 8, 9);
    sync_all();
    letters_assert(directory, "readings", 8, 9);
    cr_assert_eq(letters_files(directory, "*.replay"), 1);
    cr_assert_eq(letters_files(directory, "*.jsonl"), 1);
}

Test(dead_letter_desk, the_directory_may_go_too)
{
    put("readings", 1, 3);
    letters_end(directory);
    dead_letters_refresh(letters);
    struct dead_letters_status status;
    dead_letters_status(letters, &status);
    cr_assert_eq(status.letters_bytes, 0);
    put("readings", 4, 5);
    sync_all();
    letters_assert(directory, "readings", 4, 5);
}

Test(dead_letter_desk, without_a_directory_there_is_nothing)
{
    struct dead_letters_taken taken = {1, 1};

    letters_end(directory);
    static struct letters_found found;
    letters_read(directory, NULL, &found);
    cr_assert_eq(found.count, 0);
    cr_assert_eq(dead_letters_put_aside(directory, NULL, &taken, &error), 0, "%s", error.text);
    cr_assert_eq(taken.files, 0);
    close(open(directory, O_WRONLY | O_CREAT, 0600));
    cr_assert_eq(dead_letters_drop(directory, NULL, &taken, &error), -1);
    cr_assert_not_null(strstr(error.text, directory));
}

/* A command that hangs while it holds the lock stops nobody for ever. */
Test(dead_letter_desk, a_lock_that_is_not_given_back_is_an_error)
{
    char path[256];
    struct dead_letters_taken taken;

    snprintf(path, sizeof path, "%s/.lock", directory);
    int fd = open(path, O_RDWR);
    cr_assert_geq(fd, 0);
    cr_assert_eq(flock(fd, LOCK_EX), 0);
    cr_assert_eq(letters_put(letters, "readings", 1, 0, &error), -1);
    cr_assert_eq(error.kind, ERROR_RETRY);
    cr_assert_not_null(strstr(error.text, "lock"), "%s", error.text);
    cr_assert_eq(dead_letters_drop(directory, NULL, &taken, &error), -1);
    close(fd);
    put("readings", 1, 1);
}

/* ---- giving back ------------------------------------------------------------------------------------------- */

static void next_aside(const char *name, unsigned first_letter)
{
    cleanup_bytes struct bytes found, content;
    char start[64];

    bytes_init(&found, 1000);
    bytes_init(&content, 1 << 24);
    cr_assert_eq(dead_letters_replay_next(letters, &found, &content, &error), 1, "%s", error.text);
    cr_assert(slice_is(bytes_slice(&found), name), "%.*s", (int)found.length, found.data);
    snprintf(start, sizeof start, "{\"id\":\"test-1/00000007/%u\"", first_letter);
    cr_assert_eq(memcmp(content.data, start, strlen(start)), 0);
    cr_assert_eq(dead_letters_replayed(letters, name, &error), 0, "%s", error.text);
    cr_assert_eq(dead_letters_replayed(letters, name, &error), 0, "again: it is gone already");
}

Test(dead_letter_desk, gives_back_what_is_put_aside_oldest_first)
{
    struct dead_letters_taken taken;
    cleanup_bytes struct bytes name, content;

    bytes_init(&name, 1000);
    bytes_init(&content, 1000);
    cr_assert_eq(dead_letters_replay_next(letters, &name, &content, &error), 0);
    put("zebra", 1, 2);
    put("ant", 3, 4);
    sync_all();
    cr_assert_eq(dead_letters_replay_next(letters, &name, &content, &error), 0);
    cr_assert_eq(dead_letters_put_aside(directory, "ant", &taken, &error), 0);
    cr_assert_eq(taken.files, 1);
    cr_assert_eq(dead_letters_put_aside(directory, NULL, &taken, &error), 0);
    cr_assert_eq(taken.files, 1, "what is aside already stays there");
    put("ant", 5, 5);
    next_aside("zebra+0000000001.replay", 1);
    next_aside("ant+0000000002.replay", 3);
    cr_assert_eq(dead_letters_replay_next(letters, &name, &content, &error), 0);
    letters_assert(directory, NULL, 5, 5);
}

/* ---- many at once ------------------------------------------------------------------------------------------ */

#define EACH 300

static void *add_many(void *argument)
{
    unsigned first = *(const unsigned *)argument;
    struct error failed;

    for (unsigned i = 0; i < EACH; i++) {
        cr_assert_eq(letters_put(letters, "readings", first + i, 100, &failed), 0, "%s", failed.text);
        if (i % 7 == 0)
            cr_assert_eq(dead_letters_sync(letters, &failed), 0, "%s", failed.text);
    }
    cr_assert_eq(dead_letters_sync(letters, &failed), 0, "%s", failed.text);
    return NULL;
}

/* Another process puts aside what it finds, as often as it can, and counts. */
static void take_until_told(int told, int report)
{
    uint64_t count = 0;
    char byte;

    fcntl(told, F_SETFL, O_NONBLOCK);
    for (bool last = false;; last = last || read(told, &byte, 1) == 0) {
        struct dead_letters_taken taken;
        if (dead_letters_put_aside(directory, NULL, &taken, &error))
            _exit(1);
        count += taken.letters;
        if (last)
            break;
    }
    if (write(report, &count, sizeof count) != sizeof count)
        _exit(1);
    _exit(0);
}

Test(dead_letter_desk, two_processes_and_two_threads_lose_nothing)
{
    int tell[2], report[2];
    pthread_t threads[2];
    unsigned first[2] = {1, 1 + EACH};
    uint64_t taken = 0;

    cr_assert_eq(pipe(tell), 0);
    cr_assert_eq(pipe(report), 0);
    pid_t child = fork();
    if (child == 0) {
        close(tell[1]);
        take_until_told(tell[0], report[1]);
    }
    for (size_t i = 0; i < 2; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, add_many, &first[i]), 0);
    for (size_t i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    close(tell[0]);
    close(tell[1]);
    cr_assert_eq(read(report[0], &taken, sizeof taken), (ssize_t)sizeof taken);
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
    cr_assert_eq(taken, 2 * EACH);

    /* Each letter once, whole, among what is put aside. */
    static unsigned seen[2 * EACH + 1];
    cleanup_bytes struct bytes name, content;
    bytes_init(&name, 1000);
    bytes_init(&content, 1 << 24);
    while (dead_letters_replay_next(letters, &name, &content, &error) == 1) {
        for (char *line = content.data, *end;
             (end = memchr(line, '\n', (size_t)(content.data + content.length - line))); line = end + 1) {
            struct dead_letter_parsed *parsed;
            cr_assert_eq(dead_letter_parse((struct slice){line, (size_t)(end - line)}, &parsed, &error), 0,
                "%s", error.text);
            seen[dead_letter_parsed_letter(parsed)->id.sequence]++;
            dead_letter_parsed_free(&parsed);
            if (end + 1 == content.data + content.length)
                break;
        }
        cr_assert_eq(bytes_add(&name, "", 1, &error), 0);
        cr_assert_eq(dead_letters_replayed(letters, name.data, &error), 0);
    }
    for (unsigned i = 1; i <= 2 * EACH; i++)
        cr_assert_eq(seen[i], 1, "letter %u %u times", i, seen[i]);
}
