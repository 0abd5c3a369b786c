/* admin: its addresses; see admin.h */
#include "admin/admin.h"

#include <stdlib.h>
#include <string.h>

#include "admin/admin_internal.h"
#include "base/file.h"
#include "base/listener.h"

#define ADMIN_BACKLOG 64

/* Whether only those are let in who show something, whatever the listener says: nobody else gets that far. */
static bool admin_asks(const struct admin *admin)
{
    const struct config_tls *tls = &admin->context.config->admin.tls;

    return admin->context.tls && (access_is_wanted(admin->context.access) ||
                                     (*tls->client_ca && strcmp(tls->clients, "required") == 0));
}

static int admin_open_path(struct admin_listener *listener, int *ret_fd, struct error *error)
{
    const struct config *config = listener->admin->context.config;

    listener->open = config->admin.anonymous;
    return unix_socket_open(&listener->socket, listener->address,
        (mode_t)strtoul(config->admin.socket.mode, NULL, 8), config->admin.socket.group, ADMIN_BACKLOG,
        ret_fd, error);
}

static int admin_open_port(struct admin_listener *listener, int *ret_fd, struct error *error)
{
    const struct admin *admin = listener->admin;
    bool loopback;

    if (listener_is_loopback(listener->address, &loopback, error))
        return -1;
    if (!loopback && !admin_asks(admin))
        return error_set(error, ERROR_FATAL,
            "%s can be reached from other machines: that takes admin.tls, and access.credentials or client certificates that are required",
            listener->address);
    listener->loopback = loopback;
    listener->open = loopback && admin->context.config->admin.anonymous;
    listener->tls = admin->context.tls;
    return listener_open(listener->address, ADMIN_BACKLOG, ret_fd, error);
}

static int admin_listen(struct admin *admin, const char *address, struct error *error)
{
    struct admin_listener *listener = &admin->listeners[admin->count];
    cleanup_fd int fd = -1;

    *listener = (struct admin_listener){.admin = admin, .address = address};
    if ((unix_socket_is(address) ? admin_open_path : admin_open_port)(listener, &fd, error) ||
        server_start(listener, fd, error)) {
        unix_socket_remove(&listener->socket);
        return error_wrap(error, "admin.listen");
    }
    admin->count++;
    return 0;
}

int admin_open(struct admin **ret_admin, const struct admin_context *context, struct error *error)
{
    const struct config_list *addresses = &context->config->admin.listen;
    struct admin *admin = calloc(1, sizeof *admin);
    int result;

    if (!admin)
        return error_set(error, ERROR_RETRY, "admin: out of memory");
    admin->context = *context;
    result = peers_new(&admin->peers, &context->config->http.trusted_proxies, 0, error);
    for (size_t i = 0; i < addresses->count && !result; i++)
        result = admin_listen(admin, addresses->items[i], error);
    if (result)
        admin_close(&admin);
    else
        *ret_admin = admin;
    return result;
}

void admin_close(struct admin **admin)
{
    struct admin *old = *admin;

    *admin = NULL;
    if (!old)
        return;
    for (size_t i = 0; i < old->count; i++) {
        unix_socket_remove(&old->listeners[i].socket);
        MHD_stop_daemon(old->listeners[i].daemon);
    }
    peers_free(&old->peers);
    free(old);
}

static int admin_describe_listener(
    const struct admin_listener *listener, struct bytes *text, struct error *error)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_LISTEN_FD);

    if (listener->socket.path)
        return bytes_print(text, error, "Admin  %s\n", listener->address);
    if (bytes_print(text, error, "Admin  %s://", listener->tls ? "https" : "http") ||
        listener_describe(info->listen_fd, text, error))
        return -1;
    return bytes_add_text(text, "\n", error);
}

int admin_describe(const struct admin *admin, struct bytes *text, struct error *error)
{
    for (size_t i = 0; i < admin->count; i++) {
        if (admin_describe_listener(&admin->listeners[i], text, error))
            return -1;
    }
    return 0;
}
