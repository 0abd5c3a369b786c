/* certificates: see certificates.h */
#include "pipeline/certificates.h"

#include <stddef.h>
#include <string.h>

#include "base/health.h"
#include "base/log.h"

static const struct certificates_listener {
    const char *name; /* of its options */
    size_t config; /* offset of its struct config_tls in struct config */
    size_t server; /* and of its server in struct certificates */
} certificates_listeners[] = {
    {"http.tls", offsetof(struct config, http.tls), offsetof(struct certificates, http)},
    {"mqtt.tls", offsetof(struct config, mqtt.tls), offsetof(struct certificates, mqtt)},
    {"admin.tls", offsetof(struct config, admin.tls), offsetof(struct certificates, admin)},
};
#define LISTENERS (sizeof certificates_listeners / sizeof *certificates_listeners)

static struct tls_server **certificates_at(const struct certificates *certificates, size_t index)
{
    return (struct tls_server **)((char *)certificates + certificates_listeners[index].server);
}

int certificates_open(struct certificates *certificates, const struct config *config,
    const struct clock *clock, struct error *error)
{
    for (size_t i = 0; i < LISTENERS; i++) {
        const struct certificates_listener *listener = &certificates_listeners[i];
        const struct config_tls *from = (const void *)((const char *)config + listener->config);
        const struct tls_settings settings = {.name = listener->name,
            .certificate = from->certificate,
            .key = from->key,
            .client_ca = from->client_ca,
            .clients_required = strcmp(from->clients, "required") == 0};
        if (*from->certificate && tls_server_open(certificates_at(certificates, i), &settings, clock, error))
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
