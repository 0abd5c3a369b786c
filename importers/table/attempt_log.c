/* attempt_log: what of an attempt is done, line by line; see attempt.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "table/attempt_internal.h"

static int log_fail(const struct attempt *attempt, const char *what, struct error *error)
{
    return error_set_errno(error, ERROR_FATAL, "%s/" ATTEMPT_LOG "%s", attempt->where, what);
}

static int log_read(struct attempt *attempt, struct bytes *text, struct error *error)
{
    struct stat status;

    if (fstat(attempt->log, &status) != 0)
        return log_fail(attempt, "", error);
    if (bytes_reserve_exact(text, (size_t)status.st_size + 1, error))
        return -1;
    const ssize_t length = file_read_at(attempt->log, text->data, (size_t)status.st_size, 0);
    if (length < 0)
        return log_fail(attempt, "", error);
    text->length = attempt->log_length = (size_t)length;
    return 0;
}

int attempt_log_open(struct attempt *attempt, struct bytes *text, struct error *error)
{
    fd_close(&attempt->log);
    attempt->log = openat(attempt->directory, ATTEMPT_LOG, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (attempt->log < 0)
        return log_fail(attempt, "", error);
    /* The directory's own name, too: a log that nobody finds says nothing. */
    if (fsync(attempt->directory) != 0 || fsync(attempt->parent) != 0)
        return log_fail(attempt, ": fsync", error);
    return log_read(attempt, text, error);
}

int attempt_log_cut(struct attempt *attempt, size_t length, struct error *error)
{
    if (length < attempt->log_length &&
        (ftruncate(attempt->log, (off_t)length) != 0 || fsync(attempt->log) != 0))
        return log_fail(attempt, "", error);
    attempt->log_length = length;
    return 0;
}

int attempt_log_add(struct attempt *attempt, struct slice lines, struct error *error)
{
    const bool written = file_write_at(attempt->log, lines.data, lines.length, attempt->log_length) == 0;

    if (written && fdatasync(attempt->log) == 0) {
        attempt->log_length += lines.length;
        return 0;
    }
    log_fail(attempt, written ? ": fsync" : "", error);
    /* What is on the disk is not known any more. */
    fd_close(&attempt->log);
    return -1;
}

/* ---- while it is published ------------------------------------------------------------------------------------------ */

static void log_name(const struct attempt *attempt, char name[static ATTEMPT_NAME_MAX + 1])
{
    snprintf(name, ATTEMPT_NAME_MAX + 1, "%.*s-%llx" ATTEMPT_LOG,
        ATTEMPT_NAME_MAX - ATTEMPT_INODE_MAX - (int)strlen(ATTEMPT_LOG), attempt->hidden,
        (unsigned long long)attempt->inode);
}

int attempt_log_move_out(struct attempt *attempt, struct error *error)
{
    char outside[ATTEMPT_NAME_MAX + 1];

    log_name(attempt, outside);
    if (attempt->log < 0)
        return 0;
    if (renameat(attempt->directory, ATTEMPT_LOG, attempt->parent, outside) != 0)
        return log_fail(attempt, ": rename", error);
    if (fsync(attempt->directory) != 0 || fsync(attempt->parent) != 0)
        return log_fail(attempt, ": fsync", error);
    return 0;
}

/* The one outside is the one that counts: it left as the last of all. */
void attempt_log_move_in(struct attempt *attempt)
{
    char outside[ATTEMPT_NAME_MAX + 1];

    log_name(attempt, outside);
    renameat(attempt->parent, outside, attempt->directory, ATTEMPT_LOG);
}

void attempt_log_delete(struct attempt *attempt)
{
    char outside[ATTEMPT_NAME_MAX + 1];

    log_name(attempt, outside);
    unlinkat(attempt->parent, outside, 0);
    fd_close(&attempt->log);
}
