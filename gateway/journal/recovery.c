/* recovery: what the last run left behind, made safe, before anybody reads or writes (FORMAT.md, "Recovery").
 *
 * Only the last segment is scanned. Up to the highest mark found in it everything was durable: what is bad there is damage, named
 * and stepped over. Behind that mark the longest valid prefix counts, cut back to the end of a hand-over. */
#include "journal/recovery_list.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/file.h"
#include "base/log.h"

/* What the first pass learns about the last segment. */
struct tail {
    struct segment *segment;
    int fd;
    uint64_t durable; /* offset up to which everything was fsynced */
    uint64_t durable_last; /* sequence of the last record below it, as the mark says */
    uint64_t highest; /* sequence of any valid record, also behind a hole */
    uint64_t cut; /* where the kept part ends */
    bool snapshot_damaged;
};

static void recovery_apply(
    struct journal *journal, const struct scan_frame *found, struct journal_report *report)
{
    struct error error;

    if (!state_recover(journal, found, &error))
        return;
    if (error.kind == ERROR_RETRY)
        journal->unread = error;
    recovery_note(report, "state record at %" PRIu64 ": %s", found->offset, error.text);
}

/* It is told when all state has been applied: what is about these records may stand behind them. They come in their
 * order: without memory for one more range the last one is longer. */
static void recovery_add_damage(struct journal *journal, uint64_t first, uint64_t last)
{
    const uint64_t range[] = {first, last};
    struct bytes *list = &journal->damage;
    struct error error;

    if (bytes_add(list, range, sizeof range, &error) && list->length)
        memcpy(list->data + list->length - sizeof last, &last, sizeof last); /* GCOVR_EXCL_LINE: a million */
}

/* What every outlet has passed is not lost with its copy here. A reader, too, takes position 0 for the oldest kept record. */
static void recovery_tell_damage(struct journal *journal)
{
    const uint64_t least = cursor_least(journal);
    uint64_t range[2];

    if (journal->segments_count && least > 0 && least < journal->segments[0].base)
        state_damaged(journal, least + 1, journal->segments[0].base);
    for (size_t at = 0; at < journal->damage.length; at += sizeof range) {
        memcpy(range, journal->damage.data + at, sizeof range);
        if (range[1] > least)
            state_damaged(journal, range[0] > least ? range[0] : least + 1, range[1]);
    }
    bytes_free(&journal->damage);
}

static void recovery_scan_start(struct scan *scan, const struct segment *segment, int fd, uint64_t end)
{
    scan_init(scan);
    scan->fd = fd;
    scan->seed = segment->seed;
    scan->offset = SEGMENT_HEADER_SIZE;
    scan->last = segment->base;
    scan->end = end;
}

/* First pass: the highest mark and the highest sequence, over holes too. */
static int tail_survey(struct tail *tail, struct error *error)
{
    struct scan scan;
    struct scan_frame found;
    uint64_t last, offset;
    int more;

    recovery_scan_start(&scan, tail->segment, tail->fd, tail->segment->size);
    scan.resync = true;
    tail->durable = tail->segment->snapshot_end;
    tail->durable_last = tail->highest = tail->segment->base;
    while ((more = scan_next(&scan, &found, error)) == 1) {
        if (found.after_hole && found.offset <= tail->segment->snapshot_end)
            tail->snapshot_damaged = true;
        if (found.frame.kind == JOURNAL_KIND_DATA)
            tail->highest = found.frame.sequence;
        if (found.frame.kind == JOURNAL_KIND_GROUP && scan_mark(&found, &last, &offset) &&
            offset > tail->durable) {
            tail->durable_last = last;
            tail->durable = offset;
        }
    }
    if (tail->durable > tail->segment->size) /* a file cut short */
        tail->durable = tail->segment->size;
    if (scan.offset < tail->segment->snapshot_end)
        tail->snapshot_damaged = true;
    scan_free(&scan);
    return more;
}

static void tail_note_damage(struct journal *journal, struct tail *tail, uint64_t first, uint64_t last,
    uint64_t offset, struct journal_report *report)
{
    tail->segment->damaged = true;
    if (first > last) {
        recovery_note(report, "segment %" PRIu64 ": damage before offset %" PRIu64 ", no record lost",
            tail->segment->number, offset);
        return;
    }
    recovery_add_damage(journal, first, last);
    report->records_damaged += last - first + 1;
    recovery_note(report,
        "segment %" PRIu64 ": records %" PRIu64 "..%" PRIu64 " are damaged (before offset %" PRIu64 ")",
        tail->segment->number, first, last, offset);
}

/* Below the last mark a hole is damage: step over it, and know how far the records went. */
static int tail_keep_durable(struct journal *journal, struct tail *tail, struct scan *scan,
    struct journal_report *report, struct error *error)
{
    struct scan_frame found;
    int more = 1;

    scan->resync = true;
    while (more == 1 && scan->offset < tail->durable) {
        uint64_t last = scan->last;
        scan->end = tail->durable;
        more = scan_next(scan, &found, error);
        if (more != 1)
            break;
        bool data = found.frame.kind == JOURNAL_KIND_DATA;
        if (found.after_hole || found.frame.sequence > last + data)
            tail_note_damage(journal, tail, last + 1, found.frame.sequence - data, found.offset, report);
        recovery_apply(journal, &found, report);
    }
    return more < 0 ? -1 : 0;
}

/* Behind the last mark the first hole is the end, and an unfinished hand-over is cut off. */
static int tail_keep_prefix(struct journal *journal, struct tail *tail, struct scan *scan,
    struct journal_report *report, struct error *error)
{
    struct scan ahead = *scan; /* walks in front of what is known to be whole; borrows no window */
    struct scan_frame found;
    int more;

    bytes_init(&ahead.window, scan->window.limit);
    ahead.window_start = 0;
    ahead.resync = false;
    tail->cut = scan->offset;
    tail->segment->last = scan->last;
    while ((more = scan_next(&ahead, &found, error)) == 1) {
        if (!(found.frame.flags & FRAME_END))
            continue;
        tail->cut = ahead.offset;
        tail->segment->last = ahead.last;
    }
    bool torn = tail->cut != ahead.offset || scan_looks_torn(&ahead) || tail->highest > ahead.last;
    if (more == 0 && torn) {
        report->tail_first = tail->segment->last + 1;
        report->tail_last = tail->highest > tail->segment->last ? tail->highest : tail->segment->last + 1;
        recovery_note(report,
            "tail %" PRIu64 "..%" PRIu64 ", possibly acknowledged: cut off segment %" PRIu64
            " at offset %" PRIu64,
            report->tail_first, report->tail_last, tail->segment->number, tail->cut);
    }
    scan_free(&ahead);
    scan->resync = false;
    while (more == 0 && scan->offset < tail->cut && (more = scan_next(scan, &found, error)) == 1) {
        recovery_apply(journal, &found, report);
        more = 0;
    }
    return more;
}

/* An older segment, over holes: what of its records is gone, and its state if that is wanted. */
static void recovery_read_old(
    struct journal *journal, const struct segment *segment, bool apply, struct journal_report *report)
{
    char name[SEGMENT_NAME_SIZE];
    struct scan scan;
    struct scan_frame found;
    struct error error;
    uint64_t last = segment->base;
    int more;

    segment_name(name, segment->number);
    cleanup_fd int fd = segment_open(journal, segment, O_RDONLY);
    recovery_scan_start(&scan, segment, fd, segment->end);
    scan.resync = true;
    scan.limit = segment->last;
    while ((more = scan_next(&scan, &found, &error)) == 1) {
        const bool data = found.frame.kind == JOURNAL_KIND_DATA;
        if (found.frame.sequence > last + data)
            recovery_add_damage(journal, last + 1, found.frame.sequence - data);
        last = found.frame.sequence;
        if (apply)
            recovery_apply(journal, &found, report);
    }
    if (last < segment->last)
        recovery_add_damage(journal, last + 1, segment->last);
    scan_free(&scan);
    if (more < 0)
        recovery_note(report, "%s: %s", name, error.text); /* GCOVR_EXCL_LINE: a bad disk */
}

/* The state of all kept segments is read, oldest first, only when the last one's snapshot is damaged; otherwise those
 * that are known to lack records. */
static void recovery_read_all_old(struct journal *journal, bool apply, struct journal_report *report)
{
    for (size_t i = 0; i + 1 < journal->segments_count; i++) {
        if (apply || journal->segments[i].lacking)
            recovery_read_old(journal, &journal->segments[i], apply, report);
    }
}

static int tail_recover(
    struct journal *journal, struct tail *tail, struct journal_report *report, struct error *error)
{
    struct scan scan;

    if (tail_survey(tail, error))
        return -1;
    if (tail->snapshot_damaged)
        recovery_note(report,
            "segment %" PRIu64 ": snapshot of the live state is damaged: state is read from all segments",
            tail->segment->number);
    recovery_read_all_old(journal, tail->snapshot_damaged, report);
    recovery_scan_start(&scan, tail->segment, tail->fd, tail->segment->size);
    int result = tail_keep_durable(journal, tail, &scan, report, error);
    if (!result) {
        if (scan.offset < tail->durable || scan.last < tail->durable_last)
            tail_note_damage(journal, tail, scan.last + 1, tail->durable_last, tail->durable, report);
        if (tail->durable_last < scan.last)
            tail->durable_last = scan.last; /* the mark tells of less: no sequence is given twice */
        scan.offset = tail->durable;
        scan.last = tail->durable_last;
        scan.end = tail->segment->size;
        result = tail_keep_prefix(journal, tail, &scan, report, error);
    }
    scan_free(&scan);
    if (result || journal->unread.kind != ERROR_RETRY)
        return result;
    *error = journal->unread; /* memory is gone: the snapshot of the new segment would lack this for good */
    return -1;
}

/* ---- the restart --------------------------------------------------------------------------------------------- */

/* No zero-filling while somebody waits for the start. */
static bool recovery_hurry(struct journal *journal)
{
    (void)journal;
    return true;
}

/* At least one reserve file, made now if there is none. */
static int recovery_need_reserve(struct journal *journal, struct error *error)
{
    if (journal->reserve_count)
        return 0;
    if (reserve_make(journal, journal->reserve_next++, recovery_hurry, &journal->reserve[0], error))
        return error_wrap(error, "journal %s: no room for a new segment", journal->options.directory);
    journal->reserve_count++;
    journal->bytes += journal->options.segment_size;
    return 0;
}

struct carried {
    const struct tail *tail;
    struct segment old;
};

/* Marks stay behind: their offsets are the old file's. */
static int tail_carry(void *context, struct writer *writer, struct error *error)
{
    const struct carried *carried = context;
    struct scan scan;
    struct scan_frame found;
    int more = 0;

    recovery_scan_start(&scan, &carried->old, carried->tail->fd, carried->tail->cut);
    scan.offset = carried->tail->durable;
    scan.last = carried->tail->durable_last;
    while (!more && scan.offset < carried->tail->cut && (more = scan_next(&scan, &found, error)) == 1) {
        const struct slice body = {found.body, found.frame.length};
        bool mark = found.frame.kind == JOURNAL_KIND_GROUP;
        more = mark ? 0 : writer_frame(writer, &found.frame, body, (struct slice){NULL, 0});
    }
    scan_free(&scan);
    return more;
}

/* What stands behind the last mark goes to a new segment, whole before that has a name: its header voids it here. */
static int tail_copy(struct journal *journal, struct tail *tail, struct error *error)
{
    struct carried carried = {tail, *tail->segment};

    tail->segment->last = journal->sequence = tail->durable_last;
    tail->segment->end = tail->durable;
    journal->carry = tail_carry;
    journal->carry_context = &carried;
    int result = recovery_need_reserve(journal, error) || committer_roll(journal, false, error);
    journal->carry = NULL;
    if (result)
        return -1;
    journal->sequence = segment_current(journal)->last = carried.old.last;
    segment_current(journal)->end = journal->writer.offset;
    return 0;
}

/* A kill leaves written bytes in the page cache that a power cut still takes: the tail is synced before anybody may read it. */
static int tail_make_durable(
    struct journal *journal, struct tail *tail, struct journal_report *report, struct error *error)
{
    for (size_t i = 0; i < journal->cursors_count; i++)
        mark_table_settle(&journal->cursors[i].marks);
    journal->epoch = tail->segment->epoch; /* a copy belongs to the start that accepted it */
    tail->segment->end = tail->cut;
    journal->sequence = tail->segment->last;
    if (journal->io->sync(journal->io->context, tail->fd) == 0)
        return 0;
    recovery_note(report, "segment %" PRIu64 ": sync of its tail failed (%s): copied to a new segment",
        tail->segment->number, strerror(errno));
    return tail_copy(journal, tail, error);
}

static int recovery_last_segment(struct journal *journal, struct journal_report *report, struct error *error)
{
    struct tail tail = {.segment = segment_current(journal)};
    char name[SEGMENT_NAME_SIZE];

    segment_name(name, tail.segment->number);
    cleanup_fd int fd = segment_open(journal, tail.segment, O_RDWR);
    tail.fd = fd;
    if (fd < 0)
        error_set_errno(error, ERROR_FATAL, "open"); /* GCOVR_EXCL_LINE: it was read a moment ago */
    if (fd < 0 || tail_recover(journal, &tail, report, error) ||
        tail_make_durable(journal, &tail, report, error))
        return error_wrap(error, "journal %s: %s", journal->options.directory, name);
    return 0;
}

/* Who forgets an outlet must lose nothing else, and hears which outlets there are. */
static int recovery_check_forget(struct journal *journal, struct error *error)
{
    if (journal->unknown_kind)
        return error_set(error, ERROR_FATAL,
            "journal %s holds state of kind %u, which this penstock would drop: use the version that wrote it",
            journal->options.directory, journal->unknown_kind);
    if (cursor_find(journal, journal->options.forget))
        return 0;
    error_set(error, ERROR_REJECT, "journal %s keeps nothing for outlet %s; it keeps records for %s",
        journal->options.directory, journal->options.forget, journal->cursors_count ? "" : "none");
    for (size_t i = 0; i < journal->cursors_count; i++) {
        const size_t used = strlen(error->text);
        snprintf(
            error->text + used, sizeof error->text - used, "%s%s", i ? ", " : "", journal->cursors[i].outlet);
    }
    return -1;
}

static int recovery_check_cursors(struct journal *journal, struct error *error)
{
    if (journal->options.forget)
        return recovery_check_forget(journal, error);
    for (size_t i = 0; i < journal->cursors_count; i++) {
        bool wanted = false;
        for (size_t k = 0; k < journal->options.outlets_count; k++)
            wanted = wanted || strcmp(journal->options.outlets[k], journal->cursors[i].outlet) == 0;
        if (!wanted)
            return error_set(error, ERROR_FATAL,
                "journal %s keeps records for outlet %s, which is not configured any more: configure it again, or "
                "give up what is queued for it: penstock journal forget %s",
                journal->options.directory, journal->cursors[i].outlet, journal->cursors[i].outlet);
    }
    return 0;
}

/* A new outlet starts at the oldest kept record. */
static void recovery_add_cursors(struct journal *journal)
{
    uint64_t oldest = journal->segments_count ? journal->segments[0].base : 0;

    for (size_t i = 0; i < journal->options.outlets_count; i++) {
        const char *outlet = journal->options.outlets[i];
        struct cursor *cursor = cursor_make(journal, outlet, strlen(outlet));
        assert(cursor);
        if (!cursor->known) {
            cursor->stored.position = cursor->stored.base = oldest;
            cursor->known = true;
        }
        cursor->wanted = cursor->stored;
    }
}

/* Durable with the segment that follows: its snapshot lacks it. */
static void recovery_forget(struct journal *journal, struct journal_report *report)
{
    struct cursor *cursor = journal->options.forget ? cursor_find(journal, journal->options.forget) : NULL;

    if (!cursor)
        return;
    report->forgotten = cursor->stored;
    report->forgotten_marks = cursor->marks.count;
    cursor_drop(journal, cursor);
}

static void recovery_new_epoch(struct journal *journal)
{
    bool used = true;

    while (used) {
        journal->epoch = (uint32_t)journal_random();
        used = journal->epoch == 0;
        for (size_t i = 0; i < journal->segments_count; i++)
            used = used || journal->segments[i].epoch == journal->epoch;
    }
    if (!journal->log)
        journal->log = journal_random();
}

/* What the tail's end leaves empty goes back to the disk, or a crash loop would fill it. Its end stands in the next header, so this
 * needs no sync of its own. */
static void recovery_truncate(struct journal *journal, struct segment *segment)
{
    cleanup_fd int fd = segment_open(journal, segment, O_RDWR);

    if (segment->end >= segment->size || segment->last == segment->base || fd < 0 ||
        journal->io->truncate(journal->io->context, fd, segment->end))
        return;
    journal->bytes -= segment->size - segment->end;
    segment->size = segment->end;
}

static uint64_t recovery_count(const struct journal *journal)
{
    uint64_t count = 0;

    for (size_t i = 0; i < journal->segments_count; i++)
        count += journal->segments[i].last > journal->segments[i].base;
    return count;
}

int recovery_run(struct journal *journal, struct journal_report *report, struct error *error)
{
    if (recovery_list(journal, report, error))
        return -1;
    if (journal->segments_count && recovery_last_segment(journal, report, error))
        return -1;
    if (recovery_check_cursors(journal, error))
        return -1;
    recovery_add_cursors(journal);
    atomic_store(&journal->durable, journal->sequence);
    recovery_tell_damage(journal);
    account_recovered(journal);
    journal->letter = journal->sequence; /* what is older has to be read */
    recovery_new_epoch(journal);
    preparer_free_passed(journal);
    recovery_forget(journal, report);
    report->segments = recovery_count(journal);
    report->last_sequence = journal->sequence;
    report->epoch = journal->epoch;
    if (recovery_need_reserve(journal, error) || committer_roll(journal, false, error))
        return -1;
    if (journal->segments_count > 1)
        recovery_truncate(journal, &journal->segments[journal->segments_count - 2]);
    return 0;
}

/* What has a name has not been recycled. */
int recovery_peek(struct journal *journal, struct journal_report *report, struct error *error)
{
    struct tail tail = {.segment = segment_current(journal)};
    const char *name = tail.segment->file;
    cleanup_fd int fd = segment_open(journal, tail.segment, O_RDONLY);

    tail.fd = fd;
    if (fd < 0)
        error_set_errno(error, ERROR_FATAL, "open"); /* GCOVR_EXCL_LINE: it was read a moment ago */
    const int result = fd < 0 || tail_recover(journal, &tail, report, error) ? -1 : 0;
    if (faccessat(journal->directory, name, F_OK, 0))
        return error_set(
            error, ERROR_RETRY, "journal %s: %s was freed meanwhile", journal->options.directory, name);
    for (size_t i = 0; i < journal->cursors_count; i++) {
        struct cursor *cursor = &journal->cursors[i];
        mark_table_settle(&cursor->marks);
        if (!cursor->known) /* only marks of it are left: the next start takes it for a new one */
            cursor->stored.position = cursor->stored.base = journal->segments[0].base;
    }
    tail.segment->end = tail.cut;
    return result ? error_wrap(error, "journal %s: %s", journal->options.directory, name) : 0;
}
