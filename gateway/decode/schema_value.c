/* schema_value: constants, those of const and enum; see schema_internal.h
 *
 * Equal means (Core 4.2.2): numbers of the same value, strings of the same characters, arrays of equal elements in the same order,
 * objects of the same names with equal values. The functions are recursive, as deep as the constant, which is as deep as a document may be.
 */
#include "decode/schema_internal.h"

/* ---- compiling -------------------------------------------------------------------------------------------- */

int schema_check_exponent(struct schema_compiler *compiler, const struct schema_decimal *number)
{
    if (number->exponent > SCHEMA_EXPONENT_MAX || number->exponent < -SCHEMA_EXPONENT_MAX)
        return schema_wrong(compiler, "a number whose exponent has more than 15 digits");
    return 0;
}

static int value_item(struct schema_compiler *compiler, void *context, size_t index, const char *value)
{
    return schema_compile_constant(compiler, value, (const struct schema_constant **)context + index);
}

struct value_members {
    struct schema_member *items;
    size_t count;
};

static int value_member(struct schema_compiler *compiler, void *context, struct slice name, const char *value)
{
    struct value_members *members = context;
    struct schema_member *member = &members->items[members->count++];

    member->name = name;
    member->slot = compiler->schema->slots++;
    return schema_compile_constant(compiler, value, &member->value);
}

static int value_compile_inside(
    struct schema_compiler *compiler, const char *value, struct schema_constant *constant)
{
    const size_t count = schema_count(compiler, value);

    constant->count = count;
    if (constant->type == JSON_ARRAY) {
        const struct schema_constant **items = schema_allocate(compiler->schema, (count + 1) * sizeof *items);
        constant->items = items;
        return schema_each_item(compiler, value, value_item, items);
    }
    struct value_members members = {
        .items = schema_allocate(compiler->schema, (count + 1) * sizeof *members.items)};
    constant->members = members.items;
    return schema_each_member(compiler, value, value_member, &members);
}

int schema_compile_constant(
    struct schema_compiler *compiler, const char *value, const struct schema_constant **ret_constant)
{
    struct schema_constant *constant = schema_allocate(compiler->schema, sizeof *constant);

    *ret_constant = constant;
    constant->type = schema_type(*value);
    if (constant->type == JSON_STRING)
        constant->text = schema_meaning(compiler, value);
    if (constant->type == JSON_NUMBER) {
        constant->number = schema_decimal_read(
            (struct slice){value, (size_t)(schema_walk_number(value, compiler->end) - value)});
        return schema_check_exponent(compiler, &constant->number);
    }
    if (constant->type == JSON_ARRAY || constant->type == JSON_OBJECT)
        return value_compile_inside(compiler, value, constant);
    return 0;
}

/* ---- comparing -------------------------------------------------------------------------------------------- */

static const char *value_string_end(
    struct schema_scratch *scratch, const struct schema_constant *constant, const char *value)
{
    bool escaped;
    const char *quote = schema_walk_string(value, scratch->end, &escaped);
    const struct slice text = {value + 1, (size_t)(quote - value - 1)};

    return (escaped ? json_string_means(text, constant->text) : slice_equal(text, constant->text)) ? quote + 1
                                                                                                   : NULL;
}

static const char *value_number_end(
    struct schema_scratch *scratch, const struct schema_constant *constant, const char *value)
{
    const char *end = schema_walk_number(value, scratch->end);
    const struct schema_decimal number = schema_decimal_read((struct slice){value, (size_t)(end - value)});

    return schema_decimal_compare(&number, &constant->number) == 0 ? end : NULL;
}

static const char *value_array_end(
    struct schema_scratch *scratch, const struct schema_constant *constant, const char *value)
{
    const char *p = schema_walk_blanks(value + 1);

    for (size_t i = 0; i < constant->count; i++) {
        if (*p == ']' || !(p = schema_constant_end(scratch, constant->items[i], p)))
            return NULL;
        p = schema_walk_blanks(p);
        p = schema_walk_blanks(p + (*p == ','));
    }
    return *p == ']' ? p + 1 : NULL;
}

static const struct schema_member *value_find(
    const struct schema_constant *constant, struct slice name, bool escaped)
{
    for (size_t i = 0; i < constant->count; i++) {
        const struct slice known = constant->members[i].name;
        if (escaped ? json_string_means(name, known) : slice_equal(name, known))
            return &constant->members[i];
    }
    return NULL;
}

/* A name may come twice: then what its last value is counts. */
static const char *value_object_end(
    struct schema_scratch *scratch, const struct schema_constant *constant, const char *value)
{
    const uint64_t stamp = ++scratch->stamp;
    size_t equal = 0;
    struct slice name;
    bool escaped;

    const char *p = schema_walk_blanks(value + 1);
    for (; *p != '}'; p = schema_walk_blanks(p + (*p == ','))) {
        const char *inner = schema_walk_name(p, scratch->end, &name, &escaped);
        const struct schema_member *member = value_find(constant, name, escaped);
        if (!member)
            return NULL;
        const char *end = schema_constant_end(scratch, member->value, inner);
        equal -= scratch->stamps[member->slot] == stamp;
        equal += end != NULL;
        scratch->stamps[member->slot] = end ? stamp : 0;
        p = schema_walk_blanks(end ? end : schema_walk_value(inner, scratch->end));
    }
    return equal == constant->count ? p + 1 : NULL;
}

const char *schema_constant_end(
    struct schema_scratch *scratch, const struct schema_constant *constant, const char *value)
{
    if (schema_type(*value) != constant->type)
        return NULL;
    switch (constant->type) {
    case JSON_STRING:
        return value_string_end(scratch, constant, value);
    case JSON_NUMBER:
        return value_number_end(scratch, constant, value);
    case JSON_ARRAY:
        return value_array_end(scratch, constant, value);
    case JSON_OBJECT:
        return value_object_end(scratch, constant, value);
    default:
        return schema_walk_scalar(value, scratch->end);
    }
}
