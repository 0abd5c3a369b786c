/* row_text: rows of batches one by one as text, for those who send them one by one: each a JSON object, as a line of a file of JSON lines has it, and a key of some of
 * the columns. @thread one at a time
 *
 * A key of one column is the value's text as the object has it, without quotes and escapes (`7`, `sensor-7`, `2024-01-02`); NULL makes no key. One of several is a
 * JSON array of their values (`[7,"a",null]`).
 */
#ifndef PENSTOCK_LAKE_FORMAT_ROW_TEXT_H
#define PENSTOCK_LAKE_FORMAT_ROW_TEXT_H

#include "lake/column.h"

struct row_text;

/* key: numbers of columns; the caller's, must outlive it. length_max: bytes of an object, and of a key. ERROR_REJECT: two columns have one name. */
int row_text_open(struct row_text **ret_text, const struct column_field *fields, size_t fields_count,
    const size_t *key, size_t key_count, size_t length_max, struct error *error);
void row_text_close(struct row_text **text);
/* Both are valid until the next call; *ret_key of length 0: none; ret_object NULL: it is not wanted. ERROR_REJECT: longer than length_max. */
int row_text_take(struct row_text *text, const struct column_batch *batch, size_t row, struct slice *ret_key,
    struct slice *ret_object, struct error *error);

#endif
