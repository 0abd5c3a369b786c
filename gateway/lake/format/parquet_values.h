/* parquet_values: what each column type is in Parquet, and values as Parquet has them: without NULLs, one behind the other.
 *
 *   boolean                       BOOLEAN
 *   32-bit, 64-bit integer        INT32, INT64
 *   32-bit, 64-bit float          FLOAT, DOUBLE
 *   decimal, precision <= 9, 18   INT32, INT64 (DECIMAL)
 *   decimal above                 FIXED_LEN_BYTE_ARRAY(16) (DECIMAL)
 *   date                          INT32 (DATE)
 *   time                          INT64 (TIME of microseconds, not adjusted to UTC)
 *   timestamp without, with zone  INT64 (TIMESTAMP of microseconds, isAdjustedToUTC false, true)
 *   uuid                          FIXED_LEN_BYTE_ARRAY(16) (UUID)
 *   number, string, json          BYTE_ARRAY (STRING)
 *   bytes                         BYTE_ARRAY
 *   list                          a group (LIST) of three levels; the element is one of the above, and may be NULL
 *
 * json is a STRING, since some readers refuse the type JSON. What Parquet cannot hold is refused: infinity as a date or
 * timestamp, 24:00 as a time (readers take times for less than a day), a decimal above its precision. Source: LogicalTypes.md and
 * parquet.thrift of Apache's parquet-format. @thread the writer's
 */
#ifndef PENSTOCK_LAKE_FORMAT_PARQUET_VALUES_H
#define PENSTOCK_LAKE_FORMAT_PARQUET_VALUES_H

#include "lake/column.h"

/* As in parquet.thrift. */
enum parquet_physical {
    PARQUET_BOOLEAN = 0,
    PARQUET_INT32 = 1,
    PARQUET_INT64 = 2,
    PARQUET_FLOAT = 4,
    PARQUET_DOUBLE = 5,
    PARQUET_BYTE_ARRAY = 6,
    PARQUET_FIXED = 7, /* of 16 bytes */
};

enum parquet_logical {
    PARQUET_NO_LOGICAL = 0,
    PARQUET_STRING = 1, /* as in the union LogicalType */
    PARQUET_LIST = 3,
    PARQUET_DECIMAL = 5,
    PARQUET_DATE = 6,
    PARQUET_TIME = 7,
    PARQUET_TIMESTAMP = 8,
    PARQUET_UUID = 14,
};

/* ConvertedType, which readers before LogicalType look at; -1 where there is none. */
enum parquet_converted {
    PARQUET_CONVERTED_NONE = -1,
    PARQUET_CONVERTED_UTF8 = 0,
    PARQUET_CONVERTED_LIST = 3,
    PARQUET_CONVERTED_DECIMAL = 5,
    PARQUET_CONVERTED_DATE = 6,
    PARQUET_CONVERTED_TIME_MICROS = 8,
    PARQUET_CONVERTED_TIMESTAMP_MICROS = 10,
};

struct parquet_type {
    enum parquet_physical physical;
    enum parquet_logical logical;
    enum parquet_converted converted;
    uint8_t width; /* bytes of a value here and (but for BOOLEAN) in the file; 0: BYTE_ARRAY */
    bool utc; /* PARQUET_TIMESTAMP */
    uint8_t precision, scale; /* PARQUET_DECIMAL */
};

/* Values that are not NULL; all belongs to the column or to the scratch space, until that is used again. */
struct parquet_values {
    size_t count;
    const char *fixed; /* width bytes each, little endian; FIXED as it is */
    const char *data; /* BYTE_ARRAY: value i is from ends[i - 1] (or begin) to ends[i] */
    const uint32_t *ends;
    uint32_t begin;
};

/* What the leaf of a field is; of a list, its element. ERROR_REJECT: a decimal that column.h does not know. */
int parquet_type_of(struct parquet_type *ret_type, const struct column_field *field, struct error *error);

/* The values of rows [from, to) of a column that is no list. scratch: two buffers. ERROR_REJECT: a value that Parquet cannot hold, in
 * row ret_bad of the column; the text says what, not where. */
int parquet_values_take(struct parquet_values *ret_values, size_t *ret_bad, const struct parquet_type *type,
    const struct column *column, size_t from, size_t to, struct bytes scratch[2], struct error *error);

/* Values [from, count) of these. */
struct parquet_values parquet_values_from(struct parquet_values values, uint8_t width, size_t from);
/* Bytes that they take in the encoding PLAIN; of BOOLEAN, one each. */
size_t parquet_values_size(const struct parquet_values *values, uint8_t width);

static inline struct slice parquet_values_at(const struct parquet_values *values, size_t i)
{
    const uint32_t begin = i ? values->ends[i - 1] : values->begin;

    return (struct slice){values->data + begin, values->ends[i] - begin};
}

#endif
