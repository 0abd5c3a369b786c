/* config_check: what no value can be blamed for alone; see config_store.h */
#include "base/config_store.h"

#include <stdio.h>
#include <string.h>

#include "base/listener.h"

static bool config_was_refused(const struct config *config, const void *field)
{
    const struct config_origin *origin = config_find_origin(config, field);

    return origin && origin->refused;
}

static void config_print_size(uint64_t value, char *text, size_t size)
{
    struct error ignored;
    cleanup_bytes struct bytes number;

    bytes_init(&number, size);
    option_print_number(OPTION_SIZE, value, &number, &ignored);
    snprintf(text, size, "%.*s", (int)number.length, number.data);
}

bool config_is_within(const struct option *option, struct config *config, uint64_t value, uint64_t *ret_limit)
{
    const struct option_bound *bound = &option->bound;
    const uint64_t *other = config_member(option_find(slice_of(bound->other)), config, NULL);

    *ret_limit = *other * bound->times / bound->parts;
    return bound->relation == OPTION_AT_LEAST ? value >= *ret_limit : value <= *ret_limit;
}

/* Reported at the value that the user wrote: a default is never to blame when the other one is not. */
static void config_check_bound(struct config *config, const struct option *option, void *element)
{
    const struct option_bound *bound = &option->bound;
    const struct option *other = option_find(slice_of(bound->other));
    const uint64_t *own_field = config_member(option, config, element);
    const uint64_t *other_field = config_member(other, config, NULL);
    uint64_t limit;
    char own[32], theirs[32], limited[32];

    if (config_is_within(option, config, *own_field, &limit))
        return;
    if (config_was_refused(config, own_field) || config_was_refused(config, other_field))
        return;
    config_print_size(*own_field, own, sizeof own);
    config_print_size(*other_field, theirs, sizeof theirs);
    config_print_size(limit, limited, sizeof limited);

    const char *word = bound->relation == OPTION_AT_LEAST ? "least" : "most";
    struct config_origin *origin = config_find_origin(config, own_field);
    if (origin || !config_find_origin(config, other_field))
        config_report(config, own_field, "found %s; allowed: at %s %s, because %s is %s", own, word, limited,
            other->name, theirs);
    else
        config_report(config, other_field, "found %s; allowed with it: %s of at %s %s, but its default is %s",
            theirs, config_find_name(config, own_field), word, limited, own);
    if (origin) /* one report is enough: what depends on this one is not looked at */
        origin->refused = true;
}

/* A row of a collection is one of each element. */
static void config_check_bounds(struct config *config, const struct option *option)
{
    const struct option_collection *collection = option_collection_of(option);

    for (size_t i = 0; i < (collection ? *config_elements_count(config, collection) : 1); i++)
        config_check_bound(config, option, collection ? config_element(config, collection, i) : NULL);
}

static bool config_is_beyond_loopback(const char *address)
{
    struct error ignored;
    bool loopback;

    return *address && listener_is_loopback(address, &loopback, &ignored) == 0 && !loopback;
}

static void config_check_listeners(struct config *config)
{
    for (size_t i = 0; i < config->http.listen.count; i++)
        if (!config->http.anonymous && !*config->access.credentials &&
            !config_was_refused(config, &config->http.anonymous) &&
            config_is_beyond_loopback(config->http.listen.items[i]))
            config_report(config, &config->http.listen.items[i],
                "found %s, which other machines can reach; allowed: an address like 127.0.0.1:8080, or any address "
                "with access.credentials, which says who may write, or with http.anonymous: true, which lets everybody "
                "who reaches it write",
                config->http.listen.items[i]);
}

/* Whoever shows a certificate that holds may do everything, as long as nobody says who may do what. */
static void config_check_admin(struct config *config)
{
    const bool asks = *config->access.credentials, ciphers = *config->admin.tls.certificate,
               certified = *config->admin.tls.client_ca && strcmp(config->admin.tls.clients, "required") == 0;

    for (size_t i = 0; i < config->admin.listen.count; i++)
        if (config_is_beyond_loopback(config->admin.listen.items[i]) && !certified && !(asks && ciphers))
            config_report(config, &config->admin.listen.items[i],
                "found %s, which other machines can reach; allowed: an address like 127.0.0.1:8081 or "
                "unix:/run/penstock/admin.sock, or any address with admin.tls.certificate and access.credentials, or "
                "with admin.tls.client_ca, and clients: required",
                config->admin.listen.items[i]);
    if (!config->admin.anonymous && !asks)
        config_report(config, &config->admin.anonymous,
            "found false; allowed: true; false with access.credentials, which says who may use the admin listener");
}

static void config_check_tls(struct config *config, const struct config_tls *tls, const char *name)
{
    if (*tls->certificate && !*tls->key)
        config_report(
            config, &tls->certificate, "found \"%s\"; allowed: a file, with %s.key", tls->certificate, name);
    if (*tls->key && !*tls->certificate)
        config_report(
            config, &tls->key, "found \"%s\"; allowed: a file, with %s.certificate", tls->key, name);
    if (*tls->client_ca && !*tls->certificate)
        config_report(config, &tls->client_ca, "found \"%s\"; allowed: a file, with %s.certificate",
            tls->client_ca, name);
    if (!*tls->client_ca && strcmp(tls->clients, "optional") == 0)
        config_report(config, &tls->clients, "found \"%s\"; allowed: required; optional with %s.client_ca",
            tls->clients, name);
}

void config_check(struct config *config)
{
    for (const struct option *option = option_table; option < option_table + option_count; option++)
        if (option->bound.relation != OPTION_FREE)
            config_check_bounds(config, option);
    config_check_listeners(config);
    config_check_admin(config);
    config_check_tls(config, &config->http.tls, "http.tls");
    config_check_tls(config, &config->mqtt.tls, "mqtt.tls");
    config_check_tls(config, &config->admin.tls, "admin.tls");
}
