/* http_access: who sends a request, and what they may write; see http_internal.h
 *
 * The header Authorization: "Bearer SECRET" (RFC 6750) or "Basic base64(NAME:SECRET)" (RFC 7617); without it the client certificate of the connection. What was wrong is told to nobody.
 */
#include <strings.h>

#include "base/base64.h"
#include "source/http_internal.h"

#define ACCESS_BASIC_MAX 512 /* characters */

/* What stands behind the scheme and its blanks; data NULL: it is another scheme. */
static struct slice access_behind(struct slice value, const char *scheme)
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

static enum access_answer access_ask_basic(
    struct access *access, struct slice encoded, int fd, struct grant *ret_grant)
{
    char pair[ACCESS_BASIC_MAX];
    size_t length = 0;
    struct error ignored;

    if (encoded.length > sizeof pair || base64_decode(encoded, pair, &length, &ignored))
        length = 0;
    const char *colon = memchr(pair, ':', length);
    const size_t name = colon ? (size_t)(colon - pair) : length;
    const struct slice user = {pair, name};
    const struct slice secret = {pair + name + (colon != NULL), length - name - (colon != NULL)};
    const enum access_answer answer = access_ask(access, user, secret, fd, ret_grant);
    explicit_bzero(pair, length);
    return answer;
}

static enum access_answer access_ask_header(
    struct access *access, struct slice value, int fd, struct grant *ret_grant)
{
    const struct slice basic = access_behind(value, "Basic"), bearer = access_behind(value, "Bearer");

    if (basic.data)
        return access_ask_basic(access, basic, fd, ret_grant);
    return access_ask(access, (struct slice){NULL, 0}, bearer, fd, ret_grant);
}

/* Looked up once, and again when others are in force. */
static bool access_has_certificate(struct http_connection *connection, struct access *access)
{
    const uint64_t version = access_version(access) + 1;
    struct tls_names names;

    if (!tls_session_asks(&connection->tls))
        return false;
    if (connection->certified_version != version) {
        connection->certified_version = version;
        grant_end(&connection->certified);
        tls_session_names(&connection->tls, &names);
        connection->shown = names.shown;
        access_ask_certificate(access, &names, &connection->certified);
    }
    return connection->certified.principal;
}

int http_access_check(struct http_request *request, struct http_refusal *refusal)
{
    const struct source *http = request->thread->source;
    const struct http_head *head = &request->head;
    enum access_answer answer = ACCESS_UNKNOWN;

    if (!access_is_wanted(http->context.access))
        return 0;
    if (head->present[HTTP_AUTHORIZATION])
        answer = access_ask_header(
            http->context.access, head->values[HTTP_AUTHORIZATION], request->connection->fd, &request->grant);
    else if (access_has_certificate(request->connection, http->context.access)) {
        request->grant = grant_share(&request->connection->certified);
        return 0;
    } else if (http->context.config->http.anonymous && !request->connection->shown)
        return 0;
    if (answer == ACCESS_GRANTED)
        return 0;
    refusal->retry_after = ACCESS_GUESS_PAUSE / CLOCK_SECOND;
    return answer == ACCESS_GUESSING
               ? http_refuse(refusal, HTTP_STATUS_429, "too many wrong credentials from this address")
               : http_refuse(refusal, HTTP_STATUS_401,
                     "credentials are needed: Authorization: Bearer SECRET, or Basic");
}

int http_access_check_stream(const struct http_request *request, struct http_refusal *refusal)
{
    if (grant_allows_stream(&request->grant, request->stream->name))
        return 0;
    return http_refuse(refusal, HTTP_STATUS_403, "%s may not write stream %s", grant_name(&request->grant),
        request->stream->name);
}
