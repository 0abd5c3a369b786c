/* topic_map: the tree of topic patterns, which topic_compile.c builds and topic_map.c walks; only for this room. */
#ifndef PENSTOCK_ROUTE_TOPIC_MAP_H
#define PENSTOCK_ROUTE_TOPIC_MAP_H

#include "route/route.h"

/* What stands for a level, the most specific first. */
enum topic_kind {
    TOPIC_TEXT,
    TOPIC_NAME, /* {NAME} */
    TOPIC_PLUS, /* + */
    TOPIC_REST, /* # */
};

struct topic_capture {
    const char *name;
    size_t level;
};

struct topic_pattern {
    const struct stream *stream;
    char *text; /* owned */
    char *names; /* the same again, the names of the captures terminated in it; owned */
    struct topic_capture captures[TOPIC_CAPTURES_MAX];
    size_t captures_count;
    size_t key; /* index of a capture; captures_count: none */
};

struct topic_node {
    struct topic_node *parent;
    enum topic_kind kind; /* of the level that leads here */
    struct slice text; /* of that level, when it is text */
    struct topic_node **texts; /* what text leads to, sorted by it; owned */
    size_t texts_count;
    struct topic_node *name, *plus; /* what {NAME} and + lead to */
    struct topic_pattern *end; /* ends here */
    struct topic_pattern *rest; /* ends in a # behind here */
};

struct topic_map {
    struct topic_pattern *patterns;
    size_t patterns_count;
    struct topic_node *nodes; /* the first one is the root */
    size_t nodes_count;
};

/* NULL when there is none; its place among the texts is set then. */
struct topic_node *topic_find_text(const struct topic_node *node, struct slice text, size_t *ret_place);

#endif
