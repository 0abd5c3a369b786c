/* lake_pump: see lake_pump.h */
#include "outlet/lake_pump.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "outlet/ledger.h"
#include "outlet/worker.h"
#include "route/route.h"

#define PUMP_TEMPLATES 64 /* compiled ones, by rendering id */
#define PUMP_PATH_MAX (16 * 1024)
#define PUMP_LOST "lost-rendering-%u" /* path and stream of records whose rendering was damaged */

struct pump_template {
    uint32_t rendering;
    struct template *template; /* NULL: free */
};

struct lake_pump {
    struct lake_pump_options options;
    struct lake *lake; /* NULL: closed, to be opened at retry_at */
    struct journal_reader *reader;
    struct ledger ledger;
    bool letters_added; /* dead letters that are not durable yet */
    uint64_t read; /* position of the last entry that was taken */
    uint64_t highest; /* ever read, by this pump or one before it */
    uint64_t replay_until; /* of the lake that is open */
    uint64_t failures; /* in a row */
    int64_t retry_at; /* monotonic */
    uint64_t files; /* published by lakes that are closed */
    int64_t received; /* of the last record read */
    int64_t lag_since;
    struct pump_template templates[PUMP_TEMPLATES];
    struct bytes path;
};

/* ---- opening and closing ---------------------------------------------------------------------------------- */

int lake_pump_open(struct lake_pump **ret_pump, const struct lake_pump_options *options, struct error *error)
{
    struct journal_cursor cursor;

    if (journal_cursor(options->journal, LAKE_PUMP_NAME, &cursor, error))
        return -1;
    struct lake_pump *pump = calloc(1, sizeof *pump);
    if (!pump)
        return error_set(error, ERROR_RETRY, "lake outlet: out of memory");
    pump->options = *options;
    ledger_start(&pump->ledger, &cursor);
    bytes_init(&pump->path, PUMP_PATH_MAX);
    /* Nobody reads beyond the durable sequence, so no earlier run has. */
    pump->highest = journal_durable(options->journal);
    *ret_pump = pump;
    return 0;
}

static void pump_close_lake(struct lake_pump *pump)
{
    if (pump->lake)
        pump->files += lake_published(pump->lake);
    lake_close(&pump->lake);
    journal_reader_close(&pump->reader);
}

void lake_pump_close(struct lake_pump **pump)
{
    if (!*pump)
        return;
    pump_close_lake(*pump);
    for (size_t i = 0; i < PUMP_TEMPLATES; i++)
        template_free(&(*pump)->templates[i].template);
    bytes_free(&(*pump)->path);
    free(*pump);
    *pump = NULL;
}

/* Everything behind the cursor is read again. */
static int pump_open_lake(struct lake_pump *pump, struct error *error)
{
    uint64_t position = pump->ledger.cursor.position;

    if (lake_open(&pump->lake, &pump->options.lake, error) ||
        journal_reader_open(&pump->reader, pump->options.journal, position, error))
        return -1;
    ledger_rewind(&pump->ledger);
    pump->read = position;
    pump->replay_until = pump->highest;
    return 0;
}

/* Dead letters are durable before the cursor passes their records. After a failure they are written again. */
static int pump_sync_letters(struct lake_pump *pump, struct error *error)
{
    if (!pump->letters_added)
        return 0;
    pump->letters_added = false;
    if (dead_letters_sync(pump->options.dead_letters, error))
        return -1;
    ledger_letters_durable(&pump->ledger);
    return 0;
}

static int pump_fail(struct lake_pump *pump)
{
    struct error ignored; /* of what failed already, the first reason is told */

    pump_sync_letters(pump, &ignored);
    pump_close_lake(pump);
    pump->failures++;
    pump->retry_at = clock_monotonic(pump->options.clock) + worker_pause(pump->failures);
    if (pump->lag_since == 0)
        pump->lag_since = clock_wall(pump->options.clock);
    return -1;
}

/* ---- cursor ----------------------------------------------------------------------------------------------- */

static int pump_move_cursor(struct lake_pump *pump, struct error *error)
{
    uint64_t oldest = lake_oldest(pump->lake);

    if (pump_sync_letters(pump, error))
        return -1;
    if (ledger_move(&pump->ledger, oldest ? oldest - 1 : pump->read))
        journal_cursor_move(pump->options.journal, LAKE_PUMP_NAME, &pump->ledger.cursor);
    if (oldest)
        pump->lag_since = lake_oldest_received(pump->lake);
    else
        pump->lag_since = pump->read < journal_durable(pump->options.journal) ? pump->received : 0;
    return 0;
}

/* These positions are not in the lake, and why. */
static int pump_except(
    struct lake_pump *pump, enum ledger_kind kind, uint64_t first, uint64_t last, struct error *error)
{
    if (ledger_is_full(&pump->ledger)) {
        if (lake_roll(pump->lake, true, error) || pump_move_cursor(pump, error))
            return -1;
    }
    if (kind == LEDGER_DAMAGED)
        journal_tell_missed(pump->options.journal, LAKE_PUMP_NAME, first, last);
    ledger_except(&pump->ledger, kind, first, last);
    return 0;
}

/* ---- records ---------------------------------------------------------------------------------------------- */

static int pump_template(struct lake_pump *pump, const struct rendering *rendering,
    const struct template **ret_template, struct error *error)
{
    struct pump_template *slot = &pump->templates[rendering->id % PUMP_TEMPLATES];

    if (!slot->template || slot->rendering != rendering->id) {
        struct template *template;
        if (template_compile(&template, rendering->lake_path, (const char *const *)rendering->labels,
                rendering->labels_count, error))
            return error_wrap(error, "rendering %u", rendering->id);
        template_free(&slot->template);
        *slot = (struct pump_template){rendering->id, template};
    }
    *ret_template = slot->template;
    return 0;
}

/* Damage took the rendering, not the record: it is kept under a path of its own, as it came. */
static int pump_append_unrendered(struct lake_pump *pump, const struct journal_entry *entry,
    const struct record *record, struct error *error)
{
    char name[RECORD_STREAM_NAME_MAX + 1];
    bool there;

    snprintf(name, sizeof name, PUMP_LOST, record->rendering);
    log_event(LOG_ERROR, "outlet.rendering_lost", log_text("outlet", LAKE_PUMP_NAME), log_text("path", name),
        log_number("sequence", (int64_t)entry->sequence));
    const struct lake_row row = {
        .path = slice_of(name),
        .stream = name,
        .format = RECORD_FORMAT_TEXT,
        .epoch = entry->epoch,
        .sequence = entry->sequence,
        .received = record->received,
        .payload = record->payload,
    };
    return lake_append(pump->lake, &row, pump->replay_until, &there, error);
}

/* ERROR_REJECT: the lake can never store this record. */
static int pump_append(struct lake_pump *pump, const struct journal_entry *entry, const struct record *record,
    struct error *error)
{
    const struct rendering *rendering = rendering_find(pump->options.renderings, record->rendering);
    const struct template *template = NULL;
    bool there;

    if (!rendering)
        return pump_append_unrendered(pump, entry, record, error);
    if (pump_template(pump, rendering, &template, error))
        return -1;
    bytes_clear(&pump->path);
    if (template_render(template, rendering->stream, record, &pump->path, error))
        return -1;
    const struct lake_row row = {
        .path = bytes_slice(&pump->path),
        .stream = rendering->stream,
        .format = rendering->format,
        .rendering = rendering->form.file == FORM_SOURCE ? NULL : rendering,
        .epoch = entry->epoch,
        .sequence = entry->sequence,
        .received = record->received,
        .key = record->key,
        .time = record_time(record),
        .payload = record->payload,
    };
    return lake_append(pump->lake, &row, pump->replay_until, &there, error);
}

/* The lake can never store this record: why says so. */
static int pump_dead_letter(struct lake_pump *pump, const struct journal_entry *entry,
    const struct record *record, const struct error *why, struct error *error)
{
    const struct rendering *rendering = rendering_find(pump->options.renderings, record->rendering);
    char lost[RECORD_STREAM_NAME_MAX + 1];

    snprintf(lost, sizeof lost, PUMP_LOST, record->rendering);
    const struct dead_letter letter = {
        .id = {pump->options.lake.gateway_id, entry->epoch, entry->sequence},
        .outlet = LAKE_PUMP_NAME,
        .stream = rendering ? rendering->stream : lost,
        .topic = "",
        .reason = why->text,
        .time = clock_wall(pump->options.clock),
        .record = record,
        .labels = rendering && rendering->labels_count >= record->labels_count
                      ? (const char *const *)rendering->labels
                      : NULL,
    };
    if (!ledger_has_letter(&pump->ledger, entry->sequence)) {
        if (dead_letters_add(pump->options.dead_letters, &letter, error))
            return -1;
        pump->letters_added = true;
        journal_tell_letter(pump->options.journal, LAKE_PUMP_NAME, entry->sequence, why->text);
        log_event(LOG_ERROR, "outlet.dead_letter", log_text("outlet", LAKE_PUMP_NAME),
            log_text("stream", letter.stream), log_number("sequence", (int64_t)entry->sequence),
            log_text("reason", why->text));
    }
    return pump_except(pump, LEDGER_DEAD_LETTERED, entry->sequence, entry->sequence, error);
}

/* Those that a source marked are for the dead letters, and a dead letter given back for the outlet that had it. */
static bool pump_is_for_lake(const struct record *record)
{
    static const char prefix[] = LAKE_PUMP_NAME " ";
    const struct slice origin = record->origin;

    if (record->flags & RECORD_UNDECODABLE)
        return false;
    return !(record->flags & RECORD_REPLAYED) ||
           (origin.length >= sizeof prefix - 1 && memcmp(origin.data, prefix, sizeof prefix - 1) == 0);
}

static int pump_record(struct lake_pump *pump, const struct journal_entry *entry, struct error *error)
{
    struct record record;
    struct error why;

    if (record_decode(entry->body.data, entry->body.length, &record, error)) {
        log_event_always(LOG_ERROR, "outlet.record_damaged", log_text("outlet", LAKE_PUMP_NAME),
            log_number("sequence", (int64_t)entry->sequence), log_text("reason", error->text));
        return pump_except(pump, LEDGER_DAMAGED, entry->sequence, entry->sequence, error);
    }
    pump->received = record.received;
    if (!pump_is_for_lake(&record))
        return pump_except(pump, LEDGER_NOT_FOR_OUTLET, entry->sequence, entry->sequence, error);
    if (!pump_append(pump, entry, &record, &why))
        return 0;
    if (why.kind == ERROR_REJECT)
        return pump_dead_letter(pump, entry, &record, &why, error);
    *error = why;
    return -1;
}

static int pump_damage(struct lake_pump *pump, uint64_t first, uint64_t last, struct error *error)
{
    log_event_always(LOG_ERROR, "outlet.journal_damaged", log_text("outlet", LAKE_PUMP_NAME),
        log_number("first", (int64_t)first), log_number("last", (int64_t)last));
    return pump_except(pump, LEDGER_DAMAGED, first, last, error);
}

static int pump_take(struct lake_pump *pump, const struct journal_entry *entry, struct error *error)
{
    uint64_t next = pump->read + 1;

    if (entry->last < next)
        return 0;
    /* Before the append: a publish that reports a failure may have shown its file all the same. */
    if (pump->highest < entry->last)
        pump->highest = entry->last;
    if (entry->sequence > next && pump_damage(pump, next, entry->sequence - 1, error))
        return -1;
    if (entry->type == JOURNAL_ENTRY_RECORD
            ? pump_record(pump, entry, error)
            : pump_damage(pump, entry->sequence > next ? entry->sequence : next, entry->last, error))
        return -1;
    pump->read = entry->last;
    return 0;
}

/* One batch. A published file ends it, so that the cursor moves with it and a deadline is seen. 1: there may be more, 0: all
 * that is durable is read. */
static int pump_read(struct lake_pump *pump, struct error *error)
{
    struct journal_entry entry;
    uint64_t published = lake_published(pump->lake);

    for (int taken = 0; taken < LAKE_PUMP_BATCH && lake_published(pump->lake) == published; taken++) {
        int found = journal_read(pump->reader, &entry, error);
        if (found == 0)
            return 0;
        if (found < 0 || pump_take(pump, &entry, error))
            return -1;
    }
    return 1;
}

/* ---- rolling ---------------------------------------------------------------------------------------------- */

/* Whether the oldest open file keeps the journal from freeing: it holds a position of the older half of a journal that
 * is half full, or any when nothing more is taken. The half keeps a small journal from making a file per row. */
static bool pump_is_pressed(struct lake_pump *pump)
{
    struct journal_status status;
    uint64_t oldest = lake_oldest(pump->lake);

    if (!oldest)
        return false;
    journal_status(pump->options.journal, &status);
    if (status.bytes <= status.max_size / 2)
        return false;
    return !status.accepting ||
           (status.durable >= oldest && oldest - status.oldest < status.durable - oldest);
}

static int pump_roll(struct lake_pump *pump, struct error *error)
{
    if (lake_roll(pump->lake, false, error))
        return -1;
    while (pump_is_pressed(pump)) {
        if (lake_roll_oldest(pump->lake, false, error))
            return -1;
    }
    /* Behind a failure the replay's files are published at once: only that shows that the store works again. */
    if (pump->failures && pump->read >= pump->replay_until) {
        if (lake_roll(pump->lake, true, error))
            return -1;
        pump->failures = 0;
    }
    return 0;
}

/* ---- the role --------------------------------------------------------------------------------------------- */

int lake_pump_step(struct lake_pump *pump, struct error *error)
{
    if (!pump->lake) {
        if (clock_monotonic(pump->options.clock) < pump->retry_at)
            return 0;
        if (pump_open_lake(pump, error))
            return pump_fail(pump);
    }
    int more = pump_read(pump, error);
    if (more < 0 || pump_roll(pump, error) || pump_move_cursor(pump, error))
        return pump_fail(pump);
    return more;
}

int lake_pump_drain(struct lake_pump *pump, int64_t deadline, struct error *error)
{
    int result = 1;

    while (result > 0 && clock_monotonic(pump->options.clock) < deadline)
        result = lake_pump_step(pump, error);
    while (result >= 0 && pump->lake && lake_open_files(pump->lake) &&
           clock_monotonic(pump->options.clock) < deadline) {
        result =
            lake_roll_oldest(pump->lake, true, error) || pump_move_cursor(pump, error) ? pump_fail(pump) : 0;
    }
    return result < 0 ? -1 : 0;
}

void lake_pump_wait(const struct lake_pump *pump, uint64_t *ret_after, int64_t *ret_until)
{
    *ret_after = pump->lake ? pump->read : UINT64_MAX;
    *ret_until = pump->lake ? lake_due(pump->lake) : pump->retry_at;
}

void lake_pump_status(const struct lake_pump *pump, struct lake_pump_status *ret_status)
{
    *ret_status = (struct lake_pump_status){
        .cursor = pump->ledger.cursor,
        .files = pump->files + (pump->lake ? lake_published(pump->lake) : 0),
        .open_files = pump->lake ? lake_open_files(pump->lake) : 0,
        .failures = pump->failures,
        .lag_since = pump->lag_since,
    };
}
