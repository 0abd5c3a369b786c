/* schema_value: constants, those of const and enum; see schema_internal.h
 *
 * Equal means (Core 4.2.2): numbers of the same value, strings of the same characters, arrays of equal elements in the same order,
 * objects of the same names with equal values. The functions are recursive, as deep as the constant, which is as deep as a document may be.
 */
#include "base/fnv.h"
#include "decode/schema_internal.h"

#define VALUES_FEW 8 /* are faster compared one by one */

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

/* ---- many of them ----------------------------------------------------------------------------------------- */

static bool value_has_hash(enum json_type type)
{
    return type == JSON_STRING || type == JSON_NUMBER;
}

/* Numbers of the same value have the same one: of their digits those up to the last that is not 0. */
static uint64_t value_hash_number(const struct schema_decimal *number)
{
    uint64_t hash = number->negative ? ~FNV_EMPTY : FNV_EMPTY, found = hash;

    if (!number->digits)
        return FNV_EMPTY;
    for (const char *p = number->digits; p < number->end; p++) {
        if (*p == '.')
            continue;
        hash = fnv_add(hash, p, 1);
        found = *p == '0' ? found : hash;
    }
    return fnv_add(found, &number->exponent, sizeof number->exponent);
}

static uint64_t value_hash(enum json_type type, struct slice text, const struct schema_decimal *number)
{
    return type == JSON_NUMBER ? value_hash_number(number) : fnv_add(FNV_EMPTY, text.data, text.length);
}

/* Those without a hash to the front; of the others no order is kept, as nobody asks for it. */
static void value_sort(const struct schema_constant **items, struct schema_values *values)
{
    for (size_t i = 0; i < values->count; i++) {
        const struct schema_constant *item = items[i];
        if (value_has_hash(item->type))
            continue;
        items[i] = items[values->loose];
        items[values->loose++] = item;
    }
}

int schema_compile_values(
    struct schema_compiler *compiler, const char *array, struct schema_values *ret_values)
{
    size_t size = 4;

    if (schema_compile_constants(compiler, array, &ret_values->items, &ret_values->count))
        return -1;
    ret_values->loose = ret_values->count;
    if (ret_values->count <= VALUES_FEW)
        return 0;
    ret_values->loose = 0;
    value_sort((const struct schema_constant **)ret_values->items, ret_values);
    while (size < 2 * ret_values->count)
        size *= 2;
    ret_values->mask = size - 1;
    ret_values->buckets = schema_allocate(compiler->schema, size * sizeof *ret_values->buckets);
    for (size_t i = ret_values->loose; i < ret_values->count; i++) {
        const struct schema_constant *item = ret_values->items[i];
        uint64_t at = value_hash(item->type, item->text, &item->number);
        while (ret_values->buckets[at & ret_values->mask])
            at++;
        ret_values->buckets[at & ret_values->mask] = (uint32_t)(i + 1);
    }
    return 0;
}

/* ---- compiling: what is inside ---------------------------------------------------------------------------- */

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

bool schema_value_is_among(
    struct schema_scratch *scratch, struct schema_value *value, const struct schema_values *values)
{
    const bool escaped = value->type == JSON_STRING && value->escaped;
    const bool hashed =
        values->buckets && value_has_hash(value->type) && !(escaped && value->text.length > SCHEMA_TEXT_MAX);

    for (size_t i = 0; !hashed && i < (value_has_hash(value->type) ? values->count : values->loose); i++)
        if (schema_value_is(scratch, value, values->items[i]))
            return true;
    if (!hashed)
        return false;
    if (escaped) {
        const struct json_value plain = {.type = JSON_STRING, .escaped = true, .text = value->text};
        value->text = (struct slice){scratch->text, json_unescape(&plain, scratch->text)};
        value->escaped = false;
    }
    for (uint64_t at = value_hash(value->type, value->text, &value->number);; at++) {
        const uint32_t place = values->buckets[at & values->mask];
        if (!place || schema_value_is(scratch, value, values->items[place - 1]))
            return place != 0;
    }
}
