/* ddl: the statements by which Hive, and Spark with Hive's tables, know files of tables (lake/format/table_file.h): CREATE TABLE and LOAD DATA.
 *
 * Every statement ends in a semicolon and a line break, and is what beeline and spark-sql take from a file. Names stand in backticks, texts in
 * Hive's quotes, delimiters as octal numbers. Text follows Sqoop's mapping of types, but where that loses digits: numeric(p,s) is DECIMAL(p,s). Avro
 * has its schema beside the columns, since Hive looks for fields by their exact names; it reads times of microseconds as what they are, numbers. Pure.
 * @thread any
 */
#ifndef PENSTOCK_LAKE_DDL_H
#define PENSTOCK_LAKE_DDL_H

#include "lake/format/table_file.h"
#include "record/record.h"

struct ddl_column {
    struct column_field
        field; /* of text also COLUMN_NUMBER has precision and scale, where they are declared */
    const char *type; /* Hive's own words instead of what the field becomes; NULL: none */
};

struct ddl_table {
    const char *database; /* NULL: the one that is in use */
    const char *name;
    const char *record; /* what the rows are called in the files (table_file_options.name): of Avro */
    const struct ddl_column *columns;
    size_t columns_count;
    enum table_format format; /* not TABLE_JSON_LINES: Hive has no reader of its own for it before 4.0 */
    const struct delimited_options *delimited; /* TABLE_DELIMITED only */
    const char *partition_key,
        *partition_value; /* a column of strings that the files do not have; NULL: none */
    const char *location; /* the table is an external one, there; NULL: it is Hive's own */
    bool must_be_new; /* one that is there is an error */
};

/* ERROR_REJECT: Hive cannot have such a table; the text says why. */
int ddl_hive_create(const struct ddl_table *table, struct bytes *text, struct error *error);

/* Copies the files of a directory of the machine that runs the statement into the table, or into its partition. overwrite: instead of what is there. ERROR_REJECT: Hive would take
 * the path for a pattern. */
int ddl_hive_load(const struct ddl_table *table, const char *directory, bool overwrite, struct bytes *text,
    struct error *error);

/* The same where there is no file: instead of what is there nothing. */
int ddl_hive_empty(const struct ddl_table *table, struct bytes *text, struct error *error);

/* ---- files that others write (ddl_files.c) -------------------------------------------------------------------- */

enum ddl_engine { DDL_HIVE, DDL_SPARK, DDL_TRINO };

enum ddl_kind {
    DDL_PARQUET,
    DDL_AVRO,
    DDL_CSV, /* RFC 4180, names first */
    DDL_JSON, /* an object a line */
    DDL_LINES, /* one column, of strings */
};

struct ddl_partition {
    struct slice name;
    bool is_date;
};

struct ddl_files {
    enum ddl_engine engine;
    enum ddl_kind kind;
    const char *table; /* NAME, or DATABASE.NAME */
    const char *record; /* of Avro: what the rows are called in the files */
    const struct column_field *fields;
    size_t fields_count;
    const struct ddl_partition *partitions;
    size_t partitions_count;
    const char *location; /* a URL, as the engine wants it */
};

/* Appends the statements for a table of these files, and for its partitions; a column that the engine cannot read is left out, and a comment says so.
 * ERROR_REJECT: there can be no such table. */
int ddl_files_create(const struct ddl_files *files, struct bytes *text, struct error *error);

/* The same of a stream's files: kind, record and fields follow. form: with the columns of its schema, also where its files are lines. */
int ddl_stream_create(const struct ddl_files *how, const char *stream, enum record_format format,
    const struct form *form, struct bytes *text, struct error *error);

#endif
