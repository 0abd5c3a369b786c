/* journal_harness: a journal in a temporary directory, records whose bytes follow from their id, and a disk that fails or
 * ends the world at the nth call. */
#ifndef PENSTOCK_TESTS_JOURNAL_HARNESS_H
#define PENSTOCK_TESTS_JOURNAL_HARNESS_H

#include <criterion/criterion.h>

#include "journal/io.h"
#include "journal/journal.h"

#define SEGMENT (UINT64_C(64) << 10)
#define FOUND_MAX 20000

/* What a reader gave: ids of records in order; a damaged range counts as one item with id 0. */
struct found {
    uint64_t count, damaged;
    uint64_t sequence[FOUND_MAX];
    uint64_t id[FOUND_MAX];
    uint32_t epoch[FOUND_MAX];
};

enum disk_call {
    DISK_CREATE,
    DISK_ALLOCATE,
    DISK_WRITE,
    DISK_SYNC,
    DISK_CONFIRM,
    DISK_TRUNCATE,
    DISK_RENAME,
    DISK_UNLINK,
    DISK_SYNC_DIRECTORY,
    DISK_CALLS
};

/* Fails the fail_at-th call (1 = the next) of the kinds in mask; with dead, every later call too. */
struct disk {
    struct journal_io io;
    unsigned mask;
    _Atomic long calls;
    long fail_at;
    long
        second_at; /* not 0: this call fails too, counted over calls of every kind behind the fail_at-th, and all later ones */
    _Atomic long later;
    bool dead;
    int error;
};

struct fixture {
    char directory[64];
    struct journal_options options;
    struct journal *journal;
    struct journal_report report;
    struct error error;
    struct disk disk;
};

void fixture_start(struct fixture *fixture); /* makes the directory; does not open */
void fixture_end(struct fixture *fixture); /* closes and deletes */
int fixture_open(struct fixture *fixture);
void fixture_close(struct fixture *fixture);
void fixture_reopen(struct fixture *fixture); /* asserts that it works */

/* The journal's time stands still: the committer has no silence to tell of, and nothing is tried again. It goes on when it is let go,
 * and with each fixture_start(). */
void fixture_hold_time(bool hold);

/* Hands over count records with ids first.. of `size` bytes each as one hand-over and waits. */
int fixture_put(struct fixture *fixture, uint64_t first, uint64_t count, size_t size);

/* Everything readable behind `after`; asserts that each record's bytes are those of its id. */
void fixture_read(struct fixture *fixture, uint64_t after, struct found *ret_found);

/* Moves the cursor of outlet "one" to position and waits until it is stored. */
void fixture_move(struct fixture *fixture, uint64_t position);

/* Moves the cursor of an outlet to position, `held` of it behind marks, the rest delivered; changes the marks with it. */
int fixture_move_marked(struct fixture *fixture, const char *outlet, uint64_t position, uint64_t held,
    const struct journal_mark *marks, size_t count);

/* The same, and waits until it is stored. */
void fixture_mark(struct fixture *fixture, const char *outlet, uint64_t position, uint64_t held,
    const struct journal_mark *marks, size_t count);

/* Waits until the outlet's stored cursor stands there. */
void fixture_await(struct fixture *fixture, const char *outlet, uint64_t position, uint64_t held);

#define MARKS_FOUND_MAX 2000

struct marks_found {
    size_t count;
    struct journal_mark marks[MARKS_FOUND_MAX];
};

void fixture_marks(struct fixture *fixture, const char *outlet, struct marks_found *ret_found);
uint64_t marks_position(
    const struct marks_found *found, const char *name); /* asserts that it is there, once */
struct journal_mark mark_of(const char *name, uint64_t position);
struct journal_mark mark_long(unsigned number, uint64_t position); /* of the longest name */

/* Waits until the preparer has made its reserve and rests. */
void fixture_settle(struct fixture *fixture);

void disk_arm(struct disk *disk, unsigned mask, long fail_at, bool dead, int error);

size_t directory_files(const char *directory, const char *suffix); /* "" counts all */
uint64_t directory_bytes(const char *directory);
/* The name of the nth file (from 0) with this suffix in sorted order; negative counts from the end. */
void directory_name(const char *directory, const char *suffix, int nth, char path[256]);
void directory_copy(const char *from, const char *to);
/* Of a journal that is open; false: the preparer took a file away meanwhile. */
bool directory_copy_open(const char *from, const char *to);
void file_flip(const char *path, uint64_t offset, unsigned char mask);
uint64_t file_size(const char *path);
void temporary_directory(char path[64]);
void directory_delete(const char *path);

#endif
