/* shares: see shares.h */
#include "pipeline/shares.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/health.h"
#include "base/log.h"
#include "base/metric.h"

#define SHARES_CONDITION "journal.share"
#define KEPT_SEGMENTS 2 /* that records never use (journal/FORMAT.md) */

/* One for each name that a stream has had: the journal keeps its address. */
struct share {
    struct share *next;
    char stream[RECORD_STREAM_NAME_MAX + 1];
    struct journal_quota quota;
    uint64_t percent; /* 0: no limit */
    bool over; /* as last told */
    uint64_t times; /* as last counted */
    struct metric_series *bytes;
};

struct shares {
    struct shares_context context;
    uint64_t room; /* of the journal, for records */
    struct share *first;
    size_t told; /* streams that are over, as /readyz has it */
};

void shares_free(struct shares **shares)
{
    struct shares *old = *shares;

    *shares = NULL;
    while (old && old->first) {
        struct share *share = old->first;
        old->first = share->next;
        free(share);
    }
    free(old);
}

static struct share *share_find(struct shares *shares, const char *stream)
{
    struct share *share = shares->first;

    while (share && strcmp(share->stream, stream) != 0)
        share = share->next;
    return share;
}

/* Found or added; NULL: memory is gone. */
static struct share *share_make(struct shares *shares, const char *stream)
{
    struct share *share = share_find(shares, stream);

    if (share)
        return share;
    share = calloc(1, sizeof *share);
    if (!share)
        return NULL;
    snprintf(share->stream, sizeof share->stream, "%s", stream);
    share->bytes = metric_series(METRIC_STREAM_BYTES, share->stream, NULL, NULL);
    share->next = shares->first;
    shares->first = share;
    return share;
}

/* What is kept under an older rendering is the stream's, too. */
static int shares_add_kept(struct shares *shares, struct error *error)
{
    const size_t count = journal_accounts(shares->context.journal, NULL, 0);
    uint32_t *accounts = calloc(count + 1, sizeof *accounts);
    int result = accounts ? 0 : error_set(error, ERROR_RETRY, "shares: out of memory");

    if (!result)
        journal_accounts(shares->context.journal, accounts, count);
    for (size_t i = 0; !result && i < count; i++) {
        const struct rendering *rendering = rendering_find(shares->context.renderings, accounts[i]);
        struct share *share = rendering ? share_find(shares, rendering->stream) : NULL;
        if (share)
            result = journal_quota_add(shares->context.journal, &share->quota, accounts[i], error);
    }
    free(accounts);
    return result;
}

static void share_limit(struct shares *shares, struct share *share, uint64_t percent)
{
    share->percent = percent;
    journal_quota_set(shares->context.journal, &share->quota, shares->room / 100 * percent);
}

static int shares_apply_one(struct shares *shares, struct stream *stream, struct error *error)
{
    struct share *share = share_make(shares, stream->name);

    if (!share)
        return error_set(error, ERROR_RETRY, "shares: out of memory");
    share_limit(shares, share, stream->journal_share);
    if (!stream->over_share) /* sources look at one that was there before */
        stream->over_share = &share->quota.over;
    if (journal_quota_add(shares->context.journal, &share->quota, stream->rendering, error) && share->percent)
        return error_wrap(error, "streams.%s.journal_share", stream->name);
    return 0;
}

int shares_apply(struct shares *shares, const struct streams *streams, struct error *error)
{
    for (struct share *share = shares->first; share; share = share->next) {
        if (!streams_find(streams, slice_of(share->stream)))
            share_limit(shares, share, 0);
    }
    /* There are accounts for so many only: those first that need theirs. */
    for (int own = 1; own >= 0; own--) {
        for (size_t i = 0; i < streams->count; i++) {
            if ((streams->items[i]->journal_share > 0) == own &&
                shares_apply_one(shares, streams->items[i], error))
                return -1;
        }
    }
    return shares_add_kept(shares, error);
}

int shares_open(struct shares **ret_shares, const struct shares_context *context,
    const struct streams *streams, struct error *error)
{
    const struct config *config = context->config;
    struct shares *shares = calloc(1, sizeof *shares);

    if (!shares)
        return error_set(error, ERROR_RETRY, "shares: out of memory");
    shares->context = *context;
    shares->room = config->journal.max_size - KEPT_SEGMENTS * config->journal.segment_size;
    *ret_shares = shares; /* the journal knows what is in it from here on */
    return shares_apply(shares, streams, error);
}

/* ---- what people see ------------------------------------------------------------------------------------------ */

static void share_count(struct share *share)
{
    const uint64_t bytes = share->quota.bytes, times = share->quota.times;

    metric_set(share->bytes, (double)bytes);
    if (times != share->times)
        metric_add(metric_series(METRIC_STREAM_OVER, share->stream, NULL, NULL), times - share->times);
    share->times = times;
}

static void share_log(struct share *share)
{
    const bool over = share->quota.over;

    if (over == share->over)
        return;
    share->over = over;
    log_event(over ? LOG_WARN : LOG_INFO, over ? "stream.over_share" : "stream.under_share",
        log_text("stream", share->stream), log_number("bytes", (int64_t)share->quota.bytes),
        log_number("percent", (int64_t)share->percent));
}

void shares_watch(struct shares *shares)
{
    char text[sizeof((struct health_condition *)0)->text];
    const struct share *first = NULL;
    size_t count = 0;

    for (struct share *share = shares->first; share; share = share->next) {
        share_count(share);
        share_log(share);
        first = share->over ? share : first;
        count += share->over;
    }
    if (count)
        snprintf(text, sizeof text,
            "%zu streams take nothing, %s among them: their records have used up their share of the journal "
            "(streams.%s.journal_share, %llu %%): their outlets have to deliver",
            count, first->stream, first->stream, (unsigned long long)first->percent);
    if (count || shares->told)
        health_set(SHARES_CONDITION, count ? HEALTH_DEGRADED : HEALTH_OK, text);
    shares->told = count;
}
