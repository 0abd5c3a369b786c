/* outlet: the lake outlet as the pipeline sees it: options, thread, metrics, health */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/health.h"
#include "base/log.h"
#include "base/metric.h"
#include "journal_harness.h"
#include "lake_harness.h"
#include "outlet/outlet.h"

static struct fixture fixture;
static char data[80], lake[100];
static struct rendering_table *renderings;
static struct config *config;
static struct outlet *outlet;
static struct error error;

static void load_config(const char *url)
{
    char set_data[128], set_url[256];
    const char *const sets[] = {set_data, set_url};

    snprintf(set_data, sizeof set_data, "gateway.data=%s", data);
    snprintf(set_url, sizeof set_url, "lake.url=%s", url);
    config_free(&config);
    cr_assert_eq(config_load(&config, NULL, sets, 2), 0);
    cr_assert_eq(config_errors(config), 0);
}

static int open_outlet(void)
{
    const struct outlet_context context = {
        .config = config,
        .gateway_id = "test-1",
        .journal = fixture.journal,
        .renderings = renderings,
        .clock = &clock_system,
    };

    return outlet_lake.open(&outlet, &context, &error);
}

static void set_up(void)
{
    static const char *const outlets[] = {"lake"};
    struct rendering rendering = {.id = 1, .stream = "readings", .lake_path = (char[]){"readings/{key}"}};
    cleanup_bytes struct bytes body;

    log_configure(LOG_ERROR, LOG_FORMAT_TEXT, open("/dev/null", O_WRONLY | O_CLOEXEC), &clock_system);
    fixture_start(&fixture);
    fixture.options.outlets = outlets;
    cr_assert_eq(fixture_open(&fixture), 0, "%s", fixture.error.text);
    snprintf(data, sizeof data, "%s.data", fixture.directory);
    snprintf(lake, sizeof lake, "%s/lake", data);
    cr_assert_eq(rendering_table_new(&renderings, &error), 0);
    bytes_init(&body, 1000);
    cr_assert_eq(rendering_encode(&rendering, &body, &error), 0);
    cr_assert_eq(rendering_apply(renderings, body.data, body.length, 0, &error), 0);
    load_config("");
}

static void tear_down(void)
{
    outlet_lake.close(&outlet);
    fixture_end(&fixture);
    rendering_table_free(&renderings);
    config_free(&config);
    harness_remove(data);
}

TestSuite(outlet, .init = set_up, .fini = tear_down, .timeout = 900);

static void put(int count)
{
    const struct record record = {
        .rendering = 1, .received = 1, .key = slice_of("k"), .payload = slice_of("{}")};
    cleanup_bytes struct bytes head;
    struct handover handover;

    bytes_init(&head, RECORD_HEAD_MAX);
    cr_assert_eq(record_encode_head(&record, &head, &error), 0);
    handover_init(&handover, 1000000, NULL, NULL);
    handover.payloads = record.payload.data;
    for (int i = 0; i < count; i++)
        cr_assert_eq(handover_add(&handover, JOURNAL_KIND_DATA, bytes_slice(&head), 0, 2, &error), 0);
    cr_assert_eq(journal_hand_over_and_wait(fixture.journal, &handover, &error), 0, "%s", error.text);
    handover_free(&handover);
}

static uint64_t delivered(void)
{
    return metric_read(metric_series(METRIC_OUTLET_DELIVERED, "lake", NULL, NULL));
}

static bool is_degraded(void)
{
    struct health_condition list[HEALTH_CONDITIONS_MAX];
    enum health_level worst;

    return health_list(list, HEALTH_CONDITIONS_MAX, &worst) == 1 && strcmp(list[0].name, "lake") == 0 &&
           worst == HEALTH_DEGRADED;
}

/* At most a minute for the outlet's thread to come so far. */
static void wait_for(bool (*condition)(void), bool wanted, const char *what)
{
    const struct timespec pause = {0, 2000000};

    for (int i = 0; i < 30000; i++) {
        if (condition() == wanted)
            return;
        nanosleep(&pause, NULL);
    }
    cr_assert_fail("waited a minute for: %s", what);
}

static bool delivered_20(void)
{
    return delivered() == 20;
}

static uint64_t stored_position(void)
{
    struct journal_cursor cursor;

    fixture_reopen(&fixture);
    cr_assert_eq(journal_cursor(fixture.journal, "lake", &cursor, &error), 0);
    return cursor.position;
}

/* ---- options ---------------------------------------------------------------------------------------------- */

static void assert_root(const char *url, const char *root)
{
    char expected[256];
    cleanup_bytes struct bytes text;

    load_config(url);
    cr_assert_eq(open_outlet(), 0, "%s", error.text);
    bytes_init(&text, 1000);
    cr_assert_eq(outlet_lake.describe(outlet, &text, &error), 0);
    snprintf(expected, sizeof expected, "Lake   %s\n", root);
    cr_assert(slice_is(bytes_slice(&text), expected), "%.*s", (int)text.length, text.data);
    outlet_lake.close(&outlet);
    cr_assert_null(outlet);
}

Test(outlet, root_comes_from_the_url)
{
    assert_root("", lake);
    assert_root("file:///srv/lake", "/srv/lake");
    assert_root("/srv/100%/lake", "/srv/100%/lake");
    assert_root("some/lake", "some/lake");
    cr_assert_not(harness_has(data, "lake")); /* opening touches nothing */
}

Test(outlet, other_urls_are_reported_at_their_place)
{
    static const char *const bad[] = {"s3://b", "s3://bucket//prefix", "gopher://namenode:9870/",
        "file://host/lake", "file:lake", "file:///a%20b"};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cleanup_bytes struct bytes text;
        load_config(bad[i]);
        outlet_lake.check(config);
        cr_assert_eq(config_errors(config), 1, "%s", bad[i]);
        bytes_init(&text, 10000);
        cr_assert_eq(config_print_errors(config, &text, &error), 0);
        cr_assert_eq(bytes_add(&text, "", 1, &error), 0);
        cr_assert_not_null(strstr(text.data, "--set lake.url"), "%s", text.data);
        cr_assert_not_null(strstr(text.data, bad[i]), "%s", text.data);
    }
}

/* ---- thread ----------------------------------------------------------------------------------------------- */

Test(outlet, stopping_delivers_and_publishes_everything)
{
    uint64_t before = delivered();

    cr_assert_eq(open_outlet(), 0, "%s", error.text);
    cr_assert_eq(outlet_lake.run(outlet, &error), 0, "%s", error.text);
    put(750);
    put(750);
    outlet_lake.stop(outlet, INT64_MAX);
    outlet_lake.stop(outlet, INT64_MAX); /* again: nothing happens */
    cr_assert_eq(delivered() - before, 1500);
    cr_assert_eq(metric_read(metric_series(METRIC_OUTLET_FILES, "lake", NULL, NULL)), 1);
    outlet_lake.close(&outlet);
    cr_assert_eq(stored_position(), 1500);
    cr_assert(harness_has(lake, "readings/k"));
}

Test(outlet, closing_without_a_stop_leaves_the_rest_in_the_journal)
{
    cr_assert_eq(open_outlet(), 0, "%s", error.text);
    cr_assert_eq(outlet_lake.run(outlet, &error), 0, "%s", error.text);
    put(10);
    outlet_lake.close(&outlet);
    cr_assert_eq(stored_position(), 0);
    cr_assert_not(harness_has(lake, "readings"));
}

Test(outlet, a_store_that_is_away_degrades_until_it_is_back)
{
    harness_remove(data);
    int fd = open(data, O_WRONLY | O_CREAT, 0600); /* where the lake's parent should be */
    close(fd);
    cr_assert_eq(open_outlet(), 0, "%s", error.text);
    cr_assert_eq(outlet_lake.run(outlet, &error), 0, "%s", error.text);
    put(20);
    wait_for(is_degraded, true, "the outlet to say that its store is away");
    cr_assert_gt(metric_read(metric_series(METRIC_OUTLET_ERRORS, "lake", NULL, NULL)), 0);
    cr_assert_eq(delivered(), 0);
    cr_assert_eq(unlink(data), 0);
    wait_for(delivered_20, true, "20 records delivered");
    wait_for(is_degraded, false, "the outlet to say that it works again");
    outlet_lake.stop(outlet, INT64_MAX);
    cr_assert_eq(delivered(), 20);
}

Test(outlet, without_its_cursor_it_does_not_run)
{
    static const char *const others[] = {"other"};

    fixture_end(&fixture);
    fixture_start(&fixture);
    fixture.options.outlets = others;
    cr_assert_eq(fixture_open(&fixture), 0, "%s", fixture.error.text);
    cr_assert_eq(open_outlet(), 0, "%s", error.text);
    cr_assert_eq(outlet_lake.run(outlet, &error), -1);
    cr_assert_eq(error.kind, ERROR_FATAL);
}
