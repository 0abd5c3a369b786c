/* attempt_target: what the target may have in it already; see attempt.h. */
#include <fcntl.h>
#include <unistd.h>

#include "table/attempt_internal.h"
#include "table/hive.h"

static bool target_has(DIR *target, const char *name)
{
    return faccessat(dirfd(target), name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool target_is_empty(DIR *target)
{
    size_t entries = 0;

    for (struct dirent *entry; (entry = readdir(target));)
        entries += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    return entries == 0;
}

/* rename() replaces a directory only when it is empty, and so is a target that may stay. */
int attempt_check_inside(const struct attempt *attempt, DIR *target, struct error *error)
{
    if (attempt->how == ATTEMPT_REPLACE || target_is_empty(target))
        return 0;
    if (attempt->how == ATTEMPT_NEW)
        return error_set(error, ERROR_REJECT,
            "target directory %s: it is not empty; remove it, name another one, or add to it with --append",
            attempt->target);
    if (attempt->how == ATTEMPT_APPEND)
        return target_has(target, HIVE_SCRIPT) && !target_has(target, HIVE_LOADED)
                   ? error_set(error, ERROR_REJECT,
                         "target directory %s: it is not known that Hive has its files, and " HIVE_SCRIPT
                         " is about no others; give them to Hive first, or name another one",
                         attempt->target)
                   : 0;
    return target_has(target, HIVE_LOADED)
               ? 0
               : error_set(error, ERROR_REJECT,
                     "target directory %s: it is not empty, and nothing in it says that Hive has its files; remove it, or name another one",
                     attempt->target);
}
