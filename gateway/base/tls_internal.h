/* tls_internal: what tls.c and tls_session.c share; see tls.h */
#ifndef PENSTOCK_BASE_TLS_INTERNAL_H
#define PENSTOCK_BASE_TLS_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/metric.h"
#include "base/tls.h"

/* What the files held when they were read. Freed with the last session that began with it, and not before there is another one. */
struct tls_credentials {
    atomic_size_t users;
    gnutls_certificate_credentials_t certificates;
    int64_t begins, ends; /* of the certificate and all of its chain (seconds since 1970) */
};

struct tls_server {
    struct tls_settings settings;
    const struct clock *clock;
    gnutls_priority_t priorities;
    pthread_mutex_t lock; /* guards which credentials are the present ones */
    struct tls_credentials *credentials;
    struct metric_series *expiry, *reloaded, *reload_failed, *shaken, *failed;
};

/* The present ones, one user more. @thread any */
struct tls_credentials *tls_credentials_take(struct tls_server *server);
void tls_credentials_release(struct tls_credentials *credentials);
/* gnutls_certificate_verify_function, of a session whose pointer is its tls_session. */
int tls_session_verify(gnutls_session_t session);

#endif
