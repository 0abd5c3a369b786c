/* sequence_given: a journal with the numbers that keys have used, and hand-overs of records that are to be stored once. */
#ifndef PENSTOCK_TESTS_SEQUENCE_GIVEN_H
#define PENSTOCK_TESTS_SEQUENCE_GIVEN_H

#include <stdatomic.h>

#include "sequence_harness.h"

#define GIVEN 8

/* One hand-over under way. */
struct given {
    struct handover handover;
    struct journal_arrival arrival;
    atomic_int result; /* -1: not complete */
    atomic_bool arrived;
};

extern struct fixture fx; /* its syncs wait at the gate */
extern struct given given[GIVEN];

void given_start(void);
void given_end(void);
void open_journal(void);
void reopen(void);

void begin(struct given *one);
/* A record whose id is id, below 256. */
void add_once(struct given *one, unsigned key, uint64_t number, unsigned id);
void add_plain(struct given *one, unsigned id);
void hand_over(struct given *one);
enum handover_result wait_for(struct given *one);
void expect(const struct given *one, uint64_t records, uint64_t duplicates, uint64_t old);

/* One record, durable then; whether it was stored is asserted. */
void put(unsigned key, uint64_t number, unsigned id, bool stored);

/* The ids of all records, a digit each. */
void expect_ids(const char *ids);

#endif
