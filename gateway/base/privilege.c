/* privilege: see privilege.h */
#include "base/privilege.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define UNCHANGED ((uid_t)-1)

static int privilege_find(const char *user, struct passwd **ret_user, struct error *error)
{
    errno = 0;
    *ret_user = getpwnam(user);
    if (*ret_user)
        return 0;
    return errno ? error_set_errno(error, ERROR_FATAL, "gateway.user: %s", user)
                 : error_set(error, ERROR_FATAL, "gateway.user: there is no user %s on this machine", user);
}

int privilege_become(const char *user, struct error *error)
{
    struct passwd *found;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return error_set_errno(error, ERROR_FATAL, "prctl(PR_SET_NO_NEW_PRIVS)");
    if (!*user)
        return 0;
    if (privilege_find(user, &found, error))
        return -1;
    if (geteuid() == found->pw_uid && geteuid() != 0)
        return 0;
    if (geteuid() != 0)
        return error_set(error, ERROR_FATAL,
            "gateway.user: only root can become %s; start it as root or as %s, or leave gateway.user out",
            user, user);
    if (initgroups(user, found->pw_gid) || setresgid(found->pw_gid, found->pw_gid, found->pw_gid) ||
        setresuid(found->pw_uid, found->pw_uid, 0))
        return error_set_errno(error, ERROR_FATAL, "gateway.user: to become %s", user);
    return 0;
}

/* The C library would change all threads. */
static int privilege_set_effective(uid_t user)
{
    return (int)syscall(SYS_setresuid, UNCHANGED, user, UNCHANGED);
}

int privilege_bind(int fd, const struct sockaddr *address, socklen_t length)
{
    const uid_t user = geteuid();

    if (bind(fd, address, length) == 0)
        return 0;
    if (errno != EACCES || privilege_set_effective(0))
        return -1;
    const int result = bind(fd, address, length), why = errno;
    if (privilege_set_effective(user))
        return -1;
    errno = why;
    return result;
}

int privilege_settle(struct error *error)
{
    uid_t real, effective, saved;

    if (getresuid(&real, &effective, &saved))
        return error_set_errno(error, ERROR_FATAL, "getresuid");
    if (saved != 0 || effective == 0)
        return 0;
    if (setresuid(effective, effective, effective) || setuid(0) == 0)
        return error_set_errno(error, ERROR_FATAL, "gateway.user: root could not be given up");
    /* Who changes users is not told about itself by /proc any more, and the metrics are made of that. */
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    return 0;
}
