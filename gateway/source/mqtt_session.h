/* mqtt_session: the sessions of one I/O thread, as they will be once everything under way is durable.
 *
 * Every client id belongs to one thread (mqtt_session_owner()), so that a session is never looked at by two. A session with a connection
 * always stands here; without one it stays until it expires. What changes is noted in it and written with the next batch:
 * mqtt_sessions_write(). All of it belongs to one thread, but for what mqtt_state.h says.
 *
 * Batches. What is noted between two writes is one batch; it travels in one hand-over with the records of the messages that it is
 * about, and so is durable with them or not at all. One batch at a time is under way: the next write comes after
 * mqtt_sessions_written() or mqtt_sessions_unknown(). (A write that builds on another one that might fail could become durable
 * without it. Hand-overs without state are not bound by this: they may go whenever !mqtt_sessions_dirty().)
 *
 * Answers. PUBREC, PUBCOMP and CONNACK leave when the batch that was open while their packet was taken is durable, and so are all
 * before it: also the PUBREC of a packet id that was MQTT_PACKET_KNOWN, and the PUBCOMP of one that was not, for the take or the
 * release that made it so may still be under way. Only the CONNACK of a session that is taken up, or that nothing was dropped for, may leave at
 * once: a crash costs that session no more than its new expiry. A batch with nothing to hand over is durable once its predecessor is.
 * This, with the hand-over's all or nothing, is what makes a QoS 2 message arrive exactly once (4.3.3):
 *   crash before the take is durable      neither message nor id are there; no PUBREC left; the client sends PUBLISH again: new
 *   crash behind it                       both are there; PUBLISH again: known, not stored again; PUBREL: known
 *   crash before the release is durable   the id is there; no PUBCOMP left, so the client does not use it for another message, and
 *                                         sends PUBREL again: known
 *   crash behind it                       PUBREL again: unknown, PUBCOMP all the same; the id is free for the next message
 * and the same holds for a clean start, whose CONNACK says that the client may use all ids anew.
 *
 * Time. A session that waits for its client is measured with the monotonic clock; ended_at is the wall clock's, for the next start. When
 * the wall clock is set, ended_at goes along, so that no session is dropped early, nor stays for ever. While the gateway is down the
 * wall clock counts; what ended in the future ended now. A connection that stood when the gateway ended counts from the next
 * start on, because nobody knows when it ended.
 */
#ifndef PENSTOCK_SOURCE_MQTT_SESSION_H
#define PENSTOCK_SOURCE_MQTT_SESSION_H

#include "base/clock.h"
#include "journal/journal.h"
#include "source/mqtt_ids.h"
#include "source/mqtt_state.h"

#define MQTT_SESSION_IDS_MAX 4096 /* packet ids of QoS 2 that one session may hold at a time */
#define MQTT_VOLATILE_IDS_MAX (1 << 20) /* of all sessions of a thread that are not durable */

struct mqtt_connection;
struct mqtt_sessions;

struct mqtt_session {
    char *client_id; /* owned, terminated; may hold no NUL */
    size_t client_id_length;
    struct mqtt_connection *connection; /* NULL: none */
    bool durable; /* it stands in the journal, or will */
    uint64_t number; /* of a durable one */
    uint32_t expiry; /* seconds; MQTT_NEVER; 0: ends with its connection */
    int64_t ended_at; /* wall clock; 0: connected */
    /* private */
    struct mqtt_session *next_in_bucket;
    struct mqtt_session *next_noted; /* in the open batch */
    struct mqtt_session **noted_at; /* what points to it there; NULL: it is not in it */
    struct mqtt_session *next_flying; /* in the batch under way */
    size_t place; /* in the heap of those that expire, from 1; 0: none */
    int64_t expires_at; /* monotonic */
    bool flying; /* is in the batch under way */
    bool rewrite, rewrite_flying; /* its session record is part of that batch */
    bool handed_over; /* once at least: the journal may know it */
    bool gone; /* dropped; stays until that is durable */
    bool owns_bytes; /* its session record is reserved on its own account */
    struct mqtt_session
        *lender; /* the one in whose place it came, until both are handed over: its bytes are used then */
    struct mqtt_ids ids; /* taken */
    size_t reserved; /* ids on its account: taken, or released and not durably so */
    uint32_t *operations; /* on ids: those under way, then those noted */
    size_t operations_count, operations_flying, operations_capacity;
};

/* Which of `threads` threads a client id belongs to. */
size_t mqtt_session_owner(struct slice client_id, size_t threads);

/* `most`: durable sessions, of this thread; found ones stay also above it. Takes over those of the state that belong to this one of
 * `threads` threads; those whose time was over meanwhile are dropped; ended_at of those whose connection stood is now. Both is
 * noted for the first batch. Between journal_open() and the first hand-over; the clock outlives it. @thread main */
int mqtt_sessions_new(struct mqtt_sessions **ret_sessions, struct mqtt_state *state, size_t most,
    size_t thread, size_t threads, const struct clock *clock, struct error *error);
void mqtt_sessions_free(struct mqtt_sessions **sessions); /* no connection stands */

size_t mqtt_sessions_count(const struct mqtt_sessions *sessions); /* all */
size_t mqtt_sessions_durable(const struct mqtt_sessions *sessions);

/* NULL when there is none. */
struct mqtt_session *mqtt_session_find(struct mqtt_sessions *sessions, struct slice client_id);

enum mqtt_session_opened {
    MQTT_SESSION_NEW, /* nothing was there, or it was dropped */
    MQTT_SESSION_PRESENT, /* taken up with its packet ids */
    MQTT_SESSION_NO_ROOM, /* too many durable sessions, or too much state; nothing is changed */
    MQTT_SESSION_FAILED, /* memory is gone; nothing is changed */
};

/* A connection comes; client_id has 1 to MQTT_SESSION_ID_MAX bytes, none of them NUL. With clean, what was there is dropped, durably where
 * it was durable; without, it is taken up whatever its expiry was and is to be (3.1.2.4), unless its time is over. A new session is
 * durable when its expiry is not 0. The connection that had the session before has been ended by the caller. */
enum mqtt_session_opened mqtt_session_open(struct mqtt_sessions *sessions, struct slice client_id, bool clean,
    uint32_t expiry, struct mqtt_connection *connection, struct mqtt_session **ret_session);

/* Its connection is gone: it stays for its expiry, or is dropped when that is 0. The pointer is no longer the caller's. */
void mqtt_session_end(struct mqtt_sessions *sessions, struct mqtt_session *session);

/* A DISCONNECT with another expiry (3.14.2.2.2); from 0 to anything is a protocol error, which the caller has refused. */
void mqtt_session_set_expiry(struct mqtt_sessions *sessions, struct mqtt_session *session, uint32_t expiry);

/* Drops those without a connection whose time is over, at most MQTT_EXPIRE_STEP of them, and looks after clocks that were set. Call it
 * about once a second. */
#define MQTT_EXPIRE_STEP 1000
void mqtt_sessions_expire(struct mqtt_sessions *sessions);

/* ---- packet ids of QoS 2 ---------------------------------------------------------------------------------- */

enum mqtt_packet_taken { MQTT_PACKET_NEW, MQTT_PACKET_KNOWN, MQTT_PACKET_NO_ROOM };

/* New: its message goes into the hand-over of this batch; where that fails after all, mqtt_session_release() in the same batch takes it
 * back without a trace. Known: its message is stored, or on its way there. No room: nothing is changed. */
enum mqtt_packet_taken mqtt_session_take(
    struct mqtt_sessions *sessions, struct mqtt_session *session, uint16_t id);
bool mqtt_session_release(
    struct mqtt_sessions *sessions, struct mqtt_session *session, uint16_t id); /* false: unknown */

/* ---- what is to be stored ---------------------------------------------------------------------------------- */

bool mqtt_sessions_dirty(const struct mqtt_sessions *sessions);
bool mqtt_sessions_flying(const struct mqtt_sessions *sessions); /* a batch is under way */

/* What mqtt_sessions_write() would add now, at most, to handover.size as well as to its parts: for whoever sets their limits, or closes
 * a batch early. For each session noted it is its client id and 96 bytes, in all never more than all sessions may take in a
 * snapshot (mqtt_state_usage()) and as much again for those dropped and opened anew; for each operation on a packet id 4 bytes. */
size_t mqtt_sessions_write_size(const struct mqtt_sessions *sessions);

/* Adds everything noted to the hand-over, as state records: the batch is under way. When the hand-over is refused for now (ERROR_RETRY,
 * HANDOVER_REFUSED) hand over the same again. On failure nothing is changed, neither here nor in the hand-over. */
int mqtt_sessions_write(struct mqtt_sessions *sessions, struct handover *handover, struct error *error);

/* The batch under way is durable: answers may go. */
void mqtt_sessions_written(struct mqtt_sessions *sessions);

/* The outcome of the batch under way is unknown, or it is given up: everything in it is as if it had not been. Ids that were taken are
 * free (nobody was told that their messages are stored), ids that were released are taken (nobody was told that they are free), and that
 * is what the journal will say as well: the next group that is durable makes void what was left of this one, and a crash
 * before it leaves both, message and id, or none. What sessions were opened, ended or dropped is noted again.
 *
 * Calls `lost` for each session that the batch touched, or that came in the place of one, while its connection stands: decisions in
 * it, perhaps of the open batch too, were made on what is not so, and none of its answers may leave. It has to be closed without any;
 * the client comes back and sends again what was not answered. lost() may call mqtt_session_end(), nothing else; it may be called
 * twice for a session that it does not end. */
typedef void mqtt_session_lost_fn(void *context, struct mqtt_session *session);
void mqtt_sessions_unknown(struct mqtt_sessions *sessions, mqtt_session_lost_fn *lost, void *context);

#endif
