/* http_access: who sends a request, and what they may write; see http_internal.h
 *
 * The header Authorization; without it the client certificate of the connection. What was wrong is told to nobody.
 */
#include "source/http_internal.h"

int http_access_check(struct http_request *request, struct http_refusal *refusal)
{
    const struct source *http = request->thread->source;
    const struct http_head *head = &request->head;
    struct http_connection *connection = request->connection;
    enum access_answer answer = ACCESS_UNKNOWN;

    if (!access_is_wanted(http->context.access))
        return 0;
    if (head->present[HTTP_AUTHORIZATION])
        answer = access_ask_header(
            http->context.access, head->values[HTTP_AUTHORIZATION], connection->fd, &request->grant);
    else if (access_is_certified(http->context.access, &connection->tls, &connection->certified)) {
        request->grant = grant_share(&connection->certified.grant);
        return 0;
    } else if (http->context.config->http.anonymous && !connection->certified.shown)
        return 0;
    if (answer == ACCESS_GRANTED)
        return 0;
    refusal->retry_after = ACCESS_GUESS_PAUSE / CLOCK_SECOND;
    return answer == ACCESS_GUESSING ? http_refuse(refusal, HTTP_STATUS_429, ACCESS_SAYS_GUESSING)
                                     : http_refuse(refusal, HTTP_STATUS_401, ACCESS_SAYS_UNKNOWN);
}

int http_access_check_stream(const struct http_request *request, struct http_refusal *refusal)
{
    if (grant_allows_stream(&request->grant, request->stream->name))
        return 0;
    return http_refuse(refusal, HTTP_STATUS_403, "%s may not write stream %s", grant_name(&request->grant),
        request->stream->name);
}
