/* config_apply: walks a file's tree, and each --set, and finds the option that is meant; see config_store.h */
#include "base/config_store.h"

#include <stdio.h>

/* ---- names that are wrong ---------------------------------------------------------------------------------- */

static void config_print_names(const struct slice *names, size_t count, struct bytes *text)
{
    struct error ignored;

    for (size_t i = 0; i < count; i++)
        bytes_print(text, &ignored, "%s%.*s", i ? ", " : "", (int)names[i].length, names[i].data);
}

/* part is the unknown last part of a name in a section; names what is allowed there. Reports with or without the name in
 * front, as the place wants it. */
static void config_report_unknown(struct config *config, struct config_place place, const char *section,
    struct slice part, const char *name)
{
    struct slice names[OPTION_CHILDREN_MAX];
    size_t count = option_children(slice_of(section), names);
    struct slice shown = option_shown_name(part);
    struct slice nearest = option_nearest(part, names, count);
    const char *elsewhere = nearest.length ? NULL : option_nearest_elsewhere(part);
    struct error ignored;
    cleanup_bytes struct bytes text;

    bytes_init(&text, 1500);
    bytes_add_text(&text, "unknown option ", &ignored);
    option_print_quoted(shown, OPTION_QUOTED_MAX, &text, &ignored);
    bytes_print(&text, &ignored, "; allowed%s%s: ", *section ? " in " : "", section);
    config_print_names(names, count, &text);
    if (nearest.length)
        bytes_print(&text, &ignored, "; did you mean \"%s%s%.*s\"?", section, *section ? "." : "",
            (int)nearest.length, nearest.data);
    else if (elsewhere)
        bytes_print(&text, &ignored, "; did you mean \"%s\"?", elsewhere);
    config_report_at(
        config, place, place.kind == CONFIG_PLACE_SET ? name : NULL, "%.*s", (int)text.length, text.data);
}

static void config_report_section(
    struct config *config, struct config_place place, const char *section, const char *found)
{
    struct slice names[OPTION_CHILDREN_MAX];
    size_t count = option_children(slice_of(section), names);
    cleanup_bytes struct bytes text;

    bytes_init(&text, 1024);
    config_print_names(names, count, &text);
    const struct option_collection *collection = option_collection_named(slice_of(section));
    if (collection)
        config_report_at(config, place, section, "found %s; allowed: a mapping from names of %ss%s", found,
            collection->element, collection->list ? ", or a list of them" : "");
    else
        config_report_at(config, place, *section ? section : NULL, "found %s; allowed: a mapping with %.*s",
            found, (int)text.length, text.data);
}

static void config_report_element_name(struct config *config, struct config_place place, const char *name,
    const struct option_collection *collection)
{
    config_report_at(config, place, name, "found a %s of this name; allowed: " OPTION_ELEMENT_NAME_ALLOWED,
        collection->element);
}

/* ---- the tree of a file ------------------------------------------------------------------------------------ */

/* Whether the value of a section may be walked through: a mapping, and where elements need no names a list. */
static bool config_is_open(const struct config_node *node, const char *name)
{
    const struct option_collection *collection = option_collection_named(slice_of(name));

    return node->kind == CONFIG_NODE_MAPPING ||
           (node->kind == CONFIG_NODE_SEQUENCE && collection && collection->list);
}

/* What has options below it. Returns the index to go on at. */
static size_t config_apply_section(
    struct config *config, struct config_tree *tree, size_t index, const char *name)
{
    struct config_node *node = &tree->nodes[index];
    struct slice element, rest;
    const struct option_collection *collection = option_collection_at(slice_of(name), &element, &rest);

    if (collection && rest.length == 0 && !config_add_element(config, collection, element, node->place))
        return node->end;
    if (config_is_open(node, name)) {
        node->name = name;
        return index + 1;
    }
    if (node->kind != CONFIG_NODE_NOTHING)
        config_report_section(config, node->place, name,
            node->kind == CONFIG_NODE_SCALAR     ? "a value"
            : node->kind == CONFIG_NODE_SEQUENCE ? "a list"
            : node->kind == CONFIG_NODE_ALIAS    ? "an alias"
                                                 : "a tag");
    return node->end;
}

/* One name and its value. Returns the index to go on at: of the first name below it, or of the next one. */
static size_t config_apply_entry(struct config *config, struct config_tree *tree, size_t index)
{
    const struct config_node *key = &tree->nodes[index];
    const char *section = tree->nodes[key->parent].name;
    const char *name = config_join(config->store, section, key->text);
    size_t value = key->end;
    size_t next = tree->nodes[value].end;

    if (!name || config_is_repeated(config, tree, index, name))
        return next;
    const struct option_collection *collection = option_collection_named(slice_of(section));
    if (collection && !option_is_element_name(key->text)) {
        config_report_element_name(config, key->place, name, collection);
        return next;
    }
    if (key->text.length && memchr(key->text.data, '.', key->text.length)) {
        struct slice shown = option_shown_name(key->text);
        config_report_at(config, key->place, NULL,
            "found a dot in the name \"%.*s\"; allowed: one name below the other, as in http: {max_body: 16MiB}",
            (int)shown.length, shown.data);
        return next;
    }
    const struct option *option = option_find(slice_of(name));
    if (option)
        config_set_value(config, option, name, tree, value);
    else if (key->text.length && option_is_section(slice_of(name)))
        next = config_apply_section(config, tree, value, name);
    else
        config_report_unknown(config, key->place, section, key->text, name);
    return next;
}

/* One item of a list of elements: its name is its number. Returns as config_apply_entry(). */
static size_t config_apply_item(struct config *config, struct config_tree *tree, size_t index)
{
    size_t list = tree->nodes[index].parent;
    size_t number = 1;
    char text[24];

    for (size_t i = list + 1; i < index; i = tree->nodes[i].end)
        number++;
    snprintf(text, sizeof text, "%zu", number);
    const char *name = config_join(config->store, tree->nodes[list].name, slice_of(text));
    return name ? config_apply_section(config, tree, index, name) : tree->nodes[index].end;
}

void config_apply_tree(struct config *config, struct config_tree *tree)
{
    if (tree->count == 0)
        return;
    size_t index = config_apply_section(config, tree, 0, "");
    while (index < tree->count) {
        const struct config_node *node = &tree->nodes[index];
        if (tree->nodes[node->parent].kind == CONFIG_NODE_SEQUENCE)
            index = config_apply_item(config, tree, index);
        else if (node->end < tree->count)
            index = config_apply_entry(config, tree, index);
        else /* a name whose value a syntax error cut off */
            return;
    }
}

/* ---- --set ------------------------------------------------------------------------------------------------- */

static void config_apply_set_value(struct config *config, const struct option *option, const char *name,
    struct slice value, struct config_place place)
{
    struct config_node alone = {.kind = CONFIG_NODE_SCALAR, .text = value, .end = 1, .place = place};
    struct config_tree tree = {&alone, 1, 1, true};
    char first = *value.data;

    /* [::1]:80 is one address. */
    if ((first == '[' && option_is_list(option) && !memchr(value.data, ']', value.length - 1)) ||
        (first == '{' && option->type == OPTION_MAP)) {
        config_file_parse_set(config, value, place, name, &tree);
        if (!tree.whole)
            return;
    }
    config_set_value(config, option, name, &tree, 0);
}

/* streams.NAME.labels.LABEL, kafka.properties.PROPERTY: one entry of a map. */
static bool config_apply_set_entry(
    struct config *config, const char *name, struct slice value, struct config_place place)
{
    struct slice entry, part, rest;
    const struct option *option = option_find_map(slice_of(name), &entry);
    void *element = NULL;

    if (!option)
        return false;
    const struct option_collection *collection = option_collection_of(option);
    if (collection) {
        option_collection_at(slice_of(name), &part, &rest);
        element = config_add_element(config, collection, part, place);
        if (!element)
            return true;
    }
    struct config_node nodes[] = {
        {.kind = CONFIG_NODE_SCALAR, .text = entry, .place = place},
        {.kind = CONFIG_NODE_SCALAR, .text = value, .place = place},
    };
    size_t behind = entry.length + (name[strlen(name) - entry.length - 1] == '.');
    const char *map = config_keep(config->store, (struct slice){name, strlen(name) - behind});
    if (map)
        config_set_entry(config, option, map, config_member(option, config, element), &nodes[0], &nodes[1]);
    return true;
}

/* The longest section that the name begins with is where it went wrong. */
static void config_report_unknown_set(struct config *config, const char *name, struct config_place place)
{
    size_t length = strlen(name);
    struct slice part = slice_of(name);
    const char *section = "";

    while (length && *section == '\0') {
        const char *dot = memrchr(name, '.', length);
        length = dot ? (size_t)(dot - name) : 0;
        if (length && option_is_section((struct slice){name, length}))
            section = config_keep(config->store, (struct slice){name, length});
        if (!section)
            return;
    }
    if (*section)
        part = slice_of(name + strlen(section) + 1);
    part.length = strcspn(part.data, ".");
    config_report_unknown(config, place, section, part, name);
}

void config_apply_set(struct config *config, size_t number, const char *set)
{
    struct config_place place = {CONFIG_PLACE_SET, number, 0};
    const char *equals = strchr(set, '=');
    const char *name =
        config_keep(config->store, (struct slice){set, equals ? (size_t)(equals - set) : strlen(set)});

    if (!name)
        return;
    if (!equals) {
        config_report_at(config, place, name, "found no value; allowed: --set NAME=VALUE");
        return;
    }
    struct slice element, rest;
    const struct option_collection *collection = option_collection_at(slice_of(name), &element, &rest);
    if (collection && !option_is_element_name(element)) {
        config_report_element_name(config, place, name, collection);
        return;
    }
    const struct option *option = option_find(slice_of(name));
    if (option)
        config_apply_set_value(config, option, name, slice_of(equals + 1), place);
    else if (config_apply_set_entry(config, name, slice_of(equals + 1), place))
        return;
    else if (*name && option_is_section(slice_of(name)))
        config_report_section(config, place, name, "one value");
    else
        config_report_unknown_set(config, name, place);
}
