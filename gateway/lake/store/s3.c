/* s3: lake files as objects of an S3 store.
 *
 * A file lies in the spool until it is published, for its name holds its last position. It becomes an object by a multipart upload, also when it is
 * small: only such a one can be made to fail later. How it stays exactly once:
 *  - An upload is noted in our own directory before its first part. Whoever opens the store writes himself into the owner object first, then aborts
 *    what is noted, then forgets it.
 *  - Publishing creates, notes, and only then asks who the owner is. So a process that was stopped while another one opened the store has either
 *    noted before that one read the notes, and its uploads are aborted, or asks behind its opening, and sees that it is not the owner any more.
 *  - What an answer leaves open (no answer, 5xx to CompleteMultipartUpload) fails: the lake opens the store again, which aborts, and then lists: a file
 *    is there, and skipped, or cannot come any more.
 *  - If-None-Match keeps a name from being written twice, should all of this be wrong.
 */
#include "lake/store/percent.h"
#include "lake/store/s3.h"

#include <fcntl.h>
#include <stdlib.h>

#include "base/config.h"
#include "base/file.h"

int s3_key(
    const struct store *store, const char *path, const char *name, struct bytes *out, struct error *error)
{
    const char *prefix = store->client.address.prefix;

    if (strlen(prefix) + strlen(path) + 1 + strlen(name) > S3_KEY_MAX)
        return error_set(error, ERROR_RETRY, "lake %s: %.200s: longer than the %d bytes of a key",
            store->root, path, S3_KEY_MAX);
    if (percent_encode(slice_of(prefix), true, out, error) ||
        percent_encode(slice_of(path), true, out, error) || bytes_add_text(out, path[0] ? "/" : "", error) ||
        percent_encode(slice_of(name), true, out, error))
        return -1;
    return bytes_add(out, "", 1, error);
}

static void s3_close(struct store **store)
{
    if (!*store)
        return;
    s3_client_close(&(*store)->client);
    fd_close(&(*store)->log);
    fd_close(&(*store)->spool);
    free(*store);
    *store = NULL;
}

static int s3_take_over(struct store *store, const struct lake_options *options, struct error *error)
{
    if (spool_open(options->spool, &store->spool, error))
        return -1;
    store->log = openat(store->spool, S3_LOG_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (store->log < 0 || fsync(store->spool))
        return error_set_errno(error, ERROR_RETRY, "lake's spool %s/%s: open", options->spool, S3_LOG_NAME);
    return s3_owner_take(store, error) || s3_uploads_abort(store, error) ? -1 : 0;
}

static int s3_open(struct store **ret_store, const struct lake_options *options, struct error *error)
{
    __attribute__((cleanup(s3_close))) struct store *store = calloc(1, sizeof *store);

    if (!store)
        return error_set(error, ERROR_RETRY, "lake %s: out of memory", options->root);
    store->root = options->root;
    store->gateway_id = options->gateway_id;
    store->spool = store->log = -1;
    if (s3_client_open(&store->client, options, error))
        return error_wrap(error, "lake %s", store->root);
    if (options->gateway_id && s3_take_over(store, options, error))
        return -1;
    *ret_store = store;
    store = NULL;
    return 0;
}

static int s3_create(struct store *store, struct store_file **ret_file, struct error *error)
{
    return spool_create(store->spool, ret_file, error);
}

static bool s3_tight(const struct store *store)
{
    return spool_is_tight(store->spool, SPOOL_RESERVE);
}

static int s3_check(const struct config_lake *config, const void **ret_option, struct error *error)
{
    struct s3_address address;

    return s3_address_parse(config, &address, ret_option, error);
}

static const char *const s3_schemes[] = {"s3://", NULL};

const struct store_kind store_s3 = {
    .schemes = s3_schemes,
    .check = s3_check,
    .publish_most = STORE_PUBLISH_MOST,
    .path_most = S3_PATH_MAX,
    .open = s3_open,
    .close = s3_close,
    .create = s3_create,
    .write = spool_write,
    .read = spool_read,
    .publish = s3_publish,
    .abort = spool_abort,
    .tight = s3_tight,
    .list = s3_list,
    .deposit = &s3_deposit,
};
