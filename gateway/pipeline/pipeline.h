/* pipeline: builds the gateway from its configuration, in order, and takes it down in the reverse order.
 *
 *     streams -> credentials -> journal -> outlets -> sources' sockets -> admin -> outlets run -> renderings durable -> sources run
 *
 * Sockets are bound before anything runs; outlets run before the renderings are stored, because a full journal has to
 * be emptied first; sources run last, when everything that they feed is there. @thread main
 */
#ifndef PENSTOCK_PIPELINE_H
#define PENSTOCK_PIPELINE_H

#include <stdbool.h>

#include "base/clock.h"
#include "base/config.h"
#include "base/error.h"
#include "lake/ddl.h"

struct pipeline;

/* Builds and runs everything. When streams are wrong the config has the errors (config_errors()); any other failure is in
 * error. Nothing is left running then. The config outlives the pipeline. */
int pipeline_open(
    struct pipeline **ret_pipeline, struct config *config, const struct clock *clock, struct error *error);

/* Reads credentials, certificates and keys again, and puts another configuration, which was checked, in the place of the one that is in force, as far as that takes no restart (option_is_live()).
 * Nothing that was accepted or is under way is touched by it. Takes it over. False: something does not go, which is logged and stands in /readyz, and the configuration is as it was. */
bool pipeline_reload(struct pipeline *pipeline, struct config **fresh);
/* The same where there is none that could be taken: says why, and reads the others. */
void pipeline_keep(struct pipeline *pipeline, const char *why);

/* Stops the sources, then lets the outlets deliver, all by the deadline (monotonic). What is left stays in the journal. */
void pipeline_stop(struct pipeline *pipeline, int64_t deadline);

/* Takes down what stands: admin, sources, outlets, journal. */
void pipeline_close(struct pipeline **pipeline);

/* Reports everything that is wrong in streams and outlets to the config, also a stream whose records no outlet would take;
 * opens nothing. */
void pipeline_check(struct config *config);

/* Whether the configuration asks for the outlet of that name. */
bool pipeline_wants(const struct config *config, const char *outlet);

struct pipeline_table {
    enum ddl_engine engine;
    const char *table; /* NAME or DATABASE.NAME; NULL: the stream's name */
    const char *location; /* of the lake's root, as the engine reaches it; NULL: follows from lake.url */
};

/* Appends the statements by which an engine reads the files of a stream. ERROR_REJECT: there can be no such table, and why. */
int pipeline_print_table(struct config *config, const char *name, const struct pipeline_table *how,
    struct bytes *text, struct error *error);

struct pipeline_state {
    bool accepting;
    int64_t busy; /* microseconds that the journal has been at its present group; 0: idle */
    char text[ERROR_TEXT_SIZE]; /* one line for people */
};

/* Looks at the state, and logs when it has changed. Call it about once a second. */
void pipeline_watch(struct pipeline *pipeline, struct pipeline_state *ret_state);

/* Appends a line for each place: where it listens, where data lie. */
int pipeline_describe(const struct pipeline *pipeline, struct bytes *text, struct error *error);

/* Appends a curl command that works as it stands, where credentials are asked for with the reader's in $SECRET; nothing when the streams of the configuration would refuse it. */
int pipeline_example(const struct pipeline *pipeline, struct bytes *text, struct error *error);

#endif
