/* outlet: where records leave.
 *
 * An outlet is a thread that reads the journal in order, delivers, and moves its own cursor only when its store has confirmed.
 * It never gives up: what fails is tried again, and the journal waits.
 */
#ifndef PENSTOCK_OUTLET_OUTLET_H
#define PENSTOCK_OUTLET_OUTLET_H

#include "base/clock.h"
#include "base/config.h"
#include "base/error.h"
#include "dead_letter/dead_letter.h"
#include "journal/journal.h"
#include "record/record.h"
#include "route/route.h"

struct outlet_context {
    struct config *config; /* read; written only to report what is wrong with it */
    const char *gateway_id;
    struct journal *journal;
    struct rendering_table *renderings;
    const struct routes *routes; /* streams that are in force; config: what was so at the start */
    struct dead_letters *dead_letters;
    const struct clock *clock;
};

struct outlet;

/* Takes what it needs of a configuration that its check has found right; touches no store, so that the gateway starts while
 * the store is away. The context's parts outlive the outlet. @thread main */
typedef int outlet_open_fn(
    struct outlet **ret_outlet, const struct outlet_context *context, struct error *error);
/* Starts the thread. @thread main */
typedef int outlet_run_fn(struct outlet *outlet, struct error *error);
/* Delivers what is durable and publishes what is open, at most until `deadline` (monotonic), then ends the thread. What is
 * left stays in the journal. @thread main */
typedef void outlet_stop_fn(struct outlet *outlet, int64_t deadline);
/* Frees; accepts an outlet that was never run; one that runs is stopped at once. @thread main */
typedef void outlet_close_fn(struct outlet **outlet);
/* Appends one line for the banner: "Lake   DIRECTORY". */
typedef int outlet_describe_fn(const struct outlet *outlet, struct bytes *text, struct error *error);

/* Whether the configuration asks for this outlet. Only those are checked and opened and have a cursor. @thread main */
typedef bool outlet_wanted_fn(const struct config *config);
/* Reports what is wrong in its part of the configuration to the config, for `check` too; contacts nobody. @thread main */
typedef void outlet_check_fn(struct config *config);
/* The largest message that the outlet takes of streams with topics; 0: no limit. @thread main, after open */
typedef uint64_t outlet_max_message_fn(const struct outlet *outlet);

struct outlet_kind {
    const char *name; /* also the cursor's */
    outlet_wanted_fn *wanted;
    outlet_check_fn *check; /* NULL: nothing can be wrong */
    outlet_open_fn *open;
    outlet_run_fn *run;
    outlet_stop_fn *stop;
    outlet_close_fn *close;
    outlet_describe_fn *describe;
    outlet_max_message_fn *max_message; /* NULL: no limit */
};

extern const struct outlet_kind outlet_lake;
extern const struct outlet_kind outlet_kafka;
extern const struct outlet_kind outlet_dead_letter;

/* ---- destinations ------------------------------------------------------------------------------------------- */

/* Nothing is accepted that has nowhere to go. The lake takes every stream, Kafka those with topics. A stream without a
 * destination is an error, or not there when it is one of those that exist by default. @thread main */
bool destination_exists(const struct config *config, const struct config_stream *stream);

/* Reports topics without Kafka, streams without a destination, and that there is no destination at all, to the config. */
void destination_check(struct config *config);

/* What is no error of the stream, but will hardly do what whoever wrote it expects: a text, or NULL. */
const char *destination_doubt(const struct config *config, const struct config_stream *stream);

#endif
