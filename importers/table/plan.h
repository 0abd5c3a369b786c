/* plan: into which splits a table is cut, so that several connections read it and each split can be read again alone.
 *
 * Splits of one table have no row in common and have all rows between them, whatever the bounds are: ranges are half open, the first and the last
 * one are open at their ends, and rows whose key is NULL have a split of their own. The same facts make the same splits with the same names.
 * Pure. @thread any
 */
#ifndef PENSTOCK_TABLE_PLAN_H
#define PENSTOCK_TABLE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

#define PLAN_SPLITS_MAX 100000
#define PLAN_BOUNDS_MAX 10000 /* statistics know that many */
#define PLAN_PAGES_LEAST 1024 /* of a split, 8 MiB: less is not worth a statement ... */
#define PLAN_PAGES_MOST 16384 /* ... 128 MiB: more is much to read again */
#define PLAN_PER_WORKER 4 /* splits per worker, so that the last ones end together */

struct plan_options {
    unsigned workers; /* connections that read; 0: 1 */
    const char *column; /* cut by this column (all tables that have it); NULL: as the table allows */
    uint64_t split_pages; /* 0: from the size and the workers */
    size_t
        split_bytes; /* of the table, that a split has at most, as far as pages and statistics say; 0: the same */
    unsigned split_rows; /* likewise */
    bool whole; /* one split per table part */
};

enum split_method {
    SPLIT_WHOLE,
    SPLIT_PAGES, /* rows that are on the pages first to end */
    SPLIT_RANGE, /* rows with low <= key < high */
    SPLIT_NULLS, /* rows whose key is NULL */
};

struct split {
    uint32_t number; /* its name: 0, 1, ... in the table */
    uint32_t part; /* of table->parts */
    enum split_method method;
    uint64_t first, end; /* pages; end UINT64_MAX: open */
    const char *column, *type; /* of the key; type: as SQL casts to it */
    const char *low, *high; /* as the database writes values; NULL: open */
    uint64_t bytes; /* estimates */
    double rows;
};

struct plan {
    struct split *splits;
    size_t count, capacity;
    char reason[200]; /* for people: how it was cut, and why so */
    char **texts; /* what low, high and column point to */
    size_t texts_count, texts_capacity;
};

int plan_new(struct plan **ret_plan, struct error *error);
void plan_free(struct plan **plan);

/* A text that lives as long as the plan. NULL with ERROR_RETRY: no memory. */
const char *plan_keep(struct plan *plan, const char *text, struct error *error);

/* Any split, whose texts are the plan's; its number is its place. ERROR_REJECT: there are PLAN_SPLITS_MAX. */
int plan_add(struct plan *plan, const struct split *split, struct error *error);

/* Pages of a split of a table of so many pages and rows (negative: unknown). */
uint64_t plan_split_pages(uint64_t pages, double rows, const struct plan_options *options);

/* The part as one split. */
int plan_add_whole(struct plan *plan, uint32_t part, uint64_t bytes, double rows, struct error *error);

/* The part in ranges of split_pages, the last one open: rows may have come behind it. */
int plan_add_pages(struct plan *plan, uint32_t part, uint64_t pages, uint64_t bytes, double rows,
    uint64_t split_pages, struct error *error);

/* How many ranges a part of so many pages is worth. */
size_t plan_ranges(uint64_t pages, const struct plan_options *options);

/* The part in at most `ranges` ranges at some of the bounds, which ascend in the key's own order, and one split for NULL unless there is none. Equal
 * bounds make an empty range, which does no harm. */
struct plan_key {
    const char *column, *type;
    bool nulls; /* it may be NULL */
};
int plan_add_bounds(struct plan *plan, uint32_t part, const struct plan_key *key, const char *const *bounds,
    size_t bounds_count, size_t ranges, uint64_t bytes, double rows, struct error *error);

/* Bounds of equal distance between least and most: at most `most_bounds`; returns how many. */
size_t plan_even_bounds(int64_t least, int64_t most, int64_t *bounds, size_t most_bounds);

/* "00042" */
#define SPLIT_NAME_MAX 16
void split_name(const struct split *split, char name[static SPLIT_NAME_MAX]);

#endif
