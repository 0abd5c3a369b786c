/* See sequence_harness.h. */
#include "sequence_harness.h"

#include <stdio.h>

struct sequence_state *sequences;
struct state_kind kind;
struct sequence_stream stream;
struct error error;

void sequence_make(uint64_t segment_size)
{
    sequence_state_free(&sequences);
    cr_assert_eq(sequence_state_new(&sequences, segment_size, &error), 0);
    kind = sequence_state_kind(sequences);
}

void sequence_start(void)
{
    sequence_stream_find(&stream, "readings", false);
    sequence_make(SEGMENT);
}

void sequence_end(void)
{
    sequence_state_free(&sequences);
    sequence_state_free(&sequences);
}

struct once once_of(unsigned key, uint64_t number)
{
    struct once once = {.sequence = number, .stream = &stream};

    snprintf((char *)once.tag, sizeof once.tag, "%u", key);
    return once;
}

enum once_verdict ask(unsigned key, uint64_t number)
{
    const struct once once = once_of(key, number);

    return kind.once->admit(kind.state, &once);
}

void settle(bool durable)
{
    kind.once->settle(kind.state, durable);
}

struct sequence_usage usage(void)
{
    struct sequence_usage found;

    sequence_state_usage(sequences, &found);
    return found;
}
