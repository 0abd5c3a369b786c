/* type_table: the built-in types, in the order of the documentation. OIDs: PostgreSQL's src/include/catalog/pg_type.dat. */
#include "table/postgres/type.h"

/* By enum table_format: JSON lines, delimited text, Avro, Parquet. */
#define SAME(type)                                                 \
    {                                                              \
        COLUMN_##type, COLUMN_##type, COLUMN_##type, COLUMN_##type \
    }
#define TEXT_OR(text, typed)                                         \
    {                                                                \
        COLUMN_##text, COLUMN_##text, COLUMN_##typed, COLUMN_##typed \
    }
#define EXACT                                  \
    {                                          \
        PG_EXACT, PG_EXACT, PG_EXACT, PG_EXACT \
    }
#define OPTION                                         \
    {                                                  \
        PG_EXACT, PG_EXACT, PG_BY_OPTION, PG_BY_OPTION \
    }
#define JSON                                       \
    {                                              \
        PG_EXACT, PG_EXACT, PG_AS_TEXT, PG_AS_TEXT \
    }
#define TEXT                                           \
    {                                                  \
        PG_AS_TEXT, PG_AS_TEXT, PG_AS_TEXT, PG_AS_TEXT \
    }

/* clang-format off */
static const struct pg_type_row rows[] = {
    {16, 1000, "boolean", PG_FORM_BOOL, SAME(BOOL), EXACT},
    {21, 1005, "smallint", PG_FORM_INT2, SAME(INT32), EXACT},
    {23, 1007, "integer", PG_FORM_INT4, SAME(INT32), EXACT},
    {20, 1016, "bigint", PG_FORM_INT8, SAME(INT64), EXACT},
    {700, 1021, "real", PG_FORM_FLOAT4, SAME(FLOAT32), EXACT},
    {701, 1022, "double precision", PG_FORM_FLOAT8, SAME(FLOAT64), EXACT},
    {1700, 1231, "numeric", PG_FORM_NUMERIC, TEXT_OR(NUMBER, DECIMAL), OPTION},
    {790, 791, "money", PG_FORM_NONE, SAME(STRING), TEXT},
    {25, 1009, "text", PG_FORM_TEXT, SAME(STRING), EXACT},
    {1043, 1015, "character varying", PG_FORM_TEXT, SAME(STRING), EXACT},
    {1042, 1014, "character", PG_FORM_TEXT, SAME(STRING), EXACT},
    {19, 1003, "name", PG_FORM_TEXT, SAME(STRING), EXACT},
    {18, 1002, "\"char\"", PG_FORM_CHAR, SAME(STRING), EXACT},
    {17, 1001, "bytea", PG_FORM_BYTEA, SAME(BYTES), EXACT},
    {1082, 1182, "date", PG_FORM_DATE, SAME(DATE), OPTION},
    {1083, 1183, "time without time zone", PG_FORM_TIME, SAME(TIME), EXACT},
    {1266, 1270, "time with time zone", PG_FORM_TIMETZ, SAME(STRING), TEXT},
    {1114, 1115, "timestamp without time zone", PG_FORM_TIMESTAMP, SAME(TIMESTAMP), OPTION},
    {1184, 1185, "timestamp with time zone", PG_FORM_TIMESTAMPTZ, SAME(TIMESTAMP_UTC), OPTION},
    {1186, 1187, "interval", PG_FORM_INTERVAL, SAME(STRING), TEXT},
    {2950, 2951, "uuid", PG_FORM_UUID, SAME(UUID), EXACT},
    {114, 199, "json", PG_FORM_JSON, TEXT_OR(JSON, STRING), JSON},
    {3802, 3807, "jsonb", PG_FORM_VERSIONED_JSON, TEXT_OR(JSON, STRING), JSON},
    {4072, 4073, "jsonpath", PG_FORM_VERSIONED_TEXT, SAME(STRING), TEXT},
    {142, 143, "xml", PG_FORM_TEXT, SAME(STRING), TEXT},
    {869, 1041, "inet", PG_FORM_INET, SAME(STRING), TEXT},
    {650, 651, "cidr", PG_FORM_INET, SAME(STRING), TEXT},
    {829, 1040, "macaddr", PG_FORM_MACADDR, SAME(STRING), TEXT},
    {774, 775, "macaddr8", PG_FORM_MACADDR, SAME(STRING), TEXT},
    {1560, 1561, "bit", PG_FORM_BIT, SAME(STRING), TEXT},
    {1562, 1563, "bit varying", PG_FORM_BIT, SAME(STRING), TEXT},
    {600, 1017, "point", PG_FORM_NONE, SAME(STRING), TEXT},
    {628, 629, "line", PG_FORM_NONE, SAME(STRING), TEXT},
    {601, 1018, "lseg", PG_FORM_NONE, SAME(STRING), TEXT},
    {603, 1020, "box", PG_FORM_NONE, SAME(STRING), TEXT},
    {602, 1019, "path", PG_FORM_NONE, SAME(STRING), TEXT},
    {604, 1027, "polygon", PG_FORM_NONE, SAME(STRING), TEXT},
    {718, 719, "circle", PG_FORM_NONE, SAME(STRING), TEXT},
    {3614, 3643, "tsvector", PG_FORM_NONE, SAME(STRING), TEXT},
    {3615, 3645, "tsquery", PG_FORM_NONE, SAME(STRING), TEXT},
    {3642, 3644, "gtsvector", PG_FORM_NONE, SAME(STRING), TEXT},
    {3904, 3905, "int4range", PG_FORM_NONE, SAME(STRING), TEXT},
    {3926, 3927, "int8range", PG_FORM_NONE, SAME(STRING), TEXT},
    {3906, 3907, "numrange", PG_FORM_NONE, SAME(STRING), TEXT},
    {3908, 3909, "tsrange", PG_FORM_NONE, SAME(STRING), TEXT},
    {3910, 3911, "tstzrange", PG_FORM_NONE, SAME(STRING), TEXT},
    {3912, 3913, "daterange", PG_FORM_NONE, SAME(STRING), TEXT},
    {4451, 6150, "int4multirange", PG_FORM_NONE, SAME(STRING), TEXT},
    {4536, 6157, "int8multirange", PG_FORM_NONE, SAME(STRING), TEXT},
    {4532, 6151, "nummultirange", PG_FORM_NONE, SAME(STRING), TEXT},
    {4533, 6152, "tsmultirange", PG_FORM_NONE, SAME(STRING), TEXT},
    {4534, 6153, "tstzmultirange", PG_FORM_NONE, SAME(STRING), TEXT},
    {4535, 6155, "datemultirange", PG_FORM_NONE, SAME(STRING), TEXT},
    {26, 1028, "oid", PG_FORM_UINT4, SAME(INT64), EXACT},
    {28, 1011, "xid", PG_FORM_UINT4, SAME(INT64), EXACT},
    {29, 1012, "cid", PG_FORM_UINT4, SAME(INT64), EXACT},
    {5069, 271, "xid8", PG_FORM_UINT8, SAME(STRING), TEXT},
    {3220, 3221, "pg_lsn", PG_FORM_LSN, SAME(STRING), TEXT},
    {27, 1010, "tid", PG_FORM_TID, SAME(STRING), TEXT},
    {2970, 2949, "txid_snapshot", PG_FORM_NONE, SAME(STRING), TEXT},
    {5038, 5039, "pg_snapshot", PG_FORM_NONE, SAME(STRING), TEXT},
    {22, 1006, "int2vector", PG_FORM_NONE, SAME(STRING), TEXT},
    {30, 1013, "oidvector", PG_FORM_NONE, SAME(STRING), TEXT},
    {24, 1008, "regproc", PG_FORM_NONE, SAME(STRING), TEXT},
    {2202, 2207, "regprocedure", PG_FORM_NONE, SAME(STRING), TEXT},
    {2203, 2208, "regoper", PG_FORM_NONE, SAME(STRING), TEXT},
    {2204, 2209, "regoperator", PG_FORM_NONE, SAME(STRING), TEXT},
    {2205, 2210, "regclass", PG_FORM_NONE, SAME(STRING), TEXT},
    {2206, 2211, "regtype", PG_FORM_NONE, SAME(STRING), TEXT},
    {3734, 3735, "regconfig", PG_FORM_NONE, SAME(STRING), TEXT},
    {3769, 3770, "regdictionary", PG_FORM_NONE, SAME(STRING), TEXT},
    {4089, 4090, "regnamespace", PG_FORM_NONE, SAME(STRING), TEXT},
    {4096, 4097, "regrole", PG_FORM_NONE, SAME(STRING), TEXT},
    {4191, 4192, "regcollation", PG_FORM_NONE, SAME(STRING), TEXT},
    {1033, 1034, "aclitem", PG_FORM_NONE, SAME(STRING), TEXT},
    {1790, 2201, "refcursor", PG_FORM_TEXT, SAME(STRING), TEXT},
    {194, 0, "pg_node_tree", PG_FORM_NONE, SAME(STRING), TEXT},
    {3361, 0, "pg_ndistinct", PG_FORM_NONE, SAME(STRING), TEXT},
    {3402, 0, "pg_dependencies", PG_FORM_NONE, SAME(STRING), TEXT},
    {5017, 0, "pg_mcv_list", PG_FORM_NONE, SAME(STRING), TEXT},
    {4600, 0, "pg_brin_bloom_summary", PG_FORM_NONE, SAME(STRING), TEXT},
    {4601, 0, "pg_brin_minmax_multi_summary", PG_FORM_NONE, SAME(STRING), TEXT},
    {705, 0, "unknown", PG_FORM_TEXT, SAME(STRING), EXACT},
    {2275, 1263, "cstring", PG_FORM_TEXT, SAME(STRING), EXACT},
    {2249, 2287, "record", PG_FORM_NONE, SAME(STRING), TEXT},
};
/* clang-format on */

const struct pg_type_row *pg_type_rows(size_t *ret_count)
{
    *ret_count = sizeof rows / sizeof *rows;
    return rows;
}

/* Looked up when a column is planned, not per row: a walk is fast enough. */
const struct pg_type_row *pg_type_row(uint32_t oid)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].oid == oid)
            return &rows[i];
    }
    return NULL;
}
