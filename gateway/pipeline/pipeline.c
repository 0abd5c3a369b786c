/* pipeline: see pipeline.h */
#include "pipeline/pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/access.h"
#include "admin/admin.h"
#include "base/health.h"
#include "base/log.h"
#include "journal/journal.h"
#include "land/land.h"
#include "outlet/outlet.h"
#include "pipeline/example.h"
#include "pipeline/pipeline_internal.h"
#include "pipeline/plans.h"
#include "pipeline/renderings.h"
#include "pipeline/schemas.h"
#include "pipeline/shares.h"

const struct source_kind *const pipeline_sources[SOURCES] = {
    &source_http, &source_mqtt, &source_subscriber, &source_files};
const struct outlet_kind *const pipeline_outlets[OUTLETS] = {
    &outlet_lake, &outlet_kafka, &outlet_dead_letter};

bool pipeline_wants(const struct config *config, const char *outlet)
{
    for (size_t i = 0; i < OUTLETS; i++) {
        if (strcmp(pipeline_outlets[i]->name, outlet) == 0)
            return pipeline_outlets[i]->wanted(config);
    }
    return false;
}

void pipeline_check(struct config *config)
{
    struct streams *streams = NULL;
    struct topic_map *topics = NULL;
    struct error reported;

    streams_compile(&streams, config, &reported);
    schemas_compile(config, NULL, &reported);
    topic_map_compile(&topics, config, streams, &reported);
    topic_map_free(&topics);
    streams_free(&streams);
    destination_check(config);
    for (size_t i = 0; i < SOURCES; i++) {
        if (pipeline_sources[i]->check)
            pipeline_sources[i]->check(config);
    }
    for (size_t i = 0; i < OUTLETS; i++) {
        if (pipeline_outlets[i]->wanted(config) && pipeline_outlets[i]->check)
            pipeline_outlets[i]->check(config);
    }
    land_check(config);
}

/* ---- the steps of the start ---------------------------------------------------------------------------------- */

static int pipeline_compile(struct pipeline *pipeline, struct error *error)
{
    struct streams *streams;
    struct topic_map *topics;

    return plans_compile(pipeline->config, NULL, NULL, &streams, &topics, error)
               ? -1
               : routes_new(&pipeline->routes, pipeline->config, &streams, &topics, error);
}

/* Half of what it takes to write to Kafka is most likely a slip. */
static void pipeline_warn_of_kafka(const struct pipeline *pipeline)
{
    const struct streams *streams = routes_now(pipeline->routes)->streams;
    size_t with_topics = 0;

    for (size_t i = 0; i < streams->count; i++)
        with_topics += streams->items[i]->topics_count > 0;
    if (outlet_kafka.wanted(pipeline->config) && with_topics == 0)
        log_event_always(LOG_WARN, "kafka.unused", log_text("reason", "no stream has topics"));
}

static void pipeline_warn_of_acks(const struct config *config)
{
    for (size_t i = 0; i < config->streams_count; i++) {
        const char *doubt = destination_doubt(config, &config->streams[i]);
        if (doubt)
            log_event_always(LOG_WARN, "stream.ack", log_text("stream", config->streams[i].name),
                log_text("reason", doubt));
    }
}

static int pipeline_choose_outlets(struct pipeline *pipeline, struct error *error)
{
    (void)error;
    pipeline_warn_of_kafka(pipeline);
    pipeline_warn_of_acks(pipeline->config);
    for (size_t i = 0; i < OUTLETS; i++) {
        if (!pipeline_outlets[i]->wanted(pipeline->config))
            continue;
        pipeline->outlet_names[pipeline->wanted_count] = pipeline_outlets[i]->name;
        pipeline->wanted[pipeline->wanted_count++] = pipeline_outlets[i];
    }
    return 0;
}

static void pipeline_log_report(const struct pipeline *pipeline, const struct journal_report *report)
{
    const char *line = report->notes.data;
    size_t left = report->notes.length;
    char epoch[16];

    snprintf(epoch, sizeof epoch, "%08x", report->epoch); /* as in the names of lake files */
    log_event(LOG_INFO, "journal.open", log_text("directory", pipeline->journal_directory),
        log_text("gateway", pipeline->gateway_id), log_text("epoch", epoch),
        log_number("last", (int64_t)report->last_sequence), log_number("segments", (int64_t)report->segments),
        log_number("damaged", (int64_t)report->records_damaged));
    while (left) {
        const char *end = memchr(line, '\n', left);
        const size_t length = end ? (size_t)(end - line) : left;
        log_event_always(LOG_WARN, "journal.recovery", log_bytes("found", line, length));
        line += length + (end != NULL);
        left -= length + (end != NULL);
    }
    if (report->tail_first)
        log_event(LOG_WARN, "journal.tail", log_number("first", (int64_t)report->tail_first),
            log_number("last", (int64_t)report->tail_last),
            log_text("state", "cut away, possibly acknowledged"));
}

static int pipeline_open_access(struct pipeline *pipeline, struct error *error)
{
    if (access_new(&pipeline->access, pipeline->config, pipeline->clock, error) ||
        access_run(pipeline->access, error))
        return -1;
    if (access_is_wanted(pipeline->access))
        log_event(LOG_INFO, "access.open", log_number("principals", (int64_t)access_count(pipeline->access)));
    return 0;
}

static int pipeline_open_journal(struct pipeline *pipeline, struct error *error)
{
    struct journal_report report = {0};

    journal_gateway_id(pipeline->gateway_id, pipeline->config->gateway.id);
    if (asprintf(&pipeline->journal_directory, "%s/journal", pipeline->config->gateway.data) < 0) {
        pipeline->journal_directory = NULL;
        return error_set(error, ERROR_RETRY, "journal: out of memory");
    }
    if (states_open(&pipeline->states, pipeline->config, error))
        return -1;
    const struct journal_options options = {
        .directory = pipeline->journal_directory,
        .gateway_id = pipeline->gateway_id,
        .segment_size = pipeline->config->journal.segment_size,
        .max_size = pipeline->config->journal.max_size,
        .outlets = pipeline->outlet_names,
        .outlets_count = pipeline->wanted_count,
        .kinds = pipeline->states.kinds,
        .kinds_count = STATES_KINDS,
        .clock = pipeline->clock,
    };
    int result = journal_open(&pipeline->journal, &options, &report, error);
    if (!result)
        pipeline_log_report(pipeline, &report);
    bytes_free(&report.notes);
    return result || states_check(&pipeline->states, error) ? -1 : 0;
}

static int pipeline_open_dead_letters(struct pipeline *pipeline, struct error *error)
{
    const struct config *config = pipeline->config;

    if (asprintf(&pipeline->dead_letters_directory, "%s/" DEAD_LETTER_DIRECTORY, config->gateway.data) < 0) {
        pipeline->dead_letters_directory = NULL;
        return error_set(error, ERROR_RETRY, "dead letters: out of memory");
    }
    return dead_letters_open(
        &pipeline->dead_letters, pipeline->dead_letters_directory, config->dead_letters.quota, error);
}

static int pipeline_open_outlets(struct pipeline *pipeline, struct error *error)
{
    const struct outlet_context context = {.config = pipeline->config,
        .gateway_id = pipeline->gateway_id,
        .journal = pipeline->journal,
        .renderings = pipeline->states.renderings,
        .routes = pipeline->routes,
        .dead_letters = pipeline->dead_letters,
        .clock = pipeline->clock};

    for (size_t i = 0; i < pipeline->wanted_count; i++) {
        if (pipeline->wanted[i]->open(&pipeline->outlets[i], &context, error))
            return -1;
        if (pipeline->wanted[i]->max_message)
            pipeline->max_message = pipeline->wanted[i]->max_message(pipeline->outlets[i]);
    }
    plans_prepare(
        routes_now(pipeline->routes)->streams, pipeline->config, pipeline->journal, pipeline->max_message);
    return 0;
}

static int pipeline_open_certificates(struct pipeline *pipeline, struct error *error)
{
    return certificates_open(&pipeline->certificates, pipeline->config, pipeline->clock, error);
}

struct source_context pipeline_context(const struct pipeline *pipeline, const struct config *config)
{
    return (struct source_context){.config = config,
        .routes = pipeline->routes,
        .journal = pipeline->journal,
        .state = pipeline->states.source,
        .files = pipeline->states.files,
        .http_tls = pipeline->certificates.http,
        .mqtt_tls = pipeline->certificates.mqtt,
        .clock = pipeline->clock,
        .access = pipeline->access};
}

static int pipeline_open_sources(struct pipeline *pipeline, struct error *error)
{
    const struct source_context context = pipeline_context(pipeline, pipeline->config);

    for (size_t i = 0; i < SOURCES; i++) {
        if (pipeline_sources[i]->open(&pipeline->sources[i], &context, error))
            return -1;
    }
    return 0;
}

static int pipeline_open_admin(struct pipeline *pipeline, struct error *error)
{
    const struct admin_context context = {
        pipeline->config, pipeline->journal, pipeline->access, pipeline->certificates.admin};

    return context.config->admin.listen.count ? admin_open(&pipeline->admin, &context, error) : 0;
}

static int pipeline_run_outlets(struct pipeline *pipeline, struct error *error)
{
    for (size_t i = 0; i < pipeline->wanted_count; i++) {
        if (pipeline->wanted[i]->run(pipeline->outlets[i], error))
            return -1;
        pipeline->outlets_run[i] = true;
    }
    return 0;
}

/* Before the first record: each is rendered by what was durable when it was accepted, and counts for that. */
static int pipeline_store_renderings(struct pipeline *pipeline, struct error *error)
{
    const struct shares_context context = {pipeline->config, pipeline->journal, pipeline->states.renderings};
    const struct streams *streams = routes_now(pipeline->routes)->streams;

    if (renderings_store(streams, context.renderings, pipeline->journal, pipeline->clock, error))
        return -1;
    renderings_retire(streams, context.renderings, pipeline->journal);
    return shares_open(&pipeline->shares, &context, streams, error);
}

static int pipeline_run_sources(struct pipeline *pipeline, struct error *error)
{
    for (size_t i = 0; i < SOURCES; i++) {
        if (pipeline_sources[i]->run(pipeline->sources[i], error))
            return -1;
        pipeline->sources_run[i] = true;
    }
    return 0;
}

static int (*const pipeline_steps[])(struct pipeline *pipeline, struct error *error) = {
    pipeline_compile,
    pipeline_choose_outlets,
    pipeline_open_access,
    pipeline_open_certificates,
    pipeline_open_journal,
    pipeline_open_dead_letters,
    pipeline_open_outlets,
    pipeline_open_sources,
    pipeline_open_admin,
    pipeline_run_outlets,
    pipeline_store_renderings,
    pipeline_run_sources,
};

int pipeline_open(
    struct pipeline **ret_pipeline, struct config *config, const struct clock *clock, struct error *error)
{
    struct pipeline *pipeline = calloc(1, sizeof *pipeline);

    if (!pipeline)
        return error_set(error, ERROR_RETRY, "gateway: out of memory");
    pipeline->config = config;
    pipeline->clock = clock;
    health_set("gateway", HEALTH_REFUSING, "it starts");
    for (size_t i = 0; i < sizeof pipeline_steps / sizeof *pipeline_steps; i++) {
        if (pipeline_steps[i](pipeline, error)) {
            pipeline_stop(pipeline, clock_monotonic(clock));
            pipeline_close(&pipeline);
            return -1;
        }
    }
    health_set("gateway", HEALTH_OK, NULL);
    log_event(LOG_INFO, "gateway.start", log_text("version", PENSTOCK_VERSION),
        log_text("gateway", pipeline->gateway_id),
        log_number("streams", (int64_t)routes_now(pipeline->routes)->streams->count));
    *ret_pipeline = pipeline;
    return 0;
}

/* ---- the end ------------------------------------------------------------------------------------------------- */

void pipeline_stop(struct pipeline *pipeline, int64_t deadline)
{
    health_set("gateway", HEALTH_REFUSING, "it stops");
    for (size_t i = SOURCES; i-- > 0;) {
        if (pipeline->sources_run[i])
            pipeline_sources[i]->stop(pipeline->sources[i], deadline);
        pipeline->sources_run[i] = false;
    }
    /* In the order of the table: what is local and quick first. */
    for (size_t i = 0; i < pipeline->wanted_count; i++) {
        if (pipeline->outlets_run[i])
            pipeline->wanted[i]->stop(pipeline->outlets[i], deadline);
        pipeline->outlets_run[i] = false;
    }
}

void pipeline_close(struct pipeline **pipeline)
{
    struct pipeline *old = *pipeline;

    *pipeline = NULL;
    if (!old)
        return;
    admin_close(&old->admin);
    for (size_t i = old->wanted_count; i-- > 0;)
        old->wanted[i]->close(&old->outlets[i]);
    /* Completes what sources handed over and could not wait for: their memory must be there until then. */
    journal_close(&old->journal);
    for (size_t i = SOURCES; i-- > 0;)
        pipeline_sources[i]->close(&old->sources[i]);
    certificates_close(&old->certificates);
    shares_free(&old->shares);
    dead_letters_close(&old->dead_letters);
    states_close(&old->states);
    access_free(&old->access);
    routes_free(&old->routes);
    reload_free(old);
    free(old->dead_letters_directory);
    free(old->journal_directory);
    free(old);
}

/* ---- what people see ----------------------------------------------------------------------------------------- */

struct pipeline_suspended {
    size_t count;
    const char *first; /* of them */
    bool changed;
};

static void pipeline_watch_stream(const struct pipeline *pipeline, const char *name, _Atomic bool *suspended,
    struct pipeline_suspended *all)
{
    bool full = dead_letters_is_full(pipeline->dead_letters, name);

    if (full && all->count++ == 0)
        all->first = name;
    if (full == atomic_load(suspended))
        return;
    all->changed = true;
    atomic_store(suspended, full);
    log_event(
        full ? LOG_ERROR : LOG_INFO, full ? "stream.suspended" : "stream.resumed", log_text("stream", name));
}

/* A stream whose dead letters have used up their quota takes nothing until people have looked at them, and so it is with what
 * belongs to no stream. */
static void pipeline_watch_dead_letters(struct pipeline *pipeline)
{
    char text[sizeof((struct health_condition *)0)->text];
    struct pipeline_suspended all = {.first = ""};

    dead_letters_refresh(pipeline->dead_letters);
    const struct streams *streams = routes_now(pipeline->routes)->streams;

    for (size_t i = 0; i < streams->count; i++)
        pipeline_watch_stream(pipeline, streams->items[i]->name, &streams->items[i]->suspended, &all);
    pipeline_watch_stream(pipeline, RECORD_NO_STREAM, &pipeline->routes->unmapped_suspended, &all);
    /* Somebody may still be at work with one that a reload has replaced. */
    for (size_t i = 0; i < pipeline->routes->places; i++) {
        struct stream *stream = pipeline->routes->kept[i];
        atomic_store(&stream->suspended, dead_letters_is_full(pipeline->dead_letters, stream->name));
    }
    snprintf(text, sizeof text,
        "%zu streams take nothing, %s among them: dead letters have used up dead_letters.quota; see penstock "
        "dead-letters list",
        all.count, all.first);
    if (all.changed || all.count != pipeline->suspended)
        health_set("dead-letters", all.count ? HEALTH_DEGRADED : HEALTH_OK, text);
    pipeline->suspended = all.count;
}

void pipeline_watch(struct pipeline *pipeline, struct pipeline_state *ret_state)
{
    struct journal_status status;

    pipeline_watch_dead_letters(pipeline);
    shares_watch(pipeline->shares);
    certificates_watch(&pipeline->certificates);
    journal_status(pipeline->journal, &status);
    ret_state->accepting = status.accepting;
    ret_state->busy = status.busy;
    snprintf(ret_state->text, sizeof ret_state->text, "%s%.400s",
        status.accepting ? "accepting records" : "refusing records: ", status.accepting ? "" : status.reason);
    if (pipeline->refusing == status.accepting) {
        pipeline->refusing = !status.accepting;
        if (status.accepting)
            log_event(LOG_INFO, "journal.accepting", log_number("free", (int64_t)status.free_bytes));
        else
            log_event(LOG_ERROR, "journal.refusing", log_text("reason", status.reason));
    }
}

int pipeline_describe(const struct pipeline *pipeline, struct bytes *text, struct error *error)
{
    for (size_t i = 0; i < SOURCES; i++) {
        if (pipeline_sources[i]->describe(pipeline->sources[i], text, error))
            return -1;
    }
    if (pipeline->admin && admin_describe(pipeline->admin, text, error))
        return -1;
    if (bytes_print(text, error, "Data   %s\n", pipeline->config->gateway.data))
        return -1;
    for (size_t i = 0; i < pipeline->wanted_count; i++) {
        if (pipeline->wanted[i]->describe(pipeline->outlets[i], text, error))
            return -1;
    }
    return 0;
}

int pipeline_example(const struct pipeline *pipeline, struct bytes *text, struct error *error)
{
    return example_print(pipeline_sources[0], pipeline->sources[0], routes_now(pipeline->routes)->streams,
        access_is_wanted(pipeline->access) && !pipeline->config->http.anonymous, text, error);
}
