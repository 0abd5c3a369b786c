/* mqtt_state: the sessions that outlive a connection, as the journal holds them.
 *
 * A session is a client id, when it ends, and the packet ids of QoS 2 messages that are stored and not yet released (4.1 of MQTT 5.0). The
 * table here is the image of what is durable: the committer applies to it, a snapshot is dumped from it. The I/O threads work on their
 * own copies (mqtt_session.h), which are ahead of it by what is under way.
 *
 * Stored forms (little endian; journal/FORMAT.md lists the kinds):
 *   STATE_SESSION  u8 version = 1, u8 flags, u16 length of the client id, u32 expiry in seconds (UINT32_MAX: never), u64 number,
 *                  i64 ended_at, id (1 to 385 bytes without NUL: the client id, where credentials are asked for with whose it is in front). Replaces what was known of the session but for its packet ids.
 *                  Flag 1, gone: the session and its packet ids are no more. Flag 2, used: no session, but all numbers up to this one
 *                  were given; each snapshot has one. Both without expiry, ended_at and client id.
 *   STATE_PACKETS  u8 version = 1, u8 0, u16 0, u32 0, u64 number, then u32 each, in order: packet id, + MQTT_PACKET_TAKEN when it
 *                  was taken, else it was released. Of a session that is not there: nothing happens.
 *
 * A number is given once in the life of a journal, so that no record can ever speak of another session than its writer meant; and of
 * two sessions with one client id (damage has taken the record that dropped one) the higher number is the one that counts.
 *
 * All of it stays below MQTT_STATE_SHARE of the share of a segment that is for state: whoever makes it grow reserves the bytes first,
 * and gives them back when it is durable that they are free. So the image never exceeds what is reserved.
 */
#ifndef PENSTOCK_SOURCE_MQTT_STATE_H
#define PENSTOCK_SOURCE_MQTT_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "journal/state.h"

#define MQTT_CLIENT_ID_MAX 256 /* bytes that a client may choose */
#define MQTT_SESSION_ID_MAX \
    (128 + 1 + MQTT_CLIENT_ID_MAX) /* with whose session it is in front, see mqtt_access.c */
#define MQTT_STATE_SHARE 4 /* of what JOURNAL_STATE_SHARE leaves */
#define MQTT_STATE_PACKETS_SHARE \
    8 /* of that: what sessions leave to packet ids, for those that are there already */
#define MQTT_STATE_KINDS 2
#define MQTT_PACKET_TAKEN UINT32_C(0x10000)
#define MQTT_NEVER UINT32_MAX

struct mqtt_state;

struct mqtt_state_session {
    uint64_t number; /* of this session, never used twice in this journal */
    struct slice client_id;
    uint32_t expiry; /* seconds from the end of its connection; MQTT_NEVER. 0: ends with it */
    int64_t ended_at; /* wall clock; 0: its connection stands, or stood when the gateway ended */
};

/* segment_size: what the ceiling follows from. */
int mqtt_state_new(struct mqtt_state **ret_state, uint64_t segment_size, struct error *error);
void mqtt_state_free(struct mqtt_state **state);

/* Rows of the journal's table (journal/state.h): STATE_SESSION and STATE_PACKETS share one state. */
void mqtt_state_kinds(struct mqtt_state *state, struct state_kind ret_kinds[MQTT_STATE_KINDS]);

/* Behind journal_open(): reserves what recovery found, all of it. ERROR_FATAL when that is more than the ceiling (the segments were
 * larger before); the text says how large they have to be. @thread main */
int mqtt_state_check(struct mqtt_state *state, struct error *error);

/* Bodies for handover_add(), appended. Of one that is gone the number alone counts. */
int mqtt_state_encode_session(
    struct bytes *out, const struct mqtt_state_session *session, bool gone, struct error *error);
int mqtt_state_encode_packets(
    struct bytes *out, uint64_t number, const uint32_t *operations, size_t count, struct error *error);
#define MQTT_SESSION_BODY_MAX (24 + MQTT_SESSION_ID_MAX)
#define MQTT_PACKETS_BODY(count) (16 + 4 * (size_t)(count))

/* Reserves room for a session with this client id, or for packet ids; false: there is none. What goes away is given back
 * once that is durable. Recovered state is reserved already. @thread any */
bool mqtt_state_reserve_session(struct mqtt_state *state, size_t client_id_length);
void mqtt_state_give_session(struct mqtt_state *state, size_t client_id_length);
bool mqtt_state_reserve_packets(struct mqtt_state *state, size_t count);
void mqtt_state_give_packets(struct mqtt_state *state, size_t count);

uint64_t mqtt_state_next_number(struct mqtt_state *state); /* @thread any */

struct mqtt_state_usage {
    uint64_t reserved; /* bytes of a snapshot */
    uint64_t limit;
};

void mqtt_state_usage(const struct mqtt_state *state, struct mqtt_state_usage *ret_usage); /* @thread any */

/* Calls visit for each session with its packet ids, between journal_open() and the first hand-over. @thread main */
typedef int mqtt_state_visit_fn(void *context, const struct mqtt_state_session *session,
    const uint16_t *packets, size_t packets_count, struct error *error);
int mqtt_state_visit(
    struct mqtt_state *state, mqtt_state_visit_fn *visit, void *context, struct error *error);

#endif
