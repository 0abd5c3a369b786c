/* unix_socket: see unix_socket.h */
#include "base/unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

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

/* ---- the directory ---------------------------------------------------------------------------------------------- */

static int socket_lock(int directory, const char *path, struct error *error)
{
    const struct timespec pause = {0, SOCKET_LOCK_PAUSE};

    for (int i = 0; flock(directory, LOCK_EX | LOCK_NB) != 0; i++) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return error_set_errno(error, ERROR_FATAL, "the directory of %s", path);
        if (i == SOCKET_LOCK_TRIES)
            return error_set(error, ERROR_FATAL, "%s: another program has locked its directory", path);
        nanosleep(&pause, NULL);
    }
    return 0;
}

static int socket_open_directory(const char *path, int *ret_directory, struct error *error)
{
    char *copy = strdup(path);
    struct stat about;

    if (!copy)
        return error_set(error, ERROR_RETRY, "out of memory");
    cleanup_fd int directory = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(copy);
    if (directory < 0 || fstat(directory, &about))
        return error_set_errno(error, ERROR_FATAL, "the directory of %s", path);
    if (about.st_mode & S_IWOTH && !(about.st_mode & S_ISVTX))
        return error_set(
            error, ERROR_FATAL, "%s: everybody may put something else there: chmod o-w its directory", path);
    if (socket_lock(directory, path, error))
        return -1;
    *ret_directory = fd_take(&directory);
    return 0;
}

/* ---- the socket --------------------------------------------------------------------------------------------------- */

static int socket_make(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* What was left there is taken away. */
static int socket_clear(const struct sockaddr_un *address, struct error *error)
{
    struct stat about;

    if (lstat(address->sun_path, &about))
        return errno == ENOENT ? 0 : error_set_errno(error, ERROR_FATAL, "%s", address->sun_path);
    if (!S_ISSOCK(about.st_mode))
        return error_set(error, ERROR_FATAL, "%s: there is something that is no socket", address->sun_path);
    cleanup_fd int fd = socket_make();
    if (fd < 0)
        return error_set_errno(error, ERROR_FATAL, "%s: socket", address->sun_path);
    /* Whose queue is full listens, too. */
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 || errno == EAGAIN)
        return error_set(error, ERROR_FATAL, "%s: another program listens there", address->sun_path);
    if (errno != ECONNREFUSED)
        return error_set_errno(
            error, ERROR_FATAL, "%s: whether another program listens there", address->sun_path);
    return unlink(address->sun_path) && errno != ENOENT
               ? error_set_errno(error, ERROR_FATAL, "%s: what was left there", address->sun_path)
               : 0;
}

static int socket_give(const char *path, const char *name, struct error *error)
{
    const struct group *group = *name ? getgrnam(name) : NULL;
    struct stat about;

    if (!*name)
        return 0;
    if (!group)
        return error_set(error, ERROR_FATAL, "there is no group %s on this machine", name);
    if (lstat(path, &about) || (about.st_gid != group->gr_gid && lchown(path, (uid_t)-1, group->gr_gid)))
        return error_set_errno(error, ERROR_FATAL, "%s: to give it to the group %s", path, name);
    return 0;
}

/* A socket takes the mode that it has before it is bound, less the umask (Linux). */
static int socket_bind(
    int fd, const struct sockaddr_un *address, struct unix_socket *ret_socket, struct error *error)
{
    struct stat about;

    if (fchmod(fd, S_IRUSR | S_IWUSR) || bind(fd, (const struct sockaddr *)address, sizeof *address))
        return error_set_errno(error, ERROR_FATAL, "cannot listen on %s", address->sun_path);
    char *path = strdup(address->sun_path);
    if (!path || lstat(path, &about)) {
        unlink(address->sun_path);
        free(path);
        return error_set(error, ERROR_FATAL, "cannot listen on %s: it is gone again", address->sun_path);
    }
    *ret_socket = (struct unix_socket){path, about.st_dev, about.st_ino};
    return 0;
}

/* The mode is set behind the group, or the wrong one could come in meanwhile. */
static int socket_listen(int fd, const char *path, mode_t mode, int backlog, struct error *error)
{
    return chmod(path, mode) || listen(fd, backlog)
               ? error_set_errno(error, ERROR_FATAL, "cannot listen on %s", path)
               : 0;
}

int unix_socket_open(struct unix_socket *ret_socket, const char *address, mode_t mode, const char *group,
    int backlog, int *ret_fd, struct error *error)
{
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    struct unix_socket made = {0};
    cleanup_fd int directory = -1, fd = -1;

    if (!unix_socket_is_sound(address))
        return error_set(error, ERROR_REJECT,
            "\"%s\" is not " UNIX_SOCKET_PREFIX "/PATH, of at most %d bytes", address, UNIX_SOCKET_PATH_MAX);
    memcpy(where.sun_path, socket_path(address), strlen(socket_path(address)) + 1);
    if (socket_open_directory(where.sun_path, &directory, error) || socket_clear(&where, error))
        return -1;
    fd = socket_make();
    if (fd < 0)
        return error_set_errno(error, ERROR_FATAL, "cannot listen on %s: socket", where.sun_path);
    if (socket_bind(fd, &where, &made, error))
        return -1;
    if (socket_give(made.path, group, error) || socket_listen(fd, made.path, mode, backlog, error)) {
        unix_socket_remove(&made);
        return -1;
    }
    *ret_socket = made;
    *ret_fd = fd_take(&fd);
    return 0;
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
