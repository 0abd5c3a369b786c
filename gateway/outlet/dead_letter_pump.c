/* dead_letter_pump: see dead_letter_pump.h */
#include "outlet/dead_letter_pump.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "outlet/worker.h"

struct dead_letter_pump {
    struct dead_letter_pump_options options;
    struct journal_reader *reader; /* NULL: closed, to be opened at retry_at */
    struct journal_cursor cursor; /* as moved */
    struct journal_cursor read; /* with all that was read, to be moved to once it is durable */
    uint64_t letters; /* added, not durable yet */
    uint64_t failures; /* in a row */
    int64_t retry_at; /* monotonic */
    int64_t received; /* of the last record read */
    int64_t lag_since;
};

/* ---- opening and closing ---------------------------------------------------------------------------------- */

int dead_letter_pump_open(
    struct dead_letter_pump **ret_pump, const struct dead_letter_pump_options *options, struct error *error)
{
    struct journal_cursor cursor;

    if (journal_cursor(options->journal, DEAD_LETTER_PUMP_NAME, &cursor, error))
        return -1;
    struct dead_letter_pump *pump = calloc(1, sizeof *pump);
    if (!pump)
        return error_set(error, ERROR_RETRY, "dead letters: out of memory");
    pump->options = *options;
    pump->cursor = pump->read = cursor;
    *ret_pump = pump;
    return 0;
}

void dead_letter_pump_close(struct dead_letter_pump **pump)
{
    if (!*pump)
        return;
    journal_reader_close(&(*pump)->reader);
    free(*pump);
    *pump = NULL;
}

/* ---- records ---------------------------------------------------------------------------------------------- */

static int pump_add(struct dead_letter_pump *pump, const struct journal_entry *entry,
    const struct record *record, struct error *error)
{
    const struct rendering *rendering = rendering_find(pump->options.renderings, record->rendering);
    char lost[RECORD_STREAM_NAME_MAX + 1], reason[RECORD_REASON_MAX + 1];

    if (record->rendering == RECORD_NO_RENDERING)
        snprintf(lost, sizeof lost, "%s", RECORD_NO_STREAM);
    else
        snprintf(lost, sizeof lost, "lost-rendering-%u", record->rendering);
    snprintf(reason, sizeof reason, "%.*s", (int)record->reason.length, record->reason.data);
    const struct dead_letter letter = {
        .id = {pump->options.gateway_id, entry->epoch, entry->sequence},
        .outlet = DEAD_LETTER_PUMP_SOURCE,
        .stream = rendering ? rendering->stream : lost,
        .topic = "",
        .reason = reason,
        .time = clock_wall(pump->options.clock),
        .record = record,
        .labels = rendering && rendering->labels_count >= record->labels_count
                      ? (const char *const *)rendering->labels
                      : NULL,
    };
    if (dead_letters_add(pump->options.dead_letters, &letter, error))
        return -1;
    pump->letters++;
    pump->read.dead_lettered++;
    return 0;
}

static int pump_record(struct dead_letter_pump *pump, const struct journal_entry *entry, struct error *error)
{
    struct record record;

    if (record_decode(entry->body.data, entry->body.length, &record, error)) {
        pump->read.damaged++;
        return 0; /* the outlets that it was for log it */
    }
    pump->received = record.received;
    if (record.flags & RECORD_UNDECODABLE)
        return pump_add(pump, entry, &record, error);
    pump->read.not_for_outlet++;
    return 0;
}

static int pump_take(struct dead_letter_pump *pump, const struct journal_entry *entry, struct error *error)
{
    const uint64_t next = pump->read.position + 1;
    const uint64_t first = entry->sequence > next ? entry->sequence : next;

    if (entry->last < next)
        return 0;
    if (entry->type == JOURNAL_ENTRY_RECORD && pump_record(pump, entry, error))
        return -1;
    pump->read.damaged += entry->type == JOURNAL_ENTRY_DAMAGE ? entry->last - next + 1 : first - next;
    pump->read.position = entry->last;
    return 0;
}

/* What holds no letter is not read. 1: that was all that is durable. */
static int pump_pass(struct dead_letter_pump *pump, struct error *error)
{
    uint64_t last;

    int passed = journal_reader_pass(pump->reader, &last, error);
    if (passed <= 0)
        return passed;
    pump->received = clock_wall(pump->options.clock); /* nearly: what follows was not there yet */
    pump->read.not_for_outlet += last - pump->read.position;
    pump->read.position = last;
    return 1;
}

/* 1: there may be more, 0: all that is durable is read. */
static int pump_read(struct dead_letter_pump *pump, struct error *error)
{
    struct journal_entry entry;

    int passed = pump_pass(pump, error);
    if (passed)
        return passed < 0 ? -1 : 0;
    for (int taken = 0; taken < DEAD_LETTER_PUMP_BATCH && pump->letters < DEAD_LETTER_PUMP_LETTERS; taken++) {
        int found = journal_read(pump->reader, &entry, error);
        if (found == 0)
            return 0;
        if (found < 0 || pump_take(pump, &entry, error))
            return -1;
    }
    return 1;
}

/* The letters are durable, then the cursor moves. */
static int pump_settle(struct dead_letter_pump *pump, struct error *error)
{
    uint64_t letters = pump->letters;

    pump->letters = 0;
    if (letters && dead_letters_sync(pump->options.dead_letters, error)) {
        pump->read = pump->cursor; /* all of it is read and written again */
        return -1;
    }
    if (pump->read.position != pump->cursor.position)
        journal_cursor_move(pump->options.journal, DEAD_LETTER_PUMP_NAME, &pump->read);
    pump->cursor = pump->read;
    return 0;
}

static int pump_fail(struct dead_letter_pump *pump)
{
    struct error ignored; /* of what failed already, the first reason is told */

    /* Else every try would write again what went well before it. */
    pump_settle(pump, &ignored);
    journal_reader_close(&pump->reader);
    pump->failures++;
    pump->retry_at = clock_monotonic(pump->options.clock) + worker_pause(pump->failures);
    if (pump->lag_since == 0)
        pump->lag_since = clock_wall(pump->options.clock);
    return -1;
}

/* ---- the role --------------------------------------------------------------------------------------------- */

int dead_letter_pump_step(struct dead_letter_pump *pump, struct error *error)
{
    struct journal *journal = pump->options.journal;

    if (!pump->reader) {
        if (clock_monotonic(pump->options.clock) < pump->retry_at)
            return 0;
        if (journal_reader_open(&pump->reader, journal, pump->cursor.position, error))
            return pump_fail(pump);
    }
    int more = pump_read(pump, error);
    if (more < 0 || pump_settle(pump, error))
        return pump_fail(pump);
    pump->failures = 0;
    pump->lag_since = pump->read.position < journal_durable(journal) ? pump->received : 0;
    return more;
}

int dead_letter_pump_drain(struct dead_letter_pump *pump, int64_t deadline, struct error *error)
{
    int result = 1;

    while (result > 0 && clock_monotonic(pump->options.clock) < deadline)
        result = dead_letter_pump_step(pump, error);
    return result < 0 ? -1 : 0;
}

void dead_letter_pump_wait(const struct dead_letter_pump *pump, uint64_t *ret_after, int64_t *ret_until)
{
    *ret_after = pump->reader ? pump->read.position : UINT64_MAX;
    *ret_until = pump->reader ? INT64_MAX : pump->retry_at;
}

void dead_letter_pump_status(const struct dead_letter_pump *pump, struct dead_letter_pump_status *ret_status)
{
    *ret_status = (struct dead_letter_pump_status){
        .cursor = pump->cursor,
        .failures = pump->failures,
        .lag_since = pump->lag_since,
    };
}
