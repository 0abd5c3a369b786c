/* metric: see metric.h. How the page is printed: metric_print.c. */
#include "base/metric.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/metric_internal.h"
#include "base/utf8.h"

#define METRIC_OTHER "other"

const struct metric_row metric_rows[METRIC_COUNT] = {
#define METRIC_ROW(id, type, name, labels, help) {METRIC_##type, name, labels, help},
    METRIC_TABLE(METRIC_ROW)
#undef METRIC_ROW
};

static const struct metric_bounds metric_bounds_seconds = {
    17, {50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 20e-3, 50e-3, 100e-3, 200e-3, 500e-3, 1, 2,
            5, 10}};
static const struct metric_bounds metric_bounds_count = {
    11, {1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576}};

/* Series are only ever added: a reader that sees a count sees the series below it. */
static struct {
    _Atomic size_t count;
    struct metric_series *series[METRIC_SERIES_MAX];
    _Atomic bool overflowed;
    struct metric_series other; /* needs no memory, so metric_series() cannot fail */
} metric_tables[METRIC_COUNT];

static pthread_mutex_t metric_lock = PTHREAD_MUTEX_INITIALIZER; /* guards adding */

/* Copies what fits; bytes that are not UTF-8 become '?', because the page must be UTF-8. */
static void metric_copy_value(char out[METRIC_LABEL_VALUE_MAX + 1], const char *value)
{
    const size_t length = strlen(value);
    size_t to = 0;

    for (size_t from = 0; from < length;) {
        size_t used = utf8_sequence(value + from, length - from);
        size_t take = used ? used : 1;
        if (to + take > METRIC_LABEL_VALUE_MAX)
            break;
        memcpy(out + to, used ? value + from : "?", take);
        from += take;
        to += take;
    }
    out[to] = '\0';
}

static void metric_init(enum metric_id id, struct metric_series *series,
    char values[METRIC_LABELS_MAX][METRIC_LABEL_VALUE_MAX + 1])
{
    memcpy(series->values, values, sizeof series->values);
    if (metric_rows[id].type == METRIC_HISTOGRAM_SECONDS)
        series->bounds = &metric_bounds_seconds;
    if (metric_rows[id].type == METRIC_HISTOGRAM_COUNT)
        series->bounds = &metric_bounds_count;
}

/* @holds metric_lock */
static struct metric_series *metric_find(
    enum metric_id id, char values[METRIC_LABELS_MAX][METRIC_LABEL_VALUE_MAX + 1])
{
    const size_t count = metric_tables[id].count;

    for (size_t i = 0; i < count; i++) {
        struct metric_series *series = metric_tables[id].series[i];
        if (!memcmp(series->values, values, sizeof series->values))
            return series;
    }
    struct metric_series *series = count < METRIC_SERIES_MAX ? calloc(1, sizeof *series) : NULL;
    if (!series)
        return NULL;
    metric_init(id, series, values);
    metric_tables[id].series[count] = series;
    metric_tables[id].count = count + 1;
    return series;
}

/* @holds metric_lock */
static struct metric_series *metric_other(enum metric_id id)
{
    char values[METRIC_LABELS_MAX][METRIC_LABEL_VALUE_MAX + 1] = {METRIC_OTHER, METRIC_OTHER, METRIC_OTHER};

    if (!metric_tables[id].overflowed) {
        metric_init(id, &metric_tables[id].other, values);
        metric_tables[id].overflowed = true;
    }
    return &metric_tables[id].other;
}

struct metric_series *metric_series(
    enum metric_id id, const char *value1, const char *value2, const char *value3)
{
    const char *const given[METRIC_LABELS_MAX] = {value1, value2, value3};
    char values[METRIC_LABELS_MAX][METRIC_LABEL_VALUE_MAX + 1] = {0};

    for (size_t i = 0; i < METRIC_LABELS_MAX; i++) {
        if (given[i])
            metric_copy_value(values[i], given[i]);
    }
    pthread_mutex_lock(&metric_lock);
    struct metric_series *series = metric_find(id, values);
    if (!series)
        series = metric_other(id);
    pthread_mutex_unlock(&metric_lock);
    return series;
}

size_t metric_series_count(enum metric_id id)
{
    return metric_tables[id].count + metric_tables[id].overflowed;
}

struct metric_series *metric_series_at(enum metric_id id, size_t index)
{
    return index < metric_tables[id].count ? metric_tables[id].series[index] : &metric_tables[id].other;
}

/* The numbers order nothing else, so relaxed is enough. */
void metric_add(struct metric_series *series, uint64_t count)
{
    atomic_fetch_add_explicit(&series->count, count, memory_order_relaxed);
}

void metric_set(struct metric_series *series, double value)
{
    atomic_store_explicit(&series->value, value, memory_order_relaxed);
}

void metric_observe(struct metric_series *series, double value)
{
    double sum = atomic_load_explicit(&series->value, memory_order_relaxed);
    size_t bucket = 0;

    while (bucket < series->bounds->count && value > series->bounds->items[bucket])
        bucket++;
    atomic_fetch_add_explicit(&series->buckets[bucket], 1, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(&series->value, &sum, sum + value))
        ;
}

uint64_t metric_read(const struct metric_series *series)
{
    return atomic_load_explicit(&series->count, memory_order_relaxed);
}
