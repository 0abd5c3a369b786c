/* server: a listener's daemon: requests in, answers out. What is answered: page.c; who asks: connection.c. */
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "admin/admin_internal.h"
#include "admin/host.h"
#include "admin/page.h"
#include "base/log.h"

#define SERVER_ENDING 2 /* connections that have been ended and are not gone yet */
#define SERVER_CONNECTIONS (ADMIN_CONNECTIONS_MAX + ADMIN_STRANGERS_MAX + SERVER_ENDING)

#define SERVER_RETRY_AFTER "1" /* seconds: ACCESS_GUESS_PAUSE */
_Static_assert(ACCESS_GUESS_PAUSE == CLOCK_SECOND, "what it says");

/* ---- connections -------------------------------------------------------------------------------------------------- */

static int server_begin_tls(struct admin_connection *connection, struct MHD_Connection *mhd)
{
    return connection->listener->tls
               ? tls_session_attach(&connection->tls, connection->listener->tls,
                     MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION)->tls_session, NULL)
               : 0;
}

/* A connection without memory for it is served by nobody. */
static void server_notify(
    void *context, struct MHD_Connection *mhd, void **session, enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const int fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        struct admin_connection *connection = connection_begin(context, fd);
        *session = connection;
        if (!connection || server_begin_tls(connection, mhd))
            shutdown(fd, SHUT_RDWR);
    } else if (*session) {
        connection_end(*session);
        *session = NULL;
    }
}

/* ---- requests ------------------------------------------------------------------------------------------------------ */

static enum MHD_Result server_look_at_header(
    void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct admin_shown *shown = context;

    (void)kind;
    if (strcasecmp(name, MHD_HTTP_HEADER_AUTHORIZATION) == 0) {
        shown->header = slice_of(value ? value : "");
        shown->headers++;
    } else if (strcasecmp(name, MHD_HTTP_HEADER_HOST) == 0)
        shown->elsewhere |= !host_is_here(value ? value : "");
    else if (strcasecmp(name, "X-Forwarded-For") == 0)
        access_origin_forwarded(shown->connection->listener->admin->context.access,
            slice_of(value ? value : ""), &shown->connection->origin, &shown->origin);
    return MHD_YES;
}

static struct MHD_Response *server_response(struct page *page, bool ends)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(page->body.length, page->body.data, MHD_RESPMEM_MUST_FREE);

    if (!response) {
        bytes_free(&page->body);
        return NULL;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, page->type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (page->allow)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, page->allow);
    if (page->status == MHD_HTTP_UNAUTHORIZED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, ACCESS_CHALLENGE);
    if (page->status == MHD_HTTP_TOO_MANY_REQUESTS)
        MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, SERVER_RETRY_AFTER);
    if (ends)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    return response;
}

static enum MHD_Result server_answer(
    struct admin_connection *connection, struct MHD_Connection *mhd, const char *method, const char *path)
{
    struct admin_shown shown = {.origin = connection->origin, .connection = connection};
    struct grant grant = {0};
    struct page page;

    MHD_get_connection_values(mhd, MHD_HEADER_KIND, server_look_at_header, &shown);
    const enum access_answer answer = connection_ask(connection, &shown, &grant);
    const struct page_request request = {
        .journal = connection->listener->admin->context.journal,
        .method = method,
        .path = path,
        .from_page = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_ORIGIN),
        .elsewhere =
            shown.elsewhere && connection->listener->loopback && answer == ACCESS_GRANTED && !grant.principal,
        .answer = answer,
        .grant = &grant,
        .shown = shown.headers > 0,
    };
    const bool let_in =
        answer == ACCESS_GRANTED && !request.elsewhere && grant_allows_role(&grant, ACCESS_READ);
    page_make(&page, &request);
    if (page.status == MHD_HTTP_ACCEPTED)
        log_event(LOG_INFO, "admin.reload", log_text("principal", grant_name(&grant)));
    grant_end(&grant);
    struct MHD_Response *response = server_response(&page, !connection_may_stay(connection, let_in));
    if (!response)
        return MHD_NO;
    const enum MHD_Result result = MHD_queue_response(mhd, page.status, response);
    MHD_destroy_response(response);
    return result;
}

/* An answer in the first call ends the connection. That is right when a body may follow which nobody wants; else the second
 * call answers, so that a scraper keeps its connection. */
static enum MHD_Result server_handle(void *context, struct MHD_Connection *mhd, const char *url,
    const char *method, const char *version, const char *upload, size_t *upload_size, void **request)
{
    static int seen;
    struct admin_connection *connection =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;

    (void)context;
    (void)version;
    (void)upload;
    if (!connection)
        return MHD_NO;
    if (!*request && (!strcmp(method, MHD_HTTP_METHOD_GET) || !strcmp(method, MHD_HTTP_METHOD_HEAD))) {
        *request = &seen;
        return MHD_YES;
    }
    if (*upload_size)
        return MHD_NO; /* a GET with a body: closed */
    return server_answer(connection, mhd, method, url);
}

int server_start(struct admin_listener *listener, int fd, struct error *error)
{
    /* The library's own: one that does not start has closed it, or has not, and nobody can tell. */
    const int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    const struct MHD_OptionItem plain[] = {{MHD_OPTION_END, 0, NULL}};
    const struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_CERT_CALLBACK2, 0, (void *)tls_no_certificate}, {MHD_OPTION_END, 0, NULL}};

    if (own < 0)
        return error_set_errno(error, ERROR_FATAL, "%s", listener->address);
    listener->daemon = MHD_start_daemon(MHD_USE_POLL_INTERNAL_THREAD | (listener->tls ? MHD_USE_TLS : 0), 0,
        NULL, NULL, server_handle, listener, MHD_OPTION_LISTEN_SOCKET, own, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)SERVER_CONNECTIONS, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)ADMIN_CONNECTION_MEMORY,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)ADMIN_IDLE_SECONDS, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_NOTIFY_CONNECTION, server_notify, listener, MHD_OPTION_ARRAY, listener->tls ? tls : plain,
        MHD_OPTION_END);
    return listener->daemon
               ? 0
               : error_set_errno(error, ERROR_FATAL, "%s: libmicrohttpd does not start", listener->address);
}
