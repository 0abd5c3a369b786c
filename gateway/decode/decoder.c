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

/* Behind the closing bracket. */
static int end_array(struct decoder *decoder, const char *p, struct error *error)
{
    const char *end = decoder->body.data + decoder->body.length;

    while (p < end && is_blank(*p))
        p++;
    decoder->in_array = false;
    decoder->position = decoder->body.length;
    return p < end ? json_report(decoder->body, &(struct json_fault){p, JSON_NOTHING_MORE}, error) : 0;
}

/* Scans the element, and looks whether what follows is right: the last one comes out only when the array is whole. */
static int next_element(struct decoder *decoder, struct slice *ret_payload, struct error *error)
{
    const char *const body = decoder->body.data;
    size_t end;

    if (json_scan_at(decoder->body, decoder->position, decoder->pointers, decoder->values, &end, error))
        return -1;
    const struct slice element = trim(body + decoder->position, body + end);
    if (end == decoder->body.length || (body[end] != ',' && body[end] != ']'))
        return json_report(decoder->body, &(struct json_fault){body + end, JSON_ARRAY_GOES_ON}, error);
    if (body[end] == ']' && end_array(decoder, body + end + 1, error))
        return -1;
    if (decoder->in_array)
        decoder->position = end + 1;
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

int decoder_next(struct decoder *decoder, struct slice *ret_payload, struct error *error)
{
    decoder->scanned = decoder->in_array;
    switch (decoder->form) {
    case DECODE_JSON:
        return decoder->in_array ? next_element(decoder, ret_payload, error)
                                 : next_whole(decoder, ret_payload);
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

/* Up to an array's first element. */
static int start_json(struct decoder *decoder, struct error *error)
{
    const struct slice body = decoder->body;
    const char *const end = body.data + body.length;

    if (body.length)
        decoder->body = trim(body.data, end);
    if (decoder->body.length == 0 || decoder->body.data[0] != '[')
        return 0;
    const char *p = decoder->body.data + 1;
    while (p < end && is_blank(*p))
        p++;
    decoder->body = body; /* offsets in errors are its */
    decoder->position = (size_t)(p - body.data);
    decoder->in_array = true;
    return p < end && *p == ']' ? end_array(decoder, p + 1, error) : 0;
}

int decoder_start(struct decoder *decoder, enum decode_form form, struct slice body, struct error *error)
{
    decoder->form = form;
    decoder->body = body;
    decoder->position = 0;
    decoder->in_array = decoder->scanned = false;
    decoder->pointers = NULL;
    decoder->values = NULL;
    if (form == DECODE_JSON && start_json(decoder, error))
        return -1;
    if (decoder->body.length == 0 ||
        ((form == DECODE_NDJSON || form == DECODE_TEXT) && holds_no_line(decoder)))
        return error_set(error, ERROR_REJECT, "the body is empty");
    return 0;
}
