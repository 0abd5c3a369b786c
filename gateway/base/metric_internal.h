/* metric_internal: what metric.c (the numbers), metric_process.c (those of /proc) and metric_print.c (the page) share; nobody else includes it. */
#ifndef PENSTOCK_BASE_METRIC_INTERNAL_H
#define PENSTOCK_BASE_METRIC_INTERNAL_H

#include <stdatomic.h>

#include "base/metric.h"

#define METRIC_BOUNDS_MAX 17

struct metric_row {
    enum metric_type type;
    const char *name;
    const char *labels;
    const char *help;
};

extern const struct metric_row metric_rows[METRIC_COUNT];

struct metric_series {
    char values[METRIC_LABELS_MAX][METRIC_LABEL_VALUE_MAX + 1]; /* well-formed UTF-8 */
    const struct metric_bounds *bounds; /* histograms */
    _Atomic uint64_t count; /* counters */
    _Atomic double value; /* gauges; a histogram's sum */
    _Atomic uint64_t buckets[METRIC_BOUNDS_MAX + 1]; /* each observation in one; the last is unbounded */
};

/* Upper bounds of a histogram's buckets, inclusive, rising. */
struct metric_bounds {
    size_t count;
    double items[METRIC_BOUNDS_MAX];
};

/* The series made so far: at most METRIC_SERIES_MAX, and the one named "other". @thread any */
size_t metric_series_count(enum metric_id id);
struct metric_series *metric_series_at(enum metric_id id, size_t index);

/* Numbers that are read when the page is printed; read returns -1 where there is no /proc. */
struct metric_process_row {
    const char *name;
    const char *help;
    enum metric_type type;
    int (*read)(double *ret_value);
};

extern const struct metric_process_row metric_process_rows[];
extern const size_t metric_process_count;

#endif
