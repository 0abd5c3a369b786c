/* control: the part of a group that is no hand-over: cursors and marks that outlets moved. It stands behind the group's
 * hand-overs and counts whole or not at all: an outlet's cursor never passes what its marks do not yet hold. */
#ifndef PENSTOCK_JOURNAL_CONTROL_H
#define PENSTOCK_JOURNAL_CONTROL_H

#include "journal/journal.h"

/* Cursors and marks never move in their lists while the journal is open. */
struct mark_place {
    size_t cursor; /* index in journal->cursors */
    size_t mark; /* index in its table */
};

struct control_cursor {
    size_t cursor;
    struct journal_cursor wanted;
};

struct control_mark {
    struct mark_place place;
    struct journal_mark mark;
};

struct control {
    struct control_cursor cursors[JOURNAL_OUTLETS_MAX];
    size_t cursors_count; /* 0: the whole part is empty */
    struct control_mark marks[JOURNAL_MARKS_UNWRITTEN];
    size_t marks_count;
};

/* Everything that waits, into an empty control. @holds lock */
void control_take(struct journal *journal, struct control *control);

/* Bytes in a segment, at most. @thread committer */
uint64_t control_size(const struct journal *journal, const struct control *control);
int control_write(struct journal *journal, const struct control *control);

/* It is durable now. @holds lock */
void control_publish(struct journal *journal, const struct control *control);

/* It could not be written: what was not changed again meanwhile waits as before. @holds lock */
void control_failed(struct journal *journal, const struct control *control);

#endif
