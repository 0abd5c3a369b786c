/* shares: how much of the journal each stream's records take, and how much they may (streams.*.journal_share). The journal counts by rendering and says when
 * somebody is over; here is what it does not know: which renderings are a stream's, older ones among them, and how people are told. @thread main
 */
#ifndef PENSTOCK_PIPELINE_SHARES_H
#define PENSTOCK_PIPELINE_SHARES_H

#include "base/config.h"
#include "journal/journal.h"
#include "record/record.h"
#include "route/route.h"

struct shares;

/* All of it outlives the shares. */
struct shares_context {
    const struct config *config;
    struct journal *journal;
    struct rendering_table *renderings;
};

/* With shares_apply(). After -1, too, shares_free() is due where *ret_shares is set. */
int shares_open(struct shares **ret_shares, const struct shares_context *context,
    const struct streams *streams, struct error *error);
/* Behind the journal's end; takes NULL. */
void shares_free(struct shares **shares);

/* Behind renderings_store(), and before sources see the streams: from now on their sources stop when they have to. Again for other streams, or the same with other
 * shares: what is kept stays counted for the stream of that name. ERROR_REJECT: a stream with a share cannot be counted for. */
int shares_apply(struct shares *shares, const struct streams *streams, struct error *error);

/* Metrics, log and /readyz. About once a second. */
void shares_watch(struct shares *shares);

#endif
