/* certificates: what the listeners show to their clients, from its files; read again while the gateway runs. @thread main */
#ifndef PENSTOCK_PIPELINE_CERTIFICATES_H
#define PENSTOCK_PIPELINE_CERTIFICATES_H

#include "base/clock.h"
#include "base/config.h"
#include "base/error.h"
#include "base/tls.h"

/* NULL: the listener speaks no TLS. */
struct certificates {
    struct tls_server *http, *mqtt, *admin;
};

typedef void certificates_tell_fn(struct config *config, const void *field, const char *text);

/* Reports of the files what would keep the gateway from its start, and tells what will hardly do what was meant. */
void certificates_check(struct config *config, const struct clock *clock, certificates_tell_fn *tell);

/* The log has what secrets cross a network in clear. */
int certificates_open(struct certificates *certificates, const struct config *config,
    const struct clock *clock, struct error *error);
void certificates_close(struct certificates *certificates);
/* Reads all files again. Where that fails the old ones stay, and the log says why. */
void certificates_reload(struct certificates *certificates);
/* Whether they are valid by the clock, for /readyz. */
void certificates_watch(const struct certificates *certificates);

#endif
