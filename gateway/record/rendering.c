/* rendering: one rendering and its JSON form; see record.h and rendering_json.h */
#include "record/rendering_json.h"

#include <stdlib.h>

static const char *const rendering_formats[] = {
    [RECORD_FORMAT_JSON] = "json",
    [RECORD_FORMAT_TEXT] = "text",
    [RECORD_FORMAT_BYTES] = "bytes",
};
#define RENDERING_FORMATS (sizeof rendering_formats / sizeof *rendering_formats)

static const char *const rendering_values[] = {
    [RECORD_VALUE_PAYLOAD] = "payload",
    [RECORD_VALUE_ENVELOPE] = "envelope",
};
#define RENDERING_VALUES (sizeof rendering_values / sizeof *rendering_values)

void rendering_free(struct rendering **rendering)
{
    if (!*rendering)
        return;
    for (size_t i = 0; i < (*rendering)->labels_count; i++)
        free((*rendering)->labels[i]);
    for (size_t i = 0; i < (*rendering)->topics_count; i++)
        free((*rendering)->topics[i]);
    for (size_t i = 0; i < (*rendering)->headers_count; i++)
        free((*rendering)->headers[i].name);
    free((*rendering)->lake_path);
    form_clear(&(*rendering)->form);
    free(*rendering);
    *rendering = NULL;
}

static void rendering_json_free(json_t **json)
{
    json_decref(*json);
}

#define cleanup_json __attribute__((cleanup(rendering_json_free)))

/* ---- writing ---------------------------------------------------------------------------------------------- */

struct rendering_out {
    struct bytes *bytes;
    struct error *error;
};

static int rendering_json_add(const char *text, size_t length, void *context)
{
    const struct rendering_out *out = context;

    return bytes_add(out->bytes, text, length, out->error);
}

/* NULL when a text is not UTF-8 or memory is gone; so are the two below. */
static json_t *rendering_texts_to_json(char *const *texts, size_t count)
{
    json_t *json = json_array();

    for (size_t i = 0; i < count; i++) {
        if (json_array_append_new(json, json_string(texts[i]))) {
            json_decref(json);
            return NULL;
        }
    }
    return json;
}

static json_t *rendering_headers_to_json(const struct rendering *rendering)
{
    json_t *json = json_array();

    for (size_t i = 0; i < rendering->headers_count; i++) {
        const struct rendering_header *header = &rendering->headers[i];
        if (json_array_append_new(
                json, json_pack("{s:s, s:I}", "name", header->name, "label", (json_int_t)header->label))) {
            json_decref(json);
            return NULL;
        }
    }
    return json;
}

/* Members that older versions did not write stand there only when they say something: what has not changed since then
 * stays equal byte by byte. A member that is NULL makes json_object_set_new() fail. */
static int rendering_add_optional(const struct rendering *rendering, json_t *json)
{
    if (rendering->topics_count && json_object_set_new(json, "topics",
                                       rendering_texts_to_json(rendering->topics, rendering->topics_count)))
        return -1;
    if (rendering->value != RECORD_VALUE_PAYLOAD &&
        json_object_set_new(json, "value", json_string(rendering_values[rendering->value])))
        return -1; /* GCOVR_EXCL_LINE no unit test makes malloc fail */
    if (rendering->headers_count &&
        json_object_set_new(json, "headers", rendering_headers_to_json(rendering)))
        return -1;
    if (rendering->form.file != FORM_SOURCE &&
        json_object_set_new(json, "lake", form_to_json(&rendering->form)))
        return -1;
    return 0;
}

/* A NULL among the members makes json_pack() fail, so that only its own result needs a look. */
static json_t *rendering_to_json(const struct rendering *rendering)
{
    json_t *json = json_pack("{s:I, s:s, s:s, s:o, s:s}", "id", (json_int_t)rendering->id, "stream",
        rendering->stream, "format", rendering_formats[rendering->format], "labels",
        rendering_texts_to_json(rendering->labels, rendering->labels_count), "lake_path",
        rendering->lake_path);

    if (json && rendering_add_optional(rendering, json)) {
        json_decref(json);
        return NULL;
    }
    return json;
}

/* Where memory is gone jansson blames the text, or nothing. */
static _Thread_local bool rendering_starved;

static void *rendering_allocate(size_t size)
{
    void *data = malloc(size);

    rendering_starved |= !data;
    return data;
}

/* Before main(), and so before anything calls jansson. */
__attribute__((constructor)) static void rendering_watch_memory(void)
{
    json_set_alloc_funcs(rendering_allocate, free);
}

int rendering_json_write(
    const struct rendering *rendering, uint64_t superseded_at, struct bytes *out, struct error *error)
{
    rendering_starved = false;
    cleanup_json json_t *json = rendering_to_json(rendering);
    size_t before = out->length;

    if (!json && rendering_starved)
        return error_set(error, ERROR_RETRY, "rendering of stream %s: out of memory", rendering->stream);
    if (!json)
        return error_set(error, ERROR_REJECT, "rendering of stream %s: not UTF-8", rendering->stream);
    if (superseded_at != RENDERING_NOT_SUPERSEDED)
        json_object_set_new(json, "superseded_at", json_integer((json_int_t)superseded_at));
    error_set(error, ERROR_RETRY, "out of memory"); /* what the library knows besides what it is told */
    if (json_dump_callback(json, rendering_json_add, &(struct rendering_out){out, error}, JSON_COMPACT)) {
        out->length = before;
        return error_wrap(error, "rendering of stream %s", rendering->stream);
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

/* The index of name among names. what: "format". */
static int rendering_read_word(const char *what, const char *name, const char *const *names, size_t count,
    size_t *ret_index, struct error *error)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, names[i]) == 0) {
            *ret_index = i;
            return 0;
        }
    }
    return error_set(error, ERROR_REJECT, "rendering: %s \"%s\" is not known", what, name);
}

static int rendering_check_count(const char *what, const json_t *array, size_t most, struct error *error)
{
    if (json_array_size(array) > most)
        return error_set(
            error, ERROR_REJECT, "rendering: %zu %ss, at most %zu", json_array_size(array), what, most);
    return 0;
}

/* texts has room for most; *count says how many are in it already when it fails. */
static int rendering_read_texts(
    const char *what, const json_t *array, char **texts, size_t most, size_t *count, struct error *error)
{
    if (rendering_check_count(what, array, most, error))
        return -1;
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *text = json_array_get(array, i);
        if (!json_is_string(text))
            return error_set(error, ERROR_REJECT, "rendering: %s %zu is no string", what, i);
        texts[i] = rendering_copy(text, error);
        if (!texts[i])
            return -1; /* GCOVR_EXCL_LINE as above */
        (*count)++;
    }
    return 0;
}

static int rendering_read_headers(const json_t *array, struct rendering *rendering, struct error *error)
{
    if (rendering_check_count("header", array, RECORD_LABELS_MAX, error))
        return -1;
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *header = json_array_get(array, i);
        const json_t *name = json_object_get(header, "name");
        const json_t *label = json_object_get(header, "label");
        if (!json_is_string(name) || !json_is_integer(label))
            return error_set(error, ERROR_REJECT, "rendering: header %zu has no name or no label", i);
        if (json_integer_value(label) < 0 || json_integer_value(label) >= (json_int_t)rendering->labels_count)
            return error_set(error, ERROR_REJECT, "rendering: header %zu: label %lld of %zu", i,
                json_integer_value(label), rendering->labels_count);
        rendering->headers[i] = (struct rendering_header){
            .name = rendering_copy(name, error), .label = (size_t)json_integer_value(label)};
        if (!rendering->headers[i].name)
            return -1; /* GCOVR_EXCL_LINE as above */
        rendering->headers_count++;
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
    size_t index = 0; /* gcc does not see that it is set */

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
    if (rendering_read_word(
            "format", json_string_value(format), rendering_formats, RENDERING_FORMATS, &index, error))
        return -1;
    rendering->format = (enum record_format)index;
    return 0;
}

/* NULL when it is not there; -1 when it is of another type. */
static int rendering_optional(
    const json_t *json, const char *name, json_type type, const json_t **ret_member, struct error *error)
{
    if (json_object_get(json, name))
        return rendering_member(json, name, type, ret_member, error);
    *ret_member = NULL;
    return 0;
}

static int rendering_read_optional(const json_t *json, struct rendering *rendering, struct error *error)
{
    const json_t *topics, *value, *headers, *lake;
    size_t index = RECORD_VALUE_PAYLOAD;

    if (rendering_optional(json, "topics", JSON_ARRAY, &topics, error) ||
        rendering_optional(json, "value", JSON_STRING, &value, error) ||
        rendering_optional(json, "headers", JSON_ARRAY, &headers, error) ||
        rendering_optional(json, "lake", JSON_OBJECT, &lake, error) ||
        (lake && form_read(lake, &rendering->form, error)) ||
        rendering_read_texts(
            "topic", topics, rendering->topics, RECORD_TOPICS_MAX, &rendering->topics_count, error) ||
        rendering_read_headers(headers, rendering, error))
        return -1;
    if (value && rendering_read_word(
                     "value", json_string_value(value), rendering_values, RENDERING_VALUES, &index, error))
        return -1;
    rendering->value = (enum record_value)index;
    return 0;
}

static int rendering_read(
    const json_t *json, struct rendering *rendering, uint64_t *ret_superseded_at, struct error *error)
{
    const json_t *labels, *path, *superseded;

    if (rendering_read_names(json, rendering, error) ||
        rendering_member(json, "labels", JSON_ARRAY, &labels, error) ||
        rendering_member(json, "lake_path", JSON_STRING, &path, error) ||
        rendering_read_texts(
            "label", labels, rendering->labels, RECORD_LABELS_MAX, &rendering->labels_count, error) ||
        rendering_read_optional(json, rendering, error) ||
        rendering_optional(json, "superseded_at", JSON_INTEGER, &superseded, error))
        return -1;
    rendering->lake_path = rendering_copy(path, error);
    if (!rendering->lake_path)
        return -1; /* GCOVR_EXCL_LINE as above */
    *ret_superseded_at = superseded ? (uint64_t)json_integer_value(superseded) : RENDERING_NOT_SUPERSEDED;
    return 0;
}

int rendering_json_read(const void *body, size_t length, struct rendering **ret_rendering,
    uint64_t *ret_superseded_at, struct error *error)
{
    json_error_t cause;

    rendering_starved = false;
    cleanup_json json_t *json = json_loadb(body, length, JSON_REJECT_DUPLICATES, &cause);

    if (!json && rendering_starved)
        return error_set(error, ERROR_RETRY, "rendering: out of memory");
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
