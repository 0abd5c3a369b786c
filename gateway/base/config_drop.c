/* config_drop: the folder that a gateway without a configuration file takes text from; see config_store.h */
#include "base/config_store.h"

#define DROP_NAME "drop"
#define DROP_STREAM "unorganized"

/* DATA/drop without empty components and those that mean the same directory. NULL: memory is gone, or a component leads up, which no pattern takes. */
static char *config_drop_folder(struct config_store *store, const char *data)
{
    char *folder = config_allocate(store, strlen(data) + sizeof "/" DROP_NAME), *end = folder;

    if (folder && *data == '/')
        *end++ = '/';
    for (const char *from = data; folder && *from;) {
        const size_t length = strcspn(from, "/");
        const struct slice part = {from, length};
        if (slice_is(part, ".."))
            return NULL;
        if (length && !slice_is(part, ".")) {
            memcpy(end, from, length);
            end += length;
            *end++ = '/';
        }
        from += length + (from[length] == '/');
    }
    if (folder)
        memcpy(end, DROP_NAME, sizeof DROP_NAME);
    return folder;
}

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

/* Not where its lines would be refused or have nowhere to go. */
static bool config_drop_is_wanted(const struct config *config)
{
    for (size_t i = 0; i < config->streams_count; i++) {
        const struct config_stream *stream = &config->streams[i];
        if (strcmp(stream->name, DROP_STREAM) == 0)
            return (config->lake.enabled || stream->topics.count) && strcmp(stream->format, "text") == 0 &&
                   *stream->key == '\0';
    }
    return false; /* GCOVR_EXCL_LINE: a built-in stream is always there */
}

/* What somebody has said of files.drop stays, and may make something else of it. */
static void config_drop_fill(struct config *config, struct config_watch *drop, char *folder)
{
    struct config_store *store = config->store;
    const struct option_bound *bound = &option_find(slice_of("files.*.max_line"))->bound;
    const uint64_t most = config->journal.segment_size * bound->times / bound->parts;
    char **items = config_allocate(store, sizeof *items);

    if (!items || drop->watch.count || drop->spool.count)
        return;
    *items = config_drop_pattern(store, folder);
    drop->spool = (struct config_list){items, *items != NULL};
    if (*drop->stream == '\0')
        drop->stream = config_keep(store, slice_of(DROP_STREAM));
    if (!config_find_origin(config, &drop->done))
        drop->done = config_keep(store, slice_of("archive"));
    if (!config_find_origin(config, &drop->max_line) && drop->max_line > most)
        drop->max_line = most;
    config->drop = folder;
}

void config_add_drop(struct config *config)
{
    const struct config_place nowhere = {CONFIG_PLACE_DEFAULT, 0, 0};
    char *folder;

    if (!config_drop_is_wanted(config) || config->files_count == OPTION_WATCHES_MAX ||
        !(folder = config_drop_folder(config->store, config->gateway.data)))
        return;
    struct config_watch *drop =
        config_add_element(config, option_collection_named(slice_of("files")), slice_of(DROP_NAME), nowhere);
    if (drop)
        config_drop_fill(config, drop, folder);
}
