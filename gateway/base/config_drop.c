/* config_drop: the folder that a gateway without a configuration file takes text from; see config_store.h */
#include "base/config_store.h"

#include <stdio.h>

#define DROP_NAME "drop"
#define DROP_STREAM "unorganized"

/* A path as the pattern that only it fits. */
static char *config_drop_pattern(struct config_store *store, const char *path)
{
    char *pattern = config_allocate(store, 2 * strlen(path) + 1), *end = pattern;

    for (; pattern && *path; path++) {
        if (strchr("*?[{\\", *path))
            *end++ = '\\';
        *end++ = *path;
    }
    return pattern;
}

/* Not where somebody has files.drop for himself, nor where its lines would be refused or have nowhere to go. */
static bool config_drop_is_wanted(const struct config *config)
{
    bool wanted = config->lake.enabled && config->files_count < OPTION_WATCHES_MAX;

    for (size_t i = 0; i < config->files_count; i++)
        wanted = wanted && strcmp(config->files[i].name, DROP_NAME) != 0;
    for (size_t i = 0; i < config->streams_count; i++) {
        const struct config_stream *stream = &config->streams[i];
        if (strcmp(stream->name, DROP_STREAM) == 0)
            wanted = wanted && strcmp(stream->format, "text") == 0 && *stream->key == '\0';
    }
    return wanted;
}

/* Its default, or what a small journal allows. */
static void config_drop_bound(const struct config *config, uint64_t *max_line)
{
    const struct option_bound *bound = &option_find(slice_of("files.*.max_line"))->bound;
    const uint64_t most = config->journal.segment_size * bound->times / bound->parts;

    if (*max_line > most)
        *max_line = most;
}

void config_add_drop(struct config *config)
{
    struct config_store *store = config->store;
    const struct config_place nowhere = {CONFIG_PLACE_DEFAULT, 0, 0};

    if (!config_drop_is_wanted(config))
        return;
    const size_t size = strlen(config->gateway.data) + sizeof "/" DROP_NAME;
    char *folder = config_allocate(store, size), **items = config_allocate(store, sizeof *items);
    struct config_watch *drop =
        config_add_element(config, option_collection_named(slice_of("files")), slice_of(DROP_NAME), nowhere);
    if (!folder || !items || !drop)
        return;
    snprintf(folder, size, "%s/" DROP_NAME, config->gateway.data);
    *items = config_drop_pattern(store, folder);
    drop->spool = (struct config_list){items, *items != NULL};
    drop->stream = config_keep(store, slice_of(DROP_STREAM));
    drop->done = config_keep(store, slice_of("archive"));
    config_drop_bound(config, &drop->max_line);
    config->drop = folder;
}
