/* s3_deposit: see s3.h and store.h; what imports need of an S3 store besides publishing and lists */
#include <stdio.h>
#include <stdlib.h>

#include "lake/store/s3.h"

/* "PREFIX/path/" */
static void deposit_prefix(
    const struct store *store, const char *path, char prefix[static S3_PREFIX_MAX + STORE_PATH_MAX + 3])
{
    snprintf(prefix, S3_PREFIX_MAX + STORE_PATH_MAX + 3, "%s%s%s", store->client.address.prefix, path,
        path[0] ? "/" : "");
}

#define DEPOSIT_FOUND ERROR_REJECT /* ends a list: what was looked for is there */

static int deposit_find(void *context, const char *name, struct error *error)
{
    bool *found = context;

    (void)name;
    *found = true;
    return error_set(error, DEPOSIT_FOUND, "found");
}

static int deposit_any(struct store *store, const char *path, bool *ret_any, struct error *error)
{
    char prefix[S3_PREFIX_MAX + STORE_PATH_MAX + 3];
    bool found = false;

    deposit_prefix(store, path, prefix);
    if (s3_list_below(store, prefix, deposit_find, &found, error) && !found)
        return -1;
    *ret_any = found;
    return 0;
}

static int deposit_read(struct store *store, const char *path, const char *name, uint64_t from, void *data,
    size_t length, size_t *ret_read, struct error *error)
{
    cleanup_bytes struct bytes key;

    bytes_init(&key, S3_KEY_TEXT);
    if (s3_key(store, path, name, &key, error))
        return -1;
    struct s3_call call = {.method = "GET",
        .key = key.data,
        .query = "",
        .from = from,
        .most = length,
        .answer_most = length + 4096};
    int result = s3_client_run(&store->client, &call, 1, error);
    if (!result && call.failed && call.failure.status == 416) {
        *ret_read = 0;
    } else if (!result && call.failed) {
        result = s3_client_tell(&store->client, &call, error);
        if (call.failure.status == 404 && strcmp(call.failure.code, "NoSuchBucket") != 0)
            error->kind = ERROR_REJECT;
    } else if (!result && call.answer.length > length) {
        result = error_set(error, ERROR_RETRY, "lake %s: %.200s: more came than was asked for (Range)",
            store->root, key.data);
    } else if (!result) {
        if (call.answer.length)
            memcpy(data, call.answer.data, call.answer.length);
        *ret_read = call.answer.length;
    }
    s3_calls_free(&call, 1);
    return result;
}

/* ---- deleting ---------------------------------------------------------------------------------------------- */

struct deposit_names {
    char *names[S3_CALLS_MOST];
    size_t count;
};

/* As many as are deleted at once: then the list is asked for again. */
static int deposit_gather(void *context, const char *name, struct error *error)
{
    struct deposit_names *names = context;

    names->names[names->count] = strdup(name);
    if (!names->names[names->count++])
        return error_set(error, ERROR_RETRY, "lake: out of memory"); /* GCOVR_EXCL_LINE out of memory */
    return names->count < S3_CALLS_MOST ? 0 : error_set(error, DEPOSIT_FOUND, "enough");
}

static int deposit_delete(
    struct store *store, const char *path, const struct deposit_names *names, struct error *error)
{
    struct s3_call calls[S3_CALLS_MOST] = {0};
    struct bytes keys[S3_CALLS_MOST];
    int result = 0;

    for (size_t i = 0; i < names->count; i++) {
        bytes_init(&keys[i], S3_KEY_TEXT);
        if (!result)
            result = s3_key(store, path, names->names[i], &keys[i], error);
        calls[i] = (struct s3_call){.method = "DELETE", .key = keys[i].data, .query = ""};
    }
    if (!result && names->count)
        result = s3_client_ask(&store->client, calls, names->count, error);
    s3_calls_free(calls, names->count);
    for (size_t i = 0; i < names->count; i++)
        bytes_free(&keys[i]);
    return result;
}

static int deposit_clear(struct store *store, const char *path, struct error *error)
{
    char prefix[S3_PREFIX_MAX + STORE_PATH_MAX + 3];
    bool more = true;
    int result = s3_owner_check(store, error);

    deposit_prefix(store, path, prefix);
    while (more && !result) {
        struct deposit_names names = {.count = 0};
        const int listed = s3_list_below(store, prefix, deposit_gather, &names, error);
        more = names.count == S3_CALLS_MOST;
        result = listed && !more ? -1 : deposit_delete(store, path, &names, error);
        for (size_t i = 0; i < names.count; i++)
            free(names.names[i]);
    }
    return result;
}

const struct store_deposit s3_deposit = {
    .any = deposit_any, .read = deposit_read, .clear = deposit_clear, .leave = s3_owner_leave};
