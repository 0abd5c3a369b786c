/* http_body: the body comes in, and its records go to the journal; see http_internal.h
 *
 * The body is held once: parsed where it was received, read from there by the journal.
 */
#include <assert.h>
#include <stdlib.h>

#include "source/http_internal.h"

static int http_body_begin(struct http_request *request, size_t size, struct error *error)
{
    const struct http_head *head = &request->head;
    size_t first = HTTP_BODY_FIRST;

    request->holder = request->connection->peer;
    if (request->coding == HTTP_IDENTITY && head->content_length == size && !request->promised)
        http_room_promise_whole(request, size);
    if (request->coding == HTTP_IDENTITY && head->content_length > first)
        first = (size_t)head->content_length;
    if (first > request->body.limit)
        first = request->body.limit;
    return bytes_reserve_exact(&request->body, first, error);
}

static int http_body_too_large(struct http_request *request)
{
    return http_refuse(&request->refusal, HTTP_STATUS_413,
        "a body may have %zu bytes, unpacked (http.max_body)", request->body.limit);
}

static int http_body_refuse(struct http_request *request, const struct error *error)
{
    if (error->kind == ERROR_RETRY)
        return http_refuse(&request->refusal, HTTP_STATUS_503, "%s", error->text);
    if (request->body.length == request->body.limit)
        return http_body_too_large(request);
    return http_refuse(&request->refusal, HTTP_STATUS_400, "%s", error->text);
}

/* As much as it may take at once. -1: the body is refused, as of all of these. */
static ssize_t http_body_add(struct http_request *request, struct slice data)
{
    const size_t step = data.length < request->promised ? data.length : (size_t)request->promised;
    struct error error;

    if (step > request->body.limit - request->body.length)
        return http_body_too_large(request);
    if (bytes_add(&request->body, data.data, step, &error))
        return http_body_refuse(request, &error);
    return (ssize_t)step;
}

static enum inflate_coding http_body_coding(const struct http_request *request)
{
    return request->coding == HTTP_GZIP ? INFLATE_GZIP : INFLATE_ZSTD;
}

/* It is made here, when there is room for it: who waits for that has none. */
static ssize_t http_body_unpack(struct http_request *request, struct slice data)
{
    const size_t step = data.length < HTTP_INFLATE_STEP ? data.length : HTTP_INFLATE_STEP;
    struct error error;

    if ((!request->inflate && inflate_new(&request->inflate, http_body_coding(request), &error)) ||
        inflate_feed(request->inflate, (struct slice){data.data, step}, &request->body, &error))
        return http_body_refuse(request, &error);
    request->unpacking = inflate_memory(request->inflate);
    return (ssize_t)step;
}

/* Appends as much as there is room for; returns how much of data that was. */
static ssize_t http_body_append(struct http_request *request, struct slice data)
{
    const size_t size = data.length;

    while (data.length) {
        if (request->coding != HTTP_IDENTITY && !request->inflate)
            request->unpacking = inflate_need(http_body_coding(request), data);
        if (request->promised == 0 && !http_room_ask(request))
            break;
        const ssize_t taken =
            request->coding == HTTP_IDENTITY ? http_body_add(request, data) : http_body_unpack(request, data);
        if (taken < 0)
            return -1;
        data = (struct slice){data.data + taken, data.length - (size_t)taken};
        request->received += (size_t)taken;
        http_room_charge(request, request->body.length + request->unpacking);
    }
    return (ssize_t)(size - data.length);
}

/* A stream whose dead letters nobody looks after takes nothing more, so that they cannot fill the disk; nor does one whose records would
 * fill the journal for all others. */
static int http_body_check_stream(struct http_request *request)
{
    const struct stream *stream = request->stream;
    const struct source *http = request->thread->source;

    if (!stream_is_suspended(stream))
        return 0;
    if (stream_is_over_share(stream)) {
        intake_count_over_share(http->counts, stream);
        return http_refuse(&request->refusal, HTTP_STATUS_503,
            "the records of stream %s have used up its share of the journal (streams.%s.journal_share, %llu %%): its outlets have to "
            "deliver",
            stream->name, stream->name, (unsigned long long)stream->journal_share);
    }
    return http_refuse(&request->refusal, HTTP_STATUS_503,
        "the dead letters of stream %s have used up dead_letters.quota; see `penstock dead-letters list`",
        stream->name);
}

int http_body_take(struct http_request *request, const char *data, size_t *size)
{
    struct error error;

    /* One with a key may have been stored before. */
    if (!request->key && http_body_check_stream(request))
        return -1;
    if (request->received == 0 && http_body_begin(request, *size, &error))
        return http_body_refuse(request, &error);
    for (;;) {
        const ssize_t taken = http_body_append(request, (struct slice){data, *size});
        if (taken < 0)
            return -1;
        data += taken;
        *size -= (size_t)taken;
        const enum http_room_wait next = *size ? http_room_wait(request) : HTTP_ROOM_WAIT;
        if (next != HTTP_ROOM_GO_ON)
            return next == HTTP_ROOM_REFUSED ? -1 : 0;
    }
}

/* ---- the body is whole ------------------------------------------------------------------------------------ */

struct http_body_facts {
    struct http_request *request;
    struct MHD_Connection *mhd;
};

static struct slice http_body_find(void *context, enum selector_source source, const char *name)
{
    const struct http_body_facts *facts = context;
    struct slice value = {0};

    switch (source) {
    case SELECTOR_HEADER:
        MHD_lookup_connection_value_n(
            facts->mhd, MHD_HEADER_KIND, name, strlen(name), &value.data, &value.length);
        /* Blanks behind it are none of it (RFC 9110, section 5.5); the library has left them there. */
        while (value.length && (value.data[value.length - 1] == ' ' || value.data[value.length - 1] == '\t'))
            value.length--;
        break;
    case SELECTOR_QUERY:
        return http_target_query(&facts->request->target, name);
    case SELECTOR_PATH:
        return facts->request->target.key;
    case SELECTOR_NONE:
    case SELECTOR_TOPIC:
    case SELECTOR_MQTT:
    case SELECTOR_FILE:
    case SELECTOR_LINE:
    case SELECTOR_POINTER:
        break;
    }
    return value;
}

/* Turns the body into a hand-over. */
static int http_body_records(struct http_request *request, struct MHD_Connection *mhd)
{
    struct http_thread *thread = request->thread;
    struct source *http = thread->source;
    struct intake_result *result = &thread->result;
    struct http_body_facts context = {request, mhd};
    const struct intake_facts facts = {.find = http_body_find,
        .context = &context,
        .key = request->target.key,
        .received = clock_wall(http->context.clock),
        .grant = &request->grant,
        .rates = access_rates(http->context.access),
        .now = thread->now};
    const struct intake_limits limits = http_thread_limits(request->plan);
    struct error error;

    intake_limit(thread->intake, &limits);
    const int taken = intake_take(thread->intake, request->stream, request->form, bytes_slice(&request->body),
        &facts, &request->handover, result, &error);
    if (taken && error.kind == ERROR_RETRY)
        return http_refuse(&request->refusal, HTTP_STATUS_503, "%s", error.text);
    http_rate_charge(request, taken ? 1 : result->accepted + result->rejected);
    if (taken)
        return http_refuse(&request->refusal,
            result->refused == INTAKE_TOO_LARGE ? HTTP_STATUS_413 : HTTP_STATUS_400, "%s", error.text);
    request->accepted = result->accepted;
    request->schema_invalid = result->schema_invalid;
    if (result->rejected == 0)
        return 0;
    intake_count_all_rejected(http->counts, request->stream, result->by_reason);
    if (result->accepted ? http_answer_partial(&request->listing, result, &error)
                         : http_answer_refused(&request->listing, result, &error)) {
        http_rate_refund(request);
        return http_refuse(&request->refusal, HTTP_STATUS_503, "%s", error.text);
    }
    if (result->accepted)
        return 0;
    request->refusal.retry_after = http_retry_after(result->wait);
    return http_refuse(&request->refusal, http_answer_status(result), "none of the records can be accepted");
}

int http_body_await(struct http_request *request)
{
    if (request->ack != HTTP_ACK_DELIVERED)
        return 0;
    struct places *full = request->awaited ? NULL : http_delivery_await(request);
    if (full)
        return http_delivery_refuse(request, full);
    request->arrival = calloc(1, sizeof *request->arrival);
    if (!request->arrival) {
        http_delivery_await_no_more(request);
        return http_refuse(&request->refusal, HTTP_STATUS_503, "out of memory");
    }
    request->arrival->arrived = http_loop_arrived;
    request->arrival->context = request;
    request->arrival->outlets = request->stream->ack_outlets;
    assert(request->arrival->outlets);
    return 0;
}

_Static_assert(DECODE_JSON == 0 && DECODE_NDJSON == 1 && DECODE_TEXT == 2 && DECODE_BYTES == 5,
    "these numbers are in hashes that journals hold");

/* A header or a query parameter, where it is there: its place, name and value. What stands in the body or in the path is in the hash anyway. */
static size_t http_body_hash_selected(
    struct http_body_facts *facts, enum selector_source source, const char *name, struct slice *out)
{
    if (source != SELECTOR_HEADER && source != SELECTOR_QUERY)
        return 0;
    const struct slice value = http_body_find(facts, source, name);
    if (!value.data)
        return 0;
    out[0] = slice_of(source == SELECTOR_HEADER ? "header" : "query");
    out[1] = slice_of(name);
    out[2] = value;
    return 3;
}

int http_body_hash(struct http_request *request, struct MHD_Connection *mhd,
    struct idempotency_hash *ret_hash, struct error *error)
{
    const struct stream *stream = request->stream;
    struct http_body_facts facts = {request, mhd};
    const char form = (char)request->form;
    struct slice parts[3 + 3 * (1 + 1 + RECORD_LABELS_MAX)] = {
        {&form, 1}, bytes_slice(&request->body), request->target.key};
    size_t count = 3;

    if (!request->target.key.data)
        count += http_body_hash_selected(&facts, stream->key.source, stream->key.name, parts + count);
    count += http_body_hash_selected(&facts, stream->sequence.source, stream->sequence.name, parts + count);
    for (size_t i = 0; i < stream->labels_count; i++)
        count +=
            http_body_hash_selected(&facts, stream->labels[i].source, stream->labels[i].name, parts + count);
    return idempotency_hash(parts, count, ret_hash, error);
}

int http_body_end(struct http_request *request)
{
    struct error error;

    if (request->inflate && inflate_finish(request->inflate, &error))
        return http_body_refuse(request, &error);
    inflate_free(&request->inflate); /* its window would be kept while the request waits */
    request->unpacking = 0;
    http_room_forget_promise(request); /* and so would this */
    http_room_let_go(request);
    http_room_charge(request, sizeof *request + request->body.capacity);
    return 0;
}

int http_body_hand_over(struct http_request *request, struct MHD_Connection *mhd)
{
    struct http_thread *thread = request->thread;
    struct source *http = thread->source;
    struct error error;

    if (thread->draining)
        return http_refuse(&request->refusal, HTTP_STATUS_503, "the gateway is stopping");
    if (http_body_check_stream(request) || http_rate_check(request) || http_body_records(request, mhd))
        return -1;
    if ((request->key && http_key_keep(request)) || http_body_await(request)) {
        http_rate_refund(request);
        return -1;
    }
    http_room_charge(request, sizeof *request + request->body.capacity + request->handover.parts.capacity);
    request->handover.arrival = request->arrival;
    request->in_journal = true; /* before the hand-over: it may be complete before the call returns */
    thread->in_journal++;
    if (journal_hand_over(http->context.journal, &request->handover, &error)) {
        request->in_journal = false;
        thread->in_journal--;
        http_delivery_await_no_more(request);
        http_rate_refund(request);
        return http_refuse(&request->refusal, error.kind == ERROR_REJECT ? HTTP_STATUS_413 : HTTP_STATUS_503,
            "%s", error.text);
    }
    request->handed_over = true;
    return 0;
}
