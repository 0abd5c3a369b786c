/* import_options: what Hive is told */
#include <criterion/criterion.h>
#include <string.h>

#include "import_options_harness.h"

TestSuite(import_hive, .fini = forget);

#define T "--target", "x", "t"

Test(import_hive, belongs_together)
{
    TAKEN(T, "--hive", "--hive-client", "beeline -u x", "--hive-table", "a", "--hive-database", "b",
        "--hive-partition", "dt=2026=x", "--hive-type", "a=INT", "--hive-type", "b=DATE", "--hive-location",
        "/x", "--hive-overwrite", "--hive-new");
    cr_assert(options.tells_hive && !options.prints_hive);
    cr_assert_str_eq(options.hive_client, "beeline -u x");
    cr_assert_str_eq(options.hive.table, "a");
    cr_assert_str_eq(options.hive.database, "b");
    cr_assert_str_eq(options.hive.partition_key, "dt");
    cr_assert_str_eq(options.hive.partition_value, "2026=x");
    cr_assert_eq(options.hive.types_count, 2);
    cr_assert_str_eq(options.hive.types[1], "b=DATE");
    cr_assert_str_eq(options.hive.location, "/x");
    cr_assert(options.hive.overwrite && options.hive.must_be_new);
    TAKEN("t", "--hive-ddl", "--hive-partition", "dt=");
    cr_assert(options.prints_hive && !options.tells_hive);
    cr_assert_str_eq(options.hive.partition_value, "");
    REFUSED("--target: the directory that is to be made is missing", "t", "--hive");
}

Test(import_hive, stands_alone)
{
    static const char *const others[][2] = {{"--hive-client", "a"}, {"--hive-table", "a"},
        {"--hive-database", "a"}, {"--hive-partition", "a=b"}, {"--hive-type", "a=b"},
        {"--hive-location", "a"}, {"--hive-overwrite", "--views"}, {"--hive-new", "--views"}};

    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        REFUSED("are for --hive and --hive-ddl", T, others[i][0], others[i][1]);
}

Test(import_hive, what_does_not_go)
{
    REFUSED("is not KEY=VALUE", T, "--hive", "--hive-partition", "dt");
    REFUSED("is not KEY=VALUE", T, "--hive", "--hive-partition", "dt=");
    REFUSED("is not KEY=VALUE", T, "--hive", "--hive-partition", "=a");
    REFUSED("does not go with --to", T, "--hive", "--to", "kafka:t", "--kafka-property", "a=b");
    REFUSED("for a row", T, "--hive", "--format", "csv", "--header");
    REFUSED("--append keeps files", T, "--hive", "--append");
    REFUSED(
        "Hive would have them twice", T, "--hive", "--incremental", "lastmodified", "--check-column", "a");
    REFUSED("what earlier increments have brought", T, "--hive", "--incremental", "append", "--check-column",
        "a", "--hive-overwrite");
    TAKEN(T, "--hive", "--incremental", "append", "--check-column", "a", "--hive-overwrite",
        "--hive-partition", "a=b");
}
