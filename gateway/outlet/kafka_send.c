/* kafka_send: from a lane's next position to messages, dead letters and held topics; see kafka_pump_internal.h */
#include "outlet/kafka_pump_internal.h"

#include <stdio.h>

#include "base/log.h"

/* What one record needs on its way. */
struct send {
    struct kafka_pump *pump;
    struct lane *lane;
    bool drain;
    const struct journal_entry *entry;
    const struct record *record;
    const struct rendering *rendering; /* NULL: lost */
    const struct rendered_topics *topics;
    struct kafka_message message;
    bool rendered; /* message is there */
};

enum sent { SENT_DONE, SENT_WAIT, SENT_FAILED };

/* ---- dead letters ------------------------------------------------------------------------------------------ */

static int send_letter(
    struct send *send, unsigned index, const char *topic, const char *reason, struct error *error)
{
    const struct rendering *rendering = send->rendering;
    const struct dead_letter letter = {
        .id = {send->pump->options.gateway_id, send->entry->epoch, send->entry->sequence},
        .outlet = KAFKA_PUMP_NAME,
        .stream = rendering ? rendering->stream : "lost-rendering",
        .topic = topic,
        .reason = reason,
        .time = clock_wall(send->pump->options.clock),
        .record = send->record,
        .labels = rendering ? (const char *const *)rendering->labels : NULL,
    };

    if (dead_letters_add(send->pump->options.dead_letters, &letter, error))
        return error_wrap(error, "dead letter");
    send->pump->letters = true;
    journal_tell_letter(send->pump->options.journal, KAFKA_PUMP_NAME, send->entry->sequence, reason);
    window_finish(&send->lane->window, send->entry->sequence, index, WINDOW_DEAD_LETTERED);
    log_event(LOG_WARN, "outlet.dead_letter", log_text("outlet", KAFKA_PUMP_NAME), log_text("topic", topic),
        log_number("sequence", (int64_t)send->entry->sequence), log_text("reason", reason));
    return 0;
}

static enum sent send_bury(
    struct send *send, unsigned index, const char *topic, const char *reason, struct error *error)
{
    return send_letter(send, index, topic, reason, error) ? SENT_FAILED : SENT_DONE;
}

int pump_look_up(struct kafka_pump *pump, uint64_t position, struct journal_reader **ret_reader,
    struct journal_entry *ret_entry, struct record *ret_record, struct error *error)
{
    if (journal_reader_open(ret_reader, pump->options.journal, position - 1, error))
        return -1;
    int found = journal_read(*ret_reader, ret_entry, error);
    if (found > 0 && ret_entry->type == JOURNAL_ENTRY_RECORD && ret_entry->sequence == position)
        return record_decode(ret_entry->body.data, ret_entry->body.length, ret_record, error);
    return found < 0
               ? -1
               : error_set(error, ERROR_RETRY, "record %llu cannot be read", (unsigned long long)position);
}

int pump_bury(struct kafka_pump *pump, struct lane *lane, uint64_t position, unsigned topic,
    const struct kafka_report *report, struct error *error)
{
    __attribute__((cleanup(journal_reader_close))) struct journal_reader *reader = NULL;
    struct journal_entry entry;
    struct record record;
    struct send send = {.pump = pump, .lane = lane, .entry = &entry, .record = &record};

    if (pump_look_up(pump, position, &reader, &entry, &record, error))
        return -1;
    send.rendering = rendering_find(pump->options.renderings, record.rendering);
    return send_letter(&send, topic, report->topic, report->reason, error);
}

/* ---- one message ------------------------------------------------------------------------------------------- */

/* A record that is begun goes into its transaction as a whole. */
static bool send_has_room(const struct kafka_pump *pump, uint64_t position)
{
    return pump->limit == PUMP_UNLIMITED || pump->burst < pump->limit ||
           (pump->options.exactly_once && pump->once.record == position);
}

/* Whether the topic may be sent to: made if it was to be, its handle there. */
static enum sent send_prepare(struct send *send, struct topic *topic, struct error *error)
{
    struct kafka_pump *pump = send->pump;

    if (!topic->handle && kafka_producer_topic(pump->producer, topic->name, &topic->handle, error))
        return SENT_FAILED;
    if (topic->made || pump->options.create_partitions == 0)
        return SENT_DONE;
    if (!topic->asked && kafka_producer_create_topic(pump->producer, topic->name,
                             pump->options.create_partitions, pump->options.create_replication, error))
        return SENT_FAILED;
    topic->asked = true;
    return SENT_WAIT;
}

static enum sent send_message(struct send *send, unsigned index, struct topic *topic, struct error *error)
{
    struct kafka_pump *pump = send->pump;

    if (!send_has_room(pump, send->entry->sequence))
        return SENT_WAIT;
    enum sent prepared = send_prepare(send, topic, error);
    if (prepared != SENT_DONE)
        return prepared;
    if (!send->rendered && kafka_render_message(pump->renderer, send->entry, send->record, send->rendering,
                               &send->message, error))
        return error->kind == ERROR_REJECT ? send_bury(send, index, topic->name, error->text, error)
                                           : SENT_FAILED;
    send->rendered = true;
    send->message.tag = pump_tag(send->entry->sequence, index, send->drain);
    switch (kafka_producer_send(pump->producer, topic->handle, &send->message, error)) {
    case KAFKA_SENT:
        window_sent(&send->lane->window, send->entry->sequence, index);
        pump->burst++;
        pump->once.record = send->entry->sequence;
        return SENT_DONE;
    case KAFKA_FULL:
        return SENT_WAIT;
    case KAFKA_TOO_LARGE:
        return send_bury(send, index, topic->name, error->text, error);
    case KAFKA_NO_TOPIC:
        pump_refuse_topic(pump, topic, send->lane->window.done, error->text);
        break;
    case KAFKA_BROKEN:
        break;
    }
    pump_ask_replay(pump, error->text);
    return SENT_WAIT;
}

/* ---- the main lane ----------------------------------------------------------------------------------------- */

/* NULL: there are too many. */
static struct topic *send_find_topic(struct send *send, unsigned index)
{
    struct topics *topics = &send->pump->topics;
    struct topic *topic = topics_find(topics, send->topics->names[index]);

    return topic ? topic : topics_add(topics, send->topics->names[index], send->topics->literal >> index & 1);
}

/* The topic's records wait. What is not under way of this one waits with them. */
static void send_hold(struct send *send, unsigned index, struct topic *topic)
{
    struct window *window = &send->lane->window;
    const uint64_t position = send->entry->sequence;

    if (position <= topic->done) {
        window_finish(window, position, index, WINDOW_DELIVERED);
        return;
    }
    if (topic->fresh) {
        topic->done = position - 1;
        topic->fresh = false;
        topic->unwritten = true;
    }
    window_hold(window, position, index);
    journal_tell_missed(send->pump->options.journal, KAFKA_PUMP_NAME, position, position);
}

static enum sent send_bury_one_too_many(struct send *send, unsigned index, struct error *error)
{
    const struct slice name = send->topics->names[index];
    char topic[TEMPLATE_TOPIC_MAX + 1], reason[160];

    snprintf(topic, sizeof topic, "%.*s", (int)name.length, name.data);
    snprintf(
        reason, sizeof reason, "there are %zu topics already (kafka.max_topics)", send->pump->topics.count);
    return send_bury(send, index, topic, reason, error);
}

/* One topic of the record. */
static enum sent send_main_topic(struct send *send, unsigned index, bool unsent, struct error *error)
{
    const struct slice name = send->topics->names[index];

    if (name.length == 0)
        return unsent ? send_bury(send, index, "", send->topics->reason, error) : SENT_DONE;

    if (slice_is(name, KAFKA_POSITIONS))
        return unsent
                   ? send_bury(send, index, KAFKA_POSITIONS, "this topic is for positions of gateways", error)
                   : SENT_DONE;

    struct topic *topic = send_find_topic(send, index);
    if (topic && topic_is_waiting(topic)) {
        send_hold(send, index, topic);
        return SENT_DONE;
    }
    if (!unsent)
        return SENT_DONE;
    if (!topic)
        return send_bury_one_too_many(send, index, error);
    if (topic->state == TOPIC_SHUT)
        return send_bury(send, index, topic->name, topic->reason, error);
    return send_message(send, index, topic, error);
}

bool pump_is_for_kafka(const struct record *record)
{
    static const struct slice own = {KAFKA_PUMP_NAME " ", sizeof KAFKA_PUMP_NAME};

    if (record->flags & RECORD_UNDECODABLE)
        return false;
    return !(record->flags & RECORD_REPLAYED) ||
           (record->origin.length > own.length && memcmp(record->origin.data, own.data, own.length) == 0);
}

/* Takes the position if that is still to be done, with what is known before anything is sent. */
static void send_take(struct send *send, size_t topics, enum window_outcome outcome)
{
    struct window *window = &send->lane->window;

    if (window->read < send->entry->sequence) {
        window_take(window, (uint16_t)((1U << topics) - 1), outcome);
        send->pump->once.epoch = send->entry->epoch;
    }
}

/* Nobody knows its topics: a dead letter of none. */
static enum sent send_lost(struct send *send, struct error *error)
{
    send_take(send, 1, WINDOW_DEAD_LETTERED);
    return window_unsent(&send->lane->window, send->entry->sequence) & 1
               ? send_bury(send, 0, "", error->text, error)
               : SENT_DONE;
}

static enum sent send_damaged(struct send *send, const struct error *error)
{
    journal_tell_missed(
        send->pump->options.journal, KAFKA_PUMP_NAME, send->entry->sequence, send->entry->sequence);
    send_take(send, 0, WINDOW_DAMAGED);
    log_event_always(LOG_ERROR, "outlet.record_damaged", log_text("outlet", KAFKA_PUMP_NAME),
        log_number("sequence", (int64_t)send->entry->sequence), log_text("reason", error->text));
    return SENT_DONE;
}

static enum sent send_main_record(
    struct kafka_pump *pump, const struct journal_entry *entry, struct error *error)
{
    struct lane *lane = &pump->main;
    struct send send = {.pump = pump, .lane = lane, .entry = entry, .record = &lane->record};

    if (record_decode(entry->body.data, entry->body.length, &lane->record, error))
        return send_damaged(&send, error);
    if (pump->sample <= lane->window.done) {
        pump->sample = entry->sequence;
        pump->received = lane->record.received;
    }
    if (!pump_is_for_kafka(&lane->record)) {
        send_take(&send, 0, WINDOW_NOT_FOR_OUTLET);
        return SENT_DONE;
    }
    if (kafka_render_topics(pump->renderer, &lane->record, &send.topics, error))
        return error->kind == ERROR_REJECT ? send_lost(&send, error) : SENT_FAILED;
    send.rendering = send.topics->rendering;
    send_take(&send, send.topics->count, send.topics->count ? WINDOW_DELIVERED : WINDOW_NOT_FOR_OUTLET);
    for (unsigned index = 0; index < send.topics->count; index++) {
        bool unsent = window_unsent(&lane->window, entry->sequence) & 1U << index;
        enum sent sent = send_main_topic(&send, index, unsent, error);
        if (sent != SENT_DONE)
            return sent;
    }
    return SENT_DONE;
}

/* ---- damage ------------------------------------------------------------------------------------------------ */

static void send_damage(struct lane *lane, bool told)
{
    struct window *window = &lane->window;

    if (!told && window->read >= window->known)
        log_event_always(LOG_ERROR, "outlet.journal_damaged", log_text("outlet", KAFKA_PUMP_NAME),
            log_number("first", (int64_t)window->read + 1),
            log_number("last", (int64_t)(lane->entry.type == JOURNAL_ENTRY_RECORD ? lane->entry.sequence - 1
                                                                                  : lane->entry.last)));
    window_take(window, 0, WINDOW_DAMAGED);
}

/* ---- the drain lane ---------------------------------------------------------------------------------------- */

/* The topics of the record that are being drained and not done with it, as bits. */
static uint16_t send_drained_topics(const struct send *send)
{
    uint16_t bits = 0;

    for (unsigned index = 0; index < send->topics->count; index++) {
        const struct topic *topic = topics_find(&send->pump->topics, send->topics->names[index]);
        if (topic && topic->state == TOPIC_DRAINING && topic->done < send->entry->sequence)
            bits |= (uint16_t)(1U << index);
    }
    return bits;
}

/* To those that are being drained it is sent. It goes on waiting for others, also for one that was refused meanwhile. */
static enum sent send_drain_topics(struct send *send, struct error *error)
{
    struct window *window = &send->lane->window;
    const uint64_t position = send->entry->sequence;

    for (unsigned index = 0; index < send->topics->count; index++) {
        struct topic *topic = topics_find(&send->pump->topics, send->topics->names[index]);
        bool unsent = window_unsent(window, position) & 1U << index;
        enum sent sent = SENT_DONE;
        if (topic && topic_is_waiting(topic) && topic->state != TOPIC_DRAINING && topic->done < position)
            window_hold(window, position, index);
        else if (unsent && topic && topic->state == TOPIC_DRAINING)
            sent = topic->bury ? send_bury(send, index, topic->name, topic->reason, error)
                               : send_message(send, index, topic, error);
        else if (unsent)
            window_finish(window, position, index, WINDOW_DELIVERED);
        if (sent != SENT_DONE)
            return sent;
    }
    return SENT_DONE;
}

int pump_render_held(struct kafka_pump *pump, const struct journal_entry *entry, struct record *ret_record,
    const struct rendered_topics **ret_topics, struct error *error)
{
    if (record_decode(entry->body.data, entry->body.length, ret_record, error) ||
        !pump_is_for_kafka(ret_record))
        return 0;
    if (kafka_render_topics(pump->renderer, ret_record, ret_topics, error) == 0)
        return 1;
    return error->kind == ERROR_REJECT ? 0 : -1;
}

static enum sent send_drain_record(
    struct kafka_pump *pump, const struct journal_entry *entry, struct error *error)
{
    struct lane *lane = &pump->drain;
    struct send send = {.pump = pump, .lane = lane, .drain = true, .entry = entry, .record = &lane->record};

    int held = pump_render_held(pump, entry, &lane->record, &send.topics, error);
    if (held < 0)
        return SENT_FAILED;
    if (held == 0) {
        send_take(&send, 0, WINDOW_NOT_FOR_OUTLET);
        return SENT_DONE;
    }
    send.rendering = send.topics->rendering;
    if (lane->window.read < entry->sequence) {
        uint16_t bits = send_drained_topics(&send);
        window_take(&lane->window, bits, bits ? WINDOW_DELIVERED : WINDOW_NOT_FOR_OUTLET);
    }
    return send_drain_topics(&send, error);
}

/* ---- batches ----------------------------------------------------------------------------------------------- */

typedef enum sent send_record_fn(
    struct kafka_pump *pump, const struct journal_entry *entry, struct error *error);

static int send_batch(
    struct kafka_pump *pump, struct lane *lane, uint64_t until, send_record_fn *record, struct error *error)
{
    bool told = false;

    for (int taken = 0; taken < KAFKA_PUMP_BATCH && !pump->replay; taken++) {
        const struct journal_entry *entry;
        /* One that is begun is sent to its end. */
        int found = lane_next(lane, pump_once_is_closing(pump) ? lane->window.read : until, &entry, error);
        if (found <= 0)
            return found;
        if (!entry) {
            journal_tell_missed(
                pump->options.journal, KAFKA_PUMP_NAME, lane->window.read + 1, lane->window.read + 1);
            send_damage(lane, told);
            told = true;
            continue;
        }
        told = false;
        enum sent sent = record(pump, entry, error);
        if (sent != SENT_DONE) {
            pump->blocked = true;
            return sent == SENT_WAIT ? 0 : -1;
        }
        lane_pass(lane);
    }
    return 1;
}

int pump_read_main(struct kafka_pump *pump, struct error *error)
{
    if (pump_is_closing(pump)) {
        pump->blocked = true;
        return 0;
    }
    return send_batch(pump, &pump->main, UINT64_MAX, send_main_record, error);
}

int pump_read_drain(struct kafka_pump *pump, struct error *error)
{
    return send_batch(pump, &pump->drain, pump->main.window.done, send_drain_record, error);
}
