/* kafka_pump: producers, their reports, and the step; see kafka_pump.h and kafka_pump_internal.h */
#include "outlet/kafka_pump_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "outlet/worker.h"

#define PUMP_NAMED 3 /* held topics that /readyz names */
#define PUMP_LAST_WORDS (CLOCK_SECOND / 2) /* for the reports of a producer that is to be replaced */

/* ---- opening and closing ----------------------------------------------------------------------------------- */

struct pump_restore {
    struct kafka_pump *pump;
    struct error *error;
    int result;
};

static void pump_restore_mark(void *context, const struct journal_mark *mark)
{
    struct pump_restore *restore = context;

    if (strcmp(mark->name, KAFKA_POSITIONS) != 0 &&
        topics_restore(&restore->pump->topics, mark, restore->error))
        restore->result = -1;
}

void pump_write_off(struct kafka_pump *pump)
{
    size_t waiting = 0;

    for (size_t i = 0; i < pump->topics.count; i++)
        waiting += topic_is_waiting(pump->topics.items[i]);
    if (waiting || pump->cursor.held == 0)
        return;
    log_event_always(LOG_ERROR, "outlet.held_lost", log_text("outlet", KAFKA_PUMP_NAME),
        log_number("records", (int64_t)pump->cursor.held));
    pump->cursor.damaged += pump->cursor.held;
    pump->cursor.held = 0;
}

static int pump_restore(struct kafka_pump *pump, struct error *error)
{
    const struct kafka_pump_options *options = &pump->options;
    struct pump_restore restore = {pump, error, 0};

    if (journal_cursor(options->journal, KAFKA_PUMP_NAME, &pump->cursor, error) ||
        topics_open(&pump->topics, options->max_topics, options->max_marks, error) ||
        lane_open(&pump->main, options->journal, error) ||
        kafka_renderer_open(&pump->renderer, options->renderings, options->gateway_id,
            kafka_client_max_message(options->client), error))
        return -1;
    pump->told = pump->cursor;
    lane_start(&pump->main, pump->cursor.position);
    journal_marks(options->journal, KAFKA_PUMP_NAME, pump_restore_mark, &restore);
    pump_write_off(pump);
    return restore.result ? -1 : pump_once_restore(pump, error);
}

int kafka_pump_open(
    struct kafka_pump **ret_pump, const struct kafka_pump_options *options, struct error *error)
{
    __attribute__((cleanup(kafka_pump_close))) struct kafka_pump *pump = calloc(1, sizeof *pump);

    if (!pump)
        return error_set(error, ERROR_RETRY, "kafka outlet: out of memory");
    pump->options = *options;
    pump->limit = PUMP_UNLIMITED;
    pump->confirmed_at = clock_monotonic(options->clock);
    if (pump_restore(pump, error))
        return -1;
    *ret_pump = pump;
    pump = NULL;
    return 0;
}

void kafka_pump_close(struct kafka_pump **pump)
{
    if (!*pump)
        return;
    if ((*pump)->producer && (*pump)->options.exactly_once)
        pump_once_give_up(*pump);
    kafka_producer_close(&(*pump)->producer);
    kafka_producer_close(&(*pump)->prober);
    lane_close(&(*pump)->main);
    lane_close(&(*pump)->drain);
    topics_close(&(*pump)->topics);
    kafka_renderer_close(&(*pump)->renderer);
    free(*pump);
    *pump = NULL;
}

/* ---- producers --------------------------------------------------------------------------------------------- */

void pump_ask_replay(struct kafka_pump *pump, const char *reason)
{
    if (!pump->replay) {
        snprintf(pump->reason, sizeof pump->reason, "%s", reason);
        pump->replace_at = clock_monotonic(pump->options.clock) + PUMP_LAST_WORDS;
    }
    pump->replay = true;
}

void pump_drop_producer(struct kafka_pump *pump)
{
    if (pump->producer)
        pump->retries += kafka_producer_statistics(pump->producer)->retries;
    if (pump->producer && pump->options.exactly_once)
        pump_once_give_up(pump);
    kafka_producer_close(&pump->producer);
    topics_forget_handles(&pump->topics);
    lane_rewind(&pump->main);
    if (pump->draining)
        lane_rewind(&pump->drain);
    pump->burst = 0;
    pump->replay = pump->refused = false;
    pump->failures = pump->progress ? 0 : pump->failures + 1;
    pump->progress = false;
    pump->retry_at = clock_monotonic(pump->options.clock);
    if (pump->failures)
        pump->retry_at += worker_pause(pump->failures);
    if (pump->retry_at < pump->once.wait_until)
        pump->retry_at = pump->once.wait_until;
}

/* ---- topics that take nothing ------------------------------------------------------------------------------ */

void pump_refuse_topic(struct kafka_pump *pump, struct topic *topic, uint64_t done, const char *reason)
{
    const bool open = topic->state == TOPIC_OPEN;
    enum topic_state state = pump->options.shut_unwritable ? TOPIC_SHUT : TOPIC_HELD;
    /* Why it could not be made stands there since it was asked for. */
    const char *creation = open ? topic->reason : "";
    char text[TOPIC_REASON_MAX];

    if (pump->options.exactly_once && !pump->options.shut_unwritable) {
        pump_once_refuse_topic(pump, topic, reason);
        return;
    }
    snprintf(text, sizeof text, "%s%.*s%s", *creation ? "it could not be created: " : "",
        TOPIC_REASON_MAX - 64, *creation ? creation : reason, *creation ? "" : pump_hint(reason));
    if (topic_is_waiting(topic)) {
        pump_settle_drain(
            pump); /* its mark moves up to the drain's watermark: the totals have to come along */
        state = TOPIC_HELD;
        done = done > topic->done ? done : topic->done;
    }
    topic_refuse(&pump->topics, topic, state, done,
        clock_monotonic(pump->options.clock) + pump->options.hold_retry, text);
    topic->fresh = open && state == TOPIC_HELD;
    log_event(LOG_WARN, state == TOPIC_SHUT ? "outlet.topic_shut" : "outlet.topic_held",
        log_text("outlet", KAFKA_PUMP_NAME), log_text("topic", topic->name), log_text("reason", text));
    pump->progress = true;
}

/* ---- reports ----------------------------------------------------------------------------------------------- */

static void pump_topic_refused(
    struct kafka_pump *pump, const struct lane *lane, const struct kafka_report *report)
{
    struct topic *topic = topics_find(&pump->topics, slice_of(report->topic));

    if (topic && (topic->state == TOPIC_OPEN || topic->state == TOPIC_DRAINING))
        pump_refuse_topic(pump, topic, lane->window.done, report->reason);
    pump_ask_replay(pump, report->reason);
}

/* In a batch of several one message is to blame, and nobody says which: they are sent again, a few at a time. */
static void pump_record_refused(struct kafka_pump *pump, struct lane *lane, uint64_t position, unsigned topic,
    const struct kafka_report *report)
{
    struct error error;
    bool stuck = false;

    /* Only what was under way alone is buried, not the rest of the batch that lowered the limit just now. */
    if (pump->limit == 1 && !pump->refused && pump_bury(pump, lane, position, topic, report, &error)) {
        pump_ask_replay(pump, error.text);
        stuck = true; /* the next producer gets no further: not without a pause */
    }
    pump_ask_replay(pump, report->reason);
    pump->limit = 1;
    pump->refused = true;
    pump->progress |= !stuck;
    if (pump->careful_main < pump->main.window.read)
        pump->careful_main = pump->main.window.read;
    if (pump->draining && pump->careful_drain < pump->drain.window.read)
        pump->careful_drain = pump->drain.window.read;
}

void pump_topic_answered(
    const struct kafka_pump *pump, struct topic *topic, const struct kafka_report *report)
{
    topic->asked = false;
    /* Asked again while nothing works anyway; it must not stop what does. */
    topic->made = report->outcome != KAFKA_TOPIC_UNANSWERED || pump->progress;
    /* It may be there all the same. When it is not, this belongs to the reason. */
    snprintf(topic->reason, sizeof topic->reason, "%s",
        report->outcome == KAFKA_TOPIC_CREATED ? "" : report->reason);
}

static void pump_reported(void *context, const struct kafka_report *report)
{
    struct kafka_pump *pump = context;
    struct lane *lane = pump_tag_drain(report->tag) ? &pump->drain : &pump->main;
    const uint64_t position = pump_tag_position(report->tag);
    const unsigned topic = pump_tag_topic(report->tag);

    if (report->outcome >= KAFKA_TOPIC_CREATED) {
        struct topic *made = topics_find(&pump->topics, slice_of(report->topic));
        if (made)
            pump_topic_answered(pump, made, report);
        return;
    }
    if (position != PUMP_NO_POSITION)
        window_reported(&lane->window, position, topic, report->outcome == KAFKA_DELIVERED);
    if (report->outcome == KAFKA_DELIVERED) {
        pump->heard = true;
        pump->progress |= !pump->options.exactly_once; /* there it takes a commit */
    } else if (position == PUMP_NO_POSITION) {
        pump_ask_replay(pump, report->reason);
    } else if (report->outcome == KAFKA_TOPIC_REFUSED) {
        pump_topic_refused(pump, lane, report);
    } else if (report->outcome == KAFKA_RECORD_REFUSED) {
        pump_record_refused(pump, lane, position, topic, report);
    } else {
        pump->once.returned |= !pump->replay;
        pump_ask_replay(pump, report->reason);
    }
}

/* A burst that is confirmed as a whole may be twice as large, until what was refused is behind. */
static void pump_widen(struct kafka_pump *pump)
{
    if (pump->limit == PUMP_UNLIMITED || pump_in_flight(pump) || pump->replay)
        return;
    if (pump->options.exactly_once && pump->main.window.done < pump->main.window.read)
        return; /* what is not committed may have to be sent again */
    if (pump->burst && pump->limit < WINDOW_POSITIONS)
        pump->limit *= 2;
    pump->burst = 0;
    /* Also when what was refused is the last there was, and nothing is sent behind it. */
    if (pump->main.window.done < pump->careful_main ||
        (pump->draining && pump->drain.window.done < pump->careful_drain))
        return;
    pump->limit = PUMP_UNLIMITED;
    if (pump->careful)
        pump_drop_producer(pump);
}

size_t pump_poll(struct kafka_pump *pump, int64_t timeout)
{
    size_t taken = 0;

    if (pump->prober)
        taken += kafka_producer_poll(pump->prober, 0, pump_probed, pump);
    if (pump->producer)
        taken += kafka_producer_poll(pump->producer, timeout, pump_reported, pump);
    if (pump->heard || pump_in_flight(pump) == 0)
        pump->confirmed_at = clock_monotonic(pump->options.clock);
    pump->heard = false;
    return taken;
}

/* ---- the role ---------------------------------------------------------------------------------------------- */

/* A producer that is to be replaced still says what became of its messages: which of them was refused, and which need not be
 * sent again. True: it has to be waited for. */
static bool pump_hears_last_words(struct kafka_pump *pump)
{
    if (!pump->replay)
        return false;
    if (pump_in_flight(pump) && clock_monotonic(pump->options.clock) < pump->replace_at)
        return true;
    pump_drop_producer(pump);
    pump->replays++;
    return false;
}

static int pump_open_producer(struct kafka_pump *pump, struct error *error)
{
    if (pump->options.exactly_once)
        return pump_once_open(pump, error);
    pump->careful = pump->limit != PUMP_UNLIMITED;
    return kafka_producer_open(&pump->producer, pump->options.client,
        pump->careful ? KAFKA_ROLE_CAREFUL : KAFKA_ROLE_MAIN, 0, error);
}

/* 1: there is a producer that works, 0: not yet. */
static int pump_have_producer(struct kafka_pump *pump, struct error *error)
{
    const char *broken = pump->producer ? kafka_producer_broken(pump->producer) : NULL;

    if (broken)
        pump_ask_replay(pump, broken);
    if (pump_hears_last_words(pump))
        return 0;
    if (clock_monotonic(pump->options.clock) < pump->retry_at)
        return 0;
    if (!pump->producer && pump_open_producer(pump, error)) {
        pump->retry_at = clock_monotonic(pump->options.clock) + worker_pause(++pump->failures);
        if (pump->retry_at < pump->once.wait_until)
            pump->retry_at = pump->once.wait_until;
        return -1;
    }
    return 1;
}

static int pump_work(struct kafka_pump *pump, struct error *error)
{
    int ready = pump_have_producer(pump, error);

    pump->blocked = false;
    if (ready <= 0)
        return ready;
    /* By turns, so that neither takes all the room in the queue; while messages are sent a few at a time the drain has to get
     * through first, for it may hold the one that is refused. */
    const bool drain_first = pump->draining && (pump->limit != PUMP_UNLIMITED || pump->drain_turn);
    int more = drain_first ? pump_read_drain(pump, error) : pump_read_main(pump, error);
    pump->drain_turn = !pump->drain_turn;
    if (more >= 0 && pump->draining && !pump->replay) {
        int other = drain_first ? pump_read_main(pump, error) : pump_read_drain(pump, error);
        more = other < 0 ? -1 : more | other;
    }
    return more;
}

/* It is tried again after a pause; the reason stands until then. */
static void pump_fail(struct kafka_pump *pump, const struct error *error)
{
    const int64_t least = clock_monotonic(pump->options.clock) + OUTLET_BACKOFF_LEAST;

    pump->retry_at = pump->retry_at > least ? pump->retry_at : least;
    snprintf(pump->reason, sizeof pump->reason, "%s", error->text);
}

int kafka_pump_step(struct kafka_pump *pump, struct error *error)
{
    bool polled = pump_poll(pump, 0) > 0;

    if (!pump->replay && pump->limit == PUMP_UNLIMITED && (pump->progress || kafka_pump_is_done(pump)) &&
        clock_monotonic(pump->options.clock) >= pump->retry_at)
        pump->reason[0] = '\0';
    int worked = pump_work(pump, error);
    /* Behind a topic that was just refused no watermark may move before its records are read again. */
    if (worked >= 0 && !pump->replay && (pump_store(pump, error) || pump_work_on_held(pump, error)))
        worked = -1;
    pump_widen(pump);
    if (worked < 0)
        pump_fail(pump, error);
    return worked < 0 ? -1 : worked > 0 || polled;
}

void kafka_pump_wait(struct kafka_pump *pump, int64_t timeout, unsigned *seen)
{
    const int64_t now = clock_monotonic(pump->options.clock);
    int64_t due = pump_hold_due(pump), commit = pump_once_when_due(pump);

    due = commit < due ? commit : due;
    due = pump->retry_at > now && pump->retry_at < due ? pump->retry_at : due;
    if (due <= now)
        timeout = 1;
    else if (due - now < timeout)
        timeout = due - now;
    if (pump->producer && (pump_in_flight(pump) || pump->blocked))
        pump_poll(pump, timeout);
    else
        journal_wait(
            pump->options.journal, pump->retry_at > now ? UINT64_MAX : pump->main.window.read, timeout, seen);
}

bool kafka_pump_is_done(const struct kafka_pump *pump)
{
    return pump->main.window.done == journal_durable(pump->options.journal) && pump_in_flight(pump) == 0 &&
           !pump->draining && pump->told.position == pump->main.window.done;
}

static void pump_find_trouble(const struct kafka_pump *pump, char text[ERROR_TEXT_SIZE])
{
    const char *trouble = pump->producer ? kafka_producer_trouble(pump->producer) : NULL;
    const int64_t silent = clock_monotonic(pump->options.clock) - pump->confirmed_at;
    const uint64_t under_way = pump_in_flight(pump);

    text[0] = '\0';
    if (trouble && under_way)
        snprintf(text, ERROR_TEXT_SIZE, "%s", trouble);
    else if (under_way && silent > KAFKA_PUMP_SILENCE)
        snprintf(text, ERROR_TEXT_SIZE,
            "no answer from the brokers for %" PRId64 " s, %" PRIu64 " messages under way",
            silent / CLOCK_SECOND, under_way);
    else
        snprintf(text, ERROR_TEXT_SIZE, "%s", pump->reason);
}

/* "X1, X2, X3 and 29 more: the topic does not exist: ..." */
static void pump_describe_held(const struct kafka_pump *pump, struct kafka_pump_status *status)
{
    const char *reason = "";
    size_t length = 0;

    for (size_t i = 0; i < pump->topics.count; i++) {
        const struct topic *topic = pump->topics.items[i];
        if (topic->state == TOPIC_OPEN)
            continue;
        if (status->topics_held++ == 0)
            reason = topic->reason;
        if (status->topics_held > PUMP_NAMED)
            continue;
        length += (size_t)snprintf(
            status->held + length, sizeof status->held - length, "%s%.40s", length ? ", " : "", topic->name);
    }
    if (status->topics_held > PUMP_NAMED)
        length += (size_t)snprintf(status->held + length, sizeof status->held - length,
            " and %" PRIu64 " more", status->topics_held - PUMP_NAMED);
    snprintf(status->held + length, sizeof status->held - length, ": %.160s", reason);
}

void kafka_pump_status(const struct kafka_pump *pump, struct kafka_pump_status *ret_status)
{
    *ret_status = (struct kafka_pump_status){
        .cursor = pump->told,
        .in_flight = pump_in_flight(pump),
        .replays = pump->replays,
        .retries = pump->retries,
        .topics = pump->topics.count,
        .topics_full = pump->topics.count >= pump->topics.most,
    };
    if (pump->told.position < journal_durable(pump->options.journal))
        ret_status->lag_since = pump->sample ? pump->received : clock_wall(pump->options.clock);
    if (pump->topics.closed)
        pump_describe_held(pump, ret_status);
    if (pump->producer) {
        ret_status->statistics = kafka_producer_statistics(pump->producer);
        ret_status->retries += ret_status->statistics->retries;
    }
    pump_find_trouble(pump, ret_status->trouble);
}
