/* kafka_topics: see kafka_topics.h */
#include "outlet/kafka_topics.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fnv.h"

static uint64_t topics_hash(struct slice name)
{
    const uint64_t hash = fnv_add(FNV_EMPTY, name.data, name.length);

    return hash ^ hash >> 32;
}

int topics_open(struct topics *topics, size_t most, size_t most_literal, struct error *error)
{
    *topics = (struct topics){.most = most, .most_literal = most_literal, .places_count = 64};
    topics->places = calloc(topics->places_count, sizeof *topics->places);
    return topics->places ? 0 : error_set(error, ERROR_RETRY, "kafka outlet: out of memory");
}

void topics_close(struct topics *topics)
{
    for (size_t i = 0; i < topics->count; i++)
        free(topics->items[i]);
    free(topics->items);
    free(topics->places);
    *topics = (struct topics){0};
}

/* The place that holds it, or the one where it would stand. */
static size_t *topics_place(const struct topics *topics, struct slice name)
{
    for (uint64_t at = topics_hash(name);; at++) {
        size_t *place = &topics->places[at & (topics->places_count - 1)];
        if (*place == 0 || slice_is(name, topics->items[*place - 1]->name))
            return place;
    }
}

struct topic *topics_find(const struct topics *topics, struct slice name)
{
    size_t place = *topics_place(topics, name);

    return place ? topics->items[place - 1] : NULL;
}

/* At most half of the places are taken. */
static int topics_grow(struct topics *topics)
{
    size_t count = topics->places_count * 2;
    size_t *places = calloc(count, sizeof *places);
    struct topic **items = reallocarray(topics->items, count / 2, sizeof *items);

    if (items)
        topics->items = items;
    if (!places || !items) {
        free(places);
        return -1;
    }
    free(topics->places);
    topics->places = places;
    topics->places_count = count;
    for (size_t i = 0; i < topics->count; i++)
        *topics_place(topics, slice_of(topics->items[i]->name)) = i + 1;
    return 0;
}

static struct topic *topics_insert(struct topics *topics, struct slice name)
{
    struct topic *topic;

    assert(name.length && name.length <= JOURNAL_MARK_NAME_MAX);
    if ((!topics->items || topics->count == topics->places_count / 2) && topics_grow(topics))
        return NULL;
    topic = calloc(1, sizeof *topic);
    if (!topic)
        return NULL;
    memcpy(topic->name, name.data, name.length);
    topics->items[topics->count++] = topic;
    *topics_place(topics, name) = topics->count;
    return topic;
}

struct topic *topics_add(struct topics *topics, struct slice name, bool literal)
{
    const size_t most = literal && topics->most < topics->most_literal ? topics->most_literal : topics->most;
    struct topic *topic = topics->count < most ? topics_insert(topics, name) : NULL;

    if (topic)
        topic->unwritten = true;
    return topic;
}

int topics_restore(struct topics *topics, const struct journal_mark *mark, struct error *error)
{
    struct topic *topic = topics_insert(topics, slice_of(mark->name));

    if (!topic)
        return error_set(error, ERROR_RETRY, "kafka outlet: out of memory");
    topic->made = true;
    if (mark->position != JOURNAL_MARK_FREE)
        topic_refuse(topics, topic, TOPIC_HELD, mark->position, 0, "held before the start");
    topic->unwritten = false;
    return 0;
}

void topics_forget_handles(struct topics *topics)
{
    for (size_t i = 0; i < topics->count; i++) {
        topics->items[i]->handle = NULL;
        topics->items[i]->asked = false;
    }
}

bool topic_is_waiting(const struct topic *topic)
{
    return topic->state == TOPIC_HELD || topic->state == TOPIC_READY || topic->state == TOPIC_DRAINING;
}

void topic_set(struct topics *topics, struct topic *topic, enum topic_state state)
{
    topics->closed += (state != TOPIC_OPEN) - (size_t)(topic->state != TOPIC_OPEN);
    if ((state == TOPIC_OPEN || state == TOPIC_HELD) && topic->state != TOPIC_SHUT)
        topic->unwritten = true;
    topic->state = state;
}

void topic_refuse(struct topics *topics, struct topic *topic, enum topic_state state, uint64_t done,
    int64_t retry_at, const char *reason)
{
    topic_set(topics, topic, state);
    topic->done = done;
    topic->fresh = false;
    topic->made = false;
    topic->retry_at = retry_at;
    snprintf(topic->reason, sizeof topic->reason, "%s", reason);
}
