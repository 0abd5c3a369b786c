/* answer_harness: the image of the answers, and answers that follow from a number. */
#ifndef PENSTOCK_TESTS_ANSWER_HARNESS_H
#define PENSTOCK_TESTS_ANSWER_HARNESS_H

#include "journal_harness.h"
#include "source/answer_state.h"

#define MINUTE (INT64_C(60) * CLOCK_SECOND)

extern struct answer_state *state;
extern struct state_kind kind;
extern struct bytes body, text;
extern struct error error;

void make(uint64_t segment_size, uint64_t max_keys, int64_t keep);
void start(void);
void end(void);
struct answer answer_of(unsigned number);
int apply(const struct answer *answer, uint64_t sequence);
void put(unsigned number); /* its last record is 100 * number */
int find(unsigned number, int64_t now, struct answer *ret_answer);
bool known(unsigned number); /* at its own time */
struct answer_usage usage(void);

#endif
