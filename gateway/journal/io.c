/* io: see io.h */
#include "journal/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"

static int io_create(void *context, int directory, const char *name)
{
    (void)context;
    return openat(directory, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
}

/* Where the filesystem has no fallocate, the zeros that follow take the room just as well, only later. */
static int io_allocate(void *context, int fd, uint64_t size)
{
    (void)context;
    if (fallocate(fd, 0, 0, (off_t)size) == 0)
        return 0;
    return errno == EOPNOTSUPP ? ftruncate(fd, (off_t)size) : -1; /* GCOVR_EXCL_LINE: not here */
}

static int io_write(void *context, int fd, const void *data, size_t length, uint64_t offset)
{
    (void)context;
    return file_write_at(fd, data, length, offset);
}

static int io_sync(void *context, int fd)
{
    (void)context;
    return fdatasync(fd);
}

/* ext4 forgets a transaction that its own journal has aborted: who asks a moment later, because its data took that long, is told that
 * all is well (fs/jbd2/journal.c, jbd2_complete_transaction). What begins a transaction itself is refused. To allocate what
 * is there changes nothing. */
static int io_confirm(void *context, int fd)
{
    (void)context;
    return fallocate(fd, 0, 0, 1) && (errno == EROFS || errno == EIO) ? -1 : 0;
}

static int io_truncate(void *context, int fd, uint64_t size)
{
    (void)context;
    return ftruncate(fd, (off_t)size);
}

static int io_rename(void *context, int directory, const char *from, const char *to)
{
    (void)context;
    return renameat(directory, from, directory, to);
}

static int io_unlink(void *context, int directory, const char *name)
{
    (void)context;
    return unlinkat(directory, name, 0);
}

static int io_sync_directory(void *context, int directory)
{
    (void)context;
    return fsync(directory);
}

const struct journal_io journal_io_system = {
    NULL,
    io_create,
    io_allocate,
    io_write,
    io_sync,
    io_confirm,
    io_truncate,
    io_rename,
    io_unlink,
    io_sync_directory,
};
