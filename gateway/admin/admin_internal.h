/* admin_internal: what the files of admin/ share; see admin.h
 *
 * A listener's connections are its own thread's, so nothing of them needs a lock. A connection is a stranger until a request of it was let in: of somebody with
 * a role, or where nobody is asked.
 */
#ifndef PENSTOCK_ADMIN_ADMIN_INTERNAL_H
#define PENSTOCK_ADMIN_ADMIN_INTERNAL_H

#include <microhttpd.h>

#include "admin/admin.h"
#include "base/option.h"
#include "base/peers.h"
#include "base/unix_socket.h"

struct admin_listener {
    struct admin *admin;
    const char *address; /* of the configuration */
    struct unix_socket socket; /* zeroed: it is none */
    struct tls_server *tls; /* NULL: it speaks none */
    bool loopback; /* an address of IP that this machine alone can reach */
    bool open; /* whoever shows nothing is let in, too */
    struct MHD_Daemon *daemon; /* polls in a thread of its own; the internal epoll form can hang */
    struct admin_connection *oldest, *newest; /* strangers, as they came */
    size_t strangers, known;
};

struct admin {
    struct admin_context context;
    struct peers *peers; /* whose addresses many share */
    size_t count;
    struct admin_listener listeners[OPTION_LIST_MAX];
};

enum admin_state { ADMIN_STRANGER, ADMIN_KNOWN, ADMIN_ENDING };

struct admin_connection {
    struct admin_listener *listener;
    struct admin_connection *older, *newer; /* of strangers */
    enum admin_state state;
    int fd;
    bool counted; /* by its address: */
    unsigned char address[16];
    struct access_origin origin; /* of its guesses */
    struct tls_session tls; /* nothing in it: it speaks none */
    struct certified certified;
};

/* ---- connection.c ---------------------------------------------------------------------------------------------------- */

/* NULL: no memory. */
struct admin_connection *connection_begin(struct admin_listener *listener, int fd);
/* Frees it. */
void connection_end(struct admin_connection *connection);

/* What a request shows of who sends it. */
struct admin_shown {
    struct slice header; /* Authorization */
    unsigned headers; /* how many of it there are */
    bool elsewhere; /* the header Host says another one */
    struct access_origin origin; /* whom it comes from: the connection's before a proxy has said more */
    const struct admin_connection *connection;
};

/* The grant is set with ACCESS_GRANTED: of nobody where nobody is asked. */
enum access_answer connection_ask(
    struct admin_connection *connection, const struct admin_shown *shown, struct grant *ret_grant);
/* Whether its last request was let in. False: it was, but there are as many as there may be, and it has to end. */
bool connection_may_stay(struct admin_connection *connection, bool let_in);

/* ---- server.c ---------------------------------------------------------------------------------------------------------- */

/* On the listening socket, which stays the caller's. */
int server_start(struct admin_listener *listener, int fd, struct error *error);

#endif
