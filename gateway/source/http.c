/* http: the HTTP source; see source.h for the contract and http_internal.h for the parts. */
#include <assert.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/listener.h"
#include "source/http_internal.h"
#include "source/source_state.h"

#define HTTP_THREAD_DESCRIPTORS 3 /* its epolls, its eventfd */
#define HTTP_LISTENER_DESCRIPTORS 3 /* the socket; the library's epoll and eventfd */

static int http_listen(struct source *http, const char *address, struct error *error)
{
    cleanup_fd int fd = -1;
    bool loopback;

    if (listener_is_loopback(address, &loopback, error))
        return error_wrap(error, "http.listen");
    if (!loopback && !http->context.config->http.anonymous && !access_is_wanted(http->context.access))
        return error_set(error, ERROR_FATAL,
            "http.listen: %s can be reached from other machines and everybody there could write; say who may with "
            "access.credentials, or that all may with http.anonymous: true, or listen on 127.0.0.1",
            address);
    if (listener_open(address, HTTP_BACKLOG, &fd, error))
        return error_wrap(error, "http.listen");
    for (size_t i = 1; i < http->threads_count; i++) {
        int beside;
        if (listener_open_beside(fd, HTTP_BACKLOG, &beside, error) ||
            http_thread_listen(&http->threads[i], beside, error))
            return error_wrap(error, "http.listen: %s", address);
    }
    return http_thread_listen(&http->threads[0], fd_take(&fd), error);
}

static int http_listen_all(struct source *http, struct error *error)
{
    const struct config_list *addresses = &http->context.config->http.listen;

    if (addresses->count > HTTP_LISTENERS_MAX)
        return error_set(error, ERROR_FATAL, "http.listen: at most %d addresses", HTTP_LISTENERS_MAX);
    for (size_t i = 0; i < addresses->count; i++) {
        if (http_listen(http, addresses->items[i], error))
            return -1;
    }
    return 0;
}

/* A series is looked up once, because looking one up takes a lock. */
static int http_metrics(struct source *http, struct error *error)
{
    struct answer_usage usage;

    http->counts = intake_counts_new(http->context.routes, HTTP_SOURCE_NAME);
    if (!http->counts)
        return error_set(error, ERROR_FATAL, "HTTP: out of memory");
    for (size_t i = 0; i < HTTP_STATUSES; i++) {
        char code[16];
        snprintf(code, sizeof code, "%u", http_status_code((enum http_status)i));
        http->refused[i] = metric_series(METRIC_REQUESTS_REFUSED, HTTP_SOURCE_NAME, code, NULL);
    }
    http->request_bytes = metric_series(METRIC_REQUEST_BYTES, HTTP_SOURCE_NAME, NULL, NULL);
    http->connections_gauge = metric_series(METRIC_CONNECTIONS, HTTP_SOURCE_NAME, NULL, NULL);
    http->in_flight_gauge = metric_series(METRIC_BODY_BYTES_IN_FLIGHT, HTTP_SOURCE_NAME, NULL, NULL);
    http->keys_gauge = metric_series(METRIC_IDEMPOTENCY_KEYS, HTTP_SOURCE_NAME, NULL, NULL);
    http->replayed = metric_series(METRIC_IDEMPOTENCY_REPLAYED, HTTP_SOURCE_NAME, NULL, NULL);
    http->evicted = metric_series(METRIC_IDEMPOTENCY_EVICTED, HTTP_SOURCE_NAME, NULL, NULL);
    answer_state_usage(http->context.state->answers, &usage);
    http->evicted_told = usage.evicted; /* recovery has counted again what an earlier start gave up */
    return 0;
}

/* The other half is for the journal, the outlets, and whoever else lives on this machine. */
static size_t http_threads_that_suit(void)
{
    cpu_set_t set;
    const int half = sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set) / 2;

    return half < 1 ? 1 : half > HTTP_OWN_THREADS_MAX ? HTTP_OWN_THREADS_MAX : (size_t)half;
}

static int http_open_threads(struct source *http, struct error *error)
{
    const uint64_t asked = http->context.config->http.threads;
    const size_t count = asked ? (size_t)asked : http_threads_that_suit();

    http->threads = calloc(count, sizeof *http->threads);
    if (!http->threads)
        return error_set(error, ERROR_FATAL, "HTTP: out of memory");
    atomic_init(&http->unfinished, count);
    while (http->threads_count < count) {
        const size_t index = http->threads_count++;
        if (http_thread_open(&http->threads[index], http, index, error))
            return -1;
    }
    return 0;
}

static int http_set_up(struct source *http, struct error *error)
{
    const struct config *config = http->context.config;

    if (peers_new(
            &http->peers, &config->http.trusted_proxies, config->http.max_connections_per_address, error))
        return error_wrap(error, "http.trusted_proxies");
    if (http_metrics(http, error) || http_open_threads(http, error))
        return -1;
    listener_reserve_descriptors(
        (int64_t)(config->http.max_connections +
                  http->threads_count *
                      (HTTP_THREAD_DESCRIPTORS + config->http.listen.count * HTTP_LISTENER_DESCRIPTORS)));
    return http_listen_all(http, error);
}

static void http_close(struct source **source)
{
    struct source *http = *source;
    bool suspended = false;

    if (!http)
        return;
    *source = NULL;
    for (size_t i = 0; i < http->threads_count; i++) {
        assert(!http->threads[i].running);
        http_thread_end_connections(&http->threads[i]);
        http_loop_take_done(&http->threads[i]);
        suspended |= http->threads[i].suspended > 0;
    }
    if (suspended)
        return;
    for (size_t i = 0; i < http->threads_count; i++)
        http_thread_close(&http->threads[i]);
    free(http->threads);
    free(http->counts);
    peers_free(&http->peers);
    pthread_mutex_destroy(&http->keys_lock);
    pthread_mutex_destroy(&http->room.lock);
    free(http);
}

static int http_open(struct source **ret_source, const struct source_context *context, struct error *error)
{
    struct source *http __attribute__((cleanup(http_close))) = calloc(1, sizeof *http);

    if (!http)
        return error_set(error, ERROR_FATAL, "HTTP: out of memory");
    http->context = *context;
    pthread_mutex_init(&http->keys_lock, NULL);
    pthread_mutex_init(&http->room.lock, NULL);
    journal_gateway_id(http->gateway, context->config->gateway.id);
    if (http_set_up(http, error))
        return -1;
    *ret_source = http;
    http = NULL;
    return 0;
}

static void http_stop(struct source *http, int64_t deadline)
{
    http->stop_deadline = deadline;
    for (size_t i = 0; i < http->threads_count; i++) {
        if (!http->threads[i].running)
            http_loop_finish(&http->threads[i]);
    }
    atomic_store_explicit(&http->stopping, true, memory_order_release);
    for (size_t i = 0; i < http->threads_count; i++) {
        if (http->threads[i].running)
            http_loop_wake(&http->threads[i]);
    }
    for (size_t i = 0; i < http->threads_count; i++) {
        if (http->threads[i].running)
            pthread_join(http->threads[i].thread, NULL);
        http->threads[i].running = false;
    }
    for (size_t i = 0; i < http->threads_count; i++)
        http_thread_end_connections(&http->threads[i]);
}

static int http_run(struct source *http, struct error *error)
{
    for (size_t i = 0; i < http->threads_count; i++) {
        if (http_thread_run(&http->threads[i], error)) {
            http_stop(http, INT64_MIN); /* whoever failed to run is not stopped */
            return -1;
        }
    }
    return 0;
}

static void http_check(struct config *config)
{
    struct config_list *trusted = &config->http.trusted_proxies;
    struct network network;
    struct error error;

    for (size_t i = 0; i < trusted->count; i++) {
        if (strcmp(trusted->items[i], "loopback") != 0 && network_parse(trusted->items[i], &network, &error))
            config_report(config, &trusted->items[i], "%s, nor the word loopback", error.text);
    }
}

static int http_describe(const struct source *http, struct bytes *text, struct error *error)
{
    for (size_t i = 0; i < http->threads[0].listeners_count; i++) {
        if (bytes_print(text, error, "HTTP   %s://", http->context.http_tls ? "https" : "http") ||
            listener_describe(http->threads[0].listeners[i].fd, text, error) ||
            bytes_add_text(text, "\n", error))
            return -1;
    }
    return 0;
}

const struct source_kind source_http = {
    .name = HTTP_SOURCE_NAME,
    .check = http_check,
    .open = http_open,
    .run = http_run,
    .stop = http_stop,
    .close = http_close,
    .describe = http_describe,
};
