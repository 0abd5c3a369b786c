/* lake: the lake outlet: its options, its thread, what it tells the outside; see outlet.h and lake_pump.h */
#include "outlet/outlet.h"

#include <stdlib.h>

#include "base/health.h"
#include "base/log.h"
#include "outlet/lake_pump.h"
#include "outlet/worker.h"

#define OUTLET_ROOT_MAX 4096
#define OUTLET_WAIT_MOST CLOCK_SECOND /* between two looks at the clock and the metrics */
#define OUTLET_GATHER \
    (CLOCK_SECOND / 50) /* what comes within it is taken in one step, not a record at a time */

struct outlet_metrics {
    struct metric_series *files, *open_files;
};

struct outlet {
    struct lake_pump_options options;
    struct bytes root, spool; /* terminated */
    struct lake_pump *pump;
    struct worker worker;
    struct worker_totals totals;
    struct outlet_metrics metrics;
    struct lake_pump_status told; /* what metrics and health say */
    bool troubled; /* a step has waited for its store, and said so */
};

/* ---- options ---------------------------------------------------------------------------------------------- */

static bool outlet_lake_wanted(const struct config *config)
{
    return config->lake.enabled;
}

static void outlet_lake_check(struct config *config)
{
    const void *option;
    struct error error;

    if (lake_check(&config->lake, &option, &error))
        config_report(config, option, "%s", error.text);
}

static int outlet_set_places(struct outlet *outlet, const struct config *config, struct error *error)
{
    const char *url = config->lake.url;
    const bool file = strncmp(url, "file:///", 8) == 0;

    if ((url[0] ? bytes_add_text(&outlet->root, file ? url + 7 : url, error)
                : bytes_print(&outlet->root, error, "%s/lake", config->gateway.data)) ||
        bytes_print(&outlet->spool, error, "%s/lake-spool", config->gateway.data))
        return error_wrap(error, "lake.url");
    return bytes_add(&outlet->root, "", 1, error) || bytes_add(&outlet->spool, "", 1, error);
}

/* At the end of a run, when nobody waits for the store any more. */
static bool outlet_gives_up(void *context)
{
    struct outlet *outlet = context;

    return worker_is_stopping(&outlet->worker) &&
           clock_monotonic(outlet->options.clock) >= atomic_load(&outlet->worker.deadline);
}

/* Within a step, which may take half a minute before it fails. */
static void outlet_tell_trouble(void *context, const struct error *error)
{
    struct outlet *outlet = context;

    outlet->troubled = true;
    health_set(LAKE_PUMP_NAME, HEALTH_DEGRADED, error->text);
    log_event(LOG_WARN, "outlet.waits", log_text("outlet", LAKE_PUMP_NAME), log_text("reason", error->text));
}

static void outlet_find_metrics(struct outlet_metrics *metrics)
{
    metrics->files = metric_series(METRIC_OUTLET_FILES, LAKE_PUMP_NAME, NULL, NULL);
    metrics->open_files = metric_series(METRIC_OUTLET_OPEN_FILES, LAKE_PUMP_NAME, NULL, NULL);
}

static void outlet_lake_close(struct outlet **outlet);

static int outlet_lake_open(
    struct outlet **ret_outlet, const struct outlet_context *context, struct error *error)
{
    __attribute__((cleanup(outlet_lake_close))) struct outlet *outlet = calloc(1, sizeof *outlet);
    struct config *config = context->config;

    if (!outlet)
        return error_set(error, ERROR_RETRY, "lake outlet: out of memory");
    bytes_init(&outlet->root, OUTLET_ROOT_MAX);
    bytes_init(&outlet->spool, OUTLET_ROOT_MAX);
    if (outlet_set_places(outlet, config, error))
        return -1;
    outlet->options = (struct lake_pump_options){
        .journal = context->journal,
        .renderings = context->renderings,
        .dead_letters = context->dead_letters,
        .clock = context->clock,
        .lake =
            {
                .root = outlet->root.data,
                .spool = outlet->spool.data,
                .config = &config->lake,
                .give_up = outlet_gives_up,
                .trouble = outlet_tell_trouble,
                .context = outlet,
                .gateway_id = context->gateway_id,
                .max_open_files = config->lake.max_open_files,
                .roll_size = config->lake.roll.size,
                .roll_records = config->lake.roll.records,
                .roll_every = config->lake.roll.every,
                .roll_idle = config->lake.roll.idle,
                .clock = context->clock,
            },
    };
    worker_find_totals(&outlet->totals, LAKE_PUMP_NAME);
    outlet_find_metrics(&outlet->metrics);
    *ret_outlet = outlet;
    outlet = NULL;
    return 0;
}

static int outlet_lake_describe(const struct outlet *outlet, struct bytes *text, struct error *error)
{
    return bytes_print(text, error, "Lake   %s\n", outlet->root.data);
}

/* ---- thread ----------------------------------------------------------------------------------------------- */

static void outlet_tell_metrics(struct outlet *outlet, const struct lake_pump_status *status)
{
    const struct outlet_metrics *metrics = &outlet->metrics;

    worker_tell_totals(&outlet->totals, outlet->options.journal, outlet->options.clock, &status->cursor,
        &outlet->told.cursor, status->lag_since);
    metric_add(metrics->files, status->files - outlet->told.files);
    metric_set(metrics->open_files, (double)status->open_files);
}

/* What a step has changed, for metrics, /readyz and the log. error is the step's when it failed, else NULL. */
static void outlet_tell(struct outlet *outlet, const struct error *error)
{
    struct lake_pump_status status;

    lake_pump_status(outlet->pump, &status);
    outlet_tell_metrics(outlet, &status);
    if (error) {
        metric_add(outlet->totals.errors, 1);
        health_set(LAKE_PUMP_NAME, HEALTH_DEGRADED, error->text);
        log_event(LOG_WARN, "outlet.failed", log_text("outlet", LAKE_PUMP_NAME),
            log_text("reason", error->text), log_number("failures", (int64_t)status.failures));
        outlet->troubled = false;
    } else if (!status.failures && (outlet->troubled || outlet->told.failures)) {
        outlet->troubled = false;
        health_set(LAKE_PUMP_NAME, HEALTH_OK, NULL);
        log_event(LOG_INFO, "outlet.recovered", log_text("outlet", LAKE_PUMP_NAME),
            log_number("failures", (int64_t)outlet->told.failures));
    }
    if (status.files > outlet->told.files)
        log_event(LOG_DEBUG, "outlet.published", log_text("outlet", LAKE_PUMP_NAME),
            log_number("files", (int64_t)(status.files - outlet->told.files)),
            log_number("position", (int64_t)status.cursor.position));
    outlet->told = status;
}

static void outlet_wait(struct outlet *outlet, unsigned *seen)
{
    uint64_t after;
    int64_t until;

    journal_wait(outlet->options.journal, UINT64_MAX, OUTLET_GATHER, seen);
    if (worker_is_stopping(&outlet->worker))
        return;
    lake_pump_wait(outlet->pump, &after, &until);
    int64_t now = clock_monotonic(outlet->options.clock);
    int64_t most = now + OUTLET_WAIT_MOST;
    until = until < most ? until : most;
    if (until > now)
        journal_wait(outlet->options.journal, after, until - now, seen);
}

static void *outlet_thread(void *argument)
{
    struct outlet *outlet = argument;
    struct error error;
    unsigned seen = 0;

    log_event(LOG_INFO, "outlet.started", log_text("outlet", LAKE_PUMP_NAME),
        log_text("root", outlet->root.data), log_number("position", (int64_t)outlet->told.cursor.position));
    while (!worker_is_stopping(&outlet->worker)) {
        int worked = lake_pump_step(outlet->pump, &error);
        outlet_tell(outlet, worked < 0 ? &error : NULL);
        if (worked <= 0)
            outlet_wait(outlet, &seen);
    }
    int drained = lake_pump_drain(outlet->pump, atomic_load(&outlet->worker.deadline), &error);
    outlet_tell(outlet, drained ? &error : NULL);
    log_event(LOG_INFO, "outlet.stopped", log_text("outlet", LAKE_PUMP_NAME),
        log_number("position", (int64_t)outlet->told.cursor.position),
        log_number(
            "queued", (int64_t)(journal_durable(outlet->options.journal) - outlet->told.cursor.position)));
    return NULL;
}

static int outlet_lake_run(struct outlet *outlet, struct error *error)
{
    lake_raise_descriptors(outlet->options.lake.max_open_files);
    if (lake_pump_open(&outlet->pump, &outlet->options, error))
        return -1;
    lake_pump_status(outlet->pump, &outlet->told);
    outlet_tell_metrics(outlet, &outlet->told); /* what is queued is told before the first step */
    if (worker_start(
            &outlet->worker, LAKE_PUMP_NAME, outlet->options.journal, outlet_thread, outlet, error)) {
        lake_pump_close(&outlet->pump);
        return -1;
    }
    return 0;
}

static void outlet_lake_stop(struct outlet *outlet, int64_t deadline)
{
    if (!worker_stop(&outlet->worker, deadline))
        return;
    /* The lake's lock and temporary files go with it; the journal may be closed next. */
    lake_pump_close(&outlet->pump);
}

static void outlet_lake_close(struct outlet **outlet)
{
    if (!*outlet)
        return;
    outlet_lake_stop(*outlet, INT64_MIN);
    bytes_free(&(*outlet)->root);
    bytes_free(&(*outlet)->spool);
    free(*outlet);
    *outlet = NULL;
}

const struct outlet_kind outlet_lake = {
    .name = LAKE_PUMP_NAME,
    .wanted = outlet_lake_wanted,
    .check = outlet_lake_check,
    .open = outlet_lake_open,
    .run = outlet_lake_run,
    .stop = outlet_lake_stop,
    .close = outlet_lake_close,
    .describe = outlet_lake_describe,
};
