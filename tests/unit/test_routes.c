/* What is in force, and how another plan takes its place. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "route/route.h"

static struct error error;

static struct config *load(const char *set)
{
    struct config *config;

    cr_assert_eq(config_load(&config, NULL, &set, 1), 0);
    cr_assert_eq(config_errors(config), 0);
    return config;
}

static void compile(struct config *config, struct streams **streams, struct topic_map **topics)
{
    cr_assert_eq(streams_compile(streams, config, &error), 0, "%s", error.text);
    cr_assert_eq(topic_map_compile(topics, config, *streams, &error), 0, "%s", error.text);
}

static struct routes *first(const char *set, struct config **ret_config)
{
    struct streams *streams;
    struct topic_map *topics;
    struct routes *routes;

    *ret_config = load(set);
    compile(*ret_config, &streams, &topics);
    cr_assert_eq(routes_new(&routes, *ret_config, &streams, &topics, &error), 0, "%s", error.text);
    cr_assert_null(streams);
    cr_assert_null(topics);
    return routes;
}

static struct stream *now(const struct routes *routes, const char *name)
{
    return streams_find(routes_now(routes)->streams, slice_of(name));
}

/* Puts the old ones of these names into the place of those that were compiled. */
static void share(struct streams *streams, const struct routes *routes, const char *name)
{
    for (size_t i = 0; i < streams->count; i++) {
        if (strcmp(streams->items[i]->name, name) == 0) {
            stream_free(&streams->items[i]);
            streams->items[i] = now(routes, name);
        }
    }
}

Test(routes, streams_that_stay_keep_their_places_and_others_get_new_ones)
{
    struct config *config, *other = load("streams.b.key=/b");
    struct routes *routes = first("streams.a.key=/a", &config);
    struct stream *readings = now(routes, "readings"), *a = now(routes, "a"),
                  *unorganized = now(routes, "unorganized");
    struct topic_match match;
    struct streams *streams;
    struct topic_map *topics;

    cr_assert_eq(readings->place, 1);
    cr_assert_eq(unorganized->place, 2);
    cr_assert_eq(a->place, 3);
    cr_assert_eq(stream_place(NULL), 0);
    cr_assert_eq(stream_place(a), 3);
    compile(other, &streams, &topics);
    share(streams, routes, "readings");
    topic_map_free(&topics);
    cr_assert_eq(topic_map_compile(&topics, other, streams, &error), 0);
    cr_assert_eq(routes_change(routes, other, &streams, &topics, &error), 0, "%s", error.text);
    cr_assert_null(streams);

    cr_assert_eq(now(routes, "readings"), readings);
    cr_assert_null(now(routes, "a"));
    cr_assert_eq(now(routes, "unorganized")->place, 4);
    cr_assert_eq(now(routes, "b")->place, 5);
    cr_assert_eq(routes->places, 5);
    cr_assert_str_eq(a->name, "a", "who has looked at it goes on with it");
    cr_assert_eq(routes->kept[2], a);
    cr_assert(topic_map_match(routes_now(routes)->topics, slice_of("readings/x"), &match));
    cr_assert_eq(match.stream, readings);
    cr_assert_eq(routes_now(routes)->before->streams->count, 3);
    routes_free(&routes);
    cr_assert_null(routes);
    a = NULL;
    stream_free(&a);
    routes_free(&routes);
    config_free(&config);
    config_free(&other);
}

Test(routes, there_is_a_most_of_streams)
{
    struct config *config;
    struct routes *routes = first("streams.a.key=/a", &config);
    struct streams *streams;
    struct topic_map *topics;

    for (int i = 0; i < ROUTES_SPARE / 3; i++) {
        compile(config, &streams, &topics);
        cr_assert_eq(routes_change(routes, config, &streams, &topics, &error), 0, "%s", error.text);
    }
    const struct plan *last = routes_now(routes);
    compile(config, &streams, &topics);
    cr_assert_eq(routes_change(routes, config, &streams, &topics, &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert_not_null(strstr(error.text, "1000 streams that are new or changed; more take a restart"));
    cr_assert_not_null(streams, "nothing is taken over");
    cr_assert_eq(routes_now(routes), last);
    streams_free(&streams);
    topic_map_free(&topics);
    routes_free(&routes);
    config_free(&config);
}

Test(routes, there_is_a_most_of_plans)
{
    struct config *config;
    struct routes *routes = first("streams.a.key=/a", &config);
    struct streams *streams;
    struct topic_map *topics;
    int changes = 0;

    for (;; changes++) {
        compile(config, &streams, &topics);
        share(streams, routes, "readings");
        share(streams, routes, "unorganized");
        share(streams, routes, "a");
        if (routes_change(routes, config, &streams, &topics, &error))
            break;
    }
    cr_assert_eq(changes, ROUTES_PLANS_MAX - 1, "the first one is that of the start");
    cr_assert_eq(routes->places, 3);
    streams_free(&streams);
    topic_map_free(&topics);
    routes_free(&routes);
    config_free(&config);
}
