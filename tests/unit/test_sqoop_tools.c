/* sqoop_tools: tools that only ask the database: what they take, and what they would do */
#include <criterion/criterion.h>

#include "sqoop_harness.h"

TestSuite(sqoop_tools, .fini = forget);

#define PLACE "host='\\''h'\\'' port='\\''5432'\\'' dbname='\\''d'\\'' sslmode='\\''prefer'\\''"

Test(sqoop_tools, names)
{
    cr_assert_eq(
        TRANSLATE("list-tables", CONNECT, "--username", "u", "--password", "p"), 0, "%s", error.text);
    cr_assert(order.tool == SQOOP_LIST_TABLES && !order.schema && !order.dry_run);
    cr_assert_str_eq(line_of_import(), "penstock import --connect '" PLACE "' --user u --password ...\n");
    cr_assert_str_eq(plan_of_order(),
        "connects to host='h' port='5432' dbname='d' sslmode='prefer' as u\n"
        "prints the names of the tables of the schema that comes first in the search path\n");
    cr_assert_eq(
        TRANSLATE("list-tables", CONNECT, "--dry-run", "-P", "--", "--schema", "S"), 0, "%s", error.text);
    cr_assert(order.dry_run);
    cr_assert_str_eq(line_of_import(), "penstock import --connect '" PLACE "' --ask-password\n");
    cr_assert_str_eq(plan_of_order(),
        "connects to host='h' port='5432' dbname='d' sslmode='prefer'\nprints the names of the tables of schema S\n");
    cr_assert_eq(TRANSLATE("list-databases", CONNECT, "--password-file", "f"), 0, "%s", error.text);
    cr_assert_eq(order.tool, SQOOP_LIST_DATABASES);
    cr_assert_str_eq(plan_of_order(),
        "connects to host='h' port='5432' dbname='d' sslmode='prefer'\nprints the names of the databases\n");
}

Test(sqoop_tools, statements)
{
    cr_assert_eq(TRANSLATE("eval", CONNECT, "--query", "SELECT 1"), 0, "%s", error.text);
    cr_assert_eq(order.tool, SQOOP_EVAL);
    cr_assert_str_eq(order.statement, "SELECT 1");
    cr_assert_eq(TRANSLATE("eval", CONNECT, "-e", "DELETE FROM \"t\"", "--dry-run"), 0, "%s", error.text);
    cr_assert(order.dry_run);
    cr_assert_str_eq(plan_of_order(), "connects to host='h' port='5432' dbname='d' sslmode='prefer'\n"
                                      "runs and commits, and prints what it answers:\nDELETE FROM \"t\"\n");
    cr_assert_eq(TRANSLATE("eval", CONNECT), -1);
    cr_assert_str_eq(error.text, "--query: the statement is missing");
    cr_assert_eq(TRANSLATE("eval", CONNECT, "-e", ""), -1);
    cr_assert_str_eq(error.text, "--query: the statement is missing");
    cr_assert_eq(TRANSLATE("eval", CONNECT, "-e", "SELECT 1", "--", "--schema", "s"), -1);
    cr_assert_eq(TRANSLATE("list-tables", CONNECT, "-e", "SELECT 1"), -1);
}

Test(sqoop_tools, all_tables)
{
    cr_assert_eq(TRANSLATE("import-all-tables", CONNECT, "--username", "u", "--warehouse-dir", "w"), 0, "%s",
        error.text);
    cr_assert_eq(order.tool, SQOOP_IMPORT_ALL);
    cr_assert_str_eq(order.target, "w");
    cr_assert_str_eq(line_of_import(),
        "penstock import --connect '" PLACE "' --user u --target w --names warehouse "
        "--format sqoop --compression none --connections 4 --current-schema\n");
    cr_assert_eq(
        TRANSLATE("import-all-tables", CONNECT, "--warehouse-dir", "file:///w", "--exclude-tables",
            "a, b\"c ,,", "-m", "1", "--as-avrodatafile", "--dry-run", "--verbose", "--", "--schema", "S"),
        0, "%s", error.text);
    cr_assert(order.dry_run);
    cr_assert_not_null(strstr(line_of_import(), " --target /w --names warehouse --format avro "));
    cr_assert_not_null(strstr(line_of_import(), " --whole --connections 1 --progress lines --explain "));
    cr_assert_not_null(
        strstr(line_of_import(), " --exclude '\"S\".\"a\"' --exclude '\"S\".\"b\"\"c\"' --schema S\n"));
    cr_assert_eq(TRANSLATE("import-all-tables", CONNECT), -1);
    cr_assert_not_null(strstr(error.text, "--warehouse-dir: the directory is missing"));
    cr_assert_eq(TRANSLATE("import-all-tables", CONNECT, "--warehouse-dir", "maprfs://n/w"), -1);
    cr_assert_not_null(
        strstr(error.text, "--warehouse-dir maprfs:...: files go to a directory of this machine"));
    cr_assert_eq(TRANSLATE("import-all-tables", CONNECT, "--warehouse-dir", "w", "--target-dir", "t"), -1);
    cr_assert_not_null(strstr(error.text, "--target-dir is no option of import-all-tables"));
    cr_assert_eq(TRANSLATE("import", CONNECT, "--table", "t", "--exclude-tables", "a"), -1);
    cr_assert_eq(TRANSLATE("import-all-tables", CONNECT, "--warehouse-dir", "w", "--hbase-table", "t"), -1);
    cr_assert_not_null(strstr(error.text, "--hbase-table: there is no HBase here"));
}

Test(sqoop_tools, what_is_another_tools)
{
    cr_assert_eq(TRANSLATE("list-tables", CONNECT, "--table", "t"), -1);
    cr_assert_str_eq(error.text, "--table is no option of list-tables; see penstock sqoop help list-tables");
    cr_assert_eq(TRANSLATE("list-databases", CONNECT, "-m1"), -1);
    cr_assert_str_eq(
        error.text, "--num-mappers is no option of list-databases; see penstock sqoop help list-databases");
    cr_assert_eq(TRANSLATE("list-databases", CONNECT, "--", "--schema", "s"), -1);
    /* The nearest is one that the tool takes. */
    cr_assert_eq(TRANSLATE("list-databases", CONNECT, "--schemas", "s"), -1);
    cr_assert_str_eq(error.text, "unknown option \"--schemas\"; see penstock sqoop help list-databases");
    cr_assert_eq(TRANSLATE("list-tables", CONNECT, "--schemas", "s"), -1);
    cr_assert_not_null(strstr(error.text, "did you mean \"--schema\"?"));
    cr_assert_eq(TRANSLATE("list-tables"), -1);
    cr_assert_str_eq(error.text, "--connect: the address of the database is missing");
    cr_assert_eq(TRANSLATE("list-tables", "--help"), 0);
    cr_assert(order.tool == SQOOP_HELP && strcmp(order.topic, "list-tables") == 0);
}

Test(sqoop_tools, every_row_has_a_tool)
{
    for (size_t i = 0; i < sqoop_options_count; i++)
        cr_assert_neq(sqoop_options[i].tools, 0, "%s", sqoop_options[i].name);
}

static void help_of(const char *tool, struct bytes *text)
{
    bytes_init(text, 1 << 20);
    cr_assert_eq(sqoop_print_help(tool, text, &error), 0);
    cr_assert_eq(bytes_add(text, "", 1, &error), 0);
}

Test(sqoop_tools, help_has_what_the_tool_takes)
{
    struct bytes text;

    help_of("list-tables", &text);
    cr_assert_eq(
        strncmp(text.data,
            "Usage: penstock sqoop list-tables [-D NAME=VALUE]... [OPTION]... [-- --schema NAME]\n", 82),
        0);
    cr_assert_not_null(strstr(text.data, "\n  --connect <jdbc-uri>\n"));
    cr_assert_not_null(strstr(text.data, "\n  --schema <name>\n"));
    cr_assert_null(strstr(text.data, "--num-mappers"));
    bytes_free(&text);
    help_of("list-databases", &text);
    cr_assert_null(strstr(text.data, "--schema"));
    bytes_free(&text);
}

Test(sqoop_tools, a_plan_in_any_room)
{
    cr_assert_eq(TRANSLATE("list-tables", CONNECT, "--", "--schema", "S"), 0);
    const size_t length = strlen(plan_of_order());
    for (size_t room = 0; room < length; room++) {
        struct bytes text;
        bytes_init(&text, room);
        cr_assert_eq(sqoop_print_plan(&order, &text, &error), -1);
        bytes_free(&text);
    }
}
