/* ddl: see ddl.h. Grammar: Hive's Language Manual, DDL and DML; escapes in texts: BaseSemanticAnalyzer.unescapeSQLString(). */
#include "lake/ddl.h"

#include <stdlib.h>
#include <strings.h>

#include "lake/format/avro_schema.h"

#define DDL_SCHEMA_MAX ((size_t)1 << 20)
#define DDL_NULL_MAX ((size_t)64 * 1024)

/* ---- names and texts --------------------------------------------------------------------------------------------------- */

static int ddl_name(const char *name, struct bytes *text, struct error *error)
{
    if (bytes_add(text, "`", 1, error))
        return -1;
    for (; *name; name++)
        if ((*name == '`' && bytes_add(text, "`", 1, error)) || bytes_add(text, name, 1, error))
            return -1;
    return bytes_add(text, "`", 1, error);
}

/* Of tables and databases Hive takes nothing else, quoted or not. */
static int ddl_check_name(const char *what, const char *name, struct error *error)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

    if (*name && name[strspn(name, plain)] == '\0')
        return 0;
    return error_set(
        error, ERROR_REJECT, "the %s \"%.200s\": Hive takes letters of ASCII, digits and _ only", what, name);
}

static int ddl_table_name(const struct ddl_table *table, struct bytes *text, struct error *error)
{
    if (ddl_check_name("table", table->name, error) ||
        (table->database && ddl_check_name("database", table->database, error)))
        return -1;
    if (table->database && (ddl_name(table->database, text, error) || bytes_add(text, ".", 1, error)))
        return -1;
    return ddl_name(table->name, text, error);
}

/* A semicolon within quotes ends a statement for some clients, a line break for others. */
static int ddl_text(struct slice value, struct bytes *text, struct error *error)
{
    if (bytes_add(text, "'", 1, error))
        return -1;
    for (size_t i = 0; i < value.length; i++) {
        const unsigned char byte = (unsigned char)value.data[i];
        const bool octal = byte < ' ' || byte == 0x7f || byte == ';';
        if (octal ? bytes_print(text, error, "\\%03o", byte)
                  : ((byte == '\'' || byte == '\\') && bytes_add(text, "\\", 1, error)) ||
                        bytes_add(text, &value.data[i], 1, error))
            return -1;
    }
    return bytes_add(text, "'", 1, error);
}

/* Hive reads a delimiter as a signed number where it can: the character 1 has to be called 49. */
static int ddl_delimiter(const char *words, char delimiter, struct bytes *text, struct error *error)
{
    const signed char number = (signed char)delimiter;

    return (delimiter >= '0' && delimiter <= '9') || number < 0
               ? bytes_print(text, error, " %s '%d'", words, number)
               : bytes_print(text, error, " %s '\\%03o'", words, (unsigned)number);
}

/* ---- types ------------------------------------------------------------------------------------------------------------- */

static const char *const ddl_text_types[] = {
    [COLUMN_BOOL] = "BOOLEAN",
    [COLUMN_INT32] = "INT",
    [COLUMN_INT64] = "BIGINT",
    [COLUMN_FLOAT32] = "DOUBLE",
    [COLUMN_FLOAT64] = "DOUBLE",
    [COLUMN_DATE] = "STRING",
    [COLUMN_TIME] = "STRING",
    [COLUMN_TIMESTAMP] = "STRING",
    [COLUMN_TIMESTAMP_UTC] = "STRING",
    [COLUMN_UUID] = "STRING",
    [COLUMN_NUMBER] = "DOUBLE",
    [COLUMN_STRING] = "STRING",
    [COLUMN_JSON] = "STRING",
    [COLUMN_BYTES] = "STRING",
    [COLUMN_LIST] = "STRING",
};

static const char *const ddl_parquet_types[] = {
    [COLUMN_BOOL] = "BOOLEAN",
    [COLUMN_INT32] = "INT",
    [COLUMN_INT64] = "BIGINT",
    [COLUMN_FLOAT32] = "FLOAT",
    [COLUMN_FLOAT64] = "DOUBLE",
    [COLUMN_DATE] = "DATE",
    [COLUMN_TIME] = "BIGINT",
    [COLUMN_TIMESTAMP] = "TIMESTAMP",
    [COLUMN_TIMESTAMP_UTC] = "TIMESTAMP",
    [COLUMN_UUID] = "BINARY",
    [COLUMN_NUMBER] = "STRING",
    [COLUMN_STRING] = "STRING",
    [COLUMN_JSON] = "STRING",
    [COLUMN_BYTES] = "BINARY",
};

/* Hive's Avro has timestamps of milliseconds only: microseconds would be taken for them. */
static const char *const ddl_avro_types[] = {
    [COLUMN_BOOL] = "BOOLEAN",
    [COLUMN_INT32] = "INT",
    [COLUMN_INT64] = "BIGINT",
    [COLUMN_FLOAT32] = "FLOAT",
    [COLUMN_FLOAT64] = "DOUBLE",
    [COLUMN_DATE] = "DATE",
    [COLUMN_TIME] = "BIGINT",
    [COLUMN_TIMESTAMP] = "BIGINT",
    [COLUMN_TIMESTAMP_UTC] = "BIGINT",
    [COLUMN_UUID] = "STRING",
    [COLUMN_NUMBER] = "STRING",
    [COLUMN_STRING] = "STRING",
    [COLUMN_JSON] = "STRING",
    [COLUMN_BYTES] = "BINARY",
};

static const char *const *const ddl_types[] = {
    [TABLE_DELIMITED] = ddl_text_types, [TABLE_AVRO] = ddl_avro_types, [TABLE_PARQUET] = ddl_parquet_types};

/* Any others are NULL to it. */
static bool ddl_has_hives_booleans(const struct delimited_options *delimited)
{
    const struct slice yes = delimited->true_text, no = delimited->false_text;

    return (!yes.data || (yes.length == 4 && strncasecmp(yes.data, "true", 4) == 0)) &&
           (!no.data || (no.length == 5 && strncasecmp(no.data, "false", 5) == 0));
}

static int ddl_type(
    const struct ddl_table *table, const struct ddl_column *column, struct bytes *text, struct error *error)
{
    const struct column_field *field = &column->field;
    const bool list = field->type == COLUMN_LIST && table->format != TABLE_DELIMITED;
    const enum column_type type = list ? field->element : field->type;
    const bool decimal = type == COLUMN_DECIMAL ||
                         (type == COLUMN_NUMBER && field->precision && table->format == TABLE_DELIMITED);

    if (column->type)
        return bytes_add_text(text, column->type, error);
    if (type == COLUMN_BOOL && table->format == TABLE_DELIMITED && !ddl_has_hives_booleans(table->delimited))
        return bytes_add_text(text, "STRING", error);
    if (list && bytes_add_text(text, "ARRAY<", error))
        return -1;
    if (decimal ? bytes_print(text, error, "DECIMAL(%u,%u)", field->precision, field->scale)
                : bytes_add_text(text, ddl_types[table->format][type], error))
        return -1;
    return list ? bytes_add(text, ">", 1, error) : 0;
}

/* ---- columns ----------------------------------------------------------------------------------------------------------- */

/* Clients take a file apart before Hive sees it, and know texts and comments, but no backticks. A metastore has lists of names with commas. */
static int ddl_check_column_name(const char *what, const char *name, struct error *error)
{
    bool apart = strstr(name, "--") || strstr(name, "/*");

    for (const char *at = name; *at; at++)
        apart |= (unsigned char)*at < ' ' || strchr(",;'\"", *at);
    return apart
               ? error_set(error, ERROR_REJECT,
                     "the %s %.200s: Hive or its clients do not take a name with , ; ' \" -- /* or a line break: give it another name in a query",
                     what, name)
               : 0;
}

static int ddl_check_columns(const struct ddl_table *table, struct error *error)
{
    const char *key = table->partition_key;

    if (table->columns_count == 0)
        return error_set(error, ERROR_REJECT, "the table %s: Hive has none without columns", table->name);
    if (key && ddl_check_column_name("partition key", key, error))
        return -1;
    for (size_t i = 0; i < table->columns_count; i++) {
        const char *name = table->columns[i].field.name;
        if (ddl_check_column_name("column", name, error))
            return -1;
        if (key && strcasecmp(key, name) == 0)
            return error_set(error, ERROR_REJECT,
                "the partition key %.200s: a column is called so, and Hive has each name once", key);
        for (size_t k = 0; k < i; k++)
            if (strcasecmp(table->columns[k].field.name, name) == 0)
                return error_set(error, ERROR_REJECT,
                    "the columns %.200s and %.200s: Hive does not know them apart; give one another name in a query",
                    table->columns[k].field.name, name);
    }
    return 0;
}

static int ddl_columns(const struct ddl_table *table, struct bytes *text, struct error *error)
{
    for (size_t i = 0; i < table->columns_count; i++) {
        const struct ddl_column *column = &table->columns[i];
        if (bytes_add_text(text, i ? ",\n  " : "(\n  ", error) || ddl_name(column->field.name, text, error) ||
            bytes_add(text, " ", 1, error) || ddl_type(table, column, text, error))
            return -1;
    }
    if (bytes_add_text(text, ")\n", error))
        return -1;
    if (!table->partition_key)
        return 0;
    return bytes_add_text(text, "PARTITIONED BY (", error) || ddl_name(table->partition_key, text, error) ||
                   bytes_add_text(text, " STRING)\n", error)
               ? -1
               : 0;
}

/* ---- formats ----------------------------------------------------------------------------------------------------------- */

/* As it stands in the file, which is what Hive looks at: delimited.c says what Sqoop does to it. */
static int ddl_null(const struct delimited_options *delimited, struct bytes *written, struct error *error)
{
    const bool java = delimited->style == DELIMITED_JAVA, quotes = delimited->quoting != DELIMITED_QUOTE_NONE;
    bool enclosed = java && delimited->quoting == DELIMITED_QUOTE_ALL;

    for (size_t i = 0; i < delimited->null_string.length; i++) {
        const char byte = delimited->null_string.data[i];
        const bool terminator = byte == delimited->field || byte == delimited->line;
        const bool special =
            byte == delimited->escape || (quotes ? byte == delimited->enclosure : terminator);
        enclosed |= java && quotes && terminator;
        if ((java && delimited->escape && special && bytes_add(written, &delimited->escape, 1, error)) ||
            bytes_add(written, &byte, 1, error))
            return -1;
    }
    if (!enclosed)
        return 0;
    if (bytes_reserve(written, 2, error))
        return -1;
    memmove(written->data + 1, written->data, written->length);
    written->data[0] = written->data[written->length + 1] = delimited->enclosure;
    written->length += 2;
    return 0;
}

/* Hive knows one text for NULL. Of a number any other is NULL, too; of what is a string there it would be that text. */
static int ddl_check_null(const struct ddl_table *table, struct error *error)
{
    if (slice_equal(table->delimited->null_string, table->delimited->null_other))
        return 0;
    for (size_t i = 0; i < table->columns_count; i++) {
        const enum column_type type = table->columns[i].field.type;
        const bool written_as_string =
            type == COLUMN_STRING || type == COLUMN_JSON || type == COLUMN_UUID || type == COLUMN_LIST;
        if (!written_as_string && type != COLUMN_DECIMAL && strcmp(ddl_text_types[type], "STRING") == 0)
            return error_set(error, ERROR_REJECT,
                "the column %.200s is a string in Hive, and its NULL is not written as that of strings is: NULL has to look the same in all columns",
                table->columns[i].field.name);
    }
    return 0;
}

static int ddl_delimited(const struct ddl_table *table, struct bytes *text, struct error *error)
{
    const struct delimited_options *delimited = table->delimited;

    if (delimited->line != '\n')
        return error_set(error, ERROR_REJECT, "lines have to end in \\n: Hive reads no others");
    if (ddl_check_null(table, error) || bytes_add_text(text, "ROW FORMAT DELIMITED", error) ||
        ddl_delimiter("FIELDS TERMINATED BY", delimited->field, text, error) ||
        (delimited->escape && delimited->style != DELIMITED_POSTGRES &&
            ddl_delimiter("ESCAPED BY", delimited->escape, text, error)) ||
        ddl_delimiter("LINES TERMINATED BY", delimited->line, text, error))
        return -1;
    return bytes_add_text(text, "\nSTORED AS TEXTFILE", error);
}

/* Spark reads NULL DEFINED AS and forgets it; the property is known to both. */
static int ddl_null_property(const struct ddl_table *table, struct bytes *text, struct error *error)
{
    cleanup_bytes struct bytes null;

    bytes_init(&null, DDL_NULL_MAX);
    return ddl_null(table->delimited, &null, error) ||
                   bytes_add_text(text, "\nTBLPROPERTIES ('serialization.null.format'=", error) ||
                   ddl_text(bytes_slice(&null), text, error) || bytes_add(text, ")", 1, error)
               ? -1
               : 0;
}

static int ddl_avro_schema(const struct ddl_table *table, struct bytes *text, struct error *error)
{
    struct column_field *fields = calloc(table->columns_count, sizeof *fields);
    cleanup_bytes struct bytes schema;
    int result = -1;

    bytes_init(&schema, DDL_SCHEMA_MAX);
    for (size_t i = 0; fields && i < table->columns_count; i++)
        fields[i] = table->columns[i].field;
    if (!fields)
        error_set(error, ERROR_RETRY, "out of memory"); /* GCOVR_EXCL_LINE: out of memory */
    else
        result = avro_schema(&schema, table->record, fields, table->columns_count, error) ||
                 bytes_add_text(text, "\nTBLPROPERTIES ('avro.schema.literal'=", error) ||
                 ddl_text(bytes_slice(&schema), text, error) || bytes_add(text, ")", 1, error);
    free(fields);
    return result ? -1 : 0;
}

/* ---- statements -------------------------------------------------------------------------------------------------------- */

int ddl_hive_create(const struct ddl_table *table, struct bytes *text, struct error *error)
{
    if (table->format == TABLE_JSON_LINES)
        return error_set(
            error, ERROR_REJECT, "Hive reads JSON lines from version 4 on only: choose another format");
    if (ddl_check_columns(table, error) ||
        bytes_print(text, error, "CREATE %sTABLE %s", table->location ? "EXTERNAL " : "",
            table->must_be_new ? "" : "IF NOT EXISTS ") ||
        ddl_table_name(table, text, error) || bytes_add(text, " ", 1, error) ||
        ddl_columns(table, text, error))
        return -1;
    /* Hive wants properties behind the location. */
    if (table->format == TABLE_AVRO && bytes_add_text(text, "STORED AS AVRO", error))
        return -1;
    if ((table->format == TABLE_DELIMITED && ddl_delimited(table, text, error)) ||
        (table->format == TABLE_PARQUET && bytes_add_text(text, "STORED AS PARQUET", error)))
        return -1;
    if (table->location &&
        (bytes_add_text(text, "\nLOCATION ", error) || ddl_text(slice_of(table->location), text, error)))
        return -1;
    if ((table->format == TABLE_AVRO && ddl_avro_schema(table, text, error)) ||
        (table->format == TABLE_DELIMITED && ddl_null_property(table, text, error)))
        return -1;
    return bytes_add_text(text, ";\n", error);
}

static int ddl_partition(const struct ddl_table *table, struct bytes *text, struct error *error)
{
    if (!table->partition_key)
        return 0;
    return bytes_add_text(text, " PARTITION (", error) || ddl_name(table->partition_key, text, error) ||
                   bytes_add(text, "=", 1, error) ||
                   ddl_text(slice_of(table->partition_value), text, error) || bytes_add(text, ")", 1, error)
               ? -1
               : 0;
}

int ddl_hive_load(const struct ddl_table *table, const char *directory, bool overwrite, struct bytes *text,
    struct error *error)
{
    if (strpbrk(directory, "*?[]{}\\"))
        return error_set(error, ERROR_REJECT,
            "%.300s: Hive takes a path with one of * ? [ ] { } \\ for a pattern: choose another directory",
            directory);
    if (bytes_add_text(text, "LOAD DATA LOCAL INPATH ", error) ||
        ddl_text(slice_of(directory), text, error) ||
        bytes_add_text(text, overwrite ? "\nOVERWRITE INTO TABLE " : "\nINTO TABLE ", error) ||
        ddl_table_name(table, text, error))
        return -1;
    return ddl_partition(table, text, error) || bytes_add_text(text, ";\n", error) ? -1 : 0;
}

/* A partition is emptied only if it is there. */
int ddl_hive_empty(const struct ddl_table *table, struct bytes *text, struct error *error)
{
    if (table->partition_key &&
        (bytes_add_text(text, "ALTER TABLE ", error) || ddl_table_name(table, text, error) ||
            bytes_add_text(text, " ADD IF NOT EXISTS", error) || ddl_partition(table, text, error) ||
            bytes_add_text(text, ";\n", error)))
        return -1;
    return bytes_add_text(text, "TRUNCATE TABLE ", error) || ddl_table_name(table, text, error) ||
                   ddl_partition(table, text, error) || bytes_add_text(text, ";\n", error)
               ? -1
               : 0;
}
