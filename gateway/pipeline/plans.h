/* plans: from a configuration to what is in force (struct plan, route/route.h). @thread main */
#ifndef PENSTOCK_PIPELINE_PLANS_H
#define PENSTOCK_PIPELINE_PLANS_H

#include "journal/journal.h"
#include "route/route.h"

/* Compiles streams, their schemas and topics, without those that no outlet takes. With `now`, the plan that is in force and was made of `before`, streams that are the same
 * are its own. What is wrong is reported to the config. */
int plans_compile(struct config *config, const struct plan *now, const struct config *before,
    struct streams **ret_streams, struct topic_map **ret_topics, struct error *error);

/* What streams that are new have to know of the outlets. */
void plans_prepare(const struct streams *streams, const struct config *config, const struct journal *journal,
    uint64_t max_message);

#endif
