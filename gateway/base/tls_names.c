/* tls_names: what a client's certificate says whose it is; see tls.h */
#include <gnutls/x509.h>
#include <stdio.h>
#include <string.h>

#include "base/tls.h"

#define NAME_MAX_BYTES 512

static void names_add(struct tls_names *names, const char *kind, const char *name, size_t length)
{
    const size_t room = sizeof names->text - names->used;

    /* A zero byte would end it for us, and not for the authority that looked at it. */
    if (names->count == TLS_NAMES_MAX || length == 0 || memchr(name, '\0', length) ||
        strlen(kind) + length + 1 > room)
        return;
    char *place = names->text + names->used;
    names->used += (size_t)snprintf(place, room, "%s%.*s", kind, (int)length, name) + 1;
    names->names[names->count++] = place;
}

static void names_add_subject(struct tls_names *names, gnutls_x509_crt_t certificate)
{
    char name[NAME_MAX_BYTES];
    size_t length = sizeof name;

    for (unsigned i = 0;
         gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, i, 0, name, &length) == 0;
         i++, length = sizeof name)
        names_add(names, "CN=", name, length);
}

static const char *names_kind(int type)
{
    return type == GNUTLS_SAN_DNSNAME      ? "DNS:"
           : type == GNUTLS_SAN_URI        ? "URI:"
           : type == GNUTLS_SAN_RFC822NAME ? "email:"
                                           : NULL;
}

static void names_add_others(struct tls_names *names, gnutls_x509_crt_t certificate)
{
    char name[NAME_MAX_BYTES];
    size_t length = sizeof name;
    int type;

    for (unsigned i = 0; (type = gnutls_x509_crt_get_subject_alt_name(certificate, i, name, &length, NULL)) !=
                         GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE;
         i++, length = sizeof name) {
        if (type >= 0 && names_kind(type))
            names_add(names, names_kind(type), name, length);
        else if (type < 0 && type != GNUTLS_E_SHORT_MEMORY_BUFFER)
            return;
    }
}

void tls_session_names(const struct tls_session *tls, struct tls_names *ret_names)
{
    unsigned count = 0;
    gnutls_x509_crt_t certificate;

    ret_names->used = ret_names->count = 0;
    ret_names->shown = false;
    if (!tls->up || !tls_session_asks(tls))
        return;
    const gnutls_datum_t *shown = gnutls_certificate_get_peers(tls->session, &count);
    ret_names->shown = shown && count > 0;
    if (!ret_names->shown || gnutls_x509_crt_init(&certificate))
        return;
    if (gnutls_x509_crt_import(certificate, &shown[0], GNUTLS_X509_FMT_DER) == 0) {
        names_add_subject(ret_names, certificate);
        names_add_others(ret_names, certificate);
    }
    gnutls_x509_crt_deinit(certificate);
}
