/* lookup: the addresses of a name, found by a thread of its own; room-internal.
 *
 * The resolver may take minutes, and nobody can stop it. So whoever asks waits for a descriptor, beside others, and may leave: the thread has a copy of all that it
 * touches, and whoever is done last frees it. @thread one
 */
#ifndef PENSTOCK_TABLE_POSTGRES_LOOKUP_H
#define PENSTOCK_TABLE_POSTGRES_LOOKUP_H

#include <netdb.h>

#include "base/error.h"

struct lookup;

int lookup_start(struct lookup **ret_lookup, const char *host, struct error *error);
/* Readable once the resolver has answered. */
int lookup_descriptor(const struct lookup *lookup);
/* Then: what it has found, for as long as there is the lookup; NULL: nothing, and *ret_why says why not, for ever. */
const struct addrinfo *lookup_found(const struct lookup *lookup, const char **ret_why);
/* Whether it is ready or not. */
void lookup_leave(struct lookup **lookup);

#endif
