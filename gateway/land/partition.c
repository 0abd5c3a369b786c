/* partition: one partition of Kafka and its lake; see internal.h
 *
 * Inside the lake a position is an offset plus one. Opening, in this order: 1. the lake is opened, and from then on nobody who had the partition before can publish
 * anything; 2. the brokers say what the group has committed, and where the log ends: what stands in files lies below that end; 3. the record that the last
 * commit was noted with is read again, if it is still there; 4. reading begins at the committed offset, and up to the end the lake looks what stands in files.
 */
#include "land/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/health.h"
#include "base/log.h"
#include "decode/decode.h"

#define PARTITION_PAUSE_LEAST (CLOCK_SECOND / 10)
#define PARTITION_PAUSE_MOST (5 * CLOCK_SECOND)
#define PARTITION_COMMIT_WAIT (5 * CLOCK_SECOND)
#define PARTITION_TRIES 100
#define PARTITION_TRY (CLOCK_SECOND / 50)
#define PARTITION_DOUBTS 5 /* a leader that is new may not know the end of its log yet */

#define PARTITION_WHAT_TO_DO                                                                              \
    ". If the topic was made again, land it under another land.group and another path, for files of the " \
    "old one have the same names; if records are gone, set the group's offset to where it may go on"

#define PARTITION_UNPROVEN                                                                                          \
    "the lake has files of it, and the group had committed nothing: the topic was made again, or it was landed by " \
    "another group, or that was so long ago that the brokers have forgotten the offsets" PARTITION_WHAT_TO_DO

static const char *const partition_conditions[] = {"land.stopped", "land.waiting"};

/* ---- made and freed ------------------------------------------------------------------------------------------- */

static bool partition_gives_up(void *context)
{
    const struct land *land = ((const struct land_partition *)context)->land;

    return clock_monotonic(land->clock) >=
           (atomic_load(&land->stopping) ? atomic_load(&land->deadline) : land->publish_by);
}

int land_partition_new(struct land_partition **ret_partition, struct land *land, const char *topic,
    int32_t number, struct error *error)
{
    __attribute__((cleanup(land_partition_free))) struct land_partition *partition =
        calloc(1, sizeof *partition);
    char digits[16];

    snprintf(digits, sizeof digits, "%" PRId32, number);
    if (!partition || !(partition->topic = strdup(topic)) ||
        asprintf(&partition->owner, "%s+%s", topic, digits) < 0 ||
        asprintf(&partition->spool, "%s/%s", land->config->land.spool, partition->owner) < 0)
        return error_set(error, ERROR_RETRY, "land: out of memory");
    partition->land = land;
    partition->number = number;
    partition->digits = slice_of(partition->owner + strlen(topic) + 1);
    partition->entry = land_topics_find(&land->topics, topic);
    if (partition->entry) {
        partition->table =
            (struct rendering){.format = partition->entry->format, .form = partition->entry->form};
        snprintf(partition->table.stream, sizeof partition->table.stream, "%s", topic);
    }
    partition->committed = partition->witness.offset = partition->expected.offset = -1;
    partition->records = metric_series(METRIC_LAND_RECORDS, topic, NULL, NULL);
    partition->letters = metric_series(METRIC_LAND_DEAD_LETTERS, topic, NULL, NULL);
    partition->lag = metric_series(METRIC_LAND_LAG_RECORDS, topic, digits, NULL);
    *ret_partition = partition;
    partition = NULL;
    return 0;
}

static void partition_close(struct land_partition *partition)
{
    lake_close(&partition->lake);
    partition->files = 0;
}

void land_partition_free(struct land_partition **partition)
{
    struct land_partition *old = *partition;

    *partition = NULL;
    if (!old)
        return;
    partition_close(old);
    if (old->lag)
        metric_set(old->lag, 0);
    free(old->topic);
    free(old->owner);
    free(old->spool);
    free(old);
}

/* ---- what is told ------------------------------------------------------------------------------------------------- */

static void partition_tell(const struct land_partition *partition, bool stopped, const char *reason)
{
    char text[sizeof((struct health_condition *)0)->text];

    snprintf(text, sizeof text, "topic %s, partition %" PRId32 ": %s", partition->topic, partition->number,
        reason);
    health_set(partition_conditions[!stopped], stopped ? HEALTH_REFUSING : HEALTH_DEGRADED, text);
    (stopped ? log_write_always : log_write)(stopped ? LOG_ERROR : LOG_WARN,
        stopped ? "land.stopped" : "land.failed",
        (const struct log_field[]){log_text("topic", partition->topic),
            log_number("partition", partition->number), log_text("reason", reason)},
        3);
}

/* The store is asked again, for half a minute. */
static void partition_tell_trouble(void *context, const struct error *error)
{
    partition_tell(context, false, error->text);
}

/* ---- opening -------------------------------------------------------------------------------------------------- */

static int partition_open_lake(struct land_partition *partition, struct error *error)
{
    const struct land *land = partition->land;
    const struct config_lake *config = &land->config->lake;
    const uint64_t share = config->max_open_files / (land->partitions_count ? land->partitions_count : 1);
    const struct lake_options options = {
        .root = land->root.data,
        .spool = partition->spool,
        .config = config,
        .give_up = partition_gives_up,
        .trouble = partition_tell_trouble,
        .context = partition,
        .gateway_id = partition->owner,
        .take_over = true,
        .json_extension = "json",
        .max_open_files = share ? share : 1,
        .roll_size = config->roll.size,
        .roll_records = config->roll.records,
        .roll_every = config->roll.every,
        .roll_idle = config->roll.idle,
        .clock = land->clock,
    };

    return lake_open(&partition->lake, &options, error);
}

/* The log is not the one that was read; once may be a mistake. */
static int partition_doubt(struct land_partition *partition, struct error *error)
{
    error->kind = ++partition->doubts < PARTITION_DOUBTS ? ERROR_RETRY : ERROR_FATAL;
    return -1;
}

static int partition_start_new(
    struct land_partition *partition, int64_t first, int64_t end, struct error *error)
{
    const char *from = partition->land->config->land.from;
    int64_t time;

    partition->start = strcmp(from, "latest") == 0 ? end : first;
    if (decode_rfc3339(slice_of(from), &time, &(struct error){0}))
        return 0;
    if (kafka_consumer_find_time(
            partition->land->consumer, partition->topic, partition->number, time, &partition->start, error))
        return -1;
    if (partition->start < 0)
        partition->start = end;
    return 0;
}

static int partition_choose_start(struct land_partition *partition, struct error *error)
{
    const struct land *land = partition->land;
    char note[KAFKA_NOTE_MAX];
    int64_t committed, first, end;

    if (kafka_consumer_committed(
            land->consumer, partition->topic, partition->number, &committed, note, error) ||
        kafka_consumer_ends(land->consumer, partition->topic, partition->number, &first, &end, error))
        return -1;
    if (strcmp(note, LAND_NOTE_STOPPED) == 0)
        return error_set(error, ERROR_FATAL, "%s", PARTITION_UNPROVEN);
    land_witness_parse(note, &partition->expected);
    partition->replay_until = (uint64_t)end;
    if (partition->expected.offset >= end && partition->expected.offset < INT64_MAX)
        partition->replay_until = (uint64_t)partition->expected.offset + 1;
    partition->unproven = committed < 0;
    if (partition->unproven) {
        partition->replay_until = UINT64_MAX;
        return partition_start_new(partition, first, end, error);
    }
    partition->committed = partition->start = committed;
    partition->witness = partition->expected;
    if (committed < first || committed > end || partition->expected.offset >= end) {
        error_set(error, ERROR_RETRY,
            "offset %" PRId64 " is what the group has committed (record %" PRId64
            " was read), and the log has %" PRId64 " to %" PRId64 PARTITION_WHAT_TO_DO,
            committed, partition->expected.offset, first, end - 1);
        return partition_doubt(partition, error);
    }
    if (partition->expected.offset < first)
        partition->expected.offset = -1; /* gone by retention: nothing to compare */
    return 0;
}

static int partition_start_at(
    struct land_partition *partition, int64_t offset, enum land_state state, struct error *error)
{
    if (kafka_consumer_start(partition->land->consumer, partition->topic, partition->number, offset, error))
        return -1;
    partition->from = offset;
    partition->begun = false;
    partition->state = state;
    return 0;
}

/* Whether what has come counts. The first offset behind a start may be a later one, for records are compacted, or were aborted; and it must not be one
 * for another reason, which would skip records for good: so it is believed when it comes twice. */
static int partition_begin(
    struct land_partition *partition, int64_t offset, bool *ret_counts, struct error *error)
{
    *ret_counts = partition->begun || offset == partition->from || offset == partition->gap;
    if (*ret_counts) {
        partition->begun = true;
        partition->gap = -1;
        return 0;
    }
    if (offset < partition->from)
        return 0;
    partition->gap = offset;
    return partition_start_at(partition, partition->from, partition->state, error);
}

/* A partition that was just assigned cannot be started yet: librdkafka has to find its leader first. */
static int partition_start(struct land_partition *partition, struct error *error)
{
    const bool checks = partition->expected.offset >= 0;

    if (partition_start_at(partition, checks ? partition->expected.offset : partition->start,
            checks ? LAND_CHECKS : LAND_OPEN, error) == 0 ||
        ++partition->tries == PARTITION_TRIES)
        return partition->tries == PARTITION_TRIES ? -1 : 0;
    partition->retry_at = clock_monotonic(partition->land->clock) + PARTITION_TRY;
    return 0;
}

int land_partition_open(struct land_partition *partition, struct error *error)
{
    if (!partition->entry)
        return error_set(error, ERROR_FATAL, "no entry of land.topics names it");
    if (!partition->lake) {
        partition->tries = 0;
        partition->gap = -1;
        if (partition_open_lake(partition, error) || partition_choose_start(partition, error))
            return -1;
    }
    return partition_start(partition, error);
}

/* ---- records -------------------------------------------------------------------------------------------------- */

/* What was read at or behind the witness' place, or that nothing is there: compacted, which is no other log. */
static int partition_check(
    struct land_partition *partition, const struct kafka_record *record, struct error *error)
{
    struct land_witness found = {.offset = -1};

    if (record && record->offset == partition->expected.offset)
        land_witness_take(&found, record);
    if (found.offset >= 0 && !land_witness_equal(&found, &partition->expected))
        return error_set(error, ERROR_FATAL,
            "the record at offset %" PRId64 " is not the one that was read there before" PARTITION_WHAT_TO_DO,
            found.offset);
    partition->doubts = 0;
    return partition_start_at(partition, partition->start, LAND_OPEN, error);
}

static int partition_append(
    struct land_partition *partition, const struct kafka_record *record, bool *ret_there, struct error *error)
{
    struct land *land = partition->land;
    const struct land_place place = {partition->topic, partition->digits,
        partition->entry->form.file == FORM_SOURCE ? NULL : &partition->table};
    struct lake_row row;
    bool there = false;

    int result = land_row_make(partition->entry, &place, record, &land->memory, &row, error) ||
                         lake_append(partition->lake, &row, partition->replay_until, &there, error)
                     ? -1
                     : 0;
    if (result && error->kind == ERROR_REJECT) {
        const struct error why = *error;
        result =
            land_row_bury(land->topics.dead_letters, &place, record, why.text, &land->memory, &row, error) ||
                    lake_append(partition->lake, &row, partition->replay_until, &there, error)
                ? -1
                : 0;
        if (!result && !there)
            metric_add(partition->letters, 1);
    }
    if (!result && !there)
        metric_add(partition->records, 1);
    *ret_there = there;
    return result;
}

/* That it has gone to another member is told late to one that stood still: then the files are the other's. So it is if the group has a beginning by now, or
 * takes no commit of this member; the one that it takes keeps everybody from going on behind that beginning. */
static int partition_disprove(struct land_partition *partition, struct error *error)
{
    struct kafka_consumer *consumer = partition->land->consumer;
    const struct kafka_commit stopped = {.topic = partition->topic,
        .partition = partition->number,
        .offset = partition->committed,
        .note = LAND_NOTE_STOPPED};
    char note[KAFKA_NOTE_MAX];
    int64_t begun = -1;
    bool others;

    if (partition->committed >= 0)
        others = kafka_consumer_commit(consumer, &stopped, 1, PARTITION_COMMIT_WAIT, error) &&
                 error->kind == ERROR_REJECT;
    else if (kafka_consumer_committed(consumer, partition->topic, partition->number, &begun, note, error))
        return -1;
    else
        others = begun >= 0;
    return others ? error_set(error, ERROR_RETRY, "another member of the group has it by now")
                  : error_set(error, ERROR_FATAL, "%s", PARTITION_UNPROVEN);
}

/* Where nothing was committed nobody knows whether files of the lake are of this log: none may count as this record's. And once one
 * was read, the group has a beginning, before there is a file. */
static int partition_prove(struct land_partition *partition, bool there, struct error *error)
{
    struct kafka_commit begin = {
        .topic = partition->topic, .partition = partition->number, .offset = partition->start};

    if (!partition->unproven)
        return 0;
    if (there)
        return partition_disprove(partition, error);
    if (partition->committed >= 0)
        return 0;
    if (kafka_consumer_commit(partition->land->consumer, &begin, 1, PARTITION_COMMIT_WAIT, error)) {
        error->kind = ERROR_RETRY;
        return -1;
    }
    partition->committed = partition->start;
    return 0;
}

int land_partition_record(
    struct land_partition *partition, const struct kafka_record *record, struct error *error)
{
    bool there = false;
    bool counts;

    if ((partition->state != LAND_CHECKS && partition->state != LAND_OPEN) ||
        record->offset < partition->from)
        return 0;
    if (partition_begin(partition, record->offset, &counts, error))
        return -1;
    if (!counts)
        return 0;
    if (partition->state == LAND_CHECKS)
        return partition_check(partition, record, error);
    if (partition_append(partition, record, &there, error) || partition_prove(partition, there, error)) {
        if (error->kind == ERROR_REJECT) /* not even as a dead letter: its path is wrong for all */
            error->kind = ERROR_FATAL;
        return error_wrap(error, "record at offset %" PRId64, record->offset);
    }
    partition->failures = 0;
    partition->from = record->offset + 1;
    land_witness_take(&partition->witness, record);
    return 0;
}

int land_partition_end(struct land_partition *partition, int64_t offset, struct error *error)
{
    bool counts;

    if ((partition->state != LAND_CHECKS && partition->state != LAND_OPEN) || offset <= partition->from)
        return 0;
    if (partition_begin(partition, offset, &counts, error))
        return -1;
    if (counts && partition->state == LAND_CHECKS)
        return partition_check(partition, NULL, error);
    if (counts)
        partition->from = offset; /* behind it were marks of transactions, or what was aborted */
    return 0;
}

int land_partition_roll(struct land_partition *partition, bool all, struct error *error)
{
    return partition->state == LAND_OPEN ? lake_roll(partition->lake, all, error) : 0;
}

int64_t land_partition_cursor(const struct land_partition *partition)
{
    const uint64_t oldest = partition->lake ? lake_oldest(partition->lake) : 0;

    return oldest ? (int64_t)oldest - 1 : partition->from;
}

/* ---- when something fails ------------------------------------------------------------------------------------- */

static void partition_pause(struct land_partition *partition)
{
    partition_close(partition);
    if (partition->land->consumer)
        kafka_consumer_pause(partition->land->consumer, partition->topic, partition->number);
}

void land_partition_fail(struct land_partition *partition, const struct error *error)
{
    int64_t pause = PARTITION_PAUSE_LEAST;

    for (uint64_t i = 0; i < partition->failures && pause < PARTITION_PAUSE_MOST; i++)
        pause *= 2;
    partition->failures++;
    partition->retry_at = clock_monotonic(partition->land->clock) + pause;
    partition->state = LAND_WAITS;
    partition_pause(partition);
    metric_add(metric_series(METRIC_LAND_ERRORS, NULL, NULL, NULL), 1);
    partition_tell(partition, false, error->text);
}

void land_partition_stop(struct land_partition *partition, const char *reason)
{
    partition->state = LAND_STOPPED;
    partition_pause(partition);
    atomic_store(&partition->land->failed, true);
    partition_tell(partition, true, reason);
}
