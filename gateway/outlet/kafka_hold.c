/* kafka_hold: held topics, how they are tried and brought up to the others; see kafka_pump_internal.h
 *
 * The ledger stays exact because a position counts as held as long as one topic of it waits, and leaves that state once: with
 * the last of its topics.
 */
#include <stdio.h>

#include "base/log.h"

#include "outlet/kafka_pump_internal.h"

#define HOLD_PROBES 16 /* begun per step */
#define HOLD_SCAN 20000 /* entries looked at per probe and step */
#define HOLD_DRAINED 16 /* topics per drain: their marks move together with the totals, in one group */
#define HOLD_NEAR \
    16384 /* positions between the drain and the cursor at which the main lane waits for the drain, */
#define HOLD_PAUSE (CLOCK_SECOND / 2) /* at most this long, */
#define HOLD_PAUSE_MOST \
    (8 * CLOCK_SECOND) /* or twice as long as the last one, which was not enough, up to this, */
#define HOLD_PAUSE_SHARE 6 /* in at most this part of the time */
#define HOLD_LOOK (CLOCK_SECOND / 50) /* while something is under way */

/* ---- what waits -------------------------------------------------------------------------------------------- */

/* A draining topic is done as far as the drain is. */
static uint64_t hold_done(const struct kafka_pump *pump, const struct topic *topic)
{
    const uint64_t drained = pump->drain.window.done;

    return topic->state == TOPIC_DRAINING && drained > topic->done ? drained : topic->done;
}

bool pump_waits_for_other(const struct kafka_pump *pump, const struct rendered_topics *topics,
    uint64_t position, const struct topic *but)
{
    for (size_t i = 0; i < topics->count; i++) {
        const struct topic *topic = topics_find(&pump->topics, topics->names[i]);
        if (topic && topic != but && topic_is_waiting(topic) && (but || topic->state != TOPIC_DRAINING) &&
            hold_done(pump, topic) < position)
            return true;
    }
    return false;
}

static bool hold_is_of(const struct rendered_topics *topics, const struct topic *topic)
{
    for (size_t i = 0; i < topics->count; i++) {
        if (slice_is(topics->names[i], topic->name))
            return true;
    }
    return false;
}

/* ---- probes ------------------------------------------------------------------------------------------------ */

static void hold_try_later(struct kafka_pump *pump, struct topic *topic, const char *reason)
{
    topic->retry_at = clock_monotonic(pump->options.clock) + pump->options.hold_retry;
    topic->made = false;
    if (*reason)
        snprintf(
            topic->reason, sizeof topic->reason, "%.*s%s", TOPIC_REASON_MAX - 64, reason, pump_hint(reason));
}

/* The topic is still missing or forbidden. */
static void hold_refused(struct kafka_pump *pump, struct topic *topic, const char *reason)
{
    hold_try_later(pump, topic, reason);
    if (!pump->options.shut_unwritable)
        return;
    topic->bury = true;
    topic_set(&pump->topics, topic, TOPIC_READY);
}

/* The probe's record is delivered to this topic: it is delivered if it waits for no other one. If it waits for one that is
 * being drained, the drain counts it, though it may have found it waiting for this one. */
static int hold_count_probed(
    struct kafka_pump *pump, struct topic *topic, uint64_t position, struct error *error)
{
    __attribute__((cleanup(journal_reader_close))) struct journal_reader *reader = NULL;
    struct journal_entry entry;
    struct record record;
    const struct rendered_topics *topics;

    if (pump_look_up(pump, position, &reader, &entry, &record, error) ||
        kafka_render_topics(pump->renderer, &record, &topics, error))
        return -1;
    topic->done = position;
    topic->unwritten = topic->counted = true;
    if (!pump_waits_for_other(pump, topics, position, topic)) {
        /* None are counted where a mark was lost in a damaged journal. */
        pump->cursor.delivered += pump->cursor.held > 0;
        pump->cursor.held -= pump->cursor.held > 0;
    } else if (pump->draining && position > pump->drain.window.done && position <= pump->drain.window.read &&
               !pump_waits_for_other(pump, topics, position, NULL)) {
        window_unhold(&pump->drain.window, position);
    }
    return 0;
}

void pump_probed(void *context, const struct kafka_report *report)
{
    struct kafka_pump *pump = context;
    struct topic *topic = topics_find(&pump->topics, slice_of(report->topic));
    struct error error;

    if (!topic)
        return;
    if (report->outcome >= KAFKA_TOPIC_CREATED) {
        pump_topic_answered(pump, topic, report);
        return;
    }
    topic->probing = false;
    if (topic->state != TOPIC_HELD)
        return;
    if (report->outcome ==
        KAFKA_RECORD_REFUSED) { /* the topic works; what to do with the record the drain knows */
        topic_set(&pump->topics, topic, TOPIC_READY);
    } else if (report->outcome == KAFKA_TOPIC_REFUSED) {
        hold_refused(pump, topic, report->reason);
    } else if (report->outcome != KAFKA_DELIVERED) {
        hold_try_later(pump, topic, report->reason);
    } else if (!topic->counted && pump_counted(pump) >= PUMP_MARKS) {
        topic_set(
            &pump->topics, topic, TOPIC_READY); /* too much to write at once: the drain sends it again */
    } else if (hold_count_probed(pump, topic, report->tag, &error)) {
        hold_try_later(pump, topic, error.text); /* tried once more then, and sent twice */
    } else {
        topic_set(&pump->topics, topic, TOPIC_READY);
    }
}

/* Sends the record to the topic. 1: it was tried, whatever came of it; 0: it is not one of its topics; -1: failed. */
static int hold_send_probe(
    struct kafka_pump *pump, struct topic *topic, const struct journal_entry *entry, struct error *error)
{
    struct record record;
    const struct rendered_topics *topics;
    struct kafka_message message;
    struct kafka_topic *handle;
    int held = pump_render_held(pump, entry, &record, &topics, error);

    if (held <= 0 || !hold_is_of(topics, topic))
        return held < 0 ? -1 : 0;
    topic->done = entry->sequence - 1;
    if (kafka_render_message(pump->renderer, entry, &record, topics->rendering, &message, error)) {
        topic_set(&pump->topics, topic, TOPIC_READY); /* the drain makes a dead letter of it */
        return 1;
    }
    message.tag = entry->sequence;
    if (kafka_producer_topic(pump->prober, topic->name, &handle, error))
        return -1;
    switch (kafka_producer_send(pump->prober, handle, &message, error)) {
    case KAFKA_SENT:
        topic->probing = true;
        break;
    case KAFKA_TOO_LARGE:
        topic_set(&pump->topics, topic, TOPIC_READY);
        break;
    case KAFKA_NO_TOPIC:
        hold_refused(pump, topic, error->text);
        break;
    default:
        hold_try_later(pump, topic, error->text);
    }
    return 1;
}

/* Looks for the first record that waits and sends it. */
static int hold_probe(struct kafka_pump *pump, struct topic *topic, struct error *error)
{
    __attribute__((cleanup(journal_reader_close))) struct journal_reader *reader = NULL;
    struct journal_entry entry;

    if (journal_reader_open(&reader, pump->options.journal, topic->done, error))
        return -1;
    for (int looked = 0; looked < HOLD_SCAN; looked++) {
        int found = journal_read(reader, &entry, error);
        if (found < 0)
            return -1;
        if (found == 0 || entry.sequence > pump->main.window.done) {
            topic_set(&pump->topics, topic, TOPIC_READY); /* nothing waits */
            return 0;
        }
        int tried = entry.type == JOURNAL_ENTRY_RECORD ? hold_send_probe(pump, topic, &entry, error) : 0;
        if (tried)
            return tried < 0 ? -1 : 0;
        topic->done = entry.last;
    }
    return 0;
}

/* 1: it is made, or is to be made by nobody; 0: it was asked for. */
static int hold_make(struct kafka_pump *pump, struct topic *topic, struct error *error)
{
    if (topic->made || pump->options.create_partitions == 0)
        return 1;
    if (topic->asked)
        return 0;
    topic->asked = true;
    return kafka_producer_create_topic(
        pump->prober, topic->name, pump->options.create_partitions, pump->options.create_replication, error);
}

static int hold_probe_due(struct kafka_pump *pump, struct topic *topic, struct error *error)
{
    if (!pump->prober && kafka_producer_open(&pump->prober, pump->options.client, KAFKA_ROLE_PROBE,
                             KAFKA_PUMP_PROBE_PATIENCE, error))
        return -1;
    int made = hold_make(pump, topic, error);
    return made <= 0 ? made : hold_probe(pump, topic, error);
}

/* Nothing of it is under way any more. */
static void hold_drop_prober(struct kafka_pump *pump)
{
    kafka_producer_close(&pump->prober);
    for (size_t i = 0; i < pump->topics.count; i++) {
        struct topic *topic = pump->topics.items[i];
        if (topic->state != TOPIC_HELD)
            continue;
        if (topic->probing)
            hold_try_later(pump, topic, "");
        topic->probing = topic->asked = false;
    }
}

static int hold_probe_all(struct kafka_pump *pump, struct error *error)
{
    const int64_t now = clock_monotonic(pump->options.clock);
    size_t held = 0;
    int begun = 0;

    if (pump->prober && kafka_producer_broken(pump->prober))
        hold_drop_prober(pump);
    for (size_t i = 0; i < pump->topics.count; i++) {
        struct topic *topic = pump->topics.items[i];
        if (topic->state == TOPIC_SHUT && topic->retry_at <= now)
            topic_set(&pump->topics, topic, TOPIC_OPEN);
        if (topic->state != TOPIC_HELD)
            continue;
        held++;
        if (topic->probing || topic->asked || topic->retry_at > now || begun == HOLD_PROBES)
            continue;
        /* A position that the cursor has not passed is the main lane's. */
        if (topic->done >= pump->main.window.done) {
            if (topic->done == journal_durable(pump->options.journal))
                topic_set(&pump->topics, topic, TOPIC_READY); /* nothing waits */
            continue;
        }
        begun++;
        if (hold_probe_due(pump, topic, error))
            return -1;
    }
    if (held == 0 && pump->prober)
        hold_drop_prober(pump);
    return 0;
}

/* ---- the drain --------------------------------------------------------------------------------------------- */

static size_t hold_count(const struct kafka_pump *pump, enum topic_state state)
{
    size_t count = 0;

    for (size_t i = 0; i < pump->topics.count; i++)
        count += pump->topics.items[i]->state == state;
    return count;
}

static int hold_begin_drain(struct kafka_pump *pump, struct error *error)
{
    uint64_t start = pump->main.window.done;
    size_t room = PUMP_MARKS - pump_counted(pump);
    size_t chosen = 0;

    if (!pump->drain.window.slots && lane_open(&pump->drain, pump->options.journal, error))
        return -1;
    for (size_t i = 0; i < pump->topics.count && chosen < HOLD_DRAINED; i++) {
        struct topic *topic = pump->topics.items[i];
        if (topic->state != TOPIC_READY || (!topic->counted && room == 0))
            continue;
        room -= !topic->counted;
        topic_set(&pump->topics, topic, TOPIC_DRAINING);
        start = topic->done < start ? topic->done : start;
        chosen++;
    }
    if (chosen == 0) /* the marks of the last ones have to be written before */
        return 0;
    lane_start(&pump->drain, start);
    pump->draining = true;
    return 0;
}

static void hold_end_drain(struct kafka_pump *pump)
{
    pump_settle_drain(pump);
    for (size_t i = 0; i < pump->topics.count; i++) {
        struct topic *topic = pump->topics.items[i];
        if (topic->state != TOPIC_DRAINING)
            continue;
        if (!topic->bury)
            log_event(LOG_INFO, "outlet.topic_resumed", log_text("outlet", KAFKA_PUMP_NAME),
                log_text("topic", topic->name));
        topic_set(&pump->topics, topic, TOPIC_OPEN);
        topic->counted = true;
        topic->bury = false;
        topic->reason[0] = '\0';
    }
    lane_start(&pump->drain, pump->main.window.done);
    pump->draining = false;
    pump->pause = 0;
    pump_write_off(pump);
}

bool pump_is_closing(struct kafka_pump *pump)
{
    const int64_t now = clock_monotonic(pump->options.clock);

    if (!pump->draining || pump->main.window.done - pump->drain.window.done > HOLD_NEAR)
        return false;
    if (now >= pump->pause_again) {
        pump->pause = pump->pause ? 2 * pump->pause : HOLD_PAUSE;
        if (pump->pause > HOLD_PAUSE_MOST)
            pump->pause = HOLD_PAUSE_MOST;
        pump->pause_until = now + pump->pause;
        pump->pause_again = now + HOLD_PAUSE_SHARE * pump->pause;
    }
    return now < pump->pause_until;
}

/* With exactly-once nothing is held, and what was held before is not touched: there is no producer then. */
static bool hold_may_work(const struct kafka_pump *pump)
{
    return !pump->options.exactly_once || pump->producer;
}

int pump_work_on_held(struct kafka_pump *pump, struct error *error)
{
    const struct window *window = &pump->main.window;

    if ((pump->topics.closed == 0 && !pump->prober) || !hold_may_work(pump))
        return 0;
    if (hold_probe_all(pump, error))
        return -1;
    if (!pump->draining)
        return hold_count(pump, TOPIC_READY) ? hold_begin_drain(pump, error) : 0;
    if (window->done == window->read && pump->drain.window.done == window->done)
        hold_end_drain(pump);
    else if (hold_count(pump, TOPIC_DRAINING) == 0 && pump->drain.window.in_flight == 0)
        hold_end_drain(pump);
    return 0;
}

int64_t pump_hold_due(const struct kafka_pump *pump)
{
    const int64_t soon = clock_monotonic(pump->options.clock) + HOLD_LOOK;
    int64_t due = INT64_MAX;

    if (pump->draining)
        return soon;
    for (size_t i = 0; i < pump->topics.count && pump->topics.closed && hold_may_work(pump); i++) {
        const struct topic *topic = pump->topics.items[i];
        if (topic->state == TOPIC_OPEN)
            continue;
        int64_t own = topic->probing || topic->asked || topic->state == TOPIC_READY ? soon : topic->retry_at;
        due = own < due ? own : due;
    }
    return due > soon ? due : soon;
}
