/* s3_list: see s3.h; the names under a path, page by page */
#include <stdio.h>

#include "lake/store/s3.h"
#include "lake/store/s3_xml.h"

#define LIST_ANSWER_MOST ((size_t)8 << 20)
#define LIST_TOKEN_MAX 4096

struct list_page {
    store_each_fn *each;
    void *context;
    size_t
        below; /* bytes in front of the names of all objects below; 0: of those of one directory, without it */
    char token[LIST_TOKEN_MAX + 1];
    bool more, whole;
};

static int list_name(struct list_page *page, struct slice key, struct error *error)
{
    if (page->below)
        return key.length > page->below ? page->each(page->context, key.data + page->below, error) : 0;
    const char *slash = memrchr(key.data, '/', key.length);
    const char *name = slash ? slash + 1 : key.data; /* what is read is terminated */

    return *name ? page->each(page->context, name, error)
                 : 0; /* none: an object that stands for a directory */
}

static int list_each(void *context, const char *path, struct slice text, struct error *error)
{
    struct list_page *page = context;

    if (strcmp(path, "ListBucketResult/Contents/Key") == 0)
        return list_name(page, text, error);
    if (strcmp(path, "ListBucketResult/IsTruncated") == 0)
        page->more = slice_is(text, "true");
    else if (strcmp(path, "ListBucketResult/NextContinuationToken") == 0)
        snprintf(page->token, sizeof page->token, "%.*s",
            text.length < sizeof page->token ? (int)text.length : 0, text.data);
    else if (strcmp(path, "ListBucketResult") == 0)
        page->whole = true;
    return 0;
}

static int list_query(
    const struct list_page *page, const char *prefix, struct bytes *query, struct error *error)
{
    if ((page->token[0] && s3_query_add(query, "continuation-token", page->token, error)) ||
        (!page->below && s3_query_add(query, "delimiter", "/", error)) ||
        s3_query_add(query, "list-type", "2", error) ||
        (prefix[0] && s3_query_add(query, "prefix", prefix, error)))
        return -1;
    return bytes_add(query, "", 1, error);
}

static int list_ask(struct store *store, struct list_page *page, const char *prefix, struct error *error)
{
    cleanup_bytes struct bytes query;

    bytes_init(&query, 4 * (S3_KEY_TEXT + LIST_TOKEN_MAX));
    if (list_query(page, prefix, &query, error))
        return -1;
    struct s3_call call = {.method = "GET", .key = "", .query = query.data, .answer_most = LIST_ANSWER_MOST};
    int result = s3_client_ask(&store->client, &call, 1, error);
    page->more = page->whole = false;
    page->token[0] = '\0';
    if (result == 0)
        result = s3_xml_read(bytes_slice(&call.answer), list_each, page, error);
    if (result == 0 && (!page->whole || (page->more && !page->token[0])))
        result = error_set(error, ERROR_RETRY, "its list is not one of S3's (version 2)");
    s3_calls_free(&call, 1);
    return result;
}

static int list_pages(struct store *store, struct list_page *page, const char *prefix, struct error *error)
{
    do {
        if (list_ask(store, page, prefix, error))
            return error->kind == ERROR_REJECT
                       ? -1
                       : error_wrap(error, "lake %s: list of %.100s", store->root, prefix);
    } while (page->more);
    return 0;
}

int s3_list(struct store *store, const char *path, store_each_fn *each, void *context, struct error *error)
{
    struct list_page page = {.each = each, .context = context};
    char prefix[S3_PREFIX_MAX + STORE_PATH_MAX + 3];

    snprintf(prefix, sizeof prefix, "%s%s%s", store->client.address.prefix, path, path[0] ? "/" : "");
    return list_pages(store, &page, prefix, error);
}

int s3_list_below(
    struct store *store, const char *prefix, store_each_fn *each, void *context, struct error *error)
{
    struct list_page page = {.each = each, .context = context, .below = strlen(prefix)};

    return list_pages(store, &page, prefix, error);
}
