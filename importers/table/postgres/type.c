/* type: see type.h */
#include "table/postgres/type.h"

/* numeric's typmod is ((precision << 16) | (scale & 0x7ff)) + 4, the scale in 11 bits with a sign (numeric.c, make_numeric_typmod()). */
#define TYPMOD_OFFSET 4
#define TYPMOD_SCALE_BITS 0x7ff
#define TYPMOD_SCALE_SIGN 0x400

#define PG_OID_XML 142
#define PG_OID_BIT 1560

static const struct {
    const char *before, *after;
} casts[PG_CASTS] = {
    [PG_CAST_NONE] = {"", ""},
    [PG_CAST_TEXT] = {"", "::text"},
    [PG_CAST_TEXTS] = {"", "::text[]"},
    [PG_CAST_JSON] = {"to_json(", ")::text"},
    [PG_CAST_XML] = {"pg_catalog.textin(pg_catalog.xml_out(", "))"},
    [PG_CAST_BIT] = {"", "::pg_catalog.int4::pg_catalog.bool"},
};

const struct pg_type *pg_type_base(const struct pg_type *type)
{
    while (type->kind == 'd' && type->base)
        type = type->base;
    return type;
}

bool pg_type_decimal(int32_t typmod, uint8_t *ret_precision, uint8_t *ret_scale)
{
    if (typmod < TYPMOD_OFFSET)
        return false;
    int32_t precision = (typmod - TYPMOD_OFFSET) >> 16 & 0xffff;
    int32_t scale = (((typmod - TYPMOD_OFFSET) & TYPMOD_SCALE_BITS) ^ TYPMOD_SCALE_SIGN) - TYPMOD_SCALE_SIGN;

    /* numeric(2,-3) is 99000 at most; numeric(3,5) is 0.00999 at most. */
    if (scale < 0) {
        precision -= scale;
        scale = 0;
    }
    if (precision < scale)
        precision = scale;
    if (precision < 1 || precision > COLUMN_DECIMAL_PRECISION_MAX)
        return false;
    *ret_precision = (uint8_t)precision;
    *ret_scale = (uint8_t)scale;
    return true;
}

static enum pg_form form_at(const struct pg_type *type, int depth);

static enum pg_form form_of_composite(const struct pg_type *type, int depth)
{
    size_t left = 0;

    for (size_t i = 0; i < type->attributes_count; i++) {
        const struct pg_attribute *attribute = &type->attributes[i];
        if (!attribute->dropped && form_at(attribute->type, depth + 1) == PG_FORM_NONE)
            return PG_FORM_NONE;
        left += !attribute->dropped;
    }
    return left ? PG_FORM_COMPOSITE : PG_FORM_NONE;
}

/* Follows the type's tree, which the describer has made, no deeper than PG_TYPE_DEPTH_MAX. */
static enum pg_form form_at(const struct pg_type *type, int depth)
{
    type = pg_type_base(type);
    const struct pg_type_row *row = pg_type_row(type->oid);

    if (row)
        return row->form;
    if (!type->has_send || depth == PG_TYPE_DEPTH_MAX)
        return PG_FORM_NONE;
    if (type->kind == 'e')
        return PG_FORM_TEXT;
    if (type->kind == 'c')
        return form_of_composite(type, depth);
    if (type->category == 'A' && type->element && form_at(type->element, depth + 1) != PG_FORM_NONE)
        return PG_FORM_ARRAY;
    return PG_FORM_NONE;
}

enum pg_form pg_type_form(const struct pg_type *type)
{
    return form_at(type, 0);
}

static bool is_typed(const struct pg_type_options *options)
{
    return options->format == TABLE_AVRO || options->format == TABLE_PARQUET;
}

static void map_as_string(struct pg_mapping *mapping)
{
    mapping->field.type = COLUMN_STRING;
    mapping->grade = PG_AS_TEXT;
}

static void map_as_text(struct pg_mapping *mapping)
{
    mapping->cast = PG_CAST_TEXT;
    mapping->form = PG_FORM_TEXT;
    map_as_string(mapping);
}

static void map_as_json(struct pg_mapping *mapping, const struct pg_type_options *options)
{
    bool typed = is_typed(options);

    mapping->field.type = typed && !options->json_type ? COLUMN_STRING : COLUMN_JSON;
    mapping->grade = typed ? PG_AS_TEXT : PG_EXACT;
}

static void map_numeric(struct pg_mapping *mapping, const struct pg_type_options *options)
{
    struct column_field *field = &mapping->field;

    if (options->numeric == PG_NUMERIC_DOUBLE) {
        field->type = COLUMN_FLOAT64;
        mapping->grade = PG_LOSSY;
        return;
    }
    if (options->numeric == PG_NUMERIC_STRING) {
        map_as_string(mapping);
        return;
    }
    field->precision = options->numeric_precision;
    field->scale = options->numeric_scale;
    const bool declared = pg_type_decimal(mapping->type->typmod, &field->precision, &field->scale);
    bool fits = declared || (mapping->type->typmod < TYPMOD_OFFSET && options->numeric_precision);
    if (field->type == COLUMN_DECIMAL && (!fits || options->infinity == PG_INFINITY_STRING)) {
        field->type = COLUMN_NUMBER;
        mapping->grade = PG_AS_TEXT;
    }
    /* Text says nothing of itself: others have to be told (lake/ddl.h). */
    if (field->type != COLUMN_DECIMAL && (!declared || options->format != TABLE_DELIMITED))
        field->precision = field->scale = 0;
}

static void map_scalar(
    struct pg_mapping *mapping, const struct pg_type_row *row, const struct pg_type_options *options)
{
    mapping->field.type = row->columns[options->format];
    mapping->grade = row->grades[options->format];
    switch (row->form) {
    case PG_FORM_NUMERIC:
        map_numeric(mapping, options);
        break;
    case PG_FORM_DATE:
    case PG_FORM_TIMESTAMP:
    case PG_FORM_TIMESTAMPTZ:
        if (is_typed(options) && options->infinity == PG_INFINITY_STRING)
            map_as_string(mapping);
        break;
    case PG_FORM_UUID:
        if (is_typed(options) && options->uuid == PG_OWN_TYPE_STRING)
            map_as_string(mapping);
        break;
    case PG_FORM_TIME:
        if (is_typed(options) && options->time == PG_OWN_TYPE_STRING)
            map_as_string(mapping);
        break;
    case PG_FORM_JSON:
    case PG_FORM_VERSIONED_JSON:
        map_as_json(mapping, options);
        break;
    default:
        break;
    }
}

/* What the writer of text does not print as PostgreSQL does (lake/format/value_text.h) comes as the text that PostgreSQL makes of it. false: it does. */
static bool map_copied(struct pg_mapping *mapping, const struct pg_type_row *row)
{
    switch (mapping->form) {
    case PG_FORM_JSON:
        mapping->form = PG_FORM_TEXT; /* with its line breaks */
        map_as_string(mapping);
        return true;
    case PG_FORM_VERSIONED_JSON:
        mapping->form = PG_FORM_VERSIONED_TEXT;
        map_as_string(mapping);
        return true;
    case PG_FORM_BIT:
        if (row->oid != PG_OID_BIT || mapping->type->typmod != 1)
            return false;
        mapping->cast = PG_CAST_BIT;
        mapping->form = PG_FORM_BOOL;
        mapping->field.type = COLUMN_BOOL;
        mapping->grade = PG_AS_TEXT;
        return true;
    case PG_FORM_NONE:
    case PG_FORM_ARRAY:
    case PG_FORM_COMPOSITE:
    case PG_FORM_TIMETZ:
    case PG_FORM_INTERVAL:
        map_as_text(mapping);
        return true;
    default:
        if (!row || row->oid != PG_OID_XML)
            return false;
        map_as_text(mapping);
        mapping->cast = PG_CAST_XML;
        return true;
    }
}

/* An array whose elements are not read in binary: text, each for itself, or JSON where they are composites or arrays themselves. */
static void map_cast_array(
    struct pg_mapping *mapping, const struct pg_mapping *element, const struct pg_type_options *options)
{
    bool json = element->cast == PG_CAST_JSON;

    mapping->cast = json ? PG_CAST_JSON : PG_CAST_TEXTS;
    mapping->form = json ? PG_FORM_JSON : PG_FORM_ARRAY;
    if (json || !is_typed(options) || options->arrays != PG_ARRAYS_LIST) {
        map_as_json(mapping, options);
        return;
    }
    mapping->field.type = COLUMN_LIST;
    mapping->field.element = COLUMN_STRING;
    mapping->grade = PG_BY_OPTION;
}

static void map_array(struct pg_mapping *mapping, const struct pg_type_options *options)
{
    struct pg_mapping element;

    if (options->arrays == PG_ARRAYS_TEXT) {
        map_as_text(mapping);
        return;
    }
    pg_type_map(mapping->type->element, options, &element);
    if (mapping->form == PG_FORM_NONE) {
        map_cast_array(mapping, &element, options);
        return;
    }
    if (!is_typed(options) || options->arrays == PG_ARRAYS_JSON || element.field.type == COLUMN_LIST) {
        map_as_json(mapping, options);
        return;
    }
    mapping->field.type = COLUMN_LIST;
    mapping->field.element = element.field.type;
    mapping->field.precision = element.field.precision;
    mapping->field.scale = element.field.scale;
    mapping->grade = element.grade == PG_LOSSY ? PG_LOSSY : PG_BY_OPTION;
}

static void map_kind(
    struct pg_mapping *mapping, const struct pg_type_row *row, const struct pg_type_options *options)
{
    const struct pg_type *type = mapping->type;

    if (row && row->form != PG_FORM_NONE) {
        map_scalar(mapping, row, options);
    } else if (!row && type->category == 'A' && type->element) {
        map_array(mapping, options);
    } else if (mapping->form == PG_FORM_COMPOSITE) {
        map_as_json(mapping, options);
    } else if (!row && type->kind == 'c') {
        map_as_json(mapping, options);
        mapping->cast = PG_CAST_JSON;
        mapping->form = PG_FORM_JSON;
    } else if (mapping->form == PG_FORM_TEXT) {
        mapping->field.type = COLUMN_STRING;
    } else {
        map_as_text(mapping);
    }
}

void pg_type_map(
    const struct pg_type *type, const struct pg_type_options *options, struct pg_mapping *ret_mapping)
{
    type = pg_type_base(type);
    const struct pg_type_row *row = pg_type_row(type->oid);
    struct pg_mapping mapping = {.type = type, .form = pg_type_form(type)};

    if (!options->copied || !map_copied(&mapping, row))
        map_kind(&mapping, row, options);
    mapping.before = casts[mapping.cast].before;
    mapping.after = casts[mapping.cast].after;
    *ret_mapping = mapping;
}
