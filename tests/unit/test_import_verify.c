/* import_verify: what people and programs are told, whatever the files and the tables are found to be */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command/import_verify.h"
#include "folder.h"
#include "table/verify.h"

#define SAID_MAX 2000

static struct error error;
static char said[SAID_MAX], noted[SAID_MAX]; /* on standard output and standard error, without the folder */
static struct verify_table
    tables[3]; /* what is found of them; a text in the error: they cannot be compared at all */
static const char *failure;

int __wrap_verify_tables(const struct manifest *manifest, const struct verify_options *options,
    struct verify_table *ret_tables, struct error *wrapped);
int __wrap_verify_tables(const struct manifest *manifest, const struct verify_options *options,
    struct verify_table *ret_tables, struct error *wrapped)
{
    cr_assert_str_eq(options->login.name, "d");
    cr_assert_eq(options->connections, 2);
    options->note(options->context, "a \x1b choice");
    if (failure)
        return error_set(wrapped, ERROR_RETRY, "%s", failure);
    memcpy(ret_tables, tables, manifest->tables_count * sizeof *tables);
    return 0;
}

static void take(FILE **stream, FILE *before, char **text, char *into)
{
    fclose(*stream);
    *stream = before;
    size_t length = 0;
    for (const char *at = *text; *at;) {
        const bool here = strncmp(at, folder, strlen(folder)) == 0;
        if (!here)
            into[length++] = *at;
        at += here ? strlen(folder) : 1;
    }
    into[length] = '\0';
    free(*text);
}

static int verify(enum import_progress progress, bool database)
{
    const struct import_options options = {.verify = folder,
        .progress = progress,
        .login = {.name = database ? "d" : NULL},
        .plan = {.workers = 2}};
    FILE *out = stdout, *err = stderr;
    char *out_text = NULL, *err_text = NULL;
    size_t out_size, err_size;

    stdout = open_memstream(&out_text, &out_size);
    stderr = open_memstream(&err_text, &err_size);
    const int result = import_verify(&options, &error);
    take(&stdout, out, &out_text, said);
    take(&stderr, err, &err_text, noted);
    return result;
}

#define TABLE(schema, name)                                                               \
    "{\"schema\":\"" schema "\", \"name\":\"" name "\", \"directory\":\"\", \"rows\":5, " \
    "\"checksum\":\"0000000000000000\", \"columns\":[],\"files\":[]}"

static void put(const char *topic, const char *of)
{
    char text[SAID_MAX];

    snprintf(text, sizeof text,
        "{\"manifest\":1, \"checksums\":\"rows-1\", %s \"selection\":{\"columns\":null, \"where\":null, "
        "\"query\":null, \"arrays_as_text\":false},\"tables\":[%s]}",
        topic, of);
    write_file("manifest.json", text);
    write_file("_SUCCESS", "");
}

TestSuite(import_verify, .init = folder_begin, .fini = folder_end);

Test(import_verify, files_alone)
{
    cr_assert_eq(verify(IMPORT_PROGRESS_LINES, false), -1, "there is no manifest");
    put("", TABLE("s", "t"));
    cr_assert_eq(verify(IMPORT_PROGRESS_LINES, false), 0, "%s", error.text);
    cr_assert_str_eq(said, "/manifest.json: 0 files are as they were written\n");
    cr_assert_eq(verify(IMPORT_PROGRESS_JSON, false), 0);
    cr_assert_str_eq(said,
        "{\"event\":\"verified\",\"files\":0,\"bytes\":0,\"files_differing\":0,\"tables\":1,\"tables_compared\":false,\"tables_differing\":0}\n");
    write_file("part-00000.csv", "1");
    cr_assert_eq(verify(IMPORT_PROGRESS_LINES, false), -1);
    cr_assert_not_null(strstr(said, "/part-00000.csv: "), "%s", said);
    cr_assert_not_null(strstr(error.text, "manifest.json: 1 files and 0 tables differ"), "%s", error.text);
    cr_assert_eq(verify(IMPORT_PROGRESS_JSON, false), -1);
    cr_assert_not_null(strstr(said, "{\"event\":\"file\",\"text\":\"/part-00000.csv: "), "%s", said);
}

Test(import_verify, a_topic_is_not_read)
{
    put("\"topic\":{\"name\":\"rows\"},", TABLE("s", "t"));
    cr_assert_eq(verify(IMPORT_PROGRESS_LINES, false), 0, "%s", error.text);
    cr_assert_str_eq(said, "/manifest.json: its rows went to topic rows, which is not read\n");
}

Test(import_verify, tables)
{
    put("", TABLE("s", "t") ", " TABLE("s", "u") ", " TABLE("", ""));
    tables[0] = (struct verify_table){.verdict = VERIFY_EQUAL, .rows = 5};
    tables[1] = (struct verify_table){.verdict = VERIFY_CHANGED, .rows = 5};
    tables[2] = (struct verify_table){.verdict = VERIFY_CHANGED, .rows = 7};
    cr_assert_eq(verify(IMPORT_PROGRESS_LINES, true), -1);
    cr_assert_str_eq(said,
        "s.t: equal, 5 rows\ns.u: changed since: 5 rows then and now, with other values\n"
        "the query: changed since: 5 rows then, 7 now\n/manifest.json: 0 files are as they were written\n");
    cr_assert_not_null(strstr(error.text, "0 files and 2 tables differ"), "%s", error.text);
    cr_assert_str_eq(noted, "penstock: a \\x1B choice\n");
    tables[1] = (struct verify_table){.verdict = VERIFY_OTHER, .text = "it is not there"};
    cr_assert_eq(verify(IMPORT_PROGRESS_LINES, true), -1);
    cr_assert_not_null(strstr(said, "s.u: cannot be compared: it is not there\n"), "%s", said);
    cr_assert_eq(verify(IMPORT_PROGRESS_JSON, true), -1);
    cr_assert_not_null(
        strstr(said,
            "{\"event\":\"table\",\"table\":\"s.t\",\"verdict\":\"equal\",\"rows_then\":5,\"rows_now\":5}\n"
            "{\"event\":\"table\",\"table\":\"s.u\",\"verdict\":\"other\",\"rows_then\":5,\"text\":\"it is not there\"}\n"
            "{\"event\":\"table\",\"table\":\"the query\",\"verdict\":\"changed\",\"rows_then\":5,\"rows_now\":7}\n"),
        "%s", said);
    failure = "nobody answers";
    cr_assert_eq(verify(IMPORT_PROGRESS_LINES, true), -1);
    cr_assert_str_eq(error.text, "nobody answers");
    cr_assert_str_eq(said, "");
}

Test(import_verify, a_merged_set)
{
    put("",
        "{\"schema\":\"s\", \"name\":\"t\", \"directory\":\"\", \"rows\":5, \"checksum\":\"0000000000000000\", "
        "\"columns\":[],\"files\":[], \"merged\":{\"rows_read\":2}}");
    tables[0] = (struct verify_table){.verdict = VERIFY_EQUAL, .rows = 2};
    cr_assert_eq(verify(IMPORT_PROGRESS_LINES, true), 0, "%s", error.text);
    cr_assert_str_eq(said,
        "s.t: equal, 2 rows\n  those are the rows of the last increment; 3 others, which were merged with them, are in the files and not compared\n"
        "/manifest.json: 0 files are as they were written\n");
    cr_assert_eq(verify(IMPORT_PROGRESS_JSON, true), 0);
    cr_assert_not_null(
        strstr(said,
            "{\"event\":\"table\",\"table\":\"s.t\",\"verdict\":\"equal\",\"rows_then\":2,\"rows_merged\":3,\"rows_now\":2}"),
        "%s", said);
}
