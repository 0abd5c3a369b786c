/* access: who may write. The credentials in force, and those who guess.
 *
 * One for the gateway, made before the sources and freed behind them. A source asks it once for each request or connection and keeps the grant: what
 * that allows stays as it was, also when other credentials come into force meanwhile, until access_renew() says otherwise.
 * What holds for everybody, whoever it is, stands in rate.h, which comes with this header.
 * Who holds a grant of nobody (zeroed) may write everything: no credentials are configured, or the listener takes those without any.
 */
#ifndef PENSTOCK_ACCESS_ACCESS_H
#define PENSTOCK_ACCESS_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "access/rate.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/error.h"
#include "base/peers.h"
#include "base/tls.h"

#define ACCESS_GUESSES 20 /* wrong secrets that an address may send at once, */
#define ACCESS_GUESS_PAUSE CLOCK_SECOND /* and then one in this time */

struct access;
struct credentials;
struct principal;
struct verification; /* a password that is being looked at */

/* Held by one owner; not copied. */
struct grant {
    struct credentials *credentials; /* NULL: of nobody */
    struct principal *principal;
};

/* What a principal may do on the admin listener: what is named later includes what is named before. */
enum access_role {
    ACCESS_NO_ROLE,
    ACCESS_READ, /* look at all of it */
    ACCESS_RELOAD, /* have credentials and certificates read again */
};

enum access_answer {
    ACCESS_GRANTED,
    ACCESS_UNKNOWN, /* there is no such secret, or it is not that user's */
    ACCESS_GUESSING, /* nor is there, or it was not looked at, and the address has sent too many of them */
    ACCESS_WAITS, /* for its password to be looked at; nothing is known yet */
    ACCESS_BUSY, /* there are as many such as there may be, of its address or of all */
};

/* The answer is there: so that who has asked looks. It must not wait for anything. @thread verifier */
typedef void access_told_fn(void *context);

/* Whether the file is sound; "": there is none. */
int access_check(const char *file, struct error *error);

/* Without access.credentials nobody is asked for anything. The file is read now. The configuration outlives it. @thread main, as the next four */
int access_new(
    struct access **ret_access, const struct config *config, const struct clock *clock, struct error *error);
/* Nobody waits any more, nor has a grant. */
void access_free(struct access **access);
/* From now on passwords are looked at. */
int access_run(struct access *access, struct error *error);
/* Reads the file anew. When that fails everything stays as it is. Grants that were given stand until access_renew(). */
int access_reload(struct access *access, struct error *error);
/* How many principals there are. */
size_t access_count(const struct access *access);

/* Whether secrets are asked for at all; NULL: they are not. @thread any, as all that follow */
bool access_is_wanted(const struct access *access);

/* Whose guesses they are. Zeroed: nobody's, none are counted. */
struct access_origin {
    bool counted; /* it has an address: */
    bool shared; /* which is one of http.trusted_proxies, and nobody knows whom that speaks for */
    unsigned char address[PEERS_ADDRESS]; /* that they are counted by */
    char text[PEERS_TEXT]; /* for the log */
};

/* Whoever is at the other end of a connection. */
void access_origin_of(const struct access *access, int fd, struct access_origin *ret_origin);
/* Whoever a proxy speaks for, as rate_forwarded() has it: each field X-Forwarded-For in turn, *origin is the proxy before the first one. Of who is none of http.trusted_proxies: nothing. */
void access_origin_forwarded(const struct access *access, struct slice field,
    const struct access_origin *proxy, struct access_origin *origin);

/* Of secrets that were made here, whose digest is looked up at once. user: NULL data: none is named, the secret alone tells. Whoever sends a wrong one is logged, and counted unless many share its address: nobody guesses
 * such a secret. The grant is set when it is given. */
enum access_answer access_ask(struct access *access, struct slice user, struct slice secret,
    const struct access_origin *origin, struct grant *ret_grant);

struct access_question {
    struct slice user, secret;
    const struct access_origin *origin; /* until the call returns */
    access_told_fn *told;
    void *context;
};

/* The same, also for passwords: the first time that one is shown its hash has to be made (verifier.h), which takes long. WAITS: `told` will be called, once, unless it is
 * forgotten before. BUSY, and GUESSING before anything is hashed: it will not. */
enum access_answer access_begin(struct access *access, const struct access_question *question,
    struct verification **ret_verification, struct grant *ret_grant);
/* Of one that waits: its answer by the credentials that are in force now. Sets NULL unless it still WAITS. */
enum access_answer access_end(struct access *access, struct verification **verification,
    const struct access_origin *origin, struct grant *ret_grant);
/* Sets NULL. False: it has been told before. NULL is allowed. */
bool access_forget(struct access *access, struct verification **verification);

/* Whoever has shown a certificate that holds, by the first of its names that is a principal's. UNKNOWN: none is. */
enum access_answer access_ask_certificate(
    struct access *access, const struct tls_names *names, struct grant *ret_grant);

/* The rates of addresses and of keys, which hold whoever writes. */
struct rates *access_rates(const struct access *access);

/* ---- requests over HTTP --------------------------------------------------------------------------------------------- */

/* How whoever is refused is told: the same for everybody, whatever was wrong. */
#define ACCESS_CHALLENGE "Bearer realm=\"penstock\", Basic realm=\"penstock\", charset=\"UTF-8\""
#define ACCESS_SAYS_UNKNOWN "credentials are needed: Authorization: Bearer SECRET, or Basic"
#define ACCESS_SAYS_GUESSING "too many wrong credentials from this address"
#define ACCESS_SAYS_BUSY "there are too many passwords to look at"

/* access_ask() by the value of the header Authorization: "Bearer SECRET" (RFC 6750) or "Basic base64(NAME:SECRET)" (RFC 7617). */
enum access_answer access_ask_header(
    struct access *access, struct slice value, const struct access_origin *origin, struct grant *ret_grant);
/* The same of access_begin(); user and secret of the question are the header's. Without a place for a verification it is access_ask_header(). */
enum access_answer access_begin_header(struct access *access, struct slice value,
    const struct access_question *question, struct verification **ret_verification, struct grant *ret_grant);

/* Whose certificate a connection shows. Zeroed at first; the owner ends the grant. */
struct certified {
    struct grant grant; /* the connection's; a request that keeps it shares it */
    bool shown; /* one, be it a principal's or not */
    uint64_t version; /* of the credentials that it was looked up in, and one; 0: it has not been */
};

/* Whether it is a principal's: looked up once, and again when other credentials are in force. */
bool access_is_certified(struct access *access, const struct tls_session *tls, struct certified *certified);

/* ---- other credentials ---------------------------------------------------------------------------------------------- */

/* Grows with each reload that brought other credentials into force. */
uint64_t access_version(const struct access *access);
/* The same principal, with the same secret, password and certificate, in the credentials that are now in force. False: there is none, and the grant is as it was. */
bool access_renew(struct access *access, struct grant *grant);

/* ---- a grant --------------------------------------------------------------------------------------------------- */

void grant_end(struct grant *grant);
/* One more holder of the same. */
struct grant grant_share(const struct grant *grant);
const char *grant_name(const struct grant *grant); /* "": of nobody */
bool grant_allows_stream(const struct grant *grant, const char *stream);
bool grant_allows_key(const struct grant *grant, struct slice key);
bool grant_allows_role(const struct grant *grant, enum access_role role);
/* Microseconds until it may write again; 0: now. */
int64_t grant_wait(const struct grant *grant, int64_t now);
/* When they are paid; and with that, what is not paid of them by now is given back. */
int64_t grant_charge(const struct grant *grant, uint64_t records, int64_t now);
void grant_refund(const struct grant *grant, uint64_t records, int64_t paid, int64_t now);

#endif
