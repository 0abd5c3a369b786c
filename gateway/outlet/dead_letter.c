/* dead_letter: the dead-letter outlet: its thread, what it tells the outside; see outlet.h, dead_letter_pump.h and
 * dead_letter_replay.h */
#include "outlet/outlet.h"

#include <stdlib.h>

#include "base/health.h"
#include "base/log.h"
#include "outlet/dead_letter_replay.h"
#include "outlet/worker.h"

#define OUTLET_GATHER \
    (CLOCK_SECOND /   \
        50) /* what comes within it is taken in one step: it wakes seldom and costs the others little */

#define OUTLET_CONDITION "dead-letters.outlet" /* that of used up quotas is the pipeline's */

struct outlet {
    struct dead_letter_pump_options options;
    struct dead_letter_pump *pump;
    struct dead_letter_replay *replay;
    int64_t replay_at; /* monotonic */
    struct worker worker;
    struct worker_totals totals;
    struct metric_series *bytes;
    struct dead_letter_pump_status told; /* what metrics and health say */
};

/* ---- options ---------------------------------------------------------------------------------------------- */

static bool outlet_dead_letter_wanted(const struct config *config)
{
    (void)config;
    return true; /* any source may mark a record, any outlet give one up */
}

static int outlet_dead_letter_open(
    struct outlet **ret_outlet, const struct outlet_context *context, struct error *error)
{
    struct outlet *outlet = calloc(1, sizeof *outlet);

    if (!outlet)
        return error_set(error, ERROR_RETRY, "dead letters: out of memory");
    outlet->options = (struct dead_letter_pump_options){
        .gateway_id = context->gateway_id,
        .journal = context->journal,
        .renderings = context->renderings,
        .routes = context->routes,
        .dead_letters = context->dead_letters,
        .clock = context->clock,
    };
    worker_find_totals(&outlet->totals, DEAD_LETTER_PUMP_NAME);
    outlet->bytes = metric_series(METRIC_DEAD_LETTER_BYTES, NULL, NULL, NULL);
    *ret_outlet = outlet;
    return 0;
}

/* It is part of every gateway and nothing to look at while it is empty. */
static int outlet_dead_letter_describe(const struct outlet *outlet, struct bytes *text, struct error *error)
{
    (void)outlet, (void)text, (void)error;
    return 0;
}

/* ---- thread ----------------------------------------------------------------------------------------------- */

static void outlet_tell_metrics(struct outlet *outlet, const struct dead_letter_pump_status *status)
{
    struct dead_letters_status letters;

    worker_tell_totals(&outlet->totals, outlet->options.journal, outlet->options.clock, &status->cursor,
        &outlet->told.cursor, status->lag_since);
    dead_letters_status(outlet->options.dead_letters, &letters);
    metric_set(outlet->bytes, (double)letters.letters_bytes);
}

/* What a step has changed, for metrics, /readyz and the log. error is the step's when it failed, else NULL. */
static void outlet_tell(struct outlet *outlet, const struct error *error)
{
    struct dead_letter_pump_status status;

    dead_letter_pump_status(outlet->pump, &status);
    outlet_tell_metrics(outlet, &status);
    if (error) {
        metric_add(outlet->totals.errors, 1);
        health_set(OUTLET_CONDITION, HEALTH_DEGRADED, error->text);
        log_event(LOG_WARN, "outlet.failed", log_text("outlet", DEAD_LETTER_PUMP_NAME),
            log_text("reason", error->text), log_number("failures", (int64_t)status.failures));
    } else if (outlet->told.failures && !status.failures) {
        health_set(OUTLET_CONDITION, HEALTH_OK, NULL);
        log_event(LOG_INFO, "outlet.recovered", log_text("outlet", DEAD_LETTER_PUMP_NAME),
            log_number("failures", (int64_t)outlet->told.failures));
    }
    if (status.cursor.dead_lettered > outlet->told.cursor.dead_lettered)
        log_event(LOG_WARN, "outlet.dead_letters", log_text("outlet", DEAD_LETTER_PUMP_NAME),
            log_number("letters", (int64_t)(status.cursor.dead_lettered - outlet->told.cursor.dead_lettered)),
            log_number("position", (int64_t)status.cursor.position));
    outlet->told = status;
}

/* Gives back what is due; true when there may be more at once. */
static bool outlet_replay(struct outlet *outlet)
{
    struct error error;

    if (clock_monotonic(outlet->options.clock) < outlet->replay_at)
        return false;
    int worked = dead_letter_replay_step(outlet->replay, &error);
    if (worked > 0)
        return true;
    if (worked < 0)
        log_event(LOG_WARN, "dead_letters.replay_waits", log_text("reason", error.text));
    outlet->replay_at = clock_monotonic(outlet->options.clock) + DEAD_LETTER_REPLAY_EVERY;
    return false;
}

static void outlet_wait(struct outlet *outlet, unsigned *seen)
{
    uint64_t after;
    int64_t until;

    journal_wait(outlet->options.journal, UINT64_MAX, OUTLET_GATHER, seen);
    if (worker_is_stopping(&outlet->worker))
        return;
    dead_letter_pump_wait(outlet->pump, &after, &until);
    until = until < outlet->replay_at ? until : outlet->replay_at;
    int64_t now = clock_monotonic(outlet->options.clock);
    if (until > now)
        journal_wait(outlet->options.journal, after, until - now, seen);
}

static void *outlet_thread(void *argument)
{
    struct outlet *outlet = argument;
    struct error error;
    unsigned seen = 0;

    log_event(LOG_INFO, "outlet.started", log_text("outlet", DEAD_LETTER_PUMP_NAME),
        log_number("position", (int64_t)outlet->told.cursor.position));
    while (!worker_is_stopping(&outlet->worker)) {
        int worked = dead_letter_pump_step(outlet->pump, &error);
        outlet_tell(outlet, worked < 0 ? &error : NULL);
        bool more = outlet_replay(outlet);
        if (worked <= 0 && !more)
            outlet_wait(outlet, &seen);
    }
    int drained = dead_letter_pump_drain(outlet->pump, atomic_load(&outlet->worker.deadline), &error);
    outlet_tell(outlet, drained ? &error : NULL);
    log_event(LOG_INFO, "outlet.stopped", log_text("outlet", DEAD_LETTER_PUMP_NAME),
        log_number("position", (int64_t)outlet->told.cursor.position),
        log_number(
            "queued", (int64_t)(journal_durable(outlet->options.journal) - outlet->told.cursor.position)));
    return NULL;
}

static void outlet_close_parts(struct outlet *outlet)
{
    dead_letter_replay_close(&outlet->replay);
    dead_letter_pump_close(&outlet->pump);
}

static int outlet_dead_letter_run(struct outlet *outlet, struct error *error)
{
    if (dead_letter_pump_open(&outlet->pump, &outlet->options, error) ||
        dead_letter_replay_open(&outlet->replay, &outlet->options, error)) {
        outlet_close_parts(outlet);
        return -1;
    }
    dead_letter_pump_status(outlet->pump, &outlet->told);
    outlet_tell_metrics(outlet, &outlet->told); /* what is queued is told before the first step */
    if (worker_start(
            &outlet->worker, DEAD_LETTER_PUMP_NAME, outlet->options.journal, outlet_thread, outlet, error)) {
        outlet_close_parts(outlet);
        return -1;
    }
    return 0;
}

static void outlet_dead_letter_stop(struct outlet *outlet, int64_t deadline)
{
    if (!worker_stop(&outlet->worker, deadline))
        return;
    outlet_close_parts(outlet); /* the journal may be closed next */
}

static void outlet_dead_letter_close(struct outlet **outlet)
{
    if (!*outlet)
        return;
    outlet_dead_letter_stop(*outlet, INT64_MIN);
    free(*outlet);
    *outlet = NULL;
}

const struct outlet_kind outlet_dead_letter = {
    .name = DEAD_LETTER_PUMP_NAME,
    .wanted = outlet_dead_letter_wanted,
    .open = outlet_dead_letter_open,
    .run = outlet_dead_letter_run,
    .stop = outlet_dead_letter_stop,
    .close = outlet_dead_letter_close,
    .describe = outlet_dead_letter_describe,
};
