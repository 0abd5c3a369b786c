/* json_lines: a file of one JSON object per row (UTF-8), LF behind each; see table_file.h. The text may be compressed as one stream. */
#include <stdlib.h>

#include "lake/format/json_object.h"
#include "lake/format/stream_codec.h"

struct json_lines {
    struct json_object object;
    struct stream_codec *codec;
    struct text_out out;
};

static void json_lines_close(void *state)
{
    struct json_lines *lines = state;

    stream_codec_close(&lines->codec);
    text_out_close(&lines->out);
    json_object_close(&lines->object);
    free(lines);
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

    if (!lines)
        return error_set(error, ERROR_RETRY, "file of JSON: out of memory"); /* GCOVR_EXCL_LINE */
    if (json_object_open(&lines->object, fields, fields_count, error) ||
        stream_codec_open(&lines->codec, options->codec, options->level, sink, error))
        return -1;
    const struct table_sink packed = stream_codec_sink(lines->codec);
    if (text_out_open(&lines->out, &packed, error))
        return -1;
    *ret_state = lines;
    lines = NULL;
    return 0;
}

static int json_lines_add(void *state, const struct column_batch *batch, struct error *error)
{
    struct json_lines *lines = state;

    for (size_t row = 0; row < batch->rows; row++)
        if (json_object_add(&lines->object, &lines->out, batch, row, error) ||
            text_out_add(&lines->out, slice_of("\n"), error))
            return -1;
    return 0;
}

static int json_lines_finish(void *state, struct error *error)
{
    struct json_lines *lines = state;

    return text_out_flush(&lines->out, error) ? -1 : stream_codec_finish(lines->codec, error);
}

const struct table_writer json_lines_writer = {
    json_lines_open, json_lines_add, json_lines_finish, json_lines_close, NULL};
