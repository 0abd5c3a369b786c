/* text_out: see text_out.h. */
#include "lake/format/text_out.h"

#include <stdlib.h>

#include "base/base64.h"

#define BASE64_PIECE ((size_t)12 * 1024) /* whole groups of three */

int text_out_open(struct text_out *out, const struct table_sink *sink, struct error *error)
{
    *out = (struct text_out){.data = malloc(TEXT_OUT_SIZE), .sink = *sink};
    if (!out->data)
        return error_set(error, ERROR_RETRY, "file of text: out of memory"); /* GCOVR_EXCL_LINE */
    return 0;
}

void text_out_close(struct text_out *out)
{
    free(out->data);
    *out = (struct text_out){0};
}

int text_out_flush(struct text_out *out, struct error *error)
{
    const size_t length = out->length;

    out->length = 0;
    return length ? out->sink.write(out->sink.context, out->data, length, error) : 0;
}

int text_out_spill(struct text_out *out, struct slice text, struct error *error)
{
    if (text_out_flush(out, error))
        return -1;
    if (text.length > TEXT_OUT_SIZE)
        return out->sink.write(out->sink.context, text.data, text.length, error);
    return text_out_add(out, text, error);
}

int text_out_base64(struct text_out *out, struct slice data, struct error *error)
{
    while (data.length) {
        const size_t piece = data.length < BASE64_PIECE ? data.length : BASE64_PIECE;
        const size_t room = (piece + 2) / 3 * 4;
        if (text_out_room(out, room, error))
            return -1;
        struct bytes text = {.data = text_out_at(out), .capacity = room, .limit = room};
        base64_encode((struct slice){data.data, piece}, &text, error); /* there is room */
        out->length += text.length;
        data = (struct slice){data.data + piece, data.length - piece};
    }
    return 0;
}
