/* kafka_render: see kafka_render.h */
#include "outlet/kafka_render.h"

#include <stdlib.h>

#define RENDER_CACHE 64 /* renderings whose templates are kept, by id */
#define RENDER_NAMES_MAX (64 * 1024) /* the topics of one record, and one that comes out too long */

_Static_assert(RECORD_LABELS_MAX + 3 <= KAFKA_HEADERS_MAX, "labels, id, origin and schema");

struct render_templates {
    const struct rendering *rendering; /* NULL: free */
    struct template *topics[RECORD_TOPICS_MAX];
    size_t count;
    bool constant; /* all of them */
};

struct kafka_renderer {
    struct rendering_table *renderings;
    const char *gateway_id;
    struct render_templates cache[RENDER_CACHE];
    struct rendered_topics topics; /* of the last record */
    uint32_t constant; /* the rendering all of whose records have these topics; 0: they were this record's */
    struct bytes names;
    struct error first, later; /* why topics could not be rendered */
    struct bytes value; /* an envelope */
    struct kafka_header headers[KAFKA_HEADERS_MAX];
    char id[RECORD_ID_MAX + 1];
};

int kafka_renderer_open(struct kafka_renderer **ret_renderer, struct rendering_table *renderings,
    const char *gateway_id, uint64_t max_message, struct error *error)
{
    struct kafka_renderer *renderer = calloc(1, sizeof *renderer);

    if (!renderer)
        return error_set(error, ERROR_RETRY, "kafka outlet: out of memory");
    renderer->renderings = renderings;
    renderer->gateway_id = gateway_id;
    bytes_init(&renderer->names, RENDER_NAMES_MAX);
    bytes_init(&renderer->value, max_message);
    /* Slices point into it: it must never move. */
    if (bytes_reserve_exact(&renderer->names, RENDER_NAMES_MAX, error)) {
        kafka_renderer_close(&renderer);
        return -1;
    }
    *ret_renderer = renderer;
    return 0;
}

static void render_forget(struct render_templates *templates)
{
    for (size_t i = 0; i < templates->count; i++)
        template_free(&templates->topics[i]);
    *templates = (struct render_templates){0};
}

void kafka_renderer_close(struct kafka_renderer **renderer)
{
    if (!*renderer)
        return;
    for (size_t i = 0; i < RENDER_CACHE; i++)
        render_forget(&(*renderer)->cache[i]);
    bytes_free(&(*renderer)->names);
    bytes_free(&(*renderer)->value);
    free(*renderer);
    *renderer = NULL;
}

static int render_compile(
    struct render_templates *templates, const struct rendering *rendering, struct error *error)
{
    templates->constant = true;
    for (size_t i = 0; i < rendering->topics_count; i++, templates->count++) {
        if (template_compile_topic(&templates->topics[i], rendering->topics[i],
                (const char *const *)rendering->labels, rendering->labels_count, error))
            return error_wrap(error, "rendering %u", rendering->id);
        templates->constant &= template_is_constant(templates->topics[i]);
    }
    templates->rendering = rendering;
    return 0;
}

static int render_templates(struct kafka_renderer *renderer, uint32_t id,
    const struct render_templates **ret_templates, struct error *error)
{
    struct render_templates *templates = &renderer->cache[id % RENDER_CACHE];

    if (!templates->rendering || templates->rendering->id != id) {
        const struct rendering *rendering = rendering_find(renderer->renderings, id);
        if (!rendering)
            return error_set(error, ERROR_REJECT, "rendering %u is lost: its topics are not known", id);
        render_forget(templates);
        if (render_compile(templates, rendering, error))
            return -1;
    }
    *ret_templates = templates;
    return 0;
}

/* Adds the name that stands behind `start` in names, unless it is there already. */
static void render_add_topic(struct kafka_renderer *renderer, size_t start, bool literal)
{
    struct rendered_topics *topics = &renderer->topics;
    const struct slice name = {renderer->names.data + start, renderer->names.length - start};

    for (size_t i = 0; i < topics->count; i++) {
        if (slice_equal(topics->names[i], name))
            return;
    }
    topics->literal |= (uint16_t)(literal << topics->count);
    topics->names[topics->count++] = name;
}

/* A dead letter that is given back goes to the topic that its origin names ("kafka ID TOPIC") if that is still one of its own: the
 * others have had it. */
static void render_keep_replayed(const struct record *record, struct rendered_topics *topics)
{
    const char *blank =
        record->origin.length ? memrchr(record->origin.data, ' ', record->origin.length) : NULL;
    const struct slice wanted = {blank ? blank + 1 : "",
        blank ? (size_t)(record->origin.data + record->origin.length - blank - 1) : 0};

    for (size_t i = 0; i < topics->count; i++) {
        if (!slice_equal(topics->names[i], wanted))
            continue;
        topics->names[0] = topics->names[i];
        topics->literal = topics->literal >> i & 1;
        topics->count = 1;
    }
}

static void render_all_topics(
    struct kafka_renderer *renderer, const struct render_templates *templates, const struct record *record)
{
    struct rendered_topics *topics = &renderer->topics;

    topics->rendering = templates->rendering;
    topics->count = 0;
    topics->literal = 0;
    topics->reason = NULL;
    bytes_clear(&renderer->names);
    for (size_t i = 0; i < templates->count; i++) {
        size_t start = renderer->names.length;
        struct error *reason = topics->reason ? &renderer->later : &renderer->first;
        if (template_render_topic(
                templates->topics[i], templates->rendering->stream, record, &renderer->names, reason)) {
            renderer->names.length = start;
            topics->reason = renderer->first.text;
        }
        render_add_topic(renderer, start, template_is_constant(templates->topics[i]));
    }
}

int kafka_render_topics(struct kafka_renderer *renderer, const struct record *record,
    const struct rendered_topics **ret_topics, struct error *error)
{
    const bool replayed = record->flags & RECORD_REPLAYED;
    const struct render_templates *templates;

    if (!renderer->constant || renderer->constant != record->rendering || replayed) {
        if (render_templates(renderer, record->rendering, &templates, error))
            return -1;
        render_all_topics(renderer, templates, record);
        if (replayed)
            render_keep_replayed(record, &renderer->topics);
        renderer->constant = templates->constant && !replayed ? record->rendering : 0;
    }
    *ret_topics = &renderer->topics;
    return 0;
}

static void render_add_header(
    struct kafka_renderer *renderer, struct kafka_message *message, struct slice name, struct slice value)
{
    renderer->headers[message->headers_count++] = (struct kafka_header){name, value};
}

static void render_headers(struct kafka_renderer *renderer, const struct journal_entry *entry,
    const struct record *record, const struct rendering *rendering, struct kafka_message *message)
{
    const struct record_id id = {renderer->gateway_id, entry->epoch, entry->sequence};
    const struct slice text = {renderer->id, record_id_print(&id, renderer->id)};

    message->headers = renderer->headers;
    message->headers_count = 0;
    render_add_header(renderer, message, slice_of("penstock-id"), text);
    if (record->origin.length)
        render_add_header(renderer, message, slice_of("penstock-origin"), record->origin);
    if (record->flags & RECORD_SCHEMA_INVALID)
        render_add_header(renderer, message, slice_of("penstock-schema"), slice_of("invalid"));
    for (size_t i = 0; i < rendering->headers_count; i++) {
        const struct rendering_header *header = &rendering->headers[i];
        if (header->label < record->labels_count && record->labels[header->label].length)
            render_add_header(renderer, message, slice_of(header->name), record->labels[header->label]);
    }
}

int kafka_render_message(struct kafka_renderer *renderer, const struct journal_entry *entry,
    const struct record *record, const struct rendering *rendering, struct kafka_message *ret_message,
    struct error *error)
{
    const struct record_id id = {renderer->gateway_id, entry->epoch, entry->sequence};
    struct slice value = record->payload;

    if (rendering->value == RECORD_VALUE_ENVELOPE && !(record->flags & RECORD_ENVELOPED)) {
        bytes_clear(&renderer->value);
        if (record_envelope_render(record, &id, &renderer->value, error))
            return error_wrap(error, "envelope");
        value = bytes_slice(&renderer->value);
    }
    *ret_message = (struct kafka_message){.key = record->key, .value = value, .time = record_time(record)};
    render_headers(renderer, entry, record, rendering, ret_message);
    return 0;
}
