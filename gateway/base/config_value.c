/* config_value: from nodes to the members of struct config; see config_store.h */
#include "base/config_store.h"

#include <assert.h>

/* ---- texts ------------------------------------------------------------------------------------------------- */

/* "found X; allowed: Y" */
static void config_refuse(struct config *config, const struct option *option, const char *name,
    struct config_place place, const char *found)
{
    struct error ignored;
    cleanup_bytes struct bytes allowed;

    bytes_init(&allowed, 1024);
    option_print_allowed(option, &allowed, &ignored);
    config_report_at(
        config, place, name, "found %s; allowed: %.*s", found, (int)allowed.length, allowed.data);
}

static void config_refuse_node(
    struct config *config, const struct option *option, const char *name, const struct config_node *node)
{
    static const char *const found[] = {
        [CONFIG_NODE_NOTHING] = "nothing",
        [CONFIG_NODE_SCALAR] = "a text",
        [CONFIG_NODE_SEQUENCE] = "a list",
        [CONFIG_NODE_MAPPING] = "a mapping",
        [CONFIG_NODE_ALIAS] = "an alias",
        [CONFIG_NODE_TAGGED] = "a tag",
    };

    config_refuse(config, option, name, node->place, found[node->kind]);
}

/* The text of one value, variables replaced. False after a report. */
static bool config_read_text(struct config *config, const struct option *option, const char *name,
    bool secret, const struct config_node *node, struct config_origin *origin, struct slice *ret_text)
{
    struct error error;
    cleanup_bytes struct bytes text;
    cleanup_bytes struct bytes variables;

    bytes_init(&text, option_text_most(option));
    bytes_init(&variables, OPTION_TEXT_MAX);
    if (node->kind != CONFIG_NODE_SCALAR) {
        config_refuse_node(config, option, name, node);
        return false;
    }
    if (option_expand(node->text, secret, &text, &variables, &error)) {
        config_report_at(config, node->place, name, "%s", error.text);
        return false;
    }
    const char *kept = config_keep(config->store, bytes_slice(&text));
    const char *names = config_keep(config->store, bytes_slice(&variables));
    if (!kept || !names)
        return false;
    origin->variables = names;
    *ret_text = (struct slice){kept, text.length};
    return true;
}

/* ---- one value --------------------------------------------------------------------------------------------- */

/* The text is kept (and terminated). */
static int config_set_text(const struct option *option, void *member, struct slice text, struct error *error)
{
    uint64_t number;

    switch (option->type) {
    case OPTION_BOOL:
        return option_parse_bool(text, member, error);
    case OPTION_COUNT:
    case OPTION_SIZE:
        return option_parse_number(option, text, member, error);
    case OPTION_DURATION:
        if (option_parse_number(option, text, &number, error))
            return -1;
        *(int64_t *)member = (int64_t)number;
        return 0;
    default:
        if (option_check_text(option, text, error))
            return -1;
        *(char **)member = (char *)text.data;
        return 0;
    }
}

/* No message shows what a secret is. */
static bool config_set_scalar(struct config *config, const struct option *option, const char *name,
    bool secret, void *member, const struct config_node *node)
{
    struct config_origin *origin = config_note_origin(config, member, node->place);
    struct slice text;
    struct error error;

    if (!origin)
        return false;
    origin->refused = true;
    if (!config_read_text(config, option, name, secret, node, origin, &text))
        return false;
    if (config_set_text(option, member, text, &error)) {
        if (secret)
            config_refuse(config, option, name, node->place, "a text that is not shown here");
        else
            config_report_at(config, node->place, name, "%s", error.text);
        return false;
    }
    origin->refused = false;
    return true;
}

/* ---- lists and maps ---------------------------------------------------------------------------------------- */

/* An empty text alone is no text, one in a list is a mistake. */
static void config_set_list(struct config *config, const struct option *option, const char *name,
    struct config_list *list, const struct config_tree *tree, size_t index)
{
    const struct config_node *node = &tree->nodes[index];
    bool single = node->kind != CONFIG_NODE_SEQUENCE;
    size_t least = option->type == OPTION_ADDRESSES && !option->zero;
    struct option item = *option;
    char **items = config_allocate(config->store, OPTION_LIST_MAX * sizeof *items);
    struct config_origin *origin = config_note_origin(config, list, node->place);
    size_t count = 0;

    if (!items || !origin)
        return;
    item.least = !single;
    for (size_t i = single ? index : index + 1; i < node->end; i = tree->nodes[i].end, count++)
        if (count < OPTION_LIST_MAX &&
            !config_set_scalar(config, &item, name, false, &items[count], &tree->nodes[i]))
            origin->refused = true;
    if (count < least || count > OPTION_LIST_MAX) {
        config_report_at(config, node->place, name, "found a list of %zu; allowed: %zu to %d %s", count,
            least, OPTION_LIST_MAX, option->type == OPTION_ADDRESSES ? "addresses" : "texts");
        origin->refused = true;
    }
    if (!origin->refused)
        *list = (struct config_list){items, single && !*items[0] ? 0 : count};
}

static struct config_pair *config_find_entry(struct config_map *map, struct slice name)
{
    for (size_t i = 0; i < map->count; i++)
        if (slice_is(name, map->items[i].name))
            return &map->items[i];
    return NULL;
}

void config_set_entry(struct config *config, const struct option *option, const char *map_name,
    struct config_map *map, const struct config_node *name, const struct config_node *value)
{
    const char *full = config_join(config->store, map_name, name->text);
    struct config_pair *pair = config_find_entry(map, name->text);
    const struct option_map *rule = option->map;

    if (!full)
        return;
    if (!rule->allows(name->text)) {
        config_report_at(
            config, name->place, full, "found a %s of this name; allowed: %s", rule->entry, rule->names);
        return;
    }
    if (!pair && map->count == rule->most) {
        config_report_at(
            config, name->place, full, "found one %s more; allowed: %zu", rule->entry, rule->most);
        return;
    }
    if (!pair) {
        char *kept = config_keep(config->store, name->text);
        if (!kept)
            return;
        pair = &map->items[map->count++];
        *pair = (struct config_pair){kept, ""};
    }
    config_set_scalar(
        config, option, full, option_secrecy(option, name->text) != OPTION_PUBLIC, &pair->value, value);
}

bool config_is_repeated(struct config *config, const struct config_tree *tree, size_t index, const char *name)
{
    const struct config_node *node = &tree->nodes[index];

    for (size_t i = node->parent + 1; i < index; i = tree->nodes[tree->nodes[i].end].end) {
        const struct config_node *other = &tree->nodes[i];
        if (!slice_equal(other->text, node->text))
            continue;
        config_report_at(config, node->place, name,
            "found twice, first at line %zu, column %zu; allowed: once", other->place.line,
            other->place.column);
        return true;
    }
    return false;
}

static void config_set_map(struct config *config, const struct option *option, const char *name,
    struct config_map *map, const struct config_tree *tree, size_t index)
{
    const struct config_node *node = &tree->nodes[index];
    struct config_pair *items = config_allocate(config->store, option->map->most * sizeof *items);

    if (!items || !config_note_origin(config, map, node->place))
        return;
    *map = (struct config_map){items, 0};
    if (node->kind == CONFIG_NODE_NOTHING)
        return;
    if (node->kind != CONFIG_NODE_MAPPING) {
        config_refuse_node(config, option, name, node);
        return;
    }
    for (size_t i = index + 1; i < node->end;) {
        size_t value = tree->nodes[i].end;
        if (value >= node->end) /* a syntax error cut it off */
            return;
        const char *full = config_join(config->store, name, tree->nodes[i].text);
        if (!full)
            return;
        if (!config_is_repeated(config, tree, i, full))
            config_set_entry(config, option, name, map, &tree->nodes[i], &tree->nodes[value]);
        i = tree->nodes[value].end;
    }
}

/* ---- options and elements ---------------------------------------------------------------------------------- */

void config_set_value(struct config *config, const struct option *option, const char *name,
    const struct config_tree *tree, size_t index)
{
    const struct option_collection *collection = option_collection_of(option);
    struct slice part, rest;
    void *element = NULL;

    if (collection) {
        option_collection_at(slice_of(name), &part, &rest);
        element = config_add_element(config, collection, part, tree->nodes[index].place);
        if (!element)
            return;
    }
    void *member = config_member(option, config, element);
    if (option_is_list(option))
        config_set_list(config, option, name, member, tree, index);
    else if (option->type == OPTION_MAP)
        config_set_map(config, option, name, member, tree, index);
    else
        config_set_scalar(config, option, name, false, member, &tree->nodes[index]);
}

/* Defaults are right by the table's own test. */
static void config_set_default(
    struct config *config, const struct option *option, void *member, const char *initial)
{
    char *kept = config_keep(config->store, slice_of(initial));
    struct config_list *list = member;
    struct error error;
    int result = 0;

    if (!kept)
        return;
    if (option_is_list(option)) {
        char **items = config_allocate(config->store, sizeof *items);
        if (!items)
            return;
        *list = (struct config_list){items, *kept != '\0'};
        items[0] = kept;
    } else if (option->type == OPTION_MAP)
        *(struct config_map *)member = (struct config_map){
            config_allocate(config->store, option->map->most * sizeof(struct config_pair)), 0};
    else
        result = config_set_text(option, member, slice_of(kept), &error);
    assert(result == 0);
}

void config_set_defaults(struct config *config, const struct option_collection *collection, void *element)
{
    for (const struct option *option = option_table; option < option_table + option_count; option++)
        if (option_collection_of(option) == collection)
            config_set_default(config, option, config_member(option, config, element), option->initial);
    for (size_t i = 0; element && i < option_stream_defaults_count; i++) {
        const struct option_stream_default *own = &option_stream_defaults[i];
        const struct option *option = option_find(slice_of(own->name));
        if (option_collection_of(option) == collection && !strcmp(own->stream, *config_element_name(element)))
            config_set_default(config, option, config_member(option, config, element), own->initial);
    }
}

void *config_add_element(struct config *config, const struct option_collection *collection, struct slice name,
    struct config_place place)
{
    size_t *count = config_elements_count(config, collection);

    for (size_t i = 0; i < *count; i++)
        if (slice_is(name, *config_element_name(config_element(config, collection, i))))
            return config_element(config, collection, i);
    char *kept = config_keep(config->store, name);
    if (!kept)
        return NULL;
    if (*count == collection->most) {
        config_report_at(config, place, config_join(config->store, collection->name, name),
            "found one %s more; allowed: %zu", collection->element, collection->most);
        return NULL;
    }
    void *element = config_element(config, collection, *count);
    *config_element_name(element) = kept;
    config_set_defaults(config, collection, element);
    if (place.kind != CONFIG_PLACE_DEFAULT)
        config_note_origin(config, element, place);
    if (config->store->exhausted)
        return NULL;
    ++*count;
    return element;
}
