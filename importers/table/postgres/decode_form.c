/* decode_form: each form's functions. */
#include "table/postgres/decode_internal.h"

#define NO_TYPE COLUMN_STRING /* only its text is there */

const struct pg_form_row pg_form_rows[PG_FORMS] = {
    [PG_FORM_BOOL] = {pg_bool_text, PG_LOOK_RAW, pg_bool_decode, COLUMN_BOOL},
    [PG_FORM_INT2] = {pg_int2_text, PG_LOOK_RAW, pg_int2_decode, COLUMN_INT32},
    [PG_FORM_INT4] = {pg_int4_text, PG_LOOK_RAW, pg_int4_decode, COLUMN_INT32},
    [PG_FORM_INT8] = {pg_int8_text, PG_LOOK_RAW, pg_int8_decode, COLUMN_INT64},
    [PG_FORM_UINT4] = {pg_uint4_text, PG_LOOK_RAW, pg_uint4_decode, COLUMN_INT64},
    [PG_FORM_UINT8] = {pg_uint8_text, PG_LOOK_QUOTED, NULL, NO_TYPE},
    [PG_FORM_FLOAT4] = {pg_float4_text, PG_LOOK_NUMBER, pg_float4_decode, COLUMN_FLOAT32},
    [PG_FORM_FLOAT8] = {pg_float8_text, PG_LOOK_NUMBER, pg_float8_decode, COLUMN_FLOAT64},
    [PG_FORM_NUMERIC] = {pg_numeric_text, PG_LOOK_NUMBER, pg_numeric_decimal, COLUMN_DECIMAL},
    [PG_FORM_TEXT] = {pg_text_text, PG_LOOK_ESCAPED, pg_text_decode, COLUMN_STRING},
    [PG_FORM_CHAR] = {pg_char_text, PG_LOOK_ESCAPED, NULL, NO_TYPE},
    [PG_FORM_JSON] = {pg_json_text, PG_LOOK_RAW, NULL, NO_TYPE},
    [PG_FORM_VERSIONED_JSON] = {pg_versioned_json_text, PG_LOOK_RAW, NULL, NO_TYPE},
    [PG_FORM_VERSIONED_TEXT] = {pg_versioned_text_text, PG_LOOK_ESCAPED, NULL, NO_TYPE},
    [PG_FORM_BYTEA] = {pg_bytea_text, PG_LOOK_QUOTED, pg_bytea_decode, COLUMN_BYTES},
    [PG_FORM_DATE] = {pg_date_text, PG_LOOK_QUOTED, pg_date_decode, COLUMN_DATE},
    [PG_FORM_TIME] = {pg_time_text, PG_LOOK_QUOTED, pg_time_decode, COLUMN_TIME},
    [PG_FORM_TIMETZ] = {pg_timetz_text, PG_LOOK_QUOTED, NULL, NO_TYPE},
    [PG_FORM_TIMESTAMP] = {pg_timestamp_text, PG_LOOK_QUOTED, pg_timestamp_decode, COLUMN_TIMESTAMP},
    [PG_FORM_TIMESTAMPTZ] = {pg_timestamptz_text, PG_LOOK_QUOTED, pg_timestamp_decode, COLUMN_TIMESTAMP_UTC},
    [PG_FORM_INTERVAL] = {pg_interval_text, PG_LOOK_QUOTED, NULL, NO_TYPE},
    [PG_FORM_UUID] = {pg_uuid_text, PG_LOOK_QUOTED, pg_uuid_decode, COLUMN_UUID},
    [PG_FORM_INET] = {pg_inet_text, PG_LOOK_QUOTED, NULL, NO_TYPE},
    [PG_FORM_MACADDR] = {pg_macaddr_text, PG_LOOK_QUOTED, NULL, NO_TYPE},
    [PG_FORM_BIT] = {pg_bit_text, PG_LOOK_QUOTED, NULL, NO_TYPE},
    [PG_FORM_LSN] = {pg_lsn_text, PG_LOOK_QUOTED, NULL, NO_TYPE},
    [PG_FORM_TID] = {pg_tid_text, PG_LOOK_QUOTED, NULL, NO_TYPE},
    [PG_FORM_ARRAY] = {pg_array_json, PG_LOOK_RAW, pg_array_list, COLUMN_LIST},
    [PG_FORM_COMPOSITE] = {pg_composite_json, PG_LOOK_RAW, NULL, NO_TYPE},
};
