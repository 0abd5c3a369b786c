/* json: the scanner; policy and contract in decode.h.
 *
 * One loop instead of recursion: the open containers are a stack of bits, and with each open container that
 * is not deeper than a pointer can reach goes the set of pointers whose path has led into it. A value's set
 * is known when its name or index has been read; pointers that end there get the value, the others live on
 * inside it.
 */
#include "decode/json_internal.h"

#include <stdio.h>

struct scan {
    const char *end;
    const struct json_pointers *pointers;
    struct json_value *values;
    uint64_t objects; /* bit 0: the innermost container is an object; bit 1: the one around it is; ... */
    unsigned depth; /* open containers, */
    unsigned deepest; /* and how many there may be */
    uint32_t match; /* the pointers that lead to the value that comes next, or through it */
    uint32_t inside[JSON_POINTER_TOKENS_MAX + 1]; /* by depth: the pointers that led to the container */
    size_t index[JSON_POINTER_TOKENS_MAX + 1]; /* by depth, for arrays: elements begun */
    struct json_fault fault;
};

_Static_assert(JSON_DEPTH_MAX == 64, "struct scan.objects has a bit for each level");

/* Gives the value to the pointers that end at it. */
static inline void keep(struct scan *s, enum json_type type, bool escaped, const char *from, const char *to)
{
    if (!s->match)
        return;
    for (uint32_t left = s->match & s->pointers->ends[s->depth]; left; left &= left - 1)
        s->values[__builtin_ctz(left)] = (struct json_value){type, escaped, {from, (size_t)(to - from)}};
}

static inline const char *scan_number(struct scan *s, const char *from)
{
    const char *p = json_number_end(from, s->end, &s->fault);

    if (p)
        keep(s, JSON_NUMBER, false, from, p);
    return p;
}

static const char *scan_literal(struct scan *s, const char *from)
{
    static const struct {
        enum json_type type;
        size_t length;
        const char *text;
    } literals[] = {{JSON_TRUE, 4, "true"}, {JSON_FALSE, 5, "false"}, {JSON_NULL, 4, "null"}};

    for (size_t i = 0; i < sizeof literals / sizeof *literals; i++) {
        size_t length = literals[i].length;
        if ((size_t)(s->end - from) >= length && memcmp(from, literals[i].text, length) == 0) {
            keep(s, literals[i].type, false, from, from + length);
            return from + length;
        }
    }
    return json_fail(&s->fault, from, "a value");
}

static inline const char *scan_scalar(struct scan *s, const char *p)
{
    if (p < s->end && *p == '"') {
        bool escaped = false;
        const char *quote = json_string_end(p + 1, s->end, &escaped, &s->fault);
        if (!quote)
            return NULL;
        keep(s, JSON_STRING, escaped, p + 1, quote);
        return quote + 1;
    }
    if (p < s->end && (*p == '-' || (*p >= '0' && *p <= '9')))
        return scan_number(s, p);
    return scan_literal(s, p);
}

static inline const char *open_container(struct scan *s, const char *p)
{
    if (s->depth == s->deepest)
        return json_fail(&s->fault, p, "at most 64 nested arrays and objects");
    keep(s, *p == '{' ? JSON_OBJECT : JSON_ARRAY, false, p, p); /* its length follows when it closes */
    if (s->depth <= JSON_POINTER_TOKENS_MAX) {
        s->inside[s->depth] = s->match;
        s->index[s->depth] = 0;
    }
    s->objects = s->objects << 1 | (*p == '{');
    s->depth++;
    return json_skip_blanks(p + 1, s->end);
}

static inline void close_container(struct scan *s, const char *p)
{
    s->objects >>= 1;
    s->depth--;
    s->match = s->depth <= JSON_POINTER_TOKENS_MAX ? s->inside[s->depth] : 0;
    if (s->match)
        for (uint32_t left = s->match & s->pointers->ends[s->depth]; left; left &= left - 1) {
            struct slice *text = &s->values[__builtin_ctz(left)].text;
            text->length = (size_t)(p + 1 - text->data);
        }
}

static inline bool at_close(const struct scan *s, const char *p)
{
    return s->depth > 0 && p < s->end && *p == (s->objects & 1 ? '}' : ']');
}

/* Up to the value of an object's next member. */
static inline const char *enter_member(struct scan *s, const char *p, uint32_t inside)
{
    bool escaped = false;

    if (p == s->end || *p != '"')
        return json_fail(&s->fault, p, "a name in quotes");
    const char *quote = json_string_end(p + 1, s->end, &escaped, &s->fault);
    if (!quote)
        return NULL;
    struct slice name = {p + 1, (size_t)(quote - p - 1)};
    s->match = inside ? json_pointers_name(s->pointers, inside, s->depth - 1, name, escaped) : 0;
    /* A name that came before counts no more, nor does what was found below it. */
    for (uint32_t left = s->match; left; left &= left - 1)
        s->values[__builtin_ctz(left)] = (struct json_value){.type = JSON_ABSENT};

    p = json_skip_blanks(quote + 1, s->end);
    if (p == s->end || *p != ':')
        return json_fail(&s->fault, p, "':' behind a name");
    return json_skip_blanks(p + 1, s->end);
}

/* Up to the value that follows in the innermost container. */
static inline const char *enter(struct scan *s, const char *p)
{
    unsigned level = s->depth - 1;
    uint32_t inside = level <= JSON_POINTER_TOKENS_MAX ? s->inside[level] : 0;

    if (s->objects & 1)
        return enter_member(s, p, inside);
    s->match = inside ? json_pointers_index(s->pointers, inside, level, s->index[level]++) : 0;
    return p;
}

/* A value has ended, and with it the containers that close right behind it. Up to what follows a comma. */
static inline const char *leave(struct scan *s, const char *p)
{
    for (p = json_skip_blanks(p, s->end); at_close(s, p); p = json_skip_blanks(p + 1, s->end))
        close_container(s, p);
    if (s->depth == 0)
        return p;
    if (p == s->end || *p != ',')
        return json_fail(&s->fault, p, s->objects & 1 ? "',' or '}'" : JSON_ARRAY_GOES_ON);
    return json_skip_blanks(p + 1, s->end);
}

static const char *scan_value(struct scan *s, const char *p)
{
    while (p) {
        bool opened = p < s->end && (*p == '{' || *p == '[');
        p = opened ? open_container(s, p) : scan_scalar(s, p);
        if (p && (!opened || at_close(s, p))) {
            p = leave(s, p);
            if (s->depth == 0)
                return p;
        }
        p = p ? enter(s, p) : NULL;
    }
    return NULL;
}

int json_report(struct slice text, const struct json_fault *fault, struct error *error)
{
    size_t offset = (size_t)(fault->at - text.data);
    char found[16] = "the end";

    if (offset < text.length) {
        unsigned char c = (unsigned char)*fault->at;
        snprintf(found, sizeof found, c > ' ' && c < 0x7f ? "'%c'" : "byte 0x%02x", c);
    }
    return error_set(error, ERROR_REJECT, "byte %zu: expected %s, found %s", offset, fault->expected, found);
}

int json_scan_at(struct slice text, size_t at, const struct json_pointers *pointers,
    struct json_value *values, size_t *ret_end, struct error *error)
{
    static const char byte_order_mark[] = "\xef\xbb\xbf";
    const char *start = text.length ? text.data : "";
    __attribute__((
        uninitialized)) struct scan s; /* zeroing its arrays would take a tenth of the whole time */

    s.end = start + text.length;
    s.pointers = pointers;
    s.values = values;
    s.objects = 0;
    s.depth = 0;
    s.deepest = JSON_DEPTH_MAX;
    s.match = 0;
    if (pointers) {
        s.match = pointers->all;
        for (size_t i = 0; i < pointers->count; i++)
            values[i] = (struct json_value){.type = JSON_ABSENT};
    }
    const char *p = scan_value(&s, json_skip_blanks(start + at, s.end));
    if (!p) {
        if (at == 0 && text.length >= 3 && memcmp(start, byte_order_mark, 3) == 0)
            s.fault.expected = "a value without a byte order mark in front";
        return json_report((struct slice){start, text.length}, &s.fault, error);
    }
    *ret_end = (size_t)(p - start);
    return 0;
}

const char *json_member_end(const char *value, const char *end)
{
    __attribute__((uninitialized)) struct scan s;

    s.end = end;
    s.objects = 0;
    s.depth = 0;
    s.deepest = JSON_DEPTH_MAX - 1;
    s.match = 0;
    return scan_value(&s, value);
}

int json_scan(struct slice text, const struct json_pointers *pointers, struct json_value *values,
    size_t *ret_end, struct error *error)
{
    return json_scan_at(text, 0, pointers, values, ret_end, error);
}

int json_scan_document(
    struct slice text, const struct json_pointers *pointers, struct json_value *values, struct error *error)
{
    size_t end;

    if (json_scan(text, pointers, values, &end, error))
        return -1;
    if (end < text.length)
        return json_report(text, &(struct json_fault){text.data + end, JSON_NOTHING_MORE}, error);
    return 0;
}
