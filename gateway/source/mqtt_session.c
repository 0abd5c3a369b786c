/* mqtt_session: what happens to sessions and their packet ids (mqtt_session.h) */
#include "source/mqtt_session_internal.h"

#include <assert.h>
#include <stdlib.h>

#define CLOCK_STEP (60 * CLOCK_SECOND) /* the wall clock was set, it did not only run a little wrong */

size_t mqtt_session_owner(struct slice client_id, size_t threads)
{
    return (size_t)(mqtt_client_hash(0, client_id) % threads);
}

size_t mqtt_sessions_count(const struct mqtt_sessions *sessions)
{
    return sessions->count;
}

size_t mqtt_sessions_durable(const struct mqtt_sessions *sessions)
{
    return sessions->durable;
}

/* ---- going --------------------------------------------------------------------------------------------------- */

void session_forget(struct mqtt_sessions *sessions, struct mqtt_session *session)
{
    sessions->noted_operations -= session->operations_count - session->operations_flying;
    session->operations_count = session->operations_flying;
    if (!session->durable || !session->handed_over) {
        session_unnote(sessions, session);
        session_give(sessions, session);
        session_free(session);
        return;
    }
    session->rewrite = false;
    session->gone = true;
    session_note(sessions, session);
}

void session_drop(struct mqtt_sessions *sessions, struct mqtt_session *session)
{
    session_table_remove(sessions, session);
    session_heap_remove(sessions, session);
    if (session->durable)
        sessions->durable--;
    else
        sessions->volatile_ids -= session->ids.count;
    session_forget(sessions, session);
}

void session_wait(struct mqtt_sessions *sessions, struct mqtt_session *session, int64_t left)
{
    if (left == INT64_MAX)
        return;
    session->expires_at = clock_monotonic(sessions->clock) + left;
    session_heap_add(sessions, session);
}

static int64_t session_life(const struct mqtt_session *session)
{
    return session->expiry == MQTT_NEVER ? INT64_MAX : session->expiry * CLOCK_SECOND;
}

/* 0 says something else. */
static int64_t session_moment(int64_t wall)
{
    return wall > 0 ? wall : 1;
}

void mqtt_session_end(struct mqtt_sessions *sessions, struct mqtt_session *session)
{
    session->connection = NULL;
    if (session->expiry == 0) {
        session_drop(sessions, session);
        return;
    }
    session->ended_at = session_moment(clock_wall(sessions->clock));
    session_wait(sessions, session, session_life(session));
    session_note_record(sessions, session);
    if (session->ids.count || session->operations_count)
        return;
    mqtt_ids_free(&session->ids);
    free(session->operations);
    session->operations = NULL;
    session->operations_capacity = 0;
}

void mqtt_session_set_expiry(struct mqtt_sessions *sessions, struct mqtt_session *session, uint32_t expiry)
{
    assert(session->durable || expiry == 0);
    if (session->expiry == expiry)
        return;
    session->expiry = expiry;
    session_note_record(sessions, session);
}

static bool session_is_over(const struct mqtt_sessions *sessions, const struct mqtt_session *session)
{
    return session->place && session->expires_at <= clock_monotonic(sessions->clock);
}

/* What was told in the old time of a clock that was set is told in its new one. */
static void sessions_follow_clock(struct mqtt_sessions *sessions)
{
    const int64_t ahead = clock_wall(sessions->clock) - clock_monotonic(sessions->clock);
    const int64_t step = ahead - sessions->wall_ahead;

    if (step > -CLOCK_STEP && step < CLOCK_STEP)
        return;
    sessions->wall_ahead = ahead;
    for (size_t i = 0; i < sessions->heap_count; i++) {
        struct mqtt_session *session = sessions->heap[i];
        session->ended_at = session_moment(session->ended_at + step);
        session_note_record(sessions, session);
    }
}

void mqtt_sessions_expire(struct mqtt_sessions *sessions)
{
    sessions_follow_clock(sessions);
    for (int i = 0; i < MQTT_EXPIRE_STEP && sessions->heap_count; i++) {
        if (!session_is_over(sessions, sessions->heap[0]))
            break;
        session_drop(sessions, sessions->heap[0]);
    }
}

/* ---- coming -------------------------------------------------------------------------------------------------- */

/* It stays, with its packet ids, whatever its expiry was. */
static void session_resume(struct mqtt_sessions *sessions, struct mqtt_session *session, uint32_t expiry,
    struct mqtt_connection *connection)
{
    session_heap_remove(sessions, session);
    session->connection = connection;
    session->expiry = expiry;
    session->ended_at = 0;
    session_note_record(sessions, session);
}

/* Room for a durable session. In the place of another one of the same client id there is always some, once the record that drops
 * that one and the record of this one go together; until then it stays the other one's, for this one may never be handed over. */
static bool session_reserve(
    struct mqtt_sessions *sessions, struct mqtt_session *session, struct mqtt_session *before)
{
    if (!before) {
        session->owns_bytes = sessions->durable < sessions->most &&
                              mqtt_state_reserve_session(sessions->state, session->client_id_length);
        return session->owns_bytes;
    }
    if (before->handed_over) {
        session->lender = before;
        return true;
    }
    session->owns_bytes = before->owns_bytes;
    session->lender = before->lender;
    before->owns_bytes = false;
    return true;
}

static enum mqtt_session_opened session_start(struct mqtt_sessions *sessions, struct slice client_id,
    uint32_t expiry, struct mqtt_session *before, struct mqtt_session **ret_session)
{
    struct mqtt_session *session = session_make(client_id);

    if (!session || !session_heap_reserve(sessions, sessions->durable + 1)) {
        /* GCOVR_EXCL_START: out of memory */
        if (session)
            session_free(session);
        return MQTT_SESSION_FAILED;
        /* GCOVR_EXCL_STOP */
    }
    session->durable = expiry != 0;
    if (session->durable && !session_reserve(sessions, session, before)) {
        session_free(session);
        return MQTT_SESSION_NO_ROOM;
    }
    if (before)
        session_drop(sessions, before);
    session->expiry = expiry;
    session_table_add(sessions, session);
    *ret_session = session;
    return MQTT_SESSION_NEW;
}

enum mqtt_session_opened mqtt_session_open(struct mqtt_sessions *sessions, struct slice client_id, bool clean,
    uint32_t expiry, struct mqtt_connection *connection, struct mqtt_session **ret_session)
{
    struct mqtt_session *before = mqtt_session_find(sessions, client_id);

    assert(client_id.length > 0 && client_id.length <= MQTT_SESSION_ID_MAX);
    assert(!before || !before->connection);
    if (before && !clean && !session_is_over(sessions, before)) {
        session_resume(sessions, before, expiry, connection);
        *ret_session = before;
        return MQTT_SESSION_PRESENT;
    }
    const enum mqtt_session_opened opened = session_start(sessions, client_id, expiry, before, ret_session);
    if (opened != MQTT_SESSION_NEW)
        return opened;
    (*ret_session)->connection = connection;
    if ((*ret_session)->durable) {
        sessions->durable++;
        (*ret_session)->number = mqtt_state_next_number(sessions->state);
        session_note_record(sessions, *ret_session);
    }
    return opened;
}

/* ---- packet ids of QoS 2 --------------------------------------------------------------------------------------- */

/* Every id may be released without memory, and every operation undone: for that the set keeps room for all that were released. */
bool session_reserve_operations(struct mqtt_session *session, size_t more)
{
    const size_t need = session->operations_count + session->ids.count + 2 * more;
    size_t capacity = session->operations_capacity ? session->operations_capacity : 4;

    if (!mqtt_ids_reserve(&session->ids, need))
        return false; /* GCOVR_EXCL_LINE: out of memory */
    while (capacity < need)
        capacity *= 2;
    if (capacity == session->operations_capacity)
        return true;
    uint32_t *operations = reallocarray(session->operations, capacity, sizeof *operations);
    if (!operations)
        return false; /* GCOVR_EXCL_LINE: out of memory */
    session->operations = operations;
    session->operations_capacity = capacity;
    return true;
}

static void session_note_operation(
    struct mqtt_sessions *sessions, struct mqtt_session *session, uint32_t operation)
{
    assert(session->operations_count < session->operations_capacity);
    session->operations[session->operations_count++] = operation;
    sessions->noted_operations++;
    session_note(sessions, session);
}

static enum mqtt_packet_taken session_take_volatile(
    struct mqtt_sessions *sessions, struct mqtt_session *session, uint16_t id)
{
    if (sessions->volatile_ids >= MQTT_VOLATILE_IDS_MAX ||
        !mqtt_ids_reserve(&session->ids, session->ids.count + 1))
        return MQTT_PACKET_NO_ROOM;
    mqtt_ids_add(&session->ids, id);
    sessions->volatile_ids++;
    return MQTT_PACKET_NEW;
}

enum mqtt_packet_taken mqtt_session_take(
    struct mqtt_sessions *sessions, struct mqtt_session *session, uint16_t id)
{
    assert(id != 0);
    if (mqtt_ids_has(&session->ids, id))
        return MQTT_PACKET_KNOWN;
    if (session->ids.count >= MQTT_SESSION_IDS_MAX)
        return MQTT_PACKET_NO_ROOM;
    if (!session->durable)
        return session_take_volatile(sessions, session, id);
    if (!session_reserve_operations(session, 1) || !mqtt_state_reserve_packets(sessions->state, 1))
        return MQTT_PACKET_NO_ROOM;
    session->reserved++;
    mqtt_ids_add(&session->ids, id);
    session_note_operation(sessions, session, id | MQTT_PACKET_TAKEN);
    return MQTT_PACKET_NEW;
}

/* The last thing noted, if it took this id, is as if it had not been. */
static bool session_untake(struct mqtt_sessions *sessions, struct mqtt_session *session, uint16_t id)
{
    if (session->operations_count == session->operations_flying ||
        session->operations[session->operations_count - 1] != (id | MQTT_PACKET_TAKEN))
        return false;
    session->operations_count--;
    sessions->noted_operations--;
    session->reserved--;
    mqtt_state_give_packets(sessions->state, 1);
    if (!session->rewrite && session->operations_count == session->operations_flying)
        session_unnote(sessions, session);
    return true;
}

bool mqtt_session_release(struct mqtt_sessions *sessions, struct mqtt_session *session, uint16_t id)
{
    if (!mqtt_ids_remove(&session->ids, id))
        return false;
    if (!session->durable)
        sessions->volatile_ids--;
    else if (!session_untake(sessions, session, id))
        session_note_operation(sessions, session, id);
    return true;
}
