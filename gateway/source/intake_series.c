/* intake_series: records counted; see intake.h */
#include <stdlib.h>

#include "source/intake.h"

#define SERIES_OF_NONE "none" /* the stream's name for what belongs to none */

struct intake_series *intake_series_new(const struct streams *streams, const char *source)
{
    struct intake_series *series = calloc(streams->count + 1, sizeof *series);

    for (size_t i = 0; series && i <= streams->count; i++) {
        series[i].source = source;
        series[i].stream = i < streams->count ? streams->items[i].name : SERIES_OF_NONE;
    }
    return series;
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

void intake_count_accepted(struct intake_series *series, uint64_t count, uint64_t schema_invalid)
{
    intake_count(&series->accepted, count, METRIC_RECORDS_ACCEPTED, series->source, series->stream, NULL);
    intake_count(
        &series->schema_invalid, schema_invalid, METRIC_RECORDS_SCHEMA_INVALID, series->stream, NULL, NULL);
}

void intake_count_rejected(struct intake_series *series, enum intake_reason reason, uint64_t count)
{
    intake_count(&series->rejected[reason], count, METRIC_RECORDS_REJECTED, series->source, series->stream,
        intake_reason_name(reason));
}

void intake_count_over_share(struct intake_series *series)
{
    intake_count(&series->over_share, 1, METRIC_STREAM_REFUSED, series->source, series->stream, NULL);
}

void intake_count_all_rejected(struct intake_series *series, const uint64_t by_reason[INTAKE_REASONS])
{
    for (size_t i = 0; i < INTAKE_REASONS; i++)
        intake_count_rejected(series, (enum intake_reason)i, by_reason[i]);
}
