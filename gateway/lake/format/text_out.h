/* text_out: the bytes of a file of text on their way to its sink, in a buffer of a fixed size. Room-internal. @thread one at a time
 *
 * Whatever a value's length, only TEXT_OUT_SIZE bytes of its text are held: long values are written in pieces.
 */
#ifndef PENSTOCK_LAKE_FORMAT_TEXT_OUT_H
#define PENSTOCK_LAKE_FORMAT_TEXT_OUT_H

#include "lake/format/table_file.h"

#define TEXT_OUT_SIZE ((size_t)128 * 1024)
/* A piece of a value that may become six times as long (JSON's \u0001), with room to spare. */
#define TEXT_OUT_PIECE ((size_t)16 * 1024)

struct text_out {
    char *data;
    size_t length;
    struct table_sink sink;
};

/* ERROR_RETRY: no memory. */
int text_out_open(struct text_out *out, const struct table_sink *sink, struct error *error);
void text_out_close(struct text_out *out);

int text_out_flush(struct text_out *out, struct error *error);
/* What text_out_add() does when there is no room. */
int text_out_spill(struct text_out *out, struct slice text, struct error *error);
/* The same, as base64 (RFC 4648 section 4). */
int text_out_base64(struct text_out *out, struct slice data, struct error *error);

/* Any number of bytes. */
static inline int text_out_add(struct text_out *out, struct slice text, struct error *error)
{
    if (text.length > TEXT_OUT_SIZE - out->length)
        return text_out_spill(out, text, error);
    if (text.length)
        memcpy(out->data + out->length, text.data, text.length);
    out->length += text.length;
    return 0;
}

/* Makes room for length bytes, at most TEXT_OUT_SIZE, behind text_out_at(); text_out_end() says where they ended. */
static inline int text_out_room(struct text_out *out, size_t length, struct error *error)
{
    return length <= TEXT_OUT_SIZE - out->length ? 0 : text_out_flush(out, error);
}

static inline char *text_out_at(const struct text_out *out)
{
    return out->data + out->length;
}

static inline void text_out_end(struct text_out *out, const char *end)
{
    out->length = (size_t)(end - out->data);
    assert(out->length <= TEXT_OUT_SIZE);
}

#endif
