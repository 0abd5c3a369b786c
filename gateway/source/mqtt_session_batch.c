/* mqtt_session_batch: what is noted, what is under way, and how it ends (mqtt_session.h) */
#include "source/mqtt_session_internal.h"

#include <assert.h>

/* ---- noting -------------------------------------------------------------------------------------------------- */

void session_note(struct mqtt_sessions *sessions, struct mqtt_session *session)
{
    if (session->noted_at)
        return;
    session->next_noted = sessions->noted;
    session->noted_at = &sessions->noted;
    if (session->next_noted)
        session->next_noted->noted_at = &session->next_noted;
    sessions->noted = session;
    sessions->noted_bytes += SESSION_WRITE_SIZE + session->client_id_length;
}

void session_note_record(struct mqtt_sessions *sessions, struct mqtt_session *session)
{
    session->rewrite = true;
    session_note(sessions, session);
}

void session_unnote(struct mqtt_sessions *sessions, struct mqtt_session *session)
{
    if (!session->noted_at)
        return;
    *session->noted_at = session->next_noted;
    if (session->next_noted)
        session->next_noted->noted_at = session->noted_at;
    session->noted_at = NULL;
    sessions->noted_bytes -= SESSION_WRITE_SIZE + session->client_id_length;
}

void session_give(struct mqtt_sessions *sessions, struct mqtt_session *session)
{
    if (session->owns_bytes)
        mqtt_state_give_session(sessions->state, session->client_id_length);
    if (session->reserved)
        mqtt_state_give_packets(sessions->state, session->reserved);
    session->owns_bytes = false;
    session->reserved = 0;
}

bool mqtt_sessions_dirty(const struct mqtt_sessions *sessions)
{
    return sessions->noted != NULL;
}

bool mqtt_sessions_flying(const struct mqtt_sessions *sessions)
{
    return sessions->under_way;
}

size_t mqtt_sessions_write_size(const struct mqtt_sessions *sessions)
{
    return sessions->noted_bytes + sizeof(uint32_t) * sessions->noted_operations;
}

/* ---- writing ------------------------------------------------------------------------------------------------- */

static int write_record(
    const struct mqtt_session *session, struct handover *handover, struct bytes *body, struct error *error)
{
    const struct mqtt_state_session stored = {
        session->number, {session->client_id, session->client_id_length}, session->expiry, session->ended_at};

    bytes_clear(body);
    if (mqtt_state_encode_session(body, &stored, session->gone, error))
        return -1; /* GCOVR_EXCL_LINE: out of memory */
    return handover_add(handover, STATE_SESSION, bytes_slice(body), 0, 0, error);
}

static int write_operations(
    const struct mqtt_session *session, struct handover *handover, struct bytes *body, struct error *error)
{
    const size_t count = session->operations_count - session->operations_flying;

    if (count == 0)
        return 0;
    bytes_clear(body);
    if (mqtt_state_encode_packets(
            body, session->number, session->operations + session->operations_flying, count, error))
        return -1;
    return handover_add(handover, STATE_PACKETS, bytes_slice(body), 0, 0, error);
}

/* What goes comes first, so that the image never holds two sessions of one client id. */
static int write_all(
    struct mqtt_sessions *sessions, struct handover *handover, struct bytes *body, struct error *error)
{
    for (const struct mqtt_session *session = sessions->noted; session; session = session->next_noted) {
        if (session->gone && write_record(session, handover, body, error))
            return -1;
    }
    for (const struct mqtt_session *session = sessions->noted; session; session = session->next_noted) {
        if ((session->rewrite && write_record(session, handover, body, error)) ||
            write_operations(session, handover, body, error))
            return -1;
    }
    return 0;
}

/* What goes leaves its bytes to the one that comes in its place. */
static void session_inherit(struct mqtt_session *session)
{
    if (!session->lender)
        return;
    session->owns_bytes = true;
    session->lender->owns_bytes = false;
    session->lender = NULL;
}

int mqtt_sessions_write(struct mqtt_sessions *sessions, struct handover *handover, struct error *error)
{
    const struct handover_mark before = handover_mark(handover);
    cleanup_bytes struct bytes body;

    assert(!sessions->under_way);
    bytes_init(&body, handover->parts.limit);
    if (write_all(sessions, handover, &body, error)) {
        handover_rewind(handover, &before);
        return error_wrap(error, "sessions");
    }
    while (sessions->noted) {
        struct mqtt_session *session = sessions->noted;
        session_unnote(sessions, session);
        session_inherit(session);
        session->rewrite_flying = session->rewrite;
        session->rewrite = false;
        session->handed_over = session->flying = true;
        session->operations_flying = session->operations_count;
        session->next_flying = sessions->flying;
        sessions->flying = session;
        sessions->under_way = true;
    }
    sessions->noted_operations = 0;
    return 0;
}

/* ---- it is durable ------------------------------------------------------------------------------------------- */

static void session_free_gone(struct mqtt_sessions *sessions, struct mqtt_session *session)
{
    session_give(sessions, session);
    session_free(session);
}

/* The image has let go of what was released. */
static void session_written(struct mqtt_sessions *sessions, struct mqtt_session *session)
{
    size_t released = 0;

    if (session->operations_flying == 0)
        return;
    for (size_t i = 0; i < session->operations_flying; i++)
        released += !(session->operations[i] & MQTT_PACKET_TAKEN);
    session->operations_count -= session->operations_flying;
    memmove(session->operations, session->operations + session->operations_flying,
        session->operations_count * sizeof *session->operations);
    session->operations_flying = 0;
    session->reserved -= released;
    if (released)
        mqtt_state_give_packets(sessions->state, released);
}

void mqtt_sessions_written(struct mqtt_sessions *sessions)
{
    struct mqtt_session *session = sessions->flying;

    sessions->flying = NULL;
    sessions->under_way = false;
    while (session) {
        struct mqtt_session *next = session->next_flying;
        session->flying = false;
        if (session->gone && !session->noted_at)
            session_free_gone(sessions, session);
        else
            session_written(sessions, session);
        session = next;
    }
}

/* ---- nobody knows -------------------------------------------------------------------------------------------- */

/* Every operation changed something, so each can be undone, the newest first. */
static void session_undo(struct mqtt_session *session)
{
    for (size_t i = session->operations_count; i-- > 0;) {
        const uint32_t operation = session->operations[i];
        const bool taken = operation & MQTT_PACKET_TAKEN;
        if (taken)
            mqtt_ids_remove(&session->ids, (uint16_t)operation);
        else
            mqtt_ids_add(&session->ids, (uint16_t)operation);
    }
}

/* What was noted since is done again, as far as it still changes anything. */
static void session_redo(struct mqtt_sessions *sessions, struct mqtt_session *session)
{
    size_t kept = 0;

    for (size_t i = session->operations_flying; i < session->operations_count; i++) {
        const uint32_t operation = session->operations[i];
        const bool taken = operation & MQTT_PACKET_TAKEN;
        const bool changed = taken ? mqtt_ids_add(&session->ids, (uint16_t)operation)
                                   : mqtt_ids_remove(&session->ids, (uint16_t)operation);
        if (changed)
            session->operations[kept++] = operation;
        else
            sessions->noted_operations--;
    }
    session->operations_count = kept;
    session->operations_flying = 0;
}

/* On its account is then what is taken, and what was released and is noted. */
static void session_account(struct mqtt_sessions *sessions, struct mqtt_session *session)
{
    const size_t before = session->reserved;

    session->reserved = session->ids.count;
    for (size_t i = 0; i < session->operations_count; i++)
        session->reserved += !(session->operations[i] & MQTT_PACKET_TAKEN);
    assert(session->reserved <= before);
    if (session->reserved < before)
        mqtt_state_give_packets(sessions->state, before - session->reserved);
}

static void session_unknown(struct mqtt_sessions *sessions, struct mqtt_session *session)
{
    if (session->gone) {
        session->operations_count = session->operations_flying = 0;
        session_note(sessions, session);
        return;
    }
    session_undo(session);
    session_redo(sessions, session);
    session_account(sessions, session);
    if (session->rewrite_flying)
        session_note_record(sessions, session);
    else if (session->operations_count == 0 && !session->rewrite)
        session_unnote(sessions, session);
}

/* Who has its connection: itself, or for one that is gone the session in its place, which is told on its own if it is in the list. */
static struct mqtt_session *session_in_place(struct mqtt_sessions *sessions, struct mqtt_session *session)
{
    if (!session->gone)
        return session;
    struct mqtt_session *other =
        mqtt_session_find(sessions, (struct slice){session->client_id, session->client_id_length});
    return other && !other->flying ? other : NULL;
}

void mqtt_sessions_unknown(struct mqtt_sessions *sessions, mqtt_session_lost_fn *lost, void *context)
{
    struct mqtt_session *session, *const all = sessions->flying;

    sessions->flying = NULL;
    sessions->under_way = false;
    for (session = all; session; session = session->next_flying)
        session_unknown(sessions, session);
    for (session = all; session; session = session->next_flying) {
        struct mqtt_session *there = session_in_place(sessions, session);
        if (there && there->connection)
            lost(context, there);
    }
    for (session = all; session; session = session->next_flying)
        session->flying = false;
}
