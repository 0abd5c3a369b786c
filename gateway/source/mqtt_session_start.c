/* mqtt_session_start: what a thread's sessions are when the gateway starts, and the end of them all (mqtt_session.h) */
#include "source/mqtt_session_internal.h"

#include <stdlib.h>

struct adoption {
    struct mqtt_sessions *sessions;
    size_t thread, threads;
    int64_t now; /* wall */
};

/* Microseconds that the session has left; 0: its time is over. */
static int64_t found_left(const struct mqtt_session *session, int64_t now)
{
    const int64_t life = session->expiry * CLOCK_SECOND;
    const int64_t passed = session->ended_at < now ? now - session->ended_at : 0;

    if (session->expiry == MQTT_NEVER)
        return INT64_MAX;
    return passed < life ? life - passed : 0;
}

/* In the tables, as one whose connection has gone. */
static void session_settle(struct mqtt_sessions *sessions, struct mqtt_session *session, int64_t now)
{
    const bool stood = session->ended_at <= 0;

    if (stood || session->ended_at > now)
        session->ended_at = now > 0 ? now : 1;
    const int64_t left = found_left(session, now);
    session_table_add(sessions, session);
    sessions->durable++;
    if (left == 0)
        session_drop(sessions, session);
    else
        session_wait(sessions, session, left);
    if (left && stood)
        session_note_record(sessions, session);
}

static struct mqtt_session *session_found(
    const struct mqtt_state_session *found, const uint16_t *packets, size_t packets_count)
{
    struct mqtt_session *session = session_make(found->client_id);

    if (!session)
        return NULL; /* GCOVR_EXCL_LINE: out of memory */
    if (packets_count && !session_reserve_operations(session, packets_count)) {
        session_free(session); /* GCOVR_EXCL_LINE: out of memory */
        return NULL; /* GCOVR_EXCL_LINE: out of memory */
    }
    for (size_t i = 0; i < packets_count; i++)
        mqtt_ids_add(&session->ids, packets[i]);
    session->durable = session->handed_over = session->owns_bytes = true;
    session->number = found->number;
    session->expiry = found->expiry;
    session->ended_at = found->ended_at;
    session->reserved = packets_count;
    return session;
}

/* Of two with one client id, which only damage leaves, the older one goes. */
static int session_adopt(void *context, const struct mqtt_state_session *found, const uint16_t *packets,
    size_t packets_count, struct error *error)
{
    const struct adoption *adoption = context;
    struct mqtt_sessions *sessions = adoption->sessions;

    if (mqtt_session_owner(found->client_id, adoption->threads) != adoption->thread)
        return 0;
    struct mqtt_session *other = mqtt_session_find(sessions, found->client_id);
    struct mqtt_session *session = session_found(found, packets, packets_count);
    if (!session || !session_heap_reserve(sessions, sessions->durable + 1)) {
        /* GCOVR_EXCL_START: out of memory */
        if (session)
            session_free(session);
        return error_set(error, ERROR_RETRY, "sessions: out of memory");
        /* GCOVR_EXCL_STOP */
    }
    if (other && other->number > session->number) {
        session_forget(sessions, session);
        return 0;
    }
    if (other)
        session_drop(sessions, other);
    session_settle(sessions, session, adoption->now);
    return 0;
}

int mqtt_sessions_new(struct mqtt_sessions **ret_sessions, struct mqtt_state *state, size_t most,
    size_t thread, size_t threads, const struct clock *clock, struct error *error)
{
    struct mqtt_sessions *sessions = calloc(1, sizeof *sessions);
    struct adoption adoption = {sessions, thread, threads, clock_wall(clock)};

    if (!sessions)
        return error_set(error, ERROR_RETRY, "sessions: out of memory"); /* GCOVR_EXCL_LINE */
    sessions->state = state;
    sessions->most = most;
    sessions->clock = clock;
    sessions->wall_ahead = adoption.now - clock_monotonic(clock);
    if (session_table_new(sessions, error) || mqtt_state_visit(state, session_adopt, &adoption, error)) {
        mqtt_sessions_free(&sessions); /* GCOVR_EXCL_LINE: out of memory */
        return -1; /* GCOVR_EXCL_LINE: out of memory */
    }
    *ret_sessions = sessions;
    return 0;
}

/* What is gone stands in the lists alone, in both perhaps: the second one frees. */
static void sessions_free_gone(struct mqtt_sessions *sessions)
{
    for (struct mqtt_session *session = sessions->flying, *next; session; session = next) {
        next = session->next_flying;
        if (session->gone && !session->noted_at)
            session_free(session);
    }
    for (struct mqtt_session *session = sessions->noted, *next; session; session = next) {
        next = session->next_noted;
        if (session->gone)
            session_free(session);
    }
}

void mqtt_sessions_free(struct mqtt_sessions **sessions)
{
    struct mqtt_sessions *old = *sessions;

    *sessions = NULL;
    if (!old)
        return;
    sessions_free_gone(old);
    for (size_t i = 0; old->buckets && i < old->buckets_count; i++) {
        for (struct mqtt_session *session = old->buckets[i], *next; session; session = next) {
            next = session->next_in_bucket;
            session_free(session);
        }
    }
    free(old->buckets);
    free(old->heap);
    free(old);
}
