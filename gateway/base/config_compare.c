/* config_compare: another configuration in the place of the one that is in force; see config.h */
#include "base/config_store.h"

/* ---- whether values are the same --------------------------------------------------------------------------------- */

static bool compare_lists(const struct config_list *one, const struct config_list *other)
{
    bool same = one->count == other->count;

    for (size_t i = 0; same && i < one->count; i++)
        same = strcmp(one->items[i], other->items[i]) == 0;
    return same;
}

bool config_same_map(const struct config_map *one, const struct config_map *other)
{
    bool same = one->count == other->count;

    for (size_t i = 0; same && i < one->count; i++)
        same = strcmp(one->items[i].name, other->items[i].name) == 0 &&
               strcmp(one->items[i].value, other->items[i].value) == 0;
    return same;
}

static bool compare_members(const struct option *option, const void *one, const void *other)
{
    switch (option->type) {
    case OPTION_BOOL:
        return *(const bool *)one == *(const bool *)other;
    case OPTION_COUNT:
    case OPTION_SIZE:
    case OPTION_DURATION:
        return *(const uint64_t *)one == *(const uint64_t *)other;
    case OPTION_ADDRESSES:
    case OPTION_TEXTS:
        return compare_lists(one, other);
    case OPTION_MAP:
        return config_same_map(one, other);
    default:
        return strcmp(*(char *const *)one, *(char *const *)other) == 0;
    }
}

static bool compare_elements(const struct option_collection *collection, const void *one, const void *other)
{
    bool same = strcmp(*(char *const *)one, *(char *const *)other) == 0; /* their names */

    for (size_t i = 0; same && i < option_count; i++) {
        const struct option *option = &option_table[i];
        if (option_collection_of(option) == collection)
            same = compare_members(
                option, (const char *)one + option->offset, (const char *)other + option->offset);
    }
    return same;
}

bool config_same_elements(const struct config *one, const struct config *other, const char *collection)
{
    const struct option_collection *of = option_collection_named(slice_of(collection));
    const size_t count = *config_elements_count(one, of);
    bool same = count == *config_elements_count(other, of);

    for (size_t i = 0; same && i < count; i++)
        same = compare_elements(of, config_element(one, of, i), config_element(other, of, i));
    return same;
}

bool config_same_stream(const struct config_stream *one, const struct config_stream *other)
{
    return compare_elements(option_collection_named(slice_of("streams")), one, other);
}

/* ---- what waits for a start -------------------------------------------------------------------------------------- */

static int compare_print(struct bytes *names, const char *name, struct error *error)
{
    return bytes_print(names, error, "%s%s", names->length ? ", " : "", name);
}

int config_print_pending(
    const struct config *now, const struct config *fresh, struct bytes *names, struct error *error)
{
    for (const struct option *option = option_table; option < option_table + option_count; option++) {
        const void *one = (const char *)now + option->offset, *other = (const char *)fresh + option->offset;
        if (!option_collection_of(option) && !option_is_live(option) &&
            !compare_members(option, one, other) && compare_print(names, option->name, error))
            return -1;
    }
    for (size_t i = 0; i < option_collections_count; i++) {
        const struct option_collection *collection = &option_collections[i];
        if (!collection->live && !config_same_elements(now, fresh, collection->name) &&
            compare_print(names, collection->name, error))
            return -1;
    }
    return 0;
}

/* ---- what does not ----------------------------------------------------------------------------------------------- */

static bool compare_is_number(const struct option *option)
{
    return !option_collection_of(option) &&
           (option->type == OPTION_COUNT || option->type == OPTION_SIZE || option->type == OPTION_DURATION);
}

/* own: of an element of another configuration, or of limits. */
static int compare_check_bound(
    struct config *limits, const struct option *option, uint64_t own, struct error *error)
{
    uint64_t ignored;

    if (config_is_within(option, limits, own, &ignored))
        return 0;
    return error_set(error, ERROR_REJECT,
        "%s fits only beside the new %s, which takes a restart; restart, or leave both as they are",
        option->name, option->bound.other);
}

static int compare_check_bounds(
    struct config *limits, const struct config *fresh, const struct option *option, struct error *error)
{
    const struct option_collection *collection = option_collection_of(option);

    if (!collection)
        return compare_check_bound(
            limits, option, *(const uint64_t *)config_member(option, limits, NULL), error);
    for (size_t i = 0; collection->live && i < *config_elements_count(fresh, collection); i++) {
        const char *element = config_element(fresh, collection, i);
        if (compare_check_bound(
                limits, option, *(const uint64_t *)(const void *)(element + option->offset), error))
            return -1;
    }
    return 0;
}

int config_adopt(struct config *limits, const struct config *fresh, bool *ret_changed, struct error *error)
{
    struct config next = *limits;
    bool changed = false;

    for (const struct option *option = option_table; option < option_table + option_count; option++) {
        uint64_t *own = (uint64_t *)(void *)((char *)&next + option->offset);
        const uint64_t *other = (const uint64_t *)(const void *)((const char *)fresh + option->offset);
        if (!compare_is_number(option) || !option->live)
            continue;
        changed |= *own != *other;
        *own = *other;
    }
    for (const struct option *option = option_table; option < option_table + option_count; option++) {
        if (option->bound.relation != OPTION_FREE && compare_check_bounds(&next, fresh, option, error))
            return -1;
    }
    *limits = next;
    *ret_changed = changed;
    return 0;
}
