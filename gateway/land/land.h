/* land: topics of Kafka as files of a lake, each record exactly once, by a member of a consumer group.
 *
 * Kafka takes the place of the journal. A partition has a lake of its own (lake/lake.h), whose files are named by its offsets; what the group commits is the
 * smallest first offset of its open files. Whoever gets a partition fences those who had it before (they can publish nothing any more), asks for the end of the
 * log, reads from the committed offset on, and skips what stands in files: up to that end anything may. A commit is a hint to save reading twice, so that neither
 * its loss nor the group's view of who has which partition can lose a record or store it twice.
 *
 * What cannot be stored under its own path (no JSON, a key that no directory can have) goes to land.dead_letters with its reason, by the same lake, exactly once
 * as well. A partition whose log is not the one that was read before is stopped: nothing of it is read, until people have decided.
 */
#ifndef PENSTOCK_LAND_LAND_H
#define PENSTOCK_LAND_LAND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/error.h"

struct land;

/* Whether the configuration names a topic to land. */
bool land_is_configured(const struct config *config);

/* Reports what is wrong in its part of the configuration to the config; contacts nobody. @thread main, as all here */
void land_check(struct config *config);

/* The configuration was checked, and outlives it. */
int land_open(struct land **ret_land, struct config *config, const struct clock *clock, struct error *error);
/* Starts the thread, which joins the group. */
int land_run(struct land *land, struct error *error);
/* Publishes what is open and commits, at most until `deadline` (monotonic), and leaves the group. */
void land_stop(struct land *land, int64_t deadline);
/* Whether a partition was stopped since the start, or nothing can be read any more. */
bool land_has_failed(const struct land *land);
void land_close(struct land **land);

/* Appends its lines of the banner. */
int land_describe(const struct land *land, struct bytes *text, struct error *error);

#endif
