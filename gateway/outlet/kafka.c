/* kafka: the Kafka outlet: its options, its thread, what it tells the outside; see outlet.h and kafka_pump.h */
#include "outlet/outlet.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/health.h"
#include "base/log.h"
#include "outlet/kafka_pump.h"
#include "outlet/worker.h"

#define OUTLET_WAIT_MOST CLOCK_SECOND /* between two looks at the metrics */
#define OUTLET_POLL (CLOCK_SECOND / 200) /* between two looks at the journal while messages are under way */
#define OUTLET_DRAIN_PATIENCE (2 * CLOCK_SECOND) /* at the end, while nothing is confirmed */
#define OUTLET_TELL (CLOCK_SECOND / 5) /* between two looks at the metrics under load */
#define OUTLET_HELD_CONDITION "kafka.topics" /* in /readyz */
#define OUTLET_FULL_CONDITION "kafka.max_topics"

struct outlet_metrics {
    struct metric_series *held, *queue_messages, *queue_bytes, *in_flight, *retries, *topics, *topics_held;
};

struct outlet {
    struct kafka_client *client;
    struct kafka_pump_options options;
    struct kafka_pump *pump;
    struct worker worker;
    struct worker_totals totals;
    struct outlet_metrics metrics;
    struct kafka_pump_status told; /* what metrics and health say */
    uint64_t statistics; /* version told */
    int64_t tell_at;
};

/* ---- options ---------------------------------------------------------------------------------------------- */

static void outlet_find_metrics(struct outlet_metrics *metrics)
{
    metrics->held = metric_series(METRIC_OUTLET_HELD, KAFKA_PUMP_NAME, NULL, NULL);
    metrics->queue_messages = metric_series(METRIC_KAFKA_QUEUE_MESSAGES, NULL, NULL, NULL);
    metrics->queue_bytes = metric_series(METRIC_KAFKA_QUEUE_BYTES, NULL, NULL, NULL);
    metrics->in_flight = metric_series(METRIC_KAFKA_IN_FLIGHT, NULL, NULL, NULL);
    metrics->retries = metric_series(METRIC_KAFKA_RETRIES, NULL, NULL, NULL);
    metrics->topics = metric_series(METRIC_KAFKA_TOPICS, NULL, NULL, NULL);
    metrics->topics_held = metric_series(METRIC_KAFKA_TOPICS_HELD, NULL, NULL, NULL);
}

static bool outlet_kafka_wanted(const struct config *config)
{
    return kafka_is_configured(config);
}

static bool outlet_is_exactly_once(const struct config *config)
{
    return strcmp(config->kafka.delivery, "exactly-once") == 0;
}

/* That topics may have. */
static size_t outlet_marks_max(const struct config *config)
{
    return journal_marks_max(config->journal.segment_size) - outlet_is_exactly_once(config);
}

static void outlet_check_topics(struct config *config, const struct config_list *topics)
{
    for (size_t i = 0; i < topics->count; i++) {
        if (strcmp(topics->items[i], KAFKA_POSITIONS) == 0)
            config_report(config, &topics->items[i],
                "found \"" KAFKA_POSITIONS
                "\"; that topic is for positions of gateways: choose another name");
    }
}

static void outlet_kafka_check(struct config *config)
{
    struct kafka_client *client = NULL;
    struct error reported;
    const size_t most = outlet_marks_max(config);

    kafka_client_new(&client, config, &reported);
    kafka_client_free(&client);
    for (size_t i = 0; i < config->streams_count; i++)
        outlet_check_topics(config, &config->streams[i].topics);
    if (config->kafka.max_topics > most)
        config_report(config, &config->kafka.max_topics,
            "found %" PRIu64 "; allowed with this journal.segment_size: at most %zu",
            config->kafka.max_topics, most);
}

/* librdkafka's own words, on the outlet's thread. */
static void outlet_log(void *context, int severity, const char *facility, const char *text)
{
    (void)context;
    log_event(severity <= 3   ? LOG_WARN
              : severity <= 6 ? LOG_INFO
                              : LOG_DEBUG,
        "kafka.client", log_text("facility", facility), log_text("text", text));
}

static void outlet_kafka_close(struct outlet **outlet);
static bool outlet_waits(void *context, const char *why);

static int outlet_kafka_open(
    struct outlet **ret_outlet, const struct outlet_context *context, struct error *error)
{
    __attribute__((cleanup(outlet_kafka_close))) struct outlet *outlet = calloc(1, sizeof *outlet);
    struct config *config = context->config;

    if (!outlet)
        return error_set(error, ERROR_RETRY, "kafka outlet: out of memory");
    if (kafka_client_new(&outlet->client, config, error))
        return -1;
    kafka_client_set_log(outlet->client, outlet_log, NULL);
    outlet->options = (struct kafka_pump_options){
        .journal = context->journal,
        .renderings = context->renderings,
        .dead_letters = context->dead_letters,
        .client = outlet->client,
        .gateway_id = context->gateway_id,
        .clock = context->clock,
        .max_topics = config->kafka.max_topics,
        .max_marks = outlet_marks_max(config),
        .shut_unwritable = strcmp(config->kafka.unwritable_topic, "dead-letter") == 0,
        .hold_retry = config->kafka.hold_retry,
        .create_partitions = config->kafka.create_topics.partitions,
        .create_replication = config->kafka.create_topics.replication,
        .exactly_once = outlet_is_exactly_once(config),
        .transaction_every = config->kafka.transaction_every,
        .patience = {outlet_waits, outlet},
    };
    worker_find_totals(&outlet->totals, KAFKA_PUMP_NAME);
    outlet_find_metrics(&outlet->metrics);
    *ret_outlet = outlet;
    outlet = NULL;
    return 0;
}

static int outlet_kafka_describe(const struct outlet *outlet, struct bytes *text, struct error *error)
{
    return bytes_print(text, error, "Kafka  %s\n", kafka_client_servers(outlet->client));
}

static uint64_t outlet_kafka_max_message(const struct outlet *outlet)
{
    return kafka_client_max_message(outlet->client);
}

/* ---- what it tells ----------------------------------------------------------------------------------------- */

static void outlet_tell_brokers(struct outlet *outlet, const struct kafka_statistics *statistics)
{
    for (size_t i = 0; i < statistics->brokers_count; i++) {
        const struct kafka_broker *broker = &statistics->brokers[i];
        metric_set(metric_series(METRIC_KAFKA_BROKER_UP, broker->name, NULL, NULL), broker->up);
    }
    metric_set(outlet->metrics.queue_messages, (double)statistics->queue_messages);
    metric_set(outlet->metrics.queue_bytes, (double)statistics->queue_bytes);
    outlet->statistics = statistics->version;
}

static void outlet_tell_metrics(struct outlet *outlet, const struct kafka_pump_status *status)
{
    const struct outlet_metrics *metrics = &outlet->metrics;

    worker_tell_totals(&outlet->totals, outlet->options.journal, outlet->options.clock, &status->cursor,
        &outlet->told.cursor, status->lag_since);
    metric_add(outlet->totals.errors, status->replays - outlet->told.replays);
    metric_add(metrics->retries, status->retries - outlet->told.retries);
    metric_set(metrics->held, (double)status->cursor.held);
    metric_set(metrics->topics, (double)status->topics);
    metric_set(metrics->topics_held, (double)status->topics_held);
    metric_set(metrics->in_flight, (double)status->in_flight);
    if (status->statistics && status->statistics->version != outlet->statistics)
        outlet_tell_brokers(outlet, status->statistics);
}

static void outlet_tell_trouble(struct outlet *outlet, const struct kafka_pump_status *status)
{
    if (strcmp(status->trouble, outlet->told.trouble) == 0)
        return;
    health_set(KAFKA_PUMP_NAME, *status->trouble ? HEALTH_DEGRADED : HEALTH_OK, status->trouble);
    if (*status->trouble)
        log_event(LOG_WARN, "outlet.failed", log_text("outlet", KAFKA_PUMP_NAME),
            log_text("reason", status->trouble), log_number("in_flight", (int64_t)status->in_flight));
    else
        log_event(LOG_INFO, "outlet.recovered", log_text("outlet", KAFKA_PUMP_NAME));
}

static void outlet_tell_topics(struct outlet *outlet, const struct kafka_pump_status *status)
{
    char text[ERROR_TEXT_SIZE + 64];

    if (strcmp(status->held, outlet->told.held) != 0) {
        snprintf(text, sizeof text, "%s %s",
            outlet->options.shut_unwritable ? "dead letters for" : "held:", status->held);
        health_set(OUTLET_HELD_CONDITION, *status->held ? HEALTH_DEGRADED : HEALTH_OK, text);
    }
    if (status->topics_full != outlet->told.topics_full) {
        snprintf(text, sizeof text,
            "there are %" PRIu64 " topics (kafka.max_topics): records for further ones become dead letters",
            status->topics);
        health_set(OUTLET_FULL_CONDITION, status->topics_full ? HEALTH_DEGRADED : HEALTH_OK, text);
        if (status->topics_full)
            log_event(LOG_WARN, "outlet.topics_full", log_text("outlet", KAFKA_PUMP_NAME),
                log_number("topics", (int64_t)status->topics));
    }
}

/* error is the step's when it failed, else NULL. */
static void outlet_tell(struct outlet *outlet, const struct error *error, bool now)
{
    struct kafka_pump_status status;
    const int64_t time = clock_monotonic(outlet->options.clock);

    if (!error && !now && time < outlet->tell_at)
        return;
    outlet->tell_at = time + OUTLET_TELL;
    kafka_pump_status(outlet->pump, &status);
    if (error)
        snprintf(status.trouble, sizeof status.trouble, "%s", error->text);
    outlet_tell_metrics(outlet, &status);
    outlet_tell_trouble(outlet, &status);
    outlet_tell_topics(outlet, &status);
    outlet->told = status;
}

/* While the pump waits for brokers. */
static bool outlet_waits(void *context, const char *why)
{
    struct outlet *outlet = context;
    struct error error;

    error_set(&error, ERROR_RETRY, "%s", why);
    outlet_tell(outlet, &error, true);
    return !worker_is_stopping(&outlet->worker);
}

/* ---- thread ----------------------------------------------------------------------------------------------- */

/* Until everything is delivered, the deadline, or nothing has moved for a while: a broker that is away shall not hold up the stop. */
static void outlet_drain(struct outlet *outlet, unsigned *seen)
{
    const struct clock *clock = outlet->options.clock;
    const int64_t deadline = atomic_load(&outlet->worker.deadline);
    int64_t moved = clock_monotonic(clock);
    struct error error;

    while (!kafka_pump_is_done(outlet->pump) && clock_monotonic(clock) < deadline &&
           clock_monotonic(clock) - moved < OUTLET_DRAIN_PATIENCE) {
        const uint64_t position = outlet->told.cursor.position;
        int worked = kafka_pump_step(outlet->pump, &error);
        outlet_tell(outlet, worked < 0 ? &error : NULL, true);
        if (outlet->told.cursor.position != position)
            moved = clock_monotonic(clock);
        if (worked <= 0)
            kafka_pump_wait(outlet->pump, OUTLET_POLL, seen);
    }
    /* The last confirmations are still to be written. */
    if (kafka_pump_step(outlet->pump, &error) >= 0)
        outlet_tell(outlet, NULL, true);
}

static void *outlet_thread(void *argument)
{
    struct outlet *outlet = argument;
    struct error error;
    unsigned seen = 0;

    log_event(LOG_INFO, "outlet.started", log_text("outlet", KAFKA_PUMP_NAME),
        log_text("servers", kafka_client_servers(outlet->client)),
        log_number("position", (int64_t)outlet->told.cursor.position));
    if (*kafka_client_warning(outlet->client))
        log_event_always(LOG_WARN, "outlet.warning", log_text("outlet", KAFKA_PUMP_NAME),
            log_text("text", kafka_client_warning(outlet->client)));
    while (!worker_is_stopping(&outlet->worker)) {
        int worked = kafka_pump_step(outlet->pump, &error);
        outlet_tell(outlet, worked < 0 ? &error : NULL, worked <= 0);
        if (worked <= 0 && !worker_is_stopping(&outlet->worker))
            kafka_pump_wait(
                outlet->pump, kafka_pump_is_done(outlet->pump) ? OUTLET_WAIT_MOST : OUTLET_POLL, &seen);
    }
    outlet_drain(outlet, &seen);
    log_event(LOG_INFO, "outlet.stopped", log_text("outlet", KAFKA_PUMP_NAME),
        log_number("position", (int64_t)outlet->told.cursor.position),
        log_number(
            "queued", (int64_t)(journal_durable(outlet->options.journal) - outlet->told.cursor.position)),
        log_number("held", (int64_t)outlet->told.cursor.held));
    return NULL;
}

static int outlet_kafka_run(struct outlet *outlet, struct error *error)
{
    if (kafka_pump_open(&outlet->pump, &outlet->options, error))
        return -1;
    kafka_pump_status(outlet->pump, &outlet->told);
    outlet_tell_metrics(outlet, &outlet->told); /* what is queued is told before the first step */
    if (worker_start(
            &outlet->worker, KAFKA_PUMP_NAME, outlet->options.journal, outlet_thread, outlet, error)) {
        kafka_pump_close(&outlet->pump);
        return -1;
    }
    return 0;
}

static void outlet_kafka_stop(struct outlet *outlet, int64_t deadline)
{
    if (!worker_stop(&outlet->worker, deadline))
        return;
    kafka_pump_close(&outlet->pump);
}

static void outlet_kafka_close(struct outlet **outlet)
{
    if (!*outlet)
        return;
    outlet_kafka_stop(*outlet, INT64_MIN);
    kafka_client_free(&(*outlet)->client);
    free(*outlet);
    *outlet = NULL;
}

const struct outlet_kind outlet_kafka = {
    .name = KAFKA_PUMP_NAME,
    .wanted = outlet_kafka_wanted,
    .check = outlet_kafka_check,
    .open = outlet_kafka_open,
    .run = outlet_kafka_run,
    .stop = outlet_kafka_stop,
    .close = outlet_kafka_close,
    .describe = outlet_kafka_describe,
    .max_message = outlet_kafka_max_message,
};
