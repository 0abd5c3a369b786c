/* routes: what is in force; see route.h */
#include "route/route.h"

#include <stdlib.h>

static void plan_free(struct plan **plan)
{
    topic_map_free(&(*plan)->topics);
    streams_free(&(*plan)->streams);
    free(*plan);
    *plan = NULL;
}

/* Takes both over. NULL: memory is gone. */
static struct plan *plan_new(
    const struct config *limits, struct streams **streams, struct topic_map **topics, struct error *error)
{
    struct plan *plan = calloc(1, sizeof *plan);

    if (plan)
        *plan = (struct plan){.limits = *limits, .streams = *streams, .topics = *topics};
    else { /* GCOVR_EXCL_START malloc does not fail in tests */
        topic_map_free(topics);
        streams_free(streams);
        error_set(error, ERROR_RETRY, "routes: out of memory");
    } /* GCOVR_EXCL_STOP */
    *streams = NULL;
    *topics = NULL;
    return plan;
}

static void routes_put(struct routes *routes, struct plan *plan)
{
    size_t places = routes->places;

    for (size_t i = 0; i < plan->streams->count; i++) {
        struct stream *stream = plan->streams->items[i];
        if (stream->kept)
            continue;
        stream->kept = true;
        routes->kept[places++] = stream;
        stream->place = places;
    }
    atomic_store(&routes->places, places);
    plan->before = routes->now;
    routes->plans++;
    atomic_store_explicit(&routes->now, plan, memory_order_release);
}

int routes_new(struct routes **ret_routes, const struct config *config, struct streams **streams,
    struct topic_map **topics, struct error *error)
{
    struct plan *plan = plan_new(config, streams, topics, error);
    struct routes *routes = plan ? calloc(1, sizeof *routes) : NULL;

    if (routes) {
        routes->most = plan->streams->count + ROUTES_SPARE;
        routes->kept = calloc(routes->most, sizeof *routes->kept);
    }
    if (!routes || !routes->kept) { /* GCOVR_EXCL_START as above */
        if (plan)
            plan_free(&plan);
        free(routes);
        return error_set(error, ERROR_RETRY, "routes: out of memory");
    } /* GCOVR_EXCL_STOP */
    routes_put(routes, plan);
    *ret_routes = routes;
    return 0;
}

void routes_free(struct routes **routes)
{
    struct routes *old = *routes;

    *routes = NULL;
    if (!old)
        return;
    for (struct plan *plan = old->now, *before; plan; plan = before) {
        before = plan->before;
        plan_free(&plan);
    }
    for (size_t i = 0; i < old->places; i++)
        stream_free(&old->kept[i]);
    free(old->kept);
    free(old);
}

int routes_check(const struct routes *routes, const struct streams *streams, struct error *error)
{
    size_t places = routes->places;

    for (size_t i = 0; i < streams->count; i++)
        places += !streams->items[i]->kept;
    if (routes->plans < ROUTES_PLANS_MAX && places <= routes->most)
        return 0;
    return error_set(error, ERROR_REJECT,
        "since its start the gateway has taken over %d changes, or %d streams that are new or changed; more take a restart",
        ROUTES_PLANS_MAX, ROUTES_SPARE);
}

int routes_change(struct routes *routes, const struct config *limits, struct streams **streams,
    struct topic_map **topics, struct error *error)
{
    if (routes_check(routes, *streams, error))
        return -1;
    struct plan *plan = plan_new(limits, streams, topics, error);
    if (!plan)
        return -1; /* GCOVR_EXCL_LINE as above */
    routes_put(routes, plan);
    return 0;
}
