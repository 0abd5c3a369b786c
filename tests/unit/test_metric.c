/* metric: numbers that several threads move, and a page that Prometheus takes. */
#include <criterion/criterion.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/metric.h"

static struct bytes test_page;

static const char *page(void)
{
    struct error error;

    bytes_free(&test_page);
    bytes_init(&test_page, 1 << 24);
    cr_assert_eq(metric_print(&test_page, &error), 0, "%s", error.text);
    cr_assert_eq(bytes_add(&test_page, "", 1, &error), 0);
    return test_page.data;
}

static void check_line(const char *line)
{
    cr_assert(strstr(page(), line), "no line \"%s\" in\n%s", line, test_page.data);
}

/* The page goes through Prometheus' own checker, which also lints names and units. */
static void check_by_promtool(void)
{
    FILE *tool = popen("promtool check metrics", "w");

    cr_assert(tool);
    fputs(page(), tool);
    const int status = pclose(tool);
    cr_assert_eq(status, 0, "promtool says %d (package prometheus; 127: it is missing)", WEXITSTATUS(status));
}

Test(metric, metrics_without_labels_stand_there_from_the_start)
{
    check_line("# HELP penstock_commit_seconds Time of one group commit: write and fdatasync.\n"
               "# TYPE penstock_commit_seconds histogram\n"
               "penstock_commit_seconds_bucket{le=\"5e-05\"} 0\n");
    check_line("\npenstock_journal_segments_retired_total 0\n");
    cr_assert_null(strstr(test_page.data, "penstock_connections"));
}

Test(metric, counters_and_gauges)
{
    struct metric_series *accepted = metric_series(METRIC_RECORDS_ACCEPTED, "http", "readings", NULL);

    metric_add(accepted, 3);
    metric_add(accepted, UINT64_C(18000000000000000000));
    cr_assert_eq(metric_read(accepted), UINT64_C(18000000000000000003));
    cr_assert_eq(metric_series(METRIC_RECORDS_ACCEPTED, "http", "readings", NULL), accepted);
    cr_assert_neq(metric_series(METRIC_RECORDS_ACCEPTED, "mqtt", "readings", NULL), accepted);
    check_line(
        "\npenstock_records_accepted_total{source=\"http\",stream=\"readings\"} 18000000000000000003\n");
    check_line("\npenstock_records_accepted_total{source=\"mqtt\",stream=\"readings\"} 0\n");
    metric_set(metric_series(METRIC_OUTLET_LAG_SECONDS, "lake", NULL, NULL), 0.1);
    check_line("\npenstock_outlet_lag_seconds{outlet=\"lake\"} 0.1\n");
    metric_set(metric_series(METRIC_OUTLET_LAG_SECONDS, "lake", NULL, NULL), 1.0 / 3);
    check_line("\npenstock_outlet_lag_seconds{outlet=\"lake\"} 0.33333333333333331\n");
    metric_set(metric_series(METRIC_JOURNAL_SEQUENCE, NULL, NULL, NULL), 9007199254740992);
    check_line("\npenstock_journal_sequence 9007199254740992\n");
    check_by_promtool();
}

Test(metric, histograms)
{
    struct metric_series *seconds = metric_series(METRIC_COMMIT_SECONDS, NULL, NULL, NULL);
    struct metric_series *records = metric_series(METRIC_COMMIT_RECORDS, NULL, NULL, NULL);

    metric_observe(seconds, 50e-6); /* bounds are inclusive */
    metric_observe(seconds, 51e-6);
    metric_observe(seconds, 11);
    check_line("\npenstock_commit_seconds_bucket{le=\"5e-05\"} 1\n"
               "penstock_commit_seconds_bucket{le=\"0.0001\"} 2\n");
    check_line(
        "\npenstock_commit_seconds_bucket{le=\"10\"} 2\npenstock_commit_seconds_bucket{le=\"+Inf\"} 3\n"
        "penstock_commit_seconds_sum 11.000101\npenstock_commit_seconds_count 3\n");
    metric_observe(records, 5);
    check_line("\npenstock_commit_records_bucket{le=\"4\"} 0\npenstock_commit_records_bucket{le=\"16\"} 1\n");
    check_line("\npenstock_commit_records_bucket{le=\"1048576\"} 1\n");
    check_by_promtool();
}

Test(metric, label_values_are_escaped)
{
    metric_series(METRIC_CONNECTIONS, "a\"b\\c\nd", NULL, NULL);
    check_line("\npenstock_connections{source=\"a\\\"b\\\\c\\nd\"} 0\n");
    metric_series(METRIC_CONNECTIONS, "\xff\xc3\xbc\xc3", NULL, NULL);
    check_line("\npenstock_connections{source=\"?\xc3\xbc?\"} 0\n");
    check_by_promtool();
}

Test(metric, a_long_label_value_is_cut_between_characters)
{
    char value[METRIC_LABEL_VALUE_MAX + 10], expected[300];

    memset(value, 'x', sizeof value);
    value[METRIC_LABEL_VALUE_MAX - 1] = '\xc3';
    value[METRIC_LABEL_VALUE_MAX] = '\xbc';
    value[sizeof value - 1] = '\0';
    metric_series(METRIC_CONNECTIONS, value, NULL, NULL);
    snprintf(expected, sizeof expected, "penstock_connections{source=\"%.*s\"}", METRIC_LABEL_VALUE_MAX - 1,
        value);
    check_line(expected);
}

Test(metric, too_many_label_values_share_one_series)
{
    char name[32];
    struct metric_series *last = NULL;

    for (int i = 0; i < METRIC_SERIES_MAX + 100; i++) {
        snprintf(name, sizeof name, "stream-%d", i);
        last = metric_series(METRIC_RECORDS_REJECTED, "http", name, "key");
        metric_add(last, 1);
    }
    cr_assert_eq(metric_read(last), 100);
    cr_assert_eq(metric_series(METRIC_RECORDS_REJECTED, "http", "another", "key"), last);
    cr_assert_neq(metric_series(METRIC_RECORDS_REJECTED, "http", "stream-0", "key"), last);
    check_line("\npenstock_records_rejected_total{source=\"other\",stream=\"other\",reason=\"other\"} 100\n");
    cr_assert(strstr(test_page.data, "stream=\"stream-255\""));
    cr_assert_null(strstr(test_page.data, "stream=\"stream-256\""));
    check_by_promtool();
}

#define THREADS 4
#define ROUNDS 20000

static void *count(void *unused)
{
    struct metric_series *counter = metric_series(METRIC_REQUEST_BYTES, "http", NULL, NULL);
    struct metric_series *histogram = metric_series(METRIC_COMMIT_RECORDS, NULL, NULL, NULL);

    for (int i = 0; i < ROUNDS; i++) {
        metric_add(counter, 2);
        metric_observe(histogram, 1);
    }
    return unused;
}

Test(metric, threads_lose_nothing)
{
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, count, NULL), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    check_line("\npenstock_request_bytes_total{source=\"http\"} 160000\n");
    check_line("\npenstock_commit_records_bucket{le=\"1\"} 80000\n");
    check_line("\npenstock_commit_records_sum 80000\n");
}

static double process_value(const char *name)
{
    char line[128];

    snprintf(line, sizeof line, "\n%s ", name);
    const char *found = strstr(page(), line);
    cr_assert(found, "%s", name);
    return strtod(found + strlen(line), NULL);
}

Test(metric, the_process_is_measured)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    cr_assert_gt(process_value("process_resident_memory_bytes"), 100e3);
    cr_assert_lt(process_value("process_resident_memory_bytes"), 1e12);
    cr_assert_geq(process_value("process_cpu_seconds_total"), 0);
    cr_assert_geq(process_value("process_open_fds"), 3);
    cr_assert_lt(process_value("process_open_fds"), 200);
    cr_assert_lt(process_value("process_start_time_seconds"), (double)now.tv_sec + 5);
    cr_assert_gt(process_value("process_start_time_seconds"), (double)now.tv_sec - 3600);
}

Test(metric, a_page_beyond_its_limit_is_an_error)
{
    struct error error;
    size_t whole;

    page();
    whole = test_page.length - 1;
    for (size_t limit = 0; limit < whole - 64; limit += 7) {
        struct bytes small;
        bytes_init(&small, limit);
        cr_assert_eq(metric_print(&small, &error), -1, "limit %zu of %zu", limit, whole);
        cr_assert_eq(error.kind, ERROR_REJECT);
        bytes_free(&small);
    }
}

Test(metric, the_table_names_every_metric)
{
    struct error error;
    struct bytes table;

    bytes_init(&table, 1 << 20);
    cr_assert_eq(metric_print_table(&table, &error), 0);
    cr_assert_eq(bytes_add(&table, "", 1, &error), 0);
    cr_assert(strstr(table.data, "| `penstock_commit_seconds` | histogram |  | Time of one group commit"));
    cr_assert(strstr(table.data, "| `penstock_records_accepted_total` | counter | source,stream | "));
    cr_assert(strstr(table.data, "| `process_open_fds` | gauge |"));
    size_t lines = 0;
    for (const char *next = table.data; *next; next++)
        lines += *next == '\n';
    cr_assert_eq(lines, METRIC_COUNT + 2 + 4);
    for (size_t limit = 0; limit < table.length - 1; limit += 11) {
        struct bytes small;
        bytes_init(&small, limit);
        cr_assert_eq(metric_print_table(&small, &error), -1);
        bytes_free(&small);
    }
    bytes_free(&table);
}
