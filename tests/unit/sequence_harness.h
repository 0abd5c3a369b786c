/* sequence_harness: the image of the numbers that keys have used, and keys that follow from a number. */
#ifndef PENSTOCK_TESTS_SEQUENCE_HARNESS_H
#define PENSTOCK_TESTS_SEQUENCE_HARNESS_H

#include "journal_harness.h"
#include "source/sequence_state.h"

extern struct sequence_state *sequences;
extern struct state_kind kind;
extern struct sequence_stream stream;
extern struct error error;

void sequence_make(uint64_t segment_size);
void sequence_start(void);
void sequence_end(void);
struct once once_of(unsigned key, uint64_t number);
enum once_verdict ask(unsigned key, uint64_t number);
void settle(bool durable);
struct sequence_usage usage(void);

#endif
