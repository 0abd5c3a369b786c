/* subscriber_batch: messages on their way to the journal, and the wait until they are there; see subscriber_internal.h */
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "source/subscriber_internal.h"

/* @thread committer */
static void batch_complete(struct handover *handover, enum handover_result result)
{
    struct subscriber *subscriber = handover->context;

    subscriber->result = result;
    atomic_store_explicit(&subscriber->back, true, memory_order_release);
    subscriber_loop_wake(subscriber);
}

int subscriber_batch_open(struct subscriber *subscriber, struct error *error)
{
    const struct source *source = subscriber->source;
    struct subscriber_batch *batch = &subscriber->batch;

    /* Heads of records are descriptions, too: many small records in a message have more of them than payload. */
    handover_init(&batch->handover, 4 * source->batch_capacity + RECORD_HEAD_MAX, batch_complete, subscriber);
    batch->payloads = malloc(source->batch_capacity);
    batch->counts = calloc(source->context.routes->most + 1, sizeof *batch->counts);
    if (!batch->payloads || !batch->counts)
        return error_set(error, ERROR_FATAL, "MQTT: out of memory");
    batch->handover.payloads = batch->payloads;
    return 0;
}

void subscriber_batch_close(struct subscriber *subscriber)
{
    handover_free(&subscriber->batch.handover);
    free(subscriber->batch.payloads);
    free(subscriber->batch.counts);
}

/* The streams that were touched stay known: see subscriber_batch_may_go(). */
static void batch_empty(struct subscriber *subscriber)
{
    struct subscriber_batch *batch = &subscriber->batch;

    handover_clear(&batch->handover);
    batch->handover.payloads = batch->payloads;
    batch->used = batch->messages = 0;
    batch->unguarded = false;
}

void subscriber_batch_clear(struct subscriber *subscriber)
{
    batch_empty(subscriber);
    memset(subscriber->batch.counts, 0,
        (subscriber->source->context.routes->places + 1) * sizeof *subscriber->batch.counts);
}

bool subscriber_batch_may_go(struct subscriber *subscriber)
{
    const struct routes *routes = subscriber->source->context.routes;

    for (size_t i = 0; i <= routes->places; i++) {
        if (subscriber->batch.counts[i].touched && streams_suspended(routes, i ? routes->kept[i - 1] : NULL))
            return false;
    }
    return true;
}

/* ---- metrics ------------------------------------------------------------------------------------------------------ */

static void batch_count(const struct subscriber *subscriber)
{
    const struct source *source = subscriber->source;

    for (size_t i = 0; i <= source->context.routes->places; i++) {
        const struct subscriber_count *count = &subscriber->batch.counts[i];
        const struct stream *stream = i ? source->context.routes->kept[i - 1] : NULL;
        intake_count_accepted(source->counts, stream, count->accepted, count->schema_invalid);
        intake_count_all_rejected(source->counts, stream, count->rejected);
    }
    metric_add(source->payload_bytes, subscriber->batch.used);
    metric_observe(subscriber->batch_messages, (double)subscriber->batch.messages);
}

/* ---- to the journal ------------------------------------------------------------------------------------------------ */

static bool batch_out_of_time(const struct subscriber *subscriber)
{
    return subscriber_is_stopping(subscriber) &&
           subscriber_now(subscriber) >= subscriber->source->stop_deadline;
}

/* Until the committer is done with it. False: the gateway stops, and it is not. */
static bool batch_wait_back(struct subscriber *subscriber)
{
    while (!atomic_load_explicit(&subscriber->back, memory_order_acquire)) {
        if (batch_out_of_time(subscriber))
            return false;
        subscriber_link_wait(subscriber, 0, CLOCK_SECOND / 10);
    }
    atomic_store_explicit(&subscriber->back, false, memory_order_relaxed);
    subscriber->in_journal = false;
    return true;
}

enum batch_gone { BATCH_DURABLE, BATCH_AGAIN, BATCH_LEFT };

/* One try. What may or may not be there goes again: without its acknowledgement the broker would send it again, too. */
static enum batch_gone batch_try(struct subscriber *subscriber)
{
    struct error error;

    if (!subscriber_batch_may_go(subscriber))
        return BATCH_AGAIN;
    subscriber->in_journal = true;
    if (journal_hand_over(subscriber->source->context.journal, &subscriber->batch.handover, &error)) {
        subscriber->in_journal = false;
        if (error.kind == ERROR_RETRY)
            return BATCH_AGAIN;
        subscriber_link_end(subscriber, SUBSCRIBER_PROTOCOL, "messages cannot be stored: %.180s", error.text);
        return BATCH_LEFT;
    }
    if (!batch_wait_back(subscriber))
        return BATCH_LEFT;
    return subscriber->result == HANDOVER_DURABLE ? BATCH_DURABLE : BATCH_AGAIN;
}

/* Between two tries. False: nobody waits for the acknowledgements any more. */
static bool batch_pause(struct subscriber *subscriber)
{
    const short ends = POLLRDHUP | POLLHUP | POLLERR;

    if (subscriber_is_stopping(subscriber) || subscriber->link.ended)
        return false;
    if (subscriber_link_wait(subscriber, POLLRDHUP, SUBSCRIBER_HOLD_PAUSE) & ends)
        subscriber_link_end(
            subscriber, SUBSCRIBER_HELD, "the broker closed the connection while the journal took nothing");
    return !subscriber->link.ended;
}

static bool batch_persist(struct subscriber *subscriber)
{
    const int64_t since = subscriber_now(subscriber);

    for (;;) {
        const enum batch_gone gone = batch_try(subscriber);
        if (gone != BATCH_AGAIN)
            return gone == BATCH_DURABLE;
        subscriber->held = true;
        if (subscriber_now(subscriber) - since >= SUBSCRIBER_HOLD_TOLD)
            subscriber_tell_trouble(subscriber, SUBSCRIBER_HELD,
                subscriber_batch_may_go(subscriber)
                    ? "the journal takes nothing"
                    : "dead letters of a stream have used up dead_letters.quota, or its records journal_share");
        if (!batch_pause(subscriber))
            return false;
    }
}

bool subscriber_batch_commit(struct subscriber *subscriber)
{
    if (subscriber->batch.messages == 0)
        return true;
    if (subscriber->in_journal) /* left there by a stop that could not wait */
        return false;
    const bool durable = batch_persist(subscriber);
    if (durable) {
        batch_count(subscriber);
        subscriber->held = false;
        if (subscriber->trouble == SUBSCRIBER_HELD)
            subscriber_tell_trouble(subscriber, SUBSCRIBER_FINE, "");
        subscriber_batch_clear(subscriber);
    } else if (!subscriber->in_journal)
        batch_empty(subscriber);
    return durable;
}
