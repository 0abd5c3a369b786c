/* answer_state: what requests with an idempotency key were answered, as the journal holds it.
 *
 * The answer under a key travels in the hand-over of the records that it is about, as its last record: after a crash both are there, or
 * neither. The table here is the image of what is durable: the committer applies to it, a snapshot is dumped from it, the HTTP source looks
 * keys up. It never grows above its ceilings (JOURNAL_ANSWERS_SHARE of a segment, and what the configuration says): a new answer takes the
 * place of the oldest ones. That is not written down: recovery keeps what fits. Whether an answer is too old is asked by whoever looks it up.
 *
 * Stored form (little endian; journal/FORMAT.md lists the kinds):
 *   STATE_ANSWER  u8 version = 1, u8 0, u16 length of the text, u32 accepted, 16 bytes id, 16 bytes request, i64 taken, u64 last (0: the last
 *                 record before this frame), u64 missed, text. Replaces what was known under this id. Version 2, of a stream with `dedupe`: before the text u32
 *                 duplicates, u32 old; accepted may be 0. The three are the committer's.
 */
#ifndef PENSTOCK_SOURCE_ANSWER_STATE_H
#define PENSTOCK_SOURCE_ANSWER_STATE_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "journal/state.h"
#include "source/idempotency.h"

#define ANSWER_TEXT_MAX 1024
#define ANSWER_STATE_HEAD 64
#define ANSWER_STATE_HEAD_ONCE 72
#define ANSWER_STATE_BODY_MAX (ANSWER_STATE_HEAD_ONCE + ANSWER_TEXT_MAX)

struct answer_state;

struct answer {
    struct idempotency_hash id; /* of the scope and the key */
    struct idempotency_hash request; /* of what was asked */
    int64_t taken; /* wall clock */
    uint32_t accepted; /* records, at least 1 */
    bool
        once; /* they are to be stored once: the committer sets how many are, perhaps none, and the next two */
    uint32_t duplicates, old;
    uint64_t last; /* sequence of the last of them; set by the journal */
    uint64_t missed; /* journal_missed() of the stream's outlets, before */
    struct slice text; /* of a 207; empty of a 200 */
};

/* At most max_keys, and as many as their share of a segment of this size holds; one that is older than `keep` is not found. */
int answer_state_new(struct answer_state **ret_state, uint64_t segment_size, uint64_t max_keys, int64_t keep,
    struct error *error);
void answer_state_free(struct answer_state **state);

/* The row of the journal's table (journal/state.h). */
struct state_kind answer_state_kind(struct answer_state *state);

/* The body for handover_add(), appended: the last part of the hand-over. */
int answer_state_encode(struct bytes *out, const struct answer *answer, struct error *error);

/* 1: there is an answer under this id that is not too old; its text is appended to ret_text, and stands there. 0: there is none. -1: memory is gone. @thread any */
int answer_state_find(struct answer_state *state, const struct idempotency_hash *id, int64_t now,
    struct answer *ret_answer, struct bytes *ret_text, struct error *error);

struct answer_usage {
    uint64_t keys;
    uint64_t evicted; /* that were not too old, since the start */
};

void answer_state_usage(struct answer_state *state, struct answer_usage *ret_usage); /* @thread any */

#endif
