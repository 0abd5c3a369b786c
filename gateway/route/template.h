/* template: what a compiled template is, and the values of its fields; only for this room. */
#ifndef PENSTOCK_ROUTE_TEMPLATE_H
#define PENSTOCK_ROUTE_TEMPLATE_H

#include <time.h>

#include "route/route.h"

#define TEMPLATE_TIME_MAX 256 /* bytes that one {time:FORMAT} may come to */
#define TEMPLATE_NUMBER_MAX 20 /* ... and one of its numbers */
#define TEMPLATE_WIDTH_MAX 20 /* of {key:020} */

enum template_kind {
    TEMPLATE_LITERAL,
    TEMPLATE_SLASH,
    TEMPLATE_STREAM,
    TEMPLATE_KEY,
    TEMPLATE_TIME,
    TEMPLATE_TIME_SOURCE,
    TEMPLATE_SCHEMA_RESULT,
    TEMPLATE_LABEL,
};

struct template_part {
    enum template_kind kind;
    struct slice
        text; /* TEMPLATE_LITERAL, TEMPLATE_TIME: its format, TEMPLATE_LABEL: its name; points into the template's text */
    size_t label; /* TEMPLATE_LABEL */
    size_t width; /* TEMPLATE_KEY, TEMPLATE_LABEL: characters, with zeros in front */
};

struct template
{
    bool has_time;
    char *text;
    size_t parts_count;
    struct template_part parts[];
};

/* What a template is for: its name in errors, and the rules for the text that the user wrote himself. */
struct template_use {
    const char *name;
    int (*check)(const struct template *template, struct error *error);
};

int template_build(struct template **ret_template, const struct template_use *use, const char *text,
    const char *const *labels, size_t labels_count, struct error *error);

/* ---- values ------------------------------------------------------------------------------------------------ */

struct template_moment {
    struct tm date; /* UTC */
    int64_t seconds;
};

struct template_input {
    const char *stream;
    const struct record *record;
    struct template_moment moment; /* set when the template has a time */
};

void template_take(struct template_input *input, const struct template *template, const char *stream,
    const struct record *record);

/* The value of a part that is a field; a time, and what gets zeros in front, is written to text. */
struct slice template_value(
    const struct template_part *part, const struct template_input *input, char text[TEMPLATE_TIME_MAX]);

#endif
