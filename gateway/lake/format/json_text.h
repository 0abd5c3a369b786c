/* json_text: values as JSON (RFC 8259). Room-internal. @thread one at a time
 *
 * Numbers and booleans are themselves, NaN and the infinities are strings, because JSON has no such numbers; bytes are strings of base64;
 * JSON stays as it is; lists are arrays; everything else is a string of what value_text() prints. Strings escape only what must be.
 */
#ifndef PENSTOCK_LAKE_FORMAT_JSON_TEXT_H
#define PENSTOCK_LAKE_FORMAT_JSON_TEXT_H

#include "lake/format/text_out.h"

int json_text_string(struct text_out *out, struct slice text, struct error *error);
/* The value of a row, of any type, or null. */
int json_text_value(struct text_out *out, const struct column *column, size_t row, struct error *error);

#endif
