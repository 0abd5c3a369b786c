/* http_internal: what the files of the HTTP source share.
 *
 * An I/O thread owns its connections, their requests, and what it works with (struct http_thread); the committer touches only its `done`,
 * `arrived` and `wake`. What holds for all requests together stands in the source: counts, the room for bodies (struct http_room), the keys under way. A connection
 * that waits for something of another thread's is called by that (http_loop_call()), and goes on in its own. The library (libmicrohttpd) runs without
 * threads of its own: the loop waits for its epoll descriptors and runs it.
 *
 * A connection lives as long as its socket. A request is taken from the pool when its request line is in, and goes
 * back when both the library and the journal have let go of it: the journal may hold it longer, when the answer did not wait
 * for the commit (Penstock-Ack: memory, http.commit_timeout). Memory is bounded by http.max_in_flight, what one request may
 * overshoot it by (its last piece unpacked, a larger window than the first that it has announced, its record heads), and HTTP_POOL_BYTES_MAX of buffers kept for reuse. Of one that waits
 * until its records are delivered only the answer is kept, and of those there are http.max_deliveries, of one address http.max_deliveries_per_address. One that waits for another
 * with its key (HTTP_REPEAT) keeps its body, which is charged like that of any other, for http.commit_timeout at most.
 *
 * Suspended connections (HTTP_PASSWORD, HTTP_STARVED, HTTP_COMMIT, HTTP_DELIVERY, HTTP_REPEAT, some of HTTP_HANDSHAKE) are resumed by the loop alone, and the library must not be stopped
 * while there is one: it aborts then.
 */
#ifndef PENSTOCK_SOURCE_HTTP_INTERNAL_H
#define PENSTOCK_SOURCE_HTTP_INTERNAL_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/metric.h"
#include "base/peers.h"
#include "base/tls.h"
#include "source/http_answer.h"
#include "source/http_guard.h"
#include "source/http_target.h"
#include "source/http_type.h"
#include "source/idempotency.h"
#include "source/source.h"

#define HTTP_SOURCE_NAME "http"
#define HTTP_LISTENERS_MAX 16
#define HTTP_OWN_THREADS_MAX 8 /* where the configuration does not say how many */
#define HTTP_BACKLOG 4096
/* Of the library, per connection: holds a head of about 7 kB. It zeroes all of it after each request, so more costs speed. */
#define HTTP_CONNECTION_MEMORY 8192
#define HTTP_TARGET_MAX HTTP_CONNECTION_MEMORY
#define HTTP_ANSWER_MAX (256 << 10)
#define HTTP_BODY_FIRST 1024 /* least capacity of a body buffer */
#define HTTP_POOL_BUFFER_MAX (256 << 10) /* a larger buffer is freed, not kept */
#define HTTP_POOL_BYTES_MAX (8 << 20)
#define HTTP_INFLATE_STEP 2048 /* compressed bytes between two looks at the budget */
#define HTTP_SWALLOW_MAX (1 << 20) /* of a refused body, to let its sender see the answer */
#define HTTP_STARVE_TIMEOUT (2 * CLOCK_SECOND)
#define HTTP_PROMISE_STEP (64 << 10)
#define HTTP_PROMISE_TIMEOUT (2 * CLOCK_SECOND) /* a promise is not for those who only announce a body */
#define HTTP_SWEEP_PERIOD CLOCK_SECOND
#define HTTP_SWEEP_SOON (CLOCK_SECOND / 10) /* where somebody needs what it may free */
#define HTTP_SWEEP_LOOK 1024 /* connections in one round of the loop */
#define HTTP_SWEEP_END 8 /* and of these, ended */
#define HTTP_WHOLE_SHARE 4 /* one part in so many of max_in_flight is for bodies that arrive in one piece */
#define HTTP_RETRY_AFTER 1 /* seconds */
#define HTTP_KEY_BUCKETS 64 /* of requests under way that have an Idempotency-Key */

enum http_state {
    HTTP_HANDSHAKE, /* of TLS; held (see http_tls.c) while it waits for the client */
    HTTP_FIRST_HEAD, /* accepted, nothing of a request known */
    HTTP_IDLE, /* between two requests */
    HTTP_HEAD, /* request line in, head not yet */
    HTTP_PASSWORD, /* suspended: head in, and its password is being looked at */
    HTTP_BODY, /* head in, body not yet */
    HTTP_STARVED, /* suspended: no room for more of the body */
    HTTP_COMMIT, /* suspended: the journal has it */
    HTTP_DELIVERY, /* suspended: durable, and outlets are not done with it */
    HTTP_REPEAT, /* suspended: the journal has another request with its key */
    HTTP_ANSWER, /* answer on its way */
};

struct http_listener {
    struct http_thread *thread;
    struct MHD_Daemon *daemon;
    int fd; /* listening; the daemon's until it is quiesced */
    bool due; /* has work that no descriptor tells of */
};

struct http_connection {
    struct http_connection *previous, *next; /* all connections */
    struct http_connection *starved_next; /* in line for room */
    struct http_connection *called_next;
    struct http_connection *greeted_next;
    struct http_listener *listener;
    struct MHD_Connection *mhd;
    struct http_request *request;
    struct peer *peer; /* or NULL: it is not counted */
    struct tls_session tls; /* nothing in it: it speaks none */
    struct certified certified;
    bool address_known; /* then: */
    uint64_t address; /* as a request's; 0: of many, or not counted */
    bool origin_known; /* then: */
    struct access_origin origin; /* of its guesses */
    int fd;
    bool held; /* suspended: its handshake waits for the client */
    enum http_state state;
    int64_t since; /* when the state was entered (monotonic); of a body without the time it starved */
    int64_t starved_since;
};

/* One more, unless that were more than the limit. */
bool http_count_up(atomic_size_t *count, uint64_t limit);

struct http_refusal {
    bool given;
    enum http_status status;
    int64_t retry_after; /* seconds; of 429 and 503; 0: HTTP_RETRY_AFTER */
    char detail[ERROR_TEXT_SIZE];
};

enum http_ack { HTTP_ACK_FSYNC, HTTP_ACK_MEMORY, HTTP_ACK_DELIVERED, HTTP_ACKS };

/* Of a request with an Idempotency-Key. */
struct http_key {
    struct idempotency_hash id; /* of scope and key */
    struct idempotency_hash request; /* of what is asked; once its body is whole */
    struct http_request *next,
        *previous; /* next: in its bucket while it is taken; both: among the waiters while it has a holder */
    bool taken; /* found under its id */
    struct http_request *waiters, *waiters_last; /* oldest first */
    struct http_request *holder; /* whom it waits for */
    bool repeated; /* its answer was kept; then: */
    struct once_counts counts;
    uint64_t first, last; /* sequences of its records */
    uint64_t missed; /* journal_missed() before them */
};

enum http_room_answer {
    HTTP_ROOM_GIVEN,
    HTTP_ROOM_HELD, /* its address holds all that it may at the moment */
    HTTP_ROOM_NONE, /* nobody gets any at the moment */
};

struct http_request {
    struct http_request *next; /* in the pool */
    struct http_thread *thread;
    struct http_connection *connection; /* NULL once the library is done with the request */
    const struct plan *plan; /* in force when it began */
    bool in_journal; /* handed over and not yet completed */
    bool awaited; /* its arrival is the journal's, or will be with the completion */
    struct peer *awaited_by; /* has it among its deliveries, or NULL */
    struct journal_arrival *arrival; /* HTTP_ACK_DELIVERED, once its body is whole; owned */
    bool begun; /* all of its head was looked at */
    bool refused_by_head;
    size_t checked; /* of what is looked at in the head */
    struct verification *verification; /* its password is being looked at; else NULL */
    bool handed_over;
    struct bytes raw_target;
    const char *target_place; /* where the library keeps it; only compared */
    struct http_head head;
    struct http_target target;
    struct grant grant; /* of who sends it, until the journal is done with it */
    uint64_t address; /* whose rate it counts for (rate.h); 0: nobody's */
    uint64_t charged_records; /* of both */
    int64_t grant_paid; /* when the principal has paid for them (meter.h) */
    const struct stream *stream;
    enum decode_form form;
    enum http_coding coding;
    enum http_ack ack;
    struct http_key *key; /* NULL: it has none; owned */
    struct inflate *inflate; /* NULL: nothing is packed, or there was no room for one yet */
    uint64_t unpacking; /* bytes that it takes, or will */
    struct bytes body;
    uint64_t received; /* body bytes as they came */
    uint64_t swallowed; /* and those after it was refused */
    uint64_t charged; /* of the room: bytes that are there */
    uint64_t promised; /* and those that it may still take */
    enum http_room_answer room; /* when it last asked for a promise */
    bool whole; /* both are of room.whole */
    struct peer *holder; /* has both on its account; NULL: the body has ended, or nobody counts */
    bool promised_once;
    struct http_refusal refusal;
    struct handover handover;
    enum handover_result result; /* once it is no longer in_journal */
    uint64_t accepted, schema_invalid; /* of the intake's result */
    struct bytes listing; /* the answer that lists rejected records; empty when there are none */
};

/* The answer that most requests get, kept until another number is to be told. */
struct http_kept_answer {
    uint64_t accepted;
    struct MHD_Response *response;
};

/* What bodies hold of http.max_in_flight, those of all threads together. */
struct http_room {
    _Atomic uint64_t held; /* bytes that were charged or promised */
    _Atomic uint64_t whole, pieces; /* of bodies that came in one piece, of all others: together `held` */
    atomic_size_t waiting; /* in line */
    atomic_bool blocked; /* one of them waits for room that all share */
    pthread_mutex_t lock; /* guards the line */
    struct http_connection *first, *last; /* waits longest, shortest */
    uint64_t held_in_line; /* by those in it */
};

struct http_thread {
    struct source *source;
    size_t index;
    struct http_listener listeners[HTTP_LISTENERS_MAX]; /* in the order of http.listen */
    size_t listeners_count;
    int epoll;
    int greeting; /* with TLS: epoll of the sockets of those that are held; else -1 */
    struct http_connection *greeted; /* those whose handshake this round has begun or gone on with */
    struct tls_handshakes handshakes;
    int wake; /* eventfd: `done`, `arrived` or `called` is no longer empty, or `stopping` */

    pthread_t thread;
    bool running;

    struct handover *_Atomic done; /* completed, newest first; @thread committer pushes, the loop takes all */
    struct journal_arrival *_Atomic arrived; /* the same of deliveries; each behind its completion */
    struct http_connection *_Atomic called; /* what they were suspended for has come; any I/O thread pushes */

    struct intake *intake;
    struct intake_result result; /* of the request at hand */
    struct bytes text; /* scratch for answers */
    struct http_kept_answer kept[HTTP_ACKS];

    struct http_connection *connections;
    size_t suspended; /* connections that the library must not be stopped with */
    size_t in_journal; /* requests */
    _Atomic uint64_t charged; /* bytes, by its requests; it alone writes it */
    bool released; /* by now, room that may be what somebody in line waits for */

    struct http_request *pool;
    size_t pool_bytes;

    bool draining; /* nothing new is taken */
    bool finished; /* it is no longer one of `unfinished` */
    int64_t now; /* monotonic, of this round of the loop */
    int64_t next_sweep;
    struct http_connection *sweep; /* the next one that this sweep looks at; NULL: it has come to its end */
};

struct source {
    struct source_context context;
    struct http_thread *threads;
    size_t threads_count;
    struct peers *peers;

    atomic_bool stopping;
    int64_t stop_deadline; /* set before stopping */
    atomic_size_t
        unfinished; /* threads that have not ended and, behind `stopping`, not yet answered what they had */

    struct intake_counts *counts;
    char gateway[JOURNAL_GATEWAY_ID_MAX + 1]; /* in the ids of records */
    struct metric_series *refused[HTTP_STATUSES];
    struct metric_series *request_bytes;
    struct metric_series *connections_gauge;
    struct metric_series *in_flight_gauge;
    struct metric_series *keys_gauge, *replayed, *evicted;
    uint64_t evicted_told;

    pthread_mutex_t keys_lock; /* guards which keys are taken, and who waits for whom */
    struct http_request *keys[HTTP_KEY_BUCKETS]; /* taken ones */

    /* What each request changes: behind all that is only read, so that it does not share its cache lines. */
    struct http_room room;
    atomic_size_t connections;
    struct places deliveries; /* of requests that are awaited */
};

/* ---- http_thread.c: what it works with ---------------------------------------------------------------------- */

/* A zeroed one; what it has opened when that fails is http_thread_close()'s. @thread main, as all of these */
int http_thread_open(struct http_thread *thread, struct source *http, size_t index, struct error *error);
/* What the thread's intake is to hold bodies against. */
struct intake_limits http_thread_limits(const struct plan *plan);
/* The listening descriptor is the thread's from then on, also on failure. */
int http_thread_listen(struct http_thread *thread, int fd, struct error *error);
int http_thread_run(struct http_thread *thread, struct error *error);
/* Closes every connection that is left, when it does not run. */
void http_thread_end_connections(struct http_thread *thread);
/* Behind the end of its connections and of the journal. */
void http_thread_close(struct http_thread *thread);

/* ---- http_loop.c: the I/O thread -------------------------------------------------------------------------- */

void *http_loop_run(void *thread);
/* It is no longer one of those that others wait for when the source stops. */
void http_loop_finish(struct http_thread *thread);
/* One round: waits until something is to be done or a sweep is due, does it. -1: the loop cannot go on. */
int http_loop_step(struct http_thread *thread, struct error *error);
/* Completion of a hand-over. @thread committer */
void http_loop_complete(struct handover *handover, enum handover_result result);
/* The same of a delivery. @thread committer */
void http_loop_arrived(struct journal_arrival *arrival);
/* So that it looks at what is there for it. @thread any */
void http_loop_wake(struct http_thread *thread);
/* A suspended connection goes on, in the next round of its thread. @thread any I/O thread, once for each time that it is suspended */
void http_loop_call(struct http_connection *connection);
/* Takes what was completed, what was delivered, and who was called. */
void http_loop_take_done(struct http_thread *thread);

/* ---- http_connection.c: sockets and their deadlines ------------------------------------------------------- */

/* MHD_OPTION_NOTIFY_CONNECTION; cls is the listener. */
void http_connection_notify(
    void *cls, struct MHD_Connection *mhd, void **context, enum MHD_ConnectionNotificationCode code);

void http_connection_enter(struct http_connection *connection, enum http_state state);
/* Suspends until the loop resumes it; state is HTTP_PASSWORD, HTTP_STARVED, HTTP_REPEAT, HTTP_DELIVERY or HTTP_COMMIT (and HTTP_DELIVERY behind it). */
void http_connection_suspend(struct http_connection *connection, enum http_state state);
void http_connection_resume(struct http_connection *connection, enum http_state state);
/* Of one that was called (http_loop_call()). */
void http_connection_go_on(struct http_connection *connection);
/* Sends a whole response past the library, as far as the socket takes it, and shuts the socket. Only while the
 * library has nothing to send. */
void http_connection_abort(struct http_connection *connection, enum http_status status, const char *detail);
/* Looks at every deadline, a bounded part of them in one call: begins, and goes on in every round until thread->sweep is NULL. */
void http_connection_begin_sweep(struct http_thread *thread);
void http_connection_sweep(struct http_thread *thread);
/* The source stops: what is not delivered by now is answered so, and so is who is not known by now. */
void http_connection_give_up_waiting(struct http_thread *thread);
/* The source stops and waits no longer: every request under way gets its last answer. */
void http_connection_give_up(struct http_thread *thread);

/* ---- http_tls.c: handshakes ------------------------------------------------------------------------------- */

int http_tls_open(struct http_thread *thread, struct error *error);
/* Of one that is accepted. -1: it cannot be. */
int http_tls_begin(struct http_connection *connection);
/* Behind the end of its socket. */
void http_tls_end(struct http_connection *connection);
/* Some of those go on whose client has sent something. */
void http_tls_go_on(struct http_thread *thread);
/* Behind the library's run: those whose hands are not shaken yet are held. */
void http_tls_hold(struct http_thread *thread);
/* It has taken too long, or others need its place. */
void http_tls_drop(struct http_connection *connection);
/* The source stops. */
void http_tls_give_up(struct http_thread *thread);

/* ---- http_request.c: one request -------------------------------------------------------------------------- */

/* MHD_OPTION_URI_LOG_CALLBACK: a request line is in. */
void *http_request_start(void *cls, const char *target, struct MHD_Connection *mhd);
/* The library's handler. */
enum MHD_Result http_request_handle(void *cls, struct MHD_Connection *mhd, const char *url,
    const char *method, const char *version, const char *data, size_t *size, void **context);
/* MHD_OPTION_NOTIFY_COMPLETED. */
void http_request_completed(
    void *cls, struct MHD_Connection *mhd, void **context, enum MHD_RequestTerminationCode code);
/* The journal is done with it. */
void http_request_committed(struct http_request *request);
/* So are the outlets. */
void http_request_arrived(struct http_request *request);
int http_refuse(struct http_refusal *refusal, enum http_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- http_head.c: what a request's head says -------------------------------------------------------------- */

/* Fills stream, form, coding, ack, key. -1: the refusal says why. 1: the connection was suspended; when it goes on, check again. */
int http_head_check(
    struct http_request *request, struct MHD_Connection *mhd, const char *method, const char *version);

/* ---- http_access.c: who sends it ------------------------------------------------------------------------------- */

/* Behind the guard. -1: 401, 429 for those who guess, or 503. 1: the connection was suspended; when it goes on, check again. */
int http_access_check(struct http_request *request, struct http_refusal *refusal);
/* The source stops: it waits no longer, unless it has been called by now. */
void http_access_give_up(struct http_request *request);
/* Behind the stream. -1: 403. */
int http_access_check_stream(const struct http_request *request, struct http_refusal *refusal);

/* ---- http_rate.c: how fast ------------------------------------------------------------------------------------- */

/* Seconds for the header Retry-After; INT64_MAX: nothing is known. */
int64_t http_retry_after(int64_t wait);
/* Each of its fields X-Forwarded-For, in their order. */
typedef void http_forwarded_fn(void *context, struct slice field);
void http_rate_forwarded(struct MHD_Connection *mhd, http_forwarded_fn *take, void *context);
/* Whose address it came from. */
void http_rate_find_address(struct http_request *request, struct MHD_Connection *mhd);
/* Whether its sender is ahead: asked before the body, which is read and forgotten then, so that the connection stays, and behind it, for others may have come in meanwhile. -1: 429. */
int http_rate_check(struct http_request *request);
/* So many records, good and bad, were sent. */
void http_rate_charge(struct http_request *request, uint64_t records);
/* The gateway does not take it after all, and its sender is not to blame: nothing of it is charged. */
void http_rate_refund(struct http_request *request);
/* The journal is done with it: what it had already, or did not take, is not charged. */
void http_rate_settle(struct http_request *request);

/* ---- http_body.c: the body comes in ----------------------------------------------------------------------- */

/* Takes what there is room for; *size is what is left. Suspends the connection when that is not 0. -1: refused. */
int http_body_take(struct http_request *request, const char *data, size_t *size);
/* The body is whole. -1: refused. */
int http_body_end(struct http_request *request);
/* Of all that decides what becomes of it; behind http_body_end(). */
int http_body_hash(struct http_request *request, struct MHD_Connection *mhd,
    struct idempotency_hash *ret_hash, struct error *error);
/* Room to wait until its records are delivered, if it wants to: it is awaited then. -1: refused. */
int http_body_await(struct http_request *request);
/* Records out of it, and to the journal. -1: refused. */
int http_body_hand_over(struct http_request *request, struct MHD_Connection *mhd);

/* ---- http_room.c: the room that bodies share ------------------------------------------------------------------ */

/* Promises some for what is to come. False: it has to wait. */
bool http_room_ask(struct http_request *request);
/* For a body that is there already: what the others leave free, or nothing. */
void http_room_promise_whole(struct http_request *request, uint64_t size);
void http_room_forget_promise(struct http_request *request);
/* So many bytes are there now. */
void http_room_charge(struct http_request *request, uint64_t bytes);
/* What it holds is no longer its address's. */
void http_room_let_go(struct http_request *request);

enum http_room_wait {
    HTTP_ROOM_WAIT, /* it stands in line, its connection is suspended */
    HTTP_ROOM_GO_ON, /* meanwhile there is room */
    HTTP_ROOM_REFUSED, /* nothing will ever make any, or the gateway stops */
};

/* When http_room_ask() has said no. */
enum http_room_wait http_room_wait(struct http_request *request);
/* Calls those who wait, in their order, as far as there is room for them, if this thread has given some back. */
void http_room_feed(struct http_thread *thread);
/* Refuses the one that has waited longest, if that is too long, of whatever thread it is. False: it is not. */
bool http_room_expire(struct http_thread *thread);
/* The thread's own leave the line. */
void http_room_leave(struct http_thread *thread);

/* ---- http_delivery.c: the places of those who wait for their delivery ------------------------------------------ */

/* Whether one more may: -1 and the refusal where not, and those who have gone soon give up their places. */
int http_delivery_look(struct http_request *request);
/* Those places are all taken. Returns -1. */
int http_delivery_refuse(struct http_request *request, struct places *full);
/* Sets and clears `awaited`. NULL: it is; otherwise those that are all taken. */
struct places *http_delivery_await(struct http_request *request);
void http_delivery_await_no_more(struct http_request *request);
/* Its place is no longer one of its address's: its connection ends. */
void http_delivery_let_go(struct http_request *request);
/* It waits no longer, unless its delivery is there already. */
void http_delivery_give_up(struct http_request *request);
/* Whether somebody was lately refused for want of such a place as it has. */
bool http_delivery_is_in_demand(const struct http_request *request);

/* ---- http_key.c: requests that carry an Idempotency-Key ------------------------------------------------------- */

enum http_claim {
    HTTP_KEY_FREE, /* go on */
    HTTP_KEY_WAITS, /* the connection was suspended; when it goes on, claim again */
    HTTP_KEY_REPEATED, /* answer as before */
    HTTP_KEY_REFUSED,
};

/* The header's value. -1: the refusal says why. */
int http_key_read(struct http_request *request, struct slice value);
/* Its body is whole: what is known of its key? When nothing is (HTTP_KEY_FREE), it has taken the key: who comes with the same waits. */
enum http_claim http_key_claim(struct http_request *request, struct MHD_Connection *mhd);
/* Adds the answer to the hand-over, as the last of its records. -1: refused. */
int http_key_keep(struct http_request *request);
/* The journal is done with it, or did not get it: who has waited goes on. Of a request that has none, or has not taken it: nothing. */
void http_key_settle(struct http_request *request);
/* It waits no longer for another one, unless it has been called by now. */
void http_key_give_up(struct http_request *request);
/* Of a repeated one: whether it can be known that all its records were delivered. */
bool http_key_is_delivered(const struct http_request *request);
/* Metrics. */
void http_key_tell(struct source *http);

/* ---- http_pool.c: requests and their memory --------------------------------------------------------------- */

struct http_request *http_pool_take(struct http_thread *thread); /* NULL: memory is gone */
/* What only the journal needed, and it has it. */
void http_pool_unload(struct http_request *request);
/* When neither the library nor the journal holds it any more. */
void http_pool_release(struct http_request *request);
void http_pool_free(struct http_thread *thread);

/* ---- http_respond.c: answers through the library ---------------------------------------------------------- */

/* The level that a Penstock-Ack header names. -1: none. */
int http_ack_find(struct slice name, enum http_ack *ret_ack);
enum MHD_Result http_respond_problem(struct http_request *request, struct MHD_Connection *mhd);
/* Where records were duplicates, nobody knows which records they repeat: whether all up to this one are delivered, and none was ever given up. */
bool http_respond_all_delivered(const struct http_request *request, unsigned outlets, uint64_t last);
enum MHD_Result http_respond_accepted(struct http_request *request, struct MHD_Connection *mhd);
void http_respond_free(struct http_thread *thread);

#endif
