/* kafka_topics: the topics that a Kafka outlet knows, and which of them take nothing at the moment.
 *
 * Every topic that was ever sent to stands in the journal beside the cursor (a mark), so that `max_topics` also counts
 * over restarts. A topic that is missing or forbidden is held: its mark says up to where it is done, the cursor passes its
 * records, and they wait in the journal.
 *
 *     OPEN ──refused──► HELD ──a probe got through──► READY ──a drain begins──► DRAINING ──it has caught up──► OPEN
 *       │                ▲                                                         │
 *       └──refused──► SHUT (unwritable_topic: dead-letter) ──retry──► OPEN         └──refused──► HELD
 *
 * With unwritable_topic: dead-letter a held topic (of a start before that was configured) is READY, too, when its probe was
 * refused: its drain makes dead letters.
 *
 * Room-internal. @thread the outlet's
 */
#ifndef PENSTOCK_OUTLET_KAFKA_TOPICS_H
#define PENSTOCK_OUTLET_KAFKA_TOPICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "journal/journal.h"
#include "kafka/kafka.h"

#define TOPIC_REASON_MAX 320

enum topic_state { TOPIC_OPEN, TOPIC_HELD, TOPIC_READY, TOPIC_DRAINING, TOPIC_SHUT };

struct topic {
    char name[JOURNAL_MARK_NAME_MAX + 1];
    enum topic_state state;
    uint64_t done; /* not OPEN or SHUT: all of it up to this position is done */
    bool unwritten; /* its mark in the journal is not this, */
    bool counted; /* and the totals have moved with it: they are written together */
    bool fresh; /* HELD: no record of it waits yet; `done` moves up to the first that will */
    bool bury; /* READY, DRAINING: what waits becomes dead letters */
    bool probing; /* a message of it is under way in the prober */
    bool asked; /* its creation was asked for and not answered */
    bool made; /* there is no need to ask again */
    int64_t retry_at; /* HELD: next probe; SHUT: opens (monotonic) */
    struct kafka_topic *handle; /* of the present producer; NULL: not made yet */
    char reason[TOPIC_REASON_MAX]; /* why it is held or shut */
};

struct topics {
    struct topic **items; /* in the order of coming */
    size_t count;
    size_t most; /* that follow from values of records; */
    size_t most_literal; /* those that the configuration names may be more */
    size_t *places; /* open addressing: 1 + index of an item, 0 for none */
    size_t places_count; /* a power of two */
    size_t closed; /* that are not OPEN */
};

int topics_open(struct topics *topics, size_t most, size_t most_literal, struct error *error);
void topics_close(struct topics *topics);

/* NULL: not known. */
struct topic *topics_find(const struct topics *topics, struct slice name);
/* NULL when there are too many already, or memory is gone. Its mark is to be written. */
struct topic *topics_add(struct topics *topics, struct slice name, bool literal);
/* As the journal has it; more than `most` are taken, for they are there. */
int topics_restore(struct topics *topics, const struct journal_mark *mark, struct error *error);

/* No handle is of the present producer any more. */
void topics_forget_handles(struct topics *topics);

/* Whether its records have to wait: HELD, READY, DRAINING. */
bool topic_is_waiting(const struct topic *topic);

void topic_set(struct topics *topics, struct topic *topic, enum topic_state state);
/* HELD from `done` on, or SHUT; tried again at retry_at. */
void topic_refuse(struct topics *topics, struct topic *topic, enum topic_state state, uint64_t done,
    int64_t retry_at, const char *reason);

#endif
