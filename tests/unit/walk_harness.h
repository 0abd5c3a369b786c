/* walk_harness: a walk over a folder of the test's own, and what its scans say. */
#ifndef PENSTOCK_TEST_WALK_HARNESS_H
#define PENSTOCK_TEST_WALK_HARNESS_H

#include "files/walk.h"

#define PATTERNS_MAX 4

struct watch {
    struct file_pattern *take[PATTERNS_MAX], *leave[PATTERNS_MAX];
    size_t take_count, leave_count;
    struct file_walk *walk;
};

/* Patterns below the folder (`leave`: as they are), separated by blanks. */
void watch_begin(
    struct watch *watch, const char *take, const char *leave, bool follow_symlinks, bool allow_hard_links);
void watch_end(struct watch *watch);

/* "+" in front of what is taken, "/" behind directories, each in a line, sorted. Fails when the scan does. */
const char *watch_scan(struct watch *watch);

/* How many files it shows; it does not look at them. */
size_t watch_count(struct watch *watch);

/* What the last scan could not look at: how often, errno, the name in the folder ("": the folder). */
void expect_trouble(struct watch *watch, uint64_t count, int number, const char *name);

/* The kind of the error, its text in watch_said. 0: it is open, and what it holds in watch_said. */
enum error_kind watch_open(struct watch *watch, const char *path);
extern char watch_said[ERROR_TEXT_SIZE];

/* In the folder. */
void make_directory(const char *name);
void make_link(const char *target, const char *name);

/* For the rest of the test; skips it when this is not root. */
void become_nobody(void);

#endif
