/* io: the system calls that change the journal's directory, in one table, so that a test can fail or end the world at
 * the nth of them. Each returns 0 (create: a descriptor) or -1 with errno set. @thread any
 */
#ifndef PENSTOCK_JOURNAL_IO_H
#define PENSTOCK_JOURNAL_IO_H

#include <stddef.h>
#include <stdint.h>

struct journal_io {
    void *context;
    int (*create)(void *context, int directory, const char *name);
    int (*allocate)(void *context, int fd, uint64_t size);
    int (*write)(void *context, int fd, const void *data, size_t length, uint64_t offset);
    int (*sync)(void *context, int fd);
    /* Behind a sync: fails where the filesystem takes no changes any more, for then what it said of metadata need not be true. */
    int (*confirm)(void *context, int fd);
    int (*truncate)(void *context, int fd, uint64_t size);
    int (*rename)(void *context, int directory, const char *from, const char *to);
    int (*unlink)(void *context, int directory, const char *name);
    int (*sync_directory)(void *context, int directory);
};

extern const struct journal_io journal_io_system;

#endif
