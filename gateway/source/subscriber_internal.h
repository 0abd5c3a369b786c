/* subscriber_internal: what the files of the subscriber share.
 *
 * One thread per broker owns everything of it; the committer touches only `result`, `back` and `wake`. The library (libmosquitto) runs with an
 * external loop and in its threaded mode, in which it queues a PUBACK as it gets a message and sends what is queued in
 * mosquitto_loop_write() alone. So the thread reads a burst into the batch, hands it over, waits until it is durable, and only then
 * writes. Until then nothing is written at all, not even a ping: hence the rule for keep_alive. A connection that ends takes the
 * acknowledgements that are queued with it, for every connection has a handle of its own; the broker sends the messages again.
 *
 * Connecting blocks (names, TCP), so it is done by a thread that lives as long as that takes: the dial.
 *
 * Memory of a broker: its batch (SUBSCRIBER_BATCH_BYTES, or one message of mqtt.max_packet when that is more), the descriptions of its
 * records, a window (SUBSCRIBER_WINDOW), a packet that is not whole yet, and in the library one packet and the acknowledgements of one
 * batch. Over TLS, where nobody can look at what comes, a packet may be as large as MQTT allows.
 */
#ifndef PENSTOCK_SOURCE_SUBSCRIBER_INTERNAL_H
#define PENSTOCK_SOURCE_SUBSCRIBER_INTERNAL_H

#include <mosquitto.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/metric.h"
#include "source/intake.h"
#include "source/mqtt_facts.h"
#include "source/source.h"
#include "source/subscriber_url.h"
#include "source/subscriber_window.h"

#define SUBSCRIBER_SOURCE_NAME "subscriber"
#define SUBSCRIBER_BATCH_BYTES ((size_t)4 << 20)
#define SUBSCRIBER_CLIENT_ID_MAX 256
#define SUBSCRIBER_CONNECT_PATIENCE (10 * CLOCK_SECOND) /* from TCP to CONNACK */
#define SUBSCRIBER_YOUNG (10 * CLOCK_SECOND) /* a connection that ends earlier has not worked */
#define SUBSCRIBER_YOUNG_ENDS 3 /* in a row: somebody takes the client id */
#define SUBSCRIBER_HOLD_PAUSE (CLOCK_SECOND / 10) /* between two tries at a journal that takes nothing */
#define SUBSCRIBER_HOLD_TOLD (2 * CLOCK_SECOND) /* so long that may take until it is told */
#define SUBSCRIBER_RESUBSCRIBE (60 * CLOCK_SECOND) /* between two tries at filters that were refused */
#define SUBSCRIBER_GAP_TOLD (3600 * CLOCK_SECOND) /* so long /readyz tells of a lost session */
#define SUBSCRIBER_TEXT 256

/* ---- what is wrong ------------------------------------------------------------------------------------------- */

/* Identifier, the metric's reason, and what is to be done. */
#define SUBSCRIBER_TROUBLE_TABLE(X)                                                                        \
    X(UNREACHABLE, "unreachable", "is the broker up, and the url right?")                                  \
    X(TLS, "tls", "look at tls.ca, tls.certificate and tls.key, and at the broker's certificate")          \
    X(FILE, "file", "it is read again with the next try")                                                  \
    X(VERSION, "version", "set version to the one that the broker speaks")                                 \
    X(CLIENT_ID, "client_id", "set another client_id")                                                     \
    X(CREDENTIALS, "credentials",                                                                          \
        "look at user and at the file of password_file, which is read again with every try")               \
    X(REFUSED, "refused", "the broker's log says why")                                                     \
    X(CLOSED, "closed", "the broker's log says why")                                                       \
    X(SILENT, "silent", "is the network all right?")                                                       \
    X(TAKEN_OVER, "taken_over",                                                                            \
        "another client has this client id: give each its own client_id, then restart")                    \
    X(FILTERS, "filters", "the broker has to allow them; they are tried again once a minute")              \
    X(PROTOCOL, "protocol", "nothing was lost: what was not acknowledged is sent again")                   \
    X(TOO_LARGE, "too_large", "raise mqtt.max_packet: the message waits in the broker, and all behind it") \
    X(HELD, "held", "nothing is lost: the broker keeps what is not acknowledged")

enum subscriber_trouble {
    SUBSCRIBER_FINE,
#define SUBSCRIBER_TROUBLE_ENUM(id, word, advice) SUBSCRIBER_##id,
    SUBSCRIBER_TROUBLE_TABLE(SUBSCRIBER_TROUBLE_ENUM)
#undef SUBSCRIBER_TROUBLE_ENUM
        SUBSCRIBER_TROUBLES
};

/* ---- a broker ------------------------------------------------------------------------------------------------ */

struct subscriber_settings {
    const struct config_subscription *from; /* its filters, files and pauses */
    struct subscriber_url url;
    char address[SUBSCRIBER_HOST_MAX + 32]; /* the url as it is shown */
    char client_id[SUBSCRIBER_CLIENT_ID_MAX + 1];
    bool v5;
    uint16_t keep_alive; /* seconds */
    uint32_t session_expiry; /* seconds; UINT32_MAX: never */
};

/* Records of one stream in a batch. */
struct subscriber_count {
    uint64_t accepted, schema_invalid;
    uint64_t rejected[INTAKE_REASONS];
    bool touched; /* some record, undecodable ones too */
};

struct subscriber_batch {
    struct handover handover;
    char *payloads;
    size_t used;
    size_t messages;
    bool unguarded; /* one is of QoS 0: the broker will not send it again */
    struct subscriber_count *counts; /* by place */
};

/* One connection. */
struct subscriber_link {
    struct mosquitto *handle; /* NULL: there is none */
    bool up; /* its CONNACK was there */
    enum subscriber_trouble ended; /* not SUBSCRIBER_FINE: nothing is read or written any more */
    char text[SUBSCRIBER_TEXT]; /* what has ended it */
    char log[SUBSCRIBER_TEXT]; /* what the library said last, until `up` */
    int64_t since; /* when it was made, later when it was up (monotonic) */
    int64_t misc_at; /* next look at the keep alive */
    uint64_t messages; /* that came */
    int socket; /* the connection, whatever stands in its place for the library, or when that has closed it */
    int pair
        [2]; /* what stands there for a packet that did not come whole; [1] is the library's; -1: none yet */
    struct bytes rest; /* of a packet that is not whole: what has come of it */
    uint64_t quiet_from; /* TLS: bytes that had come with the last message, or when nothing came last */
    int subscribing; /* packet id of the SUBSCRIBE under way; 0: none */
    int64_t subscribe_at; /* next try at filters that were refused; 0: none */
};

struct subscriber_dial;

struct subscriber {
    struct source *source;
    struct subscriber_settings settings;
    pthread_t thread;
    bool running;
    int wake; /* eventfd: the batch is back, or `stopping` */

    struct subscriber_batch batch;
    bool in_journal;
    enum handover_result result; /* set before `back` */
    atomic_bool back; /* @thread committer sets, the thread clears */
    bool held; /* the journal took nothing, and the batch was given up with its connection */

    struct intake *intake;
    struct intake_result taken; /* of the message at hand, as the next */
    struct mqtt_facts facts;
    struct topic_match match;
    struct mqtt_publish publish;

    struct subscriber_link link;
    struct subscriber_dial *dial; /* under way; NULL: none */
    int64_t dial_at; /* not before */
    char *window; /* SUBSCRIBER_WINDOW bytes */

    unsigned failures; /* connections in a row that have not worked */
    unsigned young_ends;
    uint64_t random;
    bool known; /* there was a session since the start */
    bool subscribed; /* that session has all filters */
    int64_t gap_until; /* /readyz tells of a lost session; 0: it does not */

    enum subscriber_trouble trouble; /* as it is told; of the connection, or of its filters, or held */
    char trouble_text[SUBSCRIBER_TEXT];
    char condition[48]; /* its name in /readyz */
    struct metric_series *connected, *reconnects, *sessions_lost, *batch_messages;
    struct metric_series *troubles[SUBSCRIBER_TROUBLES];
};

struct source {
    struct source_context context;
    struct subscriber *items;
    size_t count;
    size_t batch_capacity; /* bytes of payloads */
    uint64_t handover_max; /* bytes in the journal */
    atomic_bool stopping;
    int64_t stop_deadline; /* set before `stopping` */
    struct intake_counts *counts;
    struct metric_series *payload_bytes;
};

static inline bool subscriber_is_stopping(const struct subscriber *subscriber)
{
    return atomic_load_explicit(&subscriber->source->stopping, memory_order_acquire);
}

static inline int64_t subscriber_now(const struct subscriber *subscriber)
{
    return clock_monotonic(subscriber->source->context.clock);
}

/* ---- subscriber_settings.c: what the configuration says ---------------------------------------------------------- */

/* Reports everything that is wrong to the config; reads the files. @thread main */
void subscriber_settings_check(struct config *config);

/* The same for one that was checked. -1: it is wrong all the same. */
int subscriber_settings_compile(struct subscriber_settings *ret_settings, const struct config *config,
    const struct config_subscription *from, struct error *error);

/* ---- subscriber_dial.c: a handle, and its connection -------------------------------------------------------------- */

/* What the library must not do on two threads at once, once and for all. @thread main */
int subscriber_dial_prepare(bool tls, struct error *error);

/* Starts it. -1: subscriber->link.ended and its text say why. */
int subscriber_dial_start(struct subscriber *subscriber);
/* Readable when it has ended. */
int subscriber_dial_descriptor(const struct subscriber_dial *dial);
/* Of one that has ended; frees it. 0: link.handle is set. -1 as above. */
int subscriber_dial_finish(struct subscriber *subscriber);
/* Has it end, until the deadline, or by itself. */
void subscriber_dial_leave(struct subscriber *subscriber, int64_t deadline);

/* ---- subscriber_link.c: the library, its callbacks -------------------------------------------------------------- */

/* For a handle that was dialled. */
void subscriber_link_open(struct subscriber *subscriber);
/* One round: waits for the socket at most until `deadline`, reads and writes. What came stands in the batch. */
void subscriber_link_step(struct subscriber *subscriber, int64_t deadline);
/* Writes what the library has queued: acknowledgements, too. */
void subscriber_link_write(struct subscriber *subscriber);
/* It is over; the first reason counts. */
void subscriber_link_end(struct subscriber *subscriber, enum subscriber_trouble trouble, const char *format,
    ...) __attribute__((format(printf, 3, 4)));
/* DISCONNECT, as far as the broker takes it until the deadline. */
void subscriber_link_say_goodbye(struct subscriber *subscriber, int64_t deadline);
void subscriber_link_close(struct subscriber *subscriber);

/* Waits for `wake`, or for these events of the socket (0: not for it), at most so long; what of the socket has come. */
short subscriber_link_wait(struct subscriber *subscriber, short events, int64_t timeout);

/* ---- subscriber_read.c ------------------------------------------------------------------------------------------------ */

/* Something has come. */
void subscriber_read(struct subscriber *subscriber);
/* Nothing has come for a while. */
void subscriber_read_nothing(struct subscriber *subscriber);
/* After each call of the library. False: the connection is over. */
bool subscriber_link_check(struct subscriber *subscriber, int code);

/* ---- subscriber_message.c --------------------------------------------------------------------------------------------- */

/* Takes a message into the batch; a full batch is committed before. When it cannot be taken the link is ended. */
void subscriber_message_take(struct subscriber *subscriber, const struct mosquitto_message *message,
    const mosquitto_property *properties);

/* ---- subscriber_batch.c ------------------------------------------------------------------------------------------------ */

int subscriber_batch_open(struct subscriber *subscriber, struct error *error);
void subscriber_batch_close(struct subscriber *subscriber);
void subscriber_batch_clear(struct subscriber *subscriber);
/* Hands it over and waits until it is durable; it is empty then. False: it is not, and was given up (its connection is gone, or the
 * gateway stops): it must not be acknowledged. */
bool subscriber_batch_commit(struct subscriber *subscriber);
/* Whether the journal would take the streams of the batch that was given up. */
bool subscriber_batch_may_go(struct subscriber *subscriber);

/* ---- subscriber_loop.c: the thread ---------------------------------------------------------------------------------------- */

void *subscriber_loop_run(void *subscriber);
void subscriber_loop_wake(struct subscriber *subscriber); /* @thread any */

/* ---- subscriber_tell.c: log, metrics, /readyz --------------------------------------------------------------------------- */

void subscriber_tell_open(struct subscriber *subscriber);
/* A CONNACK that says yes. */
void subscriber_tell_up(struct subscriber *subscriber, bool present, int64_t expiry);
/* link.ended. discarded: messages that were not acknowledged. */
void subscriber_tell_end(struct subscriber *subscriber, size_t discarded, int64_t pause);
/* FILTERS and HELD come and go while the connection stays; SUBSCRIBER_FINE: it is over. Told once. */
void subscriber_tell_trouble(
    struct subscriber *subscriber, enum subscriber_trouble trouble, const char *text);
/* A lost session has been told long enough. */
void subscriber_tell_time(struct subscriber *subscriber);
void subscriber_tell_close(struct subscriber *subscriber);

#endif
