/* See answer_harness.h. */
#include "answer_harness.h"

#include <stdio.h>

struct answer_state *state;
struct state_kind kind;
struct bytes body, text;
struct error error;

void make(uint64_t segment_size, uint64_t max_keys, int64_t keep)
{
    answer_state_free(&state);
    cr_assert_eq(answer_state_new(&state, segment_size, max_keys, keep, &error), 0);
    kind = answer_state_kind(state);
}

void start(void)
{
    bytes_init(&body, ANSWER_STATE_BODY_MAX);
    bytes_init(&text, 1 << 20);
    make(SEGMENT, 1000, MINUTE);
}

void end(void)
{
    bytes_free(&body);
    bytes_free(&text);
    answer_state_free(&state);
    answer_state_free(&state);
}

struct answer answer_of(unsigned number)
{
    struct answer answer = {
        .taken = (int64_t)number * CLOCK_SECOND, .accepted = number + 1, .missed = 2 * number};

    memset(answer.request.bytes, 7, sizeof answer.request.bytes);
    snprintf((char *)answer.id.bytes, sizeof answer.id.bytes, "%u", number);
    return answer;
}

int apply(const struct answer *answer, uint64_t sequence)
{
    bytes_clear(&body);
    cr_assert_eq(answer_state_encode(&body, answer, &error), 0, "%s", error.text);
    return kind.apply(kind.state, body.data, body.length, sequence, &error);
}

void put(unsigned number)
{
    const struct answer answer = answer_of(number);

    cr_assert_eq(apply(&answer, 100 * number), 0, "%s", error.text);
}

int find(unsigned number, int64_t now, struct answer *ret_answer)
{
    const struct answer wanted = answer_of(number);

    bytes_clear(&text);
    return answer_state_find(state, &wanted.id, now, ret_answer, &text, &error);
}

bool known(unsigned number)
{
    struct answer answer;

    return find(number, (int64_t)number * CLOCK_SECOND, &answer) == 1;
}

struct answer_usage usage(void)
{
    struct answer_usage found;

    answer_state_usage(state, &found);
    return found;
}
