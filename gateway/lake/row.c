/* row: see row.h */
#include "lake/row.h"

#include <stdlib.h>

#include "base/fnv.h"
#include "base/little.h"

#define ROW_BESIDES 5 /* _rest, _key, _time, _received, _id */
#define ROW_CELLS_KEPT ((size_t)1024 * 1024) /* larger memory is given back */
#define ROW_NAME_MAX (6 * SCHEMA_NAME_MAX) /* of a name as it stands there: each of its bytes an escape */

struct row_shape {
    enum record_format format;
    const struct form *form;
    struct table_file_options options;
    size_t fields_count;
    struct column_field *fields;
    atomic_bool *plain; /* of the options */
    uint16_t *buckets; /* names to properties; 0: free, otherwise a property's place + 1 */
    size_t bucket_mask;
    struct slice *names; /* of properties */
    uint16_t *order; /* where the property of the n-th member was in the row before, + 1 */
    struct json_member *found; /* of the present row, by property; text.data NULL: it is not there */
    struct bytes rest, cells;
    char name[ROW_NAME_MAX];
};

/* ---- the shape -------------------------------------------------------------------------------------------- */

static const enum column_type row_types[] = {
    [FORM_INTEGER] = COLUMN_INT64,
    [FORM_NUMBER] = COLUMN_FLOAT64,
    [FORM_BOOLEAN] = COLUMN_BOOL,
    [FORM_STRING] = COLUMN_STRING,
    [FORM_TIME] = COLUMN_TIMESTAMP_UTC,
    [FORM_SCALAR] = COLUMN_STRING,
    [FORM_JSON] = COLUMN_JSON,
};

static const enum table_format row_files[] = {
    [FORM_PARQUET] = TABLE_PARQUET, [FORM_AVRO] = TABLE_AVRO, [FORM_CSV] = TABLE_DELIMITED};
static const enum table_codec row_codecs[] = {
    [FORM_PLAIN] = TABLE_CODEC_NONE,
    [FORM_GZIP] = TABLE_CODEC_GZIP,
    [FORM_SNAPPY] = TABLE_CODEC_SNAPPY,
    [FORM_ZSTD] = TABLE_CODEC_ZSTD,
};

/* RFC 4180, with names first; NULL is an empty field, an empty text "". */
static const struct delimited_options row_csv = {
    .field = ',', .line = '\n', .quoting = DELIMITED_QUOTE_NEEDED, .enclosure = '"', .header = true};

static void shape_add(struct row_shape *shape, const char *name, enum column_type type)
{
    shape->fields[shape->fields_count++] = (struct column_field){.name = name, .type = type};
}

static void shape_fields(struct row_shape *shape)
{
    const struct form *form = shape->form;

    if (shape->format == RECORD_FORMAT_TEXT)
        shape_add(shape, "line", COLUMN_STRING);
    else if (shape->format == RECORD_FORMAT_BYTES)
        shape_add(shape, "value", COLUMN_BYTES);
    for (size_t i = 0; i < form->columns_count; i++)
        shape_add(shape, form->columns[i].name, row_types[form->columns[i].type]);
    if (shape->format == RECORD_FORMAT_JSON)
        shape_add(shape, "_rest", COLUMN_JSON);
    shape_add(shape, "_key", COLUMN_STRING);
    shape_add(shape, "_time", COLUMN_TIMESTAMP_UTC);
    shape_add(shape, "_received", COLUMN_TIMESTAMP_UTC);
    shape_add(shape, "_id", COLUMN_STRING);
}

static size_t shape_hash(struct slice name)
{
    const uint64_t hash = fnv_add(FNV_EMPTY, name.data, name.length);

    return (size_t)(hash ^ hash >> 32);
}

static void shape_buckets(struct row_shape *shape)
{
    for (size_t i = 0; i < shape->form->columns_count; i++) {
        shape->names[i] = slice_of(shape->form->columns[i].name);
        size_t at = shape_hash(shape->names[i]);
        while (shape->buckets[at & shape->bucket_mask])
            at++;
        shape->buckets[at & shape->bucket_mask] = (uint16_t)(i + 1);
    }
}

void row_shape_free(struct row_shape **shape)
{
    if (!*shape)
        return;
    free((*shape)->fields);
    free((*shape)->plain);
    free((*shape)->buckets);
    free((*shape)->names);
    free((*shape)->order);
    free((*shape)->found);
    bytes_free(&(*shape)->rest);
    bytes_free(&(*shape)->cells);
    free(*shape);
    *shape = NULL;
}

int row_shape_new(struct row_shape **ret_shape, const char *stream, enum record_format format,
    const struct form *form, struct error *error)
{
    __attribute__((cleanup(row_shape_free))) struct row_shape *shape = calloc(1, sizeof *shape);
    size_t buckets = 4;

    while (buckets < 2 * form->columns_count)
        buckets *= 2;
    if (shape) {
        bytes_init(&shape->rest, ROW_VALUES_MAX);
        bytes_init(&shape->cells, ROW_VALUES_MAX);
        shape->fields = calloc(form->columns_count + 1 + ROW_BESIDES, sizeof *shape->fields);
        shape->plain = calloc(form->columns_count + 1 + ROW_BESIDES, sizeof *shape->plain);
        shape->buckets = calloc(buckets, sizeof *shape->buckets);
        shape->names = calloc(form->columns_count + 1, sizeof *shape->names);
        shape->order = calloc(form->columns_count + 1, sizeof *shape->order);
        shape->found = calloc(form->columns_count + 1, sizeof *shape->found);
    }
    if (!shape || !shape->fields || !shape->plain || !shape->buckets || !shape->names || !shape->order ||
        !shape->found)
        return error_set(error, ERROR_RETRY, "columns: out of memory"); /* GCOVR_EXCL_LINE */
    shape->format = format;
    shape->form = form;
    shape->bucket_mask = buckets - 1;
    shape->options = (struct table_file_options){.format = row_files[form->file],
        .codec = row_codecs[form->codec],
        .delimited = &row_csv,
        .name = stream,
        .plain = shape->plain};
    shape_fields(shape);
    shape_buckets(shape);
    *ret_shape = shape;
    shape = NULL;
    return 0;
}

const struct column_field *row_shape_fields(const struct row_shape *shape, size_t *ret_count)
{
    *ret_count = shape->fields_count;
    return shape->fields;
}

const struct table_file_options *row_shape_options(const struct row_shape *shape)
{
    return &shape->options;
}

const char *row_shape_extension(const struct row_shape *shape)
{
    return table_file_extension(&shape->options) + 1;
}

static int shape_sink(void *context, const void *data, size_t length, struct error *error)
{
    (void)context, (void)data, (void)length, (void)error;
    return 0;
}

int row_shape_check(const struct row_shape *shape, struct error *error)
{
    __attribute__((cleanup(table_file_close))) struct table_file *file = NULL;
    const struct table_sink sink = {shape_sink, NULL};

    return table_file_open(&file, shape->fields, shape->fields_count, &shape->options, &sink, error);
}

/* ---- a row of JSON ---------------------------------------------------------------------------------------- */

/* The place of the property of this name; SIZE_MAX: there is none. */
static size_t row_look_up(struct row_shape *shape, const struct json_member *member)
{
    struct slice name = member->name;

    if (member->name_escaped) {
        if (name.length > sizeof shape->name)
            return SIZE_MAX;
        const struct json_value escaped = {.type = JSON_STRING, .escaped = true, .text = name};
        name = (struct slice){shape->name, json_unescape(&escaped, shape->name)};
    }
    for (size_t at = shape_hash(name);; at++) {
        const size_t place = shape->buckets[at & shape->bucket_mask];
        if (!place)
            return SIZE_MAX;
        if (slice_equal(name, shape->names[place - 1]))
            return place - 1;
    }
}

/* The same; most often the members of a row have the order of those of the row before. */
static size_t row_find(struct row_shape *shape, const struct json_member *member, size_t number)
{
    uint16_t *const guess = number < shape->form->columns_count ? &shape->order[number] : NULL;

    if (guess && *guess && !member->name_escaped && slice_equal(member->name, shape->names[*guess - 1]))
        return (size_t)*guess - 1;
    const size_t place = row_look_up(shape, member);
    if (guess && place != SIZE_MAX)
        *guess = (uint16_t)(place + 1);
    return place;
}

/* Appends "NAME":VALUE to the object of the rest. */
static int row_rest(struct row_shape *shape, const struct json_member *member, struct error *error)
{
    struct bytes *rest = &shape->rest;

    return bytes_add_text(rest, rest->length ? ",\"" : "{\"", error) ||
                   bytes_add(rest, member->name.data, member->name.length, error) ||
                   bytes_add_text(rest, "\":", error) || json_add_compact(rest, member->text, error)
               ? -1
               : 0;
}

/* Members to their places, those without one to the rest. False: the document is no object. */
static int row_members(struct row_shape *shape, struct slice payload, bool *ret_object, struct error *error)
{
    struct json_members members;
    struct json_member member;
    int found;

    memset(shape->found, 0, shape->form->columns_count * sizeof *shape->found);
    bytes_clear(&shape->rest);
    if (json_members_start(&members, payload, ret_object, error))
        return error_wrap(error, "not JSON");
    if (!*ret_object)
        return 0;
    for (size_t number = 0; (found = json_members_next(&members, &member, error)) > 0; number++) {
        const size_t place = row_find(shape, &member, number);
        if (place != SIZE_MAX)
            shape->found[place] = member;
        else if (row_rest(shape, &member, error))
            return -1; /* GCOVR_EXCL_LINE out of memory */
    }
    return found ? error_wrap(error, "not JSON") : 0;
}

static void row_mark(struct row_shape *shape, size_t place)
{
    shape->cells.data[place / 8] |= (char)(1 << place % 8);
}

static int row_properties(struct row_shape *shape, struct error *error)
{
    const struct form *form = shape->form;

    for (size_t i = 0; i < form->columns_count; i++) {
        const struct json_member *found = &shape->found[i];
        if (!found->text.data || found->value.type == JSON_NULL)
            continue;
        if (shape->cells.capacity - shape->cells.length < ROW_VALUE_MOST(found) &&
            bytes_reserve(&shape->cells, ROW_VALUE_MOST(found), error))
            return -1; /* GCOVR_EXCL_LINE out of memory */
        if (row_value_put(&shape->cells, form->columns[i].type, found))
            row_mark(shape, i);
        else if (!form->misfits_rest)
            return row_value_refuse(&form->columns[i], found, error);
        else if (row_rest(shape, found, error))
            return -1; /* GCOVR_EXCL_LINE out of memory */
    }
    return 0;
}

/* The rest as the last cell. */
static int row_end(struct row_shape *shape, struct error *error)
{
    const struct slice rest = bytes_slice(&shape->rest);
    struct bytes *cells = &shape->cells;
    char length[sizeof(uint32_t)];

    if (!rest.length)
        return 0;
    row_mark(shape, shape->form->columns_count);
    put_u32(length, (uint32_t)rest.length);
    return bytes_add(cells, length, sizeof length, error) || bytes_add(cells, rest.data, rest.length, error)
               ? -1
               : 0;
}

static void row_clear(struct bytes *bytes)
{
    if (bytes->capacity > ROW_CELLS_KEPT)
        bytes_free(bytes);
    bytes_clear(bytes);
}

static int row_cells(struct row_shape *shape, struct slice payload, struct error *error)
{
    const size_t marks = shape->form->columns_count / 8 + 1;
    bool object;

    row_clear(&shape->cells);
    row_clear(&shape->rest);
    if (row_members(shape, payload, &object, error) || bytes_reserve(&shape->cells, marks, error))
        return -1;
    memset(shape->cells.data, 0, marks);
    shape->cells.length = marks;
    if (object)
        return row_properties(shape, error) ||
                       (shape->rest.length && bytes_add_text(&shape->rest, "}", error)) ||
                       row_end(shape, error)
                   ? -1
                   : 0;
    if (!shape->form->misfits_rest)
        return error_set(error, ERROR_REJECT, "no JSON object, so that it has no columns");
    return json_add_compact(&shape->rest, payload, error) || row_end(shape, error) ? -1 : 0;
}

static int row_add_cells(
    const struct row_shape *shape, struct slice cells, struct column_batch *batch, struct error *error)
{
    const size_t count = shape->form->columns_count + 1;
    const size_t bits = (count - 1) / 8 + 1;
    struct slice values = {cells.data + bits, cells.length - bits};

    if (cells.length < bits)
        return row_value_damaged(error);
    for (size_t i = 0; i < count; i++) {
        struct column *column = &batch->columns[i];
        if (!(cells.data[i / 8] >> i % 8 & 1))
            column_add_null(column);
        else if (row_value_take(&values, column, error))
            return -1;
    }
    return values.length ? row_value_damaged(error) : 0;
}

/* ---- any row ---------------------------------------------------------------------------------------------- */

int row_check(struct row_shape *shape, struct slice payload, struct slice *ret_kept, struct error *error)
{
    uint64_t ignored;

    if (shape->format == RECORD_FORMAT_JSON) {
        if (row_cells(shape, payload, error))
            return -1;
        *ret_kept = bytes_slice(&shape->cells);
        return 0;
    }
    if (shape->format == RECORD_FORMAT_TEXT && record_envelope_length(payload, &ignored, error))
        return error_set(error, ERROR_REJECT, "not UTF-8, so that it can be no text of a column");
    *ret_kept = payload;
    return 0;
}

static int row_add_text(struct column *column, struct slice text, struct error *error)
{
    return column_add_bytes(column, text.data, text.length, error);
}

int row_add(struct row_shape *shape, const struct row *row, struct column_batch *batch, struct error *error)
{
    struct column *besides = &batch->columns[shape->fields_count - 4];

    if (shape->format == RECORD_FORMAT_JSON ? row_add_cells(shape, row->kept, batch, error)
                                            : row_add_text(&batch->columns[0], row->kept, error))
        return -1;
    if (!row->key.length)
        column_add_null(&besides[0]);
    else if (row_add_text(&besides[0], row->key, error))
        return -1; /* GCOVR_EXCL_LINE out of memory */
    column_add_fixed(&besides[1], &row->time, sizeof row->time);
    column_add_fixed(&besides[2], &row->received, sizeof row->received);
    if (row_add_text(&besides[3], row->id, error))
        return -1; /* GCOVR_EXCL_LINE out of memory */
    column_batch_end_row(batch);
    return 0;
}
