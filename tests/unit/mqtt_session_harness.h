/* mqtt_session_harness: the sessions of one thread on a journal in a temporary directory, with a clock that stands still. */
#ifndef PENSTOCK_TESTS_MQTT_SESSION_HARNESS_H
#define PENSTOCK_TESTS_MQTT_SESSION_HARNESS_H

#include "journal_harness.h"

#include "source/mqtt_session.h"

#define SHELF_MOST 100 /* durable sessions */
#define SHELF_WALL (INT64_C(1800000000) * CLOCK_SECOND) /* where the clocks start */
#define SHELF_MONOTONIC (INT64_C(5000) * CLOCK_SECOND)
#define SHELF_CALLS \
    ((1u << DISK_CALLS) - 1 - (1u << DISK_UNLINK)) /* that fail: what is begun can be cleared away */
#define DAY (86400 * CLOCK_SECOND)

struct mqtt_connection {
    unsigned client;
    unsigned lost; /* how often lost() was called */
    bool closed;
};

struct shelf {
    struct fixture journal;
    struct state_kind kinds[MQTT_STATE_KINDS];
    struct mqtt_state *state;
    struct mqtt_sessions *sessions;
    size_t most;
    struct handover handover; /* of the batch under way */
    int64_t wall, monotonic;
    uint64_t moved; /* where the cursor of outlet "one" was last moved to */
    struct error error;
};

extern struct shelf shelf;
extern const struct clock shelf_clock;

void shelf_set_up(void);
void shelf_tear_down(void);

/* Both clocks. */
void shelf_pass(int64_t time);

int shelf_open(void); /* everything; -1 with shelf.error */
void shelf_close(void); /* in good order, but what is noted or under way is gone */
void shelf_reopen(void);
void shelf_kill(void); /* as kill -9 would: nothing more reaches the disk */
void shelf_crash(void); /* and opened again */

/* A disk that failed is well again, and the journal has seen it. */
void shelf_heal(void);

/* Moves the cursor of outlet "one" there, sooner or later; never back. */
void shelf_move(uint64_t position);

/* Writes what is noted, behind a record with this number (0: none). */
void shelf_write(uint64_t record);
/* Gives what was written to the journal, and waits. */
enum handover_result shelf_hand_over(void);
/* The same with one of the test's own. */
void shelf_handover_init(struct handover *handover);
enum handover_result shelf_give(struct handover *handover);
/* Again and again, while it is refused. */
void shelf_hand_over_at_last(void);
/* All of it, with what has to come then; asserts that it is durable. */
void shelf_commit(void);
/* The same on a disk that fails: its outcome is unknown, and everything behind it fails until shelf_heal() or shelf_crash(). With `there`,
 * a crash finds it. */
void shelf_commit_unknown(bool there);

struct mqtt_session *shelf_find(const char *client_id);
enum mqtt_session_opened shelf_connect(const char *client_id, bool clean, uint32_t expiry,
    struct mqtt_connection *connection, struct mqtt_session **ret_session);

/* What a snapshot of the image takes now, as mqtt_state.h counts it; nothing is under way. */
uint64_t shelf_image_bytes(void);
uint64_t shelf_reserved(void);

/* The image as text: "client_id/expiry/ended_at:1,2,3 ..." in the order of client ids; ended_at as "-" for 0 and else in seconds behind
 * the start of the clock; ids sorted. */
const char *shelf_image(void);

#endif
