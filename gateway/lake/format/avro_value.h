/* avro_value: rows in Avro's binary encoding (specification 1.11, "Binary Encoding"). Room-internal. Pure. @thread any
 *
 * Every value is of a union of null and its type, which begins with the branch's number; so is every element of a list.
 */
#ifndef PENSTOCK_LAKE_FORMAT_AVRO_VALUE_H
#define PENSTOCK_LAKE_FORMAT_AVRO_VALUE_H

#include <endian.h>

#include "lake/column.h"

/* Of the union, zig-zag. */
#define AVRO_BRANCH_NULL 0
#define AVRO_BRANCH_VALUE 2

/* Room that avro_put_long() wants; a long takes so many bytes at most. */
#define AVRO_LONG_MAX 10

/* Variable length, zig-zag. Returns where it ends. Numbers of up to eight bytes are made at once: their groups of seven bits are moved
 * apart in three steps, each halving the distance. */
static inline char *avro_put_long(char *to, int64_t value)
{
    uint64_t rest = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);

    if (rest <= 0x7f) {
        *to = (char)rest;
        return to + 1;
    }
    if (rest >> 56 == 0) {
        const unsigned more = (unsigned)(63 - __builtin_clzll(rest)) / 7; /* bytes with another one behind */
        rest = (rest & 0x000000000fffffff) | (rest & 0x00fffffff0000000) << 4;
        rest = (rest & 0x00003fff00003fff) | (rest & 0x0fffc0000fffc000) << 2;
        rest = (rest & 0x007f007f007f007f) | (rest & 0x3f803f803f803f80) << 1;
        rest = htole64(rest | (0x8080808080808080 & ((UINT64_C(1) << 8 * more) - 1)));
        memcpy(to, &rest, sizeof(rest));
        return to + more + 1;
    }
    for (; rest > 0x7f; rest >>= 7)
        *to++ = (char)(rest | 0x80);
    *to++ = (char)rest;
    return to;
}

/* Bytes of a row at most, without those of values of any length. */
size_t avro_row_room(const struct column_field *fields, size_t fields_count);
/* ERROR_REJECT: the batch has an infinite date or timestamp, which Avro has not; rows: how many stand before it, to name the row. */
int avro_check(const struct column_batch *batch, uint64_t rows, struct error *error);
/* Makes room in out for the next rows, up to *ret_end; room: of avro_row_room(). ERROR_REJECT: out would come above its limit. */
int avro_make_room(struct bytes *out, const struct column_batch *batch, size_t row, size_t room,
    size_t *ret_end, struct error *error);
/* Appends a row; there is room for it. */
void avro_put_row(struct bytes *out, const struct column_batch *batch, size_t row);

#endif
