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

int format_json_lines_row(const struct format_row *row, struct bytes *out, struct error *error)
{
    const struct slice payload = row->payload;

    if (bytes_reserve(out, format_line_most(row), error))
        return -1;
    char *to = out->data + out->length;
    if (payload.length)
        memcpy(to, payload.data, payload.length);
    format_blank(to, payload.length, '\n');
    format_blank(to, payload.length, '\r');
    to[payload.length] = '\n';
    out->length += payload.length + 1;
    return 0;
}
