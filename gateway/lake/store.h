/* store: where lake files lie; one row of functions per kind of store (local directory; HDFS and S3 to come).
 *
 * A file is written under a hidden name that no reader looks at and appears whole under its own name, or not at all.
 * What publish() has reported is durable: contents, name, and every directory on the way. Every failure is ERROR_RETRY but
 * where said otherwise. Room-internal. @thread the lake's
 */
#ifndef PENSTOCK_LAKE_STORE_H
#define PENSTOCK_LAKE_STORE_H

#include <stddef.h>

#include "base/error.h"
#include "lake/lake.h"

/* Bytes of a directory's path below the root; with the longest file name behind it PATH_MAX is kept. */
#define STORE_PATH_MAX 3072
/* Below the root; nothing that readers should see. */
#define STORE_HIDDEN ".penstock"

struct store;
struct store_file;

/* Opens (makes) the root and deletes what an earlier run of this gateway left unpublished: nothing that run began can
 * appear any more. Others' files are never touched. */
typedef int store_open_fn(
    struct store **ret_store, const char *root, const char *gateway_id, struct error *error);
typedef void store_close_fn(struct store **store);

typedef int store_create_fn(struct store *store, struct store_file **ret_file, struct error *error);
typedef int store_write_fn(struct store_file *file, const void *data, size_t length, struct error *error);

/* Makes the contents durable, then gives the file its name in the directory `path` (relative, "" for the root; made
 * when missing), then makes the name durable. Never replaces anything. Frees and clears *file also on failure, when
 * the name may have appeared or not. */
typedef int store_publish_fn(
    struct store *store, struct store_file **file, const char *path, const char *name, struct error *error);

/* Deletes the file and clears *file; takes NULL inside. */
typedef void store_abort_fn(struct store_file **file);

/* Makes the names in a directory durable, then calls each() with every regular file. A directory that is not there is
 * empty. each() may not call the store. */
typedef int store_each_fn(void *context, const char *name, struct error *error);
typedef int store_list_fn(
    struct store *store, const char *path, store_each_fn *each, void *context, struct error *error);

struct store_kind {
    store_open_fn *open;
    store_close_fn *close;
    store_create_fn *create;
    store_write_fn *write;
    store_publish_fn *publish;
    store_abort_fn *abort;
    store_list_fn *list;
};

extern const struct store_kind store_local;

/* lake_open() on a store of the caller's choice. */
int lake_open_store(struct lake **ret_lake, const struct lake_options *options, const struct store_kind *kind,
    struct error *error);

#endif
