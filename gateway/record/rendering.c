/* rendering: one rendering and its JSON form; see record.h and rendering_json.h */
#include "record/rendering_json.h"

#include <jansson.h>
#include <stdlib.h>

static const char *const rendering_formats[] = {
    [RECORD_FORMAT_JSON] = "json",
    [RECORD_FORMAT_TEXT] = "text",
};
#define RENDERING_FORMATS (sizeof rendering_formats / sizeof *rendering_formats)

void rendering_free(struct rendering **rendering)
{
    if (!*rendering)
        return;
    for (size_t i = 0; i < (*rendering)->labels_count; i++)
        free((*rendering)->labels[i]);
    free((*rendering)->lake_path);
    free(*rendering);
    *rendering = NULL;
}

static void rendering_json_free(json_t **json)
{
    json_decref(*json);
}

#define cleanup_json __attribute__((cleanup(rendering_json_free)))

/* ---- writing ---------------------------------------------------------------------------------------------- */

static int rendering_json_add(const char *text, size_t length, void *context)
{
    struct error error;

    return bytes_add(context, text, length, &error);
}

/* A NULL among the members makes json_pack() fail, so that only its own result needs a look. */
static json_t *rendering_to_json(const struct rendering *rendering)
{
    json_t *labels = json_array();

    for (size_t i = 0; i < rendering->labels_count; i++) {
        if (json_array_append_new(labels, json_string(rendering->labels[i]))) {
            json_decref(labels);
            return NULL;
        }
    }
    return json_pack("{s:I, s:s, s:s, s:o, s:s}", "id", (json_int_t)rendering->id, "stream",
        rendering->stream, "format", rendering_formats[rendering->format], "labels", labels, "lake_path",
        rendering->lake_path);
}

int rendering_json_write(
    const struct rendering *rendering, uint64_t superseded_at, struct bytes *out, struct error *error)
{
    cleanup_json json_t *json = rendering_to_json(rendering);
    size_t before = out->length;

    if (!json)
        return error_set(
            error, ERROR_REJECT, "rendering of stream %s: not UTF-8, or out of memory", rendering->stream);
    if (superseded_at != RENDERING_NOT_SUPERSEDED)
        json_object_set_new(json, "superseded_at", json_integer((json_int_t)superseded_at));
    if (json_dump_callback(json, rendering_json_add, out, JSON_COMPACT)) {
        out->length = before;
        return error_set(error, ERROR_REJECT, "rendering of stream %s: more than %zu bytes",
            rendering->stream, out->limit);
    }
    return 0;
}

int rendering_encode(const struct rendering *rendering, struct bytes *out, struct error *error)
{
    return rendering_json_write(rendering, RENDERING_NOT_SUPERSEDED, out, error);
}

/* ---- reading ---------------------------------------------------------------------------------------------- */

static char *rendering_copy(const json_t *text, struct error *error)
{
    char *copy = strdup(json_string_value(text));

    if (!copy) /* no unit test makes malloc fail */
        error_set(error, ERROR_RETRY, "rendering: out of memory"); /* GCOVR_EXCL_LINE */
    return copy;
}

static int rendering_read_format(const char *name, enum record_format *ret_format, struct error *error)
{
    for (size_t i = 0; i < RENDERING_FORMATS; i++) {
        if (strcmp(name, rendering_formats[i]) == 0) {
            *ret_format = (enum record_format)i;
            return 0;
        }
    }
    return error_set(error, ERROR_REJECT, "rendering: format \"%s\" is not known", name);
}

static int rendering_read_labels(const json_t *labels, struct rendering *rendering, struct error *error)
{
    if (json_array_size(labels) > RECORD_LABELS_MAX)
        return error_set(error, ERROR_REJECT, "rendering: %zu labels, at most %d", json_array_size(labels),
            RECORD_LABELS_MAX);
    for (size_t i = 0; i < json_array_size(labels); i++) {
        const json_t *label = json_array_get(labels, i);
        if (!json_is_string(label))
            return error_set(error, ERROR_REJECT, "rendering: label %zu is no string", i);
        rendering->labels[i] = rendering_copy(label, error);
        if (!rendering->labels[i])
            return -1; /* GCOVR_EXCL_LINE as above */
        rendering->labels_count++;
    }
    return 0;
}

/* Members are wanted one by one, so that the error names the one that is missing or of another type. */
static int rendering_member(
    const json_t *json, const char *name, json_type type, const json_t **ret_member, struct error *error)
{
    const json_t *member = json_object_get(json, name);

    if (!member)
        return error_set(error, ERROR_REJECT, "rendering: member \"%s\" is missing", name);
    if (json_typeof(member) != type)
        return error_set(error, ERROR_REJECT, "rendering: member \"%s\" has a wrong type", name);
    *ret_member = member;
    return 0;
}

static int rendering_read_names(const json_t *json, struct rendering *rendering, struct error *error)
{
    const json_t *id, *stream, *format;

    if (rendering_member(json, "id", JSON_INTEGER, &id, error) ||
        rendering_member(json, "stream", JSON_STRING, &stream, error) ||
        rendering_member(json, "format", JSON_STRING, &format, error))
        return -1;
    if (json_integer_value(id) < 1 || json_integer_value(id) > UINT32_MAX)
        return error_set(error, ERROR_REJECT, "rendering: id %lld is out of range", json_integer_value(id));
    if (json_string_length(stream) > RECORD_STREAM_NAME_MAX)
        return error_set(error, ERROR_REJECT, "rendering: stream name of %zu bytes, at most %d",
            json_string_length(stream), RECORD_STREAM_NAME_MAX);
    rendering->id = (uint32_t)json_integer_value(id);
    memcpy(rendering->stream, json_string_value(stream), json_string_length(stream) + 1);
    return rendering_read_format(json_string_value(format), &rendering->format, error);
}

static int rendering_read(
    const json_t *json, struct rendering *rendering, uint64_t *ret_superseded_at, struct error *error)
{
    const json_t *labels, *path, *superseded;

    if (rendering_read_names(json, rendering, error) ||
        rendering_member(json, "labels", JSON_ARRAY, &labels, error) ||
        rendering_member(json, "lake_path", JSON_STRING, &path, error) ||
        rendering_read_labels(labels, rendering, error))
        return -1;
    rendering->lake_path = rendering_copy(path, error);
    if (!rendering->lake_path)
        return -1; /* GCOVR_EXCL_LINE as above */
    *ret_superseded_at = RENDERING_NOT_SUPERSEDED;
    if (!json_object_get(json, "superseded_at"))
        return 0;
    if (rendering_member(json, "superseded_at", JSON_INTEGER, &superseded, error))
        return -1;
    *ret_superseded_at = (uint64_t)json_integer_value(superseded);
    return 0;
}

int rendering_json_read(const void *body, size_t length, struct rendering **ret_rendering,
    uint64_t *ret_superseded_at, struct error *error)
{
    json_error_t cause;
    cleanup_json json_t *json = json_loadb(body, length, JSON_REJECT_DUPLICATES, &cause);

    if (!json)
        return error_set(error, ERROR_REJECT, "rendering: %s at byte %d", cause.text, cause.position);
    struct rendering *rendering = calloc(1, sizeof *rendering);
    if (!rendering)
        return error_set(error, ERROR_RETRY, "rendering: out of memory"); /* GCOVR_EXCL_LINE as above */
    if (rendering_read(json, rendering, ret_superseded_at, error)) {
        rendering_free(&rendering);
        return -1;
    }
    *ret_rendering = rendering;
    return 0;
}

int rendering_decode(const void *body, size_t length, struct rendering **ret_rendering, struct error *error)
{
    uint64_t superseded_at;

    return rendering_json_read(body, length, ret_rendering, &superseded_at, error);
}
