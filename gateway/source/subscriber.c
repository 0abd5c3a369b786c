/* subscriber: brokers whose messages are taken; see source.h for the contract and subscriber_internal.h for the parts. */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>

#include "base/file.h"
#include "source/subscriber_internal.h"

static void subscriber_close_one(struct subscriber *subscriber)
{
    assert(!subscriber->running);
    subscriber_link_close(subscriber);
    subscriber_batch_close(subscriber);
    intake_free(&subscriber->intake);
    fd_close(&subscriber->wake);
    free(subscriber->window);
}

static void subscriber_close(struct source **source)
{
    struct source *old = *source;

    if (!old)
        return;
    *source = NULL;
    for (size_t i = 0; i < old->count; i++)
        subscriber_close_one(&old->items[i]);
    free(old->items);
    free(old->counts);
    free(old);
}

/* ---- opening ------------------------------------------------------------------------------------------------------- */

static int subscriber_metrics(struct source *source, struct error *error)
{
    source->counts = intake_counts_new(source->context.routes, SUBSCRIBER_SOURCE_NAME);
    if (!source->counts)
        return error_set(error, ERROR_FATAL, "MQTT: out of memory");
    source->payload_bytes = metric_series(METRIC_REQUEST_BYTES, SUBSCRIBER_SOURCE_NAME, NULL, NULL);
    return 0;
}

static int subscriber_open_one(struct source *source, struct subscriber *subscriber, struct error *error)
{
    const struct config *config = source->context.config;
    const struct intake_limits limits = {
        config->mqtt.max_packet, config->mqtt.max_records, "mqtt.max_packet", "mqtt.max_records"};

    subscriber->source = source;
    subscriber->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    subscriber->window = malloc(SUBSCRIBER_WINDOW);
    if (subscriber->wake < 0 || !subscriber->window)
        return error_set_errno(error, ERROR_FATAL, "MQTT: eventfd, memory");
    if (getrandom(&subscriber->random, sizeof subscriber->random, 0) < 0 || subscriber->random == 0)
        subscriber->random = 1;
    if (subscriber_batch_open(subscriber, error))
        return -1;
    return intake_new(&subscriber->intake, routes_now(source->context.routes)->streams,
        source->context.routes->most, &limits, error);
}

static int subscriber_open_all(struct source *source, struct error *error)
{
    const struct config *config = source->context.config;
    bool tls = false;

    source->items = calloc(config->mqtt.subscribe_count, sizeof *source->items);
    if (!source->items)
        return error_set(error, ERROR_FATAL, "MQTT: out of memory");
    for (size_t i = 0; i < config->mqtt.subscribe_count; i++) {
        struct subscriber *subscriber = &source->items[i];
        subscriber->wake = -1;
        source->count++;
        if (subscriber_settings_compile(&subscriber->settings, config, &config->mqtt.subscribe[i], error) ||
            subscriber_open_one(source, subscriber, error))
            return -1;
        subscriber_tell_open(subscriber);
        tls |= subscriber->settings.url.tls;
    }
    return source->count ? subscriber_dial_prepare(tls, error) : 0;
}

static int subscriber_open(
    struct source **ret_source, const struct source_context *context, struct error *error)
{
    struct source *source __attribute__((cleanup(subscriber_close))) = calloc(1, sizeof *source);
    const struct config *config = context->config;

    if (!source)
        return error_set(error, ERROR_FATAL, "MQTT: out of memory");
    source->context = *context;
    source->batch_capacity =
        config->mqtt.max_packet > SUBSCRIBER_BATCH_BYTES ? config->mqtt.max_packet : SUBSCRIBER_BATCH_BYTES;
    source->handover_max = config->journal.segment_size / 2;
    if (config->mqtt.subscribe_count &&
        (subscriber_metrics(source, error) || subscriber_open_all(source, error)))
        return -1;
    *ret_source = source;
    source = NULL;
    return 0;
}

/* ---- running ------------------------------------------------------------------------------------------------------- */

static int subscriber_start(struct subscriber *subscriber, struct error *error)
{
    sigset_t all, before;

    /* Signals are the main thread's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    errno = pthread_create(&subscriber->thread, NULL, subscriber_loop_run, subscriber);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (errno)
        return error_set_errno(error, ERROR_FATAL, "MQTT: thread");
    pthread_setname_np(subscriber->thread, SUBSCRIBER_SOURCE_NAME);
    subscriber->running = true;
    return 0;
}

static void subscriber_stop(struct source *source, int64_t deadline)
{
    source->stop_deadline = deadline;
    atomic_store_explicit(&source->stopping, true, memory_order_release);
    for (size_t i = 0; i < source->count; i++)
        subscriber_loop_wake(&source->items[i]);
    for (size_t i = 0; i < source->count; i++) {
        if (source->items[i].running)
            pthread_join(source->items[i].thread, NULL);
        source->items[i].running = false;
    }
}

static int subscriber_run(struct source *source, struct error *error)
{
    for (size_t i = 0; i < source->count; i++) {
        if (subscriber_start(&source->items[i], error)) {
            subscriber_stop(source, INT64_MIN); /* whoever failed to run is not stopped */
            return -1;
        }
    }
    return 0;
}

static int subscriber_describe(const struct source *source, struct bytes *text, struct error *error)
{
    for (size_t i = 0; i < source->count; i++) {
        const struct subscriber_settings *settings = &source->items[i].settings;
        if (bytes_print(text, error, "Broker %s (%s, client id %s)\n", settings->address,
                settings->from->name, settings->client_id))
            return -1;
    }
    return 0;
}

const struct source_kind source_subscriber = {
    .name = SUBSCRIBER_SOURCE_NAME,
    .check = subscriber_settings_check,
    .open = subscriber_open,
    .run = subscriber_run,
    .stop = subscriber_stop,
    .close = subscriber_close,
    .describe = subscriber_describe,
};
