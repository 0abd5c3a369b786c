/* format_text: the payload as it came in, LF behind it. */
#include "lake/format.h"

int format_text_row(const struct format_row *row, struct bytes *out, struct error *error)
{
    const struct slice payload = row->payload;

    if (bytes_reserve(out, format_line_most(row), error))
        return -1;
    if (payload.length)
        memcpy(out->data + out->length, payload.data, payload.length);
    out->data[out->length + payload.length] = '\n';
    out->length += payload.length + 1;
    return 0;
}
