/* internal: the journal's inside, shared by its own files only.
 *
 * Threads: the committer alone writes the current segment; the preparer alone makes and recycles files; any thread
 * hands over and reads. All fields under "guarded by lock" are; the rest is constant after journal_open() or belongs to the
 * thread named.
 */
#ifndef PENSTOCK_JOURNAL_INTERNAL_H
#define PENSTOCK_JOURNAL_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/metric.h"
#include "journal/account.h"
#include "journal/control.h"
#include "journal/frame.h"
#include "journal/io.h"
#include "journal/scan.h"

#define RESERVE_KEPT 2 /* segments that only cursors, state and recovery may use */
#define RESERVE_TARGET 3 /* the preparer keeps one more, so that a roll need not wait */
/* Freed segments are recycled while there are fewer reserves than the least, or than the most and this part of
 * journal.max_size holds; others are deleted. The lake frees at once what one of its files held: to delete that and fill new
 * ones with zeros would cost more than to write the records. */
#define RESERVE_LEAST 4
#define RESERVE_MAX 8
#define RESERVE_SHARE 16
#define DAMAGED_KEPT 2 /* damaged segments put aside instead of being recycled */
#define DAMAGE_LISTED (UINT32_C(16) << 20) /* bytes of a list of ranges */
#define ZERO_STEP (UINT32_C(4) << 20)
#define WRITER_BUFFER (UINT32_C(1) << 20)
#define CONTROL_ROOM \
    2048 /* kept free in a segment, for a group's mark and all cursors; marks bring their own */
#define SILENCE (CLOCK_SECOND / 10)
#define RETRY_PAUSE CLOCK_SECOND
#define SEGMENT_NAME_SIZE 64

/* One segment file with a name of its own, oldest first in the journal's list. */
struct segment {
    uint64_t number;
    uint64_t base; /* sequence of the last record before it */
    uint64_t last; /* sequence of its last record (= base: none) */
    uint64_t seed;
    uint64_t snapshot_end;
    uint64_t end; /* nothing beyond counts; of the current one: what is durable */
    uint64_t size; /* of the file */
    uint32_t epoch;
    bool whole; /* as its header says */
    bool damaged;
    bool lacking; /* cut short, or the one behind it is lost */
    const char *file; /* of a view: the name that it was found under; NULL: what its number says */
};

/* A file for a segment to come. */
struct reserve {
    uint64_t id;
    bool whole; /* all its blocks were written once */
};

/* Appends frames to one segment file through a buffer. @thread its owner */
struct writer {
    const struct journal_io *io;
    int fd; /* -1: none */
    bool whole; /* what it appends changes no metadata */
    uint64_t seed;
    uint64_t offset; /* of the next frame, what is buffered included */
    size_t used;
    char *buffer; /* WRITER_BUFFER bytes; it ends at offset */
};

struct mark {
    char name[JOURNAL_MARK_NAME_MAX + 1];
    bool known; /* stored */
    bool waiting; /* for its group */
    uint64_t stored; /* durable */
    uint64_t wanted; /* changed by the outlet */
};

/* The marks of one cursor, found by name. Marks never go, but with the whole table. */
struct mark_table {
    struct mark *items;
    uint32_t *slots; /* twice the capacity; index in items + 1, 0: free */
    size_t count, capacity;
    uint64_t seed;
    uint64_t least; /* smallest stored position; JOURNAL_MARK_FREE: none is held */
};

struct cursor {
    char outlet[JOURNAL_OUTLET_NAME_MAX + 1];
    struct journal_cursor stored; /* durable */
    struct journal_cursor wanted; /* moved by the outlet */
    bool known; /* a cursor was found or written */
    bool dirty;
    struct mark_table marks;
};

struct journal_reader {
    struct journal *journal;
    struct journal_reader *next; /* guarded by journal->lock, as is pinned */
    uint64_t pinned; /* number of the segment that must not be recycled; 0: none */
    struct segment segment; /* being read; number 0: none */
    struct scan scan;
    int fd;
    uint64_t last; /* sequence of the last entry given out */
    bool has_frame;
    struct scan_frame frame; /* read, but a damage entry comes first */
};

struct journal {
    struct journal_options options;
    const struct journal_io *io;
    int directory; /* also holds the lock */
    uint64_t log;
    uint32_t epoch;
    char gateway_id[JOURNAL_GATEWAY_ID_MAX + 1];
    uint64_t handover_max; /* bytes of one hand-over, and of one group */
    pthread_t committer_thread, preparer_thread;
    bool threads;

    pthread_mutex_t lock;
    pthread_cond_t work; /* the committer: queue, cursors, closing */
    pthread_cond_t prepare; /* the preparer: reserve taken, segments to free, closing */
    pthread_cond_t room; /* the committer: the reserve grew, or cannot */
    pthread_cond_t durable_moved;

    /* guarded by lock */
    struct handover *queue, **queue_tail;
    bool idle; /* the committer waits */
    int64_t busy_since; /* monotonic, start of its present group; 0: it waits */
    bool closing, preparer_stop;
    struct segment *segments;
    size_t segments_count, segments_capacity;
    struct reserve reserve[RESERVE_MAX];
    size_t reserve_count;
    uint64_t reserve_next;
    uint64_t bytes; /* of all files */
    bool urgent; /* the committer waits for a reserve */
    bool unprepared; /* the last try to make a reserve failed */
    int64_t prepare_at; /* no further try before (monotonic) */
    bool full;
    char full_reason[ERROR_TEXT_SIZE];
    struct cursor cursors[JOURNAL_OUTLETS_MAX];
    size_t cursors_count;
    size_t marks_count; /* of all cursors */
    struct mark_place waiting_marks[JOURNAL_MARKS_UNWRITTEN]; /* for the next group */
    size_t marks_waiting, marks_flying; /* flying: in the present group; both together at most that many */
    struct journal_arrival *arrivals, *arrivals_last; /* in the order of their records */
    struct journal_reader *readers;
    unsigned waiters, wakes;
    uint64_t awaited; /* the least sequence that a waiter waits for; UINT64_MAX: none does */
    size_t damaged_kept;
    uint64_t next_number; /* of segments */
    bool
        forgotten; /* a reader met damage, and state was forgotten: only the next segment's snapshot says so */
    uint64_t letter; /* behind it no durable record is undecodable */
    struct accounts accounts; /* but for what is the committer's */

    _Atomic uint64_t durable;

    /* Writes what a new segment must hold before it gets its name; NULL but while recovery copies a tail. @thread main */
    int (*carry)(void *context, struct writer *writer, struct error *error);
    void *carry_context;
    struct bytes damage; /* while it opens: u64 first and last of each range of records that is gone */

    /* the committer's */
    struct writer writer;
    uint64_t sequence; /* of the last record written */
    const struct state_kind *once; /* the row of the table that has it; or NULL */
    uint16_t unknown_kind; /* of state that was found and that no row of the table takes; 0: none */
    struct error unread; /* ERROR_RETRY: why state that was found could not be taken */
    bool unannounced; /* a group was committed whose durability no later mark has told */
    int64_t committed_at; /* monotonic */
    int64_t retry_at; /* 0: none */
    struct metric_series *commit_seconds, *commit_records, *retired;
};

/* ---- journal.c --------------------------------------------------------------------------------------------- */

/* Empty, with neither directory nor threads. */
int journal_new(struct journal **ret_journal, const struct journal_options *options, struct error *error);
void journal_free(struct journal *journal);

/* ---- segment.c: files of the directory --------------------------------------------------------------------- */

void segment_name(char name[SEGMENT_NAME_SIZE], uint64_t number);
int segment_open(const struct journal *journal, const struct segment *segment, int flags); /* as open() */
void reserve_name(char name[SEGMENT_NAME_SIZE], const struct reserve *reserve);

uint64_t journal_random(void);

/* Makes an empty file of segment size under a reserve name. It is filled with zeros in steps; stop() is asked
 * between them and ends the filling early: the file is not whole then. */
int reserve_make(struct journal *journal, uint64_t id, bool (*stop)(struct journal *),
    struct reserve *ret_reserve, struct error *error);
/* Makes a freed segment whole, if little is left of it to be written. */
int segment_make_whole(struct journal *journal, const struct segment *segment, struct error *error);

/* Whether one more file may be kept for later. @holds lock, or before the threads start */
bool reserve_has_room(const struct journal *journal);

/* Turns a reserve file into the segment that header describes: header and snapshot are written and synced before the file
 * gets its name, the name before anything is appended. Sets header->seed and snapshot_end. The writer is open then. The file
 * is deleted on failure. */
int segment_begin(struct journal *journal, const struct reserve *reserve, struct segment_header *header,
    struct writer *writer, struct error *error);

/* Adds to the list. @holds lock, or before the threads start */
int segment_list_add(struct journal *journal, const struct segment_header *header, struct error *error);
struct segment *segment_current(struct journal *journal);

/* The room for frames behind the largest snapshot of a segment of this size. */
uint64_t segment_room(uint64_t segment_size);

int writer_frame(struct writer *writer, const struct frame *frame, struct slice head, struct slice payload);
int writer_flush(struct writer *writer);
/* What was flushed is durable. */
int writer_sync(struct writer *writer);
void writer_close(struct writer *writer);

/* ---- state.c ------------------------------------------------------------------------------------------------ */

/* Applies one state frame by the table of kinds; an unknown kind is an error. */
int state_apply(struct journal *journal, const struct frame *frame, const char *body, struct error *error);
/* What recovery has found and keeps: a state frame, or a record, which counts for its account. */
int state_recover(struct journal *journal, const struct scan_frame *found, struct error *error);
/* Tells all kinds that these records are gone; true: one of them has forgotten something. */
bool state_damaged(const struct journal *journal, uint64_t first, uint64_t last);

/* ---- recovery.c; recovery_list.h ---------------------------------------------------------------------------- */

int recovery_run(struct journal *journal, struct journal_report *report, struct error *error);
/* Of a journal whose segments are listed and that has some: what the next start would find in the last one, and nothing is changed. Sets its last and end. */
int recovery_peek(struct journal *journal, struct journal_report *report, struct error *error);
void recovery_note(struct journal_report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- committer.c, preparer.c -------------------------------------------------------------------------------- */

void *committer_run(void *journal);
/* Starts the segment behind the current one (number, base and previous are filled in). @thread committer, main at open */
int committer_roll(struct journal *journal, bool for_data, struct error *error);
void *preparer_run(void *journal);
/* One piece of work: 1 something was done, 0 nothing to do. @holds lock (released meanwhile) */
int preparer_step(struct journal *journal);
/* Frees segments that nobody needs, at open before anything is created. */
void preparer_free_passed(struct journal *journal);

/* ---- mark.c ------------------------------------------------------------------------------------------------- */

#define MARK_BODY_MAX (2 + JOURNAL_OUTLET_NAME_MAX + 8 + JOURNAL_MARK_NAME_MAX)
size_t mark_encode(const char *outlet, const struct journal_mark *mark, char out[MARK_BODY_MAX]);
/* Leaves `least` to mark_table_settle(). @thread main, while the journal opens */
int mark_apply(struct journal *journal, const void *body, size_t length, struct error *error);
int mark_dump(struct journal *journal, state_emit_fn *emit, void *context, struct error *error);
void mark_table_settle(struct mark_table *table); /* @holds lock */
void mark_table_free(struct journal *journal, struct mark_table *table);

/* ---- arrival.c ---------------------------------------------------------------------------------------------- */

/* From now on it is told what becomes of its records. Before anybody can read them. Of a hand-over of which nothing was written: of all before it; true: outlets may be
 * done with those already. @holds lock */
bool arrival_begin(struct journal *journal, struct handover *handover);
/* Takes out those of which all outlets have passed the records: a list. @holds lock */
struct journal_arrival *arrival_take_passed(struct journal *journal);
/* Calls arrived() for each of a list. Without the lock. */
void arrival_call(struct journal_arrival *list);
/* The rest of them, while the journal closes. */
void arrival_end(struct journal *journal);

/* ---- cursor.c ----------------------------------------------------------------------------------------------- */

struct cursor *cursor_find(struct journal *journal, const char *outlet);
/* Found or added, not known then; NULL: JOURNAL_OUTLETS_MAX are there. @thread main, while the journal opens */
struct cursor *cursor_make(struct journal *journal, const char *name, size_t length);
/* The outlet wants it to stand there. @holds lock */
void cursor_want(struct journal *journal, struct cursor *cursor, const struct journal_cursor *wanted);
/* Gives up the cursor and its marks. @thread main, while the journal opens */
void cursor_drop(struct journal *journal, struct cursor *cursor);
/* The smallest stored position of all outlets and their marks. @holds lock, or the committer (the only one that changes it) */
uint64_t cursor_least(const struct journal *journal);
/* The outlet's name is in the body. */
int cursor_decode(const void *body, size_t length, struct slice *ret_outlet,
    struct journal_cursor *ret_cursor, struct error *error);
int cursor_apply(void *state, const void *body, size_t length, uint64_t sequence, struct error *error);
int cursor_dump(void *state, uint64_t keep_from, state_emit_fn *emit, void *context, struct error *error);
#define CURSOR_VALUES 7
#define CURSOR_BODY_MAX (2 + JOURNAL_OUTLET_NAME_MAX + CURSOR_VALUES * 8)
size_t cursor_encode(const char *outlet, const struct journal_cursor *cursor, char out[CURSOR_BODY_MAX]);

void lock_take(struct journal *journal);
void lock_release(struct journal *journal);
/* Waits on a condition until `until` (monotonic microseconds; INT64_MAX: for ever). @holds lock */
void lock_wait(struct journal *journal, pthread_cond_t *condition, int64_t until);

#endif
