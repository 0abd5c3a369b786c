/* access: see access.h */
#include "access/access.h"

#include <pthread.h>
#include <stdatomic.h>
#include <gnutls/crypto.h>
#include <stdlib.h>
#include <sys/random.h>

#include "access/credentials.h"
#include "access/guess.h"
#include "access/verifier.h"
#include "base/log.h"

#define SECRET_SENT_MAX 256 /* what is longer is none */
#define ACCESS_MARK_KEY 32

_Static_assert(PRINCIPAL_NAME_MAX <= UINT8_MAX, "the length of a name is a byte of a mark");

struct access {
    const char *file; /* the configuration's; "": none */
    struct peers *peers; /* whose addresses many share */
    const struct clock *clock;
    pthread_mutex_t lock; /* guards `credentials` */
    struct credentials *credentials; /* in force; NULL: none are wanted */
    _Atomic uint64_t version;
    struct guesses guesses;
    struct rates *rates;
    struct verifier *verifier;
    unsigned char mark_key[ACCESS_MARK_KEY]; /* of this process alone */
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
    if (getrandom(access->mark_key, ACCESS_MARK_KEY, 0) != ACCESS_MARK_KEY) {
        /* GCOVR_EXCL_START the kernel always has some */
        error_set_errno(error, ERROR_FATAL, "no random bytes");
        access_free(&access);
        return -1;
        /* GCOVR_EXCL_STOP */
    }
    if (guess_begin(&access->guesses, error) || rates_new(&access->rates, config, error) ||
        verifier_new(&access->verifier, clock, &access->guesses, error) ||
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
    verifier_free(&old->verifier);
    credentials_release(&old->credentials);
    guess_end(&old->guesses);
    rates_free(&old->rates);
    peers_free(&old->peers);
    pthread_mutex_destroy(&old->lock);
    explicit_bzero(old->mark_key, ACCESS_MARK_KEY);
    free(old);
}

int access_run(struct access *access, struct error *error)
{
    return access_is_wanted(access) ? verifier_run(access->verifier, error) : 0;
}

/* Who is ahead of the own rate stays so, and who has shown the right password need not do so again. */
static void access_carry_over(const struct credentials *from, struct credentials *to)
{
    for (size_t i = 0; i < credentials_count(to); i++) {
        struct principal *principal = credentials_at(to, i);
        const struct principal *before = credentials_named(from, slice_of(principal->name));
        if (!before)
            continue;
        atomic_store(&principal->due, atomic_load(&before->due));
        if (principal->password && before->password && password_same(principal->password, before->password) &&
            before->password->marked)
            password_keep_mark(principal->password, before->password->mark);
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

/* ---- whose guesses they are -------------------------------------------------------------------------------------- */

void access_origin_of(const struct access *access, int fd, struct access_origin *ret_origin)
{
    *ret_origin = (struct access_origin){0};
    const bool own = peers_tell(access->peers, fd, ret_origin->address, ret_origin->text);
    ret_origin->counted = *ret_origin->text;
    ret_origin->shared = ret_origin->counted && !own;
}

void access_origin_forwarded(const struct access *access, struct slice field,
    const struct access_origin *proxy, struct access_origin *origin)
{
    unsigned char address[PEERS_ADDRESS];

    if (!proxy->shared)
        return;
    switch (peers_forwarded(access->peers, field, address)) {
    case PEERS_NAMED:
        *origin = (struct access_origin){.counted = true};
        memcpy(origin->address, address, sizeof address);
        peers_text(address, origin->text);
        break;
    case PEERS_UNKNOWN:
        *origin = *proxy;
        break;
    case PEERS_TRUSTED:
        break;
    }
}

static void access_tell_refused(const struct access_origin *origin)
{
    log_event(LOG_WARN, "access.refused", log_text("address", origin->text));
}

/* True: the address has sent too many. */
static bool access_note_guess(struct access *access, const struct access_origin *origin)
{
    access_tell_refused(origin);
    return origin->counted && !origin->shared &&
           guess_count(&access->guesses, origin->address, clock_monotonic(access->clock));
}

/* ---- secrets ----------------------------------------------------------------------------------------------------- */

enum access_answer access_ask(struct access *access, struct slice user, struct slice secret,
    const struct access_origin *origin, struct grant *ret_grant)
{
    struct credentials *credentials = access_hold(access);
    struct principal *principal = access_find(credentials, user, secret);

    if (principal) {
        *ret_grant = (struct grant){credentials, principal};
        return ACCESS_GRANTED;
    }
    credentials_release(&credentials);
    return access_note_guess(access, origin) ? ACCESS_GUESSING : ACCESS_UNKNOWN;
}

/* ---- passwords ------------------------------------------------------------------------------------------------- */

/* Of a name and a password, for who has this process's key. -1: the name is nobody's. */
static int access_mark(const struct access *access, struct slice user, struct slice secret,
    unsigned char ret_mark[PASSWORD_MARK])
{
    char text[ACCESS_MARK_KEY + 1 + PRINCIPAL_NAME_MAX + PASSWORD_MAX];
    const size_t length = ACCESS_MARK_KEY + 1 + user.length + secret.length;

    if (user.length > PRINCIPAL_NAME_MAX)
        return -1;
    memcpy(text, access->mark_key, ACCESS_MARK_KEY);
    text[ACCESS_MARK_KEY] = (char)user.length;
    memcpy(text + ACCESS_MARK_KEY + 1, user.data, user.length);
    memcpy(text + ACCESS_MARK_KEY + 1 + user.length, secret.data, secret.length);
    const int result = secret_digest((struct slice){text, length}, ret_mark);
    explicit_bzero(text, length);
    return result;
}

/* Whose it may be, and the password to hold it against: of those who have none that of somebody else, by their name, so that they take as long as
 * others. False: nobody has any. */
static bool access_prepare(const struct access *access, const struct credentials *credentials,
    const struct access_question *asked, struct verifier_question *question)
{
    const struct slice user = asked->user, secret = asked->secret;

    if (!user.data || secret.length == 0 || secret.length > PASSWORD_MAX ||
        !credentials_has_passwords(credentials))
        return false;
    struct principal *principal = credentials_named(credentials, user);
    const bool has = principal && principal->password;
    *question = (struct verifier_question){
        .principal = has ? principal : NULL,
        .password = has ? principal->password : credentials_any_password(credentials, user),
        .secret = secret,
        .told = asked->told,
        .context = asked->context,
    };
    if (access_mark(access, user, secret, question->mark))
        question->principal = NULL;
    return true;
}

static enum access_answer access_verify(struct access *access, struct verifier_question *question,
    const struct access_origin *origin, struct verification **ret_verification)
{
    question->counted = origin->counted;
    question->shared = origin->shared;
    memcpy(question->address, origin->address, GUESS_ADDRESS);
    const enum access_answer answer = verifier_ask(access->verifier, question, ret_verification);
    if (answer == ACCESS_GUESSING)
        access_tell_refused(origin);
    return answer;
}

enum access_answer access_begin(struct access *access, const struct access_question *question,
    struct verification **ret_verification, struct grant *ret_grant)
{
    struct credentials *credentials = access_hold(access);
    struct principal *principal = access_find(credentials, question->user, question->secret);
    enum access_answer answer = ACCESS_UNKNOWN;
    struct verifier_question asked;
    const bool passes = !principal && access_prepare(access, credentials, question, &asked);

    if (passes && asked.principal && password_has_mark(asked.password, asked.mark))
        principal = asked.principal;
    if (principal) {
        *ret_grant = (struct grant){credentials, principal};
        return ACCESS_GRANTED;
    }
    if (passes) {
        asked.credentials = credentials;
        answer = access_verify(access, &asked, question->origin, ret_verification);
    } else if (access_note_guess(access, question->origin))
        answer = ACCESS_GUESSING;
    if (answer != ACCESS_WAITS)
        credentials_release(&credentials);
    return answer;
}

enum access_answer access_end(struct access *access, struct verification **verification,
    const struct access_origin *origin, struct grant *ret_grant)
{
    struct grant grant = {NULL, NULL};

    switch (verifier_take(access->verifier, verification, &grant)) {
    case VERIFIER_WAITS:
        return ACCESS_WAITS;
    case VERIFIER_LATE:
        return ACCESS_BUSY;
    case VERIFIER_WRONG:
        break;
    case VERIFIER_RIGHT:
        /* Others may have come into force meanwhile. */
        if (access_renew(access, &grant)) {
            *ret_grant = grant;
            return ACCESS_GRANTED;
        }
        grant_end(&grant);
        break;
    }
    access_tell_refused(origin); /* the verifier has counted it */
    return ACCESS_UNKNOWN;
}

bool access_forget(struct access *access, struct verification **verification)
{
    return verifier_forget(access->verifier, verification);
}

/* ---- certificates, and others in force -------------------------------------------------------------------------- */

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
           (one->password == NULL) == (other->password == NULL) &&
           (!one->password || password_same(one->password, other->password)) &&
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

int64_t grant_charge(const struct grant *grant, uint64_t records, int64_t now)
{
    return grant->principal ? principal_charge(grant->principal, records, now) : 0;
}

void grant_refund(const struct grant *grant, uint64_t records, int64_t paid, int64_t now)
{
    if (grant->principal)
        principal_refund(grant->principal, records, paid, now);
}
