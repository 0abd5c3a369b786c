/* schema_compile: a schema's text into nodes; see schema_internal.h
 *
 * The text is read by our own scanner, not by jansson: its numbers would be rounded, or refused.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "decode/schema_internal.h"

#define BLOCK_SIZE ((size_t)16 << 10)

struct schema_block {
    struct schema_block *before;
    size_t used, size;
    _Alignas(16) char bytes[];
};

const struct schema_node schema_nothing = {.types = 0};

/* ---- memory ----------------------------------------------------------------------------------------------- */

/* Compiling happens once, before anything is accepted: without these few bytes the start ends here. */
void *schema_allocate(struct schema *schema, size_t size)
{
    struct schema_block *block = schema->blocks;

    size = (size + 15) & ~(size_t)15;
    if (!block || block->size - block->used < size) {
        const size_t room = size > BLOCK_SIZE ? size : BLOCK_SIZE;
        block = calloc(1, sizeof *block + room);
        assert(block);
        block->size = room;
        block->before = schema->blocks;
        schema->blocks = block;
    }
    block->used += size;
    return block->bytes + block->used - size;
}

void schema_free(struct schema **schema)
{
    if (!*schema)
        return;
    schema_free_patterns((*schema)->patterns);
    for (struct schema_block *block = (*schema)->blocks, *before; block; block = before) {
        before = block->before;
        free(block);
    }
    free(*schema);
    *schema = NULL;
}

struct slice schema_meaning(struct schema_compiler *compiler, const char *quote)
{
    struct json_value value = {.type = JSON_STRING};
    const char *closing = schema_walk_string(quote, compiler->end, &value.escaped);

    value.text = (struct slice){quote + 1, (size_t)(closing - quote - 1)};
    char *plain = schema_allocate(compiler->schema, value.text.length + 1);
    return (struct slice){plain, json_unescape(&value, plain)};
}

/* ---- places ----------------------------------------------------------------------------------------------- */

int schema_wrong(struct schema_compiler *compiler, const char *format, ...)
{
    char text[ERROR_TEXT_SIZE];
    struct schema_place place = {.length = 0};
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    for (unsigned i = 0; i < compiler->depth; i++)
        schema_place_add(&place, compiler->path[i]);
    return error_set(
        compiler->error, ERROR_REJECT, "%s: %s", compiler->depth ? place.text : "the schema", text);
}

/* ---- nodes ------------------------------------------------------------------------------------------------ */

/* Names to places, at least half of the buckets free. */
static void compile_buckets(struct schema *schema, struct schema_node *node)
{
    size_t size = 4;

    while (size < 2 * node->properties_count)
        size *= 2;
    node->bucket_mask = size - 1;
    node->buckets = schema_allocate(schema, size * sizeof *node->buckets);
    for (size_t i = 0; i < node->properties_count; i++) {
        uint64_t at = schema_hash(node->properties[i].name);
        while (node->buckets[at & node->bucket_mask])
            at++;
        node->buckets[at & node->bucket_mask] = (uint16_t)(i + 1);
    }
}

static void compile_finish(struct schema *schema, struct schema_node *node)
{
    for (size_t i = 0; i < node->properties_count; i++) {
        if (!node->properties[i].described)
            node->properties[i].node = node->additional;
    }
    if (node->properties_count)
        compile_buckets(schema, node);
    node->looks_into_objects = node->properties_count || node->additional;
    node->looks_into_arrays = node->items || node->min_items || node->max_items < UINT64_MAX;
}

/* A keyword that comes twice means that one of them would not be looked at. */
static int compile_once(struct schema_compiler *compiler, const char *object, const char *until)
{
    struct slice name, other;
    bool escaped, other_escaped;

    schema_walk_name(until, compiler->end, &name, &escaped);
    for (const char *p = object; p < until;) {
        p = schema_walk_name(p, compiler->end, &other, &other_escaped);
        if (json_strings_equal(name, other))
            return schema_wrong(compiler, "comes twice; take one of them away");
        p = schema_walk_blanks(schema_walk_blanks(schema_walk_value(p, compiler->end)) + 1);
    }
    return 0;
}

int schema_each_member(
    struct schema_compiler *compiler, const char *object, schema_member_fn *member, void *context)
{
    const char *const first = schema_walk_blanks(object + 1);

    for (const char *p = first; *p != '}'; p = schema_walk_blanks(p + (*p == ','))) {
        struct slice name;
        bool escaped;
        const char *value = schema_walk_name(p, compiler->end, &name, &escaped);
        compiler->path[compiler->depth++] = name;
        if (compile_once(compiler, first, p) || member(compiler, context, schema_meaning(compiler, p), value))
            return -1;
        compiler->depth--;
        p = schema_walk_blanks(schema_walk_value(value, compiler->end));
    }
    return 0;
}

int schema_each_item(struct schema_compiler *compiler, const char *array, schema_item_fn *item, void *context)
{
    size_t index = 0;

    for (const char *p = schema_walk_blanks(array + 1); *p != ']'; p = schema_walk_blanks(p + (*p == ','))) {
        compiler->path[compiler->depth++] = (struct slice){NULL, index};
        if (item(compiler, context, index++, p))
            return -1;
        compiler->depth--;
        p = schema_walk_blanks(schema_walk_value(p, compiler->end));
    }
    return 0;
}

size_t schema_count(const struct schema_compiler *compiler, const char *container)
{
    struct slice name;
    bool escaped;
    size_t count = 0;
    const char *p = schema_walk_blanks(container + 1);

    for (; *p != ']' && *p != '}'; p = schema_walk_blanks(p + (*p == ',')), count++) {
        if (*container == '{')
            p = schema_walk_name(p, compiler->end, &name, &escaped);
        p = schema_walk_blanks(schema_walk_value(p, compiler->end));
    }
    return count;
}

int schema_compile_node(
    struct schema_compiler *compiler, const char *value, const struct schema_node **ret_node)
{
    const enum json_type type = schema_type(*value);

    if (type == JSON_TRUE || type == JSON_FALSE) {
        *ret_node = type == JSON_TRUE ? NULL : &schema_nothing;
        return 0;
    }
    if (type != JSON_OBJECT)
        return schema_wrong(compiler, "must be an object, true or false");
    struct schema_node *node = schema_allocate(compiler->schema, sizeof *node);
    node->types = ~0u;
    node->max_length = node->max_items = UINT64_MAX;
    if (schema_each_member(compiler, value, schema_compile_keyword, node))
        return -1;
    compile_finish(compiler->schema, node);
    *ret_node = node;
    return 0;
}

int schema_compile(struct schema **ret_schema, struct slice text, struct error *error)
{
    __attribute__((cleanup(schema_free))) struct schema *schema = calloc(1, sizeof *schema);
    struct schema_compiler compiler = {.schema = schema, .error = error};

    assert(schema);
    if (json_scan_document(text, NULL, NULL, error))
        return error_wrap(error, "not JSON");
    /* Numbers and patterns are looked at where they stand. */
    char *copy = schema_allocate(schema, text.length);
    memcpy(copy, text.data, text.length);
    compiler.end = copy + text.length;
    if (schema_compile_node(&compiler, schema_walk_blanks(copy), &schema->root))
        return -1;
    *ret_schema = schema;
    schema = NULL;
    return 0;
}
