/* copy: see copy.h. */
#include "table/postgres/copy.h"

#include <stdlib.h>

#include "table/checksum.h"
#include "table/postgres/decode_internal.h"

#define HEADER 19 /* signature, flags, length of the extension */
#define FLAGS_CRITICAL 0xffff0000u
#define TRAILER UINT16_MAX /* instead of the number of a row's fields */

static const char signature[11] = "PGCOPY\n\377\r\n"; /* and the zero behind it */

enum copy_state { COPY_HEADER, COPY_ROWS, COPY_ENDED };

/* One of the columns, with its function at hand. */
struct copy_column {
    pg_decode *decode;
    struct pg_decoder *decoder;
};

struct pg_copy {
    const struct pg_mapping *mappings;
    size_t columns_count, row_max, key;
    enum copy_state state;
    uint64_t rows, checksum;
    struct pg_copy_key least_greatest;
    struct copy_column *columns;
    struct pg_copy_column *seen;
};

int pg_copy_new(struct pg_copy **ret_copy, const struct pg_copy_options *options, struct error *error)
{
    __attribute__((cleanup(pg_copy_free))) struct pg_copy *copy = calloc(1, sizeof *copy);

    if (!copy)
        return error_set(error, ERROR_RETRY, "reader of rows: out of memory");
    *copy = (struct pg_copy){.mappings = options->mappings,
        .columns_count = options->columns,
        .row_max = options->row_max,
        .key = options->key,
        .columns = calloc(options->columns + 1, sizeof *copy->columns),
        .seen = calloc(options->columns + 1, sizeof *copy->seen)};
    if (!copy->columns || !copy->seen)
        return error_set(error, ERROR_RETRY, "reader of rows: out of memory");
    for (size_t i = 0; i < options->columns; i++) {
        if (pg_decoder_new(&copy->columns[i].decoder, &options->mappings[i], options->types, error))
            return error_wrap(error, "column %s", options->mappings[i].field.name);
        copy->columns[i].decode = pg_decoder_function(copy->columns[i].decoder);
    }
    *ret_copy = copy;
    copy = NULL;
    return 0;
}

void pg_copy_free(struct pg_copy **copy)
{
    if (!*copy)
        return;
    for (size_t i = 0; (*copy)->columns && i < (*copy)->columns_count; i++)
        pg_decoder_free(&(*copy)->columns[i].decoder);
    free((*copy)->columns);
    free((*copy)->seen);
    free(*copy);
    *copy = NULL;
}

void pg_copy_start(struct pg_copy *copy)
{
    copy->state = COPY_HEADER;
    copy->rows = copy->checksum = 0;
    copy->least_greatest = (struct pg_copy_key){0};
    memset(copy->seen, 0, copy->columns_count * sizeof *copy->seen);
}

/* Takes the header off the message. */
static int take_header(struct slice *message, struct error *error)
{
    if (message->length < HEADER || memcmp(message->data, signature, sizeof signature) != 0)
        return error_set(error, ERROR_REJECT, "this is no COPY in binary: its signature is missing");
    const uint32_t flags = pg_uint32(message->data + sizeof signature);
    if (flags & FLAGS_CRITICAL)
        return error_set(error, ERROR_REJECT, "a COPY with flags that nobody knows: %#x", flags);
    const size_t extension = pg_uint32(message->data + sizeof signature + 4);
    if (extension > message->length - HEADER)
        return error_set(error, ERROR_REJECT, "a COPY whose header is cut off");
    *message = (struct slice){message->data + HEADER + extension, message->length - HEADER - extension};
    return 0;
}

/* What the rows before it added is kept; of this one, whose first `count` fields were looked at, everything goes. */
static void drop_row(struct pg_copy *copy, struct column_batch *batch, const char *fields, size_t count)
{
    column_batch_drop_row(batch);
    for (size_t i = 0; i < count; i++) {
        const uint32_t length = pg_uint32(fields);
        copy->seen[i].nulls -= length == UINT32_MAX;
        fields += 4 + (length == UINT32_MAX ? 0 : (size_t)length);
    }
    for (size_t i = 0; i < copy->columns_count; i++)
        pg_decoder_take_counts(copy->columns[i].decoder);
}

/* The fields' values, each in its column. seen->nulls: which were NULL in the table; those that became NULL here are in the counts.
 * *ret_count: fields that have their value, also after a failure. */
static int add_fields(struct pg_copy *copy, struct slice rest, struct column_batch *batch, size_t *ret_count,
    bool *ret_counted, struct error *error)
{
    const char *at = rest.data, *const end = rest.data + rest.length;

    for (size_t i = 0; i < copy->columns_count; i++, ++*ret_count) {
        struct pg_decoder *decoder = copy->columns[i].decoder;
        struct column *column = &batch->columns[i];
        if (end - at < 4)
            return error_set(error, ERROR_REJECT, "column %s: the row is cut off", column->field->name);
        const uint32_t length = pg_uint32(at);
        at += 4;
        if (length == UINT32_MAX) {
            column_add_null(column);
            copy->seen[i].nulls++;
            continue;
        }
        if (length > (size_t)(end - at))
            return error_set(error, ERROR_REJECT, "column %s: the row is cut off", column->field->name);
        if (copy->columns[i].decode(decoder, column, (struct slice){at, length}, error))
            return error_wrap(error, "column %s", column->field->name);
        at += length;
        *ret_counted |= decoder->counted;
    }
    if (at < end)
        return error_set(error, ERROR_REJECT, "%zu bytes are left over behind the row", (size_t)(end - at));
    return 0;
}

static void add_counts(struct pg_copy *copy)
{
    for (size_t i = 0; i < copy->columns_count; i++) {
        struct pg_counts *seen = &copy->seen[i].counts,
                         counts = pg_decoder_take_counts(copy->columns[i].decoder);
        seen->nulled += counts.nulled;
        seen->rounded += counts.rounded;
        seen->bounds += counts.bounds;
    }
}

/* False: the type has no order that a 64-bit integer keeps, or the value is infinite. */
static bool key_of(const struct column *column, int64_t *ret_value)
{
    const char *value = column->fixed + (column->rows - 1) * column_width(column->field->type);
    int32_t narrow;

    switch (column->field->type) {
    case COLUMN_INT32:
    case COLUMN_DATE:
        memcpy(&narrow, value, sizeof narrow);
        *ret_value = narrow;
        return column->field->type == COLUMN_INT32 || (narrow != INT32_MAX && narrow != INT32_MIN);
    case COLUMN_INT64:
    case COLUMN_TIMESTAMP:
    case COLUMN_TIMESTAMP_UTC:
        memcpy(ret_value, value, sizeof *ret_value);
        return column->field->type == COLUMN_INT64 || (*ret_value != INT64_MAX && *ret_value != INT64_MIN);
    default:
        return false;
    }
}

static void add_key(struct pg_copy *copy, const struct column *column)
{
    struct pg_copy_key *key = &copy->least_greatest;
    int64_t value;

    if (!column->valid[column->rows - 1] || !column->fixed || !key_of(column, &value))
        return;
    if (!key->known || value < key->least)
        key->least = value;
    if (!key->known || value > key->greatest)
        key->greatest = value;
    key->known = true;
}

/* fields: behind their number. */
static int add_row(struct pg_copy *copy, struct slice fields, struct column_batch *batch,
    enum pg_copy_result *ret_result, struct error *error)
{
    bool counted = false;
    size_t count = 0;

    if (batch->rows == batch->rows_max) {
        *ret_result = PG_COPY_FULL;
        return 0;
    }
    if (add_fields(copy, fields, batch, &count, &counted, error)) {
        drop_row(copy, batch, fields.data, count);
        /* There may be no room behind the rows that are there: whether it is the row's fault shows in an empty batch. */
        if (!batch->rows)
            return -1;
        *ret_result = PG_COPY_FULL;
        return 0;
    }
    column_batch_end_row(batch);
    if (copy->key < copy->columns_count)
        add_key(copy, &batch->columns[copy->key]);
    if (counted)
        add_counts(copy);
    copy->rows++;
    copy->checksum += checksum_row(fields.data, fields.length);
    *ret_result = PG_COPY_ROW;
    return 0;
}

static int add_message(struct pg_copy *copy, struct slice message, struct column_batch *batch,
    enum pg_copy_result *ret_result, struct error *error)
{
    if (copy->state == COPY_ENDED)
        return error_set(error, ERROR_REJECT, "a message behind the end of the COPY");
    if (copy->state == COPY_HEADER && take_header(&message, error))
        return -1;
    if (copy->state == COPY_HEADER && !message.length) {
        copy->state = COPY_ROWS;
        *ret_result = PG_COPY_NOTHING;
        return 0;
    }
    if (message.length > copy->row_max)
        return error_set(error, ERROR_REJECT, "the row has %zu bytes, at most %zu are allowed",
            message.length, copy->row_max);
    if (message.length < 2)
        return error_set(error, ERROR_REJECT, "the row is cut off");
    const uint16_t fields = pg_uint16(message.data);
    if (fields == TRAILER && message.length == 2) {
        copy->state = COPY_ENDED;
        *ret_result = PG_COPY_END;
        return 0;
    }
    if (fields != copy->columns_count)
        return error_set(
            error, ERROR_REJECT, "the row has %u fields, %zu were selected", fields, copy->columns_count);
    if (add_row(copy, (struct slice){message.data + 2, message.length - 2}, batch, ret_result, error))
        return -1;
    if (*ret_result == PG_COPY_ROW)
        copy->state = COPY_ROWS;
    return 0;
}

int pg_copy_add(struct pg_copy *copy, struct slice message, struct column_batch *batch,
    enum pg_copy_result *ret_result, struct error *error)
{
    assert(batch->fields_count == copy->columns_count);
    if (add_message(copy, message, batch, ret_result, error))
        return error_wrap(error, "row %llu", (unsigned long long)copy->rows + 1);
    return 0;
}

int pg_copy_finish(const struct pg_copy *copy, struct error *error)
{
    if (copy->state == COPY_ENDED)
        return 0;
    return error_set(
        error, ERROR_RETRY, "the COPY was cut off behind row %llu", (unsigned long long)copy->rows);
}

uint64_t pg_copy_rows(const struct pg_copy *copy)
{
    return copy->rows;
}

uint64_t pg_copy_checksum(const struct pg_copy *copy)
{
    return copy->checksum;
}

const struct pg_copy_column *pg_copy_columns(const struct pg_copy *copy)
{
    return copy->seen;
}

struct pg_copy_key pg_copy_key(const struct pg_copy *copy)
{
    return copy->least_greatest;
}
