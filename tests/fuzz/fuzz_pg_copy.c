/* Fuzzes the reader of COPY and the decoders of all types (libFuzzer): a byte of options, the type's OID, then messages, each with its
 * length in front.
 *   /usr/bin/python3 tests/fuzz/pg_seeds.py SEEDS && build-fuzz/fuzz_pg_copy -max_total_time=60 SEEDS */
#include <assert.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "decode/decode.h"
#include "table/postgres/copy.h"

#define COMPOSITE 200000
#define VALUES_MAX ((size_t)1 << 20)
#define ROW_MAX ((size_t)64 << 10)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct error error;

/* A composite of a number, text, an array and a composite. */
static const struct pg_type integer = {
    .oid = 23, .typmod = -1, .kind = 'b', .name = "int4", .category = 'N', .has_send = true};
static const struct pg_type text = {
    .oid = 25, .typmod = -1, .kind = 'b', .name = "text", .category = 'S', .has_send = true};
static const struct pg_type numeric = {
    .oid = 1700, .typmod = -1, .kind = 'b', .name = "numeric", .category = 'N', .has_send = true};
static const struct pg_type numerics = {.oid = 1231,
    .typmod = -1,
    .kind = 'b',
    .name = "_numeric",
    .category = 'A',
    .has_send = true,
    .element = &numeric};
static const struct pg_attribute inner_attributes[] = {{.name = "a", .type = &integer}};
static const struct pg_type inner = {.oid = COMPOSITE + 1,
    .typmod = -1,
    .kind = 'c',
    .name = "inner",
    .category = 'C',
    .has_send = true,
    .attributes = inner_attributes,
    .attributes_count = 1};
static const struct pg_attribute attributes[] = {{.name = "a", .type = &integer},
    {.name = "b", .type = &text}, {.name = "c", .type = &numerics}, {.name = "d", .type = &inner}};

/* A type of this OID, or of one that there is. */
static void find_type(uint32_t oid, struct pg_type *type, struct pg_type *element)
{
    size_t count;
    const struct pg_type_row *rows = pg_type_rows(&count), *row = &rows[oid % count];
    bool array = false;

    *type = (struct pg_type){.oid = COMPOSITE,
        .typmod = -1,
        .kind = 'c',
        .name = "composite",
        .category = 'C',
        .has_send = true,
        .attributes = attributes,
        .attributes_count = 4};
    if (oid == COMPOSITE)
        return;
    for (size_t i = 0; i < count; i++) {
        if (rows[i].oid == oid || (rows[i].array && rows[i].array == oid)) {
            row = &rows[i];
            array = row->oid != oid;
        }
    }
    *element = (struct pg_type){
        .oid = row->oid, .typmod = -1, .kind = 'b', .name = row->name, .category = 'U', .has_send = true};
    if (row->oid == 1700 && oid != 1700)
        element->typmod = ((int32_t)(oid % 40) << 16 | (int32_t)(oid % 7)) + 4;
    *type = *element;
    if (array)
        *type = (struct pg_type){.oid = row->array,
            .typmod = -1,
            .kind = 'b',
            .name = row->name,
            .category = 'A',
            .has_send = true,
            .element = element};
}

static struct pg_type_options options_of(uint8_t byte)
{
    return (struct pg_type_options){
        .format = (enum table_format)(byte & 3),
        .numeric = byte & 64 ? PG_NUMERIC_DOUBLE : PG_NUMERIC_DECIMAL,
        .infinity = (enum pg_infinity)(byte >> 2 & 3),
        .arrays = byte & 16 ? PG_ARRAYS_JSON : PG_ARRAYS_LIST,
        .json_type = byte & 32,
        .bytea_hex = byte & 32,
        .sql_ascii = true,
    };
}

static void check_text(struct slice value)
{
    for (size_t at = 0, step; at < value.length; at += step) {
        step = utf8_sequence(value.data + at, value.length - at);
        assert(step);
    }
}

/* What holds of every column's value, whatever was sent. */
static void check_value(const struct column *column, size_t row, bool json)
{
    if (!column->valid[row] || column_width(column->field->type))
        return;
    struct slice value = column_slice(column, row);
    if (column->field->type == COLUMN_STRING || column->field->type == COLUMN_JSON)
        check_text(value);
    if (column->field->type == COLUMN_NUMBER && value.data[value.length - 1] <= '9')
        assert(json_scan_document(value, NULL, NULL, &error) == 0);
    if (column->field->type == COLUMN_JSON && json)
        assert(json_scan_document(value, NULL, NULL, &error) == 0);
    if (column->field->type == COLUMN_JSON)
        assert(!memchr(value.data, '\n', value.length) && !memchr(value.data, '\r', value.length));
}

static void check_row(const struct column_batch *batch, bool json)
{
    const struct column *column = &batch->columns[0];
    const size_t row = batch->rows - 1;

    if (column->field->type != COLUMN_LIST) {
        check_value(column, row, json);
        return;
    }
    for (size_t i = column_begin(column, row); i < column->ends[row]; i++)
        check_value(column->element, i, json);
}

/* Is JSON made here, and not just passed on? What a server sends as JSON is believed. */
static bool is_made_here(const struct pg_mapping *mapping)
{
    const struct pg_type *element = mapping->type->element;

    return mapping->form == PG_FORM_COMPOSITE ||
           (mapping->form == PG_FORM_ARRAY && (!element || (element->oid != 114 && element->oid != 3802)));
}

static void read_messages(
    struct pg_copy *copy, struct column_batch *batch, bool json, const uint8_t *data, size_t size)
{
    enum pg_copy_result result = PG_COPY_NOTHING;

    while (size >= 2) {
        size_t length = (size_t)data[0] << 8 | data[1];
        data += 2;
        size -= 2;
        if (length > size)
            length = size;
        char *message = malloc(length + 1); /* of its own, so that ASan sees a byte too far */
        memcpy(message, data, length);
        const size_t rows = batch->rows;
        if (pg_copy_add(copy, (struct slice){message, length}, batch, &result, &error)) {
            assert(error.kind == ERROR_REJECT && batch->rows == rows);
        } else if (result == PG_COPY_ROW) {
            assert(batch->rows == rows + 1);
            check_row(batch, json);
        } else if (result == PG_COPY_FULL) {
            assert(rows && batch->rows == rows);
            column_batch_clear(batch);
        } else {
            assert(batch->rows == rows);
        }
        free(message);
        data += length;
        size -= length;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pg_type type, element;
    struct pg_mapping mapping;
    struct pg_copy *copy;
    struct column_batch *batch;

    if (size < 5)
        return 0;
    const struct pg_type_options options = options_of(data[0]);
    find_type((uint32_t)data[1] << 24 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 8 | data[4], &type,
        &element);
    pg_type_map(&type, &options, &mapping);
    mapping.field.name = "v";
    const struct pg_copy_options of = {
        .mappings = &mapping, .columns = 1, .types = &options, .row_max = ROW_MAX, .key = 0};
    if (pg_copy_new(&copy, &of, &error) || column_batch_new(&batch, &mapping.field, 1, VALUES_MAX, &error))
        abort();
    read_messages(copy, batch, is_made_here(&mapping), data + 5, size - 5);
    column_batch_free(&batch);
    pg_copy_free(&copy);
    return 0;
}
