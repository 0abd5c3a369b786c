/* published: see published.h. */
#include "table/published.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "table/manifest.h"

/* ---- durable --------------------------------------------------------------------------------------------------------- */

static int published_sync_one(int directory, const char *name, const char *path, struct error *error)
{
    cleanup_fd int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) != 0)
        return error_set_errno(error, ERROR_FATAL, "directory %s: fsync", path);
    return 0;
}

/* The import is in the directory by a rename: it is its parent that has to know the name. */
static int published_sync(int directory, const char *path, struct error *error)
{
    return published_sync_one(directory, ".", path, error) || published_sync_one(directory, "..", path, error)
               ? -1
               : 0;
}

/* ---- manifests ------------------------------------------------------------------------------------------------------- */

bool published_is_manifest(const char *name)
{
    name += *name == '_';
    return strcmp(name, MANIFEST_NAME) == 0 || fnmatch("manifest-[0-9]*.json", name, 0) == 0;
}

static int published_filter(const struct dirent *entry)
{
    return published_is_manifest(entry->d_name);
}

/* The newest first; numbers have as many digits as they need. */
static int published_compare(const struct dirent **a, const struct dirent **b)
{
    const char *one = (*a)->d_name + (*(*a)->d_name == '_'), *other = (*b)->d_name + (*(*b)->d_name == '_');
    const size_t length = strlen(one), than = strlen(other);

    return length != than ? (length < than) - (length > than) : strcmp(other, one);
}

bool published_is_column(const char *exact, const char *asked)
{
    size_t at = 0;

    if (strcmp(exact, asked) == 0)
        return true;
    while (exact[at] && exact[at] == tolower((unsigned char)asked[at]))
        at++;
    return !exact[at] && !asked[at];
}

static bool published_is_of(const struct manifest *manifest, const struct published_job *job)
{
    return manifest->job && strcmp(manifest->job, job->name) == 0 && manifest->check_column &&
           published_is_column(manifest->check_column, job->column) && manifest->tables_count == 1 &&
           strcmp(manifest->tables[0].name, job->table ? job->table : "") == 0;
}

static int published_look(
    struct published *published, const char *path, const struct published_job *job, struct error *error)
{
    __attribute__((cleanup(manifest_free))) struct manifest *manifest = NULL;

    if (manifest_read(&manifest, path, error))
        return -1;
    if (!published_is_of(manifest, job))
        return 0;
    if (!*manifest->began || strlen(manifest->began) >= sizeof published->mark ||
        (manifest->last_value && strlen(manifest->last_value) >= sizeof published->last))
        return error_set(
            error, ERROR_REJECT, "%s: it does not say when the import began, or is no import's", path);
    snprintf(published->mark, sizeof published->mark, "%s", manifest->began);
    snprintf(published->last, sizeof published->last, "%s", manifest->last_value ? manifest->last_value : "");
    return 0;
}

static int published_look_at(struct published *published, const char *directory, const char *name,
    const struct published_job *job, struct error *error)
{
    char *path = NULL;

    if (asprintf(&path, "%s/%s", directory, name) < 0)
        return error_set(error, ERROR_RETRY, "manifest: out of memory"); /* GCOVR_EXCL_LINE out of memory */
    const int result = published_look(published, path, job, error);
    free(path);
    return result;
}

static void published_visit(const char *directory, const char *name, published_fn *visit, void *context)
{
    __attribute__((cleanup(manifest_free))) struct manifest *manifest = NULL;
    struct error ignored;
    char *path = NULL;

    if (asprintf(&path, "%s/%s", directory, name) < 0)
        return; /* GCOVR_EXCL_LINE out of memory */
    if (manifest_read(&manifest, path, &ignored) == 0)
        visit(context, manifest);
    free(path);
}

void published_each(const char *directory, published_fn *visit, void *context)
{
    struct dirent **list = NULL;
    const int count = scandir(directory, &list, published_filter, published_compare);

    for (int i = 0; i < count; i++) {
        published_visit(directory, list[i]->d_name, visit, context);
        free(list[i]);
    }
    free(list);
}

int published_find(struct published *ret_published, const char *directory, const struct published_job *job,
    struct error *error)
{
    cleanup_fd int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct published found = {.mark = ""};
    struct dirent **list = NULL;
    int result = 0;

    if (fd < 0 && errno == ENOENT) {
        *ret_published = found;
        return 0;
    }
    const int count = fd < 0 ? -1 : scandirat(fd, ".", &list, published_filter, published_compare);
    if (count < 0)
        return error_set_errno(error, ERROR_FATAL, "directory %s", directory);
    for (int i = 0; i < count; i++) {
        if (!result && !*found.mark)
            result = published_look_at(&found, directory, list[i]->d_name, job, error);
        free(list[i]);
    }
    free(list);
    if (result || (*found.mark && published_sync(fd, directory, error)))
        return -1;
    *ret_published = found;
    return 0;
}
