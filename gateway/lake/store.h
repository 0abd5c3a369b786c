/* store: where lake files lie; one row of functions per kind of store.
 *
 * A file is written under a hidden name that no reader looks at and appears whole under its own name, or not at all.
 * What publish() has reported is durable: contents, name, and every directory on the way. Every failure is ERROR_RETRY but
 * where said otherwise. Room-internal. @thread the lake's
 */
#ifndef PENSTOCK_LAKE_STORE_H
#define PENSTOCK_LAKE_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "lake/file_name.h"
#include "lake/lake.h"

/* Bytes of a directory's path below the root; with the longest file name behind it PATH_MAX is kept. */
#define STORE_PATH_MAX 3072
/* Below the root; nothing that readers should see. */
#define STORE_HIDDEN ".penstock"

#define STORE_PUBLISH_MOST 64

struct store;
struct store_file;

/* Opens (makes) the root and deletes what an earlier run of this gateway left unpublished: nothing that run began can
 * appear any more, not even when it still runs somewhere. Others' files are never touched. The options outlive the store. */
typedef int store_open_fn(struct store **ret_store, const struct lake_options *options, struct error *error);
typedef void store_close_fn(struct store **store);

typedef int store_create_fn(struct store *store, struct store_file **ret_file, struct error *error);
typedef int store_write_fn(struct store_file *file, const void *data, size_t length, struct error *error);

/* Bytes that were written, from there on: as many as there are, at most length. */
typedef int store_read_fn(const struct store_file *file, uint64_t from, void *data, size_t length,
    size_t *ret_read, struct error *error);

/* Makes each file's contents durable, then gives it its name in the directory `path` (relative, "" for the root; made
 * when missing), then makes the name durable. Never replaces anything. In any order: no two of a call have both path and stream in common.
 * Frees and clears every file also on failure, when any name may have appeared or not. */
struct store_publication {
    struct store_file *file;
    const char *path;
    char name[FILE_NAME_SIZE];
};
typedef int store_publish_fn(
    struct store *store, struct store_publication *files, size_t count, struct error *error);

/* Deletes the file and clears *file; takes NULL inside. */
typedef void store_abort_fn(struct store_file **file);

/* Whether there is hardly room left for more that is not published. */
typedef bool store_tight_fn(const struct store *store);

/* Makes the names in a directory durable, then calls each() with every regular file. A directory that is not there is
 * empty. each() may not call the store. */
typedef int store_each_fn(void *context, const char *name, struct error *error);
typedef int store_list_fn(
    struct store *store, const char *path, store_each_fn *each, void *context, struct error *error);

/* What is wrong with the options of the store: -1, ERROR_FATAL, and ret_option is the field of the one that is to blame. Contacts nobody. @thread main */
typedef int store_check_fn(const struct config_lake *config, const void **ret_option, struct error *error);

/* What imports need besides, whose files have names of their own (deposit.h). Paths are below the root, as above. */
struct store_deposit {
    /* Whether anything is in a directory. */
    int (*any)(struct store *store, const char *path, bool *ret_any, struct error *error);
    /* As store_read_fn, of a file that was published. ERROR_REJECT: it is not there. */
    int (*read)(struct store *store, const char *path, const char *name, uint64_t from, void *data,
        size_t length, size_t *ret_read, struct error *error);
    /* Deletes the directory with all that is in it. */
    int (*clear)(struct store *store, const char *path, struct error *error);
    /* A directory of this open that no reader looks at, and which whoever opens the store next deletes: ret_path has STORE_STAGE_SIZE. NULL: files cannot be renamed. */
    void (*stage)(const struct store *store, char *ret_path);
    /* It gets a name, at once, with all that is in it. Nothing but an empty directory may have that name. ERROR_REJECT: something has. */
    int (*appear)(struct store *store, const char *stage, const char *path, struct error *error);
    /* Nothing of the hidden directory stays, as far as it can be deleted: nobody publishes with this store any more. */
    void (*leave)(struct store *store);
};
#define STORE_STAGE_SIZE 192

struct store_kind {
    const char *const *schemes; /* "s3://", NULL at the end; NULL: a directory */
    store_check_fn *check;
    size_t publish_most; /* files of one call of publish(), at most STORE_PUBLISH_MOST */
    size_t path_most; /* bytes of a path that it can name; 0: STORE_PATH_MAX */
    store_open_fn *open;
    store_close_fn *close;
    store_create_fn *create;
    store_write_fn *write;
    store_read_fn *read;
    store_publish_fn *publish;
    store_abort_fn *abort;
    store_tight_fn *tight; /* NULL: files lie where they are published */
    store_list_fn *list;
    const struct store_deposit *deposit; /* NULL: it takes none */
};

extern const struct store_kind store_local;
extern const struct store_kind store_s3;
extern const struct store_kind store_hdfs;

/* The kind for this root; NULL: none takes such a URL. */
const struct store_kind *store_of(const char *root);
/* The URLs that are taken besides a directory, for texts: "file:///DIRECTORY, s3://". */
#define STORE_SCHEMES "file:///DIRECTORY, s3://BUCKET/PREFIX, webhdfs://HOST:PORT/DIRECTORY, swebhdfs://..."

/* lake_open() on a store of the caller's choice. */
int lake_open_store(struct lake **ret_lake, const struct lake_options *options, const struct store_kind *kind,
    struct error *error);

#endif
