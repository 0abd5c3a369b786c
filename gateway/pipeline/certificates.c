/* certificates: see certificates.h */
#include "pipeline/certificates.h"

#include <stddef.h>
#include <string.h>

#include "base/health.h"
#include "base/listener.h"
#include "base/log.h"

static const struct certificates_listener {
    const char *name; /* of its options */
    size_t config; /* offset of its struct config_tls in struct config */
    size_t listen; /* of its addresses */
    size_t server; /* and of its server in struct certificates */
} certificates_listeners[] = {
    {"http.tls", offsetof(struct config, http.tls), offsetof(struct config, http.listen),
        offsetof(struct certificates, http)},
    {"mqtt.tls", offsetof(struct config, mqtt.tls), offsetof(struct config, mqtt.listen),
        offsetof(struct certificates, mqtt)},
    {"admin.tls", offsetof(struct config, admin.tls), offsetof(struct config, admin.listen),
        offsetof(struct certificates, admin)},
};
#define CERTIFICATES_CLEAR \
    "secrets come here in clear, and whoever sees the network can read them; it should speak TLS, or a proxy in front of it"
#define LISTENERS (sizeof certificates_listeners / sizeof *certificates_listeners)

static struct tls_server **certificates_at(const struct certificates *certificates, size_t index)
{
    return (struct tls_server **)((char *)certificates + certificates_listeners[index].server);
}

static struct config_tls *certificates_of(const struct config *config, size_t index)
{
    return (struct config_tls *)((char *)config + certificates_listeners[index].config);
}

static struct tls_settings certificates_settings(const struct config *config, size_t index)
{
    const struct config_tls *from = certificates_of(config, index);

    return (struct tls_settings){.name = certificates_listeners[index].name,
        .certificate = from->certificate,
        .key = from->key,
        .client_ca = from->client_ca,
        .clients_required = strcmp(from->clients, "required") == 0};
}

/* ---- what is to be said of them ---------------------------------------------------------------------------------- */

/* The first address at which secrets are asked for and come in clear. NULL: there is none. */
static char **certificates_clear(const struct config *config, size_t index)
{
    const struct config_list *addresses =
        (const void *)((const char *)config + certificates_listeners[index].listen);
    struct error ignored;
    bool loopback;

    if (!*config->access.credentials || *certificates_of(config, index)->certificate)
        return NULL;
    for (size_t i = 0; i < addresses->count; i++) {
        if (listener_is_loopback(addresses->items[i], &loopback, &ignored) == 0 && !loopback)
            return &addresses->items[i];
    }
    return NULL;
}

static void certificates_look(
    struct config *config, size_t index, const struct clock *clock, certificates_tell_fn *tell)
{
    const struct config_tls *files = certificates_of(config, index);
    const struct tls_settings settings = certificates_settings(config, index);
    const char *part;
    struct error error;

    if (!*files->certificate)
        return;
    const enum tls_look found = tls_settings_look(&settings, clock, &part, &error);
    if (found == TLS_SOUND)
        return;
    const void *field = strcmp(part, "key") == 0         ? &files->key
                        : strcmp(part, "client_ca") == 0 ? &files->client_ca
                                                         : &files->certificate;
    if (found == TLS_UNUSABLE)
        config_report(config, field, "%s", error.text);
    else
        tell(config, field, error.text);
}

void certificates_check(struct config *config, const struct clock *clock, certificates_tell_fn *tell)
{
    for (size_t i = 0; i < LISTENERS; i++) {
        certificates_look(config, i, clock, tell);
        if (certificates_clear(config, i))
            tell(config, certificates_clear(config, i), CERTIFICATES_CLEAR);
    }
}

static void certificates_warn(const struct config *config)
{
    for (size_t i = 0; i < LISTENERS; i++) {
        char **address = certificates_clear(config, i);
        if (address)
            log_event_always(LOG_WARN, "access.clear", log_text("address", *address),
                log_text("wanted", certificates_listeners[i].name), log_text("reason", CERTIFICATES_CLEAR));
    }
}

/* ---- the servers ------------------------------------------------------------------------------------------------- */

int certificates_open(struct certificates *certificates, const struct config *config,
    const struct clock *clock, struct error *error)
{
    certificates_warn(config);
    for (size_t i = 0; i < LISTENERS; i++) {
        const struct tls_settings settings = certificates_settings(config, i);
        if (*settings.certificate &&
            tls_server_open(certificates_at(certificates, i), &settings, clock, error))
            return -1;
    }
    return 0;
}

void certificates_close(struct certificates *certificates)
{
    for (size_t i = 0; i < LISTENERS; i++)
        tls_server_close(certificates_at(certificates, i));
}

void certificates_reload(struct certificates *certificates)
{
    struct error error;

    health_set("tls.reload", HEALTH_OK, NULL);
    for (size_t i = 0; i < LISTENERS; i++) {
        struct tls_server *server = *certificates_at(certificates, i);
        if (server && tls_server_reload(server, &error)) {
            log_event_always(LOG_ERROR, "tls.reload", log_text("kept", "what was in force"),
                log_text("error", error.text));
            health_set("tls.reload", HEALTH_DEGRADED, error.text);
        } else if (server)
            log_event_always(LOG_INFO, "tls.reload", log_text("listener", tls_server_name(server)));
    }
}

void certificates_watch(const struct certificates *certificates)
{
    for (size_t i = 0; i < LISTENERS; i++) {
        if (*certificates_at(certificates, i))
            tls_server_watch(*certificates_at(certificates, i));
    }
}
