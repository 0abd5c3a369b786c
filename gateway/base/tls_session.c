/* tls_session: one connection's TLS; see tls.h */
#include <errno.h>
#include <gnutls/x509.h>
#include <string.h>

#include "base/tls_internal.h"

#define TLS_FINISHED 2 /* one of each side */
#define TLS_MESSAGE_MAX (32 << 10) /* bytes of one of the handshake: a chain of certificates fits */
#define TLS_EMPTY_MAX 8 /* records without data in a row */

/* ---- handshakes ------------------------------------------------------------------------------------------------ */

static void handshakes_add(struct tls_session *tls, struct tls_handshakes *handshakes)
{
    tls->handshakes = handshakes;
    if (!handshakes)
        return;
    tls->older = handshakes->newest;
    if (tls->older)
        tls->older->newer = tls;
    else
        handshakes->oldest = tls;
    handshakes->newest = tls;
    handshakes->count++;
}

void tls_session_leave(struct tls_session *tls)
{
    struct tls_handshakes *handshakes = tls->handshakes;

    if (!handshakes)
        return;
    *(tls->older ? &tls->older->newer : &handshakes->oldest) = tls->newer;
    *(tls->newer ? &tls->newer->older : &handshakes->newest) = tls->older;
    handshakes->count--;
    tls->handshakes = NULL;
    tls->older = tls->newer = NULL;
}

/* The client's signature is checked with a key that it has chosen, which may be one that takes minutes: whoever has shown a certificate that does not hold gets no
 * further than to that message. When hands are shaken: in which order the two messages come differs, with TLS 1.3 the client's is the last one. */
static int session_message(
    gnutls_session_t session, unsigned type, unsigned when, unsigned incoming, const gnutls_datum_t *message)
{
    struct tls_session *tls = gnutls_session_get_ptr(session);

    (void)when;
    (void)message;
    if (type == GNUTLS_HANDSHAKE_CERTIFICATE_VERIFY && incoming)
        return tls_session_verify(session);
    if (type != GNUTLS_HANDSHAKE_FINISHED)
        return 0;
    if (++tls->finished < TLS_FINISHED || tls->up)
        return 0;
    tls->up = true;
    tls_session_leave(tls);
    metric_add(tls->server->shaken, 1);
    return 0;
}

int tls_session_attach(struct tls_session *tls, struct tls_server *server, gnutls_session_t session,
    struct tls_handshakes *handshakes)
{
    struct tls_credentials *credentials = tls_credentials_take(server);

    *tls = (struct tls_session){.session = session, .server = server, .credentials = credentials};
    if (gnutls_priority_set(session, server->priorities) ||
        gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials->certificates)) {
        tls_credentials_release(credentials);
        *tls = (struct tls_session){0};
        return -1;
    }
    if (*server->settings.client_ca)
        gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUEST);
    gnutls_session_set_ptr(session, tls);
    gnutls_handshake_set_hook_function(session, GNUTLS_HANDSHAKE_ANY, GNUTLS_HOOK_POST, session_message);
    gnutls_handshake_set_max_packet_length(session, TLS_MESSAGE_MAX);
    handshakes_add(tls, handshakes);
    return 0;
}

bool tls_session_asks(const struct tls_session *tls)
{
    return tls->server && *tls->server->settings.client_ca;
}

void tls_session_detach(struct tls_session *tls)
{
    if (!tls->server)
        return;
    tls_session_leave(tls);
    if (!tls->up)
        metric_add(tls->server->failed, 1);
    tls_credentials_release(tls->credentials);
    *tls = (struct tls_session){0};
}

int tls_session_open(struct tls_session *tls, struct tls_server *server, int fd,
    struct tls_handshakes *handshakes, struct error *error)
{
    gnutls_session_t session;

    int result = gnutls_init(&session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
    if (result == 0 && tls_session_attach(tls, server, session, handshakes)) {
        gnutls_deinit(session);
        result = GNUTLS_E_MEMORY_ERROR;
    }
    if (result)
        return error_set(error, ERROR_RETRY, "%s: %s", server->settings.name, gnutls_strerror(result));
    gnutls_transport_set_int(session, fd);
    return 0;
}

void tls_session_close(struct tls_session *tls)
{
    if (!tls->server)
        return;
    gnutls_deinit(tls->session);
    tls_session_detach(tls);
}

enum tls_step tls_session_shake(struct tls_session *tls)
{
    int result = gnutls_handshake(tls->session);

    if (result == GNUTLS_E_SUCCESS)
        return TLS_UP;
    if (!gnutls_error_is_fatal(result))
        return gnutls_record_get_direction(tls->session) ? TLS_WRITES : TLS_READS;
    if (!tls->refused)
        gnutls_alert_send_appropriate(tls->session, result);
    return TLS_FAILED;
}

/* ---- clients' certificates ------------------------------------------------------------------------------------- */

struct session_refusal {
    unsigned status;
    gnutls_alert_description_t alert;
    const char *text;
};

/* The first that applies says it best. */
static const struct session_refusal session_refusals[] = {
    {GNUTLS_CERT_SIGNER_NOT_FOUND, GNUTLS_A_UNKNOWN_CA,
        "no authority in client_ca has issued the client's certificate"},
    {GNUTLS_CERT_SIGNER_NOT_CA, GNUTLS_A_UNKNOWN_CA,
        "the issuer of the client's certificate is no authority"},
    {GNUTLS_CERT_EXPIRED, GNUTLS_A_CERTIFICATE_EXPIRED, "the client's certificate has expired"},
    {GNUTLS_CERT_NOT_ACTIVATED, GNUTLS_A_BAD_CERTIFICATE, "the client's certificate is not valid yet"},
    {GNUTLS_CERT_PURPOSE_MISMATCH, GNUTLS_A_UNSUPPORTED_CERTIFICATE,
        "the client's certificate is not for clients"},
    {GNUTLS_CERT_INSECURE_ALGORITHM, GNUTLS_A_INSUFFICIENT_SECURITY,
        "the client's certificate is signed or made too weakly"},
    {GNUTLS_CERT_INVALID, GNUTLS_A_BAD_CERTIFICATE, "the client's certificate is not valid"},
};

static int session_refuse(struct tls_session *tls, gnutls_alert_description_t alert, const char *text)
{
    tls->refused = text;
    gnutls_alert_send(tls->session, GNUTLS_AL_FATAL, alert);
    return GNUTLS_E_CERTIFICATE_ERROR;
}

/* Seconds since 1970; 0: it has none, or cannot be read. */
static int64_t session_end(const gnutls_datum_t *shown)
{
    gnutls_x509_crt_t certificate;
    int64_t ends = -1;

    if (gnutls_x509_crt_init(&certificate))
        return 0;
    if (gnutls_x509_crt_import(certificate, shown, GNUTLS_X509_FMT_DER) == 0)
        ends = gnutls_x509_crt_get_expiration_time(certificate);
    gnutls_x509_crt_deinit(certificate);
    return ends > 0 ? ends : 0;
}

bool tls_session_has_ended(const struct tls_session *tls)
{
    return tls->ends && clock_wall(tls->server->clock) / CLOCK_SECOND > tls->ends;
}

int tls_session_verify(gnutls_session_t session)
{
    struct tls_session *tls = gnutls_session_get_ptr(session);
    gnutls_typed_vdata_st purpose = {
        .type = GNUTLS_DT_KEY_PURPOSE_OID, .data = (void *)GNUTLS_KP_TLS_WWW_CLIENT};
    unsigned count = 0, status = 0;

    if (tls->verified)
        return 0;
    const gnutls_datum_t *shown = gnutls_certificate_get_peers(session, &count);
    if (!shown || count == 0) {
        if (!tls->server->settings.clients_required)
            return 0;
        const bool tells = gnutls_protocol_get_version(session) >= GNUTLS_TLS1_3;
        return session_refuse(tls, tells ? GNUTLS_A_CERTIFICATE_REQUIRED : GNUTLS_A_HANDSHAKE_FAILURE,
            "the client shows no certificate");
    }
    if (gnutls_certificate_verify_peers(session, &purpose, 1, &status))
        return session_refuse(tls, GNUTLS_A_BAD_CERTIFICATE, "the client's certificate cannot be read");
    for (size_t i = 0; status && i < sizeof session_refusals / sizeof *session_refusals; i++) {
        if (status & session_refusals[i].status)
            return session_refuse(tls, session_refusals[i].alert, session_refusals[i].text);
    }
    if (status)
        return session_refuse(tls, GNUTLS_A_BAD_CERTIFICATE, "the client's certificate is not valid");
    tls->verified = true;
    tls->ends = session_end(&shown[0]);
    return 0;
}

/* ---- bytes ------------------------------------------------------------------------------------------------------ */

static ssize_t session_fail(ssize_t result)
{
    /* Nobody may begin anew: that would be a handshake that no limit counts. */
    errno = gnutls_error_is_fatal((int)result) || result == GNUTLS_E_REHANDSHAKE ? EPROTO : EAGAIN;
    return -1;
}

ssize_t tls_session_receive(struct tls_session *tls, void *data, size_t size)
{
    ssize_t got = 0;

    /* A record may have no data in it (RFC 8446, section 5.1); behind the end there is never another one. */
    for (int i = 0; i < TLS_EMPTY_MAX && got == 0; i++)
        got = gnutls_record_recv(tls->session, data, size);
    if (got == GNUTLS_E_PREMATURE_TERMINATION)
        return 0;
    return got < 0 ? session_fail(got) : got;
}

ssize_t tls_session_send(struct tls_session *tls, const void *data, size_t length)
{
    size_t sent = 0;

    while (sent < length) {
        /* What the library keeps is asked for without the data that it is. */
        ssize_t result = tls->sending
                             ? gnutls_record_send(tls->session, NULL, 0)
                             : gnutls_record_send(tls->session, (const char *)data + sent, length - sent);
        tls->sending = result == GNUTLS_E_AGAIN || result == GNUTLS_E_INTERRUPTED;
        if (result < 0)
            return sent ? (ssize_t)sent : session_fail(result);
        sent += (size_t)result;
    }
    return (ssize_t)sent;
}

bool tls_session_has_more(const struct tls_session *tls)
{
    return gnutls_record_check_pending(tls->session) > 0;
}

void tls_session_bye(struct tls_session *tls)
{
    if (tls->up)
        gnutls_bye(tls->session, GNUTLS_SHUT_WR);
}

int tls_no_certificate(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
    gnutls_pcert_st **certificates, unsigned *count, gnutls_ocsp_data_st **ocsp, unsigned *ocsp_count,
    gnutls_privkey_t *key, unsigned *flags)
{
    (void)session;
    (void)info;
    (void)certificates;
    (void)count;
    (void)ocsp;
    (void)ocsp_count;
    (void)key;
    (void)flags;
    return -1;
}
