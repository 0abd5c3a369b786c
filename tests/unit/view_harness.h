/* view_harness: a journal that is looked at, what a walk over it tells, and whether recovery and readers say the same. */
#ifndef PENSTOCK_TESTS_VIEW_HARNESS_H
#define PENSTOCK_TESTS_VIEW_HARNESS_H

#include "journal_harness.h"

#include "journal/view.h"

#define RANGES_MAX 100

struct told {
    uint64_t records, lost, freed, holes, states;
    struct {
        uint64_t first, last;
        char ids[JOURNAL_VIEW_IDS_MAX + 1];
        bool segment;
    } ranges[RANGES_MAX]; /* of lost records */
    size_t count;
    char fault[100]; /* the last one */
    size_t faults;
};

extern struct fixture fx;
extern struct told told;
extern struct journal_view *view;

void view_start(void); /* opens the journal of fx */
void view_end(void);

/* Visits for journal_view_walk(), into told. */
int take(void *context, const struct journal_view_item *item, struct error *error);

int look(void); /* a view of the journal, and a walk over it */
void look_closed(void); /* that works, and leaves every byte of every file as it was */
void away(void);

void fill(uint64_t hundreds); /* of records */
void save(void);
void restore(void); /* the directory as it was saved */

/* The look before found what recovery finds and what a reader behind `after` tells. */
void compare(uint64_t after, const char *what, uint64_t at);

#endif
