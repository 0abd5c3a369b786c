/* mqtt_session_internal: the sessions of a thread from within; shared by mqtt_session*.c only. */
#ifndef PENSTOCK_SOURCE_MQTT_SESSION_INTERNAL_H
#define PENSTOCK_SOURCE_MQTT_SESSION_INTERNAL_H

#include "source/mqtt_session.h"

/* The stored forms of a session and of packet ids without those, each with what frames or parts take besides. */
#define SESSION_WRITE_SIZE 96

struct mqtt_sessions {
    struct mqtt_state *state;
    const struct clock *clock;
    size_t most;
    size_t count; /* in the buckets */
    size_t durable; /* of those */
    size_t volatile_ids; /* of those that are not durable */
    int64_t wall_ahead; /* of the monotonic clock, as ended_at knows it */

    struct mqtt_session **buckets; /* by client id */
    size_t buckets_count; /* a power of two */
    uint64_t seed; /* client ids come from strangers */
    struct mqtt_session **heap; /* those that expire, the next one first; place n stands at n - 1 */
    size_t heap_count, heap_capacity;

    struct mqtt_session *noted, *flying;
    size_t noted_bytes; /* SESSION_WRITE_SIZE and client id of those noted */
    size_t noted_operations;
    bool under_way;
};

/* ---- mqtt_session_table.c: where sessions stand --------------------------------------------------------------- */

uint64_t mqtt_client_hash(uint64_t seed, struct slice client_id);

int session_table_new(struct mqtt_sessions *sessions, struct error *error);
struct mqtt_session *session_make(struct slice client_id); /* NULL: out of memory */
void session_free(struct mqtt_session *session);
void session_table_add(struct mqtt_sessions *sessions, struct mqtt_session *session);
void session_table_remove(struct mqtt_sessions *sessions, struct mqtt_session *session);

/* Room for so many; false: out of memory. */
bool session_heap_reserve(struct mqtt_sessions *sessions, size_t count);
void session_heap_add(struct mqtt_sessions *sessions, struct mqtt_session *session);
void session_heap_remove(
    struct mqtt_sessions *sessions, struct mqtt_session *session); /* or it is not there */

/* ---- mqtt_session.c ------------------------------------------------------------------------------------------- */

/* Makes sure that every id may be released, and every operation undone, without memory, after `more` ids are taken. */
bool session_reserve_operations(struct mqtt_session *session, size_t more);

/* From now on it waits for its client; `left` microseconds, INT64_MAX: for ever. */
void session_wait(struct mqtt_sessions *sessions, struct mqtt_session *session, int64_t left);

/* It stands in no table any more. Freed, or noted as gone where the journal may know it. */
void session_forget(struct mqtt_sessions *sessions, struct mqtt_session *session);
void session_drop(struct mqtt_sessions *sessions, struct mqtt_session *session); /* and out of the tables */

/* ---- mqtt_session_batch.c ------------------------------------------------------------------------------------- */

void session_note(struct mqtt_sessions *sessions, struct mqtt_session *session);
void session_note_record(
    struct mqtt_sessions *sessions, struct mqtt_session *session); /* is to be written anew */
void session_unnote(struct mqtt_sessions *sessions, struct mqtt_session *session); /* or it is not there */
void session_give(
    struct mqtt_sessions *sessions, struct mqtt_session *session); /* all that is on its account */

#endif
