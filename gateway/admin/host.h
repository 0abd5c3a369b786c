/* host: whether a request's header Host says this machine. A page of a browser whose own name has been made to mean 127.0.0.1 (DNS rebinding) may read what it gets there, and cannot say so. Inside of
 * admin/ only. Pure. @thread any
 */
#ifndef PENSTOCK_ADMIN_HOST_H
#define PENSTOCK_ADMIN_HOST_H

#include <stdbool.h>

/* An address, which is no name that could mean something else, or "localhost", with a port or without. */
bool host_is_here(const char *value);

#endif
