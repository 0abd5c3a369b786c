/* type: what each PostgreSQL type becomes in each file format. One table (type_table.c) says it all: how the binary send form is read, the
 * column type per format, and how faithful that is. Types that are not read in binary are selected as text by the server.
 *
 * A type comes as a tree that the describer has resolved: domains have a base, arrays an element, composites attributes. Pure. @thread any
 */
#ifndef PENSTOCK_TABLE_POSTGRES_TYPE_H
#define PENSTOCK_TABLE_POSTGRES_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "lake/column.h"
#include "lake/format/table_file.h"

struct pg_attribute {
    const char *name; /* UTF-8 */
    const struct pg_type *type;
    bool dropped; /* its type may be NULL then */
};

/* As pg_type has it. Whoever made the tree owns it; it outlives what is made from it. */
struct pg_type {
    uint32_t oid;
    int32_t typmod; /* of the column, or of a domain's base; an array's is its element's. -1: none */
    char kind; /* typtype: b c d e r m p */
    const char *schema, *name; /* "pg_catalog", "int4" */
    const char *text; /* format_type(): "numeric(10,2)" */
    char category; /* typcategory: A is an array */
    bool has_send; /* a send function exists */
    const struct pg_type *base; /* domains */
    const struct pg_type *element; /* arrays, or NULL */
    const struct pg_attribute *attributes; /* composites, in the order of attnum */
    size_t attributes_count;
};

/* Composites of composites of arrays: what is nested deeper is rendered by the server. */
#define PG_TYPE_DEPTH_MAX 16

enum pg_numeric {
    PG_NUMERIC_DECIMAL, /* a decimal where precision and scale are declared and fit; else the number's text */
    PG_NUMERIC_STRING,
    PG_NUMERIC_DOUBLE, /* values of more than 15 digits are counted */
};

/* Infinite dates and timestamps, NaN and infinities of numeric. */
enum pg_infinity {
    PG_INFINITY_KEEP, /* where the format can say it (JSON lines, delimited text, number's text), else an error */
    PG_INFINITY_NULL, /* NULL, counted */
    PG_INFINITY_STRING, /* Avro, Parquet: such columns are strings as a whole */
    PG_INFINITY_ERROR,
};

/* A list has one dimension and starts at 1. */
enum pg_arrays {
    PG_ARRAYS_LIST, /* Avro, Parquet: a list; else a JSON array of any dimensions. What is lost on that: an error */
    PG_ARRAYS_JSON, /* a JSON array of any dimensions; lower bounds that are not 1 are dropped and counted */
    PG_ARRAYS_TEXT, /* PostgreSQL's text, which says everything: [0:1]={1,2} */
};

/* Types of a format that not every reader of it knows. */
enum pg_own_type {
    PG_OWN_TYPE, /* where the format has one */
    PG_OWN_TYPE_STRING, /* Avro, Parquet: such columns are strings */
};

struct pg_type_options {
    enum table_format format;
    enum pg_numeric numeric;
    uint8_t numeric_precision,
        numeric_scale; /* PG_NUMERIC_DECIMAL in Avro and Parquet: of what declares none; 0: none is given */
    enum pg_infinity infinity;
    enum pg_arrays arrays;
    enum pg_own_type uuid, time; /* time: without time zone; with one it is a string in any case */
    bool json_type; /* Avro, Parquet: json and what is rendered as such is COLUMN_JSON, else COLUMN_STRING */
    bool bytea_hex; /* bytea within JSON: hexadecimal, else base64 */
    bool
        copied; /* values look as COPY writes them in text: what column types do not print so comes as text */
    bool sql_ascii; /* the database's encoding is SQL_ASCII: what claims to be text is checked */
};

/* How faithful a column is. */
enum pg_grade {
    PG_EXACT, /* every value */
    PG_BY_OPTION, /* exact, but for values that the column type has not; an option says what becomes of them */
    PG_AS_TEXT, /* its text, PostgreSQL's or JSON: exact, but the column does not know the type */
    PG_LOSSY, /* what an option asked for */
};

/* What COPY BINARY sends for a value (the type's send function). */
enum pg_form {
    PG_FORM_NONE, /* not read in binary */
    PG_FORM_BOOL,
    PG_FORM_INT2,
    PG_FORM_INT4,
    PG_FORM_INT8,
    PG_FORM_UINT4, /* oid, xid, cid */
    PG_FORM_UINT8, /* xid8 */
    PG_FORM_FLOAT4,
    PG_FORM_FLOAT8,
    PG_FORM_NUMERIC,
    PG_FORM_TEXT,
    PG_FORM_CHAR, /* "char": one byte */
    PG_FORM_JSON,
    PG_FORM_VERSIONED_JSON, /* jsonb: a version byte, then JSON */
    PG_FORM_VERSIONED_TEXT, /* jsonpath: a version byte, then text */
    PG_FORM_BYTEA,
    PG_FORM_DATE,
    PG_FORM_TIME,
    PG_FORM_TIMETZ,
    PG_FORM_TIMESTAMP,
    PG_FORM_TIMESTAMPTZ,
    PG_FORM_INTERVAL,
    PG_FORM_UUID,
    PG_FORM_INET, /* cidr, too */
    PG_FORM_MACADDR, /* 6 bytes, macaddr8: 8 */
    PG_FORM_BIT,
    PG_FORM_LSN,
    PG_FORM_TID,
    PG_FORM_ARRAY,
    PG_FORM_COMPOSITE,
    PG_FORMS
};

struct pg_type_row {
    uint32_t oid, array; /* array: the OID of arrays of it, or 0 */
    const char *name;
    enum pg_form form;
    enum column_type columns[4]; /* by enum table_format; numeric: where precision and scale are declared */
    enum pg_grade grades[4];
};

/* What the server is asked to make of a column before it sends it. */
enum pg_cast {
    PG_CAST_NONE,
    PG_CAST_TEXT, /* "column"::text */
    PG_CAST_TEXTS, /* "column"::text[], an array of what is not read in binary */
    PG_CAST_JSON, /* to_json("column")::text, a composite of it */
    PG_CAST_XML, /* what its output function makes of it: its cast to text keeps a declaration */
    PG_CAST_BIT, /* of one bit: boolean */
    PG_CASTS
};

/* What a column becomes. */
struct pg_mapping {
    const struct pg_type *type; /* behind domains */
    const struct pg_type *own,
        *wanted; /* the column's in its table, and what the user wants; NULL: nothing else */
    struct column_field field; /* its name is left to the caller */
    enum pg_form form; /* of what arrives, that is, behind the cast */
    enum pg_grade grade;
    enum pg_cast cast;
    const char *before, *after; /* the cast in a select list: BEFORE "column" AFTER, both "" without one */
};

/* Always finds something: the last resort is text. ret_mapping->field.name is NULL. */
void pg_type_map(
    const struct pg_type *type, const struct pg_type_options *options, struct pg_mapping *ret_mapping);

/* The row of a built-in type, or NULL. */
const struct pg_type_row *pg_type_row(uint32_t oid);
/* The rows in the order of the documentation; ret_count: how many. */
const struct pg_type_row *pg_type_rows(size_t *ret_count);
/* Behind its domains. */
const struct pg_type *pg_type_base(const struct pg_type *type);
/* How a value of it arrives when it is not cast; PG_FORM_NONE: it must be. */
enum pg_form pg_type_form(const struct pg_type *type);
/* Precision and scale of a DECIMAL that holds all of numeric(p,s); false where there is none. Scales below 0 and above the precision
 * (PostgreSQL 15) are taken. */
bool pg_type_decimal(int32_t typmod, uint8_t *ret_precision, uint8_t *ret_scale);

const char *pg_grade_name(enum pg_grade grade);
/* "decimal(10,2), exact"; "list of string, by option"; for a plan that is printed. */
int pg_type_explain(const struct pg_mapping *mapping, struct bytes *out, struct error *error);
/* The table of all types and formats, in Markdown. */
int pg_type_print(struct bytes *out, struct error *error);

#endif
