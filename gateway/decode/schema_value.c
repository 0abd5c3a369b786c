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

int schema_compile_constants(struct schema_compiler *compiler, const char *array,
    const struct schema_constant *const **ret_items, size_t *ret_count)
{
    const size_t count = schema_count(compiler, array);
    const struct schema_constant **items = schema_allocate(compiler->schema, (count + 1) * sizeof *items);

    *ret_items = items;
    *ret_count = count;
    return schema_each_item(compiler, array, value_item, items);
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
    if (constant->type == JSON_ARRAY)
        return schema_compile_constants(compiler, value, &constant->items, &constant->count);
    constant->count = schema_count(compiler, value);
    struct value_members members = {
        .items = schema_allocate(compiler->schema, (constant->count + 1) * sizeof *members.items)};
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

struct schema_value schema_value_read(const struct schema_scratch *scratch, const char *p)
{
    struct schema_value value = {.type = schema_type(*p), .text = {p, 0}};

    if (value.type == JSON_STRING) {
        value.end = schema_walk_string(p, scratch->end, &value.escaped) + 1;
        value.text = (struct slice){p + 1, (size_t)(value.end - p - 2)};
    } else if (value.type == JSON_NUMBER) {
        value.end = schema_walk_number(p, scratch->end);
        value.text.length = (size_t)(value.end - p);
        value.number = schema_decimal_read(value.text);
    }
    return value;
}

/* Both set the value's end when it is equal. */
static bool value_is_array(
    struct schema_scratch *scratch, const struct schema_constant *constant, struct schema_value *value)
{
    const char *p = schema_walk_blanks(value->text.data + 1);

    for (size_t i = 0; i < constant->count; i++) {
        if (*p == ']')
            return false;
        struct schema_value item = schema_value_read(scratch, p);
        if (!schema_value_is(scratch, &item, constant->items[i]))
            return false;
        p = schema_walk_blanks(item.end);
        p = schema_walk_blanks(p + (*p == ','));
    }
    value->end = p + 1;
    return *p == ']';
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
static bool value_is_object(
    struct schema_scratch *scratch, const struct schema_constant *constant, struct schema_value *value)
{
    const uint64_t stamp = ++scratch->stamp;
    size_t equal = 0;
    struct slice name;
    bool escaped;

    const char *p = schema_walk_blanks(value->text.data + 1);
    for (; *p != '}'; p = schema_walk_blanks(p + (*p == ','))) {
        const char *inner = schema_walk_name(p, scratch->end, &name, &escaped);
        const struct schema_member *member = value_find(constant, name, escaped);
        if (!member)
            return false;
        struct schema_value is = schema_value_read(scratch, inner);
        const bool same = schema_value_is(scratch, &is, member->value);
        equal -= scratch->stamps[member->slot] == stamp;
        equal += same;
        scratch->stamps[member->slot] = same ? stamp : 0;
        p = schema_walk_blanks(same ? is.end : schema_walk_value(inner, scratch->end));
    }
    value->end = p + 1;
    return equal == constant->count;
}

bool schema_value_is(
    struct schema_scratch *scratch, struct schema_value *value, const struct schema_constant *constant)
{
    if (value->type != constant->type)
        return false;
    switch (value->type) {
    case JSON_STRING:
        return value->escaped ? json_string_means(value->text, constant->text)
                              : slice_equal(value->text, constant->text);
    case JSON_NUMBER:
        return schema_decimal_compare(&value->number, &constant->number) == 0;
    case JSON_ARRAY:
        return value_is_array(scratch, constant, value);
    case JSON_OBJECT:
        return value_is_object(scratch, constant, value);
    default:
        value->end = schema_walk_scalar(value->text.data, scratch->end);
        return true;
    }
}
