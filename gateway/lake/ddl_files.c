/* ddl_files: tables of files that somebody else writes, for Hive, Spark and Trino; see ddl.h.
 *
 * Hive's tables have its own readers (Language Manual, DDL), Spark's the native ones of its data sources (USING), which know times, quotes and names;
 * Trino's are those of its Hive connector. Engines know one name for each column, whatever its case.
 */
#include <stdlib.h>
#include <strings.h>

#include "lake/ddl.h"
#include "lake/format/avro_schema.h"

#define FILES_NAME_MAX 128
#define FILES_SCHEMA_MAX ((size_t)1 << 20)

static const char *const files_engines[] = {
    [DDL_HIVE] = "Hive", [DDL_SPARK] = "Spark", [DDL_TRINO] = "Trino"};

/* ---- names and texts ------------------------------------------------------------------------------------------ */

static int files_name(
    const struct ddl_files *files, struct slice name, struct bytes *text, struct error *error)
{
    const char *quote = files->engine == DDL_TRINO ? "\"" : "`";

    return bytes_add(text, quote, 1, error) || bytes_add(text, name.data, name.length, error) ||
                   bytes_add(text, quote, 1, error)
               ? -1
               : 0;
}

/* Trino doubles a quote; the others take a backslash before one, and before itself. */
static int files_text(
    const struct ddl_files *files, struct slice value, struct bytes *text, struct error *error)
{
    const bool trino = files->engine == DDL_TRINO;

    if (bytes_add(text, "'", 1, error))
        return -1;
    for (size_t i = 0; i < value.length; i++) {
        const char byte = value.data[i];
        if ((byte == '\'' && bytes_add_text(text, trino ? "'" : "\\", error)) ||
            (byte == '\\' && !trino && bytes_add(text, "\\", 1, error)) || bytes_add(text, &byte, 1, error))
            return -1;
    }
    return bytes_add(text, "'", 1, error);
}

static struct slice files_database(const struct ddl_files *files)
{
    const char *point = strchr(files->table, '.');

    return point ? (struct slice){files->table, (size_t)(point - files->table)} : (struct slice){NULL, 0};
}

static struct slice files_table(const struct ddl_files *files)
{
    const char *point = strchr(files->table, '.');

    return slice_of(point ? point + 1 : files->table);
}

static int files_table_name(const struct ddl_files *files, struct bytes *text, struct error *error)
{
    const struct slice database = files_database(files);

    return (database.length &&
               (files_name(files, database, text, error) || bytes_add(text, ".", 1, error))) ||
                   files_name(files, files_table(files), text, error)
               ? -1
               : 0;
}

/* ---- types ---------------------------------------------------------------------------------------------------- */

static const char *files_string(const struct ddl_files *files)
{
    return files->engine == DDL_TRINO ? "VARCHAR" : "STRING";
}

/* Hive's own reader of Avro has times of milliseconds only; those of text want a form of their own. */
static const char *files_time(const struct ddl_files *files)
{
    if (files->engine == DDL_SPARK || files->kind == DDL_PARQUET)
        return files->engine == DDL_TRINO ? "TIMESTAMP(3)" : "TIMESTAMP";
    return files->kind == DDL_AVRO ? "BIGINT" : files_string(files);
}

/* NULL: it cannot be read. OpenCSV, which Hive and Trino have for CSV with quotes, has strings only. */
static const char *files_type(const struct ddl_files *files, const struct column_field *field)
{
    const bool binary = files->kind == DDL_PARQUET || files->kind == DDL_AVRO;

    if (files->kind == DDL_CSV && files->engine != DDL_SPARK)
        return files_string(files);
    switch (field->type) {
    case COLUMN_BOOL:
        return "BOOLEAN";
    case COLUMN_INT64:
        return "BIGINT";
    case COLUMN_FLOAT64:
        return "DOUBLE";
    case COLUMN_STRING:
        return files_string(files);
    case COLUMN_JSON: /* an object is no string to the readers of Hive and Trino */
        return files->kind == DDL_JSON && files->engine != DDL_SPARK ? NULL : files_string(files);
    case COLUMN_TIMESTAMP_UTC:
        return files_time(files);
    case COLUMN_BYTES:
        return !binary ? files_string(files) : files->engine == DDL_TRINO ? "VARBINARY" : "BINARY";
    default:
        return NULL;
    }
}

/* Avro's names are letters, digits and _; the file has another one then (avro_schema.h). Hive has the schema beside it. */
static bool files_has_name(const struct ddl_files *files, const char *name)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";

    return files->kind != DDL_AVRO || files->engine == DDL_HIVE ||
           (name[strspn(name, plain)] == '\0' && (*name < '0' || *name > '9'));
}

static const char *files_column(const struct ddl_files *files, const struct column_field *field)
{
    return files_has_name(files, field->name) ? files_type(files, field) : NULL;
}

/* ---- what goes ------------------------------------------------------------------------------------------------ */

static int files_check_name(const struct ddl_files *files, struct slice name, struct error *error)
{
    for (size_t i = 0; i < name.length; i++)
        if ((unsigned char)name.data[i] < ' ' || strchr("`\"',;", name.data[i]))
            return error_set(error, ERROR_REJECT,
                "%.*s: %s or its clients do not take a name with ` \" ' , ; or a line break",
                (int)name.length, name.data, files_engines[files->engine]);
    return 0;
}

static int files_check_table(const struct ddl_files *files, struct error *error)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    const struct slice database = files_database(files), table = files_table(files);

    if (table.length && table.data[strspn(table.data, plain)] == '\0' && table.length <= FILES_NAME_MAX &&
        strspn(files->table, plain) >= database.length && database.length <= FILES_NAME_MAX &&
        *files->table != '.')
        return 0;
    return error_set(error, ERROR_REJECT,
        "the table \"%.200s\": NAME or DATABASE.NAME, of letters of ASCII, digits and _, at most %d each",
        files->table, FILES_NAME_MAX);
}

static bool files_same(struct slice a, const char *b)
{
    return a.length == strlen(b) && strncasecmp(a.data, b, a.length) == 0;
}

static int files_check_partition(const struct ddl_files *files, size_t at, struct error *error)
{
    const struct slice name = files->partitions[at].name;

    if (files_check_name(files, name, error))
        return error_wrap(error, "partitions");
    for (size_t i = 0; i < at; i++)
        if (files->partitions[i].name.length == name.length &&
            strncasecmp(files->partitions[i].name.data, name.data, name.length) == 0)
            return error_set(
                error, ERROR_REJECT, "two directories are called %.*s=", (int)name.length, name.data);
    for (size_t i = 0; i < files->fields_count; i++)
        if (files_same(name, files->fields[i].name))
            return error_set(error, ERROR_REJECT,
                "the directory %.*s=: the files have a column %s, and engines know each name once; call the directory otherwise, as %.*s_is=",
                (int)name.length, name.data, files->fields[i].name, (int)name.length, name.data);
    return 0;
}

static int files_check(const struct ddl_files *files, struct error *error)
{
    if (files_check_table(files, error))
        return -1;
    for (size_t i = 0; i < files->fields_count; i++) {
        const char *name = files->fields[i].name;
        if (files_check_name(files, slice_of(name), error))
            return error_wrap(error, "columns");
        for (size_t k = 0; k < i; k++)
            if (files_same(slice_of(name), files->fields[k].name))
                return error_set(error, ERROR_REJECT, "the columns %s and %s: %s does not know them apart",
                    files->fields[k].name, name, files_engines[files->engine]);
    }
    for (size_t i = 0; i < files->partitions_count; i++)
        if (files_check_partition(files, i, error))
            return -1;
    for (const char *at = files->location; *at; at++)
        if ((unsigned char)*at < ' ' || *at == ';')
            return error_set(error, ERROR_REJECT, "the location \"%.200s\": no ; and no control characters",
                files->location);
    return 0;
}

/* ---- columns -------------------------------------------------------------------------------------------------- */

static int files_left_out(const struct ddl_files *files, struct bytes *text, struct error *error)
{
    for (size_t i = 0; i < files->fields_count; i++)
        if (!files_column(files, &files->fields[i]) &&
            bytes_print(text, error, "-- Left out, for %s cannot read it from such files: the column %s.\n",
                files_engines[files->engine], files->fields[i].name))
            return -1;
    return 0;
}

static int files_partition_type(
    const struct ddl_files *files, size_t at, struct bytes *text, struct error *error)
{
    return files_name(files, files->partitions[at].name, text, error) ||
                   bytes_print(
                       text, error, " %s", files->partitions[at].is_date ? "DATE" : files_string(files))
               ? -1
               : 0;
}

/* Hive has its partitions elsewhere. */
static int files_columns(const struct ddl_files *files, struct bytes *text, struct error *error)
{
    const char *between = "(\n  ";

    for (size_t i = 0; i < files->fields_count; i++) {
        const char *type = files_column(files, &files->fields[i]);
        if (!type)
            continue;
        if (bytes_add_text(text, between, error) ||
            files_name(files, slice_of(files->fields[i].name), text, error) ||
            bytes_print(text, error, " %s", type))
            return -1;
        between = ",\n  ";
    }
    for (size_t i = 0; files->engine != DDL_HIVE && i < files->partitions_count; i++) {
        if (bytes_add_text(text, between, error) || files_partition_type(files, i, text, error))
            return -1;
        between = ",\n  ";
    }
    return bytes_add_text(text, ")\n", error);
}

/* With their types, or as texts, or as names. */
static int files_partitions(const struct ddl_files *files, struct bytes *text, struct error *error)
{
    for (size_t i = 0; i < files->partitions_count; i++) {
        const struct slice name = files->partitions[i].name;
        if ((i && bytes_add_text(text, ", ", error)) ||
            (files->engine == DDL_HIVE       ? files_partition_type(files, i, text, error)
                : files->engine == DDL_SPARK ? files_name(files, name, text, error)
                                             : files_text(files, name, text, error)))
            return -1;
    }
    return 0;
}

/* ---- engines -------------------------------------------------------------------------------------------------- */

static int files_avro(const struct ddl_files *files, struct bytes *text, struct error *error)
{
    cleanup_bytes struct bytes schema;

    bytes_init(&schema, FILES_SCHEMA_MAX);
    return avro_schema(&schema, files->record, files->fields, files->fields_count, error) ||
                   bytes_add_text(text, "\nTBLPROPERTIES ('avro.schema.literal'=", error) ||
                   files_text(files, bytes_slice(&schema), text, error) || bytes_add(text, ")", 1, error)
               ? -1
               : 0;
}

/* No character of JSON's own is \001, and hardly one of its texts: without an escape a backslash is one. */
static const char *const files_hive_stored[] = {
    [DDL_PARQUET] = "STORED AS PARQUET",
    [DDL_AVRO] = "STORED AS AVRO",
    [DDL_CSV] =
        "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde' WITH SERDEPROPERTIES ('escapeChar'='\\001')\nSTORED AS TEXTFILE",
    [DDL_JSON] = "ROW FORMAT SERDE 'org.apache.hive.hcatalog.data.JsonSerDe'\nSTORED AS TEXTFILE",
    [DDL_LINES] =
        "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.RegexSerDe' WITH SERDEPROPERTIES ('input.regex'='(.*)')\nSTORED AS TEXTFILE",
};

static int files_hive(const struct ddl_files *files, struct bytes *text, struct error *error)
{
    if (bytes_add_text(text, "CREATE EXTERNAL TABLE IF NOT EXISTS ", error) ||
        files_table_name(files, text, error) || bytes_add(text, " ", 1, error) ||
        files_columns(files, text, error))
        return -1;
    if (files->partitions_count &&
        (bytes_add_text(text, "PARTITIONED BY (", error) || files_partitions(files, text, error) ||
            bytes_add_text(text, ")\n", error)))
        return -1;
    if (bytes_print(text, error, "%s\nLOCATION ", files_hive_stored[files->kind]) ||
        files_text(files, slice_of(files->location), text, error))
        return -1;
    if ((files->kind == DDL_AVRO && files_avro(files, text, error)) ||
        (files->kind == DDL_CSV &&
            bytes_add_text(text, "\nTBLPROPERTIES ('skip.header.line.count'='1')", error)))
        return -1;
    return 0;
}

/* Nobody writes \0 into CSV: so an empty field is NULL, and "" is a text. */
static const char *const files_spark_using[] = {
    [DDL_PARQUET] = "parquet",
    [DDL_AVRO] = "avro",
    [DDL_CSV] = "csv OPTIONS (header 'true', escape '\"', multiLine 'true', lineSep '\\n', nullValue '\\0')",
    [DDL_JSON] = "json",
    [DDL_LINES] = "text OPTIONS (lineSep '\\n')",
};

static int files_spark(const struct ddl_files *files, struct bytes *text, struct error *error)
{
    if (bytes_add_text(text, "CREATE TABLE IF NOT EXISTS ", error) || files_table_name(files, text, error) ||
        bytes_add(text, " ", 1, error) || files_columns(files, text, error) ||
        bytes_print(text, error, "USING %s\n", files_spark_using[files->kind]))
        return -1;
    if (files->partitions_count &&
        (bytes_add_text(text, "PARTITIONED BY (", error) || files_partitions(files, text, error) ||
            bytes_add_text(text, ")\n", error)))
        return -1;
    return bytes_add_text(text, "LOCATION ", error) ||
                   files_text(files, slice_of(files->location), text, error)
               ? -1
               : 0;
}

static const char *const files_trino_with[] = {
    [DDL_PARQUET] = "format = 'PARQUET'",
    [DDL_AVRO] = "format = 'AVRO'",
    [DDL_CSV] = "format = 'CSV', csv_escape = U&'\\0001', skip_header_line_count = 1",
    [DDL_JSON] = "format = 'JSON'",
    [DDL_LINES] = "format = 'REGEX', regex = '(.*)'",
};

static int files_trino(const struct ddl_files *files, struct bytes *text, struct error *error)
{
    if (bytes_add_text(text, "CREATE TABLE IF NOT EXISTS ", error) || files_table_name(files, text, error) ||
        bytes_add(text, " ", 1, error) || files_columns(files, text, error) ||
        bytes_print(text, error, "WITH (%s,\n  external_location = ", files_trino_with[files->kind]) ||
        files_text(files, slice_of(files->location), text, error))
        return -1;
    if (files->partitions_count &&
        (bytes_add_text(text, ",\n  partitioned_by = ARRAY[", error) ||
            files_partitions(files, text, error) || bytes_add_text(text, "]", error)))
        return -1;
    return bytes_add_text(text, ")", error);
}

static int files_register(const struct ddl_files *files, struct bytes *text, struct error *error)
{
    const struct slice database = files_database(files);

    if (files->engine != DDL_TRINO)
        return bytes_add_text(text, "MSCK REPAIR TABLE ", error) || files_table_name(files, text, error) ||
                       bytes_add_text(text, ";\n", error)
                   ? -1
                   : 0;
    return bytes_add_text(text, "CALL system.sync_partition_metadata(", error) ||
                   files_text(files, database.length ? database : slice_of("default"), text, error) ||
                   bytes_add_text(text, ", ", error) || files_text(files, files_table(files), text, error) ||
                   bytes_add_text(text, ", 'ADD');\n", error)
               ? -1
               : 0;
}

int ddl_files_create(const struct ddl_files *files, struct bytes *text, struct error *error)
{
    static int (*const engines[])(const struct ddl_files *, struct bytes *, struct error *) = {
        [DDL_HIVE] = files_hive, [DDL_SPARK] = files_spark, [DDL_TRINO] = files_trino};

    return files_check(files, error) || files_left_out(files, text, error) ||
                   engines[files->engine](files, text, error) || bytes_add_text(text, ";\n", error) ||
                   (files->partitions_count && files_register(files, text, error))
               ? -1
               : 0;
}
