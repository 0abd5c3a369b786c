/* format_text: the payload as it came in, LF behind it. */
#include "lake/format.h"

int format_text_row(struct slice payload, struct bytes *out, struct error *error)
{
    if (bytes_reserve(out, payload.length + FORMAT_ROW_EXTRA, error))
        return -1;
    if (payload.length)
        memcpy(out->data + out->length, payload.data, payload.length);
    out->data[out->length + payload.length] = '\n';
    out->length += payload.length + 1;
    return 0;
}
