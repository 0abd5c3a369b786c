/* spool: what is written is there until it is let go, and never under a name. */
#include <criterion/criterion.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "lake/store/spool.h"
#include "lake_harness.h"

static char root[64], path[128];
static struct error error;

static void set_up(void)
{
    harness_make_directory(root);
    snprintf(path, sizeof path, "%s/data/spool", root);
}

static void tear_down(void)
{
    harness_remove(root);
}

TestSuite(spool, .init = set_up, .fini = tear_down);

static size_t names(void)
{
    DIR *directory = opendir(path);
    size_t count = 0;

    for (const struct dirent *entry; (entry = readdir(directory));)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}

Test(spool, files_without_names)
{
    struct store_file *files[2] = {NULL};
    char text[8];
    cleanup_fd int directory = -1;

    cr_assert_eq(spool_open(path, &directory, &error), 0, "%s", error.text);
    for (size_t i = 0; i < 2; i++)
        cr_assert_eq(spool_create(directory, &files[i], &error), 0, "%s", error.text);
    cr_assert_eq(spool_write(files[0], "one", 3, &error), 0);
    cr_assert_eq(spool_write(files[1], "other", 5, &error), 0);
    cr_assert_eq(spool_write(files[0], " two", 4, &error), 0);
    cr_assert_eq(files[0]->length, 7);
    cr_assert_eq(file_read_at(files[0]->fd, text, sizeof text, 0), 7);
    cr_assert_eq(memcmp(text, "one two", 7), 0);
    cr_assert_eq(names(), 0);
    spool_abort(&files[0]);
    spool_abort(&files[0]);
    cr_assert_null(files[0]);
    spool_abort(&files[1]);
}

Test(spool, a_directory_that_is_none)
{
    int directory = -1;

    snprintf(path, sizeof path, "%s/file", root);
    fclose(fopen(path, "w"));
    cr_assert_eq(spool_open(path, &directory, &error), -1);
    cr_assert_not_null(strstr(error.text, path), "%s", error.text);
    cr_assert_eq(directory, -1);
}

Test(spool, what_it_has_no_room_for)
{
    struct store_file *file = NULL;
    cleanup_fd int directory = -1;

    cr_assert_eq(spool_open(path, &directory, &error), 0);
    cr_assert(spool_is_tight(directory, UINT64_MAX));
    cr_assert_not(spool_is_tight(directory, 0));
    cr_assert_eq(spool_create(directory, &file, &error), 0);
    fd_close(&file->fd);
    cr_assert_eq(spool_write(file, "x", 1, &error), -1);
    cr_assert_eq(error.kind, ERROR_RETRY);
    cr_assert_eq(file->length, 0);
    spool_abort(&file);
    fd_close(&directory);
    cr_assert_eq(spool_create(directory, &file, &error), -1);
    cr_assert_null(file);
}
