/* http_key: requests that carry an Idempotency-Key; see http_internal.h
 *
 * A key is in one of three states. Free: nobody knows it; its request takes it, goes on as any other, and takes the answer along as the last record of its
 * hand-over (answer_state.h). Taken: a request with it is on its way through the journal; another one, of whatever thread, waits until that is complete, and then looks again. Kept: the journal's image
 * has its answer, which is given again. So nothing has to be undone: what was refused leaves no trace, and what is in doubt (504) is either taken until it
 * is decided, or was given up by the journal, which then voids all of it, or finds all of it after a crash: the records with their key.
 */
#include <assert.h>
#include <stdlib.h>

#include "source/answer_state.h"
#include "source/http_internal.h"
#include "source/source_state.h"

/* @holds keys_lock */
static struct http_request **http_key_place(struct source *http, const struct idempotency_hash *id)
{
    struct http_request **at = &http->keys[id->bytes[0] % HTTP_KEY_BUCKETS];

    while (*at && memcmp(&(*at)->key->id, id, sizeof *id) != 0)
        at = &(*at)->key->next;
    return at;
}

int http_key_read(struct http_request *request, struct slice value)
{
    char key[IDEMPOTENCY_KEY_MAX];
    size_t length;
    struct error error;

    if (idempotency_key_read(value, key, &length, &error))
        return http_refuse(&request->refusal, HTTP_STATUS_400, "%s", error.text);
    /* Whose key it is: that of the stream, and of who sends it, if that is known. */
    const struct slice scope[] = {
        slice_of(request->stream->name), {key, length}, slice_of(grant_name(&request->grant))};
    const size_t parts = sizeof scope / sizeof *scope - (request->grant.principal == NULL);
    request->key = calloc(1, sizeof *request->key);
    if (!request->key || idempotency_hash(scope, parts, &request->key->id, &error))
        return http_refuse(&request->refusal, HTTP_STATUS_503, "out of memory");
    return 0;
}

/* ---- taken: one that waits for another ------------------------------------------------------------------------ */

/* @holds keys_lock */
static void http_key_line_up(struct http_request *request, struct http_request *holder)
{
    struct http_request *last = holder->key->waiters_last;

    *(last ? &last->key->next : &holder->key->waiters) = request;
    holder->key->waiters_last = request;
    request->key->previous = last;
    request->key->next = NULL;
    request->key->holder = holder;
}

/* @holds keys_lock */
static void http_key_step_out(struct http_request *request)
{
    struct http_key *key = request->key, *held = key->holder->key;

    *(key->previous ? &key->previous->key->next : &held->waiters) = key->next;
    *(key->next ? &key->next->key->previous : &held->waiters_last) = key->previous;
    key->holder = key->next = key->previous = NULL;
}

/* False: another one has it, and the request waits for that. */
static bool http_key_take(struct http_request *request)
{
    struct source *http = request->thread->source;

    pthread_mutex_lock(&http->keys_lock);
    struct http_request **at = http_key_place(http, &request->key->id);
    const bool taken = !*at;
    if (taken)
        *at = request;
    else
        http_key_line_up(request, *at);
    pthread_mutex_unlock(&http->keys_lock);
    request->key->taken = taken;
    if (!taken)
        http_connection_suspend(request->connection, HTTP_REPEAT);
    return taken;
}

void http_key_give_up(struct http_request *request)
{
    struct source *http = request->thread->source;

    pthread_mutex_lock(&http->keys_lock);
    const bool waits = request->key->holder;
    if (waits)
        http_key_step_out(request);
    pthread_mutex_unlock(&http->keys_lock);
    if (!waits)
        return;
    http_refuse(&request->refusal, HTTP_STATUS_504,
        "outcome unknown: the journal did not answer an earlier request with this Idempotency-Key within "
        "http.commit_timeout; its records may be stored");
    http_connection_resume(request->connection, HTTP_ANSWER);
}

void http_key_settle(struct http_request *request)
{
    struct source *http = request->thread->source;
    struct http_key *key = request->key;

    if (!key || !key->taken)
        return;
    pthread_mutex_lock(&http->keys_lock);
    *http_key_place(http, &key->id) = key->next;
    while (key->waiters) {
        struct http_request *waiter = key->waiters;
        http_key_step_out(waiter);
        http_loop_call(waiter->connection); /* from here on its own thread may free it */
    }
    pthread_mutex_unlock(&http->keys_lock);
    key->taken = false;
}

/* ---- kept ------------------------------------------------------------------------------------------------------- */

int http_key_keep(struct http_request *request)
{
    struct http_thread *thread = request->thread;
    struct source *http = thread->source;
    const unsigned outlets = request->stream->ack_outlets;
    struct answer answer = {
        .id = request->key->id,
        .request = request->key->request,
        .taken = clock_wall(http->context.clock),
        .accepted = (uint32_t)request->accepted,
        .once = request->stream->sequence.source != SELECTOR_NONE,
        .missed = journal_missed(http->context.journal, outlets),
    };
    struct bytes cleanup_bytes body;
    struct error error;

    bytes_init(&body, ANSWER_STATE_BODY_MAX);
    bytes_clear(&thread->text);
    if (thread->result.rejected &&
        http_answer_partial_within(&thread->text, &thread->result, ANSWER_TEXT_MAX, &error))
        return http_refuse(&request->refusal, HTTP_STATUS_503, "%s", error.text);
    answer.text = bytes_slice(&thread->text);
    if (answer_state_encode(&body, &answer, &error) ||
        handover_add(&request->handover, STATE_ANSWER, bytes_slice(&body), 0, 0, &error))
        return http_refuse(&request->refusal, HTTP_STATUS_503, "%s", error.text);
    return 0;
}

/* Who wants to know of the delivery waits for it, as the first one did, if one more may. */
static enum http_claim http_key_repeat(struct http_request *request, const struct answer *answer)
{
    struct http_thread *thread = request->thread;
    struct source *http = thread->source;
    struct http_key *key = request->key;

    key->repeated = true;
    key->missed = answer->missed;
    key->first = answer->last - answer->accepted + 1;
    key->last = answer->last;
    key->counts = (struct once_counts){answer->accepted, answer->duplicates, answer->old};
    request->accepted = answer->accepted;
    metric_add(http->replayed, 1);
    if (request->ack != HTTP_ACK_DELIVERED || thread->draining || http_delivery_await(request))
        return HTTP_KEY_REPEATED;
    if (http_body_await(request))
        return HTTP_KEY_REFUSED;
    request->arrival->first = key->first;
    request->arrival->last = key->last;
    if (!journal_arrival_begin(http->context.journal, request->arrival)) {
        http_delivery_await_no_more(request);
        return HTTP_KEY_REPEATED;
    }
    http_connection_suspend(request->connection, HTTP_DELIVERY);
    http_pool_unload(request);
    return HTTP_KEY_WAITS;
}

/* What was kept of a key that nobody else has. */
static enum http_claim http_key_look_up(struct http_request *request, struct MHD_Connection *mhd)
{
    struct source *http = request->thread->source;
    struct http_key *key = request->key;
    struct answer answer;
    struct error error;
    int found = http_body_hash(request, mhd, &key->request, &error);

    if (!found)
        found = answer_state_find(http->context.state->answers, &key->id, clock_wall(http->context.clock),
            &answer, &request->listing, &error);
    if (found < 0) {
        http_refuse(&request->refusal, HTTP_STATUS_503, "%s", error.text);
        return HTTP_KEY_REFUSED;
    }
    if (!found)
        return HTTP_KEY_FREE;
    if (memcmp(&answer.request, &key->request, sizeof key->request) == 0)
        return http_key_repeat(request, &answer);
    bytes_clear(&request->listing);
    http_refuse(&request->refusal, HTTP_STATUS_422,
        "an earlier request with this Idempotency-Key said something else and was accepted; a new body needs a new key");
    return HTTP_KEY_REFUSED;
}

enum http_claim http_key_claim(struct http_request *request, struct MHD_Connection *mhd)
{
    if (request->key->repeated)
        return HTTP_KEY_REPEATED;
    if (!http_key_take(request))
        return HTTP_KEY_WAITS;
    /* Taken first: its answer may be kept meanwhile, and then it is found, but nobody else can begin with it. */
    const enum http_claim claim = http_key_look_up(request, mhd);
    if (claim != HTTP_KEY_FREE)
        http_key_settle(request);
    return claim;
}

bool http_key_is_delivered(const struct http_request *request)
{
    const struct source *http = request->thread->source;
    const struct http_key *key = request->key;
    const unsigned outlets = request->stream->ack_outlets;

    if (key->counts.duplicates + key->counts.old)
        return http_respond_all_delivered(request, outlets, key->last);
    return journal_delivered(http->context.journal, outlets, key->first, key->last, key->missed);
}

void http_key_tell(struct source *http)
{
    struct answer_usage usage;

    answer_state_usage(http->context.state->answers, &usage);
    metric_set(http->keys_gauge, (double)usage.keys);
    metric_add(http->evicted, usage.evicted - http->evicted_told);
    http->evicted_told = usage.evicted;
}
