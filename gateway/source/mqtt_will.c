/* mqtt_will: the last words of clients that went without a good-bye (3.1.2.5); see mqtt_internal.h
 *
 * A will is kept as the body of the CONNECT that it came in, and taken apart again when it is due. Wills are in memory only: a gateway that
 * ends leaves none, for it says nothing about its clients.
 */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "source/mqtt_internal.h"

static void will_free(struct mqtt_thread *thread, struct mqtt_will **link)
{
    struct mqtt_will *will = *link;

    *link = will->next;
    thread->wills_held -= will->connect.length;
    bytes_free(&will->connect);
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
    bytes_init(&connection->will, MQTT_CONNECT_MAX);
    will->next = thread->wills;
    thread->wills = will;
    will_note(thread, will->due);
}

void mqtt_will_return(struct mqtt_thread *thread, struct slice client_id, bool clean)
{
    struct mqtt_will **link = &thread->wills;

    while (*link) {
        struct mqtt_will *will = *link;
        const struct slice of = {will->client_id, will->client_id_length};
        if (slice_equal(of, client_id) && clean)
            will->due = will->due < thread->now ? will->due : thread->now;
        will_note(thread, will->due);
        if (slice_equal(of, client_id) && !clean && will->due > thread->now)
            will_free(thread, link);
        else
            link = &will->next;
    }
}

static enum mqtt_stored will_store(struct mqtt_thread *thread, const struct mqtt_will *will)
{
    const struct mqtt_connect *connect = &thread->testament;
    enum mqtt_reason reason;

    if (!will_decode(thread, &will->connect))
        return MQTT_FAILED;
    thread->publish = connect->will;
    thread->facts.publish = &thread->publish;
    thread->facts.topic = connect->will.topic;
    thread->facts.client_id = (struct slice){will->client_id, will->client_id_length};
    thread->facts.user = connect->user;
    thread->facts.will = true;
    return mqtt_store(thread, &reason);
}

void mqtt_will_store_due(struct mqtt_thread *thread)
{
    struct mqtt_will **link = &thread->wills;

    thread->wills_due = INT64_MAX;
    while (*link && !thread->full) {
        struct mqtt_will *will = *link;
        const struct slice client_id = {will->client_id, will->client_id_length};
        enum mqtt_stored stored = will->due > thread->now ? MQTT_NO_ROOM : will_store(thread, will);
        if (stored == MQTT_REFUSED || stored == MQTT_FAILED)
            will_lost(
                client_id, stored == MQTT_REFUSED ? "its payload is not what it says" : "out of memory");
        if (will->due > thread->now)
            will_note(thread, will->due);
        if (stored == MQTT_NO_ROOM)
            link = &will->next;
        else
            will_free(thread, link);
    }
}

void mqtt_will_free_all(struct mqtt_thread *thread)
{
    while (thread->wills)
        will_free(thread, &thread->wills);
}
