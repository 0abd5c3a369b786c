/* sqoop_store: see sqoop_store.h. */
#include "command/sqoop_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/shown.h"
#include "sqoop/sqoop.h"

#define STORE_PLACE ".penstock/jobs"
#define STORE_END ".job"
#define STORE_NAME_MAX (SQOOP_JOB_NAME_MAX + 16)

int sqoop_store_open(struct sqoop_store *ret_store, const char *place, bool make, struct error *error)
{
    struct sqoop_store store = {.directory = -1};
    const char *home = getenv("HOME");

    if (!place && (!home || !*home))
        return error_set(error, ERROR_REJECT,
            "HOME is not set: say the directory that the jobs are kept in with --meta-connect");
    if (asprintf(&store.path, "%s%s%s", place ? place : home, place ? "" : "/", place ? "" : STORE_PLACE) < 0)
        return error_set(error, ERROR_RETRY, "out of memory");
    int result = make ? file_make_directories(store.path, error) : 0;
    if (!result)
        store.directory = open(store.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (!result && store.directory < 0 && (make || errno != ENOENT))
        result = error_set_errno(error, ERROR_FATAL, "directory of jobs %s", store.path);
    if (result)
        sqoop_store_close(&store);
    else
        *ret_store = store;
    return result;
}

void sqoop_store_close(struct sqoop_store *store)
{
    fd_close(&store->directory);
    free(store->path);
    store->path = NULL;
}

static void store_name(const char *name, char file[static STORE_NAME_MAX])
{
    snprintf(file, STORE_NAME_MAX, "%s" STORE_END, name);
}

/* ---- writing --------------------------------------------------------------------------------------------------------- */

/* The file that takes the place of the job's, or becomes it. */
static int store_write(
    struct sqoop_store *store, const char *hidden, struct slice text, int *ret_fd, struct error *error)
{
    cleanup_fd int fd =
        openat(store->directory, hidden, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0 || fchmod(fd, 0600) != 0 || flock(fd, LOCK_EX | LOCK_NB) != 0 ||
        file_write_at(fd, text.data, text.length, 0) != 0 || fsync(fd) != 0)
        return error_set_errno(error, ERROR_FATAL, "%s/%s", store->path, hidden);
    *ret_fd = fd_take(&fd);
    return 0;
}

/* One at a time: what a killed one has left is written over. */
static int store_begin(struct sqoop_store *store, const char *name, char hidden[static STORE_NAME_MAX],
    int *ret_lock, struct error *error)
{
    cleanup_fd int lock = openat(store->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    snprintf(hidden, STORE_NAME_MAX, ".%s.new", name);
    if (lock < 0 || flock(lock, LOCK_EX) != 0)
        return error_set_errno(error, ERROR_FATAL, "directory of jobs %s: its lock", store->path);
    *ret_lock = fd_take(&lock);
    return 0;
}

static int store_sync(struct sqoop_store *store, struct error *error)
{
    return fsync(store->directory) == 0
               ? 0
               : error_set_errno(error, ERROR_FATAL, "directory of jobs %s: fsync", store->path);
}

int sqoop_store_create(struct sqoop_store *store, const char *name, struct slice text, struct error *error)
{
    char hidden[STORE_NAME_MAX], file[STORE_NAME_MAX];
    cleanup_fd int lock = -1, made = -1;

    store_name(name, file);
    if (store_begin(store, name, hidden, &lock, error) || store_write(store, hidden, text, &made, error))
        return -1;
    const int result = linkat(store->directory, hidden, store->directory, file, 0), why = errno;
    unlinkat(store->directory, hidden, 0);
    errno = why;
    if (result && errno == EEXIST)
        return error_set(error, ERROR_REJECT,
            "job %s: it is there already; --delete it first, or take another name", name);
    return result ? error_set_errno(error, ERROR_FATAL, "%s/%s", store->path, file)
                  : store_sync(store, error);
}

int sqoop_store_replace(
    struct sqoop_store *store, const char *name, struct slice text, int *lock, struct error *error)
{
    char hidden[STORE_NAME_MAX], file[STORE_NAME_MAX];
    cleanup_fd int writing = -1, made = -1;

    store_name(name, file);
    if (store_begin(store, name, hidden, &writing, error) || store_write(store, hidden, text, &made, error))
        return -1;
    if (renameat(store->directory, hidden, store->directory, file) != 0)
        return error_set_errno(error, ERROR_FATAL, "%s/%s", store->path, file);
    fd_close(lock);
    *lock = fd_take(&made);
    return store_sync(store, error);
}

/* ---- reading --------------------------------------------------------------------------------------------------------- */

static int store_missing(const char *name, struct error *error)
{
    return error_set(error, ERROR_REJECT, "job %s: there is none of this name; see job --list", name);
}

/* Whoever has locked it may find that another file has taken its place meanwhile. */
static bool store_is_named(const struct sqoop_store *store, const char *file, int fd)
{
    struct stat locked, named;

    return fstat(fd, &locked) == 0 && fstatat(store->directory, file, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           locked.st_ino == named.st_ino && locked.st_dev == named.st_dev;
}

static int store_take(
    struct sqoop_store *store, const char *name, bool locked, int *ret_fd, struct error *error)
{
    char file[STORE_NAME_MAX];

    store_name(name, file);
    for (;;) {
        cleanup_fd int fd =
            store->directory < 0 ? -1 : openat(store->directory, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 && (store->directory < 0 || errno == ENOENT))
            return store_missing(name, error);
        if (fd < 0)
            return error_set_errno(error, ERROR_FATAL, "%s/%s", store->path, file);
        if (locked && flock(fd, LOCK_EX | LOCK_NB) != 0)
            return error_set(error, ERROR_REJECT, "job %s: it is being executed", name);
        if (!locked || store_is_named(store, file, fd)) {
            *ret_fd = fd_take(&fd);
            return 0;
        }
    }
}

int sqoop_store_read(
    struct sqoop_store *store, const char *name, struct bytes *text, int *ret_lock, struct error *error)
{
    cleanup_fd int fd = -1;
    struct stat status;

    if (store_take(store, name, ret_lock != NULL, &fd, error))
        return -1;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || (uint64_t)status.st_size > SQOOP_JOB_MAX)
        return error_set(error, ERROR_REJECT, "job %s: it is no file, or too large", name);
    if (bytes_reserve(text, (size_t)status.st_size, error))
        return -1;
    const ssize_t got = file_read_at(fd, text->data + text->length, (size_t)status.st_size, 0);
    if (got < 0)
        return error_set_errno(error, ERROR_FATAL, "job %s", name);
    text->length += (size_t)got;
    if (ret_lock)
        *ret_lock = fd_take(&fd);
    return 0;
}

int sqoop_store_delete(struct sqoop_store *store, const char *name, struct error *error)
{
    char file[STORE_NAME_MAX];
    cleanup_fd int fd = -1;

    store_name(name, file);
    if (store_take(store, name, true, &fd, error))
        return -1;
    if (unlinkat(store->directory, file, 0) != 0)
        return error_set_errno(error, ERROR_FATAL, "%s/%s", store->path, file);
    return store_sync(store, error);
}

/* ---- listing --------------------------------------------------------------------------------------------------------- */

static int store_is_job(const struct dirent *entry)
{
    const size_t length = strlen(entry->d_name), end = strlen(STORE_END);

    return *entry->d_name != '.' && length > end && strcmp(entry->d_name + length - end, STORE_END) == 0;
}

static int store_compare(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

int sqoop_store_list(struct sqoop_store *store, struct bytes *text, struct error *error)
{
    struct dirent **list = NULL;
    int result = 0;

    if (store->directory < 0)
        return 0;
    const int count = scandirat(store->directory, ".", &list, store_is_job, store_compare);
    if (count < 0)
        return error_set_errno(error, ERROR_FATAL, "directory of jobs %s", store->path);
    for (int i = 0; i < count; i++) {
        list[i]->d_name[strlen(list[i]->d_name) - strlen(STORE_END)] = '\0';
        result = result || bytes_add(text, "  ", 2, error) || shown_add(text, list[i]->d_name, error) ||
                 bytes_add(text, "\n", 1, error);
        free(list[i]);
    }
    free(list);
    return result ? -1 : 0;
}
