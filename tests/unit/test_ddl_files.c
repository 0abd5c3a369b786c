/* ddl_files, ddl_stream: what engines are told about the files of a stream */
#include <criterion/criterion.h>

#include "lake/ddl.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define TEXT_MAX ((size_t)4 << 20)

static struct bytes text;
static struct error error;

static void end(void)
{
    bytes_free(&text);
}

TestSuite(ddl_files, .fini = end);

static const struct column_field fields[] = {{.name = "on", .type = COLUMN_BOOL},
    {.name = "n", .type = COLUMN_INT64}, {.name = "watt", .type = COLUMN_FLOAT64},
    {.name = "s", .type = COLUMN_STRING}, {.name = "doc", .type = COLUMN_JSON},
    {.name = "at", .type = COLUMN_TIMESTAMP_UTC}, {.name = "raw", .type = COLUMN_BYTES},
    {.name = "odd", .type = COLUMN_UUID}};
static const struct ddl_partition partitions[] = {{{"dt", 2}, true}, {{"host", 4}, false}};

static struct ddl_files files_of(enum ddl_engine engine, enum ddl_kind kind)
{
    return (struct ddl_files){.engine = engine,
        .kind = kind,
        .table = "lake.power",
        .record = "power",
        .fields = fields,
        .fields_count = COUNT(fields),
        .partitions = partitions,
        .partitions_count = COUNT(partitions),
        .location = "s3://it's/a\\b"};
}

static const char *created(const struct ddl_files *files)
{
    bytes_free(&text);
    bytes_init(&text, TEXT_MAX);
    cr_assert_eq(ddl_files_create(files, &text, &error), 0, "%s", error.text);
    cr_assert_eq(bytes_add(&text, "", 1, &error), 0);
    return text.data;
}

/* In any smaller room it is refused. */
static void expect_rooms(const struct ddl_files *files)
{
    for (size_t room = 0;; room++) {
        struct bytes small;
        bytes_init(&small, room);
        const bool whole = ddl_files_create(files, &small, &error) == 0;
        cr_assert(whole || error.kind == ERROR_REJECT);
        cr_assert(!whole || small.length == room);
        bytes_free(&small);
        if (whole)
            return;
    }
}

static void expect_refused(const struct ddl_files *files, const char *why)
{
    bytes_free(&text);
    bytes_init(&text, TEXT_MAX);
    cr_assert_eq(ddl_files_create(files, &text, &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert_not_null(strstr(error.text, why), "%s", error.text);
}

#define LEFT_OUT(ENGINE, COLUMN) \
    "-- Left out, for " ENGINE " cannot read it from such files: the column " COLUMN ".\n"

Test(ddl_files, spark)
{
    struct ddl_files files = files_of(DDL_SPARK, DDL_PARQUET);

    cr_assert_str_eq(created(&files),
        LEFT_OUT("Spark",
            "odd") "CREATE TABLE IF NOT EXISTS `lake`.`power` (\n  `on` BOOLEAN,\n  `n` BIGINT,\n  `watt` DOUBLE,\n  `s` STRING,\n"
                   "  `doc` STRING,\n  `at` TIMESTAMP,\n  `raw` BINARY,\n  `dt` DATE,\n  `host` STRING)\n"
                   "USING parquet\nPARTITIONED BY (`dt`, `host`)\nLOCATION 's3://it\\'s/a\\\\b';\nMSCK REPAIR TABLE `lake`.`power`;\n");
    expect_rooms(&files);
    files.kind = DDL_AVRO;
    cr_assert_not_null(strstr(created(&files), "`at` TIMESTAMP,\n  `raw` BINARY"));
    files.kind = DDL_CSV;
    cr_assert_not_null(strstr(created(&files), "`at` TIMESTAMP,\n  `raw` STRING"));
    cr_assert_not_null(strstr(text.data,
        "USING csv OPTIONS (header 'true', escape '\"', multiLine 'true', lineSep '\\n', nullValue '\\0')\n"));
    files.kind = DDL_JSON;
    cr_assert_not_null(strstr(created(&files), "`doc` STRING,\n  `at` TIMESTAMP,\n  `raw` STRING"));
}

Test(ddl_files, hive)
{
    struct ddl_files files = files_of(DDL_HIVE, DDL_PARQUET);

    cr_assert_str_eq(created(&files),
        LEFT_OUT("Hive",
            "odd") "CREATE EXTERNAL TABLE IF NOT EXISTS `lake`.`power` (\n  `on` BOOLEAN,\n  `n` BIGINT,\n  `watt` DOUBLE,\n  `s` STRING,\n"
                   "  `doc` STRING,\n  `at` TIMESTAMP,\n  `raw` BINARY)\nPARTITIONED BY (`dt` DATE, `host` STRING)\n"
                   "STORED AS PARQUET\nLOCATION 's3://it\\'s/a\\\\b';\nMSCK REPAIR TABLE `lake`.`power`;\n");
    expect_rooms(&files);
    files.kind = DDL_CSV;
    cr_assert_not_null(strstr(created(&files), "`on` STRING,\n  `n` STRING"));
    cr_assert_not_null(strstr(text.data, "'escapeChar'='\\001'"));
    cr_assert_not_null(strstr(text.data, "\nTBLPROPERTIES ('skip.header.line.count'='1');\n"));
    expect_rooms(&files);
    files.kind = DDL_JSON;
    cr_assert_not_null(strstr(created(&files), LEFT_OUT("Hive", "doc")));
    cr_assert_not_null(strstr(text.data, "`s` STRING,\n  `at` STRING,\n  `raw` STRING)"));
    files.fields_count--;
    files.kind = DDL_AVRO;
    cr_assert_not_null(strstr(created(&files), "`at` BIGINT,\n  `raw` BINARY)"));
    cr_assert_not_null(strstr(text.data,
        "STORED AS AVRO\nLOCATION 's3://it\\'s/a\\\\b'\nTBLPROPERTIES ('avro.schema.literal'='{\"type\":\"record\""));
    expect_rooms(&files);
    files.partitions_count = 0;
    cr_assert_null(strstr(created(&files), "PARTITION"));
    cr_assert_null(strstr(text.data, "MSCK"));
}

Test(ddl_files, trino)
{
    struct ddl_files files = files_of(DDL_TRINO, DDL_PARQUET);

    cr_assert_str_eq(created(&files),
        LEFT_OUT("Trino",
            "odd") "CREATE TABLE IF NOT EXISTS \"lake\".\"power\" (\n  \"on\" BOOLEAN,\n  \"n\" BIGINT,\n  \"watt\" DOUBLE,\n  \"s\" VARCHAR,\n"
                   "  \"doc\" VARCHAR,\n  \"at\" TIMESTAMP(3),\n  \"raw\" VARBINARY,\n  \"dt\" DATE,\n  \"host\" VARCHAR)\n"
                   "WITH (format = 'PARQUET',\n  external_location = 's3://it''s/a\\b',\n  partitioned_by = ARRAY['dt', 'host']);\n"
                   "CALL system.sync_partition_metadata('lake', 'power', 'ADD');\n");
    expect_rooms(&files);
    files.table = "power";
    cr_assert_not_null(strstr(created(&files), "EXISTS \"power\" ("));
    cr_assert_not_null(strstr(text.data, "('default', 'power', 'ADD')"));
    files.partitions_count = 0;
    files.kind = DDL_CSV;
    cr_assert_not_null(
        strstr(created(&files), "format = 'CSV', csv_escape = U&'\\0001', skip_header_line_count = 1,"));
    cr_assert_null(strstr(text.data, "partition"));
    expect_rooms(&files);
}

/* Avro's names are other ones then; Hive has its schema beside the columns. */
Test(ddl_files, names_that_avro_has_not)
{
    static const struct column_field odd[] = {{.name = "s", .type = COLUMN_STRING},
        {.name = "a b", .type = COLUMN_STRING}, {.name = "1a", .type = COLUMN_STRING}};
    struct ddl_files files = files_of(DDL_SPARK, DDL_AVRO);

    files.fields = odd;
    files.fields_count = COUNT(odd);
    cr_assert_not_null(strstr(created(&files), LEFT_OUT("Spark", "a b") LEFT_OUT("Spark", "1a")));
    files.engine = DDL_HIVE;
    cr_assert_not_null(strstr(created(&files), "`a b` STRING"));
    files.engine = DDL_TRINO;
    files.kind = DDL_PARQUET;
    cr_assert_not_null(strstr(created(&files), "\"a b\" VARCHAR"));
}

Test(ddl_files, what_no_engine_takes)
{
    static const struct column_field twice[] = {
        {.name = "watt", .type = COLUMN_STRING}, {.name = "Watt", .type = COLUMN_STRING}};
    static const struct column_field quote = {.name = "a'b", .type = COLUMN_STRING};
    static const struct ddl_partition own = {{"Watt", 4}, false}, odd = {{"a`b", 3}, false},
                                      same[] = {{{"dt", 2}, true}, {{"DT", 2}, true}};
    static const char *const tables[] = {"", "a.", ".b", "a.b.c", "a b", "a b.c", "a-b"};
    char line[] = "s3://a\nb";
    struct ddl_files files = files_of(DDL_TRINO, DDL_PARQUET);

    for (size_t i = 0; i < COUNT(tables); i++) {
        files.table = tables[i];
        expect_refused(&files, "NAME or DATABASE.NAME");
    }
    files.table = "t";
    files.location = line;
    expect_refused(&files, "no ; and no control characters");
    files.location = "s3://a";
    files.partitions_count = 1;
    files.partitions = &own;
    expect_refused(&files,
        "the directory Watt=: the files have a column watt, and engines know each name once; call the directory otherwise, as Watt_is=");
    files.partitions = &odd;
    expect_refused(&files, "partitions: a`b: Trino or its clients do not take a name with");
    files.partitions = same;
    files.partitions_count = 2;
    expect_refused(&files, "two directories are called DT=");
    files.fields = twice;
    files.fields_count = 2;
    expect_refused(&files, "the columns watt and Watt: Trino does not know them apart");
    files.fields = &quote;
    files.fields_count = 1;
    expect_refused(&files, "columns: a'b: Trino or its clients do not take a name with");
}

/* ---- of streams ----------------------------------------------------------------------------------------------- */

static const char *described(enum record_format format, const struct form *form)
{
    const struct ddl_files how = {.engine = DDL_SPARK, .table = "t", .location = "file:///d"};

    bytes_free(&text);
    bytes_init(&text, TEXT_MAX);
    cr_assert_eq(ddl_stream_create(&how, "readings", format, form, &text, &error), 0, "%s", error.text);
    cr_assert_eq(bytes_add(&text, "", 1, &error), 0);
    return text.data;
}

Test(ddl_files, of_lines)
{
    struct form form = {0};

    cr_assert_str_eq(described(RECORD_FORMAT_TEXT, &form),
        "CREATE TABLE IF NOT EXISTS `t` (\n  `line` STRING)\nUSING text OPTIONS (lineSep '\\n')\nLOCATION 'file:///d';\n");
    cr_assert_not_null(strstr(described(RECORD_FORMAT_JSON, &form), "(\n  `line` STRING)\nUSING text"));
    cr_assert_not_null(strstr(described(RECORD_FORMAT_BYTES, &form),
        "(\n  `key` STRING,\n  `time` TIMESTAMP,\n  `payload` STRING)\nUSING json\n"));
    cr_assert_eq(form_add_column(&form, slice_of("v"), FORM_SCALAR), 0);
    cr_assert_not_null(strstr(described(RECORD_FORMAT_JSON, &form), "(\n  `v` STRING)\nUSING json\n"));
    form_clear(&form);
}

Test(ddl_files, of_tables)
{
    struct form form = {.file = FORM_CSV};

    cr_assert_eq(form_add_column(&form, slice_of("v"), FORM_NUMBER), 0);
    cr_assert_not_null(strstr(described(RECORD_FORMAT_JSON, &form),
        "(\n  `v` DOUBLE,\n  `_rest` STRING,\n  `_key` STRING,\n  `_time` TIMESTAMP,\n  `_received` TIMESTAMP,\n  `_id` STRING)\nUSING csv"));
    form.file = FORM_AVRO;
    cr_assert_not_null(strstr(described(RECORD_FORMAT_BYTES, &form), "`value` BINARY"));
    cr_assert_not_null(strstr(text.data, "USING avro"));
    form_clear(&form);
}
