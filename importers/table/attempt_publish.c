/* attempt_publish: the attempt gets the target's name; see attempt.h.
 *
 * The order: what is in it is durable before its log leaves it; the log has left, durably, before readers can see the directory; and the log and what was replaced are deleted
 * when the new names are durable. So whoever is killed, or whose disk fails, before the names change can go on with what was read, and nobody behind that.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "table/attempt_internal.h"

/* Where no directory is there, nothing is locked, and `old` is -1. Before it is locked somebody else may have exchanged the directory. */
int attempt_lock(struct attempt *attempt, bool *ret_busy, struct error *error)
{
    struct stat locked, named;

    *ret_busy = false;
    for (;;) {
        fd_close(&attempt->old);
        attempt->old =
            openat(attempt->parent, attempt->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (attempt->old < 0)
            return 0;
        const bool mine = flock(attempt->old, LOCK_EX | LOCK_NB) == 0;
        *ret_busy = !mine && errno == EWOULDBLOCK;
        if (*ret_busy)
            return 0;
        if (!mine || fstat(attempt->old, &locked) != 0)
            return error_set_errno(error, ERROR_FATAL, "target directory %s: its lock", attempt->target);
        if (fstatat(attempt->parent, attempt->name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
            named.st_ino == locked.st_ino && named.st_dev == locked.st_dev)
            return 0;
    }
}

/* A directory that has come since is somebody else's: the rename does not replace it. But the next try may add to it, or exchange it. */
static int publish_rename(struct attempt *attempt, struct error *error)
{
    if (renameat(attempt->parent, attempt->hidden, attempt->parent, attempt->name) == 0)
        return 0;
    if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR)
        return error_set_errno(
            error, ERROR_FATAL, "target directory %s: it cannot be given its name", attempt->target);
    if (attempt->how == ATTEMPT_APPEND && attempt_append_take(attempt, error))
        return -1;
    return error_set(error, ERROR_REJECT, "target directory %s: somebody else made it meanwhile%s",
        attempt->target, attempt->how == ATTEMPT_NEW ? "; move it away before you go on" : "");
}

/* What was the target is called as the attempt was. */
static int publish_exchange(const struct attempt *attempt, struct error *error)
{
    if (renameat2(attempt->parent, attempt->hidden, attempt->parent, attempt->name, RENAME_EXCHANGE) == 0)
        return 0;
    return error_set_errno(error, ERROR_FATAL, "target directory %s: it cannot be replaced", attempt->target);
}

int attempt_publish(struct attempt *attempt, struct error *error)
{
    if ((attempt->how == ATTEMPT_RENEW && attempt_check(attempt, attempt->how, error)) ||
        (attempt->how == ATTEMPT_APPEND && attempt_append_take(attempt, error)) ||
        attempt_sync_inside(attempt, error))
        return -1;
    const bool exchanged = attempt->how != ATTEMPT_NEW && attempt->old >= 0;
    if (attempt_log_move_out(attempt, error) ||
        (exchanged ? publish_exchange(attempt, error) : publish_rename(attempt, error))) {
        attempt_log_move_in(attempt);
        return -1;
    }
    attempt->made = false;
    if (exchanged && attempt->how == ATTEMPT_APPEND)
        attempt_append_sweep(attempt);
    if (attempt_sync_directory(attempt, attempt->parent, ".", error))
        return error_wrap(error, "the import is there, but may not outlive a power failure");
    attempt_log_delete(attempt);
    if (exchanged)
        attempt_delete(attempt->parent, attempt->hidden);
    return 0;
}
