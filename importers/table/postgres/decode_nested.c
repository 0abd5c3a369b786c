/* decode_nested: arrays (array_send() of arrayfuncs.c) and composites (record_send() of rowtypes.c).
 *
 * Calls go down the type's tree, whose depth is bounded, never down what a value says of itself. */
#include "table/postgres/decode_internal.h"

#define DIMENSIONS_MAX 6 /* MAXDIM */
#define ARRAY_HEAD 12 /* dimensions, has it NULLs, OID of the elements */
#define ARRAY_DIMENSION 8 /* length, lower bound */

struct array {
    size_t dimensions;
    size_t strides[DIMENSIONS_MAX]; /* elements of one value of each dimension and all within it */
    size_t count; /* elements */
    bool from_one; /* all lower bounds are 1 */
    struct slice elements;
};

static int broken(const struct pg_decoder *decoder, struct error *error)
{
    return error_set(error, ERROR_REJECT, "a broken value of %s", decoder->name);
}

static int check_oid(const struct pg_decoder *decoder, uint32_t sent, struct error *error)
{
    if (sent == decoder->oid)
        return 0;
    return error_set(error, ERROR_REJECT,
        "a value of the type with OID %u where %s (OID %u) was described: was the type altered?", sent,
        decoder->name, decoder->oid);
}

/* Each element takes four bytes at least, which bounds their number. */
static int read_dimensions(
    const struct pg_decoder *decoder, struct array *array, struct slice value, struct error *error)
{
    size_t count = 1;

    array->from_one = true;
    for (size_t i = array->dimensions; i-- > 0;) {
        const char *dimension = value.data + ARRAY_HEAD + i * ARRAY_DIMENSION;
        if (__builtin_mul_overflow(count, (size_t)pg_uint32(dimension), &count))
            return broken(decoder, error);
        array->strides[i] = count;
        array->from_one = array->from_one && pg_uint32(dimension + 4) == 1;
    }
    array->count = array->dimensions ? count : 0;
    return array->count > array->elements.length / 4 ? broken(decoder, error) : 0;
}

static int array_open(
    const struct pg_decoder *decoder, struct array *ret_array, struct slice value, struct error *error)
{
    if (value.length < ARRAY_HEAD)
        return broken(decoder, error);
    struct array array = {.dimensions = pg_uint32(value.data)};
    if (array.dimensions > DIMENSIONS_MAX)
        return broken(decoder, error);
    const size_t head = ARRAY_HEAD + array.dimensions * ARRAY_DIMENSION;
    if (value.length < head)
        return broken(decoder, error);
    array.elements = (struct slice){value.data + head, value.length - head};
    if (check_oid(decoder->element, pg_uint32(value.data + 8), error) ||
        read_dimensions(decoder, &array, value, error))
        return -1;
    *ret_array = array;
    return 0;
}

/* Takes a length and as many bytes; data is NULL for NULL. */
static int take(
    const struct pg_decoder *decoder, struct slice *rest, struct slice *ret_value, struct error *error)
{
    if (rest->length < 4)
        return broken(decoder, error);
    const uint32_t length = pg_uint32(rest->data);
    *rest = (struct slice){rest->data + 4, rest->length - 4};
    if (length == UINT32_MAX) {
        *ret_value = (struct slice){0};
        return 0;
    }
    if (length > rest->length)
        return broken(decoder, error);
    *ret_value = (struct slice){rest->data, length};
    *rest = (struct slice){rest->data + length, rest->length - length};
    return 0;
}

int pg_array_list(struct pg_decoder *decoder, struct column *column, struct slice value, struct error *error)
{
    struct pg_decoder *element = decoder->element;
    struct array array;

    if (array_open(decoder, &array, value, error))
        return -1;
    if (array.dimensions > 1)
        return error_set(error, ERROR_REJECT,
            "an array of %zu dimensions, which a list cannot hold: --arrays=json or --arrays=text keeps it",
            array.dimensions);
    if (!array.from_one)
        return error_set(error, ERROR_REJECT,
            "an array that does not start at 1, which a list cannot hold: --arrays=text keeps that, --arrays=json "
            "drops it");
    if (column_grow(column->element, array.count, error))
        return -1;
    for (size_t i = 0; i < array.count; i++) {
        struct slice item;
        if (take(decoder, &array.elements, &item, error))
            return -1;
        if (!item.data)
            column_add_null(column->element);
        else if (element->decode(element, column->element, item, error))
            return -1;
    }
    if (array.elements.length)
        return broken(decoder, error);
    column_end_list(column);
    return 0;
}

static int add_item(struct pg_decoder *decoder, struct bytes *out, struct slice item, struct error *error)
{
    return item.data ? pg_decode_json(decoder, out, item, error) : bytes_add(out, "null", 4, error);
}

/* Brackets of the dimensions that begin or end at this element. */
static int add_brackets(
    const struct array *array, size_t index, const char *bracket, struct bytes *out, struct error *error)
{
    for (size_t i = 0; i < array->dimensions; i++) {
        if (index % array->strides[i] == 0 && bytes_add(out, bracket, 1, error))
            return -1;
    }
    return 0;
}

static int check_bounds(const struct pg_decoder *decoder, const struct array *array, struct error *error)
{
    if (array->from_one)
        return 0;
    if (!decoder->drop_bounds)
        return error_set(error, ERROR_REJECT,
            "an array that does not start at 1, which JSON cannot say: --arrays=text keeps that, --arrays=json drops "
            "it");
    decoder->root->counts.bounds++;
    decoder->root->counted = true;
    return 0;
}

int pg_array_json(struct pg_decoder *decoder, struct bytes *out, struct slice value, struct error *error)
{
    struct array array;

    if (array_open(decoder, &array, value, error) || check_bounds(decoder, &array, error))
        return -1;
    for (size_t i = 0; i < array.count; i++) {
        struct slice item;
        if ((i && bytes_add(out, ",", 1, error)) || add_brackets(&array, i, "[", out, error) ||
            take(decoder, &array.elements, &item, error) || add_item(decoder->element, out, item, error) ||
            add_brackets(&array, i + 1, "]", out, error))
            return -1;
    }
    if (array.elements.length)
        return broken(decoder, error);
    return array.count ? 0 : bytes_add(out, "[]", 2, error);
}

int pg_composite_json(struct pg_decoder *decoder, struct bytes *out, struct slice value, struct error *error)
{
    if (value.length < 4 || pg_uint32(value.data) != decoder->members_count)
        return error_set(error, ERROR_REJECT,
            "a value of %s that is not as it was described: was it altered?", decoder->name);
    struct slice rest = {value.data + 4, value.length - 4};
    if (bytes_add(out, "{", 1, error))
        return -1;
    for (size_t i = 0; i < decoder->members_count; i++) {
        const struct pg_member *member = &decoder->members[i];
        struct slice item;
        if (rest.length < 4)
            return broken(decoder, error);
        const uint32_t oid = pg_uint32(rest.data);
        rest = (struct slice){rest.data + 4, rest.length - 4};
        if (check_oid(member->decoder, oid, error) || take(decoder, &rest, &item, error) ||
            bytes_add(out, member->prefix.data, member->prefix.length, error) ||
            add_item(member->decoder, out, item, error))
            return -1;
    }
    return rest.length ? broken(decoder, error) : bytes_add(out, "}", 1, error);
}
