/* admin: the listener for those who run the gateway, apart from the one for data.
 *
 *     GET /healthz   200 while the process lives
 *     GET /readyz    200 while records are accepted, 503 while they are refused:
 *                    {"ready":true,"conditions":[{"name":"lake","level":"degraded","text":"..."}]}
 *     GET /metrics   Prometheus text exposition format 0.0.4
 *     POST /reload   202: what SIGHUP does will be done; how it went stands in /readyz. Not for pages of a browser (403 with the header Origin)
 *
 * HEAD works as GET does. Errors are application/problem+json (RFC 9457). It has one thread of its own, so that it answers
 * while the data plane is busy, and small limits. The state it shows is read at the moment of the request.
 */
#ifndef PENSTOCK_ADMIN_ADMIN_H
#define PENSTOCK_ADMIN_ADMIN_H

#include "base/bytes.h"
#include "base/error.h"
#include "base/tls.h"
#include "journal/journal.h"

#define ADMIN_CONNECTIONS_MAX 32
#define ADMIN_CONNECTION_MEMORY (16 * 1024)
#define ADMIN_IDLE_SECONDS 10
#define ADMIN_PAGE_MAX (8 * 1024 * 1024)

struct admin;

/* Listens on ADDRESS:PORT and answers from now on. The journal outlives it, and so does what it speaks TLS with (NULL: it speaks none). @thread main */
int admin_open(struct admin **ret_admin, const char *address, struct journal *journal, struct tls_server *tls,
    struct error *error);
void admin_close(struct admin **admin);

/* Appends its line of the banner: "Admin  http://127.0.0.1:8081". */
int admin_describe(const struct admin *admin, struct bytes *text, struct error *error);

#endif
