/* listing: which positions of a path are in published files already, after a restart or a failure.
 *
 * Holds the ranges of the next files of one stream, gateway and epoch in one directory, ordered; at most LISTING_RANGES at
 * a time, the next ones are listed when these are passed. Room-internal. @thread the lake's
 */
#ifndef PENSTOCK_LAKE_LISTING_H
#define PENSTOCK_LAKE_LISTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

#define LISTING_RANGES 64

struct listing_range {
    uint64_t first, last;
};

/* All zero: nothing was listed. */
struct listing {
    struct listing_range *ranges; /* ordered by last; those before `next` are passed */
    size_t count, next;
    uint64_t from; /* ranges that end before it are left out */
    uint32_t epoch;
    bool listed;
    bool more; /* there are files behind the last range */
};

/* Starts over for positions at and behind `from`; then listing_add() takes every file name of the directory. */
void listing_start(struct listing *listing, uint32_t epoch, uint64_t from);
int listing_add(struct listing *listing, struct slice name, struct slice stream, struct slice gateway_id,
    struct error *error);

/* Whether listing_start() and a new list are needed for a position: never listed, other epoch, or all passed and more are there. */
bool listing_is_stale(const struct listing *listing, uint32_t epoch);

/* The next range that starts at or before position, NULL when none does. listing_pass() is done with it. */
const struct listing_range *listing_next(const struct listing *listing, uint64_t position);
void listing_pass(struct listing *listing);

void listing_free(struct listing *listing);

#endif
