/* subscriber_settings: what the configuration says of a broker, checked; see subscriber_internal.h */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/option.h"
#include "source/subscriber_internal.h"

static int settings_client_id(struct subscriber_settings *settings, const struct config *config,
    const struct config_subscription *from, struct error *error)
{
    char gateway[JOURNAL_GATEWAY_ID_MAX + 1];
    int length;

    journal_gateway_id(gateway, config->gateway.id);
    if (*from->client_id)
        length = snprintf(settings->client_id, sizeof settings->client_id, "%s", from->client_id);
    else
        length = snprintf(settings->client_id, sizeof settings->client_id, "%s-%s", gateway, from->name);
    if (length >= (int)sizeof settings->client_id)
        return error_set(
            error, ERROR_REJECT, "found %d bytes; allowed: at most %d", length, SUBSCRIBER_CLIENT_ID_MAX);
    return 0;
}

int subscriber_settings_compile(struct subscriber_settings *ret_settings, const struct config *config,
    const struct config_subscription *from, struct error *error)
{
    const int64_t expiry = from->session_expiry / CLOCK_SECOND;
    struct subscriber_settings settings = {
        .from = from,
        .v5 = strcmp(from->version, "5") == 0,
        .keep_alive = (uint16_t)((from->keep_alive + CLOCK_SECOND - 1) / CLOCK_SECOND),
        .session_expiry = from->session_expiry == 0 ? UINT32_MAX
                          : expiry                  ? (uint32_t)expiry
                                                    : 1,
    };
    struct bytes address = {settings.address, 0, sizeof settings.address - 1, sizeof settings.address - 1};

    if (subscriber_url_parse(slice_of(from->url), &settings.url, error) ||
        subscriber_url_print(&settings.url, &address, error) ||
        settings_client_id(&settings, config, from, error))
        return error_wrap(error, "mqtt.subscribe.%s", from->name);
    *ret_settings = settings;
    return 0;
}

/* ---- the check --------------------------------------------------------------------------------------------------- */

static void settings_check_url(struct config *config, struct config_subscription *from)
{
    struct subscriber_url url;
    struct error error;

    if (*from->url == '\0')
        config_report(config, from, "has no url; allowed: mqtt://HOST:PORT, mqtts://HOST:PORT");
    else if (subscriber_url_parse(slice_of(from->url), &url, &error))
        config_report(config, &from->url, "%s", error.text);
    else if (!url.tls && (*from->tls.ca || *from->tls.certificate || *from->tls.key))
        config_report(config,
            *from->tls.ca            ? &from->tls.ca
            : *from->tls.certificate ? &from->tls.certificate
                                     : &from->tls.key,
            "found a file for TLS, but the url begins with mqtt://; allowed: mqtts:// there, or nothing here");
}

static void settings_check_filters(struct config *config, struct config_subscription *from)
{
    struct error error;

    if (from->filters.count == 0)
        config_report(config, from, "has no filters; allowed: 1 to %d topic filters", OPTION_LIST_MAX);
    for (size_t i = 0; i < from->filters.count; i++) {
        char **filter = &from->filters.items[i];
        if (subscriber_filter_check(slice_of(*filter), &error))
            config_report(config, filter, "%s", error.text);
        for (size_t j = 0; j < i; j++)
            if (strcmp(*filter, from->filters.items[j]) == 0)
                config_report(config, filter, "found %s twice; allowed: once", *filter);
    }
}

static void settings_check_secret(struct config *config, char **name)
{
    cleanup_bytes struct bytes text;
    struct error error;

    bytes_init(&text, FILE_VALUE_BUFFER);
    if (**name && file_read_value(*name, true, &text, &error))
        config_report(config, name, "%s", error.text);
    if (text.data)
        explicit_bzero(text.data, text.capacity);
}

static void settings_check_file(struct config *config, char **name)
{
    if (**name && access(*name, R_OK) != 0)
        config_report(config, name, "%s: %s", *name, strerror(errno));
}

static void settings_check_files(struct config *config, struct config_subscription *from)
{
    settings_check_secret(config, &from->password_file);
    settings_check_secret(config, &from->tls.key);
    settings_check_file(config, &from->tls.ca);
    settings_check_file(config, &from->tls.certificate);
    if (*from->password_file && *from->user == '\0')
        config_report(
            config, &from->password_file, "found a password without a user; allowed: both, or none");
    if (*from->tls.key && *from->tls.certificate == '\0')
        config_report(config, &from->tls.key, "found a key without tls.certificate; allowed: both, or none");
    if (*from->tls.certificate && *from->tls.key == '\0')
        config_report(
            config, &from->tls.certificate, "found a certificate without tls.key; allowed: both, or none");
}

/* Two of one client id at one broker would throw each other out. */
static void settings_check_client_id(struct config *config, struct config_subscription *from)
{
    struct subscriber_settings own, other;
    struct error error;

    if (subscriber_settings_compile(&own, config, from, &error)) {
        if (strlen(from->client_id) > SUBSCRIBER_CLIENT_ID_MAX)
            config_report(config, &from->client_id, "found %zu bytes; allowed: at most %d",
                strlen(from->client_id), SUBSCRIBER_CLIENT_ID_MAX);
        return;
    }
    for (const struct config_subscription *next = config->mqtt.subscribe; next < from; next++)
        if (subscriber_settings_compile(&other, config, next, &error) == 0 &&
            strcmp(own.address, other.address) == 0 && strcmp(own.client_id, other.client_id) == 0)
            config_report(config, &from->client_id,
                "found %s, which mqtt.subscribe.%s has at this broker, too; allowed: a client id of its own",
                own.client_id, next->name);
}

void subscriber_settings_check(struct config *config)
{
    for (size_t i = 0; i < config->mqtt.subscribe_count; i++) {
        struct config_subscription *from = &config->mqtt.subscribe[i];
        settings_check_url(config, from);
        settings_check_filters(config, from);
        settings_check_files(config, from);
        settings_check_client_id(config, from);
        if (from->reconnect.least > from->reconnect.most)
            config_report(
                config, &from->reconnect.least, "found more than reconnect.most; allowed: at most that");
    }
}
