/* decode: see decode.h. Makes decoders, one for the column and one for each type within its type. */
#include "table/postgres/decode_internal.h"

#include <stdlib.h>

#define NAME_MAX_BYTES ((size_t)4096) /* of a member's name as JSON; PostgreSQL's names have 63 bytes */
#define NUMERIC_TEXT_MAX ((size_t)256 * 1024) /* 131,072 digits in front of the point, 16,383 behind it */

int pg_decode_length(const struct pg_decoder *decoder, struct slice value, struct error *error)
{
    return error_set(error, ERROR_REJECT, "a value of %s cannot have %zu bytes", decoder->name, value.length);
}

int pg_decode_unbounded(struct pg_decoder *decoder, struct error *error)
{
    if (decoder->infinity == PG_INFINITY_ERROR)
        return error_set(error, ERROR_REJECT,
            "an infinite value (or NaN) of %s, which the column cannot hold: --infinity=null makes it NULL, "
            "--infinity=string makes a string of the column",
            decoder->name);
    if (decoder->infinity != PG_INFINITY_NULL)
        return 0;
    decoder->root->counts.nulled++;
    decoder->root->counted = true;
    return 1;
}

int pg_decode_infinite(struct pg_decoder *decoder, struct slice value, struct error *error)
{
    bool infinite = false;

    if (decoder->infinity == PG_INFINITY_KEEP)
        return 0;
    if (decoder->form == PG_FORM_NUMERIC)
        infinite = pg_numeric_is_special(value);
    else if (decoder->form == PG_FORM_DATE)
        infinite = pg_date_is_infinite(value);
    else if (decoder->form == PG_FORM_TIMESTAMP || decoder->form == PG_FORM_TIMESTAMPTZ)
        infinite = pg_timestamp_is_infinite(value);
    return infinite ? pg_decode_unbounded(decoder, error) : 0;
}

/* Columns of text take any form. */
static int decode_as_text(
    struct pg_decoder *decoder, struct column *column, struct slice value, struct error *error)
{
    int infinite = pg_decode_infinite(decoder, value, error);

    if (infinite < 0)
        return -1;
    if (infinite) {
        column_add_null(column);
        return 0;
    }
    return decoder->text(decoder, &column->values, value, error) ? -1 : pg_decode_end(column);
}

/* The type's own function where the column is of its type, else the one that goes through text. */
static pg_decode *choose(enum pg_form form, enum column_type type)
{
    const struct pg_form_row *row = &pg_form_rows[form];

    if (row->typed && row->typed_as == type)
        return row->typed;
    return form == PG_FORM_NUMERIC && type == COLUMN_FLOAT64 ? pg_numeric_double : decode_as_text;
}

/* Infinities in a typed column of Avro or Parquet have to be chosen; everywhere else there is a word for them. */
static enum pg_infinity infinity_of(enum column_type type, const struct pg_type_options *options)
{
    bool typed = options->format == TABLE_AVRO || options->format == TABLE_PARQUET;
    bool unable =
        type == COLUMN_DECIMAL ||
        (typed && (type == COLUMN_DATE || type == COLUMN_TIMESTAMP || type == COLUMN_TIMESTAMP_UTC));

    if (options->infinity == PG_INFINITY_NULL || options->infinity == PG_INFINITY_ERROR)
        return options->infinity;
    return unable ? PG_INFINITY_ERROR : PG_INFINITY_KEEP;
}

struct maker {
    const struct pg_type_options *options;
    struct pg_decoder *root; /* NULL until there is one */
};

static int make(struct pg_decoder **ret_decoder, struct maker *maker, const struct pg_type *type,
    enum pg_form form, const struct column_field *field, struct error *error);

static int make_element(
    struct pg_decoder *decoder, struct maker *maker, const struct pg_mapping *mapping, struct error *error)
{
    static const struct pg_type text = {
        .oid = 25, .typmod = -1, .kind = 'b', .name = "text", .category = 'S', .has_send = true};
    const struct pg_type *element = mapping->cast == PG_CAST_TEXTS ? &text : mapping->type->element;
    const struct column_field nested = {.name = "", .type = COLUMN_JSON};
    struct column_field field = mapping->field;

    field.type = field.element;
    return make(&decoder->element, maker, element, pg_type_form(element),
        mapping->field.type == COLUMN_LIST ? &field : &nested, error);
}

static int make_member(struct pg_decoder *decoder, struct maker *maker, const struct pg_attribute *attribute,
    struct error *error)
{
    const struct column_field nested = {.name = "", .type = COLUMN_JSON};
    struct pg_member *member = &decoder->members[decoder->members_count++];

    bytes_init(&member->prefix, NAME_MAX_BYTES);
    if ((decoder->members_count > 1 && bytes_add_text(&member->prefix, ",", error)) ||
        pg_decode_json_string(&member->prefix, slice_of(attribute->name), error) ||
        bytes_add_text(&member->prefix, ":", error))
        return -1;
    return make(&member->decoder, maker, attribute->type, pg_type_form(attribute->type), &nested, error);
}

static int make_members(
    struct pg_decoder *decoder, struct maker *maker, const struct pg_type *type, struct error *error)
{
    decoder->members = calloc(type->attributes_count, sizeof *decoder->members);
    if (!decoder->members)
        return error_set(error, ERROR_RETRY, "decoder of %s: out of memory", type->name);
    for (size_t i = 0; i < type->attributes_count; i++) {
        if (!type->attributes[i].dropped && make_member(decoder, maker, &type->attributes[i], error))
            return -1;
    }
    return 0;
}

/* Its depth is the type's, which pg_type_form() has bounded. */
static int make_parts(struct pg_decoder *decoder, struct maker *maker, const struct pg_type *type,
    const struct column_field *field, enum pg_cast cast, struct error *error)
{
    const struct pg_mapping mapping = {.type = type, .field = *field, .cast = cast};

    if (decoder->form == PG_FORM_ARRAY)
        return make_element(decoder, maker, &mapping, error);
    if (decoder->form == PG_FORM_COMPOSITE)
        return make_members(decoder, maker, type, error);
    return 0;
}

/* A decoder without what is within it. */
static struct pg_decoder *make_single(struct maker *maker, const struct pg_type *type, enum pg_form form,
    const struct column_field *field, struct error *error)
{
    const struct pg_type_options *options = maker->options;
    struct pg_decoder *decoder = calloc(1, sizeof *decoder);

    if (!decoder) {
        error_set(error, ERROR_RETRY, "decoder of %s: out of memory", type->name);
        return NULL;
    }
    *decoder = (struct pg_decoder){
        .decode = choose(form, field->type),
        .text = pg_form_rows[form].text,
        .look = pg_form_rows[form].look,
        .form = form,
        .oid = type->oid,
        .name = pg_type_base(type)->name,
        .infinity = infinity_of(field->type, options),
        .precision = field->precision,
        .scale = field->scale,
        .check_utf8 = options->sql_ascii,
        .bytea_hex = options->bytea_hex,
        .drop_bounds = options->arrays == PG_ARRAYS_JSON,
        .root = maker->root ? maker->root : decoder,
    };
    bytes_init(&decoder->scratch, NUMERIC_TEXT_MAX);
    maker->root = decoder->root;
    return decoder;
}

static int make(struct pg_decoder **ret_decoder, struct maker *maker, const struct pg_type *type,
    enum pg_form form, const struct column_field *field, struct error *error)
{
    *ret_decoder = make_single(maker, type, form, field, error);
    return *ret_decoder ? make_parts(*ret_decoder, maker, pg_type_base(type), field, PG_CAST_NONE, error)
                        : -1;
}

int pg_decoder_new(struct pg_decoder **ret_decoder, const struct pg_mapping *mapping,
    const struct pg_type_options *options, struct error *error)
{
    struct maker maker = {.options = options};
    __attribute__((cleanup(pg_decoder_free))) struct pg_decoder *decoder =
        make_single(&maker, mapping->type, mapping->form, &mapping->field, error);

    if (!decoder || make_parts(decoder, &maker, mapping->type, &mapping->field, mapping->cast, error))
        return -1;
    *ret_decoder = decoder;
    decoder = NULL;
    return 0;
}

void pg_decoder_free(struct pg_decoder **decoder)
{
    if (!*decoder)
        return;
    pg_decoder_free(&(*decoder)->element);
    for (size_t i = 0; i < (*decoder)->members_count; i++) {
        bytes_free(&(*decoder)->members[i].prefix);
        pg_decoder_free(&(*decoder)->members[i].decoder);
    }
    free((*decoder)->members);
    bytes_free(&(*decoder)->scratch);
    free(*decoder);
    *decoder = NULL;
}

pg_decode *pg_decoder_function(const struct pg_decoder *decoder)
{
    return decoder->decode;
}

struct pg_counts pg_decoder_take_counts(struct pg_decoder *decoder)
{
    struct pg_counts counts = decoder->counts;

    decoder->counts = (struct pg_counts){0};
    decoder->counted = false;
    return counts;
}
