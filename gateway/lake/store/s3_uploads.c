/* s3_uploads: see s3.h and s3.c; the uploads that were begun, so that none can be completed by whoever is not there any more */
#include <errno.h>
#include <stdio.h>

#include "base/file.h"
#include "lake/store/percent.h"
#include "lake/store/s3.h"
#include "lake/store/s3_xml.h"

#define UPLOADS_LOG_MOST ((size_t)4 << 20)
#define UPLOADS_ANSWER_MOST ((size_t)8 << 20)
#define UPLOADS_PAGES_MOST 1000

int s3_query_add(struct bytes *query, const char *name, const char *value, struct error *error)
{
    return bytes_print(query, error, "%s%s=", query->length ? "&" : "", name) ||
                   percent_encode(slice_of(value), false, query, error)
               ? -1
               : 0;
}

int s3_uploads_note(struct store *store, struct slice lines, struct error *error)
{
    if (file_write_at(store->log, lines.data, lines.length, store->log_end) || fdatasync(store->log))
        return error_set_errno(error, ERROR_RETRY, "lake's spool: %s: write", S3_LOG_NAME);
    store->log_end += lines.length;
    return 0;
}

/* It may come back after a power cut: what it names is at an end, and stays so. */
int s3_uploads_forget(struct store *store, struct error *error)
{
    if (ftruncate(store->log, 0))
        return error_set_errno(error, ERROR_RETRY, "lake's spool: %s: ftruncate", S3_LOG_NAME);
    store->log_end = 0;
    return 0;
}

/* ---- aborting ---------------------------------------------------------------------------------------------- */

/* A line's two words, which are ended in place. False: it is none, as the last one of a write that was cut off. */
static bool uploads_split(char *line, char **ret_id)
{
    char *blank = strchr(line, ' ');

    if (!blank || blank == line || !blank[1] || strchr(blank + 1, ' '))
        return false;
    *blank = '\0';
    *ret_id = blank + 1;
    return true;
}

static int uploads_abort_some(
    struct store *store, char *const *keys, char *const *ids, size_t count, struct error *error)
{
    struct s3_call calls[S3_CALLS_MOST] = {0};
    struct bytes queries[S3_CALLS_MOST];
    int result = 0;

    for (size_t i = 0; i < count; i++) {
        bytes_init(&queries[i], 3 * S3_UPLOAD_MAX + 16);
        if (!result)
            result =
                bytes_print(&queries[i], error, "uploadId=%s", ids[i]) || bytes_add(&queries[i], "", 1, error)
                    ? -1
                    : 0;
        calls[i] = (struct s3_call){.method = "DELETE", .key = keys[i], .query = queries[i].data};
    }
    if (!result)
        result = s3_client_run(&store->client, calls, count, error);
    for (size_t i = 0; i < count && !result; i++)
        if (calls[i].failed && strcmp(calls[i].failure.code, "NoSuchUpload") != 0)
            result = s3_client_tell(&store->client, &calls[i], error);
    s3_calls_free(calls, count);
    for (size_t i = 0; i < count; i++)
        bytes_free(&queries[i]);
    return result;
}

/* All that the lines name; those that are gone already are completed or aborted. */
static int uploads_abort_lines(struct store *store, struct bytes *lines, struct error *error)
{
    char *keys[S3_CALLS_MOST];
    char *ids[S3_CALLS_MOST];
    size_t count = 0;
    char *end;

    for (char *line = lines->data, *last = line + lines->length;
         line < last && (end = memchr(line, '\n', (size_t)(last - line))); line = end + 1) {
        *end = '\0';
        if (!uploads_split(line, &ids[count]))
            continue;
        keys[count++] = line;
        if (count == S3_CALLS_MOST) {
            if (uploads_abort_some(store, keys, ids, count, error))
                return -1;
            count = 0;
        }
    }
    return count ? uploads_abort_some(store, keys, ids, count, error) : 0;
}

static int uploads_abort_noted(struct store *store, struct error *error)
{
    cleanup_bytes struct bytes lines;

    bytes_init(&lines, UPLOADS_LOG_MOST);
    if (bytes_reserve(&lines, UPLOADS_LOG_MOST, error))
        return -1;
    const ssize_t length = file_read_at(store->log, lines.data, UPLOADS_LOG_MOST, 0);
    if (length < 0)
        return error_set_errno(error, ERROR_RETRY, "lake's spool: %s: read", S3_LOG_NAME);
    lines.length = (size_t)length;
    return uploads_abort_lines(store, &lines, error);
}

/* ---- those that the server lists --------------------------------------------------------------------------- */

struct uploads_page {
    const struct store *store;
    struct bytes lines;
    char key[S3_KEY_MAX + 1]; /* of the upload that is being read */
    char id[S3_UPLOAD_MAX + 1];
    char next_key[S3_KEY_MAX + 1], next_id[S3_UPLOAD_MAX + 1];
    bool more;
};

static void uploads_copy(struct slice text, char *out, size_t size)
{
    snprintf(out, size, "%.*s", text.length < size ? (int)text.length : 0, text.data);
}

/* Whether this gateway begins files of such a name. */
static bool uploads_is_own(const struct store *store, const char *key)
{
    const char *slash = strrchr(key, '/');
    struct file_name name;

    return file_name_parse(slice_of(slash ? slash + 1 : key), &name) == 0 &&
           slice_is(name.gateway_id, store->gateway_id);
}

static int uploads_each(void *context, const char *path, struct slice text, struct error *error)
{
    struct uploads_page *page = context;
    struct bytes *lines = &page->lines;

    if (strcmp(path, "ListMultipartUploadsResult/Upload/Key") == 0)
        uploads_copy(text, page->key, sizeof page->key);
    else if (strcmp(path, "ListMultipartUploadsResult/Upload/UploadId") == 0)
        uploads_copy(text, page->id, sizeof page->id);
    else if (strcmp(path, "ListMultipartUploadsResult/IsTruncated") == 0)
        page->more = slice_is(text, "true");
    else if (strcmp(path, "ListMultipartUploadsResult/NextKeyMarker") == 0)
        uploads_copy(text, page->next_key, sizeof page->next_key);
    else if (strcmp(path, "ListMultipartUploadsResult/NextUploadIdMarker") == 0)
        uploads_copy(text, page->next_id, sizeof page->next_id);
    if (strcmp(path, "ListMultipartUploadsResult/Upload") != 0 || !page->id[0] ||
        !uploads_is_own(page->store, page->key))
        return 0;
    if (percent_encode(slice_of(page->key), true, lines, error) || bytes_add(lines, " ", 1, error) ||
        percent_encode(slice_of(page->id), false, lines, error) || bytes_add(lines, "\n", 1, error))
        return -1;
    return 0;
}

static int uploads_query(const struct uploads_page *page, struct bytes *query, struct error *error)
{
    if ((page->next_key[0] && s3_query_add(query, "key-marker", page->next_key, error)) ||
        (page->store->client.address.prefix[0] &&
            s3_query_add(query, "prefix", page->store->client.address.prefix, error)) ||
        (page->next_id[0] && s3_query_add(query, "upload-id-marker", page->next_id, error)) ||
        s3_query_add(query, "uploads", "", error))
        return -1;
    return bytes_add(query, "", 1, error);
}

/* 1: there is none, for the server does not say. */
static int uploads_list_page(struct store *store, struct uploads_page *page, struct error *error)
{
    cleanup_bytes struct bytes query;

    bytes_init(&query, 8 * (S3_KEY_MAX + S3_UPLOAD_MAX));
    if (uploads_query(page, &query, error))
        return -1;
    struct s3_call call = {
        .method = "GET", .key = "", .query = query.data, .answer_most = UPLOADS_ANSWER_MOST};
    int result = s3_client_run(&store->client, &call, 1, error);
    if (result == 0 && call.failed)
        result = 1;
    page->more = false;
    bytes_clear(&page->lines);
    if (result == 0)
        result = s3_xml_read(bytes_slice(&call.answer), uploads_each, page, error);
    s3_calls_free(&call, 1);
    return result;
}

/* Such as a run on another copy of our data has begun. As far as it goes: some servers list nothing but the uploads of one whole key, and some
 * keys are not allowed to list; what counts is in our own notes. */
static int uploads_abort_listed(struct store *store, struct error *error)
{
    struct uploads_page page = {.store = store};
    int result;

    bytes_init(&page.lines, UPLOADS_LOG_MOST);
    for (int pages = 0; pages < UPLOADS_PAGES_MOST; pages++) {
        result = uploads_list_page(store, &page, error);
        if (result == 0)
            result = uploads_abort_lines(store, &page.lines, error);
        if (result || !page.more || !page.next_key[0])
            break;
    }
    bytes_free(&page.lines);
    return result < 0 ? -1 : 0;
}

int s3_uploads_abort(struct store *store, struct error *error)
{
    if (uploads_abort_noted(store, error) || uploads_abort_listed(store, error))
        return -1;
    return s3_uploads_forget(store, error);
}
