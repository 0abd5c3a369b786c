/* reset: see reset.h */
#include "files/reset.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "files/files_internal.h"

#define RESET_DIRECTORY "files-reset"
#define RESET_FORM "%" PRIu64 ".%" PRIu64 ".%" PRId64
#define RESET_NAME_MAX 64

static char *reset_directory(const char *data)
{
    char *path;

    return asprintf(&path, "%s/" RESET_DIRECTORY, data) < 0 ? NULL : path;
}

/* ---- the command ---------------------------------------------------------------------------------------------------- */

struct reset_search {
    struct file probe; /* with the identity of what is there */
    const struct stat *there;
    /* As the journal has them, of the newest with that identity; 0: none. Older ones are what was in it before it was cut. */
    uint64_t number;
    struct file_identity identity;
    bool named; /* its name leads to it */
};

static int reset_visit(void *context, const struct file_record *record, struct error *error)
{
    struct reset_search *search = context;
    struct stat about;
    char path[FILE_PATH_MAX + 1];

    (void)error;
    if (record->watch || record->number < search->number || !file_is_same(&search->probe, &record->identity))
        return 0;
    memcpy(path, record->path.data, record->path.length);
    path[record->path.length] = '\0';
    search->number = record->number;
    search->identity = record->identity;
    search->named = stat(path, &about) == 0 && about.st_dev == search->there->st_dev &&
                    about.st_ino == search->there->st_ino;
    return 0;
}

static int reset_leave(const char *data, const struct reset_search *search, struct error *error)
{
    char name[RESET_NAME_MAX], *path = reset_directory(data);
    int result = path ? file_make_directories(path, error) : error_set(error, ERROR_RETRY, "out of memory");
    cleanup_fd int directory = result ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    snprintf(name, sizeof name, RESET_FORM, search->number, search->identity.inode, search->identity.born);
    cleanup_fd int request =
        directory < 0 ? -1 : openat(directory, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (!result && (request < 0 || fsync(request) || fsync(directory)))
        result = error_set_errno(error, ERROR_FATAL, "request in %s", path);
    free(path);
    return result;
}

int file_reset_ask(const char *data, const struct file_state *state, const char *path, struct error *error)
{
    cleanup_fd int file = open(path, O_PATH | O_CLOEXEC);
    struct reset_search search = {0};
    struct stat there;

    if (file < 0 || fstat(file, &there))
        return error_set_errno(error, ERROR_REJECT, "open");
    if (file_identify(file, &search.probe.identity, error))
        return -1;
    search.there = &there;
    if (file_state_visit(state, reset_visit, &search, error))
        return -1;
    if (!search.number)
        return error_set(
            error, ERROR_REJECT, "not known, so it is not read; penstock files list shows what is");
    if (!search.named)
        return error_set(error, ERROR_REJECT,
            "was renamed since it was read: give a copy of it a name that a watch takes (penstock drop)");
    return reset_leave(data, &search, error);
}

/* ---- the thread ------------------------------------------------------------------------------------------------------- */

static struct file *reset_find(const struct source *source, const char *name)
{
    char one[RESET_NAME_MAX];

    for (struct file *file = source->first; file; file = file->behind) {
        snprintf(one, sizeof one, RESET_FORM, file->number, file->identity.inode, file->identity.born);
        if (strcmp(one, name) == 0)
            return file;
    }
    return NULL;
}

static void reset_take(struct source *source, int directory, const char *name)
{
    struct file *file = reset_find(source, name);

    if (!file) { /* it is done, and durable: nothing is on its way to the journal */
        unlinkat(directory, name, 0);
        return;
    }
    if (file->gone)
        return;
    file_tell_event(file, "files.reset", file->position);
    file_known_forget(source, file);
    source->scan_wanted = true;
}

void file_reset_take(struct source *source)
{
    char *path = reset_directory(source->context.config->gateway.data);
    DIR *directory = path ? opendir(path) : NULL;
    const struct dirent *entry;

    if (path && !directory && errno != ENOENT)
        file_tell_trouble(source, "%s: %s", path, strerror(errno));
    free(path);
    while (directory && (entry = readdir(directory))) {
        if (*entry->d_name != '.')
            reset_take(source, dirfd(directory), entry->d_name);
    }
    if (directory)
        closedir(directory);
}
