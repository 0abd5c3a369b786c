/* config_file: from YAML to a tree of nodes with their places; see config_store.h. It judges nothing but syntax. */
#include "base/config_store.h"

#include <yaml.h>

/* ---- errors of libyaml ------------------------------------------------------------------------------------- */

/* libyaml says only at which byte it could not read on. */
static struct config_place config_file_place_of_byte(struct slice text, size_t offset)
{
    struct config_place place = {CONFIG_PLACE_FILE, 1, 1};

    for (size_t i = 0; i < offset && i < text.length; i++) {
        bool line_break = text.data[i] == '\n';
        place.line += line_break;
        place.column = line_break ? 1 : place.column + 1;
    }
    return place;
}

static struct config_place config_file_place(const yaml_mark_t *mark)
{
    return (struct config_place){CONFIG_PLACE_FILE, mark->line + 1, mark->column + 1};
}

static const char *config_file_hint(const char *problem)
{
    if (strstr(problem, "cannot start any token"))
        return "; indent with blanks, not tabs, and put quotes around a value that begins with @ ` or %";
    if (strstr(problem, "mapping values are not allowed"))
        return "; put quotes around a value with \": \" in it, and check the indentation";
    if (strstr(problem, "did not find expected ','"))
        return "; put quotes around a value with { } [ ] or , in it";
    return "";
}

static void config_file_report_syntax(struct config *config, const yaml_parser_t *parser, struct slice text,
    const struct config_place *set, const char *name)
{
    struct config_place place = parser->error == YAML_READER_ERROR
                                    ? config_file_place_of_byte(text, parser->problem_offset)
                                    : config_file_place(&parser->problem_mark);

    const char *problem = parser->problem ? parser->problem : "out of memory";

    if (parser->context && !set)
        config_report_at(config, place, name, "not YAML: %s (%s that began at line %zu, column %zu)%s",
            problem, parser->context, parser->context_mark.line + 1, parser->context_mark.column + 1,
            config_file_hint(problem));
    else
        config_report_at(
            config, set ? *set : place, name, "not YAML: %s%s", problem, config_file_hint(problem));
}

/* ---- nodes ------------------------------------------------------------------------------------------------- */

struct config_file_build {
    struct config *config;
    struct config_tree *tree;
    size_t parent; /* the collection that is open */
    const struct config_place *set;
};

static bool config_file_is_nothing(const yaml_event_t *event)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    struct slice text = {(char *)event->data.scalar.value, event->data.scalar.length};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && slice_is(text, words[i]))
            return true;
    return false;
}

static struct config_node *config_file_add(struct config_file_build *build, const yaml_event_t *event)
{
    struct config_tree *tree = build->tree;
    struct config_place place = build->set ? *build->set : config_file_place(&event->start_mark);

    if (tree->count == tree->limit) { /* small texts cannot have so many: two per byte at most */
        config_report_at(build->config, place, NULL, "more than %d values", CONFIG_NODES_MAX);
        return NULL;
    }
    struct config_node *node = &tree->nodes[tree->count];
    *node = (struct config_node){.parent = build->parent, .end = tree->count + 1, .place = place};
    tree->count++;
    return node;
}

static int config_file_add_scalar(struct config_file_build *build, const yaml_event_t *event)
{
    struct slice text = {(char *)event->data.scalar.value, event->data.scalar.length};
    struct config_node *node = config_file_add(build, event);

    if (!node)
        return -1;
    node->kind = event->data.scalar.tag          ? CONFIG_NODE_TAGGED
                 : config_file_is_nothing(event) ? CONFIG_NODE_NOTHING
                                                 : CONFIG_NODE_SCALAR;
    node->text.data = config_keep(build->config->store, text);
    node->text.length = node->text.data ? text.length : 0;
    return node->text.data ? 0 : -1;
}

static int config_file_open(
    struct config_file_build *build, const yaml_event_t *event, enum config_node_kind kind, const void *tag)
{
    struct config_node *node = config_file_add(build, event);

    if (!node)
        return -1;
    node->kind = tag ? CONFIG_NODE_TAGGED : kind;
    build->parent = build->tree->count - 1;
    return 0;
}

static int config_file_add_alias(struct config_file_build *build, const yaml_event_t *event)
{
    struct config_node *node = config_file_add(build, event);

    if (!node)
        return -1;
    node->kind = CONFIG_NODE_ALIAS;
    node->text.data = "";
    return 0;
}

static int config_file_close(struct config_file_build *build)
{
    struct config_node *node = &build->tree->nodes[build->parent];

    node->end = build->tree->count;
    build->parent = node->parent;
    return 0;
}

/* 0 to go on, 1 at the end, -1 when it cannot go on. */
static int config_file_take(struct config_file_build *build, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return config_file_add_scalar(build, event);
    case YAML_ALIAS_EVENT:
        return config_file_add_alias(build, event);
    case YAML_SEQUENCE_START_EVENT:
        return config_file_open(build, event, CONFIG_NODE_SEQUENCE, event->data.sequence_start.tag);
    case YAML_MAPPING_START_EVENT:
        return config_file_open(build, event, CONFIG_NODE_MAPPING, event->data.mapping_start.tag);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return config_file_close(build);
    case YAML_DOCUMENT_START_EVENT:
        if (build->tree->count == 0)
            return 0;
        config_report_at(build->config, config_file_place(&event->start_mark), NULL,
            "found a second document; allowed: one");
        return -1;
    case YAML_STREAM_END_EVENT:
        return 1;
    default:
        return 0;
    }
}

static void config_file_run(struct config *config, struct slice text, const struct config_place *set,
    const char *name, struct config_tree *tree)
{
    struct config_file_build build = {config, tree, 0, set};
    yaml_parser_t parser;
    int state = 0;

    *tree = (struct config_tree){
        .limit = text.length < CONFIG_NODES_MAX / 2 - 1 ? text.length * 2 + 2 : CONFIG_NODES_MAX};
    tree->nodes = config_allocate(config->store, tree->limit * sizeof *tree->nodes);
    if (!tree->nodes || !yaml_parser_initialize(&parser))
        return;
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.data, text.length);
    while (state == 0) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            config_file_report_syntax(config, &parser, text, set, name);
            break;
        }
        state = config_file_take(&build, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    tree->whole = state == 1;
    if (!tree->whole && tree->count) /* the last value may be what the error is about */
        tree->count--;
    while (!tree->whole && build.parent) /* what is still open ends here */
        config_file_close(&build);
    if (tree->count)
        tree->nodes[0].end = tree->count;
}

void config_file_parse(struct config *config, struct slice text, struct config_tree *ret_tree)
{
    config_file_run(config, text, NULL, NULL, ret_tree);
}

void config_file_parse_set(struct config *config, struct slice text, struct config_place place,
    const char *name, struct config_tree *ret_tree)
{
    config_file_run(config, text, &place, name, ret_tree);
}
