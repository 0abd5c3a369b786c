/* schema_kind: what a schema says of the properties of a document; see schema.h */
#include <assert.h>

#include "decode/schema_internal.h"

size_t schema_properties_count(const struct schema *schema)
{
    return schema->root ? schema->root->described_count : 0;
}

static enum schema_kind schema_kind_of(const struct schema_node *node)
{
    /* Behind the types stand the names that they were written with. */
    const unsigned all = SCHEMA_INTEGER | (SCHEMA_INTEGER - 1);
    const unsigned scalar =
        SCHEMA_INTEGER | SCHEMA_BOOLEAN | SCHEMA_TYPE(JSON_STRING) | SCHEMA_TYPE(JSON_NUMBER);
    const unsigned types = node ? node->types & all & ~SCHEMA_TYPE(JSON_NULL) : 0;

    switch (types) {
    case SCHEMA_INTEGER:
        return SCHEMA_KIND_INTEGER;
    case SCHEMA_TYPE(JSON_NUMBER) | SCHEMA_INTEGER:
        return SCHEMA_KIND_NUMBER;
    case SCHEMA_BOOLEAN:
        return SCHEMA_KIND_BOOLEAN;
    case SCHEMA_TYPE(JSON_STRING):
        return node->is_date_time ? SCHEMA_KIND_TIME : SCHEMA_KIND_STRING;
    default:
        return types && !(types & ~scalar) ? SCHEMA_KIND_SCALAR : SCHEMA_KIND_ANY;
    }
}

struct slice schema_property_at(const struct schema *schema, size_t index, enum schema_kind *ret_kind)
{
    const struct schema_property *property = schema->root->properties;

    assert(index < schema->root->described_count);
    while (!property->described || property->order != index)
        property++;
    *ret_kind = schema_kind_of(property->node);
    return property->name;
}
