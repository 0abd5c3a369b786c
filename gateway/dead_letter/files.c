/* files: see files.h */
#include "dead_letter/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"

#define FILES_LETTERS ".jsonl"
#define FILES_ASIDE ".replay"
#define FILES_NUMBER_DIGITS 10 /* at least; at most 19, which 64 bits hold */
#define FILES_LOCK_TRIES 200
#define FILES_LOCK_PAUSE (10 * 1000 * 1000) /* nanoseconds */

/* ---- names -------------------------------------------------------------------------------------------------- */

static const char files_allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

void files_stream(const char *stream, char ret_stream[RECORD_STREAM_NAME_MAX + 1])
{
    snprintf(ret_stream, RECORD_STREAM_NAME_MAX + 1, "%s", *stream ? stream : "_");
    for (char *next = ret_stream; *(next += strspn(next, files_allowed));)
        *next = '_';
    if (ret_stream[0] == '.')
        ret_stream[0] = '_';
}

void files_name(const struct letters_file *file, char ret_name[FILES_NAME_SIZE])
{
    snprintf(ret_name, FILES_NAME_SIZE, "%s+%0*" PRIu64 "%s", file->stream, FILES_NUMBER_DIGITS, file->number,
        file->aside ? FILES_ASIDE : FILES_LETTERS);
}

/* False: not one of ours. */
static bool files_parse(const char *name, struct letters_file *ret_file)
{
    size_t stream = strspn(name, files_allowed);
    size_t digits = name[stream] == '+' ? strspn(name + stream + 1, "0123456789") : 0;
    const char *end = name + stream + 1 + digits;

    if (stream == 0 || stream > RECORD_STREAM_NAME_MAX || name[0] == '.' || digits < FILES_NUMBER_DIGITS ||
        digits > 19)
        return false;
    bool aside = strcmp(end, FILES_ASIDE) == 0;
    if (!aside && strcmp(end, FILES_LETTERS) != 0)
        return false;
    *ret_file = (struct letters_file){.number = strtoull(name + stream + 1, NULL, 10), .aside = aside};
    memcpy(ret_file->stream, name, stream);
    return true;
}

static int files_compare(const void *left, const void *right)
{
    const struct letters_file *a = left, *b = right;
    int streams = strcmp(a->stream, b->stream);

    return streams ? streams : (a->number > b->number) - (a->number < b->number);
}

/* ---- the directory ------------------------------------------------------------------------------------------ */

void files_free(struct letters_files *files)
{
    free(files->items);
    *files = (struct letters_files){0};
}

static int files_add(
    struct letters_files *files, const struct letters_file *file, const char *path, struct error *error)
{
    if (files->count == FILES_MAX)
        return error_set(error, ERROR_RETRY, "%s: more than %d files", path, FILES_MAX);
    if ((files->count & (files->count - 1)) == 0) { /* a power of two: all places are taken */
        size_t room = files->count ? 2 * files->count : 1;
        struct letters_file *items = reallocarray(files->items, room, sizeof *items);
        if (!items)
            return error_set(
                error, ERROR_RETRY, "%s: out of memory", path); /* GCOVR_EXCL_LINE: out of memory */
        files->items = items;
    }
    files->items[files->count++] = *file;
    return 0;
}

static void files_close_directory(DIR **directory)
{
    if (*directory)
        closedir(*directory);
}

int files_list(int directory, const char *path, struct letters_files *ret_files, struct error *error)
{
    cleanup_files struct letters_files files = {0};
    struct letters_file file;
    struct stat status;
    const struct dirent *entry;
    cleanup_fd int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    __attribute__((cleanup(files_close_directory))) DIR *opened = fd < 0 ? NULL : fdopendir(fd);

    if (!opened)
        return error_set_errno(error, ERROR_RETRY, "%s: open", path);
    fd = -1; /* the DIR's */
    while (errno = 0, (entry = readdir(opened)) != NULL) {
        if (!files_parse(entry->d_name, &file))
            continue;
        if (fstatat(directory, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) || !S_ISREG(status.st_mode))
            continue; /* taken away meanwhile, or no letters of ours */
        file.bytes = (uint64_t)status.st_size;
        if (files_add(&files, &file, path, error))
            return -1;
    }
    if (errno)
        return error_set_errno(error, ERROR_RETRY, "%s: list", path);
    if (files.count)
        qsort(files.items, files.count, sizeof *files.items, files_compare);
    *ret_files = files;
    files = (struct letters_files){0};
    return 0;
}

int files_open(const char *path, int *ret_directory, int *ret_lock, struct error *error)
{
    cleanup_fd int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (directory < 0)
        return error_set_errno(error, ERROR_RETRY, "%s: open", path);
    cleanup_fd int lock = openat(directory, FILES_LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (lock < 0)
        return error_set_errno(error, ERROR_RETRY, "%s/%s: open", path, FILES_LOCK);
    *ret_directory = fd_take(&directory);
    *ret_lock = fd_take(&lock);
    return 0;
}

/* Whoever holds it only renames or appends: soon over, unless that process was stopped. */
int files_lock(int lock, const char *path, struct error *error)
{
    const struct timespec pause = {0, FILES_LOCK_PAUSE};

    for (int tries = 0; flock(lock, LOCK_EX | LOCK_NB); tries++) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return error_set_errno(error, ERROR_RETRY, "%s/%s: lock", path, FILES_LOCK);
        if (tries == FILES_LOCK_TRIES)
            return error_set(error, ERROR_RETRY,
                "%s: another process holds its lock; is there a penstock dead-letters that hangs?", path);
        nanosleep(&pause, NULL);
    }
    return 0;
}

void files_unlock(int lock)
{
    flock(lock, LOCK_UN);
}

int files_read(int directory, const char *path, const char *name, struct bytes *out, struct error *error)
{
    struct stat status;
    cleanup_fd int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);

    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0 || fstat(fd, &status))
        return error_set_errno(error, ERROR_RETRY, "%s/%s: open", path, name);
    if (bytes_reserve(out, (size_t)status.st_size, error))
        return error_wrap(error, "%s/%s", path, name);
    ssize_t got = file_read_at(fd, out->data + out->length, (size_t)status.st_size, 0);
    if (got < 0)
        return error_set_errno(error, ERROR_RETRY, "%s/%s: read", path, name);
    out->length += (size_t)got;
    return 1;
}
