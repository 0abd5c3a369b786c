/* schema_internal: what the files of the schema share; nobody else includes it.
 *
 *   schema_walk.c      over JSON that is known to be valid, and places in it
 *   schema_compile.c   a schema's text into nodes
 *   schema_keyword.c   what each keyword means
 *   schema_check.c     a document held against them
 *   schema_value.c     constants: of const and enum
 *   schema_decimal.c   numbers as they are written
 *   schema_ecma.c      patterns of ECMA-262 in the words of PCRE2
 *   schema_property.c  the names of properties in these patterns
 *   schema_pattern.c   PCRE2
 *   schema_kind.c      what the properties are, for who makes columns of them
 * json_member.c uses some of it.
 */
#ifndef PENSTOCK_DECODE_SCHEMA_INTERNAL_H
#define PENSTOCK_DECODE_SCHEMA_INTERNAL_H

#include <stdint.h>

#include "base/little.h"
#include "decode/json_internal.h"
#include "decode/schema.h"

/* ---- numbers -------------------------------------------------------------------------------------------- */

/* 0.DIGITS x 10^exponent; the digits stand in the text, perhaps with a point among them, and the first one is not 0. */
struct schema_decimal {
    bool negative;
    const char *digits, *end; /* both NULL: zero */
    int64_t exponent;
};

#define SCHEMA_EXPONENT_MAX \
    INT64_C(1000000000000000) /* of a schema's number: those of documents are cut off far beyond */

/* The text is a JSON number. */
struct schema_decimal schema_decimal_read(struct slice text);
/* < 0, 0, > 0 */
int schema_decimal_compare(const struct schema_decimal *a, const struct schema_decimal *b);
bool schema_decimal_is_integer(const struct schema_decimal *number);

/* ---- compiled ------------------------------------------------------------------------------------------- */

/* Sets of types: a bit for each enum json_type, and one for numbers that are integers. */
#define SCHEMA_TYPE(type) (1u << (type))
#define SCHEMA_BOOLEAN (SCHEMA_TYPE(JSON_TRUE) | SCHEMA_TYPE(JSON_FALSE))
#define SCHEMA_INTEGER (1u << 8)
#define SCHEMA_NO_SLOT SIZE_MAX

struct schema_constant;

/* A member of an object that is a constant. */
struct schema_member {
    struct slice name;
    const struct schema_constant *value;
    size_t slot;
};

struct schema_constant {
    enum json_type type;
    struct slice text; /* of a string: what it means */
    struct schema_decimal number;
    const struct schema_constant *const *items;
    const struct schema_member *members;
    size_t count; /* of items, members */
};

#define SCHEMA_TYPES_MAX 64
/* Their names, with commas. */
void schema_print_types(unsigned types, char text[SCHEMA_TYPES_MAX]);

struct schema_property {
    struct slice name;
    const struct schema_node *node;
    bool described; /* by `properties`; otherwise only required, and what `additional` says holds */
    uint16_t order; /* among those described */
    size_t slot; /* SCHEMA_NO_SLOT: not required */
};

struct schema_bound {
    struct schema_decimal number;
    struct slice text;
};

/* Many are found by their hash, but for those that have none (arrays, objects, literals), which stand in front. */
struct schema_values {
    const struct schema_constant *const *items;
    size_t count, loose; /* of all; of those that are looked at one by one */
    uint32_t *buckets; /* NULL: all of them are; 0: free; otherwise a place + 1 */
    size_t mask;
};

struct schema_pattern;

/* A schema that is `true` is NULL. Counts that nobody set are 0 and UINT64_MAX. */
struct schema_node {
    unsigned types; /* all bits: any */
    bool has_values, is_date_time, looks_into_objects, looks_into_arrays;
    struct schema_values values; /* of enum */
    const struct schema_constant *constant;
    const struct schema_bound *minimum, *maximum, *above, *below;
    uint64_t min_length, max_length, min_items, max_items;
    const struct schema_pattern *pattern;
    const struct schema_node *items, *additional;
    /* Those of `properties` and `required`. */
    struct schema_property *properties;
    uint16_t *buckets; /* 0: free; otherwise a property's place + 1 */
    size_t properties_count, bucket_mask, required_count, described_count;
};

extern const struct schema_node schema_nothing; /* false */

struct schema {
    struct schema_block *blocks; /* all of the compiled schema */
    struct schema_pattern *patterns; /* the last one; chained */
    const struct schema_node *root;
    size_t slots;
};

static inline uint64_t schema_hash(struct slice name)
{
    uint64_t first = 0, last = 0;

    if (name.length >= 8) {
        first = get_u64(name.data);
        last = get_u64(name.data + name.length - 8);
    } else if (name.length >= 4) {
        first = get_u32(name.data);
        last = get_u32(name.data + name.length - 4);
    } else if (name.length) {
        first = (uint64_t)(unsigned char)name.data[0] << 8 | (unsigned char)name.data[name.length - 1];
        last = (unsigned char)name.data[name.length / 2];
    }
    first ^= last * UINT64_C(0x9e3779b97f4a7c15) ^ name.length;
    /* A product carries upwards only: what stands last in the name is brought down before, and all of it is found at the top. */
    return (first ^ first >> 32) * UINT64_C(0xbf58476d1ce4e5b9) >> 48;
}

/* NULL: neither described nor required. */
static inline const struct schema_property *schema_find_property(
    const struct schema_node *node, struct slice name)
{
    if (!node->properties_count)
        return NULL;
    for (uint64_t at = schema_hash(name);; at++) {
        const uint16_t place = node->buckets[at & node->bucket_mask];
        if (!place)
            return NULL;
        if (slice_equal(node->properties[place - 1].name, name))
            return &node->properties[place - 1];
    }
}

/* ---- compiling ------------------------------------------------------------------------------------------ */

struct schema_compiler {
    struct schema *schema;
    const char *end; /* of the text */
    struct slice path[JSON_DEPTH_MAX]; /* steps of a place */
    unsigned depth;
    struct error *error;
};

/* Zeroed, for as long as the schema. */
void *schema_allocate(struct schema *schema, size_t size);
/* What a string of the text means; quote: where it begins. */
struct slice schema_meaning(struct schema_compiler *compiler, const char *quote);
/* -1 with the place in front. */
int schema_wrong(struct schema_compiler *compiler, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Each member of the object (element of the array) there, one step deeper; -1 as soon as one of them is. name: what it means. */
typedef int schema_member_fn(
    struct schema_compiler *compiler, void *context, struct slice name, const char *value);
typedef int schema_item_fn(struct schema_compiler *compiler, void *context, size_t index, const char *value);
int schema_each_member(
    struct schema_compiler *compiler, const char *object, schema_member_fn *member, void *context);
int schema_each_item(
    struct schema_compiler *compiler, const char *array, schema_item_fn *item, void *context);
size_t schema_count(const struct schema_compiler *compiler, const char *container);

/* Recursive, as deep as a document can be. */
int schema_compile_node(
    struct schema_compiler *compiler, const char *value, const struct schema_node **ret_node);
schema_member_fn schema_compile_keyword; /* context: the node */
int schema_check_exponent(struct schema_compiler *compiler, const struct schema_decimal *number);
int schema_compile_constant(
    struct schema_compiler *compiler, const char *value, const struct schema_constant **ret_constant);
int schema_compile_values(
    struct schema_compiler *compiler, const char *array, struct schema_values *ret_values);
/* The elements of an array. */
int schema_compile_constants(struct schema_compiler *compiler, const char *array,
    const struct schema_constant *const **ret_items, size_t *ret_count);
int schema_compile_pattern(
    struct schema_compiler *compiler, struct slice text, const struct schema_pattern **ret_pattern);
/* A pattern of ECMA-262 as one of PCRE2. -1: schema_wrong() has said why. */
int schema_translate_pattern(struct schema_compiler *compiler, struct slice text, struct bytes *ret_text);
/* Whether it is known: *ret_name is what PCRE2 calls it. */
bool schema_property(struct slice name, struct slice *ret_name);
void schema_free_patterns(struct schema_pattern *last);

/* ---- checking ------------------------------------------------------------------------------------------- */

#define SCHEMA_TEXT_MAX SCHEMA_PATTERN_TEXT_MAX
_Static_assert(SCHEMA_TEXT_MAX >= 6 * SCHEMA_NAME_MAX, "every known name, each of its bytes as an escape");

/* An open array or object that is looked into, and what is looked at there. */
struct schema_frame {
    const struct schema_node *node;
    bool object;
    bool escaped;
    struct slice name; /* of the member, as it stands there */
    const char *value; /* of the member or element */
    uint64_t elements;
    uint64_t stamp; /* of required names that were seen */
    size_t missing;
};

struct schema_scratch {
    const char *end;
    uint64_t stamp; /* grows with every object that is looked into */
    uint64_t *stamps; /* of each slot: the object in which its name was seen last */
    size_t slots;
    unsigned depth; /* frames in use */
    unsigned overruled;
    struct error *error;
    struct schema_matcher *matcher;
    struct schema_frame frames[JSON_DEPTH_MAX];
    char text[SCHEMA_TEXT_MAX]; /* a string without its escapes */
};

/* A value of a document that is compared with constants: read once, however many they are. */
struct schema_value {
    enum json_type type;
    bool escaped;
    struct slice text; /* of a string, a number; of others only where it begins */
    struct schema_decimal number;
    const char
        *end; /* behind it; of arrays, objects and literals only when it was equal to the last constant */
};

struct schema_value schema_value_read(const struct schema_scratch *scratch, const char *p);
bool schema_value_is(
    struct schema_scratch *scratch, struct schema_value *value, const struct schema_constant *constant);
/* Whether it is one of them. */
bool schema_value_is_among(
    struct schema_scratch *scratch, struct schema_value *value, const struct schema_values *values);

enum schema_match {
    SCHEMA_NO_MATCH,
    SCHEMA_MATCH,
    SCHEMA_GIVEN_UP, /* it has taken all steps that a match may take */
    SCHEMA_EXHAUSTED, /* or all that were left for it */
    SCHEMA_NO_ROOM, /* or all memory that it may */
};

int schema_matcher_new(struct schema_matcher **ret_matcher, struct error *error);
void schema_matcher_free(struct schema_matcher **matcher);
/* So many steps are left. */
void schema_matcher_renew(struct schema_matcher *matcher, uint64_t steps);
/* text: valid UTF-8, at most SCHEMA_PATTERN_TEXT_MAX bytes. */
enum schema_match schema_pattern_match(
    const struct schema_pattern *pattern, struct schema_matcher *matcher, struct slice text);
struct slice schema_pattern_text(const struct schema_pattern *pattern);

/* ---- walking over JSON that is known to be valid --------------------------------------------------------- */

static inline const char *schema_walk_blanks(const char *p)
{
    while (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')
        p++;
    return p;
}

/* From the quote to the closing one. */
static inline const char *schema_walk_string(const char *p, const char *end, bool *escaped)
{
    *escaped = false;
    for (p = json_string_plain(p + 1, end); *p != '"'; p = json_string_plain(p, end)) {
        *escaped |= *p == '\\';
        p += *p == '\\' ? 2 : 1;
        while ((unsigned char)*p >= 0x80)
            p++;
    }
    return p;
}

static inline const char *schema_walk_number(const char *p, const char *end)
{
    while (p < end && ((*p >= '0' && *p <= '9') || *p == '.' || *p == '-' || *p == '+' || (*p | 0x20) == 'e'))
        p++;
    return p;
}

/* From the quote of a name to its value. */
static inline const char *schema_walk_name(
    const char *p, const char *end, struct slice *ret_name, bool *ret_escaped)
{
    const char *quote = schema_walk_string(p, end, ret_escaped);

    *ret_name = (struct slice){p + 1, (size_t)(quote - p - 1)};
    return schema_walk_blanks(schema_walk_blanks(quote + 1) + 1);
}

static inline enum json_type schema_type(char first)
{
    switch (first) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
        return JSON_TRUE;
    case 'f':
        return JSON_FALSE;
    case 'n':
        return JSON_NULL;
    default:
        return JSON_NUMBER;
    }
}

static inline const char *schema_walk_scalar(const char *p, const char *end)
{
    bool escaped;

    if (*p == '"')
        return schema_walk_string(p, end, &escaped) + 1;
    if (*p == 't' || *p == 'n')
        return p + 4;
    return *p == 'f' ? p + 5 : schema_walk_number(p, end);
}

/* Behind the value. */
const char *schema_walk_value(const char *p, const char *end);

/* ---- places --------------------------------------------------------------------------------------------- */

#define SCHEMA_PLACE_MAX 160 /* bytes; a longer one is cut */

/* A JSON pointer, made step by step. */
struct schema_place {
    char text[SCHEMA_PLACE_MAX];
    size_t length;
    bool cut;
};

/* step: a name as it stands in the text; or data NULL, and the index is the length. */
void schema_place_add(struct schema_place *place, struct slice step);

#endif
