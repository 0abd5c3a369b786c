/* row: a record as a row of typed columns.
 *
 * Of JSON: the properties of the stream's schema (struct form), then _rest, the members that it does not name and, where the stream says so, those
 * that do not fit; of text: line; of bytes: value. Then, of each: _key, _time, _received, _id. A member that comes twice counts as it comes last;
 * in _rest stands what is not named just as it came, twice too. null is NULL.
 *
 * A record is looked at once, by row_check(), which says what is to be kept of it until its row is made: of JSON its cells, so that nothing is
 * parsed again; of others the payload. Cells: a bit for each property and one for _rest, whether it has a value; then the values,
 * 8 bytes of integers, doubles and times (microseconds), a byte of what is true or false, of others u32 length and the text. Pure.
 * @thread one at a time per shape
 */
#ifndef PENSTOCK_LAKE_ROW_H
#define PENSTOCK_LAKE_ROW_H

#include "decode/decode.h"
#include "lake/column.h"
#include "lake/format/table_file.h"
#include "record/record.h"

struct row {
    struct slice key, id; /* no key: NULL */
    int64_t time, received; /* microseconds since 1970, UTC */
    struct slice kept;
};

struct row_shape;

/* The form (a file of a table) and the stream's name must outlive it. */
int row_shape_new(struct row_shape **ret_shape, const char *stream, enum record_format format,
    const struct form *form, struct error *error);
void row_shape_free(struct row_shape **shape);

const struct column_field *row_shape_fields(const struct row_shape *shape, size_t *ret_count);
/* How files of such rows are written. */
const struct table_file_options *row_shape_options(const struct row_shape *shape);
/* Without the point. */
const char *row_shape_extension(const struct row_shape *shape);
/* Whether such files can be: ERROR_REJECT says what is wrong. */
int row_shape_check(const struct row_shape *shape, struct error *error);

/* What is to be kept of it, which is the payload's or, until the next call, the shape's. ERROR_REJECT: it can be no row, and why. */
int row_check(struct row_shape *shape, struct slice payload, struct slice *ret_kept, struct error *error);
/* Adds a row of what was kept, and ends it. */
int row_add(struct row_shape *shape, const struct row *row, struct column_batch *batch, struct error *error);

/* ---- values (row_value.c) --------------------------------------------------------------------------------- */

#define ROW_VALUES_MAX (1u << 30) /* bytes of a column in a batch */

/* Bytes that a value which is not null has in cells, at most. */
#define ROW_VALUE_MOST(member) ((member)->text.length + 8)
/* Appends it as one of this type; there is room. False: it does not fit, and nothing was added. */
bool row_value_put(struct bytes *cells, enum form_type type, const struct json_member *member);
/* The next value of cells, into its column. */
int row_value_take(struct slice *cells, struct column *column, struct error *error);
/* ERROR_RETRY: the disk has made something else of what was kept. */
int row_value_damaged(struct error *error);
/* ERROR_REJECT that names the column and shows the value. */
int row_value_refuse(const struct form_column *column, const struct json_member *member, struct error *error);

#endif
