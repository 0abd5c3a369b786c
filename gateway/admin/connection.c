/* connection: who is connected, and who asks; see admin_internal.h */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "admin/admin_internal.h"

/* ---- strangers -------------------------------------------------------------------------------------------------- */

static void strangers_remove(struct admin_connection *connection)
{
    struct admin_listener *listener = connection->listener;

    *(connection->older ? &connection->older->newer : &listener->oldest) = connection->newer;
    *(connection->newer ? &connection->newer->older : &listener->newest) = connection->older;
    connection->older = connection->newer = NULL;
    listener->strangers--;
}

static void strangers_add(struct admin_connection *connection)
{
    struct admin_listener *listener = connection->listener;

    connection->state = ADMIN_STRANGER;
    connection->older = listener->newest;
    *(connection->older ? &connection->older->newer : &listener->oldest) = connection;
    listener->newest = connection;
    listener->strangers++;
}

/* The first of the same address; NULL: it has not so many. */
static struct admin_connection *strangers_of_address(const struct admin_connection *connection)
{
    struct admin_connection *first = NULL;
    size_t count = 0;

    if (!connection->counted)
        return NULL;
    for (struct admin_connection *one = connection->listener->newest; one; one = one->older) {
        if (one->counted && memcmp(one->address, connection->address, sizeof one->address) == 0) {
            first = one;
            count++;
        }
    }
    return count < ADMIN_STRANGERS_PER_ADDRESS ? NULL : first;
}

/* A new one never waits: whoever crowds a listener is ended for it, and the own ones of an address before those of others. */
static void strangers_make_room(const struct admin_connection *connection)
{
    struct admin_listener *listener = connection->listener;
    struct admin_connection *least = strangers_of_address(connection);

    if (!least && listener->strangers >= ADMIN_STRANGERS_MAX)
        least = listener->oldest;
    if (!least)
        return;
    strangers_remove(least);
    least->state = ADMIN_ENDING;
    shutdown(least->fd, SHUT_RDWR); /* the library sees it, and says when it is gone */
}

/* ---- connections -------------------------------------------------------------------------------------------------- */

struct admin_connection *connection_begin(struct admin_listener *listener, int fd)
{
    struct admin_connection *connection = calloc(1, sizeof *connection);
    char text[PEERS_TEXT];

    if (!connection)
        return NULL;
    connection->listener = listener;
    connection->fd = fd;
    connection->counted = peers_tell(listener->admin->peers, fd, connection->address, text);
    if (access_is_wanted(listener->admin->context.access))
        access_origin_of(listener->admin->context.access, fd, &connection->origin);
    strangers_make_room(connection);
    strangers_add(connection);
    return connection;
}

void connection_end(struct admin_connection *connection)
{
    if (connection->state == ADMIN_STRANGER)
        strangers_remove(connection);
    else if (connection->state == ADMIN_KNOWN)
        connection->listener->known--;
    tls_session_detach(&connection->tls);
    grant_end(&connection->certified.grant);
    free(connection);
}

/* ---- who asks ------------------------------------------------------------------------------------------------------ */

enum access_answer connection_ask(
    struct admin_connection *connection, const struct admin_shown *shown, struct grant *ret_grant)
{
    const struct admin_listener *listener = connection->listener;
    struct access *access = listener->admin->context.access;

    if (tls_session_has_ended(&connection->tls))
        return ACCESS_UNKNOWN;
    if (!access_is_wanted(access))
        return ACCESS_GRANTED;
    if (shown->headers > 0)
        return shown->headers == 1 ? access_ask_header(access, shown->header, &shown->origin, ret_grant)
                                   : ACCESS_UNKNOWN;
    if (access_is_certified(access, &connection->tls, &connection->certified)) {
        *ret_grant = grant_share(&connection->certified.grant);
        return ACCESS_GRANTED;
    }
    return listener->open && !connection->certified.shown ? ACCESS_GRANTED : ACCESS_UNKNOWN;
}

bool connection_may_stay(struct admin_connection *connection, bool let_in)
{
    struct admin_listener *listener = connection->listener;

    if (let_in && connection->state == ADMIN_STRANGER) {
        if (listener->known == ADMIN_CONNECTIONS_MAX)
            return false;
        strangers_remove(connection);
        connection->state = ADMIN_KNOWN;
        listener->known++;
    } else if (!let_in && connection->state == ADMIN_KNOWN) {
        listener->known--; /* whose credentials were revoked */
        strangers_add(connection);
    }
    return true;
}
