/* published: the newest increment of a job in a directory, whatever else lies there */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "folder.h"
#include "table/manifest.h"
#include "table/published.h"

static struct error error;
static struct published found;
static const struct published_job job = {"j", "readings", "ID"};
static int failing; /* the nth fsync() from here; negative: scandirat() */

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    if (failing > 0 && --failing == 0) {
        errno = EIO;
        return -1;
    }
    return __real_fsync(fd);
}

typedef int filter_fn(const struct dirent *entry);
typedef int compare_fn(const struct dirent **a, const struct dirent **b);
int __real_scandirat(int fd, const char *name, struct dirent ***list, filter_fn *filter, compare_fn *compare);
int __wrap_scandirat(int fd, const char *name, struct dirent ***list, filter_fn *filter, compare_fn *compare);
int __wrap_scandirat(int fd, const char *name, struct dirent ***list, filter_fn *filter, compare_fn *compare)
{
    errno = ENOMEM;
    return failing < 0 ? -1 : __real_scandirat(fd, name, list, filter, compare);
}

TestSuite(published, .init = folder_begin, .fini = folder_end);

static void put(const char *name, const char *began, const char *increment, const char *tables)
{
    char text[4096];

    snprintf(text, sizeof text,
        "{\"manifest\": 1, \"checksums\": \"rows-1\", %s \"selection\": {\"columns\": null, \"where\": null, "
        "\"query\": null, \"arrays_as_text\": false}, \"tables\": [%s], \"incremental\": {%s}}",
        began, tables, increment);
    write_file(name, text);
}

#define TABLE(name)                              \
    "{\"schema\": \"public\", \"name\": \"" name \
    "\", \"directory\": \"\", \"rows\": 0, \"checksum\": \"0000000000000000\", \"columns\": [], \"files\": []}"
#define BEGAN(moment) "\"began\": \"" moment "\","
#define OWN(last) "\"job\": \"j\", \"check_column\": \"id\", \"last_value\": " last

static void expect(const char *mark, const char *last)
{
    cr_assert_eq(published_find(&found, folder, &job, &error), 0, "%s", error.text);
    cr_assert_str_eq(found.mark, mark);
    cr_assert_str_eq(found.last, last);
}

static void expect_refused(const char *why, enum error_kind kind)
{
    cr_assert_eq(published_find(&found, folder, &job, &error), -1);
    cr_assert_eq(error.kind, kind);
    cr_assert_not_null(strstr(error.text, why), "%s", error.text);
}

Test(published, nothing)
{
    expect("", "");
    cr_assert_eq(published_find(&found, in_folder("none"), &job, &error), 0);
    cr_assert_str_eq(found.mark, "");
    write_file("file", "x");
    cr_assert_eq(published_find(&found, in_folder("file"), &job, &error), -1);
    cr_assert_eq(error.kind, ERROR_FATAL);
}

Test(published, the_newest_of_the_job)
{
    put("_manifest.json", BEGAN("2026-1"), OWN("\"7\""), TABLE("readings"));
    put("notes-manifest-00009.json", BEGAN("2026-0"), OWN("\"1\""), TABLE("readings"));
    expect("2026-1", "7");
    put("_manifest-00002.json", BEGAN("2026-2"), OWN("\"8\""), TABLE("readings"));
    expect("2026-2", "8");
    put("manifest-00010.json", BEGAN("2026-3"), OWN("\"9\""), TABLE("readings"));
    expect("2026-3", "9");
    put("_manifest-100000.json", BEGAN("2026-4"), OWN("null"), TABLE("readings"));
    expect("2026-4", "");
}

Test(published, of_others)
{
    put("_manifest.json", BEGAN("2026-1"), OWN("\"7\""), TABLE("readings"));
    put("_manifest-00001.json", BEGAN("2026-2"), "\"check_column\": \"id\", \"last_value\": \"9\"",
        TABLE("readings"));
    put("_manifest-00002.json", BEGAN("2026-2"),
        "\"job\": \"k\", \"check_column\": \"id\", \"last_value\": \"9\"", TABLE("readings"));
    put("_manifest-00003.json", BEGAN("2026-2"), "\"job\": \"j\"", TABLE("readings"));
    put("_manifest-00004.json", BEGAN("2026-2"),
        "\"job\": \"j\", \"check_column\": \"ids\", \"last_value\": \"9\"", TABLE("readings"));
    put("_manifest-00005.json", BEGAN("2026-2"), OWN("\"9\""), TABLE("others"));
    put("_manifest-00006.json", BEGAN("2026-2"), OWN("\"9\""), TABLE("readings") "," TABLE("readings"));
    expect("2026-1", "7");
    /* A query has no name. */
    const struct published_job query = {"j", NULL, "id"};
    put("_manifest-00007.json", BEGAN("2026-3"), OWN("\"9\""), TABLE(""));
    expect("2026-1", "7");
    cr_assert_eq(published_find(&found, folder, &query, &error), 0, "%s", error.text);
    cr_assert_str_eq(found.mark, "2026-3");
}

Test(published, what_nobody_knows)
{
    put("_manifest.json", BEGAN("2026-1"), OWN("\"7\""), TABLE("readings"));
    put("_manifest-00001.json", "", OWN("\"7\""), TABLE("readings"));
    expect_refused("it does not say when the import began", ERROR_REJECT);
    write_file("_manifest-00002.json", "{");
    expect_refused("this is no JSON", ERROR_REJECT);
}

Test(published, is_durable_before_it_is_believed)
{
    put("_manifest.json", BEGAN("2026-1"), OWN("\"7\""), TABLE("readings"));
    for (failing = 1; failing < 3; failing++) {
        const int now = failing;
        expect_refused("fsync: Input/output error", ERROR_FATAL);
        failing = now;
    }
    failing = -1;
    expect_refused("Cannot allocate memory", ERROR_FATAL);
    failing = 0;
    expect("2026-1", "7");
}

static void note_last(void *context, const struct manifest *manifest)
{
    char *seen = context;

    snprintf(seen + strlen(seen), 8, "%s", manifest->last_value ? manifest->last_value : "-");
}

/* For whoever looks for something else in them; what is no manifest is nobody's. */
Test(published, each_of_them)
{
    char seen[64] = "";

    published_each(in_folder("none"), note_last, seen);
    cr_assert_str_eq(seen, "");
    put("manifest.json", BEGAN("2026-01-01T00:00:00Z"), OWN("\"1\""), TABLE("readings"));
    put("manifest-00002.json", BEGAN("2026-01-02T00:00:00Z"), OWN("null"), TABLE("readings"));
    put("manifest-00010.json", BEGAN("2026-01-03T00:00:00Z"), OWN("\"3\""), TABLE("others"));
    write_file("manifest-00004.json", "{");
    published_each(folder, note_last, seen);
    cr_assert_str_eq(seen, "3-1");
}
