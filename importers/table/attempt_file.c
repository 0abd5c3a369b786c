/* attempt_file: one file of an attempt; see attempt.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/file.h"
#include "table/attempt_internal.h"

#define FILE_BUFFER ((size_t)1 << 20) /* written at once */

struct attempt_file {
    const struct attempt *attempt;
    struct table_file *writer;
    struct bytes buffer;
    char path[ATTEMPT_FILE_PATH_MAX];
    int fd;
    bool finished;
    uint64_t written;
    uint32_t crc;
};

static int file_put(struct attempt_file *file, const void *data, size_t length, struct error *error)
{
    if (file_append(file->fd, data, length, &file->written) != 0)
        return error_set_errno(error, ERROR_FATAL, "%s/%s", file->attempt->target, file->path);
    file->crc = crc32c(file->crc, data, length);
    return 0;
}

static int file_flush(struct attempt_file *file, struct error *error)
{
    if (file_put(file, file->buffer.data, file->buffer.length, error))
        return -1;
    bytes_clear(&file->buffer);
    return 0;
}

static int file_sink(void *context, const void *data, size_t length, struct error *error)
{
    struct attempt_file *file = context;

    if (file->buffer.length + length > FILE_BUFFER && file_flush(file, error))
        return -1;
    if (length >= FILE_BUFFER)
        return file_put(file, data, length, error);
    return bytes_add(&file->buffer, data, length, error);
}

int attempt_file_open(struct attempt_file **ret_file, struct attempt *attempt, const char *directory,
    const char *name, const struct column_field *fields, size_t fields_count,
    const struct table_file_options *options, struct error *error)
{
    __attribute__((cleanup(attempt_file_close))) struct attempt_file *file = calloc(1, sizeof(*file));

    if (!file)
        return error_set(error, ERROR_RETRY, "%s: out of memory", name); /* GCOVR_EXCL_LINE out of memory */
    file->attempt = attempt;
    bytes_init(&file->buffer, FILE_BUFFER);
    attempt_path(file->path, directory, name);
    file->fd = openat(attempt->directory, file->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file->fd < 0)
        return error_set_errno(error, ERROR_FATAL, "%s/%s", attempt->target, file->path);
    const struct table_sink sink = {file_sink, file};
    if (table_file_open(&file->writer, fields, fields_count, options, &sink, error))
        return -1;
    *ret_file = file;
    file = NULL;
    return 0;
}

int attempt_file_add(struct attempt_file *file, const struct column_batch *batch, struct error *error)
{
    return table_file_add(file->writer, batch, error);
}

int attempt_file_copy(struct attempt_file *file, struct slice row, struct error *error)
{
    return table_file_copy(file->writer, row, error);
}

int attempt_file_finish(
    struct attempt_file *file, uint64_t *ret_bytes, uint32_t *ret_crc32c, struct error *error)
{
    if (table_file_finish(file->writer, error) || file_flush(file, error))
        return -1;
    if (fsync(file->fd) != 0)
        return error_set_errno(error, ERROR_FATAL, "%s/%s: fsync", file->attempt->target, file->path);
    file->finished = true;
    *ret_bytes = file->written;
    *ret_crc32c = file->crc;
    return 0;
}

void attempt_file_close(struct attempt_file **file)
{
    if (!*file)
        return;
    if (!(*file)->finished && (*file)->fd >= 0)
        unlinkat((*file)->attempt->directory, (*file)->path, 0);
    fd_close(&(*file)->fd);
    table_file_close(&(*file)->writer);
    bytes_free(&(*file)->buffer);
    free(*file);
    *file = NULL;
}

void attempt_file_drop(struct attempt_file **file)
{
    (*file)->finished = false;
    attempt_file_close(file);
}

/* O_NONBLOCK: a pipe of that name holds up nobody. */
int attempt_read(const struct attempt *attempt, bool old, const char *name, int *ret_fd, struct error *error)
{
    cleanup_fd int fd =
        openat(old ? attempt->old : attempt->directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat status;

    if (fd < 0 || fstat(fd, &status) != 0)
        return error_set_errno(error, ERROR_REJECT, "%s/%s", attempt->target, name);
    if (!S_ISREG(status.st_mode))
        return error_set(error, ERROR_REJECT, "%s/%s: it is no file", attempt->target, name);
    *ret_fd = fd_take(&fd);
    return 0;
}
