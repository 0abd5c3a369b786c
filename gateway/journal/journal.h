/* journal: the only durable state of the gateway.
 *
 * A log of segments that one thread writes (the committer): everything that was handed over meanwhile goes out as one group
 * with one write and one fdatasync, then the durable sequence is published, then each hand-over is completed.
 * Readers never see anything beyond the durable sequence. The stored form and the order of all writes: FORMAT.md.
 *
 * Invariants: a hand-over is in the log whole or not at all; sequences of records are dense and go on over restarts; after a failed
 * write or fdatasync nothing more is acknowledged on that segment; a segment is reused only when every cursor
 * has passed it.
 */
#ifndef PENSTOCK_JOURNAL_JOURNAL_H
#define PENSTOCK_JOURNAL_JOURNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "journal/state.h"

#define JOURNAL_GATEWAY_ID_MAX 64
#define JOURNAL_OUTLET_NAME_MAX 32
#define JOURNAL_OUTLETS_MAX 8

struct journal;
struct journal_io;

struct journal_options {
    const char *directory;
    const char *gateway_id; /* [A-Za-z0-9._-]{1,64}; fixed at first start */
    uint64_t segment_size; /* of new segments; a journal may hold other sizes */
    uint64_t max_size; /* of all segments together, reserve included */
    const char *const *outlets; /* whose cursors are kept; one stored for another outlet stops the start */
    size_t outlets_count;
    /* Not NULL: `outlets` is empty, every stored cursor is accepted, and this outlet's is dropped with its marks; the
     * directory is not made. ERROR_REJECT when there is none of that name; the text lists those that are. `kinds` must be
     * all that the gateway has, or their state would be gone with the next segment. */
    const char *forget;
    const struct state_kind *kinds; /* all but STATE_CURSOR and STATE_MARK, the journal's own */
    size_t kinds_count;
    const struct clock *clock;
    const struct journal_io *io; /* NULL: the system's calls; tests inject faults here (journal/io.h) */
};

/* Where an outlet stands, with its ledger: position = base + delivered + dead_lettered + not_for_outlet + damaged + held. */
struct journal_cursor {
    uint64_t position; /* everything up to and with this sequence is done, but for what a mark holds */
    uint64_t base; /* position at which the outlet was first seen */
    uint64_t delivered;
    uint64_t dead_lettered;
    uint64_t not_for_outlet;
    uint64_t damaged;
    uint64_t held; /* at or below position, yet behind some mark */
};

/* What recovery found; for the log. */
struct journal_report {
    uint32_t epoch; /* of this start */
    uint64_t last_sequence; /* newest record kept */
    uint64_t segments; /* with records, kept */
    uint64_t records_damaged; /* ids named in `notes` */
    uint64_t tail_first, tail_last; /* not 0: cut away behind the last durable mark, possibly acknowledged */
    struct journal_cursor forgotten; /* what options.forget dropped */
    uint64_t forgotten_marks;
    struct bytes notes; /* one line per finding: what, where, what was done */
};

/* The gateway's id: the configured one, or for "" the host's name with '-' for what an id cannot hold. */
void journal_gateway_id(char ret_id[JOURNAL_GATEWAY_ID_MAX + 1], const char *configured);

/* Locks the directory, recovers, starts a new epoch in a new segment, starts committer and preparer. ERROR_FATAL when another process
 * holds it, when the gateway id differs, when the format is newer, when a stored cursor's outlet is not among
 * the options; the data are untouched then. ret_report may be NULL; free its notes. @thread main */
int journal_open(struct journal **ret_journal, const struct journal_options *options,
    struct journal_report *ret_report, struct error *error);

/* Commits what is queued, writes the cursors, stops the threads, frees. Sources and outlets have stopped before. */
void journal_close(struct journal **journal);

/* Applies the state that the journal in this directory holds, as the next start would find it, and changes nothing. It takes no lock: a gateway may be writing, and
 * what it has written but not fsynced yet may be among it. `apply` alone of each kind is called; what is of no kind is passed over. ERROR_RETRY: the gateway freed what
 * was being read; what was applied is of no use, begin anew. ERROR_FATAL as journal_open(), also when there is no journal. @thread any */
int journal_peek(
    const char *directory, const struct state_kind *kinds, size_t kinds_count, struct error *error);

/* ---- writing ---------------------------------------------------------------------------------------------- */

enum handover_result {
    HANDOVER_DURABLE, /* all of it is fsynced */
    HANDOVER_REFUSED, /* nothing of it was written: no room; answer 503 and try again later */
    HANDOVER_UNKNOWN, /* a write failed and so did the rewrite: it may or may not be there; answer 504 */
};

struct handover;

/* Called exactly once for each hand-over that journal_hand_over() took, on the committer's thread, in the order of the
 * hand-overs. It must not block and not call the journal; it may free the hand-over or pass it on. */
typedef void handover_complete_fn(struct handover *handover, enum handover_result result);

struct journal_arrival;

/* One body, one burst of packets, one block of lines: one acknowledgement. Built by the source; owned by the journal from
 * a successful journal_hand_over() until complete is called, when it belongs to the source again. */
struct handover {
    struct handover *next; /* the owner's */
    handover_complete_fn *complete;
    void *context; /* the source's */
    const char *payloads; /* what payload offsets count from; must stay until complete is called */
    struct bytes parts; /* built by handover_add() alone */
    uint64_t records; /* data records among the parts; when it is complete, those that were written */
    uint64_t once; /* of them, to be stored once */
    uint64_t duplicates, old; /* of those, not written (enum once_verdict); set before complete */
    uint64_t size; /* bytes it will take in a segment, at most */
    bool has_state; /* some part is of another kind than DATA */
    bool has_letter; /* some record is undecodable */
    /* Sequences of its records; set before complete (0, 0 without records). Where none of them was written, last = first - 1 is that of
     * the newest record before them. */
    uint64_t first, last;
    struct journal_arrival *arrival; /* NULL: nobody waits until outlets are done with its records */
};

/* parts_limit is the ceiling of the descriptions' memory. */
void handover_init(
    struct handover *handover, size_t parts_limit, handover_complete_fn *complete, void *context);

/* Forgets the parts, keeps the memory, so that the next request needs no malloc. */
void handover_clear(struct handover *handover);
void handover_free(struct handover *handover); /* the parts' memory only */

/* Where a hand-over stands, so that what is added from here on can be taken back. */
struct handover_mark {
    size_t parts_length;
    uint64_t records, once, size;
    bool has_state, has_letter;
};

static inline struct handover_mark handover_mark(const struct handover *handover)
{
    return (struct handover_mark){handover->parts.length, handover->records, handover->once, handover->size,
        handover->has_state, handover->has_letter};
}

/* To a mark of this hand-over that was set since it was cleared last. */
void handover_rewind(struct handover *handover, const struct handover_mark *mark);

/* Walks the heads of its data records: *position begins at 0, or at a mark's parts_length; false behind the last. ret_dropped: when it is complete, whether the record was
 * stored before and is not written. */
bool handover_head(
    const struct handover *handover, size_t *position, struct slice *ret_head, bool *ret_dropped);

/* Adds one record whose body is head followed by payload. head is copied; of the payload only its place is kept
 * (offset from handover->payloads), so that a request body is never in memory twice. kind is JOURNAL_KIND_DATA
 * or a STATE_ kind. */
int handover_add(struct handover *handover, enum journal_kind kind, struct slice head, size_t payload_offset,
    size_t payload_length, struct error *error);

/* The same for a data record that is to be stored once: when the committer comes to it, it asks the row of the table of state that has `once`, and does not write what was
 * stored before. The hand-over is complete no earlier than the record that is there already is durable. */
int handover_add_once(struct handover *handover, const struct once *once, struct slice head,
    size_t payload_offset, size_t payload_length, struct error *error);

/* Never blocks. -1 with ERROR_RETRY: full, with ERROR_REJECT: larger than a segment can hold; the
 * hand-over is still the caller's then and complete is not called. An empty hand-over is rejected. @thread any */
int journal_hand_over(struct journal *journal, struct handover *handover, struct error *error);

/* Hands over and waits for the result: for start-up and commands, not for sources. @thread any but the committer */
int journal_hand_over_and_wait(struct journal *journal, struct handover *handover, struct error *error);

/* ---- waiting for outlets ------------------------------------------------------------------------------------ */

#define JOURNAL_ARRIVAL_LETTERS 8 /* dead letters of one hand-over that are named; all are counted */
#define JOURNAL_ARRIVAL_REASON 200

/* Every outlet that was asked for is done with the hand-over's records, and that is durable; or the journal has closed
 * before (`passed` is false then). On the committer's thread, never before complete() of the hand-over has been called;
 * as complete() it must not block and not call the journal. */
typedef void journal_arrived_fn(struct journal_arrival *arrival);

/* What becomes of a hand-over's records, for one whose complete() is told HANDOVER_DURABLE: the journal has it from then until arrived() or
 * journal_arrival_cancel(). The owner sets the first three and zeroes the others. */
struct journal_arrival {
    journal_arrived_fn *arrived;
    void *context;
    unsigned outlets; /* bits, journal_outlet_bit() */

    struct journal_arrival *next, *previous; /* the journal's; `next` is the owner's again with arrived() */
    bool waits; /* it is the journal's */
    bool passed;
    uint64_t first, last; /* sequences */
    uint64_t
        missed; /* records that an outlet has passed, but not delivered: put aside, or lost to damage of the journal */
    uint64_t
        letters; /* records that an outlet has given up; more than are listed: at least so many. Neither is taken back when a record is read
                       * again and arrives after all */
    struct {
        uint64_t sequence;
        const char *outlet; /* the journal's */
        char reason[JOURNAL_ARRIVAL_REASON]; /* may be cut */
    } list[JOURNAL_ARRIVAL_LETTERS];
};

/* 0: there is no outlet of that name. @thread any */
unsigned journal_outlet_bit(const struct journal *journal, const char *outlet);

/* The same for records that are durable already (first and last are set, too), as those of a hand-over of an earlier start. False: the outlets are done with
 * them, arrived() will not be called. What was given up or put aside before is not told. @thread any but the committer */
bool journal_arrival_begin(struct journal *journal, struct journal_arrival *arrival);

/* Records that these outlets have passed so far and not delivered: given up, or lost to damage. @thread any */
uint64_t journal_missed(struct journal *journal, unsigned outlets);

/* Whether all these outlets have delivered first..last, as far as that can be known: `missed` was journal_missed() before they were handed over, and
 * the outlets have passed them since without one more, and hold none back. @thread any */
bool journal_delivered(
    struct journal *journal, unsigned outlets, uint64_t first, uint64_t last, uint64_t missed);

/* Of a hand-over that is complete. True: it is the owner's again, and arrived() will not be called; false: it was, or is being called. @thread any
 * but the committer */
bool journal_arrival_cancel(struct journal *journal, struct journal_arrival *arrival);

/* The outlet has given up this record, or passes these without delivering them: said before its cursor passes. @thread the outlet's */
void journal_tell_letter(struct journal *journal, const char *outlet, uint64_t sequence, const char *reason);
void journal_tell_missed(struct journal *journal, const char *outlet, uint64_t first, uint64_t last);

/* ---- reading ---------------------------------------------------------------------------------------------- */

enum journal_entry_type {
    JOURNAL_ENTRY_RECORD,
    JOURNAL_ENTRY_DAMAGE, /* records first..last are lost; neighbours are fine */
};

struct journal_entry {
    enum journal_entry_type type;
    uint64_t sequence; /* of the record, or the first damaged one */
    uint64_t last; /* = sequence, or the last damaged one */
    uint32_t epoch; /* of the start that accepted it */
    struct slice body; /* until the next call on this reader */
};

struct journal_reader;

/* A reader that starts at the record behind `after` (0: at the oldest kept). One reader belongs to one thread. */
int journal_reader_open(
    struct journal_reader **ret_reader, struct journal *journal, uint64_t after, struct error *error);
void journal_reader_close(struct journal_reader **reader);

/* 1 with an entry, 0 when nothing durable is left at the moment, -1 on an I/O error (ERROR_RETRY). */
int journal_read(struct journal_reader *reader, struct journal_entry *ret_entry, struct error *error);

/* Passes, unread, all that is durable when no record of it is undecodable. 1: *ret_last is the newest sequence passed; 0: nothing
 * is there, or it has to be read: there may be such a record, as in all that an earlier start accepted; -1 on an I/O
 * error (ERROR_RETRY). */
int journal_reader_pass(struct journal_reader *reader, uint64_t *ret_last, struct error *error);

/* Waits until a record beyond `after` is durable, `timeout` microseconds are over, or journal_wake() was called since this
 * waiter's last wait: *seen is its private count of wakes (start with 0). */
void journal_wait(struct journal *journal, uint64_t after, int64_t timeout, unsigned *seen);
void journal_wake(struct journal *journal); /* all waiters. @thread any */

uint64_t journal_durable(const struct journal *journal); /* newest durable sequence; 0: none. @thread any */
uint32_t journal_epoch(const struct journal *journal); /* of this start */
uint64_t journal_log(const struct journal *journal); /* of this data directory: random, made with it */

/* ---- cursors ---------------------------------------------------------------------------------------------- */

/* A name that an outlet keeps beside its cursor, and up to where it is done: what is behind `position` is kept although the
 * cursor has passed it. JOURNAL_MARK_FREE: a name only, nothing is kept for it. (Kafka: a topic, held or not.) */
#define JOURNAL_MARK_NAME_MAX 249
#define JOURNAL_MARK_FREE UINT64_MAX
/* A name only, too: under it the outlet's store itself says how far the outlet is, and the cursor lags behind that. */
#define JOURNAL_MARK_ELSEWHERE (UINT64_MAX - 1)
#define JOURNAL_MARKS_UNWRITTEN 64 /* marks of all outlets that may wait for their group */

struct journal_mark {
    char name[JOURNAL_MARK_NAME_MAX + 1];
    uint64_t position;
};

/* The cursor as stored. ERROR_FATAL when the outlet is not among the options. @thread any */
int journal_cursor(
    struct journal *journal, const char *outlet, struct journal_cursor *ret_cursor, struct error *error);

/* Newest sequence that every outlet is done with, and up to which nothing is held for one. @thread any */
uint64_t journal_outlets_passed(struct journal *journal);

/* Takes a copy that becomes durable with the next group, at the latest after 100 ms; positions never go back.
 * What it says done must be so on its store's own terms. @thread the outlet's */
void journal_cursor_move(struct journal *journal, const char *outlet, const struct journal_cursor *cursor);

/* Moves the cursor and changes marks (new names, or new positions of known ones; they may go forward only, or to
 * JOURNAL_MARK_FREE or JOURNAL_MARK_ELSEWHERE, or from the former to anywhere): all of it becomes durable in one group, or nothing. The cursor may be
 * where it was. At most JOURNAL_MARKS_UNWRITTEN at a time. ERROR_RETRY: with those that wait it would be more, wait for the
 * next group; ERROR_REJECT: there would be more than journal_marks_max(); nothing is changed then. @thread the outlet's */
int journal_cursor_move_marked(struct journal *journal, const char *outlet,
    const struct journal_cursor *cursor, const struct journal_mark *marks, size_t count, struct error *error);

/* How many marks all outlets together may have, so that a snapshot of all state fits into its share of a segment. @thread any */
size_t journal_marks_max(uint64_t segment_size);

/* Calls visit for each stored mark of the outlet, which is among the options. @thread main, before the outlet runs; the outlet's */
typedef void journal_mark_fn(void *context, const struct journal_mark *mark);
void journal_marks(struct journal *journal, const char *outlet, journal_mark_fn *visit, void *context);

/* ---- accounts ---------------------------------------------------------------------------------------------
 * Each record counts for the account whose number is its rendering (record_head_rendering()), with the bytes that it takes in a segment, from the moment
 * when it is durable until all outlets have passed it and what stands beside it. A limit refuses nothing: it says when its owner has
 * to stop, who has brought more by then, namely what was under way. So what is larger than the limit passes, too, where nothing else is kept. */

/* What some accounts may take together. The owner's, all zeros, until journal_close(). */
struct journal_quota {
    _Atomic uint64_t bytes; /* kept now */
    _Atomic uint64_t times; /* that it went over */
    _Atomic bool over; /* from above the limit until an eighth below it */
    uint64_t limit; /* the journal's, as `next` */
    struct journal_quota *next;
};

/* From now on it has this limit; 0: none, it is only counted. @thread main */
void journal_quota_set(struct journal *journal, struct journal_quota *quota, uint64_t limit);

/* The account counts for it from now on, with what is kept; once it does it counts for no other. ERROR_REJECT: there are more accounts than the journal counts for. @thread main */
int journal_quota_add(
    struct journal *journal, struct journal_quota *quota, uint32_t account, struct error *error);

/* Numbers of those that the journal counts for, at most so many; returns how many there are. @thread any */
size_t journal_accounts(struct journal *journal, uint32_t *numbers, size_t most);

/* ---- state ------------------------------------------------------------------------------------------------ */

struct journal_status {
    uint64_t bytes; /* on disk, reserve included */
    uint64_t free_bytes; /* that hand-overs may still take */
    uint64_t max_size;
    uint64_t segments;
    uint64_t durable; /* sequence */
    uint64_t oldest; /* first sequence kept; durable + 1 when none is */
    bool accepting;
    int64_t busy; /* microseconds that the committer has been at its present group; 0: it waits */
    char reason[ERROR_TEXT_SIZE]; /* why not */
};

void journal_status(struct journal *journal, struct journal_status *ret_status); /* @thread any */

#endif
