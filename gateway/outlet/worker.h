/* worker: what the outlets' threads have in common: start and end, the totals that they tell, the pause behind a failure.
 *
 * What an outlet does between start and end is its own. Room-internal. @thread main starts and stops; the body is the thread's
 */
#ifndef PENSTOCK_OUTLET_WORKER_H
#define PENSTOCK_OUTLET_WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/metric.h"
#include "journal/journal.h"

#define OUTLET_BACKOFF_LEAST (CLOCK_SECOND / 10)
#define OUTLET_BACKOFF_MOST (5 * CLOCK_SECOND)

/* ---- the thread -------------------------------------------------------------------------------------------- */

struct worker {
    pthread_t thread;
    struct journal *journal;
    bool running;
    atomic_bool stopping;
    _Atomic int64_t deadline; /* monotonic; set before `stopping` */
};

typedef void *worker_body_fn(void *argument);

/* name: of the outlet, at most 15 bytes of it are the thread's. ERROR_FATAL: there is no thread. */
int worker_start(struct worker *worker, const char *name, struct journal *journal, worker_body_fn *body,
    void *argument, struct error *error);

/* Sets the deadline, wakes the body and waits for its end. False: it did not run. */
bool worker_stop(struct worker *worker, int64_t deadline);

static inline bool worker_is_stopping(const struct worker *worker)
{
    return atomic_load(&worker->stopping);
}

/* The pause behind so many failures in a row: OUTLET_BACKOFF_LEAST, doubling, at most OUTLET_BACKOFF_MOST. failures >= 1 */
int64_t worker_pause(uint64_t failures);

/* ---- what every outlet tells -------------------------------------------------------------------------------- */

struct worker_totals {
    struct metric_series *delivered, *dead_lettered, *not_for_outlet, *damaged, *errors, *lag_records,
        *lag_seconds;
};

void worker_find_totals(struct worker_totals *totals, const char *outlet);

/* What the cursor has moved since it was told last. lag_since: wall clock, when the oldest record not delivered was received;
 * 0: none is queued. */
void worker_tell_totals(const struct worker_totals *totals, const struct journal *journal,
    const struct clock *clock, const struct journal_cursor *cursor, const struct journal_cursor *told,
    int64_t lag_since);

#endif
