/* manifest_read: what a manifest says, and everything that it may not be */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "table/manifest.h"

static struct manifest *manifest;
static struct error error;

static const char whole[] =
    "{\"manifest\": 1, \"checksums\": \"rows-1\", \"selection\": {\"columns\": [\"id\", \"v\"], \"where\": \"id > 3\", \"query\": null, "
    "\"casts\": [\"id=text\"], \"arrays_as_text\": true, \"copied\": true}, \"tables\": [{\"schema\": \"public\", \"name\": \"readings\", \"directory\": \"\", \"rows\": 7, "
    "\"checksum\": \"00000000000000ff\", \"columns\": [{\"name\": \"id\", \"type\": \"integer\"}, {\"name\": \"v\", \"type\": \"text\"}], "
    "\"files\": [{\"name\": \"part-00000.jsonl\", \"rows\": 7, \"bytes\": 99, \"crc32c\": \"0000abcd\"}, "
    "{\"name\": null, \"rows\": 0, \"bytes\": 0, \"crc32c\": \"00000000\"}]}]}";

static const char *const appended[] = {MANIFEST_NAME, "manifest-00002.json", "manifest-00010.json",
    "_manifest-00011.json", "manifest-100000.json", NULL};

static void end(void)
{
    manifest_free(&manifest);
    folder_end();
}

TestSuite(manifest_read, .init = folder_begin, .fini = end);

static void expect_whole(void)
{
    cr_assert_eq(manifest->tables_count, 1);
    const struct manifest_table *table = &manifest->tables[0];
    cr_assert_str_eq(manifest->where, "id > 3");
    cr_assert_null(manifest->query);
    cr_assert(manifest->arrays_as_text && manifest->copied);
    cr_assert_eq(manifest->columns_count, 2);
    cr_assert_str_eq(manifest->columns[1], "v");
    cr_assert_eq(manifest->casts_count, 1);
    cr_assert_str_eq(manifest->casts[0], "id=text");
    cr_assert_str_eq(table->schema, "public");
    cr_assert_str_eq(table->name, "readings");
    cr_assert_str_eq(table->directory, "");
    cr_assert_eq(table->rows, 7);
    cr_assert_eq(table->checksum, 255);
    cr_assert_eq(table->columns_count, 2);
    cr_assert_str_eq(table->columns[0].type, "integer");
    cr_assert_eq(table->files_count, 2);
    cr_assert_str_eq(table->files[0].name, "part-00000.jsonl");
    cr_assert_eq(table->files[0].bytes, 99);
    cr_assert_eq(table->files[0].crc32c, 0xabcd);
    cr_assert_null(table->files[1].name);
}

Test(manifest_read, by_its_directory)
{
    write_file(MANIFEST_NAME, whole);
    cr_assert_eq(manifest_read(&manifest, folder, &error), 0, "%s", error.text);
    expect_whole();
    cr_assert_str_eq(manifest->folder, folder);
    cr_assert_str_eq(manifest->path, in_folder(MANIFEST_NAME));
}

Test(manifest_read, by_its_directory_beside_files_named_as_sqoop_does)
{
    write_file(MANIFEST_NAME_SQOOP, whole);
    cr_assert_eq(manifest_read(&manifest, folder, &error), 0, "%s", error.text);
    expect_whole();
    cr_assert_str_eq(manifest->path, in_folder(MANIFEST_NAME_SQOOP));
}

/* Of several imports into one directory: the number counts, not the order of the letters. */
Test(manifest_read, the_newest_of_its_directory)
{
    write_file("manifest-x.json", "");
    for (const char *const *name = appended; *name; name++) {
        write_file(*name, whole);
        cr_assert_eq(manifest_read(&manifest, folder, &error), 0, "%s", error.text);
        expect_whole();
        cr_assert_str_eq(manifest->path, in_folder(*name));
        cr_assert_null(manifest->last_value);
        manifest_free(&manifest);
    }
}

Test(manifest_read, of_an_increment)
{
    static const struct {
        const char *said, *begun, *last;
    } cases[] = {{"{\"check_column\": \"id\", \"above\": \"7\", \"last_value\": \"9\"", "7", "9"},
        {"{\"check_column\": \"id\", \"above\": null, \"last_value\": \"9\"", "", "9"},
        {"{\"check_column\": \"at\", \"from\": \"2026-01-01\", \"last_value\": \"2026-01-02\"", "2026-01-01",
            "2026-01-02"},
        {"{\"last_value\": \"9\"", "", NULL}};
    char text[2 * sizeof whole];

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(text, sizeof text, "{\"incremental\": %s}, %s", cases[i].said, whole + 1);
        write_file(MANIFEST_NAME, text);
        cr_assert_eq(manifest_read(&manifest, folder, &error), 0, "%s", error.text);
        cr_assert_str_eq(manifest->begun_value, cases[i].begun);
        cr_assert_eq(!manifest->last_value, !cases[i].last);
        if (cases[i].last)
            cr_assert_str_eq(manifest->last_value, cases[i].last);
        manifest_free(&manifest);
    }
}

/* What is compared with the table is what was read. */
Test(manifest_read, of_a_merged_set)
{
    char text[sizeof whole + 100];
    const char *end = strstr(whole, "\"columns\": [{");

    write_file(MANIFEST_NAME, whole);
    cr_assert_eq(manifest_read(&manifest, folder, &error), 0, "%s", error.text);
    cr_assert(!manifest->tables->merged && manifest->tables->rows_read == 7);
    manifest_free(&manifest);
    snprintf(text, sizeof text, "%.*s\"merged\": {\"rows_read\": 3}, %s", (int)(end - whole), whole, end);
    write_file(MANIFEST_NAME, text);
    cr_assert_eq(manifest_read(&manifest, folder, &error), 0, "%s", error.text);
    cr_assert(manifest->tables->merged && manifest->tables->rows_read == 3 && manifest->tables->rows == 7);
    manifest_free(&manifest);
    snprintf(text, sizeof text, "%.*s\"merged\": {\"rows_read\": -3}, %s", (int)(end - whole), whole, end);
    write_file(MANIFEST_NAME, text);
    cr_assert_eq(manifest_read(&manifest, folder, &error), -1);
    cr_assert_not_null(strstr(error.text, "\"rows_read\" is negative"), "%s", error.text);
}

Test(manifest_read, by_its_own_name)
{
    write_file("other.json", whole);
    cr_assert_eq(manifest_read(&manifest, in_folder("other.json"), &error), 0, "%s", error.text);
    expect_whole();
    cr_assert_str_eq(manifest->folder, folder);
    manifest_free(&manifest);
    cr_assert_eq(chdir(folder), 0);
    cr_assert_eq(manifest_read(&manifest, "other.json", &error), 0, "%s", error.text);
    cr_assert_str_eq(manifest->folder, ".");
}

Test(manifest_read, as_text)
{
    const struct slice text = {whole, sizeof whole - 1}, none = {"{", 1}, other = {"{}", 2};

    cr_assert_eq(
        manifest_parse(&manifest, "s3://bucket/made", "manifest.json", text, &error), 0, "%s", error.text);
    expect_whole();
    cr_assert_str_eq(manifest->path, "s3://bucket/made/manifest.json");
    cr_assert_str_eq(manifest->folder, "s3://bucket/made");
    struct manifest *unset = NULL;
    cr_assert_eq(manifest_parse(&unset, "s3://bucket/made", "manifest.json", none, &error), -1);
    cr_assert_not_null(
        strstr(error.text, "s3://bucket/made/manifest.json:1:1: this is no JSON"), "%s", error.text);
    cr_assert_eq(manifest_parse(&unset, "s3://bucket/made", "manifest.json", other, &error), -1);
    cr_assert_not_null(strstr(error.text, "this is no manifest"), "%s", error.text);
    cr_assert_null(unset);
}

/* ---- what it may not be ------------------------------------------------------------------------------------------ */

static void expect_refused(const char *path, const char *why)
{
    struct manifest *none = NULL;

    cr_assert_eq(manifest_read(&none, path, &error), -1, "%s", why);
    cr_assert_null(none);
    cr_assert_eq(error.kind, ERROR_REJECT);
    cr_assert_not_null(strstr(error.text, why), "\"%s\" is not in \"%s\"", why, error.text);
}

Test(manifest_read, no_file)
{
    expect_refused(in_folder("nowhere.json"), "No such file");
    expect_refused("/nowhere.json", "No such file");
    expect_refused("/dev/null", "it is no file");
    cr_assert_eq(mkdir(in_folder("directory"), 0700), 0);
    expect_refused(in_folder("directory"), "No such file");
    int fd = open(in_folder("other.json"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    cr_assert(fd >= 0 && ftruncate(fd, (off_t)MANIFEST_SIZE_MAX + 1) == 0 && close(fd) == 0);
    expect_refused(in_folder("other.json"), "it is too large");
}

Test(manifest_read, no_json)
{
    write_file("other.json", "{\"manifest\": 1,\n \"tables\"");
    expect_refused(in_folder("other.json"), "other.json:2:");
    write_file("other.json", "{\"manifest\": 1, \"manifest\": 1}");
    expect_refused(in_folder("other.json"), "duplicate");
    write_file("other.json", "[]");
    expect_refused(in_folder("other.json"), "this is no manifest of an import");
}

/* With another text in the place of one of its own. */
static void expect_change_refused(const char *own, const char *other, const char *why)
{
    char text[2 * sizeof whole];
    const char *at = strstr(whole, own);

    cr_assert_not_null(at, "%s", own);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - whole), whole, other, at + strlen(own));
    write_file("other.json", text);
    expect_refused(in_folder("other.json"), why);
}

Test(manifest_read, of_another_version)
{
    expect_change_refused("\"manifest\": 1", "\"manifest\": 2", "version 2, this program knows version 1");
    expect_change_refused("rows-1", "rows-2", "checksums \"rows-2\", this program knows \"rows-1\"");
}

Test(manifest_read, members_that_are_missing_or_of_another_type)
{
    static const struct {
        const char *own, *other, *why;
    } changes[] = {
        {"\"manifest\": 1", "\"manifest\": \"1\"", "Expected integer"},
        {"\"checksums\"", "\"sums\"", "checksums"},
        {"\"arrays_as_text\"", "\"arrays\"", "selection: "},
        {"\"id > 3\"", "3", "selection.where: a text is missing"},
        {"\"query\": null", "\"query\": 1", "selection.query: a text is missing"},
        {"[\"id\", \"v\"]", "[\"id\", 3]", "selection.columns: a name is missing"},
        {"[\"id=text\"]", "[null]", "selection.casts: a name is missing"},
        {"\"tables\": [", "\"tables\": 1, \"more\": [", "tables: this is no list"},
        {"\"tables\": [", "\"tables\": [{}, ", "tables[0]: "},
        {"\"directory\": \"\"", "\"directory\": null", "tables[0]: "},
        {"\"rows\": 7, \"checksum\"", "\"rows\": -7, \"checksum\"", "tables[0]: \"rows\" is negative"},
        {"00000000000000ff", "00000000000000fg", "tables[0]: a checksum is no hexadecimal number"},
        {"00000000000000ff", "ff", "tables[0]: a checksum is no hexadecimal number"},
        {"\"columns\": [{", "\"columns\": 1, \"more\": [{", "tables[0]: \"columns\" and \"files\" are lists"},
        {"\"files\": [{", "\"files\": 1, \"more\": [{", "tables[0]: \"columns\" and \"files\" are lists"},
        {"\"type\": \"text\"", "\"type\": 1", "tables[0].columns[1]: "},
        {"\"bytes\": 99, ", "", "tables[0].files[0]: "},
        {"\"name\": null", "\"name\": 1", "tables[0].files[1]: a text is missing"},
        {"\"rows\": 7, \"bytes\"", "\"rows\": -1, \"bytes\"", "tables[0].files[0]: \"rows\" is negative"},
        {"\"bytes\": 99", "\"bytes\": -99", "tables[0].files[0]: \"bytes\" is negative"},
        {"0000abcd", "0000ABCD", "tables[0].files[0]: a checksum is no hexadecimal number"},
    };

    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++)
        expect_change_refused(changes[i].own, changes[i].other, changes[i].why);
}

Test(manifest_read, names_that_lead_elsewhere)
{
    static const char *const names[] = {"..", ".", "../other", "/etc/passwd", "a/b"};
    char text[64];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(text, sizeof text, "\"directory\": \"%s\"", names[i]);
        expect_change_refused(
            "\"directory\": \"\"", text, "tables[0]: a name that leads out of the directory");
        expect_change_refused(
            "part-00000.jsonl", names[i], "tables[0].files[0]: a name that leads out of the directory");
    }
}

Test(manifest_read, a_query_has_one_table)
{
    write_file("other.json",
        "{\"manifest\": 1, \"checksums\": \"rows-1\", \"selection\": {\"columns\": null, \"where\": null, \"query\": \"SELECT 1\", "
        "\"arrays_as_text\": false}, \"tables\": []}");
    expect_refused(in_folder("other.json"), "tables: a query has one");
}
