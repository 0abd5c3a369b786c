/* unix_socket: what is there already, who may connect, and what is taken away. */
#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/unix_socket.h"

static char directory[] = "/tmp/test_unix_socket.XXXXXX";
static char address[sizeof UNIX_SOCKET_PREFIX + sizeof directory + 2], *path;
static struct error error;

static void setup(void)
{
    cr_assert(mkdtemp(directory));
    snprintf(address, sizeof address, UNIX_SOCKET_PREFIX "%s/s", directory);
    path = address + sizeof UNIX_SOCKET_PREFIX - 1;
}

static void teardown(void)
{
    unlink(path);
    cr_assert_eq(rmdir(directory), 0, "something was left there");
}

TestSuite(unix_socket, .init = setup, .fini = teardown, .timeout = 900);

static int try_open(struct unix_socket *socket, mode_t mode, const char *group, int *ret_fd)
{
    return unix_socket_open(socket, address, mode, group, 8, ret_fd, &error);
}

static int open_one(struct unix_socket *socket, mode_t mode)
{
    int fd = -1;

    cr_assert_eq(try_open(socket, mode, "", &fd), 0, "%s", error.text);
    return fd;
}

/* 0, or errno. */
static int connects(void)
{
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    cleanup_fd int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    memcpy(where.sun_path, path, strlen(path));
    return connect(fd, (struct sockaddr *)&where, sizeof where) ? errno : 0;
}

static void expect_refused(const char *why)
{
    struct unix_socket socket = {0};
    int fd = -1;

    error.text[0] = '\0';
    cr_assert_eq(try_open(&socket, 0660, "", &fd), -1);
    cr_assert(strstr(error.text, why), "%s", error.text);
    cr_assert(error.kind == ERROR_FATAL && fd == -1 && !socket.path);
}

static mode_t mode_of(const char *name)
{
    struct stat about;

    cr_assert_eq(lstat(name, &about), 0);
    return about.st_mode & 07777;
}

Test(unix_socket, mode_whatever_the_umask)
{
    static const mode_t modes[] = {0600, 0660, 0666};

    for (size_t i = 0; i < 3; i++) {
        struct unix_socket socket;
        const mode_t before = umask(i == 0 ? 0 : 0077);
        int fd = open_one(&socket, modes[i]);
        umask(before);
        cr_assert_eq(mode_of(path), modes[i]);
        cr_assert_eq(connects(), 0);
        unix_socket_remove(&socket);
        cr_assert_eq(connects(), ENOENT);
        fd_close(&fd);
    }
}

Test(unix_socket, what_a_killed_one_left_is_replaced)
{
    struct unix_socket left, socket;
    int fd = open_one(&left, 0660);

    fd_close(&fd);
    cr_assert_eq(connects(), ECONNREFUSED);
    fd = open_one(&socket, 0660);
    cr_assert_eq(connects(), 0);
    unix_socket_remove(&socket);
    unix_socket_remove(&socket);
    fd_close(&fd);
    free(left.path);
}

Test(unix_socket, what_others_have_put_there_is_theirs)
{
    struct unix_socket socket, theirs;
    int fd = open_one(&socket, 0660), other;

    cr_assert_eq(unlink(path), 0);
    other = open_one(&theirs, 0660);
    unix_socket_remove(&socket);
    cr_assert_eq(connects(), 0);
    fd_close(&fd);
    unix_socket_remove(&theirs);
    fd_close(&other);
}

Test(unix_socket, who_listens_is_left_alone)
{
    struct sockaddr_un where = {.sun_family = AF_UNIX};
    struct unix_socket socket_there;
    int fd = open_one(&socket_there, 0660), waiting[20], count = 0;

    expect_refused("another program listens there");
    /* Also one that accepts nothing any more. */
    memcpy(where.sun_path, path, strlen(path));
    do {
        cr_assert_lt(count, 20);
        waiting[count] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    } while (connect(waiting[count++], (struct sockaddr *)&where, sizeof where) == 0);
    expect_refused("another program listens there");
    while (count > 0)
        fd_close(&waiting[--count]);
    unix_socket_remove(&socket_there);
    fd_close(&fd);
}

Test(unix_socket, what_is_no_socket_is_left_alone)
{
    char other[sizeof directory + 3];

    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    fd_close(&fd);
    expect_refused("no socket");
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(symlink("nowhere", path), 0);
    expect_refused("no socket");
    cr_assert_eq(unlink(path), 0);

    /* Through a link to a socket, too. */
    snprintf(other, sizeof other, "%s/t", directory);
    struct unix_socket socket;
    fd = open_one(&socket, 0660);
    cr_assert_eq(rename(path, other), 0);
    cr_assert_eq(symlink(other, path), 0);
    expect_refused("no socket");
    unix_socket_remove(&socket);
    cr_assert_eq(connects(), 0, "nor is it taken away");
    cr_assert_eq(unlink(other), 0);
    fd_close(&fd);
}

Test(unix_socket, directories)
{
    const size_t length = strlen(directory);

    cr_assert_eq(chmod(directory, 0777), 0);
    expect_refused("everybody may put something else there");
    cr_assert_eq(chmod(directory, 01777), 0);
    struct unix_socket socket;
    int fd = open_one(&socket, 0660);
    unix_socket_remove(&socket);
    fd_close(&fd);
    path[length - 1] ^= 1;
    expect_refused("the directory of ");
    path[length - 1] ^= 1;
}

static char *lock_path(void)
{
    static char text[sizeof directory + 10];

    snprintf(text, sizeof text, "%s/.s.lock", directory);
    return text;
}

/* Whoever may read the directory can lock that, and it is in nobody's way. */
Test(unix_socket, somebody_who_locks_the_directory)
{
    struct unix_socket socket;
    int lock = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    cr_assert_eq(flock(lock, LOCK_EX), 0);
    int fd = open_one(&socket, 0660);
    cr_assert_eq(connects(), 0);
    unix_socket_remove(&socket);
    fd_close(&fd);
    fd_close(&lock);
}

Test(unix_socket, the_lock_is_nobody_elses)
{
    struct unix_socket socket;
    int lock = open(lock_path(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    cr_assert_eq(flock(lock, LOCK_EX), 0);
    expect_refused("another gateway that starts has locked it");
    fd_close(&lock);
    cr_assert_eq(access(lock_path(), F_OK), 0, "it is that one's");
    int fd = open_one(&socket, 0660); /* which was killed */
    cr_assert_eq(access(lock_path(), F_OK), -1);
    unix_socket_remove(&socket);
    fd_close(&fd);

    lock = open(lock_path(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    cr_assert_eq(fchmod(lock, 0604), 0);
    expect_refused("is not of this gateway's making");
    fd_close(&lock);
    cr_assert_eq(unlink(lock_path()), 0);
    cr_assert_eq(symlink("nowhere", lock_path()), 0);
    expect_refused(".s.lock beside it");
    cr_assert_eq(unlink(lock_path()), 0);
}

/* ---- somebody who puts something else there, right behind bind() ------------------------------------------------------- */

static const char *put_there; /* NULL: nobody does */

int __real_bind(int fd, const struct sockaddr *where, socklen_t length);
int __wrap_bind(int fd, const struct sockaddr *where, socklen_t length);

int __wrap_bind(int fd, const struct sockaddr *where, socklen_t length)
{
    const int result = __real_bind(fd, where, length);

    if (result == 0 && put_there) {
        cr_assert_eq(unlink(path), 0);
        cr_assert_eq(symlink(put_there, path), 0);
    }
    return result;
}

Test(unix_socket, a_link_is_not_followed)
{
    char precious[sizeof directory + 10];

    snprintf(precious, sizeof precious, "%s/precious", directory);
    int fd = open(precious, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    put_there = precious;
    expect_refused("something else is there by now");
    put_there = NULL;
    cr_assert_eq(mode_of(precious), 0600);
    cr_assert_eq(unlink(precious), 0);
    fd_close(&fd);
}

Test(unix_socket, groups)
{
    const struct group *group = getgrgid(getegid());
    struct unix_socket socket = {0};
    struct stat about;
    int fd = -1;

    cr_assert_eq(try_open(&socket, 0660, "no-such-group", &fd), -1);
    cr_assert(strstr(error.text, "there is no group no-such-group"), "%s", error.text);
    cr_assert_eq(connects(), ENOENT);
    cr_assert(group);
    cr_assert_eq(try_open(&socket, 0660, group->gr_name, &fd), 0, "%s", error.text);
    cr_assert_eq(lstat(path, &about), 0);
    cr_assert_eq(about.st_gid, getegid());
    unix_socket_remove(&socket);
    fd_close(&fd);
}

Test(unix_socket, addresses)
{
    static char text[200];
    struct unix_socket socket;
    int fd = -1;

    cr_assert(unix_socket_is("unix:") && !unix_socket_is("unit:/x") && !unix_socket_is("127.0.0.1:1"));
    cr_assert(unix_socket_is_sound("unix:/a"));
    cr_assert_not(unix_socket_is_sound("unix:a"));
    cr_assert_not(unix_socket_is_sound("unix:/a/"));
    cr_assert_not(unix_socket_is_sound("/a"));
    memset(text, 'a', sizeof text - 1);
    memcpy(text, "unix:/", 6);
    text[5 + UNIX_SOCKET_PATH_MAX + 1] = '\0';
    cr_assert_not(unix_socket_is_sound(text));
    cr_assert_eq(unix_socket_open(&socket, text, 0660, "", 8, &fd, &error), -1);
    cr_assert_eq(error.kind, ERROR_REJECT);
    text[5 + UNIX_SOCKET_PATH_MAX] = '\0';
    cr_assert(unix_socket_is_sound(text));
}
