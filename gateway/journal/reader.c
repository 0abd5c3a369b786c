/* reader: gives an outlet the durable records in order, and names what is damaged between them. */
#include "journal/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/file.h"

int journal_reader_open(
    struct journal_reader **ret_reader, struct journal *journal, uint64_t after, struct error *error)
{
    struct journal_reader *reader = calloc(1, sizeof *reader);

    if (!reader)
        return error_set(error, ERROR_RETRY, "journal reader: no memory"); /* GCOVR_EXCL_LINE: no memory */
    reader->journal = journal;
    reader->fd = -1;
    reader->last = after;
    scan_init(&reader->scan);
    lock_take(journal);
    if (after == 0)
        reader->last = journal->segments[0].base;
    reader->next = journal->readers;
    journal->readers = reader;
    lock_release(journal);
    *ret_reader = reader;
    return 0;
}

void journal_reader_close(struct journal_reader **reader)
{
    struct journal_reader *old = *reader;

    *reader = NULL;
    if (!old)
        return;
    lock_take(old->journal);
    for (struct journal_reader **at = &old->journal->readers; *at; at = &(*at)->next)
        if (*at == old) {
            *at = old->next;
            break;
        }
    pthread_cond_signal(&old->journal->prepare);
    lock_release(old->journal);
    scan_free(&old->scan);
    fd_close(&old->fd);
    free(old);
}

/* The segment with the record behind `last`, pinned; false when nothing durable is left. Segments that were lost
 * are stepped over: the gap shows when the next one's first record is read. */
static bool reader_find_segment(struct journal_reader *reader, struct segment *ret_segment)
{
    struct journal *journal = reader->journal;
    bool found = false;

    lock_take(journal);
    for (size_t i = 0; i < journal->segments_count && !found; i++) {
        found = journal->segments[i].last > reader->last;
        if (found)
            *ret_segment = journal->segments[i];
    }
    reader->pinned = found ? ret_segment->number : 0;
    lock_release(journal);
    return found;
}

static int reader_open_segment(
    struct journal_reader *reader, const struct segment *segment, struct error *error)
{
    fd_close(&reader->fd);
    reader->fd = segment_open(reader->journal, segment, O_RDONLY);
    if (reader->fd < 0) {
        char name[SEGMENT_NAME_SIZE];
        segment_name(name, segment->number);
        reader->segment.number = 0;
        return error_set_errno(
            error, ERROR_RETRY, "journal %s: open %s", reader->journal->options.directory, name);
    }
    scan_free(&reader->scan);
    scan_init(&reader->scan);
    reader->scan.fd = reader->fd;
    reader->scan.seed = segment->seed;
    reader->scan.offset = SEGMENT_HEADER_SIZE;
    reader->scan.last = segment->base;
    reader->scan.resync = true;
    return 0;
}

/* Makes sure that the segment with the next record is open and its durable end known. 1 ready, 0 nothing left. */
static int reader_prepare(struct journal_reader *reader, struct error *error)
{
    struct segment segment;

    if (!reader_find_segment(reader, &segment))
        return 0;
    if (segment.number != reader->segment.number && reader_open_segment(reader, &segment, error))
        return -1;
    reader->segment = segment;
    reader->scan.end = segment.end;
    reader->scan.limit = segment.last;
    return 1;
}

/* Before the outlet can move its cursor over it. */
static void reader_tell_damage(struct journal_reader *reader, uint64_t first, uint64_t last)
{
    struct journal *journal = reader->journal;
    const bool forgotten = state_damaged(journal, first, last);

    lock_take(journal);
    journal->forgotten = journal->forgotten || forgotten;
    for (size_t i = 0; i < journal->segments_count; i++)
        if (journal->segments[i].number == reader->segment.number)
            journal->segments[i].damaged = true;
    lock_release(journal);
}

static void reader_give_damage(struct journal_reader *reader, uint64_t last, struct journal_entry *ret_entry)
{
    *ret_entry = (struct journal_entry){.type = JOURNAL_ENTRY_DAMAGE,
        .sequence = reader->last + 1,
        .last = last,
        .epoch = reader->segment.epoch};
    reader_tell_damage(reader, reader->last + 1, last);
    reader->last = last;
}

static void reader_give_record(struct journal_reader *reader, struct journal_entry *ret_entry)
{
    *ret_entry = (struct journal_entry){.type = JOURNAL_ENTRY_RECORD,
        .sequence = reader->frame.frame.sequence,
        .last = reader->frame.frame.sequence,
        .epoch = reader->segment.epoch,
        .body = {reader->frame.body, reader->frame.frame.length}};
    reader->last = reader->frame.frame.sequence;
    reader->has_frame = false;
}

/* The next record frame behind `last` of the open segment: 1, 0 at its end, -1. */
static int reader_scan(struct journal_reader *reader, struct error *error)
{
    int found = 1;

    while (!reader->has_frame && found == 1) {
        found = scan_next(&reader->scan, &reader->frame, error);
        reader->has_frame = found == 1 && reader->frame.frame.kind == JOURNAL_KIND_DATA &&
                            reader->frame.frame.sequence > reader->last;
    }
    /* GCOVR_EXCL_START: a bad disk */
    if (found < 0)
        error_wrap(error, "segment %llu", (unsigned long long)reader->segment.number);
    /* GCOVR_EXCL_STOP */
    return found;
}

int journal_read(struct journal_reader *reader, struct journal_entry *ret_entry, struct error *error)
{
    /* While the open segment is known to hold more, neither lock nor list is needed. */
    bool more = reader->segment.number && reader->last < reader->segment.last;
    int ready = more ? 1 : reader_prepare(reader, error);

    if (ready <= 0)
        return ready;
    int found = reader_scan(reader, error);
    if (found < 0)
        return -1; /* GCOVR_EXCL_LINE: a bad disk */
    if (found == 0)
        reader_give_damage(reader, reader->segment.last, ret_entry);
    else if (reader->frame.frame.sequence > reader->last + 1)
        reader_give_damage(reader, reader->frame.frame.sequence - 1, ret_entry);
    else
        reader_give_record(reader, ret_entry);
    return 1;
}

int journal_reader_pass(struct journal_reader *reader, uint64_t *ret_last, struct error *error)
{
    struct journal *journal = reader->journal;

    lock_take(journal);
    const struct segment segment = *segment_current(journal);
    const bool passes = reader->last >= journal->letter && reader->last < segment.last;
    if (passes)
        reader->pinned = segment.number;
    lock_release(journal);
    if (!passes)
        return 0;
    if (segment.number != reader->segment.number && reader_open_segment(reader, &segment, error))
        return -1;
    /* The next record will stand behind what is durable of this segment, or begin the next one. */
    reader->segment = segment;
    reader->scan.offset = reader->scan.end = segment.end;
    reader->scan.last = reader->scan.limit = segment.last;
    reader->has_frame = false;
    *ret_last = reader->last = segment.last;
    return 1;
}
