/* json_lines: a file of one JSON object per row (RFC 8259, UTF-8), LF behind each; see table_file.h.
 *
 * Names in the order of the columns, NULL as null; json_text.h says how values look. The text may be compressed as one stream.
 */
#include <stdlib.h>

#include "lake/format/json_text.h"
#include "lake/format/stream_codec.h"

#define JSON_NAMES_MAX ((size_t)16 << 20) /* of all columns' names, escaped */

struct json_lines {
    size_t columns;
    struct slice *before; /* what stands before each value: {"name": or ,"name": */
    struct bytes names;
    struct stream_codec *codec;
    struct text_out out;
};

static void json_lines_close(void *state)
{
    struct json_lines *lines = state;

    stream_codec_close(&lines->codec);
    text_out_close(&lines->out);
    bytes_free(&lines->names);
    free(lines->before);
    free(lines);
}

static int json_lines_keep(void *context, const void *data, size_t length, struct error *error)
{
    struct json_lines *lines = context;

    return bytes_add(&lines->names, data, length, error);
}

/* A reader would keep one of the two values. */
static int json_lines_check(const struct column_field *fields, size_t count, struct error *error)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++)
            if (!strcmp(fields[i].name, fields[j].name))
                return error_set(error, ERROR_REJECT,
                    "columns %zu and %zu are both named %s: an object of JSON has one value for each name, "
                    "rename one",
                    j + 1, i + 1, fields[i].name);
    return 0;
}

/* Escapes the names once: lines->out collects them in lines->names, before it gets the file's sink. */
static int json_lines_name(struct json_lines *lines, const struct column_field *fields, struct error *error)
{
    size_t *ends = calloc(lines->columns + 1, sizeof(*ends));
    int result =
        ends ? 0 : error_set(error, ERROR_RETRY, "file of JSON: out of memory"); /* GCOVR_EXCL_LINE */

    for (size_t i = 0; i < lines->columns && !result; i++) {
        if (text_out_add(&lines->out, slice_of(i ? "," : "{"), error) ||
            json_text_string(&lines->out, slice_of(fields[i].name), error) ||
            text_out_add(&lines->out, slice_of(":"), error) || text_out_flush(&lines->out, error))
            result = error_wrap(error, "names of columns");
        else
            ends[i + 1] = lines->names.length;
    }
    for (size_t i = 0; i < lines->columns && !result; i++)
        lines->before[i] = (struct slice){lines->names.data + ends[i], ends[i + 1] - ends[i]};
    free(ends);
    return result;
}

static void json_lines_drop(struct json_lines **lines)
{
    if (*lines)
        json_lines_close(*lines);
}

static int json_lines_open(void **ret_state, const struct column_field *fields, size_t fields_count,
    const struct table_file_options *options, const struct table_sink *sink, struct error *error)
{
    __attribute__((cleanup(json_lines_drop))) struct json_lines *lines = calloc(1, sizeof(*lines));
    const struct table_sink names = {json_lines_keep, lines};

    if (json_lines_check(fields, fields_count, error))
        return -1;
    if (lines)
        *lines = (struct json_lines){
            .columns = fields_count, .before = calloc(fields_count + 1, sizeof(*lines->before))};
    if (!lines || !lines->before)
        return error_set(error, ERROR_RETRY, "file of JSON: out of memory"); /* GCOVR_EXCL_LINE */
    bytes_init(&lines->names, JSON_NAMES_MAX);
    if (text_out_open(&lines->out, &names, error) || json_lines_name(lines, fields, error) ||
        stream_codec_open(&lines->codec, options->codec, options->level, sink, error))
        return -1;
    lines->out.sink = stream_codec_sink(lines->codec);
    *ret_state = lines;
    lines = NULL;
    return 0;
}

static int json_lines_row(
    struct json_lines *lines, const struct column_batch *batch, size_t row, struct error *error)
{
    struct text_out *out = &lines->out;

    for (size_t i = 0; i < lines->columns; i++)
        if (text_out_add(out, lines->before[i], error) ||
            json_text_value(out, &batch->columns[i], row, error))
            return -1;
    return text_out_add(out, slice_of(lines->columns ? "}\n" : "{}\n"), error);
}

static int json_lines_add(void *state, const struct column_batch *batch, struct error *error)
{
    struct json_lines *lines = state;

    for (size_t row = 0; row < batch->rows; row++)
        if (json_lines_row(lines, batch, row, error))
            return -1;
    return 0;
}

static int json_lines_finish(void *state, struct error *error)
{
    struct json_lines *lines = state;

    return text_out_flush(&lines->out, error) ? -1 : stream_codec_finish(lines->codec, error);
}

const struct table_writer json_lines_writer = {
    json_lines_open, json_lines_add, json_lines_finish, json_lines_close};
