/* committer: the one thread that writes the log.
 *
 * A step takes everything that was handed over meanwhile and commits it as few groups as fit: one write, one fdatasync, publish,
 * complete. After a failed write or fdatasync the segment is retired (the next sync would lie) and the group written
 * once more to a new one. */
#include "journal/internal.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/little.h"
#include "base/log.h"
#include "journal/control.h"
#include "journal/handover.h"
#include "journal/once.h"

#define GROUP_BODY 16
#define APPLY_PAUSE 10000000 /* nanoseconds */
#define APPLY_TOLD 100 /* every second */

/* What one group holds: hand-overs from first up to (not with) stop, and what outlets moved. */
struct group {
    struct handover *first, *stop;
    const struct control *control;
    uint64_t records; /* that were written */
    bool content; /* hand-overs or cursors: its durability is to be told by a later mark */
};

static const struct control control_none;

/* A copy: the preparer moves the list when it frees a segment. */
static struct segment committer_current(struct journal *journal)
{
    lock_take(journal);
    const struct segment current = *segment_current(journal);
    lock_release(journal);
    return current;
}

/* ---- roll -------------------------------------------------------------------------------------------------- */

/* Whether a reserve may still come without anything being delivered first. @holds lock */
static bool reserve_may_come(const struct journal *journal)
{
    return !journal->unprepared && !journal->preparer_stop && journal->threads &&
           journal->bytes + journal->options.segment_size <= journal->options.max_size;
}

/* @holds lock */
static void committer_set_full(struct journal *journal, const char *reason)
{
    journal->full = true;
    snprintf(journal->full_reason, sizeof journal->full_reason, "%s", reason);
}

/* Waits until that many reserves are there, or cannot come. Then the journal is full, said under the same lock: the
 * preparer, which clears it, comes before or after, never between. @holds lock */
static bool committer_await_reserve(struct journal *journal, size_t need)
{
    while (journal->reserve_count < need && reserve_may_come(journal)) {
        journal->urgent = true;
        pthread_cond_signal(&journal->prepare);
        lock_wait(journal, &journal->room, INT64_MAX);
    }
    journal->urgent = false;
    if (journal->reserve_count >= need)
        return true;
    journal->full = true;
    snprintf(journal->full_reason, sizeof journal->full_reason,
        "journal %.200s is full: its outlets have to deliver, or raise journal.max_size (%" PRIu64
        " bytes) or free disk space",
        journal->options.directory, journal->options.max_size);
    return false;
}

static int committer_take_reserve(
    struct journal *journal, bool for_data, struct reserve *ret_reserve, struct error *error)
{
    lock_take(journal);
    bool taken = committer_await_reserve(journal, for_data ? RESERVE_KEPT + 1 : 1);
    if (taken)
        *ret_reserve = journal->reserve[--journal->reserve_count];
    else
        error_set(error, ERROR_RETRY, "%s", journal->full_reason);
    pthread_cond_signal(&journal->prepare);
    lock_release(journal);
    return taken ? 0 : -1;
}

int committer_roll(struct journal *journal, bool for_data, struct error *error)
{
    struct segment_header header = {
        .number = journal->next_number,
        .base = journal->sequence,
        .log = journal->log,
        .size = journal->options.segment_size,
        .created = clock_wall(journal->options.clock),
        .epoch = journal->epoch,
    };
    struct reserve reserve;

    if (committer_take_reserve(journal, for_data, &reserve, error))
        return -1;
    lock_take(journal);
    if (journal->segments_count) {
        header.previous = segment_current(journal)->number;
        header.previous_end = segment_current(journal)->end;
    }
    lock_release(journal);
    memcpy(header.gateway_id, journal->gateway_id, sizeof header.gateway_id);
    writer_close(&journal->writer);
    journal->next_number++;

    int result = segment_begin(journal, &reserve, &header, &journal->writer, error);
    lock_take(journal);
    if (!result && (result = segment_list_add(journal, &header, error)))
        writer_close(&journal->writer); /* GCOVR_EXCL_LINE: memory is gone */
    if (result) {
        journal->bytes -= journal->options.segment_size;
        committer_set_full(journal, error->text);
    }
    pthread_cond_signal(&journal->prepare);
    lock_release(journal);
    if (result)
        journal->retry_at = clock_monotonic(journal->options.clock) + RETRY_PAUSE;
    return result;
}

/* ---- one group --------------------------------------------------------------------------------------------- */

static int group_write_mark(struct journal *journal)
{
    char body[GROUP_BODY];
    struct frame frame = {GROUP_BODY, JOURNAL_KIND_GROUP, FRAME_END, journal->sequence};

    put_u64(body, atomic_load(&journal->durable));
    put_u64(body + 8, committer_current(journal).end);
    return writer_frame(&journal->writer, &frame, (struct slice){body, sizeof body}, (struct slice){NULL, 0});
}

static int group_write_handover(struct journal *journal, struct handover *handover)
{
    struct handover_piece piece;
    size_t position = 0;
    const bool records = handover->records || handover->once;
    const uint64_t notes = handover->once ? once_decide(journal, handover) : 0;

    handover->first = records ? journal->sequence + 1 : 0;
    while (handover_next(handover, &position, &piece)) {
        const size_t length = piece.head.length + piece.payload.length;
        if (piece.kind == JOURNAL_KIND_DATA) {
            journal->sequence++;
            account_write(journal, piece.head, length);
        }
        struct frame frame = {
            (uint32_t)length, piece.kind, piece.last && !notes ? FRAME_END : 0, journal->sequence};
        if (writer_frame(&journal->writer, &frame, piece.head, piece.payload))
            return -1;
    }
    handover->last = records ? journal->sequence : 0;
    return notes ? once_write(journal, handover, notes) : 0;
}

static int group_write(struct journal *journal, const struct group *group)
{
    int result = group_write_mark(journal);

    account_begin_group(journal);
    for (struct handover *handover = group->first; !result && handover != group->stop;
         handover = handover->next)
        result = group_write_handover(journal, handover);
    if (result || control_write(journal, group->control) || writer_flush(&journal->writer))
        return -1;
    return writer_sync(&journal->writer);
}

/* What there is no memory for is tried again: what the state lacks, the next segment's snapshot would lack for good. */
static void group_apply_piece(struct journal *journal, const struct frame *frame, const char *body)
{
    const struct timespec pause = {0, APPLY_PAUSE};
    struct error error;

    for (unsigned tries = 0; state_apply(journal, frame, body, &error); tries++) {
        if (tries % APPLY_TOLD == 0)
            log_event(LOG_ERROR, "journal.state", log_text("error", error.text));
        if (error.kind != ERROR_RETRY)
            return;
        nanosleep(&pause, NULL);
    }
}

/* State first, so that whoever sees a record finds what it refers to. */
static void group_apply_state(struct journal *journal, const struct group *group)
{
    uint64_t sequence = atomic_load(&journal->durable); /* of the last record before the piece */
    struct handover_piece piece;

    for (struct handover *handover = group->first; handover != group->stop; handover = handover->next) {
        size_t position = 0;
        if (!handover->has_state) {
            sequence += handover->records;
            continue;
        }
        while (handover_next(handover, &position, &piece)) {
            sequence += piece.kind == JOURNAL_KIND_DATA;
            struct frame frame = {(uint32_t)piece.head.length, piece.kind, 0, sequence};
            if (piece.kind != JOURNAL_KIND_DATA)
                group_apply_piece(journal, &frame, piece.head.data);
        }
    }
}

/* The newest record of hand-overs with an undecodable one; 0: none has. */
static uint64_t group_letter(const struct group *group)
{
    uint64_t letter = 0;

    for (const struct handover *handover = group->first; handover != group->stop; handover = handover->next)
        letter = handover->has_letter ? handover->last : letter;
    return letter;
}

/* Those who wait for outlets, before an outlet can see their records. True: some may have arrived. @holds lock */
static bool group_begin_arrivals(struct journal *journal, const struct group *group)
{
    bool passed = group->control->cursors_count > 0;

    for (struct handover *handover = group->first; handover != group->stop; handover = handover->next)
        if (handover->arrival && handover->last)
            passed |= arrival_begin(journal, handover);
    return passed;
}

/* Returns those whose records outlets are done with, as far as the group's cursors say so. */
static struct journal_arrival *group_publish(struct journal *journal, struct group *group)
{
    const uint64_t letter = group_letter(group);

    group_apply_state(journal, group);
    once_settle(journal, true);
    lock_take(journal);
    const bool look = group_begin_arrivals(journal, group);
    struct segment *segment = segment_current(journal);
    segment->last = journal->sequence;
    segment->end = journal->writer.offset;
    journal->letter = letter ? letter : journal->letter;
    atomic_store(&journal->durable, journal->sequence);
    control_publish(journal, group->control);
    account_publish(journal);
    struct journal_arrival *passed = look ? arrival_take_passed(journal) : NULL;
    if (journal->retry_at)
        journal->full = false;
    if (journal->sequence >= journal->awaited)
        pthread_cond_broadcast(&journal->durable_moved);
    lock_release(journal);
    journal->unannounced = group->content;
    journal->retry_at = 0;
    return passed;
}

static void group_complete(struct handover *first, struct handover *stop, enum handover_result result)
{
    while (first != stop) {
        struct handover *next = first->next;
        first->complete(first, result);
        first = next;
    }
}

static void committer_retire(struct journal *journal)
{
    const struct segment segment = committer_current(journal);

    log_event(LOG_ERROR, "journal.retire", log_text("directory", journal->options.directory),
        log_number("segment", (int64_t)segment.number), log_number("end", (int64_t)segment.end),
        log_text("error", strerror(errno)));
    metric_add(journal->retired, 1);
    writer_close(&journal->writer);
}

/* Two tries: the current segment, then a new one, which may come from the kept reserve. Returns what the hand-overs
 * are told. */
static enum handover_result group_try(struct journal *journal, struct group *group, struct error *error)
{
    enum handover_result failed = HANDOVER_REFUSED;
    uint64_t sequence = atomic_load(&journal->durable);

    for (int attempt = 0; attempt < 2; attempt++) {
        bool for_data = attempt == 0 && group->first != group->stop;
        journal->sequence = sequence;
        if (journal->writer.fd < 0 && committer_roll(journal, for_data, error))
            break;
        if (group_write(journal, group) == 0) {
            group->records = journal->sequence - sequence;
            return HANDOVER_DURABLE;
        }
        error_set_errno(error, ERROR_RETRY, "journal %s: write and sync", journal->options.directory);
        committer_retire(journal);
        once_settle(journal, false);
        failed = HANDOVER_UNKNOWN;
    }
    journal->sequence = sequence;
    return failed;
}

/* What outlets moved and could not be written is tried again with the next group. */
static void group_failed(struct journal *journal, const struct control *control, const char *reason)
{
    lock_take(journal);
    committer_set_full(journal, reason);
    control_failed(journal, control);
    lock_release(journal);
    journal->retry_at = clock_monotonic(journal->options.clock) + RETRY_PAUSE;
}

static void committer_commit(struct journal *journal, struct group *group)
{
    const struct clock *clock = journal->options.clock;
    int64_t started = clock_monotonic(clock);
    struct journal_arrival *passed = NULL;
    struct error error;

    group->content = group->first != group->stop || group->control->cursors_count;
    enum handover_result result = group_try(journal, group, &error);
    journal->committed_at = clock_monotonic(clock);
    if (result != HANDOVER_DURABLE)
        group_failed(journal, group->control, error.text);
    else
        passed = group_publish(journal, group);
    if (result == HANDOVER_DURABLE && group->content) {
        metric_observe(
            journal->commit_seconds, (double)(journal->committed_at - started) / (double)CLOCK_SECOND);
        metric_observe(journal->commit_records, (double)group->records);
    }
    group_complete(group->first, group->stop, result);
    arrival_call(passed);
}

/* ---- making groups ------------------------------------------------------------------------------------------ */

/* What the current segment still takes when `kept` bytes stay free. */
static uint64_t committer_room(struct journal *journal, uint64_t kept)
{
    uint64_t used = journal->writer.offset + kept;

    if (journal->writer.fd < 0)
        return journal->handover_max;
    uint64_t size = committer_current(journal).size;
    return used > size ? 0 : size - used;
}

/* Records may use the current segment only while the kept reserve is whole. */
static bool committer_takes_data(struct journal *journal)
{
    lock_take(journal);
    bool whole = committer_await_reserve(journal, RESERVE_KEPT);
    lock_release(journal);
    return whole;
}

/* As many of the list as fit the current segment, behind them room for a group without records. */
static void group_gather(struct journal *journal, struct group *group, struct handover **list)
{
    uint64_t control = frame_size(GROUP_BODY) + control_size(journal, group->control);
    uint64_t room = committer_room(journal, control + CONTROL_ROOM);

    if (room > journal->handover_max)
        room = journal->handover_max;
    group->first = *list;
    while (*list && (*list)->size <= room) {
        room -= (*list)->size;
        *list = (*list)->next;
    }
    group->stop = *list;
}

/* A group without records: cursors and marks, or the group's mark alone, which tells how far the log is durable. For that no
 * new segment is begun. */
static void committer_commit_control(struct journal *journal, const struct control *control)
{
    bool room = committer_room(journal, frame_size(GROUP_BODY) + control_size(journal, control)) > 0;
    struct group group = {.control = control};
    struct error error;

    journal->unannounced = journal->unannounced && room;
    if (room || (control->cursors_count && committer_roll(journal, false, &error) == 0))
        committer_commit(journal, &group);
    else if (control->cursors_count)
        group_failed(journal, control, error.text);
}

/* Commits the list in groups, what outlets moved with the first of them; refuses what has no room. Says whether the moves
 * went along. Many marks beside a large hand-over would fit no segment: they go first then, on their own. */
static bool committer_commit_list(
    struct journal *journal, struct handover *list, const struct control *control)
{
    bool committed = false;
    struct error error;

    while (list) {
        struct group group = {.control = committed ? &control_none : control};
        if (!committer_takes_data(journal)) {
            group_complete(list, NULL, HANDOVER_REFUSED);
            break;
        }
        group_gather(journal, &group, &list);
        if (group.first != group.stop) {
            committer_commit(journal, &group);
            committed = true;
        } else if (group.control->marks_count) {
            committer_commit_control(journal, control);
            committed = true;
        } else if (committer_roll(journal, true, &error)) {
            group_complete(list, NULL, HANDOVER_REFUSED);
            break;
        }
    }
    return committed;
}

/* ---- the thread --------------------------------------------------------------------------------------------- */

static int64_t committer_due(const struct journal *journal)
{
    if (journal->retry_at)
        return journal->retry_at;
    return journal->unannounced ? journal->committed_at + SILENCE : INT64_MAX;
}

static bool committer_has_work(const struct journal *journal)
{
    bool may_write = !journal->retry_at || clock_monotonic(journal->options.clock) >= journal->retry_at;

    if (journal->queue || journal->closing)
        return true;
    for (size_t i = 0; i < journal->cursors_count; i++)
        if (journal->cursors[i].dirty && may_write)
            return true;
    return clock_monotonic(journal->options.clock) >= committer_due(journal);
}

/* One wait and one commit; false once the journal closes and everything is written. */
static bool committer_step(struct journal *journal)
{
    struct control control = {0};

    lock_take(journal);
    journal->busy_since = 0;
    while (!committer_has_work(journal)) {
        journal->idle = true;
        lock_wait(journal, &journal->work, committer_due(journal));
        journal->idle = false;
    }
    journal->busy_since = clock_monotonic(journal->options.clock);
    struct handover *list = journal->queue;
    journal->queue = NULL;
    journal->queue_tail = &journal->queue;
    control_take(journal, &control);
    const bool forgotten = journal->forgotten;
    journal->forgotten = false;
    bool last = journal->closing && !list && !control.cursors_count;
    lock_release(journal);
    if (forgotten)
        writer_close(
            &journal->writer); /* the next group begins a segment, before a cursor stands behind the damage */

    bool committed = committer_commit_list(journal, list, &control);
    if (!committed && (control.cursors_count || !last || journal->unannounced))
        committer_commit_control(journal, &control);
    return !last;
}

void *committer_run(void *context)
{
    struct journal *journal = context;

    while (committer_step(journal))
        continue;
    return NULL;
}
