/* letters_fsync: see letters_fsync.h */
#include "letters_fsync.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int letters_fsync_failures;

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    char link[64], path[256] = "";

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length > 0 ? length : 0] = '\0';
    if (letters_fsync_failures == 0 || !strstr(path, ".jsonl"))
        return __real_fsync(fd);
    letters_fsync_failures--;
    errno = EIO;
    return -1;
}
