/* format_json_lines: one JSON text per line (RFC 8259 values, LF behind each).
 *
 * Inside a valid JSON text a raw CR or LF can only stand between tokens (RFC 8259 section 7: strings escape control
 * characters), so that a blank in its place changes no value.
 */
#include "lake/format.h"

static void format_blank(char *text, size_t length, char unwanted)
{
    char *end = text + length;

    for (char *at = text; (at = memchr(at, unwanted, (size_t)(end - at))); at++)
        *at = ' ';
}

int format_json_lines_row(struct slice payload, struct bytes *out, struct error *error)
{
    if (bytes_reserve(out, payload.length + FORMAT_ROW_EXTRA, error))
        return -1;
    char *row = out->data + out->length;
    if (payload.length)
        memcpy(row, payload.data, payload.length);
    format_blank(row, payload.length, '\n');
    format_blank(row, payload.length, '\r');
    row[payload.length] = '\n';
    out->length += payload.length + 1;
    return 0;
}
