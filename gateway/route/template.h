/* template: what a compiled template is, and the values of its fields; only for this room. */
#ifndef PENSTOCK_ROUTE_TEMPLATE_H
#define PENSTOCK_ROUTE_TEMPLATE_H

#include "route/route.h"

#define TEMPLATE_TIME_MAX 256 /* bytes that one {time:FORMAT} may come to */
#define TEMPLATE_NUMBER_MAX 20 /* ... and one of its numbers */

enum template_kind {
    TEMPLATE_LITERAL,
    TEMPLATE_SLASH,
    TEMPLATE_STREAM,
    TEMPLATE_KEY,
    TEMPLATE_TIME,
    TEMPLATE_TIME_SOURCE,
    TEMPLATE_LABEL,
};

struct template_part {
    enum template_kind kind;
    struct slice text; /* TEMPLATE_LITERAL, TEMPLATE_TIME: its format; points into the template's text */
    size_t label; /* TEMPLATE_LABEL */
};

struct template
{
    bool has_time;
    char *text;
    size_t parts_count;
    struct template_part parts[];
};

#endif
