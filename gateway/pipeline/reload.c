/* reload: another configuration in the place of the one that is in force; see pipeline.h
 *
 *     certificates, credentials ── compile ── store how new streams are rendered ── shares ── files rest ── the plan ── files go on
 *
 * Until the plan is put into its place nothing of it is in force; from there on nothing can fail but memory, or a thread, for files, which then go on as they were.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/health.h"
#include "base/log.h"
#include "pipeline/pipeline_internal.h"
#include "pipeline/plans.h"
#include "pipeline/renderings.h"

#define RELOAD_CONDITION "reload"
#define RELOAD_PATIENCE (5 * CLOCK_SECOND) /* for what files have handed over */
#define RELOAD_NAMES_MAX 8192 /* all options together have less */

/* What a reload has made, until it is in force. */
struct reload {
    struct config *fresh;
    struct config limits;
    struct streams *streams;
    struct topic_map *topics;
    bool moves; /* streams or topics are others */
    bool moves_files; /* watches are, or their streams */
    bool limited; /* limits are others */
};

static const struct config *reload_before(const struct pipeline *pipeline)
{
    return pipeline->fresh ? pipeline->fresh : pipeline->config;
}

/* Puts another one there, and frees what nobody points into any more. */
static void reload_own(struct pipeline *pipeline, struct config **place, struct config *fresh)
{
    struct config *before = *place;

    *place = fresh;
    if (before != pipeline->fresh && before != pipeline->watches)
        config_free(&before);
}

void reload_free(struct pipeline *pipeline)
{
    reload_own(pipeline, &pipeline->fresh, NULL);
    reload_own(pipeline, &pipeline->watches, NULL);
    free(pipeline->files_config);
}

/* What reads the journal has a cursor there, which comes and goes with a start. */
static int reload_check_outlets(
    const struct pipeline *pipeline, const struct config *fresh, struct error *error)
{
    for (size_t i = 0; i < OUTLETS; i++) {
        if (pipeline_outlets[i]->wanted(fresh) != pipeline_outlets[i]->wanted(pipeline->config))
            return error_set(error, ERROR_REJECT, "the outlet %s %s: that takes a restart",
                pipeline_outlets[i]->name, pipeline_outlets[i]->wanted(fresh) ? "comes" : "goes");
    }
    return 0;
}

static bool reload_moves_streams(const struct pipeline *pipeline, const struct reload *reload)
{
    const struct streams *now = routes_now(pipeline->routes)->streams;
    bool same = now->count == reload->streams->count &&
                config_same_map(&reload_before(pipeline)->mqtt.topics, &reload->fresh->mqtt.topics);

    for (size_t i = 0; same && i < now->count; i++)
        same = now->items[i] == reload->streams->items[i];
    return !same;
}

/* Other watches, or their streams are others. */
static bool reload_moves_files(const struct pipeline *pipeline, const struct reload *reload)
{
    const struct config *watches = pipeline->watches ? pipeline->watches : pipeline->config;
    const struct streams *now = routes_now(pipeline->routes)->streams;
    bool same = !pipeline->files_off && config_same_elements(watches, reload->fresh, "files");

    for (size_t i = 0; same && i < watches->files_count; i++) {
        const struct slice name = slice_of(watches->files[i].stream);
        same = streams_find(now, name) == streams_find(reload->streams, name);
    }
    return !same;
}

static int reload_prepare(struct pipeline *pipeline, struct reload *reload, struct error *error)
{
    const struct plan *now = routes_now(pipeline->routes);

    reload->limits = now->limits;
    if (reload_check_outlets(pipeline, reload->fresh, error) ||
        config_adopt(&reload->limits, reload->fresh, &reload->limited, error) ||
        plans_compile(reload->fresh, now, reload_before(pipeline), &reload->streams, &reload->topics, error))
        return -1;
    reload->moves = reload_moves_streams(pipeline, reload);
    reload->moves_files = reload_moves_files(pipeline, reload);
    plans_prepare(reload->streams, reload->fresh, pipeline->journal, pipeline->max_message);
    return routes_check(pipeline->routes, reload->streams, error) ||
                   renderings_check(reload->streams, pipeline->states.renderings,
                       pipeline->config->journal.segment_size, error) ||
                   renderings_store(reload->streams, pipeline->states.renderings, pipeline->journal,
                       pipeline->clock, error)
               ? -1
               : 0;
}

/* ---- files --------------------------------------------------------------------------------------------------------
 * Their source is another one with other watches: what is durable of the files it goes on with is in the journal. */

static void reload_resume_files(struct pipeline *pipeline)
{
    struct error error;

    pipeline->files_off = source_files.run(pipeline->sources[SOURCE_OF_FILES], &error);
    if (pipeline->files_off)
        log_event_always(LOG_ERROR, "files.off", log_text("error", error.text));
}

static int reload_rest_files(struct pipeline *pipeline, struct error *error)
{
    struct source *files = pipeline->sources[SOURCE_OF_FILES];

    source_files.stop(files, clock_monotonic(pipeline->clock) + RELOAD_PATIENCE);
    if (files_rest(files, error) == 0)
        return 0;
    reload_resume_files(pipeline);
    return error_wrap(error, "reload again a little later");
}

/* What waits for a start stays as it was, with other watches. */
static struct config *reload_merge(const struct pipeline *pipeline, const struct config *fresh)
{
    struct config *merged = malloc(sizeof *merged);

    if (!merged)
        return NULL;
    *merged = *pipeline->config;
    merged->files = fresh->files;
    merged->files_count = fresh->files_count;
    merged->drop = fresh->drop;
    return merged;
}

/* The old ones go on when the new ones cannot be. */
static int reload_move_files(struct pipeline *pipeline, struct config *fresh, struct error *error)
{
    struct source **files = &pipeline->sources[SOURCE_OF_FILES], *old = *files;
    struct config *merged = reload_merge(pipeline, fresh);
    const struct source_context context = pipeline_context(pipeline, merged);

    error_set(error, ERROR_RETRY, "out of memory");
    if (!merged || source_files.open(files, &context, error)) {
        free(merged);
        *files = old;
        reload_resume_files(pipeline);
        return -1;
    }
    source_files.close(&old);
    free(pipeline->files_config);
    pipeline->files_config = merged;
    reload_own(pipeline, &pipeline->watches, fresh);
    pipeline->files_off = source_files.run(*files, error);
    return pipeline->files_off ? -1 : 0;
}

/* ---- together ------------------------------------------------------------------------------------------------------ */

static int reload_put(struct pipeline *pipeline, struct reload *reload, struct error *error)
{
    struct config *fresh = reload->fresh;

    if (reload->moves_files && reload_rest_files(pipeline, error))
        return -1;
    if ((reload->moves || reload->limited) &&
        routes_change(pipeline->routes, &reload->limits, &reload->streams, &reload->topics, error)) {
        if (reload->moves_files) /* GCOVR_EXCL_START it was asked whether there is room */
            reload_resume_files(pipeline);
        return -1; /* GCOVR_EXCL_STOP */
    }
    if (!reload->moves && !reload->moves_files)
        return 0;
    reload->fresh = NULL;
    reload_own(pipeline, &pipeline->fresh, fresh);
    if (reload->moves_files && reload_move_files(pipeline, fresh, error))
        return error_wrap(error, "streams and topics are those of the new configuration, files are not");
    return 0;
}

static int reload_all(struct pipeline *pipeline, struct reload *reload, struct error *error)
{
    const bool failed = reload_prepare(pipeline, reload, error) ||
                        shares_apply(pipeline->shares, reload->streams, error) ||
                        reload_put(pipeline, reload, error);
    struct error ignored; /* the first reason is told */

    if (failed)
        shares_apply(pipeline->shares, routes_now(pipeline->routes)->streams, &ignored);
    topic_map_free(&reload->topics);
    streams_free(&reload->streams);
    return failed ? -1 : 0;
}

/* Of the start's configuration. Who is to be let in no more, and a certificate that is about to expire, do not wait for somebody to mend the rest. */
static int reload_secrets(struct pipeline *pipeline, struct error *error)
{
    certificates_reload(&pipeline->certificates);
    return access_reload(pipeline->access, error);
}

static void reload_tell(const struct pipeline *pipeline, const char *pending, bool moved)
{
    char text[RELOAD_NAMES_MAX + 64];

    snprintf(text, sizeof text, "these options differ and take a restart: %s", pending);
    health_set(RELOAD_CONDITION, *pending ? HEALTH_DEGRADED : HEALTH_OK, *pending ? text : NULL);
    log_event_always(LOG_INFO, "gateway.reload", log_text("streams", moved ? "others" : "the same"),
        log_number("principals", (int64_t)access_count(pipeline->access)), log_text("restart_for", pending));
}

static void reload_refuse(const char *why)
{
    log_event_always(
        LOG_ERROR, "gateway.reload", log_text("kept", "what was in force"), log_text("error", why));
    health_set(RELOAD_CONDITION, HEALTH_DEGRADED, why);
}

void pipeline_keep(struct pipeline *pipeline, const char *why)
{
    struct error error;

    if (reload_secrets(pipeline, &error))
        log_event_always(LOG_ERROR, "config.error", log_text("found", error.text));
    reload_refuse(why);
}

bool pipeline_reload(struct pipeline *pipeline, struct config **fresh)
{
    struct reload reload = {.fresh = *fresh};
    char pending[RELOAD_NAMES_MAX] = "";
    struct error error;
    cleanup_bytes struct bytes names;

    *fresh = NULL;
    bytes_init(&names, sizeof pending - 1);
    if (config_print_pending(pipeline->config, reload.fresh, &names, &error) == 0)
        snprintf(pending, sizeof pending, "%.*s", (int)names.length, names.data ? names.data : "");
    const bool failed = reload_secrets(pipeline, &error) || reload_all(pipeline, &reload, &error);
    if (failed)
        reload_refuse(error.text);
    else
        reload_tell(pipeline, pending, reload.moves || reload.moves_files);
    config_free(&reload.fresh);
    return !failed;
}
