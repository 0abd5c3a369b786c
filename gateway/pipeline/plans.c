/* plans: see plans.h */
#include "pipeline/plans.h"

#include "base/log.h"
#include "outlet/outlet.h"
#include "pipeline/schemas.h"

static const struct config_stream *plans_find(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->streams_count; i++) {
        if (strcmp(config->streams[i].name, name) == 0)
            return &config->streams[i];
    }
    return NULL;
}

/* The check let only built-in streams pass without a destination: nobody who posts to them shall hear "accepted". */
static void plans_drop(struct streams *streams, const struct config *config, bool told)
{
    for (size_t i = streams->count; i-- > 0;) {
        const struct config_stream *stream = plans_find(config, streams->items[i]->name);
        if (destination_exists(config, stream))
            continue;
        streams_drop(streams, i);
        if (!told)
            log_event(LOG_INFO, "stream.dropped", log_text("stream", stream->name),
                log_text("reason", "no outlet takes it: it has no topics, and lake.enabled is false"));
    }
}

/* Those that are the same as they were. */
static void plans_share(
    struct streams *streams, const struct config *config, const struct plan *now, const struct config *before)
{
    for (size_t i = 0; i < streams->count; i++) {
        const char *name = streams->items[i]->name;
        struct stream *old = streams_find(now->streams, slice_of(name));
        if (!old)
            continue;
        atomic_store(&streams->items[i]->suspended, atomic_load(&old->suspended));
        const struct config_stream *was = plans_find(before, name);
        if (old->schema_hash != streams->items[i]->schema_hash || !was ||
            !config_same_stream(plans_find(config, name), was))
            continue;
        stream_free(&streams->items[i]);
        streams->items[i] = old;
    }
}

int plans_compile(struct config *config, const struct plan *now, const struct config *before,
    struct streams **ret_streams, struct topic_map **ret_topics, struct error *error)
{
    __attribute__((cleanup(streams_free))) struct streams *streams = NULL;

    if (streams_compile(&streams, config, error) || schemas_compile(config, streams, error))
        return -1;
    plans_drop(streams, config, now);
    if (now)
        plans_share(streams, config, now, before);
    if (topic_map_compile(ret_topics, config, streams, error))
        return -1;
    *ret_streams = streams;
    streams = NULL;
    return 0;
}

static unsigned plans_outlets(const struct config_stream *from, const struct journal *journal)
{
    unsigned outlets = 0;

    for (size_t i = 0; i < from->ack.outlets.count; i++)
        outlets |= journal_outlet_bit(journal, from->ack.outlets.items[i]);
    if (!outlets)
        outlets = from->topics.count ? journal_outlet_bit(journal, "kafka") : 0;
    return outlets ? outlets : journal_outlet_bit(journal, "lake");
}

void plans_prepare(const struct streams *streams, const struct config *config, const struct journal *journal,
    uint64_t max_message)
{
    for (size_t i = 0; i < streams->count; i++) {
        struct stream *stream = streams->items[i];
        if (stream->rendering)
            continue;
        stream->ack_outlets = plans_outlets(plans_find(config, stream->name), journal);
        /* What an outlet would refuse for its size is refused at the door. */
        if (stream->topics_count)
            stream->max_message = max_message;
    }
}
