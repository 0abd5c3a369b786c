/* topic_map: which stream a topic of MQTT leads to; see route.h
 *
 * The patterns are the ways through a tree, level by level. What follows a node is tried in the order of enum topic_kind, so that the
 * first pattern found is the most specific one. A node stands for the way to it, and is visited once per topic at most.
 */
#include <stdlib.h>

#include "route/topic_map.h"

/* ---- the tree ---------------------------------------------------------------------------------------------- */

/* Any order will do that is quickly told. */
static int topic_compare(struct slice a, struct slice b)
{
    if (a.length != b.length)
        return a.length < b.length ? -1 : 1;
    return memcmp(a.data, b.data, a.length);
}

struct topic_node *topic_find_text(const struct topic_node *node, struct slice text, size_t *ret_place)
{
    size_t low = 0;
    size_t high = node->texts_count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = topic_compare(node->texts[middle]->text, text);
        if (order == 0)
            return node->texts[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_place = low;
    return NULL;
}

void topic_map_free(struct topic_map **map)
{
    if (!*map)
        return;
    for (size_t i = 0; i < (*map)->patterns_count; i++) {
        free((*map)->patterns[i].text);
        free((*map)->patterns[i].names);
    }
    for (size_t i = 0; i < (*map)->nodes_count; i++)
        free((*map)->nodes[i].texts);
    free((*map)->patterns);
    free((*map)->nodes);
    free(*map);
    *map = NULL;
}

/* ---- matching ---------------------------------------------------------------------------------------------- */

/* The levels of a topic: the i-th begins at starts[i] and ends before the slash in front of starts[i + 1]. */
struct topic_levels {
    const char *data;
    size_t count; /* no more than TOPIC_LEVELS_MAX + 1: no pattern tells topics apart by what follows */
    uint32_t starts[TOPIC_LEVELS_MAX + 2];
};

static void topic_split(struct topic_levels *levels, struct slice topic)
{
    const char *slash;
    size_t start = 0;

    levels->data = topic.data;
    levels->count = 0;
    levels->starts[0] = 0;
    do {
        slash = memchr(topic.data + start, '/', topic.length - start);
        start = (slash ? (size_t)(slash - topic.data) : topic.length) + 1;
        levels->starts[++levels->count] = (uint32_t)start;
    } while (slash && levels->count <= TOPIC_LEVELS_MAX);
}

static struct slice topic_level(const struct topic_levels *levels, size_t level)
{
    return (struct slice){
        levels->data + levels->starts[level], levels->starts[level + 1] - 1 - levels->starts[level]};
}

/* The node behind this one that a level leads to, of the kinds from `kind` on. */
static const struct topic_node *topic_step(
    const struct topic_node *node, enum topic_kind kind, struct slice level, bool only_text)
{
    const struct topic_node *next = NULL;
    size_t place;

    if (kind == TOPIC_TEXT)
        next = topic_find_text(node, level, &place);
    if (!next && kind <= TOPIC_NAME && level.length && !only_text)
        next = node->name;
    if (!next && kind <= TOPIC_PLUS && !only_text)
        next = node->plus;
    return next;
}

static const struct topic_pattern *topic_walk(
    const struct topic_node *node, const struct topic_levels *levels)
{
    bool reserved = levels->data[0] == '$';
    enum topic_kind kind = TOPIC_TEXT;
    size_t depth = 0;

    for (;;) {
        bool only_text = reserved && depth == 0;
        const struct topic_node *next = NULL;
        if (depth < levels->count)
            next = topic_step(node, kind, topic_level(levels, depth), only_text);
        else if (node->end)
            return node->end;
        if (next) {
            node = next;
            kind = TOPIC_TEXT;
            depth++;
            continue;
        }
        if (node->rest && !only_text)
            return node->rest;
        if (depth == 0)
            return NULL;
        /* A dead end: back, and on with what comes behind this node there. */
        kind = node->kind + 1;
        node = node->parent;
        depth--;
    }
}

bool topic_map_match(const struct topic_map *map, struct slice topic, struct topic_match *ret_match)
{
    struct topic_levels levels;

    if (topic.length == 0) /* MQTT has no such topic */
        return false;
    topic_split(&levels, topic);
    const struct topic_pattern *pattern = topic_walk(map->nodes, &levels);
    if (!pattern)
        return false;
    ret_match->stream = pattern->stream;
    ret_match->pattern = pattern->text;
    ret_match->captures_count = pattern->captures_count;
    for (size_t i = 0; i < pattern->captures_count; i++) {
        ret_match->captures[i].name = pattern->captures[i].name;
        ret_match->captures[i].value = topic_level(&levels, pattern->captures[i].level);
    }
    ret_match->key = pattern->key < pattern->captures_count ? ret_match->captures[pattern->key].value
                                                            : (struct slice){NULL, 0};
    return true;
}
