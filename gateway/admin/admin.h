/* admin: the listener for those who run the gateway, apart from the one for data.
 *
 *     GET /healthz   200 while the process lives
 *     GET /readyz    200 while records are accepted, 503 while they are refused:
 *                    {"ready":true,"conditions":[{"name":"lake","level":"degraded","text":"..."}]}
 *     GET /metrics   Prometheus text exposition format 0.0.4
 *     POST /reload   202: what SIGHUP does will be done; how it went stands in /readyz. Not for pages of a browser (403 with the header Origin)
 *
 * Of whom nobody asks who it is, on loopback, the header Host has to say so (host.h): 421.
 *
 * HEAD works as GET does. Errors are application/problem+json (RFC 9457). Each address has one thread of its own, so that it answers
 * while the data plane is busy, and whoever crowds one of them is not in the way of the others; and small limits. The state it shows is read at the moment of the
 * request.
 *
 * With access.credentials a principal needs a role, ACCESS_READ, or ACCESS_RELOAD for the last; without any /healthz answers, and /readyz without its conditions, as load
 * balancers want them. On loopback and on Unix sockets whoever shows nothing may do everything, unless admin.anonymous is false. Beyond loopback TLS is spoken.
 */
#ifndef PENSTOCK_ADMIN_ADMIN_H
#define PENSTOCK_ADMIN_ADMIN_H

#include "access/access.h"
#include "base/bytes.h"
#include "base/config.h"
#include "base/error.h"
#include "base/tls.h"
#include "journal/journal.h"

/* Of each address: */
#define ADMIN_CONNECTIONS_MAX 32 /* connections that were let in, */
#define ADMIN_STRANGERS_MAX 32 /* and that have not been: for a further one that which came first is ended, */
#define ADMIN_STRANGERS_PER_ADDRESS 4 /* or the first of the same address, when it has so many */
#define ADMIN_CONNECTION_MEMORY (16 * 1024)
#define ADMIN_IDLE_SECONDS 10
#define ADMIN_PAGE_MAX (8 * 1024 * 1024)

struct admin;

/* All of it outlives the admin. */
struct admin_context {
    const struct config *config;
    struct journal *journal; /* NULL: there is none */
    struct access *access;
    struct tls_server *tls; /* NULL: it speaks none; Unix sockets never do */
};

/* Listens on all addresses of admin.listen and answers from now on. @thread main */
int admin_open(struct admin **ret_admin, const struct admin_context *context, struct error *error);
void admin_close(struct admin **admin);

/* Appends its lines of the banner: "Admin  http://127.0.0.1:8081". */
int admin_describe(const struct admin *admin, struct bytes *text, struct error *error);

#endif
