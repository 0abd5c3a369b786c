/* mqtt_internal: what the files of the MQTT listener share.
 *
 * Each I/O thread owns its connections, its sessions and two batches; nothing of it is looked at by another one. A client id belongs to
 * one thread: a connection that CONNECTs on another is handed to it (`arrivals`, the only thing that has a lock).
 *
 * Everything that arrives is copied into the batch that is being filled: payloads, records, packet ids, and the answers that are due when it
 * is durable. At most one batch of a thread is in the journal; when it comes back its answers leave and the other one goes.
 * So answers leave in the order of the packets, and what a full journal refused is handed over again in front of what came later.
 *
 * A connection whose next packet cannot be taken is paused: its bytes stay where they are, in `rest` and in the kernel, and nothing more is
 * read. It is tried again, in turn, whenever a batch has come back, and once a second. Memory is bounded by mqtt.max_unacknowledged:
 * one half for batches, the other for what connections hold back; when that is used up, connections hold at most
 * MQTT_INPUT_CROWDED bytes each besides, so that small packets pass, and one of them at a time may complete a larger one, in turn. It has
 * to be quick about it: others wait. If then its stream is suspended, it is ended; the client comes again with what was not acknowledged.
 */
#ifndef PENSTOCK_SOURCE_MQTT_INTERNAL_H
#define PENSTOCK_SOURCE_MQTT_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/metric.h"
#include "base/peers.h"
#include "base/tls.h"
#include "source/intake.h"
#include "source/mqtt_facts.h"
#include "source/mqtt_packet.h"
#include "source/mqtt_session.h"
#include "source/source.h"

#define MQTT_SOURCE_NAME "mqtt"
#define MQTT_LISTENERS_MAX 16
#define MQTT_BACKLOG 4096
#define MQTT_ACCEPTS 64 /* of one listener, between two looks at the connections */
#define MQTT_EVENTS 256
#define MQTT_INPUT \
    (32 << 10) /* bytes that are read at once: while they are taken apart the ones before are committed */
#define MQTT_INPUT_CROWDED 512
#define MQTT_FAVOUR_RATE (256 << 10) /* bytes a second that must come of the packet that others wait for */
#define MQTT_FAVOUR_PATIENCE CLOCK_SECOND /* and on top of it */
#define MQTT_OUTPUT_MAX (256 << 10) /* answers that a client does not read */
#define MQTT_OUTPUT_PAUSE (16 << 10) /* above it nothing more of it is read */
#define MQTT_ANSWERS_MAX (1 << 20) /* of one batch */
#define MQTT_CONNECT_MAX (64 << 10) /* bytes of a CONNECT; its will is kept as long as the connection */
#define MQTT_USER_MAX RECORD_KEY_MAX
#define MQTT_WILL_BUCKETS 256
#define MQTT_ALIAS_TOPIC_MAX 4096
#define MQTT_SWEEP_PERIOD CLOCK_SECOND
#define MQTT_RETRY_PAUSE (CLOCK_SECOND / 10) /* between two tries at a journal that is full */
#define MQTT_LINGER CLOCK_SECOND /* for a client to read why it is closed */
#define MQTT_TAKE_OVER_PATIENCE (2 * CLOCK_SECOND) /* until what the old connection has sent is taken */
#define MQTT_RATE_PATIENCE \
    (5 * CLOCK_SECOND) /* of who is ahead of a rate; a message that would wait longer is refused */
#define MQTT_REFUSAL_PAUSE \
    CLOCK_SECOND /* MQTT 3.1.1 cannot refuse a message: the connection is closed, not at once */

struct mqtt_thread;

enum mqtt_phase {
    MQTT_PHASE_NEW, /* CONNECT has not come */
    MQTT_PHASE_UP,
    MQTT_PHASE_CONDEMNED, /* nothing is read; closed at `until` */
    MQTT_PHASE_LINGERING, /* all is said; what still comes is thrown away until `until` */
    MQTT_PHASE_CLOSED, /* no socket; here until its answers have come back */
};

struct mqtt_alias {
    char *topic; /* owned; NULL: not set */
    size_t length;
};

struct mqtt_connection {
    struct mqtt_connection *previous, *next; /* all of the thread */
    struct mqtt_connection *paused_next;
    struct mqtt_connection *flush_next;
    struct mqtt_connection *dead_next;
    struct mqtt_connection *call_next;
    struct mqtt_connection *unread_next;
    struct mqtt_thread *thread;
    struct mqtt_session *session;
    struct mqtt_tls *tls; /* owned; NULL: it speaks none */
    int fd;
    enum mqtt_phase phase;
    enum mqtt_version version;
    bool paused, to_flush, unread, dead;
    bool called, heard_out; /* it is to be taken over: what it has sent is taken first; that has been done */
    uint32_t watched; /* what epoll watches */
    size_t answers; /* in batches */
    uint32_t quota; /* messages that count against its Receive Maximum */
    uint16_t keep_alive; /* seconds; 0: none */
    uint32_t packet_maximum; /* that the client takes */
    bool problem_information;
    int64_t heard; /* when the last bytes came; of a new one when it was accepted (monotonic) */
    uint32_t wanted; /* bytes of the packet that `rest` begins with, when it is not whole; else 0 */
    int64_t packet_since; /* when a packet began that is not whole; 0: none */
    int64_t output_since; /* since when the client does not take what is written; 0: it does */
    int64_t until; /* see the phases; of a new one until when it waits to take over; 0: it does not */
    struct bytes rest; /* of what was read: begins with a packet that was not taken, or is not whole */
    struct bytes output;
    struct bytes
        greeting; /* its CONNACK, while that waits for a commit; nothing else of it is looked at meanwhile */
    struct bytes will; /* the body of its CONNECT; empty: none is to be left */
    struct mqtt_alias *aliases;
    char *user; /* owned */
    size_t user_length;
    struct peer *peer; /* of its address, while its CONNECT is not there; NULL: nothing is counted */
    struct grant grant;
    uint64_t access_version; /* that it was looked at under */
    uint64_t address; /* whose rate it counts for (rate.h); 0: nobody's */
    int64_t rate_until; /* a key of its next message is ahead of its rate: not tried before (monotonic) */
    struct verification *verification; /* its password is being looked at, its CONNECT waits; else NULL */
    size_t scope; /* bytes of its session's id in front of the client id */
};

/* What is written to a connection once the batch is durable. */
struct mqtt_answer {
    struct mqtt_connection *connection;
    uint16_t id;
    uint8_t type; /* enum mqtt_type; MQTT_CONNACK: a session was cleared */
    uint8_t reason;
};

enum mqtt_batch_state { MQTT_BATCH_IDLE, MQTT_BATCH_WAITING, MQTT_BATCH_IN_JOURNAL };

struct mqtt_batch {
    struct handover handover;
    char *payloads;
    size_t used;
    struct mqtt_answer *answers;
    size_t answers_count, answers_capacity;
    struct {
        uint64_t accepted, schema_invalid;
    } * counts; /* records per stream */
};

/* A will that waits: for its delay, or for room. */
struct mqtt_will {
    struct mqtt_will *next;
    int64_t due; /* monotonic */
    char client_id[MQTT_SESSION_ID_MAX];
    size_t client_id_length;
    struct bytes connect;
    struct grant grant; /* of its connection */
    uint64_t address; /* the same */
    size_t scope;
};

struct mqtt_thread {
    struct source *source;
    size_t index;
    pthread_t thread;
    bool running;
    int epoll;
    int greeting; /* with TLS: epoll of the sockets whose handshake is under way; else -1 */
    struct tls_handshakes handshakes;
    int wake; /* eventfd: a batch is back, a password was looked at, somebody arrives, or `stopping` */

    struct mqtt_batch batches[2];
    struct mqtt_batch *filling, *sent;
    enum mqtt_batch_state sent_state;
    int64_t retry_at; /* of a waiting one */
    bool freed; /* there is room that was not there: those that are paused may be tried */
    bool full; /* the batch that is being filled took no more */
    enum handover_result result; /* set before `back` */
    atomic_bool back; /* @thread committer sets, the thread clears */
    atomic_bool verified; /* a password was looked at; @thread verifier sets, the thread clears */

    struct mqtt_sessions *sessions;
    struct intake *intake;
    struct intake_result taken; /* of the message at hand */
    struct mqtt_facts facts; /* of the message at hand */
    struct topic_match match;
    struct mqtt_publish publish; /* the packet at hand; here because they are large */
    struct mqtt_connect connect;
    struct mqtt_connect
        testament; /* the CONNECT that a will came in: a connection may end while another one's CONNECT is at hand */
    struct mqtt_filters filters;
    char *input;

    struct mqtt_connection *connections;
    struct mqtt_connection *paused_first, *paused_last;
    size_t paused_count;
    struct mqtt_connection *favoured; /* the one that may complete its packet although it is crowded */
    int64_t favoured_since;
    struct mqtt_connection *flush;
    struct mqtt_connection *unread; /* those that TLS has bytes of */
    struct mqtt_connection *reading; /* of them, those that are yet to be read in this round */
    struct mqtt_connection *dead;
    struct mqtt_connection *calls; /* those whose last bytes somebody waits for */
    size_t connections_count;
    uint64_t held; /* bytes that connections hold back */
    atomic_size_t in_flight; /* and with them those in batches; the first thread tells the sum of all */
    uint64_t aliases_held; /* and of topics that aliases stand for */

    struct mqtt_will *wills[MQTT_WILL_BUCKETS]; /* by client id */
    size_t wills_count;
    int64_t wills_due; /* none is before */
    uint64_t wills_held; /* bytes of wills, of connections and waiting ones; what each takes besides counts */

    size_t elsewhere; /* see MQTT_ELSEWHERE */
    pthread_mutex_t arrivals_lock;
    struct mqtt_connection *arrivals; /* from other threads; newest first */

    bool accepting; /* the listeners are watched */
    bool draining; /* nothing new is taken */
    int64_t now; /* monotonic, of this round */
    int64_t wall; /* and as the record's time */
    int64_t next_sweep;
};

struct source {
    struct source_context context;
    int listeners[MQTT_LISTENERS_MAX];
    size_t listeners_count;
    struct mqtt_thread *threads;
    size_t threads_count;
    size_t batch_capacity; /* bytes of payloads */
    uint64_t handover_max; /* bytes in the journal */
    size_t parts_max; /* bytes of descriptions of records; those of sessions come on top */
    uint64_t held_max; /* per thread */
    bool refuse_unmapped;
    atomic_size_t connections;
    struct peers *peers; /* how many of each address have not said CONNECT */
    atomic_bool stopping;
    int64_t stop_deadline; /* set before stopping */
    struct intake_counts *counts;
    struct metric_series *refused[256]; /* by reason code */
    struct metric_series *payload_bytes;
    struct metric_series *connections_gauge;
    struct metric_series *in_flight_gauge;
};

/* ---- mqtt_loop.c: the I/O thread ---------------------------------------------------------------------------- */

void *mqtt_loop_run(void *thread);
void mqtt_loop_wake(struct mqtt_thread *thread); /* @thread any */

/* ---- mqtt_connection.c: sockets, their bytes and deadlines --------------------------------------------------- */

/* Takes the descriptor over; closes it when its address has too many that have not said CONNECT, or memory is gone. */
void mqtt_connection_open(struct mqtt_thread *thread, int fd, const struct sockaddr *address);
/* Its CONNECT is there, and it is let in. */
void mqtt_connection_welcome(struct mqtt_connection *connection);
/* Tells epoll what it waits for now. */
void mqtt_connection_watch(struct mqtt_connection *connection);
/* Writes what is due, as far as the client takes it. */
void mqtt_connection_flush(struct mqtt_connection *connection);
/* It is flushed at the end of the round. */
void mqtt_connection_flush_later(struct mqtt_connection *connection);
/* Looks at every deadline. */
void mqtt_connection_sweep(struct mqtt_thread *thread);
/* The end, for a reason that a MQTT 5 client is told. SUCCESS: nobody is told anything. Does the session's and the will's end. */
void mqtt_connection_end(struct mqtt_connection *connection, enum mqtt_reason reason, const char *text);
/* The text as a reason string for this client; NULL: none. */
const char *mqtt_connection_text(const struct mqtt_connection *connection, const char *text);
/* The end of one whose message was refused and that cannot be told (MQTT 3.1.1). */
void mqtt_connection_condemn(struct mqtt_connection *connection, enum mqtt_reason reason);
/* Gives it to the thread that its client id belongs to, with what it has sent. */
void mqtt_connection_move(struct mqtt_connection *connection, struct mqtt_thread *to);
/* Takes those that came from other threads. */
void mqtt_connection_take_arrivals(struct mqtt_thread *thread);
/* Nothing more is read, once `draining` is set. */
void mqtt_connection_quiesce(struct mqtt_thread *thread);
/* Says good-bye to all: the gateway stops. */
void mqtt_connection_end_all(struct mqtt_thread *thread);
/* Frees those that are closed and have no answers left. */
void mqtt_connection_bury_dead(struct mqtt_thread *thread);
/* What is left when the thread has ended. */
void mqtt_connection_free_all(struct mqtt_thread *thread);
/* The socket's end, without a word. */
void mqtt_connection_close(struct mqtt_connection *connection);
/* An answer has left. */
void mqtt_connection_answered(struct mqtt_connection *connection);

/* ---- mqtt_tls.c: TLS in front of the bytes; of a connection without it: nothing ------------------------------------- */

int mqtt_tls_open(struct mqtt_thread *thread, struct error *error);
/* Of one that is accepted. -1: no memory. */
int mqtt_tls_begin(struct mqtt_thread *thread, struct mqtt_connection *connection);
void mqtt_tls_end(struct mqtt_connection *connection);
/* Then it is watched by thread->greeting. */
bool mqtt_tls_is_shaking(const struct mqtt_connection *connection);
/* Some of those go on whose client has sent something. */
void mqtt_tls_go_on(struct mqtt_thread *thread);
/* As recv() and send() of one that has it, with MSG_DONTWAIT. */
ssize_t mqtt_tls_receive(struct mqtt_connection *connection, void *data, size_t size);
ssize_t mqtt_tls_send(struct mqtt_connection *connection, const void *data, size_t length);
void mqtt_tls_bye(struct mqtt_connection *connection);
/* None: it has no TLS, or has shown no certificate that holds. */
void mqtt_tls_names(const struct mqtt_connection *connection, struct tls_names *ret_names);
/* Whether the certificate that it has shown has ended since. */
bool mqtt_tls_has_ended(const struct mqtt_connection *connection);
/* Whether there are bytes that its descriptor does not tell of. */
bool mqtt_tls_has_more(const struct mqtt_connection *connection);
/* Those are read in the next round. */
void mqtt_tls_read_later(struct mqtt_connection *connection);
void mqtt_tls_take_unread(struct mqtt_thread *thread);
void mqtt_tls_forget_unread(struct mqtt_connection *connection);

/* ---- mqtt_input.c: what comes from them, packet by packet ------------------------------------------------------- */

void mqtt_input_read(struct mqtt_connection *connection);
/* Nothing more of it is read until it is tried again. */
void mqtt_input_pause(struct mqtt_connection *connection);
void mqtt_input_unpause(struct mqtt_connection *connection);
/* Tries those that are paused, in turn, until the batch is full. */
void mqtt_input_resume(struct mqtt_thread *thread);
/* Somebody wants to take it over: what it has sent by now is taken at the end of the round. */
void mqtt_input_call(struct mqtt_connection *connection);
void mqtt_input_take_calls(struct mqtt_thread *thread);
/* Memory is used up, it is the one that may complete its packet, and others wait for their turn. */
bool mqtt_input_delays_others(const struct mqtt_connection *connection);
/* What is held back takes so much memory that nobody should hold more just because it is too fast. */
bool mqtt_input_is_short(const struct mqtt_thread *thread);
/* Forgets what it holds back. */
void mqtt_input_drop(struct mqtt_connection *connection);

/* ---- mqtt_dispatch.c: one packet ------------------------------------------------------------------------------ */

enum mqtt_taken {
    MQTT_TAKEN,
    MQTT_LATER, /* there is no room: the packet stays, the connection is paused */
    MQTT_GONE, /* the connection has ended */
    MQTT_ELSEWHERE, /* its client id belongs to the thread thread->elsewhere, with all that it has sent */
};

/* body: what stands behind the header. */
enum mqtt_taken mqtt_dispatch(
    struct mqtt_connection *connection, const struct mqtt_header *header, struct slice body);

/* ---- mqtt_connect.c -------------------------------------------------------------------------------------------- */

enum mqtt_taken mqtt_connect_take(struct mqtt_connection *connection, struct slice body);
/* The session expiry that is granted. */
uint32_t mqtt_connect_expiry(const struct source *mqtt, uint32_t wanted);
/* Writes the CONNACK that had to wait. */
void mqtt_connect_answer(struct mqtt_connection *connection);

/* ---- mqtt_access.c: who publishes --------------------------------------------------------------------------------- */

/* SUCCESS: the connection has its grant, unless it has a verification: then nothing is known yet, and the packet comes again. Wipes the password otherwise. */
enum mqtt_reason mqtt_access_check(
    struct mqtt_connection *connection, const struct mqtt_connect *connect, const char **ret_text);
/* The id of the session that a client id stands for. Sets the connection's scope. */
struct slice mqtt_access_session(
    struct mqtt_connection *connection, struct slice client_id, char text[static MQTT_SESSION_ID_MAX]);
/* Nobody waits for its verification any more. */
void mqtt_access_forget(struct mqtt_connection *connection);
/* Whether it may still: other credentials are in force since it was asked. */
bool mqtt_access_stands(struct mqtt_connection *connection);

/* ---- mqtt_rate.c: how fast ----------------------------------------------------------------------------------------- */

/* Until its sender, or the key that it was tried with, may publish again (microseconds); 0: now. */
int64_t mqtt_rate_wait(const struct mqtt_connection *connection);
/* The message at hand has to wait for so long: what is to become of it. */
enum mqtt_taken mqtt_rate_later(
    struct mqtt_connection *connection, const struct mqtt_publish *publish, int64_t wait);
/* Who has sent the message at hand, good or bad. */
void mqtt_rate_charge(struct mqtt_thread *thread, const struct grant *grant, uint64_t address);
/* The batch is durable: what the journal had already is not charged. */
void mqtt_rate_settle(struct mqtt_thread *thread, const struct mqtt_batch *batch);

/* ---- mqtt_publish.c: messages ------------------------------------------------------------------------------------ */

enum mqtt_taken mqtt_publish_take(struct mqtt_connection *connection, uint8_t flags, struct slice body);
/* MQTT 5 is told so. Before it, a message can only be acknowledged or the connection be closed (MQTT-3.3.5-2). */
enum mqtt_taken mqtt_publish_refuse(
    struct mqtt_connection *connection, const struct mqtt_publish *publish, enum mqtt_reason reason);
enum mqtt_taken mqtt_publish_release(struct mqtt_connection *connection, struct slice body);
void mqtt_publish_free_aliases(struct mqtt_connection *connection);

/* ---- mqtt_store.c: a message into the batch ------------------------------------------------------------------------ */

enum mqtt_stored {
    MQTT_STORED,
    MQTT_NO_ROOM, /* the batch is full */
    MQTT_AHEAD, /* a key in it is ahead of its rate: thread->taken.wait */
    MQTT_SUSPENDED, /* its stream takes nothing, nobody knows for how long */
    MQTT_REFUSED, /* *ret_reason says why */
    MQTT_FAILED, /* memory is gone */
};

/* thread->facts describes the message. REFUSED: nothing of it was stored. */
enum mqtt_stored mqtt_store(struct mqtt_thread *thread, enum mqtt_reason *ret_reason);

/* ---- mqtt_batch.c: batches and their answers ------------------------------------------------------------------------ */

int mqtt_batch_open(struct mqtt_thread *thread, struct error *error);
void mqtt_batch_close(struct mqtt_thread *thread);
/* false: the batch takes no more. */
bool mqtt_batch_answer(
    struct mqtt_connection *connection, enum mqtt_type type, uint16_t id, enum mqtt_reason reason);
/* Sends the answers of a batch that is back. */
void mqtt_batch_take_back(struct mqtt_thread *thread);
/* Hands over what is there, if none is in the journal. */
void mqtt_batch_submit(struct mqtt_thread *thread);
/* Nobody answers any more. */
void mqtt_batch_forget_answers(struct mqtt_thread *thread);
bool mqtt_batch_is_empty(const struct mqtt_thread *thread); /* nothing filled, nothing in the journal */

/* ---- mqtt_will.c ------------------------------------------------------------------------------------------------------ */

/* Keeps the body of its CONNECT for it. */
int mqtt_will_keep(struct mqtt_connection *connection, struct slice body, struct error *error);
/* None is to be left any more; or there was none. */
void mqtt_will_drop(struct mqtt_connection *connection);
/* What the will of a CONNECT with this body takes of the thread's memory. */
size_t mqtt_will_size(size_t body_length);
/* Of a connection that ended abnormally. */
void mqtt_will_leave(struct mqtt_connection *connection);
/* The client is back: a will that waits for its delay is not left any more, or with a clean start at once. */
void mqtt_will_return(struct mqtt_thread *thread, struct slice client_id, bool clean);
/* Stores those that are due, as far as there is room. */
void mqtt_will_store_due(struct mqtt_thread *thread);
void mqtt_will_free_all(struct mqtt_thread *thread);

#endif
