/* intake_series: records counted; see intake.h */
#include <stdlib.h>

#include "source/intake.h"

#define SERIES_OF_NONE "none" /* the stream's name for what belongs to none */

struct intake_counts *intake_counts_new(const struct routes *routes, const char *source)
{
    struct intake_counts *counts = calloc(1, sizeof *counts + (routes->most + 1) * sizeof *counts->series);

    if (counts)
        counts->source = source;
    return counts;
}

static const char *series_stream(const struct stream *stream)
{
    return stream ? stream->name : SERIES_OF_NONE;
}

/* Two threads that look one up at a time find the same. */
static void intake_count(struct metric_series *_Atomic *place, uint64_t count, enum metric_id id,
    const char *value1, const char *value2, const char *value3)
{
    struct metric_series *found = atomic_load_explicit(place, memory_order_acquire);

    if (!count)
        return;
    if (!found) {
        found = metric_series(id, value1, value2, value3);
        atomic_store_explicit(place, found, memory_order_release);
    }
    metric_add(found, count);
}

void intake_count_accepted(
    struct intake_counts *counts, const struct stream *stream, uint64_t count, uint64_t schema_invalid)
{
    struct intake_series *series = &counts->series[stream_place(stream)];
    const char *name = series_stream(stream);

    intake_count(&series->accepted, count, METRIC_RECORDS_ACCEPTED, counts->source, name, NULL);
    intake_count(&series->schema_invalid, schema_invalid, METRIC_RECORDS_SCHEMA_INVALID, name, NULL, NULL);
}

void intake_count_rejected(
    struct intake_counts *counts, const struct stream *stream, enum intake_reason reason, uint64_t count)
{
    struct intake_series *series = &counts->series[stream_place(stream)];

    intake_count(&series->rejected[reason], count, METRIC_RECORDS_REJECTED, counts->source,
        series_stream(stream), intake_reason_name(reason));
}

void intake_count_over_share(struct intake_counts *counts, const struct stream *stream)
{
    intake_count(&counts->series[stream_place(stream)].over_share, 1, METRIC_STREAM_REFUSED, counts->source,
        series_stream(stream), NULL);
}

void intake_count_all_rejected(
    struct intake_counts *counts, const struct stream *stream, const uint64_t by_reason[INTAKE_REASONS])
{
    for (size_t i = 0; i < INTAKE_REASONS; i++)
        intake_count_rejected(counts, stream, (enum intake_reason)i, by_reason[i]);
}
