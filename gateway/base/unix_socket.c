/* unix_socket: see unix_socket.h */
#include "base/unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"

/* Who holds the lock has it for some system calls; one that is stopped in between must not stop others for good. */
#define SOCKET_LOCK_TRIES 500
#define SOCKET_LOCK_PAUSE 10000000 /* nanoseconds */

_Static_assert(sizeof((struct sockaddr_un *)0)->sun_path == UNIX_SOCKET_PATH_MAX + 1, "the kernel's");

bool unix_socket_is(const char *address)
{
    return strncmp(address, UNIX_SOCKET_PREFIX, sizeof UNIX_SOCKET_PREFIX - 1) == 0;
}

static const char *socket_path(const char *address)
{
    return address + sizeof UNIX_SOCKET_PREFIX - 1;
}

bool unix_socket_is_sound(const char *address)
{
    const char *path = unix_socket_is(address) ? socket_path(address) : "";
    const size_t length = strlen(path);

    return *path == '/' && length <= UNIX_SOCKET_PATH_MAX && path[length - 1] != '/';
}

/* ---- the directory, and the lock in it ------------------------------------------------------------------------------ */

/* What is done in a directory by one gateway at a time. */
struct place {
    struct sockaddr_un where;
    const char *name; /* of the socket in its directory: the end of `where` */
    char lock_name[UNIX_SOCKET_PATH_MAX + sizeof "..lock"];
    int directory, lock;
};

static int place_open_directory(struct place *place, struct error *error)
{
    const char *path = place->where.sun_path;
    char copy[sizeof place->where.sun_path];
    struct stat about;

    place->name = strrchr(path, '/') + 1;
    snprintf(place->lock_name, sizeof place->lock_name, ".%s.lock", place->name);
    memcpy(copy, path, sizeof copy);
    place->directory = open(dirname(copy), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (place->directory < 0 || fstat(place->directory, &about))
        return error_set_errno(error, ERROR_FATAL, "the directory of %s", path);
    if (about.st_mode & S_IWOTH && !(about.st_mode & S_ISVTX))
        return error_set(
            error, ERROR_FATAL, "%s: everybody may put something else there: chmod o-w its directory", path);
    return 0;
}

/* 1: it is locked. 0: not yet. A file that nobody else may open, so that nobody else can hold it. */
static int place_try_lock(struct place *place, struct error *error)
{
    const char *path = place->where.sun_path;
    struct stat about, there;

    fd_close(&place->lock);
    place->lock = openat(
        place->directory, place->lock_name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (place->lock < 0 || fstat(place->lock, &about))
        return error_set_errno(
            error, ERROR_FATAL, "cannot listen on %s: %s beside it", path, place->lock_name);
    if (!S_ISREG(about.st_mode) || about.st_uid != geteuid() || about.st_mode & (S_IRWXG | S_IRWXO))
        return error_set(error, ERROR_FATAL,
            "cannot listen on %s: %s beside it is not of this gateway's making", path, place->lock_name);
    if (flock(place->lock, LOCK_EX | LOCK_NB))
        return errno == EWOULDBLOCK || errno == EINTR
                   ? 0
                   : error_set_errno(error, ERROR_FATAL, "%s: its lock", path);
    /* Who had it has taken it away. */
    return fstatat(place->directory, place->lock_name, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
           there.st_ino == about.st_ino && there.st_dev == about.st_dev;
}

static int place_lock(struct place *place, struct error *error)
{
    const struct timespec pause = {0, SOCKET_LOCK_PAUSE};

    for (int i = 0; i < SOCKET_LOCK_TRIES; i++) {
        const int locked = place_try_lock(place, error);
        if (locked) {
            if (locked < 0)
                fd_close(&place->lock);
            return locked < 0 ? -1 : 0;
        }
        nanosleep(&pause, NULL);
    }
    fd_close(&place->lock);
    return error_set(
        error, ERROR_FATAL, "%s: another gateway that starts has locked it", place->where.sun_path);
}

static void place_close(struct place *place)
{
    if (place->lock >= 0)
        unlinkat(place->directory, place->lock_name, 0);
    fd_close(&place->lock);
    fd_close(&place->directory);
}

/* ---- the socket --------------------------------------------------------------------------------------------------- */

static int socket_make(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* What was left there is taken away. */
static int socket_clear(const struct place *place, struct error *error)
{
    const char *path = place->where.sun_path;
    struct stat about;

    if (fstatat(place->directory, place->name, &about, AT_SYMLINK_NOFOLLOW))
        return errno == ENOENT ? 0 : error_set_errno(error, ERROR_FATAL, "%s", path);
    if (!S_ISSOCK(about.st_mode))
        return error_set(error, ERROR_FATAL, "%s: there is something that is no socket", path);
    cleanup_fd int fd = socket_make();
    if (fd < 0)
        return error_set_errno(error, ERROR_FATAL, "%s: socket", path);
    /* Whose queue is full listens, too. */
    if (connect(fd, (const struct sockaddr *)&place->where, sizeof place->where) == 0 || errno == EAGAIN)
        return error_set(error, ERROR_FATAL, "%s: another program listens there", path);
    if (errno != ECONNREFUSED)
        return error_set_errno(error, ERROR_FATAL, "%s: whether another program listens there", path);
    return unlinkat(place->directory, place->name, 0) && errno != ENOENT
               ? error_set_errno(error, ERROR_FATAL, "%s: what was left there", path)
               : 0;
}

/* A socket takes the mode that it has before it is bound, less the umask (Linux). ret_node: the file itself, whatever becomes of its name. */
static int socket_bind(
    int fd, const struct place *place, struct unix_socket *ret_socket, int *ret_node, struct error *error)
{
    const char *path = place->where.sun_path;
    struct stat about;

    if (fchmod(fd, S_IRUSR | S_IWUSR) ||
        bind(fd, (const struct sockaddr *)&place->where, sizeof place->where))
        return error_set_errno(error, ERROR_FATAL, "cannot listen on %s", path);
    cleanup_fd int node = openat(place->directory, place->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    char *copy = strdup(path);
    if (!copy || node < 0 || fstat(node, &about) || !S_ISSOCK(about.st_mode) || about.st_uid != geteuid()) {
        free(copy);
        return error_set(error, ERROR_FATAL, "cannot listen on %s: something else is there by now", path);
    }
    *ret_socket = (struct unix_socket){copy, about.st_dev, about.st_ino};
    *ret_node = fd_take(&node);
    return 0;
}

static int socket_give(int node, const char *path, const char *name, struct error *error)
{
    const struct group *group = *name ? getgrnam(name) : NULL;
    struct stat about;

    if (!*name)
        return 0;
    if (!group)
        return error_set(error, ERROR_FATAL, "there is no group %s on this machine", name);
    if (fstat(node, &about) ||
        (about.st_gid != group->gr_gid && fchownat(node, "", (uid_t)-1, group->gr_gid, AT_EMPTY_PATH)))
        return error_set_errno(error, ERROR_FATAL, "%s: to give it to the group %s", path, name);
    return 0;
}

/* The mode is set behind the group, or the wrong one could come in meanwhile. */
static int socket_listen(int fd, int node, const char *path, mode_t mode, int backlog, struct error *error)
{
    char of_node[sizeof "/proc/self/fd/" + 3 * sizeof node];

    snprintf(of_node, sizeof of_node, "/proc/self/fd/%d", node);
    return chmod(of_node, mode) || listen(fd, backlog)
               ? error_set_errno(error, ERROR_FATAL, "cannot listen on %s", path)
               : 0;
}

static int socket_open(struct place *place, mode_t mode, const char *group, int backlog,
    struct unix_socket *ret_socket, int *ret_fd, struct error *error)
{
    const char *path = place->where.sun_path;
    struct unix_socket made = {0};
    cleanup_fd int fd = -1, node = -1;

    if (place_open_directory(place, error) || place_lock(place, error) || socket_clear(place, error))
        return -1;
    fd = socket_make();
    if (fd < 0)
        return error_set_errno(error, ERROR_FATAL, "cannot listen on %s: socket", path);
    if (socket_bind(fd, place, &made, &node, error))
        return -1;
    if (socket_give(node, path, group, error) || socket_listen(fd, node, path, mode, backlog, error)) {
        unix_socket_remove(&made);
        return -1;
    }
    *ret_socket = made;
    *ret_fd = fd_take(&fd);
    return 0;
}

int unix_socket_open(struct unix_socket *ret_socket, const char *address, mode_t mode, const char *group,
    int backlog, int *ret_fd, struct error *error)
{
    struct place place = {.where.sun_family = AF_UNIX, .directory = -1, .lock = -1};

    if (!unix_socket_is_sound(address))
        return error_set(error, ERROR_REJECT,
            "\"%s\" is not " UNIX_SOCKET_PREFIX "/PATH, of at most %d bytes", address, UNIX_SOCKET_PATH_MAX);
    memcpy(place.where.sun_path, socket_path(address), strlen(socket_path(address)) + 1);
    const int result = socket_open(&place, mode, group, backlog, ret_socket, ret_fd, error);
    place_close(&place);
    return result;
}

void unix_socket_remove(struct unix_socket *socket)
{
    struct stat about;

    if (socket->path && lstat(socket->path, &about) == 0 && about.st_dev == socket->device &&
        about.st_ino == socket->inode)
        unlink(socket->path);
    free(socket->path);
    *socket = (struct unix_socket){0};
}
