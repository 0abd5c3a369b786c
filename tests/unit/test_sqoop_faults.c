/* sqoop: whichever allocation fails while a line is taken apart, it is told, and nothing is left; texts that are too long */
#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sqoop_harness.h"

TestSuite(sqoop_faults, .fini = forget);

#define ADDRESS_LONG 70000

/* How many allocations succeed before one fails. */
static size_t left = SIZE_MAX;

static bool fails(void)
{
    return left != SIZE_MAX && left-- == 0;
}

void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

char *__real_strndup(const char *text, size_t size);
char *__wrap_strndup(const char *text, size_t size);
char *__wrap_strndup(const char *text, size_t size)
{
    return fails() ? NULL : __real_strndup(text, size);
}

static void try_all(const char *const *words)
{
    for (size_t at = 0;; at++) {
        left = at;
        const int result = translate(words);
        const bool met = left == SIZE_MAX;
        left = SIZE_MAX;
        cr_assert_eq(result, met ? -1 : 0, "%zu: %s", at, error.text);
        if (!met)
            return;
        cr_assert_eq(error.kind, ERROR_RETRY, "%zu: %s", at, error.text);
        cr_assert_eq(order.kept.count, 0);
    }
}

#define TRY(...) try_all((const char *const[]){__VA_ARGS__, NULL})

Test(sqoop_faults, every_allocation)
{
    put_file("line", "--table\n'te\\\nle'\n--username\nu\n");
    put_file("parameters", "user=u\nprepareThreshold=1\n");
    TRY("import", "--options-file", "line", "--connect",
        "jdbc:postgresql://a:1,b/d%20e?user=u&password=p&currentSchema=s&tcpKeepAlive=true&x=y",
        "--connection-param-file", "parameters", "-D", "x=y", "-Da=b", "-conf", "f", "--table", "t",
        "--password", "p", "--target-dir", "x", "--delete-target-dir", "--columns", "a, b", "--where", "a",
        "--split-by", "a", "--verbose", "--dry-run", "-m", "99", "--fields-terminated-by", "||",
        "--lines-terminated-by", "\\0X41", "--escaped-by", "\\", "--null-string", "a", "--null-non-string",
        "b", "--hive-drop-import-delims", "-z", "--", "--schema", "a\"b");
    TRY("import", CONNECT, "--query", "a $CONDITIONS b", "--target-dir", "x", "-P", "-m1",
        "--hive-delims-replacement", "x", "--mysql-delimiters");
    TRY("import", CONNECT, "--table", "t", "--warehouse-dir", "w", "--password-file", "f",
        "--as-avrodatafile", "--null-string", "x", "-m", "3");
    TRY("import", CONNECT, "--table", "t", "--as-parquetfile",
        "-Dsqoop.parquet.logical_types.decimal.enable=true",
        "-Dsqoop.avro.logical_types.decimal.default.precision=9", "--map-column-java", "a=String,%2Cb= Long",
        "--boundary-query", "SELECT 1, 2", "--split-limit", "3", "--direct-split-size", "4");
    TRY("import-all-tables", CONNECT, "--warehouse-dir", "w", "--exclude-tables", "a, b", "--verbose",
        "--dry-run", "-m1", "--", "--schema", "s");
    TRY("import-all-tables", CONNECT, "--warehouse-dir", "w");
    TRY("import", CONNECT, "--table", "t", "--direct", "--null-string", "\\\\N", "--null-non-string", "\\\\N",
        "--map-column-java", "a=String", "--hive-delims-replacement", "x", "--", "--boolean-true-string",
        "y");
    TRY("import", CONNECT, "--table", "t", "--direct", "--as-avrodatafile", "--", "--boolean-true-string",
        "y");
    TRY("import", CONNECT, "--table", "t", "--target-dir", "x", "--hive-import", "--hive-table", "a.b",
        "--hive-partition-key", "k", "--hive-partition-value", "v", "--external-table-dir", "/x",
        "--hive-overwrite", "--create-hive-table", "--map-column-hive", "a=b", "--hive-client", "c",
        "--enclosed-by", "'");
    TRY("import", CONNECT, "--table", "t", "--target-dir", "x", "--hive-import", "--as-avrodatafile");
    TRY("import", CONNECT, "--table", "t", "--target-dir", "x", "--hive-table", "a");
    TRY("create-hive-table", CONNECT, "--table", "t", "--hive-database", "a", "--dry-run");
    TRY("eval", CONNECT, "--query", "SELECT 1", "--password", "p");
    TRY("list-tables", CONNECT, "-P", "--", "--schema", "s");
    TRY("job", "-Dx=y", "--create", "j", "--verbose", "--dry-run", "--", "import", CONNECT, "--table", "t",
        "--password", "p", "-m1", "-Dsqoop.bigdecimal.format.string=true");
    TRY("job", "-Dx=y", "--exec", "j", "--verbose", "--dry-run", "--", "--where", "a");
}

static int read_nothing(void *context, const char *path, struct bytes *text, struct error *why)
{
    (void)context;
    (void)path;
    (void)text;
    return error_set(why, ERROR_REJECT, "No such file");
}

/* From its file to the order. */
static int try_job(void)
{
    static const char text[] =
        "penstock job 1\nword import\nword -Da=b\nword --connect=jdbc:postgresql://h/d\nword --table=t\n"
        "word --incremental=append\ntarget /t\nmark m\nlast 7\nend\n";
    static char where[] = "--where=a", property[] = "-Dc=d";
    static char *words[] = {where, property, NULL};
    const struct sqoop_reader reader = {read_nothing, NULL};
    const struct sqoop_words more = {words, 2};
    struct sqoop_job job;

    if (sqoop_job_read(&job, slice_of(text), &error))
        return -1;
    const int result = sqoop_job_set(&job.last, "8", &error) ||
                       sqoop_translate_job(&order, "j", &job, &more, &reader, &error);
    forget();
    sqoop_job_free(&job);
    return result ? -1 : 0;
}

Test(sqoop_faults, every_allocation_of_a_job)
{
    bool met = true;

    for (size_t at = 0; met; at++) {
        left = at;
        const int result = try_job();
        met = left == SIZE_MAX;
        left = SIZE_MAX;
        cr_assert_eq(result, met ? -1 : 0, "%zu: %s", at, error.text);
        cr_assert(!met || error.kind == ERROR_RETRY, "%zu: %s", at, error.text);
    }
}

Test(sqoop_faults, long_texts)
{
    static char text[(1 << 20) + 100];
    static const char *const starts[] = {
        "jdbc:postgresql://", "jdbc:postgresql:", "jdbc:postgresql://h/d?ApplicationName="};

    memset(text, 'x', sizeof text - 1);
    EXPECT_REFUSED("--table: ", "--table", text, "--target-dir", "x");
    EXPECT_REFUSED("--warehouse-dir: ", "--table", text);
    cr_assert_eq(
        TRANSLATE("import-all-tables", CONNECT, "--warehouse-dir", "w", "--exclude-tables", text), -1);
    cr_assert_not_null(strstr(error.text, "--exclude: "));
    memcpy(text + 10, "$CONDITIONS", 11);
    EXPECT_REFUSED("--query: ", "--query", text, "--target-dir", "x");
    for (size_t i = 0; i < COUNT(starts); i++) {
        const size_t length = strlen(starts[i]);
        char *url = calloc(1, length + ADDRESS_LONG + 1);
        memcpy(url, starts[i], length);
        memset(url + length, 'x', ADDRESS_LONG);
        cr_assert_eq(TRANSLATE("import", "--connect", url, "--table", "t"), -1);
        cr_assert_eq(error.kind, ERROR_REJECT);
        free(url);
    }
}
