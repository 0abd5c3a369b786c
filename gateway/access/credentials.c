/* credentials: see credentials.h */
#include "access/credentials.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/fnv.h"

#define SLOT_FREE 0 /* in a table: else an index and one */

struct credentials {
    atomic_size_t holders;
    struct principal *principals;
    size_t count;
    uint32_t *by_digest, *by_certificate, *by_name; /* open addressing, at most half full */
    size_t slots; /* of each; a power of two */
    uint32_t *passwords; /* whose principals have one */
    size_t passwords_count;
};

/* ---- one line ------------------------------------------------------------------------------------------------- */

static int line_refuse(struct error *error, const char *field, const char *allowed)
{
    return error_set(error, ERROR_FATAL, "\"%s\": allowed: %s", field, allowed);
}

static int line_check_names(const json_t *line, struct error *error)
{
    static const char *const known[] = {
        "name", "secret", "password", "certificate", "streams", "keys", "rate", "admin"};
    const size_t count = sizeof known / sizeof *known;
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)line, name, value)
    {
        size_t i = 0;
        while (i < count && strcmp(known[i], name) != 0)
            i++;
        if (i == count)
            return error_set(error, ERROR_FATAL,
                "found the name \"%.64s\"; allowed: name, secret, password, certificate, streams, keys, rate, admin",
                name);
    }
    return 0;
}

/* Bytes of the texts, with their zeros. */
static int line_check_patterns(
    const json_t *line, const char *field, bool wanted, size_t *texts, struct error *error)
{
    const json_t *list = json_object_get(line, field), *one;
    size_t i;

    if (!list && !wanted)
        return 0;
    if (!json_is_array(list) || json_array_size(list) == 0 || json_array_size(list) > PRINCIPAL_PATTERNS_MAX)
        return line_refuse(error, field, "a list of 1 to 64 patterns, as [\"SENSOR_1*\"]");
    json_array_foreach((json_t *)list, i, one)
    {
        const size_t length = json_string_length(one);
        if (length == 0 || length > PRINCIPAL_PATTERN_MAX || strlen(json_string_value(one)) != length)
            return line_refuse(error, field, "patterns of 1 to 256 bytes, without a zero byte");
        *texts += length + 1;
    }
    return 0;
}

static int line_check(const json_t *line, size_t *ret_texts, struct error *error)
{
    const json_t *name = json_object_get(line, "name"), *rate = json_object_get(line, "rate"),
                 *role = json_object_get(line, "admin");
    enum access_role ignored;

    if (line_check_names(line, error))
        return -1;
    if (!json_is_string(name) ||
        !principal_is_name((struct slice){json_string_value(name), json_string_length(name)}))
        return line_refuse(error, "name", PRINCIPAL_NAME_ALLOWED);
    if (rate && (!json_is_integer(rate) || json_integer_value(rate) < 1 ||
                    json_integer_value(rate) > PRINCIPAL_RATE_MAX))
        return line_refuse(error, "rate", "a number of records per second from 1 to 1000000000");
    if (role && (!json_is_string(role) ||
                    principal_role_parse(
                        (struct slice){json_string_value(role), json_string_length(role)}, &ignored)))
        return line_refuse(error, "admin", PRINCIPAL_ROLES_ALLOWED);
    *ret_texts = json_string_length(name) + 1;
    return line_check_patterns(line, "streams", !role, ret_texts, error) ||
                   line_check_patterns(line, "keys", false, ret_texts, error)
               ? -1
               : 0;
}

static char *line_copy(char **place, const json_t *text)
{
    char *copy = *place;

    memcpy(copy, json_string_value(text), json_string_length(text) + 1);
    *place += json_string_length(text) + 1;
    return copy;
}

/* One piece of memory: the pointers to patterns, the password, then the texts. */
static int line_keep(const json_t *line, size_t texts, const struct password *password,
    struct principal *principal, struct error *error)
{
    const json_t *streams = json_object_get(line, "streams"), *keys = json_object_get(line, "keys");
    const size_t pointers = json_array_size(streams) + json_array_size(keys);
    const size_t slow = password ? sizeof *password : 0;
    char **memory = malloc(pointers * sizeof *memory + slow + texts);
    char *place = (char *)(memory + pointers) + slow;

    if (!memory)
        return error_set(error, ERROR_RETRY, "out of memory"); /* GCOVR_EXCL_LINE only malloc can fail */
    if (password)
        principal->password = memcpy(memory + pointers, password, sizeof *password);
    principal->streams = memory;
    principal->keys = memory + json_array_size(streams);
    principal->name = line_copy(&place, json_object_get(line, "name"));
    while (principal->streams_count < json_array_size(streams)) {
        const json_t *one = json_array_get(streams, principal->streams_count);
        principal->streams[principal->streams_count++] = line_copy(&place, one);
    }
    while (principal->keys_count < json_array_size(keys)) {
        const json_t *one = json_array_get(keys, principal->keys_count);
        principal->keys[principal->keys_count++] = line_copy(&place, one);
    }
    if (json_object_get(line, "certificate"))
        principal->certificate = line_copy(&place, json_object_get(line, "certificate"));
    principal->rate = (uint64_t)json_integer_value(json_object_get(line, "rate"));
    if (json_object_get(line, "admin"))
        principal_role_parse(slice_of(json_string_value(json_object_get(line, "admin"))), &principal->role);
    return 0;
}

static int line_check_certificate(const json_t *line, size_t *texts, struct error *error)
{
    static const char *const kinds[] = {"CN=", "DNS:", "URI:", "email:"};
    const json_t *certificate = json_object_get(line, "certificate");
    const char *text = json_string_value(certificate);
    const size_t length = json_string_length(certificate);

    if (!certificate)
        return 0;
    for (size_t i = 0; text && i < sizeof kinds / sizeof *kinds; i++) {
        const size_t kind = strlen(kinds[i]);
        if (length > kind && length <= PRINCIPAL_CERTIFICATE_MAX && strlen(text) == length &&
            strncmp(text, kinds[i], kind) == 0) {
            *texts += length + 1;
            return 0;
        }
    }
    return line_refuse(error, "certificate",
        "a name in a client certificate, of at most 512 bytes: CN=NAME, DNS:NAME, URI:NAME or email:NAME");
}

static struct slice line_slice(const json_t *text)
{
    return (struct slice){json_string_value(text), json_string_length(text)};
}

static int line_take(const json_t *line, struct principal *principal, struct error *error)
{
    const json_t *secret = json_object_get(line, "secret"), *slow = json_object_get(line, "password");
    struct password password;
    size_t texts;

    /* Nothing of the line is shown but names: it may hold a secret in the wrong place. */
    if (!json_is_object(line))
        return error_set(
            error, ERROR_FATAL, "allowed: one JSON object in each line, or a line that begins with #");
    if (line_check(line, &texts, error) || line_check_certificate(line, &texts, error))
        return -1;
    if (slow && (!json_is_string(slow) || password_parse(line_slice(slow), &password)))
        return line_refuse(error, "password", PASSWORD_ALLOWED);
    principal->has_secret = secret || (!slow && !json_object_get(line, "certificate"));
    if (principal->has_secret &&
        (!json_is_string(secret) || secret_parse(line_slice(secret), principal->digest)))
        return line_refuse(error, "secret",
            "sha256: and 64 of the digits 0-9 a-f, as `penstock credentials add` writes it; never the secret itself");
    return line_keep(line, texts, slow ? &password : NULL, principal, error);
}

static int line_parse(struct slice text, struct principal *principal, struct error *error)
{
    json_error_t ignored;
    json_t *line = json_loadb(text.data, text.length, JSON_REJECT_DUPLICATES, &ignored);
    const int result = line_take(line, principal, error);

    json_decref(line);
    return result;
}

/* ---- tables of them ----------------------------------------------------------------------------------------- */

static size_t slot_of_digest(const struct credentials *credentials, const unsigned char digest[SECRET_DIGEST])
{
    uint64_t hash;

    memcpy(&hash, digest, sizeof hash);
    return hash & (credentials->slots - 1);
}

static size_t slot_of_name(const struct credentials *credentials, struct slice name)
{
    return fnv_add(FNV_EMPTY, name.data, name.length) & (credentials->slots - 1);
}

/* The one in this slot, and on to the next; NULL: it is free. */
static struct principal *slot_next(const struct credentials *credentials, const uint32_t *table, size_t *slot)
{
    const uint32_t taken = table[*slot];

    *slot = (*slot + 1) & (credentials->slots - 1);
    return taken == SLOT_FREE ? NULL : &credentials->principals[taken - 1];
}

struct principal *credentials_find(
    const struct credentials *credentials, const unsigned char digest[SECRET_DIGEST])
{
    size_t slot = slot_of_digest(credentials, digest);
    struct principal *principal = slot_next(credentials, credentials->by_digest, &slot);

    while (principal && !secret_equal(principal->digest, digest))
        principal = slot_next(credentials, credentials->by_digest, &slot);
    return principal;
}

struct principal *credentials_named(const struct credentials *credentials, struct slice name)
{
    size_t slot = slot_of_name(credentials, name);
    struct principal *principal = slot_next(credentials, credentials->by_name, &slot);

    while (principal && !slice_is(name, principal->name))
        principal = slot_next(credentials, credentials->by_name, &slot);
    return principal;
}

struct principal *credentials_certified(const struct credentials *credentials, struct slice certificate)
{
    size_t slot = slot_of_name(credentials, certificate);
    struct principal *principal = slot_next(credentials, credentials->by_certificate, &slot);

    while (principal && !slice_is(certificate, principal->certificate))
        principal = slot_next(credentials, credentials->by_certificate, &slot);
    return principal;
}

bool credentials_has_passwords(const struct credentials *credentials)
{
    return credentials->passwords_count;
}

const struct password *credentials_any_password(const struct credentials *credentials, struct slice name)
{
    const uint64_t hash = fnv_add(FNV_EMPTY, name.data, name.length);

    return credentials->principals[credentials->passwords[hash % credentials->passwords_count]].password;
}

static void slot_take(const struct credentials *credentials, uint32_t *table, size_t slot, size_t index)
{
    while (table[slot] != SLOT_FREE)
        slot = (slot + 1) & (credentials->slots - 1);
    table[slot] = (uint32_t)index + 1;
}

static int credentials_index(struct credentials *credentials, size_t index, struct error *error)
{
    const struct principal *principal = &credentials->principals[index];
    const struct principal *same =
        principal->has_secret ? credentials_find(credentials, principal->digest) : NULL;

    if (credentials_named(credentials, slice_of(principal->name)))
        return error_set(error, ERROR_FATAL, "the name %s stands in an earlier line, too", principal->name);
    if (same)
        return error_set(error, ERROR_FATAL, "its secret is that of %s, too", same->name);
    if (principal->certificate && credentials_certified(credentials, slice_of(principal->certificate)))
        return error_set(error, ERROR_FATAL, "its certificate stands in an earlier line, too");
    if (principal->has_secret)
        slot_take(credentials, credentials->by_digest, slot_of_digest(credentials, principal->digest), index);
    if (principal->certificate)
        slot_take(credentials, credentials->by_certificate,
            slot_of_name(credentials, slice_of(principal->certificate)), index);
    slot_take(credentials, credentials->by_name, slot_of_name(credentials, slice_of(principal->name)), index);
    if (principal->password)
        credentials->passwords[credentials->passwords_count++] = (uint32_t)index;
    return 0;
}

/* ---- a set --------------------------------------------------------------------------------------------------- */

static size_t credentials_lines(struct slice text)
{
    size_t lines = 1;

    for (size_t i = 0; i < text.length; i++)
        lines += text.data[i] == '\n';
    return lines;
}

/* For as many as there are lines. */
static struct credentials *credentials_new(size_t capacity)
{
    struct credentials *credentials = calloc(1, sizeof *credentials);

    if (!credentials)
        return NULL; /* GCOVR_EXCL_LINE as above */
    atomic_init(&credentials->holders, 1);
    for (credentials->slots = 2; credentials->slots < 2 * capacity;)
        credentials->slots *= 2;
    credentials->principals = calloc(capacity, sizeof *credentials->principals);
    credentials->by_digest = calloc(credentials->slots, sizeof *credentials->by_digest);
    credentials->by_name = calloc(credentials->slots, sizeof *credentials->by_name);
    credentials->by_certificate = calloc(credentials->slots, sizeof *credentials->by_certificate);
    credentials->passwords = calloc(capacity, sizeof *credentials->passwords);
    if (!credentials->principals || !credentials->by_digest || !credentials->by_name ||
        !credentials->by_certificate || !credentials->passwords)
        credentials_release(&credentials); /* GCOVR_EXCL_LINE as above */
    return credentials;
}

struct credentials *credentials_hold(struct credentials *credentials)
{
    atomic_fetch_add_explicit(&credentials->holders, 1, memory_order_relaxed);
    return credentials;
}

void credentials_release(struct credentials **credentials)
{
    struct credentials *old = *credentials;

    *credentials = NULL;
    if (!old || atomic_fetch_sub_explicit(&old->holders, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < old->count; i++)
        free(old->principals[i].streams);
    free(old->principals);
    free(old->by_digest);
    free(old->by_certificate);
    free(old->by_name);
    free(old->passwords);
    free(old);
}

static bool line_says_nothing(struct slice line)
{
    size_t i = 0;

    while (i < line.length && (line.data[i] == ' ' || line.data[i] == '\t' || line.data[i] == '\r'))
        i++;
    return i == line.length || line.data[i] == '#';
}

static int credentials_take(struct credentials *credentials, struct slice line, struct error *error)
{
    if (line_says_nothing(line))
        return 0;
    if (line_parse(line, &credentials->principals[credentials->count], error))
        return -1;
    return credentials_index(credentials, credentials->count++, error);
}

int credentials_parse(
    struct credentials **ret_credentials, struct slice text, const char *file, struct error *error)
{
    struct credentials *credentials __attribute__((cleanup(credentials_release))) =
        credentials_new(credentials_lines(text));
    const char *end = text.data + text.length;
    size_t number = 0;

    if (!credentials)
        return error_set(error, ERROR_RETRY, "%s: out of memory", file); /* GCOVR_EXCL_LINE as above */
    for (const char *line = text.data; line < end; number++) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        const size_t length = (size_t)((stop ? stop : end) - line);
        if (credentials_take(credentials, (struct slice){line, length}, error))
            return error_wrap(error, "%s:%zu", file, number + 1);
        line += length + (stop != NULL);
    }
    *ret_credentials = credentials;
    credentials = NULL;
    return 0;
}

int credentials_read(struct credentials **ret_credentials, const char *file, struct error *error)
{
    cleanup_bytes struct bytes text;

    bytes_init(&text, CREDENTIALS_BYTES_MAX);
    if (file_read_text(file, true, &text, error))
        return -1;
    return credentials_parse(ret_credentials, bytes_slice(&text), file, error);
}

size_t credentials_count(const struct credentials *credentials)
{
    return credentials->count;
}

struct principal *credentials_at(const struct credentials *credentials, size_t index)
{
    return &credentials->principals[index];
}

static bool line_is_of(struct slice text, const char *name)
{
    json_error_t ignored;
    json_t *line = json_loadb(text.data, text.length, JSON_REJECT_DUPLICATES, &ignored);
    const char *found = json_string_value(json_object_get(line, "name"));
    const bool is = found && strcmp(found, name) == 0;

    json_decref(line);
    return is;
}

int credentials_without(struct slice text, const char *name, struct bytes *ret_text, struct error *error)
{
    const char *end = text.data + text.length;
    bool found = false;

    for (const char *line = text.data; line < end;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        const size_t length = (size_t)((stop ? stop + 1 : end) - line);
        const bool is = !found && line_is_of((struct slice){line, length}, name);
        if (!is && bytes_add(ret_text, line, length, error))
            return -1;
        found |= is;
        line += length;
    }
    return found ? 0 : error_set(error, ERROR_REJECT, "there is no principal %s", name);
}

/* ---- a line ---------------------------------------------------------------------------------------------------- */

/* NULL: one is no UTF-8. */
static json_t *line_patterns(char *const *patterns, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count && list; i++) {
        if (json_array_append_new(list, json_string(patterns[i]))) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *line_password(const struct password *password)
{
    struct bytes cleanup_bytes text;
    struct error ignored;

    bytes_init(&text, PASSWORD_TEXT_MAX);
    return password_print(password, &text, &ignored) ? NULL : json_stringn(text.data, text.length);
}

static int line_fill(json_t *line, const struct principal *principal)
{
    char digest[SECRET_HEX + 1];

    secret_print(principal->digest, digest);
    return json_object_set_new(line, "name", json_string(principal->name)) ||
                   (principal->has_secret && json_object_set_new(line, "secret", json_string(digest))) ||
                   (principal->password &&
                       json_object_set_new(line, "password", line_password(principal->password))) ||
                   (principal->certificate &&
                       json_object_set_new(line, "certificate", json_string(principal->certificate))) ||
                   (principal->streams_count &&
                       json_object_set_new(
                           line, "streams", line_patterns(principal->streams, principal->streams_count))) ||
                   (principal->keys_count && json_object_set_new(line, "keys",
                                                 line_patterns(principal->keys, principal->keys_count))) ||
                   (principal->rate &&
                       json_object_set_new(line, "rate", json_integer((json_int_t)principal->rate))) ||
                   (principal->role != ACCESS_NO_ROLE &&
                       json_object_set_new(line, "admin", json_string(principal_role_word(principal->role))))
               ? -1
               : 0;
}

int credentials_print(const struct principal *principal, struct bytes *text, struct error *error)
{
    json_t *line = json_object();
    char *printed = line_fill(line, principal) ? NULL : json_dumps(line, JSON_COMPACT);
    int result = -1;

    if (!printed)
        error_set(error, ERROR_REJECT, "its name or a pattern is no UTF-8");
    else if (!bytes_add_text(text, printed, error) && !bytes_add_text(text, "\n", error))
        result = 0;
    free(printed);
    json_decref(line);
    return result;
}
