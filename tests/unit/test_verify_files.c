/* verify_files: files that are as a manifest says, and all the ways in which they are not */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "folder.h"
#include "table/verify.h"

#define TOLD_MAX 2000
#define PATH_SIZE 300
#define COUNT(array) (sizeof(array) / sizeof *(array))

static char told[TOLD_MAX]; /* the sentences, without the folder, each with a line end */
static struct verify_files found;
static struct error error;

/* ---- calls that fail --------------------------------------------------------------------------------------------- */

static const char *failing = "";

static bool fails(const char *call)
{
    errno = EIO;
    return strcmp(failing, call) == 0;
}

ssize_t __real_pread(int fd, void *data, size_t size, off_t at);
ssize_t __wrap_pread(int fd, void *data, size_t size, off_t at);
ssize_t __wrap_pread(int fd, void *data, size_t size, off_t at)
{
    return fails("pread") ? -1 : __real_pread(fd, data, size, at);
}

DIR *__real_fdopendir(int fd);
DIR *__wrap_fdopendir(int fd);
DIR *__wrap_fdopendir(int fd)
{
    return fails("fdopendir") ? NULL : __real_fdopendir(fd);
}

/* ---- what there is ----------------------------------------------------------------------------------------------- */

/* "one", with two files and a split without rows; "two", with one. */
static struct manifest_file files[] = {
    {.name = "part-0", .rows = 1, .bytes = 5}, {.name = "part-1", .rows = 2, .bytes = 6}, {.name = NULL}};
static struct manifest_file others[] = {{.name = "part-0", .rows = 1, .bytes = 5}};
static struct manifest_table tables[] = {
    {.schema = "public", .name = "one", .directory = "one", .files = files, .files_count = COUNT(files)},
    {.schema = "public", .name = "two", .directory = "two", .files = others, .files_count = COUNT(others)}};
static struct manifest manifest = {.folder = folder, .tables = tables, .tables_count = COUNT(tables)};

static void begin(void)
{
    static char path[PATH_SIZE];

    folder_begin();
    cr_assert(mkdir(in_folder("one"), 0700) == 0 && mkdir(in_folder("two"), 0700) == 0);
    write_file("one/part-0", "first");
    write_file("one/part-1", "second");
    write_file("two/part-0", "third");
    write_file("one/_SUCCESS", "");
    write_file("two/_SUCCESS", "");
    for (size_t i = 0; i < 7; i++) {
        static const char *const told_to_hive[] = {"one/_hive.sql", "one/_hive_begun", "one/_hive_loaded",
            "two/_hive.sql", "two/_hive_begun", "two/_hive_loaded", "_hive_loaded"};
        write_file(told_to_hive[i], "");
    }
    write_file("manifest.json", "{}");
    snprintf(path, sizeof path, "%s", in_folder("manifest.json"));
    manifest.path = path;
    files[0].crc32c = crc32c(0, "first", 5);
    files[1].crc32c = crc32c(0, "second", 6);
    others[0].crc32c = crc32c(0, "third", 5);
}

TestSuite(verify_files, .init = begin, .fini = folder_end);

static void tell(void *context, const char *sentence)
{
    const size_t used = strlen(told);

    cr_assert_eq(context, &found);
    cr_assert(strncmp(sentence, folder, strlen(folder)) == 0, "%s", sentence);
    snprintf(told + used, sizeof told - used, "%s\n", sentence + strlen(folder) + 1);
}

/* ---- a store ----------------------------------------------------------------------------------------------------- */

/* What is in the folder. */
static int list(void *context, const char *directory, verify_each_fn *each, void *to, struct error *ret_error)
{
    char path[PATH_SIZE];

    cr_assert_eq(context, &files);
    snprintf(path, sizeof path, "%s/%s", folder, directory);
    DIR *names = opendir(path);
    int result = fails("list") ? error_set(ret_error, ERROR_RETRY, "the store is away") : 0;
    for (struct dirent *entry; names && !result && (entry = readdir(names));)
        if (entry->d_type == DT_REG)
            result = each(to, entry->d_name, ret_error);
    if (names)
        closedir(names);
    return result;
}

/* Three bytes at a time. */
static int fetch(void *context, const char *directory, const char *name, uint64_t from, void *data,
    size_t length, size_t *ret_read, struct error *ret_error)
{
    char path[PATH_SIZE];

    cr_assert_eq(context, &files);
    if (fails("fetch"))
        return error_set(ret_error, ERROR_RETRY, "the store is away");
    snprintf(path, sizeof path, "%s/%s/%s", folder, directory, name);
    FILE *file = fopen(path, "r");
    if (!file)
        return error_set(ret_error, ERROR_REJECT, "it is not there");
    fseek(file, (long)from, SEEK_SET);
    *ret_read = fread(data, 1, length < 3 ? length : 3, file);
    fclose(file);
    return 0;
}

static const struct verify_store in_store = {list, fetch, &files};
static const struct verify_store *store;

static void expect(uint64_t good, uint64_t differing, const char *sentences)
{
    const struct verify_teller teller = {tell, &found};

    *told = '\0';
    cr_assert_eq(verify_files(&manifest, store, &teller, &found, &error), 0);
    cr_assert_str_eq(told, sentences);
    cr_assert_eq(found.files, good);
    cr_assert_eq(found.differing, differing);
}

Test(verify_files, as_they_were)
{
    expect(3, 0, "");
    cr_assert_eq(found.bytes, 16);
}

Test(verify_files, in_one_directory_with_the_manifest)
{
    manifest.tables_count = 1;
    tables[0].directory = "";
    write_file("part-0", "first");
    write_file("part-1", "second");
    write_file("_SUCCESS", "");
    cr_assert(rename(in_folder("one"), in_folder("part-2")) == 0);
    manifest.path = "manifest-2024/manifest.json"; /* no other import: the directory is called so */
    write_file("kept.json", "{}");
    const struct verify_teller teller = {tell, &found};
    cr_assert_eq(verify_files(&manifest, store, &teller, &found, &error), 0);
    cr_assert_eq(found.files, 2);
    cr_assert_eq(found.differing, 3, "%s", told);
    cr_assert(strstr(told, "part-2: it is none of the import's") &&
              strstr(told, "kept.json: it is none of the import's") &&
              strstr(told, "two: it is none of the import's"));
    /* Where another import has added files, strangers are not told from them. */
    *told = '\0';
    write_file("manifest-00002.json", "{}");
    cr_assert_eq(verify_files(&manifest, store, &teller, &found, &error), 0);
    cr_assert_eq(found.differing, 0, "%s", told);
}

Test(verify_files, bytes)
{
    char sentence[200];

    write_file("one/part-0", "fIrst");
    snprintf(sentence, sizeof sentence,
        "one/part-0: its bytes are others: CRC32C %08x, the manifest says %08x\n", crc32c(0, "fIrst", 5),
        files[0].crc32c);
    expect(2, 1, sentence);
}

Test(verify_files, sizes)
{
    write_file("one/part-1", "second and more");
    expect(2, 1, "one/part-1: it has 15 bytes, the manifest says 6\n");
}

Test(verify_files, missing)
{
    cr_assert(unlink(in_folder("one/part-1")) == 0 && unlink(in_folder("two/_SUCCESS")) == 0);
    expect(2, 2, "one/part-1: it is missing\ntwo/_SUCCESS: it is missing\n");
}

Test(verify_files, no_files)
{
    cr_assert(unlink(in_folder("one/part-0")) == 0 && mkdir(in_folder("one/part-0"), 0700) == 0);
    cr_assert(unlink(in_folder("one/part-1")) == 0 && mkfifo(in_folder("one/part-1"), 0600) == 0);
    cr_assert(unlink(in_folder("two/part-0")) == 0 && symlink("/etc/passwd", in_folder("two/part-0")) == 0);
    expect(0, 3,
        "one/part-0: it is no file\none/part-1: it is no file\ntwo/part-0: it cannot be read: "
        "Too many levels of symbolic links\n");
}

Test(verify_files, a_directory_that_is_gone)
{
    cr_assert_eq(rename(in_folder("two"), in_folder("\033[2J\xff")), 0);
    expect(2, 2, "two: it is missing\n\\x1B[2J\\xFF: it is none of the import's\n");
}

Test(verify_files, a_directory_that_is_none)
{
    tables[1].directory = "manifest.json";
    expect(2, 2, "manifest.json: Not a directory\ntwo: it is none of the import's\n");
}

Test(verify_files, no_directory_at_all)
{
    char moved[PATH_SIZE];

    snprintf(moved, sizeof moved, "%s.moved", folder);
    cr_assert_eq(rename(folder, moved), 0);
    expect(0, 3, "one: it is missing\ntwo: it is missing\n: it is missing\n");
    cr_assert_eq(rename(moved, folder), 0);
}

Test(verify_files, what_the_disk_refuses)
{
    failing = "pread";
    expect(0, 3,
        "one/part-0: it cannot be read: Input/output error\n"
        "one/part-1: it cannot be read: Input/output error\n"
        "two/part-0: it cannot be read: Input/output error\n");
    failing = "fdopendir";
    expect(3, 3,
        "one: it cannot be listed: Input/output error\ntwo: it cannot be listed: Input/output error\n"
        ": it cannot be listed: Input/output error\n");
}

static void tell_alone(void *context, const char *sentence)
{
    (void)context;
    cr_assert_str_eq(sentence, "File name too long");
}

/* More than a sentence may have: what is wrong is said all the same. */
Test(verify_files, a_name_of_any_length)
{
    static char endless[9 * PATH_MAX];
    const struct verify_teller teller = {tell_alone, NULL};

    memset(endless, 'x', sizeof endless - 1);
    manifest.folder = endless;
    cr_assert_eq(verify_files(&manifest, store, &teller, &found, &error), 0);
    cr_assert_eq(found.differing, 3);
}

/* ---- elsewhere --------------------------------------------------------------------------------------------------- */

Test(verify_files, as_they_were_in_a_store)
{
    store = &in_store;
    expect(3, 0, "");
}

Test(verify_files, what_is_wrong_in_a_store)
{
    store = &in_store;
    write_file("one/part-0", "First");
    write_file("one/part-1", "second and more");
    write_file("two/other", "");
    write_file("stranger", "");
    cr_assert(unlink(in_folder("two/part-0")) == 0 && unlink(in_folder("two/_SUCCESS")) == 0);
    char other[100];
    snprintf(other, sizeof other, "one/part-0: its bytes are others: CRC32C %08x, the manifest says %08x\n",
        crc32c(0, "First", 5), files[0].crc32c);
    char all[500];
    snprintf(all, sizeof all, "%s%s", other,
        "one/part-1: it has at least 9 bytes, the manifest says 6\n"
        "two/part-0: it is missing\n"
        "two/_SUCCESS: it is missing\n"
        "two/other: it is none of the import's\n"
        "stranger: it is none of the import's\n");
    expect(0, 6, all);
    *told = '\0';
    write_file("one/part-1", "seco");
    const struct verify_teller teller = {tell, &found};
    cr_assert_eq(verify_files(&manifest, store, &teller, &found, &error), 0);
    cr_assert_not_null(strstr(told, "one/part-1: it has 4 bytes, the manifest says 6\n"), "%s", told);
}

Test(verify_files, a_store_that_is_away)
{
    const struct verify_teller teller = {tell, &found};
    static const char *const calls[] = {"list", "fetch"};

    store = &in_store;
    for (size_t i = 0; i < COUNT(calls); i++) {
        failing = calls[i];
        cr_assert_eq(verify_files(&manifest, store, &teller, &found, &error), -1);
        cr_assert_eq(error.kind, ERROR_RETRY);
    }
    tables[0].directory = tables[1].directory = "";
    manifest.tables_count = 0; /* nothing but the place of the manifest */
    failing = "list";
    cr_assert_eq(verify_files(&manifest, store, &teller, &found, &error), -1);
}
