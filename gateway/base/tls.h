/* tls: the server's side of TLS 1.2 and 1.3, by GnuTLS.
 *
 * A struct tls_server is what a listener shows to its clients: certificate and key, and the authorities that its clients' certificates are held
 * against. It can be read again from its files while connections are open: those keep what they began with (struct tls_credentials, counted).
 * A struct tls_session is one connection's. Whoever owns the socket shakes hands (gnutls_handshake()); the session knows when that is
 * done, and whether the client's certificate will do.
 *
 * Ciphers are AEAD only, keys are exchanged by ECDHE only; certificates are ECDSA, EdDSA or RSA. Sessions are not resumed.
 */
#ifndef PENSTOCK_BASE_TLS_H
#define PENSTOCK_BASE_TLS_H

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/error.h"

/* What GnuTLS is told to speak. */
#define TLS_PRIORITIES                                                                                     \
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:" \
    "-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-MAC-ALL:+AEAD:-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:"            \
    "+GROUP-SECP384R1:%PROFILE_MEDIUM"

/* Of the configuration, whose texts outlive the server. */
struct tls_settings {
    const char *name; /* of the options: "http.tls" */
    const char *certificate, *key; /* files */
    const char *client_ca; /* ""; clients are not asked for certificates */
    bool clients_required; /* with client_ca: whoever shows none is not let in */
};

/* Whether the files would do for tls_server_open(), or do, but clients will not take them. If not, the error says why, and ret_part names the option: "key". @thread any */
enum tls_look { TLS_SOUND, TLS_DOUBTFUL, TLS_UNUSABLE };
enum tls_look tls_settings_look(const struct tls_settings *settings, const struct clock *clock,
    const char **ret_part, struct error *error);

struct tls_server;
struct tls_credentials;

/* ERROR_FATAL names file and cause. @thread main, as all of the server's */
int tls_server_open(struct tls_server **ret_server, const struct tls_settings *settings,
    const struct clock *clock, struct error *error);
/* Behind the last of its sessions. */
void tls_server_close(struct tls_server **server);
/* Reads its files again, for sessions that begin from now on. -1: nothing has changed. */
int tls_server_reload(struct tls_server *server, struct error *error);
/* Tells /readyz when the certificate has ended, or has not begun. Call it about once a second. */
void tls_server_watch(const struct tls_server *server);
const char *tls_server_name(const struct tls_server *server);

/* ---- sessions: each is one thread's ------------------------------------------------------------------------ */

/* Handshakes that are under way in a thread, in the order in which they began. */
struct tls_handshakes {
    struct tls_session *oldest, *newest;
    size_t count;
};

struct tls_session {
    gnutls_session_t session;
    struct tls_server *server;
    struct tls_credentials *credentials;
    struct tls_handshakes *handshakes; /* NULL: it is none of them */
    struct tls_session *older, *newer;
    unsigned finished; /* messages of that name, of which each side sends one */
    bool verified; /* the client has shown a certificate that holds, */
    int64_t ends; /* up to this second (since 1970); 0: none was shown */
    bool up; /* hands are shaken */
    bool sending; /* the library keeps something that the socket did not take */
    const char *refused; /* why the client's certificate would not do; NULL: that was not it */
};

/* A session of GnuTLS that has not begun gets what the server has now. handshakes: where it is until it is up; NULL: nowhere. It points to the
 * tls_session, which stays where it is. */
int tls_session_attach(struct tls_session *tls, struct tls_server *server, gnutls_session_t session,
    struct tls_handshakes *handshakes);
/* It is none of the handshakes any more, whatever becomes of it. */
void tls_session_leave(struct tls_session *tls);
/* Behind the end of GnuTLS's session, or when that is not used any more. One that is not attached: nothing. */
void tls_session_detach(struct tls_session *tls);

/* The same with a session of its own, on a socket that does not block. ERROR_RETRY: no memory. */
int tls_session_open(struct tls_session *tls, struct tls_server *server, int fd,
    struct tls_handshakes *handshakes, struct error *error);
void tls_session_close(struct tls_session *tls);

enum tls_step { TLS_UP, TLS_READS, TLS_WRITES, TLS_FAILED };

/* Shakes hands as far as the socket goes, which it then waits for to read or to write. The client is told why it fails. */
enum tls_step tls_session_shake(struct tls_session *tls);

/* As recv() and send(), with MSG_DONTWAIT: what they return, and errno. An end without a word is an end. What was not sent has to be the beginning of
 * what is sent the next time. */
ssize_t tls_session_receive(struct tls_session *tls, void *data, size_t size);
ssize_t tls_session_send(struct tls_session *tls, const void *data, size_t length);
/* Whether there is something to receive that no descriptor tells of. */
bool tls_session_has_more(const struct tls_session *tls);
/* Whether its client's certificate, if it shows one, is held against authorities. */
bool tls_session_asks(const struct tls_session *tls);

/* Whether the certificate that its client has shown has ended since. */
bool tls_session_has_ended(const struct tls_session *tls);

#define TLS_NAMES_BYTES 4096
#define TLS_NAMES_MAX 32

/* What the client's certificate says whose it is (RFC 5280, sections 4.1.2.6 and 4.2.1.6): "CN=pump-7", "DNS:pump-7.example", "URI:spiffe://example/pump-7",
 * "email:pump@example.com". */
struct tls_names {
    char text[TLS_NAMES_BYTES]; /* each terminated */
    size_t used, count;
    bool shown; /* a certificate was; it may have no name that is known here */
    const char *names[TLS_NAMES_MAX];
};

/* Of a session that is up: only what was held against the authorities, so none without them, or when none was shown. Names with a zero byte in them, and those for which
 * there is no room, are left out. */
void tls_session_names(const struct tls_session *tls, struct tls_names *ret_names);

/* Says good-bye, as far as the socket takes it. */
void tls_session_bye(struct tls_session *tls);

/* For libmicrohttpd (MHD_OPTION_HTTPS_CERT_CALLBACK2), which does not start without knowing where certificates come from. It never gets to ask: each session
 * brings its own. */
gnutls_certificate_retrieve_function3 tls_no_certificate;

#endif
