/* renderings: see renderings.h */
#include "pipeline/renderings.h"

#include "base/log.h"
#include "base/option.h"

#define RENDERING_MAX (64 * 1024)
#define RENDERING_SHARE 64 /* of a segment: what reloads may make of them, old ones included */
#define ROOM_PATIENCE (10 * CLOCK_SECOND) /* for outlets to make room in a full journal at the start */
#define ROOM_PAUSE (CLOCK_SECOND / 10)

/* Hands over and waits; while the journal is full, outlets that run may make room. */
static int renderings_write(struct journal *journal, const struct clock *clock, int64_t deadline,
    struct slice body, struct error *error)
{
    __attribute__((cleanup(handover_free))) struct handover handover;
    unsigned seen = 0;

    handover_init(&handover, RENDERING_MAX + 4096, NULL, NULL);
    if (handover_add(&handover, (enum journal_kind)STATE_RENDERING, body, 0, 0, error))
        return -1;
    while (journal_hand_over_and_wait(journal, &handover, error)) {
        if (error->kind != ERROR_RETRY || clock_monotonic(clock) >= deadline)
            return -1;
        journal_wait(journal, UINT64_MAX, ROOM_PAUSE, &seen);
    }
    return 0;
}

static int renderings_store_one(struct stream *stream, struct rendering *rendering,
    struct rendering_table *table, struct journal *journal, const struct clock *clock, int64_t deadline,
    struct error *error)
{
    cleanup_bytes struct bytes body;

    bytes_init(&body, RENDERING_MAX);
    stream->rendering = rendering_find_equal(table, rendering);
    if (stream->rendering)
        return 0;
    rendering->id = rendering_next_id(table);
    if (rendering_encode(rendering, &body, error) ||
        renderings_write(journal, clock, deadline, bytes_slice(&body), error))
        return -1;
    if (!rendering_find(table, rendering->id)) /* the next one would get its id */
        return error_set(error, ERROR_FATAL, "the journal has not taken it: see the log");
    stream->rendering = rendering->id;
    log_event(LOG_INFO, "stream.rendering", log_text("stream", stream->name), log_number("id", rendering->id),
        log_text("path", rendering->lake_path));
    return 0;
}

int renderings_store(const struct streams *streams, struct rendering_table *table, struct journal *journal,
    const struct clock *clock, struct error *error)
{
    const int64_t deadline = clock_monotonic(clock) + ROOM_PATIENCE;

    for (size_t i = 0; i < streams->count; i++) {
        struct stream *stream = streams->items[i];
        __attribute__((cleanup(rendering_free))) struct rendering *rendering = NULL;
        if (stream->rendering)
            continue;
        if (stream_rendering(stream, &rendering, error) ||
            renderings_store_one(stream, rendering, table, journal, clock, deadline, error))
            return error_wrap(error, "stream %s: store how it is rendered", stream->name);
    }
    return 0;
}

void renderings_retire(
    const struct streams *streams, struct rendering_table *table, const struct journal *journal)
{
    uint32_t ids[OPTION_STREAMS_MAX];

    for (size_t i = 0; i < streams->count; i++)
        ids[i] = streams->items[i]->rendering;
    rendering_supersede(table, ids, streams->count, journal_durable(journal));
}

static int renderings_weigh(void *context, const void *body, size_t length, struct error *error)
{
    (void)body, (void)error;
    *(uint64_t *)context += length;
    return 0;
}

int renderings_check(
    const struct streams *streams, struct rendering_table *table, uint64_t segment_size, struct error *error)
{
    uint64_t bytes = 0, added = 0;
    cleanup_bytes struct bytes body;

    bytes_init(&body, RENDERING_MAX);
    if (rendering_dump(table, 0, renderings_weigh, &bytes, error))
        return -1;
    for (size_t i = 0; i < streams->count; i++) {
        __attribute__((cleanup(rendering_free))) struct rendering *rendering = NULL;
        if (streams->items[i]->rendering)
            continue;
        bytes_clear(&body);
        if (stream_rendering(streams->items[i], &rendering, error) ||
            rendering_encode(rendering, &body, error))
            return -1;
        if (!rendering_find_equal(table, rendering))
            added += body.length;
    }
    return added == 0 || bytes + added <= segment_size / RENDERING_SHARE
               ? 0
               : error_set(error, ERROR_REJECT,
                     "the journal's state has no room for how so many new streams are rendered beside the old ones: "
                     "that takes a restart, or a larger journal.segment_size");
}
