/* preparer: makes segment files ahead of the committer and recycles those that every cursor has passed. */
#include "journal/internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"

/* ---- freeing ------------------------------------------------------------------------------------------------ */

/* The current segment stays; so does one that a reader stands in. @holds lock */
static bool segment_passed(const struct journal *journal, size_t index)
{
    const struct segment *segment = &journal->segments[index];

    if (index + 1 >= journal->segments_count)
        return false;
    for (const struct journal_reader *reader = journal->readers; reader; reader = reader->next)
        if (reader->pinned == segment->number)
            return false;
    return segment->last == segment->base || segment->last <= cursor_least(journal);
}

/* Those with records go in their order: who looks at what is left knows by that that none is missing between two of them. @holds lock */
static bool segment_take_passed(struct journal *journal, struct segment *ret_segment)
{
    bool stays = false;

    for (size_t i = 0; i < journal->segments_count; i++) {
        const bool records = journal->segments[i].last > journal->segments[i].base;
        if ((records && stays) || !segment_passed(journal, i)) {
            stays = stays || records;
            continue;
        }
        *ret_segment = journal->segments[i];
        memmove(&journal->segments[i], &journal->segments[i + 1],
            (journal->segments_count - i - 1) * sizeof *journal->segments);
        journal->segments_count--;
        return true;
    }
    return false;
}

/* A damaged one is worth keeping for whoever wants to dig in it, as far as DAMAGED_KEPT goes. @holds lock */
static void segment_recycle(struct journal *journal, const struct segment *segment)
{
    const struct journal_io *io = journal->io;
    bool keep = segment->damaged && journal->damaged_kept < DAMAGED_KEPT;
    bool reuse =
        !segment->damaged && segment->size == journal->options.segment_size && reserve_has_room(journal);
    const struct reserve reserve = {journal->reserve_next++, true};
    char name[SEGMENT_NAME_SIZE];
    char target[SEGMENT_NAME_SIZE];
    struct error error;
    int result;

    lock_release(journal);
    reuse = reuse && segment_make_whole(journal, segment, &error) == 0;
    segment_name(name, segment->number);
    if (reuse)
        reserve_name(target, &reserve);
    else
        snprintf(target, sizeof target, "%020" PRIu64 ".damaged", segment->number);
    if (reuse || keep)
        result = io->rename(io->context, journal->directory, name, target);
    else
        result = io->unlink(io->context, journal->directory, name);
    lock_take(journal);

    if (!result && reuse)
        journal->reserve[journal->reserve_count++] = reserve;
    else
        journal->bytes -= segment->size;
    journal->damaged_kept += keep;
    journal->unprepared = journal->full = false;
    pthread_cond_broadcast(&journal->room);
}

void preparer_free_passed(struct journal *journal)
{
    struct segment segment;

    lock_take(journal);
    while (segment_take_passed(journal, &segment))
        segment_recycle(journal, &segment);
    lock_release(journal);
}

/* ---- making ------------------------------------------------------------------------------------------------- */

static bool preparer_hurry(struct journal *journal)
{
    lock_take(journal);
    bool hurry = journal->urgent || journal->preparer_stop || !journal->threads;
    lock_release(journal);
    return hurry;
}

/* @holds lock */
static void preparer_make(struct journal *journal)
{
    const uint64_t id = journal->reserve_next++;
    struct reserve reserve;
    struct error error;

    journal->bytes += journal->options.segment_size;
    lock_release(journal);
    int result = reserve_make(journal, id, preparer_hurry, &reserve, &error);
    if (result)
        log_event(LOG_WARN, "journal.reserve", log_text("directory", journal->options.directory),
            log_text("error", error.text));
    lock_take(journal);

    journal->unprepared = result != 0;
    if (result) {
        journal->bytes -= journal->options.segment_size;
        journal->prepare_at = clock_monotonic(journal->options.clock) + RETRY_PAUSE;
    } else {
        assert(journal->reserve_count < RESERVE_MAX);
        journal->reserve[journal->reserve_count++] = reserve;
        journal->full = false;
    }
    pthread_cond_broadcast(&journal->room);
}

int preparer_step(struct journal *journal)
{
    struct segment segment;

    if (segment_take_passed(journal, &segment)) {
        segment_recycle(journal, &segment);
        return 1;
    }
    if (journal->reserve_count < RESERVE_TARGET &&
        clock_monotonic(journal->options.clock) >= journal->prepare_at &&
        journal->bytes + journal->options.segment_size <= journal->options.max_size) {
        preparer_make(journal);
        return !journal->unprepared;
    }
    return 0;
}

void *preparer_run(void *context)
{
    struct journal *journal = context;
    const struct clock *clock = journal->options.clock;

    lock_take(journal);
    while (!journal->preparer_stop)
        if (!preparer_step(journal) && !journal->preparer_stop) {
            bool later = clock_monotonic(clock) < journal->prepare_at;
            lock_wait(journal, &journal->prepare, later ? journal->prepare_at : INT64_MAX);
        }
    lock_release(journal);
    return NULL;
}
