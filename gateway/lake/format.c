/* format: see format.h; the table */
#include "lake/format.h"

#include <assert.h>

static const struct format formats[] = {
    [RECORD_FORMAT_JSON] = {"jsonl", format_json_lines_row},
    [RECORD_FORMAT_TEXT] = {"txt", format_text_row},
};

const struct format *format_of(enum record_format format)
{
    assert((size_t)format < sizeof formats / sizeof *formats);
    return &formats[format];
}
