/* mqtt_batch: batches and their answers; see mqtt_internal.h */
#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "source/mqtt_internal.h"

#define BATCH_ANSWERS_FIRST 1024

/* ---- opening and closing ----------------------------------------------------------------------------------- */

/* @thread committer */
static void batch_complete(struct handover *handover, enum handover_result result)
{
    struct mqtt_thread *thread = handover->context;

    thread->result = result;
    atomic_store_explicit(&thread->back, true, memory_order_release);
    mqtt_loop_wake(thread);
}

static int batch_open(struct mqtt_thread *thread, struct mqtt_batch *batch, struct error *error)
{
    const struct source *mqtt = thread->source;

    /* What sessions have to say is bounded by their share of the state, and must always fit. */
    handover_init(&batch->handover, mqtt->parts_max + (size_t)mqtt->context.config->journal.segment_size,
        batch_complete, thread);
    batch->payloads = malloc(mqtt->batch_capacity);
    batch->answers = malloc(BATCH_ANSWERS_FIRST * sizeof *batch->answers);
    batch->counts = calloc(mqtt->context.routes->most + 1, sizeof *batch->counts);
    if (!batch->payloads || !batch->answers || !batch->counts)
        return error_set(error, ERROR_FATAL, "MQTT: out of memory");
    batch->answers_capacity = BATCH_ANSWERS_FIRST;
    batch->handover.payloads = batch->payloads;
    return 0;
}

int mqtt_batch_open(struct mqtt_thread *thread, struct error *error)
{
    for (size_t i = 0; i < 2; i++) {
        if (batch_open(thread, &thread->batches[i], error))
            return -1;
    }
    thread->filling = &thread->batches[0];
    thread->sent = &thread->batches[1];
    return 0;
}

void mqtt_batch_close(struct mqtt_thread *thread)
{
    for (size_t i = 0; i < 2; i++) {
        handover_free(&thread->batches[i].handover);
        free(thread->batches[i].payloads);
        free(thread->batches[i].answers);
        free(thread->batches[i].counts);
    }
}

static void batch_clear(struct mqtt_thread *thread, struct mqtt_batch *batch)
{
    handover_clear(&batch->handover);
    batch->handover.payloads = batch->payloads;
    batch->used = 0;
    batch->answers_count = 0;
    memset(batch->counts, 0, (thread->source->context.routes->places + 1) * sizeof *batch->counts);
}

/* ---- answers ------------------------------------------------------------------------------------------------ */

static bool batch_reserve_answer(struct mqtt_batch *batch)
{
    if (batch->answers_count < batch->answers_capacity)
        return true;
    if (batch->answers_capacity >= MQTT_ANSWERS_MAX)
        return false;
    struct mqtt_answer *grown = realloc(batch->answers, 2 * batch->answers_capacity * sizeof *grown);
    if (!grown)
        return false;
    batch->answers = grown;
    batch->answers_capacity *= 2;
    return true;
}

bool mqtt_batch_answer(
    struct mqtt_connection *connection, enum mqtt_type type, uint16_t id, enum mqtt_reason reason)
{
    struct mqtt_batch *batch = connection->thread->filling;

    if (!batch_reserve_answer(batch)) {
        connection->thread->full = true;
        return false;
    }
    batch->answers[batch->answers_count++] =
        (struct mqtt_answer){connection, id, (uint8_t)type, (uint8_t)reason};
    connection->answers++;
    return true;
}

/* A message is off its sender's Receive Maximum with its PUBACK, its PUBCOMP, or the PUBREC that refuses it (4.9). */
static void batch_count_down(const struct mqtt_answer *answer)
{
    struct mqtt_connection *connection = answer->connection;
    bool ends = answer->type == MQTT_PUBACK || answer->type == MQTT_PUBCOMP ||
                (answer->type == MQTT_PUBREC && answer->reason >= MQTT_REASON_UNSPECIFIED);

    if (ends && connection->quota)
        connection->quota--;
}

static void batch_send_answer(const struct mqtt_answer *answer)
{
    struct mqtt_connection *connection = answer->connection;
    struct error error;

    batch_count_down(answer);
    if (answer->type == MQTT_CONNACK)
        mqtt_connect_answer(connection);
    else if (mqtt_write_acknowledgement(&connection->output, connection->version,
                 (enum mqtt_type)answer->type, answer->id, (enum mqtt_reason)answer->reason, &error))
        mqtt_connection_end(connection, MQTT_REASON_QUOTA, "answers are not read");
    else
        mqtt_connection_flush_later(connection);
}

/* durable: they may leave. Otherwise whoever waits for one is better off with another connection. */
static void batch_send_answers(struct mqtt_batch *batch, bool durable)
{
    for (size_t i = 0; i < batch->answers_count; i++) {
        const struct mqtt_answer *answer = &batch->answers[i];
        struct mqtt_connection *connection = answer->connection;
        const bool open = connection->phase == MQTT_PHASE_UP || connection->phase == MQTT_PHASE_CONDEMNED;
        if (open && durable)
            batch_send_answer(answer);
        else if (open)
            mqtt_connection_end(connection, MQTT_REASON_UNSPECIFIED, "the journal could not write");
        mqtt_connection_answered(connection);
    }
}

/* ---- to the journal and back --------------------------------------------------------------------------------- */

static void batch_count_accepted(const struct mqtt_thread *thread, const struct mqtt_batch *batch)
{
    const struct source *mqtt = thread->source;

    for (size_t i = 1; i <= mqtt->context.routes->places; i++)
        intake_count_accepted(mqtt->counts, mqtt->context.routes->kept[i - 1], batch->counts[i].accepted,
            batch->counts[i].schema_invalid);
}

/* Its session may remember a message that is not stored, or the other way round: only the client can say. */
static void batch_lose(void *context, struct mqtt_session *session)
{
    (void)context;
    mqtt_connection_end(session->connection, MQTT_REASON_UNSPECIFIED, "the journal could not write");
}

static void batch_finish(struct mqtt_thread *thread, bool durable)
{
    struct mqtt_batch *batch = thread->sent;

    thread->sent_state = MQTT_BATCH_IDLE;
    thread->freed = true;
    if (batch->handover.has_state && durable)
        mqtt_sessions_written(thread->sessions);
    else if (batch->handover.has_state)
        mqtt_sessions_unknown(thread->sessions, batch_lose, NULL);
    if (durable) {
        batch_count_accepted(thread, batch);
        mqtt_rate_settle(thread, batch);
    }
    batch_send_answers(batch, durable);
    batch_clear(thread, batch);
}

/* Full: it stays and goes again. Anything else cannot be, for the batch was kept below what the journal takes. */
static void batch_hand_over(struct mqtt_thread *thread)
{
    struct error error;

    thread->sent_state = MQTT_BATCH_IN_JOURNAL;
    if (journal_hand_over(thread->source->context.journal, &thread->sent->handover, &error) == 0)
        return;
    thread->sent_state = MQTT_BATCH_WAITING;
    thread->retry_at = thread->now + MQTT_RETRY_PAUSE;
    if (error.kind == ERROR_RETRY)
        return;
    log_event(LOG_ERROR, "mqtt.batch", log_text("error", error.text));
    batch_finish(thread, false);
}

void mqtt_batch_take_back(struct mqtt_thread *thread)
{
    if (thread->sent_state == MQTT_BATCH_WAITING && thread->now >= thread->retry_at)
        batch_hand_over(thread);
    if (thread->sent_state != MQTT_BATCH_IN_JOURNAL ||
        !atomic_load_explicit(&thread->back, memory_order_acquire))
        return;
    atomic_store_explicit(&thread->back, false, memory_order_relaxed);
    switch (thread->result) {
    case HANDOVER_DURABLE:
        batch_finish(thread, true);
        break;
    case HANDOVER_REFUSED:
        thread->sent_state = MQTT_BATCH_WAITING;
        thread->retry_at = thread->now + MQTT_RETRY_PAUSE;
        break;
    case HANDOVER_UNKNOWN:
        log_event(LOG_ERROR, "mqtt.unknown", log_number("answers", (int64_t)thread->sent->answers_count));
        batch_finish(thread, false);
        break;
    }
}

void mqtt_batch_submit(struct mqtt_thread *thread)
{
    struct mqtt_batch *batch = thread->filling;
    const bool dirty = mqtt_sessions_dirty(thread->sessions);
    struct error error;

    if (thread->sent_state != MQTT_BATCH_IDLE ||
        (batch->answers_count == 0 && batch->handover.parts.length == 0 && !dirty))
        return;
    if (dirty && mqtt_sessions_write(thread->sessions, &batch->handover, &error)) {
        log_event(LOG_ERROR, "mqtt.sessions", log_text("error", error.text));
        return; /* memory is gone; it is tried again with the next round */
    }
    thread->filling = thread->sent;
    thread->sent = batch;
    thread->full = false;
    if (batch->handover.parts.length)
        batch_hand_over(thread);
    else
        batch_finish(thread, true);
}

bool mqtt_batch_is_empty(const struct mqtt_thread *thread)
{
    const struct mqtt_batch *batch = thread->filling;

    return thread->sent_state == MQTT_BATCH_IDLE && batch->answers_count == 0 &&
           batch->handover.parts.length == 0;
}

void mqtt_batch_forget_answers(struct mqtt_thread *thread)
{
    for (size_t i = 0; i < 2; i++) {
        struct mqtt_batch *batch = &thread->batches[i];
        while (batch->answers_count)
            mqtt_connection_answered(batch->answers[--batch->answers_count].connection);
    }
}
