/* file: see file.h */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_APPEND_STEP ((uint64_t)4 << 20)

void fd_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

int file_write_at(int fd, const void *data, size_t length, uint64_t offset)
{
    const char *next = data;

    while (length) {
        ssize_t written = pwrite(fd, next, length, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -1;
        next += written;
        offset += (uint64_t)written;
        length -= (size_t)written;
    }
    return 0;
}

int file_append(int fd, const void *data, size_t length, uint64_t *end)
{
    const uint64_t after = *end + length;
    const uint64_t before = *end / FILE_APPEND_STEP * FILE_APPEND_STEP;
    const uint64_t whole = after / FILE_APPEND_STEP * FILE_APPEND_STEP;

    if (file_write_at(fd, data, length, *end))
        return -1;
    if (whole > before) {
        /* Where this does not work nothing is lost; but what it says of the disk may not be said again by fsync. */
        if (sync_file_range(fd, (off_t)before, (off_t)(whole - before), SYNC_FILE_RANGE_WRITE) &&
            (errno == EIO || errno == ENOSPC || errno == EDQUOT))
            return -1;
        if (before)
            posix_fadvise(fd, 0, (off_t)before, POSIX_FADV_DONTNEED);
    }
    *end = after;
    return 0;
}

ssize_t file_read_at(int fd, void *data, size_t length, uint64_t offset)
{
    size_t have = 0;

    while (have < length) {
        ssize_t got = pread(fd, (char *)data + have, length - have, (off_t)(offset + have));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        have += (size_t)got;
    }
    return (ssize_t)have;
}

/* A regular file, and if it is a secret not everybody's. Returns the descriptor, or -1. */
static int file_open_text(const char *name, bool secret, size_t *ret_size, struct error *error)
{
    cleanup_fd int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat about;

    if (fd < 0 || fstat(fd, &about) != 0)
        return error_set_errno(error, ERROR_FATAL, "%s", name);
    if (!S_ISREG(about.st_mode))
        return error_set(error, ERROR_FATAL, "%s: not a regular file", name);
    /* A group may read it: that is how a Kubernetes secret reaches a process that is not root. */
    if (secret && (about.st_mode & 007) != 0)
        return error_set(error, ERROR_FATAL, "%s holds a secret, but its mode is %04o: chmod 600 it", name,
            (unsigned)about.st_mode & 07777);
    *ret_size = (size_t)about.st_size;
    return fd_take(&fd);
}

/* So many bytes at most, and one more, which tells that there are more. */
static int file_fill(int fd, const char *name, size_t most, struct bytes *text, struct error *error)
{
    if (bytes_reserve_exact(text, most + 1, error) != 0)
        return -1;
    const ssize_t length = file_read_at(fd, text->data, most + 1, 0);
    if (length < 0)
        return error_set_errno(error, ERROR_FATAL, "%s", name);
    text->length = (size_t)length;
    return 0;
}

int file_read_value(const char *name, bool secret, struct bytes *text, struct error *error)
{
    size_t size;
    cleanup_fd int fd = file_open_text(name, secret, &size, error);

    if (fd < 0 || bytes_reserve_exact(text, FILE_VALUE_BUFFER, error) != 0 ||
        file_fill(fd, name, FILE_VALUE_MAX, text, error))
        return -1;
    if (text->length > FILE_VALUE_MAX)
        return error_set(error, ERROR_FATAL, "%s: more than %zu KiB", name, FILE_VALUE_MAX >> 10);
    if (text->length > 0 && text->data[text->length - 1] == '\n')
        text->length--;
    if (text->length == 0)
        return error_set(error, ERROR_FATAL, "%s: empty", name);
    if (memchr(text->data, '\0', text->length))
        return error_set(error, ERROR_FATAL, "%s: holds a zero byte", name);
    text->data[text->length] = '\0';
    return 0;
}

int file_read_text(const char *name, bool secret, struct bytes *text, struct error *error)
{
    size_t size;
    cleanup_fd int fd = file_open_text(name, secret, &size, error);

    if (fd < 0)
        return -1;
    if (size >= text->limit)
        return error_set(error, ERROR_FATAL, "%s: more than %zu KiB", name, (text->limit - 1) >> 10);
    if (file_fill(fd, name, size, text, error))
        return -1;
    return text->length > size ? error_set(error, ERROR_FATAL, "%s: it grows while it is read", name) : 0;
}

int file_rename_new(int from, const char *old, int to, const char *name)
{
    if (renameat2(from, old, to, name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    return linkat(from, old, to, name, 0) ? -1 : unlinkat(from, old, 0);
}

/* The directory that holds the entry just made is synced, or a power cut takes the entry with it. */
static int file_make_one(const char *path, struct error *error)
{
    if (mkdir(path, 0700)) {
        if (errno == EEXIST)
            return 0;
        return error_set_errno(error, ERROR_RETRY, "directory %s: mkdir", path);
    }
    char parent[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;

    memcpy(parent, slash ? path : ".", slash ? length : 1);
    parent[slash ? length : 1] = '\0';
    cleanup_fd int fd = open(parent[0] ? parent : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd))
        return error_set_errno(error, ERROR_RETRY, "directory %s: fsync", parent);
    return 0;
}

char *file_absolute(const char *path, struct error *error)
{
    char *here = *path == '/' ? NULL : getcwd(NULL, 0), *made = NULL;

    if (*path != '/' && !here) {
        error_set_errno(error, ERROR_FATAL, "the directory that this is run in");
        return NULL;
    }
    if (asprintf(&made, "%s%s%s", here ? here : "", here ? "/" : "", path) < 0) {
        error_set(error, ERROR_RETRY, "out of memory");
        made = NULL;
    }
    free(here);
    return made;
}

int file_make_directories(const char *path, struct error *error)
{
    char part[PATH_MAX];
    size_t length = strlen(path);

    if (length == 0 || length >= sizeof part)
        return error_set(error, ERROR_REJECT, "directory of %zu bytes: path too long or empty", length);
    for (size_t i = 1; i <= length; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (file_make_one(part, error))
            return -1;
    }
    struct stat status;
    if (stat(path, &status))
        return error_set_errno(error, ERROR_FATAL, "%s", path);
    if (!S_ISDIR(status.st_mode))
        return error_set(error, ERROR_FATAL, "%s: not a directory", path);
    return 0;
}
