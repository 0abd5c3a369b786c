/* decode_internal: what the decoders share. One file per family of types; each form of a value has a row in decode_form.c. */
#ifndef PENSTOCK_TABLE_POSTGRES_DECODE_INTERNAL_H
#define PENSTOCK_TABLE_POSTGRES_DECODE_INTERNAL_H

#include <endian.h>

#include "table/postgres/decode.h"

/* Appends the value's text, without quotes. */
typedef int pg_text(struct pg_decoder *decoder, struct bytes *out, struct slice value, struct error *error);

/* How a value's text stands within JSON. */
enum pg_look {
    PG_LOOK_RAW, /* it is JSON */
    PG_LOOK_NUMBER, /* NaN and infinities in quotes */
    PG_LOOK_QUOTED, /* nothing in it has to be escaped */
    PG_LOOK_ESCAPED,
};

struct pg_form_row {
    pg_text *text;
    enum pg_look look;
    pg_decode *typed; /* for columns of typed_as; other columns of this form take the text */
    enum column_type typed_as;
};

extern const struct pg_form_row pg_form_rows[PG_FORMS];

struct pg_member {
    struct bytes prefix; /* "name": with a comma in front, but for the first */
    struct pg_decoder *decoder;
};

struct pg_decoder {
    pg_decode *decode;
    pg_text *text;
    enum pg_look look;
    enum pg_form form;
    uint32_t oid; /* of a value within an array or composite, as it is sent there */
    const char *name; /* of the type, for messages */
    enum pg_infinity infinity; /* KEEP, NULL or ERROR: what happens to them here */
    uint8_t precision, scale; /* decimals */
    bool check_utf8, bytea_hex, drop_bounds;
    struct pg_decoder *element; /* arrays */
    struct pg_member *members; /* composites */
    size_t members_count;
    struct bytes scratch; /* a numeric's text on its way to a double */
    struct pg_decoder *root; /* the column's, or itself */
    /* Of the root only. */
    struct pg_counts counts;
    bool counted;
};

static inline uint16_t pg_uint16(const char *data)
{
    uint16_t value;
    memcpy(&value, data, sizeof value);
    return be16toh(value);
}

static inline uint32_t pg_uint32(const char *data)
{
    uint32_t value;
    memcpy(&value, data, sizeof value);
    return be32toh(value);
}

static inline uint64_t pg_uint64(const char *data)
{
    uint64_t value;
    memcpy(&value, data, sizeof value);
    return be64toh(value);
}

/* -1: a value of this type has other lengths. */
int pg_decode_length(const struct pg_decoder *decoder, struct slice value, struct error *error);

/* 1 when the value is infinite (or NaN, numerics only) and becomes NULL here, which is counted; -1 when it is refused; else 0. */
int pg_decode_infinite(struct pg_decoder *decoder, struct slice value, struct error *error);

/* The same for a value of which that is known. */
int pg_decode_unbounded(struct pg_decoder *decoder, struct error *error);

/* Ends a value whose bytes were appended to column->values. */
static inline int pg_decode_end(struct column *column)
{
    column->ends[column->rows] = (uint32_t)column->values.length;
    column->valid[column->rows++] = 1;
    return 0;
}

/* One value as JSON; an infinity that becomes NULL is null. */
int pg_decode_json(struct pg_decoder *decoder, struct bytes *out, struct slice value, struct error *error);
/* A string of JSON in its quotes. */
int pg_decode_json_string(struct bytes *out, struct slice text, struct error *error);

/* decode_scalar.c */
pg_text pg_bool_text, pg_int2_text, pg_int4_text, pg_int8_text, pg_uint4_text, pg_uint8_text, pg_float4_text,
    pg_float8_text, pg_uuid_text;
pg_decode pg_bool_decode, pg_int2_decode, pg_int4_decode, pg_int8_decode, pg_uint4_decode, pg_float4_decode,
    pg_float8_decode, pg_uuid_decode;

/* decode_text.c */
pg_text pg_text_text, pg_char_text, pg_json_text, pg_versioned_json_text, pg_versioned_text_text,
    pg_bytea_text;
pg_decode pg_text_decode, pg_bytea_decode;

/* decode_address.c */
pg_text pg_inet_text, pg_macaddr_text, pg_bit_text, pg_lsn_text, pg_tid_text;

/* decode_numeric.c */
bool pg_numeric_is_special(struct slice value);
pg_text pg_numeric_text;
pg_decode pg_numeric_decimal, pg_numeric_double;

/* decode_time.c */
bool pg_date_is_infinite(struct slice value);
bool pg_timestamp_is_infinite(struct slice value);
pg_text pg_date_text, pg_time_text, pg_timetz_text, pg_timestamp_text, pg_timestamptz_text, pg_interval_text;
pg_decode pg_date_decode, pg_time_decode, pg_timestamp_decode;

/* decode_nested.c */
pg_text pg_array_json, pg_composite_json;
pg_decode pg_array_list;

#endif
