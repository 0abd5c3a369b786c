/* config: see config.h */
#include "base/config_store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define CONFIG_NO_MEMORY "the configuration needs more than 16 MiB of memory, or there is none"
#define CONFIG_ROLL_ELSEWHERE (INT64_C(10) * 60 * 1000000) /* lake.roll.every, said in its row as well */

/* Reads the whole file; a pipe will do. Returns 0, or -1 after a report. */
static int config_read(struct config *config, const char *file, struct slice *ret_text)
{
    struct config_place place = {CONFIG_PLACE_FILE, 0, 0};
    char *text = config_allocate(config->store, CONFIG_FILE_MAX + 1);
    FILE *input = fopen(file, "re");

    if (!input) {
        config_report_at(config, place, NULL, "cannot be opened: %s", strerror(errno));
        return -1;
    }
    size_t length = text ? fread(text, 1, CONFIG_FILE_MAX + 1, input) : 0;
    int failed = ferror(input) ? errno : 0;
    fclose(input);
    if (failed)
        config_report_at(config, place, NULL, "cannot be read: %s", strerror(failed));
    else if (length > CONFIG_FILE_MAX)
        config_report_at(config, place, NULL, "found more than 1 MiB; allowed: at most that");
    if (!text || failed || length > CONFIG_FILE_MAX)
        return -1;
    *ret_text = (struct slice){text, length};
    return 0;
}

static bool config_allocate_collections(struct config *config)
{
    for (const struct option_collection *next = option_collections;
         next < option_collections + option_collections_count; next++) {
        void *elements = config_allocate(config->store, next->most * next->size);
        if (!elements)
            return false;
        *(void **)((char *)config + next->elements) = elements;
    }
    return true;
}

/* Every file that is published to a store elsewhere costs requests there, and readers want larger ones. */
static void config_settle_roll(struct config *config)
{
    struct config_lake *lake = &config->lake;

    if (strstr(lake->url, "://") && strncmp(lake->url, "file:", 5) != 0 &&
        !config_find_origin(config, &lake->roll.every))
        lake->roll.every = CONFIG_ROLL_ELSEWHERE;
}

/* Values that were not read because of a syntax error cannot be held against those that were. */
static int config_fill(struct config *config, const char *file, const char *const *sets, size_t sets_count)
{
    struct config_tree tree = {.whole = true};
    const struct config_place nowhere = {CONFIG_PLACE_DEFAULT, 0, 0};
    struct slice text;

    if (!config_allocate_collections(config))
        return -1;
    config_set_defaults(config, NULL, NULL);
    for (size_t i = 0; i < option_stream_defaults_count; i++)
        config_add_element(config, option_collection_named(slice_of("streams")),
            slice_of(option_stream_defaults[i].stream), nowhere);
    if (file) {
        if (config_read(config, file, &text))
            return -1;
        config_file_parse(config, text, &tree);
        config_apply_tree(config, &tree);
    }
    for (size_t i = 0; i < sets_count; i++)
        config_apply_set(config, i + 1, sets[i]);
    if (!file)
        config_add_drop(config);
    if (!tree.whole || config->store->exhausted)
        return -1;
    config_settle_roll(config);
    config_check(config);
    return 0;
}

int config_load_within(
    struct config **ret_config, const char *file, const char *const *sets, size_t sets_count, size_t memory)
{
    const size_t head = sizeof(struct config) + sizeof(struct config_store);
    struct config *config = calloc(1, head + memory);

    *ret_config = config;
    if (!config)
        return -1;
    config->store = (struct config_store *)(config + 1);
    config->store->file = file;
    config->store->memory = (char *)config + (head + 15) / 16 * 16;
    config->store->memory_left = memory > 16 ? memory - 16 : 0;
    return config_fill(config, file, sets, sets_count);
}

int config_load(struct config **ret_config, const char *file, const char *const *sets, size_t sets_count)
{
    return config_load_within(ret_config, file, sets, sets_count, CONFIG_MEMORY_MAX);
}

void config_free(struct config **config)
{
    free(*config);
    *config = NULL;
}

size_t config_errors(const struct config *config)
{
    if (!config)
        return 1;
    return config->store->problems_count + config->store->exhausted;
}

int config_print_errors(const struct config *config, struct bytes *text, struct error *error)
{
    for (const struct config_problem *next = config ? config->store->problems : NULL; next; next = next->next)
        if (bytes_print(text, error, "%s\n", next->text))
            return -1;
    if (!config || config->store->exhausted)
        return bytes_add_text(text, CONFIG_NO_MEMORY "\n", error);
    return 0;
}
