/* mqtt_session: the sessions of one I/O thread, as they will be once everything under way is durable.
 *
 * Every client id belongs to one thread (mqtt_session_owner()), so that a session is never looked at by two. A session with a connection
 * always stands here; without one it stays until it expires. What changes is noted in it and written with the next batch:
 * mqtt_session_write(). All of it belongs to one thread, but for what mqtt_state.h says.
 */
#ifndef PENSTOCK_SOURCE_MQTT_SESSION_H
#define PENSTOCK_SOURCE_MQTT_SESSION_H

#include "journal/journal.h"
#include "source/mqtt_state.h"

struct mqtt_connection;
struct mqtt_sessions;

struct mqtt_session {
    char *client_id; /* owned, terminated; may hold no NUL */
    size_t client_id_length;
    struct mqtt_connection *connection; /* NULL: none */
    bool durable; /* it stands in the journal, or will: expiry is not 0 */
    uint64_t number; /* of a durable one */
    uint32_t expiry; /* seconds; MQTT_NEVER */
    int64_t ended_at; /* wall clock; 0: connected */
    /* private */
    struct mqtt_session *next_in_bucket, *next_dirty;
    bool is_dirty, rewrite, gone;
    uint16_t *packets; /* open-addressed set; 0: free */
    size_t packets_count, packets_capacity;
    uint32_t *operations; /* of packet ids, since the last write */
    size_t operations_count, operations_capacity;
};

/* Which of `threads` threads a client id belongs to. */
size_t mqtt_session_owner(struct slice client_id, size_t threads);

/* `most`: durable sessions, of this thread. Takes over those of the state that belong to this one of `threads` threads; ended_at of those
 * whose connection stood is set to now. Between journal_open() and the first hand-over. @thread main */
int mqtt_sessions_new(struct mqtt_sessions **ret_sessions, struct mqtt_state *state, size_t most,
    size_t thread, size_t threads, int64_t now, struct error *error);
void mqtt_sessions_free(struct mqtt_sessions **sessions);

size_t mqtt_sessions_count(const struct mqtt_sessions *sessions); /* all */

/* NULL when there is none. */
struct mqtt_session *mqtt_session_find(struct mqtt_sessions *sessions, struct slice client_id);

enum mqtt_session_opened {
    MQTT_SESSION_NEW, /* nothing was there, or it was dropped */
    MQTT_SESSION_PRESENT, /* taken up with its packet ids */
    MQTT_SESSION_NO_ROOM, /* too many durable sessions, or too much state; nothing is changed */
    MQTT_SESSION_FAILED, /* memory is gone; nothing is changed */
};

/* A connection comes. With clean, or when expiry is 0, what was there is dropped (durably, where it was durable). The one that
 * had the session before has been taken away by the caller. */
enum mqtt_session_opened mqtt_session_open(struct mqtt_sessions *sessions, struct slice client_id, bool clean,
    uint32_t expiry, struct mqtt_connection *connection, struct mqtt_session **ret_session);

/* Its connection is gone: it stays for its expiry, or is dropped and freed when that is 0. */
void mqtt_session_end(struct mqtt_sessions *sessions, struct mqtt_session *session, int64_t now);

/* A DISCONNECT with another expiry (3.14.2.2.2); from 0 to anything is a protocol error, which the caller has refused. */
void mqtt_session_set_expiry(struct mqtt_sessions *sessions, struct mqtt_session *session, uint32_t expiry);

/* Drops those without a connection whose time is over. */
void mqtt_sessions_expire(struct mqtt_sessions *sessions, int64_t now);

/* ---- packet ids of QoS 2 ---------------------------------------------------------------------------------- */

enum mqtt_packet_taken { MQTT_PACKET_NEW, MQTT_PACKET_KNOWN, MQTT_PACKET_NO_ROOM };

/* Known: its message is stored, or on its way there. No room: nothing is changed. */
enum mqtt_packet_taken mqtt_session_take(
    struct mqtt_sessions *sessions, struct mqtt_session *session, uint16_t id);
bool mqtt_session_release(
    struct mqtt_sessions *sessions, struct mqtt_session *session, uint16_t id); /* false: unknown */

/* ---- what is to be stored ---------------------------------------------------------------------------------- */

bool mqtt_sessions_dirty(const struct mqtt_sessions *sessions);

/* Adds everything noted since the last call to the hand-over, as state records. */
int mqtt_sessions_write(struct mqtt_sessions *sessions, struct handover *handover, struct error *error);

/* The outcome of the last hand-over is unknown: nobody was told of it. Its packet ids count as released, for a message that may come
 * twice is better than one that is lost; everything of the sessions that it touched is written again. */
void mqtt_sessions_unknown(struct mqtt_sessions *sessions);

/* And this when it is durable. */
void mqtt_sessions_written(struct mqtt_sessions *sessions);

#endif
