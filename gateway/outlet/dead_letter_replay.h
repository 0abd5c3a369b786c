/* dead_letter_replay: what people asked to be given back goes into the journal again, file by file; without a thread.
 *
 * A letter becomes a record of its stream as that is configured now: its rendering, its labels by name. The record names the
 * outlet that it is for and the letter's id in its origin ("OUTLET GATEWAY/EPOCH/SEQUENCE", RECORD_REPLAYED); other outlets
 * pass it over. What cannot be given back (stream or outlet gone, undecodable, no letter at all) becomes a letter again whose reason says
 * so. A file is deleted when all of it is durable; after a crash in between it is given back from its start. Room-internal.
 * @thread the outlet's
 */
#ifndef PENSTOCK_OUTLET_DEAD_LETTER_REPLAY_H
#define PENSTOCK_OUTLET_DEAD_LETTER_REPLAY_H

#include "outlet/dead_letter_pump.h"

#define DEAD_LETTER_REPLAY_EVERY CLOCK_SECOND /* between two looks, when there is nothing or it failed */
#define DEAD_LETTER_REPLAY_RECORDS 256 /* in one hand-over */
#define DEAD_LETTER_REPLAY_BYTES (256 * 1024) /* in one hand-over of several records */

struct dead_letter_replay;

/* Takes the parts that the options name, which outlive it. */
int dead_letter_replay_open(struct dead_letter_replay **ret_replay,
    const struct dead_letter_pump_options *options, struct error *error);
void dead_letter_replay_close(struct dead_letter_replay **replay);

/* One hand-over, or the end of a file. 1: there may be more; 0: nothing is put aside; -1: try again later, from where it
 * stands (ERROR_RETRY: the journal is full, the disk too). */
int dead_letter_replay_step(struct dead_letter_replay *replay, struct error *error);

#endif
