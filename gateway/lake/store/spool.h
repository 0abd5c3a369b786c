/* spool: what a lake file holds until a store elsewhere takes it.
 *
 * A file without a name in a directory of this machine: it is gone with the process, and nothing of it is needed then, for the journal has
 * its records. It is not synced. All of them together hold no more than what the cursor has not passed, and the oldest are published early when room gets
 * short. Room-internal. @thread the lake's
 */
#ifndef PENSTOCK_LAKE_SPOOL_H
#define PENSTOCK_LAKE_SPOOL_H

#include <stdbool.h>
#include <stdint.h>

#include "lake/store.h"

/* The files of all stores that spool. */
struct store_file {
    int fd;
    uint64_t length;
};

/* Makes the directory when it is missing; the descriptor is the caller's. */
int spool_open(const char *path, int *ret_directory, struct error *error);
int spool_create(int directory, struct store_file **ret_file, struct error *error);
store_write_fn spool_write;
store_read_fn spool_read;
store_abort_fn spool_abort;

/* Less is left than this: the file system is the journal's too. */
#define SPOOL_RESERVE (UINT64_C(64) << 20)
bool spool_is_tight(int directory, uint64_t reserve);

#endif
