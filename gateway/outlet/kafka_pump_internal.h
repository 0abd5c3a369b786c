/* kafka_pump_internal: the inside of the Kafka outlet's pump, shared by its own files only.
 *
 *     kafka_pump.c    producers, reports, the step
 *     kafka_send.c    from a lane's next position to messages, dead letters and held topics
 *     kafka_hold.c    held topics: probes and the drain
 *     kafka_store.c   cursor and marks into the journal
 *     kafka_once.c    exactly-once: transactions and positions
 */
#ifndef PENSTOCK_OUTLET_KAFKA_PUMP_INTERNAL_H
#define PENSTOCK_OUTLET_KAFKA_PUMP_INTERNAL_H

#include <string.h>

#include "base/metric.h"
#include "outlet/kafka_lane.h"
#include "outlet/kafka_position.h"
#include "outlet/kafka_pump.h"
#include "outlet/kafka_render.h"
#include "outlet/kafka_topics.h"

#define PUMP_UNLIMITED UINT64_MAX
#define PUMP_MARKS 48 /* per move of the cursor */

/* Exactly once. */
struct pump_once {
    bool elsewhere; /* the journal says durably that the position is in Kafka */
    struct kafka_topic *positions; /* of the present producer */
    int64_t begun_at; /* monotonic: when the transaction had its first record; 0: it has none */
    uint64_t record; /* the one that was begun last: all of it is sent, whatever `limit` says */
    uint32_t epoch; /* of the record at window.read */
    bool returned; /* messages came back: the transaction has failed of something else */
    bool fenced; /* nothing was committed since another producer took over */
    int64_t wait_until; /* monotonic: nothing is tried before */
    uint64_t undecided; /* position of a commit that may have been done; 0: there is none */
    struct metric_series *committed, *aborted, *seconds;
};

struct kafka_pump {
    struct kafka_pump_options options;
    struct pump_once once;
    struct kafka_renderer *renderer;
    struct topics topics;

    struct kafka_producer *producer; /* NULL: to be opened at retry_at */
    int64_t retry_at; /* monotonic; no producer, no sending before */
    bool careful; /* it was opened while `limit` was set */
    bool replay; /* something came back: a new producer, from the watermark, */
    int64_t replace_at; /* at the latest then (monotonic) */
    bool progress; /* this producer has delivered something, or shown what cannot be delivered */
    uint64_t failures; /* producers in a row that delivered nothing */
    uint64_t replays;
    uint64_t retries; /* of producers that are closed */
    bool heard; /* a confirmation came since the last look at the clock */
    int64_t confirmed_at; /* monotonic: the last confirmation, or that nothing was under way */
    char reason[ERROR_TEXT_SIZE]; /* of the last replay or failure; "" when a confirmation came since */

    struct lane main;
    uint64_t sample; /* a position that was behind the watermark when it was read, */
    int64_t received; /* and when its record was received: how far the outlet lags, nearly */
    bool blocked; /* it has a record in hand that needs an answer of the broker's first */
    struct lane drain; /* its window is there only while `draining` */
    bool draining, drain_turn;
    uint64_t drained[WINDOW_OUTCOMES]; /* by the drain, not yet in `cursor` */
    int64_t pause_until, pause_again; /* monotonic: of the main lane, so that the drain can end */
    int64_t pause; /* how long the last one was; 0: none of this drain's */
    int64_t settle_at; /* monotonic: when the drain's marks are written next */

    struct kafka_producer *prober; /* NULL: nothing to probe */

    /* While a refused message is looked for: */
    bool refused; /* this producer has had a message refused */
    uint64_t limit; /* most messages under way; PUMP_UNLIMITED */
    uint64_t burst; /* sent since nothing was under way */
    uint64_t careful_main, careful_drain; /* until the lanes' watermarks are here */

    bool letters; /* some were added and not yet synced */
    struct journal_cursor cursor; /* as it should be */
    struct journal_cursor told; /* as the journal has it */
};

/* A tag of the main producer's names a message: position, topic's index, lane. Stretches of 1,024 positions share a partition where
 * there is no key (KAFKA_TAG_STRETCH). */
#define PUMP_TAG_BITS 5

_Static_assert(RECORD_TOPICS_MAX <= 1 << (PUMP_TAG_BITS - 1), "an index has to fit");
_Static_assert(KAFKA_TAG_STRETCH == PUMP_TAG_BITS + 10, "as said above");

#define PUMP_NO_POSITION 0 /* in the tag of what is no record */

static inline uint64_t pump_tag(uint64_t position, unsigned topic, bool drain)
{
    return position << PUMP_TAG_BITS | topic << 1 | drain;
}

static inline uint64_t pump_tag_position(uint64_t tag)
{
    return tag >> PUMP_TAG_BITS;
}

static inline unsigned pump_tag_topic(uint64_t tag)
{
    return tag >> 1 & (RECORD_TOPICS_MAX - 1);
}

static inline bool pump_tag_drain(uint64_t tag)
{
    return tag & 1;
}

static inline uint64_t pump_in_flight(const struct kafka_pump *pump)
{
    return pump->main.window.in_flight + (pump->draining ? pump->drain.window.in_flight : 0);
}

/* ---- kafka_pump.c ------------------------------------------------------------------------------------------- */

/* A new producer is needed; the words are for people. */
void pump_ask_replay(struct kafka_pump *pump, const char *reason);

/* What is held and behind no mark was taken by damage to the journal, the records or the mark. */
void pump_write_off(struct kafka_pump *pump);

/* The present producer ends; what it did not confirm is sent again by the next one. */
void pump_drop_producer(struct kafka_pump *pump);

/* Takes what has been reported. */
size_t pump_poll(struct kafka_pump *pump, int64_t timeout);

/* Whether a topic was made. */
void pump_topic_answered(
    const struct kafka_pump *pump, struct topic *topic, const struct kafka_report *report);

/* What else may be done about a reason here: to stand behind it. */
static inline const char *pump_hint(const char *reason)
{
    return strstr(reason, KAFKA_TOPIC_MISSING) ? ", or kafka.create_topics" : "";
}

/* This topic takes nothing at the moment; `done`: all of it up to there is done. */
void pump_refuse_topic(struct kafka_pump *pump, struct topic *topic, uint64_t done, const char *reason);

/* ---- kafka_send.c ------------------------------------------------------------------------------------------- */

/* One batch of a lane. 1: there may be more, 0: nothing is left, or it has to wait for reports, -1: failed. */
int pump_read_main(struct kafka_pump *pump, struct error *error);
int pump_read_drain(struct kafka_pump *pump, struct error *error);

/* Not for the dead letters only, and not given back for another outlet. */
bool pump_is_for_kafka(const struct record *record);

/* The topics of a record that may be held. 1: there they are; 0: it was never held, for it cannot be decoded or rendered, or is
 * not for Kafka; -1: failed. */
int pump_render_held(struct kafka_pump *pump, const struct journal_entry *entry, struct record *ret_record,
    const struct rendered_topics **ret_topics, struct error *error);

/* The record at this position, once more. entry's body lasts until the reader is closed. */
int pump_look_up(struct kafka_pump *pump, uint64_t position, struct journal_reader **ret_reader,
    struct journal_entry *ret_entry, struct record *ret_record, struct error *error);

/* A message that is refused alone: its record becomes a dead letter for this topic. */
int pump_bury(struct kafka_pump *pump, struct lane *lane, uint64_t position, unsigned topic,
    const struct kafka_report *report, struct error *error);

/* ---- kafka_hold.c ------------------------------------------------------------------------------------------- */

/* Probes what is due, begins or ends a drain. -1: failed. */
int pump_work_on_held(struct kafka_pump *pump, struct error *error);
/* A report of the prober's. */
void pump_probed(void *context, const struct kafka_report *report);
/* The main lane waits, so that the drain can catch up with it. */
bool pump_is_closing(struct kafka_pump *pump);
/* Whether the position waits for another topic than this one (NULL: than those that are being drained). */
bool pump_waits_for_other(const struct kafka_pump *pump, const struct rendered_topics *topics,
    uint64_t position, const struct topic *but);
/* When a held topic is to be looked at next (monotonic); INT64_MAX: none is. */
int64_t pump_hold_due(const struct kafka_pump *pump);

/* ---- kafka_store.c ------------------------------------------------------------------------------------------ */

/* Letters are synced, watermarks advance, cursor and marks go to the journal. */
int pump_store(struct kafka_pump *pump, struct error *error);
/* Topics whose marks the next move of the cursor has to bring, or may have to: never more than PUMP_MARKS. */
size_t pump_counted(const struct kafka_pump *pump);
/* What the drain has brought goes into the totals. */
void pump_settle_drain(struct kafka_pump *pump);
/* What became of the records up to this position. */
void pump_count(struct journal_cursor *cursor, const uint64_t counts[WINDOW_OUTCOMES], uint64_t position);

/* ---- kafka_once.c ------------------------------------------------------------------------------------------- */

/* Whether the position is in Kafka; with at-least-once it is no longer. */
int pump_once_restore(struct kafka_pump *pump, struct error *error);
/* A producer with a transaction begun, and the cursor where Kafka says. */
int pump_once_open(struct kafka_pump *pump, struct error *error);
/* The producer's transaction ends without being committed, as far as is known. */
void pump_once_give_up(struct kafka_pump *pump);
/* Nothing can be sent as long as this topic takes nothing. */
void pump_once_refuse_topic(struct kafka_pump *pump, struct topic *topic, const char *reason);
/* The transaction takes no further record. */
bool pump_once_is_closing(const struct kafka_pump *pump);
int64_t pump_once_when_due(
    const struct kafka_pump *pump); /* monotonic; INT64_MAX: there is nothing to commit */
/* Commits what is due: watermark and cursor move. */
int pump_once_work(struct kafka_pump *pump, struct error *error);

#endif
