/* kafka_store: cursor and marks into the journal; see kafka_pump_internal.h
 *
 * What must hold after any crash: when the stored cursor has passed a record that waits, the mark of its topic is stored too;
 * and a mark that has moved is stored together with the totals that moved with it. Of these there are never more than fit
 * into one move: probes and drains begin only as long as there is room.
 */
#include <assert.h>
#include <string.h>

#include "outlet/kafka_pump_internal.h"

#define STORE_SETTLE (CLOCK_SECOND / 10) /* between two moves of a drain's marks */

_Static_assert(PUMP_MARKS <= JOURNAL_MARKS_UNWRITTEN, "a move has to fit");

size_t pump_counted(const struct kafka_pump *pump)
{
    size_t count = 0;

    for (size_t i = 0; i < pump->topics.count; i++)
        count += pump->topics.items[i]->counted || pump->topics.items[i]->state == TOPIC_DRAINING;
    return count;
}

/* Where a mark was lost in a damaged journal, an older one counts again, and more waits than the totals say. */
static void store_release(struct kafka_pump *pump, uint64_t count, uint64_t *total)
{
    count = count < pump->cursor.held ? count : pump->cursor.held;
    pump->cursor.held -= count;
    *total += count;
}

void pump_settle_drain(struct kafka_pump *pump)
{
    store_release(pump, pump->drained[WINDOW_DELIVERED], &pump->cursor.delivered);
    store_release(pump, pump->drained[WINDOW_DEAD_LETTERED], &pump->cursor.dead_lettered);
    memset(pump->drained, 0, sizeof pump->drained);
    for (size_t i = 0; i < pump->topics.count; i++) {
        struct topic *topic = pump->topics.items[i];
        if (topic->state != TOPIC_DRAINING || topic->done >= pump->drain.window.done)
            continue;
        topic->done = pump->drain.window.done;
        topic->unwritten = topic->counted = true;
    }
    pump->settle_at = clock_monotonic(pump->options.clock) + STORE_SETTLE;
}

void pump_count(struct journal_cursor *cursor, const uint64_t counts[WINDOW_OUTCOMES], uint64_t position)
{
    cursor->position = position;
    cursor->delivered += counts[WINDOW_DELIVERED];
    cursor->not_for_outlet += counts[WINDOW_NOT_FOR_OUTLET];
    cursor->damaged += counts[WINDOW_DAMAGED];
    cursor->dead_lettered += counts[WINDOW_DEAD_LETTERED];
    cursor->held += counts[WINDOW_HELD];
}

static void store_advance(struct kafka_pump *pump)
{
    uint64_t counts[WINDOW_OUTCOMES] = {0};

    window_advance(&pump->main.window, counts);
    pump_count(&pump->cursor, counts, pump->main.window.done);
    if (!pump->draining)
        return;
    window_advance(&pump->drain.window, pump->drained);
    if (clock_monotonic(pump->options.clock) >= pump->settle_at)
        pump_settle_drain(pump);
}

static uint64_t store_position(const struct topic *topic)
{
    return topic_is_waiting(topic) ? topic->done : JOURNAL_MARK_FREE;
}

/* In the order in which they have to be written. */
enum store_kind { STORE_COUNTED, STORE_WAITING, STORE_FREE };

static enum store_kind store_kind(const struct topic *topic)
{
    return topic->counted ? STORE_COUNTED : topic_is_waiting(topic) ? STORE_WAITING : STORE_FREE;
}

/* Changed marks of one kind, as many as fit; counts on from `count`. *ret_all: these were all. */
static size_t store_collect(struct kafka_pump *pump, struct topic *changed[PUMP_MARKS], size_t count,
    enum store_kind kind, bool *ret_all)
{
    *ret_all = true;
    for (size_t i = 0; i < pump->topics.count; i++) {
        struct topic *topic = pump->topics.items[i];
        if (!topic->unwritten || store_kind(topic) != kind)
            continue;
        if (count == PUMP_MARKS) {
            *ret_all = false;
            break;
        }
        changed[count++] = topic;
    }
    return count;
}

/* 1: stored, 0: later, -1: never */
static int store_move(struct kafka_pump *pump, const struct journal_cursor *cursor,
    struct topic *const *changed, size_t count, struct error *error)
{
    struct journal_mark marks[PUMP_MARKS] = {0};

    for (size_t i = 0; i < count; i++) {
        memcpy(marks[i].name, changed[i]->name, sizeof marks[i].name);
        marks[i].position = store_position(changed[i]);
    }
    if (journal_cursor_move_marked(pump->options.journal, KAFKA_PUMP_NAME, cursor, marks, count, error))
        return error->kind == ERROR_RETRY ? 0 : -1;
    for (size_t i = 0; i < count; i++)
        changed[i]->unwritten = changed[i]->counted = false;
    pump->told = *cursor;
    return 1;
}

static int store_write(struct kafka_pump *pump, struct error *error)
{
    struct topic *changed[PUMP_MARKS];
    bool all;
    size_t count = store_collect(pump, changed, 0, STORE_COUNTED, &all);

    assert(all);
    count = store_collect(pump, changed, count, STORE_WAITING, &all);
    if (!all) {
        /* Too many for one move: first those that moved without the totals, the cursor has to wait. */
        count = store_collect(pump, changed, 0, STORE_WAITING, &all);
        return store_move(pump, &pump->told, changed, count, error) < 0 ? -1 : 0;
    }
    count = store_collect(pump, changed, count, STORE_FREE, &all);
    if (count == 0 && memcmp(&pump->cursor, &pump->told, sizeof pump->cursor) == 0)
        return 0;
    return store_move(pump, &pump->cursor, changed, count, error) < 0 ? -1 : 0;
}

int pump_store(struct kafka_pump *pump, struct error *error)
{
    /* Before a watermark moves over them. */
    if (pump->letters && dead_letters_sync(pump->options.dead_letters, error)) {
        /* They are added again, by records that are read again; what was delivered meanwhile is sent again, too. */
        pump_drop_producer(pump);
        lane_start(&pump->main, pump->main.window.done);
        if (pump->draining)
            lane_start(&pump->drain, pump->drain.window.done);
        pump->letters = false;
        return error_wrap(error, "dead letters");
    }
    pump->letters = false;
    if (!pump->options.exactly_once)
        store_advance(pump);
    else if (pump_once_work(pump, error))
        return -1;
    return store_write(pump, error);
}
