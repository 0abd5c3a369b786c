/* mqtt_session_model: what MQTT clients know of their sessions and QoS 2 messages, and what the image of their sessions has to be; plain, so that
 * it can be judged by reading. */
#ifndef PENSTOCK_TESTS_MQTT_SESSION_MODEL_H
#define PENSTOCK_TESTS_MQTT_SESSION_MODEL_H

#include "mqtt_session_harness.h"

#define CLIENTS 6
#define IDS 9
#define MESSAGES_MAX 20000
#define OPERATIONS_MAX 2000
#define UNKNOWN_MAX 64

/* ---- what clients know --------------------------------------------------------------------------------------------- */

struct slot {
    uint64_t message; /* 0: the packet id is free */
    bool received; /* PUBREC has come: PUBREL is what is to be sent */
    bool sent; /* on this connection */
};

struct client {
    char name[16];
    struct mqtt_connection *link;
    bool clean, greeted;
    bool has_session; /* as far as it knows */
    bool must_clean; /* until a CONNACK comes */
    uint32_t expiry, wanted; /* what it may count on, and what it has asked for */
    int64_t lost_at; /* its last connection that was answered */
    struct slot slots[IDS + 1];
};

struct message {
    bool acknowledged, abandoned;
    unsigned found; /* in the journal */
};

struct model {
    struct client clients[CLIENTS];
    struct message messages[MESSAGES_MAX]; /* from 1 */
    uint64_t messages_count;
    struct image {
        uint64_t serial; /* of the batch that it stands behind */
        struct life {
            uint64_t number; /* 0: there is none */
            bool durable;
            uint32_t expiry;
            int64_t ended_at; /* 0: its connection stands */
            bool ids[IDS + 1];
        } of[CLIENTS];
    } live, under_way, durable, unknown[UNKNOWN_MAX];
    size_t unknown_count; /* batches that a crash may find, since the last one that is durable */
    struct operation {
        unsigned client;
        uint64_t life;
        unsigned id;
        bool take;
    } operations[OPERATIONS_MAX]; /* noted since the last write */
    size_t operations_count;
    uint64_t lives, serials;
    unsigned expired;
};

extern struct model model;

/* It gives up its messages. */
void client_forget(struct client *client);
/* Before it connects: its session may have ended, on both sides (3.1.2.11.2). */
void client_expire(struct client *client);
void client_connects(struct client *client, struct mqtt_connection *link, uint32_t expiry);
void client_disconnected(struct client *client);
/* CONNACK; false: it closes the connection. */
bool client_answered(struct client *client, enum mqtt_session_opened opened);
void client_received(struct slot *slot); /* PUBREC */
void client_completed(struct slot *slot); /* PUBCOMP */

/* ---- what the image has to be ---------------------------------------------------------------------------------------- */

bool life_is_over(const struct life *life);
void live_expire(void);
void live_end(struct life *life);
void live_operate(unsigned client, unsigned id, bool take);

/* A batch is written, is durable, or nobody knows. */
void model_write(void);
void model_written(void);
void model_unknown(void);

/* What a crash left is what stood behind the batch with this serial; then the time that has passed counts. NULL: that cannot be. */
const struct image *model_recover(uint64_t serial);

/* As shelf_image() tells it. */
const char *image_text(const struct image *image);

/* The live sessions are those of the model. */
void check_live(void);

#endif
