/* csv: rows of comma-separated values (RFC 4180) as JSON objects, with the names that a header gives. Pure. @thread any
 *
 * Where the RFC leaves room, or files do not keep to it:
 *   delimiter   any ASCII character but a quote and those of line breaks
 *   line break  LF or CRLF; a CR elsewhere is text
 *   quote       opens a field only as its first character, and is text within one that does not begin with it; behind the one that closes a
 *               field anything but a delimiter is refused
 *   names       each once; one of them may be empty; none holds NUL
 *   fields      as many as there are names. An empty one is "", whatever the form
 *   values      strings, byte by byte; with `numbers` what stands there without quotes and is a number of JSON (RFC 8259, section 6) is that
 *               number, digit by digit: 007 and +1 are none, and stay strings
 *   text        UTF-8
 */
#ifndef PENSTOCK_DECODE_CSV_H
#define PENSTOCK_DECODE_CSV_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/error.h"

struct csv_form {
    char delimiter;
    bool numbers;
};

struct csv_header; /* constant */

/* Whether a quoted field is open behind this line of a row, before which one was (open) or none: if not, the row ends with it. */
bool csv_is_open(const struct csv_form *form, bool open, struct slice line);

/* The row has no fields; nor has it a record. */
bool csv_is_blank(struct slice row);

/* row: here and below, with its line break or without. ERROR_REJECT says what is wrong with it. */
int csv_header_new(
    struct csv_header **ret_header, const struct csv_form *form, struct slice row, struct error *error);
void csv_header_free(struct csv_header **header);

/* Writes the row as an object. ERROR_REJECT says what is wrong with it; ERROR_RETRY: it needs more room. */
int csv_object(const struct csv_header *header, const struct csv_form *form, struct slice row, char *out,
    size_t room, size_t *ret_length, struct error *error);

#endif
