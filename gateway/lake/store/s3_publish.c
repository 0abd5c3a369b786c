/* s3_publish: see s3.h and s3.c; several files at once: create, note, check, upload, complete */
#include <stdio.h>
#include <stdlib.h>

#include "base/config.h"
#include "base/log.h"
#include "lake/store/percent.h"
#include "lake/store/s3.h"
#include "lake/store/s3_part.h"
#include "lake/store/s3_xml.h"

#define PUBLISH_LIST_MOST ((size_t)4 << 20) /* of an upload's parts with their ETags */

struct upload {
    const struct store_file *file;
    struct bytes key; /* terminated, as the next */
    struct bytes query; /* uploadId=... */
    struct bytes list; /* the body of its completion */
    uint64_t part_size;
    unsigned parts, sent; /* sent: of those that are done */
};

struct publication {
    struct store *store;
    struct upload uploads[STORE_PUBLISH_MOST];
    size_t count;
    struct s3_call calls[S3_CALLS_MOST];
};

/* ---- create ------------------------------------------------------------------------------------------------ */

static int upload_begin(const struct store *store, struct upload *upload,
    const struct store_publication *file, struct error *error)
{
    const uint64_t length = file->file->length;

    upload->file = file->file;
    upload->part_size = s3_part_size(length, store->client.config->s3.part_size);
    upload->parts = length ? (unsigned)((length + upload->part_size - 1) / upload->part_size) : 1;
    return s3_key(store, file->path, file->name, &upload->key, error) ||
                   bytes_add_text(&upload->list, "<CompleteMultipartUpload>", error)
               ? -1
               : 0;
}

static int upload_take_id(void *context, const char *path, struct slice text, struct error *error)
{
    struct upload *upload = context;

    if (strcmp(path, "InitiateMultipartUploadResult/UploadId") != 0 || text.length == 0)
        return 0;
    if (text.length > S3_UPLOAD_MAX || upload->query.length)
        return error_set(error, ERROR_RETRY, "its id of an upload is none");
    return bytes_add_text(&upload->query, "uploadId=", error) ||
                   percent_encode(text, false, &upload->query, error)
               ? -1
               : 0;
}

/* What s3_uploads_note() wants to know. */
static int upload_add_line(const struct upload *upload, struct bytes *lines, struct error *error)
{
    return bytes_print(lines, error, "%s %s\n", upload->key.data, upload->query.data + strlen("uploadId="));
}

static int publish_take_ids(struct publication *publication, struct bytes *lines, struct error *error)
{
    for (size_t i = 0; i < publication->count; i++) {
        struct upload *upload = &publication->uploads[i];
        if (s3_xml_read(bytes_slice(&publication->calls[i].answer), upload_take_id, upload, error))
            return error_wrap(error, "lake %s: CreateMultipartUpload", publication->store->root);
        if (!upload->query.length)
            return error_set(error, ERROR_RETRY, "lake %s: CreateMultipartUpload: its answer has no UploadId",
                publication->store->root);
        if (bytes_add(&upload->query, "", 1, error) || upload_add_line(upload, lines, error))
            return -1;
    }
    return 0;
}

/* Made and noted; nothing of them is there yet. */
static int publish_create(struct publication *publication, struct error *error)
{
    cleanup_bytes struct bytes lines;
    struct store *store = publication->store;

    bytes_init(&lines, STORE_PUBLISH_MOST * ((size_t)S3_KEY_TEXT + 3 * S3_UPLOAD_MAX + 2));
    for (size_t i = 0; i < publication->count; i++)
        publication->calls[i] = (struct s3_call){.method = "POST",
            .key = publication->uploads[i].key.data,
            .query = "uploads=",
            .encrypted = true};
    int result = s3_client_ask(&store->client, publication->calls, publication->count, error) ||
                 publish_take_ids(publication, &lines, error) ||
                 s3_uploads_note(store, bytes_slice(&lines), error);
    s3_calls_free(publication->calls, publication->count);
    return result ? -1 : 0;
}

/* ---- parts ------------------------------------------------------------------------------------------------- */

/* A round of them, over all files. */
struct round {
    struct upload *uploads[S3_CALLS_MOST]; /* whose part is each call's */
    struct bytes queries[S3_CALLS_MOST];
    size_t count;
};

static int round_add(
    struct publication *publication, struct round *round, struct upload *upload, struct error *error)
{
    struct bytes *query = &round->queries[round->count];
    struct s3_call *call = &publication->calls[round->count];
    const uint64_t offset = upload->part_size * upload->sent;
    const uint64_t left = upload->file->length - offset;

    bytes_init(query, 3 * S3_UPLOAD_MAX + 64);
    round->uploads[round->count++] = upload;
    upload->sent++;
    *call = (struct s3_call){.method = "PUT",
        .key = upload->key.data,
        .from_file = true,
        .fd = upload->file->fd,
        .offset = offset,
        .length = left < upload->part_size ? left : upload->part_size};
    if (bytes_print(query, error, "partNumber=%u&%s", upload->sent, upload->query.data) ||
        bytes_add(query, "", 1, error))
        return -1;
    call->query = query->data;
    return s3_part_hash(call, publication->store->client.address.tls, error);
}

static int round_take(struct publication *publication, const struct round *round, struct error *error)
{
    unsigned number[STORE_PUBLISH_MOST] = {0}; /* of each upload's next part in this round */

    for (size_t i = 0; i < round->count; i++)
        number[round->uploads[i] - publication->uploads]++;
    for (size_t i = 0; i < round->count; i++) {
        struct upload *upload = round->uploads[i];
        const struct s3_call *call = &publication->calls[i];
        const unsigned part = upload->sent - --number[upload - publication->uploads];
        if (!call->etag[0] || !s3_part_is_kept(call))
            return error_set(error, ERROR_RETRY,
                "lake %s: %.200s: the store does not hold what was sent (ETag %s)", publication->store->root,
                upload->key.data, call->etag);
        if (bytes_print(&upload->list, error, "<Part><PartNumber>%u</PartNumber><ETag>", part) ||
            s3_xml_escape(slice_of(call->etag), &upload->list, error) ||
            bytes_add_text(&upload->list, "</ETag></Part>", error))
            return -1;
    }
    return 0;
}

/* Some parts of each file in turn, until all are sent. */
static int publish_parts(struct publication *publication, struct error *error)
{
    int result = 0;

    for (size_t next = 0; next < publication->count && !result;) {
        struct round round = {.count = 0};
        while (next < publication->count && round.count < S3_CALLS_MOST && !result) {
            struct upload *upload = &publication->uploads[next];
            result = round_add(publication, &round, upload, error);
            next += upload->sent == upload->parts;
        }
        if (!result)
            result = s3_client_ask(&publication->store->client, publication->calls, round.count, error) ||
                             round_take(publication, &round, error)
                         ? -1
                         : 0;
        s3_calls_free(publication->calls, round.count);
        for (size_t i = 0; i < round.count; i++)
            bytes_free(&round.queries[i]);
    }
    return result;
}

/* ---- complete ---------------------------------------------------------------------------------------------- */

static int complete_each(void *context, const char *path, struct slice text, struct error *error)
{
    bool *completed = context;

    (void)text;
    (void)error;
    *completed |= strcmp(path, "CompleteMultipartUploadResult") == 0;
    return 0;
}

/* The header If-None-Match is what it does not like. */
static bool complete_is_refused(const struct store *store, const struct s3_call *call)
{
    if (store->unconditional || !call->failed)
        return false;
    return call->failure.status == 501 ||
           (call->failure.status == 400 && (strcmp(call->failure.code, "NotImplemented") == 0 ||
                                               strcmp(call->failure.code, "InvalidArgument") == 0 ||
                                               strcmp(call->failure.code, "InvalidRequest") == 0));
}

static int complete_check(const struct store *store, const struct s3_call *call, struct error *error)
{
    bool completed = false;

    if (call->failed && (call->failure.status == 412 || call->failure.status == 409))
        return error_set(error, ERROR_RETRY, "lake s3://%s: %.200s: a file of this name is already there",
            store->client.address.bucket, call->key);
    if (call->failed)
        return s3_client_tell(&store->client, call, error);
    if (s3_xml_read(bytes_slice(&call->answer), complete_each, &completed, error) == 0 && !completed)
        error_set(error, ERROR_RETRY, "its answer does not say that it is done");
    return completed ? 0
                     : error_wrap(error, "lake s3://%s: CompleteMultipartUpload of %.200s",
                           store->client.address.bucket, call->key);
}

static int complete_some(
    struct publication *publication, struct upload *const *uploads, size_t count, struct error *error)
{
    for (size_t i = 0; i < count; i++)
        publication->calls[i] = (struct s3_call){.method = "POST",
            .key = uploads[i]->key.data,
            .query = uploads[i]->query.data,
            .body = bytes_slice(&uploads[i]->list),
            .if_none = !publication->store->unconditional,
            .once = true};
    return s3_client_run(&publication->store->client, publication->calls, count, error);
}

static int publish_complete(struct publication *publication, struct error *error)
{
    struct store *store = publication->store;
    struct upload *uploads[STORE_PUBLISH_MOST];
    size_t count = 0;

    for (size_t i = 0; i < publication->count; i++) {
        uploads[i] = &publication->uploads[i];
        if (bytes_add_text(&uploads[i]->list, "</CompleteMultipartUpload>", error))
            return -1;
    }
    int result = complete_some(publication, uploads, publication->count, error);
    for (size_t i = 0; i < publication->count && !result; i++)
        if (complete_is_refused(store, &publication->calls[i]))
            uploads[count++] = uploads[i];
        else
            result = complete_check(store, &publication->calls[i], error);
    s3_calls_free(publication->calls, publication->count);
    if (result || count == 0)
        return result;
    store->unconditional = true;
    log_event(LOG_WARN, "lake.s3_unconditional", log_text("root", store->root),
        log_text("reason",
            "the store does not know If-None-Match: what keeps a name from being written twice is the list alone"));
    result = complete_some(publication, uploads, count, error);
    for (size_t i = 0; i < count && !result; i++)
        result = complete_check(store, &publication->calls[i], error);
    s3_calls_free(publication->calls, count);
    return result;
}

/* ---- all of it --------------------------------------------------------------------------------------------- */

static int publish_all(
    struct publication *publication, const struct store_publication *files, struct error *error)
{
    for (size_t i = 0; i < publication->count; i++)
        if (upload_begin(publication->store, &publication->uploads[i], &files[i], error))
            return -1;
    if (publish_create(publication, error) || s3_owner_check(publication->store, error) ||
        publish_parts(publication, error) || publish_complete(publication, error))
        return -1;
    return s3_uploads_forget(publication->store, error);
}

int s3_publish(struct store *store, struct store_publication *files, size_t count, struct error *error)
{
    struct publication *publication = calloc(1, sizeof *publication);
    int result = publication ? 0 : error_set(error, ERROR_RETRY, "lake %s: out of memory", store->root);

    if (publication) {
        publication->store = store;
        publication->count = count;
        for (size_t i = 0; i < count; i++) {
            bytes_init(&publication->uploads[i].key, S3_KEY_TEXT);
            bytes_init(&publication->uploads[i].query, 3 * S3_UPLOAD_MAX + 16);
            bytes_init(&publication->uploads[i].list, PUBLISH_LIST_MOST);
        }
        result = publish_all(publication, files, error);
        for (size_t i = 0; i < count; i++) {
            bytes_free(&publication->uploads[i].key);
            bytes_free(&publication->uploads[i].query);
            bytes_free(&publication->uploads[i].list);
        }
        free(publication);
    }
    for (size_t i = 0; i < count; i++)
        spool_abort(&files[i].file);
    return result;
}
