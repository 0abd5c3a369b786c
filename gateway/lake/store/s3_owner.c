/* s3_owner: see s3.h and s3.c; the object that says who writes under a gateway id */
#include <stdio.h>
#include <sys/random.h>

#include "lake/store/s3.h"

static int owner_key(const struct store *store, struct bytes *key, struct error *error)
{
    char path[sizeof STORE_HIDDEN + 1 + FILE_NAME_SIZE];

    snprintf(path, sizeof path, "%s/%s", STORE_HIDDEN, store->gateway_id);
    return s3_key(store, path, "owner", key, error);
}

int s3_owner_take(struct store *store, struct error *error)
{
    unsigned char number[(S3_OWNER_SIZE - 1) / 2];
    cleanup_bytes struct bytes key;

    if (getrandom(number, sizeof number, 0) != sizeof number)
        return error_set_errno(error, ERROR_RETRY, "getrandom"); /* GCOVR_EXCL_LINE: no kernel does that */
    s3_hex(number, sizeof number, store->owner);
    bytes_init(&key, S3_KEY_TEXT);
    if (owner_key(store, &key, error))
        return -1;
    struct s3_call call = {
        .method = "PUT", .key = key.data, .query = "", .body = slice_of(store->owner), .encrypted = true};
    const int result = s3_client_ask(&store->client, &call, 1, error);
    s3_calls_free(&call, 1);
    return result;
}

int s3_owner_check(struct store *store, struct error *error)
{
    cleanup_bytes struct bytes key;

    bytes_init(&key, S3_KEY_TEXT);
    if (owner_key(store, &key, error))
        return -1;
    struct s3_call call = {.method = "GET", .key = key.data, .query = ""};
    int result = s3_client_ask(&store->client, &call, 1, error);
    if (result == 0 && !slice_is(bytes_slice(&call.answer), store->owner))
        result = error_set(error, ERROR_RETRY,
            "lake %s: another process with gateway id %s writes to it; give each gateway its own gateway.id",
            store->root, store->gateway_id);
    s3_calls_free(&call, 1);
    return result;
}

void s3_owner_leave(struct store *store)
{
    cleanup_bytes struct bytes key;
    struct error ignored;

    bytes_init(&key, S3_KEY_TEXT);
    if (owner_key(store, &key, &ignored))
        return;
    struct s3_call call = {.method = "DELETE", .key = key.data, .query = ""};
    s3_client_run(&store->client, &call, 1, &ignored);
    s3_calls_free(&call, 1);
}
