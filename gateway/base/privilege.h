/* privilege: a gateway that is started as root becomes somebody else before it touches a file, and keeps from root only what ports below 1024 need, until
 * it listens. No program that it could be made to run gets more than it has (prctl(2), PR_SET_NO_NEW_PRIVS).
 *
 * Between privilege_become() and privilege_settle() root is the saved user id alone (setresuid(2)): every thread acts as the user. @thread main
 */
#ifndef PENSTOCK_BASE_PRIVILEGE_H
#define PENSTOCK_BASE_PRIVILEGE_H

#include <sys/socket.h>

#include "base/error.h"

/* Before there are other threads. "": stays who started it. ERROR_FATAL: there is no such user, or it takes root to become that one. */
int privilege_become(const char *user, struct error *error);

/* bind(2), as root where it takes that and root is still there. */
int privilege_bind(int fd, const struct sockaddr *address, socklen_t length);

/* Root is given up for good, by all threads. */
int privilege_settle(struct error *error);

#endif
