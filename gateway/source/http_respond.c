/* http_respond: answers through the library; see http_internal.h */
#include <stdio.h>

#include "source/http_internal.h"

static const char *const http_ack_names[HTTP_ACKS] = {
    [HTTP_ACK_FSYNC] = "fsync", [HTTP_ACK_MEMORY] = "memory", [HTTP_ACK_DELIVERED] = "delivered"};

int http_ack_find(struct slice name, enum http_ack *ret_ack)
{
    for (size_t i = 0; i < HTTP_ACKS; i++) {
        if (!slice_is(name, http_ack_names[i]))
            continue;
        *ret_ack = (enum http_ack)i;
        return 0;
    }
    return -1;
}

static int http_respond_header(struct MHD_Response *response, const char *name, const char *value)
{
    return MHD_add_response_header(response, name, value) == MHD_YES ? 0 : -1;
}

static struct MHD_Response *http_respond_new(const struct bytes *text, const char *type)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(text->length, text->data, MHD_RESPMEM_MUST_COPY);

    if (response && http_respond_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type)) {
        MHD_destroy_response(response);
        return NULL;
    }
    return response;
}

/* MHD_NO makes the library close the connection without an answer. */
static enum MHD_Result http_respond_queue(
    struct http_request *request, struct MHD_Connection *mhd, unsigned code, struct MHD_Response *response)
{
    enum MHD_Result result = MHD_queue_response(mhd, code, response);

    MHD_destroy_response(response);
    http_connection_enter(request->connection, HTTP_ANSWER);
    return result;
}

/* Behind which an answer of this status may be another one. */
static int http_respond_retry_after(const struct http_refusal *refusal, struct MHD_Response *response)
{
    char seconds[24];

    if (refusal->status != HTTP_STATUS_503 && refusal->status != HTTP_STATUS_429)
        return 0;
    snprintf(seconds, sizeof seconds, "%lld",
        (long long)(refusal->retry_after ? refusal->retry_after : HTTP_RETRY_AFTER));
    return http_respond_header(response, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
}

static int http_respond_problem_headers(const struct http_request *request, struct MHD_Response *response)
{
    const struct http_refusal *refusal = &request->refusal;

    if (refusal->status == HTTP_STATUS_405 && http_respond_header(response, MHD_HTTP_HEADER_ALLOW, "POST"))
        return -1;
    if (refusal->status == HTTP_STATUS_401 &&
        http_respond_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, ACCESS_CHALLENGE))
        return -1;
    if (http_respond_retry_after(refusal, response))
        return -1;
    /* A request refused by its head may have been read wrongly: what follows on this connection must not be believed. */
    if (request->refused_by_head || request->thread->draining)
        return http_respond_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    return 0;
}

enum MHD_Result http_respond_problem(struct http_request *request, struct MHD_Connection *mhd)
{
    struct http_thread *thread = request->thread;
    struct source *http = thread->source;
    const struct http_refusal *refusal = &request->refusal;
    struct bytes *text = &request->listing;
    struct error error;

    if (text->length == 0 || refusal->status == HTTP_STATUS_503 || refusal->status == HTTP_STATUS_504) {
        text = &thread->text;
        bytes_clear(text);
        if (http_answer_problem(text, refusal->status, refusal->detail, &error))
            return MHD_NO;
    }
    metric_add(http->refused[refusal->status], 1);
    struct MHD_Response *response = http_respond_new(text, "application/problem+json");
    if (!response)
        return MHD_NO;
    if (http_respond_problem_headers(request, response)) {
        MHD_destroy_response(response);
        return MHD_NO;
    }
    return http_respond_queue(request, mhd, http_status_code(refusal->status), response);
}

static struct MHD_Response *http_respond_success(const struct bytes *text, enum http_ack ack, bool repeated)
{
    struct MHD_Response *response = http_respond_new(text, "application/json");

    if (response && (http_respond_header(response, "Penstock-Ack", http_ack_names[ack]) ||
                        (repeated && http_respond_header(response, "Idempotent-Replayed", "true")))) {
        MHD_destroy_response(response);
        return NULL;
    }
    return response;
}

/* The kept answer, made anew when it tells another number. */
static struct MHD_Response *http_respond_kept(
    struct http_thread *thread, uint64_t accepted, enum http_ack ack)
{
    struct http_kept_answer *kept = &thread->kept[ack];
    struct error error;

    if (kept->response && kept->accepted == accepted)
        return kept->response;
    bytes_clear(&thread->text);
    if (http_answer_accepted(&thread->text, accepted, &error))
        return NULL;
    struct MHD_Response *response = http_respond_success(&thread->text, ack, false);
    if (response) {
        if (kept->response)
            MHD_destroy_response(kept->response);
        *kept = (struct http_kept_answer){accepted, response};
    }
    return response;
}

bool http_respond_all_delivered(const struct http_request *request, unsigned outlets, uint64_t last)
{
    return journal_delivered(request->thread->source->context.journal, outlets, 1, last, 0);
}

/* Of those that were handed over; while the journal has them nobody knows, and Penstock-Ack: memory does not wait. */
static struct once_counts http_respond_counts(const struct http_request *request)
{
    const struct handover *handover = &request->handover;

    if (request->ack == HTTP_ACK_MEMORY)
        return (struct once_counts){request->accepted, 0, 0};
    return (struct once_counts){
        request->accepted - handover->duplicates - handover->old, handover->duplicates, handover->old};
}

static bool http_respond_has_repeats(const struct once_counts *counts)
{
    return counts->duplicates + counts->old > 0;
}

/* What the records have reached: not more than was asked for. */
static enum http_ack http_respond_reached(const struct http_request *request)
{
    const struct journal_arrival *arrival = request->arrival;

    if (request->ack != HTTP_ACK_DELIVERED)
        return request->ack;
    if (!request->handed_over)
        return http_key_is_delivered(request) ? HTTP_ACK_DELIVERED : HTTP_ACK_FSYNC;
    const struct once_counts counts = http_respond_counts(request);
    if (!arrival->passed || arrival->missed ||
        (http_respond_has_repeats(&counts) &&
            !http_respond_all_delivered(request, arrival->outlets, arrival->last)))
        return HTTP_ACK_FSYNC;
    return HTTP_ACK_DELIVERED;
}

static int http_respond_list_letters(struct http_request *request, struct error *error)
{
    const struct source *http = request->thread->source;
    const struct record_id id = {http->gateway, journal_epoch(http->context.journal), 0};

    if (!request->listing.length && http_answer_accepted(&request->listing, request->accepted, error))
        return -1;
    return http_answer_letters(&request->listing, request->arrival, &id, error);
}

/* What was answered before; what has become of the records since. */
static enum MHD_Result http_respond_repeated(struct http_request *request, struct MHD_Connection *mhd)
{
    const enum http_ack reached = http_respond_reached(request);
    unsigned code = reached == request->ack ? MHD_HTTP_OK : MHD_HTTP_ACCEPTED;
    struct error error;

    if (request->listing.length)
        code = MHD_HTTP_MULTI_STATUS;
    if (http_respond_has_repeats(&request->key->counts)) {
        if (http_answer_stored(&request->listing, &request->key->counts, &error))
            return MHD_NO;
    } else if (!request->listing.length && http_answer_accepted(&request->listing, request->accepted, &error))
        return MHD_NO;
    struct MHD_Response *response = http_respond_success(&request->listing, reached, true);
    return response ? http_respond_queue(request, mhd, code, response) : MHD_NO;
}

enum MHD_Result http_respond_accepted(struct http_request *request, struct MHD_Connection *mhd)
{
    struct source *http = request->thread->source;
    struct error error;

    if (!request->handed_over)
        return http_respond_repeated(request, mhd);
    const enum http_ack reached = http_respond_reached(request);
    const struct once_counts counts = http_respond_counts(request);
    const unsigned whole = reached == request->ack ? MHD_HTTP_OK : MHD_HTTP_ACCEPTED;
    const bool letters = request->arrival && request->arrival->letters;
    const unsigned code = letters || request->listing.length ? MHD_HTTP_MULTI_STATUS : whole;
    intake_count_accepted(http->counts, request->stream, request->accepted, request->schema_invalid);
    if ((http_respond_has_repeats(&counts) && http_answer_stored(&request->listing, &counts, &error)) ||
        (letters && http_respond_list_letters(request, &error)))
        return MHD_NO;
    if (request->listing.length) {
        struct MHD_Response *response = http_respond_success(&request->listing, reached, false);
        return response ? http_respond_queue(request, mhd, code, response) : MHD_NO;
    }
    struct MHD_Response *kept = http_respond_kept(request->thread, request->accepted, reached);
    if (!kept)
        return MHD_NO;
    http_connection_enter(request->connection, HTTP_ANSWER);
    return MHD_queue_response(mhd, whole, kept);
}

void http_respond_free(struct http_thread *thread)
{
    for (size_t i = 0; i < HTTP_ACKS; i++) {
        if (thread->kept[i].response)
            MHD_destroy_response(thread->kept[i].response);
        thread->kept[i].response = NULL;
    }
}
