/* view_walk: every frame of a journal's segments, and what is not as it was written (view.h).
 *
 * The sequences of records are dense over segments: what is missing between two is damage, as it is for recovery and readers. A frame that has its
 * checksum is held against those around it, too: hand-overs have an end, a snapshot tells how much it holds, a group's mark tells of what stands before it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/little.h"
#include "journal/view_inside.h"

#define SNAPSHOT_BODY 4

struct walk {
    const struct journal_view *view;
    const struct journal_view_segment *segment;
    const struct segment *inside; /* the same one */
    journal_view_visit_fn *visit;
    void *context;
    struct scan scan;
    bool behind_known; /* what is missing at its end is of its own epoch */
    uint64_t last; /* sequence of the last record that was there, or should have been */
    bool whole; /* nothing is bad between the last snapshot's or group's beginning and here */
    bool ended; /* the last frame has its end flag */
    uint32_t states; /* in the snapshot so far */
};

/* ---- what is told ---------------------------------------------------------------------------------------------- */

static int walk_give_frame(struct walk *walk, const struct scan_frame *found, struct error *error)
{
    const uint16_t kind = found->frame.kind;
    const struct journal_view_item item = {
        .type = kind == JOURNAL_KIND_DATA ? JOURNAL_VIEW_RECORD : JOURNAL_VIEW_STATE,
        .segment = walk->segment,
        .from = found->offset,
        .to = walk->scan.offset,
        .first = found->frame.sequence,
        .last = found->frame.sequence,
        .epoch = walk->segment->epoch,
        .epoch_known = true,
        .kind = kind,
        .body = {found->body, found->frame.length},
    };

    if (kind == JOURNAL_KIND_GROUP || kind == JOURNAL_KIND_SNAPSHOT)
        return 0;
    return walk->visit(walk->context, &item, error);
}

static int walk_give_fault(
    struct walk *walk, uint64_t from, uint64_t to, const char *text, struct error *error)
{
    const struct journal_view_item item = {.type = JOURNAL_VIEW_FAULT,
        .segment = walk->segment,
        .from = from,
        .to = to,
        .first = walk->last + 1,
        .last = walk->last,
        .text = text};

    return walk->visit(walk->context, &item, error);
}

/* Records up to `last`, and the bytes from..to. */
static int walk_give_damage(
    struct walk *walk, uint64_t last, uint64_t from, uint64_t to, bool epoch_known, struct error *error)
{
    const struct journal_view_item item = {.type = JOURNAL_VIEW_DAMAGE,
        .segment = walk->segment,
        .from = from,
        .to = to,
        .first = walk->last + 1,
        .last = last,
        .epoch = walk->segment ? walk->segment->epoch : 0,
        .epoch_known = epoch_known};

    walk->last = last;
    walk->whole = false;
    return walk->visit(walk->context, &item, error);
}

/* What has its name has not been recycled, so what was read of it is what was in it. Nor has been what follows it: segments are freed in their order. */
static bool walk_is_there(const struct walk *walk)
{
    return faccessat(walk->view->inside->journal->directory, walk->segment->file, F_OK, 0) == 0;
}

static int walk_give_freed(struct walk *walk, struct error *error)
{
    const struct journal_view_item item = {.type = JOURNAL_VIEW_FREED,
        .segment = walk->segment,
        .first = walk->last + 1,
        .last = walk->inside->last};

    walk->last = walk->inside->last;
    return walk->visit(walk->context, &item, error);
}

/* ---- one frame ------------------------------------------------------------------------------------------------- */

/* Returns what is wrong with it, or NULL. */
static const char *walk_check_snapshot(struct walk *walk, const struct scan_frame *found)
{
    const bool end = walk->scan.offset == walk->inside->snapshot_end;

    if (found->frame.kind != JOURNAL_KIND_SNAPSHOT) {
        walk->states++;
        return found->frame.kind < STATE_CURSOR || end ? "not what a snapshot of the state holds there"
                                                       : NULL;
    }
    if (!walk->whole || (end && found->frame.length == SNAPSHOT_BODY && get_u32(found->body) == walk->states))
        return NULL;
    return "the snapshot's end does not tell of what is in it";
}

static const char *walk_check_group(struct walk *walk, const struct scan_frame *found)
{
    const bool unfinished = walk->whole && !walk->ended;
    uint64_t last, offset;

    walk->whole = true;
    if (!scan_mark(found, &last, &offset))
        return "a group's mark that tells of what is not before it";
    return unfinished ? "the hand-over before it has no end" : NULL;
}

static const char *walk_check(struct walk *walk, const struct scan_frame *found)
{
    struct journal_cursor cursor;
    const char *fault = NULL;
    struct slice outlet;
    struct error ignored;

    if (found->offset < walk->inside->snapshot_end)
        fault = walk_check_snapshot(walk, found);
    else if (found->frame.kind == JOURNAL_KIND_SNAPSHOT)
        fault = "the end of a snapshot behind it";
    else if (found->frame.kind == JOURNAL_KIND_GROUP)
        fault = walk_check_group(walk, found);
    walk->ended = found->frame.flags & FRAME_END;
    if (!fault && found->frame.kind == STATE_CURSOR &&
        (cursor_decode(found->body, found->frame.length, &outlet, &cursor, &ignored) ||
            !view_cursor_adds_up(&cursor)))
        fault = "a cursor whose totals do not add up";
    else if (!fault && found->frame.kind == STATE_CURSOR && cursor.position > found->frame.sequence)
        fault = "a cursor beyond the records before it";
    return fault;
}

/* ---- one segment ------------------------------------------------------------------------------------------------ */

static int walk_end(struct walk *walk, struct error *error)
{
    if (!walk->whole || walk->ended || !walk->segment->end_known)
        return 0;
    return walk_give_fault(
        walk, walk->scan.offset, walk->scan.offset, "the hand-over before it has no end", error);
}

/* 1: the next frame was given, 0: the segment is over, or was freed, -1 */
static int walk_step(struct walk *walk, struct error *error)
{
    const uint64_t from = walk->scan.offset;
    struct scan_frame found;
    /* Where nothing says how far the segment goes, what stands behind its last record may be void. */
    const bool enough =
        !walk->segment->end_known && walk->last == walk->inside->last && from >= walk->inside->snapshot_end;
    const int more = enough ? 0 : scan_next(&walk->scan, &found, error);

    if (more < 0)
        return error_wrap(error, "%s", walk->segment->file); /* GCOVR_EXCL_LINE: a bad disk */
    const bool over = !more;
    const uint64_t to = over ? walk->inside->end : found.offset;
    const uint64_t last =
        over ? walk->inside->last : found.frame.sequence - (found.frame.kind == JOURNAL_KIND_DATA);
    const bool bad = (over ? !enough && from < to : found.after_hole) || last > walk->last;
    if (bad && !walk_is_there(walk))
        return walk_give_freed(walk, error);
    if (bad && walk_give_damage(walk, last, from, to, !over || walk->behind_known, error))
        return -1;
    if (over)
        return walk_end(walk, error);
    walk->last = found.frame.sequence;
    const char *fault = walk_check(walk, &found);
    if ((fault && walk_give_fault(walk, found.offset, walk->scan.offset, fault, error)) ||
        walk_give_frame(walk, &found, error))
        return -1;
    return 1;
}

static int walk_segment(struct walk *walk, size_t index, struct error *error)
{
    const struct journal_view_segment *next =
        index + 1 < walk->view->segments_count ? &walk->view->segments[index + 1] : NULL;
    int more = 1;

    walk->segment = &walk->view->segments[index];
    walk->behind_known = walk->segment->end_known || (next && next->epoch == walk->segment->epoch);
    walk->inside = &walk->view->inside->journal->segments[index];
    walk->last = walk->inside->base;
    walk->whole = true;
    walk->ended = true;
    walk->states = 0;
    cleanup_fd int fd = segment_open(walk->view->inside->journal, walk->inside, O_RDONLY);
    if (fd < 0)
        return errno == ENOENT ? walk_give_freed(walk, error)
                               : error_set_errno(error, ERROR_FATAL, "%s: open", walk->segment->file);
    scan_init(&walk->scan);
    walk->scan.fd = fd;
    walk->scan.seed = walk->inside->seed;
    walk->scan.offset = SEGMENT_HEADER_SIZE;
    walk->scan.last = walk->inside->base;
    walk->scan.end = walk->inside->end;
    walk->scan.limit = walk->inside->last;
    walk->scan.resync = true;
    while (more == 1)
        more = walk_step(walk, error);
    scan_free(&walk->scan);
    return more;
}

/* Some outlet needs records from before the oldest segment. */
static int walk_before(struct walk *walk, uint64_t after, struct error *error)
{
    const struct journal *journal = walk->view->inside->journal;
    const uint64_t least = cursor_least(journal);
    const uint64_t oldest = journal->segments[0].base;

    if (walk->view->outlets_count == 0 || least >= oldest || after >= oldest)
        return 0;
    walk->last = least;
    return walk_give_damage(walk, oldest, 0, 0, false, error);
}

int journal_view_walk(const struct journal_view *view, uint64_t after, journal_view_visit_fn *visit,
    void *context, struct error *error)
{
    struct walk walk = {.view = view, .visit = visit, .context = context};

    if (view->segments_count && walk_before(&walk, after, error))
        return -1;
    for (size_t i = 0; i < view->segments_count; i++)
        if ((after == 0 || view->inside->journal->segments[i].last > after) && walk_segment(&walk, i, error))
            return -1;
    return 0;
}

void journal_view_ids(
    const struct journal_view *view, const struct journal_view_item *item, char out[JOURNAL_VIEW_IDS_MAX + 1])
{
    const struct record_id id = {view->gateway_id, item->epoch, item->first};
    size_t length = 0;

    if (item->epoch_known)
        length = record_id_print(&id, out);
    else
        length =
            (size_t)snprintf(out, JOURNAL_VIEW_IDS_MAX + 1, "%s/*/%" PRIu64, view->gateway_id, item->first);
    if (item->last > item->first)
        snprintf(out + length, JOURNAL_VIEW_IDS_MAX + 1 - length, "..%" PRIu64, item->last);
}
