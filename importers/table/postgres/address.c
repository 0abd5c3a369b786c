/* address: see address.h */
#include "table/postgres/address.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

#define ADDRESS_TIMEOUT 30

/* Dead peers are noticed within a minute and a half, whatever the system's own defaults are. */
static const struct {
    const char *keyword, *value;
} address_defaults[] = {
    {"application_name", "penstock import"},
    {"keepalives", "1"},
    {"keepalives_idle", "30"},
    {"keepalives_interval", "10"},
    {"keepalives_count", "6"},
    {"tcp_user_timeout", "90000"},
};

static bool address_is_url(const char *text)
{
    return strncmp(text, "postgresql://", 13) == 0 || strncmp(text, "postgres://", 11) == 0;
}

/* ---- keywords -------------------------------------------------------------------------------------------------- */

static void address_clear(char **value)
{
    if (*value)
        explicit_bzero(*value, strlen(*value));
    free(*value);
    *value = NULL;
}

void pg_address_close(struct pg_address **address)
{
    if (!*address)
        return;
    for (size_t i = 0; i < (*address)->count; i++) {
        free((*address)->keywords[i]);
        address_clear(&(*address)->values[i]);
    }
    free(*address);
    *address = NULL;
}

static size_t address_find(const struct pg_address *address, const char *keyword)
{
    size_t i = 0;

    while (i < address->count && strcmp(address->keywords[i], keyword) != 0)
        i++;
    return i;
}

const char *pg_address_get(const struct pg_address *address, const char *keyword)
{
    const size_t i = address_find(address, keyword);

    return i < address->count ? address->values[i] : NULL;
}

int pg_address_set(struct pg_address *address, const char *keyword, const char *value, struct error *error)
{
    const size_t i = address_find(address, keyword);
    char *copy = strdup(value);

    if (!copy)
        return error_set(error, ERROR_RETRY, "address of the database: out of memory");
    if (i < address->count) {
        address_clear(&address->values[i]);
        address->values[i] = copy;
        return 0;
    }
    char *name = strdup(keyword);
    if (!name || i == PG_ADDRESS_MAX) {
        free(name);
        address_clear(&copy);
        return error_set(error, ERROR_RETRY, "address of the database: out of memory");
    }
    address->keywords[i] = name;
    address->values[i] = copy;
    address->count++;
    return 0;
}

/* ---- from the user --------------------------------------------------------------------------------------------- */

/* libpq quotes what it did not understand, and that may be half a password: its words are kept, what it quotes is not. */
static void address_unquote(const char *message, char *text, size_t size)
{
    size_t used = 0;
    bool quoted = false;

    for (; *message && *message != '\n' && used + 4 < size; message++) {
        if (*message == '"') {
            quoted = !quoted;
            if (quoted)
                used += (size_t)snprintf(text + used, size - used, "...");
        } else if (!quoted)
            text[used++] = *message;
    }
    text[used] = '\0';
}

/* A password with an @ or a / that is not written as %40 or %2F ends too early; its rest would be taken for a host, and be told to everybody. */
static int address_check_url(const char *text, struct error *error)
{
    const char *rest = strstr(text, "://") + 3;
    const size_t authority = strcspn(rest, "/?");
    const char *first = memchr(rest, '@', authority);
    const bool twice = first && memchr(first + 1, '@', authority - (size_t)(first + 1 - rest));
    const size_t path = authority + strcspn(rest + authority, "?");
    const bool later = memchr(rest + authority, '@', path - authority) != NULL;

    if (twice || (later && !first))
        return error_set(error, ERROR_REJECT,
            "address of the database: more than one part ends in @, or one does behind a /; inside of a user or password write %%40 for @, %%2F for "
            "/, %%3A for :");
    return 0;
}

static int address_parse(struct pg_address *address, const char *text, struct error *error)
{
    if (!text || !*text)
        return 0;
    if (address_is_url(text) && address_check_url(text, error))
        return -1;
    if (!address_is_url(text) && !strchr(text, '=')) {
        if (strstr(text, "://"))
            return error_set(error, ERROR_REJECT,
                "address of the database: a scheme that is not known here; allowed: postgresql://...");
        return pg_address_set(address, "dbname", text, error);
    }
    char *message = NULL;
    PQconninfoOption *options = PQconninfoParse(text, &message);
    if (!options) {
        char why[200];
        address_unquote(message ? message : "out of memory", why, sizeof why);
        PQfreemem(message);
        return error_set(error, ERROR_REJECT,
            "address of the database: %s; allowed: postgresql://USER@HOST:PORT/DATABASE or keywords like host=... dbname=...",
            why);
    }
    int result = 0;
    for (const PQconninfoOption *one = options; one->keyword && result == 0; one++) {
        if (one->val)
            result = pg_address_set(address, one->keyword, one->val, error);
        if (one->val && *one->dispchar == '*')
            explicit_bzero(one->val, strlen(one->val));
    }
    PQconninfoFree(options);
    return result;
}

static int address_add_password(
    struct pg_address *address, const struct database_login *login, struct error *error)
{
    cleanup_bytes struct bytes password;

    bytes_init(&password, FILE_VALUE_BUFFER);
    if (login->password)
        return pg_address_set(address, "password", login->password, error);
    if (!login->password_file || !*login->password_file)
        return 0;
    int result = file_read_value(login->password_file, true, &password, error);
    if (result)
        error_wrap(error, "password of the database");
    else
        result = pg_address_set(address, "password", password.data, error);
    if (password.data)
        explicit_bzero(password.data, password.capacity);
    return result;
}

static int address_add_parts(
    struct pg_address *address, const struct database_login *login, struct error *error)
{
    const struct {
        const char *keyword, *value;
    } parts[] = {
        {"host", login->host},
        {"port", login->port},
        {"dbname", login->name},
        {"user", login->user},
        {"sslmode", login->tls_mode},
        {"sslrootcert", login->tls_ca},
        {"sslcert", login->tls_certificate},
        {"sslkey", login->tls_key},
    };

    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i].value && *parts[i].value &&
            pg_address_set(address, parts[i].keyword, parts[i].value, error))
            return -1;
    return address_add_password(address, login, error);
}

/* ---- what is chosen -------------------------------------------------------------------------------------------- */

static bool address_is_near_name(const char *name, size_t length)
{
    const struct slice host = {name, length};

    return length == 0 || *name == '/' || *name == '@' || slice_is(host, "localhost") ||
           slice_is(host, "::1") || (length > 4 && memcmp(name, "127.", 4) == 0);
}

bool pg_address_is_near(const char *host, const char *hostaddr)
{
    const char *list = hostaddr && *hostaddr ? hostaddr : host ? host : "";

    for (;;) {
        const size_t length = strcspn(list, ",");
        if (!address_is_near_name(list, length))
            return false;
        if (list[length] == '\0')
            return true;
        list += length + 1;
    }
}

/* What libpq would take for a keyword that nobody named: its variable's value. */
static const char *address_known(const struct pg_address *address, const char *keyword, const char *variable)
{
    const char *value = pg_address_get(address, keyword);

    if (!value)
        value = getenv(variable);
    return value && *value ? value : NULL;
}

/* Hosts and sslmode out of a service file are known to libpq alone, and only once it has begun to connect. */
static bool address_ask_service(const struct pg_address *address, struct pg_address *found)
{
    PGconn *begun =
        PQconnectStartParams((const char *const *)address->keywords, (const char *const *)address->values, 0);
    PQconninfoOption *options = begun ? PQconninfo(begun) : NULL;
    struct error ignored;
    int result = options ? 0 : -1;

    for (const PQconninfoOption *one = options; one && one->keyword && result == 0; one++)
        if (one->val && *one->dispchar != '*')
            result = pg_address_set(found, one->keyword, one->val, &ignored);
    PQconninfoFree(options);
    PQfinish(begun);
    return result == 0;
}

static int address_choose_tls(struct pg_address *address, struct error *error)
{
    __attribute__((cleanup(pg_address_close))) struct pg_address *service =
        calloc(1, sizeof(struct pg_address));
    const char *mode = address_known(address, "sslmode", "PGSSLMODE");
    const char *ca = address_known(address, "sslrootcert", "PGSSLROOTCERT");
    const char *host = address_known(address, "host", "PGHOST");
    const char *hostaddr = address_known(address, "hostaddr", "PGHOSTADDR");

    if (!service)
        return error_set(error, ERROR_RETRY, "address of the database: out of memory");
    if (address_known(address, "service", "PGSERVICE") && address_ask_service(address, service)) {
        host = pg_address_get(service, "host");
        hostaddr = pg_address_get(service, "hostaddr");
        ca = pg_address_get(service, "sslrootcert");
        /* "prefer" is also what nobody named. */
        const char *found = pg_address_get(service, "sslmode");
        if (!mode && found && strcmp(found, "prefer") != 0)
            mode = found;
    }
    if (mode)
        return 0;
    if (ca && *ca) {
        snprintf(address->notice, sizeof address->notice,
            "sslmode=verify-full, as a CA is given; another sslmode has to be said");
        return pg_address_set(address, "sslmode", "verify-full", error);
    }
    if (pg_address_is_near(host, hostaddr))
        return 0;
    snprintf(address->notice, sizeof address->notice,
        "sslmode=require, as the server is not on this machine: encrypted, but whose certificate it is, is not looked at; give its CA for "
        "sslmode=verify-full");
    return pg_address_set(address, "sslmode", "require", error);
}

static int address_choose(struct pg_address *address, const struct database_login *login, struct error *error)
{
    char timeout[16];

    for (size_t i = 0; i < sizeof address_defaults / sizeof *address_defaults; i++)
        if (!pg_address_get(address, address_defaults[i].keyword) &&
            pg_address_set(address, address_defaults[i].keyword, address_defaults[i].value, error))
            return -1;
    snprintf(timeout, sizeof timeout, "%u",
        login->connect_timeout ? login->connect_timeout : (unsigned)ADDRESS_TIMEOUT);
    if (login->connect_timeout || !address_known(address, "connect_timeout", "PGCONNECT_TIMEOUT"))
        if (pg_address_set(address, "connect_timeout", timeout, error))
            return -1;
    return pg_address_set(address, "client_encoding", "UTF8", error) || address_choose_tls(address, error)
               ? -1
               : 0;
}

int pg_address_open(const struct database_login *login, struct pg_address **ret_address, struct error *error)
{
    __attribute__((cleanup(pg_address_close))) struct pg_address *address =
        calloc(1, sizeof(struct pg_address));

    if (!address)
        return error_set(error, ERROR_RETRY, "address of the database: out of memory");
    if (address_parse(address, login->address, error) || address_add_parts(address, login, error) ||
        address_choose(address, login, error))
        return -1;
    *ret_address = address;
    address = NULL;
    return 0;
}
