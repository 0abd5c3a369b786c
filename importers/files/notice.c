/* notice: see notice.h */
#include "files/notice.h"

#include <errno.h>
#include <limits.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/file.h"

#define NOTICE_BUFFER ((size_t)64 << 10) /* one read */
#define NOTICE_FIRST 16 /* directories that there is room for at first */
#define NOTICE_MASK                                                                                      \
    (IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | \
        IN_MOVE_SELF | IN_ONLYDIR)

struct watched {
    int descriptor; /* the kernel's number, the same for all walks */
    size_t walk;
    struct slice path; /* owned */
    bool found; /* since the last sweep */
};

struct file_notices {
    int fd;
    size_t count, capacity;
    struct watched *watched; /* by descriptor, then by walk */
    alignas(struct inotify_event) char buffer[NOTICE_BUFFER];
    char path[PATH_MAX + 1 + NAME_MAX];
};

int file_notices_new(struct file_notices **ret_notices, struct error *error)
{
    struct file_notices *notices = malloc(sizeof *notices);

    if (!notices)
        return error_set(error, ERROR_RETRY, "inotify: out of memory");
    notices->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    notices->count = notices->capacity = 0;
    notices->watched = NULL;
    if (notices->fd < 0) {
        free(notices);
        return error_set_errno(
            error, ERROR_RETRY, "inotify, of which fs.inotify.max_user_instances may be had");
    }
    *ret_notices = notices;
    return 0;
}

void file_notices_free(struct file_notices **notices)
{
    struct file_notices *old = *notices;

    if (!old)
        return;
    *notices = NULL;
    for (size_t i = 0; i < old->count; i++)
        free((char *)old->watched[i].path.data);
    free(old->watched);
    fd_close(&old->fd);
    free(old);
}

int file_notices_descriptor(const struct file_notices *notices)
{
    return notices->fd;
}

/* Where it stands, or would. */
static size_t watched_at(const struct file_notices *notices, int descriptor, size_t walk)
{
    size_t low = 0, high = notices->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const struct watched *watched = &notices->watched[middle];

        if (watched->descriptor < descriptor || (watched->descriptor == descriptor && watched->walk < walk))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool watched_is(const struct file_notices *notices, size_t at, int descriptor)
{
    return at < notices->count && notices->watched[at].descriptor == descriptor;
}

static void watched_remove(struct file_notices *notices, size_t at)
{
    struct watched *watched = &notices->watched[at];

    free((char *)watched->path.data);
    memmove(watched, watched + 1, (--notices->count - at) * sizeof *watched);
}

static int watched_room(struct file_notices *notices)
{
    if (notices->count < notices->capacity)
        return 0;
    const size_t capacity = notices->capacity ? 2 * notices->capacity : NOTICE_FIRST;
    struct watched *watched = realloc(notices->watched, capacity * sizeof *watched);

    if (!watched)
        return -1;
    notices->watched = watched;
    notices->capacity = capacity;
    return 0;
}

/* It has this path from now on, and was found. 1: it was not there. -1: no memory. */
static int watched_put(struct file_notices *notices, int descriptor, size_t walk, struct slice path)
{
    const size_t at = watched_at(notices, descriptor, walk);
    const bool known = watched_is(notices, at, descriptor) && notices->watched[at].walk == walk;

    if (known && slice_equal(notices->watched[at].path, path)) {
        notices->watched[at].found = true;
        return 0;
    }
    char *copy = watched_room(notices) ? NULL : malloc(path.length + 1);
    if (!copy)
        return -1;
    if (path.length)
        memcpy(copy, path.data, path.length);
    struct watched *watched = &notices->watched[at];
    if (known)
        free((char *)watched->path.data);
    else
        memmove(watched + 1, watched, (notices->count++ - at) * sizeof *watched);
    *watched = (struct watched){descriptor, walk, {copy, path.length}, true};
    return !known;
}

int file_notices_watch(
    struct file_notices *notices, size_t walk, int directory, struct slice path, struct error *error)
{
    char link[sizeof "/proc/self/fd/" + 3 * sizeof directory];

    if (path.length > PATH_MAX)
        return error_set(error, ERROR_RETRY, "inotify: a path of %zu bytes", path.length);
    snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
    const int descriptor = inotify_add_watch(notices->fd, link, NOTICE_MASK);
    if (descriptor < 0 && errno == ENOSPC)
        return error_set(error, ERROR_RETRY,
            "inotify: no watches are left of fs.inotify.max_user_watches; directories without one are looked at by scans alone");
    if (descriptor < 0)
        return error_set_errno(error, ERROR_RETRY, "inotify: watch %s", link);
    const int result = watched_put(notices, descriptor, walk, path);
    return result < 0 ? error_set(error, ERROR_RETRY, "inotify: out of memory") : result;
}

void file_notices_sweep(struct file_notices *notices, size_t walk)
{
    size_t kept = 0;

    for (size_t i = 0; i < notices->count; i++) {
        struct watched *watched = &notices->watched[i];

        if (watched->walk != walk || watched->found) {
            watched->found = watched->found && watched->walk != walk;
            notices->watched[kept++] = *watched;
            continue;
        }
        /* Other walks of the same directory stand beside it. */
        if (!(kept > 0 && notices->watched[kept - 1].descriptor == watched->descriptor) &&
            !watched_is(notices, i + 1, watched->descriptor))
            inotify_rm_watch(notices->fd, watched->descriptor);
        free((char *)watched->path.data);
    }
    notices->count = kept;
}

static enum notice_kind notice_kind(uint32_t mask)
{
    if (mask & IN_MOVED_TO)
        return NOTICE_MOVED;
    if (mask & (IN_CREATE | IN_MOVED_FROM | IN_DELETE))
        return NOTICE_NAME;
    return mask & IN_CLOSE_WRITE ? NOTICE_CLOSED : NOTICE_FILE;
}

static void notice_tell(struct file_notices *notices, const struct watched *watched,
    const struct inotify_event *event, notice_fn *notice, void *context)
{
    const struct slice directory = watched->path;

    if (event->mask & (IN_ISDIR | IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT) ||
        event->len == 0) {
        notice(context, NOTICE_DIRECTORY, watched->walk, directory);
        return;
    }
    const int length = snprintf(notices->path, sizeof notices->path, "%.*s%s%s", (int)directory.length,
        directory.data, directory.length > 0 ? "/" : "", event->name);
    notice(context, notice_kind(event->mask), watched->walk, (struct slice){notices->path, (size_t)length});
}

static void notice_event(
    struct file_notices *notices, const struct inotify_event *event, notice_fn *notice, void *context)
{
    if (event->mask & IN_Q_OVERFLOW) {
        notice(context, NOTICE_ALL, 0, (struct slice){"", 0});
        return;
    }
    const size_t first = watched_at(notices, event->wd, 0);
    for (size_t at = first; watched_is(notices, at, event->wd); at++)
        notice_tell(notices, &notices->watched[at], event, notice, context);
    /* The kernel watches it no more. */
    while (event->mask & IN_IGNORED && watched_is(notices, first, event->wd))
        watched_remove(notices, first);
}

int file_notices_read(struct file_notices *notices, notice_fn *notice, void *context, struct error *error)
{
    /* What comes while this is read is for the next time: a busy writer could keep us here. */
    int left = 0;

    if (ioctl(notices->fd, FIONREAD, &left))
        return error_set_errno(error, ERROR_FATAL, "inotify: how much there is to read");
    while (left > 0) {
        const ssize_t length = read(notices->fd, notices->buffer, sizeof notices->buffer);

        if (length <= 0)
            return error_set_errno(error, ERROR_FATAL, "inotify: read");
        for (size_t at = 0; at < (size_t)length;) {
            const struct inotify_event *event = (const struct inotify_event *)(notices->buffer + at);
            notice_event(notices, event, notice, context);
            at += sizeof *event + event->len;
        }
        left -= (int)length;
    }
    return 0;
}
