/* lake_harness: rows with known places, and the proof that a lake directory holds each of them exactly once. */
#ifndef PENSTOCK_TESTS_LAKE_HARNESS_H
#define PENSTOCK_TESTS_LAKE_HARNESS_H

#include <stdbool.h>
#include <stdint.h>

#include "lake/lake.h"

/* A clock that stands still until it is told. */
struct harness_clock {
    struct clock clock;
    int64_t now; /* both clocks */
};

struct harness_clock harness_clock_at(int64_t now);

/* A new directory (in memory where the machine has one), and its end with all it holds. */
void harness_make_directory(char ret_path[64]);
void harness_remove(const char *path);

/* Row number `sequence` of a fixed stream of rows: four places, two streams that share a path, two formats, and from
 * HARNESS_NEW_EPOCH on another epoch. The text is the caller's to keep until the next call. */
#define HARNESS_NEW_EPOCH 14
void harness_row(uint64_t sequence, struct lake_row *ret_row);

/* Options without any roll; gateway "gw-1". */
struct lake_options harness_options(const char *root, const struct harness_clock *clock);

/* Appends row `sequence`; returns what lake_append() does. */
int harness_append(
    struct lake *lake, uint64_t sequence, uint64_t replay_until, bool *ret_there, struct error *error);

/* Asserts: every file has a lake file's name and holds exactly the rows of its place and epoch between its first and last
 * position, in order, and rows 1..last are in one file each, none twice. Returns the number of files. */
uint64_t harness_verify(const char *root, uint64_t last);

/* Whether some file below root/path has this name. */
bool harness_has(const char *root, const char *path);

#endif
