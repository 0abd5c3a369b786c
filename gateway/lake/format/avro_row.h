/* avro_row: rows of batches one by one as data of Avro, for those who send them one by one: each is what a file of Avro holds of the row (specification 1.11, "Binary
 * Encoding"), with nothing around it, so whoever reads it needs the schema. @thread one at a time
 */
#ifndef PENSTOCK_LAKE_FORMAT_AVRO_ROW_H
#define PENSTOCK_LAKE_FORMAT_AVRO_ROW_H

#include "lake/column.h"

struct avro_row;

/* length_max: bytes of a datum. */
int avro_row_open(struct avro_row **ret_row, const struct column_field *fields, size_t fields_count,
    size_t length_max, struct error *error);
void avro_row_close(struct avro_row **row);
/* The batch whose rows are taken next. ERROR_REJECT: it has a value that Avro has not. */
int avro_row_begin(struct avro_row *avro, const struct column_batch *batch, struct error *error);
/* The rows of the batch in their order. The datum is valid until the next call. ERROR_REJECT: longer than length_max. */
int avro_row_take(struct avro_row *avro, const struct column_batch *batch, size_t row,
    struct slice *ret_datum, struct error *error);

/* Appends the schema that a file of these rows has, as JSON. ERROR_REJECT: there is none. */
int avro_row_schema(struct bytes *out, const char *name, const struct column_field *fields,
    size_t fields_count, struct error *error);

#endif
