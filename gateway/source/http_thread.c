/* http_thread: what an I/O thread works with, made and freed; see http_internal.h
 *
 * libmicrohttpd in its external epoll mode: the internal one stops when exactly 128 connections are ready at once.
 */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "base/file.h"
#include "base/log.h"
#include "source/http_internal.h"

#define HTTP_LOG_LINE_MAX 300

/* Of each handshake that fails, whatever the reason: it is counted, and http_tls.c tells what is known. */
#define HTTP_LIBRARY_HANDSHAKE "Error: received handshake message out of context."

/* The library's own complaints: nearly all are about what clients do. */
__attribute__((format(printf, 2, 0))) static void http_library_log(
    void *cls, const char *format, va_list arguments)
{
    char text[HTTP_LOG_LINE_MAX];

    (void)cls;
    vsnprintf(text, sizeof text, format, arguments);
    text[strcspn(text, "\n")] = '\0';
    if (strcmp(text, HTTP_LIBRARY_HANDSHAKE) == 0)
        return;
    log_event(LOG_INFO, "http.library", log_text("text", text));
}

static struct MHD_Daemon *http_daemon_start(struct http_listener *listener)
{
    const struct source *http = listener->thread->source;
    const struct config *config = http->context.config;
    const struct MHD_OptionItem plain[] = {{MHD_OPTION_END, 0, NULL}};
    const struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_CERT_CALLBACK2, 0, (void *)tls_no_certificate}, {MHD_OPTION_END, 0, NULL}};

    return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
                                (http->context.http_tls ? MHD_USE_TLS : 0),
        0, NULL, NULL, http_request_handle, listener,
        /* first, so that it gets what is wrong with the others */
        MHD_OPTION_EXTERNAL_LOGGER, http_library_log, NULL, MHD_OPTION_LISTEN_SOCKET, listener->fd,
        MHD_OPTION_NOTIFY_CONNECTION, http_connection_notify, listener, MHD_OPTION_URI_LOG_CALLBACK,
        http_request_start, listener, MHD_OPTION_NOTIFY_COMPLETED, http_request_completed, NULL,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)config->http.max_connections,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HTTP_CONNECTION_MEMORY, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        /* every deadline is the sweep's */
        MHD_OPTION_CONNECTION_TIMEOUT, 0U, MHD_OPTION_ARRAY, http->context.http_tls ? tls : plain,
        MHD_OPTION_END);
}

static int http_watch(struct http_thread *thread, int fd, struct http_listener *listener, struct error *error)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = listener};

    if (epoll_ctl(thread->epoll, EPOLL_CTL_ADD, fd, &event))
        return error_set_errno(error, ERROR_FATAL, "HTTP: epoll_ctl");
    return 0;
}

int http_thread_listen(struct http_thread *thread, int fd, struct error *error)
{
    struct http_listener *listener = &thread->listeners[thread->listeners_count];

    listener->thread = thread;
    listener->fd = fd;
    listener->due = true;
    listener->daemon = http_daemon_start(listener);
    if (!listener->daemon) {
        fd_close(&listener->fd);
        return error_set(error, ERROR_FATAL, "http.listen: libmicrohttpd does not start");
    }
    thread->listeners_count++;
    return http_watch(
        thread, MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, listener, error);
}

struct intake_limits http_thread_limits(const struct plan *plan)
{
    return (struct intake_limits){
        plan->limits.http.max_record, plan->limits.http.max_records, "http.max_record", "http.max_records"};
}

int http_thread_open(struct http_thread *thread, struct source *http, size_t index, struct error *error)
{
    const struct plan *plan = routes_now(http->context.routes);
    const struct intake_limits limits = http_thread_limits(plan);

    thread->source = http;
    thread->index = index;
    thread->epoll = thread->wake = thread->greeting = -1;
    thread->now = clock_monotonic(http->context.clock);
    bytes_init(&thread->text, HTTP_ANSWER_MAX);
    thread->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (thread->epoll < 0)
        return error_set_errno(error, ERROR_FATAL, "HTTP: epoll_create1");
    thread->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (thread->wake < 0)
        return error_set_errno(error, ERROR_FATAL, "HTTP: eventfd");
    return http_watch(thread, thread->wake, NULL, error) || http_tls_open(thread, error) ||
                   intake_new(&thread->intake, plan->streams, http->context.routes->most, &limits, error)
               ? -1
               : 0;
}

int http_thread_run(struct http_thread *thread, struct error *error)
{
    sigset_t all, before;

    /* Signals are the main thread's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread->running = true; /* the thread reads it */
    errno = pthread_create(&thread->thread, NULL, http_loop_run, thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (errno) {
        thread->running = false;
        return error_set_errno(error, ERROR_FATAL, "HTTP: thread");
    }
    pthread_setname_np(thread->thread, HTTP_SOURCE_NAME);
    return 0;
}

void http_thread_end_connections(struct http_thread *thread)
{
    /* Suspended ones are there only after the loop has failed; the library would abort. */
    for (size_t i = 0; i < thread->listeners_count && thread->suspended == 0; i++) {
        MHD_stop_daemon(thread->listeners[i].daemon);
        thread->listeners[i].daemon = NULL;
    }
}

void http_thread_close(struct http_thread *thread)
{
    assert(thread->in_journal == 0 && thread->suspended == 0);
    http_respond_free(thread);
    http_pool_free(thread);
    intake_free(&thread->intake);
    bytes_free(&thread->text);
    fd_close(&thread->wake);
    fd_close(&thread->greeting);
    fd_close(&thread->epoll);
}
