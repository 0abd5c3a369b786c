/* sqoop: what Hive is told, in the words of an import */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "sqoop_harness.h"

TestSuite(sqoop_hive, .fini = forget);

#define T "--table", "t", "--target-dir", "x", "--hive-import"
#define CREATE(...) TRANSLATE("create-hive-table", CONNECT, __VA_ARGS__)
#define INCREMENTAL "--incremental", "append", "--check-column", "id"

static void expect_line(const char *part, bool there)
{
    const char *made = line_of_import();
    cr_assert_eq(strstr(made, part) != NULL, there, "\"%s\": %s", part, made);
}

Test(sqoop_hive, an_import)
{
    EXPECT_HAS(" --format sqoop --compression none --fields-terminated-by '\\0001' --null-string '\\N' "
               "--null-non-string '\\N' --hive --connections ",
        T);
    cr_assert(order.hive && !order.hive_client);
    cr_assert(noticed("--hive-drop-import-delims leaves them out"));
    EXPECT_HAS(" --hive --hive-client 'beeline -u x' --hive-table b --hive-database a --hive-partition "
               "dt=a=b --hive-location hdfs:/x --hive-overwrite --hive-new --hive-type a=INT ",
        T, "--hive-table", "a.b", "--hive-partition-key", "dt", "--hive-partition-value", "a=b",
        "--external-table-dir", "hdfs:/x", "--hive-overwrite", "--create-hive-table", "--map-column-hive",
        "a=INT", "--hive-client", "beeline -u x");
    cr_assert_str_eq(order.hive_client, "beeline -u x");
    EXPECT_HAS(" --hive-table a.b --hive-database c ", T, "--hive-table", "a.b", "--hive-database", "c");
    EXPECT_HAS(" --hive-type 'a,b=DECIMAL(10,2)' --hive-type 'c=map<string,int>' ", T, "--map-column-hive",
        "a%2Cb=DECIMAL(10%2C2), c=map<string%2Cint>");
}

Test(sqoop_hive, what_text_looks_like)
{
    EXPECT_HAS("--fields-terminated-by ';' --null-string x --null-non-string x --", T,
        "--fields-terminated-by", ";", "--null-string", "x");
    EXPECT_HAS("--fields-terminated-by '\\0001' --null-string x --null-non-string y --", T,
        "--null-non-string", "y", "--null-string", "x", "--hive-drop-import-delims");
    cr_assert_eq(order.notices.count, 0);
    EXPECT_HAS("--delimiters-replacement ' '", T, "--hive-delims-replacement", " ");
    cr_assert_eq(order.notices.count, 0);
    EXPECT_HAS("--null-string z --null-non-string z --", T, "--null-non-string", "z");
    for (size_t i = 0; i < 3; i++) {
        static const char *const words[][2] = {
            {"--enclosed-by", "'"}, {"--optionally-enclosed-by", "'"}, {"--mysql-delimiters", "--verbose"}};
        EXPECT_HAS("enclosed-by", T, words[i][0], words[i][1]);
        cr_assert(noticed("for a part of it"));
        expect_line("0001", false);
    }
    EXPECT_HAS(" --format parquet --compression snappy --numeric string --hive --uuid string --time string ",
        T, "--as-parquetfile");
    EXPECT_HAS(" --format avro --compression none --numeric string --hive --uuid string --time string ", T,
        "--as-avrodatafile");
    cr_assert_eq(order.notices.count, 0);
}

Test(sqoop_hive, increments)
{
    EXPECT_HAS(" --incremental append --check-column id --names", T, INCREMENTAL);
    EXPECT_HAS(" --incremental append --check-column id --names", T, INCREMENTAL, "--append");
    EXPECT_HAS(" --hive-overwrite ", T, INCREMENTAL, "--hive-overwrite", "--hive-partition-key", "dt",
        "--hive-partition-value", "x");
    EXPECT_REFUSED("--hive-overwrite deletes", T, INCREMENTAL, "--hive-overwrite");
    EXPECT_REFUSED("Hive would have changed rows twice", T, "--incremental", "lastmodified");
    EXPECT_REFUSED("--append: Hive adds to its table", T, "--append");
}

Test(sqoop_hive, what_cannot_be)
{
    EXPECT_REFUSED("go together", T, "--hive-partition-key", "dt");
    EXPECT_REFUSED("go together", T, "--hive-partition-value", "x");
    EXPECT_REFUSED("\"a=b\" is no name", T, "--hive-partition-key", "a=b", "--hive-partition-value", "x");
    EXPECT_REFUSED("\"\" is no name", T, "--hive-partition-key=", "--hive-partition-value", "x");
    EXPECT_REFUSED("--map-column-hive: \"a\" is not COLUMN=TYPE", T, "--map-column-hive", "a");
    EXPECT_REFUSED("--map-column-hive: \"a=\" is not COLUMN=TYPE", T, "--map-column-hive", "a=");
    EXPECT_REFUSED("--hive-table: a query needs one", "--query", "SELECT 1 WHERE $CONDITIONS", "--target-dir",
        "x", "--hive-import");
    cr_assert_eq(TRANSLATE("import-all-tables", CONNECT, "--warehouse-dir", "w", "--hive-table", "t"), -1);
    cr_assert_not_null(strstr(error.text, "--hive-table is no option of import-all-tables"));
    cr_assert_eq(TRANSLATE("import-all-tables", CONNECT, "--warehouse-dir", "w", "--hive-import"), 0, "%s",
        error.text);
    expect_line(" --hive ", true);
}

Test(sqoop_hive, what_changes_nothing)
{
    static const char *const words[][2] = {{"--hive-table", "a"}, {"--hive-database", "a"},
        {"--hive-partition-key", "a"}, {"--hive-partition-value", "a"}, {"--external-table-dir", "a"},
        {"--map-column-hive", "a"}, {"--hive-client", "a"}, {"--hive-overwrite", "--verbose"},
        {"--create-hive-table", "--verbose"}};

    for (size_t i = 0; i < COUNT(words); i++) {
        cr_assert_eq(TRANSLATE("import", CONNECT, "--table", "t", words[i][0], words[i][1]), 0);
        cr_assert(noticed("changes nothing without --hive-import") && noticed(words[i][0]));
        expect_line("hive", false);
        cr_assert_not(order.hive);
    }
}

Test(sqoop_hive, the_tool)
{
    cr_assert_eq(
        CREATE("--table", "T", "--hive-partition-key", "dt", "--", "--schema", "s"), 0, "%s", error.text);
    cr_assert(order.tool == SQOOP_CREATE_HIVE && !order.hive && !order.target && order.notices.count == 0);
    cr_assert_str_eq(line_of_import(),
        "penstock import --connect 'host='\\''h'\\'' port='\\''5432'\\'' dbname='\\''d'\\'' sslmode='\\''prefer'\\''' "
        "--format sqoop --compression none --fields-terminated-by '\\0001' --null-string '\\N' "
        "--null-non-string '\\N' --hive-ddl --hive-partition dt= -- '\"s\".\"T\"'\n");
    cr_assert_eq(CREATE("--table", "t", "--as-parquetfile", "--hive-overwrite", "--dry-run"), 0);
    expect_line("--hive-ddl --hive-overwrite --uuid string --time string --explain -- ", true);
    cr_assert_eq(CREATE("--hive-table", "t"), -1);
    cr_assert_not_null(strstr(error.text, "--table: whose definition"));
    cr_assert_eq(CREATE("--table", "t", "--hive-import"), -1);
    cr_assert_not_null(strstr(error.text, "--hive-import is no option of create-hive-table"));
    cr_assert_eq(CREATE("--table", "t", "--hive-partition-value", "x"), -1);
}

Test(sqoop_hive, long_texts)
{
    char *text = calloc(1, (1 << 16) + 10);

    memset(text, 'x', (1 << 16) + 9);
    EXPECT_REFUSED(
        "--hive-partition-value: ", T, "--hive-partition-key", "k", "--hive-partition-value", text);
    text[1] = '=';
    EXPECT_REFUSED("--map-column-hive: ", T, "--map-column-hive", text);
    free(text);
}
