/* pace: how fast an import may take rows from the database, over all of its connections.
 *
 * A bucket of tokens that fills evenly: what is taken beyond it is waited for by whoever takes it, so that over any time not more than the rate and a quarter of a second
 * of it comes. The time is the caller's. @thread any, it has a lock of its own
 */
#ifndef PENSTOCK_TABLE_PACE_H
#define PENSTOCK_TABLE_PACE_H

#include <pthread.h>
#include <stdint.h>

#include "base/clock.h"

#define PACE_BURST (CLOCK_SECOND / 4) /* what may have been saved up */

struct pace {
    pthread_mutex_t lock;
    uint64_t rate; /* bytes a second; 0: as fast as they come */
    int64_t even; /* when the bucket is, or was, empty */
};

/* rate: bytes a second, 0: no limit. now: monotonic, microseconds. */
void pace_open(struct pace *pace, uint64_t rate, int64_t now);
void pace_close(struct pace *pace);

/* So many bytes have come: for how long, in microseconds, the caller takes no more. */
int64_t pace_take(struct pace *pace, uint64_t bytes, int64_t now);

/* Bytes that are worth being taken at once at this rate, at most `most`: several times a second. */
uint64_t pace_step(uint64_t rate, uint64_t most);

#endif
