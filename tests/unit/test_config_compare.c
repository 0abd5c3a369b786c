/* What a reload takes over of another configuration, and what it leaves to a start. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/config.h"
#include "base/option.h"

static struct config *load(const char *const *sets, size_t count)
{
    struct config *config;

    cr_assert_eq(config_load(&config, NULL, sets, count), 0);
    cr_assert_eq(config_errors(config), 0);
    return config;
}

#define LOAD(...) \
    load((const char *const[]){__VA_ARGS__}, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *))

static const char *pending(const struct config *now, const struct config *fresh)
{
    static char text[1000];
    struct error error;
    cleanup_bytes struct bytes names;

    bytes_init(&names, sizeof text - 1);
    cr_assert_eq(config_print_pending(now, fresh, &names, &error), 0);
    snprintf(text, sizeof text, "%.*s", (int)names.length, names.data ? names.data : "");
    return text;
}

Test(config_compare, what_takes_a_start_is_named)
{
    struct config *now = LOAD("http.max_body=2MiB"), *same = LOAD("http.max_body=2MiB");
    struct config *fresh = LOAD("http.max_body=3MiB", "http.listen=[127.0.0.1:1]", "lake.enabled=false",
        "log.level=debug", "kafka.properties.bootstrap.servers=b:1", "http.threads=3", "gateway.id=other",
        "mqtt.topics={a/b: readings}", "streams.readings.key=/id", "files.x.watch=/nowhere/*",
        "files.x.stream=readings");
    struct config *subscribes =
        LOAD("http.max_body=2MiB", "mqtt.subscribe.x.url=mqtt://b", "mqtt.subscribe.x.filters=#");

    cr_assert_str_eq(pending(now, same), "");
    cr_assert_str_eq(
        pending(now, fresh), "gateway.id, http.listen, http.threads, kafka.properties, lake.enabled");
    cr_assert_str_eq(pending(now, subscribes), "mqtt.subscribe");
    config_free(&now);
    config_free(&same);
    config_free(&fresh);
    config_free(&subscribes);
}

Test(config_compare, live_numbers_are_taken_over_and_nothing_else)
{
    struct config *now = LOAD("http.max_body=2MiB");
    struct config *fresh = LOAD("http.max_body=3MiB", "http.idle_timeout=5s", "mqtt.packet_timeout=7s",
        "http.threads=3", "http.listen=[127.0.0.1:1]", "mqtt.max_sessions=7");
    struct config limits = *now;
    struct error error;
    bool changed = false;

    cr_assert_eq(config_adopt(&limits, fresh, &changed, &error), 0, "%s", error.text);
    cr_assert(changed);
    cr_assert_eq(limits.http.max_body, 3 << 20);
    cr_assert_eq(limits.http.idle_timeout, 5000000);
    cr_assert_eq(limits.mqtt.packet_timeout, 7000000);
    cr_assert_eq(limits.http.threads, now->http.threads);
    cr_assert_eq(limits.mqtt.max_sessions, now->mqtt.max_sessions);
    cr_assert_str_eq(limits.http.listen.items[0], now->http.listen.items[0]);
    cr_assert_eq(config_adopt(&limits, fresh, &changed, &error), 0);
    cr_assert_not(changed);
    config_free(&now);
    config_free(&fresh);
}

/* Each goes with the other one of its own file, but not with the one that stays. */
Test(config_compare, a_number_that_fits_only_beside_what_takes_a_start)
{
    struct config *now = LOAD("journal.segment_size=8MiB", "http.max_body=2MiB");
    struct config *fresh = LOAD("journal.segment_size=64MiB", "http.max_body=16MiB");
    struct config limits = *now;
    struct error error;
    bool changed;

    cr_assert_eq(config_adopt(&limits, fresh, &changed, &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert_str_eq(error.text,
        "http.max_body fits only beside the new journal.segment_size, which takes a restart; restart, or leave both as they are");
    cr_assert_eq(limits.http.max_body, 2 << 20);
    config_free(&now);
    config_free(&fresh);
}

static const char *const other_elements[] = {
    "streams.a.key=/other",
    "streams.a.labels={one: /two}",
    "streams.a.labels={one: /one, two: /one}",
    "streams.a.labels={two: /one}",
    "streams.a.topics=['{stream}']",
    "streams.a.topics=[b, c]",
    "streams.a.time.past=1h",
    "streams.b.format=text",
};

Test(config_compare, elements_are_the_same_when_all_of_them_is)
{
    struct config *now = LOAD("streams.a.labels={one: /one}", "streams.a.topics=[b]");
    struct config *same = LOAD("streams.a.labels={one: /one}", "streams.a.topics=[b]", "http.max_body=3MiB");

    cr_assert(config_same_elements(now, same, "streams"));
    cr_assert(config_same_stream(&now->streams[2], &same->streams[2]));
    cr_assert_not(config_same_stream(&now->streams[0], &same->streams[1]));
    for (size_t i = 0; i < sizeof other_elements / sizeof *other_elements; i++) {
        struct config *other =
            LOAD("streams.a.labels={one: /one}", "streams.a.topics=[b]", other_elements[i]);
        cr_assert_not(config_same_elements(now, other, "streams"), "%s", other_elements[i]);
        config_free(&other);
    }
    config_free(&now);
    config_free(&same);
}

Test(config_compare, a_row_of_a_collection_is_live_as_that_is)
{
    cr_assert(option_is_live(option_find(slice_of("streams.x.key"))));
    cr_assert(option_is_live(option_find(slice_of("files.x.rate"))));
    cr_assert(option_is_live(option_find(slice_of("http.max_body"))));
    cr_assert_not(option_is_live(option_find(slice_of("mqtt.subscribe.x.url"))));
    cr_assert_not(option_is_live(option_find(slice_of("http.listen"))));
}
