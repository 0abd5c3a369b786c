/* authorization: what a request over HTTP shows of who sends it: the header, or the certificate of its connection; see access.h */
#include <string.h>
#include <strings.h>

#include "access/access.h"
#include "base/base64.h"

#define AUTHORIZATION_BASIC_MAX 516 /* characters: of the longest name, a colon and the longest password */

/* What stands behind the scheme and its blanks; data NULL: it is another scheme. */
static struct slice authorization_behind(struct slice value, const char *scheme)
{
    size_t at = strlen(scheme);

    if (value.length <= at || strncasecmp(value.data, scheme, at) != 0 || value.data[at] != ' ')
        return (struct slice){NULL, 0};
    while (at < value.length && value.data[at] == ' ')
        at++;
    /* Blanks behind it are none of it (RFC 9110, section 5.5); the library has left them there. */
    while (value.length > at && (value.data[value.length - 1] == ' ' || value.data[value.length - 1] == '\t'))
        value.length--;
    return (struct slice){value.data + at, value.length - at};
}

/* Without a place for a verification: of secrets alone. */
static enum access_answer authorization_ask_basic(struct access *access, struct slice encoded,
    struct access_question question, struct verification **ret_verification, struct grant *ret_grant)
{
    char pair[AUTHORIZATION_BASIC_MAX];
    size_t length = 0;
    struct error ignored;

    if (encoded.length > sizeof pair || base64_decode(encoded, pair, &length, &ignored))
        length = 0;
    const char *colon = memchr(pair, ':', length);
    const size_t name = colon ? (size_t)(colon - pair) : length;
    question.user = (struct slice){pair, name};
    question.secret = (struct slice){pair + name + (colon != NULL), length - name - (colon != NULL)};
    const enum access_answer answer =
        ret_verification ? access_begin(access, &question, ret_verification, ret_grant)
                         : access_ask(access, question.user, question.secret, question.origin, ret_grant);
    explicit_bzero(pair, sizeof pair);
    return answer;
}

enum access_answer access_begin_header(struct access *access, struct slice value,
    const struct access_question *question, struct verification **ret_verification, struct grant *ret_grant)
{
    const struct slice basic = authorization_behind(value, "Basic"),
                       bearer = authorization_behind(value, "Bearer");

    if (basic.data)
        return authorization_ask_basic(access, basic, *question, ret_verification, ret_grant);
    return access_ask(access, (struct slice){NULL, 0}, bearer, question->origin, ret_grant);
}

enum access_answer access_ask_header(
    struct access *access, struct slice value, const struct access_origin *origin, struct grant *ret_grant)
{
    const struct access_question question = {.origin = origin};

    return access_begin_header(access, value, &question, NULL, ret_grant);
}

bool access_is_certified(struct access *access, const struct tls_session *tls, struct certified *certified)
{
    const uint64_t version = access_version(access) + 1;
    struct tls_names names;

    if (!tls_session_asks(tls))
        return false;
    if (certified->version != version) {
        certified->version = version;
        grant_end(&certified->grant);
        tls_session_names(tls, &names);
        certified->shown = names.shown;
        access_ask_certificate(access, &names, &certified->grant);
    }
    return certified->grant.principal;
}
