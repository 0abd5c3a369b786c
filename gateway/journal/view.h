/* view: a journal that a gateway may be writing, that was copied, or that is damaged, as somebody sees it who changes nothing and takes no lock.
 *
 * journal_view_open() reads the directory and every header, journal_view_recover() the last segment as recovery would (FORMAT.md, steps 1 to 5),
 * journal_view_walk() every frame of all segments. What a gateway appends after journal_view_recover() is not seen. ERROR_RETRY: it freed what was being read, or made a
 * segment that was not seen; close the view and begin anew.
 *
 * What stands behind the last durable mark is taken as the next start would take it: the longest valid prefix that ends with a hand-over. The rest is called the tail:
 * it is being written, or a crash has torn it. @thread the owner's
 */
#ifndef PENSTOCK_JOURNAL_VIEW_H
#define PENSTOCK_JOURNAL_VIEW_H

#include "journal/journal.h"
#include "record/record.h"

struct journal_view_segment {
    const char *file;
    bool misnamed; /* its number is another one than its name says */
    bool cut; /* shorter than it has to be */
    bool half; /* one of the two copies of its header is destroyed */
    bool damaged; /* the newest only: there is damage before its last durable mark */
    uint64_t number;
    uint64_t first,
        last; /* sequences; first > last: it has no records, as far as is known without reading it */
    uint64_t end; /* what lies beyond does not count */
    bool end_known; /* false: the segment that says so is not there, and this is the file's size */
    uint64_t size; /* of the file */
    uint32_t epoch;
    int64_t made; /* microseconds since 1970 UTC */
};

/* A file that is no segment of this journal. */
struct journal_view_file {
    const char *name;
    uint64_t size;
    bool fault; /* it has a segment's name */
    const char *what;
};

struct journal_view_outlet {
    char name[JOURNAL_OUTLET_NAME_MAX + 1];
    struct journal_cursor cursor;
    struct journal_mark *marks; /* in the order in which they came up */
    size_t marks_count;
    uint64_t least; /* the smallest position of its marks; JOURNAL_MARK_FREE: nothing is held */
};

/* To be read only. */
struct journal_view {
    char
        gateway_id[JOURNAL_GATEWAY_ID_MAX + 1]; /* as all that follows of a journal without segments: empty */
    uint64_t segment_size; /* of the newest segment, as it was made */
    struct journal_view_segment *segments; /* oldest first */
    size_t segments_count;
    struct journal_view_file *files; /* by name */
    size_t files_count;

    /* From here on set by journal_view_recover(). */
    uint64_t last; /* newest record; 0: none was ever kept */
    uint64_t tail_first, tail_last,
        tail_offset; /* records of the tail, and where it begins in the newest segment; first 0: there is none */
    struct journal_view_outlet outlets[JOURNAL_OUTLETS_MAX];
    size_t outlets_count;
    struct journal_view_inside *inside;
};

/* directory outlives the view. ERROR_FATAL as journal_open(), also when there is no directory. */
int journal_view_open(struct journal_view **ret_view, const char *directory, struct error *error);
void journal_view_close(struct journal_view **view); /* takes NULL */

/* Applies the state that the next start would find, as journal_peek() does. Once, before journal_view_walk(). */
int journal_view_recover(
    struct journal_view *view, const struct state_kind *kinds, size_t kinds_count, struct error *error);

enum journal_view_type {
    JOURNAL_VIEW_RECORD,
    JOURNAL_VIEW_STATE,
    JOURNAL_VIEW_DAMAGE, /* bytes from..to are not what was written; records first..last are lost, none when first > last */
    JOURNAL_VIEW_FAULT, /* the frame at `from` has its checksum and cannot be right all the same: `text` */
    JOURNAL_VIEW_FREED, /* the gateway freed the segment meanwhile: first..last were not read */
};

struct journal_view_item {
    enum journal_view_type type;
    const struct journal_view_segment *segment; /* NULL: of damage to records of which no file is there */
    uint64_t from, to; /* offsets */
    uint64_t first, last; /* sequences; of state: of the record before it */
    uint32_t epoch;
    bool epoch_known;
    uint16_t kind; /* of state */
    struct slice body; /* until visit returns */
    const char *text;
};

/* In the order of the log. -1 ends it, and is what journal_view_walk() returns. */
typedef int journal_view_visit_fn(void *context, const struct journal_view_item *item, struct error *error);

/* Every frame of the segments with records behind `after` (0: of all), and what is bad between them: records of these segments that are not behind it come too. */
int journal_view_walk(const struct journal_view *view, uint64_t after, journal_view_visit_fn *visit,
    void *context, struct error *error);

/* The ids first..last of an item as "site-7/3f9a1c22/42" or "site-7/3f9a1c22/42..57"; a * stands for an epoch that nobody knows. */
#define JOURNAL_VIEW_IDS_MAX (RECORD_ID_MAX + 2 + 20)
void journal_view_ids(const struct journal_view *view, const struct journal_view_item *item,
    char out[JOURNAL_VIEW_IDS_MAX + 1]);

/* Records that it has still to deliver, as far as is known without a walk: those behind its position, and held ones. A position behind the newest record, which
 * journal_view_prove() refutes, has none behind it. */
uint64_t journal_view_queued(const struct journal_view_outlet *outlet, uint64_t last);

/* Whether the totals of an outlet add up: position = base + what became of the records up to there, and accepted = delivered + dead-lettered + not for this outlet +
 * damaged + queued. last: the newest record; unread: records behind the position that were found, damaged or not. ERROR_REJECT says what does not. */
struct journal_ledger {
    uint64_t accepted; /* since the outlet was first seen */
    uint64_t queued; /* unread, and held */
};
int journal_view_prove(const struct journal_view_outlet *outlet, uint64_t last, uint64_t unread,
    struct journal_ledger *ret_ledger, struct error *error);

#define cleanup_journal_view __attribute__((cleanup(journal_view_close)))

#endif
