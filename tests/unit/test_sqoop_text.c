/* sqoop: formats, delimiters, NULL and compression */
#include <criterion/criterion.h>
#include <stdio.h>

#include "sqoop_harness.h"

TestSuite(sqoop_text, .fini = forget);

#define T "--table", "t"

Test(sqoop_text, characters)
{
    EXPECT_HAS("--fields-terminated-by '\\t' ", T, "--fields-terminated-by", "\\t");
    EXPECT_HAS("--fields-terminated-by '\\001' ", T, "--fields-terminated-by", "\\001");
    EXPECT_HAS("--lines-terminated-by '\\0x41' ", T, "--lines-terminated-by", "\\0X41");
    EXPECT_HAS("--lines-terminated-by '\\0x41' ", T, "--lines-terminated-by", "\\0x41");
    EXPECT_HAS("--escaped-by '\\' ", T, "--escaped-by", "\\");
    EXPECT_HAS("--escaped-by '\\\\' ", T, "--escaped-by", "\\\\");
    EXPECT_HAS("--enclosed-by '\"' ", T, "--enclosed-by", "\"");
    EXPECT_HAS("--optionally-enclosed-by '\\\"' ", T, "--optionally-enclosed-by", "\\\"");
    cr_assert_eq(order.notices.count, 0);
    EXPECT_HAS("--fields-terminated-by '|' ", T, "--fields-terminated-by", "||");
    cr_assert(noticed("the first one counts, as in Sqoop"));
    /* No character. */
    EXPECT_HAS("--compression none --whole", T, "--escaped-by", "\\0", "--enclosed-by", "\\0", "-m1");
    EXPECT_REFUSED("--fields-terminated-by: \\0 cannot end anything", T, "--fields-terminated-by", "\\0");
    EXPECT_REFUSED("--lines-terminated-by: \\0 cannot end anything", T, "--lines-terminated-by", "\\0");
    EXPECT_REFUSED("--escaped-by: a character is missing", T, "--escaped-by=");
    EXPECT_REFUSED("a character of ASCII", T, "--fields-terminated-by", "\xc2\xa7");
    EXPECT_HAS(
        "--fields-terminated-by , --lines-terminated-by '\\n' --optionally-enclosed-by ''\\''' --escaped-by '\\\\' ",
        T, "--mysql-delimiters");
    EXPECT_HAS("--fields-terminated-by ';' --lines-terminated-by '\\n' --optionally-enclosed-by", T,
        "--mysql-delimiters", "--fields-terminated-by=;");
}

Test(sqoop_text, null)
{
    static const char *const cases[][2] = {{"\\\\N", "'\\N'"}, {"\\N", "'\\N'"}, {"", "''"},
        {"a\\tb", "'a\tb'"}, {"\\\"\\'", "'\"'\\'''"}, {"\\101\\7x", "'A\ax'"}, {"\\4011", "' 11'"},
        {"\\", "'\\'"}, {"\\8", "'\\8'"}};

    for (size_t i = 0; i < COUNT(cases); i++) {
        char part[64];
        snprintf(part, sizeof part, "--null-string %s --null-non-string n ", cases[i][1]);
        expect_has(part, (const char *const[]){
                             "--table", "t", "--null-string", cases[i][0], "--null-non-string", "n", NULL});
    }
}

Test(sqoop_text, hive_delimiters)
{
    EXPECT_HAS("--drop-delimiters", T, "--hive-drop-import-delims");
    EXPECT_HAS("--delimiters-replacement ' '", T, "--hive-delims-replacement", " ");
    EXPECT_HAS("--delimiters-replacement '\n'", T, "--hive-delims-replacement", "\\n");
    EXPECT_REFUSED("exclude each other", T, "--hive-delims-replacement", " ", "--hive-drop-import-delims");
}

/* What COPY makes of the same line. */
Test(sqoop_text, direct)
{
    EXPECT_HAS("--format sqoop-direct --compression none --connections", T, "--direct");
    cr_assert_eq(order.notices.count, 0);
    EXPECT_HAS("--format sqoop-direct --compression gzip --true-string y --false-string '' ", T, "--direct",
        "-z", "--", "--boolean-true-string", "y", "--boolean-false-string=");
    EXPECT_HAS("--format sqoop --compression none --connections", T, "--", "--boolean-false-string", "y");
    cr_assert(noticed("--boolean-false-string changes nothing without --direct"));
    EXPECT_HAS("--format avro", T, "--direct", "--as-avrodatafile");
    cr_assert(noticed("--direct changes nothing: it is about the text of tables"));
    EXPECT_HAS("--format parquet", T, "--direct", "--as-parquetfile", "--null-string", "x");
    cr_assert_eq(TRANSLATE("import", CONNECT, "--query", "SELECT 1 WHERE $CONDITIONS", "--target-dir", "x",
                     "--direct", "--null-string", "x"),
        0, "%s", error.text);
    cr_assert(noticed("--direct changes nothing: it is about the text of tables"));
    EXPECT_HAS("--format sqoop-direct --compression none --connections", T, "--direct", "--map-column-java",
        "a=String", "--hive-delims-replacement", "x");
    cr_assert(noticed("--map-column-java changes nothing with --direct") &&
              noticed("--hive-delims-replacement changes nothing with --direct"));
    EXPECT_REFUSED(
        "--hive-drop-import-delims does not go with --direct", T, "--direct", "--hive-drop-import-delims");
    EXPECT_REFUSED("have to be the same with --direct", T, "--direct", "--null-string", "x");
    EXPECT_REFUSED("have to be the same with --direct", T, "--direct", "--null-non-string", "x");
    EXPECT_REFUSED(
        "have to be the same with --direct", T, "--direct", "--null-string", "x", "--null-non-string", "y");
}

/* In E'...' escapes are taken a second time. */
Test(sqoop_text, null_with_direct)
{
    static const char *const cases[][2] = {{"", "''"}, {"x", "x"}, {"\\\\\\\\N", "'\\N'"}, {"\\\\N", "N"},
        {"\\N", "N"}, {"\\\\t\\\\b", "'\t\b'"}, {"\\\\", "'\\'"}};

    for (size_t i = 0; i < COUNT(cases); i++) {
        char part[64];
        snprintf(part, sizeof part, "--null-string %s --null-non-string %s ", cases[i][1], cases[i][1]);
        expect_has(part, (const char *const[]){"--table", "t", "--direct", "--null-string", cases[i][0],
                             "--null-non-string", cases[i][0], NULL});
        cr_assert_eq(order.notices.count, i > 1 && i + 1 < COUNT(cases), "%zu", i);
    }
    EXPECT_HAS("--null-string N --null-non-string N ", T, "--direct", "--null-string", "\\\\N",
        "--null-non-string", "\\\\N");
    cr_assert(noticed("NULL is \"N\", and \"\\\\\\\\N\" makes it \"\\N\""));
    EXPECT_HAS("--null-string '\\N' --null-non-string '\\N' ", T, "--direct", "--hive-import");
}

Test(sqoop_text, formats)
{
    EXPECT_HAS("--format sqoop --compression none --connections", T, "--as-textfile");
    EXPECT_HAS("--format avro --compression none --numeric string ", T, "--as-avrodatafile");
    EXPECT_HAS("--format parquet --compression snappy --numeric string ", T, "--as-parquetfile");
    EXPECT_REFUSED("exclude each other", T, "--as-parquetfile", "--as-textfile");
    EXPECT_HAS("--format avro --compression none --numeric string --connections", T, "--as-avrodatafile",
        "--null-string", "x");
    cr_assert(noticed("the files are not text"));
    EXPECT_HAS("--format avro", T, "--as-avrodatafile", "--escaped-by", "x");
    cr_assert(noticed("the files are not text"));
    EXPECT_HAS("--format avro --compression none --connections", T, "--as-avrodatafile",
        "-Dsqoop.avro.logical_types.decimal.enable=true");
    EXPECT_HAS("--format parquet --compression snappy --numeric-type 20,3 ",
        "-Dsqoop.parquet.logical_types.decimal.enable=true", T, "--as-parquetfile", "-D",
        "sqoop.avro.logical_types.decimal.default.precision=20",
        "-Dsqoop.avro.logical_types.decimal.default.scale=3");
    EXPECT_HAS("--numeric-type 20,0 ", T, "--as-avrodatafile",
        "-Dsqoop.avro.logical_types.decimal.enable=true",
        "-Dsqoop.avro.logical_types.decimal.default.precision=20");
    EXPECT_HAS("--numeric string", T, "--as-avrodatafile", "-Dsqoop.avro.logical_types.decimal.enable=false");
}

Test(sqoop_text, compression)
{
    static const char *const cases[][4] = {/* codec, and what text, Avro and Parquet make of it */
        {"gzip", "gzip", "deflate", "gzip"}, {"GZIP", "gzip", "deflate", "gzip"},
        {"org.apache.hadoop.io.compress.GzipCodec", "gzip", "deflate", "gzip"},
        {"snappy", NULL, "snappy", "snappy"},
        {"org.apache.hadoop.io.compress.SnappyCodec", NULL, "snappy", "snappy"},
        {"deflate", NULL, "deflate", NULL},
        {"org.apache.hadoop.io.compress.DefaultCodec", NULL, "deflate", NULL},
        {"zstd", "zstd", "zstd", "zstd"},
        {"org.apache.hadoop.io.compress.ZStandardCodec", "zstd", "zstd", "zstd"},
        {"none", "none", "none", "none"}, {"bzip2", NULL, NULL, NULL},
        {"com.hadoop.compression.lzo.LzopCodec", NULL, NULL, NULL}, {NULL, "gzip", "deflate", "snappy"}};
    static const char *const formats[] = {"--as-textfile", "--as-avrodatafile", "--as-parquetfile"};

    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t k = 0; k < 3; k++) {
            char part[64];
            const char *const words[] = {
                "--table", "t", formats[k], cases[i][0] ? "--compression-codec" : "-z", cases[i][0], NULL};
            snprintf(part, sizeof part, "--compression %s ", cases[i][k + 1] ? cases[i][k + 1] : "");
            if (cases[i][k + 1])
                expect_has(part, words);
            else
                expect_refused("has no such compression here; allowed: ", words);
        }
}
