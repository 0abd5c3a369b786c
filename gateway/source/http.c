/* http: the HTTP source; see source.h for the contract and http_internal.h for the parts.
 *
 * libmicrohttpd in its external epoll mode: the internal one stops when exactly 128 connections are ready at once.
 */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "base/file.h"
#include "base/listener.h"
#include "base/log.h"
#include "source/http_internal.h"
#include "source/source_state.h"

#define HTTP_SOURCE_NAME "http"
#define HTTP_LOG_LINE_MAX 300

/* The library's own complaints: nearly all are about what clients do. */
__attribute__((format(printf, 2, 0))) static void http_library_log(
    void *cls, const char *format, va_list arguments)
{
    char text[HTTP_LOG_LINE_MAX];

    (void)cls;
    vsnprintf(text, sizeof text, format, arguments);
    text[strcspn(text, "\n")] = '\0';
    log_event(LOG_INFO, "http.library", log_text("text", text));
}

static struct MHD_Daemon *http_daemon_start(struct http_listener *listener)
{
    const struct config *config = listener->source->context.config;

    return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0,
        http_connection_admit, listener, http_request_handle, listener,
        /* first, so that it gets what is wrong with the others */
        MHD_OPTION_EXTERNAL_LOGGER, http_library_log, NULL, MHD_OPTION_LISTEN_SOCKET, listener->fd,
        MHD_OPTION_NOTIFY_CONNECTION, http_connection_notify, listener, MHD_OPTION_URI_LOG_CALLBACK,
        http_request_start, listener, MHD_OPTION_NOTIFY_COMPLETED, http_request_completed, NULL,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)config->http.max_connections,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_CONNECTION_MEMORY, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        /* every deadline is the sweep's */
        MHD_OPTION_CONNECTION_TIMEOUT, 0U, MHD_OPTION_END);
}

static int http_watch(struct source *http, int fd, struct http_listener *listener, struct error *error)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = listener};

    if (epoll_ctl(http->epoll, EPOLL_CTL_ADD, fd, &event))
        return error_set_errno(error, ERROR_FATAL, "HTTP: epoll_ctl");
    return 0;
}

static int http_listen(struct source *http, const char *address, struct error *error)
{
    struct http_listener *listener = &http->listeners[http->listeners_count];
    cleanup_fd int fd = -1;
    bool loopback;

    if (listener_is_loopback(address, &loopback, error))
        return error_wrap(error, "http.listen");
    if (!loopback && !http->context.config->http.anonymous)
        return error_set(error, ERROR_FATAL,
            "http.listen: %s can be reached from other machines and everybody there could write; say so with "
            "http.anonymous: true, or listen on 127.0.0.1",
            address);
    if (listener_open(address, HTTP_BACKLOG, &fd, error))
        return error_wrap(error, "http.listen");

    listener->source = http;
    listener->fd = fd;
    listener->due = true;
    listener->daemon = http_daemon_start(listener);
    if (!listener->daemon)
        return error_set(error, ERROR_FATAL, "http.listen: %s: libmicrohttpd does not start", address);
    fd_take(&fd);
    http->listeners_count++;
    return http_watch(
        http, MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, listener, error);
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
    const struct streams *streams = http->context.streams;
    struct answer_usage usage;

    http->streams = calloc(streams->count ? streams->count : 1, sizeof *http->streams);
    if (!http->streams)
        return error_set(error, ERROR_FATAL, "HTTP: out of memory");
    for (size_t i = 0; i < streams->count; i++) {
        const char *name = streams->items[i].name;
        http->streams[i].accepted = metric_series(METRIC_RECORDS_ACCEPTED, HTTP_SOURCE_NAME, name, NULL);
        for (size_t reason = 0; reason < INTAKE_REASONS; reason++)
            http->streams[i].rejected[reason] = metric_series(METRIC_RECORDS_REJECTED, HTTP_SOURCE_NAME, name,
                intake_reason_name((enum intake_reason)reason));
    }
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

/* What each stream's requests wait for. */
static int http_acks(struct source *http, struct error *error)
{
    const struct config *config = http->context.config;
    const struct streams *streams = http->context.streams;
    struct journal *journal = http->context.journal;

    http->acks = calloc(streams->count ? streams->count : 1, sizeof *http->acks);
    if (!http->acks)
        return error_set(error, ERROR_FATAL, "HTTP: out of memory");
    for (size_t i = 0; i < config->streams_count; i++) {
        const struct config_stream *from = &config->streams[i];
        const struct stream *stream = streams_find(streams, slice_of(from->name));
        struct http_stream_ack *ack = stream ? &http->acks[stream - streams->items] : NULL;
        if (!ack || http_ack_find(slice_of(from->ack.level), &ack->ack))
            continue;
        for (size_t j = 0; j < from->ack.outlets.count; j++)
            ack->outlets |= journal_outlet_bit(journal, from->ack.outlets.items[j]);
        if (!ack->outlets)
            ack->outlets = from->topics.count ? journal_outlet_bit(journal, "kafka") : 0;
        if (!ack->outlets)
            ack->outlets = journal_outlet_bit(journal, "lake");
    }
    return 0;
}

static int http_set_up(struct source *http, struct error *error)
{
    const struct config *config = http->context.config;
    const struct intake_limits limits = {
        config->http.max_record, config->http.max_records, "http.max_record", "http.max_records"};

    http->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (http->epoll < 0)
        return error_set_errno(error, ERROR_FATAL, "HTTP: epoll_create1");
    http->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (http->wake < 0)
        return error_set_errno(error, ERROR_FATAL, "HTTP: eventfd");
    if (peers_new(
            &http->peers, &config->http.trusted_proxies, config->http.max_connections_per_address, error))
        return error_wrap(error, "http.trusted_proxies");
    if (http_watch(http, http->wake, NULL, error) || http_metrics(http, error) || http_acks(http, error) ||
        intake_new(&http->intake, http->context.streams, &limits, error))
        return -1;
    listener_reserve_descriptors(config->http.max_connections);
    return http_listen_all(http, error);
}

/* Closes every connection that is left. */
static void http_daemons_stop(struct source *http)
{
    /* Suspended ones are there only after the loop has failed; the library would abort. */
    for (size_t i = 0; i < http->listeners_count && http->suspended == 0; i++) {
        MHD_stop_daemon(http->listeners[i].daemon);
        http->listeners[i].daemon = NULL;
    }
}

static void http_close(struct source **source)
{
    struct source *http = *source;

    if (!http)
        return;
    *source = NULL;
    assert(!http->running);
    http_daemons_stop(http);
    http_loop_take_done(http);
    assert(http->in_journal == 0);
    if (http->suspended)
        return;
    http_respond_free(http);
    http_pool_free(http);
    intake_free(&http->intake);
    bytes_free(&http->text);
    free(http->streams);
    free(http->acks);
    peers_free(&http->peers);
    fd_close(&http->wake);
    fd_close(&http->epoll);
    free(http);
}

static int http_open(struct source **ret_source, const struct source_context *context, struct error *error)
{
    struct source *http __attribute__((cleanup(http_close))) = calloc(1, sizeof *http);

    if (!http)
        return error_set(error, ERROR_FATAL, "HTTP: out of memory");
    http->context = *context;
    http->epoll = http->wake = -1;
    bytes_init(&http->text, HTTP_ANSWER_MAX);
    journal_gateway_id(http->gateway, context->config->gateway.id);
    http->now = clock_monotonic(context->clock);
    if (http_set_up(http, error))
        return -1;
    *ret_source = http;
    http = NULL;
    return 0;
}

static int http_run(struct source *http, struct error *error)
{
    sigset_t all, before;

    /* Signals are the main thread's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    http->running = true; /* the thread reads it */
    errno = pthread_create(&http->thread, NULL, http_loop_run, http);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (errno) {
        http->running = false;
        return error_set_errno(error, ERROR_FATAL, "HTTP: thread");
    }
    pthread_setname_np(http->thread, HTTP_SOURCE_NAME);
    return 0;
}

static void http_stop(struct source *http, int64_t deadline)
{
    if (!http->running)
        return;
    http->stop_deadline = deadline;
    atomic_store_explicit(&http->stopping, true, memory_order_release);
    ssize_t written = write(http->wake, &(uint64_t){1}, sizeof(uint64_t));
    (void)written; /* fails only when the counter is full: it is readable then */
    pthread_join(http->thread, NULL);
    http->running = false;
    http_daemons_stop(http);
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
    for (size_t i = 0; i < http->listeners_count; i++) {
        if (bytes_add_text(text, "HTTP   http://", error) ||
            listener_describe(http->listeners[i].fd, text, error) || bytes_add_text(text, "\n", error))
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
