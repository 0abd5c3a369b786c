/* attempt: see attempt.h. */
#include "table/attempt.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/file.h"
#include "table/attempt_internal.h"

#define ATTEMPT_MARK ".import-"
#define ATTEMPT_TRIES 8
#define ATTEMPT_DEPTH 64 /* of directories: what was replaced may be anybody's */

/* ---- deleting -------------------------------------------------------------------------------------------------- */

static void attempt_delete_inside(int directory, int depth)
{
    DIR *list = fdopendir(directory);

    if (!list) {
        close(directory);
        return;
    }
    for (struct dirent *entry; (entry = readdir(list));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
            unlinkat(dirfd(list), entry->d_name, 0) == 0)
            continue;
        int inner = depth > 0
                        ? openat(dirfd(list), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                        : -1;
        if (inner >= 0)
            attempt_delete_inside(inner, depth - 1);
        unlinkat(dirfd(list), entry->d_name, AT_REMOVEDIR);
    }
    closedir(list);
}

void attempt_delete(int parent, const char *name)
{
    int directory = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (directory >= 0)
        attempt_delete_inside(directory, ATTEMPT_DEPTH);
    unlinkat(parent, name, AT_REMOVEDIR);
}

/* ---- opening ------------------------------------------------------------------------------------------------------ */

/* Into the parent's path and the name; both are there and sensible afterwards. */
static int attempt_take_target(struct attempt *attempt, const char *target, struct error *error)
{
    size_t length = strlen(target);

    while (length > 1 && target[length - 1] == '/')
        length--;
    if (length == 0 || length >= sizeof attempt->target)
        return error_set(error, ERROR_REJECT, "target directory \"%.64s\": %s", target,
            length ? "its path is too long" : "it is empty");
    memcpy(attempt->target, target, length);
    attempt->target[length] = '\0';
    const char *slash = strrchr(attempt->target, '/');
    const char *name = slash ? slash + 1 : attempt->target;
    if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
        return error_set(error, ERROR_REJECT,
            "target directory %s: the last part of the path has to be a name", attempt->target);
    if (strlen(name) + sizeof ATTEMPT_MARK + 10 + ATTEMPT_INODE_MAX + strlen(ATTEMPT_LOG) > ATTEMPT_NAME_MAX)
        return error_set(error, ERROR_REJECT, "target directory %s: its name is too long", attempt->target);
    attempt->name = name;
    snprintf(attempt->folder, sizeof attempt->folder, "%.*s",
        slash == attempt->target ? 1
        : slash                  ? (int)(slash - attempt->target)
                                 : 1,
        slash ? attempt->target : ".");
    return 0;
}

/* What rename() does not replace, though it may look like an empty directory: found out now, not behind the last row. */
static int attempt_check_kind(const struct attempt *attempt, struct error *error)
{
    struct statx there;

    if (statx(attempt->parent, attempt->name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_TYPE, &there) != 0)
        return 0;
    if (S_ISLNK(there.stx_mode))
        return error_set(error, ERROR_REJECT,
            "target directory %s: it is a symbolic link; name what it points to", attempt->target);
    if (there.stx_attributes & STATX_ATTR_MOUNT_ROOT)
        return error_set(error, ERROR_REJECT,
            "target directory %s: something is mounted there; name a directory in it, such as %.64s/import",
            attempt->target, attempt->target);
    return 0;
}

int attempt_check(struct attempt *attempt, enum attempt_how how, struct error *error)
{
    attempt->how = how;
    if (attempt_check_kind(attempt, error))
        return -1;
    int found = openat(attempt->parent, attempt->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = found >= 0 ? fdopendir(found) : NULL;

    if (!list) {
        if (found >= 0)
            close(found);
        return errno == ENOENT ? 0
                               : error_set_errno(error, ERROR_REJECT, "target directory %s", attempt->target);
    }
    const int result = attempt_check_inside(attempt, list, error);
    closedir(list);
    return result || !attempt->made || how != ATTEMPT_APPEND ? result : attempt_append_take(attempt, error);
}

static void attempt_say_where(struct attempt *attempt)
{
    snprintf(attempt->where, sizeof attempt->where, "%s/%s", attempt->folder, attempt->hidden);
}

static int attempt_make_hidden(struct attempt *attempt, struct error *error)
{
    struct stat status;

    /* Before it is locked somebody else may take it for a leftover. */
    for (int tries = 0; tries < ATTEMPT_TRIES; tries++) {
        uint32_t number;
        if (getrandom(&number, sizeof number, 0) != sizeof number)
            return error_set_errno(error, ERROR_FATAL, "random number");
        snprintf(attempt->hidden, sizeof attempt->hidden, ".%s" ATTEMPT_MARK "%08x", attempt->name, number);
        if (mkdirat(attempt->parent, attempt->hidden, 0777) != 0) {
            if (errno == EEXIST)
                continue; /* what is in it is somebody else's */
            break;
        }
        attempt->directory = openat(attempt->parent, attempt->hidden, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (attempt->directory >= 0 && flock(attempt->directory, LOCK_EX | LOCK_NB) == 0 &&
            fstat(attempt->directory, &status) == 0 && status.st_nlink > 0) {
            attempt->made = true;
            attempt->inode = status.st_ino;
            attempt_say_where(attempt);
            return 0;
        }
        const int why = errno;
        fd_close(&attempt->directory);
        unlinkat(attempt->parent, attempt->hidden, AT_REMOVEDIR);
        errno = why;
    }
    return error_set_errno(error, ERROR_FATAL, "directory %s/%s", attempt->folder, attempt->hidden);
}

static int attempt_new(struct attempt **ret_attempt, const char *target, struct error *error)
{
    __attribute__((cleanup(attempt_close))) struct attempt *attempt = calloc(1, sizeof(*attempt));

    if (!attempt)
        return error_set(error, ERROR_RETRY, "target: out of memory"); /* GCOVR_EXCL_LINE out of memory */
    attempt->parent = attempt->directory = attempt->log = attempt->old = -1;
    if (attempt_take_target(attempt, target, error))
        return -1;
    *ret_attempt = attempt;
    attempt = NULL;
    return 0;
}

/* Not every file system can, and behind the last row it is too late. */
static int attempt_try_exchange(const struct attempt *attempt, struct error *error)
{
    static const char *const names[] = {"new", "old"};
    int result = 0;

    for (int i = 0; i < 2; i++)
        result |= mkdirat(attempt->directory, names[i], 0777);
    result =
        result || renameat2(attempt->directory, names[0], attempt->directory, names[1], RENAME_EXCHANGE) != 0;
    if (result)
        error_set_errno(error, ERROR_FATAL,
            "target directory %s: a directory there cannot be replaced in one step; remove it first",
            attempt->target);
    for (int i = 0; i < 2; i++)
        unlinkat(attempt->directory, names[i], AT_REMOVEDIR);
    return result ? -1 : 0;
}

int attempt_open(struct attempt **ret_attempt, const char *target, enum attempt_how how, struct error *error)
{
    __attribute__((cleanup(attempt_close))) struct attempt *attempt = NULL;

    if (attempt_new(&attempt, target, error) || file_make_directories(attempt->folder, error))
        return -1;
    attempt->parent = open(attempt->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (attempt->parent < 0)
        return error_set_errno(error, ERROR_FATAL, "directory %s", attempt->folder);
    if (attempt_check(attempt, how, error) || attempt_make_hidden(attempt, error) ||
        (how != ATTEMPT_NEW && attempt_try_exchange(attempt, error)) ||
        (how == ATTEMPT_APPEND && attempt_append_take(attempt, error)))
        return -1;
    *ret_attempt = attempt;
    attempt = NULL;
    return 0;
}

/* ---- those of others ---------------------------------------------------------------------------------------------- */

/* Locks it, when nobody else has. What was locked may have been published or deleted just before: then the name is another's. */
static bool attempt_take(struct attempt *attempt, const char *hidden, bool *ret_busy)
{
    struct stat locked, named;

    snprintf(attempt->hidden, sizeof attempt->hidden, "%s", hidden);
    attempt->directory = openat(attempt->parent, hidden, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (attempt->directory < 0)
        return false;
    const bool mine = flock(attempt->directory, LOCK_EX | LOCK_NB) == 0;
    *ret_busy |= !mine;
    if (mine && fstat(attempt->directory, &locked) == 0 &&
        fstatat(attempt->parent, hidden, &named, AT_SYMLINK_NOFOLLOW) == 0 && locked.st_ino == named.st_ino &&
        locked.st_dev == named.st_dev) {
        attempt->made = attempt->keep = true;
        attempt->inode = locked.st_ino;
        attempt_say_where(attempt);
        return true;
    }
    fd_close(&attempt->directory);
    return false;
}

/* "XXXXXXXX-INODE.log": its directory was published, when none of that inode is called so any more, and whoever did it was killed before the log was deleted. First the names
 * have to be durable: else the log is all that a power failure leaves of what was read. */
static void attempt_look_at_log(const struct attempt *attempt, const char *entry, const char *rest)
{
    char hidden[ATTEMPT_NAME_MAX + 1], *end;
    const uint64_t inode = strtoull(rest + 1, &end, 16);
    struct stat named;

    snprintf(hidden, sizeof hidden, "%.*s", (int)(rest - entry), entry);
    if (strcmp(end, ATTEMPT_LOG) != 0)
        return;
    const bool there = fstatat(attempt->parent, hidden, &named, AT_SYMLINK_NOFOLLOW) == 0;
    if ((there ? named.st_ino != inode : errno == ENOENT) && fsync(attempt->parent) == 0)
        unlinkat(attempt->parent, entry, 0);
}

/* ".NAME.import-XXXXXXXX" is a directory, ".NAME.import-XXXXXXXX-INODE.log" its log. */
static bool attempt_look_at(struct attempt *attempt, const char *entry, bool *ret_busy)
{
    char start[ATTEMPT_NAME_MAX + 1];
    const int length = snprintf(start, sizeof start, ".%s" ATTEMPT_MARK, attempt->name);

    if (strncmp(entry, start, (size_t)length) != 0)
        return false;
    const char *rest = entry + length;
    const size_t digits = strspn(rest, "0123456789abcdef");
    if (digits == 8 && rest[digits] == '-')
        attempt_look_at_log(attempt, entry, rest + digits);
    return digits == 8 && !rest[digits] && attempt_take(attempt, entry, ret_busy);
}

int attempt_find(struct attempt **ret_attempt, const char *target, bool *ret_busy, struct error *error)
{
    __attribute__((cleanup(attempt_close))) struct attempt *attempt = NULL;
    bool found = false;

    *ret_attempt = NULL;
    *ret_busy = false;
    if (attempt_new(&attempt, target, error))
        return -1;
    attempt->parent = open(attempt->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cleanup_fd int again =
        attempt->parent >= 0 ? openat(attempt->parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    DIR *list = again >= 0 ? fdopendir(again) : NULL;
    if (!list)
        return errno == ENOENT ? 0 : error_set_errno(error, ERROR_FATAL, "directory %s", attempt->folder);
    again = -1;
    for (struct dirent *entry; !found && (entry = readdir(list));)
        found = attempt_look_at(attempt, entry->d_name, ret_busy);
    closedir(list);
    if (!found)
        return 0;
    attempt_log_move_in(attempt);
    *ret_attempt = attempt;
    attempt = NULL;
    return 0;
}

void attempt_keep(struct attempt *attempt, bool keep)
{
    attempt->keep = keep;
}

bool attempt_can_go_on(const struct attempt *attempt)
{
    return attempt->made && !attempt->late;
}

void attempt_give_up(struct attempt *attempt)
{
    attempt->late = true;
}

const char *attempt_where(const struct attempt *attempt)
{
    return attempt->where;
}

void attempt_close(struct attempt **attempt)
{
    if (!*attempt)
        return;
    /* The log goes first: what is half deleted is nothing to go on with. */
    if ((*attempt)->made && !(*attempt)->keep) {
        unlinkat((*attempt)->directory, ATTEMPT_LOG, 0);
        attempt_delete((*attempt)->parent, (*attempt)->hidden);
    }
    fd_close(&(*attempt)->log);
    fd_close(&(*attempt)->old);
    fd_close(&(*attempt)->directory);
    fd_close(&(*attempt)->parent);
    free(*attempt);
    *attempt = NULL;
}

/* ---- what is in it -------------------------------------------------------------------------------------------------- */

int attempt_make_directory(struct attempt *attempt, const char *name, struct error *error)
{
    if (mkdirat(attempt->directory, name, 0777) != 0 && errno != EEXIST)
        return error_set_errno(
            error, ERROR_FATAL, "directory %s in %s/%s", name, attempt->folder, attempt->hidden);
    return 0;
}

int attempt_path(char path[static ATTEMPT_FILE_PATH_MAX], const char *directory, const char *name)
{
    return snprintf(path, ATTEMPT_FILE_PATH_MAX, "%s%s%s", directory, *directory ? "/" : "", name);
}

int attempt_write(struct attempt *attempt, const char *directory, const char *name, struct slice contents,
    struct error *error)
{
    char path[ATTEMPT_FILE_PATH_MAX];

    attempt_path(path, directory, name);
    unlinkat(attempt->directory, path, 0); /* what stands there may be a link to a file that readers see */
    cleanup_fd int fd = openat(attempt->directory, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0 || file_write_at(fd, contents.data, contents.length, 0) != 0 || fsync(fd) != 0)
        return error_set_errno(error, ERROR_FATAL, "%s/%s", attempt->target, path);
    return 0;
}

int attempt_sync_directory(
    const struct attempt *attempt, int directory, const char *name, struct error *error)
{
    cleanup_fd int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) != 0)
        return error_set_errno(error, ERROR_FATAL, "directory %s: %s: fsync", attempt->target, name);
    return 0;
}

int attempt_sync_inside(const struct attempt *attempt, struct error *error)
{
    int again = openat(attempt->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = again >= 0 ? fdopendir(again) : NULL;
    int result = 0;

    if (!list) {
        error_set_errno(error, ERROR_FATAL, "directory %s", attempt->target);
        fd_close(&again);
        return -1;
    }
    for (struct dirent *entry; !result && (entry = readdir(list));) {
        struct stat status;
        if (!strcmp(entry->d_name, "..") ||
            fstatat(dirfd(list), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISDIR(status.st_mode))
            continue;
        result = attempt_sync_directory(attempt, attempt->directory, entry->d_name, error);
    }
    closedir(list);
    return result;
}

int attempt_sync(const struct attempt *attempt, const char *directory, struct error *error)
{
    return attempt_sync_directory(attempt, attempt->directory, *directory ? directory : ".", error);
}

bool attempt_has(const struct attempt *attempt, const char *directory, const char *name, uint64_t bytes)
{
    char path[ATTEMPT_FILE_PATH_MAX];
    struct stat status;

    attempt_path(path, directory, name);
    return fstatat(attempt->directory, path, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode) &&
           (uint64_t)status.st_size == bytes;
}

/* ---- names ------------------------------------------------------------------------------------------------------------ */

bool attempt_name(const char *text, char name[static ATTEMPT_NAME_MAX + 1])
{
    static const char digits[] = "0123456789ABCDEF";
    size_t length = 0;

    for (const char *at = text; *at; at++) {
        const unsigned char byte = (unsigned char)*at;
        const bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                           (byte >= '0' && byte <= '9') || byte == '-' ||
                           (at != text && (byte == '.' || byte == '_'));
        if (length + 3 > ATTEMPT_NAME_MAX)
            return false;
        if (plain) {
            name[length++] = *at;
            continue;
        }
        name[length++] = '%';
        name[length++] = digits[byte >> 4];
        name[length++] = digits[byte & 15];
    }
    name[length] = '\0';
    return true;
}
