/* stream: the configuration's streams, compiled; see route.h */
#include "route/route.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "route/selector.h"

/* ---- freeing ---------------------------------------------------------------------------------------------- */

static void stream_clear(struct stream *stream)
{
    selector_free(&stream->key);
    selector_free(&stream->sequence);
    selector_free(&stream->time);
    for (size_t i = 0; i < stream->labels_count; i++) {
        selector_free(&stream->labels[i]);
        free(stream->label_names[i]);
    }
    for (size_t i = 0; i < stream->pointers_count; i++)
        free(stream->pointers[i]);
    free(stream->pointers);
    schema_free(&stream->schema);
    free(stream->lake_path);
    form_clear(&stream->form);
    free(stream->ack);
    for (size_t i = 0; i < stream->topics_count; i++) {
        free(stream->topics[i]);
        template_free(&stream->topic_templates[i]);
    }
    for (size_t i = 0; i < stream->headers_count; i++)
        free(stream->headers[i].name);
}

void stream_free(struct stream **stream)
{
    if (!*stream)
        return;
    stream_clear(*stream);
    free(*stream);
    *stream = NULL;
}

void streams_free(struct streams **streams)
{
    if (!*streams)
        return;
    for (size_t i = 0; i < (*streams)->count; i++) {
        if (!(*streams)->items[i]->kept)
            stream_free(&(*streams)->items[i]);
    }
    free((*streams)->items);
    free(*streams);
    *streams = NULL;
}

void streams_drop(struct streams *streams, size_t index)
{
    struct stream **dropped = &streams->items[index];

    assert(index < streams->count);
    stream_free(dropped);
    streams->count--;
    memmove(dropped, dropped + 1, (streams->count - index) * sizeof *dropped);
}

/* ---- compiling -------------------------------------------------------------------------------------------- */

/* Compiling happens once, before anything is accepted: without these few bytes the start ends here. */
static void *stream_allocated(void *memory)
{
    assert(memory);
    return memory;
}

/* What is wrong goes to the config and compiling goes on, so that one run shows all of it; *wrong counts. */
struct stream_compiler {
    struct config *config;
    size_t wrong;
};

static void stream_report(struct stream_compiler *compiler, const void *field, const struct error *error)
{
    config_report(compiler->config, field, "%s", error->text);
    compiler->wrong++;
}

static void stream_compile_selector(
    struct stream_compiler *compiler, struct selector *selector, char *const *field)
{
    struct error error;

    if (selector_compile(selector, *field, &error))
        stream_report(compiler, field, &error);
}

static void stream_compile_labels(
    struct stream_compiler *compiler, struct stream *stream, const struct config_stream *from)
{
    assert(from->labels.count <= RECORD_LABELS_MAX); /* OPTION_MAP_MAX */
    for (size_t i = 0; i < from->labels.count; i++) {
        const struct config_pair *pair = &from->labels.items[i];
        stream->label_names[i] = stream_allocated(strdup(pair->name));
        stream_compile_selector(compiler, &stream->labels[i], &pair->value);
        stream->labels_count++;
    }
}

static void stream_compile_time(
    struct stream_compiler *compiler, struct stream *stream, const struct config_stream *from)
{
    struct error error;

    stream->time_past = from->time.past;
    stream->time_future = from->time.future;
    if (from->time.format[0] && time_format_compile(&stream->time_format, from->time.format, &error))
        stream_report(compiler, &from->time.format, &error);
    if (time_format_set_zone(&stream->time_format, from->time.zone, &error))
        stream_report(compiler, &from->time.zone, &error);
    else if (strcmp(from->time.zone, "UTC") != 0 && from->time.format[0] == '\0') {
        error_set(&error, ERROR_REJECT, "needs a format; RFC 3339 says the zone itself");
        stream_report(compiler, &from->time.zone, &error);
    }
    if (from->time.format[0] && from->time.field[0] == '\0') {
        error_set(&error, ERROR_REJECT, "needs a field, where such times are found");
        stream_report(compiler, &from->time.format, &error);
    }
    if (from->time.field[0] == '\0' || from->time.field[0] == '/' ||
        strncmp(from->time.field, "line:", 5) == 0) {
        stream_compile_selector(compiler, &stream->time, &from->time.field);
        return;
    }
    error_set(&error, ERROR_REJECT, "'%s' is no JSON pointer, as in /created_at, and no line:NAME",
        from->time.field);
    stream_report(compiler, &from->time.field, &error);
}

/* Numbers without a key would be those of all senders. */
static void stream_compile_dedupe(
    struct stream_compiler *compiler, struct stream *stream, const struct config_stream *from)
{
    struct error error;

    stream_compile_selector(compiler, &stream->sequence, &from->dedupe.sequence);
    stream->sequence_stores_old = strcmp(from->dedupe.old, "store") == 0;
    if (from->dedupe.sequence[0] == '\0' || from->key[0])
        return;
    error_set(&error, ERROR_REJECT,
        "needs a key: the sequence numbers are counted for each; add streams.%s.key", stream->name);
    stream_report(compiler, &from->dedupe.sequence, &error);
}

/* The schema itself may stand in a file: the pipeline brings it. */
static void stream_compile_schema(
    struct stream_compiler *compiler, struct stream *stream, const struct config_stream *from)
{
    struct error error;

    stream->schema_pass = strcmp(from->schema_invalid, "pass") == 0;
    if (from->schema[0] == '\0' || stream->format == RECORD_FORMAT_JSON)
        return;
    error_set(&error, ERROR_REJECT,
        "needs records of JSON, but the stream's format is %s; take one of them away", from->format);
    stream_report(compiler, &from->schema, &error);
}

static void stream_compile_path(
    struct stream_compiler *compiler, struct stream *stream, const struct config_stream *from)
{
    struct template *template;
    struct error error;

    stream->lake_path = stream_allocated(strdup(from->lake.path));
    if (template_compile(&template, from->lake.path, (const char *const *)stream->label_names,
            stream->labels_count, &error))
        stream_report(compiler, &from->lake.path, &error);
    else
        template_free(&template);
}

static int stream_compile_topic(
    struct stream *stream, const char *text, struct template **ret_template, struct error *error)
{
    __attribute__((cleanup(template_free))) struct template *template = NULL;
    const struct record any = {0};
    cleanup_bytes struct bytes topic;

    bytes_init(&topic, TEMPLATE_LENGTH_MAX * RECORD_STREAM_NAME_MAX);
    if (template_compile_topic(
            &template, text, (const char *const *)stream->label_names, stream->labels_count, error))
        return -1;
    *ret_template = NULL;
    if (template_is_constant(template)) /* {stream} is known now */
        return template_render_topic(template, stream->name, &any, &topic, error);
    *ret_template = template;
    template = NULL;
    return 0;
}

static bool stream_has_topic(const struct stream *stream, const char *text)
{
    for (size_t i = 0; i < stream->topics_count; i++) {
        if (strcmp(stream->topics[i], text) == 0)
            return true;
    }
    return false;
}

static void stream_compile_topics(
    struct stream_compiler *compiler, struct stream *stream, const struct config_stream *from)
{
    struct error error;

    assert(from->topics.count <= RECORD_TOPICS_MAX); /* OPTION_LIST_MAX */
    for (size_t i = 0; i < from->topics.count; i++) {
        const char *text = from->topics.items[i];
        if (stream_has_topic(stream, text))
            continue;
        if (stream_compile_topic(stream, text, &stream->topic_templates[stream->topics_count], &error))
            stream_report(compiler, &from->topics.items[i], &error);
        else
            stream->topics[stream->topics_count++] = stream_allocated(strdup(text));
    }
}

static int stream_unknown_label(const struct stream *stream, const char *label, struct error *error)
{
    cleanup_bytes struct bytes known;
    struct error ignored;

    bytes_init(&known, ERROR_TEXT_SIZE);
    if (stream->labels_count == 0)
        return error_set(error, ERROR_REJECT,
            "'%s' is no label, the stream has none; add it below streams.%s.labels", label, stream->name);
    for (size_t i = 0; i < stream->labels_count; i++)
        bytes_print(&known, &ignored, "%s%s", i ? ", " : "", stream->label_names[i]);
    return error_set(error, ERROR_REJECT, "'%s' is no label of the stream; its labels are %.*s", label,
        (int)known.length, known.data);
}

static int stream_find_label(
    const struct stream *stream, const char *label, size_t *ret_index, struct error *error)
{
    for (size_t i = 0; i < stream->labels_count; i++) {
        if (strcmp(stream->label_names[i], label) == 0) {
            *ret_index = i;
            return 0;
        }
    }
    return stream_unknown_label(stream, label, error);
}

static int stream_compile_header(struct stream *stream, const struct config_pair *pair, struct error *error)
{
    struct rendering_header *header = &stream->headers[stream->headers_count];

    if (strcmp(pair->name, "penstock-id") == 0 || strcmp(pair->name, "penstock-origin") == 0 ||
        strcmp(pair->name, "penstock-schema") == 0)
        return error_set(error, ERROR_REJECT,
            "every record gets %s from the gateway itself; choose another name for this header", pair->name);
    if (stream_find_label(stream, pair->value, &header->label, error))
        return -1;
    header->name = stream_allocated(strdup(pair->name));
    stream->headers_count++;
    return 0;
}

static void stream_compile_headers(
    struct stream_compiler *compiler, struct stream *stream, const struct config_stream *from)
{
    struct error error;

    assert(from->headers.count <= RECORD_LABELS_MAX); /* OPTION_MAP_MAX */
    for (size_t i = 0; i < from->headers.count; i++) {
        const struct config_pair *pair = &from->headers.items[i];
        if (stream_compile_header(stream, pair, &error))
            stream_report(compiler, &pair->value, &error);
    }
}

/* Gives the selector its place among the stream's pointers. */
static void stream_place_pointer(struct stream *stream, struct selector *selector)
{
    if (selector->source != SELECTOR_POINTER)
        return;
    for (selector->index = 0; selector->index < stream->pointers_count; selector->index++) {
        if (strcmp(stream->pointers[selector->index], selector->name) == 0)
            return;
    }
    stream->pointers[stream->pointers_count++] = stream_allocated(strdup(selector->name));
}

static void stream_place_pointers(struct stream *stream)
{
    stream->pointers = stream_allocated(calloc(stream->labels_count + 3, sizeof *stream->pointers));
    stream_place_pointer(stream, &stream->key);
    stream_place_pointer(stream, &stream->sequence);
    stream_place_pointer(stream, &stream->time);
    for (size_t i = 0; i < stream->labels_count; i++)
        stream_place_pointer(stream, &stream->labels[i]);
}

static void stream_compile(
    struct stream_compiler *compiler, struct stream *stream, const struct config_stream *from)
{
    snprintf(stream->name, sizeof stream->name, "%s", from->name);
    stream->format = record_format_of(from->format);
    stream->key_rate = from->key_rate;
    stream->journal_share = from->journal_share;
    stream->ack = stream_allocated(strdup(from->ack.level));
    stream_compile_selector(compiler, &stream->key, &from->key);
    stream_compile_labels(compiler, stream, from);
    stream_compile_dedupe(compiler, stream, from);
    stream_compile_time(compiler, stream, from);
    stream_compile_schema(compiler, stream, from);
    stream_compile_path(compiler, stream, from);
    stream_compile_topics(compiler, stream, from);
    stream->value = strcmp(from->value, "envelope") == 0 ? RECORD_VALUE_ENVELOPE : RECORD_VALUE_PAYLOAD;
    stream_compile_headers(compiler, stream, from);
    stream_place_pointers(stream);
}

int streams_compile(struct streams **ret_streams, struct config *config, struct error *error)
{
    __attribute__((cleanup(streams_free))) struct streams *streams =
        stream_allocated(calloc(1, sizeof *streams));
    struct stream_compiler compiler = {.config = config};

    streams->items = stream_allocated(calloc(config->streams_count + 1, sizeof *streams->items));
    while (streams->count < config->streams_count) {
        const size_t i = streams->count++;
        streams->items[i] = stream_allocated(calloc(1, sizeof **streams->items));
        streams->items[i]->place = i + 1;
        stream_compile(&compiler, streams->items[i], &config->streams[i]);
    }
    if (compiler.wrong)
        return error_set(error, ERROR_REJECT, "streams: %zu errors in the configuration", compiler.wrong);
    *ret_streams = streams;
    streams = NULL;
    return 0;
}

struct stream *streams_find(const struct streams *streams, struct slice name)
{
    for (size_t i = 0; i < streams->count; i++) {
        if (slice_is(name, streams->items[i]->name))
            return streams->items[i];
    }
    return NULL;
}

/* ---- the stored form -------------------------------------------------------------------------------------- */

static int stream_copy_texts(char *const *from, size_t from_count, char **texts, size_t *count)
{
    for (size_t i = 0; i < from_count; i++) {
        texts[i] = strdup(from[i]);
        if (!texts[i])
            return -1; /* GCOVR_EXCL_LINE malloc does not fail in tests */
        (*count)++;
    }
    return 0;
}

static int stream_copy_headers(const struct stream *stream, struct rendering *rendering)
{
    for (size_t i = 0; i < stream->headers_count; i++) {
        struct rendering_header header = {strdup(stream->headers[i].name), stream->headers[i].label};
        if (!header.name)
            return -1; /* GCOVR_EXCL_LINE malloc does not fail in tests */
        rendering->headers[rendering->headers_count++] = header;
    }
    return 0;
}

static int stream_copy(const struct stream *stream, struct rendering *rendering)
{
    memcpy(rendering->stream, stream->name, sizeof rendering->stream);
    rendering->format = stream->format;
    rendering->value = stream->value;
    rendering->lake_path = strdup(stream->lake_path);
    return !rendering->lake_path || form_copy(&stream->form, &rendering->form) ||
                   stream_copy_texts(stream->label_names, stream->labels_count, rendering->labels,
                       &rendering->labels_count) ||
                   stream_copy_texts(
                       stream->topics, stream->topics_count, rendering->topics, &rendering->topics_count) ||
                   stream_copy_headers(stream, rendering)
               ? -1
               : 0;
}

int stream_rendering(const struct stream *stream, struct rendering **ret_rendering, struct error *error)
{
    struct rendering *rendering = calloc(1, sizeof *rendering);

    if (!rendering || stream_copy(stream, rendering)) {
        rendering_free(&rendering); /* GCOVR_EXCL_LINE no unit test makes malloc fail */
        return error_set(error, ERROR_RETRY, "rendering: out of memory"); /* GCOVR_EXCL_LINE */
    }
    *ret_rendering = rendering;
    return 0;
}
