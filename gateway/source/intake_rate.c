/* intake_rate: how fast keys are written; see intake.h, access/rate.h */
#include "base/fnv.h"
#include "source/intake_internal.h"

uint64_t intake_rate_scope(const struct stream *stream)
{
    const uint64_t hash = fnv_add(FNV_EMPTY, stream->name, strlen(stream->name));

    return hash ? hash : 1; /* 0 is that of addresses */
}

int intake_rate_check(struct intake_run *run, uint64_t index, struct slice key)
{
    const struct intake_facts *facts = run->facts;
    struct intake_result *result = run->result;
    const int64_t wait = facts->bury ? rate_wait(facts->rates, run->who, facts->now)
                                     : rate_take(facts->rates, run->who, run->stream->key_rate, facts->now);

    if (wait == 0)
        return 0;
    run->ahead = true;
    result->wait = wait < result->wait ? wait : result->wait;
    return intake_reject(run, index, INTAKE_RATE,
        "the key '%.*s' has written as much as streams.%s.key_rate allows", (int)key.length, key.data,
        run->stream->name);
}

/* ---- behind the intake ---------------------------------------------------------------------------------------- */

/* Records of one hand-over may be of several streams, each with a rendering of its own. */
static const struct stream *rate_stream(struct stream *const *streams, size_t count, uint32_t rendering)
{
    for (size_t i = count; i-- > 0;) {
        if (streams[i]->rendering == rendering)
            return streams[i];
    }
    return NULL;
}

/* Whose it is, and the rate. False: nobody's. */
static bool rate_payer(struct stream *const *streams, size_t count, struct rates *rates, struct slice head,
    uint64_t *ret_who, uint64_t *ret_rate)
{
    struct record record;
    struct error ignored;

    if (record_head_is_undecodable(head) || record_decode(head.data, head.length, &record, &ignored))
        return false;
    const struct stream *stream = rate_stream(streams, count, record.rendering);
    if (!stream || !stream->key_rate)
        return false;
    *ret_who = rate_key(rates, intake_rate_scope(stream), record.key);
    *ret_rate = stream->key_rate;
    return true;
}

void intake_charge(struct stream *const *streams, size_t count, const struct handover *handover,
    const struct handover_mark *mark, struct rates *rates, int64_t now)
{
    size_t position = mark->parts_length;
    struct slice head;
    uint64_t who, rate;
    bool dropped;

    while (handover_head(handover, &position, &head, &dropped)) {
        if (rate_payer(streams, count, rates, head, &who, &rate))
            rate_charge(rates, who, rate, 1, now);
    }
}

void intake_refund(struct stream *const *streams, size_t count, const struct handover *handover,
    const struct handover_mark *mark, struct rates *rates, enum intake_refund what)
{
    size_t position = mark ? mark->parts_length : 0;
    struct slice head;
    uint64_t who, rate;
    bool dropped;

    while (handover_head(handover, &position, &head, &dropped)) {
        if ((what == INTAKE_REFUND_ALL || dropped) && rate_payer(streams, count, rates, head, &who, &rate))
            rate_refund(rates, who, rate, 1);
    }
}
