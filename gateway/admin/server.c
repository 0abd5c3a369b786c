/* server: the admin listener's socket and daemon. See admin.h; what it answers: page.c. */
#include "admin/admin.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "admin/page.h"
#include "base/file.h"
#include "base/listener.h"

struct admin {
    struct MHD_Daemon *daemon; /* polls in a thread of its own; the internal epoll form can hang */
    struct journal *journal;
    struct tls_server *tls; /* NULL: none */
};

/* A connection without memory for its session is served by nobody. */
static void server_notify(void *context, struct MHD_Connection *connection, void **session,
    enum MHD_ConnectionNotificationCode code)
{
    const struct admin *admin = context;

    if (!admin->tls)
        return;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (*session)
            tls_session_detach(*session);
        free(*session);
        *session = NULL;
        return;
    }
    *session = calloc(1, sizeof(struct tls_session));
    if (!*session ||
        tls_session_attach(*session, admin->tls,
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION)->tls_session, NULL))
        shutdown(
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd, SHUT_RDWR);
}

static struct MHD_Response *server_response(struct page *page)
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
    return response;
}

/* An answer in the first call ends the connection. That is right when a body may follow which nobody wants; else the second
 * call answers, so that a scraper keeps its connection. */
static enum MHD_Result server_handle(void *context, struct MHD_Connection *connection, const char *url,
    const char *method, const char *version, const char *upload, size_t *upload_size, void **request)
{
    static int seen;
    const struct admin *admin = context;
    struct page page;

    (void)version;
    (void)upload;
    if (!*request && (!strcmp(method, MHD_HTTP_METHOD_GET) || !strcmp(method, MHD_HTTP_METHOD_HEAD))) {
        *request = &seen;
        return MHD_YES;
    }
    if (*upload_size)
        return MHD_NO; /* a GET with a body: closed */
    const bool from_page = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ORIGIN);
    page_make(&page, admin->journal, method, url, from_page);
    struct MHD_Response *response = server_response(&page);
    if (!response)
        return MHD_NO;
    enum MHD_Result result = MHD_queue_response(connection, page.status, response);
    MHD_destroy_response(response);
    return result;
}

static struct MHD_Daemon *server_start(struct admin *admin, int fd)
{
    const struct MHD_OptionItem plain[] = {{MHD_OPTION_END, 0, NULL}};
    const struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_CERT_CALLBACK2, 0, (void *)tls_no_certificate}, {MHD_OPTION_END, 0, NULL}};

    return MHD_start_daemon(MHD_USE_POLL_INTERNAL_THREAD | (admin->tls ? MHD_USE_TLS : 0), 0, NULL, NULL,
        server_handle, admin, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)ADMIN_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)ADMIN_CONNECTION_MEMORY,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)ADMIN_IDLE_SECONDS, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_NOTIFY_CONNECTION, server_notify, admin, MHD_OPTION_ARRAY, admin->tls ? tls : plain,
        MHD_OPTION_END);
}

int admin_open(struct admin **ret_admin, const char *address, struct journal *journal, struct tls_server *tls,
    struct error *error)
{
    cleanup_fd int fd = -1;

    if (listener_open(address, ADMIN_CONNECTIONS_MAX, &fd, error))
        return error_wrap(error, "admin.listen");
    struct admin *admin = calloc(1, sizeof *admin);
    if (!admin)
        return error_set(error, ERROR_RETRY, "admin: out of memory");
    admin->journal = journal;
    admin->tls = tls;
    admin->daemon = server_start(admin, fd);
    if (!admin->daemon) {
        free(admin);
        return error_set_errno(error, ERROR_FATAL, "admin.listen: %s: libmicrohttpd does not start", address);
    }
    fd_take(&fd); /* the daemon closes it */
    *ret_admin = admin;
    return 0;
}

void admin_close(struct admin **admin)
{
    struct admin *old = *admin;

    *admin = NULL;
    if (!old)
        return;
    MHD_stop_daemon(old->daemon);
    free(old);
}

int admin_describe(const struct admin *admin, struct bytes *text, struct error *error)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(admin->daemon, MHD_DAEMON_INFO_LISTEN_FD);

    if (bytes_print(text, error, "Admin  %s://", admin->tls ? "https" : "http") ||
        listener_describe(info->listen_fd, text, error))
        return -1;
    return bytes_add_text(text, "\n", error);
}
