/* http_access: who sends a request, and what they may write; see http_internal.h
 *
 * The header Authorization; without it the client certificate of the connection. What was wrong is told to nobody.
 * A password whose hash has to be made is another thread's work: the connection is suspended meanwhile, with its body unread.
 */
#include "source/http_internal.h"

/* Its password has been looked at. @thread verifier */
static void access_told(void *context)
{
    http_loop_call(context);
}

struct access_way {
    const struct access *access;
    const struct access_origin *proxy;
    struct access_origin origin;
};

static void access_take_origin(void *context, struct slice field)
{
    struct access_way *way = context;

    access_origin_forwarded(way->access, field, way->proxy, &way->origin);
}

/* Whose guess it is, if it is one. */
static struct access_origin access_find_origin(const struct http_request *request)
{
    struct http_connection *connection = request->connection;
    struct access_way way = {request->thread->source->context.access, &connection->origin, {0}};

    if (!connection->origin_known)
        access_origin_of(way.access, connection->fd, &connection->origin);
    connection->origin_known = true;
    way.origin = connection->origin;
    if (way.origin.shared)
        http_rate_forwarded(connection->mhd, access_take_origin, &way);
    return way.origin;
}

static enum access_answer access_ask_request(struct http_request *request)
{
    struct access *access = request->thread->source->context.access;
    const struct access_origin origin = access_find_origin(request);
    const struct access_question question = {
        .origin = &origin, .told = access_told, .context = request->connection};

    if (request->verification)
        return access_end(access, &request->verification, &origin, &request->grant);
    return access_begin_header(
        access, request->head.values[HTTP_AUTHORIZATION], &question, &request->verification, &request->grant);
}

static int access_refuse(enum access_answer answer, struct http_refusal *refusal)
{
    refusal->retry_after = ACCESS_GUESS_PAUSE / CLOCK_SECOND;
    if (answer == ACCESS_GUESSING)
        return http_refuse(refusal, HTTP_STATUS_429, ACCESS_SAYS_GUESSING);
    if (answer == ACCESS_BUSY)
        return http_refuse(refusal, HTTP_STATUS_503, ACCESS_SAYS_BUSY);
    return http_refuse(refusal, HTTP_STATUS_401, ACCESS_SAYS_UNKNOWN);
}

int http_access_check(struct http_request *request, struct http_refusal *refusal)
{
    const struct source *http = request->thread->source;
    struct http_connection *connection = request->connection;
    enum access_answer answer = ACCESS_UNKNOWN;

    /* The answer ends the connection, as that to any head. */
    if (tls_session_has_ended(&connection->tls))
        return http_refuse(refusal, HTTP_STATUS_401, "the client's certificate has expired");
    if (!access_is_wanted(http->context.access))
        return 0;
    if (request->head.present[HTTP_AUTHORIZATION])
        answer = access_ask_request(request);
    else if (access_is_certified(http->context.access, &connection->tls, &connection->certified)) {
        request->grant = grant_share(&connection->certified.grant);
        return 0;
    } else if (http->context.config->http.anonymous && !connection->certified.shown)
        return 0;
    if (answer == ACCESS_GRANTED)
        return 0;
    if (answer != ACCESS_WAITS)
        return access_refuse(answer, refusal);
    http_connection_suspend(connection, HTTP_PASSWORD);
    return 1;
}

void http_access_give_up(struct http_request *request)
{
    if (!access_forget(request->thread->source->context.access, &request->verification))
        return;
    http_refuse(&request->refusal, HTTP_STATUS_503, "the gateway is stopping");
    http_connection_resume(request->connection, HTTP_BODY);
}

int http_access_check_stream(const struct http_request *request, struct http_refusal *refusal)
{
    if (grant_allows_stream(&request->grant, request->stream->name))
        return 0;
    return http_refuse(refusal, HTTP_STATUS_403, "%s may not write stream %s", grant_name(&request->grant),
        request->stream->name);
}
