/* kafka_once: `delivery: exactly-once`; see kafka_pump_internal.h
 *
 * Whole records go into a transaction, as many as come within a time, and with them the position behind the last of them. What a crash, an abort or a lost
 * answer leaves open is settled by whoever opens the next producer: the position that is committed then is where to go on. The journal's cursor follows
 * it, and is never ahead, so that nothing is freed that Kafka does not have.
 *
 * A position is believed only when this journal knows it. Before the first transaction a mark says durably that there is one to be found: where it
 * is missing, or older than the cursor, Kafka has lost it, and the outlet stops rather than send anything twice or leave anything out.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "outlet/kafka_pump_internal.h"

#define ONCE_ID "penstock-" /* of transactions, before the gateway's id */
#define ONCE_FENCED (10 * CLOCK_SECOND) /* until a producer that was fenced is replaced, */
#define ONCE_FENCED_AGAIN (300 * CLOCK_SECOND) /* and when nothing was committed since the last time */
#define ONCE_LOOKS 20 /* per second, at the journal */
#define ONCE_ABORT CLOCK_SECOND /* readers of committed records need not wait for what was given up */
#define ONCE_ID_MAX (sizeof ONCE_ID + JOURNAL_GATEWAY_ID_MAX)

/* ---- where to go on -------------------------------------------------------------------------------------------- */

struct once_found {
    enum kafka_position_state state;
    struct kafka_position position; /* if it is known */
};

static int once_find(
    struct kafka_pump *pump, enum kafka_position_wait wait, struct once_found *found, struct error *error)
{
    const struct kafka_pump_options *options = &pump->options;
    cleanup_bytes struct bytes value;

    bytes_init(&value, KAFKA_POSITION_MAX);
    if (kafka_position_read(
            options->client, options->gateway_id, wait, &value, &found->state, &options->patience, error))
        return -1;
    if (found->state == KAFKA_POSITION_KNOWN &&
        kafka_position_decode((struct slice){value.data, value.length}, &found->position, error))
        return error_wrap(error, "kafka: topic " KAFKA_POSITIONS ", key %s", options->gateway_id);
    return 0;
}

/* The rest of the sentence says what does not fit. */
static int once_stop(const struct kafka_pump *pump, struct error *error, const char *what)
{
    return error_set(error, ERROR_FATAL,
        "exactly-once: %s. Nothing is sent: see \"Exactly once\" in the README; key %s of topic " KAFKA_POSITIONS,
        what, pump->options.gateway_id);
}

static int once_check_log(const struct kafka_pump *pump, const struct once_found *found, struct error *error)
{
    if (found->state != KAFKA_POSITION_KNOWN || found->position.log == journal_log(pump->options.journal))
        return 0;
    return once_stop(pump, error,
        "the position in Kafka was written with another journal: the data directory was lost or exchanged, or another gateway has this "
        "gateway.id");
}

/* Whether the record there is the one that the position speaks of, as far as it can be read. */
static int once_check_record(
    struct kafka_pump *pump, const struct kafka_position *position, struct error *error)
{
    __attribute__((cleanup(journal_reader_close))) struct journal_reader *reader = NULL;
    struct journal_entry entry;

    if (journal_reader_open(&reader, pump->options.journal, position->cursor.position - 1, error))
        return -1;
    const int read = journal_read(reader, &entry, error);
    if (read < 0)
        return -1;
    if (read == 0 || entry.type != JOURNAL_ENTRY_RECORD || entry.sequence != position->cursor.position ||
        entry.epoch == position->epoch || position->epoch == 0)
        return 0;
    return once_stop(pump, error,
        "the position in Kafka is that of another copy of this data directory, which has gone on by itself");
}

/* Whether the journal knows this place. What is decided may be an older one. */
static int once_check(struct kafka_pump *pump, enum kafka_position_wait wait, const struct once_found *found,
    struct error *error)
{
    const uint64_t there = found->position.cursor.position;
    const bool known = found->state == KAFKA_POSITION_KNOWN;

    if (once_check_log(pump, found, error))
        return -1;
    if (!known || there < pump->cursor.position) {
        /* It was not exactly-once before, or somebody wants to begin anew: the journal's cursor counts. */
        if (!pump->once.elsewhere || found->state == KAFKA_POSITION_DELETED || wait == KAFKA_POSITION_DECIDED)
            return 0;
        return once_stop(pump, error,
            known ? "the position in Kafka is older than the journal's: Kafka has lost records"
                  : "the position in Kafka is gone: the topic was deleted, or the brokers are others");
    }
    if (there > journal_durable(pump->options.journal))
        return once_stop(pump, error,
            "the position in Kafka is ahead of the journal: the data directory is an older copy");
    return there == pump->cursor.position ? 0 : once_check_record(pump, &found->position, error);
}

/* ---- the mark that says so --------------------------------------------------------------------------------------- */

static void once_see_mark(void *context, const struct journal_mark *mark)
{
    if (strcmp(mark->name, KAFKA_POSITIONS) == 0)
        *(bool *)context = mark->position == JOURNAL_MARK_ELSEWHERE;
}

static int once_mark(struct kafka_pump *pump, uint64_t position, struct error *error)
{
    const struct journal_mark mark = {.name = KAFKA_POSITIONS, .position = position};

    return journal_cursor_move_marked(pump->options.journal, KAFKA_PUMP_NAME, &pump->told, &mark, 1, error);
}

static void once_find_metrics(struct pump_once *once)
{
    once->committed = metric_series(METRIC_KAFKA_TRANSACTIONS, "committed", NULL, NULL);
    once->aborted = metric_series(METRIC_KAFKA_TRANSACTIONS, "aborted", NULL, NULL);
    once->seconds = metric_series(METRIC_KAFKA_COMMIT_SECONDS, NULL, NULL, NULL);
}

int pump_once_restore(struct kafka_pump *pump, struct error *error)
{
    if (pump->options.exactly_once)
        once_find_metrics(&pump->once);
    journal_marks(pump->options.journal, KAFKA_PUMP_NAME, once_see_mark, &pump->once.elsewhere);
    /* From now on the cursor goes its own way. It cannot be durable before this is. */
    if (pump->options.exactly_once || !pump->once.elsewhere)
        return 0;
    pump->once.elsewhere = false;
    return once_mark(pump, JOURNAL_MARK_FREE, error);
}

/* Durably, before a record can be committed. */
static int once_promise(struct kafka_pump *pump, struct error *error)
{
    unsigned seen = 0;
    bool stored = false;

    if (once_mark(pump, JOURNAL_MARK_ELSEWHERE, error))
        return -1;
    for (unsigned looks = 1; !stored; looks++) {
        journal_wait(pump->options.journal, UINT64_MAX, CLOCK_SECOND / ONCE_LOOKS, &seen);
        journal_marks(pump->options.journal, KAFKA_PUMP_NAME, once_see_mark, &stored);
        if (!stored && looks % ONCE_LOOKS == 0 &&
            !pump->options.patience.wait(pump->options.patience.context,
                "exactly-once: the journal cannot write that the position is in Kafka"))
            return error_set(error, ERROR_RETRY, "exactly-once: the journal has not written its mark yet");
    }
    pump->once.elsewhere = true;
    return 0;
}

/* ---- producers --------------------------------------------------------------------------------------------------- */

/* Records that wait behind a mark have been passed: no transaction can tell of them. */
static int once_check_held(const struct kafka_pump *pump, struct error *error)
{
    for (size_t i = 0; i < pump->topics.count; i++) {
        if (topic_is_waiting(pump->topics.items[i]))
            return error_set(error, ERROR_FATAL,
                "exactly-once: topic %s is held since kafka.delivery was at-least-once: set it back until its records are delivered",
                pump->topics.items[i]->name);
    }
    return 0;
}

/* What stands in the producer's transaction is committed, and this position with it. */
static int once_commit(struct kafka_pump *pump, const struct kafka_position *position, struct error *error)
{
    const struct kafka_pump_options *options = &pump->options;
    cleanup_bytes struct bytes value;

    bytes_init(&value, KAFKA_POSITION_MAX);
    if (kafka_position_encode(position, &value, error))
        return -1;
    const struct kafka_message message = {
        .key = slice_of(options->gateway_id),
        .value = {value.data, value.length},
        .time = clock_wall(options->clock),
        .tag = pump_tag(PUMP_NO_POSITION, 0, false),
    };
    if (kafka_producer_send(pump->producer, pump->once.positions, &message, error) != KAFKA_SENT)
        return -1;
    const int64_t begin = clock_monotonic(options->clock);
    const int failed = kafka_transaction_commit(pump->producer, &options->patience, error);
    pump->once.undecided = kafka_transaction_is_undecided(pump->producer) ? position->cursor.position : 0;
    if (failed)
        return -1;
    metric_observe(pump->once.seconds, (double)(clock_monotonic(options->clock) - begin) / CLOCK_SECOND);
    metric_add(pump->once.committed, 1);
    return kafka_transaction_begin(pump->producer, error);
}

/* Where there is none: the first position, and then the mark, for who finds the mark has to find a position. */
static int once_found_position(struct kafka_pump *pump, enum kafka_position_state state, struct error *error)
{
    const struct kafka_position position = {
        .log = journal_log(pump->options.journal), .cursor = pump->cursor};

    if ((state != KAFKA_POSITION_KNOWN || !pump->once.elsewhere) && once_commit(pump, &position, error))
        return -1;
    return pump->once.elsewhere ? 0 : once_promise(pump, error);
}

/* The ledger is Kafka's, too, unless the outlet has gone on here with at-least-once: then what is ahead counts as delivered. */
static void once_adopt(struct journal_cursor *cursor, const struct journal_cursor *there)
{
    if (there->base == cursor->base && there->delivered >= cursor->delivered &&
        there->dead_lettered >= cursor->dead_lettered && there->not_for_outlet >= cursor->not_for_outlet &&
        there->damaged >= cursor->damaged) {
        *cursor = *there;
        return;
    }
    cursor->delivered += there->position - cursor->position;
    cursor->position = there->position;
}

/* Of the transaction that was given up last. */
static void once_decide(struct pump_once *once, const struct once_found *found)
{
    const bool done =
        found->state == KAFKA_POSITION_KNOWN && found->position.cursor.position >= once->undecided;

    if (once->undecided)
        metric_add(done ? once->committed : once->aborted, 1);
    once->undecided = 0;
}

static int once_begin(struct kafka_pump *pump, struct error *error)
{
    char id[ONCE_ID_MAX];
    struct once_found found = {0};

    snprintf(id, sizeof id, ONCE_ID "%s", pump->options.gateway_id);
    /* Who has no business here finds out before he stops the one who has. */
    if (once_check_held(pump, error) || once_find(pump, KAFKA_POSITION_DECIDED, &found, error) ||
        once_check(pump, KAFKA_POSITION_DECIDED, &found, error))
        return -1;
    if (kafka_transactions_open(&pump->producer, pump->options.client, id, &pump->options.patience, error) ||
        once_find(pump, KAFKA_POSITION_ALL, &found, error) ||
        once_check(pump, KAFKA_POSITION_ALL, &found, error))
        return -1;
    once_decide(&pump->once, &found);
    if (found.state == KAFKA_POSITION_KNOWN && found.position.cursor.position > pump->cursor.position)
        once_adopt(&pump->cursor, &found.position.cursor);
    /* Its reports have somewhere to go from now on. */
    pump_poll(pump, 0);
    return kafka_producer_topic(pump->producer, KAFKA_POSITIONS, &pump->once.positions, error) ||
                   kafka_transaction_begin(pump->producer, error) ||
                   once_found_position(pump, found.state, error)
               ? -1
               : 0;
}

int pump_once_open(struct kafka_pump *pump, struct error *error)
{
    if (once_begin(pump, error)) {
        if (pump->producer)
            pump_once_give_up(pump);
        kafka_producer_close(&pump->producer);
        if (error->kind != ERROR_RETRY)
            pump->once.wait_until = clock_monotonic(pump->options.clock) + pump->options.hold_retry;
        return -1;
    }
    if (pump->main.window.done != pump->cursor.position) {
        log_event(LOG_INFO, "outlet.position", log_text("outlet", KAFKA_PUMP_NAME),
            log_number("journal", (int64_t)pump->main.window.done),
            log_number("kafka", (int64_t)pump->cursor.position));
        lane_start(&pump->main, pump->cursor.position);
    }
    return 0;
}

/* Brokers end what lasts too long as another producer would. Our own clock tells. */
static bool once_was_late(const struct kafka_pump *pump)
{
    return pump->once.begun_at && clock_monotonic(pump->options.clock) - pump->once.begun_at >=
                                      kafka_client_transaction_timeout(pump->options.client);
}

/* Twice in a row, and nothing committed between: the other one lives. */
static void once_fenced(struct kafka_pump *pump)
{
    const bool again = pump->once.fenced;

    if (once_was_late(pump)) {
        snprintf(pump->reason, sizeof pump->reason,
            "exactly-once: brokers have ended a transaction that took longer than transaction.timeout.ms; its records are sent again");
        return;
    }
    pump->once.fenced = true;
    pump->once.wait_until = clock_monotonic(pump->options.clock) + (again ? ONCE_FENCED_AGAIN : ONCE_FENCED);
    snprintf(pump->reason, sizeof pump->reason,
        "exactly-once: another gateway with gateway.id %s writes to these brokers. %s",
        pump->options.gateway_id,
        again ? "Give each gateway its own id; it is tried again every 5 minutes" : "It is tried again");
    log_event_always(
        LOG_ERROR, "outlet.fenced", log_text("outlet", KAFKA_PUMP_NAME), log_text("reason", pump->reason));
}

void pump_once_give_up(struct kafka_pump *pump)
{
    const char *failure = kafka_transaction_failure(pump->producer);
    const bool empty = pump->main.window.read == pump->main.window.done;

    if (!empty && !kafka_transaction_is_undecided(pump->producer))
        metric_add(pump->once.aborted, 1);
    if (pump->once.returned && *failure)
        snprintf(pump->reason, sizeof pump->reason, "exactly-once: %.400s", failure);
    pump->once.returned = false;
    if (kafka_transactions_fenced(pump->producer))
        once_fenced(pump);
    else
        kafka_transaction_abort(pump->producer, ONCE_ABORT);
    pump->once.positions = NULL;
    pump->once.begun_at = 0;
    pump->once.record = 0;
    lane_revoke(&pump->main);
}

void pump_once_refuse_topic(struct kafka_pump *pump, struct topic *topic, const char *reason)
{
    struct error error;

    error_set(&error, ERROR_RETRY,
        "exactly-once: a transaction cannot leave out topic %s, so nothing is sent: %s%s", topic->name,
        reason, pump_hint(reason));
    pump->once.wait_until = clock_monotonic(pump->options.clock) + pump->options.hold_retry;
    topic->made = false;
    log_event(LOG_WARN, "outlet.topic_held", log_text("outlet", KAFKA_PUMP_NAME),
        log_text("topic", topic->name), log_text("reason", error.text));
    pump_ask_replay(pump, error.text);
}

/* ---- transactions ------------------------------------------------------------------------------------------------ */

static int64_t once_due(const struct kafka_pump *pump)
{
    return pump->once.begun_at ? pump->once.begun_at + pump->options.transaction_every : INT64_MAX;
}

bool pump_once_is_closing(const struct kafka_pump *pump)
{
    const struct window *window = &pump->main.window;

    if (!pump->options.exactly_once || window->read == window->done)
        return false;
    return pump->burst >= pump->limit || window_room(window) == 0 ||
           clock_monotonic(pump->options.clock) >= once_due(pump);
}

int64_t pump_once_when_due(const struct kafka_pump *pump)
{
    const bool waits = !pump->producer || pump->replay || pump->blocked || pump_in_flight(pump) ||
                       pump->retry_at > clock_monotonic(pump->options.clock);

    return pump->options.exactly_once && !waits ? once_due(pump) : INT64_MAX;
}

/* All that was taken has been sent, and is confirmed but not seen yet. */
static bool once_is_complete(const struct window *window)
{
    return window->in_flight == 0 && window_unsent(window, window->read) == 0;
}

int pump_once_work(struct kafka_pump *pump, struct error *error)
{
    struct window *window = &pump->main.window, ahead;
    uint64_t counts[WINDOW_OUTCOMES] = {0};

    if (!pump->producer || window->read == window->done)
        return 0;
    if (!pump->once.begun_at)
        pump->once.begun_at = clock_monotonic(pump->options.clock);
    if (!pump_once_is_closing(pump) || !once_is_complete(window))
        return 0;
    struct kafka_position position = {
        .log = journal_log(pump->options.journal), .epoch = pump->once.epoch, .cursor = pump->cursor};
    ahead = *window; /* the watermark itself moves when this is committed */
    window_advance(&ahead, counts);
    assert(ahead.done == window->read);
    pump_count(&position.cursor, counts, ahead.done);
    if (once_commit(pump, &position, error)) {
        pump_ask_replay(pump, error->text);
        return -1;
    }
    window->done = ahead.done;
    pump->cursor = position.cursor;
    pump->once.begun_at = 0;
    pump->once.fenced = false;
    pump->progress = true;
    return 0;
}
