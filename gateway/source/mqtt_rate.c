/* mqtt_rate: how fast somebody publishes: by its principal, by its address, by the keys of its records; see mqtt_internal.h, access/rate.h
 *
 * A message that has to wait pauses its connection, and TCP tells its client. But not for long, for what is behind it is not read either, and not while memory is short.
 */
#include "source/mqtt_internal.h"

int64_t mqtt_rate_wait(const struct mqtt_connection *connection)
{
    const struct mqtt_thread *thread = connection->thread;
    const int64_t principal = grant_wait(&connection->grant, thread->now);
    const int64_t address =
        rate_wait(access_rates(thread->source->context.access), connection->address, thread->now);
    const int64_t sender = principal > address ? principal : address;
    const int64_t key = connection->rate_until - thread->now;

    return sender > key ? sender : key > 0 ? key : 0;
}

enum mqtt_taken mqtt_rate_later(
    struct mqtt_connection *connection, const struct mqtt_publish *publish, int64_t wait)
{
    if (wait > MQTT_RATE_PATIENCE) {
        connection->rate_until = 0; /* the next message may have another key */
        return mqtt_publish_refuse(connection, publish, MQTT_REASON_QUOTA);
    }
    if (!mqtt_input_is_short(connection->thread))
        return MQTT_LATER;
    mqtt_connection_end(connection, MQTT_REASON_QUOTA, "it is ahead of its rate, and memory is short");
    return MQTT_GONE;
}

/* A message without a record in it is one all the same. */
void mqtt_rate_charge(struct mqtt_thread *thread, const struct grant *grant, uint64_t address)
{
    struct rates *rates = access_rates(thread->source->context.access);
    const uint64_t sent = thread->taken.accepted + thread->taken.rejected;
    const uint64_t records = sent ? sent : 1;

    grant_charge(grant, records, thread->now);
    rate_charge(rates, address, rate_of_address(rates), records, thread->now);
}

void mqtt_rate_settle(struct mqtt_thread *thread, const struct mqtt_batch *batch)
{
    const struct source_context *context = &thread->source->context;

    if (batch->handover.duplicates + batch->handover.old)
        intake_refund(context->routes->kept, context->routes->places, &batch->handover, NULL,
            access_rates(context->access), INTAKE_REFUND_DUPLICATES);
}
