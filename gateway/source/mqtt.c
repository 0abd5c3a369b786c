/* mqtt: the MQTT listener; see source.h for the contract and mqtt_internal.h for the parts. */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "base/file.h"
#include "base/listener.h"
#include "source/mqtt_internal.h"
#include "source/source_state.h"

/* ---- opening ------------------------------------------------------------------------------------------------------ */

static int mqtt_listen(struct source *mqtt, struct error *error)
{
    const struct config_list *addresses = &mqtt->context.config->mqtt.listen;
    bool loopback;

    if (addresses->count > MQTT_LISTENERS_MAX)
        return error_set(error, ERROR_FATAL, "mqtt.listen: at most %d addresses", MQTT_LISTENERS_MAX);
    for (size_t i = 0; i < addresses->count; i++) {
        const char *address = addresses->items[i];
        if (listener_is_loopback(address, &loopback, error))
            return error_wrap(error, "mqtt.listen");
        if (!loopback && !mqtt->context.config->mqtt.anonymous && !access_is_wanted(mqtt->context.access))
            return error_set(error, ERROR_FATAL,
                "mqtt.listen: %s can be reached from other machines and everybody there could publish; say so with "
                "mqtt.anonymous: true, or who may with access.credentials, or listen on 127.0.0.1",
                address);
        if (listener_open(address, MQTT_BACKLOG, &mqtt->listeners[i], error))
            return error_wrap(error, "mqtt.listen");
        mqtt->listeners_count++;
    }
    return 0;
}

static int mqtt_metrics(struct source *mqtt, struct error *error)
{
    mqtt->counts = intake_counts_new(mqtt->context.routes, MQTT_SOURCE_NAME);
    if (!mqtt->counts)
        return error_set(error, ERROR_FATAL, "MQTT: out of memory");
    for (size_t i = 0; i < sizeof mqtt->refused / sizeof *mqtt->refused; i++)
        mqtt->refused[i] = metric_series(
            METRIC_REQUESTS_REFUSED, MQTT_SOURCE_NAME, mqtt_reason_name((enum mqtt_reason)i), NULL);
    mqtt->payload_bytes = metric_series(METRIC_REQUEST_BYTES, MQTT_SOURCE_NAME, NULL, NULL);
    mqtt->connections_gauge = metric_series(METRIC_CONNECTIONS, MQTT_SOURCE_NAME, NULL, NULL);
    mqtt->in_flight_gauge = metric_series(METRIC_BODY_BYTES_IN_FLIGHT, MQTT_SOURCE_NAME, NULL, NULL);
    return 0;
}

static int mqtt_open_descriptors(struct mqtt_thread *thread, struct error *error)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};

    thread->epoll = epoll_create1(EPOLL_CLOEXEC);
    thread->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (thread->epoll < 0 || thread->wake < 0 ||
        epoll_ctl(thread->epoll, EPOLL_CTL_ADD, thread->wake, &event))
        return error_set_errno(error, ERROR_FATAL, "MQTT: epoll");
    return 0;
}

static int mqtt_open_thread(struct source *mqtt, size_t index, struct error *error)
{
    const struct config *config = mqtt->context.config;
    const struct intake_limits limits = {
        config->mqtt.max_packet, config->mqtt.max_records, "mqtt.max_packet", "mqtt.max_records"};
    const size_t most = (size_t)(config->mqtt.max_sessions + mqtt->threads_count - 1) / mqtt->threads_count;
    struct mqtt_thread *thread = &mqtt->threads[index];

    thread->source = mqtt;
    thread->index = index;
    thread->input = malloc(2 * MQTT_INPUT);
    if (!thread->input)
        return error_set(error, ERROR_FATAL, "MQTT: out of memory");
    return mqtt_open_descriptors(thread, error) || mqtt_tls_open(thread, error) ||
                   mqtt_batch_open(thread, error) ||
                   intake_new(&thread->intake, routes_now(mqtt->context.routes)->streams,
                       mqtt->context.routes->most, &limits, error) ||
                   mqtt_sessions_new(&thread->sessions, mqtt->context.state->mqtt, most, index,
                       mqtt->threads_count, mqtt->context.clock, error)
               ? -1
               : 0;
}

static int mqtt_open_threads(struct source *mqtt, struct error *error)
{
    const size_t count = (size_t)mqtt->context.config->mqtt.threads;

    mqtt->threads = calloc(count, sizeof *mqtt->threads);
    if (!mqtt->threads)
        return error_set(error, ERROR_FATAL, "MQTT: out of memory");
    for (size_t i = 0; i < count; i++) {
        mqtt->threads[i].epoll = mqtt->threads[i].wake = mqtt->threads[i].greeting = -1;
        pthread_mutex_init(&mqtt->threads[i].arrivals_lock, NULL);
    }
    mqtt->threads_count = count;
    for (size_t i = 0; i < count; i++) {
        if (mqtt_open_thread(mqtt, i, error))
            return -1;
    }
    return 0;
}

/* Half of the bytes for batches, of which each thread has two; the other half for what connections hold back. */
static void mqtt_share_memory(struct source *mqtt)
{
    const struct config *config = mqtt->context.config;
    const uint64_t share = config->mqtt.max_unacknowledged / 2 / config->mqtt.threads;

    mqtt->batch_capacity = share / 2 > config->mqtt.max_packet ? share / 2 : config->mqtt.max_packet;
    mqtt->held_max = share;
    /* Heads of records are descriptions, too: many small records in a message have more of them than payload. */
    mqtt->parts_max = 4 * mqtt->batch_capacity + RECORD_HEAD_MAX;
    mqtt->handover_max = config->journal.segment_size / 2;
}

static void mqtt_close_thread(struct mqtt_thread *thread)
{
    mqtt_will_free_all(thread);
    mqtt_batch_close(thread);
    mqtt_sessions_free(&thread->sessions);
    intake_free(&thread->intake);
    fd_close(&thread->wake);
    fd_close(&thread->greeting);
    fd_close(&thread->epoll);
    free(thread->input);
    pthread_mutex_destroy(&thread->arrivals_lock);
}

static void mqtt_close(struct source **source)
{
    struct source *mqtt = *source;

    if (!mqtt)
        return;
    *source = NULL;
    for (size_t i = 0; i < mqtt->threads_count; i++) {
        assert(!mqtt->threads[i].running);
        if (mqtt->threads[i].sessions)
            mqtt_connection_free_all(&mqtt->threads[i]);
    }
    for (size_t i = 0; i < mqtt->threads_count; i++)
        mqtt_close_thread(&mqtt->threads[i]);
    for (size_t i = 0; i < mqtt->listeners_count; i++)
        fd_close(&mqtt->listeners[i]);
    peers_free(&mqtt->peers);
    free(mqtt->threads);
    free(mqtt->counts);
    free(mqtt);
}

static int mqtt_open(struct source **ret_source, const struct source_context *context, struct error *error)
{
    struct source *mqtt __attribute__((cleanup(mqtt_close))) = calloc(1, sizeof *mqtt);

    if (!mqtt)
        return error_set(error, ERROR_FATAL, "MQTT: out of memory");
    mqtt->context = *context;
    mqtt->refuse_unmapped = strcmp(context->config->mqtt.unmapped, "refuse") == 0;
    mqtt_share_memory(mqtt);
    if (peers_new(&mqtt->peers, &context->config->http.trusted_proxies,
            context->config->mqtt.max_new_per_address, error))
        return error_wrap(error, "http.trusted_proxies");
    if (mqtt_metrics(mqtt, error) || mqtt_open_threads(mqtt, error) || mqtt_listen(mqtt, error))
        return -1;
    if (mqtt->listeners_count)
        listener_reserve_descriptors((int64_t)context->config->mqtt.max_connections);
    *ret_source = mqtt;
    mqtt = NULL;
    return 0;
}

/* ---- the role ------------------------------------------------------------------------------------------------------ */

static void mqtt_stop(struct source *mqtt, int64_t deadline)
{
    mqtt->stop_deadline = deadline;
    atomic_store_explicit(&mqtt->stopping, true, memory_order_release);
    for (size_t i = 0; i < mqtt->threads_count; i++) {
        if (mqtt->threads[i].running)
            mqtt_loop_wake(&mqtt->threads[i]);
    }
    for (size_t i = 0; i < mqtt->threads_count; i++) {
        if (mqtt->threads[i].running)
            pthread_join(mqtt->threads[i].thread, NULL);
        mqtt->threads[i].running = false;
    }
}

static int mqtt_run(struct source *mqtt, struct error *error)
{
    sigset_t all, before;

    sigfillset(&all);
    for (size_t i = 0; i < mqtt->threads_count && mqtt->listeners_count; i++) {
        struct mqtt_thread *thread = &mqtt->threads[i];
        /* Signals are the main thread's. */
        pthread_sigmask(SIG_SETMASK, &all, &before);
        errno = pthread_create(&thread->thread, NULL, mqtt_loop_run, thread);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (errno) {
            error_set_errno(error, ERROR_FATAL, "MQTT: thread");
            mqtt_stop(mqtt, INT64_MIN); /* whoever failed to run is not stopped */
            return -1;
        }
        pthread_setname_np(thread->thread, MQTT_SOURCE_NAME);
        thread->running = true;
    }
    return 0;
}

static int mqtt_describe(const struct source *mqtt, struct bytes *text, struct error *error)
{
    for (size_t i = 0; i < mqtt->listeners_count; i++) {
        if (bytes_print(text, error, "MQTT   %s://", mqtt->context.mqtt_tls ? "mqtts" : "mqtt") ||
            listener_describe(mqtt->listeners[i], text, error) || bytes_add_text(text, "\n", error))
            return -1;
    }
    return 0;
}

const struct source_kind source_mqtt = {
    .name = MQTT_SOURCE_NAME,
    .open = mqtt_open,
    .run = mqtt_run,
    .stop = mqtt_stop,
    .close = mqtt_close,
    .describe = mqtt_describe,
};
