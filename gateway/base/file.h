/* file: descriptors that close themselves, and the whole-write and directory-fsync that durability needs.
 * @thread any
 */
#ifndef PENSTOCK_BASE_FILE_H
#define PENSTOCK_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/error.h"

/* Closes *fd when it is open and sets it to -1. */
void fd_close(int *fd);

/* Hands the descriptor over: returns it and leaves -1 behind. */
static inline int fd_take(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

#define cleanup_fd __attribute__((cleanup(fd_close)))

/* Writes all of data at offset, through short writes and EINTR. Returns 0, or -1 with errno set. */
int file_write_at(int fd, const void *data, size_t length, uint64_t offset);

/* Writes at *end, which grows by length. For files that are written once: every few MiB the disk is set to work, and what it has done leaves
 * the page cache. So the fsync behind the last one does not find all of it still to do, with everybody else's waiting behind it, and memory
 * does not fill with what is not read again soon. Returns 0, or -1 with errno set. */
int file_append(int fd, const void *data, size_t length, uint64_t *end);

/* Reads until length bytes are there or the file ends. Returns the bytes read, or -1 with errno set. */
ssize_t file_read_at(int fd, void *data, size_t length, uint64_t offset);

/* Renames without replacing. link() and unlink() where the file system has no such rename (NFS): both names for a moment, and for good when
 * we are killed between them. Returns 0, or -1 with errno set: EEXIST when the name is taken. */
int file_rename_new(int from, const char *old, int to, const char *name);

#define FILE_VALUE_MAX ((size_t)64 << 10)
#define FILE_VALUE_BUFFER (FILE_VALUE_MAX + 2) /* what the buffer may hold at least */

/* The value that a small file holds, for passwords and keys: without the line break at its end, terminated behind its length.
 * ERROR_FATAL names the file: it is not there, no regular one, empty, larger than FILE_VALUE_MAX, holds a zero byte, or is a
 * secret that everybody may read. Whoever asks for a secret clears the buffer with explicit_bzero(). */
int file_read_value(const char *name, bool secret, struct bytes *text, struct error *error);

/* All of a regular file, less than the buffer may hold. ERROR_FATAL names the file: not there, no regular one, too large, or a secret that everybody may read. */
int file_read_text(const char *name, bool secret, struct bytes *text, struct error *error);

/* The path from the root on, owned by the caller; links are not followed. NULL: the directory that this is run in is not to be had, or no memory. */
char *file_absolute(const char *path, struct error *error);

/* Makes path and its missing parents (mode 0700) and fsyncs each directory that got a new entry. */
int file_make_directories(const char *path, struct error *error);

#endif
