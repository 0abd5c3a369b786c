/* renderings: how each stream is rendered, made durable before its first record. @thread main */
#ifndef PENSTOCK_PIPELINE_RENDERINGS_H
#define PENSTOCK_PIPELINE_RENDERINGS_H

#include "base/clock.h"
#include "journal/journal.h"
#include "route/route.h"

/* Sets the id of each stream's rendering: of one that the journal has, or of one that is stored now. While the journal is full it waits
 * for the outlets, which run, to make room. */
int renderings_store(struct streams *streams, struct rendering_table *table, struct journal *journal,
    const struct clock *clock, struct error *error);

#endif
