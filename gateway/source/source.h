/* source: where records come in.
 *
 * A source is a few functions and a row of data. It owns its threads; it takes bytes, lets intake (intake.h) turn
 * them into a hand-over, and answers its sender only when the journal completes it.
 */
#ifndef PENSTOCK_SOURCE_SOURCE_H
#define PENSTOCK_SOURCE_SOURCE_H

#include "base/clock.h"
#include "base/config.h"
#include "base/error.h"
#include "base/tls.h"
#include "journal/journal.h"
#include "route/route.h"

/* ---- what sources keep in the journal ---------------------------------------------------------------------- */

#define SOURCE_STATE_KINDS 4

struct source_state;

/* Made before the journal is opened, freed behind its end. config: what their ceilings follow from. */
int source_state_new(struct source_state **ret_state, const struct config *config, struct error *error);
void source_state_free(struct source_state **state);

/* Rows of the journal's table of state. Whoever opens the journal registers them, whatever sources run: what no row takes is gone with
 * the next segment. */
void source_state_kinds(struct source_state *state, struct state_kind ret_kinds[SOURCE_STATE_KINDS]);

/* Behind journal_open(), before any source is opened. ERROR_FATAL: there is more than fits; the text says what to do. @thread main */
int source_state_check(struct source_state *state, struct error *error);

/* How much of it there is. @thread main, while no source runs */
struct source_usage {
    uint64_t sessions, packets; /* of MQTT, and the packet ids of all of them */
    uint64_t answers; /* kept under idempotency keys */
    uint64_t sequences; /* keys whose sequence numbers are known */
};

int source_state_usage(struct source_state *state, struct source_usage *ret_usage, struct error *error);

/* ---- a source ------------------------------------------------------------------------------------------------ */

/* What every source gets; all of it outlives the source. */
struct source_context {
    const struct config *config;
    const struct routes
        *routes; /* streams, topics and limits that are in force; config: what was so at the start */
    struct journal *journal;
    struct source_state *state;
    struct file_state *files; /* of importers/files, which keeps its own state */
    struct tls_server *http_tls, *mqtt_tls; /* NULL: its addresses speak no TLS */
    const struct clock *clock;
    struct access *access;
};

struct source;

/* Reports what is wrong in the configuration besides what the options themselves say; opens nothing. NULL: nothing can be. */
typedef void source_check_fn(struct config *config);
/* Opens sockets or directories, so that errors are known before anything starts. */
typedef int source_open_fn(
    struct source **ret_source, const struct source_context *context, struct error *error);
/* Starts the threads. */
typedef int source_run_fn(struct source *source, struct error *error);
/* Takes nothing new, lets what was handed over complete and be answered, at most until `deadline` (monotonic), then ends the
 * threads. @thread main */
typedef void source_stop_fn(struct source *source, int64_t deadline);
/* Frees; accepts a source that was never run. The journal is closed by then, so that every hand-over is completed. */
typedef void source_close_fn(struct source **source);
/* Appends one line per listening address ("HTTP   http://127.0.0.1:8080") for the banner. */
typedef int source_describe_fn(const struct source *source, struct bytes *text, struct error *error);

struct source_kind {
    const char *name;
    source_check_fn *check;
    source_open_fn *open;
    source_run_fn *run;
    source_stop_fn *stop;
    source_close_fn *close;
    source_describe_fn *describe;
};

extern const struct source_kind source_http;
extern const struct source_kind source_mqtt;
extern const struct source_kind source_subscriber;

#endif
