/* import_options: the options of an incremental import */
#include <criterion/criterion.h>
#include <string.h>

#include "import_options_harness.h"

TestSuite(import_increment, .fini = forget);

Test(import_increment, belongs_together)
{
    TAKEN("--target", "x", "t", "--incremental", "append", "--check-column", "id", "--last-value", "7",
        "--incremental-lag", "60");
    cr_assert_eq(options.increment.mode, INCREMENT_APPEND);
    cr_assert_str_eq(options.increment.column, "id");
    cr_assert_str_eq(options.increment.last, "7");
    cr_assert_eq(options.increment.lag, 60);
    TAKEN(
        "--target", "x", "--query", "select 1 as a", "--incremental", "lastmodified", "--check-column", "a");
    cr_assert_eq(options.increment.mode, INCREMENT_LASTMODIFIED);
    cr_assert_null(options.increment.last);
    REFUSED("is none of append|lastmodified", "--target", "x", "t", "--incremental", "");
    REFUSED("--check-column, which says what is new, is missing", "--target", "x", "t", "--incremental",
        "append", "--last-value", "7");
    REFUSED("are for --incremental", "--target", "x", "t", "--check-column", "id");
    REFUSED("are for --incremental", "--target", "x", "t", "--last-value", "7");
    REFUSED("are for --incremental", "--target", "x", "t", "--incremental-lag", "7");
    REFUSED("exclude each other", "--target", "x", "t", "--append", "--replace");
    TAKEN("--target", "x", "t", "--append");
    cr_assert(options.append);
    REFUSED("it does not go with --incremental", "--target", "x", "t", "--incremental", "append",
        "--check-column", "id", "--replace");
}

#define CHANGED "--target", "x", "t", "--incremental", "lastmodified", "--check-column", "at"

Test(import_increment, merges_what_it_can_read)
{
    static const char *const formats[] = {"csv", "text", "sqoop", "avro", "parquet"};

    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        TAKEN(CHANGED, "--format", formats[i], "--merge-key", "id,b");
        cr_assert_eq(options.merge_key.count, 2);
        cr_assert_str_eq(options.merge_key.names[1], "b");
    }
    REFUSED("(PARTITION BY id ORDER BY at DESC)", CHANGED, "--merge-key", "id,b", "--format", "jsonl");
    REFUSED("is for delimited text", CHANGED, "--merge-key", "id", "--format", "jsonl");
    REFUSED("leave one of them out", CHANGED, "--merge-key", "id", "--format", "csv", "--append");
    REFUSED("does not go with --to", CHANGED, "--merge-key", "id", "--to", "kafka:t");
    REFUSED("is for --incremental lastmodified", "--target", "x", "t", "--merge-key", "id");
    REFUSED("is for --incremental lastmodified", "--target", "x", "t", "--merge-key", "id", "--incremental",
        "append", "--check-column", "id");
}
