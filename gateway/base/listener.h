/* listener: a listening TCP socket from "ADDRESS:PORT" in the configuration.
 *
 * ADDRESS is an IPv4 address, an IPv6 address in brackets, "localhost", or "*" for all; PORT 0 takes a free one.
 * Sockets are opened before anything starts, so that a taken port is one clear error and not half a start.
 * @thread main
 */
#ifndef PENSTOCK_BASE_LISTENER_H
#define PENSTOCK_BASE_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

/* Binds and listens, non-blocking, closed on exec. ERROR_REJECT: not an address; ERROR_FATAL: it cannot be had. */
int listener_open(const char *address, int backlog, int *ret_fd, struct error *error);

/* One more socket at the address of a listening one: the kernel shares new connections out among them (SO_REUSEPORT). The first one is bound
 * without that, so that a port which another process has stays an error. ERROR_FATAL. */
int listener_open_beside(int first, int backlog, int *ret_fd, struct error *error);

/* Appends "127.0.0.1:8080", with the port that it really has. */
int listener_describe(int fd, struct bytes *text, struct error *error);

/* Can only this machine reach the address? ERROR_REJECT: not an address. */
int listener_is_loopback(const char *address, bool *ret_loopback, struct error *error);

/* Raises the soft limit of descriptors by so many (less than 0: so many are needed no more), as far as the hard one goes: each connection is one, and the usual soft limit is 1024. Who
 * accepts more than there are just accepts no more. @thread main */
void listener_reserve_descriptors(int64_t count);

/* Does a connection with this descriptor leave enough of them for what is no connection? Where the hard limit is too low for all, connections are
 * refused before the journal and the outlets find none left. @thread any */
bool listener_leaves_descriptors(int fd);

#endif
