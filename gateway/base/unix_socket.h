/* unix_socket: a listening Unix socket from "unix:/PATH" in the configuration.
 *
 * Where a gateway was killed its socket is still there: one that nobody listens at is replaced. One that somebody listens at, and what is no socket, is an
 * error. Who looks and makes holds a lock, so that of two which start at the same moment one gets it: a file beside it (".NAME.lock") that nobody else may open, for as long as that takes. Nobody
 * but the gateway's user can connect before owner and mode are as they shall be, and these are the file's, whatever is put in its place meanwhile.
 * @thread main
 */
#ifndef PENSTOCK_BASE_UNIX_SOCKET_H
#define PENSTOCK_BASE_UNIX_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

#define UNIX_SOCKET_PREFIX "unix:"
#define UNIX_SOCKET_PATH_MAX 107 /* bytes: sun_path has room for them and a zero (unix(7)) */

/* What unix_socket_remove() takes away: the path, as long as it is still the same file. Zeroed: nothing. */
struct unix_socket {
    char *path;
    dev_t device;
    ino_t inode;
};

/* Whether it says that it is one. */
bool unix_socket_is(const char *address);
/* And whether it is right: an absolute path that is not too long. */
bool unix_socket_is_sound(const char *address);

/* Binds and listens, non-blocking, closed on exec. mode: of the file; group: "": as the system has it for new files there. ERROR_FATAL: it cannot be had. */
int unix_socket_open(struct unix_socket *ret_socket, const char *address, mode_t mode, const char *group,
    int backlog, int *ret_fd, struct error *error);
/* Takes the file away; call it before the descriptor is closed, so that nobody replaces it in between. */
void unix_socket_remove(struct unix_socket *socket);

#endif
