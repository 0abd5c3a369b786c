/* tls: certificates and keys, from files; see tls.h */
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/health.h"
#include "base/tls_internal.h"

#define TLS_AUTHORITIES_MAX ((size_t)1 << 20) /* bytes */
#define TLS_RSA_LEAST 2048 /* bits */

/* What one reading of the files takes; all of it is freed at its end. */
struct tls_files {
    struct bytes certificate, key;
    gnutls_x509_crt_t *chain;
    unsigned chain_length;
    gnutls_x509_privkey_t private;
    const char *part; /* which option is looked at */
};

static gnutls_datum_t files_datum(const struct bytes *text)
{
    return (gnutls_datum_t){(unsigned char *)text->data, (unsigned)text->length};
}

static void files_free(struct tls_files *files)
{
    for (unsigned i = 0; i < files->chain_length; i++)
        gnutls_x509_crt_deinit(files->chain[i]);
    gnutls_free(files->chain);
    gnutls_x509_privkey_deinit(files->private);
    if (files->key.data)
        explicit_bzero(files->key.data, files->key.capacity);
    bytes_free(&files->key);
    bytes_free(&files->certificate);
}

static int files_read_chain(struct tls_files *files, const struct tls_settings *settings, struct error *error)
{
    files->part = "certificate";
    if (file_read_value(settings->certificate, false, &files->certificate, error))
        return -1;
    const gnutls_datum_t text = files_datum(&files->certificate);
    int result = gnutls_x509_crt_list_import2(&files->chain, &files->chain_length, &text, GNUTLS_X509_FMT_PEM,
        GNUTLS_X509_CRT_LIST_FAIL_IF_UNSORTED);
    if (result == GNUTLS_E_CERTIFICATE_LIST_UNSORTED)
        return error_set(error, ERROR_FATAL,
            "%s: its certificates are not in order: the server's own comes first, behind each the one of its issuer",
            settings->certificate);
    if (result < 0)
        return error_set(error, ERROR_FATAL, "%s: holds no certificate in PEM: %s", settings->certificate,
            gnutls_strerror(result));
    return 0;
}

static int files_read_key(struct tls_files *files, const struct tls_settings *settings, struct error *error)
{
    unsigned bits = 0;

    files->part = "key";
    if (file_read_value(settings->key, true, &files->key, error))
        return -1;
    const gnutls_datum_t text = files_datum(&files->key);
    int result = gnutls_x509_privkey_init(&files->private);
    if (result == 0)
        result = gnutls_x509_privkey_import2(files->private, &text, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (result == GNUTLS_E_DECRYPTION_FAILED)
        return error_set(error, ERROR_FATAL,
            "%s: needs a passphrase: write it without one (openssl pkey -in %s -out ...)", settings->key,
            settings->key);
    if (result < 0)
        return error_set(error, ERROR_FATAL, "%s: holds no private key in PEM: %s", settings->key,
            gnutls_strerror(result));
    if (gnutls_x509_privkey_get_pk_algorithm2(files->private, &bits) == GNUTLS_PK_RSA && bits < TLS_RSA_LEAST)
        return error_set(error, ERROR_FATAL, "%s: an RSA key of %u bits; at least %d, or ECDSA P-256",
            settings->key, bits, TLS_RSA_LEAST);
    return 0;
}

/* A chain is good as long as all of it is. */
static void files_times(const struct tls_files *files, struct tls_credentials *credentials)
{
    credentials->begins = INT64_MIN;
    credentials->ends = INT64_MAX;
    for (unsigned i = 0; i < files->chain_length; i++) {
        const int64_t begins = gnutls_x509_crt_get_activation_time(files->chain[i]);
        const int64_t ends = gnutls_x509_crt_get_expiration_time(files->chain[i]);
        credentials->begins = begins > credentials->begins ? begins : credentials->begins;
        credentials->ends = ends < credentials->ends ? ends : credentials->ends;
    }
}

static int credentials_fill(struct tls_credentials *credentials, struct tls_files *files,
    const struct tls_settings *settings, struct error *error)
{
    if (files_read_chain(files, settings, error) || files_read_key(files, settings, error))
        return -1;
    files_times(files, credentials);
    int result = gnutls_certificate_set_x509_key(
        credentials->certificates, files->chain, (int)files->chain_length, files->private);
    if (result == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
        return error_set(error, ERROR_FATAL, "%s: is not the key of the first certificate in %s",
            settings->key, settings->certificate);
    if (result < 0)
        return error_set(error, ERROR_FATAL, "%s: %s", settings->key, gnutls_strerror(result));
    if (!*settings->client_ca)
        return 0;
    files->part = "client_ca";
    struct bytes cleanup_bytes authorities;
    bytes_init(&authorities, TLS_AUTHORITIES_MAX);
    if (file_read_text(settings->client_ca, false, &authorities, error))
        return -1;
    const gnutls_datum_t text = files_datum(&authorities);
    result = gnutls_certificate_set_x509_trust_mem(credentials->certificates, &text, GNUTLS_X509_FMT_PEM);
    if (result <= 0)
        return error_set(error, ERROR_FATAL, "%s: %s", settings->client_ca,
            result ? gnutls_strerror(result) : "holds no certificate in PEM");
    gnutls_certificate_set_verify_function(credentials->certificates, tls_session_verify);
    return 0;
}

/* -1: the error says why, and ret_part of which option. */
static int credentials_read(struct tls_credentials **ret_credentials, const struct tls_settings *settings,
    const char **ret_part, struct error *error)
{
    struct tls_credentials *credentials = calloc(1, sizeof *credentials);
    struct tls_files files = {0};

    if (!credentials || gnutls_certificate_allocate_credentials(&credentials->certificates)) {
        free(credentials);
        *ret_part = "certificate";
        return error_set(error, ERROR_FATAL, "out of memory");
    }
    atomic_init(&credentials->users, 1);
    bytes_init(&files.certificate, FILE_VALUE_BUFFER);
    bytes_init(&files.key, FILE_VALUE_BUFFER);
    int result = credentials_fill(credentials, &files, settings, error);
    *ret_part = files.part;
    files_free(&files);
    if (result) {
        tls_credentials_release(credentials);
        return -1;
    }
    *ret_credentials = credentials;
    return 0;
}

static int credentials_load(
    struct tls_credentials **ret_credentials, const struct tls_settings *settings, struct error *error)
{
    const char *part;

    return credentials_read(ret_credentials, settings, &part, error)
               ? error_wrap(error, "%s.%s", settings->name, part)
               : 0;
}

/* NULL: it is valid. */
static const char *credentials_trouble(const struct tls_credentials *credentials, const struct clock *clock)
{
    const int64_t now = clock_wall(clock) / CLOCK_SECOND;

    return now > credentials->ends ? "has ended" : now < credentials->begins ? "has not begun yet" : NULL;
}

enum tls_look tls_settings_look(const struct tls_settings *settings, const struct clock *clock,
    const char **ret_part, struct error *error)
{
    struct tls_credentials *credentials;

    if (credentials_read(&credentials, settings, ret_part, error))
        return TLS_UNUSABLE;
    const char *trouble = credentials_trouble(credentials, clock);
    tls_credentials_release(credentials);
    if (!trouble)
        return TLS_SOUND;
    *ret_part = "certificate";
    error_set(error, ERROR_FATAL, "%s: it %s: clients refuse it", settings->certificate, trouble);
    return TLS_DOUBTFUL;
}

struct tls_credentials *tls_credentials_take(struct tls_server *server)
{
    pthread_mutex_lock(&server->lock);
    struct tls_credentials *credentials = server->credentials;
    atomic_fetch_add(&credentials->users, 1);
    pthread_mutex_unlock(&server->lock);
    return credentials;
}

void tls_credentials_release(struct tls_credentials *credentials)
{
    if (atomic_fetch_sub(&credentials->users, 1) > 1)
        return;
    gnutls_certificate_free_credentials(credentials->certificates);
    free(credentials);
}

/* ---- the server ---------------------------------------------------------------------------------------------- */

int tls_server_open(struct tls_server **ret_server, const struct tls_settings *settings,
    const struct clock *clock, struct error *error)
{
    struct tls_server *server = calloc(1, sizeof *server);

    if (!server)
        return error_set(error, ERROR_FATAL, "%s: out of memory", settings->name);
    server->settings = *settings;
    server->clock = clock;
    int result = gnutls_priority_init(&server->priorities, TLS_PRIORITIES, NULL);
    if (result)
        error_set(error, ERROR_FATAL, "%s: %s", settings->name, gnutls_strerror(result));
    if (result || credentials_load(&server->credentials, settings, error)) {
        gnutls_priority_deinit(server->priorities);
        free(server);
        return -1;
    }
    pthread_mutex_init(&server->lock, NULL);
    server->expiry = metric_series(METRIC_TLS_CERTIFICATE_EXPIRY, settings->name, NULL, NULL);
    server->reloaded = metric_series(METRIC_TLS_RELOADS, settings->name, "done", NULL);
    server->reload_failed = metric_series(METRIC_TLS_RELOADS, settings->name, "failed", NULL);
    server->shaken = metric_series(METRIC_TLS_HANDSHAKES, settings->name, "done", NULL);
    server->failed = metric_series(METRIC_TLS_HANDSHAKES, settings->name, "failed", NULL);
    metric_set(server->expiry, (double)server->credentials->ends);
    *ret_server = server;
    return 0;
}

void tls_server_close(struct tls_server **server)
{
    struct tls_server *old = *server;

    *server = NULL;
    if (!old)
        return;
    tls_credentials_release(old->credentials);
    gnutls_priority_deinit(old->priorities);
    pthread_mutex_destroy(&old->lock);
    free(old);
}

int tls_server_reload(struct tls_server *server, struct error *error)
{
    struct tls_credentials *fresh, *old;

    if (credentials_load(&fresh, &server->settings, error)) {
        metric_add(server->reload_failed, 1);
        return -1;
    }
    pthread_mutex_lock(&server->lock);
    old = server->credentials;
    server->credentials = fresh;
    pthread_mutex_unlock(&server->lock);
    tls_credentials_release(old);
    metric_set(server->expiry, (double)fresh->ends);
    metric_add(server->reloaded, 1);
    return 0;
}

void tls_server_watch(const struct tls_server *server)
{
    /* Only this thread exchanges them. */
    const char *trouble = credentials_trouble(server->credentials, server->clock);
    char text[256];

    if (!trouble) {
        health_set(server->settings.name, HEALTH_OK, NULL);
        return;
    }
    snprintf(text, sizeof text, "the certificate in %.160s %s: clients refuse it",
        server->settings.certificate, trouble);
    health_set(server->settings.name, HEALTH_DEGRADED, text);
}

const char *tls_server_name(const struct tls_server *server)
{
    return server->settings.name;
}
