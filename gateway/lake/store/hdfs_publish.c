/* hdfs_publish: files of the spool become files of HDFS, see hdfs.c. One phase behind the other, each of them for all files at once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fnv.h"
#include "lake/store/hdfs_internal.h"

struct hdfs_requests {
    struct hdfs_request *all;
    size_t count;
};

static void hdfs_free_requests(struct hdfs_requests *requests)
{
    for (size_t i = 0; i < requests->count; i++)
        hdfs_request_free(&requests->all[i]);
    free(requests->all);
    *requests = (struct hdfs_requests){0};
}

#define cleanup_requests __attribute__((cleanup(hdfs_free_requests)))

static int hdfs_make_requests(
    struct hdfs_requests *requests, const char *method, size_t count, struct error *error)
{
    hdfs_free_requests(requests);
    requests->all = calloc(count, sizeof *requests->all);
    if (!requests->all)
        return error_set(error, ERROR_RETRY, "lake: out of memory"); /* GCOVR_EXCL_LINE out of memory */
    for (; requests->count < count; requests->count++)
        hdfs_request_init(&requests->all[requests->count], method, HDFS_ANSWER_MAX);
    return 0;
}

/* "" for the root, else with a slash before it. */
static void hdfs_directory(const char *path, char ret_path[static HDFS_PATH_SIZE])
{
    snprintf(ret_path, HDFS_PATH_SIZE, "%s%s", path[0] ? "/" : "", path);
}

static char **hdfs_known(struct store *store, const char *path)
{
    const uint64_t hash = fnv_add(FNV_EMPTY, path, strlen(path));

    return &store->known[(hash ^ hash >> 32) % HDFS_KNOWN];
}

/* ---- phases ----------------------------------------------------------------------------------------------- */

static int hdfs_upload(struct store *store, const struct store_publication *files, size_t count,
    struct hdfs_requests *uploads, struct error *error)
{
    if (hdfs_make_requests(uploads, "PUT", count, error))
        return -1;
    for (size_t i = 0; i < count; i++)
        uploads->all[i].file = files[i].file;
    return hdfs_ask(store, uploads->all, count, error);
}

/* A data node closes what a broken connection has left, and it looks whole. */
static int hdfs_check_lengths(struct store *store, const struct hdfs_requests *uploads, struct error *error)
{
    cleanup_requests struct hdfs_requests requests = {0};

    if (hdfs_make_requests(&requests, "GET", uploads->count, error))
        return -1;
    for (size_t i = 0; i < uploads->count; i++)
        if (hdfs_request_target(&requests.all[i], store, uploads->all[i].temporary, "GETFILESTATUS", error))
            return -1;
    if (hdfs_ask(store, requests.all, requests.count, error))
        return -1;
    for (size_t i = 0; i < uploads->count; i++) {
        const struct hdfs_request *upload = &uploads->all[i];
        uint64_t length;
        if (hdfs_answer_length(bytes_slice(&requests.all[i].answer), &length))
            return error_set(error, ERROR_RETRY,
                "lake %s: GETFILESTATUS %s: the answer is no state of a file", store->options.root,
                upload->temporary);
        if (length != upload->file->length)
            return error_set(error, ERROR_RETRY,
                "lake %s: %s has %llu bytes there instead of %llu: it is written again", store->options.root,
                upload->temporary, (unsigned long long)length, (unsigned long long)upload->file->length);
    }
    return 0;
}

static int hdfs_make_directories(
    struct store *store, const struct store_publication *files, size_t count, struct error *error)
{
    cleanup_requests struct hdfs_requests requests = {0};
    size_t unknown = 0;
    char path[HDFS_PATH_SIZE];

    if (hdfs_make_requests(&requests, "PUT", count, error))
        return -1;
    for (size_t i = 0; i < count; i++) {
        const char *known = *hdfs_known(store, files[i].path);
        if (known && strcmp(known, files[i].path) == 0)
            continue;
        hdfs_directory(files[i].path, path);
        if (hdfs_request_target(&requests.all[unknown++], store, path, "MKDIRS", error))
            return -1;
    }
    if (unknown > 0 && hdfs_ask(store, requests.all, unknown, error))
        return -1;
    for (size_t i = 0; i < unknown; i++)
        if (!hdfs_answer_is_true(bytes_slice(&requests.all[i].answer)))
            return error_set(
                error, ERROR_RETRY, "lake %s: MKDIRS: a directory cannot be made", store->options.root);
    for (size_t i = 0; i < count; i++) {
        char **known = hdfs_known(store, files[i].path);
        free(*known);
        *known = strdup(files[i].path); /* without memory it is only made again */
    }
    return 0;
}

/* One that may have been done is not asked for again: whoever opens the store next lists what is there. */
static int hdfs_rename(struct store *store, const struct store_publication *files,
    const struct hdfs_requests *uploads, struct error *error)
{
    cleanup_requests struct hdfs_requests requests = {0};
    char path[HDFS_PATH_SIZE];

    if (hdfs_make_requests(&requests, "PUT", uploads->count, error))
        return -1;
    for (size_t i = 0; i < uploads->count; i++) {
        struct hdfs_request *request = &requests.all[i];
        request->once = true;
        hdfs_directory(files[i].path, path);
        if (hdfs_request_target(
                request, store, uploads->all[i].temporary, "RENAME&renameoptions=NONE&destination=", error) ||
            hdfs_url_add_path(&request->target, store->url.root, error) ||
            hdfs_url_add_path(&request->target, path, error) || bytes_print(&request->target, error, "/") ||
            hdfs_url_add_path(&request->target, files[i].name, error))
            return -1;
    }
    if (hdfs_ask(store, requests.all, requests.count, error))
        return -1;
    for (size_t i = 0; i < uploads->count; i++)
        if (!hdfs_answer_is_true(bytes_slice(&requests.all[i].answer)))
            return error_set(error, ERROR_RETRY,
                "lake %s: RENAME: %s%s%s is there already, or its directory is not", store->options.root,
                files[i].path, files[i].path[0] ? "/" : "", files[i].name);
    return 0;
}

int hdfs_publish(struct store *store, struct store_publication *files, size_t count, struct error *error)
{
    cleanup_requests struct hdfs_requests uploads = {0};

    const int result = hdfs_upload(store, files, count, &uploads, error) ||
                               hdfs_check_lengths(store, &uploads, error) ||
                               hdfs_make_directories(store, files, count, error) ||
                               hdfs_check_owner(store, error) || hdfs_rename(store, files, &uploads, error)
                           ? -1
                           : 0;
    for (size_t i = 0; i < count; i++)
        spool_abort(&files[i].file);
    return result;
}
