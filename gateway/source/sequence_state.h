/* sequence_state: the sequence numbers that keys have used, as the journal holds them (streams.*.dedupe).
 *
 * Of each key of each stream the highest number and a window of the 64 up to it, as the anti-replay windows of RFC 4303 (section 3.4.3) and RFC 6479 are: a number above is new
 * and moves the window, one within it is new once, of one below it nobody can tell: it is stored, or not, as the stream has it. Recovery, then the committer alone use it: no lock. The numbers of a hand-over
 * travel in it, so that after a crash both are there, or neither.
 *
 * It never grows above its share of a segment (JOURNAL_SEQUENCES_SHARE): a new key takes the place of the one that has been without a new record for the longest time. That is not written
 * down: recovery keeps what fits. Keys of streams that have no `dedupe` any more go the same way.
 *
 * Stored form (little endian; journal/FORMAT.md lists the kinds):
 *   STATE_SEQUENCES  u8 version = 1, u8 form, 6 bytes 0, then, as often as there is room:
 *                    form 0, numbers: 16 bytes tag, u64 sequence. They were used.
 *                    form 1, windows: 16 bytes tag, u64 highest, u64 window (bit i: highest - i was used). Replaces what was known of the tag.
 */
#ifndef PENSTOCK_SOURCE_SEQUENCE_STATE_H
#define PENSTOCK_SOURCE_SEQUENCE_STATE_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/metric.h"
#include "journal/state.h"

#define SEQUENCE_WINDOW 64
#define SEQUENCE_TAG_INPUT 512 /* bytes that a stream's name and a key have, at most */

struct sequence_state;

/* What becomes of the records of one stream that are below the window, and what is told of them and of duplicates. */
struct sequence_stream {
    bool stores_old;
    struct metric_series *duplicates, *old, *undecided;
};

/* Memory is taken as keys come. */
int sequence_state_new(struct sequence_state **ret_state, uint64_t segment_size, struct error *error);
void sequence_state_free(struct sequence_state **state);

/* The row of the journal's table (journal/state.h). */
struct state_kind sequence_state_kind(struct sequence_state *state);

/* The tag of a key: half of a SHA-256. The same one for two keys would lose data, so nobody may be able to choose two such. Together at most SEQUENCE_TAG_INPUT
 * bytes; the stream's name without NUL. @thread any */
void sequence_tag(struct slice stream, struct slice key, unsigned char ret_tag[ONCE_TAG]);

void sequence_stream_find(struct sequence_stream *ret_stream, const char *name, bool stores_old);

struct sequence_usage {
    uint64_t keys, most;
    uint64_t evicted; /* since the start, recovery not counted */
};

void sequence_state_usage(const struct sequence_state *state, struct sequence_usage *ret_usage);

#endif
