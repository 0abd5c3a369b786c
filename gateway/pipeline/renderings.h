/* renderings: how each stream is rendered, made durable before its first record. @thread main */
#ifndef PENSTOCK_PIPELINE_RENDERINGS_H
#define PENSTOCK_PIPELINE_RENDERINGS_H

#include "base/clock.h"
#include "journal/journal.h"
#include "route/route.h"

/* Sets the id of each stream's rendering that has none: of one that the journal has, or of one that is stored now. While the journal is full it waits
 * for the outlets, which run, to make room. */
int renderings_store(const struct streams *streams, struct rendering_table *table, struct journal *journal,
    const struct clock *clock, struct error *error);

/* Whether a reload may add those of its streams: all have to fit into the start of each segment, and old ones stay until a start. */
int renderings_check(
    const struct streams *streams, struct rendering_table *table, uint64_t segment_size, struct error *error);

/* All others are superseded: no record is accepted under them any more. At the start, before the sources run: later those who have looked at a stream that a reload has replaced may still
 * hand records over. */
void renderings_retire(
    const struct streams *streams, struct rendering_table *table, const struct journal *journal);

#endif
