/* decode_text: what is text in the send form, too, JSON and bytes; and any value as JSON. */
#include "base/base64.h"
#include "base/json_escape.h"
#include "base/utf8.h"
#include "table/postgres/decode_internal.h"

#define VERSION 1 /* jsonb_send(), jsonpath_send() */

static int check_utf8(const struct pg_decoder *decoder, struct slice text, struct error *error)
{
    for (size_t at = 0; at < text.length;) {
        size_t step = utf8_sequence(text.data + at, text.length - at);
        if (!step)
            return error_set(error, ERROR_REJECT,
                "byte %zu is no UTF-8 (the database's encoding is SQL_ASCII, so that anything may be in a %s)",
                at + 1, decoder->name);
        at += step;
    }
    return 0;
}

int pg_text_text(struct pg_decoder *decoder, struct bytes *out, struct slice value, struct error *error)
{
    if (decoder->check_utf8 && check_utf8(decoder, value, error))
        return -1;
    return bytes_add(out, value.data, value.length, error);
}

int pg_text_decode(struct pg_decoder *decoder, struct column *column, struct slice value, struct error *error)
{
    if (decoder->check_utf8 && check_utf8(decoder, value, error))
        return -1;
    struct bytes *values = &column->values;
    if (value.length > values->capacity - values->length && bytes_reserve(values, value.length, error))
        return -1;
    if (value.length)
        memcpy(values->data + values->length, value.data, value.length);
    values->length += value.length;
    return pg_decode_end(column);
}

/* One byte; 0 is the empty text, and above 127 it is told as charout() of PostgreSQL 16 does. */
int pg_char_text(struct pg_decoder *decoder, struct bytes *out, struct slice value, struct error *error)
{
    if (value.length != 1)
        return pg_decode_length(decoder, value, error);
    const unsigned char byte = (unsigned char)*value.data;
    if (byte >= 0x80)
        return bytes_print(out, error, "\\%03o", byte);
    return bytes_add(out, value.data, byte != 0, error);
}

/* json keeps its raw line breaks. They can only stand between its tokens, where a blank is as good. */
static int add_json(struct pg_decoder *decoder, struct bytes *out, struct slice json, struct error *error)
{
    const size_t begin = out->length;

    if (pg_text_text(decoder, out, json, error))
        return -1;
    for (char *p = json.length ? out->data + begin : NULL; p; p++) {
        p = memchr(p, '\n', (size_t)(out->data + out->length - p));
        if (!p)
            break;
        *p = ' ';
    }
    for (char *p = json.length ? out->data + begin : NULL; p; p++) {
        p = memchr(p, '\r', (size_t)(out->data + out->length - p));
        if (!p)
            break;
        *p = ' ';
    }
    return 0;
}

int pg_json_text(struct pg_decoder *decoder, struct bytes *out, struct slice value, struct error *error)
{
    return value.length ? add_json(decoder, out, value, error) : pg_decode_length(decoder, value, error);
}

static int skip_version(const struct pg_decoder *decoder, struct slice *value, struct error *error)
{
    if (value->length < 2)
        return pg_decode_length(decoder, *value, error);
    if (*value->data != VERSION)
        return error_set(error, ERROR_REJECT, "a value of %s is of version %u, known is %d", decoder->name,
            (unsigned char)*value->data, VERSION);
    *value = (struct slice){value->data + 1, value->length - 1};
    return 0;
}

int pg_versioned_json_text(
    struct pg_decoder *decoder, struct bytes *out, struct slice value, struct error *error)
{
    return skip_version(decoder, &value, error) ? -1 : add_json(decoder, out, value, error);
}

int pg_versioned_text_text(
    struct pg_decoder *decoder, struct bytes *out, struct slice value, struct error *error)
{
    return skip_version(decoder, &value, error) ? -1 : pg_text_text(decoder, out, value, error);
}

int pg_bytea_decode(
    struct pg_decoder *decoder, struct column *column, struct slice value, struct error *error)
{
    (void)decoder;
    return bytes_add(&column->values, value.data, value.length, error) ? -1 : pg_decode_end(column);
}

static const char hexadecimal[] = "0123456789abcdef";

int pg_bytea_text(struct pg_decoder *decoder, struct bytes *out, struct slice value, struct error *error)
{
    if (!decoder->bytea_hex)
        return base64_encode(value, out, error);
    if (bytes_reserve(out, 2 * value.length, error))
        return -1;
    for (size_t i = 0; i < value.length; i++) {
        out->data[out->length++] = hexadecimal[(unsigned char)value.data[i] >> 4];
        out->data[out->length++] = hexadecimal[value.data[i] & 15];
    }
    return 0;
}

int pg_decode_json_string(struct bytes *out, struct slice text, struct error *error)
{
    if (bytes_add(out, "\"", 1, error))
        return -1;
    while (text.length) {
        size_t safe = 0;
        while (safe < text.length && !json_escape_is_needed(text.data[safe]))
            safe++;
        if (bytes_add(out, text.data, safe, error) ||
            (safe < text.length && json_escape_add(out, text.data[safe++], error)))
            return -1;
        text = (struct slice){text.data + safe, text.length - safe};
    }
    return bytes_add(out, "\"", 1, error);
}

/* Numbers end with a digit, NaN and the infinities with a letter. */
static int end_number(struct bytes *out, size_t begin, struct error *error)
{
    if (out->data[out->length - 1] <= '9')
        return 0;
    if (bytes_add(out, "\"\"", 2, error))
        return -1;
    memmove(out->data + begin + 1, out->data + begin, out->length - begin - 2);
    out->data[begin] = '"';
    return 0;
}

static int add_escaped(struct pg_decoder *decoder, struct bytes *out, struct slice value, struct error *error)
{
    if (decoder->form == PG_FORM_CHAR) {
        bytes_clear(&decoder->scratch);
        return pg_char_text(decoder, &decoder->scratch, value, error)
                   ? -1
                   : pg_decode_json_string(out, bytes_slice(&decoder->scratch), error);
    }
    if ((decoder->form == PG_FORM_VERSIONED_TEXT && skip_version(decoder, &value, error)) ||
        (decoder->check_utf8 && check_utf8(decoder, value, error)))
        return -1;
    return pg_decode_json_string(out, value, error);
}

int pg_decode_json(struct pg_decoder *decoder, struct bytes *out, struct slice value, struct error *error)
{
    const size_t begin = out->length;
    int infinite = pg_decode_infinite(decoder, value, error);

    if (infinite)
        return infinite < 0 ? -1 : bytes_add_text(out, "null", error);
    switch (decoder->look) {
    case PG_LOOK_RAW:
        return decoder->text(decoder, out, value, error);
    case PG_LOOK_NUMBER:
        return decoder->text(decoder, out, value, error) ? -1 : end_number(out, begin, error);
    case PG_LOOK_QUOTED:
        return bytes_add(out, "\"", 1, error) || decoder->text(decoder, out, value, error) ||
                       bytes_add(out, "\"", 1, error)
                   ? -1
                   : 0;
    default:
        return add_escaped(decoder, out, value, error);
    }
}
