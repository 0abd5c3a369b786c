/* schema_keyword: what each keyword of a schema means, and whether its value is one; see schema_internal.h
 *
 * Section numbers are those of JSON Schema Validation, draft 2020-12 (draft-bhutton-json-schema-validation-01).
 */
#include <stdio.h>

#include "decode/schema_internal.h"

#define KEYWORD_DIALECT "https://json-schema.org/draft/2020-12/schema"

static int keyword_ignore(struct schema_compiler *compiler, struct schema_node *node, const char *value)
{
    (void)compiler, (void)node, (void)value;
    return 0;
}

static int keyword_dialect(struct schema_compiler *compiler, struct schema_node *node, const char *value)
{
    (void)node;
    if (compiler->depth != 1 || !slice_is(schema_meaning(compiler, value), KEYWORD_DIALECT))
        return schema_wrong(compiler,
            "only \"" KEYWORD_DIALECT "\" is known, and at the beginning only; write that, or nothing");
    return 0;
}

/* ---- types: 6.1.1 ------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    unsigned types;
} keyword_types[] = {
    {"null", SCHEMA_TYPE(JSON_NULL)},
    {"boolean", SCHEMA_BOOLEAN},
    {"integer", SCHEMA_INTEGER},
    {"number", SCHEMA_TYPE(JSON_NUMBER) | SCHEMA_INTEGER},
    {"string", SCHEMA_TYPE(JSON_STRING)},
    {"array", SCHEMA_TYPE(JSON_ARRAY)},
    {"object", SCHEMA_TYPE(JSON_OBJECT)},
};
#define KEYWORD_TYPES (sizeof keyword_types / sizeof *keyword_types)
#define KEYWORD_NAMED(i) (1u << (16 + (i))) /* beside the types themselves */

void schema_print_types(unsigned types, char text[SCHEMA_TYPES_MAX])
{
    size_t length = 0;

    text[0] = '\0';
    for (size_t i = 0; i < KEYWORD_TYPES; i++) {
        const unsigned wanted = keyword_types[i].types;
        if ((types & wanted) != wanted || (wanted == SCHEMA_INTEGER && types & SCHEMA_TYPE(JSON_NUMBER)))
            continue;
        length += (size_t)snprintf(
            text + length, SCHEMA_TYPES_MAX - length, "%s%s", length ? ", " : "", keyword_types[i].name);
    }
}

static int keyword_one_type(struct schema_compiler *compiler, void *context, size_t index, const char *value)
{
    struct schema_node *node = context;
    const struct slice name = *value == '"' ? schema_meaning(compiler, value) : (struct slice){NULL, 0};

    (void)index;
    for (size_t i = 0; i < KEYWORD_TYPES; i++) {
        if (!slice_is(name, keyword_types[i].name))
            continue;
        if (node->types & KEYWORD_NAMED(i))
            return schema_wrong(compiler, "comes twice; take one of them away");
        node->types |= keyword_types[i].types | KEYWORD_NAMED(i);
        return 0;
    }
    return schema_wrong(compiler,
        "no type: known are \"null\", \"boolean\", \"integer\", \"number\", \"string\", \"array\" and \"object\"");
}

static int keyword_type(struct schema_compiler *compiler, struct schema_node *node, const char *value)
{
    node->types = 0;
    if (*value != '[')
        return keyword_one_type(compiler, node, 0, value);
    if (schema_each_item(compiler, value, keyword_one_type, node))
        return -1;
    return node->types ? 0 : schema_wrong(compiler, "an empty list: at least one type is needed");
}

/* ---- values: 6.1.2, 6.1.3 ------------------------------------------------------------------------------------- */

static int keyword_enum(struct schema_compiler *compiler, struct schema_node *node, const char *value)
{
    node->has_values = true;
    return schema_compile_values(compiler, value, &node->values);
}

static int keyword_const(struct schema_compiler *compiler, struct schema_node *node, const char *value)
{
    return schema_compile_constant(compiler, value, &node->constant);
}

/* ---- numbers: 6.2 --------------------------------------------------------------------------------------------- */

static int keyword_bound(
    struct schema_compiler *compiler, const char *value, const struct schema_bound **ret_bound)
{
    struct schema_bound *bound = schema_allocate(compiler->schema, sizeof *bound);

    bound->text = (struct slice){value, (size_t)(schema_walk_number(value, compiler->end) - value)};
    bound->number = schema_decimal_read(bound->text);
    *ret_bound = bound;
    return schema_check_exponent(compiler, &bound->number);
}

static int keyword_minimum(struct schema_compiler *compiler, struct schema_node *node, const char *value)
{
    return keyword_bound(compiler, value, &node->minimum);
}

static int keyword_maximum(struct schema_compiler *compiler, struct schema_node *node, const char *value)
{
    return keyword_bound(compiler, value, &node->maximum);
}

static int keyword_above(struct schema_compiler *compiler, struct schema_node *node, const char *value)
{
    return keyword_bound(compiler, value, &node->above);
}

static int keyword_below(struct schema_compiler *compiler, struct schema_node *node, const char *value)
{
    return keyword_bound(compiler, value, &node->below);
}

/* Counts: 6.3.1, 6.3.2, 6.4.1, 6.4.2. What is too large for the machine is larger than any count. */
static int keyword_count(struct schema_compiler *compiler, const char *value, uint64_t *ret_count)
{
    const struct slice text = {value, (size_t)(schema_walk_number(value, compiler->end) - value)};
    const struct schema_decimal number = schema_decimal_read(text);
    uint64_t count = 0;

    if ((number.digits && number.negative) || !schema_decimal_is_integer(&number))
        return schema_wrong(compiler, "must be an integer of at least 0");
    const char *p = number.digits;
    for (int64_t i = 0; number.digits && i < number.exponent && count < UINT64_MAX; i++) {
        p += p < number.end && *p == '.';
        const uint64_t digit = p < number.end ? (uint64_t)(*p++ - '0') : 0;
        if (__builtin_mul_overflow(count, 10, &count) || __builtin_add_overflow(count, digit, &count))
            count = UINT64_MAX;
    }
    *ret_count = count;
    return 0;
}

static int keyword_min_length(struct schema_compiler *compiler, struct schema_node *node, const char *value)
{
    return keyword_count(compiler, value, &node->min_length);
}

static int keyword_max_length(struct schema_compiler *compiler, struct schema_node *node, const char *value)
{
    return keyword_count(compiler, value, &node->max_length);
}

static int keyword_min_items(struct schema_compiler *compiler, struct schema_node *node, const char *value)
{
    return keyword_count(compiler, value, &node->min_items);
}

static int keyword_max_items(struct schema_compiler *compiler, struct schema_node *node, const char *value)
{
    return keyword_count(compiler, value, &node->max_items);
}

/* ---- strings: 6.3.3, 7.3.1 --------------------------------------------------------------------------------------- */

static int keyword_pattern(struct schema_compiler *compiler, struct schema_node *node, const char *value)
{
    return schema_compile_pattern(compiler, schema_meaning(compiler, value), &node->pattern);
}

static int keyword_format(struct schema_compiler *compiler, struct schema_node *node, const char *value)
{
    if (!slice_is(schema_meaning(compiler, value), "date-time"))
        return schema_wrong(compiler, "the only format that is checked is \"date-time\"; take this one away");
    node->is_date_time = true;
    return 0;
}

/* ---- what is inside: 6.5.3; Core 10.3 ------------------------------------------------------------------------------ */

/* The property of this name, a new one if need be. */
static struct schema_property *keyword_property(
    struct schema_compiler *compiler, struct schema_node *node, struct slice name)
{
    size_t count = node->properties_count;

    for (size_t i = 0; i < count; i++) {
        if (slice_equal(node->properties[i].name, name))
            return &node->properties[i];
    }
    if ((count & (count - 1)) == 0) { /* room for 1, 2, 4, ... is used up */
        struct schema_property *more =
            schema_allocate(compiler->schema, (count ? 2 * count : 1) * sizeof *more);
        if (count)
            memcpy(more, node->properties, count * sizeof *more);
        node->properties = more;
    }
    node->properties[count] = (struct schema_property){.name = name, .slot = SCHEMA_NO_SLOT};
    node->properties_count++;
    return &node->properties[count];
}

static int keyword_check_name(
    struct schema_compiler *compiler, const struct schema_node *node, struct slice name)
{
    if (name.length > SCHEMA_NAME_MAX)
        return schema_wrong(
            compiler, "a name of %zu bytes; at most %d are allowed", name.length, SCHEMA_NAME_MAX);
    if (node->properties_count == SCHEMA_NAMES_MAX)
        return schema_wrong(compiler, "one name too many; at most %d are allowed", SCHEMA_NAMES_MAX);
    return 0;
}

static int keyword_one_property(
    struct schema_compiler *compiler, void *context, struct slice name, const char *value)
{
    struct schema_node *node = context;
    const struct schema_node *inner;

    if (keyword_check_name(compiler, node, name) || schema_compile_node(compiler, value, &inner))
        return -1;
    struct schema_property *property = keyword_property(compiler, node, name);
    property->described = true;
    property->order = (uint16_t)node->described_count++;
    property->node = inner;
    return 0;
}

static int keyword_properties(struct schema_compiler *compiler, struct schema_node *node, const char *value)
{
    return schema_each_member(compiler, value, keyword_one_property, node);
}

static int keyword_one_required(
    struct schema_compiler *compiler, void *context, size_t index, const char *value)
{
    struct schema_node *node = context;

    (void)index;
    if (*value != '"')
        return schema_wrong(compiler, "no name: it must be a string");
    const struct slice name = schema_meaning(compiler, value);
    if (keyword_check_name(compiler, node, name))
        return -1;
    struct schema_property *property = keyword_property(compiler, node, name);
    if (property->slot != SCHEMA_NO_SLOT)
        return schema_wrong(compiler, "comes twice; take one of them away");
    property->slot = compiler->schema->slots++;
    node->required_count++;
    return 0;
}

static int keyword_required(struct schema_compiler *compiler, struct schema_node *node, const char *value)
{
    return schema_each_item(compiler, value, keyword_one_required, node);
}

static int keyword_additional(struct schema_compiler *compiler, struct schema_node *node, const char *value)
{
    return schema_compile_node(compiler, value, &node->additional);
}

static int keyword_items(struct schema_compiler *compiler, struct schema_node *node, const char *value)
{
    return schema_compile_node(compiler, value, &node->items);
}

/* ---- all of them ----------------------------------------------------------------------------------------------------- */

#define ANY UINT32_MAX
#define OF(type) SCHEMA_TYPE(JSON_##type)

static const struct keyword {
    const char *name;
    unsigned types; /* that its value may have */
    const char *what; /* it must be */
    int (*compile)(struct schema_compiler *compiler, struct schema_node *node, const char *value);
} keywords[] = {
    {"type", OF(STRING) | OF(ARRAY), "the name of a type, or a list of such", keyword_type},
    {"enum", OF(ARRAY), "a list of values", keyword_enum},
    {"const", ANY, "", keyword_const},
    {"required", OF(ARRAY), "a list of names", keyword_required},
    {"properties", OF(OBJECT), "an object of schemas", keyword_properties},
    {"additionalProperties", ANY, "", keyword_additional},
    {"items", ANY, "", keyword_items},
    {"minItems", OF(NUMBER), "an integer of at least 0", keyword_min_items},
    {"maxItems", OF(NUMBER), "an integer of at least 0", keyword_max_items},
    {"minimum", OF(NUMBER), "a number", keyword_minimum},
    {"maximum", OF(NUMBER), "a number", keyword_maximum},
    {"exclusiveMinimum", OF(NUMBER), "a number", keyword_above},
    {"exclusiveMaximum", OF(NUMBER), "a number", keyword_below},
    {"minLength", OF(NUMBER), "an integer of at least 0", keyword_min_length},
    {"maxLength", OF(NUMBER), "an integer of at least 0", keyword_max_length},
    {"pattern", OF(STRING), "a string", keyword_pattern},
    {"format", OF(STRING), "a string", keyword_format},
    {"$schema", OF(STRING), "a string", keyword_dialect},
    {"$id", OF(STRING), "a string", keyword_ignore},
    {"$comment", OF(STRING), "a string", keyword_ignore},
    {"title", OF(STRING), "a string", keyword_ignore},
    {"description", OF(STRING), "a string", keyword_ignore},
    {"examples", OF(ARRAY), "a list of values", keyword_ignore},
    {"default", ANY, "", keyword_ignore},
    {"deprecated", SCHEMA_BOOLEAN, "true or false", keyword_ignore},
};

int schema_compile_keyword(
    struct schema_compiler *compiler, void *context, struct slice name, const char *value)
{
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++) {
        const struct keyword *keyword = &keywords[i];
        if (!slice_is(name, keyword->name))
            continue;
        if (!(keyword->types & SCHEMA_TYPE(schema_type(*value))))
            return schema_wrong(compiler, "must be %s", keyword->what);
        return keyword->compile(compiler, context, value);
    }
    return schema_wrong(compiler,
        "a keyword that is not known here, so nobody would look at it; take it away. Known are type, enum, const, required, properties, "
        "additionalProperties, items, minItems, maxItems, minimum, maximum, exclusiveMinimum, exclusiveMaximum, minLength, maxLength, "
        "pattern and format");
}
