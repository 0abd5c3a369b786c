/* kafka_render: from a record of the journal to its messages: topics, key, value, headers, timestamp.
 *
 * By the rendering that the record was accepted under. Templates are compiled once per rendering and kept. Room-internal, no
 * I/O. @thread the outlet's
 */
#ifndef PENSTOCK_OUTLET_KAFKA_RENDER_H
#define PENSTOCK_OUTLET_KAFKA_RENDER_H

#include "base/bytes.h"
#include "base/error.h"
#include "journal/journal.h"
#include "kafka/kafka.h"
#include "record/record.h"
#include "route/route.h"

struct kafka_renderer;

int kafka_renderer_open(struct kafka_renderer **ret_renderer, struct rendering_table *renderings,
    const char *gateway_id, uint64_t max_message, struct error *error);
void kafka_renderer_close(struct kafka_renderer **renderer);

/* The topics of one record, each once. Those that could not be rendered have an empty name; reason is the first one's. */
struct rendered_topics {
    const struct rendering *rendering;
    struct slice names[RECORD_TOPICS_MAX];
    size_t count;
    uint16_t literal; /* bits of those that the configuration names as they are */
    const char *reason;
};

/* *ret_topics is the renderer's, until the next call. ERROR_REJECT: the rendering is lost. */
int kafka_render_topics(struct kafka_renderer *renderer, const struct record *record,
    const struct rendered_topics **ret_topics, struct error *error);

/* All but the tag; slices point into the record and the renderer, until the next call. ERROR_REJECT: it can never be one. */
int kafka_render_message(struct kafka_renderer *renderer, const struct journal_entry *entry,
    const struct record *record, const struct rendering *rendering, struct kafka_message *ret_message,
    struct error *error);

#endif
