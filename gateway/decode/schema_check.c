/* schema_check: a document held against a schema; see schema_internal.h
 *
 * One loop, as json.c has it: the open arrays and objects that are looked into are a stack of frames. A value that is not valid counts only when
 * its name, and those of the objects around it, do not come again behind it: this is looked at when it happens, so that valid documents pay
 * nothing for it.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "decode/schema_internal.h"

#define SHOWN_MAX 40 /* bytes of a number, name or pattern in a text */

/* ---- what is wrong ---------------------------------------------------------------------------------------- */

/* NULL. */
__attribute__((format(printf, 2, 3), cold)) static const char *check_fail(
    struct schema_scratch *s, const char *format, ...)
{
    char text[ERROR_TEXT_SIZE];
    struct schema_place place = {.length = 0};
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    for (unsigned i = 0; i < s->depth; i++) {
        const struct schema_frame *frame = &s->frames[i];
        schema_place_add(&place, frame->object ? frame->name : (struct slice){NULL, frame->elements - 1});
    }
    error_set(s->error, ERROR_REJECT, "%s: %s", s->depth ? place.text : "the record", text);
    return NULL;
}

/* Cut between characters, for "%.*s". */
static int check_shown(struct slice text)
{
    size_t length = text.length < SHOWN_MAX ? text.length : SHOWN_MAX;

    while (length < text.length && length && ((unsigned char)text.data[length] & 0xc0) == 0x80)
        length--;
    return (int)length;
}

static const char *check_fail_type(struct schema_scratch *s, const struct schema_node *node, const char *what)
{
    char allowed[SCHEMA_TYPES_MAX];

    if (node == &schema_nothing)
        return check_fail(s, "is not allowed");
    schema_print_types(node->types, allowed);
    return check_fail(s, "is %s; allowed: %s", what, allowed);
}

/* ---- values ----------------------------------------------------------------------------------------------- */

/* const and enum, of any type. */
static bool check_constants(struct schema_scratch *s, const struct schema_node *node, const char *p)
{
    struct schema_value value = schema_value_read(s, p);

    if (node->constant && !schema_value_is(s, &value, node->constant))
        return check_fail(s, "is not the value that is wanted (const)") != NULL;
    return !node->has_values || schema_value_is_among(s, &value, &node->values) ||
           check_fail(s, "is none of the values that are allowed (enum)") != NULL;
}

static inline bool check_has_constants(const struct schema_node *node)
{
    return node->constant || node->has_values;
}

static const char *check_fail_bound(
    struct schema_scratch *s, struct slice number, const char *what, struct slice bound)
{
    return check_fail(
        s, "%.*s %s %.*s", check_shown(number), number.data, what, check_shown(bound), bound.data);
}

static const char *check_bounds(
    struct schema_scratch *s, const struct schema_node *node, struct slice text, const char *end)
{
    const struct schema_decimal number = schema_decimal_read(text);

    if (node->minimum && schema_decimal_compare(&number, &node->minimum->number) < 0)
        return check_fail_bound(s, text, "is below the minimum", node->minimum->text);
    if (node->maximum && schema_decimal_compare(&number, &node->maximum->number) > 0)
        return check_fail_bound(s, text, "is above the maximum", node->maximum->text);
    if (node->above && schema_decimal_compare(&number, &node->above->number) <= 0)
        return check_fail_bound(s, text, "is not above the exclusive minimum", node->above->text);
    if (node->below && schema_decimal_compare(&number, &node->below->number) >= 0)
        return check_fail_bound(s, text, "is not below the exclusive maximum", node->below->text);
    return end;
}

static const char *check_number(struct schema_scratch *s, const struct schema_node *node, const char *p)
{
    const char *end = schema_walk_number(p, s->end);
    const struct slice text = {p, (size_t)(end - p)};

    if (!(node->types & SCHEMA_TYPE(JSON_NUMBER))) {
        const struct schema_decimal number = schema_decimal_read(text);
        if (!(node->types & SCHEMA_INTEGER))
            return check_fail_type(s, node, "a number");
        if (!schema_decimal_is_integer(&number))
            return check_fail_type(s, node, "a number that is no integer");
    }
    if (check_has_constants(node) && !check_constants(s, node, p))
        return NULL;
    if (node->minimum || node->maximum || node->above || node->below)
        return check_bounds(s, node, text, end);
    return end;
}

/* Code points: bytes that begin one, an escape for one, and of a pair of surrogates the second one. */
static uint64_t check_length(struct slice text)
{
    const char *p = text.data, *end = p + text.length;
    uint64_t length = 0;

    for (; p < end; p++) {
        if (*p == '\\') {
            const bool high = p[1] == 'u' && (p[2] | 0x20) == 'd' && memchr("89abAB", p[3], 6);
            p += p[1] == 'u' ? 5 : 1;
            length += !high;
        } else {
            length += ((unsigned char)*p & 0xc0) != 0x80;
        }
    }
    return length;
}

static bool check_lengths(struct schema_scratch *s, const struct schema_node *node, struct slice text)
{
    const uint64_t length = check_length(text);

    if (length < node->min_length)
        check_fail(s, "has %llu characters; at least %llu are needed (minLength)", (unsigned long long)length,
            (unsigned long long)node->min_length);
    else if (length > node->max_length)
        check_fail(s, "has %llu characters; at most %llu are allowed (maxLength)", (unsigned long long)length,
            (unsigned long long)node->max_length);
    return length >= node->min_length && length <= node->max_length;
}

/* Without its escapes; text.length is at most SCHEMA_TEXT_MAX. */
static struct slice check_meaning(struct schema_scratch *s, struct slice text, bool escaped)
{
    const struct json_value value = {.type = JSON_STRING, .text = text};

    return escaped ? (struct slice){s->text, json_unescape(&value, s->text)} : text;
}

static bool check_pattern(
    struct schema_scratch *s, const struct schema_node *node, struct slice text, bool escaped)
{
    const struct slice pattern = schema_pattern_text(node->pattern);

    if (text.length > SCHEMA_PATTERN_TEXT_MAX)
        return check_fail(s, "has %zu bytes; no more than %zu are held against a pattern", text.length,
                   SCHEMA_PATTERN_TEXT_MAX) != NULL;
    switch (schema_pattern_match(node->pattern, s->matcher, check_meaning(s, text, escaped))) {
    case SCHEMA_MATCH:
        return true;
    case SCHEMA_NO_MATCH:
        return check_fail(s, "does not match the pattern %.*s", check_shown(pattern), pattern.data) != NULL;
    case SCHEMA_GIVEN_UP:
        return check_fail(s, "takes more steps than are allowed to be held against the pattern %.*s",
                   check_shown(pattern), pattern.data) != NULL;
    case SCHEMA_NO_ROOM:
        return check_fail(s, "takes more memory than is allowed to be held against the pattern %.*s",
                   check_shown(pattern), pattern.data) != NULL;
    default:
        return check_fail(s,
                   "is not held against the pattern %.*s: it and what came with it take more steps than patterns may take together",
                   check_shown(pattern), pattern.data) != NULL;
    }
}

static bool check_date_time(struct schema_scratch *s, struct slice text, bool escaped)
{
    enum { SEPARATOR = 10 }; /* behind the date */
    int64_t time;

    if (text.length <= SCHEMA_TEXT_MAX) {
        text = check_meaning(s, text, escaped);
        if (decode_rfc3339(text, &time, s->error) == 0 && text.data[SEPARATOR] != ' ')
            return true;
    }
    return check_fail(s, "is no time as in 2026-01-31T12:00:00Z (date-time)") != NULL;
}

static const char *check_string(struct schema_scratch *s, const struct schema_node *node, const char *p)
{
    bool escaped;
    const char *quote = schema_walk_string(p, s->end, &escaped);
    const struct slice text = {p + 1, (size_t)(quote - p - 1)};

    if (!(node->types & SCHEMA_TYPE(JSON_STRING)))
        return check_fail_type(s, node, "a string");
    if ((check_has_constants(node) && !check_constants(s, node, p)) ||
        ((node->min_length || node->max_length < UINT64_MAX) && !check_lengths(s, node, text)) ||
        (node->pattern && !check_pattern(s, node, text, escaped)) ||
        (node->is_date_time && !check_date_time(s, text, escaped)))
        return NULL;
    return quote + 1;
}

static const char *check_literal(struct schema_scratch *s, const struct schema_node *node, const char *p)
{
    const enum json_type type = schema_type(*p);

    if (!(node->types & SCHEMA_TYPE(type)))
        return check_fail_type(s, node, type == JSON_TRUE ? "true" : type == JSON_FALSE ? "false" : "null");
    if (check_has_constants(node) && !check_constants(s, node, p))
        return NULL;
    return schema_walk_scalar(p, s->end);
}

/* Up to its first member or element, or its end, when it is looked into (a frame more); otherwise behind it. */
static const char *check_open(struct schema_scratch *s, const struct schema_node *node, const char *p)
{
    const bool object = *p == '{';
    const enum json_type type = object ? JSON_OBJECT : JSON_ARRAY;

    if (!(node->types & SCHEMA_TYPE(type)))
        return check_fail_type(s, node, object ? "an object" : "an array");
    if (check_has_constants(node) && !check_constants(s, node, p))
        return NULL;
    if (!(object ? node->looks_into_objects : node->looks_into_arrays))
        return schema_walk_value(p, s->end);
    struct schema_frame *frame = &s->frames[s->depth++];
    frame->node = node;
    frame->object = object;
    frame->elements = 0;
    frame->stamp = ++s->stamp;
    frame->missing = node->required_count;
    return schema_walk_blanks(p + 1);
}

static inline const char *check_value(struct schema_scratch *s, const struct schema_node *node, const char *p)
{
    if (!node)
        return schema_walk_value(p, s->end);
    switch (*p) {
    case '"':
        return check_string(s, node, p);
    case '{':
    case '[':
        return check_open(s, node, p);
    case 't':
    case 'f':
    case 'n':
        return check_literal(s, node, p);
    default:
        return check_number(s, node, p);
    }
}

/* ---- arrays and objects ----------------------------------------------------------------------------------- */

/* Up to the value of the member that begins there; *ret_node: what is known of it. */
static inline const char *check_enter_member(
    struct schema_scratch *s, struct schema_frame *frame, const char *p, const struct schema_node **ret_node)
{
    const struct schema_property *property = NULL;

    p = schema_walk_name(p, s->end, &frame->name, &frame->escaped);
    if (frame->name.length <= 6 * SCHEMA_NAME_MAX)
        property = schema_find_property(frame->node, check_meaning(s, frame->name, frame->escaped));
    *ret_node = property ? property->node : frame->node->additional;
    if (property && property->slot != SCHEMA_NO_SLOT && s->stamps[property->slot] != frame->stamp) {
        s->stamps[property->slot] = frame->stamp;
        frame->missing--;
    }
    return p;
}

static inline const char *check_enter(
    struct schema_scratch *s, const char *p, const struct schema_node **ret_node)
{
    struct schema_frame *frame = &s->frames[s->depth - 1];

    if (frame->object) {
        p = check_enter_member(s, frame, p, ret_node);
    } else {
        *ret_node = frame->node->items;
        frame->elements++;
    }
    frame->value = p;
    return p;
}

static bool check_fail_missing(struct schema_scratch *s, const struct schema_frame *frame)
{
    const struct schema_property *property = frame->node->properties;

    while (property->slot == SCHEMA_NO_SLOT || s->stamps[property->slot] == frame->stamp)
        property++;
    return check_fail(s, "'%.*s' is missing (required)", check_shown(property->name), property->name.data) !=
           NULL;
}

/* The innermost one has come to its end. */
static inline bool check_close(struct schema_scratch *s)
{
    const struct schema_frame *frame = &s->frames[--s->depth];
    const struct schema_node *node = frame->node;

    if (frame->object)
        return frame->missing == 0 || check_fail_missing(s, frame);
    if (frame->elements < node->min_items)
        return check_fail(s, "has %llu elements; at least %llu are needed (minItems)",
                   (unsigned long long)frame->elements, (unsigned long long)node->min_items) != NULL;
    if (frame->elements > node->max_items)
        return check_fail(s, "has %llu elements; at most %llu are allowed (maxItems)",
                   (unsigned long long)frame->elements, (unsigned long long)node->max_items) != NULL;
    return true;
}

/* From behind a value to the end of what it stands in; earlier, in *ret_again, when the member's name comes again. */
static const char *check_rest(
    const struct schema_scratch *s, const struct schema_frame *frame, const char *p, bool *ret_again)
{
    struct slice name;
    bool escaped;

    *ret_again = false;
    for (p = schema_walk_blanks(p); *p == ','; p = schema_walk_blanks(schema_walk_value(p, s->end))) {
        p = schema_walk_blanks(p + 1);
        if (!frame->object)
            continue;
        p = schema_walk_name(p, s->end, &name, &escaped);
        *ret_again = escaped || frame->escaped ? json_strings_equal(name, frame->name)
                                               : slice_equal(name, frame->name);
        if (*ret_again)
            return p;
    }
    return p + 1;
}

/* A value is not valid. Behind one around it, or itself, that counts no more because its name comes again; NULL when there is none. */
__attribute__((cold)) static const char *check_overruled(struct schema_scratch *s)
{
    bool again;

    if (s->depth == 0)
        return NULL;
    if (++s->overruled > SCHEMA_OVERRULED_MAX)
        return check_fail(s, "is not valid, as %d before it of names that come twice", SCHEMA_OVERRULED_MAX);
    const char *end = schema_walk_value(s->frames[s->depth - 1].value, s->end);
    for (; s->depth; s->depth--) {
        const char *rest = check_rest(s, &s->frames[s->depth - 1], end, &again);
        if (again)
            return end;
        end = rest;
    }
    return NULL;
}

/* From behind a value (NULL: it is not valid) to the next one that is to be entered; at the end of the document depth is 0. NULL: the
 * document is not valid. */
static inline const char *check_leave(struct schema_scratch *s, const char *p)
{
    for (;;) {
        if (!p && !(p = check_overruled(s)))
            return NULL;
        if (s->depth == 0)
            return p;
        p = schema_walk_blanks(p);
        if (*p == ',')
            return schema_walk_blanks(p + 1);
        p = check_close(s) ? p + 1 : NULL;
    }
}

int schema_check(
    const struct schema *schema, struct schema_scratch *s, struct slice text, struct error *error)
{
    const struct schema_node *node = schema->root;
    const char *p = schema_walk_blanks(text.data);

    s->end = text.data + text.length;
    s->depth = s->overruled = 0;
    s->error = error;
    for (;;) {
        const unsigned depth = s->depth;
        p = check_value(s, node, p);
        const bool opened = p && s->depth > depth;
        if (!opened || *p == '}' || *p == ']')
            p = check_leave(s, p);
        if (!p || s->depth == 0)
            return p ? 0 : -1;
        p = check_enter(s, p, &node);
    }
}

/* ---- scratch ------------------------------------------------------------------------------------------------ */

void schema_scratch_free(struct schema_scratch **scratch)
{
    if (!*scratch)
        return;
    schema_matcher_free(&(*scratch)->matcher);
    free((*scratch)->stamps);
    free(*scratch);
    *scratch = NULL;
}

int schema_scratch_new(struct schema_scratch **ret_scratch, struct error *error)
{
    __attribute__((cleanup(schema_scratch_free))) struct schema_scratch *scratch = calloc(1, sizeof *scratch);

    if (!scratch)
        return error_set(error, ERROR_RETRY, "schema: out of memory"); /* GCOVR_EXCL_LINE out of memory */
    if (schema_matcher_new(&scratch->matcher, error))
        return -1; /* GCOVR_EXCL_LINE out of memory */
    *ret_scratch = scratch;
    scratch = NULL;
    return 0;
}

int schema_scratch_fit(struct schema_scratch *scratch, const struct schema *schema, struct error *error)
{
    if (schema->slots <= scratch->slots)
        return 0;
    uint64_t *stamps = calloc(schema->slots, sizeof *stamps);
    if (!stamps)
        return error_set(error, ERROR_RETRY, "schema: out of memory"); /* GCOVR_EXCL_LINE out of memory */
    free(scratch->stamps);
    scratch->stamps = stamps;
    scratch->slots = schema->slots;
    return 0;
}

void schema_scratch_renew(struct schema_scratch *scratch, uint64_t steps)
{
    schema_matcher_renew(scratch->matcher, steps);
}
