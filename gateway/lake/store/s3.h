/* s3: what the files of the S3 store share; s3.c says how it stays exactly once. Room-internal. @thread the lake's */
#ifndef PENSTOCK_LAKE_S3_H
#define PENSTOCK_LAKE_S3_H

#include "lake/store/s3_client.h"
#include "lake/store/spool.h"

#define S3_KEY_MAX 1024 /* bytes of a key, as servers have it */
#define S3_PATH_MAX 640 /* so that a key has room for prefix and name */
#define S3_KEY_TEXT (3 * S3_KEY_MAX + 1) /* encoded */
#define S3_UPLOAD_MAX 1024 /* bytes of an upload's id */
#define S3_OWNER_SIZE 33
#define S3_LOG_NAME "s3-uploads"

struct store {
    struct s3_client client;
    const char *root; /* the URL, for texts */
    const char *gateway_id;
    int spool; /* directory */
    int log; /* which uploads were begun, in it */
    uint64_t log_end;
    char owner[S3_OWNER_SIZE]; /* of this open, at random */
    bool unconditional; /* the server does not know If-None-Match */
};

/* Appends PREFIX/path/name, encoded and terminated. ERROR_RETRY: longer than keys may be. */
int s3_key(
    const struct store *store, const char *path, const char *name, struct bytes *out, struct error *error);

/* ---- who writes: s3_owner.c -------------------------------------------------------------------------------- */

int s3_owner_take(struct store *store, struct error *error);
/* ERROR_RETRY: somebody else has taken it since. */
int s3_owner_check(struct store *store, struct error *error);
/* Nobody writes any more. */
void s3_owner_leave(struct store *store);

/* ---- uploads that were begun: s3_uploads.c ------------------------------------------------------------------ */

/* A line for each: "KEY ID", both encoded. */
int s3_uploads_note(struct store *store, struct slice lines, struct error *error);
/* All that were noted are at an end. */
int s3_uploads_forget(struct store *store, struct error *error);
/* Aborts those that are noted, then those that the server lists for this gateway; forgets them. */
int s3_uploads_abort(struct store *store, struct error *error);

/* Appends name=value of a query, encoded, with & in front where there is something before. */
int s3_query_add(struct bytes *query, const char *name, const char *value, struct error *error);

store_list_fn s3_list;
/* The same with the names of all objects below the path, with their slashes; prefix: PREFIX/path/, not encoded. */
int s3_list_below(
    struct store *store, const char *prefix, store_each_fn *each, void *context, struct error *error);
extern const struct store_deposit s3_deposit;
store_publish_fn s3_publish;

#endif
