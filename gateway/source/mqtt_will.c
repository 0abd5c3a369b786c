/* mqtt_will: the last words of clients that went without a good-bye (3.1.2.5); see mqtt_internal.h
 *
 * A will is kept as the body of the CONNECT that it came in, and taken apart again when it is due. Wills are in memory only: a gateway that
 * ends leaves none, for it says nothing about its clients.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "source/mqtt_internal.h"

size_t mqtt_will_size(size_t body_length)
{
    return sizeof(struct mqtt_will) + body_length;
}

int mqtt_will_keep(struct mqtt_connection *connection, struct slice body, struct error *error)
{
    if (bytes_reserve_exact(&connection->will, body.length, error) ||
        bytes_add(&connection->will, body.data, body.length, error))
        return -1;
    connection->thread->wills_held += mqtt_will_size(body.length);
    return 0;
}

void mqtt_will_drop(struct mqtt_connection *connection)
{
    if (connection->will.length)
        connection->thread->wills_held -= mqtt_will_size(connection->will.length);
    bytes_free(&connection->will);
}

/* Many may wait while the journal is full, and each CONNECT looks for those of its client. What tells a thread's clients from those of
 * other threads is the same for all of them. */
static struct mqtt_will **will_bucket(struct mqtt_thread *thread, struct slice client_id)
{
    const size_t threads = thread->source->threads_count;

    return &thread->wills[mqtt_session_owner(client_id, threads * MQTT_WILL_BUCKETS) / threads];
}

static void will_free(struct mqtt_thread *thread, struct mqtt_will **link)
{
    struct mqtt_will *will = *link;

    *link = will->next;
    thread->wills_count--;
    thread->wills_held -= mqtt_will_size(will->connect.length);
    bytes_free(&will->connect);
    grant_end(&will->grant);
    free(will);
}

static void will_lost(struct slice client_id, const char *text)
{
    log_event(LOG_ERROR, "mqtt.will_lost", log_bytes("client", client_id.data, client_id.length),
        log_text("error", text));
}

static bool will_decode(struct mqtt_thread *thread, const struct bytes *body)
{
    enum mqtt_reason reason;
    struct error error;

    return mqtt_packet_connect(bytes_slice(body), &thread->testament, &reason, &error) == 0;
}

static void will_note(struct mqtt_thread *thread, int64_t due)
{
    if (due < thread->wills_due)
        thread->wills_due = due;
}

/* After its delay, but not after the end of the session (3.1.3.2.2). */
void mqtt_will_leave(struct mqtt_connection *connection)
{
    struct mqtt_thread *thread = connection->thread;
    const struct mqtt_session *session = connection->session;
    const struct slice client_id = {session->client_id, session->client_id_length};
    struct mqtt_will *will = calloc(1, sizeof *will);

    if (!will || !will_decode(thread, &connection->will)) {
        free(will);
        will_lost(client_id, "out of memory");
        return;
    }
    const uint32_t delay = thread->testament.will.properties.delay;
    will->due = thread->now + (delay < session->expiry ? delay : session->expiry) * CLOCK_SECOND;
    memcpy(will->client_id, client_id.data, client_id.length);
    will->client_id_length = client_id.length;
    will->connect = connection->will;
    will->grant = grant_share(&connection->grant);
    will->address = connection->address;
    will->scope = connection->scope;
    bytes_init(&connection->will, MQTT_CONNECT_MAX);
    struct mqtt_will **link = will_bucket(thread, client_id);
    will->next = *link;
    *link = will;
    thread->wills_count++;
    will_note(thread, will->due);
}

void mqtt_will_return(struct mqtt_thread *thread, struct slice client_id, bool clean)
{
    struct mqtt_will **link = will_bucket(thread, client_id);

    while (*link) {
        struct mqtt_will *will = *link;
        const struct slice of = {will->client_id, will->client_id_length};
        const bool waits = slice_equal(of, client_id) && will->due > thread->now;
        if (waits && clean) {
            will->due = thread->now;
            will_note(thread, will->due);
        }
        if (waits && !clean)
            will_free(thread, link);
        else
            link = &will->next;
    }
}

static enum mqtt_stored will_store(
    struct mqtt_thread *thread, struct mqtt_will *will, enum mqtt_reason *ret_reason)
{
    const struct mqtt_connect *connect = &thread->testament;

    *ret_reason = MQTT_REASON_NOT_AUTHORIZED;
    if (will->grant.principal && !access_renew(thread->source->context.access, &will->grant))
        return MQTT_REFUSED; /* it was revoked meanwhile */

    if (!will_decode(thread, &will->connect))
        return MQTT_FAILED;
    thread->publish = connect->will;
    thread->facts.publish = &thread->publish;
    thread->facts.topic = connect->will.topic;
    thread->facts.client_id =
        (struct slice){will->client_id + will->scope, will->client_id_length - will->scope};
    thread->facts.user = connect->user;
    thread->facts.will = true;
    thread->facts.grant = &will->grant;
    const enum mqtt_stored stored = mqtt_store(thread, ret_reason);
    if (stored == MQTT_STORED)
        mqtt_rate_charge(thread, &will->grant, will->address);
    return stored;
}

static void will_store_due_of(struct mqtt_thread *thread, struct mqtt_will **link)
{
    while (*link && !thread->full) {
        struct mqtt_will *will = *link;
        const struct slice client_id = {will->client_id, will->client_id_length};
        enum mqtt_reason reason = MQTT_REASON_SUCCESS;
        enum mqtt_stored stored = will->due > thread->now ? MQTT_NO_ROOM : will_store(thread, will, &reason);
        if (stored == MQTT_AHEAD)
            reason = MQTT_REASON_QUOTA;
        if (stored == MQTT_REFUSED || stored == MQTT_AHEAD || stored == MQTT_FAILED)
            will_lost(client_id, stored == MQTT_FAILED ? "out of memory" : mqtt_reason_name(reason));
        if (will->due > thread->now)
            will_note(thread, will->due);
        if (stored == MQTT_NO_ROOM || stored == MQTT_SUSPENDED)
            link = &will->next;
        else
            will_free(thread, link);
    }
}

void mqtt_will_store_due(struct mqtt_thread *thread)
{
    thread->wills_due = INT64_MAX;
    for (size_t i = 0; i < MQTT_WILL_BUCKETS && thread->wills_count; i++)
        will_store_due_of(thread, &thread->wills[i]);
}

void mqtt_will_free_all(struct mqtt_thread *thread)
{
    for (size_t i = 0; i < MQTT_WILL_BUCKETS; i++) {
        while (thread->wills[i])
            will_free(thread, &thread->wills[i]);
    }
}
