/* sqoop: what Sqoop's options become, one by one */
#include <criterion/criterion.h>
#include <stdio.h>

#include "sqoop_harness.h"

TestSuite(sqoop, .fini = forget);

#define T "--table", "t"

Test(sqoop, a_whole_line)
{
    cr_assert_eq(TRANSLATE("import", "--connect", "jdbc:postgresql://localhost:5432/telemetry", "--username",
                     "root", "--password", "pwd'1234", "--table", "telemetry", "--target-dir",
                     "./old-telemetry", "--direct", "--m", "1"),
        0, "%s", error.text);
    cr_assert_eq(order.tool, SQOOP_IMPORT);
    cr_assert_str_eq(line_of_import(),
        "penstock import --connect 'host='\\''localhost'\\'' port='\\''5432'\\'' dbname='\\''telemetry'\\'' "
        "sslmode='\\''prefer'\\''' --user root --password ... --target ./old-telemetry --names sqoop --format "
        "sqoop-direct --compression none --whole --connections 1 -- '\"telemetry\"'\n");
    cr_assert_str_eq(order.target, "./old-telemetry");
    cr_assert_not(order.dry_run || order.validate);
}

/* ---- every row ------------------------------------------------------------------------------------------------------- */

static const char *good_value(const char *name)
{
    static const char *const values[][2] = {{"connect", "jdbc:postgresql:d"}, {"num-mappers", "2"},
        {"compression-codec", "gzip"}, {"connection-param-file", "file"}, {"options-file", "file"},
        {"query", "SELECT 1 WHERE $CONDITIONS"}, {"incremental", "append"}, {"map-column-java", "a=String"},
        {"split-limit", "1"}, {"direct-split-size", "1"},
        {"validation-threshold", "org.apache.sqoop.validation.AbsoluteValidationThreshold"}};

    for (size_t i = 0; i < COUNT(values); i++)
        if (strcmp(values[i][0], name) == 0)
            return values[i][1];
    return "x";
}

Test(sqoop, every_option_does_what_its_row_says)
{
    put_file("file", "");
    for (size_t i = 0; i < sqoop_options_count; i++) {
        const struct sqoop_option *option = &sqoop_options[i];
        if (option->tools == SQOOP_FOR(SQOOP_JOB))
            continue; /* test_sqoop_job.c */
        char name[80];
        snprintf(name, sizeof name, "--%s", option->name);
        const bool query = !strcmp(option->name, "query"), table = !strcmp(option->name, "table"),
                   connect = !strcmp(option->name, "connect"), place = !strcmp(option->name, "warehouse-dir");
        const bool all = !(option->tools & SQOOP_FOR(SQOOP_IMPORT));
        const char *words[16] = {all ? "import-all-tables" : "import", *option->name ? name : "-P",
            option->argument ? good_value(option->name) : NULL};
        size_t count = option->argument ? 3 : 2;
        if (!connect) {
            words[count++] = "--connect";
            words[count++] = "jdbc:postgresql:d";
        }
        if (!query && !table && !all) {
            words[count++] = "--table";
            words[count++] = "t";
        }
        if (!place && strcmp(option->name, "target-dir") != 0) {
            words[count++] = all ? "--warehouse-dir" : "--target-dir";
            words[count++] = "x";
        }
        const int result = translate(words);
        cr_assert(
            option->help && *option->help && option->what && *option->what && strchr("MSAN", option->class));
        if (option->take != SQOOP_REFUSED) {
            cr_assert_eq(result, 0, "%s: %s", name, error.text);
            cr_assert_eq(noticed(option->what) && noticed("changes nothing"), option->take == SQOOP_IGNORED,
                "%s", name);
            continue;
        }
        cr_assert_eq(result, -1, "%s", name);
        cr_assert_not_null(strstr(error.text, option->what), "%s", error.text);
        cr_assert_not_null(strstr(error.text, name));
    }
}

/* Nothing that must be there is accepted without doing anything, and what never will be is never taken. */
Test(sqoop, classes)
{
    for (size_t i = 0; i < sqoop_options_count; i++) {
        const struct sqoop_option *option = &sqoop_options[i];
        if (option->class == 'N')
            cr_assert_eq(option->take, SQOOP_REFUSED, "%s", option->name);
        if (option->take == SQOOP_IGNORED)
            cr_assert_eq(option->class, 'A', "%s", option->name);
        for (size_t k = 0; k < i; k++)
            cr_assert_str_neq(option->name, sqoop_options[k].name);
    }
}

/* Two letters in each other's place: the name that was meant is suggested. */
Test(sqoop, every_misspelt_option_has_a_suggestion)
{
    for (size_t i = 0; i < sqoop_options_count; i++) {
        const char *name = sqoop_options[i].name;
        const size_t length = strlen(name), at = length / 2;
        char word[80], why[120];
        if (!(sqoop_options[i].tools & SQOOP_FOR(SQOOP_IMPORT)) || length < 4 || name[at] == name[at - 1])
            continue;
        snprintf(word, sizeof word, "--%s", name);
        word[2 + at] = name[at - 1];
        word[1 + at] = name[at];
        snprintf(why, sizeof why, "unknown option \"%s\"; did you mean \"--%s\"?", word, name);
        expect_refused(why, (const char *const[]){word, "x", NULL});
    }
}

/* ---- spellings --------------------------------------------------------------------------------------------------------- */

Test(sqoop, spellings)
{
    const char *const ways[][2] = {{"--num-mappers", "7"}, {"-num-mappers", "7"}, {"--num-mappers=7", NULL},
        {"-num-mappers=7", NULL}, {"-m", "7"}, {"--m", "7"}, {"-m7", NULL}, {"-m=7", NULL}, {"--m=7", NULL}};

    for (size_t i = 0; i < COUNT(ways); i++)
        expect_has("--connections 7", (const char *const[]){"--table", "t", ways[i][0], ways[i][1], NULL});
    EXPECT_HAS("--ask-password", T, "-P");
    EXPECT_HAS("--ask-password", T, "--P");
    EXPECT_HAS("--compression gzip", T, "-z");
    EXPECT_HAS("--compression gzip", T, "--z");
    EXPECT_HAS("--query 'SELECT 1 WHERE (1 = 1)'", "-e", "SELECT 1 WHERE $CONDITIONS", "-target-dir=d");
    EXPECT_HAS("--query 'SELECT 1 WHERE (1 = 1)'", "-eSELECT 1 WHERE $CONDITIONS", "--target-dir", "d");
    /* What looks like an option, and is none, is a value. */
    EXPECT_HAS("--where '-1 < id'", T, "--where", "-1 < id");
    EXPECT_HAS("--where a=b ", T, "--where=a=b");
}

Test(sqoop, spellings_that_are_none)
{
    EXPECT_REFUSED("unknown option \"--targer-dir\"; did you mean \"--target-dir\"?", T, "--targer-dir", "x");
    EXPECT_REFUSED("unknown option \"-tabel\"; did you mean \"--table\"?", "-tabel=t");
    EXPECT_REFUSED("unknown option \"--q\"; see", "--q", "1");
    EXPECT_REFUSED("unknown option \"--zzzzzzzzzzzz\"; see", T, "--zzzzzzzzzzzz");
    EXPECT_REFUSED("unknown option \"-\"", T, "-=x");
    EXPECT_REFUSED("--compress takes no value", T, "--compress=1");
    EXPECT_REFUSED("unknown option \"-zx\"", T, "-zx");
    EXPECT_REFUSED("--where: where clause is missing", T, "--where");
    EXPECT_REFUSED("--where: where clause is missing", T, "--where", "--verbose");
    EXPECT_REFUSED("behind --password there is a word too many", T, "--password", "my", "secret");
    EXPECT_REFUSED("behind --password there is a word too many", T, "--password=my", "secret");
    EXPECT_REFUSED("behind --table there is a word too many", T, "-");
    cr_assert_eq(TRANSLATE("import", "telemetry"), -1);
    cr_assert_not_null(strstr(error.text, "found \"telemetry\" where an option has to be"));
}

Test(sqoop, the_first_one_counts)
{
    EXPECT_HAS("\"t\"", T, "--table", "u");
    cr_assert(noticed("--table is said twice"));
}

Test(sqoop, generic_options)
{
    EXPECT_HAS("--whole", "-D", "mapreduce.job.queuename=q", "-Dx=y", "-libjars", "a.jar", "-conf", "c.xml",
        T, "-m", "1");
    cr_assert(noticed("-D mapreduce.job.queuename changes nothing") && noticed("-D x changes") &&
              noticed("-libjars changes"));
    EXPECT_HAS("--names", "-Dorg.apache.sqoop.splitter.allow_text_splitter=true", T);
    cr_assert_eq(order.notices.count, 0);
    EXPECT_REFUSED("-D: its value is missing", T, "-D");
    EXPECT_REFUSED("-files: its value is missing", T, "-files");
    EXPECT_REFUSED("-D x: allowed: NAME=VALUE", T, "-Dx");
    EXPECT_REFUSED("-D : allowed: NAME=VALUE", T, "-D", "=y");
    EXPECT_REFUSED("plain digits only", T, "-Dsqoop.bigdecimal.format.string=false");
    EXPECT_HAS(
        "--names", T, "-Dsqoop.bigdecimal.format.string=false", "-Dsqoop.bigdecimal.format.string=true");
}

/* ---- options files ------------------------------------------------------------------------------------------------------ */

Test(sqoop, options_files)
{
    put_file("line",
        "# a comment\nimport\n--connect\n  jdbc:postgresql://h/d \r\n\n--where\n\" a < 1 \"\n--table\nte\\\nle\\\n");
    put_file("end", "--table\nte\\\n  le\n--columns\n''\n--null-string\n'x'");
    put_file("open", "--where\n'a < 1\n");
    cr_assert_eq(TRANSLATE("--options-file", "line"), -1);
    cr_assert_str_eq(error.text, "--options-file line: its last line ends in a backslash");
    cr_assert_eq(TRANSLATE("import", CONNECT, "-options-file=end"), 0, "%s", error.text);
    cr_assert_not_null(strstr(line_of_import(), "--null-string x"));
    cr_assert_not_null(strstr(line_of_import(), "--columns ''"));
    cr_assert_not_null(strstr(line_of_import(), "\"tele\""));
    cr_assert_eq(TRANSLATE("import", "--options-file", "open"), -1);
    cr_assert_not_null(strstr(error.text, "a quote at its beginning and none at its end"));
    cr_assert_eq(TRANSLATE("import", "--options-file", "nosuch"), -1);
    cr_assert_str_eq(error.text, "--options-file nosuch: No such file or directory");
    cr_assert_eq(TRANSLATE("import", "--options-file"), -1);
}

Test(sqoop, lines_have_an_end)
{
    static const char *words[SQOOP_WORDS_MAX + 2];

    for (size_t i = 0; i <= SQOOP_WORDS_MAX; i++)
        words[i] = "import";
    cr_assert_eq(translate(words), -1);
    cr_assert_not_null(strstr(error.text, "more than 4096 words"));
}

Test(sqoop, texts_have_an_end)
{
    char *lines = calloc(1, 4 * SQOOP_WORDS_MAX);

    for (size_t i = 0; i <= SQOOP_WORDS_MAX; i++)
        memcpy(lines + 2 * i, "x\n", 2);
    put_file("many", lines);
    cr_assert_eq(TRANSLATE("import", "--options-file", "many"), -1);
    cr_assert_not_null(strstr(error.text, "more than 4096 words"));
    free(lines);
}

/* ---- what and where ------------------------------------------------------------------------------------------------------ */

Test(sqoop, what_is_read)
{
    EXPECT_HAS("-- '\"a\"\"b c\"'", "--table", "a\"b c", "--target-dir", "x");
    EXPECT_HAS("-- '\"S\".\"t\"'", T, "--", "--schema", "S");
    EXPECT_HAS("--columns 'a,b c,,d'", T, "--columns", " a , b c,,d ");
    EXPECT_HAS("--where 'a < 1'", T, "--where", "a < 1");
    EXPECT_HAS("--split-by k", T, "--split-by", "k");
    EXPECT_HAS("--query 'SELECT '\\''x'\\'' WHERE (1 = 1) OR (1 = 1) '", "--query",
        "SELECT 'x' WHERE $CONDITIONS OR $CONDITIONS ", "--target-dir", "x");
    EXPECT_REFUSED("must have $CONDITIONS in it", "--query", "SELECT 1", "--target-dir", "x");
    EXPECT_REFUSED("--table and --query exclude each other", T, "--query", "SELECT 1 WHERE $CONDITIONS");
    EXPECT_REFUSED("what is to be imported is missing", "--target-dir", "x");
    EXPECT_REFUSED("belong into the --query", "--query", "SELECT 1 WHERE $CONDITIONS", "--columns", "a");
    EXPECT_REFUSED("belong into the --query", "--query", "SELECT 1 WHERE $CONDITIONS", "--where", "a");
    EXPECT_HAS("--progress lines", T, "--verbose");
    EXPECT_HAS("--explain", T, "--dry-run");
    cr_assert(order.dry_run);
    EXPECT_HAS("--names sqoop", T, "--validate");
    cr_assert(order.validate);
}

Test(sqoop, increments)
{
    EXPECT_HAS("--incremental append --check-column id --last-value 7 --append", T, "--incremental", "append",
        "--check-column", "id", "--last-value", "7");
    EXPECT_HAS("--incremental lastmodified --check-column at --append", T, "--incremental", "lastmodified",
        "--check-column", "at", "--append");
    EXPECT_HAS("--incremental lastmodified --check-column at --names", T, "--incremental", "lastmodified",
        "--check-column", "at");
    EXPECT_HAS("--append --names", T, "--append");
    EXPECT_REFUSED("neither append nor lastmodified", T, "--incremental", "appended");
    EXPECT_REFUSED("what --incremental is to add to", T, "--incremental", "append", "--check-column", "id",
        "--delete-target-dir");
    EXPECT_REFUSED("what --append is to add to", T, "--append", "--delete-target-dir");
    EXPECT_HAS("--incremental lastmodified --check-column at --merge-key id,b --names", T, "--incremental",
        "lastmodified", "--check-column", "at", "--merge-key", "id,b");
    cr_assert_eq(order.notices.count, 0);
    EXPECT_HAS("--incremental lastmodified --check-column at --append --names", T, "--incremental",
        "lastmodified", "--check-column", "at", "--append", "--merge-key", "id");
    cr_assert_str_eq(order.notices.words[0],
        "--merge-key changes nothing: only --incremental lastmodified without --append merges rows");
    EXPECT_HAS("--append --names", T, "--append", "--merge-key", "id");
    EXPECT_HAS("--names sqoop", T, "--merge-key", "id");
}

Test(sqoop, mappers)
{
    EXPECT_HAS("--connections 4", T);
    EXPECT_HAS("--whole --connections 1", T, "-m", "1");
    EXPECT_HAS("--connections 64", T, "-m", "64");
    cr_assert_eq(order.notices.count, 0);
    EXPECT_HAS("--connections 64", T, "-m", "1000");
    cr_assert(noticed("64 connections are the most"));
    EXPECT_HAS("--split-rows 1000 --connections 4 ", T, "--split-limit", "1000");
    EXPECT_HAS("--split-rows 4294967295 ", T, "--split-limit", "99999999999");
    EXPECT_HAS("--whole --connections 1 -- ", T, "--split-limit", "1000", "-m1");
    EXPECT_HAS("--split-size 1000000 --connections 1 -- ", T, "--direct-split-size", "1000000", "-m1");
    EXPECT_HAS("--split-size 1073741824 ", T, "--direct-split-size", "5000000000");
    static const char *const names[] = {"-m", "--split-limit", "--direct-split-size"};
    static const char *const numbers[] = {"0", "-1", "", "4x", "+2"};
    for (size_t i = 0; i < COUNT(names) * COUNT(numbers); i++)
        expect_refused("is not a number above 0",
            (const char *const[]){"--table", "t", names[i % COUNT(names)], numbers[i / COUNT(names)], NULL});
}

Test(sqoop, bounds)
{
    EXPECT_HAS("--split-by k --bounds-query 'SELECT 1, 2' ", T, "--split-by", "k", "--boundary-query",
        "SELECT 1, 2");
    EXPECT_HAS("--connections 4 --bounds-query 'SELECT 1, 2' ", T, "--boundary-query", "SELECT 1, 2");
    EXPECT_HAS("--split-by k --bounds-query x", "--query", "SELECT 1 WHERE $CONDITIONS", "--target-dir", "d",
        "--boundary-query", "x", "--split-by", "k");
    EXPECT_REFUSED("say so with --split-by", "--query", "SELECT 1 WHERE $CONDITIONS", "--target-dir", "d",
        "--boundary-query", "x");
}

Test(sqoop, thresholds)
{
    EXPECT_HAS("--names", T, "--validate", "--validation-threshold",
        "org.apache.sqoop.validation.AbsoluteValidationThreshold");
    EXPECT_REFUSED("--validation-threshold: no Java is loaded, and no row may be missing", T,
        "--validation-threshold", "a.B");
}

Test(sqoop, where_it_goes)
{
    EXPECT_HAS("--target t ", T);
    EXPECT_HAS("--target w/t ", T, "--warehouse-dir", "w");
    EXPECT_HAS("--target /w/t ", T, "--warehouse-dir", "file:///w");
    EXPECT_HAS("--target /x ", T, "--target-dir", "file:///x");
    EXPECT_HAS("--target /x ", T, "--target-dir", "file:/x");
    EXPECT_HAS("--target a:b ", T, "--target-dir", "a:b");
    EXPECT_HAS("--target :/b ", T, "--target-dir", ":/b");
    EXPECT_HAS("--target x --replace", T, "--target-dir", "x", "--delete-target-dir");
    EXPECT_HAS("--target hdfs://n/x ", T, "--target-dir", "hdfs://n/x");
    EXPECT_HAS("--target swebhdfs://n/x/t ", T, "--warehouse-dir", "swebhdfs://n/x");
    EXPECT_HAS("--target s3://bucket/x/t ", T, "--warehouse-dir", "s3a://bucket/x");
    EXPECT_HAS("--target s3://bucket/x ", T, "--target-dir", "s3n://bucket/x");
    EXPECT_HAS("--connections 4 --config f ", T, "--target-dir", "/x", "-c", "f");
    EXPECT_HAS("--target /x --names sqoop --format sqoop --compression none --connections 4 -- ", T,
        "--target-dir", "file:///x", "--config", "f");
    EXPECT_REFUSED("--target-dir maprfs:...: files go to a directory of this machine", T, "--target-dir",
        "maprfs://n/x");
    EXPECT_REFUSED("--target-dir file:...:", T, "--target-dir", "file://other/x");
    EXPECT_REFUSED("exclude each other", T, "--warehouse-dir", "w", "--target-dir", "x");
    EXPECT_REFUSED("a query needs one", "--query", "SELECT 1 WHERE $CONDITIONS", "--warehouse-dir", "w");
}

/* ---- the tools ------------------------------------------------------------------------------------------------------------ */

Test(sqoop, tools)
{
    cr_assert_eq(TRANSLATE("help"), 0);
    cr_assert(order.tool == SQOOP_HELP && !order.topic);
    cr_assert_eq(TRANSLATE("--help"), 0);
    cr_assert_eq(order.tool, SQOOP_HELP);
    cr_assert_eq(TRANSLATE("help", "import"), 0);
    cr_assert_str_eq(order.topic, "import");
    cr_assert_eq(TRANSLATE("import", "--help"), 0);
    cr_assert(order.tool == SQOOP_HELP && !strcmp(order.topic, "import"));
    cr_assert_eq(TRANSLATE("version"), 0);
    cr_assert_eq(order.tool, SQOOP_VERSION);
    cr_assert_eq(TRANSLATE("--version"), 0);
    cr_assert_eq(TRANSLATE("imprt"), -1);
    cr_assert_not_null(strstr(error.text, "no such tool: \"imprt\"; did you mean \"import\"?"));
    cr_assert_eq(TRANSLATE("--zzzzzzzzzzzz"), -1);
    cr_assert_not_null(strstr(error.text, "no such tool: \"--zzzzzzzzzzzz\"; see"));
    cr_assert_eq(translate((const char *const[]){NULL}), -1);
    cr_assert_not_null(strstr(error.text, "a tool is missing"));
    for (size_t i = 0; i < sqoop_tools_count; i++) {
        if (sqoop_tools[i].tool != SQOOP_OTHER)
            continue;
        cr_assert_eq(TRANSLATE(sqoop_tools[i].name, "--anything"), -1);
        cr_assert_not_null(strstr(error.text, sqoop_tools[i].what));
    }
}

Test(sqoop, help)
{
    struct bytes text;

    bytes_init(&text, 1 << 20);
    cr_assert_eq(sqoop_print_help(NULL, &text, &error), 0);
    cr_assert_eq(bytes_add(&text, "", 1, &error), 0);
    for (size_t i = 0; i < sqoop_tools_count; i++) {
        cr_assert_not_null(strstr(text.data, sqoop_tools[i].name));
        struct bytes one;
        bytes_init(&one, 1 << 20);
        cr_assert_eq(sqoop_print_help(sqoop_tools[i].name, &one, &error), 0);
        cr_assert_gt(one.length, 0);
        bytes_free(&one);
    }
    bytes_clear(&text);
    cr_assert_eq(sqoop_print_help("import", &text, &error), 0);
    cr_assert_eq(bytes_add(&text, "", 1, &error), 0);
    cr_assert_not_null(strstr(text.data, "\n  -P\n        Read password from console\n"));
    cr_assert_not_null(strstr(text.data, "\n  -m, --num-mappers <n>\n"));
    cr_assert_not_null(strstr(text.data,
        "\n  --driver <class-name>\n        Manually specify JDBC driver class to use\n        changes nothing: there is"));
    cr_assert_not_null(strstr(text.data, "\n        refused: SequenceFiles"));
    cr_assert_eq(sqoop_print_help("nosuch", &text, &error), -1);
    bytes_free(&text);
    /* Whatever room there is. */
    for (size_t room = 0; room < 3000; room += 7) {
        bytes_init(&text, room);
        cr_assert_eq(sqoop_print_help("import", &text, &error), -1);
        cr_assert_eq(error.kind, ERROR_REJECT);
        bytes_free(&text);
    }
    for (size_t room = 0; room < 400; room++) {
        bytes_init(&text, room);
        cr_assert_eq(sqoop_print_help(NULL, &text, &error), -1);
        bytes_free(&text);
    }
}

Test(sqoop, a_line_in_any_room)
{
    EXPECT_HAS("--password ...", T, "--password", "it's", "--username", "a'b", "--where", "");
    const size_t length = strlen(line_of_import());
    for (size_t room = 0; room < length; room++) {
        struct bytes text;
        bytes_init(&text, room);
        cr_assert_eq(sqoop_print_import(&order, &text, &error), -1);
        bytes_free(&text);
    }
}
