/* decoder: one body, many records; see decode.h */
#include "decode/json_internal.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct slice trim(const char *from, const char *to)
{
    while (from < to && is_blank(*from))
        from++;
    while (from < to && is_blank(to[-1]))
        to--;
    return (struct slice){from, (size_t)(to - from)};
}

/* From an opening quote to the closing one, in a validated document. */
static const char *string_end(const char *p, const char *end)
{
    while (*(p = json_string_plain(p + 1, end)) != '"')
        p += *p == '\\';
    return p;
}

/* From the start of an element to the comma or bracket behind it, in a validated array. */
static const char *element_end(const char *p, const char *end)
{
    size_t depth = 0;

    for (;; p++) {
        if (*p == '"')
            p = string_end(p, end);
        else if (*p == '{' || *p == '[')
            depth++;
        else if (depth == 0 && (*p == ',' || *p == ']'))
            return p;
        else if (*p == '}' || *p == ']')
            depth--;
    }
}

static int next_element(struct decoder *decoder, struct slice *ret_payload)
{
    const char *from = decoder->body.data + decoder->position;
    const char *end = element_end(from, decoder->body.data + decoder->body.length);
    struct slice element = trim(from, end);

    if (element.length == 0) /* [] */
        return 0;
    decoder->in_array = *end == ','; /* else position comes to stand at the end of the body */
    decoder->position = (size_t)(end - decoder->body.data) + 1;
    *ret_payload = element;
    return 1;
}

static int next_whole(struct decoder *decoder, struct slice *ret_payload)
{
    if (decoder->position == decoder->body.length)
        return 0;
    decoder->position = decoder->body.length;
    *ret_payload = decoder->body;
    return 1;
}

static int next_line(struct decoder *decoder, struct slice *ret_payload)
{
    while (decoder->position < decoder->body.length) {
        const char *from = decoder->body.data + decoder->position;
        size_t left = decoder->body.length - decoder->position;
        const char *feed = memchr(from, '\n', left);
        size_t length = feed ? (size_t)(feed - from) : left;

        decoder->position += length + (feed != NULL);
        if (feed && length > 0 && from[length - 1] == '\r')
            length--;
        if ((length == 0 && decoder->form != DECODE_LINES) ||
            (decoder->form == DECODE_NDJSON && trim(from, from + length).length == 0))
            continue;
        *ret_payload = (struct slice){from, length};
        return 1;
    }
    return 0;
}

static int next_block(struct decoder *decoder, struct slice *ret_payload)
{
    if (!next_whole(decoder, ret_payload))
        return 0;
    const bool feed = ret_payload->data[ret_payload->length - 1] == '\n';
    ret_payload->length -= feed;
    ret_payload->length -= feed && ret_payload->length && ret_payload->data[ret_payload->length - 1] == '\r';
    return 1;
}

int decoder_next(struct decoder *decoder, struct slice *ret_payload)
{
    switch (decoder->form) {
    case DECODE_JSON:
        return decoder->in_array ? next_element(decoder, ret_payload) : next_whole(decoder, ret_payload);
    case DECODE_BLOCK:
        return next_block(decoder, ret_payload);
    case DECODE_BYTES:
        return next_whole(decoder, ret_payload);
    case DECODE_NDJSON:
    case DECODE_TEXT:
    case DECODE_LINES:
        break;
    }
    return next_line(decoder, ret_payload);
}

/* Whether the body is nothing but lines that are skipped. */
static bool holds_no_line(const struct decoder *decoder)
{
    struct decoder look = *decoder;
    struct slice first;

    return !next_line(&look, &first);
}

/* An array is validated whole before its first element comes out. */
static int start_json(struct decoder *decoder, struct error *error)
{
    struct slice body = decoder->body;

    if (body.length)
        decoder->body = trim(body.data, body.data + body.length);
    if (decoder->body.length == 0 || decoder->body.data[0] != '[')
        return 0;
    if (json_scan_document(body, NULL, NULL, error))
        return -1;
    decoder->position = 1;
    decoder->in_array = true;
    return 0;
}

int decoder_start(struct decoder *decoder, enum decode_form form, struct slice body, struct error *error)
{
    decoder->form = form;
    decoder->body = body;
    decoder->position = 0;
    decoder->in_array = false;
    if (form == DECODE_JSON && start_json(decoder, error))
        return -1;
    if (decoder->body.length == 0 ||
        ((form == DECODE_NDJSON || form == DECODE_TEXT) && holds_no_line(decoder)))
        return error_set(error, ERROR_REJECT, "the body is empty");
    return 0;
}
