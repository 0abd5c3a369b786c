/* state: what lives in the journal besides records, one row per kind.
 *
 * Segments are freed, so each new one starts with a snapshot of all live state. The journal knows only this table:
 * what a kind means is its owner's business (cursors here; stream renderings in record/; sessions of MQTT, positions in files). A state record is part of a hand-over like any other, so it can never disagree
 * with the records it travelled with. All of a snapshot stays below JOURNAL_STATE_ROOM of a segment; each owner's
 * ceiling follows from its share.
 */
#ifndef PENSTOCK_JOURNAL_STATE_H
#define PENSTOCK_JOURNAL_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Of that share marks take 3/8 at most (mark.c), MQTT's sessions a quarter, files a quarter; an eighth is left for cursors and renderings. */
#define JOURNAL_STATE_SHARE 8
/* Of a segment, beside that: the answers kept for idempotency keys. */
#define JOURNAL_ANSWERS_SHARE 32
/* And the sequence numbers that keys have used. */
#define JOURNAL_SEQUENCES_SHARE 16
/* And the bytes of accounts (account.h). */
#define JOURNAL_ACCOUNTS_SHARE 128
#define JOURNAL_STATE_ROOM(segment_size)                                             \
    ((segment_size) / JOURNAL_STATE_SHARE + (segment_size) / JOURNAL_ANSWERS_SHARE + \
        (segment_size) / JOURNAL_SEQUENCES_SHARE + (segment_size) / JOURNAL_ACCOUNTS_SHARE)
#define STATE_FRAME_OVERHEAD 27 /* bytes that a state record takes besides its body, at most */

/* Stored numbers: never reuse one, never change one (FORMAT.md lists them). */
enum journal_kind {
    JOURNAL_KIND_DATA = 1, /* a record; the only kind that has a sequence of its own */
    JOURNAL_KIND_GROUP = 2, /* starts a group: what was durable before it */
    JOURNAL_KIND_SNAPSHOT = 3, /* ends the snapshot behind the segment's header */
    STATE_CURSOR = 16,
    STATE_RENDERING = 17,
    STATE_MARK = 18,
    STATE_SESSION = 19,
    STATE_PACKETS = 20,
    STATE_FILE = 21,
    STATE_ANSWER = 22,
    STATE_SEQUENCES = 23,
    STATE_ACCOUNTS = 24,
};

/* Takes one state record that is durable now: from recovery (main thread) or behind a commit (committer). sequence is
 * that of the last record before it. A failure is logged and the record kept out of the state; it never stops
 * the journal. ERROR_RETRY is for memory that is gone: it is tried again until there is some, and a start ends with it. */
typedef int state_apply_fn(
    void *state, const void *body, size_t length, uint64_t sequence, struct error *error);

/* Emits everything that a new segment's snapshot must hold, each emit one state record. keep_from is the first
 * sequence that some outlet still needs. @thread committer, or main while the journal opens */
typedef int state_emit_fn(void *context, const void *body, size_t length, struct error *error);
typedef int state_dump_fn(
    void *state, uint64_t keep_from, state_emit_fn *emit, void *context, struct error *error);

/* Records first..last are gone, and some outlet still needed them. What says that they are safe is to be forgotten; true: it was.
 * When all state is applied, from recovery; later from whoever reads the log, at any time and again for each reader. @thread any */
typedef bool state_damaged_fn(void *state, uint64_t first, uint64_t last);

/* Before a state record is written in whose hand-over there are records to be stored once: how many of all its records are, and how many are not.
 * It may change the body, not its length; it is told again, perhaps otherwise, when the group is written again. @thread committer */
struct once_counts {
    uint64_t stored, duplicates, old;
};
typedef void state_amend_fn(char *body, size_t length, const struct once_counts *counts);

/* ---- records that are stored once ---------------------------------------------------------------------------- */

#define ONCE_TAG 16
#define ONCE_HEAD 8

/* Whose record it is, and its number there. */
struct once {
    unsigned char tag[ONCE_TAG];
    uint64_t sequence;
    const void *stream; /* the owner's: what it knows of the record's stream; not stored */
};

enum once_verdict {
    ONCE_NEW,
    ONCE_DUPLICATE,
    ONCE_OLD, /* so far back that nobody can tell; it is not stored either */
    ONCE_UNDECIDED, /* the same, but it is stored, however often it comes */
};

/* Asked for each such record in the order of the log. What is new counts as seen at once. @thread committer */
typedef enum once_verdict once_admit_fn(void *state, const struct once *once);
/* All that was asked since the last time is durable; or it is not, and was never asked. @thread committer */
typedef void once_settle_fn(void *state, bool durable);

/* What was new stands in state records of the row's kind in the same hand-over, which the committer writes: the head, then of each record ONCE_TAG bytes and u64
 * sequence. From recovery they go to apply() like any other; behind a commit settle() is all. */
struct state_once {
    once_admit_fn *admit;
    once_settle_fn *settle;
    char head[ONCE_HEAD];
};

struct state_kind {
    uint16_t kind;
    const char *name;
    state_apply_fn *apply;
    state_dump_fn *dump;
    void *state; /* given to all; owned by the caller of journal_open(), outlives the journal */
    state_damaged_fn *damaged; /* or NULL, as the others */
    state_amend_fn *amend;
    const struct state_once *once; /* of one row at most */
};

#endif
