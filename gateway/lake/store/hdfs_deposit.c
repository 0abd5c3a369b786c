/* hdfs_deposit: see store.h; what imports need of an HDFS besides publishing and lists. A stage lies where temporary files do, and its name is the open's: whoever
 * opens the store next deletes it, and a late rename finds nothing (hdfs.c). */
#include <stdio.h>
#include <string.h>

#include "lake/store/hdfs_internal.h"

static int deposit_ask(
    struct store *store, struct hdfs_request *request, const char *path, const char *op, struct error *error)
{
    char below[HDFS_PATH_SIZE];

    snprintf(below, sizeof below, "%s%s", path[0] && path[0] != '/' ? "/" : "", path);
    return hdfs_request_target(request, store, below, op, error) || hdfs_ask(store, request, 1, error) ? -1
                                                                                                       : 0;
}

/* ---- looking ---------------------------------------------------------------------------------------------- */

static int deposit_count(void *context, const char *name, bool is_file, struct error *error)
{
    size_t *count = context;

    (void)name;
    (void)is_file;
    (void)error;
    ++*count;
    return 0;
}

static int deposit_any(struct store *store, const char *path, bool *ret_any, struct error *error)
{
    char below[HDFS_PATH_SIZE];
    size_t count = 0;

    snprintf(below, sizeof below, "%s%s", path[0] ? "/" : "", path);
    if (hdfs_read_directory(store, below, deposit_count, &count, error))
        return -1;
    *ret_any = count > 0;
    return 0;
}

/* Its length first: what is asked for behind the end is no answer, but an IOException. */
static int deposit_length(struct store *store, const char *path, uint64_t *ret_length, struct error *error)
{
    cleanup_request struct hdfs_request *request = hdfs_make_request("GET", HDFS_ANSWER_MAX, error);

    if (!request)
        return -1;
    request->harmless = "FileNotFoundException";
    if (deposit_ask(store, request, path, "GETFILESTATUS", error))
        return -1;
    if (request->exception.name[0])
        return error_set(error, ERROR_REJECT, "lake %s: %s is not there", store->options.root, path);
    return hdfs_answer_length(bytes_slice(&request->answer), ret_length)
               ? error_set(error, ERROR_REJECT, "lake %s: %s is no file", store->options.root, path)
               : 0;
}

static int deposit_read(struct store *store, const char *path, const char *name, uint64_t from, void *data,
    size_t length, size_t *ret_read, struct error *error)
{
    cleanup_request struct hdfs_request *request = hdfs_make_request("GET", length + 4096, error);
    char file[HDFS_PATH_SIZE];
    char op[96];
    uint64_t whole;

    snprintf(file, sizeof file, "%s%s%s", path, path[0] ? "/" : "", name);
    if (!request || deposit_length(store, file, &whole, error))
        return -1;
    const uint64_t left = whole > from ? whole - from : 0;
    const size_t wanted = left < length ? (size_t)left : length;
    *ret_read = 0;
    if (wanted == 0)
        return 0;
    request->reads = true;
    snprintf(op, sizeof op, "OPEN&offset=%llu&length=%zu", (unsigned long long)from, wanted);
    if (deposit_ask(store, request, file, op, error))
        return -1;
    if (request->answer.length != wanted)
        return error_set(error, ERROR_RETRY, "lake %s: %s: %zu bytes came instead of %zu",
            store->options.root, file, request->answer.length, wanted);
    memcpy(data, request->answer.data, wanted);
    *ret_read = wanted;
    return 0;
}

/* ---- appearing -------------------------------------------------------------------------------------------- */

static int deposit_clear(struct store *store, const char *path, struct error *error)
{
    cleanup_request struct hdfs_request *request = hdfs_make_request("DELETE", HDFS_ANSWER_MAX, error);

    return !request || hdfs_check_owner(store, error) ||
                   deposit_ask(store, request, path, "DELETE&recursive=true", error)
               ? -1
               : 0;
}

static void deposit_stage(const struct store *store, char *ret_path)
{
    snprintf(
        ret_path, STORE_STAGE_SIZE, STORE_HIDDEN "/%s/files/%s.set", store->options.gateway_id, store->id);
}

/* DELETE takes an empty directory only, and is answered with false where there is none. */
static int deposit_make_way(struct store *store, const char *path, struct error *error)
{
    cleanup_request struct hdfs_request *request = hdfs_make_request("DELETE", HDFS_ANSWER_MAX, error);

    if (!request)
        return -1;
    request->harmless = "PathIsNotEmptyDirectoryException";
    if (deposit_ask(store, request, path, "DELETE&recursive=false", error))
        return -1;
    return request->exception.name[0]
               ? error_set(error, ERROR_REJECT, "lake %s: %s: it is not empty", store->options.root, path)
               : 0;
}

/* Its parent, that rename() does not make. */
static int deposit_make_parent(struct store *store, const char *path, struct error *error)
{
    cleanup_request struct hdfs_request *request = hdfs_make_request("PUT", HDFS_ANSWER_MAX, error);
    const char *slash = strrchr(path, '/');
    char parent[HDFS_PATH_SIZE];

    if (!slash)
        return 0;
    snprintf(parent, sizeof parent, "%.*s", (int)(slash - path), path);
    return !request || deposit_ask(store, request, parent, "MKDIRS", error) ? -1 : 0;
}

static int deposit_appear(struct store *store, const char *stage, const char *path, struct error *error)
{
    cleanup_request struct hdfs_request *request = hdfs_make_request("PUT", HDFS_ANSWER_MAX, error);
    char from[HDFS_PATH_SIZE];

    if (!request || deposit_make_parent(store, path, error) || deposit_make_way(store, path, error) ||
        hdfs_check_owner(store, error))
        return -1;
    snprintf(from, sizeof from, "/%s", stage);
    request->once = true;
    if (hdfs_request_target(request, store, from, "RENAME&renameoptions=NONE&destination=", error) ||
        hdfs_url_add_path(&request->target, store->url.root, error) ||
        bytes_add_text(&request->target, "/", error) || hdfs_url_add_path(&request->target, path, error))
        return -1;
    if (hdfs_ask(store, request, 1, error)) {
        if (strcmp(request->exception.name, "FileAlreadyExistsException") == 0)
            error->kind = ERROR_REJECT;
        return -1;
    }
    return hdfs_answer_is_true(bytes_slice(&request->answer))
               ? 0
               : error_set(error, ERROR_RETRY,
                     "lake %s: RENAME to %s: the name is taken, or its directory is gone",
                     store->options.root, path);
}

/* The directory of all ids goes, too, when it is empty then. */
static void deposit_leave(struct store *store)
{
    static const char *const ops[] = {"DELETE&recursive=true", "DELETE&recursive=false"};
    char path[HDFS_HIDDEN_SIZE];
    struct error ignored;

    for (int i = 0; i < 2; i++) {
        cleanup_request struct hdfs_request *request = hdfs_make_request("DELETE", HDFS_ANSWER_MAX, &ignored);
        if (!request)
            return;
        request->harmless = "PathIsNotEmptyDirectoryException";
        snprintf(path, sizeof path, STORE_HIDDEN "%s%s", i ? "" : "/", i ? "" : store->options.gateway_id);
        if (deposit_ask(store, request, path, ops[i], &ignored))
            return;
    }
}

const struct store_deposit hdfs_deposit = {.any = deposit_any,
    .read = deposit_read,
    .clear = deposit_clear,
    .stage = deposit_stage,
    .appear = deposit_appear,
    .leave = deposit_leave};
