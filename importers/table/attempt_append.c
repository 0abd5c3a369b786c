/* attempt_append: an attempt that adds its files to those that the target has; see attempt.h.
 *
 * The target's files get a second name in the attempt (hard links), and in the end the two directories exchange their names: so readers see none of the new files, or all
 * of them, and a path that a reader has found before is good afterwards.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "table/attempt_internal.h"
#include "table/hive.h"

#define APPEND_PART "part-"

/* As "part-00012.avro" or "part-m-00012". */
long attempt_number(const char *name)
{
    char *end;

    if (strncmp(name, APPEND_PART, strlen(APPEND_PART)) != 0)
        return -1;
    name += strlen(APPEND_PART);
    if (islower((unsigned char)*name) && name[1] == '-')
        name += 2;
    const long number = isdigit((unsigned char)*name) ? strtol(name, &end, 10) : -1;
    return number < 0 || number > ATTEMPT_FIRST_MAX || isalnum((unsigned char)*end) ? -1 : number;
}

/* NULL: there is none. */
static DIR *append_open(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *list = fd >= 0 ? fdopendir(fd) : NULL;

    if (!list)
        fd_close(&fd);
    return list;
}

unsigned attempt_first(const struct attempt *attempt)
{
    DIR *list = append_open(attempt->parent, attempt->name);
    long last = -1;

    if (!list)
        return 0;
    for (struct dirent *entry; (entry = readdir(list));) {
        const long number = attempt_number(entry->d_name);
        last = number > last ? number : last;
    }
    closedir(list);
    return (unsigned)(last + 1);
}

/* What is not a file of rows is this import's, where both have it: _SUCCESS, a manifest of no files. */
static bool append_is_there(const struct attempt *attempt, int target, const char *name)
{
    struct stat theirs, ours;

    if (fstatat(target, name, &theirs, AT_SYMLINK_NOFOLLOW) != 0 ||
        fstatat(attempt->directory, name, &ours, AT_SYMLINK_NOFOLLOW) != 0)
        return false;
    return (theirs.st_ino == ours.st_ino && theirs.st_dev == ours.st_dev) || attempt_number(name) < 0;
}

/* What Hive was told is about the files of the import before, and of no others. */
static bool append_leaves(const char *name)
{
    return !strcmp(name, ".") || !strcmp(name, "..") || strncmp(name, HIVE_MARK, strlen(HIVE_MARK)) == 0;
}

static int append_link(struct attempt *attempt, int target, const char *name, struct error *error)
{
    struct stat status;

    if (append_leaves(name) || linkat(target, name, attempt->directory, name, 0) == 0)
        return 0;
    const int why = errno;
    if (why == ENOENT || (why == EEXIST && append_is_there(attempt, target, name)))
        return 0;
    attempt->late = why == EEXIST;
    if (attempt->late)
        return error_set(error, ERROR_REJECT,
            "target directory %s: %s has come meanwhile, and what was read has files of such names, too: nothing of it is kept; begin again",
            attempt->target, name);
    if (fstatat(target, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode))
        return error_set(error, ERROR_REJECT,
            "target directory %s: %s in it is a directory; files are added to a directory of files only",
            attempt->target, name);
    errno = why;
    return error_set_errno(
        error, ERROR_FATAL, "target directory %s: %s: a link to it cannot be made", attempt->target, name);
}

static int append_take_mode(struct attempt *attempt, int target, struct error *error)
{
    struct stat status;

    if (fstat(target, &status) == 0 && fchmod(attempt->directory, status.st_mode & 07777) != 0)
        return error_set_errno(error, ERROR_FATAL, "target directory %s: its mode", attempt->target);
    return 0;
}

int attempt_take_mode(struct attempt *attempt, struct error *error)
{
    return attempt->old < 0 ? 0 : append_take_mode(attempt, attempt->old, error);
}

int attempt_append_take(struct attempt *attempt, struct error *error)
{
    DIR *list = append_open(attempt->parent, attempt->name);
    int result = 0;

    if (!list)
        return 0;
    result = append_take_mode(attempt, dirfd(list), error);
    for (struct dirent *entry; !result && (entry = readdir(list));)
        result = append_link(attempt, dirfd(list), entry->d_name, error);
    closedir(list);
    return result;
}

void attempt_append_drop(struct attempt *attempt, unsigned first)
{
    DIR *list = append_open(attempt->directory, ".");

    if (!list)
        return;
    for (struct dirent *entry; (entry = readdir(list));)
        if (attempt_number(entry->d_name) < (long)first && strcmp(entry->d_name, ATTEMPT_LOG) != 0)
            unlinkat(attempt->directory, entry->d_name, 0);
    closedir(list);
}

void attempt_append_sweep(struct attempt *attempt)
{
    DIR *list = append_open(attempt->old, ".");

    if (!list)
        return;
    for (struct dirent *entry; (entry = readdir(list));)
        if (!append_leaves(entry->d_name))
            renameat2(attempt->old, entry->d_name, attempt->directory, entry->d_name, RENAME_NOREPLACE);
    closedir(list);
}
