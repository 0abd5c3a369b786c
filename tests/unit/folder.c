/* folder: see folder.h. */
#include "folder.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#define PATH_SIZE 300

char folder[] = "/tmp/penstock-XXXXXX";

void folder_begin(void)
{
    cr_assert_not_null(mkdtemp(folder));
}

static int forget(const char *path, const struct stat *status, int kind, struct FTW *at)
{
    (void)status;
    (void)kind;
    (void)at;
    return remove(path);
}

void folder_end(void)
{
    cr_assert_eq(nftw(folder, forget, 8, FTW_DEPTH | FTW_PHYS), 0);
}

char *in_folder(const char *name)
{
    static char paths[2][PATH_SIZE]; /* in turn */
    static int turn;

    turn = !turn;
    snprintf(paths[turn], PATH_SIZE, "%s/%s", folder, name);
    return paths[turn];
}

void write_file(const char *name, const char *text)
{
    FILE *file = fopen(in_folder(name), "w");

    cr_assert_not_null(file);
    fputs(text, file);
    cr_assert_eq(fclose(file), 0);
}
