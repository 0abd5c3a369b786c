/* access: see access.h */
#include "access/access.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "access/credentials.h"
#include "access/guess.h"
#include "base/log.h"
#include "base/peers.h"

#define SECRET_SENT_MAX 256 /* what is longer is none */

struct access {
    const char *file; /* the configuration's; "": none */
    struct peers *peers; /* whose addresses many share */
    const struct clock *clock;
    pthread_mutex_t lock; /* guards `credentials` */
    struct credentials *credentials; /* in force; NULL: none are wanted */
    _Atomic uint64_t version;
    struct guesses guesses;
    struct rates *rates;
};

int access_check(const char *file, struct error *error)
{
    struct credentials *credentials = NULL;
    const int result = *file ? credentials_read(&credentials, file, error) : 0;

    credentials_release(&credentials);
    return result;
}

int access_new(
    struct access **ret_access, const struct config *config, const struct clock *clock, struct error *error)
{
    const char *file = config->access.credentials;
    struct access *access = calloc(1, sizeof *access);

    if (!access)
        return error_set(error, ERROR_RETRY, "out of memory"); /* GCOVR_EXCL_LINE only malloc can fail */
    access->file = file;
    access->clock = clock;
    pthread_mutex_init(&access->lock, NULL);
    if (guess_begin(&access->guesses, error) || rates_new(&access->rates, config, error) ||
        peers_new(&access->peers, &config->http.trusted_proxies, 0, error) ||
        (*file && credentials_read(&access->credentials, file, error))) {
        access_free(&access);
        return error_wrap(error, "access.credentials");
    }
    *ret_access = access;
    return 0;
}

void access_free(struct access **access)
{
    struct access *old = *access;

    *access = NULL;
    if (!old)
        return;
    credentials_release(&old->credentials);
    guess_end(&old->guesses);
    rates_free(&old->rates);
    peers_free(&old->peers);
    pthread_mutex_destroy(&old->lock);
    free(old);
}

/* Who is ahead of the own rate stays so. */
static void access_carry_over(const struct credentials *from, struct credentials *to)
{
    for (size_t i = 0; i < credentials_count(to); i++) {
        struct principal *principal = credentials_at(to, i);
        const struct principal *before = credentials_named(from, slice_of(principal->name));
        if (before)
            atomic_store(&principal->due, atomic_load(&before->due));
    }
}

int access_reload(struct access *access, struct error *error)
{
    struct credentials *credentials;

    if (!access->credentials)
        return 0;
    if (credentials_read(&credentials, access->file, error))
        return error_wrap(error, "access.credentials");
    access_carry_over(access->credentials, credentials);
    pthread_mutex_lock(&access->lock);
    struct credentials *before = access->credentials;
    access->credentials = credentials;
    atomic_fetch_add(&access->version, 1);
    pthread_mutex_unlock(&access->lock);
    credentials_release(&before);
    return 0;
}

size_t access_count(const struct access *access)
{
    return access->credentials ? credentials_count(access->credentials) : 0;
}

bool access_is_wanted(const struct access *access)
{
    return access && *access->file;
}

struct rates *access_rates(const struct access *access)
{
    return access->rates;
}

uint64_t access_version(const struct access *access)
{
    return atomic_load(&access->version);
}

static struct credentials *access_hold(struct access *access)
{
    pthread_mutex_lock(&access->lock);
    struct credentials *credentials = credentials_hold(access->credentials);
    pthread_mutex_unlock(&access->lock);
    return credentials;
}

/* The digest is made whatever was sent, so that nothing tells what was wrong by how long it took. */
static struct principal *access_find(
    const struct credentials *credentials, struct slice user, struct slice secret)
{
    unsigned char digest[SECRET_DIGEST];

    if (secret.length < SECRET_LEAST || secret.length > SECRET_SENT_MAX || secret_digest(secret, digest))
        return NULL;
    struct principal *principal = credentials_find(credentials, digest);
    return principal && (!user.data || slice_is(user, principal->name)) ? principal : NULL;
}

/* True: the address has sent too many. */
static bool access_note_guess(struct access *access, int fd)
{
    unsigned char address[GUESS_ADDRESS];
    char text[PEERS_TEXT];
    const bool own = peers_tell(access->peers, fd, address, text);

    log_event(LOG_WARN, "access.refused", log_text("address", text));
    return own && guess_count(&access->guesses, address, clock_monotonic(access->clock));
}

enum access_answer access_ask(
    struct access *access, struct slice user, struct slice secret, int fd, struct grant *ret_grant)
{
    struct credentials *credentials = access_hold(access);
    struct principal *principal = access_find(credentials, user, secret);

    if (principal) {
        *ret_grant = (struct grant){credentials, principal};
        return ACCESS_GRANTED;
    }
    credentials_release(&credentials);
    return access_note_guess(access, fd) ? ACCESS_GUESSING : ACCESS_UNKNOWN;
}

enum access_answer access_ask_certificate(
    struct access *access, const struct tls_names *names, struct grant *ret_grant)
{
    struct credentials *credentials = access_hold(access);
    struct principal *principal = NULL;

    for (size_t i = 0; i < names->count && !principal; i++)
        principal = credentials_certified(credentials, slice_of(names->names[i]));
    if (!principal) {
        credentials_release(&credentials);
        return ACCESS_UNKNOWN;
    }
    *ret_grant = (struct grant){credentials, principal};
    return ACCESS_GRANTED;
}

/* What it was known by may have been that of either. */
static bool access_is_same(const struct principal *one, const struct principal *other)
{
    const char *certificate = one->certificate ? one->certificate : "";

    return one->has_secret == other->has_secret &&
           (!one->has_secret || secret_equal(one->digest, other->digest)) &&
           strcmp(certificate, other->certificate ? other->certificate : "") == 0;
}

bool access_renew(struct access *access, struct grant *grant)
{
    struct credentials *credentials = access_hold(access);
    struct principal *principal = credentials_named(credentials, slice_of(grant->principal->name));

    if (!principal || !access_is_same(principal, grant->principal)) {
        credentials_release(&credentials);
        return false;
    }
    grant_end(grant);
    *grant = (struct grant){credentials, principal};
    return true;
}

/* ---- a grant --------------------------------------------------------------------------------------------------- */

void grant_end(struct grant *grant)
{
    credentials_release(&grant->credentials);
    grant->principal = NULL;
}

struct grant grant_share(const struct grant *grant)
{
    return grant->credentials ? (struct grant){credentials_hold(grant->credentials), grant->principal}
                              : *grant;
}

const char *grant_name(const struct grant *grant)
{
    return grant->principal ? grant->principal->name : "";
}

bool grant_allows_stream(const struct grant *grant, const char *stream)
{
    return !grant->principal || principal_may_stream(grant->principal, stream);
}

bool grant_allows_key(const struct grant *grant, struct slice key)
{
    return !grant->principal || principal_may_key(grant->principal, key);
}

bool grant_allows_role(const struct grant *grant, enum access_role role)
{
    return !grant->principal || grant->principal->role >= role;
}

int64_t grant_wait(const struct grant *grant, int64_t now)
{
    return grant->principal ? principal_wait(grant->principal, now) : 0;
}

void grant_charge(const struct grant *grant, uint64_t records, int64_t now)
{
    if (grant->principal)
        principal_charge(grant->principal, records, now);
}
