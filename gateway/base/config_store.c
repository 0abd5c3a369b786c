/* config_store: memory, errors and origins of a configuration; see config_store.h */
#include "base/config_store.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/shown.h"

#define CONFIG_ALIGNMENT 16

void *config_allocate(struct config_store *store, size_t size)
{
    size_t rounded = (size + CONFIG_ALIGNMENT - 1) / CONFIG_ALIGNMENT * CONFIG_ALIGNMENT;

    if (store->exhausted || rounded > store->memory_left) {
        store->exhausted = true; /* for good, or a small one that still fits would hide it */
        return NULL;
    }
    void *memory = store->memory;
    store->memory += rounded;
    store->memory_left -= rounded;
    return memory;
}

char *config_keep(struct config_store *store, struct slice text)
{
    char *copy = config_allocate(store, text.length + 1);

    if (!copy)
        return NULL;
    if (text.length)
        memcpy(copy, text.data, text.length);
    copy[text.length] = '\0';
    return copy;
}

const char *config_join(struct config_store *store, const char *prefix, struct slice name)
{
    size_t length = strlen(prefix);
    size_t dot = length > 0;
    char *joined = config_allocate(store, length + dot + name.length + 1);

    if (joined)
        snprintf(joined, length + dot + name.length + 1, "%s%s%.*s", prefix, dot ? "." : "", (int)name.length,
            name.data);
    return joined;
}

/* ---- errors ------------------------------------------------------------------------------------------------ */

static bool config_is_before(const struct config_place *a, const struct config_place *b)
{
    if (a->kind != b->kind)
        return a->kind < b->kind;
    return a->line != b->line ? a->line < b->line : a->column < b->column;
}

static void config_add_problem(struct config_store *store, struct config_place place, const char *text)
{
    struct config_problem *problem = config_allocate(store, sizeof *problem);
    struct config_problem **link = &store->problems;

    if (!problem)
        return;
    while (*link && !config_is_before(&place, &(*link)->place))
        link = &(*link)->next;
    *problem = (struct config_problem){*link, place, text};
    *link = problem;
    store->problems_count++;
}

static void config_print_place(
    const struct config_store *store, struct config_place place, const char *name, struct bytes *text)
{
    struct slice shown = option_shown_name(slice_of(name ? name : ""));
    struct error ignored; /* the buffer is large enough, or memory is gone and config_keep() fails next */

    if (place.kind == CONFIG_PLACE_FILE && place.line)
        bytes_print(text, &ignored, "%s:%zu:%zu: %.*s%s", store->file, place.line, place.column,
            (int)shown.length, shown.data, name ? ": " : "");
    else if (place.kind == CONFIG_PLACE_FILE)
        bytes_print(text, &ignored, "%s: ", store->file);
    else
        bytes_print(text, &ignored, "%s %.*s: ", place.kind == CONFIG_PLACE_SET ? "--set" : "default of",
            (int)shown.length, shown.data);
}

__attribute__((format(printf, 4, 0))) static void config_report_list(
    struct config *config, struct config_place place, const char *name, const char *format, va_list arguments)
{
    char message[2048];
    struct error ignored;
    cleanup_bytes struct bytes text, shown;

    bytes_init(&text, 16384);
    bytes_init(&shown, 4 * 16384);
    vsnprintf(message, sizeof message, format, arguments);
    config_print_place(config->store, place, name, &text);
    bytes_add_text(&text, message, &ignored);
    if (bytes_add(&text, "", 1, &ignored) == 0) /* names of options and of the file may be anything */
        shown_add(&shown, text.data, &ignored);
    const char *kept = config_keep(config->store, bytes_slice(&shown));
    if (kept)
        config_add_problem(config->store, place, kept);
}

void config_report_at(
    struct config *config, struct config_place place, const char *name, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    config_report_list(config, place, name, format, arguments);
    va_end(arguments);
}

void config_report(struct config *config, const void *field, const char *format, ...)
{
    const struct config_origin *origin = config_find_origin(config, field);
    struct config_place place = {CONFIG_PLACE_DEFAULT, 0, 0};
    va_list arguments;

    if (origin && origin->refused) /* what stands there instead is not the user's */
        return;
    va_start(arguments, format);
    config_report_list(
        config, origin ? origin->place : place, config_find_name(config, field), format, arguments);
    va_end(arguments);
}

void config_print_where(struct config *config, const void *field, struct bytes *text)
{
    const struct config_origin *origin = config_find_origin(config, field);
    const struct config_place place = {CONFIG_PLACE_DEFAULT, 0, 0};

    config_print_place(config->store, origin ? origin->place : place, config_find_name(config, field), text);
}

/* ---- origins ----------------------------------------------------------------------------------------------- */

struct config_origin *config_note_origin(struct config *config, const void *field, struct config_place place)
{
    struct config_origin *origin = config_allocate(config->store, sizeof *origin);

    if (!origin)
        return NULL;
    *origin = (struct config_origin){config->store->origins, field, place, "", false};
    config->store->origins = origin; /* in front, so that the last one is found first */
    return origin;
}

struct config_origin *config_find_origin(const struct config *config, const void *field)
{
    struct config_origin *origin = config->store->origins;

    while (origin && origin->field != field)
        origin = origin->next;
    return origin;
}

/* ---- names ------------------------------------------------------------------------------------------------- */

/* Whether field is the member or one item of it; ret_item is the item's name in a map. */
static bool config_holds(
    const struct option *option, const void *member, const void *field, const char **ret_item)
{
    const struct config_list *list = member;
    const struct config_map *map = member;
    bool found = member == field;

    *ret_item = NULL;
    for (size_t i = 0; option_is_list(option) && i < list->count; i++)
        found = found || field == &list->items[i];
    for (size_t i = 0; option->type == OPTION_MAP && i < map->count; i++) {
        if (field == &map->items[i].value || field == &map->items[i]) {
            *ret_item = map->items[i].name;
            found = true;
        }
    }
    return found;
}

/* streams.*.key -> streams.readings.key, and an entry's name behind it. */
static const char *config_name_of(
    struct config *config, const struct option *option, void *element, const char *item)
{
    struct config_store *store = config->store;
    const struct option_collection *collection = option_collection_of(option);
    const char *name = option->name;
    struct slice star, rest;

    if (collection) {
        option_collection_at(slice_of(option->name), &star, &rest);
        name = config_join(store, collection->name, slice_of(*config_element_name(element)));
        name = name ? config_join(store, name, rest) : "";
    }
    if (item && name)
        name = config_join(store, name, slice_of(item));
    return name ? name : "";
}

/* The name of the element itself: "streams.readings"; NULL when field is none. */
static const char *config_find_element(struct config *config, const void *field)
{
    for (const struct option_collection *next = option_collections;
         next < option_collections + option_collections_count; next++)
        for (size_t i = 0; i < *config_elements_count(config, next); i++) {
            void *element = config_element(config, next, i);
            if (element == field)
                return config_join(config->store, next->name, slice_of(*config_element_name(element)));
        }
    return NULL;
}

const char *config_find_name(struct config *config, const void *field)
{
    const char *item;
    const char *name = config_find_element(config, field);

    if (name)
        return name;
    for (const struct option *option = option_table; option < option_table + option_count; option++) {
        const struct option_collection *collection = option_collection_of(option);
        size_t bases = collection ? *config_elements_count(config, collection) : 1;
        for (size_t i = 0; i < bases; i++) {
            void *element = collection ? config_element(config, collection, i) : NULL;
            if (config_holds(option, config_member(option, config, element), field, &item))
                return config_name_of(config, option, element, item);
        }
    }
    return "";
}
