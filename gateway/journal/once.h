/* once: records that are stored once, as the committer sees them. What was seen before is known to a row of the table of state (struct state_once, state.h); here
 * its verdicts are asked for, and what was new is written down.
 *
 * A record's verdict is asked for when its group is written, in the order of the log, so that two hand-overs of one group are told apart as well as
 * two of different years. Each counts as seen at once; when the group cannot be written all of it is taken back, and the second try asks anew. The notes of what was new are
 * the last frames of the hand-over: after a crash the records and the notes are there, or neither. @thread committer
 */
#ifndef PENSTOCK_JOURNAL_ONCE_H
#define PENSTOCK_JOURNAL_ONCE_H

#include "journal/journal.h"

/* The row that is asked; NULL: there is none, and such records cannot be taken. */
const struct state_kind *once_kind(const struct state_kind *kinds, size_t count);

/* Bytes that the notes of so many records take in a segment, at most. */
uint64_t once_size(uint64_t records);

/* Drops what is not to be written, sets records, duplicates and old, amends the state. Returns how many notes are to be written. */
uint64_t once_decide(struct journal *journal, struct handover *handover);

/* So many notes, behind the pieces of the hand-over, the end flag with the last one. */
int once_write(struct journal *journal, struct handover *handover, uint64_t notes);

/* The group is durable, or was not written. */
void once_settle(struct journal *journal, bool durable);

#endif
