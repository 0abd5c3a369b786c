/* row_text: see row_text.h. */
#include "lake/format/row_text.h"

#include <stdlib.h>

#include "lake/format/json_object.h"
#include "lake/format/value_text.h"

struct row_text {
    struct json_object object;
    const size_t *key;
    size_t key_count;
    struct text_out out;
    struct bytes *into; /* which of the two `out` goes to */
    struct bytes key_text, object_text;
};

static int text_keep(void *context, const void *data, size_t length, struct error *error)
{
    struct row_text *text = context;

    return bytes_add(text->into, data, length, error);
}

int row_text_open(struct row_text **ret_text, const struct column_field *fields, size_t fields_count,
    const size_t *key, size_t key_count, size_t length_max, struct error *error)
{
    __attribute__((cleanup(row_text_close))) struct row_text *text = calloc(1, sizeof(*text));
    const struct table_sink sink = {text_keep, text};

    if (!text)
        return error_set(error, ERROR_RETRY, "text of rows: out of memory"); /* GCOVR_EXCL_LINE */
    text->key = key;
    text->key_count = key_count;
    bytes_init(&text->key_text, length_max);
    bytes_init(&text->object_text, length_max);
    if (json_object_open(&text->object, fields, fields_count, error) ||
        text_out_open(&text->out, &sink, error))
        return -1;
    *ret_text = text;
    text = NULL;
    return 0;
}

void row_text_close(struct row_text **text)
{
    if (!*text)
        return;
    json_object_close(&(*text)->object);
    text_out_close(&(*text)->out);
    bytes_free(&(*text)->key_text);
    bytes_free(&(*text)->object_text);
    free(*text);
    *text = NULL;
}

/* Of one column; the value is not NULL. */
static int text_plain(struct text_out *out, const struct column *column, size_t row, struct error *error)
{
    switch (column->field->type) {
    case COLUMN_NUMBER:
    case COLUMN_STRING:
    case COLUMN_JSON:
        return text_out_add(out, column_slice(column, row), error);
    case COLUMN_BYTES:
        return text_out_base64(out, column_slice(column, row), error);
    case COLUMN_LIST:
        return json_text_value(out, column, row, error);
    default: {
        const bool room = !text_out_room(out, VALUE_TEXT_MAX, error);
        if (room)
            text_out_end(out, value_text(text_out_at(out), column, row, DELIMITED_ISO));
        return room ? 0 : -1;
    }
    }
}

static int text_key(struct row_text *text, const struct column_batch *batch, size_t row, struct error *error)
{
    struct text_out *out = &text->out;

    if (text->key_count == 1) {
        const struct column *column = &batch->columns[text->key[0]];
        return column->valid[row] ? text_plain(out, column, row, error) : 0;
    }
    for (size_t i = 0; i < text->key_count; i++)
        if (text_out_add(out, slice_of(i ? "," : "["), error) ||
            json_text_value(out, &batch->columns[text->key[i]], row, error))
            return -1;
    return text_out_add(out, slice_of(text->key_count ? "]" : ""), error);
}

int row_text_take(struct row_text *text, const struct column_batch *batch, size_t row, struct slice *ret_key,
    struct slice *ret_object, struct error *error)
{
    bytes_clear(&text->key_text);
    bytes_clear(&text->object_text);
    text->out.length = 0; /* what a failure has left */
    text->into = &text->key_text;
    if (text_key(text, batch, row, error) || text_out_flush(&text->out, error))
        return -1;
    *ret_key = bytes_slice(&text->key_text);
    if (!ret_object)
        return 0;
    text->into = &text->object_text;
    if (json_object_add(&text->object, &text->out, batch, row, error) || text_out_flush(&text->out, error))
        return -1;
    *ret_object = bytes_slice(&text->object_text);
    return 0;
}
