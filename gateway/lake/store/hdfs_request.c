/* hdfs_request: requests to name nodes and data nodes, several at once, until it is known what became of them.
 *
 * What passes by itself is waited for: safe mode, a name node that is in standby or away (the next one is asked), data nodes that are
 * away (the name node names another one, later). A body always goes to a new temporary name: what a broken try has left may have a writer for an
 * hour. What is `once` is tried again only after an answer that says that nothing was done.
 */
#include "lake/store/hdfs_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/config.h"
#include "lake/store/patience.h"

#define HDFS_REDIRECT 307
#define HDFS_CREATED 201

void hdfs_request_init(struct hdfs_request *request, const char *method, size_t answer_most)
{
    *request = (struct hdfs_request){.method = method};
    bytes_init(&request->target, (size_t)64 * 1024);
    bytes_init(&request->url, (size_t)64 * 1024);
    bytes_init(&request->answer, answer_most);
}

static void hdfs_forget_url(struct hdfs_request *request)
{
    if (request->url.data)
        explicit_bzero(request->url.data, request->url.length);
    bytes_clear(&request->url);
}

void hdfs_request_free(struct hdfs_request *request)
{
    hdfs_forget_url(request);
    explicit_bzero(request->location, sizeof request->location);
    bytes_free(&request->target);
    bytes_free(&request->url);
    bytes_free(&request->answer);
}

int hdfs_request_target(struct hdfs_request *request, const struct store *store, const char *path,
    const char *op, struct error *error)
{
    bytes_clear(&request->target);
    return hdfs_url_add_path(&request->target, store->url.root, error) ||
                   hdfs_url_add_path(&request->target, path[0] || store->url.root[0] ? path : "/", error) ||
                   bytes_print(&request->target, error, "?op=%s", op)
               ? -1
               : 0;
}

/* ---- one round -------------------------------------------------------------------------------------------- */

/* The requests that are under way; parallel arrays. */
struct hdfs_round {
    struct hdfs_request *requests[STORE_PUBLISH_MOST];
    struct http_call calls[STORE_PUBLISH_MOST];
    struct http_wanted wanted[STORE_PUBLISH_MOST][2];
    size_t count;
};

static const char *const hdfs_fields[] = {"Content-Type: application/octet-stream"};

static void hdfs_round_add(struct hdfs_round *round, struct hdfs_request *request, const char *url)
{
    struct http_wanted *wanted = round->wanted[round->count];

    wanted[0] = (struct http_wanted){"Location", request->location, sizeof request->location};
    wanted[1] = (struct http_wanted){"WWW-Authenticate", request->authenticate, sizeof request->authenticate};
    round->requests[round->count] = request;
    round->calls[round->count++] = (struct http_call){.method = request->method,
        .url = url,
        .fields = hdfs_fields,
        .fields_count = strcmp(request->method, "PUT") == 0 ? 1 : 0,
        .wanted = wanted,
        .wanted_count = 2,
        .answer = request->answer};
}

/* What each has been told. */
static int hdfs_round_run(struct store *store, struct hdfs_round *round, bool name_node, struct error *error)
{
    const int result = http_client_run(store->client, round->calls, round->count, error);

    for (size_t i = 0; i < round->count; i++) {
        struct hdfs_request *request = round->requests[i];
        const struct http_call *call = &round->calls[i];
        const bool whole = !request->file && (!request->reads || !name_node || call->status != HDFS_REDIRECT);
        const long expected = whole ? 200 : name_node ? HDFS_REDIRECT : HDFS_CREATED;
        request->answer = call->answer;
        request->error = call->error;
        request->outcome =
            hdfs_answer_judge(call->status, bytes_slice(&request->answer), &request->exception);
        request->refused_by_name_node = name_node && request->outcome != HDFS_DONE;
        if (request->outcome == HDFS_DONE && call->status != expected)
            request->outcome = HDFS_REFUSED;
        if (call->status == 0 && call->error.kind == ERROR_REJECT)
            request->outcome = HDFS_REFUSED;
        if (request->outcome != HDFS_DONE && call->status)
            error_set(&request->error, ERROR_RETRY, "status %ld", call->status);
    }
    return result ? error_wrap(error, "lake %s", store->options.root) : 0;
}

static int hdfs_compose(const struct store *store, struct hdfs_request *request, struct error *error)
{
    const struct hdfs_authority *node = &store->nodes[store->node];
    const struct slice identity = bytes_slice(&store->identity);
    const struct slice target = bytes_slice(&request->target);

    hdfs_forget_url(request);
    return bytes_print(&request->url, error, "%s://%s:%u/webhdfs/v1", store->url.tls ? "https" : "http",
               node->host, node->port) ||
                   bytes_add(&request->url, target.data, target.length, error) ||
                   bytes_add(&request->url, identity.data, identity.length, error) ||
                   bytes_add(&request->url, "", 1, error)
               ? -1
               : 0;
}

/* A name that nothing has had before. The flags make the data node fsync what it has before it says 201. */
static int hdfs_name_anew(struct store *store, struct hdfs_request *request, struct error *error)
{
    char name[64];

    snprintf(name, sizeof name, "files/%s-%llu.tmp", store->id, (unsigned long long)++store->created);
    hdfs_hidden(store, name, request->temporary);
    return hdfs_request_target(
        request, store, request->temporary, "CREATE&overwrite=true&createflag=CREATE,SYNC_BLOCK", error);
}

static bool hdfs_peer_elsewhere(const struct sockaddr *address)
{
    return !hdfs_address_is_link_local(address) && !hdfs_address_is_loopback(address);
}

static bool hdfs_peer_or_here(const struct sockaddr *address)
{
    return !hdfs_address_is_link_local(address);
}

/* Who may be connected to by a host that only a redirect names; NULL: whoever it is. */
static http_peer_fn *hdfs_peers(const struct store *store, const char *location)
{
    if (store->redirects.patterns->count > 0 || hdfs_redirect_is_home(&store->redirects, location))
        return NULL;
    return hdfs_host_is_loopback(store->url.name_node.host) ? hdfs_peer_or_here : hdfs_peer_elsewhere;
}

/* The bodies of those whose name node has said where to. */
static int hdfs_round_send(struct store *store, const struct hdfs_round *asked, struct error *error)
{
    struct hdfs_round *round = calloc(1, sizeof *round);
    int result = 0;

    if (!round)
        return error_set(error, ERROR_RETRY, "lake %s: out of memory", store->options.root);
    for (size_t i = 0; i < asked->count; i++) {
        struct hdfs_request *request = asked->requests[i];
        const bool goes_on = request->file || (request->reads && request->location[0]);
        if (!goes_on || request->outcome != HDFS_DONE)
            continue;
        if (hdfs_redirect_check(&store->redirects, request->location, &request->error)) {
            request->outcome = HDFS_REFUSED;
            continue;
        }
        hdfs_forget_url(request);
        if ((result = bytes_print(&request->url, error, "%s%c", request->location, '\0')))
            break;
        hdfs_round_add(round, request, request->url.data);
        struct http_call *call = &round->calls[round->count - 1];
        call->from_file = request->file != NULL;
        call->fd = request->file ? request->file->fd : -1;
        call->length = request->file ? request->file->length : 0;
        call->peer = hdfs_peers(store, request->location);
    }
    if (!result && round->count > 0)
        result = hdfs_round_run(store, round, false, error);
    free(round);
    return result;
}

static int hdfs_round(struct store *store, struct hdfs_request *requests, size_t count, struct error *error)
{
    struct hdfs_round *round = calloc(1, sizeof *round);
    int result = 0;

    if (!round)
        return error_set(error, ERROR_RETRY, "lake %s: out of memory", store->options.root);
    for (size_t i = 0; i < count && !result; i++) {
        struct hdfs_request *request = &requests[i];
        if (request->ended)
            continue;
        result = (request->file ? hdfs_name_anew(store, request, error) : 0) ||
                 hdfs_compose(store, request, error);
        if (!result)
            hdfs_round_add(round, request, request->url.data);
    }
    result =
        result || hdfs_round_run(store, round, true, error) || hdfs_round_send(store, round, error) ? -1 : 0;
    free(round);
    return result;
}

/* ---- what is to be told ----------------------------------------------------------------------------------- */

static const struct {
    const char *exception, *advice;
} hdfs_advice[] = {
    {"AccessControlException", "; it needs to be writable for the user of lake.hdfs.user"},
    {"DSQuotaExceededException",
        "; the quota has to be raised (hdfs dfsadmin -setSpaceQuota), or files deleted"},
    {"NSQuotaExceededException", "; the quota has to be raised (hdfs dfsadmin -setQuota), or files deleted"},
    {"SafeModeException", "; hdfs dfsadmin -safemode leave ends it, when HDFS does not by itself"},
    {"StandbyException", "; lake.hdfs.name_nodes is to name the other name node"},
    {"InvalidToken", "; lake.hdfs.token needs a token that holds"},
};

static const char *hdfs_find_advice(const char *exception)
{
    for (size_t i = 0; i < sizeof hdfs_advice / sizeof hdfs_advice[0]; i++)
        if (strcmp(exception, hdfs_advice[i].exception) == 0)
            return hdfs_advice[i].advice;
    return "";
}

static int hdfs_fail(const struct store *store, const struct hdfs_request *request, struct error *error)
{
    const char *root = store->options.root;
    const struct slice target = bytes_slice(&request->target);
    const char *query = memchr(target.data, '?', target.length);
    const int path = (int)(query - target.data);
    const char *op = query + strlen("?op=");
    const int word = (int)strspn(op, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");

    if (strncasecmp(request->authenticate, "negotiate", 9) == 0)
        return error_set(error, ERROR_RETRY,
            "lake %s: the server wants Kerberos (401, Negotiate), which penstock does not speak; "
            "lake.hdfs.token takes a delegation token",
            root);
    if (request->exception.name[0])
        return error_set(error, ERROR_RETRY, "lake %s: %.*s %.*s: %s: %s%s", root, word, op, path,
            target.data, request->exception.name, request->exception.message,
            hdfs_find_advice(request->exception.name));
    return error_set(
        error, ERROR_RETRY, "lake %s: %.*s %.*s: %s", root, word, op, path, target.data, request->error.text);
}

/* ---- all of it -------------------------------------------------------------------------------------------- */

static bool hdfs_is_final(const struct hdfs_request *request)
{
    return request->outcome == HDFS_REFUSED || (request->outcome == HDFS_UNKNOWN && request->once);
}

/* What has ended; ret_troubled is the first that has not, NULL when all have. -1: one has failed for good. */
static int hdfs_sort(struct store *store, struct hdfs_request *requests, size_t count,
    struct hdfs_request **ret_troubled, struct error *error)
{
    bool elsewhere = false;

    *ret_troubled = NULL;
    for (size_t i = 0; i < count; i++) {
        struct hdfs_request *request = &requests[i];
        if (request->ended)
            continue;
        if (request->outcome == HDFS_DONE ||
            (request->harmless && strcmp(request->exception.name, request->harmless) == 0)) {
            request->ended = true;
            continue;
        }
        if (hdfs_is_final(request))
            return hdfs_fail(store, request, error);
        elsewhere = elsewhere || request->outcome == HDFS_STANDBY ||
                    (request->refused_by_name_node && request->exception.name[0] == '\0');
        *ret_troubled = *ret_troubled ? *ret_troubled : request;
    }
    if (elsewhere)
        store->node = (store->node + 1) % store->nodes_count;
    return 0;
}

int hdfs_ask(struct store *store, struct hdfs_request *requests, size_t count, struct error *error)
{
    struct patience patience = patience_new(&store->options);
    struct hdfs_request *troubled;

    for (;;) {
        if (hdfs_round(store, requests, count, error) || hdfs_sort(store, requests, count, &troubled, error))
            return -1;
        if (!troubled)
            return 0;
        hdfs_fail(store, troubled, error);
        if (!patience_wait(&patience, 0, error))
            return -1;
    }
}
