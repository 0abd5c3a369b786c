/* format: see format.h; the table */
#include "lake/format.h"

#include <assert.h>

static const struct format formats[] = {
    [RECORD_FORMAT_JSON] = {"jsonl", format_line_most, format_json_lines_row},
    [RECORD_FORMAT_TEXT] = {"txt", format_line_most, format_text_row},
    [RECORD_FORMAT_BYTES] = {"jsonl", format_bytes_most, format_bytes_row},
};

/* What they become has an extension of its own. */
const struct format format_frames = {NULL, format_frame_most, format_frame_row};

size_t format_line_most(const struct format_row *row)
{
    return row->payload.length + 1;
}

const struct format *format_of(enum record_format format)
{
    assert((size_t)format < sizeof formats / sizeof *formats);
    return &formats[format];
}
