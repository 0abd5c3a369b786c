/* avro_value: rows in Avro's binary encoding (specification 1.11, "Binary Encoding"). Room-internal. Pure. @thread any
 *
 * Every value is of a union of null and its type, which begins with the branch's number; so is every element of a list.
 */
#ifndef PENSTOCK_LAKE_FORMAT_AVRO_VALUE_H
#define PENSTOCK_LAKE_FORMAT_AVRO_VALUE_H

#include "lake/column.h"

/* What avro_put_long() takes at most. */
#define AVRO_LONG_MAX 10

/* Variable length, zig-zag. Returns where it ends. */
static inline char *avro_put_long(char *to, int64_t value)
{
    uint64_t rest = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);

    for (; rest > 0x7f; rest >>= 7)
        *to++ = (char)(rest | 0x80);
    *to++ = (char)rest;
    return to;
}

/* Bytes of a row at most, without those of values of any length. */
size_t avro_row_room(const struct column_field *fields, size_t fields_count);
/* ERROR_REJECT: the batch has an infinite date or timestamp, which Avro has not; rows: how many stand before it, to name the row. */
int avro_check(const struct column_batch *batch, uint64_t rows, struct error *error);
/* Appends a row; room: of avro_row_room(). ERROR_REJECT: out would come above its limit. */
int avro_put_row(
    struct bytes *out, const struct column_batch *batch, size_t row, size_t room, struct error *error);

#endif
