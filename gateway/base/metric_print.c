/* metric_print: the page of /metrics and the README's table. See metric.h.
 * Format: Prometheus text exposition format 0.0.4. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/metric_internal.h"

static const char *const metric_type_names[] = {"counter", "gauge", "histogram", "histogram"};

/* ---- numbers and labels ------------------------------------------------------------------------------------ */

/* The shortest of the two forms that reads back as the same number. */
static int metric_print_number(struct bytes *page, double value, struct error *error)
{
    char text[40];

    snprintf(text, sizeof text, "%.15g", value);
    if (strtod(text, NULL) < value || strtod(text, NULL) > value)
        snprintf(text, sizeof text, "%.17g", value);
    return bytes_add_text(page, text, error);
}

/* `\`, `"` and line feed are escaped, everything else stands as it is. */
static int metric_print_value(struct bytes *page, const char *value, struct error *error)
{
    for (; *value; value++) {
        const char *escaped = *value == '\\'   ? "\\\\"
                              : *value == '"'  ? "\\\""
                              : *value == '\n' ? "\\n"
                                               : NULL;
        if (escaped ? bytes_add_text(page, escaped, error) : bytes_add(page, value, 1, error))
            return -1;
    }
    return 0;
}

/* `{source="http",le="0.5"}`: the row's labels, then `le` when there is a bound; nothing when there is neither. */
static int metric_print_labels(struct bytes *page, const struct metric_row *row,
    const struct metric_series *series, const char *bound, struct error *error)
{
    const char *name = row->labels;
    size_t count = 0;

    for (; *name; count++) {
        const size_t length = strcspn(name, ",");
        if (bytes_print(page, error, "%s%.*s=\"", count ? "," : "{", (int)length, name) ||
            metric_print_value(page, series->values[count], error) || bytes_add_text(page, "\"", error))
            return -1;
        name += length + (name[length] == ',');
    }
    if (bound && bytes_print(page, error, "%sle=\"%s\"", count++ ? "," : "{", bound))
        return -1;
    return count ? bytes_add_text(page, "}", error) : 0;
}

static int metric_print_head(
    struct bytes *page, const char *name, const char *help, const char *type, struct error *error)
{
    return bytes_print(page, error, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* ---- one series -------------------------------------------------------------------------------------------- */

static int metric_print_bucket(struct bytes *page, const struct metric_row *row,
    const struct metric_series *series, size_t index, uint64_t below, struct error *error)
{
    char bound[40] = "+Inf";

    if (index < series->bounds->count)
        snprintf(bound, sizeof bound, "%.15g", series->bounds->items[index]);
    if (bytes_print(page, error, "%s_bucket", row->name) ||
        metric_print_labels(page, row, series, bound, error))
        return -1;
    return bytes_print(page, error, " %" PRIu64 "\n", below);
}

/* The count is the sum of the buckets as they were read, so that both agree whatever other threads do meanwhile. */
static int metric_print_histogram(
    struct bytes *page, const struct metric_row *row, const struct metric_series *series, struct error *error)
{
    uint64_t below = 0;

    for (size_t i = 0; i <= series->bounds->count; i++) {
        below += series->buckets[i];
        if (metric_print_bucket(page, row, series, i, below, error))
            return -1;
    }
    if (bytes_print(page, error, "%s_sum", row->name) ||
        metric_print_labels(page, row, series, NULL, error) || bytes_add_text(page, " ", error) ||
        metric_print_number(page, series->value, error) ||
        bytes_print(page, error, "\n%s_count", row->name) ||
        metric_print_labels(page, row, series, NULL, error))
        return -1;
    return bytes_print(page, error, " %" PRIu64 "\n", below);
}

static int metric_print_series(
    struct bytes *page, const struct metric_row *row, const struct metric_series *series, struct error *error)
{
    if (series->bounds)
        return metric_print_histogram(page, row, series, error);
    if (bytes_add_text(page, row->name, error) || metric_print_labels(page, row, series, NULL, error) ||
        bytes_add_text(page, " ", error))
        return -1;
    if (row->type == METRIC_COUNTER)
        return bytes_print(page, error, "%" PRIu64 "\n", metric_read(series));
    return metric_print_number(page, series->value, error) || bytes_add_text(page, "\n", error) ? -1 : 0;
}

static int metric_print_row(struct bytes *page, enum metric_id id, struct error *error)
{
    const struct metric_row *row = &metric_rows[id];

    /* A metric without labels is there from the start, so that its first increment is seen as one. */
    if (!*row->labels)
        metric_series(id, NULL, NULL, NULL);
    const size_t count = metric_series_count(id);
    if (count && metric_print_head(page, row->name, row->help, metric_type_names[row->type], error))
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (metric_print_series(page, row, metric_series_at(id, i), error))
            return -1;
    }
    return 0;
}

/* ---- the pages --------------------------------------------------------------------------------------------- */

static int metric_print_process(struct bytes *page, size_t index, struct error *error)
{
    const char *name = metric_process_rows[index].name;
    double value;

    if (metric_process_rows[index].read(&value))
        return 0; /* without /proc the page has fewer lines */
    if (metric_print_head(page, name, metric_process_rows[index].help,
            metric_type_names[metric_process_rows[index].type], error) ||
        bytes_print(page, error, "%s ", name) || metric_print_number(page, value, error))
        return -1;
    return bytes_add_text(page, "\n", error);
}

int metric_print(struct bytes *page, struct error *error)
{
    for (enum metric_id id = 0; id < METRIC_COUNT; id++) {
        if (metric_print_row(page, id, error))
            return -1;
    }
    for (size_t i = 0; i < metric_process_count; i++) {
        if (metric_print_process(page, i, error))
            return -1;
    }
    return 0;
}

static int metric_print_table_row(struct bytes *page, const char *name, enum metric_type type,
    const char *labels, const char *help, struct error *error)
{
    return bytes_print(page, error, "| `%s` | %s | %s | %s |\n", name, metric_type_names[type], labels, help);
}

int metric_print_table(struct bytes *page, struct error *error)
{
    if (bytes_add_text(page, "| metric | type | labels | meaning |\n|---|---|---|---|\n", error))
        return -1;
    for (enum metric_id id = 0; id < METRIC_COUNT; id++) {
        const struct metric_row *row = &metric_rows[id];
        if (metric_print_table_row(page, row->name, row->type, row->labels, row->help, error))
            return -1;
    }
    for (size_t i = 0; i < metric_process_count; i++) {
        if (metric_print_table_row(page, metric_process_rows[i].name, metric_process_rows[i].type, "",
                metric_process_rows[i].help, error))
            return -1;
    }
    return 0;
}
