/* hdfs_answer: see hdfs_answer.h */
#include "lake/store/hdfs_answer.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static void hdfs_json_free(json_t **json)
{
    json_decref(*json);
}

#define cleanup_json __attribute__((cleanup(hdfs_json_free)))

static json_t *hdfs_json(struct slice body)
{
    return body.length ? json_loadb(body.data, body.length, 0, NULL) : NULL;
}

/* ---- exceptions ------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum hdfs_outcome outcome;
} hdfs_passing[] = {
    {"SafeModeException", HDFS_LATER},
    {"RetriableException", HDFS_LATER},
    {"StandbyException", HDFS_STANDBY},
    /* What data nodes and gateways in front of them meet themselves; "Failed to find datanode" is one. */
    {"IOException", HDFS_UNKNOWN},
    {"ConnectException", HDFS_UNKNOWN},
    {"ConnectTimeoutException", HDFS_UNKNOWN},
    {"EOFException", HDFS_UNKNOWN},
    {"InterruptedIOException", HDFS_UNKNOWN},
    {"NoRouteToHostException", HDFS_UNKNOWN},
    {"NotReplicatedYetException", HDFS_UNKNOWN},
    {"SocketException", HDFS_UNKNOWN},
    {"SocketTimeoutException", HDFS_UNKNOWN},
};

static void hdfs_take_line(const char *text, char *to, size_t size)
{
    size_t length = 0;

    for (; text && *text && *text != '\n' && length + 1 < size; text++)
        to[length++] = (unsigned char)*text < 0x20 || *text == 0x7f ? ' ' : *text;
    to[length] = '\0';
}

static void hdfs_read_exception(struct slice body, struct hdfs_exception *exception)
{
    cleanup_json json_t *json = hdfs_json(body);
    const json_t *remote = json_object_get(json, "RemoteException");

    hdfs_take_line(
        json_string_value(json_object_get(remote, "exception")), exception->name, sizeof exception->name);
    hdfs_take_line(
        json_string_value(json_object_get(remote, "message")), exception->message, sizeof exception->message);
}

enum hdfs_outcome hdfs_answer_judge(long status, struct slice body, struct hdfs_exception *ret_exception)
{
    *ret_exception = (struct hdfs_exception){0};
    if (status == 0)
        return HDFS_UNKNOWN;
    if (status >= 200 && status < 400)
        return HDFS_DONE;
    hdfs_read_exception(body, ret_exception);
    for (size_t i = 0; i < sizeof hdfs_passing / sizeof hdfs_passing[0]; i++)
        if (strcmp(ret_exception->name, hdfs_passing[i].name) == 0)
            return hdfs_passing[i].outcome;
    return status >= 500 || status == 429 || status == 408 ? HDFS_UNKNOWN : HDFS_REFUSED;
}

/* ---- what was asked for ----------------------------------------------------------------------------------- */

bool hdfs_answer_is_true(struct slice body)
{
    cleanup_json json_t *json = hdfs_json(body);

    return body.length == 0 || json_is_true(json_object_get(json, "boolean"));
}

int hdfs_answer_length(struct slice body, uint64_t *ret_length)
{
    cleanup_json json_t *json = hdfs_json(body);
    const json_t *status = json_object_get(json, "FileStatus");
    const json_t *length = json_object_get(status, "length");
    const char *type = json_string_value(json_object_get(status, "type"));

    if (!type || strcmp(type, "FILE") != 0 || !json_is_integer(length) || json_integer_value(length) < 0)
        return -1;
    *ret_length = (uint64_t)json_integer_value(length);
    return 0;
}

static const json_t *hdfs_find_list(const json_t *json, uint64_t *ret_more)
{
    const json_t *listing = json_object_get(json, "DirectoryListing");
    const json_t *more = json_object_get(listing, "remainingEntries");

    *ret_more =
        json_is_integer(more) && json_integer_value(more) > 0 ? (uint64_t)json_integer_value(more) : 0;
    const json_t *within = listing ? json_object_get(listing, "partialListing") : json;
    return json_object_get(json_object_get(within, "FileStatuses"), "FileStatus");
}

int hdfs_answer_list(
    struct slice body, hdfs_answer_each_fn *each, void *context, uint64_t *ret_more, struct error *error)
{
    cleanup_json json_t *json = hdfs_json(body);
    uint64_t more;
    const json_t *list = hdfs_find_list(json, &more);
    size_t index;
    const json_t *entry;

    if (!json_is_array(list))
        return error_set(error, ERROR_RETRY, "the answer is no list of files");
    json_array_foreach(list, index, entry)
    {
        const char *name = json_string_value(json_object_get(entry, "pathSuffix"));
        const char *type = json_string_value(json_object_get(entry, "type"));
        if (!name || !type)
            return error_set(error, ERROR_RETRY, "an entry of the list has no name or type");
        if (each(context, name, strcmp(type, "FILE") == 0, error))
            return -1;
    }
    *ret_more = more;
    return 0;
}
