/* worker: see worker.h */
#include "outlet/worker.h"

#include <assert.h>
#include <string.h>

int worker_start(struct worker *worker, const char *name, struct journal *journal, worker_body_fn *body,
    void *argument, struct error *error)
{
    assert(!worker->running);
    worker->journal = journal;
    int failure = pthread_create(&worker->thread, NULL, body, argument);
    if (failure)
        return error_set(error, ERROR_FATAL, "outlet %s: thread: %s", name, strerror(failure));
    pthread_setname_np(worker->thread, name);
    worker->running = true;
    return 0;
}

bool worker_stop(struct worker *worker, int64_t deadline)
{
    if (!worker->running)
        return false;
    atomic_store(&worker->deadline, deadline);
    atomic_store(&worker->stopping, true);
    journal_wake(worker->journal);
    pthread_join(worker->thread, NULL);
    worker->running = false;
    return true;
}

int64_t worker_pause(uint64_t failures)
{
    int64_t pause = OUTLET_BACKOFF_LEAST;

    for (uint64_t i = 1; i < failures && pause < OUTLET_BACKOFF_MOST; i++)
        pause *= 2;
    return pause < OUTLET_BACKOFF_MOST ? pause : OUTLET_BACKOFF_MOST;
}

void worker_find_totals(struct worker_totals *totals, const char *outlet)
{
    totals->delivered = metric_series(METRIC_OUTLET_DELIVERED, outlet, NULL, NULL);
    totals->dead_lettered = metric_series(METRIC_OUTLET_DEAD_LETTERED, outlet, NULL, NULL);
    totals->not_for_outlet = metric_series(METRIC_OUTLET_NOT_FOR_OUTLET, outlet, NULL, NULL);
    totals->damaged = metric_series(METRIC_JOURNAL_RECORDS_DAMAGED, outlet, NULL, NULL);
    totals->errors = metric_series(METRIC_OUTLET_ERRORS, outlet, NULL, NULL);
    totals->lag_records = metric_series(METRIC_OUTLET_LAG_RECORDS, outlet, NULL, NULL);
    totals->lag_seconds = metric_series(METRIC_OUTLET_LAG_SECONDS, outlet, NULL, NULL);
}

void worker_tell_totals(const struct worker_totals *totals, const struct journal *journal,
    const struct clock *clock, const struct journal_cursor *cursor, const struct journal_cursor *told,
    int64_t lag_since)
{
    const int64_t lag = lag_since ? clock_wall(clock) - lag_since : 0;

    metric_add(totals->delivered, cursor->delivered - told->delivered);
    metric_add(totals->dead_lettered, cursor->dead_lettered - told->dead_lettered);
    metric_add(totals->not_for_outlet, cursor->not_for_outlet - told->not_for_outlet);
    metric_add(totals->damaged, cursor->damaged - told->damaged);
    metric_set(totals->lag_records, (double)(journal_durable(journal) - cursor->position));
    metric_set(totals->lag_seconds, lag > 0 ? (double)lag / (double)CLOCK_SECOND : 0);
}
