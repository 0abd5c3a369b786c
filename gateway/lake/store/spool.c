/* spool: see spool.h */
#include "lake/store/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "base/file.h"

int spool_open(const char *path, int *ret_directory, struct error *error)
{
    if (file_make_directories(path, error))
        return error_wrap(error, "lake's spool %s", path);
    const int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return error_set_errno(error, ERROR_RETRY, "lake's spool %s: open", path);
    *ret_directory = directory;
    return 0;
}

/* Where the file system knows no files without a name, it loses its name at once. */
static int spool_open_file(int directory)
{
    static const char name[] = ".spooled";
    int fd = openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT))
        return fd;
    unlinkat(directory, name, 0);
    fd = openat(directory, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        unlinkat(directory, name, 0);
    return fd;
}

int spool_create(int directory, struct store_file **ret_file, struct error *error)
{
    struct store_file *file = calloc(1, sizeof *file);

    if (!file)
        return error_set(
            error, ERROR_RETRY, "lake's spool: out of memory"); /* GCOVR_EXCL_LINE out of memory */
    file->fd = spool_open_file(directory);
    if (file->fd < 0) {
        free(file);
        return error_set_errno(error, ERROR_RETRY, "lake's spool: file: open");
    }
    *ret_file = file;
    return 0;
}

int spool_write(struct store_file *file, const void *data, size_t length, struct error *error)
{
    if (file_write_at(file->fd, data, length, file->length))
        return error_set_errno(error, ERROR_RETRY, "lake's spool: write");
    file->length += length;
    return 0;
}

int spool_read(const struct store_file *file, uint64_t from, void *data, size_t length, size_t *ret_read,
    struct error *error)
{
    const ssize_t count = file_read_at(file->fd, data, length, from);

    if (count < 0)
        return error_set_errno(error, ERROR_RETRY, "lake's spool: read");
    *ret_read = (size_t)count;
    return 0;
}

void spool_abort(struct store_file **file)
{
    if (!*file)
        return;
    fd_close(&(*file)->fd);
    free(*file);
    *file = NULL;
}

bool spool_is_tight(int directory, uint64_t reserve)
{
    struct statvfs status;

    return fstatvfs(directory, &status) == 0 && (uint64_t)status.f_bavail * status.f_frsize < reserve;
}
