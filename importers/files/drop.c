/* drop: see drop.h */
#include "files/drop.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/file.h"
#include "files/pattern.h"

#define DROP_PIECE ((size_t)64 << 20) /* of what the kernel copies at once; a signal waits for no more */
#define DROP_BUFFER ((size_t)256 << 10)

/* What a signal handler may have to delete. The name is complete whenever `drop_made` is set. */
static volatile sig_atomic_t drop_made;
static int drop_directory;
static char drop_temporary[48];

int drop_check_name(const char *name, struct error *error)
{
    if (!*name || !strcmp(name, ".") || !strcmp(name, "..") || strchr(name, '/'))
        return error_set(error, ERROR_REJECT, "not a name that a file can have in a directory");
    if (file_name_is_temporary(slice_of(name)))
        return error_set(error, ERROR_REJECT,
            "watches leave out what is called .*, *.tmp, *.part and *~: give it another name with --as NAME");
    return 0;
}

void drop_abandon(void)
{
    if (drop_made)
        unlinkat(drop_directory, drop_temporary, 0);
    drop_made = 0;
}

/* ---- the temporary file ---------------------------------------------------------------------------------------- */

static int drop_create(int directory, mode_t mode, int *ret_file, struct error *error)
{
    uint64_t random;

    if (getrandom(&random, sizeof random, 0) != sizeof random)
        return error_set_errno(error, ERROR_RETRY, "getrandom");
    snprintf(drop_temporary, sizeof drop_temporary, ".penstock-drop-%016" PRIx64 ".tmp", random);
    drop_directory = directory;
    drop_made = 1; /* before it is: a signal in between has to find it, too */
    int file = openat(directory, drop_temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (file < 0) {
        drop_made = 0;
        return error_set_errno(error, ERROR_RETRY, "temporary file in the directory");
    }
    *ret_file = file;
    return 0;
}

/* What the kernel does not copy by itself (pipes, other kinds of file systems), and the certainty that nothing more is there. */
static int drop_copy_rest(int from, int to, struct error *error)
{
    char *buffer = malloc(DROP_BUFFER);
    ssize_t got = -1;
    int result = 0;

    if (!buffer)
        return error_set(error, ERROR_RETRY, "out of memory");
    while (!result && (got = read(from, buffer, DROP_BUFFER)) > 0) {
        for (ssize_t done = 0, part; !result && done < got; done += part) {
            part = write(to, buffer + done, (size_t)(got - done));
            if (part < 0)
                result = error_set_errno(error, ERROR_RETRY, "temporary file in the directory: write");
        }
    }
    if (!result && got < 0)
        result = error_set_errno(error, ERROR_RETRY, "read");
    free(buffer);
    return result;
}

static int drop_copy(int from, int to, struct error *error)
{
    while (copy_file_range(from, NULL, to, NULL, DROP_PIECE, 0) > 0)
        ;
    if (drop_copy_rest(from, to, error))
        return -1;
    if (fsync(to))
        return error_set_errno(error, ERROR_RETRY, "temporary file in the directory: fsync");
    return 0;
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

static int drop_refuse_taken(struct error *error)
{
    return error_set(error, ERROR_REJECT,
        "a file of this name is there already, and nothing is ever replaced: give it another name with --as NAME");
}

static int drop_sync(int directory, struct error *error)
{
    if (fsync(directory))
        return error_set_errno(
            error, ERROR_RETRY, "is in its place, but may not outlive a power cut: fsync of the directory");
    return 0;
}

static int drop_publish(int directory, const char *name, struct error *error)
{
    if (file_rename_new(directory, drop_temporary, directory, name))
        return errno == EEXIST ? drop_refuse_taken(error) : error_set_errno(error, ERROR_RETRY, "rename");
    drop_made = 0;
    return drop_sync(directory, error);
}

/* ---- the source -------------------------------------------------------------------------------------------------- */

/* Looked at before it is opened: to open a device may do something. */
static int drop_open(const char *source, int *ret_file, struct stat *ret_about, struct error *error)
{
    cleanup_fd int file = -1;

    if (lstat(source, ret_about))
        return error_set_errno(error, ERROR_REJECT, "look");
    if (S_ISREG(ret_about->st_mode)) {
        file = open(source, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (file < 0 || fstat(file, ret_about))
            return error_set_errno(error, ERROR_REJECT, "open");
    }
    if (!S_ISREG(ret_about->st_mode))
        return error_set(error, ERROR_REJECT, "%s; only regular files can be dropped",
            S_ISLNK(ret_about->st_mode)   ? "a symbolic link: name what it leads to"
            : S_ISDIR(ret_about->st_mode) ? "a directory"
                                          : "a pipe, a socket or a device");
    *ret_file = fd_take(&file);
    return 0;
}

static bool drop_is_same(const struct stat *then, const struct stat *now)
{
    return then->st_dev == now->st_dev && then->st_ino == now->st_ino && then->st_size == now->st_size &&
           then->st_mtim.tv_sec == now->st_mtim.tv_sec && then->st_mtim.tv_nsec == now->st_mtim.tv_nsec;
}

/* The deletion is durable as well: after a power cut it must not be there to be dropped again. */
static int drop_sync_parent(const char *source, struct error *error)
{
    const char *slash = strrchr(source, '/');
    char *parent = slash ? strndup(source, (size_t)(slash - source) + 1) : strdup(".");
    cleanup_fd int fd = parent ? open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

    free(parent);
    if (fd < 0 || fsync(fd))
        return error_set_errno(error, ERROR_RETRY,
            "is in its place, but may be here again after a power cut: fsync of the directory it was in");
    return 0;
}

/* The copy is durable. */
static int drop_delete(const char *source, const struct stat *about, struct error *error)
{
    struct stat now;

    if (lstat(source, &now) || !drop_is_same(about, &now))
        return error_set(
            error, ERROR_RETRY, "is in its place, but has changed since it was copied: not deleted");
    if (unlink(source))
        return error_set_errno(error, ERROR_RETRY, "is in its place, but the original is, too: unlink");
    return drop_sync_parent(source, error);
}

/* ---- the whole ---------------------------------------------------------------------------------------------------- */

static int drop_put_input(int directory, const char *name, struct error *error)
{
    cleanup_fd int copy = -1;

    if (drop_create(directory, 0666, &copy, error) || drop_copy(STDIN_FILENO, copy, error))
        return -1;
    return drop_publish(directory, name, error);
}

static int drop_put_copy(
    int directory, int file, const struct stat *about, const char *name, struct error *error)
{
    cleanup_fd int copy = -1;
    struct stat now;

    if (drop_create(directory, about->st_mode & 0777, &copy, error) || drop_copy(file, copy, error))
        return -1;
    if (fstat(file, &now))
        return error_set_errno(error, ERROR_RETRY, "look");
    if (!drop_is_same(about, &now))
        return error_set(
            error, ERROR_RETRY, "changed while it was copied: drop it when whoever writes it has finished");
    return drop_publish(directory, name, error);
}

/* 1: it is on another file system. */
static int drop_put_itself(int directory, const char *source, int file, const struct stat *about,
    const char *name, struct error *error)
{
    if (about->st_nlink > 1)
        return error_set(error, ERROR_REJECT,
            "has other names (hard links), and watches refuse such files: drop a copy, without --move");
    if (fsync(file))
        return error_set_errno(error, ERROR_RETRY, "fsync");
    if (file_rename_new(AT_FDCWD, source, directory, name) == 0)
        return drop_sync(directory, error) || drop_sync_parent(source, error) ? -1 : 0;
    if (errno == EXDEV)
        return 1;
    return errno == EEXIST ? drop_refuse_taken(error) : error_set_errno(error, ERROR_RETRY, "rename");
}

static int drop_put_file(int directory, const char *source, const char *name, bool move, struct error *error)
{
    cleanup_fd int file = -1;
    struct stat about;

    if (drop_open(source, &file, &about, error))
        return -1;
    const int elsewhere = move ? drop_put_itself(directory, source, file, &about, name, error) : 1;
    if (elsewhere != 1)
        return elsewhere;
    if (drop_put_copy(directory, file, &about, name, error))
        return -1;
    return move ? drop_delete(source, &about, error) : 0;
}

int drop_put(int directory, const char *source, const char *name, bool move, struct error *error)
{
    struct stat there;

    /* The rename decides; but nobody should have to wait for it with a long copy. */
    if (fstatat(directory, name, &there, AT_SYMLINK_NOFOLLOW) == 0)
        return drop_refuse_taken(error);
    const int result =
        source ? drop_put_file(directory, source, name, move, error) : drop_put_input(directory, name, error);
    if (result)
        drop_abandon();
    return result;
}
